# SPDX-License-Identifier: BSD-3-Clause
"""Measures two programs in turn (A B A B), and what came of it."""
from dataclasses import asdict, dataclass, field

from benchlib import machine
from benchlib.processes import Failed

# By how much the shares of packets that two programs forward may differ: laps of a capture are cut anywhere.
SHARE_RELATIVE, SHARE_ABSOLUTE = 0.03, 0.0005
# So many CPUs' worth of other work disturb a pair.
DISTURBING = 0.25


class Skipped(Exception):
    """A row cannot be measured here. The text says why."""


@dataclass
class Pair:
    yagura: float
    peer: float
    disturbed: float = 0.0    # CPUs that were busy with other work before one of the two ran

    @property
    def ratio(self):
        return self.yagura / self.peer


@dataclass
class Outcome:
    """What a row gave. `status`: measured, skipped or failed; `reason` says why it was not measured."""
    name: str
    status: str
    reason: str = ''
    unit: str = ''
    yagura: str = ''          # what is measured, by name
    peer: str = ''
    pairs: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    commands: list = field(default_factory=list)
    when: str = ''
    commit: str = ''

    def to_json(self):
        return asdict(self)

    @staticmethod
    def from_json(value):
        return Outcome(**{**value, 'pairs': [Pair(**pair) for pair in value['pairs']]})


def same_share(one, other):
    return abs(one - other) <= SHARE_ABSOLUTE + SHARE_RELATIVE * max(one, other)


def check_work(name, sample, expected):
    """Programs that forward different packets must not be compared."""
    if sample.forwarded is None:
        raise Failed(f'{name} does not tell what share of the packets it forwarded')
    if not same_share(sample.forwarded, expected):
        raise Failed(f'{name} forwarded {sample.forwarded:.2%} of the packets, not {expected:.2%}: the work is not the same')


def measure_pairs(context, name, yagura, peer, shares=(1.0, 1.0), notes=()):
    """The Outcome of a row. `yagura` and `peer` have measure(), which gives a Sample, and words() or commands().
    `shares`: what each must send by what it receives."""
    pairs, details = [], {}
    for number in range(context.pairs):
        rates, disturbed = [], 0.0
        for subject, share in zip((yagura, peer), shares):
            disturbed = max(disturbed, machine.busy_cpus())
            sample = subject.measure()
            check_work(subject.name, sample, share)
            rates.append(sample.pps)
            for what, value in sample.details.items():
                details.setdefault((subject.name, what), []).append(value)
        pair = Pair(*rates, disturbed=round(disturbed, 2) if disturbed > DISTURBING else 0.0)
        pairs.append(pair)
        context.say(f'  {name}, pair {number + 1} of {context.pairs}: {rates[0] / 1e6:.3f} and {rates[1] / 1e6:.3f} '
                    f'million packets per second, ratio {pair.ratio:.3f}'
                    + (f' ({disturbed:.1f} CPUs were busy with other work)' if pair.disturbed else ''))
    said = [f'{who}, {what}: {min(values):.4g} to {max(values):.4g}.' for (who, what), values in details.items()]
    return Outcome(name=name, status='measured', unit='packets per second', yagura=yagura.name, peer=peer.name, pairs=pairs,
                   notes=[*notes, *said], commands=commands_of(context, yagura) + commands_of(context, peer))


def commands_of(context, subject):
    commands = subject.commands() if hasattr(subject, 'commands') else [subject.words()]
    return [context.shown(words) for words in commands]
