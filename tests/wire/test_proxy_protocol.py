"""PROXY headers: what is written is read again, cut anywhere; what cannot be read is refused."""

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.wire.proxy_protocol import (
    LOCAL_V2,
    SIGNATURE_V2,
    ProxyHeader,
    ProxyProtocolError,
    read_proxy_header,
    v1_header,
    v2_header,
)

ports = st.integers(0, 0xFFFF)


def one_host(address: IPv4Address | IPv6Address) -> bool:
    return not address.is_multicast and not address.is_unspecified and address != IPv4Address("255.255.255.255")


def ends(version: Literal[4, 6]) -> st.SearchStrategy[tuple[SocketAddress, SocketAddress]]:
    address = st.builds(SocketAddress, st.ip_addresses(v=version).filter(one_host).map(str), ports)
    return st.tuples(address, address)


pairs = ends(4) | ends(6)
tlvs = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=3).map(tuple)


@given(pairs, st.binary(max_size=20), st.data())
def test_version_1(pair: tuple[SocketAddress, SocketAddress], behind: bytes, data: st.DataObject) -> None:
    raw = v1_header(*pair)
    assert read_proxy_header(raw + behind) == ProxyHeader(1, len(raw), *pair)
    assert read_proxy_header(raw[: data.draw(st.integers(0, len(raw) - 1))]) is None


@given(pairs, tlvs, st.binary(max_size=20), st.data())
def test_version_2(
    pair: tuple[SocketAddress, SocketAddress], more: tuple[tuple[int, bytes], ...], behind: bytes, data: st.DataObject
) -> None:
    raw = v2_header(*pair, more)
    assert read_proxy_header(raw + behind) == ProxyHeader(2, len(raw), *pair, more)
    assert read_proxy_header(raw[: data.draw(st.integers(0, len(raw) - 1))]) is None


def test_as_the_specification_writes_them() -> None:
    source, destination = SocketAddress("192.0.2.1", 56324), SocketAddress("192.0.2.2", 443)
    assert v1_header(source, destination) == b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"
    expected = SIGNATURE_V2 + b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\xdc\x04\x01\xbb"
    assert v2_header(source, destination) == expected


def test_addresses_that_cannot_be_told() -> None:
    socket, four, six = SocketAddress("/run/socket", 0), SocketAddress("192.0.2.1", 1), SocketAddress("2001:db8::1", 1)
    for pair in ((socket, four), (four, six), (six, four)):
        assert v1_header(*pair) == b"PROXY UNKNOWN\r\n"
        assert v2_header(*pair) == LOCAL_V2


@pytest.mark.parametrize(
    "raw",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n",
        LOCAL_V2,
        SIGNATURE_V2 + b"\x20\x11\x00\x0c" + bytes(12),
        SIGNATURE_V2 + b"\x21\x00\x00\x00",
        SIGNATURE_V2 + b"\x21\x31\x00\xd8" + bytes(216),
    ],
)
def test_headers_that_name_no_address(raw: bytes) -> None:
    found = read_proxy_header(raw + b"rest")
    assert found is not None
    assert (found.size, found.source, found.destination) == (len(raw), None, None)


@pytest.mark.parametrize(
    ("raw", "version"),
    [
        (b"GET / HTTP/1.1\r\n", 0),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", 1),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", 1),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 -1\r\n", 1),
        (b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", 1),
        (b"PROXY TCP6 2001:db8::1%eth0 2001:db8::2 1 2\r\n", 1),
        (b"PROXY TCP4 224.0.0.1 192.0.2.2 1 2\r\n", 1),
        (b"PROXY TCP4 0.0.0.0 192.0.2.2 1 2\r\n", 1),
        (b"PROXY TCP4 255.255.255.255 192.0.2.2 1 2\r\n", 1),
        (b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", 1),
        (b"PROXY \r\n", 1),
        (b"PROXY " + b"x" * 120, 1),
        (SIGNATURE_V2 + b"\x31\x11\x00\x0c" + bytes(12), 2),
        (SIGNATURE_V2 + b"\x22\x11\x00\x0c" + bytes(12), 2),
        (SIGNATURE_V2 + b"\x21\x11\x00\x0b" + bytes(11), 2),
        (SIGNATURE_V2 + b"\x21\x41\x00\x0c" + bytes(12), 2),
        (SIGNATURE_V2 + b"\x21\x13\x00\x0c" + bytes(12), 2),
        (v2_header(SocketAddress("192.0.2.1", 1), SocketAddress("192.0.2.2", 2), ((4, b"ab"),))[:14] + b"\x00\x10" + b"\x01" * 16, 2),
    ],
)
def test_what_is_refused(raw: bytes, version: int) -> None:
    with pytest.raises(ProxyProtocolError) as refused:
        read_proxy_header(raw)
    assert refused.value.version == version


@given(
    st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE_V2, SIGNATURE_V2 + b"\x21\x11", SIGNATURE_V2 + b"\x21")),
    st.binary(max_size=300),
)
def test_garbage_raises_nothing_else(begin: bytes, garbage: bytes) -> None:
    try:
        found = read_proxy_header(begin + garbage)
    except ProxyProtocolError:
        return
    assert found is None or found.size <= len(begin + garbage)
