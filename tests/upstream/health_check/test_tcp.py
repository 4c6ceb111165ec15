"""Hosts that speak something of their own."""

from shifter.model.address import SocketAddress
from shifter.model.health_check import TcpHealthCheck
from shifter.upstream.health_check.tcp import TcpProbe
from shifter.upstream.host import Host
from tests.support.checks import AskedForBytes

PING = TcpHealthCheck(b"PING", (b"PO", b"NG"))


class Asked(AskedForBytes):
    """A host that is asked, and its end of the connection."""

    def __init__(self, config: TcpHealthCheck = PING, reuse: bool = True) -> None:
        super().__init__()
        self.probe = TcpProbe(config, Host(SocketAddress("192.0.2.1", 80), 0.0), self.verdicts, self.network, reuse)


def test_a_connection_is_enough() -> None:
    asked = Asked(TcpHealthCheck())
    assert asked.ask() == ["well"]
    assert asked.transport.end == "fin"
    assert asked.ask() == ["well", "well"]
    assert len(asked.network.outgoing) == 2


def test_no_connection() -> None:
    asked = Asked(TcpHealthCheck())
    asked.probe.ask()
    asked.transport.refuse()
    assert asked.verdicts.told == [("NETWORK",)]


def test_question_and_answer() -> None:
    asked = Asked()
    assert asked.ask(b"P", b"O-N") == []
    assert asked.transport.take() == b"PING"
    asked.transport.say(b"G\n")
    assert asked.verdicts.told == ["well"]
    asked.transport.say(b"PONG")  # nobody asked
    assert asked.ask(b"PO") == ["well"]
    asked.transport.say(b"NG")
    assert asked.verdicts.told == ["well", "well"]
    assert len(asked.network.outgoing) == 1


def test_a_wrong_answer_is_none() -> None:
    asked = Asked()
    assert asked.ask(b"NGPO") == []
    asked.probe.give_up()
    asked.network.run()
    assert asked.transport.lost == "aborted"
    assert asked.verdicts.told == []


def test_without_reuse() -> None:
    asked = Asked(reuse=False)
    asked.ask(b"PONG")
    assert asked.transport.end == "fin"
    asked.ask(b"PONG")
    assert asked.verdicts.told == ["well", "well"]


def test_a_kept_connection_that_ends_is_a_failure() -> None:
    asked = Asked()
    asked.ask(b"PONG")
    asked.transport.hang_up()
    assert asked.verdicts.told == ["well", ("NETWORK",)]


def test_a_host_that_talks_without_end() -> None:
    asked = Asked()
    assert asked.ask(*[b"x" * 65536] * 17) == [("NETWORK",)]
    assert asked.transport.lost == "aborted"
