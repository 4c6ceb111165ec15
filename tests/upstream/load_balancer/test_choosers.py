"""Shares are exact, nobody is forgotten, nobody who left is chosen."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.load_balancing import LeastRequestLbConfig
from shifter.upstream.load_balancer.interfaces import Chooser
from shifter.upstream.load_balancer.least_request import LeastRequest
from shifter.upstream.load_balancer.random_choice import RandomChoice
from shifter.upstream.load_balancer.round_robin import RoundRobin


class Host:
    """An endpoint that is only what choosers look at."""

    def __init__(self, name: str, weight: int = 1, active: int = 0) -> None:
        self.name = name
        self.weight = weight
        self.active = active

    def __repr__(self) -> str:
        return self.name


def hosts(*weights: int) -> list[Host]:
    return [Host(chr(ord("a") + i), weight) for i, weight in enumerate(weights)]


def picks(chooser: Chooser[Host], count: int) -> list[str]:
    return [host.name for _ in range(count) if (host := chooser.pick()) is not None]


weights = st.lists(st.integers(1, 30), min_size=1, max_size=8)
seeds = st.integers(0, 2**32)
MAKERS: list[Callable[[Random], Chooser[Host]]] = [
    RoundRobin,
    lambda random: LeastRequest(random, LeastRequestLbConfig(2)),
    lambda random: LeastRequest(random, LeastRequestLbConfig(3)),
    lambda random: LeastRequest(random, LeastRequestLbConfig(full_scan=True)),
    RandomChoice,
]
makers = st.sampled_from(MAKERS)
every_chooser = pytest.mark.parametrize("make", MAKERS, ids=["round robin", "least of 2", "least of 3", "least of all", "random"])


@every_chooser
def test_no_endpoint_is_none(make: Callable[[Random], Chooser[Host]]) -> None:
    chooser = make(Random(1))
    assert chooser.pick() is None
    chooser.update(hosts(1, 2))
    chooser.update(())
    assert [chooser.pick(), chooser.pick()] == [None, None]


@every_chooser
def test_one_endpoint_takes_everything(make: Callable[[Random], Chooser[Host]]) -> None:
    chooser = make(Random(1))
    chooser.update(hosts(7))
    assert picks(chooser, 3) == ["a", "a", "a"]


@given(makers, weights, seeds)
def test_every_endpoint_gets_picked(make: Callable[[Random], Chooser[Host]], weights: list[int], seed: int) -> None:
    chooser = make(Random(seed))
    chooser.update(hosts(*weights))
    # Even whoever has the least share of a lottery is missed only once in 10^13 runs.
    assert set(picks(chooser, 30 * sum(weights))) == {host.name for host in hosts(*weights)}


@given(makers, weights, st.data(), seeds)
def test_who_left_is_never_picked(make: Callable[[Random], Chooser[Host]], weights: list[int], data: st.DataObject, seed: int) -> None:
    chooser = make(Random(seed))
    everyone = hosts(*weights)
    chooser.update(everyone)
    picks(chooser, data.draw(st.integers(0, 20)))
    stay = data.draw(st.sets(st.sampled_from(everyone)))
    chooser.update(stay)
    assert set(picks(chooser, 100)) <= {host.name for host in stay}


@given(makers, weights, st.data(), seeds)
def test_order_names_the_others_once(make: Callable[[Random], Chooser[Host]], weights: list[int], data: st.DataObject, seed: int) -> None:
    chooser = make(Random(seed))
    everyone = hosts(*weights)
    chooser.update(everyone)
    first = data.draw(st.sampled_from(everyone))
    assert sorted(host.name for host in chooser.order(first)) == [host.name for host in everyone if host is not first]


@every_chooser
def test_order_from_one_who_left_is_everybody(make: Callable[[Random], Chooser[Host]]) -> None:
    chooser = make(Random(1))
    chooser.update(hosts(1, 1, 1))
    assert sorted(host.name for host in chooser.order(Host("gone"))) == ["a", "b", "c"]


def test_round_robin_goes_round_from_a_random_start() -> None:
    rounds = set()
    for seed in range(20):
        chooser: RoundRobin[Host] = RoundRobin(Random(seed))
        chooser.update(hosts(1, 1, 1))
        rounds.add("".join(picks(chooser, 6)))
    assert rounds == {"abcabc", "bcabca", "cabcab"}


@given(weights, seeds, st.integers(0, 100))
def test_round_robin_shares_are_exact_over_any_period(weights: list[int], seed: int, skipped: int) -> None:
    chooser: RoundRobin[Host] = RoundRobin(Random(seed))
    chooser.update(hosts(*weights))
    picks(chooser, skipped)
    assert Counter(picks(chooser, sum(weights))) == {host.name: host.weight for host in hosts(*weights)}


@given(weights, seeds)
def test_round_robin_is_smooth(weights: list[int], seed: int) -> None:
    """At no moment has anybody had two requests more, or less, than its share of those so far."""
    chooser: RoundRobin[Host] = RoundRobin(Random(seed))
    chooser.update(hosts(*weights))
    taken: Counter[str] = Counter()
    for so_far, name in enumerate(picks(chooser, 2 * sum(weights)), 1):
        taken[name] += 1
        assert all(abs(taken[host.name] - so_far * host.weight / sum(weights)) < 2 for host in hosts(*weights))


def test_round_robin_weights_of_any_size_are_exact() -> None:
    chooser: RoundRobin[Host] = RoundRobin(Random(1))
    chooser.update(hosts(9973, 1, 10007))
    assert Counter(picks(chooser, 9973 + 1 + 10007)) == {"a": 9973, "b": 1, "c": 10007}


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), seeds, st.data())
def test_updates_between_all_requests_starve_nobody(weights: list[int], seed: int, data: st.DataObject) -> None:
    """Those who stay have their shares among themselves even though a newcomer appears or disappears before each request."""
    chooser: RoundRobin[Host] = RoundRobin(Random(seed))
    staying, guest = hosts(*weights), Host("guest")
    chooser.update(staying)
    taken: Counter[str] = Counter()
    while sum(taken[host.name] for host in staying) < 3 * sum(weights):
        chooser.update([guest, *staying] if data.draw(st.booleans()) else staying)
        taken[picks(chooser, 1)[0]] += 1
    assert all(abs(taken[host.name] - 3 * host.weight) <= 2 for host in staying)


def test_round_robin_goes_on_where_it_was() -> None:
    chooser: RoundRobin[Host] = RoundRobin(Random(1))
    a, b, c, d = hosts(1, 1, 1, 1)
    chooser.update([a, b, c, d])
    while chooser.pick() is not b:
        pass
    chooser.update([a, b, d])  # c would have been next
    assert picks(chooser, 6) == ["d", "a", "b", "d", "a", "b"]
    chooser.update([d, b, a])
    assert picks(chooser, 3) == ["d", "a", "b"]


def test_a_changed_weight_counts_from_the_update() -> None:
    chooser: RoundRobin[Host] = RoundRobin(Random(1))
    a, b = hosts(1, 1)
    chooser.update([a, b])
    a.weight = 3
    chooser.update([a, b])
    assert Counter(picks(chooser, 8)) == {"a": 6, "b": 2}
    a.weight = 1
    chooser.update([a, b])
    assert Counter(picks(chooser, 8)) == {"a": 4, "b": 4}


def test_round_robin_falls_over_to_the_next_in_turn() -> None:
    chooser: RoundRobin[Host] = RoundRobin(Random(1))
    a, b, c = hosts(1, 1, 1)
    chooser.update([a, b, c])
    assert list(chooser.order(b)) == [c, a]


def test_round_robin_with_weights_falls_over_to_who_is_due() -> None:
    chooser: RoundRobin[Host] = RoundRobin(Random(1))
    chooser.update(hosts(1, 1, 10))
    first = chooser.pick()
    assert first is not None
    due = next(chooser.order(first))
    assert due is next(host for _ in range(12) if (host := chooser.pick()) is not first)


def busy(*active: int) -> Sequence[Host]:
    return [Host(chr(ord("a") + i), active=count) for i, count in enumerate(active)]


@given(st.integers(0, 9), st.integers(0, 9), seeds)
def test_of_two_the_less_busy_one_is_never_missed(one: int, other: int, seed: int) -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(seed), LeastRequestLbConfig(2))
    chooser.update(busy(one, other))
    picked = chooser.pick()
    assert picked is not None
    assert picked.active == min(one, other)


@pytest.mark.parametrize("choices", [2, 3, 4])
def test_the_busiest_of_many_is_picked_least(choices: int) -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(choices))
    chooser.update(busy(9, 1, 1, 1, 1, 0))
    counts = Counter(picks(chooser, 1000))
    assert counts["f"] > counts["b"] > counts["a"]


@pytest.mark.parametrize("choices", [2, 3, 6])
def test_least_request_spreads_requests_over_idle_endpoints(choices: int) -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(choices))
    chooser.update(busy(0, 0, 0, 0, 0))
    counts = Counter(picks(chooser, 5000))
    assert all(800 < counts[name] < 1200 for name in "abcde")


def test_least_request_evens_out_what_is_in_flight() -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(2))
    everyone = busy(30, 0, 0)
    chooser.update(everyone)
    for _ in range(60):
        picked = chooser.pick()
        assert picked is not None
        picked.active += 1
    assert max(host.active for host in everyone) - min(host.active for host in everyone) <= 2


@given(weights, seeds)
def test_least_request_of_the_idle_is_a_weighted_rotation(weights: list[int], seed: int) -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(seed), LeastRequestLbConfig(2))
    chooser.update(hosts(*weights, sum(weights) + 1))  # the last makes them unequal
    counts = Counter(picks(chooser, 2 * sum(weights) + 1))
    assert counts == {host.name: host.weight for host in hosts(*weights, sum(weights) + 1)}


def test_least_request_divides_a_weight_by_what_is_in_flight() -> None:
    """Envoy's weight / (active + 1): 8 / (3 + 1) against 1 / (0 + 1)."""
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(2))
    chooser.update([Host("a", weight=8, active=3), Host("b", weight=1)])
    counts = Counter(picks(chooser, 300))
    assert abs(counts["a"] - 200) <= 1


def test_least_request_falls_over_to_the_least_busy() -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(2))
    a, b, c, d = busy(0, 5, 2, 3)
    chooser.update([a, b, c, d])
    assert list(chooser.order(a)) == [c, d, b]


def test_a_full_scan_never_misses_the_least_busy_and_draws_among_equals() -> None:
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(full_scan=True))
    chooser.update(busy(9, 0, 3, 0, 0))
    counts = Counter(picks(chooser, 3000))
    assert set(counts) == {"b", "d", "e"}
    assert all(850 < count < 1150 for count in counts.values())


@pytest.mark.parametrize("bias", [0.0, 0.5, 2.0])
def test_how_much_requests_in_flight_count_can_be_said(bias: float) -> None:
    """Envoy's weight / (active + 1) ** active_request_bias: with 8 / (3 + 1) ** bias against 1 / (0 + 1)."""
    chooser: LeastRequest[Host] = LeastRequest(Random(1), LeastRequestLbConfig(active_request_bias=bias))
    chooser.update([Host("a", weight=8, active=3), Host("b", weight=1)])
    share = 8 / 4**bias
    assert abs(Counter(picks(chooser, 300))["a"] - 300 * share / (share + 1)) <= 2


def test_random_is_in_proportion_to_weight() -> None:
    chooser: RandomChoice[Host] = RandomChoice(Random(1))
    chooser.update(hosts(1, 3, 6))
    counts = Counter(picks(chooser, 10_000))
    assert abs(counts["a"] - 1000) < 150
    assert abs(counts["b"] - 3000) < 230
    assert abs(counts["c"] - 6000) < 250


def test_random_falls_over_in_proportion_to_weight() -> None:
    chooser: RandomChoice[Host] = RandomChoice(Random(1))
    a, b, c = hosts(1, 1, 3)
    chooser.update([a, b, c])
    seconds = Counter(next(chooser.order(a)).name for _ in range(4000))
    assert abs(seconds["c"] - 3000) < 150
