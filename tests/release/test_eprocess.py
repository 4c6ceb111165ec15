"""Bets on whose failures are."""

from math import exp, isfinite
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.release.eprocess import BLIP, RATIO_STAKES, RATIOS, Bets, ratio_gains, ratio_logs

SHARES = st.floats(1e-4, 1.0 - 1e-4)
COUNTS = st.integers(0, 1_000_000)


@given(SHARES)
def test_nobody_can_expect_to_win_by_chance(share: float) -> None:
    by_baseline, by_canary = ratio_gains(share)
    for loss, gain in zip(by_baseline, by_canary, strict=True):
        assert share * exp(gain) + (1.0 - share) * exp(loss) == pytest.approx(1.0)
        assert loss < 0.0 < gain


def ever(alpha: float, runs: int, seconds: int, canary: float = 1.0) -> float:
    """Return how often the capital reaches 1/*alpha* at any time, while the canary fails *canary* times as often as the baseline."""
    chance = Random(7)
    reached = 0
    for _ in range(runs):
        bets = Bets(RATIO_STAKES)
        for number in range(seconds):
            share = 0.1 if number < seconds // 2 else 0.4
            of_canary = share * canary / (share * canary + 1.0 - share)
            labels = [chance.random() < of_canary for _ in range(3)]
            bets.tick(ratio_logs({share: [labels.count(False), labels.count(True)]}))
            if number % 10 == 9:
                bets.begin_anew()
            if bets.value >= 1.0 / alpha:
                reached += 1
                break
    return reached / runs


def test_chance_seldom_makes_a_lot_of_it_however_often_one_looks() -> None:
    assert ever(0.1, runs=400, seconds=120) <= 0.1


def test_a_better_canary_makes_it_less_often() -> None:
    assert ever(0.1, runs=100, seconds=120, canary=0.5) <= 0.01


def test_a_worse_canary_makes_it_nearly_always() -> None:
    assert ever(0.1, runs=50, seconds=120, canary=3.0) >= 0.95


@given(SHARES, st.integers(1, 1000))
def test_what_both_have_in_common_earns_nothing(share: float, failures: int) -> None:
    """Failures in exactly the proportion of the requests."""
    by_baseline, by_canary = ratio_gains(share)
    for loss, gain in zip(by_baseline, by_canary, strict=True):
        assert failures * ((1.0 - share) * loss + share * gain) <= 0.0


@given(SHARES, st.lists(COUNTS, min_size=2, max_size=2))
def test_each_failure_of_the_canary_earns_and_each_of_the_baseline_costs(share: float, counts: list[int]) -> None:
    baseline, canary = counts
    usual = ratio_logs({share: [baseline, canary]})
    worse = ratio_logs({share: [baseline, canary + 1]})
    better = ratio_logs({share: [baseline + 1, canary]})
    assert usual is not None
    assert worse is not None
    assert better is not None
    assert all(one > other for one, other in zip(worse, usual, strict=True))
    assert all(one < other for one, other in zip(better, usual, strict=True))


def test_nothing_to_bet_on() -> None:
    assert ratio_logs({}) is None
    bets = Bets(RATIO_STAKES, 6)
    bets.tick(None)
    assert bets.value == pytest.approx(1.0)


def test_shares_of_one_second_add_up() -> None:
    both = ratio_logs({0.1: [3, 1], 0.2: [2, 2]})
    one, other = ratio_logs({0.1: [3, 1]}), ratio_logs({0.2: [2, 2]})
    assert both is not None
    assert one is not None
    assert other is not None
    assert both == pytest.approx([a + b for a, b in zip(one, other, strict=True)])


SURE = [5.0] * len(RATIOS)


def test_a_blip_counts_once_wherever_it_begins() -> None:
    for quiet in range(8):
        bets = Bets(RATIO_STAKES, 6)
        for _ in range(quiet):
            bets.tick([0.01] * len(RATIOS))
        before = sum(bets.capitals)
        for _ in range(6):
            bets.tick(SURE)
        assert sum(bets.capitals) <= BLIP * before * 1.000001
        assert bets.fast_value > 1e6


def test_what_lasts_longer_than_a_blip_counts_more() -> None:
    bets = Bets(RATIO_STAKES, 6)
    for _ in range(7):
        bets.tick(SURE)
    assert sum(bets.capitals) == pytest.approx(0.5 * BLIP**2)


def test_what_was_kept_back_sees_what_comes_late() -> None:
    bets = Bets(RATIO_STAKES)
    for _ in range(1000):
        bets.tick(ratio_logs({0.1: [9, 1]}))
        bets.begin_anew()
    assert 0.001 < bets.value < 1.0
    for _ in range(30):
        bets.tick(ratio_logs({0.1: [5, 5]}))
    assert bets.value > 1e6


def test_beginning_anew_costs_nothing() -> None:
    bets = Bets(RATIO_STAKES, 6)
    for _ in range(50):
        bets.begin_anew()
    assert bets.value == pytest.approx(1.0)


def test_the_brake_s_figure_is_forgotten() -> None:
    bets = Bets(RATIO_STAKES, 6)
    bets.tick(SURE)
    bets.forget_fast()
    assert bets.fast_value == bets.value


@given(st.lists(st.tuples(SHARES, COUNTS, COUNTS), max_size=30), st.sampled_from([0, 1, 6, 61]))
def test_figures_stay_figures(seconds: list[tuple[float, int, int]], window: int) -> None:
    bets = Bets(RATIO_STAKES, window)
    for share, baseline, canary in seconds:
        bets.tick(ratio_logs({share: [baseline, canary]}))
        bets.begin_anew()
        assert isfinite(bets.value)
        assert 0.0 <= bets.value <= bets.fast_value * 1.000001


def test_state() -> None:
    bets, again = Bets(RATIO_STAKES, 6), Bets(RATIO_STAKES, 6)
    for _ in range(9):
        bets.tick(SURE)
    again.restore(bets.to_state())
    for both in (bets, again):
        both.tick(SURE)
    assert again.to_state() == bets.to_state()
    for wrong in ([[0.5], [], [], [1.0]], [[0.5], bets.capitals, bets.fast, []], [[float("nan")], bets.capitals, bets.fast, [1.0]]):
        with pytest.raises(ValueError, match="not the bets"):
            again.restore(wrong)
