#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/soak, for a short time: that everything it does is done, and that it finds what is wrong."""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

import yagura_e2e

ROOT = Path(__file__).resolve().parents[2]
PASSED, FAILED, USAGE = 0, 1, 2
SECONDS = 20

sys.path.insert(0, str(ROOT / "scripts"))
from soaklib import command, samples  # noqa: E402


def soak(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "scripts/soak"), *map(str, arguments)], capture_output=True, text=True,
                          timeout=yagura_e2e.TIMEOUT_S, stdin=subprocess.DEVNULL)


class Soak(yagura_e2e.TestCase):
    def test_a_short_one(self):
        process = soak(SECONDS / 60, "--json", "--build", os.environ["YAGURA_BUILD"], "--folder", self.folder / "soak")
        self.assertEqual(process.returncode, PASSED, process.stdout + process.stderr)
        result = json.loads(process.stdout)
        self.assertEqual(result["faults"], [])
        for name, rounds in result["rounds"].items():
            self.assertGreater(rounds, 0, name)
        self.assertGreater(result["packets"]["received"], 0)
        self.assertGreater(result["packets"]["shed_by_limited_tools"], 0)
        self.assertEqual((result["packets"]["lost_by_ports"], result["packets"]["lost_by_tools"]), (0, 0))
        self.assertGreater(result["config_version"], 1)
        self.assertEqual(result["descriptors"]["more_after"], 0)
        self.assertTrue(result["audit_sound"])
        self.assertTrue(result["ledger"].startswith("balanced"))
        self.assertGreaterEqual(result["health_ms"]["max"], result["health_ms"]["median"])
        # What it prints for people is made of the same.
        text = command.table(result)
        self.assertEqual(text.splitlines()[-1], "passed")
        result["faults"] = ["something"]
        self.assertIn("FAULT: something\nFAILED: 1 fault", command.table(result))
        # And a record that was changed is found afterwards, too: the files are kept.
        self.assertTrue((self.folder / "soak/audit.jsonl").exists())

    def test_wrong_usage(self):
        for arguments, words in ((("0",), "above 0"), (("x",), "invalid float"), (("1", "--build", self.folder), "there is no"),
                                 (("1", "--folder", self.folder), "exists")):
            with self.subTest(arguments=arguments):
                process = soak(*arguments)
                self.assertEqual(process.returncode, USAGE, process.stderr)
                self.assertIn(words, process.stderr)


class Samples(unittest.TestCase):
    def test_growth_is_from_the_second_fifth_to_the_last(self):
        sampler = samples.Sampler(None)
        for value in [100, 100, 1000, 1010, 1200, 1200, 1300, 1300, 1410, 1400]:
            sampler.samples.append({"rss_kib": value})
        self.assertEqual(sampler.growth_kib(), 400)
        sampler.samples = sampler.samples[:4]
        self.assertIsNone(sampler.growth_kib())

    def test_lost_is_what_nobody_meant(self):
        count = {"packets": 3, "bytes": 300}
        stats = {"ports": {"in0": {"missed": 2, "dropped": {"no_rule": count, "select_ring_full": count}}, "in1": {"dropped": {}}},
                 "tools": {"ids0": {"shed": {"ring_full": count}}, "slow": {"shed": {"rate": count}}}}
        self.assertEqual(samples.lost(stats), (5, 3))

    def test_spread(self):
        self.assertEqual(command.spread(range(1, 101)), {"median": 50.5, "p99": 99, "max": 100})
        self.assertIsNone(command.spread([]))


if __name__ == "__main__":
    unittest.main()
