"""Requests for tunnels on HTTP/2 connections: sent once the endpoint has said that it takes them, each direction ended by itself."""

from typing import Any

import pytest

from shifter.routing.retry import Reached
from shifter.upstream.interfaces import FailureKind, UpstreamStream
from shifter.wire.events import TUNNEL, UPGRADE, RequestHead
from shifter.wire.h1 import switching
from shifter.wire.h2 import Http2Options, ServerConnection
from tests.support.upstreams import RecordingListener
from tests.upstream.test_connection_h2 import Endpoint

PLAIN = RequestHead(b"CONNECT", b"", b"a.test:80", flags=TUNNEL | UPGRADE)


def extended() -> RequestHead:
    return RequestHead(b"GET", b"/", b"a.test", switching(b"chat"), flags=TUNNEL | UPGRADE)


class Switching(RecordingListener):
    may_switch = True


class Waiting:
    """A request that was given a new connection, whose endpoint has said nothing yet."""

    def __init__(self, head: RequestHead, allow_connect: bool = True, **config: Any) -> None:
        self.endpoint = Endpoint(Http2Options(allow_connect=allow_connect), **config)
        self.listener = Switching()
        self.streams: list[UpstreamStream] = []
        lease = self.endpoint.pool.lease()
        lease.addCallback(self._leased, head)
        self.transport = self.endpoint.connections[-1]
        self.transport.establish()

    def _leased(self, stream: UpstreamStream, head: RequestHead) -> None:
        self.streams.append(stream)
        stream.send(head, b"", False, self.listener)

    @property
    def stream(self) -> UpstreamStream:
        [stream] = self.streams
        return stream

    def meet(self) -> None:
        """Have the endpoint speak at last."""
        self.endpoint.servers[self.transport] = ServerConnection(self.endpoint.options)
        self.endpoint.turn()


def test_another_protocol_waits_for_the_endpoints_settings() -> None:
    waiting = Waiting(extended())
    assert waiting.endpoint.pool.active == 1
    waiting.meet()
    [(server, number, head)] = waiting.endpoint.requests
    assert (head.method, head.path, head.block) == (b"GET", b"/", switching(b"chat"))
    server.send_agreement(number, 101, b"")
    waiting.endpoint.turn()
    assert waiting.listener.saw == ["head 101"]


@pytest.mark.parametrize("allow_connect", [True, False])
def test_a_plain_connect_needs_no_settings(allow_connect: bool) -> None:
    waiting = Waiting(PLAIN, allow_connect)
    waiting.meet()
    assert [head.method for _, _, head in waiting.endpoint.requests] == [b"CONNECT"]


def test_an_endpoint_that_does_not_take_it_is_not_asked() -> None:
    waiting = Waiting(extended(), allow_connect=False)
    waiting.meet()
    assert not waiting.endpoint.requests
    failed = waiting.listener.failed
    assert failed is not None
    assert (failed.kind, failed.reached) == (FailureKind.PROTOCOL_ERROR, Reached.NOTHING_SENT)
    assert waiting.endpoint.pool.active == 0


def test_who_gives_up_while_waiting_leaves_nothing() -> None:
    waiting = Waiting(extended())
    waiting.stream.cancel()
    assert waiting.endpoint.pool.active == 0
    waiting.meet()
    assert not waiting.endpoint.requests
    assert waiting.listener.saw == []


def test_an_endpoint_that_hangs_up_before_it_has_spoken() -> None:
    waiting = Waiting(extended())
    waiting.transport.hang_up()
    failed = waiting.listener.failed
    assert failed is not None
    assert failed.kind is FailureKind.CONNECTION_TERMINATION
    assert waiting.endpoint.pool.active == 0
    assert not waiting.endpoint.pool.connections


@pytest.mark.parametrize("ours_first", [True, False])
def test_each_direction_ends_by_itself(ours_first: bool) -> None:
    waiting = Waiting(PLAIN)
    waiting.meet()
    endpoint = waiting.endpoint
    [(server, number, _)] = endpoint.requests
    server.send_agreement(number, 200, b"")
    endpoint.turn()
    for ours in (ours_first, not ours_first):
        assert endpoint.pool.active == 1
        if ours:
            waiting.stream.send_data(b"bye", True)
        else:
            server.send_data(number, b"so long", True)
        endpoint.turn()
    assert waiting.listener.saw == ["head 200", "data", "end"]
    assert endpoint.pool.active == 0
    assert server.active == 0
    endpoint.ask()  # the connection goes on


def test_an_answer_that_ends_at_once_is_no_agreement() -> None:
    waiting = Waiting(extended())
    waiting.meet()
    waiting.endpoint.answer()
    assert waiting.listener.saw == ["head 200", "end"]
    assert waiting.endpoint.pool.active == 0
