"""Figures of releases: where they stand in ``/stats`` and for Prometheus, and that nothing is told when there is none."""

from dataclasses import replace

from shifter.model.report import Figures, ReleaseReport, Report
from shifter.observe.prometheus import exposition
from shifter.observe.scopes import Selection
from shifter.observe.stats_text import stats_json, stats_text
from tests.support.reports import a_report

FIGURES = Figures({"canary_requests_total": 7}, {"weight": 0.01, "state.rolling_back": 0, "state.observing": 1, "evidence.errors": 2.5})
REPORT = Report(releases=(ReleaseReport('r"1:a', FIGURES), ReleaseReport("r-2", FIGURES)))


def test_prometheus_has_states_and_metrics_as_labels() -> None:
    lines = exposition(REPORT).splitlines()
    assert lines == [
        "# TYPE shifter_release_canary_requests_total counter",
        'shifter_release_canary_requests_total{release="r\\"1_a"} 7',
        'shifter_release_canary_requests_total{release="r-2"} 7',
        "# TYPE shifter_release_evidence gauge",
        'shifter_release_evidence{metric="errors",release="r\\"1_a"} 2.5',
        'shifter_release_evidence{metric="errors",release="r-2"} 2.5',
        "# TYPE shifter_release_state gauge",
        'shifter_release_state{state="observing",release="r\\"1_a"} 1',
        'shifter_release_state{state="observing",release="r-2"} 1',
        'shifter_release_state{state="rolling_back",release="r\\"1_a"} 0',
        'shifter_release_state{state="rolling_back",release="r-2"} 0',
        "# TYPE shifter_release_weight gauge",
        'shifter_release_weight{release="r\\"1_a"} 0.01',
        'shifter_release_weight{release="r-2"} 0.01',
    ]


def test_stats_have_whole_names() -> None:
    lines = stats_text(REPORT, Selection(lambda name: "r-2" in name)).splitlines()
    assert lines == [
        *("release.r-2.canary_requests_total: 7", "release.r-2.evidence.errors: 2.5", "release.r-2.state.observing: 1"),
        *("release.r-2.state.rolling_back: 0", "release.r-2.weight: 0.01"),
    ]
    assert '{"name":"release.r-2.weight","value":0.01}' in stats_json(REPORT)


def test_nothing_is_told_of_none() -> None:
    report = a_report()
    assert "release" not in exposition(report) and "release." not in stats_text(report)


def test_reports_of_several_processes_are_one() -> None:
    one = Report.merge([REPORT, replace(REPORT, releases=REPORT.releases[:1])])
    assert [release.figures.counters["canary_requests_total"] for release in one.releases] == [14, 7]
    assert one.to_dict()["releases"] == [release.to_dict() for release in one.releases]
