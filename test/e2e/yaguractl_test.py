#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""yaguractl as a person and a script use it, against a live yagura."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import statistics
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
                 {"id": 2, "filter": "udp", "drop": True, "scope": "packet"}]
        self.start(self.configuration(rules))
        for command, words in {
            ("info",): ["process " + str(self.process.pid), "version 1, 2 rules", "1 network, 2 tool", "uid " + str(os.getuid())],
            ("health",): ["ok: up "],
            ("stats",): ["network port", "received", "in ", "t0 ", "t1 ", "lost 0"],
            ("ports",): ["network  loop:flows=100,size=128", "tool "],
            ("tools",): ["t0 ", "g (balance)"],
            ("flows",): ["tcp ", ":80", "established", "t0"],
            ("rules",): ["forward to g t0", "tcp port 80, 2 patterns", "drop"],
            ("methods",): ["rules.load ", "operator ", "[config]"],
            ("config",): ['"filter": "tcp port 80"'],
        }.items():
            output = self.ctl_well(*command)
            for word in words:
                with self.subTest(command=command, word=word):
                    self.assertIn(word, output)
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
        self.assertRegex(table, r"4 +\S+Z +1 +rules.load +uid \d+, .*yaguractl \(\d+\) +in effect")
        self.assertRegex(table, r"1 +\S+Z +1 +start")
        self.assertIn("version 5 is in effect instead of 4", self.ctl_well("rules", "rollback", "1"))
        self.assertIn("rules.rollback to 1", self.ctl_well("rules", "versions"))
        self.assertIn("not kept", self.ctl("rules", "rollback", "77").stderr)
        self.ctl_well("rules", "rollback", "2")
        self.assertIn("version 6 is saved", self.ctl_well("config", "save"))
        self.assertEqual(json.loads(self.config_path.read_text())["rules"][0]["id"], 5)
        self.end_well()

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


class Top(YaguractlTest):
    def test_on_no_terminal(self):
        self.start()
        output = self.ctl_well("top", "--interval", "100", "--count", "3")
        self.assertNotIn("\x1b", output)
        for word in ("network port", "tool ", "lcore "):
            self.assertEqual(output.count(word), 3)
        self.assertRegex(output, r"\nin +[1-9][0-9.]* [kM]")
        updates = [json.loads(line) for line in self.ctl_well("top", "--json", "--interval", "100", "--count", "2").splitlines()]
        self.assertLess(updates[0]["uptime_ms"], updates[1]["uptime_ms"])

    def test_on_a_terminal(self):
        self.start()
        for end in (b"q", b"\x03", None):
            leader, follower = pty.openpty()
            process = subprocess.Popen([os.environ["YAGURACTL"], "--socket", self.folder / "control.sock", "top", "--interval", "100"],
                                       stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
                                       preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
            output = b""
            while output.count(b"network port") < 3:
                output += os.read(leader, 65536)
            if end:
                os.write(leader, end)
            else:
                self.process.send_signal(signal.SIGTERM)
            while b"\x1b[?1049l" not in output:
                output += os.read(leader, 65536)
            self.assertEqual(process.wait(60), OK if end else UNREACHABLE)
            self.assertNotEqual(termios.tcgetattr(follower)[3] & termios.ICANON, 0)
            os.close(leader)
            os.close(follower)


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


class Usage(YaguractlTest):
    def test_wrong_usage(self):
        for arguments, words in [((), "a command is missing"), (("nonsense",), 'no command "nonsense"'), (("info", "--nonsense"), "--nonsense"),
                                 (("rules", "check"), "file is required"), (("rules", "load", "/nonexistent"), "No such file"),
                                 (("call", "x", "["), "an object"), (("call", "x", "[]"), "an object"),
                                 (("--socket", "x" * 200, "info"), "1 to 107 bytes")]:
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
        described = {re.sub(r"\*\*| ?\[?(--[a-z]+ )?\*[A-Z]+\*\]?", "", line).strip() for line in re.findall(r"^\*\*[a-z].*$", page, re.MULTILINE)}
        commands = set()
        for command in re.findall(r"^  ([a-z]+) ", ctl("--help").stdout.split("Subcommands:")[1], re.MULTILINE):
            commands.add(command)
            parts = ctl(command, "--help").stdout.split("Subcommands:")
            commands |= {f"{command} {word}" for word in re.findall(r"^  ([a-z]+) ", parts[1], re.MULTILINE)} if len(parts) > 1 else set()
        self.assertEqual(described, commands)


if __name__ == "__main__":
    unittest.main()
