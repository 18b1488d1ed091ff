# SPDX-License-Identifier: BSD-3-Clause
"""Open vSwitch with DPDK: OpenFlow rules that send chosen 5-tuples to a tool port, and nothing else.

It has a database, a run folder and a network namespace of its own: a system's Open vSwitch is not touched, and the tap
device that it makes for the bridge is gone with it.
"""
import os
import re
import shutil
import time
from collections import namedtuple

from benchlib import processes
from benchlib.captures import TCP, address
from benchlib.processes import Failed, Running
from benchlib.samples import Sample

SWITCH = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'
SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'
PROGRAMS = ('ovsdb-server', 'ovsdb-tool', 'ovs-vsctl', 'ovs-ofctl', 'ovs-appctl', 'unshare')
SOURCE, TOOL = 1, 2
# Open vSwitch takes a pool of this size where it can; a net_pcap device wants its capture's packets out of it.
POOL_MBUFS = 262144
START_S = 60
ANSWER_S = 120

PortStats = namedtuple('PortStats', 'rx_packets tx_packets seconds')


def missing():
    """Why it cannot be measured, or None."""
    path = search_path()
    absent = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    absent += [name for name in (SWITCH, SCHEMA) if not os.path.exists(name)]
    return f'{", ".join(absent)}: not installed (scripts/setup bench)' if absent else None


def search_path():
    # The servers' folder is not in an ordinary user's PATH.
    return os.environ.get('PATH', os.defpath) + ':/usr/sbin:/sbin'


def parse_ports(text):
    """Port number -> PortStats, of what `ovs-ofctl --no-names -O OpenFlow13 dump-ports` prints. `seconds`: the port's age
    on the switch's own clock when it was counted."""
    lines = r'port +(\d+): rx pkts=(\d+),[^\n]*\n\s+tx pkts=(\d+),[^\n]*\n\s+duration=([\d.]+)s'
    return {int(number): PortStats(int(received), int(sent), float(seconds))
            for number, received, sent, seconds in re.findall(lines, text)}


def parse_pmd(text):
    """Name -> number, of the first thread that `dpif-netdev/pmd-stats-show` tells of."""
    first = text.split('main thread')[0]
    return {name.strip(): float(value) for name, value in re.findall(r'^\s+([^:\n]+): ([\d.]+)', first, re.MULTILINE)}


def flows_of(tuples):
    """OpenFlow rules, a line each: these 5-tuples to the tool port, everything else is dropped."""
    yield 'priority=0,actions=drop'
    for key in tuples:
        word = 'tcp' if key.protocol == TCP else 'udp'
        yield (f'priority=10,{word},nw_src={address(key.source)},nw_dst={address(key.destination)},'
               f'tp_src={key.source_port},tp_dst={key.destination_port},actions=output:{TOOL}')


class OpenVSwitch:
    """`device`: the source, a DPDK device string; `tuples`: what goes to the tool port."""

    name = 'Open vSwitch'

    def __init__(self, context, device, tuples):
        self.context = context
        self.device = device
        self.tuples = tuples
        self.folder = os.path.join(context.folder, 'ovs')
        self.environment = {**os.environ, 'PATH': search_path(), 'OVS_RUNDIR': self.folder, 'OVS_LOGDIR': self.folder,
                            'OVS_DBDIR': self.folder, 'OVS_SYSCONFDIR': self.folder, 'XDG_RUNTIME_DIR': self.folder}

    def at(self, name):
        return os.path.join(self.folder, name)

    def words(self):
        return self.in_namespace([SWITCH, f'unix:{self.at("db.sock")}', f'--unixctl={self.at("switch.ctl")}',
                                  f'--pidfile={self.at("switch.pid")}', *self.log_words('switch')])

    def log_words(self, name):
        return [f'--log-file={self.at(name + ".log")}', '-vfile:info', '-vconsole:off', '-vsyslog:off']

    def log(self, name):
        try:
            with open(self.at(name + '.log'), encoding='utf-8', errors='replace') as file:
                return processes.tail(file.read())
        except OSError:
            return ''

    def in_namespace(self, words):
        own = ['--net'] if os.geteuid() == 0 else ['--user', '--map-root-user', '--net']
        return ['unshare', *own, *words]

    def settings(self):
        extra = ' '.join([*self.context.eal_memory(POOL_MBUFS, for_switch=True), '--no-pci', '--no-telemetry'])
        return ['other_config:dpdk-init=true', f'other_config:pmd-cpu-mask={1 << self.context.data_cpu:#x}',
                f'other_config:dpdk-lcore-mask={1 << self.context.control_cpu:#x}', f'other_config:dpdk-extra={extra}']

    def run(self, *words, timeout=ANSWER_S):
        return processes.run(list(words), timeout, env=self.environment)

    def vsctl(self, *words):
        return self.run('ovs-vsctl', f'--db=unix:{self.at("db.sock")}', f'--timeout={ANSWER_S}', *words)

    def port_words(self, name, number, device):
        return ['--', 'add-port', 'br0', name, '--', 'set', 'Interface', name, 'type=dpdk',
                f'options:dpdk-devargs={device}', f'ofport_request={number}']

    def commands(self):
        """What the report shows."""
        return [['ovs-vsctl', 'set', 'Open_vSwitch', '.', *self.settings()], self.words(),
                ['ovs-vsctl', *self.bridge_words()], ['ovs-ofctl', '-O', 'OpenFlow13', 'add-flows', 'br0', 'flows.txt'],
                ['ovs-vsctl', *self.ports_words()]]

    @staticmethod
    def bridge_words():
        return ['add-br', 'br0', '--', 'set', 'Bridge', 'br0', 'datapath_type=netdev', 'fail_mode=secure',
                'protocols=OpenFlow13']

    def ports_words(self):
        # The tool first: what comes in finds where to go.
        return [*self.port_words('tool', TOOL, 'net_null0,no-rx=1')[1:], *self.port_words('source', SOURCE, self.device)]

    def measure(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.mkdir(self.folder)
        with open(self.at('flows.txt'), 'w', encoding='ascii') as file:
            file.writelines(line + '\n' for line in flows_of(self.tuples))
        self.run('ovsdb-tool', 'create', self.at('conf.db'), SCHEMA)
        control = {self.context.control_cpu}
        database = ['ovsdb-server', self.at('conf.db'), f'--remote=punix:{self.at("db.sock")}',
                    f'--unixctl={self.at("db.ctl")}', f'--pidfile={self.at("db.pid")}', *self.log_words('database')]
        with Running(database, control, env=self.environment, cwd=self.folder) as server:
            self.wait_for(server, 'db.sock', 'database')
            self.vsctl('--no-wait', 'init')
            self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.', *self.settings())
            # Its other threads may run where we say; the data thread has its CPU by pmd-cpu-mask.
            with Running(self.words(), control, env=self.environment, cwd=self.folder) as switch:
                return self.measure_switch(switch)

    def measure_switch(self, switch):
        self.wait_for(switch, 'switch.ctl', 'switch')
        self.wait_for(switch, 'switch.pid', 'switch')
        bridge = f'unix:{self.at("br0.mgmt")}'
        self.vsctl(*self.bridge_words())
        # Before there is traffic: each change makes the switch look at all of its flows again.
        self.run('ovs-ofctl', '-O', 'OpenFlow13', 'add-flows', bridge, self.at('flows.txt'))
        self.vsctl(*self.ports_words())
        fault = self.vsctl('--bare', '--columns=error', 'list', 'Interface').strip()
        if fault:
            raise Failed(f'{self.name}: {fault}\n{self.log("switch")}')
        time.sleep(self.context.warm_up)
        before, pmd_before = self.count(bridge)
        time.sleep(self.context.seconds)
        after, pmd_after = self.count(bridge)
        self.run('ovs-appctl', '-t', self.at('switch.ctl'), 'exit', '--cleanup')
        switch.read_to_end(ANSWER_S)
        return self.sample(before, after, pmd_before, pmd_after)

    def count(self, bridge):
        ports = parse_ports(self.run('ovs-ofctl', '--no-names', '-O', 'OpenFlow13', 'dump-ports', bridge))
        if not {SOURCE, TOOL} <= set(ports):
            raise Failed(f'{self.name} tells nothing of its ports')
        return ports, parse_pmd(self.run('ovs-appctl', '-t', self.at('switch.ctl'), 'dpif-netdev/pmd-stats-show'))

    def sample(self, before, after, pmd_before, pmd_after):
        received = after[SOURCE].rx_packets - before[SOURCE].rx_packets
        sent = after[TOOL].tx_packets - before[TOOL].tx_packets
        seconds = after[SOURCE].seconds - before[SOURCE].seconds
        if received <= 0 or seconds <= 0:
            raise Failed(f'{self.name} received nothing')
        known = {name: pmd_after.get(name, 0) - pmd_before.get(name, 0) for name in pmd_after}
        upcalls = known.get('miss with success upcall', 0) + known.get('miss with failed upcall', 0)
        handled = max(known.get('packets received', 0), 1)
        return Sample(pps=received / seconds, forwarded=sent / received,
                      details={'upcalls by packet': upcalls / handled})

    def wait_for(self, program, name, log):
        """Until a server has made its file."""
        deadline = time.monotonic() + START_S
        while not os.path.exists(self.at(name)):
            if program.process.poll() is not None:
                raise Failed(f'{program.name} ended with status {program.process.returncode}:\n{self.log(log)}')
            if time.monotonic() > deadline:
                raise Failed(f'{program.name} did not start within {START_S} s:\n{self.log(log)}')
            time.sleep(0.05)
