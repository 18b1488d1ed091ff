# SPDX-License-Identifier: BSD-3-Clause
"""yagura doctor as its user sees it, on this machine and on copies of others; and what yagura run refuses."""

import json
import os
import unittest

import yagura_e2e
from yagura_e2e import OK, USAGE, run_yagura

PROBLEMS = 1
CHECKS = {"hugepages", "locked memory", "device", "iommu", "offloads", "mtu", "rss", "cpu", "interrupts", "clock", "permissions"}


class DoctorTest(yagura_e2e.TestCase):
    def config(self, network="loop:", tool="loop:"):
        path = self.write_config({"ports": {"lan": {"role": "network", "device": network},
                                            "ids": {"role": "tool", "device": tool}},
                                  "rules": [{"id": 1, "forward": ["ids"]}]})
        os.chmod(path, 0o644)
        return path

    def findings(self, *options, status=OK):
        process = run_yagura("doctor", "--json", *options)
        self.assertEqual(process.returncode, status, process.stdout + process.stderr)
        report = json.loads(process.stdout)
        self.assertEqual(report["version"], 1)
        ranks = ["ok", "warning", "error"]
        self.assertEqual(report["worst"], max((f["status"] for f in report["findings"]), key=ranks.index))
        for finding in report["findings"]:
            self.assertIn(finding["check"], CHECKS)
            self.assertEqual(set(finding), {"check", "subject", "status", "found", "means", "fix"})
            self.assertEqual(finding["status"] == "ok", finding["fix"] == "", finding)
        return report["findings"]

    def file(self, path, content):
        file = self.folder / "root" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def test_the_machine_alone(self):
        checks = {finding["check"] for finding in self.findings()}
        self.assertLessEqual({"hugepages", "cpu", "clock", "iommu", "permissions"}, checks)

    def test_text_says_the_same_as_json(self):
        self.file("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "0")
        options = ("--root", self.folder / "root", "--config", self.config())
        process = run_yagura("doctor", *options)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        for finding in self.findings(*options):
            for word in (finding["found"], finding["means"], finding["fix"]):
                self.assertIn(word, process.stdout)

    def test_what_keeps_yagura_from_running_is_an_error_and_the_exit_status_says_so(self):
        findings = self.findings("--config", self.config("net_af_packet0,iface=nope7"), status=PROBLEMS)
        errors = [finding for finding in findings if finding["status"] == "error" and finding["check"] == "device"]
        self.assertEqual([error["subject"] for error in errors], ['port "lan"'])
        self.assertIn('no interface "nope7"', errors[0]["found"])

    def test_another_machines_copy(self):
        self.file("sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "7")
        self.file("sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "0")
        self.file("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet")
        findings = {finding["check"]: finding for finding in self.findings("--root", self.folder / "root")}
        self.assertIn("0 of 7 pages", findings["hugepages"]["found"])
        self.assertIn("hpet", findings["clock"]["found"])

    def test_wrong_usage(self):
        for options, word in ((("--root", "/no/such/folder"), "/no/such/folder"),
                              (("--config", self.folder / "none.json"), "none.json"),
                              (("--colour",), "--colour")):
            process = run_yagura("doctor", *options)
            self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
            self.assertIn(word, process.stderr)

    def refused(self, *arguments, words, **options):
        process = run_yagura("run", "--config", self.config(*arguments), "--duration", "1s", **options)
        self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
        for word in (*words, "fix: "):
            self.assertIn(word, process.stderr)
        self.assertNotIn("EAL", process.stderr, "it went as far as DPDK")

    def test_run_says_before_it_starts_what_is_missing_and_what_mends_it(self):
        self.refused("net_af_packet0,iface=nope7", words=['port "lan"', 'no interface "nope7"', "ip link"])
        self.refused("0000:ff:1f.7", words=['port "lan"', "no PCI device 0000:ff:1f.7", "lspci"])
        self.refused("net_ring0", "net_ring0", words=['port "ids"', 'net_ring0 is the device of port "lan"'])
        self.refused("loop:", "net_vhost0,iface=/no/such/folder/s", words=['port "ids"', "mkdir -p /no/such/folder"])

    def test_run_names_the_capability_that_is_missing(self):
        user = yagura_e2e.ordinary_user()
        os.chmod(self.folder, 0o755)
        self.refused("net_af_packet0,iface=lo", words=["cap_net_raw", "setcap "], **user)
        self.refused("loop:", "net_tap0,iface=x7", words=["cap_net_admin", "setcap "], **user)


if __name__ == "__main__":
    unittest.main()
