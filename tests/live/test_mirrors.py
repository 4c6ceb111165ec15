"""Clusters that get copies and are dead, deaf, slow, or break off: who asked is answered as if they were not there."""

from typing import Any

import pytest

from tests.support.backend import MODES, Backend, Blackhole, blocks, checksum
from tests.support.proxy import Proxy, cluster, route
from tests.support.wireclient import Answer, Wire

UPLOAD = 48 << 20
MAY_HOLD = 8 << 20


def mirrored(path: str, **action: Any) -> dict[str, object]:
    return route(path, "backend", request_mirror_policies=[{"cluster": "mirror"}], **action)


def upload(wire: Wire, path: str, size: int) -> Answer:
    wire.send(f"POST {path} HTTP/1.1\r\nhost: front.test\r\ncontent-length: {size}\r\n\r\n".encode())
    for block in blocks(size):
        wire.send(block)
    return wire.answer()


@pytest.mark.parametrize("size", [0, 3 << 20])
def test_a_cluster_that_is_dead(backend: Backend, proxy: Proxy, size: int) -> None:
    proxy.front([mirrored("/")], [cluster("backend", backend.port), cluster("mirror", proxy.reserve())])
    with proxy.connect() as wire:
        for _ in range(20):
            assert upload(wire, "/sink", size).body == f"{size} {checksum(size)}".encode()
    stats = proxy.at_rest()
    assert stats["cluster.backend.upstream_rq_200"] == 20
    assert stats["cluster.mirror.upstream_rq_503"] == 20
    assert "downstream_rq_5xx" not in {name for name, value in stats.items() if value}


def test_a_cluster_that_does_not_accept(backend: Backend, proxy: Proxy) -> None:
    with Blackhole() as hole:
        proxy.front([mirrored("/")], [cluster("backend", backend.port), cluster("mirror", hole.port, connect_timeout="0.3s")])
        with proxy.connect() as wire:
            for _ in range(20):
                assert upload(wire, "/sink", 100_000).status == 200
        stats = proxy.until(lambda stats: stats.get("cluster.mirror.upstream_rq_503") == 20)
        assert stats["cluster.mirror.upstream_cx_connect_timeout"] > 0


def test_a_cluster_that_reads_nothing_holds_neither_memory_nor_anybody_up(backend: Backend, proxy: Proxy) -> None:
    """The copies are given up when a megabyte waits for each; the uploads arrive whole and are not slowed down to nothing."""
    with Backend("mirror") as mirror:
        proxy.from_scratch = True
        routes = [mirrored("/", prefix_rewrite="/deaf/")]
        proxy.front(routes, [cluster("backend", backend.port), cluster("mirror", mirror.port)])
        backend.release()  # deaf to nobody any more; the other one stays so
        proxy.begin_peak()
        before = proxy.memory()
        with proxy.connect() as wire:
            answer = upload(wire, "/sink", UPLOAD)
        assert answer.body == f"{UPLOAD} {checksum(UPLOAD)}".encode()
        assert proxy.peak() - before < MAY_HOLD + before
        assert proxy.at_rest()["cluster.mirror.upstream_cx_destroy_local_with_active_rq"] == 1
        [copied] = mirror.requests
        assert not copied.whole


def test_a_slow_answer_to_a_copy_delays_nobody(backend: Backend, proxy: Proxy) -> None:
    """The mirror never answers; the route's timeout ends the copies."""
    with Backend("mirror") as mirror:
        routes = [mirrored("/", timeout="1s", prefix_rewrite="/hold/")]
        proxy.front(routes, [cluster("backend", backend.port), cluster("mirror", mirror.port)])
        backend.release()
        with proxy.connect() as wire:
            for number in range(50):
                assert wire.ask("GET", f"/{number}").status == 200
        mirror.seen(lambda request: request.whole, 50)
        assert proxy.until(lambda stats: stats.get("cluster.mirror.upstream_rq_504") == 50)["cluster.mirror.upstream_rq_timeout"] == 50
        assert proxy.stats()["http.front.downstream_rq_2xx"] == 50


@pytest.mark.parametrize("mode", sorted({"reset-start", "close-headers", "reset-body", "bad-chunk", "garbage", "big-headers"} & set(MODES)))
def test_a_cluster_that_breaks_off(backend: Backend, proxy: Proxy, mode: str) -> None:
    with Backend("mirror") as mirror:
        given = {"cluster": "mirror", "request_headers_mutations": [{"append": {"header": {"key": "x-copy", "value": "1"}}}]}
        routes = [route("/", "backend", request_mirror_policies=[given])]
        proxy.front(routes, [cluster("backend", backend.port), cluster("mirror", mirror.port)])
        MODES["name"], usual = _by_backend(mode), MODES["name"]
        try:
            with proxy.connect() as wire:
                for number in range(20):
                    assert wire.ask("GET", f"/name/{number}").body == f"backend /name/{number}".encode()
        finally:
            MODES["name"] = usual
        proxy.at_rest()


def _by_backend(mode: str) -> Any:
    """A mode that is ``name`` for the backend that everybody asks, and *mode* for the other."""
    usual, broken = MODES["name"], MODES[mode]
    return lambda it, request: (broken if it.backend.name == "mirror" else usual)(it, request)
