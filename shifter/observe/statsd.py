"""A report as lines of statsd: ``name:value|c``, ``|g`` and ``|ms``, plain or with tags (DogStatsD), as Envoy's sinks write them.

Rule 1. Counters are told as what came since the last time; who tells the same report twice tells nothing the second time.
Rule 2. Of durations it is known how many fell in a bin, so each bin is one line, with the middle of the bin and a sample rate.
Rule 3. What was never used is not told.
"""

import re
from collections.abc import Iterator

from shifter.model.histogram import HistogramReport, bin_edges
from shifter.model.report import Report
from shifter.model.steps import Steps
from shifter.observe.scopes import Scope, Selection, families_in_steps

_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_UNFIT = str.maketrans({"|": "_", "\n": "_", "#": "_", ",": "_", "@": "_"})


class StatsdLines:
    """What one sink is told. *prefix* goes before every name; with *tags* values in names are tags instead."""

    def __init__(self, prefix: str, tags: bool = False) -> None:
        self._prefix = prefix
        self._tags = tags
        self._before: dict[str, int] = {}

    def lines(self, report: Report, selection: Selection) -> Steps[list[str]]:
        """Make the lines for *report*, as far as it is wanted."""
        told: list[str] = []
        now: dict[str, int] = {}
        for family in (yield from families_in_steps(report, selection)):
            for scope in family:
                told += self._counters(scope, now)
                told += self._others(scope)
                yield
        self._before = now
        return told

    def _counters(self, scope: Scope, now: dict[str, int]) -> Iterator[str]:
        path, behind = self._place(scope.path, scope.labels)
        for name, value in scope.figures.counters.items():
            yield f"{path}{name}:{self._more(scope.path + name, value, now)}|c{behind}"
        for one in scope.derived:
            more = self._more(scope.path + one.name, one.value, now)
            if self._tags:
                _, tagged = self._place(scope.path, f"{one.label}{scope.labels}")
                yield f"{path}{one.metric}:{more}|c{tagged}"
            else:
                yield f"{path}{one.name}:{more}|c"

    def _others(self, scope: Scope) -> Iterator[str]:
        path, behind = self._place(scope.path, scope.labels)
        for gauges in (scope.figures.gauges, scope.figures.shared):
            for name, value in gauges.items():
                yield f"{path}{name}:{value}|g{behind}"
        for name, histogram in scope.figures.histograms.items():
            for duration in _durations(histogram):
                yield f"{path}{name}:{duration}{behind}"

    def _more(self, name: str, value: int, now: dict[str, int]) -> int:
        now[name] = value
        before = self._before.get(name, 0)
        return value - before if value >= before else value

    def _place(self, path: str, labels: str) -> tuple[str, str]:
        """Return what goes before a name, and what behind its kind."""
        if not self._tags:
            return f"{self._prefix}.{path}".translate(_UNFIT), ""
        tags = [(name, _ESCAPED.sub(r"\1", value)) for name, value in _LABEL.findall(labels)]
        for _, value in tags:
            path = path.replace(f".{value}.", ".", 1)
        said = ",".join(f"{name.replace('_', '.', 1)}:{value.translate(_UNFIT)}" for name, value in tags)
        return f"{self._prefix}.{path}".translate(_UNFIT), f"|#{said}" if said else ""


def datagrams(lines: list[str], size: int) -> Iterator[bytes]:
    """Put *lines* into datagrams: as many together as fit in *size* bytes, one that fits in none by itself. With 0 each by itself."""
    together: list[bytes] = []
    length = -1
    for line in lines:
        data = line.encode()
        if together and length + 1 + len(data) > size:
            yield b"\n".join(together)
            together, length = [], -1
        together.append(data)
        length += 1 + len(data)
    if together:
        yield b"\n".join(together)


def _durations(histogram: HistogramReport) -> Iterator[str]:
    for number, count in sorted((histogram.interval or {}).items()):
        middle = sum(bin_edges(number)) / 2
        yield f"{middle:.3g}|ms" if count == 1 else f"{middle:.3g}|ms|@{1 / count:.6g}"
