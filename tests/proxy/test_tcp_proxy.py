"""What a TCP proxy chooses, keeps and counts."""

from typing import Any

import pytest
from xxhash import xxh64_intdigest

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, HealthStatus, LbEndpoint
from shifter.model.load_balancing import LbPolicy, LbSubsetConfig, LbSubsetSelector
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.net.transport import Handler
from shifter.proxy.listener import Service
from shifter.proxy.tcp_proxy import TcpSession
from shifter.proxy.worker import DRAIN_TIME
from shifter.upstream.connection_tcp import TcpUser
from tests.support.tcp_front import AT, Front, cluster
from tests.support.transports import FakeTransport

FIGURES = {
    "downstream_cx_drain_close", "downstream_cx_no_route", "downstream_cx_overload_close", "downstream_cx_rx_bytes_buffered",
    "downstream_cx_rx_bytes_total", "downstream_cx_total", "downstream_cx_tx_bytes_buffered", "downstream_cx_tx_bytes_total",
    "downstream_flow_control_paused_reading_total", "downstream_flow_control_resumed_reading_total", "early_data_received_count_total",
    "idle_timeout", "max_downstream_connection_duration", "route_delayed_total", "upstream_flush_active", "upstream_flush_total",
}  # fmt: skip


@pytest.fixture
def front() -> Front:
    return Front()


def test_it_is_what_it_is_used_as(front: Front) -> None:
    service: Service = front.runtime
    session = TcpSession(front.runtime, FakeTransport(front.network, AT[0]))
    both: tuple[Handler, TcpUser] = session, session
    assert service.access_logs
    assert both


def test_a_drained_proxy_keeps_its_connections_for_a_while(front: Front) -> None:
    client = front.connect(b"x")
    front.runtime.drain()
    front.wait(60)
    client.say(b"y")
    assert front.endpoint.take() == b"xy"
    front.clock.advance(DRAIN_TIME)
    front.wait(1)
    assert (client.lost, front.endpoint.lost) == ("closed locally", "closed locally")
    assert front.stats.downstream_cx_drain_close == 1
    front.settled()


def test_everything_can_be_dropped(front: Front) -> None:
    client = front.connect()
    front.network.answers = False
    waiting = front.connect()
    front.runtime.drop()
    front.network.run()
    assert (client.lost, waiting.lost) == ("aborted", "aborted")
    front.settled()


def test_endpoints_are_told_who_the_client_is() -> None:
    front = Front(cluster("one", AT[0], proxy_protocol=1))
    for port in (4711, 4712):
        client = front.connect(b"x", peer=SocketAddress("198.51.100.1", port))
        assert front.endpoint.take() == b"PROXY TCP4 198.51.100.1 192.0.2.1 %d 80\r\nx" % port
        front.endpoint.say(b"y")
        assert client.take() == b"y"
    assert len(front.network.outgoing) == 2


def shares(front: Front, hundred: range = range(100)) -> dict[str, int]:
    chosen: dict[str, int] = {}
    for front.random in hundred:
        target = front.runtime.choose()
        chosen[target.name] = chosen.get(target.name, 0) + 1
    return chosen


def weighted(**weights: int) -> TcpProxy:
    return TcpProxy("tcp", tuple(TcpCluster(name, weight) for name, weight in weights.items()))


def test_clusters_are_chosen_by_weight() -> None:
    front = Front(cluster("old", AT[0]), cluster("new", AT[1]), cluster("none", AT[2]), proxy=weighted(new=10, none=0, old=90))
    assert shares(front) == {"new": 10, "old": 90}
    front.random = 5
    front.connect()
    assert front.endpoint.peer == AT[1]


def test_a_changed_weight_is_for_new_connections() -> None:
    front = Front(cluster("old", AT[0]), cluster("new", AT[1]), proxy=weighted(new=0, old=100))
    client = front.connect(b"x")
    front.configure(weighted(new=100, old=0))
    front.connect()
    assert front.endpoint.peer == AT[1]
    client.say(b"y")
    assert front.network.outgoing[0].take() == b"xy"


def test_a_cluster_without_a_healthy_endpoint_gives_its_share_away() -> None:
    ill = Cluster("new", endpoints=(LbEndpoint(AT[0], health_status=HealthStatus.UNHEALTHY),))
    front = Front(ill, cluster("old", AT[1]), cluster("older", AT[2]), proxy=weighted(new=50, old=40, older=10))
    numbers = shares(front, range(1000))
    assert set(numbers) == {"old", "older"}
    assert numbers["old"] > 3 * numbers["older"]
    assert front.cluster_stats("new").upstream_rq_redistributed == 500


def test_when_none_is_healthy_each_keeps_its_share() -> None:
    front = Front(Cluster("old"), Cluster("new"), proxy=weighted(new=10, old=90))
    assert shares(front) == {"new": 10, "old": 90}


def test_a_client_stays_with_its_endpoint_by_its_address() -> None:
    front = Front(cluster("one", *AT, lb_policy=LbPolicy.RING_HASH), hash_source_ip=True)
    for number in range(1, 30):
        front.connect(peer=SocketAddress(f"198.51.100.{number % 5}", number))
    by_client: dict[str, set[Any]] = {}
    for session in front.runtime.doors:
        assert session.upstream is not None
        by_client.setdefault(session.client.peer.host, set()).add(session.upstream.transport.peer)
    assert {len(endpoints) for endpoints in by_client.values()} == {1}
    assert len(set.union(*by_client.values())) > 1
    context = front.runtime.choose().context(FakeTransport(front.network, SocketAddress("::1", 9)))
    assert context is not None
    assert context.hash == xxh64_intdigest(b"::1")


def test_metadata_asks_for_a_subset() -> None:
    def endpoint(at: SocketAddress, version: str) -> LbEndpoint:
        return LbEndpoint(at, metadata={"envoy.lb": {"version": version, "stage": "prod"}})

    subsets = LbSubsetConfig(selectors=(LbSubsetSelector(frozenset(("stage", "version"))),))
    config = Cluster("one", endpoints=(endpoint(AT[0], "1"), endpoint(AT[1], "2")), subsets=subsets)
    entry = TcpCluster("one", metadata_match={"envoy.lb": {"version": "2"}})
    front = Front(config, proxy=TcpProxy("tcp", (entry,), metadata_match={"envoy.lb": {"version": "1", "stage": "prod"}}))
    for _ in range(4):
        front.connect()
        assert front.endpoint.peer == AT[1]


def test_figures_have_envoys_names(front: Front) -> None:
    front.connect(b"abc")
    report = front.runtime.measure().report("tcp", "front")
    assert report.figures.counters["downstream_cx_total"] == 1
    assert {**report.figures.counters, **report.figures.gauges}.keys() == FIGURES
    assert repr(front.runtime) == "<TcpProxyRuntime tcp connections=1>"
