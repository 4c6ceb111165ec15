"""Programs that live and die together."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from demo import crew as crew_module
from demo.addresses import Address
from demo.crew import Crew, Member, Program
from tests.support.programs import PATIENCE, free_ports

# Says "up", and on SIGTERM appends its name to a file: the order in which programs end.
POLITE = """
import signal, sys
def end(*_):
    open("ends", "a").write(sys.argv[1] + " ")
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up")
while True: signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up")
while True: signal.pause()
"""


def program(name: str, code: str) -> Program:
    return Program(name, (sys.executable, "-c", code, name))


async def started(crew: Crew, *programs: Program) -> Sequence[Member]:
    """Start them, and wait until each has said that it is up."""
    members = crew.start(*programs)
    for member in members:
        if not member.words:
            up: Deferred[str] = Deferred()
            member.show = up.callback
            await up.addTimeout(PATIENCE, reactor)
            member.show = None
    return members


@pytest_twisted.ensureDeferred
async def test_those_started_last_end_first(tmp_path: Path) -> None:
    crew = Crew(reactor, tmp_path)
    await started(crew, program("first", POLITE))
    await started(crew, program("second", POLITE))
    await crew.stop()
    assert (tmp_path / "ends").read_text() == "second first "
    assert not crew.lost.called


@pytest_twisted.ensureDeferred
async def test_deaf_one_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "PATIENCE", 0.05)
    crew = Crew(reactor, tmp_path)
    [member] = await started(crew, program("deaf", DEAF))
    await crew.stop()
    assert list(member.words) == ["up", "(ended by signal 9)"]


@pytest_twisted.ensureDeferred
async def test_one_that_ends_unasked_is_lost_with_its_last_words(tmp_path: Path) -> None:
    crew = Crew(reactor, tmp_path)
    crew.start(program("brief", "import sys; print('so'); print('it ends', end=''); sys.exit(3)"))
    lost = await crew.lost
    assert lost.last_words() == "brief:\n    so\n    it ends\n    (ended with exit code 3)"
    await crew.stop()


@pytest_twisted.ensureDeferred
async def test_accepting_is_waited_for(tmp_path: Path) -> None:
    [port] = free_ports(1)
    crew = Crew(reactor, tmp_path)
    await started(crew, program("quiet", POLITE))
    waiting = Deferred.fromCoroutine(crew.accepts(Address("127.0.0.1", port)))
    assert not waiting.called
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {port})); print('up')\nwhile True: s.accept()"
    await started(crew, program("listener", listen))
    await waiting.addTimeout(PATIENCE, reactor)
    await crew.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a program that its parent has died")
def test_leash_holds_when_the_parent_is_killed() -> None:
    leash = Path(crew_module.ROOT, "demo/leash.py")
    child = [sys.executable, str(leash), "PARENT", sys.executable, "-c", "print('up', flush=True); import signal; signal.pause()"]
    parent = f"import os, subprocess; c = {child!r}; c[2] = str(os.getpid()); subprocess.run(c)"
    # Whoever holds the pipe keeps it open: its end is the end of both.
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.kill(process.pid, signal.SIGKILL)
        assert process.communicate(timeout=PATIENCE)[0] == b""


def test_leash_without_a_parent_runs_nothing() -> None:
    leash = Path(crew_module.ROOT, "demo/leash.py")
    command = [sys.executable, str(leash), "1", sys.executable, "-c", "print('up')"]
    refused = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    assert (refused.returncode, refused.stdout) == (1, b"")
