"""What the verdict costs: a request in the data path, a second in the loop. Processor time; of several runs the smallest."""

import time
from collections.abc import Callable
from itertools import count
from typing import Final

from bench import report
from bench.verdict import ours
from bench.verdict.scenarios import BY_NAME, RATES
from bench.verdict.streams import stream
from shifter.model.release import ReleaseSpec, RouteReference, Step
from shifter.observe.comparison import Comparison
from shifter.release.rehearsal import Rehearsal

NAME: Final = "verdict-cost"
COLUMNS: Final[report.Row] = ["what", "req/s", "µs", "at most"]
PER_REQUEST, PER_SECOND = 1.5, 150
"""Microseconds that are wanted."""
_RUNS: Final = 5
_TIMES: Final = 20_000
_SHARE: Final = 100_000
_SECONDS: Final = 300
_RELEASE: Final = ReleaseSpec("bench", RouteReference(text="/"), "baseline", "canary", (Step(1, share=_SHARE, length=2.0 * _SECONDS),))


def request(sticky: bool, times: int = _TIMES) -> float:
    """Return the seconds that telling of one request takes, from when it is sent to when it has ended."""
    chosen = stream(BY_NAME["sticky users"], 100, times // 100, 1, 0.1)
    asked = list(zip(chosen.at.tolist(), (chosen.draw < 0.1).tolist(), chosen.ms[0].tolist(), chosen.fails[0].tolist(), strict=True))
    users = chosen.user.tolist() if sticky and chosen.user is not None else [None] * len(asked)
    edges = [20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0]

    def once() -> int:
        comparison = Comparison(sticky)
        comparison.edges = (edges, edges)
        for (at, canary, ms, failed), user in zip(asked, users, strict=True):
            trial = comparison.sent(canary, _SHARE, at, user)
            comparison.ended(trial, at + ms / 1e3, failed, 200)
        return len(asked)

    return _least(once)


def nothing(times: int = _TIMES) -> float:
    """Return the seconds that a turn of such a loop takes by itself."""

    def once() -> int:
        for _ in zip(range(times), count(), strict=False):
            pass
        return times

    return _least(once)


def second(rate: int) -> float:
    """Return the seconds that the judge and the machine take for a second of so many requests."""
    requests = stream(BY_NAME["healthy 1 %"], rate, _SECONDS, 1, 0.1)

    def once() -> float:
        rehearsal, counting, used = Rehearsal(_RELEASE, ours.judge(requests)), ours.source(requests), 0.0
        for _ in range(_SECONDS):
            counting.edges = rehearsal.edges
            seen = counting.second(_SHARE)
            began = time.process_time()
            rehearsal.second(seen)
            used += time.process_time() - began
        return used / _SECONDS

    return min(once() for _ in range(_RUNS))


def _least(once: Callable[[], int]) -> float:
    best = float("inf")
    for _ in range(_RUNS):
        began = time.process_time()
        done = once()
        best = min(best, (time.process_time() - began) / done)
    return best


def rows() -> list[report.Row]:
    """Measure all of it."""
    empty = nothing()
    found = [
        [what, "", f"{(request(sticky) - empty) * 1e6:.2f}", f"{PER_REQUEST}"]
        for what, sticky in (("a request", False), ("a request, users stay with a version", True))
    ]
    return [*found, *(["a second", str(rate), f"{second(rate) * 1e6:.0f}", f"{PER_SECOND}"] for rate in (*RATES, 1000))]
