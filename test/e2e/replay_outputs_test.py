# SPDX-License-Identifier: BSD-3-Clause
"""The files that a replay writes: their names, their contents, and when they may be overwritten."""

import unittest

import yagura_e2e
from capture_files import packet
from packet_makers import ACK, SYN, arp, ethernet, ipv4, ipv6, tcp, tcp_frame, udp_frame, vlan, vxlan
from yagura_e2e import USAGE, configuration

SECOND = 10**9


class StatsTest(yagura_e2e.TestCase):
    PACKETS = [
        packet(tcp_frame(b"", flags=SYN), SECOND),
        packet(tcp_frame(b"hello", "10.0.0.2", "10.0.0.1", sport=80, dport=40000, flags=ACK), SECOND + 1),
        packet(udp_frame(b"question"), 2 * SECOND),
        packet(ethernet(arp(), 0x0806), 3 * SECOND),
        packet(udp_frame(b"other", dport=123), 4 * SECOND),
        packet(tcp_frame()[:20], 5 * SECOND),
    ]
    RULES = [
        {"id": 1, "filter": "port 123", "drop": True},
        {"id": 10, "filter": "tcp", "forward": ["a", "b"]},
        {"id": 18446744073709551615, "name": "dns", "filter": "udp", "forward": ["b"]},
        {"id": 5, "filter": "sctp", "forward": ["idle"]},
    ]

    def test_stats_json_has_exactly_these_figures(self):
        path = self.capture("in.pcap", self.PACKETS)
        config = configuration(["a", "b", "idle"], self.RULES, networks=["lan", "wan"])
        replay = self.replay_well(config, path)
        sizes = [len(record.data) for record in self.PACKETS]

        def count(*packets):
            return {"packets": len(packets), "bytes": sum(sizes[i] for i in packets)}

        stats = dict(replay.stats)
        run = stats.pop("run")
        none = count()
        whole = {"flows_shed": 0, "flows_cut": 0}
        self.maxDiff = None
        self.assertEqual(stats, {
            "version": 1,
            "balanced": True,
            "lost": 0,
            "ports": {
                "lan": {"received": count(0, 1, 2, 3, 4, 5), "missed": 0, "forwarded": count(0, 1, 2), "held": none,
                        "in_flight": none,
                        "dropped": {"no_rule": count(3), "drop_rule": count(4), "truncated_ip": count(5)}},
                "wan": {"received": none, "missed": 0, "forwarded": none, "dropped": {}, "held": none, "in_flight": none},
            },
            "tools": {
                "a": {"offered": count(0, 1), "sent": count(0, 1), "shed": {}, "flows": 1, **whole},
                "b": {"offered": count(0, 1, 2), "sent": count(0, 1, 2), "shed": {}, "flows": 2, **whole},
                "idle": {"offered": none, "sent": none, "shed": {}, "flows": 0, **whole},
            },
            "rules": {
                "1": {**count(4), "flows": 1},
                "10": {**count(0, 1), "flows": 1},
                "18446744073709551615": {**count(2), "flows": 1},
                "5": {**none, "flows": 0},
            },
            "incomplete_sessions": 0,
            "streams": {name: 0 for name in (
                "scanned_bytes", "depth_reached", "out_of_order", "retransmissions", "overlaps", "gaps", "gap_bytes",
                "before_start", "after_end", "out_of_window")},
            "exhausted": {name: 0 for name in (
                "flow_table", "evicted_flows", "let_go", "uninspected_flows", "hold_refused", "decision_table",
                "fragments_unmatched")},
        })
        self.assertEqual(list(stats["ports"]), ["lan", "wan"])
        self.assertEqual(list(stats["rules"]), ["1", "10", "18446744073709551615", "5"])
        self.assertLessEqual({"inputs", "lcores", "burst", "seconds"}, set(run))

    def test_cycles_by_stage_are_counted_where_they_are_asked_for(self):
        capture = self.capture("in.pcap", self.PACKETS)
        config = configuration(["a", "b", "idle"], self.RULES)
        plain, clocked = self.replay_well(config, capture), self.replay_well(config, capture, "--clock-stages")
        self.assertEqual(plain.outputs(), clocked.outputs())
        for thread in plain.stats["run"]["threads"]:
            self.assertNotIn("cycles", thread)
        for stage in ("rx", "select", "tx", "between", "idle"):
            self.assertGreater(sum(thread["cycles"][stage] for thread in clocked.stats["run"]["threads"]), 0, stage)

    def test_the_summary_says_what_each_tool_got(self):
        replay = self.replay_well(configuration(["a", "b", "idle"], self.RULES), self.capture("in.pcap", self.PACKETS))
        rows = [line.split() for line in replay.stdout.splitlines()]
        sizes = [len(record.data) for record in self.PACKETS]
        for row in (["a", "2", str(sum(sizes[:2])), "1"], ["b", "3", str(sum(sizes[:3])), "2"],
                    ["idle", "0", "0", "0"], ["lan", "6", str(sum(sizes))],
                    ["drop_rule", "1", str(sizes[4]), "(policy)"], ["truncated_ip", "1", "20", "(malformed)"],
                    ["ledger:", "balanced,", "lost:", "0"]):
            self.assertIn(row, rows, replay.stdout)
        self.assertNotIn("\r", replay.stderr, "progress is for terminals")

    def test_a_rate_is_not_applied_and_the_run_says_so(self):
        config = configuration(["a"], [{"forward": ["a"]}])
        config["ports"]["a"]["rate"] = "1kbps"
        replay = self.replay_well(config, self.capture("in.pcap", self.PACKETS))
        self.assertEqual(len(replay.tool("a")), 6)
        self.assertRegex(replay.stderr, r'"a".*rate is not applied')


class FlowsTest(yagura_e2e.TestCase):
    def test_flows_jsonl_has_a_line_for_each_selected_flow_in_the_order_of_first_packets(self):
        inside = tcp_frame(b"in", "192.168.0.1", "192.168.0.2", sport=5000, dport=443)
        packets = [
            packet(udp_frame(b"not selected", dport=9), 1),
            packet(tcp_frame(flags=SYN), 2 * SECOND + 5),
            packet(ethernet(vlan(vlan(ipv6(tcp(sport=1, dport=2)), 20, 0x86DD), 10, 0x8100), 0x88A8), 3 * SECOND),
            packet(udp_frame(vxlan(inside, vni=77), dport=4789), 4 * SECOND),
            packet(tcp_frame(b"back", "10.0.0.2", "10.0.0.1", sport=80, dport=40000), 5 * SECOND + 1),
            packet(ethernet(ipv4(b"\x08\0\0\0\0\0\0\0", proto=1)), 1_700_000_000 * SECOND + 2),
        ]
        config = configuration(["a", "b"], [
            {"id": 3, "filter": "tcp", "forward": ["a"]},
            {"id": 2, "filter": "tcp port 80 or icmp", "forward": ["b"]},
            {"id": 1, "filter": "host 2001:db8::1", "forward": ["b", "a"]},
        ])
        replay = self.replay_well(config, self.capture("in.pcap", packets))
        sizes = [len(record.data) for record in packets]

        def flow(first, last, proto, src, sport, dst, dport, rules, tools, *which, vlans=(), tunnel=None):
            count = {"packets": len(which), "bytes": sum(sizes[i] for i in which)}
            return {"first": first, "last": last, "proto": proto, "src": src, "sport": sport, "dst": dst,
                    "dport": dport, "vlans": list(vlans), "tunnel": tunnel, "rules": rules, "tools": tools,
                    **count, "complete": True, "seen": count}

        expected = [
            flow("2.000000005", "5.000000001", "tcp", "10.0.0.1", 40000, "10.0.0.2", 80,
                 [3, 2], ["a", "b"], 1, 4),
            flow("3.000000000", "3.000000000", "tcp", "2001:db8::1", 1, "2001:db8::2", 2,
                 [3, 1], ["a", "b"], 2, vlans=[10, 20]),
            flow("4.000000000", "4.000000000", "tcp", "192.168.0.1", 5000, "192.168.0.2", 443,
                 [3], ["a"], 3, tunnel={"type": "vxlan", "id": 77}),
            flow("1700000000.000000002", "1700000000.000000002", "icmp", "10.0.0.1", 0, "10.0.0.2", 0,
                 [2], ["b"], 5),
        ]
        self.maxDiff = None
        self.assertEqual(replay.flows, expected)
        self.assertEqual(list(replay.flows[0])[:14], list(expected[0])[:14], "order of keys")

    def test_packets_and_bytes_are_those_selected_and_seen_is_all_that_came(self):
        packets = [tcp_frame(b"one"), tcp_frame(b"needle"), tcp_frame(b"three", "10.0.0.2", "10.0.0.1", sport=80,
                                                                      dport=40000)]
        rules = [{"payload": ["needle"], "forward": ["a"], "scope": "packet"}]
        replay = self.replay_well(configuration(["a"], rules), self.capture("in.pcap", packets))
        (flow,) = replay.flows
        self.assertEqual((flow["packets"], flow["bytes"]), (1, len(packets[1])))
        self.assertEqual(flow["seen"], {"packets": 3, "bytes": sum(map(len, packets))})
        self.assertEqual((flow["first"], flow["last"]), ("0.000001000", "0.000003000"))

    def test_nothing_selected_leaves_valid_empty_files(self):
        replay = self.replay_well(configuration(["a", "b"], []), self.capture("in.pcap", [tcp_frame()]))
        self.assertEqual(replay.flows, [])
        self.assertEqual({path.name for path in replay.folder.iterdir()},
                         {"a.pcap", "b.pcap", "flows.jsonl", "stats.json"})
        for tool in "ab":
            self.assertEqual(len(replay.tool_bytes(tool)), 24)
            self.assertEqual(replay.tool(tool), [])

    def test_an_empty_capture(self):
        replay = self.replay_well(configuration(["a"], [{"forward": ["a"]}]), self.capture("in.pcap", []))
        self.assertEqual(replay.tool("a"), [])
        self.assertEqual(replay.stats["ports"]["lan"]["received"], {"packets": 0, "bytes": 0})


class OverwriteTest(yagura_e2e.TestCase):
    CONFIG = configuration(["a"], [{"forward": ["a"]}])

    def test_the_folder_and_those_above_it_are_made(self):
        path = self.capture("in.pcap", [tcp_frame()])
        self.replay_well(self.CONFIG, path, out=self.folder / "x" / "y")

    def test_an_ordinary_user_can_replay(self):
        user = yagura_e2e.ordinary_user()
        self.folder.chmod(0o777)
        self.replay_well(self.CONFIG, self.capture("in.pcap", [tcp_frame()]), **user)

    def test_outputs_are_not_overwritten_without_leave(self):
        out = self.folder / "out"
        first = self.capture("first.pcap", [tcp_frame(b"first")])
        second = self.capture("second.pcap", [tcp_frame(b"second"), tcp_frame(b"third")])
        before = self.replay_well(self.CONFIG, first, out=out).outputs()
        for name in before:
            for other in before:
                if other != name:
                    (out / other).unlink(missing_ok=True)
            replay = self.replay(self.CONFIG, second, out=out)
            self.assertEqual(replay.status, USAGE, replay.describe())
            self.assertIn(f"{out / name} exists", replay.stderr)
            self.assertIn("--force", replay.stderr)
            self.assertEqual([path.name for path in out.iterdir()], [name], "something was written")
            self.replay_well(self.CONFIG, first, "--force", out=out)
        replay = self.replay_well(self.CONFIG, second, "--force", out=out)
        self.assert_data(replay.tool("a"), [tcp_frame(b"second"), tcp_frame(b"third")], "overwritten")

    def test_files_of_others_in_the_folder_stay(self):
        out = self.folder / "out"
        out.mkdir()
        (out / "notes.txt").write_text("mine")
        self.replay_well(self.CONFIG, self.capture("in.pcap", [tcp_frame()]), out=out)
        self.assertEqual((out / "notes.txt").read_text(), "mine")

    def test_neither_an_input_nor_the_configuration_is_overwritten_by_work_files(self):
        for name in ("a.pcap.part", "a.pcap.sorted", "flows.jsonl.part", "stats.json.part"):
            with self.subTest(name):
                path = self.capture(name, [tcp_frame(b"precious")])
                before = path.read_bytes()
                replay = self.replay(self.CONFIG, path, out=self.folder)
                self.assertEqual(replay.status, USAGE, replay.describe())
                self.assertIn("is an input", replay.stderr)
                self.assertEqual(path.read_bytes(), before)

    def test_a_folder_in_the_place_of_an_output_is_found_before_the_start(self):
        out = self.folder / "out"
        (out / "a.pcap").mkdir(parents=True)
        replay = self.replay(self.CONFIG, self.capture("in.pcap", [tcp_frame()]), "--force", out=out)
        self.assertEqual(replay.status, USAGE, replay.describe())
        self.assertIn("is not a file", replay.stderr)

    def test_an_input_is_never_overwritten(self):
        path = self.capture("a.pcap", [tcp_frame(b"precious")])
        before = path.read_bytes()
        for options in ((), ("--force",)):
            replay = self.replay(self.CONFIG, path, *options, out=self.folder)
            self.assertEqual(replay.status, USAGE, replay.describe())
            self.assertIn(str(path), replay.stderr)
            self.assertIn("is an input", replay.stderr)
            self.assertEqual(path.read_bytes(), before)
        link = self.folder / "link.pcap"
        link.symlink_to(path)
        replay = self.replay(self.CONFIG, link, "--force", out=self.folder)
        self.assertEqual(replay.status, USAGE, replay.describe())
        self.assertEqual(path.read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
