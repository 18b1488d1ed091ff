# SPDX-License-Identifier: BSD-3-Clause
"""Sessions that a payload selects, whole, on captures made by hand: from the SYN on, in every plan of lcores the
same, and what is said of them when they could not be kept whole."""

import unittest

import capture_files
import yagura_e2e
from packet_makers import ACK, FIN, RST, SYN, ethernet, ipv4, tcp, udp_frame, vlan
from yagura_e2e import configuration

SERVER = "10.0.0.2"
PLANS = [("rx=0;select=0;tx=0", 1), ("rx=0;select=1,2;tx=0", 32), ("rx=0;select=1,2,3;tx=4", 1)]
OUTPUTS = {"stats.json", "flows.jsonl"}


class Talk:
    """The packets of one TCP connection, with the sequence numbers of both sides."""

    def __init__(self, client="10.0.0.1", sport=40000, seq=1000, vlans=()):
        self.client, self.sport, self.vlans = client, sport, vlans
        self.next = [seq, 7 * seq]

    def _packet(self, side, payload, flags):
        ports = [self.sport, 80] if side == 0 else [80, self.sport]
        ends = [self.client, SERVER] if side == 0 else [SERVER, self.client]
        ack = self.next[1 - side] if flags & ACK else 0
        packet = ipv4(tcp(payload, *ports, flags=flags, seq=self.next[side], ack=ack), *ends)
        self.next[side] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        ethertype = 0x0800
        for tag in reversed(self.vlans):
            packet, ethertype = vlan(packet, tag, ethertype), 0x8100
        return ethernet(packet, ethertype)

    def request(self, payload=b"", flags=ACK):
        return self._packet(0, payload, flags)

    def answer(self, payload=b"", flags=ACK):
        return self._packet(1, payload, flags)

    def open(self):
        return [self.request(flags=SYN), self.answer(flags=SYN | ACK), self.request()]

    def close(self):
        return [self.request(flags=FIN | ACK), self.answer(flags=FIN | ACK), self.request()]


def at_seconds(*parts):
    """(second, packets): packets one microsecond apart from there."""
    return [capture_files.packet(data, second * 10**9 + 1000 * number)
            for second, packets in parts for number, data in enumerate(packets)]


class WholeSessionsTest(yagura_e2e.TestCase):
    def select(self, packets, rules, tools=("a",), plans=PLANS, **config):
        """Replays as usual, and by every plan with the same outputs; gives the places of what each tool got."""
        path = self.capture("in.pcap", packets)
        records = capture_files.parse_capture(path.read_bytes()).records
        places = {(record.ns, record.data): place for place, record in enumerate(records)}
        self.assertEqual(len(places), len(records), "the packets of a test have to differ")
        config = configuration(tools, rules, **config)
        self.result = self.replay_well(config, path)
        self.assertEqual(set(self.result.outputs()), OUTPUTS | {f"{tool}.pcap" for tool in tools})
        for lcores, burst in plans:
            other = self.replay_well(config, path, "--lcores", lcores, "--burst", burst)
            for name, data in other.outputs().items():
                self.assertEqual(data, self.result.outputs()[name], f"{name}, lcores {lcores}, burst {burst}")
            other.remove()
        return {tool: [places[record.ns, record.data] for record in self.result.tool(tool)] for tool in tools}

    def flows(self, *members):
        return [tuple(flow[member] for member in members) for flow in self.result.flows]

    def dropped(self):
        dropped = self.result.stats["ports"]["lan"]["dropped"]
        return {reason: count["packets"] for reason, count in dropped.items()}

    def exhausted(self):
        return {name: n for name, n in self.result.stats["exhausted"].items() if n != 0}


class SelectionTest(WholeSessionsTest):
    def test_a_session_is_selected_from_its_syn_by_a_pattern_that_straddles(self):
        one, two = Talk(), Talk(sport=40001)
        opened = [packet for pair in zip(one.open(), two.open()) for packet in pair]
        packets = opened + [one.request(b"some nee"), two.request(b"some nee"), one.answer(b"dle"),
                            one.request(b"dle and more"), two.request(b"d"), two.answer(b"le"), one.answer(b"ok")]
        packets += one.close() + two.close()
        got = self.select(packets, [{"filter": "tcp", "payload": ["needle"], "forward": ["a"]}])
        self.assertEqual(got, {"a": [0, 2, 4, 6, 8, 9, 12, 13, 14, 15]})
        self.assertEqual(self.flows("sport", "packets", "complete", "rules"), [(40000, 10, True, [1])])
        # With the second FIN it is decided.
        self.assertEqual(self.dropped(), {"not_selected": 7, "no_rule": 2})
        self.assertEqual(self.result.stats["incomplete_sessions"], 0)
        self.assertEqual(self.result.stats["rules"]["1"]["packets"], 10)
        self.assertEqual(self.result.stderr, "")

    def test_what_is_held_for_one_tool_goes_to_another_at_once(self):
        talk = Talk()
        packets = talk.open() + [talk.request(b"x"), talk.answer(b"the needle"), talk.request(b"y")]
        rules = [{"filter": "tcp", "forward": ["a"]}, {"payload": ["needle"], "forward": ["b"]}]
        self.assertEqual(self.select(packets, rules, ["a", "b"]), {"a": list(range(6)), "b": list(range(6))})
        self.assertEqual(self.result.stats["ports"]["lan"]["forwarded"]["packets"], 6)
        self.assertEqual(self.flows("packets", "tools", "rules"), [(6, ["a", "b"], [1, 2])])

    def test_a_pattern_that_must_not_be_found_is_decided_at_the_end(self):
        # Not there and closed, not there and open to the end, there, no payload at all; a datagram that ends nothing.
        closed, still, found, silent = (Talk(sport=40000 + number) for number in range(4))
        packets = closed.open() + still.open() + found.open() + silent.open()
        packets += [closed.request(b"hello"), still.answer(b"nee"), found.request(b"nee"), found.request(b"dle"),
                    found.answer(b"z"), udp_frame(b"q", "10.0.0.1", SERVER), *closed.close()]
        got = self.select(packets, [{"payload_none": ["needle"], "forward": ["a"]}])
        of_found = {6, 7, 8, 14, 15, 16}
        self.assertEqual(got["a"], [place for place in range(len(packets)) if place not in of_found])
        # The forbidden pattern decides the flow: what comes after it is not held any more.
        self.assertEqual(self.dropped(), {"not_selected": len(of_found) - 2, "no_rule": 2})
        self.assertEqual(self.flows("sport", "complete"), [(port, True) for port in (40000, 40001, 40003, 40000)])


class HoldTest(WholeSessionsTest):
    RULES = [{"filter": "tcp", "payload": ["needle"], "forward": ["a"]}]

    def long_session(self, segments):
        talk = Talk()
        return (talk.open() + [talk.request(b"a" * 1400) for _ in range(segments)] +
                [talk.request(b"needle"), talk.answer(b"ok"), *talk.close()])

    def test_when_hold_bytes_are_used_up_the_session_is_not_complete(self):
        packets = self.long_session(20)
        got = self.select(packets, self.RULES, inspect={"hold_bytes": 3 * 54 + 5 * 1454})
        self.assertEqual(got["a"], [*range(8), *range(23, 28)])
        self.assertEqual(self.flows("packets", "complete", "seen"),
                         [(13, False, {"packets": 28, "bytes": sum(map(len, packets))})])
        self.assertEqual(self.dropped(), {"hold_full": 15})
        self.assertEqual(self.result.stats["incomplete_sessions"], 1)
        self.assertIn("warning: 1 selected session", self.result.stderr)
        self.assertIn("inspect.hold_bytes", self.result.stderr)
        self.assertEqual(self.exhausted(), {})

    def test_when_nothing_may_be_held_the_session_is_not_complete_either(self):
        packets = self.long_session(3)
        got = self.select(packets, self.RULES, plans=PLANS[:1], inspect={"hold_bytes": 0})
        self.assertEqual(got["a"], list(range(6, 11)))
        self.assertEqual(self.flows("packets", "complete"), [(5, False)])
        self.assertEqual(self.result.stats["incomplete_sessions"], 1)
        self.assertIn("warning: 1 selected session", self.result.stderr)

    def test_without_bound_every_session_is_complete(self):
        packets = self.long_session(3000)  # 4.2 MB before the match
        inspect = {"hold_bytes": "unlimited", "stream_depth": "16MiB", "hold_budget": "1MiB"}
        got = self.select(packets, self.RULES, inspect=inspect)
        self.assertEqual(got["a"], list(range(len(packets))))
        self.assertEqual(self.flows("packets", "complete"), [(len(packets), True)])
        self.assertEqual((self.dropped(), self.exhausted(), self.result.stderr), ({}, {}, ""))

    def test_without_bound_the_outputs_alone_are_left(self):
        talk = Talk()
        packets = talk.open() + [talk.request(b"a" * 1400) for _ in range(3000)]
        self.select(packets, self.RULES, plans=[], inspect={"hold_bytes": "unlimited", "stream_depth": "16MiB"})
        self.assertEqual({path.name for path in self.result.folder.iterdir()}, OUTPUTS | {"a.pcap"})
        self.assertEqual(self.dropped(), {"not_selected": len(packets)})

    def test_short_budgets_are_said_and_what_they_cost_is_counted(self):
        # 40 flows of 40 KB; 1 MiB holds less than 26 of them.
        talks = [Talk(sport=40000 + number) for number in range(40)]
        packets = [packet for talk in talks for packet in talk.open()]
        for _ in range(28):
            packets += [talk.request(b"a" * 1400) for talk in talks]
        packets += [talk.request(b"needle") for talk in talks]
        path = self.capture("in.pcap", packets)
        for when_short in ("drop", "forward"):
            with self.subTest(when_short=when_short):
                config = configuration(["a"], self.RULES, inspect={"hold_budget": "1MiB", "when_short": when_short})
                self.result = self.replay(config, path, "--lcores", "rx=0;select=0;tx=0")
                self.check_ledger(self.result)
                let_go, refused = (self.result.stats["exhausted"][name] for name in ("let_go", "hold_refused"))
                self.assertTrue(15 <= let_go < 40, let_go)
                self.assertIn(f"warning: there was no room to match and hold all undecided flows: {let_go} let go",
                              self.result.stderr)
                self.assertIn(f" {refused} were held in part", self.result.stderr)
                incomplete = self.result.stats["incomplete_sessions"]
                self.assertLessEqual(incomplete, refused)
                whole = [flow for flow in self.result.flows if flow["packets"] == 32]
                self.assertEqual([flow for flow in self.result.flows if flow["complete"]], whole)
                lost = self.dropped().get("hold_budget", 0)
                self.assertEqual(self.result.stats["lost"], lost)
                if when_short == "forward":
                    self.assertEqual((self.result.status, lost), (yagura_e2e.OK, 0))
                    self.assertEqual(len(whole), 40 - incomplete)
                else:
                    self.assertEqual(self.result.status, yagura_e2e.LOSS)
                    self.assertEqual(len(whole), 40 - incomplete - let_go)
                    self.assertGreaterEqual(lost, let_go)


class FlowTest(WholeSessionsTest):
    RULES = [{"filter": "tcp", "payload": ["needle"], "forward": ["a"]}, {"payload": ["other"], "forward": ["a"]}]

    def reused(self, end):
        first, second = Talk(seq=1000), Talk(seq=900000)
        one = first.open() + [first.request(b"the needle")] + end(first)
        return one, second.open() + [second.request(b"the other")]

    def test_a_new_connection_on_used_ports_is_a_session_of_its_own(self):
        for name, end in [("fin", Talk.close), ("rst", lambda talk: [talk.answer(flags=RST | ACK)]),
                          ("fin and rst", lambda talk: [talk.request(flags=FIN | ACK), talk.answer(flags=RST)])]:
            with self.subTest(end=name):
                one, two = self.reused(end)
                # No pattern is found across the two.
                got = self.select(one + two, self.RULES)
                self.assertEqual(got["a"], list(range(len(one) + len(two))))
                self.assertEqual(self.flows("sport", "packets", "rules", "complete"),
                                 [(40000, len(one), [1], True), (40000, len(two), [2], True)])
                self.assertEqual(self.result.stats["rules"]["1"]["flows"], 1)
                self.assertEqual(self.result.stats["tools"]["a"]["flows"], 2)

    def test_the_session_before_or_after_one_that_is_selected_is_not(self):
        for wanted in (0, 1):
            with self.subTest(wanted=wanted):
                one, two = self.reused(Talk.close)
                got = self.select(one + two, self.RULES[wanted:wanted + 1])
                places = [list(range(len(one))), list(range(len(one), len(one) + len(two)))]
                self.assertEqual(got["a"], places[wanted])
                self.assertEqual(sum(self.dropped().values()), len(places[1 - wanted]))

    def test_idle_flows_end_by_the_time_of_the_capture(self):
        query = [udp_frame(b"the needle", "10.0.0.1", SERVER), udp_frame(b"more", "10.0.0.1", SERVER)]
        again = [udp_frame(b"again", "10.0.0.1", SERVER)]
        rules = [{"payload": ["needle"], "forward": ["a"]}]
        for idle, timeout, places in [(20, "10s", [0, 1]), (20, "30s", [0, 1, 2]), (400, None, [0, 1]),
                                      (250, None, [0, 1, 2])]:
            with self.subTest(idle=idle, timeout=timeout):
                inspect = {"inspect": {"timeouts": {"udp": timeout}}} if timeout else {}
                got = self.select(at_seconds((1, query), (1 + idle, again)), rules, plans=PLANS[1:2], **inspect)
                self.assertEqual(got["a"], places)
                self.assertEqual(self.flows("packets"), [(len(places),)])

    def test_both_sides_of_a_timeout_are_sessions(self):
        talk = Talk()
        one = talk.open() + [talk.request(b"the needle")]
        two = [talk.request(b"the other"), talk.answer(b"x")]
        got = self.select(at_seconds((1, one), (100, two)), self.RULES, inspect={"timeouts": {"tcp": "30s"}})
        self.assertEqual(got["a"], list(range(6)))
        self.assertEqual(self.flows("packets", "rules", "first"),
                         [(4, [1], "1.000000000"), (2, [2], "100.000000000")])

    def test_vlans_tell_flows_apart_when_the_flow_key_says_so(self):
        blue, red = Talk(vlans=(10,)), Talk(vlans=(20,), seq=50000)
        packets = blue.open() + red.open() + [blue.request(b"the needle"), red.request(b"hay"), red.answer(b"x")]
        of_blue = [0, 1, 2, 6]
        got = self.select(packets, self.RULES[:1], inspect={"flow_key": ["vlan"]})
        self.assertEqual(got["a"], of_blue)
        self.assertEqual(self.flows("vlans", "packets"), [([10], 4)])
        self.assertEqual(self.dropped(), {"not_selected": 5})

        got = self.select(packets, [{"filter": "tcp", "forward": ["a"]}], inspect={"flow_key": ["vlan"]})
        self.assertEqual(self.flows("vlans", "packets"), [([10], 4), ([20], 5)])
        got = self.select(packets, [{"filter": "tcp", "forward": ["a"]}])
        self.assertEqual(got["a"], list(range(9)))
        self.assertEqual(self.flows("vlans", "packets"), [([10], 9)])


if __name__ == "__main__":
    unittest.main()
