"""A report as Envoy's admin pages print it: ``/clusters`` and ``/listeners``, as text and as JSON. ``/stats`` is in `stats_text`.

Rule 1. One fact, one line; a name from a configuration cannot add lines (`scopes.one_line`).
"""

import json
from collections.abc import Callable, Iterator

from shifter.model.report import ClusterReport, EndpointReport, Report
from shifter.model.steps import Steps, at_once
from shifter.observe.scopes import one_line

_JSON_FLAGS = {"failed_active_hc": "failed_active_health_check", "degraded_active_hc": "failed_active_degraded_check"}


def clusters_text(report: Report, keep: Callable[[str], bool] | None = None) -> str:
    """Return ``/clusters``: what is set and counted for each cluster and each of its endpoints. *keep* is asked by cluster name."""
    return at_once(clusters_text_in_steps(report, keep))


def clusters_json(report: Report, keep: Callable[[str], bool] | None = None) -> str:
    """Return ``/clusters?format=json`` (``envoy.admin.v3.Clusters``). As proto3 JSON does, it leaves out zeros."""
    return _pretty(at_once(cluster_statuses(report, keep)))


def clusters_text_in_steps(report: Report, keep: Callable[[str], bool] | None = None) -> Steps[str]:
    """Make `clusters_text` between other things."""
    lines: list[str] = []
    for cluster in report.clusters:
        if keep is None or keep(cluster.name):
            lines += _cluster_lines(cluster)
        yield
    return "".join(lines)


def cluster_statuses(report: Report, keep: Callable[[str], bool] | None = None) -> Steps[dict[str, object]]:
    """Make what `clusters_json` says between other things, as the dicts and lists that JSON is written of."""
    statuses: list[dict[str, object]] = []
    for cluster in report.clusters:
        if keep is None or keep(cluster.name):
            statuses.append(_cluster_status(cluster))
        yield
    return {"cluster_statuses": statuses} if statuses else {}


def listeners_text(report: Report) -> str:
    """Return ``/listeners``: a ``name::address`` line for each listening address."""
    return "".join(f"{one_line(one.name)}::{_joined(one.host, one.port)}\n" for one in report.listeners)


def listeners_json(report: Report) -> str:
    """Return ``/listeners?format=json`` (``envoy.admin.v3.Listeners``)."""
    statuses = [{"name": one.name, "local_address": _socket_address(one.host, one.port)} for one in report.listeners]
    return _pretty({"listener_statuses": statuses} if statuses else {})


def _cluster_lines(cluster: ClusterReport) -> Iterator[str]:
    name = one_line(cluster.name)
    yield f"{name}::observability_name::{name}\n"
    for priority, limits in (("default", cluster.limits), ("high", cluster.high_limits)):
        for limit, allowed in limits.items():
            yield f"{name}::{priority}_priority::{limit}::{allowed}\n"
    yield f"{name}::added_via_api::{str(cluster.added_via_api).lower()}\n"
    for endpoint in cluster.endpoints:
        for key, value in _endpoint_lines(endpoint):
            yield f"{name}::{endpoint.address}::{key}::{value}\n"


def _endpoint_lines(endpoint: EndpointReport) -> Iterator[tuple[str, object]]:
    yield from sorted({**endpoint.figures.counters, **endpoint.figures.gauges}.items())
    yield "hostname", one_line(endpoint.hostname)
    yield "health_flags", "".join(f"/{flag}" for flag in endpoint.health_flags) or "healthy"
    yield "weight", endpoint.weight
    yield from zip(("region", "zone", "sub_zone"), map(one_line, endpoint.locality), strict=True)
    yield "canary", str(endpoint.canary).lower()
    yield "priority", endpoint.priority
    yield "success_rate", f"{endpoint.success_rate:g}"
    yield "local_origin_success_rate", f"{endpoint.local_origin_success_rate:g}"


def _cluster_status(cluster: ClusterReport) -> dict[str, object]:
    status: dict[str, object] = {"name": cluster.name}
    if cluster.added_via_api:
        status["added_via_api"] = True
    if cluster.endpoints:
        status["host_statuses"] = [_host_status(endpoint) for endpoint in cluster.endpoints]
    status["circuit_breakers"] = {"thresholds": [{**cluster.limits}, {"priority": "HIGH", **cluster.high_limits}]}
    status["observability_name"] = cluster.name
    return status


def _host_status(endpoint: EndpointReport) -> dict[str, object]:
    figures = endpoint.figures
    stats = [_host_stat({}, name, value) for name, value in sorted(figures.counters.items())]
    stats += [_host_stat({"type": "GAUGE"}, name, value) for name, value in sorted(figures.gauges.items())]
    flags = [flag for flag in endpoint.health_flags if "eds_" not in flag]  # what those say, the status says
    health = {"eds_health_status": endpoint.configured_health, **{_JSON_FLAGS.get(flag, flag): True for flag in flags}}
    status: dict[str, object] = {
        "address": _socket_address(endpoint.host, endpoint.port),
        "stats": stats,
        "health_status": health,
        "weight": endpoint.weight,
    }
    if endpoint.hostname:
        status["hostname"] = endpoint.hostname
    if endpoint.priority:
        status["priority"] = endpoint.priority
    rates = (("success_rate", endpoint.success_rate), ("local_origin_success_rate", endpoint.local_origin_success_rate))
    status |= {name: {"value": rate} for name, rate in rates if rate >= 0}
    status["locality"] = {name: said for name, said in zip(("region", "zone", "sub_zone"), endpoint.locality, strict=True) if said}
    return status


def _host_stat(start: dict[str, str], name: str, value: float) -> dict[str, str]:
    return {**start, **({"value": str(value)} if value else {}), "name": name}


def _socket_address(host: str, port: int | None) -> dict[str, object]:
    if port is None:
        return {"pipe": {"path": host}}
    return {"socket_address": {"address": host, "port_value": port}}


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1)
