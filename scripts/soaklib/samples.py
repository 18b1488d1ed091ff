# SPDX-License-Identifier: BSD-3-Clause
"""What is looked at while it runs, and what must hold of it."""
import statistics
import threading
import time

from soaklib.daemon import LIMITED_TOOLS

# What the process may have more at the end than when it had warmed up. Buffers of clients alone may take 64 MiB while
# they are there; what the allocator keeps of them for the next ones is not a leak.
MOST_GROWTH_KIB = 32 * 1024


def lost(stats):
    """Packets that got lost where nothing limits: (by ports, by tools)."""
    by_class_loss = ('hold_budget', 'select_ring_full', 'truncated')
    ports = sum(port.get('missed', 0) + sum(port['dropped'].get(reason, {}).get('packets', 0) for reason in by_class_loss)
                for port in stats['ports'].values())
    tools = sum(shed['packets'] for name, tool in stats['tools'].items() if name not in LIMITED_TOOLS
                for shed in tool['shed'].values())
    return ports, tools


class Sampler(threading.Thread):
    """Memory, descriptors and counters, each second."""

    def __init__(self, yagura):
        super().__init__(daemon=True)
        self.yagura = yagura
        self.ending = threading.Event()
        self.samples = []
        self.faults = []

    def sample(self, connection):
        stats = connection.call('stats.get')
        for kind in ('ports', 'tools'):
            for name, entry in stats[kind].items():
                parts = ([entry['forwarded'], entry['held'], *entry['dropped'].values()] if kind == 'ports'
                         else [entry['sent'], *entry['shed'].values()])
                whole = entry['received' if kind == 'ports' else 'offered']['packets']
                # While packets move a sum may lack what is in flight, and never has one too many. (What is in flight
                # counts until all that came of its burst is counted: it may be in both.)
                if sum(part['packets'] for part in parts) > whole:
                    self.faults.append(f'{name} has more packets than it got: {entry}')
        received = sum(port['received']['packets'] for port in stats['ports'].values())
        self.samples.append({'time': time.monotonic(), 'rss_kib': self.yagura.resident_kib(), 'descriptors': self.yagura.descriptors(),
                             'received': received, 'lost': lost(stats), 'version': stats['config_version']})

    def run(self):
        try:
            with self.yagura.connect() as connection:
                while not self.ending.wait(1.0):
                    self.sample(connection)
        except Exception as fault:
            self.faults.append(f'sampler: {type(fault).__name__}: {fault}')

    def growth_kib(self):
        """From when a fifth of the time had passed to the last fifth, medians; None of too few."""
        values = [sample['rss_kib'] for sample in self.samples]
        part = len(values) // 5
        if part == 0:
            return None
        return round(statistics.median(values[-part:]) - statistics.median(values[part:2 * part]))
