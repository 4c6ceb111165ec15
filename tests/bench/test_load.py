"""What wrk and h2load print becomes figures; what they fail with becomes an error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load import parse_h2load, parse_wrk, percentile, seconds_of
from bench.process import BenchError

WRK = """Running 2s test @ http://127.0.0.1:22000/service/1
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.02ms    1.44ms  25.99ms   96.48%
    Req/Sec    16.57k     2.58k   18.39k    90.48%
  Latency Distribution
     50%    1.81ms
     75%    2.03ms
     90%    2.39ms
     99%    2.98ms
  34608 requests in 2.10s, 10.43MB read
Requests/sec:  16481.79
Transfer/sec:      4.97MB
"""

H2LOAD = """starting benchmark...
Application protocol: h2c

finished in 1.02s, 17233.00 req/s, 2.93MB/s
requests: 5 total, 5 started, 5 done, 4 succeeded, 1 failed, 0 errored, 2 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 1 5xx
"""


def test_wrk_without_errors() -> None:
    result = parse_wrk(WRK)
    assert (result.requests, result.errors, result.seconds) == (34608, 0, 2.1)
    assert result.p50 == pytest.approx(1.81e-3)
    assert result.p99 == pytest.approx(2.98e-3)


def test_wrk_errors_are_not_requests() -> None:
    troubled = WRK + "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 608\n"
    result = parse_wrk(troubled)
    assert (result.requests, result.errors) == (34000, 4321 + 608)


def test_wrk_that_could_not_connect() -> None:
    with pytest.raises(BenchError, match="unable to connect"):
        parse_wrk("unable to connect to 127.0.0.1:1 Connection refused")


def test_h2load_percentiles_are_of_the_good_answers() -> None:
    log = ["1000\t200\t400", "1001\t200\t100", "1002\t200\t300", "1003\t503\t9", "1004\t200\t200"]
    result = parse_h2load(H2LOAD, log)
    assert (result.requests, result.errors, result.seconds) == (4, 3, 1.02)
    assert result.p50 == pytest.approx(300e-6)
    assert result.p99 == pytest.approx(400e-6)


def test_h2load_without_one_good_answer() -> None:
    assert parse_h2load(H2LOAD, ["1\t500\t7"]).requests == 0


def test_h2load_that_failed() -> None:
    with pytest.raises(BenchError, match="Unrecognized option"):
        parse_h2load("h2load: Unrecognized option", [])


@pytest.mark.parametrize(("text", "seconds"), [("17us", 17e-6), ("1.26ms", 1.26e-3), ("2.10s", 2.1), ("1.5m", 90.0), ("1h", 3600.0)])
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "3", "ms", "1 s", "2days"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BenchError, match="not a duration"):
        seconds_of(text)


@given(st.lists(st.floats(0, 1e3), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    values.sort()
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= math.floor(len(values) * share)


def test_a_percentile_of_nothing() -> None:
    assert percentile([], 0.99) == 0.0
