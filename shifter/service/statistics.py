"""What happens to statistics by the clock: intervals of histograms end, sinks are told, and stalls of the loop are noticed.

Rule 1. Nothing here is felt by requests: a flush is made in slices (`service.slices`), and the next one waits until it is done.
Rule 2. A timer that comes late is how a stall is noticed; nobody else has to look.
"""

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from shifter.model.steps import Steps
from shifter.observe.histogram import Histogram
from shifter.observe.stats import ServerStats

FLUSH_INTERVAL = 5.0
"""Seconds between two flushes (Envoy's default of ``stats_flush_interval``)."""

_LOOK = 0.1
_MISS, _MEGA_MISS = 0.2, 1.0  # Envoy's defaults of ``Watchdog``


class Statistics:
    """See the module. *histograms* are all that there are now; *meanwhile* does work in slices."""

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        stats: ServerStats,
        histograms: Callable[[], Iterator[Histogram]],
        meanwhile: Callable[[Steps[None]], Deferred[None]],
    ) -> None:
        self._monotonic = monotonic
        self._stats = stats
        self._histograms = histograms
        self._meanwhile = meanwhile
        self._looked = 0.0
        self._flusher = LoopingCall(self._flush)
        self._watch = LoopingCall(self._look)
        self._flusher.clock = self._watch.clock = reactor

    def start(self) -> None:
        """Begin the first interval."""
        self._looked = self._monotonic()
        self._flusher.start(FLUSH_INTERVAL, now=False)
        self._watch.start(_LOOK, now=False)

    def stop(self) -> None:
        """Let go of the reactor."""
        for looping in (self._flusher, self._watch):
            if looping.running:
                looping.stop()

    def _flush(self) -> Deferred[None]:
        return self._meanwhile(self._flushing()).addErrback(lambda failure: failure.trap(CancelledError) and None)

    def _flushing(self) -> Steps[None]:
        for histogram in self._histograms():
            histogram.flush()
            yield

    def _look(self) -> None:
        now = self._monotonic()
        late = now - self._looked - _LOOK
        self._looked = now
        self._stats.watchdog_miss += late > _MISS
        self._stats.watchdog_mega_miss += late > _MEGA_MISS
