# SPDX-License-Identifier: BSD-3-Clause
"""The command line itself: help, and wrong usage."""

import re
import unittest

import yagura_e2e
from packet_makers import tcp_frame
from yagura_e2e import OK, USAGE, configuration, run_yagura

COMMANDS = {
    "replay": ["--config", "--in", "--out", "--lcores", "--burst", "--stop-after", "--clock-stages", "--force"],
    "run": ["--config", "--duration", "--lcores"],
    "check": ["--config"],
    "explain": ["--config", "--in", "--flow", "--json", "--lcores"],
}


class HelpTest(yagura_e2e.TestCase):
    def test_help_names_every_command(self):
        process = run_yagura("--help")
        self.assertEqual(process.returncode, OK, process.stderr)
        for command in COMMANDS:
            self.assertRegex(process.stdout, rf"(?m)^ +{command}\b")

    def test_help_of_a_command_names_every_option(self):
        for command, options in COMMANDS.items():
            with self.subTest(command):
                process = run_yagura(command, "--help")
                self.assertEqual(process.returncode, OK, process.stderr)
                for option in options:
                    self.assertIn(option, process.stdout)

    def test_version(self):
        process = run_yagura("--version")
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertRegex(process.stdout, r"^yagura \d+\.\d+\.\d+\n$")


class WrongUsageTest(yagura_e2e.TestCase):
    def refused(self, *arguments):
        process = run_yagura(*arguments)
        self.assertEqual(process.returncode, USAGE, f"{arguments}: {process.stdout}{process.stderr}")
        return process.stdout + process.stderr

    def test_without_arguments(self):
        self.assertRegex(self.refused(), r"(?i)subcommand|--help")

    def test_an_unknown_command(self):
        self.assertIn("rewind", self.refused("rewind"))

    def test_an_unknown_option(self):
        for command in COMMANDS:
            with self.subTest(command):
                self.assertRegex(self.refused(command, "--frobnicate", "1"), "--frobnicate|--config")
        arguments = self.replay_arguments()
        self.assertIn("--frobnicate", self.refused(*arguments, "--frobnicate"))

    def replay_arguments(self):
        config = self.write_config(configuration(["a"], [{"forward": ["a"]}]))
        capture = self.capture("in.pcap", [tcp_frame()])
        self.out = self.folder / f"out{next(self.runs)}"
        return ["replay", "--config", config, "--in", capture, "--out", self.out]

    def test_a_missing_option_is_named(self):
        arguments = self.replay_arguments()
        for option in ("--config", "--in", "--out"):
            at = arguments.index(option)
            with self.subTest(option):
                self.assertIn(option, self.refused(*arguments[:at], *arguments[at + 2:]))
        self.assertIn("--config", self.refused("check"))
        self.assertIn("--config", self.refused("run"))

    def test_an_option_without_its_value(self):
        for option in ("--burst", "--lcores", "--stop-after"):
            with self.subTest(option):
                self.assertIn(option, self.refused(*self.replay_arguments(), option))

    def test_values_that_an_option_does_not_take(self):
        for option, value in [
            ("--burst", "0"), ("--burst", "65"), ("--burst", "-1"), ("--burst", "many"),
            ("--stop-after", "-1"), ("--stop-after", "1.5"), ("--stop-after", "ten"),
            ("--lcores", "rx=0;select=1"), ("--lcores", "rx=0;select=;tx=0"), ("--lcores", "rx=0;select=x;tx=0"),
            ("--lcores", "rx=0;pick=1;tx=0"), ("--lcores", "rx=0;select=1,1;tx=0"), ("--lcores", "rx=0;rx=1;tx=0"),
            ("--lcores", "rx=0;select=128;tx=0"), ("--lcores", "some"),
        ]:
            with self.subTest(f"{option} {value}"):
                self.assertIn(option, self.refused(*self.replay_arguments(), option, value))
                self.assertFalse(self.out.exists(), "something was written")

    def test_durations_that_are_none(self):
        config = self.write_config(configuration(["a"], [{"forward": ["a"]}]))
        for value in ("5", "0s", "-1s", "soon", "1e99h", "nan s", "40000d"):
            with self.subTest(value):
                self.assertIn("--duration", self.refused("run", "--config", config, "--duration", value))

    def test_a_missing_configuration_is_named(self):
        missing = self.folder / "missing.jsonc"
        for command in ("check", "run"):
            said = self.refused(command, "--config", missing)
            self.assertIn(str(missing), said)
            self.assertTrue(re.search("No such file", said), said)


if __name__ == "__main__":
    unittest.main()
