"""What a configuration says of statistics is built, and what is wrong with it has a place."""

import pytest

from shifter.config import Judge, load
from shifter.model.address import SocketAddress
from shifter.model.route import StringMatcher, StringMatchKind
from shifter.model.stats import HistogramBuckets, StatsdSink, StatsMatcher, StatsSettings
from tests.support.configs import GOOD, NAME

TYPES = "type.googleapis.com/envoy.config.metrics.v3."


def sink(kind: str, more: str = "", address: str = "127.0.0.1") -> str:
    where = f"address: {{socket_address: {{protocol: UDP, address: {address}, port_value: 8125}}}}"
    return f'{{name: s, typed_config: {{"@type": {TYPES}{kind}, {where}{more}}}}}'


def settings(text: str) -> StatsSettings:
    loaded = load(f"{GOOD}{text}\n", NAME)
    assert loaded.bootstrap is not None, loaded.problems
    return loaded.bootstrap.stats


def problems(text: str) -> list[str]:
    return [one.message for one in load(f"{GOOD}{text}\n", NAME, Judge(regex_problem=lambda _: "no")).problems]


def test_nothing_said_is_envoys_defaults() -> None:
    assert settings("") == StatsSettings(5.0, None, (), ())


def test_sinks_and_the_interval() -> None:
    said = settings(f"stats_flush_interval: 0.5s\nstats_sinks: [{sink('StatsdSink', ', prefix: front')}, {sink('DogStatsdSink')}]")
    assert said.flush_interval == 0.5
    address = SocketAddress("127.0.0.1", 8125)
    assert said.sinks == (StatsdSink(address, "front"), StatsdSink(address, "envoy", tags=True))
    [packed] = settings(f"stats_sinks: [{sink('DogStatsdSink', ', max_bytes_per_datagram: 1400')}]").sinks
    assert packed.datagram == 1400


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("reject_all: true", StatsMatcher()),
        ("reject_all: false", StatsMatcher(exclude=True)),
        ("inclusion_list: {patterns: [{exact: a}]}", StatsMatcher((StringMatcher(StringMatchKind.EXACT, b"a"),))),
        ("exclusion_list: {patterns: [{prefix: a}]}", StatsMatcher((StringMatcher(StringMatchKind.PREFIX, b"a"),), exclude=True)),
    ],
)
def test_which_are_shown(said: str, meant: StatsMatcher) -> None:
    assert settings(f"stats_config: {{stats_matcher: {{{said}}}}}").matcher == meant


def test_buckets_are_in_order_and_none_change_nothing() -> None:
    rules = "{match: {suffix: _time}, buckets: [10, 0.5, 3]}, {match: {prefix: x}}"
    assert settings(f"stats_config: {{histogram_bucket_settings: [{rules}]}}").buckets == (
        HistogramBuckets(StringMatcher(StringMatchKind.SUFFIX, b"_time"), (0.5, 3.0, 10.0)),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stats_flush_interval: 0s", "an interval is"),
        ("stats_flush_interval: 300s", "an interval is"),
        ("stats_config: {stats_matcher: {}}", "nothing says which statistics there are"),
        ("stats_config: {stats_matcher: {inclusion_list: {patterns: []}}}", "`patterns` wants 1 items or more"),
        ("stats_config: {stats_matcher: {inclusion_list: {patterns: [{safe_regex: {regex: (}}]}}}", "cannot be used"),
        ("stats_config: {histogram_bucket_settings: [{match: {safe_regex: {regex: (}}, buckets: [1]}]}", "cannot be used"),
        ("stats_config: {histogram_bucket_settings: [{match: {exact: a}, buckets: [0]}]}", "must be more than 0"),
        ("stats_config: {histogram_bucket_settings: [{match: {exact: a}, buckets: [1, 1]}]}", "no two buckets"),
        (f'stats_sinks: [{{typed_config: {{"@type": {TYPES}StatsdSink}}}}]', "nothing says where statistics go"),
        (f'stats_sinks: [{{typed_config: {{"@type": {TYPES}StatsdSink, tcp_cluster_name: a}}}}]', "tcp_cluster_name"),
        (f"stats_sinks: [{sink('StatsdSink', address='statsd.test')}]", "datagrams go to an IP address"),
        (f"stats_sinks: [{sink('DogStatsdSink', ', max_bytes_per_datagram: 0')}]", "a datagram has a byte or more"),
        (f'stats_sinks: [{{typed_config: {{"@type": {TYPES}MetricsServiceConfig}}}}]', "MetricsServiceConfig"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    assert any(said in one for one in problems(text)), problems(text)


def test_tags_of_ones_own_are_dropped_with_a_warning() -> None:
    loaded = load(f"{GOOD}stats_config: {{stats_tags: [{{tag_name: a, fixed_value: b}}]}}\n", NAME)
    assert loaded.bootstrap is not None
    assert any("stats_tags" in one.message for one in loaded.problems)
