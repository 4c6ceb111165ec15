"""Weighted choice: exact shares, and nobody is moved who need not be."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.errors import RoutingError
from shifter.routing.weights import MAX_TOTAL, Split, point_of

WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any)
POINTS = st.floats(0, 1, exclude_max=True) | st.binary(max_size=8).map(point_of)


def split(weights: list[int]) -> Split[int]:
    return Split(list(enumerate(weights)))


@given(WEIGHTS, POINTS)
def test_zero_is_never_chosen(weights: list[int], point: float) -> None:
    assert weights[split(weights).at(point)] > 0


@given(st.integers(0, 5), st.integers(1, MAX_TOTAL), POINTS)
def test_all_of_the_weight_always_is(place: int, weight: int, point: float) -> None:
    weights = [0] * 6
    weights[place] = weight
    chosen = split(weights)
    assert chosen.at(point) == place
    assert chosen.only == place


@given(WEIGHTS)
def test_a_stretch_is_as_long_as_its_weight(weights: list[int]) -> None:
    total = sum(weights)
    chosen = [split(weights).at((step + 0.5) / total) for step in range(total)]
    assert [chosen.count(entry) for entry in range(len(weights))] == weights
    assert chosen == sorted(chosen)


@given(st.integers(0, 100), st.integers(0, 100), POINTS)
def test_a_canary_that_grows_only_gains_callers(one: int, other: int, point: float) -> None:
    small, large = sorted((one, other))
    before = split([small, 100 - small]).at(point)
    after = split([large, 100 - large]).at(point)
    assert after == before or (before, after) == (1, 0)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=5).filter(lambda rest: any(rest)), st.integers(0, 5000), POINTS)
def test_others_lose_callers_only_to_a_canary_that_grows(rest: list[int], canary: int, point: float) -> None:
    """Among three and more: whoever is moved although the canary did not take him was not moved backwards."""
    before = split([canary, *rest]).at(point)
    after = split([canary + 1, *rest]).at(point)
    assert after <= before


def test_the_bounds_are_exact() -> None:
    quarter = Split([("canary", 25), ("stable", 75)])
    assert quarter.at(0.0) == "canary"
    assert quarter.at(0.249999999) == "canary"
    assert quarter.at(0.25) == "stable"
    assert quarter.at(1 - 2**-53) == "stable"
    assert quarter.only is None
    assert repr(quarter) == "<Split canary=25/100 stable=75/100>"


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [-1, 2], [MAX_TOTAL, 1]])
def test_weights_that_choose_nobody_are_refused(weights: list[int]) -> None:
    with pytest.raises(RoutingError):
        split(weights)


def test_a_key_keeps_its_point_and_keys_spread_evenly() -> None:
    assert point_of(b"user-1") == point_of(b"user-1")
    points = [point_of(b"user-%d" % number) for number in range(10000)]
    assert all(0 <= point < 1 for point in points)
    assert isclose(sum(point < 0.25 for point in points) / len(points), 0.25, abs_tol=0.02)
