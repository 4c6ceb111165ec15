"""Reports of several processes add up to one."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.histogram import HistogramReport
from shifter.model.report import ClusterReport, EndpointReport, Figures, HttpReport, ListenerReport, Report


def some_figures(name: str, code: int, number: int) -> Figures:
    return Figures({name: number}, {name: number}, {name: number}, {code: number}, {name: HistogramReport({0: number, 1: 1}, number)})


figures = st.builds(some_figures, st.sampled_from("abc"), st.sampled_from([0, 200, 404]), st.integers(0, 99))
endpoints = st.builds(EndpointReport, st.sampled_from(["10.0.0.1", "::1"]), st.sampled_from([80, 81]), figures=figures)
clusters = st.builds(
    ClusterReport, st.sampled_from(["one", "two"]), figures, st.lists(endpoints, unique_by=lambda one: one.key, max_size=3).map(tuple)
)
reports = st.builds(
    Report,
    listeners=st.lists(st.builds(ListenerReport, st.just("l"), st.just("::"), st.sampled_from([1, 2]), figures), max_size=1).map(tuple),
    http=st.lists(st.builds(HttpReport, st.sampled_from("pq"), st.just("l"), figures), max_size=1).map(tuple),
    clusters=st.lists(clusters, unique_by=lambda one: one.name, max_size=2).map(tuple),
    server=figures,
)


def test_counters_and_gauges_add_up_and_shared_figures_agree() -> None:
    one = Figures({"total": 2, "mine": 1}, {"active": 3}, {"hosts": 4}, {200: 1}, {"time": HistogramReport({0: 1, 1: 0}, 0.5)})
    two = Figures({"total": 5}, {"active": 1}, {"hosts": 3}, {200: 1, 503: 2}, {"time": HistogramReport({0: 1, 1: 2}, 8.0)})
    assert one.plus(two) == Figures(
        {"total": 7, "mine": 1}, {"active": 4}, {"hosts": 4}, {200: 2, 503: 2}, {"time": HistogramReport({0: 2, 1: 2}, 8.5)}
    )


def test_an_empty_histogram_adds_nothing() -> None:
    some = HistogramReport({0: 1, 1: 2}, 5.0)
    assert HistogramReport().plus(some) == some == some.plus(HistogramReport())


def test_endpoints_are_joined_by_address_and_are_as_unhealthy_as_anybody_finds() -> None:
    mine = EndpointReport("10.0.0.1", 80, 2, "service1", ("failed_active_hc",), figures=Figures({"rq_total": 1}))
    theirs = EndpointReport("10.0.0.1", 80, 2, "service1", ("failed_active_hc", "failed_outlier_check"), figures=Figures({"rq_total": 2}))
    other = EndpointReport("::1", 80)
    merged = Report.merge(
        [Report(clusters=(ClusterReport("c", endpoints=(mine,)),)), Report(clusters=(ClusterReport("c", endpoints=(theirs, other)),))]
    )
    first, second = merged.clusters[0].endpoints
    assert first.figures.counters == {"rq_total": 3}
    assert first.health_flags == ("failed_active_hc", "failed_outlier_check")
    assert (first.address, second.address) == ("10.0.0.1:80", "[::1]:80")


def test_nothing_merges_to_nothing() -> None:
    assert Report.merge([]) == Report()
    assert not Figures({"a": 0}, {"b": 1}).used
    assert Figures(codes={404: 1}).used


@given(reports, reports, reports)
def test_the_grouping_of_processes_does_not_matter(one: Report, two: Report, three: Report) -> None:
    assert Report.merge([Report.merge([one, two]), three]) == Report.merge([one, Report.merge([two, three])])


@given(reports)
def test_one_process_is_its_own_sum_and_plain_data(report: Report) -> None:
    assert Report.merge([report]) == report
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
