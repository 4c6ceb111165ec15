"""`shifter top`, as a pipe and as a terminal have it."""

import json
import os
import pty
import select
import subprocess
import termios
from typing import Any

from click.testing import CliRunner, Result

from shifter.cli import main
from tests.cli.test_figures import CLUSTERS, HELLO, TOPOLOGY
from tests.support.answering import answering
from tests.support.programs import BIN, PATIENCE


def stream(*frames: dict[str, Any]) -> str:
    told = [("hello", HELLO), ("state", {"state": "LIVE", "version": 7, "problems": []}), ("topology", TOPOLOGY), ("clusters", CLUSTERS)]
    told += [("figures", {"t": 1001.0 + number, "seconds": 1.0, **frame}) for number, frame in enumerate(frames)]
    return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)


BUSY = {"clusters": {"a": {"rq": 40, "e5": 1, "h": [1, 40]}}, "managers": {"front x": {"rq": 40}}}


def top(*arguments: str, text: str) -> Result:
    with answering({"/events": (200, text)}) as admin:
        return CliRunner().invoke(main, ["top", "--admin", admin.address, *arguments])


def test_one_sample_as_text() -> None:
    result = top(text=stream(BUSY, BUSY))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "shifter 1.2.3  LIVE  configuration 7  up 0:01:42  40.0 requests/s  0% errors"
    assert lines[3] == "all: prefix /"
    assert lines[4].split()[:5] == ["a", "1", "25.0%", "40.0", "2.5%"]


def test_samples_as_json() -> None:
    result = top("--json", "--interval", "1", "-n", "2", text=stream(BUSY, {}))
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["rps"], second["rps"], first["config_version"]) == (40, 0, 7)
    assert first["clusters"][0]["cluster"] == "a"
    assert first["clusters"][0]["p50"] == 5.5


def test_no_proxy() -> None:
    result = CliRunner().invoke(main, ["top", "--admin", "127.0.0.1:1"])
    assert result.exit_code == 3
    assert "cannot be reached" in result.stderr


def test_something_else_than_a_proxy() -> None:
    assert top(text="event: hello\ndata: nonsense\n\n").exit_code == 3


def test_in_a_terminal() -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with answering({"/events": (200, stream(BUSY, BUSY))}) as admin:
        command = [str(BIN / "shifter"), "top", "--admin", admin.address]
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT, start_new_session=True)
        shown = b""
        while b"reconnecting: the proxy ended the stream" not in shown:
            assert select.select([ours], [], [], PATIENCE)[0], shown
            shown += os.read(ours, 65536)
        os.write(ours, b"q")
        assert process.wait(PATIENCE) == 0
        while select.select([ours], [], [], 0)[0]:
            shown += os.read(ours, 65536)
    assert shown.startswith(b"\x1b[?1049h\x1b[?25l\x1b[H")
    assert shown.endswith(b"\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
