"""The hosts of a cluster by priority and by how well they are (Envoy's ``HostSet``)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic

from shifter.model.cluster import Locality
from shifter.upstream.host import Health
from shifter.upstream.load_balancer.interfaces import E, Endpoint

LocalityWeight = Callable[[Sequence[Endpoint], int], int]
"""Returns the weight of a locality, given all its hosts of a priority and that priority."""


class HostSet(Generic[E]):
    """The hosts of one priority. ``excluded`` ones (``ignore_new_hosts_until_first_hc``, failed at once by a health check,
    ``DRAINING``) do not count where it is judged how well the priority as a whole is."""

    __slots__ = ("degraded", "excluded", "healthy", "hosts")

    def __init__(self) -> None:
        self.hosts: list[E] = []
        self.healthy: list[E] = []
        self.degraded: list[E] = []
        self.excluded: list[E] = []


def host_sets(endpoints: Iterable[E]) -> list[HostSet[E]]:
    """Return the host set of each priority from 0 on, at least one; those between may be empty."""
    sets: list[HostSet[E]] = [HostSet()]
    for endpoint in endpoints:
        host = endpoint.host
        priority = host.endpoint.priority
        while priority >= len(sets):
            sets.append(HostSet())
        one = sets[priority]
        one.hosts.append(endpoint)
        if host.health is Health.HEALTHY:
            one.healthy.append(endpoint)
        elif host.health is Health.DEGRADED:
            one.degraded.append(endpoint)
        if host.excluded:
            one.excluded.append(endpoint)
    return sets


def by_locality(endpoints: Iterable[E]) -> Mapping[Locality, list[E]]:
    """Return *endpoints* by locality, localities in alphabetical order as in Envoy."""
    found: dict[Locality, list[E]] = {}
    for endpoint in endpoints:
        found.setdefault(endpoint.host.endpoint.locality, []).append(endpoint)
    return {locality: found[locality] for locality in sorted(found, key=_words)}


def locality_weight(endpoints: Iterable[Endpoint], priority: int) -> int:
    """Return the configured weight of the one locality that *endpoints* belong to; 0 when nothing is said of it."""
    return max((endpoint.host.endpoint.locality_weight or 0 for endpoint in endpoints), default=0)


def _words(locality: Locality) -> tuple[str, str, str]:
    return locality.region, locality.zone, locality.sub_zone
