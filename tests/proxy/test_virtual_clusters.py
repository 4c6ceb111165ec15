"""Names that requests are counted under."""

from shifter.model.route import HeaderMatcher, VirtualCluster, VirtualHost
from shifter.observe.prometheus import exposition
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats_text import stats_text
from shifter.proxy.virtual_clusters import VirtualClusterBook, VirtualClusters, names_of, stats_of
from shifter.wire.events import RequestHead

ONE = VirtualCluster("one", (HeaderMatcher(b"x-a"), HeaderMatcher(b"x-b")))
TWO = VirtualCluster("two", (HeaderMatcher(b"x-a"),))


def test_the_first_that_fits() -> None:
    clusters = VirtualClusters("host", (ONE, TWO))
    assert clusters.of(RequestHead(b"GET", b"/", b"a", b"\r\nx-b: 1\r\nx-a: 1")) == "one"
    assert clusters.of(RequestHead(b"GET", b"/", b"a", b"\r\nx-a: 1")) == "two"
    assert clusters.of(RequestHead(b"GET", b"/", b"a")) == ""


def test_figures_stay_as_long_as_their_names() -> None:
    book: VirtualClusterBook = {}
    VirtualClusters("host", (ONE,)).stats("one", book).upstream_rq_total += 1
    VirtualClusters("host", (ONE, TWO)).stats("", book).upstream_rq_total += 2
    assert stats_of(book, "host", "one").upstream_rq_total == 1
    assert stats_of(book, "host", "other").upstream_rq_total == 2
    assert stats_of(book, "elsewhere", "one").upstream_rq_total == 0


def test_names() -> None:
    assert names_of(VirtualHost("host", (b"*",), ())) == []
    assert names_of(VirtualHost("host", (b"*",), (), virtual_clusters=(ONE, TWO, ONE))) == ["one", "two", "other"]


def test_they_are_shown_as_envoy_shows_them() -> None:
    book: VirtualClusterBook = {}
    stats = stats_of(book, "host", "one")
    stats.upstream_rq_total = 3
    stats.codes[200] = 2
    report = ServerStats("1.0", 0.0).report(0.0, virtual_clusters=[stats.report("host", "one")])
    text = exposition(report)
    assert 'envoy_vhost_vcluster_upstream_rq_total{envoy_virtual_cluster="one",envoy_virtual_host="host"} 3\n' in text
    assert 'envoy_vhost_vcluster_upstream_rq{envoy_response_code="200",envoy_virtual_cluster="one",envoy_virtual_host="host"} 2\n' in text
    shown = stats_text(report)
    assert "vhost.host.vcluster.one.upstream_rq_total: 3\n" in shown
    assert "vhost.host.vcluster.one.upstream_rq_2xx: 2\n" in shown
