"""The filter by itself: a factory, a stream that is a plain object, and calls as the proxy makes them."""

from types import SimpleNamespace

import pytest
from hello_filter import Hello, HelloFactory
from twisted.internet.task import Clock

from shifter.filters import FactoryContext, Reply
from shifter.routing.runtime import Runtime
from shifter.wire.events import UNTIL_END, RequestHead, ResponseHead


def factory_for(config: Hello, clock: Clock, counted: list[str]) -> HelloFactory:
    def count(name: str, by: int = 1) -> None:
        counted.extend([name] * by)

    context = FactoryContext("hello", "front", clock.seconds, clock.seconds, clock.callLater, lambda: 4, Runtime(), count, count)
    return HelloFactory(config, context)


def stream_of(path: bytes, block: bytes = b"\r\nx-name: world") -> SimpleNamespace:
    return SimpleNamespace(head=RequestHead(b"GET", path, b"example.com", block))


def test_it_answers() -> None:
    counted: list[str] = []
    stream = stream_of(b"/hello")
    one = factory_for(Hello("good morning"), Clock(), counted).filter_for(stream, None)
    assert one is not None
    answer = one.on_request_head(stream.head, True)
    assert isinstance(answer, Reply)
    assert answer.body == b"good morning world\n"
    assert counted == ["hello.greeted"]


def test_it_waits_and_tells_the_upstream() -> None:
    clock = Clock()
    stream = stream_of(b"/")
    one = factory_for(Hello(), clock, []).filter_for(stream, Hello("HELLO", 2.0))
    assert one is not None
    waits = one.on_request_head(stream.head, True)
    assert not waits.called
    clock.advance(2.0)
    assert waits.called
    assert stream.head.block.endswith(b"\r\nx-greeting: HELLO world")


def test_a_client_that_goes_leaves_no_timer() -> None:
    clock = Clock()
    stream = stream_of(b"/")
    one = factory_for(Hello(delay=2.0), clock, []).filter_for(stream, None)
    assert one is not None
    waits = one.on_request_head(stream.head, True)
    waits.addErrback(lambda gone: None)
    waits.cancel()
    assert not clock.getDelayedCalls()


def test_it_says_bye() -> None:
    stream = stream_of(b"/")
    one = factory_for(Hello(), Clock(), []).filter_for(stream, None)
    assert one is not None
    head = ResponseHead(200, b"\r\ncontent-length: 3", 3)
    one.on_response_head(head, False)
    assert (head.length, head.block) == (UNTIL_END, b"\r\nx-greeted: yes")
    assert one.on_response_data(b"abc", True) == b"abcbye\n"


def test_who_has_no_name_is_not_greeted() -> None:
    assert factory_for(Hello(), Clock(), []).filter_for(stream_of(b"/", b""), None) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"greting": "x"}, "there is no field `greting`; known: delay, greeting"),
        ({"greeting": 3}, "`greeting` is a text of one line"),
        ({"delay": "soon"}, "`delay` is a number of seconds"),
    ],
)
def test_what_it_is_told_is_checked(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError) as raised:
        HelloFactory.parse(fields)
    assert str(raised.value) == problem
