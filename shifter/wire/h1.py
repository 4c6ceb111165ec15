"""HTTP/1.1 framing: where bodies end, and how messages are written.

Rule 1. A decoder is fed bytes as they come; how they were cut does not matter.
Rule 2. Nothing that arrived is passed on as it arrived: chunk sizes, extensions and trailers are read, checked and written
        anew, so that the next hop sees one possible message only (RFC 9112 section 7.1).
"""

from shifter.wire.characters import CONTROLS
from shifter.wire.events import NO_BODY, UNTIL_END, ProtocolError, RequestHead
from shifter.wire.heads import parse_trailers

_MAX_CHUNK_LINE = 4096
_MAX_EXTENSIONS = 64 * 1024
_HEX = b"0123456789abcdefABCDEF"

_BODILESS = frozenset((b"GET", b"HEAD", b"DELETE", b"TRACE", b"CONNECT"))

LAST_CHUNK = b"0\r\n\r\n"

REASONS = {
    100: b"Continue", 101: b"Switching Protocols", 102: b"Processing", 103: b"Early Hints",
    200: b"OK", 201: b"Created", 202: b"Accepted", 203: b"Non-Authoritative Information", 204: b"No Content",
    205: b"Reset Content", 206: b"Partial Content", 207: b"Multi-Status", 208: b"Already Reported", 226: b"IM Used",
    300: b"Multiple Choices", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified",
    305: b"Use Proxy", 307: b"Temporary Redirect", 308: b"Permanent Redirect",
    400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found",
    405: b"Method Not Allowed", 406: b"Not Acceptable", 407: b"Proxy Authentication Required", 408: b"Request Timeout",
    409: b"Conflict", 410: b"Gone", 411: b"Length Required", 412: b"Precondition Failed", 413: b"Payload Too Large",
    414: b"URI Too Long", 415: b"Unsupported Media Type", 416: b"Range Not Satisfiable", 417: b"Expectation Failed",
    418: b"I'm a teapot", 421: b"Misdirected Request", 422: b"Unprocessable Entity", 423: b"Locked",
    424: b"Failed Dependency", 425: b"Too Early", 426: b"Upgrade Required", 428: b"Precondition Required",
    429: b"Too Many Requests", 431: b"Request Header Fields Too Large", 451: b"Unavailable For Legal Reasons",
    500: b"Internal Server Error", 501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Unavailable",
    504: b"Gateway Timeout", 505: b"HTTP Version Not Supported", 506: b"Variant Also Negotiates",
    507: b"Insufficient Storage", 508: b"Loop Detected", 510: b"Not Extended", 511: b"Network Authentication Required",
}  # fmt: skip
"""Reason phrases as Envoy writes them; an upstream's own phrase is not passed on."""

STATUS_LINES = {status: b"HTTP/1.1 %d %b" % (status, REASONS.get(status, b"Unknown")) for status in range(100, 1000)}


class ChunkedDecoder:
    """Takes a chunked body apart (RFC 9112 section 7.1).

    ``feed`` returns the payload in what it was given; afterwards ``done`` says whether the body has ended, ``rest``
    holds what came behind it and ``trailers`` the field block of the trailer section. Raises `ProtocolError` with
    *status* (431 for an overlong trailer section of a request).
    """

    __slots__ = (
        "_buffer",
        "_extensions",
        "_in_trailers",
        "_left",
        "_max_trailers",
        "_max_trailers_size",
        "_status",
        "done",
        "rest",
        "trailers",
    )

    def __init__(self, status: int, max_trailers: int, max_trailers_size: int) -> None:
        self._status = status
        self._max_trailers = max_trailers
        self._max_trailers_size = max_trailers_size
        self._left = 0  # bytes of the current chunk still to come, its closing CRLF included
        self._buffer = b""
        self._extensions = 0
        self._in_trailers = False
        self.done = False
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        if self._left > 2 and len(data) <= self._left - 2 and not self._buffer:
            self._left -= len(data)
            return data
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at = 0
        size = len(data)
        payload: list[bytes] = []
        while True:
            if self._left > 2:
                stop = min(at + self._left - 2, size)
                payload.append(data[at:stop])
                self._left -= stop - at
                at = stop
                if self._left > 2:
                    break
            if self._left:
                if size - at < 2:
                    if at < size and data[at] != 13:
                        self._refuse("http1.invalid_chunk_end")
                    break
                if data[at : at + 2] != b"\r\n":
                    self._refuse("http1.invalid_chunk_end")
                at += 2
                self._left = 0
            if self._in_trailers:
                self._read_trailers(data, at)
                return b"".join(payload)
            end = data.find(b"\r\n", at, at + _MAX_CHUNK_LINE)
            if end < 0:
                if size - at >= _MAX_CHUNK_LINE:
                    self._refuse("http1.chunk_line_too_long")
                self._check_partial_line(data, at)
                break
            self._left = self._read_size(data[at:end])
            at = end + 2
            if self._left == 0:
                self._in_trailers = True
        self._buffer = data[at:]
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _refuse(self, detail: str) -> None:
        raise ProtocolError(self._status, detail)

    def _check_partial_line(self, data: bytes, at: int) -> None:
        """Refuse at once what no further byte can mend: a bare LF, or a size that does not begin as one."""
        if data.find(b"\n", at) >= 0:
            self._refuse("http1.invalid_chunk_size")
        if at < len(data) and data[at : at + 1] not in _HEX:
            self._refuse("http1.invalid_chunk_size")

    def _read_size(self, line: bytes) -> int:
        """Return the size of the chunk that *line* announces plus 2 for its CRLF, 0 for the last chunk."""
        digits, semicolon, extension = line.partition(b";")
        if semicolon:
            digits = digits.rstrip(b" \t")
            self._extensions += len(extension)
            if self._extensions > _MAX_EXTENSIONS:
                self._refuse("http1.chunk_extensions_too_long")
            if extension.translate(None, CONTROLS) != extension:
                self._refuse("http1.invalid_chunk_extension")
        if not digits or len(digits) > 15 or digits.translate(None, _HEX):
            self._refuse("http1.invalid_chunk_size")
        size = int(digits, 16)
        return size + 2 if size else 0

    def _read_trailers(self, data: bytes, at: int) -> None:
        if data[at : at + 2] == b"\r\n":
            end = at
        else:
            end = data.find(b"\r\n\r\n", at, at + self._max_trailers_size)
            if end < 0:
                if len(data) - at >= self._max_trailers_size:
                    raise ProtocolError(431 if self._status == 400 else self._status, "http1.trailers_too_large")
                self._buffer = data[at:]
                return
            end += 2
        self.trailers = parse_trailers(data[at:end], self._max_trailers, self._status)
        self.done = True
        self.rest = data[end + 2 :]


class LengthDecoder:
    """A body of ``content-length`` bytes (RFC 9112 section 6.2), with the interface of `ChunkedDecoder`."""

    __slots__ = ("_left", "done", "rest")

    trailers = b""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        size = len(data)
        if size < self._left:
            self._left -= size
            return data
        left = self._left
        self._left = 0
        self.done = True
        if size == left:
            return data
        self.rest = data[left:]
        return data[:left]


class UntilCloseDecoder:
    """A response body that ends with its connection (RFC 9112 section 6.3 rule 8)."""

    __slots__ = ()

    trailers = b""
    done = False
    rest = b""

    def feed(self, data: bytes) -> bytes:
        return data


class TunnelDecoder:
    """Bytes that are no HTTP any more, or not yet known to be none, after a request for another protocol (RFC 9110 section
    7.8); they end with the connection."""

    __slots__ = ()

    trailers = b""
    done = False
    rest = b""

    def feed(self, data: bytes) -> bytes:
        return data


def upgrade_in(head: bytes) -> bytes:
    """Return the value of the ``upgrade`` field of a message head (without its empty line) that has been checked; the head
    parsers take it out of the block, for it belongs to one connection."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"upgrade":
            return value.strip(b" \t")
    return b""


def switching(protocol: bytes) -> bytes:
    """Return the fields that ask for, or agree to, a switch to *protocol*, as a field block."""
    return b"\r\nconnection: Upgrade\r\nupgrade: " + protocol


Decoder = ChunkedDecoder | LengthDecoder | UntilCloseDecoder | TunnelDecoder


def chunk(data: bytes) -> bytes:
    """Write one chunk; *data* must not be empty, for that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: bytes) -> bytes:
    """Write the end of a chunked body with the field block *trailers*."""
    return b"0" + trailers + b"\r\n\r\n" if trailers else LAST_CHUNK


def request_bytes(head: RequestHead) -> bytes:
    """Write a request head in origin form; what has no known length is sent chunked, and a body that could be there and is
    not is announced as empty (RFC 9110 section 8.6)."""
    end = b"\r\n\r\n"
    if head.length == UNTIL_END:
        end = b"\r\ntransfer-encoding: chunked\r\n\r\n"
    elif head.length == NO_BODY and head.method not in _BODILESS:
        end = b"\r\ncontent-length: 0\r\n\r\n"
    return b"".join((head.method, b" ", head.path, b" HTTP/1.1\r\nhost: ", head.authority, head.block, end))


def connect_bytes(head: RequestHead) -> bytes:
    """Write the head of a CONNECT, whose target is an authority (RFC 9112 section 3.2.3)."""
    return b"".join((b"CONNECT ", head.authority, b" HTTP/1.1\r\nhost: ", head.authority, head.block, b"\r\n\r\n"))
