"""Tries on streams of HTTP/2 connections: what is thrown away resets its stream, and no other."""

from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.retry import HedgePolicy, RetryPolicy
from shifter.wire import h2_events as ev
from shifter.wire.h2 import Http2Options, ServerConnection
from tests.support.h2ends import converse
from tests.support.proxies import ONE, Proxy, forward, get
from tests.support.retries import retrying, stats
from tests.support.transports import FakeTransport

SHARED = Cluster("one", endpoints=(LbEndpoint(ONE),), protocol=UpstreamProtocol.HTTP2)
REFUSED = 7


class Servers:
    """The far ends of a proxy's connections to its endpoint."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.ends: dict[FakeTransport, ServerConnection] = {}
        self.requests: list[tuple[ServerConnection, int, bytes]] = []
        self.resets: list[int] = []
        self.turn()

    def turn(self) -> None:
        """Let the wait before the next try pass, and everybody talk."""
        for transport in self.proxy.backends:
            self.ends.setdefault(transport, ServerConnection(Http2Options()))
        converse(self.proxy.network, self.ends, self._hears)
        self.proxy.clock.advance(0)
        for transport in self.proxy.backends:
            self.ends.setdefault(transport, ServerConnection(Http2Options()))
        converse(self.proxy.network, self.ends, self._hears)

    def _hears(self, server: ServerConnection, event: ev.Event) -> None:
        if event[0] == ev.REQUEST:
            self.requests.append((server, event[1], event[2].block))
        elif event[0] == ev.RESET:
            self.resets.append(event[1])

    def answer(self, number: int, status: int, data: bytes = b"", end: bool = True) -> None:
        """Answer the request of that number, counted from 0."""
        server, stream, _ = self.requests[number]
        server.send_response(stream, status, b"", end and not data)
        if data:
            server.send_data(stream, data, end)
        self.turn()

    def refuse(self, number: int) -> None:
        """Say that it was not looked at."""
        server, stream, _ = self.requests[number]
        server.reset(stream, REFUSED)
        self.turn()


def test_an_answer_that_has_not_ended_costs_its_stream() -> None:
    proxy = retrying(clusters=(SHARED,))
    client = proxy.connect(get(b"/"))
    servers = Servers(proxy)
    servers.answer(0, 503, b"bad", end=False)
    assert len(servers.requests) == 2
    assert servers.resets == [servers.requests[0][1]]
    assert len(proxy.backends) == 1
    assert b"\r\nx-envoy-attempt-count: 2" in servers.requests[1][2]
    servers.answer(1, 200)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    proxy.settled(c200=1)


def test_refused_streams() -> None:
    proxy = retrying("refused-stream", clusters=(SHARED,))
    client = proxy.connect(get(b"/"))
    servers = Servers(proxy)
    servers.refuse(0)
    assert stats(proxy) == {}, "the first time it is nobody's fault"
    servers.refuse(1)
    assert stats(proxy) == {"retry": 1, "retry_backoff_exponential": 1}
    servers.answer(2, 200)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    proxy.settled(c200=1)


def test_hedged_tries_share_a_connection() -> None:
    policy = RetryPolicy(frozenset(("5xx",)), per_try_timeout=0.2, back_off_base=0.001, back_off_max=0.001)
    proxy = Proxy((forward(b"/", "one", retry=policy, hedge=HedgePolicy(True)),), (SHARED,))
    client = proxy.connect(get(b"/"))
    servers = Servers(proxy)
    proxy.wait(0.25)
    servers.turn()
    assert len(servers.requests) == 2
    servers.answer(0, 200)
    assert client.take().startswith(b"HTTP/1.1 200 ")
    assert servers.resets == [servers.requests[1][1]]
    assert len(proxy.backends) == 1
    proxy.settled(c200=1)
