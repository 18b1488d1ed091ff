# SPDX-License-Identifier: BSD-3-Clause
"""What yagura run prints when it ends."""

import re


class Summary:
    """The table that a run prints."""

    def __init__(self, text):
        self.text = text
        self.rows = {}
        for line in text.splitlines():
            row = re.match(r" *(?:shed: )?(\S+) +(\d+)(?: +(\d+))?(?: +(\d+))?", line)
            if row:
                self.rows[row[1]] = tuple(int(number) for number in row.groups()[1:] if number is not None)
        self.balanced = "ledger: balanced" in text
        lost = re.search(r"lost: (\d+)", text)
        self.lost = int(lost[1]) if lost else None
