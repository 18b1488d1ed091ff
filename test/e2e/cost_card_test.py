# SPDX-License-Identifier: BSD-3-Clause
"""yagura-bench card: the shape of what it says. Never a speed: a test must not depend on one."""

import json
import os
import subprocess
import unittest
from pathlib import Path

import yagura_e2e
from packet_makers import tcp_frame
from yagura_e2e import OK, USAGE, configuration

ROOT = Path(__file__).resolve().parents[2]
FEATURES = [
    "receive, parse, ring, flow look-up, drop", "number of flows", "new flows: a place in the table, an end",
    "header rules, asked once a flow", "header rules, asked of packets", "payload rules",
    "holding undecided flows", "a selected packet's first tool, ring, send", "each further tool",
    "balancing over a group", "a tool's rate and queue: whole flows, by priority", "flow records",
    "flows told apart by more", "connections can be cut: numbers of each flow",
    "connections can be cut: the way to its ends",
]
TUNNELS = {
    "vlan": "a packet with a VLAN tag", "qinq": "a packet with two VLAN tags (QinQ)", "mpls": "a packet with two MPLS labels",
    "vxlan": "a packet in VXLAN, over IPv4", "gre": "a packet in GRE, over IPv4",
    "gtp-u": "a packet in GTP-U, over IPv4",
}
FRAGMENT = "a fragment of IPv4 or IPv6"
KINDS = [*TUNNELS.values(), FRAGMENT]
DOWN = "a packet whose tool is down, not in the sum"
APART = "packets change CPUs, not in the sum"
TOTALS = ["all together, predicted", "all together, measured"]


def card(*arguments):
    quick = ["--repeats", "2", "--slices", "1"]
    return subprocess.run([os.environ["YAGURA_BENCH"], "card", *map(str, arguments), *quick], capture_output=True,
                          text=True, check=False, timeout=yagura_e2e.TIMEOUT_S, stdin=subprocess.DEVNULL)


class Card:
    """The tables of a card by the first words of their rows."""

    def __init__(self, process):
        report = json.loads(process.stdout)
        assert report["benchmark"] == "card"
        features, together, self.other = report["tables"]
        self.features = {row["feature"]: row for row in features["rows"]}
        self.together = {row["on"]: row["figures"] for row in together["rows"]}
        self.notes = " ".join(features["notes"] + together["notes"])

    def used(self):
        """Features of the configuration."""
        return [name for name in FEATURES if self.features[name]["in this configuration"] != "not used"]

    def summands(self):
        return [name for name in FEATURES + KINDS if self.figure(name) is not None]

    def figure(self, name, column="adds"):
        figure = self.features[name]["figures"][column]
        return figure and figure["median"]


class CostCardTest(yagura_e2e.TestCase):
    def run_card(self, config, *options):
        flows = [] if "--flows" in options else ["--flows", "64"]
        process = card("--config", config, *flows, "--json", "-", *options)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        return Card(process)

    def check_shape(self, made):
        self.assertEqual(list(made.features), [*FEATURES, *KINDS, DOWN, APART, *TOTALS])
        for name in FEATURES:
            used = name in made.used()
            self.assertEqual(made.figure(name) is not None, used, name)
            self.assertEqual(made.figure(name, "alone") is not None, used, name)
        for name in TOTALS:
            self.assertGreater(made.figure(name), 0)
        whole = made.together["one data lcore"]
        for column in ("predicted", "measured", "predicted rate", "measured rate", "predicted throughput",
                       "measured throughput"):
            self.assertGreater(whole[column]["median"], 0, column)
        self.assertIsNotNone(whole["error"])
        # The parts make the sum, repeat by repeat.
        for repeat, total in enumerate(whole["predicted"]["repeats"]):
            parts = [made.features[name]["figures"]["adds"]["repeats"][repeat] for name in made.summands()]
            self.assertAlmostEqual(sum(parts), total, delta=1e-6 * abs(total))
        self.assertEqual([row["packets a flow"] for row in made.other["rows"]], ["2", "5", "20", "100", "1000"])

    def test_the_example(self):
        made = self.run_card(ROOT / "conf" / "example.jsonc")
        self.check_shape(made)
        self.assertEqual(set(FEATURES) - set(made.used()),
                         {"flow records", "flows told apart by more", "connections can be cut: numbers of each flow",
                          "connections can be cut: the way to its ends"})
        # Without --share such packets cost nothing, and it says what they would.
        for name in KINDS:
            self.assertEqual(made.figure(name, "events"), 0)
            self.assertEqual(made.figure(name), 0)
            self.assertNotEqual(made.figure(name, "alone"), 0)
        self.assertRegex(made.features["payload rules"]["in this configuration"],
                         "3 rules on tcp, 8 patterns: 5 both ways, 2 to server, 1 to client")
        # Its drop rule and malformed packets are not in the traffic, and it says so.
        self.assertRegex(made.notes, r"no packet of this traffic met[^.]*: 10, 60\.")

    def test_payload_alone(self):
        made = self.run_card(self.write_config(configuration(
            ["a"], [{"filter": "tcp port 80", "payload": ["needle"], "forward": ["a"], "scope": "onward"}])),
            "--size", "512", "--hits", "50")
        self.check_shape(made)
        self.assertEqual(made.used(), FEATURES[:3] + ["payload rules", "a selected packet's first tool, ring, send"])
        self.assertGreater(made.figure("payload rules", "events"), 0)
        self.assertGreater(made.figure("a selected packet's first tool, ring, send", "events"), 0)

    def test_what_is_not_used_is_not_measured(self):
        made = self.run_card(self.write_config(configuration(["a"], [])))
        self.check_shape(made)
        self.assertEqual(made.used(), FEATURES[:3])

    def test_records_and_flow_key(self):
        made = self.run_card(self.write_config(configuration(
            ["a"], [{"filter": "tcp", "forward": ["a"]}], inspect={"flow_key": ["vlan"]})), "--records")
        self.check_shape(made)
        self.assertIn("flow records", made.used())
        self.assertIn("flows told apart by more", made.used())

    def test_shares_of_tunnels_and_fragments(self):
        # Flows are drawn for what they are in: of many the share comes out.
        made = self.run_card(ROOT / "conf" / "example.jsonc", "--flows", "2000",
                             "--share", "vxlan=20,qinq=10,fragments=5")
        self.check_shape(made)
        for kind, share in (("vxlan", 0.2), ("qinq", 0.1), ("gre", 0)):
            self.assertAlmostEqual(made.figure(TUNNELS[kind], "events"), share, delta=0.02)
        self.assertAlmostEqual(made.figure(FRAGMENT, "events"), 0.05, delta=0.01)
        self.assertEqual(made.features[TUNNELS["vxlan"]]["in this configuration"], "20 % of packets")
        self.assertGreater(made.figure(FRAGMENT), 0)
        self.assertNotIn("fragments went on without", made.notes)

    def test_shares_that_cannot_be(self):
        config = ROOT / "conf" / "demo.jsonc"
        rows = [
            ("vxlan", "has no share"), ("geneve=1", "there are vlan, qinq, mpls, vxlan, gre, gtp-u and fragments"),
            ("gre=101", "no percentage from 0 to 100"), ("gre=60,mpls=60", "120 % together"),
            ("fragments=100", "can be fragments at most"),
        ]
        for share, message in rows:
            with self.subTest(share):
                process = card("--config", config, "--flows", "64", "--share", share)
                self.assertEqual(process.returncode, USAGE)
                self.assertIn(message, process.stderr)

    def test_a_response(self):
        made = self.run_card(self.write_config(configuration(
            ["a"], [{"filter": "tcp port 23", "reset": True, "forward": ["a"]}], response={"enabled": True})))
        self.check_shape(made)
        self.assertIn("connections can be cut: numbers of each flow", made.used())
        self.assertIn("connections can be cut: the way to its ends", made.used())

    def test_tools_with_a_limit_and_one_that_stands_in(self):
        config = configuration(["a", "b"], [{"filter": "tcp", "forward": ["g"], "priority": 12}],
                               groups={"g": {"members": ["a"], "mode": "balance", "standby": ["b"]}})
        config["ports"]["a"]["rate"] = "1Mbps"
        made = self.run_card(self.write_config(config), "--hits", "100")
        self.check_shape(made)
        limit = "a tool's rate and queue: whole flows, by priority"
        self.assertIn(limit, made.used())
        self.assertGreater(made.figure(limit, "events"), 0.9)
        self.assertIsNotNone(made.figure(DOWN, "alone"))
        self.assertIsNone(made.figure(DOWN))
        self.assertNotIn("had no room for", made.notes)

    def test_flows_for_a_rule_with_a_sample_are_made(self):
        made = self.run_card(self.write_config(configuration(
            ["a"], [{"filter": "tcp port 80", "sample": 4, "forward": ["a"]}])), "--hits", "100")
        self.check_shape(made)
        self.assertRegex(made.features["header rules, asked once a flow"]["in this configuration"], "1 with a sample")
        self.assertNotIn("No traffic could be made", made.notes)
        selected = made.figure("a selected packet's first tool, ring, send", "events")
        self.assertTrue(0.1 < selected < 0.5, selected)

    def test_a_capture(self):
        frames = [tcp_frame(sport=40000 + number) for number in range(50)]
        capture = self.capture("in.pcap", frames)
        process = card("--config", ROOT / "conf" / "demo.jsonc", "--capture", capture, "--json", "-")
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        made = Card(process)
        self.check_shape(made)
        self.assertRegex(made.notes, "50 frames of 50 flows")
        for name in KINDS:
            self.assertIsNone(made.figure(name))

    def test_a_page(self):
        process = card("--config", ROOT / "conf" / "demo.jsonc", "--flows", "64", "--size", "64")
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        for name in FEATURES + KINDS + TOTALS:
            self.assertIn(f"| {name}", process.stdout)

    def test_what_is_wrong_with_a_configuration_is_said_as_by_check(self):
        rows = [
            ({"filter": "tcp prt 80", "forward": ["a"]}, {}, "/rules/0/filter"),
            ({"filter": "tcp", "payload": "/a(/", "forward": ["a"]}, {}, "/rules/0/payload"),
            ({"filter": "tcp", "forward": ["b"]}, {}, "/rules/0/forward"),
            ({"filter": "tcp", "forward": ["a"]}, {"hold_bytes": "unlimited"}, "/inspect/hold_bytes"),
        ]
        for rule, inspect, place in rows:
            with self.subTest(place):
                process = card("--config", self.write_config(configuration(["a"], [rule], inspect=inspect)))
                self.assertEqual(process.returncode, USAGE)
                self.assertIn(place, process.stderr)
        missing = card("--config", self.folder / "none.json")
        self.assertEqual(missing.returncode, USAGE)
        self.assertIn("No such file", missing.stderr)

    def test_options_that_contradict_each_other(self):
        config = ROOT / "conf" / "demo.jsonc"
        capture = self.capture("in.pcap", [tcp_frame()])
        for option, value in (("--size", "64"), ("--flows", "64"), ("--hits", "5"), ("--packets-per-flow", "5"),
                              ("--share", "vxlan=5")):
            with self.subTest(option):
                process = card("--config", config, "--capture", capture, option, value)
                self.assertEqual(process.returncode, USAGE)
                self.assertIn(option, process.stderr)


if __name__ == "__main__":
    unittest.main()
