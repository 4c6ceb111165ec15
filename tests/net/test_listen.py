"""Accepting: many at once, none when there are no descriptors, and no longer than wanted."""

import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from shifter.model.address import SocketAddress
from shifter.net.listen import ListenError, ListeningPort, bind
from shifter.net.tcp import Network
from shifter.net.transport import Handler, Transport
from tests.support.turns import PATIENCE, HandDriven, Recorder


class Listening:
    """A port that is listened on, and what it accepted."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.reactor = HandDriven()
        self.network = Network(self.reactor, self.reactor.seconds)
        self.accepted: list[Transport] = []
        self.handlers: list[Recorder] = []
        self.refusing = False
        self.port = ListeningPort(self.network, bind(SocketAddress(host, 0), 100), self.accept)
        self.port.start()
        self.clients: list[socket.socket] = []

    def accept(self, transport: Transport) -> Handler | None:
        self.accepted.append(transport)
        if self.refusing:
            return None
        self.handlers.append(Recorder())
        return self.handlers[-1]

    def connect(self) -> socket.socket:
        self.clients.append(socket.create_connection((self.port.address.host, self.port.address.port), PATIENCE))
        return self.clients[-1]


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.port.stop()
    for transport in made.accepted:
        transport.abort()
    made.network.flush()
    for client in made.clients:
        client.close()
    assert not made.reactor.readers
    assert not made.reactor.getDelayedCalls()


def test_connections_reach_their_handlers(listening: Listening) -> None:
    client = listening.connect()
    listening.reactor.turn()
    client.sendall(b"hello")
    listening.reactor.turn()
    (handler,) = listening.handlers
    assert (handler.saw, handler.data) == (["data"], b"hello")
    (transport,) = listening.accepted
    assert transport.peer == SocketAddress(*client.getsockname())
    assert transport.handler is handler
    transport.write(b"hi")
    listening.network.flush()
    assert client.recv(10) == b"hi"


def test_several_are_accepted_in_one_turn(listening: Listening) -> None:
    for _ in range(10):
        listening.connect()
    listening.reactor.turn()
    assert len(listening.handlers) == 10


def test_a_refused_connection_is_reset(listening: Listening) -> None:
    listening.refusing = True
    client = listening.connect()
    listening.reactor.turn()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_ipv6() -> None:
    try:
        made = Listening("::1")
    except ListenError:
        pytest.skip("no IPv6 on the loopback")
    made.connect().close()
    made.reactor.turn()
    assert made.accepted[0].peer.host == "::1"
    made.accepted[0].abort()
    made.network.flush()
    made.port.stop()


def test_stopping_leaves_accepted_connections_alone(listening: Listening) -> None:
    client = listening.connect()
    listening.reactor.turn()
    listening.port.stop()
    listening.port.stop()
    listening.port.connectionLost(None)
    with pytest.raises(ConnectionRefusedError):
        listening.connect()
    client.sendall(b"still")
    listening.reactor.turn()
    assert listening.handlers[0].data == b"still"


class Failing:
    """A listening socket whose accept fails so and so often."""

    def __init__(self, sock: socket.socket, *codes: int) -> None:
        self._sock = sock
        self.codes = list(codes)

    def accept(self) -> Any:
        if self.codes:
            code = self.codes.pop(0)
            raise OSError(code, "no")
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_accepting_pauses(listening: Listening, code: int) -> None:
    listening.port._sock = Failing(listening.port._sock, code, code)  # type: ignore[assignment]  # one that fails on demand
    listening.connect()
    listening.reactor.turn()
    assert listening.accepted == []
    assert listening.reactor.readers == set()  # no busy loop
    listening.reactor.advance(0.25)
    listening.reactor.turn()
    listening.reactor.advance(0.25)
    listening.reactor.turn()
    assert len(listening.accepted) == 1
    assert listening.port.paused_for_descriptors == 2


def test_stopping_while_paused(listening: Listening) -> None:
    listening.port._sock = Failing(listening.port._sock, errno.EMFILE)  # type: ignore[assignment]  # one that fails on demand
    listening.connect()
    listening.reactor.turn()
    listening.port.stop()
    assert listening.reactor.getDelayedCalls() == []


def test_a_client_that_gave_up_costs_nobody_else(listening: Listening) -> None:
    listening.port._sock = Failing(listening.port._sock, errno.ECONNABORTED)  # type: ignore[assignment]  # one that fails on demand
    listening.connect()
    listening.reactor.turn()
    assert len(listening.accepted) == 1


def test_a_fault_of_ours_costs_one_connection_and_not_the_port(listening: Listening, logged_failures: list[object]) -> None:
    accept = listening.port._accept

    def fault(transport: Transport) -> Handler | None:
        raise RuntimeError("a fault")

    listening.port._accept = fault
    client = listening.connect()
    listening.reactor.turn()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    assert len(logged_failures) == 1
    logged_failures.clear()
    listening.port._accept = accept
    listening.connect()
    listening.reactor.turn()
    assert len(listening.accepted) == 1


def test_what_cannot_be_bound_is_named() -> None:
    taken = bind(SocketAddress("127.0.0.1", 0), 1)
    address = SocketAddress("127.0.0.1", taken.getsockname()[1])
    with taken, pytest.raises(ListenError, match=rf"cannot listen on {address}: Address already in use") as caught:
        bind(address, 1)
    assert caught.value.address == address
    with pytest.raises(ListenError):
        bind(SocketAddress("192.0.2.1", 0), 1)


MOVES = [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"), ("::", "127.0.0.1"), ("127.0.0.1", "::"), ("0.0.0.0", "::"), ("::", "0.0.0.0")]


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_an_address_moves_within_its_port_and_no_connection_is_lost(before: str, after: str) -> None:
    old, new = Listening(before), Listening()
    new.port.stop()
    port = old.port.address.port
    with pytest.raises(ListenError, match="in use"):
        bind(SocketAddress(after, port), 10)
    new.port = ListeningPort(new.network, bind(SocketAddress(after, port), 10, [old.port]), new.accept, 10)
    waiting = socket.create_connection(("127.0.0.1", port), PATIENCE)  # it still comes to the old one, which goes before it is accepted
    new.port.start()
    old.port.stop()
    assert len(old.accepted) == 1
    assert not new.accepted
    old.accepted[0].write(b"from the old one")
    old.network.flush()
    assert waiting.recv(100) == b"from the old one"
    with socket.create_connection(("127.0.0.1", port), PATIENCE):
        new.reactor.turn()
        assert len(new.accepted) == 1
    new.port.stop()
    for each in (old, new):
        for transport in each.accepted:
            transport.abort()
        each.network.flush()
    waiting.close()


def test_a_port_whose_move_fails_is_shared_with_nobody(listening: Listening) -> None:
    port = listening.port.address.port
    kept = bind(SocketAddress("127.0.0.2", port), 10)
    with pytest.raises(ListenError, match="in use"):
        bind(SocketAddress("0.0.0.0", port), 10, [listening.port])
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        another.bind(("127.0.0.1", port))
    kept.close()


def test_the_backlog_can_be_another(listening: Listening) -> None:
    listening.port.resize(0)
    clients = [socket.socket() for _ in range(3)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex((listening.port.address.host, listening.port.address.port))
    listening.reactor.turn()
    assert len(listening.handlers) == 1
    listening.port.resize(100)
    assert len([listening.connect() for _ in range(20)]) == 20
    listening.reactor.turn()
    assert len(listening.handlers) >= 21
    listening.port.stop()
    listening.port.resize(10)  # and nothing happens
    for client in clients:
        client.close()


def test_what_waits_is_accepted_before_the_end(listening: Listening) -> None:
    clients = [listening.connect() for _ in range(100)]
    listening.port.stop()
    assert len(listening.handlers) == 100
    for transport in listening.accepted:
        transport.write(b"bye")
    listening.network.flush()
    assert {client.recv(3) for client in clients} == {b"bye"}
