"""SIGTERM: what is under way finishes, what comes is refused, and the process ends with exit code 0."""

import signal
import socket
import threading

import pytest

from tests.support.backend import Backend
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, cluster, route
from tests.support.wireclient import Wire


def start(proxy: Proxy, backend: Backend) -> Proxy:
    return proxy.front([route("/", "backend", timeout="0s")], [cluster("backend", backend.port)])


def test_requests_under_way_finish_and_nothing_else_is_accepted(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend)
    waiting = [proxy.connect() for _ in range(10)]
    streaming = [proxy.connect() for _ in range(10)]
    idle = [proxy.connect() for _ in range(5)]
    unused = proxy.connect()
    for wire in idle:
        assert wire.ask("GET", "/name/idle").status == 200
    for wire in waiting:
        wire.request("GET", "/hold")
    for wire in streaming:
        wire.request("GET", "/hold-body")
    backend.seen(lambda request: request.path.startswith("/hold"), 20)
    proxy.signal(signal.SIGTERM)
    for wire in (*idle, unused):
        assert wire.rest() == b""
        assert wire.ended == "closed"
        wire.close()
    with pytest.raises(ConnectionRefusedError):
        Wire(proxy.port)
    assert proxy.process.poll() is None
    backend.release()
    for wire in waiting:
        answer = wire.answer()
        assert (answer.status, answer.whole) == (200, True)
        assert answer[b"connection"] == b"close"
    for wire in streaming:  # their heads were out before
        answer = wire.answer()
        assert (answer.status, answer.body) == (200, b"x" * 100 + b"y" * 100)
    for wire in (*waiting, *streaming):
        assert wire.rest() == b""
        assert wire.ended == "closed"
        wire.close()
    assert proxy.wait() == 0
    assert len([line for line in proxy.access if " /hold" in line and " 200 - " in line]) == 20  # the log is whole too


def test_an_upload_under_way_finishes(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.send(b"POST /sink HTTP/1.1\r\nhost: a\r\ncontent-length: 2000\r\n\r\n" + b"a" * 1000)
        backend.seen(lambda request: request.path == "/sink")
        proxy.signal(signal.SIGTERM)
        proxy.says("draining")
        wire.send(b"a" * 1000)
        answer = wire.answer()
        assert answer.body.startswith(b"2000 ")
        assert answer[b"connection"] == b"close"
    assert proxy.wait() == 0


def test_a_head_under_way_is_a_request_under_way(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.send(b"GET /name/half HTTP/1.1\r\nho")
        proxy.until(lambda stats: stats["http.front.downstream_cx_active"] == 1)
        proxy.signal(signal.SIGTERM)
        proxy.says("draining")
        wire.send(b"st: a\r\n\r\n")
        assert wire.answer().body == b"backend /name/half"
        assert wire.rest() == b""
    assert proxy.wait() == 0


def test_busy_keep_alive_clients_lose_nothing(backend: Backend, proxy: Proxy) -> None:
    """Each is told by its next answer, wherever between two requests the signal finds it."""
    start(proxy, backend)
    lost: list[str] = []
    counts: list[int] = []
    underway = threading.Semaphore(0)

    def client(number: int) -> None:
        count = 0
        with proxy.connect() as wire:
            while True:
                count += 1
                answer = wire.ask("GET", f"/name/{number}/{count}")
                if answer.body != f"backend /name/{number}/{count}".encode():
                    lost.append(f"client {number}, request {count}: {answer}")
                    break
                if not answer.kept:
                    break
                if count == 20:
                    underway.release()
        counts.append(count)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in clients:
        thread.start()
    for _ in clients:
        assert underway.acquire(timeout=PATIENCE)
    proxy.signal(signal.SIGTERM)
    for thread in clients:
        thread.join(PATIENCE)
    assert not lost
    assert len(counts) == len(clients)
    assert proxy.wait() == 0


def test_a_second_signal_ends_it_at_once(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.request("GET", "/hang")
        [_] = backend.seen(lambda request: request.path == "/hang")
        proxy.signal(signal.SIGTERM)
        proxy.says("draining")
        proxy.signal(signal.SIGTERM)
        assert not wire.answer().whole
        assert proxy.wait() == 0
        backend.seen(lambda request: request.ended)
    assert proxy.lines("second signal")


def test_interrupt_drains_too(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.request("GET", "/hold")
        backend.seen(lambda request: request.path == "/hold")
        proxy.signal(signal.SIGINT)
        proxy.says("draining")
        backend.release()
        assert wire.answer()[b"connection"] == b"close"
    assert proxy.wait() == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)
