"""Buckets hold what their bounds say, and quantiles follow from buckets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import HISTOGRAM_BOUNDS_MS, HistogramReport
from shifter.observe.histogram import Histogram, quantile

durations = st.floats(min_value=0, max_value=1e8, allow_nan=False)


def recorded(*values: float) -> HistogramReport:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram.report()


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
    assert report.count == len(values)
    assert report.total == sum(values)


def test_nothing_recorded_reports_nothing() -> None:
    assert recorded() == HistogramReport()
    assert quantile(recorded(), 0.5) is None


def test_a_report_is_a_copy() -> None:
    histogram = Histogram()
    histogram.record(1)
    report = histogram.report()
    histogram.record(1)
    assert report.count == 1
    assert repr(histogram) == "<Histogram count=2 total=2ms>"


def test_quantiles_are_linear_within_a_bucket() -> None:
    report = recorded(2, 3, 4, 4.5)  # all in (1, 5]
    assert [quantile(report, share) for share in (0, 0.25, 0.5, 1)] == [1, 2, 3, 5]


def test_values_above_every_bound_count_as_the_last_bound() -> None:
    assert quantile(recorded(9e9), 0.5) == HISTOGRAM_BOUNDS_MS[-1]


@given(st.lists(durations, min_size=1), st.lists(st.floats(min_value=0, max_value=1), min_size=2))
def test_quantiles_rise_and_lie_in_the_bucket_of_the_true_one(values: list[float], shares: list[float]) -> None:
    report = recorded(*values)
    found = [quantile(report, share) for share in sorted(shares)]
    assert found == sorted(one for one in found if one is not None)
    middle, true = quantile(report, 0.5), sorted(values)[(len(values) - 1) // 2]
    edges = (0, *HISTOGRAM_BOUNDS_MS, HISTOGRAM_BOUNDS_MS[-1])
    low, high = next(((low, high) for low, high in pairwise(edges) if true <= high), (edges[-1], edges[-1]))
    assert middle is not None
    assert low <= middle <= high
