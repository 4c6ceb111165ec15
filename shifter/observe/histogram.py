"""Distributions of durations, in Envoy's buckets.

Rule 1. Recording is one bisection and two additions; everything else is worked out when somebody asks.
Rule 2. A value belongs to the first bucket whose upper bound it does not exceed, as Prometheus defines ``le``.
"""

from bisect import bisect_left

from shifter.model.report import HISTOGRAM_BOUNDS_MS, HistogramReport


class Histogram:
    """Counts of values by bucket of `HISTOGRAM_BOUNDS_MS`, and their sum. Values are milliseconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(HISTOGRAM_BOUNDS_MS) + 1)
        self.total = 0.0

    def record(self, ms: float, *, _bounds: tuple[float, ...] = HISTOGRAM_BOUNDS_MS) -> None:
        """Count one value of *ms* milliseconds. ``_bounds`` only spares the hot path a global lookup."""
        self.counts[bisect_left(_bounds, ms)] += 1
        self.total += ms

    def report(self) -> HistogramReport:
        """Return a copy of what was recorded; one without counts when nothing was."""
        return HistogramReport(tuple(self.counts), self.total) if any(self.counts) else HistogramReport()

    def __repr__(self) -> str:
        return f"<Histogram count={sum(self.counts)} total={self.total:g}ms>"


def quantile(histogram: HistogramReport, share: float) -> float | None:
    """Return the value in milliseconds that *share* (0 to 1) of the recorded values do not exceed; ``None`` without values.

    Exact to the bucket, linear within it. Values above the last bound are taken to be the last bound.
    """
    wanted = share * histogram.count
    below = 0
    low = 0.0
    for high, count in zip((*HISTOGRAM_BOUNDS_MS, HISTOGRAM_BOUNDS_MS[-1]), histogram.counts, strict=False):
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below += count
        low = high
    return None
