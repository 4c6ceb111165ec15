"""Requests that share an HTTP/2 connection to an endpoint: from the lease to the end, however it comes."""

from typing import Any

import pytest

from shifter.model.cluster import CircuitBreakers, Cluster, Thresholds, UpstreamProtocol
from shifter.model.http2 import ConnectionKeepalive, Http2ProtocolOptions
from shifter.routing.retry import Reached
from shifter.upstream.interfaces import FailureKind, UpstreamStream
from shifter.upstream.pool_h2 import Http2Pool
from shifter.wire import h2_events as ev
from shifter.wire.events import NO_BODY, UNTIL_END, RequestHead
from shifter.wire.h2 import Http2Options, ServerConnection
from tests.support import h2frames as raw
from tests.support.h2ends import converse
from tests.support.transports import FakeTransport
from tests.support.upstreams import ADDRESS, AnyEndpoint, RecordingListener

GET = RequestHead(b"GET", b"/", b"a.example")
POST = RequestHead(b"POST", b"/", b"a.example", length=UNTIL_END)


class Endpoint(AnyEndpoint[Http2Pool]):
    """A pool, and at the far end of each of its connections a server of another make."""

    def __init__(self, options: Http2Options | None = None, **config: Any) -> None:
        super().__init__(Http2Pool, Cluster("c", protocol=UpstreamProtocol.HTTP2, **config), ADDRESS)
        self.options = options or Http2Options()
        self.servers: dict[FakeTransport, ServerConnection] = {}
        self.requests: list[tuple[ServerConnection, int, RequestHead]] = []
        self.heard: list[ev.Event] = []

    def connect(self) -> FakeTransport:
        """Accept the connection that was begun last."""
        transport = self.connections[-1]
        self.servers[transport] = ServerConnection(self.options)
        transport.establish()
        self.turn()
        return transport

    def turn(self) -> None:
        """Let both ends talk until they have nothing more to say."""
        converse(self.network, self.servers, self._hears)

    def _hears(self, server: ServerConnection, event: ev.Event) -> None:
        self.heard.append(event)
        if event[0] == ev.REQUEST:
            self.requests.append((server, event[1], event[2]))

    def begin(self, head: RequestHead = GET, data: bytes = b"", end: bool = True) -> tuple[RecordingListener, UpstreamStream]:
        """Write a request to a connection that has room; it leaves with the next `turn`."""
        listener = RecordingListener()
        stream = self.pool.take()
        assert stream is not None
        stream.send(head, data, end, listener)
        return listener, stream

    def ask(self, head: RequestHead = GET) -> RecordingListener:
        """Send a request without a body on a connection that has room."""
        listener, _ = self.begin(head)
        self.turn()
        return listener

    def enqueue(self, listener: RecordingListener | None = None) -> RecordingListener:
        """Have a request wait for its place."""
        listener = listener or RecordingListener()
        self.pool.lease().addCallback(lambda stream: stream.send(GET, b"", True, listener))
        return listener

    def answer(self, at: int = -1, status: int = 200, data: bytes = b"", end: bool = True) -> None:
        server, number, _ = self.requests[at]
        server.send_response(number, status, b"", end and not data)
        if data:
            server.send_data(number, data, end)
        self.turn()


@pytest.fixture
def endpoint() -> Endpoint:
    """An endpoint with one connection on which nothing is under way."""
    made = Endpoint()
    made.enqueue()
    made.connect()
    made.answer()
    assert made.pool.active == 0
    return made


def connection(endpoint: Endpoint) -> FakeTransport:
    (transport,) = endpoint.servers
    return transport


def was_closed(transport: FakeTransport) -> bool:
    """Whether we have closed it, after everything that was written had left."""
    return (transport.lost, transport.end, transport.waiting) == ("closed locally", "fin", 0)


def test_an_exchange(endpoint: Endpoint) -> None:
    listener = endpoint.ask(RequestHead(b"GET", b"/x", b"b.example", b"\r\nx: y"))
    _, _, head = endpoint.requests[-1]
    assert (head.path, head.authority, head.block, head.length) == (b"/x", b"b.example", b"\r\nx: y", NO_BODY)
    assert endpoint.pool.active == 1
    endpoint.answer(data=b"hello")
    assert listener.told == [("head", 200, b"hello", True)]
    assert endpoint.pool.active == 0


def test_the_connection_is_free_before_the_listener_hears(endpoint: Endpoint) -> None:
    """The next request of the same client finds its place at once."""
    listener = endpoint.ask()
    seen = []
    listener.then = lambda: seen.append(endpoint.pool.active)
    endpoint.answer(data=b"hello")
    assert seen == [0]


def test_many_share_the_connection(endpoint: Endpoint) -> None:
    listeners = [endpoint.ask(RequestHead(b"GET", b"/%d" % number, b"a")) for number in range(50)]
    assert endpoint.pool.active == 50
    for at, (server, number, head) in enumerate(endpoint.requests[1:]):
        server.send_response(number, 200, b"", False)
        server.send_data(number, head.path, True)
        assert at < 50
    endpoint.turn()
    assert [listener.told for listener in listeners] == [[("head", 200, b"/%d" % number, True)] for number in range(50)]
    assert len(endpoint.servers) == 1


def test_the_first_request_waits_for_the_connection_only() -> None:
    endpoint = Endpoint()
    listeners = [endpoint.enqueue() for _ in range(3)]
    assert len(endpoint.connections) == 1
    assert endpoint.pool.take() is None
    endpoint.connect()
    assert len(endpoint.requests) == 3
    for at in range(3):
        endpoint.answer(at)
    assert [listener.told for listener in listeners] == [[("head", 200, b"", True)]] * 3
    assert endpoint.state.stats.upstream_rq_pending_total == 3
    assert endpoint.state.stats.upstream_rq_pending_active == 0


def test_an_endpoint_that_takes_one_at_a_time() -> None:
    """Ten requests: they wait or get connections of their own, and none fails."""
    breakers = CircuitBreakers(Thresholds(max_connections=3))
    endpoint = Endpoint(Http2Options(max_concurrent_streams=1), circuit_breakers=breakers)
    listeners = [endpoint.enqueue() for _ in range(10)]
    connected = 0
    answered = 0
    for _ in range(40):
        if len(endpoint.connections) > connected:
            connected += 1
            endpoint.connect()
        while answered < len(endpoint.requests):
            endpoint.answer(answered)
            answered += 1
    assert [listener.told for listener in listeners] == [[("head", 200, b"", True)]] * 10
    assert connected in (2, 3)
    assert endpoint.pool.active == 0


def test_bodies_stream_both_ways(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin(POST, b"a", end=False)
    endpoint.turn()
    endpoint.answer(status=200, end=False)
    stream.send_data(b"b", False)
    endpoint.turn()
    server, number, _ = endpoint.requests[-1]
    server.send_data(number, b"x", False)
    endpoint.turn()
    stream.send_trailers(b"\r\nsum: 1")
    server.send_trailers(number, b"\r\nsum: 2")
    endpoint.turn()
    assert [event for event in endpoint.heard if event[0] in (ev.DATA, ev.TRAILERS)] == [
        (ev.DATA, number, b"a", False),
        (ev.DATA, number, b"b", False),
        (ev.TRAILERS, number, b"\r\nsum: 1"),
    ]
    assert listener.told == [("head", 200, b"", False), ("data", b"x", False), ("trailers", b"\r\nsum: 2")]
    assert endpoint.pool.active == 0


def test_an_empty_trailer_section_just_ends(endpoint: Endpoint) -> None:
    _, stream = endpoint.begin(POST, b"a", end=False)
    stream.send_trailers(b"")
    endpoint.turn()
    assert endpoint.heard[-1] == (ev.DATA, 3, b"a", True)


def test_interim_answers(endpoint: Endpoint) -> None:
    listener = endpoint.ask()
    server, number, _ = endpoint.requests[-1]
    server.send_interim(number, 103, b"\r\nlink: x")
    endpoint.answer()
    assert listener.told == [("interim", 103), ("head", 200, b"", True)]


def test_a_listener_that_rests_holds_a_window_at_most(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin()
    endpoint.turn()
    stream.pause()
    body = bytes(range(256)) * 20_000
    endpoint.answer(data=body, end=True)
    assert listener.told == []
    held = stream._held  # type: ignore[attr-defined]
    assert sum(len(data) for data, _, _ in held) == 64 * 1024
    # another request on the same connection is not held up
    other = endpoint.ask()
    endpoint.answer(data=b"quick")
    assert other.told == [("head", 200, b"quick", True)]
    stream.resume()
    assert listener.told == [], "not from inside the call"
    endpoint.turn()
    assert listener.body == body
    assert listener.told[-1][-1] is True
    assert endpoint.pool.active == 0


def test_resting_again_while_it_is_served(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin()
    endpoint.turn()
    listener.then = stream.pause
    body = b"x" * 100_000
    endpoint.answer(data=body)
    while not listener.told[-1][-1]:
        before = len(listener.told)
        stream.resume()
        endpoint.turn()
        assert len(listener.told) == before + 1, "one piece, then it rests"
    assert listener.body == body
    assert len(listener.told) > 5


def test_a_whole_answer_outlives_its_connection(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin()
    endpoint.turn()
    stream.pause()
    endpoint.answer(data=b"hello")
    connection(endpoint).hang_up()
    assert listener.told == []
    stream.resume()
    endpoint.turn()
    assert listener.told == [("head", 200, b"hello", True)]
    assert (endpoint.pool.active, endpoint.pool.connections) == (0, {})


def test_an_upload_rests_while_the_endpoint_does(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin(POST, end=False)
    sent = 0
    while ("blocked",) not in listener.told:
        stream.send_data(b"x" * 60_000, False)
        sent += 60_000
        endpoint.turn()
        assert sent < 1_000_000
    _, number, _ = endpoint.requests[-1]
    (server,) = endpoint.servers.values()
    taken = 0
    while ("writable",) not in listener.told:
        for event in endpoint.heard:
            if event[0] == ev.DATA:
                taken += len(event[2])
                server.consumed(number, len(event[2]))
        endpoint.heard.clear()
        endpoint.turn()
    assert 0 < taken <= sent
    assert endpoint.state.stats.upstream_rq_active == 1


def test_nothing_is_written_while_the_peer_takes_nothing(endpoint: Endpoint) -> None:
    transport = connection(endpoint)
    transport.room = 0
    endpoint.ask()
    waiting = transport.waiting
    assert waiting > 0
    endpoint.ask()
    assert transport.waiting == waiting, "the second stays in the codec"
    assert len(endpoint.requests) == 1
    transport.drain()
    endpoint.turn()
    assert len(endpoint.requests) == 3


def test_an_early_answer_ends_the_request(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin(POST, b"a", end=False)
    endpoint.turn()
    endpoint.answer(status=413)
    assert listener.told == [("head", 413, b"", True)]
    assert endpoint.heard[-1] == (ev.RESET, 3, ev.NO_ERROR, False, False)
    stream.send_data(b"more", True)
    endpoint.turn()
    assert endpoint.ask().told == []


def test_cancelling_resets_the_stream_and_keeps_the_connection(endpoint: Endpoint) -> None:
    listener, stream = endpoint.begin()
    endpoint.turn()
    stream.cancel()
    assert endpoint.pool.active == 0
    endpoint.turn()
    assert endpoint.heard[-1] == (ev.RESET, 3, ev.CANCEL, False, False)
    assert endpoint.state.stats.upstream_rq_tx_reset == 1
    stream.cancel()
    stream.resume()
    endpoint.answer()
    assert listener.told == []
    assert connection(endpoint).open


FAILURES = {
    "cancelled": (raw.reset(3, ev.CANCEL), FailureKind.REMOTE_RESET, Reached.REQUEST_SENT),
    "refused": (raw.reset(3, ev.REFUSED_STREAM), FailureKind.REFUSED_STREAM, Reached.NOTHING_SENT),
    "left out by GOAWAY": (raw.goaway(1), FailureKind.REFUSED_STREAM, Reached.NOTHING_SENT),
    "an impossible answer": (raw.headers(((b":status", b"abc"),), 3), FailureKind.PROTOCOL_ERROR, Reached.REQUEST_SENT),
    "an answer that splits": (raw.headers((*raw.OK, (b"a", b"b\r\nc: d")), 3), FailureKind.PROTOCOL_ERROR, Reached.REQUEST_SENT),
    "a body too short": (
        raw.headers((*raw.OK, (b"content-length", b"5")), 3, end=False) + raw.data(b"abc", 3, end=True),
        FailureKind.PROTOCOL_ERROR,
        Reached.ANSWER_BEGUN,
    ),
    "cut off": (raw.headers(raw.OK, 3, end=False) + raw.reset(3, ev.INTERNAL_ERROR), FailureKind.REMOTE_RESET, Reached.ANSWER_BEGUN),
    "a broken connection": (raw.frame(raw.PING, payload=b"x"), FailureKind.PROTOCOL_ERROR, Reached.REQUEST_SENT),
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\n\r\n", FailureKind.PROTOCOL_ERROR, Reached.REQUEST_SENT),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(endpoint: Endpoint, name: str) -> None:
    said, kind, reached = FAILURES[name]
    listener = endpoint.ask()
    transport = connection(endpoint)
    del endpoint.servers[transport]
    transport.say(said)
    endpoint.turn()
    assert listener.told[-1] == ("failed", kind, reached)
    assert endpoint.pool.active == 0
    assert [said for said in listener.told if said[0] == "failed"] == [("failed", kind, reached)]


@pytest.mark.parametrize(("answer", "reached"), [(b"", Reached.REQUEST_SENT), (raw.headers(raw.OK, 3, end=False), Reached.ANSWER_BEGUN)])
def test_a_connection_that_dies_fails_what_is_under_way(endpoint: Endpoint, answer: bytes, reached: Reached) -> None:
    listener = endpoint.ask()
    transport = connection(endpoint)
    transport.say(answer)
    unsent, _ = endpoint.begin()
    transport.hang_up("reset")
    assert listener.told[-1] == ("failed", FailureKind.CONNECTION_TERMINATION, reached)
    assert unsent.told == [("failed", FailureKind.CONNECTION_TERMINATION, Reached.NOTHING_SENT)]
    assert (endpoint.pool.active, endpoint.pool.connections) == (0, {})
    assert endpoint.pool.take() is None
    assert endpoint.state.stats.upstream_cx_destroy_remote_with_active_rq == 1


def test_what_failed_can_begin_again_at_once(endpoint: Endpoint) -> None:
    """From inside ``on_failed``, on another connection."""
    listener, again = endpoint.ask(), RecordingListener()
    listener.then = lambda: endpoint.enqueue(again)
    connection(endpoint).hang_up()
    listener.then = lambda: None
    endpoint.servers.clear()
    endpoint.connect()
    endpoint.answer()
    assert again.told == [("head", 200, b"", True)]


def test_goaway_lets_the_rest_finish_and_then_closes(endpoint: Endpoint) -> None:
    listener = endpoint.ask()
    (server,) = endpoint.servers.values()
    server.drain()
    endpoint.turn()
    assert endpoint.pool.take() is None
    assert endpoint.state.stats.upstream_cx_close_notify == 1
    endpoint.answer(data=b"hello")
    assert listener.told == [("head", 200, b"hello", True)]
    assert was_closed(connection(endpoint))
    assert endpoint.pool.connections == {}


def test_goaway_on_an_idle_connection_closes_it(endpoint: Endpoint) -> None:
    (server,) = endpoint.servers.values()
    server.goaway()
    endpoint.turn()
    assert was_closed(connection(endpoint))
    assert endpoint.pool.connections == {}


def test_requests_are_counted_per_connection() -> None:
    endpoint = Endpoint(max_requests_per_connection=2)
    endpoint.enqueue()
    transport = endpoint.connect()
    endpoint.answer()
    listener = endpoint.ask()
    assert endpoint.pool.take() is None
    endpoint.answer()
    assert listener.told == [("head", 200, b"", True)]
    assert was_closed(transport)
    assert endpoint.state.stats.upstream_cx_max_requests == 1


def test_streams_are_limited_by_the_configuration_too(endpoint: Endpoint) -> None:
    limited = Endpoint(http2=Http2ProtocolOptions(max_concurrent_streams=2))
    limited.enqueue()
    limited.connect()
    limited.ask()
    assert limited.pool.take() is None
    limited.answer()
    assert limited.pool.take() is not None


def test_drained_pools_close_when_the_last_answer_is_out(endpoint: Endpoint) -> None:
    listener = endpoint.ask()
    endpoint.pool.drain()
    assert connection(endpoint).open
    endpoint.answer()
    assert listener.told == [("head", 200, b"", True)]
    assert was_closed(connection(endpoint))


def test_idle_connections_close(endpoint: Endpoint) -> None:
    idle_timeout = endpoint.state.config.idle_timeout
    endpoint.wait(idle_timeout - 1)
    listener = endpoint.ask()
    endpoint.wait(idle_timeout)
    assert connection(endpoint).open, "it carries a request"
    endpoint.answer()
    assert listener.told
    endpoint.wait(idle_timeout - 1)
    assert connection(endpoint).open, "it is idle since the answer"
    endpoint.wait(1)
    assert was_closed(connection(endpoint))
    assert raw.frames(connection(endpoint).written)[-1].kind == raw.GOAWAY
    assert endpoint.state.stats.upstream_cx_idle_timeout == 1


def test_connections_that_never_come() -> None:
    endpoint = Endpoint()
    leased = [endpoint.lease() for _ in range(2)]
    endpoint.connections[-1].refuse()
    assert [one.failed.kind for one in leased] == [FailureKind.REMOTE_CONNECTION_FAILURE] * 2
    late = endpoint.lease()
    endpoint.wait(10)
    assert late.failed.kind is FailureKind.CONNECTION_TIMEOUT
    assert endpoint.connections[-1].lost == "aborted"
    assert (endpoint.pool.connections, endpoint.pool.waiting) == ({}, type(endpoint.pool.waiting)())


def test_pings_are_forgiven_with_time(endpoint: Endpoint) -> None:
    transport = connection(endpoint)
    endpoint.servers.clear()
    for _ in range(50):
        transport.say(raw.frame(raw.PING, payload=b"12345678") * 50)
        endpoint.wait(1)
    assert transport.open
    transport.say(raw.frame(raw.PING, payload=b"12345678") * 2000)
    endpoint.turn()
    assert was_closed(transport)
    assert endpoint.state.stats.upstream_cx_protocol_error == 1


def test_it_says_what_it_is(endpoint: Endpoint) -> None:
    endpoint.ask()
    (made,) = endpoint.pool.connections
    assert repr(made) == "<Http2Connection 192.0.2.1:80 open active=1 requests=2>"


# connections that are to be used no more


@pytest.mark.parametrize("why", ["old", "renewed"])
def test_a_connection_that_is_to_be_used_no_more_closes_behind_what_it_carries(why: str) -> None:
    endpoint = Endpoint(max_connection_duration=10.0)
    endpoint.enqueue()
    transport = endpoint.connect()
    listener, other = endpoint.ask(), endpoint.ask()
    if why == "old":
        endpoint.wait(9)
        assert endpoint.pool.take() is not None
        endpoint.wait(1)
        endpoint.wait(10)
        assert endpoint.stats.upstream_cx_max_duration_reached == 1
    else:
        endpoint.pool.renew()
    assert endpoint.pool.take() is None
    waiting = endpoint.enqueue()
    endpoint.connect()
    endpoint.answer()
    assert waiting.told == [("head", 200, b"", True)]
    for number in range(3):
        assert transport.open
        endpoint.answer(number)
    assert listener.told == other.told == [("head", 200, b"", True)]
    assert was_closed(transport)


def test_idle_connections_that_are_old_or_renewed_close_at_once(endpoint: Endpoint) -> None:
    endpoint.pool.renew()
    endpoint.network.run()
    assert was_closed(connection(endpoint))
    aged = Endpoint(max_connection_duration=10.0)
    aged.enqueue()
    aged.connect()
    aged.answer()
    aged.wait(10)
    assert was_closed(connection(aged))
    assert aged.stats.upstream_cx_max_duration_reached == 1


def test_who_waits_for_a_place_gets_one_when_connections_are_renewed() -> None:
    endpoint = Endpoint(
        http2=Http2ProtocolOptions(max_concurrent_streams=1), circuit_breakers=CircuitBreakers(Thresholds(max_connections=1))
    )
    endpoint.enqueue()
    transport = endpoint.connect()
    waiting = endpoint.enqueue()
    endpoint.pool.renew()
    endpoint.answer()
    assert was_closed(transport)
    endpoint.connect()
    endpoint.answer()
    assert waiting.told == [("head", 200, b"", True)]


def test_a_failed_connection_counts_for_everybody_who_waited_for_it() -> None:
    endpoint = Endpoint()
    heard: list[object] = []

    class Watcher:
        def failed(self, failed: object) -> None:
            heard.append(failed)

    endpoint.pool.host.monitor = Watcher()  # type: ignore[assignment]
    for _ in range(3):
        endpoint.lease()
    assert len(endpoint.connections) == 1
    endpoint.connections[0].refuse()
    assert len(heard) == 3


@pytest.mark.parametrize(("limit", "expected"), [(0, 65536), (1 << 20, 65536), (100_000, 25_000), (8, 2)])
def test_a_streams_window_is_a_share_of_the_buffer(limit: int, expected: int) -> None:
    stalled = Endpoint(per_connection_buffer_limit_bytes=limit)
    recorder = RecordingListener()
    stalled.pool.lease().addCallback(lambda stream: (stream.send(GET, b"", True, recorder), stream.pause()))
    stalled.connect()
    stalled.answer(data=b"x" * 200_000, end=False)
    server, number, _ = stalled.requests[-1]
    assert 200_000 - server.queued(number) == expected


def test_an_endpoint_that_does_not_answer_pings() -> None:
    keepalive = ConnectionKeepalive(timeout=5.0, interval=10.0, interval_jitter=0.0)
    endpoint = Endpoint(http2=Http2ProtocolOptions(connection_keepalive=keepalive))
    listener = endpoint.enqueue()
    transport = endpoint.connect()
    for seconds in (10, 5):
        endpoint.clock.advance(seconds)
        endpoint.pool.expire(endpoint.clock.seconds())
        endpoint.turn()  # it answers
    assert transport.open
    endpoint.clock.advance(10)
    endpoint.pool.expire(endpoint.clock.seconds())
    endpoint.network.run()
    endpoint.clock.advance(5)
    endpoint.pool.expire(endpoint.clock.seconds())
    endpoint.network.run()
    assert not transport.open
    assert endpoint.pool.stats.http2.keepalive_timeout == 1
    assert listener.failed is not None and listener.failed.kind is FailureKind.CONNECTION_TERMINATION


def test_what_endpoints_do_is_counted(endpoint: Endpoint) -> None:
    for _ in range(2):
        endpoint.ask()
        server, number, _ = endpoint.requests[-1]
        server.reset(number, ev.CANCEL)
        endpoint.turn()
    endpoint.begin()[1].cancel()
    stats = endpoint.pool.stats.http2
    assert (stats.rx_reset, stats.tx_reset, stats.goaway_sent) == (2, 1, 0)
