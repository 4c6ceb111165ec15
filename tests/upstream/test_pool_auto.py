"""A pool whose connections say in their handshakes what they speak."""

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds, UpstreamProtocol
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.connection import Http1Connection
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.interfaces import FailureKind
from shifter.upstream.pool_auto import AutoPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.registry import Registry
from shifter.wire.h2 import Http2Options, ServerConnection
from shifter.wire.h2_events import REQUEST
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.upstreams import GET, Leased, RecordingListener

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
HOST = LbEndpoint(SocketAddress("192.0.2.1", 443))
POOLS = {
    UpstreamProtocol.AUTO: AutoPool,
    UpstreamProtocol.HTTP1: Http1Pool,
    UpstreamProtocol.HTTP2: Http2Pool,
    UpstreamProtocol.DOWNSTREAM: Http1Pool,
}


class Lab:
    """One host, and requests for it."""

    def __init__(self, max_connections: int = 1024, protocol: UpstreamProtocol = UpstreamProtocol.AUTO) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.registry = Registry(self.network, POOLS)
        breakers = CircuitBreakers(Thresholds(max_connections=max_connections))
        config = Cluster("c", endpoints=(HOST,), protocol=protocol, circuit_breakers=breakers)
        self.cluster = LiveCluster(config, self.registry, StaticDiscovery(config))
        self.cluster.start()
        self.cluster.activate()
        (self.pool,) = self.cluster.pools
        self.stats = self.cluster.state.stats

    def ask(self, key: PoolKey = DEFAULT, fresh: bool = False) -> tuple[Leased, RecordingListener]:
        leasing = self.cluster.of(key)
        pool = leasing.pick()
        assert pool is not None
        listener = RecordingListener()
        deferred = leasing.lease(pool, fresh)
        deferred.addCallback(lambda stream: stream.send(GET, b"", True, listener) or stream)
        return Leased(deferred), listener

    def shake_hands(self, number: int, alpn: bytes | None) -> FakeTransport:
        transport = self.network.outgoing[number]
        transport.tls = SimpleNamespace(
            alpn=alpn, peer_certificate=b"", failure=None, resumed=False, version="TLSv1.3", cipher="TLS_AES_128_GCM_SHA256"
        )
        transport.establish()
        return transport

    @property
    def totals(self) -> tuple[int, int, int]:
        return self.stats.upstream_cx_total, self.stats.upstream_cx_http1_total, self.stats.upstream_cx_http2_total


@pytest.mark.parametrize("alpn", [b"http/1.1", None, b""])
def test_requests_wait_for_the_first_handshake_and_get_a_connection_each_if_it_comes_to_http_1(alpn: bytes | None) -> None:
    lab = Lab()
    asked = [lab.ask() for _ in range(3)]
    assert len(lab.network.outgoing) == 1  # it may be good for all
    assert lab.totals == (1, 0, 0)
    first = lab.shake_hands(0, alpn)
    assert isinstance(asked[0][0].stream, Http1Connection)
    assert asked[0][0].stream.protocol == b"HTTP/1.1" and first.written.startswith(b"GET / HTTP/1.1\r\n")
    assert lab.pool.host.speaks is UpstreamProtocol.HTTP1
    assert len(lab.network.outgoing) == 3  # it was not
    lab.shake_hands(1, alpn)
    lab.shake_hands(2, alpn)
    assert lab.totals == (3, 3, 0)
    for transport in lab.network.outgoing:
        transport.say(EMPTY)
    assert [listener.saw for _, listener in asked] == [["head 200", "end"]] * 3
    assert lab.pool.take() is not None
    assert lab.pool.carried == 1 and lab.pool.room == 2  # taken, not idle any more


def test_one_handshake_that_comes_to_http_2_is_enough_for_all() -> None:
    lab = Lab()
    asked = [lab.ask() for _ in range(3)]
    transport = lab.shake_hands(0, b"h2")
    codec = ServerConnection(Http2Options())
    codec.receive(transport.take())
    transport.say(codec.data_to_send())  # settings: it takes more than one
    events = codec.receive(transport.take()) + codec.events()
    assert len(lab.network.outgoing) == 1 and lab.totals == (1, 0, 1)
    assert lab.pool.host.speaks is UpstreamProtocol.HTTP2
    assert all(leased.stream is not None and leased.stream.protocol == b"HTTP/2" for leased, _ in asked)
    assert lab.pool.carried == 3 and lab.pool.ready
    assert len([event for event in events if event[0] == REQUEST]) >= 2


def test_a_host_may_change_its_mind() -> None:
    lab = Lab()
    lab.ask()
    lab.shake_hands(0, b"http/1.1").say(EMPTY)
    lab.network.outgoing[0].hang_up()
    assert lab.pool.empty
    lab.ask()
    asked, _ = lab.ask()
    assert len(lab.network.outgoing) == 3  # one each, as it was the last time
    lab.shake_hands(1, b"h2")
    assert lab.pool.host.speaks is UpstreamProtocol.HTTP2
    lab.shake_hands(2, b"h2")
    assert asked.stream is not None and lab.totals == (3, 1, 2)
    assert lab.pool.places(1) > 1


def test_both_kinds_are_served_side_by_side_and_drained() -> None:
    lab = Lab()
    lab.ask()
    one = lab.shake_hands(0, b"http/1.1")
    lab.ask()
    two = lab.shake_hands(1, b"h2")
    assert lab.pool.carried == 2
    one.say(EMPTY)
    assert lab.pool.carried == 1 and lab.pool.take() is not None
    lab.pool.idle.append(next(connection for connection in lab.pool.connections if isinstance(connection, Http1Connection)))
    lab.pool.drain()
    lab.network.run()
    assert not one.open and two.open  # one is idle, the other busy


def test_who_wants_a_new_connection_shares_it_if_it_can_be_shared() -> None:
    lab = Lab()
    lab.ask()
    lab.shake_hands(0, b"http/1.1").say(EMPTY)
    asked, _ = lab.ask(fresh=True)
    assert len(lab.pool.choosy) == 1 and len(lab.network.outgoing) == 2
    lab.shake_hands(1, b"h2")
    assert asked.stream is not None and asked.stream.protocol == b"HTTP/2"


def test_a_handshake_that_fails_fails_who_waits_for_it() -> None:
    lab = Lab()
    (asked, _), (other, _) = lab.ask(), lab.ask()
    lab.network.outgoing[0].refuse("TLS_error: it is expired")
    assert asked.failed.kind is other.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert asked.failed.detail == "TLS_error: it is expired"
    assert lab.totals == (1, 0, 0) and lab.stats.upstream_cx_connect_fail == 1
    assert lab.pool.empty


def test_a_handshake_that_hangs_times_out_with_the_connection() -> None:
    lab = Lab()
    asked, _ = lab.ask()
    lab.clock.advance(10)
    lab.registry.tick(lab.clock.seconds())
    lab.network.run()
    assert asked.failed.kind is FailureKind.CONNECTION_TIMEOUT
    assert lab.network.outgoing[0].lost == "aborted"


def test_the_protocol_of_the_client_has_connections_of_its_own() -> None:
    lab = Lab(protocol=UpstreamProtocol.DOWNSTREAM)
    lab.ask()
    lab.ask(PoolKey(protocol=UpstreamProtocol.HTTP2))
    for transport in lab.network.outgoing:
        transport.establish()
    assert lab.totals == (2, 1, 1)
    assert isinstance(lab.pool, Http1Pool) and isinstance(lab.pool.every[1], Http2Pool)
