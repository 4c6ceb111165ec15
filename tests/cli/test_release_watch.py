"""`shifter release watch`, as a pipe and as a terminal have it."""

import json
import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from shifter.cli.release_watch import command
from tests.support.fake_releases import FakeReleases, fake_releases
from tests.support.programs import PATIENCE
from tests.support.release_scenes import release, story


@pytest.fixture
def fake() -> Iterator[FakeReleases]:
    with fake_releases() as fake:
        yield fake


def watch(fake: FakeReleases, *arguments: str) -> Result:
    return CliRunner().invoke(command, ["--admin", fake.address, *arguments])


@pytest.mark.parametrize("state, code", [("succeeded", 0), ("rolled back", 1), ("aborted", 2), ("superseded", 3)])
def test_it_ends_as_the_release_did(fake: FakeReleases, state: str, code: int) -> None:
    told = {**release("aborted", seconds=5), "state": state}
    fake.show(told, *story(told))
    result = watch(fake)
    assert result.exit_code == code, result.output
    assert result.stdout.splitlines()[-1].endswith(f"is {state}, step 2 of 5, 0 %: aborted by ben: wrong image")
    assert len(result.stdout.splitlines()) == 5


def test_it_goes_on_until_the_release_is_over(fake: FakeReleases) -> None:
    before, after = release("observing", seconds=5), release("succeeded", seconds=5)
    fake.show(before)
    fake.then = [lambda: fake.show(after, story(after)[-1])]
    result = watch(fake, before["name"])
    assert result.exit_code == 0
    assert ["is observing" in result.stdout, "succeeded" in result.stdout] == [True, True]


def test_it_comes_back_when_the_connection_is_lost(fake: FakeReleases) -> None:
    before, after = release("observing", seconds=5), release("succeeded", seconds=5)
    fake.show(before)
    fake.then = [fake.hang_up, lambda: fake.show(after)]
    result = watch(fake)
    assert result.exit_code == 0
    assert "the connection is lost: the proxy ended the stream" in result.stderr


def test_json_is_one_line_each(fake: FakeReleases) -> None:
    told = release("rolled back", seconds=5)
    fake.show(told, *story(told))
    result = watch(fake, "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["event"] * 4 + ["status"]
    assert (lines[-1]["state"], lines[-1]["evidence"]["value"], "series" in lines[-1]) == ("rolled back", 118.0, False)
    assert result.exit_code == 1


def test_the_one_that_runs_is_meant(fake: FakeReleases) -> None:
    assert "there is no release; " in watch(fake).stderr
    assert watch(fake).exit_code == 3  # 1 would say that it was rolled back
    fake.show({**release("succeeded", seconds=5), "name": "old"})
    fake.show({**release("observing", seconds=5), "name": "one"})
    assert "there is no release two; there are old, one" in watch(fake, "two").stderr
    fake.show({**release("observing", seconds=5), "name": "two"})
    result = watch(fake)
    assert (result.exit_code, result.stderr) == (3, "several releases run; say which: one, two\n")


def test_no_proxy() -> None:
    result = CliRunner().invoke(command, ["--admin", "127.0.0.1:1"])
    assert (result.exit_code, "cannot be reached" in result.stderr) == (3, True)


def test_in_a_terminal(fake: FakeReleases) -> None:
    before, after = release("observing", seconds=5), release("rolled back", seconds=5)
    fake.show(before)
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    arguments = [sys.executable, "-c", "from shifter.cli.release_watch import command; command()", "--admin", fake.address]
    environment = {**os.environ, "COLUMNS": "90", "LINES": "50", "TERM": "xterm"}
    process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT, start_new_session=True, env=environment)
    shown = b""
    while before["verdict"].encode() not in shown:
        assert select.select([ours], [], [], PATIENCE)[0], shown
        shown += os.read(ours, 65536)
    fake.show(after)
    while process.poll() is None or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.05)[0]:
            shown += os.read(ours, 65536)
    assert process.wait(PATIENCE) == 1
    screen, _, rest = shown.partition(b"\x1b[?25h\x1b[?1049l")
    assert screen.startswith(b"\x1b[?1049h\x1b[?25l\x1b[H")
    assert b"ROLLED BACK" in rest  # what it came to stays in sight
    assert termios.tcgetattr(theirs) == settings
    os.close(ours)
    os.close(theirs)
