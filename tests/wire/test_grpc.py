"""gRPC's words and frames, however they are cut."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.wire.grpc import TextDecoder, TextEncoder, percent_encoded, trailers_frame


def frame(data: bytes, flag: int = 0) -> bytes:
    return b"%c%b%b" % (flag, len(data).to_bytes(4, "big"), data)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[start:stop] for start, stop in zip([0, *at], [*at, len(data)], strict=True)]


def test_messages() -> None:
    assert percent_encoded(b"a%b~\xc3\xa9\n c") == b"a%25b%7E%C3%A9%0A c"


def test_trailers_are_a_frame() -> None:
    lines = b"grpc-status:0\r\ngrpc-message:a: b\r\n"
    assert trailers_frame(b"\r\ngrpc-status: 0\r\ngrpc-message: a: b") == frame(lines, 0x80)
    assert trailers_frame(b"") == frame(b"", 0x80)


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(0, 400), max_size=12))
def test_frames_as_text_however_they_come(messages: list[bytes], places: list[int]) -> None:
    raw = b"".join(map(frame, messages))
    encoder = TextEncoder()
    told = b"".join([encoder.feed(piece, False) for piece in cut(raw, places)])
    assert told == b"".join([base64.b64encode(frame(message)) for message in messages])
    assert encoder.feed(b"", True) == b""


@given(st.binary(max_size=3000), st.integers(1, 3000))
def test_a_frame_under_way_is_not_held_back(message: bytes, size: int) -> None:
    raw = frame(message)[:size]
    told = TextEncoder().feed(raw, False)
    assert len(raw) - len(base64.b64decode(told)) <= (4 if len(raw) < 5 else 2)


def test_half_a_frame_at_the_end_is_told() -> None:
    for raw in (b"\0\0", frame(b"abcd")[:7]):
        assert base64.b64decode(TextEncoder().feed(raw, True)) == raw


@given(st.lists(st.binary(max_size=20), max_size=6), st.lists(st.integers(0, 400), max_size=12))
def test_text_is_read_however_it_comes(pieces: list[bytes], places: list[int]) -> None:
    text = b"".join(map(base64.b64encode, pieces))
    decoder = TextDecoder()
    cuts = cut(text, places)
    assert b"".join([decoder.feed(piece, at == len(cuts)) for at, piece in enumerate(cuts, 1)]) == b"".join(pieces)


@pytest.mark.parametrize("text", [b"!!!!", b"AAA", b"AAAAA", b"=AAA", b"AA=A", b"A===", b"====", b"AAAA====", b"AA A"])
def test_what_is_no_base64(text: bytes) -> None:
    with pytest.raises(ValueError):
        TextDecoder().feed(text, True)


@given(st.binary(max_size=40), st.booleans())
def test_anything_can_come(text: bytes, end: bool) -> None:
    with contextlib.suppress(ValueError):
        TextDecoder().feed(text, end)
    TextEncoder().feed(text, end)
