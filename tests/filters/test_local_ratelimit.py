"""Token buckets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from shifter.filters.api import Reply
from shifter.filters.local_ratelimit import Bucket, LocalRateLimitFactory
from shifter.model.http_filter import LocalRateLimit, TokenBucket
from shifter.model.route import FractionalPercent, HeaderValueOption, RuntimeFraction
from shifter.wire.events import ResponseHead
from tests.support.filters import Bench, FakeStream, request

ALWAYS = RuntimeFraction(FractionalPercent(100))
ONE = TokenBucket(1, 60.0)


def test_a_bucket_is_filled_evenly_and_never_above_its_rim() -> None:
    clock = Clock()
    bucket = Bucket(TokenBucket(3, 10.0, 2), clock.seconds)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert bucket.next_token() == 5
    clock.advance(4)
    assert not bucket.take()
    assert (bucket.tokens, bucket.next_token()) == (0, pytest.approx(1))
    clock.advance(1)
    assert [bucket.take() for _ in range(2)] == [True, False]
    clock.advance(1000)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert Bucket(TokenBucket(3, 10.0), clock.seconds).next_token() == 0


@given(st.integers(1, 20), st.integers(1, 10), st.lists(st.floats(0, 5), max_size=50))
def test_no_more_is_granted_than_was_ever_in(limit: int, fill: int, pauses: list[float]) -> None:
    clock = Clock()
    bucket = Bucket(TokenBucket(limit, 1.0, fill), clock.seconds)
    granted = 0
    for pause in pauses:
        clock.advance(pause)
        granted += bucket.take()
    assert granted <= limit + fill * clock.seconds() + 1e-6


def test_who_gets_no_token_is_answered() -> None:
    bench = Bench()
    config = LocalRateLimit(
        "limit", ONE, ALWAYS, ALWAYS, x_ratelimit_headers=True, response_headers_to_add=(HeaderValueOption(b"x-path", b"%REQ(:PATH)%"),)
    )
    factory = LocalRateLimitFactory(config, bench.context)
    head = request(b"/a")
    first = factory.filter_for(FakeStream(head), None)
    assert first is not None and first.on_request_head(head, True) is None
    answer = ResponseHead(200)
    first.on_response_head(answer, True)
    assert answer.block == b"\r\nx-ratelimit-limit: 1\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 60"
    second = factory.filter_for(FakeStream(head), None)
    assert second is not None
    reply = second.on_request_head(head, True)
    assert reply == Reply(429, b"local_rate_limited", b"\r\nx-path: /a", b"RL", "local_rate_limited")
    assert bench.counters == {
        "limit.http_local_rate_limit.enabled": 2,
        "limit.http_local_rate_limit.ok": 1,
        "limit.http_local_rate_limit.rate_limited": 1,
        "limit.http_local_rate_limit.enforced": 1,
    }


def test_a_limit_that_is_not_enforced_marks_the_request() -> None:
    config = LocalRateLimit("limit", ONE, ALWAYS, request_headers_to_add_when_not_enforced=(HeaderValueOption(b"x-would", b"limit"),))
    factory = LocalRateLimitFactory(config, Bench().context)
    for block in (b"", b"\r\nx-would: limit"):
        head = request()
        limited = factory.filter_for(FakeStream(head), None)
        assert limited is not None and limited.on_request_head(head, True) is None
        assert head.block == block


def test_shares_come_from_runtime_and_a_route_has_its_own_bucket() -> None:
    bench = Bench(enabled=50)
    config = LocalRateLimit("limit", ONE, RuntimeFraction(FractionalPercent(0), "enabled"), ALWAYS)
    factory = LocalRateLimitFactory(LocalRateLimit("nothing"), bench.context)
    assert factory.filter_for(FakeStream(request()), None) is None
    route = factory.compile_override(config)
    answers = []
    for dice in (0, 0, 50, 49):
        bench.dice = dice
        limited = factory.filter_for(FakeStream(request()), route)
        assert limited is not None
        answers.append(limited.on_request_head(request(), True))
    assert [isinstance(answer, Reply) for answer in answers] == [False, True, False, True]
