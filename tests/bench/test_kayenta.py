"""Kayenta's test finds what Kayenta finds."""

import numpy as np
import pytest

from bench.verdict.kayenta import interval, is_higher, root, score, statistic

CHANCE = np.random.default_rng(1)
ONES = np.ones(10)


def test_what_somebody_saw_in_a_debugger() -> None:
    """spinnaker/spinnaker issue 6278: 7 of 10 points are 100 instead of 1, and that passes."""
    experiment = np.array([100.0] * 7 + [1.0] * 3)
    least, most, estimate = interval(experiment, ONES)
    assert least == pytest.approx(6.825022991538781e-5, rel=1e-13)
    assert (most, estimate) == (pytest.approx(99.0), pytest.approx(98.99992904170193, rel=1e-14))
    assert not is_higher(experiment, ONES, CHANCE)
    assert is_higher(np.array([100.0] * 8 + [1.0] * 2), ONES, CHANCE)


def test_sparse_errors_pass() -> None:
    """spinnaker/kayenta issue 426."""
    assert not is_higher(np.array([0.0, 1, 2, 1, 0, 0]), np.zeros(6), CHANCE)


def test_the_statistic_is_that_of_ranks() -> None:
    # ranks of the experiment: 4, 5, 6 of 6; U = 9, its mean 4.5, its variance 9 / 12 * 7
    assert statistic(0.0, np.array([4.0, 5, 6]), np.array([1.0, 2, 3])) == pytest.approx((4.5 - 0.5) / np.sqrt(5.25))
    assert statistic(0.0, np.array([1.0, 2, 3]), np.array([4.0, 5, 6])) == pytest.approx(-(4.5 - 0.5) / np.sqrt(5.25))


def test_roots_are_found_between_two_points() -> None:
    assert root(lambda x: x**3 - 2, 0.0, 5.0, -2.0, 123.0) == pytest.approx(2 ** (1 / 3), abs=1e-4)
    assert root(lambda x: 1.0 if x > 3 else -1.0, 0.0, 5.0, -1.0, 1.0) == pytest.approx(3.0, abs=1e-4)
    assert root(lambda x: x, 0.0, 5.0, 0.0, 5.0) == 0.0


def test_scores() -> None:
    same, nothing = (np.arange(10.0), np.arange(10.0)), (np.arange(10.0), np.full(10, np.nan))
    higher = (np.arange(10.0), np.arange(10.0) + 100)
    assert score([same, same, same], CHANCE) == 100.0
    assert score([same, higher, same], CHANCE) == pytest.approx(66.7, abs=0.1)
    assert score([same, nothing, same], CHANCE) == 100.0
    assert score([same, nothing, nothing], CHANCE) == 0.0
    assert score([(ONES, ONES), (ONES, ONES * 5), (ONES, np.ones(3))], CHANCE) == pytest.approx(66.7, abs=0.1)
