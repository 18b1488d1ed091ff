# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/kill-bench."""
import argparse
import os
import shutil
import signal
import sys
import tempfile
import unittest
from dataclasses import dataclass

from benchlib import machine, processes
from benchlib.command import MINUTE, OPTIONS, BUILD_S, now, positive, say, shown, wait_for_quiet
from benchlib.pairs import DISTURBING
from benchlib.processes import Failed
from killlib import killers, report, trials
from killlib.paths import ROOT, netns

OK, FAILED, USAGE, BUSY = 0, 1, 2, 3
PATIENCE_S = 10
# yagura gives a connection up after ten seconds.
LIMIT_S = 12.0
PACKAGES = ('dsniff', 'libpcap0.8', 'dpdk', 'libdpdk-dev', 'iproute2', 'g++-12')
LAYOUT_WORDS = {'ports': 'both ports of the bridge', 'bridge': 'the bridge', 'taps': 'a tap in each host\'s cable'}


@dataclass
class Context:
    yagura: str        # the program
    layout: str        # killers.Yagura.LAYOUTS
    limit: float       # s
    quick: bool
    killer_cpu: int
    end_cpus: list     # where the ends run; None: anywhere
    immediate: str = None  # the library for tcpkill's immediate mode


def names_of(kind, known):
    def parse(text):
        names = [name for name in text.split(',') if name]
        if not names or set(names) - set(known):
            raise argparse.ArgumentTypeError(f'{kind} are {", ".join(known)}, not "{text}"')
        return names
    return parse


def arguments(words):
    cases = [case.name for case in trials.CASES]
    parser = argparse.ArgumentParser(
        prog='scripts/kill-bench', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Cuts real TCP connections by yagura and by tcpkill, in turn, and writes kill-DATE.json and kill-DATE.md.',
        epilog='cases:\n' + ''.join(f'  {case.name:<8}{case.count:>5} {case.title}\n' for case in trials.CASES)
        + '\nExit status: 0; 1 something could not be measured, or yagura said "verified" of what lives (connections that\n'
          'survive a killer are no failure of the run: the report tells them); 2 wrong usage; 3 other programs are running.')
    parser.add_argument('--only', type=names_of('cases', cases), default=cases, metavar='CASE,...', help='only these cases')
    parser.add_argument('--rounds', type=positive(int), metavar='N', help='of each case and killer (default 5)')
    parser.add_argument('--limit', type=positive(float), default=LIMIT_S, metavar='S',
                        help=f'for all connections of a trial to die (default {LIMIT_S:g})')
    parser.add_argument('--layout', choices=list(killers.Yagura.LAYOUTS), default='bridge',
                        help='what yagura listens to: the bridge (default, as tcpkill), both its ports, which show all frames twice, '
                             'or taps in the cables')
    parser.add_argument('--quick', action='store_true',
                        help='see that everything works: 1 round of few connections, written to out/bench')
    parser.add_argument('--out', metavar='DIR', help='default docs/bench')
    parser.add_argument('--build', default='build-bench', metavar='DIR', help='build folder (default build-bench)')
    parser.add_argument('--no-build', action='store_true', help='measure what is in the build folder')
    parser.add_argument('--force', action='store_true', help='measure although other programs are running')
    options = parser.parse_args(words)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.out = os.path.abspath(options.out or os.path.join(ROOT, 'out/bench' if options.quick else 'docs/bench'))
    return options


def cpu_plan():
    """The killer's CPU, and those of the ends."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[-1], cpus[:-1] or None


def measure(context, options, names):
    """All results, and what could not be measured."""
    results, faults = [], []
    for case in (case for case in trials.CASES if case.name in options.only):
        for number in range(1, options.rounds + 1):
            for killer in names:
                busy = machine.busy_cpus()
                try:
                    result = trials.run(context, case, killer, number)
                except Failed as reason:
                    say(f'  FAILED: {reason}')
                    faults.append(str(reason))
                    continue
                result.busy = round(busy, 2)
                results.append(result)
                times = f', median {report.time_of(report.statistics.median(result.times))}' if result.times else ''
                say(f'  {case.name}, round {number} of {options.rounds}, {killer.name}: {result.died} of {result.connections} '
                    f'died{times}' + (f'; {len(result.damaged)} INNOCENT ONES DAMAGED' if result.damaged else '')
                    + (f'; {len(result.wrong)} SAID TO BE VERIFIED, AND ALIVE' if result.wrong else ''))
    return results, faults


def run(options, words):
    if not options.no_build:
        say(f'Building {options.build} (log: {options.build}/build.log)')
        processes.run([os.path.join(ROOT, 'scripts', 'build'), options.build, *OPTIONS, '--', 'app/yagura'], BUILD_S, cwd=ROOT)
    yagura = os.path.join(ROOT, options.build, 'app', 'yagura')
    if not os.access(yagura, os.X_OK):
        raise Failed(f'there is no {yagura}')
    try:
        netns.require()
    except unittest.SkipTest as reason:
        raise Failed(str(reason)) from None
    busy = wait_for_quiet(0 if options.force else PATIENCE_S)
    if busy > DISTURBING and not options.force:
        say(f'kill-bench: OTHER PROGRAMS ARE RUNNING: they keep {busy:.1f} CPUs busy.\n'
            '            Figures would mean little. Stop them, or measure all the same with --force.')
        return BUSY
    untold, names = [], list(killers.ALL)
    reason = killers.missing()
    if reason:
        say(f'SKIPPED: {reason}')
        untold.append(reason)
        names = [killers.Yagura]
    began = now()
    folder = tempfile.mkdtemp(prefix='yagura-kill-')
    try:
        killer_cpu, end_cpus = cpu_plan()
        context = Context(yagura=yagura, layout=options.layout, limit=options.limit, quick=options.quick, killer_cpu=killer_cpu,
                          end_cpus=end_cpus)
        if killers.ImmediateTcpkill in names:
            context.immediate = killers.compile_immediate(folder)
        environment = machine.environment(ROOT) | {
            'packages': machine.package_versions(PACKAGES), 'date': began.strftime(MINUTE),
            'command': ' '.join(['scripts/kill-bench', *shown(words)]), 'build': machine.build_type(os.path.dirname(os.path.dirname(yagura))),
            'killer_cpu': killer_cpu, 'end_cpus': f'CPU {", ".join(map(str, end_cpus))}' if end_cpus else 'any CPU',
            'rounds': options.rounds, 'limit': options.limit, 'layout': options.layout,
            'layout_words': LAYOUT_WORDS[options.layout], 'quick': options.quick, 'forced': busy > DISTURBING,
            'busy_before': round(busy, 2)}
        results, faults = measure(context, options, names)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    environment['load_after'] = round(os.getloadavg()[0], 1)
    environment['busy_most'] = max((result.busy for result in results), default=0.0)
    paths = report.write(options.out, began.strftime('%Y-%m-%d'), environment, results,
                         untold + [f'FAILED: {fault.splitlines()[0]}' for fault in faults])
    say('\n'.join(['', *report.table(results), '', *report.comparison(results), '',
                   f'Written: {" and ".join(os.path.relpath(path) for path in paths)}']))
    return FAILED if faults or any(result.wrong for result in results) else OK


def interrupt(number, _):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(words=None):
    words = sys.argv[1:] if words is None else words
    options = arguments(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        return run(options, words)
    except Failed as reason:
        print(f'kill-bench: {reason}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('kill-bench: interrupted; what was started is gone again, nothing was written', file=sys.stderr)
        return 128 + signal.SIGINT
