"""The wish that a route has other weights, over what the files say."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from twisted.internet.defer import Deferred

from shifter.model.bootstrap import Bootstrap
from shifter.model.change import ChangeKind, WeightOverride
from shifter.model.steps import Steps
from shifter.service.composition import Inputs
from shifter.service.controller import Refusal, Wanted, Wish
from shifter.service.holds import HoldError, holder_of
from shifter.service.weights import Choice, WeightsError, as_set, choosing, finding, wanted_weights

Meanwhile: TypeAlias = Callable[[Steps[Wanted | Refusal]], Deferred[Wanted | Refusal]]
"""Who does some work in slices between requests."""


class SetWeights:
    """The wish that the route that *route* means has *weights*, which are as they were written, by cluster; with none of them, that it
    has those of the file again. *served* returns what is served, that is, what the inputs in force are composed to. Looking for the
    route among thousands is done *meanwhile*.

    A choice is called what it is called in the files: what is set may make two of them alike that are not so there."""

    kind = ChangeKind.WEIGHT

    def __init__(self, route: str, weights: Mapping[str, str], served: Callable[[], Bootstrap], meanwhile: Meanwhile) -> None:
        self._route = route
        self._weights = weights
        self._served = served
        self._meanwhile = meanwhile

    def wanted(self, now: Inputs) -> Deferred[Wanted | Refusal]:
        """See `controller.Wish`."""
        return self._meanwhile(self._wanting(now))

    def _wanting(self, now: Inputs) -> Steps[Wanted | Refusal]:
        file = now.candidate.bootstrap
        assert file is not None
        try:
            holder = yield from holder_of(file, now.overrides.holds, self._route)
            if holder:
                return Refusal((f"the release `{holder}` holds {self._route}: use `shifter release` for its weights",))
            choice = yield from finding(replace(file, runtime=self._served().runtime), self._route)
            held = now.overrides.weights.get(choice.name)
            if held is not None:
                choice = as_set(choice, held)
            said = (yield from choosing(file, {choice.name}))[choice.name]
            if not self._weights:
                return _wanted(now, choice, None, said)
            weights = wanted_weights(choice, self._weights)
        except WeightsError as error:
            return Refusal(error.problems)
        except HoldError as error:
            return Refusal((str(error),))
        override = WeightOverride(choice.name, weights, dict(said.weights))
        return _wanted(now, choice, override, said)


def _wanted(now: Inputs, choice: Choice, override: WeightOverride | None, said: Choice) -> Wanted:
    others = {name: one for name, one in now.overrides.weights.items() if name != choice.name}
    weights = others if override is None else {**others, choice.name: override}
    after = said.weights if override is None else override.weights
    same = override is not None and dict(choice.weights) == dict(after) and choice.name in now.overrides.weights
    same = same or (override is None and choice.name not in now.overrides.weights)
    inputs = now if same else replace(now, overrides=replace(now.overrides, weights=weights))
    warnings = []
    if said.prefix and override is not None:
        warnings.append(f"values of runtime under `{said.prefix}.` have no effect on {choice.name} while these weights hold")
    return Wanted(inputs, choice.name, dict(choice.weights), dict(after), warnings=tuple(warnings))


def _proof(wish: SetWeights) -> Wish:  # mypy proves that it is one
    return wish
