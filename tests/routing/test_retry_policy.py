"""Which answers and failures a policy would have again, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.retry import RateLimitedRetryBackOff, ResetHeaderFormat, RetryPolicy
from shifter.model.route import HeaderMatcher, RangeMatcher, StringMatcher, StringMatchKind
from shifter.routing.caller_wishes import Wishes
from shifter.routing.retry_policy import Reset, RetryRules, RetryState
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead

HEAD = RequestHead(b"GET", b"/", b"a", b"\r\nx-a: 1")
NOTHING = Runtime()


def state(*words: str, runtime: Runtime = NOTHING, wishes: Wishes | None = None, **policy: object) -> RetryState | None:
    return RetryRules(RetryPolicy(frozenset(words), **policy), runtime).for_request(HEAD, wishes)  # type: ignore[arg-type]


def of(*words: str, **policy: object) -> RetryState:
    found = state(*words, **policy)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("word", "statuses"),
    [
        ("5xx", {500, 501, 502, 503, 504, 599}),
        ("gateway-error", {502, 503, 504}),
        ("retriable-4xx", {409}),
        ("retriable-status-codes", {418}),
        ("reset", set()),
        ("connect-failure", set()),
        ("refused-stream", set()),
        ("http3-post-connect-failure", set()),
    ],
)
def test_answers_by_status(word: str, statuses: set[int]) -> None:
    retries = of(word, retriable_status_codes=frozenset((418,)))
    seen = {status for status in (200, 404, 409, 418, 429, *range(500, 505), 599) if retries.asks_for_answer(status, b"")}
    assert seen == statuses


@pytest.mark.parametrize(
    ("word", "number"), [("cancelled", 1), ("deadline-exceeded", 4), ("resource-exhausted", 8), ("internal", 13), ("unavailable", 14)]
)
def test_answers_by_grpc_status(word: str, number: int) -> None:
    retries = of(word)
    assert {said for said in range(17) if retries.asks_for_answer(200, b"\r\ngrpc-status: %d" % said)} == {number}
    assert not retries.asks_for_answer(200, b"\r\ngrpc-status: ")
    assert not retries.asks_for_answer(503, b"")


def test_rate_limited_answers_are_for_those_who_say_so() -> None:
    limited = b"\r\nx-envoy-ratelimited: true"
    assert not of("5xx").asks_for_answer(503, limited)
    assert of("envoy-ratelimited").asks_for_answer(429, limited)
    assert not of("envoy-ratelimited").asks_for_answer(429, b"")


def test_answers_by_their_fields() -> None:
    again = HeaderMatcher(b"X-Again", StringMatcher(StringMatchKind.EXACT, b"yes"))
    teapot = HeaderMatcher(b":status", range=RangeMatcher(418, 420))
    retries = of("retriable-headers", retriable_headers=(again, teapot))
    assert retries.asks_for_answer(200, b"\r\nx-again: yes")
    assert not retries.asks_for_answer(200, b"\r\nx-again: no")
    assert retries.asks_for_answer(419, b"")
    assert not retries.asks_for_answer(420, b"")
    assert not of("5xx", retriable_headers=(again,)).asks_for_answer(200, b"\r\nx-again: yes")


@pytest.mark.parametrize(
    ("word", "resets", "unsent"),
    [
        ("5xx", {Reset.CONNECTION_FAILURE, Reset.REFUSED_STREAM, Reset.OTHER}, True),
        ("gateway-error", {Reset.CONNECTION_FAILURE, Reset.REFUSED_STREAM, Reset.OTHER}, True),
        ("reset", {Reset.CONNECTION_FAILURE, Reset.REFUSED_STREAM, Reset.OTHER}, True),
        ("reset-before-request", set(), True),
        ("connect-failure", {Reset.CONNECTION_FAILURE}, False),
        ("refused-stream", {Reset.REFUSED_STREAM}, False),
        ("retriable-status-codes", set(), False),
        ("unavailable", set(), False),
    ],
)
def test_failures(word: str, resets: set[Reset], unsent: bool) -> None:
    retries = of(word)
    assert {reset for reset in Reset if retries.asks_for_reset(reset, False)} == resets
    assert retries.asks_for_reset(Reset.OTHER, True) is unsent
    assert not retries.asks_for_reset(Reset.OVERFLOW, True)


def test_who_has_no_reason_to_retry() -> None:
    assert state() is None
    assert state("5xx", retriable_request_headers=(HeaderMatcher(b"x-b"),)) is None
    assert state("5xx", retriable_request_headers=(HeaderMatcher(b"x-b"), HeaderMatcher(b"x-a"))) is not None
    assert state("5xx", runtime=Runtime((RuntimeLayer("a", {"upstream.use_retry": 0}),))) is None


def test_internal_callers_add_to_the_policy() -> None:
    wishes = Wishes(
        b"\r\nx-envoy-retry-on: retriable-status-codes, retriable-headers ,what\r\nx-envoy-retry-grpc-on: internal"
        b"\r\nx-envoy-max-retries: 7\r\nx-envoy-retriable-status-codes: 418,x, 404\r\nx-envoy-retriable-header-names: X-One, x-two,"
    )
    retries = state("gateway-error", wishes=wishes, num_retries=2)
    assert retries is not None
    assert retries.remaining == 7
    assert {status for status in (200, 404, 418, 500, 502) if retries.asks_for_answer(status, b"")} == {404, 418, 502}
    assert retries.asks_for_answer(200, b"\r\nx-two: 2")
    assert retries.asks_for_answer(200, b"\r\ngrpc-status: 13")
    alone = state(wishes=wishes)
    assert alone is not None
    assert not alone.asks_for_answer(502, b"")


@given(st.integers(0, 2**63), st.integers(1, 12))
def test_waits_are_random_and_double(number: int, times: int) -> None:
    retries = of("5xx", back_off_base=0.01, back_off_max=0.1)
    waits = [retries.wait(lambda: number) for _ in range(times)]
    for count, wait in enumerate(waits):
        most = min(10 * 2**count, 100)
        assert wait == number % most / 1000


def test_the_longest_wait_is_ten_times_the_first_by_default() -> None:
    retries = of("5xx")
    assert [round(retries.wait(lambda: 2**40 - 1) * 1000) for _ in range(6)] == [
        (2**40 - 1) % most for most in (25, 50, 100, 200, 250, 250)
    ]
    quick = of("5xx", runtime=Runtime((RuntimeLayer("a", {"upstream.base_retry_backoff_ms": 2}),)))
    assert quick.wait(lambda: 3) == 0.001


def test_waiting_as_long_as_the_endpoint_says() -> None:
    limits = RateLimitedRetryBackOff(((b"retry-after", ResetHeaderFormat.SECONDS), (b"x-reset", ResetHeaderFormat.UNIX_TIMESTAMP)), 60.0)
    retries = of("5xx", rate_limited=limits)
    assert retries.wait_as_told(b"\r\nretry-after: 2", 1000.0, lambda: 0) == 2.0
    assert retries.wait_as_told(b"\r\nretry-after: 2", 1000.0, lambda: 999) == 2.999
    assert retries.wait_as_told(b"\r\nx-reset: 1010", 1000.5, lambda: 0) == 10.0
    assert retries.wait_as_told(b"\r\nretry-after: 61\r\nx-reset: 1010", 1000.0, lambda: 0) == 10.0
    for said in (b"", b"\r\nretry-after: soon", b"\r\nretry-after: 0", b"\r\nx-reset: 999", b"\r\nx-reset: 1061"):
        assert retries.wait_as_told(said, 1000.0, lambda: 0) is None
    assert of("5xx").wait_as_told(b"\r\nretry-after: 2", 1000.0, lambda: 0) is None
