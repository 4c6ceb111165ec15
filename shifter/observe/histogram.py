"""Distributions of durations while they are recorded.

Rule 1. Recording is one bisection and two additions; everything else is worked out when somebody asks.
Rule 2. Bins that nothing fell in do not exist: a thousand clusters have three thousand histograms, and few hours have every duration.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

from shifter.model.histogram import EDGES_MS, HistogramReport


class Histogram:
    """Counts of values by bin of `EDGES_MS`, and their sum. Values are milliseconds."""

    __slots__ = ("_before", "_interval", "counts", "total")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.total = 0.0
        self._before: dict[int, int] = {}
        self._interval: dict[int, int] | None = None

    def record(
        self,
        ms: float,
        *,
        _edges: tuple[float, ...] = EDGES_MS,
        _bisect: Callable[[tuple[float, ...], float], int] = bisect_left,
    ) -> None:
        """Count one value of *ms* milliseconds. What follows it only spares the hot path look-ups of globals."""
        self.counts[_bisect(_edges, ms)] += 1
        self.total += ms

    def flush(self) -> None:
        """An interval is over: what was recorded in it is what reports tell of the last one."""
        now, before = self.counts, self._before
        if now == before:
            self._interval = {}
            return
        self._interval = {number: more for number, count in now.items() if (more := count - before.get(number, 0))}
        self._before = dict(now)

    def report(self) -> HistogramReport:
        """Return a copy of what was recorded."""
        return HistogramReport(dict(self.counts), self.total, self._interval)

    def __repr__(self) -> str:
        return f"<Histogram count={sum(self.counts.values())} total={self.total:g}ms>"
