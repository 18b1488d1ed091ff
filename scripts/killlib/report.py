# SPDX-License-Identifier: BSD-3-Clause
"""The report: JSON with every connection's time, and a Markdown page made from it."""
import json
import os
import statistics

from benchlib.spread import spread_of
from killlib.killers import ALL, ImmediateTcpkill, Tcpkill, Yagura
from killlib.trials import CASES

VERSION = 1
HUNDREDTH = 100


def percentile(values, share):
    """The least value that so many are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def time_of(micros):
    """Three digits of a time that is given in µs."""
    if micros < 0:
        return '-' + time_of(-micros)
    for limit, unit in ((1e6, 's'), (1e3, 'ms'), (0, 'µs')):
        if micros >= limit:
            value = micros / (limit or 1)
            return f'{value:.{max(0, 3 - len(str(int(value))))}f} {unit}'
    return f'{micros:.3g} µs'


def three_digits(value):
    return f'{value:,.0f}' if abs(value) >= 100 else f'{value:.3g}'


def joined(results, name):
    return [value for result in results for value in getattr(result, name)]


def of(results, case, killer):
    return [result for result in results if (result.case, result.killer) == (case, killer)]


def two_times(values):
    return f'{time_of(statistics.median(values))} | {time_of(percentile(values, 99))}' if values else '- | -'


def row(case, killer, results):
    """The line of the table for all rounds of a killer."""
    all_of_it = sum(result.connections for result in results)
    died = sum(result.died for result in results)
    share = f'{died:,} of {all_of_it:,} ({died / all_of_it:.4g})'.replace('(1)', '(all)')
    if died < all_of_it:
        share = f'**{share}**'
    damaged = sum(len(result.damaged) for result in results)
    innocents = f'**{damaged} damaged**' if damaged else f'{sum(result.innocents for result in results)} whole'
    return (f'| {case.title} | {killer} | {share} | {two_times(joined(results, "times"))} '
            f'| {two_times(joined(results, "listening"))} | {innocents} |')


def table(results):
    lines = ['| connections | killer | died | median | p99 | median, since it listens | p99 | innocent ones |',
             '|---|---|---|--:|--:|--:|--:|---|']
    for case in CASES:
        for killer in ALL:
            found = of(results, case.name, killer.name)
            if found:
                lines.append(row(case, killer.name, found))
    return lines


def ratios(results, case, peer):
    """Round by round, how many times as long the peer took, by the medians, its start left out; of rounds in which both
    killed some."""
    mine, theirs = ({result.round: result.listening or result.times
                     for result in of(results, case.name, killer.name) if result.times} for killer in (Yagura, peer))
    return [statistics.median(theirs[number]) / statistics.median(mine[number]) for number in mine if number in theirs]


def comparison_cells(results, case, peer, aim, words):
    """How many times as long the peer took, and whether that reaches the aim."""
    found = ratios(results, case, peer)
    if not found:
        return ('kills none' if of(results, case.name, peer.name) else 'not measured'), ''
    spread = spread_of(found)
    if spread.least <= 0:
        return 'too short: some died before we had read that it listens', ''
    reached = 'reached' if spread.median > aim else '**missed**'
    return (f'**{three_digits(spread.median)}** times as long ({three_digits(spread.least)} - {three_digits(spread.greatest)})',
            f'{words}: {reached}' + (' **~**' if spread.least <= aim < spread.greatest else ''))


def comparison(results):
    lines = ['| connections | yagura kills | tcpkill as shipped takes | aim | tcpkill in immediate mode takes | aim |',
             '|---|---|--:|---|--:|---|']
    for case in CASES:
        mine = of(results, case.name, Yagura.name)
        if not mine:
            continue
        cells = []
        for peer, aim, words in ((Tcpkill, HUNDREDTH, '100 times as long'), (ImmediateTcpkill, 1, 'longer')):
            cells += comparison_cells(results, case, peer, aim, words)
        whole = sum(result.died for result in mine) == sum(result.connections for result in mine)
        lines.append(f'| {case.title} | {"all" if whole else "**not all**"} | {" | ".join(cells)} |')
    return lines


def what_yagura_says(results):
    """Its own answers beside what the kernels say."""
    lines = ['| connections | outcomes | frames for one: median, most | to the first RST: median | p99 | to death: median | p99 '
             '| said to be verified, and alive | ledger |', '|---|---|--:|--:|--:|--:|--:|--:|---|']
    for case in CASES:
        found = [result for result in of(results, case.name, Yagura.name) if result.killer_says.get('outcomes')]
        if not found:
            continue
        outcomes = {}
        for result in found:
            for name, count in result.killer_says['outcomes'].items():
                outcomes[name] = outcomes.get(name, 0) + count
        said = {name: [value for result in found for value in result.killer_says[name]]
                for name in ('frames', 'first_reset_us', 'death_us')}
        frames = f'{statistics.median(said["frames"]):g}, {max(said["frames"])}' if said['frames'] else '-'
        balanced = 'balanced' if all(result.killer_says['balanced'] for result in found) else '**NOT balanced**'
        lines.append(f'| {case.title} | {", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))} | {frames} '
                     f'| {two_times(said["first_reset_us"])} | {two_times(said["death_us"])} '
                     f'| {sum(len(result.wrong) for result in found)} | {balanced} |')
    return lines


def what_tcpkill_says(results):
    lines = ['| connections | killer | from its start until it listens: median | from then to its first RST: median | RSTs, a round: '
             'median |', '|---|---|--:|--:|--:|']
    for case in CASES:
        for killer in (Tcpkill, ImmediateTcpkill):
            found = of(results, case.name, killer.name)
            if not found:
                continue
            listening, first = ([result.killer_says[name] for result in found if result.killer_says[name] is not None]
                                for name in ('listening_us', 'first_reset_us'))
            lines.append(f'| {case.title} | {killer.name} | {time_of(statistics.median(listening)) if listening else "-"} '
                         f'| {time_of(statistics.median(first)) if first else "none"} '
                         f'| {statistics.median(result.killer_says["resets"] for result in found):,.0f} |')
    return lines


def failures(results):
    """Everything that did not go as it should, in words."""
    lines = []
    for result in results:
        where = f'{result.case}, {result.killer}, round {result.round}'
        if result.died < result.connections:
            lines.append(f'- {where}: {result.connections - result.died} did not die within the limit. For instance: '
                         f'{result.survivors[0] if result.survivors else "nothing known"}')
        lines += [f'- {where}: an innocent one was damaged: {text[:300]}' for text in result.damaged]
        lines += [f'- {where}: **said to be verified, and alive**: {flow}' for flow in result.wrong]
    return lines or ['None.']


def environment_lines(environment):
    packages = ', '.join(f'{name} {version}' for name, version in environment['packages'].items())
    machine = ' virtual machine' if environment['virtual_machine'] else ''
    return [f'- {environment["date"]}, commit {environment["commit"]}, build type {environment["build"]}.',
            f'- {environment["cpu"]}{machine}, {environment["cpus"]} CPUs, {environment["memory_mib"]} MiB of memory; '
            f'{environment["kernel"]}.',
            f'- {packages}.',
            f'- The killer on CPU {environment["killer_cpu"]}, both ends of all connections on '
            f'{environment["end_cpus"]}. Load average (1 minute) {environment["load_before"]} before and '
            f'{environment["load_after"]} after the run; before a trial others kept {environment["busy_most"]:.2f} CPUs busy at most.',
            f'- `{environment["command"]}`: {environment["rounds"]} rounds, yagura and both tcpkills one after the other in '
            f'each; {environment["limit"]:g} s for all connections of a trial to die.']


def to_markdown(environment, results, untold):
    lines = [f'# Connections cut by yagura and by tcpkill, {environment["date"][:10]}', '',
             'Made by `scripts/kill-bench`; no figure is written by hand.', '']
    if environment['quick']:
        lines += ['**A quick run, to see that everything works: its figures mean nothing.**', '']
    if environment['forced']:
        lines += [f'**Other programs were running** ({environment["busy_before"]:.1f} CPUs were busy when the run began).', '']
    lines += [*environment_lines(environment), '', *[f'- SKIPPED: {text}' for text in untold], *([''] if untold else []),
              'Two hosts, each a network namespace with the kernel\'s own TCP, on a bridge in a third. yagura listens to '
              f'{environment["layout_words"]} by `net_af_packet`, tcpkill to the bridge by libpcap. A connection has died when both '
              'applications have got an error and neither kernel (`ss`) has its socket any more. Times are from the verdict until the '
              'later of the two applications was told, and of those that died alone. The verdict: for yagura the request is written to '
              'the control socket, with all connections of the case in it; tcpkill is started. *Since it listens* leaves out its '
              'start: it is the time since we have read that it listens, so from the first packet that it can have seen, but for some µs '
              'either way. New connections are measured from their '
              '`connect()`, when the killer is ready.', '',
              *table(results), '', '## Beside each other', '',
              'How many times as long as yagura tcpkill took *since it listens*, by the medians of a round: the median of all rounds, '
              'in brackets the least and the greatest; **~**: the aim lies between them. Only connections that died are in it.', '', *comparison(results), '',
              '## What yagura answered', '', *what_yagura_says(results), '']
    if any(result.killer != Yagura.name for result in results):
        lines += ['## What tcpkill did', '', *what_tcpkill_says(results), '']
    lines += ['## What went wrong', '', *failures(results), '']
    return '\n'.join(lines)


def write(folder, day, environment, results, untold):
    """Writes both files; their paths."""
    os.makedirs(folder, exist_ok=True)
    base = os.path.join(folder, f'kill-{day}')
    document = {'version': VERSION, 'environment': environment, 'skipped': untold,
                'results': [result.to_json() for result in results]}
    texts = {'.json': json.dumps(document, ensure_ascii=False, separators=(',', ':')) + '\n',
             '.md': to_markdown(environment, results, untold)}
    for ending, text in texts.items():
        with open(base + ending + '.part', 'w', encoding='utf-8') as file:
            file.write(text)
        os.replace(base + ending + '.part', base + ending)
    return base + '.json', base + '.md'
