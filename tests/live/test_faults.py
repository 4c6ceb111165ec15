"""Backends that fail at every point of an answer: what the client gets, what the log says, and that nobody else notices.

The table is Envoy 1.40's behaviour but for the places that ``docs/differences.md`` names.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.support.backend import MODES, Backend, Blackhole
from tests.support.proxy import Proxy, cluster, route
from tests.support.wireclient import Answer, Wire

ERROR = b"upstream connect error or disconnect/reset before headers. reset reason: "
TERMINATED, PROTOCOL = ERROR + b"connection termination", ERROR + b"protocol error"
TIMEOUT = b"upstream request timeout"


@dataclass(frozen=True)
class Fault:
    """What must come of it. ``body`` ``None``: any; ``size`` bytes of an answer that is cut off, when it is one."""

    status: int
    flag: str
    body: bytes | None = None
    cut: int | None = None
    method: str = "GET"
    upload: int = 0


FAULTS = {
    # nobody there
    "/refused": Fault(503, "UF", ERROR + b"remote connection failure"),
    "/blackhole": Fault(503, "UF", ERROR + b"connection timeout"),
    "/nobody": Fault(503, "UH", b"no healthy upstream"),
    "/nowhere": Fault(404, "NR", b""),
    # gone before the answer
    "/close-start": Fault(503, "UC", TERMINATED),
    "/reset-start": Fault(503, "UC", TERMINATED),
    "/close-start/post": Fault(503, "UC", TERMINATED, method="POST", upload=10),
    "/close-headers": Fault(502, "UPE", PROTOCOL),
    "/reset-headers": Fault(502, "UPE", PROTOCOL),
    # gone inside it
    "/close-body": Fault(200, "UPE", cut=100),
    "/reset-body": Fault(200, "UPE", cut=100),
    "/close-chunked": Fault(200, "UPE", cut=100),
    "/reset-chunked": Fault(200, "UPE", cut=100),
    "/bad-chunk": Fault(200, "UPE", cut=0),
    "/bad-chunk-at-once": Fault(200, "UPE", cut=0),
    # silent
    "/hang": Fault(504, "UT", TIMEOUT),
    "/hang/post": Fault(504, "UT", TIMEOUT, method="POST", upload=100_000),
    "/hang-headers": Fault(504, "UT", TIMEOUT),
    "/hang-body": Fault(200, "UT", cut=100),
    "/drip?every=0.2&bytes=1000": Fault(200, "UT", cut=-1),
    "/patient/drip?every=0.1&bytes=15": Fault(200, "-", b"x" * 15),
    # not HTTP, or HTTP that can be read in two ways
    "/garbage": Fault(502, "UPE", PROTOCOL),
    "/http09": Fault(502, "UPE", PROTOCOL),
    "/big-headers": Fault(502, "UPE", PROTOCOL),
    "/huge-headers": Fault(502, "UPE", PROTOCOL),
    "/many-headers": Fault(502, "UPE", PROTOCOL),
    "/two-lengths": Fault(502, "UPE", PROTOCOL),
    "/length-and-chunks": Fault(502, "UPE", PROTOCOL),
    "/switching": Fault(502, "UPE", PROTOCOL),
    "/interims?count=20000": Fault(502, "UPE", PROTOCOL),
    # odd, and all right
    "/interims?count=1000": Fault(200, "-"),
    "/long-body": Fault(200, "-", b"hello"),
    "/second-answer": Fault(200, "-", b"hello"),
    "/trailers": Fault(200, "-", b"hello"),
    "/until-close": Fault(200, "-", b"hello"),
    "/connection-close": Fault(200, "-", b"hello"),
    "/connection-close/head": Fault(200, "-", b"", method="HEAD"),
    "/status/503": Fault(503, "-", b"as you wish"),
    "/early": Fault(413, "-", b"too much", method="POST", upload=4 << 20),
    "/early-kept": Fault(413, "-", b"too much", method="POST", upload=4 << 20),
    "/early/small": Fault(413, "-", b"too much", method="POST", upload=10),
}


@dataclass(frozen=True)
class Outcome:
    """What came of it: the answer, the log's status and flag, and what the next ordinary requests got."""

    answer: Answer
    ended: str
    status: str
    flag: str
    next_ones: list[tuple[int, bytes]]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Outcome]]:
    """All of them at once, because most of the time is spent waiting for timeouts."""
    with Backend() as backend, Blackhole() as blackhole, Proxy(tmp_path_factory.mktemp("faults")) as proxy:
        proxy.front(
            [
                route("/refused", "refused"),
                route("/blackhole", "blackhole"),
                route("/nobody", "nobody"),
                route("/patient/", "backend", timeout="0s", prefix_rewrite="/"),
                *(route("/" + mode, "backend", timeout="1s") for mode in sorted(MODES, reverse=True)),
            ],
            [
                cluster("backend", backend.port),
                cluster("refused", proxy.reserve()),
                cluster("blackhole", blackhole.port, connect_timeout="0.25s"),
                cluster("nobody"),
            ],
        )
        with ThreadPoolExecutor(8) as pool:
            happened = dict(zip(FAULTS, pool.map(lambda path: happen(proxy, path), FAULTS), strict=True))
        proxy.at_rest()
        outcomes = {}
        for path, (answer, ended, next_ones) in happened.items():
            line = proxy.logged(path)
            outcomes[path] = Outcome(answer, ended, line[2], line[3], next_ones)
        yield outcomes


def happen(proxy: Proxy, path: str) -> tuple[Answer, str, list[tuple[int, bytes]]]:
    """Let the fault happen, then ask for something ordinary, on the same connection if it is kept and on a new one."""
    fault = FAULTS[path]
    ordinary = "/name" + path
    next_ones = []
    with proxy.connect() as wire:
        answer = wire.ask(fault.method, path, body=b"u" * fault.upload)
        if answer.whole and answer.kept:
            again = wire.ask("GET", ordinary)
            next_ones.append((again.status, again.body))
        else:
            wire.rest()
        ended = wire.ended
    with proxy.connect() as wire:
        again = wire.ask("GET", ordinary)
        next_ones.append((again.status, again.body))
    return answer, ended, next_ones


@pytest.mark.parametrize("path", FAULTS)
def test_fault(outcomes: dict[str, Outcome], path: str) -> None:
    fault, outcome = FAULTS[path], outcomes[path]
    answer = outcome.answer
    assert answer.status == fault.status
    assert (outcome.status, outcome.flag) == (str(fault.status), fault.flag)
    if fault.cut is None:
        assert answer.whole
        assert fault.body is None or answer.body == fault.body
        assert not answer.trailers
    else:
        assert not answer.whole
        assert outcome.ended
        assert answer.size == fault.cut if fault.cut >= 0 else answer.size > 0
    assert set(outcome.next_ones) == {(200, f"backend /name{path}".encode())}


def test_a_cluster_that_has_as_much_as_it_may(backend: Backend, proxy: Proxy) -> None:
    thresholds = {"thresholds": [{"max_requests": 3, "max_pending_requests": 1, "max_connections": 3}]}
    proxy.front([route("/", "backend")], [cluster("backend", backend.port, circuit_breakers=thresholds)])
    wires = [proxy.connect() for _ in range(3)]
    for at, wire in enumerate(wires):
        wire.request("GET", f"/hold/{at}")
        backend.seen(lambda request: request.path.startswith("/hold"), at + 1)
    with proxy.connect() as waits, proxy.connect() as one_more:
        waits.request("GET", "/name/waits")
        proxy.until(lambda stats: stats["cluster.backend.upstream_rq_pending_active"] == 1)
        refused = one_more.ask("GET", "/name/more")
        assert (refused.status, refused.body) == (503, ERROR + b"overflow")
        assert refused[b"x-envoy-overloaded"] == b"true"
        backend.release()
        assert [wire.answer().status for wire in [*wires, waits]] == [200] * 4
        assert one_more.ask("GET", "/name/more").status == 200
    assert proxy.logged("/name/more")[3] == "UO"
    for wire in wires:
        wire.close()


def test_an_endpoint_that_refuses_costs_nothing_while_there_is_another(backend: Backend, proxy: Proxy) -> None:
    proxy.front([route("/", "backend")], [cluster("backend", proxy.reserve(), backend.port)])
    with proxy.connect() as wire:
        assert [wire.ask("POST", f"/name/{at}", body=b"once").status for at in range(20)] == [200] * 20
    assert len(backend.requests) == 20


def test_an_answer_that_is_cut_off_is_cut_for_old_clients_too(backend: Backend, proxy: Proxy) -> None:
    """To them the end of the connection is the end of the body: only a reset tells them."""
    proxy.front([route("/", "backend")], [cluster("backend", backend.port)], http_protocol_options={"accept_http_10": True})
    with Wire(proxy.port) as wire:
        wire.send(b"GET /close-chunked HTTP/1.0\r\nhost: a\r\n\r\n")
        assert not wire.answer().whole
        assert wire.ended == "reset"
