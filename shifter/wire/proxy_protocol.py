"""The PROXY protocol, versions 1 and 2 (haproxy's ``proxy-protocol.txt``): the client's address stands before its first byte.

Rule 1. A header may come in pieces; its end is known from its own bytes, and never lies further away than `LONGEST`.
Rule 2. A header that cannot be read is an error, never the first bytes of what is behind it.
Rule 3. Where a header names no address of the Internet (``UNKNOWN``, ``LOCAL``, a Unix domain socket) the connection's own stand.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from shifter.model.address import SocketAddress

SIGNATURE_V1 = b"PROXY "
SIGNATURE_V2 = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_V1 = 108
LONGEST = 16 + 0xFFFF
"""The longest header, one of version 2."""

LOCAL_V2 = SIGNATURE_V2 + b"\x20\x00\x00\x00"
"""The header of a connection that its sender makes for itself."""

_LOCAL, _PROXY = 0, 1
_UNSPECIFIED, _INET, _INET6, _UNIX = 0, 1, 2, 3
_STREAM, _DATAGRAM = 1, 2
_SIZES = {_UNSPECIFIED: 0, _INET: 12, _INET6: 36, _UNIX: 216}


class ProxyProtocolError(Exception):
    """What a connection begins with is not a PROXY header. ``version`` is the one that it seemed to be, 0 for none."""

    def __init__(self, version: int, reason: str) -> None:
        super().__init__(reason)
        self.version = version


class ProxyHeader(NamedTuple):
    """A header of *size* bytes. ``source`` and ``destination`` are ``None`` where it names none (rule 3); ``tlvs`` are the type and value
    of each extension, in order."""

    version: int
    size: int
    source: SocketAddress | None = None
    destination: SocketAddress | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Return the header at the head of *data*; ``None`` while more of it is needed. Raises `ProxyProtocolError`."""
    if data.startswith(SIGNATURE_V2):
        return _read_v2(data)
    if data.startswith(SIGNATURE_V1):
        return _read_v1(data)
    if SIGNATURE_V1.startswith(data) or SIGNATURE_V2.startswith(data):
        return None
    raise ProxyProtocolError(0, "no PROXY header")


def _read_v1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise ProxyProtocolError(1, "the line is too long")
        return None
    words = data[:end].split()
    if len(words) > 1 and words[1] == b"UNKNOWN":
        return ProxyHeader(1, end + 2)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyProtocolError(1, "not two addresses and two ports")
    family = 4 if words[1] == b"TCP4" else 6
    return ProxyHeader(1, end + 2, _spelled(family, words[2], words[4]), _spelled(family, words[3], words[5]))


def _spelled(family: int, host: bytes, port: bytes) -> SocketAddress:
    try:
        known = (IPv4Address if family == 4 else IPv6Address)(host.decode("ascii"))
    except ValueError:
        raise ProxyProtocolError(1, "not an address") from None
    if b"%" in host or not port.isdigit() or len(port) > 5 or int(port) > 0xFFFF:
        raise ProxyProtocolError(1, "not an address")
    return _address(1, known, int(port))


def _address(version: int, host: IPv4Address | IPv6Address, port: int) -> SocketAddress:
    if host.is_multicast or host.is_unspecified or host == IPv4Address(0xFFFFFFFF):
        raise ProxyProtocolError(version, "not the address of one host")
    return SocketAddress(str(host), port)


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < 16:
        return None
    version, command = divmod(data[12], 16)
    family, transport = divmod(data[13], 16)
    size = data[14] << 8 | data[15]
    if version != 2:
        raise ProxyProtocolError(2, "an unknown version")
    if command != _LOCAL:
        if command != _PROXY:
            raise ProxyProtocolError(2, "an unknown command")
        if family not in _SIZES or (transport not in (_STREAM, _DATAGRAM) and family != _UNSPECIFIED):
            raise ProxyProtocolError(2, "an unknown family of addresses")
        if size < _SIZES[family]:
            raise ProxyProtocolError(2, "too short for its addresses")
    if len(data) < 16 + size:
        return None
    if command == _LOCAL:
        return ProxyHeader(2, 16 + size)
    rest = data[16 : 16 + size]
    tlvs = _tlvs(rest[_SIZES[family] :])
    if family not in (_INET, _INET6):
        return ProxyHeader(2, 16 + size, tlvs=tlvs)
    width = 4 if family == _INET else 16
    kind = IPv4Address if family == _INET else IPv6Address
    ports = rest[2 * width : 2 * width + 4]
    source = _address(2, kind(rest[:width]), ports[0] << 8 | ports[1])
    destination = _address(2, kind(rest[width : 2 * width]), ports[2] << 8 | ports[3])
    return ProxyHeader(2, 16 + size, source, destination, tlvs)


def _tlvs(data: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at < len(data):
        value = at + 3
        end = value + (data[at + 1] << 8 | data[at + 2]) if value <= len(data) else value
        if end > len(data):
            raise ProxyProtocolError(2, "an extension that is cut off")
        found.append((data[at], data[value:end]))
        at = end
    return tuple(found)


def v1_header(source: SocketAddress, destination: SocketAddress) -> bytes:
    """Return the header of version 1 for a connection from *source* to *destination*; one that names none where either is no address
    of the Internet, or they are of two families."""
    ends = _both(source, destination)
    if ends is None:
        return b"PROXY UNKNOWN\r\n"
    one, two = ends
    return f"PROXY TCP{one.version} {one} {two} {source.port} {destination.port}\r\n".encode("ascii")


def v2_header(source: SocketAddress, destination: SocketAddress, tlvs: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    """Return the header of version 2 for a connection from *source* to *destination*, with extensions; `LOCAL_V2` as `v1_header` names
    none."""
    ends = _both(source, destination)
    if ends is None:
        return LOCAL_V2
    family = _INET if ends[0].version == 4 else _INET6
    body = ends[0].packed + ends[1].packed + source.port.to_bytes(2, "big") + destination.port.to_bytes(2, "big")
    body += b"".join(bytes((kind,)) + len(value).to_bytes(2, "big") + value for kind, value in tlvs)
    return SIGNATURE_V2 + bytes((0x20 | _PROXY, family << 4 | _STREAM)) + len(body).to_bytes(2, "big") + body


def _both(source: SocketAddress, destination: SocketAddress) -> tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address] | None:
    try:
        one, two = ip_address(source.host), ip_address(destination.host)
    except ValueError:
        return None
    if isinstance(one, IPv4Address) and isinstance(two, IPv4Address):
        return one, two
    if isinstance(one, IPv6Address) and isinstance(two, IPv6Address):
        return one, two
    return None
