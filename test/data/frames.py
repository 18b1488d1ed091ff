# SPDX-License-Identifier: BSD-3-Clause
"""Frames from the link layer upwards, as bytes, with correct lengths and checksums; and a capture file of them.

Each function puts one header before a payload, so that frames are built from the inside outwards:
ethernet(a, b, IPV4, ipv4('192.0.2.1', '192.0.2.2', UDP, udp(...))).
"""
import ipaddress
import struct

ARP, IPV4, IPV6, VLAN = 0x0806, 0x0800, 0x86dd, 0x8100
ICMP, TCP, UDP, FRAGMENT, ICMPV6 = 1, 6, 17, 44, 58
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

# Without its FCS, a frame has at least 60 bytes on the wire.
MIN_FRAME = 60
VXLAN_PORT = 4789


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def mac(text):
    return bytes.fromhex(text.replace(':', ''))


def packed(address):
    return ipaddress.ip_address(address).packed


def ethernet(source, target, ether_type, payload, vlan=None, pad=True):
    tag = struct.pack('!HH', VLAN, vlan) if vlan is not None else b''
    frame = mac(target) + mac(source) + tag + struct.pack('!H', ether_type) + payload
    return frame.ljust(MIN_FRAME, b'\0') if pad else frame


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack('!HHBBH', 1, IPV4, 6, 4, operation) + mac(sender_mac) + packed(sender) + mac(target_mac) + packed(target)


def ipv4(source, target, protocol, payload, ident=0, ttl=64, offset=0, more=False):
    """`offset` in bytes, a multiple of 8. A packet that is no fragment must not become one (DF)."""
    flags = 0x2000 if more else 0 if offset else 0x4000
    head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(payload), ident, flags | offset // 8, ttl, protocol, 0)
    head += packed(source) + packed(target)
    return head[:10] + struct.pack('!H', checksum(head)) + head[12:] + payload


def ipv6(source, target, protocol, payload, hops=64):
    return struct.pack('!IHBB', 0x60000000, len(payload), protocol, hops) + packed(source) + packed(target) + payload


def fragments(source, target, protocol, payload, ident, size):
    """The IP packets that carry `payload` in pieces of `size` bytes, a multiple of 8; IPv4 or IPv6 by the addresses."""
    pieces = []
    for offset in range(0, len(payload), size):
        piece, more = payload[offset:offset + size], offset + size < len(payload)
        if ipaddress.ip_address(source).version == 4:
            pieces.append(ipv4(source, target, protocol, piece, ident, offset=offset, more=more))
        else:
            head = struct.pack('!BBHI', protocol, 0, offset | more, ident)
            pieces.append(ipv6(source, target, FRAGMENT, head + piece))
    return pieces


def _transport_checksum(source, target, protocol, segment):
    source, target = packed(source), packed(target)
    pseudo = source + target + struct.pack('!II' if len(source) == 16 else '!HH', *(
        (len(segment), protocol) if len(source) == 16 else (protocol, len(segment))))
    return checksum(pseudo + segment)


def udp(source, target, sport, dport, payload):
    segment = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload
    value = _transport_checksum(source, target, UDP, segment) or 0xffff
    return segment[:6] + struct.pack('!H', value) + segment[8:]


def tcp(source, target, sport, dport, seq, ack, flags, payload=b'', options=b'', window=64240):
    """`options` padded to a multiple of 4 bytes."""
    head = struct.pack('!HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, (5 + len(options) // 4) << 4, flags,
                       window, 0, 0)
    segment = head + options + payload
    value = _transport_checksum(source, target, TCP, segment)
    return segment[:16] + struct.pack('!H', value) + segment[18:]


def echo(reply, ident, sequence, payload):
    """An ICMP echo request or reply."""
    message = struct.pack('!BBHHH', 0 if reply else 8, 0, 0, ident, sequence) + payload
    return message[:2] + struct.pack('!H', checksum(message)) + message[4:]


def icmpv6(source, target, kind, body):
    message = struct.pack('!BBH', kind, 0, 0) + body
    value = _transport_checksum(source, target, ICMPV6, message)
    return message[:2] + struct.pack('!H', value) + message[4:]


def vxlan(vni, frame):
    """RFC 7348. Its outer UDP checksum should be zero over IPv4, see udp_without_checksum()."""
    return struct.pack('!II', 0x08000000, vni << 8) + frame


def udp_without_checksum(sport, dport, payload):
    return struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload


def pcap(records):
    """A nanosecond capture file of (time in ns, frame) records."""
    file = [struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 262144, 1)]
    for time, frame in records:
        file.append(struct.pack('<IIII', time // 10**9, time % 10**9, len(frame), len(frame)) + frame)
    return b''.join(file)
