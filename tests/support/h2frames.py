"""HTTP/2 frames made by hand: whatever is asked for, right or wrong; and taken apart again."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from shifter.wire.h2 import PREFACE

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10

END_STREAM = 1
END_HEADERS = 4
PADDED = 8
ACK = 1

GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.example"), (b":path", b"/"))
POST = ((b":method", b"POST"), *GET[1:])
OK = ((b":status", b"200"),)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"", length: int | None = None) -> bytes:
    """*length* lies about the size of the payload."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def literal(name: bytes, value: bytes, first: int = 0) -> bytes:
    """One field for HPACK, not compressed; *first* 0x40 has it indexed, 0x10 never indexed (RFC 7541 section 6.2)."""
    return bytes((first,)) + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,)) + text
    size -= 127
    encoded = [127]
    while size >= 128:
        encoded.append(size % 128 + 128)
        size //= 128
    return bytes((*encoded, size)) + text


def block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    return _block(tuple(fields))


@lru_cache(maxsize=64)
def _block(fields: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(literal(name, value) for name, value in fields)


def headers(fields: Iterable[tuple[bytes, bytes]] = GET, stream: int = 1, end: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | end, stream, block(fields))


def data(payload: bytes, stream: int = 1, end: bool = False) -> bytes:
    return frame(DATA, int(end), stream, payload)


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, payload=b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))


def reset(stream: int = 1, code: int = 8) -> bytes:
    return frame(RST_STREAM, stream=stream, payload=code.to_bytes(4, "big"))


def window_update(amount: int, stream: int = 0) -> bytes:
    return frame(WINDOW_UPDATE, stream=stream, payload=amount.to_bytes(4, "big"))


def goaway(last: int, code: int = 0, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, payload=last.to_bytes(4, "big") + code.to_bytes(4, "big") + debug)


HELLO = PREFACE + settings()
"""What a client says first."""


class Frame(NamedTuple):
    """One frame as it was received."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of an RST_STREAM or a GOAWAY."""
        return int.from_bytes(self.payload[:4] if self.kind == RST_STREAM else self.payload[4:8], "big")


def frames(raw: bytes, *kinds: int) -> list[Frame]:
    """Take *raw* apart; with *kinds*, only the frames of these. It must end with a whole frame."""
    found = []
    raw = raw.removeprefix(PREFACE)
    while raw:
        size = int.from_bytes(raw[:3], "big")
        assert len(raw) >= 9 + size, "half a frame"
        found.append(Frame(raw[3], raw[4], int.from_bytes(raw[5:9], "big"), raw[9 : 9 + size]))
        raw = raw[9 + size :]
    return [one for one in found if not kinds or one.kind in kinds]
