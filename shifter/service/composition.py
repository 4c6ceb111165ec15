"""What is served is made of what the files say and of what holds over them.                                            (pure)

Rule 1. Files first, then runtime values, then weights, then the routes that releases hold. What is made is a whole configuration as
        if a file had said all of it, so that everything after this (plan, warming, swap, explanations, dumps) knows no difference.
Rule 2. What holds over the files ends when they say something else of the same thing; it is told why. Only a release does not end by
        that: files that have no place for it are refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from shifter.config.build_runtime import ValueTextError, runtime_value
from shifter.model.bootstrap import Bootstrap, LayerKind, RuntimeLayer
from shifter.model.steps import Steps, at_once
from shifter.service.holds import with_held
from shifter.service.journal import Overrides, digest
from shifter.service.sources import Candidate
from shifter.service.weights import overriding, weightless


class CompositionError(Exception):
    """What the files say and what holds over them do not go together."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that what is served follows from."""

    candidate: Candidate
    overrides: Overrides = field(default_factory=Overrides)


@dataclass(frozen=True, slots=True)
class Composed:
    """The configuration that follows from `Inputs`; ``inputs`` without those overrides that ended, each of which ``warnings`` tells."""

    bootstrap: Bootstrap
    inputs: Inputs
    warnings: tuple[str, ...] = ()


def compose(inputs: Inputs, before: Composed | None = None) -> Composed:
    """Return what follows from *inputs*, whose candidate has a configuration. Raises `CompositionError` and `HoldError`.

    What has not changed since *before* is the very same object, so that nobody has to compare it.
    """
    return at_once(composing(inputs, before))


def composing(inputs: Inputs, before: Composed | None = None) -> Steps[Composed]:
    """`compose`, a few routes a step."""
    said = inputs.candidate.bootstrap
    assert said is not None
    overrides = inputs.overrides
    ended: list[str] = []
    if overrides.runtime and not has_admin_layer(said):
        ended.append("the runtime values that were set end: the configuration has no `admin_layer` any more")
        overrides = replace(overrides, runtime={})
    bootstrap = replace(said, runtime=_layers(said, inputs.candidate, overrides))
    if before is not None and before.inputs.candidate.bootstrap is said and _says_the_same(before.inputs.overrides, overrides):
        bootstrap = replace(bootstrap, listeners=before.bootstrap.listeners)
    else:
        bootstrap, weights, others = yield from overriding(bootstrap, overrides.weights)
        ended += others
        if len(weights) != len(overrides.weights):
            overrides = replace(overrides, weights=weights)
        bootstrap = yield from with_held(bootstrap, said, overrides.holds)
    without = weightless(bootstrap)
    if without:
        raise CompositionError("; ".join(without))
    return Composed(bootstrap, inputs if overrides is inputs.overrides else replace(inputs, overrides=overrides), tuple(ended))


def _says_the_same(one: Overrides, other: Overrides) -> bool:
    """Whether what holds over the listeners is the same."""
    return one.weights == other.weights and one.holds == other.holds


def notice(overrides: Overrides) -> str:
    """Say that the files are not what is served; empty when they are."""
    if overrides.files is None:
        return ""
    return "an earlier configuration is served, for a change was undone; the files are when one of them changes, or after `shifter reload`"


def at_the_start(first: Candidate, overrides: Overrides, load: Callable[[Mapping[str, bytes]], Candidate]) -> Inputs:
    """Return what follows from the files as they were *first* read and what was in force when the process before this one ended."""
    files = overrides.files
    if files is not None and digest(first.texts) == files.instead_of:
        candidate = load(files.texts)
        if candidate.bootstrap is not None:
            return Inputs(candidate, overrides)
    return Inputs(first, replace(overrides, files=None) if files is not None else overrides)


def has_admin_layer(bootstrap: Bootstrap) -> bool:
    """Say whether runtime values can be set while *bootstrap* is served."""
    return any(layer.kind is LayerKind.ADMIN for layer in bootstrap.runtime)


def _layers(bootstrap: Bootstrap, candidate: Candidate, overrides: Overrides) -> tuple[RuntimeLayer, ...]:
    """Return the layers with what files and requests put into them; as in Envoy without those whose directory does not exist."""
    layers = []
    for layer in bootstrap.runtime:
        if layer.disk is not None:
            read = candidate.disk.get(layer.disk.directory)
            if read is not None and read.exists:
                layers.append(replace(layer, texts=read.texts, values=read.values))
        elif layer.kind is LayerKind.ADMIN:
            layers.append(_admin_layer(layer, overrides))
        else:
            layers.append(layer)
    return tuple(layers)


def _admin_layer(layer: RuntimeLayer, overrides: Overrides) -> RuntimeLayer:
    try:
        values = {key: runtime_value(text) for key, text in overrides.runtime.items()}
    except ValueTextError as error:
        raise CompositionError(f"a runtime value that was set cannot be read: {error}") from error
    return replace(layer, texts=overrides.runtime, values=values)
