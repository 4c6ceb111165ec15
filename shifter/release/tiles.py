"""The figures of both versions over the current step, with what is certain of their difference.

Rule 1. Whoever looks on has one figure worked out anew each second, in turn: no second pays for all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from math import isfinite
from typing import Any

from shifter.observe.comparison import Second
from shifter.release.distribution import Distribution
from shifter.release.evidence import Metric
from shifter.release.proven import CERTAINTY, Ranks, interval

QUANTILES = (("p50", 0.50), ("p90", 0.90), ("p99", 0.99))
FIGURES = 1 + len(QUANTILES)
"""How many figures there are."""
_RISK = CERTAINTY / 2
"""Of each version's figure: the difference is that of two."""
_LEAST = 20
"""Of fewer requests nobody wants to hear a quantile."""


class Tiles:
    """What was seen of the current step. Pairs are (baseline, canary); *latency_margin* is ``None`` where latency is not judged, or the
    part of the baseline's that the canary may take longer, and the milliseconds that it may whatever part that is."""

    __slots__ = ("_error_margin", "_figures", "_latencies", "_latency_margin", "failed", "units")

    def __init__(self, error_margin: float, latency_margin: tuple[float, float] | None) -> None:
        self._error_margin = error_margin
        self._latency_margin = latency_margin
        self.begin()

    def begin(self) -> None:
        """A step begins: what was before is not of it."""
        self.units = [0, 0]
        """Requests, or users, with an outcome."""
        self.failed = [0, 0]
        self._latencies = [Distribution(), Distribution()]
        self._figures: dict[str, Metric] = {}

    def add(self, second: Second, units: Sequence[int], failed: Sequence[int]) -> None:
        """Take in what was learned in a *second*: so many *units* with an outcome, of which so many *failed*."""
        for version in (0, 1):
            self.units[version] += units[version]
            self.failed[version] += failed[version]
            if second.answered[version]:
                self._latencies[version].add(second.histograms[version])

    def work_out(self, number: int) -> None:
        """Work out the figure with this *number* (0: errors, then `QUANTILES`)."""
        figure = self._quantile(*QUANTILES[number - 1]) if number else self._errors()
        self._figures[figure.name] = figure

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The figures that are known by now."""
        return tuple(self._figures.values())

    def metric(self, name: str) -> Metric | None:
        """Return the figure *name*, if it is known."""
        return self._figures.get(name)

    def _errors(self) -> Metric:
        rates: list[float | None] = [None, None]
        bounds = [(0.0, 1.0), (0.0, 1.0)]
        for version in (0, 1):
            if units := max(self.units[version], self.failed[version]):
                rates[version] = 100.0 * self.failed[version] / units
                bounds[version] = interval(self.failed[version], units, _RISK)
        old, new = rates
        known = old is not None and new is not None
        return Metric(
            "errors",
            "%",
            old,
            new,
            new - old if old is not None and new is not None else None,
            100.0 * (bounds[1][0] - bounds[0][1]) if known else None,
            100.0 * (bounds[1][1] - bounds[0][0]) if known else None,
            100.0 * self._error_margin,
        )

    def _quantile(self, name: str, quantile: float) -> Metric:
        values: list[tuple[float, float, float] | None] = [None, None]
        for version in (0, 1):
            known = Ranks(*self._latencies[version].used)
            if known.total >= _LEAST:
                values[version] = known.quantile(quantile, _RISK)
        old, new = values
        margin = None
        if self._latency_margin is not None:
            part, least = self._latency_margin
            margin = 100.0 * (max(part, least / old[0]) if old is not None and old[0] > 0.0 else part)
        if old is None or new is None:
            return Metric(name, "ms", old and old[0], new and new[0], None, None, None, margin)
        difference, low, high = (100.0 * (one / other - 1.0) for one, other in ((new[0], old[0]), (new[1], old[2]), (new[2], old[1])))
        return Metric(name, "ms", old[0], new[0], difference, low, high if isfinite(high) else None, margin)

    def to_state(self) -> dict[str, object]:
        """Return everything that changes."""
        return {
            "units": self.units,
            "failed": self.failed,
            "latencies": [one.to_state() for one in self._latencies],
            "figures": [list(astuple(figure)) for figure in self._figures.values()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `to_state` returned."""
        self.units = list(state["units"])
        self.failed = list(state["failed"])
        self._latencies = [Distribution.from_state(one) for one in state["latencies"]]
        self._figures = {figure[0]: Metric(*figure) for figure in state["figures"]}
