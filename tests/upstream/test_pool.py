"""Who gets a connection, when one is made, and when one ends."""

import pytest
from twisted.internet.defer import CancelledError

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds, UpstreamConnectionOptions
from shifter.net.transport import ConnectOptions
from shifter.upstream.host import Host
from shifter.upstream.interfaces import Failed, FailureKind
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_h1 import Http1Pool
from tests.support.upstreams import ADDRESS, GET, Endpoint, RecordingListener

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def limited(**limits: int) -> Endpoint:
    return Endpoint(Cluster("c", circuit_breakers=CircuitBreakers(Thresholds(**limits))))


def idle(endpoint: Endpoint, count: int = 1) -> None:
    """Give *endpoint* so many idle connections."""
    asked = [endpoint.ask() for _ in range(count)]
    for transport in endpoint.connections[-count:]:
        transport.say(EMPTY)
        transport.take()
    assert all(listener.saw[-1] == "end" for listener in asked)
    assert len(endpoint.pool.idle) == count


def test_a_lease_waits_for_a_connection() -> None:
    endpoint = Endpoint()
    assert endpoint.pool.take() is None
    leased = endpoint.lease()
    assert leased.stream is None
    assert repr(endpoint.pool) == "<Pool c 192.0.2.1:80 busy=0 connections=1 waiting=1>"
    assert (endpoint.stats.upstream_rq_pending_active, endpoint.stats.upstream_rq_pending_total) == (1, 1)
    endpoint.connections[0].establish()
    assert leased.stream is not None
    assert not leased.stream.reused
    assert leased.stream.pool is endpoint.pool
    assert endpoint.stats.upstream_rq_pending_active == 0
    leased.stream.send(GET, b"", True, RecordingListener())
    assert (endpoint.pool.active, endpoint.stats.upstream_rq_active, endpoint.stats.upstream_rq_total) == (1, 1, 1)
    assert endpoint.pool.endpoint_stats.rq_total == 1


def test_the_connection_used_last_is_used_next() -> None:
    endpoint = Endpoint()
    idle(endpoint, 3)
    last = endpoint.pool.idle[-1]
    assert endpoint.pool.take() is last
    assert len(endpoint.pool.idle) == 2


def test_who_waits_is_served_in_order() -> None:
    endpoint = limited(max_connections=1)
    first = endpoint.ask()
    waiting = [endpoint.lease() for _ in range(3)]
    assert len(endpoint.connections) == 1
    assert endpoint.stats.upstream_cx_overflow == 3
    for number in range(3):
        endpoint.connections[0].say(EMPTY)
        served = [leased for leased in waiting if leased.stream is not None]
        assert served == waiting[: number + 1]
        assert waiting[number].stream is first.stream
        assert first.stream is not None
        first.stream.send(GET, b"", True, RecordingListener())
        endpoint.network.run()


def test_each_who_waits_gets_a_connection_of_its_own() -> None:
    endpoint = Endpoint()
    waiting = [endpoint.lease() for _ in range(3)]
    assert len(endpoint.connections) == 3
    endpoint.connections[1].establish()
    assert [leased.stream is not None for leased in waiting] == [True, False, False]
    endpoint.connections[0].establish()
    endpoint.connections[2].establish()
    assert len({id(leased.stream) for leased in waiting}) == 3


def test_a_connection_that_becomes_free_serves_who_waits_for_a_new_one() -> None:
    endpoint = Endpoint()
    endpoint.ask()
    leased = endpoint.lease()
    endpoint.connections[0].say(EMPTY)
    assert leased.stream is not None
    assert leased.stream.reused
    endpoint.connections[1].establish()  # nobody waits for it any more
    assert len(endpoint.pool.idle) == 1
    second = endpoint.pool.take()
    assert second is not None
    assert not second.reused


def test_max_connections_is_the_clusters_but_an_endpoint_may_always_have_one() -> None:
    endpoint = limited(max_connections=2)
    other = Http1Pool(endpoint.state, endpoint.pool.host, endpoint.network)
    other.lease()
    other.lease()
    endpoint.lease()
    endpoint.lease()
    assert (len(other.connections), len(endpoint.pool.connections), endpoint.state.default.connections) == (2, 1, 3)
    assert endpoint.stats.upstream_cx_overflow == 1


def test_at_the_limit_a_lease_takes_what_is_idle() -> None:
    endpoint = limited(max_connections=1)
    idle(endpoint)
    leased = endpoint.lease()
    assert leased.stream is not None
    assert leased.stream.reused


def test_room_for_a_connection_is_used_by_who_waits() -> None:
    endpoint = limited(max_connections=1)
    listener = endpoint.ask()
    leased = endpoint.lease()
    assert listener.stream is not None
    listener.stream.cancel()
    endpoint.network.run()
    assert len(endpoint.connections) == 2
    endpoint.connections[1].establish()
    assert leased.stream is not None


def test_max_pending_requests() -> None:
    endpoint = limited(max_pending_requests=2)
    endpoint.lease()
    endpoint.lease()
    failed = endpoint.lease().failed
    assert failed.kind is FailureKind.OVERFLOW
    assert endpoint.stats.upstream_rq_pending_overflow == 1
    assert endpoint.stats.upstream_rq_pending_active == 2
    endpoint.connections[0].establish()
    assert endpoint.lease().failure is None


def test_max_requests_holds_for_those_who_were_let_in_to_wait() -> None:
    endpoint = limited(max_requests=2)
    waiting = [endpoint.lease() for _ in range(5)]
    sent: list[object] = []
    for transport in list(endpoint.connections):
        transport.establish()
        for leased in waiting:
            if leased.stream is not None and leased.stream not in sent:
                sent.append(leased.stream)
                leased.stream.send(GET, b"", True, RecordingListener())
    assert len(sent) == 2
    assert [leased.failed.kind for leased in waiting[2:]] == [FailureKind.OVERFLOW] * 3
    assert (endpoint.stats.upstream_rq_active_overflow, endpoint.stats.upstream_rq_pending_overflow) == (3, 0)
    assert (endpoint.stats.upstream_rq_active, endpoint.stats.upstream_rq_pending_active) == (2, 0)


def test_refused_connections_fail_who_waits() -> None:
    endpoint = Endpoint()
    waiting = [endpoint.lease(), endpoint.lease()]
    endpoint.connections[0].refuse()
    assert waiting[0].failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert waiting[0].failed.detail == "refused"
    assert str(waiting[0].failure) == "remote connection failure: refused"
    assert waiting[1].failure is None
    endpoint.connections[1].establish()
    assert waiting[1].stream is not None
    assert (endpoint.stats.upstream_cx_connect_fail, endpoint.pool.endpoint_stats.cx_connect_fail) == (1, 1)
    assert endpoint.stats.upstream_rq_pending_failure_eject == 1
    assert endpoint.state.default.connections == 1
    assert endpoint.stats.upstream_cx_active == 1


def test_connect_timeout() -> None:
    endpoint = Endpoint(Cluster("c", connect_timeout=0.25))
    leased = endpoint.lease()
    endpoint.wait(0.2)
    assert leased.failure is None
    endpoint.wait(0.05)
    assert leased.failed.kind is FailureKind.CONNECTION_TIMEOUT
    assert endpoint.connections[0].lost == "aborted"
    assert endpoint.stats.upstream_cx_connect_timeout == endpoint.stats.upstream_cx_connect_fail == 1
    assert endpoint.stats.upstream_cx_active == endpoint.state.default.connections == 0
    assert endpoint.stats.upstream_rq_pending_active == 0


def test_idle_timeout() -> None:
    endpoint = Endpoint(Cluster("c", idle_timeout=10.0))
    idle(endpoint, 2)
    endpoint.wait(6)
    used = endpoint.ask()
    endpoint.wait(6)
    assert len(endpoint.pool.connections) == 1
    assert endpoint.stats.upstream_cx_idle_timeout == 1
    transport = next(one for one in endpoint.connections if one.lost is None)
    endpoint.wait(100)
    assert transport.lost is None  # a request is under way
    transport.say(EMPTY)
    assert used.saw[-1] == "end"
    endpoint.wait(9.9)
    assert transport.lost is None
    endpoint.wait(0.2)
    assert transport.lost == "closed locally"
    assert endpoint.pool.take() is None


def test_without_an_idle_timeout_connections_stay() -> None:
    endpoint = Endpoint(Cluster("c", idle_timeout=0))
    idle(endpoint)
    endpoint.wait(1e6)
    assert len(endpoint.pool.idle) == 1


def test_max_requests_per_connection() -> None:
    endpoint = Endpoint(Cluster("c", max_requests_per_connection=2))
    endpoint.ask()
    endpoint.connections[0].say(EMPTY)
    endpoint.ask()
    leased = endpoint.lease()
    endpoint.connections[0].say(EMPTY)
    assert endpoint.connections[0].lost == "closed locally"
    assert endpoint.stats.upstream_cx_max_requests == 1
    assert leased.stream is None
    endpoint.connections[1].establish()
    assert leased.stream is not None


def test_the_latest_configuration_of_the_cluster_counts() -> None:
    endpoint = Endpoint(Cluster("c", idle_timeout=10.0))
    idle(endpoint)
    endpoint.state.activate(Cluster("c", idle_timeout=1.0))
    endpoint.wait(2)
    assert not endpoint.pool.connections


def test_giving_up_waiting() -> None:
    endpoint = limited(max_connections=1)
    endpoint.ask()
    first, second = endpoint.lease(), endpoint.lease()
    first.deferred.cancel()
    assert isinstance(first.failure, CancelledError)
    assert endpoint.stats.upstream_rq_pending_active == 1
    endpoint.connections[0].say(EMPTY)
    assert second.stream is not None


def test_a_connection_that_nobody_waits_for_any_more_is_kept() -> None:
    endpoint = Endpoint()
    endpoint.lease().deferred.cancel()
    endpoint.connections[0].establish()
    assert len(endpoint.pool.idle) == 1
    assert endpoint.pool.idle[0].requests == 0


def test_or_its_failure_is_nobodys() -> None:
    endpoint = Endpoint()
    endpoint.lease().deferred.cancel()
    endpoint.connections[0].refuse()
    assert not endpoint.pool.connections
    assert (endpoint.stats.upstream_cx_connect_fail, endpoint.stats.upstream_rq_pending_failure_eject) == (1, 0)


def test_draining_closes_what_is_idle_and_the_rest_behind_its_request() -> None:
    endpoint = limited(max_connections=2)
    idle(endpoint, 2)
    listener = endpoint.ask()
    endpoint.pool.drain()
    endpoint.network.run()
    assert sorted(str(transport.lost) for transport in endpoint.connections) == ["None", "closed locally"]
    assert endpoint.stats.upstream_cx_idle_timeout == 0
    busy = next(one for one in endpoint.connections if one.lost is None)
    busy.say(EMPTY)
    assert listener.saw[-1] == "end"
    assert busy.lost == "closed locally"
    assert not endpoint.pool.connections


def test_draining_serves_who_waits() -> None:
    endpoint = limited(max_connections=1)
    endpoint.ask()
    leased = endpoint.lease()
    endpoint.pool.drain()
    endpoint.connections[0].say(EMPTY)
    assert leased.stream is not None
    leased.stream.send(GET, b"", True, RecordingListener())
    endpoint.network.run()
    endpoint.connections[0].say(EMPTY)
    assert endpoint.connections[0].lost == "closed locally"


def test_a_connection_that_is_established_for_a_drained_pool_is_closed() -> None:
    endpoint = Endpoint()
    endpoint.lease().deferred.cancel()
    endpoint.pool.drain()
    endpoint.connections[0].establish()
    assert endpoint.connections[0].lost == "closed locally"
    assert not endpoint.pool.connections


def test_bytes_are_counted_when_a_connection_ends() -> None:
    endpoint = Endpoint()
    idle(endpoint)
    endpoint.connections[0].hang_up()
    assert endpoint.stats.upstream_cx_rx_bytes_total == len(EMPTY)
    assert endpoint.stats.upstream_cx_tx_bytes_total == len(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert endpoint.stats.upstream_cx_http1_total == endpoint.stats.upstream_cx_total == endpoint.pool.endpoint_stats.cx_total == 1


def test_what_protocols_must_add() -> None:
    endpoint = Endpoint()
    bare = EndpointPool(endpoint.state, endpoint.pool.host, endpoint.network)
    for call in (bare.take, bare.lease, bare.drain):
        with pytest.raises(NotImplementedError):
            call()


def test_who_wants_a_fresh_connection_is_not_given_one_that_was_used() -> None:
    endpoint = Endpoint()
    busy = endpoint.ask()
    choosy = endpoint.lease(fresh=True)
    assert len(endpoint.connections) == 2
    endpoint.connections[0].say(EMPTY)  # this one is free now, and still not for them
    assert busy.saw[-1] == "end"
    assert choosy.stream is None
    assert len(endpoint.pool.idle) == 1
    endpoint.connections[1].establish()
    assert choosy.stream is not None
    assert not choosy.stream.reused
    assert endpoint.stats.upstream_rq_pending_active == 0


def test_a_fresh_connection_takes_the_place_of_an_idle_one_where_there_is_no_room() -> None:
    endpoint = limited(max_connections=1)
    idle(endpoint)
    old = endpoint.connections[0]
    choosy = endpoint.lease(fresh=True)
    endpoint.network.run()
    assert old.lost is not None
    endpoint.connections[-1].establish()
    assert choosy.stream is not None
    assert not choosy.stream.reused


def test_without_room_or_an_idle_connection_a_used_one_must_do() -> None:
    endpoint = limited(max_connections=1)
    endpoint.ask()
    choosy = endpoint.lease(fresh=True)
    assert len(endpoint.connections) == 1
    endpoint.connections[0].say(EMPTY)
    assert choosy.stream is not None


def test_a_fresh_connection_that_cannot_be_made() -> None:
    endpoint = Endpoint()
    choosy = endpoint.lease(fresh=True)
    other = endpoint.lease()
    endpoint.connections[0].refuse()
    assert choosy.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert other.failure is None
    endpoint.connections[1].establish()
    assert other.stream is not None
    assert endpoint.stats.upstream_rq_pending_active == 0


def test_a_wait_for_a_fresh_connection_can_be_given_up() -> None:
    endpoint = Endpoint()
    choosy = endpoint.lease(fresh=True)
    choosy.deferred.cancel()
    assert endpoint.stats.upstream_rq_pending_active == 0
    endpoint.connections[0].establish()
    assert len(endpoint.pool.idle) == 1


# limits of one host, and what is told of it


def test_per_host_max_connections() -> None:
    endpoint = Endpoint(Cluster("c", circuit_breakers=CircuitBreakers(per_host_max_connections=2)))
    waiting = [endpoint.lease() for _ in range(4)]
    assert len(endpoint.connections) == endpoint.pool.endpoint_stats.cx_active == 2
    assert endpoint.stats.upstream_cx_overflow == 2
    other = Http1Pool(endpoint.state, Host(SocketAddress("192.0.2.2", 80), 0.0), endpoint.network)
    other.lease()
    assert len(other.connections) == 1
    endpoint.state.activate(Cluster("c", circuit_breakers=CircuitBreakers(per_host_max_connections=3)))
    assert len(endpoint.pool.connections) == 3
    endpoint.connections[0].establish()
    assert waiting[0].stream is not None
    endpoint.connections[0].hang_up()
    assert len(endpoint.pool.connections) == 3


class Watcher:
    """A `HostMonitor` that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def failed(self, failed: Failed) -> None:
        self.heard.append(failed.kind)


@pytest.mark.parametrize("timeout", [False, True])
def test_a_connection_that_fails_is_told_for_each_request_that_it_costs(timeout: bool) -> None:
    endpoint = limited(max_connections=1)
    watcher = Watcher()
    endpoint.pool.host.monitor = watcher  # type: ignore[assignment]
    waiting = [endpoint.lease() for _ in range(3)]
    if timeout:
        endpoint.wait(5.0)
    else:
        endpoint.connections[0].refuse()
    assert all(leased.failure is not None for leased in waiting)
    assert watcher.heard == [FailureKind.CONNECTION_TIMEOUT if timeout else FailureKind.REMOTE_CONNECTION_FAILURE] * 3
    endpoint.lease().deferred.cancel()
    endpoint.connections[-1].refuse()
    assert len(watcher.heard) == 3


def test_how_long_connecting_takes_and_connections_last() -> None:
    endpoint = Endpoint()
    endpoint.lease()
    endpoint.clock.advance(0.25)
    endpoint.connections[0].establish()
    endpoint.clock.advance(0.75)
    endpoint.connections[0].hang_up()
    assert (endpoint.stats.upstream_cx_connect_ms.report().total, endpoint.stats.upstream_cx_length_ms.report().total) == (250, 1000)
    endpoint.lease()
    endpoint.clock.advance(0.5)
    endpoint.connections[1].refuse()
    assert endpoint.stats.upstream_cx_connect_ms.report().count == 1
    assert endpoint.stats.upstream_cx_length_ms.report().count == 2


# connections that are old


def test_max_connection_duration() -> None:
    endpoint = Endpoint(Cluster("c", max_connection_duration=10.0, idle_timeout=0))
    idle(endpoint, 2)
    busy = endpoint.ask()
    endpoint.lease().deferred.cancel()  # and one that is being made, for whom that is nothing
    endpoint.wait(4)
    assert endpoint.stats.upstream_cx_max_duration_reached == 0
    endpoint.connections[-1].establish()
    endpoint.wait(6)
    assert endpoint.stats.upstream_cx_max_duration_reached == 3
    assert [one.lost for one in endpoint.connections].count(None) == 1
    endpoint.wait(6)
    assert endpoint.stats.upstream_cx_max_duration_reached == 3
    transport = next(one for one in endpoint.connections if one.lost is None)
    transport.say(EMPTY)
    assert busy.saw[-1] == "end"
    assert transport.lost == "closed locally"
    endpoint.ask()
    assert endpoint.connections[-1].open


def test_connections_that_are_renewed_serve_who_waits_anew() -> None:
    endpoint = limited(max_connections=1)
    busy = endpoint.ask()
    leased = endpoint.lease()
    endpoint.pool.renew()
    endpoint.connections[0].say(EMPTY)
    assert busy.saw[-1] == "end"
    assert endpoint.connections[0].lost == "closed locally"
    endpoint.connections[1].establish()
    assert leased.stream is not None
    assert not leased.stream.reused


def test_connections_are_made_as_the_cluster_says() -> None:
    options = UpstreamConnectionOptions(source_addresses=(SocketAddress("192.0.2.9", 0),))
    endpoint = Endpoint(Cluster("c", connection_options=options, per_connection_buffer_limit_bytes=4096))
    endpoint.lease()
    assert endpoint.connections[0].options == ConnectOptions(options, 4096)
    endpoint.state.activate(Cluster("c", per_connection_buffer_limit_bytes=5))
    endpoint.lease()
    assert endpoint.connections[1].options == ConnectOptions(buffer_limit=5)


def test_several_addresses_of_one_host_are_raced() -> None:
    endpoint = Endpoint()
    endpoint.pool.host.describe(LbEndpoint(ADDRESS, additional_addresses=(SocketAddress("2001:db8::1", 80),)), 1, 0.0)
    leased = endpoint.lease()
    endpoint.clock.advance(0.3)
    assert [str(one.peer) for one in endpoint.connections] == ["192.0.2.1:80", "[2001:db8::1]:80"]
    assert endpoint.stats.upstream_cx_total == 1
    endpoint.connections[1].establish()
    assert leased.stream is not None
    listener = RecordingListener()
    leased.stream.send(GET, b"", True, listener)
    endpoint.network.run()
    endpoint.connections[1].say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    endpoint.connections[1].hang_up()
    assert not endpoint.pool.connections


@pytest.mark.parametrize("timeout", [False, True])
def test_a_race_that_is_lost_is_a_connection_that_failed(timeout: bool) -> None:
    endpoint = Endpoint(Cluster("c", connect_timeout=1.0))
    endpoint.pool.host.describe(LbEndpoint(ADDRESS, additional_addresses=(SocketAddress("2001:db8::1", 80),)), 1, 0.0)
    leased = endpoint.lease()
    if timeout:
        endpoint.wait(0.5)
        endpoint.wait(0.5)
        assert leased.failed.kind is FailureKind.CONNECTION_TIMEOUT
        assert [one.lost for one in endpoint.connections] == ["aborted"] * 2
    else:
        endpoint.connections[0].refuse()
        endpoint.connections[1].refuse()
        assert leased.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    assert (endpoint.stats.upstream_cx_connect_fail, endpoint.stats.upstream_cx_active) == (1, 0)
