# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces for tests, with hosts whose kernels talk real TCP, and programs that run in them.

Names carry the process id, so that tests run side by side; what a process that is gone left behind is removed by the
next one. Everything else ends with the test, also with one that fails: use Net(test).
"""

import ctypes
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

COMMAND_S = 30  # for what ought to take no time
READY_S = 60    # until a program says that it is ready
RUN_S = 120     # for a program that ends by itself

_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_us():
    """In a new process, before its program begins: it ends with us, however that comes."""
    set_parent_death_signal = 1
    _libc.prctl(set_parent_death_signal, signal.SIGKILL)


def run(*command, check=True):
    """Runs a command to its end; returns what it printed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_S, stdin=subprocess.DEVNULL)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def require():
    """Skips the test where no namespaces can be made."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("network namespaces need root")
    for tool in ("ip", "ethtool", "tcpdump"):
        if not shutil.which(tool):
            raise unittest.SkipTest(f"{tool} is not installed (scripts/setup test)")
    name = f"yg{os.getpid()}p{next(_numbers)}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "add", "name", "a", "type", "veth", "peer", "name", "b")
    except RuntimeError as error:
        raise unittest.SkipTest(f"network namespaces cannot be made here: {error}") from error
    finally:
        run("ip", "netns", "del", name, check=False)


def remove_leftovers():
    for name in re.findall(r"^yg\d+n\d+", run("ip", "netns", "list"), re.MULTILINE):
        process = re.match(r"yg(\d+)n", name)[1]
        if not os.path.exists(f"/proc/{process}"):
            run("ip", "netns", "del", name, check=False)


class Namespace:
    """One network namespace."""

    def __init__(self, test):
        self.name = f"yg{os.getpid()}n{next(_numbers)}"
        run("ip", "netns", "add", self.name)
        test.addCleanup(run, "ip", "netns", "del", self.name, check=False)
        self.test = test
        self.ip("link", "set", "dev", "lo", "up")
        # Hosts that speak of themselves would be packets that no test expects.
        self.run("sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done")

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def run(self, *command, check=True):
        return run("ip", "netns", "exec", self.name, *command, check=check)

    def start(self, *command):
        return Program(self.test, "ip", "netns", "exec", self.name, *command)


def connect(near, name, far, far_name, mtu=1500):
    """A cable between two namespaces, both ends up."""
    near.ip("link", "add", "name", name, "mtu", mtu, "type", "veth", "peer", "name", far_name, "mtu", mtu, "netns", far.name)
    near.ip("link", "set", "dev", name, "up")
    far.ip("link", "set", "dev", far_name, "up")


def mirror(space, source, target):
    """Everything that passes an interface, in both directions, goes to another one too; skips where tc cannot."""
    try:
        space.run("tc", "qdisc", "add", "dev", source, "clsact")
        for direction in ("ingress", "egress"):
            space.run("tc", "filter", "add", "dev", source, direction, "protocol", "all", "u32", "match", "u32", 0, 0,
                      "action", "mirred", "egress", "mirror", "dev", target)
    except RuntimeError as error:
        raise unittest.SkipTest(f"this kernel cannot mirror an interface: {error}") from error


def free_hugepages_mib():
    total = 0
    for size in Path("/sys/kernel/mm/hugepages").glob("hugepages-*kB"):
        kib = int(re.fullmatch(r"hugepages-(\d+)kB", size.name)[1])
        total += kib * int((size / "free_hugepages").read_text()) // 1024
    return total


class Net:
    """Two hosts, 10.77.0.1 and 10.77.0.2, on a bridge in a box; a tool at its own port of the box.

    In the box: br0 with the ports a and b, and t, whose other end is eth0 of the tool.
    """

    A, B = "10.77.0.1", "10.77.0.2"

    def __init__(self, test, offloads=True, tool_mtu=65535):
        remove_leftovers()
        self.box, self.a, self.b, self.tool = (Namespace(test) for _ in range(4))
        self.box.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        self.box.ip("link", "set", "dev", "br0", "up")
        for host, port, address in ((self.a, "a", self.A), (self.b, "b", self.B)):
            connect(self.box, port, host, "eth0")
            self.box.ip("link", "set", "dev", port, "master", "br0")
            host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        connect(self.box, "t", self.tool, "eth0", tool_mtu)
        if not offloads:
            for space, device in ((self.a, "eth0"), (self.b, "eth0"), (self.box, "a"), (self.box, "b")):
                space.run("ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off", "tx", "off",
                          "rxvlan", "off", "txvlan", "off")


class Program:
    """A program in the background. It is killed when the test ends, if it still runs."""

    def __init__(self, test, *command):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="replace",
                                        preexec_fn=die_with_us)
        self.lines = {"stdout": [], "stderr": []}
        self.readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self.lines]
        for reader in self.readers:
            reader.start()
        test.addCleanup(self.kill)

    def _read(self, name):
        with getattr(self.process, name) as stream:
            for line in stream:
                self.lines[name].append(line)

    @property
    def stdout(self):
        return "".join(self.lines["stdout"])

    @property
    def stderr(self):
        return "".join(self.lines["stderr"])

    def describe(self):
        return f"{' '.join(self.command)}\nstatus {self.process.poll()}\nstdout:\n{self.stdout}\nstderr:\n{self.stderr}"

    def wait_for(self, text, seconds=READY_S, times=1):
        """Until it has printed this so many times."""
        def said():
            return (self.stdout + self.stderr).count(text) >= times

        wait_until(lambda: said() or self.process.poll() is not None, seconds,
                   lambda: f"never said {text!r}: {self.describe()}")
        if self.process.poll() is not None:
            self._finish()
        if not said():
            raise AssertionError(f"ended without saying {text!r}: {self.describe()}")

    def _finish(self):
        for reader in self.readers:
            reader.join(COMMAND_S)

    def wait(self, seconds=RUN_S):
        """Until it has ended; its exit status."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds} s: {self.describe()}") from None
        self._finish()
        return self.process.returncode

    def send(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        """Ends it; its exit status."""
        self.send(number)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(COMMAND_S)
        self._finish()


def wait_until(condition, seconds=READY_S, what=lambda: "it did not come true"):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s: {what()}")
        time.sleep(0.02)


# Each side sends its bytes and reads the other's: random ones from a seed, so that both ends and the test know them.
_TALK = """
import hashlib, os, random, socket, sys, threading, time
role, address, port, mine, theirs, seed, pause = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:7]), float(sys.argv[7])
gate = sys.argv[8]
def made(role):
    return random.Random(f"{seed} {role}").randbytes(mine if role == sys.argv[1] else theirs)
if role == "server":
    listener = socket.create_server((address, port))
    listener.settimeout(60)
    print("ready", flush=True)
    talk, _ = listener.accept()
else:
    talk = socket.create_connection((address, port), 60)
talk.settimeout(60)
def send():
    data = made(role)
    for at in range(0, len(data), 65536):
        while gate and at >= len(data) // 2 and not os.path.exists(gate): time.sleep(0.02)
        talk.sendall(data[at:at + 65536])
        print("sent", at, flush=True)
        if pause: time.sleep(pause)
    talk.shutdown(socket.SHUT_WR)
sender = threading.Thread(target=send)
sender.start()
expected, got = hashlib.sha256(made("client" if role == "server" else "server")), hashlib.sha256()
while data := talk.recv(1 << 20): got.update(data)
sender.join()
print("whole" if got.digest() == expected.digest() else "DAMAGED", flush=True)
"""


def bytes_of(role, size, seed):
    """What that side of a Talk sends."""
    import random
    return random.Random(f"{seed} {role}").randbytes(size)


class Talk:
    """A TCP session between two hosts, each of which checks what it gets."""

    def __init__(self, server, client, address, port, request=1 << 20, answer=1 << 16, pause=0.0, gate=""):
        """`pause`: seconds after each 64 KiB of the request. `gate`: its second half waits for this file."""
        self.port, self.seed = port, next(_numbers)
        self.sizes = {"client": request, "server": answer}
        self.server = server.start(sys.executable, "-c", _TALK, "server", address, port, answer, request, self.seed, 0, "")
        self.server.wait_for("ready")
        self.client = client.start(sys.executable, "-c", _TALK, "client", address, port, request, answer, self.seed,
                                   pause, gate)

    def finish(self):
        """Both sides got all that was sent."""
        for side in (self.client, self.server):
            status = side.wait()
            if status != 0 or "whole" not in side.stdout:
                raise AssertionError(side.describe())
        return self

    def data(self, role):
        return bytes_of(role, self.sizes[role], self.seed)
