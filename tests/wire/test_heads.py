"""One table for both head parsers, and one answer from both to whatever else arrives."""

import importlib
import re
from collections.abc import Callable
from types import ModuleType
from unittest.mock import Mock, patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shifter.wire import _pure_heads, heads
from shifter.wire.events import (
    CLOSE,
    EXPECT_CONTINUE,
    HAS_DATE,
    HAS_REQUEST_ID,
    HAS_UNDERSCORE,
    HAS_X_ENVOY,
    HAS_XFF,
    HAS_XFP,
    KEEP_ALIVE,
    NO_BODY,
    ODD_PATH,
    TE_TRAILERS,
    UNTIL_END,
    UPGRADE,
    ProtocolError,
    RequestHead,
    ResponseHead,
)

try:
    compiled: ModuleType | None = importlib.import_module("shifter.wire._heads")
except ImportError:
    compiled = None

needs_compiled = pytest.mark.skipif(compiled is None, reason="the extension module is not built")
both = pytest.mark.parametrize("parser", [_pure_heads, pytest.param(compiled, marks=needs_compiled)], ids=["pure", "compiled"])

MAX_FIELDS = 20
REQUEST = b"GET /service/1 HTTP/1.1"
RESPONSE = b"HTTP/1.1 200 OK"


def request(parser: ModuleType, raw: bytes, max_fields: int = MAX_FIELDS) -> RequestHead:
    head = parser.parse_request(raw, raw.index(b"\r\n\r\n"), max_fields)
    assert isinstance(head, RequestHead)
    return head


def response(parser: ModuleType, raw: bytes, max_fields: int = MAX_FIELDS) -> ResponseHead:
    head = parser.parse_response(raw, raw.index(b"\r\n\r\n"), max_fields)
    assert isinstance(head, ResponseHead)
    return head


def message(start: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join((start, *lines)) + b"\r\n\r\n"


def asked(*lines: bytes) -> bytes:
    """A request with these field lines and a host."""
    return message(REQUEST, b"Host: a", *lines)


def refusal(parse: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ProtocolError) as caught:
        parse()
    return caught.value.status, caught.value.detail


def block(*lines: bytes) -> bytes:
    return b"".join(b"\r\n" + line for line in lines)


REQUEST_LINES = [
    (b"GET / HTTP/1.1", b"GET", b"/", 11, 0),
    (b"QUERY /a?b=c HTTP/1.1", b"QUERY", b"/a?b=c", 11, 0),
    (b"M-SEARCH /a HTTP/1.1", b"M-SEARCH", b"/a", 11, 0),
    (b"GET /a HTTP/1.0", b"GET", b"/a", 10, 0),
    (b"GET /a_b~c!$&'()*+,;=:@[] HTTP/1.1", b"GET", b"/a_b~c!$&'()*+,;=:@[]", 11, 0),
    *[(b"GET /a%cb HTTP/1.1" % odd, b"GET", b"/a%cb" % odd, 11, ODD_PATH) for odd in b'{}|^`<>"'],
    (b"GET /a.b/c HTTP/1.1", b"GET", b"/a.b/c", 11, 0),
    (b"GET /a/../b HTTP/1.1", b"GET", b"/a/../b", 11, ODD_PATH),
    (b"GET /. HTTP/1.1", b"GET", b"/.", 11, ODD_PATH),
    (b"GET //a HTTP/1.1", b"GET", b"//a", 11, ODD_PATH),
    (b"GET /a// HTTP/1.1", b"GET", b"/a//", 11, ODD_PATH),
    (b"GET /%2e HTTP/1.1", b"GET", b"/%2e", 11, ODD_PATH),
    (b"GET /a\\b HTTP/1.1", b"GET", b"/a\\b", 11, ODD_PATH),
    (b"GET /a#b HTTP/1.1", b"GET", b"/a#b", 11, ODD_PATH),
    (b"GET http://b/a HTTP/1.1", b"GET", b"http://b/a", 11, ODD_PATH),
    (b"GET a HTTP/1.1", b"GET", b"a", 11, ODD_PATH),
    (b"OPTIONS * HTTP/1.1", b"OPTIONS", b"*", 11, ODD_PATH),
    (b"CONNECT a:443 HTTP/1.1", b"CONNECT", b"a:443", 11, ODD_PATH),
    (b"CONNECT / HTTP/1.1", b"CONNECT", b"/", 11, ODD_PATH),
]


@both
@pytest.mark.parametrize(("line", "method", "path", "version", "flags"), REQUEST_LINES, ids=[str(one[0]) for one in REQUEST_LINES])
def test_request_lines(parser: ModuleType, line: bytes, method: bytes, path: bytes, version: int, flags: int) -> None:
    head = request(parser, message(line, b"Host: a"))
    assert (head.method, head.path, head.version, head.flags, head.authority) == (method, path, version, flags, b"a")
    assert (head.block, head.length, head.scheme, head.original_path) == (b"", NO_BODY, b"http", None)


REQUEST_FIELDS = [
    # canonical form, order and repetition
    ((b"User-Agent: curl/8", b"Accept: */*"), block(b"user-agent: curl/8", b"accept: */*"), NO_BODY, 0),
    ((b"a:1", b"B: \t 2 \t", b"a:  ", b"c:"), block(b"a: 1", b"b: 2", b"a: ", b"c: "), NO_BODY, 0),
    ((b"!#$%&'*+-.^`|~: \x80\xff in \t middle",), block(b"!#$%&'*+-.^`|~: \x80\xff in \t middle"), NO_BODY, 0),
    ((b"x: a:b: c",), block(b"x: a:b: c"), NO_BODY, 0),
    ((b"Cookie: a=b", b"Cookie: c=d"), block(b"cookie: a=b", b"cookie: c=d"), NO_BODY, 0),
    # length
    ((b"Content-Length: 5",), block(b"content-length: 5"), 5, 0),
    ((b"Content-Length: 0",), block(b"content-length: 0"), 0, 0),
    ((b"Content-Length: 00012",), block(b"content-length: 12"), 12, 0),
    ((b"content-length:  999999999999999999 ",), block(b"content-length: 999999999999999999"), 10**18 - 1, 0),
    ((b"Transfer-Encoding: chunked",), b"", UNTIL_END, 0),
    ((b"transfer-encoding:\tCHUNKED ",), b"", UNTIL_END, 0),
    # what belongs to this connection only
    ((b"Connection: close", b"x: 1"), block(b"x: 1"), NO_BODY, CLOSE),
    ((b"Connection: Keep-Alive",), b"", NO_BODY, KEEP_ALIVE),
    ((b"Connection: x, CLOSE ,,", b"x: 1", b"y: 2"), block(b"y: 2"), NO_BODY, CLOSE),
    ((b"Connection: x", b"Connection: y", b"x: 1", b"Y: 2"), b"", NO_BODY, 0),
    ((b"x: 1", b"Connection: x"), b"", NO_BODY, 0),
    ((b"Connection: content-length", b"Content-Length: 3"), block(b"content-length: 3"), 3, 0),
    ((b"Connection: host, transfer-encoding", b"Transfer-Encoding: chunked"), b"", UNTIL_END, 0),
    ((b"Connection: x-forwarded-for", b"X-Forwarded-For: 1.2.3.4"), block(b"x-forwarded-for: 1.2.3.4"), NO_BODY, HAS_XFF),
    ((b"Keep-Alive: timeout=5", b"Proxy-Connection: close"), b"", NO_BODY, 0),
    ((b"Connection: Upgrade", b"Upgrade: websocket"), b"", NO_BODY, UPGRADE),
    ((b"Connection: Upgrade",), b"", NO_BODY, 0),
    ((b"Upgrade: websocket",), b"", NO_BODY, 0),
    ((b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA"), b"", NO_BODY, 0),
    ((b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket"), b"", NO_BODY, UPGRADE),
    ((b"TE: trailers",), b"", NO_BODY, TE_TRAILERS),
    ((b"TE: gzip;q=0.5, Trailers;q=1",), b"", NO_BODY, TE_TRAILERS),
    ((b"TE: gzip",), b"", NO_BODY, 0),
    ((b"TE: trailersx",), b"", NO_BODY, 0),
    # what later stops want to know
    ((b"Expect: 100-Continue", b"Content-Length: 1"), block(b"content-length: 1"), 1, EXPECT_CONTINUE),
    ((b"Expect: 200-ok",), block(b"expect: 200-ok"), NO_BODY, 0),
    ((b"X-Forwarded-For: 1",), block(b"x-forwarded-for: 1"), NO_BODY, HAS_XFF),
    ((b"X-Forwarded-Proto: https",), block(b"x-forwarded-proto: https"), NO_BODY, HAS_XFP),
    ((b"X-Request-Id: 7",), block(b"x-request-id: 7"), NO_BODY, HAS_REQUEST_ID),
    ((b"X-Envoy-a: 1",), block(b"x-envoy-a: 1"), NO_BODY, HAS_X_ENVOY),
    ((b"X-Envoy-ab: 1",), block(b"x-envoy-ab: 1"), NO_BODY, HAS_X_ENVOY),
    ((b"X-Envoy-12345: 1",), block(b"x-envoy-12345: 1"), NO_BODY, HAS_X_ENVOY),
    ((b"X-Envoy-Retry-On: 5xx",), block(b"x-envoy-retry-on: 5xx"), NO_BODY, HAS_X_ENVOY),
    ((b"X-Envoy: 1", b"x-env: 2"), block(b"x-envoy: 1", b"x-env: 2"), NO_BODY, 0),
    ((b"X-Forwarded-Client-Cert: a",), block(b"x-forwarded-client-cert: a"), NO_BODY, HAS_X_ENVOY),
    ((b"a_b: 1",), block(b"a_b: 1"), NO_BODY, HAS_UNDERSCORE),
    ((b"x-envoy-a_b: 1",), block(b"x-envoy-a_b: 1"), NO_BODY, HAS_UNDERSCORE | HAS_X_ENVOY),
    ((b"content_length: 5",), block(b"content_length: 5"), NO_BODY, HAS_UNDERSCORE),
    ((b"Date: now", b"Server: me"), block(b"date: now", b"server: me"), NO_BODY, 0),
]


@both
@pytest.mark.parametrize(("lines", "expected", "length", "flags"), REQUEST_FIELDS, ids=[str(b" / ".join(one[0])) for one in REQUEST_FIELDS])
def test_request_fields(parser: ModuleType, lines: tuple[bytes, ...], expected: bytes, length: int, flags: int) -> None:
    for _ in range(2):  # the second time a line is known
        head = request(parser, asked(*lines))
        assert (head.block, head.length, head.flags, head.authority) == (expected, length, flags, b"a")


@both
@pytest.mark.parametrize(
    "host",
    [b"", b"a", b"a.example", b"a:80", b"a:", b"A.Example:65535", b"10.0.0.1", b"[::1]", b"[::1]:80", b"a_b", b"%61", b"x!$&'()*+,;=x"],
)
def test_hosts(parser: ModuleType, host: bytes) -> None:
    assert request(parser, message(REQUEST, b"HOST:  " + host + b" ")).authority == host
    assert request(parser, message(b"GET / HTTP/1.0")).authority == b""


TOO_LONG = b"9" * 19
REFUSED_REQUESTS = [
    # request lines
    (message(b"GET /", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b"GET", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b"", b"Host: a"), 400, "http1.invalid_request_line"),
    (b"\r\n\r\n", 400, "http1.invalid_request_line"),
    (message(b"GET  / HTTP/1.1", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b" GET / HTTP/1.1", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b"GET / HTTP/1.1 ", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b"GET\t/\tHTTP/1.1", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b"GET /a b HTTP/1.1", b"Host: a"), 400, "http1.invalid_request_line"),
    (message(b"GET / HTTP/2.0", b"Host: a"), 426, "http1.unsupported_version"),
    (message(b"GET / HTTP/1.2", b"Host: a"), 426, "http1.unsupported_version"),
    (message(b"PRI * HTTP/2.0"), 426, "http1.unsupported_version"),
    (message(b"GET / HTTP/1.10", b"Host: a"), 400, "http1.invalid_version"),
    (message(b"GET / HTTP/11", b"Host: a"), 400, "http1.invalid_version"),
    (message(b"GET / HTTP/1.1\r", b"Host: a"), 400, "http1.invalid_version"),
    (message(b"GET / http/1.1", b"Host: a"), 400, "http1.invalid_version"),
    (message(b"GET / ICY/1.1", b"Host: a"), 400, "http1.invalid_version"),
    (message(b"GET / HTTP/1", b"Host: a"), 400, "http1.invalid_version"),
    (message(b"get / HTTP/1.1", b"Host: a"), 400, "http1.invalid_method"),
    (message(b"FROBNICATE / HTTP/1.1", b"Host: a"), 400, "http1.invalid_method"),
    (message(b"GET\x00 / HTTP/1.1", b"Host: a"), 400, "http1.invalid_method"),
    (message(b"GE(T / HTTP/1.1", b"Host: a"), 400, "http1.invalid_method"),
    (message(b"GET /\x00 HTTP/1.1", b"Host: a"), 400, "http1.invalid_url"),
    (message(b"GET /\x7f HTTP/1.1", b"Host: a"), 400, "http1.invalid_url"),
    (message(b"GET /\xc3\xa9 HTTP/1.1", b"Host: a"), 400, "http1.invalid_url"),
    (message(b"GET /\t HTTP/1.1", b"Host: a"), 400, "http1.invalid_url"),
    (message(b"GET /\r HTTP/1.1", b"Host: a"), 400, "http1.invalid_url"),
    (message(b"GET /\n HTTP/1.1", b"Host: a"), 400, "http1.invalid_url"),
    (message(b"GET / HTTP/1.1\nHost: a"), 400, "http1.invalid_request_line"),
    (message(b"GET / HTTP/1.1\n"), 400, "http1.invalid_version"),
    # field lines
    (asked(b"x"), 400, "http1.invalid_field_line"),
    (asked(b": x"), 400, "http1.invalid_field_line"),
    (asked(b"x : 1"), 400, "http1.invalid_field_line"),
    (asked(b"x\t: 1"), 400, "http1.invalid_field_line"),
    (asked(b" x: 1"), 400, "http1.invalid_field_line"),
    (asked(b"\tx: 1"), 400, "http1.invalid_field_line"),
    (asked(b"x: 1", b" folded"), 400, "http1.invalid_field_line"),
    (asked(b"x: 1", b"\tfolded: 2"), 400, "http1.invalid_field_line"),
    (asked(b"x y: 1"), 400, "http1.invalid_field_line"),
    (asked(b"x\x00: 1"), 400, "http1.invalid_field_line"),
    (asked(b"\xe9: 1"), 400, "http1.invalid_field_line"),
    (asked(b"(x): 1"), 400, "http1.invalid_field_line"),
    (asked(b"x: a\x00b"), 400, "http1.invalid_field_line"),
    (asked(b"x: a\rb"), 400, "http1.invalid_field_line"),
    (asked(b"x: a\r"), 400, "http1.invalid_field_line"),
    (asked(b"x: a\nb: c"), 400, "http1.invalid_field_line"),
    (asked(b"x: \x0b"), 400, "http1.invalid_field_line"),
    (asked(b"x: \x7f"), 400, "http1.invalid_field_line"),
    (asked(b"Connection: \x01close"), 400, "http1.invalid_field_line"),
    (message(b"GET / HTTP/1.1", b"Host : a"), 400, "http1.invalid_field_line"),
    # hosts
    (message(REQUEST), 400, "missing_host_header"),
    (message(REQUEST, b"Hostx: a"), 400, "missing_host_header"),
    (message(REQUEST, b"Host: a", b"host: a"), 400, "http1.multiple_hosts"),
    (message(REQUEST, b"Host: a", b"x: 1", b"host: b"), 400, "http1.multiple_hosts"),
    (message(REQUEST, b"Host: a b"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a/b"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: u@a"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a?b"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a#b"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a:b"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a:80:80"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a:123456"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: [::1"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: \xc3\xa9"), 400, "http1.invalid_host"),
    (message(REQUEST, b"Host: a\\b"), 400, "http1.invalid_host"),
    # lengths and codings
    (asked(b"Content-Length: "), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: +5"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: -5"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 0x5"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 5a"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 5 5"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 5, 5"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 5,"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 5.0"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 1_0"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: \xb2"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: " + TOO_LONG), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 18446744073709551621"), 400, "http1.invalid_content_length"),
    (asked(b"Content-Length: 5", b"Content-Length: 5"), 400, "http1.multiple_content_lengths"),
    (asked(b"Content-Length: 5", b"content-length: 6"), 400, "http1.multiple_content_lengths"),
    (asked(b"Content-Length: 0", b"content-length: 0"), 400, "http1.multiple_content_lengths"),
    (asked(b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400, "http1.content_length_and_chunked_not_allowed"),
    (asked(b"Transfer-Encoding: chunked", b"Content-Length: 0"), 400, "http1.content_length_and_chunked_not_allowed"),
    (message(b"POST / HTTP/1.0", b"Host: a", b"Transfer-Encoding: chunked"), 400, "http1.content_length_and_chunked_not_allowed"),
    (asked(b"Transfer-Encoding: "), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: identity"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: gzip, chunked"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: chunked, chunked"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: chunked,"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: chunked;a=b"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: \"chunked\""), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: xchunked"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"), 501, "http1.unsupported_transfer_coding"),
    (asked(b"Transfer-Encoding: \x0bchunked"), 400, "http1.invalid_field_line"),
    # limits
    (asked(*[b"x: 1"] * MAX_FIELDS), 431, "http1.too_many_headers"),
]  # fmt: skip


@both
@pytest.mark.parametrize(("raw", "status", "detail"), REFUSED_REQUESTS, ids=[str(one[0])[:80] for one in REFUSED_REQUESTS])
def test_refused_requests(parser: ModuleType, raw: bytes, status: int, detail: str) -> None:
    for _ in range(2):
        assert refusal(lambda: request(parser, raw)) == (status, detail)


@both
def test_a_name_that_was_seen_does_not_excuse_a_missing_colon(parser: ModuleType) -> None:
    request(parser, asked(b"Accept: a", b"Connection: close"))
    for line in (b"Accept", b"Connection", b"Host"):
        assert refusal(lambda line=line: request(parser, asked(line))) == (400, "http1.invalid_field_line")  # type: ignore[misc]


@both
def test_as_many_fields_as_allowed(parser: ModuleType) -> None:
    assert request(parser, asked(*[b"x: 1"] * (MAX_FIELDS - 1))).block == b"\r\nx: 1" * (MAX_FIELDS - 1)
    assert response(parser, message(RESPONSE, *[b"x: 1"] * MAX_FIELDS)).block == b"\r\nx: 1" * MAX_FIELDS


@both
def test_a_head_larger_than_any_buffer(parser: ModuleType) -> None:
    value = b"v" * 100_000
    head = request(parser, asked(*[b"X: " + value] * 5))
    assert head.block == (b"\r\nx: " + value) * 5


@both
def test_what_follows_the_head_is_not_looked_at(parser: ModuleType) -> None:
    raw = asked(b"Content-Length: 2") + b"\x00\n Content-Length: 3\r\n\r\n"
    assert request(parser, raw).length == 2


RESPONSES = [
    (b"HTTP/1.1 200 OK", (b"Content-Length: 5",), 200, block(b"content-length: 5"), 5, 0, False),
    (b"HTTP/1.1 200 OK", (b"Transfer-Encoding: Chunked",), 200, b"", UNTIL_END, 0, False),
    (b"HTTP/1.1 200 OK", (), 200, b"", NO_BODY, 0, True),
    (b"HTTP/1.1 200", (), 200, b"", NO_BODY, 0, True),
    (b"HTTP/1.1 200 ", (), 200, b"", NO_BODY, 0, True),
    (b"HTTP/1.1 404 Nicht\tda \xe4", (b"Content-Length: 0",), 404, block(b"content-length: 0"), 0, 0, False),
    (b"HTTP/1.1 100 Continue", (), 100, b"", NO_BODY, 0, True),
    (b"HTTP/1.1 999 x", (b"content-length: 1",), 999, block(b"content-length: 1"), 1, 0, False),
    (b"HTTP/1.0 200 OK", (b"Content-Length: 5",), 200, block(b"content-length: 5"), 5, CLOSE, False),
    (b"HTTP/1.0 200 OK", (b"Content-Length: 5", b"Connection: Keep-Alive"), 200, block(b"content-length: 5"), 5, KEEP_ALIVE, False),
    (b"HTTP/1.0 200 OK", (b"Connection: keep-alive",), 200, b"", NO_BODY, KEEP_ALIVE | CLOSE, True),
    (
        b"HTTP/1.0 200 OK",
        (b"Content-Length: 5", b"Connection: close, keep-alive"),
        200,
        block(b"content-length: 5"),
        5,
        KEEP_ALIVE | CLOSE,
        False,
    ),
    (b"HTTP/1.1 200 OK", (b"Connection: close", b"Content-Length: 1"), 200, block(b"content-length: 1"), 1, CLOSE, False),
    # what the upstream's Connection names stays, what is ours to write goes
    (b"HTTP/1.1 200 OK", (b"Connection: x", b"X: 1"), 200, block(b"x: 1"), NO_BODY, 0, True),
    (b"HTTP/1.1 200 OK", (b"Keep-Alive: a", b"Proxy-Connection: b", b"TE: c", b"Server: d"), 200, b"", NO_BODY, 0, True),
    (b"HTTP/1.1 200 OK", (b"X-Envoy-Upstream-Service-Time: 3", b"x-envoy-a_b: 1"), 200, block(b"x-envoy-a_b: 1"), NO_BODY, 0, True),
    (b"HTTP/1.1 200 OK", (b"Date: x",), 200, block(b"date: x"), NO_BODY, HAS_DATE, True),
    (b"HTTP/1.1 200 OK", (b"Set-Cookie: a", b"Set-Cookie: b"), 200, block(b"set-cookie: a", b"set-cookie: b"), NO_BODY, 0, True),
    (b"HTTP/1.1 200 OK", (b"Expect: 100-continue", b"Host: a b"), 200, block(b"expect: 100-continue", b"host: a b"), NO_BODY, 0, True),
    (b"HTTP/1.1 101 Switching", (b"Connection: upgrade", b"Upgrade: h2c"), 101, b"", NO_BODY, UPGRADE, True),
    (b"HTTP/1.1 426 x", (b"Upgrade: TLS/1.3", b"Content-Length: 0"), 426, block(b"content-length: 0"), 0, UPGRADE, False),
]  # fmt: skip


@both
@pytest.mark.parametrize(
    ("line", "lines", "status", "expected", "length", "flags", "until_close"), RESPONSES, ids=[str(one[:2]) for one in RESPONSES]
)
def test_responses(
    parser: ModuleType, line: bytes, lines: tuple[bytes, ...], status: int, expected: bytes, length: int, flags: int, until_close: bool
) -> None:  # fmt: skip
    for _ in range(2):
        head = response(parser, message(line, *lines))
        assert (head.status, head.block, head.length, head.flags, head.until_close) == (status, expected, length, flags, until_close)


REFUSED_RESPONSES = [
    (b"\r\n\r\n", "http1.invalid_status_line"),
    (message(b"HTTP/1.1"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 20"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 099 x"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 2000 x"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 20x x"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 +20 x"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1  200 x"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 200\tOK"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 200 O\x00K"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 200 O\nK: x"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 200 O\rK"), "http1.invalid_status_line"),
    (message(b"HTTP/1.1 200 OK\r"), "http1.invalid_status_line"),
    (message(b"HTTP/2 200 OK"), "http1.invalid_status_line"),
    (message(b"HTTP/1.2 200 OK"), "http1.invalid_status_line"),
    (message(b"ICY 200 OK"), "http1.invalid_status_line"),
    (message(b"http/1.1 200 OK"), "http1.invalid_status_line"),
    (message(RESPONSE, b"x"), "http1.invalid_field_line"),
    (message(RESPONSE, b"x : 1"), "http1.invalid_field_line"),
    (message(RESPONSE, b"x: 1", b" folded"), "http1.invalid_field_line"),
    (message(RESPONSE, b"x: 1\ny: 2"), "http1.invalid_field_line"),
    (message(RESPONSE, b"x: \x00"), "http1.invalid_field_line"),
    (message(RESPONSE, b"Content-Length: 5, 5"), "http1.invalid_content_length"),
    (message(RESPONSE, b"Content-Length: -1"), "http1.invalid_content_length"),
    (message(RESPONSE, b"Content-Length: 5", b"Content-Length: 5"), "http1.multiple_content_lengths"),
    (message(RESPONSE, b"Content-Length: 5", b"Transfer-Encoding: chunked"), "http1.content_length_and_chunked_not_allowed"),
    (message(RESPONSE, b"Transfer-Encoding: gzip"), "http1.unsupported_transfer_coding"),
    (message(RESPONSE, b"Transfer-Encoding: gzip, chunked"), "http1.unsupported_transfer_coding"),
    (message(RESPONSE, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), "http1.unsupported_transfer_coding"),
    (message(b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked"), "http1.unsupported_transfer_coding"),
    (message(RESPONSE, *[b"x: 1"] * (MAX_FIELDS + 1)), "http1.too_many_headers"),
]


@both
def test_the_server_field_stands_beside_the_block(parser: ModuleType) -> None:
    head = response(parser, message(RESPONSE, b"a: 1", b"Server: \tnginx 1.2 ", b"server: other", b"b: 2"))
    assert (head.server, head.block) == (b"nginx 1.2", b"\r\na: 1\r\nb: 2")
    assert response(parser, message(RESPONSE, b"server:")).server == b""
    assert response(parser, message(RESPONSE, b"servers: x")).server is None


@both
@pytest.mark.parametrize(("raw", "detail"), REFUSED_RESPONSES, ids=[str(one[0])[:80] for one in REFUSED_RESPONSES])
def test_refused_responses(parser: ModuleType, raw: bytes, detail: str) -> None:
    for _ in range(2):
        assert refusal(lambda: response(parser, raw)) == (502, detail)


@needs_compiled
@pytest.mark.parametrize("name", ["parse_request", "parse_response"])
def test_the_compiled_parsers_do_not_read_past_the_buffer(name: str) -> None:
    for raw, end in ((b"", 0), (b"\r\n\r", 0), (REQUEST, len(REQUEST)), (REQUEST + b"\r\n\r\n", len(REQUEST) + 1)):
        with pytest.raises(ValueError, match="does not end inside the buffer"):
            getattr(compiled, name)(raw, end, MAX_FIELDS)


def test_the_parsers_in_use_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        monkeypatch.setenv("SHIFTER_PURE", "1")
        assert importlib.reload(heads).IMPLEMENTATION == "pure python"
        assert heads.parse_request is _pure_heads.parse_request
        monkeypatch.setenv("SHIFTER_PURE", "0")
        importlib.reload(heads)
        assert (heads.IMPLEMENTATION == "compiled") == (compiled is not None)
    finally:
        monkeypatch.undo()
        importlib.reload(heads)


def test_what_is_remembered_is_bounded() -> None:
    lines = _pure_heads._request_lines
    for number in range(2 * _pure_heads._CACHED_LINES):
        request(_pure_heads, asked(b"x%d: y" % number, b"x: %d" % number))
    assert len(lines) <= _pure_heads._CACHED_LINES
    assert len(lines._names) <= _pure_heads._CACHED_NAMES
    for line in (b"Authorization: secret", b"Cookie: secret", b"x: " + b"l" * _pure_heads._CACHED_LINE_LENGTH):
        request(_pure_heads, asked(line))
        assert line not in lines


# Both parsers, whatever comes

NAMES = [
    b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"TE", b"Expect", b"Keep-Alive", b"Server", b"Date",
    b"Proxy-Connection", b"X-Forwarded-For", b"X-Forwarded-Proto", b"X-Request-Id", b"X-Envoy-Retry-On", b"x-envoy-upstream-service-time",
    b"X-Forwarded-Client-Cert", b"Cookie", b"a_b", b"x",
]  # fmt: skip
VALUES = [
    b"a", b"", b"a:80", b"5", b"05", b"5, 5", b"chunked", b"CHUNKED", b"gzip, chunked", b"close", b"Keep-Alive", b"upgrade, x",
    b"close, host", b"h2c", b"websocket", b"trailers", b"gzip, trailers", b"100-continue", b"\xff", b"[::1]:80", b"a b",
]  # fmt: skip
STARTS = [
    b"GET / HTTP/1.1", b"GET / HTTP/1.0", b"POST /a//b HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET http://a/ HTTP/1.1", b"PRI * HTTP/2.0",
    b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204", b"HTTP/1.1 101 x",
]  # fmt: skip

names = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from([b"X-Envoy-", b"x-", b""]).flatmap(lambda start: st.text("abXY_-z", max_size=12).map(lambda end: start + end.encode())),
)
blanks = st.sampled_from([b"", b" ", b"\t", b"  ", b" \t "])
lines = st.builds(
    lambda name, before, value, after: name + b":" + before + value + after,
    names,
    blanks,
    st.one_of(st.sampled_from(VALUES), st.binary(max_size=8)),
    blanks,
)
whole = st.builds(
    lambda start, host, rest: message(start, *host, *rest),
    st.sampled_from(STARTS),
    st.sampled_from([(b"Host: a",), ()]),
    st.lists(lines, max_size=6),
)
bytes_that_matter = st.one_of(st.sampled_from(list(b"\r\n\x00 \t:/%#.0,\x7f\x80hH")), st.integers(0, 255))
changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), bytes_that_matter, st.sampled_from("rid")), max_size=4)


def mutated(raw: bytes, edits: list[tuple[float, int, str]]) -> bytes:
    """*raw* with bytes replaced, inserted and deleted; still a head."""
    result = bytearray(raw[:-4])
    for place, byte, how in edits:
        at = int(place * len(result))
        if how == "i":
            result.insert(at, byte)
        elif result:
            if how == "d":
                del result[at]
            else:
                result[at] = byte
    return bytes(result) + b"\r\n\r\n"


heads_that_may_be_wrong = st.builds(mutated, whole, changes)
FIELD = re.compile(rb"\r\n[!#$%&'*+\-.^_`|~0-9a-z]+: (?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")


def answer(parse: Callable[[bytes, int, int], object], raw: bytes, max_fields: int) -> object:
    try:
        head = parse(raw, raw.index(b"\r\n\r\n"), max_fields)
    except ProtocolError as error:
        return error.status, error.detail
    return {name: getattr(head, name, None) for name in type(head).__slots__}  # type: ignore[attr-defined]


@needs_compiled
@given(heads_that_may_be_wrong, st.integers(0, 8))
@example(message(b"GET / HTTP/1.1", b"Host: a", b"x-envoy-ab: 1"), 8)
@example(message(b"GET / HTTP/1.1", b"Host: a", b"x-envoy-:"), 8)
@example(message(b"GET / HTTP/1.1", b"Host"), 8)
@example(message(b"HTTP/1.1 200 OK", b"Server: a", b"server:b"), 8)
def test_both_parsers_answer_alike(raw: bytes, max_fields: int) -> None:
    assert compiled is not None
    assert answer(compiled.parse_request, raw, max_fields) == answer(_pure_heads.parse_request, raw, max_fields)
    assert answer(compiled.parse_response, raw, max_fields) == answer(_pure_heads.parse_response, raw, max_fields)


@needs_compiled
@given(heads_that_may_be_wrong)
def test_the_compiled_parser_asks_the_pure_one_only_what_is_refused(raw: bytes) -> None:
    assert compiled is not None
    for name in ("parse_request", "parse_response"):
        expected = answer(getattr(_pure_heads, name), raw, MAX_FIELDS)
        with patch.object(_pure_heads, name, Mock(return_value=None)) as asked_again:
            getattr(compiled, name)(raw, raw.index(b"\r\n\r\n"), MAX_FIELDS)
        assert asked_again.called == isinstance(expected, tuple)


@given(st.sampled_from([_pure_heads, compiled] if compiled else [_pure_heads]), heads_that_may_be_wrong)
def test_blocks_are_canonical(parser: ModuleType, raw: bytes) -> None:
    for parse in (parser.parse_request, parser.parse_response):
        head = answer(parse, raw, MAX_FIELDS)
        if not isinstance(head, dict):
            continue
        found = head["block"]
        fields = FIELD.findall(found)
        assert b"".join(fields) == found
        fields_named = [field[2:].partition(b":")[0] for field in fields]
        assert not {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"upgrade"} & set(fields_named)
        assert fields_named.count(b"content-length") == (head["length"] >= 0)
        if "authority" in head:
            assert b"host" not in fields_named
            text = head["method"] + head["path"] + head["authority"]
            assert not text.translate(None, bytes(range(0x21, 0x7F)))
            if not head["flags"] & ODD_PATH:
                assert head["path"].startswith(b"/")
                assert not re.search(rb"[#%\\]|//|/\.", head["path"])
