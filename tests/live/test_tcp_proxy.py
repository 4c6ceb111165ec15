"""A TCP proxy with real sockets: weights that change, chains that go, and the end of the process."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread
from typing import Any

import pytest

from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, address, bootstrap, cluster

TCP_PROXY_TYPE = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


class Named:
    """A server that says its name, and then what it hears."""

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            sock.sendall(self._name)
            while data := sock.recv(1 << 16):
                sock.sendall(data)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def servers() -> Iterator[dict[str, int]]:
    with ExitStack() as stack:
        made = {name: Named(name.encode()) for name in ("old", "new")}
        for server in made.values():
            stack.callback(server.close)
        yield {name: server.port for name, server in made.items()}


def configuration(proxy: Proxy, servers: dict[str, int], *ports: int, **weights: int) -> dict[str, Any]:
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    typed = {"@type": TCP_PROXY_TYPE, "stat_prefix": "tcp", "weighted_clusters": {"clusters": clusters}}
    filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": typed}]
    listeners = [{"name": f"tcp {port}", "address": address(port), "filter_chains": [{"filters": filters}]} for port in ports]
    return bootstrap(proxy.admin, listeners, [cluster(name, port) for name, port in servers.items()])


def connect(port: int) -> tuple[socket.socket, bytes]:
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    return sock, sock.recv(3)


def echoes(sock: socket.socket) -> bool:
    sock.sendall(b"still there?")
    return sock.recv(100) == b"still there?"


def test_changes_are_for_those_who_come_and_the_end_waits_for_those_who_are_there(proxy: Proxy, servers: dict[str, int]) -> None:
    other = proxy.reserve()
    proxy.start(configuration(proxy, servers, proxy.port, other, old=1))
    first, name = connect(proxy.port)
    elsewhere, _ = connect(other)
    assert name == b"old"
    proxy.reload(configuration(proxy, {"new": servers["new"]}, proxy.port, new=1))
    second, name = connect(proxy.port)
    assert name == b"new"
    with pytest.raises(ConnectionRefusedError):
        connect(other)
    assert all(map(echoes, (first, second, elsewhere)))
    proxy.signal(signal.SIGTERM)
    proxy.says("draining")
    assert all(map(echoes, (first, second, elsewhere)))
    assert proxy.process.poll() is None
    for sock in (first, second, elsewhere):
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
        sock.close()
    assert proxy.wait() == 0
