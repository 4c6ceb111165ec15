"""What the verdict has to achieve, and whether it did: every figure beside the one that was measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.verdict.cells import SHIFTER, Cell
from bench.verdict.kept import Kept
from bench.verdict.rules import RULES
from bench.verdict.scenarios import BY_NAME, RATES, SCENARIOS, WEIGHTS, Truth

FALSE: Final = ("healthy 0.1 %", "healthy 1 %", "shared outage", "shared drift", "latency +10 %", "sticky users")
"""Scenarios in which a roll-back is a mistake, whatever the rate and the weight."""
AT_MOST: Final = 0.01
"""How often it may be made: what a release is configured to accept."""
DETECTION: Final = {
    "broken": (1.0, 20, 200),
    "errors 1 → 5 %": (1.0, 45, 450),
    "errors 0.1 → 1 %": (1.0, 100, 1000),
    "errors 1 → 2 %": (0.99, 240, 2400),
    "latency +30 %": (1.0, 60, 600),
    "p99 × 2": (0.99, 240, 2400),
}
"""At 100 requests a second and 10 per cent: how often at least, and the medians of the seconds and of the canary's requests at most."""
DETECTED_AT: Final = (100, 0.1)
EXTRA_FAILED: Final = {"broken": 25, "late broken": 80, "errors 1 → 5 %": 15}
"""Whole releases at 100 requests a second: the median of the requests that failed because there was a canary, at most."""
RELEASE_FALSE: Final = {"pod blips": 0.03, "cold start, warm-up": 0.01}
"""The same: how often they are rolled back, at most."""
TO_THE_END: Final = ("healthy 0.1 %", 700)
"""The same: the median of the seconds until 100 per cent, at most."""
HONEST: Final = 0.05
"""A rule that rolls back more of the healthy than this is none that one has to be better than."""
_FEWEST: Final = 10
_LEEWAY: Final = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """One goal: what is wanted, what was measured, and over how many runs; ``met`` is ``None`` when nothing was."""

    what: str
    wanted: str
    measured: str
    met: bool | None
    runs: int


def outcomes(kept: Kept) -> Iterator[Outcome]:
    """Iterate over all goals."""
    yield from _false(kept)
    yield from _detection(kept)
    yield from _releases(kept)
    yield from _beside_others(kept)


def _false(kept: Kept) -> Iterator[Outcome]:
    for name in FALSE:
        cells = [(cell, kept.detected(cell)) for cell in (Cell(name, rate, weight) for rate in RATES for weight in WEIGHTS)]
        known = [(cell, found) for cell, found in cells if found.runs]
        runs, hits = sum(found.runs for _, found in known), sum(found.hits for _, found in known)
        if not runs:
            yield Outcome(f"{name}: rolled back", f"≤ {AT_MOST:.0%} in each cell", "", None, 0)
            continue
        cell, worst = max(known, key=lambda one: one[1].rate)
        where = f", {worst.hits} of {worst.runs} in the worst cell ({cell.rate} req/s, {cell.weight:.0%})" if hits else ""
        said = f"{hits} of {runs:,}{where}"
        yield Outcome(f"{name}: rolled back", f"≤ {AT_MOST:.0%} in each cell", said, worst.rate <= AT_MOST, runs)


def _detection(kept: Kept) -> Iterator[Outcome]:
    for name, (rate, seconds, requests) in DETECTION.items():
        found = kept.detected(Cell(name, *DETECTED_AT))
        wanted = f"≥ {rate:.0%}, ≤ {seconds} s, ≤ {requests:,} requests"
        if found.seconds is None or found.requests is None:
            yield Outcome(f"{name}: found", wanted, "never" if found.runs else "", False if found.runs else None, found.runs)
            continue
        met = found.rate >= rate and found.seconds <= seconds and found.requests <= requests
        yield Outcome(f"{name}: found", wanted, f"{found.rate:.1%}, {found.seconds:.0f} s, {found.requests:,.0f} requests", met, found.runs)


def _releases(kept: Kept) -> Iterator[Outcome]:
    rate = DETECTED_AT[0]
    for name, most in EXTRA_FAILED.items():
        released = kept.released(name, rate)
        measured = "" if released is None else "nothing was found" if released.extra is None else f"{released.extra:.0f}"
        met = None if released is None else released.extra is not None and released.extra <= most and released.rolled_back == 1.0
        yield Outcome(f"{name}, whole release: extra failed", f"≤ {most}", measured, met, released.runs if released else 0)
    for name, share in RELEASE_FALSE.items():
        released = kept.released(name, rate)
        measured = f"{released.rolled_back:.1%}" if released else ""
        met = released.rolled_back <= share if released else None
        yield Outcome(f"{name}, whole release: rolled back", f"≤ {share:.0%}", measured, met, released.runs if released else 0)
    name, most = TO_THE_END
    released = kept.released(name, rate)
    took = released.to_the_end if released else None
    met = None if released is None else took is not None and took <= most
    yield Outcome(f"{name}, whole release: to 100 %", f"≤ {most} s", f"{took:.0f} s" if took else "", met, released.runs if released else 0)


def honest(kept: Kept, rate: int, scenario: str) -> list[str]:
    """Return the rules of others that at *rate* roll back less than `HONEST` of what is healthy, on average over the weights and the
    scenarios of the kind of *scenario*: those in which users stay with a version, or the others."""
    sticky = BY_NAME[scenario].crowd is not None
    healthy = [one.name for one in SCENARIOS if one.name in FALSE and one.truth is Truth.HEALTHY and (one.crowd is not None) is sticky]
    rules = []
    for rule in RULES:
        found = [kept.detected(Cell(name, rate, weight), rule) for name in healthy for weight in WEIGHTS]
        told = [one.rate for one in found if one.runs]
        if told and sum(told) / len(told) < HONEST:
            rules.append(rule)
    return rules


def _beside_others(kept: Kept) -> Iterator[Outcome]:
    """Bad canaries at 100 requests a second: found as surely as by the best honest rule, with no more requests than any of them."""
    rate = DETECTED_AT[0]
    behind, cells, runs = [], 0, 0
    for scenario in SCENARIOS:
        others = honest(kept, rate, scenario.name)
        for weight in WEIGHTS if BY_NAME[scenario.name].truth is Truth.BAD else ():
            cell = Cell(scenario.name, rate, weight)
            ours = kept.detected(cell, SHIFTER)
            theirs = [kept.detected(cell, rule) for rule in others]
            if ours.runs < _FEWEST or not theirs:
                continue
            cells, runs = cells + 1, runs + ours.runs
            surest = max(one.rate for one in theirs)
            fewest = min((one.requests for one in theirs if one.requests is not None and one.rate >= ours.rate - _LEEWAY), default=None)
            less_sure = ours.rate < surest - _LEEWAY
            slower = fewest is not None and (ours.requests is None or ours.requests > fewest)
            if less_sure or slower:
                behind.append(f"{scenario.name} at {weight:.0%}")
    said = f"in {cells - len(behind)} of {cells} cells" + (f"; not: {', '.join(behind)}" if behind else "")
    wanted = "in all cells"
    who = f"bad ones at {rate} req/s: as surely as, and with no more requests than, any honest rule"
    yield Outcome(who, wanted, said if cells else "", not behind if cells else None, runs)
