"""``ROUND_ROBIN``: in turn; with unequal weights smoothly interleaved, exact over each period."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, repeat
from random import Random
from typing import Generic

from shifter.upstream.load_balancer.edf import FINE, Turn, equal, places, schedule, waits
from shifter.upstream.load_balancer.interfaces import W


class RoundRobin(Generic[W]):
    """See the module."""

    __slots__ = ("_random", "_ring", "_turns", "pick")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ring: tuple[W, ...] = ()
        self._turns: list[Turn[W]] = []
        self.pick: Callable[[], W | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[W]) -> None:
        everyone = tuple(endpoints)
        due = places(everyone, self._random, self._kept())
        self._ring, self._turns = (), []
        if not everyone:
            self.pick = repeat(None).__next__
        elif equal(everyone):
            self._ring = tuple(everyone[i] for i in sorted(range(len(everyone)), key=due.__getitem__))
            self.pick = cycle(self._ring).__next__
        else:
            self._turns = schedule(everyone, due)
            self.pick = self._take_turn

    def _kept(self) -> dict[int, int]:
        if not self._ring:
            return waits(self._turns)
        # A cycle does not tell where it is, except by moving on; the one it names becomes the first of the next.
        count = len(self._ring)
        return {id(endpoint): i * FINE // count for i, endpoint in enumerate(self._from(self.pick()))}

    def _take_turn(self) -> W:
        due, place, interval, endpoint = self._turns[0]
        heapq.heapreplace(self._turns, (due + interval, place, interval, endpoint))
        return endpoint

    def _from(self, first: W | None) -> tuple[W, ...]:
        """Return the ring as seen from *first*; as it stands when *first* has left it."""
        for i, endpoint in enumerate(self._ring):
            if endpoint is first:
                return self._ring[i:] + self._ring[:i]
        return self._ring

    def order(self, first: W) -> Iterator[W]:
        following = self._from(first) or [endpoint for _, _, _, endpoint in sorted(self._turns)]
        return (endpoint for endpoint in following if endpoint is not first)

    def __repr__(self) -> str:
        return f"<RoundRobin endpoints={len(self._ring) or len(self._turns)}>"
