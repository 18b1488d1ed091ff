# SPDX-License-Identifier: BSD-3-Clause
"""Capture files read and written without libpcap and without the code under test.

Classic pcap in both byte orders and both resolutions, and pcapng with several sections and interfaces.
Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

ETHERNET, NULL, RAW, LINUX_SLL, LINUX_SLL2, IPV4 = 1, 0, 101, 113, 276, 228

MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D


class Record(NamedTuple):
    """One packet of a capture: its time in nanoseconds, length on the wire, and captured bytes."""

    ns: int
    wire: int
    data: bytes
    interface: int = 0

    def __str__(self):
        shown = self.data[:48].hex(" ") + (" ..." if len(self.data) > 48 else "")
        return (f"time {self.ns // 10**9}.{self.ns % 10**9:09}, wire length {self.wire}, "
                f"captured {len(self.data)}: {shown}")


@dataclass
class Capture:
    """What a capture file holds: link types by interface, packets, and where it is damaged (None: nowhere)."""

    link_types: list = field(default_factory=list)
    records: list = field(default_factory=list)
    damage: str | None = None

    def used_link_types(self):
        return {self.link_types[record.interface] for record in self.records}


def packet(data, ns=0, wire=None):
    return Record(ns, len(data) if wire is None else wire, bytes(data))


def raw_record(record, order="<", unit=1):
    """One record of a classic file, header and data; `unit`: nanoseconds in its fraction field."""
    return struct.pack(order + "IIII", record.ns // 10**9, record.ns % 10**9 // unit, len(record.data),
                       record.wire) + record.data


def file_header(link_type=ETHERNET, magic=NANOSECONDS, order="<", snap=262144):
    return struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snap, link_type)


def write_pcap(path, records, link_type=ETHERNET, magic=NANOSECONDS, order="<"):
    unit = 1 if magic == NANOSECONDS else 1000
    with open(path, "wb") as out:
        out.write(file_header(link_type, magic, order))
        out.writelines(raw_record(record, order, unit) for record in records)
    return path


def _block(kind, body, order):
    body += b"\0" * (-len(body) % 4)
    length = 12 + len(body)
    return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)


def section_header(order="<"):
    return _block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface_block(link_type, order="<", resolution=9, name=b""):
    options = struct.pack(order + "HHB3x", 9, 1, resolution)
    if name:
        options += struct.pack(order + "HH", 2, len(name)) + name + b"\0" * (-len(name) % 4)
    return _block(1, struct.pack(order + "HHI", link_type, 0, 0) + options + struct.pack(order + "HH", 0, 0), order)


def packet_block(record, order="<", resolution=9):
    ticks = record.ns // 10 ** (9 - resolution)
    return _block(6, struct.pack(order + "IIIII", record.interface, ticks >> 32, ticks & 0xFFFFFFFF,
                                 len(record.data), record.wire) + record.data, order)


def write_pcapng(path, records, link_types=(ETHERNET,), order="<", resolution=9):
    with open(path, "wb") as out:
        out.write(section_header(order))
        for number, link_type in enumerate(link_types):
            out.write(interface_block(link_type, order, resolution, b"if%d" % number))
        out.writelines(packet_block(record, order, resolution) for record in records)
    return path


def read_capture(path):
    """Reads all that is sound; Capture.damage says where and why reading ended early."""
    with open(path, "rb") as file:
        data = file.read()
    return parse_capture(data)


def parse_capture(data):
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return _parse_pcapng(data)
    return _parse_pcap(data)


def _parse_pcap(data):
    capture = Capture()
    for order in "<>":
        if len(data) >= 24 and struct.unpack_from(order + "I", data)[0] in (MICROSECONDS, NANOSECONDS):
            break
    else:
        capture.damage = "no header of a capture"
        return capture
    magic, *_, link_type = struct.unpack_from(order + "IHHiIII", data)
    capture.link_types.append(link_type & 0xFFFF)
    unit = 1 if magic == NANOSECONDS else 1000
    header = struct.Struct(order + "IIII")
    at = 24
    append = capture.records.append
    while at < len(data):
        if at + 16 > len(data):
            capture.damage = f"offset {at}: cut record header"
            break
        seconds, fraction, captured, wire = header.unpack_from(data, at)
        if at + 16 + captured > len(data):
            capture.damage = f"offset {at}: cut record"
            break
        append(Record(seconds * 10**9 + fraction * unit, max(wire, captured), data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return capture


def _parse_pcapng(data):
    capture = Capture()
    units = []  # (numerator, denominator) of nanoseconds in a tick, offset in nanoseconds, snap length
    order, first_interface, at = "<", 0, 0
    while at < len(data):
        if at + 12 > len(data):
            capture.damage = f"offset {at}: cut block header"
            break
        if data[at:at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8:at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            first_interface = len(capture.link_types)
        kind, length = struct.unpack_from(order + "II", data, at)
        if length < 12 or at + length > len(data):
            capture.damage = f"offset {at}: bad block length"
            break
        body = data[at + 8:at + length - 4]
        if kind == 1:
            link_type, _, snap = struct.unpack_from(order + "HHI", body)
            capture.link_types.append(link_type)
            units.append(_tick(body[8:], order) + (snap,))
        elif kind in (2, 3, 6):
            capture.records.append(_parse_packet(kind, body, order, first_interface, units))
        at += length
    return capture


def _tick(options, order):
    numerator, denominator, offset, at = 1000, 1, 0, 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, at)
        value = options[at + 4:at + 4 + length]
        if code == 0:
            break
        if code == 9:
            exponent = value[0] & 0x7F
            numerator, denominator = 10**9, 2**exponent if value[0] & 0x80 else 10**exponent
        elif code == 14:
            offset = struct.unpack(order + "q", value)[0] * 10**9
        at += 4 + length + -length % 4
    return numerator, denominator, offset


def _parse_packet(kind, body, order, first_interface, units):
    if kind == 3:
        wire = struct.unpack_from(order + "I", body)[0]
        snap = units[first_interface][3]
        captured = min(wire, snap) if snap else wire
        return Record(0, wire, body[4:4 + captured], first_interface)
    interface, high, low, captured, wire = struct.unpack_from(order + "IIIII", body)
    if kind == 2:
        interface >>= 16 if order == ">" else 0
        interface &= 0xFFFF
    interface += first_interface
    numerator, denominator, offset, _ = units[interface]
    ns = (high << 32 | low) * numerator // denominator + offset
    return Record(ns, max(wire, captured), body[20:20 + captured], interface)
