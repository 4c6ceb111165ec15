"""Bets on latencies: whether the canary's requests are slow more often than the baseline's.

Rule 1. Latencies are sorted into bins that are cut where the baseline's quantiles were a moment ago. Within a bin, chance says whose a
        request is, as with failures (`eprocess`). That holds for any bins, as long as they are made before what is sorted into them.
Rule 2. The canary's bounds are higher by what it may be slower: who is within that is not slower.
Rule 3. Guesses are that everything is slower by some factor, or that only the slowest part is larger. Each earns the more, the slower a
        canary's request is: so no canary that is at most as slow as allowed, however it is so, makes anything grow.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from math import exp, log
from operator import mul
from typing import Any

from shifter.observe.comparison import BIN_WIDTH, BINS, FINEST_MS
from shifter.release.distribution import Distribution
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
LEAST = 50
"""Without so many latencies of the baseline's nobody knows its quantiles."""
_ENOUGH = 2000
_EVERY = 20
"""Seconds after which the bins are cut anew; in the beginning that is done whenever twice as much is known."""
_FADE = 0.88
"""What remains each time of what is known, once there is enough of it."""
_LEAST_RATIO, _MOST_RATIO = 0.02, 200.0
_LARGEST_TAIL = 0.9

_Gains = tuple[tuple[float, ...], ...]
"""What each guess earns by a request of the baseline's in each bin, then by one of the canary's."""


class Latencies:
    """What is known of the baseline's latencies, and what each guess expects of the canary's."""

    __slots__ = ("_age", "_fresh", "_gains", "_known", "_total", "bounds")

    def __init__(self) -> None:
        self.bounds: tuple[float, ...] = ()
        """Of the baseline's bins, in milliseconds; empty while not enough is known."""
        self._known = Distribution()
        self._fresh = Distribution()
        self._total = 0  # of what is known
        self._age = 0
        self._gains = lru_cache(maxsize=16)(_nothing)

    def tick(self, histogram: Sequence[int]) -> bool:
        """Take in a second of the baseline's latencies. Return whether the bins are others now."""
        self._fresh.add(histogram)
        self._age += 1
        if self._age < _EVERY and self._total > _ENOUGH:
            return False
        fresh = sum(self._fresh.counts)
        known = self._total
        if not fresh or known + fresh < LEAST or (fresh < known and self._age < _EVERY):
            return False
        if known > _ENOUGH:
            self._known.fade(_FADE)
        self._known.add(self._fresh.counts)
        self._total = sum(self._known.counts)
        self._fresh.clear()
        self._age = 0
        self._cut()
        return True

    def logs(self, latencies: Mapping[float, tuple[Sequence[int], Sequence[int]]]) -> list[float] | None:
        """Return what each guess earns by *latencies* (see `observe.comparison.Second`); ``None`` if there are none."""
        return added(self._logs(share, *pair) for share, pair in latencies.items())

    def _logs(self, share: float, baseline: Sequence[int], canary: Sequence[int]) -> list[float]:
        counts = (*baseline, *canary)
        return [sum(map(mul, counts, row)) for row in self._gains(share)]

    def _cut(self) -> None:
        places, ratios = guesses(self._known.counts)
        self.bounds = tuple(FINEST_MS * exp(place * BIN_WIDTH) for place in places)

        def gains(share: float) -> _Gains:
            odds = [[-log(share * ratio + 1.0 - share) for ratio in row] for row in ratios]
            return tuple((*row, *map(lambda ratio, lost: log(ratio) + lost, guess, row)) for guess, row in zip(ratios, odds, strict=True))

        self._gains = lru_cache(maxsize=16)(gains)

    def to_state(self) -> dict[str, object]:
        """Return everything that changes."""
        return {"known": self._known.to_state(), "fresh": self._fresh.to_state(), "age": self._age, "cut": bool(self.bounds)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` returned."""
        self._known = Distribution.from_state(state["known"])
        self._fresh = Distribution.from_state(state["fresh"])
        self._total = sum(self._known.counts)
        self._age = int(state["age"])
        if state["cut"]:
            self._cut()


def _nothing(share: float) -> _Gains:
    return ((0.0,) * 2 * (len(QUANTILES) + 1),) * len(STAKES)


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
    return places, [_rising(row, usual) for row in rows]


def _rising(row: Sequence[float], usual: Sequence[float]) -> list[float]:
    """Return *row* so that it never falls, and is 1 on average of *usual*, as ratios of frequencies are."""
    rising = list(accumulate(row, max))
    average = sum(map(mul, rising, usual))
    return [min(_MOST_RATIO, max(_LEAST_RATIO, ratio / average)) for ratio in rising]
