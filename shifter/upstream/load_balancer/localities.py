"""``locality_weighted_lb_config``: the locality is chosen first, by its weight and by how many of its hosts can be used.

Rule 1. A locality has its whole weight while the share of its hosts that can be used, times the overprovisioning factor, is 100
        percent, and correspondingly less below that. One without a weight gets nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import lcm
from random import Random
from typing import Generic

from shifter.model.cluster import Locality
from shifter.upstream.load_balancer.interfaces import Chooser, E
from shifter.upstream.load_balancer.round_robin import RoundRobin

Shares = Mapping[Locality, int]


def effective_weights(
    weights: Shares, eligible: Mapping[Locality, Sequence[E]], counted: Mapping[Locality, int], overprovisioning_factor: int
) -> Shares:
    """Return the localities that get requests and their shares, in whole numbers.

    *weights* are the configured ones, *eligible* the hosts that can be used, *counted* says how many there are in all, less those
    that are excluded.
    """
    common = lcm(*(count for count in counted.values() if count > 0))
    found = {}
    for locality, weight in weights.items():
        count = counted.get(locality, 0)
        if count > 0 and weight:
            available = min(100 * count, overprovisioning_factor * len(eligible.get(locality, ())))
            if available:
                found[locality] = weight * available * (common // count)
    return found


class _Place(Generic[E]):
    """One locality with its turns."""

    __slots__ = ("chooser", "hosts", "weight", "weights")
    active = 0

    def __init__(self, chooser: Chooser[E]) -> None:
        self.chooser = chooser
        self.hosts: list[E] = []
        self.weights: list[int] = []
        self.weight = 1


class LocalityRotation(Generic[E]):
    """Turns among localities, and in each of them among its hosts. Localities that stay keep their places."""

    __slots__ = ("_make", "_order", "_places", "_rotation")

    def __init__(self, random: Random, make: Callable[[], Chooser[E]]) -> None:
        self._make = make
        self._rotation: RoundRobin[_Place[E]] = RoundRobin(random)
        self._places: dict[Locality, _Place[E]] = {}
        self._order: list[_Place[E]] = []

    def update(self, shares: Shares, eligible: Mapping[Locality, list[E]]) -> None:
        """Deal turns by *shares*, all above 0, to the *eligible* hosts, of which each locality named has some."""
        self._places = {locality: self._places.get(locality) or _Place(self._make()) for locality in shares}
        for locality, place in self._places.items():
            place.weight = shares[locality]
            hosts = eligible[locality]
            weights = [endpoint.weight for endpoint in hosts]
            if place.hosts != hosts or place.weights != weights:
                place.hosts, place.weights = hosts, weights
                place.chooser.update(hosts)
        self._order = list(self._places.values())
        self._rotation.update(self._order)

    def pick(self) -> E | None:
        """Return whose turn it is."""
        place = self._rotation.pick()
        return place.chooser.pick() if place is not None else None

    def order(self, first: E) -> Iterator[E]:
        """Yield the others, those of the locality of *first* before the rest."""
        for place in sorted(self._order, key=lambda place: first not in place.hosts):
            yield from place.chooser.order(first)
