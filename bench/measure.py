"""Takes samples: candidates in turns, A B C A B C, each started afresh, warmed up, measured and ended.

Rule 1: nothing else of the benchmark runs meanwhile. A fresh start for each sample also varies what chance decides once
per process (address layout, hash seeds), and lets Envoy and shifter share one configuration with one port.
Rule 2: CPU time that this machine spent on anybody else during a sample disturbs it; a disturbed sample is repeated once,
and the quieter of the two counts, marked when it is still disturbed.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import Popen

from bench import procfs
from bench.backend import Backend
from bench.candidates import Candidate
from bench.certificate import certificate
from bench.load import drive
from bench.process import BenchError, running, wait_free, wait_listening
from bench.scenarios import Scenario
from bench.verify import verify
from bench.work import Work, routes_of

DISTURBED = 0.10
"""Share of a CPU used by others from which on a sample counts as disturbed."""
_WARM_UP = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a benchmark runs: its own directory, the proxies' port, the CPUs, and the backend."""

    directory: Path
    port: int
    proxy_cpu: int
    load_cpu: int
    backend: Backend


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table: a candidate, with or without its access log."""

    candidate: Candidate
    log: bool = False

    @property
    def label(self) -> str:
        return f"{self.candidate.name} + log" if self.log else self.candidate.name


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one entry. Seconds, bytes; CPU is of the proxy alone; ``foreign`` is in CPUs."""

    requests: int
    errors: int
    seconds: float
    p50: float
    p99: float
    cpu: float
    user: float
    system: float
    pss: int
    foreign: float

    @property
    def cpu_per_request(self) -> float:
        return self.cpu / self.requests

    @property
    def busy(self) -> float:
        return self.cpu / self.seconds


@dataclass(frozen=True, slots=True)
class Series:
    """All samples of one entry, one per round, or why there are none."""

    entry: Entry
    samples: tuple[Sample, ...] = ()
    failure: str = ""


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def work_for(scenario: Scenario, entry: Entry, place: Place) -> Work:
    """The work of one entry, in a directory of its own."""
    directory = place.directory / f"{scenario.name}-{entry.label.replace(' ', '')}"
    directory.mkdir(exist_ok=True)
    backends = place.backend.h2 if scenario.h2_up else place.backend.h1
    log = directory / "access.log" if entry.log else None
    routes = routes_of(scenario.routes)
    tls = certificate(directory) if scenario.tls else None
    return Work(place.port, backends, directory, scenario.h2_down, scenario.h2_up, log, tls, routes, scenario.tcp)


@contextmanager
def started(entry: Entry, work: Work, cpu: int) -> Iterator[Popen[bytes]]:
    """A proxy that listens, for as long as the block lasts."""
    wait_free(work.port)
    if work.access_log is not None:
        work.access_log.unlink(missing_ok=True)  # it lies in memory
    command = entry.candidate.prepare(work)
    with running(command, cpu) as process:
        wait_listening(work.port, process, command.output)
        yield process


def check(scenario: Scenario, entry: Entry, place: Place) -> None:
    """BenchError unless the entry does its work, its log included."""
    work = work_for(scenario, entry, place)
    with started(entry, work, place.proxy_cpu):
        verify(scenario, work.port, work.backends, routes=entry.candidate.routes and not scenario.tcp)
    if work.access_log is not None and not (work.access_log.exists() and work.access_log.stat().st_size):
        raise BenchError("wrote no access log")


def measure(scenario: Scenario, entry: Entry, place: Place, seconds: int) -> Sample:
    """One sample of a closed or open loop."""
    work = work_for(scenario, entry, place)
    with started(entry, work, place.proxy_cpu) as process:
        drive(scenario, work.port, _WARM_UP, place.load_cpu, place.directory)
        began, busy, own, cpu = time.monotonic(), procfs.busy(), procfs.own(), procfs.cpu(process.pid)
        result = drive(scenario, work.port, seconds, place.load_cpu, place.directory)
        used = procfs.cpu(process.pid) - cpu
        foreign = max(0.0, (procfs.busy() - busy) - (procfs.own() - own)) / (time.monotonic() - began)
        pss = procfs.pss(process.pid)
    if not result.requests:
        raise BenchError(f"no request succeeded, {result.errors} errors")
    return Sample(result.requests, result.errors, result.seconds, result.p50, result.p99, used.total, used.user, used.system, pss, foreign)


def measure_quietly(scenario: Scenario, entry: Entry, place: Place, seconds: int) -> Sample:
    """One sample, repeated once when others disturbed it."""
    sample = measure(scenario, entry, place, seconds)
    if sample.foreign > DISTURBED:
        say(f"    {entry.label}: others used {sample.foreign:.2f} of a CPU, once more")
        sample = min(sample, measure(scenario, entry, place, seconds), key=lambda one: one.foreign)
    return sample


def able(scenario: Scenario, entries: Sequence[Entry], place: Place) -> list[Series]:
    """Every entry, still without samples; those that cannot do the scenario, or do it wrongly, with the reason."""
    found = []
    for entry in entries:
        failure = entry.candidate.unable(scenario)
        if not failure:
            try:
                check(scenario, entry, place)
            except BenchError as error:
                failure = str(error)
        if failure:
            say(f"  {entry.label}: left out: {failure}")
        found.append(Series(entry, failure=failure))
    return found


def run(scenario: Scenario, entries: Sequence[Entry], place: Place, rounds: int, seconds: int) -> list[Series]:
    """All rounds of one scenario, interleaved. An entry that fails in one round is left out of the following ones."""
    series = able(scenario, entries, place)
    for number in range(1, rounds + 1):
        for at, one in enumerate(series):
            if one.failure:
                continue
            try:
                sample = measure_quietly(scenario, one.entry, place, seconds)
            except BenchError as error:
                say(f"  {one.entry.label}: {error}")
                series[at] = replace(one, failure=str(error))
                continue
            series[at] = replace(one, samples=(*one.samples, sample))
            say(
                f"  round {number} {one.entry.label:16} {sample.cpu_per_request * 1e6:8.1f} µs/req"
                f" {sample.requests / sample.seconds:8.0f} req/s"
                f"  busy {sample.busy:.2f}  errors {sample.errors}  others {sample.foreign:.2f}"
            )
    return series
