# SPDX-License-Identifier: BSD-3-Clause
"""The sessions that a replay selects by payload are those of an independent reference, for every test capture."""

import sys
import unittest
from ipaddress import ip_address
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

import capture_files
import reference
import reference_packets
import yagura_e2e
from packet_makers import ACK, FIN, RST, SYN, ethernet, ipv4, tcp_frame, udp, udp_frame
from reference import Piece
from replay_captures_test import DAMAGED, REFUSED
from yagura_e2e import configuration

RULES = [
    {"name": "a request in the clear", "payload": ["GET ", "POST "]},
    {"name": "at the start", "payload": ["/^(GET|POST|HEAD) [^\\r\\n]+ HTTP\\/1\\.[01]\\r\\n/"]},
    {"name": "any case", "payload": ["/user-agent: [^\\r\\n]{0,80}mozilla/i"]},
    {"name": "both directions", "payload_all": ["/^GET /", "/^HTTP\\/1\\.[01] 200/"]},
    {"name": "no web", "payload_none": ["HTTP/1.", "/^\\x16\\x03/"]},
    {"name": "no answer", "payload_all": ["GET "], "payload_none": [
        {"pattern": "/^HTTP\\/1\\.[01] [0-9]{3}/", "direction": "to_client"}]},
    {"name": "at the end", "payload": ["/\\r\\n\\r\\n$/", "/\\x00\\x00$/"]},
    {"name": "client hello", "payload": [
        {"pattern": "/^\\x16\\x03[\\x00-\\x04]..\\x01/s", "direction": "to_server"}]},
    {"name": "from the server alone", "payload": [
        {"pattern": "/[\\xfe\\xff]SMB/", "direction": "to_client"}, {"pattern": "/^220 /", "direction": "to_client"}]},
    {"name": "places", "payload": [{"pattern": "/\\x00\\x01\\x00\\x00/", "offset": 2, "depth": 8},
                                   {"pattern": "Host: ", "offset": 16, "depth": 200}]},
    {"name": "lines", "payload": ["/^connection: close\\r$/im", "/^[A-Z]{4}\\r?$/m"]},
    {"name": "words far apart", "payload": ["/content-type: [a-z]+.{0,300}content-length: [0-9]{3}/is"]},
    {"name": "credentials", "payload": ["/passw(or)?d/i", "/^USER [a-z]+/m", "/login:/i"]},
    {"name": "binary", "payload_all": ["/\\x00\\x00\\x00[\\x01-\\x1f]/", "/[\\x80-\\xff]{8}/"]},
]
# A tool for each rule: one that could not change who gets a flow is not asked to the end.
TOOLS = [f"tool{number}" for number in range(1, len(RULES) + 1)]
CONFIG = configuration(TOOLS, [{**rule, "forward": [tool]} for rule, tool in zip(RULES, TOOLS)])

PROTOCOLS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58,
             "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132, "udplite": 136}

# Where the two differ, and why: (capture, name of the rule, flow as in flows.jsonl) -> reason. A flow is written as
# "FIRST PROTO SRC SPORT DST DPORT".
DIFFERENCES = {
    ("ndpi-gnutella.pcap", "no web", "431.830401000 17 10.0.2.15 28681 86.75.43.182 43502"):
        "300.16 s after the packet before it: a flow ends within two ticks of 134 ms after its 300 s, so to the replay "
        "it is no flow of its own",
}


def selected_by(flows):
    """{rule id: {identity}} of a replay's records."""
    selected = {rule["id"]: set() for rule in CONFIG["rules"]}
    for flow in flows:
        proto = PROTOCOLS.get(flow["proto"]) or int(flow["proto"])
        for rule in flow["rules"]:
            selected[rule].add((flow["first"], proto, str(ip_address(flow["src"])), flow["sport"],
                                str(ip_address(flow["dst"])), flow["dport"]))
    return selected


class ReferenceTest(yagura_e2e.TestCase):
    def test_a_replay_selects_what_the_reference_selects(self):
        folder = yagura_e2e.captures_folder()
        names = [name for name in yagura_e2e.capture_index() if name not in REFUSED and name not in DAMAGED]
        unexplained, explained = [], set()
        hits = {rule["id"]: 0 for rule in CONFIG["rules"]}
        for name, replay in yagura_e2e.ahead(lambda name: self.replay_well(CONFIG, folder / name, "--force"), names):
            got = selected_by(replay.flows)
            expected = reference.select(capture_files.read_capture(folder / name), CONFIG["rules"])
            replay.remove()
            for rule in CONFIG["rules"]:
                number = rule["id"]
                hits[number] += len(expected[number])
                for flow in got[number] ^ expected[number]:
                    where = name, rule["name"], " ".join(map(str, flow))
                    if where in DIFFERENCES:
                        explained.add(where)
                    else:
                        who = "replay" if flow in got[number] else "reference"
                        unexplained.append(f"{where}: only the {who} selects it")
        if unexplained:
            self.fail(f"{len(unexplained)} differences\n" + "\n".join(unexplained[:50]))
        self.assertEqual(explained, set(DIFFERENCES), "explained, but there is no such difference any more")
        for rule in CONFIG["rules"]:
            self.assertGreater(hits[rule["id"]], 0, f"no capture has what \"{rule['name']}\" looks for")


class ReferenceItselfTest(unittest.TestCase):
    """The reference on bytes that can be judged by eye."""

    @staticmethod
    def segment(seq, data=b"", flags=ACK, size=None):
        return reference_packets.Packet((4, 6, b"", 1, b"", 2), data, len(data) if size is None else size, None,
                                seq % 2**32, flags)

    def test_streams(self):
        s = self.segment
        rows = [
            ("in order", [s(9, flags=SYN), s(10, b"ab"), s(12, b"cd")], [Piece(b"abcd", True, True)]),
            ("out of order", [s(9, flags=SYN), s(12, b"cd"), s(10, b"ab")], [Piece(b"abcd", True, True)]),
            ("across the wrap", [s(2**32 - 2, flags=SYN), s(2**32 - 1, b"abc"), s(2, b"d")],
             [Piece(b"abcd", True, True)]),
            ("the first wins", [s(10, b"abc"), s(11, b"xyz")], [Piece(b"abcz", True, True)]),
            ("the first wins, out of order", [s(9, flags=SYN), s(12, b"cd"), s(10, b"abxyz")],
             [Piece(b"abcdz", True, True)]),
            ("a hole", [s(9, flags=SYN), s(10, b"ab"), s(13, b"d")],
             [Piece(b"ab", True, False), Piece(b"d", False, True)]),
            ("cut by a snap length", [s(9, flags=SYN), s(10, b"ab", size=5), s(15, b"f")],
             [Piece(b"ab", True, False), Piece(b"f", False, True)]),
            ("picked up in the middle", [s(10, b"b"), s(9, b"a")], [Piece(b"b", True, True)]),
            ("keep-alive", [s(9, flags=SYN), s(10, b"a"), s(10, b"x")], [Piece(b"a", True, True)]),
            ("after the FIN", [s(9, flags=SYN), s(10, b"ab", FIN | ACK), s(12, b"no")], [Piece(b"ab", True, True)]),
            ("a FIN that does not come", [s(9, flags=SYN), s(10, b"ab"), s(14, flags=FIN | ACK)],
             [Piece(b"ab", True, False)]),
            ("a second SYN", [s(9, flags=SYN), s(49, flags=SYN), s(50, b"ab")], [Piece(b"ab", True, True)]),
        ]
        for description, packets, expected in rows:
            with self.subTest(description):
                self.assertEqual(reference.tcp_pieces(packets), expected)

    @staticmethod
    def flows(*frames):
        """The pieces, to the server and to the client, of each flow; frames are (seconds, bytes)."""
        records = [(int(seconds * reference.SECOND), len(frame), frame) for seconds, frame in frames]
        found = map(reference.pieces_of, reference.flows_of(records))
        return [tuple(b" ".join(piece.data for piece in by_way[way]) for way in ("to_server", "to_client"))
                for by_way in found]

    def test_flows(self):
        back = {"src": "10.0.0.2", "dst": "10.0.0.1", "sport": 80, "dport": 40000}
        syn, fin, reset = tcp_frame(flags=SYN, seq=0), tcp_frame(flags=FIN | ACK), tcp_frame(flags=RST)
        answered = tcp_frame(flags=FIN | ACK, **back)
        a, b = tcp_frame(b"a", seq=1), tcp_frame(b"b", seq=2)
        one = udp_frame(b"one")
        rows = [
            ("both directions", [(0, a), (1, tcp_frame(b"x", **back))], [(b"a", b"x")]),
            ("the answer first", [(0, tcp_frame(flags=SYN | ACK, seq=0, **back)), (1, a)], [(b"a", b"")]),
            ("an hour", [(0, a), (3600, b)], [(b"ab", b"")]),
            ("more than an hour", [(0, a), (3601, b)], [(b"a", b""), (b"b", b"")]),
            ("not answered", [(0, syn), (61, a)], [(b"", b""), (b"a", b"")]),
            ("a SYN on an open connection", [(0, syn), (1, a), (2, syn), (3, b)], [(b"ab", b"")]),
            ("a SYN after a reset", [(0, a), (1, reset), (2, syn), (3, a)], [(b"a", b""), (b"a", b"")]),
            ("a reset that is not believed", [(0, a), (1, reset), (2, b), (30, syn)], [(b"ab", b"")]),
            ("a FIN from both", [(0, a), (1, fin), (2, answered), (3, syn)], [(b"a", b""), (b"", b"")]),
            ("a FIN from one of two", [(0, a), (1, tcp_frame(**back)), (2, fin), (3, syn)], [(b"a", b"")]),
            ("datagrams", [(0, one), (300, one)], [(b"one one", b"")]),
            ("datagrams in the past", [(1000, one), (2, one)], [(b"one one", b"")]),
            ("datagrams apart", [(0, one), (301, one)], [(b"one", b""), (b"one", b"")]),
        ]
        for description, frames, expected in rows:
            with self.subTest(description):
                self.assertEqual(self.flows(*frames), expected)

    def test_fragments(self):
        datagram = udp(b"0123456789abcdefghijklmn")

        def fragment(begin, end, data=datagram, ident=7):
            return ethernet(ipv4(data[begin:end], proto=17, ident=ident,
                                 fragment=begin // 8 | (0x2000 if end < len(data) else 0)))
        first, middle, last = fragment(0, 8), fragment(8, 24), fragment(24, 32)
        changed = fragment(8, 24, datagram.replace(b"0", b"#"))
        whole = (b"0123456789abcdefghijklmn", b"")
        rows = [
            ("in order", [first, middle, last], [whole]),
            ("backwards", [last, middle, first], [whole]),
            ("the first wins", [first, middle, changed, last], [whole]),
            ("the last is missing", [first, middle], [(b"", b"")]),
            ("the first is missing", [middle, last], [(b"", b"")]),
            ("another datagram's", [first, fragment(8, 24, ident=8), last], [(b"", b""), (b"", b"")]),
        ]
        for description, frames, expected in rows:
            with self.subTest(description):
                self.assertEqual(self.flows(*((0, frame) for frame in frames)), expected)
        self.assertEqual(self.flows((0, first), (29, middle), (31, last)), [(b"", b"")] * 2)

    def test_patterns(self):
        whole, torn = Piece(b"ab\ncd\n", True, True), Piece(b"ab\ncd", False, False)
        rows = [
            ("b", whole, True), ("B", whole, False), ("/B/i", whole, True),
            ("/^ab/", whole, True), ("/^cd/", whole, False), ("/^cd/m", whole, True), ("/^ab/", torn, False), ("/^ab/m", torn, False), ("/^cd/m", torn, True),
            ("/cd$/", whole, True), ("/ab$/", whole, False), ("/ab$/m", whole, True), ("/cd$/", torn, False),
            ("/cd$/m", torn, False), ("/ab$/m", torn, True), ("/b.c/", whole, False), ("/b.c/s", whole, True),
            ({"pattern": "cd", "offset": 3}, whole, True), ({"pattern": "cd", "offset": 4}, whole, False),
            ({"pattern": "cd", "depth": 5}, whole, True), ({"pattern": "cd", "depth": 4}, whole, False),
            ({"pattern": "ab", "depth": 4}, torn, False),
        ]
        for value, piece, expected in rows:
            with self.subTest(f"{value} in {piece}"):
                self.assertEqual(reference.Pattern(value).found_in(piece), expected)


if __name__ == "__main__":
    unittest.main()
