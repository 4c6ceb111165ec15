"""Proofs that a canary is not worse, and intervals that hold at all times."""

from math import inf, isfinite
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shifter.observe.comparison import BINS, bin_of
from shifter.release.proven import EFFORTS, NotWorse, Ranks, growths, interval, proving_requests, ranks

SHARES = st.floats(1e-4, 1.0 - 1e-4)


@given(SHARES, st.floats(0.0, 0.9), st.floats(1e-4, 0.1))
def test_a_canary_that_is_worse_by_the_margin_cannot_expect_a_proof(share: float, baseline: float, margin: float) -> None:
    """What one request of each kind earns, taken out of the proof itself, is 1 on average."""
    canary = baseline + margin
    factors = []
    for failed in ((0, 0), (1, 0), (0, 1)):
        proof = NotWorse(margin)
        before = list(proof.bets.capitals)
        proof.see(share, 1, failed)
        proof.settle()
        factors.append([now / had for now, had in zip(proof.bets.capitals, before, strict=True)])
    for quiet, by_baseline, by_canary in zip(*factors, strict=True):
        of_baseline = (1.0 - share) * (baseline * by_baseline + (1.0 - baseline) * quiet)
        of_canary = share * (canary * by_canary + (1.0 - canary) * quiet)
        assert of_baseline + of_canary == pytest.approx(1.0)


def proven_after(rates: tuple[float, float], margin: float, share: float, seed: int, requests: int) -> int | None:
    chance = Random(seed)
    proof = NotWorse(margin)
    for number in range(0, requests, 50):
        failed = [0, 0]
        for _ in range(50):
            canary = chance.random() < share
            failed[canary] += chance.random() < rates[canary]
        proof.see(share, 50, failed)
        proof.settle()
        if number % 1000 == 0:
            proof.bets.begin_anew()
        if proof.proven:
            return number
    return None


def test_it_is_seldom_wrong() -> None:
    wrong = [proven_after((0.01, 0.035), 0.025, 0.3, seed, 3_000) for seed in range(60)]
    assert sum(found is not None for found in wrong) <= 6


def test_it_proves_what_is_so() -> None:
    found = [proven_after((0.01, 0.01), 0.05, 0.3, seed, 6_000) for seed in range(20)]
    assert all(number is not None for number in found)


def test_what_it_needs_is_what_it_takes() -> None:
    found = [proven_after((0.01, 0.01), 0.03, 0.3, seed, 60_000) or 60_000 for seed in range(20)]
    assert sum(found) / len(found) * 0.3 == pytest.approx(proving_requests(0.3, 0.01, 0.03), rel=0.3)


def test_what_is_proven_can_be_doubted() -> None:
    proof = NotWorse(0.01)
    for _ in range(1_000):
        proof.see(0.5, 100, (0, 0))
        proof.settle()
    assert proof.proven
    assert proof.needed(0.5, 0.01) == 0.0
    proof.see(0.5, 100, (0, 20))
    proof.settle()
    assert not proof.proven
    assert 1.0 < proof.needed(0.5, 0.001) < inf


def test_an_outage_of_both_is_no_proof() -> None:
    proof = NotWorse(0.005)
    for _ in range(100):
        proof.see(0.1, 100, (27, 3))
        proof.settle()
    assert not proof.proven


@given(SHARES, st.floats(0.0, 1.0), st.floats(1e-4, 0.5))
def test_growth_is_finite(share: float, rate: float, margin: float) -> None:
    assert all(map(isfinite, growths(share, rate, margin)))
    assert len(growths(share, rate, margin)) == len(EFFORTS)


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.floats(1e-3, 0.3))
def test_intervals_have_what_was_seen_in_them(count: int, more: int, risk: float) -> None:
    of = count + more
    low, high = interval(count, of, risk)
    assert 0.0 <= low <= high <= 1.0
    if of:
        assert low <= count / of <= high


def test_intervals() -> None:
    assert interval(0, 0, 0.025) == (0.0, 1.0)
    assert interval(5, 1000, 0.025) == pytest.approx((0.000462, 0.018937), rel=1e-3)
    assert interval(0, 10, 0.025) == pytest.approx((0.0, 0.418709), rel=1e-3)
    assert interval(10, 10, 0.025) == pytest.approx((0.581291, 1.0), rel=1e-3)


def test_an_interval_holds_at_all_times() -> None:
    chance = Random(3)
    missed = 0
    for _ in range(60):
        failed = 0
        for number in range(1, 800):
            failed += chance.random() < 0.05
            if number % 40 == 0:
                low, high = interval(failed, number, 0.1)
                if not low <= 0.05 <= high:
                    missed += 1
                    break
    assert missed <= 6


@given(st.sampled_from([0.5, 0.9, 0.99]), st.integers(1, 10_000_000))
def test_ranks_have_the_quantile_in_them(quantile: float, of: int) -> None:
    low, high = ranks(quantile, of, 0.025)
    assert 0.0 <= low <= quantile * of <= high <= of


def test_ranks() -> None:
    assert ranks(0.5, 100_000, 0.025) == pytest.approx((49_304.6, 50_695.4), abs=1.0)
    assert ranks(0.99, 20, 0.025)[1] == 20


@given(st.lists(st.floats(0.06, 40_000.0), min_size=1, max_size=50), st.floats(0.0, 1.0))
def test_values_by_rank(values: list[float], part: float) -> None:
    counts = [0] * BINS
    for value in values:
        counts[bin_of(value)] += 1
    known = Ranks(0, counts)
    assume(known.total == len(values))
    found = known.at(part * known.total)
    assert min(values) / 1.051 <= found <= max(values) * 1.051
    assert known.at(0.0) <= found <= known.at(known.total)


def test_the_largest_values_are_unknown() -> None:
    counts = [0] * BINS
    counts[bin_of(80.0)] = 30
    value, low, high = Ranks(0, counts).quantile(0.99, 0.025)
    assert value == pytest.approx(80.0, rel=0.06)
    assert low < value
    assert high == inf
