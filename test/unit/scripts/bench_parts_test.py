#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The parts of scripts/bench: what it makes of figures, of what programs print, and of captures."""
import json
import os
import struct
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, 'scripts'))

from benchlib import captures, hugepages, machine, openvswitch, pairs, processes, report, rows, spread, testpmd, yagura  # noqa: E402
from benchlib.context import Context  # noqa: E402
from benchlib.pairs import Outcome, Pair  # noqa: E402
from benchlib.processes import Failed  # noqa: E402
from benchlib.samples import Sample  # noqa: E402


def recorded(name):
    with open(os.path.join(ROOT, 'test', 'data', 'bench', name), encoding='utf-8') as file:
        return file.read()


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='yagura-bench-test-')
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)


class Spreads(unittest.TestCase):
    def test_median_and_ends(self):
        self.assertEqual(spread.spread_of([3, 1, 2]), (2, 1, 3))
        self.assertEqual(spread.spread_of([4, 1, 2, 3]), (2.5, 1, 4))
        self.assertEqual(spread.spread_of([5]), (5, 5, 5))

    def test_an_aim_is_reached_or_missed_and_how_certain_that_is(self):
        for values, aim, at_most, expected in (
                ([0.7, 0.7, 0.7], 0.7, False, (True, True)), ([0.6, 0.8, 0.9], 0.7, False, (True, False)),
                ([0.5, 0.6, 0.8], 0.7, False, (False, False)), ([0.5, 0.6, 0.65], 0.7, False, (False, True)),
                ([1.5, 1.6, 1.7], 2, True, (True, True)), ([1.9, 2.1, 2.2], 2, True, (False, False))):
            with self.subTest(values=values, aim=aim):
                verdict = spread.judge(spread.spread_of(values), aim, at_most)
                self.assertEqual((verdict.reached, verdict.certain), expected)
        self.assertAlmostEqual(spread.judge(spread.spread_of([0.6]), 0.7).by, 0.1)

    def test_a_difference_inside_the_spread_is_none(self):
        self.assertTrue(spread.shows_no_difference(spread.spread_of([0.9, 1.1, 1.2])))
        self.assertFalse(spread.shows_no_difference(spread.spread_of([1.01, 1.1])))
        self.assertFalse(spread.shows_no_difference(spread.spread_of([0.8, 0.99])))


class WhatPeersPrint(unittest.TestCase):
    def test_testpmd_ports(self):
        ports = testpmd.parse_port_stats(recorded('testpmd_port_stats.txt'))
        self.assertEqual(sorted(ports), [0, 1])
        self.assertEqual(ports[0], (31694528, 0, 0, 4073484, 0))
        self.assertEqual(ports[1], (0, 31575872, 0, 0, 4073547))

    def test_testpmd_that_prints_something_else(self):
        with self.assertRaisesRegex(Failed, 'Rx-pps'):
            testpmd.parse_port_stats(recorded('testpmd_port_stats.txt').replace('Rx-pps', 'Rx-rate'))

    def test_open_vswitch_ports(self):
        self.assertEqual(openvswitch.parse_ports(recorded('ovs_dump_ports.txt')),
                         {1: (3109216, 0, 2.302), 2: (0, 5450, 2.279)})
        self.assertEqual(openvswitch.parse_ports(''), {})

    def test_open_vswitch_data_thread(self):
        counts = openvswitch.parse_pmd(recorded('ovs_pmd_stats.txt'))
        self.assertEqual(counts['packets received'], 6810912)
        self.assertEqual(counts['miss with failed upcall'], 12976)

    def test_ticks_of_all_cpus(self):
        self.assertEqual(machine.parse_ticks('cpu  10 1 5 100 4 2 3 7 9 9'), (21, 7, 132))
        self.assertEqual(machine.parse_ticks('cpu 10 1 5 100'), (16, 0, 116))


def forward_json(**figures):
    return {'tables': [{'title': 'forward', 'rows': [{'flows': '1', 'figures': {
        name.replace('_', ' '): None if value is None else {'unit': '', 'median': value, 'repeats': [value]} for name, value in figures.items()
    }}], 'notes': []}]}


class Forward(unittest.TestCase):
    def test_rate_and_share(self):
        sample = yagura.parse_forward(forward_json(received=2e6, sent=1e6, in_all=130, rx=70))
        self.assertEqual((sample.pps, sample.forwarded), (2e6, 0.5))
        self.assertEqual(sample.details, {'cycles per packet, in all': 130, 'cycles per packet, rx': 70})

    def test_the_rate_is_over_the_whole_time(self):
        document = forward_json(received=3.0, sent=1.0)
        document['tables'][0]['rows'][0]['figures']['received']['repeats'] = [1.0, 3.0, 8.0]
        self.assertEqual((yagura.parse_forward(document).pps, yagura.parse_forward(document).forwarded), (4.0, 0.25))

    def test_what_tells_no_rate(self):
        for document in ({}, forward_json(sent=1.0), forward_json(received=None), forward_json(received=0.0, sent=0.0)):
            with self.subTest(document), self.assertRaises(Failed):
                yagura.parse_forward(document)

    def test_ratio_of_two_rows_repeat_by_repeat(self):
        document = {'tables': [{'rows': [
            {'flows': flows, 'figures': {'select stage': {'unit': 'cycles per packet', 'repeats': repeats}}}
            for flows, repeats in (('1000', [100, 110]), ('1000000', [150, 160]))]}]}
        self.assertEqual(yagura.ratio_of_rows(document, 'select stage', {'flows': '1000000'}, {'flows': '1000'}),
                         [(150, 100), (160, 110)])
        self.assertEqual(yagura.ratio_of_rows(document, 'select stage', {'flows': '7'}, {'flows': '1000'}), [])


def pcap(frames, order='<', link_type=1):
    data = struct.pack(order + 'IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, link_type)
    for frame in frames:
        data += struct.pack(order + 'IIII', 1, 2, len(frame), len(frame)) + frame
    return data


class Captures(Folder):
    def write(self, name, data):
        with open(self.path(name), 'wb') as file:
            file.write(data)
        return self.path(name)

    def test_large_frames_are_left_out_and_counted(self):
        for order in '<>':
            with self.subTest(order=order):
                source = self.write('in.pcap', pcap([b'a' * 60, b'b' * 3000, b'c' * 2048], order))
                capture = captures.copy(source, self.path('out.pcap'))
                self.assertEqual(capture[2:], (2, 2108, 1, 3000))
                with open(capture.path, 'rb') as file:
                    self.assertEqual(file.read(), pcap([b'a' * 60, b'c' * 2048], order))

    def test_a_record_that_is_cut_ends_the_capture(self):
        source = self.write('in.pcap', pcap([b'a' * 60, b'b' * 60])[:-1])
        self.assertEqual(captures.copy(source, self.path('out.pcap')).packets, 1)

    def test_what_is_no_capture(self):
        for data in (b'', b'\x0a\x0d\x0d\x0a' + bytes(40), pcap([b'a' * 60], link_type=113), pcap([b'a' * 3000])):
            with self.subTest(data=data[:24]), self.assertRaises(Failed):
                captures.copy(self.write('in.pcap', data), self.path('out.pcap'))

    def test_a_made_capture_is_the_same_each_time(self):
        contents = []
        for _ in range(2):
            capture = captures.make(self.path('made.pcap'), 50, 500)
            with open(capture.path, 'rb') as file:
                contents.append(file.read())
        self.assertEqual(contents[0], contents[1])
        frames = [bytes(frame) for _, frame in captures.records(contents[0])]
        self.assertEqual((len(frames), sum(map(len, frames))), (capture.packets, capture.bytes))
        keys = {captures.five_tuple(memoryview(frame)) for frame in frames}
        self.assertNotIn(None, keys)
        self.assertEqual(len({min(key, captures.reverse(key)) for key in keys}), 50)


class FiveTuples(Folder):
    def frame(self, **changes):
        """A frame of 10.0.0.1:1024 to 192.0.2.1:80; `changes`: byte number -> value."""
        frame = bytearray(captures.tcp_frame(0, 64, back=False))
        for at, value in changes.items():
            frame[int(at[1:])] = value
        return memoryview(bytes(frame))

    def test_a_plain_packet(self):
        self.assertEqual(captures.five_tuple(self.frame()), (6, bytes((10, 0, 0, 1)), bytes((192, 0, 2, 1)), 1024, 80))

    def test_what_is_not_plain(self):
        for name, changes in (('VLAN', {'_12': 0x81}), ('IPv6', {'_14': 0x65}), ('GRE', {'_23': 47}), ('fragment', {'_20': 0x20}),
                              ('later fragment', {'_21': 1}), ('IP length', {'_16': 1}), ('header length', {'_14': 0x4f}),
                              ('a tunnel', {'_23': 17, '_36': 0x12, '_37': 0xb5})):
            with self.subTest(name):
                self.assertIsNone(captures.five_tuple(self.frame(**changes)))
        self.assertIsNone(captures.five_tuple(self.frame()[:41]))

    def choose(self, frames, number):
        with open(self.path('c.pcap'), 'wb') as file:
            file.write(pcap(frames))
        return captures.choose_sessions(self.path('c.pcap'), number)

    def both(self, flow, size=64):
        return [captures.tcp_frame(flow, size, back) for back in (False, True)]

    def test_both_directions_of_each_session_and_their_packets(self):
        frames = [frame for flow in range(20) for frame in self.both(flow) * 2]
        sessions = self.choose(frames, 10)
        self.assertEqual(len(set(sessions.tuples)), 10)
        self.assertEqual({captures.reverse(key) for key in sessions.tuples}, set(sessions.tuples))
        self.assertEqual((sessions.packets, sessions.bytes), (20, 20 * 64))

    def test_what_is_not_chosen(self):
        tagged = self.both(0)[0]
        tagged = tagged[:12] + b'\x81\x00\x00\x01' + tagged[12:]
        for name, frames in (('one direction alone', self.both(0)[:1]), ('a frame too large to send', self.both(0, 1600)),
                             ('the same addresses in a tagged frame', [*self.both(0), tagged])):
            with self.subTest(name), self.assertRaisesRegex(Failed, 'only 1 sessions'):
                self.choose([*frames, *self.both(1)], 4)

    def test_the_rules_of_both_say_the_same(self):
        key = captures.five_tuple(self.frame())
        self.assertEqual(list(openvswitch.flows_of([key])), [
            'priority=0,actions=drop',
            'priority=10,tcp,nw_src=10.0.0.1,nw_dst=192.0.2.1,tp_src=1024,tp_dst=80,actions=output:2'])
        self.assertEqual(yagura.five_tuple_rule(7, key, 'tool'), {
            'id': 7, 'forward': ['tool'],
            'filter': 'tcp and src host 10.0.0.1 and dst host 192.0.2.1 and src port 1024 and dst port 80'})


class Subject:
    def __init__(self, name, rate, share):
        self.name, self.rate, self.share, self.runs = name, rate, share, []

    def words(self):
        return [self.name]

    def measure(self):
        self.runs.append(time.monotonic())
        return Sample(pps=self.rate, forwarded=self.share)


def context(folder, **more):
    return Context(**{'root': '/src', 'build': '/src/build', 'folder': folder, 'data_cpu': 1, 'control_cpu': 0, 'seconds': 1.0,
                      'warm_up': 0.5, 'pairs': 3, 'quick': False, 'hugepages': False, 'say': lambda text: None, **more})


class InTurn(Folder):
    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, machine, 'busy_cpus', machine.busy_cpus)
        machine.busy_cpus = lambda: 0.0

    def test_a_b_a_b(self):
        one, other = Subject('one', 3e6, 1.0), Subject('other', 2e6, 1.0)
        outcome = pairs.measure_pairs(context(self.folder), 'row', one, other)
        self.assertEqual([pair.ratio for pair in outcome.pairs], [1.5] * 3)
        turns = sorted([(when, 'one') for when in one.runs] + [(when, 'other') for when in other.runs])
        self.assertEqual([name for _, name in turns], ['one', 'other'] * 3)

    def test_different_work_is_no_figure(self):
        for shares in ((1.0, 0.9), (0.5, 0.5), (None, 1.0)):
            with self.subTest(shares), self.assertRaises(Failed):
                pairs.measure_pairs(context(self.folder), 'row', Subject('one', 1e6, shares[0]), Subject('other', 1e6, shares[1]))

    def test_a_few_packets_more_of_a_lap_are_the_same_work(self):
        pairs.measure_pairs(context(self.folder), 'row', Subject('one', 1e6, 0.0639), Subject('other', 1e6, 0.0633),
                            (0.0633, 0.0633))

    def test_a_disturbed_pair_says_so(self):
        machine.busy_cpus = lambda: 1.5
        outcome = pairs.measure_pairs(context(self.folder), 'row', Subject('one', 1e6, 1.0), Subject('other', 1e6, 1.0))
        self.assertEqual({pair.disturbed for pair in outcome.pairs}, {1.5})


class Commands(unittest.TestCase):
    def test_no_folder_of_this_machine_is_shown(self):
        self.assertEqual(context('/tmp/x').shown(['/src/build/app/tool', '--json', '/tmp/x/a.json', 'rx=1;select=1', '']),
                         "build/app/tool --json TMP/a.json 'rx=1;select=1' ''")

    def test_memory_with_and_without_hugepages(self):
        self.assertEqual(context('/tmp/x', hugepages=True).eal_memory(1000), ['--in-memory'])
        self.assertEqual(context('/tmp/x', hugepages=True).eal_memory(1000, for_switch=True), [])
        ordinary = context('/tmp/x').eal_memory(100_000)
        self.assertIn('--no-huge', ordinary)
        self.assertGreater(int(ordinary[ordinary.index('-m') + 1]), 100_000 * 4096 / 2**20)

    def test_a_ring_is_filled_with_whole_bursts(self):
        for packets, burst in ((1000, 25), (1024, 32), (992, 32), (7, 7)):
            peer = testpmd.RingTestpmd(context('/tmp/x'), packets)
            self.assertEqual(peer.first_burst, burst)


class Content(Folder):
    """The rows that take their figures from `yagura-bench payload`."""

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, yagura, 'missing', yagura.missing)
        self.addCleanup(setattr, yagura, 'inner', yagura.inner)
        yagura.missing = lambda context, benchmark: None
        yagura.inner = self.inner
        self.asked = []
        self.table = [('as captured', 'go on', [9, 10]), ('1448', 'go on', [18, 20]), ('as captured', 'new, held', [5, 5])]
        self.with_hits = [('as captured', '0', [7, 7]), ('as captured', '100', [30, 40]), ('1448', '100', [60, 50])]

    def inner(self, context, benchmark, *words):
        self.asked.append(words)

        def figures(unit, repeats):
            return {'yagura': {'unit': unit, 'repeats': repeats}, 'hs_scan_stream': {'unit': 'Gbit/s', 'repeats': [20, 20]}}
        return {'tables': [
            {'title': 'Payload of undecided flows', 'notes': [], 'rows': [
                {'patterns': '1000', 'segments': segments, 'sessions': sessions, 'figures': figures('Gbit/s', repeats)}
                for segments, sessions, repeats in self.table]},
            {'title': 'Payload of flows that are decided', 'notes': ['a note'], 'rows': [
                {'patterns': '1000', 'segments': segments, rows.HIT_SHARE: hits,
                 'figures': figures('Gbit/s on the wire', repeats)}
                for segments, hits, repeats in self.with_hits]}]}, [benchmark, *words]

    def ratios(self, name):
        row, = [row for row in rows.ROWS if row.name == name]
        return [pair.ratio for pair in row.measure(context(self.folder)).pairs]

    def test_each_row_takes_the_figures_that_it_names(self):
        for name, expected in (('content', [0.45, 0.5]), ('content-1448', [0.9, 1.0]), ('content-held', [0.25, 0.25]),
                               ('content-decided', [1.5, 2.0]), ('content-decided-1448', [3.0, 2.5])):
            with self.subTest(name):
                self.assertEqual(self.ratios(name), expected)

    def test_decided_sessions_all_have_a_hit_and_their_aim_is_the_bare_scan(self):
        self.ratios('content-decided')
        words = self.asked[0]
        self.assertEqual(words[words.index('--hits') + 1], '100')
        for row in rows.ROWS:
            if row.name.startswith('content-decided'):
                self.assertEqual((row.aim, row.at_most), (1.0, False))

    def test_a_row_without_figures_is_skipped_and_says_of_what(self):
        self.with_hits = []
        with self.assertRaisesRegex(pairs.Skipped, 'segments "as captured", sessions with a hit, % "100"'):
            self.ratios('content-decided')


class Hugepages(Folder):
    def pool(self, total, free):
        for name, value in (('nr_hugepages', total), ('free_hugepages', free)):
            with open(self.path(name), 'w', encoding='ascii') as file:
                file.write(str(value))

    def total(self):
        return hugepages.read('nr_hugepages', self.folder)

    def test_what_is_free_is_used(self):
        self.pool(100, 60)
        with hugepages.Hugepages(100, 10_000, self.folder) as pages:
            self.assertTrue(pages.usable)
            self.assertEqual(self.total(), 100)
        self.assertEqual(self.total(), 100)

    def test_what_is_missing_is_reserved_and_given_back(self):
        self.pool(100, 10)
        with hugepages.Hugepages(100, 10_000, self.folder) as pages:
            self.assertEqual(self.total(), 140)
            self.assertIn('80 MiB', pages.said)
        self.assertEqual(self.total(), 100)

    def test_given_back_on_an_interrupt_and_no_more_than_was_taken(self):
        self.pool(0, 0)
        with self.assertRaises(KeyboardInterrupt), hugepages.Hugepages(100, 10_000, self.folder):
            self.pool(150, 0)  # somebody else reserves too
            raise KeyboardInterrupt
        self.assertEqual(self.total(), 100)

    def test_where_memory_is_short_or_may_not_be_reserved_it_says_so(self):
        self.pool(0, 0)
        for available, folder in ((150, self.folder), (10_000, '/nowhere')):
            with self.subTest(folder), hugepages.Hugepages(100, available, folder) as pages:
                self.assertFalse(pages.usable)
                self.assertRegex(pages.said, 'no hugepages: .*ordinary memory')


class Processes(Folder):
    def test_what_a_program_says_before_it_fails_is_told(self):
        with self.assertRaisesRegex(Failed, 'status 3:\n    hello'):
            processes.run(['sh', '-c', 'echo hello; exit 3'], 10)

    def test_one_that_hangs_is_killed_with_its_children(self):
        with self.assertRaisesRegex(Failed, 'killed'):
            processes.run(['sh', '-c', f'sh -c "echo \\$\\$ >{self.path("child")}; sleep 60"; :'], 0.5)
        with open(self.path('child'), encoding='ascii') as file:
            child = int(file.read())
        # Its death is not ours to wait for.
        deadline = time.monotonic() + 10
        while alive(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(alive(child))

    def test_a_conversation(self):
        with processes.Running(['sh', '-c', 'read line; echo "got $line"; echo ready; read line; exit 4']) as program:
            program.tell('word')
            self.assertIn('got word', program.read_until('ready', 10))
            with self.assertRaisesRegex(Failed, 'did not answer'):
                program.read_until('never', 0.1)
            program.tell('end')
            self.assertEqual(program.read_to_end(10), 4)

    def test_one_that_ends_too_early(self):
        with processes.Running(['sh', '-c', 'echo no device']) as program, self.assertRaisesRegex(Failed, 'no device'):
            program.read_until('ready', 10)


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


ENVIRONMENT = {'date': '2026-01-02 03:04 UTC', 'commit': '0123456789ab', 'build': 'release', 'cpu': 'A CPU',
               'virtual_machine': True, 'cpus': 2, 'memory_mib': 1024, 'kernel': 'Linux 6.1', 'packages': {'dpdk': '22.11'},
               'hugepages': '512 MiB', 'data_cpu': 1, 'control_cpu': 0, 'load_before': 0.1, 'load_after': 1.1,
               'command': 'scripts/bench', 'pairs': 2, 'seconds': 3, 'warm_up': 2, 'quick': False, 'forced': False,
               'busy_before': 0.0}


def outcome_of(name, *ratios, status='measured', **more):
    return Outcome(name=name, status=status, unit='packets per second', yagura='yagura', peer='peer',
                   pairs=[Pair(ratio * 4e6, 4e6) for ratio in ratios], notes=['a note'], commands=['a command'],
                   when='2026-01-02 03:04 UTC', commit='0123456789ab', **more)


class Reports(Folder):
    def table(self, outcome):
        lines = report.table([outcome])
        self.assertEqual(len(lines), 3)
        return [cell.strip() for cell in lines[2].strip('|').split('|')]

    def test_a_line_of_the_table(self):
        cells = self.table(outcome_of('pcap', 0.75, 0.72, 0.80))
        self.assertEqual(cells[3:], ['3.00 Mpps (2.88 - 3.20)', '4.00 Mpps (4.00 - 4.00)', '**0.750** (0.720 - 0.800)',
                                     'at least 0.7', 'reached, by 0.050 (7%)'])

    def test_missed_and_uncertain_and_no_difference_are_marked(self):
        self.assertEqual(self.table(outcome_of('pcap', 0.5))[7], '**missed** by 0.200 (29%)')
        self.assertIn('**~**', self.table(outcome_of('pcap', 0.6, 0.9))[7])
        self.assertIn('**=**', self.table(outcome_of('pcap', 0.6, 1.1))[5])
        self.assertNotIn('**=**', self.table(outcome_of('pcap', 0.6, 0.9))[5])
        self.assertEqual(self.table(outcome_of('content-held', 0.5))[6:], ['', ''])
        self.assertEqual(self.table(outcome_of('flows', 2.5))[6:], ['at most 2', '**missed** by 0.500 (25%)'])

    def test_figures_have_three_digits(self):
        for value, unit, expected in ((4.0734e6, 'packets per second', '4.07 Mpps'), (148.8e6, 'packets per second', '149 Mpps'),
                                      (42.31, 'Gbit/s', '42.3 Gbit/s'), (151.4, 'cycles per packet', '151 cycles'),
                                      (0.5, 'Gbit/s', '0.50 Gbit/s')):
            self.assertEqual(report.number(value, unit), expected)

    def test_written_and_read_again(self):
        json_path, page, _ = report.write(self.folder, '2026-01-02', ENVIRONMENT, [
            outcome_of('pcap', 0.75, 0.72), outcome_of('ring', status='skipped', reason='no peer\nat all'),
            outcome_of('ovs-10', status='failed', reason='it hung')])
        with open(json_path, encoding='utf-8') as file:
            document = json.load(file)
        self.assertEqual([row['name'] for row in document['rows']], ['pcap', 'ring', 'ovs-10'])
        self.assertEqual(document['rows'][0]['aim'], 0.7)
        self.assertIs(document['rows'][0]['reached'], True)
        self.assertEqual(len(document['rows'][0]['pairs']), 2)
        with open(page, encoding='utf-8') as file:
            text = file.read()
        for part in ('| `pcap` |', '## Skipped', '- `ring`: no peer\n', '## Failed', '- `ovs-10`: it hung\n', '    a command\n',
                     '- a note\n', 'A CPU virtual machine, 2 CPUs'):
            self.assertIn(part, text)
        self.assertEqual([outcome.to_json() for outcome in report.read(json_path)],
                         [{key: value for key, value in row.items() if key not in report.ADDED} for row in document['rows']])

    def test_rows_of_an_earlier_run_of_the_day_are_kept(self):
        report.write(self.folder, 'day', ENVIRONMENT, [outcome_of('ring', 0.3), outcome_of('flows', 1.5)])
        _, _, kept = report.write(self.folder, 'day', ENVIRONMENT, [
            outcome_of('pcap', 0.75), outcome_of('ring', 0.4), outcome_of('flows', status='skipped', reason='x')])
        self.assertEqual([(outcome.name, outcome.status, len(outcome.pairs)) for outcome in kept],
                         [('pcap', 'measured', 1), ('ring', 'measured', 1), ('flows', 'measured', 1)])
        self.assertAlmostEqual(kept[1].pairs[0].ratio, 0.4)

    def test_a_report_of_another_version_is_not_mixed_in(self):
        with open(self.path('day.json'), 'w', encoding='utf-8') as file:
            json.dump({'version': 99, 'rows': [{}]}, file)
        self.assertEqual(report.read(self.path('day.json')), [])

    def test_a_disturbed_or_quick_run_says_so(self):
        text = report.to_markdown({**ENVIRONMENT, 'quick': True, 'forced': True, 'busy_before': 1.5},
                                  [Outcome(name='pcap', status='measured', unit='packets per second', yagura='a', peer='b',
                                           pairs=[Pair(1e6, 1e6, 1.5), Pair(1e6, 1e6)])])
        self.assertRegex(text, 'figures mean nothing')
        self.assertRegex(text, r'Other programs were running\*\* \(1\.5 CPUs')
        self.assertRegex(text, 'before 1 of 2 pairs')

    def test_every_row_has_a_name_of_its_own(self):
        self.assertEqual(len(set(rows.NAMES)), len(rows.ROWS))


if __name__ == '__main__':
    unittest.main()
