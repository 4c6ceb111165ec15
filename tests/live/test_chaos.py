"""Every way in which a backend fails (`tests.support.chaos`): what the client gets, what the log says, how often it was tried, and
what the proxy thinks of the endpoint afterwards; without a retry policy, and with one.

Rule 1. The table is what Envoy 1.40 does; where it is installed, it is asked again. Where shifter does otherwise the row ends
        with a star; what it does stands in the next one, and the reason in ``docs/differences.md``.
Rule 2. Each row has a backend, a cluster and a route of its own, all of them in one process, and everything happens at once:
        most of the time is spent waiting for timeouts.
"""

import re
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import yaml
from twisted.internet import reactor
from twisted.internet.defer import DeferredList
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.chaos import HALF, Chaos, Mode
from tests.support.configs import FILE_LOG_TYPE
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.proxy import ACCESS_LOG, Config, Proxy, bootstrap, cluster, listener, route
from tests.support.wireclient import Answer, Wire, ask

LOG_FORMAT = "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n"
SIDES = ["envoy", "shifter"]

RETRY = {"retry_on": "connect-failure,reset,5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.02s"}}
POLICIES: dict[str, Config] = {
    "none": {},
    "retry": {"retry_policy": RETRY},
    "once": {"retry_policy": RETRY},  # the backend fails once, and then no more
    "per-try": {"retry_policy": {**RETRY, "per_try_timeout": "0.3s"}},
    "per-try-once": {"retry_policy": {**RETRY, "per_try_timeout": "0.3s"}},
}

LOST = b"upstream connect error or disconnect/reset before headers. "
BODIES = {
    "working": b"working",
    "refused": LOST + b"reset reason: remote connection failure",
    "refused-again": LOST + b"retried and the latest reset reason: remote connection failure",
    "ended": LOST + b"reset reason: connection termination",
    "ended-again": LOST + b"retried and the latest reset reason: connection termination",
    "protocol": LOST + b"reset reason: protocol error",
    "protocol-again": LOST + b"retried and the latest reset reason: protocol error",
    "timeout": b"upstream request timeout",
    "too-much": b"too much",
    "as-you-wish": b"as you wish",
    "half": b"x" * HALF,
}

# cx, fail: connections to the endpoint, and those that failed; rq, ok, err, time: its requests, and how they ended;
# retry, saved, up: retries of the cluster, requests that they saved, requests that used them up.
TABLE = """
    mode                    policy        status flag    tries  body            cx fail  rq ok err time  retry saved up
    ok                      none          200    -       1      working         1  0     1  1  0   0     0     0     0
    ok                      retry         200    -       1      working         1  0     1  1  0   0     0     0     0
    refuse                  none          503    UF      1      refused         1  1     0  0  1   0     0     0     0
    refuse                  retry         503    URX,UF  3      refused-again   3  3     0  0  3   0     2     0     1
    slow_accept             none          200    -       1      working         1  0     1  1  0   0     0     0     0
    slow_accept             retry         200    -       1      working         1  0     1  1  0   0     0     0     0
    reset_before_headers    none          503    UC      1      ended           1  0     1  0  1   0     0     0     0
    reset_before_headers    retry         503    URX,UC  3      ended-again     3  0     3  0  3   0     2     0     1
    reset_before_headers    once          200    -       2      working         2  0     2  1  1   0     1     1     0
    reset_inside_headers    none          502    UPE     1      protocol        1  0     1  0  1   0     0     0     0
    reset_inside_headers    retry         502    URX,UPE 3      protocol-again  3  0     3  0  3   0     2     0     1
    reset_inside_headers    once          200    -       2      working         2  0     2  1  1   0     1     1     0
    reset_inside_body       none          200    UPE     1      half            1  0     1  1  0   0     0     0     0 *
    reset_inside_body       none          200    UPE     1      half            1  0     1  0  1   0     0     0     0
    reset_inside_body       retry         200    UPE     1      half            1  0     1  1  0   0     0     0     0 *
    reset_inside_body       retry         200    UPE     1      half            1  0     1  0  1   0     0     0     0
    hang                    none          504    UT      1      timeout         1  0     1  0  1   1     0     0     0
    hang                    retry         504    UT      1      timeout         1  0     1  0  1   1     0     0     0
    hang                    per-try       504    URX,UT  3      timeout         3  0     3  0  3   3     2     0     1
    hang                    per-try-once  200    -       2      working         2  0     2  1  1   1     1     1     0
    drip                    none          200    UT      1      some            1  0     1  1  0   1     0     0     0 *
    drip                    none          200    UT      1      some            1  0     1  0  1   1     0     0     0
    drip                    retry         200    UT      1      some            1  0     1  1  0   1     0     0     0 *
    drip                    retry         200    UT      1      some            1  0     1  0  1   1     0     0     0
    drip                    per-try       200    UT      1      some            1  0     1  1  0   1     0     0     0 *
    drip                    per-try       200    UT      1      some            1  0     1  0  1   1     0     0     0
    garbage                 none          502    UPE     1      protocol        1  0     1  0  1   0     0     0     0
    garbage                 retry         502    URX,UPE 3      protocol-again  3  0     3  0  3   0     2     0     1
    garbage                 once          200    -       2      working         2  0     2  1  1   0     1     1     0
    oversized_headers       none          502    UPE     1      protocol        1  0     1  0  1   0     0     0     0
    oversized_headers       retry         502    URX,UPE 3      protocol-again  3  0     3  0  3   0     2     0     1
    oversized_headers       once          200    -       2      working         2  0     2  1  1   0     1     1     0
    interim_flood           none          200    -       1      working         1  0     1  1  0   0     0     0     0
    interim_flood           retry         200    -       1      working         1  0     1  1  0   0     0     0     0
    short_length            none          200    -       1      working         1  0     1  1  0   0     0     0     0
    short_length            retry         200    -       1      working         1  0     1  1  0   0     0     0     0
    long_length             none          200    UPE     1      half            1  0     1  1  0   0     0     0     0 *
    long_length             none          200    UPE     1      half            1  0     1  0  1   0     0     0     0
    long_length             retry         200    UPE     1      half            1  0     1  1  0   0     0     0     0 *
    long_length             retry         200    UPE     1      half            1  0     1  0  1   0     0     0     0
    early                   none          413    -       1      too-much        1  0     1  1  0   0     0     0     0
    early                   retry         413    -       1      too-much        1  0     1  1  0   0     0     0     0
    close_on_next           none          503    UC      1      ended           1  0     2  1  1   0     0     0     0 *
    close_on_next           none          200    -       2      working         2  0     3  2  0   0     0     0     0
    close_on_next           retry         200    -       2      working         2  0     3  2  1   0     1     1     0 *
    close_on_next           retry         200    -       2      working         2  0     3  2  0   0     0     0     0
    connection_close        none          200    -       1      working         1  0     1  1  0   0     0     0     0
    connection_close        retry         200    -       1      working         1  0     1  1  0   0     0     0     0
    unavailable             none          503    -       1      as-you-wish     1  0     1  0  1   0     0     0     0
    unavailable             retry         503    URX     3      as-you-wish     3  0     3  0  3   0     2     0     1 *
    unavailable             retry         503    URX     3      as-you-wish     1  0     3  0  3   0     2     0     1
    unavailable             once          200    -       2      working         2  0     2  1  1   0     1     1     0 *
    unavailable             once          200    -       2      working         1  0     2  1  1   0     1     1     0
"""
REASONS = ["an answer that breaks off", "a kept connection that dies before an answer", "an answer that is thrown away for a retry"]
"""What ``docs/differences.md`` calls them."""
ENDPOINT_FIGURES = ("cx_total", "cx_connect_fail", "rq_total", "rq_success", "rq_error", "rq_timeout")
RETRY_FIGURES = ("retry", "retry_success", "retry_limit_exceeded")
LATE = 1.2
"""Seconds that each route gives the whole exchange."""


@dataclass(frozen=True)
class Row:
    """What must come of one mode with one policy."""

    mode: Mode
    policy: str
    status: str
    flag: str
    tries: str
    body: str
    endpoint: tuple[str, ...]
    retries: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.mode.name.lower()}-{self.policy}"

    def backend(self) -> Chaos:
        """A backend that fails so: always, or once."""
        if self.policy.endswith("once"):
            return Chaos(reactor, script=[self.mode])
        return Chaos(reactor, self.mode)


def read(table: str) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return the rows for Envoy and those for shifter, by name."""
    rows: dict[str, list[Row]] = {}
    for line in table.strip().splitlines()[1:]:
        mode, policy, status, flag, tries, body, *figures = line.rstrip("* ").split()
        row = Row(Mode[mode.upper()], policy, status, flag, tries, body, tuple(figures[:6]), tuple(figures[6:]))
        rows.setdefault(row.name, []).append(row)
    return {name: both[0] for name, both in rows.items()}, {name: both[-1] for name, both in rows.items()}


ENVOY, SHIFTER = read(TABLE)


@dataclass(frozen=True)
class Outcome:
    """What came of it. ``logged`` is status, flag and number of tries."""

    answer: Answer
    ended: str
    logged: list[str]
    endpoint: tuple[str, ...]
    retries: tuple[str, ...]
    connected: int
    asked: int


class Side:
    """Envoy or shifter, running, with a cluster for each row."""

    def __init__(self, kind: str, directory: Path, ports: dict[str, int], stack: ExitStack) -> None:
        self._proxy = stack.enter_context(Proxy(directory)) if kind == "shifter" else None
        self._log = directory / "access.log"
        self._port, self._admin = (stack.enter_context(ReservedPort()).port for _ in range(2))
        if self._proxy is not None:
            self._port, self._admin = self._proxy.port, self._proxy.admin
        path = str(self._log) if self._proxy is None else ACCESS_LOG
        log = {"@type": FILE_LOG_TYPE, "path": path, "log_format": {"text_format_source": {"inline_string": LOG_FORMAT}}}
        routes = [route(f"/{name}/", name, timeout=f"{LATE}s", **POLICIES[ENVOY[name].policy]) for name in ports]
        logs = [{"name": "envoy.access_loggers.file", "typed_config": log}]
        config = bootstrap(self._admin, [listener(self._port, routes, access_log=logs)], [cluster(*one) for one in ports.items()])
        if self._proxy is None:
            stack.enter_context(running_envoy(envoy_program(), yaml.safe_dump(config), self._admin, directory))
        else:
            self._proxy.start(config)

    def exchange(self, name: str) -> tuple[Answer, str]:
        """Let it happen; returns what came, and how the connection ended."""
        mode = ENVOY[name].mode
        with Wire(self._port) as wire:
            if mode is Mode.CLOSE_ON_NEXT:
                assert wire.ask("GET", f"/{name}/before").status == 200
            if mode is Mode.EARLY:
                wire.send(f"POST /{name}/ HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nnot all of it".encode())
                answer = wire.answer()
            else:
                answer = wire.ask("GET", f"/{name}/")
            if not answer.whole:
                wire.rest()
            return answer, wire.ended

    def figures(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """What it counted of the endpoint of each row, and of its retries."""
        hosts = re.findall(r"^(\S+?)::127\.0\.0\.1:\d+::(\w+)::(.*)$", self._page("/clusters"), re.MULTILINE)
        state = {(name, figure): value for name, figure, value in hosts}
        found = re.findall(r"^cluster\.(\S+)\.upstream_rq_(retry\w*): (\d+)$", self._page("/stats"), re.MULTILINE)
        stats = {(name, figure): value for name, figure, value in found}
        assert {state[name, "health_flags"] for name in ENVOY} == {"healthy"}
        return {
            name: (tuple(state[name, one] for one in ENDPOINT_FIGURES), tuple(stats[name, one] for one in RETRY_FIGURES)) for name in ENVOY
        }

    def logged(self, name: str) -> list[str]:
        """Its access log of this request."""
        for _ in range(PATIENCE * 50):
            lines = self._log.read_text().splitlines() if self._proxy is None else self._proxy.access
            found = [line.split(" ")[1:] for line in lines if line.startswith(f"/{name}/ ")]
            if found:
                return found[0]
            time.sleep(0.02)  # Envoy writes it down some time later
        raise AssertionError(f"{name} was never logged")

    def _page(self, path: str) -> str:
        return ask(self._admin, "GET", path, host=f"127.0.0.1:{self._admin}").body.decode()


@pytest_twisted.async_yield_fixture(scope="module")
async def outcomes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, tuple[bool, Any]]]:
    """What came of all rows, on each side: backends are in this thread, clients in others."""
    kinds = [
        kind for kind in SIDES if kind in __import__("os").environ.get("ONLY", "envoy shifter") and (kind != "envoy" or envoy_program())
    ]
    backends = {kind: {name: row.backend().start() for name, row in ENVOY.items()} for kind in kinds}
    threads = ThreadPool(len(kinds), len(kinds))
    threads.start()

    def happen(kind: str) -> dict[str, Outcome]:
        mine = backends[kind]
        with ExitStack() as stack, ThreadPoolExecutor(24) as clients:
            side = Side(kind, tmp_path_factory.mktemp(kind), {name: one.port for name, one in mine.items()}, stack)
            seen = dict(zip(mine, clients.map(side.exchange, mine), strict=True))
            logs = {name: side.logged(name) for name in mine}
            figures = side.figures()
            return {
                name: Outcome(*seen[name], logs[name], *figures[name], one.seen.connections, one.seen.requests)
                for name, one in mine.items()
            }

    try:
        both = [deferToThreadPool(reactor, threads, happen, kind) for kind in kinds]
        yield dict(zip(kinds, await DeferredList(both, consumeErrors=True), strict=True))
    finally:
        for mine in backends.values():
            for backend in mine.values():
                await backend.stop()
        threads.stop()


@pytest.mark.parametrize("name", ENVOY)
@pytest.mark.parametrize("kind", SIDES)
def test_mode(outcomes: dict[str, tuple[bool, Any]], kind: str, name: str) -> None:
    if kind not in outcomes:
        pytest.skip("Envoy is not installed")
    well, seen = outcomes[kind]
    if not well:
        seen.raiseException()
    outcome: Outcome = seen[name]
    row, answer = (ENVOY if kind == "envoy" else SHIFTER)[name], outcome.answer
    assert str(answer.status) == row.status
    assert outcome.logged == [row.status, row.flag, row.tries]
    if row.body in ("half", "some"):
        assert not answer.whole
        assert outcome.ended
    else:
        assert answer.whole
    assert answer.body == BODIES[row.body] if row.body != "some" else 0 < answer.size < 100
    assert (outcome.endpoint, outcome.retries) == (row.endpoint, row.retries)
    # and the endpoint agrees: nothing was sent that nobody counted
    assert outcome.connected == int(row.endpoint[0]) - int(row.endpoint[1])
    assert outcome.asked == int(row.endpoint[2])


def test_what_differs_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    assert not [reason for reason in REASONS if f"| {reason}" not in documented]
    assert ENVOY != SHIFTER
