# SPDX-License-Identifier: BSD-3-Clause
"""One trial: fresh hosts, fresh connections of one kind, innocent ones beside them, one killer; who died, and when."""
import os
import re
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field

from benchlib.processes import Failed
from killlib.killers import micros
from killlib.paths import kill_lab

BOX = '10.77.0.254'
INNOCENT_RATE = 20_000_000  # bytes a second of a bulk transfer that is not to be cut
REFUSED = kill_lab.CUT | {'ECONNREFUSED'}


@dataclass
class Case:
    name: str
    title: str
    kind: str
    count: int           # connections
    quick_count: int
    blocked: bool = False


CASES = (
    Case('idle', 'idle', 'idle', 1000, 30),
    Case('talk', 'request and response, every 5 ms', 'talk', 200, 10),
    Case('push', 'bulk at full speed, one way', 'push', 16, 2),
    Case('both', 'bulk at full speed, both ways at once', 'both', 16, 2),
    Case('new', 'new ones to a blocked host', 'talk', 100, 5, blocked=True),
)


@dataclass
class Result:
    """Times in µs; of those that died alone."""
    case: str
    killer: str
    round: int
    connections: int
    died: int                                    # by both applications and both kernels
    times: list = field(default_factory=list)    # from the verdict until the later end knew
    first: list = field(default_factory=list)    # until the earlier one did
    listening: list = field(default_factory=list)  # as `times`, from when the killer listens
    survivors: list = field(default_factory=list)  # some of those that did not die, in words
    never_made: int = 0                          # of new connections: refused before they were established
    innocents: int = 0
    damaged: list = field(default_factory=list)  # what innocent connections lost, in words
    carried: int = 0                             # bytes of innocent connections
    wrong: list = field(default_factory=list)    # verdicts said to be verified, of connections that live
    killer_says: dict = field(default_factory=dict)
    busy: float = 0.0                            # CPUs that were busy with other work before

    def to_json(self):
        return asdict(self)


class Trial:
    """What netns takes for a test: things to be undone."""

    def __init__(self):
        self.stack = ExitStack()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix='yagura-kill-'))
        os.chmod(self.folder, 0o700)

    def addCleanup(self, function, *words, **named):
        self.stack.callback(function, *words, **named)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


def run(context, case, killer_class, number):
    """The Result. Failed when it could not be done."""
    try:
        with Trial() as trial:
            lab = kill_lab.Lab(trial, cpus=context.end_cpus)
            # tcpkill sends by a raw IP socket: the box must have a route to the hosts.
            lab.box.ip('addr', 'add', f'{BOX}/24', 'dev', 'br0')
            killer = killer_class(context, trial, lab)
            innocents = [lab.group(kind, count, checked=True, hello=30, rate=INNOCENT_RATE).settle()
                         for kind, count in (('idle', 5), ('talk', 5), ('push', 1))]
            count = case.quick_count if context.quick else case.count
            measure = new_connections if case.blocked else open_connections
            result = measure(context, case, lab, killer, count)
            result.round = number
            for group in innocents:
                faults, carried = group.finish()
                result.innocents += group.count
                result.damaged += faults
                result.carried += carried
            result.killer_says = killer.end()
            return result
    except Exception as error:  # whatever it is, the other trials go on
        raise Failed(f'{case.name}, {killer_class.name}: {type(error).__name__}: {error}') from error


def open_connections(context, case, lab, killer, count):
    group = lab.group(case.kind, count)
    if group.failed:
        raise Failed(f'{len(group.failed)} of {count} connections could not be made')
    group.settle()
    begun, listening = killer.cut(group)
    group.wait_until_dead(context.limit)
    result = Result(case.name, killer.name, 0, count, 0)
    live = live_sockets(lab, group)
    outcomes = getattr(killer, 'results', {})
    for life in group.lives():
        deaths = life.deaths()
        if deaths and life.flow not in live:
            result.died += 1
            result.times.append(micros(begun[life.flow], max(deaths)))
            result.first.append(micros(begun[life.flow], min(deaths)))
            if listening:
                result.listening.append(micros(listening, max(deaths)))
            continue
        result.survivors.append(f'{life}; kernels: {live.get(life.flow, "nothing")}')
        if outcomes.get(life.flow, {}).get('outcome') == 'verified':
            result.wrong.append(life.flow)
    del result.survivors[20:]
    return result


def live_sockets(lab, group):
    """What both kernels still have, by flow."""
    found = {}
    for line in lab.sockets_left(group):
        ends = [word for word in line.split() if re.fullmatch(r'\S+:\d+', word)]
        client, server = sorted(ends, key=lambda end: end.endswith(f':{group.port}'))
        found.setdefault(f'tcp {client} > {server}', []).append(line)
    return found


def new_connections(context, case, lab, killer, count):
    """Each is measured from its connect()."""
    killer.block(lab.OTHER)
    group = lab.group(case.kind, count, lab.OTHER)
    group.wait_until_dead(context.limit)
    result = Result(case.name, killer.name, 0, count, 0)
    live = live_sockets(lab, group)
    for attempt in group.failed:
        if attempt.error in REFUSED:
            result.died += 1
            result.never_made += attempt.error == 'ECONNREFUSED'
            result.times.append(attempt.ns / 1000)
        else:
            result.survivors.append(f'{attempt.flow}: {attempt.error}')
    for life in group.lives():
        deaths = life.deaths()
        if deaths and life.flow not in live:
            result.died += 1
            result.times.append(micros(life.client['begun'], max(deaths)))
        else:
            result.survivors.append(f'{life}; kernels: {live.get(life.flow, "nothing")}')
    del result.survivors[20:]
    return result
