"""Which statistics there are, and with which buckets."""

from shifter.model.histogram import HISTOGRAM_BOUNDS_MS
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.stats import HistogramBuckets, StatsMatcher, StatsSettings
from shifter.routing.statistics import bounds_of, wanted

CLUSTERS = StringMatcher(StringMatchKind.PREFIX, b"cluster.")
TIMES = StringMatcher(StringMatchKind.SUFFIX, b"_time")
NAMES = ("cluster.a.upstream_rq_time", "cluster.a.upstream_rq_total", "server.live")


def shown(matcher: StatsMatcher | None) -> list[str]:
    keep = wanted(StatsSettings(matcher=matcher))
    return [name for name in NAMES if keep is None or keep(name)]


def test_what_is_shown() -> None:
    assert shown(None) == shown(StatsMatcher(exclude=True)) == list(NAMES)
    assert shown(StatsMatcher()) == []
    assert shown(StatsMatcher((CLUSTERS,))) == list(NAMES[:2])
    assert shown(StatsMatcher((CLUSTERS,), exclude=True)) == ["server.live"]
    assert shown(StatsMatcher((TIMES, StringMatcher(StringMatchKind.EXACT, b"server.live")))) == [NAMES[0], NAMES[2]]


def test_buckets_of_the_first_rule_that_fits() -> None:
    rules = (HistogramBuckets(TIMES, (1.0, 2.0)), HistogramBuckets(CLUSTERS, (3.0,)))
    bounds = bounds_of(StatsSettings(buckets=rules))
    assert bounds("cluster.a.upstream_rq_time") == (1.0, 2.0)
    assert bounds("cluster.a.upstream_cx_length_ms") == (3.0,)
    assert bounds("server.initialization_time_ms") is HISTOGRAM_BOUNDS_MS
    assert bounds_of(StatsSettings())("x") is HISTOGRAM_BOUNDS_MS
