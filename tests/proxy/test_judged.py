"""What is told of the requests of a release's versions: the outcome of each one's first try, once."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.filters.api import Reply
from shifter.model.release import ERROR_KINDS, MILLION
from shifter.model.retry import HedgePolicy, RetryPolicy
from shifter.model.route import InternalRedirectPolicy, Route, UpgradeConfig
from shifter.proxy.judged import JudgedFullStream, JudgedHedgingStream, JudgedRetryingStream, JudgedStream, Version
from shifter.routing.release_split import ReleaseSplit
from tests.support.held import BAD, EMPTY, Held, held_route, hold
from tests.support.proxies import REQUEST_ID, get

RETRIES = RetryPolicy(frozenset(("5xx",)), 2, per_try_timeout=0.2, back_off_base=0.001, back_off_max=0.001)
EVERYTHING = hold(errors=frozenset(ERROR_KINDS))
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "full": {"internal_redirect": InternalRedirectPolicy()},
    "retrying": {"retry": RETRIES},
    "hedging": {"retry": RETRIES, "hedge": HedgePolicy(True)},
}
WEBSOCKET = (b"connection: upgrade", b"upgrade: websocket")
FAILED = (True, True, 0)
"""The canary's, a failure, and no answer."""


def made(kind: str = "plain", **action: Any) -> Held:
    return Held(held_route(EVERYTHING, **{"timeout": 0.5, **KINDS[kind], **action}))


def begun(held: Held, *lines: bytes) -> Any:
    client = held.proxy.connect(get(b"/a?b", *lines))
    assert len(held.watched.trials) == 1
    return client


every = pytest.mark.parametrize("kind", KINDS)


@every
def test_each_kind_of_exchange_is_judged(kind: str) -> None:
    held = made(kind)
    begun(held)
    (stream,) = held.proxy.worker.streams
    wanted = {"plain": JudgedStream, "full": JudgedFullStream, "retrying": JudgedRetryingStream, "hedging": JudgedHedgingStream}
    assert type(stream) is wanted[kind]
    assert not hasattr(stream, "__dict__")


@every
def test_an_answer_counts_when_it_is_whole(kind: str) -> None:
    held = made(kind)
    begun(held)
    held.proxy.backend.say(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\na")
    assert held.watched.told == []
    held.proxy.wait(0.1)
    held.proxy.backend.say(b"b")
    assert held.watched.told == [(True, True, 404)]
    assert [end for _, end in held.watched.ends.items()] == [1]
    second = held.watched.take(held.proxy.clock.seconds())
    assert (second.sent, second.answered, second.failed, second.in_flight) == ([0, 1], [0, 1], [0, 1], (0, 0))
    held.proxy.settled(c404=1)


@every
def test_an_answer_that_breaks_off_is_a_failure(kind: str) -> None:
    held = made(kind)
    begun(held)
    held.proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na")
    held.proxy.backend.hang_up("reset")
    assert held.watched.told == [FAILED]


@every
@pytest.mark.parametrize("kept", [True, False])
def test_a_connection_that_breaks_is_a_failure_but_for_one_that_was_idle(kind: str, kept: bool) -> None:
    held = made(kind)
    if kept:
        client = held.proxy.connect(get(b"/"))
        held.proxy.backend.say(EMPTY)
        client.take()
    held.proxy.connect(get(b"/"))
    held.proxy.backend.hang_up("closed")
    held.turn()
    assert held.watched.told == ([(True, False, 200)] if kept else [FAILED])
    if kept:
        held.proxy.backend.hang_up("closed")
        assert held.watched.told[1:] == [FAILED], "its replacement is what it comes to"


@every
def test_an_endpoint_that_cannot_be_reached_is_a_failure(kind: str) -> None:
    held = made(kind)
    held.proxy.network.answers = False
    begun(held)
    held.proxy.backend.refuse()
    held.turn()
    assert held.watched.told == [FAILED]


@every
def test_no_answer_in_time_is_a_failure(kind: str) -> None:
    held = made(kind)
    begun(held)
    held.proxy.wait(0.7)
    assert held.watched.told == [FAILED]


@every
def test_a_client_that_goes_away_leaves_nothing_to_count(kind: str) -> None:
    held = made(kind)
    begun(held).hang_up()
    assert (held.watched.told, held.watched.gone) == ([], 1)
    assert held.watched.take(1.0).in_flight == (0, 0)


@every
def test_a_client_that_never_says_all_of_its_request_is_no_failure(kind: str) -> None:
    held = Held(held_route(EVERYTHING, **KINDS[kind]), request_timeout=0.5)
    held.proxy.connect(get(b"/", b"content-length: 5", method=b"POST"))
    held.proxy.wait(0.7)
    assert (held.watched.told, held.watched.gone) == ([], 1)


def test_a_filter_that_answers_leaves_nothing_to_count() -> None:
    held = made()
    begun(held)
    (stream,) = held.proxy.worker.streams
    assert isinstance(stream, JudgedStream)
    stream.answer(Reply(403))
    assert (held.watched.told, held.watched.gone) == ([], 1)


@pytest.mark.parametrize("kind", ["retrying", "hedging"])
def test_a_retry_that_is_well_does_not_hide_a_first_try_that_was_not(kind: str) -> None:
    held = made(kind)
    client = begun(held)
    held.proxy.backend.say(BAD)
    assert held.watched.told == [(True, True, 503)]
    held.turn()
    held.proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200")
    assert held.watched.told == [(True, True, 503)]
    held.proxy.settled(c200=1)


@pytest.mark.parametrize("kind", ["retrying", "hedging"])
@pytest.mark.parametrize("first", [True, False])
def test_a_try_that_is_late_has_failed_whatever_comes_of_it(kind: str, first: bool) -> None:
    held = made(kind, timeout=15.0)
    client = begun(held)
    held.proxy.wait(0.25)
    assert held.watched.told == [FAILED]
    held.turn()
    held.proxy.backends[0 if first and kind == "hedging" else -1].say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200")
    assert held.watched.told == [FAILED]


def test_a_retry_stays_with_its_version() -> None:
    retry = RetryPolicy(frozenset(("5xx",)), 3, back_off_base=0.001, back_off_max=0.001, refresh_cluster_on_retry=True)
    held = Held(held_route(retry=retry), share=0)
    held.proxy.connect(get(b"/"))
    for _ in range(4):
        assert held.asked == "one"
        held.proxy.backend.say(BAD)
        held.turn()
    assert held.watched.told == [(False, True, 503)]


def test_a_tunnel_counts_with_its_head() -> None:
    held = made(upgrades=(UpgradeConfig(b"websocket"),))
    client = begun(held, *WEBSOCKET)
    held.proxy.backend.say(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    assert held.watched.told == [(True, False, 101)]
    client.say(b"abc")
    held.proxy.backend.hang_up("reset")
    client.hang_up()
    assert held.watched.told == [(True, False, 101)]


def test_a_tunnel_that_nobody_answers_for_is_a_failure() -> None:
    held = made(upgrades=(UpgradeConfig(b"websocket"),))
    begun(held, *WEBSOCKET)
    held.proxy.wait(0.7)
    assert held.watched.told == [FAILED]


def test_a_redirect_that_is_followed_is_one_request() -> None:
    held = made("full")
    client = begun(held)
    held.proxy.backend.say(b"HTTP/1.1 302 Found\r\nlocation: http://a/to\r\ncontent-length: 0\r\n\r\n")
    assert held.watched.told == [(True, False, 302)]
    held.proxy.backend.say(BAD)
    assert client.take().startswith(b"HTTP/1.1 503")
    assert held.watched.told == [(True, False, 302)]
    assert not held.proxy.worker.streams


def test_who_failed_where_is_noted() -> None:
    held = made()
    begun(held)
    held.proxy.backend.say(BAD)
    assert dict(held.watched.paths[1]) == {"/a": 1}
    assert list(held.watched.failing) == [REQUEST_ID.decode()]


@pytest.mark.parametrize(
    ("errors", "status", "block", "trailers", "fails"),
    [
        ("5xx", 503, b"", b"", True),
        ("4xx", 503, b"", b"", False),
        ("4xx", 404, b"", b"", True),
        ("5xx", 499, b"", b"", False),
        ("grpc", 200, b"\r\ngrpc-status: 14", b"", True),
        ("grpc", 200, b"\r\ngrpc-status: 0", b"", False),
        ("grpc", 200, b"\r\ncontent-type: application/grpc", b"\r\ngrpc-status: 13", True),
        ("grpc", 200, b"\r\ncontent-type: application/grpc", b"\r\ngrpc-status: 5", False),
        ("grpc", 200, b"", b"\r\ngrpc-status: odd", True),
        ("5xx", 200, b"\r\ngrpc-status: 14", b"", False),
        ("grpc", 503, b"", b"", False),
    ],
)
def test_what_is_an_error_is_for_the_release_to_say(errors: str, status: int, block: bytes, trailers: bytes, fails: bool) -> None:
    assert Version(ReleaseSplit("new"), True, (errors,)).fails(status, block, trailers) is fails


def test_kinds_of_failures_that_are_not_counted_are_answers_all_the_same() -> None:
    held = Held(held_route(hold(errors=frozenset(("5xx",))), timeout=0.5))
    held.proxy.connect(get(b"/"))
    held.proxy.wait(0.7)
    assert held.watched.told == [(True, False, 0)]


def test_nothing_goes_on_being_counted_when_nobody_compares_any_more() -> None:
    held = made()
    begun(held)
    held.split.comparison = None
    held.proxy.backend.say(EMPTY)
    assert held.watched.told == [(True, False, 200)], "what was begun ends"
    assert held.proxy.connect(get(b"/")) is not None
    assert len(held.watched.trials) == 1


ANSWERS = st.sampled_from(
    [
        EMPTY,
        BAD,
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab",
        b"cd",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: http://a/to\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
    ]
)
EVENTS = st.one_of(
    st.tuples(st.just("answer"), st.integers(0, 3), ANSWERS),
    st.tuples(st.just("break"), st.integers(0, 3), st.sampled_from(["closed", "reset"])),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.25, 0.6])),
    st.tuples(st.just("turn")),
    st.tuples(st.just("refuse")),
    st.tuples(st.just("say"), st.sampled_from([b"abc", b"xyz", get(b"/b")])),
    st.tuples(st.just("leave")),
    st.tuples(st.just("ask")),
    st.tuples(st.just("stop comparing")),
)


def happen(held: Held, clients: list[Any], kind: str, *more: Any) -> None:
    proxy = held.proxy
    open_ones = [one for one in proxy.backends if one.open]
    if kind == "wait":
        proxy.wait(*more)
    elif kind == "turn":
        held.turn()
    elif kind == "ask":
        clients.append(proxy.connect(get(b"/c")))
    elif kind == "stop comparing":
        held.split.comparison = None if held.split.comparison is not None else held.watched
    elif kind in ("say", "leave"):
        if clients[-1].open:
            clients[-1].say(*more) if kind == "say" else clients[-1].hang_up()
    elif open_ones:
        backend = open_ones[min(more[0] if more else 0, len(open_ones) - 1)]
        if kind == "answer":
            backend.say(more[1])
        elif kind == "break":
            backend.hang_up(more[1])


FIRST = [get(b"/"), get(b"/", b"content-length: 6", method=b"POST"), get(b"/", *WEBSOCKET)]


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(FIRST), st.booleans(), st.lists(EVENTS, max_size=12))
def test_whatever_happens_each_request_ends_once(kind: str, first: bytes, reached: bool, events: list[tuple[Any, ...]]) -> None:
    route: Route = held_route(EVERYTHING, upgrades=(UpgradeConfig(b"websocket"),), **{"timeout": 0.5, **KINDS[kind]})
    held = Held(route, share=MILLION)
    held.proxy.network.answers = reached
    clients = [held.proxy.connect(first)]
    for name, *more in events:
        happen(held, clients, name, *more)
    for client in clients:
        if client.open:
            client.hang_up()
    held.proxy.wait(20.0)
    assert not held.proxy.worker.streams
    assert len(held.watched.ends) == len(held.watched.trials) == sum(held.watched.ends.values())
    assert not held.watched.waiting and not held.watched.overdue
    assert len(held.watched.told) + held.watched.gone == len(held.watched.trials)
    assert held.watched.take(0.0).in_flight == (0, 0)
