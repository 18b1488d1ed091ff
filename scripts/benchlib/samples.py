# SPDX-License-Identifier: BSD-3-Clause
"""What one program gave in one run."""
from dataclasses import dataclass, field


@dataclass
class Sample:
    pps: float                # packets received, per second
    forwarded: float          # packets sent to tools by packets received
    details: dict = field(default_factory=dict)
