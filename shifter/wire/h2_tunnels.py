"""CONNECT in HTTP/2 (RFC 9113 section 8.5), and other protocols within it (RFC 8441), as HTTP/1.1 says the same.

Rule 1. Everybody but the codec sees what HTTP/1.1 would have said: ``GET`` with ``connection: upgrade`` and ``upgrade`` for an extended
        CONNECT, 101 for the 200 that agrees to it (as in Envoy). So one route, one filter and one exchange serve both.
Rule 2. What is in the stream behind the heads is no body: no length tells where it ends.
"""

from shifter.wire.events import (
    NO_BODY,
    ODD_PATH,
    UNTIL_END,
    UPGRADE,
    ProtocolError,
    RequestHead,
    ResponseHead,
    fields,
    first_value,
    without,
)
from shifter.wire.h1 import switching

Field = tuple[bytes, bytes]

_BYTESTREAM = b"bytestream"  # an extended CONNECT that is a plain one: what some proxies say


def connecting(head: RequestHead, protocol: bytes) -> RequestHead:
    """Return what *head*, a CONNECT whose ``:protocol`` is *protocol* (empty: it has none), asks for.

    Raises `ProtocolError` for a length, and for a path that does not belong there or is missing.
    """
    if head.length > 0:
        raise ProtocolError(400, "http2.unexpected_content_length")
    if head.length == 0:
        head.block = without(head.block, b"content-length")
    head.length = NO_BODY
    if protocol and protocol != _BYTESTREAM:
        if head.path[:1] != b"/":
            raise ProtocolError(400, "http2.invalid_path")
        head.method = b"GET"
        head.flags |= UPGRADE
        head.block += switching(protocol)
    elif not protocol and head.path != head.authority:
        raise ProtocolError(400, "http2.invalid_pseudo_field")
    else:
        head.path = head.authority
        head.flags |= ODD_PATH
    return head


def tunnel_fields(head: RequestHead) -> list[Field]:
    """Return the field list of a request for a tunnel, or for another protocol."""
    if head.method == b"CONNECT":
        return [(b":method", b"CONNECT"), (b":authority", head.authority), *fields(head.block)]
    return [
        (b":method", b"CONNECT"),
        (b":protocol", first_value(head.block, b"upgrade") or b""),
        (b":scheme", head.scheme),
        (b":authority", head.authority),
        (b":path", head.path),
        *fields(_without_switch(head.block)),
    ]


def agreement(head: ResponseHead, asked: RequestHead) -> ResponseHead:
    """Return *head*, the answer to what `tunnel_fields` has *asked*, as HTTP/1.1 would have said it."""
    if asked.method == b"CONNECT":
        if head.status < 300:
            head.block = without(head.block, b"content-length")
            head.length = UNTIL_END
    elif head.status == 200:
        head.status = 101
        head.block = without(head.block, b"content-length") + switching(first_value(asked.block, b"upgrade") or b"")
        head.length = UNTIL_END
    return head


def agreement_fields(status: int, block: bytes) -> list[Field]:
    """Return the field list of an answer that lets the stream become a tunnel."""
    status = 200 if status == 101 else status
    return [(b":status", b"%d" % status), *fields(without(_without_switch(block), b"content-length"))]


def _without_switch(block: bytes) -> bytes:
    return without(without(block, b"connection"), b"upgrade")
