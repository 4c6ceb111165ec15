"""Access log files: lines gathered in memory and written by the block, without ever making a request wait.

Rule 1. `AccessLogWriter.write` is called once a request: it appends to a buffer and, one time in hundreds, writes it out.
Rule 2. After opening, nothing here raises and nothing waits. A full disk or a reader that does not read costs log lines,
        which are counted (`AccessLogWriter.lost`), never requests; the buffer is bounded.
Rule 3. A regular file is written by a thread (`writerthread`), for a disk may take its time; everything else can say that it would block.
        A pipe that nobody reads yet is opened when somebody does.
Rule 4. Lines are written whole and in order. Only a file that is exchanged while half a line is written loses the other half.
"""

import contextlib
import errno
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from typing import Protocol

from shifter.observe.errors import ShifterError
from shifter.observe.writerthread import FileThread

_BLOCK = 64 * 1024
_LIMIT = 1024 * 1024


class AccessLogError(ShifterError):
    """An access log cannot be opened."""


class Sink(Protocol):
    """Where an access log goes. ``write`` takes what it can without waiting, says how many bytes, or raises ``OSError``."""

    def write(self, data: bytes, /) -> int: ...

    def close(self) -> None: ...


def open_sink(path: str) -> Sink:
    """Open *path* for appending; ``/dev/stdout`` and ``/dev/stderr`` are the process's own, whatever they are.

    Raises `OSError`.
    """
    standard = {"/dev/stdout": 1, "/dev/stderr": 2}.get(path)
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    if standard is None:
        try:
            fd = os.open(path, flags | os.O_CREAT, 0o644)
        except OSError as error:
            if error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(path).st_mode):
                return _Unread(path, flags)
            raise
        return FileThread(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else _Descriptor(fd)
    kind = os.fstat(standard).st_mode
    if stat.S_ISSOCK(kind):
        return _Socket(standard)
    if not stat.S_ISREG(kind):
        # Not our descriptor made non-blocking: that would show through to every process that shares it. Opening anew is
        # refused when somebody else owns the pipe (a container's log, a program run under su).
        with contextlib.suppress(OSError):
            return _Descriptor(os.open(path, flags))
        return _Polite(os.dup(standard))
    # The same place in the same file as everything else that is printed, or one would overwrite the other.
    return FileThread(os.dup(standard))


class AccessLogWriter:
    """One access log. ``lines`` counts lines taken, ``writes`` blocks handed on.

    *opener* makes the sink for *path*. Raises `AccessLogError` when it cannot.
    """

    __slots__ = (
        "_blocked", "_buffer", "_failures", "_former", "_lost", "_opener", "_sink", "_torn", "lines", "path", "reopen_failures", "writes",
    )  # fmt: skip

    def __init__(self, path: str, opener: Callable[[str], Sink] = open_sink) -> None:
        self.path = path
        self.lines = 0
        self.writes = 0
        self.reopen_failures = 0
        self._lost = 0
        self._failures = 0
        self._former: list[FileThread] = []
        self._opener = opener
        self._buffer = bytearray()
        self._blocked = False
        self._torn = False
        try:
            self._sink: Sink | None = opener(path)
        except OSError as error:
            raise AccessLogError(f"cannot open access log {path!r}: {error.strerror or error}") from error

    def write(self, line: bytes) -> None:
        """Take one line (with its line end)."""
        self.lines += 1
        self._buffer += line
        if len(self._buffer) >= _BLOCK:
            self._full(line)

    def flush(self) -> None:
        """Write what was gathered, as far as that goes without waiting."""
        buffer = self._buffer
        if self._sink is None:
            return
        try:
            while buffer:
                # up to the end of a line where there is one: others may write to the same pipe between two of our writes
                end = buffer.rfind(b"\n", 0, _BLOCK) + 1 or _BLOCK
                written = self._sink.write(bytes(buffer[:end]))
                self.writes += 1
                self._torn = buffer[written - 1] != 0x0A if written else self._torn
                del buffer[:written]
                if not written:
                    break
        except OSError:
            self._failures += 1
        self._blocked = bool(buffer)

    def reopen(self) -> None:
        """Open the path anew, for log rotation. When that fails the old file stays in use."""
        self.flush()
        try:
            sink = self._opener(self.path)
        except OSError:
            self.reopen_failures += 1
            return
        if self._torn:
            # The first half of this line is in the old file.
            del self._buffer[: self._buffer.find(b"\n") + 1]
            self._torn = False
            self._lost += 1
        self._close_sink()
        self._sink = sink
        self.flush()

    def close(self) -> None:
        """Write what can be written without waiting and close; what cannot be is lost. Nothing may be written afterwards."""
        self.flush()
        self._lost += self._buffer.count(b"\n")
        self._buffer.clear()
        self._close_sink()

    def join(self, seconds: float) -> None:
        """Wait until what was handed to threads is written, *seconds* at most for each file. For who is about to end."""
        for thread in self._former:
            thread.join(seconds)

    @property
    def lost(self) -> int:
        """How many lines were given up."""
        return self._lost + sum(thread.lost for thread in self._threads())

    @property
    def failures(self) -> int:
        """How many attempts to write have failed."""
        return self._failures + sum(thread.failures for thread in self._threads())

    def __repr__(self) -> str:
        return f"<AccessLogWriter {self.path!r} lines={self.lines} lost={self.lost} waiting={len(self._buffer)}>"

    def _full(self, line: bytes) -> None:
        # A sink that was blocked is tried again by the next flush from outside, not by every request.
        if not self._blocked:
            self.flush()
        if len(self._buffer) > _LIMIT:
            del self._buffer[-len(line) :]
            self._lost += 1

    def _threads(self) -> Iterator[FileThread]:
        yield from self._former
        if isinstance(self._sink, FileThread):
            yield self._sink

    def _close_sink(self) -> None:
        if self._sink is not None:
            with contextlib.suppress(OSError):
                self._sink.close()
            for thread in [one for one in self._former if one.join(0)]:
                self._former.remove(thread)
                self._lost += thread.lost
                self._failures += thread.failures
            if isinstance(self._sink, FileThread):
                self._former.append(self._sink)
        self._sink = None


class _Descriptor:
    """A file, or a pipe or terminal that this process opened for itself and without blocking."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def close(self) -> None:
        os.close(self._fd)


class _Unread:
    """A named pipe that nobody reads: until somebody does it takes nothing."""

    def __init__(self, path: str, flags: int) -> None:
        self._path = path
        self._flags = flags
        self._pipe: _Descriptor | None = None

    def write(self, data: bytes) -> int:
        if self._pipe is None:
            self._pipe = _Descriptor(os.open(self._path, self._flags))
        return self._pipe.write(data)

    def close(self) -> None:
        if self._pipe is not None:
            self._pipe.close()


class _Polite(_Descriptor):
    """A pipe or terminal that others share and that may block: POSIX promises that ``PIPE_BUF`` bytes go through a pipe
    that polls as writable."""

    def write(self, data: bytes) -> int:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError
        return os.write(self._fd, data[: select.PIPE_BUF])


class _Socket:
    """A stream socket that others share (systemd's journal)."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=os.dup(fd))

    def write(self, data: bytes) -> int:
        return self._socket.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def close(self) -> None:
        self._socket.close()
