"""One client connection: requests in order, what is refused and how, and when the connection ends.

Over 600 lines, for a connection has one life: order, limits, refusals and its end share the doubles at both ends.
"""

import pytest

from shifter.model.route import (
    DirectResponseAction,
    HeaderMatcher,
    PathMatchKind,
    RedirectAction,
    Route,
    RouteAction,
    RouteMatch,
    WeightedCluster,
)
from shifter.net.transport import Handler, Transport
from shifter.proxy import door as module
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.door import PREFACE
from shifter.proxy.draining import Drain, DrainStrategy
from tests.support.proxies import ONE, Proxy, forward, get, local, passed
from tests.support.transports import LARGE, FakeTransport
from tests.support.turns import Recorder

DIRECT = local(b"403 Forbidden", b"no entry")
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
NOT_FOUND = local(b"404 Not Found")


def refused(status: bytes, body: bytes | None = None) -> bytes:
    """What a client is told that did not send a request."""
    return local(status, status[4:] if body is None else body, close=True)


def ended(proxy: Proxy, client: FakeTransport) -> None:
    """Check that the proxy has closed *client* after all was sent, and reads what it still says."""
    assert (client.end, client.lost) == ("fin", None)
    client.say(get(b"/direct"))
    client.hang_up()
    assert client.lost == "closed locally"
    assert client.written == b""


# pipelining and keep-alive


def test_keep_alive() -> None:
    proxy = Proxy()
    client = proxy.connect()
    for _ in range(3):
        client.say(get(b"/direct"))
        assert client.take() == DIRECT
    assert client.lost is None
    proxy.settled(c403=3)
    assert proxy.stats.downstream_cx_total == proxy.stats.downstream_cx_active == 1


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_requests_may_come_in_any_pieces(cut: int) -> None:
    proxy = Proxy()
    raw = get(b"/direct") + b"\r\n" + get(b"/unknown") + get(b"/direct", method=b"HEAD") + get(b"/nothing")
    client = proxy.connect(*[raw[at : at + cut] for at in range(0, len(raw), cut)])
    nothing = local(b"204 No Content").replace(b"\r\ncontent-length: 0", b"")
    assert client.take() == DIRECT + NOT_FOUND + DIRECT.removesuffix(b"no entry") + nothing
    proxy.settled(c403=2, c404=1, c204=1)


def test_a_thousand_requests_at_once() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/direct") * 1000)
    assert client.take() == DIRECT * 1000
    proxy.settled(c403=1000)


def test_answers_keep_the_order_of_the_requests() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one/1") + get(b"/direct") + get(b"/one/2") + get(b"/direct") * 500)
    assert client.take() == b""
    assert proxy.backend.take().startswith(b"GET /one/1 ")
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0") + DIRECT
    assert proxy.backend.take().startswith(b"GET /one/2 ")
    client.say(get(b"/unknown"))
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0") + DIRECT * 500 + NOT_FOUND
    assert len(proxy.backends) == 1
    proxy.settled(c200=2, c403=501, c404=1)


def test_a_request_behind_a_body_is_served() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one", b"content-length: 3", method=b"POST") + b"abc" + get(b"/direct"))
    assert proxy.backend.take().endswith(b"\r\n\r\nabc")
    proxy.backend.say(EMPTY)
    assert client.take().endswith(DIRECT)
    client.say(get(b"/one", b"transfer-encoding: chunked", method=b"POST"), b"3\r\nabc\r\n0\r\n\r\n" + get(b"/direct"))
    assert proxy.backend.take().endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    proxy.backend.say(EMPTY)
    assert client.take().endswith(DIRECT)
    proxy.settled(c200=2, c403=2)


def test_what_comes_ahead_is_kept_up_to_a_limit() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    one = get(b"/direct")
    count = module._AHEAD // len(one) + 1
    client.say(one * count, one, one)
    assert client.paused
    proxy.backend.say(EMPTY)
    assert not client.paused
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0") + DIRECT * (count + 2)
    proxy.settled(c200=1, c403=count + 2)
    assert proxy.stats.downstream_flow_control_paused_reading_total == 1
    assert proxy.stats.downstream_flow_control_resumed_reading_total == 1


def test_a_client_that_does_not_read_gets_no_further_answers() -> None:
    proxy = Proxy()
    client = proxy.connect()
    client.room = 10
    client.say(get(b"/direct"))
    assert client.paused
    client.say(get(b"/direct") * 2, get(b"/direct"))
    assert proxy.stats.codes[403] == 1
    client.drain()
    assert client.take() == DIRECT * 4
    proxy.settled(c403=4)


def test_many_answers_at_once_wait_for_a_client_that_does_not_read() -> None:
    proxy = Proxy()
    client = proxy.connect()
    client.room = 1000
    client.say(get(b"/direct") * 1000)
    assert proxy.stats.codes[403] < 100
    for _ in range(1000):
        client.drain(1000)
    client.drain()
    assert client.take() == DIRECT * 1000
    proxy.settled(c403=1000)


def test_many_answers_to_a_client_that_stops_reading_between_them() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    client.say(get(b"/one") + get(b"/direct"))
    client.room = 0
    proxy.backend.take()
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % LARGE + b"x" * LARGE)
    assert client.waiting > LARGE
    assert proxy.stats.codes[200] == 1
    assert proxy.backend.take() == b""  # the next request has to wait
    client.drain()
    assert proxy.backend.take().startswith(b"GET /one ")
    proxy.backend.say(EMPTY)
    assert client.take().endswith(DIRECT)
    proxy.settled(c200=2, c403=1)


@pytest.mark.parametrize("line", [b"connection: close", b"Connection: x, Close"])
def test_a_client_may_ask_for_the_end(line: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/direct", line) + get(b"/direct"))
    assert client.take() == local(b"403 Forbidden", b"no entry", close=True)
    ended(proxy, client)
    proxy.settled(c403=1)


def test_max_requests_per_connection() -> None:
    proxy = Proxy(max_requests_per_connection=2)
    client = proxy.connect(get(b"/direct") * 3)
    assert client.take() == DIRECT + local(b"403 Forbidden", b"no entry", close=True)
    ended(proxy, client)
    proxy.settled(c403=2)
    assert proxy.stats.downstream_cx_max_requests_reached == 1


# HTTP/1.0


def test_http_10_is_refused_by_default() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/direct", version=b"HTTP/1.0"))
    assert client.take() == refused(b"426 Upgrade Required")
    ended(proxy, client)
    proxy.settled(c426=1)


def test_http_10_where_it_is_accepted() -> None:
    proxy = Proxy(accept_http_10=True)
    client = proxy.connect(get(b"/direct", version=b"HTTP/1.0"))
    assert client.take() == local(b"403 Forbidden", b"no entry", close=True)
    ended(proxy, client)
    client = proxy.connect(get(b"/direct", b"connection: keep-alive", version=b"HTTP/1.0") * 2)
    assert client.take() == local(b"403 Forbidden", b"no entry").replace(b"\r\n\r\n", b"\r\nconnection: keep-alive\r\n\r\n") * 2
    client.say(get(b"/direct"))
    assert client.take() == DIRECT
    proxy.settled(c403=4)


def test_http_10_gets_no_chunks() -> None:
    proxy = Proxy(accept_http_10=True)
    client = proxy.connect(get(b"/one", b"connection: keep-alive", version=b"HTTP/1.0"))
    assert b"HTTP/1.1\r\n" in proxy.backend.take()
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", b"0\r\n\r\n")
    answer = client.take()
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nabc")
    assert b"transfer-encoding" not in answer
    ended(proxy, client)
    proxy.settled(c200=1)


@pytest.mark.parametrize(("default", "status"), [(b"", b"400 Bad Request"), (b"b.example", b"404 Not Found")])
def test_http_10_without_a_host(default: bytes, status: bytes) -> None:
    proxy = Proxy(accept_http_10=True, default_host_for_http_10=default)
    client = proxy.connect(b"GET /unknown HTTP/1.0\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n")
    ended(proxy, client)


# refusals

BAD = b"400 Bad Request"
REFUSED = [
    (b"GET /direct\r\n\r\n", BAD, None),
    (b"FROBNICATE / HTTP/1.1\r\nhost: a\r\n\r\n", BAD, None),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", BAD, None),
    (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", b"426 Upgrade Required", None),
    (b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", BAD, None),
    (b"GET / HTTP/1.1\r\n\r\n", BAD, b""),
    (b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", BAD, None),
    (get(b"/", b"x : 1"), BAD, None),
    (get(b"/", b"x: \x00"), BAD, None),
    (get(b"/", b"x: 1", b" y"), BAD, None),
    (get(b"/", b"content-length: +5"), BAD, None),
    (get(b"/", b"content-length: 5", b"content-length: 5"), BAD, None),
    (get(b"/", b"content-length: 5", b"transfer-encoding: chunked"), BAD, None),
    (get(b"/", b"transfer-encoding: identity"), b"501 Not Implemented", None),
    (get(b"/", b"transfer-encoding: gzip, chunked"), b"501 Not Implemented", None),
    (get(b"/one", b"transfer-encoding: chunked") + b"+5\r\n", BAD, None),
    (get(b"/", *[b"x: 1"] * 100), b"431 Request Header Fields Too Large", None),
    (get(b"/", b"x: " + b"y" * 61440), b"431 Request Header Fields Too Large", None),
    (b"GET /" + b"y" * 70_000, b"431 Request Header Fields Too Large", None),
    (b"GET / HTTP/1.1\nhost: a\n\n", BAD, None),
    (b"GET / HTTP/1.1\r\nhost: a\n", BAD, None),
    (b"\n", BAD, None),
    (b"GET / HTTP/1.1\r\nhost: a\r\n\n", BAD, None),
]


@pytest.mark.parametrize(("raw", "status", "body"), REFUSED, ids=[str(one[0][:60]) for one in REFUSED])
@pytest.mark.parametrize("before", [b"", get(b"/direct")])
def test_what_is_not_a_request_is_refused_and_the_connection_closed(raw: bytes, status: bytes, body: bytes | None, before: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(before + raw)
    assert client.take() == (DIRECT if before else b"") + refused(status, body)
    assert proxy.backends == []
    ended(proxy, client)
    codes = {f"c{status[:3].decode()}": 1} | ({"c403": 1} if before else {})
    proxy.settled(**codes)
    assert proxy.stats.downstream_cx_protocol_error == (0 if status.startswith(b"431") else 1)
    assert proxy.stats.downstream_rq_too_large == (1 if status.startswith(b"431") else 0)
    assert f" {status[:3].decode()} DPE " in proxy.lines[-1]


@pytest.mark.parametrize("cut", [1, 5])
def test_a_refusal_does_not_depend_on_cuts(cut: int) -> None:
    for raw, status, body in REFUSED[:16]:
        proxy = Proxy()
        client = proxy.connect()
        for at in range(0, len(raw), cut):
            client.say(raw[at : at + cut])
        assert client.take() == refused(status, body)
        proxy.settled(**{f"c{status[:3].decode()}": 1})


@pytest.mark.parametrize("excess", [0, 1])
def test_the_limit_of_a_head_does_not_depend_on_cuts(excess: int) -> None:
    short = get(b"/direct", b"x: ")
    raw = get(b"/direct", b"x: " + b"y" * (60 * 1024 - (len(short) - 4) + excess))
    assert raw.index(b"\r\n\r\n") == 60 * 1024 + excess
    for pieces in ([raw], [raw[:-1], raw[-1:]], [raw[:-4], raw[-4:]], [raw[:30000], raw[30000:]]):
        answer = Proxy().connect(*pieces).take()
        assert answer == (refused(b"431 Request Header Fields Too Large") if excess else DIRECT)


# what is refused although it is a request: answered as such, and closed as Envoy does
ODD = [
    (get(b"/a#b"), BAD),
    (get(b"s1/raw"), BAD),
    (get(b"ftp://a/direct"), BAD),
    (get(b"/direct%00"), BAD),
    (get(b"*"), BAD),
    (get(b"a.example:443", method=b"CONNECT"), b"404 Not Found"),
    (get(b"/direct", b"connection: upgrade", b"upgrade: websocket"), b"403 Forbidden"),
]


@pytest.mark.parametrize(("raw", "status"), ODD, ids=[str(one[0][:40]) for one in ODD])
def test_requests_that_nothing_here_serves(raw: bytes, status: bytes) -> None:
    proxy = Proxy((*Proxy().runtime.tree.config.virtual_hosts[0].routes, forward(b"", "one")))
    client = proxy.connect(raw + get(b"/direct"))
    assert client.take() == local(status, close=True)
    assert proxy.backends == []
    ended(proxy, client)
    proxy.settled(**{f"c{status[:3].decode()}": 1})


@pytest.mark.parametrize("target", [b"/direct", b"http://a/direct", b"a", b"a:", b"a:b", b":80", b"u@a:80", b"a:80/x", b"[::1]"])
def test_a_connect_has_a_host_and_a_port_for_target(target: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(get(target, method=b"CONNECT"))
    assert client.take() == local(b"400 Bad Request", b"Bad Request", close=True)
    proxy.settled(c400=1)


@pytest.mark.parametrize(
    ("field", "status"), [(b"content-length: 3", b"400 Bad Request"), (b"transfer-encoding: chunked", b"501 Not Implemented")]
)
def test_a_connect_has_no_body(field: bytes, status: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"a:80", field, method=b"CONNECT"))
    assert client.take().startswith(b"HTTP/1.1 " + status)
    assert proxy.backends == []


@pytest.mark.parametrize(
    "action", [RouteAction((WeightedCluster("one", 1),)), DirectResponseAction(200), RedirectAction(host_redirect=b"b")]
)
def test_a_connect_that_a_route_takes_is_refused_as_an_upgrade(action: RouteAction | DirectResponseAction | RedirectAction) -> None:
    tunnel = Route(RouteMatch(PathMatchKind.CONNECT, b"", headers=(HeaderMatcher(b"x-tunnel", present=True),)), action)
    proxy = Proxy((tunnel, forward(b"", "one")))
    for fields, status in (((b"x-tunnel: 1",), b"403 Forbidden"), ((), b"404 Not Found")):
        client = proxy.connect(get(b"a.example:443", *fields, method=b"CONNECT"))
        assert client.take() == local(status, close=True)
        ended(proxy, client)
    assert proxy.backends == []


def test_targets_are_made_canonical_before_they_are_matched() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/x/../%64irect"))
    assert client.take() == DIRECT
    client.say(get(b"http://a/x/..//direct"))
    assert client.take() == DIRECT
    client.say(get(b"/x/..%2fdirect?a=%2f"))
    assert client.take() == local(b"307 Temporary Redirect", fields=b"\r\nlocation: /direct?a=%2f")
    client.say(get(b"*", method=b"OPTIONS"))
    assert client.take() == NOT_FOUND
    proxy.settled(c403=2, c307=1, c404=1)


def test_the_authority_of_an_absolute_target_counts() -> None:
    proxy = Proxy()
    proxy.connect(get(b"http://b.example:81/one?x"))
    assert proxy.backend.take().startswith(b"GET /one?x HTTP/1.1\r\nhost: b.example:81\r\n")


# timeouts, drain, and clients that leave


def test_an_idle_connection_is_closed() -> None:
    proxy = Proxy(idle_timeout=5.0)
    silent = proxy.connect()
    client = proxy.connect(get(b"/direct"))
    proxy.wait(4.0)
    assert (silent.lost, client.lost) == (None, None)
    client.say(get(b"/direct"))
    proxy.wait(2.0)
    assert (silent.end, client.end) == ("fin", "")
    assert silent.written == b""
    proxy.wait(4.0)
    assert client.end == "fin"
    assert proxy.stats.downstream_cx_idle_timeout == 2
    proxy.settled(c403=2)


def test_empty_lines_do_not_keep_a_connection_open() -> None:
    proxy = Proxy(idle_timeout=5.0)
    client = proxy.connect()
    for _ in range(6):
        proxy.wait(1.0)
        client.say(b"\r\n")
    assert client.end == "fin"
    assert client.written == b""


def test_half_a_head_is_waited_for_only_so_long_however_it_drips() -> None:
    proxy = Proxy(request_headers_timeout=3.0)
    client = proxy.connect(get(b"/direct"))
    client.take()
    for byte in get(b"/direct", b"x: 12345")[:5]:
        proxy.wait(0.9)
        client.say(bytes([byte]))
    assert client.take() == refused(b"408 Request Timeout")
    assert proxy.stats.downstream_rq_header_timeout == 1
    ended(proxy, client)
    proxy.settled(c403=1, c408=1)


def test_half_a_head_behind_an_answer_gets_its_time() -> None:
    proxy = Proxy(request_headers_timeout=3.0)
    client = proxy.connect(get(b"/one") + b"GET /direct HTTP/1.1\r\n")
    proxy.wait(10.0)
    proxy.backend.say(EMPTY)
    client.take()
    proxy.wait(2.0)
    client.say(b"host: a\r\n\r\n")
    assert client.take() == DIRECT
    client.say(b"GET ")
    proxy.wait(2.0)
    assert client.take() == b""
    proxy.wait(2.0)
    assert client.take() == refused(b"408 Request Timeout")


def test_without_timeouts_nothing_is_closed() -> None:
    proxy = Proxy(request_headers_timeout=0.0, idle_timeout=0.0)
    half, idle = proxy.connect(b"GET "), proxy.connect()
    proxy.clock.advance(1e6)
    proxy.wait(2.0)
    assert (half.lost, idle.lost) == (None, None)


def test_the_last_words_of_a_closed_connection_have_their_time() -> None:
    proxy = Proxy(delayed_close_timeout=1.0)
    client = proxy.connect(get(b"/direct", b"connection: close"))
    assert client.end == "fin"
    proxy.wait(0.9)
    assert client.lost is None
    proxy.wait(0.2)
    assert client.lost == "closed locally"
    assert proxy.stats.downstream_cx_destroy_local == 1


def test_drain_closes_idle_connections_and_others_behind_their_answer() -> None:
    proxy = Proxy()
    idle, busy, half = proxy.connect(), proxy.connect(get(b"/one") + get(b"/direct")), proxy.connect(b"GET /direct ")
    proxy.wait(6.0)
    fresh, late = proxy.connect(), proxy.connect()
    proxy.runtime.drain()
    proxy.network.run()
    assert idle.end == "fin"
    assert (busy.end, half.end, fresh.end) == ("", "", "")
    proxy.backend.say(EMPTY)
    assert busy.take().endswith(b"\r\nconnection: close\r\n\r\n")
    assert busy.end == "fin"
    half.say(b"HTTP/1.1\r\nhost: a\r\n\r\n")
    assert half.take() == local(b"403 Forbidden", b"no entry", close=True)
    assert half.end == "fin"
    proxy.wait(4.0)  # one may be on the way
    assert (fresh.end, late.end) == ("", "")
    late.say(get(b"/direct"))
    assert late.take() == local(b"403 Forbidden", b"no entry", close=True)
    proxy.wait(2.0)
    assert fresh.end == "fin"
    assert proxy.stats.downstream_cx_drain_close == 5
    proxy.settled(c200=1, c403=2)


def test_an_idle_connection_whose_next_request_has_come_is_not_closed() -> None:
    proxy = Proxy(idle_timeout=60.0)
    client = proxy.connect()
    proxy.clock.advance(60.0)
    proxy.worker.tick()
    client.arrive(get(b"/direct"))
    proxy.runtime.sweep(proxy.worker.now)
    proxy.network.run()
    assert client.take() == DIRECT
    proxy.wait(10.0)
    client.arrive(get(b"/direct"))
    proxy.runtime.drain()
    proxy.network.run()
    assert client.take() == local(b"403 Forbidden", b"no entry", close=True)
    assert (proxy.stats.downstream_cx_idle_timeout, proxy.stats.downstream_cx_drain_close) == (0, 1)


def test_told_gradually_one_answer_after_another_ends_its_connection() -> None:
    proxy = Proxy()
    chances = iter([0.5, 0.5])
    client = proxy.connect()
    proxy.runtime.tell(Drain(DrainStrategy.GRADUAL, proxy.clock.seconds(), 10.0, lambda: int(next(chances) * 2**63)))
    proxy.wait(4.0)
    client.say(get(b"/direct"))
    assert client.take() == DIRECT
    proxy.wait(2.0)
    client.say(get(b"/direct"))
    assert client.take() == local(b"403 Forbidden", b"no entry", close=True)
    assert proxy.stats.downstream_cx_drain_close == 1
    proxy.settled(c403=2)


def test_who_is_told_no_more_stays() -> None:
    proxy = Proxy()
    client = proxy.connect()
    proxy.runtime.tell(Drain(DrainStrategy.IMMEDIATE, 0.0, 10.0, lambda: 0))
    proxy.runtime.tell(None)
    client.say(get(b"/direct"))
    assert client.take() == DIRECT


def test_a_connection_grows_only_so_old() -> None:
    proxy = Proxy(max_connection_duration=60.0, drain_timeout=2.0)
    idle, busy = proxy.connect(), proxy.connect()
    proxy.wait(59.0)
    for client in (idle, busy):
        client.say(get(b"/direct"))
        assert client.take() == DIRECT
    proxy.wait(2.0)
    busy.say(get(b"/direct"))
    assert busy.take() == local(b"403 Forbidden", b"no entry", close=True)
    assert (busy.end, idle.end) == ("fin", "")
    proxy.wait(2.0)
    assert idle.end == "fin"
    assert proxy.stats.downstream_cx_max_duration_reached == 2
    assert proxy.stats.downstream_cx_drain_close == 0
    proxy.settled(c403=3)


def test_drop_ends_everything() -> None:
    proxy = Proxy()
    idle, busy = proxy.connect(), proxy.connect(get(b"/one"))
    proxy.runtime.drop()
    proxy.network.run()
    assert (idle.lost, busy.lost) == ("aborted", "aborted")
    assert proxy.backend.lost == "aborted"
    assert not proxy.runtime.doors
    proxy.settled(c0=1)
    assert proxy.stats.downstream_cx_destroy_local_active_rq == 1


@pytest.mark.parametrize("said", [b"", b"GET /direct", get(b"/direct")])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_clients_that_leave_between_requests(said: bytes, how: str) -> None:
    proxy = Proxy()
    client = proxy.connect(said)
    client.hang_up(how)
    assert proxy.stats.downstream_cx_destroy_remote == 1
    assert proxy.stats.downstream_cx_destroy_remote_active_rq == 0
    proxy.settled(**({"c403": 1} if said.endswith(b"\r\n\r\n") else {}))


def test_bytes_are_counted_when_a_connection_ends() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/direct"))
    client.hang_up()
    assert proxy.stats.downstream_cx_rx_bytes_total == len(get(b"/direct"))
    assert proxy.stats.downstream_cx_tx_bytes_total == len(DIRECT)


def test_connections_are_numbered_when_somebody_asks() -> None:
    proxy = Proxy()
    proxy.connect(get(b"/direct"))
    first, second = (proxy.runtime.make_door(FakeTransport(proxy.network, ONE), proxy.runtime) for _ in range(2))
    assert isinstance(first, module.Http1Door)
    assert isinstance(second, module.Http1Door)
    assert (second.connection_id, first.connection_id, second.connection_id) == (2, 3, 2)
    assert repr(first) == "<Http1Door 192.0.2.101:80 requests=0 None>"


# HTTP/2


class Takes:
    """What an HTTP/2 door is here: somebody who is given the connection and what was said on it."""

    def __init__(self) -> None:
        self.given: list[bytes] = []
        self.handler = Recorder()

    def __call__(self, transport: Transport, runtime: ConnectionManager, data: bytes) -> Handler:
        self.given.append(data)
        return self.handler


@pytest.mark.parametrize("cut", [1, 3, 16, 18, 20, 24, 100])
def test_a_connection_that_begins_with_the_preface_is_handed_over(cut: int) -> None:
    takes = Takes()
    proxy = Proxy(take_over=takes)
    raw = PREFACE + b"frames"
    client = proxy.connect(*[raw[at : at + cut] for at in range(0, len(raw), cut)])
    assert len(takes.given) == 1
    assert takes.given[0] + takes.handler.data == raw
    assert client.written == b""
    assert not proxy.runtime.doors


def test_only_at_its_beginning_and_only_where_it_is_spoken() -> None:
    takes = Takes()
    proxy = Proxy(take_over=takes)
    client = proxy.connect(get(b"/direct") + PREFACE)
    assert client.take() == DIRECT + refused(b"426 Upgrade Required")
    assert Proxy().connect(PREFACE).take() == refused(b"426 Upgrade Required")
    assert proxy.connect(b"PRI * HTTP/2.0\r\nhost: a\r\n\r\n").take() == refused(b"426 Upgrade Required")
    assert proxy.connect(b"POST /direct HTTP/1.1\r\nhost: a\r\n\r\n").take() == DIRECT
    assert takes.given == []


@pytest.mark.parametrize("begin", [b"\x16\x03\x01\x00\x05hello", b"\x00", b" ", b"\xff\xfe"])
def test_what_cannot_become_a_request_is_refused_at_its_first_byte(begin: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(begin)
    assert client.take() == local(b"400 Bad Request", b"Bad Request", close=True)
    waiting = proxy.connect(b"\r", b"\nG")
    assert (waiting.take(), waiting.open) == (b"", True)
