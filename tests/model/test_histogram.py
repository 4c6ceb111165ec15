"""Bins hold what their edges say, buckets are made of bins, and percentiles follow from them to two digits."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.histogram import EDGES_MS, HISTOGRAM_BOUNDS_MS, HistogramReport, bin_edges, bin_of, quantile, quantiles
from tests.support.reports import recorded

durations = st.floats(min_value=0, max_value=1e8, allow_nan=False)
shares = st.lists(st.floats(min_value=0, max_value=1), min_size=1).map(sorted)


def test_a_bound_belongs_to_its_own_bucket() -> None:
    assert recorded(0.5).counts[0] == 1
    assert recorded(0.51).counts[1] == 1
    assert recorded(3600000).counts[-2] == 1
    assert recorded(3600001).counts[-1] == 1


@given(st.lists(durations, min_size=1))
def test_cumulative_counts_are_those_of_the_values(values: list[float]) -> None:
    report = recorded(*values)
    for index, bound in enumerate(HISTOGRAM_BOUNDS_MS):
        assert sum(report.counts[: index + 1]) == sum(value <= bound for value in values)
    assert report.below(HISTOGRAM_BOUNDS_MS) == [sum(value <= bound for value in values) for bound in HISTOGRAM_BOUNDS_MS]
    assert report.count == len(values)
    assert report.total == sum(values)


@given(st.floats(min_value=0.01, max_value=3600000, exclude_min=True))
def test_a_bin_is_as_wide_as_the_second_digit(value: float) -> None:
    low, high = bin_edges(bin_of(value))
    assert low < value <= high
    assert high - low <= 0.1 * high + 1e-9


def test_bins_are_those_of_two_digits() -> None:
    assert [bin_edges(bin_of(value)) for value in (7.05, 0.001, 99.5, 9e9)] == [(7.0, 7.1), (0.0, 0.01), (99.0, 100.0), (3600000, 3600000)]
    assert all(one < two for one, two in pairwise(EDGES_MS))


def test_bounds_of_ones_own_take_whole_bins() -> None:
    """What lies above the last edge may be anything."""
    assert recorded(1.2, 1.23, 3, 8, 9e9).below((0.001, 1.25, 3, 1e10)) == [0, 1, 3, 4]


def test_nothing_recorded_has_no_percentiles() -> None:
    assert recorded().counts == ()
    assert quantile(recorded(), 0.5) is None
    assert quantiles({}, (0, 1)) == []


def test_quantiles_are_linear_within_a_bin() -> None:
    report = recorded(2.02, 2.04, 2.06, 2.08)  # all in (2, 2.1]
    assert [quantile(report, share) for share in (0, 0.25, 0.5, 1)] == pytest.approx([2, 2.025, 2.05, 2.1])


def test_values_above_every_edge_count_as_the_last() -> None:
    assert quantile(recorded(9e9), 0.5) == HISTOGRAM_BOUNDS_MS[-1]


@given(st.lists(durations, min_size=1), shares)
def test_quantiles_rise_and_lie_in_the_bin_of_the_true_one(values: list[float], wanted: list[float]) -> None:
    report = recorded(*values)
    found = quantiles(report.bins, wanted)
    assert found == sorted(found)
    assert found == [quantile(report, share) for share in wanted]
    middle, true = quantile(report, 0.5), sorted(values)[(len(values) - 1) // 2]
    low, high = bin_edges(bin_of(true))
    assert middle is not None
    assert low <= middle <= high


@given(st.lists(durations), st.lists(durations))
def test_what_was_recorded_since(before: list[float], after: list[float]) -> None:
    early, late = recorded(*before), recorded(*before, *after)
    assert late.since(early).bins == recorded(*after).bins
    assert early.plus(recorded(*after)).bins == late.bins


def test_what_began_anew_is_all_there_is() -> None:
    assert recorded(5).since(recorded(5, 5, 6)).bins == recorded(5).bins


def test_intervals_add_up_where_there_are_any() -> None:
    one, two = HistogramReport({1: 1}, 1.0, {1: 1}), HistogramReport({1: 2}, 1.0)
    assert (one.plus(two).interval, two.plus(one).interval, two.plus(two).interval) == ({1: 1}, {1: 1}, None)
    assert one.plus(one).interval == {1: 2}
    assert one.to_dict() == {"bins": {"1": 1}, "total": 1.0}
