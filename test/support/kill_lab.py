# SPDX-License-Identifier: BSD-3-Clause
"""Many real TCP connections between two hosts, to be cut from beside them, and what has become of them: by the applications'
errors and by what both kernels say.

The programs that hold them are tcp_end.py; all of it ends with the test.
"""

import collections
import itertools
import json
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import netns

SUPPORT = Path(__file__).resolve().parent
OPEN_S = 60      # until all connections of a group are there
DEATH_S = 60     # for all of them to die: far more than it takes
BATCH = 1000     # flows in a request
CUT = {"ECONNRESET", "EPIPE"}  # what an application is told when its peer, or we, have reset

SOCKETS_THAT_LIVE = {"ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK", "CLOSING"}


class End:
    """A program in a host's namespace that holds many connections."""

    def __init__(self, test, space, cpus=None):
        self.space = space
        command = ["ip", "netns", "exec", space.name, sys.executable, str(SUPPORT / "tcp_end.py")]
        if cpus:
            command = ["taskset", "-c", ",".join(map(str, cpus)), *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, preexec_fn=netns.die_with_us)
        self.answers, self.errors = queue.Queue(), []
        self.readers = [threading.Thread(target=self._read_answers, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()
        test.addCleanup(self.kill)

    def _read_answers(self):
        with self.process.stdout as stream:
            for line in stream:
                self.answers.put(line)
        self.answers.put(None)

    def _read_errors(self):
        with self.process.stderr as stream:
            self.errors.extend(stream)

    def ask(self, do, seconds=netns.COMMAND_S, **command):
        self.process.stdin.write(json.dumps({"do": do, **command}) + "\n")
        self.process.stdin.flush()
        return self.answer(do, seconds)

    def answer(self, do, seconds):
        try:
            line = self.answers.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"{do}: no answer within {seconds} s from the end in {self.space.name}") from None
        if line is None:
            self.readers[1].join(netns.COMMAND_S)
            raise AssertionError(f"{do}: the end in {self.space.name} has died:\n{''.join(self.errors)}")
        value = json.loads(line)
        if "failure" in value:
            raise AssertionError(f"{do}: {value['failure']}")
        return value

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(netns.COMMAND_S)
        for reader in self.readers:
            reader.join(netns.COMMAND_S)
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass


class Life(collections.namedtuple("Life", "flow client server")):
    """Both ends' reports; `server` is None where its application was never given the connection."""

    def deaths(self):
        """When each application was told that it is dead; None if one of them was not."""
        reports = [report for report in (self.client, self.server) if report]
        if any(report["error"] not in CUT for report in reports):
            return None
        return [report["died"] for report in reports]

    def __str__(self):
        return f"{self.flow}: client {self.client['error']}, server {self.server['error'] if self.server else 'has none'}"


Attempt = collections.namedtuple("Attempt", "flow error ns")  # a connection that was not made


def written(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def flow_of(client):
    """As flows.list prints it. `client`: a report."""
    return f"tcp {written(*client['here'])} > {written(*client['there'])}"


def ends_of(flow):
    """The two ends of a flow as it is listed."""
    near, _, far = flow.removeprefix("tcp ").partition(" > ")
    return frozenset((near, far))


class Group:
    """Connections of one kind, with a server port of their own. `settings`: tcp_end.py's."""

    def __init__(self, lab, kind, count, port, address, settings):
        self.lab, self.kind, self.count, self.port, self.address = lab, kind, count, port, address
        self.settings = {"kind": kind, **settings}
        lab.server.ask("listen", port=port, address=address, group=self.settings)
        made = lab.client.ask("open", OPEN_S, address=address, port=port, count=count, group=self.settings)
        self.flows = [flow_of(report) for report in made["opened"]]
        self.failed = [Attempt(report["there"], report["error"], report["died"] - report["begun"])
                       for report in made["failed"]]

    def __str__(self):
        return f"{self.count} {self.kind} at port {self.port}"

    def counts(self):
        """What both ends say: (client, server) dictionaries of alive, rounds and received."""
        key = str(self.port)
        ends = (self.lab.client.ask("count"), self.lab.server.ask("count"))
        return [{name: value.get(key, 0) for name, value in end.items()} for end in ends]

    def settle(self):
        """Every connection is in the midst of what it does."""
        def settled():
            client, server = self.counts()
            if server["alive"] != len(self.flows):
                return False
            if self.kind == "talk":
                return client["rounds"] >= 3
            least = {"push": (0, 1), "stuck": (0, 0), "pull": (1, 0), "both": (1, 1)}.get(self.kind, (0, 0))
            return all(end["received"] >= (100_000 if wanted else 0) for end, wanted in zip((client, server), least))

        netns.wait_until(settled, OPEN_S, lambda: f"{self} did not come to work: {self.counts()}")
        return self

    def alive(self):
        return [end["alive"] for end in self.counts()]

    def wait_until_dead(self, seconds=DEATH_S, pause=0.05):
        """Whether both ends of all have died by then."""
        deadline = time.monotonic() + seconds
        while any(self.alive()):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
        return True

    def lives(self):
        """Of each connection that was made, its Life."""
        client, server = (end.ask("report", port=self.port)["connections"] for end in (self.lab.client, self.lab.server))
        theirs = {tuple(report["there"]): report for report in server if report["there"]}
        return [Life(flow_of(report), report, theirs.get(tuple(report["here"]))) for report in client if report["opened"]]

    def still_alive(self):
        """Of those that were made, the ones that no error has ended at both ends, in words."""
        return [str(life) for life in self.lives() if not life.deaths()]

    def finish(self, seconds=netns.RUN_S):
        """Ends it in an orderly way; a list of what is wrong with the bytes of connections that are `checked`, and how
        many bytes were carried."""
        ends = (self.lab.client, self.lab.server)
        deadline = time.monotonic() + seconds
        # Both ends each time: who sends without end must be told to stop.
        while any([end.ask("finish", port=self.port)["open"] for end in ends]) and time.monotonic() < deadline:
            time.sleep(0.02)
        faults, carried = [], 0
        for life in self.lives():
            if life.server is None:
                faults.append(f"{life.flow}: its server knows nothing of it")
                continue
            for who, report in (("client", life.client), ("server", life.server)):
                if report["error"] or not report["finished"]:
                    faults.append(f"{life.flow}: its {who} did not come to its end: {report}")
            carried += life.client["received"] + life.server["received"]
            if (life.client["digests"], life.client["sent"]) != (life.server["digests"][::-1], life.server["received"]):
                faults.append(f"{life.flow}: what was sent is not what came: {life.client} {life.server}")
        return faults, carried

    def abort(self):
        """Away with all that is left of it."""
        self.lab.client.ask("abort", port=self.port)
        self.lab.server.ask("abort", port=self.port)


class Hosts:
    """Two hosts, the namespaces `a` and `b`, with an End in each: clients in a, servers at the address B of b."""

    def start_ends(self, test, cpus=None):
        """`cpus`: where they may run."""
        self.client, self.server = End(test, self.a, cpus), End(test, self.b, cpus)
        self.ports = itertools.count(7001)

    def group(self, kind, count, address=None, port=None, **settings):
        return Group(self, kind, count, port or next(self.ports), address or self.B, settings)

    def sockets_left(self, group):
        """What both kernels still have of a group, as text; connections that have ended are none."""
        found = []
        for name, space in (("client", self.a), ("server", self.b)):
            for line in space.run("ss", "-tanH", f"( sport = :{group.port} or dport = :{group.port} )").splitlines():
                if line.split()[0] in SOCKETS_THAT_LIVE:
                    found.append(f"{name}'s kernel: {' '.join(line.split())}")
        return found


class Lab(netns.Net, Hosts):
    """netns.Net with an End in each host.

    `sysctls`: below net.ipv4, in both hosts. `tags`: the cables of both hosts carry tags (tag_cable.py). `vxlan`: the hosts have
    addresses TUNNEL_A and TUNNEL_B in a tunnel. `cpus`: where the ends may run.
    """

    A6, B6 = "2001:db8:77::1", "2001:db8:77::2"
    OTHER = "10.77.0.3"  # a second address of b
    TUNNEL_A, TUNNEL_B = "10.78.0.1", "10.78.0.2"

    def __init__(self, test, offloads=True, sysctls=None, ipv6=False, tags=(), vxlan=False, cpus=None):
        super().__init__(test, offloads)
        self.test = test
        for name, value in (sysctls or {}).items():
            for host in (self.a, self.b):
                host.run("sh", "-c", f"echo {value} >/proc/sys/net/ipv4/{name}")
        if tags:
            self._tag(tags)
        self.b.ip("addr", "add", f"{self.OTHER}/24", "dev", "eth0")
        if ipv6:
            for host, address in ((self.a, self.A6), (self.b, self.B6)):
                host.run("sh", "-c", "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_ra;"
                                     "echo 0 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
                host.ip("addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        if vxlan:
            for host, near, far, inner in ((self.a, self.A, self.B, self.TUNNEL_A), (self.b, self.B, self.A, self.TUNNEL_B)):
                host.ip("link", "add", "vx0", "type", "vxlan", "id", "42", "local", near, "remote", far, "dstport", "4789",
                        "dev", "eth0")
                host.ip("addr", "add", f"{inner}/24", "dev", "vx0")
                host.ip("link", "set", "dev", "vx0", "up")
        self.start_ends(test, cpus)

    def _tag(self, tags):
        for host, port, address in ((self.a, "a", self.A), (self.b, "b", self.B)):
            self.box.ip("link", "del", "dev", port)
            cable = host.start(sys.executable, SUPPORT / "tag_cable.py", "eth0", self.box.name, port, *tags)
            cable.wait_for("ready")
            self.box.ip("link", "set", "dev", port, "mtu", "1600", "master", "br0", "up")
            host.run("sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done")
            host.ip("link", "set", "dev", "eth0", "up")
            host.ip("addr", "add", f"{address}/24", "dev", "eth0")

    def split_directions(self):
        """The outlets of two taps in the box: "ya" has what a sends, and what is sent into it goes to a; "yb" for b."""
        for port in ("a", "b"):
            inner, outer = f"t{port}", f"y{port}"
            netns.connect(self.box, inner, self.box, outer, 65535)
            for device in (port, inner):
                self.box.run("tc", "qdisc", "add", "dev", device, "clsact")
            for source, action, target in ((port, "mirror", inner), (inner, "redirect", port)):
                self.box.run("tc", "filter", "add", "dev", source, "ingress", "protocol", "all", "u32", "match", "u32", 0, 0,
                             "action", "mirred", "egress", action, "dev", target)


class Refused(Exception):
    """yagura answered with an error; `error` is it."""

    def __init__(self, method, error):
        super().__init__(f"{method}: {error}")
        self.error = error


class Control:
    """A client of the control socket."""

    def __init__(self, test, path, seconds=DEATH_S):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        test.addCleanup(self.socket.close)
        self.socket.settimeout(seconds)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rb")
        test.addCleanup(self.file.close)

    def line(self):
        line = self.file.readline()
        if not line:
            raise AssertionError("yagura has closed the connection")
        return json.loads(line)

    def call(self, method, **params):
        self.socket.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
        answer = self.line()
        if "error" in answer:
            raise Refused(method, answer["error"])
        return answer["result"]

    def missing(self, group):
        """Those of a group that flows.list does not show, from whichever end."""
        listed, cursor = set(), 0
        while cursor is not None:
            page = self.call("flows.list", port=group.port, limit=1000, cursor=cursor)
            listed |= {ends_of(flow["flow"]) for flow in page["flows"]}
            cursor = page["next"]
        return [flow for flow in group.flows if ends_of(flow) not in listed]

    def wait_until_known(self, group):
        """yagura has seen all of a group: on a CPU that is shared it may be behind."""
        netns.wait_until(lambda: not self.missing(group), OPEN_S,
                         lambda: f"{group}: never seen: {self.missing(group)}; {self.call('stats.get')['ports']}")

    def cut(self, flows, method="flows.reset", **params):
        """In batches; the result of each flow, by its name, and when the request for it was written."""
        results, begun = {}, {}
        for at in range(0, len(flows), BATCH):
            batch = flows[at:at + BATCH]
            now = time.monotonic_ns()
            answer = self.call(method, flows=batch, **params)["results"]
            if len(answer) != len(batch):
                raise AssertionError(f"{method}: {len(answer)} results for {len(batch)} flows")
            begun.update(dict.fromkeys(batch, now))
            results.update(zip(batch, answer))
        return results, begun


def shares(results):
    """How many of each outcome and how it was seen: {"verified both_reset": 3}."""
    return dict(collections.Counter(
        re.sub(" $", "", f"{result['outcome']} {result.get('seen') or ''}") for result in results.values()))
