#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every packet of every capture: what yagura's parser finds is what tshark finds.

Needs tshark, YAGURA_CAPTURES (a folder of captures) and YAGURA_PARSE_DUMP (the helper's path). Each difference
that is not a fault of ours is explained by a row of KNOWN below, with the number of frames; one more or one less
fails the test.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import Counter, namedtuple
from concurrent.futures import ThreadPoolExecutor

CAPTURES = os.environ.get('YAGURA_CAPTURES', '')
PARSE_DUMP = os.environ.get('YAGURA_PARSE_DUMP', '')

# Judged packet by packet, and with nothing put together from several.
TSHARK_OPTIONS = [
    '-n', '-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE', '-o', 'tcp.desegment_tcp_streams:FALSE',
    '-o', 'tcp.analyze_sequence_numbers:FALSE', '-o', 'udp.try_heuristic_first:FALSE',
]
TSHARK_FIELDS = [
    'frame.number', 'frame.len', 'frame.cap_len', 'frame.protocols', 'ip.src', 'ip.dst', 'ip.proto', 'ip.frag_offset',
    'ip.flags.mf', 'ipv6.src', 'ipv6.dst', 'ipv6.nxt', 'ipv6.fraghdr.nxt', 'ipv6.fraghdr.offset', 'ipv6.fraghdr.more',
    'ipv6.hopopts.nxt', 'ipv6.dstopts.nxt', 'ipv6.routing.nxt', 'ah.next_header', 'tcp.srcport', 'tcp.dstport',
    'udp.srcport', 'udp.dstport', 'udp.length', 'sctp.srcport', 'sctp.dstport', 'dccp.srcport', 'dccp.dstport',
    'tcp.flags', 'tcp.len', 'vlan.id', 'ieee8021ad.id', 'gre.key', 'gre.key.call_id', 'vxlan.vni', 'geneve.vni', 'gtp.teid',
    'erspan.spanid',
]
IP = {'ip': 4, 'ipv6': 6}
EXTENSIONS = {'ipv6.hopopts': 'ipv6.hopopts.nxt', 'ipv6.dstopts': 'ipv6.dstopts.nxt',
              'ipv6.routing': 'ipv6.routing.nxt', 'ipv6.fraghdr': 'ipv6.fraghdr.nxt', 'ah': 'ah.next_header'}
PORTS = {'tcp': 'tcp', 'udp': 'udp', 'udplite': 'udp', 'sctp': 'sctp', 'dccp': 'dccp'}
VLANS = {'vlan': 'vlan.id', 'ieee8021ad': 'ieee8021ad.id'}
TUNNEL_IDS = {'vxlan': 'vxlan.vni', 'geneve': 'geneve.vni', 'gtp': 'gtp.teid', 'gre': 'gre.key',
              'erspan': 'erspan.spanid'}
# Packets behind these are quoted, or are an application's data: no layers.
QUOTING = ('icmp', 'icmpv6', 'sflow', 'openflow')
MAX_VLANS = 8

COMPARED = ('ip_version', 'src', 'dst', 'proto', 'sport', 'dport', 'vlans', 'ip_headers', 'fragment', 'tcp_flags',
            'payload_size', 'tunnel_id')


class TsharkPacket:
    """One packet's fields. A protocol that occurs twice has two values in its fields, outermost first."""

    def __init__(self, row):
        self.fields = {name: value.split(',') if value else [] for name, value in row.items()}
        self.protocols = row['frame.protocols'].split(':')
        quoting = [index for index, name in enumerate(self.protocols) if name in QUOTING]
        if quoting:
            del self.protocols[quoting[0] + 1:]
        self.is_whole = row['frame.len'] == row['frame.cap_len']

    def value(self, field, at, names=None):
        """The field's value in the layer at this index; '' if it has none."""
        names = names or (self.protocols[at],)
        nth = sum(name in names for name in self.protocols[:at])
        values = self.fields[field]
        return values[nth] if nth < len(values) else ''

    def view(self):
        """The fields of COMPARED as tshark sees them; what is None is not compared."""
        view = dict.fromkeys(COMPARED)
        ip_layers = [index for index, name in enumerate(self.protocols) if name in IP]
        view['ip_headers'] = len(ip_layers)
        # VLANs inside a tunnel count if there is an IP packet in it.
        end = ip_layers[-1] if ip_layers else len(self.protocols)
        vlans = [self.value(VLANS[name], index) for index, name in enumerate(self.protocols[:end]) if name in VLANS]
        view['vlans'] = ','.join(vlans[:MAX_VLANS])
        if not ip_layers:
            view['ip_version'] = ''
            return view
        at = ip_layers[-1]
        name = self.protocols[at]
        view['ip_version'] = str(IP[name])
        view['src'] = self.value(name + '.src', at)
        view['dst'] = self.value(name + '.dst', at)
        view['proto'] = self.value('ip.proto' if name == 'ip' else 'ipv6.nxt', at)
        view['fragment'] = self.fragment(at)
        view['tunnel_id'] = self.tunnel_id(at)
        at += 1
        while at < len(self.protocols) and self.protocols[at] in (EXTENSIONS if name == 'ipv6' else ('ah',)):
            view['proto'] = self.value(EXTENSIONS[self.protocols[at]], at)
            at += 1
        transport = self.protocols[at] if at < len(self.protocols) else ''
        if transport in PORTS and view['fragment'] != 'later':
            self.view_transport(view, transport, at)
        return view

    def view_transport(self, view, transport, at):
        prefix = PORTS[transport]
        names = [name for name in PORTS if PORTS[name] == prefix]
        view['sport'] = self.value(prefix + '.srcport', at, names)
        view['dport'] = self.value(prefix + '.dstport', at, names)
        if transport == 'tcp':
            flags = self.value('tcp.flags', at)
            view['tcp_flags'] = str(int(flags, 16) & 0xff) if flags else None
            if self.is_whole:
                view['payload_size'] = self.value('tcp.len', at) or None
        elif transport == 'udp' and self.is_whole and not view['fragment']:
            length = self.value('udp.length', at, names)
            view['payload_size'] = str(int(length) - 8) if length else None

    def fragment(self, at):
        if self.protocols[at] == 'ip':
            offset, more = self.value('ip.frag_offset', at), self.value('ip.flags.mf', at)
        elif 'ipv6.fraghdr' in self.protocols[at:]:
            at += self.protocols[at:].index('ipv6.fraghdr')
            offset, more = self.value('ipv6.fraghdr.offset', at), self.value('ipv6.fraghdr.more', at)
        else:
            return ''
        return 'later' if offset not in ('0', '') else 'first' if more == '1' else ''

    def tunnel_id(self, at):
        """The id in the last tunnel header before the IP header at this index."""
        for index in reversed(range(at)):
            name = self.protocols[index]
            if name in IP:
                break
            if name in TUNNEL_IDS:
                is_pptp = name == 'gre' and self.protocols[index + 1] == 'ppp'
                values = self.fields['gre.key.call_id'][-1:] if is_pptp else [self.value(TUNNEL_IDS[name], index)]
                return str(int((values or [''])[0] or '0', 0))
        return '0'


def yagura_view(row):
    flow = bool(row['ip_version'])
    return {
        'ip_version': row['ip_version'], 'src': row['src'], 'dst': row['dst'], 'proto': row['proto'],
        'sport': row['sport'], 'dport': row['dport'], 'vlans': row['vlans'],
        'ip_headers': int(row['tunnel_depth']) + 1 if row['inner_ip'] else 0,
        'fragment': row['fragment'], 'tcp_flags': row['tcp_flags'], 'payload_size': row['payload_size'],
        'tunnel_id': row['tunnel_id'], 'flow': flow,
    }


def rows_of(command):
    """A table with a head line, and whether all went well."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    lines = result.stdout.decode('utf-8', 'replace').splitlines()
    names = lines[0].split('\t') if lines else []
    return [dict(zip(names, line.split('\t'))) for line in lines[1:]], result.returncode == 0


def tshark_rows(path):
    command = ['tshark', *TSHARK_OPTIONS, '-r', path, '-T', 'fields', '-E', 'header=y', '-E', 'occurrence=a']
    for field in TSHARK_FIELDS:
        command += ['-e', field]
    # tshark ends with an error at a capture's damaged end; what it printed until then stands.
    return rows_of(command)[0]


def yagura_rows(path):
    rows, is_read = rows_of([PARSE_DUMP, path])
    if is_read:
        return rows
    # libpcap refuses a pcapng file whose interfaces differ in snap length; as pcap it has one for all.
    with tempfile.NamedTemporaryFile(suffix='.pcap') as plain:
        subprocess.run(['editcap', '-F', 'nsecpcap', path, plain.name], stderr=subprocess.DEVNULL, check=False)
        converted, is_read = rows_of([PARSE_DUMP, plain.name])
    return converted if is_read else rows


Difference = namedtuple('Difference', 'capture frame fields ours theirs')


def differences(path):
    ours, theirs = yagura_rows(path), tshark_rows(path)
    capture = os.path.basename(path)
    if len(ours) != len(theirs):
        return [Difference(capture, 0, ('packets',), {'packets': len(ours)}, {'packets': len(theirs)})]
    found = []
    for mine, other in zip(ours, theirs):
        view, reference = yagura_view(mine), TsharkPacket(other).view()
        fields = tuple(f for f in COMPARED if reference[f] is not None and view[f] != reference[f])
        if fields:
            found.append(Difference(capture, int(mine['frame']), fields, {**mine, **view}, {**other, **reference}))
    return found


def has_layer(*layers):
    return lambda d: any(layer in d.theirs['frame.protocols'].split(':') for layer in layers)


def has_fault(fault, *fields):
    """We name this fault, and only these fields differ."""
    return lambda d: d.ours['malformed'] == fault and set(d.fields) <= set(fields)


def has_udp_port(field, port):
    return lambda d: d.ours['proto'] == '17' and d.ours[field] == port


# Why, when, and in how many frames of which capture.
Known = namedtuple('Known', 'reason when counts')
KNOWN = [
    Known('Teredo is no tunnel that yagura sees through', has_layer('teredo'),
          {'sv-output-eve-ftp-data.pcap': 6, 'derived-overlap.pcap': 6, 'derived-reorder.pcap': 6,
           'derived-resegment.pcap': 6, 'mix-open.pcap': 6}),
    Known('VXLAN-GPE is none', lambda d: '4790' in (d.ours['sport'], d.ours['dport']),
          {'arkime-arkime_synthetic.pcap': 2, 'mix-open.pcap': 2}),
    Known('GENEVE is sent to port 6081 (RFC 8926); this packet comes from it', has_udp_port('sport', '6081'),
          {'arkime-arkime_synthetic.pcap': 1, 'mix-open.pcap': 1}),
    Known('GTP-U is sent to port 2152 (TS 29.281); this packet comes from it', has_udp_port('sport', '2152'),
          {'pcpp-packetexamples-gtp.pcapng': 2}),
    Known('NSH is not seen through', has_layer('nsh'), {'arkime-arkime_synthetic.pcap': 1, 'mix-open.pcap': 1}),
    Known('Cisco MetaData is not seen through', has_layer('cmd'),
          {'arkime-arkime_synthetic.pcap': 1, 'mix-open.pcap': 1}),
    Known('MACsec is not seen through, encrypted or not', has_layer('macsec'),
          {'tcpdump-macsec-integonly.pcap': 1, 'mix-open.pcap': 1}),
    Known('no tunnel is entered in a fragment; tshark enters', lambda d: d.ours['fragment'] == 'first',
          {'snabb-regressiontest-signedntohl-frags.pcap': 5, 'mix-open.pcap': 5}),
    Known('a UDP datagram that lies about its length has no payload; tshark shows the claimed length',
          has_fault('bad_transport_header', 'payload_size'),
          {'arkime-arkime_synthetic.pcap': 1, 'zeek-383379789-decrypt-crash.pcap': 2, 'mix-open.pcap': 18}),
    Known('a version nibble that contradicts the ethertype is no IP header; tshark goes on',
          has_fault('bad_ip_version', 'ip_version', 'src', 'dst', 'proto', 'ip_headers'),
          {'pcpp-ipv4-malformed.pcapng': 1, 'mix-open.pcap': 34}),
    Known('an IP header that is cut makes no flow; tshark shows the fields that are left',
          has_fault('truncated_ip', 'ip_version', 'src', 'dst', 'proto', 'fragment'), {'mix-open.pcap': 11}),
    Known('one byte of an IP header counts as one (so that a filter asked there sees it); tshark wants more',
          has_fault('truncated_ip', 'ip_headers'), {'mix-open.pcap': 1}),
    Known('an IP header that is longer than its packet makes no flow; tshark shows its version',
          has_fault('bad_ip_total_length', 'ip_version'), {'pcpp-ipv4-malformed.pcapng': 1, 'mix-open.pcap': 4}),
]
UNREADABLE = {'pcpp-many_interfaces-1.pcapng': 'interfaces of several link types, which libpcap refuses'}


def reason_for(difference):
    return next((known.reason for known in KNOWN
                 if difference.capture in known.counts and difference.frame and known.when(difference)), None)


def describe(difference):
    values = ', '.join(f'{f}: {difference.ours[f]!r}, tshark {difference.theirs[f]!r}' for f in difference.fields)
    return (f'{difference.capture} frame {difference.frame} ({difference.theirs.get("frame.protocols")}, '
            f'{difference.ours.get("malformed")}): {values}')


def missing():
    if not CAPTURES:
        return 'YAGURA_CAPTURES is not set'
    if not PARSE_DUMP:
        return 'YAGURA_PARSE_DUMP is not set'
    absent = [tool for tool in ('tshark', 'editcap') if not shutil.which(tool)]
    return f'not installed: {", ".join(absent)}' if absent else None


class ParserAgainstTshark(unittest.TestCase):
    def setUp(self):
        if missing():
            self.skipTest(missing())

    def test_every_packet_of_every_capture(self):
        names = sorted(n for n in os.listdir(CAPTURES) if n.endswith(('.pcap', '.pcapng')) and n not in UNREADABLE)
        self.assertTrue(names, f'no captures in {CAPTURES}')
        explained = Counter()
        with ThreadPoolExecutor(max_workers=2) as pool:
            for found in pool.map(differences, [os.path.join(CAPTURES, name) for name in names]):
                for difference in found:
                    reason = reason_for(difference)
                    explained[reason, difference.capture] += 1
                    if reason is None and explained[None, difference.capture] <= 5:
                        print('unexplained:', describe(difference))
        expected = Counter({(known.reason, capture): count for known in KNOWN
                            for capture, count in known.counts.items() if capture in names})
        for reason, capture in sorted(explained.keys() | expected.keys(), key=str):
            with self.subTest(capture=capture, reason=reason or 'unexplained'):
                self.assertEqual(explained[reason, capture], expected[reason, capture])


if __name__ == '__main__':
    reason = missing()
    if reason:
        print(f'SKIPPED: {reason}')
        sys.exit(77)  # what meson takes for "skipped"
    unittest.main()
