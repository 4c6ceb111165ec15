"""Counters that somebody has set to zero, while everything goes on counting.                                           (pure)

Rule 1. What counts is never touched: gauges follow from counters (`observe.stats`). Instead it is remembered how far they were, and taken
        off what is told from then on.
Rule 2. What counts anew from zero, because it was gone in between, is told as it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from shifter.model.report import Figures, Part, Report

_Key = TypeVar("_Key", str, int)
_Mark = tuple[dict[str, int], dict[int, int]]
_SERVER = "server"


class Baseline:
    """See the module; without `reset` reports go through as they are."""

    def __init__(self) -> None:
        self._marks: dict[object, _Mark] = {}

    def reset(self, report: Report) -> None:
        """Let counters be zero at *report*, which says how far they really are."""
        self._marks = {}
        for key, figures in _scopes(report):
            counters, codes = self._marks.setdefault(key, ({}, {}))
            for name, value in figures.counters.items():
                counters[name] = counters.get(name, 0) + value
            for code, value in figures.codes.items():
                codes[code] = codes.get(code, 0) + value

    def report(self, report: Report) -> Report:
        """Return *report* as if everything had been counted since `reset`."""
        if not self._marks:
            return report
        left = self._left()
        parts: dict[str, Any] = {name: tuple(_part(part, left) for part in getattr(report, name)) for name in _PARTS}
        told = replace(report, server=_less(report.server, left.get(_SERVER)), **parts)
        self._forget(left, {key for key, _ in _scopes(report)})
        return told

    def parts(self, parts: Iterable[Part]) -> Iterator[Part]:
        """Iterate over *parts* in the same way."""
        left = self._left()
        return (_part(part, left) for part in parts) if left else iter(parts)

    def _left(self) -> dict[object, _Mark]:
        return {key: (dict(counters), dict(codes)) for key, (counters, codes) in self._marks.items()}

    def _forget(self, left: dict[object, _Mark], known: set[object]) -> None:
        for key, (counters, codes) in left.items():
            if key not in known or any(counters.values()) or any(codes.values()):
                del self._marks[key]


_PARTS = ("listeners", "http", "clusters", "virtual_clusters", "tcp")


def _scopes(report: Report) -> Iterator[tuple[object, Figures]]:
    yield _SERVER, report.server
    for name in _PARTS:
        for part in getattr(report, name):
            yield (type(part), part.key), part.figures


def _part(part: Any, left: dict[object, _Mark]) -> Any:
    mark = left.get((type(part), part.key))
    return part if mark is None else replace(part, figures=_less(part.figures, mark))


def _less(figures: Figures, mark: _Mark | None) -> Figures:
    """Return *figures* without what *mark* says, and leave in *mark* what was more than there is: others may share the name."""
    if mark is None:
        return figures
    return replace(figures, counters=_taken(dict(figures.counters), mark[0]), codes=_taken(dict(figures.codes), mark[1]))


def _taken(values: dict[_Key, int], off: dict[_Key, int]) -> dict[_Key, int]:
    for name, value in values.items():
        less = min(off.get(name, 0), value)
        if less:
            values[name] = value - less
            off[name] -= less
    return values
