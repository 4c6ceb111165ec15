"""An exchange from both ends: what goes through, who waits for whom, and how it ends when one of them fails.

Over 600 lines, for a stream has one life: framing, backpressure, second tries and timeouts share one stack and its last check.
"""

import pytest
from twisted.python.failure import Failure

from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds
from shifter.model.route import (
    AppendAction,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    Route,
    RouteAction,
    RouteMatch,
    WeightedCluster,
)
from shifter.observe.logformat import compile_format
from shifter.proxy import stream as module
from shifter.proxy.access_log import AccessLog
from tests.support.proxies import CLUSTERS, DATE, ONE, REQUEST_ID, ROUTES, SERVED, TWO, Proxy, forward, get, local, passed
from tests.support.transports import LARGE, FakeTransport

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
NO_LENGTH = b"\r\ncontent-length: 0"
UNAVAILABLE = b"503 Service Unavailable"
BEFORE = b"upstream connect error or disconnect/reset before headers. reset reason: "
ADDED = b"\r\nx-forwarded-proto: http\r\nx-request-id: " + REQUEST_ID + b"\r\nx-envoy-expected-rq-timeout-ms: 15000"


def post(length: int, path: bytes = b"/one", *lines: bytes) -> bytes:
    return get(path, b"content-length: %d" % length, *lines, method=b"POST")


def chunked(path: bytes = b"/one", *lines: bytes) -> bytes:
    return get(path, b"transfer-encoding: chunked", *lines, method=b"PUT")


def warmed(**settings: object) -> tuple[Proxy, FakeTransport]:
    """A proxy with an idle connection to its backend, and a client."""
    proxy = Proxy(**settings)  # type: ignore[arg-type]  # fields of the connection manager
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(EMPTY)
    client.take()
    proxy.backend.take()
    return proxy, client


# what goes through


def test_a_request_and_its_answer() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one?q", b"X-A: 1", b"Connection: x-b", b"X-B: 2"))
    assert proxy.backend.peer == ONE
    assert proxy.backend.take() == b"GET /one?q HTTP/1.1\r\nhost: a\r\nx-a: 1" + ADDED + b"\r\n\r\n"
    proxy.clock.advance(0.007)
    proxy.backend.say(b"HTTP/1.1 200 Fine\r\nServer: x\r\nX-C: 3\r\nContent-Length: 5\r\nKeep-Alive: 5\r\n\r\nhello")
    assert client.take() == passed(b"200 OK", b"\r\nx-c: 3\r\ncontent-length: 5", b"hello", took=7)
    proxy.settled(c200=1)
    assert proxy.lines == [f"GET /one?q HTTP/1.1 200 - via_upstream 0 5 {ONE} one 1"]
    assert proxy.clusters["one"].state.stats.codes == {200: 1}
    (pool,) = proxy.clusters["one"].pools
    assert pool.endpoint_stats.rq_success == 1


def test_a_date_of_the_upstream_stays() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ndate: then\r\ncontent-length: 0\r\n\r\n")
    answer = client.take()
    assert b"\r\ndate: then\r\n" in answer
    assert DATE not in answer


@pytest.mark.parametrize(
    ("method", "answer", "block"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", b"\r\ncontent-length: 5"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", b"\r\ncontent-length: 5"),
    ],
)
def test_answers_without_a_body(method: bytes, answer: bytes, block: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one", method=method) + get(b"/direct"))
    proxy.backend.say(answer)
    status = answer[9:].partition(b"\r\n")[0]
    assert client.take() == passed(status, block) + local(b"403 Forbidden", b"no entry")
    proxy.settled(**{f"c{status[:3].decode()}": 1, "c403": 1})


@pytest.mark.parametrize("framing", [b"\r\ntransfer-encoding: chunked", b""])
def test_an_answer_to_head_says_how_that_to_get_would_be_framed(framing: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one", method=b"HEAD") + get(b"/direct"))
    proxy.backend.say(b"HTTP/1.1 200 OK" + framing + b"\r\n\r\n")
    told = passed(b"200 OK").removesuffix(b"\r\n\r\n") + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    assert client.take() == told + local(b"403 Forbidden", b"no entry")


def test_bodies_keep_their_framing() -> None:
    proxy = Proxy()
    client = proxy.connect(post(6) + b"ab", b"cd", b"ef")
    assert proxy.backend.take() == b"POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 6" + ADDED + b"\r\n\r\nabcdef"
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab", b"cd")
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 4", b"abcd")
    client.say(chunked(), b"2;ext=1\r\nab\r\n", b"1\r\nc", b"\r\n0\r\n\r\n")
    head = b"PUT /one HTTP/1.1\r\nhost: a" + ADDED + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    assert proxy.backend.take() == head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2;x\r\nab\r\n1\r\nc", b"\r\n0\r\n\r\n")
    head = passed(b"200 OK").removesuffix(b"\r\n\r\n") + b"\r\ntransfer-encoding: chunked\r\n\r\n"
    assert client.take() == head + b"3\r\nabc\r\n0\r\n\r\n"
    assert [line.split()[6:8] for line in proxy.lines] == [["6", "4"], ["3", "3"]]
    proxy.settled(c200=2)


def test_an_answer_that_ends_with_its_connection_becomes_chunks() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.0 200 OK\r\n\r\nab")
    proxy.backend.hang_up()
    assert client.take().endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    client.say(get(b"/direct"))
    assert client.take() == local(b"403 Forbidden", b"no entry")
    proxy.settled(c200=1, c403=1)


@pytest.mark.parametrize("enabled", [False, True])
def test_trailers_pass_where_they_are_enabled(enabled: bool) -> None:
    proxy = Proxy(enable_trailers=enabled)
    trailers = b"x-sum: 1\r\n" if enabled else b""
    client = proxy.connect(chunked() + b"2\r\nab\r\n0\r\nX-Sum: 1\r\nhost: evil\r\n\r\n")
    assert proxy.backend.take().endswith(b"\r\n\r\n2\r\nab\r\n0\r\n" + trailers + b"\r\n")
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert client.take().endswith(b"\r\n\r\n2\r\nab\r\n0\r\n" + trailers + b"\r\n")
    client.say(chunked(), b"2\r\nab\r\n", b"0\r\nX-Sum: 1\r\n\r\n")
    assert proxy.backend.take().endswith(b"\r\n\r\n2\r\nab\r\n0\r\n" + trailers + b"\r\n")
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=2)


def test_trailers_that_came_before_the_connection() -> None:
    proxy = Proxy(enable_trailers=True)
    proxy.network.answers = False
    client = proxy.connect(chunked() + b"2\r\nab\r\n0\r\nx: 1\r\n\r\n")
    proxy.backend.establish()
    assert proxy.backend.take().endswith(b"2\r\nab\r\n0\r\nx: 1\r\n\r\n")
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=1)


def test_interim_answers_end_here() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)


def test_headers_are_edited_both_ways() -> None:
    add = HeaderValueOption(b"x-added", b"1", AppendAction.APPEND_IF_EXISTS_OR_ADD)
    mutations = HeaderMutations((add,), (b"x-gone",), (add,), (b"x-gone",))
    route = Route(RouteMatch(PathMatchKind.PREFIX, b"/"), RouteAction((WeightedCluster("one", 1, mutations),), prefix_rewrite=b"/new/"))
    proxy = Proxy((route,))
    client = proxy.connect(get(b"/old", b"x-gone: 1"))
    asked = proxy.backend.take()
    assert asked.startswith(b"GET /new/old HTTP/1.1\r\n")
    assert b"x-gone" not in asked
    assert b"\r\nx-added: 1" in asked
    proxy.backend.say(b"HTTP/1.1 200 OK\r\nx-gone: 1\r\ncontent-length: 0\r\n\r\n")
    answer = client.take()
    assert b"x-gone" not in answer
    assert b"\r\nx-added: 1" in answer


def test_envoy_headers_can_be_suppressed() -> None:
    proxy = Proxy(suppress_envoy_headers=True)
    client = proxy.connect(get(b"/one"))
    assert b"x-envoy" not in proxy.backend.take()
    proxy.backend.say(EMPTY)
    assert b"x-envoy" not in client.take()


def test_an_endpoint_that_is_checked_may_ask_to_be_left_out() -> None:
    proxy = Proxy()
    (pool,) = proxy.clusters["one"].pools
    told: list[bytes] = []

    class Check:
        def answered(self, block: bytes) -> None:
            told.append(block)

    pool.host.check = Check()  # type: ignore[assignment]  # what a stream calls of it
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\nx-envoy-immediate-health-check-fail: true\r\ncontent-length: 0\r\n\r\n")
    assert b"x-envoy-immediate-health-check-fail: true" in client.take()  # and the client sees it, as from Envoy
    assert [block.split(b"\r\n")[1] for block in told] == [b"x-envoy-immediate-health-check-fail: true"]


def test_weights_choose_the_cluster() -> None:
    action = RouteAction((WeightedCluster("one", 1), WeightedCluster("two", 3)))
    proxy = Proxy((Route(RouteMatch(PathMatchKind.PREFIX, b"/"), action),))
    proxy.connect(get(b"/"))
    assert proxy.backend.peer in TWO
    proxy.worker.random = lambda: 20
    proxy.connect(get(b"/"))
    assert proxy.backend.peer == ONE


def test_the_first_interim_answer_passes_where_that_is_wanted() -> None:
    proxy = Proxy(proxy_100_continue=True)
    client = proxy.connect(post(3, b"/one", b"expect: 100-continue"))
    assert client.take() == b""
    assert b"\r\nexpect: 100-continue" in proxy.backend.take()
    proxy.backend.say(b"HTTP/1.1 100 Continue\r\nx-more: 1\r\nserver: theirs\r\n\r\n")
    assert client.take() == b"HTTP/1.1 100 Continue\r\nx-more: 1\r\nserver: theirs\r\n\r\n"
    client.say(b"abc")
    proxy.backend.say(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")


def test_no_interim_answers_for_http_1_0() -> None:
    proxy = Proxy(proxy_100_continue=True, accept_http_10=True)
    client = proxy.connect(get(b"/one", version=b"HTTP/1.0"))
    proxy.backend.say(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
    assert client.take() == b""


def test_an_answer_that_begins_before_the_request_ends_has_taken_no_time() -> None:
    proxy = Proxy()
    client = proxy.connect(post(3))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    assert b"x-envoy-upstream-service-time" not in client.take()


def test_the_log_knows_the_time_of_an_answer_that_broke_off() -> None:
    proxy = Proxy()
    runtime = proxy.runtime
    form = "%RESPONSE_FLAGS% %RESP(x-envoy-upstream-service-time)%\n"
    runtime.configure(runtime.listener, runtime.settings, runtime.tree, [AccessLog(compile_format(form), proxy.writer)])
    proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
    proxy.backend.hang_up()
    assert proxy.lines == ["UPE 0"]


def test_the_time_an_answer_takes_begins_when_the_request_has_ended() -> None:
    proxy = Proxy()
    client = proxy.connect(post(3))
    proxy.wait(2.0)
    client.say(b"abc")
    proxy.wait(1.0)
    proxy.backend.say(EMPTY)
    took = int(client.take().partition(b"x-envoy-upstream-service-time: ")[2].partition(b"\r\n")[0])
    assert 990 <= took <= 1000


# 100 Continue


def test_continue_is_said_once_the_route_is_known() -> None:
    proxy = Proxy()
    client = proxy.connect(post(3, b"/one", b"expect: 100-continue"))
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"\r\nexpect: " not in proxy.backend.take()
    client.say(b"abc")
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=1)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (b"/unknown", local(b"404 Not Found", close=True)),
        (b"/direct", local(b"403 Forbidden", b"no entry", close=True)),
        (b"/elsewhere", local(b"301 Moved Permanently", fields=b"\r\nlocation: http://a/there", close=True)),
    ],
)
def test_a_body_that_nobody_wants_is_not_asked_for(path: bytes, answer: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(post(3, path, b"expect: 100-continue"))
    assert client.take() == answer
    assert client.end == "fin"
    assert proxy.stats.downstream_rq_response_before_rq_complete == 1


def test_continue_is_not_said_to_who_did_not_wait() -> None:
    proxy = Proxy(accept_http_10=True)
    assert proxy.connect(post(3, b"/one", b"expect: 100-continue") + b"a").take() == b""
    assert proxy.connect(get(b"/one", b"expect: 100-continue")).take() == b""
    raw = get(b"/one", b"expect: 100-continue", b"content-length: 3", method=b"POST", version=b"HTTP/1.0")
    assert proxy.connect(raw).take() == b""


# backpressure


def test_a_slow_client_holds_its_backend_back() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    client.room = 1000
    piece = b"x" * LARGE
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (10 * LARGE), *[piece] * 9)
    assert proxy.backend.paused
    assert client.waiting < 2 * LARGE
    client.drain(LARGE * 2)
    assert client.waiting < 2 * LARGE
    client.drain()
    proxy.backend.say(piece)
    assert client.take().endswith(piece * 10)
    assert not proxy.backend.paused
    stats = proxy.clusters["one"].state.stats
    assert stats.upstream_flow_control_paused_reading_total == stats.upstream_flow_control_resumed_reading_total == 2
    proxy.settled(c200=1)


def test_a_slow_backend_holds_its_client_back() -> None:
    proxy = Proxy()
    client = proxy.connect(post(10 * LARGE))
    proxy.backend.take()
    proxy.backend.room = 1000
    piece = b"x" * LARGE
    client.say(*[piece] * 9)
    assert client.paused
    assert proxy.backend.waiting < 2 * LARGE
    proxy.backend.drain()
    assert not client.paused
    client.say(piece)
    assert proxy.backend.take() == piece * 10
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=1)


def test_a_body_waits_for_its_connection_within_bounds() -> None:
    proxy = Proxy()
    proxy.network.answers = False
    client = proxy.connect(post(20 * LARGE))
    piece = b"x" * LARGE
    client.say(*[piece] * 20)
    assert client.paused
    backend = proxy.backend
    backend.room = 1000
    backend.establish()
    assert client.paused  # the backend does not take what had waited either
    assert backend.waiting <= module._WAITING_LIMIT + LARGE
    backend.drain()
    assert not client.paused
    assert backend.take().endswith(piece * 20)
    backend.say(EMPTY)
    proxy.settled(c200=1)


def test_a_client_that_is_paused_when_its_answer_comes_goes_on_reading() -> None:
    proxy = Proxy()
    client = proxy.connect(chunked())
    proxy.backend.room = 0
    client.say(b"%x\r\n" % LARGE + b"x" * LARGE + b"\r\n")
    assert client.paused
    proxy.backend.say(EMPTY)
    assert client.take().endswith(b"\r\nconnection: close\r\n\r\n")
    assert client.end == "fin"
    client.hang_up()
    assert client.lost == "closed locally"
    proxy.settled(c200=1)


# early answers


def test_an_early_answer_is_passed_on_and_both_connections_closed() -> None:
    proxy = Proxy()
    client = proxy.connect(post(1000) + b"some")
    proxy.backend.say(b"HTTP/1.1 413 Too Big\r\ncontent-length: 2\r\n\r\nno")
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 413 Payload Too Large\r\n")
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nno")
    assert client.end == "fin"
    client.say(b"more", get(b"/direct"))
    assert proxy.backend.lost == "closed locally"
    assert client.take() == b""
    assert proxy.stats.downstream_rq_response_before_rq_complete == 1
    proxy.settled(c413=1)


def test_an_answer_that_begins_early_may_end_late() -> None:
    proxy = Proxy()
    client = proxy.connect(chunked())
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    client.say(b"1\r\nb\r\n", b"0\r\n\r\n")
    assert proxy.backend.take().endswith(b"\r\n\r\n1\r\nb\r\n0\r\n\r\n")
    proxy.backend.say(b"0\r\n\r\n")
    assert client.take().endswith(b"\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n")
    assert client.end == "fin"
    proxy.settled(c200=1)


# upstreams that fail

FAILURES = [
    # what the backend says, how it ends, status, reason, flag, details
    (b"", "closed", UNAVAILABLE, b"connection termination", "UC", "connection_termination|closed"),
    (b"", "reset", UNAVAILABLE, b"connection termination", "UC", "connection_termination|reset"),
    (b"HTTP/1.1 200 OK\r\nx:", "closed", b"502 Bad Gateway", b"protocol error", "UPE", "protocol_error|"),
    (b"hello\r\n", None, b"502 Bad Gateway", b"protocol error", "UPE", "protocol_error|http1.invalid_status_line"),
    (EMPTY[:-2] + NO_LENGTH[2:] + b"\r\n\r\n", None, b"502 Bad Gateway", b"protocol error", "UPE", "protocol_error|http1.multiple"),
    (b"HTTP/1.1 101 x\r\nupgrade: x\r\n\r\n", None, b"502 Bad Gateway", b"protocol error", "UPE", "protocol_error|http1.unexpected"),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "end", "status", "reason", "flag", "details"), FAILURES, ids=[str(one[:2]) for one in FAILURES])
def test_a_backend_that_does_not_answer(raw: bytes, end: str | None, status: bytes, reason: bytes, flag: str, details: str) -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(raw)
    if end is not None:
        proxy.backend.hang_up(end)
    assert client.take() == local(status, BEFORE + reason)
    assert proxy.backend.lost in (end, "aborted")
    words = proxy.lines[0].split()
    assert words[3:5] == [status[:3].decode(), flag]
    assert words[5].startswith("upstream_reset_before_response_started{" + details)
    assert words[8:] == [str(ONE), "one", "1"]
    (pool,) = proxy.clusters["one"].pools
    assert pool.endpoint_stats.rq_error == 1
    proxy.settled(**{f"c{status[:3].decode()}": 1})
    client.say(get(b"/direct"))
    assert client.take() == local(b"403 Forbidden", b"no entry")


def test_a_backend_that_refuses() -> None:
    proxy = Proxy()
    proxy.network.answers = "refused"
    client = proxy.connect(get(b"/one"))
    assert client.take() == local(UNAVAILABLE, BEFORE + b"remote connection failure")
    assert client.lost is None
    details = "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
    assert proxy.lines == [f"GET /one HTTP/1.1 503 UF {details} 0 {len(BEFORE) + 25} {ONE} one 1"]
    proxy.settled(c503=1)
    assert proxy.clusters["one"].state.stats.codes == {503: 1}


def test_the_next_endpoint_is_tried() -> None:
    proxy = Proxy()
    proxy.network.answers = False
    client = proxy.connect(get(b"/two"))
    proxy.backend.refuse()
    proxy.backend.establish()
    assert {backend.peer for backend in proxy.backends} == set(TWO)
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=1)


def test_a_backend_that_does_not_let_itself_be_connected_to() -> None:
    proxy = Proxy()
    proxy.network.answers = False
    client = proxy.connect(get(b"/one"))
    proxy.wait(1.1)
    assert client.take() == local(UNAVAILABLE, BEFORE + b"connection timeout")
    proxy.settled(c503=1)


def test_a_cluster_without_endpoints() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/empty"))
    assert client.take() == local(UNAVAILABLE, b"no healthy upstream")
    assert proxy.lines[0].split()[3:6] == ["503", "UH", "no_healthy_upstream"]
    proxy.settled(c503=1)


def test_a_full_cluster() -> None:
    full = Cluster("one", endpoints=(LbEndpoint(ONE),), circuit_breakers=CircuitBreakers(Thresholds(max_requests=1)))
    proxy = Proxy(clusters=(*(one for one in CLUSTERS if one.name != "one"), full))
    busy = proxy.connect(get(b"/one"))
    client = proxy.connect(get(b"/one"))
    answer = client.take()
    assert answer == local(UNAVAILABLE, BEFORE + b"overflow", fields=b"\r\nx-envoy-overloaded: true")
    assert proxy.lines[0].split()[3:5] == ["503", "UO"]
    proxy.backends[0].say(EMPTY)
    assert busy.take() == passed(b"200 OK", NO_LENGTH)
    client.say(get(b"/one"))
    proxy.backends[0].say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=2, c503=1)


@pytest.mark.parametrize("raw", [b"content-length: 5\r\n\r\nhel", b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n"])
@pytest.mark.parametrize("end", ["closed", "reset"])
def test_an_answer_that_is_cut_off_is_cut_off_for_the_client(raw: bytes, end: str) -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one") + get(b"/direct"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\n" + raw)
    proxy.backend.hang_up(end)
    answer = client.take()
    assert b"hel" in answer
    assert b"0\r\n\r\n" not in answer.partition(b"\r\n\r\n")[2]
    assert b"no entry" not in answer
    assert client.end in ("fin", "reset")
    assert proxy.lines[0].split()[3:5] == ["200", "UPE"]
    assert proxy.stats.rq_reset_after_downstream_response_started == 1
    proxy.settled(c200=1)


def test_a_bad_chunk_cuts_the_answer_off() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\nXX")
    assert not client.take().endswith(b"0\r\n\r\n")
    assert client.end in ("fin", "reset")
    proxy.settled(c200=1)


def test_an_http_10_client_is_told_of_a_cut_by_a_reset() -> None:
    proxy = Proxy(accept_http_10=True)
    client = proxy.connect(get(b"/one", version=b"HTTP/1.0"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    proxy.backend.hang_up()
    assert client.end == "reset"


# connections that had been kept alive and died


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_stale_connection_costs_nobody_a_request(method: bytes, how: str) -> None:
    proxy, client = warmed()
    client.say(get(b"/one", method=method))
    stale = proxy.backend
    asked = stale.take()
    assert asked.startswith(method)
    stale.hang_up(how)
    assert proxy.backend is not stale
    assert proxy.backend.take() == asked
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    assert proxy.lines[-1].split()[-1] == "2"
    proxy.settled(c200=2)


def test_a_request_that_never_left_is_sent_again_whatever_it_is() -> None:
    proxy, client = warmed()
    stale = proxy.backend
    client.arrive(post(3) + b"abc")
    stale._gone = "closed"  # both in one turn: the request is still queued when the end is seen
    proxy.network.transports.sort(key=lambda one: one is stale)
    proxy.network.run()
    assert stale.take() == b""
    assert proxy.backend is not stale
    assert proxy.backend.take().endswith(b"\r\n\r\nabc")
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=2)


def test_a_post_that_may_have_been_acted_on_is_not_sent_again() -> None:
    proxy, client = warmed()
    client.say(post(3) + b"abc")
    proxy.backend.hang_up()
    assert client.take() == local(UNAVAILABLE, BEFORE + b"connection termination")
    assert len(proxy.backends) == 1
    proxy.settled(c200=1, c503=1)


def test_a_request_is_sent_again_once_only() -> None:
    proxy, client = warmed()
    client.say(get(b"/one"))
    proxy.backends[0].hang_up()
    proxy.backends[1].hang_up()
    assert client.take() == local(UNAVAILABLE, BEFORE + b"connection termination")
    assert len(proxy.backends) == 2
    proxy.settled(c200=1, c503=1)


def test_a_fresh_connection_that_dies_is_an_answer() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/one"))
    proxy.backend.hang_up()
    assert client.take() == local(UNAVAILABLE, BEFORE + b"connection termination")
    assert len(proxy.backends) == 1


def test_nothing_is_sent_again_once_the_client_has_a_part_of_the_answer() -> None:
    proxy, client = warmed()
    client.say(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na")
    proxy.backend.hang_up()
    assert len(proxy.backends) == 1
    assert client.take().endswith(b"\r\n\r\na")
    proxy.settled(c200=2)


def test_what_had_been_sent_of_a_body_is_sent_again() -> None:
    proxy, client = warmed()
    client.say(chunked(), b"2\r\nab\r\n", b"2\r\ncd\r\n")
    proxy.network.answers = False
    stale = proxy.backend
    stale.hang_up()
    client.say(b"2\r\nef\r\n")
    fresh = proxy.backend
    assert fresh is not stale
    fresh.establish()
    client.say(b"0\r\n\r\n")
    assert fresh.take().endswith(b"\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n")
    fresh.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=2)


def test_a_body_too_large_to_be_kept_is_not_sent_again() -> None:
    proxy, client = warmed()
    size = module.REPLAY_LIMIT + 1
    client.say(get(b"/one", b"content-length: %d" % (size + 1), method=b"PUT"), b"x" * size)
    proxy.backend.hang_up()
    answer = client.take()
    assert answer == local(UNAVAILABLE, BEFORE + b"connection termination", close=True)
    assert len(proxy.backends) == 1
    proxy.settled(c200=1, c503=1)


def test_what_a_dying_connection_says_unasked_is_nobodys_answer() -> None:
    proxy, client = warmed()
    stale = proxy.backend
    stale.arrive(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    client.arrive(get(b"/one"))
    proxy.network.transports.sort(key=lambda one: one is stale)
    proxy.network.run()
    assert proxy.backend is not stale
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", NO_LENGTH)
    proxy.settled(c200=2)


# clients that leave

LEAVES = [
    ("while a connection is made", get(b"/one"), False, None, 0),
    ("inside the request", post(10) + b"abc", True, None, 0),
    ("before the answer", get(b"/one"), True, None, 0),
    ("inside the answer", get(b"/one"), True, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", 200),
]


@pytest.mark.parametrize(("what", "raw", "connected", "answer", "status"), LEAVES, ids=[one[0] for one in LEAVES])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_clients_that_leave(what: str, raw: bytes, connected: bool, answer: bytes | None, status: int, how: str) -> None:
    proxy = Proxy()
    proxy.network.answers = connected
    client = proxy.connect(raw)
    if answer is not None:
        proxy.backend.say(answer)
    client.hang_up(how)
    if connected:
        assert proxy.backend.lost == "aborted"
    else:
        proxy.backend.establish()
        assert proxy.backend.take() == b""
    assert proxy.lines[0].split()[3:6] == [str(status), "DC", "downstream_remote_disconnect"]
    assert proxy.stats.downstream_rq_rx_reset == 1
    assert proxy.stats.downstream_cx_destroy_remote_active_rq == 1
    assert proxy.clusters["one"].state.stats.upstream_rq_cancelled == (not connected)
    proxy.settled(**{f"c{status}": 1})


def test_a_client_that_leaves_while_its_request_is_sent_again() -> None:
    proxy, client = warmed()
    proxy.network.answers = False
    client.say(get(b"/one"))
    proxy.backend.hang_up()
    client.hang_up()
    proxy.backend.refuse()
    proxy.settled(c200=1, c0=1)


@pytest.mark.parametrize("connected", [False, True])
def test_a_body_that_breaks_its_framing_never_becomes_whole(connected: bool) -> None:
    proxy = Proxy()
    proxy.network.answers = connected
    client = proxy.connect(chunked(), b"2\r\nab\r\n", b"XX\r\n")
    assert client.take() == local(b"400 Bad Request", b"Bad Request", close=True)
    assert client.end == "fin"
    if connected:
        assert proxy.backend.lost == "aborted"
        assert not proxy.backend.take().endswith(b"0\r\n\r\n")
    assert proxy.lines[0].split()[3:6] == ["400", "DPE", "http1.invalid_chunk_size"]
    assert proxy.stats.downstream_cx_protocol_error == 1
    if not connected:
        proxy.backend.refuse()
    proxy.settled(c400=1)


def test_nor_when_the_answer_has_begun() -> None:
    proxy = Proxy()
    client = proxy.connect(chunked())
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab")
    client.say(b"XX\r\n")
    assert client.take().endswith(b"\r\n\r\nab")
    assert client.end in ("fin", "reset")
    assert proxy.backend.lost == "aborted"
    assert proxy.lines[0].split()[3:5] == ["200", "DPE"]
    proxy.settled(c200=1)


# timeouts


def test_the_route_timeout() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/timeout") + get(b"/direct"))
    proxy.wait(0.25)
    assert client.take() == b""
    proxy.wait(0.1)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout") + local(b"403 Forbidden", b"no entry")
    assert proxy.backend.lost == "aborted"
    assert proxy.lines[0].split()[3:6] == ["504", "UT", "response_timeout"]
    assert proxy.clusters["one"].state.stats.upstream_rq_timeout == 1
    assert dict(proxy.clusters["one"].state.stats.codes) == {504: 1}
    (pool,) = proxy.clusters["one"].pools
    assert (pool.endpoint_stats.rq_timeout, pool.endpoint_stats.rq_error) == (1, 1)
    proxy.settled(c504=1, c403=1)


def test_it_bounds_the_whole_answer() -> None:
    proxy = Proxy()
    client = proxy.connect(get(b"/timeout"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
    for _ in range(7):
        proxy.wait(0.05)
        proxy.backend.say(b"x")
    assert client.end in ("fin", "reset")
    assert proxy.lines[0].split()[3:5] == ["200", "UT"]
    proxy.settled(c200=1)


def test_it_counts_while_a_connection_is_made_and_from_the_requests_end() -> None:
    proxy = Proxy()
    proxy.network.answers = False
    client = proxy.connect(post(2, b"/timeout"), b"a")
    proxy.wait(0.5)
    client.say(b"b")
    proxy.wait(0.25)
    assert client.take() == b""
    proxy.wait(0.1)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout")
    proxy.backend.refuse()
    proxy.settled(c504=1)


def test_a_route_without_a_timeout_waits() -> None:
    proxy = Proxy(stream_idle_timeout=0.0)
    client = proxy.connect(get(b"/forever"))
    assert b"x-envoy-expected" not in proxy.backend.take()
    proxy.clock.advance(1e6)
    proxy.wait(1.0)
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_stream_on_which_nothing_moves() -> None:
    proxy = Proxy(stream_idle_timeout=2.0)
    client = proxy.connect(get(b"/forever"))
    proxy.wait(1.0)
    proxy.backend.say(b"HTTP/1.1 100 Continue\r\n\r\n")
    proxy.wait(1.5)
    assert client.take() == b""
    proxy.wait(0.6)
    assert client.take() == local(b"504 Gateway Timeout", b"stream timeout")
    assert proxy.lines[0].split()[4] == "SI"
    assert proxy.stats.downstream_rq_idle_timeout == 1
    proxy.settled(c504=1)


def test_a_client_that_sends_nothing_more_of_its_body() -> None:
    proxy = Proxy(stream_idle_timeout=2.0)
    client = proxy.connect(post(9), b"a")
    proxy.wait(1.5)
    client.say(b"b")
    proxy.wait(1.5)
    assert client.take() == b""
    proxy.wait(0.6)
    assert client.take() == local(b"408 Request Timeout", b"stream timeout", close=True)
    assert proxy.backend.lost == "aborted"
    assert client.end == "fin"
    proxy.settled(c408=1)


def test_a_request_that_takes_too_long() -> None:
    proxy = Proxy(request_timeout=2.0)
    client = proxy.connect(post(9))
    for _ in range(5):
        proxy.wait(0.45)
        client.say(b"x")
    assert client.take() == local(b"408 Request Timeout", b"request timeout", close=True)
    assert proxy.stats.downstream_rq_timeout == 1
    assert client.end == "fin"
    assert not proxy.clusters["one"].state.stats.codes  # the client's doing, not the cluster's
    proxy.settled(c408=1)


# gRPC


def grpc(path: bytes) -> bytes:
    return get(path, b"content-type: application/grpc+proto", method=b"POST")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (b"/unknown", b"\r\ngrpc-status: 12"),
        (b"/empty", b"\r\ngrpc-status: 14\r\ngrpc-message: no healthy upstream"),
        (b"/direct", b"\r\ngrpc-status: 7\r\ngrpc-message: no entry"),
    ],
)
def test_grpc_clients_are_told_in_their_own_words(path: bytes, fields: bytes) -> None:
    proxy = Proxy()
    client = proxy.connect(grpc(path))
    assert client.take() == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-type: application/grpc" + fields + SERVED + b"\r\n\r\n"
    proxy.settled(c200=1)


# faults of ours


def test_a_fault_of_ours_is_an_answer_too(logged_failures: list[Failure]) -> None:
    proxy = Proxy()
    proxy.network.answers = False
    client = proxy.connect(get(b"/one"))
    (pool,) = proxy.clusters["one"].pools
    pool.waiting.popleft().errback(ZeroDivisionError())
    proxy.clusters["one"].resources.pending_requests -= 1
    proxy.network.run()
    assert client.take() == local(b"500 Internal Server Error", b"internal error")
    assert len(logged_failures) == 1
    logged_failures.clear()
    proxy.settled(c500=1)


def test_streams_say_what_they_are() -> None:
    proxy = Proxy((*ROUTES, forward(b"/", "one")))
    proxy.network.answers = False
    proxy.connect(get(b"/one"))
    (stream,) = proxy.worker.streams
    assert repr(stream) == "<ProxyStream b'GET' b'/one' waiting>"
    assert repr(stream.target) == "<Target one>"
    proxy.backend.establish()
    assert repr(stream).endswith(" sent>")
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n")
    assert repr(stream).endswith(" responding>")
    proxy.backend.say(b"x")
    assert repr(stream).endswith(" over>")


def test_what_is_told_of_the_endpoint_and_our_end() -> None:
    cluster = Cluster("one", metadata={"ns": {"a": "cl"}}, endpoints=(LbEndpoint(ONE, metadata={"ns": {"a": "ep"}}),))
    proxy = Proxy((forward(b"/", "one"),), (cluster,))
    form = "%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_PORT% %UPSTREAM_METADATA(ns:a)% %METADATA(CLUSTER:ns:a)% %CLUSTER_METADATA(ns:b)%\n"
    runtime = proxy.runtime
    runtime.configure(runtime.listener, runtime.settings, runtime.tree, [AccessLog(compile_format(form), proxy.writer)])
    proxy.connect(get(b"/x"))
    proxy.backend.say(b"HTTP/1.1 204 No\r\n\r\n")
    assert proxy.lines == ["192.0.2.1:80 80 ep cl -"]
