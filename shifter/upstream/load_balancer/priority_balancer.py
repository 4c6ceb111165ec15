"""The balancer of policies that deal turns: priorities, panic, localities and slow start around a `Chooser` (Envoy's
``ZoneAwareLoadBalancerBase`` and ``EdfLoadBalancerBase``; zones are not looked at, for nothing says which hosts are the proxy's own).

Rule 1. Which hosts are in use is settled when membership or health changes. With one kind of hosts in use, ``pick`` is that of
        its chooser; the hundred parts that several are drawn by are laid out beforehand.
Rule 2. A kind of hosts that is out of use for a while (panic, a priority that recovered) keeps its turns until it is back.
Rule 3. What did not change is not dealt anew.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from random import Random
from typing import Generic

from shifter.model.load_balancing import SlowStart
from shifter.observe.stats import ClusterStats
from shifter.upstream.host import Health
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer.edf import burden
from shifter.upstream.load_balancer.host_sets import HostSet, LocalityWeight, by_locality, host_sets
from shifter.upstream.load_balancer.interfaces import Chooser, E
from shifter.upstream.load_balancer.localities import LocalityRotation, effective_weights
from shifter.upstream.load_balancer.priorities import Load, PrioritySettings, load_without, priority_load
from shifter.upstream.load_balancer.slow_start import GradualRotation, slow_start_factor, slow_until

Pick = Callable[[], E | None]
Kind = tuple[int, Health | None, bool]
"""Which hosts: those of a priority that are so well (``None``: all), and whether some of them are new (slow start)."""

_PARTS = 100
_MOST_KEPT = 64
_LIGHTEST = 1e-12


@dataclass(frozen=True, slots=True)
class Policy:
    """What a `PriorityBalancer` needs to know besides `PrioritySettings`.

    ``locality_weight`` is ``None`` where localities are not weighed. ``bias`` is ``active_request_bias``, 0 where requests in flight do
    not matter. ``slow_start`` is ``None`` for policies that have none.
    """

    locality_weight: LocalityWeight | None = None
    slow_start: SlowStart | None = None
    bias: float = 0.0
    fail_traffic_on_panic: bool = False


class _Turns(Generic[E]):
    """A chooser and the hosts and weights that it was last shown."""

    __slots__ = ("_hosts", "_weights", "chooser")

    def __init__(self, chooser: Chooser[E]) -> None:
        self.chooser = chooser
        self._hosts: list[E] = []
        self._weights: list[int] = []

    def show(self, hosts: list[E]) -> None:
        weights = [endpoint.weight for endpoint in hosts]
        if hosts != self._hosts or weights != self._weights:
            self._hosts, self._weights = hosts, weights
            self.chooser.update(hosts)


class PriorityBalancer(Generic[E]):
    """See the module. *clock* is that of ``Host.since``. *settings* and *policy* are asked at each update, for runtime may change them."""

    __slots__ = (
        "_ask_policy", "_ask_settings", "_clock", "_elsewhere", "_everyone", "_load", "_localities", "_make", "_orders", "_policy",
        "_random", "_sets", "_settings", "_slow_until", "_stats", "_turns", "pick",
    )  # fmt: skip

    def __init__(
        self,
        settings: Callable[[], PrioritySettings],
        policy: Callable[[], Policy],
        make: Callable[[], Chooser[E]],
        random: Random,
        stats: ClusterStats,
        clock: Callable[[], float],
    ) -> None:
        self._ask_settings = settings
        self._ask_policy = policy
        self._settings = settings()
        self._policy = policy()
        self._make = make
        self._random = random
        self._stats = stats
        self._clock = clock
        self._everyone: list[E] = []
        self._sets: list[HostSet[E]] = []
        self._load = Load((), (), (), ((), ()))
        self._slow_until: float | None = None
        self._turns: dict[Kind, _Turns[E]] = {}
        self._localities: dict[Kind, LocalityRotation[E]] = {}
        self._orders: list[Callable[[E], Iterator[E]]] = []
        self._elsewhere: dict[frozenset[int], Pick[E]] = {}
        self.pick: Pick[E] = repeat(None).__next__

    def update(self, endpoints: Iterable[E]) -> None:
        self._everyone = list(endpoints)
        self._settings = self._ask_settings()
        self._policy = self._ask_policy()
        self._sets = host_sets(self._everyone)
        self._load = priority_load(self._sets, self._settings)
        self._settle()

    def _settle(self) -> None:
        slow_start = self._policy.slow_start
        until = slow_until(slow_start, self._everyone) if slow_start is not None else 0.0
        self._slow_until = until if slow_start is not None and until > self._clock() else None
        self._elsewhere = {}
        self._orders = []
        for kinds in (self._turns, self._localities):
            for kind in [kind for kind in kinds if kind[0] >= len(self._sets)]:
                del kinds[kind]
        pick = self._spread(self._load)
        # Slow start ends without anybody saying so.
        self.pick = pick if self._slow_until is None else partial(self._pick_while_slow, pick)

    def _spread(self, load: Load) -> Pick[E]:
        """Return what picks by *load*."""
        parts: list[tuple[Pick[E], int]] = []
        for health, shares in ((Health.HEALTHY, load.healthy), (Health.DEGRADED, load.degraded)):
            for priority, share in enumerate(shares):
                if share:
                    parts.append((self._of(priority, None if load.panic[priority] else health), share))
        if len(parts) == 1:
            return parts[0][0]
        return partial(_pick_part, tuple(pick for pick, share in parts for _ in range(share)), self._random.random)

    def _of(self, priority: int, health: Health | None) -> Pick[E]:
        """Return what picks among the hosts of *priority* that are so well."""
        hosts = self._sets[priority]
        kind = (priority, health, self._slow_until is not None)
        if health is None:
            if self._policy.fail_traffic_on_panic:
                return partial(_fail_in_panic, self._stats)
            return partial(_pick_in_panic, self._stats, self._turns_of(kind, hosts.hosts).pick)
        well = hosts.healthy if health is Health.HEALTHY else hosts.degraded
        if self._policy.locality_weight is not None and well:
            everywhere = by_locality(hosts.hosts)
            excluded = by_locality(hosts.excluded)
            eligible = by_locality(well)
            weights = {locality: self._policy.locality_weight(there, priority) for locality, there in everywhere.items()}
            counted = {locality: len(there) - len(excluded.get(locality, ())) for locality, there in everywhere.items()}
            shares = effective_weights(weights, eligible, counted, self._settings.overprovisioning_factor)
            if shares:
                rotation = self._localities.get(kind)
                if rotation is None:
                    rotation = self._localities[kind] = LocalityRotation(self._random, self._chooser)
                rotation.update(shares, eligible)
                self._orders.append(rotation.order)
                return rotation.pick
        return self._turns_of(kind, well).pick

    def _turns_of(self, kind: Kind, hosts: list[E]) -> Chooser[E]:
        turns = self._turns.get(kind)
        if turns is None:
            turns = self._turns[kind] = _Turns(self._chooser())
        turns.show(hosts)
        self._orders.append(turns.chooser.order)
        return turns.chooser

    def _chooser(self) -> Chooser[E]:
        return self._make() if self._slow_until is None else GradualRotation(self._random, self._weigh)

    def _weigh(self, endpoint: E) -> float:
        assert self._policy.slow_start is not None
        host = endpoint.host
        weight: float = endpoint.weight / burden(endpoint.active, self._policy.bias)
        if host.health is Health.HEALTHY:
            weight *= slow_start_factor(self._policy.slow_start, self._clock() - host.since)
        return max(weight, _LIGHTEST)

    def _pick_while_slow(self, pick: Pick[E]) -> E | None:
        if self._slow_until is not None and self._clock() >= self._slow_until:
            self._settle()
            return self.pick()
        return pick()

    def pick_for(self, context: PickContext) -> E | None:
        pick = self._without(context.priorities_tried) if context.priorities_tried else self.pick
        picked = pick()
        avoid: Callable[[E], bool] | None = context.avoid  # type: ignore[assignment]  # pools are what is balanced over
        if avoid is not None:
            for _ in range(context.host_selection_attempts):
                if picked is None or not avoid(picked):
                    break
                picked = pick()
        return picked

    def _without(self, tried: frozenset[int]) -> Pick[E]:
        pick = self._elsewhere.get(tried)
        if pick is None:
            if len(self._elsewhere) >= _MOST_KEPT:
                self._elsewhere.clear()
            orders, self._orders = self._orders, []
            pick = self._elsewhere[tried] = self._spread(load_without(self._load, tried)) if self._sets else self.pick
            self._orders = orders
        return pick

    def order(self, first: E) -> Iterator[E]:
        if len(self._orders) == 1 and len(self._sets) == 1:
            return self._orders[0](first)
        return self._everywhere(first)

    def _everywhere(self, first: E) -> Iterator[E]:
        """Those in use, and then the healthy ones of priorities that are held in reserve."""
        seen = {id(first)}
        spare = (
            endpoint
            for one, healthy, degraded in zip(self._sets, self._load.healthy, self._load.degraded, strict=True)
            if not healthy and not degraded
            for endpoint in one.healthy
        )
        for source in (*(order(first) for order in self._orders), spare):
            for endpoint in source:
                if id(endpoint) not in seen:
                    seen.add(id(endpoint))
                    yield endpoint

    def gauges(self) -> Mapping[str, int]:
        return {}

    def __repr__(self) -> str:
        return f"<PriorityBalancer endpoints={len(self._everyone)} priorities={len(self._sets)}>"


def _pick_in_panic(stats: ClusterStats, pick: Pick[E]) -> E | None:
    stats.lb_healthy_panic += 1
    return pick()


def _fail_in_panic(stats: ClusterStats) -> None:
    stats.lb_healthy_panic += 1


def _pick_part(parts: tuple[Pick[E], ...], draw: Callable[[], float]) -> E | None:
    return parts[int(draw() * _PARTS)]()
