# SPDX-License-Identifier: BSD-3-Clause
"""Finds the IP packets in an Ethernet frame, at any depth of tags and tunnels: the reference for the layers
`outer` and `inner` of a filter. Written from the RFCs alone, to be independent of the parser under test."""

import struct
from typing import NamedTuple

MAX_LAYERS = 32

TAGS = {0x8100: "vlan", 0x88A8: "vlan", 0x9100: "vlan", 0x9200: "vlan"}
IPV4, IPV6, ETHERNET_IN_GRE = 0x0800, 0x86DD, 0x6558
VXLAN_PORTS, GENEVE_PORT, GTP_U_PORT = (4789, 8472), 6081, 2152


class Layers(NamedTuple):
    """Where the IP packets of a frame begin (None: there is none), and what stands before them: link-layer
    names before the outer one; those and tunnels' names before the inner one."""

    outer: int | None
    inner: int | None
    before_outer: tuple
    before_inner: tuple


class _End(Exception):
    """Nothing more leads on to an IP packet."""


class _Walk:
    def __init__(self, frame, wire):
        self.frame = frame
        self.end = wire  # of the innermost packet by its own length: a cut frame has less
        self.layers = 0
        self.names = []
        self.outer = self.inner = None
        self.before_outer = self.before_inner = ()

    def need(self, at, size):
        """The bytes at a place, within the frame and the packet that holds them."""
        if at + size > min(len(self.frame), self.end):
            raise _End
        return self.frame[at:at + size]

    def u8(self, at):
        return self.need(at, 1)[0]

    def u16(self, at):
        return int.from_bytes(self.need(at, 2), "big")

    def u32(self, at):
        return int.from_bytes(self.need(at, 4), "big")

    def count(self, name=None):
        self.layers += 1
        if self.layers > MAX_LAYERS:
            raise _End
        if name:
            self.names.append(name)

    def ethernet(self, at):
        self.need(at, 14)
        self.ethertype(at + 14, self.u16(at + 12))

    def ethertype(self, at, kind):
        while kind in TAGS or kind == 0x8926:
            self.count(TAGS.get(kind, "vntag"))
            size = 6 if kind == 0x8926 else 4
            kind = self.u16(at + size - 2)
            at += size
        if kind <= 1500:
            if self.need(at, 3) != b"\xaa\xaa\x03" or self.need(at + 3, 3) != b"\0\0\0":
                raise _End
            self.names.append("snap")
            kind = self.u16(at + 6)
            at += 8
            if kind <= 1500:
                raise _End
            self.ethertype(at, kind)
        elif kind in (IPV4, IPV6):
            self.ip(at, 4 if kind == IPV4 else 6)
        elif kind in (0x8847, 0x8848):
            self.mpls(at)
        elif kind == 0x8864:
            self.count("pppoe")
            if self.u16(at) != 0x1100:
                raise _End
            self.ppp(at + 8, self.u16(at + 6))

    def ppp(self, at, protocol):
        if protocol in (0x0021, 0x0057):
            self.ip(at, 4 if protocol == 0x0021 else 6)

    def mpls(self, at):
        bottom = False
        while not bottom:
            self.count("mpls")
            bottom = self.u32(at) & 0x100
            at += 4
        nibble = self.u8(at) >> 4
        if nibble in (4, 6):
            self.ip(at, nibble)
        elif nibble == 0 and self.is_ethernet(at + 4):
            self.ethernet(at + 4)
        elif self.is_ethernet(at):
            self.ethernet(at)

    def is_ethernet(self, at):
        """A pseudowire's payload has no mark of its own: an EtherType that makes sense must do."""
        try:
            kind, nibble = self.u16(at + 12), self.u8(at + 14) >> 4
        except _End:
            return False
        return (kind, nibble) in ((IPV4, 4), (IPV6, 6)) or kind in (0x8100, 0x88A8, 0x8847, 0x8864)

    def ip_of_either_version(self, at):
        version = self.u8(at) >> 4
        if version not in (4, 6):
            raise _End
        self.ip(at, version)

    def ip(self, at, version):
        self.count()
        if self.u8(at) >> 4 != version:
            raise _End
        if self.outer is None:
            self.outer = self.inner = at
            self.before_outer = self.before_inner = tuple(self.names)
        if version == 4:
            self.ipv4(at)
        else:
            self.ipv6(at)

    def enter(self, at):
        self.inner = at
        self.before_inner = tuple(self.names)

    def ipv4(self, at):
        self.need(at, 20)
        size, total = (self.u8(at) & 15) * 4, self.u16(at + 2)
        if size < 20 or 0 < total < size:
            raise _End
        self.enter(at)
        if total:  # 0: the packet was captured before segmentation offload gave it a length
            self.end = min(self.end, at + total)
        self.need(at, size)
        is_fragment = self.u16(at + 6) & 0x3FFF != 0
        self.transport(at + size, self.u8(at + 9), is_fragment, no_length=total == 0)

    def ipv6(self, at):
        self.need(at, 40)
        self.enter(at)
        length, header = self.u16(at + 4), self.u8(at + 6)
        no_length = length == 0 and header != 59
        if not no_length:
            self.end = min(self.end, at + 40 + length)
        at += 40
        is_fragment = False
        for _ in range(16):
            if header in (0, 43, 60, 135, 139, 140, 51):
                size = 8 + self.u8(at + 1) * (4 if header == 51 else 8)
            elif header == 44:
                size = 8
                fragment = self.u16(at + 2)
                if fragment & 0xFFF9:
                    if is_fragment:
                        raise _End
                    is_fragment = True
                    if fragment & 0xFFF8:
                        raise _End
            else:
                self.transport(at, header, is_fragment, no_length)
                return
            self.need(at, size)
            header = self.u8(at)
            at += size

    def transport(self, at, proto, is_fragment, no_length):
        while proto == 51 and not is_fragment:
            self.count()
            size = 8 + self.u8(at + 1) * 4
            self.need(at, size)
            proto = self.u8(at)
            at += size
        if is_fragment:
            return
        if proto in (4, 41):
            self.names.append("ipip")
            self.ip(at, 4 if proto == 4 else 6)
        elif proto == 47:
            self.gre(at)
        elif proto == 17:
            self.udp(at, no_length)

    def udp(self, at, no_length):
        self.need(at, 8)
        port, length = self.u16(at + 2), self.u16(at + 4)
        if length or not no_length:
            if length < 8 or at + length > self.end:
                raise _End
            self.end = at + length
        at += 8
        if port in VXLAN_PORTS:
            self.count("vxlan")
            self.need(at, 8)
            if self.u8(at) & 0x08:
                self.ethernet(at + 8)
        elif port == GENEVE_PORT:
            self.geneve(at)
        elif port == GTP_U_PORT:
            self.gtp_u(at)

    def geneve(self, at):
        self.count("geneve")
        self.need(at, 8)
        if self.u8(at) >> 6:
            raise _End
        size, kind = 8 + (self.u8(at) & 0x3F) * 4, self.u16(at + 2)
        self.need(at, size)
        if kind == ETHERNET_IN_GRE:
            self.ethernet(at + size)
        elif kind in (IPV4, IPV6):
            self.ip(at + size, 4 if kind == IPV4 else 6)

    def gtp_u(self, at):
        self.count("gtp-u")
        flags, kind, length = struct.unpack(">BBH", self.need(at, 8)[:4])
        at += 8
        if flags & 0xF0 != 0x30 or kind != 255 or at + length > self.end:
            raise _End
        self.end = at + length
        if flags & 7:
            extension = self.u8(at + 3) if flags & 4 else 0
            at += 4
            while extension:
                self.count()
                size = self.u8(at) * 4
                if size == 0:
                    raise _End
                extension = self.u8(at + size - 1)
                at += size
        self.ip_of_either_version(at)

    def gre(self, at):
        self.count("gre")
        flags, kind = struct.unpack(">HH", self.need(at, 4))
        version = flags & 7
        if version == 1:
            self.pptp(at, flags, kind)
        if version != 0:
            raise _End
        has_checksum, has_routing, has_key, has_sequence = (flags & bit for bit in (0x8000, 0x4000, 0x2000, 0x1000))
        size = 4 + 4 * (bool(has_checksum or has_routing) + bool(has_key) + bool(has_sequence))
        self.need(at, size)
        at += size
        while has_routing:
            self.count()
            has_routing = self.u32(at)
            size = 4 + self.u8(at + 3)
            self.need(at, size)
            at += size
        if kind == ETHERNET_IN_GRE:
            self.ethernet(at)
        elif kind == 0x88BE and not has_sequence:
            self.names.append("erspan")
            self.ethernet(at)
        elif kind in (0x88BE, 0x22EB):
            self.erspan(at, kind)
        elif kind > 1500:
            self.ethertype(at, kind)

    def erspan(self, at, kind):
        self.count("erspan")
        size = 8 if kind == 0x88BE else 12
        self.need(at, size)
        if self.u8(at) >> 4 != (1 if kind == 0x88BE else 2):
            raise _End
        frame_type = 0
        if kind == 0x22EB:
            frame_type = self.u8(at + 10) >> 2 & 0x1F
            size += 8 * (self.u8(at + 11) & 1)
            self.need(at, size)
        if frame_type == 0:
            self.ethernet(at + size)
        elif frame_type == 2:
            self.ip_of_either_version(at + size)

    def pptp(self, at, flags, kind):
        if kind != 0x880B or not flags & 0x2000 or not flags & 0x1000:
            raise _End
        at += 12 + (4 if flags & 0x80 else 0)
        if self.u16(at) == 0xFF03:
            at += 2
        protocol = self.u8(at)
        at += 1
        if not protocol & 1:
            protocol = protocol << 8 | self.u8(at)
            at += 1
        self.ppp(at, protocol)


def find_ip(frame, wire):
    """The layers of an Ethernet frame. `wire`: its length on the wire."""
    if frame[12:14] == b"\x08\x00" and len(frame) > 23 and frame[14] >> 4 == 4 and frame[23] == 6:
        return Layers(14, 14, (), ())  # whatever else is in it, TCP carries no packet: most frames end here
    walk = _Walk(frame, max(wire, len(frame)))
    try:
        walk.ethernet(0)
    except _End:
        pass
    return Layers(walk.outer, walk.inner, walk.before_outer, walk.before_inner)
