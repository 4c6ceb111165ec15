"""Failures that the baseline would not have had."""

import pytest

from shifter.observe.comparison import Second
from shifter.release.excess import Excess, Strata


def second(answered: tuple[int, int], failed: tuple[int, int]) -> Second:
    made = Second()
    made.answered[:], made.failed[:] = answered, failed
    return made


def test_seconds_are_compared_each_for_itself() -> None:
    """The baseline has most of its requests while nothing fails, the canary while everything does."""
    strata = Strata()
    assert strata.add(second((90, 10), (0, 0))) == (10, 0.0)
    assert strata.add(second((10, 90), (5, 45))) == (90, 0.0)
    assert strata.add(second((90, 10), (9, 3))) == (10, pytest.approx(2.0))


def test_a_second_without_the_baseline_waits_for_it() -> None:
    strata = Strata()
    assert strata.add(second((0, 2), (0, 1))) == (0, 0.0)
    again = Strata()
    again.restore(strata.to_state())
    assert again.add(second((4, 0), (1, 0))) == (2, pytest.approx(0.5))


def test_sums() -> None:
    excess = Excess()
    assert not excess.reaches(0.0)
    excess.add(100, 1.0)
    assert excess.reaches(0.01)
    assert not excess.reaches(0.011)
    assert not excess.reaches(0.01, least=101.0)
    excess.clear()
    assert excess.to_state() == [0.0, 0.0]


def test_what_is_long_ago_fades() -> None:
    excess = Excess(fading=True)
    excess.add(1000, 0.0)
    for _ in range(600):
        excess.add(10, 1.0)
    assert excess.reaches(0.09)


def test_a_few_failures_may_be_chance() -> None:
    excess = Excess()
    assert not excess.surely_reaches(0.1)
    excess.add(23, 3.0)
    assert excess.reaches(0.1) and not excess.surely_reaches(0.1)
    excess.add(20, 9.0)
    assert excess.surely_reaches(0.1)
    excess.clear()
    excess.add(4, 4.0)  # a canary that is broken
    assert excess.surely_reaches(0.1)
    excess.clear()
    excess.add(10, -2.0)
    assert not excess.surely_reaches(0.1)
