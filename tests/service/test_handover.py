"""The two sides of a handover over a real line between them; processes are the test's, and time is a Clock."""

import errno
import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from shifter.model.address import SocketAddress
from shifter.model.change import WeightOverride
from shifter.model.release import RouteHold, RouteReference
from shifter.net.inherited import Handed
from shifter.net.listen import bind
from shifter.service.handover import ENDING, PATIENCE, REQUESTS, VARIABLE, Handover, Leaving, Predecessor, start
from shifter.service.journal import FilesOverride, Overrides
from tests.support.programs import ROOT
from tests.support.turns import HandDriven

OVERRIDES = Overrides(
    {"a.b": "5"},
    {"web": WeightOverride("web", {"one": 1}, {"one": 2, "two": 3})},
    FilesOverride({"front.yaml": b"\xff\n"}, "digest"),
    {"new": RouteHold("new", RouteReference(text="/"), "one", "two", errors=frozenset(("5xx", "reset")))},
)

RELEASES = {"records": [], "number": 7}


class Started:
    """A process that was started: the new side, in this one. It has the descriptors that it was given."""

    pid = 4711

    def __init__(self, fds: Sequence[int], environment: Mapping[str, str]) -> None:
        with open(int(environment[VARIABLE]), "rb", closefd=False) as memo:
            memo.seek(0)
            words = json.load(memo)
        words["line"] = os.dup(words["line"])
        for one in words["sockets"]:
            one["fd"] = os.dup(one["fd"])
        self.fds = list(fds)
        with TemporaryFile() as memo:
            memo.write(json.dumps(words).encode())
            memo.flush()
            self.environment = {**environment, VARIABLE: str(os.dup(memo.fileno()))}
        self.code: int | None = None
        predecessor = Predecessor.from_environment(self.environment)
        assert predecessor is not None
        self.predecessor = predecessor

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.code = -9

    def end(self, code: int) -> None:
        self.code = code
        self.predecessor.close()


class Old:
    """The side that hands over."""

    def __init__(self) -> None:
        self.reactor = HandDriven()
        self.listening = bind(SocketAddress("127.0.0.1", 0), 5)
        self.held: list[str] = []
        self.left: list[int] = []
        self.connections = 7
        self.started: list[Started] = []
        self.error: OSError | None = None
        self.resting: Deferred[str] = succeed("")
        self.steered: list[Mapping[str, object]] = []
        leaving = Leaving(
            *(self.hold, lambda: self.held.append("released"), self.left.append, lambda: self.connections, lambda: OVERRIDES),
            releases=lambda: RELEASES,
            steer=self.steered.append,
        )
        environment = {
            "HOME": "/",
            "NOTIFY_SOCKET": "/run/x",
            "LISTEN_PID": "1",
            "LISTEN_FDS": "1",
            "WATCHDOG_PID": "1",
            "WATCHDOG_USEC": "9",
        }
        self.handover = Handover(self.reactor, self.sockets, leaving, environment, epoch=2, since=1000.5, start=self.start)
        self.came: list[str] = []

    def hold(self) -> Deferred[str]:
        self.held.append("held")
        return self.resting

    def sockets(self) -> list[Handed]:
        return [
            Handed(self.listening.dup(), SocketAddress("127.0.0.1", 0), "front"),
            Handed(self.listening.dup(), SocketAddress("::1", 1), "", True),
        ]

    def start(self, fds: Sequence[int], environment: Mapping[str, str]) -> Started:
        if self.error is not None:
            raise self.error
        self.started.append(Started(fds, environment))
        return self.started[-1]

    def begin(self) -> Started | None:
        self.handover.begin().addCallback(self.came.append)
        return self.started[-1] if self.started else None

    def wait(self, seconds: float) -> None:
        self.reactor.pump([0.05] * round(seconds / 0.05))

    def close(self) -> None:
        self.handover.close()
        self.listening.close()
        for one in self.started:
            one.predecessor.close()
            for handed in one.predecessor.sockets:
                handed.sock.close()


@pytest.fixture
def old() -> Iterator[Old]:
    old = Old()
    yield old
    old.close()
    assert not old.reactor.readers


def test_the_new_process_gets_what_it_needs(old: Old) -> None:
    new = old.begin()
    assert new is not None
    assert {"HOME", "NOTIFY_SOCKET", "WATCHDOG_USEC"} == set(new.environment)
    assert (new.predecessor.epoch, new.predecessor.since, len(new.fds)) == (3, 1000.5, 4)
    [front, other] = new.predecessor.sockets
    assert (str(front.address), front.name, front.kept) == ("127.0.0.1:0", "front", False)
    assert (str(other.address), other.kept) == ("[::1]:1", True)
    assert front.sock.getsockname() == old.listening.getsockname()
    assert not front.sock.get_inheritable()
    assert old.handover.under_way and old.held == ["held"]
    assert new.predecessor.overrides == OVERRIDES
    assert new.predecessor.releases == RELEASES


def test_it_takes_over(old: Old) -> None:
    new = old.begin()
    assert new is not None
    ours: list[str] = []
    counts: list[int] = []
    new.predecessor.ready(old.reactor, lambda: ours.append("ours"), counts.append)
    assert old.came == []
    old.reactor.turn()
    assert (old.came, old.left, old.held, old.handover.over, old.handover.under_way) == ([""], [4711], ["held"], True, False)
    old.reactor.turn()
    assert (ours, counts) == (["ours"], [7])
    new.predecessor.steer({"r-1": {"share": 0}})
    old.reactor.turn()
    assert old.steered == [{"r-1": {"share": 0}}]
    old.connections = 2
    old.wait(1.0)
    old.reactor.turn()
    assert counts == [7, 2]
    old.handover.close()
    old.reactor.turn()
    assert (ours, counts) == (["ours"], [7, 2, 0])
    assert new.code is None
    old.wait(PATIENCE)
    old.handover.begin().addCallback(old.came.append)
    assert old.came[1:] == ["a new process has already been started"]


def test_it_takes_over_from_one_that_dies(old: Old) -> None:
    new = old.begin()
    assert new is not None
    ours: list[str] = []
    new.predecessor.ready(old.reactor, lambda: ours.append("ours"), lambda count: None)
    old.handover.close()
    old.reactor.turn()
    assert ours == ["ours"]


def test_it_refuses(old: Old) -> None:
    new = old.begin()
    assert new is not None
    new.predecessor.refuse("front.yaml:1:1: error: no such thing")
    new.end(1)
    old.reactor.turn()
    if old.handover.under_way:
        old.reactor.turn()
    assert old.came == ["front.yaml:1:1: error: no such thing"]
    assert (old.left, old.held, old.handover.over) == ([], ["held", "released"], False)
    old.begin()  # another one may do better
    assert len(old.started) == 2


@pytest.mark.parametrize(("code", "why"), [(1, "exit code 1"), (-11, "signal 11")])
def test_it_ends_without_a_word(old: Old, code: int, why: str) -> None:
    new = old.begin()
    assert new is not None
    new.predecessor.close()
    old.reactor.turn()
    old.wait(0.5)
    assert old.came == []  # it is given a moment to end
    new.code = code
    old.wait(0.1)
    assert old.came == [f"the new process ended with {why}; the log has more"]


def test_it_hangs_up_and_stays(old: Old) -> None:
    new = old.begin()
    assert new is not None
    new.predecessor.close()
    old.reactor.turn()
    old.wait(6.0)
    assert new.code == -9
    assert old.came == ["the new process ended with signal 9; the log has more"]


def test_it_takes_too_long(old: Old) -> None:
    new = old.begin()
    assert new is not None
    old.wait(PATIENCE - 1)
    assert old.came == []
    old.wait(2)
    assert new.code == -9
    assert old.came == ["it did not begin to serve within 60 s"]
    assert old.held == ["held", "released"]


def test_there_is_no_process_to_be_had(old: Old) -> None:
    old.error = OSError(11, "Resource temporarily unavailable")
    old.begin()
    assert old.came == ["no process can be started: Resource temporarily unavailable"]
    assert old.held == ["held", "released"]


def test_there_is_no_room_for_what_it_is_to_be_told(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("shifter.service.handover.TemporaryFile", full)
        old.begin()
    assert old.came == ["no process can be started: No space left on device"]
    assert (old.held, old.handover.under_way) == (["held", "released"], False)
    assert old.begin() is not None


def test_who_is_to_end_while_a_new_one_ends_by_itself_takes_it_along(old: Old) -> None:
    new = old.begin()
    assert new is not None
    new.predecessor.close()
    old.reactor.turn()
    gone = old.handover.cancel()
    assert new.code == -9
    old.wait(0.1)
    assert (old.came, old.held, gone.called) == ([ENDING], ["held", "released"], True)


def test_a_change_under_way_is_waited_for(old: Old) -> None:
    old.resting = Deferred()
    old.begin()
    assert old.started == []
    old.begin()
    assert old.came == ["a new process has already been started"]
    old.resting.callback("")
    assert len(old.started) == 1


def test_nothing_is_handed_over_that_another_process_would_not_know(old: Old) -> None:
    old.resting = succeed("it is not written down yet")
    old.begin()
    assert (old.came, old.started, old.held) == (["it is not written down yet"], [], ["held", "released"])


def test_who_is_to_end_hands_nothing_over(old: Old) -> None:
    new = old.begin()
    assert new is not None
    gone = old.handover.cancel()
    assert new.code == -9 and not gone.called
    old.wait(0.1)
    assert old.came == [ENDING] and gone.called
    assert old.handover.cancel().called
    assert old.begin() is new
    assert old.came == [ENDING, ENDING]


def test_who_ends_takes_the_one_along_that_was_to_take_over(old: Old) -> None:
    new = old.begin()
    assert new is not None
    old.handover.close()
    assert new.code == -9


def test_nobody_was_there() -> None:
    assert Predecessor.from_environment({"HOME": "/"}) is None


def test_a_process_is_this_program_again(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    program = "import os, sys; os.write(int(sys.argv[1]), os.environb[b'WORD'])"
    monkeypatch.setattr("sys.orig_argv", ["python", "-c", program, str(writing)])
    process: Any = start([writing], {"WORD": "hello"})
    os.close(writing)
    assert os.read(reading, 100) == b"hello"
    os.close(reading)
    assert process.wait() == 0


def test_who_asks_something_of_a_process_that_cannot_listen_yet_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    program = (
        "import os, signal, sys\n"
        "from shifter.service.handover import REQUESTS, hears\n"
        "for number in REQUESTS: os.kill(os.getpid(), number)\n"
        "heard = []\n"
        "for number in REQUESTS: signal.signal(number, lambda number, frame: heard.append(number))\n"
        "hears()\n"
        "os.write(int(sys.argv[1]), bytes(sorted(heard)))"
    )
    monkeypatch.setattr("sys.orig_argv", ["python", "-c", program, str(writing)])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    process: Any = start([writing], os.environ, str(ROOT))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    os.close(writing)
    assert os.read(reading, 100) == bytes(sorted(REQUESTS))
    os.close(reading)
    assert process.wait() == 0


def test_a_line_carries_what_comes_in_pieces(old: Old) -> None:
    new = old.begin()
    assert new is not None
    raw = new.predecessor._sock
    assert isinstance(raw, socket.socket)
    for piece in (b'{"refu', b'sed": "a"}\n{"refused"', b': "b"}\n'):
        raw.send(piece)
        old.reactor.turn()
    new.end(1)
    old.reactor.turn()
    assert old.came == ["b"]
