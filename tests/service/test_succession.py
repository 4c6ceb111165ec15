"""What a service manager hears, and which sockets are passed on. The data path and the rest are the test's."""

import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed

from shifter.model.address import SocketAddress
from shifter.model.change import Actor, ChangeResult
from shifter.net.inherited import Handed
from shifter.net.listen import bind
from shifter.observe.server_stats import ServerStats
from shifter.service.app import ShifterService
from shifter.service.handover import HandoverError, Predecessor
from shifter.service.journal import NO_OVERRIDES
from shifter.service.succession import Succession
from tests.support.turns import PATIENCE, HandDriven


class Rest:
    """Plane, admin port, controller and ending in one."""

    snapshot = None
    inputs = None
    sockets: list[Handed]
    connections = 0
    draining = False

    def __init__(self) -> None:
        self.sockets = []
        self.copies: list[socket.socket] = []
        self.did: list[str] = []

    def hold(self, why: str) -> Deferred[None]:
        self.did.append(why)
        return succeed(None)

    def release(self) -> None:
        self.did.append("released")


class Going:
    """Releases."""

    def __init__(self, did: list[str]) -> None:
        self.did = did
        self.steered: object = None
        self.steer = self.memo = lambda *_: None
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1

    def hold(self) -> Deferred[None]:
        self.did.append("releases held")
        return succeed(None)

    def release(self) -> None:
        self.did.append("releases released")


class Lab:
    def __init__(self, **environment: str) -> None:
        self.reactor = HandDriven()
        self.heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"shifter-{os.getpid()}-succession"
        self.heard.bind(f"\0{name}")
        self.heard.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": f"@{name}", **environment}
        self.stats = ServerStats("1.0", 50.0, state="LIVE", config_version=3)
        self.rest: Any = Rest()
        self.releases: Any = Going(self.rest.did)

    def succession(self, predecessor: Predecessor | None = None) -> Succession:
        made = Succession(self.reactor, self.environment, predecessor)
        made.wire(*(self.rest,) * 4, self.stats, self.releases, left=lambda: self.rest.did.append("left"))
        return made

    @property
    def said(self) -> list[str]:
        """What has been said since the last time."""
        said: list[str] = []
        while True:
            try:
                said += self.heard.recv(10_000).decode().split("\n")
            except BlockingIOError:
                return said


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(WATCHDOG_USEC="4000000")
    yield lab
    lab.heard.close()
    assert not lab.reactor.readers
    assert not lab.reactor.getDelayedCalls()


def test_the_service_manager_hears_when_it_serves_and_that_it_lives(lab: Lab) -> None:
    succession = lab.succession()
    assert lab.said == []
    succession.started()
    assert lab.said == ["READY=1", "STATUS=serving configuration 3", "WATCHDOG=1"]
    lab.reactor.advance(2.0)
    assert lab.said == ["WATCHDOG=1"]
    succession.close()


def test_and_of_reloads(lab: Lab) -> None:
    succession = lab.succession()
    succession.started()
    assert lab.said
    over = succession.reloading(lambda: None, 12.5)
    assert lab.said == ["RELOADING=1", "MONOTONIC_USEC=12500000", "STATUS=reading the configuration"]
    over()
    assert lab.said == ["READY=1", "STATUS=serving configuration 3"]
    over = succession.reloading(lambda: None, 13.5)
    lab.rest.draining = True
    assert lab.said
    over()
    assert lab.said == []  # it has been told that the end is near
    succession.close()


def test_also_of_one_whose_end_nobody_waits_for(lab: Lab) -> None:
    succession = lab.succession()
    succession.started()
    assert lab.said
    asked: Deferred[ChangeResult] = Deferred()
    reloading = SimpleNamespace(reload=lambda actor: asked)
    service: Any = SimpleNamespace(_succession=succession, _monotonic=lambda: 12.5, _reloading=reloading, reload=reloading.reload)
    waiting = ShifterService.reload(service, Actor("ann"))
    assert "RELOADING=1" in lab.said
    waiting.cancel()  # the admin page's client has gone
    waiting.addErrback(lambda failure: failure.trap(CancelledError) and None)
    assert lab.said == ["READY=1", "STATUS=serving configuration 3"]
    succession.close()


def test_who_takes_over_is_heard_of_when_the_old_one_is_done(lab: Lab) -> None:
    ours, theirs = socket.socketpair()
    succession = lab.succession(Predecessor(theirs, [], 2, 10.0, NO_OVERRIDES))
    assert (lab.stats.restart_epoch, lab.stats.first_started) == (2, 10.0)
    assert lab.releases.steered == succession._predecessor.steer  # type: ignore[union-attr]
    succession.started()
    assert ours.recv(100) == b'{"ready": true}\n'
    assert lab.releases.begun == 0
    succession.reloading(lambda: None, 1.0)()
    assert lab.said == []
    ours.send(b'{"yours": true}\n{"connections": 12}\n')
    lab.reactor.turn()
    assert lab.said == ["READY=1", "STATUS=serving configuration 3", "WATCHDOG=1"]
    assert lab.stats.parent_connections == 12
    assert lab.releases.begun == 1
    ours.close()
    lab.reactor.turn()
    assert lab.stats.parent_connections == 0
    succession.close()


def test_who_would_serve_less_does_not_take_over(lab: Lab) -> None:
    ours, theirs = socket.socketpair()
    taking_over = lab.succession(Predecessor(theirs, [], 2, 10.0, NO_OVERRIDES))
    taking_over.check(list)
    with pytest.raises(HandoverError, match=r"a\.yaml: the secret a has not come; b\.yaml:1:1: what is this"):
        taking_over.check(lambda: ["a.yaml: the secret a has not come", "b.yaml:1:1: what is this"])
    taking_over.close()
    ours.close()
    lab.succession().check(lambda: ["whoever begins serves what there is"])


def test_sockets_that_nobody_wants(lab: Lab) -> None:
    ours, theirs = socket.socketpair()
    wanted, unwanted = (bind(SocketAddress("127.0.0.1", 0), 5) for _ in range(2))
    at = SocketAddress(*wanted.getsockname())
    succession = lab.succession(Predecessor(theirs, [Handed(wanted, at), Handed(unwanted, SocketAddress("::1", 7))], 1, 10.0, NO_OVERRIDES))
    with succession.listen(at, 5) as mine:
        assert mine.getsockname() == wanted.getsockname()
    succession.started()
    assert unwanted.fileno() < 0
    succession.close()
    ours.close()


@pytest.mark.parametrize(
    ("state", "pid", "parent", "why"),
    [("DRAINING", 5, "bash", "is ending"), ("LIVE", 1, "bash", "this container ends"), ("LIVE", 5, "tini", "this container ends")],
)
def test_not_everybody_can_hand_over(lab: Lab, monkeypatch: pytest.MonkeyPatch, state: str, pid: int, parent: str, why: str) -> None:
    succession = lab.succession()
    lab.stats.state = state
    monkeypatch.setattr(os, "getpid", lambda: pid)
    monkeypatch.setattr("shifter.service.succession._parent", lambda: parent)
    said: list[str] = []
    succession.restart().addCallback(said.append)
    assert why in said[0]
    assert lab.rest.did == []
    succession.close()


def test_files_that_changed_while_nothing_was_handed_over_are_read_then(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    succession = lab.succession()
    succession.started()
    monkeypatch.setattr("sys.orig_argv", ["python", "-c", "raise SystemExit(3)"])
    said: list[str] = []
    succession.restart().addCallback(said.append)
    succession.reloading(lambda: lab.rest.did.append("again"), 1.0)
    lab.reactor.turn()
    assert succession._handover is not None
    process: Any = succession._handover._process
    if process is not None:  # its line ends a moment before it does
        process.wait(PATIENCE)
        lab.reactor.advance(0.1)
    assert said == ["the new process ended with exit code 3; the log has more"]
    assert lab.rest.did == ["the proxy is handing over to a new process", "releases held", "released", "releases released", "again"]
    succession.close()
