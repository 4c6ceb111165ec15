"""Where bodies end, however the bytes are cut; what is not framed strictly is refused."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shifter.wire import h1
from shifter.wire.events import NO_BODY, UNTIL_END, ProtocolError, RequestHead
from shifter.wire.heads import parse_request

MAX_TRAILERS = 4
MAX_TRAILERS_SIZE = 200


def chunked(status: int = 400) -> h1.ChunkedDecoder:
    return h1.ChunkedDecoder(status, MAX_TRAILERS, MAX_TRAILERS_SIZE)


def read(decoder: h1.Decoder, pieces: Iterable[bytes]) -> tuple[bytes, bytes, bytes, bool]:
    """Payload, rest and trailers, and whether the body ended; pieces after the end go to the rest as a door puts them there."""
    payload = rest = b""
    for piece in pieces:
        if decoder.done:
            rest += piece
        else:
            payload += decoder.feed(piece)
            rest = decoder.rest
    return payload, rest, decoder.trailers, decoder.done


def cut(raw: bytes, places: Iterable[int]) -> list[bytes]:
    at = sorted({place % (len(raw) + 1) for place in places})
    return [piece for start, end in zip([0, *at], [*at, len(raw)], strict=True) if (piece := raw[start:end])]


def one_by_one(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


cuts = st.lists(st.integers(0, 1000), max_size=8)
bodies = st.lists(st.binary(min_size=1, max_size=30), max_size=5)
trailer_blocks = st.sampled_from([b"", b"\r\nx: 1", b"\r\nx: 1\r\nx: 2", b"\r\ngrpc-status: 0\r\ngrpc-message: a b"])
rests = st.sampled_from([b"", b"G", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n", b"\r\n"])

TRAILING = b"GET / HTTP/1.1\r\n"
ACCEPTED = [
    (b"0\r\n\r\n", b"", b""),
    (b"000\r\n\r\n", b"", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    (b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!", b""),
    (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
    (b"A\r\n0123456789\r\n00\r\n\r\n", b"0123456789", b""),
    (b"000000000000005\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n", b""),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", b""),
    # extensions are checked and dropped
    (b"5;a=b\r\nhello\r\n0;c\r\n\r\n", b"hello", b""),
    (b"5 \t;\ta = \"b;c\"\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    (b"5;\xff\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    # trailers
    (b"0\r\nX-A:  1 \r\n\r\n", b"", b"\r\nx-a: 1"),
    (b"1\r\nz\r\n0\r\nx: 1\r\nX: 2\r\nempty:\r\n\r\n", b"z", b"\r\nx: 1\r\nx: 2\r\nempty: "),
    (b"0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: a\r\nx: 1\r\n\r\n", b"", b"\r\nx: 1"),
    (b"0\r\nConnection: x\r\nCookie: a\r\nAuthorization: b\r\nSet-Cookie: c\r\n\r\n", b"", b""),
    (b"0\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n", b"", b"\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4"),
]  # fmt: skip


@pytest.mark.parametrize("trailing", [b"", TRAILING, b"\r\n\r\n"])
@pytest.mark.parametrize(("raw", "payload", "trailers"), ACCEPTED, ids=[str(one[0]) for one in ACCEPTED])
def test_chunked_bodies(raw: bytes, payload: bytes, trailers: bytes, trailing: bytes) -> None:
    for pieces in ([raw + trailing], one_by_one(raw + trailing), [raw, trailing]):
        assert read(chunked(), [piece for piece in pieces if piece]) == (payload, trailing, trailers, True)


REFUSED = [
    (b"\r\n", "http1.invalid_chunk_size"),
    (b";a\r\n", "http1.invalid_chunk_size"),
    (b" 5\r\n", "http1.invalid_chunk_size"),
    (b" 5;a\r\n", "http1.invalid_chunk_size"),
    (b"\t5\r\n", "http1.invalid_chunk_size"),
    (b"5 \r\n", "http1.invalid_chunk_size"),
    (b"5\t\r\n", "http1.invalid_chunk_size"),
    (b"+5\r\n", "http1.invalid_chunk_size"),
    (b"-5\r\n", "http1.invalid_chunk_size"),
    (b"0x5\r\n", "http1.invalid_chunk_size"),
    (b"5h\r\n", "http1.invalid_chunk_size"),
    (b"5 5\r\n", "http1.invalid_chunk_size"),
    (b"5_0\r\n", "http1.invalid_chunk_size"),
    (b"g\r\n", "http1.invalid_chunk_size"),
    (b"\xb2\r\n", "http1.invalid_chunk_size"),
    (b"1000000000000000\r\n", "http1.invalid_chunk_size"),
    (b"ffffffffffffffff\r\n", "http1.invalid_chunk_size"),
    (b"10000000000000005\r\nhello", "http1.invalid_chunk_size"),
    (b"0000000000000005\r\nhello", "http1.invalid_chunk_size"),
    (b"5\r\nhelloXX0\r\n\r\n", "http1.invalid_chunk_end"),
    (b"5\r\nhello\n0\r\n\r\n", "http1.invalid_chunk_end"),
    (b"5\r\nhello\rX", "http1.invalid_chunk_end"),
    (b"5\r\nhello5\r\nhello", "http1.invalid_chunk_end"),
    (b"1\r\na\r\n\r\n", "http1.invalid_chunk_size"),
    (b"0\r\nx\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\nx : 1\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\nx: 1\r\n folded\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\n x: 1\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\nx: \x00\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\nx: 1\n\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\nGET / HTTP/1.1\r\n\r\n", "http1.invalid_field_line"),
    (b"0\r\nx: 1\r\n\n\r\n\r\n", "http1.invalid_field_line"),
]


@pytest.mark.parametrize(("raw", "detail"), REFUSED, ids=[str(one[0]) for one in REFUSED])
@pytest.mark.parametrize("status", [400, 502])
def test_what_is_not_chunked_coding_is_refused(raw: bytes, detail: str, status: int) -> None:
    for pieces in ([raw], one_by_one(raw)):
        with pytest.raises(ProtocolError) as caught:
            read(chunked(status), pieces)
        assert (caught.value.status, caught.value.detail) == (status, detail)


# which word is used depends on how much of the line had arrived
BARE = [b"5\nhello\r\n", b"5;a\nb\r\n", b"5\r5\r\n", b"5;a\rb\r\n", b"5;a\x00b\r\n", b"5;\x7f\r\n", b"0\n\r\n", b"0\n\n\r\n"]


@pytest.mark.parametrize("raw", BARE, ids=map(str, BARE))
def test_line_ends_are_cr_lf_and_nothing_else(raw: bytes) -> None:
    for pieces in ([raw], one_by_one(raw)):
        with pytest.raises(ProtocolError) as caught:
            read(chunked(), pieces)
        assert caught.value.status == 400


@pytest.mark.parametrize("raw", [b"g", b"5\r\nhelloX", b"5\n", b";", b"\r", b"\n", b" "])
def test_what_no_further_byte_can_mend_is_refused_at_once(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(chunked(), [raw])


def limits() -> list[tuple[str, bytes, int, str]]:
    line = h1._MAX_CHUNK_LINE
    many = b"1;" + b"e" * 2000 + b"\r\nx\r\n"
    return [
        ("size line", b"1;" + b"e" * line, 400, "http1.chunk_line_too_long"),
        ("zeros", b"0" * line, 400, "http1.chunk_line_too_long"),
        ("extensions", many * (h1._MAX_EXTENSIONS // 2000 + 1), 400, "http1.chunk_extensions_too_long"),
        ("trailer size", b"0\r\nx: " + b"y" * MAX_TRAILERS_SIZE, 431, "http1.trailers_too_large"),
        ("trailer count", b"0\r\n" + b"x: y\r\n" * (MAX_TRAILERS + 1) + b"\r\n", 431, "http1.too_many_trailers"),
    ]


@pytest.mark.parametrize(("what", "raw", "status", "detail"), limits(), ids=[one[0] for one in limits()])
def test_limits(what: str, raw: bytes, status: int, detail: str) -> None:
    for pieces in ([raw], cut(raw, range(0, len(raw), 7))):
        with pytest.raises(ProtocolError) as caught:
            read(chunked(), pieces)
        assert (caught.value.status, caught.value.detail) == (status, detail)
    with pytest.raises(ProtocolError) as caught:
        read(chunked(502), [raw])
    assert caught.value.status == 502


@pytest.mark.parametrize("excess", [0, 1, 2, 3, 4])
def test_limits_do_not_depend_on_cuts(excess: int) -> None:
    for raw in (
        b"1;" + b"e" * (h1._MAX_CHUNK_LINE - 6 + excess) + b"\r\nx\r\n0\r\n\r\n",
        b"0\r\nx: " + b"y" * (MAX_TRAILERS_SIZE - 9 + excess) + b"\r\n\r\n",
    ):
        outcomes = []
        for pieces in ([raw], one_by_one(raw), cut(raw, [len(raw) - 1]), cut(raw, [len(raw) - 3])):
            try:
                outcomes.append(read(chunked(), pieces))
            except ProtocolError as error:
                outcomes.append((b"", b"", error.detail.encode(), False))
        assert all(outcome[3] == (excess < 3) for outcome in outcomes), outcomes
        assert len(set(outcomes)) == 1


def test_a_chunk_is_passed_on_as_it_comes() -> None:
    decoder = chunked()
    assert decoder.feed(b"ffff\r\nab") == b"ab"
    piece = b"x" * 1000
    assert decoder.feed(piece) is piece
    assert not decoder.done


@given(bodies, trailer_blocks, rests, cuts)
def test_what_was_encoded_is_decoded(chunks: list[bytes], trailers: bytes, rest: bytes, at: list[int]) -> None:
    raw = b"".join(map(h1.chunk, chunks)) + h1.last_chunk(trailers) + rest
    assert read(chunked(), cut(raw, at)) == (b"".join(chunks), rest, trailers, True)


@given(st.binary(max_size=50), rests, cuts)
def test_lengths(body: bytes, rest: bytes, at: list[int]) -> None:
    assert read(h1.LengthDecoder(len(body)), cut(body + rest, at)) == (body, rest, b"", True)
    short = h1.LengthDecoder(len(body) + 1)
    assert read(short, cut(body, at)) == (body, b"", b"", False)


@given(st.binary(max_size=50), cuts)
def test_until_close_everything_is_body(body: bytes, at: list[int]) -> None:
    assert read(h1.UntilCloseDecoder(), cut(body, at)) == (body, b"", b"", False)


WORDS = [b"0", b"5", b"a", b"\r\n", b"\r", b"\n", b";", b" ", b"hello", b"x: 1", b"\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n", b"1\r\n"]


@given(st.lists(st.sampled_from(WORDS), max_size=8).map(b"".join), cuts)
@example(b"5\r\nhello\r", [8])
@example(b"0\r\n\r", [3])
def test_cuts_do_not_matter(raw: bytes, at: list[int]) -> None:
    def outcome(pieces: list[bytes]) -> tuple[bytes, bytes, bytes, bool] | int:
        try:
            return read(chunked(), pieces)
        except ProtocolError as error:
            return error.status

    whole = outcome([raw] if raw else [])
    assert outcome(cut(raw, at)) == whole
    assert outcome(one_by_one(raw)) == whole


def test_every_status_has_a_line() -> None:
    assert h1.STATUS_LINES[413] == b"HTTP/1.1 413 Payload Too Large"
    assert h1.STATUS_LINES[600] == b"HTTP/1.1 600 Unknown"
    assert set(h1.STATUS_LINES) == set(range(100, 1000))
    assert h1.REASONS.keys() <= h1.STATUS_LINES.keys()


REQUESTS: list[tuple[RequestHead, bytes]] = [
    (RequestHead(b"GET", b"/a?b", b"a:80"), b"GET /a?b HTTP/1.1\r\nhost: a:80\r\n\r\n"),
    (RequestHead(b"GET", b"/", b"a", b"\r\nx: 1\r\nx: 2"), b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\nx: 2\r\n\r\n"),
    (RequestHead(b"DELETE", b"/", b"a"), b"DELETE / HTTP/1.1\r\nhost: a\r\n\r\n"),
    (RequestHead(b"POST", b"/", b"a", b"\r\nx: 1"), b"POST / HTTP/1.1\r\nhost: a\r\nx: 1\r\ncontent-length: 0\r\n\r\n"),
    (RequestHead(b"PUT", b"/", b"a", b"\r\ncontent-length: 3", 3), b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n"),
    (RequestHead(b"PUT", b"/", b"a", b"\r\nx: 1", UNTIL_END), b"PUT / HTTP/1.1\r\nhost: a\r\nx: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
]


@pytest.mark.parametrize(("head", "raw"), REQUESTS, ids=[str(one[1]) for one in REQUESTS])
def test_requests_as_they_are_written(head: RequestHead, raw: bytes) -> None:
    assert h1.request_bytes(head) == raw


@given(
    st.sampled_from([b"GET", b"HEAD", b"DELETE"]),
    st.sampled_from([b"/", b"/a?b=c", b"/a//b"]),
    st.sampled_from([b"a", b"a.example:8080", b"[::1]:1"]),
    st.lists(st.sampled_from([b"\r\nx: 1", b"\r\nx: ", b"\r\na-b: \xff \t."]), max_size=4).map(b"".join),
    st.sampled_from([NO_BODY, UNTIL_END, 0, 7]),
)
def test_what_is_written_reads_the_same(method: bytes, path: bytes, authority: bytes, block: bytes, length: int) -> None:
    if length >= 0:
        block += b"\r\ncontent-length: %d" % length
    raw = h1.request_bytes(RequestHead(method, path, authority, block, length))
    again = parse_request(raw, raw.index(b"\r\n\r\n"), 10)
    assert (again.method, again.path, again.authority, again.block, again.length) == (method, path, authority, block, length)


def test_decoders_have_one_interface() -> None:
    makers: list[Callable[[], h1.Decoder]] = [chunked, lambda: h1.LengthDecoder(3), h1.UntilCloseDecoder]
    for make in makers:
        decoder = make()
        assert (decoder.done, decoder.rest, decoder.trailers) == (False, b"", b"")
    assert h1.LengthDecoder(0).done


@given(st.binary(max_size=100), st.lists(st.integers(0, 100)))
def test_a_tunnel_passes_everything_and_never_ends(raw: bytes, places: list[int]) -> None:
    assert read(h1.TunnelDecoder(), cut(raw, places)) == (raw, b"", b"", False)


@pytest.mark.parametrize(
    ("lines", "protocol"),
    [
        (b"Host: a\r\nUpgrade:  WebSocket \r\nx: 1", b"WebSocket"),
        (b"UPGRADE:a\r\nupgrade: b", b"a"),
        (b"x-upgrade: a\r\nhost: upgrade: b", b""),
        (b"", b""),
    ],
)
def test_which_protocol_is_asked_for(lines: bytes, protocol: bytes) -> None:
    assert h1.upgrade_in(b"GET /upgrade: x HTTP/1.1\r\n" + lines) == protocol


def test_a_switch_is_between_two_neighbours() -> None:
    assert h1.switching(b"x") == b"\r\nconnection: Upgrade\r\nupgrade: x"
