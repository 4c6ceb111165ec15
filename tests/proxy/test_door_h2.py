"""One client connection that carries many requests: what exchanges and clients hear of each other.

Over 600 lines, for a connection has one life: streams, windows, timeouts, drain and its end share one client and one scripted exchange.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.http2 import ConnectionKeepalive, Http2ProtocolOptions
from shifter.model.http_connection_manager import HttpConnectionManager, Underscores
from shifter.model.route import RouteConfiguration
from shifter.observe.logformat import LogEntry
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.door_h2 import Http2Door, take_over
from shifter.proxy.downstream import Downstream, Exchange
from shifter.proxy.draining import Drain, DrainStrategy
from shifter.proxy.tree import ListenerResource
from shifter.proxy.worker import Worker
from shifter.wire import h2_events as ev
from shifter.wire.events import NO_BODY, UNTIL_END, ProtocolError, RequestHead, fields
from shifter.wire.h2 import ClientConnection, Http2Options
from tests.support import h2frames as raw
from tests.support.h2ends import converse
from tests.support.listeners import http_listener
from tests.support.transports import FakeNetwork

SETTINGS = HttpConnectionManager("test", route_config=RouteConfiguration("none", ()))
GET = RequestHead(b"GET", b"/", b"a.example")
ANY_STREAM = 2**31 - 1
POST = RequestHead(b"POST", b"/", b"a.example", length=UNTIL_END)


class Recorder:
    """An exchange that keeps what it hears, and answers when the test says so."""

    def __init__(self, head: RequestHead, downstream: Downstream) -> None:
        self.head = head
        self.downstream = downstream
        self.heard: list[tuple[object, ...]] = []
        self.then: Callable[[], None] = lambda: None

    def begin(self, data: bytes, end: bool) -> None:
        self._hears("begin", data, end)

    def on_request_data(self, data: bytes, end: bool) -> None:
        self._hears("data", data, end)

    def on_request_trailers(self, block: bytes) -> None:
        self._hears("trailers", block)

    def on_request_broken(self, error: ProtocolError) -> None:
        self._hears("broken", error.status)
        self.downstream.finished()

    def on_downstream_lost(self, reset: bool = False) -> None:
        self._hears("taken back" if reset else "lost")
        self.downstream.finished()

    def on_downstream_blocked(self) -> None:
        self._hears("blocked")

    def on_downstream_writable(self) -> None:
        self._hears("writable")

    def _hears(self, *what: object) -> None:
        self.heard.append(what)
        self.then()

    def answer(self, status: int = 200, data: bytes = b"", block: bytes = b"") -> None:
        """Answer whole, and be over."""
        self.downstream.send_head(status, block, len(data) or NO_BODY, data, True)
        self.downstream.finished()

    @property
    def body(self) -> bytes:
        return b"".join(bytes(said[1]) for said in self.heard if said[0] in ("begin", "data"))  # type: ignore[call-overload]


class Tree:
    """Every route leads here."""

    def __init__(self) -> None:
        self.exchanges: list[Recorder] = []
        self.then: Callable[[Recorder], None] = lambda exchange: None

    def locate(self, head: RequestHead) -> "Tree":
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        exchange = Recorder(head, downstream)
        exchange.then = lambda: self.then(exchange)
        self.exchanges.append(exchange)
        return exchange


class Log:
    def __init__(self) -> None:
        self.entries: list[LogEntry] = []

    def write(self, entry: LogEntry) -> None:
        self.entries.append(entry)


class Client:
    """A client of another make, and the door it came through."""

    def __init__(self, settings: HttpConnectionManager = SETTINGS, options: Http2Options | None = None, greets: bool = True) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        worker = Worker(self.network, lambda: 0.5, lambda: 0.0)
        self.tree = Tree()
        self.log = Log()
        self.codec = ClientConnection(options or Http2Options())
        tree = ListenerResource(settings, lambda name: pytest.fail(name))
        hello = self.codec.data_to_send()
        first, rest = (hello[:30], hello[30:]) if greets else (b"", b"")
        self.runtime = ConnectionManager(
            http_listener("l", SocketAddress("127.0.0.1", 80), settings),
            settings,
            worker,
            tree,
            (),
            lambda transport, runtime: take_over(transport, runtime, first),
        )
        self.runtime.tree = self.tree  # type: ignore[assignment]  # it locates
        self.runtime.access_logs = (self.log,)  # type: ignore[assignment]  # it writes
        self.heard: list[ev.Event] = []
        self.transport = self.network.accept(self.runtime.accept)
        door = self.transport.handler
        assert isinstance(door, Http2Door)
        self.door = door
        if greets:
            self.network.run()
            self.transport.say(rest)
            self.turn()

    def turn(self) -> None:
        """Let both ends talk until they have nothing more to say."""
        converse(self.network, {self.transport: self.codec}, lambda _, event: self.heard.append(event))

    def wait(self, seconds: float) -> None:
        """Let time pass, and the door look at what has taken too long."""
        self.clock.advance(seconds)
        self.runtime.worker.tick()
        self.door.sweep(self.runtime.worker.now)
        self.network.run()

    @property
    def closed(self) -> bool:
        """Whether the door has closed the connection behind all that it wrote, and waits for the client to do the same."""
        return self.transport.lost is None and (self.transport.end, self.transport.waiting) == ("fin", 0)

    def closes_after(self, seconds: float) -> bool:
        """Let *seconds* pass, and say whether the door closes the connection then and not a second earlier."""
        self.wait(seconds - 1)
        before = self.transport.open
        self.wait(1)
        return before and self.closed

    def ask(self, head: RequestHead = GET, end: bool = True) -> tuple[int, Recorder]:
        number = self.codec.send_request(head, end)
        self.turn()
        return number, self.tree.exchanges[-1]

    def sees(self, number: int) -> list[tuple[object, ...]]:
        """What the client has heard of one of its streams."""
        seen: list[tuple[object, ...]] = []
        for event in self.heard:
            if event[0] == ev.RESPONSE and event[1] == number:
                seen.append(("head", event[2].status, event[3]))
            elif event[0] == ev.INTERIM and event[1] == number:
                seen.append(("interim", event[2].status))
            elif event[0] == ev.DATA and event[1] == number:
                seen.append(("data", event[2], event[3]))
            elif event[0] == ev.TRAILERS and event[1] == number:
                seen.append(("trailers", event[2]))
            elif event[0] == ev.RESET and event[1] == number:
                seen.append(("reset", event[2]))
        return seen


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_request_and_its_answer(client: Client) -> None:
    number, exchange = client.ask(RequestHead(b"GET", b"/x", b"b.example", b"\r\nx: y"))
    head = exchange.head
    assert (head.path, head.authority, head.version, head.length) == (b"/x", b"b.example", 20, NO_BODY)
    assert exchange.heard == [("begin", b"", True)]
    assert (exchange.downstream.peer, exchange.downstream.connection_id) == (b"192.0.2.7:4711", 1)
    exchange.answer(data=b"hello")
    client.turn()
    assert client.sees(number) == [("head", 200, False), ("data", b"hello", True)]
    stats = client.runtime.stats
    assert (stats.downstream_rq_http2_total, stats.downstream_cx_http2_total, stats.downstream_cx_http1_total) == (1, 1, -1)
    assert stats.downstream_rq_response_before_rq_complete == 0
    assert exchange.heard == [("begin", b"", True)]


def test_what_only_the_proxy_may_say_is_not_taken_from_a_client(client: Client) -> None:
    forged = b"\r\nx-forwarded-client-cert: By=me\r\nx-envoy-retry-on: 5xx\r\nx-mine: 1"
    _, exchange = client.ask(RequestHead(b"GET", b"/x", b"b.example", forged))
    names = [name for name, _ in fields(exchange.head.block)]
    assert b"x-mine" in names
    assert b"x-forwarded-client-cert" not in names
    assert b"x-envoy-retry-on" not in names


def test_many_requests_at_a_time(client: Client) -> None:
    asked = [client.ask(RequestHead(b"GET", b"/%d" % at, b"a")) for at in range(50)]
    for _, exchange in reversed(asked):
        exchange.answer(data=exchange.head.path)
    client.turn()
    for number, exchange in asked:
        assert client.sees(number) == [("head", 200, False), ("data", exchange.head.path, True)]
    assert client.door.codec.active == 0


def test_what_is_answered_in_one_turn_leaves_in_one_piece(client: Client) -> None:
    client.tree.then = lambda exchange: exchange.answer(data=b"x")
    for _ in range(5):
        client.codec.send_request(GET, True)
    client.transport.arrive(client.codec.data_to_send())
    assert client.transport.receive()
    assert client.transport.written == b""
    client.network.flush()
    assert [one.kind for one in raw.frames(client.transport.written)] == [raw.HEADERS] * 5 + [raw.DATA] * 5


def test_bodies_and_trailers_both_ways(client: Client) -> None:
    number = client.codec.send_request(POST, False)
    client.codec.send_data(number, b"a", False)
    client.turn()
    (exchange,) = client.tree.exchanges
    downstream = exchange.downstream
    downstream.send_interim(100, b"")
    downstream.send_head(200, b"", UNTIL_END, b"x", False)
    client.codec.send_data(number, b"b", False)
    client.codec.send_trailers(number, b"\r\nsum: 1")
    client.turn()
    downstream.send_data(b"y", False)
    downstream.send_trailers(b"\r\nsum: 2")
    downstream.finished()
    client.turn()
    assert exchange.heard == [("begin", b"a", False), ("data", b"b", False), ("trailers", b"\r\nsum: 1")]
    body = [said for said in client.sees(number) if said[0] != "data"]
    assert body == [("interim", 100), ("head", 200, False), ("trailers", b"\r\nsum: 2")]
    assert client.door.codec.active == 0


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_answers_without_a_body(client: Client, method: bytes, status: int) -> None:
    number, exchange = client.ask(RequestHead(method, b"/", b"a"))
    exchange.downstream.send_head(status, b"", 5, b"hello", False)
    exchange.downstream.send_data(b"more", False)
    exchange.downstream.send_trailers(b"\r\na: b")
    exchange.downstream.finished()
    client.turn()
    assert client.sees(number) == [("head", status, True)]


@pytest.mark.parametrize("trailers", [False, True])
def test_answers_that_end_with_nothing(client: Client, trailers: bool) -> None:
    number, exchange = client.ask()
    exchange.downstream.send_head(200, b"", UNTIL_END, b"x", False)
    client.turn()
    if trailers:
        exchange.downstream.send_trailers(b"")
    else:
        exchange.downstream.send_data(b"", True)
    exchange.downstream.finished()
    client.turn()
    assert client.sees(number) == [("head", 200, False), ("data", b"x", False), ("data", b"", True)]


def test_an_early_answer_stops_the_request(client: Client) -> None:
    number, exchange = client.ask(POST, end=False)
    exchange.answer(413, b"too large")
    client.turn()
    assert client.sees(number) == [("head", 413, False), ("data", b"too large", True), ("reset", ev.NO_ERROR)]
    assert client.runtime.stats.downstream_rq_response_before_rq_complete == 1
    other, again = client.ask()
    again.answer()
    client.turn()
    assert client.sees(other) == [("head", 200, True)]


def test_a_cut_answer_can_be_told_from_a_whole_one(client: Client) -> None:
    number, exchange = client.ask()
    exchange.downstream.send_head(200, b"", UNTIL_END, b"x", False)
    client.turn()
    exchange.downstream.reset()
    exchange.downstream.finished()
    client.turn()
    assert client.sees(number) == [("head", 200, False), ("data", b"x", False), ("reset", ev.INTERNAL_ERROR)]
    assert client.runtime.stats.downstream_rq_tx_reset == 1


def test_an_exchange_that_rests_holds_a_window_at_most() -> None:
    client = Client(replace(SETTINGS, http2=Http2ProtocolOptions(initial_stream_window_size=70_000)))
    number = client.codec.send_request(POST, False)
    client.turn()
    (exchange,) = client.tree.exchanges
    exchange.downstream.pause_request()
    body = bytes(range(256)) * 2000
    client.codec.send_data(number, body, True)
    client.turn()
    assert exchange.heard == [("begin", b"", False)]
    assert client.codec.queued(number) == len(body) - 70_000
    # other requests go on meanwhile
    other, quick = client.ask()
    quick.answer()
    client.turn()
    assert client.sees(other) == [("head", 200, True)]
    exchange.downstream.resume_request()
    assert exchange.heard == [("begin", b"", False)], "not from inside the call"
    client.turn()
    assert exchange.body == body
    assert exchange.heard[-1][-1] is True
    stats = client.runtime.stats
    assert (stats.downstream_flow_control_paused_reading_total, stats.downstream_flow_control_resumed_reading_total) == (1, 1)


def test_resting_again_while_it_is_served(client: Client) -> None:
    number, exchange = client.ask(POST, end=False)
    exchange.downstream.pause_request()
    exchange.then = exchange.downstream.pause_request
    body = b"x" * 100_000
    client.codec.send_data(number, body, False)
    client.codec.send_trailers(number, b"\r\na: b")
    client.turn()
    while exchange.heard[-1][0] != "trailers":
        before = len(exchange.heard)
        exchange.downstream.resume_request()
        client.turn()
        assert len(exchange.heard) == before + 1, "one piece, then it rests"
    assert exchange.body == body


def test_held_bytes_of_an_exchange_that_ends_give_the_windows_back() -> None:
    client = Client(replace(SETTINGS, http2=Http2ProtocolOptions(initial_connection_window_size=65_535, initial_stream_window_size=65_535)))
    for _ in range(20):
        number = client.codec.send_request(POST, False)
        client.turn()
        exchange = client.tree.exchanges[-1]
        exchange.downstream.pause_request()
        client.codec.send_data(number, b"x" * 30_000, True)
        client.turn()
        exchange.answer()
        client.turn()
        assert client.sees(number)[0] == ("head", 200, True)
    assert client.codec.queued(number) == 0


def test_upstreams_rest_while_the_client_does() -> None:
    client = Client(options=Http2Options(stream_window=65_535))
    number, exchange = client.ask()
    exchange.downstream.send_head(200, b"", UNTIL_END, b"", False)
    sent = 0
    while exchange.heard[-1] != ("blocked",):
        exchange.downstream.send_data(b"x" * 50_000, False)
        sent += 50_000
        client.turn()
        assert sent < 500_000
    assert client.door.codec.queued(number) == sent - 65_535
    client.codec.consumed(number, 65_535)
    client.turn()
    client.codec.consumed(number, 65_535)
    client.turn()
    assert exchange.heard[-1] == ("writable",)


def test_nothing_is_written_while_the_client_takes_nothing(client: Client) -> None:
    number, exchange = client.ask()
    client.transport.room = 0
    client.transport.say(raw.frame(raw.PING, payload=b"12345678"))
    waiting = client.transport.waiting
    assert waiting > 0, "the answer to the ping"
    exchange.downstream.send_head(200, b"", UNTIL_END, b"x" * 100_000, False)
    client.turn()
    assert client.sees(number) == []
    assert exchange.heard[-1] == ("blocked",)
    assert client.transport.waiting == waiting
    client.transport.drain()
    client.turn()
    assert client.sees(number)[0] == ("head", 200, False)
    assert exchange.heard[-1] == ("writable",)


@pytest.mark.parametrize("end", [False, True])
def test_a_client_that_cancels(client: Client, end: bool) -> None:
    number, exchange = client.ask(POST, end)
    client.codec.reset(number)
    client.turn()
    assert exchange.heard[-1] == ("taken back",)
    exchange.answer()
    client.turn()
    assert client.sees(number) == []
    assert client.transport.open


def test_a_client_that_breaks_its_request(client: Client) -> None:
    number, exchange = client.ask(RequestHead(b"POST", b"/", b"a", b"\r\ncontent-length: 5"), end=False)
    client.codec.send_data(number, b"toomuch", True)
    client.turn()
    assert exchange.heard[-1] == ("broken", 400)
    assert client.sees(number) == [("reset", ev.PROTOCOL_ERROR)]
    assert client.runtime.stats.downstream_cx_protocol_error == 1
    assert client.transport.open


@pytest.mark.parametrize(("reason", "local"), [("closed", False), ("reset", False), ("aborted", True)])
def test_a_connection_that_dies(client: Client, reason: str, local: bool) -> None:
    exchanges = [client.ask()[1] for _ in range(3)]
    if local:
        client.door.drop()
        client.network.run()
    else:
        client.transport.hang_up(reason)
    assert client.transport.lost == reason
    for exchange in exchanges:
        assert exchange.heard == [("begin", b"", True), ("lost",)]
    client.turn()
    stats = client.runtime.stats
    assert (stats.downstream_cx_destroy_local, stats.downstream_cx_destroy_remote) == (int(local), int(not local))
    assert (stats.downstream_cx_destroy_local_active_rq, stats.downstream_cx_destroy_remote_active_rq) == (int(local), int(not local))
    assert client.runtime.listener_stats.downstream_cx_destroy == 1
    assert client.runtime.doors == set()
    exchanges[0].answer()


def test_a_connection_that_breaks_the_rules(client: Client) -> None:
    _, exchange = client.ask()
    client.transport.say(raw.frame(raw.PING, payload=b"x"))
    assert exchange.heard[-1] == ("lost",)
    assert client.closed
    assert raw.frames(client.transport.written)[-1].kind == raw.GOAWAY
    client.wait(0.75)
    assert client.closed
    client.wait(0.25)
    assert client.transport.lost == "closed locally"
    assert client.runtime.stats.downstream_cx_protocol_error == 1


def test_a_request_that_is_too_large_is_refused(client: Client) -> None:
    number = client.codec.send_request(RequestHead(b"GET", b"/", b"a", b"\r\na: b" * 101), True)
    client.turn()
    assert client.tree.exchanges == []
    assert client.sees(number)[0] == ("head", 431, False)
    stats = client.runtime.stats
    assert (stats.downstream_rq_too_large, stats.downstream_rq_active, stats.codes[431]) == (1, 0, 1)
    assert [(entry.status, entry.details, entry.protocol) for entry in client.log.entries] == [(431, "http2.too_many_headers", b"HTTP/2")]


@pytest.mark.parametrize("fields", [b"\r\ntransfer-encoding: chunked", b"\r\nconnection: close"])
def test_a_request_that_cannot_be_read_is_accounted_for(client: Client, fields: bytes) -> None:
    good, _ = client.ask()
    stats = client.runtime.stats
    number = client.codec.send_request(RequestHead(b"GET", b"/", b"a", fields), True)
    client.turn()
    assert client.sees(number) == [("reset", ev.PROTOCOL_ERROR)]
    (entry,) = client.log.entries
    assert (entry.status, entry.flags, entry.details, entry.protocol) == (0, b"DPE", "http2.invalid.header.field", b"HTTP/2")
    assert (stats.downstream_rq_total, stats.downstream_rq_active, stats.downstream_cx_protocol_error) == (2, 1, 1)
    assert stats.downstream_rq_rx_reset == stats.http2.rx_messaging_error == 1
    client.tree.exchanges[0].answer()
    client.turn()
    assert client.sees(good) == [("head", 200, True)]


def test_a_fault_of_ours_costs_one_request(client: Client, logged_failures: list[Failure]) -> None:
    def fail(exchange: Recorder) -> None:
        if exchange.head.path == b"/fail":
            raise RuntimeError("on purpose")
        exchange.answer()

    client.tree.then = fail
    numbers = [client.codec.send_request(RequestHead(b"GET", path, b"a"), True) for path in (b"/fail", b"/")]
    client.turn()
    assert [client.sees(number) for number in numbers] == [[("reset", ev.INTERNAL_ERROR)], [("head", 200, True)]]
    assert len(logged_failures) == 2
    logged_failures.clear()


def test_an_idle_connection_drains(client: Client) -> None:
    """This client takes the notice for the end, and says nothing more."""
    client.door.drain()
    client.turn()
    assert (ev.GOAWAY, ANY_STREAM, 0, "") in client.heard
    assert client.closes_after(5)
    assert client.runtime.stats.downstream_cx_drain_close == 1


def test_a_busy_connection_drains_when_it_is_done(client: Client) -> None:
    number, exchange = client.ask()
    client.door.drain()
    client.door.drain()
    client.turn()
    assert [event[1] for event in client.heard if event[0] == ev.GOAWAY] == [ANY_STREAM, 1]  # the second as soon as it knew of the first
    assert client.transport.open
    exchange.answer(data=b"bye")
    client.turn()
    assert client.sees(number) == [("head", 200, False), ("data", b"bye", True)]
    assert client.closed
    assert client.runtime.stats.downstream_cx_drain_close == 1


def test_requests_that_cross_the_notice_are_served(client: Client) -> None:
    client.ask()[1].answer()
    client.turn()
    number = client.codec.send_request(GET, True)
    client.transport.arrive(client.codec.data_to_send())
    client.door.drain()
    client.network.flush()
    client.turn()
    assert [event[1] for event in client.heard if event[0] == ev.GOAWAY] == [ANY_STREAM, number]
    client.tree.exchanges[-1].answer()
    client.turn()
    assert client.sees(number) == [("head", 200, True)]
    assert client.closed


def test_an_answer_may_be_where_a_drain_begins() -> None:
    client = Client()
    client.runtime.tell(Drain(DrainStrategy.GRADUAL, 0.0, 10.0, lambda: 1 << 62))
    client.ask()[1].answer()
    client.wait(4)
    client.turn()
    assert client.transport.open and client.runtime.stats.downstream_cx_drain_close == 0
    client.wait(1.5)
    number, exchange = client.ask()
    exchange.answer()
    client.turn()
    assert client.sees(number) == [("head", 200, True)]
    assert client.runtime.stats.downstream_cx_drain_close == 1
    assert (ev.GOAWAY, ANY_STREAM, 0, "") in client.heard


def test_a_connection_grows_only_so_old() -> None:
    client = Client(replace(SETTINGS, max_connection_duration=60.0, drain_timeout=2.0))
    number, exchange = client.ask()
    client.wait(60)
    client.turn()
    assert client.codec.going_away
    assert client.runtime.stats.downstream_cx_max_duration_reached == 1
    exchange.answer()
    client.turn()
    assert client.sees(number) == [("head", 200, True)]
    assert client.closed


def test_a_connection_that_came_as_the_listener_went(client: Client) -> None:
    client.runtime.gone = True
    client.wait(1)
    client.turn()
    assert client.codec.going_away


def test_requests_are_counted_per_connection() -> None:
    client = Client(replace(SETTINGS, max_requests_per_connection=2))
    client.ask()[1].answer()
    client.turn()
    assert not client.codec.going_away
    number, exchange = client.ask()
    assert client.codec.going_away
    exchange.answer()
    client.turn()
    assert client.sees(number) == [("head", 200, True)]
    assert client.closed
    assert client.runtime.stats.downstream_cx_max_requests_reached == 1


def test_idle_connections_close(client: Client) -> None:
    _, exchange = client.ask()
    client.wait(10_000)
    assert client.transport.open
    exchange.answer()
    client.turn()
    client.wait(3600)
    assert client.closes_after(5)
    assert client.runtime.stats.downstream_cx_idle_timeout == 1


def test_a_client_that_never_says_hello() -> None:
    client = Client(greets=False)
    client.transport.say(raw.PREFACE[:10])
    assert client.closes_after(60)
    assert client.runtime.stats.downstream_rq_header_timeout == 1


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    client = Client(options=Http2Options(stream_window=65_535))
    number, exchange = client.ask()
    exchange.answer(data=b"x" * 200_000)
    other, moving = client.ask()
    moving.answer(data=b"x" * 200_000)
    client.turn()
    client.wait(0)
    client.codec.consumed(other, 65_535)
    client.turn()
    client.wait(299)
    client.turn()
    client.wait(2)
    client.turn()
    assert client.sees(number)[-1] == ("reset", ev.INTERNAL_ERROR)
    assert client.sees(other)[-1][0] == "data"
    client.codec.consumed(other, 200_000)
    client.turn()
    client.codec.consumed(other, 200_000)
    client.turn()
    assert client.sees(other)[-1][-1] is True


def test_dropping(client: Client) -> None:
    client.ask()
    client.door.drop()
    client.network.run()
    assert (client.transport.lost, client.transport.end) == ("aborted", "reset")


def test_it_says_what_it_is(client: Client) -> None:
    _, exchange = client.ask()
    assert repr(client.door) == "<Http2Door 192.0.2.7:4711 requests=1 active=1>"
    assert repr(exchange.downstream) == "<Http2Downstream 1 of 192.0.2.7:4711>"


@pytest.mark.parametrize("cut", [False, True])
def test_a_client_whose_fields_never_end(cut: bool) -> None:
    client = Client(replace(SETTINGS, request_headers_timeout=10.0))
    head = raw.frame(raw.HEADERS, raw.END_STREAM, 1, raw.block(raw.GET))
    client.transport.say(raw.headers()[:20] if cut else head)
    client.network.run()
    client.wait(1)  # it is seen for the first time
    assert client.closes_after(10)
    assert client.runtime.stats.downstream_rq_header_timeout == 1
    assert not client.tree.exchanges


def test_a_client_that_does_not_answer_pings() -> None:
    keepalive = ConnectionKeepalive(timeout=5.0, interval=10.0, interval_jitter=0.0)
    client = Client(replace(SETTINGS, http2=Http2ProtocolOptions(connection_keepalive=keepalive)))
    client.ask()
    client.wait(10)
    client.turn()  # it answers
    client.wait(5)
    client.wait(5)
    client.network.run()
    assert client.transport.open
    client.wait(10)
    client.wait(5)
    assert not client.transport.open
    assert client.runtime.stats.http2.keepalive_timeout == 1
    assert ("lost",) in client.tree.exchanges[0].heard


FLOODS = {
    "inbound_empty_frames_flood": raw.headers(raw.POST, end=False) + raw.data(b"") * 2,
    "inbound_priority_frames_flood": raw.frame(raw.PRIORITY, stream=1, payload=bytes(5)) * 101,
    "inbound_window_update_frames_flood": raw.window_update(1) * 50,
    "outbound_control_flood": raw.frame(raw.PING, payload=bytes(8)) * 1001,
    "header_overflow": raw.frame(raw.HEADERS, 0, 1, raw.block(raw.GET)) + raw.frame(raw.CONTINUATION, stream=1, payload=b"\0\1a\1b") * 20,
}


@pytest.mark.parametrize("limit", FLOODS)
def test_floods_end_the_connection_and_no_other(client: Client, limit: str) -> None:
    other = client.network.accept(client.runtime.accept)
    codec = ClientConnection(Http2Options())
    other.say(codec.data_to_send()[30:])  # the rest has come before the door
    client.transport.say(FLOODS[limit])
    client.network.run()
    last = raw.frames(client.transport.written)[-1]
    assert (last.kind, last.code) == (raw.GOAWAY, ev.ENHANCE_YOUR_CALM)
    assert client.closed
    assert getattr(client.runtime.stats.http2, limit) == 1
    codec.send_request(GET, True)
    other.say(codec.data_to_send())
    client.network.run()
    client.tree.exchanges[-1].answer(200, b"hello")
    client.network.run()
    assert [event[0] for event in codec.receive(other.take())][-2:] == [ev.RESPONSE, ev.DATA]


def test_rapid_resets_end_the_connection(client: Client) -> None:
    for number in range(3, 4000, 2):
        client.transport.say(raw.headers(stream=number) + raw.reset(number))
        if client.closed:
            break
    assert client.closed
    assert len(client.tree.exchanges) < 400
    assert client.runtime.stats.downstream_rq_too_many_premature_resets == 1
    assert client.runtime.stats.http2.rx_reset > 100


def test_resets_that_a_client_provokes_end_the_connection(client: Client) -> None:
    for number in range(3, 4000, 2):  # CVE-2025-8671: it breaks its own requests, and we reset them
        client.transport.say(raw.headers(raw.POST, stream=number, end=False) + raw.window_update(0, number))
        if client.closed:
            break
    assert client.closed
    assert len(client.tree.exchanges) < 200


def test_names_with_underscores_are_counted(client: Client) -> None:
    client = Client(replace(SETTINGS, headers_with_underscores=Underscores.DROP_HEADER))
    client.ask(RequestHead(b"GET", b"/", b"a.example", b"\r\na_b: c\r\nd_e: f\r\ng: h"))
    assert client.runtime.stats.http2.dropped_headers_with_underscores == 2
    client = Client(replace(SETTINGS, headers_with_underscores=Underscores.REJECT_REQUEST))
    client.codec.send_request(RequestHead(b"GET", b"/", b"a.example", b"\r\na_b: c"), True)
    client.turn()
    assert client.runtime.stats.http2.requests_rejected_with_underscores_in_headers == 1


@pytest.mark.parametrize(("idle", "flush", "limit"), [(20.0, None, 20.0), (300.0, 5.0, 5.0), (20.0, 0.0, None)])
def test_an_end_that_the_client_does_not_take(idle: float, flush: float | None, limit: float | None) -> None:
    client = Client(
        replace(SETTINGS, stream_idle_timeout=idle, stream_flush_timeout=flush, idle_timeout=0.0), Http2Options(stream_window=65_535)
    )
    number, exchange = client.ask()
    exchange.answer(data=b"x" * 200_000)
    client.turn()
    client.wait(1)  # the door finds that it moves no more
    if limit is None:
        client.wait(1000)
        assert client.runtime.stats.http2.tx_flush_timeout == 0
        return
    client.wait(limit - 1)
    assert client.runtime.stats.http2.tx_flush_timeout == 0
    client.wait(1)
    client.turn()
    assert client.runtime.stats.http2.tx_flush_timeout == 1
    assert client.sees(number)[-1] == ("reset", ev.INTERNAL_ERROR)
