"""What one data-path process tells the rest of the product about itself: plain numbers under Envoy's names.

Rule 1. A report is a copy. Whoever holds one cannot disturb, or be disturbed by, the process that made it.
Rule 2. Names in `Figures` are Envoy's statistic names without their scope: ``upstream_rq_total`` among a cluster's figures
        is ``cluster.<name>.upstream_rq_total`` in ``/stats``. The server's are whole; names of our own begin with ``shifter.``.
Rule 3. Reports of processes that serve the same configuration add up to one (`Report.merge`).
Rule 4. What follows from ``codes`` is not carried: classes of status codes and ``*_rq_completed`` are properties.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Self, TypeVar

from shifter.model.histogram import HistogramReport


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers of one scope.

    ``counters`` only grow. ``gauges`` are the load of this process, so those of several processes add up; those of releases may be
    fractions. ``shared`` are
    gauges that every process of one configuration sees alike (hosts in a cluster), of which the largest counts.
    ``codes`` counts requests by status code; code 0 is a request that ended without any answer.
    """

    counters: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    shared: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[int, int] = field(default_factory=dict)
    histograms: Mapping[str, HistogramReport] = field(default_factory=dict)

    @property
    def completed(self) -> int:
        """How many requests were answered, with whatever status."""
        return sum(self.codes.values()) - self.codes.get(0, 0)

    @property
    def classes(self) -> dict[int, int]:
        """Answered requests by the first digit of their status, 1 to 5; digits that never occurred are absent."""
        classes: dict[int, int] = {}
        for code in sorted(self.codes):
            if 100 <= code < 600:
                classes[code // 100] = classes.get(code // 100, 0) + self.codes[code]
        return classes

    @property
    def used(self) -> bool:
        """Whether anything was ever counted here."""
        return bool(self.codes) or any(self.counters.values()) or any(one.bins for one in self.histograms.values())

    def plus(self, other: "Figures") -> "Figures":
        """Return both sets of figures as one."""
        return Figures(
            _joined(self.counters, other.counters, int.__add__),
            _joined(self.gauges, other.gauges, operator.add),
            _joined(self.shared, other.shared, max),
            _joined(self.codes, other.codes, int.__add__),
            _joined(self.histograms, other.histograms, HistogramReport.plus),
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values; the keys of ``codes`` become text."""
        return {
            "counters": dict(self.counters),
            "gauges": dict(self.gauges),
            "shared": dict(self.shared),
            "codes": {str(code): count for code, count in self.codes.items()},
            "histograms": {name: histogram.to_dict() for name, histogram in self.histograms.items()},
        }


@dataclass(frozen=True, slots=True)
class ListenerReport:
    """One listening address (Envoy's ``listener.<address>.`` scope)."""

    name: str
    host: str
    port: int
    figures: Figures = Figures()

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes two reports be about the same listener."""
        return self.name, self.host, self.port

    def plus(self, other: Self) -> "ListenerReport":
        """Return both processes' reports on this listener as one."""
        return ListenerReport(self.name, self.host, self.port, self.figures.plus(other.figures))

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {"name": self.name, "host": self.host, "port": self.port, "figures": self.figures.to_dict()}


@dataclass(frozen=True, slots=True)
class PrefixedReport:
    """What counts under a ``stat_prefix``. Several may share one; ``listener`` tells them apart and is the ``name`` of a
    `ListenerReport`."""

    prefix: str
    listener: str
    figures: Figures = Figures()

    @property
    def key(self) -> tuple[str, str]:
        """What makes two reports be about the same thing."""
        return self.prefix, self.listener

    def plus(self, other: Self) -> Self:
        """Return both processes' reports on this as one."""
        return replace(self, figures=self.figures.plus(other.figures))

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {"prefix": self.prefix, "listener": self.listener, "figures": self.figures.to_dict()}


@dataclass(frozen=True, slots=True)
class HttpReport(PrefixedReport):
    """One HTTP connection manager (``http.<stat_prefix>.``)."""


@dataclass(frozen=True, slots=True)
class TcpReport(PrefixedReport):
    """One TCP proxy (``tcp.<stat_prefix>.``)."""


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One endpoint of a cluster, by its resolved address. ``hostname`` is the name it was resolved from, or empty.

    ``port`` is ``None`` for a Unix domain socket, whose path ``host`` is then.

    ``health_flags`` are the words of Envoy's ``/clusters`` (``failed_active_hc``, ``failed_outlier_check``, ...), ``health`` what
    follows from them (``healthy``, ``degraded``, ``unhealthy``), ``configured_health`` the configuration's ``health_status``.
    ``locality`` is region, zone and sub-zone. Success rates are percentages, -1 for none (outlier detection).
    """

    host: str
    port: int | None
    weight: int = 1
    hostname: str = ""
    health_flags: tuple[str, ...] = ()
    health: str = "healthy"
    configured_health: str = "HEALTHY"
    locality: tuple[str, str, str] = ("", "", "")
    priority: int = 0
    canary: bool = False
    success_rate: float = -1.0
    local_origin_success_rate: float = -1.0
    figures: Figures = Figures()

    @property
    def key(self) -> tuple[str, int | None]:
        """What makes two reports of one cluster be about the same endpoint."""
        return self.host, self.port

    @property
    def address(self) -> str:
        """``host:port``, with brackets around an IPv6 address; the path of a Unix domain socket."""
        if self.port is None:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def plus(self, other: Self) -> "EndpointReport":
        """Return both processes' reports on this endpoint as one; it is as unhealthy as either finds it."""
        flags = tuple(dict.fromkeys((*self.health_flags, *other.health_flags)))
        worse = max(self.health, other.health, key=("healthy", "degraded", "unhealthy").index)
        return replace(self, health_flags=flags, health=worse, figures=self.figures.plus(other.figures))

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {
            "host": self.host,
            "port": self.port,
            "weight": self.weight,
            "hostname": self.hostname,
            "health_flags": list(self.health_flags),
            "health": self.health,
            "configured_health": self.configured_health,
            "locality": list(self.locality),
            "priority": self.priority,
            "canary": self.canary,
            "success_rate": self.success_rate,
            "local_origin_success_rate": self.local_origin_success_rate,
            "figures": self.figures.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """One cluster (``cluster.<name>.``). ``limits`` are its circuit breakers by Envoy's field name, in Envoy's order; ``high_limits``
    those of requests of high priority. ``added_via_api`` tells one that stands in a file of clusters (CDS)."""

    name: str
    figures: Figures = Figures()
    endpoints: tuple[EndpointReport, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    high_limits: Mapping[str, int] = field(default_factory=dict)
    added_via_api: bool = False

    @property
    def key(self) -> str:
        """What makes two reports be about the same cluster."""
        return self.name

    def plus(self, other: Self) -> "ClusterReport":
        """Return both processes' reports on this cluster as one."""
        endpoints = _merged((*self.endpoints, *other.endpoints))
        return ClusterReport(self.name, self.figures.plus(other.figures), endpoints, self.limits, self.high_limits, self.added_via_api)

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {
            "name": self.name,
            "figures": self.figures.to_dict(),
            "endpoints": [endpoint.to_dict() for endpoint in self.endpoints],
            "limits": dict(self.limits),
            "high_limits": dict(self.high_limits),
            "added_via_api": self.added_via_api,
        }


Part = ListenerReport | HttpReport | TcpReport | ClusterReport
"""What somebody may look at by itself."""


@dataclass(frozen=True, slots=True)
class VirtualClusterReport:
    """One virtual cluster (``vhost.<host>.vcluster.<name>.``), by the name of its virtual host."""

    host: str
    name: str
    figures: Figures = Figures()

    @property
    def key(self) -> tuple[str, str]:
        """What makes two reports be about the same virtual cluster."""
        return self.host, self.name

    def plus(self, other: Self) -> "VirtualClusterReport":
        """Return both processes' reports on this virtual cluster as one."""
        return VirtualClusterReport(self.host, self.name, self.figures.plus(other.figures))

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {"host": self.host, "name": self.name, "figures": self.figures.to_dict()}


@dataclass(frozen=True, slots=True)
class ReleaseReport:
    """One release that holds a route, or is about to (``release.<name>.``). What stands behind the dot of a figure's name, in
    ``state.observing`` and ``evidence.errors``, is a label for Prometheus."""

    name: str
    figures: Figures = Figures()

    @property
    def key(self) -> str:
        """What makes two reports be about the same release."""
        return self.name

    def plus(self, other: Self) -> "ReleaseReport":
        """Return both processes' reports on this release as one."""
        return ReleaseReport(self.name, self.figures.plus(other.figures))

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {"name": self.name, "figures": self.figures.to_dict()}


@dataclass(frozen=True, slots=True)
class CertificateDetails:
    """One certificate in use. ``path`` is where it came from; ``names`` are its alternative names (``dns``, ``uri``, ``ip_address``);
    the times are in seconds since the epoch."""

    path: str
    serial_number: str
    names: tuple[tuple[str, str], ...]
    valid_from: int
    expires: int

    def days_left(self, now: float) -> int:
        """Return for how many whole days it is good, at *now*; 0 when it is expired."""
        return max(0, int((self.expires - now) // 86400))


@dataclass(frozen=True, slots=True)
class CertificateReport:
    """What one filter chain shows its clients, or a cluster its endpoints, and whom they trust."""

    authority: CertificateDetails | None = None
    shown: tuple[CertificateDetails, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one process has to say. ``server`` holds whole names (``server.live``, ``cluster_manager.active_clusters``), and so do
    ``texts``, statistics that are words (Envoy's text readouts)."""

    listeners: tuple[ListenerReport, ...] = ()
    http: tuple[HttpReport, ...] = ()
    clusters: tuple[ClusterReport, ...] = ()
    server: Figures = Figures()
    virtual_clusters: tuple[VirtualClusterReport, ...] = ()
    tcp: tuple[TcpReport, ...] = ()
    certificates: tuple[CertificateReport, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    releases: tuple[ReleaseReport, ...] = ()

    @staticmethod
    def merge(reports: Iterable["Report"]) -> "Report":
        """Return one report for several processes that serve the same configuration; an empty one for none."""
        every = tuple(reports)
        server = Figures()
        for report in every:
            server = server.plus(report.server)
        return Report(
            _merged(listener for report in every for listener in report.listeners),
            _merged(http for report in every for http in report.http),
            _merged(cluster for report in every for cluster in report.clusters),
            server,
            _merged(one for report in every for one in report.virtual_clusters),
            _merged(one for report in every for one in report.tcp),
            tuple(dict.fromkeys(one for report in every for one in report.certificates)),
            {name: text for report in every for name, text in report.texts.items()},
            _merged(one for report in every for one in report.releases),
        )

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        return {
            "listeners": [listener.to_dict() for listener in self.listeners],
            "http": [http.to_dict() for http in self.http],
            "clusters": [cluster.to_dict() for cluster in self.clusters],
            "server": self.server.to_dict(),
            "virtual_clusters": [one.to_dict() for one in self.virtual_clusters],
            "tcp": [one.to_dict() for one in self.tcp],
            "certificates": [asdict(one) for one in self.certificates],
            "texts": dict(self.texts),
            "releases": [one.to_dict() for one in self.releases],
        }


_Value = TypeVar("_Value")
_Key = TypeVar("_Key")
_AnyPart = TypeVar("_AnyPart", ListenerReport, HttpReport, TcpReport, EndpointReport, ClusterReport, VirtualClusterReport, ReleaseReport)


def _joined(one: Mapping[_Key, _Value], two: Mapping[_Key, _Value], join: Callable[[_Value, _Value], _Value]) -> dict[_Key, _Value]:
    joined = dict(one)
    for key, value in two.items():
        joined[key] = join(joined[key], value) if key in joined else value
    return joined


def _merged(parts: Iterable[_AnyPart]) -> tuple[_AnyPart, ...]:
    """Join parts that are about the same thing; the order is that of first appearance."""
    merged: dict[object, _AnyPart] = {}
    for part in parts:
        known = merged.get(part.key)
        merged[part.key] = part if known is None else known.plus(part)
    return tuple(merged.values())
