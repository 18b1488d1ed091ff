# SPDX-License-Identifier: BSD-3-Clause
"""The same captures give the same outputs, byte for byte, whatever the lcores and the burst size."""

import itertools
import unittest

import capture_files
import decapsulator
import yagura_e2e
from yagura_e2e import configuration

LCORES = ["rx=0;select=1;tx=0", "rx=0;select=1,2;tx=0", "rx=0;select=1,2,3;tx=0", "rx=0;select=0;tx=0",
          "rx=0;select=1,2,3;tx=4,5"]
BURSTS = [1, 7, 32]
REFERENCE = (LCORES[0], 32)

# Something of everything: drops, groups of both modes, every scope, every way to ask a rule.
CONFIG = configuration(
    ["all", "ids0", "ids1", "ids2", "web", "rec0", "rec1", "odd"],
    [
        {"forward": ["all"]},
        {"filter": "tcp port 443 and net 10.0.0.0/8", "drop": True},
        {"filter": "udp", "payload": ["/[a-f0-9]{16}/i"], "drop": True, "scope": "onward"},
        {"filter": "tcp or udp or icmp", "forward": ["ids"]},
        {"filter": "tcp port 80", "forward": ["web"]},
        {"filter": "tcp", "payload": ["GET ", "/HTTP\\/1\\.[01] [45]\\d\\d/"], "forward": ["rec"]},
        {"filter": "tcp", "payload_all": ["Host:", "/user-agent:/i"], "forward": ["web", "rec"], "scope": "onward"},
        {"payload": ["/passw(or)?d/i", "\u0001\u0002"], "forward": ["odd"], "scope": "packet"},
        {"filter": "tcp[tcpflags] & (tcp-rst|tcp-fin) != 0", "forward": ["odd"]},
        {"filter": "src portrange 1-1024", "forward": ["rec0"], "scope": "packet"},
        {"filter": "ip[6:2] & 0x3fff != 0", "layer": "frame", "forward": ["rec1"], "scope": "packet"},
        {"filter": "vlan or arp", "forward": ["odd"]},
        {"filter": "tcp[tcpflags] & tcp-rst != 0", "drop": True},
        {"filter": "ip6", "forward": ["ids", "rec1"]},
        {"malformed": True, "forward": ["odd"], "scope": "packet"},
    ],
    groups={"ids": {"members": ["ids0", "ids1", "ids2"], "mode": "balance"},
            "rec": {"members": ["rec0", "rec1"], "mode": "copy"}},
    networks=["lan", "wan"])

SMALL = ["sv-security-8510-defrag-af-confusion-spray-h8.pcap", "ndpi-dns_fragmented.pcap", "derived-reorder.pcap",
         "arkime-arkime_synthetic.pcap", "zeek-ipv6-reassembly-state-leak.pcap"]
LARGE = "mix-open.pcap"


class ReplayDeterminismTest(yagura_e2e.TestCase):
    def replay_as(self, inputs, lcores, burst):
        return self.replay_well(CONFIG, inputs, "--lcores", lcores, "--burst", burst)

    def check(self, what, inputs, variants):
        """Replays once as REFERENCE says and once for each variant; gives the first replay."""
        reference = self.replay_as(inputs, *REFERENCE)
        for (lcores, burst), replay in yagura_e2e.ahead(lambda variant: self.replay_as(inputs, *variant), variants):
            with self.subTest(capture=what, lcores=lcores, burst=burst):
                self.compare(replay, reference, f"{what}, lcores {lcores}, burst {burst}")
            replay.remove()
        return reference

    def check_use(self, replays):
        """Every tool has been sent something, and every rule was in effect: else the test shows little."""
        for kind, figure in (("tools", lambda tool: tool["sent"]["packets"]), ("rules", lambda rule: rule["packets"])):
            for name in replays[0].stats[kind]:
                total = sum(figure(replay.stats[kind][name]) for replay in replays)
                self.assertGreater(total, 0, f"{kind}: {name} has no part in the test")

    def compare(self, replay, reference, what):
        got, expected = replay.outputs(), reference.outputs()
        self.assertEqual(set(got), set(expected), what)
        for name, data in got.items():
            if data == expected[name]:
                continue
            if name.endswith(".pcap"):
                self.assert_packets(capture_files.parse_capture(data).records,
                                    capture_files.parse_capture(expected[name]).records, f"{what}: {name}")
            lines = itertools.zip_longest(data.splitlines(), expected[name].splitlines())
            number, (g, e) = next((n, pair) for n, pair in enumerate(lines, 1) if pair[0] != pair[1])
            self.fail(f"{what}: {name}, line {number}\n  got      {g}\n  expected {e}")

    def test_small_captures_with_every_plan_and_burst(self):
        variants = list(itertools.product(LCORES, BURSTS))  # REFERENCE again among them
        self.check_use([self.check(name, yagura_e2e.captures_folder() / name, variants) for name in SMALL])

    def test_a_large_capture(self):
        variants = [REFERENCE, (LCORES[1], 7), (LCORES[2], 1), (LCORES[2], 32), (LCORES[3], 32)]
        self.check_use([self.check(LARGE, yagura_e2e.captures_folder() / LARGE, variants)])

    def records(self, name):
        return capture_files.read_capture(yagura_e2e.captures_folder() / name).records

    def test_the_two_directions_on_two_ports(self):
        records = self.records("derived-reorder.pcap")
        there, back = [], []
        for record in records:
            (there if goes_there(record) else back).append(record)
        self.assertGreater(min(len(there), len(back)), 1000)
        inputs = [self.capture("there.pcap", there), self.capture("back.pcap", back)]
        replay = self.check("two directions", inputs, [(LCORES[1], 7), (LCORES[2], 1), (LCORES[3], 32)])
        ports = replay.stats["ports"]
        self.assertEqual([ports[port]["received"]["packets"] for port in ("lan", "wan")], [len(there), len(back)])
        self.assert_packets(replay.tool("all"), merged(there, back), "merged")

        # A balanced flow goes to one tool, whatever the port of its direction: the same as from one file.
        whole = self.replay_as(self.capture("whole.pcap", merged(there, back)), *REFERENCE)
        for tool in ("ids0", "ids1", "ids2"):
            self.assert_packets(replay.tool(tool), whole.tool(tool), f"two files against one, tool {tool}")

    def test_three_files_on_one_port_with_equal_time_stamps(self):
        coarse = 100_000_000  # so coarse that many packets of different files have the same time
        records = [record._replace(ns=record.ns // coarse * coarse) for record in self.records("derived-reorder.pcap")]
        thirds = [records[n::3] for n in range(3)]
        self.assertGreater(len({r.ns for r in thirds[0]} & {r.ns for r in thirds[1]} & {r.ns for r in thirds[2]}), 10)
        inputs = [f"wan={self.capture(f'{n}.pcap', third)}" for n, third in enumerate(thirds)]
        replay = self.check("three files", inputs, [(LCORES[1], 7), (LCORES[2], 1), (LCORES[3], 32)])
        self.assert_packets(replay.tool("all"), merged(*thirds), "merged")


def goes_there(record):
    """Whether a packet goes from the lower to the higher address; what is not IP goes back."""
    offset = decapsulator.find_ip(record.data, record.wire).inner
    if offset is None:
        return False
    packet = record.data[offset:]
    return packet[12:16] < packet[16:20] if packet[0] >> 4 == 4 else packet[8:24] < packet[24:40]


def merged(*files):
    """Capture order: time, which never goes back within a file, then file, then record."""
    keyed = []
    for number, records in enumerate(files):
        latest = 0
        for index, record in enumerate(records):
            latest = max(latest, record.ns)
            keyed.append((latest, number, index, record))
    return [record for *_, record in sorted(keyed, key=lambda entry: entry[:3])]


if __name__ == "__main__":
    unittest.main()
