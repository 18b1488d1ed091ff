#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""yaguractl as a person and a script use it, against a live yagura."""

import fcntl
import json
import os
import pty
import re
import select
import socket
import statistics
import struct
import subprocess
import termios
import time
import unittest
from pathlib import Path

import control_test
import yagura_e2e
from yagura_e2e import OK, USAGE

ROOT = Path(__file__).resolve().parents[2]
REFUSED, UNREACHABLE = 1, 3


def ctl(*arguments, **options):
    environment = {**os.environ, "YAGURA_SOCKET": ""}
    del environment["YAGURA_SOCKET"]
    return subprocess.run([os.environ["YAGURACTL"], *map(str, arguments)], capture_output=True, text=True,
                          **{"env": environment, "timeout": 60, "stdin": subprocess.DEVNULL, **options})


class YaguractlTest(control_test.ControlTest):
    def ctl(self, *arguments, **options):
        return ctl("--socket", self.folder / "control.sock", *arguments, **options)

    def ctl_well(self, *arguments, **options):
        process = self.ctl(*arguments, **options)
        self.assertEqual((process.returncode, process.stderr), (OK, ""), process.stdout)
        return process.stdout


class Audit(YaguractlTest):
    def test_what_was_done_is_in_the_audit_log(self):
        self.start()
        audit = self.configuration()["audit"]
        log, key, head = Path(audit["file"]), Path(audit["key"] + ".first"), Path(audit["head"]["file"])
        self.ctl_well("rules", "load", self.config_path)
        self.assertEqual(self.ctl("call", "no.such").returncode, REFUSED)
        client = self.connect()
        page = client.result("audit.tail", count=3)
        self.assertEqual(len(page["records"]), 3)
        older = client.result("audit.tail", count=100, before=page["before"])
        records = older["records"][::-1] + page["records"][::-1]
        self.assertIsNone(older["before"])
        self.assertEqual([record["seq"] for record in records], list(range(1, len(records) + 1)))
        done = [(record["action"], record["allowed"], record["outcome"]) for record in records]
        self.assertEqual(done[0][0], "audit.start")
        self.assertIn(("rules.load", True, "ok"), done)
        self.assertTrue(any(action == "no.such" and not allowed for action, allowed, _ in done), done)
        self.assertEqual({record["uid"] for record in records}, {os.getuid()})
        health = client.result("system.health")["audit"]
        self.assertEqual((health["lost"], health["heads_failed"], health["first_key_here"]), (0, 0, True))
        self.end_well()
        sound = ctl("audit", "verify", "--key", key, "--head", head, log)
        self.assertEqual(sound.returncode, OK, sound.stdout + sound.stderr)
        lines = log.read_bytes()
        at = lines.index(b'"rules.load"') + 3
        log.write_bytes(lines[:at] + bytes([lines[at] ^ 1]) + lines[at + 1:])
        broken = ctl("audit", "verify", "--key", key, "--head", head, log)
        self.assertEqual(broken.returncode, 1, broken.stdout + broken.stderr)
        self.assertIn("audit.jsonl:", broken.stdout + broken.stderr)

    def test_without_a_log_or_with_none_that_can_be_written(self):
        self.start(self.configuration(audit={"enabled": False}))
        self.assertIn("no audit log", self.connect().error("audit.tail")["message"])
        self.assertIsNone(self.connect().result("system.health")["audit"])
        self.end_well()
        config = self.write_config(self.configuration(audit={"file": "/proc/no/audit.jsonl"}), "wrong.json")
        process = yagura_e2e.run_yagura("run", "--config", config, *control_test.ONE_LCORE)
        self.assertEqual(process.returncode, USAGE, process.stderr)
        self.assertIn('"audit": {"enabled": false}', process.stderr)


class Commands(YaguractlTest):
    def test_what_a_person_sees(self):
        rules = [{"id": 1, "name": "web", "filter": "tcp port 80", "payload": ["x", "y"], "forward": ["g", "t0"]},
                 {"id": 2, "filter": "udp", "drop": True, "scope": "packet"},
                 {"id": 3, "filter": "udp port 53", "reset": True, "block": {"ttl": "10m", "what": "source"}}]
        self.start(self.configuration(rules, response={"enabled": True, "dry_run": True}))
        for command, words in {
            ("info",): ["process " + str(self.process.pid), "version 1, 3 rules", "1 network, 2 tool", "uid " + str(os.getuid())],
            ("health",): ["ok: up "],
            ("stats",): ["network port", "received", "in ", "t0 ", "t1 ", "lost 0"],
            ("ports",): ["network  loop:flows=100,size=128", "tool "],
            ("tools",): ["t0 ", "g (balance)"],
            ("flows",): ["tcp ", ":80", "established", "t0"],
            ("rules",): ["forward to g t0", "tcp port 80, 2 patterns", "drop", "reset; block its source for 10m"],
            ("methods",): ["rules.load ", "operator ", "[config]"],
            ("config",): ['"filter": "tcp port 80"'],
        }.items():
            output = self.ctl_well(*command)
            for word in words:
                with self.subTest(command=command, word=word):
                    self.assertIn(word, output)
        self.end_well()

    def test_a_flow_is_explained(self):
        self.start(self.configuration([{"id": 7, "filter": "tcp", "forward": ["t1"]}]))
        client = self.connect()
        self.wait_for(lambda: client.result("flows.list")["flows"], "flows")
        name = client.result("flows.list")["flows"][0]["flow"]
        output = self.ctl_well("flows", "explain", name)
        for words in (name, "rules of version: 1", "rules in effect: 7", "decided", "goes to: t1 (rule 7 by t1)", "was offered to: t1"):
            self.assertIn(words, output)
        self.assertEqual(json.loads(self.ctl_well("--json", "flows", "explain", name))["flows"][0]["rules"], [7])
        self.assertIn(name, self.ctl_well("flows", "--limit", "100"))
        self.assertIn("two ends", self.ctl("flows", "explain", "x").stderr)
        self.assertEqual(self.ctl("flows", "explain", "tcp 203.0.113.9:1 > 203.0.113.10:2").returncode, REFUSED)
        self.end_well()

    def test_json_is_what_yagura_says(self):
        self.start()
        client = self.connect()
        self.assertEqual(json.loads(self.ctl_well("--json", "methods")), client.result("rpc.methods")["methods"])
        self.assertEqual(json.loads(self.ctl_well("info", "--json"))["pid"], self.process.pid)
        self.assertEqual(set(json.loads(self.ctl_well("--json", "stats"))), set(client.result("stats.get")))
        self.assertEqual([port["name"] for port in json.loads(self.ctl_well("--json", "ports"))], ["in", "t0", "t1"])
        self.assertEqual([tool["name"] for tool in json.loads(self.ctl_well("--json", "tools"))], ["t0", "t1"])
        self.assertEqual([rule["id"] for rule in json.loads(self.ctl_well("rules", "--json"))], [1])
        self.assertEqual(json.loads(self.ctl_well("config", "--json"))["config"], client.result("config.get")["config"])
        self.assertEqual(json.loads(self.ctl_well("call", "ports.list", '{"limit": 1}'))["next"], 1)
        self.end_well()

    def test_lists_come_whole(self):
        self.start(self.configuration([{"id": number, "filter": f"tcp port {number}", "forward": ["g"]} for number in range(1, 2501)]))
        self.assertEqual([rule["id"] for rule in json.loads(self.ctl_well("--json", "rules"))], list(range(1, 2501)))
        self.assertEqual(len(self.ctl_well("rules").splitlines()), 2501)
        self.assertEqual(json.loads(self.ctl_well("config"))["rules"][2499]["id"], 2500)

    def test_rules_are_checked_and_loaded(self):
        self.start()
        new = self.write_config(self.configuration([{"id": 5, "filter": "tcp", "forward": ["t1"]}]), "new.json")
        self.assertIn("can be loaded: 1 rules", self.ctl_well("rules", "check", new))
        self.assertIn("version 2 is in effect instead of 1", self.ctl_well("rules", "load", new))
        self.assertEqual(json.loads(self.ctl_well("rules", "--json"))[0]["id"], 5)
        # Without a file it is yagura's own.
        self.assertEqual(json.loads(self.ctl_well("rules", "load", "--json"))["new_version"], 3)
        self.assertEqual(json.loads(self.ctl_well("rules", "--json"))[0]["id"], 1)
        with new.open() as file:
            self.assertEqual(json.loads(self.ctl_well("rules", "load", "-", "--json", stdin=file))["new_version"], 4)
        table = self.ctl_well("rules", "versions")
        self.assertRegex(table, r"4 +\S+Z +1 +rules.load +uid \d+, .*yaguractl\]? \(\d+\) +in effect")
        self.assertRegex(table, r"1 +\S+Z +1 +start")
        self.assertIn("version 5 is in effect instead of 4", self.ctl_well("rules", "rollback", "1"))
        self.assertIn("rules.rollback to 1", self.ctl_well("rules", "versions"))
        self.assertIn("not kept", self.ctl("rules", "rollback", "77").stderr)
        self.ctl_well("rules", "rollback", "2")
        self.assertIn("version 6 is saved", self.ctl_well("config", "save"))
        self.assertEqual(json.loads(self.config_path.read_text())["rules"][0]["id"], 5)
        self.end_well()

    def test_ports_are_added_and_removed(self):
        self.start()
        for name in ("east", "west"):
            said = self.ctl_well("ports", "add", name, "--role", "network", "--device", "loop:flows=10,count=1000", "--link", "up")
            self.assertIn(f"port {name} is open", said)
        self.ctl_well("ports", "add", "t2", "--role", "tool", "--device", "loop:", "--rate", "1Gbps")
        self.assertIn("up (with west)", self.ctl_well("ports"))
        self.wait_for(lambda: "1,000" in self.ctl_well("stats"), "its packets")
        self.assertIn("link up", self.ctl_well("stats"))
        self.assertIn("1,000 packets were received", self.ctl_well("ports", "remove", "east"))
        self.assertIn("(removed)", self.ctl_well("stats"))
        self.assertEqual(json.loads(self.ctl_well("--json", "ports", "remove", "t2"))["port"], "t2")
        wrong = self.ctl("ports", "remove", "t0")
        self.assertEqual(wrong.returncode, REFUSED)
        self.assertIn("groups g", wrong.stderr)
        self.assertEqual(self.ctl("ports", "add", "x").returncode, USAGE)
        self.end_well(may_lose=True)

    def test_errors_have_their_places(self):
        self.start()
        wrong = self.write_config(self.configuration([{"id": 1, "filter": "x y", "forward": ["g"]}, {"id": 2}]), "wrong.json")
        for command in ("check", "load"):
            process = self.ctl("rules", command, wrong)
            self.assertEqual(process.returncode, REFUSED)
            for word in ("the configuration has 2 errors", "\n  /rules/0/filter: ", "\n  /rules/1: "):
                self.assertIn(word, process.stderr)
        process = self.ctl("call", "ports.list", '{"limit": 0}')
        self.assertEqual(process.returncode, REFUSED)
        self.assertEqual(json.loads(process.stdout)["data"]["field"], "params/limit")
        self.assertIn("from 1 to 1000", process.stderr)

    def test_shutdown(self):
        self.start()
        self.assertIn("ending", self.ctl_well("shutdown"))
        stdout, _ = self.process.communicate(timeout=60)
        self.assertIn("ledger: balanced", stdout)


class Screen:
    """`yaguractl top` in a terminal of its own; what it shows is kept as a terminal would."""

    def __init__(self, test, *options, rows=50, columns=100, **environment):
        self.leader, self.follower = pty.openpty()
        self.resize(rows, columns)
        self.output = b""
        environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "", **environment}
        self.process = subprocess.Popen([os.environ["YAGURACTL"], "--socket", test.folder / "control.sock", "top", "--interval", "100", *options],
                                        stdin=self.follower, stdout=self.follower, stderr=self.follower, start_new_session=True,
                                        env=environment, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        test.addCleanup(self.close)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.leader)
        os.close(self.follower)

    def resize(self, rows, columns):
        fcntl.ioctl(self.follower if not hasattr(self, "process") else self.leader, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.leader, keys)

    def pictures(self):
        """What was shown whole, each a list of lines; without the last, which may not be whole."""
        return [re.sub(r"\x1b\[\d*m", "", picture.split(b"\x1b[J")[0].decode()).replace("\x1b[K", "").replace("\r", "").split("\n")
                for picture in self.output.split(b"\x1b[H")[1:-1]]

    def wait_for(self, condition, what):
        """Reads until the last whole picture is as it should be; returns it."""
        end = time.monotonic() + 60
        while not (self.pictures() and condition(self.pictures()[-1])):
            if time.monotonic() > end:
                raise AssertionError(f"waited for {what}: {self.output[-3000:]!r}")
            if select.select([self.leader], [], [], 1)[0]:
                # Old pictures are not needed.
                self.output = (self.output + os.read(self.leader, 65536))[-200_000:]
        return self.pictures()[-1]

    def wait_for_line(self, begin, *words):
        shown = self.wait_for(lambda lines: any(line.startswith(begin) and all(word in line for word in words) for line in lines), (begin, words))
        return next(line for line in shown if line.startswith(begin))

    def end(self, keys):
        if keys:
            self.press(keys)
        while b"\x1b[?1049l" not in self.output:
            self.output += os.read(self.leader, 65536)
        return self.process.wait(60)


class Top(YaguractlTest):
    def test_on_no_terminal(self):
        self.start()
        output = self.ctl_well("top", "--interval", "300", "--count", "10")
        self.assertNotIn("\x1b", output)
        for word in ("network port", "tool ", "lcore ", "rule, by bits", "flow, by bits"):
            self.assertEqual(output.count(word), 10)
        self.assertRegex(output, r"\nin +[1-9][0-9.]* [kM]?")
        updates = [json.loads(line) for line in self.ctl_well("top", "--json", "--interval", "100", "--count", "2").splitlines()]
        self.assertLess(updates[0]["uptime_ms"], updates[1]["uptime_ms"])

    def test_what_a_terminal_shows(self):
        rules = [{"id": 7, "name": "web", "filter": "tcp", "forward": ["g"]}, {"id": 8, "filter": "udp", "drop": True}]
        self.start(self.configuration(rules))
        screen = Screen(self)
        self.assertRegex(screen.wait_for_line("in ", "█"), r"^in +[0-9.]+ [kMG] +[0-9.]+ [MG]  █")
        for begin, words in (("7 web", ["100 flows", "to g"]), ("t0 ", []), ("0 ", ["%"]), (" ", ["tcp ", ":80", "t0"]), (" ", ["tcp ", ":80", "t1"])):
            screen.wait_for_line(begin, *words)
        self.assertTrue(screen.pictures()[-1][-1].startswith("q ends  [o overview]"))
        # Panels and orders.
        screen.press(b"r")
        shown = screen.wait_for(lambda lines: "[r rules]" in lines[-1], "the rules")
        self.assertFalse([line for line in shown if line.startswith("network port")])
        screen.press(b"f")
        screen.wait_for(lambda lines: sum(" tcp " in line for line in lines) > 40, "many flows")
        screen.press(b"b")
        screen.wait_for_line(" packets/s", "flow, by packets")
        screen.press(b"\t")
        screen.wait_for(lambda lines: "[o overview]" in lines[-1], "the overview again")
        # Colours: of titles. Without them the same.
        self.assertIn(b"\x1b[1mnetwork port", screen.output)
        self.assertEqual(screen.end(b"q"), OK)
        plain = Screen(self, NO_COLOR="1", LC_ALL="C")
        self.assertIn("#", plain.wait_for_line("in ", "#"))
        self.assertNotIn(b"\x1b[1m", plain.output)
        self.assertTrue(plain.output.isascii())
        dumb = ctl("--socket", self.folder / "control.sock", "top", "--count", "1", env={**os.environ, "TERM": "dumb"})
        self.assertNotIn("\x1b", dumb.stdout)

    def test_sizes_and_scrolling(self):
        self.start()
        screen = Screen(self, rows=12, columns=100)
        screen.wait_for_line("in ", "█")
        self.assertEqual(len(screen.pictures()[-1]), 12)
        for rows, columns in ((10, 40), (5, 20), (2, 10), (1, 5), (60, 200)):
            screen.resize(rows, columns)
            shown = screen.wait_for(lambda lines, r=rows: len(lines) == min(r, len(lines)) and (r > 20 or len(lines) == r), (rows, columns))
            screen.wait_for(lambda lines, c=columns: max(len(line) for line in lines) <= c, columns)
            self.assertLessEqual(len(shown), rows)
        screen.resize(8, 100)
        first = screen.wait_for(lambda lines: len(lines) == 8 and " of " in lines[-1], "a small screen")
        self.assertRegex(first[-1], r"^1-6 of \d\d ")
        screen.press(b"\x1b[B")
        screen.wait_for(lambda lines: lines[-1].startswith("2-7 of"), "a line further down")
        screen.press(b"\x1b[6~")
        screen.wait_for(lambda lines: lines[-1].startswith("7-12 of"), "a page further down")
        for _ in range(20):
            screen.press(b"\x1b[6~")
        screen.wait_for(lambda lines: (at := re.match(r"\d+-(\d+) of (\d+) ", lines[-1])) and at[1] == at[2], "the end")
        self.assertEqual(screen.end(b"\x04"), OK)

    def test_the_terminal_is_left_as_it_was(self):
        self.start()
        for end in (b"q", b"\x03"):
            screen = Screen(self)
            screen.wait_for_line("in ")
            self.assertEqual(screen.end(end), OK)
            self.assertNotEqual(termios.tcgetattr(screen.follower)[3] & termios.ICANON, 0)

    def test_it_outlives_the_yagura_that_it_shows(self):
        self.start()
        screen = Screen(self)
        screen.wait_for_line("in ", "█")
        self.end_well()
        shown = screen.wait_for(lambda lines: lines[0].startswith("gone for "), "the end")
        self.assertTrue([line for line in shown if line.startswith("in ")], "what was said last stays")
        self.start()
        screen.wait_for(lambda lines: lines[0].startswith("yagura, up"), "another yagura")
        self.assertEqual(screen.end(b"q"), OK)
        # Who reads it as text is told by the exit status.
        with subprocess.Popen([os.environ["YAGURACTL"], "--socket", self.folder / "control.sock", "top", "--interval", "100"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            self.end_well()
            _, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, "ended the connection" in stderr), (UNREACHABLE, True), stderr)

    def test_it_ends_while_a_yagura_that_does_not_answer_is_asked_again(self):
        self.start()
        screen = Screen(self, columns=300)
        screen.wait_for_line("in ", "█")
        self.end_well()
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(str(self.folder / "control.sock"))
            deaf.listen()
            connection, _ = deaf.accept()
            with connection:
                screen.wait_for(lambda lines: "no answer within" in lines[0], "a yagura that does not answer")
                self.assertEqual(screen.end(b"q"), OK)

    def test_a_terminal_that_is_resized_and_does_not_read(self):
        self.start()
        screen = Screen(self, rows=60, columns=200)
        screen.wait_for_line("in ", "█")
        # Nobody reads: what it writes fills the terminal's buffer, and signals come while it waits.
        for blocking in (True, False):
            os.set_blocking(screen.follower, blocking)
            end = time.monotonic() + 60
            while select.select([], [screen.follower], [], 0)[1] and time.monotonic() < end:
                time.sleep(0.05)
            for columns in range(100, 140):
                screen.resize(50, columns)
                time.sleep(0.01)
            self.assertIsNone(screen.process.poll(), "it goes on")
        os.set_blocking(screen.follower, True)
        screen.output = b""
        screen.wait_for(lambda lines: any(line.startswith("in ") for line in lines) and max(map(len, lines)) <= 139,
                        "a picture of the new size")
        self.assertEqual(screen.end(b"q"), OK)

    def test_the_busiest_flow_is_found(self):
        # Half of all packets are of one flow, as both ports have it and one nothing else.
        config = self.configuration()
        config["ports"] = {"one": {"role": "network", "device": "loop:flows=1,size=500"}, **config["ports"]}
        self.start(config)
        client = self.connect()
        for order in ("bytes", "packets"):
            answer = client.result("flows.top", by=order, limit=3)
            first, second = answer["flows"][:2]
            self.assertGreater(first[f"{order}_per_second"], 5 * second[f"{order}_per_second"])
            self.assertEqual(len(answer["flows"]), 3)
            self.assertGreaterEqual(answer["packets"], answer["drawn"])
            self.assertIn(first["tools"], (["t0"], ["t1"]))
            self.assertRegex(first["flow"], r"^tcp 192\.0\.2\.1:80 > |^tcp \S+ > 192\.0\.2\.1:80$")
        self.assertEqual(client.error("flows.top", by="size")["data"]["field"], "params/by")
        # Many ask at the same time, and have the same window.
        many = [self.connect() for _ in range(50)]
        for connection in many:
            connection.request("flows.top")
        for connection in many:
            self.assertGreater(len(connection.line()["result"]["flows"]), 10)
        self.end_well(may_lose=True)


class Completion(YaguractlTest):
    def complete(self, program, line, setup=""):
        """What bash offers behind this line, sorted."""
        words = line.split(" ")
        script = f"""
            eval "$({os.environ[program]} completion bash)"
            {setup}
            COMP_WORDS=("{os.environ[program]}" "${{@:2}}")
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            _{program.lower()}
            printf '%s\n' "${{COMPREPLY[@]}}"
        """
        process = subprocess.run(["bash", "--norc", "-uc", script, "bash", *words], capture_output=True, text=True, timeout=60, cwd=self.folder)
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        return sorted(filter(None, process.stdout.splitlines()))

    def test_commands_options_and_values(self):
        (self.folder / "new rules.jsonc").write_text("{}")
        (self.folder / "sub").mkdir()
        for line, offered in {
            "yaguractl ru": ["rules"],
            "yaguractl rules l": ["load"],
            "yaguractl rules load ne": ["new rules.jsonc"],
            "yaguractl --json --socket /x rules ch": ["check"],
            "yaguractl --socket su": ["sub"],
            "yaguractl top --int": ["--interval"],
            "yaguractl top --interval ": [],
            "yaguractl top --js": ["--json"],
            "yaguractl completion b": ["bash"],
            "yaguractl audit verify --k": ["--key"],
            "yaguractl audit verify --key ne": ["new rules.jsonc"],
            "yaguractl audit verify one ne": ["new rules.jsonc"],
            "yaguractl info x": [],
            "yaguractl flows sh": ["shunt"],
            "yaguractl flows block x --t": ["--timeout", "--ttl"],
            "yaguractl flows block --dry-run --rea": ["--reason"],
            "yaguractl blocks ": ["add", "covering", "list", "remove"],
            "yaguractl response w": ["watch"],
            "yaguractl nonsense ": [],
        }.items():
            with self.subTest(line=line):
                self.assertEqual(self.complete("YAGURACTL", line), offered)
        self.assertEqual(self.complete("YAGURA", "yagura doc"), ["doctor"])
        self.assertEqual(self.complete("YAGURA", "yagura doctor --root s"), ["sub"])
        self.assertEqual(self.complete("YAGURA", "yagura run --config ne"), ["new rules.jsonc"])

    def test_it_has_what_help_has(self):
        commands = re.findall(r"^  ([a-z]+) ", ctl("--help").stdout.split("Subcommands:")[1], re.MULTILINE)
        self.assertLessEqual(set(commands), set(self.complete("YAGURACTL", "yaguractl ")))
        for command in commands:
            options = set(re.findall(r"(--[a-z-]+)", ctl(command, "--help").stdout.split("Options:")[1].split("Subcommands:")[0]))
            with self.subTest(command=command):
                self.assertLessEqual(options, set(self.complete("YAGURACTL", f"yaguractl {command} -")))

    def test_names_of_the_running_yagura(self):
        config = self.configuration()
        config["ports"]["rec"] = {"role": "tool", "device": "loop:"}
        self.start(config)
        self.assertEqual(ctl("--socket", self.folder / "control.sock", "completion", "tools").stdout, "t0\nt1\nrec\n")
        self.assertEqual(ctl("--socket", self.folder / "control.sock", "completion", "ports").stdout, "in\n")
        line = f"yaguractl --socket {self.folder}/control.sock call rules."
        offered = self.complete("YAGURACTL", line)
        self.assertLessEqual({"rules.check", "rules.list", "rules.load"}, set(offered))
        self.end_well()
        self.assertEqual(self.complete("YAGURACTL", line), [])


class Unreachable(YaguractlTest):
    def test_no_daemon(self):
        process = self.ctl("info")
        self.assertEqual(process.returncode, UNREACHABLE)
        self.assertIn("Is `yagura run` running", process.stderr)

    def test_a_daemon_that_is_gone(self):
        self.start()
        self.process.kill()
        self.process.wait()
        process = self.ctl("info")
        self.assertEqual(process.returncode, UNREACHABLE)
        self.assertIn("left behind", process.stderr)

    def test_no_right(self):
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        yagura_e2e.require_tool("setpriv")
        os.chmod(self.folder, 0o755)

        # It may lie in a folder of root's: the new user is only told which file to run, which is open already.
        def as_nobody(*words):
            with open(os.environ["YAGURACTL"], "rb") as program:
                return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", f"/proc/self/fd/{program.fileno()}",
                                       "--socket", str(self.folder / "control.sock"), *words], pass_fds=[program.fileno()],
                                      capture_output=True, text=True, timeout=60)
        self.start(self.configuration(control={"socket": str(self.folder / "control.sock")}))
        process = as_nobody("info")
        self.assertEqual((process.returncode, "permission denied" in process.stderr), (UNREACHABLE, True), process.stderr)
        self.end_well()
        for roles, words, status, said in [({"admin": {"users": ["4711"]}}, ["info"], REFUSED, "uid 65534 has no role here"),
                                           ({"viewer": {"users": ["65534"]}}, ["shutdown"], REFUSED, "needs the role admin"),
                                           ({"viewer": {"users": ["65534"]}}, ["health"], OK, "")]:
            self.start(self.configuration(control={"socket": str(self.folder / "control.sock"), "roles": roles}))
            process = as_nobody(*words)
            self.assertEqual(process.returncode, status, process.stderr)
            self.assertIn(said, process.stderr)
            self.end_well()

    def test_something_else_at_the_socket(self):
        path = self.folder / "control.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            for said, words in [(b"", "has ended the connection"), (b"hello\n", "is this a yagura?"), (b"{}\n[]\n", "is this a yagura?"),
                                (b'{"id": 1}\n', "not understood")]:
                with subprocess.Popen([os.environ["YAGURACTL"], "--socket", path, "info"], stderr=subprocess.PIPE, text=True) as process:
                    connection, _ = listener.accept()
                    connection.recv(65536)
                    connection.sendall(said)
                    connection.close()
                    self.assertIn(words, process.stderr.read())
                self.assertEqual(process.returncode, UNREACHABLE)


    def test_who_does_not_answer_is_not_waited_for_without_end(self):
        path = self.folder / "control.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            for words in (["info"], ["rules", "cancel"], ["call", "rpc.methods"], ["top", "--count", "1"]):
                process = self.ctl("--timeout", "0.2", *words)
                self.assertEqual(process.returncode, UNREACHABLE, words)
                self.assertIn("no answer within", process.stderr, words)


class Usage(YaguractlTest):
    def test_wrong_usage(self):
        for arguments, words in [((), "a command is missing"), (("nonsense",), 'no command "nonsense"'),
                                 (("--json", "--socket", "info", "nonsense"), 'no command "nonsense"'),
                                 (("--socket=info", "nonsense"), 'no command "nonsense"'),
                                 (("info", "--nonsense"), "--nonsense"),
                                 (("rules", "check"), "file is required"), (("rules", "load", "/nonexistent"), "No such file"),
                                 (("call", "x", "["), "an object"), (("call", "x", "[]"), "an object"),
                                 (("--socket", "x" * 200, "info"), "1 to 107 bytes"), (("--timeout", "-1", "info"), "--timeout")]:
            with self.subTest(arguments=arguments):
                process = ctl(*arguments)
                self.assertEqual(process.returncode, USAGE, process.stderr)
                self.assertIn(words, process.stderr)

    def test_the_socket_by_the_environment(self):
        self.start()
        environment = {**os.environ, "YAGURA_SOCKET": str(self.folder / "control.sock")}
        self.assertEqual(ctl("health", env=environment).returncode, OK)

    def test_no_dpdk(self):
        libraries = subprocess.run(["ldd", os.environ["YAGURACTL"]], capture_output=True, text=True).stdout
        self.assertNotRegex(libraries, r"librte_|libpcap|libhs")
        times = []
        for _ in range(20):
            begin = time.monotonic()
            self.assertEqual(ctl("--version").returncode, OK)
            times.append(1000 * (time.monotonic() - begin))
        print(f"yaguractl --version: median {statistics.median(times):.1f} ms")

    def test_the_page_has_every_command(self):
        page = (ROOT / "docs/yaguractl.md").read_text()
        described = {name for line in re.findall(r"^\*\*[a-z].*$", page, re.MULTILINE) for name in re.findall(r"\*\*([a-z ]+)\*\*", line)}
        commands = set()
        for command in re.findall(r"^  ([a-z]+) ", ctl("--help").stdout.split("Subcommands:")[1], re.MULTILINE):
            commands.add(command)
            parts = ctl(command, "--help").stdout.split("Subcommands:")
            commands |= {f"{command} {word}" for word in re.findall(r"^  ([a-z]+) ", parts[1], re.MULTILINE)} if len(parts) > 1 else set()
        self.assertEqual(described, commands)


if __name__ == "__main__":
    unittest.main()
