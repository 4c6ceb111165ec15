"""Connections whose bytes mean nothing to us: connected, passed on whole, and ended as they were ended."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.python.failure import Failure

from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, PreconnectPolicy, Thresholds
from shifter.model.outlier_detection import OutlierDetection
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.upstream.host import HealthFlag
from shifter.upstream.pool_tcp import TcpPool
from tests.support.effort import examples
from tests.support.tcp_front import AT, Front, cluster
from tests.support.transports import FakeTransport


@pytest.fixture
def front() -> Front:
    return Front()


def test_bytes_go_both_ways(front: Front) -> None:
    client = front.connect(b"ping")
    endpoint = front.endpoint
    assert endpoint.peer == AT[0]
    assert endpoint.take() == b"ping"
    endpoint.say(b"pong", b"!")
    assert client.take() == b"pong!"
    client.hang_up()
    assert (endpoint.ended, client.lost) == (True, None)
    endpoint.say(b"late")
    assert client.take() == b"late"
    endpoint.hang_up()
    assert (client.lost, endpoint.lost) == ("closed", "closed")
    assert front.lines == ["0 - - 4 9 one 192.0.2.101:5432 1 0"]
    assert (front.stats.downstream_cx_rx_bytes_total, front.stats.downstream_cx_tx_bytes_total) == (4, 9)
    stats = front.cluster_stats()
    assert (stats.upstream_rq_total, stats.upstream_rq_pending_total, stats.upstream_cx_total) == (1, 1, 1)
    assert (stats.upstream_cx_destroy_remote, stats.upstream_cx_destroy_remote_with_active_rq) == (1, 1)
    assert (stats.upstream_cx_rx_bytes_total, stats.upstream_cx_tx_bytes_total, stats.upstream_cx_http1_total) == (9, 4, 0)
    front.settled()


def test_an_endpoint_may_speak_and_end_first(front: Front) -> None:
    client = front.connect()
    front.endpoint.say(b"220 ready")
    front.endpoint.hang_up()
    assert (client.take(), client.ended) == (b"220 ready", True)
    client.say(b"more")
    assert front.endpoint.take() == b"more"
    client.hang_up()
    assert (client.lost, front.endpoint.lost) == ("closed", "closed")
    assert front.cluster_stats().upstream_cx_destroy_local == 1
    front.settled()


def test_what_a_client_says_before_there_is_an_endpoint_is_kept_and_no_more_is_read(front: Front) -> None:
    front.network.answers = False
    client = front.connect(b"early", b"later")
    assert client.paused
    assert front.runtime.measure().downstream_cx_rx_bytes_buffered == 5
    assert repr(next(iter(front.runtime.doors))) == "<TcpSession 192.0.2.7:4711 connecting received=5 sent=0>"
    client.hang_up()
    front.endpoint.establish()
    assert front.endpoint.take() == b"earlylater"
    assert front.endpoint.ended
    front.endpoint.hang_up()
    front.settled()


def test_a_client_that_ends_before_there_is_an_endpoint_is_heard(front: Front) -> None:
    front.network.answers = False
    client = front.connect()
    client.hang_up()
    front.endpoint.establish()
    assert front.endpoint.ended
    front.endpoint.say(b"bye")
    assert client.take() == b"bye"
    front.endpoint.hang_up()
    front.settled()


def test_a_client_that_is_gone_before_there_is_an_endpoint_waits_for_none(front: Front) -> None:
    front.network.answers = False
    client = front.connect()
    client.hang_up("reset")
    front.network.run()
    assert front.endpoint.end == "reset"
    front.settled()


@pytest.mark.parametrize("who", ["client", "endpoint"])
def test_a_reset_is_passed_on(front: Front, who: str) -> None:
    client = front.connect(b"x")
    sides = {"client": client, "endpoint": front.endpoint}
    sides.pop(who).hang_up("reset")
    [other] = sides.values()
    assert other.lost == "aborted"
    assert front.lines[0].split()[1] == ("UR" if who == "endpoint" else "-")
    front.settled()


def test_a_client_that_does_not_read_stops_its_endpoint_only(front: Front) -> None:
    client = front.connect()
    client.room = 10
    front.endpoint.say(b"x" * 30)
    assert front.endpoint.paused
    assert not client.paused
    assert front.runtime.measure().downstream_cx_tx_bytes_buffered == 20
    client.say(b"still heard")
    assert front.endpoint.take() == b"still heard"
    client.drain()
    assert client.take() == b"x" * 30
    assert not front.endpoint.paused
    stats = front.cluster_stats()
    assert (stats.upstream_flow_control_paused_reading_total, stats.upstream_flow_control_resumed_reading_total) == (1, 1)


def test_an_endpoint_that_does_not_read_stops_its_client_only(front: Front) -> None:
    client = front.connect(b"a")
    front.endpoint.room = 0
    client.say(b"x" * 30)
    assert client.paused
    assert not front.endpoint.paused
    front.endpoint.drain()
    assert not client.paused
    stats = front.stats
    assert (stats.downstream_flow_control_paused_reading_total, stats.downstream_flow_control_resumed_reading_total) == (1, 1)


def last_words(client: FakeTransport, data: bytes) -> None:
    """Have *client* say *data* and be gone, told in one turn (as what stands in one TLS record is)."""
    client.handler.data_received(data)
    client._finish("closed")
    client.network.run()


def test_what_an_endpoint_has_not_taken_yet_reaches_it_when_its_client_is_gone(front: Front) -> None:
    client = front.connect()
    endpoint = front.endpoint
    endpoint.hang_up()  # its direction
    endpoint.room = 0
    last_words(client, b"x" * 30)
    assert len(front.runtime.doors) == 1
    assert (front.stats.upstream_flush_total, front.stats.upstream_flush_active) == (1, 1)
    endpoint.drain()
    assert (endpoint.take(), endpoint.lost) == (b"x" * 30, "closed")
    front.settled()


def test_an_endpoint_that_takes_nothing_is_given_up_after_the_idle_timeout() -> None:
    front = Front(idle_timeout=2.0)
    client = front.connect()
    front.endpoint.hang_up()
    front.endpoint.room = 0
    last_words(client, b"x")
    front.wait(2.1)
    assert front.endpoint.lost == "aborted"
    assert front.stats.idle_timeout == 1
    front.settled()


@pytest.mark.parametrize("idle", [2.0, 30.0])
def test_nothing_moves_for_too_long(idle: float) -> None:
    front = Front(idle_timeout=idle)
    client = front.connect(b"x")
    front.wait(idle - 1)
    front.endpoint.say(b"y")
    front.wait(idle - 1)
    assert client.open
    front.wait(1.1)
    assert (client.lost, front.endpoint.lost) == ("closed locally", "closed locally")
    assert (front.stats.idle_timeout, front.lines[0].split()[1]) == (1, "-")
    front.settled()


def test_nothing_moves_for_too_long_before_there_is_an_endpoint() -> None:
    front = Front(idle_timeout=0.5)
    front.network.answers = False
    client = front.connect()
    front.wait(0.6)
    assert client.end == "fin"
    assert front.endpoint.end == "reset"
    assert front.stats.idle_timeout == 1
    front.settled()


def test_who_takes_nothing_is_not_waited_for_when_time_is_over() -> None:
    front = Front(max_downstream_connection_duration=1.0, idle_timeout=0.0)
    client = front.connect(b"x")
    front.endpoint.room = client.room = 0
    client.say(b"x")
    front.endpoint.say(b"y")
    front.wait(1.1)
    assert (client.lost, front.endpoint.lost) == ("aborted", "aborted")
    assert (front.stats.max_downstream_connection_duration, front.lines[0].split()[1]) == (1, "DT")
    front.settled()


def test_a_refused_connection_is_one_of_so_many_attempts() -> None:
    front = Front(cluster("one", *AT), max_connect_attempts=3)
    front.network.answers = "refused"
    client = front.connect(b"x")
    assert client.lost == "aborted"
    assert {one.peer for one in front.network.outgoing} == set(AT)
    assert front.lines == [f"0 UF,URX - 1 0 one {front.endpoint.peer} 3 0"]
    stats = front.cluster_stats()
    assert (stats.upstream_cx_connect_fail, stats.upstream_cx_connect_attempts_exceeded, stats.upstream_rq_total) == (3, 1, 0)
    front.settled()


def test_the_next_attempt_may_succeed() -> None:
    front = Front(cluster("one", *AT), max_connect_attempts=2)
    front.network.answers = False
    client = front.connect(b"x")
    front.endpoint.refuse()
    front.endpoint.establish()
    first, second = front.network.outgoing
    assert first.peer != second.peer
    assert second.take() == b"x"
    client.hang_up()
    second.hang_up()
    assert front.lines == [f"0 UF - 1 0 one {second.peer} 2 0"]
    front.settled()


def test_without_a_word_said_a_client_that_cannot_be_served_is_closed_not_reset(front: Front) -> None:
    front.network.answers = "refused"
    assert front.connect().lost == "closed locally"
    front.settled()


def test_connecting_may_take_so_long() -> None:
    front = Front(max_connect_attempts=2)
    front.network.answers = False
    client = front.connect()
    front.wait(2.2)
    assert client.lost == "closed locally"
    assert front.cluster_stats().upstream_cx_connect_timeout == 2
    assert front.lines[0].startswith("0 UF,URX - 0 0 one 192.0.2.101:5432 2 ")
    front.settled()


def test_a_cluster_without_endpoints() -> None:
    front = Front(Cluster("one"))
    assert front.connect().lost == "closed locally"
    assert front.lines == ["0 UH - 0 0 one - 0 0"]
    assert front.cluster_stats().upstream_cx_none_healthy == 1
    front.settled()


def test_a_cluster_that_does_not_exist() -> None:
    front = Front(proxy=TcpProxy("tcp", (TcpCluster("other"),)))
    assert front.connect().lost == "closed locally"
    assert front.lines == ["0 NC - 0 0 - - 0 0"]
    assert front.stats.downstream_cx_no_route == 1
    front.settled()


def test_a_full_circuit_breaker() -> None:
    front = Front(cluster("one", *AT, circuit_breakers=CircuitBreakers(default=Thresholds(max_connections=1, max_requests=0))))
    client = front.connect()
    assert front.connect().lost == "closed locally"
    assert front.lines == ["0 UO - 0 0 one - 0 0"]
    assert front.cluster_stats().upstream_cx_overflow == 1
    client.hang_up()
    front.endpoint.hang_up()
    assert front.connect().open


def test_a_full_queue() -> None:
    front = Front(cluster("one", AT[0], circuit_breakers=CircuitBreakers(default=Thresholds(max_pending_requests=0))))
    front.connect()
    assert front.lines == ["0 URX - 0 0 one - 1 0"]
    assert front.cluster_stats().upstream_rq_pending_overflow == 1
    front.settled()


def test_an_endpoint_that_leaves_while_it_is_waited_for_costs_no_attempt() -> None:
    front = Front(cluster("one", *AT[:2]))
    front.network.answers = False
    client = front.connect(b"x")
    front.clusters["one"].update([LbEndpoint(AT[1])])
    front.network.run()
    assert front.endpoint.peer == AT[1]
    front.endpoint.establish()
    assert front.endpoint.take() == b"x"
    assert client.open


def test_a_fault_of_ours_ends_the_connection(front: Front, logged_failures: list[Failure]) -> None:
    class Fault(Exception):
        pass

    front.network.answers = False
    client = front.connect()
    [pool] = front.clusters["one"].pools
    [branch] = [one for one in pool.every if one is not pool]
    branch.waiting.popleft().errback(Fault())
    branch.resources.pending_requests -= 1
    front.network.run()
    assert client.lost == "aborted"
    assert logged_failures.pop().check(Fault)


def test_outliers_are_found_by_connections_alone() -> None:
    detection = OutlierDetection(consecutive_5xx=2, enforcing_consecutive_5xx=100, max_ejection_percent=100)
    front = Front(cluster("one", AT[0], outlier_detection=detection))
    [host] = [pool.host for pool in front.clusters["one"].pools]
    for answer in ("refused", True, "refused"):
        front.network.answers = answer
        front.connect()
    assert not host.has(HealthFlag.FAILED_OUTLIER_CHECK)
    front.connect()
    assert host.has(HealthFlag.FAILED_OUTLIER_CHECK)


def test_split_errors_count_connections_as_their_own() -> None:
    detection = OutlierDetection(split_external_local_origin_errors=True)
    front = Front(cluster("one", AT[0], outlier_detection=detection))
    front.connect()
    [pool] = front.clusters["one"].pools
    assert pool.host.monitor is not None
    assert (pool.host.monitor.local.good, pool.host.monitor.external.total) == (1, 0)


def test_connections_are_made_ahead_of_need_and_wait_unread() -> None:
    front = Front(cluster("one", AT[0], preconnect=PreconnectPolicy(per_upstream_preconnect_ratio=2.0)))
    front.connect()
    assert len(front.network.outgoing) == 2
    ahead = front.endpoint
    ahead.say(b"220 ready")
    assert ahead.paused
    client = front.connect()
    assert client.take() == b"220 ready"
    assert front.cluster_stats().upstream_rq_total == 2


def test_a_connection_ahead_of_need_that_died_ends_who_gets_it() -> None:
    front = Front(cluster("one", AT[0], preconnect=PreconnectPolicy(per_upstream_preconnect_ratio=2.0)))
    front.connect()
    front.endpoint.hang_up("reset")
    [pool] = [one for pool in front.clusters["one"].pools for one in pool.every if isinstance(one, TcpPool)]
    assert repr(pool.idle) == "[<TcpConnection 192.0.2.101:5432 idle>]"
    assert front.connect(b"x").lost == "aborted"


def test_a_client_is_closed_when_its_endpoint_is_found_ill() -> None:
    front = Front(cluster("one", AT[0], close_connections_on_host_health_failure=True))
    client = front.connect(b"x")
    front.endpoint.say(b"half an answ")
    [pool] = front.clusters["one"].pools
    pool.host.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    front.network.run()
    assert (front.endpoint.lost, client.take(), client.lost) == ("closed locally", b"half an answ", "closed locally")
    front.settled()


def test_a_pool_that_is_let_go_closes_what_nobody_uses() -> None:
    front = Front(cluster("one", AT[0], preconnect=PreconnectPolicy(per_upstream_preconnect_ratio=2.0)))
    client = front.connect(b"x")
    used, idle = front.network.outgoing
    front.clusters["one"].stop()
    front.network.run()
    assert (idle.lost, used.lost) == ("closed locally", None)
    used.say(b"y")
    assert client.take() == b"y"


def test_the_log_says_why_a_connection_failed() -> None:
    front = Front(max_connect_attempts=2)
    front.runtime.access_logs = (front.access_log("%UPSTREAM_TRANSPORT_FAILURE_REASON%\n"),)
    front.network.answers = "refused"
    front.connect()
    front.network.answers = True
    front.connect().hang_up("reset")
    assert front.lines == ["delayed_connect_error:_Connection_refused", "-"]


def test_the_log_knows_addresses_and_says_nothing_of_what_is_no_http(front: Front) -> None:
    text = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_PORT% %CONNECTION_ID% %ACCESS_LOG_TYPE% %REQ(:METHOD)% %REQ(X)% %RESP(X)% \
%ROUTE_NAME% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% %REQUEST_DURATION% %RESPONSE_DURATION% %START_TIME(%s)% \
%UPSTREAM_HOST_NAME% %UPSTREAM_PROTOCOL% %REQ(:SCHEME)% %FILTER_CHAIN_NAME% %DOWNSTREAM_TLS_VERSION%\n"
    front.runtime.configure(front.listener, front.settings, front.split(front.settings), [front.access_log(text)], "chain")
    front.connect().hang_up("reset")
    assert front.lines == ["192.0.2.7:4711 80 1 TcpConnectionEnd - - - - - - - - 1700000000 192.0.2.101:5432 - - chain -"]


def steps() -> st.SearchStrategy[list[tuple[str, int]]]:
    what = st.sampled_from(["client says", "endpoint says", "client takes", "endpoint takes", "client ends", "endpoint ends", "turn"])
    return st.lists(st.tuples(what, st.integers(1, 40_000)), max_size=40)


def numbered(count: int, start: int = 0) -> Iterator[bytes]:
    for number in range(start, start + count):
        yield number.to_bytes(4, "big")


@settings(max_examples=examples(150), deadline=None)
@given(steps(), st.booleans(), st.integers(0, 12))
def test_whatever_happens_when_all_bytes_arrive_in_order(what: list[tuple[str, int]], slow: bool, establish_at: int) -> None:
    front = Front(idle_timeout=0.0)
    front.network.answers = False
    client = front.network.accept(front.runtime.accept)
    endpoint = front.endpoint
    if slow:
        client.room = endpoint.room = 0
    said = {client: b"", endpoint: b""}
    ended: set[FakeTransport] = set()

    def say(side: FakeTransport, size: int) -> None:
        if side not in ended and not side.connecting:
            data = b"".join(numbered(size // 4 + 1, len(said[side])))
            said[side] += data
            side.arrive(data)

    def end(side: FakeTransport) -> None:
        if side not in ended and not side.connecting:
            ended.add(side)
            side._gone = "closed"

    for at, (step, size) in enumerate(what):
        if at == establish_at:
            endpoint.establish()
        side = client if step.startswith("client") else endpoint
        if step == "turn":
            front.network.turn()
        elif step.endswith("says"):
            say(side, size)
        elif step.endswith("ends"):
            end(side)
        elif side.room is not None:
            side.room += size
            if not side.connecting:
                front.network.mark(side)
    if endpoint.connecting:
        endpoint.establish()
    client.room = endpoint.room = None
    end(client)
    end(endpoint)
    for side in (client, endpoint):
        if side.lost is None:
            front.network.mark(side)
    front.network.run()
    assert client.written == said[endpoint]
    assert endpoint.written == said[client]
    assert (client.lost, endpoint.lost) == ("closed", "closed")
    front.settled()
