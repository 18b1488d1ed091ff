# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-testpmd: what DPDK forwards with one core when nothing is looked at."""
import os
import re
import shutil
import time
from collections import namedtuple

from benchlib.processes import Failed, Running
from benchlib.samples import Sample

PROGRAM = 'dpdk-testpmd'
PROMPT = 'testpmd> '
START_S = 60
ANSWER_S = 20
# What testpmd keeps for its own bursts, besides the packets that lie in a net_pcap device or a ring.
OWN_MBUFS = 16384
BURST = 32

Port = namedtuple('Port', 'rx_packets tx_packets rx_missed rx_pps tx_pps')
FIELDS = {'rx_packets': 'RX-packets', 'tx_packets': 'TX-packets', 'rx_missed': 'RX-missed', 'rx_pps': 'Rx-pps',
          'tx_pps': 'Tx-pps'}


def missing():
    """Why it cannot be measured, or None."""
    return None if shutil.which(PROGRAM) else f'{PROGRAM} is not installed (scripts/setup bench)'


def parse_port_stats(text):
    """Port number -> Port, of what `show port stats all` prints. Rates are over the time since it was asked last."""
    ports = {}
    for part in re.split(r'NIC statistics for port (?=\d)', text)[1:]:
        values = {name: re.search(rf'{word}:\s+(\d+)', part) for name, word in FIELDS.items()}
        lacking = [FIELDS[name] for name, match in values.items() if match is None]
        if lacking:
            raise Failed(f'{PROGRAM} says nothing of {", ".join(lacking)}:\n{part}')
        ports[int(part.split()[0])] = Port(**{name: int(match[1]) for name, match in values.items()})
    return ports


class Testpmd:
    """`devices`: DPDK device strings; `packets`: that lie in them. What port 0 receives is the figure."""

    name = PROGRAM

    def __init__(self, context, mode, devices, packets):
        self.context = context
        self.mode = mode
        self.devices = devices
        self.mbufs = packets + OWN_MBUFS

    def words(self):
        data, control = self.context.data_cpu, self.context.control_cpu
        memory = self.context.eal_memory(self.mbufs)
        words = [PROGRAM, *memory, '--no-telemetry', '--no-pci', '--lcores', f'0@{control},1@{data}', '--main-lcore', '0']
        for device in self.devices:
            words += ['--vdev', device]
        return words + ['--', '-i', '--nb-cores=1', f'--forward-mode={self.mode}', f'--total-num-mbufs={self.mbufs}',
                        '--no-mlockall', *self.forwarding()]

    def forwarding(self):
        return ['--port-topology=paired', f'--burst={BURST}']

    def start_commands(self):
        """What it is told to begin with."""
        return ['start']

    def commands(self):
        """What the report shows."""
        return [self.words(), *[['testpmd>', *command.split()] for command in self.start_commands()]]

    def ask(self, program, command):
        program.tell(command)
        return program.read_until(PROMPT, ANSWER_S)

    def measure(self):
        environment = {**os.environ, 'XDG_RUNTIME_DIR': self.context.folder}
        with Running(self.words(), env=environment, cwd=self.context.folder) as program:
            program.read_until(PROMPT, START_S)
            for command in self.start_commands():
                self.ask(program, command)
            time.sleep(self.context.warm_up)
            before = parse_port_stats(self.ask(program, 'show port stats all'))
            time.sleep(self.context.seconds)
            after = parse_port_stats(self.ask(program, 'show port stats all'))
            self.ask(program, 'stop')
            program.tell('quit')
            program.read_to_end(ANSWER_S)
        return self.sample(before, after)

    def sample(self, before, after):
        received = after[0].rx_packets - before[0].rx_packets
        sent = sum(port.tx_packets for port in after.values()) - sum(port.tx_packets for port in before.values())
        if received == 0:
            raise Failed(f'{PROGRAM} received nothing')
        return Sample(pps=float(after[0].rx_pps), forwarded=sent / received, details={})


class RingTestpmd(Testpmd):
    """One net_ring port in a loop: what it sends comes back to it, without a copy. One core does one reception and one
    transmission for each packet counted."""

    def __init__(self, context, packets):
        super().__init__(context, 'macswap', ['net_ring0'], packets)
        self.packets = packets
        # tx_first sends whole bursts: of a size by which the number of packets can be divided.
        self.first_burst = max(size for size in range(1, BURST + 1) if packets % size == 0)

    def forwarding(self):
        # The packets of tx_first stay in the ring while the burst is changed.
        return ['--port-topology=loop', '--no-flush-rx', f'--burst={self.first_burst}']

    def start_commands(self):
        first = [f'start tx_first {self.packets // self.first_burst}']
        return first if self.first_burst == BURST else [*first, 'stop', f'set burst {BURST}', 'start']

    def sample(self, before, after):
        sample = super().sample(before, after)
        circulating = after[0].tx_packets - after[0].rx_packets
        # The counters are read while packets move; a few bursts may be between them.
        if abs(circulating - self.packets) > 8 * BURST:
            raise Failed(f'{PROGRAM}: {circulating} packets are in circulation, {self.packets} are meant to be')
        return sample
