"""What codecs and the rest of the proxy say to each other about one message.

The *field block* is how header fields travel through shifter, whichever protocol they came by: canonical HTTP/1.1 field
lines, each led by CRLF, nothing before the first and nothing after the last::

    b"\\r\\nuser-agent: curl/8\\r\\nx-canary-version: service1a"

Rule 1. Names are lower case, one space follows the colon, values carry no surrounding blanks and no CR, LF or NUL.
Rule 2. Order and repetition are kept.
Rule 3. A codec has already taken out what belongs to one connection only (``connection`` and what it nominates,
        ``keep-alive``, ``proxy-connection``, ``transfer-encoding``, ``te``, ``upgrade``) and ``host``/``:authority``;
        ``content-length`` stays, canonical and at most once.
So finding a field is one ``bytes.find`` and forwarding an untouched head is one ``bytes.join``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from shifter.observe.tracing import Trace

NO_BODY = -1
"""``length`` of a message that has no body."""
UNTIL_END = -2
"""``length`` of a message whose body ends when its sender says so (chunked, or an HTTP/2 stream)."""

# RequestHead.flags and ResponseHead.flags: what a codec noticed while it looked at every field anyway.
CLOSE = 1  # the sender wants the connection closed afterwards
KEEP_ALIVE = 2  # HTTP/1.0 with "connection: keep-alive"
EXPECT_CONTINUE = 4  # "expect: 100-continue" (taken out of the block)
UPGRADE = 8  # "connection: upgrade" and an "upgrade" field (other than h2c, which is ignored)
TE_TRAILERS = 16  # "te: trailers"
HAS_XFP = 32  # x-forwarded-proto is in the block
HAS_REQUEST_ID = 64  # x-request-id is in the block
HAS_XFF = 128  # x-forwarded-for is in the block
HAS_X_ENVOY = 256  # a field whose name begins with "x-envoy-", or x-forwarded-client-cert, is in the block
HAS_UNDERSCORE = 512  # a field name with "_" is in the block
ODD_PATH = 1024  # the target needs a look: it is not an origin form, or has "//", "/.", or one of # % \ " < > ^ ` { | }
HAS_DATE = 2048  # response: date is in the block
REPEATED_LENGTH = 4096  # response: content-length stood there although the body does not follow it (HEAD, 304)
FOR_GRPC_WEB = 65536  # request: a filter has made gRPC of what was none; its client is told in gRPC-Web
TUNNEL = 8192  # request: its route lets it switch protocols; what follows the head is not HTTP
CERTIFICATE_PRESENTED = 16384  # request: its client has shown a certificate
CERTIFICATE_VALIDATED = 32768  # request: and nothing was found against it

FORWARDING_FLAGS = HAS_XFP | HAS_REQUEST_ID | HAS_XFF | HAS_X_ENVOY | HAS_UNDERSCORE | UPGRADE | TE_TRAILERS | EXPECT_CONTINUE


class RequestHead:
    """One request without its body.

    ``path`` is the origin-form target with its query, after normalisation; ``authority`` is empty when HTTP/1.0 sent none. ``version``
    is 10, 11 or 20. ``length`` is ``NO_BODY``, ``UNTIL_END`` or the ``content-length``. ``random`` is the number that all random
    choices about this request are made with (Envoy's stream id): 63 bits, set before it is routed. ``metadata`` is what filters leave
    for conditions, formats and each other (Envoy's dynamic metadata), by their names. ``trace`` is the request's place in its trace,
    where there is tracing. ``drawn`` is there only where a release has chosen its version for it: the version, the canary's share at
    that moment, the hash of its user where users stay, and the route (`proxy.held`).
    """

    __slots__ = (
        "authority", "block", "drawn", "flags", "length", "metadata", "method", "original_path", "path", "random", "scheme", "trace",
        "version",
    )  # fmt: skip

    drawn: tuple[Any, int, int | None, Any]

    def __init__(
        self,
        method: bytes,
        path: bytes,
        authority: bytes,
        block: bytes = b"",
        length: int = NO_BODY,
        flags: int = 0,
        version: int = 11,
        scheme: bytes = b"http",
    ) -> None:
        self.method = method
        self.path = path
        self.authority = authority
        self.block = block
        self.length = length
        self.flags = flags
        self.version = version
        self.scheme = scheme
        self.original_path: bytes | None = None
        self.metadata: dict[str, dict[str, object]] | None = None
        self.random = 0
        self.trace: Trace | None = None

    def __repr__(self) -> str:
        return f"<RequestHead {self.method!r} {self.authority!r} {self.path!r} length={self.length}>"


class ResponseHead:
    """One response without its body. ``length`` as in `RequestHead`; interim (1xx) answers have ``NO_BODY``.

    ``until_close`` says that the upstream's body ends with its connection (RFC 9112 section 6.3 rule 8). ``server`` is what that
    field says, which is not in ``block``: mostly the proxy says something else there.
    """

    __slots__ = ("block", "flags", "length", "server", "status", "until_close")

    def __init__(self, status: int, block: bytes = b"", length: int = NO_BODY, flags: int = 0, until_close: bool = False) -> None:
        self.status = status
        self.block = block
        self.length = length
        self.flags = flags
        self.until_close = until_close
        self.server: bytes | None = None

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} length={self.length}>"


class ProtocolError(Exception):
    """The peer sent something that is not HTTP as RFC 9112 and RFC 9113 define it.

    ``status`` is what a client is told (400, 426, 431, 501); a server that does this is answered for with 502.
    ``detail`` is one of Envoy's ``%RESPONSE_CODE_DETAILS%`` words, or ours in its style.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail


def first_value(block: bytes, name: bytes) -> bytes | None:
    """Return the value of the first field called *name* (lower case), or ``None``."""
    at = block.find(b"\r\n" + name + b": ")
    if at < 0:
        return None
    start = at + len(name) + 4
    end = block.find(b"\r\n", start)
    return block[start:] if end < 0 else block[start:end]


def values(block: bytes, name: bytes) -> list[bytes]:
    """Return the values of all fields called *name* (lower case), in order."""
    needle = b"\r\n" + name + b": "
    found = []
    at = block.find(needle)
    while at >= 0:
        start = at + len(needle)
        end = block.find(b"\r\n", start)
        if end < 0:
            found.append(block[start:])
            break
        found.append(block[start:end])
        at = block.find(needle, end)
    return found


def joined_value(block: bytes, name: bytes) -> bytes | None:
    """Return what all fields called *name* say, as one value (RFC 9110 section 5.3), or ``None``. What decides about a request must
    look at all of them, for the upstream may look at another than the first."""
    value = first_value(block, name)
    return value if value is None or block.count(b"\r\n" + name + b": ") == 1 else b",".join(values(block, name))


def without(block: bytes, name: bytes) -> bytes:
    """Return *block* without any field called *name* (lower case)."""
    needle = b"\r\n" + name + b": "
    at = block.find(needle)
    while at >= 0:
        end = block.find(b"\r\n", at + len(needle))
        block = block[:at] if end < 0 else block[:at] + block[end:]
        at = block.find(needle, at)
    return block


def fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over ``(name, value)`` of every field, in order."""
    for line in block.split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        yield name, value


def block_of(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Make a field block. Names and values must already follow the rules of this module."""
    return b"".join([b"\r\n%b: %b" % pair for pair in pairs])


def expects_continue(head: RequestHead) -> bool:
    """Whether the client waits for ``100 Continue`` before it sends its body."""
    return bool(head.flags & EXPECT_CONTINUE) and head.length != NO_BODY and head.version != 10
