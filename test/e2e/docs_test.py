#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The documentation says what the code has: names of counters, configuration keys, options; and its links lead somewhere."""
import os
import re
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOT_OURS = re.compile(r'(\.git|build.*|out.*|\..*)$')


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def function_body(path, declaration):
    """From the line that declares a function to the first line that closes a block at its margin."""
    text = read(path)
    begin = text.index(declaration)
    return text[begin:text.index('\n}\n', begin)]


def table(path, heading):
    """The rows of the first table below a heading, as lists of cells; without its head."""
    section = read(path).split(f'\n{heading}\n', 1)[1]
    rows = []
    for line in section.splitlines():
        if line.startswith('|'):
            rows.append([cell.strip() for cell in line.strip('|').split('|')])
        elif rows or line.startswith('#'):
            break
    return rows[2:]


def names_in(rows):
    return [name.strip('`') for name, *_ in rows]


def cases(path, declaration, enum):
    """{enumerator: text} of a switch that gives names."""
    return dict(re.findall(rf'case {enum}::(k\w+):\s*return "(\w+)";', function_body(path, declaration)))


class Counters(unittest.TestCase):
    PAGE = 'docs/counters.md'

    def test_every_drop_reason_and_its_class(self):
        names = cases('lib/select/drop_reason.cc', 'std::string_view drop_reason_name', 'DropReason')
        malformed = cases('lib/net/parser.cc', 'std::string_view malformed_name', 'Malformed')
        # The class of a reason is the first word of the comment on its enumerator.
        classes = dict(re.findall(r'(k\w+),\s*///< (policy|loss|malformed):', read('lib/select/drop_reason.h')))
        expected = {names[reason]: classes[reason] for reason in names if reason != 'kNone'}
        expected.update({name: 'malformed' for reason, name in malformed.items() if reason != 'kNone'})
        self.assertGreater(len(expected), 10, 'the code was not understood')
        rows = table(self.PAGE, '## Drop reasons')
        self.assertEqual(len(rows), len(set(names_in(rows))), 'a reason stands twice')
        self.assertEqual({name.strip('`'): drop_class for name, drop_class, _ in rows}, expected)

    def test_every_shed_reason(self):
        names = cases('lib/broker/report.cc', 'std::string_view shed_reason_name', r'(?:port::)?ShedReason')
        self.assertGreater(len(names), 2, 'the code was not understood')
        self.assertEqual(sorted(names_in(table(self.PAGE, '## Shed reasons'))), sorted(names.values()))

    def test_every_member_of_the_output_files(self):
        page = read(self.PAGE)
        for path, declaration in (('lib/broker/report.cc', 'Json stats_json('), ('lib/broker/report.cc', 'Json port_json('),
                                  ('lib/broker/report.cc', 'Json tool_json('), ('lib/broker/report.cc', 'Json rule_json('),
                                  ('lib/broker/report.cc', 'Json streams_json('), ('lib/broker/report.cc', 'Json exhausted_json('),
                                  ('lib/broker/flow_records.cc', 'Json flow_json('),
                                  ('lib/broker/report.cc', 'Json to_json('), ('lib/broker/replay.cc', 'Json run_json(')):
            members = set(re.findall(r'[\[{]"([a-z_]+)"', function_body(path, declaration)))
            self.assertTrue(members, f'{declaration} was not understood')
            for member in sorted(members):
                with self.subTest(function=declaration, member=member):
                    self.assertRegex(page, rf'`([\w.]+\.)?{member}`')


class Configuration(unittest.TestCase):
    def test_every_key_and_word(self):
        page = read('docs/configuration.md')
        keys = read('lib/rules/keys.h')
        words = re.findall(r'KeySpec\{"(\w+)"', keys) + re.findall(r'Word<[^>]+>\{"(\w+)"', keys)
        self.assertGreater(len(words), 30, 'the code was not understood')
        for word in words:
            with self.subTest(word=word):
                self.assertRegex(page, rf'`"?{word}"?`')


class ManualPages(unittest.TestCase):
    def test_every_option(self):
        for command in ('replay', 'run', 'check', 'doctor'):
            options = set(re.findall(r'add_(?:option|flag)\(\s*"(--[\w-]+)"', read(f'app/yagura/{command}_command.cc')))
            self.assertTrue(options, f'{command} was not understood')
            page = read(f'docs/yagura-{command}.md')
            described = set(re.findall(r'^\*\*(--[\w-]+)', page, re.MULTILINE))
            with self.subTest(command=command):
                self.assertEqual(described, options | {'--help'})


    def test_every_option_of_yaguractl_audit(self):
        options = set(re.findall(r'add_(?:option|flag)\(\s*"(--[\w-]+)"', read('app/yaguractl/audit_command.cc')))
        self.assertTrue(options, 'the code was not understood')
        described = set(re.findall(r'^\*\*(--[\w-]+)', read('docs/yaguractl-audit.md'), re.MULTILINE))
        self.assertEqual(described, options | {'--help', '--json'})


    def test_every_option_and_key_of_yagura_alerts(self):
        page = read('docs/yagura-alerts.md')
        options = set(re.findall(r'add_(?:option|flag)\(\s*"(--[\w-]+)"', read('app/alerts/main.cc')))
        self.assertGreater(len(options), 5, 'the code was not understood')
        described = {name for line in re.findall(r'^\*\*--.*$', page, re.MULTILINE) for name in re.findall(r'--[\w-]+', line)}
        self.assertEqual(described, options | {'--help', '--version'})
        words = re.findall(r'KeySpec\{"(\w+)"', read('app/alerts/verdict_map.cc'))
        self.assertGreater(len(words), 5, 'the code was not understood')
        for word in words:
            with self.subTest(word=word):
                self.assertRegex(page, rf'(?m)^\| `{word}` \|')


class Links(unittest.TestCase):
    def pages(self):
        for folder, folders, files in os.walk(ROOT):
            folders[:] = [name for name in folders if not NOT_OURS.match(name)]
            for name in files:
                if name.endswith('.md'):
                    yield os.path.relpath(os.path.join(folder, name), ROOT)

    @staticmethod
    def anchors(page):
        """The names of a page's headings, as the usual web front ends make them."""
        text = re.sub(r'```.*?```', '', read(page), flags=re.DOTALL)
        headings = re.findall(r'^#+ +(.*?) *$', text, re.MULTILINE)
        return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}

    def test_relative_links_lead_somewhere(self):
        pages = sorted(self.pages())
        self.assertIn('README.md', pages)
        for page in pages:
            text = re.sub(r'```.*?```|`[^`\n]*`', '', read(page), flags=re.DOTALL)
            for target in re.findall(r'\]\(([^)\s]+)\)', text):
                if re.match(r'[a-z]+:', target):
                    continue
                path, _, anchor = target.partition('#')
                path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                with self.subTest(page=page, link=target):
                    self.assertTrue(os.path.exists(os.path.join(ROOT, path)), 'there is no such file')
                    if anchor:
                        self.assertIn(anchor, self.anchors(path), 'there is no such heading')


if __name__ == '__main__':
    unittest.main()
