# SPDX-License-Identifier: BSD-3-Clause
"""What tests of real connections that are cut have in common: yagura beside two hosts, and how death is seen."""

import os
import shutil
import sys
import unittest
from pathlib import Path

import yagura_e2e
from run_summary import Summary
from yagura_e2e import LOSS, OK

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
import kill_lab
import netns
from kill_lab import Control, Lab

# yagura has a CPU of its own, as it should where connections at full speed are to be cut; the hosts have the others.
CPUS = sorted(os.sched_getaffinity(0))
ONE_LCORE = ("--lcores", "rx={0};select={0};tx={0}".format(CPUS[-1]))
# How a network port is laid: both ports of the bridge, the bridge itself, or the outlets of a tap in each cable.
LAYOUTS = {"ports": ("a", "b"), "bridge": ("br0",), "taps": ("ya", "yb")}


def require():
    """Skips a module where there can be no hosts."""
    netns.require()
    if not shutil.which("ss"):
        raise unittest.SkipTest("ss is not installed (scripts/setup test)")


class ResetTest(yagura_e2e.TestCase):
    LAYOUT = "bridge"

    def make(self, layout=None, **options):
        self.lab = Lab(self, cpus=CPUS[:-1], **options)
        self.layout = layout or self.LAYOUT
        if self.layout == "taps":
            self.lab.split_directions()
        return self.lab

    def network_ports(self, networks=(), arguments=""):
        """As the layout wants them, and more interfaces. `arguments`: of their devices."""
        return {f"lan{number}": {"role": "network", "device": f"net_af_packet{number},iface={name}{arguments}"}
                for number, name in enumerate([*LAYOUTS[self.layout], *networks])}

    def start(self, rules=None, response=None, tool="net_af_packet9,iface=t", ports=None, **more):
        """yagura on the box's interfaces, and a connection to its control socket."""
        ports = ports or self.network_ports()
        run = next(self.runs)
        self.audit = self.folder / f"audit{run}.jsonl"
        config = {"ports": {**ports, "ids": {"role": "tool", "device": tool}},
                  "rules": rules or [{"id": 1, "filter": "tcp", "forward": ["ids"]}],
                  "control": {"socket": str(self.folder / f"control{run}.sock")},
                  "audit": {"file": str(self.audit), "key": str(self.folder / f"audit{run}.key"),
                            "head": {"file": str(self.folder / f"audit{run}.head")}},
                  "response": {"enabled": True, "stop_file": str(self.folder / "stop"), **(response or {})}, **more}
        self.socket = config["control"]["socket"]
        path = self.write_config(config, f"config{run}.json")
        self.yagura = self.lab.box.start(yagura_e2e.yagura_path(), "run", "--config", path, *ONE_LCORE)
        self.yagura.wait_for("network ports")
        self.control = Control(self, self.socket)
        return self.control

    def stop(self):
        """SIGTERM. Both ledgers balance. Packets may be lost: transfers at full speed on a CPU that is shared."""
        status = self.yagura.stop()
        summary = Summary(self.yagura.stdout)
        self.assertTrue(summary.balanced, self.yagura.describe())
        self.assertIn(status, (OK, LOSS), self.yagura.describe())
        return summary

    def innocents(self):
        """Two of each kind, whose bytes are checked. At full speed they would leave yagura nothing of a CPU that is shared,
        and what it does not see it cannot cut."""
        return [self.lab.group(kind, 2, checked=True, hello=30, rate=5_000_000).settle()
                for kind in ("idle", "talk", "push", "pull", "both")]

    def check_innocents(self, innocents):
        for group in innocents:
            faults, carried = group.finish()
            self.assertEqual(faults, [], f"{group}\n{self.yagura.describe()}")
            self.assertGreater(carried, 0, str(group))

    def check_dead(self, group, results=None):
        """Both applications have been told, and both kernels know nothing of it."""
        dead = group.wait_until_dead()
        said = f"{group}: {results and kill_lab.shares(results)}"
        self.assertTrue(dead, f"{said}\n{group.still_alive()[:10]}\n{self.yagura.describe()}")
        self.assertEqual(group.still_alive(), [], said)
        self.assertEqual(self.lab.sockets_left(group), [], said)

    def check_kept_out(self, group):
        """None was made, or none lives: between namespaces the answer to a SYN may be faster than we are."""
        for attempt in group.failed:
            self.assertIn(attempt.error, {"ECONNREFUSED"} | kill_lab.CUT, group)
        self.assertEqual(len(group.failed) + len(group.flows), group.count)
        self.check_dead(group)

    def check_cut(self, group, results, all_verified=True):
        self.check_dead(group, results)
        shares = kill_lab.shares(results)
        print(f"{self.id().rpartition('.')[2]}: {group}: {shares}")
        if all_verified:
            self.assertEqual({result["outcome"] for result in results.values()}, {"verified"}, shares)
        for flow, result in results.items():
            self.assertIn(result["outcome"], ("verified", "unverified"), f"{flow}: {result}")
            self.assertNotEqual(result.get("seen"), "still_alive", f"{flow}: {result}")
            self.assertGreater(result["frames"], 0, f"{flow}: {result}")
            if result["outcome"] == "verified":
                self.assertIn(result["seen"], ("both_reset", "one_reset"), f"{flow}: {result}")
                self.assertGreaterEqual(result["death_us"], result["first_reset_us"], f"{flow}: {result}")

    def cut(self, group, all_verified=True, **params):
        self.control.wait_until_known(group)
        results, _ = self.control.cut(group.flows, **params)
        self.assertEqual(set(results), set(group.flows))
        self.check_cut(group, results, all_verified)
        return results
