# SPDX-License-Identifier: BSD-3-Clause
"""Packets by hand, for tests that need to know every byte."""

import ipaddress
import struct

MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def _address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(payload, ethertype=0x0800, src=MAC_A, dst=MAC_B):
    return dst + src + struct.pack(">H", ethertype) + payload


def vlan(payload, tag, ethertype=0x0800):
    """What follows the EtherType 0x8100."""
    return struct.pack(">HH", tag, ethertype) + payload


def ipv4(payload, src="10.0.0.1", dst="10.0.0.2", proto=6, ident=1, fragment=0, total=None):
    """`fragment`: the flags and offset field; `total`: a total length that lies."""
    length = 20 + len(payload) if total is None else total
    header = struct.pack(">BBHHHBBH", 0x45, 0, length, ident, fragment, 64, proto, 0) + _address(src) + _address(dst)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ipv6(payload, src="2001:db8::1", dst="2001:db8::2", next_header=6):
    return struct.pack(">IHBB", 6 << 28, len(payload), next_header, 64) + _address(src) + _address(dst) + payload


def tcp(payload=b"", sport=40000, dport=80, flags=ACK, seq=1, ack=1):
    return struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 8192, 0, 0) + payload


def udp(payload=b"", sport=40000, dport=53):
    return struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload


def icmp_echo(payload=b"ping"):
    return struct.pack(">BBHHH", 8, 0, 0, 1, 1) + payload


def arp(sender="10.0.0.1", target="10.0.0.2"):
    return struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + MAC_A + _address(sender) + bytes(6) + _address(target)


def vxlan(frame, vni=42):
    """A VXLAN header and the frame in it; goes into udp(..., dport=4789)."""
    return struct.pack(">II", 0x08000000, vni << 8) + frame


def tcp_frame(payload=b"", src="10.0.0.1", dst="10.0.0.2", **fields):
    return ethernet(ipv4(tcp(payload, **fields), src, dst))


def udp_frame(payload=b"", src="10.0.0.1", dst="10.0.0.2", **fields):
    return ethernet(ipv4(udp(payload, **fields), src, dst, proto=17))
