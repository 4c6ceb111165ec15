"""``lb_subset_config``: the hosts that have what a route's ``metadata_match`` asks for (Envoy's ``SubsetLoadBalancer``).

Rule 1. Each combination of values that hosts have for the keys of a selector is a subset, with a balancer of its own. There are no
        other ones, whatever is asked for, so that memory is bounded by what the hosts' metadata says.
Rule 2. Subsets are formed when the hosts or their metadata change. A change of health is looked at in a subset when a request
        comes for it.
Rule 3. Who takes over for an endpoint that cannot be connected to is in exactly the same subsets as that one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic

from shifter.model.load_balancing import LbSubsetConfig, LbSubsetSelector, SubsetFallback
from shifter.observe.stats import ClusterStats
from shifter.upstream.interfaces import Criteria, PickContext
from shifter.upstream.load_balancer.criteria import Value, combinations, comparable, criteria_of, fallback_list, fits, merged, only
from shifter.upstream.load_balancer.host_sets import LocalityWeight, locality_weight
from shifter.upstream.load_balancer.interfaces import Balancer, E, Endpoint

MakeInner = Callable[[LocalityWeight | None], Balancer[E]]

_DUPLICATES = "lb_subsets_single_host_per_subset_duplicate"
_COUNTERS = ("lb_subsets_created", "lb_subsets_fallback", "lb_subsets_fallback_panic", "lb_subsets_removed", "lb_subsets_selected")
_NOTHING = PickContext()


class _Subset(Generic[E]):
    """Some of the hosts. With *single*, the first of them in priority, whatever its health."""

    __slots__ = ("_balancer", "_single", "_stale", "hosts")

    def __init__(self, balancer: Balancer[E], single: bool) -> None:
        self._balancer = balancer
        self._single = single
        self._stale = True
        self.hosts: list[E] = []

    def show(self, hosts: list[E]) -> None:
        self.hosts = hosts
        self._stale = True

    def age(self) -> None:
        self._stale = True

    def pick_for(self, context: PickContext) -> E | None:
        if self._single:
            return self.hosts[0]
        self._refresh()
        return self._balancer.pick_for(context)

    def order(self, first: E) -> Iterator[E]:
        if self._single:
            return iter(self.hosts)
        self._refresh()
        return self._balancer.order(first)

    def _refresh(self) -> None:
        if self._stale:
            self._balancer.update(self.hosts)
            self._stale = False


class SubsetBalancer(Generic[E]):
    """See the module. *make* returns a balancer for the hosts of one subset, with the given weights of localities (``None``: they do
    not matter)."""

    __slots__ = (
        "_any", "_config", "_default", "_described", "_duplicates", "_everyone", "_fallbacks", "_localities", "_make", "_membership",
        "_stats", "_subsets",
    )  # fmt: skip

    def __init__(self, config: LbSubsetConfig, make: MakeInner[E], stats: ClusterStats) -> None:
        self._config = config
        self._make = make
        self._stats = stats
        self._everyone: list[E] = []
        self._described: list[object] = []
        self._duplicates = 0
        self._membership: dict[int, tuple[Criteria, ...]] = {}
        self._localities: Mapping[tuple[int, object], int] = {}
        self._subsets: dict[Criteria, _Subset[E]] = {}
        self._fallbacks = _fallbacks(config.selectors)
        self._any = self._new()
        self._default = self._new()
        stats.more_gauges.setdefault("lb_subsets_active", 0)
        stats.more_gauges.setdefault(_DUPLICATES, 0)
        for name in _COUNTERS:
            stats.more[name] += 0

    def _new(self, single: bool = False) -> _Subset[E]:
        return _Subset(self._make(self._locality_weight if self._config.locality_weight_aware else None), single)

    def _locality_weight(self, hosts: Sequence[Endpoint], priority: int) -> int:
        weight = locality_weight(hosts, priority)
        if not self._config.scale_locality_weight:
            return weight
        everywhere = self._localities[priority, hosts[0].host.endpoint.locality]
        return int(weight * len(hosts) / everywhere + 0.5)

    def update(self, endpoints: Iterable[E]) -> None:
        everyone = list(endpoints)
        described: list[object] = [endpoint.host.endpoint for endpoint in everyone]
        unchanged = everyone == self._everyone and all(map(_same, described, self._described))
        self._everyone, self._described = everyone, described
        if not unchanged:
            self._form()
        for subset in (self._any, self._default, *self._subsets.values()):
            subset.age()

    def _form(self) -> None:
        config = self._config
        counts: dict[tuple[int, object], int] = {}
        hosts_of: dict[Criteria, list[E]] = {}
        singles: dict[tuple[Criteria, int], E] = {}
        single_of: dict[Criteria, bool] = {}
        self._membership = {}
        duplicates = 0
        default: list[E] = []
        wanted = criteria_of(config.default_subset)
        for endpoint in self._everyone:
            described = endpoint.host.endpoint
            place = described.priority, described.locality
            counts[place] = counts.get(place, 0) + 1
            metadata: dict[str, Value] = {key: comparable(value) for key, value in described.metadata.get("envoy.lb", {}).items()}
            memberships = []
            for selector in config.selectors:
                for criteria in combinations(metadata, selector.keys, config.list_as_any):
                    single = single_of.setdefault(criteria, selector.single_host_per_subset)
                    if single and singles.setdefault((criteria, described.priority), endpoint) is not endpoint:
                        duplicates += 1
                        continue
                    there = hosts_of.setdefault(criteria, [])
                    if endpoint not in there[-1:]:
                        there.append(endpoint)
                        memberships.append(criteria)
            if fits(metadata, wanted, config.list_as_any):
                default.append(endpoint)
            self._membership[id(endpoint)] = tuple(memberships)
        self._localities = counts
        self._any.show(self._everyone)
        self._default.show(default)
        self._keep(hosts_of, single_of, duplicates)

    def _keep(self, hosts_of: Mapping[Criteria, list[E]], single_of: Mapping[Criteria, bool], duplicates: int) -> None:
        stats = self._stats
        gone = [criteria for criteria in self._subsets if criteria not in hosts_of]
        for criteria in gone:
            del self._subsets[criteria]
        new = [criteria for criteria in hosts_of if criteria not in self._subsets]
        for criteria in new:
            self._subsets[criteria] = self._new(single_of[criteria])
        for criteria, hosts in hosts_of.items():
            self._subsets[criteria].show(sorted(hosts, key=_priority) if single_of[criteria] else hosts)
        stats.more["lb_subsets_removed"] += len(gone)
        stats.more["lb_subsets_created"] += len(new)
        # Two configurations of a cluster count in one place until the older one has gone.
        stats.more_gauges["lb_subsets_active"] += len(new) - len(gone)
        stats.more_gauges[_DUPLICATES] += duplicates - self._duplicates
        self._duplicates = duplicates

    def pick(self) -> E | None:
        """As `pick_for`, for a request that asks for nothing."""
        return self._fall_back(_NOTHING)

    def pick_for(self, context: PickContext) -> E | None:
        criteria = context.criteria
        if criteria is None:
            return self._fall_back(context)
        others = fallback_list(criteria) if self._config.metadata_fallback else None
        if others is None:
            return self._among(criteria, context)
        criteria = tuple(criterion for criterion in criteria if criterion[0] != "fallback_list")
        if not others:
            return self._among(criteria, context)
        for other in others:
            picked = self._among(merged(criteria, other), context)
            if picked is not None:
                return picked
        return None

    def _among(self, criteria: Criteria, context: PickContext) -> E | None:
        subset = self._subsets.get(criteria)
        if subset is not None:
            self._stats.more["lb_subsets_selected"] += 1
            return subset.pick_for(context)
        selector = self._fallbacks.get(frozenset(key for key, _ in criteria))
        match selector.fallback_policy if selector is not None else SubsetFallback.NOT_DEFINED:
            case SubsetFallback.NOT_DEFINED:
                return self._fall_back(context)
            case SubsetFallback.NO_FALLBACK:
                return None
            case SubsetFallback.ANY_ENDPOINT:
                return self._any.pick_for(context)
            case SubsetFallback.DEFAULT_SUBSET:
                return self._default.pick_for(context)
            case SubsetFallback.KEYS_SUBSET:
                assert selector is not None
                fewer = only(criteria, selector.fallback_keys_subset)
                return self._among(fewer, context) if len(fewer) < len(criteria) else None

    def _fall_back(self, context: PickContext) -> E | None:
        policy = self._config.fallback_policy
        if policy is SubsetFallback.NO_FALLBACK:
            return None
        subset = self._any if policy is SubsetFallback.ANY_ENDPOINT else self._default
        picked = subset.pick_for(context)
        if picked is not None:
            self._stats.more["lb_subsets_fallback"] += 1
        elif self._config.panic_mode_any:
            picked = self._any.pick_for(context)
            if picked is not None:
                self._stats.more["lb_subsets_fallback_panic"] += 1
        return picked

    def order(self, first: E) -> Iterator[E]:
        mine = self._membership.get(id(first))
        return (endpoint for endpoint in self._ordered(first, mine) if endpoint is not first and self._membership.get(id(endpoint)) == mine)

    def _ordered(self, first: E, mine: tuple[Criteria, ...] | None) -> Iterator[E]:
        for criteria in mine or ():
            return self._subsets[criteria].order(first)
        return self._any.order(first)

    def gauges(self) -> Mapping[str, int]:
        return {}

    def __repr__(self) -> str:
        return f"<SubsetBalancer endpoints={len(self._everyone)} subsets={len(self._subsets)}>"


def _fallbacks(selectors: Sequence[LbSubsetSelector]) -> Mapping[frozenset[str], LbSubsetSelector]:
    """Return the selectors whose fallback policy counts, by their keys: as in Envoy not those whose keys, in alphabetical order, an
    earlier selector begins with."""
    known: set[tuple[str, ...]] = set()
    found = {}
    for selector in selectors:
        keys = tuple(sorted(selector.keys))
        if keys not in known:
            found[selector.keys] = selector
        known |= {keys[:count] for count in range(1, len(keys) + 1)}
    return found


def _same(one: object, other: object) -> bool:
    return one is other


def _priority(endpoint: E) -> int:
    return endpoint.host.endpoint.priority
