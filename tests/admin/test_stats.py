"""The pages of statistics show what is asked for, and what the configuration lets be shown."""

import pytest

from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.stats import HistogramBuckets, StatsMatcher, StatsSettings
from tests.support.admin import Asker, FixedView

TIMES = StringMatcher(StringMatchKind.SUFFIX, b"_rq_time")


def asker(settings: StatsSettings) -> Asker:
    view = FixedView()
    view.told_snapshot = Snapshot(1, Bootstrap(stats=settings), "front.yaml")
    return Asker(view)


def test_a_filter_can_be_turned_round() -> None:
    lines = Asker().ask("/stats?filter=cluster|http|listener&invert_filter").body.splitlines()
    assert lines
    assert all(not line.startswith(("cluster.", "http.", "listener.")) for line in lines)


def test_what_the_configuration_leaves_out_is_on_no_page() -> None:
    only = asker(StatsSettings(matcher=StatsMatcher((TIMES,))))
    assert {line.split(": ")[0].rpartition(".")[2] for line in only.ask("/stats").body.splitlines()} == {
        "upstream_rq_time",
        "downstream_rq_time",
    }
    assert "envoy_cluster_upstream_rq_total" not in only.ask("/stats/prometheus").body
    assert asker(StatsSettings(matcher=StatsMatcher())).ask("/stats").body == ""


def test_buckets_are_those_of_the_configuration() -> None:
    ask = asker(StatsSettings(buckets=(HistogramBuckets(TIMES, (1.0, 3.0)),))).ask
    text = ask("/stats/prometheus?filter=cluster.service1.upstream_rq_time").body
    edges = [line.partition('le="')[2].partition('"')[0] for line in text.splitlines() if "_bucket" in line]
    assert edges == ["1", "3", "+Inf"]
    assert "B1(0,2) B3(0,4)" in ask("/stats?filter=cluster.service1.upstream_rq_time&histogram_buckets=cumulative").body


@pytest.mark.parametrize(
    ("form", "kind"), [("html", "text/html"), ("active-html", "text/html"), ("json", "application/json"), ("text", "text/plain")]
)
def test_forms(form: str, kind: str) -> None:
    answer = Asker().ask(f"/stats?format={form}&filter=server.live")
    assert answer.status == 200
    assert answer.headers.get_content_type() == kind
    assert "server.live" in answer.body


def test_summaries_for_prometheus() -> None:
    text = Asker().ask("/stats/prometheus?histogram_buckets=summary&filter=cluster.service1.upstream_rq_time").body
    assert "# TYPE envoy_cluster_upstream_rq_time summary\n" in text
    assert 'envoy_cluster_upstream_rq_time{envoy_cluster_name="service1",quantile="0.5"} NaN\n' in text
