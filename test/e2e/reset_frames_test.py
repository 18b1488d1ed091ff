#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Frames that lib/reset makes for flows in every encapsulation: scapy makes what is seen, and makes each checksum and length
of what comes out anew; tshark finds nothing to say against it.

Needs scapy, tshark and YAGURA_RESET_FRAMES (the helper's path).
"""
import collections
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import scapy  # noqa: F401
except ImportError:
    # Debian's package is for Debian's python3; another one finds it here, for it is Python alone.
    sys.path.append('/usr/lib/python3/dist-packages')
try:
    import logging
    logging.getLogger('scapy.runtime').setLevel(logging.ERROR)
    from scapy.contrib.geneve import GENEVE
    from scapy.contrib.gtp import GTP_U_Header
    from scapy.contrib.mpls import MPLS
    from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6DestUnreach, IPv6, IPv6ExtHdrHopByHop, in6_chksum
    from scapy.layers.l2 import LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
    from scapy.layers.ppp import PPPoE
    from scapy.layers.vxlan import VXLAN
    from scapy.packet import Raw
    from scapy.utils import checksum, rdpcap, wrpcap
    MISSING = None
except ImportError as error:
    MISSING = f'there is no scapy (scripts/setup test): {error}'

RESET_FRAMES = os.environ.get('YAGURA_RESET_FRAMES', '')
CLIENT_MAC, SERVER_MAC = '02:00:00:00:00:11', '02:00:00:00:00:22'
HOSTS = {4: ('10.1.2.3', '10.9.8.7'), 6: ('2001:db8::3', '2001:db8::7')}
TUNNEL_ENDS = {4: ('192.0.2.1', '192.0.2.2'), 6: ('2001:db8:ffff::1', '2001:db8:ffff::2')}

# A front; which of reset_onward, reset_back and unreachable can be made of it, else why not.
Front = collections.namedtuple('Front', 'name make onward back')


def ethernet(*rest):
    return layers(Ether(src=CLIENT_MAC, dst=SERVER_MAC), *rest)


def layers(first, *rest):
    for layer in rest:
        first = first / layer
    return first


def ip(version, ends, ttl=64, **fields):
    if version == 4:
        return IP(src=ends[0], dst=ends[1], ttl=ttl, **fields)
    return IPv6(src=ends[0], dst=ends[1], hlim=ttl, **fields)


def carrier(version, **fields):
    return ip(version, TUNNEL_ENDS[version], 33, **fields)


def inner_ethernet():
    return Ether(src='02:00:00:00:01:01', dst='02:00:00:00:01:02')


def gre(version, type_of=None, **fields):
    """`version`: of the packet inside."""
    return GRE(proto=type_of or (0x800 if version == 4 else 0x86dd), **fields)


def udp_tunnel(port, **fields):
    return UDP(sport=50000, dport=port, **fields)


def fronts(v):
    ppp = {4: b'\0\x21', 6: b'\0\x57'}[v]
    mpls = MPLS(label=16, s=0, ttl=9), MPLS(label=17, s=1, ttl=8)
    both, onward_only = ('ok', 'ok'), ('ok', 'one_way')
    rows = {
        'ethernet': (lambda: ethernet(), both),
        'llc and snap': (lambda: layers(Dot3(src=CLIENT_MAC, dst=SERVER_MAC), LLC(dsap=0xaa, ssap=0xaa, ctrl=3),
                                        SNAP(OUI=0, code={4: 0x800, 6: 0x86dd}[v])), both),
        'vlan': (lambda: ethernet(Dot1Q(vlan=5, prio=6)), both),
        'qinq': (lambda: ethernet(Dot1AD(vlan=5), Dot1Q(vlan=6)), both),
        'mpls': (lambda: ethernet(*mpls), onward_only),
        'pppoe': (lambda: ethernet(Dot1Q(vlan=7, type=0x8864), PPPoE(sessionid=42), Raw(ppp)), both),
    }
    for o in (4, 6):
        rows |= {
            f'ip in ipv{o}': (lambda o=o: ethernet(carrier(o)), both),
            f'gre over ipv{o}': (lambda o=o: ethernet(carrier(o), gre(v)), both),
            f'gre with a key and checksum over ipv{o}':
                (lambda o=o: ethernet(Dot1Q(vlan=7), carrier(o), gre(v, key_present=1, key=77, chksum_present=1)), both),
            f'gre with ethernet over ipv{o}':
                (lambda o=o: ethernet(carrier(o), gre(v, 0x6558), inner_ethernet(), Dot1Q(vlan=8)), both),
            f'gre with a sequence number over ipv{o}':
                (lambda o=o: ethernet(carrier(o), gre(v, seqnum_present=1, sequence_number=3)), ('sequenced', 'sequenced')),
            f'vxlan over ipv{o}':
                (lambda o=o: ethernet(Dot1AD(vlan=5), Dot1Q(vlan=6), carrier(o), udp_tunnel(4789), VXLAN(vni=99), inner_ethernet()),
                 both),
            f'vxlan without checksum over ipv{o}':
                (lambda o=o: ethernet(carrier(o), udp_tunnel(4789, chksum=0), VXLAN(vni=99), inner_ethernet()), both),
            f'geneve over ipv{o}':
                (lambda o=o: ethernet(carrier(o), udp_tunnel(6081), GENEVE(vni=99, proto=0x6558), inner_ethernet()), both),
            f'gtp-u over ipv{o}':
                (lambda o=o: ethernet(carrier(o), udp_tunnel(2152), GTP_U_Header(teid=7, gtp_type=255)), onward_only),
            f'erspan over ipv{o}': (lambda o=o: ethernet(carrier(o), gre(v, 0x88be), inner_ethernet()), both),
            f'vxlan in gre over ipv{o}':
                (lambda o=o: ethernet(Dot1Q(vlan=5), carrier(o), gre(4), carrier(4), udp_tunnel(4789), VXLAN(vni=99),
                                      inner_ethernet()), both),
        }
    rows['outer hop-by-hop options'] = (
        lambda: ethernet(carrier(6), IPv6ExtHdrHopByHop(), gre(v)), both)
    return [Front(name, make, *expected) for name, (make, expected) in rows.items()]


ICMP_SIZE = 8 + 128 + 16


def with_icmp_summed(packet):
    """The ICMP message as bytes with a checksum by scapy: what is quoted in it is no layer whose lengths could be made."""
    message = bytearray(bytes(packet)[-ICMP_SIZE:])
    message[2:4] = bytes(2)
    layer = packet
    while not isinstance(layer.payload, (ICMP, ICMPv6DestUnreach)):
        layer = layer.payload
    summed = checksum(bytes(message)) if isinstance(layer, IP) else in6_chksum(58, layer, bytes(message))
    message[2:4] = summed.to_bytes(2, 'big')
    layer.remove_payload()
    layer.add_payload(Raw(bytes(message)))


def without_derived(packet):
    """The same packet with every length and checksum left to scapy; a UDP checksum that is 0 stays."""
    copy = packet.copy()
    if ICMP in copy or ICMPv6DestUnreach in copy:
        with_icmp_summed(copy)
    layer, ip_fields = copy, ('len', 'chksum', 'plen')
    while layer:
        for field in ip_fields:
            if field in layer.fields and not (isinstance(layer, UDP) and field == 'chksum' and layer.chksum == 0):
                delattr(layer, field)
        for kind, field in ((GRE, 'chksum'), (GTP_U_Header, 'length'), (PPPoE, 'len'), (Dot3, 'len')):
            if isinstance(layer, kind) and field in layer.fields:
                delattr(layer, field)
        layer = layer.payload
    return bytes(copy)


class ResetFrames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if MISSING:
            raise unittest.SkipTest(MISSING)
        if not RESET_FRAMES:
            raise unittest.SkipTest('YAGURA_RESET_FRAMES is not set')
        cls.seen = []  # (name, front, IP version, protocol, frame)
        for version in (4, 6):
            for front in fronts(version):
                for protocol, end in (('tcp', TCP(sport=40000, dport=443, seq=1, ack=1, flags='PA')),
                                      ('udp', UDP(sport=40000, dport=443))):
                    frame = front.make() / ip(version, HOSTS[version], 57) / end / Raw(b'what was said')
                    cls.seen.append((front, version, protocol, frame))
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.made_path = os.path.join(folder.name, 'made.pcap')
        seen_path = os.path.join(folder.name, 'seen.pcap')
        wrpcap(seen_path, [Ether(bytes(frame)) for *_, frame in cls.seen], linktype=1)
        result = subprocess.run([RESET_FRAMES, seen_path, cls.made_path], capture_output=True, text=True, check=True)
        cls.attempts = [line.split('\t') for line in result.stdout.splitlines()]
        made = iter(rdpcap(cls.made_path))
        # (what is seen, what was asked for, the frame that came out)
        cls.made = [(cls.seen[int(number)], what, next(made)) for number, what, outcome, _ in cls.attempts if outcome == 'ok']

    def test_each_encapsulation_is_made_or_refused_with_its_reason(self):
        got = collections.defaultdict(dict)
        for number, what, outcome, _ in self.attempts:
            front, version, protocol, _ = self.seen[int(number)]
            got[front.name, version, protocol][what] = outcome
        for front, version, protocol, _ in self.seen:
            expected = {'unreachable': front.back}
            if protocol == 'tcp':
                expected |= {'reset_onward': front.onward, 'reset_back': front.back}
            with self.subTest(front=front.name, version=version, protocol=protocol):
                self.assertEqual(got[front.name, version, protocol], expected)

    def test_all_are_known_as_our_own(self):
        self.assertGreater(len(self.made), 150)
        self.assertEqual({own for *_, outcome, own in self.attempts if outcome == 'ok'}, {'own'})

    def test_scapy_makes_the_same_lengths_and_checksums(self):
        for (front, version, protocol, _), what, frame in self.made:
            with self.subTest(front=front.name, version=version, protocol=protocol, what=what):
                self.assertEqual(without_derived(frame).hex(), bytes(frame).hex())

    def test_the_front_is_that_of_the_flow(self):
        """Kinds of layers from the outside in, and the addresses, ids and TTLs in them."""
        for (front, version, protocol, seen), what, frame in self.made:
            if front.name.startswith('erspan'):
                seen = seen[GRE].payload
            expected, got = self.layers_of(Ether(bytes(seen))), self.layers_of(frame)
            if what != 'reset_onward':
                expected = [self.turned(layer) for layer in expected]
            with self.subTest(front=front.name, version=version, protocol=protocol, what=what):
                # The innermost packet itself is compared elsewhere.
                inner = max(i for i, layer in enumerate(expected) if layer['kind'] in ('IP', 'IPv6'))
                self.assertEqual(got[:inner], expected[:inner])
                self.assertEqual({**got[inner], 'ttl': 0}, {**expected[inner], 'ttl': 0})
                self.assertEqual(got[inner]['ttl'], {'reset_onward': 61, 'reset_back': 62, 'unreachable': 63}[what])

    KEPT = {'Ether': ('src', 'dst'), '802.3': ('src', 'dst'), 'IP': ('src', 'dst'), 'IPv6': ('src', 'dst'), '802.1Q': ('vlan', 'prio'),
            '802.1AD': ('vlan',), 'MPLS': ('label', 's', 'ttl'), 'PPPoE': ('sessionid',), 'GRE': ('proto', 'key'),
            'UDP': ('sport', 'dport'), 'VXLAN': ('vni',), 'GENEVE': ('vni',), 'GTP_U_Header': ('teid',)}

    @classmethod
    def layers_of(cls, packet):
        found = []
        while packet and len(found) < 20:
            kind = {'Ethernet': 'Ether'}.get(packet.name, packet.name)
            kind = {'GTP-U Header': 'GTP_U_Header'}.get(kind, kind)
            layer = {'kind': kind}
            for field in cls.KEPT.get(kind, ()):
                layer[field] = getattr(packet, field)
            if kind in ('IP', 'IPv6'):
                layer['ttl'] = packet.ttl if kind == 'IP' else packet.hlim
            found.append(layer)
            packet = packet.payload
            if kind in ('TCP', 'ICMP'):
                break
        return found

    @staticmethod
    def turned(layer):
        if 'src' not in layer:
            return layer
        turned = {**layer, 'src': layer['dst'], 'dst': layer['src']}
        return {**turned, 'ttl': 64} if 'ttl' in layer else turned

    def test_the_reset_says_what_it_was_told(self):
        for (front, version, protocol, _), what, frame in self.made:
            if what == 'unreachable':
                continue
            tcp = self.innermost(frame, TCP)
            ends = ((40000, 443), HOSTS[version])
            if what == 'reset_back':
                ends = tuple(pair[::-1] for pair in ends)
            inner = self.innermost(frame, IP if version == 4 else IPv6)
            with self.subTest(front=front.name, version=version, what=what):
                self.assertEqual((tcp.sport, tcp.dport), ends[0])
                self.assertEqual((inner.src, inner.dst), ends[1])
                self.assertEqual((tcp.seq, tcp.ack, str(tcp.flags)), (0xfffffffe, 0x01020304, 'RA'))

    @staticmethod
    def innermost(packet, kind):
        found, number = None, 1
        while packet.getlayer(kind, number):
            found, number = packet.getlayer(kind, number), number + 1
        return found

    def test_tshark_finds_nothing_wrong(self):
        if not shutil.which('tshark'):
            self.skipTest('not installed: tshark')
        checked = [f'{name}.check_checksum:TRUE' for name in ('ip', 'tcp', 'udp')] + ['tcp.analyze_sequence_numbers:FALSE']
        options = [word for option in checked for word in ('-o', option)]
        fields = ['frame.number', 'frame.protocols', '_ws.expert.message', '_ws.expert.severity', 'ip.checksum.status',
                  'tcp.checksum.status', 'udp.checksum.status', 'icmp.checksum.status', 'icmpv6.checksum.status', 'tcp.flags.reset']
        command = ['tshark', '-n', *options, '-r', self.made_path, '-T', 'fields', '-E', 'occurrence=a', '-E', 'separator=|']
        for field in fields:
            command += ['-e', field]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        self.assertEqual(len(lines), len(self.made))
        bad, warning = '0', 0x600000
        for line, ((front, version, protocol, _), what, _) in zip(lines, self.made):
            row = dict(zip(fields, line.split('|')))
            with self.subTest(front=front.name, version=version, protocol=protocol, what=what, tshark=line):
                self.assertNotIn('malformed', row['frame.protocols'].lower())
                self.assertEqual(row['tcp.flags.reset'] == '1', what != 'unreachable')
                severe = [message for message, severity in zip(row['_ws.expert.message'].split(','), row['_ws.expert.severity'].split(','))
                          if severity and int(severity) >= warning and 'RST' not in message]
                # As it was seen: RFC 6935 allows it for tunnels, and tshark does not know.
                expected = ['Illegal checksum value (0)'] if front.name == 'vxlan without checksum over ipv6' else []
                self.assertEqual(severe, expected)
                self.assert_checksums(row, what, bad)

    def assert_checksums(self, row, what, bad):
        for name in ('ip', 'tcp', 'udp', 'icmp', 'icmpv6'):
            statuses = row[f'{name}.checksum.status'].split(',')
            # What an ICMP error quotes is cut, so that its checksums cannot be told: 2, unverified.
            self.assertNotIn(bad, statuses, name)
        if what != 'unreachable':
            self.assertIn('1', row['tcp.checksum.status'])


if __name__ == '__main__':
    unittest.main()
