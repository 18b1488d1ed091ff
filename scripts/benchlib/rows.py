# SPDX-License-Identifier: BSD-3-Clause
"""What is compared with what, and the aim of each comparison. A new row is a function and a line of ROWS."""
import os
from collections import namedtuple

from benchlib import captures, openvswitch, testpmd, yagura
from benchlib.pairs import Outcome, Pair, Skipped, measure_pairs
from benchlib.testpmd import RingTestpmd, Testpmd
from benchlib.yagura import Forward

# An address that no capture has (RFC 5737): a header rule that every packet is asked, and passes.
NOBODY = '203.0.113.254'
RING_FLOWS = 1000
FRAME = 64
FEW_FLOWS, MANY_FLOWS = 1000, 1_000_000
PATTERNS = 1000
PARALLEL_AIM = 1.7
# A label of `yagura-bench payload`.
HIT_SHARE = 'sessions with a hit, %'

# `title`: what yagura does; `beside`: what it is compared with; `aim` of the ratio: None for a figure without one,
# `at_most`: it must not be exceeded; `measure`: Context to Outcome, raises Skipped or processes.Failed.
Row = namedtuple('Row', 'name title beside aim at_most measure')


def need(reason):
    if reason:
        raise Skipped(reason)


def infinite(capture):
    return f'net_pcap0,rx_pcap={capture.path},infinite_rx=1'


def capture_note(capture):
    frames = capture.packets + capture.left_out_packets
    size = capture.bytes + capture.left_out_bytes
    return (f'Capture {capture.name}: {capture.packets} frames, {capture.bytes / capture.packets:.0f} bytes on average; '
            f'left out as larger than {captures.LARGEST_FRAME} bytes: {capture.left_out_packets} frames '
            f'({capture.left_out_packets / frames:.2%}), {capture.left_out_bytes / size:.2%} of the bytes.')


def pcap(context):
    need(testpmd.missing() or yagura.missing(context, 'forward'))
    capture = context.capture
    rule = {'id': 1, 'filter': f'not host {NOBODY}', 'forward': ['tool']}
    mine = Forward(context, config=yagura.configuration(infinite(capture), [rule]))
    peer = Testpmd(context, 'io', [infinite(capture), 'net_null0,no-rx=1'], capture.packets)
    notes = [capture_note(capture), f'yagura: one rule, `not host {NOBODY}`, which every packet passes.']
    return measure_pairs(context, 'pcap', mine, peer, notes=notes)


def ring(context):
    need(testpmd.missing() or yagura.missing(context, 'forward'))
    mine = Forward(context, ['--source', 'ring', '--flows', str(RING_FLOWS), '--size', str(FRAME), '--tools', '1', '--rules',
                             '1'])
    notes = [f'{RING_FLOWS} packets of {FRAME} bytes are in circulation, of as many flows. testpmd has one ring port in a '
             'loop: one reception and one transmission for each packet that is counted.']
    return measure_pairs(context, 'ring', mine, RingTestpmd(context, RING_FLOWS), notes=notes)


def openvswitch_with(rules):
    def measure(context):
        need(openvswitch.missing() or yagura.missing(context, 'forward'))
        need(too_many_packets(context.capture))
        sessions = captures.choose_sessions(context.capture.path, rules)
        config = yagura.configuration(infinite(context.capture), [
            yagura.five_tuple_rule(number, key, 'tool') for number, key in enumerate(sessions.tuples, 1)])
        share = sessions.packets / context.capture.packets
        notes = [capture_note(context.capture),
                 f'{rules} rules, each a 5-tuple: both directions of {rules // 2} sessions that are spread over the '
                 f'capture, {share:.2%} of its packets. Both forward these and drop everything else.']
        peer = openvswitch.OpenVSwitch(context, infinite(context.capture), sessions.tuples)
        return measure_pairs(context, f'ovs-{rules}', Forward(context, config=config), peer, (share, share), notes)
    return measure


def too_many_packets(capture):
    most = openvswitch.POOL_MBUFS - testpmd.OWN_MBUFS
    return f'the capture has more than {most} packets, which Open vSwitch\'s pool has no room for' \
        if capture.packets > most else None


def content(name, labels, *more):
    """A row of `yagura-bench payload`, which brings its own ceiling: the row that has these labels. `more`: options."""
    def measure(context):
        need(yagura.missing(context, 'payload'))
        words = ['--patterns', str(PATTERNS), *more, *quick_repeats(context)]
        if context.source:
            words += ['--capture', context.source]
        if context.rule_files:
            words += ['--rules', context.rule_files]
        document, command = yagura.inner(context, 'payload', *words)
        for _, row in yagura.rows_of(document):
            if all(str(row.get(label)) == value for label, value in labels.items()):
                return inner_outcome(context, name, document, command, row['figures'], 'yagura', 'hs_scan_stream')
        raise Skipped('this yagura-bench has no figures of '
                      + ', '.join(f'{label} "{value}"' for label, value in labels.items()))
    return measure


def undecided(name, segments, sessions):
    return content(name, {'segments': segments, 'sessions': sessions})


def decided(name, segments):
    """All sessions have a pattern in them, and go on unscanned from there."""
    return content(name, {'segments': segments, HIT_SHARE: '100'}, '--size', 'capture,1448', '--sessions', 'go-on', '--hits',
                   '100')


def inner_outcome(context, name, document, command, figures, mine, peer):
    first, second = yagura.figure(figures, mine), yagura.figure(figures, peer)
    if first is None or second is None:
        raise Skipped(f'this yagura-bench has no figures "{mine}" and "{peer}"')
    notes = [note for table in document['tables'] for note in table['notes'] if table['title'].startswith('Payload')]
    return Outcome(name=name, status='measured', unit=second['unit'], yagura='yagura', peer=peer,
                   pairs=[Pair(*pair) for pair in zip(first['repeats'], second['repeats'])], notes=notes,
                   commands=[context.shown(command)])


def flows(context):
    need(yagura.missing(context, 'flow'))
    document, command = yagura.inner(context, 'flow', '--flows', f'{FEW_FLOWS},{MANY_FLOWS}', *quick_repeats(context))
    pairs = yagura.ratio_of_rows(document, 'select stage', {'flows': str(MANY_FLOWS)}, {'flows': str(FEW_FLOWS)})
    if not pairs:
        raise Skipped('this yagura-bench has no figures of the select stage by the number of flows')
    return Outcome(name='flows', status='measured', unit='cycles per packet', yagura=f'{MANY_FLOWS} flows',
                   peer=f'{FEW_FLOWS} flows', pairs=[Pair(*pair) for pair in pairs],
                   notes=['Flow look-up, verdict and the ring to the tool; known flows, at random.'],
                   commands=[context.shown(command)])


def quick_repeats(context):
    return ['--repeats', '2', '--slices', '3'] if context.quick else ['--repeats', str(max(context.pairs, 5))]


def cores(context):
    need(yagura.missing(context, 'forward'))
    if context.second_cpu is None:
        raise Skipped('there is one CPU')
    words = ['--source', 'memory', '--flows', str(RING_FLOWS), '--size', str(FRAME), '--tools', '1', '--rules', '1']
    one, two = Forward(context, words), Forward(context, words, lcores=(
        f'rx={context.second_cpu};select={context.data_cpu};tx={context.second_cpu}'))
    one.name, two.name = 'one data core', 'two data cores'
    notes = ['rx and tx beside select.']
    if not spare_cpu():
        notes.append('Two CPUs: control shares one with rx and tx, so there is no aim.')
    return measure_pairs(context, 'cores', two, one, notes=notes)


def spare_cpu():
    """Whether control keeps a CPU beside two data cores."""
    return len(os.sched_getaffinity(0)) >= 3


def copies(context):
    need(yagura.missing(context, 'forward'))
    words = ['--source', 'memory', '--flows', str(RING_FLOWS), '--size', str(FRAME), '--rules', '1', '--tools']
    four, one = Forward(context, [*words, '4']), Forward(context, [*words, '1'])
    four.name, one.name = '4 tools', '1 tool'
    return measure_pairs(context, 'copy-4', four, one, (4.0, 1.0), notes=['Packets received, each of which goes to all tools.'])


SCAN = 'the bare scan of the same bytes'
SWITCH = 'Open vSwitch with DPDK, with as many'
ROWS = (
    Row('pcap', 'forwards a capture through net_pcap: parse, flow look-up, one header rule', 'testpmd io, the same devices', 0.70,
        False, pcap),
    Row('ring', f'the same through net_ring, {RING_FLOWS} flows', 'testpmd macswap on net_ring', 0.25, False, ring),
    Row('ovs-10', 'sends what 10 rules of 5-tuples select of a capture through net_pcap', SWITCH, 1.8, False,
        openvswitch_with(10)),
    Row('ovs-1000', 'the same with 1000 rules', SWITCH, 3.0, False, openvswitch_with(1000)),
    Row('content', f'looks for {PATTERNS} patterns in sessions that go on, segments as captured', SCAN, 0.9, False,
        undecided('content', 'as captured', 'go on')),
    Row('content-1448', 'the same in segments of 1448 bytes', SCAN, 0.9, False, undecided('content-1448', '1448', 'go on')),
    Row('content-held', f'looks for {PATTERNS} patterns in new sessions, each held until it ends', SCAN, None, False,
        undecided('content-held', 'as captured', 'new, held')),
    Row('content-decided', f'finds one of {PATTERNS} patterns in every session, and scans none of it from there on', SCAN, 1.0,
        False, decided('content-decided', 'as captured')),
    Row('content-decided-1448', 'the same in segments of 1448 bytes', SCAN, 1.0, False,
        decided('content-decided-1448', '1448')),
    Row('flows', f'cycles per packet with {MANY_FLOWS} flows', f'with {FEW_FLOWS}', 2.0, True, flows),
    Row('cores', 'two data cores', 'one', PARALLEL_AIM if spare_cpu() else None, False, cores),
    Row('copy-4', 'copies each packet to 4 tools', 'to 1', 0.5, False, copies),
)
NAMES = [row.name for row in ROWS]
