#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Ports that come and go in a live yagura, by its control socket: under traffic, in the configuration, in the ledger; what
is refused, and by interfaces that need capabilities."""

import json
import signal
import sys
import unittest
from pathlib import Path

import capture_files
import control_test
import yagura_e2e
from control_test import BUSY, CONFLICT, PARAMS
from namespaces_test import capabilities
from yagura_e2e import OK

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import netns
import tcp_sessions

LOOP = "loop:flows=50,size=100"


class LivePorts(control_test.ControlTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.connection = self.connect()

    def ports(self):
        return {port["name"]: port for port in self.connection.result("ports.list")["ports"]}

    def config(self):
        return json.loads(self.connection.result("config.get")["config"])

    def received(self, name):
        return self.ports()[name]["received"]["packets"]


class AddAndRemoveTest(LivePorts):
    def test_ports_come_and_go_under_traffic(self):
        version = self.connection.result("system.info")["config_version"]
        for turn in range(5):
            added = self.connection.result("ports.add", name="more", role="network", device=LOOP, link="up")
            self.assertEqual(added["config_version"], version + 1)
            self.wait_for(lambda: self.received("more") > 100, "packets of the port")
            self.assertEqual(self.ports()["more"]["link"], "up")
            self.connection.result("ports.add", name=f"t{turn + 2}", role="tool", device="loop:", rate="1Gbps")
            removed = self.connection.result("ports.remove", name="more")
            ledger = removed["ledger"]
            self.assertGreater(ledger["received"]["packets"], 100)
            self.assertEqual(ledger["received"], ledger["forwarded"])
            self.connection.result("ports.remove", name=f"t{turn + 2}")
            version = self.connection.result("system.info")["config_version"]
            self.assertNotIn("more", self.ports())
        self.assertGreater(self.connection.result("stats.get")["removed_ports"]["received"]["packets"], 500)
        text = self.end_well(may_lose=True)
        self.assertIn("(removed)", text)

    def test_a_tool_that_was_added_gets_what_rules_say_and_is_whole_when_it_is_removed(self):
        capture = self.folder / "rec.pcap"
        self.connection.result("ports.add", name="rec", role="tool", device=f"pcap:{capture}")
        config = self.config()
        self.assertEqual(config["ports"]["rec"], {"role": "tool", "device": f"pcap:{capture}"})
        config["rules"].append({"id": 2, "filter": "host 10.0.0.3", "forward": ["rec"]})
        self.connection.result("rules.load", config=json.dumps(config))

        def sent():
            return next(tool for tool in self.connection.result("tools.list")["tools"] if tool["name"] == "rec")["sent"]

        self.wait_for(lambda: sent()["packets"] > 10, "packets of the tool")
        refused = self.connection.error("ports.remove", name="rec")
        self.assertEqual(refused["code"], CONFLICT)
        self.assertEqual(refused["data"]["rules"], [2])
        self.assertIn("rules 2", refused["message"])

        config["rules"].pop()
        config["tool_groups"]["h"] = {"members": ["rec"]}
        self.connection.result("rules.load", config=json.dumps(config))
        refused = self.connection.error("ports.remove", name="rec")
        self.assertEqual(refused["data"]["groups"], ["h"])
        del config["tool_groups"]["h"]
        self.connection.result("rules.load", config=json.dumps(config))
        removed = self.connection.result("ports.remove", name="rec")
        records = capture_files.parse_capture(capture.read_bytes()).records
        self.assertEqual(len(records), removed["ledger"]["sent"]["packets"])
        self.assertEqual(removed["ledger"]["offered"], removed["ledger"]["sent"])
        self.end_well(may_lose=True)

    def test_ports_keep_their_meaning_when_one_before_them_has_gone(self):
        self.connection.result("ports.add", name="t2", role="tool", device="loop:")
        config = self.config()
        config["tool_groups"]["g"]["members"] = ["t1", "t2"]
        config["rules"] = [{"id": 1, "filter": "tcp", "forward": ["t2"]}]
        self.connection.result("rules.load", config=json.dumps(config))
        self.connection.result("ports.remove", name="t0")
        self.assertEqual([tool["name"] for tool in self.connection.result("tools.list")["tools"]], ["t1", "t2"])
        before = {t["name"]: t["sent"]["packets"] for t in self.connection.result("tools.list")["tools"]}

        def grown():
            now = {t["name"]: t["sent"]["packets"] for t in self.connection.result("tools.list")["tools"]}
            return now["t2"] > before["t2"] and now["t1"] == before["t1"]

        self.wait_for(grown, "packets to the tool that is meant")
        # The configuration in effect can be loaded, and flows name their tools.
        config = self.config()
        self.connection.result("rules.load", config=json.dumps(config))
        self.wait_for(lambda: any(flow.get("tools") == ["t2"] for flow in self.connection.result("flows.list")["flows"]),
                      "a flow of the tool")
        self.connection.result("config.save")
        self.assertEqual(json.loads(self.config_path.read_text()), config)
        self.end_well(may_lose=True)
        checked = yagura_e2e.run_yagura("check", "--config", self.config_path)
        self.assertEqual(checked.returncode, OK, checked.stdout + checked.stderr)

    def test_what_cannot_be_is_refused_and_changes_nothing(self):
        before = self.config()
        rows = [
            ({"name": "in", "role": "network", "device": LOOP}, PARAMS, "already"),
            ({"name": "g", "role": "tool", "device": "loop:"}, PARAMS, "g"),
            ({"name": "a/b", "role": "tool", "device": "loop:"}, PARAMS, "a/b"),
            ({"name": "x", "role": "spy", "device": "loop:"}, PARAMS, "spy"),
            ({"name": "x", "role": "network", "device": LOOP, "rate": "1Gbps"}, PARAMS, "no rate"),
            ({"name": "x", "role": "tool", "device": "loop:", "link": "up"}, PARAMS, "no link"),
            ({"name": "x", "role": "tool", "device": "loop:", "rate": "fast"}, PARAMS, "fast"),
            ({"name": "x", "role": "tool", "device": "loop:", "queue_packets": 5}, PARAMS, "16"),
            ({"name": "x", "role": "tool", "device": "loop:", "queue_time": "50ms"}, PARAMS, "rate"),
            ({"name": "x", "role": "network", "device": LOOP, "inject": "x"}, PARAMS, "x"),
            ({"name": "x", "role": "network", "device": LOOP, "route_own_mac": "1:2", "route_next_hop": "1:2"}, PARAMS, "1:2"),
            ({"name": "x", "role": "network", "device": "loop:flows=0"}, CONFLICT, "flows"),
            ({"name": "x", "role": "network", "device": LOOP, "queues": 2}, CONFLICT, "one queue"),
            ({"name": "x", "role": "network", "device": "pcap:/tmp/x.pcap"}, CONFLICT, "yagura replay"),
            ({"name": "x", "role": "tool", "device": f"pcap:{self.folder}/none/x.pcap"}, CONFLICT, "mkdir"),
            ({"name": "x", "role": "network", "device": "net_af_packet0,iface=nosuch0"}, CONFLICT, ""),
            ({"name": "x", "role": "network", "device": "net_nothing0"}, CONFLICT, "net_nothing0"),
            ({"name": "x", "role": "network", "device": "net_null0", "queues": 65}, PARAMS, "64"),
            ({"name": "x", "role": "network", "device": "0000:00:1f.7"}, CONFLICT, ""),
        ]
        for params, code, words in rows:
            with self.subTest(**params):
                error = self.connection.error("ports.add", **params)
                self.assertEqual(error["code"], code, error)
                self.assertIn(words, error["message"])
        for name, code, words in (("nobody", PARAMS, "there are in, t0, t1"), ("in", CONFLICT, "last network port"),
                                  ("t0", CONFLICT, "groups g")):
            error = self.connection.error("ports.remove", name=name)
            self.assertEqual((error["code"], words in error["message"]), (code, True), error)
        self.assertEqual(self.config(), before)
        self.assertEqual(self.connection.result("system.info")["config_version"], 1)
        self.end_well(may_lose=True)

    def test_all_that_a_configuration_says_of_a_port_can_be_said(self):
        self.connection.result("ports.add", name="slow", role="tool", device="loop:", rate="1Mbps", queue_packets=64,
                               queue_time="50ms")
        self.connection.result("ports.add", name="lan", role="network", device=LOOP, inject="in",
                               route_own_mac="02:00:00:00:00:01", route_next_hop="02:00:00:00:00:02")
        ports = self.config()["ports"]
        self.assertEqual(ports["slow"]["queue"], {"packets": 64, "time": "50ms"})
        self.assertEqual(ports["lan"]["inject"], "in")
        self.assertEqual(ports["lan"]["route"], {"own_mac": "02:00:00:00:00:01", "next_hop": "02:00:00:00:00:02"})
        error = self.connection.error("ports.add", name="x", role="tool", device="loop:", rate="1Mbps", queue_time="1y")
        self.assertEqual(error["data"]["field"], "params/queue_time")
        self.end_well(may_lose=True)

    def test_a_device_can_come_again_under_its_name(self):
        for _ in range(3):
            self.connection.result("ports.add", name="nul", role="network", device="net_null0,size=60", queues=2)
            self.wait_for(lambda: self.received("nul") > 100, "packets of the device")
            error = self.connection.error("ports.add", name="again", role="tool", device="net_null0")
            self.assertIn('device of port "nul"', error["message"])
            self.connection.result("ports.remove", name="nul")
        self.assertIn("2 receive queues, symmetric RSS", self.log.read_text())
        self.end_well(may_lose=True)

    def test_links_are_told_with_their_sums(self):
        for name in ("west", "east"):
            self.connection.result("ports.add", name=name, role="network", device=LOOP + ",count=500", link="up")
        error = self.connection.error("ports.add", name="third", role="network", device=LOOP, link="up")
        self.assertEqual((error["code"], error["data"]["field"]), (PARAMS, "params/link"), error)
        self.wait_for(lambda: self.received("west") == self.received("east") == 500, "both directions")
        self.assertEqual(self.ports()["west"]["other_end"], "east")
        self.assertEqual(self.connection.result("stats.get")["links"]["up"]["received"]["packets"], 1000)
        self.assertIn("link up", self.end_well(may_lose=True))

    def test_one_change_at_a_time_and_the_end_waits_for_it(self):
        # A tool whose rate does not let it drain takes a second to go.
        self.connection.result("ports.add", name="slow", role="tool", device="loop:", rate="10kbps")
        config = self.config()
        rules = config["rules"]
        config["rules"] = [{"id": 9, "forward": ["slow"]}]
        self.connection.result("rules.load", config=json.dumps(config))
        config["rules"] = rules
        self.connection.result("rules.load", config=json.dumps(config))
        self.connection.request("ports.remove", number=5, name="slow")
        with control_test.Connection(self.folder / "control.sock") as other:
            error = other.error("ports.add", name="x", role="tool", device="loop:")
            self.assertEqual(error["code"], BUSY, error)
        answer = self.connection.line()
        self.assertEqual(answer["id"], 5)
        ledger = answer["result"]["ledger"]
        self.assertGreater(ledger["shed"]["rate"]["packets"], 0)
        self.end_well(may_lose=True)

    def test_the_right_is_admins(self):
        methods = {m["name"]: m["right"] for m in self.connection.result("rpc.methods")["methods"]}
        self.assertEqual((methods["ports.add"], methods["ports.remove"]), ("admin", "admin"))
        self.end_well(may_lose=True)


class InjectTest(control_test.ControlTest):
    def test_a_port_by_which_another_ones_frames_leave_stays(self):
        ports = {"in": {"role": "network", "device": LOOP, "inject": "out"}, "out": {"role": "network", "device": LOOP},
                 "spare": {"role": "network", "device": LOOP}, "t": {"role": "tool", "device": "loop:"}}
        self.start(self.configuration([{"id": 1, "forward": ["t"]}], ports=ports, tool_groups={}))
        connection = self.connect()
        error = connection.error("ports.remove", name="out")
        self.assertEqual((error["code"], error["data"]["field"]), (CONFLICT, "params/name"), error)
        self.assertIn('"out" is the "inject" of the port "in"', error["message"])
        self.assertEqual(json.loads(connection.result("config.get")["config"])["ports"], ports)
        # A configuration in which it is another's is another one.
        for change in ({"inject": "spare"}, {"inject": "out", "route": {"own_mac": "02:00:00:00:00:01",
                                                                       "next_hop": "02:00:00:00:00:02"}}):
            config = json.loads(connection.result("config.get")["config"])
            config["ports"]["in"] = {"role": "network", "device": LOOP, **change}
            error = connection.error("rules.load", config=json.dumps(config))
            self.assertEqual([fault["pointer"] for fault in error["data"]["errors"]], ["/ports"])
        connection.result("ports.remove", name="in")
        connection.result("ports.remove", name="out")
        self.end_well(may_lose=True)


class NamespacePortsTest(yagura_e2e.TestCase):
    """On the ports of a bridge."""

    def setUp(self):
        netns.require()
        super().setUp()
        self.net = netns.Net(self)

    def start(self, **more):
        self.socket = self.folder / "control.sock"
        config = {"ports": {"a": {"role": "network", "device": "net_af_packet0,iface=a", "queues": 2},
                            "ids": {"role": "tool", "device": f"pcap:{self.folder}/ids.pcap"}},
                  "rules": [{"id": 1, "filter": "tcp port 80", "forward": ["ids"]}],
                  "control": {"socket": str(self.socket)}, "audit": {"enabled": False}, **more}
        path = self.write_config(config)
        self.yagura = self.net.box.start(yagura_e2e.yagura_path(), "run", "--config", path, "--lcores",
                                         "rx=0,1;select=2;tx=0")
        self.yagura.wait_for("capabilities kept")
        self.connection = control_test.Connection(self.socket)
        self.addCleanup(self.connection.close)

    def test_several_queues_see_all_of_a_session(self):
        self.start()
        self.assertIn("2 receive queues, no RSS", self.yagura.stderr)
        talk = netns.Talk(self.net.b, self.net.a, netns.Net.B, 80, request=1 << 18, pause=0.01).finish()
        self.assertEqual(self.yagura.stop(), OK, self.yagura.describe())
        records = capture_files.parse_capture((self.folder / "ids.pcap").read_bytes()).records
        frames = tcp_sessions.read(records)
        for (source, _), direction in frames.directions.items():
            role = "server" if source == 80 else "client"
            self.assertTrue(direction.data() == talk.data(role), f"{role}:\n{frames}")

    def test_what_was_given_away_is_not_had_again(self):
        self.start()
        self.assertEqual(capabilities(self.yagura), {0})
        error = self.connection.error("ports.add", name="b", role="network", device="net_af_packet1,iface=b")
        self.assertEqual(error["code"], CONFLICT)
        self.assertIn('"hotplug": ["net_af_packet"]', error["message"])
        self.assertIn("cap_net_raw", error["message"])
        self.assertEqual(self.yagura.stop(), OK, self.yagura.describe())

    def test_a_socket_is_added_and_removed_with_the_capability_kept(self):
        self.start(hotplug=["net_af_packet", "net_tap"])
        self.assertEqual(len(capabilities(self.yagura)), 1)
        self.assertIn("capabilities kept: cap_net_raw,cap_net_admin", self.yagura.stderr)
        for turn in range(3):
            self.connection.result("ports.add", name="b", role="network", device="net_af_packet1,iface=b", queues=2)
            before = self.connection.result("stats.get")["ports"]["b"]["received"]["packets"]
            netns.Talk(self.net.b, self.net.a, netns.Net.B, 8080 + turn, request=1 << 18).finish()
            netns.wait_until(lambda: self.connection.result("stats.get")["ports"]["b"]["received"]["packets"] > before)
            self.connection.result("ports.remove", name="b")
        self.connection.result("ports.add", name="tap", role="tool", device="net_tap0,iface=ygtap")
        self.assertIn("ygtap", self.net.box.ip("link", "show"))
        self.connection.result("ports.remove", name="tap")
        self.connection.result("ports.add", name="tap", role="network", device="net_tap0,iface=ygtap", queues=2)
        self.assertIn('port "tap": 2 receive queues', self.yagura.stderr)
        self.connection.result("ports.remove", name="tap")
        self.assertNotIn("ygtap", self.net.box.ip("link", "show"))
        self.assertEqual(self.yagura.stop(signal.SIGTERM), OK, self.yagura.describe())

    def test_an_interface_that_is_not_there_is_named_with_those_that_are(self):
        self.start(hotplug=["net_af_packet"])
        error = self.connection.error("ports.add", name="x", role="network", device="net_af_packet1,iface=nosuch")
        self.assertIn("br0", error["message"])
        self.assertEqual(self.yagura.stop(), OK, self.yagura.describe())


if __name__ == "__main__":
    unittest.main()
