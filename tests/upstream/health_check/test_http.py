"""What is asked over HTTP/1.1, and what answers mean. Requests are Envoy 1.40's, byte by byte."""

import pytest

from shifter.model.address import Pipe, SocketAddress
from shifter.model.cluster import LbEndpoint
from shifter.model.health_check import HttpHealthCheck
from shifter.model.route import AppendAction, HeaderValueOption, StringMatcher, StringMatchKind
from shifter.observe.stats import ClusterStats
from shifter.upstream.health_check.http import HttpProbe, HttpQuestion
from shifter.upstream.host import Host
from tests.support.checks import OK, AskedForBytes, answer

NETWORK = ("NETWORK",)
ADDRESS = SocketAddress("192.0.2.1", 80)
PLAIN = HttpHealthCheck(b"/hc")
PIECES = HttpHealthCheck(b"/hc", receive=(b"ab", b"cd"), response_buffer_size=8)


class Asked(AskedForBytes):
    """A host that is asked, and its end of the connection."""

    def __init__(self, config: HttpHealthCheck = PLAIN, reuse: bool = True, endpoint: LbEndpoint | None = None) -> None:
        super().__init__()
        self.stats = ClusterStats()
        host = Host(ADDRESS, 0.0)
        host.describe(endpoint or LbEndpoint(ADDRESS), 1, 0.0)
        self.probe = HttpProbe(HttpQuestion(config, "cluster", reuse, self.stats, "health_check."), host, self.verdicts, self.network)


def fails(*told: object) -> list[object]:
    return [("ACTIVE", *told)]


# the request


def test_the_request() -> None:
    asked = Asked()
    asked.ask()
    assert asked.transport.take() == b"GET /hc HTTP/1.1\r\nhost: cluster\r\nuser-agent: Envoy/HC\r\n\r\n"


def test_who_is_asked_for() -> None:
    config = HttpHealthCheck(b"/hc", host=b"h.example")
    for endpoint, host in ((LbEndpoint(ADDRESS), b"h.example"), (LbEndpoint(ADDRESS, health_check_hostname="e.example"), b"e.example")):
        asked = Asked(config, endpoint=endpoint)
        asked.ask()
        assert b"\r\nhost: %b\r\n" % host in asked.transport.take()


def test_fields_and_body() -> None:
    asked = Asked(
        HttpHealthCheck(
            b"/hc?x=1",
            method=b"POST",
            send=b"ab",
            headers_to_add=(
                HeaderValueOption(b"X-A", b"1 %UPSTREAM_HOST%"),
                HeaderValueOption(b"user-agent", b"mine", AppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
            ),
            headers_to_remove=(b"x-b",),
        )
    )
    asked.ask()
    assert asked.transport.take() == (
        b"POST /hc?x=1 HTTP/1.1\r\nhost: cluster\r\nuser-agent: mine\r\nx-a: 1\r\ncontent-length: 2\r\n\r\nab"
    )


def test_elsewhere() -> None:
    asked = Asked(endpoint=LbEndpoint(ADDRESS, health_check_port=81))
    asked.ask()
    assert asked.transport.peer == SocketAddress("192.0.2.1", 81)
    other = SocketAddress("192.0.2.2", 90)
    asked = Asked(endpoint=LbEndpoint(ADDRESS, health_check_address=other))
    asked.ask()
    assert asked.transport.peer == other
    asked = Asked(endpoint=LbEndpoint(ADDRESS, health_check_address=Pipe("/run/x"), health_check_port=81))
    asked.ask()
    assert asked.transport.peer == Pipe("/run/x")


# what answers mean


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (200, ["well"]),
        (204, fails(204)),
        (300, ["well"]),
        (302, fails(302)),
        (503, fails("retriable", 503)),
        (504, fails(504)),
    ],
)
def test_statuses(status: int, told: list[object]) -> None:
    config = HttpHealthCheck(b"/hc", expected_statuses=((200, 201), (300, 302)), retriable_statuses=((503, 504),))
    assert Asked(config).ask(answer(status)) == told


def test_bodies() -> None:
    assert Asked(PIECES).ask(answer(body=b"ab--cd")) == ["well"]
    assert Asked(PIECES).ask(answer(body=b"cd--ab")) == fails(200)
    assert Asked(PIECES).ask(answer(body=b"abc")) == fails(200)
    assert Asked(PIECES).ask(answer(body=b"12345ab-cd")) == fails(200)  # too late
    assert Asked(HttpHealthCheck(b"/hc", receive=(b"a",), response_buffer_size=0)).ask(answer(body=b"-" * 9999 + b"a")) == ["well"]
    assert Asked(PIECES).ask(answer(503, b"x-envoy-immediate-health-check-fail: true")) == ["exclude", *fails(503)]


def test_services() -> None:
    config = HttpHealthCheck(b"/hc", service_name_matcher=StringMatcher(StringMatchKind.PREFIX, b"locations"))
    asked = Asked(config)
    assert asked.ask(answer(200, b"x-envoy-upstream-healthchecked-cluster: locations-production")) == ["well"]
    assert asked.stats.more["health_check.verify_cluster"] == 1
    assert Asked(config).ask(answer(200, b"x-envoy-upstream-healthchecked-cluster: other")) == fails(200)
    assert Asked(config).ask(OK) == fails(200)


def test_what_hosts_say_of_themselves() -> None:
    assert Asked().ask(answer(200, b"x-envoy-degraded: ")) == ["degraded"]
    assert Asked().ask(answer(500, b"x-envoy-immediate-health-check-fail: true")) == ["exclude", *fails(500)]
    assert Asked().ask(answer(200, b"x-envoy-immediate-health-check-fail: true")) == ["well"]


# how answers are read


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab-c\r\n1\r\nd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab-cd\r\n0\r\nx-t: 1\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab-cd",
    ],
    ids=["chunked", "trailers", "interim answers"],
)
def test_however_it_is_cut(said: bytes) -> None:
    asked = Asked(PIECES)
    for at in range(1, len(said)):
        asked.ask(said[:at], said[at:])
    assert asked.ask(said) == ["well"] * len(said)
    assert len(asked.network.outgoing) == 1


def test_a_body_that_ends_with_the_connection() -> None:
    asked = Asked(PIECES)
    assert asked.ask(b"HTTP/1.1 200 OK\r\n\r\nab-cd") == []
    asked.transport.hang_up()
    assert asked.verdicts.told == ["well"]
    assert asked.ask(b"HTTP/1.1 200 OK\r\n\r\nab-cd") == ["well"]
    asked.transport.hang_up("reset")
    assert asked.verdicts.told == ["well", NETWORK]


def test_answers_without_bodies() -> None:
    asked = Asked(HttpHealthCheck(b"/hc", method=b"HEAD"))
    assert asked.ask(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n") == ["well"]
    assert asked.ask(OK) == ["well", "well"]
    assert Asked(HttpHealthCheck(b"/hc", expected_statuses=((304, 305),))).ask(b"HTTP/1.1 304 X\r\ncontent-length: 5\r\n\r\n") == ["well"]


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["garbage", "switch", "endless head", "bad chunk"],
)
def test_what_is_no_answer(said: bytes) -> None:
    asked = Asked()
    assert asked.ask(said) == [NETWORK]
    assert asked.transport.lost == "aborted"


def test_no_connection() -> None:
    asked = Asked()
    asked.probe.ask()
    asked.transport.refuse()
    assert asked.verdicts.told == [NETWORK]


def test_the_connection_ends_in_between() -> None:
    asked = Asked()
    asked.ask(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab")
    asked.transport.hang_up()
    assert asked.verdicts.told == [NETWORK]


# the connection


def test_one_connection_serves_all_checks() -> None:
    asked = Asked()
    asked.ask(OK)
    asked.ask(OK)
    assert len(asked.network.outgoing) == 1
    assert asked.transport.open


@pytest.mark.parametrize("said", [answer(200, b"connection: close"), b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", OK + b"more"])
def test_some_answers_end_it(said: bytes) -> None:
    asked = Asked()
    asked.ask(said)
    assert asked.transport.end == "fin"
    asked.ask(OK)
    assert len(asked.network.outgoing) == 2
    assert asked.verdicts.told == ["well", "well"]


def test_it_may_be_made_anew_each_time() -> None:
    asked = Asked(reuse=False)
    asked.ask(OK)
    asked.ask(OK)
    assert [transport.end for transport in asked.network.outgoing] == ["fin", "fin"]


def test_between_two_checks() -> None:
    asked = Asked()
    asked.ask(OK)
    asked.transport.hang_up()
    assert asked.verdicts.told == ["well"]
    asked.ask(OK)
    asked.transport.say(OK)  # nobody asked
    assert asked.transport.lost == "aborted"
    assert asked.ask(OK) == ["well"] * 3
    assert len(asked.network.outgoing) == 3


def test_nobody_waits_any_more() -> None:
    asked = Asked()
    asked.ask(b"HTTP/1.1 200 OK\r\n")
    first = asked.transport
    asked.probe.give_up()
    asked.network.run()
    assert first.lost == "aborted"
    assert asked.ask(OK) == ["well"]
