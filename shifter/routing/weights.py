"""Weighted choice (``route.v3.WeightedCluster``).

Rule 1. A weight is a stretch of the line from 0 to 1, in the order of the list. Zero is no stretch at all, so it is never
        chosen, and an entry that has all the weight always is.
Rule 2. Who asks keeps a point. When the entry that is listed first grows, its stretch grows at its far end only: callers
        move to it and none moves away; when it shrinks, the same backwards.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar
from zlib import crc32

from shifter.routing.errors import RoutingError

T = TypeVar("T")

MAX_TOTAL = 2**32 - 1
"""Envoy refuses a sum of weights that does not fit 32 bits."""


class Split(Generic[T]):
    """Entries and the stretches they own. ``only`` is the entry that is always chosen, where there is just one with a weight.

    Raises `RoutingError` when no entry has a weight, a weight is negative, or the sum does not fit 32 bits.
    """

    __slots__ = ("_bounds", "_entries", "_total", "only")

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

    def at(self, point: float) -> T:
        """Return the entry that owns *point*, which lies in [0, 1)."""
        return self._entries[bisect_right(self._bounds, point * self._total)]

    def __repr__(self) -> str:
        shares = [after - before for before, after in zip([0, *self._bounds], [*self._bounds, self._total], strict=True)]
        return f"<Split {' '.join(f'{entry}={share}/{self._total}' for entry, share in zip(self._entries, shares, strict=True))}>"


def point_of(key: bytes) -> float:
    """Return the point in [0, 1) that *key* (a cookie, a user name, an address) always gets."""
    return crc32(key) / 2**32
