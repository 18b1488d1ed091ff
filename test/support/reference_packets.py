# SPDX-License-Identifier: BSD-3-Clause
"""What the reference needs of a packet: the innermost IP packet's flow, place and payload. From the RFCs alone."""

import struct
from typing import NamedTuple

import capture_files
import decapsulator

TCP, UDP, SCTP, DCCP, UDP_LITE, ICMP, ICMPV6 = 6, 17, 132, 33, 136, 1, 58
WITH_PORTS = (TCP, UDP, SCTP, DCCP, UDP_LITE)


class Packet(NamedTuple):
    """The innermost IP packet of a frame. `payload`: of a fragment what follows the IP header, else what follows the
    transport header; `size`: what that was on the wire."""

    key: tuple  # (version, proto, source, sport, destination, dport)
    payload: bytes
    size: int
    fragment: tuple | None  # (id, offset, more follow)
    seq: int
    flags: int


def as_ethernet(frame, wire, link_type):
    """The frame of another link type with an Ethernet header instead of its own; None if it holds no IP."""
    if link_type == capture_files.ETHERNET:
        return frame, wire
    own, kind = 0, None
    if link_type in (capture_files.RAW, capture_files.IPV4):
        kind = {4: 0x0800, 6: 0x86DD}.get(frame[0] >> 4 if frame else 0)
    elif link_type == capture_files.NULL:
        own = 4
        family = struct.unpack_from("<I", frame)[0] if len(frame) >= 4 else 0
        family = family if family <= 0xFFFF else struct.unpack_from(">I", frame)[0]
        kind = {2: 0x0800, 10: 0x86DD, 24: 0x86DD, 28: 0x86DD, 30: 0x86DD}.get(family)
    elif link_type in (capture_files.LINUX_SLL, capture_files.LINUX_SLL2):
        own, at = (16, 14) if link_type == capture_files.LINUX_SLL else (20, 0)
        kind = struct.unpack_from(">H", frame, at)[0] if len(frame) >= own else None
    if kind is None:
        return None
    return bytes(12) + struct.pack(">H", kind) + frame[own:], wire - own + 14


def parse(frame, wire):
    """The innermost IP packet, or None."""
    at = decapsulator.find_ip(frame, wire).inner
    if at is None:
        return None
    version = frame[at] >> 4
    parsed = (_ipv4 if version == 4 else _ipv6)(frame, at, wire)
    if parsed is None:
        return None
    at, end, proto, fragment, no_length = parsed
    start = at
    ip = frame[:end]
    if proto == 51 and (fragment is None or fragment[1] == 0):
        while proto == 51 and at + 8 <= len(ip):
            at, proto = at + 8 + 4 * ip[at + 1], ip[at]
    addresses = _addresses(frame, version)
    sport = dport = 0
    if proto in WITH_PORTS and (fragment is None or fragment[1] == 0):
        if at + 4 > len(ip):
            return None if fragment is None else Packet(_key(version, proto, addresses, 0, 0), b"", 0, fragment, 0, 0)
        sport, dport = struct.unpack_from(">HH", ip, at)
    key = _key(version, proto, addresses, sport, dport)
    if fragment is not None:
        return Packet(key, ip[start:], end - start, fragment, 0, 0)
    payload, size, seq, flags = transport(proto, ip[at:], end - at, no_length)
    return Packet(key, payload, size, None, seq, flags)


def _key(version, proto, addresses, sport, dport):
    return version, proto, addresses[0], sport, addresses[1], dport


def _addresses(frame, version):
    at = _addresses.at
    size = 4 if version == 4 else 16
    return frame[at:at + size], frame[at + size:at + 2 * size]


def _ipv4(frame, at, wire):
    size, total, fragment = (frame[at] & 15) * 4, *struct.unpack_from(">HxxH", frame, at + 2)
    _addresses.at = at + 12
    end = min(at + total, wire) if total else wire
    found = None
    if fragment & 0x3FFF:
        found = (struct.unpack_from(">H", frame, at + 4)[0], (fragment & 0x1FFF) * 8, bool(fragment & 0x2000))
    if at + size > len(frame):
        return None
    return at + size, end, frame[at + 9], found, total == 0


def _ipv6(frame, at, wire):
    length, header = struct.unpack_from(">HB", frame, at + 4)
    _addresses.at = at + 8
    no_length = length == 0 and header != 59
    end = wire if no_length else min(at + 40 + length, wire)
    at += 40
    while header in (0, 43, 60, 135, 139, 140, 51, 44):
        if at + 8 > min(end, len(frame)):
            return None
        size = 8 if header == 44 else 8 + frame[at + 1] * (4 if header == 51 else 8)
        if header == 44:
            field, number = struct.unpack_from(">HI", frame, at + 2)
            if field & 0xFFF9:
                return at + 8, end, frame[at], (number, field & 0xFFF8, bool(field & 1)), no_length
        header = frame[at]
        at += size
        if at > min(end, len(frame)):
            return None
    return at, end, header, None, no_length


def transport(proto, data, size, no_length=False):
    """What follows the transport header: (captured bytes, size on the wire, sequence number, flags)."""
    nothing = b"", 0, 0, 0
    if proto == TCP:
        if len(data) < 20:
            return nothing
        header = (data[12] >> 4) * 4
        if header < 20 or header > size:
            return b"", 0, 0, data[13]
        return data[header:], size - header, struct.unpack_from(">I", data, 4)[0], data[13]
    if proto == UDP:
        if len(data) < 8:
            return nothing
        length = struct.unpack_from(">H", data, 4)[0]
        if length == 0 and no_length:
            length = size
        return (data[8:length], length - 8, 0, 0) if 8 <= length <= size else nothing
    header = {SCTP: 12, UDP_LITE: 8, ICMP: 8, ICMPV6: 8}.get(proto, 0)
    if proto == DCCP:
        header = data[4] * 4 if len(data) > 4 else 12
    return data[header:], max(size - header, 0), 0, 0
