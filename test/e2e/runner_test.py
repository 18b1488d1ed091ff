#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The test runner counts what really happened: a crash is a failure, a skip is not a pass.

Needs YAGURA_OUTCOMES, the path of a program whose test cases end in every possible way.
"""
import os
import signal
import sys
import tempfile
import textwrap
import time
import unittest

SUPPORT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'support')
sys.path.insert(0, SUPPORT)

import reports  # noqa: E402
import run_tests  # noqa: E402

OUTCOMES = os.environ.get('YAGURA_OUTCOMES', '')


def make_test(command):
    entry = {'name': 'example', 'cmd': command, 'env': {}, 'workdir': None, 'timeout': 0, 'suite': ['yagura'],
             'is_parallel': True, 'depends': []}
    return run_tests.Test(entry, os.getcwd())


def run(command, timeout=60):
    test = make_test(command)
    test.timeout = timeout
    return run_tests.run(test)


def outcomes(result):
    return {case.name: case.outcome for case in result.cases}


def text_of(result, name):
    return next(case.text for case in result.cases if case.name == name)


class Catch2Programs(unittest.TestCase):
    def test_each_case_is_counted_once_with_its_outcome(self):
        self.assertEqual(outcomes(run([OUTCOMES])), {
            'passes': 'passed', 'is skipped': 'skipped',
            'prints what looks like XML': 'passed', 'fails': 'failed', 'skips in a section': 'failed',
            'throws': 'failed'})

    def test_a_skip_tells_its_reason(self):
        self.assertEqual(text_of(run([OUTCOMES, 'is skipped']), 'is skipped'), 'there is no moon')

    def test_a_failure_tells_where_what_and_with_what(self):
        text = text_of(run([OUTCOMES, 'fails']), 'fails')
        for part in ('outcomes.cc:', '[in a section]', 'answer == 43', '42 == 43', 'answer := 42'):
            self.assertIn(part, text)

    def test_an_exception_is_told(self):
        self.assertIn('thrown <here>', text_of(run([OUTCOMES, 'throws']), 'throws'))

    def test_a_crash_fails_the_case_that_it_came_in_and_shows_the_output(self):
        result = run([OUTCOMES, 'passes,aborts'])
        self.assertEqual(outcomes(result), {'passes': 'passed', 'aborts': 'failed'})
        self.assertIn('last words', result.output)

    def test_an_exit_in_the_middle_is_a_failure_even_with_status_0(self):
        self.assertEqual(outcomes(run([OUTCOMES, 'exits'])), {'exits': 'failed'})

    def test_a_program_without_a_case_is_a_failure(self):
        self.assertEqual(list(outcomes(run([OUTCOMES, 'no such case'])).values()), ['failed'])

    def test_a_program_that_is_no_test_is_a_failure(self):
        self.assertEqual(list(outcomes(run(['true'])).values()), ['failed'])

    def test_a_program_that_is_not_there_is_a_failure_and_shows_why(self):
        result = run(['/no/such/program'])
        self.assertEqual([case.outcome for case in result.cases], ['failed'])
        self.assertIn('/no/such/program', result.output)

    def test_a_program_that_does_not_end_is_a_failure(self):
        result = run(['sh', '-c', 'sleep 1000 & wait'], timeout=0.2)
        self.assertEqual([case.outcome for case in result.cases], ['failed'])
        self.assertLess(result.seconds, 30)


class Interrupts(unittest.TestCase):
    def test_an_interrupt_ends_what_runs_and_starts_nothing_more(self):
        previous = signal.signal(signal.SIGALRM, run_tests.interrupt)
        self.addCleanup(signal.signal, signal.SIGALRM, previous)
        begin = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with self.assertRaises(KeyboardInterrupt):
            list(run_tests.run_all([make_test(['sh', '-c', 'sleep 60'])] * 5))
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual(run_tests.running, set())


class UnittestFiles(unittest.TestCase):
    def run_file(self, body):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'example_test.py')
            with open(path, 'w', encoding='utf-8') as file:
                file.write('import os, unittest\n' + textwrap.dedent(body))
            return run([sys.executable, path])

    def test_each_method_is_counted_once_with_its_outcome(self):
        result = self.run_file('''
            class T(unittest.TestCase):
                def test_passes(self): pass
                def test_fails(self): self.fail('badly')
                def test_errs(self): raise OSError('thrown')
                def test_skips(self): self.skipTest('there is no moon')
                def test_subtests(self):
                    for i in range(3):
                        with self.subTest(i=i): self.assertEqual(i, 0)
                def test_skips_one_of_several(self):
                    for i in range(3):
                        with self.subTest(i=i):
                            if i == 1: self.skipTest('not one')
                @unittest.expectedFailure
                def test_passes_unexpectedly(self): pass
            ''')
        self.assertEqual(outcomes(result), {
            'T.test_passes': 'passed', 'T.test_fails': 'failed', 'T.test_errs': 'failed', 'T.test_skips': 'skipped',
            'T.test_subtests': 'failed', 'T.test_skips_one_of_several': 'skipped', 'T.test_passes_unexpectedly': 'failed'})
        self.assertEqual(text_of(result, 'T.test_skips'), 'there is no moon')
        self.assertIn('badly', text_of(result, 'T.test_fails'))

    def test_a_class_that_cannot_be_set_up_has_failed_and_one_that_is_skipped_is_skipped(self):
        result = self.run_file('''
            class A(unittest.TestCase):
                @classmethod
                def setUpClass(cls): raise OSError('no')
                def test_one(self): pass
            class B(unittest.TestCase):
                @classmethod
                def setUpClass(cls): raise unittest.SkipTest('there is no moon')
                def test_one(self): pass
            ''')
        self.assertEqual([case.outcome for case in result.cases], ['failed', 'skipped'])

    def test_an_exit_in_the_middle_is_a_failure(self):
        result = self.run_file('''
            class T(unittest.TestCase):
                def test_a(self): pass
                def test_b(self): os._exit(0)
            ''')
        self.assertEqual(outcomes(result), {'T.test_a': 'passed', 'T.test_b': 'failed'})

    def test_a_file_that_cannot_be_loaded_is_a_failure_and_shows_why(self):
        result = self.run_file('import no_such_module')
        self.assertEqual([case.outcome for case in result.cases], ['failed'])
        self.assertIn('no_such_module', result.output)


class Reports(unittest.TestCase):
    def test_half_a_report_keeps_what_was_finished(self):
        whole = ('<Catch name="t"><Group name="t"><TestCase name="a"><OverallResult success="true"/></TestCase>'
                 '<TestCase name="b"><Section name="s">')
        self.assertEqual([(case.name, case.outcome) for case in reports.from_catch2(whole)],
                         [('a', 'passed'), ('b', 'unfinished')])
        self.assertEqual([(case.name, case.outcome) for case in reports.from_catch2(whole + '<Expr')],
                         [('a', 'passed'), ('b', 'unfinished')])
        self.assertEqual(reports.from_catch2(''), [])

    def test_a_suite_is_the_folder_under_test(self):
        self.assertEqual(run_tests.under_test('/b/test/unit/net/net_test', '/b'), 'unit')
        self.assertIsNone(run_tests.under_test('/usr/bin/python3', '/b'))


if __name__ == '__main__':
    unittest.main()
