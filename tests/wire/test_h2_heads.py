"""Field lists become heads that HTTP/1.1 cannot misread, or are refused."""

import importlib
from types import ModuleType

import pytest
from ngh2 import NeverIndexedHeader

from shifter.wire import h2_heads
from shifter.wire.events import (
    EXPECT_CONTINUE,
    HAS_DATE,
    HAS_REQUEST_ID,
    HAS_UNDERSCORE,
    HAS_X_ENVOY,
    HAS_XFF,
    HAS_XFP,
    NO_BODY,
    ODD_PATH,
    REPEATED_LENGTH,
    TE_TRAILERS,
    UNTIL_END,
    ProtocolError,
    RequestHead,
    ResponseHead,
    block_of,
)
from shifter.wire.heads import parse_request
from tests.support.h2frames import GET, OK

Fields = list[tuple[bytes, bytes]]

try:
    compiled: ModuleType | None = importlib.import_module("shifter.wire._h2_heads")
except ImportError:
    compiled = None

needs_compiled = pytest.mark.skipif(compiled is None, reason="the extension module is not built")
using: ModuleType = h2_heads


@pytest.fixture(autouse=True, scope="module", params=[h2_heads, pytest.param(compiled, marks=needs_compiled)], ids=["pure", "compiled"])
def functions(request: pytest.FixtureRequest) -> None:
    """Every test here runs with both."""
    global using
    using = request.param


def request(*more: tuple[bytes, bytes], end: bool = True, **changed: bytes | None) -> RequestHead:
    """The head of a GET with *more* fields; ``path=b"/x"`` changes a pseudo-header, ``None`` leaves it out."""
    pseudo: dict[bytes, bytes | None] = dict(GET) | {b":" + name.encode(): value for name, value in changed.items()}
    fields = [(name, value) for name, value in pseudo.items() if value is not None]
    return using.request_head((*fields, *more), end, 100, 60 * 1024)


def response(*more: tuple[bytes, bytes], end: bool = False, status: bytes = b"200", to_head: bool = False) -> ResponseHead:
    return using.response_head(((b":status", status), *more), end, 100, 60 * 1024, to_head)


def refused(*more: tuple[bytes, bytes], end: bool = True, **changed: bytes | None) -> str:
    with pytest.raises(ProtocolError) as caught:
        request(*more, end=end, **changed)
    assert caught.value.status == 400
    return caught.value.detail


def test_a_request() -> None:
    head = request((b"user-agent", b"curl/8"), (b"accept", b"*/*"))
    assert (head.method, head.path, head.authority, head.scheme, head.version) == (b"GET", b"/", b"a.example", b"http", 20)
    assert head.block == b"\r\nuser-agent: curl/8\r\naccept: */*"
    assert (head.length, head.flags) == (NO_BODY, 0)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 2, 0), (2, 0, 3, 1)])
def test_pseudo_headers_come_in_any_order(order: tuple[int, ...]) -> None:
    head = using.request_head([GET[at] for at in order], True, 100, 60 * 1024)
    assert (head.method, head.path, head.authority, head.scheme) == (b"GET", b"/", b"a.example", b"http")


@pytest.mark.parametrize(
    ("fields", "end", "length"),
    [
        ([], True, NO_BODY),
        ([], False, UNTIL_END),
        ([(b"content-length", b"5")], False, 5),
        ([(b"content-length", b"0")], True, 0),
        ([(b"content-length", b"0")], False, 0),
    ],
)
def test_length_of_a_request(fields: Fields, end: bool, length: int) -> None:
    assert request(*fields, end=end).length == length


def test_content_length_becomes_canonical() -> None:
    assert request((b"content-length", b"0005"), end=False).block == b"\r\ncontent-length: 5"
    assert response((b"content-length", b"0005")).block == b"\r\ncontent-length: 5"


@pytest.mark.parametrize("value", [b"", b"+5", b"-1", b"5 ", b"0x5", b"5,5", b"5, 5", b"1e3", b"9" * 19, "٣".encode()])
def test_content_length_is_digits(value: bytes) -> None:
    assert refused((b"content-length", value), end=False).startswith("http2.invalid_")


def test_content_length_comes_once_and_agrees_with_the_end() -> None:
    assert refused((b"content-length", b"5"), (b"content-length", b"5"), end=False) == "http2.multiple_content_lengths"
    assert refused((b"content-length", b"5")) == "http2.inconsistent_content_length"


@pytest.mark.parametrize(
    ("field", "flag", "kept"),
    [
        ((b"x-forwarded-for", b"1.2.3.4"), HAS_XFF, True),
        ((b"x-forwarded-proto", b"https"), HAS_XFP, True),
        ((b"x-request-id", b"1-2"), HAS_REQUEST_ID, True),
        ((b"x-envoy-retry-on", b"5xx"), HAS_X_ENVOY, True),
        ((b"x-forwarded-client-cert", b"By=me"), HAS_X_ENVOY, True),
        ((b"x_under", b"1"), HAS_UNDERSCORE, True),
        ((b"x-envoy-a_b", b"1"), HAS_UNDERSCORE | HAS_X_ENVOY, True),
        ((b"te", b"trailers"), TE_TRAILERS, False),
        ((b"te", b"Trailers"), TE_TRAILERS, False),
        ((b"expect", b"100-Continue"), EXPECT_CONTINUE, False),
        ((b"expect", b"200-ok"), 0, True),
    ],
)
def test_what_is_noticed(field: tuple[bytes, bytes], flag: int, kept: bool) -> None:
    for _ in range(2):  # the second time from memory
        head = request(field)
        assert head.flags == flag
        assert head.block == (block_of([field]) if kept else b"")


def test_cookies_are_joined_in_their_first_place() -> None:
    head = request((b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3"))
    assert head.block == b"\r\ncookie: a=1; b=2; c=3\r\nx: y"


def test_host_stands_in_for_authority_and_never_contradicts_it() -> None:
    assert request((b"host", b"b.example"), authority=None).authority == b"b.example"
    assert request((b"host", b"a.example")).block == b""
    assert refused((b"host", b"b.example")) == "http2.invalid_authority"
    assert refused((b"host", b"a"), (b"host", b"b"), authority=None) == "http2.multiple_hosts"
    assert refused(authority=None) == "http2.missing_authority"


AUTHORITIES = [b"a", b"a.example:8080", b"127.0.0.1:1", b"[::1]:80", b"[::1]", b"a:", b"a_b", b"xn--n3h.example", b"%41", b"A"]
BAD_AUTHORITIES = [b"a b", b"a/b", b"u@a", b"a?b", b"a#b", b"a:b", b"a:123456", b"[::1", b"a\x80", b"a\0", b"a,b c", b'"a"']


@pytest.mark.parametrize("authority", AUTHORITIES + BAD_AUTHORITIES)
def test_authorities_are_those_of_http1(authority: bytes) -> None:
    raw = b"GET / HTTP/1.1\r\nhost: %b\r\n\r\n" % authority
    end = len(raw) - 4
    if authority in BAD_AUTHORITIES:
        with pytest.raises(ProtocolError):
            parse_request(raw, end, 100)
        assert refused(authority=authority) == "http2.invalid_authority"
        assert refused((b"host", authority), authority=None).startswith("http2.invalid_")
    else:
        assert request(authority=authority).authority == parse_request(raw, end, 100).authority


def test_an_authority_is_not_empty_and_not_endless() -> None:
    assert refused(authority=b"") == "http2.invalid_authority"
    assert refused(authority=b"a" * 600) == "http2.invalid_authority"
    assert refused(authority=b"a\r\nx: y") == "http2.invalid_authority"


@pytest.mark.parametrize("method", [b"GET", b"PATCH", b"M-SEARCH", b"CUSTOM", b"get"])
def test_methods(method: bytes) -> None:
    assert request(method=method).method == method


@pytest.mark.parametrize("method", [b"", b"GET /x HTTP/1.1", b"GE T", b"GET\r\n", b"GET\0", b"G(", b"GET\x80"])
def test_a_method_is_a_token(method: bytes) -> None:
    assert refused(method=method) == "http2.invalid_method"


@pytest.mark.parametrize("path", [b"/", b"/a/b?c=d", b"/a.b", b"/~a;b=c"])
def test_plain_paths(path: bytes) -> None:
    head = request(path=path)
    assert (head.path, head.flags) == (path, 0)


@pytest.mark.parametrize("path", [b"/a//b", b"/./a", b"/../a", b"/.a", b"/%41", b"/a#b", b"/a\\b"])
def test_odd_paths(path: bytes) -> None:
    head = request(path=path)
    assert (head.path, head.flags) == (path, ODD_PATH)


@pytest.mark.parametrize("path", [b"", b"a", b"*", b"http://a.example/", b"/a b", b"/a\r\nx: y", b"/\0", b"/\x7f", b"/\xff", b"?a"])
def test_bad_paths(path: bytes) -> None:
    assert refused(path=path) == "http2.invalid_path"


def test_options_may_ask_about_the_server() -> None:
    head = request(method=b"OPTIONS", path=b"*")
    assert (head.path, head.flags) == (b"*", ODD_PATH)


def test_connect_has_its_authority_for_a_path() -> None:
    head = request(method=b"CONNECT", path=None, scheme=None, end=False)
    assert (head.method, head.path, head.authority, head.flags) == (b"CONNECT", b"a.example", b"a.example", ODD_PATH)


def test_pseudo_headers_are_the_four_we_know() -> None:
    assert refused(path=None) == "http2.invalid_pseudo_field"
    assert refused(scheme=None) == "http2.invalid_pseudo_field"
    assert refused(scheme=b"ftp") == "http2.invalid_scheme"
    assert refused(method=None) == "http2.invalid_pseudo_field"
    assert refused(foo=b"bar") == "http2.invalid_field_name"
    assert refused(status=b"200") == "http2.invalid_field_name"
    assert refused((b":path", b"/b")) == "http2.invalid_field_name"
    assert refused((b"x", b"y"), (b":path", b"/b"), path=None) == "http2.invalid_pseudo_field"
    assert refused(protocol=b"websocket") == "http2.invalid_pseudo_field"
    assert refused((b":protocol", b"websocket"), (b":protocol", b"websocket"), method=b"CONNECT") == "http2.invalid_pseudo_field"
    assert refused((b":method", b"GET"), path=None) == "http2.invalid_pseudo_field"


@pytest.mark.parametrize("name", [b"", b"Foo", b"a b", b"a:b", b"a\r\n", b"a\0", b"\xe9", b" a", b"a "])
def test_names_are_lower_case_tokens(name: bytes) -> None:
    assert refused((name, b"x")) == "http2.invalid_field_name"


@pytest.mark.parametrize("value", [b"a\r\nb", b"a\nb", b"a\rb", b"a\0b", b"a\x01", b"\x7f", b" a", b"a ", b"\ta"])
@pytest.mark.parametrize("name", [b"x", b"cookie", b"x-request-id", b"te", b"expect"])
def test_values_hold_no_controls_and_no_outer_blanks(name: bytes, value: bytes) -> None:
    assert refused((name, value)) == "http2.invalid_field_value"


@pytest.mark.parametrize("name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"])
def test_connection_specific_fields_are_malformed(name: bytes) -> None:
    assert refused((name, b"x")) == "http2.connection_specific_field"
    with pytest.raises(ProtocolError):
        response((name, b"x"))


def test_te_may_only_say_trailers() -> None:
    assert refused((b"te", b"gzip")) == "http2.connection_specific_field"


def test_limits() -> None:
    many = [(b"x", b"y")] * 101
    with pytest.raises(ProtocolError) as caught:
        request(*many)
    assert caught.value.status == 431
    with pytest.raises(ProtocolError) as caught:
        request((b"x", b"y" * 60 * 1024))
    assert caught.value.status == 431
    with pytest.raises(ProtocolError) as caught:
        response(*many)
    assert caught.value.status == 502
    assert request(*[(b"cookie", b"a=1")] * 300).block.count(b"cookie") == 1


def test_secrets_are_not_remembered() -> None:
    request((b"cookie", b"secret=1"), (b"authorization", b"Basic secret"), (b"x-key", b"sec"), NeverIndexedHeader(b"x-other", b"secret"))
    assert not [field for field in h2_heads._request_meanings if b"secret" in field[1]]
    list(using.block_fields(b"\r\nset-cookie: secret\r\nauthorization: secret"))
    assert not [line for line in h2_heads._line_to_field.__self__ if b"secret" in line]


def test_memory_is_bounded() -> None:
    for number in range(3 * 4096):
        request((b"x-number", b"%d" % number), (b"x-%d" % number, b"long" * 100))
        list(using.block_fields(b"\r\nx-number: %d" % number))
    assert len(h2_heads._request_meanings) <= 4096
    assert len(h2_heads._request_meanings._names) <= 1024
    assert len(h2_heads._line_to_field.__self__) <= 4096
    assert request((b"x-number", b"1")).block == b"\r\nx-number: 1"


def test_an_answer() -> None:
    head = response((b"content-type", b"text/plain"), (b"date", b"now"), (b"server", b"x"), (b"x-envoy-upstream-service-time", b"1"))
    assert (head.status, head.length, head.flags, head.until_close) == (200, UNTIL_END, HAS_DATE, False)
    assert head.block == b"\r\ncontent-type: text/plain\r\ndate: now"


@pytest.mark.parametrize(
    ("status", "fields", "end", "to_head", "length", "flags"),
    [
        (b"200", [], True, False, NO_BODY, 0),
        (b"200", [(b"content-length", b"3")], False, False, 3, 0),
        (b"200", [(b"content-length", b"0")], True, False, 0, 0),
        (b"200", [(b"content-length", b"3")], True, True, NO_BODY, REPEATED_LENGTH),
        (b"200", [(b"content-length", b"3")], False, True, NO_BODY, REPEATED_LENGTH),
        (b"304", [(b"content-length", b"3")], True, False, NO_BODY, REPEATED_LENGTH),
        (b"204", [], True, False, NO_BODY, 0),
        (b"204", [], False, False, NO_BODY, 0),
        (b"103", [(b"link", b"x")], False, False, NO_BODY, 0),
    ],
)
def test_length_of_an_answer(status: bytes, fields: Fields, end: bool, to_head: bool, length: int, flags: int) -> None:
    head = response(*fields, end=end, status=status, to_head=to_head)
    assert (head.length, head.flags) == (length, flags)


@pytest.mark.parametrize("status", [b"", b"20", b"abc", b"099", b"1000", b"+20", b"2 0", b"200 OK"])
def test_a_status_is_three_digits(status: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        response(status=status)
    assert caught.value.status == 502


@pytest.mark.parametrize("fields", [(), ((b"a", b"b"),), ((b"a", b"b"), *OK), (*OK, *OK)])
def test_an_answer_begins_with_its_only_status(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(ProtocolError):
        using.response_head(fields, True, 100, 1000)


def test_answers_without_a_body_say_no_length() -> None:
    with pytest.raises(ProtocolError):
        response((b"content-length", b"3"), status=b"204")
    with pytest.raises(ProtocolError):
        response((b"content-length", b"3"), status=b"103")
    with pytest.raises(ProtocolError):
        response((b"content-length", b"3"), end=True)


def test_trailers() -> None:
    fields = [(b"grpc-status", b"0"), (b"content-length", b"3"), (b"host", b"b"), (b"te", b"trailers"), (b"x_y", b"z")]
    assert h2_heads.trailer_block(fields, 100, 1000, 400) == b"\r\ngrpc-status: 0\r\nx_y: z"
    for bad in ((b":path", b"/"), (b"A", b"b"), (b"a", b"b\r\nc: d")):
        with pytest.raises(ProtocolError) as caught:
            h2_heads.trailer_block([bad], 100, 1000, 502)
        assert caught.value.status == 502
    with pytest.raises(ProtocolError) as caught:
        h2_heads.trailer_block([(b"a", b"b")] * 3, 2, 1000, 400)
    assert caught.value.status == 431


def test_field_lists_for_sending() -> None:
    head = RequestHead(b"GET", b"/x", b"a", b"\r\na: b: c\r\nempty: \r\nte: trailers", flags=TE_TRAILERS)
    assert using.request_fields(head) == [
        (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/x"), (b"a", b"b: c"), (b"empty", b""),
        (b"te", b"trailers"),
    ]  # fmt: skip
    assert (b":authority", b"") not in using.request_fields(RequestHead(b"GET", b"/", b""))
    assert using.response_fields(200, b"\r\na: b") == [*OK, (b"a", b"b")]
    assert using.response_fields(599, b"") == [(b":status", b"599")]


def test_the_server_field_stands_beside_the_block() -> None:
    head = response((b"a", b"1"), (b"server", b"nginx"), (b"server", b"other"), end=True)
    assert (head.server, head.block) == (b"nginx", b"\r\na: 1")
    assert response(end=True).server is None


def test_field_lists_need_not_be_lists_of_pairs() -> None:
    listed = (*GET, NeverIndexedHeader(b"x", b"secret"))
    assert using.request_head(listed, True, 100, 1000).block == b"\r\nx: secret"
    assert using.request_head(list(listed), True, 100, 1000).block == b"\r\nx: secret"
