"""A request that passes filters, from both ends: what filters see, what they may do, and how it ends when they do it.

Over 600 lines, for a filtered request has one life: order, bodies, waits, ends and faults share one proxy and one script.
"""

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger

from shifter.filters.api import Reply, WholeBody, unframe
from shifter.model.filters import FilterOverride
from shifter.model.route import DirectResponseAction, InternalRedirectPolicy, PathMatchKind, Route, RouteMatch
from shifter.proxy.stream import ProxyStream
from shifter.wire.events import NO_BODY, RequestHead, ResponseHead
from tests.support.proxies import DATE, ONE, forward, get, local
from tests.support.scripted import Filtered

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-envoy-upstream-service-time: 0\r\nserver: shifter\r\ndate: " + DATE + b"\r\n\r\nhello"


def post(length: int, path: bytes = b"/one", *lines: bytes) -> bytes:
    return get(path, b"content-length: %d" % length, *lines, method=b"POST")


def chunked(*lines: bytes) -> bytes:
    return get(b"/one", b"transfer-encoding: chunked", *lines, method=b"POST")


def body_of(message: bytes) -> bytes:
    return message.partition(b"\r\n\r\n")[2]


# the order of things


def test_requests_pass_in_order_and_answers_in_the_opposite_order() -> None:
    proxy = Filtered(a={}, b={})
    client = proxy.connect(post(3) + b"abc")
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    assert proxy.told == [
        ("a", "request_head", False),
        ("b", "request_head", False),
        ("a", "request_data", b"abc", True),
        ("b", "request_data", b"abc", True),
        ("b", "response_head", False),
        ("a", "response_head", False),
        ("b", "response_data", b"hello", True),
        ("a", "response_data", b"hello", True),
        ("a", "done"),
        ("b", "done"),
    ]
    proxy.settled(c200=1)


def test_what_no_filter_wants_goes_as_if_there_were_none() -> None:
    proxy = Filtered(a={"filter_for": False})
    client = proxy.connect(get(b"/one"))
    assert isinstance(client.handler.exchange, ProxyStream)  # type: ignore[attr-defined]
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    client.say(get(b"/unknown"))
    assert client.take().startswith(b"HTTP/1.1 404 ")
    proxy.settled(c200=1, c404=1)


def test_heads_are_edited_in_place() -> None:
    def ask(head: RequestHead, end: bool) -> None:
        head.block += b"\r\nx-asked: 1"

    def answer(head: ResponseHead, end: bool) -> None:
        head.status = 203
        head.block += b"\r\nx-answered: 1"

    proxy = Filtered(a={"request_head": ask, "response_head": answer})
    client = proxy.connect(get(b"/one"))
    assert b"\r\nx-asked: 1\r\n" in proxy.backend.take()
    proxy.backend.say(HELLO)
    said = client.take()
    assert said.startswith(b"HTTP/1.1 203 ")
    assert b"\r\nx-answered: 1\r\n" in said
    proxy.settled(c203=1)
    assert " 203 - via_upstream 0 5 " in proxy.lines[0]


def test_bodies_change_in_pieces() -> None:
    def longer(data: bytes, end: bool) -> bytes:
        return data * 2 + b"." * end

    proxy = Filtered(
        a={
            "request_head": lambda head, end: unframe(head),
            "request_data": longer,
            "response_head": lambda head, end: unframe(head),
            "response_data": longer,
        }
    )
    client = proxy.connect(post(4), b"ab", b"cd")
    asked = proxy.backend.take()
    assert b"\r\ntransfer-encoding: chunked\r\n" in asked
    assert b"content-length" not in asked
    assert body_of(asked) == b"4\r\nabab\r\n5\r\ncdcd.\r\n0\r\n\r\n"
    proxy.backend.say(HELLO[:-2], HELLO[-2:])
    answer = client.take()
    assert body_of(answer) == b"6\r\nhelhel\r\n5\r\nlolo.\r\n0\r\n\r\n"
    assert b"content-length" not in answer
    proxy.settled(c200=1)
    assert " 4 11 " in proxy.lines[0], "what came from the client, and what went to it"


def test_an_empty_piece_is_not_passed_on_but_the_end_is() -> None:
    proxy = Filtered(a={"request_head": lambda head, end: unframe(head), "request_data": b""}, b={})
    proxy.connect(post(4), b"ab", b"cd")
    assert [one for one in proxy.told if one[0] == "b"] == [("b", "request_head", False), ("b", "request_data", b"", True)]
    assert body_of(proxy.backend.take()) == b"0\r\n\r\n"


def whole(head: ResponseHead, end: bool) -> WholeBody:
    unframe(head)
    return WholeBody(4)


@pytest.mark.parametrize("trailers", [b"", b"x-u: 1\r\n"])
@pytest.mark.parametrize(("pieces", "told"), [((b"2\r\nok\r\n",), b"ok"), ((b"2\r\nab\r\n", b"3\r\ncde\r\n", b"1\r\nf\r\n"), b"abcd")])
def test_an_answer_is_seen_whole_before_its_head_goes_on(pieces: tuple[bytes, ...], told: bytes, trailers: bytes) -> None:
    heads: list[ResponseHead] = []

    def ask(head: ResponseHead, end: bool) -> WholeBody:
        heads.append(head)
        return whole(head, end)

    def tell(data: bytes, end: bool) -> bytes:
        if data:
            heads[0].block += b"\r\nx-told: " + data
        return b"." * bool(data)

    proxy = Filtered({"enable_trailers": True}, a={}, b={"response_head": ask, "response_data": tell})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *pieces)
    assert client.take() == b""
    assert ("a", "response_head", False) not in proxy.told
    proxy.backend.say(b"0\r\n" + trailers + b"\r\n")
    answer = client.take()
    assert b"\r\nx-told: " + told + b"\r\n" in answer
    assert body_of(answer) == b"1\r\n.\r\n0\r\n" + trailers + b"\r\n"
    assert proxy.words("response_head") == ["b response_head", "a response_head"]
    proxy.settled(c200=1)


def test_an_answer_without_a_body_is_whole_at_once() -> None:
    proxy = Filtered(a={"response_head": WholeBody(4)})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    assert client.take().startswith(b"HTTP/1.1 200 ")
    proxy.settled(c200=1)


def test_an_answer_that_breaks_off_while_it_is_collected() -> None:
    proxy = Filtered(a={"response_head": whole})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(HELLO[:-2])
    proxy.backend.hang_up()
    assert client.take() == b""
    proxy.over()


def test_trailers_that_become_the_end_of_the_body() -> None:
    proxy = Filtered({"enable_trailers": True}, a={}, b={"replaces_trailers": True, "response_trailers": b"T", "response_data": b"d"})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\nx-u: 1\r\n\r\n")
    assert body_of(client.take()) == b"1\r\nd\r\n1\r\nT\r\n0\r\n\r\n"
    assert [one for one in proxy.told if one[1] in ("response_data", "response_trailers")] == [
        ("b", "response_data", b"ok", False),
        ("a", "response_data", b"d", False),
        ("b", "response_trailers", b"\r\nx-u: 1"),
        ("a", "response_data", b"T", True),
    ]
    proxy.settled(c200=1)


def test_trailers_pass_both_ways() -> None:
    proxy = Filtered({"enable_trailers": True}, a={"request_trailers": b"\r\nx-t: changed", "response_trailers": b"\r\nx-u: changed"}, b={})
    client = proxy.connect(chunked(b"te: trailers"), b"3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")
    assert body_of(proxy.backend.take()) == b"3\r\nabc\r\n0\r\nx-t: changed\r\n\r\n"
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-u: 1\r\n\r\n")
    assert body_of(client.take()) == b"2\r\nok\r\n0\r\nx-u: changed\r\n\r\n"
    assert ("b", "request_trailers", b"\r\nx-t: changed") in proxy.told
    assert ("b", "response_trailers", b"\r\nx-u: 1") in proxy.told
    proxy.settled(c200=1)
    proxy.over()


@pytest.mark.parametrize(("method", "status"), [(b"GET", 204), (b"GET", 304), (b"HEAD", 200)])
def test_an_answer_that_ends_with_its_head_gets_no_body_whenever_its_end_is_told(method: bytes, status: int) -> None:
    """An HTTP/2 endpoint may tell it in a frame of its own; a compressor would have something to say there."""
    proxy = Filtered(a={"response_head": lambda head, end: unframe(head), "response_data": b"not a body"})
    client = proxy.connect(get(b"/one", method=method))
    stream = client.handler.exchange._inner  # type: ignore[attr-defined]
    stream.on_head(ResponseHead(status, b"", NO_BODY), b"", False)
    stream.on_data(b"", True)
    proxy.network.run()
    assert body_of(client.take()) == b""
    assert proxy.words("response_head", "response_data", "done") == ["a response_head", "a done"]
    assert ("a", "response_head", True) in proxy.told


def test_what_a_filter_turns_into_an_answer_without_a_body_has_none() -> None:
    def empty(head: ResponseHead, end: bool) -> None:
        head.status = 204

    proxy = Filtered(a={"response_head": empty})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe", b"llo")
    said = client.take()
    assert said.startswith(b"HTTP/1.1 204 ")
    assert body_of(said) == b""
    proxy.settled(c204=1)


def test_an_answer_without_a_body_that_a_filter_turns_into_another_has_one_length() -> None:
    def filled(head: ResponseHead, end: bool) -> None:
        head.status = 200

    proxy = Filtered(a={"response_head": filled})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n")
    said = client.take()
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"content-length: ") == said.count(b"content-length: 0") == 1
    proxy.settled(c200=1)


@pytest.mark.parametrize("at_once", [True, False])
def test_an_answer_in_small_pieces_moves_all_the_time(at_once: bool) -> None:
    waits: list[Deferred[bytes]] = []

    def slow(data: bytes, end: bool) -> "bytes | Deferred[bytes]":
        if at_once:
            return data
        waits.append(Deferred())
        return waits[-1].addCallback(lambda _: data)

    proxy = Filtered({"stream_idle_timeout": 1.0}, a={"response_data": slow, "response_piece": 2}, b={})
    client = proxy.connect(get(b"/forever"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", b"wo", b"rld")
    if not at_once:
        for piece in (b"he", b"ll", b"o", b"wo", b"rl", b"d"):
            proxy.wait(0.7)
            waits[-1].callback(b"")
            proxy.network.run()
            assert client.take().endswith(piece)
    assert [one[2:] for one in proxy.told if one[:2] == ("a", "response_data")] == [
        (b"he", False), (b"ll", False), (b"o", False), (b"wo", False), (b"rl", False), (b"d", True),
    ]  # fmt: skip
    proxy.settled(c200=1)
    proxy.over()


def test_an_answer_that_waits_is_not_idle_for_the_time_before() -> None:
    waits: Deferred[bytes] = Deferred()
    proxy = Filtered({"stream_idle_timeout": 1.0}, a={"response_data": lambda data, end: waits if end else data})
    client = proxy.connect(get(b"/forever"))
    proxy.wait(0.5)
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
    proxy.wait(0.9)
    proxy.backend.say(b"llo")
    proxy.wait(0.5)
    waits.callback(b"llo")
    proxy.network.run()
    assert body_of(client.take()) == b"hello"
    proxy.settled(c200=1)


def test_what_a_filter_still_has_of_a_body_goes_before_the_trailers() -> None:
    """As compression has: its end is told before the trailers come."""
    ending = {
        f"{which}_{what}": act
        for which in ("request", "response")
        for what, act in (("head", lambda head, end: unframe(head)), ("data", lambda data, end: data + b"." * end))
    }
    proxy = Filtered({"enable_trailers": True}, a=ending, b=ending)
    client = proxy.connect(chunked(b"te: trailers"), b"3\r\nabc\r\n", b"0\r\nx-t: 1\r\n\r\n")
    assert body_of(proxy.backend.take()) == b"3\r\nabc\r\n2\r\n..\r\n0\r\nx-t: 1\r\n\r\n"
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"0\r\nx-u: 1\r\n\r\n")
    assert body_of(client.take()) == b"2\r\n..\r\n0\r\nx-u: 1\r\n\r\n"
    proxy.settled(c200=1)


def test_a_request_that_ends_in_trailers_alone() -> None:
    proxy = Filtered({"enable_trailers": True}, a={})
    proxy.connect(chunked(), b"0\r\nx-t: 1\r\n\r\n")
    assert proxy.told == [("a", "request_head", False), ("a", "request_data", b"", True), ("a", "request_trailers", b"\r\nx-t: 1")]
    assert body_of(proxy.backend.take()) == b"0\r\nx-t: 1\r\n\r\n"


@pytest.mark.parametrize(
    ("path", "method", "status", "end"),
    [
        (b"/direct", b"GET", 403, False),
        (b"/direct", b"HEAD", 403, True),
        (b"/nothing", b"GET", 204, True),
        (b"/elsewhere", b"GET", 301, True),
        (b"/empty", b"GET", 503, False),
        (b"/unknown", b"GET", 404, True),
    ],
)
def test_every_answer_passes_on_its_way_back(path: bytes, method: bytes, status: int, end: bool) -> None:
    proxy = Filtered(a={}, b={})
    client = proxy.connect(get(path, method=method))
    assert client.take().startswith(b"HTTP/1.1 %d " % status)
    assert ("a", "request_head", True) in proxy.told
    assert ("a", "response_head", end) in proxy.told
    assert ("response_data" in [one[1] for one in proxy.told]) is not end
    proxy.settled(**{f"c{status}": 1})
    proxy.over()


@pytest.mark.parametrize(("path", "status"), [(b"/a%zz", 400), (b"/a%2Fb", 307)])
def test_what_is_refused_before_it_is_routed_passes_on_its_way_back_only(path: bytes, status: int) -> None:
    proxy = Filtered(a={})
    client = proxy.connect(get(path))
    assert client.take().startswith(b"HTTP/1.1 %d " % status)
    assert proxy.words() == ["a response_head", "a done"]
    proxy.settled(**{f"c{status}": 1})


# routes


@pytest.mark.parametrize("clears", [False, True])
def test_the_route_is_looked_for_again_when_it_is_asked_for(clears: bool) -> None:
    def elsewhere(head: RequestHead, end: bool) -> None:
        head.path = b"/two"
        if clears:
            proxy.factories["a"].made[-1].stream.clear_route_cache()

    said = {"a": FilterOverride(b"said to a")}
    one = Route(RouteMatch(PathMatchKind.PREFIX, b"/one"), forward(b"/one", "one").action, filters=said)
    proxy = Filtered({"routes": (forward(b"/two", "two"), one)}, a={"request_head": elsewhere})
    proxy.connect(get(b"/one"))
    assert (proxy.backend.peer == ONE) is not clears
    assert proxy.factories["a"].overrides == [b"said to a"]


def test_a_route_may_be_found_that_was_not_there_and_be_lost() -> None:
    def to(path: bytes) -> object:
        def ask(head: RequestHead, end: bool) -> None:
            head.path = path
            proxy.factories["a"].made[-1].stream.clear_route_cache()

        return ask

    proxy = Filtered(a={"request_head": to(b"/direct")})
    assert proxy.connect(get(b"/unknown")).take() == local(b"403 Forbidden", b"no entry")
    proxy = Filtered(a={"request_head": to(b"/unknown")})
    assert proxy.connect(get(b"/direct")).take() == local(b"404 Not Found")


def test_metadata_of_the_route() -> None:
    match = RouteMatch(PathMatchKind.PREFIX, b"/m")
    routes = (Route(match, DirectResponseAction(200), metadata={"mine": {"x": 1}}),)
    proxy = Filtered({"routes": routes}, a={})
    proxy.connect(get(b"/m"), get(b"/n"))
    assert [one.stream.route_metadata for one in proxy.factories["a"].made] == [{"mine": {"x": 1}}, {}]


# answers of filters


def test_a_filter_answers_and_all_see_its_answer() -> None:
    reply = Reply(429, b"slow down", b"\r\nretry-after: 3", b"RL", "too_many")
    proxy = Filtered(a={}, b={"request_head": reply}, c={})
    client = proxy.connect(get(b"/one"))
    assert client.take() == local(b"429 Too Many Requests", b"slow down", b"\r\nretry-after: 3")
    assert proxy.words() == [
        "a request_head", "b request_head", "c response_head", "b response_head", "a response_head", "c response_data", "b response_data",
        "a response_data", "a done", "b done", "c done",
    ]  # fmt: skip
    assert not proxy.backends
    assert proxy.lines == ["GET /one HTTP/1.1 429 RL too_many 0 9 - one 0"]
    proxy.settled(c429=1)
    client.say(get(b"/one"))
    assert client.take().startswith(b"HTTP/1.1 429 ")


def test_an_answer_gets_what_the_route_adds() -> None:
    from shifter.model.route import HeaderMutations, HeaderValueOption

    headers = HeaderMutations(response_add=(HeaderValueOption(b"x-route", b"1"),))
    routes = (Route(RouteMatch(PathMatchKind.PREFIX, b"/one"), forward(b"/one", "one").action, headers=headers),)
    proxy = Filtered({"routes": routes}, a={"request_head": Reply(403)})
    assert b"\r\nx-route: 1\r\n" in proxy.connect(get(b"/one")).take()


def test_an_answer_in_the_midst_of_the_request_takes_it_back_from_the_upstream() -> None:
    proxy = Filtered(a={"request_data": lambda data, end: Reply(403, b"bad word", details="word") if b"bad" in data else data})
    client = proxy.connect(post(100), b"good")
    assert body_of(proxy.backend.take()) == b"good"
    client.say(b"bad")
    assert client.take() == local(b"403 Forbidden", b"bad word", close=True)
    assert proxy.backend.lost
    client.say(b"more")
    client.hang_up()
    assert proxy.lines[0].startswith("POST /one HTTP/1.1 403 - word 7 8 ")
    proxy.settled(c403=1)
    proxy.over()


def test_an_answer_behind_an_answer_that_has_begun_cuts_it() -> None:
    proxy = Filtered(a={"request_data": lambda data, end: Reply(403) if b"bad" in data else data})
    client = proxy.connect(post(100), b"good")
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
    assert client.take().endswith(b"hello")
    client.say(b"bad")
    assert not client.open
    client.hang_up()
    proxy.settled(c200=1)


def test_flags_are_joined() -> None:
    proxy = Filtered(a={"request_head": lambda head, end: proxy.factories["a"].made[0].stream.add_flag(b"DI")})
    proxy.connect(get(b"/unknown"))
    assert proxy.lines == ["GET /unknown HTTP/1.1 404 NR,DI route_not_found 0 0 - - 0"]


def test_grpc_clients_are_told_in_their_way() -> None:
    proxy = Filtered(a={"request_head": Reply(429, b"slow", grpc_status=8)})
    answer = proxy.connect(get(b"/one", b"content-type: application/grpc", method=b"POST")).take()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\ngrpc-status: 8\r\n" in answer


def test_grpc_clients_are_told_so_in_the_midst_of_the_request_too() -> None:
    proxy = Filtered(a={"request_data": lambda data, end: Reply(429, b"slow", grpc_status=8) if b"bad" in data else data})
    client = proxy.connect(post(100, b"/one", b"content-type: application/grpc"), b"good")
    client.say(b"bad")
    assert b"\r\ngrpc-status: 8\r\n" in client.take()


# whole bodies


def test_head_and_body_go_on_when_the_body_is_whole() -> None:
    proxy = Filtered(a={}, b={"request_head": WholeBody(100)}, c={})
    client = proxy.connect(post(6), b"abc")
    assert not proxy.backends
    assert "c request_head" not in proxy.words()
    client.say(b"def")
    assert body_of(proxy.backend.take()) == b"abcdef"
    assert [one for one in proxy.told if one[0] != "a"] == [
        ("b", "request_head", False), ("b", "request_data", b"abcdef", True), ("c", "request_head", False),
        ("c", "request_data", b"abcdef", True),
    ]  # fmt: skip


def test_two_want_the_body_whole() -> None:
    proxy = Filtered(a={"request_head": WholeBody(100)}, b={"request_head": WholeBody(100)})
    proxy.connect(chunked(), b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n")
    assert body_of(proxy.backend.take()) == b"6\r\nabcdef\r\n0\r\n\r\n"
    assert ("b", "request_data", b"abcdef", True) in proxy.told


def test_without_a_body_nothing_is_waited_for() -> None:
    proxy = Filtered(a={"request_head": WholeBody(1)})
    proxy.connect(get(b"/one"))
    assert proxy.backends
    assert proxy.words() == ["a request_head"]


def test_a_whole_body_of_another_length_says_so() -> None:
    proxy = Filtered(a={"request_head": WholeBody(10), "request_data": b"longer than before"})
    proxy.connect(post(3), b"abc")
    asked = proxy.backend.take()
    assert asked.count(b"content-length: ") == 1
    assert b"\r\ncontent-length: 18\r\n" in asked


def test_a_whole_body_may_become_none() -> None:
    proxy = Filtered(a={"request_head": WholeBody(10), "request_data": b""}, b={})
    proxy.connect(post(3), b"abc")
    assert b"\r\ncontent-length: 0\r\n" in proxy.backend.take()
    assert ("b", "request_head", True) in proxy.told


@pytest.mark.parametrize("pieces", [[post(11)], [chunked(), b"6\r\nabcdef\r\n", b"5\r\nghijk\r\n"]], ids=["length", "chunks"])
def test_a_body_that_is_too_large(pieces: list[bytes]) -> None:
    proxy = Filtered(a={"request_head": WholeBody(10)}, b={})
    client = proxy.connect(*pieces)
    assert client.take() == local(b"413 Payload Too Large", b"Payload Too Large", close=True)
    assert "request_payload_too_large" in proxy.lines[0]
    assert "b response_head" in proxy.words()
    client.hang_up()
    proxy.settled(c413=1)


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked() -> None:
    proxy = Filtered(a={"request_head": WholeBody(10)})
    client = proxy.connect(post(3, b"/one", b"expect: 100-continue"))
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.say(b"abc")
    assert body_of(proxy.backend.take()) == b"abc"
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN


def test_without_a_filter_that_wants_it_the_exchange_asks_for_the_body() -> None:
    proxy = Filtered(a={})
    client = proxy.connect(post(3, b"/one", b"expect: 100-continue"))
    assert client.take() == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_whole_body_with_trailers() -> None:
    proxy = Filtered({"enable_trailers": True}, a={"request_head": WholeBody(10)}, b={})
    proxy.connect(chunked(), b"3\r\nabc\r\n", b"0\r\nx-t: 1\r\n\r\n")
    assert body_of(proxy.backend.take()) == b"3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n"
    assert [one[2:] for one in proxy.told if one[:2] == ("a", "request_data")] == [(b"abc", True)]
    assert [one[2:] for one in proxy.told if one[:2] == ("b", "request_data")] == [(b"abc", False), (b"", True)]


def test_a_whole_body_with_trailers_that_waits() -> None:
    waits: Deferred[bytes] = Deferred()
    proxy = Filtered({"enable_trailers": True}, a={"request_head": WholeBody(10), "request_data": waits}, b={})
    proxy.connect(chunked(), b"3\r\nabc\r\n", b"0\r\nx-t: 1\r\n\r\n")
    waits.callback(b"ABC")
    proxy.network.run()
    assert body_of(proxy.backend.take()) == b"3\r\nABC\r\n0\r\nx-t: 1\r\n\r\n"
    assert proxy.words("request_data", "request_trailers") == [
        "a request_data", "b request_data", "b request_data", "a request_trailers", "b request_trailers",
    ]  # fmt: skip


# waiting


def test_a_head_that_waits_holds_everything_back() -> None:
    waits: Deferred[None] = Deferred()
    proxy = Filtered(a={"request_head": waits}, b={})
    client = proxy.connect(post(6), b"abc", b"def")
    assert proxy.words() == ["a request_head"]
    assert client.paused, "one piece is held, and no more is read"
    waits.callback(None)
    proxy.network.run()
    assert not client.paused
    assert body_of(proxy.backend.take()) == b"abcdef"
    assert proxy.words("request_data") == ["a request_data", "b request_data", "a request_data", "b request_data"]
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    proxy.settled(c200=1)


def test_a_head_that_waits_may_be_answered() -> None:
    waits: Deferred[Reply] = Deferred()
    proxy = Filtered(a={"request_head": waits})
    client = proxy.connect(get(b"/one"))
    proxy.clock.advance(2.0)
    waits.callback(Reply(401, b"who are you?"))
    proxy.network.run()
    assert client.take().startswith(b"HTTP/1.1 401 ")
    proxy.settled(c401=1)


def test_pieces_that_wait_keep_their_order() -> None:
    waits: list[Deferred[bytes]] = []

    def later(data: bytes, end: bool) -> Deferred[bytes]:
        waits.append(Deferred())
        return waits[-1]

    proxy = Filtered(a={"request_data": later})
    client = proxy.connect(post(6), b"abc")
    client.say(b"def")
    assert len(waits) == 1
    waits[0].callback(b"ABC")
    proxy.network.run()
    assert body_of(proxy.backend.take()) == b"ABC"
    waits[1].callback(b"DEF")
    proxy.network.run()
    assert proxy.backend.take() == b"DEF"


def test_what_need_not_be_waited_for_goes_on_at_once_however_much_there_is() -> None:
    first: Deferred[bytes] = Deferred()
    answers = iter([first])
    proxy = Filtered({"enable_trailers": True}, a={"request_data": lambda data, end: next(answers, None) or succeed(data)}, b={})
    client = proxy.connect(post(3001))
    exchange = client.handler.exchange  # type: ignore[attr-defined]
    for _ in range(3000):
        exchange.on_request_data(b"x", False)
    first.callback(b"x")
    proxy.network.run()
    assert body_of(proxy.backend.take()) == b"x" * 3000


def test_an_answer_that_waits_holds_the_upstream_and_the_log_back() -> None:
    waits: Deferred[bytes] = Deferred()
    answers = iter([waits])
    proxy = Filtered(a={"response_data": lambda data, end: next(answers, data)})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", b"def")
    assert body_of(client.take()) == b""
    assert proxy.backend.paused
    waits.callback(b"ABC")
    proxy.network.run()
    assert client.take() == b"ABCdef"
    proxy.backend.say(b"ghi")
    assert client.take() == b"ghi"
    proxy.settled(c200=1)


def test_the_end_of_an_answer_that_waits_is_the_end_of_the_exchange() -> None:
    waits: Deferred[bytes] = Deferred()
    answers = iter([waits])
    proxy = Filtered(a={"response_data": lambda data, end: next(answers, data)})
    client = proxy.connect(get(b"/one"), get(b"/direct"))
    proxy.backend.say(HELLO)
    assert body_of(client.take()) == b""
    assert not proxy.lines
    waits.callback(b"HELLO")
    proxy.network.run()
    assert client.take().startswith(b"HELLO" + b"HTTP/1.1 403 ")
    proxy.settled(c200=1, c403=1)
    proxy.over()


# the client goes


def test_what_is_waited_for_is_cancelled_when_the_client_goes() -> None:
    cancelled: list[object] = []
    waits: Deferred[None] = Deferred(cancelled.append)
    proxy = Filtered(a={"request_head": waits}, b={})
    client = proxy.connect(get(b"/one"))
    client.hang_up()
    assert cancelled == [waits]
    assert proxy.lines == ["GET /one HTTP/1.1 0 DC downstream_remote_disconnect 0 0 - one 0"]
    assert proxy.stats.downstream_rq_rx_reset == 1
    proxy.settled(c0=1)
    proxy.over()


def test_the_client_goes_while_the_upstream_thinks() -> None:
    proxy = Filtered(a={})
    client = proxy.connect(get(b"/one"))
    client.hang_up()
    assert proxy.backend.lost
    assert " 0 DC " in proxy.lines[0]
    proxy.settled(c0=1)
    proxy.over()


def test_the_client_goes_while_its_answer_waits() -> None:
    waits: Deferred[bytes] = Deferred()
    proxy = Filtered(a={"response_data": waits})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(HELLO)
    client.hang_up()
    assert waits.called
    assert " 200 DC downstream_remote_disconnect 0 0 " in proxy.lines[0]
    proxy.settled(c200=1)
    proxy.over()


def test_a_body_that_cannot_be_whole() -> None:
    for does in ({}, {"request_head": WholeBody(100)}):
        proxy = Filtered(a=does)
        client = proxy.connect(chunked(), b"3\r\nabc\r\n", b"zz\r\n")
        assert client.take().startswith(b"HTTP/1.1 400 ")
        assert " 400 DPE " in proxy.lines[0]
        client.hang_up()
        proxy.settled(c400=1)
        proxy.over()


# time


def test_nothing_moves_for_too_long() -> None:
    for body, status in ((False, 504), (True, 408)):
        waits: Deferred[None] = Deferred()
        proxy = Filtered({"stream_idle_timeout": 5.0}, a={"request_head": waits})
        client = proxy.connect(post(3) if body else get(b"/one"))
        proxy.wait(6.0)
        assert client.take().startswith(b"HTTP/1.1 %d " % status)
        assert f" {status} SI stream_idle_timeout " in proxy.lines[0]
        assert waits.called
        client.hang_up()
        proxy.settled(**{f"c{status}": 1})
        proxy.over()


def test_a_body_that_comes_too_slowly() -> None:
    proxy = Filtered({"request_timeout": 5.0}, a={"request_head": WholeBody(100)})
    client = proxy.connect(post(3), b"a")
    proxy.wait(3.0)
    client.say(b"b")
    proxy.wait(3.0)
    assert client.take().startswith(b"HTTP/1.1 408 ")
    assert " 408 - request_overall_timeout " in proxy.lines[0]
    client.hang_up()
    proxy.settled(c408=1)


def test_an_answer_that_waits_for_too_long_is_cut() -> None:
    waits: Deferred[bytes] = Deferred()
    proxy = Filtered({"stream_idle_timeout": 5.0}, a={"response_data": waits})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(HELLO)
    proxy.wait(6.0)
    assert not client.open
    assert " 200 SI stream_idle_timeout " in proxy.lines[0]
    client.hang_up()
    proxy.settled(c200=1)
    proxy.over()


# faults


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What filters are said to have done wrong."""
    said: list[str] = []
    monkeypatch.setattr(Logger, "failure", lambda self, text, failure=None, **fields: said.append(text))
    return said


BROKEN = ZeroDivisionError("broken")


@pytest.mark.parametrize(
    ("where", "deferred"),
    [
        ("filter_for", False),
        ("request_head", False),
        ("request_head", True),
        ("request_data", False),
        ("request_data", True),
        ("response_head", False),
    ],
)
def test_a_fault_is_a_500_and_one_event(where: str, deferred: bool, faults: list[str]) -> None:
    proxy = Filtered(a={}, b={where: (lambda *_: fail(BROKEN)) if deferred else BROKEN}, c={})
    client = proxy.connect(post(3) + b"abc")
    if proxy.backends:
        proxy.backend.say(HELLO)
    proxy.wait(0.1)
    assert client.take() == local(b"500 Internal Server Error", b"internal error")
    assert len(faults) == 1
    assert " 500 - filter_failed 3 14 " in proxy.lines[0]
    client.hang_up()
    proxy.settled(c500=1)
    proxy.over()


@pytest.mark.parametrize("said", [None, "text", 3])
@pytest.mark.parametrize("where", ["request_head", "request_data", "response_data"])
def test_what_a_filter_must_not_return_is_a_fault(where: str, said: object, faults: list[str]) -> None:
    if where == "request_head" and said is None:
        said = True
    proxy = Filtered(a={where: lambda *_: said})
    client = proxy.connect(post(3) + b"abc")
    if proxy.backends:
        proxy.backend.say(HELLO)
    proxy.wait(0.1)
    assert len(faults) == 1
    if where == "response_data":
        assert client.take() == local(b"500 Internal Server Error", b"internal error")
    client.hang_up()
    proxy.settled(c500=1)


def test_a_fault_behind_the_head_cuts_the_answer(faults: list[str]) -> None:
    proxy = Filtered(a={"response_data": BROKEN})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n", b"hello")
    assert not client.open
    proxy.wait(0.1)
    assert proxy.backend.lost
    assert len(faults) == 1
    assert " 200 - filter_failed " in proxy.lines[0]
    client.hang_up()
    proxy.settled(c200=1)
    proxy.over()


def test_a_fault_at_the_end_is_told_and_nothing_else(faults: list[str]) -> None:
    proxy = Filtered(a={"done": BROKEN}, b={})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    assert len(faults) == 1
    proxy.settled(c200=1)
    assert proxy.words("done") == ["a done", "b done"]


def test_what_cannot_be_cancelled_is_told_and_nothing_else(faults: list[str]) -> None:
    def refuse(_: object) -> None:
        raise BROKEN

    proxy = Filtered(a={"request_head": Deferred(refuse)})
    client = proxy.connect(get(b"/one"))
    client.hang_up()
    assert len(faults) == 1
    proxy.settled(c0=1)
    proxy.over()


def test_a_filter_that_cancels_what_it_waits_for_has_failed(faults: list[str]) -> None:
    waits: Deferred[None] = Deferred()
    proxy = Filtered(a={"request_head": waits})
    client = proxy.connect(get(b"/one"))
    waits.errback(CancelledError())
    proxy.network.run()
    assert client.take().startswith(b"HTTP/1.1 500 ")
    proxy.settled(c500=1)


# what filters are told


def test_a_stream_describes_itself() -> None:
    seen: list[tuple[object, ...]] = []

    def look(*_: object) -> None:
        entry = proxy.factories["a"].made[0].stream.describe()
        seen.append((entry.method, entry.path, entry.cluster, entry.details))

    proxy = Filtered(a={"request_head": look, "response_head": look})
    client = proxy.connect(get(b"/one"))
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    assert seen == [(b"GET", b"/one", "one", ""), (b"GET", b"/one", "one", "via_upstream")]
    stream = proxy.factories["a"].made[0].stream
    assert stream.peer == b"192.0.2.7:4711"
    stream.filter_state["x"] = 1
    assert stream.filter_state == {"x": 1}


# redirects that the proxy follows itself


def following(**scripts: dict[str, Any]) -> Filtered:
    """A proxy that follows redirects of ``/from``; what routes say to *a* differs."""
    action = replace(forward(b"/from", "one").action, internal_redirect=InternalRedirectPolicy(1, (307,)))
    start = Route(RouteMatch(PathMatchKind.PREFIX, b"/from"), action, filters={"a": FilterOverride("start")})
    end = Route(RouteMatch(PathMatchKind.PREFIX, b"/to"), forward(b"/to", "two").action, filters={"a": FilterOverride("end")})
    return Filtered({"routes": (start, end)}, **scripts)


REDIRECT = b"HTTP/1.1 307 There\r\nlocation: http://a/to\r\ncontent-length: 0\r\n\r\n"


def test_a_request_that_is_redirected_passes_the_filters_of_its_new_route() -> None:
    proxy = following(a={})
    client = proxy.connect(post(4, b"/from") + b"abcd")
    proxy.backend.say(REDIRECT)
    assert body_of(proxy.backend.take()) == b"abcd"
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    assert proxy.factories["a"].overrides == ["start", "end"]
    assert proxy.words() == [
        *("a request_head", "a request_data", "a done"),
        *("a request_head", "a request_data", "a response_head", "a response_data", "a done"),
    ]
    assert dict(proxy.stats.codes) == {200: 1}


def test_a_filter_may_have_something_against_where_a_redirect_leads() -> None:
    answers = iter([None, Reply(403, b"not there")])
    proxy = following(a={"request_head": lambda head, end: next(answers)})
    client = proxy.connect(get(b"/from"))
    proxy.backend.say(REDIRECT)
    assert client.take() == local(b"403 Forbidden", b"not there")
    assert dict(proxy.stats.codes) == {403: 1}
    proxy.over()


def test_a_redirected_request_may_have_to_wait() -> None:
    waits: Deferred[None] = Deferred()
    answers = iter([None, waits])
    proxy = following(a={"request_head": lambda head, end: next(answers)})
    client = proxy.connect(get(b"/from"))
    proxy.backend.say(REDIRECT)
    assert client.take() == b""
    waits.callback(None)
    proxy.network.run()
    proxy.backend.say(HELLO)
    assert client.take() == PLAIN
    assert not proxy.worker.streams
