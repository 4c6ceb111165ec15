"""Bets on latencies: whether the canary's requests are slow more often than the baseline's.

Rule 1. Latencies are sorted into bins that are cut where the baseline's quantiles were a moment ago. Within a bin, chance says whose a
        request is, as with failures (`eprocess`). That holds for any bins, as long as they are made before what is sorted into them.
Rule 2. The canary's bounds are higher by what it may be slower: who is within that is not slower.
Rule 3. Guesses are that everything is slower by some factor, or that only the slowest part is larger. Each earns the more, the slower a
        canary's request is: so no canary that is at most as slow as allowed, however it is so, makes anything grow.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, log
from operator import add, mul
from typing import Any

from shifter.observe.comparison import BIN_WIDTH, BINS, FINEST_MS
from shifter.release.eprocess import added

QUANTILES = (0.10, 0.25, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.98, 0.99, 0.995)
"""Of the baseline's latencies: the bounds of the bins, of which there is one more."""
SHIFTS = (2, 4, 7, 12, 22, 61)
"""Guesses: everything is slower by so many bins of the histogram (of 5 % each: 1.1 to 20 times)."""
TAILS = ((7, 2.0), (7, 4.0), (10, 2.0), (10, 5.0), (10, 20.0))
"""Guesses: what lies beyond the quantile of this number is so many times as frequent."""
STAKES = (0.12, 0.14, 0.12, 0.07, 0.05, 0.04, 0.13, 0.07, 0.14, 0.08, 0.04)
"""For `SHIFTS`, then `TAILS`."""
SLOW_90 = QUANTILES.index(0.90) + 1
"""The number of the first bin beyond the baseline's p90."""
SLOW_99 = QUANTILES.index(0.99) + 1
_LEAST = 50
"""Without so many latencies of the baseline's nobody knows its quantiles."""
_ENOUGH = 2000
_EVERY = 10
"""Seconds after which the bins are cut anew."""
_FADE = 0.94
"""What remains each time of what is known, once there is enough of it."""
_LEAST_RATIO, _MOST_RATIO = 0.02, 200.0
_LARGEST_TAIL = 0.9

_Gains = tuple[tuple[tuple[float, ...], ...], tuple[tuple[float, ...], ...]]


class Latencies:
    """What is known of the baseline's latencies, and what each guess expects of the canary's."""

    __slots__ = ("_age", "_fresh", "_gains", "_known", "bounds")

    def __init__(self) -> None:
        self.bounds: tuple[float, ...] = ()
        """Of the baseline's bins, in milliseconds; empty while not enough is known."""
        self._known = [0] * BINS
        self._fresh = [0] * BINS
        self._age = 0
        self._gains = lru_cache(maxsize=16)(_nothing)

    def tick(self, histogram: Sequence[int]) -> bool:
        """Take in a second of the baseline's latencies. Return whether the bins are others now."""
        self._fresh = list(map(add, self._fresh, histogram))
        self._age += 1
        if self._age < _EVERY and self.bounds:
            return False
        fresh = sum(self._fresh)
        known = sum(self._known)
        if known + fresh < _LEAST or not fresh:
            return False
        if known > _ENOUGH:
            self._known = _faded(self._known)
        self._known = list(map(add, self._known, self._fresh))
        self._fresh = [0] * BINS
        self._age = 0
        self._cut()
        return True

    def logs(self, latencies: Mapping[float, tuple[Sequence[int], Sequence[int]]]) -> list[float] | None:
        """Return what each guess earns by *latencies* (see `observe.comparison.Second`); ``None`` if there are none."""
        return added(self._logs(share, *pair) for share, pair in latencies.items())

    def _logs(self, share: float, baseline: Sequence[int], canary: Sequence[int]) -> list[float]:
        by_baseline, by_canary = self._gains(share)
        return [
            sum(map(mul, baseline, losses)) + sum(map(mul, canary, gains)) for losses, gains in zip(by_baseline, by_canary, strict=True)
        ]

    def _cut(self) -> None:
        places, ratios = guesses(self._known)
        self.bounds = tuple(FINEST_MS * exp(place * BIN_WIDTH) for place in places)

        def gains(share: float) -> _Gains:
            losses = tuple(tuple(-log(share * ratio + 1.0 - share) for ratio in row) for row in ratios)
            wins = tuple(
                tuple(log(ratio) + lost for ratio, lost in zip(row, odds, strict=True)) for row, odds in zip(ratios, losses, strict=True)
            )
            return losses, wins

        self._gains = lru_cache(maxsize=16)(gains)

    def to_state(self) -> dict[str, object]:
        """Return everything that changes."""
        return {"known": sparse(self._known), "fresh": sparse(self._fresh), "age": self._age, "cut": bool(self.bounds)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` returned."""
        self._known = dense(state["known"])
        self._fresh = dense(state["fresh"])
        self._age = int(state["age"])
        if state["cut"]:
            self._cut()


def _nothing(share: float) -> _Gains:
    none = ((0.0,) * (len(QUANTILES) + 1),) * len(STAKES)
    return none, none


def guesses(histogram: Sequence[int]) -> tuple[list[int], list[list[float]]]:
    """Return where bins are cut for a baseline with *histogram* (numbers of its bins), and for each guess how much more frequent
    than the baseline's the canary's requests are in each of them."""
    below = list(accumulate(histogram, initial=0))
    total = below[-1]
    places: list[int] = []
    place = 0
    for quantile in QUANTILES:
        while place < BINS and below[place] < quantile * total:
            place += 1
        places.append(place)

    def shares(shift: int) -> list[float]:
        ranks = [below[max(0, place - shift)] for place in places]
        counts = map(lambda high, low: high - low, (*ranks, total), (0, *ranks))
        return [(count + 0.5) / (total + 0.5 * (len(places) + 1)) for count in counts]

    usual = shares(0)
    rows = [[one / other for one, other in zip(shares(shift), usual, strict=True)] for shift in SHIFTS]
    for cut, factor in TAILS:
        tail = sum(usual[cut + 1 :])
        larger = min(factor, _LARGEST_TAIL / tail)
        rest = (1.0 - larger * tail) / (1.0 - tail)
        rows.append([larger if number > cut else rest for number in range(len(usual))])
    return places, [list(accumulate((min(_MOST_RATIO, max(_LEAST_RATIO, ratio)) for ratio in row), max)) for row in rows]


def _faded(histogram: Sequence[int]) -> list[int]:
    """Return what remains of *histogram*, in whole numbers whose sum is what it should be."""
    remaining = [int(_FADE * rank) for rank in accumulate(histogram, initial=0)]
    return [high - low for low, high in pairwise(remaining)]


def sparse(histogram: Sequence[int]) -> list[int]:
    """Return *histogram* from its first to its last count, with the number of the first in front."""
    used = [number for number, count in enumerate(histogram) if count]
    return [used[0], *histogram[used[0] : used[-1] + 1]] if used else []


def dense(numbers: object) -> list[int]:
    """Return the histogram that `sparse` made *numbers* of. Raises ValueError when it did not."""
    histogram = [0] * BINS
    if not isinstance(numbers, list) or not all(isinstance(number, int) and number >= 0 for number in numbers):
        raise ValueError("this is no histogram")
    if numbers:
        first, *counts = numbers
        histogram[first : first + len(counts)] = counts
    if len(histogram) != BINS:
        raise ValueError("this is no histogram of this version of shifter")
    return histogram
