"""Whole releases that others lead: the weights follow from what their rules say, on requests that are the same for everybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from bench.verdict.rules import MINUTE, Rule, minute
from bench.verdict.streams import Stream

ROLLED_BACK, DONE, UNDECIDED = 1, 2, 0
OUTCOMES: Final = {ROLLED_BACK: "rolled back", DONE: "done", UNDECIDED: "undecided"}


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a release: after how many seconds it was rolled back or could go to 100 per cent; how many requests the canary had
    until then, and how many more of them failed than would have with the baseline; how often it was braked, and the seconds until it
    first was (0: never)."""

    outcome: int
    seconds: float
    requests: int
    extra: int
    brakes: int = 0
    braked: float = 0.0

    def to_list(self) -> list[float]:
        """Return plain numbers."""
        return [self.outcome, self.seconds, self.requests, self.extra, self.brakes, self.braked]

    @classmethod
    def from_list(cls, numbers: Sequence[float]) -> Self:
        """Return what `to_list` was made of."""
        outcome, seconds, requests, extra, brakes, braked = numbers
        return cls(int(outcome), seconds, int(requests), int(extra), int(brakes), braked)


def exposed(requests: Stream, begin: float, end: float, weight: float) -> tuple[int, int]:
    """Return how many requests the canary had from *begin* to *end*, and how many more of them failed than with the baseline."""
    first, last = np.searchsorted(requests.at, (begin, end))
    canary = requests.draw[first:last] < weight
    failed, otherwise = (int(requests.fails[which][first:last][canary].sum()) for which in (1, 0))
    return int(canary.sum()), failed - otherwise


def led(rule: Rule, requests: Stream, weights: Sequence[float]) -> Ended:
    """Have *rule* take a release through *weights*; it is done after the last."""
    step = count = extra = 0
    for number in range(requests.seconds // MINUTE):
        seen, more = exposed(requests, number * MINUTE, (number + 1) * MINUTE, weights[step])
        count, extra = count + seen, extra + more
        now = (number + 1) * MINUTE
        if rule.sees(minute(requests, number, weights[step])):
            return Ended(ROLLED_BACK, now, count, extra)
        if rule.passes():
            step += 1
            if step == len(weights):
                return Ended(DONE, now, count, extra)
    return Ended(UNDECIDED, requests.seconds, count, extra)
