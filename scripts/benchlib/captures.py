# SPDX-License-Identifier: BSD-3-Clause
"""The capture that all go through: a copy without the frames that net_pcap refuses, and the sessions in it that rules
can name."""
import ipaddress
import os
import random
import struct
from collections import namedtuple

from benchlib.processes import Failed

# What fits one mbuf of DPDK's usual size behind its headroom; net_pcap with infinite_rx refuses more.
LARGEST_FRAME = 2048
# What a tool port of an Open vSwitch with the usual MTU sends.
LARGEST_SENT = 1518
ETHERNET = 1
TCP, UDP = 6, 17
# Ports of UDP whose payload is a packet: a rule may mean the inner one or the outer one.
TUNNELS = {2152, 4789, 6081, 8472}
IMIX = (64,) * 7 + (594,) * 4 + (1518,)

Capture = namedtuple('Capture', 'name path packets bytes left_out_packets left_out_bytes')
# One direction of a session, as a rule names it.
FiveTuple = namedtuple('FiveTuple', 'protocol source destination source_port destination_port')
# `packets` and `bytes`: of all of these together, in one lap of the capture.
Sessions = namedtuple('Sessions', 'tuples packets bytes')


def records(data, name='capture'):
    """The frames' (header, bytes) of a pcap file's contents. Raises Failed for what is none, or not Ethernet."""
    orders = {b'\xd4\xc3\xb2\xa1': '<', b'\x4d\x3c\xb2\xa1': '<', b'\xa1\xb2\xc3\xd4': '>', b'\xa1\xb2\x3c\x4d': '>'}
    order = orders.get(data[:4])
    if order is None or len(data) < 24:
        raise Failed(f'{name} is not a pcap file (pcapng is converted by editcap -F pcap)')
    link_type = struct.unpack_from(order + 'I', data, 20)[0] & 0xffff
    if link_type != ETHERNET:
        raise Failed(f'{name} has link type {link_type}: only Ethernet can be measured')
    at, view = 24, memoryview(data)
    while at + 16 <= len(data):
        size, = struct.unpack_from(order + 'I', data, at + 8)
        end = at + 16 + size
        if end > len(data):
            break
        yield view[at:at + 16], view[at + 16:end]
        at = end


def copy(source, path, largest=LARGEST_FRAME, most=None):
    """Writes the frames of `source` that are not larger than `largest`, at most `most` of them, and returns the
    Capture."""
    with open(source, 'rb') as file:
        data = file.read()
    kept = kept_bytes = left = left_bytes = 0
    with open(path, 'wb') as file:
        file.write(data[:24])
        for header, frame in records(data, source):
            if len(frame) > largest:
                left, left_bytes = left + 1, left_bytes + len(frame)
                continue
            file.write(header)
            file.write(frame)
            kept, kept_bytes = kept + 1, kept_bytes + len(frame)
            if kept == most:
                break
    if kept == 0:
        raise Failed(f'{source} has no frame of at most {largest} bytes')
    return Capture(os.path.basename(source), path, kept, kept_bytes, left, left_bytes)


def make(path, flows=1000, packets=20000):
    """Writes a capture of TCP sessions, one packet of a session after one of another in random order, sizes of the
    simple IMIX; the same file each time."""
    chance = random.Random(1)
    total = 0
    with open(path, 'wb') as file:
        file.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, ETHERNET))
        for number in range(packets):
            flow = number if number < flows else chance.randrange(flows)
            frame = tcp_frame(flow, chance.choice(IMIX), back=chance.random() < 0.5)
            file.write(struct.pack('<IIII', number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)
            total += len(frame)
    return Capture('made by scripts/bench', path, packets, total, 0, 0)


def tcp_frame(flow, size, back):
    """A frame of a session between 10.x.x.x and 192.0.2.1:80. Checksums are 0: nothing that is measured checks them."""
    client, server = struct.pack('>I', 0x0a000001 + flow), bytes((192, 0, 2, 1))
    ports = (80, 1024 + flow % 60000) if back else (1024 + flow % 60000, 80)
    ends = server + client if back else client + server
    ip = struct.pack('>BBHHHBBH', 0x45, 0, size - 14, flow & 0xffff, 0x4000, 64, TCP, 0) + ends
    tcp = struct.pack('>HHIIBBHHH', *ports, 1, 1, 0x50, 0x10, 65535, 0, 0)
    return (bytes(5) + b'\x02' + bytes(5) + b'\x01' + b'\x08\x00' + ip + tcp).ljust(size, b'\0')


def five_tuple(frame):
    """Of a frame that is plainly Ethernet, IPv4 and TCP or UDP; None for anything else: tagged, tunnelled, fragments."""
    if len(frame) < 42 or frame[12:14] != b'\x08\x00' or frame[14] >> 4 != 4:
        return None
    ip = frame[14:]
    header = (ip[0] & 15) * 4
    length = ip[2] << 8 | ip[3]
    if ip[9] not in (TCP, UDP) or header < 20 or (ip[6] & 0x3f) or ip[7] or not header + 8 <= length <= len(ip):
        return None
    ports = struct.unpack_from('>HH', ip, header)
    if ip[9] == TCP and length < header + 20:
        return None
    if ip[9] == UDP and TUNNELS & set(ports):
        return None
    return FiveTuple(ip[9], bytes(ip[12:16]), bytes(ip[16:20]), *ports)


def reverse(key):
    return FiveTuple(key.protocol, key.destination, key.source, key.destination_port, key.source_port)


def choose_sessions(path, number):
    """`number` 5-tuples (an even number): both directions of sessions that are spread evenly over those of the capture
    which have packets in both. Every packet of them is plain and fits a tool port, and their addresses occur nowhere
    else, so that whatever selects by 5-tuple selects the same packets."""
    with open(path, 'rb') as file:
        data = file.read()
    counts, unfit, others = {}, set(), []
    for _, frame in records(data, path):
        key = five_tuple(frame)
        if key is None:
            others.append(bytes(frame[:256]))
            continue
        packets, size = counts.get(key, (0, 0))
        counts[key] = packets + 1, size + len(frame)
        if len(frame) > LARGEST_SENT:
            unfit |= {key, reverse(key)}
    elsewhere = b''.join(others)
    fit = [key for key in counts if reverse(key) in counts and key not in unfit
           and (key.source, key.source_port) < (key.destination, key.destination_port)]
    chosen = []
    for key in spread_out(fit):
        if len(chosen) == number // 2:
            break
        if key.source + key.destination not in elsewhere and key.destination + key.source not in elsewhere:
            chosen.append(key)
    if len(chosen) < number // 2:
        raise Failed(f'the capture has only {len(chosen)} sessions that can be chosen, {number // 2} are needed')
    tuples = [direction for key in chosen for direction in (key, reverse(key))]
    return Sessions(tuples, sum(counts[key][0] for key in tuples), sum(counts[key][1] for key in tuples))


def spread_out(items):
    """All items, such that however many are taken from the front, they come from all over the list."""
    order = list(items)
    random.Random(1).shuffle(order)
    return order


def address(packed):
    return str(ipaddress.IPv4Address(packed))
