"""docs/configuration.md lists every operator, and what Envoy knows besides; docs/statistics.md every statistic."""

import re
from dataclasses import fields

import pytest

from shifter.observe.operators import ALIASES, ENVOY_ONLY, OPERATORS
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import ClusterStats, HttpStats, ListenerStats, TcpStats
from tests.support.programs import ROOT

CHAPTER = (ROOT / "docs/configuration.md").read_text().partition("\n## Operators\n")[2].partition("\n## ")[0]
NAMES = set(re.findall(r"`([a-z0-9_.]+)`", (ROOT / "docs/statistics.md").read_text()))


def test_every_operator_is_listed() -> None:
    known, missing = CHAPTER.split("Envoy knows these, shifter does not yet:")
    said = set(re.findall(r"`%?([A-Z0-9_]{3,})", known))
    assert set(OPERATORS) <= said
    assert set(ENVOY_ONLY) | set(ALIASES) <= set(re.findall(r"`%?([A-Z0-9_]{3,})", missing))
    assert not said & set(ENVOY_ONLY)


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
    assert {*figures.counters, *figures.gauges, *figures.shared, *figures.histograms} <= NAMES


def test_no_statistic_that_does_not_exist() -> None:
    known = {field.name for kind in (ListenerStats, HttpStats, TcpStats, ClusterStats) for field in fields(kind)}
    known |= {"downstream_cx_proxy_proto_error", "update_attempt", "update_rejected"}  # of listener filters, secrets and files
    for stats in (HttpStats().report("", ""), ClusterStats().report("")):
        known |= {*stats.figures.counters, *stats.figures.gauges, *stats.figures.shared}
    known |= {f"{side}_rq_{kind}" for side in ("upstream", "downstream") for kind in ("1xx", "2xx", "5xx", "200", "completed")}
    assert {name for name in NAMES if re.match(r"(down|up)stream_|membership_|update_", name)} <= known
