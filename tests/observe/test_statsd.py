"""Lines are those of Envoy 1.40's sinks, but for durations, which it tells one by one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import ClusterReport, Figures, ListenerReport, Report, VirtualClusterReport
from shifter.model.steps import at_once
from shifter.observe.histogram import Histogram
from shifter.observe.scopes import Selection
from shifter.observe.statsd import StatsdLines, datagrams

USED = Selection(used_only=True)


def a_report(requests: int = 3, name: str = "b") -> Report:
    histogram = Histogram()
    for ms in (3.05, 3.05, 17.2):
        histogram.record(ms)
    histogram.flush()
    counters = {"upstream_rq_total": requests, "upstream_rq_retry": 0}
    figures = Figures(counters, {"upstream_rq_active": 1}, {}, {200: requests}, {"upstream_rq_time": histogram.report()})
    return Report(clusters=(ClusterReport(name, figures),))


def told(writer: StatsdLines, report: Report) -> list[str]:
    return at_once(writer.lines(report, USED))


def test_plain_lines() -> None:
    lines = told(StatsdLines("pre"), a_report())
    assert lines[:7] == [
        "pre.cluster.b.upstream_rq_total:3|c",
        "pre.cluster.b.upstream_rq_200:3|c",
        "pre.cluster.b.upstream_rq_2xx:3|c",
        "pre.cluster.b.upstream_rq_completed:3|c",
        "pre.cluster.b.upstream_rq_active:1|g",
        "pre.cluster.b.upstream_rq_time:3.05|ms|@0.5",
        "pre.cluster.b.upstream_rq_time:17.5|ms",
    ]
    assert "pre.cluster.b.external.upstream_rq_200:3|c" in lines
    assert not any("upstream_rq_retry" in line for line in lines)


def test_lines_with_tags() -> None:
    lines = told(StatsdLines("envoy", tags=True), a_report())
    assert lines[0] == "envoy.cluster.upstream_rq_total:3|c|#envoy.cluster_name:b"
    assert lines[1] == "envoy.cluster.upstream_rq:3|c|#envoy.response_code:200,envoy.cluster_name:b"
    assert lines[5] == "envoy.cluster.upstream_rq_time:3.05|ms|@0.5|#envoy.cluster_name:b"
    assert "envoy.cluster.external.upstream_rq_xx:3|c|#envoy.response_code_class:2,envoy.cluster_name:b" in lines


def test_tags_of_other_scopes() -> None:
    figures = Figures({"n": 1})
    report = Report(
        (ListenerReport("front", "127.0.0.1", 80, figures),), virtual_clusters=(VirtualClusterReport("main", "writes", figures),)
    )
    lines = told(StatsdLines("envoy", tags=True), report)
    assert "envoy.listener.n:1|c|#envoy.listener_address:127.0.0.1_80" in lines
    assert "envoy.vhost.vcluster.n:1|c|#envoy.virtual_cluster:writes,envoy.virtual_host:main" in lines


def test_counters_are_what_came_since() -> None:
    writer = StatsdLines("x")
    totals = [told(writer, a_report(requests))[0] for requests in (3, 5, 5, 2)]
    assert totals == [f"x.cluster.b.upstream_rq_total:{more}|c" for more in (3, 2, 0, 2)]
    assert told(writer, Report()) == []
    assert told(writer, a_report(4))[0].endswith(":4|c")


@given(st.text(min_size=1))
def test_no_name_makes_another_line_or_tag(name: str) -> None:
    for tags in (False, True):
        lines = told(StatsdLines("p", tags), a_report(name=name))
        assert all(line.count("|") == lines[0].count("|") for line in lines if line.endswith("|c"))
        assert all("\n" not in line for line in lines)
        assert len(list(datagrams(lines, 0))) == len(lines)


@given(st.lists(st.text(alphabet="abc", min_size=1, max_size=30)), st.integers(0, 40))
def test_datagrams_are_full_and_never_too_full(lines: list[str], size: int) -> None:
    made = list(datagrams(lines, size))
    assert b"\n".join(made).decode() == "\n".join(lines)
    assert all(len(data) <= size or b"\n" not in data for data in made)
    assert all(len(one) + 1 + len(two.split(b"\n")[0]) > size for one, two in pairwise(made))
