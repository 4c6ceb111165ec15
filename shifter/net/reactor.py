"""Twisted's epoll reactor with a shorter way from an event to our descriptors.

The stock reactor wraps each event in ``log.callWithLogger`` (a context switch of the logging system), which costs more
than parsing a request. Descriptors of `FAST` types are called directly when there is only something to read; everything
else goes the stock way. After each turn the functions in ``flushes`` run: writes of one turn leave together.

The stock reactor's timers go by the wall clock: one that is set back by an hour makes every timeout an hour late. Ours go by a clock
that nobody sets.
"""

import select
import time
from collections.abc import Callable

from twisted.internet import epollreactor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python import log

from shifter.net.tcp import TcpTransport

_log = Logger()
_MAX_EVENTS = 512


class LeanEPollReactor(epollreactor.EPollReactor):
    """See the module. Anything that runs on ``EPollReactor`` runs on it."""

    seconds = staticmethod(time.monotonic)

    def __init__(self) -> None:
        self.flushes: list[Callable[[], None]] = []
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types there

    def doPoll(self, timeout: float | None) -> None:
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, _MAX_EVENTS)
        except InterruptedError:
            return
        selectables = self._selectables
        for fd, event in events:
            descriptor = selectables.get(fd)
            if event == select.EPOLLIN and descriptor.__class__ is TcpTransport:
                try:
                    descriptor.doRead()
                except Exception:
                    _log.failure("a connection failed while reading; it is closed")
                    descriptor.connectionLost(None)
            elif descriptor is not None:
                log.callWithLogger(descriptor, self._doReadOrWrite, descriptor, fd, event)
        for flush in self.flushes:
            flush()

    doIteration = doPoll


def install() -> None:
    """Make `LeanEPollReactor` the process's reactor; none may be installed yet."""
    installReactor(LeanEPollReactor())
