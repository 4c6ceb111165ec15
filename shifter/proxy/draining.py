"""With which answers clients are told to go (Envoy's ``DrainManagerImpl``).

Rule 1. Told gradually, the chance that an answer ends its connection grows with the time that has passed, from none to all of them: clients
        do not all come back at once. After that, and told at once, every answer does.
Rule 2. Nobody is closed by this: a client that asks for nothing more is not told.
"""

from collections.abc import Callable
from enum import Enum


class DrainStrategy(Enum):
    """Envoy's ``--drain-strategy``."""

    GRADUAL = "gradual"
    IMMEDIATE = "immediate"


class Drain:
    """See the module. It lasts *seconds* from *since* on, by the monotonic clock; *random* returns 63 random bits."""

    __slots__ = ("_random", "_seconds", "_since", "strategy")

    def __init__(self, strategy: DrainStrategy, since: float, seconds: float, random: Callable[[], int]) -> None:
        self.strategy = strategy
        self._since = since
        self._seconds = seconds
        self._random = random

    def closes(self, now: float) -> bool:
        """Whether an answer that is given *now* ends its connection."""
        passed = now - self._since
        if self.strategy is DrainStrategy.IMMEDIATE or passed >= self._seconds:
            return True
        return self._random() / 2**63 * self._seconds < passed

    def __repr__(self) -> str:
        return f"<Drain {self.strategy.value} {self._seconds:g} s from {self._since:g}>"
