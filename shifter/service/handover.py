"""A new process takes the place of this one, and no connection is refused or lost meanwhile (Envoy's hot restart).

Rule 1. The new process is this one's program with this one's arguments, as they are on disk now. It is given copies of the listening
        sockets, reads the configuration, warms up, accepts on the same sockets, and says so. Only then does this one close its copies and
        drain (`Ending.leave`): what waits in a socket's queue is the new one's.
Rule 2. Whatever goes wrong before that changes nothing: the new process is ended, this one goes on, and says why.
Rule 3. From the start of the new process on nothing is changed here (`Controller.hold`): it would be lost.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from zope.interface import implementer

from shifter.model.address import SocketAddress
from shifter.model.change import WeightOverride
from shifter.net.inherited import Handed, adopt
from shifter.service.holds import holds_from, plain_holds
from shifter.service.journal import FilesOverride, Overrides, ShifterError

PATIENCE = 60.0
"""Seconds that a new process has to begin to serve."""

VARIABLE = "SHIFTER_HANDOVER"
REQUESTS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that ask for something and end nothing."""
_NOT_PASSED_ON = (VARIABLE, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID")
ENDING = "the proxy is ending"
_GONE_WITHIN = 5.0
_TELL_EVERY = 1.0

_log = Logger()


class HandoverError(ShifterError):
    """A new process would serve less than the one that is there."""


class Process(Protocol):
    """A process that was started (``subprocess.Popen``)."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...


def start(fds: Sequence[int], environment: Mapping[str, str], directory: str | None = None) -> Process:
    """Start this program anew in *directory* (``None``: where we are), with *fds* and what we have inherited ourselves (an access log may
    be ``/dev/fd/3``). Raises ``OSError``."""
    for fd in fds:
        os.set_inheritable(fd, True)
    # What asks for something would kill a process that cannot listen yet. Blocked, it waits until that can (`hears`).
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        return _started(environment, directory)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hears() -> None:
    """Whoever has started this process may have had signals wait until now (`start`)."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)


def _started(environment: Mapping[str, str], directory: str | None) -> Process:
    return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=dict(environment), cwd=directory, close_fds=False)


@implementer(IReadDescriptor)
class Line:
    """One end of the line between two processes: *heard* gets what the other says, one JSON object at a time, *ended* its end."""

    def __init__(self, reactor: Any, sock: socket.socket, heard: Callable[[dict[str, Any]], None], ended: Callable[[], None]) -> None:
        self._reactor = reactor
        self._sock = sock
        self._heard = heard
        self._ended = ended
        self._buffer = b""
        sock.setblocking(False)
        reactor.addReader(self)

    def say(self, **words: object) -> None:
        """Say one thing; when nobody listens, nothing happens."""
        _say(self._sock, words)

    def close(self) -> None:
        """Hang up; *ended* is not called."""
        if self._sock.fileno() >= 0:
            self._reactor.removeReader(self)
            self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "handover"

    def doRead(self) -> None:
        try:
            data = self._sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.connectionLost(None)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._heard(json.loads(line))

    def connectionLost(self, reason: object) -> None:
        if self._sock.fileno() >= 0:
            self.close()
            self._ended()


def _say(sock: socket.socket, words: Mapping[str, object]) -> None:
    try:
        sock.send(json.dumps(words).encode() + b"\n")
    except OSError as error:
        _log.debug("the other process does not listen: {reason}", reason=str(error))


@dataclass(frozen=True, slots=True)
class Leaving:
    """What a process that hands over has others do: ``hold`` changes, which fires when none is under way with why nothing can
    be handed over (empty: it can), ``release`` them again, ``leave``
    once *pid* serves, count the ``connections`` that are left, say which ``overrides`` are in force, and what the new process has to know
    of ``releases`` that is written down nowhere (``None``: nothing); and share out the requests that are here as a release says by then
    (``steer``)."""

    hold: Callable[[], Deferred[str]]
    release: Callable[[], None]
    leave: Callable[[int], None]
    connections: Callable[[], int]
    overrides: Callable[[], Overrides]
    releases: Callable[[], Mapping[str, Any] | None]
    steer: Callable[[Mapping[str, Any]], None]


class Handover:
    """The side of the process that is there. *sockets* returns those that it listens on; *epoch* is how often this was done before, *since*
    when the first process began, in seconds of the wall clock."""

    def __init__(
        self,
        reactor: Any,
        sockets: Callable[[], Sequence[Handed]],
        leaving: Leaving,
        environment: Mapping[str, str],
        *,
        epoch: int = 0,
        since: float = 0.0,
        start: Callable[[Sequence[int], Mapping[str, str]], Process] = start,
    ) -> None:
        self._reactor = reactor
        self._sockets = sockets
        self._leaving = leaving
        self._environment = environment
        self._epoch = epoch
        self._since = since
        self._start = start
        self._done: Deferred[str] | None = None
        self._process: Process | None = None
        self._line: Line | None = None
        self._why = ""
        self._ending = False
        self._gone: Deferred[None] | None = None
        self._late: Any = None
        self._telling = LoopingCall(self._tell)
        self._telling.clock = reactor
        self.over = False
        """Whether somebody else has taken over."""

    def begin(self) -> Deferred[str]:
        """Hand over; fires with why that did not come about, or with nothing when it did."""
        if self._done is not None or self.over:
            return succeed("a new process has already been started")
        done = self._done = Deferred[str]()
        self._why = ""
        self._leaving.hold().addCallback(self._begin)
        return done

    @property
    def under_way(self) -> bool:
        """Whether a new process has been started that does not serve yet."""
        return self._done is not None

    def cancel(self) -> Deferred[None]:
        """The process is to end: so is a new one that does not serve yet. Fires when that is gone: as long as it has the listening sockets,
        clients are connected whom nobody serves."""
        self._ending = True
        if self._process is None or self._line is None or self._done is None:
            return succeed(None)
        self._why = ENDING
        gone = self._gone = Deferred[None]()
        if self._late.active():
            self._late.cancel()
            self._line.close()
            self._reap(0.0)
        else:
            self._process.kill()  # its end is waited for already
        return gone

    def close(self) -> None:
        """The process ends: hang up."""
        if self._telling.running:
            self._telling.stop()
        if self._done is not None and self._process is not None:
            self._process.kill()
        if self._line is not None:
            self._line.close()

    # inside

    def _begin(self, why: str) -> None:
        if why or self._ending:
            self._failed(why or ENDING)
            return
        try:
            ours = self._start_it()
        except OSError as error:  # also a directory for temporary files that is full, and no descriptor that is left
            self._failed(f"no process can be started: {error.strerror or error}")
            return
        assert self._process is not None
        _log.info("process {pid} is to take over", pid=self._process.pid)
        self._line = Line(self._reactor, ours, self._heard, self._ended)
        self._late = self._reactor.callLater(PATIENCE, self._too_late)

    def _start_it(self) -> socket.socket:
        """Start the new process; return our end of the line to it. Raises ``OSError``."""
        with ExitStack() as unneeded, ExitStack() as undone:
            ours, theirs = socket.socketpair()
            undone.enter_context(ours)
            unneeded.enter_context(theirs)
            sockets = self._sockets()
            for one in sockets:
                unneeded.enter_context(one.sock)
            told = [
                {"fd": one.sock.fileno(), "host": one.address.host, "port": one.address.port, "name": one.name, "kept": one.kept}
                for one in sockets
            ]
            words = {
                "line": theirs.fileno(),
                "sockets": told,
                "epoch": self._epoch + 1,
                "since": self._since,
                "overrides": _told(self._leaving.overrides()),
                "releases": self._leaving.releases(),
            }
            environment = {name: value for name, value in self._environment.items() if name not in _NOT_PASSED_ON}
            memo = unneeded.enter_context(TemporaryFile())  # an environment has no room for much
            memo.write(json.dumps(words).encode())
            memo.flush()
            environment[VARIABLE] = str(memo.fileno())
            self._process = self._start([theirs.fileno(), memo.fileno(), *(one.sock.fileno() for one in sockets)], environment)
            undone.pop_all()
        return ours

    def _heard(self, words: dict[str, Any]) -> None:
        if "refused" in words:
            self._why = str(words["refused"])
        elif "steer" in words:
            if self.over:
                self._leaving.steer(words["steer"])
        elif words.get("ready") and self._done is not None:
            assert self._process is not None and self._line is not None
            done, self._done = self._done, None
            self._late.cancel()
            self.over = True
            self._leaving.leave(self._process.pid)
            self._line.say(yours=True)
            self._telling.start(_TELL_EVERY)
            done.callback("")

    def _ended(self) -> None:
        if self._done is None:
            if self._telling.running:
                self._telling.stop()
            return
        self._late.cancel()
        self._reap(self._reactor.seconds() + _GONE_WITHIN)

    def _too_late(self) -> None:
        assert self._line is not None
        self._line.close()
        self._why = self._why or f"it did not begin to serve within {PATIENCE:.0f} s"
        self._reap(0.0)

    def _reap(self, until: float) -> None:
        """Wait for the end of the new process, and see to it from *until* on."""
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            if self._reactor.seconds() >= until:
                self._process.kill()
            self._reactor.callLater(0.05, self._reap, until)
            return
        self._failed(self._why or f"the new process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}; the log has more")

    def _failed(self, why: str) -> None:
        done, self._done = self._done, None
        self._process = None
        _log.error("nothing is handed over, this process goes on: {why}", why=why)
        self._leaving.release()
        if done is not None:
            done.callback(why)
        gone, self._gone = self._gone, None
        if gone is not None:
            gone.callback(None)

    def _tell(self) -> None:
        assert self._line is not None
        self._line.say(connections=self._leaving.connections())


class Predecessor:
    """The side of the process that is new: the one that is there, and what it has handed over. ``overrides`` are those that were in force:
    in a state directory there are the same. ``releases`` is what it knew of releases without one."""

    def __init__(
        self,
        sock: socket.socket,
        sockets: Sequence[Handed],
        epoch: int,
        since: float,
        overrides: Overrides,
        releases: Mapping[str, Any] | None = None,
    ) -> None:
        self.sockets = sockets
        self.overrides = overrides
        self.releases = releases
        self.epoch = epoch
        self.since = since
        self._sock = sock
        self._line: Line | None = None

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> "Predecessor | None":
        """Return who has started this process to take over, if somebody has; nobody learns of it from *environment* again."""
        text = environment.pop(VARIABLE, "")
        if not text:
            return None
        with open(int(text), "rb") as memo:
            memo.seek(0)
            words = json.load(memo)
        os.set_inheritable(words["line"], False)
        sockets = []
        for one in words["sockets"]:
            taken = adopt(one["fd"])
            if taken is not None:
                sockets.append(Handed(taken[0], SocketAddress(one["host"], one["port"]), one["name"], one["kept"]))
        known = _understood(words["overrides"]), words.get("releases")
        return cls(socket.socket(fileno=words["line"]), sockets, words["epoch"], words["since"], *known)

    def refuse(self, why: str) -> None:
        """Say why nothing comes of it, and hang up: this process is about to end."""
        _say(self._sock, {"refused": why})
        self.close()

    def ready(self, reactor: Any, ours: Callable[[], None], connections: Callable[[int], None]) -> None:
        """Say that this process accepts connections. *ours* is called when the other one does not any more, *connections* with how many it
        has left, now and then."""

        told = False

        def taken() -> None:
            nonlocal told
            if not told:
                told = True
                ours()

        def heard(words: dict[str, Any]) -> None:
            if words.get("yours"):
                taken()
            else:
                connections(int(words["connections"]))

        def ended() -> None:
            taken()  # whatever became of it
            connections(0)

        self._line = Line(reactor, self._sock, heard, ended)
        self._line.say(ready=True)

    def steer(self, shares: Mapping[str, Any]) -> None:
        """Have the requests that are still there shared out as releases say by now (`Releases.shares`)."""
        if self._line is not None:
            self._line.say(steer=shares)

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
        else:
            self._sock.close()


def _told(overrides: Overrides) -> dict[str, Any]:
    """Return *overrides* as JSON has it."""
    files = overrides.files
    return {
        "runtime": dict(overrides.runtime),
        "weights": [[one.route, dict(one.weights), dict(one.instead_of)] for one in overrides.weights.values()],
        "files": None if files is None else [{path: text.decode("latin-1") for path, text in files.texts.items()}, files.instead_of],
        "holds": plain_holds(overrides.holds),
    }


def _understood(told: Mapping[str, Any]) -> Overrides:
    """Undo `_told`."""
    weights = [WeightOverride(*one[:3]) for one in told["weights"]]  # an earlier version of shifter says more
    files = None
    if told["files"] is not None:
        texts, instead_of = told["files"]
        files = FilesOverride({path: text.encode("latin-1") for path, text in texts.items()}, instead_of)
    return Overrides(told["runtime"], {one.route: one for one in weights}, files, holds_from(told.get("holds", {})))
