# SPDX-License-Identifier: BSD-3-Clause
"""What scripts/soak is made of."""
