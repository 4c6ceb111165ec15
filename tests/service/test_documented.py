"""docs/operations.md names what there is: statistics, access log operators, response flags."""

import re
from dataclasses import fields

import pytest

from shifter.observe.stats import ClusterStats, HttpStats, ListenerStats, ServerStats, TcpStats
from shifter.service.ending import EndingOptions
from shifter.service.plane import WARMING_DEADLINE
from shifter.upstream.interfaces import FailureKind
from tests.support.programs import ROOT

PAGE = (ROOT / "docs/operations.md").read_text()
NAMES = set(re.findall(r"`([a-z0-9_.]+)`", PAGE))
ROWS = {row[1]: row[2] for row in re.finditer(r"^\| `(\S+)` \| (\S.*?) \|", PAGE, re.MULTILINE)}


@pytest.mark.parametrize("stats", [ListenerStats(), HttpStats(), ClusterStats()], ids=lambda stats: type(stats).__name__)
def test_every_statistic_of_a_scope(stats: ListenerStats | HttpStats | ClusterStats) -> None:
    report = stats.report("name", "host", 1) if isinstance(stats, ListenerStats) else None
    report = stats.report("prefix", "listener") if isinstance(stats, HttpStats) else report
    report = stats.report("name") if isinstance(stats, ClusterStats) else report
    assert report is not None
    figures = report.figures
    assert {*figures.counters, *figures.gauges, *figures.shared, *figures.histograms} <= NAMES


def test_every_statistic_of_the_process() -> None:
    figures = ServerStats("0.1.0", 0.0).report(1.0, memory={"physical_size": 1}).server
    assert {*figures.counters, *figures.gauges, *figures.shared} <= NAMES


def test_no_statistic_that_does_not_exist() -> None:
    known = {field.name for kind in (ListenerStats, HttpStats, TcpStats, ClusterStats) for field in fields(kind)}
    known |= {"downstream_cx_proxy_proto_error", "update_attempt"}  # of listener filters and secrets
    for stats in (HttpStats().report("", ""), ClusterStats().report("")):
        known |= {*stats.figures.counters, *stats.figures.gauges, *stats.figures.shared}
    known |= {f"{side}_rq_{kind}" for side in ("upstream", "downstream") for kind in ("1xx", "2xx", "5xx", "200", "completed")}
    assert {name for name in NAMES if re.match(r"(down|up)stream_|membership_|update_", name)} <= known


def test_every_response_flag_of_an_upstream_with_its_status() -> None:
    for kind in FailureKind:
        assert str(kind.status) in ROWS[kind.flag]


def test_deadlines() -> None:
    assert f"for at most {WARMING_DEADLINE:.0f} seconds" in PAGE
    assert f"latest after {EndingOptions().drain_time:.0f} seconds" in PAGE
