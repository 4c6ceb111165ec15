"""What a TLS client asks for, read out of the first bytes that it sends (RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301).

Rule 1. The bytes may end anywhere, and the message may lie in several records (RFC 8446 section 5.1): what is not there yet is waited
        for, up to a limit.
Rule 2. Nothing is judged here but the form: whoever does the handshake decides about versions and ciphers.
"""

from typing import NamedTuple

LONGEST = 16 * 1024
"""How many bytes are looked at by default (Envoy ``tls_inspector.v3.TlsInspector.max_client_hello_size``)."""

_HANDSHAKE = 22
_CLIENT_HELLO = 1
_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS = 0, 16, 43
_LONGEST_RECORD = 1 << 14


class ClientHelloError(Exception):
    """The first bytes of a connection are no ClientHello."""


class NotTls(ClientHelloError):
    """They are something else than the beginning of TLS, or a broken one."""


class ClientHelloTooLarge(ClientHelloError):
    """They may be one, of more bytes than are looked at."""


class ClientHello(NamedTuple):
    """``server_name`` is lower case, empty when there is none; ``alpn`` the protocols in the client's order; ``versions`` the protocol
    versions that it offers by their numbers (0x0304 is TLS 1.3)."""

    server_name: str = ""
    alpn: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = ()


def read_client_hello(data: bytes, longest: int = LONGEST) -> ClientHello | None:
    """Return what the ClientHello at the head of *data* says; ``None`` while more of it is needed, up to *longest* bytes. Raises
    `ClientHelloError`."""
    message = _message(data, longest)
    if message is None:
        if len(data) >= longest:
            raise ClientHelloTooLarge
        return None
    try:
        return _read(_Reader(message))
    except IndexError:
        raise NotTls from None


def missing(data: bytes) -> int:
    """Return how many bytes at least are to come yet where `read_client_hello` has found that *data* is not enough: whoever looks again
    sooner looks in vain, which costs when somebody sends a message in records of one byte."""
    begin = b""
    at = gathered = 0
    while at + 5 <= len(data):
        start = at + 5
        at = start + (data[start - 2] << 8 | data[start - 1])
        end = min(at, len(data))
        gathered += end - start
        if len(begin) < 4:
            begin += data[start : min(end, start + 4)]
    header = at + 5 - len(data) if at <= len(data) else 0  # what is missing of the next record's
    return header + (max(1, 4 + int.from_bytes(begin[1:4], "big") - gathered) if gathered >= 4 else 1)


class _Reader:
    """Takes apart bytes that say how long they are. What is missing is an `IndexError`."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise IndexError
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """Return bytes that stand behind their length, a number of *size* bytes."""
        return self.take(self.number(size))


def _message(data: bytes, longest: int) -> bytes | None:
    """Return the body of the handshake message that the records at the head of *data* begin with; ``None`` while it is not whole."""
    parts = []
    gathered = 0
    at = 0
    wanted = -1
    while True:
        head = data[at : at + 5]
        if (head and head[0] != _HANDSHAKE) or (len(head) > 1 and head[1] != 3):
            raise NotTls
        if len(head) < 5:
            return None
        size = head[3] << 8 | head[4]
        if not 0 < size <= _LONGEST_RECORD:
            raise NotTls
        part = data[at + 5 : at + 5 + size]
        parts.append(part)
        gathered += len(part)
        if wanted < 0:
            begin = b"".join(parts)
            if begin and begin[0] != _CLIENT_HELLO:
                raise NotTls
            if gathered >= 4:
                wanted = 4 + int.from_bytes(begin[1:4], "big")
                if wanted > longest:
                    raise ClientHelloTooLarge
        if 0 <= wanted <= gathered:
            return b"".join(parts)[4:wanted]
        if len(part) < size:
            return None
        at += 5 + size


def _read(hello: _Reader) -> ClientHello:
    version = hello.number(2)
    hello.take(32)  # random
    if len(hello.vector(1)) > 32:  # session id
        raise NotTls
    ciphers = hello.vector(2)
    if not ciphers or len(ciphers) % 2 or not hello.vector(1):  # the last are compression methods
        raise NotTls
    server_name = ""
    alpn: tuple[bytes, ...] = ()
    versions: tuple[int, ...] = (version,)
    if not hello:
        return ClientHello(server_name, alpn, versions)
    extensions = _Reader(hello.vector(2))
    if hello:
        raise NotTls
    seen = set()
    while extensions:
        kind = extensions.number(2)
        body = extensions.vector(2)
        if kind in seen:
            raise NotTls
        seen.add(kind)
        if kind == _SERVER_NAME:
            server_name = _server_name(body)
        elif kind == _ALPN:
            alpn = _protocols(body)
        elif kind == _SUPPORTED_VERSIONS:
            offered = _Reader(body).vector(1)
            versions = tuple(int.from_bytes(offered[at : at + 2], "big") for at in range(0, len(offered) - 1, 2))
    return ClientHello(server_name, alpn, versions)


def _server_name(body: bytes) -> str:
    names = _Reader(_Reader(body).vector(2))
    kind = names.number(1)
    name = names.vector(2)
    if kind or names or not 0 < len(name) <= 255 or b"\0" in name:
        raise NotTls
    return name.lower().decode("latin-1")


def _protocols(body: bytes) -> tuple[bytes, ...]:
    """Return the protocols of an ALPN extension; none when it is malformed, which the handshake will find too."""
    try:
        names = _Reader(_Reader(body).vector(2))
        protocols = []
        while names:
            protocols.append(names.vector(1))
    except IndexError:
        return ()
    return tuple(protocols) if all(protocols) else ()
