#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tools that are switched for others, and tools that go down, with a live yagura."""

import json
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

import capture_files
import control_test
import namespaces_test
import yagura_e2e
import yaguractl_test
from run_summary import Summary
from yagura_e2e import LOSS, OK

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import netns
import tcp_sessions

REFUSED, PARAMS, CONFLICT = 1, -32602, -32005
WEB = 80


class Switch(yaguractl_test.YaguractlTest):
    """Three tools, of which two balance a group."""

    def setUp(self):
        super().setUp()
        loop = {"role": "tool", "device": "loop:"}
        self.config = self.configuration()
        self.config["ports"] = {"in": {"role": "network", "device": "loop:flows=100,size=128"},
                                "t0": loop, "t1": loop, "t2": loop, "t3": loop}

    def counts(self, client):
        tools = client.result("stats.get")["tools"]
        return {name: tool["offered"]["packets"] for name, tool in tools.items()}

    def moving(self, client):
        """The tools that get something now."""
        before = self.counts(client)
        network = lambda: client.result("stats.get")["ports"]["in"]["received"]["packets"]
        begin = network()
        # Each flow has come again, several times, after all that was in flight.
        self.wait_for(lambda: network() > begin + 20_000, "packets")
        after = self.counts(client)
        return {name for name in before if after[name] != before[name]}

    def settle(self, client, expected):
        self.wait_for(lambda: self.moving(client) == expected, f"{expected} to get something, and nobody else")

    def test_a_tool_takes_the_flows_of_another(self):
        self.start(self.config)
        client = self.connect()
        self.assertEqual(self.moving(client), {"t0", "t1"})
        flows = self.owners(client)
        answer = client.result("tools.switch", **{"from": "t0", "to": "t2"})
        self.assertEqual((answer["old_version"], answer["new_version"], answer["groups"], answer["rules"],
                          answer["packets_lost"], answer["mirror_ends"], answer["ended_mirror"]),
                         (1, 2, ["g"], [], 0, None, None))
        self.settle(client, {"t1", "t2"})
        now = self.owners(client)
        self.assertEqual(now, {flow: "t2" if owner == "t0" else owner for flow, owner in flows.items()})
        self.assertEqual(json.loads(client.result("config.get")["config"])["tool_groups"],
                         {"g": {"members": [{"tool": "t2", "as": "t0"}, "t1"], "mode": "balance"}})
        groups = {tool["name"]: tool["groups"] for tool in client.result("tools.list")["tools"]}
        self.assertEqual(groups, {"t0": [], "t1": [{"name": "g", "mode": "balance"}],
                                  "t2": [{"name": "g", "mode": "balance"}], "t3": []})
        version = client.result("rules.versions")["versions"][0]
        self.assertEqual((version["version"], version["action"]), (2, "tools.switch"))
        # It is a version like any other.
        client.result("rules.rollback", version=1)
        self.settle(client, {"t0", "t1"})
        self.assertEqual(self.owners(client), flows)
        client.result("tools.switch", **{"from": "t0", "to": "t3"})
        client.result("tools.switch", **{"from": "t3", "to": "t0"})
        self.assertEqual(json.loads(client.result("config.get")["config"])["tool_groups"],
                         {"g": {"members": ["t0", "t1"], "mode": "balance"}})
        self.settle(client, {"t0", "t1"})
        self.assertEqual(self.owners(client), flows)
        self.end_well()

    def owners(self, client):
        """Of each flow the one tool that gets it."""
        while True:
            flows = client.result("flows.list", limit=1000)["flows"]
            if all("tools" in flow for flow in flows) and len(flows) == 100:
                return {flow["flow"]: " ".join(flow["tools"]) for flow in flows}
            time.sleep(0.02)

    def test_what_is_shed_as_it_should_be_is_no_loss(self):
        self.config["ports"]["t0"] = {"role": "tool", "device": "loop:", "rate": "1Mbps", "queue": {"time": "10ms"}}
        self.start(self.config)
        client = self.connect()
        self.wait_for(lambda: client.result("system.health")["shed_lately"] > 0, "a tool that sheds")
        health = client.result("system.health")
        self.assertGreaterEqual(health["lost"], health["shed_lately"])
        self.assertEqual((health["status"], health["lost_lately"], health["reasons"]), ("ok", 0, []))
        self.process.kill()
        self.process.wait()

    def test_a_capture_file_that_cannot_be_written_any_more_is_down(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        disk = self.folder / "disk"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        self.config["ports"]["t0"] = {"role": "tool", "device": f"pcap:{disk}/t0.pcap"}
        self.start(self.config)
        client = self.connect()
        self.wait_for(lambda: client.result("system.health")["down_tools"] == ["t0"], "a full disk")
        tools = {tool["name"]: tool for tool in client.result("tools.list")["tools"]}
        self.assertEqual((tools["t0"]["up"], tools["t0"]["stand_ins"], tools["t1"]["stands_in_for"]), (False, ["t1"], ["t0"]))
        self.settle(client, {"t1"})
        self.process.kill()
        self.process.wait()

    def test_it_is_saved(self):
        self.config["rules"].append({"id": 2, "filter": "tcp", "forward": ["t0"]})
        self.start(self.config)
        client = self.connect()
        answer = client.result("tools.switch", **{"from": "t0", "to": "t2"})
        self.assertEqual((answer["groups"], answer["rules"]), (["g"], [2]))
        client.result("config.save")
        saved = json.loads(self.config_path.read_text())
        self.assertEqual(saved["rules"][1]["forward"], ["t2"])
        self.end_well()
        self.start(saved)
        self.assertEqual(self.moving(self.connect()), {"t1", "t2"})
        self.end_well()

    def test_both_have_the_same_for_a_time(self):
        self.start(self.config)
        client = self.connect()
        begin = time.monotonic()
        answer = client.result("tools.switch", **{"from": "t0", "to": "t2"}, mirror="2s")
        self.assertRegex(answer["mirror_ends"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        tools = {tool["name"]: tool for tool in client.result("tools.list")["tools"]}
        self.assertEqual(tools["t0"]["mirrors"], {"tool": "t2", "ends": answer["mirror_ends"]})
        error = client.error("ports.remove", name="t0")
        self.assertEqual(error["code"], CONFLICT)
        self.assertIn("until its mirror ends", error["message"])
        self.assertNotIn("mirrors", tools["t2"])
        self.assertEqual({flow for flow in self.owners(client).values()}, {"t0 t2", "t1"})
        # The configuration knows nothing of it.
        self.assertEqual(json.loads(client.result("config.get")["config"])["tool_groups"]["g"]["members"],
                         [{"tool": "t2", "as": "t0"}, "t1"])
        self.wait_for(lambda: "t0 to t2: the mirror has ended: t2 has what was t0's alone" in self.log.read_text(), "its end")
        self.assertGreaterEqual(time.monotonic() - begin, 2)
        self.settle(client, {"t1", "t2"})
        self.assertEqual(client.result("system.info")["config_version"], 2)
        self.assertEqual({flow for flow in self.owners(client).values()}, {"t2", "t1"})
        ends = [record for record in client.result("audit.tail", count=50)["records"]
                if record["action"] == "tools.switch" and "ended" in record["outcome"]]
        self.assertEqual([(end["object"], end["program"]) for end in ends], [("t0 to t2", "yagura")])
        self.end_well()

    def test_whatever_else_comes_into_effect_ends_a_mirror(self):
        self.start(self.config)
        client = self.connect()
        switch = {"from": "t0", "to": "t2", "mirror": "1h"}
        # A way back.
        client.result("tools.switch", **switch)
        back = client.result("tools.switch", **{"from": "t2", "to": "t0"})
        self.assertEqual(back["ended_mirror"], {"from": "t0", "to": "t2"})
        self.settle(client, {"t0", "t1"})
        # A load.
        client.result("tools.switch", **switch)
        client.result("rules.load")
        self.wait_for(lambda: "the mirror has ended: version 5 is in effect" in self.log.read_text(), "its end")
        self.settle(client, {"t0", "t1"})
        # The same again sets its end.
        client.result("tools.switch", **switch)
        again = client.result("tools.switch", **switch)
        self.assertEqual((again["old_version"], again["new_version"], again["groups"]), (6, 6, []))
        self.assertEqual(self.moving(client), {"t0", "t1", "t2"})
        client.result("tools.switch", **{"from": "t0", "to": "t2"})
        self.settle(client, {"t1", "t2"})
        # And the end of the run.
        client.result("tools.switch", **{"from": "t2", "to": "t3", "mirror": "1h"})
        self.end_well()

    def test_what_cannot_be_is_refused(self):
        self.start(self.config)
        client = self.connect()
        for code, field, params in (
                (PARAMS, "params/from", {"from": "t9", "to": "t2"}),
                (PARAMS, "params/to", {"from": "t0", "to": "in"}),
                (PARAMS, "params/to", {"from": "t0", "to": "g"}),
                (PARAMS, "params/mirror", {"from": "t0", "to": "t2", "mirror": "soon"}),
                (PARAMS, "params/mirror", {"from": "t0", "to": "t2", "mirror": "25h"}),
                (PARAMS, "params/mirror", {"from": "t0", "to": "t2", "mirror": "0s"}),
                (CONFLICT, None, {"from": "t0", "to": "t0"}),
                (CONFLICT, None, {"from": "t0", "to": "t1"}),
                (CONFLICT, None, {"from": "t2", "to": "t0"})):
            with self.subTest(params=params):
                error = client.error("tools.switch", **params)
                self.assertEqual((error["code"], error.get("data", {}).get("field")), (code, field), error)
        self.assertIn("t0, t1, t2, t3", client.error("tools.switch", **{"from": "t9", "to": "t2"})["message"])
        self.assertEqual(client.result("system.info")["config_version"], 1)
        self.end_well()

    def test_a_person_does_it(self):
        self.start(self.config)
        listed = self.ctl_well("tools")
        self.assertRegex(listed, r"t0 +loop: +up +g \(balance\)")
        said = self.ctl_well("tools", "switch", "t0", "t2", "--mirror", "1h")
        self.assertRegex(said, r"^version 2 is in effect instead of 1, taken up in [\d.]+ ms: "
                               r"t2 has the place of t0 \(groups: g\)\nt0 gets the same until \S+Z;")
        self.assertRegex(self.ctl_well("tools"), r"t0 +loop: +up, mirrors t2 until \S+Z +- ")
        self.assertIn("version 2 is in effect as it was", self.ctl_well("tools", "switch", "t0", "t2"))
        self.assertIn("the mirror", self.ctl_well("tools", "switch", "t2", "t0", "--mirror", "1h") +
                      self.ctl_well("tools", "switch", "t0", "t2"))
        refused = self.ctl("tools", "switch", "t9", "t2")
        self.assertEqual(refused.returncode, REFUSED)
        self.assertIn('there is no tool port "t9"', refused.stderr)
        self.assertEqual(json.loads(self.ctl_well("--json", "tools"))[0]["up"], True)
        self.end_well()


class Down(namespaces_test.NamespaceTest):
    """Two hosts that talk; tools behind cables, each with a capture."""

    @classmethod
    def setUpClass(cls):
        netns.require()

    def start_tools(self, group, devices, rules=None):
        ports = {"lan": {"role": "network", "device": self.NETWORK}}
        ports.update({name: {"role": "tool", "device": device} for name, device in devices.items()})
        config = {"ports": ports, "tool_groups": {"g": group},
                  "rules": rules or [{"id": 1, "filter": f"tcp port {WEB}", "forward": ["g"]}],
                  "control": {"socket": str(self.folder / "control.sock")},
                  "audit": {"file": str(self.folder / "audit.jsonl"), "key": str(self.folder / "audit.key"),
                            "head": {"file": str(self.folder / "audit.head")}}}
        yagura = self.net.box.start(yagura_e2e.yagura_path(), "run", "--config", self.write_config(config, "tools.json"),
                                    *namespaces_test.ONE_LCORE)
        yagura.wait_for("network ports")
        connection = control_test.Connection(self.folder / "control.sock")
        self.addCleanup(connection.close)
        return yagura, connection

    def cables(self, *names):
        for name in names:
            netns.connect(self.net.box, name, self.net.tool, f"far-{name}", 65535)

    def tools(self, client):
        return {tool["name"]: tool for tool in client.result("tools.list")["tools"]}

    def captures(self, *names):
        found = {}
        for name in names:
            path = self.folder / f"{name}.pcap"
            found[name] = (path, self.net.tool.start("tcpdump", "-i", f"far-{name}", "-w", path, "-U", "-s", 0, "-B", 65536,
                                                     "-Z", "root", "--nano"))
            found[name][1].wait_for("listening on")
        return found

    def frames(self, captures):
        """What each has, as a list of frames."""
        time.sleep(1)
        got = {}
        for name, (path, tcpdump) in captures.items():
            tcpdump.stop(2)
            got[name] = [bytes(record.data) for record in capture_files.parse_capture(path.read_bytes()).records]
        return got

    def test_flows_of_a_cable_that_is_pulled_go_to_the_others_and_come_back(self):
        self.make()
        self.cables("t0", "t1")
        yagura, client = self.start_tools({"members": ["t0", "t1"], "mode": "balance"},
                                          {name: f"net_af_packet{i + 1},iface={name}" for i, name in enumerate(("t0", "t1"))})
        self.net.box.ip("link", "set", "dev", "t0", "down")
        yagura.wait_for('tool "t0" is down: its flows go to t1')
        tools = self.tools(client)
        self.assertEqual([(name, tools[name]["up"], tools[name]["stand_ins"], tools[name]["stands_in_for"])
                          for name in ("t0", "t1")], [("t0", False, ["t1"], []), ("t1", True, [], ["t0"])])
        health = client.result("system.health")
        self.assertEqual((health["status"], health["down_tools"]), ("degraded", ["t0"]))
        self.assertIn("tool t0 is down: its flows go to t1", health["reasons"])
        captures = self.captures("t1")
        talks = [self.talk(WEB, request=100_000).finish() for _ in range(6)]
        alone = self.frames(captures)["t1"]
        self.assertEqual(len(alone), len(set(alone)), "a frame came twice")
        sessions = tcp_sessions.read(capture_files.parse_capture(captures["t1"][0].read_bytes()).records)
        for talk in talks:
            self.assertTrue(sessions.holds(talk.data("client")) and sessions.holds(talk.data("server")), sessions)
        # Both ends of a cable are up only with both.
        self.net.box.ip("link", "set", "dev", "t0", "up")
        yagura.wait_for('tool "t0" is up again')
        self.assertEqual(client.result("system.health")["down_tools"], [])
        captures = self.captures("t0", "t1")
        for _ in range(12):
            self.talk(WEB, request=20_000).finish()
        both = self.frames(captures)
        self.assertTrue(both["t0"] and both["t1"], {name: len(frames) for name, frames in both.items()})
        every = both["t0"] + both["t1"]
        self.assertEqual(len(every), len(set(every)), "a frame came to both")
        records = client.result("audit.tail", count=100)["records"]
        self.assertEqual({(record["action"], record["object"]) for record in records if record["action"].startswith("tool.")},
                         {("tool.down", "t0"), ("tool.up", "t0")})
        self.stop(yagura)

    def test_health_knows_a_network_port_whose_cable_is_pulled(self):
        self.make()
        self.cables("t0")
        yagura, client = self.start_tools({"members": ["t0"], "mode": "balance"}, {"t0": "net_af_packet1,iface=t0"})
        health = client.result("system.health")
        self.assertEqual((health["status"], health["down_ports"]), ("ok", []))
        device = self.NETWORK.partition("iface=")[2].partition(",")[0]
        self.net.box.ip("link", "set", "dev", device, "down")
        netns.wait_until(lambda: client.result("system.health")["down_ports"] == ["lan"])
        health = client.result("system.health")
        self.assertEqual((health["status"], health["reasons"]), ("degraded", ["network port lan is down: nothing is received by it"]))
        self.net.box.ip("link", "set", "dev", device, "up")
        netns.wait_until(lambda: client.result("system.health")["status"] == "ok")
        self.stop(yagura)

    def test_a_flow_moves_in_the_midst_and_back_and_nothing_is_doubled(self):
        self.make()
        self.cables("t0", "t1")
        yagura, client = self.start_tools({"members": ["t0"], "standby": ["t1"]},
                                          {name: f"net_af_packet{i + 1},iface={name}" for i, name in enumerate(("t0", "t1"))})
        captures = self.captures("t0", "t1")
        gate = self.folder / "gate"
        talk = self.talk(WEB, request=4 << 20, pause=0.01, gate=gate)
        talk.client.wait_for("sent 1966080")
        time.sleep(0.5)
        # The far end: nobody has shut the tool's own interface.
        self.net.tool.ip("link", "set", "dev", "far-t0", "down")
        yagura.wait_for('tool "t0" is down: its flows go to t1')
        gate.touch()
        talk.finish()
        after = self.talk(WEB).finish()
        self.net.tool.ip("link", "set", "dev", "far-t0", "up")
        yagura.wait_for('tool "t0" is up again: its own flows are back')
        last = self.talk(WEB).finish()
        got = self.frames(captures)
        every = got["t0"] + got["t1"]
        self.assertEqual(len(every), len(set(every)), "a frame came twice")
        read = {name: tcp_sessions.read(capture_files.parse_capture(path.read_bytes()).records)
                for name, (path, _) in captures.items()}
        self.assertTrue(read["t1"].holds(after.data("client")), read["t1"])
        self.assertFalse(read["t1"].holds(last.data("client")), read["t1"])
        self.stop(yagura)

    def test_an_interface_that_is_deleted_has_its_standby_and_nobody_has_no_loss(self):
        self.make()
        self.cables("t0", "t1")
        out = self.folder / "out.pcap"
        yagura, client = self.start_tools({"members": ["t0"], "standby": ["t1"], "mode": "balance"},
                                          {"t0": "net_af_packet1,iface=t0", "t1": f"pcap:{out}"})
        self.net.box.ip("link", "del", "dev", "t0")
        yagura.wait_for('tool "t0" is down: its flows go to t1')
        talk = self.talk(WEB).finish()
        time.sleep(0.5)
        self.stop(yagura, OK)
        frames = tcp_sessions.read(capture_files.parse_capture(out.read_bytes()).records)
        self.check_sessions(frames, [talk])

    def test_nobody_stands_in(self):
        self.make()
        self.cables("t0")
        yagura, client = self.start_tools({"members": ["t0"]}, {"t0": "net_af_packet1,iface=t0"})
        self.net.box.ip("link", "set", "dev", "t0", "down")
        yagura.wait_for('tool "t0" is down: nobody stands in for it: what it would get is shed')
        self.talk(WEB).finish()
        summary = self.stop(yagura, LOSS)
        self.assertEqual(summary.lost, summary.rows["tool_down"][0], yagura.describe())

    def test_a_tap_of_the_kernel(self):
        self.make()
        out = self.folder / "out.pcap"
        yagura, client = self.start_tools({"members": ["t0"], "standby": ["t1"], "mode": "balance"},
                                          {"t0": "net_tap1,iface=tapt", "t1": f"pcap:{out}"})
        self.net.box.ip("link", "set", "dev", "tapt", "down")
        yagura.wait_for('tool "t0" is down: its flows go to t1')
        talk = self.talk(WEB).finish()
        self.net.box.ip("link", "set", "dev", "tapt", "up")
        yagura.wait_for('tool "t0" is up again')
        self.assertTrue(self.tools(client)["t0"]["up"])
        self.stop(yagura)
        self.check_sessions(tcp_sessions.read(capture_files.parse_capture(out.read_bytes()).records), [talk])

    def test_nobody_at_a_vhost_user_socket(self):
        needed = 1200
        if netns.free_hugepages_mib() < needed:
            self.skipTest(f"{needed} MiB of hugepages are not free: vhost-user shares memory between processes")
        self.make()
        path, out, away = self.folder / "vhost.sock", self.folder / "out.pcap", self.folder / "away.pcap"
        yagura, client = self.start_tools({"members": ["t0"], "standby": ["t1"], "mode": "balance"},
                                          {"t0": f"net_vhost0,iface={path}", "t1": f"pcap:{away}"})
        yagura.wait_for('tool "t0" is down: its flows go to t1')
        before = self.talk(WEB, request=100_000).finish()
        tool = self.start_yagura(f"net_virtio_user0,path={path},queue_size=1024", f"pcap:{out}", space=self.net.tool,
                                 rules=[{"id": 1, "forward": ["ids"]}], name="tool.json")
        yagura.wait_for('tool "t0" is up again')
        during = self.talk(WEB, **namespaces_test.OtherDevicesTest.SLOW).finish()
        time.sleep(0.5)
        self.stop(tool)
        yagura.wait_for('tool "t0" is down', times=2)
        after = self.talk(WEB, request=100_000).finish()
        time.sleep(0.5)
        self.stop(yagura)
        stood_in = tcp_sessions.read(capture_files.parse_capture(away.read_bytes()).records)
        self.check_sessions(tcp_sessions.read(capture_files.parse_capture(out.read_bytes()).records), [during])
        for talk in (before, after):
            self.assertTrue(stood_in.holds(talk.data("client")), stood_in)
        self.assertFalse(stood_in.holds(during.data("client")), stood_in)


if __name__ == "__main__":
    unittest.main()
