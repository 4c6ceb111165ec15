"""Clients that disappear: the upstream hears of it, nothing stays behind, and the log says ``DC``."""

import pytest

from tests.support.backend import Backend
from tests.support.proxy import Proxy, cluster, route
from tests.support.wireclient import Wire

WAYS = ["close", "reset"]
PATHS = {
    "before the answer": "/hang",
    "inside a head": "/hang-headers",
    "inside a body": "/hang-body",
    "inside a big body": "/big?size=104857600",
    "inside a big chunked body": "/big?size=104857600&chunked=1",
}


def start(proxy: Proxy, backend: Backend, **more: object) -> Proxy:
    return proxy.front([route("/", "backend", timeout="0s")], [cluster("backend", backend.port, **more)])


def assert_nothing_left(proxy: Proxy, backend: Backend) -> None:
    backend.wait(lambda backend: backend.open == 0)
    stats = proxy.until(lambda stats: not stats["http.front.downstream_cx_active"] and not stats["cluster.backend.upstream_cx_active"])
    for name in ("http.front.downstream_rq_active", "cluster.backend.upstream_rq_active", "cluster.backend.upstream_rq_pending_active"):
        assert stats[name] == 0, name
    assert stats["http.front.downstream_cx_total"] == stats["http.front.downstream_cx_destroy"]
    assert stats["cluster.backend.upstream_cx_total"] == stats["cluster.backend.upstream_cx_destroy"]
    assert stats["http.front.downstream_rq_rx_reset"] == 1


def leave(wire: Wire, how: str) -> None:
    (wire.reset if how == "reset" else wire.close)()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_download(backend: Backend, proxy: Proxy, path: str, how: str) -> None:
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.request("GET", path)
        backend.seen(lambda request: request.target == path)
        if "body" in path or "big" in path:
            wire.socket.recv(100)
        leave(wire, how)
    [_] = backend.seen(lambda request: request.ended)
    assert_nothing_left(proxy, backend)
    line = proxy.logged(path)
    assert line[3] == "DC"
    assert line[2] == ("200" if "body" in path or "big" in path else "0")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("framing", ["content-length: 1000000", "transfer-encoding: chunked"])
def test_upload(backend: Backend, proxy: Proxy, framing: str, how: str) -> None:
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.request("POST", "/sink", framing)
        wire.send(b"2710\r\n" + b"u" * 10000 + b"\r\n" if "chunked" in framing else b"u" * 10000)
        backend.seen(lambda request: request.path == "/sink")
        leave(wire, how)
    [request] = backend.seen(lambda request: request.ended)
    assert not request.whole
    assert_nothing_left(proxy, backend)
    assert proxy.logged("/sink")[2:4] == ["0", "DC"]


@pytest.mark.parametrize("how", WAYS)
def test_while_it_waits_for_a_connection(backend: Backend, proxy: Proxy, how: str) -> None:
    thresholds = {"thresholds": [{"max_connections": 1}]}
    start(proxy, backend, circuit_breakers=thresholds)
    with proxy.connect() as busy, proxy.connect() as wire:
        busy.request("GET", "/hold")
        backend.seen(lambda request: request.path == "/hold")
        wire.request("GET", "/name/waits")
        proxy.until(lambda stats: stats["cluster.backend.upstream_rq_pending_active"] == 1)
        leave(wire, how)
        proxy.until(lambda stats: stats["cluster.backend.upstream_rq_pending_active"] == 0)
        backend.release()
        assert busy.answer().status == 200
        assert busy.ask("GET", "/name/next").status == 200
    assert proxy.logged("/name/waits")[2:4] == ["0", "DC"]
    assert len(backend.requests) == 2


def test_one_that_stops_sending_but_goes_on_reading_is_answered(backend: Backend, proxy: Proxy) -> None:
    """As Envoy, a half-closed client is a client that is gone, unless its answer is there already."""
    start(proxy, backend)
    with proxy.connect() as wire:
        wire.request("GET", "/hold")
        backend.seen(lambda request: request.path == "/hold")
        wire.finish()
        assert wire.answer().status == 0
    backend.seen(lambda request: request.ended)
    assert proxy.logged("/hold")[3] == "DC"


def test_two_hundred_at_once(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend)
    wires = [proxy.connect() for _ in range(200)]
    for wire in wires:
        wire.request("GET", "/hang")
    backend.seen(lambda request: request.path == "/hang", 200)
    for number, wire in enumerate(wires):
        leave(wire, WAYS[number % 2])
    backend.wait(lambda backend: backend.open == 0)
    stats = proxy.at_rest()
    assert stats["http.front.downstream_rq_rx_reset"] == 200
    with proxy.connect() as wire:
        assert wire.ask("GET", "/name").status == 200
