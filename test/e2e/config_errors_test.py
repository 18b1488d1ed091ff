# SPDX-License-Identifier: BSD-3-Clause
"""Configurations through the command line: every error at once with its place, and the canonical form."""

import json
import re
import unittest

import yagura_e2e
from packet_makers import SYN, arp, ethernet, tcp_frame, udp_frame, ipv4, tcp, vlan
from yagura_e2e import OK, USAGE, run_yagura

BAD = """{
  // a comment, which is no error
  "colour": "red",
  "ports": {
    "lan": {"role": "network", "device": "net_null0", "speed": 10, "inject": "lan"},
    "a": {"role": "tool", "device": "pcap:a.pcap", "rate": "fast"},
    "b": {"role": "sensor", "device": "pcap:b.pcap"},
    "c": {"role": "tool", "device": 7}
  },
  "tool_groups": {
    "none": {"members": []},
    "odd": {"members": ["a", "nobody"], "mode": "sometimes"}
  },
  "rules": [
    {"id": 1, "filter": "tcp prot 80", "forward": ["a"]},
    {"id": 1, "filter": "tcp", "forward": ["nowhere"]},
    {"id": "three", "forward": ["a"]},
    {"id": 4, "payload": ["good", "/un(balanced/", "/flag/q", "/x*/"], "forward": ["a"]},
    {"id": 5, "payload_all": "/(/", "drop": true},
    {"id": 6, "filter": "vlan", "layer": "outer", "forward": ["a"]},
    {"id": 7, "forward": ["a"], "drop": true},
    {"id": 8},
    {"id": 9, "forward": []},
    {"id": 10, "filter": 80, "forward": ["a"], "scope": "flow"},
    {"id": 11, "payload_none": [{"pattern": "abc", "depth": 2}, {"offset": 1}], "drop": true},
    {"id": 12, "payload_all": "x", "payload_none": ["y", "x"], "drop": true},
    {"id": 13, "reset": true}
  ],
  "response": {"never_cut": {"prefixes": ["10.0.0.5/8"], "ports": [0]}, "stop_file": "stop", "frames_per_second": "many"},
  "inspect": {"flows": 0, "stream_depth": "deep", "hold_bytes": "2MiB", "hold_budget": "1MiB", "when_short": "stop",
              "flow_key": ["vni"], "timeouts": {"tcp": "long", "icmp": "1s"}}
}
"""

# Place, and what the report must say of it.
ERRORS = {
    "/colour": "unknown key",
    "/ports/lan/speed": "unknown key",
    "/ports/a/rate": "not a rate",
    "/ports/b/role": "sensor",
    "/ports/c/device": "expected a string",
    "/tool_groups/none/members": "no members",
    "/tool_groups/odd/members/1": 'unknown tool port "nobody"',
    "/tool_groups/odd/mode": "sometimes",
    "/rules/0/filter": "prot",
    "/rules/1/id": "the id 1 is taken by /rules/0",
    "/rules/1/forward/0": 'unknown tool "nowhere"',
    "/rules/2/id": "found a string",
    "/rules/3/payload/1": "",
    "/rules/3/payload/2": "unknown flag",
    "/rules/3/payload/3": "empty",
    "/rules/4/payload_all": "",
    "/rules/5": "",
    "/rules/6": "both drops and forwards",
    "/ports/lan/inject": "itself",
    "/rules/7": "neither drops, forwards, resets nor blocks",
    "/rules/8/forward": "is empty",
    "/rules/9/filter": "expected a string",
    "/rules/9/scope": "flow",
    "/rules/10/payload_none/0/depth": "3 bytes",
    "/rules/10/payload_none/1": '"pattern" is missing',
    "/rules/11/payload_none/1": "can never match",
    "/rules/12/reset": 'response is not enabled (set "response": {"enabled": true})',
    "/response/never_cut/prefixes/0": 'write "10.0.0.0/8"',
    "/response/never_cut/ports/0": "from 1 to 65535",
    "/response/stop_file": "not an absolute path",
    "/response/frames_per_second": "found a string",
    "/inspect/flows": "from 1",
    "/inspect/hold_budget": "less than hold_bytes",
    "/inspect/when_short": '"stop"',
    "/inspect/flow_key/0": '"vni"',
    "/inspect/timeouts/tcp": "not a duration",
    "/inspect/timeouts/icmp": "unknown key",
    "/inspect/stream_depth": "not a size",
}

GOOD = """// Everything that a configuration can say.
{
  "lcores": {"rx": [0], "select": [0, 1], "tx": [0]},
  "ports": {
    "lan": {"role": "network", "device": "net_null0",
            "route": {"own_mac": "02:00:00:00:00:01", "next_hop": "02:00:00:00:00:02"}},
    "z": {"role": "tool", "device": "pcap:z.pcap", "rate": "1Gbps"},
    "a": {"role": "tool", "device": "pcap:a.pcap"},
    "m": {"role": "tool", "device": "pcap:m.pcap"}
  },
  "tool_groups": {
    "pair": {"members": ["z", "a"], "mode": "balance"},
    "both": {"members": ["m", "a"], "mode": "copy"}
  },
  "rules": [
    {"id": 90, "name": "no \\"backup\\"", "filter": "host 10.0.0.9", "drop": true},
    {"id": 10, "filter": "tcp port 80", "forward": ["pair"], "scope": "onward"},
    {"id": 20, "filter": "tcp[tcpflags] & tcp-syn != 0", "forward": ["m"], "scope": "packet"},
    {"id": 30, "filter": "udp", "layer": "outer", "payload": ["/nee+dle/i", "caf\\u00e9"], "forward": ["both"]},
    {"id": 40, "payload_all": ["a", "b"], "forward": ["m"],
     "payload_none": [{"pattern": "zz", "direction": "to_client", "offset": 1, "depth": 9}, "/y{3}/"]},
    {"id": 50, "filter": "vlan 5", "forward": ["z"]},
    {"id": 60, "malformed": true, "forward": ["m"], "scope": "packet"},
    {"id": 70, "filter": "tcp[tcpflags] & tcp-rst != 0", "forward": ["m"]},
    {"id": 80, "filter": "tcp[tcpflags] & tcp-syn != 0", "reset": true, "block": {"ttl": "10m", "what": "source"}}
  ],
  "response": {
    "enabled": true, "dry_run": true, "never_cut": {"prefixes": ["10.0.0.0/8", "2001:db8::1"], "ports": [22]},
    "stop_file": "/run/no-response", "blocks": {"file": "/var/lib/blocks", "capacity": 5}, "kills": 6,
    "frames_per_second": 7, "from_tools": false
  },
  "inspect": {
    "stream_depth": "2MiB", "hold_bytes": 65536, "flows": 1000, "hold_budget": "1GiB", "stream_budget": "8MiB",
    "reorder_bytes": "1MiB", "when_short": "forward", "flow_key": ["tunnel"],
    "timeouts": {"tcp": "30m", "udp": "1500ms"}
  }
}
"""


class BadConfigurationTest(yagura_e2e.TestCase):
    def check_report(self, report, path):
        places = re.findall(r"^ +(\S+): (.*)$", report, re.MULTILINE)
        for place, words in ERRORS.items():
            reasons = [reason for at, reason in places if at == place or at.startswith(place + "/")]
            self.assertTrue(reasons, f"no error at {place} in:\n{report}")
            self.assertIn(words, " ".join(reasons), f"at {place}")
        extra = [place for place, _ in places if not any(place == p or place.startswith(p + "/") for p in ERRORS)]
        self.assertEqual(extra, [], f"errors where there are none:\n{report}")
        self.assertIn(f"{path}: {len(places)} errors", report)

    def test_check_reports_all_errors_at_once(self):
        path = self.write_config(BAD)
        process = run_yagura("check", "--config", path)
        self.assertEqual(process.returncode, USAGE, process.stderr)
        self.assertEqual(process.stdout, "")
        self.check_report(process.stderr, path)

    def test_replay_reports_all_errors_at_once_and_writes_nothing(self):
        path = self.write_config(BAD)
        replay = self.replay(path, self.capture("in.pcap", [tcp_frame()]))
        self.assertEqual(replay.status, USAGE, replay.describe())
        self.check_report(replay.stderr, path)
        self.assertFalse(replay.folder.exists(), "something was written")

    def test_run_reports_all_errors_at_once(self):
        path = self.write_config(BAD)
        process = run_yagura("run", "--config", path, "--duration", "1s")
        self.assertEqual(process.returncode, USAGE, process.stderr)
        self.check_report(process.stderr, path)

    def test_what_is_no_json_is_refused_with_its_place_in_the_text(self):
        for text, words in [
            ('{\n  "ports": {,}\n}', ["line 2"]),
            ("", ["line 1", "unexpected end of input"]),
            ("[1, 2]", ["expected a configuration"]),
            ('{"ports": {}, "ports": {}}', ["/ports"]),
            ('{"ports": {"a": {"role": "tool", "device": "x"}}, "rules": []}', ["no network port"]),
            ("{}", ["ports", "missing"]),
        ]:
            with self.subTest(text):
                process = run_yagura("check", "--config", self.write_config(text))
                self.assertEqual(process.returncode, USAGE, process.stderr)
                for word in words:
                    self.assertIn(word, process.stderr)

    def test_a_file_that_cannot_be_read(self):
        for path, word in ((self.folder / "missing.json", "No such file"), (self.folder, "directory")):
            process = run_yagura("check", "--config", path)
            self.assertEqual(process.returncode, USAGE, process.stderr)
            self.assertIn(str(path), process.stderr)
            self.assertIn(word, process.stderr)

    def test_a_filter_that_the_link_type_cannot_do_is_an_error_before_anything_is_written(self):
        config = yagura_e2e.configuration(["a"], [{"filter": "ether host 02:00:00:00:00:01", "forward": ["a"]}])
        path = self.capture("raw.pcap", [ipv4(tcp())], 101)
        replay = self.replay(config, path)
        self.assertEqual(replay.status, USAGE, replay.describe())
        self.assertIn("/rules/0/filter", replay.stderr)
        self.assertFalse(replay.folder.exists())


    def test_run_refuses_what_needs_the_disk(self):
        config = yagura_e2e.configuration(["a"], [{"forward": ["a"]}], inspect={"hold_bytes": "unlimited"})
        path = self.write_config(config)
        self.assertEqual(run_yagura("check", "--config", path).returncode, OK)
        process = run_yagura("run", "--config", path, "--duration", "1s")
        self.assertEqual(process.returncode, USAGE, process.stdout + process.stderr)
        self.assertIn("/inspect/hold_bytes", process.stderr)
        self.assertIn("yagura replay", process.stderr)


class GoodConfigurationTest(yagura_e2e.TestCase):
    PACKETS = [tcp_frame(flags=SYN), tcp_frame(b"a and b"), tcp_frame(b"x", src="10.0.0.9"), udp_frame(b"a NEEEdle"),
               udp_frame("b café".encode()), ethernet(vlan(ipv4(tcp(dport=443)), 5), 0x8100), ethernet(arp(), 0x0806),
               tcp_frame()[:40], *[tcp_frame(b"%d" % n, sport=n) for n in range(1, 60)]]

    def check(self, path):
        process = run_yagura("check", "--config", path)
        self.assertEqual(process.returncode, OK, process.stderr)
        self.assertEqual(process.stderr, "")
        return process.stdout

    def test_the_output_of_check_is_a_configuration_that_replays_to_the_same_bytes(self):
        path = self.write_config(GOOD)
        canonical = self.write_config(self.check(path), "canonical.json")
        capture = self.capture("in.pcap", self.PACKETS)
        first = self.replay_well(path, capture)
        second = self.replay_well(canonical, capture)
        self.assertGreater(len(first.flows), 50)
        for tool in "zam":
            self.assertTrue(first.tool(tool), f"the test sends nothing to {tool}")
        for name, data in first.outputs().items():
            self.assertEqual(data, second.outputs()[name], f"{name} differs")

    def test_the_canonical_form_is_its_own(self):
        once = self.check(self.write_config(GOOD))
        self.assertEqual(self.check(self.write_config(once)), once)

    def test_the_canonical_form_keeps_every_value_and_the_order(self):
        def read(text):
            return json.loads("\n".join(line for line in text.splitlines() if not line.startswith("//")))
        meant, canonical = read(GOOD), read(self.check(self.write_config(GOOD)))
        meant["tool_groups"]["both"].pop("mode")  # the default
        del meant["inspect"]["hold_bytes"]        # the default
        self.assertEqual(canonical, meant)
        self.assertEqual(list(canonical["ports"]), ["lan", "z", "a", "m"])

    def test_every_rule_has_a_line_with_its_layer_and_how_it_is_asked(self):
        text = self.check(self.write_config(GOOD))
        said = dict(re.findall(r"^// rule (\d+): (layer \w+, asked once per \w+)$", text, re.MULTILINE))
        self.assertEqual(said, {
            "90": "layer inner, asked once per flow",
            "10": "layer inner, asked once per flow",
            "20": "layer inner, asked once per packet",
            "30": "layer outer, asked once per packet",
            "40": "layer inner, asked once per flow",
            "50": "layer frame, asked once per packet",
            "60": "layer inner, asked once per packet",
            "70": "layer inner, asked once per packet",
            "80": "layer inner, asked once per packet",
        })
        lines = text.splitlines()
        after_70 = lines[next(i for i, line in enumerate(lines) if line.startswith("// rule 70:")) + 1:]
        self.assertTrue(after_70 and "warning" in after_70[0],
                        f"no warning that rule 70 selects from its match on:\n{text}")

    def test_check_says_what_is_cut_and_blocked(self):
        text = self.check(self.write_config(GOOD))
        lines = text.splitlines()
        at = lines.index("// rule 80: layer inner, asked once per packet")
        self.assertEqual(lines[at + 1], "//   response: reset; block its source for 10m")
        self.assertEqual(text.count("//   response: "), 1)
        self.assertIn("// response: 6 connections at a time, 7 frames in a second at most; a dry run: nothing is sent\n"
                      "//   blocks: 5 at most, kept in /var/lib/blocks\n", text)
        self.assertNotIn("every connection may be cut", text)

        rules = [{"forward": ["a"]}]
        text = self.check(self.write_config(yagura_e2e.configuration(["a"], rules, response={"enabled": True})))
        self.assertIn("// response: 4096 connections at a time, 20000 frames in a second at most\n"
                      "//   blocks: 1000000 at most, forgotten with the end of the run\n"
                      "//   warning: every connection may be cut", text)
        text = self.check(self.write_config(yagura_e2e.configuration(["a"], rules, response={"kills": 5})))
        self.assertNotIn("// response", text)

    def memory(self, rules, inspect):
        """What check says of memory, by the word before the colon."""
        text = self.check(self.write_config(yagura_e2e.configuration(["a"], rules, inspect=inspect)))
        lines = text.splitlines()
        self.assertIn("// memory, at most:", lines)
        return dict(line.removeprefix("//   ").split(": ", 1)
                    for line in lines[lines.index("// memory, at most:") + 1:] if line.startswith("//   "))

    def test_check_says_what_memory_is_needed(self):
        flows, hold, budget = 1_000_000, 65536, 8 << 20
        payload = [{"filter": "tcp", "payload": ["needle", "/a.{3,9}b/"], "forward": ["a"]}]
        said = self.memory(payload, {"flows": flows, "hold_bytes": hold, "hold_budget": "1GiB",
                                     "stream_budget": budget})

        table, count, size = map(int, re.match(
            r"(\d+) MiB, which is (\d+) flows x (\d+) bytes; of their records: \d+ MiB$", said["flow table"]).groups())
        self.assertEqual(count, flows)
        self.assertTrue(64 < size <= 128, said)
        self.assertTrue((table - 1 << 20) < flows * size <= (table << 20) + flows, said)
        self.assertEqual(said["held packets and waiting segments"],
                         f"1024 MiB, which is {2**30 // hold} flows x {hold} bytes held")

        at_once, state, count, every = map(int, re.match(
            r"8 MiB, which is (\d+) flows x (\d+) bytes for both directions; all (\d+) flows would take (\d+) MiB$",
            said["streams"]).groups())
        self.assertGreater(state, 0)
        self.assertTrue(at_once * state <= budget < (at_once + 1) * state, said)
        self.assertEqual((count, every), (flows, -(-flows * state >> 20)))

    def test_check_says_when_a_budget_buys_nothing(self):
        headers, payload = [{"forward": ["a"]}], [{"payload": ["needle"], "forward": ["a"]}]
        for rules in headers, [{**payload[0], "scope": "packet"}]:
            self.assertEqual(self.memory(rules, {})["streams"], "none, no rule inspects a flow")
        said = self.memory(payload, {"hold_bytes": 0, "hold_budget": "3MiB"})
        self.assertEqual(said["waiting segments"], "3 MiB; nothing is held")
        said = self.memory(payload, {"hold_bytes": "unlimited"})
        self.assertEqual(said["held packets"], "on disk, without bound; waiting segments: 256 MiB")

    def test_the_configurations_of_the_repository_are_good(self):
        conf = yagura_e2e.Path(__file__).resolve().parents[2] / "conf"
        files = sorted(conf.glob("*.jsonc"))
        self.assertTrue(files)
        for path in files:
            with self.subTest(path.name):
                self.check(path)


if __name__ == "__main__":
    unittest.main()
