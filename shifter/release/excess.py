"""How many of the canary's requests failed that the baseline would not have failed at the same time.

Rule 1. The canary's failures are compared with the baseline's of the same second: a moment in which both fail says nothing. Seconds
        without a request of the baseline's are taken together with the next one that has some.
"""

from collections.abc import Sequence
from math import sqrt

from shifter.observe.comparison import Second

CHANCE = 1.645
"""Standard deviations that are exceeded by chance once in twenty times."""
_FADE = 0.99
"""What is left of a recent failure after a second."""


class Strata:
    """Gathers seconds until there is something to compare with."""

    __slots__ = ("_gathered",)

    def __init__(self) -> None:
        self._gathered = [0, 0, 0, 0]

    def add(self, second: Second) -> tuple[int, float]:
        """Return the canary's requests to be counted now, and how many of them failed in excess."""
        gathered = self._gathered
        gathered[0] += second.answered[0]
        gathered[1] += second.answered[1]
        gathered[2] += second.failed[0]
        gathered[3] += second.failed[1]
        baseline, canary, baseline_failed, canary_failed = gathered
        if not baseline:
            return 0, 0.0
        self._gathered = [0, 0, 0, 0]
        return canary, canary_failed - canary * baseline_failed / baseline

    def to_state(self) -> list[int]:
        """Return everything that changes."""
        return self._gathered

    def restore(self, state: Sequence[int]) -> None:
        """Go on from what `to_state` returned."""
        self._gathered = list(state)


class Excess:
    """A sum over some time: the canary's requests, and how many of them failed in excess. *fading*: what is long ago counts less."""

    __slots__ = ("_fade", "failed", "requests")

    def __init__(self, fading: bool = False) -> None:
        self.requests = 0.0
        self.failed = 0.0
        self._fade = _FADE if fading else 1.0

    def add(self, requests: float, failed: float) -> None:
        """Another second."""
        self.requests = self.requests * self._fade + requests
        self.failed = self.failed * self._fade + failed

    def clear(self) -> None:
        """Begin anew."""
        self.requests = self.failed = 0.0

    def reaches(self, rate: float, least: float = 1.0) -> bool:
        """Say whether the canary fails by *rate* (0 to 1) more, as seen with *least* requests or more."""
        return self.requests >= least and self.failed >= rate * self.requests

    def surely_reaches(self, rate: float) -> bool:
        """Say whether it fails by *rate* more, and would still with so many failures fewer as chance may have added."""
        failed = max(self.failed, 0.0)
        return failed > 0.0 and failed - CHANCE * sqrt(failed) >= rate * self.requests

    def to_state(self) -> list[float]:
        """Return everything that changes."""
        return [self.requests, self.failed]

    def restore(self, state: Sequence[float]) -> None:
        """Go on from what `to_state` returned."""
        self.requests, self.failed = state
