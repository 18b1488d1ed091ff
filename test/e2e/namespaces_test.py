# SPDX-License-Identifier: BSD-3-Clause
"""yagura run beside hosts that talk over real kernel TCP: what tools get, and that the hosts never notice."""

import re
import signal
import socket
import sys
import time
import unittest
from pathlib import Path

import capture_files
import yagura_e2e
from packet_makers import ethernet, ipv4, tcp
from run_summary import Summary
from yagura_e2e import LOSS, OK

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import netns
import tcp_sessions

ONE_LCORE = ("--lcores", "rx=0;select=0;tx=0")
WEB, OTHER = 80, 8080


# Hands a TCP segment to the kernel as TCP does, to be cut into segments of 1,448 bytes by whoever must.
SEND_SEGMENT = """
import socket, struct, sys
frame = bytes.fromhex(sys.argv[1])
SOL_PACKET, PACKET_VNET_HDR, NEEDS_CHECKSUM, TCP4 = 263, 15, 1, 1
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
out.bind(("eth0", 0))
tcp = len(frame) - 30020
out.send(struct.pack("<BBHHHH", NEEDS_CHECKSUM, TCP4, tcp + 20, 1448, tcp, 16) + frame)
"""


def tcp_segment(payload, dport):
    return ethernet(ipv4(tcp(payload, sport=1024, dport=dport), src=netns.Net.A, dst=netns.Net.B))


def tagged(frame, tag):
    return frame[:12] + b"\x81\x00" + tag.to_bytes(2, "big") + frame[12:]


def capabilities(program):
    """Of all threads of a program, the sets that they have."""
    tasks = Path(f"/proc/{program.process.pid}/task").iterdir()
    words = (re.search(r"^CapPrm:\s*(\w+)", (task / "status").read_text(), re.MULTILINE)[1] for task in tasks)
    return {int(word, 16) for word in words}


def setUpModule():
    netns.require()


class NamespaceTest(yagura_e2e.TestCase):
    """Two hosts on a bridge, yagura on a port of it, a tool that captures with tcpdump."""

    NETWORK, TOOL = "net_af_packet0,iface=a", "net_af_packet1,iface=t"

    def make(self, **options):
        self.net = netns.Net(self, **options)
        return self.net

    def start_yagura(self, network=NETWORK, tool=TOOL, rules=None, space=None, name="config.json"):
        config = {"ports": {"lan": {"role": "network", "device": network}, "ids": {"role": "tool", "device": tool}},
                  "rules": rules or [{"id": 1, "filter": f"tcp port {WEB}", "forward": ["ids"]}]}
        path = self.write_config(config, name)
        yagura = (space or self.net.box).start(yagura_e2e.yagura_path(), "run", "--config", path, *ONE_LCORE)
        yagura.wait_for("network ports")
        return yagura

    def stop(self, yagura, status=OK):
        """SIGTERM: it drains, the ledger balances, and it ends with this status."""
        got = yagura.stop()
        summary = Summary(yagura.stdout)
        self.assertTrue(summary.balanced, yagura.describe())
        self.assertEqual(got, status, yagura.describe())
        return summary

    def start_tcpdump(self, space=None, device="eth0"):
        self.captured = self.folder / f"captured{next(self.runs)}.pcap"
        tcpdump = (space or self.net.tool).start(
            "tcpdump", "-i", device, "-w", self.captured, "-U", "-s", 0, "-B", 65536, "-Z", "root", "--nano")
        tcpdump.wait_for("listening on")
        return tcpdump

    @staticmethod
    def counts(tcpdump):
        """Packets that it has captured, that its kernel has for it, and that were dropped."""
        line = re.compile(r"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped")
        asked = len(line.findall(tcpdump.stderr))
        tcpdump.send(signal.SIGUSR1)
        netns.wait_until(lambda: len(line.findall(tcpdump.stderr)) > asked, what=tcpdump.describe)
        return [int(count) for count in line.findall(tcpdump.stderr)[-1]]

    def settle(self, tcpdump):
        """Nothing comes any more, and all that came is written."""
        def settled():
            before = self.counts(tcpdump)
            time.sleep(0.2)
            now = self.counts(tcpdump)
            return before == now and now[0] == now[1]

        netns.wait_until(settled, what=tcpdump.describe)

    def wait_for_frames(self, tcpdump, least):
        """The tool has so many: yagura may be slow to take what its kernel has for it."""
        netns.wait_until(lambda: self.counts(tcpdump)[0] >= least, what=tcpdump.describe)

    def stop_tcpdump(self, tcpdump):
        """What it captured, when it has written all that its kernel has for it."""
        self.settle(tcpdump)
        tcpdump.stop(signal.SIGINT)
        self.assertIn("\n0 packets dropped by kernel", tcpdump.stderr)
        return tcp_sessions.read(capture_files.parse_capture(self.captured.read_bytes()).records)

    def talk(self, port, **options):
        return netns.Talk(self.net.b, self.net.a, netns.Net.B, port, **options)

    def check_sessions(self, frames, talks):
        """The tool got exactly these sessions, whole."""
        self.assertEqual(frames.cut, [])
        self.assertEqual(frames.others, 0)
        self.assertEqual({port for ports in frames.directions for port in ports if port < 32768},
                         {talk.port for talk in talks})
        for talk in talks:
            for (source, target), direction in frames.directions.items():
                if talk.port in (source, target):
                    role = "server" if source == talk.port else "client"
                    self.assertTrue(direction.data() == talk.data(role), f"port {talk.port}, {role}:\n{frames}")


class PacketSocketTest(NamespaceTest):
    def test_the_tool_gets_exactly_the_selected_sessions(self):
        for offloads in (True, False):
            with self.subTest(offloads=offloads):
                self.make(offloads=offloads)
                tcpdump = self.start_tcpdump()
                yagura = self.start_yagura()
                # Without offloads this is a packet for each 1,448 bytes: not faster than a shared CPU keeps up with.
                web = self.talk(WEB, request=4 << 20, pause=0 if offloads else 0.01)
                self.talk(OTHER, pause=0 if offloads else 0.01).finish()
                web.finish()
                self.settle(tcpdump)
                summary = self.stop(yagura)
                frames = self.stop_tcpdump(tcpdump)
                self.check_sessions(frames, [web])
                self.assertEqual(summary.lost, 0, yagura.describe())
                if offloads:
                    self.assertGreater(frames.largest, 30_000, "no segment was large: this tested nothing")
                else:
                    self.assertLessEqual(frames.largest, 1514)
                self.assertIn('port "lan": link up, MTU 1500', yagura.stderr)

    def test_nothing_of_other_interfaces_comes(self):
        self.make()
        talk = self.talk(OTHER, request=48 << 20, pause=0.01)  # some eight seconds: longer than a start takes
        yagura = self.start_yagura("net_af_packet0,iface=t", "loop:", [{"id": 1, "forward": ["ids"]}])
        self.assertIsNone(talk.client.process.poll(), "there was no traffic while yagura started")
        summary = self.stop(yagura)
        self.assertEqual((summary.rows["lan"][0], summary.lost), (0, 0), yagura.describe())
        talk.finish()

    def test_what_opened_a_socket_is_given_away(self):
        self.make()
        yagura = self.start_yagura()
        yagura.wait_for("capabilities kept: none")
        self.assertEqual(capabilities(yagura), {0})
        promiscuous = 0x100
        self.assertTrue(int(self.net.box.run("cat", "/sys/class/net/t/flags"), 16) & promiscuous)
        yagura.kill()
        self.assertFalse(int(self.net.box.run("cat", "/sys/class/net/t/flags"), 16) & promiscuous, "for good")

    def test_tags_are_put_back(self):
        for offloads in (True, False):
            with self.subTest(offloads=offloads):
                self.make(offloads=offloads)
                tcpdump = self.start_tcpdump()
                yagura = self.start_yagura()
                data = netns.bytes_of("tagged", 30_000, 1)
                self.net.a.run(sys.executable, "-c", SEND_SEGMENT, tagged(tcp_segment(data, WEB), 5).hex())
                self.wait_for_frames(tcpdump, 1 if offloads else 21)
                self.stop(yagura)
                frames = self.stop_tcpdump(tcpdump)
                self.assertEqual((frames.cut, frames.others), ([], 0))
                self.assertEqual({key: (direction.data() == data, frames.vlans[key])
                                  for key, direction in frames.directions.items()}, {(1024, WEB): (True, {(5,)})})
                self.assertEqual(frames.largest, 30_058 if offloads else 1506)

    def test_frames_that_the_kernel_cut_are_counted_and_given_to_nobody(self):
        self.make()
        tcpdump = self.start_tcpdump()
        yagura = self.start_yagura(self.NETWORK + ",framesz=2048,blocksz=4096,framecnt=2048")
        self.assertIn("up to 1982 bytes", yagura.stderr)
        self.talk(WEB, answer=1000).finish()
        summary = self.stop(yagura, LOSS)
        frames = self.stop_tcpdump(tcpdump)
        self.assertEqual(frames.cut, [])
        self.assertLessEqual(frames.largest, 1982)
        self.assertGreater(summary.rows["truncated"][0], 10)
        self.assertEqual(summary.lost, summary.rows["truncated"][0])

    def test_what_the_kernel_had_no_room_for_is_told(self):
        self.make(offloads=False)
        yagura = self.start_yagura()
        yagura.send(signal.SIGSTOP)
        self.talk(OTHER, request=4 << 20).finish()
        yagura.send(signal.SIGCONT)
        time.sleep(1)
        summary = self.stop(yagura, LOSS)
        self.assertGreater(summary.rows["missed"][0], 100)
        self.assertGreaterEqual(summary.rows["lan"][0], 1024)
        self.assertEqual(summary.lost, summary.rows["missed"][0])

    def test_frames_beyond_the_mtu_of_a_tool_are_shed_and_the_others_are_not(self):
        self.make(tool_mtu=1500)
        tcpdump = self.start_tcpdump()
        yagura = self.start_yagura()
        small = self.talk(WEB, request=500, answer=700).finish()
        large = self.talk(WEB).finish()
        summary = self.stop(yagura, LOSS)
        frames = self.stop_tcpdump(tcpdump)
        self.assertEqual(frames.cut, [])
        self.assertGreater(summary.rows["too_large"][0], 5)
        self.assertEqual(summary.lost, summary.rows["too_large"][0])
        self.assertTrue(frames.holds(small.data("client")), frames)
        self.assertTrue(frames.holds(small.data("server")), frames)
        self.assertFalse(frames.holds(large.data("client")), frames)

    def test_a_killed_yagura_disturbs_nobody_and_the_next_one_picks_up(self):
        self.make()
        tcpdump = self.start_tcpdump()
        yagura = self.start_yagura()
        gate = self.folder / "gate"
        slow = self.talk(WEB, request=4 << 20, pause=0.03, gate=gate)
        slow.client.wait_for("sent 655360")
        yagura.kill()
        self.assertEqual(yagura.wait(), -signal.SIGKILL)
        slow.client.wait_for("sent 1310720")
        self.stop_tcpdump(tcpdump)
        tcpdump = self.start_tcpdump()
        yagura = self.start_yagura()
        gate.touch()
        after = self.talk(WEB + 1)
        slow.finish()
        after.finish()
        new = self.talk(WEB).finish()
        self.stop(yagura)
        frames = self.stop_tcpdump(tcpdump)
        self.assertEqual(frames.cut, [])
        self.assertTrue(frames.holds(new.data("client")), frames)
        self.assertTrue(frames.holds(new.data("server")), frames)
        tail = max((direction.data() for direction in frames.directions.values() if not direction.opened), key=len)
        self.assertTrue(slow.data("client").endswith(tail), "the rest of the session that was under way")
        self.assertGreaterEqual(len(tail), 2 << 20)

    def test_links_that_change_are_told_and_what_a_dead_tool_misses_is_counted(self):
        net = self.make()
        yagura = self.start_yagura()
        net.box.ip("link", "set", "dev", "t", "mtu", "1400")
        yagura.wait_for('port "ids": link up, MTU 1400')
        net.box.ip("link", "set", "dev", "t", "down")
        yagura.wait_for('port "ids": link down')
        self.talk(WEB).finish()
        net.box.ip("link", "set", "dev", "t", "up", "mtu", "65535")
        yagura.wait_for('port "ids": link up, MTU 65535', times=2)
        tcpdump = self.start_tcpdump()
        second = self.talk(WEB).finish()
        net.box.ip("link", "set", "dev", "a", "down")
        yagura.wait_for('port "lan": link down')
        net.box.ip("link", "set", "dev", "a", "up")
        yagura.wait_for('port "lan": link up', times=2)
        third = self.talk(WEB).finish()
        frames = self.stop_tcpdump(tcpdump)
        net.box.ip("link", "del", "dev", "t")
        yagura.wait_for('port "ids": the interface t that it was opened on is gone')
        self.talk(OTHER).finish()
        summary = self.stop(yagura, LOSS)
        self.assertGreater(summary.rows["tool_down"][0], 5)
        self.assertEqual(summary.lost, summary.rows["tool_down"][0], yagura.describe())
        self.assertTrue(frames.holds(second.data("client")), f"{frames}\n{yagura.describe()}")
        self.assertTrue(frames.holds(third.data("client")), f"{frames}\n{yagura.describe()}")


class OtherDevicesTest(NamespaceTest):
    # A packet for each 1,448 bytes: not faster than a shared CPU keeps up with.
    SLOW = {"request": 1 << 20, "pause": 0.02}

    def check(self, yagura, tcpdump, capture=None):
        web = self.talk(WEB, **self.SLOW)
        self.talk(OTHER, **self.SLOW).finish()
        web.finish()
        if tcpdump:
            frames = self.stop_tcpdump(tcpdump)
        summary = self.stop(yagura)
        if capture:
            frames = tcp_sessions.read(capture_files.parse_capture(capture.read_bytes()).records)
        self.assertEqual(summary.lost, 0, yagura.describe())
        self.check_sessions(frames, [web])

    def test_taps(self):
        net = self.make()
        yagura = self.start_yagura("net_tap0,iface=tapn", "net_tap1,iface=tapt")
        yagura.wait_for("capabilities kept: cap_net_admin")
        self.assertEqual(capabilities(yagura), {1 << 12})
        # What the kernel sends into the one is a mirror of a port of the bridge; it receives from the other.
        netns.mirror(net.box, "a", "tapn")
        self.check(yagura, self.start_tcpdump(net.box, "tapt"))

    def test_a_killed_yagura_with_taps_disturbs_nobody_and_the_next_one_picks_up(self):
        net = self.make()
        taps = ("net_tap0,iface=tapn", "net_tap1,iface=tapt")
        yagura = self.start_yagura(*taps)
        netns.mirror(net.box, "a", "tapn")
        gate = self.folder / "gate"
        slow = self.talk(WEB, request=4 << 20, pause=0.03, gate=gate)
        slow.client.wait_for("sent 655360")
        yagura.kill()
        self.assertEqual(yagura.wait(), -signal.SIGKILL)
        # Its interfaces went with it, and the mirror with the one.
        slow.client.wait_for("sent 1310720")
        net.box.run("tc", "qdisc", "del", "dev", "a", "clsact")
        yagura = self.start_yagura(*taps)
        netns.mirror(net.box, "a", "tapn")
        tcpdump = self.start_tcpdump(net.box, "tapt")
        gate.touch()
        slow.finish()
        new = self.talk(WEB, **self.SLOW).finish()
        frames = self.stop_tcpdump(tcpdump)
        summary = self.stop(yagura)
        self.assertEqual(summary.lost, 0, yagura.describe())
        self.assertEqual(frames.cut, [])
        self.assertTrue(frames.holds(new.data("client")), frames)
        self.assertTrue(frames.holds(new.data("server")), frames)
        tail = max((direction.data() for direction in frames.directions.values() if not direction.opened), key=len)
        self.assertTrue(slow.data("client").endswith(tail), "the rest of the session that was under way")
        self.assertGreaterEqual(len(tail), 2 << 20)

    def test_xdp_sockets(self):
        af_xdp = 44
        try:
            socket.socket(af_xdp, socket.SOCK_RAW).close()
        except OSError as error:
            self.skipTest(f"this kernel has no XDP sockets: {error}")
        net = self.make()
        netns.connect(net.box, "m", net.tool, "mirror")
        netns.mirror(net.box, "a", "m")
        out = self.folder / "out.pcap"
        yagura = self.start_yagura("net_af_xdp0,iface=mirror", f"pcap:{out}", space=net.tool)
        self.check(yagura, None, out)

    def needs_hugepages(self, mib=1200):
        if netns.free_hugepages_mib() < mib:
            self.skipTest(f"{mib} MiB of hugepages are not free: vhost-user shares memory between processes")

    def test_a_tool_behind_a_vhost_user_socket(self):
        self.needs_hugepages()
        net = self.make()
        path, out = self.folder / "vhost.sock", self.folder / "out.pcap"
        yagura = self.start_yagura(tool=f"net_vhost0,iface={path}")
        self.assertIn('port "ids": link down', yagura.stderr)
        tool = self.start_yagura(f"net_virtio_user0,path={path},queue_size=1024", f"pcap:{out}", space=net.tool,
                                 rules=[{"id": 1, "forward": ["ids"]}], name="tool.json")
        yagura.wait_for('port "ids": link up')
        web = self.talk(WEB, **self.SLOW)
        self.talk(OTHER, **self.SLOW).finish()
        web.finish()
        time.sleep(0.5)
        self.stop(tool)
        yagura.wait_for('port "ids": link down')
        summary = self.stop(yagura)
        self.assertEqual(summary.lost, 0, yagura.describe())
        self.check_sessions(tcp_sessions.read(capture_files.parse_capture(out.read_bytes()).records), [web])

    def test_sigkill_with_a_tool_behind_a_vhost_user_socket(self):
        self.needs_hugepages()
        net = self.make()
        path = self.folder / "vhost.sock"

        def both(out):
            yagura = self.start_yagura(tool=f"net_vhost0,iface={path}")
            tool = self.start_yagura(f"net_virtio_user0,path={path},queue_size=1024", f"pcap:{out}", space=net.tool,
                                     rules=[{"id": 1, "forward": ["ids"]}], name="tool.json")
            yagura.wait_for('port "ids": link up')
            return yagura, tool

        gate = self.folder / "gate"
        yagura, tool = both(self.folder / "first.pcap")
        slow = self.talk(WEB, request=4 << 20, pause=0.03, gate=gate)
        slow.client.wait_for("sent 655360")
        yagura.kill()
        self.assertEqual(yagura.wait(), -signal.SIGKILL)
        # The hosts do not notice. The tool does: its program is started again, as yagura is.
        slow.client.wait_for("sent 1310720")
        tool.kill()
        tool.wait()
        yagura, tool = both(self.folder / "second.pcap")
        gate.touch()
        slow.finish()
        new = self.talk(WEB, **self.SLOW).finish()
        time.sleep(0.5)
        self.stop(tool)
        # What came while there was no tool yet is lost to it.
        self.assertIn(yagura.stop(), (OK, LOSS), yagura.describe())
        self.assertTrue(Summary(yagura.stdout).balanced, yagura.describe())
        frames = tcp_sessions.read(capture_files.parse_capture((self.folder / "second.pcap").read_bytes()).records)
        self.assertEqual(frames.cut, [])
        self.assertTrue(frames.holds(new.data("client")), frames)
        self.assertTrue(frames.holds(new.data("server")), frames)


if __name__ == "__main__":
    unittest.main()
