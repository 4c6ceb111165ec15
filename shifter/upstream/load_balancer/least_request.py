"""``LEAST_REQUEST``: of ``choice_count`` endpoints drawn at random, or of all (``FULL_SCAN``), the one with the fewest requests in
flight.

With unequal weights, as in Envoy, a weighted rotation in which the weight counts as ``weight / (active + 1) ** active_request_bias``.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from random import Random
from typing import Generic

from shifter.model.load_balancing import LeastRequestLbConfig
from shifter.upstream.load_balancer.edf import FINE, Turn, burden, equal, places, schedule, waits
from shifter.upstream.load_balancer.interfaces import W


class LeastRequest(Generic[W]):
    """See the module. *bias* is asked at each update, instead of that of *config*."""

    __slots__ = (
        "_ask_bias", "_bias", "_choice_count", "_count", "_draw", "_endpoints", "_more_choices", "_others", "_random", "_ring", "_turns",
        "pick",
    )  # fmt: skip

    def __init__(self, random: Random, config: LeastRequestLbConfig, bias: Callable[[], float] | None = None) -> None:
        self._random = random
        self._draw = random.random
        self._ask_bias = bias
        self._bias = config.active_request_bias
        self._choice_count = config.choice_count if not config.full_scan else 0
        self._more_choices = range(config.choice_count - 1)
        self._endpoints: tuple[W, ...] = ()
        self._ring: tuple[W, ...] = ()  # the endpoints twice over, so that a walk from any of them needs no modulo
        self._count = self._others = 0
        self._turns: list[Turn[W]] = []
        self.pick: Callable[[], W | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[W]) -> None:
        everyone = self._endpoints = tuple(endpoints)
        kept = waits(self._turns)
        if self._ask_bias is not None:
            self._bias = self._ask_bias()
        self._turns = []
        self._ring = everyone * 2
        self._count = len(everyone)
        self._others = self._count - 1
        if len(everyone) <= 1:
            self.pick = repeat(everyone[0] if everyone else None).__next__
        elif not equal(everyone):
            self._turns = schedule(everyone, places(everyone, self._random, kept))
            self.pick = self._take_turn if self._bias == 1 else self._take_biased_turn
        elif self._choice_count == 2:
            self.pick = self._of_two
        elif 0 < self._choice_count < len(everyone):
            self.pick = self._of_some
        else:
            self.pick = self._of_all

    def _of_two(self) -> W:
        # Always two different ones (Envoy may draw the same twice): with two endpoints the less busy one is never missed.
        i = int(self._draw() * self._count)
        one = self._ring[i]
        other = self._ring[i + 1 + int(self._draw() * self._others)]
        return one if one.active <= other.active else other

    def _of_some(self) -> W:
        best = self._ring[int(self._draw() * self._count)]
        for _ in self._more_choices:
            another = self._ring[int(self._draw() * self._count)]
            if another.active < best.active:
                best = another
        return best

    def _of_all(self) -> W:
        fewest = min(endpoint.active for endpoint in self._endpoints)
        tied = [endpoint for endpoint in self._endpoints if endpoint.active == fewest]
        return tied[int(self._draw() * len(tied))]

    def _take_turn(self) -> W:
        due, place, interval, endpoint = self._turns[0]
        heapq.heapreplace(self._turns, (due + interval * (endpoint.active + 1), place, interval, endpoint))
        return endpoint

    def _take_biased_turn(self) -> W:
        due, place, interval, endpoint = self._turns[0]
        factor = int(burden(endpoint.active, self._bias) * FINE)
        heapq.heapreplace(self._turns, (due + interval * factor // FINE, place, interval, endpoint))
        return endpoint

    def order(self, first: W) -> Iterator[W]:
        others = [endpoint for endpoint in self._endpoints if endpoint is not first]
        return iter(sorted(others, key=lambda endpoint: (endpoint.active + 1) / endpoint.weight))

    def __repr__(self) -> str:
        return f"<LeastRequest endpoints={len(self._endpoints)}>"
