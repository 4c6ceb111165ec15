"""Weighted choice: exact shares, and nobody is moved who need not be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.errors import RoutingError
from shifter.routing.weights import MAX_TOTAL, Split

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
