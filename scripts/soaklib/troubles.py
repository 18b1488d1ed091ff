# SPDX-License-Identifier: BSD-3-Clause
"""What yagura is troubled with, each in a thread of its own until the end."""
import fcntl
import json
import os
import pty
import random
import resource
import select
import socket
import struct
import subprocess
import termios
import threading
import time

from soaklib.connection import Refused
from soaklib.daemon import CONNECTIONS, patterns

# Besides the crowd.
OTHER_CONNECTIONS = 30


class Trouble(threading.Thread):
    """Does `round()` again and again. What it must not see is a fault, and is told in the report."""
    name = ''
    pause_s = 0.5

    def __init__(self, daemon, seed):
        super().__init__(daemon=True)
        self.yagura = daemon
        self.choose = random.Random(f'{seed} {self.name}')
        self.ending = threading.Event()
        self.rounds = 0
        self.faults = []

    def run(self):
        while not self.ending.wait(self.pause_s):
            try:
                self.round()
                self.rounds += 1
            except Exception as fault:  # whatever it is, the soak has failed by it and goes on
                if self.ending.is_set():
                    break
                self.faults.append(f'{self.name}: {type(fault).__name__}: {fault}')
                if len(self.faults) >= 10:
                    break
        self.leave()

    def round(self):
        raise NotImplementedError

    def leave(self):
        """Closes what is open."""


class Health(Trouble):
    """Asks how it is, and notes how long the answer takes: what an operator would feel."""
    name = 'system.health'
    pause_s = 0.05

    def __init__(self, daemon, seed):
        super().__init__(daemon, seed)
        self.latencies_ms = []
        self.connection = None

    def round(self):
        if self.connection is None:
            self.connection = self.yagura.connect()
        begin = time.monotonic()
        self.connection.call('system.health')
        self.latencies_ms.append(1000 * (time.monotonic() - begin))

    def leave(self):
        if self.connection:
            self.connection.close()


class Reloads(Trouble):
    """Other rules each second, by the socket, by SIGHUP and back again."""
    name = 'reloads'
    pause_s = 1.0
    SIZES = (0, 10, 100, 1000)

    def __init__(self, daemon, seed):
        super().__init__(daemon, seed)
        self.rollbacks = 0
        with daemon.connect() as connection:
            self.can_roll_back = any(method['name'] == 'rules.rollback' for method in connection.call('rpc.methods')['methods'])

    def round(self):
        with self.yagura.connect() as connection:
            size = self.choose.choice(self.SIZES)
            answer = connection.call('rules.load', config=json.dumps(self.yagura.config(patterns(size, self.rounds % 7))))
            if answer['rules'] != size + 2:
                raise AssertionError(f"{answer['rules']} rules instead of {size + 2}")
            if self.can_roll_back and self.rounds % 5 == 4:
                connection.call('rules.rollback', version=answer['old_version'])
                self.rollbacks += 1
            if self.rounds % 11 == 10:
                connection.call('rules.load')  # its own file again


class Deaf(Trouble):
    """Clients that ask for a lot and never read."""
    name = 'deaf clients'
    pause_s = 10.0

    def __init__(self, daemon, seed):
        super().__init__(daemon, seed)
        self.deaf = []

    def round(self):
        self.leave()
        for _ in range(5):
            connection = self.yagura.connect()
            self.deaf.append(connection)
            connection.send('stats.subscribe', interval_ms=100)
            connection.socket.setblocking(False)
            many = b''.join(json.dumps({'jsonrpc': '2.0', 'id': n, 'method': 'stats.get'}).encode() + b'\n' for n in range(500))
            try:
                while True:
                    connection.socket.send(many)
            except OSError:
                pass

    def leave(self):
        for connection in self.deaf:
            connection.close()
        self.deaf = []


class Fuzz(Trouble):
    """Requests that are wrong or damaged, of methods that change nothing."""
    name = 'damaged requests'
    pause_s = 0.1
    BATCH = 100

    def __init__(self, daemon, seed):
        super().__init__(daemon, seed)
        self.requests = 0
        with daemon.connect() as connection:
            self.methods = [method['name'] for method in connection.call('rpc.methods')['methods'] if method['right'] == 'viewer']
        self.methods.append('rules.check')

    def request(self):
        choose = self.choose
        values = [0, -1, 1 << 64, 1.5, '', 'x' * 300, None, True, [], {}, [[[[]]]], {'a': {'b': 1}}, '\0', '\U0001f600']
        keys = ['config', 'cursor', 'limit', 'host', 'port', 'by', '', 'x']
        params = {choose.choice(keys): choose.choice(values) for _ in range(choose.randrange(4))}
        value = {'jsonrpc': '2.0', 'id': choose.choice([1, 'a', None, 1.5, {}]), 'method': choose.choice(self.methods), 'params': params}
        data = bytearray(json.dumps(value).encode())
        for _ in range(choose.randrange(6)):
            place = choose.randrange(len(data))
            if choose.random() < 0.5:
                data[place] = choose.randrange(256)
            else:
                del data[place:place + choose.randrange(20)]
                data = data or bytearray(b'x')
        return bytes(data)

    def round(self):
        with self.yagura.connect() as connection:
            reader = threading.Thread(target=self.read, args=[connection], daemon=True)
            reader.start()
            # A subscriber gets updates for as long as he listens.
            last = b'\n{"jsonrpc": "2.0", "method": "stats.unsubscribe"}\n'
            try:
                connection.socket.sendall(b'\n'.join(self.request() for _ in range(self.BATCH)) + last)
                connection.socket.shutdown(socket.SHUT_WR)
            except BrokenPipeError:
                pass  # a line was too long, and the connection closed
            reader.join(2 * connection.socket.gettimeout())
            if reader.is_alive():
                raise TimeoutError('the answers do not end')
            self.requests += self.BATCH

    @staticmethod
    def read(connection):
        try:
            while connection.file.readline():
                pass
        except OSError:
            pass


class Crowd(Trouble):
    """A thousand connections at once, each with a question."""
    name = 'crowd'
    pause_s = 3.0

    def __init__(self, daemon, seed):
        super().__init__(daemon, seed)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS + 256
        if soft != resource.RLIM_INFINITY and soft < wanted:
            soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        room = CONNECTIONS if soft == resource.RLIM_INFINITY else soft - 256
        self.size = max(10, min(CONNECTIONS, room) - OTHER_CONNECTIONS)

    def round(self):
        crowd = []
        try:
            for _ in range(self.size):
                crowd.append(self.yagura.connect())
            for number, connection in enumerate(crowd):
                connection.send('system.health', number)
            for number, connection in enumerate(crowd):
                if connection.answer().get('id') != number:
                    raise AssertionError('an answer to somebody else')
        finally:
            for connection in crowd:
                connection.close()


class Lists(Trouble):
    """Turns all pages of what there is."""
    name = 'lists'
    pause_s = 1.0

    def round(self):
        with self.yagura.connect() as connection:
            flows = sum(len(page) for page in connection.pages('flows.list', 'flows', limit=500))
            if flows < 2000:
                raise AssertionError(f'{flows} flows of 2,000 and more')
            top = connection.call('flows.top', limit=10)
            if not top['flows']:
                raise AssertionError('no flow is busy')
            # They may change between two pages.
            for _ in connection.pages('rules.list', 'rules'):
                pass
            try:
                connection.call('ports.list', limit=0)
            except Refused:
                return
            raise AssertionError('a wrong limit was taken')


class Top(Trouble):
    """`yaguractl top` in a terminal, whose keys are pressed at random."""
    name = 'top'
    pause_s = 0.3

    def __init__(self, daemon, seed):
        super().__init__(daemon, seed)
        self.process = None
        self.terminal = None

    def open(self):
        self.terminal, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
        command = [self.yagura.program('yaguractl'), '--socket', str(self.yagura.socket), 'top', '--interval', '200']
        self.process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower,
                                        env={**os.environ, 'TERM': 'xterm'})
        os.close(follower)

    def round(self):
        if self.process is None:
            self.open()
        while select.select([self.terminal], [], [], 0)[0]:
            os.read(self.terminal, 65536)
        if self.process.poll() is not None:
            raise AssertionError(f'it has ended with status {self.process.returncode}')
        if self.choose.random() < 0.2:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack('HHHH', self.choose.randrange(1, 60), self.choose.randrange(1, 200), 0, 0))
        os.write(self.terminal, self.choose.choice([b'o', b'r', b'f', b'b', b'\t', b'\x1b[A', b'\x1b[6~', b'x']))

    def leave(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            os.write(self.terminal, b'q')
        end = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    os.read(self.terminal, 65536)
                except OSError:
                    break  # it has closed the terminal, which comes some time before it has ended
        try:
            status = self.process.wait(max(0, end - time.monotonic()))
            if status != 0:
                self.faults.append(f'top: it ended by q with status {status}')
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.faults.append('top: it does not end by q')
        os.close(self.terminal)


ALL = (Health, Reloads, Deaf, Fuzz, Crowd, Lists, Top)
