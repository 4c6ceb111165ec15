"""What a route asks for beyond being forwarded: attempts, the endpoint's host, durations, virtual clusters, other protocols."""

from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.route import (
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    InternalRedirectPolicy,
    MaxStreamDuration,
    StringMatcher,
    StringMatchKind,
    TlsRequirement,
    UpgradeConfig,
    VirtualCluster,
)
from shifter.proxy.fullstream import FullStream
from tests.support.proxies import ONE, ROUTES, Proxy, forward, get, local, passed
from tests.support.scripted import Filtered
from tests.support.transports import LARGE, FakeTransport

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
OK = passed(b"200 OK", b"\r\ncontent-length: 0")
NAMED = Cluster("named", endpoints=(LbEndpoint(SocketAddress("192.0.2.110", 80), hostname="named.test"),))


def test_plain_routes_have_plain_streams() -> None:
    proxy = Proxy()
    proxy.connect(get(b"/one"))
    assert not [stream for stream in proxy.worker.streams if isinstance(stream, FullStream)]


# x-envoy-attempt-count


def counting() -> Proxy:
    return Proxy((*ROUTES, forward(b"/", "one")), host={"include_request_attempt_count": True, "include_attempt_count_in_response": True})


def test_attempts_are_told_both_ways() -> None:
    proxy = counting()
    client = proxy.connect(get(b"/one", b"x-envoy-attempt-count: 7"))
    sent = proxy.backend.take()
    assert sent.count(b"x-envoy-attempt-count") == 1
    assert b"\r\nx-envoy-attempt-count: 1\r\n" in sent
    proxy.backend.say(b"HTTP/1.1 200 OK\r\nx-envoy-attempt-count: 9\r\ncontent-length: 0\r\n\r\n")
    answer = client.take()
    assert answer.count(b"x-envoy-attempt-count") == 1
    assert b"\r\nx-envoy-attempt-count: 1\r\n" in answer


def test_a_second_try_is_the_second() -> None:
    proxy = counting()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(EMPTY)
    client.say(get(b"/one"))
    client.take()
    proxy.backends[0].hang_up()
    assert b"\r\nx-envoy-attempt-count: 2\r\n" in proxy.backend.take()
    proxy.backend.say(EMPTY)
    assert b"\r\nx-envoy-attempt-count: 2\r\n" in client.take()
    proxy.settled(c200=2)


def test_an_answer_in_the_upstreams_place_tells_too() -> None:
    client = counting().connect(get(b"/empty"))
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nx-envoy-attempt-count: 1\r\n" in answer


def test_an_answer_of_our_own_has_no_attempts() -> None:
    assert b"attempt" not in counting().connect(get(b"/direct")).take()


# auto_host_rewrite


def test_the_host_is_that_of_the_endpoint() -> None:
    proxy = Proxy((forward(b"/", "named", auto_host_rewrite=True, append_x_forwarded_host=True),), (NAMED,))
    client = proxy.connect(get(b"/"))
    sent = proxy.backend.take()
    assert b"\r\nhost: named.test\r\n" in sent
    assert b"\r\nx-envoy-original-host: a\r\nx-forwarded-host: a\r\n" in sent
    proxy.backend.say(EMPTY)
    assert client.take() == OK


def test_the_name_of_an_endpoint_may_have_any_letters() -> None:
    named = Cluster("named", endpoints=(LbEndpoint(ONE, hostname="\u00fc.test"),))
    proxy = Proxy((forward(b"/", "named", auto_host_rewrite=True),), (named,))
    proxy.connect(get(b"/"))
    assert b"\r\nhost: \xc3\xbc.test\r\n" in proxy.backend.take()


def test_an_endpoint_without_a_name_changes_no_host() -> None:
    proxy = Proxy((forward(b"/", "one", auto_host_rewrite=True, append_x_forwarded_host=True),))
    proxy.connect(get(b"/"))
    sent = proxy.backend.take()
    assert b"\r\nhost: a\r\n" in sent
    assert b"-host: " not in sent


# max_stream_duration


def lasting(seconds: float = 0.3, **settings: object) -> Proxy:
    return Proxy((forward(b"/", "one", timeout=9.0, max_stream_duration=MaxStreamDuration(seconds)),), **settings)  # type: ignore[arg-type]


def test_an_exchange_that_takes_too_long() -> None:
    proxy = lasting()
    client = proxy.connect(get(b"/"))
    assert b"expected-rq-timeout" not in proxy.backend.take(), "the route's timeout does not count then"
    proxy.wait(0.4)
    assert client.take() == local(b"504 Gateway Timeout", b"downstream duration timeout")
    assert proxy.backend.end == "reset"
    assert proxy.stats.downstream_rq_max_duration_reached == 1
    assert proxy.clusters["one"].state.stats.codes == {}
    assert [line.split()[4:6] for line in proxy.lines] == [["-", "max_duration_timeout"]]
    proxy.settled(c504=1)


def test_a_request_that_takes_too_long() -> None:
    proxy = lasting()
    client = proxy.connect(get(b"/", b"content-length: 4", method=b"POST") + b"ab")
    proxy.wait(0.2)
    client.say(b"c")
    proxy.wait(0.2)
    assert client.take() == local(b"408 Request Timeout", b"downstream duration timeout", close=True)
    proxy.settled(c408=1)


def test_an_answer_that_takes_too_long_is_cut() -> None:
    proxy = lasting()
    client = proxy.connect(get(b"/"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab")
    proxy.wait(0.4)
    assert client.take().endswith(b"\r\n\r\nab")
    assert client.end == "fin"
    assert proxy.clusters["one"].state.stats.codes == {200: 1}
    proxy.settled(c200=1)


def test_grpc_clients_are_told_that_it_is_the_deadline() -> None:
    proxy = lasting()
    client = proxy.connect(get(b"/", b"content-type: application/grpc"))
    assert b"\r\ngrpc-timeout: 300m\r\n" in proxy.backend.take()
    proxy.wait(0.4)
    assert b"\r\ngrpc-status: 4\r\n" in client.take()


def test_the_connection_managers_duration() -> None:
    proxy = Proxy(max_stream_duration=0.3)
    client = proxy.connect(get(b"/one", b"content-type: application/grpc"))
    sent = proxy.backend.take()
    assert b"grpc-timeout" not in sent
    assert b"expected-rq-timeout-ms: 15000" in sent
    proxy.wait(0.4)
    assert b"\r\ngrpc-status: 4\r\n" in client.take()


def test_the_routes_own_timeout_may_come_first() -> None:
    proxy = Proxy((forward(b"/", "one", timeout=0.2),), max_stream_duration=0.6)
    client = proxy.connect(get(b"/"))
    proxy.wait(0.3)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout")


def test_no_time_at_all() -> None:
    proxy = Proxy((forward(b"/", "one", max_stream_duration=MaxStreamDuration(None, 0.0, 1.0)),))
    client = proxy.connect(get(b"/", b"grpc-timeout: 1m"))
    proxy.wait(0.05)
    assert client.take() == local(b"504 Gateway Timeout", b"downstream duration timeout")


# virtual clusters


def test_requests_are_counted_under_the_first_name_that_fits() -> None:
    exact = StringMatcher(StringMatchKind.EXACT, b"POST")
    posts = VirtualCluster("posts", (HeaderMatcher(b":method", exact),))
    odd = VirtualCluster("odd", (HeaderMatcher(b"x-a"), HeaderMatcher(b"x-b")))
    routes = (*ROUTES, forward(b"/renamed", "one", prefix_rewrite=b"/new"))
    proxy = Proxy(routes, host={"virtual_clusters": (posts, odd)})
    for request in (get(b"/one", method=b"POST"), get(b"/one", b"x-a: 1"), get(b"/one", b"x-a: 1", b"x-b: 1"), get(b"/renamed")):
        client = proxy.connect(request)
        proxy.backend.say(EMPTY)
        assert client.take() == OK
    client = proxy.connect(get(b"/timeout", b"x-a: 1", b"x-b: 1"))
    proxy.wait(0.4)
    proxy.connect(get(b"/empty"))
    proxy.connect(get(b"/direct"))
    book = proxy.worker.virtual_clusters
    figures = {name: (one.upstream_rq_total, dict(one.codes), one.upstream_rq_timeout) for (_, name), one in book.items()}
    assert figures == {"posts": (1, {200: 1}, 0), "odd": (2, {200: 1, 504: 1}, 1), "other": (2, {200: 2, 503: 1}, 0)}
    assert {host for host, _ in book} == {"all"}


def test_the_log_can_name_the_virtual_cluster() -> None:
    named = VirtualCluster("named", (HeaderMatcher(b"x-a"),))
    add = HeaderValueOption(b"x-cluster", b"%VIRTUAL_CLUSTER_NAME%")
    proxy = Proxy(host={"virtual_clusters": (named,), "headers": HeaderMutations(response_add=(add,))})
    for field, shown in ((b"x-a: 1", True), (b"x-b: 1", False)):
        client = proxy.connect(get(b"/one", field))
        proxy.backend.say(EMPTY)
        assert (b"\r\nx-cluster: named\r\n" in client.take()) is shown


# require_tls


@pytest.mark.parametrize(
    ("requirement", "fields", "passes"),
    [
        (TlsRequirement.ALL, (), False),
        (TlsRequirement.ALL, (b"x-forwarded-proto: https",), True),
        (TlsRequirement.ALL, (b"x-forwarded-proto: HTTPS",), False),
        (TlsRequirement.EXTERNAL_ONLY, (), False),
        (TlsRequirement.EXTERNAL_ONLY, (b"x-envoy-internal: true",), False),  # nobody outside is believed
        (TlsRequirement.NONE, (), True),
    ],
)
def test_requests_without_tls(requirement: TlsRequirement, fields: tuple[bytes, ...], passes: bool) -> None:
    proxy = Proxy(host={"require_tls": requirement})
    client = proxy.connect(get(b"/direct?x=1", *fields))
    if passes:
        assert client.take().startswith(b"HTTP/1.1 403 ")
    else:
        assert client.take() == local(b"301 Moved Permanently", fields=b"\r\nlocation: https://a/direct?x=1")
        assert proxy.stats.rq_direct_response == 1


# other protocols

UPGRADE = (b"connection: Upgrade", b"upgrade: WebSocket")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-A: 1\r\n\r\n"


def upgrading(**settings: object) -> Proxy:
    return Proxy(upgrades=(UpgradeConfig(b"websocket"),), **settings)  # type: ignore[arg-type]


def switched(**settings: object) -> tuple[Proxy, FakeTransport]:
    proxy = upgrading(**settings)
    client = proxy.connect(get(b"/one", *UPGRADE))
    assert b"\r\nconnection: Upgrade\r\nupgrade: WebSocket\r\n" in proxy.backend.take()
    proxy.backend.say(SWITCHED)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\nx-a: 1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"x-envoy-upstream-service-time" not in answer
    return proxy, client


def test_bytes_go_both_ways_as_they_are() -> None:
    proxy, client = switched()
    frames = b"\x81\x85\x00\x00\x00\x00hello", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"\r\n\r\n"
    client.say(*frames)
    assert proxy.backend.take() == b"".join(frames)
    proxy.backend.say(*frames, b"HTTP/1.1 500 No\r\n\r\n")
    assert client.take() == b"".join(frames) + b"HTTP/1.1 500 No\r\n\r\n"
    client.hang_up()
    assert proxy.backend.ended
    proxy.backend.hang_up()
    assert client.end == "fin"
    proxy.settled(c101=1)
    assert [line.split()[3:8] for line in proxy.lines] == [["101", "-", "via_upstream", "42", "61"]]
    assert proxy.stats.downstream_cx_upgrades_total == 1
    assert proxy.clusters["one"].state.stats.codes == {101: 1}


def test_bytes_that_come_with_the_heads() -> None:
    proxy = upgrading()
    client = proxy.connect(get(b"/one", *UPGRADE) + b"first")
    assert proxy.backend.take().endswith(b"\r\n\r\n")
    proxy.backend.say(b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCHED + b"second")
    assert client.take().endswith(b"\r\n\r\nsecond")
    assert proxy.backend.take() == b"first"


def test_what_both_said_last_still_arrives() -> None:
    proxy, client = switched()
    client.arrive(b"last words")
    client.hang_up()
    assert proxy.backend.take() == b"last words"
    proxy.backend.arrive(b"so long")
    proxy.backend.hang_up()
    assert client.take() == b"so long"
    assert (client.end, proxy.backend.end) == ("fin", "fin")
    proxy.settled(c101=1)


def test_a_client_that_hangs_up_before_it_was_answered_is_gone() -> None:
    proxy = upgrading()
    client = proxy.connect(get(b"/one", *UPGRADE) + b"first")
    client.hang_up()
    assert proxy.backend.end == "reset"
    proxy.settled(c0=1)
    assert proxy.lines[0].split()[4:6] == ["DC", "downstream_remote_disconnect"]


def test_neither_side_runs_ahead_of_the_other() -> None:
    proxy, client = switched()
    piece = b"x" * LARGE
    proxy.backend.room = client.room = 1000
    client.say(piece)
    assert client.paused
    proxy.backend.say(piece)
    assert proxy.backend.paused
    proxy.backend.drain()
    client.drain()
    assert not client.paused
    assert not proxy.backend.paused
    assert (proxy.backend.take(), client.take()) == (piece, piece)


def test_who_does_not_read_may_still_speak() -> None:
    proxy, client = switched()
    client.room = 1000
    proxy.backend.say(b"x" * LARGE)
    assert proxy.backend.paused
    client.say(b"still here")
    assert proxy.backend.take() == b"still here"


def test_only_idling_ends_it() -> None:
    proxy, client = switched(stream_idle_timeout=20.0, request_timeout=1.0)
    proxy.wait(16)  # longer than the route's timeout
    client.say(b"still here")
    proxy.wait(19)
    assert client.end == ""
    proxy.wait(2)
    assert (client.end, proxy.backend.end) == ("fin", "reset")
    proxy.settled(c101=1)
    assert proxy.lines[0].split()[4:6] == ["SI", "stream_idle_timeout"]


def test_an_endpoint_that_does_not_answer() -> None:
    proxy = upgrading()
    client = proxy.connect(get(b"/timeout", *UPGRADE))
    proxy.wait(0.4)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout", close=True)
    proxy.settled(c504=1)


def test_an_endpoint_that_does_not_want_to() -> None:
    proxy = upgrading()
    client = proxy.connect(get(b"/one", *UPGRADE))
    proxy.backend.say(b"HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\nno")
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"\r\nconnection: close\r\n\r\nno")
    assert client.end == "fin"
    proxy.settled(c400=1)


@pytest.mark.parametrize(
    ("upgrades", "route", "passes"),
    [
        ((UpgradeConfig(b"websocket"),), (), True),
        ((UpgradeConfig(b"websocket", False),), (), False),
        ((UpgradeConfig(b"chat"),), (), False),
        ((), (UpgradeConfig(b"websocket"),), True),
        ((UpgradeConfig(b"websocket", False),), (UpgradeConfig(b"websocket"),), True),
        ((UpgradeConfig(b"websocket"),), (UpgradeConfig(b"websocket", False),), False),
    ],
)
def test_which_may_pass(upgrades: tuple[UpgradeConfig, ...], route: tuple[UpgradeConfig, ...], passes: bool) -> None:
    proxy = Proxy((forward(b"/", "one", upgrades=route),), upgrades=upgrades)
    client = proxy.connect(get(b"/", *UPGRADE))
    if passes:
        assert proxy.backend.take()
    else:
        assert client.take() == local(b"403 Forbidden", close=True)
        assert not proxy.backends
        assert proxy.stats.downstream_rq_ws_on_non_ws_route == 1


@pytest.mark.parametrize("path", [b"/direct", b"/elsewhere", b"/empty"])
def test_the_connection_carries_no_other_request(path: bytes) -> None:
    client = upgrading().connect(get(path, *UPGRADE) + get(b"/direct"))
    answer = client.take()
    assert b"\r\nconnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert client.end == "fin"


def test_a_body_in_front_of_another_protocol_is_refused() -> None:
    proxy = upgrading()
    client = proxy.connect(get(b"/one", *UPGRADE, b"content-length: 3", method=b"POST") + b"abc")
    assert client.take().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert not proxy.backends


def test_http_10_knows_no_other_protocol() -> None:
    proxy = upgrading(accept_http_10=True)
    client = proxy.connect(get(b"/one", *UPGRADE, version=b"HTTP/1.0"))
    assert b"upgrade" not in proxy.backend.take().lower()
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 OK\r\n")


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_however_the_bytes_are_cut(said: list[bytes], answered: list[bytes]) -> None:
    proxy, client = switched()
    for ours, theirs in zip_longest(said, answered, fillvalue=b""):
        client.say(ours)
        proxy.backend.say(theirs)
    assert proxy.backend.take() == b"".join(said)
    assert client.take() == b"".join(answered)
    client.hang_up()
    proxy.backend.hang_up()
    proxy.settled(c101=1)


def test_an_endpoint_that_switches_unasked() -> None:
    proxy = upgrading()
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(SWITCHED)
    assert client.take().startswith(b"HTTP/1.1 502 ")
    proxy.settled(c502=1)


def test_filters_see_the_bytes_of_another_protocol_as_bodies() -> None:
    proxy = Filtered({"upgrades": (UpgradeConfig(b"websocket"),)}, a={})
    client = proxy.connect(get(b"/one", *UPGRADE) + b"first")
    assert proxy.backend.take().endswith(b"\r\n\r\n")
    proxy.backend.say(SWITCHED + b"second")
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert answer.endswith(b"\r\n\r\nsecond")
    client.say(b"third")
    assert proxy.backend.take() == b"firstthird"
    proxy.backend.hang_up()
    assert client.ended
    client.say(b"fourth")
    assert proxy.backend.take() == b"fourth"
    client.hang_up()
    assert proxy.backend.end == "fin"
    proxy.settled(c101=1)


def test_a_redirect_that_is_followed_passes_the_filters_anew() -> None:
    route = forward(b"/from", "one", internal_redirect=InternalRedirectPolicy())
    proxy = Filtered({"routes": (route, *ROUTES)}, a={})
    client = proxy.connect(get(b"/from"))
    proxy.backend.say(b"HTTP/1.1 302 Found\r\nlocation: http://a/two\r\ncontent-length: 0\r\n\r\n")
    proxy.backend.say(EMPTY)
    assert client.take() == OK
    assert [told[1] for told in proxy.told if told[1] != "response_data"] == [
        *("request_head", "done"),
        *("request_head", "response_head", "done"),
    ]
    assert not proxy.worker.streams
