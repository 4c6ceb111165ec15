"""Bets on latencies."""

from bisect import bisect_right
from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.comparison import BINS, bin_of
from shifter.release.latency import QUANTILES, STAKES, Latencies, guesses
from tests.release.test_distribution import HISTOGRAMS
from tests.support.judged import second

SIZE = len(QUANTILES) + 1


def known(seed: int = 1, seconds: int = 12) -> Latencies:
    chance, latencies = Random(seed), Latencies()
    for _ in range(seconds):
        latencies.tick(second(chance, ((), ())).histograms[0])
    return latencies


def test_nothing_is_bet_before_the_baseline_is_known() -> None:
    latencies = Latencies()
    few = [0] * BINS
    few[100] = 49
    assert not latencies.tick(few)
    assert latencies.bounds == ()
    few[100] = 1
    assert latencies.tick(few)
    assert len(latencies.bounds) == len(QUANTILES)
    assert latencies.logs({}) is None


def test_bounds_are_where_the_quantiles_are() -> None:
    latencies = known()
    chance = Random(2)
    below = [0] * SIZE
    for _ in range(40):
        made = second(chance, (latencies.bounds, latencies.bounds), share=0.001)
        below = [had + more for had, more in zip(below, made.latencies[0.001][0], strict=True)]
    for number, quantile in enumerate(QUANTILES):
        assert sum(below[: number + 1]) / sum(below) == pytest.approx(quantile, abs=0.06)


def test_bins_are_cut_anew_every_twenty_seconds() -> None:
    latencies = known()
    histogram = [0] * BINS
    histogram[200] = 100
    cut = [latencies.tick(histogram) for _ in range(60)]
    assert 3 <= cut.count(True) <= 4


@given(HISTOGRAMS)
def test_every_guess_earns_the_more_the_slower_a_request_is(histogram: list[int]) -> None:
    histogram[3] += 50
    places, rows = guesses(histogram)
    assert places == sorted(places)
    assert len(rows) == len(STAKES)
    for row in rows:
        assert len(row) == SIZE
        assert row == sorted(row)
        assert all(0.02 <= ratio <= 200.0 for ratio in row)


@given(st.floats(1e-4, 1.0 - 1e-4), st.integers(0, SIZE - 1))
def test_nobody_can_expect_to_win_by_chance(share: float, number: int) -> None:
    latencies = known()
    one, none = [0] * SIZE, [0] * SIZE
    one[number] = 1
    by_baseline, by_canary = latencies.logs({share: (one, none)}), latencies.logs({share: (none, one)})
    assert by_baseline is not None
    assert by_canary is not None
    for loss, gain in zip(by_baseline, by_canary, strict=True):
        assert share * exp(gain) + (1.0 - share) * exp(loss) == pytest.approx(1.0)


def expected(slower: float) -> list[float]:
    """Return what each guess earns in a while, by a canary that is *slower*."""
    latencies, chance = known(), Random(5)
    sums = [0.0] * len(STAKES)
    for _ in range(120):
        logs = latencies.logs(second(chance, (latencies.bounds, latencies.bounds), slower=slower).latencies)
        assert logs is not None
        sums = [had + more for had, more in zip(sums, logs, strict=True)]
    return sums


def test_a_slower_canary_earns() -> None:
    assert max(expected(1.0)) < 3.0
    assert max(expected(0.8)) < 0.0
    assert max(expected(1.3)) > 10.0
    assert max(expected(3.0)) > 100.0


def test_state() -> None:
    latencies, again = known(seconds=15), Latencies()
    again.restore(latencies.to_state())
    assert again.bounds == latencies.bounds
    made = second(Random(9), (latencies.bounds, latencies.bounds)).latencies
    assert again.logs(made) == latencies.logs(made)
    assert again.to_state() == latencies.to_state()


def test_the_slowest_are_in_the_last_bin() -> None:
    bounds = known().bounds
    assert bisect_right(bounds, 1e9) == SIZE - 1
    assert bin_of(bounds[-1]) > bin_of(bounds[0])
