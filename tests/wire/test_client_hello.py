"""What a TLS client asks for is found however its bytes are cut; what is no TLS is known by its first bytes."""

import ssl
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.wire.client_hello import LONGEST, ClientHello, ClientHelloError, ClientHelloTooLarge, NotTls, missing, read_client_hello


def hello(name: str | None = "www.example.com", alpn: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """The first bytes of a real client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


RAW = hello()
BODY = RAW[5:]
SAID = ClientHello("www.example.com", (b"h2", b"http/1.1"), (0x0304, 0x0303))


def record(part: bytes) -> bytes:
    return b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part


def test_a_real_client() -> None:
    assert read_client_hello(RAW) == SAID
    assert read_client_hello(RAW + b"more") == SAID


def test_names_are_lower_case() -> None:
    found = read_client_hello(hello("WWW.Example.COM"))
    assert found is not None and found.server_name == "www.example.com"


def test_a_client_that_names_nothing() -> None:
    found = read_client_hello(hello(None, ()))
    assert found is not None
    assert (found.server_name, found.alpn) == ("", ())


@given(st.integers(0, len(RAW) - 1))
def test_more_is_waited_for_wherever_it_is_cut(at: int) -> None:
    assert read_client_hello(RAW[:at]) is None


@given(st.lists(st.integers(1, len(BODY) - 1), max_size=5, unique=True), st.integers(0, len(BODY)))
def test_it_may_lie_in_several_records(places: list[int], cut: int) -> None:
    at = sorted(places)
    raw = b"".join(record(BODY[start:end]) for start, end in zip([0, *at], [*at, len(BODY)], strict=True))
    assert read_client_hello(raw) == SAID
    assert read_client_hello(raw[: -1 - cut]) is None


@pytest.mark.parametrize(
    "raw", [b"G", b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0", b"\x16\x02", b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\x00\x05\x02"]
)
def test_what_is_not_tls(raw: bytes) -> None:
    with pytest.raises(NotTls):
        read_client_hello(raw)


def test_it_is_not_waited_for_without_end() -> None:
    with pytest.raises(ClientHelloTooLarge):
        read_client_hello(b"\x16\x03\x01\x40\x00\x01\x00\x40\x01")
    drops = b"".join(record(bytes((byte,))) for byte in b"\x01\x00\x30\x00" + bytes(3000))
    with pytest.raises(ClientHelloTooLarge):
        read_client_hello(drops)
    assert len(drops) > LONGEST
    assert read_client_hello(RAW, len(RAW)) == SAID
    with pytest.raises(ClientHelloTooLarge):
        read_client_hello(RAW, 30)


@given(st.lists(st.integers(1, len(BODY) - 1), max_size=50, unique=True), st.data())
def test_who_waits_for_what_is_missing_misses_nothing(places: list[int], data: st.DataObject) -> None:
    edges = [0, *sorted(places), len(BODY)]
    raw = b"".join(record(BODY[a:b]) for a, b in pairwise(edges))
    at = data.draw(st.integers(0, len(raw) - 1))
    more = missing(raw[:at])
    assert 1 <= more <= len(raw) - at
    assert read_client_hello(raw[: at + more - 1]) is None


def test_looking_again_is_rare_however_small_the_records() -> None:
    raw = b"".join(record(BODY[at : at + 1]) for at in range(len(BODY)))
    looks = at = 0
    while read_client_hello(raw[:at]) is None:
        at += missing(raw[:at])
        looks += 1
    assert at == len(raw)
    assert looks < 60


@given(st.binary(max_size=200), st.integers(0, len(RAW)))
def test_garbage_raises_nothing_else(garbage: bytes, at: int) -> None:
    for raw in (garbage, RAW[:at] + garbage, RAW[:at] + garbage + RAW[at + len(garbage) :]):
        try:
            found = read_client_hello(raw)
        except ClientHelloError:
            continue
        assert found is None or isinstance(found, ClientHello)
