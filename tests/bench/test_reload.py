"""What requests notice of changes: what is asked and reported, without a proxy."""

import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from bench import reload
from bench.process import BenchError
from shifter.service.loading import load_checked

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.fixture
def port() -> Iterator[int]:
    """Where every request is answered alike, one client after the other."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    while asked := client.recv(65_536):
                        client.sendall(ANSWER if b"/hello " in asked else b"HTTP/1.1 404 Not Found\r\n\r\n")

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_the_configuration_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "CLUSTERS", 3)
    monkeypatch.setattr(reload, "ROUTES", 7)
    loaded = load_checked(reload.written(reload.configuration(1, 2, 10)).encode(), "front.yaml")
    assert loaded.bootstrap is not None, loaded.problems
    [manager] = loaded.bootstrap.listeners[0].managers
    [host] = manager.route_config.virtual_hosts
    assert (len(loaded.bootstrap.clusters), len(host.routes)) == (3, 1 + 7)


def test_a_row_is_the_round_in_which_nobody_waited_long(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "REST", 0.02)
    done: list[int] = []
    row = reload.row("nothing", port, lambda: done.append(1))
    assert len(row) == len(reload.COLUMNS)
    assert len(done) == reload.ROUNDS
    assert int(row[2]) > 0
    assert float(row[3]) >= float(row[4]) > 0


def test_a_wrong_answer_is_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_REQUEST", b"GET /other HTTP/1.1\r\n\r\n")
    with pytest.raises(BenchError, match="not answered"):
        reload.row("nothing", port, lambda: None)
