# SPDX-License-Identifier: BSD-3-Clause
"""Hugepages of 2 MiB for the time of a run. Everything that is measured runs with --in-memory, for which DPDK needs no
mounted hugetlbfs: nothing is mounted, and no file is left."""
import os

POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB'
PAGE_MIB = 2


def read(name, pool=POOL):
    try:
        with open(os.path.join(pool, name), encoding='ascii') as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


class Hugepages:
    """A context manager. Inside, `free_mib` says how much of the wanted memory can be had as hugepages, `usable` whether
    it is enough, and `said` what was done or why not. What it reserved it gives back."""

    def __init__(self, wanted_mib, available_mib, pool=POOL):
        self.wanted = (wanted_mib + PAGE_MIB - 1) // PAGE_MIB
        self.available_mib = available_mib
        self.pool = pool
        self.added = 0
        self.said = ''

    @property
    def free_mib(self):
        return read('free_hugepages', self.pool) * PAGE_MIB

    @property
    def usable(self):
        return self.free_mib >= self.wanted * PAGE_MIB

    def __enter__(self):
        missing = self.wanted - read('free_hugepages', self.pool)
        if missing <= 0:
            self.said = f'{self.free_mib} MiB of hugepages are free: used'
        elif missing * PAGE_MIB > self.available_mib // 2:
            self.said = (f'no hugepages: {missing * PAGE_MIB} MiB more would be needed, and only {self.available_mib} MiB '
                         'of memory are free; measuring with ordinary memory, which costs speed')
        else:
            self.reserve(missing)
        return self

    def reserve(self, pages):
        before = read('nr_hugepages', self.pool)
        try:
            self.write(before + pages)
        except OSError as error:
            self.said = (f'no hugepages: {pages * PAGE_MIB} MiB more are needed, and they cannot be reserved '
                         f'({error.strerror}; root can); measuring with ordinary memory, which costs speed')
            return
        self.added = read('nr_hugepages', self.pool) - before
        if self.added < pages:
            self.said = (f'no hugepages: only {self.added} of {pages} pages could be reserved, memory is too fragmented; '
                         'measuring with ordinary memory, which costs speed')
            self.give_back()
        else:
            self.said = f'{pages * PAGE_MIB} MiB of hugepages reserved for this run, {self.free_mib} MiB are free'

    def give_back(self):
        if self.added > 0:
            # Relative to what is there now: others may have changed it meanwhile.
            self.write(max(0, read('nr_hugepages', self.pool) - self.added))
            self.added = 0

    def write(self, pages):
        with open(os.path.join(self.pool, 'nr_hugepages'), 'w', encoding='ascii') as file:
            file.write(str(pages))

    def __exit__(self, *_):
        self.give_back()
