"""HTTP/1.1 message heads in pure Python; `_heads.pyx` does the same in C.

Rule 1. Strict: a head that two parsers could read differently is a `ProtocolError` (RFC 9112 sections 2.2, 3, 5, 6).
Rule 2. What comes out is canonical (`wire.events`): forwarding it cannot carry an ambiguity on.
Rule 3. Most field lines of a connection were seen before, so what a line means is remembered: one dictionary look-up
        replaces checking, lower-casing and classifying it. The memory is bounded by count and by line length.
"""

import re

from shifter.wire.characters import CONTROLS, PLAIN_PATH, TOKEN, VISIBLE
from shifter.wire.events import (
    CLOSE,
    EXPECT_CONTINUE,
    HAS_DATE,
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
from shifter.wire.fields import UNREPEATED, noticed

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]*)(?::[0-9]{0,5})?")
_REASON = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")

METHODS = frozenset(
    b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND "
    b"UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK SOURCE QUERY".split()
)
"""Methods that are forwarded; like Envoy's codec, anything else is refused (custom methods are off by default)."""


UNREMOVABLE = frozenset((b"content-length", b"transfer-encoding", b"host", b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id"))
"""Fields that ``Connection`` cannot nominate away: doing so would change what the message means to the next hop."""

# What a field line does. A plain line is kept as bytes and needs no code.
_FLAG, _HOST_LINE, _CONNECTION, _LENGTH, _CODING, _DROP, _UPGRADE, _TE, _EXPECT, _SERVER = range(10)

_Special = tuple[int, bytes, int]
_Name = tuple[bytes, int, int, bool]  # canonical prefix, code, flags, whether its lines are worth remembering

_CACHED_LINES = 4096
_CACHED_LINE_LENGTH = 512
_CACHED_NAMES = 1024

_REQUEST_CODES = {
    b"host": (_HOST_LINE, 0),
    b"connection": (_CONNECTION, 0),
    b"content-length": (_LENGTH, 0),
    b"transfer-encoding": (_CODING, 0),
    b"keep-alive": (_DROP, 0),
    b"proxy-connection": (_DROP, 0),
    b"te": (_TE, 0),
    b"upgrade": (_UPGRADE, 0),
    b"expect": (_EXPECT, 0),
}
_RESPONSE_CODES = {
    b"connection": (_CONNECTION, 0),
    b"content-length": (_LENGTH, 0),
    b"transfer-encoding": (_CODING, 0),
    b"keep-alive": (_DROP, 0),
    b"proxy-connection": (_DROP, 0),
    b"server": (_SERVER, 0),
    b"x-envoy-upstream-service-time": (_DROP, 0),
    b"te": (_DROP, 0),
    b"upgrade": (_DROP, UPGRADE),
    b"date": (_FLAG, HAS_DATE),
}


def _split_field(line: bytes, status: int) -> tuple[bytes, bytes]:
    """Return the canonical name and value of a field line (RFC 9112 section 5)."""
    name, colon, value = line.partition(b":")
    if not colon or not name or name.translate(None, TOKEN) or value.translate(None, CONTROLS) != value:
        raise ProtocolError(status, "http1.invalid_field_line")
    return name.lower(), value.strip(b" \t")


class _Lines(dict[bytes, "bytes | _Special"]):
    """The meaning of field lines seen before; a line that is new is looked at (`__missing__`) and mostly remembered."""

    def __init__(self, codes: dict[bytes, tuple[int, int]], status: int, request: bool) -> None:
        super().__init__()
        self._codes = codes
        self._status = status
        self._request = request
        self._names: dict[bytes, _Name] = {}

    def _learn(self, line: bytes, name: bytes) -> _Name:
        canonical, _ = _split_field(line, self._status)
        code, flags = self._codes.get(canonical, (_FLAG, 0))
        if self._request and code == _FLAG:
            flags = noticed(canonical)
        known = (canonical + b": ", code, flags, canonical not in UNREPEATED)
        if len(name) <= 64 and len(self._names) < _CACHED_NAMES:
            self._names[name] = known
        return known

    def __missing__(self, line: bytes) -> "bytes | _Special":
        name, colon, value = line.partition(b":")
        known = self._names.get(name)
        if known is None:
            known = self._learn(line, name)
        prefix, code, flags, memorable = known
        if not colon or value.translate(None, CONTROLS) != value:
            raise ProtocolError(self._status, "http1.invalid_field_line")
        value = value.strip(b" \t")
        meaning: bytes | _Special
        if code == _FLAG:
            meaning = (_FLAG, prefix + value, flags) if flags else prefix + value
        elif code == _LENGTH:
            length = _canonical_length(value, self._status)
            return (_LENGTH, b"%b%d" % (prefix, length), length)
        elif code == _HOST_LINE:
            if _HOST.fullmatch(value) is None:
                raise ProtocolError(400, "http1.invalid_host")
            meaning = (code, value, 0)
        elif code == _TE:
            wanted = any(part.partition(b";")[0].strip(b" \t") == b"trailers" for part in value.lower().split(b","))
            meaning = (_DROP, b"", TE_TRAILERS if wanted else 0)
        elif code == _EXPECT:
            meaning = (_DROP, b"", EXPECT_CONTINUE) if value.lower() == b"100-continue" else prefix + value
        elif code == _UPGRADE:
            meaning = (_DROP, b"", 0) if value.lower() == b"h2c" else (_UPGRADE, b"", 0)
        elif code in (_CONNECTION, _CODING):
            meaning = (code, value.lower(), 0)
        elif code == _SERVER:
            meaning = (code, value, 0)
        else:
            meaning = (code, b"", flags)
        if memorable and len(line) <= _CACHED_LINE_LENGTH:
            if len(self) >= _CACHED_LINES:
                self.clear()
            self[line] = meaning
        return meaning


_request_lines = _Lines(_REQUEST_CODES, 400, True)
_response_lines = _Lines(_RESPONSE_CODES, 502, False)


def te_flags(value: bytes) -> int:
    """``TE_TRAILERS`` when *value*, a ``te`` field, lists trailers (RFC 9110 section 10.1.4)."""
    meaning = _request_lines[b"te: " + value]
    return 0 if isinstance(meaning, bytes) else meaning[2]


def _canonical_length(value: bytes, status: int) -> int:
    """Return a ``content-length`` (RFC 9110 section 8.6) that must be 1*DIGIT and fit 63 bits."""
    if not value.isdigit() or len(value) > 18:
        raise ProtocolError(status, "http1.invalid_content_length")
    return int(value)


def _without_nominated(kept: list[bytes], nominated: set[bytes]) -> list[bytes]:
    return [line for line in kept if line.partition(b":")[0] not in nominated]


def _apply_connection(value: bytes, flags: int, nominated: set[bytes]) -> int:
    """Fold one lower-cased ``connection`` value into *flags* and *nominated* (RFC 9110 section 7.6.1)."""
    for token in value.split(b","):
        token = token.strip(b" \t")
        if token == b"close":
            flags |= CLOSE
        elif token == b"keep-alive":
            flags |= KEEP_ALIVE
        elif token == b"upgrade":
            flags |= UPGRADE
        elif token and token not in UNREMOVABLE:
            nominated.add(token)
    return flags


def parse_request(buffer: bytes, end: int, max_fields: int) -> RequestHead:
    """Parse the request head ``buffer[:end]``, where *end* is the place of the CRLF CRLF that ends it.

    ``path`` of the result is the target as sent (``ODD_PATH`` says that it needs a look), ``authority`` the ``host``
    field. Raises `ProtocolError` with 400, 426 (an HTTP version we do not speak here), 431 or 501.
    """
    lines = buffer[:end].split(b"\r\n")
    if len(lines) - 1 > max_fields:
        raise ProtocolError(431, "http1.too_many_headers")
    parts = lines[0].split(b" ")
    if len(parts) != 3:
        raise ProtocolError(400, "http1.invalid_request_line")
    method, target, protocol = parts
    if protocol == b"HTTP/1.1":
        version = 11
    elif protocol == b"HTTP/1.0":
        version = 10
    elif _VERSION.fullmatch(protocol):
        raise ProtocolError(426, "http1.unsupported_version")
    else:
        raise ProtocolError(400, "http1.invalid_version")
    if method not in METHODS:
        raise ProtocolError(400, "http1.invalid_method")
    flags = 0
    if (
        target[:1] != b"/"
        or method == b"CONNECT"
        or target.translate(None, PLAIN_PATH)
        or target.find(b"//") >= 0
        or target.find(b"/.") >= 0
    ):
        if not target or target.translate(None, VISIBLE):
            raise ProtocolError(400, "http1.invalid_url")
        flags = ODD_PATH
    host: bytes | None = None
    length = NO_BODY
    chunked = upgrade = False
    nominated: set[bytes] | None = None
    lines[0] = b""
    kept = [b""]
    keep = kept.append
    meanings = _request_lines
    for line in lines[1:]:
        meaning = meanings[line]
        if isinstance(meaning, bytes):
            keep(meaning)
            continue
        code, text, number = meaning
        if code == _HOST_LINE:
            if host is not None:
                raise ProtocolError(400, "http1.multiple_hosts")
            host = text
        elif code == _CONNECTION:
            if text == b"keep-alive":
                flags |= KEEP_ALIVE
            else:
                if nominated is None:
                    nominated = set()
                flags = _apply_connection(text, flags, nominated)
        elif code == _FLAG:
            flags |= number
            keep(text)
        elif code == _LENGTH:
            if length != NO_BODY:
                raise ProtocolError(400, "http1.multiple_content_lengths")
            length = number
            keep(text)
        elif code == _CODING:
            if text != b"chunked" or chunked:
                raise ProtocolError(501, "http1.unsupported_transfer_coding")
            chunked = True
        elif code == _UPGRADE:
            upgrade = True
        else:
            flags |= number
    if chunked:
        if length != NO_BODY or version == 10:
            raise ProtocolError(400, "http1.content_length_and_chunked_not_allowed")
        length = UNTIL_END
    if flags & UPGRADE and not upgrade:
        flags &= ~UPGRADE
    if host is None:
        if version == 11:
            raise ProtocolError(400, "missing_host_header")
        host = b""
    if nominated:
        kept = _without_nominated(kept, nominated)
    return RequestHead(method, target, host, b"\r\n".join(kept), length, flags, version)


def parse_response(buffer: bytes, end: int, max_fields: int) -> ResponseHead:
    """Parse the response head ``buffer[:end]``; the reason phrase is checked and dropped.

    ``length`` is what the head says: ``NO_BODY`` when neither length nor coding is given, with ``until_close`` set; the
    caller knows of HEAD, 1xx, 204 and 304. Raises `ProtocolError` 502.
    """
    lines = buffer[:end].split(b"\r\n")
    if len(lines) - 1 > max_fields:
        raise ProtocolError(502, "http1.too_many_headers")
    start = lines[0]
    protocol = start[:9]
    digits = start[9:12]
    if (
        (protocol != b"HTTP/1.1 " and protocol != b"HTTP/1.0 ")
        or not digits.isdigit()
        or len(digits) != 3
        or digits < b"100"
        or (len(start) > 12 and (start[12] != 32 or _REASON.fullmatch(start) is None))
    ):
        raise ProtocolError(502, "http1.invalid_status_line")
    status = int(digits)
    flags = 0
    length = NO_BODY
    chunked = False
    server = None
    kept = [b""]
    keep = kept.append
    meanings = _response_lines
    for line in lines[1:]:
        meaning = meanings[line]
        if isinstance(meaning, bytes):
            keep(meaning)
            continue
        code, text, number = meaning
        if code == _CONNECTION:
            if text == b"keep-alive":
                flags |= KEEP_ALIVE
            else:
                flags = _apply_connection(text, flags, set())
        elif code == _FLAG:
            flags |= number
            keep(text)
        elif code == _LENGTH:
            if length != NO_BODY:
                raise ProtocolError(502, "http1.multiple_content_lengths")
            length = number
            keep(text)
        elif code == _CODING:
            if text != b"chunked" or chunked or protocol != b"HTTP/1.1 ":
                raise ProtocolError(502, "http1.unsupported_transfer_coding")
            chunked = True
        elif code == _SERVER:
            server = text if server is None else server
        else:
            flags |= number
    if protocol != b"HTTP/1.1 " and not (flags & KEEP_ALIVE and length != NO_BODY):
        flags |= CLOSE
    if chunked:
        if length != NO_BODY:
            raise ProtocolError(502, "http1.content_length_and_chunked_not_allowed")
        length = UNTIL_END
    head = ResponseHead(status, b"\r\n".join(kept), length, flags, length == NO_BODY)
    head.server = server
    return head


def parse_trailers(section: bytes, max_fields: int, status: int) -> bytes:
    """Parse a trailer section (RFC 9112 section 7.1.2), each line ended by CRLF, into a field block.

    Fields that frame, route or authenticate a message have no place in trailers (RFC 9110 section 6.5.1) and are left
    out. Raises `ProtocolError` *status*.
    """
    lines = section.split(b"\r\n")[:-1]
    if len(lines) > max_fields:
        raise ProtocolError(431 if status == 400 else status, "http1.too_many_trailers")
    kept = [b""]
    for line in lines:
        name, value = _split_field(line, status)
        if name not in FORBIDDEN_TRAILERS:
            kept.append(name + b": " + value)
    return b"\r\n".join(kept)


FORBIDDEN_TRAILERS = frozenset(
    b"transfer-encoding content-length host connection keep-alive proxy-connection te trailer upgrade content-encoding content-type "
    b"content-range authorization proxy-authorization proxy-authenticate www-authenticate cookie set-cookie cache-control expect "
    b"max-forwards pragma range age expires date location retry-after vary warning if-match if-none-match if-modified-since "
    b"if-unmodified-since if-range x-forwarded-for x-forwarded-proto".split()
)
"""Fields that are never taken from a trailer section."""
