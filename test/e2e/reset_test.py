#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Connections between real TCP stacks that yagura cuts from beside them: both kernels and both applications are asked
whether they are dead, and the innocent ones beside them lose nothing."""

import json
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path

import capture_files
import reset_rig
from packet_makers import ACK, RST, ethernet, icmp_echo, ipv4, tcp
from reset_rig import ResetTest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import kill_lab
import netns
from kill_lab import Control, Lab, Refused

NOBODY = 65534
NOT_ALLOWED = -32001


def setUpModule():
    reset_rig.require()


class Kinds(ResetTest):
    def test_idle_connections(self):
        self.make()
        self.start()
        innocents = self.innocents()
        silent = self.lab.group("idle", 100)
        spoken = self.lab.group("idle", 100, hello=300)
        for group in (silent, spoken):
            self.cut(group.settle())
        status = self.control.call("response.status")
        self.assertEqual(status["outcomes"]["verified"], 200, status)
        self.assertEqual(status["verdicts"]["control"], 200, status)
        self.assertEqual(status["waiting"], 0, status)
        self.check_innocents(innocents)
        self.stop()

    def test_request_and_response(self):
        self.make()
        self.start()
        innocents = self.innocents()
        self.cut(self.lab.group("talk", 50, every=5).settle())
        self.check_innocents(innocents)
        self.stop()

    def test_bulk_transfers(self):
        self.make()
        self.start()
        innocents = self.innocents()
        for kind in ("push", "pull", "both"):
            self.cut(self.lab.group(kind, 4).settle(), all_verified=False)
        self.check_innocents(innocents)
        self.stop()

    def test_a_server_that_does_not_read(self):
        self.make()
        self.start()
        group = self.lab.group("stuck", 4).settle()
        self.cut(group, all_verified=False)
        self.stop()


class Variants(ResetTest):
    def variant(self, settings=None, address=netns.Net.B, bulk=True, **options):
        """Idle, active and moving connections, all of which die, beside some that do not."""
        settings = settings or {}
        self.make(**options)
        self.start()
        innocents = [self.lab.group("talk", 2, address, checked=True, **settings).settle()]
        groups = [self.lab.group("idle", 10, address, hello=100, **settings),
                  self.lab.group("talk", 10, address, every=5, **settings)]
        for group in groups:
            # With loss, RSTs are lost too.
            self.cut(group.settle(), all_verified="loss" not in settings)
        for kind in ("push", "both") if bulk else ():
            self.cut(self.lab.group(kind, 2, address, **settings).settle(), all_verified=False)
        self.check_innocents(innocents)
        self.stop()

    def test_without_offloads(self):
        self.variant(offloads=False)

    def test_without_time_stamps(self):
        self.variant(sysctls={"tcp_timestamps": 0})

    def test_without_window_scaling(self):
        self.variant(sysctls={"tcp_window_scaling": 0})

    def test_without_sack(self):
        self.variant(sysctls={"tcp_sack": 0})

    def test_with_loss_that_sack_mends(self):
        # Each host throws away three of a hundred segments that come, ours among them.
        self.variant(settings={"loss": 0.03}, offloads=False)

    def test_with_keep_alive(self):
        self.variant(settings={"keepalive": 1})

    def test_ipv6(self):
        self.variant(address=Lab.B6, ipv6=True)

    def test_vlan(self):
        self.variant(tags=["81000005"], bulk=False)

    def test_two_vlan_tags(self):
        self.variant(tags=["81000007", "81000005"], bulk=False)

    def test_vxlan(self):
        with_vxlan = netns.Namespace(self)
        try:
            with_vxlan.ip("link", "add", "vx0", "type", "vxlan", "id", "1", "dstport", "4789")
        except RuntimeError as error:
            self.skipTest(f"this kernel has no VXLAN: {error}")
        self.variant(address=Lab.TUNNEL_B, vxlan=True)


class Layouts(ResetTest):
    def test_all_kinds(self):
        # Both ports of a bridge show every frame twice: too much at full speed both ways for a CPU that is shared.
        for layout, kinds in (("ports", ("idle", "talk", "push")), ("taps", ("idle", "talk", "push", "both"))):
            with self.subTest(layout=layout):
                self.make(layout)
                self.start()
                innocents = self.innocents()
                for kind in kinds:
                    self.cut(self.lab.group(kind, 4, hello=10).settle(), all_verified=kind in ("idle", "talk"))
                self.check_innocents(innocents)
                self.stop()


class Blocks(ResetTest):
    def attempts(self, count=5, kind="idle"):
        """Connections that are tried to the other address of b."""
        group = self.lab.group(kind, count, Lab.OTHER)
        self.addCleanup(group.abort)
        return group

    def test_new_connections_to_a_blocked_host(self):
        self.make()
        self.start()
        innocents = self.innocents()
        self.assertEqual(self.attempts().failed, [])
        answer = self.control.call("blocks.add", targets=[Lab.OTHER], reason="test")
        self.assertEqual([result["outcome"] for result in answer["results"]], ["added"])
        for kind in ("idle", "talk", "push"):
            self.check_kept_out(self.attempts(20, kind))
        self.assertEqual(self.control.call("blocks.list")["total"], 1)
        answer = self.control.call("blocks.remove", targets=[Lab.OTHER])
        self.assertEqual([result["outcome"] for result in answer["results"]], ["removed"])
        self.assertEqual(self.attempts().failed, [])
        self.check_innocents(innocents)
        self.stop()

    def test_a_block_ends_what_is_open(self):
        self.make()
        self.start()
        innocents = self.innocents()
        talks = self.lab.group("talk", 10, Lab.OTHER).settle()
        self.control.call("blocks.add", targets=[Lab.OTHER])
        self.check_dead(talks)
        self.check_innocents(innocents)
        self.stop()

    def test_a_flow_is_blocked(self):
        self.make()
        self.start()
        innocents = self.innocents()
        group = self.lab.group("talk", 5).settle()
        self.control.wait_until_known(group)
        results, _ = self.control.cut(group.flows, "flows.block", ttl="10m", reason="seen")
        self.check_cut(group, results)
        self.assertEqual(self.control.call("blocks.list", reason="see")["total"], 5)
        self.check_innocents(innocents)
        self.stop()

    def test_they_outlive_a_run(self):
        self.make()
        blocks = {"blocks": {"file": str(self.folder / "blocks")}}
        self.start(response=blocks)
        self.control.call("blocks.add", targets=[Lab.OTHER], reason="kept")
        self.stop()
        self.start(response=blocks)
        listed = self.control.call("blocks.list")["blocks"]
        self.assertEqual([(block["target"], block["reason"]) for block in listed], [(Lab.OTHER, "kept")])
        self.check_kept_out(self.attempts())
        self.stop()


class Rules(ResetTest):
    def test_a_rule_resets(self):
        self.make()
        self.start(rules=[{"id": 7, "filter": "tcp", "payload": ["EVIL"], "reset": True},
                          {"id": 8, "filter": "tcp", "forward": ["ids"]}])
        innocents = self.innocents()
        group = self.lab.group("talk", 10, hello="this is EVIL" + "." * 50)
        self.check_dead(group)
        status = self.control.call("response.status")
        self.assertEqual(status["verdicts"]["rules"], 10, status)
        self.check_innocents(innocents)
        self.stop()

    def test_a_rule_without_patterns_resets(self):
        self.make()
        self.start(rules=[{"id": 7, "filter": "tcp port 7777", "reset": True}, {"id": 8, "filter": "tcp", "forward": ["ids"]}])
        innocents = self.innocents()
        group = self.lab.group("talk", 10, port=7777)
        self.check_kept_out(group)
        self.check_innocents(innocents)
        self.stop()

    def test_a_rule_blocks(self):
        self.make()
        self.start(rules=[{"id": 7, "filter": "tcp", "payload": ["EVIL"], "block": {"ttl": "10m", "what": "destination"}},
                          {"id": 8, "filter": "tcp", "forward": ["ids"]}])
        innocents = self.innocents()
        group = self.lab.group("idle", 1, Lab.OTHER, hello="this is EVIL" + "." * 50)
        self.check_dead(group)
        self.check_kept_out(self.lab.group("idle", 5, Lab.OTHER))
        self.assertEqual([block["target"] for block in self.control.call("blocks.list")["blocks"]], [Lab.OTHER])
        self.check_innocents(innocents)
        self.stop()


# Sends frames that are given in hex by eth0, as a tool does.
SEND = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for frame in sys.argv[1:]:
    out.send(bytes.fromhex(frame))
"""


class Tools(ResetTest):
    GIVEN, KEPT = 7801, 7802

    def prepare(self, **response):
        self.make()
        self.start(rules=[{"id": 1, "filter": f"tcp port {self.GIVEN}", "forward": ["ids"]}], response=response)
        self.given = self.lab.group("talk", 4, port=self.GIVEN).settle()
        self.kept = self.lab.group("talk", 4, port=self.KEPT, checked=True).settle()

    def send(self, *frames):
        self.lab.tool.run(sys.executable, "-c", SEND, *[frame.hex() for frame in frames])

    @staticmethod
    def reset_frame(life, flags=RST):
        client = life.client
        return ethernet(ipv4(tcp(sport=client["here"][1], dport=client["there"][1], flags=flags),
                             client["here"][0], client["there"][0]))

    def tool_status(self):
        return self.control.call("response.status")["tools"]["ids"]

    def wait_for_frames(self, count):
        netns.wait_until(lambda: self.tool_status()["received"] >= count, what=lambda: str(self.tool_status()))

    def test_only_flows_that_a_tool_was_given_can_be_cut_by_it(self):
        self.prepare()
        self.send(*[self.reset_frame(life) for life in self.kept.lives()])
        self.wait_for_frames(4)
        self.assertEqual(self.tool_status()["ignored"]["not_given"], 4, self.tool_status())
        self.send(*[self.reset_frame(life) for life in self.given.lives()])
        self.check_dead(self.given)
        self.assertEqual(self.tool_status()["verdicts"], 4, self.tool_status())
        self.assertEqual(self.control.call("response.status")["verdicts"]["tools"], 4)
        self.check_innocents([self.kept])
        self.stop()

    def test_garbage_is_counted_and_goes_nowhere(self):
        self.prepare()
        life = self.given.lives()[0]
        self.send(b"\0" * 60, ethernet(ipv4(icmp_echo(), "10.77.0.1", "10.77.0.2", proto=1)), bytes(range(200)),
                  self.reset_frame(life, flags=ACK), self.reset_frame(life)[:40])
        self.wait_for_frames(5)
        status = self.tool_status()
        self.assertEqual((status["verdicts"], sum(status["ignored"].values())), (0, status["received"]), status)
        self.check_alive(self.given)
        self.check_innocents([self.kept])
        self.stop()

    def test_it_can_be_switched_off(self):
        self.prepare(from_tools=False)
        self.send(*[self.reset_frame(life) for life in self.given.lives()])
        self.check_alive(self.given)
        self.check_innocents([self.kept])
        self.stop()

    def check_alive(self, group):
        before = group.counts()[0]["rounds"]
        netns.wait_until(lambda: group.counts()[0]["rounds"] > before + 20, what=lambda: f"{group}: {group.still_alive()}")
        self.assertEqual(group.alive(), [len(group.flows)] * 2)


class Captures(ResetTest):
    """What is on the wire: host by host and direction by direction, and what the tool gets."""

    CLOSED = 9  # a port at which nobody listens
    looks = 0   # calls of captured() since capture()

    def capture(self, space, direction, name):
        self.looks = 0
        path = self.folder / f"{name}.pcap"
        tcpdump = space.start("tcpdump", "-i", "eth0", "-Q", direction, "-w", path, "--immediate-mode", "-U", "-s", 0, "-B", 8192,
                              "-Z", "root", "--nano", "tcp[tcpflags] & tcp-rst != 0")
        tcpdump.wait_for("listening on")
        return tcpdump, path

    def captured(self, *captures):
        """The IP packets of captures, all of those from before."""
        # Each host is refused by the other: what comes after all others is the end, of this call.
        self.looks += 1
        for host, peer in ((self.lab.a, Lab.B), (self.lab.b, Lab.A)):
            host.run(sys.executable, "-c", f"import socket; socket.socket().connect_ex(('{peer}', {self.CLOSED}))")
        found = []
        for tcpdump, path in captures:
            def packets(path=path):
                return [record.data[14:] for record in capture_files.parse_capture(path.read_bytes()).records]

            def is_end(packet):
                return int.from_bytes(packet[20:22], "big") == self.CLOSED

            netns.wait_until(lambda: sum(map(is_end, packets())) >= self.looks, what=tcpdump.describe)
            tcpdump.stop(signal.SIGINT)
            found += [packet for packet in packets() if not is_end(packet)]
        return found

    def test_own_frames_are_not_for_tools(self):
        self.make("ports")
        # A mirror of a port, which shows what we send by it, too.
        netns.connect(self.lab.box, "m", self.lab.box, "mirror", 65535)
        netns.mirror(self.lab.box, "a", "m")
        # What the driver sends past the qdisc passes the mirror, too.
        self.start(ports=self.network_ports(["mirror"], ",qdisc_bypass=0"))
        sent = [self.capture(host, "out", f"out{number}") for number, host in enumerate((self.lab.a, self.lab.b))]
        came = [self.capture(host, "in", f"in{number}") for number, host in enumerate((self.lab.a, self.lab.b))]
        tool = self.capture(self.lab.tool, "in", "tool")
        group = self.lab.group("talk", 20).settle()
        self.control.wait_until_known(group)
        results, _ = self.control.cut(group.flows)
        self.check_dead(group, results)
        # The mirror may be read later.
        netns.wait_until(lambda: self.control.call("response.status")["own_frames"] > 0)
        # What was sent last of all: a kernel may still answer a probe between two looks.
        arrived, given = set(self.captured(*came)), set(self.captured(tool))
        genuine = set(self.captured(*sent))
        ours = arrived - genuine
        self.assertGreaterEqual(len(ours), 20)
        self.assertGreater(len(genuine), 0)
        self.assertGreater(len(given), 0)
        self.assertEqual(given & ours, set(), "the tool was given what yagura made")
        self.assertLessEqual(given, genuine)
        self.stop()

    def nothing_is_sent(self):
        """Of what comes into the hosts; for check_nothing()."""
        self.came = [self.capture(host, "in", f"in{number}") for number, host in enumerate((self.lab.a, self.lab.b))]

    def check_nothing(self, group):
        self.assertEqual(group.alive(), [len(group.flows)] * 2)
        before = group.counts()[0]["rounds"]
        netns.wait_until(lambda: group.counts()[0]["rounds"] > before + 10)
        self.assertEqual(self.captured(*self.came), [])
        status = self.control.call("response.status")
        self.assertEqual(status["frames"]["made"]["packets"], 0, status)
        self.check_innocents([group])

    def test_a_dry_run_sends_nothing(self):
        for everywhere in (True, False):
            with self.subTest(everywhere=everywhere):
                self.make()
                self.start(response={"dry_run": everywhere})
                self.nothing_is_sent()
                group = self.lab.group("talk", 10, checked=True).settle()
                self.control.wait_until_known(group)
                results, _ = self.control.cut(group.flows, **({} if everywhere else {"dry_run": True}))
                self.assertEqual(kill_lab.shares(results), {"dry_run": 10})
                self.check_nothing(group)
                self.stop()

    def test_what_is_never_cut_is_refused(self):
        for name, never in (("prefix", {"prefixes": ["10.77.0.2/32"]}), ("port", {"ports": [7901]})):
            with self.subTest(name):
                self.make()
                self.start(response={"never_cut": never})
                self.nothing_is_sent()
                group = self.lab.group("talk", 10, port=7901, checked=True).settle()
                self.control.wait_until_known(group)
                results, _ = self.control.cut(group.flows)
                self.assertEqual(kill_lab.shares(results), {"refused": 10})
                for result in results.values():
                    self.assertTrue(result["message"], result)
                if name == "prefix":
                    answer = self.control.call("blocks.add", targets=["10.77.0.0/24"])["results"]
                    self.assertEqual([result["outcome"] for result in answer], ["refused"])
                    other = self.lab.group("talk", 2, Lab.OTHER).settle()
                else:
                    other = self.lab.group("talk", 2).settle()
                self.check_nothing(group)
                self.cut(other)
                self.stop()

    def test_the_kill_switch_and_the_stop_file(self):
        self.make()
        self.start()
        self.nothing_is_sent()
        group = self.lab.group("talk", 10, checked=True).settle()
        self.control.wait_until_known(group)

        def check_inactive(reason):
            status = self.control.call("response.status")
            self.assertEqual((status["enabled"], status["active"]), (True, False), status)
            self.assertIn(reason, status["why_not"])
            try:
                results, _ = self.control.cut(group.flows)
                self.assertEqual(kill_lab.shares(results), {"refused": 10})
            except Refused as refusal:
                self.assertIn(reason, refusal.error["message"])

        self.control.call("response.disable", reason="enough")
        check_inactive("enough")
        self.control.call("response.enable")
        self.assertTrue(self.control.call("response.status")["active"])
        (self.folder / "stop").touch()
        netns.wait_until(lambda: not self.control.call("response.status")["active"])
        check_inactive("stop")
        # Who enables it does not undo the file.
        self.control.call("response.enable")
        check_inactive("stop")
        self.check_nothing(group)
        (self.folder / "stop").unlink()
        netns.wait_until(lambda: self.control.call("response.status")["active"])
        self.cut(self.lab.group("talk", 5).settle())
        self.stop()

    def test_without_the_key_nothing_is_cut(self):
        self.make()
        self.start(response={"enabled": False})
        self.nothing_is_sent()
        group = self.lab.group("talk", 5, checked=True).settle()
        with self.assertRaises(Refused) as caught:
            self.control.cut(group.flows)
        self.assertIn("/response/enabled", json.dumps(caught.exception.error))
        self.assertEqual(self.captured(*self.came), [])
        self.check_innocents([group])
        self.stop()


class Answers(ResetTest):
    def test_of_what_there_is_not(self):
        self.make()
        self.start(rules=[{"id": 1, "filter": "tcp or udp", "forward": ["ids"]}])
        results, _ = self.control.cut(["tcp 10.77.0.1:1 > 10.77.0.2:2"])
        self.assertEqual(kill_lab.shares(results), {"not_found": 1})
        self.stop()

    def test_of_what_has_ended(self):
        self.make()
        self.start()
        group = self.lab.group("talk", 3, checked=True).settle()
        self.check_innocents([group])
        results, _ = self.control.cut(group.flows)
        self.assertLessEqual(set(kill_lab.shares(results)), {"too_late closed", "too_late", "not_found"}, results)
        self.stop()

    def test_a_key_does_it_once(self):
        self.make()
        self.start()
        group = self.lab.group("talk", 3).settle()
        self.control.wait_until_known(group)
        first = self.control.call("flows.reset", flows=group.flows, key="once")
        self.check_dead(group)
        again = self.control.call("flows.reset", flows=group.flows, key="once")
        self.assertEqual((again["repeated"], again["results"]), (True, first["results"]))
        self.assertEqual(self.control.call("response.status")["verdicts"]["control"], 3)
        self.stop()

    def test_who_listens_is_told(self):
        self.make()
        self.start()
        listener = Control(self, self.socket)
        self.assertEqual(listener.call("response.subscribe"), {"subscribed": True})
        group = self.lab.group("talk", 5).settle()
        results = self.cut(group)
        events = [listener.line() for _ in group.flows]
        self.assertEqual({event["method"] for event in events}, {"response"})
        told = {event["params"]["flow"]: event["params"] for event in events}
        self.assertEqual(set(told), set(group.flows))
        for flow, event in told.items():
            self.assertEqual((event["outcome"], event["cause"]), (results[flow]["outcome"], "control"), event)
        self.stop()


class Rights(ResetTest):
    ASK = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\\n")
print(s.makefile().readline(), end="")
"""

    def as_nobody(self, method, **params):
        self.folder.chmod(0o755)
        python = shutil.which("python3", path="/usr/bin:/bin") or self.skipTest("no python3 that all may run")
        request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        said = subprocess.run([python, "-c", self.ASK, self.socket, request], capture_output=True, text=True,
                              timeout=netns.RUN_S, user=NOBODY, group=NOBODY, extra_groups=[])
        self.assertEqual(said.returncode, 0, said.stderr)
        return json.loads(said.stdout)

    def start_with(self, role):
        self.make()
        run = self.folder / "control-roles.sock"
        self.start(control={"socket": str(run), "roles": {role: {"users": [str(NOBODY)]}}})
        self.group = self.lab.group("talk", 3, checked=True).settle()
        self.control.wait_until_known(self.group)

    def records(self, method):
        return [record for record in map(json.loads, self.audit.read_text().splitlines()) if record["action"] == method]

    def test_a_viewer_may_look_and_not_cut(self):
        self.start_with("viewer")
        self.assertTrue(self.as_nobody("response.status")["result"]["active"])
        for method, params in (("flows.reset", {"flows": self.group.flows}), ("flows.block", {"flows": self.group.flows}),
                               ("blocks.add", {"targets": [Lab.OTHER]}), ("response.disable", {})):
            with self.subTest(method):
                self.assertEqual(self.as_nobody(method, **params)["error"]["code"], NOT_ALLOWED)
                record, = self.records(method)
                self.assertEqual((record["uid"], record["allowed"]), (NOBODY, False), record)
        self.assertEqual(self.control.call("response.status")["frames"]["made"]["packets"], 0)
        self.assertEqual(self.control.call("blocks.list")["total"], 0)
        self.check_innocents([self.group])
        self.stop()

    def test_a_responder_may_and_it_is_recorded(self):
        self.start_with("responder")
        answer = self.as_nobody("flows.reset", flows=self.group.flows, reason="policy 7")
        self.assertEqual({result["outcome"] for result in answer["result"]["results"]}, {"verified"}, answer)
        self.check_dead(self.group)
        self.assertIn((NOBODY, True), {(record["uid"], record["allowed"]) for record in self.records("flows.reset")})
        text = self.audit.read_text()
        for flow in self.group.flows:
            self.assertIn(json.dumps(flow)[1:-1], text, "no record of it")
        self.stop()


if __name__ == "__main__":
    unittest.main()
