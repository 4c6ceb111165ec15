"""Weighted choice (``route.v3.WeightedCluster``).

Rule 1. A weight is a stretch of the numbers below the sum of the weights, in the order of the list. Zero is no stretch at all,
        so it is never chosen, and an entry that has all the weight always is.
Rule 2. With ``runtime_key_prefix`` the weights are those that runtime has at the moment of the choice, for each cluster under
        ``<prefix>.<cluster>``, else the configured one. A route whose weights then add up to nothing, or to more than 32 bits,
        fits no request.
Rule 3. A choice among some of the entries keeps the proportions of their weights (`Split.among`).
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

from shifter.model.route import RouteAction
from shifter.routing.errors import RoutingError
from shifter.routing.runtime import Runtime

T = TypeVar("T")

_STIR = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio (Knuth's multiplicative hashing)
_UINT64 = 2**64
_TAIL = 16

MAX_TOTAL = 2**32 - 1
"""Envoy refuses a sum of weights that does not fit 32 bits."""


class Split(Generic[T]):
    """Entries and the stretches they own. ``only`` is the entry that is always chosen, where there is just one with a weight.

    Raises `RoutingError` when no entry has a weight, a weight is negative, or the sum does not fit 32 bits.
    """

    __slots__ = ("_among", "_bounds", "_entries", "_total", "only")

    def __init__(self, entries: Sequence[tuple[T, int]]) -> None:
        if any(weight < 0 for _, weight in entries):
            raise RoutingError("a weight must not be negative")
        chosen = [(entry, weight) for entry, weight in entries if weight]
        if not chosen:
            raise RoutingError("the sum of the weights must be greater than 0")
        self._entries = [entry for entry, _ in chosen]
        self._bounds = list(accumulate(weight for _, weight in chosen))
        self._total = self._bounds.pop()
        if self._total > MAX_TOTAL:
            raise RoutingError(f"the sum of the weights must be at most {MAX_TOTAL}")
        self.only: T | None = self._entries[0] if len(chosen) == 1 else None
        self._among: tuple[tuple[bool, ...], Split[T] | None] = ((), None)

    def at(self, number: int) -> T:
        """Return the entry that owns *number*, 0 or more and much larger than the sum of the weights, modulo that sum."""
        return self._entries[bisect_right(self._bounds, number % self._total)]

    def among(self, number: int, alive: Callable[[T], bool]) -> T:
        """Return the entry that owns *number* when only those have a share that are *alive*; as `at` when none is.

        *number* is stirred first: those that `at` gives to one entry are alike in their remainder, and would all go to the same few.
        """
        living = tuple([alive(entry) for entry in self._entries])
        if living != self._among[0]:
            shares = zip(self._entries, self._shares(), living, strict=True)
            left = [(entry, share) for entry, share, lives in shares if lives]
            self._among = living, Split(left) if left else None
        split = self._among[1]
        return self.at(number) if split is None else split.at((number + 1) * _STIR % _UINT64 >> _TAIL)

    def _shares(self) -> list[int]:
        return [after - before for before, after in zip([0, *self._bounds], [*self._bounds, self._total], strict=True)]

    def __repr__(self) -> str:
        return f"<Split {' '.join(f'{entry}={share}/{self._total}' for entry, share in zip(self._entries, self._shares(), strict=True))}>"


def weights_now(action: RouteAction, runtime: Runtime) -> tuple[int, ...]:
    """Return the weights of the entries of *action* as they are at this moment."""
    prefix = action.runtime_key_prefix
    if not prefix:
        return tuple([entry.weight for entry in action.clusters])
    return tuple([runtime.integer(f"{prefix}.{entry.name}", entry.weight) for entry in action.clusters])


def have_weight(weights: Sequence[int]) -> bool:
    """Say whether something can be chosen by *weights* (rule 2)."""
    return 0 < sum(weights) <= MAX_TOTAL


class Weighed(Generic[T]):
    """Something that is made of weights, and made again when they are others.

    While they are good for nothing it stays what it was, *configured* at first. Raises what *make* raises for the first weights.
    """

    __slots__ = ("_made", "_make", "_now", "_weights")

    def __init__(self, make: Callable[[Sequence[int]], T], now: Callable[[], tuple[int, ...]], configured: Sequence[int]) -> None:
        self._make = make
        self._now = now
        self._weights = now()
        self._made = make(self._weights if have_weight(self._weights) else configured)

    def __call__(self) -> T:
        weights = self._now()
        if weights != self._weights:
            self._weights = weights
            if have_weight(weights):
                self._made = self._make(weights)
        return self._made
