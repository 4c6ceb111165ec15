"""What is written of active health checks: a line of JSON for each, in the words of Envoy's ``HealthCheckEvent``."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from shifter.model.address import Address, SocketAddress
from shifter.upstream.host import Host


class FailureType(Enum):
    """``data.core.v3.HealthCheckFailureType``: the host's answer said so, a request's answer did, or there was no answer."""

    ACTIVE = "ACTIVE"
    PASSIVE = "PASSIVE"
    NETWORK = "NETWORK"
    NETWORK_TIMEOUT = "NETWORK_TIMEOUT"


class EventType(Enum):
    """What happened; ``value`` is the field of ``HealthCheckEvent`` that says it."""

    EJECT_UNHEALTHY = "eject_unhealthy_event"
    ADD_HEALTHY = "add_healthy_event"
    SUCCESSFUL = "successful_health_check_event"
    FAILURE = "health_check_failure_event"
    DEGRADED = "degraded_healthy_host"
    NO_LONGER_DEGRADED = "no_longer_degraded_host"


_BEFORE_THE_TIME = (EventType.EJECT_UNHEALTHY, EventType.ADD_HEALTHY)


@dataclass(frozen=True, slots=True)
class HealthCheckEvent:
    """Something happened to *host* of *cluster*. ``checker`` is HTTP, TCP or GRPC; ``failure``, ``first_check`` and the HTTP
    ``status`` (0: there was none) are told where Envoy tells them."""

    kind: EventType
    checker: str
    host: Host
    cluster: str
    failure: FailureType = FailureType.ACTIVE
    first_check: bool = False
    status: int = 0

    def line(self, wall: float) -> bytes:
        """Return the event as a line; *wall* is the time in seconds since the epoch."""
        endpoint = self.host.endpoint
        locality = endpoint.locality
        said: dict[str, object] = {
            "health_checker_type": self.checker,
            "host": _address(self.host.addresses[0]),
            "cluster_name": self.cluster,
        }
        what: dict[str, object] = {self.kind.value: self._details()}
        when: dict[str, object] = {"timestamp": datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"}
        # fields stand in the order of their numbers, as Envoy writes them
        said |= what | when if self.kind in _BEFORE_THE_TIME else when | what
        if endpoint.metadata:
            said["metadata"] = {"filter_metadata": endpoint.metadata, "typed_filter_metadata": {}}
        said["locality"] = {"region": locality.region, "zone": locality.zone, "sub_zone": locality.sub_zone}
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"

    def _details(self) -> dict[str, object]:
        if self.kind is EventType.EJECT_UNHEALTHY:
            return {"failure_type": self.failure.value, "http_status_code": self.status}
        if self.kind is EventType.FAILURE:
            return {"failure_type": self.failure.value, "first_check": self.first_check, "http_status_code": self.status}
        return {"first_check": self.first_check} if self.kind is EventType.ADD_HEALTHY else {}


def _address(address: Address) -> dict[str, object]:
    if not isinstance(address, SocketAddress):
        return {"pipe": {"path": address.path, "mode": 0}}
    return {
        "socket_address": {
            "protocol": "TCP",
            "address": address.host,
            "port_value": address.port,
            "resolver_name": "",
            "ipv4_compat": False,
            "network_namespace_filepath": "",
        }
    }


WriteHealthCheckEvent = Callable[[str, HealthCheckEvent], object]
"""Gets the path of the file that an event is for, and the event."""
