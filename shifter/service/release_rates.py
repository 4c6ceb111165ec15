"""How many requests two versions get, and how many of them fail, found out before they are compared: for the plan of a release."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from shifter.model.release import ReleaseSpec
from shifter.service.plane import DataPlane

WATCHED = 2.0
"""Seconds for which requests are counted."""
ENOUGH = 50
"""Of so many requests, at least, one says which share of them fails."""

_FAILED = frozenset((0, *range(500, 600)))


class Rates:
    """See the module. What else these clusters serve counts, too."""

    def __init__(self, clock: Any, monotonic: Callable[[], float], plane: DataPlane) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._plane = plane

    def of(self, spec: ReleaseSpec) -> Deferred[tuple[float | None, float | None]]:
        """Fire, after a while, with how many requests a second the versions of *spec* get together, and which share of them fails; ``None``
        where nobody knows."""
        began, before = self._monotonic(), self._counted(spec)

        def told() -> tuple[float | None, float | None]:
            requests, failed = (now - then for now, then in zip(self._counted(spec), before, strict=True))
            passed = self._monotonic() - began
            if requests <= 0 or passed <= 0:
                return None, None
            return requests / passed, failed / requests if requests >= ENOUGH else None

        return deferLater(self._clock, WATCHED, told)

    def _counted(self, spec: ReleaseSpec) -> tuple[int, int]:
        codes = [self._plane.codes(name) for name in (spec.baseline, spec.canary)]
        return sum(sum(one.values()) for one in codes), sum(count for one in codes for code, count in one.items() if code in _FAILED)
