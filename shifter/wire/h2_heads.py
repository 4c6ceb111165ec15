"""HTTP/2 field lists to heads and back (RFC 9113 section 8), whichever engine frames them.

Rule 1. Nothing reaches a field block that HTTP/1.1 could read differently: names, values, method, path and authority are
        checked here although the engine has checked them too.
Rule 2. What is malformed is a `ProtocolError` and costs its stream; what is merely too large is one with status 431.
Rule 3. Most fields of a connection were seen before, so what a field means is remembered: one dictionary look-up replaces
        checking and classifying it. Secrets and fields that hardly repeat are not remembered; the memory is bounded.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from shifter.wire.characters import CONTROLS, LOWER_TOKEN, PLAIN_PATH, TOKEN, VISIBLE
from shifter.wire.events import (
    EXPECT_CONTINUE,
    HAS_DATE,
    NO_BODY,
    ODD_PATH,
    REPEATED_LENGTH,
    TE_TRAILERS,
    UNTIL_END,
    ProtocolError,
    RequestHead,
    ResponseHead,
)
from shifter.wire.fields import UNREPEATED, noticed
from shifter.wire.h2_tunnels import connecting
from shifter.wire.heads import FORBIDDEN_TRAILERS, METHODS

Field = tuple[bytes, bytes]
FieldList = Sequence[Field]

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::[0-9]{0,5})?")
_LONGEST_HOST = 512

_CACHED = 4096
_CACHED_LENGTH = 256
_CACHED_NAMES = 1024

# What a field does. A plain field is kept as its line and needs no code.
_FLAG, _HOST_FIELD, _LENGTH, _COOKIE, _DROP, _TE, _EXPECT, _SERVER, _PROTOCOL = range(9)

_Special = tuple[int, bytes, int]
_Name = tuple[bytes, int, int, bool]  # prefix of its lines, code, flags, whether its fields are worth remembering

_CONNECTION_SPECIFIC = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))

_REQUEST_CODES = {
    b"host": (_HOST_FIELD, 0),
    b"content-length": (_LENGTH, 0),
    b"cookie": (_COOKIE, 0),
    b"te": (_TE, 0),
    b"expect": (_EXPECT, 0),
    b":protocol": (_PROTOCOL, 0),
}
_RESPONSE_CODES = {
    b"content-length": (_LENGTH, 0),
    b"server": (_SERVER, 0),
    b"x-envoy-upstream-service-time": (_DROP, 0),
    b"te": (_DROP, 0),
    b"date": (_FLAG, HAS_DATE),
}
_STATUSES = {b"%d" % status: status for status in range(100, 1000)}
_STATUS_FIELDS = {status: (b":status", text) for text, status in _STATUSES.items()}
_SCHEMES = frozenset((b"http", b"https"))


class _Meanings(dict[Field, "bytes | _Special"]):
    """The meaning of fields seen before; a field that is new is looked at (`__missing__`) and mostly remembered."""

    def __init__(self, codes: dict[bytes, tuple[int, int]], status: int) -> None:
        super().__init__()
        self._codes = codes
        self._status = status
        self._names: dict[bytes, _Name] = {}

    def __missing__(self, field: Field) -> "bytes | _Special":
        name, value = field
        prefix, code, flags, memorable = self._names.get(name) or self._learn(name)
        if not value.isalnum():
            self._check(value)
        meaning: bytes | _Special
        if code == _FLAG:
            meaning = (_FLAG, prefix + value, flags) if flags else prefix + value
        elif code == _LENGTH:
            if not value.isdigit() or len(value) > 18:
                raise ProtocolError(self._status, "http2.invalid_content_length")
            length = int(value)
            return _LENGTH, b"%b%d" % (prefix, length), length
        else:
            meaning = self._special(code, prefix, value)
        # a field that must never be indexed (RFC 7541 section 7.1.3) is not a plain tuple, and not remembered either
        if memorable and len(value) <= _CACHED_LENGTH and field.__class__ is tuple:
            if len(self) >= _CACHED:
                self.clear()
            self[field] = meaning
        return meaning

    def _learn(self, name: bytes) -> _Name:
        if not name or (name.translate(None, LOWER_TOKEN) and (name != b":protocol" or name not in self._codes)):
            raise ProtocolError(self._status, "http2.invalid_field_name")
        if name in _CONNECTION_SPECIFIC:
            raise ProtocolError(self._status, "http2.connection_specific_field")
        code, flags = self._codes.get(name, (_FLAG, 0))
        if code == _FLAG and self._status == 400:
            flags = noticed(name)
        known = (name + b": ", code, flags, name not in UNREPEATED)
        if len(name) <= 64 and len(self._names) < _CACHED_NAMES:
            self._names[name] = known
        return known

    def _check(self, value: bytes) -> None:
        if value.translate(None, CONTROLS) != value or value.strip(b" \t") != value:
            raise ProtocolError(self._status, "http2.invalid_field_value")

    def _special(self, code: int, prefix: bytes, value: bytes) -> "bytes | _Special":
        if code == _HOST_FIELD:
            if not is_authority(value):
                raise ProtocolError(400, "http2.invalid_authority")
        elif code == _TE:
            if value.lower() != b"trailers":
                raise ProtocolError(400, "http2.connection_specific_field")
            return _DROP, b"", TE_TRAILERS
        elif code == _PROTOCOL:
            if not value:
                raise ProtocolError(400, "http2.invalid_pseudo_field")
        elif code == _EXPECT:
            return (_DROP, b"", EXPECT_CONTINUE) if value.lower() == b"100-continue" else prefix + value
        return code, value, 0


class _Lines(dict[bytes, Field]):
    """Field lines seen before, taken apart."""

    def __missing__(self, line: bytes) -> Field:
        name, _, value = line.partition(b": ")
        field = (name, value)
        if name not in UNREPEATED and len(line) <= _CACHED_LENGTH:
            if len(self) >= _CACHED:
                self.clear()
            self[line] = field
        return field


_request_meanings = _Meanings(_REQUEST_CODES, 400)
_response_meanings = _Meanings(_RESPONSE_CODES, 502)
_line_to_field = _Lines().__getitem__


@lru_cache(maxsize=1024)
def is_authority(value: bytes) -> bool:
    """Say whether *value* is ``host[:port]`` without user information (RFC 9113 section 8.3.1)."""
    return len(value) <= _LONGEST_HOST and _HOST.fullmatch(value) is not None


def request_head(fields: FieldList, end: bool, max_fields: int, max_size: int) -> RequestHead:
    """Return the head that a request's field list says; *end* when no body follows.

    *max_fields* counts regular fields, *max_size* bytes of the head as HTTP/1.1 would write it. Raises `ProtocolError`
    with 400 (malformed, RFC 9113 section 8.1.1) or 431.
    """
    pseudo = dict(fields[:4])
    try:
        method = pseudo[b":method"]
        path = pseudo[b":path"]
        authority: bytes | None = pseudo[b":authority"]
        scheme = pseudo[b":scheme"]
        regular = fields[4:]
    except KeyError:
        method, path, authority, scheme, regular = _unusual_pseudo_fields(fields)
    if scheme not in _SCHEMES:
        raise ProtocolError(400, "http2.invalid_scheme")
    flags = 0
    length = UNTIL_END
    host: bytes | None = None
    protocol = b""
    cookies: list[bytes] | None = None
    kept = [b""]
    keep = kept.append
    meanings = _request_meanings
    for field in regular:
        meaning = meanings[field]
        if isinstance(meaning, bytes):
            keep(meaning)
            continue
        code, text, number = meaning
        if code == _FLAG:
            flags |= number
            keep(text)
        elif code == _COOKIE:
            if cookies is None:
                cookies = []
                place = len(kept)
                keep(b"")
            cookies.append(text)
        elif code == _LENGTH:
            if length != UNTIL_END:
                raise ProtocolError(400, "http2.multiple_content_lengths")
            length = number
            keep(text)
        elif code == _HOST_FIELD:
            if host is not None and host != text:
                raise ProtocolError(400, "http2.multiple_hosts")
            host = text
        elif code == _PROTOCOL:
            if method != b"CONNECT" or protocol or field is not regular[0]:
                raise ProtocolError(400, "http2.invalid_pseudo_field")
            protocol = text
        else:
            flags |= number
    if cookies is not None:
        kept[place] = b"cookie: " + b"; ".join(cookies)
    if authority is None:
        if host is None:
            raise ProtocolError(400, "http2.missing_authority")
        authority = host
    elif not is_authority(authority) or (host is not None and host != authority):
        raise ProtocolError(400, "http2.invalid_authority")
    if path.translate(None, PLAIN_PATH) or path.find(b"//") >= 0 or path.find(b"/.") >= 0 or path[:1] != b"/":
        flags |= ODD_PATH
        _check_odd_path(method, path)
    if method not in METHODS and (not method or method.translate(None, TOKEN)):
        raise ProtocolError(400, "http2.invalid_method")
    block = b"\r\n".join(kept)
    if len(kept) - 1 > max_fields:
        raise ProtocolError(431, "http2.too_many_headers")
    if len(block) + len(path) + len(authority) > max_size:
        raise ProtocolError(431, "http2.headers_too_large")
    if end and length:
        if length > 0:
            raise ProtocolError(400, "http2.inconsistent_content_length")
        length = NO_BODY
    if method == b"CONNECT":
        return connecting(RequestHead(method, path, authority, block, length, flags, 20, scheme), protocol)
    return RequestHead(method, path, authority, block, length, flags, 20, scheme)


def _unusual_pseudo_fields(fields: FieldList) -> tuple[bytes, bytes, bytes | None, bytes, FieldList]:
    """Return method, path, authority, scheme and what follows, where they are not just the usual four (RFC 9113 section 8.3.1)."""
    count = 0
    for name, _ in fields:
        if name[:1] != b":":
            break
        count += 1
    pseudo = dict(fields[:count])
    method = pseudo.pop(b":method", b"")
    authority = pseudo.pop(b":authority", None)
    if method == b"CONNECT" and authority is not None and count == 2:
        return method, authority, authority, b"http", fields[count:]
    path = pseudo.pop(b":path", b"")
    scheme = pseudo.pop(b":scheme", b"")
    if method == b"CONNECT" and count == 5 and path and scheme and authority is not None and b":protocol" in pseudo:
        return method, path, authority, scheme, [(b":protocol", pseudo[b":protocol"]), *fields[5:]]
    if pseudo or count != 3 or authority is not None:
        raise ProtocolError(400, "http2.invalid_pseudo_field")
    return method, path, authority, scheme, fields[count:]


def _check_odd_path(method: bytes, path: bytes) -> None:
    if path.translate(None, VISIBLE) or (path[:1] != b"/" and method != b"CONNECT" and (path != b"*" or method != b"OPTIONS")):
        raise ProtocolError(400, "http2.invalid_path")


def response_head(fields: FieldList, end: bool, max_fields: int, max_size: int, to_head: bool = False) -> ResponseHead:
    """Return the head that an answer's field list says, an interim one's too.

    *end* when no body follows; *to_head* when the request was a HEAD. Raises `ProtocolError` 502.
    """
    name, text = fields[0] if fields else (b"", b"")
    status = _STATUSES.get(text)
    if name != b":status" or status is None:
        raise ProtocolError(502, "http2.invalid_status")
    flags = 0
    length = UNTIL_END
    server = None
    kept = [b""]
    keep = kept.append
    meanings = _response_meanings
    for field in fields[1:]:
        meaning = meanings[field]
        if isinstance(meaning, bytes):
            keep(meaning)
            continue
        code, text, number = meaning
        if code == _FLAG:
            flags |= number
            keep(text)
        elif code == _LENGTH:
            if length != UNTIL_END:
                raise ProtocolError(502, "http2.multiple_content_lengths")
            length = number
            keep(text)
        elif code == _SERVER and server is None:
            server = text
    block = b"\r\n".join(kept)
    if len(kept) - 1 > max_fields or len(block) > max_size:
        raise ProtocolError(502, "http2.headers_too_large")
    if to_head or status == 304 or status == 204 or status < 200:
        if length != UNTIL_END:
            if status == 204 or status < 200:
                raise ProtocolError(502, "http2.unexpected_content_length")
            flags |= REPEATED_LENGTH
        length = NO_BODY
    elif end and length:
        if length > 0:
            raise ProtocolError(502, "http2.inconsistent_content_length")
        length = NO_BODY
    head = ResponseHead(status, block, length, flags)
    head.server = server
    return head


def trailer_block(fields: FieldList, max_fields: int, max_size: int, status: int) -> bytes:
    """Return the field block of a trailer section; fields that have no place in one are left out (as `h1` does).

    Raises `ProtocolError` *status*, 431 instead of 400 when it is too large.
    """
    meanings = _request_meanings if status == 400 else _response_meanings
    kept = [b""]
    for field in fields:
        name, value = field
        if name in FORBIDDEN_TRAILERS:
            continue
        if name[:1] == b":":
            raise ProtocolError(status, "http2.invalid_field_name")
        meaning = meanings[field]
        kept.append(meaning if isinstance(meaning, bytes) else b"%b: %b" % (name, value))
    block = b"\r\n".join(kept)
    if len(kept) - 1 > max_fields or len(block) > max_size:
        raise ProtocolError(431 if status == 400 else status, "http2.trailers_too_large")
    return block


def request_fields(head: RequestHead) -> list[Field]:
    """Return the field list of a request. A ``te`` that is to go on stands in the block (`routing.forwarded`)."""
    fields = [(b":method", head.method), (b":scheme", head.scheme), (b":authority", head.authority), (b":path", head.path)]
    if not head.authority:
        del fields[2]  # HTTP/1.0 without a host
    fields += block_fields(head.block)
    return fields


def response_fields(status: int, block: bytes) -> list[Field]:
    """Return the field list of an answer, final or interim."""
    fields = [_STATUS_FIELDS[status]]
    fields += block_fields(block)
    return fields


def block_fields(block: bytes) -> Iterable[Field]:
    """Return the fields of a block."""
    lines = block.split(b"\r\n")
    del lines[0]
    return map(_line_to_field, lines)
