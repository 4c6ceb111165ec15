"""Hostile HTTP/2 clients against a running shifter, over both engines: each is stopped as its case says, nothing of what it made up reaches
the backend, and a well-behaved connection is served all the while. And against Envoy, which stops the same ones.

Deliberate differences stand in the case file with their reason, and in ``docs/differences.md``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support import h2frames as raw
from tests.support import proxy
from tests.support.backend import Backend, ReservedPort
from tests.support.envoy import running_envoy
from tests.support.h2hostile import PATIENCE, QUIET, Hostile, play

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "hostile" / "http2.yaml").read_text(encoding="utf-8"))


def configuration(port: int, admin: int, backend: Backend, **manager: object) -> proxy.Config:
    return proxy.bootstrap(admin, [proxy.listener(port, [proxy.route("/", "b")], **manager)], [proxy.cluster("b", backend.port)])


class Good:
    """A client that does as it should, on one connection all the time."""

    def __init__(self, port: int) -> None:
        self.client = Hostile(port)
        self._next = 1

    def is_served(self) -> bool:
        number, self._next = self._next, self._next + 2
        self.client.send(raw.headers(stream=number))
        return self.client.outcome(number, PATIENCE) == "status 200"


def matches(port: int, case: dict[str, Any], who: str) -> str:
    """Play *case*, of which must become what it says of *who*; return that."""
    right = expected(case, who)
    outcome = play(port, case, QUIET if "nothing" in right else PATIENCE)
    assert outcome in right
    return outcome


def expected(case: dict[str, Any], who: str) -> list[str]:
    """What may become of *case*."""
    return case["any"] if "any" in case else [case.get(who, case["is"])]


class Served:
    """A shifter with one *engine*, its backend, and a client that is to be served all the while."""

    def __init__(self, engine: str, shifter: proxy.Proxy, backend: Backend) -> None:
        self.engine = engine
        self.shifter = shifter
        self.backend = backend
        self.good = Good(shifter.port)

    def settle(self) -> None:
        """Wait until the backend has seen everything that was sent to it: what is given up may still be on its way there."""
        stats = self.shifter.at_rest()
        opened, there = stats["cluster.b.upstream_cx_total"], stats["cluster.b.upstream_cx_active"]
        self.backend.wait(lambda backend: (backend.opened, backend.open) == (opened, there))


@pytest.fixture(scope="module", params=["ngh2", "h2"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Backend() as backend, proxy.Proxy(tmp_path_factory.mktemp("hostile"), environment={"SHIFTER_HTTP2": request.param}) as shifter:
        shifter.start(configuration(shifter.port, shifter.admin, backend))
        served = Served(request.param, shifter, backend)
        with served.good.client:
            yield served


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_hostile(served: Served, case: dict[str, Any]) -> None:
    before = len(served.backend.requests)
    outcome = matches(served.shifter.port, case, "fallback" if served.engine == "h2" else "is")
    assert served.good.is_served()
    if not outcome.startswith("status 2") and not case.get("partly"):
        assert len(served.backend.requests) == before + 1, "something reached the backend"
    else:
        served.settle()


COUNTED = {
    "fields-too-many": "http2.header_overflow",
    "empty-data-flood": "http2.inbound_empty_frames_flood",
    "priority-flood": "http2.inbound_priority_frames_flood",
    "window-update-flood": "http2.inbound_window_update_frames_flood",
    "ping-flood": "http2.outbound_control_flood",
    "settings-flood": "http2.outbound_control_flood",
    "continuation-flood": "http2.header_overflow",
    "value-crlf": "http2.rx_messaging_error",
    "name-upper-case": "http2.tx_reset",
    "trailers-plain": "http2.trailers",
    "connection": "http.front.downstream_cx_protocol_error",
    "path-empty": "http.front.downstream_rq_rx_reset",
    "rapid-reset": "http.front.downstream_rq_too_many_premature_resets",
    "data-on-idle-stream": "http2.goaway_sent",
}


@pytest.mark.parametrize("name", COUNTED)
def test_what_is_stopped_is_counted(served: Served, name: str) -> None:
    (case,) = (case for case in CASES if case["name"] == name)
    before = served.shifter.stats()[COUNTED[name]]
    play(served.shifter.port, case)
    assert served.shifter.stats()[COUNTED[name]] > before
    served.settle()


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    with Backend() as backend:
        ports = [ReservedPort(), ReservedPort()]
        port, admin = (one.port for one in ports)
        text = yaml.safe_dump(configuration(port, admin, backend, delayed_close_timeout="0.05s"))
        with running_envoy(program, text.replace(proxy.ACCESS_LOG, "/dev/null"), admin, tmp_path_factory.mktemp("envoy")):
            yield port
        for one in ports:
            one.close()


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_envoy_stops_it_too(envoy: int, case: dict[str, Any]) -> None:
    matches(envoy, case, "envoy")


def test_every_difference_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    reasons = {case["why"] for case in CASES if "envoy" in case}
    assert reasons
    assert not [reason for reason in reasons if reason not in documented]
