# SPDX-License-Identifier: BSD-3-Clause
"""What a test program reported, as Cases: from Catch2's XML and from the lines of run_unittest.py.

A program that crashes leaves half a report. What it had finished counts; the test that it was in comes last, with
the outcome 'unfinished'.
"""
import json
import xml.etree.ElementTree
from collections import namedtuple

# `outcome`: 'passed', 'failed', 'skipped' or 'unfinished'. `text`: the reason, '' if it passed.
Case = namedtuple('Case', 'name outcome text')

SKIPPED = 'SKIPPED: '


def from_catch2(text):
    """The cases of Catch2 v2's XML reporter: one per TEST_CASE, whatever its sections."""
    parser = xml.etree.ElementTree.XMLPullParser(events=('start', 'end'))
    parser.feed(text)
    cases, begun = [], None
    try:
        for event, element in parser.read_events():
            if element.tag == 'TestCase' and event == 'start':
                begun = element.get('name')
            elif element.tag == 'TestCase':
                cases.append(_catch2_case(element))
                begun = None
    except xml.etree.ElementTree.ParseError:
        pass
    if begun is not None:
        cases.append(Case(begun, 'unfinished', ''))
    return cases


def _catch2_case(element):
    result = element.find('OverallResult')
    if result is None or result.get('success') != 'true':
        return Case(element.get('name'), 'failed', '\n'.join(_catch2_failures(element, '')))
    if any(_skips(section) for section in element.findall('Section')):
        return Case(element.get('name'), 'failed', 'SKIP_TEST in a SECTION: Catch2 never comes to those after it')
    skips = _skips(element)
    return Case(element.get('name'), 'skipped' if skips else 'passed', '; '.join(skips))


def _skips(element):
    texts = [(warning.text or '').strip() for warning in element.iter('Warning')]
    return [text.removeprefix(SKIPPED) for text in texts if text.startswith(SKIPPED)]


def _catch2_failures(element, section):
    """Lines for a person: what failed, where, with what was captured before it."""
    captured = []
    for child in element:
        where = f'{child.get("filename")}:{child.get("line")}: {section}'
        text = (child.text or '').strip()
        if child.tag == 'Section':
            yield from _catch2_failures(child, f'{section}[{child.get("name")}] ')
        elif child.tag in ('Info', 'Warning'):
            captured.append(text)
        elif child.tag in ('Failure', 'Exception', 'FatalErrorCondition'):
            yield f'{where}{child.tag}: {text}'
            yield from (f'  with {line}' for line in captured)
            captured = []
        elif child.tag == 'Expression' and child.get('success') != 'true':
            original, expanded = (' '.join((child.findtext(tag) or '').split()) for tag in ('Original', 'Expanded'))
            yield f'{where}{child.get("type")}( {original} )'
            yield f'  is   {expanded}'
            yield from (f'  but  {(cause.text or "").strip()}' for cause in child if cause.tag in (
                'Exception', 'FatalErrorCondition'))
            yield from (f'  with {line}' for line in captured)
            captured = []


def from_unittest(text):
    cases, begun = [], None
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if 'begin' in entry:
            begun = entry['begin']
        else:
            cases.append(Case(entry['name'], entry['outcome'], entry['text']))
            begun = None
    if begun is not None:
        cases.append(Case(begun, 'unfinished', ''))
    return cases
