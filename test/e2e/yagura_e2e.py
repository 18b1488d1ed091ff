# SPDX-License-Identifier: BSD-3-Clause
"""The command under test, run as a user runs it. The environment names it (YAGURA) and the folder of test
captures (YAGURA_CAPTURES); without the latter the tests that need it are skipped aloud."""

import csv
import functools
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import capture_files

OK, LOSS, USAGE, DAMAGED = 0, 1, 2, 3
TIMEOUT_S = 600


def yagura_path():
    path = os.environ.get("YAGURA") or shutil.which("yagura")
    if not path:
        raise RuntimeError("set YAGURA to the path of the yagura executable")
    return path


def run_yagura(*arguments, **options):
    """Runs the command to its end; `options` are subprocess.run()'s."""
    return subprocess.run([yagura_path(), *map(str, arguments)], capture_output=True, text=True, errors="replace",
                          timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, **options)


class Replay:
    """A replay that has ended, and its folder."""

    def __init__(self, process, folder):
        self.status = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr
        self.folder = Path(folder)

    @functools.cached_property
    def stats(self):
        return json.loads((self.folder / "stats.json").read_text())

    @functools.cached_property
    def flows(self):
        return [json.loads(line) for line in (self.folder / "flows.jsonl").read_text().splitlines()]

    def tool_bytes(self, tool):
        return (self.folder / f"{tool}.pcap").read_bytes()

    def tool(self, tool):
        """The packets that a tool got."""
        capture = self.capture(tool)
        if capture.damage:
            raise AssertionError(f"{tool}.pcap is damaged: {capture.damage}")
        return capture.records

    def capture(self, tool):
        return capture_files.parse_capture(self.tool_bytes(tool))

    def outputs(self):
        """The bytes of every output by file name; of stats.json without `run`."""
        files = {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}
        stats = json.loads(files["stats.json"])
        del stats["run"]
        files["stats.json"] = json.dumps(stats, indent=1).encode()
        return files

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def describe(self):
        return f"exit status {self.status}\nstdout:\n{self.stdout}\nstderr:\n{self.stderr}"


def ordinary_user():
    """Options of run_yagura() by which it does not run as root; skips the test where it cannot."""
    if os.geteuid() != 0:
        return {}
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    if subprocess.run(["test", "-x", yagura_path()], check=False, **nobody).returncode != 0:
        raise unittest.SkipTest(f"{yagura_path()} is in a folder that only root may enter")
    return nobody


def configuration(tools, rules, networks=("lan",), groups=None, **more):
    """A configuration as a value. `rules`: dictionaries, which get ids 1, 2, ... where they have none."""
    ports = {name: {"role": "network", "device": "net_null0"} for name in networks}
    ports |= {name: {"role": "tool", "device": f"pcap:{name}.pcap"} for name in tools}
    numbered = [{"id": number, **rule} for number, rule in enumerate(rules, 1)]
    return {"ports": ports, **({"tool_groups": groups} if groups else {}), "rules": numbered, **more}


def require_tool(name):
    if not shutil.which(name):
        raise unittest.SkipTest(f"{name} is not installed")


def captures_folder():
    folder = os.environ.get("YAGURA_CAPTURES")
    if not folder:
        raise unittest.SkipTest("YAGURA_CAPTURES does not name a folder of test captures")
    return Path(folder)


@functools.cache
def capture_index():
    """The lines of INDEX.tsv by file name."""
    with open(captures_folder() / "INDEX.tsv", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def ahead(function, items, workers=2):
    """Yields (item, function(item)) in order; a few are computed ahead, side by side."""
    items = list(items)
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(function, item) for item in items[:workers]]
        for number, item in enumerate(items):
            result = futures.pop(0).result()
            if number + workers < len(items):
                futures.append(pool.submit(function, items[number + workers]))
            yield item, result


class TestCase(unittest.TestCase):
    """A test with a folder of its own that is gone afterwards."""

    longMessage = True

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="yagura-e2e-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.runs = itertools.count(1)

    def write_config(self, config, name="config.json"):
        path = self.folder / name
        path.write_text(config if isinstance(config, str) else json.dumps(config, indent=2))
        return path

    def capture(self, name, records, link_type=capture_files.ETHERNET):
        """Writes a capture of these packets; bytes become packets one microsecond apart."""
        made = [record if isinstance(record, capture_files.Record) else capture_files.packet(record, 1000 * number)
                for number, record in enumerate(records, 1)]
        return capture_files.write_pcap(self.folder / name, made, link_type)

    def replay(self, config, inputs, *options, out=None, **run_options):
        """Replays into a new folder; `inputs`: values of --in."""
        run = next(self.runs)
        if out is None:
            out = self.folder / f"out{run}"
        path = config if isinstance(config, Path) else self.write_config(config, f"config{run}.json")
        arguments = ["replay", "--config", path, "--out", out]
        for value in inputs if isinstance(inputs, (list, tuple)) else [inputs]:
            arguments += ["--in", value]
        return Replay(run_yagura(*arguments, *options, **run_options), out)

    def replay_well(self, config, inputs, *options, **run_options):
        """As replay(), of which nothing but success will do."""
        replay = self.replay(config, inputs, *options, **run_options)
        self.assertEqual(replay.status, OK, replay.describe())
        self.check_ledger(replay)
        return replay

    def check_ledger(self, replay):
        """The sums of the ledger, and what it says of the tools against their files."""
        stats = replay.stats
        self.assertIs(stats["balanced"], True, replay.describe())
        for name, port in stats["ports"].items():
            for unit in ("packets", "bytes"):
                parts = [port["forwarded"], port["held"], port["in_flight"], *port["dropped"].values()]
                self.assertEqual(port["received"][unit], sum(part[unit] for part in parts), f"port {name}, {unit}")
            self.assertEqual(port["in_flight"], {"packets": 0, "bytes": 0}, f"port {name}")
        for name, tool in stats["tools"].items():
            for unit in ("packets", "bytes"):
                shed = sum(part[unit] for part in tool["shed"].values())
                self.assertEqual(tool["offered"][unit], tool["sent"][unit] + shed, f"tool {name}, {unit}")
            records = replay.tool(name)
            written = {"packets": len(records), "bytes": sum(len(record.data) for record in records)}
            self.assertEqual(tool["sent"], written, f"tool {name}: stats.json against {name}.pcap")

    def assert_packets(self, got, expected, what):
        """Compares sequences of records; a failure shows the first that differs."""
        if got == expected:
            return
        for number, (g, e) in enumerate(zip(got, expected), 1):
            if g[:3] != e[:3]:
                self.fail(f"{what}: packet {number} differs\n  got      {g}\n  expected {e}\n"
                          f"  ({len(got)} packets, expected {len(expected)})")
        if len(got) != len(expected):
            longer, word = (got, "too many") if len(got) > len(expected) else (expected, "missing")
            number = min(len(got), len(expected))
            self.fail(f"{what}: {len(got)} packets, expected {len(expected)}; "
                      f"the first {word}: {longer[number]}")

    def assert_data(self, got, expected, what):
        """As assert_packets(), of the packets' bytes alone."""
        self.assert_packets([capture_files.packet(record.data) for record in got],
                            [capture_files.packet(data) for data in expected], what)
