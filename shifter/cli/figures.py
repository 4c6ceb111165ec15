"""What ``/events`` told of a running proxy, kept for a while and added up (docs/live-page.md says what comes).                (pure)

Rule 1. Whatever comes is data of somebody else's: what is not of the shape that is expected is passed over, and names are made
        printable before anybody sees them.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

KEPT = 120.0
"""Seconds that figures are kept for."""

_JITTER = 0.25


@dataclass(slots=True)
class Sum:
    """Figures of one cluster added up: requests, those answered 5xx, connections begun; ``bins`` are durations by number."""

    rq: int = 0
    e5: int = 0
    cx: int = 0
    bins: dict[int, int] = field(default_factory=dict)

    def add(self, told: Mapping[str, Any]) -> None:
        """Add what one event told."""
        self.rq += told.get("rq", 0)
        self.e5 += told.get("e5", 0)
        self.cx += told.get("cx_new", 0) or told.get("cx", 0)
        numbers = told.get("h", [])
        for number, count in zip(numbers[::2], numbers[1::2], strict=False):
            self.bins[number] = self.bins.get(number, 0) + count


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a cluster, and what of a route's requests it gets; ``weight`` is ``None`` outside of weighted routes.

    Rates are a second; ``errors`` is the share of answers that were 5xx. ``None`` is what cannot be told. ``trend`` are rates of
    equal stretches of the last minute, the oldest first.
    """

    cluster: str
    route: str = ""
    weight: int | None = None
    share: float | None = None
    rps: float | None = None
    errors: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    active: int = 0
    healthy: int = 0
    members: int = 0
    trend: tuple[float | None, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values, without the trend."""
        names = ("cluster", "route", "weight", "share", "rps", "errors", "p50", "p90", "p99", "active", "healthy", "members")
        return {name: getattr(self, name) for name in names}


class Figures:
    """See the module."""

    def __init__(self) -> None:
        self.version = ""
        self.state = ""
        self.problems: tuple[str, ...] = ()
        self.configuration = 0
        self.started = 0.0
        self.now = 0.0
        self.boot = ""
        self.greeted = False
        self.fresh = 0.0  # seconds that figures came for since the greeting
        self._bounds: list[float] = []
        self._topology: Mapping[str, Any] = {}
        self._clusters: dict[str, dict[str, Any]] = {}
        self._frames: deque[Mapping[str, Any]] = deque()

    def take(self, name: str, data: Any) -> None:
        """Take one event in."""
        if name == "hello":
            self.version, self.started, self.now, self.boot = printable(data["version"]), data["started"], data["now"], data["boot"]
            self._bounds = data["bounds"]
            self.greeted = False
        elif name == "state":
            self.state, self.configuration = printable(data["state"]), data["version"]
            self.problems = tuple(map(printable, data["problems"]))
        elif name == "topology":
            self._topology = data
        elif name == "clusters":
            self._clusters = {cluster: dict(told) for cluster, told in data.items()}
            self.greeted = True
            self.fresh = 0.0
        elif name == "figures":
            self._figures(data)

    def _figures(self, data: Mapping[str, Any]) -> None:
        self.now = data["t"]
        self.fresh += data["seconds"]
        self._frames.append(data)
        for cluster, told in data.get("clusters", {}).items():
            known = self._clusters.setdefault(cluster, {})
            known.update({key: told[key] for key in ("active", "cx", "healthy", "members") if key in told})
        while self._frames[0]["t"] < self.now - KEPT:
            self._frames.popleft()

    # adding up

    def total(self, seconds: float) -> tuple[float | None, float | None]:
        """Return the rate of requests that clients got answers to in the last *seconds*, and the share of 5xx among them."""
        sum_, looked = Sum(), 0.0
        for frame in self._last(seconds):
            looked += frame["seconds"]
            for told in frame.get("managers", {}).values():
                sum_.add(told)
        return (sum_.rq / looked if looked else None), (sum_.e5 / sum_.rq if sum_.rq else None)

    def rows(self, seconds: float, points: int = 0) -> list[Row]:
        """Return the table: weighted routes with their entries first, then all other clusters. The trend has *points* parts."""
        sums: dict[str, Sum] = {}
        looked = 0.0
        for frame in self._last(seconds):
            looked += frame["seconds"]
            for name, told in frame.get("clusters", {}).items():
                sums.setdefault(name, Sum()).add(told)
        trends = self._trends(points) if points else {}
        rows: list[Row] = []
        for route, entries in self._routes():
            rows += [self._row(entry["cluster"], sums, looked, trends, route, entry["weight"], entry["share"]) for entry in entries]
        seen = {row.cluster for row in rows}
        rows += [self._row(name, sums, looked, trends) for name in self._topology.get("clusters", {}) if name not in seen]
        return rows

    def _row(
        self,
        name: str,
        sums: Mapping[str, Sum],
        looked: float,
        trends: Mapping[str, tuple[float | None, ...]],
        route: str = "",
        weight: int | None = None,
        share: float | None = None,
    ) -> Row:
        one, known = sums.get(name, Sum()), self._clusters.get(name, {})
        rps = (one.rq or one.cx) / looked if looked else None
        p50, p90, p99 = (self._quantile(one.bins, part) for part in (0.5, 0.9, 0.99))
        health = known.get("active", 0), known.get("healthy", 0), known.get("members", 0)
        return Row(
            *(printable(name), printable(route), weight, share, rps, one.e5 / one.rq if one.rq else None, p50, p90, p99, *health),
            trends.get(name, trends.get("", ())),
        )

    def _last(self, seconds: float) -> Iterator[Mapping[str, Any]]:
        for frame in reversed(self._frames):
            if frame["t"] <= self.now - seconds + _JITTER:
                return
            yield frame

    def _routes(self) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
        """Routes with more than one entry, in words."""
        for listener in self._topology.get("listeners", ()):
            for chain in listener["chains"]:
                if len(chain.get("to", ())) > 1:
                    yield f"{listener['name']} (TCP)", chain["to"]
                for host in chain.get("hosts", ()):
                    for route in host["routes"]:
                        if len(route["to"]) > 1:
                            yield f"{route['name'] or host['name']}: {route['match']}", route["to"]

    def _trends(self, points: int, seconds: float = 60.0) -> dict[str, tuple[float | None, ...]]:
        """Rates of each cluster; under the empty name those of one that had none."""
        step = seconds / points
        looked = [0.0] * points
        counts: dict[str, list[float]] = {}
        for frame in self._last(seconds):
            # figures of a longer stretch are those of all parts that it covers
            newest = int((self.now - frame["t"]) / step)
            covered = range(newest, min(max(newest + 1, round((self.now - frame["t"] + frame["seconds"]) / step)), points))
            for back in covered:
                looked[points - 1 - back] += frame["seconds"] / len(covered)
            for name, told in frame.get("clusters", {}).items():
                counted = counts.setdefault(name, [0.0] * points)
                for back in covered:
                    counted[points - 1 - back] += (told.get("rq", 0) or told.get("cx_new", 0)) / len(covered)
        none = {"": tuple([0.0 if time else None for time in looked])}
        return none | {
            name: tuple([count / time if time else None for count, time in zip(counted, looked, strict=True)])
            for name, counted in counts.items()
        }

    def _quantile(self, bins: Mapping[int, int], share: float) -> float | None:
        """As the proxy works it out: exact to the bin, linear within it."""
        wanted, below = share * sum(bins.values()), 0
        for number, count in sorted(bins.items()):
            if below + count >= wanted:
                last = len(self._bounds) - 1
                low = self._bounds[min(number, last + 1) - 1] if number else 0.0
                return low + (self._bounds[min(number, last)] - low) * (wanted - below) / count
            below += count
        return None


def printable(text: object) -> str:
    """Return *text* without what a terminal would act upon."""
    return "".join(one if one.isprintable() else "?" for one in str(text))


def events(lines: Iterable[bytes]) -> Iterator[tuple[str, str, str]]:
    """Iterate over the events of a stream by its lines: name, data, and the id (empty for none)."""
    name, data, identity = "message", "", ""
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if data:
                yield name, data, identity
            name, data, identity = "message", "", ""
            continue
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "event":
            name = value
        elif key == "data":
            data += value
        elif key == "id":
            identity = value
