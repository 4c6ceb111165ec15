"""The balancer that a cluster asks for, put together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from shifter.model.cluster import Cluster
from shifter.model.load_balancing import LbPolicy, SlowStart
from shifter.observe.stats import ClusterStats
from shifter.routing.runtime import Runtime
from shifter.upstream.load_balancer.bounded_load import BoundedLoad
from shifter.upstream.load_balancer.consistent_hashing import ConsistentHashing, HashingPolicy, MakeTable
from shifter.upstream.load_balancer.hash_table import HashTable, Part
from shifter.upstream.load_balancer.host_sets import LocalityWeight, locality_weight
from shifter.upstream.load_balancer.interfaces import Balancer, Chooser
from shifter.upstream.load_balancer.least_request import LeastRequest
from shifter.upstream.load_balancer.maglev import maglev
from shifter.upstream.load_balancer.priorities import PrioritySettings
from shifter.upstream.load_balancer.priority_balancer import Policy, PriorityBalancer
from shifter.upstream.load_balancer.random_choice import RandomChoice
from shifter.upstream.load_balancer.ring_hash import Hashes, Ring
from shifter.upstream.load_balancer.round_robin import RoundRobin
from shifter.upstream.load_balancer.subsets import SubsetBalancer


def make_balancer(
    config: Cluster,
    stats: ClusterStats | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    random: Random | None = None,
    runtime: Callable[[], Runtime] = Runtime,
) -> Balancer[Any]:
    """Return the balancer that *config* asks for, without endpoints yet. It counts in *stats*; *clock* is that of ``Host.since``.

    *runtime* is asked at each update for what it changes: the panic threshold, ``aggression`` and ``active_request_bias``.
    """
    stats = stats if stats is not None else ClusterStats()
    make = partial(_make_for, config, stats, clock, random or Random(), runtime)
    if config.subsets is not None:
        return SubsetBalancer(config.subsets, make, stats)
    return make(locality_weight)


def _make_for(
    config: Cluster,
    stats: ClusterStats,
    clock: Callable[[], float],
    random: Random,
    runtime: Callable[[], Runtime],
    weigh: LocalityWeight | None,
) -> Balancer[Any]:
    """Return the balancer for the cluster, or for a subset, whose localities *weigh* weighs (``None``: they do not matter)."""

    def settings() -> PrioritySettings:
        return PrioritySettings.of(config, runtime())

    locality_weight = weigh if config.common_lb.locality_weighted else None
    if config.lb_policy in _HASHING:
        hashing = config.common_lb.consistent_hashing
        policy = HashingPolicy(hashing.use_hostname_for_hashing, locality_weight)
        return ConsistentHashing(settings, policy, _table_maker(config, stats), random, stats)

    def bias() -> float:
        asked = config.least_request
        if not asked.active_request_bias_key:
            return asked.active_request_bias
        value = runtime().number(asked.active_request_bias_key, asked.active_request_bias)
        return value if value >= 0 else 1.0

    def turns() -> Policy:
        zone_aware = config.common_lb.zone_aware
        return Policy(
            locality_weight,
            _slow_start(config.slow_start, runtime()) if config.lb_policy is not LbPolicy.RANDOM else None,
            bias() if config.lb_policy is LbPolicy.LEAST_REQUEST else 0.0,
            zone_aware is not None and zone_aware.fail_traffic_on_panic,
        )

    return PriorityBalancer(settings, turns, _chooser_maker(config, random, bias), random, stats, clock)


def _slow_start(config: SlowStart | None, runtime: Runtime) -> SlowStart | None:
    if config is None or not config.runtime_key:
        return config
    aggression = runtime.number(config.runtime_key, config.aggression)
    return replace(config, aggression=aggression if aggression > 0 else 1.0)


def _chooser_maker(config: Cluster, random: Random, bias: Callable[[], float]) -> Callable[[], Chooser[Any]]:
    match config.lb_policy:
        case LbPolicy.LEAST_REQUEST:
            return lambda: LeastRequest(random, config.least_request, bias)
        case LbPolicy.RANDOM:
            return lambda: RandomChoice(random)
        case _:
            return lambda: RoundRobin(random)


def _table_maker(config: Cluster, stats: ClusterStats) -> MakeTable[Any]:
    factor = config.common_lb.consistent_hashing.hash_balance_factor
    known: Hashes = {}

    def make(parts: Sequence[Part[Any]], former: HashTable[Any] | None) -> HashTable[Any]:
        table: HashTable[Any]
        if config.lb_policy is LbPolicy.RING_HASH:
            table = Ring(parts, config.ring_hash, known)
        else:
            table = maglev(parts, config.maglev, former.table if isinstance(former, BoundedLoad) else former)
        return BoundedLoad(table, parts, factor, lambda: stats.upstream_rq_active) if factor else table

    return make


_HASHING = (LbPolicy.RING_HASH, LbPolicy.MAGLEV)
