"""The operations log over a pipe that nobody reads: nothing waits, and what is lost is told."""

import json
import os
import select
import sys

import pytest
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.observe import writerthread
from shifter.observe.writerthread import FileThread
from shifter.service.printed_log import PrintedLog, json_lines


def read(fd: int, end: bytes) -> bytes:
    said = b""
    while not said.endswith(end):
        said += os.read(fd, 1 << 16)
    return said


def test_what_is_written_arrives() -> None:
    reader, writer = os.pipe()
    log = PrintedLog(FileThread(writer))
    assert log.write("one\n") == 4
    log.write("zwei \N{SNOWMAN} \udcff\n")
    assert read(reader, b"udcff\n") == "one\nzwei \N{SNOWMAN} \\udcff\n".encode()
    assert log.encoding == "utf-8" and log.writable()
    log._finish()
    os.close(reader)


def test_a_pipe_that_nobody_reads_keeps_nobody_waiting() -> None:
    reader, writer = os.pipe()
    sink = FileThread(writer)
    log = PrintedLog(sink)
    line = "x" * 999 + "\n"
    lines = writerthread.LIMIT // 1000 + 200  # more than the pipe and the thread take
    for _ in range(lines):
        log.write(line)
    got = b""
    while sink.waiting:
        if select.select([reader], [], [], 0.01)[0]:
            got += os.read(reader, 1 << 16)
    log.write("there again\n")
    got += read(reader, b"again\n")
    *whole, note, last = got.decode().splitlines()
    assert set(whole) == {"x" * 999} and last == "there again"
    assert note == f"[{lines - len(whole)} lines of this log are lost: nobody has read them in time]"
    log._finish()
    os.close(reader)


def test_events_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    log = PrintedLog(FileThread(writer))
    monkeypatch.setattr(sys, "stdout", log)
    observer = json_lines()
    logger = Logger("shifter.here", observer=observer)
    logger.warn('{what}\nin "two" lines', what="told")
    logger.failure("it failed", Failure(ValueError("because")))
    print(log.lost_words(7), end="", file=log)
    print("end", file=log)
    first, second, third, _ = read(reader, b"end\n").decode().splitlines()
    told = json.loads(first)
    assert (told["level"], told["logger"], told["message"]) == ("warn", "shifter.here", 'told\nin "two" lines')
    assert told["time"][4] == told["time"][7] == "-"
    assert "it failed" in json.loads(second)["message"] and "ValueError: because" in json.loads(second)["message"]
    assert json.loads(third) == {
        "time": None,
        "level": "info",
        "logger": "shifter.service.printed_log",
        "message": "7 lines of this log are lost: nobody has read them in time",
    }
    log._finish()
    os.close(reader)
