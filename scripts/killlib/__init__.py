# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/kill-bench is made of. README.md names the files."""
