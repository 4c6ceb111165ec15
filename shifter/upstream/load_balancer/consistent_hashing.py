"""The balancer of policies that go by the hash of a request: a table for each priority (Envoy's ``ThreadAwareLoadBalancerBase``).

Rule 1. A table is made when the first request after a change needs it, not when the change comes: where health flaps, changes come
        in numbers. It is not made anew when nothing that matters to it has changed, nor when all is as it was shortly before: a
        host that comes and goes costs one table, not one each time.
Rule 2. A request without a hash goes anywhere, by lot.
Rule 3. Where a priority has no healthy hosts, the table is that of its degraded ones. (Envoy has an empty one, and no answer.)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Generic

from shifter.observe.stats import ClusterStats
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer.hash_table import HashTable, Part, hash_key
from shifter.upstream.load_balancer.host_sets import HostSet, LocalityWeight, by_locality, host_sets
from shifter.upstream.load_balancer.interfaces import E
from shifter.upstream.load_balancer.priorities import Load, PrioritySettings, priority_load

_KEPT = 3
_KEPT_SIZE = 1 << 17
"""So many former tables of a priority are kept, none of more places; it is a megabyte for each."""

MakeTable = Callable[[Sequence[Part[E]], HashTable[E] | None], HashTable[E]]
"""Returns the table for some hosts; it takes the place of another one."""


@dataclass(frozen=True, slots=True)
class HashingPolicy:
    """What a `ConsistentHashing` needs to know besides `PrioritySettings`. ``locality_weight`` as in `priority_balancer.Policy`."""

    use_hostname: bool = False
    locality_weight: LocalityWeight | None = None


class _Priority(Generic[E]):
    """The hosts in use of one priority, and their table once it was needed."""

    __slots__ = ("_former", "_hosts", "_parts", "_set", "_stale", "_table", "panic")

    def __init__(self) -> None:
        self._set: HostSet[E] = HostSet()
        self._hosts: list[E] = []
        self._parts: list[Part[E]] = []
        self._table: HashTable[E] | None = None
        self._former: list[tuple[list[Part[E]], HashTable[E]]] = []
        self._stale = True
        self.panic = False

    def show(self, hosts: HostSet[E], panic: bool) -> None:
        self._set = hosts
        self.panic = panic
        self._hosts = hosts.hosts if panic else hosts.healthy or hosts.degraded
        self._stale = True

    def table(self, number: int, policy: HashingPolicy, make: MakeTable[E]) -> HashTable[E]:
        if self._stale or self._table is None:
            parts = self._normalized(number, policy)
            if self._table is None or parts != self._parts:
                self._put_by()
                self._parts = parts
                self._table = self._found(parts) or make(parts, self._table)
            self._stale = False
        return self._table

    def _put_by(self) -> None:
        """Keep the table for another time, and no table of hosts that have gone for good."""
        if self._table is not None and self._table.size <= _KEPT_SIZE:
            self._former.insert(0, (self._parts, self._table))
        here = {id(endpoint) for endpoint in self._set.hosts}
        self._former = [former for former in self._former[:_KEPT] if all(id(endpoint) in here for endpoint, _, _ in former[0])]

    def _found(self, parts: list[Part[E]]) -> HashTable[E] | None:
        for i, (its_parts, table) in enumerate(self._former):
            if its_parts == parts:
                del self._former[i]
                return table
        return None

    def _normalized(self, number: int, policy: HashingPolicy) -> list[Part[E]]:
        if policy.locality_weight is None:
            return list(_normalized(self._hosts, 1.0, policy.use_hostname))
        used = by_locality(self._hosts)
        weights = {locality: policy.locality_weight(there, number) for locality, there in by_locality(self._set.hosts).items()}
        total = sum(weights.values())
        return [
            part
            for locality, weight in weights.items()
            if weight and locality in used
            for part in _normalized(used[locality], weight / total, policy.use_hostname)
        ]

    @property
    def hosts(self) -> list[E]:
        """The hosts in use, also such as the table leaves out."""
        return self._hosts

    @property
    def parts(self) -> list[Part[E]]:
        """What the table was made of."""
        return self._parts


def _normalized(hosts: Iterable[E], whole: float, use_hostname: bool) -> Iterator[Part[E]]:
    everyone = list(hosts)
    total = sum(endpoint.weight for endpoint in everyone)
    return ((endpoint, endpoint.weight * whole / total, hash_key(endpoint, use_hostname)) for endpoint in everyone)


class ConsistentHashing(Generic[E]):
    """See the module."""

    __slots__ = ("_by_percent", "_draw", "_make", "_policy", "_priorities", "_settings", "_stats")

    def __init__(
        self, settings: Callable[[], PrioritySettings], policy: HashingPolicy, make: MakeTable[E], random: Random, stats: ClusterStats
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._make = make
        self._draw = random.getrandbits
        self._stats = stats
        self._priorities: list[_Priority[E]] = []
        self._by_percent: tuple[int, ...] = ()

    def update(self, endpoints: Iterable[E]) -> None:
        sets = host_sets(endpoints)
        load = priority_load(sets, self._settings())
        del self._priorities[len(sets) :]
        while len(self._priorities) < len(sets):
            self._priorities.append(_Priority())
        for one, hosts, panic in zip(self._priorities, sets, load.panic, strict=True):
            one.show(hosts, panic)
        self._by_percent = _by_percent(load)

    def pick(self) -> E | None:
        """As `pick_for`, by lot."""
        return self._choose(self._draw(64), None)

    def pick_for(self, context: PickContext) -> E | None:
        return self._choose(self._draw(64) if context.hash is None else context.hash, context)

    def _choose(self, hash_: int, context: PickContext | None) -> E | None:
        if not self._priorities:
            return None
        number = self._by_percent[hash_ % 100]
        one = self._priorities[number]
        if one.panic:
            self._stats.lb_healthy_panic += 1
        table = one.table(number, self._policy, self._make)
        picked = table.choose(hash_, 0)
        avoid: Callable[[E], bool] | None = context.avoid if context is not None else None  # type: ignore[assignment]  # pools are balanced over
        if context is not None and avoid is not None:
            for attempt in range(1, context.host_selection_attempts + 1):
                if picked is None or not avoid(picked):
                    break
                picked = table.choose(hash_, attempt)
        return picked

    def order(self, first: E) -> Iterator[E]:
        """Those of the same priority, from *first* on, before the others."""
        priorities = sorted(self._priorities, key=lambda one: first not in one.hosts)
        for one in priorities:
            hosts = [endpoint for endpoint, _, _ in one.parts] if self._policy.locality_weight is not None else one.hosts
            at = hosts.index(first) + 1 if first in hosts else 0
            yield from (endpoint for endpoint in hosts[at:] + hosts[:at] if endpoint is not first)

    def gauges(self) -> Mapping[str, int]:
        # One set of figures for all tables: Envoy's are those of the last that it made.
        for number, one in reversed([*enumerate(self._priorities)]):
            if one.hosts or not number:
                return one.table(number, self._policy, self._make).gauges()
        return {}

    def __repr__(self) -> str:
        return f"<ConsistentHashing endpoints={sum(len(one.hosts) for one in self._priorities)} priorities={len(self._priorities)}>"


def _by_percent(load: Load) -> tuple[int, ...]:
    """Return the priority for each percent, as Envoy's ``choosePriority`` goes through them."""
    shares = [*enumerate(load.healthy), *enumerate(load.degraded)]
    return tuple(priority for priority, share in shares for _ in range(share))
