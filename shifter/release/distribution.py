"""Histograms of latencies that grow second by second (in the bins of `observe.comparison`).

Rule 1. Latencies of one service lie in a part of the bins. Only that part is gone through.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import add

from shifter.observe.comparison import BINS


class Distribution:
    """Numbers of latencies by bin."""

    __slots__ = ("_high", "_low", "counts")

    def __init__(self, counts: Sequence[int] = ()) -> None:
        self.counts = list(counts) or [0] * BINS
        self._low, self._high = _used(self.counts)

    def add(self, counts: Sequence[int]) -> None:
        """Count what another histogram did."""
        low, high = self._low, self._high
        if any(counts[:low]) or any(counts[high:]):
            self.counts = list(map(add, self.counts, counts))
            self._low, self._high = _used(self.counts)
        else:
            self.counts[low:high] = map(add, self.counts[low:high], counts[low:high])

    def clear(self) -> None:
        """Count from nothing, and expect the next ones where these were."""
        self.counts = [0] * BINS

    @property
    def used(self) -> tuple[int, Sequence[int]]:
        """The number of the first bin that is used, and the counts from there on to the last one."""
        return self._low, self.counts[self._low : self._high]

    def fade(self, part: float) -> None:
        """Leave *part* of it, in whole numbers whose sum is what it should be."""
        remaining = [int(part * rank) for rank in accumulate(self.counts, initial=0)]
        self.counts = [high - low for low, high in pairwise(remaining)]

    def to_state(self) -> list[int]:
        """Return its counts from the first to the last, with the number of the first bin in front."""
        return [self._low, *self.counts[self._low : self._high]] if self._high else []

    @classmethod
    def from_state(cls, state: object) -> "Distribution":
        """Return what `to_state` was called on. Raises ValueError when it was not."""
        if not isinstance(state, list) or not all(isinstance(number, int) and number >= 0 for number in state):
            raise ValueError("this is no histogram")
        counts = [0] * BINS
        if state:
            first, *rest = state
            counts[first : first + len(rest)] = rest
        if len(counts) != BINS:
            raise ValueError("this is no histogram of this version of shifter")
        return cls(counts)


def _used(counts: Sequence[int]) -> tuple[int, int]:
    used = [number for number, count in enumerate(counts) if count]
    return (used[0], used[-1] + 1) if used else (0, 0)
