"""A slow try goes on while another is made; whose answer the client gets, and what becomes of the other."""

from typing import Any

import pytest

from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.retry import HedgePolicy, RetryPolicy
from shifter.proxy.hedge import HedgingStream
from tests.support.proxies import TWO, Proxy, forward, get, local
from tests.support.transports import FakeTransport

BOTH = Cluster("both", endpoints=tuple(map(LbEndpoint, TWO)))
EMPTY = b"HTTP/1.1 200 OK\r\nx-who: %d\r\ncontent-length: 0\r\n\r\n"
BAD = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad"


def hedging(retries: int = 1, **action: Any) -> tuple[Proxy, FakeTransport]:
    """A request whose first try is late, and a second one that is under way."""
    policy = RetryPolicy(frozenset(("5xx",)), retries, per_try_timeout=0.2, back_off_base=0.001, back_off_max=0.001)
    proxy = Proxy((forward(b"/", "both", retry=policy, hedge=HedgePolicy(True), **action),), (BOTH,))
    client = proxy.connect(get(b"/"))
    told = b"expected-rq-timeout-ms: %d\r\n" % (action.get("timeout", 15.0) * 1000)
    assert told in proxy.backend.take(), "a late try may go on"
    proxy.wait(0.25)
    turn(proxy)
    assert len(proxy.backends) == 2
    assert proxy.backends[0].open
    return proxy, client


def turn(proxy: Proxy) -> None:
    proxy.clock.advance(0)
    proxy.network.run()


@pytest.mark.parametrize("winner", [0, 1])
def test_the_first_good_answer_wins(winner: int) -> None:
    proxy, client = hedging()
    proxy.backends[winner].say(EMPTY % winner)
    assert b"\r\nx-who: %d\r\n" % winner in client.take()
    assert proxy.backends[1 - winner].end == "reset"
    line = proxy.lines[0].split()
    assert line[3:6] == ["200", "-", "via_upstream"]
    assert line[-3] == str(proxy.backends[winner].peer)
    counted = proxy.clusters["both"].state.stats
    assert (counted.upstream_rq_retry, counted.upstream_rq_per_try_timeout, counted.default.retries) == (1, 0, 0)
    proxy.settled(c200=1)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("fails", ["answers badly", "breaks"])
def test_a_bad_answer_waits_for_a_better_one(first: int, fails: str) -> None:
    proxy, client = hedging()
    if fails == "breaks":
        proxy.backends[first].hang_up("reset")
    else:
        proxy.backends[first].say(BAD)
    turn(proxy)
    assert client.take() == b""
    proxy.backends[1 - first].say(EMPTY % 9)
    assert b"\r\nx-who: 9\r\n" in client.take()
    proxy.settled(c200=1)


@pytest.mark.parametrize("last", [0, 1])
def test_the_last_bad_answer_is_the_clients(last: int) -> None:
    proxy, client = hedging()
    proxy.backends[1 - last].say(BAD)
    turn(proxy)
    proxy.backends[last].say(BAD)
    assert client.take().endswith(b"\r\n\r\nbad")
    assert proxy.lines[0].split()[3:6] == ["503", "URX", "via_upstream"]
    proxy.settled(c503=1)


@pytest.mark.parametrize("last", [0, 1])
def test_all_tries_break(last: int) -> None:
    proxy, client = hedging()
    proxy.backends[1 - last].hang_up("reset")
    turn(proxy)
    proxy.backends[last].hang_up("reset")
    turn(proxy)
    assert client.take().startswith(b"HTTP/1.1 503 ")
    proxy.settled(c503=1)


def test_a_late_try_may_answer_while_the_next_one_waits_to_begin() -> None:
    policy = RetryPolicy(frozenset(("5xx",)), per_try_timeout=0.2, back_off_base=1.0)
    proxy = Proxy((forward(b"/", "both", retry=policy, hedge=HedgePolicy(True)),), (BOTH,))
    client = proxy.connect(get(b"/"))
    proxy.wait(0.2)
    proxy.backend.say(EMPTY % 1)
    assert client.take()
    assert len(proxy.backends) == 1
    assert not proxy.clock.getDelayedCalls()
    proxy.settled(c200=1)


def test_the_next_try_is_told_all_the_time_that_is_left() -> None:
    proxy, client = hedging(timeout=5.0)
    told = proxy.backends[1].take().split(b"x-envoy-expected-rq-timeout-ms: ")[1]
    assert 4000 < int(told.split(b"\r\n")[0]) < 5000
    proxy.backends[1].say(EMPTY % 1)
    assert client.take()


def test_the_whole_time_ends_all_tries() -> None:
    proxy, client = hedging(timeout=0.6)
    proxy.wait(0.5)
    assert client.take() == local(b"504 Gateway Timeout", b"upstream request timeout")
    assert [backend.end for backend in proxy.backends] == ["reset", "reset"]
    assert proxy.clusters["both"].state.stats.upstream_rq_timeout == 2
    proxy.settled(c504=1)


def test_a_client_that_leaves_ends_all_tries() -> None:
    proxy, client = hedging()
    client.hang_up()
    assert [backend.end for backend in proxy.backends] == ["reset", "reset"]
    proxy.settled(c0=1)


def test_when_there_are_no_more_retries_a_late_try_just_goes_on() -> None:
    proxy, client = hedging(retries=1)
    proxy.wait(0.5)
    assert len(proxy.backends) == 2
    proxy.backends[1].say(EMPTY % 1)
    assert b"\r\nx-who: 1\r\n" in client.take()
    assert proxy.clusters["both"].state.stats.upstream_rq_retry_limit_exceeded == 1


def test_bodies_and_backpressure_are_the_present_trys() -> None:
    policy = RetryPolicy(frozenset(("5xx",)), per_try_timeout=0.2, back_off_base=0.001, back_off_max=0.001)
    proxy = Proxy((forward(b"/", "both", retry=policy, hedge=HedgePolicy(True)),), (BOTH,))
    client = proxy.connect(get(b"/", b"content-length: 4", method=b"POST") + b"ab")
    client.say(b"cd")
    proxy.wait(0.25)
    turn(proxy)
    assert proxy.backend.take().endswith(b"\r\n\r\nabcd")
    client.room = 0
    proxy.backends[0].say(b"HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n" + b"x" * 100_000)
    assert proxy.backends[0].paused
    client.drain()
    assert not proxy.backends[0].paused


def test_callers_may_ask_for_it() -> None:
    route = forward(b"/", "both", retry=RetryPolicy(frozenset(("5xx",)), per_try_timeout=0.2))
    proxy = Proxy((route,), (BOTH,), internal_addresses=("192.0.2.0/24",), use_remote_address=True)
    proxy.connect(get(b"/", b"x-envoy-hedge-on-per-try-timeout: true"))
    (stream,) = proxy.worker.streams
    assert isinstance(stream, HedgingStream)
