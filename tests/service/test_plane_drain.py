"""Listeners that are drained, told, and handed over: sockets are real, connections and time are the test's."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import Listener
from shifter.model.route import DirectResponseAction, PathMatchKind, Route, RouteConfiguration, RouteMatch, VirtualHost
from shifter.observe.server_stats import ServerStats
from shifter.proxy.draining import DrainStrategy
from shifter.service.plane import DataPlane
from tests.support.listeners import http_listener
from tests.support.turns import HandDriven

ANY = SocketAddress("127.0.0.1", 0)
ROUTES = RouteConfiguration(
    "all", (VirtualHost("all", (b"*",), (Route(RouteMatch(PathMatchKind.PREFIX, b"/"), DirectResponseAction(200, b"hello")),)),)
)


def listener(name: str, host: str, inbound: bool = False) -> Listener:
    manager = HttpConnectionManager(name, ROUTES, drain_timeout=2.0)
    return replace(http_listener(name, SocketAddress(host, 0), manager), inbound=inbound)


FRONT, BACK = listener("front", "127.0.0.1", True), listener("back", "127.0.0.2")


class Lab:
    def __init__(self) -> None:
        self.reactor: Any = HandDriven()
        self.stats = ServerStats("1.0", 0.0)
        self.plane = DataPlane(self.reactor, self.reactor.seconds, self.reactor.seconds, lambda: 1 << 62, self.stats)
        self.plane.start()
        self.serve(FRONT, BACK)
        self.clients: list[socket.socket] = []

    def serve(self, *listeners: Listener) -> None:
        self.plane.commit(self.plane.lay_out(Snapshot(1, Bootstrap(listeners=listeners), "memory")))

    def connect(self, name: str) -> socket.socket:
        at = self.plane.addresses[name]
        client = socket.create_connection((at.host, at.port), 5)
        self.clients.append(client)
        return client

    def ask(self, client: socket.socket) -> bytes:
        """Send a request; return the head of the answer."""
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client.setblocking(False)
        while True:
            self.reactor.turn()
            try:
                return client.recv(1000)
            except BlockingIOError:
                continue

    def closes(self, client: socket.socket) -> bool:
        """Whether an answer ends the connection of *client*."""
        return b"\r\nconnection: close\r\n" in self.ask(client)

    def wait(self, seconds: float) -> None:
        self.reactor.pump([0.05] * round(seconds / 0.05))


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.plane.stop()
    for client in lab.clients:
        client.close()
    assert not lab.reactor.readers


def test_drained_listeners_accept_no_more(lab: Lab) -> None:
    front, back = lab.connect("front"), lab.connect("back")  # both wait to be accepted
    lab.plane.drain_listeners(inbound_only=True)
    assert lab.closes(front) and not lab.closes(back)
    with pytest.raises(ConnectionRefusedError):
        lab.connect("front")
    assert not lab.closes(lab.connect("back"))
    (left,) = lab.plane.sockets
    left.sock.close()
    assert left.name == "back"
    lab.serve(BACK, listener("front", "127.0.0.1", True))  # another configuration changes nothing about that
    with pytest.raises(ConnectionRefusedError):
        lab.connect("front")


def test_told_listeners_go_on(lab: Lab) -> None:
    lab.plane.tell(DrainStrategy.GRADUAL, 10.0, inbound_only=True)
    front = lab.connect("front")
    assert not lab.closes(front)
    lab.wait(6.0)
    assert lab.closes(lab.connect("front")) and not lab.closes(lab.connect("back"))
    lab.plane.fail_health_checks(True)
    assert lab.closes(lab.connect("back"))
    lab.plane.fail_health_checks(False)
    assert not lab.closes(lab.connect("back")) and lab.closes(lab.connect("front"))
    lab.serve(replace(FRONT, backlog=7), BACK)
    assert lab.closes(lab.connect("front"))


def test_a_drain_is_over_when_the_last_connection_is(lab: Lab) -> None:
    client = lab.connect("front")
    assert not lab.closes(client)
    over: list[object] = []
    lab.plane.drain().addCallback(over.append)
    assert lab.plane.connections == 1
    lab.wait(1.0)
    assert over == []
    lab.wait(6.0)
    assert over == [None]


def test_sockets_are_handed_over_open(lab: Lab) -> None:
    front, back = lab.plane.sockets
    assert (front.address, front.name, str(front.sock.getsockname()[0])) == (ANY, "front", "127.0.0.1")
    address = front.sock.getsockname()
    lab.plane.stop_accepting()
    with socket.create_connection(address), front.sock.accept()[0]:
        assert lab.plane.sockets == []
    front.sock.close()
    back.sock.close()
