"""Keys stay where they are, as far as they can."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from shifter.model.cluster import Cluster, HealthStatus, LbEndpoint
from shifter.model.load_balancing import CommonLbConfig, ConsistentHashingLbConfig, LbPolicy, MaglevLbConfig, RingHashLbConfig
from shifter.observe.stats import ClusterStats
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import PickContext
from shifter.upstream.load_balancer import maglev, make_balancer
from shifter.upstream.load_balancer.bounded_load import _mersenne_twister
from shifter.upstream.load_balancer.consistent_hashing import ConsistentHashing
from shifter.upstream.load_balancer.hash_table import HashTable, Part, hash_key
from shifter.upstream.load_balancer.maglev import GrowingTable, MaglevTable
from shifter.upstream.load_balancer.murmur import murmur_hash_2
from shifter.upstream.load_balancer.ring_hash import Ring
from tests.support.balancing import Pool, at, lb, pools

KEYS = [xxh64_intdigest(f"key {number}".encode()) for number in range(500)]
RING = Cluster("ring", lb_policy=LbPolicy.RING_HASH)
MAGLEV = Cluster("maglev", lb_policy=LbPolicy.MAGLEV, maglev=MaglevLbConfig(1009))
every_policy = pytest.mark.parametrize("cluster", [RING, MAGLEV], ids=["ring", "maglev"])


def balancer(cluster: Cluster, hosts: Sequence[Pool], stats: ClusterStats | None = None) -> ConsistentHashing[Pool]:
    made = make_balancer(cluster, stats, random=Random(1))
    assert isinstance(made, ConsistentHashing)
    made.update(hosts)
    return made


def chosen(by: ConsistentHashing[Pool], keys: Sequence[int] = KEYS) -> list[Pool | None]:
    context = PickContext()
    found = []
    for key in keys:
        context.hash = key
        found.append(by.pick_for(context))
    return found


def hosts(count: int, **rest: object) -> list[Pool]:
    return pools(at(last, **rest) for last in range(1, count + 1))


weights = st.lists(st.integers(1, 9), min_size=2, max_size=8)


@settings(max_examples=20)
@given(weights, st.data())
def test_a_ring_without_a_host_moves_only_that_hosts_keys(weights: list[int], data: st.DataObject) -> None:
    """The ring is sized by the least weight, so hosts that are all alike are looked at, and weights that stay the least."""
    everyone = pools(at(last, weight=1) for last in range(1, len(weights) + 1))
    by = balancer(Cluster("r", lb_policy=LbPolicy.RING_HASH, ring_hash=RingHashLbConfig(len(weights) * (len(weights) - 1) * 40)), everyone)
    before = chosen(by)
    gone = data.draw(st.sampled_from(everyone))
    by.update([pool for pool in everyone if pool is not gone])
    moved = sum(one is not other for one, other in zip(before, chosen(by), strict=True) if one is not gone)
    # One host more or less changes how many places each of the others has: what those take is little.
    assert moved <= len(KEYS) * 0.35


def test_a_ring_of_the_same_places_moves_no_other_key() -> None:
    everyone = hosts(6)
    by = balancer(Cluster("r", lb_policy=LbPolicy.RING_HASH, ring_hash=RingHashLbConfig(1)), everyone)
    before = chosen(by)
    by.update(everyone[1:])
    assert all(one is other for one, other in zip(before, chosen(by), strict=True) if one is not everyone[0])


@settings(max_examples=25)
@given(st.integers(3, 12), st.data())
def test_maglev_without_a_host_moves_few_other_keys(count: int, data: st.DataObject) -> None:
    everyone = hosts(count)
    by = balancer(MAGLEV, everyone)
    before = chosen(by)
    gone = data.draw(st.sampled_from(everyone))
    by.update([pool for pool in everyone if pool is not gone])
    moved = sum(one is not other for one, other in zip(before, chosen(by), strict=True) if one is not gone)
    assert moved <= len(KEYS) * 0.25


@settings(max_examples=30)
@given(st.sampled_from([RING, MAGLEV]), weights)
def test_keys_are_shared_by_weight(cluster: Cluster, weights: list[int]) -> None:
    everyone = pools(at(last, weight=weight) for last, weight in enumerate(weights, 1))
    counts = Counter(chosen(balancer(cluster, everyone)))
    for pool in everyone:
        assert abs(counts[pool] / len(KEYS) - pool.weight / sum(weights)) < 0.15


def filled(parts: Sequence[Part[Pool]], size: int) -> list[Pool]:
    """Maglev's table as the paper fills it, one probe after the other, with Envoy's rule for weights."""
    heaviest = max(part for _, part, _ in parts)
    entries = [
        [pool, xxh64_intdigest(key) % size, xxh64_intdigest(key, 1) % (size - 1) + 1, part, 0.0, 0]
        for pool, part, key in sorted(parts, key=lambda part: part[2])
    ]
    table: dict[int, Pool] = {}
    iteration = 0
    while len(table) < size:
        iteration += 1
        for entry in entries:
            pool, offset, skip, part, target, following = entry
            if len(table) == size or iteration * part < target:
                continue
            while (place := (offset + skip * following) % size) in table:
                following += 1
            table[place] = pool
            entry[4], entry[5] = target + heaviest, following + 1
    return [table[place] for place in range(size)]


@settings(max_examples=40)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.sampled_from([2, 3, 11, 101, 1009]))
def test_the_short_cut_through_the_last_places_ends_where_the_long_way_does(weights: list[int], size: int) -> None:
    everyone = pools(at(last, weight=weight) for last, weight in enumerate(weights, 1))
    parts = [(pool, pool.weight / sum(weights), hash_key(pool, False)) for pool in everyone]
    table = MaglevTable(parts, MaglevLbConfig(size))
    assert [table.choose(place, 0) for place in range(size)] == filled(parts, size)


def test_the_smallest_table_has_one_place() -> None:
    everyone = hosts(3)
    table = MaglevTable([(pool, 1 / 3, hash_key(pool, False)) for pool in everyone], MaglevLbConfig(1))
    assert table.choose(KEYS[0], 0) is everyone[0]
    assert table.gauges() == {"maglev_lb.max_entries_per_host": 1, "maglev_lb.min_entries_per_host": 0}


def growing(everyone: Sequence[Pool], former: HashTable[Pool] | None) -> GrowingTable[Pool]:
    parts = [(pool, 1 / len(everyone), hash_key(pool, False)) for pool in everyone]
    return GrowingTable(MaglevTable(parts, MaglevLbConfig(10007), at_once=False), parts, former)


def test_a_large_table_grows_while_keys_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maglev, "_PIECE", 500)
    everyone = hosts(5)
    first = growing(everyone, None)
    assert {first.choose(key, 0) for key in KEYS[:10]} <= set(everyone)
    while not first._table.made:
        first.choose(0, 0)
    whole = MaglevTable([(pool, 0.2, hash_key(pool, False)) for pool in everyone], MaglevLbConfig(10007))
    assert [first.choose(key, 0) for key in KEYS] == [whole.choose(key, 0) for key in KEYS]
    second = growing(everyone[1:], first)
    third = growing(everyone[2:], second)
    for key in KEYS[:10]:
        before, now = whole.choose(key, 0), third.choose(key, 0)
        assert now is before if before in everyone[2:] else now in everyone[2:]
    assert not third._table.made
    for _ in range(500):
        third.choose(0, 0)
    assert third._table.made
    assert third.settled is third._table
    assert {third.choose(key, 0) for key in KEYS} == set(everyone[2:])


def test_a_table_that_grows_is_made_for_large_sizes_only() -> None:
    parts = [(pool, 0.5, hash_key(pool, False)) for pool in hosts(2)]
    assert isinstance(maglev.maglev(parts, MaglevLbConfig(65537), None), MaglevTable)
    large = maglev.maglev(parts, MaglevLbConfig(5000011), None)
    assert large.choose(KEYS[0], 0) is not None
    assert large.gauges()["maglev_lb.max_entries_per_host"] == 0
    assert maglev.maglev([], MaglevLbConfig(5000011), large).choose(KEYS[0], 0) is None


def test_the_order_of_hosts_does_not_matter_to_maglev() -> None:
    everyone = hosts(5)
    assert chosen(balancer(MAGLEV, everyone)) == chosen(balancer(MAGLEV, everyone[::-1]))


@every_policy
def test_no_hosts_no_pick(cluster: Cluster) -> None:
    by = balancer(cluster, [])
    assert by.pick() is None
    assert list(by.order(Pool(at(1)))) == []
    assert make_balancer(cluster).pick() is None


@every_policy
def test_without_a_hash_it_is_by_lot(cluster: Cluster) -> None:
    everyone = hosts(3)
    by = balancer(cluster, everyone)
    assert {by.pick() for _ in range(60)} == set(everyone)
    assert {by.pick_for(PickContext()) for _ in range(60)} == set(everyone)


@every_policy
def test_a_table_is_made_when_it_is_needed_and_only_if_something_changed(cluster: Cluster) -> None:
    everyone = hosts(4)
    by = balancer(cluster, everyone)
    [one] = by._priorities
    assert one._table is None
    by.pick()
    table = one._table
    by.update(list(everyone))
    by.pick()
    assert one._table is table
    everyone[0].host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    by.update(everyone)
    assert one._table is table
    by.pick()
    assert one._table is not table


@every_policy
def test_a_host_that_comes_and_goes_costs_one_table(cluster: Cluster) -> None:
    everyone = hosts(4)
    by = balancer(cluster, everyone)
    [one] = by._priorities
    tables = []
    for turn in range(6):
        (everyone[0].host.clear if turn % 2 else everyone[0].host.set)(HealthFlag.FAILED_ACTIVE_HC, 0.0)
        by.update(everyone)
        by.pick()
        tables.append(one._table)
    assert len(set(map(id, tables))) == 2
    by.update(everyone[1:])
    by.pick()
    assert all(everyone[0] not in [pool for pool, _, _ in parts] for parts, _ in one._former)


@every_policy
def test_unhealthy_hosts_have_no_keys_but_in_panic(cluster: Cluster) -> None:
    everyone = hosts(4)
    stats = ClusterStats()
    by = balancer(cluster, everyone, stats)
    before = chosen(by)
    everyone[0].host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    by.update(everyone)
    assert everyone[0] not in chosen(by)
    assert stats.lb_healthy_panic == 0
    for pool in everyone[1:3]:
        pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    by.update(everyone)
    assert chosen(by) == before
    assert stats.lb_healthy_panic == len(KEYS)


@every_policy
def test_degraded_hosts_are_better_than_none(cluster: Cluster) -> None:
    everyone = hosts(2, health_status=HealthStatus.DEGRADED)
    assert set(chosen(balancer(cluster, everyone))) == set(everyone)


@every_policy
def test_a_retry_finds_another_host(cluster: Cluster) -> None:
    everyone = hosts(5)
    by = balancer(cluster, everyone)
    context = PickContext()
    context.host_selection_attempts = 30
    for key in KEYS[:50]:
        context.hash, context.avoid = key, None
        first = by.pick_for(context)
        context.avoid = lambda pool: pool is first  # type: ignore[comparison-overlap]  # noqa: B023
        second = by.pick_for(context)
        assert second is not None
        assert second is not first


@every_policy
def test_who_takes_over_is_everybody_else(cluster: Cluster) -> None:
    everyone = [*hosts(4), *pools([at(9, priority=1)])]
    by = balancer(cluster, everyone)
    assert list(by.order(everyone[1])) == [everyone[2], everyone[3], everyone[0], everyone[4]]


@pytest.mark.parametrize(
    ("endpoint", "by_name", "key"),
    [
        (at(1, hostname="a"), False, b"127.9.9.1:9"),
        (at(1, hostname="a"), True, b"a"),
        (at(1, hostname="a", metadata=lb(hash_key="k")), True, b"k"),
        (at(1, metadata=lb(hash_key="k")), False, b"k"),
        (at(1, metadata=lb(hash_key="")), False, b"127.9.9.1:9"),
        (at(1, metadata=lb(hash_key=1)), False, b"127.9.9.1:9"),
    ],
)
def test_what_a_host_is_placed_by(endpoint: LbEndpoint, by_name: bool, key: bytes) -> None:
    assert hash_key(Pool(endpoint), by_name) == key


def test_the_gauges_are_envoys() -> None:
    by = balancer(Cluster("r", lb_policy=LbPolicy.RING_HASH, ring_hash=RingHashLbConfig(10)), hosts(3))
    assert by.gauges() == {"ring_hash_lb.max_hashes_per_host": 4, "ring_hash_lb.min_hashes_per_host": 4, "ring_hash_lb.size": 12}
    by = balancer(MAGLEV, hosts(2))
    assert by.gauges() == {"maglev_lb.max_entries_per_host": 505, "maglev_lb.min_entries_per_host": 504}
    by.update([])
    assert by.gauges() == {"maglev_lb.max_entries_per_host": 0, "maglev_lb.min_entries_per_host": 0}


def test_places_that_are_known_are_not_hashed_again() -> None:
    known: dict[bytes, list[int]] = {}
    parts = [(pool, 0.25, hash_key(pool, False)) for pool in hosts(4)]
    Ring(parts, RingHashLbConfig(40), known)
    assert {len(hashes) for hashes in known.values()} == {10}
    known[b"127.9.9.1:9"] = [5] * 10
    assert Ring(parts, RingHashLbConfig(40), known).choose(5, 0) is parts[0][0]
    Ring(parts[1:2], RingHashLbConfig(40), known)
    assert set(known) == {b"127.9.9.2:9"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"hello", 2762169579135187400),
        (b"world", 8751027807033337960),
        (b"12345678", 10113836418918046885),
        (b"127.0.0.1:80_17", 2741697841402946398),
        (b"", 6142509188972423790),
    ],
)
def test_murmur_hash_is_that_of_libstdcpp(text: bytes, value: int) -> None:
    assert murmur_hash_2(text) == value


BOUNDED = CommonLbConfig(consistent_hashing=ConsistentHashingLbConfig(hash_balance_factor=150))


def test_the_generator_is_that_of_cpp() -> None:
    """ISO C++ [rand.predef]: the 10000th value of a default-constructed mt19937 is 4123659995; its seed is 5489."""
    random = _mersenne_twister(5489)
    assert [random.getrandbits(32) for _ in range(10000)][-1] == 4123659995


@pytest.mark.parametrize("policy", [LbPolicy.RING_HASH, LbPolicy.MAGLEV])
def test_no_host_gets_more_than_its_part_and_a_half(policy: LbPolicy) -> None:
    stats = ClusterStats()
    everyone = hosts(5)
    by = balancer(Cluster("c", lb_policy=policy, maglev=MaglevLbConfig(1009), common_lb=BOUNDED), everyone, stats)
    context = PickContext()
    context.hash = KEYS[0]
    for _ in range(200):
        picked = by.pick_for(context)
        assert picked is not None
        picked.active += 1
        stats.default.requests += 1
        assert picked.active <= (stats.upstream_rq_active * 150 + 99) // 100 / 5 + 2
    assert sum(pool.active > 0 for pool in everyone) == 4  # three of them can take 90 percent


def test_a_key_overflows_always_to_the_same_hosts() -> None:
    stats = ClusterStats()
    stats.default.requests = 20
    everyone = hosts(5)
    by = balancer(Cluster("c", lb_policy=LbPolicy.RING_HASH, common_lb=BOUNDED), everyone, stats)
    [first] = chosen(by, KEYS[:1])
    assert first is not None
    first.active = 20
    [second] = chosen(by, KEYS[:1])
    assert second is not first
    assert [*chosen(by, KEYS[:1]), *chosen(by, KEYS[:1])] == [second, second]
    first.active = 2
    assert chosen(by, KEYS[:1]) == [first]


def test_when_all_are_full_the_least_full_one_is_taken() -> None:
    stats = ClusterStats()
    everyone = hosts(3)
    by = balancer(Cluster("c", lb_policy=LbPolicy.RING_HASH, common_lb=BOUNDED), everyone, stats)
    for pool, active in zip(everyone, (9, 3, 5), strict=True):
        pool.active = active
    assert set(chosen(by)) == {everyone[1]}
