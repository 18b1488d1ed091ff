# SPDX-License-Identifier: BSD-3-Clause
"""The live command in its plainest form: in-memory ports and DPDK's virtual devices, and how it ends."""

import signal
import subprocess
import time
import unittest

import capture_files
import yagura_e2e
from packet_makers import tcp_frame, udp_frame
from run_summary import Summary
from yagura_e2e import LOSS, OK, USAGE, run_yagura

COUNT, SIZE = 50_000, 128
# With one lcore for all stages nothing can be lost between them, however busy the machine is.
ONE_LCORE = ("--lcores", "rx=0;select=0;tx=0")


class RunTest(yagura_e2e.TestCase):
    def config(self, network, *tools, rules=None):
        ports = {"in": {"role": "network", "device": network}}
        ports |= {f"t{n}": {"role": "tool", "device": device} for n, device in enumerate(tools)}
        names = [name for name in ports if name != "in"]
        return self.write_config({"ports": ports, "rules": rules or [{"id": 1, "forward": names}]})

    def run_well(self, config):
        process = run_yagura("run", "--config", config, "--duration", "20s", *ONE_LCORE)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout)
        self.assertEqual(summary.lost, 0, process.stdout)
        return summary

    def loop(self, count=COUNT):
        return f"loop:flows=100,size={SIZE},count={count}"

    def check_all_sent(self, summary, tools=1, count=COUNT):
        self.assertEqual(summary.rows["in"], (count, count * SIZE))
        self.assertEqual(summary.rows["forwarded"], (count, count * SIZE))
        for n in range(tools):
            self.assertEqual(summary.rows[f"t{n}"], (count, count * SIZE, 100), f"tool t{n}")

    def test_memory_to_memory(self):
        self.check_all_sent(self.run_well(self.config(self.loop(), "loop:")))

    def test_stages_on_lcores_of_their_own_lose_nothing_uncounted(self):
        process = run_yagura("run", "--config", self.config(self.loop(), "loop:"), "--duration", "20s",
                             "--lcores", "rx=0;select=1,2;tx=3")
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout + process.stderr)
        # The source is faster than any NIC: a select lcore that is not scheduled in time has its ring overrun.
        self.assertEqual(process.returncode, LOSS if summary.lost else OK, process.stdout + process.stderr)
        dropped = summary.rows.get("select_ring_full", (0, 0))
        self.assertEqual(summary.rows["in"], (COUNT, COUNT * SIZE))
        self.assertEqual(summary.rows["forwarded"][0] + dropped[0], COUNT, process.stdout)
        shed = summary.lost - dropped[0]
        self.assertEqual(summary.rows["t0"][0] + shed, summary.rows["forwarded"][0], process.stdout)

    def test_a_finite_source_ends_the_run_before_its_time(self):
        begin = time.monotonic()
        self.run_well(self.config(self.loop(100), "loop:"))
        self.assertLess(time.monotonic() - begin, 15)

    def test_rules_divide_live_traffic(self):
        rules = [{"id": 1, "filter": "src port 80", "forward": ["t0"], "scope": "packet"},
                 {"id": 2, "filter": "dst port 80", "forward": ["t1"], "scope": "packet"}]
        summary = self.run_well(self.config(self.loop(), "loop:", "loop:", rules=rules))
        half = (COUNT // 2, COUNT // 2 * SIZE, 50)
        self.assertEqual((summary.rows["t0"], summary.rows["t1"]), (half, half))

    def test_to_several_tools_of_every_kind(self):
        file = self.folder / "out.pcap"
        config = self.config(self.loop(), "loop:", "net_null0", f"pcap:{file}")
        process = run_yagura("run", "--config", config, "--duration", "20s", *ONE_LCORE)
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout + process.stderr)
        for n in range(3):
            shed = summary.lost if n == 2 else 0
            self.assertEqual(summary.rows[f"t{n}"][0] + shed, COUNT, process.stdout)
        # A disk that does not keep up sheds: then, and only then, is the status that of a loss.
        self.assertEqual(process.returncode, LOSS if summary.lost else OK, process.stderr)
        capture = capture_files.read_capture(file)
        self.assertIsNone(capture.damage)
        self.assertEqual(len(capture.records), summary.rows["t2"][0])
        self.assertEqual({(len(record.data), record.wire) for record in capture.records}, {(SIZE, SIZE)})
        self.assertEqual(len({record.data for record in capture.records}), 100)

    def test_to_a_ring_that_nobody_reads(self):
        config = self.config(self.loop(), "net_ring0", "loop:")
        process = run_yagura("run", "--config", config, "--duration", "20s", *ONE_LCORE)
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout + process.stderr)
        # The ring takes what it has room for; the rest is shed, and the other tool has lost nothing by it.
        self.assertEqual(process.returncode, LOSS, process.stdout + process.stderr)
        sent, shed = summary.rows["t0"][0], summary.lost
        self.assertGreater(sent, 0)
        self.assertEqual(sent + shed, COUNT)
        self.assertEqual(summary.rows["t1"][0], COUNT)

    def test_to_a_ring_with_room(self):
        self.check_all_sent(self.run_well(self.config(self.loop(500), "net_ring0")), count=500)

    def test_from_a_capture_through_net_pcap(self):
        records = [capture_files.packet(tcp_frame(b"%d" % n) if n % 3 else udp_frame(b"%d" % n)) for n in range(200)]
        path = capture_files.write_pcap(self.folder / "in.pcap", records)
        file = self.folder / "out.pcap"
        config = self.config(f"net_pcap0,rx_pcap={path}", f"pcap:{file}")
        process = run_yagura("run", "--config", config, "--duration", "2s", *ONE_LCORE)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout)
        self.assertEqual(summary.rows["in"][0], 200)
        self.assert_data(capture_files.read_capture(file).records, [record.data for record in records], "net_pcap")

    def test_a_capture_larger_than_the_pool_over_and_over(self):
        path = capture_files.write_pcap(self.folder / "in.pcap", [capture_files.packet(tcp_frame())] * 70_000)
        config = self.config(f"net_pcap0,rx_pcap={path},infinite_rx=1", "loop:")
        process = run_yagura("run", "--config", config, "--duration", "500ms", *ONE_LCORE)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout)
        self.assertGreater(summary.rows["in"][0], 0)

    def test_an_endless_source_ends_with_its_time(self):
        begin = time.monotonic()
        process = run_yagura("run", "--config", self.config("net_null0", "loop:"), "--duration", "1s")
        self.assertLess(time.monotonic() - begin, 20)
        summary = Summary(process.stdout)
        self.assertTrue(summary.balanced, process.stdout + process.stderr)
        self.assertGreater(summary.rows["in"][0], 0)
        self.assertEqual(summary.rows["in"][0], summary.rows["forwarded"][0] + sum(
            summary.rows.get(reason, (0,))[0] for reason in ("select_ring_full", "no_rule")), process.stdout)

    def test_a_signal_ends_it_with_a_balanced_ledger(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                config = self.config(f"loop:flows=10,size={SIZE}", "loop:")
                process = subprocess.Popen([yagura_e2e.yagura_path(), "run", "--config", str(config), *ONE_LCORE],
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(process.kill)
                for line in process.stderr:
                    if "network ports" in line:
                        break
                time.sleep(0.5)
                process.send_signal(number)
                stdout, stderr = process.communicate(timeout=60)
                summary = Summary(stdout)
                self.assertTrue(summary.balanced, stdout + stderr)
                self.assertGreater(summary.rows["in"][0], 0)
                self.assertEqual(process.returncode, LOSS if summary.lost else OK, stdout + stderr)

    def test_two_tools_cannot_share_a_file(self):
        file = self.folder / "out.pcap"
        config = self.config(self.loop(), f"pcap:{file}", f"pcap:{self.folder}/./out.pcap")
        process = run_yagura("run", "--config", config, "--duration", "1s")
        self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
        self.assertIn('"t1"', process.stderr)
        self.assertIn("is the file of port \"t0\" already", process.stderr)

    def test_ports_that_cannot_be_opened_are_named(self):
        for network, tool, words in [
            ("net_nonsense0", "loop:", ['"in"', "net_nonsense0"]),
            ("pcap:in.pcap", "loop:", ['"in"', "replay"]),
            ("loop:size=1", "loop:", ['"in"', "size"]),
            ("loop:colour=red", "loop:", ['"in"', "colour"]),
            (self.loop(), "pcap:/nonexistent/folder/x.pcap", ['"t0"', "/nonexistent/folder/x.pcap"]),
        ]:
            with self.subTest(network=network, tool=tool):
                process = run_yagura("run", "--config", self.config(network, tool), "--duration", "1s")
                self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
                for word in words:
                    self.assertIn(word, process.stderr)


if __name__ == "__main__":
    unittest.main()
