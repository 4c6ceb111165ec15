"""Processes of shifter that begin where importing has ended, for tests that start hundreds of them.

Rule 1. One process per installation imports what every start imports, and makes nothing: no reactor, no socket, no thread.
        Asked for a start it forks, and the child goes on as ``twistd`` does, with a command line, a directory, an environment
        and an output of its own.
Rule 2. A child is nobody's but the tests': signals, exit code and death are those of any process. What its memory is, is not
        (it shares pages with the others), so who weighs a process starts it from scratch.
Rule 3. Linux only. Elsewhere processes are started from scratch.
"""

import atexit
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from tests.support.programs import BIN

AVAILABLE = sys.platform == "linux" and (BIN / "python").exists()
_LONGEST = 1 << 20
_PR_SET_CHILD_SUBREAPER = 36

_PROGRAM = """
import gc, json, os, socket, sys
import shifter.net.reactor, shifter.service.app, shifter.service.sources
from twisted.application import app
from twisted.scripts import _twistd_unix, twistd
assert "twisted.internet.reactor" not in sys.modules
gc.collect()
gc.freeze()
asked = socket.socket(fileno=int(sys.argv[1]))
while True:
    message, fds, _, _ = socket.recv_fds(asked, 1 << 20, 16)
    if not message:
        os._exit(0)
    telling, told = os.pipe()
    between = os.fork()
    if not between:
        child = os.fork()
        if not child:
            break
        os.write(told, b"%d" % child)
        os._exit(0)
    os.close(told)  # nobody waits for a word from a process that could not be made
    os.waitpid(between, 0)  # from here on the child is the one's who asked
    asked.send(os.read(telling, 20) or b"0")
    for fd in (*fds, telling):
        os.close(fd)
for fd in (telling, told):
    os.close(fd)
asked.close()
want = json.loads(message)
high = [os.dup2(fd, 200 + number) for number, fd in enumerate(fds)]
for fd in fds:
    os.close(fd)
for fd, targets in zip(high, want["fds"], strict=True):
    for target in targets:
        os.dup2(fd, target)
    os.close(fd)
os.chdir(want["cwd"])
os.environ.clear()
os.environ.update(want["env"])
sys.argv = want["argv"]
exec(want["first"])
sys.exit(twistd.run())
"""


class Child:
    """A process from the nursery, with what tests need of ``subprocess.Popen``. ``stdout`` is all that it says."""

    def __init__(self, pid: int, stdout: IO[str]) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        """Return its exit code as ``Popen`` does, ``None`` while it runs."""
        with self._asking:
            if self.returncode is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float) -> int:
        """Return its exit code. Raises ``subprocess.TimeoutExpired``."""
        if self.poll() is None:
            fd = os.pidfd_open(self.pid)
            try:
                select.select([fd], [], [], timeout)
            finally:
                os.close(fd)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The process that forks."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans become our children, so that we can wait for them
        command = [str(BIN / "python"), "-P", "-c", _PROGRAM, str(theirs.fileno())]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._socket = ours
        theirs.close()
        atexit.register(self._close)

    def start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], pass_fds: Sequence[int], first: str = "") -> Child:
        """Fork, and have the child run *argv*, a command line of ``twistd``; before that the program *first*."""
        reading, writing = os.pipe()
        try:
            want = {"argv": list(argv), "cwd": str(cwd), "env": dict(env), "fds": [[1, 2], *([fd] for fd in pass_fds)], "first": first}
            socket.send_fds(self._socket, [json.dumps(want).encode()], [writing, *pass_fds])
        finally:
            os.close(writing)
        answer = self._socket.recv(_LONGEST)
        assert answer, "the nursery has ended"
        assert answer != b"0", "no process can be made"
        return Child(int(answer), os.fdopen(reading))

    def _close(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def nursery() -> Nursery:
    """Return the nursery of this process."""
    return Nursery()
