"""Connections that are used once: who gets which, what is made ahead of need, what is counted."""

import pytest

from shifter.model.cluster import CircuitBreakers, Cluster, PreconnectPolicy, Thresholds
from shifter.upstream.connection_tcp import TcpConnection
from shifter.upstream.host import HealthFlag
from shifter.upstream.interfaces import FailureKind
from shifter.upstream.pool_tcp import TcpPool
from tests.support.upstreams import ADDRESS, AnyEndpoint, Leased


def endpoint(**config: object) -> AnyEndpoint[TcpPool]:
    return AnyEndpoint(TcpPool, Cluster("c", connect_timeout=1.0, **config), ADDRESS)  # type: ignore[arg-type]  # fields of any type


class User:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.saw: list[object] = []

    def upstream_data(self, data: bytes) -> None:
        self.saw.append(data)

    def upstream_ended(self) -> None:
        self.saw.append("ended")

    def upstream_lost(self, reason: str) -> None:
        self.saw.append(f"lost {reason}")

    def upstream_blocked(self) -> None:
        self.saw.append("blocked")

    def upstream_writable(self) -> None:
        self.saw.append("writable")


def used(leased: Leased) -> tuple[TcpConnection, User]:
    assert isinstance(leased.stream, TcpConnection)
    user = User()
    leased.stream.use(user)
    return leased.stream, user


def test_each_gets_a_connection_of_its_own_which_is_closed_when_it_has_done() -> None:
    one = endpoint()
    leased = [one.lease(), one.lease()]
    for connection in one.connections:
        connection.establish()
    first, user = used(leased[0])
    second, _ = used(leased[1])
    assert first is not second
    assert (one.pool.carried, one.pool.room, one.pool.ready, one.pool.active) == (2, 0, False, 2)
    assert (first.retired, first.reused) == (True, False)
    first.close()
    one.network.run()
    assert user.saw == ["lost closed locally"]
    assert one.pool.take() is None
    assert (one.stats.upstream_cx_active, one.stats.upstream_rq_active, one.stats.upstream_cx_destroy_local_with_active_rq) == (1, 1, 1)


def test_who_gives_up_takes_the_connection_along() -> None:
    one = endpoint()
    leased = [one.lease(), one.lease()]
    leased[0].deferred.cancel()
    one.network.run()
    assert sum(connection.end == "reset" for connection in one.connections) == 1
    one.connections[0].establish()
    assert leased[1].stream is not None
    assert one.pool.resources.pending_requests == 0


def test_what_was_made_ahead_of_need_stays_though_somebody_gives_up() -> None:
    one = endpoint(preconnect=PreconnectPolicy(per_upstream_preconnect_ratio=2.0))
    leased = one.lease()
    leased.deferred.cancel()
    one.connections[0].establish()
    stream = one.pool.take()
    assert isinstance(stream, TcpConnection)
    assert repr(stream) == "<TcpConnection 192.0.2.1:80 idle>"


def test_the_oldest_is_used_first_and_the_rest_grows_old() -> None:
    one = endpoint(preconnect=PreconnectPolicy(per_upstream_preconnect_ratio=3.0), idle_timeout=10.0)
    assert one.pool.preconnect(3.0)
    assert one.pool.preconnect(3.0)
    for connection in one.connections:
        connection.establish()
    first = one.pool.take()
    assert isinstance(first, TcpConnection)
    assert first.transport is one.connections[0]
    one.wait(11.0)
    assert one.connections[1].lost == "closed locally"
    assert one.stats.upstream_cx_idle_timeout == 1


def test_a_place_that_becomes_free_goes_to_who_waits() -> None:
    one = endpoint(circuit_breakers=CircuitBreakers(default=Thresholds(max_connections=1)))
    leased = [one.lease(), one.lease()]
    assert len(one.connections) == 1
    one.connections[0].establish()
    first, _ = used(leased[0])
    first.abort()
    one.network.run()
    one.connections[1].establish()
    assert leased[1].stream is not None


@pytest.mark.parametrize("wanted", [True, False])
def test_connections_to_an_ill_host_are_closed_where_that_is_asked_for(wanted: bool) -> None:
    one = endpoint(close_connections_on_host_health_failure=wanted)
    leased = [one.lease(), one.lease(), one.lease()]
    for connection in one.connections[:2]:
        connection.establish()
    users = [used(leased[0]), used(leased[1])]
    one.connections[1].room = 0
    users[1][0].write(b"x")
    one.network.run()
    one.pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    one.pool.renew()
    one.network.run()
    expected = [["lost closed locally"], ["blocked", "lost aborted"]] if wanted else [[], ["blocked"]]
    assert [user.saw for _, user in users] == expected


def test_connecting_fails_or_takes_too_long() -> None:
    one = endpoint()
    refused, late = one.lease(), one.lease()
    one.connections[0].refuse()
    assert refused.failed.kind is FailureKind.REMOTE_CONNECTION_FAILURE
    one.wait(1.0)
    assert late.failed.kind is FailureKind.CONNECTION_TIMEOUT
    assert (one.stats.upstream_cx_connect_fail, one.stats.upstream_cx_connect_timeout) == (2, 1)


def test_many_requests_are_no_limit_here() -> None:
    one = endpoint(circuit_breakers=CircuitBreakers(default=Thresholds(max_requests=0)))
    leased = one.lease()
    one.connections[0].establish()
    assert leased.stream is not None
