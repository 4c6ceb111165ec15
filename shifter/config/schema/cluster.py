"""Messages of ``envoy.config.cluster.v3`` and ``envoy.config.endpoint.v3``: who can be asked, and how."""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import (
    Bool,
    Choice,
    Ignored,
    Message,
    Name,
    OneOf,
    PositiveSeconds,
    Seconds,
    Text,
    Typed,
    UInt32,
    whole,
    word,
)
from shifter.config.schema.core import (
    Address,
    DnsResolutionConfig,
    Locality,
    Percent,
    TypedDnsResolver,
    UpstreamHttp1Options,
    UpstreamHttp2Options,
    UpstreamHttpOptions,
)
from shifter.model.cluster import DiscoveryType, DnsLookupFamily
from shifter.model.load_balancing import LbPolicy


class HealthStatus(Enum):
    """``core.v3.HealthStatus``, as far as it means that the endpoint may be used."""

    UNKNOWN = "UNKNOWN"
    HEALTHY = "HEALTHY"


class Priority(Enum):
    """``core.v3.RoutingPriority``. No route can ask for ``HIGH`` yet, so its thresholds have no effect."""

    DEFAULT = "DEFAULT"
    HIGH = "HIGH"


class Endpoint(Message):
    """``endpoint.v3.Endpoint``."""

    envoy = "envoy.config.endpoint.v3.Endpoint"

    address: Address
    hostname: Text = ""


class LbEndpoint(Choice):
    """``endpoint.v3.LbEndpoint``."""

    envoy = "envoy.config.endpoint.v3.LbEndpoint"
    one_of = (OneOf(("endpoint",), ("endpoint_name",), "this names no endpoint"),)

    endpoint: Endpoint | None = None
    health_status: Annotated[HealthStatus, word(HealthStatus, "UNHEALTHY DRAINING TIMEOUT DEGRADED")] = HealthStatus.UNKNOWN
    metadata: Ignored = None
    load_balancing_weight: Annotated[int, Field(ge=1, le=2**32 - 1), whole] = 1


class LocalityLbEndpoints(Message):
    """``endpoint.v3.LocalityLbEndpoints``. Localities are one pool here, as in Envoy without locality-aware balancing."""

    envoy = "envoy.config.endpoint.v3.LocalityLbEndpoints"

    locality: Locality | None = None
    metadata: Ignored = None
    lb_endpoints: list[LbEndpoint] = Field(default_factory=list)
    load_balancing_weight: UInt32 | None = None


class AssignmentPolicy(Message):
    """``endpoint.v3.ClusterLoadAssignment.Policy``; the factor matters only between priorities."""

    envoy = "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy"

    overprovisioning_factor: UInt32 | None = None


class ClusterLoadAssignment(Message):
    """``endpoint.v3.ClusterLoadAssignment``."""

    envoy = "envoy.config.endpoint.v3.ClusterLoadAssignment"

    cluster_name: Name
    endpoints: list[LocalityLbEndpoints] = Field(default_factory=list)
    policy: AssignmentPolicy | None = None


class LeastRequestLbConfig(Message):
    """``Cluster.LeastRequestLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig"

    choice_count: Annotated[int, Field(ge=2, le=2**32 - 1), whole] = 2


class RoundRobinLbConfig(Message):
    """``Cluster.RoundRobinLbConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig"


class CommonLbConfig(Message):
    """``Cluster.CommonLbConfig``. Nothing can be unhealthy yet, so the panic threshold is never reached."""

    envoy = "envoy.config.cluster.v3.Cluster.CommonLbConfig"

    healthy_panic_threshold: Percent | None = None
    update_merge_window: Seconds | None = None


class Thresholds(Message):
    """``CircuitBreakers.Thresholds``."""

    envoy = "envoy.config.cluster.v3.CircuitBreakers.Thresholds"

    priority: Annotated[Priority, word(Priority)] = Priority.DEFAULT
    max_connections: UInt32 | None = None
    max_pending_requests: UInt32 | None = None
    max_requests: UInt32 | None = None
    max_retries: UInt32 | None = None
    track_remaining: Bool = False


class CircuitBreakers(Message):
    """``cluster.v3.CircuitBreakers``."""

    envoy = "envoy.config.cluster.v3.CircuitBreakers"

    thresholds: list[Thresholds] = Field(default_factory=list)


class RefreshRate(Message):
    """``Cluster.RefreshRate``. Only ``base_interval`` is used: shifter does not back off while a name does not resolve."""

    envoy = "envoy.config.cluster.v3.Cluster.RefreshRate"

    base_interval: PositiveSeconds
    max_interval: PositiveSeconds | None = None


class ExplicitHttpConfig(Choice):
    """``upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig``."""

    envoy = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig"
    one_of = (OneOf(("http_protocol_options", "http2_protocol_options"), ("http3_protocol_options",), "this names no protocol"),)

    http_protocol_options: UpstreamHttp1Options | None = None
    http2_protocol_options: UpstreamHttp2Options | None = None


class HttpProtocolOptions(Typed):
    """``upstreams.http.v3.HttpProtocolOptions``."""

    envoy = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    one_of = (OneOf(("explicit_http_config",), ("use_downstream_protocol_config", "auto_config"), "this names no protocol"),)

    common_http_protocol_options: UpstreamHttpOptions | None = None
    explicit_http_config: ExplicitHttpConfig | None = None


class ProtocolOptions(Message):
    """``Cluster.typed_extension_protocol_options``: a map in Envoy, of which one key is known."""

    http: HttpProtocolOptions | None = Field(default=None, alias="envoy.extensions.upstreams.http.v3.HttpProtocolOptions")


class Cluster(Choice):
    """``cluster.v3.Cluster``."""

    envoy = "envoy.config.cluster.v3.Cluster"
    one_of = (OneOf(("type",), ("cluster_type",)),)

    name: Name
    type: Annotated[DiscoveryType, word(DiscoveryType, "LOGICAL_DNS EDS ORIGINAL_DST")] = DiscoveryType.STATIC
    connect_timeout: PositiveSeconds | None = None
    per_connection_buffer_limit_bytes: UInt32 | None = None
    lb_policy: Annotated[LbPolicy, word(LbPolicy, "RING_HASH MAGLEV CLUSTER_PROVIDED LOAD_BALANCING_POLICY_CONFIG")] = LbPolicy.ROUND_ROBIN
    load_assignment: ClusterLoadAssignment | None = None
    max_requests_per_connection: UInt32 | None = None
    circuit_breakers: CircuitBreakers | None = None
    common_http_protocol_options: UpstreamHttpOptions | None = None
    http_protocol_options: UpstreamHttp1Options | None = None
    http2_protocol_options: UpstreamHttp2Options | None = None
    typed_extension_protocol_options: ProtocolOptions | None = None
    dns_refresh_rate: PositiveSeconds | None = None
    dns_failure_refresh_rate: RefreshRate | None = None
    respect_dns_ttl: Bool = False
    dns_lookup_family: Annotated[DnsLookupFamily, word(DnsLookupFamily)] = DnsLookupFamily.AUTO
    dns_resolvers: list[Address] = Field(default_factory=list)
    dns_resolution_config: DnsResolutionConfig | None = None
    typed_dns_resolver_config: TypedDnsResolver | None = None
    least_request_lb_config: LeastRequestLbConfig | None = None
    round_robin_lb_config: RoundRobinLbConfig | None = None
    common_lb_config: CommonLbConfig | None = None
    metadata: Ignored = None
    alt_stat_name: Ignored = None
    track_cluster_stats: Ignored = None
    wait_for_warm_on_init: Ignored = None
    cleanup_interval: Ignored = None
    close_connections_on_host_health_failure: Ignored = None
    ignore_health_on_host_removal: Ignored = None
    track_timeout_budgets: Ignored = None
