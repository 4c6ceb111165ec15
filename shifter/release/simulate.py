"""What a release would have noticed of a bad canary, and when; and how long one without fault would take.

Rule 1. Requests come from an access log, or are made up at a rate. What a log says became of a request is what the baseline makes of it;
        the canary does the same, and has a `Fault` besides.
Rule 2. Chance says, for each fault and each run anew, which requests are the canary's. The same seed says the same.
Rule 3. It ends when the release is over, when a person would have to decide, or when there are no more requests.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from typing import NamedTuple

from shifter.model.release import MILLION, ReleaseSpec, State, Undecided
from shifter.release.judge import Verdict
from shifter.release.rehearsal import Asked, Counting, Rehearsal

_SPREAD = log(300.0 / 80.0) / 2.3263479
"""Of made-up latencies: a p99 of 300 ms where the median is 80 ms."""


class Request(NamedTuple):
    """One request as the baseline answers it: when it came (seconds), whether it failed, and how long it took in milliseconds."""

    at: float
    failed: bool
    ms: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a canary: so many of its requests fail that would not have (0 to 1), and all are slower by this factor."""

    name: str
    failing: float = 0.0
    slower: float = 1.0


HEALTHY = Fault("healthy")
FAULTS = (
    HEALTHY,
    Fault("broken", failing=1.0),
    Fault("errors +5 %", failing=0.05),
    Fault("errors +1 %", failing=0.01),
    Fault("latency +30 %", slower=1.3),
)
ROLLED_BACK, DONE, WAITS, OUT_OF_REQUESTS = "rolled back", "done", "waits for a person", "out of requests"


@dataclass(frozen=True, slots=True)
class Run:
    """How one release ended: after how many seconds, in which step, with what reason. ``requests`` and ``failed`` are the canary's,
    ``caused`` how many of those failed because of the fault, ``braked`` and ``full`` the seconds until it was braked first, and until the
    canary had all requests."""

    outcome: str
    seconds: int
    step: str
    requests: int
    failed: int
    caused: int
    reason: str
    braked: int | None
    full: int | None
    events: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True)
class Found:
    """All runs with one fault."""

    fault: Fault
    runs: tuple[Run, ...]

    def outcome(self) -> tuple[str, int]:
        """Return how most runs ended, and how many."""
        ended = [run.outcome for run in self.runs]
        return max(((name, ended.count(name)) for name in dict.fromkeys(ended)), key=lambda one: one[1])

    def typical(self) -> Run:
        """Return the run in the middle of those that ended as most did."""
        name, _ = self.outcome()
        runs = sorted((run for run in self.runs if run.outcome == name), key=lambda run: run.seconds)
        return runs[len(runs) // 2]


def made_up(rate: float, errors: float, median_ms: float, seed: int = 0) -> Iterator[Request]:
    """Iterate without end over requests at *rate* a second, of which *errors* (0 to 1) fail."""
    chance = random.Random(f"requests {seed}")
    at = 0.0
    while True:
        at += chance.expovariate(rate)
        yield Request(at, chance.random() < errors, median_ms * exp(_SPREAD * chance.gauss(0.0, 1.0)))


def by_seconds(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Iterate over the seconds since the first of *requests*, which come in order: those of each. One that comes too late belongs to the
    second that it comes in."""
    begin: float | None = None
    second = 0
    batch: list[Request] = []
    for request in requests:
        begin = request.at if begin is None else begin
        since = request.at - begin
        while since >= second + 1:
            yield batch
            batch = []
            second += 1
        batch.append(request._replace(at=max(since, second)))
    if batch:
        yield batch


class Simulation:
    """One release whose canary has *fault*; chance is *seed*'s."""

    def __init__(self, spec: ReleaseSpec, fault: Fault, seed: int) -> None:
        self._fault = fault
        self._chance = random.Random(f"{fault.name} {seed}")
        self._rehearsal = Rehearsal(spec, Verdict(spec.verdict))
        self._counting = Counting()
        self._requests = self._failed = self._caused = 0
        self._full = 0 if self._rehearsal.share == MILLION else None
        self._title = self._rehearsal.title
        self._outcome: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing can happen any more."""
        return self._outcome is not None

    def second(self, requests: Sequence[Request], until: float) -> None:
        """One more second is over at *until*, in which there were these *requests*."""
        rehearsal, counting = self._rehearsal, self._counting
        self._title = rehearsal.title
        counting.edges = rehearsal.edges
        share = rehearsal.share
        happened = rehearsal.second(counting.second(self._asked(requests, share / MILLION), share, until))
        if self._full is None and rehearsal.share == MILLION:
            self._full = rehearsal.seconds
        if not rehearsal.judged:
            self._outcome = ROLLED_BACK if rehearsal.state in (State.ROLLING_BACK, State.ROLLED_BACK, State.ABORTED) else DONE
        elif happened is not None and happened.event == "undecided":
            self._outcome = WAITS

    def _asked(self, requests: Sequence[Request], share: float) -> Iterator[Asked]:
        chance, fault = self._chance.random, self._fault
        for at, failed, ms in requests:
            if chance() >= share:
                yield Asked(at, False, failed, ms)
                continue
            fails = failed or chance() < fault.failing
            self._requests += 1
            self._failed += fails
            self._caused += fails and not failed
            yield Asked(at, True, fails, ms * fault.slower)

    def run(self) -> Run:
        """Return how it ended; if it did not, there were no more requests."""
        rehearsal = self._rehearsal
        events = tuple((at, one.event, one.reason) for at, one in rehearsal.happened)
        return Run(
            outcome=self._outcome or OUT_OF_REQUESTS,
            seconds=rehearsal.seconds,
            step=self._title,
            requests=self._requests,
            failed=self._failed,
            caused=self._caused,
            reason=events[-1][2],
            braked=next((at for at, event, _ in events if event == "braked"), None),
            full=self._full,
            events=events,
        )


def simulate(
    spec: ReleaseSpec, requests: Iterable[Request], faults: Sequence[Fault], runs: int, longest: int, seed: int = 0
) -> list[Found]:
    """Lead *runs* releases with each of *faults* over the same *requests*, for at most *longest* seconds."""
    simulations = [[Simulation(spec, fault, seed * 1000 + number) for number in range(runs)] for fault in faults]
    going = [one for row in simulations for one in row]
    for second, batch in enumerate(by_seconds(requests), 1):
        for simulation in going:
            simulation.second(batch, second)
        going = [simulation for simulation in going if not simulation.over]
        if not going or second >= longest:
            break
    return [Found(fault, tuple(one.run() for one in row)) for fault, row in zip(faults, simulations, strict=True)]


def decided(spec: ReleaseSpec) -> ReleaseSpec:
    """Return *spec* with steps that go on instead of waiting for a person."""
    steps = tuple(replace(step, undecided=Undecided.ADVANCE) if step.undecided is Undecided.HOLD else step for step in spec.steps)
    return replace(spec, steps=steps)
