# SPDX-License-Identifier: BSD-3-Clause
"""yagura-bench as a user runs it: not how fast it is, but that what it counts adds up. Runs end by packets."""

import json
import os
import re
import signal
import subprocess
import unittest

import yagura_e2e
from packet_makers import tcp_frame, udp_frame
from yagura_e2e import OK, TIMEOUT_S, USAGE

PACKETS = 3000
FORWARD = ("forward", "--warm-up", "0", "--json", "-")
STAGES = ("rx", "select", "tx")


def bench(*arguments):
    return subprocess.run([os.environ["YAGURA_BENCH"], *map(str, arguments)], capture_output=True, text=True,
                          timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)


class Forward:
    """What a run reports."""

    def __init__(self, text):
        self.document = json.loads(text)
        main, self.lcores, ledger = self.document["tables"]
        (self.row,) = main["rows"]
        self.figures = self.row["figures"]
        self.notes = " ".join(main["notes"])
        self.ledger_title = ledger["title"]
        self.ledger = {}
        for row in ledger["rows"]:
            self.ledger.setdefault(row["port"], {})[row["count"]] = int(row["figures"]["packets"]["median"])

    def most(self, figure):
        return self.figures[figure]["max"]


class ForwardTest(yagura_e2e.TestCase):
    def forward(self, *arguments, packets=PACKETS):
        process = bench(*FORWARD, "--packets", packets, *arguments)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        self.assertRegex(process.stderr, r"Rx-pps: \d+ .*Tx-pps: \S+ \d+.*cycles/packet: .*busy: \d+ %  drops: ")
        run = Forward(process.stdout)
        self.check(run, packets)
        return run

    def check(self, run, packets):
        self.assertEqual(run.document["benchmark"], "forward")
        self.assertIn("balanced", run.ledger_title)
        self.assertEqual(run.figures["received"]["unit"], "packets per second")
        # A second without packets may be, on a busy machine.
        for name in ("received", "sent", "in all", *STAGES):
            self.assertGreaterEqual(run.figures[name]["min"], 0)
        for name in ("received", "in all", *STAGES):
            self.assertGreater(run.figures[name]["max"], 0)
        repeats = [run.figures[name]["repeats"] for name in ("in all", *STAGES)]
        for in_all, *stages in zip(*repeats, strict=True):
            self.assertGreaterEqual(in_all, sum(stages) * 0.999)
        for name in ("in all", *STAGES):
            self.assertEqual(run.figures[name]["unit"], "cycles per packet")
        for name, port in run.ledger.items():
            port = dict(port)
            if "received" in port:
                self.assertGreaterEqual(port["received"], packets)
                self.assertEqual(port.pop("received"), sum(port.values()), name)
            else:
                self.assertEqual(port.pop("offered"), sum(port.values()), name)

    def capture(self, name="in.pcap", large=False):
        frames = [tcp_frame(sport=1000 + n, payload=b"x" * n) for n in range(99)]
        return super().capture(name, [*frames, udp_frame(payload=b"y" * (3000 if large else 30))])

    def test_memory(self):
        run = self.forward()
        self.assertEqual(run.ledger["tool0"]["sent"], run.ledger["net0"]["received"])

    def test_frame_sizes(self):
        for size in (64, 1518, "imix"):
            with self.subTest(size):
                self.assertEqual(self.forward("--size", size).row["frames"], str(size))

    def test_hits_are_the_share_that_is_selected(self):
        run = self.forward("--hits", 10, "--rules", 10, packets=100_000)
        self.assertAlmostEqual(run.ledger["net0"]["forwarded"] / run.ledger["net0"]["received"], 0.1, delta=0.02)
        self.assertEqual(set(run.ledger["net0"]), {"received", "forwarded", "no_rule"})

    def test_without_rules_nothing_is_selected(self):
        run = self.forward("--rules", 0)
        self.assertEqual(run.ledger["net0"]["no_rule"], run.ledger["net0"]["received"])

    def test_every_tool_gets_every_packet(self):
        run = self.forward("--tools", 4)
        for tool in range(4):
            self.assertEqual(run.ledger[f"tool{tool}"]["sent"], run.ledger["net0"]["received"])

    def test_many_flows(self):
        run = self.forward("--flows", 20_000, "--hits", 50, packets=50_000)
        self.assertGreater(run.most("flows written"), 0)
        self.assertIn("forwarded", run.ledger["net0"])

    def test_fresh_flows(self):
        self.assertGreater(self.forward("--flows", 100, "--fresh").most("flows written"), 0)

    def test_patterns_are_found_in_the_share_of_flows(self):
        run = self.forward("--flows", 100, "--patterns", 10, "--hits", 10, "--size", 512, packets=16_000)
        self.assertAlmostEqual(run.ledger["net0"]["forwarded"] / run.ledger["net0"]["received"], 0.1, delta=0.02)
        self.assertGreater(run.most("scanned"), 50)
        self.assertLessEqual(run.most("scanned"), 101)

    def test_a_capture_in_memory_with_new_flows_each_lap(self):
        capture = self.capture(large=True)
        run = self.forward("--size", f"capture:{capture}", "--patterns", 10)
        self.assertIn("1.00 % of the capture's frames are larger", run.notes)
        self.assertGreater(run.most("scanned"), 0)

    def test_a_capture_in_memory_as_it_is(self):
        self.forward("--size", f"capture:{self.capture()}")

    def test_ring(self):
        run = self.forward("--source", "ring")
        self.assertEqual(run.ledger["tool0"]["sent"], run.ledger["net0"]["received"])

    def test_null(self):
        run = self.forward("--source", "null", "--tool", "net_null_tool")
        self.assertEqual(run.row["frames"], "64")

    def test_pcap_without_frames_that_the_driver_refuses(self):
        capture = self.capture(large=True)
        before = capture.read_bytes()
        run = self.forward("--source", f"pcap:{capture}")
        self.assertIn("1.00 % of the capture's frames are larger", run.notes)
        self.assertEqual(capture.read_bytes(), before)

    def test_loop_that_ends(self):
        run = self.forward("--source", "loop:flows=10,count=5000")
        self.assertLessEqual(run.ledger["net0"]["received"], 5000)

    def test_stages_on_several_lcores(self):
        for source in ("memory", "ring"):
            with self.subTest(source):
                run = self.forward("--source", source, "--lcores", "rx=0;select=1;tx=2")
                self.assertEqual(len(run.lcores["rows"]), 3)

    def test_a_configuration(self):
        config = self.write_config({"ports": {"in": {"role": "network", "device": "net_null0"},
                                              "out": {"role": "tool", "device": "net_null1"}},
                                    "rules": [{"id": 1, "forward": ["out"]}]})
        # On one lcore nothing can be lost between the stages.
        run = self.forward("--config", config, "--lcores", "rx=0;select=0;tx=0")
        self.assertEqual(run.row["source"], "config.json")
        self.assertEqual(run.ledger["out"]["offered"], run.ledger["in"]["received"])

    def test_an_interrupt_ends_it_with_its_report(self):
        process = subprocess.Popen([os.environ["YAGURA_BENCH"], *FORWARD, "--seconds", "100000"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            while not re.search(r"Rx-pps: [1-9]", process.stderr.readline()):
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
        self.assertEqual(process.returncode, OK, err)
        self.check(Forward(out), 1)

    def test_what_means_nothing_is_refused(self):
        for arguments, named in ((["--size", "63"], "63"), (["--source", "ring", "--hits", "50"], "--hits"),
                                 (["--source", "null", "--patterns", "10"], "--patterns"),
                                 (["--config", "x", "--rules", "10"], "--config"),
                                 (["--source", "no such device"], "no such device"),
                                 (["--source", "pcap:/nowhere"], "/nowhere")):
            with self.subTest(arguments):
                process = bench(*FORWARD, *arguments)
                self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
                self.assertIn(named, process.stderr)


class BenchmarksTest(unittest.TestCase):
    """The others, for as short as they can be."""

    SHORT = ("--repeats", "1", "--slices", "1", "--json", "-")

    def rows(self, *arguments):
        process = bench(*arguments, *self.SHORT)
        self.assertEqual(process.returncode, OK, process.stderr)
        document = json.loads(process.stdout)
        self.assertEqual(document["benchmark"], arguments[0])
        rows = [row for table in document["tables"] for row in table["rows"]]
        for row in rows:
            for name, figure in row["figures"].items():
                self.assertGreater(figure["median"], 0, f"{row}: {name}")
        return rows

    def test_stages(self):
        rows = self.rows("stages", "--flows", "128", "--size", "64,imix", "--tools", "1,4", "--hits", "50", "--burst", "32")
        self.assertEqual([(row["frames"], row["tools"]) for row in rows],
                         [("64", "1"), ("64", "4"), ("imix", "1"), ("imix", "4")])

    def test_rings(self):
        rows = self.rows("rings", "--burst", "1,32")
        self.assertEqual({row["burst"] for row in rows}, {"1", "32"})

    def test_blocks(self):
        process = bench("blocks", "--hosts", "100,2000", "--prefixes", "100,300", "--blocked", "10,50", *self.SHORT)
        self.assertEqual(process.returncode, OK, process.stderr)
        hosts, prefixes = json.loads(process.stdout)["tables"]
        labels = ["hosts", "blocked flows, %"]
        self.assertEqual([[row[label] for label in labels] for row in hosts["rows"]],
                         [["100", "10"], ["100", "50"], ["2000", "10"], ["2000", "50"]])
        self.assertEqual([row["prefixes"] for row in prefixes["rows"]], ["100", "100", "300", "300"])
        for row in hosts["rows"]:
            self.assertLessEqual({"BlockList", "rte_hash", "std::unordered_map"}, set(row["figures"]))

    def test_every_connection_that_reset_cuts_is_dead(self):
        process = bench("reset", "--rates", "50,200", "--phases", "2", "--milliseconds", "200", "--json", "-")
        self.assertEqual(process.returncode, OK, process.stderr)
        table, = json.loads(process.stdout)["tables"]
        self.assertEqual([row["cuts per second"] for row in table["rows"]], ["50", "200"])
        for row in table["rows"]:
            self.assertEqual(row["figures"]["verified, % of those cut"]["min"], 100, row)
            self.assertGreater(row["figures"]["with / without"]["median"], 0)

    def test_parse_with_sizes(self):
        rows = self.rows("parse", "--size", "128,imix")
        self.assertEqual([row["frames"] for row in rows[-2:]], ["IPv4 TCP, 128 bytes", "IPv4 TCP, imix"])

    def test_payload_with_hits(self):
        process = bench("payload", "--patterns", "10", "--size", "imix,1448", "--sessions", "go-on", "--hits", "0,100",
                        "--segments", "256", *self.SHORT)
        self.assertEqual(process.returncode, OK, process.stderr)
        undecided, decided, _ = json.loads(process.stdout)["tables"]
        self.assertEqual([(row["segments"], row["sessions"]) for row in undecided["rows"]],
                         [("imix", "go on"), ("1448", "go on")])
        # scripts/bench takes its rows by these names.
        self.assertEqual([(row["segments"], row["sessions with a hit, %"]) for row in decided["rows"]],
                         [("imix", "0"), ("imix", "100"), ("1448", "0"), ("1448", "100")])
        for row in decided["rows"]:
            self.assertLessEqual({"yagura", "hs_scan_stream"}, set(row["figures"]))
        large = [row["figures"]["scanned"]["median"] for row in decided["rows"] if row["segments"] == "1448"]
        self.assertLess(large[1], large[0])


if __name__ == "__main__":
    unittest.main()
