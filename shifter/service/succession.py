"""What this process has from whoever was there before it, and leaves to whoever comes after it.

Rule 1. Listening sockets may be there already: the service manager's (socket activation), or those of the process whose place this one
        takes (`service.handover`).
Rule 2. The service manager hears of one process at a time (`service.notify`): of a new one when the old one has handed over.
"""

import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shifter.model.bootstrap import Snapshot
from shifter.net.inherited import Handed, Inherited, from_service_manager
from shifter.observe.server_stats import ServerStats
from shifter.service.admin_port import AdminPort
from shifter.service.controller import ADMIN_NAME, Controller
from shifter.service.ending import Ending
from shifter.service.handover import ENDING, Handover, HandoverError, Leaving, Predecessor, start
from shifter.service.journal import NO_OVERRIDES, Overrides
from shifter.service.notify import Notify
from shifter.service.plane import DataPlane
from shifter.service.releases import TAKEN_OVER, Releases

_INITS = ("tini", "docker-init", "dumb-init", "catatonit")
"""First processes of containers that end when the one does that they have started."""

_log = Logger()


class Succession:
    """See the module. *environment* is the process's, where it may have any of this; *predecessor* is whose place it takes."""

    def __init__(self, reactor: Any, environment: Mapping[str, str], predecessor: Predecessor | None) -> None:
        self.notify = Notify(environment)
        self._reactor = reactor
        self._environment = environment
        self._directory = _here()  # twistd may leave it, and the arguments are told from there
        self._predecessor = predecessor
        self._inherited = Inherited(predecessor.sockets if predecessor is not None else from_service_manager(environment))
        self.listen = self._inherited.listen
        self._watchdog = LoopingCall(self.notify.tell, "WATCHDOG=1")
        self._watchdog.clock = reactor
        self._main = False  # the service manager hears of this process
        self._handover: Handover | None = None
        self._missed: Callable[[], object] | None = None

    def wire(
        self,
        plane: DataPlane,
        admin: AdminPort,
        controller: Controller,
        ending: Ending,
        stats: ServerStats,
        releases: Releases,
        *,
        left: Callable[[], object],
    ) -> None:
        """Say who has what is to be handed over; *left* is called when it was."""
        before = self._predecessor
        if before is not None:
            stats.restart_epoch, stats.first_started = before.epoch, before.since
            releases.steered = before.steer

        def sockets() -> list[Handed]:
            return [*plane.sockets, *_admin_socket(admin, controller.snapshot), *self._inherited.kept]

        def release() -> None:
            controller.release()
            releases.release()
            missed, self._missed = self._missed, None
            if missed is not None:
                missed()

        def leave(pid: int) -> None:
            self._main = False
            self._stop_watchdog()
            self.notify.tell(f"MAINPID={pid}")
            admin.serve(None)
            left()
            ending.leave()

        def hold() -> Deferred[str]:
            """Releases come last: what is being changed may be what one of them waits for."""
            return controller.hold(TAKEN_OVER).addCallback(lambda _: releases.hold())

        self._ending, self._stats, self._releases = ending, stats, releases

        def overrides() -> Overrides:
            return controller.inputs.overrides if controller.inputs is not None else NO_OVERRIDES

        leaving = Leaving(hold, release, leave, lambda: plane.connections, overrides, releases.memo, releases.steer)
        self._handover = Handover(
            *(self._reactor, sockets, leaving, self._environment),
            epoch=stats.restart_epoch,
            since=stats.first_started or stats.started,
            start=partial(start, directory=self._directory),
        )

        ending.before = self._handover.cancel

    def check(self, lacking: Callable[[], list[str]]) -> None:
        """Before this process begins to serve: if it takes the place of another, what is *lacking* that one may have still, from better
        times. Raises `HandoverError`."""
        if self._predecessor is not None and (problems := lacking()):
            raise HandoverError("; ".join(problems))

    def started(self) -> None:
        """The first configuration is being served."""
        for one in self._inherited.settle():
            _log.warn("a socket for {address} was passed to this process, and no listener listens there", address=one)
        if self._predecessor is None:
            self._ours()
        else:
            self._predecessor.ready(self._reactor, self._ours, self._count_parents)

    def restart(self) -> Deferred[str]:
        """Start a new process that takes over; fires with why that did not come about, or with nothing when it did."""
        if self._handover is None or self._stats.state != "LIVE":
            return succeed(f"{ENDING}, or has not begun")
        if os.getpid() == 1 or _parent() in _INITS:
            return succeed("this container ends with this process: have whoever runs it start a new one")
        return self._handover.begin()

    def reloading(self, again: Callable[[], object], now: float) -> Callable[[], None]:
        """The configuration is about to be read, *now* by the monotonic clock. Return what to call when that is done; *again* is called
        if it was in vain, for the process was handing over and then did not."""
        if self._handover is not None and self._handover.under_way:
            self._missed = again
        if not self._main:
            return _nothing
        self.notify.status("reading the configuration", "RELOADING=1", f"MONOTONIC_USEC={int(now * 1e6)}")
        return self._tell_ready

    def close(self) -> None:
        """The process ends."""
        self._stop_watchdog()
        if self._handover is not None:
            self._handover.close()
        if self._predecessor is not None:
            self._predecessor.close()
        self._inherited.close()

    # inside

    def _ours(self) -> None:
        self._main = True
        self._releases.begin()
        self._tell_ready()
        if self.notify.watchdog:
            self._watchdog.start(self.notify.watchdog / 2)

    def _tell_ready(self) -> None:
        if self._main and not self._ending.draining:
            self.notify.status(f"serving configuration {self._stats.config_version}", "READY=1")

    def _stop_watchdog(self) -> None:
        if self._watchdog.running:
            self._watchdog.stop()

    def _count_parents(self, connections: int) -> None:
        self._stats.parent_connections = connections


def _admin_socket(admin: AdminPort, snapshot: Snapshot | None) -> list[Handed]:
    if snapshot is None or snapshot.bootstrap.admin is None:
        return []
    return [Handed(sock, snapshot.bootstrap.admin.address, ADMIN_NAME) for sock in admin.copies]


def _here() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it is there no more
        return None


def _parent() -> str:
    """The name of the process that has started this one, as far as it can be known (Linux)."""
    try:
        with open(f"/proc/{os.getppid()}/comm", encoding="utf-8", errors="replace") as comm:
            return comm.read().strip()
    except OSError:
        return ""


def _nothing() -> None: ...


def ignores(number: signal.Signals) -> bool:
    """Whether this process was started so that it ignores a signal: as shells start what is to run in the background."""
    return signal.getsignal(number) is signal.SIG_IGN
