"""What has moved since the last look: figures of one interval, made of counters that only grow.                        (pure)

Rule 1. Only what moved is told. A part that is not mentioned had no traffic in the interval and is otherwise as it was last told.
Rule 2. Counts are those of the interval, not rates: whoever wants a rate over several intervals adds them up and divides.
Rule 3. Counters that are less than before were reset; they are then counted from 0.
"""

import json
from bisect import bisect_left
from collections.abc import Mapping
from typing import TypeVar

from shifter.model.histogram import EDGES_MS, HistogramReport, quantiles
from shifter.model.report import ClusterReport, EndpointReport, Figures, HttpReport, Part, TcpReport

BOUNDS_MS: tuple[float, ...] = tuple(
    edge
    for edge in EDGES_MS
    if int(f"{edge:e}".replace(".", "")[:2]) in (*range(10, 17), *range(18, 32, 2), *range(33, 40, 3), *range(40, 100, 5))
)
"""Upper bounds, inclusive, in milliseconds, of the bins that durations are told in. One bin more is for the rest."""

MOST_ENDPOINTS = 64
"""So many endpoints of one cluster are told of; there may be more."""

_BINS = [bisect_left(BOUNDS_MS, edge) for edge in EDGES_MS] + [len(BOUNDS_MS)]
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_BYTES = {"rx": "upstream_cx_rx_bytes_total", "tx": "upstream_cx_tx_bytes_total"}

_NOTHING = HistogramReport()

K = TypeVar("K")


class Moving:
    """What was seen last of every part.

    After a pass over all parts `take` returns what moved, as JSON text; `clusters` what is to be said of every cluster to somebody
    who has heard nothing yet.
    """

    def __init__(self) -> None:
        self.clusters: dict[str, str] = {}
        self._before: dict[tuple[str, object], Figures] = {}
        self._now: dict[tuple[str, object], Figures] = {}
        self._said: dict[str, tuple[object, object]] = {}
        self._moved: dict[str, list[str]] = {"listeners": [], "managers": [], "tcp": [], "clusters": []}

    def look(self, part: Part) -> None:
        """Look at one part."""
        if isinstance(part, ClusterReport):
            self._cluster(part)
        elif isinstance(part, HttpReport):
            self._add("managers", _name(part.listener, part.prefix), _requests(self._since("http", part.key, part.figures)))
        elif isinstance(part, TcpReport):
            since = self._since("tcp", part.key, part.figures)
            counts = {"cx": "downstream_cx_total", "rx": "downstream_cx_rx_bytes_total", "tx": "downstream_cx_tx_bytes_total"}
            self._add("tcp", _name(part.listener, part.prefix), _some(since, counts))
        else:
            since = self._since("listener", part.key, part.figures)
            told = {**_some(since, {"cx": "downstream_cx_total"}), **_gauges(part.figures, {"cx_active": "downstream_cx_active"})}
            self._add("listeners", _name(part.name, f"{part.host}:{part.port}"), told)

    def take(self) -> str:
        """Return the parts that moved since the last call, as the inside of a JSON object, and begin the next interval."""
        text = ", ".join(f'"{kind}": {{{", ".join(told)}}}' for kind, told in self._moved.items() if told)
        self._moved = {kind: [] for kind in self._moved}
        self._before, self._now = self._now, {}
        present = {name for kind, name in self._before if kind == "cluster"}
        for name in self.clusters.keys() - present:
            del self.clusters[name], self._said[name]
        return text

    # inside

    def _cluster(self, report: ClusterReport) -> None:
        name = report.name
        since = self._since("cluster", name, report.figures)
        gauges = _gauges(
            report.figures, {"active": "upstream_rq_active", "pending": "upstream_rq_pending_active", "cx": "upstream_cx_active"}
        )
        told_ones = sorted(report.endpoints, key=lambda one: one.health == "healthy")[:MOST_ENDPOINTS]
        endpoints = {one.address: self._endpoint(name, one) for one in told_ones}
        described = {address: about for address, (about, _) in endpoints.items()}
        members = {"healthy": report.figures.shared.get("membership_healthy", 0), "members": len(report.endpoints)}
        told: dict[str, object] = {**_requests(since), **_durations(since.histograms.get("upstream_rq_time")), **_traffic(since)}
        busy = {address: counts for address, (_, counts) in endpoints.items() if counts}
        if busy:
            told["e"] = busy
        if self._said.get(name) != (gauges, described):
            if self._said.get(name, (None, None))[1] != described:
                told |= {**members, "endpoints": described}
            self._said[name] = gauges, described
            told |= gauges
            self.clusters[name] = f"{json.dumps(name)}: {json.dumps({**gauges, **members, 'endpoints': described})}"
        self._add("clusters", name, told)

    def _endpoint(self, cluster: str, report: EndpointReport) -> tuple[dict[str, object], list[int]]:
        """What an endpoint is, and what it did: requests, those of them that failed."""
        since = self._since("endpoint", (cluster, report.key), report.figures).counters
        about: dict[str, object] = {"health": report.health, "weight": report.weight}
        more = {
            "flags": list(report.health_flags),
            "hostname": report.hostname if report.hostname != report.host else "",
            "priority": report.priority,
            "zone": "/".join(report.locality).strip("/"),
        }
        counts = [since["rq_total"], since["rq_error"]] if since.get("rq_total") or since.get("rq_error") else []
        return {**about, **{name: value for name, value in more.items() if value}}, counts

    def _since(self, kind: str, key: object, now: Figures) -> Figures:
        """What *now* has more than it had in the last pass."""
        self._now[kind, key] = now
        before = self._before.get((kind, key))
        if before is None:
            return now if self._before else Figures()  # of the very first look it is not known when it began to count
        histograms = {name: one.since(before.histograms.get(name, _NOTHING)) for name, one in now.histograms.items()}
        return Figures(_more(now.counters, before.counters), codes=_more(now.codes, before.codes), histograms=histograms)

    def _add(self, kind: str, name: str, told: Mapping[str, object]) -> None:
        if told:
            self._moved[kind].append(f"{json.dumps(name)}: {json.dumps(told)}")


def _name(one: str, two: str) -> str:
    return f"{one} {two}"


def _more(now: Mapping[K, int], before: Mapping[K, int]) -> dict[K, int]:
    return {key: value - old if value >= (old := before.get(key, 0)) else value for key, value in now.items()}


def _requests(since: Figures) -> dict[str, object]:
    """Requests that ended: all, those answered 4xx, 5xx, and those that ended without an answer."""
    codes = since.codes
    counts = {
        "rq": sum(codes.values()),
        "e4": sum(count for code, count in codes.items() if 400 <= code < 500),
        "e5": sum(count for code, count in codes.items() if 500 <= code < 600),
        "none": codes.get(0, 0),
    }
    return {name: count for name, count in counts.items() if count}


def _durations(histogram: HistogramReport | None) -> dict[str, object]:
    """Percentiles in milliseconds, and the bins they are from: [number, count, ...]."""
    if histogram is None or not histogram.bins:
        return {}
    found = quantiles(histogram.bins, tuple(_QUANTILES.values()))
    wider: dict[int, int] = {}
    for number, count in sorted(histogram.bins.items()):
        wider[_BINS[number]] = wider.get(_BINS[number], 0) + count
    bins = [number for pair in wider.items() for number in pair]
    return {**{name: round(value, 3) for name, value in zip(_QUANTILES, found, strict=True)}, "h": bins}


def _traffic(since: Figures) -> dict[str, int]:
    """What also clusters of TCP proxies have: connections begun, bytes either way."""
    return _some(since, {"cx_new": "upstream_cx_total", **_BYTES})


def _some(since: Figures, names: Mapping[str, str]) -> dict[str, int]:
    return {short: value for short, name in names.items() if (value := since.counters.get(name, 0))}


def _gauges(figures: Figures, names: Mapping[str, str]) -> dict[str, int]:
    return {short: figures.gauges.get(name, 0) for short, name in names.items()}
