"""Where every figure of a report stands among Envoy's statistics: its path in ``/stats``, its metric and labels for Prometheus.

Rule 1. As in Envoy, ``:`` in a name becomes ``_``; so does whatever cannot stand in one line of text.
Rule 2. Names that are then alike are one scope and their figures add up, as those of managers that share a stat prefix do.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from shifter.model.report import Figures, HttpReport, ListenerReport, Report
from shifter.model.steps import Steps, at_once

_Name = TypeVar("_Name")
_Number = TypeVar("_Number", int, float)
_RDS = re.compile(r"http\.(.*)\.rds\.(.*)\.([a-z_]+)", re.DOTALL)
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


RELEASES = "shifter_release_"
"""What goes before the metrics of releases."""


class Derived(NamedTuple):
    """A counter made from status codes: its name in ``/stats``, and for Prometheus its name and the label that goes first."""

    name: str
    metric: str
    label: str
    value: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Figures that share a place.

    ``path`` and ``metric`` go before the name of each; ``labels`` are Prometheus labels without braces. ``derived`` is what
    follows from ``figures.codes``.
    """

    path: str
    metric: str
    labels: str
    figures: Figures
    derived: tuple[Derived, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which statistics somebody wants to see: those whose name in ``/stats`` *keep* says yes to, and, with *used_only*,
    only what was ever counted. A gauge of a scope that was counted in is used even while it is 0. *kind* is the one kind that is
    wanted (``Counters``, ``Gauges``, ``Histograms``), or ``All``."""

    keep: Callable[[str], bool] | None = None
    used_only: bool = False
    kind: str = "All"

    def of(self, scope: Scope) -> Scope:
        """Return *scope* with what is wanted of it."""
        figures = scope.figures

        def wanted(name: str, used: object) -> bool:
            return bool(used or not self.used_only) and (self.keep is None or self.keep(scope.path + name))

        counters, gauges, histograms = (self.kind in ("All", kind) for kind in ("Counters", "Gauges", "Histograms"))
        return replace(
            scope,
            figures=Figures(
                {name: value for name, value in figures.counters.items() if counters and wanted(name, value)},
                {name: value for name, value in figures.gauges.items() if gauges and wanted(name, figures.used)},
                {name: value for name, value in figures.shared.items() if gauges and wanted(name, figures.used)},
                figures.codes,
                {name: value for name, value in figures.histograms.items() if histograms and wanted(name, value.bins)},
            ),
            derived=tuple(one for one in scope.derived if counters and wanted(one.name, one.value)),
        )


EVERYTHING = Selection()


def sanitized(name: str) -> str:
    """Return *name* as Envoy writes it in statistics."""
    return one_line(name).replace(":", "_")


def one_line(name: str) -> str:
    """Return *name* without what cannot stand in one line of text."""
    return _UNFIT.sub("_", name)


def escaped(value: str) -> str:
    """Return *value* as it stands between the quotes of a label (Prometheus text format 0.0.4)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def address_of(listener: ListenerReport) -> str:
    """Return the name of a listener's scope: its address, not its name."""
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    return sanitized(f"{host}:{listener.port}")


def families(report: Report, selection: Selection = EVERYTHING) -> list[list[Scope]]:
    """Return the scopes of a report as far as they are wanted, those with the same ``metric`` together."""
    return at_once(families_in_steps(report, selection))


def families_in_steps(report: Report, selection: Selection = EVERYTHING) -> Steps[list[list[Scope]]]:
    """Do what `families` does, scope by scope."""
    found: list[list[Scope]] = []
    clusters: list[Scope] = []
    for scopes in (
        *(_clusters(report), _external(clusters), _http(report), _codecs(report), _listeners(report), _listener_http(report), _tcp(report)),
        *(_server(report), _rds(report), _virtual_clusters(report), _releases(report)),
    ):
        family = clusters if not found else []
        for scope in scopes:
            family.append(scope)
            yield
        found.append(family)
    if selection == EVERYTHING:
        return found
    chosen: list[list[Scope]] = []
    for family in found:
        chosen.append([])
        for scope in family:
            chosen[-1].append(selection.of(scope))
            yield
    return chosen


def _by_code(figures: Figures) -> tuple[Derived, ...]:
    """What a cluster shows of its codes: each that occurred, and their classes; how many altogether, always."""
    codes = (
        Derived(f"upstream_rq_{code}", "upstream_rq", f'envoy_response_code="{code}",', figures.codes[code])
        for code in sorted(figures.codes)
        if code
    )
    return (*codes, *_by_class("upstream_rq", figures.classes, figures.completed))


def _every_class(figures: Figures) -> tuple[Derived, ...]:
    """What a connection manager shows of its codes: all five classes, always."""
    return _by_class("downstream_rq", dict.fromkeys(range(1, 6), 0) | figures.classes, figures.completed)


def _by_class(stem: str, classes: dict[int, int], completed: int) -> tuple[Derived, ...]:
    derived = (
        Derived(f"{stem}_{first}xx", f"{stem}_xx", f'envoy_response_code_class="{first}",', count) for first, count in classes.items()
    )
    return (*derived, Derived(f"{stem}_completed", f"{stem}_completed", "", completed))


def _clusters(report: Report) -> Iterator[Scope]:
    return (
        Scope(f"cluster.{name}.", "envoy_cluster_", f'envoy_cluster_name="{escaped(name)}"', figures, _by_code(figures))
        for name, figures in _added((sanitized(cluster.name), cluster.figures) for cluster in report.clusters).items()
    )


def _external(clusters: list[Scope]) -> Iterator[Scope]:
    # Envoy tells requests from inside from those from outside; no address is internal unless configured, so all are external.
    for scope in clusters:
        if scope.figures.codes:
            time = scope.figures.histograms.get("upstream_rq_time")
            figures = Figures(codes=scope.figures.codes, histograms={} if time is None else {"upstream_rq_time": time})
            yield Scope(f"{scope.path}external.", "envoy_cluster_external_", scope.labels, figures, scope.derived)


def _http(report: Report) -> list[Scope]:
    return [
        Scope(f"http.{prefix}.", "envoy_http_", f'envoy_http_conn_manager_prefix="{escaped(prefix)}"', figures, _every_class(figures))
        for prefix, figures in _added((sanitized(http.prefix), _split(http.figures)[0]) for http in report.http).items()
    ]


def _codecs(report: Report) -> list[Scope]:
    """What codecs count of all clients: it stands beside the managers' scopes, not in them (as in Envoy)."""
    return [Scope("", "envoy_", "", figures) for figures in _added(("", _split(http.figures)[1]) for http in report.http).values()]


def _split(figures: Figures) -> tuple[Figures, Figures]:
    """What is the manager's, and what its codecs'."""

    def of(numbers: Mapping[str, _Number], codec: bool) -> dict[str, _Number]:
        return {name: value for name, value in numbers.items() if name.startswith("http2.") is codec}

    counters, gauges = figures.counters, figures.gauges
    return replace(figures, counters=of(counters, False), gauges=of(gauges, False)), Figures(of(counters, True), of(gauges, True))


def _listeners(report: Report) -> list[Scope]:
    return [
        Scope(f"listener.{address}.", "envoy_listener_", f'envoy_listener_address="{escaped(address)}"', figures)
        for address, figures in _added((address_of(listener), listener.figures) for listener in report.listeners).items()
    ]


def _listener_http(report: Report) -> list[Scope]:
    addresses: dict[str, list[str]] = {}
    for listener in report.listeners:
        addresses.setdefault(listener.name, []).append(address_of(listener))

    def place(http: HttpReport) -> tuple[str, str] | None:
        # A manager counts for its listener; which of several addresses a request came by it does not know.
        known = addresses.get(http.listener, ())
        return (known[0], sanitized(http.prefix)) if known else None

    placed = ((at, Figures(codes=http.figures.codes)) for http in report.http if (at := place(http)) is not None)
    return [
        Scope(
            f"listener.{address}.http.{prefix}.",
            "envoy_listener_http_",
            f'envoy_http_conn_manager_prefix="{escaped(prefix)}",envoy_listener_address="{escaped(address)}"',
            figures,
            _every_class(figures),
        )
        for (address, prefix), figures in _added(placed).items()
    ]


def _tcp(report: Report) -> list[Scope]:
    return [
        Scope(f"tcp.{prefix}.", "envoy_tcp_", f'envoy_tcp_prefix="{escaped(prefix)}"', figures)
        for prefix, figures in _added((sanitized(tcp.prefix), tcp.figures) for tcp in report.tcp).items()
    ]


def _server(report: Report) -> list[Scope]:
    own, _ = _apart(report.server)
    return [Scope("", "envoy_", "", own)]


def _rds(report: Report) -> list[Scope]:
    """What the server counts of files with routes, by who asks for them: the stat prefix and the name of the routes."""
    _, of_routes = _apart(report.server)
    return [
        Scope(f"http.{prefix}.rds.{name}.", "envoy_http_rds_", _rds_labels(prefix, name), figures)
        for (prefix, name), figures in of_routes.items()
    ]


def _rds_labels(prefix: str, name: str) -> str:
    return f'envoy_rds_route_config="{escaped(name)}",envoy_http_conn_manager_prefix="{escaped(prefix)}"'


def place_of_text(name: str) -> tuple[str, str, str]:
    """Return where a statistic that is words (one of ``Report.texts``) stands for Prometheus: what goes before its name, its labels, and
    the rest of *name*."""
    rds = _RDS.fullmatch(name)
    return ("envoy_", "", name) if rds is None else ("envoy_http_rds_", _rds_labels(sanitized(rds[1]), sanitized(rds[2])), rds[3])


def _apart(server: Figures) -> tuple[Figures, dict[tuple[str, str], Figures]]:
    """Return the server's figures without those of files with routes, and these."""
    if not any(_RDS.fullmatch(name) for name in server.shared):
        return server, {}
    found: dict[tuple[str, str], tuple[dict[str, int], dict[str, int]]] = {}
    kept: tuple[dict[str, int], dict[str, int]] = {}, {}
    for at, numbers in enumerate((server.counters, server.shared)):
        for name, value in numbers.items():
            rds = _RDS.fullmatch(name)
            if rds is None:
                kept[at][name] = value
            else:
                found.setdefault((sanitized(rds[1]), sanitized(rds[2])), ({}, {}))[at][rds[3]] = value
    own = replace(server, counters=kept[0], shared=kept[1])
    return own, {names: Figures(counters, shared=shared) for names, (counters, shared) in found.items()}


def _virtual_clusters(report: Report) -> list[Scope]:
    named = (((sanitized(one.host), sanitized(one.name)), one.figures) for one in report.virtual_clusters)
    return [
        Scope(
            f"vhost.{host}.vcluster.{name}.",
            "envoy_vhost_vcluster_",
            f'envoy_virtual_cluster="{escaped(name)}",envoy_virtual_host="{escaped(host)}"',
            figures,
            _by_code(figures),
        )
        for (host, name), figures in _added(named).items()
    ]


def _releases(report: Report) -> list[Scope]:
    return [
        Scope(f"release.{name}.", RELEASES, f'release="{escaped(name)}"', figures)
        for name, figures in _added((sanitized(one.name), one.figures) for one in report.releases).items()
    ]


def _added(parts: Iterable[tuple[_Name, Figures]]) -> dict[_Name, Figures]:
    added: dict[_Name, Figures] = {}
    for name, figures in parts:
        added[name] = added[name].plus(figures) if name in added else figures
    return added
