# SPDX-License-Identifier: BSD-3-Clause
"""One end of many TCP connections, in one loop: holds them, and says of each when it died, and of what.

kill_lab starts it in a network namespace. Commands are JSON objects, one a line, on stdin, each answered by one on
stdout; it ends with its stdin. A connection belongs to the group of its listening port, which both ends give the same
settings:

  kind     "idle": says nothing; "talk": a request each `every` ms, which is sent back; "push", "pull": bytes as fast as they go,
           from the client or to it; "both": both; "stuck": from the client to a server that does not read
  checked  what it sends and gets is hashed
  hello    so many bytes, or this text, first, sent back by the server
  rate     bytes a second of "push", "pull" and "both", each way; as fast as they go when it is left out
  size, every, keepalive (s), loss (share of received segments that are thrown away), source (the client's address)

Times are ns of CLOCK_MONOTONIC, which all namespaces share.
"""

import contextlib
import ctypes
import errno
import hashlib
import heapq
import json
import os
import select
import socket
import struct
import sys
import time

BLOCK = os.urandom((1 << 20) + 7)  # an odd size: what is lost or doubled shifts all that follows
PIECE = 256 << 10
OPENING = 128   # connections that are being made at a time
SO_ATTACH_FILTER = 26
IN, OUT, ERROR = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR | select.EPOLLHUP

scratch = memoryview(bytearray(PIECE))


def lossy(sock, share):
    """The kernel throws away so many of the segments that come for this socket, at random."""
    load_random, jump_if_less, give, keep, drop = 0x20, 0x35, 0x06, 0xFFFFFFFF, 0
    code = [(load_random, 0, 0, 0xFFFFF000 + 56), (jump_if_less, 1, 0, int(share * (1 << 32))),
            (give, 0, 0, drop), (give, 0, 0, keep)]
    text = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
    program = struct.pack("HL", len(code), ctypes.addressof(text))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def name_of(number):
    return errno.errorcode.get(number, str(number))


class Connection:
    def __init__(self, end, sock, port, group, client):
        self.end, self.sock, self.port, self.group, self.client = end, sock, port, group, client
        self.kind = group["kind"]
        self.begun, self.opened, self.died, self.error = time.monotonic_ns(), None, None, None
        self.sent = self.received = self.at = self.outstanding = 0
        self.rounds = 0
        self.pending = bytearray()
        self.endless = self.kind == "both" or self.kind == ("push" if client else "pull") or (self.kind == "stuck" and client)
        self.echoes = not client and not self.endless and self.kind not in ("push", "stuck")
        self.reads = self.kind != "stuck" or client
        self.ending = self.shut = self.peer_done = self.finished = self.held = False
        self.hashes = (hashlib.sha256(), hashlib.sha256()) if group.get("checked") else None
        self.here = self.there = None
        self.mask = 0

    def set_up(self):
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if seconds := self.group.get("keepalive"):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in ((socket.TCP_KEEPIDLE, seconds), (socket.TCP_KEEPINTVL, seconds), (socket.TCP_KEEPCNT, 100)):
                self.sock.setsockopt(socket.IPPROTO_TCP, option, value)

    def begin(self, now):
        """It is established."""
        self.here, self.there = self.sock.getsockname()[:2], self.sock.getpeername()[:2]
        self.opened = now
        if share := self.group.get("loss"):
            lossy(self.sock, share)
        if self.client:
            hello = self.group.get("hello", 0)
            if hello:
                self.request(hello.encode() if isinstance(hello, str) else self.block(hello))
            elif self.kind == "talk":
                self.request(self.block(self.group.get("size", 200)))
        self.watch()

    def block(self, size):
        data = BLOCK[self.at:self.at + size]
        self.at = (self.at + len(data)) % len(BLOCK)
        return data

    def request(self, data):
        self.pending += data
        self.outstanding += len(data)

    def watch(self):
        """Tells epoll what it waits for now."""
        if self.sock is None:
            return
        wants = bool(self.pending) or (self.endless and not self.ending and not self.held) or (self.ending and not self.shut)
        mask = (OUT if wants else 0) | (IN if self.reads and not self.peer_done else 0)
        if mask != self.mask:
            self.end.poll.modify(self.sock, mask)
            self.mask = mask

    def die(self, now, error):
        self.died, self.error = now, error
        self.close()

    def close(self):
        if self.sock is not None:
            self.end.forget(self)
            self.sock.close()
            self.sock = None

    def abort(self):
        """Away with it, without a word of the peer's."""
        if self.sock is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close()

    def handle(self, now, events):
        try:
            if events & ERROR:
                number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if number:
                    return self.die(now, name_of(number))
            if events & (IN | ERROR) and self.reads and not self.peer_done:
                self.read(now)
            if events & OUT and self.sock is not None:
                self.write()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            # What epoll did not tell may have happened since.
            return self.die(time.monotonic_ns(), name_of(error.errno))
        if self.sock is not None and self.shut and self.peer_done:
            self.finished = True
            self.close()
        self.watch()

    def read(self, now):
        count = self.sock.recv_into(scratch)
        if count == 0:
            if not self.ending and self.hashes is None:
                return self.die(now, "EOF")
            self.peer_done = True
            if self.echoes:
                self.ending = True
            return
        self.received += count
        if self.hashes:
            self.hashes[1].update(scratch[:count])
        if self.echoes:
            self.pending += scratch[:count]
        elif self.outstanding:
            self.outstanding -= count
            if self.outstanding <= 0 and self.kind == "talk" and not self.ending:
                self.rounds += 1
                self.end.later(now + int(self.group.get("every", 5) * 1e6), self)

    def go_on(self):
        """It is time for the next request, or for more bytes."""
        if self.held:
            self.held = False
            self.watch()
        elif self.sock is not None and not self.ending and self.outstanding <= 0:
            self.request(self.block(self.group.get("size", 200)))
            self.handle(time.monotonic_ns(), OUT)

    def write(self):
        rate = self.group.get("rate")
        if self.pending:
            data = memoryview(self.pending)[:PIECE]
        elif self.endless and not self.ending:
            data = memoryview(BLOCK)[self.at:self.at + (PIECE // 8 if rate else PIECE)]
        else:
            data = b""
        if data:
            count = self.sock.send(data)
            self.sent += count
            if self.hashes:
                self.hashes[0].update(data[:count])
            if self.pending:
                data.release()
                del self.pending[:count]
            else:
                self.at = (self.at + count) % len(BLOCK)
                if rate:
                    self.held = True
                    self.end.later(time.monotonic_ns() + count * 10**9 // rate, self)
        if self.ending and not self.pending and not self.shut:
            self.sock.shutdown(socket.SHUT_WR)
            self.shut = True

    def finish(self):
        """Sends what it has begun, and no more; ends in an orderly way, when the peer does too."""
        if self.sock is None or self.ending:
            return
        if self.kind == "idle" and self.client:
            self.request(self.block(4096))
        if not self.echoes:
            self.ending = True
        self.watch()

    def report(self):
        value = {"here": self.here, "there": self.there, "begun": self.begun, "opened": self.opened, "died": self.died,
                 "error": self.error, "sent": self.sent, "received": self.received, "rounds": self.rounds,
                 "finished": self.finished}
        if self.hashes:
            value["digests"] = [made.hexdigest() for made in self.hashes]
        return value


class End:
    def __init__(self):
        self.poll = select.epoll()
        self.by_file = {}
        self.connections = {}   # all there ever were, by group
        self.listeners = {}
        self.timers, self.timer_number = [], 0
        self.to_open, self.opening = [], set()
        self.opened = self.unanswered = None
        self.finishing = None
        self.input = b""

    def later(self, when, connection):
        self.timer_number += 1
        heapq.heappush(self.timers, (when, self.timer_number, connection))

    def watch(self, connection, mask):
        self.by_file[connection.sock.fileno()] = connection
        connection.mask = mask
        self.poll.register(connection.sock, mask)

    def forget(self, connection):
        self.poll.unregister(connection.sock)
        del self.by_file[connection.sock.fileno()]
        self.opening.discard(connection)

    def add(self, connection):
        self.connections.setdefault(connection.port, []).append(connection)

    # Commands.

    def listen(self, port, group, address):
        sock = socket.create_server((address, port), family=family_of(address), backlog=4096)
        sock.setblocking(False)
        self.listeners[sock.fileno()] = (sock, port, group)
        self.poll.register(sock, IN)
        return {}

    def open(self, address, port, count, group):
        """Answered when all have been made, or could not be."""
        self.to_open = [(address, port, group)] * count
        self.opened = []
        self.open_some()

    def open_some(self):
        while self.to_open and len(self.opening) < OPENING:
            address, port, group = self.to_open.pop()
            sock = socket.socket(family_of(address), socket.SOCK_STREAM)
            connection = Connection(self, sock, port, group, client=True)
            connection.set_up()
            if source := group.get("source"):
                sock.bind((source, 0))
            self.add(connection)
            self.opened.append(connection)
            number = sock.connect_ex((address, port))
            self.watch(connection, OUT)
            self.opening.add(connection)
            if number not in (0, errno.EINPROGRESS):
                connection.die(time.monotonic_ns(), name_of(number))
        if not self.to_open and not self.opening and self.opened is not None:
            made, self.opened = self.opened, None
            say({"opened": [connection.report() for connection in made if connection.opened],
                 "failed": [connection.report() for connection in made if not connection.opened]})

    def connected(self, connection, now):
        self.opening.discard(connection)
        number = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            connection.die(now, name_of(number))
        else:
            try:
                connection.begin(now)
            except OSError as error:
                # Dead already.
                number = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                connection.die(time.monotonic_ns(), name_of(number or error.errno))
        self.open_some()

    def accept(self, sock, port, group):
        for _ in range(64):
            try:
                made, peer = sock.accept()
            except BlockingIOError:
                return
            except OSError:
                continue
            connection = Connection(self, made, port, group, client=False)
            connection.there = peer[:2]
            self.add(connection)
            self.watch(connection, IN)
            try:
                connection.set_up()
                connection.begin(time.monotonic_ns())
            except OSError as error:
                # Dead before it was accepted.
                number = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                connection.die(time.monotonic_ns(), name_of(number or error.errno))

    def count(self):
        """By group: how many live, and when the last one died."""
        return {"alive": {port: sum(one.sock is not None for one in all_of_it) for port, all_of_it in self.connections.items()},
                "rounds": {port: min((one.rounds for one in all_of_it if one.sock), default=0)
                           for port, all_of_it in self.connections.items()},
                "received": {port: min((one.received for one in all_of_it if one.sock), default=0)
                             for port, all_of_it in self.connections.items()}}

    def report(self, port):
        return {"connections": [connection.report() for connection in self.connections.get(port, [])]}

    def finish(self, port):
        """Answered at once: `finished` says how many have come to their end."""
        made = self.connections.get(port, [])
        for connection in made:
            connection.finish()
        return {"open": sum(connection.sock is not None for connection in made)}

    def abort(self, port):
        for connection in self.connections.pop(port, []):
            connection.abort()
        for number, (sock, listening, _) in list(self.listeners.items()):
            if listening == port:
                self.poll.unregister(sock)
                sock.close()
                del self.listeners[number]
        return {}

    def command(self, line):
        request = json.loads(line)
        try:
            answer = getattr(self, request.pop("do"))(**request)
        except OSError as error:
            answer = {"failure": str(error)}
        if answer is not None:
            say(answer)

    def read_commands(self):
        """False at the end."""
        data = os.read(0, 1 << 16)
        *lines, self.input = (self.input + data).split(b"\n")
        for line in lines:
            self.command(line)
        return bool(data)

    def run(self):
        self.poll.register(0, IN)
        while True:
            now = time.monotonic_ns()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2].go_on()
            wait = max(0, self.timers[0][0] - time.monotonic_ns()) / 1e9 if self.timers else -1
            ready = self.poll.poll(wait, 4096)
            # All that they tell of had happened by now.
            now = time.monotonic_ns()
            for number, events in ready:
                if number == 0:
                    if not self.read_commands():
                        return
                elif number in self.listeners:
                    self.accept(*self.listeners[number])
                elif connection := self.by_file.get(number):
                    if connection in self.opening:
                        self.connected(connection, now)
                    else:
                        connection.handle(now, events)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def say(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        End().run()
