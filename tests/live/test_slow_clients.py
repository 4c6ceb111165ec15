"""Clients that are slow on purpose: they hold neither memory nor anybody else up."""

import threading

from tests.support.backend import Backend
from tests.support.proxy import Config, Proxy, cluster, route
from tests.support.wireclient import Wire

MAY_HOLD = 1 << 20
SMALL = 1 << 12


def start(proxy: Proxy, backend: Backend, **manager: object) -> Proxy:
    return proxy.front([route("/", "backend", timeout="0s")], [cluster("backend", backend.port)], **manager)


def test_half_heads_are_cut_off_while_others_are_served(backend: Backend, proxy: Proxy) -> None:
    """408, as Envoy answers since the client may be waiting, and the connection is closed."""
    start(proxy, backend, request_headers_timeout="1s")
    halves = [proxy.connect() for _ in range(200)]
    for wire in halves:
        wire.send(b"GET /name/half HTTP/1.1\r\nhost: a\r\nx-slow: ")
    with proxy.connect() as other:
        for number in range(200):
            assert other.ask("GET", f"/name/{number}").body == f"backend /name/{number}".encode()
            if number < 50:
                halves[number].send(b"z")  # a byte more is not progress
        for wire in halves:
            assert wire.answer().status == 408
            assert wire.rest() == b""
            wire.close()
        assert other.ask("GET", "/name/after").status == 200
    assert proxy.stats()["http.front.downstream_rq_header_timeout"] == 200
    assert not [request for request in backend.requests if "half" in request.target]


def test_bodies_that_never_come_are_cut_off(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend, stream_idle_timeout="0.5s")
    wires = [proxy.connect() for _ in range(50)]
    for wire in wires:
        wire.send(b"POST /sink HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf")
    for wire in wires:
        assert wire.answer().status == 408
        assert wire.rest() == b""
        wire.close()
    backend.wait(lambda backend: backend.open == 0)
    assert not [request for request in backend.requests if request.whole]


def test_idle_ones_are_closed(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend, common_http_protocol_options={"idle_timeout": "1s"})
    used, unused = proxy.connect(), proxy.connect()
    assert used.ask("GET", "/name").kept
    for wire in (used, unused):
        assert wire.rest() == b""
        assert wire.ended == "closed"
        wire.close()
    assert proxy.stats()["http.front.downstream_cx_idle_timeout"] == 2


def test_a_reader_that_never_reads_makes_the_proxy_hold_little(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend, stream_idle_timeout="3s")
    with proxy.connect() as warm:
        assert warm.ask("GET", "/big?size=2000000").whole
    before = proxy.begin_peak()
    wires = [proxy.connect(receive_buffer=SMALL) for _ in range(20)]
    for wire in wires:
        wire.request("GET", "/big?size=100000000")
    proxy.until(lambda stats: stats["http.front.downstream_rq_active"] == 20 and blocked(stats) >= 20)
    held = (proxy.peak() - before) / len(wires)
    print(f"a reader that does not read costs {held / 1024:.0f} KiB")
    assert held <= MAY_HOLD
    with proxy.connect() as other:
        assert other.ask("GET", "/name").status == 200
    proxy.until(lambda stats: stats["http.front.downstream_rq_idle_timeout"] == 20)  # and not for ever
    backend.wait(lambda backend: backend.open <= 2)
    for wire in wires:
        assert not wire.answer().whole
        wire.close()


def blocked(stats: dict[str, int]) -> int:
    return stats["cluster.backend.upstream_flow_control_paused_reading_total"]


def pipelined(direct: bool) -> bytes:
    return b"GET /%b HTTP/1.1\r\nhost: a\r\nx-fill: %b\r\n\r\n" % (b"here" if direct else b"name", b"f" * 200)


def flood(wire: Wire, requests: bytes, sent: list[int]) -> None:
    """Send until the proxy ends it."""
    try:
        while True:
            sent[0] += wire.socket.send(requests)
    except OSError:
        pass


def test_pipelined_requests_that_nobody_reads_the_answers_of(backend: Backend, proxy: Proxy) -> None:
    """Proxied ones, and ones that the proxy answers itself: reading stops when the answers are not taken."""
    big = "b" * 4000
    here: Config = {"match": {"path": "/here"}, "direct_response": {"status": 200, "body": {"inline_string": big}}}
    proxy.front([here, route("/", "backend", timeout="0s")], [cluster("backend", backend.port)])
    with proxy.connect() as other:
        assert other.ask("GET", "/here").status == other.ask("GET", "/name").status == 200
        before = proxy.begin_peak()
        wires = [proxy.connect(receive_buffer=SMALL) for _ in range(10)]
        sent = [[0] for _ in wires]
        floods = [
            threading.Thread(target=flood, args=(wire, pipelined(direct=number % 2 == 0) * 100, sent[number]))
            for number, wire in enumerate(wires)
        ]
        for thread in floods:
            thread.start()
        try:
            # the proxy has stopped reading all of them, and goes on serving
            proxy.until(lambda stats: stats["http.front.downstream_flow_control_paused_reading_total"] >= len(wires))
            for number in range(50):
                assert other.ask("GET", f"/name/{number}").status == 200
            held = (proxy.peak() - before) / len(wires)
            print(f"one flood costs {held / 1024:.0f} KiB")
            assert held <= MAY_HOLD
        finally:
            for wire in wires:
                wire.socket.shutdown(2)
            for thread in floods:
                thread.join()
            for wire in wires:
                wire.close()
        stats = proxy.until(lambda stats: stats["http.front.downstream_cx_active"] == 1)
        assert other.ask("GET", "/name").status == 200
    assert stats["http.front.downstream_rq_active"] == 0


def test_pipelined_requests_are_answered_in_order_whatever_they_cost(backend: Backend, proxy: Proxy) -> None:
    here = {"match": {"prefix": "/here"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}}
    proxy.front([here, route("/", "backend")], [cluster("backend", backend.port)])
    with proxy.connect() as wire:
        paths = [f"/{'here' if number % 3 == 0 else 'name'}/{number}" for number in range(300)]
        wire.send(b"".join(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode() for path in paths))
        for path in paths:
            assert wire.answer().body.decode() == ("here" if "here" in path else f"backend {path}")
        assert wire.silent()
