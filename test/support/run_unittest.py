#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs one file of unittest cases for run_tests.py: run_unittest.py REPORT TEST.py [argument...]

What the tests print stays on the terminal. REPORT gets a line of JSON when a test begins, {"begin": name}, and one
when it has ended, {"name": ..., "outcome": "passed" | "failed" | "skipped", "text": why}. A test whose subtests fail
has failed once.
"""
import importlib.util
import json
import os
import sys
import unittest

RANK = ('passed', 'skipped', 'failed')


class Report(unittest.TestResult):
    def __init__(self, file):
        super().__init__()
        self.file = file
        self.outcome, self.texts = 'passed', []

    def write(self, **line):
        self.file.write(json.dumps(line) + '\n')
        self.file.flush()

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.texts = 'passed', []
        self.write(begin=name_of(test))

    def stopTest(self, test):
        super().stopTest(test)
        self.write(name=name_of(test), outcome=self.outcome, text='\n'.join(self.texts))

    def note(self, test, outcome, text):
        # What goes wrong in setUpClass or setUpModule is told of something that is no test and never starts.
        if not isinstance(test, unittest.TestCase):
            self.write(name=name_of(test), outcome=outcome, text=text)
            return
        if RANK.index(outcome) > RANK.index(self.outcome):
            self.outcome, self.texts = outcome, []
        if outcome == self.outcome:
            self.texts.append(text)

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, 'failed', self._exc_info_to_string(err, test))

    addFailure = addError

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.note(test, 'failed', f'{subtest._subDescription()}\n{self._exc_info_to_string(err, test)}')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note(getattr(test, 'test_case', test), 'skipped', reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note(test, 'failed', 'passed although it is marked with expectedFailure')


def name_of(test):
    return test.id().removeprefix('test_file.')


def main():
    report, path, *arguments = sys.argv[1:]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.argv = [path, *arguments]
    spec = importlib.util.spec_from_file_location('test_file', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules['test_file'] = module
    spec.loader.exec_module(module)
    with open(report, 'w', encoding='utf-8') as file:
        unittest.defaultTestLoader.loadTestsFromModule(module).run(Report(file))


if __name__ == '__main__':
    main()
