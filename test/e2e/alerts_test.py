#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""yagura-alerts from lines of tools to what yagura is asked for. A socket of the test answers in yagura's place."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

from fake_control import Error, FakeControl, HangUp, results

OK, NOT_ALL_DONE, USAGE, UNREACHABLE = 0, 1, 2, 3
ROOT = Path(__file__).resolve().parents[2]


def eve(number=1, signature=2003068, severity=2, **members):
    """An alert of Suricata on the connection from this port."""
    return json.dumps({"timestamp": f"2026-11-28T19:00:00.{number:06}+0000", "flow_id": 1000 + number, "event_type": "alert", "src_ip": "10.0.0.1",
                       "src_port": number, "dest_ip": "10.0.0.2", "dest_port": 80, "proto": "TCP",
                       "alert": {"gid": 1, "signature_id": signature, "rev": 1, "signature": "ET SCAN", "severity": severity}, **members})


def flow(number=1):
    return f"tcp 10.0.0.1:{number} > 10.0.0.2:80"


SNORT = "11/28-19:00:00.123456  [**] [1:7:1] x [**] [Priority: 1] {TCP} 10.0.0.1:5 -> 10.0.0.2:22\n"
ZEEK = "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tnote\tmsg\tsrc\tdst\n"
SCAN = "1.5\t-\t-\t-\t-\t-\t-\tScan::Port_Scan\tscanned\t192.0.2.1\t-\n"


class AlertsTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="yagura-alerts-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.log = self.folder / "eve.json"
        self.write_map([{"verdict": "reset"}])

    def write_map(self, entries):
        (self.folder / "map.json").write_text(entries if isinstance(entries, str) else json.dumps(entries))

    def serve(self, **handlers):
        usual = {name: results("verified") for name in ("flows__reset", "flows__block")}
        control = FakeControl(self.folder / "control.sock", **{**usual, "blocks__add": results("added"), **handlers})
        self.addCleanup(control.close)
        return control

    def command(self, *arguments):
        return [os.environ["YAGURA_ALERTS"], "--socket", str(self.folder / "control.sock"), "--map", str(self.folder / "map.json"),
                *map(str, arguments)]

    def once(self, *arguments, lines=""):
        return subprocess.run(self.command("--once", *arguments), capture_output=True, text=True, timeout=60, input=lines)

    def once_well(self, *arguments, **options):
        process = self.once(*arguments, **options)
        self.assertEqual(process.returncode, OK, process.stdout + process.stderr)
        return process.stdout

    def live(self, *arguments, **options):
        return Live(self, self.command(*arguments), **options)


class Live:
    """The program as it runs; what it says is kept."""

    def __init__(self, test, command, **options):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **{"stdin": subprocess.DEVNULL, **options})
        test.addCleanup(self.close)
        self.lines, self.changed = {"stdout": [], "stderr": []}, threading.Condition()
        self.threads = [threading.Thread(target=self.read, args=(name,), daemon=True) for name in self.lines]
        for thread in self.threads:
            thread.start()

    def read(self, name):
        for line in getattr(self.process, name):
            with self.changed:
                self.lines[name].append(line)
                self.changed.notify_all()

    def wait_for(self, name, pattern, count=1):
        """Until so many lines match; returns them."""
        def found():
            return [line for line in self.lines[name] if re.search(pattern, line)]
        with self.changed:
            if not self.changed.wait_for(lambda: len(found()) >= count, 60):
                raise AssertionError(f"waited for {pattern} in {self.lines}")
            return found()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        for thread in self.threads:
            thread.join(60)
        return status

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for thread in self.threads:
            thread.join(60)
        if self.process.stdin:
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.stderr.close()


class Once(AlertsTest):
    def test_each_format_becomes_what_yagura_is_asked_for(self):
        control = self.serve()
        self.write_map([{"note": "Scan::*", "verdict": "block", "what": "source", "ttl": "10m"},
                        {"signature": 7, "verdict": "block", "what": "destination", "reason": "a reason"},
                        {"severity": "<=2", "verdict": "block", "ttl": "1h"}, {"signature": "/^ET/", "verdict": "none"}, {"verdict": "reset"}])
        self.log.write_text(eve(1) + "\n" + eve(2, severity=3) + "\n" + '{"event_type":"flow"}\n')
        (self.folder / "notice.log").write_text(ZEEK + SCAN)
        (self.folder / "alert_fast.txt").write_text(SNORT)
        output = self.once_well("--suricata", self.log, "--zeek", self.folder / "notice.log", "--snort", self.folder / "alert_fast.txt",
                                "--zeek", "-", lines='{"note":"A::B","id.orig_h":"2001:db8::1","id.orig_p":1,"id.resp_h":"2001:db8::2","id.resp_p":2,'
                                                     '"proto":"tcp","msg":"m"}')
        asked = sorted(((method, {name: value for name, value in params.items() if name != "key"}) for method, params in control.calls), key=str)
        self.assertEqual(asked, [("blocks.add", {"targets": ["10.0.0.2"], "reason": "a reason", "extend": True}),
                                 ("blocks.add", {"targets": ["192.0.2.1"], "reason": "zeek Scan::Port_Scan", "ttl": "10m", "extend": True}),
                                 ("flows.block", {"flows": [flow(1)], "reason": "suricata 1:2003068", "ttl": "1h", "extend": True}),
                                 ("flows.reset", {"flows": ["tcp [2001:db8::1]:1 > [2001:db8::2]:2"], "reason": "zeek A::B"})])
        for _, params in control.calls:
            self.assertRegex(params["key"], "^alerts-[0-9a-f]{32}$")
        for line in (r'Z block 10\.0\.0\.2: added \(snort 1:7 "x"\)$', r'Z block 192\.0\.2\.1 for 10m: added \(zeek "Scan::Port_Scan" "scanned"\)$',
                     rf'Z block {flow(1)} for 1h: verified \(suricata 1:2003068 "ET SCAN"\)$'):
            self.assertRegex(output, rf"(?m){line}")
        self.assertEqual(len(output.splitlines()), 4)

    def test_alerts_go_in_batches_and_each_is_told(self):
        control = self.serve(flows__reset=results("verified", {flow(7): "not_found"}, seen="both_reset", frames=4, first_reset_us=35, death_us=212))
        self.log.write_text("".join(eve(number) + "\n" for number in range(1, 5001)))
        process = self.once("--suricata", self.log)
        self.assertEqual(process.returncode, NOT_ALL_DONE)
        self.assertEqual(sorted(control.items("flows.reset")), sorted(map(flow, range(1, 5001))))
        self.assertLess(len(control.calls), 50)
        self.assertLessEqual(max(len(params["flows"]) for _, params in control.calls), 1000)
        self.assertEqual(len({params["key"] for _, params in control.calls}), len(control.calls))
        self.assertEqual(len(process.stdout.splitlines()), 5000)
        self.assertIn(f"reset {flow(8)}: verified, both_reset, 4 frames, RST after 35 us, dead after 212 us (suricata 1:2003068", process.stdout)
        self.assertIn("5000 lines, 5000 alerts, 5000 verdicts: 1 not_found, 4999 verified", process.stderr)

    def test_a_small_queue_holds_a_file_back(self):
        control = self.serve()
        self.log.write_text("".join(eve(number) + "\n" for number in range(1, 501)))
        self.once_well("--suricata", self.log, "--queue", "3")
        self.assertEqual(sorted(control.items("flows.reset")), sorted(map(flow, range(1, 501))))

    def test_the_same_log_again_has_the_same_key(self):
        control = self.serve()
        self.log.write_text(eve(1) + "\n")
        for _ in range(2):
            self.once_well("--suricata", self.log)
        self.log.write_text(eve(1, flow_id=5) + "\n")
        self.once_well("--suricata", self.log)
        keys = [params["key"] for _, params in control.calls]
        self.assertEqual((keys[0] == keys[1], keys[0] == keys[2]), (True, False))

    def test_the_same_wanted_twice_is_asked_for_once(self):
        control = self.serve()
        self.log.write_text((eve(1) + "\n") * 50 + eve(1, signature=5) + "\n")
        process = self.once("--suricata", self.log)
        self.assertEqual((process.returncode, control.items("flows.reset")), (OK, [flow(1)]))
        self.assertIn("50 verdicts that waited already", process.stderr)

    def test_dry_run_asks_for_nothing(self):
        control = self.serve()
        self.log.write_text(eve(1) + "\n")
        self.assertIn(f"reset {flow(1)}: dry_run (suricata", self.once_well("--suricata", self.log, "--dry-run"))
        self.assertEqual(control.calls, [])

    def test_hostile_lines_are_counted_and_told_once_for_each_kind(self):
        control = self.serve()
        self.log.write_text("{\n" * 20 + eve(1) + "\n" + "x" * (3 << 20) + "\n" + '{"a":' * 1000 + '"alert"' + "}" * 1000 + "\n"
                            + eve(2, src_ip="10.0.0.300") + "\n" + eve(3, src_ip="10.0.0.1; rm") + "\n\n"
                            + json.dumps({"event_type": "alert"}) + "\n" + eve(4) + "\n" + '{"event_type":"alert')
        process = self.once("--suricata", self.log)
        self.assertEqual(process.returncode, NOT_ALL_DONE)
        self.assertEqual(control.items("flows.reset"), [flow(1), flow(4)])
        troubles = [line for line in process.stderr.splitlines() if ": line " in line]
        self.assertEqual([re.sub(r'^.*: line (\d+) ([^:;]*).*$', r"\1 \2", line) for line in troubles],
                         ["1 is not JSON that can be read", "22 is longer than 1 MiB", "24 has no two IP addresses with their ports",
                          "27 is an alert, and does not say of which signature"])
        self.assertIn("26 lines not understood", process.stderr)

    def test_what_an_alert_does_not_have_is_told(self):
        self.serve()
        process = self.once("--zeek", "-", lines=ZEEK + SCAN)
        self.assertEqual(process.returncode, NOT_ALL_DONE)
        self.assertIn("zeek Scan::Port_Scan: an alert of it does not have the connection", process.stderr)

    def test_errors_of_yagura_are_told_and_the_rest_is_done(self):
        def reset(params):
            if flow(2) in params["flows"]:
                raise Error(-32602, "is no flow", field=f"params/flows/{params['flows'].index(flow(2))}")
            return results("verified")(params)
        control = self.serve(flows__reset=reset)
        self.log.write_text("".join(eve(number) + "\n" for number in (1, 2, 3)))
        process = self.once("--suricata", self.log)
        self.assertEqual(process.returncode, NOT_ALL_DONE)
        self.assertEqual([re.sub(r"^\S+ reset tcp 10.0.0.1:(\d).*: (\w+).*$", r"\1 \2", line) for line in process.stdout.splitlines()],
                         ["2 error", "1 verified", "3 verified"])
        control.handlers["flows.reset"] = lambda _: (_ for _ in ()).throw(Error(-32001, "flows.reset needs the role responder; uid 1 has viewer"))
        process = self.once("--suricata", self.log)
        self.assertEqual((process.returncode, process.stdout.count("error, flows.reset needs the role responder")), (NOT_ALL_DONE, 3))
        # An answer that does not say what became of some.
        control.handlers["flows.reset"] = lambda params: {"results": [{"flow": params["flows"][0], "outcome": "verified"}]}
        process = self.once("--suricata", self.log)
        self.assertEqual((process.returncode, process.stdout.count("unknown")), (NOT_ALL_DONE, 2))
        control.handlers["flows.reset"] = lambda _: []
        self.assertEqual(self.once("--suricata", self.log).stdout.count("unknown"), 3)

    def test_a_busy_yagura_is_asked_again(self):
        def reset(params):
            if len(control.calls) < 3:
                raise Error(-32003, "busy")
            return results("verified")(params)
        control = self.serve(flows__reset=reset)
        self.log.write_text(eve(1) + "\n")
        self.once_well("--suricata", self.log)
        self.assertEqual(len({json.dumps(call) for call in control.calls}), 1)
        self.assertEqual(len(control.calls), 3)

    def test_a_call_that_was_not_answered_is_made_again_with_its_key(self):
        def reset(params):
            if len(control.calls) == 1:
                raise HangUp
            return {**results("verified")(params), "repeated": True}
        control = self.serve(flows__reset=reset)
        self.log.write_text(eve(1) + "\n" + eve(2) + "\n")
        self.once_well("--suricata", self.log)
        self.assertEqual(len(control.calls), 2)
        self.assertEqual(control.calls[0], control.calls[1])

    def test_without_yagura(self):
        self.log.write_text(eve(1) + "\n")
        process = self.once("--suricata", self.log)
        self.assertEqual((process.returncode, process.stderr.count("no yagura serves")), (UNREACHABLE, 1), process.stderr)
        self.assertIn("1 verdicts dropped", process.stderr)
        # Nothing to ask, nobody needed.
        self.log.write_text("")
        self.assertEqual(self.once("--suricata", self.log).returncode, OK)


class Usage(AlertsTest):
    def test_wrong_maps_name_the_place(self):
        for entries, said in ((["x"], "/0: "), ([{"verdict": "reset"}, {"verdict": "rest"}], '/1/verdict: unknown verdict "rest"'),
                              ([{"verdict": "reset", "sigature": 1}], '/0/sigature: unknown key "sigature" (did you mean "signature"?'),
                              ([{"verdict": "block", "ttl": "soon"}], "/0/ttl: "),
                              ([{"verdict": "block", "ttl": "999ms"}], "/0/ttl: \"999ms\" is out of range"),
                              ([{"verdict": "block", "ttl": "9999d"}], "from \"1s\" to \"3650d\""), ("[{", "map.json: "), ("", "map.json: ")):
            with self.subTest(entries=entries):
                self.write_map(entries)
                process = self.once("--suricata", "-")
                self.assertEqual(process.returncode, USAGE)
                self.assertIn(said, process.stderr)
        self.write_map([])
        (self.folder / "map.json").chmod(0o666)
        self.assertIn("others can write it (mode 666)", self.once("--suricata", "-").stderr)
        (self.folder / "map.json").unlink()
        self.assertEqual(self.once("--suricata", "-").returncode, USAGE)

    def test_wrong_options(self):
        self.log.write_text("")
        for arguments, said in ((["--once"], "--suricata, --zeek or --snort"), (["--once", "--suricata", self.folder / "no"], "no such file"),
                                (["--suricata", self.folder], "it is no file"), (["--once", "--suricata", "unix:x"], "does not go with --once"),
                                (["--suricata", "unix:/no/such/folder/x"], "cannot be made"), (["--suricata", "-", "--queue", "0"], "--queue"),
                                (["--suricata", "-", "--zeek", "-"], "read once only"),
                                (["--suricata", "-", "--max-age", "1"], "--max-age 1"), (["--suricata", "-", "--socket-mode", "0999"], "--socket-mode"),
                                (["--suricata", "-", "--socket-mode", "7777"], "--socket-mode"), (["x"], "x"), (["--no"], "--no")):
            with self.subTest(arguments=arguments):
                process = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
                self.assertEqual(process.returncode, USAGE, process.stderr)
                self.assertIn(said, process.stderr)
        process = subprocess.run([os.environ["YAGURA_ALERTS"], "--suricata", "-"], capture_output=True, text=True, timeout=60)
        self.assertEqual((process.returncode, "--map is missing" in process.stderr), (USAGE, True))

    def test_help_version_and_completion(self):
        for arguments, said in ((["--help"], "--map"), (["--version"], "yagura-alerts "), (["completion", "bash"], "--max-age")):
            process = subprocess.run([os.environ["YAGURA_ALERTS"], *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual((process.returncode, said in process.stdout), (OK, True), process.stderr)

    def test_the_example_map_is_right(self):
        control = self.serve()
        shutil.copy(ROOT / "conf/alerts/example.jsonc", self.folder / "map.json")
        (self.folder / "map.json").chmod(0o644)
        self.once_well("--zeek", "-", lines=ZEEK + SCAN)
        self.assertEqual(control.items("blocks.add"), ["192.0.2.1"])


class Following(AlertsTest):
    def append(self, text):
        with self.log.open("a") as file:
            file.write(text)

    def test_a_log_is_followed_from_its_end_over_rotation(self):
        control = self.serve()
        self.append(eve(1) + "\n")
        live = self.live("--suricata", self.log)
        # What is written before it has opened the log is not read.
        number = 2
        while not control.items("flows.reset"):
            self.append(eve(number) + "\n")
            number += 1
            live.process.poll()
            self.assertIsNone(live.process.returncode, live.lines)
            try:
                control.wait_for(lambda _: control.calls, seconds=0.2)
            except AssertionError:
                continue
        self.log.rename(self.folder / "eve.json.1")
        self.append(eve(60001) + "\n")
        live.wait_for("stdout", re.escape(flow(60001)) + ": verified")
        os.truncate(self.log, 0)
        self.append(eve(60002)[:50])
        self.append(eve(60002)[50:] + "\n")
        live.wait_for("stdout", re.escape(flow(60002)) + ": verified")
        self.assertEqual(live.end(), OK, live.lines)
        self.assertNotIn(flow(1), control.items("flows.reset"))
        self.assertEqual(len(set(control.items("flows.reset"))), len(control.items("flows.reset")))

    def test_from_start_and_a_log_that_comes_later(self):
        control = self.serve()
        live = self.live("--suricata", self.log, "--from-start")
        self.append(eve(1) + "\n" + eve(2) + "\n")
        live.wait_for("stdout", "verified", 2)
        self.assertEqual(control.items("flows.reset"), [flow(1), flow(2)])
        self.assertEqual(live.end(), OK)

    def test_a_hangup_reads_the_map_anew_and_ends_nothing(self):
        control = self.serve()
        live = self.live("--suricata", self.log, "--from-start")
        self.append(eve(1) + "\n")
        live.wait_for("stdout", re.escape(flow(1)) + ": verified")
        self.write_map([{"verdict": "block", "what": "source", "ttl": "1h"}])
        live.process.send_signal(signal.SIGHUP)
        live.wait_for("stderr", "the map was read anew: 1 entries")
        self.append(eve(2) + "\n")
        live.wait_for("stdout", r"block 10\.0\.0\.1 for 1h: added")
        # One that is wrong changes nothing.
        self.write_map([{"verdict": "block", "ttl": "soon"}])
        live.process.send_signal(signal.SIGHUP)
        live.wait_for("stderr", "/0/ttl: ")
        live.wait_for("stderr", "the map stays as it was")
        self.append(eve(3) + "\n")
        live.wait_for("stdout", r"block 10\.0\.0\.1 for 1h: added", 2)
        self.assertEqual(live.end(), OK, live.lines)
        self.assertIn("3 verdicts", "".join(live.lines["stderr"]))
        self.assertEqual(control.items("flows.reset"), [flow(1)])

    def test_standard_input_is_read_as_it_comes(self):
        self.serve()
        live = self.live("--suricata", "-", stdin=subprocess.PIPE)
        for number in (1, 2):
            live.process.stdin.write(eve(number) + "\n")
            live.process.stdin.flush()
            live.wait_for("stdout", re.escape(flow(number)))
        live.process.stdin.close()
        self.assertEqual(live.process.wait(60), OK)

    def test_tools_write_to_sockets(self):
        control = self.serve()
        stream, datagram = self.folder / "stream", self.folder / "datagram"
        live = self.live("--suricata", f"unix:{stream}", "--snort", f"unixgram:{datagram}", "--socket-mode", "0660")

        def connect(path, kind):
            client = socket.socket(socket.AF_UNIX, kind)
            self.addCleanup(client.close)
            while True:
                try:
                    client.connect(str(path))
                    return client
                except (FileNotFoundError, ConnectionRefusedError, PermissionError):
                    self.assertIsNone(live.process.poll(), live.lines)
        first, second = connect(stream, socket.SOCK_STREAM), connect(stream, socket.SOCK_STREAM)
        first.sendall(eve(1)[:40].encode())
        second.sendall(eve(2).encode() + b"\n")
        live.wait_for("stdout", re.escape(flow(2)))
        first.sendall(eve(1)[40:].encode() + b"\n")
        live.wait_for("stdout", re.escape(flow(1)))
        connect(datagram, socket.SOCK_DGRAM).send(SNORT.encode())
        live.wait_for("stdout", re.escape("10.0.0.1:5 > 10.0.0.2:22"))
        self.assertEqual(stream.stat().st_mode & 0o777, 0o660)
        self.assertEqual(live.end(), OK)
        self.assertFalse(stream.exists() or datagram.exists())
        self.assertEqual(len(control.items("flows.reset")), 3)

    def test_yagura_may_go_and_come_back(self):
        live = self.live("--suricata", "-", "--max-age", "1h", stdin=subprocess.PIPE)

        def say(number):
            live.process.stdin.write(eve(number) + "\n")
            live.process.stdin.flush()
        say(1)
        live.wait_for("stderr", "no yagura serves")
        say(2)
        control = FakeControl(self.folder / "control.sock", flows__reset=results("verified"))
        live.wait_for("stdout", "verified", 2)
        self.assertEqual(sorted(control.items("flows.reset")), [flow(1), flow(2)])
        live.wait_for("stderr", "answers again")
        control.close()
        say(3)
        live.wait_for("stderr", "no yagura serves", 2)
        control = FakeControl(self.folder / "control.sock", flows__reset=results("verified"))
        self.addCleanup(control.close)
        live.wait_for("stdout", re.escape(flow(3)) + ": verified")
        live.process.stdin.close()
        self.assertEqual(live.process.wait(60), OK)

    def test_what_has_no_room_or_waits_too_long_is_counted(self):
        live = self.live("--suricata", "-", "--queue", "10", "--max-age", "1h", stdin=subprocess.PIPE)
        live.process.stdin.write("".join(eve(number) + "\n" for number in range(1, 101)))
        live.process.stdin.flush()
        live.wait_for("stderr", "no yagura serves")
        control = self.serve()
        live.wait_for("stdout", re.escape(flow(100)) + ": verified")
        live.process.stdin.close()
        self.assertEqual(live.process.wait(60), NOT_ALL_DONE)
        summary = live.wait_for("stderr", "lines, ")[0]
        dropped = int(re.search(r"(\d+) verdicts dropped", summary)[1])
        self.assertEqual(dropped + len(control.items("flows.reset")), 100)
        self.assertGreater(dropped, 50)

    def test_verdicts_that_waited_too_long_are_not_done(self):
        live = self.live("--suricata", "-", "--max-age", "1ms", stdin=subprocess.PIPE)
        live.process.stdin.write(eve(1) + "\n")
        live.process.stdin.flush()
        live.wait_for("stderr", "no yagura serves")
        live.process.stdin.close()
        self.assertEqual(live.process.wait(60), NOT_ALL_DONE)
        self.assertIn("1 verdicts that waited too long", live.wait_for("stderr", "lines, ")[0])

    def test_a_slow_answer_holds_up_no_other(self):
        go_on = threading.Event()

        def reset(params):
            if flow(1) in params["flows"]:
                go_on.wait(60)
            return results("verified")(params)
        control = self.serve(flows__reset=reset)
        self.addCleanup(go_on.set)
        live = self.live("--suricata", "-", stdin=subprocess.PIPE)
        live.process.stdin.write(eve(1) + "\n")
        live.process.stdin.flush()
        control.wait_for(lambda calls: calls)
        live.process.stdin.write(eve(2) + "\n")
        live.process.stdin.flush()
        live.wait_for("stdout", re.escape(flow(2)) + ": verified")
        self.assertEqual(len(live.lines["stdout"]), 1)
        go_on.set()
        live.wait_for("stdout", re.escape(flow(1)) + ": verified")
        live.process.stdin.close()
        self.assertEqual(live.process.wait(60), OK)

    def test_ended_while_yagura_does_not_answer(self):
        go_on = threading.Event()
        control = self.serve(flows__reset=lambda params: go_on.wait(60) and results("verified")(params))
        self.addCleanup(go_on.set)
        live = self.live("--suricata", "-", stdin=subprocess.PIPE)
        live.process.stdin.write(eve(1) + "\n")
        live.process.stdin.flush()
        control.wait_for(lambda calls: calls)
        self.assertEqual(live.end(), NOT_ALL_DONE)
        self.assertIn("1 verdicts that yagura did not answer", live.wait_for("stderr", "lines, ")[0])


if __name__ == "__main__":
    unittest.main()
