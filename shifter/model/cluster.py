"""Clusters as Envoy's ``cluster.v3.Cluster`` describes them. Durations are seconds."""

from dataclasses import dataclass, field
from enum import Enum

from shifter.model.address import SocketAddress


class DiscoveryType(Enum):
    """``Cluster.DiscoveryType``: where the hosts of a cluster come from."""

    STATIC = "STATIC"
    STRICT_DNS = "STRICT_DNS"


class LbPolicy(Enum):
    """``Cluster.LbPolicy``."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_REQUEST = "LEAST_REQUEST"
    RANDOM = "RANDOM"


class DnsLookupFamily(Enum):
    """``Cluster.DnsLookupFamily``. ``AUTO`` asks for IPv6 first and for IPv4 when there is none."""

    AUTO = "AUTO"
    V4_ONLY = "V4_ONLY"
    V6_ONLY = "V6_ONLY"
    V4_PREFERRED = "V4_PREFERRED"
    ALL = "ALL"


class UpstreamProtocol(Enum):
    """What is spoken to the endpoints."""

    HTTP1 = "HTTP1"
    HTTP2 = "HTTP2"


@dataclass(frozen=True, slots=True)
class LbEndpoint:
    """``endpoint.v3.LbEndpoint``: an address (a name, for DNS clusters) with its load-balancing weight (1 or more)."""

    address: SocketAddress
    weight: int = 1
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class CircuitBreakers:
    """``cluster.v3.CircuitBreakers.Thresholds`` for the default priority."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3


@dataclass(frozen=True, slots=True)
class Cluster:
    """``cluster.v3.Cluster``.

    ``idle_timeout`` closes an upstream connection that carried no request for that long (0: never).
    ``max_requests_per_connection`` 0 means no limit. ``dns_resolvers`` empty means the system's.
    """

    name: str
    type: DiscoveryType = DiscoveryType.STATIC
    endpoints: tuple[LbEndpoint, ...] = ()
    lb_policy: LbPolicy = LbPolicy.ROUND_ROBIN
    least_request_choice_count: int = 2
    connect_timeout: float = 5.0
    protocol: UpstreamProtocol = UpstreamProtocol.HTTP1
    circuit_breakers: CircuitBreakers = CircuitBreakers()
    idle_timeout: float = 3600.0
    max_requests_per_connection: int = 0
    per_connection_buffer_limit_bytes: int = 1 << 20
    dns_refresh_rate: float = 5.0
    dns_failure_refresh_rate: float | None = None
    respect_dns_ttl: bool = False
    dns_lookup_family: DnsLookupFamily = DnsLookupFamily.AUTO
    dns_resolvers: tuple[SocketAddress, ...] = ()
    max_concurrent_streams: int = 1024
    place: str = field(default="", compare=False)
