"""How the process ends.

Rule 1. SIGTERM drains: no new connections, ``connection: close`` behind the next answers, and the end when nothing is left
        or `DRAIN_DEADLINE` has passed. A second SIGTERM ends it at once.
"""

from typing import Any

from twisted.logger import Logger

from shifter.observe.stats import ServerStats
from shifter.service.controller import Controller
from shifter.service.plane import DataPlane

DRAIN_DEADLINE = 30.0
"""Seconds that requests under way may take to finish after SIGTERM."""

_log = Logger()


class Ending:
    """See the module."""

    def __init__(self, reactor: Any, plane: DataPlane, controller: Controller, stats: ServerStats) -> None:
        self._reactor = reactor
        self._plane = plane
        self._controller = controller
        self._stats = stats
        self._draining = False

    def terminate(self) -> None:
        """React to SIGTERM; see rule 1."""
        if self._draining:
            _log.info("second signal: ending at once")
            self._reactor.stop()
            return
        self._draining = True
        self._controller.close()
        self._stats.state = "DRAINING"
        _log.info("draining: no new connections; at most {seconds:.0f} s for requests under way", seconds=DRAIN_DEADLINE)
        late = self._reactor.callLater(DRAIN_DEADLINE, self._reactor.stop)

        def drained(_: object) -> None:
            if late.active():
                late.cancel()
                self._reactor.stop()

        self._plane.drain().addCallback(drained)

    def drain_listeners(self, graceful: bool, skip_exit: bool, inbound_only: bool) -> None:
        """Take no new connections, and have those that are there end behind their next answers."""
        self._plane.drain()

    def fail_health_checks(self, failing: bool) -> None:
        """Say that all is not well, or that it is again."""
        if not self._draining:
            self._stats.state = "DRAINING" if failing else "LIVE"

    def quit(self) -> None:
        """End at once."""
        _log.info("asked to quit: ending at once")
        self._reactor.stop()
