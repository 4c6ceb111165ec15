"""A report as Prometheus text (format 0.0.4) under Envoy's metric names and labels.

Rule 1. All lines of a metric stand together, after one ``# TYPE`` line; no series appears twice.
Rule 2. One line is one format operation, and one step is one metric: a scrape of a thousand clusters must not be felt by requests.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from shifter.model.histogram import HISTOGRAM_BOUNDS_MS, HistogramReport, quantiles
from shifter.model.report import Report
from shifter.model.steps import Steps, at_once
from shifter.observe.histogram_text import SHARES, Bounds, default_bounds
from shifter.observe.scopes import EVERYTHING, RELEASES, Scope, Selection, escaped, families_in_steps, one_line, place_of_text

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_EDGES = [f'le="{bound}"}} ' for bound in (*HISTOGRAM_BOUNDS_MS, "+Inf")]
_NOTHING = (0,) * len(_EDGES)
_PIECE = 64

_UNFIT = re.compile("[^A-Za-z0-9_]")
_VALUES = re.compile(r"ssl\.(?:(ciphers|curves|sigalgs|versions)\.(.+)|certificate\.(.+)\.([a-z_]+))")
"""Figures with a value in their name, which for Prometheus is a label."""
_OF_RELEASES = {"state": "state", "evidence": "metric"}
"""Those of releases, and the names of the labels."""


def exposition(report: Report, selection: Selection = EVERYTHING) -> str:
    """Return the text of one scrape."""
    return at_once(exposition_in_steps(report, selection))


def exposition_in_steps(
    report: Report, selection: Selection = EVERYTHING, summaries: bool = False, bounds: Bounds = default_bounds, words: bool = False
) -> Steps[str]:
    """Make the text of one scrape; with *summaries* histograms are percentiles of the last interval, as Envoy makes them. With *words*
    what is told in words is there, too."""
    every = yield from families_in_steps(report, selection)
    lines: list[str] = []
    for family in every:
        yield from _numbers(lines, family, "counter", [scope.figures.counters for scope in family])
        lines += _derived(family)
        yield
    for family in every:
        yield from _numbers(lines, family, "gauge", [scope.figures.gauges for scope in family])
        yield from _numbers(lines, family, "gauge", [scope.figures.shared for scope in family])
    if words:
        lines += _words(report, selection)
    for family in every:
        yield from _histograms(lines, family, summaries, bounds)
    return "".join(lines)


def _numbers(lines: list[str], family: list[Scope], kind: str, figures: Sequence[Mapping[str, float]]) -> Steps[None]:
    labelled = [(scope.labels, numbers) for scope, numbers in zip(family, figures, strict=True)]
    before = ""
    yield
    names = yield from _names(figures)
    for name in names:
        plain, value = _taken_apart(name, family[0].metric)
        metric = _metric(family[0], plain)
        if metric != before:
            lines.append(f"# TYPE {metric} {kind}\n")
            before = metric
        lines.append("".join([f"{metric}{{{value}{labels}}} {numbers[name]}\n" for labels, numbers in labelled if name in numbers]))
        yield


def _taken_apart(name: str, scope: str) -> tuple[str, str]:
    """Return the name of a figure of TLS, or of a release, without the value that stands in it, and that as a label; others as they are."""
    if scope == RELEASES:
        what, _, value = name.partition(".")
        return (what, f'{_OF_RELEASES[what]}="{value}",') if value else (what, "")
    found = _VALUES.fullmatch(name) if name.startswith("ssl.") else None
    if found is None:
        return name, ""
    kind, value, certificate, of_certificate = found.groups()
    if certificate is not None:
        return f"ssl.certificate.{of_certificate}", f'envoy_tls_certificate="{escaped(certificate)}",'
    label = "cipher_suite" if kind == "ciphers" and scope == "envoy_cluster_" else f"envoy_ssl_{kind[:-1]}"
    return f"ssl.{kind}", f'{label}="{escaped(value)}",'


def _derived(family: list[Scope]) -> Iterator[str]:
    by_metric: dict[str, list[str]] = {}
    for scope in family:
        for one in scope.derived:
            metric = scope.metric + one.metric
            by_metric.setdefault(metric, []).append(f"{metric}{{{one.label}{scope.labels}}} {one.value}\n")
    for metric in sorted(by_metric):
        yield f"# TYPE {metric} counter\n"
        yield from by_metric[metric]


def _words(report: Report, selection: Selection) -> Iterator[str]:
    """Words are labels of gauges that are 0, as in Envoy."""
    by_metric: dict[str, list[str]] = {}
    for name, text in sorted(report.texts.items()):
        if selection.keep is None or selection.keep(name):
            before, labels, rest = place_of_text(name)
            metric = before + _UNFIT.sub("_", rest)
            line = f'{metric}{{{labels}{"," if labels else ""}text_value="{escaped(one_line(text))}"}} 0\n'
            by_metric.setdefault(metric, []).append(line)
    for metric in sorted(by_metric):
        yield f"# TYPE {metric} gauge\n"
        yield from by_metric[metric]


def _histograms(lines: list[str], family: list[Scope], summaries: bool, bounds: Bounds) -> Steps[None]:
    show = _summary if summaries else _buckets
    names = yield from _names([scope.figures.histograms for scope in family])
    for name in names:
        metric = _metric(family[0], name)
        lines.append(f"# TYPE {metric} {'summary' if summaries else 'histogram'}\n")
        for at, scope in enumerate(family):
            histogram = scope.figures.histograms.get(name)
            if histogram is not None:
                lines.append("".join(show(metric, scope, histogram, bounds(scope.path + name))))
            if at % _PIECE == 0:
                yield


def _buckets(metric: str, scope: Scope, histogram: HistogramReport, bounds: Sequence[float]) -> Iterator[str]:
    below: Iterable[int]
    if bounds is HISTOGRAM_BOUNDS_MS:
        edges, below = _EDGES, accumulate(histogram.counts or _NOTHING)
    else:
        edges, below = [f'le="{bound:.17g}"}} ' for bound in bounds] + [_EDGES[-1]], [*histogram.below(bounds), histogram.count]
    start = f"{metric}_bucket{{{scope.labels}{',' if scope.labels else ''}"
    yield from [f"{start}{edge}{count}\n" for edge, count in zip(edges, below, strict=True)]
    yield f"{metric}_sum{{{scope.labels}}} {histogram.total!r}\n{metric}_count{{{scope.labels}}} {histogram.count}\n"


def _summary(metric: str, scope: Scope, histogram: HistogramReport, bounds: Sequence[float]) -> Iterator[str]:
    last = HistogramReport(histogram.interval or {})
    start = f"{metric}{{{scope.labels}{',' if scope.labels else ''}quantile="
    values = [f"{value:.6g}" for value in quantiles(last.bins, SHARES)] or ["NaN"] * len(SHARES)
    yield from [f'{start}"{share:g}"}} {value}\n' for share, value in zip(SHARES, values, strict=True)]
    yield f"{metric}_sum{{{scope.labels}}} {last.middle:.6g}\n{metric}_count{{{scope.labels}}} {last.count}\n"


def _names(figures: Sequence[Mapping[str, object]]) -> Steps[list[str]]:
    names: set[str] = set()
    for at in range(0, len(figures), _PIECE):
        names.update(*figures[at : at + _PIECE])
        yield
    return sorted(names)


def _metric(scope: Scope, name: str) -> str:
    whole = _UNFIT.sub("_", name)  # secrets and prefixes of filters have names of their users' choosing
    return whole if name.startswith("shifter.") else scope.metric + whole
