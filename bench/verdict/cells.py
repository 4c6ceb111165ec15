"""One scenario at one rate and one weight, for half an hour, or through a whole release: what each rule makes of it, run by run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.verdict import ours
from bench.verdict.rules import MINUTE, RULES, SCHEDULED, Minute, Rule, minute
from bench.verdict.scenarios import AN_HOUR, BY_NAME, HALF_AN_HOUR, WEIGHTS, Scenario, Truth
from bench.verdict.streams import Stream, stream
from bench.verdict.whole import led

SHIFTER = "shifter"
WHOLE = 0.0
"""Instead of a weight: the release goes through all of them."""
_PODS_AT = 0.2  # the weight by which a whole release has pods


@dataclass(frozen=True, slots=True)
class Cell:
    """``weight`` is `WHOLE` for a whole release."""

    scenario: str
    rate: int
    weight: float

    @property
    def key(self) -> str:
        """How it is called in what is kept."""
        return f"{self.scenario} | {self.rate} | {self.weight:g}"

    @property
    def truth(self) -> Truth:
        """What the canary is."""
        return BY_NAME[self.scenario].truth


Run = dict[str, list[float] | None]
"""What each rule made of one stream. At a weight: seconds until the roll-back, canary requests and failed ones until then, or ``None``.
Of a whole release: see `whole.Ended`."""


def run(cell: Cell, seed: int) -> Run:
    """Make up the stream that *seed* stands for, and have every rule judge it."""
    scenario = BY_NAME[cell.scenario]
    if cell.weight == WHOLE:
        return _whole(scenario, stream(scenario, cell.rate, AN_HOUR, seed, _PODS_AT))
    requests = stream(scenario, cell.rate, HALF_AN_HOUR, seed, cell.weight)
    canary, fails, _ = requests.routed(cell.weight)
    until: dict[str, int | None] = {SHIFTER: ours.condemned(requests, cell.weight, ours.judge(requests), scenario.warm_up)}
    if not scenario.warm_up:  # others have no such thing
        minutes = [minute(requests, number, cell.weight) for number in range(HALF_AN_HOUR // MINUTE)]
        until.update((name, _rolled_back(make(), minutes)) for name, make in RULES.items())
    found: Run = {}
    for name, seconds in until.items():
        if seconds is None:
            found[name] = None
            continue
        last = int(np.searchsorted(requests.at, seconds))
        found[name] = [seconds, int(canary[:last].sum()), int((canary & fails)[:last].sum())]
    return found


def _rolled_back(rule: Rule, minutes: list[Minute]) -> int | None:
    return next((number * MINUTE for number, seen in enumerate(minutes, 1) if rule.sees(seen)), None)


def _whole(scenario: Scenario, requests: Stream) -> Run:
    found: Run = {SHIFTER: ours.released(requests, scenario.warm_up).to_list()}
    if not scenario.warm_up:
        found.update((name, led(RULES[name](), requests, WEIGHTS).to_list()) for name in SCHEDULED)
    return found


def all_of(cell: Cell, seeds: Sequence[int]) -> list[Run]:
    """Return what comes of *seeds*; a process of its own may do that."""
    return [run(cell, seed) for seed in seeds]
