# SPDX-License-Identifier: BSD-3-Clause
"""yagura explain: what it tells of flows whose life is known packet by packet."""

import json
import os
import unittest

import capture_files
import yagura_e2e
from packet_makers import ACK, FIN, PSH, RST, SYN, ethernet, icmp_echo, ipv4, ipv6, tcp, tcp_frame, udp, udp_frame
from yagura_e2e import DAMAGED, OK, USAGE, configuration, run_yagura

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
FLOW = "tcp 10.0.0.1:40000 > 10.0.0.2:80"
NEEDLE = [{"payload": ["needle"], "forward": ["ids"]}]


def to_server(payload=b"", seq=1001, flags=ACK, **fields):
    return tcp_frame(payload, seq=seq, flags=flags, **fields)


def to_client(payload=b"", seq=5001, flags=ACK):
    return tcp_frame(payload, SERVER, CLIENT, sport=80, dport=40000, seq=seq, flags=flags)


HANDSHAKE = [to_server(seq=1000, flags=SYN), to_client(seq=5000, flags=SYN | ACK), to_server()]


class ExplainTest(yagura_e2e.TestCase):
    def run_explain(self, frames, *options, flow=FLOW, rules=None, tools=("ids", "rec"), inputs=None, **more):
        config = self.write_config(configuration(tools, NEEDLE if rules is None else rules, **more))
        paths = inputs or [self.capture(f"in{next(self.runs)}.pcap", frames)]
        self.process = run_yagura("explain", "--config", config, "--in", ",".join(map(str, paths)), "--flow", flow,
                                  *options)
        return self.process

    def events(self, frames, *options, **more):
        """The events as (kind, its members besides time and file), in order."""
        process = self.run_explain(frames, "--json", *options, **more)
        self.assertEqual(process.returncode, OK, process.stderr)
        return [json.loads(line) for line in process.stdout.splitlines()]

    def of_kind(self, events, kind, *members):
        return [tuple(event[member] for member in members) for event in events if event["event"] == kind]

    def text(self, frames, **more):
        process = self.run_explain(frames, **more)
        self.assertEqual(process.returncode, OK, process.stderr)
        return process.stdout


class LifeTest(ExplainTest):
    def test_a_pattern_that_straddles_segments(self):
        frames = HANDSHAKE + [to_server(b"a nee", 1001), to_server(b"dle here", 1006), to_client(b"fine", 5001)]
        frames.insert(1, udp_frame(b"another flow"))
        events = self.events(frames)
        self.assertEqual(self.of_kind(events, "begun", "src", "sport", "dst", "dport", "client"),
                         [(CLIENT, 40000, SERVER, 80, "src")])
        self.assertEqual(self.of_kind(events, "packet", "packet", "direction", "payload", "position"),
                         [(1, ">", 0, 0), (3, "<", 0, 0), (4, ">", 0, 0), (5, ">", 5, 0), (6, ">", 8, 5),
                          (7, "<", 4, 0)])
        self.assertEqual(self.of_kind(events, "inspected", "packet", "payload_rules", "packet_rules"), [(1, [1], [])])
        self.assertEqual(self.of_kind(events, "pattern", "packet", "rule", "list", "entry", "pattern", "direction",
                                      "end", "of", "counts"),
                         [(6, 1, "payload", 0, "needle", ">", 8, "stream", True)])
        self.assertEqual(self.of_kind(events, "rule", "packet", "rule"), [(6, 1)])
        self.assertEqual(self.of_kind(events, "decided", "packet", "why"), [(6, "nothing_open")])
        self.assertEqual(self.of_kind(events, "released", "packet", "tools", "packets", "bytes"),
                         [(6, ["ids"], 4, 3 * 54 + 59)])
        self.assertEqual(self.of_kind(events, "outcome", "packet", "tools", "held"),
                         [(1, [], True), (3, [], True), (4, [], True), (5, [], True), (6, ["ids"], False),
                          (7, ["ids"], False)])
        self.assertEqual(self.of_kind(events, "ended", "why"), [("end_of_input",)])

    def test_the_text_says_the_same(self):
        text = self.text(HANDSHAKE + [to_server(b"a nee", 1001), to_server(b"dle here", 1006)])
        for said in (FLOW, "from the client 10.0.0.1:40000", "SYN ACK", "ACK, 8 bytes at 5",
                     'rule 1: payload/0 "needle" found; it ends at byte 8 of the stream >',
                     "rule 1 holds: forward to ids", "released to ids: 4 packets, 221 bytes",
                     "in all: 5 packets, 283 bytes of frames; 5 to ids"):
            self.assertIn(said, text)

    def test_what_a_rule_does_to_the_connection_is_told(self):
        rules = [{"filter": "tcp", "reset": True, "block": {"ttl": "1m"}}, {"filter": "tcp", "forward": ["ids"], "reset": True}]
        text = self.text(HANDSHAKE, rules=rules, response={"enabled": True})
        self.assertIn("rule 1 holds: reset; block it for 1m, which is done in a live run alone", text)
        self.assertIn("rule 2 holds: forward to ids; reset, which is done in a live run alone", text)
        self.assertIn("3 to ids", text)

    def test_either_direction_may_be_named(self):
        frames = HANDSHAKE + [to_server(b"needle", 1001)]
        events = self.events(frames, flow="tcp 10.0.0.2:80 > 10.0.0.1:40000")
        self.assertEqual(self.of_kind(events, "begun", "src", "direction", "client"), [(SERVER, "<", "dst")])
        self.assertEqual(self.of_kind(events, "pattern", "direction", "end"), [("<", 6)])

    def test_a_flow_that_begins_with_its_answer(self):
        events = self.events(HANDSHAKE[1:])
        self.assertEqual(self.of_kind(events, "begun", "direction", "client"), [("<", "src")])

    def test_out_of_order_and_seen_before(self):
        frames = HANDSHAKE + [to_server(b"dle", 1005), to_server(b" nee", 1001), to_server(b" nee", 1001)]
        events = self.events(frames, rules=[{"payload_all": ["needle", "zzz"], "forward": ["ids"]}])
        self.assertEqual(self.of_kind(events, "waits", "packet", "direction", "position", "bytes"), [(4, ">", 0, 3)])
        self.assertEqual(self.of_kind(events, "pattern", "packet", "end"), [(5, 7)])
        self.assertEqual(self.of_kind(events, "seen_before", "packet"), [(6,)])
        self.assertEqual(self.of_kind(events, "rule", "rule"), [])

    def test_a_gap(self):
        frames = HANDSHAKE + [to_server(b"nee", 1001), to_server(b"dle", 1104)]
        events = self.events(frames)
        self.assertEqual(self.of_kind(events, "gap", "direction", "position", "bytes"), [(">", 3, 100)])
        self.assertEqual(self.of_kind(events, "pattern"), [])
        self.assertEqual(self.of_kind(events, "decided", "why"), [("flow_ended",)])
        self.assertEqual(self.of_kind(events, "held_dropped", "dropped", "packets"), [("not_selected", 5)])
        self.assertIn("5 dropped as not_selected", self.text(frames))

    def test_both_streams_end(self):
        frames = HANDSHAKE + [to_server(b"quiet", 1001, FIN | ACK), to_client(seq=5001, flags=FIN | ACK)]
        events = self.events(frames)
        self.assertEqual(self.of_kind(events, "stream_end", "packet", "direction", "position", "why"),
                         [(4, ">", 5, "fin"), (5, "<", 0, "fin")])
        self.assertEqual(self.of_kind(events, "decided", "packet", "why"), [(5, "streams_ended")])
        self.assertEqual(self.of_kind(events, "outcome", "packet", "held")[-1], (5, False))

    def test_the_depth_is_reached(self):
        frames = HANDSHAKE + [to_server(b"x" * 1000, 1001 + 1000 * i) for i in range(3)]
        events = self.events(frames, inspect={"stream_depth": 1500})
        self.assertEqual(self.of_kind(events, "stream_end", "packet", "position", "why"), [(5, 1500, "stream_depth")])

    def test_a_drop_by_payload(self):
        rules = [{"payload": ["needle"], "drop": True}, {"filter": "tcp", "forward": ["rec"]}]
        frames = HANDSHAKE + [to_server(b"needle", 1001), to_client(b"more", 5001)]
        events = self.events(frames, rules=rules)
        self.assertEqual(self.of_kind(events, "rule", "packet", "rule"), [(1, 2), (4, 1)])
        self.assertEqual(self.of_kind(events, "held_dropped", "packet", "dropped", "packets"), [(4, "drop_rule", 3)])
        self.assertEqual(self.of_kind(events, "outcome", "packet", "tools")[3:], [(4, []), (5, [])])
        self.assertEqual([e["dropped"] for e in events if e["event"] == "outcome" and not e["held"]], ["drop_rule"] * 2)

    def test_the_hold_is_full(self):
        frames = HANDSHAKE + [to_server(b"x" * 500, 1001), to_server(b"x" * 500, 1501), to_server(b"needle", 2001)]
        events = self.events(frames, inspect={"hold_bytes": 1000})
        self.assertEqual(self.of_kind(events, "hold_full", "packet", "packets", "bytes"), [(5, 4, 3 * 54 + 554)])
        self.assertEqual([(e["packet"], e.get("dropped")) for e in events if e["event"] == "outcome"][4:],
                         [(5, "hold_full"), (6, None)])
        self.assertEqual(self.of_kind(events, "released", "packet", "packets"), [(6, 4)])
        self.assertIn("1 dropped as hold_full", self.text(frames, inspect={"hold_bytes": 1000}))

    def test_what_is_held_for_one_tool_and_sent_to_another(self):
        rules = [{"filter": "tcp", "forward": ["rec"]}, *NEEDLE]
        rules[1] = {"id": 2, **rules[1]}
        events = self.events(HANDSHAKE, rules=rules)
        self.assertEqual(self.of_kind(events, "outcome", "tools", "held"), [(["rec"], True)] * 3)
        self.assertEqual(self.of_kind(events, "held_dropped", "dropped", "packets"), [(None, 3)])

    def test_port_reuse_is_two_flows(self):
        first = HANDSHAKE + [to_server(b"needle", 1001), to_server(seq=1007, flags=RST)]
        second = [to_server(seq=90000, flags=SYN), to_server(b"no match", 90001)]
        events = self.events(first + second)
        self.assertEqual({event["flow"] for event in events}, {1, 2})
        of = {n: [event for event in events if event["flow"] == n] for n in (1, 2)}
        self.assertEqual(self.of_kind(of[1], "ended", "why"), [("port_reuse",)])
        self.assertEqual(self.of_kind(of[2], "packet", "packet", "position"), [(6, 0), (7, 0)])
        self.assertEqual(self.of_kind(of[2], "ended", "why"), [("end_of_input",)])
        text = self.text(first + second)
        self.assertIn(f"{FLOW} (flow 1 of 2)", text)
        self.assertIn(f"{FLOW} (flow 2 of 2)", text)

    def test_a_timeout(self):
        records = [capture_files.packet(frame, ns) for frame, ns in
                   ((udp_frame(b"one"), 10 ** 9), (udp_frame(b"two"), 10 ** 9 + 400 * 10 ** 9))]
        events = self.events(records, flow="udp 10.0.0.1:40000 > 10.0.0.2:53")
        self.assertEqual(self.of_kind(events, "ended", "flow", "why"), [(1, "timeout"), (2, "end_of_input")])

    def test_datagrams_are_looked_at_by_themselves(self):
        frames = [udp_frame(b"nee"), udp_frame(b"dle"), udp_frame(b"a needle")]
        events = self.events(frames, flow="udp 10.0.0.1:40000 > 10.0.0.2:53")
        self.assertEqual(self.of_kind(events, "pattern", "packet", "end", "of"), [(3, 8, "packet")])

    def test_a_header_decides_at_once(self):
        events = self.events(HANDSHAKE, rules=[{"filter": "tcp port 80", "forward": ["ids"]}])
        self.assertEqual(self.of_kind(events, "rule", "packet", "rule"), [(1, 1)])
        self.assertEqual(self.of_kind(events, "decided", "packet", "why"), [(1, "nothing_open")])
        self.assertEqual(self.of_kind(events, "outcome", "tools"), [(["ids"],)] * 3)
        self.assertEqual(self.of_kind(events, "inspected"), [])

    def test_rules_that_are_asked_of_each_packet(self):
        rules = [{"filter": "tcp[13] & 2 != 0", "scope": "packet", "forward": ["rec"]},
                 {"id": 2, "payload": ["needle"], "scope": "packet", "forward": ["ids"]}]
        events = self.events(HANDSHAKE + [to_server(b"a needle", 1001)], rules=rules)
        self.assertEqual(self.of_kind(events, "rule", "packet", "rule"), [(1, 1), (2, 1), (4, 2)])
        self.assertEqual(self.of_kind(events, "pattern", "packet", "end", "of"), [(4, 8, "packet")])
        self.assertEqual(self.of_kind(events, "outcome", "tools"), [(["rec"],), (["rec"],), ([],), (["ids"],)])

    def test_a_pattern_bound_to_the_other_direction(self):
        rules = [{"payload": [{"pattern": "needle", "direction": "to_client"}], "forward": ["ids"]}]
        events = self.events(HANDSHAKE + [to_server(b"needle", 1001), to_client(b"needle", 5001)], rules=rules)
        self.assertEqual(self.of_kind(events, "pattern", "direction", "counts"), [(">", False), ("<", True)])

    def test_ipv6_and_icmp(self):
        six = [ethernet(ipv6(tcp(b"needle", seq=7, flags=PSH | ACK)), 0x86DD)]
        events = self.events(six, flow="[2001:db8::1]:40000 -> [2001:0db8::2]:80")
        self.assertEqual(self.of_kind(events, "pattern", "end"), [(6,)])
        echo = [ethernet(ipv4(icmp_echo(b"needle"), proto=1))]
        events = self.events(echo, flow="icmp 10.0.0.1 > 10.0.0.2")
        self.assertEqual(self.of_kind(events, "begun", "proto", "sport"), [("icmp", 0)])
        self.assertEqual(self.of_kind(events, "released"), [])
        self.assertEqual(self.of_kind(events, "outcome", "tools"), [(["ids"],)])

    def test_the_number_of_lcores_changes_nothing(self):
        frames = HANDSHAKE + [to_server(b"dle", 1005), to_server(b" nee", 1001)]
        outputs = {self.text(frames)}
        for plan in ("rx=0;select=0;tx=0", "rx=0;select=1,2,3;tx=4"):
            process = self.run_explain(frames, "--lcores", plan)
            self.assertEqual(process.returncode, OK, process.stderr)
            outputs.add(process.stdout)
        self.assertEqual(len(outputs), 1)

    def test_several_captures(self):
        one = self.capture("one.pcap", HANDSHAKE[:1])
        two = self.capture("two.pcap", [capture_files.packet(frame, 10 ** 6) for frame in HANDSHAKE[1:]])
        events = self.events(None, inputs=[one, two])
        self.assertEqual(self.of_kind(events, "packet", "file", "packet"),
                         [(str(one), 1), (str(two), 1), (str(two), 2)])
        self.assertRegex(self.text(None, inputs=[one, two]), r"(?m)^ +2:1 ")

    def test_an_unlimited_hold_leaves_no_file(self):
        spool = self.folder / "spool"
        spool.mkdir()
        config = self.write_config(configuration(["ids"], NEEDLE, inspect={"hold_bytes": "unlimited"}))
        process = run_yagura("explain", "--config", config, "--in", self.capture("in.pcap", HANDSHAKE), "--flow", FLOW,
                             env={**os.environ, "TMPDIR": str(spool)})
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(list(spool.iterdir()), [])

    def test_a_damaged_capture_is_told_as_far_as_it_goes(self):
        whole = self.capture("whole.pcap", HANDSHAKE)
        cut = self.folder / "cut.pcap"
        cut.write_bytes(whole.read_bytes()[:-10])
        process = self.run_explain(None, inputs=[cut])
        self.assertEqual(process.returncode, DAMAGED)
        self.assertIn("2 packets", process.stdout)
        self.assertIn(str(cut), process.stderr)


class WrongFlowTest(ExplainTest):
    def refused(self, flow, frames=HANDSHAKE):
        process = self.run_explain(frames, flow=flow)
        self.assertEqual(process.returncode, USAGE, f"{flow}: {process.stdout}{process.stderr}")
        self.assertEqual(process.stdout, "")
        self.assertIn(f"--flow '{flow}'", process.stderr)
        return process.stderr

    def test_texts_that_name_no_flow(self):
        for flow, said in [
            ("", "two ends"), ("10.0.0.1:1", "two ends"), ("10.0.0.1:1 > 10.0.0.2:2 > 10.0.0.3:3", "two ends"),
            (">", "not an IP address"), ("tcp > 10.0.0.2:80", '"tcp" is not'),
            ("tcq 10.0.0.1:1 > 10.0.0.2:2", '"tcq" is not a protocol'),
            ("256 10.0.0.1:1 > 10.0.0.2:2", '"256" is not a protocol'),
            ("tcp 10.0.0.1:1 > host:80", "names are not looked up"), ("tcp 10.0.0.1:1 > 10.0.0.256:80", "10.0.0.256"),
            ("tcp 10.0.0.1:65536 > 10.0.0.2:80", "0 to 65535"), ("tcp 10.0.0.1:-1 > 10.0.0.2:80", "0 to 65535"),
            ("tcp 10.0.0.1: > 10.0.0.2:80", "0 to 65535"), ("tcp 10.0.0.1:http > 10.0.0.2:80", "0 to 65535"),
            ("tcp 10.0.0.1:1 > 10.0.0.2", "one end has a port"), ("tcp 10.0.0.1 > 10.0.0.2", "tcp needs a port"),
            ("icmp 10.0.0.1:1 > 10.0.0.2:2", "icmp has no ports"),
            ("tcp [2001:db8::1:1 > [2001:db8::2]:2", '"]" is missing'),
            ("tcp [2001:db8::1]1 > [2001:db8::2]:2", "[ADDRESS]:PORT"), ("tcp [10.0.0.1]:1 > 10.0.0.2:2", "[10.0.0.1]"),
            ("tcp 10.0.0.1:1 > [2001:db8::2]:2", "IPv4"),
        ]:
            with self.subTest(flow):
                error = self.refused(flow)
                self.assertIn(said, error)
                self.assertIn("write for instance", error)

    def test_an_unknown_flow(self):
        error = self.refused("tcp 10.9.9.9:1 > 10.0.0.2:80")
        self.assertIn("no such flow among the 3 packets", error)
        self.assertIn("nor any other between these two hosts", error)

    def test_flows_that_may_have_been_meant(self):
        frames = HANDSHAKE + [udp_frame(b"x", sport=1000 + i) for i in range(7)]
        error = self.refused("tcp 10.0.0.2:81 > 10.0.0.1:40000", frames)
        self.assertIn("between these two hosts there are 8:", error)
        self.assertIn(f"\n  {FLOW}\n", error)
        self.assertEqual(len(error.splitlines()), 6)

    def test_without_a_protocol(self):
        flow = "10.0.0.1:40000 > 10.0.0.2:80"
        both = HANDSHAKE + [udp_frame(b"x", dport=80)]
        error = self.refused(flow, both)
        for name in (f"tcp {flow}", f"udp {flow}"):
            self.assertIn(f"\n  {name}\n", error)
        self.assertEqual(self.of_kind(self.events(HANDSHAKE, flow=flow), "begun", "proto"), [("tcp",)])

    def test_a_wrong_configuration(self):
        process = self.run_explain(HANDSHAKE, rules=[{"filter": "tcp poort 80", "forward": ["ids"]}])
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("/rules/0/filter", process.stderr)


class CapturesTest(ExplainTest):
    def test_it_agrees_with_a_replay(self):
        """Of real captures: what is told of a flow adds up to its record."""
        rules = [{"payload": ["HTTP/1.1"], "payload_all": ["/host: /i"], "forward": ["ids"]},
                 {"id": 2, "payload": ["220 "], "forward": ["rec"]}]
        config = self.write_config(configuration(["ids", "rec"], rules))
        for name in ("ndpi-webattacksqlinj.pcap", "derived-reorder.pcap", "ndpi-smtp-starttls.pcap"):
            path = yagura_e2e.captures_folder() / name
            out = self.folder / name
            process = run_yagura("replay", "--config", config, "--in", path, "--out", out)
            self.assertEqual(process.returncode, OK, process.stderr)
            records = [json.loads(line) for line in (out / "flows.jsonl").read_text().splitlines()]
            self.assertTrue(records, name)
            for record in records[:5]:
                form = "{proto} [{src}]:{sport} > [{dst}]:{dport}" if ":" in record["src"] else \
                    "{proto} {src}:{sport} > {dst}:{dport}"
                flow = form.format(**record)
                with self.subTest(capture=name, flow=flow):
                    events = self.events(None, inputs=[path], flow=flow, rules=rules)
                    sent = sum(1 for e in events if e["event"] == "outcome" and e["tools"])
                    sent += sum(e["packets"] for e in events if e["event"] == "released")
                    self.assertEqual(sent, record["packets"])
                    self.assertEqual(sum(1 for e in events if e["event"] == "packet"), record["seen"]["packets"])
                    self.assertEqual(sorted({e["rule"] for e in events if e["event"] == "rule"}), record["rules"])


if __name__ == "__main__":
    unittest.main()
