# SPDX-License-Identifier: BSD-3-Clause
"""The report: JSON with every pair, and a Markdown page made from it."""
import json
import os
from collections import namedtuple

from benchlib.pairs import Outcome
from benchlib.rows import ROWS
from benchlib.spread import judge, shows_no_difference, spread_of

VERSION = 1
Written = namedtuple('Written', 'json page outcomes')


def merge(previous, outcomes):
    """Rows that were not measured now are kept as they were, in the order of ROWS."""
    rows = {outcome.name: outcome for outcome in previous}
    for outcome in outcomes:
        kept = rows.get(outcome.name)
        # What could be measured before is not lost because a peer is absent today.
        if outcome.status == 'measured' or kept is None or kept.status != 'measured':
            rows[outcome.name] = outcome
    names = [row.name for row in ROWS]
    return sorted(rows.values(), key=lambda outcome: names.index(outcome.name) if outcome.name in names else len(names))


def read(path):
    """The outcomes in an earlier report; none where there is none, or where it is of another version."""
    try:
        with open(path, encoding='utf-8') as file:
            document = json.load(file)
    except FileNotFoundError:
        return []
    if document.get('version') != VERSION:
        return []
    return [Outcome.from_json({key: value for key, value in row.items() if key not in ADDED}) for row in document['rows']]


# What to_json() says of a row besides its Outcome.
ADDED = ('title', 'beside', 'aim', 'at_most', 'ratio', 'reached')


def to_json(environment, outcomes):
    rows = {row.name: row for row in ROWS}
    document = {'version': VERSION, 'environment': environment, 'rows': []}
    for outcome in outcomes:
        row = rows.get(outcome.name)
        value = outcome.to_json()
        if row:
            value |= {'title': row.title, 'beside': row.beside, 'aim': row.aim, 'at_most': row.at_most}
        if outcome.status == 'measured':
            spread = spread_of([pair.ratio for pair in outcome.pairs])
            value['ratio'] = spread._asdict()
            if row and row.aim is not None:
                value['reached'] = judge(spread, row.aim, row.at_most).reached
        document['rows'].append(value)
    return json.dumps(document, indent=1, ensure_ascii=False) + '\n'


def number(value, unit):
    """A figure with its unit, three digits of it."""
    if unit == 'packets per second':
        value, unit = value / 1e6, 'Mpps'
    return f'{value:,.{max(0, 2 - len(str(int(abs(value)))) + 1)}f} {unit}'.replace('cycles per packet', 'cycles')


def three(spread, unit):
    """Median and spread of rates."""
    return (f'{number(spread.median, unit)} ({number(spread.least, unit).split()[0]} - '
            f'{number(spread.greatest, unit).split()[0]})')


def ratio_cell(spread):
    text = f'**{spread.median:.3f}** ({spread.least:.3f} - {spread.greatest:.3f})'
    return text + (' **=**' if shows_no_difference(spread) else '')


def aim_cells(spread, row):
    """The cells "aim" and "outcome"."""
    if row.aim is None:
        return '', ''
    verdict = judge(spread, row.aim, row.at_most)
    text = f'{"reached, by" if verdict.reached else "**missed** by"} {verdict.by:.3f} ({verdict.by / row.aim:.0%})'
    return f'{"at most" if row.at_most else "at least"} {row.aim:g}', text + ('' if verdict.certain else ' **~**')


def table(outcomes):
    rows = {row.name: row for row in ROWS}
    lines = ['| row | yagura | beside it | yagura | beside it | ratio | aim | outcome |',
             '|---|---|---|--:|--:|--:|--:|---|']
    for outcome in outcomes:
        row = rows.get(outcome.name)
        if outcome.status != 'measured' or row is None:
            continue
        spread = spread_of([pair.ratio for pair in outcome.pairs])
        aim, said = aim_cells(spread, row)
        mine, peer = (three(spread_of(values), outcome.unit) for values in
                      zip(*[(pair.yagura, pair.peer) for pair in outcome.pairs]))
        lines.append(f'| `{outcome.name}` | {row.title} | {row.beside} | {mine} | {peer} | {ratio_cell(spread)} | {aim} '
                     f'| {said} |')
    return lines


def environment_lines(environment):
    packages = ', '.join(f'{name} {version}' for name, version in environment['packages'].items())
    machine = ' virtual machine' if environment['virtual_machine'] else ''
    return [f'- {environment["date"]}, commit {environment["commit"]}, build type {environment["build"]}.',
            f'- {environment["cpu"]}{machine}, {environment["cpus"]} CPUs, {environment["memory_mib"]} MiB of memory; '
            f'{environment["kernel"]}.',
            f'- {packages}.',
            f'- Memory: {environment["hugepages"]}.',
            f'- Data on CPU {environment["data_cpu"]}, control on CPU {environment["control_cpu"]}. Load average (1 minute) '
            f'{environment["load_before"]} before and {environment["load_after"]} after the run.',
            f'- `{environment["command"]}`: {environment["pairs"]} pairs of {environment["seconds"]:g} s each, after '
            f'{environment["warm_up"]:g} s that do not count.']


def detail_lines(outcome):
    lines = [f'### {outcome.name}', '', f'{outcome.when}, commit {outcome.commit}.', '']
    lines += [f'- {note}' for note in outcome.notes]
    disturbed = [pair.disturbed for pair in outcome.pairs if pair.disturbed]
    if disturbed:
        lines.append(f'- **Disturbed**: before {len(disturbed)} of {len(outcome.pairs)} pairs other programs kept up to '
                     f'{max(disturbed):.1f} CPUs busy.')
    lines += ['', f'| pair | {outcome.yagura} | {outcome.peer} | ratio |', '|--:|--:|--:|--:|']
    lines += [f'| {at} | {number(pair.yagura, outcome.unit)} | {number(pair.peer, outcome.unit)} | {pair.ratio:.3f} |'
              for at, pair in enumerate(outcome.pairs, 1)]
    return [*lines, '', *[f'    {command}' for command in outcome.commands], '']


def to_markdown(environment, outcomes):
    lines = [f'# yagura beside its peers, {environment["date"][:10]}', '',
             'Made by `scripts/bench`; no figure is written by hand. What the rows mean and how they are measured:',
             '[how to measure](../performance.md#how-to-measure).', '']
    if environment['quick']:
        lines += ['**A quick run, to see that everything works: its figures mean nothing.**', '']
    if environment['forced']:
        lines += [f'**Other programs were running** ({environment["busy_before"]:.1f} CPUs were busy when the run began): '
                  'ratios suffer less than rates, and both suffer.', '']
    lines += [*environment_lines(environment), '', *table(outcomes), '',
              'Medians, in brackets the least and the greatest, of all pairs; the two of a pair are measured one right after '
              'the other. A ratio marked **=** shows no difference: 1 lies within its spread. An outcome marked **~** is '
              'not certain: the aim lies within the spread.', '']
    for status, heading in (('skipped', 'Skipped'), ('failed', 'Failed')):
        told = [outcome for outcome in outcomes if outcome.status == status]
        if told:
            lines += [f'## {heading}', '', *[f'- `{outcome.name}`: {first_line(outcome.reason)}' for outcome in told], '']
    measured = [outcome for outcome in outcomes if outcome.status == 'measured']
    if measured:
        lines += ['## Pair by pair', '', '`TMP` is the run\'s temporary folder.', '']
        for outcome in measured:
            lines += detail_lines(outcome)
    return '\n'.join(lines).rstrip('\n') + '\n'


def first_line(text):
    return text.splitlines()[0] if text else ''


def write(folder, day, environment, outcomes):
    """Writes both files, and tells their paths and what is in them: earlier outcomes of the day, too."""
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, day)
    rows = merge(read(base + '.json'), outcomes)
    for path, text in ((base + '.json', to_json(environment, rows)), (base + '.md', to_markdown(environment, rows))):
        with open(path + '.part', 'w', encoding='utf-8') as file:
            file.write(text)
        os.replace(path + '.part', path)
    return Written(base + '.json', base + '.md', rows)
