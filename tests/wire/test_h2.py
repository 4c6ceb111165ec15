"""Both roles of the HTTP/2 codec: with each other, with frames made by hand, and with another implementation; over either engine.

Over 600 lines, for both roles share their frames and peers, and a defence of one is mostly to be shown for the other too.
"""

from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifter.wire import h2_events as ev
from shifter.wire.events import NO_BODY, UNTIL_END, RequestHead, block_of
from shifter.wire.h2 import PREFACE, ClientConnection, Connection, Http2Options, ServerConnection, could_be_preface
from shifter.wire.h2_engine import ENGINE
from tests.support import h2frames as raw
from tests.support.effort import examples
from tests.support.h2frames import GET, HELLO, OK, POST

Cut = Callable[[bytes], Sequence[bytes]]


def whole(data: bytes) -> Sequence[bytes]:
    return [data]


def bytewise(data: bytes) -> Sequence[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def in_sevens(data: bytes) -> Sequence[bytes]:
    return [data[at : at + 7] for at in range(0, len(data), 7)]


every_cut = pytest.mark.parametrize("cut", [whole, bytewise, in_sevens])


def fed(codec: Connection, data: bytes, cut: Cut = whole) -> list[ev.Event]:
    """Feed *data* and return all events but SETTINGS, with those that sending makes."""
    found: list[ev.Event] = []
    for piece in cut(data):
        found += codec.receive(piece)
    return [event for event in found if event[0] != ev.SETTINGS]


def server(*first: bytes, options: Http2Options | None = None) -> ServerConnection:
    """A server that has greeted, and has been greeted and sent what is in *first*."""
    codec = ServerConnection(options or Http2Options())
    codec.receive(HELLO + raw.frame(raw.SETTINGS, raw.ACK) + b"".join(first))
    codec.data_to_send()
    return codec


def client(requests: int = 1, method: bytes = b"GET", end: bool = True) -> ClientConnection:
    """A client that has been greeted and has sent this many requests: streams 1, 3, 5 ..."""
    codec = ClientConnection(Http2Options())
    codec.receive(raw.settings() + raw.frame(raw.SETTINGS, raw.ACK))
    for _ in range(requests):
        codec.send_request(RequestHead(method, b"/", b"a.example"), end)
    codec.data_to_send()
    return codec


def answered(codec: Connection) -> list[ev.Event]:
    """What sending does to *codec*, apart from the bytes."""
    codec.data_to_send()
    return codec.events()


def sent(codec: Connection, *kinds: int) -> list[raw.Frame]:
    return raw.frames(codec.data_to_send(), *kinds)


class Pair:
    """A client and a server, and a wire between them that cuts as it likes."""

    def __init__(self, cut: Cut = whole, options: Http2Options | None = None) -> None:
        self.client = ClientConnection(options or Http2Options())
        self.server = ServerConnection(options or Http2Options())
        self.cut = cut
        self.at_client: list[ev.Event] = []
        self.at_server: list[ev.Event] = []
        self.talk()

    def talk(self) -> None:
        """Carry bytes until nobody has any."""
        while self._carry(self.client, self.server, self.at_server) | self._carry(self.server, self.client, self.at_client):
            pass

    def _carry(self, one: Connection, other: Connection, events: list[ev.Event]) -> bool:
        data = one.data_to_send()
        events += fed(other, data, self.cut)
        return bool(data)


def plain(events: Iterable[ev.Event]) -> list[tuple[object, ...]]:
    """Events that can be compared: heads as tuples."""

    def flat(item: object) -> object:
        if isinstance(item, RequestHead):
            return item.method, item.path, item.authority, item.scheme, item.block, item.length, item.flags, item.version
        status = getattr(item, "status", None)
        return item if status is None else (status, getattr(item, "block", None), getattr(item, "length", None))

    return [tuple(flat(item) for item in event) for event in events]


def joined(events: Iterable[ev.Event]) -> list[tuple[object, ...]]:
    """As `plain`, but a stream's DATA as one piece: how a peer cuts it is its own affair."""
    found: list[tuple[object, ...]] = []
    for event in plain(events):
        if found and event[0] == ev.DATA and found[-1][:2] == event[:2]:
            found[-1] = (*event[:2], bytes(found[-1][2]) + bytes(event[2]), event[3])  # type: ignore[arg-type]
        else:
            found.append(event)
    return found


# exchanges


@every_cut
def test_an_exchange(cut: Cut) -> None:
    pair = Pair(cut)
    stream = pair.client.send_request(RequestHead(b"GET", b"/a?b", b"a.example", b"\r\nx: y"), True)
    pair.talk()
    assert plain(pair.at_server) == [(ev.REQUEST, stream, (b"GET", b"/a?b", b"a.example", b"http", b"\r\nx: y", NO_BODY, 0, 20), True)]
    pair.server.send_response(stream, 200, b"\r\ncontent-length: 5", False)
    pair.server.send_data(stream, b"hello", True)
    pair.talk()
    assert plain(pair.at_client) == [
        (ev.RESPONSE, stream, (200, b"\r\ncontent-length: 5", 5), False),
        (ev.DATA, stream, b"hello", True),
    ]
    assert pair.client.active == pair.server.active == 0


@every_cut
def test_bodies_trailers_and_interim_answers(cut: Cut) -> None:
    pair = Pair(cut)
    stream = pair.client.send_request(RequestHead(b"POST", b"/", b"a.example", length=UNTIL_END), False)
    pair.client.send_data(stream, b"up", False)
    pair.client.send_trailers(stream, b"\r\nsum: 1")
    pair.talk()
    assert [event[0] for event in pair.at_server] == [ev.REQUEST, ev.DATA, ev.TRAILERS]
    assert pair.at_server[1:] == [(ev.DATA, stream, b"up", False), (ev.TRAILERS, stream, b"\r\nsum: 1")]
    pair.server.send_interim(stream, 100)
    pair.server.send_interim(stream, 103, b"\r\nlink: </x>")
    pair.server.send_response(stream, 200, b"", False)
    pair.server.send_data(stream, b"down", False)
    pair.server.send_trailers(stream, b"\r\ngrpc-status: 0")
    pair.talk()
    assert plain(pair.at_client) == [
        (ev.INTERIM, stream, (100, b"", NO_BODY)),
        (ev.INTERIM, stream, (103, b"\r\nlink: </x>", NO_BODY)),
        (ev.RESPONSE, stream, (200, b"", UNTIL_END), False),
        (ev.DATA, stream, b"down", False),
        (ev.TRAILERS, stream, b"\r\ngrpc-status: 0"),
    ]
    assert pair.client.active == pair.server.active == 0


def test_many_streams_at_once() -> None:
    pair = Pair()
    streams = [pair.client.send_request(RequestHead(b"GET", b"/%d" % number, b"a"), True) for number in range(100)]
    assert not pair.client.can_request
    pair.talk()
    assert [event[1] for event in pair.at_server] == streams
    for stream in reversed(streams):
        pair.server.send_response(stream, 200, b"", False)
        pair.server.send_data(stream, b"%d" % stream, True)
    pair.talk()
    assert {event[1]: event[2] for event in pair.at_client if event[0] == ev.DATA} == {stream: b"%d" % stream for stream in streams}
    assert pair.client.can_request


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body(status: int) -> None:
    codec = client()
    events = fed(codec, raw.headers(((b":status", b"%d" % status),), end=False) + raw.data(b"", end=True))
    assert plain(events) == [(ev.RESPONSE, 1, (status, b"", NO_BODY), False), (ev.DATA, 1, b"", True)]


def test_an_answer_to_head_has_a_length_but_no_body() -> None:
    codec = client(method=b"HEAD")
    (event,) = fed(codec, raw.headers((*OK, (b"content-length", b"5"))))
    assert plain([event]) == [(ev.RESPONSE, 1, (200, b"\r\ncontent-length: 5", NO_BODY), True)]
    codec = client(method=b"HEAD")
    events = fed(codec, raw.headers((*OK, (b"content-length", b"5")), end=False) + raw.data(b"hello", end=True))
    assert [*events, *answered(codec)][-1:] == [(ev.RESET, 1, ev.PROTOCOL_ERROR, False, True)]


def test_cookie_crumbs_become_one_cookie() -> None:
    (event,) = fed(server(), raw.headers((*GET, (b"cookie", b"a=1"), (b"cookie", b"b=2"))))
    assert event[0] == ev.REQUEST and event[2].block == b"\r\ncookie: a=1; b=2"


def test_te_trailers_goes_through() -> None:
    pair = Pair()
    (event,) = fed(server(), raw.headers((*GET, (b"te", b"trailers"))))
    assert event[0] == ev.REQUEST and event[2].block == b""
    event[2].block += b"\r\nte: trailers"  # as whoever forwards it does
    pair.client.send_request(event[2], True)
    pair.talk()
    (again,) = pair.at_server
    assert again[0] == ev.REQUEST and (again[2].flags, again[2].block) == (event[2].flags, b"")


GOOD_NAMES = st.from_regex(rb"x-[a-z0-9_-]{0,8}", fullmatch=True)
GOOD_VALUES = st.from_regex(rb"(?:[!-~](?:[ -~]{0,8}[!-~])?)?", fullmatch=True)
NAMES = st.one_of(GOOD_NAMES, st.sampled_from([b"cookie", b"te", b"host", b"content-length"]), st.binary(max_size=4))
VALUES = st.one_of(GOOD_VALUES, st.binary(max_size=6))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_field_lists_come_out_as_they_are_or_are_refused(fields: list[tuple[bytes, bytes]]) -> None:
    codec = server()
    events = fed(codec, raw.headers((*GET, *fields)))
    frames = sent(codec)
    events += codec.events()
    (event,) = events
    if event[0] == ev.INVALID:
        assert (event[1], event[2].status) == (1, 0)
        assert [(one.kind, one.code) for one in frames if one.kind in (raw.RST_STREAM, raw.GOAWAY)] == [(raw.RST_STREAM, ev.PROTOCOL_ERROR)]
        return
    assert event[0] == ev.REQUEST
    cookies = [value for name, value in fields if name == b"cookie"]
    expected = []
    for name, value in fields:
        if name == b"cookie":
            if cookies:
                expected.append((name, b"; ".join(cookies)))
                cookies = []
        elif name == b"content-length":
            expected.append((name, b"%d" % int(value)))
        elif name not in (b"te", b"host"):
            expected.append((name, value))
    assert event[2].block == block_of(expected)


@given(st.lists(st.tuples(GOOD_NAMES, GOOD_VALUES), max_size=20))
def test_blocks_survive_the_wire(fields: list[tuple[bytes, bytes]]) -> None:
    pair = Pair()
    pair.client.send_request(RequestHead(b"GET", b"/", b"a", block_of(fields)), True)
    pair.talk()
    (request,) = pair.at_server
    assert request[0] == ev.REQUEST and request[2].block == block_of(fields)
    pair.server.send_response(1, 200, block_of(fields), True)
    pair.talk()
    (response,) = pair.at_client
    assert response[0] == ev.RESPONSE and response[2].block == block_of(fields)


# cuts


def session(*more: bytes) -> bytes:
    return b"".join(
        (
            HELLO,
            raw.headers(GET),
            raw.headers((*POST, (b"content-length", b"6")), 3, end=False),
            raw.data(b"abc", 3),
            raw.frame(raw.PING, payload=b"12345678"),
            raw.data(b"def", 3, end=True),
            raw.headers((*GET, (b"Bad", b"x")), 5),
            raw.headers(POST, 7, end=False),
            raw.frame(raw.DATA, raw.PADDED, 7, b"\x03abc\0\0\0"),
            raw.headers([(b"t", b"v")], 7),
            raw.headers(POST, 9, end=False),
            raw.reset(9),
            raw.window_update(1000),
            *more,
        )
    )


def test_requests_that_are_given_up_before_they_are_sent_are_no_flood() -> None:
    """Nothing is said of them, so that nothing waits to be sent; others on the connection are not to pay."""
    codec = client()
    for _ in range(1200):
        codec.reset(codec.send_request(RequestHead(b"GET", b"/", b"a.example"), True))
        codec.data_to_send()
    assert not codec.closed
    assert codec.pending_control_frames == 0
    assert codec.active == 1


@given(st.lists(st.integers(0, len(session())), max_size=12), st.booleans())
def test_cuts_do_not_matter(places: list[int], hostile: bool) -> None:
    data = session(*[raw.frame(raw.PING, payload=b"short"), raw.headers(GET, 11)] if hostile else [raw.headers(GET, 11)])
    ends = sorted(places)
    pieces = [data[one:other] for one, other in zip([0, *ends], [*ends, len(data)], strict=True) if one != other]
    ours, reference = ServerConnection(Http2Options()), ServerConnection(Http2Options())
    assert plain(fed(ours, data, lambda _: pieces)) == plain(fed(reference, data))
    assert ours.data_to_send() == reference.data_to_send()
    assert ours.events() == reference.events()


@every_cut
def test_what_trails_is_kept_for_later(cut: Cut) -> None:
    codec = ServerConnection(Http2Options())
    data = session(raw.headers(GET, 11))
    assert fed(codec, data[:-5], cut)[-1][1] != 11
    assert fed(codec, data[-5:], cut)[-1][1] == 11


# the preface


def test_could_be_preface() -> None:
    for end in range(24):
        assert could_be_preface(PREFACE[:end]) is None
        assert could_be_preface(PREFACE[:end] + b"!") is False
    assert could_be_preface(PREFACE) is True
    assert could_be_preface(PREFACE + b"more") is True
    assert could_be_preface(b"GET / HTTP/1.1\r\n") is False


@every_cut
@pytest.mark.parametrize("wrong", [b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", PREFACE[:-1] + b"!", b"\0" * 30])
def test_without_the_preface_there_is_no_connection(cut: Cut, wrong: bytes) -> None:
    codec = ServerConnection(Http2Options())
    (event,) = fed(codec, wrong, cut)
    assert event[0] == ev.CLOSED
    greeting, goodbye = sent(codec, raw.SETTINGS, raw.GOAWAY)
    assert (greeting.kind, goodbye.kind, goodbye.code) == (raw.SETTINGS, raw.GOAWAY, ev.PROTOCOL_ERROR)


def test_settings_say_what_the_options_say() -> None:
    options = Http2Options(max_concurrent_streams=7, stream_window=70_000, connection_window=100_000, max_head_size=5000)
    greeting, window = sent(ServerConnection(options))
    assert greeting.payload == raw.settings((3, 7), (4, 70_000), (6, 5000))[9:]
    assert (window.kind, int.from_bytes(window.payload, "big")) == (raw.WINDOW_UPDATE, 100_000 - 65_535)
    greeting, _ = sent(ClientConnection(options))
    assert greeting.payload[:6] == b"\0\2\0\0\0\0", "no pushes"


# what the peer may not do


HOSTILE = {
    "a frame that is too large": (raw.frame(raw.DATA, 0, 1, b"x" * 16385), 6),
    "a frame that says it is too large": (raw.frame(raw.HEADERS, 4, 1, b"", 1 << 23), 6),
    "HEADERS on stream 0": (raw.headers(stream=0), 1),
    "HEADERS on an even stream": (raw.headers(stream=2), 1),
    "DATA on an idle stream": (raw.data(b"x"), 1),
    "DATA behind the end": (raw.headers() + raw.data(b"x"), 5),
    "DATA before SETTINGS are acknowledged, beyond the window": (
        raw.headers(POST, end=False) + b"".join(raw.data(b"x" * 16384) for _ in range(17)), 3,
    ),
    "too much padding": (raw.headers(POST, end=False) + raw.frame(raw.DATA, raw.PADDED, 1, b"\xffx"), 1),
    "RST_STREAM on an idle stream": (raw.reset(), 1),
    "RST_STREAM of the wrong size": (raw.headers() + raw.frame(raw.RST_STREAM, stream=1, payload=b"x"), 6),
    "PING of the wrong size": (raw.frame(raw.PING, payload=b"x"), 6),
    "PING on a stream": (raw.frame(raw.PING, stream=1, payload=b"12345678"), 1),
    "SETTINGS of the wrong size": (raw.frame(raw.SETTINGS, payload=b"12345"), 6),
    "SETTINGS on a stream": (raw.frame(raw.SETTINGS, stream=1), 1),
    "a window that is too large": (raw.settings((4, 1 << 31)), 3),
    "a frame size that is too small": (raw.settings((5, 1)), 1),
    "push by a client": (raw.headers() + raw.frame(raw.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + raw.block(GET)), 1),
    "WINDOW_UPDATE by 0": (raw.window_update(0), 1),
    "WINDOW_UPDATE by 0 on a stream": (raw.headers() + raw.window_update(0, 1), 1),
    "a window beyond 2^31": (raw.window_update(2**31 - 1), 3),
    "HPACK that is none": (raw.frame(raw.HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"), 9),
    "HPACK that refers to nothing": (raw.frame(raw.HEADERS, 5, 1, b"\xfe"), 9),
    "HEADERS inside HEADERS": (raw.frame(raw.HEADERS, 0, 1, raw.block(GET)) + raw.headers(stream=3), 1),
    "CONTINUATION of nothing": (raw.frame(raw.CONTINUATION, 4, 1, b""), 1),
    "CONTINUATION without end": (
        raw.frame(raw.HEADERS, 0, 1, raw.block(GET)) + raw.frame(raw.CONTINUATION, 0, 1, b"") * 100, 11,
    ),
    "CONTINUATION without end, full": (
        raw.frame(raw.HEADERS, 0, 1, raw.block(GET)) + raw.frame(raw.CONTINUATION, 0, 1, raw.literal(b"a", b"x" * 16000)) * 100, 11,
    ),
    "a list of too many fields": (raw.headers((*GET, *[(b"a", b"b")] * 900)), 11),
    "an HPACK bomb": (
        raw.headers() + raw.frame(raw.HEADERS, 5, 3, raw.block(GET) + raw.literal(b"x", b"y" * 4000, 0x40) + b"\xbe" * 12000), 11,
    ),
    "too many settings": (raw.settings(*[(0x99, 1)] * 40), 11),
    "more streams than allowed": (b"".join(raw.headers(stream=number) for number in range(1, 220, 2)), 1),
}  # fmt: skip


@every_cut
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_connections_end_with_a_goodbye(name: str, cut: Cut) -> None:
    data, code = HOSTILE[name]
    codec = server()
    events = fed(codec, data, cut)
    frames = sent(codec)
    events += codec.events()
    assert [(event[0], event[1]) for event in events if event[0] == ev.CLOSED] == [(ev.CLOSED, code)]
    assert events[-1][0] == ev.CLOSED
    assert [(one.kind, one.code) for one in frames[-1:]] == [(raw.GOAWAY, code)]
    assert codec.closed
    assert codec.active == 0
    # and from then on there is silence
    assert codec.receive(raw.headers(stream=101)) == []
    codec.send_response(1, 200, b"", True)
    assert codec.send_data(1, b"x", True)
    codec.reset(1)
    codec.finish(1)
    codec.consumed(1, 10)
    codec.goaway()
    codec.drain()
    codec.close()
    assert (codec.data_to_send(), codec.events()) == (b"", [])


def streams(count: int, each: Callable[[int], bytes]) -> bytes:
    return b"".join(each(number) for number in range(1, 2 * count, 2))


def made_to_reset(number: int) -> bytes:
    """A request that is begun upstream and then broken, so that we reset it (CVE-2025-8671)."""
    return raw.headers((*POST, (b"content-length", b"1")), number, end=False) + raw.data(b"xx", number)


FLOODS = {
    "PING": raw.frame(raw.PING, payload=b"12345678") * 20_000,
    "SETTINGS": raw.settings() * 20_000,
    "SETTINGS that change the window": b"".join(raw.settings((4, 1000 + number)) for number in range(20_000)),
    "PRIORITY": raw.frame(raw.PRIORITY, stream=1, payload=bytes(5)) * 20_000,
    "PRIORITY_UPDATE": raw.frame(raw.PRIORITY_UPDATE, payload=b"\0\0\0\1u=1") * 20_000,
    "WINDOW_UPDATE": raw.window_update(1) * 20_000,
    "WINDOW_UPDATE on a stream": raw.headers(POST, end=False) + raw.window_update(1, 1) * 20_000,
    "unknown frames": raw.frame(0x77) * 20_000,
    "empty DATA": raw.headers(POST, end=False) + raw.data(b"") * 20_000,
    "padded empty DATA": raw.headers(POST, end=False) + raw.frame(raw.DATA, raw.PADDED, 1, b"\x01\0") * 20_000,
    "GOAWAY": raw.headers() + raw.goaway(0) * 20_000,
    "rapid reset": streams(20_000, lambda number: raw.headers(stream=number) + raw.reset(number)),
    "malformed requests": streams(20_000, lambda number: raw.headers((*GET, (b"Bad", b"x")), number)),
    "requests that we find malformed": streams(20_000, lambda number: raw.headers((*GET, (b"host", b"b")), number)),
    "made to reset": streams(20_000, made_to_reset),
    "too large heads": streams(3000, lambda number: raw.headers((*GET, *[(b"a", b"b")] * 101), number)),
}


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
def test_floods_end(name: str, read: bool) -> None:
    """Long before the flood does, whether the peer takes what we send or not."""
    codec = server()
    data = FLOODS[name]
    piece = 4096
    requests = at = 0
    out = b""
    while at < len(data) and not codec.closed:
        events = codec.receive(data[at : at + piece])
        at += piece
        for event in events:
            if event[0] == ev.REQUEST:
                requests += 1
        if read:
            out += codec.data_to_send()
            events += codec.events()
    out += codec.data_to_send()
    assert codec.closed
    assert at < len(data) / 2
    assert requests <= 600
    # unread resets leave their streams open: then it is their number that ends it
    assert raw.frames(out)[-1].code in (ev.ENHANCE_YOUR_CALM, ev.PROTOCOL_ERROR) or name == "GOAWAY"


def test_a_busy_peer_is_no_flood() -> None:
    """One frame in three is of no use, one request in five is cancelled; it goes on and on."""
    pair = Pair()
    for number in range(5000):
        stream = pair.client.send_request(RequestHead(b"POST", b"/", b"a", length=UNTIL_END), False)
        pair.client.send_data(stream, b"x" * 100, True)
        fed(pair.server, raw.frame(raw.PRIORITY, stream=stream, payload=bytes(5)) + raw.frame(raw.PING, payload=b"12345678"))
        if number % 5 == 0:
            pair.talk()
            pair.client.reset(stream)
            pair.talk()
            continue
        pair.talk()
        pair.server.consumed(stream, 100)
        pair.server.send_response(stream, 200, b"", False)
        pair.server.send_data(stream, b"y" * 1000, True)
        pair.talk()
        pair.client.consumed(stream, 1000)
        pair.at_client.clear()
        pair.at_server.clear()
    assert not pair.client.closed and not pair.server.closed


def test_a_quiet_peer_may_ping_for_ever() -> None:
    codec = server()
    for _ in range(3000):
        codec.receive(raw.frame(raw.PING, payload=b"12345678") * 10)
        codec.data_to_send()
        codec.tick()
    assert not codec.closed


BAD_ANSWERS = {
    "no status": raw.headers(((b"a", b"b"),)),
    "status abc": raw.headers(((b":status", b"abc"),)),
    "status 99": raw.headers(((b":status", b"099"),)),
    "101": raw.headers(((b":status", b"101"),), end=False),
    "an upper-case name": raw.headers((*OK, (b"A", b"b"))),
    "a line break in a value": raw.headers((*OK, (b"a", b"b\r\nset-cookie: c"))),
    "NUL in a value": raw.headers((*OK, (b"a", b"b\0"))),
    "connection": raw.headers((*OK, (b"connection", b"close"))),
    "transfer-encoding": raw.headers((*OK, (b"transfer-encoding", b"chunked"))),
    "a body shorter than said": raw.headers((*OK, (b"content-length", b"5")), end=False) + raw.data(b"abc", end=True),
    "a body longer than said": raw.headers((*OK, (b"content-length", b"2")), end=False) + raw.data(b"abc", end=True),
    "no body where one was said": raw.headers((*OK, (b"content-length", b"2"))),
    "two lengths": raw.headers((*OK, (b"content-length", b"2"), (b"content-length", b"2")), end=False),
    "a body for 204": raw.headers(((b":status", b"204"),), end=False) + raw.data(b"abc", end=True),
    "a body for 304": raw.headers(((b":status", b"304"),), end=False) + raw.data(b"abc", end=True),
    "an end behind 1xx": raw.headers(((b":status", b"103"),)),
    "a body behind 1xx": raw.headers(((b":status", b"103"),), end=False) + raw.data(b"abc"),
    "two heads": raw.headers(OK, end=False) + raw.headers(OK),
    "trailers that do not end": raw.headers(OK, end=False) + raw.headers(((b"a", b"b"),), end=False),
    "pseudo-headers in trailers": raw.headers(OK, end=False) + raw.headers(((b":status", b"200"),)),
    "a head that is too large": raw.headers((*OK, *[(b"a", b"b")] * 101), end=False),
}


@every_cut
@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers_cost_their_stream_only(name: str, cut: Cut) -> None:
    codec = client(3)
    events = fed(codec, BAD_ANSWERS[name] + raw.headers(OK, 3), cut)
    (broken,) = sent(codec, raw.RST_STREAM, raw.GOAWAY)
    events += codec.events()
    assert (broken.kind, broken.stream, broken.code) == (raw.RST_STREAM, 1, ev.PROTOCOL_ERROR)
    assert [event for event in events if event[0] == ev.RESET] == [(ev.RESET, 1, ev.PROTOCOL_ERROR, False, True)]
    assert not [event for event in events if event[0] == ev.DATA and event[3]]
    assert [event[1] for event in events if event[0] == ev.RESPONSE and event[3]] == [3]
    assert codec.active == 1


BAD_SERVERS = {
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", 6),
    "an answer that nobody asked for": (raw.headers(OK, 7), 1),
    "an answer on an even stream": (raw.headers(OK, 2), 1),
    "a body without a head": (raw.data(b"x"), 1),
    "a push": (raw.frame(raw.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + raw.block(GET)), 1),
    "a window beyond 2^31": (raw.window_update(2**31 - 1), 3),
    "1 MiB of fields": (
        raw.frame(raw.HEADERS, 0, 1, raw.block(OK)) + raw.frame(raw.CONTINUATION, 0, 1, raw.literal(b"a", b"x" * 16000)) * 64, 11,
    ),
    "PING without end": (raw.frame(raw.PING, payload=b"12345678") * 5000, 11),
    "SETTINGS without end": (raw.settings() * 5000, 11),
    "empty DATA without end": (raw.headers(OK, end=False) + raw.data(b"") * 20_000, 11),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_bad_servers_cost_the_connection(name: str) -> None:
    data, code = BAD_SERVERS[name]
    codec = client(2)
    events = fed(codec, data)
    frames = sent(codec)
    events += codec.events()
    if name == "a body without a head" and ENGINE == "h2":
        assert events[-1][:3] == (ev.RESET, 1, code)  # it blames the stream
        return
    assert events[-1][:2] == (ev.CLOSED, code)
    assert (frames[-1].kind, frames[-1].code) == (raw.GOAWAY, code)
    assert not codec.can_request


def test_a_server_that_answers_and_then_breaks_the_rules_is_asked_no_more() -> None:
    codec = client()
    events = codec.receive(raw.headers(OK) + raw.frame(raw.PING, payload=b"x"))
    assert events[0][0] == ev.RESPONSE
    assert not codec.can_request
    assert [event[:2] for event in (*events[1:], *answered(codec))] == [(ev.CLOSED, 6)]


@settings(max_examples=examples(300))
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_make_it_fail(noise: bytes, greeted: bool) -> None:
    for codec in (ServerConnection(Http2Options()), client(2)):
        if greeted:
            codec.receive(HELLO if isinstance(codec, ServerConnection) else b"")
        codec.receive(noise)
        codec.data_to_send()
        codec.events()


KINDS = st.sampled_from([*range(12), 16])
FLAGS = st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D, 255])
STREAMS = st.sampled_from([0, 1, 1, 1, 2, 3, 5, 7])
LIKELY = [raw.block(GET), raw.block(POST), raw.block(OK), b"\0\0\0\1", bytes(8), b"", b"\0\4\0\0\0\0", b"\x82\x86\x84\x01\x01a"]
PAYLOADS = st.one_of(st.binary(max_size=20), st.sampled_from(LIKELY))


@settings(max_examples=examples(300))
@given(st.lists(st.builds(raw.frame, KINDS, FLAGS, STREAMS, PAYLOADS), max_size=12), st.data())
def test_no_frames_make_it_fail(frames: list[bytes], draw: st.DataObject) -> None:
    """Whatever comes, in whatever state, while we answer, reset and consume as it pleases us."""
    codec: ServerConnection | ClientConnection
    for codec in (server(), client(3)):
        for one in frames:
            codec.receive(one)
            stream = draw.draw(st.sampled_from([1, 3, 5]))
            act = draw.draw(st.integers(0, 7))
            if act == 0:
                codec.data_to_send()
            elif act == 1:
                codec.reset(stream)
            elif act == 2:
                codec.finish(stream)
            elif act == 3:
                codec.consumed(stream, 5)
            elif act == 4:
                codec.goaway()
            elif act == 5:
                codec.close()
            elif act == 6:
                assert codec.queued(stream) >= 0
            codec.events()
        codec.data_to_send()
        codec.events()


# windows


def test_a_stalled_reader_holds_a_window_at_most() -> None:
    pair = Pair(options=Http2Options(stream_window=100_000, connection_window=250_000))
    for _ in range(4):
        stream = pair.client.send_request(RequestHead(b"POST", b"/", b"a", length=UNTIL_END), False)
        pair.client.send_data(stream, b"x" * 1_000_000, False)
    pair.talk()
    held: dict[int, int] = {}
    for event in pair.at_server:
        if event[0] == ev.DATA:
            held[event[1]] = held.get(event[1], 0) + len(event[2])
    assert max(held.values()) <= 100_000
    assert sum(held.values()) == 250_000
    assert pair.client.queued(1) == 1_000_000 - held[1]
    # nothing more comes until some of it is used
    pair.at_server.clear()
    pair.server.tick()
    pair.talk()
    assert pair.at_server == []
    for stream, size in held.items():
        pair.server.consumed(stream, size)
    pair.talk()
    assert 125_000 <= sum(len(event[2]) for event in pair.at_server if event[0] == ev.DATA) <= 250_000


def test_a_whole_upload_passes_a_small_window() -> None:
    pair = Pair(options=Http2Options(stream_window=1000, connection_window=65_535))
    body = bytes(range(256)) * 400
    stream = pair.client.send_request(RequestHead(b"POST", b"/", b"a", length=UNTIL_END), False)
    pair.client.send_data(stream, body, True)
    taken = b""
    while not taken.endswith(body):
        pair.talk()
        assert pair.at_server
        for event in pair.at_server:
            if event[0] == ev.DATA:
                taken += event[2]
                pair.server.consumed(stream, len(event[2]))
        pair.at_server.clear()
    assert taken == body


def test_more_than_was_given_cannot_be_consumed() -> None:
    codec = server(raw.headers(POST, end=False))
    codec.receive(raw.data(b"abc"))
    codec.consumed(1, 100)
    codec.consumed(1, 100)
    codec.consumed(7, 100)
    assert not codec.closed


@pytest.mark.parametrize("ending", ["reset by us", "reset by the peer", "finished", "malformed", "inside a frame"])
def test_streams_that_end_give_their_windows_back(ending: str) -> None:
    """A thousand uploads that nobody reads to the end, on one connection window of 64 KiB."""
    options = Http2Options(connection_window=65_535, max_concurrent_streams=1000)
    codec = server(options=options)
    for number in range(1, 2001, 2):
        codec.tick()
        fields = (*POST, (b"content-length", b"9001")) if ending == "malformed" else POST
        codec.receive(raw.headers(fields, number, end=False))
        piece = raw.data(b"x" * 9000, number)
        if ending == "inside a frame":
            codec.receive(piece[:5000])
            codec.reset(number)
            codec.data_to_send()
            codec.receive(piece[5000:])
            codec.data_to_send()
            continue
        codec.receive(piece)
        if ending == "reset by us":
            codec.reset(number)
        elif ending == "reset by the peer":
            codec.receive(raw.reset(number))
        elif ending == "malformed":
            codec.receive(raw.data(b"x", number) + raw.data(b"x", number))
        else:
            codec.send_response(number, 200, b"", True)
            codec.finish(number)
        codec.data_to_send()
        codec.events()
        assert not codec.closed
    codec.receive(raw.headers(POST, 3001, end=False))
    assert [event[0] for event in codec.receive(raw.data(b"x" * 9000, 3001))] == [ev.DATA]
    assert not codec._held or list(codec._held) == [3001]
    assert not codec._over and not codec._finishing


def test_writers_are_asked_to_rest_and_told_to_go_on() -> None:
    codec = server(raw.settings((4, 100_000)), raw.headers(), options=Http2Options(send_mark=50_000))
    codec.receive(raw.window_update(10_000_000))
    codec.send_response(1, 200, b"", False)
    assert codec.send_data(1, b"x" * 40_000, False)
    assert not codec.send_data(1, b"x" * 110_000, False)
    assert answered(codec) == []
    assert codec.queued(1) == 50_000
    codec.receive(raw.window_update(10_000, 1))
    assert answered(codec) == []
    codec.receive(raw.window_update(20_000, 1))
    assert answered(codec) == [(ev.DRAINED, 1)]
    assert codec.queued(1) == 20_000
    assert codec.send_data(1, b"x", False)


def test_all_streams_together_wait_with_little_more_than_a_mebibyte() -> None:
    codec = server(raw.settings((4, 0)), *[raw.headers(stream=number) for number in range(1, 200, 2)])
    waiting = 0
    for number in range(1, 200, 2):
        codec.send_response(number, 200, b"", False)
        while codec.send_data(number, b"x" * 16_000, False):
            waiting += 16_000
        waiting += 16_000
    assert waiting < 4_000_000
    codec.data_to_send()
    codec.receive(raw.settings((4, 100_000)) + raw.window_update(10_000_000))
    assert {event[1] for event in answered(codec)} == set(range(1, 200, 2))


def test_a_stream_that_ends_is_not_drained() -> None:
    codec = server(raw.settings((4, 0)), raw.headers())
    codec.send_response(1, 200, b"", False)
    assert not codec.send_data(1, b"x" * 100_000, False)
    assert codec.receive(raw.reset()) == [(ev.RESET, 1, ev.CANCEL, False, False)]
    assert answered(codec) == []
    assert codec.queued(1) == 0


# ends


def test_an_early_answer_is_sent_before_the_request_is_refused() -> None:
    codec = server(raw.settings((4, 10)), raw.headers(POST, end=False))
    codec.send_response(1, 413, b"", False)
    codec.send_data(1, b"x" * 20, True)
    codec.finish(1)
    assert codec.receive(raw.data(b"more")) == []
    assert [one.kind for one in sent(codec)] == [raw.HEADERS, raw.DATA]
    codec.receive(raw.window_update(10, 1))
    # the window is closed again: the end is out with the last byte, but that cannot be told
    assert [(one.kind, one.flags) for one in sent(codec)] == [(raw.DATA, raw.END_STREAM)]
    codec.receive(raw.window_update(1, 1))
    (stop,) = sent(codec)
    assert (stop.kind, stop.code) == (raw.RST_STREAM, ev.NO_ERROR)
    assert codec.events() == []
    assert codec.receive(raw.data(b"late")) == []


def test_finish_after_both_ends_does_nothing() -> None:
    codec = server(raw.headers())
    codec.send_response(1, 200, b"", True)
    codec.finish(1)
    assert [one.kind for one in sent(codec)] == [raw.HEADERS]
    codec.finish(1)
    assert (codec.data_to_send(), codec.events(), codec.active) == (b"", [], 0)


def test_a_client_that_has_its_answer_stops_asking() -> None:
    codec = client(end=False)
    assert [event[0] for event in codec.receive(raw.headers(OK))] == [ev.RESPONSE]
    codec.finish(1)
    (stop,) = sent(codec)
    assert (stop.kind, stop.code) == (raw.RST_STREAM, ev.NO_ERROR)
    assert (codec.events(), codec.active) == ([], 0)


def test_a_server_may_ask_to_stop_after_its_answer() -> None:
    codec = client(end=False)
    events = codec.receive(raw.headers(OK) + raw.reset(1, ev.NO_ERROR))
    assert [event[0] for event in events] == [ev.RESPONSE, ev.RESET]
    assert events[1] == (ev.RESET, 1, ev.NO_ERROR, False, False)


@pytest.mark.parametrize(("code", "refused"), [(ev.REFUSED_STREAM, True), (ev.CANCEL, False), (ev.INTERNAL_ERROR, False)])
def test_resets_by_the_peer(code: int, refused: bool) -> None:
    codec = client()
    assert codec.receive(raw.reset(1, code)) == [(ev.RESET, 1, code, refused, False)]
    assert codec.active == 0
    assert not codec.send_data(1, b"x", True) or codec.data_to_send() == b""


def test_resets_by_us_are_silent() -> None:
    codec = server(raw.headers(POST, end=False))
    codec.reset(1)
    assert codec.receive(raw.data(b"x") + raw.reset()) == []
    assert [one.kind for one in sent(codec)] == [raw.RST_STREAM] or codec.data_to_send() == b""
    assert codec.events() == []


def test_goaway_leaves_out_what_is_above_it() -> None:
    codec = client(3)
    events = codec.receive(raw.goaway(1, 0, b"bye"))
    assert events[0] == (ev.GOAWAY, 1, 0, "bye")
    assert sorted(events[1:]) == [(ev.RESET, 3, ev.REFUSED_STREAM, True, False), (ev.RESET, 5, ev.REFUSED_STREAM, True, False)]
    assert codec.going_away and not codec.can_request
    assert [event[0] for event in codec.receive(raw.headers(OK))] == [ev.RESPONSE, ev.CLOSED]


def test_goaway_in_two_steps() -> None:
    codec = client(2)
    assert codec.receive(raw.goaway(2**31 - 1)) == [(ev.GOAWAY, 2**31 - 1, 0, "")]
    assert codec.active == 2
    assert codec.receive(raw.goaway(1)) == [(ev.GOAWAY, 1, 0, ""), (ev.RESET, 3, ev.REFUSED_STREAM, True, False)]
    assert not codec.closed


def test_a_server_drains() -> None:
    codec = server(raw.headers())
    codec.drain()
    notice, ping = sent(codec)
    assert (notice.kind, notice.payload[:4], ping.kind) == (raw.GOAWAY, b"\x7f\xff\xff\xff", raw.PING)
    assert [event[0] for event in codec.receive(raw.headers(stream=3))] == [ev.REQUEST]
    assert codec.receive(raw.frame(raw.PING, raw.ACK, payload=b"somebody")) == []
    assert codec.receive(raw.frame(raw.PING, raw.ACK, payload=ping.payload)) == [(ev.TOLD,)]
    codec.goaway()
    (final,) = sent(codec)
    assert (final.kind, final.payload[:4]) == (raw.GOAWAY, b"\0\0\0\3")
    assert codec.receive(raw.headers(stream=5)) == []
    codec.send_response(1, 200, b"", True)
    assert answered(codec) == []
    codec.send_response(3, 200, b"", True)
    assert [event[:2] for event in answered(codec)] == [(ev.CLOSED, 0)]


def test_an_idle_server_closes_at_once() -> None:
    codec = server()
    codec.goaway()
    assert [event[:2] for event in answered(codec)] == [(ev.CLOSED, 0)]


def test_closing_drops_what_is_under_way() -> None:
    codec = server(raw.headers(POST, end=False), raw.data(b"abc"))
    codec.close(ev.INTERNAL_ERROR, "why not")
    assert codec.closed
    codec.send_response(1, 200, b"", True)
    assert codec.receive(raw.headers(stream=3)) == [(ev.CLOSED, ev.INTERNAL_ERROR, "why not")]
    (goodbye,) = sent(codec)
    assert (goodbye.kind, goodbye.code) == (raw.GOAWAY, ev.INTERNAL_ERROR)


def test_requests_that_are_too_large_can_be_answered() -> None:
    codec = server()
    (event,) = codec.receive(raw.headers((*GET, *[(b"a", b"b")] * 101)))
    assert event[0] == ev.INVALID and event[2].status == 431
    codec.send_response(1, 431, b"", True)
    codec.finish(1)
    assert [one.kind for one in sent(codec)] == [raw.HEADERS]
    assert (codec.active, codec.closed) == (0, False)


def test_the_body_of_a_broken_request_never_ends() -> None:
    codec = server(raw.headers((*POST, (b"content-length", b"5")), end=False))
    assert codec.receive(raw.data(b"abc")) == [(ev.DATA, 1, b"abc", False)]
    assert [*codec.receive(raw.data(b"abc", end=True)), *answered(codec)] == [(ev.RESET, 1, ev.PROTOCOL_ERROR, False, True)]


def test_trailers_that_we_refuse_break_the_request() -> None:
    codec = server(raw.headers(POST, end=False))
    assert codec.receive(raw.headers([(b"a", b"b")] * 101)) == [(ev.RESET, 1, ev.PROTOCOL_ERROR, False, True)]
    assert [one.kind for one in sent(codec)] == [raw.RST_STREAM]
    assert codec.events() == []


def test_heads_that_are_too_large_to_send_cost_their_stream() -> None:
    codec = server(raw.headers())
    codec.send_response(1, 200, b"\r\na: " + b"b" * (1 << 20), True)
    assert answered(codec) == [(ev.RESET, 1, ev.INTERNAL_ERROR, False, True)]


def test_how_many_requests_fit() -> None:
    codec = ClientConnection(Http2Options())
    assert codec.can_request and not codec.settled
    codec.send_request(RequestHead(b"GET", b"/", b"a"), True)
    assert not codec.can_request, "one until it is known how many"
    assert codec.receive(raw.settings((3, 2))) == [(ev.SETTINGS,)]
    assert codec.settled
    codec.send_request(RequestHead(b"GET", b"/", b"a"), True)
    assert not codec.can_request
    codec.data_to_send()
    assert codec.receive(raw.settings((3, 3))) == [(ev.SETTINGS,)]
    assert codec.can_request
    codec.receive(raw.settings((3, 0)))
    assert not codec.can_request
    codec = client(0)
    for _ in range(1000):
        assert codec.can_request
        codec.send_request(RequestHead(b"GET", b"/", b"a"), True)


def test_it_says_when_there_is_something_to_send() -> None:
    codec = ServerConnection(Http2Options())
    assert codec.wants_to_send
    codec.data_to_send()
    assert not codec.wants_to_send
    codec.receive(HELLO)
    assert codec.wants_to_send
    codec.data_to_send()
    assert not codec.wants_to_send


# another implementation at the other end


def test_with_another_client() -> None:
    h2 = pytest.importorskip("h2.connection", reason="the h2 package is another implementation to test with")
    other = h2.H2Connection()
    other.initiate_connection()
    codec = ServerConnection(Http2Options())
    stream = other.get_next_available_stream_id()
    other.send_headers(stream, [(":method", "POST"), (":path", "/x"), (":authority", "a"), (":scheme", "http"), ("x", "y")])
    other.send_data(stream, b"up" * 5000, end_stream=True)
    events = fed(codec, other.data_to_send(), in_sevens)
    assert joined(events) == [
        (ev.REQUEST, 1, (b"POST", b"/x", b"a", b"http", b"\r\nx: y", UNTIL_END, 0, 20), False),
        (ev.DATA, 1, b"up" * 5000, True),
    ]
    codec.send_interim(1, 103, b"\r\nlink: x")
    codec.send_response(1, 200, b"\r\ncontent-length: 100000", False)
    codec.send_data(1, b"z" * 100_000, False)
    codec.send_trailers(1, b"\r\nsum: 1")
    seen = []
    for _ in range(100):
        for event in other.receive_data(codec.data_to_send()):
            seen.append(type(event).__name__)
            if type(event).__name__ == "DataReceived":
                other.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        codec.receive(other.data_to_send())
        if not codec.active:
            break
    for name in ("InformationalResponseReceived", "ResponseReceived", "DataReceived", "TrailersReceived", "StreamEnded"):
        assert name in seen
    other.close_connection()
    assert [event[:2] for event in codec.receive(other.data_to_send())] == [(ev.CLOSED, 0)]


def test_with_another_server() -> None:
    h2 = pytest.importorskip("h2.connection", reason="the h2 package is another implementation to test with")
    config = pytest.importorskip("h2.config").H2Configuration(client_side=False)
    other = h2.H2Connection(config)
    other.initiate_connection()
    codec = ClientConnection(Http2Options())
    codec.receive(other.data_to_send())
    stream = codec.send_request(RequestHead(b"POST", b"/x", b"a", b"\r\nx: y", UNTIL_END), False)
    codec.send_data(stream, b"up", True)
    names = [type(event).__name__ for event in other.receive_data(codec.data_to_send())]
    for name in ("RequestReceived", "DataReceived", "StreamEnded"):
        assert name in names
    other.send_headers(stream, [(":status", "200"), ("content-type", "text/plain")])
    other.send_data(stream, b"down")
    other.send_headers(stream, [("grpc-status", "0")], end_stream=True)
    assert plain(fed(codec, other.data_to_send(), bytewise)) == [
        (ev.RESPONSE, 1, (200, b"\r\ncontent-type: text/plain", UNTIL_END), False),
        (ev.DATA, 1, b"down", False),
        (ev.TRAILERS, 1, b"\r\ngrpc-status: 0"),
    ]
