#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the seeds from which scripts/fuzz starts: test/fuzz/corpus/TARGET/NAME.

The same files each time. They are few and small: one for each thing that a fuzzer would take long to come upon, a
header chain, a file format or a kind of filter.
"""
import hashlib
import hmac
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'data'))

import frames  # noqa: E402
import make_sample  # noqa: E402

A, B = '192.0.2.1', '192.0.2.2'
A6, B6 = '2001:db8::1', '2001:db8::2'
MAC = '00:00:5e:00:53:01'

TCP4 = frames.ipv4(A, B, frames.TCP, frames.tcp(A, B, 1025, 80, 1, 1, frames.ACK, b'GET /'))
TCP6 = frames.ipv6(A6, B6, frames.TCP, frames.tcp(A6, B6, 1025, 80, 1, 1, frames.ACK, b'GET /'))


def ethernet(ether_type, payload, vlan=None):
    return frames.ethernet(MAC, MAC, ether_type, payload, vlan, pad=False)


def over_ip(protocol, payload):
    return ethernet(frames.IPV4, frames.ipv4(A, B, protocol, payload))


def over_udp(port, payload):
    return over_ip(frames.UDP, frames.udp(A, B, 4000, port, payload))


def parser_seeds():
    """Two bytes, the link type's place in the target's list and what the wire length exceeds, then a frame."""
    frame = ethernet(frames.IPV4, TCP4)
    hop_by_hop = struct.pack('!BBIH', frames.FRAGMENT, 0, 0x01040000, 0)
    fragment = struct.pack('!BBHI', frames.TCP, 0, 1, 7)
    chains = {
        'tcp4': frame,
        'tcp6': ethernet(frames.IPV6, TCP6),
        'ipv6_extensions': ethernet(frames.IPV6, frames.ipv6(A6, B6, 0, hop_by_hop + fragment + TCP6[40:])),
        'qinq': ethernet(0x88a8, struct.pack('!HHHH', 5, frames.VLAN, 6, frames.IPV4) + TCP4),
        'mpls': ethernet(0x8847, struct.pack('!II', 16 << 12 | 64, 17 << 12 | 0x100 | 64) + TCP4),
        'pppoe': ethernet(0x8864, struct.pack('!BBHHH', 0x11, 0, 1, len(TCP4) + 2, 0x0021) + TCP4),
        'ip_in_ip': over_ip(4, TCP4),
        'ipv6_in_ip': over_ip(41, TCP6),
        'gre': over_ip(47, struct.pack('!HHI', 0x2000, frames.IPV4, 9) + TCP4),
        'erspan': over_ip(47, struct.pack('!HHIII', 0x1000, 0x88be, 1, 0x10000000, 0) + frame),
        'vxlan': over_udp(4789, frames.vxlan(42, frame)),
        'geneve': over_udp(6081, struct.pack('!BBHI', 0x01, 0, 0x6558, 42 << 8) + bytes(4) + frame),
        'gtp': over_udp(2152, struct.pack('!BBHI', 0x30, 255, len(TCP4), 42) + TCP4),
        'sctp': over_ip(132, struct.pack('!HHIIBBHI', 1, 2, 3, 0, 0, 3, 20, 0)),
        'icmp_error': over_ip(frames.ICMP, b'\x03\x01' + bytes(6) + TCP4[:28]),
    }
    for packet in make_sample.packets():
        if packet.what in ('arp', 'ping', 'malformed'):
            chains.setdefault(packet.what, packet.frame)
    seeds = {name: b'\0\0' + bytes(chain) for name, chain in chains.items()}
    cooked = struct.pack('!HHH8sH', 0, 1, 6, frames.mac(MAC), frames.IPV4) + TCP4
    seeds |= {'null': b'\x01\0' + struct.pack('<I', 2) + TCP4, 'raw': b'\x02\0' + TCP4, 'cooked': b'\x04\0' + cooked,
              'snapped': b'\0\x05' + frame[:40]}
    return seeds


def config_seeds():
    with open(os.path.join(HERE, '..', '..', 'conf', 'demo.jsonc'), 'rb') as file:
        demo = file.read()
    small = b'{"ports":{"n":{"role":"network","device":"d"},"t":{"role":"tool","device":"pcap:f","rate":"1Gbps"}},%s}'
    return {
        'demo': demo,
        'groups': small % b'"tool_groups":{"g":{"members":["t"],"mode":"balance"}},"rules":[{"id":1,"forward":["g"]}]',
        'drop': small % b'"rules":[{"id":1,"filter":"arp","layer":"frame","drop":true}]',
        'payload': small % b'"rules":[{"id":1,"payload_all":["a","/b\\\\x00/is"],"forward":["t"],"scope":"onward"}]',
        'places': small % (b'"rules":[{"id":1,"payload_all":{"pattern":"ab","direction":"to_server","offset":4,"depth":9},'
                           b'"payload_none":["c",{"pattern":"/d/","direction":"to_client"}],"drop":true}]'),
        'inspect': small % (b'"inspect":{"hold_bytes":"unlimited","hold_budget":"1GiB","stream_budget":"2MiB",'
                            b'"reorder_bytes":0,"when_short":"forward","flow_key":["vlan","tunnel"],'
                            b'"timeouts":{"tcp_opening":"1.5s","tcp":7200,"tcp_closed":"1ms","udp":"1d","other":"2m"}}'),
        'audit': small % (b'"audit":{"enabled":false,"file":"a","key":"k","max_size":"1MiB","files":3,"on_failure":"go_on",'
                          b'"head":{"file":"h","socket":"/dev/log","interval":"5s"}}'),
        'budgets': small % b'"lcores":{"rx":[0],"select":[1,2],"tx":[0]},"inspect":{"stream_depth":"1MiB","flows":9}',
    }


def pcapng_block(kind, body, order='<'):
    length = 12 + len(body)
    return struct.pack(order + 'II', kind, length) + body + struct.pack(order + 'I', length)


def capture_seeds():
    frame = ethernet(frames.IPV4, TCP4)
    records = [(1_000_000_001, frame), (2_000_000_002, frame[:20])]

    def classic(order, magic):
        file = struct.pack(order + 'IHHiIII', magic, 2, 4, 0, 0, 65535, 1)
        return file + b''.join(struct.pack(order + 'IIII', time // 10**9, time % 10**9 // 1000, len(data), len(frame)) + data
                               for time, data in records)

    def pcapng(order):
        section = pcapng_block(0x0a0d0d0a, struct.pack(order + 'IHHq', 0x1a2b3c4d, 1, 0, -1), order)
        resolution = struct.pack(order + 'HHB3xHH', 9, 1, 9, 0, 0)
        interface = pcapng_block(1, struct.pack(order + 'HHI', 1, 0, 0) + resolution, order)
        packet = struct.pack(order + 'IIIII', 0, 0, 1_000_000_001, len(frame), len(frame)) + frame
        simple = struct.pack(order + 'I', len(frame)) + frame
        return (section + interface + pcapng_block(6, packet + bytes(-len(packet) % 4), order)
                + pcapng_block(3, simple + bytes(-len(simple) % 4), order))

    return {'nanoseconds': frames.pcap(records), 'microseconds': classic('<', 0xa1b2c3d4),
            'big_endian': classic('>', 0xa1b2c3d4), 'pcapng': pcapng('<'), 'pcapng_big_endian': pcapng('>'),
            'truncated': frames.pcap(records)[:-7]}


def filter_seeds():
    """A byte that chooses the check (5: the rest is a filter's text; else choices of the generator), then the rest."""
    texts = ('tcp port 80', 'host 192.0.2.1 and not udp', 'ip6 and portrange 1-1024', 'net 10.0.0.0/8 or vlan 5',
             'tcp[tcpflags] & tcp-rst != 0', 'ip[6:2] & 0x1fff != 0', 'len > 1000', 'ether multicast')
    seeds = {f'text_{number}': b'\x05' + text.encode() for number, text in enumerate(texts)}
    return seeds | {f'choices_{kind}': bytes([kind]) + bytes(range(7 * kind, 7 * kind + 96)) for kind in range(5)}


def stream_seeds():
    """Choices of the generator: whether UTF-8, the stream, the patterns, the cuts."""
    return {f'choices_{kind}': bytes((kind * 5 + step * (2 * kind + 3)) % 256 for step in range(64 + 48 * kind))
            for kind in range(8)}


def audit_seeds():
    """Logs and, in their first line, a head, under the key of audit_fuzz.cc (docs/audit.md has the format)."""
    name, keys, macs, records = '0' * 32, [bytes(32)], ['0' * 64], []

    def sealed(key, label, members):
        body = json.dumps(members, separators=(',', ':'))[:-1].encode()
        mac = hmac.new(key, b'yagura audit ' + label + b'\n' + body, hashlib.sha256).hexdigest()
        return mac, body + b',"mac":"' + mac.encode() + b'"}'

    for seq in range(1, 5):
        start = {'log': name, 'oldest': 1} if seq in (1, 3) else {}
        mac, line = sealed(keys[-1], b'record', {
            'seq': seq, 'time': f'2026-11-22T14:00:0{seq}.000Z', **start, 'uid': 0, 'gid': 0, 'pid': 1, 'program': 'p',
            'action': 'audit.start' if start else 'connect', 'object': '', 'allowed': seq != 3, 'outcome': 'ok', 'heads': 0,
            'prev': macs[-1]})
        records.append(line)
        macs.append(mac)
        keys.append(hashlib.sha256(b'yagura audit next key\n' + keys[-1]).digest())
    _, head = sealed(keys[4], b'head', {
        'head': 1, 'log': name, 'time': '2026-11-22T14:00:05.000Z', 'oldest': 1, 'seq': 4, 'last': macs[4], 'lost': 0,
        'interval_ms': 60000})

    def file(*lines):
        return b''.join(line + b'\n' for line in lines)
    return {'sound': file(head, *records), 'cut': file(head, *records[:3]), 'part': file(b'', *records[2:]),
            'exchanged': file(head, records[0], records[2], records[1], records[3]),
            'torn': file(head, *records)[:-30]}


def control_seeds():
    """A byte for the size of the pieces, a byte for the longest line, then lines."""
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "x.y", "params": {"text": "a", "number": 7, "flag": true}}'
    lines = {'request': request, 'notification': request.replace(b'"id": 1, ', b''), 'no_parameters': request.replace(b'"number"', b'"numbr"'),
             'batch': b'[' + request + b']', 'text_id': request.replace(b'1', b'"\\u00e9\\n"'), 'deep': b'[' * 20, 'broken': request[:-9],
             'list': request.replace(b'"number": 7', b'"list": ["a", "b"]'), 'several': request + b'\n\n \r\n' + request}
    return {name: b'\x0f\x20' + line + b'\n' for name, line in lines.items()}


def alerts_seeds():
    """A byte for the format, one for the size of the pieces, one for the longest line, then lines."""
    eve = json.dumps({'timestamp': '2026-11-28T19:00:00.1+0000', 'flow_id': 7, 'event_type': 'alert', 'src_ip': '10.0.0.1', 'src_port': 4000,
                      'dest_ip': '2001:db8::1', 'dest_port': 80, 'proto': 'TCP',
                      'alert': {'gid': 1, 'signature_id': 1, 'signature': 'ET SCAN', 'severity': 2}}, separators=(',', ':')).encode()
    six = eve.replace(b'10.0.0.1', b'2001:db8::2')
    notice = json.dumps({'ts': 1.5, 'uid': 'C', 'id.orig_h': '10.0.0.1', 'id.orig_p': 1, 'id.resp_h': '10.0.0.2', 'id.resp_p': 2, 'proto': 'udp',
                         'note': 'Scan::Port', 'msg': 'm', 'src': '10.0.0.1'}).encode()
    zeek = (b'#separator \\x09\n#unset_field\t-\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tnote\tmsg\tsrc\tdst\n'
            b'1.5\tC\t10.0.0.1\t1\t10.0.0.2\t2\ttcp\tA::B\tx\\x20y\t-\t-\n-\t-\t-\t-\t-\t-\t-\tScan::Port\ts\t192.0.2.1\t-\n')
    snort = (b'11/28-19:00:00.123456  [**] [1:1:7] ET SCAN [**] [Classification: x] [Priority: 2] {TCP} 10.0.0.1:4000 -> 10.0.0.2:22\n'
             b'11/28-19:00:00.123456 [Drop] [**] [116:2:1] <eth0> "x" [**] [Priority: 3] {UDP} 2001:db8::1:1 -> 2001:db8::2:2\n'
             b'11/28-19:00:00.123456 [**] [1:9:1] x [**] [Priority: 3] {ICMP} 10.0.0.1 -> 10.0.0.2\n')
    return {'eve': b'\x00\x3f\xff' + eve + b'\n' + six, 'eve_cut': b'\x00\x0f\x02' + eve + b'\n' + six[:100], 'zeek': b'\x01\x3f\xff' + zeek,
            'zeek_json': b'\x01\xff\xff' + notice + b'\n', 'snort': b'\x02\x1f\xff' + snort}


def kill_seeds():
    """Choices: a verdict on a quiet connection, then segments, flushes and time."""
    start = bytes([0, 8, 8, 3, 0, 8, 8, 3, 0])
    data = bytes([42, 0, 8, 8, 0, 100, 16, 0, 0])
    answer = bytes([45, 1, 8, 8, 1, 4, 0, 0])
    wait = bytes([243, 5])
    return {'quiet': start + wait, 'data': start + (data + bytes([201])) * 3 + wait, 'answered': start + answer * 2 + wait,
            'several': start * 7 + wait * 4}


def main():
    targets = {'parser_fuzz': parser_seeds, 'config_fuzz': config_seeds, 'capture_fuzz': capture_seeds,
               'filter_fuzz': filter_seeds, 'stream_fuzz': stream_seeds, 'control_fuzz': control_seeds, 'kill_fuzz': kill_seeds, 'audit_fuzz': audit_seeds,
               'alerts_fuzz': alerts_seeds}
    for target, seeds in targets.items():
        folder = os.path.join(HERE, 'corpus', target)
        os.makedirs(folder, exist_ok=True)
        for name, data in seeds().items():
            with open(os.path.join(folder, name), 'wb') as file:
                file.write(data)


if __name__ == '__main__':
    main()
