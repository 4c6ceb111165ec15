"""The message that a configuration file is: ``envoy.config.bootstrap.v3.Bootstrap``."""

from pydantic import Field

from shifter.config.schema.base import Ignored, Message, Text
from shifter.config.schema.cluster import Cluster
from shifter.config.schema.config_source import ResourceConfigSource
from shifter.config.schema.connection import BindConfig
from shifter.config.schema.core import Address, Node
from shifter.config.schema.dns import DnsResolutionConfig, TypedDnsResolver
from shifter.config.schema.listener import Listener
from shifter.config.schema.runtime import LayeredRuntime
from shifter.config.schema.stats import FlushInterval, StatsConfig, StatsSink
from shifter.config.schema.tls import Secret


class StaticResources(Message):
    """``Bootstrap.StaticResources``."""

    envoy = "envoy.config.bootstrap.v3.Bootstrap.StaticResources"

    listeners: list[Listener] = Field(default_factory=list)
    clusters: list[Cluster] = Field(default_factory=list)
    secrets: list[Secret] = Field(default_factory=list)


class DynamicResources(Message):
    """``Bootstrap.DynamicResources``: files with clusters and listeners, read again when they change."""

    envoy = "envoy.config.bootstrap.v3.Bootstrap.DynamicResources"

    lds_config: ResourceConfigSource | None = None
    cds_config: ResourceConfigSource | None = None


class Admin(Message):
    """``bootstrap.v3.Admin``. Its access log is not written."""

    envoy = "envoy.config.bootstrap.v3.Admin"

    address: Address | None = None
    access_log: Ignored = None
    access_log_path: Ignored = None
    profile_path: Ignored = None
    ignore_global_conn_limit: Ignored = None


class OutlierDetectionLog(Message):
    """``ClusterManager.OutlierDetection``: where ejections are told."""

    envoy = "envoy.config.bootstrap.v3.ClusterManager.OutlierDetection"

    event_log_path: Text = ""


class ClusterManager(Message):
    """``bootstrap.v3.ClusterManager``. Clusters are always made when the configuration is read."""

    envoy = "envoy.config.bootstrap.v3.ClusterManager"

    local_cluster_name: Text = ""
    outlier_detection: OutlierDetectionLog | None = None
    upstream_bind_config: BindConfig | None = None
    enable_deferred_cluster_creation: Ignored = None


class Bootstrap(Message):
    """``bootstrap.v3.Bootstrap``."""

    envoy = "envoy.config.bootstrap.v3.Bootstrap"

    node: Node | None = None
    static_resources: StaticResources
    dynamic_resources: DynamicResources | None = None
    admin: Admin | None = None
    layered_runtime: LayeredRuntime | None = None
    cluster_manager: ClusterManager | None = None
    dns_resolution_config: DnsResolutionConfig | None = None
    typed_dns_resolver_config: TypedDnsResolver | None = None
    stats_config: StatsConfig | None = None
    stats_sinks: list[StatsSink] = Field(default_factory=list)
    stats_flush_interval: FlushInterval | None = None
    stats_flush_on_admin: Ignored = None
    stats_eviction_interval: Ignored = None
    deferred_stat_options: Ignored = None
    enable_dispatcher_stats: Ignored = None
    stats_server_version_override: Ignored = None
    flags_path: Ignored = None
    perf_tracing_file_path: Ignored = None
    watchdog: Ignored = None
    watchdogs: Ignored = None
    application_log_config: Ignored = None
    memory_allocator_manager: Ignored = None
    grpc_async_client_manager_config: Ignored = None
