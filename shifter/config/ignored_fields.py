"""Fields of Envoy's that shifter does not have, and that a configuration may hold all the same: they are told and dropped.

Rule 1. Here stands what could be taken out without any request going elsewhere, getting another answer, carrying other headers or
        being let in where it was not: statistics, tracing, logs, and what makes Envoy's own machinery faster.
Rule 2. Whatever guards something (limits, certificates, who may do what) or says where something is reached is never here. What
        belongs to a feature that is refused for itself may be.
"""

_HARMLESS = {
    "envoy.config.bootstrap.v3.Bootstrap": (
        "enable_worker_cpu_affinity fatal_actions inline_headers node_context_params tracing use_tcp_for_dns_lookups "
        "xds_config_tracker_extension"
    ),
    "envoy.config.core.v3.Node": "listening_addresses",
    "envoy.config.metrics.v3.StatsConfig": "stats_tags",
    "envoy.config.core.v3.DataSource": "watched_directory",
    "envoy.config.core.v3.DnsResolverOptions": "use_tcp_for_dns_lookups",
    "envoy.config.core.v3.HttpProtocolOptions": "max_connection_duration_jitter",
    "envoy.config.core.v3.Http2ProtocolOptions": "enable_huffman_encoding hpack_table_size max_metadata_size",
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig": (
        "edns0_max_payload_size filter_unroutable_families max_udp_channel_duration qcache_max_ttl query_timeout_seconds query_tries "
        "reinit_channel_on_timeout rotate_nameservers udp_max_queries"
    ),
    # Reports to a management server, and settings of what is refused for itself.
    "envoy.config.cluster.v3.Cluster": (
        "lrs_report_endpoint_metrics lrs_server original_dst_lb_config stats_matcher use_tcp_for_dns_lookups"
    ),
    # Events for a management server.
    "envoy.config.core.v3.HealthCheck": "event_service",
    "envoy.config.bootstrap.v3.ClusterManager": "load_stats_config",
    "envoy.config.bootstrap.v3.ClusterManager.OutlierDetection": "event_service",
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds": "max_connection_pools",
    "envoy.config.cluster.v3.UpstreamConnectionOptions": "set_local_interface_name_on_upstream_connections",
    "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy": "endpoint_stale_after",
    "envoy.config.endpoint.v3.LocalityLbEndpoints": "proximity",
    "envoy.config.endpoint.v3.Endpoint": "observability_name",
    "envoy.config.listener.v3.Listener": ("connection_balance_config enable_mptcp stats_matcher tcp_fast_open_queue_length tcp_keepalive"),
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": (
        "access_log_flush_interval drain_timeout_jitter "
        "http1_safe_max_connection_duration http3_protocol_options record_route_resolution_stats"
    ),
    "envoy.extensions.filters.http.router.v3.Router": "start_child_span upstream_log upstream_log_options",
    "envoy.config.route.v3.VirtualHost": "include_is_timeout_retry_header",
    "envoy.config.route.v3.Route": "stat_prefix",
    # There is no early data here, also over TLS.
    "envoy.config.route.v3.RouteAction": "early_data_policy",
}

HARMLESS: dict[str, frozenset[str]] = {message: frozenset(words.split()) for message, words in _HARMLESS.items()}
"""Message -> fields."""
