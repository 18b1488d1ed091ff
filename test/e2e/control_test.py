#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A live yagura and its control socket: every method with nothing, something good and junk; rights; clients that misbehave;
rules that change under traffic."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import threading
import time
import unittest
from pathlib import Path
from unittest import mock

import yagura_e2e
from yagura_e2e import OK, USAGE, run_yagura

ROOT = Path(__file__).resolve().parents[2]
ONE_LCORE = ("--lcores", "rx=0;select=0;tx=0")
NOBODY = 65534
DEADLINE_S = 60

PARSE, INVALID, NO_METHOD, PARAMS = -32700, -32600, -32601, -32602
NOT_ALLOWED, DISABLED, BUSY, CONFIGURATION, CONFLICT, TOO_LARGE, REFUSED = range(-32001, -32008, -1)


class Connection:
    """Speaks lines; what it is told is JSON, whole, or the test fails."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.socket.settimeout(DEADLINE_S)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def request(self, method, number=1, **params):
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}) + "\n")

    def line(self):
        """The next message; None at the end."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            return None
        return json.loads(line) if line else None

    def call(self, method, **params):
        self.request(method, **params)
        answer = self.line()
        if answer is None:
            raise AssertionError(f"{method}: the connection was closed")
        return answer

    def result(self, method, **params):
        answer = self.call(method, **params)
        if "result" not in answer:
            raise AssertionError(f"{method}: {answer}")
        return answer["result"]

    def error(self, method, **params):
        answer = self.call(method, **params)
        if "error" not in answer:
            raise AssertionError(f"{method}: {answer}")
        return answer["error"]


class ControlTest(yagura_e2e.TestCase):
    def configuration(self, rules=None, device="loop:flows=100,size=128", **more):
        ports = {"in": {"role": "network", "device": device},
                 "t0": {"role": "tool", "device": "loop:"}, "t1": {"role": "tool", "device": "loop:"}}
        value = {"ports": ports, "tool_groups": {"g": {"members": ["t0", "t1"], "mode": "balance"}},
                 "rules": rules or [{"id": 1, "filter": "tcp", "forward": ["g"]}],
                 "control": {"socket": str(self.folder / "control.sock"), "roles": {"admin": {"users": [str(os.getuid())]}}},
                 "audit": self.audit_settings("audit")}
        value.update(more)
        return value

    def audit_settings(self, name):
        return {"file": str(self.folder / f"{name}.jsonl"), "key": str(self.folder / f"{name}.key"),
                "head": {"file": str(self.folder / f"{name}.head")}}

    def start(self, config=None, *options, plan=ONE_LCORE):
        """Starts yagura on it and waits until it runs. stderr goes to a file."""
        self.config_path = self.write_config(config or self.configuration(), "control.json")
        self.log = self.folder / "log"
        with open(self.log, "w") as log:
            process = subprocess.Popen([yagura_e2e.yagura_path(), "run", "--config", str(self.config_path), *plan, *options],
                                       stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.wait_for(lambda: "network ports" in self.log.read_text() or process.poll() is not None, "its start")
        self.assertIsNone(process.poll(), self.log.read_text())
        self.process = process
        return process

    def wait_for(self, condition, what):
        end = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), end, f"waited for {what}")
            time.sleep(0.02)

    def connect(self):
        connection = Connection(self.folder / "control.sock")
        self.addCleanup(connection.close)
        return connection

    def end_well(self, may_lose=False):
        """By signal; the ledger must be balanced, and nothing lost, unless lcores share CPUs and may shed."""
        self.process.send_signal(signal.SIGTERM)
        stdout, _ = self.process.communicate(timeout=DEADLINE_S)
        text = stdout + self.log.read_text()
        self.assertIn("ledger: balanced", stdout, text)
        if not may_lose:
            self.assertEqual(self.process.returncode, OK, text)
            self.assertIn("lost: 0", stdout)
        return stdout


class Methods(ControlTest):
    # Of each method, parameters that are right and ones that are not with the field at fault.
    GOOD = {"ports.add": [{"name": "x", "role": "tool", "device": "loop:"}], "ports.remove": [{"name": "x"}],
            "stats.subscribe": [{"interval_ms": 100}, {"interval_ms": 3_600_000}],
            "ports.list": [{"limit": 1}, {"cursor": 1, "limit": 1000}, {"cursor": 1 << 63}],
            "flows.list": [{"limit": 1}, {"shunted": "t0", "shed": "t0"}, {"host": "2001:db8::1"}, {"host": "10.0.0.1", "port": 80, "protocol": "tcp"},
                           {"cursor": (1 << 64) - 1}, {"protocol": "47", "cursor": 1000}],
            "flows.top": [{"limit": 1}, {"by": "bytes"}, {"by": "packets", "limit": 100}],
            "rules.list": [{"limit": 1}, {"cursor": 1}], "config.get": [{"cursor": 10}],
            "rules.check": [{"config": "CONFIG"}], "rules.load": [{"config": "CONFIG"}],
            "rules.rollback": [{"version": 1}], "flows.explain": [{"flow": "FLOW"}],
            # Of loop: devices nothing can be cut: no frame leaves by them.
            "flows.reset": [{"flows": ["FLOW", "tcp 10.9.9.9:1 > 10.9.9.8:2"], "reason": "a test", "key": "k"},
                            {"flows": ["FLOW"], "dry_run": True}],
            "flows.block": [{"flows": ["FLOW"], "ttl": "10m", "dry_run": True}],
            "flows.shunt": [{"flows": ["FLOW"], "tool": "t0"}], "flows.release": [{"flows": ["FLOW"]}],
            "blocks.add": [{"targets": ["203.0.113.0/24", "2001:db8::1", "nonsense"], "ttl": "1h", "reason": "a test"}],
            "blocks.remove": [{"targets": ["203.0.113.0/24", "10.9.9.9"]}],
            "blocks.list": [{"within": "2001:db8::/32", "limit": 1}, {"cursor": 1, "reason": "test"}, {"covering": "FLOW"}],
            "response.disable": [{"reason": "a test"}]}
    LEFT_OUT = {"system.shutdown"}

    def junk(self, method):
        for parameter in method["parameters"]:
            name = parameter["name"]
            if parameter["type"] == "integer":
                values = [-1, 1.5, "1", None, True, [], {}, 1 << 64, 1e300]
                if "maximum" in parameter:
                    values.append(parameter["maximum"] + 1)
                if parameter["minimum"] > 0:
                    values.append(parameter["minimum"] - 1)
            elif parameter["type"] == "string":
                values = [1, None, True, [], {}, ["x"]]
            elif parameter["type"] == "list":
                values = [1, "x", None, True, {}, {"0": "x"}, ["x"] * (parameter["maximum"] + 1)]
                if parameter["minimum"] > 0:
                    values.append([])
                for item in (1, None, True, [], {}, "", "x" * (parameter["item_maximum"] + 1)):
                    yield {name: ["x"] * (parameter["minimum"] - 1) + [item]}, f"params/{name}/{parameter['minimum'] - 1}"
            else:
                values = [1, None, "true", [], {}]
            for value in values:
                yield {name: value}, f"params/{name}"
        yield {"no_such_thing": 1}, "params/no_such_thing"

    def test_every_method_with_nothing_something_good_and_junk(self):
        self.start(self.configuration(response={"enabled": True}))
        config = self.config_path.read_text()
        client = self.connect()
        methods = client.result("rpc.methods")["methods"]
        self.assertGreater(len(methods), 10)
        for method in methods:
            name = method["name"]
            if name in self.LEFT_OUT:
                continue
            with self.subTest(method=name):
                required = [p["name"] for p in method["parameters"] if p["required"]]
                if required:
                    error = client.error(name)
                    self.assertEqual((error["code"], error["data"]["field"]), (PARAMS, f"params/{required[0]}"))
                else:
                    self.assertIsInstance(client.result(name), dict)
                for good in self.GOOD.get(name, []):
                    given = {"CONFIG": config}
                    if "FLOW" in str(good):
                        self.wait_for(lambda: client.result("flows.list")["flows"], "flows")
                        given["FLOW"] = client.result("flows.list")["flows"][0]["flow"]
                    params = {key: [given.get(item, item) for item in value] if isinstance(value, list) else
                              given.get(value, value) if isinstance(value, str) else value for key, value in good.items()}
                    self.assertIsInstance(client.result(name, **params), dict)
                    if name == "stats.subscribe":
                        client.request("stats.unsubscribe", number=99)
                        while client.line().get("id") != 99:
                            pass
                for junk, field in self.junk(method):
                    error = client.error(name, **junk)
                    self.assertEqual((error["code"], error["data"]["field"]), (PARAMS, field), junk)
                client.send(json.dumps({"jsonrpc": "2.0", "id": 7, "method": name, "params": [1]}) + "\n")
                self.assertEqual(client.line()["error"]["code"], PARAMS)
        self.assertEqual(client.result("system.health")["status"], "ok")
        self.end_well()

    def test_the_page_says_what_the_methods_are(self):
        self.start()
        methods = {method["name"]: method for method in self.connect().result("rpc.methods")["methods"]}
        page = (ROOT / "docs/control-protocol.md").read_text().split("\n## Methods\n", 1)[1]
        sections = dict(zip(*[iter(re.split(r"^### (.+)$", page, flags=re.MULTILINE)[1:])] * 2))
        self.assertEqual(sorted(sections), sorted(methods))
        rights = (ROOT / "docs/control-protocol.md").read_text().split("\n## Rights\n", 1)[1].split("\n## ", 1)[0]
        effects = {effect: re.findall(r"`(\w+\.\w+)`", row)
                   for effect, row in re.findall(r"^\| `(\w+)` \|(.*)$", rights, flags=re.MULTILINE)}
        self.assertEqual(sorted(effects), ["changes", "makes_safer", "reads"])
        for name, text in sections.items():
            with self.subTest(method=name):
                self.assertEqual(re.search(r"Right: `(\w+)`", text)[1], methods[name]["right"])
                effect = next((effect for effect, names in effects.items() if name in names), "reads")
                self.assertEqual(methods[name]["effect"], effect)
                rows = re.findall(r"^\| `(\w+)` \| (\w+)(, required)? \|", text, flags=re.MULTILINE)
                self.assertEqual([(row[0], row[1], bool(row[2])) for row in rows],
                                 [(p["name"], p["type"], p["required"]) for p in methods[name]["parameters"]])

    def test_what_the_answers_say(self):
        rules = [{"id": number, "filter": f"tcp port {number}", "forward": ["t1"]} for number in range(1000, 1249)]
        rules.append({"id": 7, "name": "all", "filter": "tcp", "forward": ["g"]})
        self.start(self.configuration(rules))
        client = self.connect()
        info = client.result("system.info")
        self.assertEqual(info["pid"], self.process.pid)
        self.assertEqual((info["rules"], info["network_ports"], info["tool_ports"]), (250, 1, 2))
        self.assertEqual((info["config_version"], info["lcores"]), (1, "rx=0;select=0;tx=0"))
        self.assertEqual(info["caller"], {"uid": os.getuid(), "roles": "viewer, operator, responder, admin"})
        self.assertRegex(run_yagura("--version").stdout, re.escape(info["version"]))
        # Pages put together are the whole.
        self.assertEqual(client.error("config.get", version=2)["data"]["field"], "params/version")
        got, cursor = [], 0
        while cursor is not None:
            page = client.result("rules.list", cursor=cursor, limit=99)
            self.assertEqual(page["count"], 250)
            got += page["rules"]
            cursor = page["next"]
        self.assertEqual([rule["id"] for rule in got], [rule["id"] for rule in rules])
        self.assertEqual(got[-1]["forward"], ["g"])
        ports = [client.result("ports.list", cursor=place, limit=1)["ports"][0]["name"] for place in range(3)]
        self.assertEqual(ports, ["in", "t0", "t1"])
        self.wait_for(lambda: client.result("stats.get")["ports"]["in"]["received"]["packets"] > 1000, "packets")
        tools = client.result("tools.list")["tools"]
        self.assertEqual([(tool["name"], tool["groups"]) for tool in tools],
                         [(name, [{"name": "g", "mode": "balance"}]) for name in ("t0", "t1")])
        stats = client.result("stats.get")
        for name, tool in stats["tools"].items():
            self.assertGreater(tool["sent"]["packets"], 0, name)
            self.assertGreaterEqual(tool["offered"]["packets"], tool["sent"]["packets"], name)
        self.assertEqual(stats["flows"], 100)
        self.assertGreater(stats["threads"][0]["busy_turns"], 0)
        self.assertEqual(client.result("rules.list", cursor=249)["rules"][0]["flows"], 100)
        self.end_well()

    def test_flows_are_listed(self):
        rules = [{"id": 1, "filter": "tcp", "forward": ["t0"]}]
        flows = 3000
        self.start(self.configuration(rules, f"loop:flows={flows},size=64"))
        client = self.connect()
        self.wait_for(lambda: client.result("stats.get")["flows"] == flows, "the flows")
        got, pages, cursor = [], 0, 0
        while cursor is not None:
            page = client.result("flows.list", cursor=cursor, limit=700)
            self.assertLessEqual(len(page["flows"]), 700)
            got += page["flows"]
            pages, cursor = pages + 1, page["next"]
        self.assertLess(pages, 12)
        self.assertEqual(len({flow["flow"] for flow in got}), flows)
        self.assertEqual(len(got), flows)
        self.assertEqual({flow["lcore"] for flow in got}, {0})
        self.assertEqual({(flow["decided"], *flow["tools"]) for flow in got}, {(True, "t0")})
        one = got[1234]["flow"]
        protocol, source, _, target = one.split()
        # Which direction came first does not matter here.
        server, sender = sorted((source, target), key=lambda end: not end.endswith(":80"))
        self.assertEqual((protocol, server), ("tcp", "192.0.2.1:80"))
        host, port = sender.split(":")
        found = client.result("flows.list", host=host, port=int(port), protocol="tcp", limit=1000)
        self.assertIn(one, [flow["flow"] for flow in found["flows"]])
        for flow in found["flows"]:
            self.assertIn(f"{host}:{port}", flow["flow"])
        for nothing in ({"protocol": "udp"}, {"port": 81}, {"host": "::1"}, {"host": "203.0.113.99"}):
            self.assertEqual(client.result("flows.list", **nothing), {"flows": [], "next": None})
        for wrong, value in (("host", "x"), ("host", "10.0.0.0/8"), ("protocol", "tcpp"), ("port", 65536)):
            self.assertEqual(client.error("flows.list", **{wrong: value})["data"]["field"], f"params/{wrong}")
        # Lists go on while rules change, and then say what the new ones do.
        new = self.configuration([{"id": 1, "filter": "tcp", "forward": ["t1"]}], f"loop:flows={flows},size=64")
        client.request("rules.load", number="load", config=json.dumps(new))
        client.request("flows.list", number="flows", limit=1000)
        self.assertEqual({client.line()["id"], client.line()["id"]}, {"load", "flows"})
        self.wait_for(lambda: client.result("flows.list", limit=1)["flows"][0].get("tools") == ["t1"], "the new rules")
        self.end_well()

    def explained(self, client, flow):
        flows = client.result("flows.explain", flow=flow)["flows"]
        self.assertEqual(len(flows), 1)
        return flows[0]

    def test_a_flow_is_explained(self):
        rules = [{"id": 10, "filter": "tcp port 443", "drop": True}, {"id": 20, "filter": "tcp", "forward": ["t0"]},
                 {"id": 30, "filter": "tcp port 80", "forward": ["g"]}]
        flows = 1000
        self.start(self.configuration(rules, f"loop:flows={flows},size=64"), plan=("--lcores", "rx=0;select=0,1;tx=0"))
        client = self.connect()
        self.wait_for(lambda: client.result("stats.get")["flows"] == flows, "the flows")
        listed = client.result("flows.list", limit=1000)["flows"]
        self.assertEqual({flow["lcore"] for flow in listed}, {0, 1})
        for flow in (listed[0], listed[-1]):
            name = flow["flow"]
            self.wait_for(lambda: self.explained(client, name)["state"] == "established", "an answer")
            told = self.explained(client, name)
            self.assertEqual((told["flow"], told["lcore"], told["config_version"], told["decided"]), (name, flow["lcore"], 1, True))
            self.assertEqual((told["rules"], told["waiting"], told["open"], told["awaits"]), ([20, 30], [], [], []))
            self.assertEqual((told["reason"], told["inspection"], told["late_drop"]), (None, None, False))
            by = {tool["tool"]: tool["by"] for tool in told["tools"]}
            self.assertIn({"rule": 20, "group": "t0"}, by["t0"])
            member = next(tool for tool, ways in by.items() if {"rule": 30, "group": "g"} in ways)
            self.assertIn(member, flow["tools"])
            self.assertEqual(sorted(told["offered"]), sorted(by))
            source, target = name.removeprefix("tcp ").split(" > ")
            self.assertEqual(self.explained(client, f"tcp {target} -> {source}")["flow"], name)
        # The same flow by other rules: by none until its next packet, then by the new ones.
        drops = self.configuration([{"id": 10, "filter": "tcp port 80", "drop": True}, *rules[1:]], f"loop:flows={flows},size=64")
        client.result("rules.load", config=json.dumps(drops))
        self.wait_for(lambda: self.explained(client, name)["config_version"] == 2, "its next packet")
        told = self.explained(client, name)
        self.assertEqual((told["rules"], told["tools"], told["reason"], told["offered"]), ([10], [], "drop_rule", []))
        for wrong in ("x", "tcp 1.2.3.4 > 5.6.7.8", "1.2.3.4:5 > 5.6.7.8:9", "", "tcp [::1]:1 > 1.2.3.4:2"):
            error = client.error("flows.explain", flow=wrong)
            self.assertEqual((error["code"], error["data"]["field"]), (PARAMS, "params/flow"), wrong)
        gone = client.error("flows.explain", flow="tcp 203.0.113.9:1 > 203.0.113.10:2")
        self.assertEqual((gone["code"], gone["data"]["field"]), (CONFLICT, "params/flow"))
        self.assertIn("no flow tcp 203.0.113.9:1 > 203.0.113.10:2", gone["message"])
        self.end_well(may_lose=True)

    def test_a_flow_that_is_open_is_explained(self):
        rules = lambda tool: [{"id": 10, "filter": "tcp port 80", "payload": ["no such bytes"], "drop": True},
                              {"id": 20, "filter": "tcp", "forward": [tool]}, {"id": 30, "filter": "udp", "payload": ["x"], "forward": ["t1"]}]
        device = "loop:flows=5,size=512"
        more = {"inspect": {"hold_bytes": "4KiB", "flow_key": ["vlan"], "stream_depth": "1MiB"}}
        self.start(self.configuration(rules("t0"), device, **more))
        client = self.connect()
        self.wait_for(lambda: client.result("stats.get")["inspected"] == 5, "the flows")
        name = client.result("flows.list")["flows"][0]["flow"]
        self.wait_for(lambda: (self.explained(client, name)["inspection"] or {}).get("hold_full"), "a full hold")
        told = self.explained(client, name)
        self.assertEqual((told["rules"], told["waiting"], told["open"], told["open_count"]), ([], [20], [10], 1))
        self.assertEqual((told["decided"], told["awaits"], told["tools"], told["reason"]), (False, ["payload"], [], "hold_full"))
        inspection = told["inspection"]
        self.assertGreater(inspection["held_packets"], 0)
        self.assertLessEqual(inspection["held_bytes"], 4096)
        self.assertEqual(["tcp " + " > ".join(d["from"] for d in inspection["directions"])], [name])
        for direction in inspection["directions"]:
            self.assertEqual(direction["depth"], 1 << 20)
        self.assertGreater(sum(direction["matched"] for direction in inspection["directions"]), 0)
        # It goes on under the version that it began with.
        client.result("rules.load", config=json.dumps(self.configuration(rules("t1"), device, **more)))
        told = self.explained(client, name)
        self.assertEqual((told["config_version"], told["open"]), (1, [10]))
        self.end_well()

    def test_flows_are_listed_of_all_lcores(self):
        self.start(self.configuration(device="loop:flows=3000,size=64"), plan=("--lcores", "rx=0;select=0,1,2;tx=0"))
        client = self.connect()
        self.wait_for(lambda: client.result("stats.get")["flows"] == 3000, "the flows")
        found, cursor = set(), 0
        while cursor is not None:
            page = client.result("flows.list", cursor=cursor)
            found |= {flow["lcore"] for flow in page["flows"]}
            cursor = page["next"]
        self.assertEqual(found, {0, 1, 2})
        self.end_well(may_lose=True)

    def test_shutdown_ends_it_as_a_signal_does(self):
        self.start()
        self.assertEqual(self.connect().result("system.shutdown"), {"ending": True})
        stdout, _ = self.process.communicate(timeout=DEADLINE_S)
        self.assertEqual(self.process.returncode, OK, self.log.read_text())
        self.assertIn("ledger: balanced", stdout)
        self.assertFalse((self.folder / "control.sock").exists())

    def test_without_the_key_there_is_no_socket_but_by_the_option(self):
        config = self.configuration()
        del config["control"]
        self.start(config)
        self.assertNotIn("control socket", self.log.read_text())
        self.end_well()
        self.start(config, "--control", str(self.folder / "control.sock"))
        self.assertEqual(self.connect().result("system.health")["status"], "ok")
        self.end_well()


class Lines(ControlTest):
    def test_socat(self):
        yagura_e2e.require_tool("socat")
        self.start()
        request = '{"jsonrpc": "2.0", "id": "a", "method": "system.info"}\n{"jsonrpc": "2.0", "id": "b", "method": "system.health"}'
        process = subprocess.run(["socat", "-t", "30", "-", f"UNIX-CONNECT:{self.folder}/control.sock"], input=request,
                                 capture_output=True, text=True, timeout=DEADLINE_S)
        answers = [json.loads(line) for line in process.stdout.splitlines()]
        self.assertEqual([answer["id"] for answer in answers], ["a", "b"], process.stderr)

    def test_the_client_in_plain_python(self):
        self.start()
        client = [str(ROOT / "scripts/control-client.py"), "--socket", str(self.folder / "control.sock")]

        def ask(*words):
            return subprocess.run([*client, *words], capture_output=True, text=True, timeout=DEADLINE_S)

        self.assertEqual(json.loads(ask("system.info").stdout)["pid"], self.process.pid)
        self.assertEqual(len(json.loads(ask("ports.list", "limit=2").stdout)["ports"]), 2)
        self.assertEqual(json.loads(ask("rules.load", f"config=@{self.config_path}").stdout)["new_version"], 2)
        wrong = ask("ports.list", "limit=x")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("params/limit", wrong.stdout)

    def test_lines_that_are_no_requests(self):
        self.start()
        client = self.connect()
        for line, code in [("x", PARSE), ("{", PARSE), ("[]", INVALID), ("1", INVALID), ("{}", INVALID), ("[" * 100_000, INVALID),
                           ("[" + "1," * 20_000 + "1]", INVALID), ('"' + "x" * 100_000 + '"', INVALID),
                           ('{"jsonrpc": "2.0", "id": 1, "method": "no.such"}', NO_METHOD),
                           ('{"jsonrpc": "2.0", "id": 1, "method": "\\u0000"}', NO_METHOD)]:
            with self.subTest(line=line[:50]):
                client.send(line + "\n")
                self.assertEqual(client.line()["error"]["code"], code)
        client.send(b"\xff\xfe\n")
        self.assertEqual(client.line()["error"]["code"], PARSE)
        client.send(b"\n \r\n")
        self.assertEqual(client.result("system.health")["status"], "ok")
        self.end_well()

    def test_thousands_of_damaged_requests(self):
        self.start()
        seed = int(os.environ.get("YAGURA_SEED", "1"))
        choose = random.Random(seed)
        config = self.config_path.read_text()
        names = [method["name"] for method in self.connect().result("rpc.methods")["methods"] if method["name"] != "system.shutdown"]
        values = [0, -1, 1 << 64, 1.5, "", "x" * 300, None, True, [], {}, [[[[]]]], {"a": {"b": 1}}, config, config[:-2], "\u0000", "\U0001f600"]
        keys = ["config", "cursor", "limit", "interval_ms", "version", "", "x"]

        def request():
            params = {choose.choice(keys): choose.choice(values) for _ in range(choose.randrange(4))}
            value = {"jsonrpc": "2.0", "id": choose.choice([1, "a", None, 1.5, {}]), "method": choose.choice(names), "params": params}
            if choose.random() < 0.1:
                value[choose.choice(list(value))] = choose.choice(values)
            data = bytearray(json.dumps(value).encode())
            if choose.random() < 0.5:
                for _ in range(choose.randrange(1, 6)):
                    place = choose.randrange(len(data))
                    change = choose.randrange(3)
                    if change == 0:
                        data[place] = choose.randrange(256)
                    elif change == 1:
                        del data[place:place + choose.randrange(20)]
                    else:
                        data[place:place] = data[choose.randrange(len(data)):][:20]
                    data = data or bytearray(b"x")
            return bytes(data)

        for _ in range(30):
            with self.connect() as client:
                reader = threading.Thread(target=lambda: [None for _ in iter(client.line, None)])
                reader.start()
                # A subscriber gets updates for as long as he listens.
                last = [b'{"jsonrpc": "2.0", "method": "%s.unsubscribe"}' % topic for topic in (b"stats", b"response")]
                client.send(b"\n".join([request() for _ in range(200)] + last))
                client.socket.shutdown(socket.SHUT_WR)
                reader.join(DEADLINE_S)
                self.assertFalse(reader.is_alive(), f"YAGURA_SEED={seed}")
        with self.connect() as client:
            info = client.result("system.info")
            self.assertGreater(info["control"]["requests"], 5000)
            self.assertGreater(info["control"]["errors"], 1000)
        self.assertIsNone(self.process.poll(), self.log.read_text())
        self.end_well()



class Rights(ControlTest):
    def as_nobody(self, *command):
        """Runs it as another user, who can reach the socket; skips where that cannot be."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        yagura_e2e.require_tool("setpriv")
        os.chmod(self.folder, 0o755)
        return subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", *command], capture_output=True, text=True,
                              timeout=DEADLINE_S)

    def ask_as_nobody(self, method, *groups):
        """As a user who can do nothing but connect: a client whose whole text is on its command line."""
        # Who is refused may be so before he has said anything.
        script = ("import contextlib, socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                  "with contextlib.suppress(OSError): s.sendall(sys.argv[2].encode() + b'\\n')\n"
                  "print(s.makefile().readline(), end='')")
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method})
        python = shutil.which("python3", path="/usr/bin:/bin") or self.skipTest("no python3 that all may run")
        process = self.as_nobody(f"--groups={','.join(groups)}" if groups else "--clear-groups", python, "-c", script,
                                 str(self.folder / "control.sock"), request)
        return json.loads(process.stdout) if process.stdout else process.stderr

    def with_roles(self, **roles):
        return self.configuration(control={"socket": str(self.folder / "control.sock"), "roles": roles})

    def test_by_default_nobody_but_root_can_connect(self):
        self.start(self.with_roles())
        self.assertEqual((self.folder / "control.sock").stat().st_mode & 0o777, 0o600)
        self.assertIn("PermissionError", self.ask_as_nobody("system.health"))

    def test_a_user_without_a_role_is_refused_and_recorded(self):
        self.start(self.with_roles(viewer={"users": ["4711"]}))
        answer = self.ask_as_nobody("system.health")
        self.assertEqual(answer["error"]["code"], REFUSED)
        self.assertIn("uid 65534 has no role", answer["error"]["message"])
        self.assertRegex(self.log.read_text(), r"control: uid 65534, pid \d+ \(.*python.*\): connect .*no role")

    def test_a_viewer_looks_and_changes_nothing(self):
        self.start(self.with_roles(viewer={"users": [str(NOBODY)]}))
        self.assertEqual(self.ask_as_nobody("system.health")["result"]["status"], "ok")
        for method in ("rules.load", "rules.rollback", "config.save", "system.shutdown"):
            self.assertEqual(self.ask_as_nobody(method)["error"]["code"], NOT_ALLOWED, method)
        self.assertRegex(self.log.read_text(), r"uid 65534, .*system.shutdown .*needs the role admin")
        self.assertIsNone(self.process.poll())
        self.assertEqual(self.connect().result("system.info")["config_version"], 1)

    def test_a_supplementary_group_gives_a_role(self):
        self.start(self.with_roles(operator={"groups": ["4712"]}))
        self.assertEqual(self.ask_as_nobody("rules.load", "4712")["result"]["new_version"], 2)
        self.assertEqual(self.ask_as_nobody("config.save", "4712")["error"]["code"], NOT_ALLOWED)
        self.assertEqual(self.ask_as_nobody("rules.load", "4713")["error"]["code"], REFUSED)

    def test_what_is_switched_off_stays_off(self):
        config = self.configuration(disabled_features=["rules.load", "config"])
        self.start(config)
        client = self.connect()
        enabled = {method["name"]: method["enabled"] for method in client.result("rpc.methods")["methods"]}
        self.assertEqual([name for name, on in enabled.items() if not on], ["rules.load", "config.get", "config.save"])
        for method in ("rules.load", "config.get", "config.save"):
            self.assertEqual(client.error(method)["code"], DISABLED)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "SIGHUP" in self.log.read_text(), "the signal")
        self.assertIn("SIGHUP: rules.load is switched off", self.log.read_text())
        self.assertEqual(client.result("system.info")["config_version"], 1)
        self.end_well()

    def test_features_cannot_be_switched_on_by_loading(self):
        self.start(self.configuration(disabled_features=["config"]))
        error = self.connect().error("rules.load", config=json.dumps(self.configuration()))
        self.assertEqual(error["code"], CONFIGURATION)
        self.assertEqual(error["data"]["errors"][0]["pointer"], "/disabled_features")


class Start(ControlTest):
    def refuse(self, config, *words, mode=None):
        path = self.write_config(config, "wrong.json")
        if mode is not None:
            path.chmod(mode)
        process = run_yagura("run", "--config", path, "--duration", "1s", *ONE_LCORE)
        self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
        for word in words:
            self.assertIn(word, process.stderr)

    def test_a_configuration_that_others_can_write_is_refused(self):
        for mode in (0o620, 0o602, 0o666):
            self.refuse(self.configuration(), "can write this file", f"chmod go-w {self.folder}/wrong.json", mode=mode)

    def test_roles_and_features_must_exist(self):
        socket_path = str(self.folder / "control.sock")
        self.refuse(self.configuration(control={"socket": socket_path, "roles": {"viewer": {"users": ["no-such-user"]}}}),
                    '/control/roles/viewer/users/0: there is no user "no-such-user"')
        self.refuse(self.configuration(control={"socket": socket_path, "roles": {"admin": {"groups": ["0", "no-such-group"]}}}),
                    '/control/roles/admin/groups/1: there is no group "no-such-group"')
        self.refuse(self.configuration(disabled_features=["rules", "rules.laod"]), "/disabled_features/1", 'did you mean "rules.load"?')
        self.assertFalse((self.folder / "control.sock").exists())

    def test_a_socket_that_is_served_is_refused_and_one_that_was_left_is_not(self):
        self.start()
        self.refuse(self.configuration(), "another yagura serves it")
        self.process.kill()
        self.process.wait()
        self.assertTrue((self.folder / "control.sock").exists())
        self.start()
        self.assertEqual(self.connect().result("system.health")["status"], "ok")
        self.end_well()

    def test_two_run_side_by_side(self):
        self.start()
        other = self.configuration(control={"socket": str(self.folder / "other.sock"), "roles": {"admin": {"users": [str(os.getuid())]}}},
                                   audit=self.audit_settings("other"))
        first = self.process
        self.start(other)
        with Connection(self.folder / "control.sock") as one, Connection(self.folder / "other.sock") as two:
            self.assertEqual(one.result("system.info")["pid"], first.pid)
            self.assertEqual(two.result("system.info")["pid"], self.process.pid)


class AuditRecords(ControlTest):
    """What stands in the audit log, and what may be done when nothing can be written to it."""

    def records(self, action):
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["action"] == action]

    def outcomes(self, asker):
        """How many are recorded one by one, each as not found, and how many more are said to be."""
        count = more = 0
        for record in self.records("response"):
            if found := re.fullmatch(r"(\d+) more outcomes; response.status has their sums", record["outcome"]):
                more += int(found[1])
            else:
                self.assertEqual(record["outcome"], "not_found")
                self.assertTrue(record["object"].endswith(f" > 10.9.9.8:80 by control {asker}"), record)
                count += 1
        return count, more

    def test_outcomes_have_their_asker_and_what_is_beyond_is_counted_without_another(self):
        self.start(self.configuration(response={"enabled": True}))
        client = self.connect()
        flows = [f"tcp 10.9.9.9:{port} > 10.9.9.8:80" for port in range(1, 1001)]
        asker = f'uid {os.getuid()} pid {os.getpid()} key "a b"'
        results = client.result("flows.reset", flows=flows, key="a b")["results"]
        self.assertEqual({result["outcome"] for result in results}, {"not_found"})
        self.wait_for(lambda: sum(self.outcomes(asker)) == 1000, "all outcomes")
        one_by_one, more = self.outcomes(asker)
        self.assertGreaterEqual(one_by_one, 200)
        self.assertGreater(more, 0)
        self.end_well()
        self.assertEqual(self.outcomes(asker), (one_by_one, more))

    def test_outcomes_that_are_not_counted_yet_are_at_the_end(self):
        self.start(self.configuration(response={"enabled": True}))
        self.connect().result("flows.shunt", flows=[f"tcp 10.9.9.9:{port} > 10.9.9.8:80" for port in range(1, 1001)], tool="t0")
        self.end_well()
        one_by_one, more = self.outcomes(f"uid {os.getuid()} pid {os.getpid()}")
        self.assertEqual(one_by_one + more, 1000)
        self.assertGreater(more, 0)

    def test_what_changes_nothing_is_counted_beyond_some(self):
        self.start()
        client = self.connect()
        for _ in range(500):
            client.error("no.such_method")
        self.end_well()
        one_by_one = len(self.records("no.such_method"))
        self.assertGreaterEqual(one_by_one, 100)
        more = [int(re.match(r"(\d+) more were refused or failed", record["outcome"])[1]) for record in self.records("requests")]
        self.assertGreater(sum(more), 0)
        self.assertEqual(one_by_one + sum(more), 500)

    def test_without_the_log_nothing_is_changed_and_all_else_is_done(self):
        self.start(self.configuration(response={"enabled": True}))
        client = self.connect()
        client.result("blocks.add", targets=["192.0.2.1"])
        log = self.folder / "audit.jsonl"
        log.rename(self.folder / "away")
        log.write_text("somebody else's\n")
        for method, params in (("response.enable", {}), ("blocks.add", {"targets": ["192.0.2.2"]}), ("rules.load", {}),
                               ("config.save", {})):
            with self.subTest(method):
                error = client.error(method, **params)
                self.assertEqual(error["code"], CONFLICT)
                self.assertIn("audit log cannot be written", error["message"])
        self.assertTrue(client.result("response.disable", reason="all")["why_not"])
        self.assertEqual(client.result("blocks.remove", targets=["192.0.2.1"])["blocks"], 0)
        flows = ["tcp 10.9.9.9:1 > 10.9.9.8:80"]
        self.assertEqual(client.result("flows.release", flows=flows)["results"][0]["outcome"], "not_found")
        self.assertEqual(client.result("rules.cancel")["cancelled"], 0)
        self.assertGreater(client.result("rules.check", config=self.config_path.read_text())["rules"], 0)
        self.assertIn("records", client.result("audit.tail"))
        self.assertEqual(client.result("system.health")["status"], "unaudited")
        log.unlink()
        self.assertIsNone(client.result("response.enable")["why_not"])
        log.unlink()
        log.write_text("again\n")
        self.assertTrue(client.result("system.shutdown")["ending"])
        self.process.communicate(timeout=DEADLINE_S)
        self.assertEqual(self.process.returncode, OK)


class Diagnostics(ControlTest):
    """What is said to stderr may get lost; nothing else comes of it."""

    def start_with_stderr(self, stderr, config=None):
        self.config_path = self.write_config(config or self.configuration(), "control.json")
        self.process = subprocess.Popen([yagura_e2e.yagura_path(), "run", "--config", str(self.config_path), *ONE_LCORE],
                                        stdout=subprocess.PIPE, stderr=stderr, text=True)
        self.addCleanup(self.process.stdout.close)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def works_well(self):
        def answers():
            self.assertIsNone(self.process.poll(), "it ended")
            try:
                with Connection(self.folder / "control.sock") as client:
                    return client.result("system.info")["config_version"] >= 1
            except OSError:
                return False

        self.wait_for(answers, "an answer")
        with Connection(self.folder / "control.sock") as client:
            # A refusal has a line of its own, and so has a change of the rules by a signal.
            self.assertEqual(client.error("no.such_method")["code"], NO_METHOD)
            before = client.result("system.info")["config_version"]
            self.write_config(self.configuration([{"id": 7, "filter": "udp", "forward": ["t0"]}]), "control.json")
            self.process.send_signal(signal.SIGHUP)
            self.wait_for(lambda: client.result("system.info")["config_version"] > before, "the rules")
        self.process.send_signal(signal.SIGTERM)
        stdout, _ = self.process.communicate(timeout=DEADLINE_S)
        self.assertIn("ledger: balanced", stdout)
        self.assertEqual(self.process.returncode, OK, stdout)

    def test_a_stderr_that_is_full(self):
        with open("/dev/full", "w") as full:
            self.start_with_stderr(full)
        self.works_well()

    def test_a_stderr_that_nobody_reads_any_more(self):
        reader, writer = os.pipe()
        os.close(reader)
        try:
            self.start_with_stderr(writer)
        finally:
            os.close(writer)
        self.works_well()

    def test_wrong_usage_has_its_status(self):
        with open("/dev/full", "w") as full:
            process = subprocess.run([yagura_e2e.yagura_path(), "run", "--config", "/no/such/file"], stderr=full,
                                     timeout=DEADLINE_S, check=False)
        self.assertEqual(process.returncode, USAGE)

    def test_a_hangup_while_it_starts_is_kept(self):
        # Patterns that take their time.
        patterns = [f"w{n:04x}.{{0,40}}[a-f]{{3,9}}{n:05d}" for n in range(3000)]
        rules = [{"id": n, "filter": "tcp", "payload": [pattern], "forward": ["t0"]} for n, pattern in enumerate(patterns, 1)]
        self.start_with_stderr(subprocess.DEVNULL, self.configuration(rules))
        status = Path(f"/proc/{self.process.pid}/status")
        self.wait_for(lambda: int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) & 1, "the handler")
        self.assertFalse((self.folder / "control.sock").exists())
        self.process.send_signal(signal.SIGHUP)
        self.works_well()


class Crowds(ControlTest):
    def latencies(self, client, calls):
        times = []
        for _ in range(calls):
            begin = time.monotonic()
            client.result("system.health")
            times.append(1000 * (time.monotonic() - begin))
        return times

    def test_a_thousand_clients_one_deaf_one_flooding_one_cut_off(self):
        most = 1000
        control = {"socket": str(self.folder / "control.sock"), "max_connections_per_user": most,
                   "roles": {"admin": {"users": [str(os.getuid())]}}}
        self.start(self.configuration(control=control))
        client = self.connect()
        deaf = self.connect()
        deaf.result("stats.subscribe", interval_ms=100)
        deaf.socket.setblocking(False)
        many = b"".join(json.dumps({"jsonrpc": "2.0", "id": n, "method": "stats.get"}).encode() + b"\n" for n in range(2000))
        try:
            while True:
                deaf.socket.send(many)
        except BlockingIOError:
            pass
        half = self.connect()
        half.send('{"jsonrpc": "2.0", "id": 1, "me')
        crowd = [self.connect() for _ in range(most - 4)]
        flood_end = threading.Event()

        def flood():
            request = b'{"jsonrpc": "2.0", "id": 1, "method": "rules.list"}\n' * 100
            with Connection(self.folder / "control.sock") as connection:
                connection.socket.settimeout(0.2)
                while not flood_end.is_set():
                    try:
                        connection.socket.sendall(request)
                        connection.socket.recv(1 << 20)
                    except (TimeoutError, OSError):
                        pass

        flooding = threading.Thread(target=flood)
        flooding.start()
        try:
            times = self.latencies(client, 100)
            for number, connection in enumerate(crowd):
                connection.request("system.health", number)
            for number, connection in enumerate(crowd):
                self.assertEqual(connection.line()["id"], number)
            # Root is not refused: the one that is silent for longest goes.
            is_root = os.getuid() == 0
            with self.connect() as one_too_many:
                if is_root:
                    one_too_many.result("system.health")
                self.assertEqual((half if is_root else one_too_many).line()["error"]["code"], REFUSED)
        finally:
            flood_end.set()
            flooding.join()
        times.sort()
        print(f"system.health with {most} clients, one deaf, one flooding: median {statistics.median(times):.1f} ms, "
              f"99 % {times[98]:.1f} ms")
        info = client.result("system.info")["control"]
        self.assertEqual(info["refused"], 0 if is_root else 1)
        self.assertGreater(info["missed_updates"], 0)
        for connection in [*crowd, deaf, half]:
            connection.close()
        self.wait_for(lambda: client.result("system.info")["control"]["connections"] == 1, "the others to be gone")
        self.end_well()

    def test_it_leaks_neither_memory_nor_descriptors(self):
        self.start()
        client = self.connect()
        config = self.config_path.read_text()

        def resident_kib():
            return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1])

        def round_of_use():
            for _ in range(20):
                with self.connect() as other:
                    for _ in range(20):
                        other.result("stats.get")
                    other.result("rules.load", config=config)
                    other.error("rules.load", config="x" * 1_000_000)

        for _ in range(3):
            round_of_use()
        alone = lambda: client.result("system.info")["control"]["connections"] == 1
        self.wait_for(alone, "the others to be gone")
        descriptors, before = len(os.listdir(f"/proc/{self.process.pid}/fd")), resident_kib()
        for _ in range(5):
            round_of_use()
        self.wait_for(alone, "the others to be gone")
        # The audit log's head is written to a file of its own now and then.
        self.wait_for(lambda: len(os.listdir(f"/proc/{self.process.pid}/fd")) <= descriptors, "descriptors to be given back")
        self.assertLess(resident_kib(), before + 8192)
        self.end_well()

    def test_a_subscriber_gets_updates_at_his_interval(self):
        self.start()
        client = self.connect()
        client.result("stats.subscribe", interval_ms=200)
        begin = time.monotonic()
        updates = [client.line() for _ in range(5)]
        self.assertGreater(time.monotonic() - begin, 0.7)
        self.assertEqual({update["method"] for update in updates}, {"stats"})
        received = [update["params"]["ports"]["in"]["received"]["packets"] for update in updates]
        self.assertEqual(received, sorted(received))
        self.assertEqual(updates[0]["params"]["missed"], 0)


class Reloads(ControlTest):
    def rules(self, tool):
        return [{"id": 1, "filter": "tcp", "forward": [tool]}]

    def test_rules_change_under_traffic_and_nothing_is_lost(self):
        self.start(self.configuration(self.rules("t0")))
        client = self.connect()
        for version in range(2, 42):
            tool = f"t{version % 2}"
            answer = client.result("rules.load", config=json.dumps(self.configuration(self.rules(tool))))
            self.assertEqual((answer["old_version"], answer["new_version"], answer["rules"]), (version - 1, version, 1))
            self.assertEqual((answer["packets_lost"], answer["flows_on_old"]), (0, 0))
            self.assertRegex(answer["taken_up"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            before = client.result("stats.get")["tools"][tool]["sent"]["packets"]
            self.wait_for(lambda: client.result("stats.get")["tools"][tool]["sent"]["packets"] > before, "packets for the tool")
        self.assertEqual(client.result("system.health")["lost"], 0)
        self.end_well()

    def test_a_version_comes_back_under_traffic(self):
        self.start(self.configuration(self.rules("t0")))
        client = self.connect()
        client.result("rules.load", config=json.dumps(self.configuration(self.rules("t1"))))
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: client.result("system.info")["config_version"] == 3, "the signal")
        first = client.result("rules.rollback", version=2)
        self.assertEqual((first["old_version"], first["new_version"], first["packets_lost"]), (3, 4, 0))
        self.assertEqual(client.result("rules.list")["rules"][0]["forward"], ["t1"])
        sent = client.result("stats.get")["tools"]["t1"]["sent"]["packets"]
        self.wait_for(lambda: client.result("stats.get")["tools"]["t1"]["sent"]["packets"] > sent, "packets for the tool")
        listed = client.result("rules.versions")
        self.assertEqual((listed["config_version"], listed["flows_on_old"]), (4, 0))
        me = {"uid": os.getuid(), "pid": os.getpid()}
        self.assertEqual([(entry["version"], entry["action"], entry["in_effect"], entry["kept"], entry.get("rolled_back_to"))
                          for entry in listed["versions"]],
                         [(4, "rules.rollback", True, True, 2), (3, "SIGHUP", False, True, None),
                          (2, "rules.load", False, True, None), (1, "start", False, True, None)])
        self.assertEqual([entry["by"] and {key: entry["by"][key] for key in me} for entry in listed["versions"]],
                         [me, None, me, None])
        # So many are kept, and no more.
        for version in range(5, 25):
            self.assertEqual(client.result("rules.rollback", version=version - 2)["new_version"], version)
        kept = [entry["version"] for entry in client.result("rules.versions")["versions"]]
        self.assertEqual(kept, list(range(24, 8, -1)))
        gone = client.error("rules.rollback", version=8)
        self.assertEqual((gone["code"], gone["data"]["field"]), (PARAMS, "params/version"))
        self.assertIn("9 to 24 are", gone["message"])
        self.assertEqual(client.error("rules.rollback", version=25)["code"], PARAMS)
        self.assertEqual(client.error("rules.rollback", version=24)["code"], CONFLICT)
        self.assertEqual(client.result("system.info")["config_version"], 24)
        self.assertEqual(client.result("system.health")["lost"], 0)
        self.end_well()

    def test_flows_that_go_on_under_the_old_rules_are_counted(self):
        # No packet has the pattern, and the same bytes come again and again: every flow stays open, and what exceeds
        # what is held of it is dropped as policy.
        rules = lambda tool: [{"id": 1, "payload": ["no such bytes"], "forward": [tool]}]
        device = "loop:flows=20,size=128"
        self.start(self.configuration(rules("t0"), device))
        client = self.connect()
        self.wait_for(lambda: client.result("stats.get")["inspected"] == 20, "the flows")
        answer = client.result("rules.load", config=json.dumps(self.configuration(rules("t1"), device)))
        self.assertEqual((answer["flows_on_old"], answer["packets_lost"]), (20, 0))
        self.assertEqual(client.result("rules.versions")["flows_on_old"], 20)
        self.assertEqual(client.result("stats.get")["flows_on_old"], 20)
        self.end_well()

    def test_the_socket_answers_while_a_large_set_is_compiled(self):
        self.start()
        client = self.connect()
        choose = random.Random(1)
        words = ["".join(choose.choices("abcdefghijklmnop", k=12)) for _ in range(6000)]
        rules = [{"id": number, "payload": [f"/{word}[0-9]+x/i"], "forward": ["t0"]} for number, word in enumerate(words, 1)]
        begin = time.monotonic()
        client.request("rules.load", number="load", config=json.dumps(self.configuration(rules)))
        client.request("system.health", number="health")
        self.assertEqual(client.line()["id"], "health")
        answered = time.monotonic() - begin
        self.assertEqual(client.line()["result"]["rules"], 6000)
        self.assertLess(answered, time.monotonic() - begin)
        # Long texts come in pieces, which are the whole together.
        text, cursor = "", 0
        while cursor is not None:
            piece = client.result("config.get", cursor=cursor, version=2)
            text, cursor = text + piece["config"], piece["next"]
        self.assertEqual(len(json.loads(text)["rules"]), 6000)
        self.end_well()

    def test_a_configuration_that_is_wrong_changes_nothing(self):
        self.start()
        client = self.connect()
        wrong = self.configuration([{"id": 1, "filter": "tcp prot 80", "forward": ["g"]}, {"id": 1, "forward": ["x"]}])
        for method in ("rules.check", "rules.load"):
            error = client.error(method, config=json.dumps(wrong))
            self.assertEqual((error["code"], error["data"]["field"]), (CONFIGURATION, "params/config"))
            self.assertEqual({fault["pointer"] for fault in error["data"]["errors"]}, {"/rules/0/filter", "/rules/1/id", "/rules/1/forward/0"})
        changes = {"/ports": {"ports": {**self.configuration()["ports"], "t2": {"role": "tool", "device": "loop:"}}},
                   "/inspect": {"inspect": {"flows": 1000}}, "/lcores": {"lcores": {"rx": [0], "select": [0], "tx": [0]}},
                   "/control": {"control": {"socket": "/tmp/x"}}, "/disabled_features": {"disabled_features": ["config"]},
                   "/response": {"response": {"kills": 5}}}
        for pointer, change in changes.items():
            error = client.error("rules.load", config=json.dumps(self.configuration(**change)))
            self.assertEqual([fault["pointer"] for fault in error["data"]["errors"]], [pointer])
        self.assertEqual(client.result("system.info")["config_version"], 1)
        self.end_well()

    def test_a_hangup_reads_the_file_again(self):
        self.start()
        client = self.connect()
        self.write_config(self.configuration(self.rules("t1") + [{"id": 2, "filter": "udp", "forward": ["t0"]}]), "control.json")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: client.result("system.info")["config_version"] == 2, "the new rules")
        self.assertIn("SIGHUP: version 2 of the configuration is in effect, 2 rules", self.log.read_text())
        self.write_config("{", "control.json")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "1 error" in self.log.read_text(), "the error")
        self.config_path.chmod(0o666)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: "chmod go-w" in self.log.read_text(), "the refusal")
        self.assertEqual(client.result("system.info")["config_version"], 2)
        self.end_well()

    def test_what_is_saved_is_what_runs(self):
        config = self.configuration(self.rules("t0"))
        self.start(config)
        self.config_path.chmod(0o640)
        client = self.connect()
        client.result("rules.load", config=json.dumps(self.configuration(self.rules("t1"))))
        saved = client.result("config.save")
        text = self.config_path.read_text()
        self.assertEqual(saved, {"file": str(self.config_path), "config_version": 2, "bytes": len(text)})
        self.assertEqual(text, client.result("config.get")["config"])
        self.assertEqual(json.loads(text)["rules"][0]["forward"], ["t1"])
        self.assertEqual(self.config_path.stat().st_mode & 0o777, 0o640)
        self.assertEqual([path.name for path in self.folder.glob("control.json*")], ["control.json"])
        self.assertEqual(run_yagura("check", "--config", self.config_path).returncode, OK)
        self.end_well()


class Compiling(ControlTest):
    """Patterns: compiled in a process of their own, kept on disk, given up."""

    def many(self, count, seed=1):
        choose = random.Random(seed)
        words = ["".join(choose.choices("abcdefghijklmnop", k=12)) for _ in range(count)]
        return [{"id": number, "payload": [f"/{word}[0-9]+x.*{word[::-1]}/i"], "forward": ["t0"]} for number, word in enumerate(words, 1)]

    def with_cache(self, rules=None, **settings):
        return self.configuration(rules, cache={"folder": str(self.folder / "cache"), **settings})

    def compilers(self):
        found = []
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found += (task / "children").read_text().split()
        return [int(pid) for pid in found]

    def begin_load(self, client):
        """A load that would take minutes; its process."""
        client.request("rules.load", number="load", config=json.dumps(self.with_cache(self.many(8000))))
        self.wait_for(self.compilers, "the process that compiles")
        return self.compilers()[0]

    def test_a_load_is_given_up(self):
        self.start(self.with_cache())
        client = self.connect()
        for _ in range(3):
            self.begin_load(client)
            client.request("rules.check", number="check", config=json.dumps(self.configuration(self.many(3))))
            client.request("rules.cancel", number="cancel")
            answers = {line["id"]: line for line in (client.line(), client.line(), client.line())}
            self.assertEqual(answers["cancel"]["result"], {"cancelled": 2})
            self.assertEqual({answers[name]["error"]["code"] for name in ("load", "check")}, {CONFLICT})
            self.assertIn("cancelled", answers["load"]["error"]["message"])
            self.assertEqual(self.compilers(), [])
        self.assertEqual(client.result("rules.cancel"), {"cancelled": 0})
        self.assertEqual(client.result("system.info")["config_version"], 1)
        answer = client.result("rules.load", config=json.dumps(self.with_cache(self.many(3))))
        self.assertEqual((answer["new_version"], answer["packets_lost"]), (2, 0))
        self.end_well()

    def test_the_end_does_not_wait_for_a_compiler(self):
        self.start(self.with_cache())
        child = self.begin_load(self.connect())
        self.end_well()
        self.assertFalse(Path(f"/proc/{child}").exists())

    def test_a_compiler_dies_with_its_parent(self):
        self.start(self.with_cache())
        child = self.begin_load(self.connect())
        self.process.kill()
        self.process.wait()
        self.wait_for(lambda: not Path(f"/proc/{child}").exists() or
                      "Z" in Path(f"/proc/{child}/stat").read_text().split(")")[-1].split()[0], "its end")

    def test_a_compiler_that_dies_fails_the_load_and_nothing_else(self):
        self.start(self.with_cache())
        client = self.connect()
        child = self.begin_load(client)
        self.wait_for(lambda: Path(f"/proc/{child}/oom_score_adj").read_text() == "1000\n", "its modesty")
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, child), 5)
        self.wait_for(lambda: re.search(r"CapEff:\s+0+\n", Path(f"/proc/{child}/status").read_text()), "the end of its capabilities")
        self.assertEqual(sorted(map(int, os.listdir(f"/proc/{child}/fd"))), [0, 1, 2])
        # It is at it, and not only about to begin.
        ticks = lambda: sum(map(int, Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        self.wait_for(lambda: ticks() > os.sysconf("SC_CLK_TCK") // 2, "its work")
        os.kill(child, signal.SIGKILL)
        error = client.line()["error"]
        self.assertEqual(error["code"], CONFIGURATION)
        self.assertIn("signal 9", error["message"])
        self.assertEqual(client.result("system.info")["config_version"], 1)
        self.end_well()

    def test_what_was_compiled_once_is_not_again(self):
        rules = self.many(40)
        text = json.dumps(self.with_cache(rules))
        cache = self.folder / "cache"
        self.start(self.with_cache())
        client = self.connect()
        self.assertEqual(client.result("system.info")["cache"], str(cache))
        first = client.result("rules.load", config=text)
        self.assertEqual((first["cached"], first["databases"]), (False, 2))
        second = client.result("rules.load", config=text)
        self.assertEqual((second["cached"], second["databases"], second["packets_lost"]), (True, 2, 0))
        # Other rules around the same patterns.
        other = json.dumps(self.with_cache([{"id": 1000, "filter": "udp", "drop": True}, *rules]))
        self.assertTrue(client.result("rules.check", config=other)["cached"])
        self.assertFalse(client.result("rules.check", config=json.dumps(self.with_cache(self.many(40, seed=2))))["cached"])
        client.result("rules.load", config=json.dumps(self.with_cache()))
        self.assertTrue(client.result("rules.rollback", version=2)["cached"])
        self.end_well()
        # Start, check and replay find them too.
        before = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
        self.start(self.with_cache(rules))
        used = {path for path, time_ns in before.items() if path.stat().st_mtime_ns != time_ns}
        self.assertEqual(len(used), 2)
        self.assertEqual(set(cache.iterdir()), set(before))
        self.assertEqual(self.connect().result("rules.list")["count"], 40)
        self.end_well()
        self.assertEqual(run_yagura("check", "--config", self.config_path).returncode, OK)
        self.assertEqual(set(cache.iterdir()), set(before))
        # Damaged: said, made anew, and good the next time.
        victim = sorted(used)[0]
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
        self.start(self.with_cache())
        client = self.connect()
        self.assertFalse(client.result("rules.load", config=text)["cached"])
        self.assertRegex(self.log.read_text(), re.escape(str(victim)) + " cannot be used, and is made anew: it is damaged")
        self.assertTrue(client.result("rules.load", config=text)["cached"])
        self.end_well()

    def test_a_folder_that_others_can_write_is_not_used(self):
        cache = self.folder / "cache"
        cache.mkdir(mode=0o700)
        cache.chmod(0o770)
        self.start(self.with_cache(self.many(3)))
        self.assertRegex(self.log.read_text(), r"compiled patterns are not kept: .*/cache: .*\(chmod go-w\)")
        client = self.connect()
        self.assertIsNone(client.result("system.info")["cache"])
        self.assertFalse(client.result("rules.load", config=json.dumps(self.with_cache(self.many(3))))["cached"])
        self.assertEqual(list(cache.iterdir()), [])
        self.end_well()

    def test_the_command_is_yaguras_own(self):
        process = run_yagura("compile-patterns")
        self.assertEqual(process.returncode, USAGE)
        self.assertIn("yagura's own", process.stderr)


class Telemetry(ControlTest):
    """DPDK's telemetry, as dpdk-telemetry.py speaks it."""

    def start(self, *arguments, **options):
        with mock.patch.dict(os.environ, {"RUNTIME_DIRECTORY": str(self.folder)}):
            return super().start(*arguments, **options)

    def sockets(self):
        return sorted(self.folder.glob("dpdk/yagura/dpdk_telemetry.v2*"))

    def dial(self, path=None):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(connection.close)
        connection.settimeout(DEADLINE_S)
        connection.connect(str(path or self.sockets()[0]))
        self.greeting = json.loads(connection.recv(1024))
        return connection

    def ask(self, connection, command):
        connection.send(command if isinstance(command, bytes) else command.encode())
        answer = json.loads(connection.recv(self.greeting["max_output_len"]))
        self.assertEqual(len(answer), 1)
        return next(iter(answer.values()))

    def wait_for_answer(self, connection):
        """The first copy is left by the first turn of the control thread."""
        self.wait_for(lambda: self.ask(connection, "/yagura/info") is not None, "the first copy")

    def test_every_command_with_nothing_something_good_and_junk(self):
        self.start()
        connection = self.dial()
        self.assertEqual(self.greeting["pid"], self.process.pid)
        self.wait_for_answer(connection)
        commands = [command for command in self.ask(connection, "/") if command.startswith("/yagura")]
        page = (ROOT / "docs/telemetry.md").read_text()
        self.assertEqual(sorted(re.findall(r"^\| `(/yagura/\w+)` \|", page, flags=re.MULTILINE)), sorted(commands))
        good = {"/yagura/port": "in", "/yagura/tool": "t1", "/yagura/rule": "1", "/yagura/lcore": "0", "/yagura/ports": "1",
                "/yagura/tools": "1", "/yagura/rules": "0", "/yagura/lcores": "1"}
        for command in commands:
            with self.subTest(command=command):
                needs_name = command in ("/yagura/port", "/yagura/tool", "/yagura/rule", "/yagura/lcore")
                alone = self.ask(connection, command)
                self.assertEqual(alone is None, needs_name)
                if command in good:
                    self.assertIsInstance(self.ask(connection, f"{command},{good[command]}"), (dict, list))
                for junk in ("x", "-1", "1.5", "99999999999999999999", "4711", " 1", "1 ", "1,2", "in/../in", "%s%n", "A" * 900):
                    self.assertIsNone(self.ask(connection, f"{command},{junk}"), junk)
                self.assertIsNone(self.ask(connection, command.encode() + b",\xff\xfe"))
        self.assertIsNone(self.ask(connection, "/yagura/none"))
        self.assertEqual(self.ask(connection, "/yagura/tools"), ["t0", "t1"])
        self.assertEqual(self.ask(connection, "/yagura/tools,1"), ["t1"])
        self.assertEqual(self.ask(connection, "/yagura/tools,2"), [])
        # Who goes without reading ends nobody.
        for _ in range(20):
            with self.dial() as rude:
                rude.send(b"/yagura/stats")
        self.assertEqual(self.connect().result("system.health")["status"], "ok")
        self.end_well()
        self.assertEqual(self.sockets(), [])

    def test_it_counts_what_the_control_socket_counts(self):
        rules = [{"id": 5, "filter": "tcp port 80", "forward": ["g"]}]
        self.start(self.configuration(rules))
        connection, client = self.dial(), self.connect()
        self.wait_for_answer(connection)
        before = client.result("stats.get")
        at_least = before["ports"]["in"]["received"]["packets"]
        self.wait_for(lambda: self.ask(connection, "/yagura/port,in")["received_packets"] > at_least, "a newer copy")
        port = self.ask(connection, "/yagura/port,in")
        tools = {name: self.ask(connection, f"/yagura/tool,{name}") for name in ("t0", "t1")}
        rule, stats = self.ask(connection, "/yagura/rule,5"), self.ask(connection, "/yagura/stats")
        lcore = self.ask(connection, "/yagura/lcore,0")
        after = client.result("stats.get")

        def between(low, value, high):
            self.assertLessEqual(low, value)
            self.assertLessEqual(value, high)

        for count in ("packets", "bytes"):
            between(before["ports"]["in"]["received"][count], port[f"received_{count}"], after["ports"]["in"]["received"][count])
            for name, tool in tools.items():
                between(before["tools"][name]["sent"][count], tool[f"sent_{count}"], after["tools"][name]["sent"][count])
        between(before["threads"][0]["busy_turns"], lcore["busy_turns"], after["threads"][0]["busy_turns"])
        between(0, rule["packets"], client.result("rules.list")["rules"][0]["packets"])
        self.assertEqual((rule["id"], rule["flows"], port["name"]), (5, 100, "in"))
        self.assertEqual((stats["flows"], stats["lost"], stats["config_version"]), (after["flows"], 0, 1))
        self.assertEqual(stats["exhausted_let_go"], 0)
        self.assertEqual(self.ask(connection, "/yagura/health")["status"], "ok")
        # After a change of the rules there are others.
        many = [{"id": number, "filter": "tcp", "forward": ["t0"]} for number in range(1, 1202)]
        client.result("rules.load", config=json.dumps(self.configuration(many)))
        self.wait_for(lambda: self.ask(connection, "/yagura/info")["config_version"] == 2, "a newer copy")
        self.assertIsNone(self.ask(connection, "/yagura/rule,1202"))
        got = []
        while page := self.ask(connection, f"/yagura/rules,{len(got)}"):
            got += page
        self.assertEqual(got, list(range(1, 1202)))
        self.end_well()

    def test_it_is_its_users_alone_or_not_there(self):
        self.start()
        for folder in ("dpdk", "dpdk/yagura"):
            self.assertEqual((self.folder / folder).stat().st_mode & 0o777, 0o700)
        first = self.process
        other = self.configuration(control={"socket": str(self.folder / "other.sock")}, audit=self.audit_settings("other"))
        self.start(other)
        pids = []
        for path in self.sockets():
            self.dial(path)
            pids.append(self.greeting["pid"])
        self.assertEqual(sorted(pids), sorted([first.pid, self.process.pid]))
        self.end_well()
        self.process = first
        self.end_well()
        self.start(self.configuration(disabled_features=["telemetry"]))
        self.assertEqual(self.sockets(), [])
        self.end_well()
        (self.folder / "dpdk/yagura").chmod(0o750)
        self.start()
        self.assertRegex(self.log.read_text(), r"note: no DPDK telemetry: .*/dpdk/yagura is not this user's alone")
        self.assertEqual(self.sockets(), [])
        self.end_well()


if __name__ == "__main__":
    unittest.main()
