"""Who is picked where hosts differ in health, priority, locality and age."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from shifter.model.cluster import Cluster, HealthStatus, LbEndpoint, Locality
from shifter.model.load_balancing import CommonLbConfig, LbPolicy, LeastRequestLbConfig, SlowStart, ZoneAwareLbConfig
from shifter.observe.stats import ClusterStats
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer import Balancer, make_balancer
from shifter.upstream.load_balancer.slow_start import slow_start_factor
from tests.support.balancing import Pool, at, pools

ILL, DEGRADED = HealthStatus.UNHEALTHY, HealthStatus.DEGRADED
POLICIES = [LbPolicy.ROUND_ROBIN, LbPolicy.LEAST_REQUEST, LbPolicy.RANDOM]
every_policy = pytest.mark.parametrize("policy", POLICIES)


class Scene:
    """A cluster's balancer over hosts."""

    def __init__(self, *endpoints: LbEndpoint, **config: object) -> None:
        self.stats = ClusterStats()
        self.clock = Clock()
        self.pools = pools(endpoints)
        self.balancer: Balancer[Pool] = make_balancer(Cluster("c", **config), self.stats, self.clock.seconds, Random(1))  # type: ignore[arg-type]
        self.update()

    def update(self) -> None:
        self.balancer.update(self.pools)

    def picks(self, count: int, context: PickContext | None = None) -> Counter[int]:
        """How often each host was picked, by the end of its address."""
        picked = (self.balancer.pick() if context is None else self.balancer.pick_for(context) for _ in range(count))
        return Counter(int(pool.name.split(":")[0].split(".")[-1]) for pool in picked if pool is not None)

    def fail(self, *lasts: int) -> None:
        for pool in self.pools:
            flag = HealthFlag.FAILED_ACTIVE_HC
            if int(pool.name.split(":")[0].split(".")[-1]) in lasts:
                pool.host.set(flag, self.clock.seconds())
            else:
                pool.host.clear(flag, self.clock.seconds())
        self.update()


@every_policy
def test_only_healthy_hosts_are_picked(policy: LbPolicy) -> None:
    scene = Scene(*(at(last, weight=last) for last in range(1, 6)), lb_policy=policy)
    scene.fail(2, 5)
    assert set(scene.picks(300)) == {1, 3, 4}
    scene.fail()
    assert set(scene.picks(300)) == {1, 2, 3, 4, 5}
    assert scene.stats.lb_healthy_panic == 0


def test_one_kind_of_hosts_costs_nothing_more_than_its_rotation() -> None:
    scene = Scene(at(1), at(2), at(3, priority=1))
    assert type(scene.balancer.pick).__name__ == "method-wrapper"


@every_policy
def test_in_panic_everybody_is_picked_and_it_is_counted(policy: LbPolicy) -> None:
    scene = Scene(*(at(last) for last in range(1, 6)), lb_policy=policy)
    scene.fail(1, 2, 3)
    assert set(scene.picks(200)) == {1, 2, 3, 4, 5}
    assert scene.stats.lb_healthy_panic == 200
    scene.fail(1, 2)
    assert set(scene.picks(200)) == {3, 4, 5}
    assert scene.stats.lb_healthy_panic == 200


def test_there_is_no_panic_with_threshold_zero() -> None:
    scene = Scene(at(1), at(2), at(3), common_lb=CommonLbConfig(healthy_panic_threshold=0))
    scene.fail(1, 2)
    assert set(scene.picks(20)) == {3}
    scene.fail(1, 2, 3)
    assert not scene.picks(20)
    assert scene.stats.lb_healthy_panic == 0


def test_panic_may_be_failure() -> None:
    zones = CommonLbConfig(zone_aware=ZoneAwareLbConfig(fail_traffic_on_panic=True))
    scene = Scene(at(1), at(2), at(3), common_lb=zones)
    scene.fail(1, 2)
    assert not scene.picks(10)
    assert scene.stats.lb_healthy_panic == 10


@every_policy
def test_requests_spill_over_to_the_next_priority(policy: LbPolicy) -> None:
    scene = Scene(*(at(last, priority=last > 4) for last in range(1, 7)), lb_policy=policy)
    assert set(scene.picks(100)) == {1, 2, 3, 4}
    scene.fail(1, 2)
    counts = scene.picks(4000)
    assert set(counts) == {3, 4, 5, 6}
    assert abs(counts[5] + counts[6] - 1200) < 150


def test_degraded_hosts_come_behind_healthy_ones() -> None:
    scene = Scene(at(1), at(2, health_status=DEGRADED), at(3, health_status=DEGRADED), at(4))
    counts = scene.picks(4000)
    assert abs(counts[1] + counts[4] - 2800) < 150
    scene = Scene(at(1), at(2, health_status=DEGRADED), at(3))
    assert abs(scene.picks(4000)[2] - 280) < 100


def test_a_rotation_goes_on_where_it_was_when_a_host_falls_ill_and_recovers() -> None:
    scene = Scene(at(1), at(2), at(3), at(4))
    turns = []
    for turn in range(40):
        scene.fail(*([4] if turn % 2 else []))
        [last] = scene.picks(1)
        turns.append(last)
    counts = Counter(turns)
    assert all(abs(counts[last] - counts[1]) <= 2 for last in (2, 3)), turns
    assert counts[4]


def test_a_rotation_is_not_dealt_anew_when_nothing_changes() -> None:
    scene = Scene(at(1), at(2), at(3))
    before = scene.balancer.pick
    scene.update()
    assert scene.balancer.pick == before


def test_another_host_is_looked_for_as_often_as_is_said() -> None:
    scene = Scene(at(1), at(2), at(3))
    context = PickContext()
    asked: list[Pool] = []

    def avoid(pool: Pool) -> bool:
        asked.append(pool)
        return pool.name != "127.9.9.3:9"

    context.avoid = avoid  # type: ignore[assignment]
    context.host_selection_attempts = 2
    assert scene.picks(9, context) == {3: 9}
    asked.clear()
    context.avoid = lambda pool: not asked.append(pool)  # type: ignore[assignment, func-returns-value, arg-type]
    assert scene.balancer.pick_for(context) is not None
    assert len(asked) == 2


def test_a_retry_goes_to_another_priority() -> None:
    scene = Scene(at(1), at(2, priority=1), at(3, priority=2))
    context = PickContext()
    for tried, expected in (((0,), 2), ((0, 1), 3), ((0, 1, 2), 1), ((), 1)):
        context.priorities_tried = frozenset(tried)
        assert scene.picks(20, context) == {expected: 20}
    scene.fail(2)
    context.priorities_tried = frozenset({0})
    assert scene.picks(20, context) == {3: 20}


def test_who_takes_over_is_healthy_and_of_the_same_kind_first() -> None:
    scene = Scene(at(1), at(2), at(3, health_status=ILL), at(4, priority=1), at(5, priority=1, health_status=ILL))
    first = scene.balancer.pick()
    assert first is not None
    others = [pool.name for pool in scene.balancer.order(first)]
    assert others == ["127.9.9.2:9" if first.name == "127.9.9.1:9" else "127.9.9.1:9", "127.9.9.4:9"]


NEAR, FAR, AWAY = Locality("near"), Locality("far"), Locality("away")
BY_LOCALITY = CommonLbConfig(locality_weighted=True, healthy_panic_threshold=0)


@every_policy
def test_localities_get_their_weights_whatever_they_hold(policy: LbPolicy) -> None:
    scene = Scene(
        *(at(last, locality=NEAR, locality_weight=2) for last in (1, 2, 3)),
        at(4, locality=FAR, locality_weight=1),
        at(5, locality=AWAY, locality_weight=0),
        at(6, locality=Locality("unsaid")),
        lb_policy=policy,
        common_lb=BY_LOCALITY,
    )
    counts = scene.picks(3000)
    assert set(counts) == {1, 2, 3, 4}
    assert counts[4] == 1000


def test_a_locality_loses_weight_with_its_health() -> None:
    """Envoy's example: of two equal localities one has 50 % of its hosts left, 70 % of its weight."""
    scene = Scene(
        *(at(last, locality=NEAR if last < 5 else FAR, locality_weight=1) for last in range(1, 9)),
        at(10, priority=1, locality=NEAR, locality_weight=1),
        common_lb=BY_LOCALITY,
    )
    scene.fail(1, 2)
    counts = scene.picks(1700)
    assert abs(counts[3] + counts[4] - 700) <= 1
    assert not counts[10]


def test_without_weights_localities_do_not_matter() -> None:
    scene = Scene(at(1, locality=NEAR), at(2, locality=NEAR), at(3, locality=FAR), common_lb=BY_LOCALITY)
    assert scene.picks(30) == {1: 10, 2: 10, 3: 10}


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), min_size=1, max_size=8), st.data())
def test_weight_zero_is_never_picked_and_shares_are_exact(hosts: list[tuple[str, int]], data: st.DataObject) -> None:
    weights = {name: data.draw(st.integers(0, 4)) for name in "abc"}
    scene = Scene(
        *(at(last, locality=Locality(name), locality_weight=weights[name], weight=weight) for last, (name, weight) in enumerate(hosts)),
        common_lb=CommonLbConfig(locality_weighted=True),
    )
    there = {name for name, _ in hosts}
    total = sum(weights[name] for name in there)
    if not total:
        return
    counts = scene.picks(total * 20)
    for name in there:
        assert sum(counts[last] for last, host in enumerate(hosts) if host[0] == name) == 20 * weights[name]


SLOW = SlowStart(window=60.0, aggression=1.0, min_weight_percent=10.0)


@pytest.mark.parametrize(
    ("age", "aggression", "factor"),
    [(0, 1, 0.1), (3, 1, 0.1), (15, 1, 0.25), (30, 1, 0.5), (30, 2, 0.5**0.5), (30, 0.5, 0.25), (60, 1, 1), (600, 1, 1)],
)
def test_a_share_grows_with_age(age: float, aggression: float, factor: float) -> None:
    assert slow_start_factor(replace(SLOW, aggression=aggression), age) == pytest.approx(factor)


@pytest.mark.parametrize("policy", POLICIES[:2])
def test_a_new_host_is_not_overrun(policy: LbPolicy) -> None:
    scene = Scene(at(1), at(2), lb_policy=policy, slow_start=SLOW)
    scene.clock.advance(100)
    assert scene.picks(100)[1] in range(30, 71)
    new = Pool(at(3), scene.clock.seconds())
    scene.pools.append(new)
    scene.update()
    assert abs(scene.picks(2100)[3] - 100) <= 25
    scene.clock.advance(30)
    assert abs(scene.picks(2500)[3] - 500) <= 30
    scene.clock.advance(31)
    assert abs(scene.picks(3000)[3] - 1000) <= 150
    assert type(scene.balancer.pick).__name__ != "partial"


def test_a_host_that_recovers_begins_anew() -> None:
    scene = Scene(at(1), at(2), at(3), slow_start=SLOW)
    scene.clock.advance(100)
    scene.fail(1)
    scene.fail()
    assert abs(scene.picks(2100)[1] - 100) <= 25


def test_hosts_that_are_all_new_share_evenly() -> None:
    scene = Scene(at(1), at(2), slow_start=SLOW)
    assert abs(scene.picks(100)[1] - 50) <= 1


def test_slow_start_and_weights_go_together() -> None:
    scene = Scene(at(1, weight=3), at(2), slow_start=SLOW)
    scene.clock.advance(30)
    scene.pools[0].host.since = 15.0
    scene.update()
    # 3 * 15/60 against 1 * 30/60.
    assert abs(scene.picks(1000)[1] - 600) <= 3


@pytest.mark.parametrize("bias", [0.0, 1.0, 1e308])
def test_no_weight_is_too_small_to_reckon_with(bias: float) -> None:
    slow = SlowStart(60.0, aggression=1e-300, min_weight_percent=0.0)
    least = LeastRequestLbConfig(active_request_bias=bias)
    scene = Scene(at(1), at(2, weight=3), lb_policy=LbPolicy.LEAST_REQUEST, least_request=least, slow_start=slow)
    scene.pools[0].active = 4
    assert scene.picks(10).total() == 10
    scene.update()
    assert scene.picks(10).total() == 10
    scene.clock.advance(61)
    assert scene.picks(10).total() == 10
