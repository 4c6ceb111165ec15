"""What operators compute: unknown is None, and nothing raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe import operands
from shifter.observe.logentry import LogEntry


def an_entry(**attributes: object) -> LogEntry:
    entry = LogEntry(0.0, b"GET", b"/p", b"h")
    for name, value in attributes.items():
        setattr(entry, name, value)
    return entry


@pytest.mark.parametrize(
    ("address", "host", "number"),
    [(b"192.0.2.1:80", b"192.0.2.1", 80), (b"[::1]:8080", b"::1", 8080), (b"", None, None), (None, None, None), (b"odd", b"", None)],
)
def test_hosts_and_ports(address: bytes | None, host: bytes | None, number: int | None) -> None:
    assert operands.without_port(address) == host
    assert operands.port(address) == number


@pytest.mark.parametrize(
    ("address", "bits", "network"),
    [
        (b"10.1.10.23:80", 16, b"10.1.0.0/16"),
        (b"10.1.10.23:80", 0, b"0.0.0.0/0"),
        (b"10.1.10.23:80", 99, b"10.1.10.23/32"),
        (b"[2001:db8:1234:5678:9abc::1]:80", 64, b"2001:db8:1234:5678::/64"),
        (b"", 8, None),
        (b"nobody:1", 8, None),
    ],
)
def test_networks(address: bytes, bits: int, network: bytes | None) -> None:
    assert operands.masked(address, bits) == network


def test_long_flags() -> None:
    assert operands.long_flags(b"UF,URX") == b"UpstreamConnectionFailure,UpstreamRetryLimitExceeded"
    assert operands.long_flags(b"??") == b"??"


def test_sizes_count_names_and_values() -> None:
    assert operands.block_bytes(b"\r\na: 1\r\nbc: 23") == 6
    assert operands.request_bytes(an_entry(request_block=b"\r\na: 1")) == 2 + len(b":methodGET:path/p:authorityh:schemehttp")
    assert operands.response_bytes(an_entry(status=200, response_block=b"\r\na: 1")) == 2 + len(b":status200")
    assert operands.response_bytes(an_entry()) == 0


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (b"/p?a=1&a=2", b"a", b"1"),
        (b"/p?a=%20x%0d%0a", b"a", b" x\r\n"),
        (b"/p?%61=x", b"a", b"x"),
        (b"/p?a", b"a", b""),
        (b"/p?b=1", b"a", None),
        (b"/p", b"a", None),
    ],
)
def test_query_parameters(path: bytes, name: bytes, value: bytes | None) -> None:
    assert operands.query_parameter(path, name) == value


def test_queries() -> None:
    assert operands.query(b"/p?a=%41", False) == b"a=%41"
    assert operands.query(b"/p?a=%41", True) == b"a=A"
    assert operands.query(b"/p?", False) == b""
    assert operands.query(b"/p", False) is None
    assert operands.without_query(b"/p?a") == b"/p"
    assert operands.without_query(None) is None


GRPC = b"\r\ncontent-type: application/grpc"


@pytest.mark.parametrize(
    ("attributes", "number", "camel", "snake"),
    [
        ({"request_block": GRPC, "trailers": b"\r\ngrpc-status: 3", "status": 200}, 3, b"InvalidArgument", b"INVALID_ARGUMENT"),
        ({"request_block": GRPC, "response_block": b"\r\ngrpc-status: 0", "status": 200}, 0, b"OK", b"OK"),
        ({"request_block": GRPC + b"+proto", "response_block": b"\r\ngrpc-status: 1"}, 1, b"Canceled", b"CANCELLED"),
        ({"request_block": GRPC, "status": 503}, 14, b"Unavailable", b"UNAVAILABLE"),
        ({"request_block": GRPC, "status": 200}, 2, b"Unknown", b"UNKNOWN"),
        ({"request_block": GRPC, "status": 418}, 2, b"Unknown", b"UNKNOWN"),
        ({"request_block": GRPC, "trailers": b"\r\ngrpc-status: 99"}, 99, b"99", b"99"),
        ({"request_block": GRPC, "trailers": b"\r\ngrpc-status: x"}, None, None, None),
        ({"request_block": GRPC}, None, None, None),
        ({"trailers": b"\r\ngrpc-status: 3", "status": 200}, None, None, None),
    ],
)
def test_grpc_status(attributes: dict[str, object], number: int | None, camel: bytes | None, snake: bytes | None) -> None:
    entry = an_entry(**attributes)
    assert (operands.grpc_number(entry), operands.grpc_name(entry, True), operands.grpc_name(entry, False)) == (number, camel, snake)


METADATA = {"own": {"text": "value", "number": 12, "truth": True, "inner": {"z": 1, "a": [1, "two"]}, "none": None}}


@pytest.mark.parametrize(
    ("path", "length", "found"),
    [
        (("own", "text"), None, b"value"),
        (("own", "text"), 2, b"va"),
        (("own", "number"), 1, b"12"),
        (("own", "truth"), None, b"true"),
        (("own", "inner"), None, b'{"a":[1,"two"],"z":1}'),
        (("own", "inner", "z"), None, b"1"),
        (("own", "none"), None, None),
        (("own", "text", "deeper"), None, None),
        (("other",), None, None),
    ],
)
def test_metadata(path: tuple[str, ...], length: int | None, found: bytes | None) -> None:
    assert operands.text(operands.data_at(METADATA, path, length)) == found
    assert operands.data_at(None, path, length) is None


def test_values_as_text() -> None:
    assert [operands.text(value) for value in (b"b", "ü", 3.0, 1.5, False)] == [b"b", "ü".encode(), b"3", b"1.5", b"false"]
    assert operands.text("abc", 2) == b"ab"


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_data_has_a_text(data: object) -> None:
    told = operands.text(data)
    if isinstance(data, (dict, list)):
        assert told is not None
        assert json.loads(told) == data


def test_the_first_that_is_known() -> None:
    entry = an_entry()
    assert operands.first(entry, (lambda e: None, lambda e: b"", lambda e: b"x")) == b""
    assert operands.first(entry, (lambda e: None,)) is None


def test_ids_differ() -> None:
    assert operands.unique_id() != operands.unique_id()
