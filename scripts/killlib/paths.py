# SPDX-License-Identifier: BSD-3-Clause
"""The tests' network of namespaces, which is ours too."""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, 'test', 'support'))

import kill_lab  # noqa: E402
import netns  # noqa: E402

__all__ = ['ROOT', 'kill_lab', 'netns']
