"""How much of the requests each priority gets, by how well its hosts are (Envoy's ``LoadBalancerBase``).

Rule 1. A priority is as available as the share of its hosts that are well, times the overprovisioning factor, up to 100 percent.
        Priorities are filled in their order; what the first ones cannot take spills over to the next, and where all healthy
        hosts together are not enough, to degraded ones.
Rule 2. Where not even that is 100 percent, a priority with fewer hosts that are well than the panic threshold uses all its hosts.
        When that is so for all of them, each gets requests by the number of its hosts, whatever their health.
Rule 3. Percentages are whole numbers, rounded down; the first that is available gets the rest.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shifter.model.cluster import Cluster
from shifter.routing.runtime import Runtime
from shifter.upstream.load_balancer.host_sets import HostSet
from shifter.upstream.load_balancer.interfaces import E

_ALL = 100
_THRESHOLD_KEY = "upstream.healthy_panic_threshold"


@dataclass(frozen=True, slots=True)
class PrioritySettings:
    """What a cluster says about its priorities. ``panic_threshold`` is in whole percent."""

    overprovisioning_factor: int = 140
    weighted_priority_health: bool = False
    panic_threshold: int = 50

    @classmethod
    def of(cls, config: Cluster, runtime: Runtime) -> "PrioritySettings":
        """Return those of *config*; *runtime* may have another threshold."""
        threshold = runtime.integer(_THRESHOLD_KEY, int(config.common_lb.healthy_panic_threshold + 0.5))
        return cls(config.overprovisioning_factor, config.weighted_priority_health, min(_ALL, threshold))


@dataclass(frozen=True, slots=True)
class Load:
    """Percent of the requests that go to the healthy and to the degraded hosts of each priority; all together 100.

    ``panic``: whether a priority uses all its hosts, whatever their health. ``available`` is how much the healthy and the degraded
    hosts of each could take.
    """

    healthy: tuple[int, ...]
    degraded: tuple[int, ...]
    panic: tuple[bool, ...]
    available: tuple[tuple[int, ...], tuple[int, ...]]


def priority_load(sets: Sequence[HostSet[E]], settings: PrioritySettings) -> Load:
    """Return who gets how much; *sets* is not empty."""
    healthy = tuple(_available(one.healthy, one, settings) for one in sets)
    degraded = tuple(_available(one.degraded, one, settings) for one in sets)
    total = min(_ALL, sum(healthy) + sum(degraded))
    panic = tuple(total < _ALL and _panics(one, settings.panic_threshold) for one in sets)
    shares = _by_size(sets) if all(panic) else _distribute(healthy, degraded, total)
    return Load(*shares, panic, (healthy, degraded))


def load_without(load: Load, tried: Collection[int]) -> Load:
    """Return *load* for a retry that leaves out the priorities that were *tried* (Envoy's ``PreviousPrioritiesRetryPriority``).

    When no other can take anything, they are tried again; when nobody can at all, it is *load* as it was.
    """
    for left_out in (tried, ()):
        healthy, degraded = (
            tuple(0 if priority in left_out else share for priority, share in enumerate(shares)) for shares in load.available
        )
        total = min(_ALL, sum(healthy) + sum(degraded))
        if total:
            return Load(*_distribute(healthy, degraded, total), load.panic, load.available)
    return load


def _available(well: Sequence[E], of: HostSet[E], settings: PrioritySettings) -> int:
    if settings.weighted_priority_health:
        part = sum(endpoint.weight for endpoint in well)
        whole = sum(endpoint.weight for endpoint in of.hosts) - sum(endpoint.weight for endpoint in of.excluded)
    else:
        part, whole = len(well), len(of.hosts) - len(of.excluded)
    return min(_ALL, settings.overprovisioning_factor * part // whole) if whole > 0 else 0


def _panics(of: HostSet[E], threshold: int) -> bool:
    counted = len(of.hosts) - len(of.excluded)
    return (_ALL * (len(of.healthy) + len(of.degraded)) / counted if counted > 0 else 0.0) < threshold


def _distribute(healthy: Sequence[int], degraded: Sequence[int], total: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    left = _ALL
    shares: list[list[int]] = [[], []]
    for available, given in zip((healthy, degraded), shares, strict=True):
        for percent in available:
            share = min(left, percent * _ALL // total) if total else 0
            given.append(share)
            left -= share
    for available, given in zip((healthy, degraded), shares, strict=True):
        for priority, percent in enumerate(available):
            if percent and left:
                given[priority] += left
                left = 0
    shares[0][0] += left  # nobody can take anything: it comes to nothing there as well as anywhere
    return tuple(shares[0]), tuple(shares[1])


def _by_size(sets: Sequence[HostSet[E]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    count = sum(len(one.hosts) for one in sets)
    shares = [_ALL * len(one.hosts) // count if count else 0 for one in sets]
    first = next((priority for priority, one in enumerate(sets) if one.hosts), 0)
    shares[first] += _ALL - sum(shares)
    return tuple(shares), (0,) * len(shares)
