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
    "balancing over a group", "flow records", "flows told apart by more",
]
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
        return [name for name in FEATURES if self.features[name]["in this configuration"] != "not used"]

    def figure(self, name, column="adds"):
        figure = self.features[name]["figures"][column]
        return figure and figure["median"]


class CostCardTest(yagura_e2e.TestCase):
    def run_card(self, config, *options):
        process = card("--config", config, "--flows", "64", "--json", "-", *options)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        return Card(process)

    def check_shape(self, made):
        self.assertEqual(list(made.features), [*FEATURES, APART, *TOTALS])
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
            parts = [made.features[name]["figures"]["adds"]["repeats"][repeat] for name in made.used()]
            self.assertAlmostEqual(sum(parts), total, delta=1e-6 * abs(total))
        self.assertEqual([row["packets a flow"] for row in made.other["rows"]], ["2", "5", "20", "100", "1000"])

    def test_the_example(self):
        made = self.run_card(ROOT / "conf" / "example.jsonc")
        self.check_shape(made)
        self.assertEqual(set(FEATURES) - set(made.used()), {"flow records", "flows told apart by more"})
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

    def test_a_capture(self):
        frames = [tcp_frame(sport=40000 + number) for number in range(50)]
        capture = self.capture("in.pcap", frames)
        process = card("--config", ROOT / "conf" / "demo.jsonc", "--capture", capture, "--json", "-")
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        made = Card(process)
        self.check_shape(made)
        self.assertRegex(made.notes, "50 frames of 50 flows")

    def test_a_page(self):
        process = card("--config", ROOT / "conf" / "demo.jsonc", "--flows", "64", "--size", "64")
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        for name in FEATURES + TOTALS:
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
        for option, value in (("--size", "64"), ("--flows", "64"), ("--hits", "5"), ("--packets-per-flow", "5")):
            with self.subTest(option):
                process = card("--config", config, "--capture", capture, option, value)
                self.assertEqual(process.returncode, USAGE)
                self.assertIn(option, process.stderr)


if __name__ == "__main__":
    unittest.main()
