"""``cluster.v3.Cluster``: who can be asked, and how. Its parts are in the modules around.

Rule 1. ``cluster_type`` stands beside ``type`` in Envoy's oneof; where it means one of the same, it is taken for that.
"""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Choice, Ignored, Message, Name, OneOf, PositiveSeconds, Seconds, Typed, UInt32, word
from shifter.config.schema.circuit_breaker import CircuitBreakers
from shifter.config.schema.connection import BindConfig, PreconnectPolicy, UpstreamConnectionOptions
from shifter.config.schema.core import Address, Metadata
from shifter.config.schema.dns import (
    CustomClusterType,
    DnsResolutionConfig,
    EdsClusterConfig,
    RefreshRate,
    RefreshSeconds,
    TypedDnsResolver,
)
from shifter.config.schema.endpoint import ClusterLoadAssignment
from shifter.config.schema.health_check import HealthChecks
from shifter.config.schema.load_balancing import (
    ClusterLbPolicy,
    CommonLbConfig,
    LbSubsetConfig,
    LeastRequestLbConfig,
    LoadBalancingPolicy,
    MaglevLbConfig,
    RingHashLbConfig,
    RoundRobinLbConfig,
)
from shifter.config.schema.outlier_detection import OutlierDetection
from shifter.config.schema.protocol import Http2ProtocolOptions, UpstreamHttp1Options, UpstreamHttpOptions, UpstreamHttpProtocolOptions
from shifter.config.schema.transport_socket import TransportSocketMatch, UpstreamTransportSocket
from shifter.model.cluster import DiscoveryType, DnsLookupFamily


class ExplicitHttpConfig(Choice):
    """``upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig``."""

    envoy = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig"
    one_of = (OneOf(("http_protocol_options", "http2_protocol_options"), ("http3_protocol_options",), "this names no protocol"),)

    http_protocol_options: UpstreamHttp1Options | None = None
    http2_protocol_options: Http2ProtocolOptions | None = None


class UseDownstreamHttpConfig(Message):
    """``HttpProtocolOptions.UseDownstreamHttpConfig``: endpoints are spoken to as the client of the request speaks."""

    envoy = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig"

    http_protocol_options: UpstreamHttp1Options | None = None
    http2_protocol_options: Http2ProtocolOptions | None = None


class AutoHttpConfig(Message):
    """``HttpProtocolOptions.AutoHttpConfig``: endpoints say by ALPN what they want to speak."""

    envoy = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig"

    http_protocol_options: UpstreamHttp1Options | None = None
    http2_protocol_options: Http2ProtocolOptions | None = None


class HttpProtocolOptions(Typed):
    """``upstreams.http.v3.HttpProtocolOptions``."""

    envoy = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    one_of = (OneOf(("explicit_http_config", "use_downstream_protocol_config", "auto_config"), required="this names no protocol"),)

    common_http_protocol_options: UpstreamHttpOptions | None = None
    upstream_http_protocol_options: UpstreamHttpProtocolOptions | None = None
    explicit_http_config: ExplicitHttpConfig | None = None
    use_downstream_protocol_config: UseDownstreamHttpConfig | None = None
    auto_config: AutoHttpConfig | None = None


class ProtocolSelection(Enum):
    """``Cluster.ClusterProtocolSelection``."""

    USE_CONFIGURED_PROTOCOL = "USE_CONFIGURED_PROTOCOL"
    USE_DOWNSTREAM_PROTOCOL = "USE_DOWNSTREAM_PROTOCOL"


class ProtocolOptions(Message):
    """``Cluster.typed_extension_protocol_options``: a map in Envoy, of which one key is known."""

    http: HttpProtocolOptions | None = Field(default=None, alias="envoy.extensions.upstreams.http.v3.HttpProtocolOptions")


class Cluster(Choice):
    """``cluster.v3.Cluster``."""

    envoy = "envoy.config.cluster.v3.Cluster"
    one_of = (
        OneOf(("type", "cluster_type")),
        OneOf(
            ("ring_hash_lb_config", "maglev_lb_config", "least_request_lb_config", "round_robin_lb_config"),
            ("original_dst_lb_config",),
        ),
    )

    name: Name
    type: Annotated[DiscoveryType, word(DiscoveryType, "ORIGINAL_DST")] = DiscoveryType.STATIC
    cluster_type: CustomClusterType | None = None
    eds_cluster_config: EdsClusterConfig | None = None
    load_assignment: ClusterLoadAssignment | None = None
    lb_policy: Annotated[ClusterLbPolicy, word(ClusterLbPolicy, "CLUSTER_PROVIDED")] = ClusterLbPolicy.ROUND_ROBIN
    round_robin_lb_config: RoundRobinLbConfig | None = None
    least_request_lb_config: LeastRequestLbConfig | None = None
    ring_hash_lb_config: RingHashLbConfig | None = None
    maglev_lb_config: MaglevLbConfig | None = None
    common_lb_config: CommonLbConfig | None = None
    lb_subset_config: LbSubsetConfig | None = None
    load_balancing_policy: LoadBalancingPolicy | None = None
    health_checks: HealthChecks = Field(default_factory=list)
    outlier_detection: OutlierDetection | None = None
    circuit_breakers: CircuitBreakers | None = None
    connect_timeout: PositiveSeconds | None = None
    typed_extension_protocol_options: ProtocolOptions | None = None
    common_http_protocol_options: UpstreamHttpOptions | None = None
    http_protocol_options: UpstreamHttp1Options | None = None
    http2_protocol_options: Http2ProtocolOptions | None = None
    upstream_http_protocol_options: UpstreamHttpProtocolOptions | None = None
    protocol_selection: Annotated[ProtocolSelection, word(ProtocolSelection)] = ProtocolSelection.USE_CONFIGURED_PROTOCOL
    transport_socket: UpstreamTransportSocket | None = None
    transport_socket_matches: list[TransportSocketMatch] = Field(default_factory=list)
    max_requests_per_connection: UInt32 | None = None
    per_connection_buffer_limit_bytes: UInt32 | None = None
    upstream_connection_options: UpstreamConnectionOptions | None = None
    upstream_bind_config: BindConfig | None = None
    preconnect_policy: PreconnectPolicy | None = None
    dns_refresh_rate: RefreshSeconds | None = None
    dns_failure_refresh_rate: RefreshRate | None = None
    dns_jitter: Seconds | None = None
    respect_dns_ttl: Bool = False
    dns_lookup_family: Annotated[DnsLookupFamily, word(DnsLookupFamily)] = DnsLookupFamily.AUTO
    dns_resolvers: list[Address] = Field(default_factory=list)
    dns_resolution_config: DnsResolutionConfig | None = None
    typed_dns_resolver_config: TypedDnsResolver | None = None
    wait_for_warm_on_init: Bool | None = None
    close_connections_on_host_health_failure: Bool = False
    ignore_health_on_host_removal: Bool = False
    metadata: Metadata | None = None
    alt_stat_name: Ignored = None
    track_cluster_stats: Ignored = None
    cleanup_interval: PositiveSeconds | None = None
    track_timeout_budgets: Ignored = None
