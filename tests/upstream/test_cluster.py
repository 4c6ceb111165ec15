"""A stream on some endpoint of a cluster, or the reason why there is none."""

from collections.abc import Callable

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds, UpstreamProtocol
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.interfaces import FailureKind, LeaseFailed, PickContext
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_key import HIGH
from shifter.upstream.registry import Registry
from tests.support.transports import FakeNetwork
from tests.support.upstreams import GET, Leased, RecordingListener

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def address(number: int) -> SocketAddress:
    return SocketAddress(f"192.0.2.{number}", 80)


class Made:
    """A static cluster on a network in memory."""

    def __init__(self, endpoints: int = 3, **limits: int) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool})
        hosts = tuple(LbEndpoint(address(number)) for number in range(1, endpoints + 1))
        self.config = Cluster("c", endpoints=hosts, circuit_breakers=CircuitBreakers(Thresholds(**limits)))
        self.cluster = LiveCluster(self.config, self.registry, StaticDiscovery(self.config))
        self.cluster.start()
        self.stats = self.cluster.state.stats

    def lease(self) -> Leased:
        return Leased(self.cluster.lease(self.cluster.pick()))

    def refuse(self, times: int) -> list[SocketAddress]:
        """Refuse so many connections, one after the other; return where to they were."""
        to = []
        for _ in range(times):
            transport = next(one for one in self.network.outgoing if one.connecting and one.lost is None)
            to.append(transport.peer)
            transport.refuse()
        return to

    def ask(self) -> RecordingListener:
        leased = self.lease()
        if leased.stream is None:
            self.network.outgoing[-1].establish()
        assert leased.stream is not None
        listener = RecordingListener()
        leased.stream.send(GET, b"", True, listener)
        self.network.run()
        return listener


def test_endpoints_take_turns() -> None:
    made = Made()
    picked = [made.cluster.pick() for _ in range(6)]
    assert len(set(picked)) == 3
    assert picked[:3] == picked[3:]
    assert repr(made.cluster) == "<LiveCluster c endpoints=3>"


def test_an_endpoint_that_refuses_is_made_up_for_by_the_next() -> None:
    made = Made()
    leased = made.lease()
    tried = made.refuse(2)
    assert leased.stream is None
    assert leased.failure is None
    made.network.outgoing[-1].establish()
    assert leased.stream is not None
    tried.append(leased.stream.pool.address)
    assert sorted(map(str, tried)) == [str(address(number)) for number in (1, 2, 3)]


def test_who_has_come_meanwhile_is_tried_too() -> None:
    """One of two leaves and another comes, while a request finds out that the other one does not listen."""
    made = Made(endpoints=2)
    leased = made.lease()
    [begun] = made.network.outgoing
    updated(made, LbEndpoint(begun.peer), LbEndpoint(address(9)))
    made.refuse(1)
    assert leased.failure is None
    made.network.outgoing[-1].establish()
    assert leased.stream is not None
    assert leased.stream.pool.address == address(9)


def test_also_when_all_of_those_there_were_have_been_tried_or_have_left() -> None:
    made = Made(endpoints=3)
    leased = made.lease()
    to = [*made.refuse(1), made.network.outgoing[-1].peer]
    updated(made, *map(LbEndpoint, to), LbEndpoint(address(9)))
    made.refuse(1)
    assert leased.failure is None
    made.network.outgoing[-1].establish()
    assert leased.stream is not None
    assert leased.stream.pool.address == address(9)


def test_all_are_tried_once_and_no_more() -> None:
    made = Made()
    leased = made.lease()
    assert len(set(made.refuse(3))) == 3
    assert leased.failure is not None
    assert len(made.network.outgoing) == 3


def test_an_idle_connection_elsewhere_is_taken_at_once() -> None:
    made = Made(endpoints=2)
    made.ask()
    made.network.outgoing[-1].say(EMPTY)
    warm = made.network.outgoing[-1].peer
    leased = made.lease()
    made.refuse(1)
    assert leased.stream is not None
    assert leased.stream.pool.address == warm
    assert len(made.network.outgoing) == 2


def test_each_is_tried_once_and_the_last_reason_is_told() -> None:
    made = Made()
    leased = made.lease()
    tried = made.refuse(3)
    assert leased.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert isinstance(leased.failure, LeaseFailed)
    assert leased.failure.pool is not None
    assert leased.failure.pool.address == tried[-1]
    assert made.stats.upstream_cx_connect_fail == 3
    assert made.stats.upstream_rq_pending_active == 0


def test_no_endpoint() -> None:
    made = Made(endpoints=0)
    assert made.cluster.pick() is None
    assert made.lease().failed.kind is FailureKind.NO_HEALTHY_UPSTREAM
    assert made.stats.upstream_cx_none_healthy == 1


def test_max_requests() -> None:
    made = Made(max_requests=2)
    listeners = [made.ask(), made.ask()]
    leased = made.lease()
    assert leased.failure is None  # there may be fewer when its turn has come
    made.network.outgoing[-1].establish()
    assert leased.failed.kind is FailureKind.OVERFLOW
    assert (made.stats.upstream_rq_active_overflow, made.stats.upstream_rq_pending_overflow) == (1, 0)
    made.network.outgoing[0].say(EMPTY)
    assert listeners[0].saw[-1] == "end"
    assert made.cluster.pick() is not None


def test_a_full_cluster_is_full_at_every_endpoint() -> None:
    made = Made(max_pending_requests=1)
    made.lease()
    assert made.lease().failed.kind is FailureKind.OVERFLOW
    assert len(made.network.outgoing) == 1


@pytest.mark.parametrize("refused", [0, 1])
def test_cancelling_ends_the_wait_wherever_it_is(refused: int) -> None:
    made = Made()
    leased = made.lease()
    made.refuse(refused)
    leased.deferred.cancel()
    assert isinstance(leased.failure, CancelledError)
    assert made.stats.upstream_rq_pending_active == 0
    made.network.outgoing[-1].refuse()
    assert len(made.network.outgoing) == 1 + refused  # nobody else is tried


def updated(made: Made, *endpoints: LbEndpoint) -> None:
    made.cluster.update(endpoints)


def test_an_update_keeps_what_stays_and_drains_what_goes() -> None:
    made = Made(endpoints=2)
    kept, gone = made.cluster.pools
    updated(made, LbEndpoint(kept.address, 5, "five"), LbEndpoint(address(9)))
    assert next(iter(made.cluster.pools)) is kept
    assert (kept.weight, kept.host.hostname) == (5, "five")
    assert gone.draining
    assert {pool.address for pool in made.cluster.pools} == {kept.address, address(9)}
    assert gone not in {made.cluster.pick() for _ in range(20)}
    assert made.stats.membership_change == 2


def test_an_address_named_twice_counts_with_both_weights() -> None:
    made = Made(endpoints=0)
    updated(made, LbEndpoint(address(1), 2), LbEndpoint(address(1), 3), LbEndpoint(address(2)))
    assert [pool.weight for pool in made.cluster.pools] == [5, 1]


def test_a_new_version_of_a_cluster_takes_the_connections_over() -> None:
    made = Made(endpoints=1)
    made.ask()
    made.network.outgoing[0].say(EMPTY)
    config = Cluster("c", endpoints=made.config.endpoints, idle_timeout=1.0)
    fresh = LiveCluster(config, made.registry, StaticDiscovery(config))
    fresh.inherit(made.cluster)
    fresh.start()
    assert fresh.state.config is made.config
    fresh.activate()
    assert fresh.state.config is config
    made.cluster.stop()
    made.network.run()
    assert list(made.cluster.pools) == []
    assert made.network.outgoing[0].lost is None
    (pool,) = fresh.pools
    assert pool.take() is not None


def test_stopping_lets_go_of_endpoints() -> None:
    made = Made(endpoints=1)
    listener = made.ask()
    (pool,) = made.cluster.pools
    made.cluster.stop()
    assert pool.draining
    made.network.outgoing[0].say(EMPTY)
    assert listener.saw[-1] == "end"
    assert made.network.outgoing[0].lost == "closed locally"


def test_a_cluster_that_is_gone_serves_those_who_still_ask_it() -> None:
    made = Made(endpoints=1)
    (pool,) = made.cluster.pools
    made.cluster.stop()
    made.registry.tick(made.network.now)
    assert made.cluster.available
    assert made.cluster.pick() is pool
    listener = made.ask()  # on a connection of a listener that has gone with it
    made.network.outgoing[0].say(EMPTY)
    assert listener.saw[-1] == "end"
    assert made.network.outgoing[0].lost == "closed locally"


def test_who_still_asks_a_cluster_that_is_gone_does_not_wait_for_ever() -> None:
    made = Made(endpoints=1)
    made.cluster.stop()
    made.registry.tick(made.network.now)
    leased = made.lease()
    made.clock.advance(10)
    made.registry.tick(made.clock.seconds())
    assert leased.failure is not None
    assert leased.failure.failed.kind is FailureKind.CONNECTION_TIMEOUT
    assert not list(made.registry.pools())


def test_the_first_endpoints_are_there_when_start_says_so() -> None:
    made = Made()
    config = made.config
    fresh = LiveCluster(config, made.registry, StaticDiscovery(config))
    done: list[None] = []
    add: Callable[[None], None] = done.append
    fresh.start().addCallback(add)
    assert done == [None]
    assert len(list(fresh.pools)) == 3


def replaced(made: Made, *endpoints: LbEndpoint) -> LiveCluster:
    """Another version of the cluster, with *endpoints*, in the place of the one there was."""
    config = Cluster("c", endpoints=endpoints)
    fresh = LiveCluster(config, made.registry, StaticDiscovery(config))
    fresh.start()
    fresh.activate()
    made.cluster.stop(fresh)
    return fresh


def test_who_looks_for_an_endpoint_of_a_cluster_that_was_replaced_finds_those_of_the_new_one() -> None:
    made = Made(endpoints=2)
    fresh = replaced(made, LbEndpoint(address(8)), LbEndpoint(address(9)))
    assert {made.cluster.pick(), made.cluster.pick_for(PickContext())} <= set(fresh.pools)
    high = made.cluster.of(HIGH)
    assert high.pick() is not None
    leased = made.lease()
    made.refuse(1)
    made.network.outgoing[-1].establish()
    assert leased.stream is not None
    last = LiveCluster(made.config, made.registry, StaticDiscovery(made.config))
    last.start()
    fresh.stop(last)
    assert made.cluster.pick() in set(last.pools)
    assert made.cluster.gauges() == {}


def test_who_waits_for_an_endpoint_that_a_new_version_does_not_have_goes_to_another() -> None:
    made = Made(endpoints=1)
    leased = made.lease()
    replaced(made, LbEndpoint(address(9)))
    assert made.network.outgoing[-1].peer == address(9)
    made.network.outgoing[-1].establish()
    assert leased.stream is not None
    assert made.stats.upstream_rq_pending_active == 0


def test_who_waits_for_an_endpoint_that_a_new_version_has_too_goes_on_waiting() -> None:
    made = Made(endpoints=1)
    leased = made.lease()
    replaced(made, *made.config.endpoints)
    assert len(made.network.outgoing) == 1
    made.network.outgoing[-1].establish()
    assert leased.stream is not None
