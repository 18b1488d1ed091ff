# SPDX-License-Identifier: BSD-3-Clause
"""Programs that are run beside us: each with a deadline, none outlives us, and what one said is told when it fails."""
import ctypes
import errno
import os
import select
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program did not do what it was run for. The text is for the user."""


def prepare(cpus):
    """What the new process does before its program begins."""
    def run():
        # Even if we are killed, nothing is left spinning on a CPU.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)
    return run


def tail(text, lines=15):
    return '\n'.join('    ' + line for line in text.splitlines()[-lines:])


def run(words, timeout, cpus=None, **options):
    """Runs a program to its end and returns its standard output. `cpus`: those that it may run on; `options` are
    subprocess.Popen()'s. Raises Failed with what it said when its status is not 0, or when it takes too long."""
    # A session of its own: Ctrl-C is ours to handle, and its children can be ended with it.
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors='replace', start_new_session=True, preexec_fn=prepare(cpus), **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            end_session(process)
            raise Failed(f'{words[0]} did not end within {timeout:.0f} s and was killed') from None
        except BaseException:
            end_session(process)
            raise
    if process.returncode != 0:
        raise Failed(f'{words[0]} ended with status {process.returncode}:\n{tail(out + err)}')
    return out


def end_session(process):
    """Kills a process that was started in a session of its own, and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Running:
    """A program that goes on while we do other things; a context manager that ends it. What it says is read by
    read_until(); tell() says something to it."""

    def __init__(self, words, cpus=None, **options):
        self.name = os.path.basename(words[0])
        self.said = ''
        # It believes to write to a terminal, so that it does not keep lines to itself.
        self.ear, mouth = os.openpty()
        try:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=mouth, stderr=mouth,
                                            start_new_session=True, preexec_fn=prepare(cpus), **options)
        finally:
            os.close(mouth)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end_session(self.process)
        os.close(self.ear)
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def tell(self, line):
        try:
            self.process.stdin.write(line.encode() + b'\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f'{self.name} ended:\n{tail(self.said)}') from None

    def read_until(self, mark, timeout):
        """What it says from here to `mark`, which must come within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        text = ''
        while mark not in text:
            ready, _, _ = select.select([self.ear], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise Failed(f'{self.name} did not answer within {timeout:.0f} s:\n{tail(self.said)}')
            piece = self.hear()
            if not piece:
                raise Failed(f'{self.name} ended with status {self.process.wait()}:\n{tail(self.said)}')
            text += piece
            self.said += piece
        return text

    def hear(self):
        """What it says next; empty when it says nothing any more."""
        try:
            return os.read(self.ear, 65536).decode(errors='replace').replace('\r\n', '\n')
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return ''

    def read_to_end(self, timeout):
        """Waits for it to end by itself, and returns its status."""
        deadline = time.monotonic() + timeout
        while True:
            ready, _, _ = select.select([self.ear], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise Failed(f'{self.name} did not end within {timeout:.0f} s and was killed:\n{tail(self.said)}')
            piece = self.hear()
            if not piece:
                return self.process.wait()
            self.said += piece
