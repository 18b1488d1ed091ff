# SPDX-License-Identifier: BSD-3-Clause
"""Who cuts connections: yagura, and tcpkill in two ways. A killer is made for one trial, in the lab's box."""
import json
import os
import shutil
import subprocess
import threading
import time

from benchlib.processes import Failed, prepare, run
from killlib.paths import kill_lab, netns

START_S = 60
LISTENING = 'listening on'
# What tcpkill's libpcap does, but for the wait until its buffer is full or half a second is over.
IMMEDIATE = '''
#include <pcap/pcap.h>
#include <stdio.h>
pcap_t *pcap_open_live(const char *device, int length, int promiscuous, int to_ms, char *error) {
    pcap_t *pcap = pcap_create(device, error);
    if (pcap == NULL) return NULL;
    if (pcap_set_snaplen(pcap, length) || pcap_set_promisc(pcap, promiscuous) || pcap_set_timeout(pcap, 1) ||
        pcap_set_immediate_mode(pcap, 1) || pcap_activate(pcap) < 0) {
        snprintf(error, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(pcap));
        pcap_close(pcap);
        return NULL;
    }
    return pcap;
}
'''


def compile_immediate(folder):
    """The library that is loaded before tcpkill."""
    source, library = os.path.join(folder, 'immediate.c'), os.path.join(folder, 'immediate.so')
    with open(source, 'w', encoding='ascii') as file:
        file.write(IMMEDIATE)
    run(['gcc', '-shared', '-fPIC', '-Wall', '-o', library, source, '-lpcap'], START_S)
    return library


class Yagura:
    name = 'yagura'
    # What the box listens to: the two ports of the bridge, the bridge, or taps in the cables.
    LAYOUTS = {'ports': ('a', 'b'), 'bridge': ('br0',), 'taps': ('ya', 'yb')}

    def __init__(self, context, trial, lab):
        self.lab = lab
        if context.layout == 'taps':
            lab.split_directions()
        folder = trial.folder
        ports = {f'lan{number}': {'role': 'network', 'device': f'net_af_packet{number},iface={name}'}
                 for number, name in enumerate(self.LAYOUTS[context.layout])}
        socket = os.path.join(folder, 'control.sock')
        config = {'ports': {**ports, 'ids': {'role': 'tool', 'device': 'net_null0,no-rx=1'}},
                  'rules': [{'id': 1, 'filter': 'tcp', 'forward': ['ids']}],
                  'control': {'socket': socket},
                  'audit': {'file': os.path.join(folder, 'audit.jsonl'), 'key': os.path.join(folder, 'audit.key'),
                            'head': {'file': os.path.join(folder, 'audit.head')}},
                  'response': {'enabled': True}}
        path = os.path.join(folder, 'yagura.json')
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(config, file)
        os.chmod(path, 0o600)
        cpu = context.killer_cpu
        self.program = lab.box.start(context.yagura, 'run', '--config', path, '--lcores', f'rx={cpu};select={cpu};tx={cpu}')
        self.program.wait_for('network ports', START_S)
        self.control = kill_lab.Control(trial, socket)
        self.results = {}

    def cut(self, group):
        """When the verdict was given, by flow; and since when the killer listens, where that was later."""
        self.control.wait_until_known(group)
        self.results, begun = self.control.cut(group.flows)
        return begun, None

    def block(self, address):
        answer = self.control.call('blocks.add', targets=[address])
        if answer['results'][0]['outcome'] != 'added':
            raise Failed(f'yagura does not block {address}: {answer}')

    def end(self):
        """What it says of itself, for the report."""
        said = {'outcomes': kill_lab.shares(self.results)}
        for name in ('first_reset_us', 'death_us', 'frames'):
            said[name] = [result[name] for result in self.results.values() if result.get(name) is not None]
        said['wrong'] = []
        self.program.stop()
        said['balanced'] = 'ledger: balanced' in self.program.stdout
        return said


class Tcpkill:
    name = 'tcpkill'
    environment = {}

    def __init__(self, context, trial, lab):
        self.context, self.trial, self.lab = context, trial, lab
        self.process = self.began = self.listening = self.first_reset = None
        self.resets = 0
        self.said = []

    def start(self, expression):
        self.began = time.monotonic_ns()
        words = ['ip', 'netns', 'exec', self.lab.box.name, 'taskset', '-c', str(self.context.killer_cpu), 'tcpkill', '-i', 'br0',
                 *expression.split()]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, errors='replace', env={**os.environ, **self.environment},
                                        preexec_fn=prepare(None))
        self.trial.addCleanup(self.kill)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        netns.wait_until(lambda: self.listening or self.process.poll() is not None, START_S, lambda: 'tcpkill does not start')
        if not self.listening:
            raise Failed(f'tcpkill ended: {"".join(self.said)}')

    def read(self):
        with self.process.stderr as stream:
            for line in stream:
                if self.listening is None and LISTENING in line:
                    self.listening = time.monotonic_ns()
                elif ': R ' in line:
                    self.resets += 1
                    self.first_reset = self.first_reset or time.monotonic_ns()
                else:
                    self.said.append(line)

    def cut(self, group):
        self.start(f'tcp port {group.port}')
        return dict.fromkeys(group.flows, self.began), self.listening

    def block(self, address):
        self.start(f'host {address}')

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process:
            self.reader.join(START_S)

    def end(self):
        self.kill()
        return {'resets': self.resets, 'listening_us': micros(self.began, self.listening),
                'first_reset_us': micros(self.listening, self.first_reset), 'said': ''.join(self.said)[:2000]}


class ImmediateTcpkill(Tcpkill):
    name = 'tcpkill, immediate'

    def __init__(self, context, trial, lab):
        super().__init__(context, trial, lab)
        self.environment = {'LD_PRELOAD': context.immediate}


def micros(begin, end):
    """From ns."""
    return None if begin is None or end is None else round((end - begin) / 1000, 1)


def missing():
    """Why tcpkill cannot be measured, or None."""
    return None if shutil.which('tcpkill') else 'tcpkill is not installed (scripts/setup bench)'


ALL = (Yagura, Tcpkill, ImmediateTcpkill)
