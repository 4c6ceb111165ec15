"""What happens to statistics by the clock: intervals of histograms end, sinks are told, and stalls of the loop are noticed.

Rule 1. Nothing here is felt by requests: a flush is made in slices (`service.slices`), and the next one waits until it is done.
Rule 2. A timer that comes late is how a stall is noticed; nobody else has to look.
"""

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from shifter.model.report import Report
from shifter.model.stats import StatsdSink, StatsSettings
from shifter.model.steps import Steps
from shifter.net.datagrams import DatagramSender
from shifter.observe.histogram import Histogram
from shifter.observe.scopes import Selection
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import counter
from shifter.observe.statsd import StatsdLines, datagrams
from shifter.routing.statistics import wanted

_PIECE = 16
"""So many datagrams are sent in one step."""
_LOST = "shifter.stats_sink.lost"
_LOOK = 0.1
_MISS, _MEGA_MISS = 0.2, 1.0  # Envoy's defaults of ``Watchdog``


class Statistics:
    """See the module. *histograms* are all that there are now, *reporting* makes a report; *meanwhile* does work in slices."""

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        stats: ServerStats,
        histograms: Callable[[], Iterator[Histogram]],
        reporting: Callable[[], Steps[Report]],
        meanwhile: Callable[[Steps[None]], Deferred[None]],
    ) -> None:
        self._monotonic = monotonic
        self._stats = stats
        self._histograms = histograms
        self._reporting = reporting
        self._meanwhile = meanwhile
        self._count = counter(stats.filters)
        self._settings = StatsSettings()
        self._sinks: dict[StatsdSink, tuple[StatsdLines, DatagramSender]] = {}
        self._looked = 0.0
        self._flusher = LoopingCall(self._flush)
        self._watch = LoopingCall(self._look)
        self._flusher.clock = self._watch.clock = reactor

    def start(self) -> None:
        """Begin the first interval."""
        self._looked = self._monotonic()
        self._flusher.start(self._settings.flush_interval, now=False)
        self._watch.start(_LOOK, now=False)

    def stop(self) -> None:
        """Let go of the reactor."""
        for looping in (self._flusher, self._watch):
            if looping.running:
                looping.stop()
        self.configure(StatsSettings())

    def configure(self, settings: StatsSettings) -> None:
        """Do as *settings* say from the next flush on. A sink that stays is told what came since it was told last."""
        before, self._settings = self._settings, settings
        if self._flusher.running and settings.flush_interval != before.flush_interval:
            if self._flusher.call is None:  # a flush is under way, behind which the next one is set: begun anew there would be two
                self._flusher.interval = settings.flush_interval
            else:
                self._flusher.stop()
                self._flusher.start(settings.flush_interval, now=False)
        for sink in [sink for sink in self._sinks if sink not in settings.sinks]:
            self._sinks.pop(sink)[1].close()
        for sink in settings.sinks:
            if sink not in self._sinks:
                self._sinks[sink] = (StatsdLines(sink.prefix, sink.tags), DatagramSender(sink.address))
                self._count(_LOST, 0)

    def _flush(self) -> Deferred[None]:
        return self._meanwhile(self._flushing()).addErrback(lambda failure: failure.trap(CancelledError) and None)

    def _flushing(self) -> Steps[None]:
        for histogram in self._histograms():
            histogram.flush()
            yield
        if self._sinks:
            report = yield from self._reporting()
            selection = Selection(wanted(self._settings), used_only=True)
            for sink, (writer, sender) in list(self._sinks.items()):
                lines = yield from writer.lines(report, selection)
                for at, data in enumerate(datagrams(lines, sink.datagram)):
                    if not sender.send(data):
                        self._count(_LOST)
                    if at % _PIECE == 0:
                        yield

    def _look(self) -> None:
        now = self._monotonic()
        late = now - self._looked - _LOOK
        self._looked = now
        self._stats.watchdog_miss += late > _MISS
        self._stats.watchdog_mega_miss += late > _MEGA_MISS
