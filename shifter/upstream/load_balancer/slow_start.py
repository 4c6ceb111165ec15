"""``slow_start_config``: hosts that are new, or well again, get their share of the requests little by little.

Rule 1. The weight of a host is looked at when the host has been picked, and only while some host is new: no timer, and no work for
        hosts that nobody picks (as in Envoy).
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import count, repeat
from random import Random
from typing import Generic

from shifter.model.load_balancing import SlowStart
from shifter.upstream.host import Health
from shifter.upstream.load_balancer.interfaces import E

_SHORTEST = 0.001
"""Envoy counts milliseconds, and at least one."""


def slow_start_factor(config: SlowStart, age: float) -> float:
    """Return the part of its weight that a host has *age* seconds after it became part of the cluster, or well."""
    if age >= config.window:
        return 1.0
    part = max(_SHORTEST, age) / config.window
    grown: float = part ** (1 / config.aggression)
    return max(grown, config.min_weight_percent / 100)


def slow_until(config: SlowStart, endpoints: Iterable[E]) -> float:
    """Return until when some host is not yet up to its weight (seconds of the clock of ``Host.since``)."""
    since = (endpoint.host.since for endpoint in endpoints if endpoint.host.health is Health.HEALTHY)
    return max(since, default=-config.window) + config.window


class GradualRotation(Generic[E]):
    """Turns by weights that change with time and with requests in flight: ``weigh(endpoint)`` is asked at each turn."""

    __slots__ = ("_number", "_random", "_turns", "_weigh", "pick")

    def __init__(self, random: Random, weigh: Callable[[E], float]) -> None:
        self._random = random
        self._weigh = weigh
        self._number = count().__next__
        self._turns: list[tuple[float, int, E]] = []
        self.pick: Callable[[], E | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[E]) -> None:
        now = self._turns[0][0] if self._turns else 0.0
        kept = {id(endpoint): due - now for due, _, endpoint in self._turns}
        self._turns = [
            (kept[id(endpoint)] if id(endpoint) in kept else self._random.random() / self._weigh(endpoint), self._number(), endpoint)
            for endpoint in endpoints
        ]
        heapq.heapify(self._turns)
        self.pick = self._take_turn if self._turns else repeat(None).__next__

    def _take_turn(self) -> E:
        due, _, endpoint = self._turns[0]
        heapq.heapreplace(self._turns, (due + 1 / self._weigh(endpoint), self._number(), endpoint))
        return endpoint

    def order(self, first: E) -> Iterator[E]:
        return (endpoint for _, _, endpoint in sorted(self._turns) if endpoint is not first)
