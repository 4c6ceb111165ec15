"""Values of Envoy's runtime, from the checked schema to the frozen model.

Rule 1. As in Envoy, a mapping with ``numerator`` or ``denominator`` in it, or an empty one, is a share; any other is a step of
        the dotted keys of what is in it.
"""

from collections.abc import Iterator, Mapping
from math import isfinite

from shifter.config.build_common import DENOMINATORS
from shifter.config.document import TextNode, value_of
from shifter.config.schema.core import Denominator
from shifter.config.schema.runtime import LayeredRuntime
from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.route import FractionalPercent

_SHARE = frozenset(("numerator", "denominator"))


def runtime_layers(config: LayeredRuntime | None) -> tuple[RuntimeLayer, ...]:
    """Return the layers of *config* that have values."""
    layers = config.layers if config is not None else []
    return tuple(RuntimeLayer(layer.name, dict(flattened(layer.static_layer))) for layer in layers if layer.static_layer is not None)


def flattened(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, RuntimeValue]]:
    """Iterate over *values*, which stand under the dotted key *above*, by their own dotted keys."""
    for name, value in values.items():
        key = above + name
        if not isinstance(value, Mapping):
            yield key, _scalar(value)
        elif is_share(value):
            yield key, _share(value)
        else:
            yield from flattened(value, f"{key}.")


def is_share(value: Mapping[str, object]) -> bool:
    """Is this mapping a value, and not a step on the way to some?"""
    return not value or not _SHARE.isdisjoint(value)


def _scalar(value: object) -> RuntimeValue:
    if isinstance(value, str):
        # A number in quotes is a number here.
        meant = value_of(TextNode(value.strip(), 0, 0, plain=True))
        value = meant if isinstance(meant, int | float) and not isinstance(meant, bool) else value
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    assert isinstance(value, bool | int | float | str)
    return value


def _share(value: Mapping[str, object]) -> FractionalPercent:
    numerator, word = value.get("numerator", 0), value.get("denominator", "HUNDRED")
    denominator = Denominator.__members__.get(str(word).upper(), Denominator.HUNDRED)
    return FractionalPercent(numerator if isinstance(numerator, int) else 0, DENOMINATORS[denominator])
