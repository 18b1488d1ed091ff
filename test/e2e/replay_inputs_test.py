# SPDX-License-Identifier: BSD-3-Clause
"""How captures stand in for network ports, and that packets come out as they went in."""

import unittest

import capture_files
import yagura_e2e
from capture_files import (ETHERNET, IPV4, LINUX_SLL, LINUX_SLL2, MICROSECONDS, NANOSECONDS, NULL, RAW, Record, packet)
from packet_makers import ethernet, ipv4, struct, tcp, tcp_frame, udp_frame
from yagura_e2e import OK, USAGE, configuration

SECOND = 10**9
ALL = [{"forward": ["a"]}]


def at(*times, mark=b""):
    """Packets at these times, each with its own bytes."""
    return [packet(udp_frame(mark + b"%d" % number), time) for number, time in enumerate(times)]


class AssignmentTest(yagura_e2e.TestCase):
    """Which capture a network port gets: its packets are counted for the port."""

    def setUp(self):
        super().setUp()
        for name, count in (("one", 1), ("two", 2), ("four", 4)):
            self.capture(f"{name}.pcap", at(*range(count), mark=name.encode()))
        self.config = configuration(["a"], ALL, networks=["lan", "wan", "dmz"])

    def received(self, *inputs, status=OK):
        replay = self.replay(self.config, [self.paths(value) for value in inputs])
        self.assertEqual(replay.status, status, replay.describe())
        if status == OK:
            self.check_ledger(replay)
            return {name: port["received"]["packets"] for name, port in replay.stats["ports"].items()}
        return replay.stderr

    def paths(self, value):
        for name in ("one", "two", "four"):
            value = value.replace(name, str(self.folder / f"{name}.pcap"))
        return value

    def test_captures_are_given_to_the_ports_in_their_order(self):
        self.assertEqual(self.received("one,two,four"), {"lan": 1, "wan": 2, "dmz": 4})
        self.assertEqual(self.received("four", "one", "two"), {"lan": 4, "wan": 1, "dmz": 2})

    def test_a_port_without_capture_receives_nothing(self):
        self.assertEqual(self.received("two"), {"lan": 2, "wan": 0, "dmz": 0})

    def test_more_captures_than_ports_are_merged_onto_the_last(self):
        self.assertEqual(self.received("one,one,two,four,one"), {"lan": 1, "wan": 1, "dmz": 7})

    def test_a_capture_can_name_its_port(self):
        self.assertEqual(self.received("dmz=one", "lan=two"), {"lan": 2, "wan": 0, "dmz": 1})
        self.assertEqual(self.received("wan=one,wan=four"), {"lan": 0, "wan": 5, "dmz": 0})

    def test_unnamed_captures_take_the_ports_that_nobody_named(self):
        self.assertEqual(self.received("lan=one,two,four"), {"lan": 1, "wan": 2, "dmz": 4})

    def test_an_unknown_port_is_refused_with_the_known_ones(self):
        error = self.received("lna=one", status=USAGE)
        self.assertIn('there is no network port "lna"', error)
        self.assertIn("lan, wan, dmz", error)

    def test_a_tool_port_is_no_network_port(self):
        self.assertIn('there is no network port "a"', self.received("a=one", status=USAGE))

    def test_an_empty_name_is_refused(self):
        self.assertIn("--in", self.received("one,,two", status=USAGE))

    def test_a_file_with_a_comma_or_an_equals_sign_in_its_name(self):
        for name in ("a,b.pcap", "x=y.pcap"):
            path = self.capture(name, at(1, 2, 3))
            replay = self.replay_well(self.config, path)
            self.assertEqual(replay.stats["ports"]["lan"]["received"]["packets"], 3, name)


class OrderTest(yagura_e2e.TestCase):
    CONFIG = configuration(["a"], ALL)

    def test_within_a_file_the_order_is_that_of_the_records(self):
        records = at(5 * SECOND, 3 * SECOND, 4 * SECOND + 1, 3 * SECOND, 9 * SECOND, 0)
        replay = self.replay_well(self.CONFIG, self.capture("in.pcap", records))
        self.assert_packets(replay.tool("a"), records, "time stamps that go back")

    def test_over_files_the_order_is_time_then_place_on_the_command_line_then_record(self):
        a, b, c = at(10, 20, 20, 40, mark=b"a"), at(10, 20, 30, mark=b"b"), at(5, 20, 40, mark=b"c")
        paths = [self.capture(f"{name}.pcap", records) for name, records in (("a", a), ("b", b), ("c", c))]
        expected = [c[0], a[0], b[0], a[1], a[2], b[1], c[1], b[2], a[3], c[2]]
        replay = self.replay_well(self.CONFIG, [f"{paths[0]},{paths[1]}", paths[2]])
        self.assert_packets(replay.tool("a"), expected, "three files")

    def test_over_files_time_never_goes_back(self):
        # Once a file has reached 30, its packet of 10 is at 30 as well: it does not come before b's 20.
        a, b = at(30, 10, 40, mark=b"a"), at(20, 30, 35, mark=b"b")
        replay = self.replay_well(self.CONFIG, [self.capture("a.pcap", a), self.capture("b.pcap", b)])
        self.assert_packets(replay.tool("a"), [b[0], a[0], a[1], b[1], b[2], a[2]], "a file that goes back")

    def test_stop_after(self):
        records = at(*range(100))
        path = self.capture("in.pcap", records)
        for count in (1, 31, 32, 33, 99, 100, 1000):
            with self.subTest(count=count):
                replay = self.replay_well(self.CONFIG, path, "--stop-after", count)
                self.assert_packets(replay.tool("a"), records[:count], f"--stop-after {count}")
        replay = self.replay_well(self.CONFIG, path, "--stop-after", 0)
        self.assert_packets(replay.tool("a"), [], "--stop-after 0")

    def test_stop_after_counts_over_all_files(self):
        a, b = at(10, 30, mark=b"a"), at(20, 40, mark=b"b")
        replay = self.replay_well(self.CONFIG, [self.capture("a.pcap", a), self.capture("b.pcap", b)],
                                  "--stop-after", 3)
        self.assert_packets(replay.tool("a"), [a[0], b[0], a[1]], "--stop-after 3")


class FidelityTest(yagura_e2e.TestCase):
    CONFIG = configuration(["a", "tcp"], [*ALL, {"filter": "tcp", "forward": ["tcp"]}])

    def check(self, path, records, what, link_type=ETHERNET):
        replay = self.replay_well(self.CONFIG, path)
        self.assert_packets(replay.tool("a"), records, what)
        self.assertEqual(replay.capture("a").link_types, [link_type], what)
        return replay

    def test_every_form_of_classic_file(self):
        for magic, step in ((MICROSECONDS, 1000), (NANOSECONDS, 1)):
            for order in "<>":
                records = at(1, SECOND - step, SECOND, 1_700_000_000 * SECOND + 123456 * step)
                records = [record._replace(ns=record.ns // step * step) for record in records]
                path = capture_files.write_pcap(self.folder / "in.pcap", records, ETHERNET, magic, order)
                with self.subTest(magic=hex(magic), order=order):
                    self.check(path, records, f"magic {magic:#x}, order {order}")

    def test_every_form_of_pcapng_file(self):
        for resolution in (6, 9):
            for order in "<>":
                step = 10 ** (9 - resolution)
                records = [Record(1_700_000_000 * SECOND + n * step, 60, udp_frame(b"%d" % n), n % 3)
                           for n in range(9)]
                path = self.folder / "in.pcapng"
                capture_files.write_pcapng(path, records, (ETHERNET,) * 3, order, resolution)
                with self.subTest(resolution=resolution, order=order):
                    self.check(path, records, f"10^-{resolution} s, order {order}, three interfaces")

    def test_formats_can_be_mixed(self):
        a, b = at(10, 30, mark=b"a"), at(20, 40, mark=b"b")
        paths = [self.capture("a.pcap", a), capture_files.write_pcapng(self.folder / "b.pcapng", b)]
        replay = self.replay_well(self.CONFIG, paths)
        self.assert_packets(replay.tool("a"), [a[0], b[0], a[1], b[1]], "pcap and pcapng")

    def test_snapped_packets_keep_their_length_on_the_wire(self):
        frame = tcp_frame(b"x" * 1000)
        records = [packet(frame[:size], size, len(frame)) for size in (0, 1, 13, 14, 33, 34, 53, 54, 60, 500)]
        replay = self.check(self.capture("in.pcap", records), records, "snapped")
        self.assertEqual(replay.stats["ports"]["lan"]["received"]["bytes"], sum(len(r.data) for r in records))

    def test_snapped_packets_are_not_malformed_for_that(self):
        frame = tcp_frame(b"x" * 1000)
        path = self.capture("in.pcap", [packet(frame[:60], 1, len(frame)), packet(frame[:60], 2, 60)])
        rules = [{"malformed": True, "forward": ["a"], "scope": "packet"}]
        replay = self.replay_well(configuration(["a"], rules), path)
        self.assertEqual([record.wire for record in replay.tool("a")], [60])

    def test_zero_length_packets(self):
        records = [packet(b"", 1), packet(tcp_frame(), 2), packet(b"", 3), packet(b"", 4, 60)]
        self.check(self.capture("in.pcap", records), records, "zero-length packets")

    def test_jumbo_records(self):
        frame = tcp_frame(bytes(range(256)) * 200) + bytes(range(256)) * 800
        records = [packet(frame[:size], n) for n, size in
                   enumerate((2048, 2049, 9018, 65535, 65536, 200_000, 60, 200_000))]
        self.check(self.capture("in.pcap", records), records, "jumbo records")

    def test_many_jumbo_records(self):
        records = [packet(struct.pack(">I", n) + bytes(199_996), n) for n in range(400)]
        self.check(self.capture("in.pcap", records), records, "more jumbo records than the pool can hold at once")

    def test_link_types_are_kept_and_seen_through(self):
        ip = ipv4(tcp(b"x"))
        for link_type, header in [
            (NULL, struct.pack("<I", 2)),
            (NULL, struct.pack(">I", 2)),
            (RAW, b""),
            (IPV4, b""),
            (LINUX_SLL, struct.pack(">HHH8sH", 0, 1, 6, b"", 0x0800)),
            (LINUX_SLL2, struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b"")),
        ]:
            with self.subTest(link_type=link_type, header=header.hex()):
                records = [packet(header + ip, 1)]
                path = self.capture("in.pcap", records, link_type)
                replay = self.check(path, records, f"link type {link_type}", link_type)
                self.assert_packets(replay.tool("tcp"), records, f"link type {link_type}, tool tcp")

    def test_old_numbers_of_raw_ip_are_written_as_raw_ip(self):
        for number in (12, 14):
            records = [packet(ipv4(tcp()), 1)]
            path = self.capture("in.pcap", records, number)
            self.check(path, records, f"link type {number}", RAW)

    def test_different_link_types_are_refused_naming_file_and_interface(self):
        ether, raw = at(1), [packet(ipv4(tcp()), 1)]
        a, b = self.capture("a.pcap", ether), self.capture("b.pcap", raw, RAW)
        replay = self.replay(self.CONFIG, [a, b])
        self.assertEqual(replay.status, USAGE, replay.describe())
        for word in (str(a), str(b), "Ethernet (1)", "raw IP (101)"):
            self.assertIn(word, replay.stderr)
        self.assertFalse(replay.folder.exists())

        mixed = capture_files.write_pcapng(self.folder / "mixed.pcapng", [ether[0], raw[0]._replace(interface=1)],
                                           (ETHERNET, RAW))
        replay = self.replay(self.CONFIG, mixed)
        self.assertEqual(replay.status, USAGE, replay.describe())
        for word in (str(mixed), "interface 0 (if0)", "interface 1 (if1)"):
            self.assertIn(word, replay.stderr)

    def test_an_interface_without_packets_does_not_matter(self):
        records = at(1, 2)
        path = capture_files.write_pcapng(self.folder / "in.pcapng", records, (ETHERNET, RAW))
        self.check(path, records, "an unused interface of another link type")

    def test_an_unsupported_link_type_is_refused_by_name(self):
        for path in (self.capture("in.pcap", [packet(ethernet(b""), 1)], 105),
                     capture_files.write_pcapng(self.folder / "in.pcapng", at(1), (105,))):
            replay = self.replay(self.CONFIG, path)
            self.assertEqual(replay.status, USAGE, replay.describe())
            for word in (str(path), "IEEE802_11 (105) is not supported", "Ethernet (1)"):
                self.assertIn(word, replay.stderr)
            self.assertFalse(replay.folder.exists())


if __name__ == "__main__":
    unittest.main()
