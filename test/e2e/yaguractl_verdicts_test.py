#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""yaguractl flows reset/block/shunt/release, blocks and response: what they ask for, print, and end with. A socket of the test answers."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from fake_control import Error, FakeControl, HangUp, results

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
FLOW = "tcp 10.0.0.1:4000 > 10.0.0.2:80"
OTHER = "tcp [2001:db8::1]:4000 > [2001:db8::2]:80"
STATUS = {"enabled": True, "active": True, "why_not": None, "dry_run": False, "waiting": 3, "outcomes": {"verified": 1234, "not_found": 0},
          "verdicts": {"control": 5, "rules": 0}, "frames": {"made": 40, "sent": 39, "shed": 1}, "own_frames": 7, "blocks": 2,
          "tools": {"ids0": {"received": 9, "verdicts": 2, "ignored": {"garbage": 6, "not_given": 1}}}}


class VerdictsTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="yagura-verdicts-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def serve(self, **handlers):
        control = FakeControl(self.folder / "control.sock", **handlers)
        self.addCleanup(control.close)
        return control

    def ctl(self, *arguments, lines=None):
        return subprocess.run([os.environ["YAGURACTL"], "--socket", self.folder / "control.sock", *arguments], capture_output=True, text=True,
                              timeout=60, input=lines or "")

    def ctl_well(self, *arguments, **options):
        process = self.ctl(*arguments, **options)
        self.assertEqual((process.returncode, process.stderr), (OK, ""), process.stdout)
        return process.stdout


class Flows(VerdictsTest):
    def test_each_command_asks_for_what_it_says(self):
        control = self.serve(**{f"flows__{name}": results("verified") for name in ("reset", "block", "shunt", "release")})
        for words, method, params in [
                (["reset", FLOW], "flows.reset", {"flows": [FLOW]}),
                (["reset", FLOW, OTHER, "--reason", "a b", "--key", "k", "--dry-run"], "flows.reset",
                 {"flows": [FLOW, OTHER], "reason": "a b", "key": "k", "dry_run": True}),
                (["block", "--ttl", "10m", FLOW, "--reason", "x"], "flows.block", {"flows": [FLOW], "ttl": "10m", "reason": "x"}),
                (["shunt", FLOW, "--tool", "ids0"], "flows.shunt", {"flows": [FLOW], "tool": "ids0"}),
                (["release", FLOW], "flows.release", {"flows": [FLOW]}),
                (["release", FLOW, "--tool", "ids0", "--key", "k"], "flows.release", {"flows": [FLOW], "tool": "ids0", "key": "k"})]:
            with self.subTest(words=words):
                control.calls.clear()
                self.ctl_well("flows", *words)
                self.assertEqual(control.calls, [(method, params)])

    def test_what_a_person_sees(self):
        self.serve(flows__reset=results("verified", seen="both_reset", frames=1234, first_reset_us=35, death_us=212))
        self.assertEqual(self.ctl_well("flows", "reset", FLOW).splitlines(),
                         ["flow                             outcome   seen        frames  RST us  dead us",
                          f"{FLOW}  verified  both_reset   1,234      35      212", "1 verified"])

    def test_json_is_what_yagura_says(self):
        self.serve(flows__reset=results("verified", {OTHER: "no_path"}, frames=4))
        process = self.ctl("--json", "flows", "reset", FLOW, OTHER)
        self.assertEqual(json.loads(process.stdout), {"results": [{"flow": FLOW, "outcome": "verified", "frames": 4},
                                                                  {"flow": OTHER, "outcome": "no_path", "frames": 4}]})
        self.assertEqual((process.returncode, process.stderr), (REFUSED, "yaguractl: 1 of 2 was not done\n"))

    def test_the_exit_status_says_whether_all_was_done(self):
        for outcome in ("verified", "dry_run", "blocked", "shunted", "released"):
            with self.subTest(outcome=outcome):
                control = FakeControl(self.folder / "control.sock", flows__reset=results("verified", {OTHER: outcome}))
                self.ctl_well("flows", "reset", FLOW, OTHER)
                control.close()
        for outcome in ("unverified", "too_late", "no_path", "not_found", "not_tcp", "rate_limited", "refused"):
            with self.subTest(outcome=outcome):
                control = FakeControl(self.folder / "control.sock", flows__reset=results("verified", {OTHER: outcome}))
                process = self.ctl("flows", "reset", FLOW, OTHER)
                self.assertEqual((process.returncode, process.stderr), (REFUSED, "yaguractl: 1 of 2 was not done\n"))
                self.assertEqual(process.stdout.splitlines()[-1], ", ".join(sorted(["1 verified", f"1 {outcome}"], key=lambda text: text[2:])))
                control.close()

    def test_flows_from_standard_input_go_in_batches(self):
        control = self.serve(flows__reset=results("verified"))
        flows = [f"tcp 10.0.0.1:{port} > 10.0.0.2:80" for port in range(1, 2502)]
        output = self.ctl_well("flows", "reset", "-", "--key", "job 7", lines="# all of them\n\n" + "\n".join(flows) + "\n")
        self.assertEqual([(method, len(params["flows"]), params["key"]) for method, params in control.calls],
                         [("flows.reset", 1000, "job 7"), ("flows.reset", 1000, "job 7/2"), ("flows.reset", 501, "job 7/3")])
        self.assertEqual(control.items("flows.reset"), flows)
        self.assertEqual(len(output.splitlines()), 1 + 2501 + 1)
        self.assertEqual(output.splitlines()[-1], "2,501 verified")
        self.assertEqual(self.ctl_well("flows", "reset", "-"), "there was nothing to do\n")

    def test_a_batch_that_is_refused_ends_it(self):
        control = self.serve()
        control.handlers["flows.reset"] = lambda params: results("verified")(params) if len(control.calls) == 1 else self.refuse()
        process = self.ctl("flows", "reset", "-", lines="".join(f"f{number}\n" for number in range(1500)))
        self.assertEqual(process.returncode, REFUSED)
        self.assertIn("1,000 items were done before as printed, the others not: response is not enabled", process.stderr)

    @staticmethod
    def refuse():
        raise Error(-32005, "response is not enabled: /response/enabled")

    def test_errors_name_the_flow(self):
        def wrong(_):
            raise Error(-32602, "two ends with one \">\" between them are needed", field="params/flows/1")
        control = self.serve(flows__reset=wrong)
        process = self.ctl("flows", "reset", FLOW, "tcp\x1b[2J")
        self.assertEqual((process.returncode, process.stderr),
                         (REFUSED, "yaguractl: two ends with one \">\" between them are needed (\"tcp?[2J\")\n"))
        # Which is said once.
        control.handlers["flows.reset"] = lambda _: (_ for _ in ()).throw(Error(-32602, "'b': wrong", field="params/flows/1"))
        self.assertEqual(self.ctl("flows", "reset", "a", "b").stderr, "yaguractl: 'b': wrong\n")
        for field in ("params/flows/2", "params/flows/x", "params/flows/", "params/key"):
            control.handlers["flows.reset"] = lambda _, field=field: (_ for _ in ()).throw(Error(-32602, "wrong", field=field))
            self.assertEqual(self.ctl("flows", "reset", "a", "b").stderr, "yaguractl: wrong\n")

    def test_an_answer_that_was_given_before_says_so(self):
        self.serve(flows__reset=lambda params: {**results("verified")(params), "repeated": True})
        self.assertIn("nothing was done now", self.ctl_well("flows", "reset", FLOW, "--key", "k"))

    def test_wrong_usage(self):
        for words in (["reset"], ["block"], ["shunt", FLOW], ["reset", FLOW, "--ttl", "1m"], ["shunt", FLOW, "--tool", "t", "--dry-run"]):
            with self.subTest(words=words):
                self.assertEqual(self.ctl("flows", *words).returncode, USAGE)
        self.assertEqual(self.ctl("flows", "reset", FLOW).returncode, UNREACHABLE)

    def test_a_connection_that_ends(self):
        def hang_up(_):
            raise HangUp
        self.serve(flows__reset=hang_up)
        process = self.ctl("flows", "reset", FLOW)
        self.assertEqual((process.returncode, "ended the connection" in process.stderr), (UNREACHABLE, True), process.stderr)


class Blocks(VerdictsTest):
    def test_added_and_removed(self):
        control = self.serve(blocks__add=lambda params: {**results("added", {"x": "invalid"})(params), "blocks": 1234},
                             blocks__remove=lambda params: {**results("removed")(params), "blocks": 7})
        output = self.ctl_well("blocks", "add", "192.0.2.1", "10.0.0.0/8", "--ttl", "1d", "--reason", "scanner", "--key", "k")
        self.assertEqual(output.splitlines()[-2:], ["2 added", "1,234 are blocked now"])
        self.assertEqual(control.calls, [("blocks.add", {"ttl": "1d", "reason": "scanner", "key": "k", "targets": ["192.0.2.1", "10.0.0.0/8"]})])
        self.assertIn("7 are blocked now", self.ctl_well("blocks", "remove", "-", lines="192.0.2.1\n"))
        self.assertEqual(control.calls[1:], [("blocks.remove", {"targets": ["192.0.2.1"]})])
        process = self.ctl("blocks", "add", "x", "192.0.2.2")
        self.assertEqual((process.returncode, process.stderr), (REFUSED, "yaguractl: 1 of 2 was not done\n"))
        self.assertRegex(process.stdout, r"(?m)^x +invalid$")

    def test_what_is_blocked_but_not_cut_is_told(self):
        self.serve(blocks__add=lambda params: {**results("added")(params), "blocks": 1, "in_effect": False, "why_not": "an incident"})
        self.assertEqual(self.ctl_well("blocks", "add", "192.0.2.1").splitlines()[-2:], ["1 are blocked now", "but nothing is cut: an incident"])

    def test_why_something_is_blocked(self):
        block = {"target": "10.0.0.0/8", "since": "2026-11-28T19:00:00.000Z", "until": None, "reason": "scanner"}
        control = self.serve(blocks__list=lambda _: {"blocks": [block], "next": None, "total": 7})
        output = self.ctl_well("blocks", "covering", "10.1.2.3").splitlines()
        self.assertRegex(output[1], r"^10\.0\.0\.0/8 +2026-11-28T19:00:00\.000Z +for good +scanner$")
        self.assertEqual([params["covering"] for _, params in control.calls], ["10.1.2.3"])
        self.assertEqual(self.ctl("blocks", "covering").returncode, USAGE)

    def test_what_is_done_about_a_flow_is_explained(self):
        explained = {"flow": FLOW, "idle_ms": 5, "lcore": 0, "config_version": None, "shunted_tools": ["ids0"],
                     "blocked_by": [{"target": "10.0.0.0/8", "since": "2026-11-28T19:00:00.000Z", "until": None, "reason": "scanner"}],
                     "cut": {"state": "going_on", "cause": "rule", "rule": 7}}
        control = self.serve(flows__explain=lambda _: {"flows": [explained]},
                             flows__list=lambda _: {"flows": [{"flow": FLOW, "lcore": 0, "decided": True, "tools": ["ids0", "rec0"],
                                                               "shunted_tools": ["ids0"]}], "next": None})
        output = self.ctl_well("flows", "explain", FLOW)
        for line in ("blocked by: 10.0.0.0/8 for good: scanner", "shunted from: ids0", "cut: goes on, wanted by rule 7"):
            self.assertIn(f"  {line}\n", output)
        self.assertIn("ids0 (shunted), rec0", self.ctl_well("flows", "--shunted", "ids0"))
        self.assertEqual(control.calls[-1], ("flows.list", {"shunted": "ids0", "limit": 100}))

    def test_the_list_comes_whole(self):
        blocks = [{"target": f"192.0.2.{number}", "since": "2026-11-28T19:00:00.000Z", "until": "2026-11-28T20:00:00.000Z" if number else None,
                   "reason": "a, \"b\""} for number in range(5)]

        def page(params):
            begin = params.get("cursor", 0)
            return {"blocks": blocks[begin:begin + 2], "next": begin + 2 if begin + 2 < len(blocks) else None, "total": 5}
        control = self.serve(blocks__list=page)
        output = self.ctl_well("blocks", "list", "--within", "192.0.2.0/24", "--reason", "a").splitlines()
        self.assertEqual(len(output), 6)
        self.assertRegex(output[0], "^target +since +until +reason$")
        self.assertRegex(output[1], r'^192\.0\.2\.0 +2026-11-28T19:00:00\.000Z +for good +a, "b"$')
        self.assertEqual([params for _, params in control.calls],
                         [{"limit": 1000, "within": "192.0.2.0/24", "reason": "a", **({"cursor": cursor} if cursor else {})} for cursor in (0, 2, 4)])
        self.assertEqual(json.loads(self.ctl_well("blocks", "--json")), blocks)
        blocks.clear()
        self.assertEqual(json.loads(self.ctl_well("blocks", "list", "--json")), [])
        self.assertEqual(self.ctl_well("blocks").split(), ["target", "since", "until", "reason"])


class Response(VerdictsTest):
    def test_status(self):
        status = dict(STATUS)
        control = self.serve(response__status=lambda _: status, response__disable=lambda _: status, response__enable=lambda _: status)
        output = self.ctl_well("response", "status")
        for line in (r"response +active", r"being cut +3", r"verdicts by +control 5", r"outcomes +verified 1,234",
                     r"frames +made 40, sent 39, shed 1; 7 of our own came back", r"blocked +2", r"ids0 +9 +2 +garbage 6, not_given 1"):
            self.assertRegex(output, rf"(?m)^{line}$")
        self.assertEqual(self.ctl_well("response"), output)
        self.assertEqual(json.loads(self.ctl_well("response", "--json")), STATUS)
        for change, words in (({"active": False, "why_not": "disabled by uid 0: test"}, "stopped: disabled by uid 0: test"),
                              ({"enabled": False, "active": False}, "off: the configuration does not enable it"), ({"dry_run": True}, "dry run"),
                              ({"dry_run": True, "active": False, "why_not": "/response/dry_run of the configuration is true"}, "dry run"),
                              ({"dry_run": True, "active": False, "why_not": "stop file /run/x"}, "stopped: stop file /run/x")):
            status.clear()
            status.update({**STATUS, **change})
            self.assertIn(words, self.ctl_well("response", "status"))
        control.calls.clear()
        self.ctl_well("response", "disable", "--reason", "an incident")
        self.ctl_well("response", "disable")
        self.ctl_well("response", "enable")
        self.assertEqual(control.calls, [("response.disable", {"reason": "an incident"}), ("response.disable", {}), ("response.enable", {})])

    def test_watch_prints_a_line_for_each_outcome(self):
        control = self.serve(response__subscribe=lambda _: {"subscribed": True})
        events = [{"missed": 0, "flow": FLOW, "outcome": "verified", "seen": "both_reset", "frames": 4, "first_reset_us": 35, "death_us": 212,
                   "cause": "control"},
                  {"missed": 5, "flow": OTHER, "outcome": "no_path", "cause": "rule", "rule": 7},
                  {"missed": 0, "flow": "tcp\x1b[2J", "outcome": "refused", "cause": "tool", "tool": "ids0"}]
        lines = [rf"Z verified {FLOW}: both_reset, 4 frames, RST after 35 us, dead after 212 us \(by control\)$", "^5 outcomes were missed",
                 rf"Z no_path {OTHER.replace('[', '.').replace(']', '.')} \(by rule 7\)$", r"Z refused tcp\?\[2J \(by tool ids0\)$"]
        for options in ([], ["--json"]):
            answered = control.answered
            with subprocess.Popen([os.environ["YAGURACTL"], "--socket", self.folder / "control.sock", "response", "watch", *options],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                control.wait_for(lambda _, count=answered: control.answered > count)
                control.notify("other", {"flow": "x"})
                for event in events:
                    control.notify("response", event)
                if options:
                    self.assertEqual([json.loads(process.stdout.readline()) for _ in events], events)
                else:
                    for line in lines:
                        self.assertRegex(process.stdout.readline(), line)
                process.terminate()
                process.communicate(timeout=60)

    def test_watch_ends_with_yagura(self):
        def hang_up(_):
            raise HangUp
        control = self.serve(response__subscribe=hang_up)
        process = self.ctl("response", "watch")
        self.assertEqual((process.returncode, "ended the connection" in process.stderr), (UNREACHABLE, True), process.stderr)
        control.handlers.clear()
        process = self.ctl("response", "watch")
        self.assertEqual((process.returncode, "no method" in process.stderr), (REFUSED, True), process.stderr)


if __name__ == "__main__":
    unittest.main()
