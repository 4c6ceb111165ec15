"""Requests of two priorities on the same endpoints, and what those do that wait for an endpoint which leaves."""

from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, RoutingPriority, Thresholds, UpstreamProtocol
from shifter.model.load_balancing import CommonLbConfig, LbSubsetConfig, LbSubsetSelector
from shifter.model.outlier_detection import OutlierDetection
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import FailureKind, PickContext
from shifter.upstream.leasing import Leasing
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_key import DEFAULT, HIGH
from shifter.upstream.registry import Registry
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.upstreams import GET, Leased, RecordingListener

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
H1 = UpstreamProtocol.HTTP1
ANY = Thresholds()
ILL = HealthFlag.FAILED_ACTIVE_HC


class Lab:
    """A cluster of *hosts* hosts on a network in memory."""

    def __init__(self, hosts: int = 2, default: Thresholds = ANY, high: Thresholds = ANY, **said: object) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.registry = Registry(self.network, {H1: Http1Pool})
        self.endpoints = tuple(LbEndpoint(SocketAddress(f"192.0.2.{number}", 80)) for number in range(1, hosts + 1))
        self.config = Cluster("c", endpoints=self.endpoints, circuit_breakers=CircuitBreakers(default, high), **said)  # type: ignore[arg-type]
        self.cluster = LiveCluster(self.config, self.registry, StaticDiscovery(self.config))
        self.cluster.start()
        self.cluster.activate()
        self.high = self.cluster.of(HIGH)
        self.stats = self.cluster.state.stats

    def lease(self, through: Leasing | None = None, context: PickContext | None = None) -> Leased:
        leasing = through or self.cluster
        picked = leasing.pick() if context is None else leasing.pick_for(context)
        stream = None if picked is None else picked.take()
        if stream is not None:
            raise AssertionError("this one need not wait")
        return Leased(leasing.lease(picked, context=context))

    def ask(self, through: Leasing | None = None) -> RecordingListener:
        leased = self.lease(through)
        if leased.stream is None:
            self.network.outgoing[-1].establish()
        assert leased.stream is not None
        listener = RecordingListener()
        leased.stream.send(GET, b"", True, listener)
        listener.stream = leased.stream
        self.network.run()
        return listener

    def to(self, pool: EndpointPool) -> list[FakeTransport]:
        """The connections to the host of *pool* that are being made or open."""
        return [one for one in self.network.outgoing if one.peer == pool.address and one.open]

    @property
    def pools(self) -> list[EndpointPool]:
        return list(self.cluster.pools)


# priorities


def test_each_priority_has_connections_of_its_own() -> None:
    lab = Lab(hosts=1)
    assert lab.cluster.of(DEFAULT) is lab.cluster
    assert lab.cluster.of(HIGH) is lab.high
    (pool,) = lab.pools
    assert pool.of(DEFAULT) is pool
    assert pool.every == (pool,)  # nobody has asked for another yet
    lab.ask()
    lab.network.outgoing[0].say(EMPTY)
    lab.ask(lab.high)
    assert len(lab.network.outgoing) == 2
    assert list(pool.every) == [pool, pool.of(HIGH)]
    assert (len(pool.connections), len(pool.of(HIGH).connections), pool.host.active) == (1, 1, 1)
    assert pool.of(HIGH).host is pool.host
    state = lab.cluster.state
    assert (state.default.connections, state.high.connections, state.connections) == (1, 1, 2)
    assert (state.default.requests, state.high.requests, lab.stats.upstream_rq_active) == (0, 1, 1)
    assert pool.endpoint_stats.cx_active == 2
    assert list(lab.registry.pools()) == [pool, pool.of(HIGH)]


@pytest.mark.parametrize("priority", list(RoutingPriority))
def test_the_limit_of_requests_is_that_of_the_priority(priority: RoutingPriority) -> None:
    lab = Lab(**{priority.value.lower(): Thresholds(max_requests=1)})
    full, free = (lab.cluster, lab.high) if priority is RoutingPriority.DEFAULT else (lab.high, lab.cluster)
    lab.ask(full)
    assert full.pick() is full.pick_for(PickContext()) is None
    waits = lab.lease(full)
    assert waits.failure is None
    lab.network.outgoing[-1].establish()
    assert waits.failed.kind is FailureKind.OVERFLOW
    for number in (2, 3):  # no connection is made to refuse those that there is one for
        refused = lab.lease(full)
        if refused.failure is None:
            lab.network.outgoing[-1].establish()
        assert refused.failed.kind is FailureKind.OVERFLOW
        assert lab.stats.upstream_rq_active_overflow == number
    lab.ask(free)
    lab.ask(free)


def test_high_priority_tries_one_endpoint_after_the_other_too() -> None:
    lab = Lab(hosts=3)
    leased = lab.lease(lab.high)
    for number in range(3):
        lab.network.outgoing[number].refuse()
    assert leased.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert len({transport.peer for transport in lab.network.outgoing}) == 3
    assert all(len(pool.every) == 2 for pool in lab.pools)
    lab.cluster.update(())
    assert lab.high.pick() is None
    assert lab.lease(lab.high).failed.kind is FailureKind.NO_HEALTHY_UPSTREAM


def test_it_knows_whether_a_host_is_well() -> None:
    lab = Lab(hosts=1)
    assert lab.high.available
    lab.pools[0].host.set(ILL, 0.0)
    assert not lab.high.available
    assert not lab.cluster.available


def test_both_pools_of_an_endpoint_end_with_it() -> None:
    lab = Lab(hosts=1)
    listener = lab.ask(lab.high)
    lab.ask()
    lab.network.outgoing[1].say(EMPTY)
    lab.cluster.update(())
    lab.network.run()
    assert [one.lost for one in lab.network.outgoing] == [None, "closed locally"]
    lab.registry.tick(0.0)
    assert len(list(lab.registry.pools())) == 1
    lab.network.outgoing[0].say(EMPTY)
    assert listener.saw[-1] == "end"
    assert lab.network.outgoing[0].lost == "closed locally"
    lab.registry.tick(0.0)
    assert list(lab.registry.pools()) == []


def test_idle_connections_of_high_priority_end_in_time() -> None:
    lab = Lab(hosts=1, idle_timeout=5.0)
    lab.ask(lab.high)
    lab.network.outgoing[0].say(EMPTY)
    lab.clock.advance(6)
    lab.registry.tick(lab.clock.seconds())
    lab.network.run()
    assert lab.network.outgoing[0].lost == "closed locally"
    assert lab.stats.upstream_cx_idle_timeout == 1


# endpoints that leave


@pytest.mark.parametrize("through", ["default", "high"])
def test_who_waits_for_a_host_that_falls_ill_goes_to_another_at_once(through: str) -> None:
    lab = Lab()
    waiting = [lab.lease(lab.high if through == "high" else None) for _ in range(4)]
    ill, well = lab.pools
    ill.host.set(ILL, 0.0)
    assert lab.stats.upstream_rq_pending_active == 4
    assert [len(pool.waiting) for pool in (ill, well)] == ([0, 4] if through == "default" else [0, 0])
    for transport in lab.to(well):
        transport.establish()
    assert all(leased.stream is not None and leased.stream.pool.host is well.host for leased in waiting)
    assert lab.stats.upstream_rq_pending_active == 0


def test_who_waits_for_a_host_that_goes_goes_to_another_at_once() -> None:
    lab = Lab()
    waiting = [lab.lease() for _ in range(4)]
    gone, stays = lab.pools
    lab.cluster.update([lab.endpoints[1]])
    assert (len(gone.waiting), len(stays.waiting)) == (0, 4)
    for transport in lab.to(stays):
        transport.establish()
    assert all(leased.stream is not None for leased in waiting)


def test_an_idle_connection_elsewhere_serves_one_of_them() -> None:
    lab = Lab()
    lab.ask()
    lab.network.outgoing[0].say(EMPTY)
    warm, cold = lab.pools
    if lab.network.outgoing[0].peer != warm.address:
        warm, cold = cold, warm
    leased = Leased(lab.cluster.lease(cold))
    cold.host.set(ILL, 0.0)
    assert leased.stream is not None
    assert leased.stream.reused


def test_with_no_other_host_to_go_to_they_wait_where_they_are() -> None:
    lab = Lab(hosts=1)
    leased = lab.lease()
    lab.pools[0].host.set(ILL, 0.0)
    lab.cluster.update(())
    lab.network.outgoing[0].establish()
    assert leased.stream is not None


def test_one_who_waits_may_give_up_after_it_was_sent_away() -> None:
    lab = Lab()
    leased = lab.lease()
    lab.pools[0].host.set(ILL, 0.0)
    lab.pools[1].host.set(ILL, 0.0)
    leased.deferred.cancel()
    assert lab.stats.upstream_rq_pending_active == 0
    assert [list(pool.waiting) for pool in lab.pools] == [[], []]


def test_one_who_is_sent_away_is_refused_where_the_cluster_is_full() -> None:
    lab = Lab(default=Thresholds(max_requests=1))
    waiting = Leased(lab.cluster.lease(lab.pools[0]))
    lab.cluster.resources.requests = 1
    lab.pools[0].host.set(ILL, 0.0)
    assert waiting.failure is None
    lab.to(lab.pools[1])[0].establish()
    assert waiting.failed.kind is FailureKind.OVERFLOW


def test_who_finds_as_many_under_way_as_may_be_waits_where_all_connections_are_busy() -> None:
    lab = Lab(hosts=1, default=Thresholds(max_requests=1, max_connections=1))
    lab.ask()
    waiting = [lab.lease() for _ in range(2)]
    lab.network.outgoing[0].say(EMPTY)
    assert waiting[0].stream is not None
    waiting[0].stream.send(GET, b"", True, RecordingListener())
    lab.network.run()
    assert waiting[1].failure is None
    lab.network.outgoing[0].say(EMPTY)
    assert waiting[1].stream is not None
    assert len(lab.network.outgoing) == 1


def test_who_waits_for_a_fresh_connection_leaves_as_well() -> None:
    lab = Lab()
    ill, well = lab.pools
    leased = Leased(lab.cluster.lease(ill, fresh=True))
    ill.host.set(ILL, 0.0)
    lab.to(well)[0].establish()
    assert leased.stream is not None
    assert leased.stream.pool is well


def test_a_request_for_a_subset_is_not_sent_outside_it() -> None:
    subsets = LbSubsetConfig((LbSubsetSelector(frozenset({"stage"})),))
    lab = Lab(hosts=4, subsets=subsets)
    staged = [replace(one, metadata={"envoy.lb": {"stage": "canary" if at < 2 else "stable"}}) for at, one in enumerate(lab.endpoints)]
    lab.cluster.update(staged)
    context = PickContext()
    context.criteria = (("stage", "canary"),)
    for leasing in (lab.cluster, lab.high):
        leased = lab.lease(leasing, context)
        begun = lab.network.outgoing[-1]
        begun.refuse()
        assert leased.failure is None
        lab.network.outgoing[-1].refuse()
        assert leased.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
        assert {begun.peer, lab.network.outgoing[-1].peer} == {one.address for one in staged[:2]}
    leased = lab.lease(context=context)
    wrong = next(pool for pool in lab.pools if pool.waiting)
    wrong.host.set(ILL, 0.0)
    lab.network.outgoing[-1].establish()
    assert leased.stream is not None
    assert leased.stream.pool.address in {one.address for one in staged[:2]}


def test_connections_of_a_host_that_falls_ill_are_not_used_again() -> None:
    lab = Lab(hosts=1)
    busy = lab.ask()
    lab.ask()
    lab.ask(lab.high)
    lab.network.outgoing[1].say(EMPTY)
    lab.pools[0].host.set(ILL, 0.0)
    lab.network.run()
    assert [one.lost for one in lab.network.outgoing] == [None, "closed locally", None]
    lab.network.outgoing[0].say(EMPTY)
    lab.network.outgoing[2].say(EMPTY)
    assert busy.saw == ["head 200", "end"]
    assert [one.lost for one in lab.network.outgoing] == ["closed locally"] * 3
    lab.ask()  # in panic
    assert lab.network.outgoing[3].open


def test_what_the_configuration_says_of_a_host_leaves_its_connections() -> None:
    lab = Lab(hosts=1)
    lab.ask()
    lab.network.outgoing[0].say(EMPTY)
    lab.pools[0].host.set(HealthFlag.EDS_STATUS_DRAINING, 0.0)
    lab.network.run()
    assert lab.network.outgoing[0].open


@pytest.mark.parametrize("wanted", [False, True])
def test_connections_when_the_hosts_change(wanted: bool) -> None:
    lab = Lab(hosts=1, common_lb=CommonLbConfig(close_connections_on_host_set_change=wanted))
    lab.ask()
    lab.network.outgoing[0].say(EMPTY)
    lab.cluster.update(lab.endpoints)
    lab.network.run()
    assert lab.network.outgoing[0].open
    lab.cluster.update([*lab.endpoints, LbEndpoint(SocketAddress("192.0.2.9", 80))])
    lab.network.run()
    assert lab.network.outgoing[0].open is not wanted


def test_a_new_version_of_the_cluster_is_no_change_of_its_hosts() -> None:
    lab = Lab(hosts=1, common_lb=CommonLbConfig(close_connections_on_host_set_change=True))
    lab.ask()
    lab.network.outgoing[0].say(EMPTY)
    fresh = LiveCluster(lab.config, lab.registry, StaticDiscovery(lab.config))
    fresh.start()
    fresh.activate()
    lab.cluster.stop()
    lab.network.run()
    assert lab.network.outgoing[0].open


# fairness


def test_a_place_that_becomes_free_goes_to_the_host_that_has_wanted_one_longest() -> None:
    lab = Lab(hosts=3, default=Thresholds(max_connections=3))
    asked = [lab.ask() for _ in range(3)]
    first, second, third = lab.pools
    waiting = [Leased(lab.cluster.lease(pool)) for pool in (second, third, second)]
    assert len(lab.network.outgoing) == 3
    stream = next(one.stream for one in asked if one.stream is not None and one.stream.pool is first)
    stream.cancel()
    lab.network.run()
    assert [one.peer for one in lab.network.outgoing[3:]] == [second.address]
    lab.network.outgoing[3].establish()
    assert waiting[0].stream is not None
    for number in range(3):
        if lab.network.outgoing[number].peer == second.address:
            lab.network.outgoing[number].hang_up()
    assert [one.peer for one in lab.network.outgoing[4:]] == [third.address]


def test_so_does_the_place_of_a_connection_that_was_never_made() -> None:
    lab = Lab(hosts=2, default=Thresholds(max_connections=2))
    first, second = lab.pools
    tried = Leased(first.lease())
    held = Leased(second.lease())
    lab.to(second)[0].establish()
    waiting = Leased(second.lease())
    assert held.stream is not None
    lab.to(first)[0].refuse()
    assert tried.failure is not None
    assert len(lab.to(second)) == 2
    lab.to(second)[1].establish()
    assert waiting.stream is not None


def test_a_limit_that_is_raised_lets_them_connect_at_once() -> None:
    lab = Lab(hosts=1, default=Thresholds(max_connections=1))
    lab.ask()
    waiting = [lab.lease() for _ in range(3)]
    assert len(lab.network.outgoing) == 1
    lab.cluster.state.activate(Cluster("c", circuit_breakers=CircuitBreakers(Thresholds(max_connections=3))))
    assert len(lab.network.outgoing) == 3
    lab.cluster.state.activate(Cluster("c"))
    assert len(lab.network.outgoing) == 4
    for transport in lab.network.outgoing[1:]:
        transport.establish()
    assert all(leased.stream is not None for leased in waiting)
    assert lab.cluster.resources.wanting == {}


def test_a_full_queue_of_one_host_starves_no_other() -> None:
    lab = Lab(hosts=4, default=Thresholds(max_connections=4, max_pending_requests=6))
    stuck, *others = lab.pools
    hung = [Leased(lab.cluster.lease(stuck)) for _ in range(4)]  # its connections are never made
    for pool in others:
        leased = Leased(lab.cluster.lease(pool))
        (transport,) = lab.to(pool)  # each may have one, whatever the limit is
        transport.establish()
        assert leased.stream is not None
        leased.stream.send(GET, b"", True, RecordingListener())
    assert [leased.stream for leased in hung] == [None] * 4
    assert Leased(lab.cluster.lease(others[0])).failure is None
    assert Leased(lab.cluster.lease(others[1])).failure is None
    assert Leased(lab.cluster.lease(others[2])).failed.kind is FailureKind.OVERFLOW


def test_nobody_is_sent_to_an_endpoint_that_has_left_meanwhile() -> None:
    lab = Lab(hosts=3)
    leased = lab.lease()
    first = lab.network.outgoing[0]
    gone = [pool for pool in lab.pools if pool.address != first.peer]
    lab.cluster.update([one for one in lab.endpoints if one.address == first.peer])
    first.refuse()
    assert leased.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert not any(pool.connections for pool in gone)


def test_the_failure_that_makes_an_endpoint_an_outlier_sends_away_who_else_waits_for_it() -> None:
    lab = Lab(hosts=2, outlier_detection=OutlierDetection(consecutive_5xx=1, max_ejection_percent=50))
    pool, other = lab.pools
    leases = [Leased(lab.cluster.lease(pool)) for _ in range(3)]
    for transport in lab.to(pool):
        transport.refuse()
    assert pool.host.has(HealthFlag.FAILED_OUTLIER_CHECK)
    assert len(lab.to(other)) == 3
    for transport in lab.to(other):
        transport.establish()
    assert all(leased.stream is not None for leased in leases)
    assert lab.cluster.resources.pending_requests == 0
