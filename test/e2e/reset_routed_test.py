#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Connections over a router that yagura cuts although its tap only listens: its frames leave by another port, with that
port's own address, for the router, and no switch learns a wrong place for anybody."""

import json
import os
import sys
import unittest
from pathlib import Path

import capture_files
import reset_rig
from reset_rig import ResetTest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import netns
from kill_lab import Control, shares
from routed_lab import RoutedLab

IPV4, FLAGS_RST, FLAGS_ACK = 0x0800, 4, 16


def setUpModule():
    reset_rig.require()


class Routed(ResetTest):
    def make(self, **options):
        self.lab = RoutedLab(self, cpus=reset_rig.CPUS[:-1], **options)
        self.own, self.next_hop = self.lab.mac(self.lab.box, "out"), self.lab.mac(self.lab.router, "out")

    def start(self, inject=True):
        route = {"own_mac": self.own, "next_hop": self.next_hop}
        return super().start(ports={
            "tap": {"role": "network", "device": "net_af_packet0,iface=tap", **({"inject": "out"} if inject else {})},
            "out": {"role": "network", "device": "net_af_packet1,iface=out", "route": route}})

    def capture(self, space, device, name):
        """The capture of all that comes into a namespace by a device."""
        path = self.folder / f"{name}.pcap"
        tcpdump = space.start("tcpdump", "-i", device, "-Q", "in", "-w", path, "--immediate-mode", "-U", "-s", 0, "-B", 8192,
                              "-Z", "root", "--nano")
        tcpdump.wait_for("listening on")
        return path

    @staticmethod
    def frames(path):
        return [record.data for record in capture_files.parse_capture(path.read_bytes()).records]

    def injected(self, path):
        """What came into the far switch by yagura's port, once it is all there."""
        def all_there():
            frames = self.control.call("response.status")["frames"]
            return frames["made"] == frames["sent"] and len(self.frames(path)) >= frames["sent"]["packets"]

        netns.wait_until(all_there, what=lambda: f"{self.control.call('response.status')}\n{len(self.frames(path))} captured")
        return self.frames(path)

    def check_frames(self, frames, groups):
        """Each is addressed as was declared, and is a RST or a probe of a connection that was to be cut."""
        ends = {frozenset((tuple(life.client["here"]), tuple(life.client["there"]))) for group in groups for life in group.lives()}
        for frame in frames:
            self.assertEqual((frame[:6].hex(":"), frame[6:12].hex(":")), (self.next_hop, self.own), frame.hex())
            self.assertEqual(int.from_bytes(frame[12:14], "big"), IPV4, frame.hex())
            source, target = (".".join(map(str, frame[at:at + 4])) for at in (26, 30))
            ports = [int.from_bytes(frame[at:at + 2], "big") for at in (34, 36)]
            self.assertIn(frozenset(zip((source, target), ports)), ends, frame.hex())
            self.assertIn(frame[47], (FLAGS_RST, FLAGS_RST | FLAGS_ACK, FLAGS_ACK), frame.hex())
            # The router is still to come.
            self.assertGreaterEqual(frame[22], 64, frame.hex())

    def check_switches(self):
        """Stations are known where they are."""
        router = {port: self.lab.mac(self.lab.router, port) for port in ("a", "out")}
        a = self.lab.mac(self.lab.a, "eth0")
        self.assertEqual(self.lab.learned(self.lab.near), {"a": {a}, "router": {router["a"]}})
        # The router need not have said anything there.
        far = self.lab.learned(self.lab.far)
        self.assertEqual(far.pop("out"), {self.own})
        self.assertIn(far, ({}, {"router": {router["out"]}}))

    def cut_by_the_router(self, kinds, innocents, unverified=()):
        self.start()
        out = self.capture(self.lab.far, "out", "out")
        back = self.capture(self.lab.near, "mirror", "back")
        groups = [self.lab.group(kind, 4, hello=10).settle() for kind in kinds]
        for group in groups:
            self.cut(group, all_verified=group.kind not in unverified)
        frames = self.injected(out)
        self.assertGreaterEqual(len(frames), 4 * len(kinds) * 2)
        self.check_frames(frames, groups)
        self.check_switches()
        self.assertEqual(self.frames(back), [], "the tap has sent something")
        status = self.control.call("response.status")
        self.assertEqual(status["ports"]["tap"]["made"]["packets"], 0, status)
        self.assertGreater(status["own_frames"], 0, status)
        self.check_innocents(innocents)
        self.stop()

    def test_all_kinds(self):
        self.make()
        self.cut_by_the_router(("idle", "talk", "push", "pull"), self.innocents(), unverified=("push", "pull"))

    def test_what_stands_in_front_of_ip_stays_in_the_tapped_network(self):
        self.make(tags=["81000007", "81000005"])
        innocents = [self.lab.group(kind, 2, checked=True, hello=30).settle() for kind in ("idle", "talk")]
        self.cut_by_the_router(("idle", "talk"), innocents)

    def test_without_a_way_in_nothing_dies(self):
        self.make()
        self.start(inject=False)
        group = self.lab.group("talk", 2, checked=True).settle()
        self.control.wait_until_known(group)
        results, _ = self.control.cut(group.flows)
        self.assertEqual(shares(results), {"unverified still_alive": 2})
        self.check_innocents([group])
        self.stop()

    def test_what_is_not_known_at_the_end_is_recorded_so(self):
        self.make()
        self.start(inject=False)
        group = self.lab.group("talk", 2, checked=True).settle()
        self.control.wait_until_known(group)
        asker = Control(self, self.socket)
        asker.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "flows.reset",
                                         "params": {"flows": group.flows, "key": "k"}}).encode() + b"\n")
        netns.wait_until(lambda: self.control.call("response.status")["waiting"] == 2, what=lambda: "nobody waits")
        self.stop()
        results = asker.line()["result"]["results"]
        self.assertEqual({result["message"] for result in results}, {"yagura is ending"}, results)
        records = [record for record in map(json.loads, self.audit.read_text().splitlines()) if record["action"] == "response"]
        self.assertEqual({record["object"] for record in records},
                         {f'{result["flow"]} by control uid {os.getuid()} pid {os.getpid()} key "k"' for result in results})
        self.assertEqual({record["outcome"] for record in records}, {"unverified: yagura is ending"})
        self.check_innocents([group])


if __name__ == "__main__":
    unittest.main()
