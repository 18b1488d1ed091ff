# SPDX-License-Identifier: BSD-3-Clause
"""Damaged inputs and failing outputs: a clear error, the right status, and whatever was written is sound."""

import os
import resource
import signal
import unittest

import capture_files
import yagura_e2e
from capture_files import ETHERNET, packet
from packet_makers import struct, tcp_frame, udp_frame
from yagura_e2e import DAMAGED, LOSS, USAGE, configuration

CONFIG = configuration(["a", "dns"], [{"forward": ["a"]}, {"filter": "udp", "forward": ["dns"]}])
RECORDS = [packet(udp_frame(b"d%d" % n) if n % 2 else tcp_frame(b"t" * n), 1000 * n) for n in range(20)]


def limit_file_size(size):
    """For subprocess: writing beyond `size` fails with an error, as on a full disk."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


class DamagedInputTest(yagura_e2e.TestCase):
    def check(self, data, sound, offset, words=(), name="in.pcap"):
        """Replays the bytes as a file; its first `sound` packets must come out, and the error name file,
        offset and record."""
        path = self.folder / name
        path.write_bytes(data)
        replay = self.replay(CONFIG, path)
        self.assertEqual(replay.status, DAMAGED, replay.describe())
        for word in (f"{path}: offset {offset}, record {sound + 1}: ", *words):
            self.assertIn(word, replay.stderr)
        self.check_ledger(replay)
        self.assert_packets(replay.tool("a"), RECORDS[:sound], "what came before the damage")
        self.assert_packets(replay.tool("dns"), RECORDS[1:sound:2], "what came before the damage, tool dns")

    def classic(self):
        """The file's parts: its header, and the records."""
        return capture_files.file_header(), [capture_files.raw_record(record) for record in RECORDS]

    def pcapng(self):
        header = capture_files.section_header() + capture_files.interface_block(ETHERNET)
        return header, [capture_files.packet_block(record) for record in RECORDS]

    def test_classic_file_cut_inside_a_record_header(self):
        header, records = self.classic()
        whole = header + b"".join(records[:7])
        for kept in (1, 8, 15):
            with self.subTest(kept=kept):
                self.check(whole + records[7][:kept], 7, len(whole), [f"{kept} of 16 bytes"])

    def test_classic_file_cut_inside_a_packet(self):
        header, records = self.classic()
        whole = header + b"".join(records[:7])
        for kept in (16, 17, len(records[7]) - 1):
            with self.subTest(kept=kept):
                self.check(whole + records[7][:kept], 7, len(whole),
                           [f"claims {len(RECORDS[7].data)} bytes but the file ends after {kept - 16}"])

    def test_classic_file_with_a_record_whose_length_lies(self):
        header, records = self.classic()
        whole = header + b"".join(records[:7])
        rest = b"".join(records[8:])
        for lie in (0x7FFFFFFF, 0xFFFFFFFF, 262145):
            liar = records[7][:8] + struct.pack("<I", lie) + records[7][12:]
            with self.subTest(length=lie):
                self.check(whole + liar + rest, 7, len(whole), [f"claims {lie} bytes", "no packet"])
        liar = records[7][:8] + struct.pack("<I", 100_000) + records[7][12:]
        self.check(whole + liar + rest, 7, len(whole), ["claims 100000 bytes but the file ends after"])

    def test_damage_in_the_first_record(self):
        header, records = self.classic()
        self.check(header + records[0][:20], 0, 24)

    def test_pcapng_file_cut_anywhere_in_a_block(self):
        header, blocks = self.pcapng()
        whole = header + b"".join(blocks[:5])
        for kept in (1, 7, 8, 20, 40, len(blocks[5]) - 1):
            with self.subTest(kept=kept):
                self.check(whole + blocks[5][:kept], 5, len(whole), ["the file ends"], "in.pcapng")

    def test_pcapng_file_with_a_block_whose_length_lies(self):
        header, blocks = self.pcapng()
        whole, rest = header + b"".join(blocks[:5]), b"".join(blocks[6:])
        block = blocks[5]
        for lie in (0, 8, 13, 0x7FFFFFFC, 0xFFFFFFFF):
            with self.subTest(head=lie):
                self.check(whole + block[:4] + struct.pack("<I", lie) + block[8:] + rest, 5, len(whole),
                           [f"claims {lie} bytes"], "in.pcapng")
        with self.subTest("tail"):
            self.check(whole + block[:-4] + struct.pack("<I", 16) + rest, 5, len(whole), ["at its tail"], "in.pcapng")
        with self.subTest("captured length"):
            self.check(whole + block[:20] + struct.pack("<I", 5000) + block[24:] + rest, 5, len(whole),
                       ["claims 5000 bytes"], "in.pcapng")
        with self.subTest("interface"):
            self.check(whole + block[:8] + struct.pack("<I", 3) + block[12:] + rest, 5, len(whole),
                       ["interface 3"], "in.pcapng")

    def test_the_other_files_are_replayed_to_their_end(self):
        header, records = self.classic()
        broken = self.folder / "broken.pcap"
        broken.write_bytes(header + b"".join(records[:3]) + records[3][:10])
        sound = self.capture("sound.pcap", RECORDS)
        replay = self.replay(CONFIG, [broken, sound])
        self.assertEqual(replay.status, DAMAGED, replay.describe())
        self.check_ledger(replay)
        self.assertIn(f"{broken}: offset", replay.stderr)
        expected = [record for n, record in enumerate(RECORDS) for _ in range(2 if n < 3 else 1)]
        self.assert_packets(replay.tool("a"), expected, "two files, one of them damaged")

    def test_damage_behind_the_last_packet_asked_for_is_none(self):
        header, records = self.classic()
        path = self.folder / "in.pcap"
        path.write_bytes(header + b"".join(records[:7]) + records[7][:10])
        replay = self.replay_well(CONFIG, path, "--stop-after", 7)
        self.assertEqual(len(replay.tool("a")), 7)


class NoCaptureTest(yagura_e2e.TestCase):
    """What is no capture at all is refused before anything is written."""

    def refused(self, path, status, *words, **run_options):
        replay = self.replay(CONFIG, path, **run_options)
        self.assertEqual(replay.status, status, replay.describe())
        for word in (str(path), *words):
            self.assertIn(word, replay.stderr)
        self.assertFalse(replay.folder.exists(), "something was written")

    def test_content_that_is_no_capture(self):
        header = capture_files.file_header()
        section = capture_files.section_header()
        for what, data, word in [
            ("empty", b"", "empty"),
            ("wrong magic", b"\xde\xad\xbe\xef" + bytes(100), "deadbeef"),
            ("text", b"hello, this is not a capture\n", "text"),
            ("gzip", b"\x1f\x8b\x08" + bytes(50), "gunzip"),
            ("three bytes", header[:3], "not a capture"),
            ("cut header", header[:23], "23 of 24 bytes"),
            ("cut section header", section[:20], "ends"),
            ("wrong byte order magic", section[:8] + b"abcd" + section[12:], "byte-order"),
        ]:
            with self.subTest(what):
                path = self.folder / "in.pcap"
                path.write_bytes(data)
                self.refused(path, DAMAGED, word)

    def test_versions_that_are_not_supported(self):
        header = capture_files.file_header()
        section = capture_files.section_header()
        for what, data in [
            ("pcap version 1.0", header[:4] + struct.pack("<HH", 1, 0) + header[8:]),
            ("pcapng version 9.0", section[:12] + struct.pack("<HH", 9, 0) + section[16:]),
        ]:
            with self.subTest(what):
                path = self.folder / "in.pcap"
                path.write_bytes(data)
                self.refused(path, USAGE, f"{what} is not supported")

    def test_a_path_that_cannot_be_read(self):
        self.refused(self.folder / "missing.pcap", USAGE, "No such file")
        self.refused(self.folder, USAGE, "directory")
        self.refused("/dev/null", USAGE, "not a regular file")
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        self.refused(fifo, USAGE, "not a regular file")

    def test_a_file_without_permission(self):
        user = yagura_e2e.ordinary_user()
        self.folder.chmod(0o755)
        path = self.capture("in.pcap", RECORDS)
        path.chmod(0)
        self.refused(path, USAGE, "Permission denied", **user)

    def test_one_bad_input_among_good_ones_refuses_the_run(self):
        good = self.capture("good.pcap", RECORDS)
        missing = self.folder / "missing.pcap"
        replay = self.replay(CONFIG, [good, missing])
        self.assertEqual(replay.status, USAGE, replay.describe())
        self.assertIn(str(missing), replay.stderr)
        self.assertFalse(replay.folder.exists())


class OutputTest(yagura_e2e.TestCase):
    def test_a_folder_that_cannot_be_made(self):
        path = self.capture("in.pcap", RECORDS)
        file = self.folder / "file"
        file.write_text("in the way")
        for out in (file, file / "below"):
            replay = self.replay(CONFIG, path, out=out)
            self.assertEqual(replay.status, USAGE, replay.describe())
            self.assertIn(str(out), replay.stderr)
        self.assertEqual(file.read_text(), "in the way")

    def test_a_folder_without_permission(self):
        user = yagura_e2e.ordinary_user()
        self.folder.chmod(0o755)
        locked = self.folder / "locked"
        locked.mkdir()
        locked.chmod(0o555)
        self.addCleanup(locked.chmod, 0o755)
        for out in (locked, locked / "below"):
            replay = self.replay(CONFIG, self.capture("in.pcap", RECORDS), out=out, **user)
            self.assertIn(replay.status, (LOSS, USAGE), replay.describe())
            self.assertIn(str(out), replay.stderr)
            self.assertIn("Permission denied", replay.stderr)

    def test_a_folder_on_a_file_system_that_takes_no_files(self):
        replay = self.replay(CONFIG, self.capture("in.pcap", RECORDS), out="/proc/yagura-e2e")
        self.assertIn(replay.status, (LOSS, USAGE), replay.describe())
        self.assertIn("/proc/yagura-e2e", replay.stderr)

    def full_disk(self, options=()):
        """A replay of far more than the outputs may hold."""
        records = [packet(struct.pack(">I", n) + udp_frame(b"." * 1400)[4:], n) for n in range(6000)]
        path = self.capture("large.pcap", records)
        config = configuration(["a", "few"], [{"forward": ["a"]}, {"filter": "len < 100", "forward": ["few"]}])
        replay = self.replay(config, path, *options, preexec_fn=limit_file_size(3_000_000))
        self.assertEqual(replay.status, LOSS, replay.describe())
        self.assertIn("a.pcap", replay.stderr)
        self.assertIn("File too large", replay.stderr)
        return replay, records

    def test_a_full_disk_loses_the_rest_and_says_so(self):
        replay, records = self.full_disk()
        got = replay.tool("a")  # which is a sound capture
        self.assertGreater(len(got), 1000)
        self.assertLess(len(got), len(records))
        self.assert_packets(got, records[:len(got)], "what was written before the disk was full")
        self.assertEqual(replay.tool("few"), [])
        tool = replay.stats["tools"]["a"]
        self.assertEqual(tool["offered"]["packets"], len(records))
        self.assertEqual(tool["sent"]["packets"], len(got))
        self.assertEqual(tool["shed"]["write_error"]["packets"], len(records) - len(got))
        self.assertEqual(replay.stats["lost"], len(records) - len(got))
        self.check_ledger(replay)
        self.assertEqual({path.name for path in replay.folder.iterdir()},
                         {"a.pcap", "few.pcap", "stats.json", "flows.jsonl"}, "temporary files are left")

    def test_a_full_disk_with_several_select_lcores(self):
        records = [packet(udp_frame(struct.pack(">I", n) + b"." * 1400, sport=1000 + n % 50), n) for n in range(6000)]
        path = self.capture("large.pcap", records)
        replay = self.replay(configuration(["a"], [{"forward": ["a"]}]), path, "--lcores", "rx=0;select=1,2,3;tx=0",
                             preexec_fn=limit_file_size(3_000_000))
        self.assertEqual(replay.status, LOSS, replay.describe())
        got = replay.tool("a")
        self.assertGreater(len(got), 1000)
        self.assertLess(len(got), len(records))
        # Which packets were written in time depends on the lcores; each is one of the input's, once.
        self.assertLessEqual(set(got), set(records))
        self.assertEqual(len(set(got)), len(got))
        self.check_ledger(replay)

    def test_no_room_for_anything(self):
        path = self.capture("in.pcap", RECORDS)
        replay = self.replay(CONFIG, path, preexec_fn=limit_file_size(0))
        self.assertEqual(replay.status, LOSS, replay.describe())
        self.assertIn("a.pcap", replay.stderr)
        self.assertIn("File too large", replay.stderr)


if __name__ == "__main__":
    unittest.main()
