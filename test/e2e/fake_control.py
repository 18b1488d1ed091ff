# SPDX-License-Identifier: BSD-3-Clause
"""A control socket that answers as a test says: for clients, where what matters is what they say and do with the answer."""

import json
import os
import socket
import threading
import time


class Error(Exception):
    """Raised by a handler: what the request is answered with."""

    def __init__(self, code, message, **data):
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


class HangUp(Exception):
    """Raised by a handler: the connection ends without an answer."""


def results(outcome, others=None, **members):
    """A handler of flows.* and blocks.*: this outcome for each item, but for `others`: {item: its outcome}."""
    def handler(params):
        name, items = ("flow", params["flows"]) if "flows" in params else ("target", params["targets"])
        return {"results": [{name: item, "outcome": (others or {}).get(item, outcome), **members} for item in items]}
    return handler


class FakeControl:
    """Serves a path until close(). `handlers`: {method: function of the parameters that gives the result}. `calls`: what was
    asked, [(method, params)], in order; `answered`: how many answers have been sent."""

    def __init__(self, path, **handlers):
        self.path, self.handlers = str(path), {name.replace("__", "."): handler for name, handler in handlers.items()}
        self.calls, self.connections, self.answered = [], [], 0
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections.append(connection)
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection):
        try:
            with connection.makefile("rb") as lines:
                for line in lines:
                    request = json.loads(line)
                    with self.changed:
                        self.calls.append((request["method"], request.get("params", {})))
                        self.changed.notify_all()
                    answer = {"jsonrpc": "2.0", "id": request["id"]}
                    try:
                        handler = self.handlers.get(request["method"])
                        if handler is None:
                            raise Error(-32601, f"there is no method \"{request['method']}\"")
                        answer["result"] = handler(request.get("params", {}))
                    except Error as error:
                        answer["error"] = error.error
                    self.send(connection, answer)
                    with self.changed:
                        self.answered += 1
                        self.changed.notify_all()
        except (OSError, HangUp, ValueError):
            pass
        finally:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    @staticmethod
    def send(connection, message):
        connection.sendall(json.dumps(message).encode() + b"\n")

    def notify(self, method, params):
        """To all who are connected."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                self.send(connection, {"jsonrpc": "2.0", "method": method, "params": params})
            except OSError:
                pass

    def wait_for(self, condition, what="calls", seconds=60):
        """Until condition(calls) holds; returns the calls."""
        end = time.monotonic() + seconds
        with self.changed:
            while not condition(self.calls):
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"waited for {what}: {self.calls}")
                self.changed.wait(left)
            return list(self.calls)

    def items(self, method):
        """All items that a method was called for so far, in order."""
        with self.lock:
            return [item for name, params in self.calls if name == method
                    for item in params.get("flows", params.get("targets", []))]

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(60)
