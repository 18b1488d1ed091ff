#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A tool that is offered more than its rate gets whole flows, and nobody else notices."""

import collections
import os
import signal
import struct
import subprocess
import time
import unittest

import capture_files
import yagura_e2e
from control_test import Connection
from packet_makers import ethernet, ipv4, tcp
from run_summary import Summary
from yagura_e2e import LOSS

ONE_LCORE = ("--lcores", "rx=0;select=0;tx=0")
FLOWS, PACKETS, SIZE = 400, 20, 500
AT_ONCE = 5  # flows that are open at a time
DEADLINE_S = 60


def address(flow):
    return f"10.0.{flow >> 8}.{flow & 255}"


def flow_of(frame):
    """Its number, and its packet's."""
    return frame[28] << 8 | frame[29], struct.unpack(">H", frame[54:56])[0]


def traffic():
    """Flows that begin one after the other, a few open at a time."""
    waiting = collections.deque(range(FLOWS))
    open_flows = collections.deque()
    records = []
    while waiting or open_flows:
        while waiting and len(open_flows) < AT_ONCE:
            open_flows.append((waiting.popleft(), 0))
        flow, packet = open_flows.popleft()
        payload = struct.pack(">H", packet) + bytes(SIZE - 56)
        segment = tcp(payload, dport=80)
        records.append(capture_files.packet(ethernet(ipv4(segment, src=address(flow), dst="192.0.2.1"))))
        if packet + 1 < PACKETS:
            open_flows.append((flow, packet + 1))
    return records


class WholeFlowsTest(yagura_e2e.TestCase):
    def setUp(self):
        super().setUp()
        self.records = traffic()
        self.source = capture_files.write_pcap(self.folder / "in.pcap", self.records)
        self.limited = self.folder / "limited.pcap"

    def configuration(self, **limit):
        return self.write_config({
            "ports": {"in": {"role": "network", "device": f"net_pcap0,rx_pcap={self.source}"},
                      "limited": {"role": "tool", "device": f"pcap:{self.limited}", **limit},
                      "other": {"role": "tool", "device": "loop:"}},
            "rules": [{"id": 1, "forward": ["limited", "other"]}],
            "control": {"socket": str(self.folder / "control.sock"), "roles": {"viewer": {"users": [str(os.getuid())]}}},
            "audit": {"enabled": False}})

    def run_until(self, config, condition):
        """Runs until the condition holds of a connection; returns what the condition returned, and the summary."""
        log = self.folder / "log"
        with open(log, "w") as errors:
            process = subprocess.Popen([yagura_e2e.yagura_path(), "run", "--config", str(config), *ONE_LCORE],
                                       stdout=subprocess.PIPE, stderr=errors, text=True)
        try:
            end = time.monotonic() + DEADLINE_S
            while "network ports" not in log.read_text():
                self.assertIsNone(process.poll(), log.read_text())
                self.assertLess(time.monotonic(), end, "it does not start")
                time.sleep(0.02)
            with Connection(self.folder / "control.sock") as connection:
                while not (found := condition(connection)):
                    self.assertLess(time.monotonic(), end, "it does not happen")
                    time.sleep(0.02)
            process.send_signal(signal.SIGTERM)
            output = process.communicate(timeout=DEADLINE_S)[0]
        finally:
            process.kill()
            process.communicate()
        self.assertEqual(process.returncode, LOSS, output)
        return found, Summary(output)

    def quiet(self, connection):
        """Everything has come, and nothing waits for a tool."""
        stats = connection.result("stats.get")
        tools = stats["tools"].values()
        all_in = stats["ports"]["in"]["received"]["packets"] == len(self.records)
        done = all(tool["offered"]["packets"] == tool["sent"]["packets"] + sum(
            shed["packets"] for shed in tool["shed"].values()) for tool in tools)
        return all_in and done and self.questions(connection, stats)

    def questions(self, connection, stats):
        flows, cursor = [], None
        while True:
            page = connection.result("flows.list", shed="limited", limit=1000, **({"cursor": cursor} if cursor else {}))
            flows += page["flows"]
            cursor = page["next"]
            if cursor is None:
                break
        others = connection.result("flows.list", shed="other", limit=1000)["flows"]
        error = connection.call("flows.list", shed="nobody")["error"]
        return {"stats": stats, "flows": flows, "others": others, "error": error,
                "tools": connection.result("tools.list")["tools"]}

    def check(self, **limit):
        found, summary = self.run_until(self.configuration(**limit), self.quiet)
        self.assertTrue(summary.balanced, summary.text)
        got = collections.defaultdict(list)
        for record in capture_files.read_capture(self.limited).records:
            flow, packet = flow_of(record.data)
            got[flow].append(packet)
        # Every flow is there from its first packet to its last, in order, or not at all.
        self.assertEqual({flow: packets for flow, packets in got.items() if packets != list(range(PACKETS))}, {})
        self.assertGreater(len(got), 0)
        self.assertLess(len(got), FLOWS)

        stats = found["stats"]["tools"]
        shed_flows = FLOWS - len(got)
        self.assertEqual(stats["limited"]["flows"], FLOWS)
        self.assertEqual((stats["limited"]["flows_shed"], stats["limited"]["flows_cut"]), (shed_flows, 0))
        self.assertEqual(stats["limited"]["shed"], {"flow_shed": {
            "packets": shed_flows * PACKETS, "bytes": shed_flows * PACKETS * SIZE}})
        self.assertEqual(stats["limited"]["offered"]["packets"], FLOWS * PACKETS)
        self.assertEqual(stats["limited"]["sent"]["packets"], len(got) * PACKETS)
        # Nobody else is concerned.
        self.assertEqual(stats["other"]["sent"]["packets"], FLOWS * PACKETS)
        self.assertEqual(stats["other"]["shed"], {})
        self.assertEqual((stats["other"]["flows_shed"], stats["other"]["flows_cut"]), (0, 0))
        self.assertEqual(found["stats"]["ports"]["in"]["dropped"], {})
        self.assertEqual(summary.rows["flow_shed"], (shed_flows * PACKETS, shed_flows * PACKETS * SIZE))

        # The flows that were shed are named, and no others.
        names = {flow["flow"] for flow in found["flows"]}
        self.assertEqual(names, {f"tcp {address(flow)}:40000 > 192.0.2.1:80" for flow in set(range(FLOWS)) - set(got)})
        for flow in found["flows"]:
            self.assertEqual((sorted(flow["tools"]), flow["shed_tools"]), (["limited", "other"], ["limited"]))
            self.assertNotIn("cut_tools", flow)
        self.assertEqual(found["others"], [])
        self.assertEqual(found["error"]["data"], {"field": "params/shed"})
        return found

    def test_with_a_rate(self):
        found = self.check(rate="8Mbps", queue={"packets": 4096, "time": "500ms"})
        limited, other = found["tools"]
        self.assertEqual(limited["limit"], {"rate": 8_000_000, "queue_packets": 4096, "queue_bytes": 500_000})
        self.assertNotIn("limit", other)


if __name__ == "__main__":
    unittest.main()
