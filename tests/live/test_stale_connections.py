"""Backends that give a kept connection up at the very moment its next request arrives (RFC 9112 section 9.3.1).

No client notices as long as making the request twice is the same as making it once; what is not is never sent twice.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.backend import Backend
from tests.support.proxy import Proxy, cluster, route

ENDS = ["close", "reset", "at once"]


def start(proxy: Proxy, backend: Backend, end: str) -> Proxy:
    backend.turns = 1
    backend.last_turn = end
    return proxy.front([route("/", "backend")], [cluster("backend", backend.port)])


def ask(proxy: Proxy, client: int, count: int, method: str, body: bytes = b"") -> list[int]:
    """Ask for something new each time on one connection; return the statuses."""
    statuses = []
    with proxy.connect() as wire:
        for number in range(count):
            target = f"/name/{client}/{number}"
            answer = wire.ask(method, target, body=body)
            assert answer.whole
            assert answer.status != 200 or answer.body == f"backend {target}".encode()
            statuses.append(answer.status)
    return statuses


@pytest.mark.parametrize("end", ENDS)
def test_not_one_get_fails(backend: Backend, proxy: Proxy, end: str) -> None:
    start(proxy, backend, end)
    assert ask(proxy, 0, 500, "GET") == [200] * 500
    assert max(Counter(request.target for request in backend.requests).values()) <= 2
    if end != "at once":
        assert len(backend.requests) == 999  # all but the first met a connection that had had its turn
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda client: ask(proxy, client, 60, "GET"), range(1, 9))
    assert [set(statuses) for statuses in answers] == [{200}] * 8
    stats = proxy.at_rest()
    assert stats["http.front.downstream_rq_2xx"] == 980
    assert stats["cluster.backend.upstream_rq_2xx"] == 980


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD"])
def test_what_may_be_repeated_is(backend: Backend, proxy: Proxy, method: str, end: str) -> None:
    start(proxy, backend, end)
    body = b"" if method == "HEAD" else b"p" * 10_000
    with proxy.connect() as wire:
        for number in range(50):
            assert wire.ask(method, f"/ok/{number}", body=body).status == 200
    if body:
        sizes = {request.target: request.size for request in backend.requests if request.whole}
        assert list(sizes.values()) == [len(body)] * 50


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_what_may_not_be_repeated_is_sent_once(backend: Backend, proxy: Proxy, method: str, end: str) -> None:
    start(proxy, backend, end)
    statuses = ask(proxy, 0, 200, method, b"an order")
    assert set(statuses) <= {200, 503}
    counts = Counter(request.target for request in backend.requests)
    assert set(counts.values()) == {1}
    # whoever was told of an answer has been served
    assert statuses.count(200) == len([request for request in backend.requests if request.whole])
    if end != "at once":
        assert statuses == [200, 503] * 100


def test_a_big_upload_is_not_kept_for_a_second_time(backend: Backend, proxy: Proxy) -> None:
    start(proxy, backend, "close")
    with proxy.connect() as wire:
        assert wire.ask("GET", "/name").status == 200
        refused = wire.ask("PUT", "/ok", body=b"u" * 1_000_000)
        assert refused.status == 503
    assert len(backend.requests) == 2


def test_a_fresh_connection_that_fails_is_not_tried_again(backend: Backend, proxy: Proxy) -> None:
    proxy.front([route("/", "backend")], [cluster("backend", backend.port)])
    with proxy.connect() as wire:
        assert wire.ask("GET", "/close-start").status == 503
        assert wire.ask("GET", "/name").status == 200
        assert wire.ask("GET", "/close-start").status == 503
    assert [request.path for request in backend.requests] == ["/close-start", "/name", "/close-start", "/close-start"]
