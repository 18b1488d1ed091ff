# SPDX-License-Identifier: BSD-3-Clause
"""Every test capture replays: nothing is lost, and what a tool gets is what the file holds, to the byte."""

import unittest

import capture_files
import yagura_e2e
from yagura_e2e import OK, USAGE, configuration

# Captures that are refused, and what the message must say. A new refusal fails the test.
REFUSED = {
    "pcpp-many_interfaces-1.pcapng": ["interface 0", "BSD null (0)", "Ethernet (1)", "different link types"],
}
# Captures that are damaged, and what the message must say: their sound part is replayed.
DAMAGED = {}

CONFIG = configuration(["all", "web", "dns"], [
    {"forward": ["all"]},
    {"filter": "tcp port 80", "forward": ["web"], "scope": "packet"},
    {"filter": "udp port 53", "forward": ["dns"]},
])


class ReplayCapturesTest(yagura_e2e.TestCase):
    def test_every_supported_capture_goes_to_the_tool_that_wants_all(self):
        folder = yagura_e2e.captures_folder()
        names = [name for name in yagura_e2e.capture_index() if name not in REFUSED and name not in DAMAGED]
        for name, replay in yagura_e2e.ahead(lambda name: self.replay(CONFIG, folder / name), names):
            with self.subTest(capture=name):
                self.check(name, replay)
            replay.remove()

    def check(self, name, replay):
        capture = capture_files.read_capture(yagura_e2e.captures_folder() / name)
        self.assertIsNone(capture.damage, name)
        self.assertEqual(replay.status, OK, f"{name}: {replay.describe()}")
        self.check_ledger(replay)
        received = {"packets": len(capture.records), "bytes": sum(len(r.data) for r in capture.records)}
        self.assertEqual(replay.stats["ports"]["lan"]["received"], received, name)
        self.assertEqual(replay.stats["ports"]["lan"]["forwarded"], received, name)
        self.assertEqual(replay.stats["ports"]["lan"]["dropped"], {}, name)
        self.assertEqual(replay.stats["lost"], 0, name)
        self.assertEqual(replay.stats["rules"]["1"]["packets"], len(capture.records), name)
        self.assert_packets(replay.tool("all"), capture.records, f"{name}, tool all")
        for tool in ("all", "web", "dns"):
            self.assertEqual(replay.capture(tool).link_types, sorted(capture.used_link_types()),
                             f"{name}, tool {tool}: link type")

    def test_the_index_names_every_capture(self):
        files = {path.name for path in yagura_e2e.captures_folder().iterdir()
                 if path.suffix in (".pcap", ".pcapng")}
        self.assertEqual(files, set(yagura_e2e.capture_index()))

    def test_captures_that_cannot_go_into_one_output_are_refused_with_the_reason(self):
        for name, words in REFUSED.items():
            with self.subTest(capture=name):
                path = yagura_e2e.captures_folder() / name
                replay = self.replay(CONFIG, path)
                self.assertEqual(replay.status, USAGE, f"{name}: {replay.describe()}")
                for word in (str(path), *words):
                    self.assertIn(word, replay.stderr, name)
                self.assertFalse(replay.folder.exists(), f"{name}: something was written")

    def test_damaged_captures_are_replayed_as_far_as_they_are_sound(self):
        for name, words in DAMAGED.items():
            with self.subTest(capture=name):
                path = yagura_e2e.captures_folder() / name
                replay = self.replay(CONFIG, path)
                self.assertEqual(replay.status, yagura_e2e.DAMAGED, f"{name}: {replay.describe()}")
                for word in (str(path), "offset", *words):
                    self.assertIn(word, replay.stderr, name)
                self.assert_packets(replay.tool("all"), capture_files.read_capture(path).records, name)


if __name__ == "__main__":
    unittest.main()
