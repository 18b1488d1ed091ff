# SPDX-License-Identifier: BSD-3-Clause
"""What every measurement of a run needs to know."""
import os
from dataclasses import dataclass, field

# A mbuf with DPDK's usual 2,176 bytes of data and its headers. In ordinary memory none crosses a page of 4 KiB.
HUGE_MBUF_BYTES = 2600
ORDINARY_MBUF_BYTES = 4200
# Tables, rings, devices.
OTHER_MIB = 192


@dataclass
class Context:
    root: str              # of the source tree
    build: str             # folder of the release build
    folder: str            # temporary; gone after the run
    data_cpu: int
    control_cpu: int
    seconds: float         # of one measurement
    warm_up: float
    pairs: int
    quick: bool
    hugepages: bool
    second_cpu: int = None    # for a second data core; None where there is none
    capture: object = None    # captures.Capture
    source: str = None        # the capture that it is a copy of; None for a made one
    rule_files: str = None    # folder of *.rules that patterns are taken from; None: made ones
    say: object = print
    # What is measured once and used by several rows.
    cache: dict = field(default_factory=dict)

    def program(self, name):
        return os.path.join(self.build, 'app', name)

    def eal_memory(self, mbufs, for_switch=False):
        """EAL's options for memory in which so many packets have room."""
        if self.hugepages:
            # Open vSwitch adds --in-memory itself.
            return [] if for_switch else ['--in-memory']
        mib = mbufs * ORDINARY_MBUF_BYTES // 2**20 + OTHER_MIB
        # Without --legacy-mem, which --no-huge means anyway, Open vSwitch adds --in-memory, which contradicts it.
        legacy = ['--legacy-mem'] if for_switch else []
        return ['--no-huge', *legacy, '-m', str(mib), '--no-shconf', '--file-prefix=bench']

    def shown(self, words):
        """A command as the report shows it: without the names of this machine's folders."""
        text = ' '.join(quoted(word) for word in words)
        for file in filter(None, (self.source, self.rule_files)):
            text = text.replace(file, os.path.basename(file))
        return text.replace(self.folder, 'TMP').replace(self.build, os.path.basename(self.build)).replace(
            self.root + os.sep, '')


def quoted(word):
    plain = word and all(letter.isalnum() or letter in '-_=./:,@+%>' for letter in word)
    return word if plain else f"'{word}'"


def hugepages_wanted_mib(mbufs):
    """Memory for the largest of the programs that are measured, which run one after the other."""
    return mbufs * HUGE_MBUF_BYTES // 2**20 + OTHER_MIB
