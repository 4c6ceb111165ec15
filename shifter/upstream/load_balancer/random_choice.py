"""``RANDOM``: by lot, in proportion to the weights. (Envoy's ignores weights.)"""

from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, repeat
from random import Random
from typing import Generic

from shifter.upstream.load_balancer.edf import equal
from shifter.upstream.load_balancer.interfaces import W


class RandomChoice(Generic[W]):
    """See the module."""

    __slots__ = ("_bounds", "_draw", "_endpoints", "_random", "_total", "pick")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._draw = random.random
        self._endpoints: tuple[W, ...] = ()
        self._bounds: tuple[int, ...] = ()
        self._total = 0
        self.pick: Callable[[], W | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[W]) -> None:
        everyone = self._endpoints = tuple(endpoints)
        self._bounds = tuple(accumulate(endpoint.weight for endpoint in everyone))
        if len(everyone) <= 1:
            self.pick = repeat(everyone[0] if everyone else None).__next__
        elif equal(everyone):
            self._total = len(everyone)
            self.pick = self._any
        else:
            self._total = self._bounds[-1]
            self.pick = self._by_weight

    def _any(self) -> W:
        return self._endpoints[int(self._draw() * self._total)]

    def _by_weight(self) -> W:
        return self._endpoints[bisect(self._bounds, int(self._draw() * self._total))]

    def order(self, first: W) -> Iterator[W]:
        others = [endpoint for endpoint in self._endpoints if endpoint is not first]
        # The first to ring of alarms that ring at these rates is a draw in proportion to weight; so is the next.
        return iter(sorted(others, key=lambda endpoint: self._random.expovariate(endpoint.weight)))

    def __repr__(self) -> str:
        return f"<RandomChoice endpoints={len(self._endpoints)}>"
