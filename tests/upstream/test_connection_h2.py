"""Requests that share an HTTP/2 connection to an endpoint: from the lease to the end, however it comes."""

from collections.abc import Callable

import pytest

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, UpstreamProtocol
from shifter.routing.retry import Reached
from shifter.upstream.interfaces import Failed, FailureKind, LeaseFailed, ResponseListener
from shifter.upstream.pool import ClusterState
from shifter.upstream.pool_h2 import Http2Pool
from shifter.wire import h2_events as ev
from shifter.wire.events import NO_BODY, UNTIL_END, RequestHead, ResponseHead
from shifter.wire.h2 import Http2Options, ServerConnection
from tests.support import h2frames as raw
from tests.support.wires import MemoryNetwork, MemoryTransport

GET = RequestHead(b"GET", b"/", b"a.example")
POST = RequestHead(b"POST", b"/", b"a.example", length=UNTIL_END)
ADDRESS = SocketAddress("127.0.0.1", 80)


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.then: Callable[[], None] = lambda: None
        """What it does whenever it is told something."""

    def on_interim(self, head: ResponseHead) -> None:
        self._hears("interim", head.status)

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._hears("head", head.status, data, end)

    def on_data(self, data: bytes, end: bool) -> None:
        self._hears("data", data, end)

    def on_trailers(self, block: bytes) -> None:
        self._hears("trailers", block)

    def on_failed(self, failed: Failed) -> None:
        self._hears("failed", failed.kind, failed.reached)

    def on_blocked(self) -> None:
        self._hears("blocked")

    def on_writable(self) -> None:
        self._hears("writable")

    def _hears(self, *what: object) -> None:
        self.told.append(what)
        self.then()

    @property
    def body(self) -> bytes:
        return b"".join(bytes(said[-2]) for said in self.told if said[0] in ("head", "data"))  # type: ignore[call-overload]


_: ResponseListener = Listener()


class Endpoint:
    """A pool, and at the far end of each of its connections a server of another make: the codec's other role."""

    def __init__(self, config: Cluster | None = None, options: Http2Options | None = None) -> None:
        self.network = MemoryNetwork()
        config = config or Cluster("c", protocol=UpstreamProtocol.HTTP2)
        self.state = ClusterState(config)
        self.pool = Http2Pool(self.state, ADDRESS, self.network)  # type: ignore[arg-type]  # a network of the same shape
        self.options = options or Http2Options()
        self.servers: dict[MemoryTransport, ServerConnection] = {}
        self.requests: list[tuple[ServerConnection, int, RequestHead]] = []
        self.heard: list[ev.Event] = []

    @property
    def stats(self) -> object:
        return self.state.stats

    def connect(self) -> MemoryTransport:
        """Complete the connection that was begun last."""
        transport = self.network.transports[-1]
        self.servers[transport] = ServerConnection(self.options)
        assert transport.handler is not None
        transport.handler.connection_made()
        self.turn()
        return transport

    def turn(self) -> None:
        """Let both ends talk until they have nothing more to say."""
        busy = True
        while busy:
            busy = False
            self.network.turn()
            for transport, server in self.servers.items():
                data = transport.take()
                for event in server.receive(data) if data else ():
                    self.heard.append(event)
                    if event[0] == ev.REQUEST:
                        self.requests.append((server, event[1], event[2]))
                answer = server.data_to_send()
                server.events()
                if answer and not transport.closed:
                    transport.say(answer)
                busy = busy or bool(data) or bool(answer and not transport.closed)

    def ask(self, head: RequestHead = GET, data: bytes = b"", end: bool = True) -> Listener:
        """Send a request on a connection that has room."""
        listener = Listener()
        stream = self.pool.take()
        assert stream is not None
        stream.send(head, data, end, listener)
        self.streams[listener] = stream
        self.turn()
        return listener

    @property
    def streams(self) -> dict[Listener, object]:
        self.__dict__.setdefault("_streams", {})
        return self.__dict__["_streams"]  # type: ignore[no-any-return]

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
    first = made.pool.lease()
    first.addCallback(lambda stream: stream.send(GET, b"", True, Listener()))
    made.connect()
    made.answer()
    assert made.pool.active == 0
    return made


def connection(endpoint: Endpoint) -> MemoryTransport:
    (transport,) = endpoint.servers
    return transport


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
    listeners = [Listener() for _ in range(3)]
    for listener in listeners:
        endpoint.pool.lease().addCallback(lambda stream, to=listener: stream.send(GET, b"", True, to))
    assert len(endpoint.network.transports) == 1
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
    breakers = CircuitBreakers(max_connections=3)
    endpoint = Endpoint(Cluster("c", protocol=UpstreamProtocol.HTTP2, circuit_breakers=breakers), Http2Options(max_concurrent_streams=1))
    listeners = [Listener() for _ in range(10)]
    for listener in listeners:
        endpoint.pool.lease().addCallback(lambda stream, to=listener: stream.send(GET, b"", True, to))
    connected = 0
    answered = 0
    for _ in range(40):
        if len(endpoint.network.transports) > connected:
            connected += 1
            endpoint.connect()
        while answered < len(endpoint.requests):
            endpoint.answer(answered)
            answered += 1
    assert [listener.told for listener in listeners] == [[("head", 200, b"", True)]] * 10
    assert connected in (2, 3)
    assert endpoint.pool.active == 0


def test_bodies_stream_both_ways(endpoint: Endpoint) -> None:
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(POST, b"a", False, listener)
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
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(POST, b"a", False, listener)
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
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(GET, b"", True, listener)
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
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(GET, b"", True, listener)
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
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(GET, b"", True, listener)
    endpoint.turn()
    stream.pause()
    endpoint.answer(data=b"hello")
    connection(endpoint).lose()
    assert listener.told == []
    stream.resume()
    endpoint.turn()
    assert listener.told == [("head", 200, b"hello", True)]
    assert (endpoint.pool.active, endpoint.pool.connections) == (0, set())


def test_an_upload_rests_while_the_endpoint_does(endpoint: Endpoint) -> None:
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(POST, b"", False, listener)
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
    handler = transport.handler
    assert handler is not None
    handler.write_blocked()
    endpoint.ask()
    assert len(endpoint.requests) == 1
    handler.write_drained()
    endpoint.turn()
    assert len(endpoint.requests) == 2


def test_an_early_answer_ends_the_request(endpoint: Endpoint) -> None:
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(POST, b"a", False, listener)
    endpoint.turn()
    endpoint.answer(status=413)
    assert listener.told == [("head", 413, b"", True)]
    assert endpoint.heard[-1] == (ev.RESET, 3, ev.NO_ERROR, False, False)
    stream.send_data(b"more", True)
    endpoint.turn()
    assert endpoint.ask().told == []


def test_cancelling_resets_the_stream_and_keeps_the_connection(endpoint: Endpoint) -> None:
    listener = Listener()
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(GET, b"", True, listener)
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
    assert not connection(endpoint).closed


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
    listener, unsent = endpoint.ask(), Listener()
    transport = connection(endpoint)
    transport.say(answer)
    stream = endpoint.pool.take()
    assert stream is not None
    stream.send(GET, b"", True, unsent)
    transport.lose("reset")
    assert listener.told[-1] == ("failed", FailureKind.CONNECTION_TERMINATION, reached)
    assert unsent.told == [("failed", FailureKind.CONNECTION_TERMINATION, Reached.NOTHING_SENT)]
    assert (endpoint.pool.active, endpoint.pool.connections) == (0, set())
    assert endpoint.pool.take() is None
    assert endpoint.state.stats.upstream_cx_destroy_remote_with_active_rq == 1


def test_what_failed_can_begin_again_at_once(endpoint: Endpoint) -> None:
    """From inside ``on_failed``, on another connection."""
    listener, again = endpoint.ask(), Listener()
    listener.then = lambda: endpoint.pool.lease().addCallback(lambda stream: stream.send(GET, b"", True, again)) and None
    connection(endpoint).lose()
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
    assert connection(endpoint).closed == "close"
    assert endpoint.pool.connections == set()


def test_goaway_on_an_idle_connection_closes_it(endpoint: Endpoint) -> None:
    (server,) = endpoint.servers.values()
    server.goaway()
    endpoint.turn()
    assert connection(endpoint).closed == "close"
    assert endpoint.pool.connections == set()


def test_requests_are_counted_per_connection() -> None:
    endpoint = Endpoint(Cluster("c", protocol=UpstreamProtocol.HTTP2, max_requests_per_connection=2))
    endpoint.pool.lease().addCallback(lambda stream: stream.send(GET, b"", True, Listener()))
    transport = endpoint.connect()
    endpoint.answer()
    listener = endpoint.ask()
    assert endpoint.pool.take() is None
    endpoint.answer()
    assert listener.told == [("head", 200, b"", True)]
    assert transport.closed == "close"
    assert endpoint.state.stats.upstream_cx_max_requests == 1


def test_streams_are_limited_by_the_configuration_too(endpoint: Endpoint) -> None:
    limited = Endpoint(Cluster("c", protocol=UpstreamProtocol.HTTP2, max_concurrent_streams=2))
    limited.pool.lease().addCallback(lambda stream: stream.send(GET, b"", True, Listener()))
    limited.connect()
    limited.ask()
    assert limited.pool.take() is None
    limited.answer()
    assert limited.pool.take() is not None


def test_drained_pools_close_when_the_last_answer_is_out(endpoint: Endpoint) -> None:
    listener = endpoint.ask()
    endpoint.pool.drain()
    assert not connection(endpoint).closed
    endpoint.answer()
    assert listener.told == [("head", 200, b"", True)]
    assert connection(endpoint).closed == "close"


def test_idle_connections_close(endpoint: Endpoint) -> None:
    idle_timeout = endpoint.state.config.idle_timeout
    endpoint.network.now += idle_timeout - 1
    endpoint.pool.expire(endpoint.network.now)
    listener = endpoint.ask()
    endpoint.network.now += idle_timeout
    endpoint.pool.expire(endpoint.network.now)
    assert not connection(endpoint).closed, "it carries a request"
    endpoint.answer()
    assert listener.told
    endpoint.network.now += idle_timeout
    endpoint.pool.expire(endpoint.network.now)
    assert connection(endpoint).closed == "close"
    assert raw.frames(connection(endpoint).written)[-1].kind == raw.GOAWAY
    assert endpoint.state.stats.upstream_cx_idle_timeout == 1


def test_connections_that_never_come() -> None:
    endpoint = Endpoint()
    failures: list[LeaseFailed] = []
    for _ in range(2):
        endpoint.pool.lease().addErrback(lambda reason: failures.append(reason.value))
    endpoint.network.transports[-1].lose("refused")
    assert [failure.failed.kind for failure in failures] == [FailureKind.REMOTE_CONNECTION_FAILURE] * 2
    endpoint.pool.lease().addErrback(lambda reason: failures.append(reason.value))
    endpoint.network.now += 10
    endpoint.pool.expire(endpoint.network.now)
    assert failures[-1].failed.kind is FailureKind.CONNECTION_TIMEOUT
    assert (endpoint.pool.connections, endpoint.pool.waiting) == (set(), type(endpoint.pool.waiting)())


def test_pings_are_forgiven_with_time(endpoint: Endpoint) -> None:
    transport = connection(endpoint)
    endpoint.servers.clear()
    for _ in range(50):
        transport.say(raw.frame(raw.PING, payload=b"12345678") * 50)
        endpoint.network.now += 1
        endpoint.pool.expire(endpoint.network.now)
        endpoint.turn()
    assert not transport.closed
    transport.say(raw.frame(raw.PING, payload=b"12345678") * 2000)
    endpoint.turn()
    assert transport.closed
    assert endpoint.state.stats.upstream_cx_protocol_error == 1


def test_it_says_what_it_is(endpoint: Endpoint) -> None:
    endpoint.ask()
    (made,) = endpoint.pool.connections
    assert repr(made) == "<Http2Connection 127.0.0.1:80 open active=1 requests=2>"
