# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/bench is made of. README.md names the files."""
