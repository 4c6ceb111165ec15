"""Clusters as Envoy's ``cluster.v3.Cluster`` describes them. Durations are seconds.

Rule 1. Defaults are Envoy's; what differs says so, and ``docs/differences.md`` says why.
Rule 2. ``None`` means "not said" only where that is something else than the default value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from shifter.model.address import Address, SocketAddress
from shifter.model.health_check import HealthCheck
from shifter.model.http2 import UPSTREAM_HTTP2, Http2ProtocolOptions
from shifter.model.load_balancing import (
    CommonLbConfig,
    LbPolicy,
    LbSubsetConfig,
    LeastRequestLbConfig,
    MaglevLbConfig,
    RingHashLbConfig,
    SlowStart,
)
from shifter.model.outlier_detection import OutlierDetection
from shifter.model.tls import UpstreamTlsContext

Metadata = Mapping[str, Mapping[str, object]]
"""``core.v3.Metadata.filter_metadata``: plain data by namespace; ``envoy.lb`` is the load balancers'."""


class DiscoveryType(Enum):
    """``Cluster.DiscoveryType``: where the hosts of a cluster come from."""

    STATIC = "STATIC"
    STRICT_DNS = "STRICT_DNS"
    LOGICAL_DNS = "LOGICAL_DNS"
    EDS = "EDS"


class DnsLookupFamily(Enum):
    """``Cluster.DnsLookupFamily``. ``AUTO`` asks for IPv6 first and for IPv4 when there is none."""

    AUTO = "AUTO"
    V4_ONLY = "V4_ONLY"
    V6_ONLY = "V6_ONLY"
    V4_PREFERRED = "V4_PREFERRED"
    ALL = "ALL"


class UpstreamProtocol(Enum):
    """What is spoken to the endpoints: ``AUTO`` by ALPN, ``DOWNSTREAM`` what the client of the request speaks; ``TCP`` is what a TCP
    proxy uses, whatever a cluster says."""

    HTTP1 = "HTTP1"
    HTTP2 = "HTTP2"
    AUTO = "AUTO"
    DOWNSTREAM = "DOWNSTREAM"
    TCP = "TCP"


class HealthStatus(Enum):
    """``core.v3.HealthStatus``: what the configuration (or EDS) says of an endpoint, whatever health checks find.

    ``UNKNOWN`` counts as healthy; ``DRAINING`` and ``TIMEOUT`` count as unhealthy.
    """

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    DRAINING = "DRAINING"
    TIMEOUT = "TIMEOUT"
    DEGRADED = "DEGRADED"


class RoutingPriority(Enum):
    """``core.v3.RoutingPriority``: which circuit breakers and connections a request counts for."""

    DEFAULT = "DEFAULT"
    HIGH = "HIGH"


@dataclass(frozen=True, slots=True)
class Locality:
    """``core.v3.Locality``."""

    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class LbEndpoint:
    """``endpoint.v3.LbEndpoint`` with what its ``LocalityLbEndpoints`` says: an address (a name, for DNS clusters) and how much of
    the traffic it gets.

    ``weight`` is relative within the locality, ``locality_weight`` among localities (``None``: not said, and then no share where
    localities are weighed), ``priority`` 0 is used first. Health checks go to ``health_check_address``, or to the ``health_check_port``
    of ``address``, for ``health_check_hostname`` (``HealthCheckConfig``). ``additional_addresses`` are raced with ``address`` (RFC 8305).
    """

    address: Address
    weight: int = 1
    hostname: str = ""
    health_status: HealthStatus = HealthStatus.UNKNOWN
    metadata: Metadata = field(default_factory=dict, hash=False)
    locality: Locality = Locality()
    locality_weight: int | None = None
    priority: int = 0
    additional_addresses: tuple[Address, ...] = ()
    health_check_port: int = 0
    health_check_address: Address | None = None
    health_check_hostname: str = ""
    disable_active_health_check: bool = False


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """``CircuitBreakers.Thresholds.RetryBudget``: retries under way may be ``budget_percent`` of the requests under way and
    waiting, and always ``min_retry_concurrency``."""

    budget_percent: float = 20.0
    min_retry_concurrency: int = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """``cluster.v3.CircuitBreakers.Thresholds``. With a ``retry_budget``, ``max_retries`` says nothing."""

    max_connections: int = 1024
    max_pending_requests: int = 1024
    max_requests: int = 1024
    max_retries: int = 3
    retry_budget: RetryBudget | None = None
    track_remaining: bool = False


@dataclass(frozen=True, slots=True)
class CircuitBreakers:
    """``cluster.v3.CircuitBreakers``. ``per_host_max_connections`` is that of ``per_host_thresholds`` (``None``: no such limit)."""

    default: Thresholds = Thresholds()
    high: Thresholds = Thresholds()
    per_host_max_connections: int | None = None

    def of(self, priority: RoutingPriority) -> Thresholds:
        """Return the thresholds of *priority*."""
        return self.default if priority is RoutingPriority.DEFAULT else self.high


@dataclass(frozen=True, slots=True)
class EdsSource:
    """``Cluster.EdsClusterConfig`` with a ``path_config_source``: the file *path* that names the endpoints of ``service_name`` (the
    cluster's name when empty)."""

    path: str
    service_name: str = ""


@dataclass(frozen=True, slots=True)
class AssignmentPolicy:
    """``endpoint.v3.ClusterLoadAssignment.Policy``. ``overprovisioning_factor`` is in percent."""

    overprovisioning_factor: int = 140
    weighted_priority_health: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """``endpoint.v3.ClusterLoadAssignment`` of an EDS cluster: what stands there takes the place of what the cluster says."""

    endpoints: tuple[LbEndpoint, ...] = ()
    policy: AssignmentPolicy = AssignmentPolicy()


@dataclass(frozen=True, slots=True)
class DnsFailureRefreshRate:
    """``Cluster.RefreshRate``: after a failure a name is asked for again within a random part of ``base_interval``, doubled with each
    failure up to ``max_interval`` (``None``: ten times the base)."""

    base_interval: float
    max_interval: float | None = None


@dataclass(frozen=True, slots=True)
class TcpKeepalive:
    """``core.v3.TcpKeepalive``; ``None`` leaves the system's value."""

    keepalive_probes: int | None = None
    keepalive_time: int | None = None
    keepalive_interval: int | None = None


@dataclass(frozen=True, slots=True)
class UpstreamConnectionOptions:
    """How connections to endpoints are made: ``Cluster.upstream_connection_options`` and ``Cluster.upstream_bind_config``.

    ``source_addresses`` are bound to, the first of the endpoint's family (port 0: any port). ``happy_eyeballs_first_family_v4`` and
    ``_count`` are ``HappyEyeballsConfig``.
    """

    tcp_keepalive: TcpKeepalive | None = None
    source_addresses: tuple[SocketAddress, ...] = ()
    freebind: bool = False
    happy_eyeballs_first_family_v4: bool | None = None
    happy_eyeballs_first_family_count: int = 1


@dataclass(frozen=True, slots=True)
class PreconnectPolicy:
    """``Cluster.PreconnectPolicy``: how many streams' worth of connections there are for each stream, per endpoint and over the cluster."""

    per_upstream_preconnect_ratio: float = 1.0
    predictive_preconnect_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class TransportSocketMatch:
    """``Cluster.TransportSocketMatch``: for endpoints whose ``envoy.transport_socket_match`` metadata has all values of ``match`` this is
    spoken in the place of what the cluster says; ``tls`` and ``proxy_protocol`` as there."""

    name: str
    match: Mapping[str, object] = field(default_factory=dict, hash=False)
    tls: UpstreamTlsContext | None = None
    proxy_protocol: int | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """``cluster.v3.Cluster``.

    ``idle_timeout`` closes an upstream connection that carried no request for that long (0: never),
    ``max_connection_duration`` one that is that old once it is idle (0: never). ``max_requests_per_connection`` 0 means no limit.
    ``dns_resolvers`` empty means the system's. ``overprovisioning_factor`` is in percent.
    ``tls`` ``None``: in the clear. ``proxy_protocol`` is the version (1, 2) of the PROXY header that each connection begins with.
    The first of ``transport_socket_matches`` that fits an endpoint says both instead. ``auto_sni`` and ``auto_san_validation`` take the
    request's ``host`` (or its header ``override_auto_sni_header``) for the server name, and want it in the certificate.
    ``enable_trailers`` is ``Http1ProtocolOptions``'. ``close_connections_on_host_health_failure`` is about connections of TCP proxies:
    those of requests are closed behind these in any case.
    """

    name: str
    type: DiscoveryType = DiscoveryType.STATIC
    endpoints: tuple[LbEndpoint, ...] = ()
    eds: EdsSource | None = None
    lb_policy: LbPolicy = LbPolicy.ROUND_ROBIN
    least_request: LeastRequestLbConfig = LeastRequestLbConfig()
    ring_hash: RingHashLbConfig = RingHashLbConfig()
    maglev: MaglevLbConfig = MaglevLbConfig()
    slow_start: SlowStart | None = None
    subsets: LbSubsetConfig | None = None
    common_lb: CommonLbConfig = CommonLbConfig()
    overprovisioning_factor: int = 140
    weighted_priority_health: bool = False
    health_checks: tuple[HealthCheck, ...] = ()
    outlier_detection: OutlierDetection | None = None
    ignore_health_on_host_removal: bool = False
    close_connections_on_host_health_failure: bool = False
    connect_timeout: float = 5.0
    protocol: UpstreamProtocol = UpstreamProtocol.HTTP1
    circuit_breakers: CircuitBreakers = CircuitBreakers()
    connection_options: UpstreamConnectionOptions = UpstreamConnectionOptions()
    preconnect: PreconnectPolicy = PreconnectPolicy()
    idle_timeout: float = 3600.0
    max_connection_duration: float = 0.0
    max_requests_per_connection: int = 0
    per_connection_buffer_limit_bytes: int = 1 << 20
    dns_refresh_rate: float = 5.0
    dns_failure_refresh_rate: DnsFailureRefreshRate | None = None
    dns_jitter: float = 0.0
    respect_dns_ttl: bool = False
    dns_lookup_family: DnsLookupFamily = DnsLookupFamily.AUTO
    dns_resolvers: tuple[SocketAddress, ...] = ()
    dns_search_domains: bool = True
    wait_for_warm_on_init: bool = True
    http2: Http2ProtocolOptions = UPSTREAM_HTTP2
    enable_trailers: bool = False
    tls: UpstreamTlsContext | None = None
    proxy_protocol: int | None = None
    transport_socket_matches: tuple[TransportSocketMatch, ...] = ()
    auto_sni: bool = False
    auto_san_validation: bool = False
    override_auto_sni_header: bytes | None = None
    metadata: Metadata = field(default_factory=dict, hash=False)
    place: str = field(default="", compare=False)
