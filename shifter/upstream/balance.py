"""Whose turn it is: the endpoint that the next request goes to, as Envoy's load balancers choose it.

Rule 1. ``pick`` is called once a request. It is set to the cheapest callable that is right for the endpoints at hand, so
        that one endpoint, or several of equal weight, cost next to nothing.
Rule 2. Choosing never fails and never waits: no endpoint is ``None``. What is chosen may still turn out to be unreachable;
        ``order`` then names the others.
Rule 3. ``update`` changes who takes part, not who is due: an endpoint that stays keeps its place in the rotation, so that
        frequent updates starve nobody and do not send every first request to the same endpoint.
Rule 4. Turns among unequal weights are dealt by earliest deadline, in whole numbers: an endpoint of weight *w* is due *w*
        times in each period, evenly spaced. Shares are exact, and a turn costs the logarithm of the number of endpoints.
"""

import heapq
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate, cycle, repeat
from math import lcm
from random import Random
from typing import Generic, Protocol, TypeAlias, TypeVar

from shifter.model.cluster import Cluster
from shifter.model.load_balancing import LbPolicy
from shifter.upstream.interfaces import PickContext


class Endpoint(Protocol):
    """What is balanced over."""

    @property
    def weight(self) -> int:
        """Share of the requests, relative to the other endpoints; 1 or more. Read when ``update`` is called."""

    @property
    def active(self) -> int:
        """Requests in flight. Read when an endpoint is picked."""


E = TypeVar("E", bound=Endpoint)


class Balancer(Protocol[E]):
    """One cluster's load balancing policy (Envoy ``Cluster.lb_policy``)."""

    @property
    def pick(self) -> Callable[[], E | None]:
        """``pick()`` returns the endpoint for the next request, ``None`` when there is none. The hot path."""

    def pick_for(self, context: PickContext) -> E | None:
        """Return the endpoint for a request that asks for something."""

    def order(self, first: E) -> Iterator[E]:
        """Yield the endpoints other than *first*, best first, for a request that *first* could not take.

        Takes nobody's turn. An endpoint that leaves meanwhile may still be yielded.
        """

    def update(self, endpoints: Iterable[E]) -> None:
        """Balance over *endpoints* (each once) from now on."""


def make_balancer(config: Cluster, random: Random | None = None) -> Balancer[E]:
    """Return the balancer that *config* asks for, without endpoints yet."""
    random = random or Random()
    match config.lb_policy:
        case LbPolicy.ROUND_ROBIN:
            return RoundRobin(random)
        case LbPolicy.LEAST_REQUEST:
            return LeastRequest(random, config.least_request.choice_count)
        case LbPolicy.RANDOM:
            return RandomChoice(random)
        case _:
            return RoundRobin(random)


Turn: TypeAlias = tuple[int, int, int, E]
"""When it is due, its place among those due at once, how long to the next turn of the same endpoint, and the endpoint."""


_FINE = 1 << 32
"""Steps in the shortest interval there can be: so fine that places kept through an update stay apart."""


def _places(endpoints: Sequence[E], random: Random, kept: Mapping[int, Fraction]) -> list[Fraction]:
    """How much of its own interval each endpoint has still to wait: what is *kept* (by ``id``), or an even spread.

    The spread begins at a random endpoint, so that many proxies started together do not all favour the first one.
    """
    count = len(endpoints)
    shift = random.randrange(count) if count else 0
    return [kept.get(id(endpoint), Fraction((i + shift) % count + 1, count)) for i, endpoint in enumerate(endpoints)]


def _schedule(endpoints: Sequence[E], places: Sequence[Fraction]) -> list[Turn[E]]:
    """Return the heap of turns in which each endpoint is due *weight* times a period."""
    period = lcm(*(endpoint.weight for endpoint in endpoints)) * _FINE
    turns = []
    for i, (endpoint, place) in enumerate(zip(endpoints, places, strict=True)):
        interval = period // endpoint.weight
        turns.append((int(place * interval), i, interval, endpoint))
    heapq.heapify(turns)
    return turns


def _waits(turns: Sequence[Turn[E]]) -> dict[int, Fraction]:
    """Return what `_places` keeps: how far each endpoint is behind the one that is due next."""
    now = turns[0][0] if turns else 0
    return {id(endpoint): Fraction(due - now, interval) for due, _, interval, endpoint in turns}


def _equal(endpoints: Sequence[E]) -> bool:
    return len({endpoint.weight for endpoint in endpoints}) <= 1


class RoundRobin(Generic[E]):
    """``ROUND_ROBIN``: in turn; with unequal weights smoothly interleaved, exact over each period."""

    __slots__ = ("_random", "_ring", "_turns", "pick")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ring: tuple[E, ...] = ()
        self._turns: list[Turn[E]] = []
        self.pick: Callable[[], E | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[E]) -> None:
        everyone = tuple(endpoints)
        places = _places(everyone, self._random, self._kept())
        self._ring, self._turns = (), []
        if not everyone:
            self.pick = repeat(None).__next__
        elif _equal(everyone):
            self._ring = tuple(everyone[i] for i in sorted(range(len(everyone)), key=places.__getitem__))
            self.pick = cycle(self._ring).__next__
        else:
            self._turns = _schedule(everyone, places)
            self.pick = self._take_turn

    def _kept(self) -> dict[int, Fraction]:
        if not self._ring:
            return _waits(self._turns)
        # A cycle does not tell where it is, except by moving on; the one it names becomes the first of the next.
        return {id(endpoint): Fraction(i, len(self._ring)) for i, endpoint in enumerate(self._from(self.pick()))}

    def _take_turn(self) -> E:
        due, place, interval, endpoint = self._turns[0]
        heapq.heapreplace(self._turns, (due + interval, place, interval, endpoint))
        return endpoint

    def _from(self, first: E | None) -> tuple[E, ...]:
        """Return the ring as seen from *first*; as it stands when *first* has left it."""
        for i, endpoint in enumerate(self._ring):
            if endpoint is first:
                return self._ring[i:] + self._ring[:i]
        return self._ring

    def pick_for(self, context: PickContext) -> E | None:
        return self.pick()

    def order(self, first: E) -> Iterator[E]:
        following = self._from(first) or [endpoint for _, _, _, endpoint in sorted(self._turns)]
        return (endpoint for endpoint in following if endpoint is not first)

    def __repr__(self) -> str:
        return f"<RoundRobin endpoints={len(self._ring) or len(self._turns)}>"


class LeastRequest(Generic[E]):
    """``LEAST_REQUEST``: of ``choice_count`` endpoints drawn at random, the one with the fewest requests in flight.

    With unequal weights, as in Envoy, a weighted rotation in which the weight counts as ``weight / (active + 1)``.
    """

    __slots__ = ("_choice_count", "_count", "_draw", "_endpoints", "_more_choices", "_others", "_random", "_ring", "_turns", "pick")

    def __init__(self, random: Random, choice_count: int) -> None:
        self._random = random
        self._draw = random.random
        self._choice_count = choice_count
        self._more_choices = range(choice_count - 1)
        self._endpoints: tuple[E, ...] = ()
        self._ring: tuple[E, ...] = ()  # the endpoints twice over, so that a walk from any of them needs no modulo
        self._count = self._others = 0
        self._turns: list[Turn[E]] = []
        self.pick: Callable[[], E | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[E]) -> None:
        everyone = self._endpoints = tuple(endpoints)
        kept = _waits(self._turns)
        self._turns = []
        self._ring = everyone * 2
        self._count = len(everyone)
        self._others = self._count - 1
        if len(everyone) <= 1:
            self.pick = repeat(everyone[0] if everyone else None).__next__
        elif not _equal(everyone):
            self._turns = _schedule(everyone, _places(everyone, self._random, kept))
            self.pick = self._take_turn
        elif self._choice_count == 2:
            self.pick = self._of_two
        elif self._choice_count < len(everyone):
            self.pick = self._of_some
        else:
            self.pick = self._of_all

    def _of_two(self) -> E:
        # Always two different ones (Envoy may draw the same twice): with two endpoints the less busy one is never missed.
        i = int(self._draw() * self._count)
        one = self._ring[i]
        other = self._ring[i + 1 + int(self._draw() * self._others)]
        return one if one.active <= other.active else other

    def _of_some(self) -> E:
        best = self._ring[int(self._draw() * self._count)]
        for _ in self._more_choices:
            another = self._ring[int(self._draw() * self._count)]
            if another.active < best.active:
                best = another
        return best

    def _of_all(self) -> E:
        start = int(self._draw() * self._count)
        return min(self._ring[start : start + self._count], key=_active)

    def _take_turn(self) -> E:
        due, place, interval, endpoint = self._turns[0]
        heapq.heapreplace(self._turns, (due + interval * (endpoint.active + 1), place, interval, endpoint))
        return endpoint

    def pick_for(self, context: PickContext) -> E | None:
        return self.pick()

    def order(self, first: E) -> Iterator[E]:
        others = [endpoint for endpoint in self._endpoints if endpoint is not first]
        return iter(sorted(others, key=lambda endpoint: (endpoint.active + 1) / endpoint.weight))

    def __repr__(self) -> str:
        return f"<LeastRequest endpoints={len(self._endpoints)}>"


def _active(endpoint: Endpoint) -> int:
    return endpoint.active


class RandomChoice(Generic[E]):
    """``RANDOM``: by lot, in proportion to the weights. (Envoy's ignores weights.)"""

    __slots__ = ("_bounds", "_draw", "_endpoints", "_random", "_total", "pick")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._draw = random.random
        self._endpoints: tuple[E, ...] = ()
        self._bounds: tuple[int, ...] = ()
        self._total = 0
        self.pick: Callable[[], E | None] = repeat(None).__next__

    def update(self, endpoints: Iterable[E]) -> None:
        everyone = self._endpoints = tuple(endpoints)
        self._bounds = tuple(accumulate(endpoint.weight for endpoint in everyone))
        if len(everyone) <= 1:
            self.pick = repeat(everyone[0] if everyone else None).__next__
        elif _equal(everyone):
            self._total = len(everyone)
            self.pick = self._any
        else:
            self._total = self._bounds[-1]
            self.pick = self._by_weight

    def _any(self) -> E:
        return self._endpoints[int(self._draw() * self._total)]

    def _by_weight(self) -> E:
        return self._endpoints[bisect(self._bounds, int(self._draw() * self._total))]

    def pick_for(self, context: PickContext) -> E | None:
        return self.pick()

    def order(self, first: E) -> Iterator[E]:
        others = [endpoint for endpoint in self._endpoints if endpoint is not first]
        # The first to ring of alarms that ring at these rates is a draw in proportion to weight; so is the next.
        return iter(sorted(others, key=lambda endpoint: self._random.expovariate(endpoint.weight)))

    def __repr__(self) -> str:
        return f"<RandomChoice endpoints={len(self._endpoints)}>"
