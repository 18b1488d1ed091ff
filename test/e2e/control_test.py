#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A live yagura and its control socket: every method with nothing, something good and junk; rights; clients that misbehave;
rules that change under traffic."""

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

import yagura_e2e
from yagura_e2e import LOSS, OK, USAGE, run_yagura

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
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(str(path))
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
                 "control": {"socket": str(self.folder / "control.sock"), "roles": {"admin": {"users": [str(os.getuid())]}}}}
        value.update(more)
        return value

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

    def end_well(self):
        """By signal; the ledger must be balanced, and nothing lost."""
        self.process.send_signal(signal.SIGTERM)
        stdout, _ = self.process.communicate(timeout=DEADLINE_S)
        text = stdout + self.log.read_text()
        self.assertEqual(self.process.returncode, OK, text)
        self.assertIn("ledger: balanced, lost: 0", stdout)
        return stdout


class Methods(ControlTest):
    # Of each method, parameters that are right and ones that are not with the field at fault.
    GOOD = {"stats.subscribe": [{"interval_ms": 100}, {"interval_ms": 3_600_000}],
            "ports.list": [{"limit": 1}, {"cursor": 1, "limit": 1000}, {"cursor": 1 << 63}],
            "rules.list": [{"limit": 1}, {"cursor": 1}], "config.get": [{"cursor": 10}],
            "rules.check": [{"config": "CONFIG"}], "rules.load": [{"config": "CONFIG"}]}
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
            else:
                values = [1, None, "true", [], {}]
            for value in values:
                yield {name: value}, f"params/{name}"
        yield {"no_such_thing": 1}, "params/no_such_thing"

    def test_every_method_with_nothing_something_good_and_junk(self):
        self.start()
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
                    params = {key: config if value == "CONFIG" else value for key, value in good.items()}
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
        for name, text in sections.items():
            with self.subTest(method=name):
                self.assertEqual(re.search(r"Right: `(\w+)`", text)[1], methods[name]["right"])
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
                last = b'{"jsonrpc": "2.0", "method": "stats.unsubscribe"}'
                client.send(b"\n".join([request() for _ in range(200)] + [last]))
                client.socket.shutdown(socket.SHUT_WR)
                reader.join(DEADLINE_S)
                self.assertFalse(reader.is_alive(), f"YAGURA_SEED={seed}")
        with self.connect() as client:
            info = client.result("system.info")
            self.assertGreater(info["control"]["requests"], 5000)
            self.assertGreater(info["control"]["errors"], 1000)
        self.assertIsNone(self.process.poll(), self.log.read_text())
        self.end_well()


if __name__ == "__main__":
    unittest.main()
