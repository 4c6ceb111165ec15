"""What a configuration says of statistics (``envoy.config.metrics.v3``)."""

from dataclasses import dataclass

from shifter.model.address import SocketAddress
from shifter.model.route import StringMatcher


@dataclass(frozen=True, slots=True)
class StatsMatcher:
    """``metrics.v3.StatsMatcher``: those that match one of ``patterns`` are shown; with ``exclude`` all others are. Exclusion of
    everything is ``exclude`` false and no pattern."""

    patterns: tuple[StringMatcher, ...] = ()
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class HistogramBuckets:
    """``metrics.v3.HistogramBucketSettings``: upper bounds in milliseconds, rising, for the histograms whose name matches."""

    match: StringMatcher
    bounds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StatsdSink:
    """``metrics.v3.StatsdSink``, or with ``tags`` ``metrics.v3.DogStatsdSink``. ``datagram`` is how many bytes of several lines may go
    together; 0 for one line each."""

    address: SocketAddress
    prefix: str = "envoy"
    tags: bool = False
    datagram: int = 0


@dataclass(frozen=True, slots=True)
class StatsSettings:
    """``stats_config``, ``stats_sinks`` and ``stats_flush_interval`` of ``Bootstrap``; the latter is seconds."""

    flush_interval: float = 5.0
    matcher: StatsMatcher | None = None
    buckets: tuple[HistogramBuckets, ...] = ()
    sinks: tuple[StatsdSink, ...] = ()
