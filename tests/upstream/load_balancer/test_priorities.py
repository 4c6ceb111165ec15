"""Spill-over by percent, as in Envoy's documentation ("Priority levels", "Degraded endpoints", "Panic threshold"), which rounds otherwise
than its code does: percentages are cut off, and what is left is the first priority's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.cluster import Cluster, HealthStatus
from shifter.model.load_balancing import CommonLbConfig
from shifter.routing.runtime import Runtime
from shifter.upstream.host import HealthFlag
from shifter.upstream.load_balancer.host_sets import HostSet, host_sets
from shifter.upstream.load_balancer.priorities import PrioritySettings, load_without, priority_load
from tests.support.balancing import Pool, at, pools

NO_PANIC = PrioritySettings(panic_threshold=0)
DEFAULT = PrioritySettings()


def level(priority: int, healthy: int, degraded: int = 0, of: int = 100) -> list[Pool]:
    status = [HealthStatus.HEALTHY] * healthy + [HealthStatus.DEGRADED] * degraded
    status += [HealthStatus.UNHEALTHY] * (of - len(status))
    return pools(at(1, priority=priority, health_status=one) for one in status)


def sets(*levels: tuple[int, int] | int, of: int = 100) -> list[HostSet[Pool]]:
    return host_sets(
        pool
        for priority, well in enumerate(levels)
        for pool in (level(priority, well, 0, of) if isinstance(well, int) else level(priority, *well, of))
    )


@pytest.mark.parametrize(
    ("healthy", "shares"),
    [
        ((100, 100), (100, 0)),
        ((72, 100), (100, 0)),
        ((71, 100), (99, 1)),
        ((50, 100), (70, 30)),
        ((25, 100), (35, 65)),
        ((25, 25), (50, 50)),
        ((0, 100), (0, 100)),
        ((100, 100, 100), (100, 0, 0)),
        ((72, 72, 100), (100, 0, 0)),
        ((71, 71, 100), (99, 1, 0)),
        ((50, 60, 100), (70, 30, 0)),
        ((50, 15, 100), (70, 21, 9)),
        ((25, 50, 100), (35, 65, 0)),
        ((25, 25, 100), (35, 35, 30)),
        ((25, 25, 20), (37, 35, 28)),
        ((20, 20, 10), (40, 40, 20)),
        ((5, 0, 0), (100, 0, 0)),
    ],
)
def test_what_a_priority_cannot_take_spills_over(healthy: tuple[int, ...], shares: tuple[int, ...]) -> None:
    load = priority_load(sets(*healthy), NO_PANIC)
    assert load.healthy == shares
    assert not any(load.degraded)


@pytest.mark.parametrize(
    ("levels", "healthy", "degraded"),
    [
        ([(100, 0)], (100,), (0,)),
        ([(50, 50)], (70,), (30,)),
        ([(25, 75)], (35,), (65,)),
        ([(0, 100)], (0,), (100,)),
        ([(5, 0), (5, 0), (0, 90)], (7, 7, 0), (0, 0, 86)),
        ([(5, 0), (0, 65)], (8, 0), (0, 92)),
    ],
)
def test_degraded_hosts_take_what_healthy_ones_cannot(
    levels: list[tuple[int, int]], healthy: tuple[int, ...], degraded: tuple[int, ...]
) -> None:
    load = priority_load(sets(*levels), NO_PANIC)
    assert (load.healthy, load.degraded) == (healthy, degraded)


@pytest.mark.parametrize(
    ("healthy", "shares", "panic"),
    [
        ((72, 72), (100, 0), (False, False)),
        ((71, 71), (99, 1), (False, False)),
        ((50, 60), (70, 30), (False, False)),
        ((25, 100), (35, 65), (False, False)),
        ((25, 25), (50, 50), (True, True)),
        ((5, 65), (8, 92), (True, False)),
        ((0, 0), (50, 50), (True, True)),
    ],
)
def test_a_priority_panics_when_all_together_are_not_enough(
    healthy: tuple[int, ...], shares: tuple[int, ...], panic: tuple[bool, ...]
) -> None:
    load = priority_load(sets(*healthy), DEFAULT)
    assert (load.healthy, load.panic) == (shares, panic)


def test_where_all_panic_the_number_of_hosts_decides() -> None:
    everybody = host_sets([*level(0, 0, of=5), *level(1, 1, of=10), *level(2, 0, of=1)])
    load = priority_load(everybody, DEFAULT)
    assert load.panic == (True, True, True)
    assert load.healthy == (32, 62, 6)


def test_without_panic_and_without_anybody_the_first_gets_all() -> None:
    assert priority_load(sets(0, 0), NO_PANIC).healthy == (100, 0)
    assert priority_load(host_sets(level(0, 0, of=0)), DEFAULT).healthy == (100,)


def test_priorities_between_may_be_empty() -> None:
    load = priority_load(host_sets([*level(0, 0, of=3), *level(2, 3, of=3)]), DEFAULT)
    assert (load.healthy, load.panic) == ((0, 0, 100), (False, False, False))


def test_who_is_excluded_does_not_count() -> None:
    new = level(0, 2, of=10)
    for pool in new[2:]:
        pool.host.set(HealthFlag.PENDING_ACTIVE_HC, 0.0)
    load = priority_load(host_sets(new), DEFAULT)
    assert (load.healthy, load.panic) == ((100,), (False,))


def test_weights_count_where_that_is_said() -> None:
    heavy = pools([at(1, weight=9), at(2, health_status=HealthStatus.UNHEALTHY), at(3, priority=1)])
    assert priority_load(host_sets(heavy), PrioritySettings(100, False, 0)).healthy == (50, 50)
    assert priority_load(host_sets(heavy), PrioritySettings(100, True, 0)).healthy == (90, 10)


@pytest.mark.parametrize(("threshold", "whole"), [(0.4, 0), (0.5, 1), (33.3, 33), (50, 50), (100, 100)])
def test_the_threshold_is_in_whole_percent(threshold: float, whole: int) -> None:
    cluster = Cluster("c", common_lb=CommonLbConfig(healthy_panic_threshold=threshold), overprovisioning_factor=150)
    assert PrioritySettings.of(cluster, Runtime()) == PrioritySettings(150, False, whole)


@pytest.mark.parametrize(
    ("tried", "healthy"),
    [({0}, (0, 100, 0)), ({1}, (100, 0, 0)), ({0, 1}, (0, 0, 100)), ({0, 1, 2}, (100, 0, 0)), ({7}, (100, 0, 0))],
)
def test_a_retry_leaves_out_priorities_while_there_are_others(tried: set[int], healthy: tuple[int, ...]) -> None:
    assert load_without(priority_load(sets(100, 100, 100), DEFAULT), tried).healthy == healthy


def test_a_retry_has_no_choice_where_nobody_is_well() -> None:
    load = priority_load(sets(0, 0), DEFAULT)
    assert load_without(load, {0}) is load


levels = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4)


@given(levels, st.integers(0, 100), st.integers(100, 300), st.booleans())
def test_shares_are_whole_and_go_where_there_is_somebody(
    counts: list[tuple[int, int, int]], threshold: int, factor: int, weighted: bool
) -> None:
    everybody = host_sets(
        pool
        for priority, (healthy, degraded, ill) in enumerate(counts)
        for pool in level(priority, healthy, degraded, healthy + degraded + ill)
    )
    load = priority_load(everybody, PrioritySettings(factor, weighted, threshold))
    assert sum(load.healthy) + sum(load.degraded) == 100
    assert min(load.healthy + load.degraded) >= 0
    if not any(healthy or degraded for healthy, degraded, _ in counts):
        return
    for one, healthy_share, degraded_share, panic in zip(everybody, load.healthy, load.degraded, load.panic, strict=False):
        assert not healthy_share or (one.hosts if panic else one.healthy)
        assert not degraded_share or (one.hosts if panic else one.degraded)
