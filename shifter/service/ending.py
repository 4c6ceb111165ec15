"""How the process ends, and how its listeners do.

Rule 1. SIGTERM and SIGINT drain: no new connections, ``connection: close`` behind the next answers, and the end when nothing is left
        or the drain time has passed. The second of them ends it at once.
Rule 2. Listeners can also be drained alone (``POST /drain_listeners``): the process stays, to be looked at and ended later. Gracefully,
        they go on to accept for the drain time, while more and more answers end their connections (`proxy.draining`).
Rule 3. A process that has handed its listeners over (`service.handover`) drains as gracefully, and ends as soon as nobody is left.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shifter.observe.server_stats import ServerStats
from shifter.proxy.draining import DrainStrategy
from shifter.proxy.worker import DRAIN_TIME
from shifter.service.controller import Controller
from shifter.service.notify import Notify
from shifter.service.plane import DataPlane

_EXTEND_EVERY = 5.0
_LINGER = 5.0
"""Seconds that the end itself may take, behind a drain."""
_LAST_WORDS = 1.0
"""Seconds that the admin listener has to say that this process has handed over, before it ends."""

ANSWER_TIME = 0.1
"""Seconds in which who asked for the end is told that it comes."""

_log = Logger()


@dataclass(frozen=True, slots=True)
class EndingOptions:
    """How long things may take, in seconds; Envoy's options of the same names, with shorter times.

    ``drain_time``: a drain. ``listener_drain_time``: connections that do not end by themselves, when a reload has taken their listener
    away. ``parent_shutdown_time``: the end of a process that has handed over; 0 for half as much again as ``drain_time``. ``strategy`` is
    how clients are told to go while connections go on to come.
    """

    drain_time: float = 30.0
    parent_shutdown_time: float = 0.0
    strategy: DrainStrategy = DrainStrategy.GRADUAL
    listener_drain_time: float = DRAIN_TIME

    @classmethod
    def asked(cls, drain_time: float | None, parent_shutdown_time: float | None, strategy: str) -> "EndingOptions":
        """Return what a command line asks for; ``None`` is what it does not say."""
        options = cls(parent_shutdown_time=parent_shutdown_time or 0.0, strategy=DrainStrategy(strategy))
        if drain_time is None:
            return options
        return replace(options, drain_time=drain_time, listener_drain_time=drain_time)

    @property
    def last_moment(self) -> float:
        """When a process that has handed over is to be gone."""
        return self.parent_shutdown_time or 1.5 * self.drain_time


BY_DEFAULT = EndingOptions()


class Ending:
    """See the module."""

    def __init__(
        self, reactor: Any, plane: DataPlane, controller: Controller, stats: ServerStats, options: EndingOptions, notify: Notify
    ) -> None:
        self.options = options
        self.draining = False
        """Whether the process is about to end."""
        self.before: Callable[[], Deferred[None]] = partial(succeed, None)
        """Called when it is; connections are accepted until what it returns fires."""
        self._reactor = reactor
        self._plane = plane
        self._controller = controller
        self._stats = stats
        self._notify = notify
        self._last_moment: Any = None
        self._stopped = False
        self._gracefully = False
        self._failing = False

    # the process

    def terminate(self) -> None:
        """React to SIGTERM or SIGINT; see rule 1."""
        if self.draining:
            _log.info("second signal: ending at once")
            self._stop()
            return
        self.draining = True
        seconds = self.options.drain_time
        self._controller.close()
        self._stats.state = "DRAINING"
        _log.info("draining: no new connections; at most {seconds:.0f} s for requests under way", seconds=seconds)
        self._notify.status("draining", "STOPPING=1")
        self._extend()
        self._end_after(seconds)
        self.before().addCallback(lambda _: self._plane.drain()).addCallback(self._emptied)

    def quit(self) -> None:
        """React to ``POST /quitquitquit``: like a signal, once the answer to that is out."""
        self._reactor.callLater(ANSWER_TIME, self.terminate)

    def leave(self) -> None:
        """Somebody else accepts connections now: see rule 3."""
        self._stats.state = "DRAINING"
        seconds = self.options.drain_time
        _log.info("handed over; at most {seconds:.0f} s for the connections that are here", seconds=self.options.last_moment)
        self._plane.stop_accepting()
        self._plane.tell(self.options.strategy, seconds)
        self._end_after(self.options.last_moment)
        self._reactor.callLater(seconds, self._plane.drain)
        self._reactor.callLater(_LAST_WORDS, lambda: self._plane.emptied().addCallback(self._emptied))

    def _end_after(self, seconds: float) -> None:
        if self._last_moment is not None and self._last_moment.active():
            self._last_moment.cancel()
        self._last_moment = self._reactor.callLater(seconds, self._stop)

    def _emptied(self, _: object) -> None:
        if self._last_moment.active():
            self._last_moment.cancel()
            self._stop()

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._reactor.stop()

    def _extend(self) -> None:
        """Have the service manager wait for as long as the drain takes, whatever its own limit is (rule 1)."""
        extending = LoopingCall(self._notify.tell, f"EXTEND_TIMEOUT_USEC={int((_EXTEND_EVERY + _LINGER) * 1e6)}")
        extending.clock = self._reactor
        extending.start(_EXTEND_EVERY)

    # the listeners

    def drain_listeners(self, graceful: bool, skip_exit: bool, inbound_only: bool) -> None:
        """See `AdminView.drain_listeners`."""
        if not graceful:
            self._drain_now(inbound_only)
            return
        if self._gracefully:
            return
        self._gracefully = True
        seconds = self.options.drain_time
        _log.info("draining listeners: {seconds:.0f} s from now all answers end their connections", seconds=seconds)
        if not inbound_only:
            self._stats.state = "DRAINING"
        self._plane.tell(self.options.strategy, seconds, inbound_only)
        if not skip_exit:
            self._reactor.callLater(seconds, self._drain_now, inbound_only)

    def _drain_now(self, inbound_only: bool) -> None:
        if self.draining:
            return
        _log.info("listeners accept no more connections")
        if not inbound_only:
            self._stats.state = "DRAINING"
        self._plane.drain_listeners(inbound_only)

    # health

    def fail_health_checks(self, failing: bool) -> None:
        """See `AdminView.fail_health_checks`."""
        self._plane.fail_health_checks(failing)
        if failing and self._stats.state == "LIVE":
            self._stats.state = "DRAINING"
        elif not failing and self._failing and not (self.draining or self._gracefully):
            self._stats.state = "LIVE"
        self._failing = failing
