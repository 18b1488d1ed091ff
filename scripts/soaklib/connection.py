# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control socket."""
import json
import socket

# Who is not answered for so long is not answered.
UNANSWERED_S = 60


class Refused(Exception):
    """yagura answered with an error."""


class Connection:
    def __init__(self, path, timeout=UNANSWERED_S):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout)
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, method, number=1, **params):
        self.socket.sendall(json.dumps({'jsonrpc': '2.0', 'id': number, 'method': method, 'params': params}).encode() + b'\n')

    def answer(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError('yagura has ended the connection')
        return json.loads(line)

    def call(self, method, **params):
        """The result; Refused when it is an error. Waits for TimeoutError at most."""
        self.send(method, **params)
        answer = self.answer()
        if 'error' in answer:
            raise Refused(f"{method}: {answer['error'].get('message')}")
        return answer['result']

    def pages(self, method, name, **params):
        """Each page of a list."""
        cursor = 0
        while cursor is not None:
            page = self.call(method, cursor=cursor, **params)
            yield page[name]
            cursor = page['next']
