"""Exchanges that make several tries: what is tried again, with what, when, and what is told and counted."""

from collections.abc import Callable
from typing import Any

import pytest
from twisted.python.failure import Failure

from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds
from shifter.model.retry import RateLimitedRetryBackOff, ResetHeaderFormat, RetryPolicy
from shifter.proxy.retrying import RetryingStream
from tests.support.proxies import ONE, TWO, Proxy, forward, get, local
from tests.support.retries import BAD, EMPTY, post, retrying, stats, turn
from tests.support.transports import FakeTransport

AGAIN = b"upstream connect error or disconnect/reset before headers. retried and the latest reset reason: "


def attempts(client: bytes) -> int:
    return int(client.partition(b"x-envoy-attempt-count: ")[2].partition(b"\r\n")[0])


def test_a_bad_answer_is_had_again() -> None:
    proxy = retrying()
    client = proxy.connect(get(b"/a", b"x-a: 1"))
    first = proxy.backend.take()
    proxy.backend.say(BAD)
    assert client.take() == b""
    turn(proxy)
    second = proxy.backend.take()
    assert second == first.replace(b"attempt-count: 1", b"attempt-count: 2")
    proxy.backend.say(EMPTY)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert attempts(answer) == 2
    proxy.settled(c200=1)
    assert proxy.lines[0].split()[3:6] == ["200", "-", "via_upstream"]
    assert stats(proxy) == {"retry": 1, "retry_backoff_exponential": 1, "retry_success": 1}
    counted = proxy.clusters["one"].state.stats
    assert counted.codes == {200: 1}
    assert counted.more == {"retry.upstream_rq_503": 1, "retry.upstream_rq_5xx": 1, "retry.upstream_rq_completed": 1}
    (pool,) = proxy.clusters["one"].pools
    assert (pool.endpoint_stats.rq_success, pool.endpoint_stats.rq_error) == (1, 1)
    assert counted.default.retries == 0


def test_the_last_bad_answer_is_the_clients() -> None:
    proxy = retrying(num_retries=2)
    client = proxy.connect(get(b"/"))
    for _ in range(3):
        proxy.backend.say(BAD)
        turn(proxy)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"\r\n\r\nbad")
    assert attempts(answer) == 3
    assert proxy.lines[0].split()[3:6] == ["503", "URX", "via_upstream"]
    assert stats(proxy) == {"retry": 2, "retry_backoff_exponential": 2, "retry_limit_exceeded": 1}
    assert proxy.clusters["one"].state.stats.default.retries == 0


def test_an_answer_that_has_not_ended_is_thrown_away_with_its_connection() -> None:
    proxy = retrying()
    client = proxy.connect(get(b"/"))
    proxy.backend.say(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\nbad")
    turn(proxy)
    assert proxy.backends[0].end == "reset"
    assert len(proxy.backends) == 2
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    proxy.settled(c200=1)


def test_answers_that_are_good_enough_are_not_had_again() -> None:
    proxy = retrying("retriable-4xx", "reset")
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    turn(proxy)
    assert client.take().startswith(b"HTTP/1.1 503 ")
    assert stats(proxy) == {}


def reset(backend: FakeTransport) -> None:
    backend.hang_up("reset")


def garbage(backend: FakeTransport) -> None:
    backend.say(b"blah\r\n\r\n")


@pytest.mark.parametrize(
    ("fail", "status", "reason", "flags"),
    [(reset, 503, b"connection termination", "URX,UC"), (garbage, 502, b"protocol error", "URX,UPE")],
)
def test_tries_without_an_answer(fail: Callable[[FakeTransport], None], status: int, reason: bytes, flags: str) -> None:
    proxy = retrying("reset")
    client = proxy.connect(get(b"/"))
    fail(proxy.backend)
    turn(proxy)
    assert client.take() == b""
    fail(proxy.backend)
    turn(proxy)
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.endswith(AGAIN + reason)
    assert proxy.lines[0].split()[4] == flags
    assert len(proxy.backends) == 2
    assert proxy.clusters["one"].state.stats.codes == {status: 1}


def test_nobody_to_connect_to() -> None:
    proxy = retrying("connect-failure", num_retries=3)
    proxy.network.answers = "refused"
    client = proxy.connect(get(b"/"))
    for _ in range(4):
        proxy.network.run()
        turn(proxy)
    assert client.take().endswith(AGAIN + b"remote connection failure")
    line = proxy.lines[0].split()
    assert (line[4], line[-1]) == ("URX,UF", "4")
    assert stats(proxy) == {"retry": 3, "retry_backoff_exponential": 3, "retry_limit_exceeded": 1}


def test_no_host_at_all_is_not_tried_again() -> None:
    proxy = retrying(cluster="empty")
    assert proxy.connect(get(b"/")).take().endswith(b"no healthy upstream")
    assert stats(proxy, "empty") == {}


def test_a_stale_connection_is_replaced_besides() -> None:
    proxy = retrying(num_retries=1)
    client = proxy.connect(get(b"/"))
    proxy.backend.say(EMPTY)
    client.take()
    client.say(get(b"/"))
    reset(proxy.backend)
    assert len(proxy.backends) == 2, "at once, and on a fresh connection"
    assert stats(proxy) == {}
    proxy.backend.say(BAD)
    turn(proxy)
    proxy.backend.hang_up("reset")
    assert len(proxy.backends) == 3, "each try may meet one"
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    assert stats(proxy) == {"retry": 1, "retry_backoff_exponential": 1, "retry_success": 1}
    proxy.settled(c200=2)


# waiting


def test_there_is_a_wait_before_the_next_try() -> None:
    proxy = retrying(back_off_base=0.1, num_retries=2)
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    proxy.backend.take()
    proxy.clock.advance(0.049)
    proxy.network.run()
    assert proxy.backend.take() == b""
    proxy.clock.advance(0.001)  # the proxy's random number is 50
    proxy.network.run()
    assert proxy.backend.take()
    proxy.backend.say(EMPTY)
    assert client.take()


def test_an_endpoint_says_how_long() -> None:
    limits = RateLimitedRetryBackOff(((b"retry-after", ResetHeaderFormat.SECONDS),))
    proxy = retrying(rate_limited=limits)
    proxy.connect(get(b"/"))
    proxy.backend.say(BAD.replace(b"content-length", b"retry-after: 2\r\ncontent-length"))
    proxy.backend.take()
    proxy.wait(1.95)
    assert proxy.backend.take() == b""
    proxy.wait(0.15)
    assert b"expected-rq-timeout-ms: 12" in proxy.backend.take()
    assert stats(proxy) == {"retry": 1, "retry_backoff_ratelimited": 1}


def test_a_client_that_leaves_while_it_waits() -> None:
    proxy = retrying(back_off_base=1.0)
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    client.hang_up()
    proxy.wait(1.5)
    proxy.settled(c0=1)
    assert proxy.clusters["one"].state.stats.default.retries == 0
    assert not proxy.clock.getDelayedCalls()


def test_the_routes_timeout_bounds_the_wait_too() -> None:
    limits = RateLimitedRetryBackOff(((b"retry-after", ResetHeaderFormat.SECONDS),))
    proxy = retrying(rate_limited=limits, action={"timeout": 1.0})
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD.replace(b"content-length", b"retry-after: 2\r\ncontent-length"))
    proxy.wait(1.1)
    assert client.take().startswith(b"HTTP/1.1 504 ")
    assert proxy.lines[0].split()[4:6] == ["UT", "response_timeout"]
    assert proxy.clusters["one"].state.stats.upstream_rq_timeout == 0, "nothing was under way"
    proxy.settled(c504=1)


# times


def test_a_try_that_takes_too_long() -> None:
    proxy = retrying(per_try_timeout=0.3)
    client = proxy.connect(get(b"/"))
    assert b"expected-rq-timeout-ms: 300\r\n" in proxy.backend.take()
    proxy.wait(0.35)
    assert proxy.backends[0].end == "reset"
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    assert stats(proxy) == {"per_try_timeout": 1, "retry": 1, "retry_backoff_exponential": 1, "retry_success": 1}
    (pool,) = proxy.clusters["one"].pools
    assert pool.endpoint_stats.rq_timeout == 1
    proxy.settled(c200=1)


@pytest.mark.parametrize(
    ("words", "flags", "details", "policy"),
    [
        (("5xx",), "URX,UT", "upstream_per_try_timeout", {"per_try_timeout": 0.2}),
        (("connect-failure",), "UT", "upstream_per_try_timeout", {"per_try_timeout": 0.2}),
        (("reset",), "URX,UT", "upstream_per_try_idle_timeout", {"per_try_idle_timeout": 0.2}),
        ((), "UT", "upstream_per_try_timeout", {"per_try_timeout": 0.2}),
    ],
)
def test_all_tries_take_too_long(words: tuple[str, ...], flags: str, details: str, policy: dict[str, float]) -> None:
    route = forward(b"/", "one", retry=RetryPolicy(frozenset(words), back_off_base=0.001, **policy))  # type: ignore[arg-type]
    proxy = Proxy((route,))
    client = proxy.connect(get(b"/"))
    proxy.wait(0.6)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout")
    assert proxy.lines[0].split()[4:6] == [flags, details]
    proxy.settled(c504=1)


def test_a_try_lasts_as_long_as_it_likes_once_it_answers() -> None:
    proxy = retrying(per_try_timeout=0.2)
    client = proxy.connect(get(b"/"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
    proxy.wait(1.0)
    proxy.backend.say(b"b")
    assert client.take().endswith(b"\r\n\r\nab")
    proxy.settled(c200=1)


def test_an_answer_that_stops_is_cut() -> None:
    proxy = retrying(per_try_idle_timeout=0.2)
    client = proxy.connect(get(b"/"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
    proxy.wait(0.3)
    assert client.end == "fin"
    assert proxy.lines[0].split()[4:6] == ["UT", "upstream_per_try_idle_timeout"]


def test_the_time_for_a_try_begins_with_the_whole_request() -> None:
    proxy = retrying(per_try_timeout=0.2)
    client = proxy.connect(get(b"/", b"content-length: 2", method=b"POST") + b"a")
    proxy.wait(0.5)
    client.say(b"b")
    proxy.wait(0.1)
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")


def test_a_time_for_tries_that_is_no_shorter_than_the_whole_does_not_count() -> None:
    proxy = retrying(per_try_timeout=0.3, action={"timeout": 0.3})
    client = proxy.connect(get(b"/"))
    proxy.wait(0.4)
    assert client.take().startswith(b"HTTP/1.1 504 ")
    assert proxy.lines[0].split()[4:6] == ["UT", "response_timeout"]


# bodies


def test_the_body_is_sent_again() -> None:
    proxy = retrying()
    client = proxy.connect(post(6) + b"ab")
    client.say(b"cd", b"ef")
    assert proxy.backend.take().endswith(b"\r\n\r\nabcdef")
    proxy.backend.say(BAD)
    turn(proxy)
    assert proxy.backend.take().endswith(b"\r\n\r\nabcdef")
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    proxy.settled(c200=1)


def test_what_comes_while_it_waits_and_afterwards_is_sent_too() -> None:
    proxy = retrying(back_off_base=0.1)
    client = proxy.connect(post(6) + b"ab")
    proxy.backend.say(BAD)
    client.say(b"cd")
    proxy.wait(0.1)
    assert proxy.backend.take().endswith(b"\r\n\r\nabcd")
    client.say(b"ef")
    assert proxy.backend.take() == b"ef"
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")


def test_trailers_are_sent_again() -> None:
    proxy = retrying()
    chunked = get(b"/", b"transfer-encoding: chunked", method=b"POST")
    proxy.connect(chunked + b"2\r\nab\r\n0\r\nx-t: 1\r\n\r\n")
    first = proxy.backend.take()
    proxy.backend.say(BAD)
    turn(proxy)
    assert proxy.backend.take() == first.replace(b"attempt-count: 1", b"attempt-count: 2")


def test_a_body_that_is_too_large_is_not_kept() -> None:
    proxy = retrying(action={"request_body_buffer_limit": 4})
    client = proxy.connect(post(6) + b"abcd")
    client.say(b"ef")
    proxy.backend.say(BAD)
    turn(proxy)
    assert client.take().startswith(b"HTTP/1.1 503 ")
    assert proxy.clusters["one"].state.stats.retry_or_shadow_abandoned == 1
    assert stats(proxy) == {}
    assert proxy.lines[0].split()[4] == "-"
    proxy.settled(c503=1)


def test_a_body_that_becomes_too_large_while_it_waits() -> None:
    proxy = retrying(action={"request_body_buffer_limit": 4}, back_off_base=1.0)
    client = proxy.connect(post(6) + b"abcd")
    proxy.backend.say(BAD)
    client.say(b"ef")
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 507 ")
    assert b"exceeded request buffer limit while retrying upstream" in answer
    assert proxy.lines[0].split()[4:6] == ["-", "request_payload_exceeded_retry_buffer_limit"]
    proxy.settled(c507=1)


def test_a_slow_backend_pauses_the_client_also_when_the_body_is_kept() -> None:
    proxy = retrying()
    client = proxy.connect(post(600_000) + b"a" * 100)
    proxy.backend.drain(0)
    client.say(b"b" * 100_000)
    assert client.paused
    proxy.backend.hang_up("reset")
    turn(proxy)
    assert not client.paused
    assert len(proxy.backend.take().partition(b"\r\n\r\n")[2]) == 100_100


def test_a_client_is_paused_while_nobody_takes_its_body() -> None:
    proxy = retrying(back_off_base=1.0)
    client = proxy.connect(post(600_000) + b"a" * 100)
    proxy.backend.say(BAD)
    client.say(b"b" * 100_000)
    assert client.paused
    proxy.wait(1.0)
    assert not client.paused


# limits


def test_the_circuit_breaker_for_retries() -> None:
    full = Cluster("one", endpoints=(LbEndpoint(ONE),), circuit_breakers=CircuitBreakers(Thresholds(max_retries=1)))
    proxy = retrying(clusters=(full,), back_off_base=1.0)
    clients = [proxy.connect(get(b"/")) for _ in range(2)]
    for backend in proxy.backends:
        backend.say(BAD)
    assert clients[0].take() == b""
    assert clients[1].take().startswith(b"HTTP/1.1 503 ")
    assert proxy.lines[0].split()[4:6] == ["UO", "via_upstream"]
    assert stats(proxy) == {"retry": 1, "retry_backoff_exponential": 1, "retry_overflow": 1}
    proxy.wait(1.0)
    assert proxy.clusters["one"].state.stats.default.retries == 1, "until the try has an answer"
    proxy.backend.say(EMPTY)
    assert proxy.clusters["one"].state.stats.default.retries == 0


# who is asked next

SEVERAL = Cluster("several", endpoints=(*map(LbEndpoint, TWO), LbEndpoint(ONE, metadata={"envoy.lb": {"canary": True, "v": 2}})))


@pytest.mark.parametrize("policy", [{"omit_canary_hosts": True}, {"omit_host_metadata": {"v": 2.0}}])
def test_hosts_that_retries_leave_out(policy: dict[str, Any]) -> None:
    proxy = retrying(cluster="several", clusters=(SEVERAL,), num_retries=8, host_selection_attempts=10, **policy)
    proxy.connect(get(b"/"))
    stream = next(iter(proxy.worker.streams))
    assert isinstance(stream, RetryingStream)
    assert stream.context is None, "a first try is not asked"
    proxy.backend.say(BAD)
    turn(proxy)
    context = stream.context
    assert context is not None
    assert context.host_selection_attempts == 10
    assert context.avoid is not None
    assert [pool.address for pool in proxy.clusters["several"].pools if context.avoid(pool)] == [ONE]


def test_hosts_that_were_tried_already() -> None:
    proxy = retrying(cluster="several", clusters=(SEVERAL,), previous_hosts=True, previous_priorities=1)
    proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    turn(proxy)
    stream = next(iter(proxy.worker.streams))
    assert isinstance(stream, RetryingStream)
    context = stream.context
    assert context is not None
    assert context.avoid is not None
    assert proxy.backends[0].peer in [pool.address for pool in proxy.clusters["several"].pools if context.avoid(pool)]
    assert context.priorities_tried == {0}


def test_retries_of_high_priority_have_limits_of_their_own() -> None:
    breakers = CircuitBreakers(Thresholds(max_retries=0), Thresholds(max_retries=1))
    both = Cluster("one", endpoints=(LbEndpoint(ONE),), circuit_breakers=breakers)
    proxy = retrying(clusters=(both,), action={"high_priority": True})
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    in_use = proxy.clusters["one"].state.stats
    assert (in_use.default.retries, in_use.high.retries) == (0, 1)
    turn(proxy)
    assert (in_use.default.requests, in_use.high.requests) == (0, 1)
    proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    assert (in_use.default.retries, in_use.high.retries) == (0, 0)
    proxy.settled(c200=1)


def test_a_fault_of_ours_between_tries_is_an_answer_too(monkeypatch: pytest.MonkeyPatch, logged_failures: list[Failure]) -> None:
    proxy = retrying()
    client = proxy.connect(get(b"/"))
    proxy.backend.say(BAD)
    monkeypatch.setattr(RetryingStream, "_pick", lambda self: 1 / 0)
    turn(proxy)
    assert client.take().startswith(b"HTTP/1.1 500 ")
    proxy.settled(c500=1)
    assert len(logged_failures) == 1
    logged_failures.clear()
