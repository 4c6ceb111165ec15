"""What the proxy holds of a message that somebody does not take: never more than the configured buffer.

Held is what it has read of the one and not written to the other. Every pair of protocols, both directions, both ways of being slow.
"""

from dataclasses import replace
from itertools import product

import pytest

from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.net.buffers import read_at_a_time, window
from shifter.proxy.door_h2 import take_over
from shifter.wire import h2_events as ev
from shifter.wire.events import UNTIL_END, RequestHead
from shifter.wire.h2 import ClientConnection, Connection, Http2Options, ServerConnection
from tests.support.proxies import ONE, Proxy, forward
from tests.support.transports import FakeTransport
from tests.support.upstreams import GET

H1, H2 = UpstreamProtocol.HTTP1, UpstreamProtocol.HTTP2
LIMITS = (4096, 40_000, 1 << 20)
OVERHEAD = 1500  # heads, frames' and chunks' own bytes
WIDE = Http2Options(stream_window=1 << 30, connection_window=1 << 30, send_mark=1 << 30)
POST = RequestHead(b"POST", b"/", b"a", length=UNTIL_END)
NARROW = Http2Options(stream_window=1, connection_window=1 << 30)


class Exchange:
    """A proxy with buffers of *limit* bytes, a client, and the backend that it comes to."""

    def __init__(self, limit: int, client: UpstreamProtocol, backend: UpstreamProtocol, narrow: bool = False) -> None:
        self.limit = limit
        cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), protocol=backend, per_connection_buffer_limit_bytes=limit)
        self.proxy = Proxy((forward(b"/", "one", timeout=0.0),), clusters=(cluster,), take_over=take_over)
        self.proxy.runtime.listener = replace(self.proxy.runtime.listener, per_connection_buffer_limit_bytes=limit)
        self.network = self.proxy.network
        self.client = self.network.accept(self.proxy.listener.accept)
        self.client.largest = read_at_a_time(limit, 256 * 1024)
        slow = NARROW if narrow else WIDE
        self.asking = ClientConnection(slow) if client is H2 else None
        self.answering = ServerConnection(slow) if backend is H2 else None
        self.stream = 0
        self.talk()  # who has not seen our SETTINGS may send 64 KiB (RFC 9113 section 6.9.2)

    @property
    def backend(self) -> FakeTransport:
        return self.proxy.backend

    def talk(self) -> None:
        """Let both far ends say and hear what their codecs have, until they have no more."""
        self.network.run()
        for _ in range(10_000):
            moved = False
            if self.asking is not None:
                moved = self._turn(self.client, self.asking)
            if self.answering is not None and self.network.outgoing:
                moved = self._turn(self.backend, self.answering) or moved
            if not moved:
                return
        raise AssertionError("this never ends")

    def _turn(self, transport: FakeTransport, codec: Connection) -> bool:
        said = transport.take()
        events = codec.receive(said) if said else []
        for event in (*events, *codec.events()):
            if event[0] == ev.REQUEST:
                self.stream = event[1]
        answer = codec.data_to_send()
        transport.arrive(answer)
        self.network.run()
        return bool(said or answer)

    def ask(self, body: int = 0) -> None:
        """Send a request, with so many bytes of body."""
        if self.asking is not None:
            number = self.asking.send_request(POST if body else GET, not body)
            if body:
                self.asking.send_data(number, b"x" * body, True)
        elif body:
            self.client.arrive(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % body, b"x" * body)
        else:
            self.client.arrive(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        self.talk()

    def begin(self) -> int:
        """Send a request's head alone; return the number of its stream, if it has one."""
        number = 0
        if self.asking is not None:
            number = self.asking.send_request(POST, False)
        else:
            self.client.arrive(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        self.talk()
        return number

    def send(self, number: int, body: int) -> None:
        """Send so many bytes of the body, and not its end."""
        if self.asking is not None:
            self.asking.send_data(number, b"x" * body, False)
        else:
            self.client.arrive(b"%x\r\n%b\r\n" % (body, b"x" * body))
        self.talk()

    def answer(self, body: int, end: bool = True) -> None:
        """Answer with so many bytes; there is one more to come unless *end*."""
        if self.answering is not None:
            self.answering.send_response(self.stream, 200, b"", False)
            self.answering.send_data(self.stream, b"x" * body, end)
        else:
            self.backend.arrive(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (body + (not end)), b"x" * body)
        self.talk()


def slow_ways(slow: UpstreamProtocol) -> tuple[bool, ...]:
    """Not to read; with HTTP/2 also to read, and to open no window."""
    return (False, True) if slow is H2 else (False,)


CASES = [(limit, client, backend, narrow) for limit, client, backend in product(LIMITS, (H1, H2), (H1, H2)) for narrow in slow_ways(client)]


@pytest.mark.parametrize(("limit", "client", "backend", "narrow"), CASES)
def test_an_answer_that_the_client_does_not_take(limit: int, client: UpstreamProtocol, backend: UpstreamProtocol, narrow: bool) -> None:
    one = Exchange(limit, client, backend, narrow)
    one.ask()
    size = 5 * limit
    if not narrow:
        one.client.room = 0
    before = one.backend.bytes_received - one.client.bytes_sent
    one.answer(size)
    held = one.backend.bytes_received - one.client.bytes_sent - before
    assert 0 < held <= limit + OVERHEAD
    if not narrow:
        for _ in range(200):
            one.client.drain()
            one.talk()
        assert one.client.bytes_sent >= size


@pytest.mark.parametrize(("limit", "backend", "client", "narrow"), CASES)
def test_a_body_that_the_backend_does_not_take(limit: int, client: UpstreamProtocol, backend: UpstreamProtocol, narrow: bool) -> None:
    one = Exchange(limit, client, backend)
    if backend is H2:
        one.answering = ServerConnection(NARROW if narrow else WIDE)
    one.network.answers = False
    size = 5 * limit
    one.ask(size)
    waiting = one.client.bytes_received
    assert waiting <= limit + OVERHEAD  # while there is no connection
    one.network.answers = True
    if not narrow:
        one.network.turn()
        one.backend.room = 0
    one.talk()
    held = one.client.bytes_received - one.backend.bytes_sent
    assert 0 < held <= limit + OVERHEAD
    if not narrow:
        for _ in range(200):
            one.backend.drain()
            one.talk()
        assert one.backend.bytes_sent >= size


@pytest.mark.parametrize(("limit", "client", "backend"), list(product(LIMITS, (H1, H2), (H1, H2))))
def test_a_call_that_streams_both_ways_and_nobody_reads(limit: int, client: UpstreamProtocol, backend: UpstreamProtocol) -> None:
    one = Exchange(limit, client, backend)
    size = 5 * limit
    number = one.begin()
    one.client.room = one.backend.room = 0
    up, down = one.client.bytes_received - one.backend.bytes_sent, one.backend.bytes_received - one.client.bytes_sent
    one.send(number, size)
    one.answer(size, False)
    assert 0 < one.client.bytes_received - one.backend.bytes_sent - up <= limit + OVERHEAD
    assert 0 < one.backend.bytes_received - one.client.bytes_sent - down <= limit + OVERHEAD
    for _ in range(200):
        one.backend.drain()
        one.client.drain()
        one.talk()
    assert min(one.backend.bytes_sent, one.client.bytes_sent) >= size


@pytest.mark.parametrize("backend", [H1, H2])
def test_a_body_goes_on_while_the_client_does_not_take_the_answer(backend: UpstreamProtocol) -> None:
    one = Exchange(4096, H1, backend)
    number = one.begin()
    one.client.room = 0
    one.answer(20_000, False)
    one.send(number, 20_000)
    assert one.backend.bytes_sent >= 20_000


@pytest.mark.parametrize("limit", [0, 1, 3, 4096, 1 << 20])
def test_how_a_limit_is_shared_out(limit: int) -> None:
    read, wide = read_at_a_time(limit, 256 * 1024), window(limit, 64 * 1024)
    assert 1 <= read <= 256 * 1024
    assert 1 <= wide <= 64 * 1024
    if limit >= 4:
        assert read + 2 * wide <= limit
