#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes sample.pcap: a minute in a small office, seen by a tap between its switch and its router.

    test/data/make_sample.py [FILE]        (default: sample.pcap beside this script)

The same bytes each time. People read pages, look up names and log in over SSH; a backup runs; one client sends an
SQL injection, another scans the server's ports. Besides, what a tap meets and filters like to miss: a VLAN tag, a
VXLAN tunnel, IPv6, fragments (in order and not), and a packet with a malformed IP header.

All addresses and names are for documentation or private use (RFC 1918, 2606, 3849, 5737, 7042).
"""
import os
import random
import struct
import sys
from collections import namedtuple

import frames
from frames import ACK, FIN, PSH, RST, SYN, TCP, UDP

START = 1767605400 * 10**9  # 2026-01-05 09:30:00 UTC
MS = 10**6

ROUTER, SERVER = '192.168.10.1', '192.168.10.5'
ANNA, BEN, CARL, DORA = '192.168.10.21', '192.168.10.22', '192.168.10.23', '192.168.10.24'
ANNA6, BEN6 = '2001:db8:10::21', '2001:db8:10::22'
SITE, SHOP, NEWS, VAULT, SCANNER = '198.51.100.10', '198.51.100.20', '203.0.113.30', '203.0.113.40', '203.0.113.66'
SITE6, RESOLVER6 = '2001:db8:80::10', '2001:db8:53::1'
RESOLVER = '192.0.2.53'

MACS = {ROUTER: '00:00:5e:00:53:01', SERVER: '00:00:5e:00:53:05', ANNA: '00:00:5e:00:53:21',
        ANNA6: '00:00:5e:00:53:21', BEN: '00:00:5e:00:53:22', BEN6: '00:00:5e:00:53:22',
        CARL: '00:00:5e:00:53:23', DORA: '00:00:5e:00:53:24'}

# `what` names the conversation; `proto`, `sport` and `dport` are the innermost, 0 where there is none. `marks` are
# what else a test wants to know: 'attack' (the packet with the injection), 'rst', 'malformed'.
Packet = namedtuple('Packet', 'time frame what proto sport dport marks')


def mac_of(address):
    """Who is not in the office is behind the router."""
    return MACS.get(address, MACS[ROUTER])


def link(source, target, packet, vlan=None):
    ether_type = frames.IPV6 if ':' in source else frames.IPV4
    return frames.ethernet(mac_of(source), mac_of(target), ether_type, packet, vlan)


def in_vxlan(source, target, packet, vlan=None):
    """The frame between two virtual machines, in a tunnel between their hosts."""
    inner = frames.ethernet('02:00:00:00:00:0a', '02:00:00:00:00:0b', frames.IPV4, packet, vlan, pad=False)
    hosts = (SERVER, DORA) if source < target else (DORA, SERVER)
    outer = frames.udp_without_checksum(49152 + hash_port(source, target), frames.VXLAN_PORT, frames.vxlan(4242, inner))
    return link(*hosts, frames.ipv4(*hosts, UDP, outer))


def hash_port(source, target):
    return sum(frames.packed(source) + frames.packed(target)) % 1024


class Tap:
    """Collects packets as they are made, conversation by conversation, and gives them in the order of time."""

    def __init__(self):
        self.packets = []
        self.random = random.Random(20260105)
        self.ident = 1

    def between(self, low, high):
        """An integer. Only random() is promised to stay the same in all versions of Python."""
        return low + int(self.random.random() * (high - low + 1))

    def noise(self, size):
        return bytes(self.between(0, 255) for _ in range(size))

    def see(self, time, frame, what, proto=0, sport=0, dport=0, marks=()):
        self.packets.append(Packet(START + time, frame, what, proto, sport, dport, frozenset(marks)))

    def ip(self, source, target, protocol, payload):
        if ':' in source:
            return frames.ipv6(source, target, protocol, payload)
        self.ident += 1
        return frames.ipv4(source, target, protocol, payload, self.ident & 0xffff)

    def in_order(self):
        return sorted(self.packets, key=lambda packet: packet.time)


class Session:
    """A TCP session, from its first SYN. Each method goes on where the last one ended; times in ns since START."""

    OPTIONS = {'client': bytes.fromhex('020405b40402010303070000'), 'server': bytes.fromhex('020405b40402010303080000')}

    def __init__(self, tap, time, what, client, server, port, vlan=None, wrap=link, mss=1448, rtt_ms=12):
        self.tap, self.time, self.what = tap, time, what
        self.client, self.server, self.vlan, self.wrap, self.mss = client, server, vlan, wrap, mss
        self.port, self.ephemeral = port, tap.between(32768, 60999)
        self.rtt = rtt_ms * MS
        self.seq = {'client': tap.between(1, 2**32 - 1), 'server': tap.between(1, 2**32 - 1)}

    def send(self, who, flags, payload=b'', options=b'', marks=()):
        other = 'server' if who == 'client' else 'client'
        ends = (self.client, self.server, self.ephemeral, self.port)
        if who == 'server':
            ends = (self.server, self.client, self.port, self.ephemeral)
        ack = self.seq[other] if flags & ACK else 0
        segment = frames.tcp(*ends, self.seq[who], ack, flags, payload, options, 0 if flags & RST else 64240)
        frame = self.wrap(*ends[:2], self.tap.ip(*ends[:2], TCP, segment), self.vlan)
        self.tap.see(self.time, frame, self.what, TCP, ends[2], ends[3], {*marks, *(['rst'] if flags & RST else [])})
        self.seq[who] = (self.seq[who] + len(payload) + bool(flags & (SYN | FIN))) & 0xffffffff

    def wait(self, ns):
        self.time += ns + self.tap.between(1000, 400_000)

    def open(self):
        self.send('client', SYN, options=self.OPTIONS['client'])
        self.wait(self.rtt)
        self.send('server', SYN | ACK, options=self.OPTIONS['server'])
        self.wait(200_000)
        self.send('client', ACK)
        return self

    def data(self, who, payload, marks=()):
        """Sends in segments; the other end acknowledges every second one and the last."""
        other = 'server' if who == 'client' else 'client'
        self.wait(300_000)
        pieces = [payload[at:at + self.mss] for at in range(0, len(payload), self.mss)]
        for number, piece in enumerate(pieces):
            last = number + 1 == len(pieces)
            self.send(who, ACK | (PSH if last else 0), piece, marks=marks)
            self.wait(60_000)
            if last or number % 2:
                self.send(other, ACK)
                self.wait(20_000)
        self.wait(self.rtt)
        return self

    def close(self):
        self.send('client', FIN | ACK)
        self.wait(self.rtt)
        self.send('server', FIN | ACK)
        self.wait(200_000)
        self.send('client', ACK)


def http_get(session, path, host, size, agent='curl/7.88.1', marks=()):
    request = f'GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\n\r\n'
    session.data('client', request.encode(), marks)
    body = (f'<!doctype html><title>{host}{path.split("?")[0]}</title>\n' + '<p>The quick brown fox.</p>\n' * size)[:size]
    answer = f'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n{body}'
    return session.data('server', answer.encode())


def client_hello(tap, host):
    """A TLS 1.2 ClientHello (RFC 5246) with a server name (RFC 6066)."""
    name = host.encode()
    server_name = struct.pack('!HHHBH', 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    groups = struct.pack('!HHHHH', 10, 6, 4, 0x001d, 0x0017)
    extensions = server_name + groups
    suites = struct.pack('!HHH', 0xc02b, 0xc02f, 0x009c)
    body = (b'\x03\x03' + tap.noise(32) + b'\x00' + struct.pack('!H', len(suites)) + suites + b'\x01\x00'
            + struct.pack('!H', len(extensions)) + extensions)
    return tls_record(22, b'\x01' + struct.pack('!I', len(body))[1:] + body)


def server_hello(tap):
    body = b'\x03\x03' + tap.noise(32) + b'\x00' + struct.pack('!HB', 0xc02f, 0)
    return tls_record(22, b'\x02' + struct.pack('!I', len(body))[1:] + body)


def tls_record(kind, body):
    return struct.pack('!BHH', kind, 0x0303, len(body)) + body


def tls(tap, time, client, server, host, size):
    session = Session(tap, time, 'tls', client, server, 443).open()
    session.data('client', client_hello(tap, host)).data('server', server_hello(tap))
    session.data('client', tls_record(20, b'\x01') + tls_record(22, tap.noise(40)))
    session.data('server', tls_record(20, b'\x01') + tls_record(22, tap.noise(40)))
    session.data('client', tls_record(23, tap.noise(310)))
    session.data('server', tls_record(23, tap.noise(size))).close()


def dns_name(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'


def dns(tap, time, client, resolver, name, addresses, fragment=None):
    """A question and its answer (RFC 1035). `fragment`: the answer comes in fragments, 'in order' or 'reversed'."""
    ident, port = tap.between(1, 65535), tap.between(32768, 60999)
    six = ':' in addresses[0]
    question = dns_name(name) + struct.pack('!HH', 28 if six else 1, 1)
    answers = b''.join(struct.pack('!HHHIH', 0xc00c, 28 if six else 1, 1, 300, len(frames.packed(a))) + frames.packed(a)
                       for a in addresses)
    query = struct.pack('!HHHHHH', ident, 0x0100, 1, 0, 0, 0) + question
    answer = struct.pack('!HHHHHH', ident, 0x8180, 1, len(addresses), 0, 0) + question + answers
    tap.see(time, link(client, resolver, tap.ip(client, resolver, UDP, frames.udp(client, resolver, port, 53, query))),
            'dns', UDP, port, 53)
    time += tap.between(4, 25) * MS
    datagram = frames.udp(resolver, client, 53, port, answer)
    if fragment is None:
        tap.see(time, link(resolver, client, tap.ip(resolver, client, UDP, datagram)), 'dns', UDP, 53, port)
        return
    pieces = frames.fragments(resolver, client, UDP, datagram, 0x4000 + ident % 0x1000, 1232)
    for piece in reversed(pieces) if fragment == 'reversed' else pieces:
        tap.see(time, link(resolver, client, piece), 'dns', UDP, 53, port)
        time += 40_000


def ssh(tap, time):
    session = Session(tap, time, 'ssh', CARL, SERVER, 22, rtt_ms=1).open()
    session.data('client', b'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n').data('server', b'SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n')
    session.data('client', tap.noise(1104)).data('server', tap.noise(816))
    for _ in range(40):
        session.wait(tap.between(80, 700) * MS)
        session.data('client', tap.noise(36)).data('server', tap.noise(tap.between(1, 6) * 16 + 20))
    session.close()


def backup(tap, time):
    session = Session(tap, time, 'backup', SERVER, VAULT, 873).open()
    session.data('server', b'@RSYNCD: 31.0\n').data('client', b'@RSYNCD: 31.0\n').data('client', b'office\n')
    for _ in range(6):
        session.data('client', tap.noise(10_000))
    session.close()


def ping(tap, time, source, target, count):
    for sequence in range(1, count + 1):
        body = bytes(range(56))
        for reply, ends in ((False, (source, target)), (True, (target, source))):
            if ':' in source:
                message = frames.icmpv6(*ends, 129 if reply else 128, struct.pack('!HH', 77, sequence) + body)
                tap.see(time, link(*ends, tap.ip(*ends, frames.ICMPV6, message)), 'ping', frames.ICMPV6)
            else:
                message = frames.echo(reply, 76, sequence, body)
                tap.see(time, link(*ends, tap.ip(*ends, frames.ICMP, message)), 'ping', frames.ICMP)
            time += tap.between(600, 2500) * 1000
        time += 1000 * MS


def arp(tap, time, asker, target):
    nobody = '00:00:00:00:00:00'
    question = frames.arp(1, MACS[asker], asker, nobody, target)
    answer = frames.arp(2, MACS[target], target, MACS[asker], asker)
    tap.see(time, frames.ethernet(MACS[asker], 'ff:ff:ff:ff:ff:ff', frames.ARP, question), 'arp')
    tap.see(time + 300_000, frames.ethernet(MACS[target], MACS[asker], frames.ARP, answer), 'arp')


def scan(tap, time):
    """A SYN to each of many ports: the server refuses all but SSH, whose session the scanner then breaks off."""
    for port in (*range(1, 61), 110, 135, 139, 143, 389, 445, 993, 1433, 3306, 3389, 5432, 6379, 27017):
        session = Session(tap, time, 'scan', SCANNER, SERVER, port)
        session.send('client', SYN)
        session.wait(400_000)
        if port == 22:
            session.send('server', SYN | ACK)
            session.wait(session.rtt)
            session.send('client', RST)
        else:
            session.send('server', RST | ACK)
        time += tap.between(30, 90) * MS


def malformed(tap, time):
    """An IPv4 header that says it is 12 bytes long; 20 is the least (RFC 791)."""
    packet = bytearray(frames.ipv4(SCANNER, SERVER, UDP, frames.udp(SCANNER, SERVER, 4000, 4000, b'?' * 40)))
    packet[0] = 0x43
    tap.see(time, link(SCANNER, SERVER, bytes(packet)), 'malformed', marks=['malformed'])


def story(tap):
    for number, (asker, target) in enumerate(((ANNA, ROUTER), (BEN, ROUTER), (CARL, SERVER), (SERVER, ROUTER),
                                              (ROUTER, DORA), (DORA, ROUTER))):
        arp(tap, (100 + 9000 * number) * MS, asker, target)
    ping(tap, 2500 * MS, DORA, ROUTER, 12)
    ping(tap, 8200 * MS, ANNA6, BEN6, 6)
    ssh(tap, 4000 * MS)
    backup(tap, 30_000 * MS)

    names = [(ANNA, 'www.example.com', [SITE]), (BEN, 'shop.example.net', [SHOP]), (CARL, 'news.example.org', [NEWS]),
             (ANNA, 'mail.example.com', ['198.51.100.25', '198.51.100.26']), (DORA, 'time.example.org', ['192.0.2.123'])]
    for number in range(30):
        client, name, addresses = names[number % len(names)]
        dns(tap, (700 + 1900 * number) * MS, client, RESOLVER, name, addresses)
    for number in range(8):
        dns(tap, (1300 + 7100 * number) * MS, ANNA6, RESOLVER6, 'www.example.com', [SITE6])
    many = [f'198.51.100.{host}' for host in range(1, 201)]
    dns(tap, 21_000 * MS, BEN, RESOLVER, 'pool.example.net', many, 'in order')
    dns(tap, 43_000 * MS, DORA, RESOLVER, 'pool.example.net', many, 'reversed')
    dns(tap, 47_000 * MS, BEN6, RESOLVER6, 'pool.example.net', [f'2001:db8:99::{host}' for host in range(100)], 'in order')

    pages = [(ANNA, SITE, 'www.example.com', '/', 6200), (BEN, SHOP, 'shop.example.net', '/cart', 3100),
             (CARL, NEWS, 'news.example.org', '/today', 9000), (DORA, SITE, 'www.example.com', '/help', 2400)]
    for number in range(12):
        client, server, host, path, size = pages[number % len(pages)]
        session = Session(tap, (1500 + 4600 * number) * MS, 'http', client, server, 80).open()
        http_get(session, path, host, size)
        session.wait(350 * MS)
        http_get(session, '/style.css', host, 900).close()
    hosts = ['www.example.com', 'shop.example.net', 'mail.example.com', 'news.example.org']
    for number in range(9):
        tls(tap, (2200 + 5900 * number) * MS, (ANNA, BEN, CARL)[number % 3], SHOP, hosts[number % len(hosts)],
            1200 + 900 * (number % 4))
    http_get(Session(tap, 12_000 * MS, 'http6', ANNA6, SITE6, 80, mss=1428).open(), '/', 'www.example.com', 5200).close()
    http_get(Session(tap, 18_000 * MS, 'http vlan', DORA, SERVER, 8080, vlan=30).open(), '/status', 'intranet.test',
             2600).close()
    http_get(Session(tap, 26_000 * MS, 'http vxlan', '10.1.0.10', '10.1.0.20', 80, wrap=in_vxlan, mss=1398).open(),
             '/api/v1/items', 'items.test', 4100).close()

    attacker = Session(tap, 35_000 * MS, 'http attack', SCANNER, SERVER, 80).open()
    http_get(attacker, '/products?id=7', 'intranet.test', 1500)
    attacker.wait(900 * MS)
    http_get(attacker, '/products?id=7%20UNION%20SELECT%20name,password%20FROM%20users--', 'intranet.test', 2800,
             agent='Mozilla/5.0', marks=['attack']).close()
    scan(tap, 38_000 * MS)
    malformed(tap, 44_500 * MS)


def packets():
    """All packets of the capture, in its order."""
    tap = Tap()
    story(tap)
    return tap.in_order()


def capture():
    """The bytes of sample.pcap."""
    return frames.pcap((packet.time, packet.frame) for packet in packets())


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sample.pcap')
    with open(path, 'wb') as file:
        file.write(capture())


if __name__ == '__main__':
    main()
