#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the tests of a build folder, counts test cases, and ends with a line `N passed, N failed[, N skipped]`.

    test/support/run_tests.py [--build DIR] [--suite NAME[,NAME...]] [--targets] [NAME...]

The tests are those that meson knows: Catch2 programs, and Python files of unittest cases. A test's suites are those
given in meson.build and its folder under test/ (unit, component, e2e). Tests of the suite `serial`, or with
is_parallel: false, run alone. A program that crashes or does not end has failed, whatever it reported before.

Exit status: 0 all passed or were skipped; 1 a failure, or not one test case ran; 2 wrong usage.
"""
import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, namedtuple

import reports
from reports import Case

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOBS = 2
# A backstop against tests that hang, not a measure of speed.
TIMEOUT = 600
# The exit status that a shell gives for a program that it cannot start.
NOT_STARTED = 127

# `cases`: what it reported, and what came of it besides; `output`: what it printed.
Run = namedtuple('Run', 'test cases output seconds')

# The programs that are running now; an interrupt ends them.
running = set()


class Test:
    def __init__(self, entry, build):
        self.name = entry['name']
        self.command = entry['cmd']
        self.environment = entry['env']
        self.folder = entry['workdir'] or build
        self.timeout = max(entry['timeout'], TIMEOUT)
        script = next((word for word in self.command[1:] if word.endswith('.py')), None)
        self.script_at = self.command.index(script) if script else None
        self.suites = {suite.partition(':')[2] for suite in entry['suite']} - {''}
        self.suites |= {under_test(script or self.command[0], top) for top in (ROOT, build)} - {None}
        self.depends = entry['depends']
        self.serial = 'serial' in self.suites or not entry['is_parallel']

    def command_with(self, report):
        if self.script_at is None:
            return [*self.command, '--reporter', 'xml', '--out', report]
        runner = os.path.join(ROOT, 'test', 'support', 'run_unittest.py')
        return [*self.command[:self.script_at], runner, report, *self.command[self.script_at:]]

    def read(self, report):
        try:
            with open(report, encoding='utf-8', errors='replace') as file:
                text = file.read()
        except FileNotFoundError:
            return []
        return reports.from_catch2(text) if self.script_at is None else reports.from_unittest(text)


def under_test(path, top):
    """'unit' for TOP/test/unit/net/net_test, None for what is elsewhere."""
    parts = os.path.relpath(path, top).split(os.sep)
    return parts[1] if parts[0] == 'test' and len(parts) > 2 else None


def introspect(build, what):
    return json.loads(subprocess.run(['meson', 'introspect', what, build], stdout=subprocess.PIPE, check=True).stdout)


def tests_of(build):
    return [Test(entry, build) for entry in introspect(build, '--tests')]


def targets_of(tests, build):
    """What must be built for these tests, as ninja names it."""
    files = {target['id']: target['filename'] for target in introspect(build, '--targets')}
    needed = {file for test in tests for target in test.depends for file in files[target]}
    return sorted(os.path.relpath(file, build) for file in needed)


def run(test):
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='yagura-test-') as folder:
        report, output = os.path.join(folder, 'report'), os.path.join(folder, 'output')
        with open(output, 'wb') as file:
            status = run_program(test, report, file)
        with open(output, encoding='utf-8', errors='replace') as file:
            text = file.read()
        cases = judge(test, test.read(report), status)
    return Run(test, cases, text, time.monotonic() - begin)


def run_program(test, report, output):
    """The exit status, negative for a signal; None if the program did not end in time."""
    try:
        # In a session of its own, so that nothing that it started outlives it.
        process = subprocess.Popen(test.command_with(report), cwd=test.folder, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, env={**os.environ, **test.environment},
                                   start_new_session=True)
    except OSError as error:
        output.write(f'{error}\n'.encode())
        return NOT_STARTED
    running.add(process)
    try:
        return process.wait(test.timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_session(process)
        running.discard(process)


def end_session(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def judge(test, cases, status):
    """The cases, and a failed one more if the program did not end as a test program should."""
    if status is None:
        ending = f'did not end within {test.timeout} s'
    elif status == NOT_STARTED:
        ending = 'could not be started'
    elif status < 0:
        ending = f'was ended by {signal.Signals(-status).name}'
    elif status != 0 and not any(case.outcome == 'failed' for case in cases):
        ending = f'ended with status {status}'
    elif not cases:
        ending = 'reported no test case'
    else:
        ending = ''
    if cases and cases[-1].outcome == 'unfinished':
        ending = ending or 'ended in the middle of the test'
    if not ending:
        return cases
    # The test that it came in has failed, and may have said so itself; after a test, something else has.
    *rest, last = cases or [Case('', 'passed', '')]
    if last.outcome == 'passed' or last.outcome == 'skipped':
        return cases + [Case('(the program)', 'failed', ending)]
    return rest + [Case(last.name, 'failed', f'{last.text}\n{ending}'.strip())]


def show(result):
    counts = Counter(case.outcome for case in result.cases)
    said = ', '.join(f'{counts[outcome]} {outcome}' for outcome in ('passed', 'failed', 'skipped') if counts[outcome])
    print(f'{"FAIL" if counts["failed"] else "ok":<5} {result.test.name:<28} {said:<36} {result.seconds:7.1f} s')
    if not counts['failed']:
        return counts
    for case in result.cases:
        if case.outcome == 'failed':
            print(f'      {case.name}')
            print(''.join(f'        {line}\n' for line in case.text.splitlines()), end='')
    if result.output:
        print(f'      --- what {result.test.name} printed')
        print(''.join(f'        {line}\n' for line in result.output.splitlines()), end='')
    return counts


def run_all(tests):
    """The results, as they come: first of those that may run beside others, then of the others, one by one."""
    with concurrent.futures.ThreadPoolExecutor(min(JOBS, os.cpu_count() or 1)) as pool:
        together = [pool.submit(run, test) for test in tests if not test.serial]
        try:
            for future in concurrent.futures.as_completed(together):
                yield future.result()
        except BaseException:
            # Leaving the pool waits for what runs.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                end_session(process)
            raise
    for test in tests:
        if test.serial:
            yield run(test)


def arguments():
    parser = argparse.ArgumentParser(description='Runs the tests of a build folder and counts test cases.')
    parser.add_argument('--build', default=os.path.join(ROOT, 'build'), metavar='DIR')
    parser.add_argument('--suite', default='', metavar='NAME[,NAME...]', help='only tests of these suites')
    parser.add_argument('--targets', action='store_true', help='run nothing: print what must be built for these tests')
    parser.add_argument('names', nargs='*', metavar='NAME', help='only tests of these names')
    return parser.parse_args()


def main():
    options = arguments()
    build = os.path.abspath(options.build)
    sys.stdout.reconfigure(line_buffering=True)
    suites = set(options.suite.split(',')) - {''}
    tests = [test for test in tests_of(build) if not suites or test.suites & suites]
    unknown = set(options.names) - {test.name for test in tests}
    if unknown:
        sys.exit(f'run_tests: no such test: {", ".join(sorted(unknown))}')
    tests = [test for test in tests if not options.names or test.name in options.names]

    if options.targets:
        print('\n'.join(targets_of(tests, build)))
        return 0

    total, skipped = Counter(), []
    for result in run_all(tests):
        total += show(result)
        skipped += [(result.test.name, case) for case in result.cases if case.outcome == 'skipped']
    for name, case in skipped:
        print(f'skipped: {name}: {case.name}: {case.text}')
    print(f'{total["passed"]} passed, {total["failed"]} failed' + (f', {total["skipped"]} skipped' if skipped else ''))
    return 1 if total['failed'] or not total['passed'] else 0


def interrupt(*_):
    raise KeyboardInterrupt


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, interrupt)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print('run_tests: interrupted', file=sys.stderr)
        sys.exit(130)
