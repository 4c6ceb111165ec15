"""Regular files are written by a thread of their own: there is no way to write to a disk without waiting for it.

Rule 1. Who hands in a block never waits. Blocks that wait to be written are bounded (`LIMIT`); beyond that the file is one that takes
        nothing now, as a full pipe is.
Rule 2. A block is written whole and behind the one before it. While the disk is full it is tried again every `RETRY` seconds, until the
        file is closed: then what cannot be written is lost, and counted.
"""

import os
import queue
import threading

LIMIT = 1024 * 1024
"""Bytes that may wait."""
RETRY = 1.0
"""Seconds."""


class FileThread:
    """A ``Sink`` for the file behind *fd*, which it closes. ``failures`` counts attempts to write that failed, ``lost`` lines given up."""

    __slots__ = ("_blocks", "_closing", "_ended", "_fd", "_given", "_started", "_written", "failures", "lost")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._given = 0  # one side of the thread counts what it gave, the other what it wrote: neither needs a lock
        self._written = 0
        self._started = False
        self._closing = threading.Event()
        self._ended = threading.Event()
        self.failures = 0
        self.lost = 0

    def write(self, data: bytes) -> int:
        """Take *data*, or raise ``BlockingIOError`` while too much waits."""
        if self.waiting >= LIMIT:
            raise BlockingIOError
        if not self._started:
            self._started = True
            # a daemon, so that a disk that never answers cannot keep the process from ending
            threading.Thread(target=self._run, name="log file", daemon=True).start()
        self._given += len(data)
        self._blocks.put(data)
        return len(data)

    @property
    def waiting(self) -> int:
        """Bytes that are not written yet."""
        return self._given - self._written

    def close(self) -> None:
        """Take nothing more, and close the file behind what waits."""
        self._closing.set()
        if self._started:
            self._blocks.put(None)
        else:
            self._end()

    def join(self, seconds: float) -> bool:
        """Wait until all is written that can be, *seconds* at most; return whether it is."""
        return self._ended.wait(seconds)

    def _run(self) -> None:
        waiting = True
        while waiting:
            # all that is there at once: to come to its turn beside a busy loop may take this thread 5 ms each time
            blocks = [self._blocks.get()]
            while not self._blocks.empty():
                blocks.append(self._blocks.get())
            data = b"".join([block for block in blocks if block is not None])
            self._write(data)
            self._written += len(data)
            waiting = blocks[-1] is not None
        self._end()

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except OSError:
                self.failures += 1
                if self._closing.wait(RETRY):
                    self.lost += bytes(rest).count(b"\n")
                    return

    def _end(self) -> None:
        os.close(self._fd)
        self._ended.set()
