#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A live yagura's list of what is blocked and its kill switch: what enters the list, what outlasts a restart, who is told why."""

import json
import os
import unittest

import control_test
import yagura_e2e
from control_test import ONE_LCORE, PARAMS

ADDED = "203.0.113.9"


class Responding(control_test.ControlTest):
    """Of loop: devices nothing can be cut, for no frame leaves by them; the list is what it is."""

    def begin(self, rules=None, blocks=True, **response):
        kept = {"blocks": {"file": str(self.folder / "blocks")}} if blocks else {}
        self.start(self.configuration(rules, response={"enabled": True, **kept, **response}))
        return self.connect()

    def some_flow(self, client):
        self.wait_for(lambda: client.result("flows.list", limit=1)["flows"], "a flow")
        return client.result("flows.list", limit=1)["flows"][0]["flow"]

    def only(self, answer):
        self.assertEqual(len(answer["results"]), 1)
        return answer["results"][0]

    def audited(self, action):
        records = [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]
        return [record for record in records if record["action"] == action]


class Entries(Responding):
    def test_what_a_program_asks_for_leaves_what_a_person_has_blocked(self):
        client = self.begin()

        def add(**params):
            return self.only(client.result("blocks.add", targets=[ADDED], **params))["outcome"]

        def entry():
            return client.result("blocks.list")["blocks"][0]
        self.assertEqual(add(reason="by hand"), "added")
        self.assertEqual(add(reason="an alert", ttl="1h", extend=True), "kept")
        self.assertEqual((entry()["until"], entry()["reason"]), (None, "by hand"))
        self.assertEqual(add(reason="by hand, shorter", ttl="1h"), "changed")
        hour = entry()["until"]
        self.assertEqual(add(reason="an alert", ttl="2h", extend=True), "changed")
        self.assertGreater(entry()["until"], hour)
        self.assertEqual(entry()["reason"], "by hand, shorter")
        flow = self.some_flow(client)
        client.result("flows.block", flows=[flow], reason="by hand")
        self.assertTrue(self.only(client.result("flows.block", flows=[flow], ttl="1m", reason="an alert", extend=True))["blocked"])
        self.assertEqual([block["until"] for block in client.result("blocks.list", reason="by hand")["blocks"] if " " in block["target"]], [None])
        self.end_well()

    def test_bits_behind_a_prefix_are_refused_by_its_networks_own_address(self):
        client = self.begin()
        for wrong, network in (("10.1.2.3/8", "10.0.0.0/8"), ("2001:db8::1/64", "2001:db8::/64")):
            for method in ("blocks.add", "blocks.remove"):
                result = self.only(client.result(method, targets=[wrong]))
                self.assertEqual(result["outcome"], "invalid")
                self.assertIn(network, result["message"])
            for parameter in ("within", "covering"):
                error = client.error("blocks.list", **{parameter: wrong})
                self.assertEqual((error["code"], error["data"]["field"]), (PARAMS, f"params/{parameter}"))
                self.assertIn(network, error["message"])
        self.assertEqual(client.result("blocks.list")["total"], 0)
        self.end_well()

    def test_why_something_is_blocked_or_a_tool_does_not_get_it(self):
        client = self.begin()
        flow = self.some_flow(client)
        (before,) = client.result("flows.explain", flow=flow)["flows"]
        self.assertEqual((before["blocked_by"], before["shunted_tools"], before["cut"]), ([], [], None))
        client.result("blocks.add", targets=["203.0.113.0/24", "203.0.113.9", "192.0.2.0/24", "203.0.114.0/24"], reason="why")

        def covering(target):
            return [(block["target"], block["reason"]) for block in client.result("blocks.list", covering=target)["blocks"]]
        self.assertEqual(covering("203.0.113.9"), [("203.0.113.9", "why"), ("203.0.113.0/24", "why")])
        self.assertEqual(covering("203.0.113.8"), [("203.0.113.0/24", "why")])
        self.assertEqual(covering("10.0.0.1"), [])
        self.assertEqual(covering(flow), [("192.0.2.0/24", "why")])
        for parameter in ({"within": "10.0.0.0/8"}, {"reason": "x"}, {"cursor": 1}):
            self.assertEqual(client.error("blocks.list", covering="10.0.0.1", **parameter)["data"]["field"], "params/covering")
        (after,) = client.result("flows.explain", flow=flow)["flows"]
        self.assertEqual([(block["target"], block["reason"]) for block in after["blocked_by"]], [("192.0.2.0/24", "why")])
        self.assertEqual(client.result("flows.list", shunted="t0")["flows"], [])
        client.result("flows.shunt", flows=[flow], tool="t0")
        self.assertEqual(client.result("flows.explain", flow=flow)["flows"][0]["shunted_tools"], ["t0"])
        (listed,) = client.result("flows.list", shunted="t0")["flows"]
        self.assertEqual((listed["flow"], listed["shunted_tools"]), (flow, ["t0"]))
        self.assertEqual(client.result("flows.list", shunted="t1")["flows"], [])
        self.assertEqual(client.error("flows.list", shunted="in")["data"]["field"], "params/shunted")
        client.result("flows.release", flows=[flow])
        self.assertEqual(client.result("flows.list", shunted="t0")["flows"], [])
        self.end_well()


class NotCarriedOut(Responding):
    def test_a_dry_run_leaves_nobody_to_be_cut_when_it_ends(self):
        rules = [{"id": 1, "filter": "tcp", "block": {"what": "source", "ttl": "1h"}, "forward": ["g"]}]
        client = self.begin(rules, dry_run=True)
        flow = self.some_flow(client)
        result = self.only(client.result("flows.block", flows=[flow]))
        self.assertEqual((result["outcome"], result["blocked"], result["would_block"]), ("dry_run", False, True))
        answer = client.result("blocks.add", targets=[ADDED, "10.1.2.3/8"])
        self.assertEqual([result["outcome"] for result in answer["results"]], ["dry_run", "invalid"])
        self.assertEqual((answer["in_effect"], answer["blocks"]), (False, 0))
        self.assertIn("/response/dry_run", answer["why_not"])
        self.wait_for(lambda: self.audited("block"), "the rule's block in the audit log")
        self.assertEqual({record["outcome"] for record in self.audited("block")}, {"dry_run"})
        self.assertEqual(client.result("blocks.list")["total"], 0)
        # By the call alone it is the same.
        self.end_well()
        client = self.begin(dry_run=False)
        self.assertEqual(client.result("blocks.list")["total"], 0)
        flow = self.some_flow(client)
        result = self.only(client.result("flows.block", flows=[flow], dry_run=True))
        self.assertEqual((result["outcome"], result["blocked"], result["would_block"]), ("dry_run", False, True))
        self.assertEqual(client.result("blocks.list")["total"], 0)
        self.assertTrue(client.result("blocks.list")["in_effect"])
        self.end_well()

    def test_while_nothing_is_cut_verdicts_block_nobody_and_a_person_is_told(self):
        client = self.begin()
        flow = self.some_flow(client)
        client.result("response.disable", reason="an incident")
        result = self.only(client.result("flows.block", flows=[flow]))
        self.assertEqual((result["outcome"], result["blocked"]), ("refused", False))
        self.assertIn("an incident", result["message"])
        result = self.only(client.result("flows.block", flows=["tcp 10.9.9.9:1 > 10.9.9.8:2"]))
        self.assertEqual((result["outcome"], result["blocked"]), ("refused", False))
        result = self.only(client.result("blocks.add", targets=[ADDED], ttl="1h", extend=True))
        self.assertEqual(result["outcome"], "refused")
        self.assertIn("an incident", result["message"])
        self.assertEqual(client.result("blocks.list")["total"], 0)
        answer = client.result("blocks.add", targets=[ADDED])
        self.assertEqual((self.only(answer)["outcome"], answer["in_effect"]), ("added", False))
        for words in (answer["why_not"], client.result("blocks.list")["why_not"]):
            self.assertIn("an incident", words)
        client.result("response.enable")
        listed = client.result("blocks.list")
        self.assertEqual((listed["total"], listed["in_effect"], listed["why_not"]), (1, True, None))
        self.assertEqual(self.only(client.result("flows.block", flows=[flow]))["blocked"], True)
        self.end_well()


class Restarts(Responding):
    def test_who_disables_responses_disables_the_next_run_too(self):
        client = self.begin()
        self.assertEqual(client.result("system.health")["status"], "ok")
        status = client.result("response.disable", reason="an incident")
        self.assertEqual((status["active"], status["disabled"]["by"], status["disabled"]["reason"], status["disabled"]["kept"], status["trouble"]),
                         (False, f"uid {os.getuid()}", "an incident", True, None))
        self.end_well()
        client = self.begin()
        self.assertRegex(self.log.read_text(), "connections are not cut: response.disable by uid .*: an incident")
        status = client.result("response.status")
        self.assertEqual((status["active"], status["disabled"]["reason"], status["disabled"]["kept"]), (False, "an incident", True))
        health = client.result("system.health")
        self.assertEqual((health["status"], health["response"]["active"]), ("degraded", False))
        self.assertTrue(any("an incident" in reason for reason in health["reasons"]), health)
        status = client.result("response.enable")
        self.assertEqual((status["active"], status["disabled"]), (True, None))
        self.assertEqual(client.result("system.health")["status"], "ok")
        self.end_well()
        client = self.begin()
        self.assertNotIn("not cut", self.log.read_text())
        self.assertTrue(client.result("response.status")["active"])
        self.end_well()

    def test_without_a_file_a_switch_is_not_kept_and_says_so(self):
        client = self.begin(blocks=False)
        self.assertFalse(client.result("response.disable")["disabled"]["kept"])
        self.assertIsNone(client.result("response.status")["saving"])
        self.end_well()

    def test_a_list_is_one_yaguras(self):
        self.begin()
        config = self.configuration(response={"enabled": True, "blocks": {"file": str(self.folder / "blocks")}},
                                    control={"socket": str(self.folder / "other.sock")}, audit=self.audit_settings("other"))
        process = yagura_e2e.run_yagura("run", "--config", self.write_config(config, "other.json"), "--duration", "1s", *ONE_LCORE)
        self.assertEqual(process.returncode, yagura_e2e.USAGE, process.stdout + process.stderr)
        self.assertIn(f"{self.folder}/blocks: another process keeps it (pid {self.process.pid})", process.stderr)
        self.end_well()
        # Even one that was killed leaves it free.
        self.begin()
        self.process.kill()
        self.process.wait()
        self.begin()
        self.end_well()

    def test_a_folder_that_cannot_be_written_is_found_at_the_start(self):
        config = self.configuration(response={"enabled": True, "blocks": {"file": str(self.folder / "none" / "blocks")}})
        process = yagura_e2e.run_yagura("run", "--config", self.write_config(config, "other.json"), "--duration", "1s", *ONE_LCORE)
        self.assertEqual(process.returncode, yagura_e2e.USAGE, process.stdout + process.stderr)
        self.assertIn(f"{self.folder}/none/blocks", process.stderr)

    def test_whether_the_list_is_on_the_disk_is_told(self):
        client = self.begin()

        def saving():
            return client.result("blocks.list")["saving"]
        self.wait_for(lambda: saving()["saved"], "the first save")
        self.assertEqual((saving()["file"], saving()["error"]), (str(self.folder / "blocks"), None))
        self.assertTrue((self.folder / "blocks").exists())
        # Something stands where the next one would be written.
        (self.folder / "blocks.new").mkdir()
        client.result("blocks.add", targets=[ADDED])
        self.wait_for(lambda: saving()["error"], "a save that fails")
        self.assertTrue(saving()["pending"])
        self.assertIn("blocks.new", client.result("response.status")["saving"]["error"])
        health = client.result("system.health")
        self.assertEqual(health["status"], "degraded")
        self.assertTrue(any("is not on the disk" in reason for reason in health["reasons"]), health)
        self.assertIn("was not saved", self.log.read_text())
        (self.folder / "blocks.new").rmdir()
        self.wait_for(lambda: not saving()["pending"], "a save that works")
        self.assertIsNone(saving()["error"])
        self.assertEqual(client.result("system.health")["status"], "ok")
        self.assertIn(ADDED, (self.folder / "blocks").read_text())
        self.end_well()


if __name__ == "__main__":
    unittest.main()
