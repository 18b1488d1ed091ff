# SPDX-License-Identifier: BSD-3-Clause
"""yaguractl audit: logs are made here from what docs/audit.md says of the format, tampered with, and verified."""

import hashlib
import hmac
import json
import os
import stat
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

YAGURACTL = os.environ.get("YAGURACTL", "build/app/yaguractl")
SOUND, FAULTS, UNUSABLE = 0, 1, 2
LOG_NAME = "0123456789abcdef" * 2


def next_key(key):
    return hashlib.sha256(b"yagura audit next key\n" + key).digest()


def seal(key, label, members):
    body = json.dumps(members, separators=(",", ":"))[:-1]
    mac = hmac.new(key, b"yagura audit " + label + b"\n" + body.encode(), hashlib.sha256).hexdigest()
    return mac, f'{body},"mac":"{mac}"}}\n'


class Log:
    """A log as yagura writes it; `keys[i]` is that of record i + 1."""

    def __init__(self, records, heads=0):
        self.heads = heads
        self.keys = [hashlib.sha256(b"some key").digest()]
        self.lines = []
        self.macs = []
        for number in range(1, records + 1):
            self.add(number, {"log": LOG_NAME, "oldest": 1} if number == 1 else {})

    def add(self, number, more):
        members = {
            "seq": number, "time": f"2026-11-22T14:00:{number % 60:02}.000Z", **more, "uid": 1000, "user": "ada", "gid": 1000,
            "pid": 42, "program": "yaguractl", "action": "rules.load", "object": f"rules {number}", "allowed": number % 2 == 1,
            "outcome": "ok" if number % 2 else "no right", "heads": self.heads, "prev": self.macs[-1] if self.macs else "0" * 64}
        mac, line = seal(self.keys[-1], b"record", members)
        self.macs.append(mac)
        self.lines.append(line)
        self.keys.append(next_key(self.keys[-1]))

    def head(self, sequence, number=1):
        return seal(self.keys[sequence], b"head", {
            "head": number, "log": LOG_NAME, "time": "2026-11-22T15:00:00.000Z", "oldest": 1, "seq": sequence,
            "last": self.macs[sequence - 1], "lost": 0, "interval_ms": 60000})[1]


class AuditTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.log = Log(9)
        self.write_key(1)
        self.head = self.write("head", self.log.head(9))

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def write_key(self, number):
        self.key = self.write("key", f"yagura audit key 1\nlog {LOG_NAME}\nnext {number}\nkey {self.log.keys[number - 1].hex()}\n")
        self.key.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def audit(self, *arguments):
        return subprocess.run([YAGURACTL, "audit", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)

    def verify(self, lines, *arguments, with_key=True, with_head=True):
        path = self.write("audit.jsonl", "".join(lines))
        options = (["--key", self.key] if with_key else []) + (["--head", self.head] if with_head else [])
        return self.audit("verify", *options, *arguments, path)

    def assert_fault(self, process, *words):
        self.assertEqual(process.returncode, FAULTS, process.stdout + process.stderr)
        self.assertIn("NOT SOUND", process.stdout)
        for word in words:
            self.assertIn(word, process.stdout)


class VerifyTest(AuditTest):
    def test_an_untouched_log(self):
        process = self.verify(self.log.lines)
        self.assertEqual(process.returncode, SOUND, process.stdout + process.stderr)
        self.assertIn("sound: 9 records, of 2026-11-22T14:00:01.000Z to 2026-11-22T14:00:09.000Z; 9 proven", process.stdout)
        self.assertIn("note: the newest head is of 2026-11-22T15:00:00.000Z, with record 9", process.stdout)

    def test_every_changed_byte(self):
        # Every bit of it is turned in the unit tests; here one of each in every line.
        for number, line in enumerate(self.log.lines):
            for place in (0, 7, len(line) // 2, len(line) - 10, len(line) - 2):
                changed = line[:place] + chr(ord(line[place]) ^ 1) + line[place + 1:]
                with self.subTest(line=number + 1, place=place):
                    process = self.verify([*self.log.lines[:number], changed, *self.log.lines[number + 1:]])
                    self.assert_fault(process, f"audit.jsonl:{number + 1}: ")

    def test_a_record_removed(self):
        for number in range(9):
            with self.subTest(record=number + 1):
                self.assert_fault(self.verify(self.log.lines[:number] + self.log.lines[number + 1:]), f"record {number + 1} is")

    def test_records_exchanged_and_doubled(self):
        lines = list(self.log.lines)
        lines[3], lines[4] = lines[4], lines[3]
        self.assert_fault(self.verify(lines), "audit.jsonl:5: record 4 stands behind record 5")
        self.assert_fault(self.verify(self.log.lines[:5] + self.log.lines[4:]), "audit.jsonl:6: record 5 stands behind record 5")

    def test_the_end_cut_off(self):
        self.assert_fault(self.verify(self.log.lines[:6]), "head:1: ", "counts 9 records, the log ends with record 6")
        self.assertNotIn("cannot be known", self.verify(self.log.lines[:6]).stdout)
        process = self.verify(self.log.lines[:6], with_head=False)
        self.assertEqual(process.returncode, SOUND)
        self.assertIn("note: without a head: whether records behind record 6 were cut off cannot be known", process.stdout)

    def test_an_older_head(self):
        self.log = Log(9, heads=2)
        self.head.write_text(self.log.head(4))
        self.assert_fault(self.verify(self.log.lines), "replaced by an older one")
        self.assert_fault(self.verify(self.log.lines, with_key=False), "replaced by an older one")

    def test_a_changed_head(self):
        self.head.write_text(self.log.head(9).replace('"lost":0', '"lost":1'))
        self.assert_fault(self.verify(self.log.lines), "head:1: the head of 2026-11-22T15:00:00.000Z was changed")

    def test_heads_out_of_a_system_log(self):
        before = "Nov 22 15:00:00 box yagura[7]: audit head "
        self.head.write_text("Nov 22 14:59:59 box sshd[1]: hello\n" + "".join(
            before + self.log.head(sequence, number) for number, sequence in enumerate((2, 5, 9), 1)))
        self.assertEqual(self.verify(self.log.lines).returncode, SOUND)
        self.assert_fault(self.verify(self.log.lines[:4]), "head:3: ", "head:4: ")
        more = self.write("more", self.log.head(9))
        self.assertEqual(self.verify(self.log.lines, "--head", more).returncode, SOUND)

    def test_without_the_key(self):
        process = self.verify(self.log.lines, with_key=False)
        self.assertEqual(process.returncode, SOUND)
        self.assertIn("note: without the key: ", process.stdout)
        changed = [line.replace("rules 5", "rules 6") for line in self.log.lines]
        self.assertEqual(self.verify(changed, with_key=False).returncode, SOUND)
        self.assert_fault(self.verify(changed), "audit.jsonl:5: record 5 was changed")

    def test_a_later_key(self):
        self.write_key(6)
        process = self.verify(self.log.lines)
        self.assertEqual(process.returncode, SOUND, process.stdout)
        self.assertIn("9 records", process.stdout)
        self.assertIn("4 proven", process.stdout)
        self.assertIn("records up to 5", process.stdout)

    def test_files(self):
        older = self.write("audit.jsonl.000000000001", "".join(self.log.lines[:5]))
        self.assertEqual(self.verify(self.log.lines[5:], older).returncode, SOUND)
        self.assert_fault(self.verify(self.log.lines[5:]), "audit.jsonl:1: records 1 to 5 are missing in front of this line")
        self.assertEqual(self.verify(self.log.lines[5:], "--part").returncode, SOUND)

    def test_json(self):
        process = self.verify([*self.log.lines[:2], *self.log.lines[3:]], "--json")
        self.assertEqual(process.returncode, FAULTS)
        answer = json.loads(process.stdout)
        self.assertFalse(answer["sound"])
        self.assertEqual(answer["proven"], 8)
        self.assertEqual([(fault["line"], fault["what"]) for fault in answer["faults"]],
                         [(3, "record 3 is missing in front of this line")])
        self.assertTrue(answer["faults"][0]["file"].endswith("audit.jsonl"))

    def test_a_head_that_is_replaced_while_the_log_is_read(self):
        self.log = Log(9, heads=2)
        self.head.unlink()
        os.mkfifo(self.head)
        # Each time that the head is read, the next of these.
        contents = [self.log.head(4, 1), self.log.head(9, 2)]

        def serve():
            for text in contents:
                self.head.write_text(text)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        process = self.verify(self.log.lines)
        self.assertEqual(process.returncode, SOUND, process.stdout)
        thread.join(timeout=10)

    def test_a_log_that_is_none(self):
        for text in ("", "\n", "hello\n", "\0" * 100_000, "{}" * 100_000):
            with self.subTest(text=text[:10]):
                self.assert_fault(self.verify([text]))


class UnusableTest(AuditTest):
    def unusable(self, *arguments):
        process = self.audit(*arguments)
        self.assertEqual(process.returncode, UNUSABLE, process.stdout)
        self.assertEqual(process.stdout, "")
        return process.stderr

    def test_files_that_are_not_there(self):
        log = self.write("log", "".join(self.log.lines))
        self.assertIn("nothing: cannot be read: No such file", self.unusable("verify", self.folder / "nothing"))
        self.assertIn("nothing: cannot be read", self.unusable("verify", "--key", self.folder / "nothing", log))
        self.assertIn("nothing: cannot be read", self.unusable("verify", "--head", self.folder / "nothing", log))
        self.assertIn("nothing: cannot be read", self.unusable("show", self.folder / "nothing"))

    def test_a_key_that_others_may_read(self):
        self.key.chmod(0o644)
        self.assertIn("others may use this key", self.unusable("verify", "--key", self.key, self.head))

    def test_files_in_each_others_places(self):
        self.assertIn("is no key of an audit log", self.unusable("verify", "--key", self.rename_private(self.head), self.key))
        self.assertIn("there is no head of an audit log in it", self.unusable("verify", "--head", self.key, self.key))

    def rename_private(self, path):
        path.chmod(0o600)
        return path

    def test_wrong_usage(self):
        for arguments in ((), ("verify",), ("show",), ("mend", self.head), ("verify", "--frobnicate", self.head)):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.audit(*arguments).returncode, UNUSABLE)


class ShowTest(AuditTest):
    def show(self, lines, *arguments):
        process = self.audit("show", *arguments, self.write("audit.jsonl", "".join(lines)))
        self.assertEqual(process.returncode, 0, process.stderr)
        return process.stdout.splitlines()

    def test_the_newest_records_in_order(self):
        shown = self.show(self.log.lines, "--last", 2)
        self.assertEqual(shown, [
            '2026-11-22T14:00:08.000Z #8 ada, pid 42, yaguractl: rules.load "rules 8": NOT ALLOWED: no right',
            '2026-11-22T14:00:09.000Z #9 ada, pid 42, yaguractl: rules.load "rules 9": ok'])

    def test_pages_and_older_files(self):
        self.write("audit.jsonl.000000000001", "".join(self.log.lines[:5]))
        numbers = [line.split()[1] for line in self.show(self.log.lines[5:], "--before", 8, "--last", 4)]
        self.assertEqual(numbers, ["#4", "#5", "#6", "#7"])

    def test_json_gives_the_lines(self):
        self.assertEqual(self.show(self.log.lines, "--json"), [line.rstrip("\n") for line in self.log.lines])

    def test_a_log_cannot_play_with_the_terminal(self):
        log = Log(1)
        hostile = log.lines[0].replace("rules 1", r"\u001b[2J\n2026-11-22 all is well\u202e")
        shown = self.show([hostile])
        self.assertEqual(len(shown), 1)
        self.assertIn(r"\u001b[2J\u000a2026-11-22 all is well\u202e", shown[0])


if __name__ == "__main__":
    unittest.main()
