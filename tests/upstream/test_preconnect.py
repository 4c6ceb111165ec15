"""Connections that are there before they are needed."""

import pytest
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, PreconnectPolicy, Thresholds, UpstreamProtocol
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import PickContext
from shifter.upstream.leasing import Leasing
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.pool_key import HIGH
from shifter.upstream.preconnect import PreconnectingCluster, make_cluster
from shifter.upstream.registry import Registry
from tests.support.transports import FakeNetwork
from tests.support.upstreams import GET, Leased, RecordingListener

H1 = UpstreamProtocol.HTTP1


class Lab:
    def __init__(
        self, policy: PreconnectPolicy, hosts: int = 1, protocol: UpstreamProtocol = UpstreamProtocol.HTTP1, **limits: int
    ) -> None:
        self.network = FakeNetwork(Clock())
        self.network.answers = True
        registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool, UpstreamProtocol.HTTP2: Http2Pool})
        endpoints = tuple(LbEndpoint(SocketAddress(f"192.0.2.{number}", 80)) for number in range(1, hosts + 1))
        breakers = CircuitBreakers(Thresholds(**limits))
        config = Cluster("c", endpoints=endpoints, preconnect=policy, protocol=protocol, circuit_breakers=breakers)
        self.cluster = make_cluster(config, registry, StaticDiscovery(config))
        self.cluster.start()

    def ask(self, through: Leasing | None = None, context: PickContext | None = None) -> RecordingListener:
        leasing = through or self.cluster
        pool = leasing.pick() if context is None else leasing.pick_for(context)
        assert pool is not None
        listener = RecordingListener()
        stream = pool.take()
        if stream is None:
            leased = Leased(leasing.lease(pool))
            self.network.run()
            stream = leased.stream
        assert stream is not None
        stream.send(GET, b"", True, listener)
        self.network.run()
        return listener

    @property
    def connections(self) -> list[int]:
        return [len(pool.connections) for pool in self.cluster.pools]


def test_only_clusters_that_ask_for_it_do() -> None:
    assert type(Lab(PreconnectPolicy()).cluster) is LiveCluster
    assert type(Lab(PreconnectPolicy(1.5)).cluster) is PreconnectingCluster
    assert type(Lab(PreconnectPolicy(1.0, 1.5)).cluster) is PreconnectingCluster


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [1, 2, 3, 4]), (1.5, [2, 3, 5, 6]), (2.0, [2, 4, 6, 8]), (3.0, [3, 6, 9, 12])])
def test_connections_for_what_is_under_way(ratio: float, expected: list[int]) -> None:
    lab = Lab(PreconnectPolicy(ratio, 1.1))
    seen = []
    for _ in expected:
        lab.ask()
        seen += lab.connections
    assert seen == expected


def test_one_after_the_other_needs_no_more() -> None:
    lab = Lab(PreconnectPolicy(2.0))
    for _ in range(5):
        lab.ask()
        next(one for one in lab.network.outgoing if one.take()).say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert lab.connections == [2]


def test_the_host_that_is_due_next_is_connected_to() -> None:
    lab = Lab(PreconnectPolicy(1.0, 2.0), hosts=4)
    lab.ask()
    assert sorted(lab.connections) == [0, 0, 1, 1]
    lab.ask(context=PickContext())
    assert sum(lab.connections) == 4


def test_not_beyond_the_circuit_breaker_and_not_to_who_is_ill() -> None:
    lab = Lab(PreconnectPolicy(3.0), max_connections=2)
    lab.ask()
    assert lab.connections == [2]
    ill = Lab(PreconnectPolicy(3.0))
    (pool,) = ill.cluster.pools
    pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    ill.ask()
    assert ill.connections == [1]


def test_requests_of_high_priority_have_theirs() -> None:
    lab = Lab(PreconnectPolicy(2.0))
    lab.ask(lab.cluster.of(HIGH))
    (pool,) = lab.cluster.pools
    assert len(pool.connections) == 0
    assert len(pool.of(HIGH).connections) == 2


def test_a_shared_connection_has_place_for_many() -> None:
    lab = Lab(PreconnectPolicy(3.0, 3.0), hosts=2, protocol=UpstreamProtocol.HTTP2)
    for _ in range(10):
        pool = lab.cluster.pick()
        assert pool is not None
        if pool.take() is None:
            lab.cluster.lease(pool)
    assert lab.connections == [1, 1]


def test_a_full_or_empty_cluster_is_left_alone() -> None:
    lab = Lab(PreconnectPolicy(3.0), max_requests=0)
    assert lab.cluster.pick() is lab.cluster.pick_for(PickContext()) is None
    assert lab.connections == [0]
