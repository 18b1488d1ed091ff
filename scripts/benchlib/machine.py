# SPDX-License-Identifier: BSD-3-Clause
"""What a figure depends on besides the programs: CPUs, load, versions."""
import json
import os
import re
import subprocess
import time

PACKAGES = ('dpdk', 'libdpdk-dev', 'openvswitch-switch-dpdk', 'libhyperscan5', 'g++-12')


def first_match(path, pattern):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            match = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return None
    return match and match[1]


def available_mib():
    return int(first_match('/proc/meminfo', r'^MemAvailable:\s+(\d+)') or 0) // 1024


def cpu_plan():
    """(data CPU, control CPU): the last one that may be used, and the first of the others (the same where there is but
    one)."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[-1], cpus[0]


def said_by(*words, cwd=None):
    try:
        return subprocess.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=False).stdout.strip()
    except OSError:
        return ''


def package_versions(packages=PACKAGES):
    lines = said_by('dpkg-query', '--show', '--showformat=${Package} ${Version}\n', *packages).splitlines()
    return dict(line.split(' ', 1) for line in lines if ' ' in line and not line.endswith(' '))


def commit(root):
    """The commit's short name, with "and changes" where tracked files differ from it; "unknown" outside of git."""
    name = said_by('git', 'rev-parse', '--short=12', 'HEAD', cwd=root)
    if not name:
        return 'unknown'
    changed = said_by('git', 'status', '--porcelain', '--untracked-files=no', '--', '.', ':!docs/bench', cwd=root)
    return f'{name} and changes' if changed else name


def build_type(folder):
    """As meson configured it, with what differs from the default among the options that concern speed."""
    try:
        options = {option['name']: option['value'] for option in
                   json.loads(said_by('meson', 'introspect', '--buildoptions', folder) or '[]')}
    except ValueError:
        return 'unknown'
    extra = [f'{name}={options[name]}' for name in ('march', 'b_lto', 'b_sanitize', 'cpp_args')
             if options.get(name) not in (None, False, [], '', 'none')]
    return ', '.join([options.get('buildtype', 'unknown'), *extra])


def environment(root):
    flags = first_match('/proc/cpuinfo', r'^flags\s*:(.*)$') or ''
    return {
        'cpu': first_match('/proc/cpuinfo', r'^model name\s*: (.*)$') or os.uname().machine,
        'virtual_machine': ' hypervisor' in flags,
        'cpus': len(os.sched_getaffinity(0)),
        'memory_mib': int(first_match('/proc/meminfo', r'^MemTotal:\s+(\d+)') or 0) // 1024,
        # What stands behind the version is the builder's name for it.
        'kernel': f'{os.uname().sysname} {os.uname().release.partition("-")[0]}',
        'packages': package_versions(),
        'commit': commit(root),
        'load_before': round(os.getloadavg()[0], 1),
    }


def ticks():
    """(busy, stolen, all) clock ticks of all CPUs since the machine's start."""
    with open('/proc/stat', encoding='ascii') as file:
        return parse_ticks(file.readline())


def parse_ticks(line):
    # user nice system idle iowait irq softirq steal; guest time is in user.
    counts = [int(word) for word in line.split()[1:9]]
    counts += [0] * (8 - len(counts))
    return sum(counts) - counts[3] - counts[4] - counts[7], counts[7], sum(counts)


def busy_cpus(seconds=0.5):
    """How many CPUs' worth of work others do at this moment, the hypervisor's theft included."""
    before = ticks()
    time.sleep(seconds)
    after = ticks()
    every = after[2] - before[2]
    if every == 0:
        return 0.0
    return (after[0] + after[1] - before[0] - before[1]) / every * (os.cpu_count() or 1)
