#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bench as a user runs it, against whatever peers there are. Never about speed.

Needs YAGURA_BUILD, a build folder with app/yagura-bench.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, 'scripts', 'bench')
BUILD = os.environ.get('YAGURA_BUILD', os.path.join(ROOT, 'build'))
OK, USAGE, INTERRUPTED = 0, 2, 130
TIMEOUT_S = 600
OPEN_VSWITCH = '/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk'


class Bench(unittest.TestCase):
    longMessage = True

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='yagura-e2e-')
        self.addCleanup(folder.cleanup)
        self.out = os.path.join(folder.name, 'out')
        self.temporary = os.path.join(folder.name, 'tmp')
        os.mkdir(self.temporary)

    def command(self, *words):
        return [BENCH, '--quick', '--no-build', '--no-huge', '--force', '--build', BUILD, '--out', self.out, *words]

    def environment(self, **more):
        return {**os.environ, 'TMPDIR': self.temporary, **more}

    def bench(self, *words, status=OK, **environment):
        result = subprocess.run(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=self.environment(**environment), timeout=TIMEOUT_S,
                                check=False)
        self.assertEqual(result.returncode, status, result.stdout)
        self.assert_nothing_is_left()
        return result.stdout

    def assert_nothing_is_left(self):
        self.assertEqual(os.listdir(self.temporary), [], 'in the temporary folder')
        self.assertEqual(programs_that_name(self.temporary), [])

    def rows(self):
        """The report's rows by name, and its page."""
        files = sorted(os.listdir(self.out))
        self.assertEqual([os.path.splitext(name)[1] for name in files], ['.json', '.md'])
        with open(os.path.join(self.out, files[0]), encoding='utf-8') as file:
            rows = {row['name']: row for row in json.load(file)['rows']}
        with open(os.path.join(self.out, files[1]), encoding='utf-8') as file:
            return rows, file.read()

    def measured(self, name):
        """Runs one row, which must give figures; where it is skipped, so is the test."""
        said = self.bench('--only', name)
        rows, page = self.rows()
        if rows[name]['status'] == 'skipped':
            self.assertIn('SKIPPED', said)
            self.skipTest(rows[name]['reason'])
        self.assertEqual(rows[name]['status'], 'measured', said)
        self.assertEqual(len(rows[name]['pairs']), 2)
        self.assertTrue(all(pair['yagura'] > 0 and pair['peer'] > 0 for pair in rows[name]['pairs']))
        self.assertIn(f'| `{name}` |', page)
        self.assertIn('figures mean nothing', page)
        self.assertNotIn(self.temporary, page)
        self.assertNotIn(ROOT + os.sep, page)
        return rows[name]

    def require(self, path):
        if not shutil.which(path):
            self.skipTest(f'{path} is not installed (scripts/setup bench)')

    def test_beside_testpmd(self):
        self.require('dpdk-testpmd')
        for name in ('pcap', 'ring'):
            with self.subTest(name):
                self.measured(name)
                shutil.rmtree(self.out)

    def test_beside_open_vswitch(self):
        self.require(OPEN_VSWITCH)
        if subprocess.run(['unshare', '--user', '--map-root-user', '--net', 'true'], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0 and os.geteuid() != 0:
            self.skipTest('no network namespace can be made here')
        self.measured('ovs-10')

    def test_yagura_beside_itself(self):
        self.measured('flows')
        self.measured('copy-4')

    def test_a_peer_that_is_absent_is_skipped_aloud(self):
        # What there is besides testpmd, without it.
        path = os.path.join(self.temporary, 'bin')
        os.mkdir(path)
        for name in ('python3', 'meson', 'git', 'dpkg-query', 'env'):
            if shutil.which(name):
                os.symlink(shutil.which(name), os.path.join(path, name))
        result = subprocess.run(self.command('--only', 'ring'), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=self.environment(PATH=path), timeout=TIMEOUT_S,
                                check=False)
        self.assertEqual(result.returncode, OK, result.stdout)
        self.assertIn('SKIPPED: dpdk-testpmd is not installed', result.stdout)
        rows, page = self.rows()
        self.assertEqual(rows['ring']['status'], 'skipped')
        self.assertIn('- `ring`: dpdk-testpmd is not installed', page)

    def test_an_interrupt_leaves_nothing_behind(self):
        self.require('dpdk-testpmd')
        process = subprocess.Popen(self.command('--only', 'pcap', '--seconds', '120'), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment())
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        deadline = time.monotonic() + 60
        while not programs_that_name(self.temporary) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        if process.poll() == OK:
            self.skipTest('the row is skipped here')
        self.assertNotEqual(programs_that_name(self.temporary), [], 'nothing was started')
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, INTERRUPTED, said)
        self.assertIn('interrupted', said)
        self.assertFalse(os.path.exists(self.out))
        self.assert_nothing_is_left()

    def test_wrong_usage(self):
        for words in (['--only', 'nothing'], ['--only', ''], ['--pairs', '0'], ['--seconds', '-1'], ['--capture', '/nowhere']):
            with self.subTest(words):
                self.bench(*words, status=USAGE)

    def test_help_names_every_row(self):
        said = self.bench('--help')
        for name in ('pcap', 'ring', 'ovs-10', 'ovs-1000', 'content', 'flows', 'cores', 'copy-4'):
            self.assertRegex(said, rf'(?m)^  {name}\b')


def programs_that_name(folder):
    """Command lines of other processes in which a folder is named, or which work in it; not those that were told of it by
    us."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                words = file.read().replace(b'\0', b' ').decode(errors='replace')
            if folder in os.readlink(f'/proc/{pid}/cwd') or folder in words:
                found.append(words)
        except OSError:
            continue
    return found


if __name__ == '__main__':
    unittest.main()
