"""The one thing that HTTP/1.1 and HTTP/2 say differently about WebSocket besides CONNECT: its handshake is signed in HTTP/1.1 only.

RFC 8441 section 5.1: ``sec-websocket-key`` and ``sec-websocket-accept`` are not used in HTTP/2. RFC 6455 section 4 requires both.
"""

import binascii
from hashlib import sha1

from shifter.wire.events import first_value, without

KEY = b"sec-websocket-key"
_ACCEPT = b"sec-websocket-accept"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def new_key(random: int) -> bytes:
    """Return a key made of *random*, 63 bits. It keeps caches from answering, and is no secret."""
    return binascii.b2a_base64(random.to_bytes(8, "big") * 2, newline=False)


def accept_of(key: bytes) -> bytes:
    """Return what agrees to a request with *key* (RFC 6455 section 4.2.2)."""
    return binascii.b2a_base64(sha1(key + _GUID, usedforsecurity=False).digest(), newline=False)


def signed(block: bytes, key: bytes) -> bytes:
    """Return the fields *block* of an answer, signed for who has sent *key*: an HTTP/2 endpoint does not."""
    return block if first_value(block, _ACCEPT) is not None else b"%b\r\n%b: %b" % (block, _ACCEPT, accept_of(key))


def unsigned(block: bytes) -> bytes:
    """Return the fields *block* of an answer for who has sent no key."""
    return without(block, _ACCEPT)
