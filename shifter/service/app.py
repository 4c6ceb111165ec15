"""The service that ``twistd shifter`` and ``shifter run`` start.

Rule 1. It leads: it reads configurations, hands them to the data path, serves the admin listener, and reacts to signals.
        It holds nothing that a request needs.
Rule 2. A change either happens whole or not at all; one is carried out at a time, and a wish that comes meanwhile is
        remembered once.
Rule 3. SIGTERM drains: no new connections, ``connection: close`` behind the next answers, and the end when nothing is left
        or `DRAIN_DEADLINE` has passed. A second SIGTERM ends it at once. SIGHUP reads the configuration again.
"""

import gc
import random
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger

from shifter import __version__
from shifter.admin import AdminSite, ServerInfo
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Snapshot
from shifter.model.report import Report
from shifter.net.listen import ListenError, bind
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.accesslog import AccessLogError
from shifter.observe.stats import ServerStats
from shifter.proxy.filterchain import FilterError
from shifter.routing.errors import RoutingError
from shifter.service.plane import DataPlane, Prepared
from shifter.service.sources import Candidate, FileSource
from shifter.wire.heads import IMPLEMENTATION

DRAIN_DEADLINE = 30.0
"""Seconds that requests under way may take to finish after SIGTERM."""

ADMIN_BACKLOG = 50

CANNOT = (ListenError, AccessLogError, RoutingError, FilterError, TlsMaterialError)
"""Why a configuration that was read without problems may still not be served here and now."""

_log = Logger()


@dataclass(slots=True)
class _Change:
    """A configuration on its way: what the data path prepared, and the admin listener's socket when that moves."""

    prepared: Prepared
    admin: socket.socket | None
    moves_admin: bool


class ShifterService(MultiService):
    """See the module. *first* is the candidate that was read, and found good, before the service was made.

    Raises one of `CANNOT` when it cannot be served: a service that cannot start is not made.
    """

    def __init__(
        self,
        reactor: Any,
        source: FileSource,
        first: Candidate,
        dns_servers: Sequence[SocketAddress] = (),
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types there
        self._reactor = reactor
        self._wall = wall
        self._source = source
        self._stats = ServerStats(__version__, wall())
        self._plane = DataPlane(reactor, monotonic, wall, partial(random.getrandbits, 63), self._stats, dns_servers, socket.gethostname())
        self._snapshot: Snapshot | None = None
        self._problems: tuple[str, ...] = ()
        self._changing = False
        self._again = False
        self._draining = False
        self._admin_port: Any = None
        self._old_handlers: list[tuple[int, Any]] = []
        self._first = self._lay_out(first)
        self.started: Deferred[None] = Deferred()
        """Fires when the first configuration is being served."""

    # twisted.application

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._plane.start()
        self._catch(signal.SIGHUP, self.reload)
        self._catch(signal.SIGTERM, self.terminate)
        # a reactor that starts puts its own handler for SIGTERM in place of whatever is there
        self._reactor.callWhenRunning(self._catch, signal.SIGTERM, self.terminate)
        self._carry_out(self._first).addCallback(self._begun)

    def stopService(self) -> Deferred[None]:
        for number, handler in reversed(self._old_handlers):
            signal.signal(number, handler)
        self._old_handlers = []
        done = maybeDeferred(super().stopService)
        if self._admin_port is not None:
            done.addCallback(lambda _: self._admin_port.stopListening())
        return done.addCallback(lambda _: self._plane.stop())

    def _catch(self, number: int, react: Callable[[], object]) -> None:
        """Have the reactor call *react* on a signal, as Twisted does for its own."""
        try:
            old = signal.signal(number, lambda *_: self._reactor.callFromThread(react))
        except ValueError:
            return  # not the main thread: signals are somebody else's business
        self._old_handlers.append((number, old))

    def _begun(self, _: object) -> None:
        # what exists by now stays: keep the collector from walking over it again and again
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        self._stats.state = "LIVE"
        _log.info("shifter {version} serves {source}", version=__version__, source=self._source.path)
        self.started.callback(None)

    # changing the configuration

    def reload(self) -> Deferred[bool]:
        """Read the configuration again and serve it if it is good; fires with whether it is served."""
        if self._draining:
            return succeed(False)
        if self._changing:
            self._again = True
            return succeed(False)
        candidate = self._source.read()
        for warning in candidate.warnings:
            _log.warn("{warning}", warning=warning)
        if candidate.bootstrap is None:
            self._refused(candidate.problems)
            return succeed(False)
        try:
            change = self._lay_out(candidate)
        except CANNOT as error:
            self._refused((str(error),))
            return succeed(False)
        return self._carry_out(change).addCallback(lambda _: True)

    def _lay_out(self, candidate: Candidate) -> _Change:
        assert candidate.bootstrap is not None
        version = 1 if self._snapshot is None else self._snapshot.version + 1
        snapshot = Snapshot(version, candidate.bootstrap, candidate.source, candidate.document)
        old = self._snapshot.bootstrap.admin if self._snapshot else None
        new = snapshot.bootstrap.admin
        admin = bind(new.address, ADMIN_BACKLOG) if new is not None and new != old else None
        try:
            return _Change(self._plane.lay_out(snapshot), admin, new != old)
        except Exception:
            if admin is not None:
                admin.close()
            raise

    def _carry_out(self, change: _Change) -> Deferred[None]:
        self._changing = True
        return self._plane.warm(change.prepared).addCallback(lambda _: self._commit(change))

    def _commit(self, change: _Change) -> None:
        self._changing = False
        prepared = change.prepared
        if self._draining:
            self._plane.discard(prepared)
            if change.admin is not None:
                change.admin.close()
            return
        snapshot = prepared.snapshot
        self._plane.commit(prepared)
        if change.moves_admin:
            self._move_admin(change.admin)
        if self._snapshot is not None:
            changes = "; ".join(prepared.plan.lines()) or "it says what the old one said"
            _log.info("configuration {version} is served: {changes}", version=snapshot.version, changes=changes)
            self._stats.config_reload_success += 1
        self._snapshot = snapshot
        self._problems = ()
        self._stats.config_version = snapshot.version
        self._stats.config_time = self._wall()
        self._stats.config_problems = 0
        if self._again:
            self._again = False
            self._reactor.callLater(0, self.reload)

    def _refused(self, problems: Sequence[str]) -> None:
        self._problems = tuple(problems)
        self._stats.config_reload_rejected += 1
        self._stats.config_problems = len(problems)
        for problem in problems:
            _log.error("{problem}", problem=problem)
        _log.error("the new configuration is refused, the old one goes on")

    def _move_admin(self, sock: socket.socket | None) -> None:
        """Serve the admin listener on *sock* and no longer where it was."""
        if self._admin_port is not None:
            self._admin_port.stopListening()
            self._admin_port = None
        if sock is not None:
            self._admin_port = self._reactor.adoptStreamPort(sock.fileno(), sock.family, AdminSite(self))
            sock.close()  # the reactor has its own copy of the descriptor
            _log.info("admin on {address}", address=str(self.admin_address))

    # ending

    def terminate(self) -> None:
        """React to SIGTERM; see rule 3."""
        if self._draining:
            _log.info("second signal: ending at once")
            self._reactor.stop()
            return
        self._draining = True
        self._stats.state = "DRAINING"
        _log.info("draining: no new connections; at most {seconds:.0f} s for requests under way", seconds=DRAIN_DEADLINE)
        late = self._reactor.callLater(DRAIN_DEADLINE, self._reactor.stop)

        def drained(_: object) -> None:
            if late.active():
                late.cancel()
                self._reactor.stop()

        self._plane.drain().addCallback(drained)

    # AdminView

    def report(self) -> Deferred[Report]:
        return succeed(self._plane.report())

    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def state(self) -> str:
        return self._stats.state

    def problems(self) -> Sequence[str]:
        return self._problems

    def info(self) -> ServerInfo:
        return ServerInfo(
            __version__,
            IMPLEMENTATION,
            type(self._reactor).__name__,
            drain_time=DRAIN_DEADLINE,
            config_time=self._stats.config_time,
            now=self._wall(),
        )

    @property
    def addresses(self) -> dict[str, SocketAddress]:
        """Where each listener really listens."""
        return self._plane.addresses

    @property
    def admin_address(self) -> SocketAddress | None:
        """Where the admin listener really listens."""
        if self._admin_port is None:
            return None
        host = self._admin_port.getHost()
        return SocketAddress(host.host, host.port)
