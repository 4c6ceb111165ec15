"""Counters begin at zero again, and everything else goes on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import ClusterReport, Figures, HttpReport, Report
from shifter.observe.baseline import Baseline
from tests.support.reports import a_report


def test_nothing_happens_before() -> None:
    report = a_report()
    assert Baseline().report(report) is report
    assert list(Baseline().parts(report.clusters)) == list(report.clusters)


def test_counters_are_zero_and_the_rest_stays() -> None:
    report, baseline = a_report(), Baseline()
    baseline.reset(report)
    told = baseline.report(report)
    for before, after in zip((*report.clusters, *report.http), (*told.clusters, *told.http), strict=True):
        assert not any(after.figures.counters.values()) and not any(after.figures.codes.values())
        assert after.figures.counters.keys() == before.figures.counters.keys()
        assert replace(after.figures, counters={}, codes={}) == replace(before.figures, counters={}, codes={})
    assert told.clusters[0].endpoints == report.clusters[0].endpoints
    assert list(baseline.parts(report.clusters)) == list(told.clusters)


counts = st.lists(st.integers(0, 9), min_size=1, max_size=3)


def managers(numbers: list[int]) -> Report:
    return Report(http=tuple(HttpReport("in", "front", Figures({"rq": number}, codes={200: number})) for number in numbers))


@given(counts, st.integers(0, 9))
def test_several_that_share_a_name_count_together(before: list[int], more: int) -> None:
    baseline = Baseline()
    baseline.reset(managers(before))
    told = baseline.report(managers([*before, more])).http
    assert sum(part.figures.counters["rq"] for part in told) == sum(part.figures.codes[200] for part in told) == more


def cluster(total: int) -> Report:
    return Report(clusters=(ClusterReport("one", Figures({"total": total})),))


def test_what_was_gone_in_between_counts_from_its_own_zero() -> None:
    baseline = Baseline()
    baseline.reset(cluster(5))
    baseline.report(Report())
    assert baseline.report(cluster(1)).clusters[0].figures.counters["total"] == 1


def test_what_began_anew_is_noticed() -> None:
    baseline = Baseline()
    baseline.reset(cluster(5))
    baseline.report(cluster(1))
    assert baseline.report(cluster(6)).clusters[0].figures.counters["total"] == 6
