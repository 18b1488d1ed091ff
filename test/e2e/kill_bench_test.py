#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/kill-bench as a user runs it, with few connections. Never about speed.

Needs YAGURA_BUILD, a build folder with app/yagura.
"""
import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import yagura_e2e

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("YAGURA_BUILD", str(ROOT / "build"))
OK, USAGE = 0, 2

sys.path.insert(0, str(ROOT / "test/support"))
sys.path.insert(0, str(ROOT / "scripts"))
import netns  # noqa: E402
from killlib import report, trials  # noqa: E402
from killlib.killers import ImmediateTcpkill, Tcpkill, Yagura  # noqa: E402


class KillBench(yagura_e2e.TestCase):
    def bench(self, *words, status=OK):
        process = subprocess.run([ROOT / "scripts/kill-bench", "--quick", "--no-build", "--force", "--build", BUILD, "--out",
                                  self.folder / "out", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                 timeout=yagura_e2e.TIMEOUT_S, env={**os.environ, "TMPDIR": str(self.folder)})
        self.assertEqual(process.returncode, status, process.stdout + process.stderr)
        return process.stdout

    def test_few_of_each_kind(self):
        netns.require()
        said = self.bench("--limit", "11")
        names = sorted(path.name for path in (self.folder / "out").iterdir())
        self.assertEqual([Path(name).suffix for name in names], [".json", ".md"], said)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["out"], "something was left behind")
        document = json.loads((self.folder / "out" / names[0]).read_text())
        page = (self.folder / "out" / names[1]).read_text()
        self.assertIn("figures mean nothing", page)
        self.assertNotIn(str(ROOT) + "/", page)
        killers = [Yagura.name]
        if shutil.which("tcpkill"):
            killers += [Tcpkill.name, ImmediateTcpkill.name]
        else:
            self.assertIn("SKIPPED: tcpkill is not installed", said)
        self.assertEqual({(result["case"], result["killer"]) for result in document["results"]},
                         {(case.name, killer) for case in trials.CASES for killer in killers})
        for result in document["results"]:
            self.assertEqual((result["damaged"], result["wrong"]), ([], []))
            self.assertEqual(len(result["times"]), result["died"])
            if result["killer"] == Yagura.name:
                self.assertEqual(result["died"], result["connections"], result["survivors"])
                self.assertTrue(result["killer_says"]["balanced"])

    def test_wrong_usage(self):
        for words in (["--only", "nothing"], ["--rounds", "0"], ["--layout", "none"]):
            with self.subTest(words):
                self.bench(*words, status=USAGE)


class Report(unittest.TestCase):
    def results(self):
        mine = [trials.Result("talk", Yagura.name, number, 2, 2, times=[100, 300], innocents=3) for number in (1, 2)]
        theirs = [trials.Result("talk", Tcpkill.name, 1, 2, 1, times=[40_000], listening=[39_000],
                                survivors=["tcp x: client None"], innocents=3, damaged=["lost"]),
                  trials.Result("talk", Tcpkill.name, 2, 2, 0, innocents=3)]
        return mine + theirs

    def test_percentile(self):
        self.assertEqual([report.percentile(range(1, 101), share) for share in (1, 50, 99, 100)], [1, 50, 99, 100])
        self.assertEqual(report.percentile([5], 99), 5)

    def test_times(self):
        self.assertEqual([report.time_of(micros) for micros in (0.5, 12.34, 999, 1234.5, 400_000, 2_500_000)],
                         ["0.50 µs", "12.3 µs", "999 µs", "1.23 ms", "400 ms", "2.50 s"])

    def test_what_died_and_what_did_not(self):
        lines = report.table(self.results())[2:]
        self.assertEqual(lines, [
            "| request and response, every 5 ms | yagura | 4 of 4 (all) | 200 µs | 300 µs | - | - | 6 whole |",
            "| request and response, every 5 ms | tcpkill | **1 of 4 (0.25)** | 40.0 ms | 40.0 ms | 39.0 ms | 39.0 ms "
            "| **1 damaged** |"])

    def test_ratios_are_of_rounds_in_which_both_killed_some(self):
        case, = (case for case in trials.CASES if case.name == "talk")
        self.assertEqual(report.ratios(self.results(), case, Tcpkill), [195])
        self.assertEqual(report.ratios(self.results(), case, ImmediateTcpkill), [])

    def test_everything_that_went_wrong_is_told(self):
        text = "\n".join(report.failures(self.results()))
        self.assertIn("talk, tcpkill, round 1: 1 did not die within the limit. For instance: tcp x: client None", text)
        self.assertIn("talk, tcpkill, round 2: 2 did not die", text)
        self.assertIn("an innocent one was damaged: lost", text)
        self.assertEqual(report.failures(self.results()[:2]), ["None."])


if __name__ == "__main__":
    unittest.main()
