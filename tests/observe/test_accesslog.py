"""Access log files lose nothing they can keep, and never more than lines."""

import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shifter.observe.accesslog import AccessLogError, AccessLogWriter, Sink, open_sink


class FakeSink:
    """Takes as many bytes as it was told to; then would block, or fails with *error*."""

    def __init__(self, room: int = 1 << 40, error: OSError | None = None) -> None:
        self.room = room
        self.error = error or BlockingIOError(errno.EAGAIN, "full")
        self.taken = b""
        self.closed = False
        self.tries = 0

    def write(self, data: bytes) -> int:
        self.tries += 1
        if not self.room:
            raise self.error
        taken = data[: self.room]
        self.taken += taken
        self.room -= len(taken)
        return len(taken)

    def close(self) -> None:
        self.closed = True


_: Sink = FakeSink()


def a_writer(*sinks: FakeSink) -> AccessLogWriter:
    made = list(sinks)
    return AccessLogWriter("/some/log", lambda path: made.pop(0))


LINE = b"x" * 99 + b"\n"


def test_lines_wait_for_a_flush() -> None:
    sink = FakeSink()
    writer = a_writer(sink)
    writer.write(b"one\n")
    writer.write(b"two\n")
    assert sink.taken == b""
    writer.flush()
    writer.flush()
    assert (sink.taken, sink.tries, writer.lines, writer.lost) == (b"one\ntwo\n", 1, 2, 0)
    assert repr(writer) == "<AccessLogWriter '/some/log' lines=2 lost=0 waiting=0>"


def test_a_full_block_is_written_at_once() -> None:
    sink = FakeSink()
    writer = a_writer(sink)
    for _ in range(656):
        writer.write(LINE)
    assert sink.taken == LINE * 656


def test_a_blocked_sink_gets_the_rest_later_and_in_order() -> None:
    sink = FakeSink(room=5)
    writer = a_writer(sink)
    writer.write(b"one\n")
    writer.write(b"two\n")
    writer.flush()
    writer.write(b"three\n")
    sink.room = 1 << 40
    writer.flush()
    assert (sink.taken, writer.lost) == (b"one\ntwo\nthree\n", 0)


@pytest.mark.parametrize("error", [BlockingIOError(errno.EAGAIN, ""), OSError(errno.ENOSPC, ""), BrokenPipeError(errno.EPIPE, "")])
def test_a_sink_that_takes_nothing_costs_whole_lines_and_bounded_memory(error: OSError) -> None:
    sink = FakeSink(room=150, error=error)
    writer = a_writer(sink)
    for _ in range(20_000):
        writer.write(LINE)
    assert writer.lost > 0
    assert sink.tries < 10  # not one try for every request
    sink.room = 1 << 40
    writer.flush()
    assert sink.taken == LINE * (20_000 - writer.lost)
    assert len(sink.taken) <= (1 << 20) + 150
    assert writer.failures > 0


def test_closing_writes_what_it_can_and_counts_the_rest() -> None:
    sink = FakeSink(room=4)
    writer = a_writer(sink)
    writer.write(b"one\n")
    writer.write(b"two\n")
    writer.close()
    assert (sink.taken, sink.closed, writer.lost) == (b"one\n", True, 1)


def test_reopening_goes_on_in_the_new_file() -> None:
    old, new = FakeSink(), FakeSink()
    writer = a_writer(old, new)
    writer.write(b"one\n")
    writer.reopen()
    writer.write(b"two\n")
    writer.flush()
    assert (old.taken, old.closed, new.taken, writer.lost) == (b"one\n", True, b"two\n", 0)


def test_a_line_torn_by_reopening_is_not_half_in_the_new_file() -> None:
    old, new = FakeSink(room=6), FakeSink()
    writer = a_writer(old, new)
    for line in (b"one\n", b"two\n", b"three\n"):
        writer.write(line)
    writer.reopen()
    assert (old.taken, new.taken, writer.lost) == (b"one\ntw", b"three\n", 1)


def test_a_reopening_that_fails_keeps_the_old_file() -> None:
    sinks: list[FakeSink] = [FakeSink()]
    sink = sinks[0]

    def opener(path: str) -> Sink:
        if not sinks:
            raise PermissionError(errno.EACCES, "no")
        return sinks.pop()

    writer = AccessLogWriter("/some/log", opener)
    writer.reopen()
    writer.write(b"one\n")
    writer.flush()
    assert (sink.taken, sink.closed, writer.reopen_failures) == (b"one\n", False, 1)


def test_a_real_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"zero\n")
    writer = AccessLogWriter(str(path))
    writer.write(b"one\n")
    writer.flush()
    path.rename(tmp_path / "access.log.1")
    writer.reopen()
    writer.write(b"two\n")
    writer.close()
    writer.join(60)
    assert (tmp_path / "access.log.1").read_bytes() == b"zero\none\n"
    assert path.read_bytes() == b"two\n"


def test_a_file_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(AccessLogError, match=r"cannot open access log .*No such file or directory"):
        AccessLogWriter(str(tmp_path / "missing" / "access.log"))


def test_a_pipe_that_nobody_reads_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = AccessLogWriter(str(path))
    for _ in range(15_000):
        writer.write(LINE)
    writer.flush()
    assert writer.lost > 0
    got = b""
    while len(got) < (writer.lines - writer.lost) * len(LINE):
        got += os.read(reader, 1 << 20)
        writer.flush()
    assert got == LINE * (writer.lines - writer.lost)
    os.close(reader)
    writer.write(LINE)
    writer.close()
    assert writer.failures > 0


def test_standard_output_that_is_a_file_is_shared_with_what_else_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    code = """
import os
from shifter.observe.accesslog import AccessLogWriter
writer = AccessLogWriter('/dev/stdout')
os.write(1, b'first\\n')
writer.write(b'second\\n')
writer.close()
writer.join(60)
os.write(1, b'third\\n')
"""
    with path.open("wb") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True, cwd=Path(__file__).parents[2])
    assert path.read_bytes() == b"first\nsecond\nthird\n"


@contextlib.contextmanager
def standard_output(descriptor: int) -> Iterator[None]:
    saved = os.dup(1)
    os.dup2(descriptor, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def fill(sink: Sink) -> None:
    """Write until the sink would block; fails when it never does."""
    for _ in range(30_000):
        try:
            sink.write(LINE)
        except BlockingIOError:
            return
    pytest.fail("a sink nobody reads took everything")


def test_standard_output_that_is_a_pipe_stays_blocking_for_its_other_users() -> None:
    read, write = os.pipe()
    with standard_output(write):
        sink = open_sink("/dev/stdout")
        fill(sink)
        assert os.get_blocking(1)
        sink.close()
    os.close(read)
    os.close(write)


def test_standard_output_of_another_owner_does_not_block_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str, flags: int, mode: int = 0) -> int:
        raise PermissionError(errno.EACCES, "not yours", path)

    read, write = os.pipe()
    with standard_output(write), monkeypatch.context() as patch:
        patch.setattr(os, "open", refused)
        sink = open_sink("/dev/stdout")
        fill(sink)
        assert os.get_blocking(1)
        sink.close()
    assert os.read(read, 100) == LINE
    os.close(read)
    os.close(write)


def test_standard_output_that_is_a_socket_does_not_block() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with standard_output(theirs.fileno()):
            sink = open_sink("/dev/stdout")
            fill(sink)
            assert os.get_blocking(1)
            sink.close()
        assert ours.recv(100) == LINE


def test_a_named_pipe_is_written_when_somebody_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = AccessLogWriter(str(path))
    writer.write(b"one\n")
    writer.flush()
    assert (writer.lost, writer.failures) == (0, 1)
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        writer.write(b"two\n")
        writer.flush()
        assert reader.read(100) == b"one\ntwo\n"
        writer.close()
        assert reader.read(100) == b""


def test_a_named_pipe_that_nobody_reads_can_be_closed(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = AccessLogWriter(str(path))
    writer.write(b"one\n")
    writer.close()
    assert writer.lost == 1
