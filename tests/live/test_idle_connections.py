"""10,000 clients that keep their connections and say nothing: each was served, each is still there, each costs next to nothing."""

import resource
from collections.abc import Iterator

import pytest

from tests.support.backend import Backend
from tests.support.proxy import Proxy, cluster, route
from tests.support.wireclient import Wire

COUNT = 10_000
SPARE = 500
MAY_COST = 2048
AT_ONCE = 50


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = COUNT + SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"a process may have {hard} descriptors here, {needed} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def ask_all(wires: list[Wire], path: str) -> None:
    for first in range(0, len(wires), AT_ONCE):
        some = wires[first : first + AT_ONCE]
        for wire in some:
            wire.request("GET", path)
        for wire in some:
            answer = wire.answer()
            assert (answer.status, answer.whole, answer.kept) == (200, True, True)


def test_ten_thousand(many_descriptors: None, backend: Backend, proxy: Proxy) -> None:
    here = {"match": {"path": "/here"}, "direct_response": {"status": 200, "body": {"inline_string": "here"}}}
    proxy.from_scratch = True
    proxy.front([here, route("/", "backend")], [cluster("backend", backend.port)])
    wires: list[Wire] = []
    try:
        wires += [proxy.connect() for _ in range(SPARE // 2)]
        ask_all(wires, "/name")  # whatever is made once is made now
        before = proxy.memory()
        already = len(wires)
        while len(wires) < COUNT:
            more = [proxy.connect() for _ in range(AT_ONCE)]
            wires += more
            ask_all(more, "/name")
        stats = proxy.at_rest()
        assert stats["http.front.downstream_cx_active"] == COUNT
        cost = (proxy.memory() - before) / (COUNT - already)
        print(f"an idle connection costs {cost:.0f} bytes")
        assert cost <= MAY_COST, f"an idle connection costs {cost:.0f} bytes"
        ask_all(wires, "/here")
        stats = proxy.at_rest()
        assert stats["http.front.downstream_cx_active"] == COUNT
        assert stats["http.front.downstream_cx_total"] == COUNT
        assert stats["http.front.downstream_rq_2xx"] == 2 * COUNT
    finally:
        for wire in wires:
            wire.close()
    proxy.until(lambda stats: stats["http.front.downstream_cx_active"] == 0)
