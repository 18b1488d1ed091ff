# SPDX-License-Identifier: BSD-3-Clause
"""Whole sessions, with frames that scapy made: those with the needle are selected, and no others, from the SYN on.

YAGURA_SCAPY_SEED repeats a run.
"""

import collections
import os
import random
import re
import subprocess
import unittest

import capture_files
import yagura_e2e
from yagura_e2e import configuration

try:
    import scapy_sessions
except ImportError as missing:
    scapy_sessions, MISSING = None, str(missing)

COUNT = 200  # conversations


class ScapySessionsTest(yagura_e2e.TestCase):
    @classmethod
    def setUpClass(cls):
        if scapy_sessions is None:
            raise unittest.SkipTest(f"there is no scapy (scripts/setup test): {MISSING}")
        cls.seed = int(os.environ.get("YAGURA_SCAPY_SEED") or random.randrange(1 << 32))
        print(f"YAGURA_SCAPY_SEED={cls.seed}", flush=True)
        cls.conversations, cls.records = scapy_sessions.make(cls.seed, COUNT)

    def setUp(self):
        super().setUp()
        self.path = self.capture("in.pcap", [record for record, _ in self.records])

    def test_the_cases_are_of_all_kinds(self):
        with_needle = sum(c.has_needle() for c in self.conversations)
        self.assertGreater(with_needle, COUNT // 5, f"seed {self.seed}")
        self.assertLess(with_needle, COUNT * 4 // 5, f"seed {self.seed}")
        kinds = collections.Counter(what for c in self.conversations
                                    for what in (c.protocol, c.version, c.encapsulation))
        for what in ("tcp", "udp", 4, 6, "plain", "vlan", "vlans", "mpls", "vxlan", "gtpu"):
            self.assertGreaterEqual(kinds[what], 5, f"seed {self.seed}: {what}")

    def test_tshark_reads_the_streams_that_were_meant(self):
        """The maker itself: streams, put in order by someone else."""
        yagura_e2e.require_tool("tshark")
        tcp = [c for c in self.conversations if c.protocol == "tcp"]
        follow = [argument for n in range(len(tcp)) for argument in ("-z", f"follow,tcp,raw,{n}")]
        text = self.tshark("-q", *follow)
        got = {}
        for part in text.split("Follow: tcp,raw")[1:]:
            client, server = (re.search(rf"^Node {n}: (.*)$", part, re.MULTILINE)[1] for n in (0, 1))
            lines = re.findall(r"^(\t?)([0-9a-f]+)$", part, re.MULTILINE)
            got[client, server] = [bytes.fromhex("".join(data for tab, data in lines if bool(tab) == bool(direction)))
                                   for direction in (0, 1)]
        for c in tcp:
            ends = [f"[{address}]:{port}" if c.version == 6 else f"{address}:{port}"
                    for address, port in zip(c.addresses, c.ports)]
            self.assertEqual(got.get(tuple(ends)), c.streams, f"seed {self.seed}: {c}")
        self.assertEqual(len(got), len(tcp), f"seed {self.seed}")

    def test_tshark_reads_the_datagrams_that_were_meant(self):
        yagura_e2e.require_tool("tshark")
        got = collections.defaultdict(list)
        # The innermost of each; of a fragment by itself that is the tunnel's, whose ports are other ones.
        fields = [argument for name in ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "udp.srcport", "udp.dstport",
                                        "udp.payload") for argument in ("-e", name)]
        for line in self.tshark("-Y", "udp", "-T", "fields", "-E", "occurrence=l", *fields).splitlines():
            *ends, payload = line.split("\t")
            for c in self.conversations:
                if c.protocol == "udp" and {c.addresses[0], str(c.ports[0]), str(c.ports[1])} <= set(ends):
                    got[c.number].append(bytes.fromhex(payload))
        for c in self.conversations:
            if c.protocol == "udp":
                self.assertEqual(got[c.number], c.datagrams, f"seed {self.seed}: {c}")

    def tshark(self, *arguments):
        process = subprocess.run(["tshark", "-n", "-r", self.path, *arguments], capture_output=True, text=True,
                                 timeout=yagura_e2e.TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
                                 env={**os.environ, "HOME": str(self.folder)})  # without anyone's preferences
        self.assertEqual(process.returncode, 0, process.stderr)
        return process.stdout

    def test_the_sessions_with_the_needle_are_selected_whole(self):
        rule = {"payload": [scapy_sessions.NEEDLE.decode()], "forward": ["a"]}
        # Nothing is short: what is lost here is lost by mistake.
        config = configuration(["a"], [rule], inspect={"hold_bytes": "4MiB"})
        for options in ((), ("--lcores", "rx=0;select=0,1,2;tx=0")):
            with self.subTest(options=options):
                replay = self.replay_well(config, self.path, *options)
                expected = [record for record, c in self.records if c.has_needle()]
                got = replay.tool("a")
                self.check_flows(replay, got)
                self.assert_packets(got, expected, f"seed {self.seed}")

    def check_flows(self, replay, got):
        """The flows by their records and by what the tool got: which of them, before it comes to single packets."""
        times = {record.ns for record in got}
        by_packets = {c.number for record, c in self.records if record.ns in times}
        expected = {c.number for c in self.conversations if c.has_needle()}
        for what, numbers in ("missed", expected - by_packets), ("wrongly selected", by_packets - expected):
            if numbers:
                self.fail(f"seed {self.seed}: {len(numbers)} {what}: {self.conversations[min(numbers)]}")
        by_client = {(c.addresses[0], c.ports[0]): c for c in self.conversations if c.has_needle()}
        for flow in replay.flows:
            conversation = by_client.pop((flow["src"], flow["sport"]), None)
            self.assertIsNotNone(conversation, f"seed {self.seed}: a record that is none's or comes twice: {flow}")
            self.assertIs(flow["complete"], True, f"seed {self.seed}: {conversation}: {flow}")
            self.assertEqual(flow["packets"], len(conversation.frames), f"seed {self.seed}: {conversation}: {flow}")
        self.assertEqual([str(c) for c in by_client.values()], [], f"seed {self.seed}: without a record")


if __name__ == "__main__":
    unittest.main()
