"""Checks over HTTP/2."""

import pytest

from shifter.model.address import SocketAddress
from shifter.model.health_check import HttpHealthCheck
from shifter.observe.stats import ClusterStats
from shifter.upstream.health_check.http import HttpQuestion
from shifter.upstream.health_check.http2 import Http2Probe
from shifter.upstream.host import Host
from shifter.wire import h2_events as ev
from tests.support import h2frames as raw
from tests.support.checks import AskedOverHttp2

NETWORK = ("NETWORK",)


class Asked(AskedOverHttp2):
    """A host that is asked, and a server of another make."""

    def __init__(self, config: HttpHealthCheck | None = None, reuse: bool = True) -> None:
        super().__init__()
        question = HttpQuestion(config or HttpHealthCheck(b"/hc", http2=True), "cluster", reuse, ClusterStats(), "health_check.")
        self.probe = Http2Probe(question, Host(SocketAddress("192.0.2.1", 80), 0.0), self.verdicts, self.network)

    def answer(self, status: int = 200, body: bytes = b"", block: bytes = b"", trailers: bytes = b"") -> list[object]:
        """Ask, and answer."""
        stream = self.ask()[1]
        self.server.send_response(stream, status, block, not body and not trailers)
        if body:
            self.server.send_data(stream, body, not trailers)
        if trailers:
            self.server.send_trailers(stream, trailers)
        self.turn()
        return self.told


def test_the_request() -> None:
    head = Asked().ask()[2]
    assert (head.method, head.path, head.authority, head.scheme, head.block) == (
        b"GET",
        b"/hc",
        b"cluster",
        b"http",
        b"\r\nuser-agent: Envoy/HC",
    )


def test_a_request_with_a_body() -> None:
    asked = Asked(HttpHealthCheck(b"/hc", method=b"POST", send=b"ab", receive=(b"ok",)))
    assert asked.answer(200, b"is ok") == ["well"]
    assert [event[2:] for event in asked.heard if event[0] == ev.DATA] == [(b"ab", True)]


@pytest.mark.parametrize(
    ("status", "body", "trailers", "told"),
    [
        (200, b"", b"", ["well"]),
        (200, b"ok", b"", ["well"]),
        (200, b"ok", b"\r\nx-t: 1", ["well"]),
        (500, b"", b"", [("ACTIVE", 500)]),
        (500, b"ok", b"", [("ACTIVE", 500)]),
    ],
)
def test_answers(status: int, body: bytes, trailers: bytes, told: list[object]) -> None:
    assert Asked().answer(status, body, trailers=trailers) == told


def test_one_connection_serves_all_checks() -> None:
    asked = Asked()
    for _ in range(3):
        asked.answer()
    assert asked.told == ["well"] * 3
    assert len(asked.network.outgoing) == 1


def test_it_may_be_made_anew_each_time() -> None:
    asked = Asked(reuse=False)
    for _ in range(2):
        asked.answer(block=b"\r\nx-envoy-degraded: 1")
    assert asked.told == ["degraded"] * 2
    assert [transport.end for transport in asked.network.outgoing] == ["fin", "fin"]


def test_a_stream_that_is_reset() -> None:
    asked = Asked()
    stream = asked.ask()[1]
    asked.server.reset(stream)
    asked.turn()
    assert asked.told == [NETWORK]


def test_no_connection_and_one_that_ends() -> None:
    asked = Asked()
    asked.probe.ask()
    asked.transport.refuse()
    assert asked.told == [NETWORK]
    asked.ask()
    asked.transport.hang_up()
    assert asked.told == [NETWORK] * 2


def test_what_is_no_http2() -> None:
    asked = Asked()
    asked.probe.ask()
    asked.transport.establish()
    asked.transport.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert asked.told == [NETWORK]
    assert asked.transport.lost == "aborted"


def test_who_goes_away_may_still_answer() -> None:
    asked = Asked()
    stream = asked.ask()[1]
    asked.server.goaway()
    asked.turn()
    assert asked.told == []
    asked.server.send_response(stream, 200, b"", True)
    asked.turn()
    assert asked.told == ["well"]
    asked.answer()
    assert asked.told == ["well", "well"]
    assert len(asked.network.outgoing) == 2


def test_who_goes_away_in_anger_does_not() -> None:
    asked = Asked()
    asked.ask()
    asked.transport.say(raw.goaway(1, ev.ENHANCE_YOUR_CALM))
    assert asked.told == [NETWORK]


def test_who_goes_away_between_two_checks() -> None:
    asked = Asked()
    asked.answer()
    asked.server.goaway()
    asked.turn()
    assert not asked.probe.connection_open
    assert asked.told == ["well"]


def test_the_connection_may_break_between_two_checks() -> None:
    asked = Asked()
    asked.answer()
    asked.transport.say(b"\xff" * 100)
    assert not asked.probe.connection_open
    assert asked.answer() == ["well", "well"]


def test_nobody_waits_any_more() -> None:
    asked = Asked()
    asked.ask()
    first = asked.transport
    asked.probe.give_up()
    asked.network.run()
    assert first.lost == "aborted"
    assert asked.answer() == ["well"]


def test_a_connection_that_is_not_established_yet_is_no_reason_not_to_ask() -> None:
    asked = Asked()
    asked.probe.ask()
    asked.probe.give_up()
    asked.network.run()
    assert asked.answer() == ["well"]
