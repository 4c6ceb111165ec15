"""A report as Envoy's ``/stats`` prints it: text, JSON, and a table for people.

Rule 1. One statistic, one line, in the order of names, histograms last; a name from a configuration cannot add lines (`scopes.one_line`).
Rule 2. A page of a thousand clusters is made in steps: sorting all its lines at once would be felt by requests.
"""

import json
from bisect import insort
from collections.abc import Callable, Sequence
from html import escape
from typing import TypeVar

from shifter.model.histogram import HistogramReport
from shifter.model.report import Report
from shifter.model.steps import Steps, at_once
from shifter.observe.histogram_text import Bounds, as_json, as_text, default_bounds
from shifter.observe.scopes import EVERYTHING, Scope, Selection, families_in_steps, one_line

MODES = ("cumulative", "disjoint", "detailed", "summary")
"""Ways to show histograms (``histogram_buckets``)."""

_V = TypeVar("_V")
_PIECE = 256


def stats_text(report: Report, selection: Selection = EVERYTHING) -> str:
    """Return ``/stats``."""
    return at_once(text_in_steps(report, selection))


def stats_json(report: Report, selection: Selection = EVERYTHING) -> str:
    """Return ``/stats?format=json``."""
    return at_once(json_in_steps(report, selection))


def text_in_steps(report: Report, selection: Selection = EVERYTHING, mode: str = "summary", bounds: Bounds = default_bounds) -> Steps[str]:
    """Make ``/stats``, with histograms in *mode*."""
    show = as_text(mode, bounds)
    numbers, histograms = yield from _sorted(report, selection)
    lines = [f'{name}: "{text}"\n' for name, text in _texts(report, selection)]
    lines += yield from _each(numbers, lambda name, value: f"{name}: {value}\n")
    lines += yield from _each(histograms, lambda name, histogram: f"{name}: {show(name, histogram)}\n", 8)
    return "".join(lines)


def json_in_steps(report: Report, selection: Selection = EVERYTHING, mode: str = "summary", bounds: Bounds = default_bounds) -> Steps[str]:
    """Make ``/stats?format=json``."""
    show, together = as_json(mode, bounds)
    numbers, histograms = yield from _sorted(report, selection)
    lines = [f'{{"name":{json.dumps(name)},"value":{json.dumps(text)}}}' for name, text in _texts(report, selection)]
    lines += yield from _each(numbers, lambda name, value: f'{{"name":{json.dumps(name)},"value":{value}}}', between=",")
    shown = yield from _each(histograms, show, 8, ",")
    if shown:
        lines.append(f'{{"histograms":{together(shown)}}}')
    return f'{{"stats":[{",".join(lines)}]}}'


def html_in_steps(report: Report, selection: Selection = EVERYTHING, mode: str = "summary", bounds: Bounds = default_bounds) -> Steps[str]:
    """Make ``/stats?format=html``: a table without a script."""
    show = as_text(mode, bounds)
    numbers, histograms = yield from _sorted(report, selection)
    rows = [f"<tr><th scope=row>{escape(name)}<td>{escape(text)}\n" for name, text in _texts(report, selection)]
    rows += yield from _each(numbers, lambda name, value: f"<tr><th scope=row>{escape(name)}<td>{value}\n")
    rows += yield from _each(histograms, lambda name, one: f"<tr><th scope=row>{escape(name)}<td>{escape(show(name, one))}\n", 8)
    head = '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Statistics</title>\n<h1>Statistics</h1>\n'
    return f"{head}<table>\n<tr><th scope=col>name<th scope=col>value\n{''.join(rows)}</table>\n</html>\n"


def _each(named: Sequence[tuple[str, _V]], write: Callable[[str, _V], str], piece: int = _PIECE, between: str = "") -> Steps[list[str]]:
    """Write every one; of *piece* of them there is one text, with *between* between two."""
    lines = []
    for at in range(0, len(named), piece):
        lines.append(between.join([write(name, value) for name, value in named[at : at + piece]]))
        yield
    return lines


def _texts(report: Report, selection: Selection) -> list[tuple[str, str]]:
    """Return what is said in words, by name; it stands first."""
    if selection.kind not in ("All", "TextReadouts"):
        return []
    named = sorted((one_line(name).replace(":", "_"), one_line(text)) for name, text in report.texts.items())
    return [pair for pair in named if selection.keep is None or selection.keep(pair[0])]


def _sorted(report: Report, selection: Selection) -> Steps[tuple[list[tuple[str, float]], list[tuple[str, HistogramReport]]]]:
    """Return counters and gauges, and histograms, by name."""
    every = yield from families_in_steps(report, selection)
    numbers: list[tuple[str, float]] = []
    histograms: list[tuple[str, HistogramReport]] = []
    whole: list[Scope] = []  # whose names have no path before them: they may stand anywhere
    group: list[tuple[str, float]] = []
    first = ""
    for scope in sorted((scope for family in every for scope in family), key=lambda scope: scope.path):
        if not scope.path:
            whole.append(scope)
            continue
        if not first or not scope.path.startswith(first):  # names of one cluster and of all behind it do not mix
            numbers += sorted(group)
            first, group = scope.path, []
            yield
        group += _numbers(scope)
        histograms += [(scope.path + name, one) for name, one in scope.figures.histograms.items()]
    numbers += sorted(group)
    for scope in whole:
        histograms += [*scope.figures.histograms.items()]
        for at, pair in enumerate(_numbers(scope)):
            insort(numbers, pair)
            if at % 16 == 0:
                yield
    histograms.sort(key=lambda one: one[0])
    return numbers, histograms


def _numbers(scope: Scope) -> list[tuple[str, float]]:
    path, figures = scope.path, scope.figures
    numbers = [(path + name, value) for named in (figures.counters, figures.gauges, figures.shared) for name, value in named.items()]
    return numbers + [(path + one.name, one.value) for one in scope.derived]
