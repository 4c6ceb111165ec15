"""How long an exchange may take, and what gRPC clients may say of that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import MaxStreamDuration
from shifter.proxy.max_stream_duration import compile_duration, grpc_timeout, parse_grpc_timeout, tell_endpoint
from shifter.wire.events import RequestHead


def asked(value: bytes | None) -> RequestHead:
    return RequestHead(b"POST", b"/", b"a", b"" if value is None else b"\r\ngrpc-timeout: " + value)


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (b"100m", 100), (b"2S", 2000), (b"1M", 60_000), (b"2H", 7_200_000), (b"1000u", 1), (b"1001u", 2), (b"1n", 1), (b"0m", 0),
        (b"99999999m", 99_999_999), (b"100000000m", None), (b"00000000001m", 1), (b"", None), (b"m", None), (b"1", None), (b"1x", None),
        (b"-1m", None), (b"1 m", None), (b" 1m", None), (b"1.5S", None), (b"9" * 5000 + b"m", None),
    ],
)  # fmt: skip
def test_grpc_timeouts(value: bytes, milliseconds: int | None) -> None:
    assert parse_grpc_timeout(value) == milliseconds


@given(st.integers(0, 10**15))
def test_what_is_told_is_never_longer_than_what_there_is(milliseconds: int) -> None:
    told = parse_grpc_timeout(grpc_timeout(milliseconds))
    assert told is not None
    assert told <= milliseconds
    assert told == milliseconds or milliseconds > 99_999_999


@pytest.mark.parametrize(
    ("route", "manager", "value", "seconds"),
    [
        (None, 4.0, b"1S", 4.0),
        (MaxStreamDuration(2.0), 4.0, b"1S", 2.0),
        (MaxStreamDuration(0.0, 5.0), 4.0, None, None),
        (MaxStreamDuration(None, 5.0), 4.0, None, 4.0),
        (MaxStreamDuration(2.0, 5.0), 0.0, None, 2.0),
        (MaxStreamDuration(2.0, 5.0), 0.0, b"bad", 2.0),
        (MaxStreamDuration(2.0, 5.0), 0.0, b"9S", 5.0),
        (MaxStreamDuration(2.0, 5.0), 0.0, b"3S", 3.0),
        (MaxStreamDuration(2.0, 0.0), 0.0, b"9S", 9.0),
        (MaxStreamDuration(2.0, 0.0, 1.0), 0.0, b"9S", 8.0),
        (MaxStreamDuration(2.0, 0.0, 1.0), 0.0, b"500m", 0.0),
    ],
)
def test_limits(route: MaxStreamDuration | None, manager: float, value: bytes | None, seconds: float | None) -> None:
    limit = compile_duration(route, manager)
    assert limit is not None
    assert limit(asked(value)) == seconds


def test_no_limit_is_no_function() -> None:
    assert compile_duration(None, 0.0) is None
    assert compile_duration(MaxStreamDuration(0.0), 4.0) is None


def test_the_endpoint_is_told() -> None:
    head = asked(b"9S")
    tell_endpoint(head, 0.25)
    assert head.block == b"\r\ngrpc-timeout: 250m"
