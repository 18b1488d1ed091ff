#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The units for systemd: systemd takes them as they are, they leave little, and that is enough for what they run."""

import functools
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yagura_e2e

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import netns

CONF = Path(__file__).resolve().parents[2] / "conf"
UNITS = ("yagura", "yagura-alerts")
# The most, in tenths of what systemd-analyze security says.
EXPOSURE = {"yagura": 35, "yagura-alerts": 10}
NOBODY = 65534
ALERT = json.dumps({"timestamp": "2026-11-28T19:00:00.000001+0000", "flow_id": 1, "event_type": "alert", "src_ip": "10.0.0.1", "src_port": 1,
                    "dest_ip": "10.0.0.2", "dest_port": 80, "proto": "TCP",
                    "alert": {"gid": 1, "signature_id": 7, "rev": 1, "signature": "x", "severity": 1}}) + "\n"


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def programs():
    return {"yagura": yagura_e2e.yagura_path(), "yagura-alerts": os.environ["YAGURA_ALERTS"]}


def built(unit):
    return (Path(os.environ["YAGURA_UNITS"]) / f"{unit}.service").read_text()


def setting(text, key):
    """All values of a setting of a unit."""
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@functools.cache
def calls_of(name):
    """The system calls of a set of systemd's, or the one that is named."""
    if not name.startswith("@"):
        return frozenset([name])
    said = run("systemd-analyze", "syscall-filter", name)
    if said.returncode != 0:
        raise AssertionError(said.stderr)
    members = [line.strip() for line in said.stdout.splitlines() if line.startswith("    ")]
    return frozenset().union(*(calls_of(member) for member in members if not member.startswith("#")))


def allowed_calls(text):
    """What the SystemCallFilter of a unit leaves. A list of what is allowed has @default in it."""
    allowed = set(calls_of("@default"))
    for value in setting(text, "SystemCallFilter"):
        names = set().union(*(calls_of(name) for name in value.removeprefix("~").split()))
        allowed = allowed - names if value.startswith("~") else allowed | names
    return allowed


class Traced(netns.Program):
    """A program whose system calls are written down."""

    def __init__(self, test, path, *command):
        for tool in ("strace", "systemd-analyze"):
            yagura_e2e.require_tool(tool)
        self.path = path
        super().__init__(test, "strace", "-f", "-qq", "-o", path, *command)

    def calls(self):
        """All that it made, once it has ended."""
        # strace passes no signal on; who is traced is its only child.
        child, = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        self.wait()
        made = set(re.findall(r"^\d+ +(\w+)\(", self.path.read_text(), re.MULTILINE))
        if len(made) < 10:
            raise AssertionError(f"only {made}: {self.describe()}")
        return made


class Files(yagura_e2e.TestCase):
    def setUp(self):
        super().setUp()
        yagura_e2e.require_tool("systemd-analyze")

    def place(self, unit):
        """The unit with the program that was built, in a folder of its own."""
        text, count = re.subn(rf"^ExecStart=\S*/{unit} ", f"ExecStart={Path(programs()[unit]).resolve()} ", built(unit), flags=re.MULTILINE)
        self.assertEqual(count, 1, text)
        path = self.folder / f"{unit}.service"
        path.write_text(text)
        return path

    def test_systemd_takes_them(self):
        for unit in UNITS:
            with self.subTest(unit):
                path = self.place(unit)
                said = run("systemd-analyze", "verify", path)
                self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "", ""))

    def test_systemd_takes_the_example_of_a_drop_in(self):
        path = self.place("yagura-alerts")
        dropins = self.folder / "yagura-alerts.service.d"
        dropins.mkdir()
        text = (CONF / "alerts" / "inputs.conf").read_text()
        # A group that this machine has.
        self.assertEqual(text.count("SupplementaryGroups=zeek"), 1)
        (dropins / "inputs.conf").write_text(text.replace("SupplementaryGroups=zeek", "SupplementaryGroups=daemon"))
        said = run("systemd-analyze", "verify", path)
        self.assertEqual((said.returncode, said.stdout, said.stderr), (0, "", ""))

    def test_they_leave_little(self):
        for unit in UNITS:
            with self.subTest(unit):
                said = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE[unit]}", self.place(unit))
                print(said.stdout.strip().splitlines()[-1] if said.stdout else said.stderr)
                self.assertEqual(said.returncode, 0, said.stdout + said.stderr)

    def test_the_user_is_made(self):
        yagura_e2e.require_tool("systemd-sysusers")
        (self.folder / "etc").mkdir()
        said = run("systemd-sysusers", "--dry-run", f"--root={self.folder}", CONF / "yagura-alerts.sysusers")
        self.assertEqual(said.returncode, 0, said.stderr)
        user, = setting(built("yagura-alerts"), "User")
        self.assertIn(f"Creating user '{user}'", said.stdout + said.stderr)
        config = (CONF / "alerts" / "yagura.jsonc").read_text()
        self.assertIn(f'"users": ["{user}"]', config)

    def test_the_example_configuration_is_right(self):
        said = yagura_e2e.run_yagura("check", "--config", CONF / "alerts" / "yagura.jsonc")
        self.assertEqual(said.returncode, yagura_e2e.OK, said.stderr)


class AlertsService(yagura_e2e.TestCase):
    """What the unit leaves yagura-alerts is enough to read a log and a socket, and to have yagura do something."""

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("another user needs root")
        # Below /tmp, where others may enter.
        self.open = Path(tempfile.mkdtemp(prefix="yagura-units-"))
        self.addCleanup(shutil.rmtree, self.open)
        self.open.chmod(0o755)
        self.log = self.open / "eve.json"
        self.log.write_text(ALERT)
        self.log.chmod(0o640)
        os.chown(self.log, 0, NOBODY)
        # It may be in a folder that others may not enter.
        self.program = shutil.copy(programs()["yagura-alerts"], self.open / "yagura-alerts")
        map_file = self.open / "alerts.jsonc"
        map_file.write_text('[{"verdict": "reset"}]')
        map_file.chmod(0o644)
        self.control = self.open / "control.sock"

    def command(self, *arguments):
        return [self.program, "--map", self.open / "alerts.jsonc", "--socket", self.control, *arguments]

    def start_yagura(self, **roles):
        config = {"ports": {"in": {"role": "network", "device": "net_ring0"}, "out": {"role": "tool", "device": "loop:"}},
                  "rules": [{"id": 1, "forward": ["out"]}], "audit": {"enabled": False},
                  "control": {"socket": str(self.control), "roles": roles}, "response": {"enabled": True}}
        self.yagura = netns.Program(self, programs()["yagura"], "run", "--config", self.write_config(config),
                                    "--lcores", "rx=0;select=0;tx=0")
        netns.wait_until(lambda: self.control.exists() and stat.S_IMODE(self.control.stat().st_mode) == 0o666,
                         what=self.yagura.describe)

    def test_a_user_without_rights_and_network_does_it(self):
        text = built("yagura-alerts")
        for line in ("PrivateNetwork=yes", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict"):
            self.assertIn(f"\n{line}\n", text)
        for tool in ("unshare", "setpriv"):
            yagura_e2e.require_tool(tool)
        confined = ["unshare", "--net", "--ipc", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                    "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        self.start_yagura(responder={"users": [str(NOBODY)]})
        said = run(*confined, *self.command("--suricata", self.log, "--once"))
        self.assertIn("tcp 10.0.0.1:1 > 10.0.0.2:80: not_found", said.stdout, said.stderr)
        # The role is what lets it.
        self.yagura.stop(signal.SIGTERM)
        self.control.unlink(missing_ok=True)
        self.start_yagura(viewer={"users": [str(NOBODY)]})
        said = run(*confined, *self.command("--suricata", self.log, "--once"))
        self.assertIn("needs the role responder", said.stdout, said.stderr)

    def test_it_makes_no_system_call_that_the_unit_forbids(self):
        eve = self.open / "eve.sock"
        program = Traced(self, self.open / "trace", *self.command(
            "--suricata", self.log, "--from-start", "--suricata", f"unixgram:{eve}", "--suricata", f"unix:{eve}.stream", "--socket-mode", "0660"))
        self.start_yagura(responder={"users": [str(NOBODY)]})
        program.wait_for("not_found")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as tool:
            tool.sendto(ALERT.encode(), str(eve))
        program.wait_for("not_found", times=2)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tool:
            tool.connect(f"{eve}.stream")
            tool.sendall(ALERT.encode())
            program.wait_for("not_found", times=3)
        self.log.rename(self.open / "eve.json.1")
        self.log.write_text(ALERT)
        program.wait_for("not_found", times=4)
        self.assertEqual(program.calls() - allowed_calls(built("yagura-alerts")), set())


class YaguraService(yagura_e2e.TestCase):
    def test_it_makes_no_system_call_that_the_unit_forbids_but_one(self):
        netns.require()
        space = netns.Namespace(self)
        netns.connect(space, "lan", space, "peer")
        files = {name: str(self.folder / name) for name in ("control.sock", "audit.jsonl", "audit.key", "audit.head", "blocks", "cache")}
        config = {"ports": {"lan": {"role": "network", "device": "net_af_packet0,iface=lan"},
                            "ids": {"role": "tool", "device": "net_tap0,iface=ids0"},
                            "rec": {"role": "tool", "device": f"pcap:{self.folder}/rec.pcap"}},
                  "rules": [{"id": 1, "filter": "tcp and not port 9", "payload": ["/evil[0-9]+/i"], "forward": ["ids", "rec"]}],
                  "response": {"enabled": True, "blocks": {"file": files["blocks"]}}, "cache": {"folder": files["cache"]},
                  "audit": {"file": files["audit.jsonl"], "key": files["audit.key"], "head": {"file": files["audit.head"]}},
                  "control": {"socket": files["control.sock"], "roles": {"viewer": {"users": [str(NOBODY)]}}}}
        program = Traced(self, self.folder / "trace", "ip", "netns", "exec", space.name, programs()["yagura"], "run", "--config",
                         self.write_config(config), "--lcores", "rx=0;select=0;tx=0")
        program.wait_for("network ports")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(60)
            client.connect(files["control.sock"])
            client.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "blocks.add", "params": {"targets": ["192.0.2.1"]}}\n')
            self.assertIn("added", client.makefile().readline())
        # DPDK wants the I/O ports and does without, if it is not killed for it. "ip" makes namespaces of its own, before.
        entering = {"setns", "unshare", "mount", "umount2"}
        self.assertEqual(program.calls() - entering - allowed_calls(built("yagura")), {"iopl"})
        self.assertEqual(setting(built("yagura"), "SystemCallErrorNumber"), ["EPERM"])


if __name__ == "__main__":
    unittest.main()
