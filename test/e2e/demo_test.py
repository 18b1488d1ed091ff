#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The demo's sample is what its script makes, and each tool gets of it just what the demo's rules say.

Needs YAGURA, the path of the binary. What is expected is reckoned from what make_sample.py knows of the packets that it
made, not from any filter.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(ROOT, 'test', 'data')
sys.path.insert(0, DATA)

import make_sample  # noqa: E402
from frames import TCP, UDP  # noqa: E402

YAGURA = os.environ.get('YAGURA', '')
SAMPLE = os.path.join(DATA, 'sample.pcap')


def ports(packet):
    return {packet.sport, packet.dport}


def is_dropped(packet):
    return packet.proto == TCP and 873 in ports(packet)


def expected():
    """Tool -> packets, by the rules of conf/demo.jsonc."""
    tools = {'ids': [], 'web': [], 'dns': [], 'rec': []}
    for packet in make_sample.packets():
        # The whole session, from its SYN on.
        if packet.what == 'http attack' or packet.marks & {'rst', 'malformed'}:
            tools['ids'].append(packet)
        if packet.proto == TCP and ports(packet) & {80, 443, 8080} and 'malformed' not in packet.marks:
            tools['web'].append(packet)
        if packet.proto == UDP and 53 in ports(packet):
            tools['dns'].append(packet)
        if packet.proto == TCP and not is_dropped(packet):
            tools['rec'].append(packet)
    return tools


def read_pcap(path):
    """(time in ns, frame) of each record of a nanosecond capture."""
    with open(path, 'rb') as file:
        data = file.read()
    magic, = struct.unpack_from('<I', data)
    assert magic == 0xa1b23c4d, hex(magic)
    at, records = 24, []
    while at < len(data):
        seconds, ns, captured, length = struct.unpack_from('<IIII', data, at)
        assert captured == length
        records.append((seconds * 10**9 + ns, data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return records


class Sample(unittest.TestCase):
    def test_the_committed_file_is_what_the_script_makes(self):
        with open(SAMPLE, 'rb') as file:
            self.assertEqual(file.read(), make_sample.capture(), 'run test/data/make_sample.py')

    def test_it_is_small_and_within_a_minute(self):
        packets = make_sample.packets()
        self.assertLess(os.path.getsize(SAMPLE), 300 * 1024)
        self.assertLess(packets[-1].time - packets[0].time, 60 * 10**9)


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.result = subprocess.run(
            [YAGURA, 'replay', '--config', os.path.join(ROOT, 'conf', 'demo.jsonc'), '--in', f'lan={SAMPLE}', '--out',
             cls.folder.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if cls.result.returncode != 0:
            raise AssertionError(f'yagura replay ended with {cls.result.returncode}:\n{cls.result.stdout}')
        with open(os.path.join(cls.folder.name, 'stats.json'), encoding='utf-8') as file:
            cls.stats = json.load(file)
        with open(os.path.join(cls.folder.name, 'flows.jsonl'), encoding='utf-8') as file:
            cls.flows = [json.loads(line) for line in file]

    def test_each_tool_gets_its_packets_byte_for_byte_in_order(self):
        for tool, packets in expected().items():
            with self.subTest(tool=tool):
                records = read_pcap(os.path.join(self.folder.name, f'{tool}.pcap'))
                self.assertEqual(len(records), len(packets))
                self.assertEqual(records, [(packet.time, packet.frame) for packet in packets])

    def test_the_ledger_balances_and_names_what_was_dropped(self):
        packets = make_sample.packets()
        kept = {(packet.time, packet.frame) for tool in expected().values() for packet in tool}
        lan = self.stats['ports']['lan']
        self.assertTrue(self.stats['balanced'])
        self.assertEqual(self.stats['lost'], 0)
        self.assertEqual(lan['received'], {'packets': len(packets), 'bytes': sum(len(p.frame) for p in packets)})
        self.assertEqual(lan['forwarded']['packets'], len(kept))
        self.assertEqual({reason: count['packets'] for reason, count in lan['dropped'].items()},
                         {'no_rule': sum(packet.what in ('arp', 'ping') for packet in packets),
                          'drop_rule': sum(map(is_dropped, packets))})

    def test_tags_and_tunnels_are_seen_through_and_told(self):
        web = [flow for flow in self.flows if 'web' in flow['tools']]
        self.assertEqual([flow['dport'] for flow in web if flow['vlans'] == [30]], [8080])
        self.assertEqual([(flow['src'], flow['tunnel']) for flow in web if flow['tunnel']],
                         [('10.1.0.10', {'type': 'vxlan', 'id': 4242})])

    def test_the_attack_is_one_session_of_the_ids(self):
        attacks = [flow for flow in self.flows if 40 in flow['rules']]
        self.assertEqual([(flow['src'], flow['dst'], flow['dport'], flow['tools']) for flow in attacks],
                         [(make_sample.SCANNER, make_sample.SERVER, 80, ['ids', 'web', 'rec'])])


if __name__ == '__main__':
    unittest.main()
