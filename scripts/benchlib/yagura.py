# SPDX-License-Identifier: BSD-3-Clause
"""yagura's side: `yagura-bench forward`, and the figures of other benchmarks that bring their own ceiling."""
import json
import os
import statistics

from benchlib import processes
from benchlib.captures import TCP, address
from benchlib.processes import Failed
from benchlib.samples import Sample

PROGRAM = 'yagura-bench'
START_S = 120
# The others read captures and fill tables.
INNER_S = 1200
RECEIVED = 'received'
SENT = 'sent'
# Columns of cycles per packet.
STAGES = ('in all', 'rx', 'select', 'tx')


def one_lcore(cpu):
    return f'rx={cpu};select={cpu};tx={cpu}'


def figure(figures, name):
    """The figure of a column; None where there is none."""
    return figures.get(name)


def rows_of(document):
    """(title, row) of all tables of what `yagura-bench --json` writes."""
    return [(table.get('title', ''), row) for table in document.get('tables', []) for row in table.get('rows', [])]


def parse_forward(document):
    """The Sample of what `yagura-bench forward --json` writes (which fails when the ledger does not balance)."""
    for _, row in rows_of(document):
        figures = row.get('figures', {})
        received = figure(figures, RECEIVED)
        if received is None:
            continue
        # The mean of the seconds, not their median: what peers tell is over the whole time, too.
        rate = statistics.mean(received['repeats'])
        if rate <= 0:
            raise Failed(f'{PROGRAM} forward received nothing')
        sent = figure(figures, SENT)
        parts = {name: figure(figures, name) for name in STAGES}
        return Sample(pps=rate, forwarded=statistics.mean(sent['repeats']) / rate if sent else None,
                      details={f'cycles per packet, {name}': part['median'] for name, part in parts.items() if part})
    raise Failed(f'{PROGRAM} forward: its JSON has no figure "{RECEIVED}"')


def missing(context, benchmark):
    """Why a benchmark cannot be run, or None."""
    try:
        said = processes.run([context.program(PROGRAM), '--help'], START_S)
    except Failed as error:
        return str(error)
    known = any(line.split()[:1] == [benchmark] for line in said.splitlines())
    return None if known else f'this {PROGRAM} has no benchmark "{benchmark}"'


def five_tuple_rule(number, key, tool):
    """A rule that names a 5-tuple as Open vSwitch's does."""
    word = 'tcp' if key.protocol == TCP else 'udp'
    return {'id': number, 'forward': [tool],
            'filter': f'{word} and src host {address(key.source)} and dst host {address(key.destination)} and '
                      f'src port {key.source_port} and dst port {key.destination_port}'}


def configuration(device, rules):
    """One network port, and one tool that throws everything away."""
    return {'ports': {'lan': {'role': 'network', 'device': device}, 'tool': {'role': 'tool', 'device': 'net_null0,no-rx=1'}},
            'rules': rules}


class Forward:
    """`words`: options of `yagura-bench forward`, or `config`, a configuration as a value."""

    name = 'yagura'

    def __init__(self, context, words=(), config=None, lcores=None):
        self.context = context
        self.options = list(words)
        self.config = config
        self.lcores = lcores or one_lcore(context.data_cpu)

    def words(self):
        options = list(self.options)
        if self.config is not None:
            options = ['--config', os.path.join(self.context.folder, 'yagura.json'), *options]
        return [self.context.program(PROGRAM), 'forward', *options, '--lcores', self.lcores, '--seconds',
                f'{self.context.seconds:g}', '--warm-up', f'{self.context.warm_up:g}']

    def measure(self):
        if self.config is not None:
            with open(os.path.join(self.context.folder, 'yagura.json'), 'w', encoding='utf-8') as file:
                json.dump(self.config, file)
        path = os.path.join(self.context.folder, 'forward.json')
        processes.run([*self.words(), '--json', path], START_S + self.context.seconds + self.context.warm_up,
                      cwd=self.context.folder)
        with open(path, encoding='utf-8') as file:
            return parse_forward(json.load(file))


def inner(context, benchmark, *words):
    """What a benchmark that compares by itself writes as JSON, and its command; run once, however many rows want it."""
    command = [context.program(PROGRAM), benchmark, *words, '--cpu', str(context.data_cpu)]
    key = tuple(command)
    if key not in context.cache:
        path = os.path.join(context.folder, f'{benchmark}.json')
        processes.run([*command, '--json', path], INNER_S, cwd=context.folder)
        with open(path, encoding='utf-8') as file:
            context.cache[key] = json.load(file)
    return context.cache[key], command


def ratio_of_rows(document, column, row, to):
    """Repeat by repeat, a column's figure in one row by that in another; a row is a dictionary of labels. Empty where
    there is no such row."""
    def repeats(labels):
        for _, candidate in rows_of(document):
            if all(candidate.get(name) == value for name, value in labels.items()):
                found = figure(candidate['figures'], column)
                return found['repeats'] if found else []
        return []
    return list(zip(repeats(row), repeats(to)))
