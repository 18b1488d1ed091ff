# SPDX-License-Identifier: BSD-3-Clause
"""Header filters against tcpdump, over every Ethernet capture.

Layer `frame`: the packets selected are those that `tcpdump -r CAPTURE FILTER` finds. Layers `outer` and
`inner`: the same but for packets whose IP packet lies behind a tag or in a tunnel, as an independent
decapsulator finds them; those are selected exactly when tcpdump finds the IP packet, taken out of its frame,
by the same filter. Such a packet is given to tcpdump with the frame's length on the wire, which is what `len`
is of.
"""

import subprocess
import unittest

import capture_files
import decapsulator
import yagura_e2e
from capture_files import Record
from yagura_e2e import OK, configuration

FILTERS = [
    "tcp",
    "udp port 53",
    "tcp port 80",
    "ip6",
    "icmp",
    "arp",
    "vlan",
    "host 192.168.1.1",
    "host 2601:647:4b02:1d20:fd05:6f66:ecce:8bc7",
    "net 10.0.0.0/8",
    "portrange 1-1024",
    "tcp[tcpflags] & tcp-rst != 0",
    "ip[6:2] & 0x1fff != 0",
    "len > 1000",
    "not tcp",
    "src port 80",
    "mpls",
    "udp and not port 53",
    "icmp6 or igmp",
]
OF_THE_FRAME = {"arp", "vlan", "mpls"}  # have a link-layer word: with layer `outer` an error

# Several interfaces with different snap lengths: libpcap reads none such. tcpdump gets their packets in a
# file of the test's own.
REFUSED_BY_LIBPCAP = {"pcpp-grepackets.pcapng", "pcpp-ipv4-malformed.pcapng", "pcpp-packetexamples-gtp.pcapng"}

FRAME, OUTER, INNER = "frame", "outer", "inner"


def rules_and_tools():
    """One rule and one tool for every filter and layer."""
    rules, tools = [], {}
    for layer in (FRAME, OUTER, INNER):
        for number, text in enumerate(FILTERS):
            if layer == OUTER and text in OF_THE_FRAME:
                continue
            tool = f"{layer}{number}"
            tools[tool] = (layer, text)
            rule = {"filter": text, "forward": [tool], "scope": "packet"}
            rules.append(rule if layer == INNER else {**rule, "layer": layer})
    return rules, tools


RULES, TOOLS = rules_and_tools()


def tcpdump(path, text):
    """The packets that tcpdump selects, as records of a nanosecond pcap file."""
    process = subprocess.run(["tcpdump", "--nano", "-n", "-r", str(path), "-w", "-", text],
                             capture_output=True, check=False)
    if process.returncode != 0:
        raise AssertionError(f"tcpdump -r {path} {text!r}: {process.stderr.decode()}")
    return process.stdout[24:]


class Encapsulated:
    """All packets of all captures whose IP packet does not follow an untagged Ethernet header, and which of
    them tcpdump selects once the IP packet is taken out."""

    def __init__(self, layer, folder):
        self.layer = layer
        self.folder = folder
        self.packets = []
        self.places = {}  # capture -> index in it -> index in self.packets

    def add(self, capture, index, record, offset, before):
        self.places.setdefault(capture, {})[index] = len(self.packets)
        # The time names the packet in what tcpdump writes.
        self.packets.append((Record(len(self.packets), record.wire, record.data[offset:]), before))

    def ask_tcpdump(self):
        path = self.folder / f"{self.layer}.pcap"
        capture_files.write_pcap(path, [packet for packet, _ in self.packets], capture_files.RAW)
        asked = [text for text in FILTERS if text not in OF_THE_FRAME]
        self.selected = {text: {record.ns for record in parse_records(found)}
                         for text, found in yagura_e2e.ahead(lambda text: tcpdump(path, text), asked)}


class ReplayFiltersTest(yagura_e2e.TestCase):
    def setUp(self):
        super().setUp()
        yagura_e2e.require_tool("tcpdump")
        self.names = [name for name, row in yagura_e2e.capture_index().items() if row["linktype"] == "EN10MB"]

    def test_filters_select_what_tcpdump_selects_from_frames_and_from_the_packets_in_them(self):
        self.encapsulated = {layer: Encapsulated(layer, self.folder) for layer in (OUTER, INNER)}
        for name in self.names:
            records = capture_files.read_capture(yagura_e2e.captures_folder() / name).records
            for index, record in enumerate(records):
                layers = decapsulator.find_ip(record.data, record.wire)
                if layers.before_outer:
                    self.encapsulated[OUTER].add(name, index, record, layers.outer, layers.before_outer)
                if layers.before_inner:
                    self.encapsulated[INNER].add(name, index, record, layers.inner, layers.before_inner)
        for layer, some in self.encapsulated.items():
            self.assertGreater(len(some.packets), 1000, f"the captures test nothing of layer {layer}")
            some.ask_tcpdump()
        self.selected = dict.fromkeys(TOOLS, 0)
        self.differing = dict.fromkeys((OUTER, INNER), 0)
        for name, (replay, on_frames) in yagura_e2e.ahead(self.run_both, self.names):
            with self.subTest(capture=name):
                self.check(name, replay, on_frames)
            replay.remove()
        for tool, (layer, text) in TOOLS.items():
            self.assertGreater(self.selected[tool], 0, f"no packet of any capture is selected by {layer} {text!r}")
        for layer, count in self.differing.items():
            self.assertGreater(count, 1000, f"layer {layer} never differs from tcpdump on the frame")

    def run_both(self, name):
        """yagura with all rules at once, and tcpdump with one filter after the other."""
        path = yagura_e2e.captures_folder() / name
        replay = self.replay(configuration(list(TOOLS), RULES), path)
        if name in REFUSED_BY_LIBPCAP:
            path = capture_files.write_pcap(self.folder / f"{name}.pcap", capture_files.read_capture(path).records)
        return replay, {text: tcpdump(path, text) for text in FILTERS}

    def check(self, name, replay, on_frames):
        self.assertEqual(replay.status, OK, f"{name}: {replay.describe()}")
        self.check_ledger_sums(replay)
        records = capture_files.read_capture(yagura_e2e.captures_folder() / name).records
        for tool, (layer, text) in TOOLS.items():
            got = replay.tool_bytes(tool)[24:]
            self.selected[tool] += replay.stats["tools"][tool]["sent"]["packets"]
            expected = on_frames[text]
            if layer != FRAME and text not in OF_THE_FRAME:
                expected = self.seen_through(name, records, layer, text, expected)
            if got == expected:
                continue
            with self.subTest(capture=name, filter=text, layer=layer):
                self.assert_packets(parse_records(got), parse_records(expected),
                                    f"{name}, filter {text!r}, layer {layer}" + explain(records, got, expected))

    def check_ledger_sums(self, replay):
        self.assertIs(replay.stats["balanced"], True, replay.describe())
        self.assertEqual(replay.stats["lost"], 0, replay.describe())

    def seen_through(self, name, records, layer, text, on_frames):
        """What the layer must select: what tcpdump finds in frames, but for encapsulated packets."""
        encapsulated = self.encapsulated[layer]
        places = encapsulated.places.get(name)
        if not places:
            return on_frames
        expected = []
        in_frames = iter(split_records(on_frames))
        pending = next(in_frames, None)
        for index, record in enumerate(records):
            raw = capture_files.raw_record(record)
            found = raw == pending
            if found:
                pending = next(in_frames, None)
            if index in places:
                within = places[index] in encapsulated.selected[text]
                self.differing[layer] += within != found
                found = within
            if found:
                expected.append(raw)
        self.assertIsNone(pending, f"{name}: tcpdump's packets for {text!r} are not the capture's")
        return b"".join(expected)


def explain(records, got, expected):
    """Which packets differ and how they are encapsulated, for the report of a failure."""
    got, expected = set(split_records(got)), set(split_records(expected))
    lines = []
    for number, record in enumerate(records, 1):
        raw = capture_files.raw_record(record)
        if (raw in got) != (raw in expected):
            word = "too many" if raw in got else "missing"
            lines.append(f"\n  {word}: record {number}, {decapsulator.find_ip(record.data, record.wire)}")
    return "".join(lines[:5]) + f"\n  ({len(lines)} differ)" * (len(lines) > 5)


def split_records(data):
    """The records of a little-endian classic file without its header, each with its own header."""
    at, out = 0, []
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8:at + 12], "little")
        out.append(data[at:end])
        at = end
    return out


def parse_records(data):
    return capture_files.parse_capture(capture_files.file_header() + data).records


if __name__ == "__main__":
    unittest.main()
