"""One request at a time over HTTP/2 with prior knowledge, for counting connections: it keeps nothing but the socket.

Fields are written out in full (RFC 7541 section 6.2.2), so that neither side needs a table for them.
"""

import socket
from typing import Final

from bench.load import BROWSER
from bench.work import PATH

_DATA, _HEADERS, _SETTINGS, _END_STREAM, _ACK, _END_HEADERS = 0x0, 0x1, 0x4, 0x1, 0x1, 0x4
_OK: Final = 0x88
"""``:status: 200`` of the static table."""


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _text(text: str) -> bytes:
    data = text.encode("ascii")
    length = bytes((len(data),)) if len(data) < 127 else bytes((127, (len(data) - 127) & 127 | 128, (len(data) - 127) >> 7))
    return length + data


BEGIN: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0)
_REQUEST: Final = b"".join(
    (
        b"\x82\x86",  # GET, http
        b"\x04" + _text(PATH),
        b"\x01" + _text("front.example:8000"),
        *(b"\x00" + _text(name.lower()) + _text(value) for name, value in BROWSER.items()),
    )
)


def ask(connection: socket.socket, stream: int = 1) -> bool:
    """Make a request in *stream*, the first one behind what a connection begins with; True when the whole answer came, with 200."""
    try:
        connection.sendall((BEGIN if stream == 1 else b"") + _frame(_HEADERS, _END_STREAM | _END_HEADERS, stream, _REQUEST))
        return _answered(connection, stream)
    except OSError:
        return False


def _answered(connection: socket.socket, stream: int) -> bool:
    received = b""
    good = False
    while True:
        while len(received) >= 9 + (length := int.from_bytes(received[:3], "big")):
            kind, flags, number = received[3], received[4], int.from_bytes(received[5:9], "big")
            payload, received = received[9 : 9 + length], received[9 + length :]
            if kind == _SETTINGS and not flags & _ACK:
                connection.sendall(_frame(_SETTINGS, _ACK, 0))
            if number != stream:
                continue
            good = good or (kind == _HEADERS and _OK in payload[:4])  # behind a change of the table's size, perhaps
            if kind not in (_HEADERS, _DATA) or flags & _END_STREAM:
                return good
        more = connection.recv(65_536)
        if not more:
            return False
        received += more
