"""Histograms as Envoy's ``/stats`` prints them: percentiles, buckets, or every bin; as text and as JSON.

Rule 1. Of two numbers the first is that of the last interval, the second that of all time; an interval without values has ``nan``.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from shifter.model.histogram import HISTOGRAM_BOUNDS_MS, HistogramReport, bin_edges, quantiles

PERCENTS = (0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100)
SHARES = tuple(percent / 100 for percent in PERCENTS)
NOTHING = "No recorded values"

Bounds = Callable[[str], Sequence[float]]
"""The upper bounds of the buckets of the histogram of this name."""


def default_bounds(name: str) -> Sequence[float]:
    """Those of Envoy, whatever the name."""
    return HISTOGRAM_BOUNDS_MS


def summary(histogram: HistogramReport) -> str:
    """``P0(nan,1) P25(nan,1.05) ...``."""
    if not histogram.bins:
        return NOTHING
    interval = _interval_quantiles(histogram)
    pairs = zip(PERCENTS, interval, quantiles(histogram.bins, SHARES), strict=True)
    return " ".join(f"P{percent}({'nan' if last is None else f'{last:.6g}'},{all_:.6g})" for percent, last, all_ in pairs)


def cumulative(histogram: HistogramReport, bounds: Sequence[float]) -> str:
    """``B0.5(0,4) B1(0,5) ...``: values not above each bound."""
    return _buckets(histogram, bounds, _below)


def disjoint(histogram: HistogramReport, bounds: Sequence[float]) -> str:
    """The same, each without those of the bucket before."""
    return _buckets(histogram, bounds, _between)


def detailed(histogram: HistogramReport) -> str:
    """Three lines: the bins of all time, those of the interval, and the summary."""
    if not histogram.bins:
        return NOTHING
    totals, intervals = (
        ", ".join(f"{low:.6g},{width:.6g}:{count}" for low, width, count in _bins(histogram, last)) for last in (False, True)
    )
    return f"\n  totals={totals}\n  intervals={intervals}\n  summary={summary(histogram)}"


def as_text(mode: str, bounds: Bounds) -> Callable[[str, HistogramReport], str]:
    """Return what writes a histogram of a name behind ``name: `` in *mode*, a value of ``histogram_buckets``."""
    if mode == "cumulative":
        return lambda name, histogram: cumulative(histogram, bounds(name))
    if mode == "disjoint":
        return lambda name, histogram: disjoint(histogram, bounds(name))
    if mode == "detailed":
        return lambda name, histogram: detailed(histogram)
    return lambda name, histogram: summary(histogram)


def as_json(mode: str, bounds: Bounds) -> tuple[Callable[[str, HistogramReport], str], Callable[[Iterable[str]], str]]:
    """Return what writes one histogram as JSON, and what puts all of them together (the value of ``histograms``)."""
    if mode in ("cumulative", "disjoint"):
        count = _below if mode == "cumulative" else _between
        return lambda name, histogram: _json_buckets(name, histogram, bounds(name), count), lambda every: f"[{','.join(every)}]"
    supported = json.dumps(PERCENTS, separators=(",", ":"))
    if mode == "detailed":
        return _json_details, lambda every: f'{{"supported_percentiles":{supported},"details":[{",".join(every)}]}}'
    return _json_summary, lambda every: f'{{"supported_quantiles":{supported},"computed_quantiles":[{",".join(every)}]}}'


def _interval_quantiles(histogram: HistogramReport) -> Sequence[float | None]:
    return quantiles(histogram.interval or {}, SHARES) or (None,) * len(SHARES)


def _below(histogram: HistogramReport, bounds: Sequence[float]) -> list[int]:
    return histogram.below(bounds)


def _between(histogram: HistogramReport, bounds: Sequence[float]) -> list[int]:
    counts = histogram.below(bounds)
    return [count - before for count, before in zip(counts, (0, *counts), strict=False)]


_Count = Callable[[HistogramReport, Sequence[float]], list[int]]


def _buckets(histogram: HistogramReport, bounds: Sequence[float], count: _Count) -> str:
    if not histogram.bins:
        return NOTHING
    last = count(HistogramReport(histogram.interval or {}), bounds)
    return " ".join(f"B{bound:.6g}({one},{two})" for bound, one, two in zip(bounds, last, count(histogram, bounds), strict=True))


def _bins(histogram: HistogramReport, last: bool) -> list[tuple[float, float, int]]:
    """Where each bin begins, how wide it is, and how many there are in it."""
    bins: Mapping[int, int] = (histogram.interval or {}) if last else histogram.bins
    edges = ((bin_edges(number), count) for number, count in sorted(bins.items()))
    return [(low, float(f"{high - low:.3g}"), count) for (low, high), count in edges]


def _json_buckets(name: str, histogram: HistogramReport, bounds: Sequence[float], count: _Count) -> str:
    last = count(HistogramReport(histogram.interval or {}), bounds)
    rows = zip(bounds, last, count(histogram, bounds), strict=True)
    buckets = [{"upper_bound": bound, "interval": one, "cumulative": two} for bound, one, two in rows]
    return _compact({"name": name, "buckets": buckets})


def _percentiles(histogram: HistogramReport) -> list[dict[str, float | None]]:
    every = quantiles(histogram.bins, SHARES) or (None,) * len(SHARES)
    return [{"cumulative": all_, "interval": last} for all_, last in zip(every, _interval_quantiles(histogram), strict=True)]


def _json_summary(name: str, histogram: HistogramReport) -> str:
    return _compact({"name": name, "values": _percentiles(histogram)})


def _json_details(name: str, histogram: HistogramReport) -> str:
    def told(last: bool) -> list[dict[str, float]]:
        return [{"lower_bound": low, "width": width, "count": count} for low, width, count in _bins(histogram, last)]

    return _compact({"name": name, "totals": told(False), "intervals": told(True), "percentiles": _percentiles(histogram)})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
