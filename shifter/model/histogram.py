"""Durations that were recorded: how many of which size.                                                                  (pure)

Rule 1. A value is remembered to two digits, as Envoy's library does (90 bins a power of ten, `EDGES_MS`); percentiles are as good as that.
Rule 2. Envoy's buckets for Prometheus (`HISTOGRAM_BOUNDS_MS`) are made of whole bins, so what they count is exact.
Rule 3. A value belongs to the first bin, and the first bucket, whose upper bound it does not exceed, as Prometheus defines ``le``.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

HISTOGRAM_BOUNDS_MS: tuple[float, ...] = (
    *(0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000),
    *(10000, 30000, 60000, 300000, 600000, 1800000, 3600000),
)
"""Upper bounds, inclusive, of Envoy's default histogram buckets in milliseconds (``HistogramSettingsImpl::defaultBuckets``)."""

EDGES_MS: tuple[float, ...] = tuple(
    edge for power in range(-3, 6) for digits in range(10, 100) if (edge := float(f"{digits}e{power}")) <= HISTOGRAM_BOUNDS_MS[-1]
)
"""Upper bounds, inclusive, of the bins in milliseconds, from 10 microseconds to an hour. One bin more is for what lies above."""


@dataclass(frozen=True, slots=True)
class HistogramReport:
    """Recorded values by bin: how many lay above edge ``i - 1`` of `EDGES_MS` and not above edge ``i``; bins without any are absent.

    ``total`` is their sum in milliseconds. ``interval`` are the bins of those that were recorded in the last interval that is over
    (Envoy's ``stats_flush_interval``); ``None`` before one is.
    """

    bins: Mapping[int, int] = field(default_factory=dict)
    total: float = 0.0
    interval: Mapping[int, int] | None = None

    @property
    def count(self) -> int:
        """How many values were recorded."""
        return sum(self.bins.values())

    @property
    def counts(self) -> tuple[int, ...]:
        """How many values lay above bound ``i - 1`` and not above bound ``i`` of `HISTOGRAM_BOUNDS_MS`; the last entry counts those above
        every bound. Empty when nothing was recorded."""
        if not self.bins:
            return ()
        counts = [0] * (len(HISTOGRAM_BOUNDS_MS) + 1)
        for number, count in self.bins.items():
            counts[_BUCKETS[number]] += count
        return tuple(counts)

    @property
    def middle(self) -> float:
        """The sum of the values if each lay in the middle of its bin: what there is where ``total`` is not known."""
        return sum(count * sum(bin_edges(number)) / 2 for number, count in self.bins.items())

    def below(self, bounds: Sequence[float]) -> list[int]:
        """Return how many values did not exceed each of *bounds*, milliseconds in rising order. A bin counts if it does so as a whole."""
        wanted = [bisect_right(EDGES_MS, bound) for bound in bounds]
        found = [0] * (len(bounds) + 1)
        for number, count in self.bins.items():
            found[bisect_right(wanted, number)] += count
        total = 0
        for at, count in enumerate(found):
            total += count
            found[at] = total
        return found[:-1]

    def plus(self, other: "HistogramReport") -> "HistogramReport":
        """Return both histograms as one."""
        interval = self.interval if other.interval is None else _added(self.interval or {}, other.interval)
        return HistogramReport(_added(self.bins, other.bins), self.total + other.total, interval)

    def since(self, before: "HistogramReport") -> "HistogramReport":
        """Return what was recorded after *before*, an earlier report on the same; all of it if it is none."""
        if not before.bins:
            return self
        old = before.bins
        if any(self.bins.get(number, 0) < count for number, count in old.items()):
            return self
        bins = {number: more for number, count in self.bins.items() if (more := count - old.get(number, 0))}
        return HistogramReport(bins, self.total - before.total)

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {"bins": {str(number): count for number, count in sorted(self.bins.items())}, "total": self.total}


def quantiles(bins: Mapping[int, int], shares: Sequence[float]) -> list[float]:
    """Return the values in milliseconds that *shares* (0 to 1, rising) of the recorded values do not exceed; none without values.

    Exact to the bin, linear within it. Values above the last edge are taken to be that.
    """
    if not bins:
        return []
    found: list[float] = []
    every = iter(sorted(bins.items()))
    total = sum(bins.values())
    number, count = next(every)
    below = 0
    for share in shares:
        wanted = share * total
        while below + count < wanted:
            below += count
            following = next(every, None)
            if following is None:  # the sum of shares was rounded up
                wanted, below = float(total), total - count
                break
            number, count = following
        low, high = bin_edges(number)
        found.append(low + (high - low) * (wanted - below) / count)
    return found


def quantile(histogram: HistogramReport, share: float) -> float | None:
    """Return the one of `quantiles` for *share*; ``None`` without values."""
    found = quantiles(histogram.bins, (share,))
    return found[0] if found else None


def bin_edges(number: int) -> tuple[float, float]:
    """Return what the values of bin *number* lie above, and what they do not exceed."""
    last = len(EDGES_MS) - 1
    return (EDGES_MS[number - 1] if number else 0.0), EDGES_MS[min(number, last)]


def bin_of(ms: float) -> int:
    """Return the number of the bin that *ms* milliseconds belong to."""
    return bisect_left(EDGES_MS, ms)


def _added(one: Mapping[int, int], two: Mapping[int, int]) -> dict[int, int]:
    added = dict(one)
    for number, count in two.items():
        added[number] = added.get(number, 0) + count
    return added


_BUCKETS = [bisect_left(HISTOGRAM_BOUNDS_MS, edge) for edge in EDGES_MS] + [len(HISTOGRAM_BOUNDS_MS)]
assert all(one < two for one, two in pairwise(EDGES_MS)) and set(HISTOGRAM_BOUNDS_MS) <= set(EDGES_MS)  # rule 2
