"""Subsets come and go with the metadata of hosts; whom they hold for which criteria is in `test_as_envoy`."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifter.model.cluster import Cluster, HealthStatus, LbEndpoint, Locality
from shifter.model.load_balancing import CommonLbConfig, LbPolicy, LbSubsetConfig, LbSubsetSelector, SubsetFallback
from shifter.observe.stats import ClusterStats
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer import criteria_of, make_balancer
from shifter.upstream.load_balancer.criteria import comparable, merged
from shifter.upstream.load_balancer.subsets import SubsetBalancer
from tests.support.balancing import Pool, at, lb, pools

ILL = HealthStatus.UNHEALTHY
BY_VERSION = LbSubsetConfig((LbSubsetSelector(frozenset({"version"})),))
ANYWHERE = LbSubsetConfig(BY_VERSION.selectors, SubsetFallback.ANY_ENDPOINT)


def asking(**criteria: object) -> PickContext:
    context = PickContext()
    context.criteria = criteria_of(criteria)
    return context


class Scene:
    """A balancer over the hosts of subsets."""

    def __init__(self, config: LbSubsetConfig, *endpoints: LbEndpoint, **cluster: object) -> None:
        self.stats = ClusterStats()
        made = make_balancer(Cluster("c", subsets=config, **cluster), self.stats, random=Random(1))  # type: ignore[arg-type]
        assert isinstance(made, SubsetBalancer)
        self.balancer: SubsetBalancer[Pool] = made
        self.pools = pools(endpoints)
        self.balancer.update(self.pools)

    def picks(self, count: int = 24, **criteria: object) -> list[int]:
        context = asking(**criteria)
        picked = (self.balancer.pick_for(context) for _ in range(count))
        return sorted(last(pool) for pool in picked if pool is not None)

    def counted(self) -> dict[str, int]:
        figures = {**self.stats.more, **self.stats.more_gauges}
        return {name.removeprefix("lb_subsets_"): value for name, value in figures.items() if value}


def last(pool: Pool) -> int:
    return int(pool.name.split(":")[0].split(".")[-1])


def versions(*versions: object) -> Sequence[LbEndpoint]:
    return [at(number, metadata=lb(version=version)) for number, version in enumerate(versions, 1)]


def test_the_figures_are_there_from_the_start() -> None:
    scene = Scene(BY_VERSION)
    assert dict.fromkeys([*scene.stats.more, *scene.stats.more_gauges], 0) == {
        "lb_subsets_active": 0,
        "lb_subsets_created": 0,
        "lb_subsets_fallback": 0,
        "lb_subsets_fallback_panic": 0,
        "lb_subsets_removed": 0,
        "lb_subsets_selected": 0,
        "lb_subsets_single_host_per_subset_duplicate": 0,
    }


def test_what_happens_is_counted() -> None:
    scene = Scene(ANYWHERE, *versions("1", "1", "2"))
    assert scene.counted() == {"active": 2, "created": 2}
    assert set(scene.picks(4, version="1")) == {1, 2}
    assert set(scene.picks(6, version="3")) == {1, 2, 3}
    assert scene.balancer.pick() is not None
    assert scene.counted() == {"active": 2, "created": 2, "selected": 4, "fallback": 7}
    scene.balancer.update(scene.pools[:2])
    assert scene.counted() == {"active": 1, "created": 2, "removed": 1, "selected": 4, "fallback": 7}


def test_panic_is_counted_apart() -> None:
    scene = Scene(
        LbSubsetConfig(BY_VERSION.selectors, SubsetFallback.DEFAULT_SUBSET, {"version": "0"}, panic_mode_any=True), *versions("1", "2")
    )
    assert set(scene.picks(4)) == {1, 2}
    assert scene.counted() == {"active": 2, "created": 2, "fallback_panic": 4}


def test_two_configurations_of_a_cluster_count_in_one_place() -> None:
    old = Scene(BY_VERSION, *versions("1", "2"))
    new = make_balancer(Cluster("c", subsets=BY_VERSION), old.stats)
    new.update(pools(versions("1", "2", "3")))
    assert old.stats.more_gauges["lb_subsets_active"] == 5
    old.balancer.update([])
    assert old.stats.more_gauges["lb_subsets_active"] == 3


def test_a_change_of_metadata_changes_the_subset() -> None:
    scene = Scene(BY_VERSION, *versions("1", "1"))
    scene.pools[1].host.describe(at(2, metadata=lb(version="2")), 1, 0.0)
    scene.balancer.update(scene.pools)
    assert (set(scene.picks(version="1")), set(scene.picks(version="2"))) == ({1}, {2})


def test_a_change_of_health_is_seen_in_the_subset_and_forms_no_new_one() -> None:
    scene = Scene(BY_VERSION, *versions("1", "1", "1", "2"))
    before = scene.balancer._subsets[criteria_of({"version": "1"})]
    scene.pools[0].host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    scene.balancer.update(scene.pools)
    assert set(scene.picks(version="1")) == {2, 3}
    assert scene.balancer._subsets[criteria_of({"version": "1"})] is before


def test_a_subset_panics_by_itself() -> None:
    scene = Scene(BY_VERSION, *versions("1", "1", "2", "2"))
    for pool in scene.pools[:2]:
        pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    scene.balancer.update(scene.pools)
    assert set(scene.picks(10, version="1")) == {1, 2}
    assert scene.stats.lb_healthy_panic == 10
    assert set(scene.picks(10, version="2")) == {3, 4}
    assert scene.stats.lb_healthy_panic == 10


def test_who_takes_over_is_in_the_same_subsets() -> None:
    scene = Scene(ANYWHERE, *versions("1", "1", "2", "2", "2"))
    first, second, third, fourth, fifth = scene.pools
    scene.picks(version="1")
    scene.picks(version="2")
    assert list(scene.balancer.order(first)) == [second]
    assert set(scene.balancer.order(fourth)) == {third, fifth}
    assert list(scene.balancer.order(Pool(at(9)))) == []


def test_a_host_alone_in_its_subset_is_used_whatever_its_health() -> None:
    single = LbSubsetConfig((LbSubsetSelector(frozenset({"version"}), single_host_per_subset=True),))
    scene = Scene(
        single,
        at(1, metadata=lb(version="1"), priority=1),
        at(2, metadata=lb(version="1"), health_status=ILL),
        at(3, metadata=lb(version="1")),
        at(4, metadata=lb(version="2")),
    )
    assert set(scene.picks(version="1")) == {2}
    assert scene.counted() == {"active": 2, "created": 2, "selected": 24, "single_host_per_subset_duplicate": 1}
    assert list(scene.balancer.order(scene.pools[1])) == [scene.pools[0]]


@pytest.mark.parametrize(("aware", "scaled", "share"), [(False, False, 300), (True, False, 400), (True, True, 300)])
def test_localities_may_count_in_subsets(aware: bool, scaled: bool, share: int) -> None:
    """The weights are 2 to 1; scaled by what is left of each in the subset, a quarter and all, round(0.5) = 1 to 1."""
    near, far = Locality("near"), Locality("far")
    scene = Scene(
        LbSubsetConfig(BY_VERSION.selectors, locality_weight_aware=aware, scale_locality_weight=scaled),
        at(1, metadata=lb(version="1"), locality=near, locality_weight=2),
        *(at(number, metadata=lb(version="2"), locality=near, locality_weight=2) for number in (2, 3, 4)),
        at(5, metadata=lb(version="1"), locality=far, locality_weight=1),
        common_lb=CommonLbConfig(locality_weighted=True),
    )
    assert scene.picks(600, version="1").count(1) == share


def test_any_policy_works_in_a_subset() -> None:
    scene = Scene(BY_VERSION, *versions("1", "1", "1", "2"), lb_policy=LbPolicy.RING_HASH)
    context = asking(version="1")
    context.hash = 12345
    assert len({scene.balancer.pick_for(context) for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1", 1, False),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        (1.5, "1.5", True),
        ([1, "a"], [1, "a"], True),
        ([1], 1, False),
        ({"a": [1], "b": 2}, {"b": 2, "a": [1]}, True),
        ({"a": 1}, {"a": True}, False),
        ([], {}, False),
    ],
)
def test_values_are_equal_by_kind_and_content(one: object, other: object, equal: bool) -> None:
    assert (comparable(one) == comparable(other)) is equal
    assert (hash(comparable(one)) == hash(comparable(other))) or not equal


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
metadata = st.dictionaries(st.sampled_from(["a", "b", "c"]), plain)


@settings(max_examples=50)
@given(metadata, metadata)
def test_criteria_are_sorted_and_can_be_merged(one: dict[str, object], other: dict[str, object]) -> None:
    assert merged(criteria_of(one), criteria_of(other)) == criteria_of({**one, **other})
    assert [key for key, _ in criteria_of(one)] == sorted(one)
    assert isinstance(hash(criteria_of(one)), int)


@settings(max_examples=40)
@given(st.lists(metadata, max_size=6), st.sets(st.sampled_from(["a", "b", "c"]), min_size=1))
def test_a_request_meets_hosts_that_have_what_it_asks_for(hosts: list[dict[str, object]], keys: set[str]) -> None:
    scene = Scene(
        LbSubsetConfig((LbSubsetSelector(frozenset(keys)),)), *(at(number, metadata={"envoy.lb": one}) for number, one in enumerate(hosts))
    )
    asked = [{key: one[key] for key in keys} for one in hosts if keys <= one.keys()]
    assert scene.counted().get("active", 0) == len({criteria_of(one) for one in asked})
    for one in asked:
        fitting = [
            number
            for number, other in enumerate(hosts)
            if keys <= other.keys() and criteria_of({key: other[key] for key in keys}) == criteria_of(one)
        ]
        assert sorted({*scene.picks(**one)}) == fitting
