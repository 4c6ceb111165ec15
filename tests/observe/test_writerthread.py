"""Files are written in order and whole, and nobody waits for a disk."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.accesslog import AccessLogWriter, Sink
from shifter.observe.writerthread import LIMIT, FileThread

LONG = 60.0


def proof(sink: FileThread) -> Sink:  # mypy proves that it is one
    return sink


@given(blocks=st.lists(st.binary(min_size=1), max_size=20))
def test_blocks_are_written_in_their_order(tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    thread = FileThread(os.open(path, os.O_WRONLY | os.O_CREAT))
    for block in blocks:
        assert thread.write(block) == len(block)
    thread.close()
    assert thread.join(LONG)
    assert path.read_bytes() == b"".join(blocks)
    assert (thread.failures, thread.lost) == (0, 0)


def test_a_full_disk_keeps_nobody_waiting() -> None:
    thread = FileThread(os.open("/dev/full", os.O_WRONLY))
    block = b"line\n" * (LIMIT // 10)
    for _ in range(3):
        thread.write(block)
    with pytest.raises(BlockingIOError):
        thread.write(b"more\n")
    thread.close()
    assert thread.join(LONG)
    assert thread.failures >= 1
    assert thread.lost == 3 * (LIMIT // 10)


def test_what_a_writer_gave_to_its_thread_is_counted_for_good(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.symlink_to("/dev/full")
    opened = [FileThread(os.open(path, os.O_WRONLY)), FileThread(os.open(path, os.O_WRONLY))]
    writer = AccessLogWriter(str(path), lambda _: opened.pop())
    writer.write(b"one\n")
    writer.reopen()
    writer.write(b"two\n")
    writer.close()
    writer.join(LONG)
    assert writer.lost == 2
    assert writer.failures >= 2
