"""One table of what filters do, through every door: HTTP/1.1, HTTP/2, and the resource of twisted.web."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import Site

from shifter.filters.api import Reply, WholeBody, unframe
from shifter.proxy.door_h2 import take_over
from shifter.proxy.webdoor import TreeResource
from shifter.wire import h2_events as ev
from shifter.wire.events import NO_BODY, RequestHead
from shifter.wire.h2 import ClientConnection, Http2Options
from tests.support.h2ends import converse
from tests.support.proxies import get
from tests.support.scripted import Filtered

Seen = tuple[int, bytes]
"""Status and body."""


class OverHttp1:
    """A client of the fast door."""

    def __init__(self, proxy: Filtered) -> None:
        self.proxy = proxy
        self.client = proxy.connect()

    def ask(self, path: bytes, body: bytes = b"") -> None:
        if not body:
            self.client.say(get(path))
            return
        head = get(path, b"content-length: %d" % len(body), method=b"POST")
        self.client.say(head, body[:2], body[2:])

    def sees(self) -> Seen:
        head, _, body = self.client.take().partition(b"\r\n\r\n")
        if b"chunked" in head:
            body = b"".join(body.split(b"\r\n")[1::2])
        return int(head[9:12]), body

    def goes(self) -> None:
        self.client.hang_up()


class OverHttp2:
    """A client that speaks HTTP/2."""

    def __init__(self, proxy: Filtered) -> None:
        self.proxy = proxy
        self.codec = ClientConnection(Http2Options())
        self.transport = proxy.network.accept(lambda transport: take_over(transport, proxy.runtime, b""))
        self.heard: list[ev.Event] = []
        proxy.runtime.stats.downstream_cx_total += 1
        self.turn()

    def turn(self) -> None:
        converse(self.proxy.network, {self.transport: self.codec}, lambda _, event: self.heard.append(event))

    def ask(self, path: bytes, body: bytes = b"") -> None:
        block = b"\r\ncontent-length: %d" % len(body) if body else b""
        head = RequestHead(b"POST" if body else b"GET", path, b"a", block, len(body) if body else NO_BODY)
        self.number = self.codec.send_request(head, not body)
        self.turn()
        if body:
            self.codec.send_data(self.number, body[:2], False)
            self.turn()
            self.codec.send_data(self.number, body[2:], True)
        self.turn()

    def sees(self) -> Seen:
        self.turn()
        [status] = [event[2].status for event in self.heard if event[0] == ev.RESPONSE]
        return status, b"".join(event[2] for event in self.heard if event[0] == ev.DATA)

    def goes(self) -> None:
        self.transport.hang_up()


class OverTheWeb:
    """A client of a stock ``Site``."""

    def __init__(self, proxy: Filtered) -> None:
        self.proxy = proxy
        self.channel = Site(TreeResource(proxy.runtime)).buildProtocol(None)
        self.channel.callLater = Clock().callLater
        self.wire = StringTransport()
        self.channel.makeConnection(self.wire)

    def ask(self, path: bytes, body: bytes = b"") -> None:
        lines = (b"content-length: %d" % len(body),) if body else ()
        self.channel.dataReceived(get(path, *lines, method=b"POST" if body else b"GET") + body)
        self.proxy.network.run()

    def sees(self) -> Seen:
        self.proxy.network.run()
        head, _, body = bytes(self.wire.value()).partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            body = b"".join(body.split(b"\r\n")[1::2])
        return int(head[9:12]), body

    def goes(self) -> None:
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.proxy.network.run()


DOORS = [OverHttp1, OverHttp2, OverTheWeb]
Door = OverHttp1 | OverHttp2 | OverTheWeb
HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


def louder(data: bytes, end: bool) -> bytes:
    return data.upper() + b"!" * end


def freed(head: Any, end: bool) -> None:
    unframe(head)


EXCHANGES: list[tuple[str, dict[str, Any], bytes, bytes, bytes | None, Seen]] = [
    # what the filter does, path, body, the body that the backend sees, what the client sees
    ("nothing", {}, b"/one", b"abcd", b"abcd", (200, b"hello")),
    ("answers", {"request_head": Reply(403, b"no")}, b"/one", b"", None, (403, b"no")),
    ("answers the body", {"request_data": Reply(403, b"no")}, b"/direct", b"", None, (403, b"no entry")),
    ("wants the body", {"request_head": WholeBody(10), "request_data": louder}, b"/one", b"abcd", b"ABCD!", (200, b"hello")),
    ("too large", {"request_head": WholeBody(3)}, b"/one", b"abcd", None, (413, b"Payload Too Large")),
    ("changes the answer", {"response_head": freed, "response_data": louder}, b"/one", b"", b"", (200, b"HELLO!")),
    ("changes a direct response", {"response_head": freed, "response_data": louder}, b"/direct", b"", None, (403, b"NO ENTRY!")),
    ("no route", {}, b"/unknown", b"", None, (404, b"")),
]


@pytest.mark.parametrize("over", DOORS)
@pytest.mark.parametrize(("does", "path", "body", "forwarded", "seen"), [one[1:] for one in EXCHANGES], ids=[one[0] for one in EXCHANGES])
def test_exchange(
    over: Callable[[Filtered], Door], does: dict[str, Any], path: bytes, body: bytes, forwarded: bytes | None, seen: Seen
) -> None:
    proxy = Filtered(a=does, b={})
    door = over(proxy)
    door.ask(path, body)
    assert bool(proxy.backends) is (forwarded is not None)
    if forwarded is not None:
        assert proxy.backend.take().partition(b"\r\n\r\n")[2] == forwarded
        proxy.backend.say(HELLO)
    assert door.sees() == seen
    assert len(proxy.lines) == 1
    assert dict(proxy.stats.codes) == {seen[0]: 1}
    proxy.over()
    door.goes()


@pytest.mark.parametrize("over", DOORS)
def test_a_wait(over: Callable[[Filtered], Door]) -> None:
    waits: Deferred[None] = Deferred()
    proxy = Filtered(a={"request_head": waits}, b={})
    door = over(proxy)
    door.ask(b"/one", b"abcdef")
    assert not proxy.backends
    waits.callback(None)
    if isinstance(door, OverHttp2):
        door.turn()
    proxy.network.run()
    assert proxy.backend.take().partition(b"\r\n\r\n")[2] == b"abcdef"
    proxy.backend.say(HELLO)
    assert door.sees() == (200, b"hello")
    assert dict(proxy.stats.codes) == {200: 1}
    door.goes()


@pytest.mark.parametrize("over", DOORS)
def test_the_client_goes(over: Callable[[Filtered], Door]) -> None:
    waits: Deferred[None] = Deferred()
    proxy = Filtered(a={"request_head": waits})
    door = over(proxy)
    door.ask(b"/one")
    door.goes()
    assert waits.called
    assert dict(proxy.stats.codes) == {0: 1}
    assert " 0 DC " in proxy.lines[0]
    proxy.over()


@pytest.mark.parametrize("over", DOORS)
def test_a_fault(over: Callable[[Filtered], Door], monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(Logger, "failure", lambda self, text, failure=None, **fields: said.append(text))
    proxy = Filtered(a={"response_head": ZeroDivisionError()})
    door = over(proxy)
    door.ask(b"/one")
    proxy.backend.say(HELLO)
    proxy.wait(0.1)
    assert door.sees() == (500, b"internal error")
    assert len(said) == 1
    assert +Counter(proxy.stats.codes) == {500: 1}
    proxy.over()
    door.goes()


def test_a_reset_stream_and_one_that_goes_on() -> None:
    waits: list[Deferred[None]] = []

    def later(head: RequestHead, end: bool) -> Deferred[None]:
        waits.append(Deferred())
        return waits[-1]

    proxy = Filtered(a={"request_head": later})
    door = OverHttp2(proxy)
    door.ask(b"/one")
    first = door.number
    door.ask(b"/direct")
    door.codec.reset(first, ev.CANCEL)
    door.turn()
    assert [one.called for one in waits] == [True, False]
    waits[1].callback(None)
    assert door.sees() == (403, b"no entry")
    assert dict(proxy.stats.codes) == {0: 1, 403: 1}
    door.goes()
