"""Values that an operator can change while the proxy runs (Envoy's runtime): shares and weights by dotted keys.

Rule 1. What is not there, or is not of the kind that is asked for, leaves the default of whoever asks.
Rule 2. An integer where a share is wanted is a percentage; above 100 it means always (``Runtime::Snapshot::featureEnabled``).
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
        for layer in layers:
            self._values.update(layer.values)

    def integer(self, key: str, default: int) -> int:
        """Return the whole number, 0 or more, under *key*."""
        value = self._values.get(key, default)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default

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
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                return FractionalPercent(min(value, _PERCENT))
        return fraction.default

    def holds(self, fraction: RuntimeFraction, random: int) -> bool:
        """Say whether a request with this *random* number (``RequestHead.random``) is one of the share."""
        share = self.share(fraction)
        return random % share.denominator < share.numerator
