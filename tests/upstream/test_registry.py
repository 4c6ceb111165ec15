"""What outlives a configuration, and when it ends."""

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, UpstreamProtocol
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.registry import Registry
from tests.support.transports import FakeNetwork
from tests.support.upstreams import ADDRESS, GET, Leased, RecordingListener

H1, H2 = UpstreamProtocol.HTTP1, UpstreamProtocol.HTTP2
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def network() -> FakeNetwork:
    network = FakeNetwork(Clock())
    network.answers = True
    return network


@pytest.fixture
def registry(network: FakeNetwork) -> Registry:
    return Registry(network, {H1: Http1Pool, H2: Http2Pool})


def test_a_cluster_keeps_its_state_by_name(registry: Registry) -> None:
    state = registry.state(Cluster("c"))
    assert registry.state(Cluster("c", connect_timeout=1.0)) is state
    assert registry.state(Cluster("d")) is not state
    assert repr(state) == "<ClusterState c active=0 connections=0>"
    registry.forget("c")
    registry.forget("c")
    assert registry.state(Cluster("c")) is not state


def test_a_pool_is_kept_while_somebody_holds_it(registry: Registry) -> None:
    state = registry.state(Cluster("c"))
    pool = registry.hold(state, H1, ADDRESS)
    assert registry.hold(state, H1, ADDRESS) is pool
    registry.release(state, H1, ADDRESS)
    assert list(registry.pools()) == [pool]
    assert not pool.draining
    registry.release(state, H1, ADDRESS)
    assert pool.draining
    assert list(registry.pools()) == []
    assert registry.hold(state, H1, ADDRESS) is not pool


def test_clusters_protocols_and_addresses_are_told_apart(registry: Registry) -> None:
    one, other = registry.state(Cluster("c")), registry.state(Cluster("d"))
    pools = {
        registry.hold(one, H1, ADDRESS),
        registry.hold(other, H1, ADDRESS),
        registry.hold(one, H2, ADDRESS),
        registry.hold(one, H1, SocketAddress("192.0.2.2", 80)),
    }
    assert len(pools) == 4


def busy(registry: Registry, network: FakeNetwork) -> RecordingListener:
    """Have one request under way in cluster ``c``."""
    pool = registry.hold(registry.state(Cluster("c", idle_timeout=5.0)), H1, ADDRESS)
    leased = Leased(pool.lease())
    network.run()
    assert leased.stream is not None
    listener = RecordingListener()
    leased.stream.send(GET, b"", True, listener)
    network.run()
    return listener


def test_a_released_pool_finishes_what_it_carries(registry: Registry, network: FakeNetwork) -> None:
    listener = busy(registry, network)
    registry.release(registry.state(Cluster("c")), H1, ADDRESS)
    registry.tick(0.0)
    (pool,) = registry.pools()
    assert pool.draining
    network.outgoing[0].say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert network.outgoing[0].lost == "closed locally"
    registry.tick(0.0)
    assert list(registry.pools()) == []


def test_tick_looks_at_every_pool(registry: Registry, network: FakeNetwork) -> None:
    listener = busy(registry, network)
    network.outgoing[0].say(EMPTY)
    assert listener.saw[-1] == "end"
    registry.tick(4.9)
    assert network.outgoing[0].lost is None
    registry.tick(5.0)
    network.run()
    assert network.outgoing[0].lost == "closed locally"


def test_close_drops_everything(registry: Registry, network: FakeNetwork) -> None:
    listener = busy(registry, network)
    registry.close()
    network.run()
    assert network.outgoing[0].lost == "aborted"
    assert listener.saw[-1].startswith("failed")


def broken(now: float) -> None:
    raise RuntimeError


def test_a_fault_in_something_that_is_due_keeps_nothing_else_from_it(
    registry: Registry, network: FakeNetwork, logged_failures: list[Failure]
) -> None:
    busy(registry, network)
    network.outgoing[0].say(EMPTY)
    registry.timed[broken] = None
    registry.tick(5.0)
    network.run()
    assert network.outgoing[0].lost == "closed locally"
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_a_host_may_leave_while_its_connections_are_looked_at(registry: Registry, network: FakeNetwork) -> None:
    network.answers = False
    state = registry.state(Cluster("c", connect_timeout=1.0))
    leaving = [registry.hold(state, H1, SocketAddress(f"192.0.2.{number}", 80)) for number in (1, 2)]
    leased = [Leased(pool.lease()) for pool in leaving]
    for one in leased:
        one.deferred.addBoth(lambda _: [registry.release(state, H1, pool.address) for pool in leaving if not pool.draining])
    registry.tick(2.0)
    assert list(registry.pools()) == []
    assert all(one.failure is not None for one in leased)
