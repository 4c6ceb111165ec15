"""Redirects that the proxy follows itself, and those that it leaves to the client."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import (
    DirectResponseAction,
    InternalRedirectPolicy,
    InternalRedirectPredicate,
    PathMatchKind,
    Route,
    RouteMatch,
)
from shifter.proxy.internal_redirect import NotFollowed, _target
from tests.support.proxies import ONE, TWO, Proxy, forward, get, passed
from tests.support.transports import FakeTransport

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
OK = passed(b"200 OK", b"\r\ncontent-length: 0")


def named(prefix: bytes, cluster: str, name: str, **action: object) -> Route:
    route = forward(prefix, cluster, **action)
    return Route(route.match, route.action, name)


def following(*routes: Route, **policy: object) -> Proxy:
    redirects = InternalRedirectPolicy(**policy)  # type: ignore[arg-type]  # its fields
    return Proxy((*routes, named(b"/from", "one", "from", internal_redirect=redirects), named(b"/to", "two", "to")))


def redirect(location: bytes = b"http://a/to", status: int = 302, *fields: bytes, body: bytes = b"") -> bytes:
    lines = [b"HTTP/1.1 %d Found" % status, b"location: " + location, *fields, b"content-length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def asked(proxy: Proxy, request: bytes, *answers: bytes) -> FakeTransport:
    client = proxy.connect(request)
    proxy.backend.take()
    proxy.backend.say(*answers)
    return client


def counted(proxy: Proxy, word: str = "") -> None:
    """Check that the redirect was left to the client, for the reason *word*."""
    stats = proxy.clusters["one"].state.stats
    assert (stats.upstream_internal_redirect_failed_total, stats.upstream_internal_redirect_succeeded_total) == (1, 0)
    for name in ("bad_location", "no_route", "predicate", "too_many_redirects", "unsafe_scheme"):
        assert getattr(proxy.stats, f"passthrough_internal_redirect_{name}") == (name == word)
    proxy.settled(c302=1)


def test_the_client_sees_the_answer_only() -> None:
    proxy = following()
    client = asked(proxy, get(b"/from?x", b"x-a: 1"), redirect())
    assert proxy.backend.peer in TWO
    sent = proxy.backend.take()
    assert sent.startswith(b"GET /to HTTP/1.1\r\nhost: a\r\n")
    assert sent.count(b"x-envoy-expected-rq-timeout-ms") == sent.count(b"x-forwarded-proto") == sent.count(b"\r\nx-a: 1") == 1
    assert b"\r\nx-envoy-original-url: http://a/from?x\r\n" in sent
    assert client.take() == b""
    proxy.backend.say(EMPTY)
    assert client.take() == OK
    assert proxy.clusters["one"].state.stats.upstream_internal_redirect_succeeded_total == 1
    assert proxy.clusters["one"].state.stats.codes == {}
    assert proxy.clusters["two"].state.stats.codes == {200: 1}
    assert [line.split()[3:6] for line in proxy.lines] == [["302", "-", "internal_redirect"], ["200", "-", "via_upstream"]]
    assert proxy.stats.codes == {200: 1}
    assert not proxy.worker.streams
    client.say(get(b"/to"))
    proxy.backend.say(EMPTY)
    assert client.take() == OK


def test_a_body_of_the_redirect_is_not_waited_for() -> None:
    proxy = following()
    client = asked(proxy, get(b"/from"), redirect(body=b"hello")[:-2])
    assert [end.end for end in proxy.backends if end.peer == ONE] == ["reset"]
    proxy.backend.say(EMPTY)
    assert client.take() == OK


@pytest.mark.parametrize(
    ("method", "status", "becomes", "body"),
    [(b"POST", 302, b"POST", b"abcd"), (b"POST", 303, b"GET", b""), (b"PUT", 307, b"PUT", b"abcd"), (b"PUT", 303, b"GET", b"")],
)
def test_what_becomes_of_a_body(method: bytes, status: int, becomes: bytes, body: bytes) -> None:
    proxy = following(redirect_response_codes=(302, 303, 307))
    client = proxy.connect(get(b"/from", b"content-length: 4", method=method) + b"ab", b"cd")
    proxy.backend.say(redirect(status=status))
    sent = proxy.backend.take()
    assert sent.startswith(becomes + b" /to ")
    assert sent.partition(b"\r\n\r\n")[2] == body
    assert (b"\r\ncontent-length: 4" in sent) is bool(body)
    proxy.backend.say(EMPTY)
    assert client.take() == OK


def test_a_chunked_body_is_sent_again() -> None:
    proxy = following()
    client = proxy.connect(get(b"/from", b"transfer-encoding: chunked", method=b"PUT"), b"2\r\nab\r\n", b"0\r\n\r\n")
    proxy.backend.say(redirect())
    assert proxy.backend.take().endswith(b"\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    proxy.backend.say(EMPTY)
    assert client.take() == OK


def test_a_body_that_is_not_whole_cannot_be_sent_again() -> None:
    proxy = following()
    client = proxy.connect(get(b"/from", b"content-length: 4", method=b"POST") + b"ab")
    proxy.backend.say(redirect())
    assert client.take().startswith(b"HTTP/1.1 302 Found\r\n")
    counted(proxy)


def test_a_body_that_is_too_large_cannot_be_sent_again() -> None:
    proxy = following()
    proxy.runtime.listener = replace(proxy.runtime.listener, per_connection_buffer_limit_bytes=3)
    client = proxy.connect(get(b"/from", b"content-length: 4", method=b"POST") + b"abcd")
    proxy.backend.say(redirect())
    assert client.take().startswith(b"HTTP/1.1 302 Found\r\n")
    counted(proxy)


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (b"/to", "bad_location"),
        (b"to", "bad_location"),
        (b"//a/to", "bad_location"),
        (b"", "bad_location"),
        (b"http://", "bad_location"),
        (b"http://u:p@a/to", "bad_location"),
        (b"http://a/%zz", "bad_location"),
        (b"http://a/a b", "bad_location"),
        (b"https://a/to", "unsafe_scheme"),
        (b"ftp://a/to", "unsafe_scheme"),
        (b"http://a/nowhere", "no_route"),
        (b"http://a?to", "bad_location"),
    ],
)
def test_what_is_left_to_the_client(location: bytes, reason: str) -> None:
    proxy = following()
    client = asked(proxy, get(b"/from"), redirect(location))
    assert client.take().startswith(b"HTTP/1.1 302 Found\r\nlocation: " + location)
    counted(proxy, reason)


def test_no_location_at_all() -> None:
    proxy = following()
    client = asked(proxy, get(b"/from"), b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 302 Found\r\n")
    counted(proxy)


def test_other_codes_are_no_redirects() -> None:
    proxy = following()
    assert asked(proxy, get(b"/from"), redirect(status=301)).take().startswith(b"HTTP/1.1 301 ")
    assert proxy.clusters["one"].state.stats.upstream_internal_redirect_failed_total == 0


def test_the_path_is_made_canonical() -> None:
    proxy = following()
    asked(proxy, get(b"/from"), redirect(b"http://a/x/../to"))
    assert proxy.backend.take().startswith(b"GET /to ")


def test_a_redirect_can_lead_to_an_answer_of_our_own() -> None:
    here = Route(RouteMatch(PathMatchKind.PREFIX, b"/to/here"), DirectResponseAction(200, b"here"))
    proxy = following(here)
    assert asked(proxy, get(b"/from"), redirect(b"http://a/to/here")).take().endswith(b"\r\n\r\nhere")
    assert proxy.stats.codes == {200: 1}


def test_so_many_and_no_more() -> None:
    proxy = following(max_internal_redirects=2)
    client = asked(proxy, get(b"/from"), redirect(b"http://a/from/2"))
    proxy.backend.say(redirect(b"http://a/from/3"))
    proxy.backend.say(redirect(b"http://a/from/4"))
    assert client.take().startswith(b"HTTP/1.1 302 Found\r\nlocation: http://a/from/4\r\n")
    assert proxy.stats.passthrough_internal_redirect_too_many_redirects == 1
    assert proxy.stats.codes == {302: 1}


def test_fields_of_the_redirect_can_go_along() -> None:
    proxy = following(response_headers_to_copy=(b"x-copied", b"x-none"))
    asked(proxy, get(b"/from", b"x-copied: mine", b"x-none: mine"), redirect(b"http://a/to", 302, b"x-copied: 1", b"x-copied: 2"))
    sent = proxy.backend.take()
    assert b"mine" not in sent
    assert b"\r\nx-copied: 1\r\nx-copied: 2\r\n" in sent


def test_https_if_that_is_allowed() -> None:
    proxy = following(allow_cross_scheme_redirect=True)
    asked(proxy, get(b"/from"), redirect(b"https://a/to"))
    assert proxy.backend.take().startswith(b"GET /to ")


@pytest.mark.parametrize(
    ("predicate", "location", "followed"),
    [
        (InternalRedirectPredicate.ALLOW_LISTED_ROUTES, b"http://a/to", True),
        (InternalRedirectPredicate.ALLOW_LISTED_ROUTES, b"http://a/from", False),
        (InternalRedirectPredicate.SAFE_CROSS_SCHEME, b"http://a/to", True),
        (InternalRedirectPredicate.SAFE_CROSS_SCHEME, b"https://a/to", False),
        (InternalRedirectPredicate.PREVIOUS_ROUTES, b"http://a/from", True),
    ],
)
def test_predicates(predicate: InternalRedirectPredicate, location: bytes, followed: bool) -> None:
    policy = {"predicates": (predicate,), "allowed_route_names": frozenset(["to"]), "allow_cross_scheme_redirect": True}
    proxy = following(**policy)
    client = asked(proxy, get(b"/from"), redirect(location))
    if followed:
        assert client.take() == b""
    else:
        counted(proxy, "predicate")


def test_from_a_route_to_a_route_once() -> None:
    proxy = following(predicates=(InternalRedirectPredicate.PREVIOUS_ROUTES,), max_internal_redirects=9)
    client = asked(proxy, get(b"/from"), redirect(b"http://a/from/2"))
    proxy.backend.say(redirect(b"http://a/from/3"))
    assert client.take().startswith(b"HTTP/1.1 302 ")
    assert proxy.stats.passthrough_internal_redirect_predicate == 1


def test_what_the_client_does_reaches_the_exchange_that_serves_it() -> None:
    proxy = following()
    client = asked(proxy, get(b"/from"), redirect())
    client.room = 10
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 40000\r\n\r\n" + b"x" * 20000)
    assert proxy.backend.paused
    client.drain()
    assert not proxy.backend.paused
    client.hang_up("reset")
    assert proxy.backend.end == "reset"
    assert proxy.stats.codes == {200: 1}
    assert not proxy.worker.streams


@given(st.binary(max_size=30), st.sampled_from([b"http://", b"https://", b"http:", b""]))
def test_whatever_a_location_says_a_target_is_one(text: bytes, scheme: bytes) -> None:
    try:
        found, authority, path = _target(scheme + text)
    except NotFollowed:
        return
    assert found in (b"http", b"https")
    assert authority
    assert path.startswith(b"/")
    assert not set(authority + path) & set(b"\r\n #\0")
