# SPDX-License-Identifier: BSD-3-Clause
"""Conversations whose frames scapy makes: cut, shuffled, repeated, fragmented and encapsulated at random.

Nothing of yagura's own packet builders is used. Importing it raises ImportError where there is no scapy.
"""

import logging
import random
import string
import sys
from dataclasses import dataclass, field

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
try:
    import scapy  # noqa: F401
except ImportError:
    # Debian's package is for Debian's python3; another one finds it here, for it is Python alone.
    sys.path.append("/usr/lib/python3/dist-packages")
from scapy.contrib.gtp import GTP_U_Header  # noqa: E402
from scapy.contrib.mpls import MPLS  # noqa: E402
from scapy.layers.inet import IP, TCP, UDP, fragment  # noqa: E402
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6  # noqa: E402
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether  # noqa: E402
from scapy.layers.vxlan import VXLAN  # noqa: E402
from scapy.packet import Raw  # noqa: E402

import capture_files  # noqa: E402

NEEDLE = b"xNEEDLE-4711x"
MACS = "02:00:00:00:00:01", "02:00:00:00:00:02"
SEQUENCE = 1 << 32
TO_SERVER, TO_CLIENT = 0, 1


@dataclass
class Conversation:
    number: int
    protocol: str
    version: int
    addresses: tuple  # of client and server
    ports: tuple
    encapsulation: str
    streams: list = field(default_factory=lambda: [b"", b""])  # by direction
    datagrams: list = field(default_factory=list)              # of UDP
    frames: list = field(default_factory=list)                 # in the order in which they are seen
    times: list = field(default_factory=list)                  # ns of each

    def has_needle(self):
        return any(NEEDLE in part for part in (self.datagrams if self.protocol == "udp" else self.streams))

    def __str__(self):
        return (f"conversation {self.number}: {self.protocol} over IPv{self.version}, {self.encapsulation}, "
                f"{self.addresses[0]} port {self.ports[0]}, {len(self.frames)} frames, "
                f"needle {'in' if self.has_needle() else 'not in'} it")


class Maker:
    """Makes one conversation."""

    def __init__(self, number, rng):
        self.rng = rng
        version = rng.choice((4, 4, 6))
        host = number + 1
        addresses = ((f"10.1.{host >> 8}.{host & 255}", "10.2.0.1") if version == 4 else
                     (f"2001:db8:1::{host:x}", "2001:db8:2::1"))
        protocol = rng.choice(("tcp", "tcp", "tcp", "tcp", "udp"))
        encapsulation = rng.choice(("plain", "plain", "vlan", "vlans", "mpls", "vxlan", "gtpu"))
        self.made = Conversation(number, protocol, version, addresses, (rng.randrange(1024, 65536), 80), encapsulation)
        self.fragments = rng.random() < 0.4
        self.tag = rng.randrange(1, 4095)
        self.gap_ns = rng.choice((1_000, 100_000, 5_000_000, 30_000_000))
        self.now = rng.randrange(5_000_000_000)

    def make(self):
        (self.make_tcp if self.made.protocol == "tcp" else self.make_udp)()
        return self.made

    # Text

    def text(self, length):
        """Lower-case letters: no needle, and no part of one longer than a letter."""
        return "".join(self.rng.choices(string.ascii_lowercase + " \n", k=length)).encode()

    def with_needle(self, text):
        """With the needle somewhere, or at times something that nearly is one."""
        kind = self.rng.random()
        word = NEEDLE if kind < 0.55 else NEEDLE[:-1] + b"y" if kind < 0.65 else b""
        at = self.rng.choice((0, len(text), self.rng.randrange(len(text) + 1)))
        return text[:at] + word + text[at:]

    # Frames

    def packet(self, direction, transport):
        source, destination = self.made.addresses[direction], self.made.addresses[1 - direction]
        if self.made.version == 4:
            return IP(src=source, dst=destination, id=self.rng.randrange(1, 65536)) / transport
        return IPv6(src=source, dst=destination) / transport

    def fragmented(self, packet):
        """The packet, or what it falls into on its way."""
        payload = bytes(packet.payload)
        if not self.fragments or len(payload) < 80 or self.rng.random() < 0.5:
            return [packet]
        size = 8 * self.rng.randrange(3, 1 + max(3, len(payload) // 8 - 1))
        size = max(size, (len(payload) // 12 + 7) // 8 * 8)  # not too many
        if self.made.version == 4:
            pieces = list(fragment(packet, fragsize=size))
        else:
            head = IPv6(src=packet.src, dst=packet.dst)
            extension = IPv6ExtHdrFragment(id=self.rng.randrange(1 << 32))
            # The checksum is of the packet as it was before: without the extension header.
            whole = IPv6(bytes(packet)).payload
            pieces = list(fragment6(head / extension / whole, 40 + 8 + max(size, 1280 - 48)
                                    if len(payload) > 1400 else 40 + 8 + size))
        if self.rng.random() < 0.3:
            self.rng.shuffle(pieces)
        return pieces

    def frame(self, direction, packet):
        ether = Ether(src=MACS[direction], dst=MACS[1 - direction])
        kind = self.made.encapsulation
        if kind == "vlan":
            return ether / Dot1Q(vlan=self.tag) / packet
        if kind == "vlans":
            return ether / Dot1AD(vlan=self.tag) / Dot1Q(vlan=7) / packet
        if kind == "mpls":
            return ether / MPLS(label=self.tag, s=0, ttl=64) / MPLS(label=99, s=1, ttl=64) / packet
        tunnel = [IP(src="192.0.2.1", dst="192.0.2.2"), IPv6(src="2001:db8:f::1", dst="2001:db8:f::2")][self.tag % 2]
        if kind == "vxlan":
            inner = Ether(src=MACS[direction], dst=MACS[1 - direction]) / packet
            return ether / tunnel / UDP(sport=50000 + direction, dport=4789) / VXLAN(vni=self.tag, flags=8) / inner
        if kind == "gtpu":
            header = GTP_U_Header(teid=self.tag, gtp_type=255)
            return ether / tunnel / UDP(sport=2152, dport=2152) / header / packet
        return ether / packet

    def send(self, direction, transport):
        for piece in self.fragmented(self.packet(direction, transport)):
            self.made.frames.append(bytes(self.frame(direction, piece)))
            self.made.times.append(self.now)
            self.now += 1 + self.rng.randrange(self.gap_ns)

    # UDP

    def make_udp(self):
        for number in range(self.rng.randrange(1, 8)):
            text = self.text(self.rng.choice((20, 300, 1400, 4000)))
            if number == 1 and self.rng.random() < 0.5:
                # In two datagrams it is none.
                self.datagrams([text + NEEDLE[:6], NEEDLE[6:] + text])
            self.datagrams([self.with_needle(text) if self.rng.random() < 0.3 else text])

    def datagrams(self, texts):
        direction = self.rng.choice((TO_SERVER, TO_SERVER, TO_CLIENT)) if self.made.frames else TO_SERVER
        for text in texts:
            self.made.datagrams.append(text)
            ports = self.made.ports
            self.send(direction, UDP(sport=ports[direction], dport=ports[1 - direction]) / Raw(text))

    # TCP

    def make_tcp(self):
        # Sequence numbers that wrap are as good as others.
        self.first = [self.rng.choice((self.rng.randrange(SEQUENCE), SEQUENCE - self.rng.randrange(1, 600)))
                      for _ in range(2)]
        self.seen = [0, 0]  # bytes of each direction's stream, without a gap
        self.segment(TO_SERVER, "S", at=-1, ack=None)
        self.segment(TO_CLIENT, "SA", at=-1)
        self.segment(TO_SERVER, "A", at=0)
        for number in range(self.rng.randrange(1, 4)):
            lines = b"GET /%d HTTP/1.1\r\nHost: example.org\r\n\r\n" % number, b"HTTP/1.1 200 OK\r\n\r\n"
            for direction in (TO_SERVER, TO_CLIENT):
                text = lines[direction] + self.text(self.rng.choice((0, 10, 200, 2000, 6000)))
                self.flight(direction, self.with_needle(text) if self.rng.random() < 0.3 else text)
        first = self.rng.randrange(2)
        for direction in (first, 1 - first):
            self.segment(direction, "FA", at=len(self.made.streams[direction]))
            self.segment(1 - direction, "A", at=len(self.made.streams[1 - direction]), closed=True)

    def segment(self, direction, flags, at, text=b"", ack=0, closed=False):
        """`at`: place in the stream; what is acknowledged is all that was seen without a gap."""
        sport, dport = self.made.ports[direction], self.made.ports[1 - direction]
        transport = TCP(sport=sport, dport=dport, flags=flags, seq=(self.first[direction] + 1 + at) % SEQUENCE,
                        ack=0 if ack is None else (self.first[1 - direction] + 1 + self.seen[1 - direction] + closed)
                        % SEQUENCE, window=65535)
        self.send(direction, transport / Raw(text) if text else transport)

    def flight(self, direction, text):
        """Sends a text: each byte at least once."""
        stream = self.made.streams[direction]
        begin, end = len(stream), len(stream) + len(text)
        self.made.streams[direction] = stream = stream + text
        size = max(self.rng.choice((1, 7, 100, 536, 1200, 1400)), len(text) // 25 + 1)
        cuts = set(range(begin, end, size)) | {end}
        if NEEDLE in text and self.rng.random() < 0.7:  # through the needle
            at = begin + text.index(NEEDLE)
            cuts |= {at + self.rng.randrange(1, len(NEEDLE)) for _ in range(self.rng.randrange(1, 4))}
        cuts = sorted(cuts)
        pieces = list(zip(cuts, cuts[1:]))
        for a, b in pieces[:]:
            kind = self.rng.random()
            if kind < 0.08:  # once more
                pieces.insert(self.rng.randrange(len(pieces)), (a, b))
            elif kind < 0.16:  # again, cut in another way
                low, high = max(begin, a - self.rng.randrange(400)), min(end, b + self.rng.randrange(400))
                pieces.insert(self.rng.randrange(len(pieces)), (low, min(high, low + 1400)))
        window = self.rng.choice((0, 0, 2, 6))
        order = sorted(range(len(pieces)), key=lambda i: i + self.rng.random() * window)
        got = set()
        for i in order:
            a, b = pieces[i]
            self.segment(direction, self.rng.choice(("A", "PA")), a, stream[a:b])
            got.update(range(a, b))
            while self.seen[direction] in got:
                self.seen[direction] += 1
            if self.rng.random() < 0.2:
                self.segment(1 - direction, "A", len(self.made.streams[1 - direction]))
        assert self.seen[direction] == end
        self.segment(1 - direction, "A", len(self.made.streams[1 - direction]))


def make(seed, count):
    """`count` conversations, and the records of the capture in which they are all seen, each with its conversation."""
    conversations = [Maker(number, random.Random(f"{seed}/{number}")).make() for number in range(count)]
    seen = sorted((time, c.number, i) for c in conversations for i, time in enumerate(c.times))
    records = []
    last = 0
    for time, number, i in seen:
        last = max(time, last + 1)  # one time stamp for each
        records.append((capture_files.packet(conversations[number].frames[i], 10**18 + last), conversations[number]))
    return conversations, records
