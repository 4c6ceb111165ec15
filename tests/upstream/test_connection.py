"""Every way an answer can end, what is said of it, and whether the connection is used again."""

from unittest.mock import Mock

import pytest

from shifter.model.cluster import Cluster
from shifter.routing.retry import Reached
from shifter.upstream import connection as module
from shifter.upstream.interfaces import FailureKind
from shifter.wire.events import NO_BODY, UNTIL_END, RequestHead
from tests.support.transports import LARGE, FakeTransport
from tests.support.upstreams import GET, Endpoint, RecordingListener

HEAD = RequestHead(b"HEAD", b"/", b"a")
OK = b"HTTP/1.1 200 OK\r\n"
EMPTY = OK + b"content-length: 0\r\n\r\n"


def put(length: int = UNTIL_END) -> RequestHead:
    return RequestHead(b"PUT", b"/", b"a", b"" if length < 0 else b"\r\ncontent-length: %d" % length, length)


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def answered(endpoint: Endpoint, head: RequestHead, *pieces: bytes) -> tuple[RecordingListener, FakeTransport]:
    listener = endpoint.ask(head)
    transport = endpoint.connections[-1]
    transport.say(*pieces)
    return listener, transport


# head of the request, answer, status, body, whether the connection is kept
COMPLETE = [
    ("length", GET, OK + b"content-length: 5\r\n\r\nhello", 200, b"hello", True),
    ("length 0", GET, EMPTY, 200, b"", True),
    ("chunked", GET, OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, b"hello!", True),
    ("chunked, empty", GET, OK + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", 200, b"", True),
    ("HEAD with length", HEAD, OK + b"content-length: 5\r\n\r\n", 200, b"", True),
    ("HEAD chunked", HEAD, OK + b"transfer-encoding: chunked\r\n\r\n", 200, b"", True),
    ("HEAD without either", HEAD, OK + b"\r\n", 200, b"", True),
    ("204", GET, b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    ("304 with length", GET, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", True),
    ("connection: close", GET, OK + b"connection: close\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", False),
    ("HTTP/1.0", GET, b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", False),
    ("HTTP/1.0 kept", GET, b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", True),
    ("more than the length", GET, OK + b"content-length: 5\r\n\r\nhello!", 200, b"hello", False),
    ("more than nothing", GET, EMPTY + b"!", 200, b"", False),
    ("a second answer", GET, EMPTY + EMPTY, 200, b"", False),
    ("more behind chunks", GET, OK + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1", 200, b"", False),
    ("a body for HEAD", HEAD, OK + b"content-length: 5\r\n\r\nhello", 200, b"", False),
    ("a body with 204", GET, b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello", 204, b"", False),
    ("interim first", GET, b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + EMPTY, 200, b"", True),
]


@pytest.mark.parametrize(("what", "head", "raw", "status", "body", "kept"), COMPLETE, ids=[one[0] for one in COMPLETE])
@pytest.mark.parametrize("piecewise", [False, True])
def test_complete_answers(
    endpoint: Endpoint, what: str, head: RequestHead, raw: bytes, status: int, body: bytes, kept: bool, piecewise: bool
) -> None:
    pieces = [raw[at : at + 1] for at in range(len(raw))] if piecewise else [raw]
    listener, transport = answered(endpoint, head, *pieces)
    assert listener.saw[-1] == "end"
    assert listener.saw.count("end") == 1
    assert listener.head is not None
    assert (listener.head.status, listener.body) == (status, body)
    assert endpoint.pool.active == endpoint.stats.upstream_rq_active == 0
    if kept:
        assert transport.lost is None
        assert endpoint.ask().stream is listener.stream
        assert listener.stream is not None
        assert listener.stream.reused
    else:
        assert transport.lost in ("closed locally", "aborted")
        assert not endpoint.pool.connections
        assert endpoint.stats.upstream_cx_destroy_local == 1
        assert endpoint.stats.upstream_cx_destroy_local_with_active_rq == 0


def test_a_204_has_no_length_and_a_304_keeps_its(endpoint: Endpoint) -> None:
    listener, _ = answered(endpoint, GET, b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nx: 1\r\n\r\n")
    assert listener.block == b"\r\nx: 1"
    listener, _ = answered(endpoint, GET, b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n")
    assert listener.head is not None
    assert (listener.block, listener.head.length, listener.head.until_close) == (b"\r\ncontent-length: 9", NO_BODY, False)


def test_a_whole_answer_in_one_piece_is_told_in_one_call(endpoint: Endpoint) -> None:
    listener, _ = answered(endpoint, GET, OK + b"content-length: 5\r\n\r\nhello")
    assert listener.saw == ["head 200", "end"]
    listener, _ = answered(endpoint, GET, OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert listener.saw == ["head 200", "end"]


def test_bodies_are_passed_on_as_they_come(endpoint: Endpoint) -> None:
    listener, transport = answered(endpoint, GET, OK + b"content-length: 6\r\n\r\nab")
    assert listener.saw == ["head 200"]
    transport.say(b"cd")
    assert listener.saw == ["head 200", "data"]
    transport.say(b"ef")
    assert listener.saw == ["head 200", "data", "data", "end"]
    listener, transport = answered(endpoint, GET, OK + b"transfer-encoding: chunked\r\n\r\n", b"3\r\n", b"abc", b"\r\n0\r\n", b"\r\n")
    assert listener.saw == ["head 200", "data", "end"]
    assert listener.body == b"abc"


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_until_close(endpoint: Endpoint, version: bytes, body: bytes) -> None:
    listener, transport = answered(endpoint, GET, version + b" 200 OK\r\nx: 1\r\n\r\n" + body, body)
    assert listener.head is not None
    assert listener.head.length == UNTIL_END
    assert "end" not in listener.saw
    transport.hang_up()
    assert listener.saw[-1] == "end"
    assert listener.body == body + body
    assert not endpoint.pool.connections
    assert endpoint.pool.active == 0


def test_until_close_ended_by_a_reset_is_a_cut_answer(endpoint: Endpoint) -> None:
    listener, transport = answered(endpoint, GET, OK + b"\r\nhel")
    transport.hang_up("reset")
    assert listener.saw == ["head 200", "failed PROTOCOL_ERROR ANSWER_BEGUN"]


@pytest.mark.parametrize(("truncated", "last"), [(False, "end"), (True, "failed PROTOCOL_ERROR ANSWER_BEGUN")])
def test_until_close_over_tls_has_to_end_in_tls(endpoint: Endpoint, truncated: bool, last: str) -> None:
    listener, transport = answered(endpoint, GET, OK + b"\r\nhel")
    transport.tls = Mock(truncated=truncated, failure=None)
    transport.hang_up()
    assert listener.saw[-1] == last


@pytest.mark.parametrize("piecewise", [False, True])
def test_trailers(endpoint: Endpoint, piecewise: bool) -> None:
    raw = OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\ncontent-length: 9\r\n\r\n"
    pieces = [raw[at : at + 1] for at in range(len(raw))] if piecewise else [raw]
    listener, transport = answered(endpoint, GET, *pieces)
    assert listener.saw[0] == "head 200"
    assert listener.saw[-1] == "trailers b'\\r\\nx-sum: 1'"
    assert "end" not in listener.saw
    assert listener.body == b"hello"
    assert transport.lost is None
    assert len(endpoint.pool.idle) == 1


class Pausing(RecordingListener):
    """Pauses its stream with every piece it is told, as a slow client makes it do."""

    def on_head(self, head: object, data: bytes, end: bool) -> None:
        if not end:
            assert self.stream is not None
            self.stream.pause()

    def on_data(self, data: bytes, end: bool) -> None:
        if not end:
            assert self.stream is not None
            self.stream.pause()


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_connection_is_not_given_back_paused(endpoint: Endpoint, pieces: int) -> None:
    raw = [OK + b"transfer-encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\nx: 1\r\n\r\n"]
    listener = endpoint.ask(listener=Pausing())
    transport = endpoint.connections[-1]
    if pieces == 1:
        transport.say(b"".join(raw))
    else:
        transport.say(raw[0])
        assert transport.paused
        assert listener.stream is not None
        listener.stream.resume()
        transport.say(raw[1])
    assert listener.saw == ["trailers b'\\r\\nx: 1'"]
    assert not transport.paused


# what the upstream does instead of answering: its bytes, how it then ends the connection, and what is said of that
BROKEN = [
    ("closes without a byte", b"", "closed", "CONNECTION_TERMINATION", "REQUEST_SENT"),
    ("resets without a byte", b"", "reset", "CONNECTION_TERMINATION", "REQUEST_SENT"),
    ("closes inside the head", OK + b"x: ", "closed", "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("resets inside the head", b"HT", "reset", "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("closes behind an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n", "closed", "CONNECTION_TERMINATION", "REQUEST_SENT"),
    ("closes inside the body", OK + b"content-length: 5\r\n\r\nhel", "closed", "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("closes before the body", OK + b"content-length: 5\r\n\r\n", "closed", "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("resets inside the body", OK + b"content-length: 5\r\n\r\nhel", "reset", "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("closes inside chunks", OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhel", "closed", "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("closes before the last chunk", OK + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n", "closed", "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("closes inside trailers", OK + b"transfer-encoding: chunked\r\n\r\n0\r\nx: 1\r\n", "closed", "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("garbage", b"hello\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("one wrong byte", b"X", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("HTTP/2", b"\x00\x00\x12\x04", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("HTTP/0.9", b"<html>", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("a bad status line", b"HTTP/1.1 abc\r\n\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("two lengths", OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("length and chunks", OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("a folded line", OK + b"x: 1\r\n y\r\n\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("switching protocols", b"HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("too many fields", OK + b"x: 1\r\n" * 101 + b"\r\n", None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("an endless head", OK + b"x: " + b"y" * module.MAX_HEAD, None, "PROTOCOL_ERROR", "REQUEST_SENT"),
    ("a bad chunk size", OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n", None, "PROTOCOL_ERROR", "ANSWER_BEGUN"),
    ("a bad first chunk", OK + b"transfer-encoding: chunked\r\n\r\n+5\r\n", None, "PROTOCOL_ERROR", "ANSWER_BEGUN"),
]


@pytest.mark.parametrize(("what", "raw", "end", "kind", "reached"), BROKEN, ids=[one[0] for one in BROKEN])
@pytest.mark.parametrize("cut", [False, True])
def test_broken_answers(endpoint: Endpoint, what: str, raw: bytes, end: str | None, kind: str, reached: str, cut: bool) -> None:
    middle = len(raw) // 2
    listener, transport = answered(endpoint, GET, *([raw[:middle], raw[middle:]] if cut else [raw]))
    if end is not None:
        transport.hang_up(end)
    assert [word for word in listener.saw if word.startswith("failed")] == [f"failed {kind} {reached}"]
    assert listener.saw[-1].startswith("failed")
    assert "end" not in listener.saw
    assert ("head 200" in listener.saw) == (reached == "ANSWER_BEGUN")
    assert transport.lost in (end, "aborted")
    assert not endpoint.pool.connections
    assert endpoint.pool.active == endpoint.stats.upstream_rq_active == 0
    stats = endpoint.stats
    assert stats.upstream_cx_destroy_remote_with_active_rq + stats.upstream_cx_destroy_local_with_active_rq == 1
    assert stats.upstream_cx_active == 0


def test_trailers_end_here_where_they_are_not_enabled() -> None:
    endpoint = Endpoint(Cluster("c"))
    listener = endpoint.ask(put(), end=False)
    assert listener.stream is not None
    listener.stream.send_trailers(b"\r\nx: 1")
    endpoint.network.run()
    end = endpoint.connections[-1]
    assert end.take().endswith(b"chunked\r\n\r\n0\r\n\r\n")
    end.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n", b"0\r\nx: 1\r\n\r\n")
    assert listener.saw[-1] == "end"
    assert endpoint.ask(GET).stream is not None


def test_endless_interim_answers_end(endpoint: Endpoint) -> None:
    listener = endpoint.ask()
    endpoint.connections[-1].say(b"HTTP/1.1 102 Processing\r\n\r\n" * (module._MAX_INTERIM_ANSWERS + 1))
    assert listener.saw.count("interim 102") == module._MAX_INTERIM_ANSWERS
    assert listener.saw[-1] == "failed PROTOCOL_ERROR REQUEST_SENT"


def test_interim_answers_are_counted_anew_for_each_request(endpoint: Endpoint) -> None:
    for _ in range(2):
        listener, _ = answered(endpoint, GET, b"HTTP/1.1 102 Processing\r\n\r\n" * module._MAX_INTERIM_ANSWERS + EMPTY)
        assert listener.saw[-1] == "end"


@pytest.mark.parametrize("length", [module.MAX_HEAD, module.MAX_HEAD + 1])
def test_the_limit_of_a_head_does_not_depend_on_cuts(length: int) -> None:
    raw = EMPTY[:-4] + b"\r\nx: " + b"y" * (length - len(EMPTY[:-4]) - 5) + b"\r\n\r\n"
    assert raw.index(b"\r\n\r\n") == length
    said = []
    for pieces in ([raw], [raw[:-1], raw[-1:]], [raw[:-4], raw[-4:]], [raw[:9], raw[9:-3], raw[-3:]]):
        listener, _ = answered(Endpoint(), GET, *pieces)
        said.append(listener.saw[-1])
    assert set(said) == {"end" if length == module.MAX_HEAD else "failed PROTOCOL_ERROR REQUEST_SENT"}


def test_requests_as_they_are_sent(endpoint: Endpoint) -> None:
    endpoint.ask(RequestHead(b"GET", b"/a?b", b"host:80", b"\r\nx: 1"))
    assert endpoint.connections[-1].take() == b"GET /a?b HTTP/1.1\r\nhost: host:80\r\nx: 1\r\n\r\n"
    listener = endpoint.ask(put(6), b"abc", end=False)
    assert listener.stream is not None
    listener.stream.send_data(b"def", False)
    listener.stream.send_data(b"", True)
    endpoint.network.run()
    assert endpoint.connections[-1].take() == b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabcdef"
    listener = endpoint.ask(put(), b"abc", end=False)
    assert listener.stream is not None
    listener.stream.send_data(b"", False)
    listener.stream.send_data(b"def", True)
    endpoint.network.run()
    expected = b"PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"
    assert endpoint.connections[-1].take() == expected
    endpoint.ask(put(), b"abc")
    assert endpoint.connections[-1].take().endswith(b"chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    listener = endpoint.ask(put(), end=False)
    assert listener.stream is not None
    listener.stream.send_data(b"", True)
    endpoint.network.run()
    assert endpoint.connections[-1].take().endswith(b"chunked\r\n\r\n0\r\n\r\n")
    listener = endpoint.ask(put(), end=False)
    assert listener.stream is not None
    listener.stream.send_trailers(b"\r\nx: 1")
    endpoint.network.run()
    assert endpoint.connections[-1].take().endswith(b"chunked\r\n\r\n0\r\nx: 1\r\n\r\n")


def test_an_early_answer_ends_the_connection(endpoint: Endpoint) -> None:
    listener = endpoint.ask(put(100), b"some", end=False)
    transport = endpoint.connections[-1]
    transport.say(b"HTTP/1.1 413 x\r\ncontent-length: 2\r\n\r\nno")
    assert listener.saw == ["head 413", "end"]
    assert transport.lost == "closed locally"
    assert not endpoint.pool.connections


def test_an_answer_that_begins_early_and_ends_behind_the_request_keeps_no_connection_that_may_be_confused(endpoint: Endpoint) -> None:
    listener = endpoint.ask(put(4), b"ab", end=False)
    transport = endpoint.connections[-1]
    transport.say(OK + b"content-length: 4\r\n\r\nab")
    assert listener.stream is not None
    listener.stream.send_data(b"cd", True)
    transport.say(b"cd")
    assert listener.saw == ["head 200", "data", "end"]
    assert not endpoint.pool.connections


def test_bytes_that_nobody_asked_for_close_an_idle_connection(endpoint: Endpoint) -> None:
    _, transport = answered(endpoint, GET, EMPTY)
    transport.say(EMPTY)
    assert transport.lost == "aborted"
    assert not endpoint.pool.connections
    assert endpoint.pool.take() is None
    assert endpoint.stats.upstream_cx_protocol_error == 1


def test_an_answer_that_was_there_before_the_request_left_is_not_its_answer(endpoint: Endpoint) -> None:
    _, transport = answered(endpoint, GET, EMPTY)
    transport.take()
    stream = endpoint.pool.take()
    assert stream is not None
    listener = RecordingListener()
    stream.send(GET, b"", True, listener)
    transport.say(b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    assert listener.saw == ["failed CONNECTION_TERMINATION NOTHING_SENT"]
    assert transport.take() == b""
    assert transport.lost == "aborted"


def test_a_request_that_did_not_leave_was_not_sent(endpoint: Endpoint) -> None:
    _, transport = answered(endpoint, GET, EMPTY)
    stream = endpoint.pool.take()
    assert stream is not None
    listener = RecordingListener()
    stream.send(GET, b"", True, listener)
    transport.hang_up()
    assert listener.failed is not None
    assert (listener.failed.kind, listener.failed.reached) == (FailureKind.CONNECTION_TERMINATION, Reached.NOTHING_SENT)


def test_an_idle_connection_that_closes_is_forgotten(endpoint: Endpoint) -> None:
    _, transport = answered(endpoint, GET, EMPTY)
    transport.hang_up()
    assert endpoint.pool.take() is None
    assert not endpoint.pool.connections
    assert endpoint.stats.upstream_cx_destroy_remote == 1
    assert endpoint.stats.upstream_cx_destroy_remote_with_active_rq == 0


def test_cancel_frees_the_request_and_drops_the_connection(endpoint: Endpoint) -> None:
    for pieces in ([], [OK + b"content-length: 5\r\n\r\nhel"]):
        listener, transport = answered(endpoint, GET, *pieces)
        saw = list(listener.saw)
        assert listener.stream is not None
        listener.stream.cancel()
        listener.stream.cancel()
        transport.say(b"lo")
        assert listener.saw == saw
        assert transport.lost == "aborted"
        assert endpoint.pool.active == endpoint.stats.upstream_rq_active == 0
        assert not endpoint.pool.connections
    assert endpoint.stats.upstream_rq_tx_reset == 0  # as in Envoy: there are no streams that one could reset


class Cancelling(RecordingListener):
    """Loses interest as soon as it is told of the answer's head."""

    def on_head(self, head: object, data: bytes, end: bool) -> None:
        assert self.stream is not None
        self.stream.cancel()


@pytest.mark.parametrize("body", [b"5\r\nhello\r\n0\r\nx: 1\r\n\r\n", b"5\r\nhello\r\nX", b"5\r\nhello"])
def test_losing_interest_while_being_told(endpoint: Endpoint, body: bytes) -> None:
    listener = endpoint.ask(listener=Cancelling())
    endpoint.connections[-1].say(OK + b"transfer-encoding: chunked\r\n\r\n" + body)
    assert listener.saw == []
    assert endpoint.pool.active == endpoint.stats.upstream_rq_active == 0


def test_pausing_stops_the_answer(endpoint: Endpoint) -> None:
    listener, transport = answered(endpoint, GET, OK + b"content-length: 4\r\n\r\nab")
    assert listener.stream is not None
    listener.stream.pause()
    transport.say(b"cd")
    assert listener.body == b"ab"
    listener.stream.resume()
    endpoint.network.run()
    assert listener.body == b"abcd"


def test_a_slow_upstream_is_waited_for(endpoint: Endpoint) -> None:
    listener = endpoint.ask(put(2 * LARGE), end=False)
    transport = endpoint.connections[-1]
    transport.room = 100
    assert listener.stream is not None
    listener.stream.send_data(b"x" * LARGE, False)
    assert listener.saw == ["blocked"]
    listener.stream.send_data(b"x" * LARGE, True)
    transport.drain()
    assert listener.saw == ["blocked", "writable"]
    assert transport.waiting == 0


def test_what_a_slow_upstream_takes_after_its_answer_is_nobodys_concern(endpoint: Endpoint) -> None:
    listener = endpoint.ask(put(LARGE), end=False)
    transport = endpoint.connections[-1]
    transport.room = 0
    assert listener.stream is not None
    listener.stream.send_data(b"x" * LARGE, True)
    transport.say(EMPTY)
    transport.drain()
    assert listener.saw == ["blocked", "head 200", "end"]


def test_connections_say_what_they_are(endpoint: Endpoint) -> None:
    endpoint.lease()
    (connection,) = endpoint.pool.connections
    assert repr(connection) == "<Http1Connection 192.0.2.1:80 connecting requests=0>"
    endpoint.connections[0].establish()
    listener, _ = answered(endpoint, GET, OK)
    assert listener.stream is not None
    assert "busy requests=1" in repr(listener.stream)


# other protocols

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x/2\r\nContent-Length: 0\r\nx-a: 1\r\n\r\n"


def switched(endpoint: Endpoint, *pieces: bytes) -> tuple[RecordingListener, FakeTransport]:
    listener = RecordingListener()
    listener.may_switch = True
    endpoint.ask(GET, end=False, listener=listener)
    transport = endpoint.connections[-1]
    transport.say(*pieces)
    return listener, transport


@pytest.mark.parametrize("piecewise", [False, True])
def test_an_endpoint_may_switch_when_asked(endpoint: Endpoint, piecewise: bool) -> None:
    raw = b"HTTP/1.1 100 Continue\r\n\r\n" + SWITCH + b"HTTP/1.1 200 OK\r\n\r\n"
    listener, transport = switched(endpoint, *([raw[at : at + 1] for at in range(len(raw))] if piecewise else [raw]))
    assert listener.head is not None
    assert (listener.head.status, listener.head.length) == (101, UNTIL_END)
    assert listener.block == b"\r\nx-a: 1\r\nconnection: Upgrade\r\nupgrade: x/2"
    assert listener.body == b"HTTP/1.1 200 OK\r\n\r\n"
    assert transport.open


def test_a_switch_that_names_no_protocol_is_none(endpoint: Endpoint) -> None:
    listener, transport = switched(endpoint, b"HTTP/1.1 101 x\r\n\r\n")
    assert listener.saw == ["failed PROTOCOL_ERROR REQUEST_SENT"]
    assert transport.end == "reset"


def test_an_endpoint_breaks_what_it_switched_to(endpoint: Endpoint) -> None:
    listener, transport = switched(endpoint, SWITCH)
    transport.hang_up("reset")
    assert listener.saw == ["head 101", "failed CONNECTION_TERMINATION ANSWER_BEGUN"]
    assert not endpoint.pool.connections


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_each_direction_of_what_it_switched_to_ends_by_itself(endpoint: Endpoint, first: str) -> None:
    listener, transport = switched(endpoint, SWITCH)
    transport.take()
    stream = transport.handler
    for end in ("ours", "theirs") if first == "ours" else ("theirs", "ours"):
        assert endpoint.pool.active == 1
        if end == "ours":
            stream.send_data(b"last words", False)  # type: ignore[attr-defined]  # an Http1Connection
            stream.send_data(b"", True)  # type: ignore[attr-defined]
            endpoint.network.run()
            assert transport.take() == b"last words"
        else:
            transport.say(b"so long")
            transport.hang_up()
    assert listener.saw == ["head 101", "data", "end"]
    assert transport.end == "fin"
    assert endpoint.pool.active == 0
    assert not endpoint.pool.connections
