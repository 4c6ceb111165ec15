"""What gRPC and gRPC-Web write into HTTP messages: percent-encoded words, frames, and frames as text.

Rule 1. How bytes were cut does not matter, and nothing is held that could go on.
"""

import binascii
import re

_SEGMENT = re.compile(rb"[^=]+={0,2}")
_FRAME_HEAD = 5
_TRAILERS = 0x80


def percent_encoded(message: bytes) -> bytes:
    """Encode a ``grpc-message`` (gRPC over HTTP2, "Percent-Encoded"); as Envoy, the tilde as well."""
    return b"".join(b"%c" % byte if 0x20 <= byte < 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in message)


def trailers_frame(block: bytes) -> bytes:
    """Return a field block as gRPC-Web ends a body with it."""
    lines = b"".join([line.replace(b": ", b":", 1) + b"\r\n" for line in block.split(b"\r\n")[1:]])
    return b"%c%b%b" % (_TRAILERS, len(lines).to_bytes(4, "big"), lines)


class TextDecoder:
    """Reads the bytes of an ``application/grpc-web-text`` body: base64, padded wherever its writer has paused.

    Raises ``ValueError`` (`binascii.Error`) for what is none.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes, end: bool) -> bytes:
        data = self._rest + data
        whole = len(data) if end else len(data) // 4 * 4
        self._rest = data[whole:]
        data = data[:whole]
        segments = _SEGMENT.findall(data)
        if sum(map(len, segments)) != len(data):
            raise ValueError("there is padding where nothing is to be padded")
        return b"".join([binascii.a2b_base64(segment, strict_mode=True) for segment in segments])


class TextEncoder:
    """Writes gRPC frames as ``application/grpc-web-text``, each padded for itself."""

    __slots__ = ("_left", "_rest")

    def __init__(self) -> None:
        self._left = 0  # bytes of the frame under way that are still to come
        self._rest = b""

    def feed(self, data: bytes, end: bool) -> bytes:
        """Encode *data*; *end* when no more comes."""
        data = self._rest + data
        left = self._left + len(self._rest) if self._left else 0
        at = 0
        out = []
        while True:
            if not left:
                if len(data) - at < _FRAME_HEAD:
                    break
                left = _FRAME_HEAD + int.from_bytes(data[at + 1 : at + _FRAME_HEAD], "big")
            if len(data) - at < left:
                ready = (len(data) - at) // 3 * 3
                out.append(_encoded(data[at : at + ready]))
                at += ready
                left -= ready
                break
            out.append(_encoded(data[at : at + left]))
            at += left
            left = 0
        rest = data[at:]
        if end and rest:
            out.append(_encoded(rest))
            rest = b""
        self._rest = rest
        self._left = left - len(rest) if left else 0
        return b"".join(out)


def _encoded(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)
