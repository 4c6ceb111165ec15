"""What the admin pages say of clusters and listeners (``envoy.admin.v3``), for commands that show it.                   (pure)

Rule 1. It is somebody else's data: what is not there, or not of the shape that is expected, is empty.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint of a cluster: what is wrong with it (``health``), and figures by Envoy's names."""

    address: str
    health: str = "healthy"
    weight: int = 1
    figures: Mapping[str, int] = field(default_factory=dict)


_FAILED = {
    "failed_active_health_check": "failed active health check",
    "failed_outlier_check": "ejected",
    "failed_degraded_check": "degraded",
    "failed_active_degraded_check": "degraded",
    "pending_dynamic_removal": "to be removed",
    "pending_active_hc": "not checked yet",
    "excluded_via_immediate_hc_fail": "excluded",
    "active_hc_timeout": "health check timeout",
}


def clusters(told: object) -> Iterator[tuple[str, list[Endpoint]]]:
    """Iterate over clusters by name, with their endpoints (``/clusters?format=json``)."""
    for status in maps(told, "cluster_statuses"):
        yield str(status.get("name", "")), [_endpoint(one) for one in maps(status, "host_statuses")]


def listeners(told: object) -> list[tuple[str, str]]:
    """Return listeners by name, with their addresses (``/listeners?format=json``)."""
    return [(str(one.get("name", "")), address(one.get("local_address"))) for one in maps(told, "listener_statuses")]


def address(told: object) -> str:
    """Return an ``envoy.config.core.v3.Address`` in words."""
    if not isinstance(told, dict):
        return ""
    pipe, place = told.get("pipe"), told.get("socket_address")
    if isinstance(pipe, dict):
        return str(pipe.get("path", ""))
    if not isinstance(place, dict):
        return ""
    host = str(place.get("address", ""))
    return f"[{host}]:{place.get('port_value', 0)}" if ":" in host else f"{host}:{place.get('port_value', 0)}"


def maps(told: object, name: str) -> Iterator[dict[str, Any]]:
    """Iterate over the objects in the list *name* of *told*."""
    found = told.get(name) if isinstance(told, dict) else None
    return (one for one in found if isinstance(one, dict)) if isinstance(found, list) else iter(())


def number(told: object) -> int:
    """Return a number, which JSON of Envoy's has as text where it may be large; 0 for what is none."""
    try:
        return int(str(told))
    except ValueError:
        return 0


def _endpoint(host: Mapping[str, Any]) -> Endpoint:
    health = host.get("health_status")
    states = health if isinstance(health, dict) else {}
    wrong = [words for name, words in _FAILED.items() if states.get(name) is True]
    eds = str(states.get("eds_health_status", "HEALTHY")).lower()
    words = ", ".join(dict.fromkeys(wrong or [eds]))
    figures = {str(one.get("name", "")): number(one.get("value", 0)) for one in maps(host, "stats")}
    return Endpoint(address(host.get("address")), words, number(host.get("weight", 1)), figures)
