# SPDX-License-Identifier: BSD-3-Clause
"""What rules mean, packet by packet, on captures made by hand."""

import unittest

import capture_files
import packet_makers as make
import yagura_e2e
from packet_makers import ACK, RST, SYN, arp, ethernet, ipv4, ipv6, tcp, tcp_frame, udp, udp_frame, vlan, vxlan
from yagura_e2e import OK, configuration

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"


def request(payload=b"", **fields):
    return tcp_frame(payload, CLIENT, SERVER, sport=40000, dport=80, **fields)


def answer(payload=b"", **fields):
    return tcp_frame(payload, SERVER, CLIENT, sport=80, dport=40000, **fields)


SYN_, SYN_ACK = request(flags=SYN), answer(flags=SYN | ACK)


class RuleTest(yagura_e2e.TestCase):
    """`select` replays packets and says which of them, by index, each tool got."""

    def select(self, packets, rules, tools=("a",), **config):
        path = self.capture("in.pcap", packets)
        self.result = self.replay_well(configuration(tools, rules, **config), path)
        return {tool: self.indices(packets, tool) for tool in tools}

    def indices(self, packets, tool):
        indices = []
        for record in self.result.tool(tool):
            self.assertIn(record.ns // 1000 - 1, range(len(packets)), f"tool {tool}: {record}")
            indices.append(record.ns // 1000 - 1)
            self.assertEqual(record.data, packets[indices[-1]], f"tool {tool}")
        return indices

    def dropped(self):
        dropped = self.result.stats["ports"]["lan"]["dropped"]
        return {reason: count["packets"] for reason, count in dropped.items()}


class RuleOrderTest(RuleTest):
    PACKETS = [SYN_, udp_frame(b"q", "10.0.0.9", SERVER), tcp_frame(b"", "10.0.0.9", SERVER), ethernet(arp(), 0x0806)]

    def test_without_rules_everything_is_dropped_as_no_rule(self):
        self.assertEqual(self.select(self.PACKETS, []), {"a": []})
        self.assertEqual(self.dropped(), {"no_rule": 4})

    def test_a_rule_without_conditions_selects_everything(self):
        self.assertEqual(self.select(self.PACKETS, [{"forward": ["a"]}]), {"a": [0, 1, 2, 3]})
        self.assertEqual(self.dropped(), {})

    def test_what_only_responds_selects_nothing_and_ends_no_search(self):
        responding = [{"id": 1, "filter": "host 10.0.0.9", "reset": True, "block": {}}, {"id": 2, "reset": True}]
        enabled = {"response": {"enabled": True}}
        self.assertEqual(self.select(self.PACKETS, responding, **enabled), {"a": []})
        self.assertEqual(self.dropped(), {"no_rule": 4})
        rules = responding + [{"id": 3, "filter": "tcp", "forward": ["a"], "reset": True}]
        self.assertEqual(self.select(self.PACKETS, rules, **enabled), {"a": [0, 2]})
        counts = {rule: count["packets"] for rule, count in self.result.stats["rules"].items()}
        self.assertEqual(counts, {"1": 2, "2": 4, "3": 2})
        self.assertEqual({rule for flow in self.result.flows for rule in flow["rules"]}, {3})

    def test_a_drop_ends_the_search(self):
        rules = [{"filter": "host 10.0.0.9", "drop": True}, {"forward": ["a"]}]
        self.assertEqual(self.select(self.PACKETS, rules), {"a": [0, 3]})
        self.assertEqual(self.dropped(), {"drop_rule": 2})

    def test_forwards_before_a_drop_still_count(self):
        rules = [{"filter": "udp", "forward": ["a"]}, {"filter": "host 10.0.0.9", "drop": True},
                 {"forward": ["b"]}]
        self.assertEqual(self.select(self.PACKETS, rules, ["a", "b"]), {"a": [1], "b": [0, 3]})
        self.assertEqual(self.dropped(), {"drop_rule": 1})

    def test_forwards_add_up_and_a_tool_gets_a_packet_once(self):
        rules = [{"filter": "tcp", "forward": ["a"]}, {"filter": "host 10.0.0.9", "forward": ["b", "a"]},
                 {"filter": "udp", "forward": ["pair"]}]
        got = self.select(self.PACKETS, rules, ["a", "b", "c"],
                          groups={"pair": {"members": ["b", "c"], "mode": "copy"}})
        self.assertEqual(got, {"a": [0, 1, 2], "b": [1, 2], "c": [1]})
        self.assertEqual(self.dropped(), {"no_rule": 1})

    def test_rules_count_the_packets_and_flows_for_which_they_were_in_effect(self):
        rules = [{"id": 7, "filter": "tcp", "forward": ["a"]}, {"id": 8, "filter": "host 10.0.0.9", "drop": True},
                 {"id": 9, "forward": ["a"]}]
        self.select(self.PACKETS, rules)
        sizes = [len(packet) for packet in self.PACKETS]
        self.assertEqual(self.result.stats["rules"], {
            "7": {"packets": 2, "bytes": sizes[0] + sizes[2], "flows": 2},
            "8": {"packets": 2, "bytes": sizes[1] + sizes[2], "flows": 2},
            "9": {"packets": 2, "bytes": sizes[0] + sizes[3], "flows": 1},
        })


class ScopeTest(RuleTest):
    #          0     1        2             3           4           5             6
    PACKETS = [SYN_, SYN_ACK, request(b"x"), answer(b"y"), request(b"the needle"), answer(b"z"), request(b"end")]

    def scoped(self, rule, packets=None):
        packets = packets or self.PACKETS
        return {scope: self.select(packets, [{**rule, "scope": scope, "forward": ["a"]}])["a"]
                for scope in ("session", "onward", "packet")}

    def test_a_filter_on_the_flow(self):
        everything = list(range(7))
        self.assertEqual(self.scoped({"filter": "tcp port 80"}),
                         {"session": everything, "onward": everything, "packet": everything})

    def test_a_filter_on_one_direction_of_the_flow(self):
        self.assertEqual(self.scoped({"filter": "src port 80"}),
                         {"session": list(range(7)), "onward": [1, 2, 3, 4, 5, 6], "packet": [1, 3, 5]})

    def test_a_filter_that_needs_more_than_the_flow_selects_from_the_match_on(self):
        self.assertEqual(self.scoped({"filter": "tcp[tcpflags] & (tcp-syn|tcp-ack) = (tcp-syn|tcp-ack)"}),
                         {"session": [1, 2, 3, 4, 5, 6], "onward": [1, 2, 3, 4, 5, 6], "packet": [1]})

    def test_a_payload(self):
        self.assertEqual(self.scoped({"payload": ["needle"]}),
                         {"session": list(range(7)), "onward": [4, 5, 6], "packet": [4]})

    def test_a_match_in_one_flow_selects_no_other_flow(self):
        other = [tcp_frame(b"hay", CLIENT, SERVER, sport=40001), tcp_frame(b"more", CLIENT, SERVER, sport=40001)]
        packets = self.PACKETS[:5] + other + self.PACKETS[5:]
        self.assertEqual(self.scoped({"payload": ["needle"]}, packets),
                         {"session": [0, 1, 2, 3, 4, 7, 8], "onward": [4, 7, 8], "packet": [4]})

    def test_packets_that_belong_to_no_flow_are_selected_one_by_one(self):
        packets = [ethernet(arp("10.0.0.1"), 0x0806), ethernet(arp("10.0.0.7"), 0x0806)]
        self.assertEqual(self.scoped({"filter": "arp host 10.0.0.7"}, packets),
                         {"session": [1], "onward": [1], "packet": [1]})


class DropTest(RuleTest):
    PACKETS = [SYN_, SYN_ACK, request(b"hello"), request(b"something evil"), answer(b"ok"), request(b"bye")]
    ALL = {"filter": "tcp", "forward": ["a"]}

    def test_what_comes_after_a_payload_drop_waits_until_it_is_decided(self):
        rules = [{"filter": "tcp", "payload": ["evil"], "drop": True}, self.ALL]
        self.assertEqual(self.select(self.PACKETS, rules), {"a": []})
        self.assertEqual(self.dropped(), {"drop_rule": 6})
        self.assertEqual(self.select(self.PACKETS[:3], rules), {"a": [0, 1, 2]})
        self.assertEqual(self.dropped(), {})

    def test_a_payload_drop_on_the_first_packet_is_not_late(self):
        rules = [{"filter": "tcp", "payload": ["evil"], "drop": True}, self.ALL]
        self.assertEqual(self.select(self.PACKETS[3:], rules), {"a": []})
        self.assertEqual(self.dropped(), {"drop_rule": 3})

    def test_a_drop_for_the_packet_alone_lets_the_flow_go_on(self):
        rules = [{"filter": "tcp", "payload": ["evil"], "drop": True, "scope": "packet"}, self.ALL]
        self.assertEqual(self.select(self.PACKETS, rules), {"a": [0, 1, 2, 4, 5]})
        self.assertEqual(self.dropped(), {"drop_rule": 1})

    def test_a_drop_does_not_take_back_what_an_earlier_rule_forwards(self):
        rules = [self.ALL, {"filter": "tcp", "payload": ["evil"], "drop": True}, {"forward": ["b"]}]
        self.assertEqual(self.select(self.PACKETS, rules, ["a", "b"]),
                         {"a": [0, 1, 2, 3, 4, 5], "b": []})
        self.assertEqual(self.dropped(), {})

    def test_a_reset_drops_from_the_reset_on(self):
        packets = [SYN_, SYN_ACK, answer(flags=RST), request(b"late")]
        rules = [{"filter": "tcp[tcpflags] & tcp-rst != 0", "drop": True}, self.ALL]
        self.assertEqual(self.select(packets, rules), {"a": [0, 1]})
        self.assertEqual(self.dropped(), {"late_drop": 2})


class PayloadTest(RuleTest):
    TEXTS = [b"union select", b"UNION  SELECT", b"a.b", b"axb", b"a\nb", b"one\ntwo", b"\x00\xff\x01", "grün".encode(),
             "GRÜN".encode(), b"", b"POST /login password=1", b"password=1"]

    def matched(self, key, *patterns, filter_text="udp"):
        packets = [udp_frame(text, sport=1000 + number) for number, text in enumerate(self.TEXTS)]
        rule = {"filter": filter_text, key: list(patterns), "forward": ["a"]}
        return [self.TEXTS[i] for i in self.select(packets, [rule])["a"]]

    def test_patterns_match_what_they_say(self):
        for patterns, expected in [
            (["union select"], [b"union select"]),
            ([r"/union\s+select/i"], [b"union select", b"UNION  SELECT"]),
            ([r"/union\s+select/"], [b"union select"]),
            (["a.b"], [b"a.b"]),
            (["/a.b/"], [b"a.b", b"axb"]),
            (["/a.b/s"], [b"a.b", b"axb", b"a\nb"]),
            (["/^two/"], []),
            (["/^two/m"], [b"one\ntwo"]),
            (["/^one$/m"], [b"one\ntwo"]),
            ([r"/\x00\xff/"], [b"\x00\xff\x01"]),
            (["grün"], ["grün".encode()]),
            (["/grün/8i"], ["grün".encode(), "GRÜN".encode()]),
            (["/gr.n/8"], ["grün".encode()]),
            (["/gr..n/"], ["grün".encode()]),
            (["axb", r"/^union/"], [b"union select", b"axb"]),
        ]:
            with self.subTest(payload=patterns):
                self.assertEqual(self.matched("payload", *patterns), expected)

    def test_payload_all_wants_every_pattern(self):
        self.assertEqual(self.matched("payload_all", "POST ", "/passw(or)?d=/i"), [b"POST /login password=1"])

    def test_payload_and_payload_all_together_want_both(self):
        packets = [udp_frame(text) for text in (b"x needle a", b"x needle a b", b"b a", b"y a b")]
        rule = {"payload": ["x", "y"], "payload_all": ["a", "b"], "forward": ["a"], "scope": "packet"}
        self.assertEqual(self.select(packets, [rule]), {"a": [1, 3]})

    def test_a_pattern_counts_only_where_the_filter_holds(self):
        packets = [udp_frame(b"needle", dport=53), udp_frame(b"needle", dport=54), request(b"needle")]
        rule = {"filter": "udp port 53", "payload": ["needle"], "forward": ["a"], "scope": "packet"}
        self.assertEqual(self.select(packets, [rule]), {"a": [0]})

    def test_headers_and_padding_are_not_payload(self):
        padded = udp_frame(b"x") + b"needle in the padding"
        packets = [padded, udp_frame(b"x", src="110.101.101.100"), udp_frame(b"need"), udp_frame(b"le")]
        self.assertEqual(self.select(packets, [{"payload": ["need"], "forward": ["a"]}]), {"a": [0, 2, 3]})
        self.assertEqual(self.select(packets, [{"payload": ["needle"], "forward": ["a"]}]), {"a": []})

    def test_a_payload_in_a_large_packet_is_found_to_its_end(self):
        packets = [request(b"." * size + b"needle") for size in (10, 1400, 9000, 60000)]
        rule = {"payload": ["needle"], "forward": ["a"], "scope": "packet"}
        self.assertEqual(self.select(packets, [rule]), {"a": [0, 1, 2, 3]})


class MalformedTest(RuleTest):
    # 0: sound; 1: claims more than there is; 2: cut in the TCP header; 3: IHL 4; 4: UDP length beyond the packet
    PACKETS = [SYN_, ethernet(ipv4(tcp(), total=1000)), ethernet(ipv4(tcp()[:10])),
               ethernet(b"\x44" + ipv4(tcp())[1:]), ethernet(ipv4(make.struct.pack(">HHHH", 1, 2, 99, 0), proto=17))]

    def test_malformed_packets_are_selected_by_their_own_rule(self):
        got = self.select(self.PACKETS, [{"malformed": True, "forward": ["a"], "scope": "packet"}])
        self.assertEqual(got, {"a": [1, 2, 3, 4]})
        self.assertEqual(self.dropped(), {"no_rule": 1})

    def test_sound_packets_are_selected_by_malformed_false(self):
        got = self.select(self.PACKETS, [{"malformed": False, "forward": ["a"], "scope": "packet"}])
        self.assertEqual(got, {"a": [0]})

    def test_malformed_packets_that_no_rule_selects_are_dropped_by_their_fault(self):
        self.select(self.PACKETS, [{"filter": "port 4242", "forward": ["a"]}])
        self.assertEqual(self.dropped(), {"no_rule": 1, "bad_ip_total_length": 1, "truncated_transport": 1,
                                          "bad_ip_header_length": 1, "bad_transport_header": 1})

    def test_malformed_and_filter_must_both_hold(self):
        got = self.select(self.PACKETS, [{"malformed": True, "filter": "udp", "forward": ["a"], "scope": "packet"}])
        self.assertEqual(got, {"a": [4]})


class LayerTest(RuleTest):
    INNER = tcp_frame(b"x", "192.168.0.1", "192.168.0.2")
    PACKETS = [
        request(),                                                                   # 0
        ethernet(vlan(ipv4(tcp()), 100), 0x8100),                                    # 1
        ethernet(vlan(vlan(ipv4(tcp()), 100), 200, 0x8100), 0x88A8),                 # 2
        udp_frame(vxlan(INNER), dport=4789),                                         # 3
        ethernet(ipv4(ipv4(tcp(), "192.168.0.1", "192.168.0.2"), proto=4)),          # 4
        ethernet(ipv6(tcp()), 0x86DD),                                               # 5
        ethernet(ipv4(make.struct.pack(">BBHI", 3, 3, 0, 0) + ipv4(tcp()), proto=1)),  # 6: an ICMP error quotes it
        ethernet(vlan(arp(), 100, 0x0806), 0x8100),                                  # 7
    ]

    def layers(self, text, *layers):
        rules = [{"filter": text, "layer": layer, "forward": [layer], "scope": "packet"} for layer in layers]
        return self.select(self.PACKETS, rules, layers)

    def test_a_port_is_found_at_the_layer_that_is_asked(self):
        self.assertEqual(self.layers("tcp port 80", "inner", "outer", "frame"),
                         {"inner": [0, 1, 2, 3, 4, 5], "outer": [0, 1, 2, 5], "frame": [0, 5]})

    def test_a_tunnel_is_found_from_outside_alone(self):
        self.assertEqual(self.layers("udp port 4789", "inner", "outer", "frame"),
                         {"inner": [], "outer": [3], "frame": [3]})

    def test_addresses_in_the_tunnel(self):
        self.assertEqual(self.layers("net 192.168.0.0/16", "inner", "outer", "frame"),
                         {"inner": [3, 4], "outer": [], "frame": []})

    def test_inner_is_the_layer_of_a_rule_that_names_none(self):
        rules = [{"filter": "tcp port 80", "forward": ["a"]}]
        self.assertEqual(self.select(self.PACKETS, rules), {"a": [0, 1, 2, 3, 4, 5]})

    def test_link_layer_words_are_asked_of_the_frame(self):
        rules = [{"filter": "vlan", "forward": ["a"], "scope": "packet"},
                 {"filter": "vlan and arp", "forward": ["b"], "scope": "packet"}]
        self.assertEqual(self.select(self.PACKETS, rules, ["a", "b"]), {"a": [1, 2, 7], "b": [7]})

    def test_a_packet_without_ip_is_asked_as_a_frame(self):
        packets = [request(), ethernet(arp(), 0x0806), udp_frame()]
        self.assertEqual(self.select(packets, [{"filter": "not tcp", "forward": ["a"]}]), {"a": [1, 2]})

    def test_the_flow_is_the_innermost_one(self):
        back = udp_frame(vxlan(tcp_frame(b"y", "192.168.0.2", "192.168.0.1", sport=80, dport=40000)),
                         "172.16.0.1", "172.16.0.2", dport=4789)
        self.select([self.PACKETS[3], back], [{"filter": "tcp", "forward": ["a"]}])
        self.assertEqual([flow["packets"] for flow in self.result.flows], [2])


class FragmentTest(RuleTest):
    DATAGRAM = udp(b"A" * 40, dport=53)

    def fragment(self, first, last, ident=7):
        more = 0x2000 if last < len(self.DATAGRAM) else 0
        return ethernet(ipv4(self.DATAGRAM[first:last], proto=17, ident=ident, fragment=more | first // 8))

    def test_all_fragments_go_where_the_first_one_goes_in_whatever_order(self):
        parts = [self.fragment(0, 16), self.fragment(16, 32), self.fragment(32, 48)]
        for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
            with self.subTest(order=order):
                got = self.select([parts[i] for i in order], [{"filter": "udp port 53", "forward": ["a"]}])
                self.assertEqual(got, {"a": [0, 1, 2]})

    def test_a_later_fragment_without_its_first_one_has_no_ports(self):
        packets = [self.fragment(16, 32), udp_frame(b"x")]
        self.assertEqual(self.select(packets, [{"filter": "udp port 53", "forward": ["a"]}]), {"a": [1]})
        self.assertEqual(self.select(packets, [{"filter": "udp", "forward": ["a"]}]), {"a": [0, 1]})
        self.assertIn("1 fragments came without the first", self.result.stderr)


class BalanceTest(RuleTest):
    FLOWS = 300

    def members(self, members):
        """The member that each flow went to."""
        packets = []
        for flow in range(self.FLOWS):
            packets += [tcp_frame(b"a", f"10.1.{flow % 7}.{flow % 250 + 1}", SERVER, sport=1000 + flow),
                        tcp_frame(b"b", SERVER, f"10.1.{flow % 7}.{flow % 250 + 1}", sport=80, dport=1000 + flow)]
        got = self.select(packets, [{"filter": "tcp", "forward": ["group"]}], members,
                          groups={"group": {"members": members, "mode": "balance"}})
        owner = {}
        for tool, indices in got.items():
            for index in indices:
                self.assertEqual(owner.setdefault(index // 2, tool), tool, f"flow {index // 2} is torn")
        self.assertEqual(sum(map(len, got.values())), 2 * self.FLOWS)
        return owner

    def test_a_flow_has_one_member_and_all_members_have_their_share(self):
        owner = self.members(["a", "b", "c"])
        for tool in "abc":
            share = sum(1 for member in owner.values() if member == tool)
            # 100 are due; the chance of a fair choice to leave 60 .. 140 is below one in a million.
            self.assertTrue(60 <= share <= 140, f"{tool} has {share} of {self.FLOWS} flows")
            self.assertEqual(self.result.stats["tools"][tool]["flows"], share)

    def test_when_a_member_leaves_only_its_flows_move(self):
        before, after = self.members(["a", "b", "c"]), self.members(["c", "a"])
        moved = {flow for flow in before if before[flow] != after[flow]}
        self.assertEqual(moved, {flow for flow in before if before[flow] == "b"})

    def test_a_copy_group_gives_every_member_everything(self):
        packets = [SYN_, SYN_ACK, request(b"x")]
        got = self.select(packets, [{"forward": ["group"]}], ["a", "b", "c"],
                          groups={"group": {"members": ["a", "b", "c"], "mode": "copy"}})
        self.assertEqual(got, {tool: [0, 1, 2] for tool in "abc"})


class FlowBoundTest(RuleTest):
    def test_header_rules_lose_nothing_when_the_flow_table_is_full(self):
        packets = [udp_frame(b"x", sport=1000 + flow, dport=53 + flow % 2) for flow in range(100)]
        rules = [{"filter": "udp port 53", "forward": ["a"]}, {"filter": "udp", "forward": ["b"]}]
        path = self.capture("in.pcap", packets)
        self.result = self.replay_well(configuration(["a", "b"], rules, inspect={"flows": 4}), path,
                                       "--lcores", "rx=0;select=0;tx=0")
        self.assertEqual(self.result.status, OK)
        self.assertEqual(self.indices(packets, "a"), list(range(0, 100, 2)))
        self.assertEqual(self.indices(packets, "b"), list(range(100)))
        # Nobody answers, so some flow gives way to each new one.
        self.assertEqual(len(self.result.flows), 100)
        self.assertIn("warning: the flow table was full (inspect.flows is 4): 96 flows ended early",
                      self.result.stderr)
        self.assertEqual(self.result.stats["exhausted"]["evicted_flows"], 96)
        self.assertEqual(self.result.stats["lost"], 0)

    def test_flows_of_one_packet_leave_as_fast_as_they_come(self):
        # One every 100 ms; an idle flow is let be for 1 s, and 30 s for its fragments: 310 at a time.
        path = self.capture("in.pcap", [capture_files.packet(udp_frame(b"x", sport=1000 + flow, dport=53),
                                                             flow * 100_000_000) for flow in range(1, 4001)])
        self.result = self.replay_well(
            configuration(["a"], [{"filter": "udp", "forward": ["a"]}],
                          inspect={"flows": 512, "timeouts": {"udp": "1s"}}),
            path, "--lcores", "rx=0;select=0;tx=0")
        self.assertEqual(len(self.result.flows), 4000)
        self.assertEqual(self.result.stats["exhausted"]["evicted_flows"], 0)
        self.assertEqual(self.result.stats["exhausted"]["flow_table"], 0)


if __name__ == "__main__":
    unittest.main()
