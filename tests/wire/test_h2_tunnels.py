"""CONNECT and extended CONNECT become what HTTP/1.1 would have said, and back."""

import pytest

from shifter.wire.events import NO_BODY, ODD_PATH, UNTIL_END, UPGRADE, ProtocolError, RequestHead, ResponseHead
from shifter.wire.h2 import ClientConnection, Http2Options, ServerConnection
from shifter.wire.h2_events import DATA, REQUEST, RESET, RESPONSE, SETTINGS, Event
from shifter.wire.h2_heads import request_head
from shifter.wire.h2_tunnels import agreement, agreement_fields, tunnel_fields

Fields = tuple[tuple[bytes, bytes], ...]
CONNECT = (b":method", b"CONNECT")
AUTHORITY = (b":authority", b"a.test:80")
SCHEME = (b":scheme", b"https")
PATH = (b":path", b"/chat")
WEBSOCKET = (b":protocol", b"websocket")
EXTENDED = (CONNECT, WEBSOCKET, SCHEME, PATH, AUTHORITY)
SWITCH = b"\r\nconnection: Upgrade\r\nupgrade: websocket"


def head_of(*fields: tuple[bytes, bytes], end: bool = False) -> RequestHead:
    return request_head(fields, end, 100, 60 * 1024)


def refused(*fields: tuple[bytes, bytes]) -> str:
    with pytest.raises(ProtocolError) as caught:
        head_of(*fields)
    assert caught.value.status == 400
    return caught.value.detail


@pytest.mark.parametrize("order", [EXTENDED, EXTENDED[::-1], (*EXTENDED[2:], CONNECT, WEBSOCKET), (*EXTENDED[2:], WEBSOCKET, CONNECT)])
def test_an_extended_connect_is_what_http1_would_have_asked(order: Fields) -> None:
    head = head_of(*order, (b"x", b"y"))
    assert (head.method, head.path, head.authority, head.scheme) == (b"GET", b"/chat", b"a.test:80", b"https")
    assert (head.flags, head.length, head.version) == (UPGRADE, NO_BODY, 20)
    assert head.block == b"\r\nx: y" + SWITCH


@pytest.mark.parametrize("end", [True, False])
def test_a_length_of_nothing_says_nothing(end: bool) -> None:
    head = head_of(*EXTENDED, (b"content-length", b"0"), end=end)
    assert (head.block, head.length) == (SWITCH, NO_BODY)


def test_a_tunnel_has_no_length() -> None:
    assert refused(*EXTENDED, (b"content-length", b"5")) == "http2.unexpected_content_length"
    assert refused(CONNECT, AUTHORITY, (b"content-length", b"5")) == "http2.unexpected_content_length"


@pytest.mark.parametrize("missing", [SCHEME, PATH, AUTHORITY])
def test_an_extended_connect_has_all_pseudo_fields(missing: tuple[bytes, bytes]) -> None:
    assert refused(*(field for field in EXTENDED if field != missing)) == "http2.invalid_pseudo_field"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ((CONNECT, SCHEME, PATH, AUTHORITY), "http2.invalid_pseudo_field"),
        ((CONNECT, SCHEME, AUTHORITY), "http2.invalid_pseudo_field"),
        ((CONNECT, PATH, AUTHORITY), "http2.invalid_pseudo_field"),
        ((CONNECT,), "http2.invalid_pseudo_field"),
        (((b":method", b"GET"), WEBSOCKET, SCHEME, PATH, AUTHORITY), "http2.invalid_pseudo_field"),
        (((b":method", b"GET"), SCHEME, PATH, AUTHORITY, WEBSOCKET), "http2.invalid_pseudo_field"),
        ((*EXTENDED, WEBSOCKET), "http2.invalid_pseudo_field"),
        ((CONNECT, SCHEME, PATH, AUTHORITY, (b"x", b"y"), WEBSOCKET), "http2.invalid_pseudo_field"),
        ((CONNECT, SCHEME, PATH, AUTHORITY, (b":protocol", b"")), "http2.invalid_pseudo_field"),
        ((CONNECT, SCHEME, PATH, AUTHORITY, (b":protocol", b"a\r\nb")), "http2.invalid_field_value"),
        ((CONNECT, SCHEME, (b":path", b"chat"), AUTHORITY, WEBSOCKET), "http2.invalid_path"),
        ((CONNECT, SCHEME, (b":path", b"a.test:80"), AUTHORITY, WEBSOCKET), "http2.invalid_path"),
        ((*EXTENDED, (b"upgrade", b"websocket")), "http2.connection_specific_field"),
        ((*EXTENDED, (b"connection", b"upgrade")), "http2.connection_specific_field"),
    ],
)
def test_nothing_else_is_a_connect(fields: Fields, detail: str) -> None:
    assert refused(*fields) == detail


def test_a_byte_stream_is_a_plain_connect() -> None:
    head = head_of(CONNECT, SCHEME, PATH, AUTHORITY, (b":protocol", b"bytestream"))
    assert (head.method, head.path, head.authority, head.flags, head.block) == (b"CONNECT", b"a.test:80", b"a.test:80", ODD_PATH, b"")


def test_what_http1_asks_becomes_an_extended_connect() -> None:
    head = RequestHead(b"POST", b"/chat", b"a.test:80", b"\r\na: b" + SWITCH + b"\r\nc: d", scheme=b"https")
    fields = tunnel_fields(head)
    assert sorted(fields[:5]) == sorted(EXTENDED)
    assert fields[5:] == [(b"a", b"b"), (b"c", b"d")]
    assert SWITCH in head.block  # another try may go to another endpoint
    assert tunnel_fields(RequestHead(b"CONNECT", b"", b"a.test:80", b"\r\na: b")) == [CONNECT, AUTHORITY, (b"a", b"b")]


def test_the_answer_that_agrees_is_translated_and_no_other() -> None:
    asked = head_of(*EXTENDED)
    agreed = agreement(ResponseHead(200, b"\r\na: b\r\ncontent-length: 0", 0), asked)
    assert (agreed.status, agreed.block, agreed.length) == (101, b"\r\na: b" + SWITCH, UNTIL_END)
    for status in (201, 204, 301, 403, 503):
        head = agreement(ResponseHead(status, b"\r\ncontent-length: 2", 2), asked)
        assert (head.status, head.block, head.length) == (status, b"\r\ncontent-length: 2", 2)
    connect = RequestHead(b"CONNECT", b"", b"a.test:80")
    head = agreement(ResponseHead(200, b"\r\ncontent-length: 2", 2), connect)
    assert (head.status, head.block, head.length) == (200, b"", UNTIL_END)
    head = agreement(ResponseHead(403, b"\r\ncontent-length: 2", 2), connect)
    assert (head.status, head.block, head.length) == (403, b"\r\ncontent-length: 2", 2)


def test_an_agreement_names_no_protocol() -> None:
    assert agreement_fields(101, b"\r\na: b" + SWITCH) == [(b":status", b"200"), (b"a", b"b")]
    assert agreement_fields(200, b"\r\na: b\r\ncontent-length: 0") == [(b":status", b"200"), (b"a", b"b")]


class Pair:
    """A client and a server that hear of each other at once."""

    def __init__(self, allow_connect: bool = True) -> None:
        self.client = ClientConnection(Http2Options())
        self.server = ServerConnection(Http2Options(allow_connect=allow_connect))

    def talk(self) -> tuple[list[Event], list[Event]]:
        """What the server and the client hear."""
        heard: tuple[list[Event], list[Event]] = ([], [])
        busy = True
        while busy:
            out, back = self.client.data_to_send(), self.server.data_to_send()
            heard[0].extend([*self.server.receive(out), *self.server.events()] if out else [])
            heard[1].extend([*self.client.receive(back), *self.client.events()] if back else [])
            busy = bool(out or back)
        return heard


@pytest.mark.parametrize("allow_connect", [True, False])
def test_the_server_says_whether_it_takes_extended_connect(allow_connect: bool) -> None:
    pair = Pair(allow_connect)
    assert (SETTINGS,) in pair.talk()[1]
    assert pair.client.extended is allow_connect


def test_bytes_go_both_ways_and_either_half_ends_alone() -> None:
    pair = Pair()
    pair.talk()
    number = pair.client.open_tunnel(head_of(*EXTENDED))
    [(kind, _, head, end)] = pair.talk()[0]
    assert (kind, head.flags & UPGRADE, end) == (REQUEST, UPGRADE, False)  # type: ignore[union-attr]
    pair.server.send_agreement(number, 101, SWITCH)
    pair.server.send_data(number, b"welcome", True)
    [(kind, _, answer, end), data] = pair.talk()[1]
    assert (kind, answer.status, answer.block, end) == (RESPONSE, 101, SWITCH, False)  # type: ignore[union-attr]
    assert data == (DATA, number, b"welcome", True)
    pair.client.send_data(number, b"bye", False)
    pair.client.send_data(number, b"", True)
    heard = pair.talk()[0]
    assert b"".join(event[2] for event in heard if event[0] == DATA) == b"bye"
    assert heard[-1][0] == DATA
    assert heard[-1][3]
    assert (pair.client.active, pair.server.active) == (0, 0)


def test_who_was_not_allowed_is_refused_before_anybody_hears_of_it() -> None:
    pair = Pair(allow_connect=False)
    pair.talk()
    number = pair.client.open_tunnel(head_of(*EXTENDED))
    heard = pair.talk()
    assert not heard[0]
    assert [(event[0], event[1]) for event in heard[1]] == [(RESET, number)]
