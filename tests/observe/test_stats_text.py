"""``/stats`` reads as Envoy 1.40's does; where values are given they are its own, but for where in a bin it believes values to be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import ClusterReport, Figures, Report
from shifter.model.steps import at_once
from shifter.observe.histogram import Histogram
from shifter.observe.scopes import Selection
from shifter.observe.stats_text import MODES, html_in_steps, json_in_steps, stats_json, stats_text, text_in_steps
from tests.support.reports import a_report


def test_stats_are_sorted_lines_with_histograms_last() -> None:
    lines = stats_text(a_report()).splitlines()
    histograms = [line for line in lines if ": P0(" in line or line.endswith(": No recorded values")]
    assert lines[-len(histograms) :] == histograms == sorted(histograms)
    numbers = lines[: -len(histograms)]
    assert [line.split(": ")[0] for line in numbers] == sorted(line.split(": ")[0] for line in numbers)
    assert {
        "cluster.service1.upstream_rq_200: 6",
        "cluster.service1.upstream_rq_2xx: 6",
        "cluster.service1.external.upstream_rq_completed: 7",
        "cluster.service1.membership_total: 2",
        "cluster.service1.circuit_breakers.default.rq_open: 0",
        "http.ingress_http.downstream_rq_5xx: 1",
        "http.ingress_http.downstream_cx_total: 7",
        "listener.127.0.0.1_28100.downstream_cx_active: 1",
        "listener.127.0.0.1_28100.http.ingress_http.downstream_rq_2xx: 6",
        "listener.[__]_80.downstream_cx_total: 0",
        "server.live: 1",
        "shifter.config.version: 1",
    } <= set(numbers)
    assert "cluster.empty.upstream_cx_length_ms: No recorded values" in histograms


def line(*values: float, mode: str = "summary") -> str:
    """What is said of a histogram of *values*, the first half of which is of the last interval."""
    histogram = Histogram()
    for value in values[: len(values) // 2]:
        histogram.record(value)
    histogram.flush()
    for value in values[len(values) // 2 :]:
        histogram.record(value)
    report = Report(clusters=(ClusterReport("c", Figures(histograms={"upstream_rq_time": histogram.report()})),))
    return at_once(text_in_steps(report, Selection(kind="Histograms"), mode)).partition(": ")[2].removesuffix("\n")


def test_percentiles_of_the_interval_and_of_all_time() -> None:
    assert line(1, 1, 7, 7) == (
        "P0(0.99,0.99) P25(0.9925,0.995) P50(0.995,1) P75(0.9975,6.95) P90(0.999,6.98) "
        "P95(0.9995,6.99) P99(0.9999,6.998) P99.5(0.99995,6.999) P99.9(0.99999,6.9998) P100(1,7)"
    )
    assert line(3).startswith("P0(nan,2.9) P25(nan,2.925) ")
    assert line() == "No recorded values"


def test_other_forms_of_histograms() -> None:
    assert line(1, 7, mode="cumulative").startswith("B0.5(0,0) B1(1,1) B5(1,1) B10(1,2) B25(1,2) ")
    assert line(1, 7, mode="disjoint").startswith("B0.5(0,0) B1(1,1) B5(0,0) B10(0,1) B25(0,0) ")
    assert line(1, 7, mode="detailed").split("\n")[1:3] == ["  totals=0.99,0.01:1, 6.9,0.1:1", "  intervals=0.99,0.01:1"]
    assert all(line(mode=mode) == "No recorded values" for mode in MODES)


def histograms(mode: str) -> Any:
    selection = Selection(lambda name: name == "http.ingress_http.downstream_rq_time")
    [told] = json.loads(at_once(json_in_steps(a_report(), selection, mode)))["stats"]
    return told["histograms"]


def test_histograms_as_json() -> None:
    summary, details, cumulative, disjoint = (histograms(mode) for mode in ("summary", "detailed", "cumulative", "disjoint"))
    assert summary["supported_quantiles"] == details["supported_percentiles"] == [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100]
    assert summary["computed_quantiles"][0]["values"][-1] == {"cumulative": 3600000, "interval": None}
    assert details["details"][0]["totals"][0] == {"lower_bound": 0.19, "width": 0.01, "count": 1}
    assert details["details"][0]["percentiles"] == summary["computed_quantiles"][0]["values"]
    buckets = [[bucket["cumulative"] for bucket in one[0]["buckets"]] for one in (cumulative, disjoint)]
    assert [one[:4] for one in buckets] == [[1, 2, 5, 5], [1, 1, 3, 0]]
    assert cumulative[0]["buckets"][0] == {"upper_bound": 0.5, "interval": 0, "cumulative": 1}


def test_a_page_for_people() -> None:
    text = at_once(html_in_steps(a_report("<b>")))
    assert "<tr><th scope=row>cluster.&lt;b&gt;.upstream_rq_total<td>6\n" in text
    assert "<b>" not in text


@pytest.mark.parametrize("kind, ending", [("Counters", "_total"), ("Gauges", "_active"), ("Histograms", "_ms")])
def test_one_kind_only(kind: str, ending: str) -> None:
    names = [line.split(":")[0] for line in stats_text(a_report(), Selection(kind=kind)).splitlines()]
    everything = stats_text(a_report())
    assert any(name.endswith(ending) for name in names)
    assert len(names) < everything.count("\n")
    assert stats_text(a_report(), Selection(kind="TextReadouts")) == ""


def test_stats_as_json() -> None:
    selection = Selection(lambda name: name.startswith("http.ingress_http.downstream_rq_t"), used_only=True)
    stats = json.loads(stats_json(a_report(), selection))["stats"]
    assert stats[:-1] == [{"name": "http.ingress_http.downstream_rq_total", "value": 7}]


@given(st.lists(st.tuples(st.text(alphabet="ab.1_", max_size=4), st.text(alphabet="ab.1_", max_size=3)), unique=True))
def test_names_are_in_order_whatever_scopes_are_called(names: list[tuple[str, str]]) -> None:
    clusters = [ClusterReport(scope, Figures({name: 1})) for scope, name in names]
    server = Figures({name: 2 for scope, name in names})
    told = [line.partition(": ")[0] for line in stats_text(Report.merge([Report(clusters=tuple(clusters), server=server)])).splitlines()]
    assert told == sorted(told)


def test_stats_as_json_without_histograms_or_anything() -> None:
    assert json.loads(stats_json(a_report(), Selection(lambda name: name == "server.live"))) == {
        "stats": [{"name": "server.live", "value": 1}]
    }
    assert stats_json(Report()) == '{"stats":[]}'
    assert stats_text(Report()) == ""


@given(st.text(min_size=1))
def test_no_name_adds_a_line(name: str) -> None:
    report, plain = a_report(name), a_report("x" if name == "empty" else "y")
    if "_" not in name and name != "empty":
        assert len(stats_text(report).splitlines()) == len(stats_text(plain).splitlines())
    stats_text(report).encode()


def test_words_stand_first() -> None:
    report = Report(server=Figures({"a": 1}), texts={"z.version_text": 'v"1"', "b.version_text": ""})
    assert stats_text(report) == 'b.version_text: ""\nz.version_text: "v"1""\na: 1\n'
    assert json.loads(stats_json(report))["stats"][:2] == [
        {"name": "b.version_text", "value": ""},
        {"name": "z.version_text", "value": 'v"1"'},
    ]
    assert stats_text(report, Selection(kind="TextReadouts", keep=lambda name: name[0] == "z")) == 'z.version_text: "v"1""\n'
    assert "version_text" not in stats_text(report, Selection(kind="Counters"))
    assert Report.merge([report, Report()]).texts == report.texts
