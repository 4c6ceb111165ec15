"""Values that an operator can change while the proxy runs (Envoy's runtime): shares and weights by dotted keys.

Rule 1. What is not there, or is not of the kind that is asked for, leaves the default of whoever asks.
Rule 2. A number where a share is wanted is a percentage; above 100 it means always (``Runtime::Snapshot::featureEnabled``). What
        it has behind the point is cut off, wherever a whole number is wanted.
Rule 3. Who asks does so each time: the values are exchanged while everything that was made with them goes on (`Runtime.take`).
"""

from collections.abc import Iterable

from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.route import FractionalPercent, RuntimeFraction

_PERCENT = 100


class Runtime:
    """The layers of one configuration, the last one on top."""

    __slots__ = ("_values",)

    def __init__(self, layers: Iterable[RuntimeLayer] = ()) -> None:
        self._values: dict[str, RuntimeValue] = {}
        self.take(layers)

    def take(self, layers: Iterable[RuntimeLayer]) -> None:
        """Have the values of *layers*, and of no others, from now on."""
        values: dict[str, RuntimeValue] = {}
        for layer in layers:
            values.update(layer.values)
        self._values = values

    def integer(self, key: str, default: int) -> int:
        """Return the whole number, 0 or more, under *key*."""
        value = _whole(self._values.get(key))
        return default if value is None else value

    def number(self, key: str, default: float) -> float:
        """Return the number, whole or not, under *key*."""
        value = self._values.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    def boolean(self, key: str, default: bool) -> bool:
        """Return the truth under *key*."""
        value = self._values.get(key, default)
        return value if isinstance(value, bool) else default

    def share(self, fraction: RuntimeFraction) -> FractionalPercent:
        """Return the share that holds now."""
        if fraction.runtime_key:
            value = self._values.get(fraction.runtime_key)
            if isinstance(value, FractionalPercent):
                return value
            percent = _whole(value)
            if percent is not None:
                return FractionalPercent(min(percent, _PERCENT))
        return fraction.default

    def holds(self, fraction: RuntimeFraction, random: int) -> bool:
        """Say whether a request with this *random* number (``RequestHead.random``) is one of the share."""
        share = self.share(fraction)
        return random % share.denominator < share.numerator


def _whole(value: RuntimeValue | None) -> int | None:
    """Return *value* as a whole number, 0 or more, if it is a number."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None
