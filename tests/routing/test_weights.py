"""Weighted choice: exact shares, and nobody is moved who need not be."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import RouteAction, WeightedCluster
from shifter.routing.errors import RoutingError
from shifter.routing.runtime import Runtime
from shifter.routing.weights import MAX_TOTAL, Split, Weighed, have_weight, weights_now

WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any)
NUMBERS = st.integers(0, 2**63 - 1)


def split(weights: list[int]) -> Split[int]:
    return Split(list(enumerate(weights)))


@given(WEIGHTS, NUMBERS)
def test_zero_is_never_chosen(weights: list[int], number: int) -> None:
    assert weights[split(weights).at(number)] > 0


@given(st.integers(0, 5), st.integers(1, MAX_TOTAL), NUMBERS)
def test_all_of_the_weight_always_is(place: int, weight: int, number: int) -> None:
    weights = [0] * 6
    weights[place] = weight
    chosen = split(weights)
    assert chosen.at(number) == place
    assert chosen.only == place


@given(WEIGHTS)
def test_a_stretch_is_as_long_as_its_weight(weights: list[int]) -> None:
    total = sum(weights)
    chosen = [split(weights).at(step) for step in range(total)]
    assert [chosen.count(entry) for entry in range(len(weights))] == weights
    assert chosen == sorted(chosen)


@given(st.integers(0, 100), st.integers(0, 100), NUMBERS)
def test_a_canary_that_grows_only_gains_callers(one: int, other: int, number: int) -> None:
    small, large = sorted((one, other))
    before = split([small, 100 - small]).at(number)
    after = split([large, 100 - large]).at(number)
    assert after == before or (before, after) == (1, 0)


def test_the_bounds_are_exact() -> None:
    quarter = Split([("canary", 25), ("stable", 75)])
    assert [quarter.at(number) for number in (0, 24, 25, 99, 100, 124, 125)] == [
        "canary",
        "canary",
        "stable",
        "stable",
        "canary",
        "canary",
        "stable",
    ]
    assert quarter.only is None
    assert repr(quarter) == "<Split canary=25/100 stable=75/100>"


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1, 2], [MAX_TOTAL, 1]])
def test_weights_that_choose_nobody_are_refused(weights: list[int]) -> None:
    with pytest.raises(RoutingError):
        split(weights)


def by_weight(*weights: int, prefix: str = "") -> RouteAction:
    entries = tuple(WeightedCluster(f"v{at}", weight) for at, weight in enumerate(weights))
    return RouteAction(entries, runtime_key_prefix=prefix)


def test_weights_now_are_those_of_runtime() -> None:
    values = Runtime([RuntimeLayer("static", {"a.v0": 7, "a.v1": "much", "b.v1": 9})])
    assert weights_now(by_weight(1, 2), values) == (1, 2)
    assert weights_now(by_weight(1, 2, prefix="a"), values) == (7, 2)
    assert weights_now(by_weight(1, 2, prefix="b"), values) == (1, 9)


@pytest.mark.parametrize(
    ("weights", "fine"), [((), False), ((0, 0), False), ((1, 0), True), ((MAX_TOTAL, 0), True), ((MAX_TOTAL, 1), False)]
)
def test_weights_must_add_up_to_something(weights: tuple[int, ...], fine: bool) -> None:
    assert have_weight(weights) is fine


def test_what_is_made_of_weights_is_made_again_only_when_they_change() -> None:
    current = [(1, 3)]
    made: list[Sequence[int]] = []
    weighed = Weighed(lambda weights: made.append(weights) or split(list(weights)), lambda: current[0], ())  # type: ignore[func-returns-value]
    assert [weighed().at(number) for number in (0, 1, 4)] == [0, 1, 0]
    current[0] = (0, 3)
    assert [weighed().at(number) for number in (0, 1, 3)] == [1, 1, 1]
    current[0] = (0, 0)
    assert weighed().at(0) == 1
    assert made == [(1, 3), (0, 3)]


def test_until_weights_are_good_for_something_the_configured_ones_are() -> None:
    current = [(0, 0)]
    weighed = Weighed(lambda weights: split(list(weights)), lambda: current[0], (0, 1))
    assert weighed().at(0) == 1
    current[0] = (1, 0)
    assert weighed().at(0) == 0
    with pytest.raises(RoutingError):
        Weighed(lambda weights: split(list(weights)), lambda: (0, 0), (0, 0))


@pytest.mark.parametrize(("number", "entry"), [(0, 0), (1, 1), (9_999, 1), (10_000, 0)])
def test_shares_may_be_as_fine_as_one_in_ten_thousand(number: int, entry: int) -> None:
    assert split([1, 9_999]).at(number) == entry


@given(st.integers(1, MAX_TOTAL - 1), st.integers(0, 2**64 - 1))
def test_shares_may_be_as_fine_as_32_bits_allow(weight: int, number: int) -> None:
    assert split([weight, MAX_TOTAL - weight]).at(number) == (0 if number % MAX_TOTAL < weight else 1)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=6).filter(any), st.sets(st.integers(0, 5)), st.integers(0, 2**63 - 1))
def test_among_some_only_those_are_chosen(weights: list[int], dead: set[int], number: int) -> None:
    split = Split(list(enumerate(weights)))
    living = {entry for entry, weight in enumerate(weights) if weight} - dead
    chosen = split.among(number, lambda entry: entry not in dead)
    assert chosen in living if living else chosen == split.at(number)


@pytest.mark.parametrize("numbers", [range(12_000), range(2**40, 2**63, 2**63 // 12_000)], ids=["small", "large"])
def test_who_has_to_choose_again_is_spread_by_the_weights(numbers: range) -> None:
    split = Split([("a", 1), ("dead", 1), ("b", 2), ("dead", 1), ("c", 1)])
    again = [split.among(number, lambda entry: entry != "dead") for number in numbers if split.at(number) == "dead"]
    for entry, share in (("a", 0.25), ("b", 0.5), ("c", 0.25)):
        assert abs(again.count(entry) / len(again) - share) < 0.03
