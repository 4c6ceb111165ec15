"""Figures of both versions for people."""

import pytest

from shifter.observe.comparison import Second, bin_of
from shifter.release.tiles import FIGURES, Tiles


def tiles(baseline_ms: float = 80.0, canary_ms: float = 100.0, failed: tuple[int, int] = (9, 9)) -> Tiles:
    made = Second()
    made.answered[:] = (900, 100)
    made.histograms[0][bin_of(baseline_ms)], made.histograms[1][bin_of(canary_ms)] = 900, 100
    seen = Tiles(0.0025, (0.1, 1.0))
    seen.add(made, made.answered, failed)
    for number in range(FIGURES):
        seen.work_out(number)
    return seen


def test_errors() -> None:
    errors = tiles().metric("errors")
    assert errors is not None
    assert (errors.baseline, errors.canary, errors.difference) == (1.0, 9.0, 8.0)
    assert errors.low is not None
    assert errors.high is not None
    assert -1.0 < errors.low < 8.0 < errors.high < 23.0
    assert errors.margin == 0.25


def test_latency() -> None:
    seen = tiles()
    assert [metric.name for metric in seen.metrics] == ["errors", "p50", "p90", "p99"]
    p50 = seen.metric("p50")
    assert p50 is not None
    assert p50.baseline == pytest.approx(80.0, rel=0.05)
    assert p50.difference == pytest.approx(25.0, abs=6.0)
    assert p50.margin == pytest.approx(10.0)


def test_nobody_is_told_what_nobody_knows() -> None:
    seen = Tiles(0.0025, None)
    for number in range(FIGURES):
        seen.work_out(number)
    for metric in seen.metrics:
        assert (metric.baseline, metric.canary, metric.difference, metric.low, metric.high) == (None,) * 5
    p50 = seen.metric("p50")
    assert p50 is not None
    assert p50.margin is None


def test_the_largest_of_few_are_unknown() -> None:
    p99 = tiles().metric("p99")
    assert p99 is not None
    assert p99.low is not None
    assert p99.high is None


def test_a_step_begins_anew() -> None:
    seen = tiles()
    seen.begin()
    assert seen.metrics == ()
    assert seen.units == [0, 0]


def test_state() -> None:
    seen, again = tiles(), Tiles(0.0025, (0.1, 1.0))
    again.restore(seen.to_state())
    assert again.metrics == seen.metrics
    assert again.to_state() == seen.to_state()


def test_what_is_fast_may_be_slower_by_a_millisecond() -> None:
    p50 = tiles(baseline_ms=2.0, canary_ms=2.6).metric("p50")
    assert p50 is not None and p50.margin is not None and p50.baseline is not None
    assert p50.margin == pytest.approx(100.0 / p50.baseline)
