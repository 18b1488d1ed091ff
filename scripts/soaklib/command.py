# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/soak, and a run from its start to its table."""
import argparse
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone

from soaklib import daemon, samples, troubles

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIET_S = 60
PASSED, FAILED, USAGE = 0, 1, 2


def parse(arguments):
    parser = argparse.ArgumentParser(prog='scripts/soak', description=__doc__)
    parser.add_argument('minutes', nargs='?', type=float, default=60, metavar='MINUTES', help='how long; 60 when left out')
    parser.add_argument('--json', action='store_true', help='print the result as JSON')
    parser.add_argument('--build', default=os.path.join(ROOT, 'build'), metavar='DIR', help='the build folder; build/')
    parser.add_argument('--folder', metavar='DIR', help='keep what yagura writes in this new folder')
    parser.add_argument('--seed', default='1', help='of what is chosen at random')
    options = parser.parse_args(arguments)
    if not 0 < options.minutes < 100_000:
        parser.error('MINUTES is a number above 0')
    return options


def spread(values):
    """Median, 99 % and highest."""
    ordered = sorted(values)
    if not ordered:
        return None
    return {'median': round(statistics.median(ordered), 2), 'p99': round(ordered[int(0.99 * (len(ordered) - 1))], 2),
            'max': round(ordered[-1], 2)}


class Soak:
    def __init__(self, yagura, options):
        self.yagura = yagura
        self.options = options
        self.interrupted = threading.Event()
        self.faults = []

    def run(self):
        """The result, a value that report() can print."""
        self.yagura.start()
        with self.yagura.connect() as probe:
            probe.call('system.health')
            descriptors = self.yagura.descriptors()
            sampler = samples.Sampler(self.yagura)
            all_troubles = [trouble(self.yagura, self.options.seed) for trouble in troubles.ALL]
            begin = time.monotonic()
            for thread in (sampler, *all_troubles):
                thread.start()
            self.wait(begin + 60 * self.options.minutes)
            seconds = time.monotonic() - begin
            for thread in (*all_troubles, sampler):
                thread.ending.set()
            for thread in (*all_troubles, sampler):
                thread.join(2 * QUIET_S)
                self.faults += thread.faults
                if thread.is_alive():
                    self.faults.append(f'{thread.name} hangs')
            result = {'seconds': round(seconds, 1), 'rounds': {trouble.name: trouble.rounds for trouble in all_troubles}}
            health = all_troubles[0]
            reloads = all_troubles[1]
            result['rollbacks'] = reloads.rollbacks if reloads.can_roll_back else None
            result['health_ms'] = spread(health.latencies_ms)
            result['damaged_requests'] = all_troubles[3].requests
            result['crowd'] = all_troubles[4].size
            if self.yagura.runs():
                self.look_at_the_end(probe, descriptors, sampler, result)
        self.end(result)
        for trouble in all_troubles:
            if trouble.rounds == 0:
                self.faults.append(f'{trouble.name}: not one round came to its end')
        result['faults'] = self.faults
        return result

    def wait(self, end):
        while time.monotonic() < end and not self.interrupted.wait(0.5):
            if not self.yagura.runs():
                self.faults.append('yagura has ended')
                return

    def look_at_the_end(self, probe, descriptors, sampler, result):
        end = time.monotonic() + QUIET_S
        while probe.call('system.info')['control']['connections'] > 1 and time.monotonic() < end:
            time.sleep(0.1)
        left = self.yagura.descriptors() - descriptors
        result['descriptors'] = {'before': descriptors, 'more_after': left, 'max': max((s['descriptors'] for s in sampler.samples), default=None)}
        # A capture file that is made anew, or a log that is turned, changes none of them.
        if left != 0:
            self.faults.append(f'{left} descriptors more than before')
        growth = sampler.growth_kib()
        rss = [sample['rss_kib'] for sample in sampler.samples]
        result['rss_kib'] = {'first': rss[0], 'last': rss[-1], 'max': max(rss), 'growth': growth} if rss else None
        if growth is not None and growth > samples.MOST_GROWTH_KIB:
            self.faults.append(f'memory has grown by {growth} KiB, and may by {samples.MOST_GROWTH_KIB}')
        stats = probe.call('stats.get')
        by_ports, by_tools = samples.lost(stats)
        result['packets'] = {'received': sum(port['received']['packets'] for port in stats['ports'].values()),
                             'lost_by_ports': by_ports, 'lost_by_tools': by_tools,
                             'shed_by_limited_tools': sum(shed['packets'] for name in daemon.LIMITED_TOOLS
                                                          for shed in stats['tools'][name]['shed'].values())}
        result['config_version'] = stats['config_version']
        if by_ports or by_tools:
            self.faults.append(f'packets were lost: {by_ports} by ports, {by_tools} by tools that nothing limits')
        control = probe.call('system.info')['control']
        result['requests'] = control['requests']
        audit = probe.call('system.health')['audit']
        result['audit'] = {'records': audit['records'], 'lost': audit['lost']}
        if audit['lost']:
            self.faults.append(f"{audit['lost']} records of the audit log were lost")

    def end(self, result):
        if not self.yagura.runs():
            self.faults.append(f'yagura has ended by itself:\n{self.yagura.said()[-2000:]}')
            return
        status, printed = self.yagura.end()
        ledger = re.search(r'ledger: (.*)', printed)
        result['ledger'] = ledger[1] if ledger else None
        result['exit_status'] = status
        if not ledger or not ledger[1].startswith('balanced'):
            self.faults.append(f'the ledger is not balanced:\n{printed}')
        if status not in (0, 1):  # 1: copies were shed, which the limited tools do
            self.faults.append(f'yagura has ended with status {status}:\n{self.yagura.said()[-2000:]}')
        sound, said = self.yagura.verify_audit()
        result['audit_sound'] = sound
        if not sound:
            self.faults.append(f'the audit log is not sound: {said}')


def table(result):
    def row(name, value):
        return f'{name:<34} {value}'

    def number(value):
        return 'unknown' if value is None else f'{value:,}'

    rounds = result['rounds']
    health = result['health_ms'] or {}
    rss = result.get('rss_kib') or {}
    descriptors = result.get('descriptors') or {}
    packets = result.get('packets') or {}
    lines = [row('time', f"{result['seconds']} s"),
             row('packets received', number(packets.get('received'))),
             row('  lost by ports', number(packets.get('lost_by_ports'))),
             row('  lost by tools without a limit', number(packets.get('lost_by_tools'))),
             row('  shed by tools with one, as meant', number(packets.get('shed_by_limited_tools'))),
             row('configurations in effect', number(result.get('config_version'))),
             row('  of them rollbacks', number(result['rollbacks'])),
             row('requests answered', number(result.get('requests'))),
             row('  damaged ones', number(result['damaged_requests'])),
             row(f"crowds of {result['crowd']} connections", number(rounds['crowd'])),
             row('lists turned', number(rounds['lists'])),
             row('system.health, ms', ', '.join(f'{name} {value}' for name, value in health.items()) or 'unanswered'),
             row('resident memory, MiB', ', '.join(f'{name} {value / 1024:.1f}' for name, value in rss.items() if value is not None)),
             row('descriptors', ', '.join(f'{name} {value}' for name, value in descriptors.items())),
             row('audit records', f"{number((result.get('audit') or {}).get('records'))}, "
                 f"{'sound' if result.get('audit_sound') else 'NOT SOUND'}"),
             row('ledger', result.get('ledger'))]
    lines += [f'FAULT: {fault}' for fault in result['faults']]
    lines.append('passed' if not result['faults'] else f"FAILED: {len(result['faults'])} faults")
    return '\n'.join(lines)


def main(arguments=None):
    options = parse(arguments)
    try:
        if options.folder:
            os.makedirs(options.folder)
            return soak(options, options.folder)
        with tempfile.TemporaryDirectory(prefix='yagura-soak-') as folder:
            return soak(options, folder)
    except (daemon.Failed, FileExistsError) as fault:
        print(f'soak: {fault}', file=sys.stderr)
        return USAGE


def soak(options, folder):
    yagura = daemon.Daemon(options.build, folder)
    run = Soak(yagura, options)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: run.interrupted.set())
    begun = datetime.now(timezone.utc)
    try:
        result = {'date': begun.strftime('%Y-%m-%dT%H:%M:%SZ'), **run.run()}
    finally:
        yagura.kill()
    print(json.dumps(result, indent=2) if options.json else table(result))
    return FAILED if result['faults'] else PASSED
