"""Shares are exact, nobody is forgotten, nobody who left is chosen."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.cluster import Cluster
from shifter.model.load_balancing import LbPolicy, LeastRequestLbConfig
from shifter.upstream.balance import Balancer, LeastRequest, RandomChoice, RoundRobin, make_balancer


class Host:
    """An endpoint that is only what balancers look at."""

    def __init__(self, name: str, weight: int = 1, active: int = 0) -> None:
        self.name = name
        self.weight = weight
        self.active = active

    def __repr__(self) -> str:
        return self.name


def hosts(*weights: int) -> list[Host]:
    return [Host(chr(ord("a") + i), weight) for i, weight in enumerate(weights)]


def picks(balancer: Balancer[Host], count: int) -> list[str]:
    return [host.name for _ in range(count) if (host := balancer.pick()) is not None]


weights = st.lists(st.integers(1, 30), min_size=1, max_size=8)
seeds = st.integers(0, 2**32)
MAKERS: list[Callable[[Random], Balancer[Host]]] = [
    RoundRobin,
    lambda random: LeastRequest(random, 2),
    lambda random: LeastRequest(random, 3),
    RandomChoice,
]
makers = st.sampled_from(MAKERS)
every_balancer = pytest.mark.parametrize("make", MAKERS, ids=["round robin", "least of 2", "least of 3", "random"])


@pytest.mark.parametrize(
    ("policy", "expected"),
    [(LbPolicy.ROUND_ROBIN, RoundRobin), (LbPolicy.LEAST_REQUEST, LeastRequest), (LbPolicy.RANDOM, RandomChoice)],
)
def test_the_policy_chooses_the_balancer(policy: LbPolicy, expected: type) -> None:
    balancer: Balancer[Host] = make_balancer(Cluster("c", lb_policy=policy))
    balancer.update(hosts(1, 2))
    assert type(balancer) is expected
    assert repr(balancer) == f"<{expected.__name__} endpoints=2>"


def test_the_choice_count_is_the_clusters() -> None:
    balancer: Balancer[Host] = make_balancer(Cluster("c", lb_policy=LbPolicy.LEAST_REQUEST, least_request=LeastRequestLbConfig(5)))
    balancer.update([Host("busy", active=3), Host("busier", active=4), Host("free"), Host("busiest", active=5), Host("full", active=9)])
    assert set(picks(balancer, 20)) == {"free"}


@every_balancer
def test_no_endpoint_is_none(make: Callable[[Random], Balancer[Host]]) -> None:
    balancer = make(Random(1))
    assert balancer.pick() is None
    balancer.update(hosts(1, 2))
    balancer.update(())
    assert [balancer.pick(), balancer.pick()] == [None, None]


@every_balancer
def test_one_endpoint_takes_everything(make: Callable[[Random], Balancer[Host]]) -> None:
    balancer = make(Random(1))
    balancer.update(hosts(7))
    assert picks(balancer, 3) == ["a", "a", "a"]


@given(makers, weights, seeds)
def test_every_endpoint_gets_picked(make: Callable[[Random], Balancer[Host]], weights: list[int], seed: int) -> None:
    balancer = make(Random(seed))
    balancer.update(hosts(*weights))
    # Even whoever has the least share of a lottery is missed only once in 10^13 runs.
    assert set(picks(balancer, 30 * sum(weights))) == {host.name for host in hosts(*weights)}


@given(makers, weights, st.data(), seeds)
def test_who_left_is_never_picked(make: Callable[[Random], Balancer[Host]], weights: list[int], data: st.DataObject, seed: int) -> None:
    balancer = make(Random(seed))
    everyone = hosts(*weights)
    balancer.update(everyone)
    picks(balancer, data.draw(st.integers(0, 20)))
    stay = data.draw(st.sets(st.sampled_from(everyone)))
    balancer.update(stay)
    assert set(picks(balancer, 100)) <= {host.name for host in stay}


@given(makers, weights, st.data(), seeds)
def test_order_names_the_others_once(make: Callable[[Random], Balancer[Host]], weights: list[int], data: st.DataObject, seed: int) -> None:
    balancer = make(Random(seed))
    everyone = hosts(*weights)
    balancer.update(everyone)
    first = data.draw(st.sampled_from(everyone))
    assert sorted(host.name for host in balancer.order(first)) == [host.name for host in everyone if host is not first]


@every_balancer
def test_order_from_one_who_left_is_everybody(make: Callable[[Random], Balancer[Host]]) -> None:
    balancer = make(Random(1))
    balancer.update(hosts(1, 1, 1))
    assert sorted(host.name for host in balancer.order(Host("gone"))) == ["a", "b", "c"]


def test_round_robin_goes_round_from_a_random_start() -> None:
    rounds = set()
    for seed in range(20):
        balancer: RoundRobin[Host] = RoundRobin(Random(seed))
        balancer.update(hosts(1, 1, 1))
        rounds.add("".join(picks(balancer, 6)))
    assert rounds == {"abcabc", "bcabca", "cabcab"}


@given(weights, seeds, st.integers(0, 100))
def test_round_robin_shares_are_exact_over_any_period(weights: list[int], seed: int, skipped: int) -> None:
    balancer: RoundRobin[Host] = RoundRobin(Random(seed))
    balancer.update(hosts(*weights))
    picks(balancer, skipped)
    assert Counter(picks(balancer, sum(weights))) == {host.name: host.weight for host in hosts(*weights)}


@given(weights, seeds)
def test_round_robin_is_smooth(weights: list[int], seed: int) -> None:
    """At no moment has anybody had two requests more, or less, than its share of those so far."""
    balancer: RoundRobin[Host] = RoundRobin(Random(seed))
    balancer.update(hosts(*weights))
    taken: Counter[str] = Counter()
    for so_far, name in enumerate(picks(balancer, 2 * sum(weights)), 1):
        taken[name] += 1
        assert all(abs(taken[host.name] - so_far * host.weight / sum(weights)) < 2 for host in hosts(*weights))


def test_round_robin_weights_of_any_size_are_exact() -> None:
    balancer: RoundRobin[Host] = RoundRobin(Random(1))
    balancer.update(hosts(9973, 1, 10007))
    assert Counter(picks(balancer, 9973 + 1 + 10007)) == {"a": 9973, "b": 1, "c": 10007}


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), seeds, st.data())
def test_updates_between_all_requests_starve_nobody(weights: list[int], seed: int, data: st.DataObject) -> None:
    """Those who stay have their shares among themselves even though a newcomer appears or disappears before each request."""
    balancer: RoundRobin[Host] = RoundRobin(Random(seed))
    staying, guest = hosts(*weights), Host("guest")
    balancer.update(staying)
    taken: Counter[str] = Counter()
    while sum(taken[host.name] for host in staying) < 3 * sum(weights):
        balancer.update([guest, *staying] if data.draw(st.booleans()) else staying)
        taken[picks(balancer, 1)[0]] += 1
    assert all(abs(taken[host.name] - 3 * host.weight) <= 2 for host in staying)


def test_round_robin_goes_on_where_it_was() -> None:
    balancer: RoundRobin[Host] = RoundRobin(Random(1))
    a, b, c, d = hosts(1, 1, 1, 1)
    balancer.update([a, b, c, d])
    while balancer.pick() is not b:
        pass
    balancer.update([a, b, d])  # c would have been next
    assert picks(balancer, 6) == ["d", "a", "b", "d", "a", "b"]
    balancer.update([d, b, a])
    assert picks(balancer, 3) == ["d", "a", "b"]


def test_a_changed_weight_counts_from_the_update() -> None:
    balancer: RoundRobin[Host] = RoundRobin(Random(1))
    a, b = hosts(1, 1)
    balancer.update([a, b])
    a.weight = 3
    balancer.update([a, b])
    assert Counter(picks(balancer, 8)) == {"a": 6, "b": 2}
    a.weight = 1
    balancer.update([a, b])
    assert Counter(picks(balancer, 8)) == {"a": 4, "b": 4}


def test_round_robin_falls_over_to_the_next_in_turn() -> None:
    balancer: RoundRobin[Host] = RoundRobin(Random(1))
    a, b, c = hosts(1, 1, 1)
    balancer.update([a, b, c])
    assert list(balancer.order(b)) == [c, a]


def test_round_robin_with_weights_falls_over_to_who_is_due() -> None:
    balancer: RoundRobin[Host] = RoundRobin(Random(1))
    balancer.update(hosts(1, 1, 10))
    first = balancer.pick()
    assert first is not None
    due = next(balancer.order(first))
    assert due is next(host for _ in range(12) if (host := balancer.pick()) is not first)


def busy(*active: int) -> Sequence[Host]:
    return [Host(chr(ord("a") + i), active=count) for i, count in enumerate(active)]


@given(st.integers(0, 9), st.integers(0, 9), seeds)
def test_of_two_the_less_busy_one_is_never_missed(one: int, other: int, seed: int) -> None:
    balancer: LeastRequest[Host] = LeastRequest(Random(seed), 2)
    balancer.update(busy(one, other))
    picked = balancer.pick()
    assert picked is not None
    assert picked.active == min(one, other)


@pytest.mark.parametrize("choices", [2, 3, 4])
def test_the_busiest_of_many_is_picked_least(choices: int) -> None:
    balancer: LeastRequest[Host] = LeastRequest(Random(1), choices)
    balancer.update(busy(9, 1, 1, 1, 1, 0))
    counts = Counter(picks(balancer, 1000))
    assert counts["f"] > counts["b"] > counts["a"]


@pytest.mark.parametrize("choices", [2, 3, 6])
def test_least_request_spreads_requests_over_idle_endpoints(choices: int) -> None:
    balancer: LeastRequest[Host] = LeastRequest(Random(1), choices)
    balancer.update(busy(0, 0, 0, 0, 0))
    counts = Counter(picks(balancer, 5000))
    assert all(800 < counts[name] < 1200 for name in "abcde")


def test_least_request_evens_out_what_is_in_flight() -> None:
    balancer: LeastRequest[Host] = LeastRequest(Random(1), 2)
    everyone = busy(30, 0, 0)
    balancer.update(everyone)
    for _ in range(60):
        picked = balancer.pick()
        assert picked is not None
        picked.active += 1
    assert max(host.active for host in everyone) - min(host.active for host in everyone) <= 2


@given(weights, seeds)
def test_least_request_of_the_idle_is_a_weighted_rotation(weights: list[int], seed: int) -> None:
    balancer: LeastRequest[Host] = LeastRequest(Random(seed), 2)
    balancer.update(hosts(*weights, sum(weights) + 1))  # the last makes them unequal
    counts = Counter(picks(balancer, 2 * sum(weights) + 1))
    assert counts == {host.name: host.weight for host in hosts(*weights, sum(weights) + 1)}


def test_least_request_divides_a_weight_by_what_is_in_flight() -> None:
    """Envoy's weight / (active + 1): 8 / (3 + 1) against 1 / (0 + 1)."""
    balancer: LeastRequest[Host] = LeastRequest(Random(1), 2)
    balancer.update([Host("a", weight=8, active=3), Host("b", weight=1)])
    counts = Counter(picks(balancer, 300))
    assert abs(counts["a"] - 200) <= 1


def test_least_request_falls_over_to_the_least_busy() -> None:
    balancer: LeastRequest[Host] = LeastRequest(Random(1), 2)
    a, b, c, d = busy(0, 5, 2, 3)
    balancer.update([a, b, c, d])
    assert list(balancer.order(a)) == [c, d, b]


def test_random_is_in_proportion_to_weight() -> None:
    balancer: RandomChoice[Host] = RandomChoice(Random(1))
    balancer.update(hosts(1, 3, 6))
    counts = Counter(picks(balancer, 10_000))
    assert abs(counts["a"] - 1000) < 150
    assert abs(counts["b"] - 3000) < 230
    assert abs(counts["c"] - 6000) < 250


def test_random_falls_over_in_proportion_to_weight() -> None:
    balancer: RandomChoice[Host] = RandomChoice(Random(1))
    a, b, c = hosts(1, 1, 3)
    balancer.update([a, b, c])
    seconds = Counter(next(balancer.order(a)).name for _ in range(4000))
    assert abs(seconds["c"] - 3000) < 150
