"""Requests that go on when their body is whole."""

from shifter.filters.api import WholeBody
from shifter.filters.buffer import BufferFactory
from shifter.model.http_filter import Buffer
from shifter.wire.events import UNTIL_END, RequestHead
from tests.support.filters import Bench, FakeStream, request


def test_a_body_is_asked_for_whole_and_gets_a_length() -> None:
    head = request(b"/", b"x: y", method=b"POST", length=UNTIL_END)
    buffer = BufferFactory(Buffer(20), Bench().context).filter_for(FakeStream(head), None)
    assert buffer is not None
    assert buffer.on_request_head(head, False) == WholeBody(20)
    assert buffer.on_request_data(b"hello", True) == b"hello"
    assert head.length == 5
    assert head.block == b"\r\nx: y\r\ncontent-length: 5"


def test_a_length_that_is_there_stays() -> None:
    head: RequestHead = request(b"/", b"content-length: 5", method=b"POST", length=5)
    buffer = BufferFactory(Buffer(20), Bench().context).filter_for(FakeStream(head), Buffer(7))
    assert buffer is not None
    assert buffer.on_request_head(head, False) == WholeBody(7)
    buffer.on_request_data(b"hello", True)
    assert head.block == b"\r\ncontent-length: 5"


def test_without_a_body_or_where_a_route_says_so_nothing_waits() -> None:
    factory = BufferFactory(Buffer(20), Bench().context)
    buffer = factory.filter_for(FakeStream(request()), None)
    assert buffer is not None and buffer.on_request_head(request(), True) is None
    assert factory.filter_for(FakeStream(request()), Buffer(0, disabled=True)) is None


def test_chunks_that_bring_nothing_get_a_length_too() -> None:
    head = request(b"/", b"x: y", method=b"POST", length=UNTIL_END)
    buffer = BufferFactory(Buffer(20), Bench().context).filter_for(FakeStream(head), None)
    assert buffer is not None and buffer.on_request_head(head, True) is None
    assert (head.length, head.block) == (0, b"\r\nx: y\r\ncontent-length: 0")
