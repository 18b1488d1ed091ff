#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The checks of the sources find what they are for, in small trees made to fail them."""
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LICENCE = '// SPDX-License-' + 'Identifier: BSD-3-Clause\n'

HOUSE = {
    'meson.build': "subdir('lib')\nsubdir('drivers')\nsubdir('lib/broker')\nsubdir('app')\n",
    'lib/meson.build': "# subdir('none')\nsubdir('base')       # nothing\nsubdir('net')\nsubdir('match')\nsubdir('port')\n"
                       "subdir('flow')\n",
    'lib/base/bytes.h': '', 'lib/net/parser.h': '', 'lib/match/rules.h': '', 'lib/port/driver.h': '',
    'lib/flow/table.h': '', 'lib/broker/appliance.h': '', 'drivers/loop/loop.h': '', 'drivers/pcap/file.h': '',
    'app/yagura/commands.h': '', 'test/support/skip.h': '',
}


def check(name, files):
    """The exit status and the lines of scripts/check-NAME over a tree of these files."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), 'w', encoding='utf-8') as file:
                file.write(text)
        result = subprocess.run([os.path.join(ROOT, 'scripts', f'check-{name}'), root], stdout=subprocess.PIPE, check=False)
    return result.returncode, result.stdout.decode().splitlines()


class Includes(unittest.TestCase):
    def assert_faults(self, expected, *rows):
        """Each row, (folder, include), becomes a file of its own; all are looked at in one run."""
        files = {f'{folder}/row{number}.cc': f'// first line\n#include {include}\n'
                 for number, (folder, include) in enumerate(rows)}
        status, lines = check('includes', {**HOUSE, **files})
        found = [line.partition(': ')[0] for line in lines]
        self.assertEqual(found, [f'{path}:2' for path in sorted(files)] if expected else [])
        self.assertEqual(status, 1 if expected else 0)
        for line in lines:
            self.assertRegex(line, r'#include +\S+: .+; .+', 'what is wrong, and what to do')

    def test_what_points_the_right_way(self):
        self.assert_faults(
            False, ('lib/net', '"base/bytes.h"'), ('lib/net', '"net/parser.h"'), ('lib/net', '<vector>'),
            ('lib/match', '<hs.h>'), ('lib/match', '<hs/hs.h>'), ('lib/match', '<pcap/pcap.h>'),
            ('lib/match', '<rte_acl.h>'), ('lib/port', '<rte_mbuf.h>'), ('drivers/loop', '"port/driver.h"'),
            ('drivers/loop', '"net/parser.h"'), ('drivers/loop', '"drivers/loop/loop.h"'),
            ('lib/broker', '"drivers/loop/loop.h"'), ('lib/broker', '"flow/table.h"'),
            ('app/yagura', '"broker/appliance.h"'), ('app/yagura', '"app/yagura/commands.h"'),
            ('test/unit/net', '<catch2/catch.hpp>'), ('test/unit/net', '"support/skip.h"'))

    def test_what_points_the_wrong_way(self):
        self.assert_faults(
            True, ('lib/base', '"net/parser.h"'), ('lib/net', '"flow/table.h"'), ('lib/flow', '"broker/appliance.h"'),
            ('lib/flow', '"drivers/loop/loop.h"'), ('lib/flow', '"app/yagura/commands.h"'),
            ('lib/broker', '"app/yagura/commands.h"'), ('lib/flow', '"test/support/skip.h"'),
            ('drivers/loop', '"flow/table.h"'), ('drivers/loop', '"match/rules.h"'),
            ('drivers/loop', '"drivers/pcap/file.h"'), ('drivers/loop', '"broker/appliance.h"'),
            ('lib/unlisted', '"base/bytes.h"'))

    def test_headers_that_belong_to_one_library(self):
        self.assert_faults(
            True, ('lib/flow', '<hs.h>'), ('lib/flow', '<hs/hs_compile.h>'), ('drivers/pcap', '<pcap/pcap.h>'),
            ('app/yagura', '<pcap.h>'), ('lib/flow', '<rte_bpf.h>'), ('lib/flow', '<rte_acl.h>'),
            ('lib/base', '<rte_byteorder.h>'), ('lib/net', '<rte_mbuf.h>'), ('lib/match', '<rte_mbuf.h>'),
            ('lib/net', '<catch2/catch.hpp>'))

    def test_what_would_get_round_the_check(self):
        self.assert_faults(
            True, ('lib/net', '<flow/table.h>'), ('lib/net', '"../flow/table.h"'), ('lib/net', '"lib/flow/table.h"'),
            ('lib/net', '"no/such/file.h"'), ('lib/net', ' "flow/table.h"'))

    def test_a_library_that_is_moved_up_is_out_of_order(self):
        files = {**HOUSE, 'lib/flow/a.cc': '#include "port/driver.h"\n'}
        self.assertEqual(check('includes', files), (0, []))
        files['lib/meson.build'] = "subdir('base')\nsubdir('flow')\nsubdir('port')\n"
        self.assertEqual(check('includes', files)[0], 1)


class Diagnostics(unittest.TestCase):
    SAID = 'fmt::print(stderr, "x");\n'

    def test_what_is_right(self):
        self.assertEqual(check('diagnostics', {
            'lib/a/a.cc': 'base::diagnose("x");\nfmt::print("x");\n', 'app/yaguractl/main.cc': self.SAID,
            'app/bench/main.cc': self.SAID, 'test/a.cc': self.SAID, 'lib/README.md': self.SAID}), (0, []))

    def test_what_is_wrong(self):
        files = {'app/alerts/main.cc': self.SAID, 'app/yagura/main.cc': 'fmt::print(\n    stderr, "x");\n',
                 'drivers/a/a.cc': 'fmt::println(stderr, "x");\n', 'lib/a/a.h': self.SAID}
        status, lines = check('diagnostics', files)
        self.assertEqual(status, 1)
        self.assertEqual([line.partition(': ')[0] for line in lines], [f'{path}:1' for path in sorted(files)])


class LicenceLines(unittest.TestCase):
    HASH = '#' + LICENCE[2:]

    def test_what_is_right_or_needs_none(self):
        self.assertEqual(check('spdx', {
            'a.cc': LICENCE, 'b.cc': '\n' + LICENCE, 'meson.build': self.HASH, 'scripts/tool': '#!/bin/sh\n' + self.HASH,
            'a.md': 'x\n', 'a.json': '{}\n', 'a.jsonc': '{}\n', 'a.bin': '\0'}), (0, []))

    def test_what_is_wrong(self):
        files = {
            'a.cc': '', 'b.cc': LICENCE * 2, 'c.h': '\n\n\n' + LICENCE, 'd.cc': LICENCE.replace('BSD-3-Clause', 'MIT'),
            'meson.build': 'x\n', 'scripts/tool': '#!/bin/sh\n', 'tool.py': 'x\n'}
        status, lines = check('spdx', files)
        self.assertEqual(status, 1)
        self.assertEqual([line.partition(': ')[0] for line in lines], sorted(files))


if __name__ == '__main__':
    unittest.main()
