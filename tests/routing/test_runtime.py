"""What runtime says, and what is asked for where it says nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.route import FractionalPercent, RuntimeFraction
from shifter.routing.runtime import Runtime

DEFAULT = FractionalPercent(7)


def runtime(**values: RuntimeValue) -> Runtime:
    return Runtime([RuntimeLayer("one", values)])


@pytest.mark.parametrize(
    ("value", "share"),
    [
        (FractionalPercent(1, 10_000), FractionalPercent(1, 10_000)),
        (50, FractionalPercent(50)),
        (150, FractionalPercent(100)),
        (99.9, FractionalPercent(99)),
        (0.5, FractionalPercent(0)),
        (-5, DEFAULT),
        (-0.5, DEFAULT),
        (True, DEFAULT),
        ("text", DEFAULT),
    ],
)
def test_shares(value: RuntimeValue, share: FractionalPercent) -> None:
    assert runtime(a=value).share(RuntimeFraction(DEFAULT, "a")) == share


@pytest.mark.parametrize(("value", "number"), [(5, 5), (5.9, 5), (0, 0), (-1, 3), (True, 3), ("5", 3), (FractionalPercent(5), 3)])
def test_whole_numbers(value: RuntimeValue, number: int) -> None:
    assert runtime(a=value).integer("a", 3) == number


@pytest.mark.parametrize(("value", "truth"), [(True, True), (False, False), (1, True), ("false", True)])
def test_truths(value: RuntimeValue, truth: bool) -> None:
    assert runtime(a=value).boolean("a", default=True) == truth


@pytest.mark.parametrize(("value", "number"), [(2, 2.0), (0.5, 0.5), (-1, -1.0), (True, 3.5), ("2", 3.5)])
def test_numbers_need_not_be_whole(value: RuntimeValue, number: float) -> None:
    assert runtime(a=value).number("a", 3.5) == number


def test_without_a_key_the_default_holds() -> None:
    assert Runtime().share(RuntimeFraction(DEFAULT, "a")) == DEFAULT
    assert runtime(**{"": 50}).share(RuntimeFraction(DEFAULT)) == DEFAULT
    assert (Runtime().integer("a", 3), Runtime().boolean("a", default=False)) == (3, False)


def test_the_last_layer_wins() -> None:
    layers = [RuntimeLayer("one", {"a": 1, "b": 1}), RuntimeLayer("two", {"a": 2})]
    assert (Runtime(layers).integer("a", 0), Runtime(layers).integer("b", 0)) == (2, 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from([100, 10_000, 1_000_000]), st.integers(0, 2**63 - 1))
def test_a_share_of_numbers(numerator: int, denominator: int, random: int) -> None:
    holds = Runtime().holds(RuntimeFraction(FractionalPercent(numerator, denominator)), random)
    assert holds == (random % denominator < numerator)
    assert holds or numerator < denominator
    assert not holds or numerator > 0
