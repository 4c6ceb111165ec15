"""The two scenarios that are not about requests: memory of idle connections, and start-up.

Memory is the proxy's own (PSS); what the kernel keeps for a socket, about 2 KB at rest, is the same for all and not in
it. The growth is divided by the connections, so allocations that do not shrink after the one request of each count too.
"""

import socket
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench import h2_client, procfs
from bench.certificate import trusting
from bench.load import BROWSER
from bench.measure import Entry, Place, able, say, started, work_for
from bench.process import BenchError, running, wait_free
from bench.scenarios import Kind, Scenario
from bench.work import PATH

_REQUEST = "".join(
    (f"GET {PATH} HTTP/1.1\r\nHost: front.example:8000\r\n", *(f"{n}: {v}\r\n" for n, v in BROWSER.items()), "\r\n")
).encode()


@dataclass(frozen=True, slots=True)
class Idle:
    """Bytes before and with the connections, of one connection, CPU seconds of opening one, CPU share at rest."""

    connections: int
    before: int
    after: int
    per_connection: float
    cpu_per_connection: float
    resting: float
    alive: int
    asked: int


@dataclass(frozen=True, slots=True)
class Start:
    """Medians over the rounds: seconds to the first answer, CPU seconds it took, bytes when it was given."""

    seconds: float
    cpu: float
    pss: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Resting:
    """One row: what was found, or why nothing."""

    entry: Entry
    found: Idle | Start | None = None
    failure: str = ""


def ask(connection: socket.socket) -> bool:
    """One request on a connection; True when the whole answer came, with status 200."""
    try:
        connection.sendall(_REQUEST)
        received = b""
        while True:
            head, end, body = received.partition(b"\r\n\r\n")
            length = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if end and (not length or len(body) >= int(length[0])):
                return head.startswith(b"HTTP/1.1 200")
            more = connection.recv(65_536)
            if not more:
                return False
            received += more
    except OSError:
        return False


def idle(scenario: Scenario, entry: Entry, place: Place, seconds: int) -> Idle:
    """Open the scenario's connections one after the other, then rest for *seconds*."""
    work = work_for(scenario, entry, place)
    first, again = (h2_client.ask, partial(h2_client.ask, stream=3)) if scenario.h2_down else (ask, ask)
    with started(entry, work, place.proxy_cpu) as process, ExitStack() as stack:
        tls = trusting() if scenario.tls else None

        def connect() -> socket.socket:
            made = stack.enter_context(socket.create_connection(("127.0.0.1", work.port), 5.0))
            return made if tls is None else stack.enter_context(tls.wrap_socket(made))

        for _ in range(20):  # what is allocated once, by the first requests, is not the connections'
            first(connect())
        before, opening = procfs.pss(process.pid), procfs.cpu(process.pid)
        connections = []
        for number in range(scenario.connections):
            try:
                connections.append(connect())
            except OSError as error:
                raise BenchError(f"connection {number} failed: {error}") from error
            if not first(connections[-1]):
                raise BenchError(f"connection {number} had no answer")
        opened = procfs.cpu(process.pid) - opening
        time.sleep(1.0)
        after, rest = procfs.pss(process.pid), procfs.cpu(process.pid)
        time.sleep(seconds)
        resting = (procfs.cpu(process.pid) - rest).total / seconds
        sample = connections[::97]
        alive = sum(map(again, sample))
    count = scenario.connections
    return Idle(count, before, after, (after - before) / count, opened.total / count, resting, alive, len(sample))


def start(scenario: Scenario, entry: Entry, place: Place, rounds: int) -> Start:
    """Start it *rounds* times; ask every 2 ms until it answers."""
    work = work_for(scenario, entry, place)
    taken: list[tuple[float, float, int]] = []
    for _ in range(rounds):
        wait_free(work.port)
        command = entry.candidate.prepare(work)
        began = time.monotonic()
        with running(command, place.proxy_cpu) as process:
            while not _answers(work.port):
                if process.poll() is not None or time.monotonic() - began > 30.0:
                    raise BenchError("never answered")
                time.sleep(0.002)
            taken.append((time.monotonic() - began, procfs.cpu(process.pid).total, procfs.pss(process.pid)))
    seconds, cpu, memory = zip(*taken, strict=True)
    return Start(statistics.median(seconds), statistics.median(cpu), round(statistics.median(memory)), rounds)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as connection:
            return ask(connection)
    except OSError:
        return False


def run(scenario: Scenario, entries: Sequence[Entry], place: Place, rounds: int, seconds: int) -> list[Resting]:
    """``idle`` once per entry (it is long, and memory does not vary), ``start`` *rounds* times."""
    rows = []
    for series in able(scenario, entries, place):
        row = Resting(series.entry, failure=series.failure)
        if not row.failure:
            try:
                found = (
                    idle(scenario, row.entry, place, seconds) if scenario.kind is Kind.IDLE else start(scenario, row.entry, place, rounds)
                )
                row = Resting(row.entry, found)
                say(f"  {row.entry.label:16} {found}")
            except BenchError as error:
                say(f"  {row.entry.label}: {error}")
                row = Resting(row.entry, failure=str(error))
        rows.append(row)
    return rows
