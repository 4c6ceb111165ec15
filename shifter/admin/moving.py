"""What has moved since the last look: figures of one interval, made of counters that only grow.                        (pure)

Rule 1. Only what moved is told. A part that is not mentioned had no traffic in the interval and is otherwise as it was last told.
Rule 2. Counts are those of the interval, not rates: whoever wants a rate over several intervals adds them up and divides.
Rule 3. Counters that are less than before were reset; they are then counted from 0.
"""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping

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
_TIME = "upstream_rq_time"

_NOTHING = HistogramReport()
_NONE = Figures()
_LISTENER = {"cx": "downstream_cx_total"}
_TCP = {"cx": "downstream_cx_total", "rx": "downstream_cx_rx_bytes_total", "tx": "downstream_cx_tx_bytes_total"}
_CLUSTER = {"cx_new": "upstream_cx_total", "rx": "upstream_cx_rx_bytes_total", "tx": "upstream_cx_tx_bytes_total"}
_LOAD = {"active": "upstream_rq_active", "pending": "upstream_rq_pending_active", "cx": "upstream_cx_active"}

_Key = tuple[type[Part], object]


class Moving:
    """What was seen last of every part.

    After a pass over all parts `take` returns what moved, as JSON text; `clusters` what is to be said of every cluster to somebody
    who has heard nothing yet.
    """

    def __init__(self) -> None:
        self.clusters: dict[str, str] = {}
        self._before: dict[_Key, Part] = {}
        self._now: dict[_Key, Part] = {}
        self._said: dict[str, tuple[object, object]] = {}
        self._moved: dict[str, list[str]] = {"listeners": [], "managers": [], "tcp": [], "clusters": []}

    def look(self, part: Part) -> None:
        """Look at one part."""
        key = type(part), part.key
        self._now[key] = part
        known = self._before.get(key)
        if known == part:
            return
        now = part.figures
        # of the very first look it is not known when it began to count; what comes later began since the last
        before = known.figures if known is not None else _NONE if self._before else now
        if isinstance(part, ClusterReport):
            self._cluster(part, known if isinstance(known, ClusterReport) else None, before)
        elif isinstance(part, HttpReport):
            self._add("managers", f"{part.listener} {part.prefix}", _requests(now, before))
        elif isinstance(part, TcpReport):
            self._add("tcp", f"{part.listener} {part.prefix}", _grown(now, before, _TCP))
        else:
            told = {**_grown(now, before, _LISTENER), "cx_active": now.gauges.get("downstream_cx_active", 0)}
            self._add("listeners", f"{part.name} {part.host}:{part.port}", told)

    def take(self) -> str:
        """Return the parts that moved since the last call, as the inside of a JSON object, and begin the next interval."""
        text = ", ".join(f'"{kind}": {{{", ".join(told)}}}' for kind, told in self._moved.items() if told)
        self._moved = {kind: [] for kind in self._moved}
        self._before, self._now = self._now, {}
        for name in [name for name in self.clusters if (ClusterReport, name) not in self._before]:
            del self.clusters[name], self._said[name]
        return text

    # inside

    def _cluster(self, report: ClusterReport, known: ClusterReport | None, before: Figures) -> None:
        name, now = report.name, report.figures
        load = {short: now.gauges.get(long, 0) for short, long in _LOAD.items()}
        ill_first = sorted(report.endpoints, key=lambda one: one.health == "healthy")[:MOST_ENDPOINTS]
        described = {one.address: _described(one) for one in ill_first}
        members = {"healthy": now.shared.get("membership_healthy", 0), "members": len(report.endpoints)}
        told: dict[str, object] = {**_requests(now, before), **_durations(now, before), **_grown(now, before, _CLUSTER)}
        busy = _busy(ill_first, known) if before is not now else {}
        if busy:
            told["e"] = busy
        said_load, said_described = self._said.get(name, (None, None))
        if said_described != described:
            told |= {**members, "endpoints": described}
        if said_load != load:
            told |= load
        if (said_load, said_described) != (load, described):
            self._said[name] = load, described
            self.clusters[name] = f"{json.dumps(name)}: {json.dumps({**load, **members, 'endpoints': described})}"
        self._add("clusters", name, told)

    def _add(self, kind: str, name: str, told: Mapping[str, object]) -> None:
        if told:
            self._moved[kind].append(f"{json.dumps(name)}: {json.dumps(told)}")


def _described(report: EndpointReport) -> dict[str, object]:
    """What an endpoint is."""
    more = {
        "flags": list(report.health_flags),
        "hostname": report.hostname if report.hostname != report.host else "",
        "priority": report.priority,
        "zone": "/".join(report.locality).strip("/"),
    }
    return {"health": report.health, "weight": report.weight, **{name: value for name, value in more.items() if value}}


def _busy(endpoints: Iterable[EndpointReport], known: ClusterReport | None) -> dict[str, list[int]]:
    """What endpoints did, if they did something: requests, and those of them that failed."""
    before = {one.key: one.figures for one in known.endpoints} if known is not None else {}
    done = {}
    for one in endpoints:
        counts = _grown(one.figures, before.get(one.key, _NONE), {"rq": "rq_total", "failed": "rq_error"})
        if counts:
            done[one.address] = [counts.get("rq", 0), counts.get("failed", 0)]
    return done


def _requests(now: Figures, before: Figures) -> dict[str, int]:
    """Requests that ended: all, those answered 4xx, 5xx, and those that ended without an answer."""
    codes = {code: _since(count, before.codes.get(code, 0)) for code, count in now.codes.items()}
    counts = {
        "rq": sum(codes.values()),
        "e4": sum(count for code, count in codes.items() if 400 <= code < 500),
        "e5": sum(count for code, count in codes.items() if 500 <= code < 600),
        "none": codes.get(0, 0),
    }
    return {name: count for name, count in counts.items() if count}


def _durations(now: Figures, before: Figures) -> dict[str, object]:
    """Percentiles in milliseconds, and the bins they are from: [number, count, ...]."""
    histogram = now.histograms.get(_TIME, _NOTHING).since(before.histograms.get(_TIME, _NOTHING))
    if not histogram.bins:
        return {}
    found = quantiles(histogram.bins, tuple(_QUANTILES.values()))
    wider: dict[int, int] = {}
    for number, count in sorted(histogram.bins.items()):
        wider[_BINS[number]] = wider.get(_BINS[number], 0) + count
    bins = [number for pair in wider.items() for number in pair]
    return {**{name: round(value, 3) for name, value in zip(_QUANTILES, found, strict=True)}, "h": bins}


def _grown(now: Figures, before: Figures, names: Mapping[str, str]) -> dict[str, int]:
    """How much counters have grown, by short names; those that have not are absent."""
    grown = {short: _since(now.counters.get(long, 0), before.counters.get(long, 0)) for short, long in names.items()}
    return {short: count for short, count in grown.items() if count}


def _since(now: int, before: int) -> int:
    return now - before if now >= before else now
