# SPDX-License-Identifier: BSD-3-Clause
"""The command line of scripts/bench."""
import argparse
import datetime
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack

from benchlib import captures, machine, openvswitch, processes, report
from benchlib.context import Context, hugepages_wanted_mib
from benchlib.hugepages import Hugepages
from benchlib.pairs import DISTURBING, Outcome, Skipped
from benchlib.processes import Failed
from benchlib.rows import NAMES, ROWS

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# No figure depends on what a compiler warns of.
OPTIONS = ['-Dbuildtype=release', '-Dwerror=false']
BUILD_S = 3600
DEFAULT_CAPTURE = 'mix-open.pcap'
QUICK_PACKETS, QUICK_FLOWS = 4000, 200
# How long to wait for other programs to come to rest.
PATIENCE_S = 10
MINUTE = '%Y-%m-%d %H:%M UTC'

OK, FAILED, USAGE, BUSY = 0, 1, 2, 3


def say(text):
    print(text, flush=True)


def names_of(text):
    names = [name for name in text.split(',') if name]
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f'rows are {", ".join(NAMES)}, not "{",".join(unknown)}"')
    return names


def positive(kind):
    def parse(text):
        value = kind(text)
        if not 0 < value < 1e6:
            raise ValueError
        return value
    parse.__name__ = 'number above 0'
    return parse


def arguments(words):
    parser = argparse.ArgumentParser(
        prog='scripts/bench', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Measures yagura beside its peers, in turn (A B A B), and writes DATE.json and DATE.md.',
        epilog='rows:\n' + ''.join(f'  {row.name:<14}{row.title}; beside it: {row.beside}\n' for row in ROWS)
        + '\nExit status: 0; 1 a row failed (one that is skipped, or an aim that is missed, is no failure); 2 wrong\n'
          'usage; 3 other programs are running. Rows that were measured earlier on the day, and now are not, are kept.')
    parser.add_argument('--only', type=names_of, default=NAMES, metavar='ROW,...', help='only these rows')
    parser.add_argument('--pairs', type=positive(int), metavar='N', help='pairs of each row (default 5)')
    parser.add_argument('--seconds', type=positive(float), metavar='S', help='of one measurement (default 3)')
    parser.add_argument('--quick', action='store_true',
                        help='see that everything works: 2 short pairs over a small made capture, written to out/bench')
    parser.add_argument('--capture', metavar='FILE', help=f'default $YAGURA_CAPTURES/{DEFAULT_CAPTURE}, else a made one')
    parser.add_argument('--rule-files', metavar='DIR', help='take patterns from its *.rules (default: made ones)')
    parser.add_argument('--out', metavar='DIR', help='default docs/bench')
    parser.add_argument('--build', default='build-bench', metavar='DIR', help='build folder (default build-bench)')
    parser.add_argument('--no-build', action='store_true', help='measure what is in the build folder')
    parser.add_argument('--no-huge', action='store_true', help='measure with ordinary memory')
    parser.add_argument('--force', action='store_true', help='measure although other programs are running')
    options = parser.parse_args(words)
    options.pairs = options.pairs or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 3.0)
    options.warm_up = 0.5 if options.quick else 2.0
    options.out = os.path.abspath(options.out or os.path.join(ROOT, 'out/bench' if options.quick else 'docs/bench'))
    for path in filter(None, (options.capture, options.rule_files)):
        if not os.path.exists(path):
            parser.error(f'{path}: no such file or folder')
    return options


def build(folder):
    say(f'Building {folder} (log: {folder}/build.log)')
    processes.run([os.path.join(ROOT, 'scripts', 'build'), folder, *OPTIONS, '--', 'app/yagura-bench'], BUILD_S, cwd=ROOT)


def wait_for_quiet(patience):
    """How many CPUs others keep busy, after so many seconds at most."""
    deadline = time.monotonic() + patience
    busy = machine.busy_cpus(1.0)
    while busy > DISTURBING and time.monotonic() < deadline:
        busy = machine.busy_cpus(1.0)
    return busy


def take_capture(context, options):
    """Puts the capture that all measure with into the context."""
    path = os.path.join(context.folder, 'capture.pcap')
    source = options.capture
    folder = os.environ.get('YAGURA_CAPTURES')
    if not source and not options.quick and folder and os.path.exists(os.path.join(folder, DEFAULT_CAPTURE)):
        source = os.path.join(folder, DEFAULT_CAPTURE)
    if source:
        context.source = os.path.abspath(source)
        context.capture = captures.copy(context.source, path)
    elif options.quick:
        context.capture = captures.make(path, QUICK_FLOWS, QUICK_PACKETS)
    else:
        context.say('No capture (--capture, or YAGURA_CAPTURES with ' + DEFAULT_CAPTURE + '): a made one is used')
        context.capture = captures.make(path)


def measure(row, context):
    say(f'{row.name}: {row.title}; beside it: {row.beside}')
    try:
        outcome = row.measure(context)
    except Skipped as reason:
        say(f'  SKIPPED: {reason}')
        outcome = Outcome(name=row.name, status='skipped', reason=str(reason))
    except Failed as reason:
        say(f'  FAILED: {reason}')
        outcome = Outcome(name=row.name, status='failed', reason=str(reason))
    outcome.when = now().strftime(MINUTE)
    return outcome


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def largest_pool(names):
    """Packets in the largest pool that one of these rows' programs takes."""
    return openvswitch.POOL_MBUFS if any(name.startswith('ovs') for name in names) else 200_000


def prepare(stack, options):
    """The Context and what the report says of the circumstances."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='yagura-bench-'))
    data, control = machine.cpu_plan()
    cpus = sorted(os.sched_getaffinity(0))
    context = Context(root=ROOT, build=os.path.join(ROOT, options.build), folder=folder, data_cpu=data, control_cpu=control,
                      second_cpu=cpus[-2] if len(cpus) > 1 else None, seconds=options.seconds, warm_up=options.warm_up,
                      pairs=options.pairs, quick=options.quick, hugepages=False, rule_files=options.rule_files and
                      os.path.abspath(options.rule_files), say=say)
    take_capture(context, options)
    if options.no_huge:
        said = 'ordinary memory, as asked for'
    else:
        pages = stack.enter_context(Hugepages(hugepages_wanted_mib(largest_pool(options.only)), machine.available_mib()))
        context.hugepages, said = pages.usable, pages.said
    say(f'Memory: {said}')
    return context, said


def run(options, words):
    if not options.no_build:
        build(options.build)
    busy = wait_for_quiet(0 if options.force else PATIENCE_S)
    if busy > DISTURBING:
        say(f'bench: OTHER PROGRAMS ARE RUNNING: they keep {busy:.1f} CPUs busy (load average {os.getloadavg()[0]:.1f}).')
        if not options.force:
            say('       Figures would mean little. Stop them, or measure all the same with --force.')
            return BUSY
    began = now()
    with ExitStack() as stack:
        context, memory = prepare(stack, options)
        # Undone in this order, and not to be interrupted.
        stack.callback(signal.signal, signal.SIGINT, signal.SIG_IGN)
        stack.callback(signal.signal, signal.SIGTERM, signal.SIG_IGN)
        environment = machine.environment(ROOT) | {
            'date': began.strftime(MINUTE), 'command': ' '.join(['scripts/bench', *shown(words)]),
            'build': machine.build_type(context.build), 'hugepages': memory,
            'data_cpu': context.data_cpu, 'control_cpu': context.control_cpu,
            'pairs': options.pairs, 'seconds': options.seconds, 'warm_up': options.warm_up, 'quick': options.quick,
            'forced': busy > DISTURBING, 'busy_before': round(busy, 2)}
        outcomes = [measure(row, context) for row in ROWS if row.name in options.only]
        environment['load_after'] = round(os.getloadavg()[0], 1)
    for outcome in outcomes:
        outcome.commit = environment['commit']
    written = report.write(options.out, began.strftime('%Y-%m-%d'), environment, outcomes)
    say('\n'.join(['', *report.table(written.outcomes), '',
                   f'Written: {os.path.relpath(written.page)} and {os.path.relpath(written.json)}']))
    return FAILED if any(outcome.status == 'failed' for outcome in outcomes) else OK


def shown(words):
    """The command line without the names of this machine's folders."""
    return [os.path.basename(word) if word.startswith('/') else word for word in words]


def interrupt(number, _):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main(words=None):
    words = sys.argv[1:] if words is None else words
    options = arguments(words)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        return run(options, words)
    except Failed as reason:
        print(f'bench: {reason}', file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print('bench: interrupted; what was started or reserved is gone again, nothing was written', file=sys.stderr)
        return 128 + signal.SIGINT
