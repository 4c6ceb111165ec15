"""A cluster has the balancer that it asks for, and the balancer what the cluster has."""

from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.load_balancing import (
    CommonLbConfig,
    ConsistentHashingLbConfig,
    LbPolicy,
    LbSubsetConfig,
    LbSubsetSelector,
    LeastRequestLbConfig,
    SlowStart,
)
from shifter.routing.runtime import Runtime
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer import criteria_of, make_balancer
from shifter.upstream.load_balancer.consistent_hashing import ConsistentHashing
from shifter.upstream.load_balancer.priority_balancer import PriorityBalancer
from shifter.upstream.load_balancer.subsets import SubsetBalancer
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.registry import Registry
from tests.support.balancing import at, lb
from tests.support.transports import FakeNetwork


@pytest.mark.parametrize("policy", LbPolicy)
def test_each_policy_has_its_balancer(policy: LbPolicy) -> None:
    made = make_balancer(Cluster("c", lb_policy=policy))
    expected = ConsistentHashing if policy in (LbPolicy.RING_HASH, LbPolicy.MAGLEV) else PriorityBalancer
    assert type(made) is expected
    assert repr(made) == f"<{expected.__name__} endpoints=0 priorities=0>"
    subsets = make_balancer(Cluster("c", lb_policy=policy, subsets=LbSubsetConfig()))
    assert type(subsets) is SubsetBalancer
    assert repr(subsets) == "<SubsetBalancer endpoints=0 subsets=0>"


class Made:
    """A live cluster."""

    def __init__(self, *endpoints: LbEndpoint, runtime: dict[str, RuntimeValue] | None = None, **config: Any) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        registry = self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool})
        registry.runtime = Runtime([RuntimeLayer("static", runtime or {})])
        cluster = Cluster("c", endpoints=endpoints, **config)
        self.cluster = LiveCluster(cluster, registry, StaticDiscovery(cluster))
        self.cluster.start()

    @property
    def pools(self) -> list[EndpointPool]:
        return list(self.cluster.pools)

    def picked(self, count: int = 40) -> set[str]:
        return {str(pool.host.address) for _ in range(count) if (pool := self.cluster.pick()) is not None}


def test_a_change_of_health_is_acted_upon_at_once() -> None:
    made = Made(at(1), at(2), at(3), at(4, priority=1))
    assert made.picked() == {"127.9.9.1:9", "127.9.9.2:9", "127.9.9.3:9"}
    first = made.pools[0].host
    first.set(HealthFlag.FAILED_OUTLIER_CHECK, 0.0)
    assert "127.9.9.1:9" not in made.picked(200)
    first.clear(HealthFlag.FAILED_OUTLIER_CHECK, 0.0)
    assert made.picked() == {"127.9.9.1:9", "127.9.9.2:9", "127.9.9.3:9"}


def test_who_becomes_excluded_is_acted_upon_at_once() -> None:
    """Two of four are ill: that is no panic; but that they fell ill by being left out changes what is counted."""
    made = Made(at(1), at(2), at(3), at(4), at(5, priority=1))
    for pool in made.pools[:2]:
        pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    assert "127.9.9.5:9" in made.picked(200)
    for pool in made.pools[:2]:
        pool.host.set(HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL, 0.0)
    assert made.picked(200) == {"127.9.9.3:9", "127.9.9.4:9"}


def test_panic_is_counted_in_the_clusters_figures() -> None:
    made = Made(at(1), at(2), at(3))
    for pool in made.pools[:2]:
        pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    made.picked(7)
    assert made.cluster.state.stats.lb_healthy_panic == 7


def test_a_request_gets_what_it_asks_for() -> None:
    selector = LbSubsetSelector(frozenset({"version"}))
    made = Made(at(1, metadata=lb(version="1")), at(2, metadata=lb(version="2")), subsets=LbSubsetConfig((selector,)))
    context = PickContext()
    context.criteria = criteria_of({"version": "2"})
    assert {made.cluster.pick_for(context) for _ in range(9)} == {made.pools[1]}
    assert made.cluster.pick() is None
    assert made.cluster.state.stats.more["lb_subsets_selected"] == 9


def test_slow_start_goes_by_the_clock_of_the_process() -> None:
    made = Made(at(1), at(2), slow_start=SlowStart(60.0))
    balancer = made.cluster._balancer
    assert type(balancer.pick).__name__ == "partial"
    made.clock.advance(61)
    made.network.tick()
    made.picked(1)
    assert type(balancer.pick).__name__ == "method-wrapper"


def test_runtime_may_have_another_threshold() -> None:
    made = Made(at(1), at(2), at(3))
    for pool in made.pools[:2]:
        pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    assert len(made.picked()) == 3
    made.registry.runtime = Runtime([RuntimeLayer("static", {"upstream.healthy_panic_threshold": 30})])
    made.cluster.rebalance()
    assert made.picked() == {"127.9.9.3:9"}


def test_runtime_may_have_another_aggression() -> None:
    slow = SlowStart(60.0, runtime_key="fast")
    made = Made(at(1), at(2), slow_start=slow)
    balancer = cast("PriorityBalancer[EndpointPool]", made.cluster._balancer)
    made.clock.advance(30)
    made.network.tick()
    for value, factor in ((None, 0.5), (2, 0.5**0.5), (0.5, 0.25), (-1, 0.5), ("no number", 0.5)):
        made.registry.runtime = Runtime([RuntimeLayer("static", {} if value is None else {"fast": value})])
        made.cluster.rebalance()
        assert balancer._weigh(made.pools[0]) == pytest.approx(factor)


def test_runtime_may_have_another_bias() -> None:
    least = LeastRequestLbConfig(active_request_bias_key="bias")
    made = Made(at(1), at(2, weight=2), lb_policy=LbPolicy.LEAST_REQUEST, least_request=least)
    made.pools[1].host.active = 3
    picked = [made.cluster.pick() for _ in range(90)]
    assert abs(picked.count(made.pools[1]) - 30) <= 1
    made = Made(at(1), at(2, weight=2), lb_policy=LbPolicy.LEAST_REQUEST, least_request=least, runtime={"bias": 0})
    made.pools[1].host.active = 3
    picked = [made.cluster.pick() for _ in range(90)]
    assert picked.count(made.pools[1]) == 60


def test_bounded_load_counts_the_requests_of_the_cluster() -> None:
    hashing = CommonLbConfig(consistent_hashing=ConsistentHashingLbConfig(hash_balance_factor=100))
    made = Made(at(1), at(2), lb_policy=LbPolicy.RING_HASH, common_lb=hashing)
    context = PickContext()
    context.hash = 1
    first = made.cluster.pick_for(context)
    assert first is not None
    for _ in range(3):
        first.begin()
    assert made.cluster.pick_for(context) not in (first, None)


def test_gauges_are_those_of_the_policy() -> None:
    made = Made(at(1), at(2), lb_policy=LbPolicy.RING_HASH)
    assert made.cluster.gauges() == {
        "ring_hash_lb.max_hashes_per_host": 512,
        "ring_hash_lb.min_hashes_per_host": 512,
        "ring_hash_lb.size": 1024,
    }
    assert Made(at(1)).cluster.gauges() == {}
