"""The wishes that a release holds its route, and that it lets go of it.

Rule 1. Holding a route and letting go of it are all that a release has changed in the configuration. How requests are shared out meanwhile
        is not of it (`routing.release_split`).
Rule 2. A release that takes a route takes it from whoever has it: weights that were set for it end, and so does the hold of a release
        before.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from twisted.internet.defer import Deferred

from shifter.model.change import ChangeKind
from shifter.model.release import RouteHold
from shifter.model.steps import Steps
from shifter.service.composition import Inputs
from shifter.service.controller import Refusal, Wanted, Wish
from shifter.service.holds import HoldError, finding_held

Meanwhile: TypeAlias = Callable[[Steps[Wanted | Refusal]], Deferred[Wanted | Refusal]]
"""Who does some work in slices between requests."""


class Hold:
    """The wish that *hold* holds. Looking for the route among thousands is done *meanwhile*."""

    kind = ChangeKind.RELEASE

    def __init__(self, hold: RouteHold, meanwhile: Meanwhile) -> None:
        self._hold = hold
        self._meanwhile = meanwhile

    def wanted(self, now: Inputs) -> Deferred[Wanted | Refusal]:
        """See `controller.Wish`."""
        return self._meanwhile(self._wanting(now))

    def _wanting(self, now: Inputs) -> Steps[Wanted | Refusal]:
        hold, overrides = self._hold, now.overrides
        file = now.candidate.bootstrap
        assert file is not None
        if overrides.holds.get(hold.release) == hold:
            return Wanted(now, _target(hold))
        try:
            found = yield from finding_held(file, hold)
            places = {(one.listener, id(one.route)) for one in found}
            others = {}
            for name, other in overrides.holds.items():
                if name == hold.release:
                    continue
                theirs = yield from finding_held(file, other)
                if places.isdisjoint((one.listener, id(one.route)) for one in theirs):
                    others[name] = other
        except HoldError as error:
            return Refusal((str(error),) if error.release != hold.release else (error.why,))
        names = {name for one in found for name in (one.name, f"{one.listener}/{one.name}")}
        weights = {name: one for name, one in overrides.weights.items() if name not in names}
        before = {"weights": {name: dict(one.weights) for name, one in overrides.weights.items() if name in names}}
        inputs = replace(now, overrides=replace(overrides, weights=weights, holds={**others, hold.release: hold}))
        after = {"release": hold.release, "baseline": hold.baseline, "canary": hold.canary}
        return Wanted(inputs, _target(hold, found[0].name), before if before["weights"] else None, after)


class LetGo:
    """The wish that *release* holds no route."""

    kind = ChangeKind.RELEASE

    def __init__(self, release: str) -> None:
        self._release = release

    def wanted(self, now: Inputs) -> Wanted | Refusal:
        """See `controller.Wish`."""
        holds = now.overrides.holds
        hold = holds.get(self._release)
        if hold is None:
            return Wanted(now, self._release)
        others = {name: other for name, other in holds.items() if name != self._release}
        before = {"release": hold.release, "baseline": hold.baseline, "canary": hold.canary}
        return Wanted(replace(now, overrides=replace(now.overrides, holds=others)), _target(hold), before)


def _target(hold: RouteHold, name: str = "") -> str:
    return name or hold.route.text or hold.route.name or hold.release


def _proof(hold: Hold, let_go: LetGo) -> tuple[Wish, Wish]:  # mypy proves that they are
    return hold, let_go
