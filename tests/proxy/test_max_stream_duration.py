"""How long an exchange may take, and what gRPC clients may say of that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.retry import RetryPolicy
from shifter.model.route import MaxStreamDuration, RouteAction, WeightedCluster
from shifter.proxy.max_stream_duration import compile_duration, compile_grpc_timeout, grpc_timeout, parse_grpc_timeout, tell_endpoint
from shifter.wire.events import RequestHead, values
from tests.support.proxies import Proxy, forward, get


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


@pytest.mark.parametrize(
    ("most", "offset", "value", "seconds"),
    [
        (0.0, 0.0, b"2S", 2.0),
        (0.0, 0.0, None, 0.0),
        (0.0, 0.0, b"bad", 0.0),
        (1.0, 0.0, b"2S", 1.0),
        (1.0, 0.0, b"500m", 0.5),
        (1.0, 0.0, None, 1.0),
        (1.0, 0.0, b"bad", 1.0),
        (0.0, 0.5, b"2S", 1.5),
        (0.0, 2.0, b"2S", 2.0),
        (1.0, 0.5, b"1200m", 0.7),
    ],
)
def test_the_older_limit(most: float, offset: float, value: bytes | None, seconds: float) -> None:
    timeout = compile_grpc_timeout(RouteAction((WeightedCluster("one", 1),), max_grpc_timeout=most, grpc_timeout_offset=offset))
    assert timeout is not None
    assert timeout(asked(value)) == pytest.approx(seconds)


def test_the_older_limit_means_nothing_without_itself_and_beside_the_newer_one() -> None:
    clusters = (WeightedCluster("one", 1),)
    assert compile_grpc_timeout(RouteAction(clusters, grpc_timeout_offset=1.0)) is None
    assert compile_grpc_timeout(RouteAction(clusters, max_grpc_timeout=1.0, max_stream_duration=MaxStreamDuration())) is None


GRPC = b"content-type: application/grpc"
EXPECTED = b"x-envoy-expected-rq-timeout-ms"


@pytest.mark.parametrize(
    ("fields", "retry", "expected", "told"),
    [
        ((GRPC, b"grpc-timeout: 9S"), None, b"2000", [b"2000m"]),
        ((GRPC, b"grpc-timeout: 100m"), None, b"100", [b"100m"]),
        ((GRPC, b"grpc-timeout: 100m"), RetryPolicy(("unavailable",), per_try_timeout=0.05), b"50", [b"50m"]),
        ((GRPC,), None, b"2000", [b"2000m"]),
        ((b"grpc-timeout: 100m",), None, b"15000", [b"100m"]),
    ],
)
def test_what_an_endpoint_is_told_of_it(fields: tuple[bytes, ...], retry: RetryPolicy | None, expected: bytes, told: list[bytes]) -> None:
    proxy = Proxy((forward(b"/", "one", max_grpc_timeout=2.0, retry=retry),))
    proxy.connect(get(b"/", *fields))
    sent = proxy.backend.take().partition(b"\r\n\r\n")[0]
    assert values(sent, EXPECTED) == [expected]
    assert values(sent, b"grpc-timeout") == told


def test_a_call_ends_when_its_time_is_over() -> None:
    proxy = Proxy((forward(b"/", "one", max_grpc_timeout=0.0),))
    client = proxy.connect(get(b"/", GRPC, b"grpc-timeout: 200m"))
    proxy.wait(0.1)
    assert client.take() == b""
    proxy.wait(0.2)
    assert b"\r\ngrpc-status: 14\r\ngrpc-message: upstream request timeout\r\n" in client.take()
