# SPDX-License-Identifier: BSD-3-Clause
"""The yagura that is soaked, from its configuration to what it says at its end."""
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from soaklib.connection import Connection

START_S = 60
END_S = 120
# Room for the crowd, and for us.
CONNECTIONS = 1000
# They get more than they may take: what they shed is meant. The others may lose nothing.
LIMITED_TOOLS = ('slow', 'rec')


class Failed(Exception):
    """The soak cannot go on."""


def patterns(count, salt):
    """Rules with so many patterns, none of which is ever seen."""
    return [{'id': 1000 + number, 'filter': 'tcp', 'payload': [f'soak {salt} {number * 7919}'], 'forward': ['ids']}
            for number in range(count)]


class Daemon:
    def __init__(self, build, folder):
        self.build = Path(build)
        self.folder = Path(folder)
        self.socket = self.folder / 'control.sock'
        self.config_path = self.folder / 'soak.json'
        self.log = self.folder / 'log'
        self.process = None

    def program(self, name):
        path = self.build / 'app' / name
        if not os.access(path, os.X_OK):
            raise Failed(f'there is no {path}: scripts/build {self.build} -- app/yagura app/yaguractl')
        return str(path)

    def config(self, rules=()):
        """Two network ports; a pair of tools that get everything, a slow one, and a capture file."""
        ports = {'in0': {'role': 'network', 'device': 'loop:flows=2000,size=256'},
                 'in1': {'role': 'network', 'device': 'loop:flows=200,size=1024'},
                 # Two ports give 64 packets in a turn of the lcore, of which a tool takes 32: three have room for them.
                 'ids0': {'role': 'tool', 'device': 'loop:'}, 'ids1': {'role': 'tool', 'device': 'loop:'},
                 'ids2': {'role': 'tool', 'device': 'loop:'},
                 'slow': {'role': 'tool', 'device': 'loop:', 'rate': '20Mbps'},
                 'rec': {'role': 'tool', 'device': f'pcap:{self.folder}/rec.pcap', 'rate': '200kbps'}}
        return {'ports': ports, 'tool_groups': {'ids': {'members': ['ids0', 'ids1', 'ids2'], 'mode': 'balance'}},
                'rules': [*rules, {'id': 1, 'name': 'all', 'filter': 'tcp', 'forward': ['ids', 'slow']},
                          {'id': 2, 'name': 'recorded', 'filter': 'tcp and len > 512', 'forward': ['rec']}],
                'control': {'socket': str(self.socket), 'max_connections_per_user': CONNECTIONS,
                            'roles': {'admin': {'users': [str(os.getuid())]}}},
                'audit': {'file': f'{self.folder}/audit.jsonl', 'key': f'{self.folder}/audit.key',
                          'head': {'file': f'{self.folder}/audit.head', 'interval': '5s'}}}

    def start(self):
        self.config_path.write_text(json.dumps(self.config()))
        self.config_path.chmod(0o600)
        # One lcore does everything: then no ring between lcores can be too full on a machine that is too small.
        command = [self.program('yagura'), 'run', '--config', str(self.config_path), '--lcores', 'rx=0;select=0;tx=0']
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while 'network ports' not in self.said():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise Failed(f'yagura does not start:\n{self.said()}')
            time.sleep(0.05)

    def said(self):
        return self.log.read_text(errors='replace')

    def runs(self):
        return self.process.poll() is None

    def connect(self, **options):
        return Connection(self.socket, **options)

    def resident_kib(self):
        text = Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+)', text)[1])

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def end(self):
        """By signal. Returns its exit status and what it printed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            stdout, _ = self.process.communicate(timeout=END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f'yagura does not end within {END_S} s of SIGTERM') from None
        return self.process.returncode, stdout.decode(errors='replace')

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def verify_audit(self):
        """What `yaguractl audit verify` says: (sound, its answer)."""
        logs = sorted(str(path) for path in self.folder.glob('audit.jsonl*'))
        first_key = self.folder / 'audit.key.first'
        command = [self.program('yaguractl'), '--json', 'audit', 'verify', '--head', f'{self.folder}/audit.head']
        if first_key.exists():
            command += ['--key', str(first_key)]
        if len(logs) >= 8:  # the oldest files have been removed
            command.append('--part')
        process = subprocess.run([*command, *logs], capture_output=True, text=True, check=False)
        return process.returncode == 0, (process.stdout or process.stderr).strip()
