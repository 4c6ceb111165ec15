"""What codecs count, and where it is shown."""

from shifter.model.report import Report
from shifter.observe.http2_stats import Http2Stats
from shifter.observe.stats import ClusterStats, HttpStats
from shifter.observe.stats_text import stats_text
from shifter.wire.h2 import Http2Options, ServerConnection
from tests.support import h2frames as raw


def test_nothing_before_there_was_a_connection() -> None:
    stats = Http2Stats()
    assert stats.counters() == stats.gauges() == {}
    ServerConnection(Http2Options(), stats)
    assert stats.counters()["http2.rx_reset"] == 0
    assert stats.gauges()["http2.streams_active"] == 0


def test_gauges_are_those_of_connections_that_are_open() -> None:
    stats = Http2Stats()
    codec = ServerConnection(Http2Options(), stats)
    codec.receive(raw.HELLO + raw.settings((4, 0)) + raw.headers() + raw.frame(raw.PING, payload=bytes(8)))
    assert stats.gauges()["http2.streams_active"] == 1
    assert stats.gauges()["http2.outbound_control_frames_active"] == 3
    codec.send_response(1, 200, b"", False)
    codec.send_data(1, b"hello", True)
    codec.data_to_send()
    assert stats.gauges()["http2.pending_send_bytes"] == 5
    assert stats.gauges()["http2.outbound_control_frames_active"] == 0
    codec.lost()
    assert not any(stats.gauges().values())


def test_limits_that_are_counted_elsewhere_are_not_counted_here() -> None:
    stats = Http2Stats()
    stats.count("outbound_flood")
    stats.count("too_many_premature_resets")
    assert stats.outbound_flood == 1


def test_where_it_is_shown() -> None:
    http, cluster = HttpStats(), ClusterStats()
    for stats in (http.http2, cluster.http2):
        ServerConnection(Http2Options(), stats)
        stats.rx_reset += 1
    report = Report(http=(http.report("front", "l"), http.report("other", "l")), clusters=(cluster.report("c"),))
    lines = stats_text(report).splitlines()
    assert [line for line in lines if "rx_reset" in line and "http2." in line] == ["cluster.c.http2.rx_reset: 1", "http2.rx_reset: 2"]
