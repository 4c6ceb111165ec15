"""Words of Envoy's messages about clusters, their endpoints and how names are resolved, written as in ``words``."""

CLUSTER_FIELDS = {
    "envoy.config.bootstrap.v3.ClusterManager.OutlierDetection": "event_log_path= event_service",
    "envoy.config.cluster.v3.CircuitBreakers": "thresholds* per_host_thresholds*",
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds": (
        "priority=DEFAULT max_connections max_pending_requests max_requests max_retries retry_budget track_remaining= max_connection_pools"
    ),
    "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget": "budget_percent budget_interval min_retry_concurrency",
    "envoy.config.cluster.v3.Cluster": (
        "transport_socket_matches* transport_socket_matcher name= alt_stat_name= stats_matcher type cluster_type eds_cluster_config "
        "connect_timeout per_connection_buffer_limit_bytes per_connection_buffer_high_watermark_timeout lb_policy=ROUND_ROBIN "
        "load_assignment health_checks* max_requests_per_connection circuit_breakers upstream_http_protocol_options "
        "common_http_protocol_options http_protocol_options http2_protocol_options typed_extension_protocol_options* dns_refresh_rate "
        "dns_jitter dns_failure_refresh_rate respect_dns_ttl= dns_lookup_family=AUTO dns_resolvers* use_tcp_for_dns_lookups= "
        "dns_resolution_config typed_dns_resolver_config wait_for_warm_on_init outlier_detection cleanup_interval upstream_bind_config "
        "lb_subset_config ring_hash_lb_config maglev_lb_config original_dst_lb_config least_request_lb_config round_robin_lb_config "
        "common_lb_config transport_socket metadata protocol_selection=USE_CONFIGURED_PROTOCOL upstream_connection_options "
        "close_connections_on_host_health_failure= ignore_health_on_host_removal= filters* load_balancing_policy lrs_server "
        "lrs_report_endpoint_metrics* track_timeout_budgets= upstream_config track_cluster_stats preconnect_policy "
        "connection_pool_per_downstream_connection= queuing_policies"
    ),
    "envoy.config.cluster.v3.Cluster.CommonLbConfig": (
        "healthy_panic_threshold zone_aware_lb_config locality_weighted_lb_config update_merge_window ignore_new_hosts_until_first_hc= "
        "close_connections_on_host_set_change= consistent_hashing_lb_config override_host_status"
    ),
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig": "use_hostname_for_hashing= hash_balance_factor",
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig": "",
    "envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig": "routing_enabled min_cluster_size fail_traffic_on_panic=",
    "envoy.config.cluster.v3.Cluster.CustomClusterType": "name= typed_config",
    "envoy.config.cluster.v3.Cluster.EdsClusterConfig": "eds_config service_name=",
    "envoy.config.cluster.v3.Cluster.LbSubsetConfig": (
        "fallback_policy=NO_FALLBACK default_subset subset_selectors* locality_weight_aware= scale_locality_weight= panic_mode_any= "
        "list_as_any= metadata_fallback_policy=METADATA_NO_FALLBACK"
    ),
    "envoy.config.cluster.v3.Cluster.LbSubsetConfig.LbSubsetSelector": (
        "keys* single_host_per_subset= fallback_policy=NOT_DEFINED fallback_keys_subset*"
    ),
    "envoy.config.cluster.v3.Cluster.LeastRequestLbConfig": "choice_count active_request_bias slow_start_config",
    "envoy.config.cluster.v3.Cluster.MaglevLbConfig": "table_size",
    "envoy.config.cluster.v3.Cluster.PreconnectPolicy": (
        "per_upstream_preconnect_ratio predictive_preconnect_ratio preconnect_enabled_metadata"
    ),
    "envoy.config.cluster.v3.Cluster.RefreshRate": "base_interval max_interval",
    "envoy.config.cluster.v3.Cluster.RingHashLbConfig": "minimum_ring_size hash_function=XX_HASH maximum_ring_size",
    "envoy.config.cluster.v3.Cluster.RoundRobinLbConfig": "slow_start_config",
    "envoy.config.cluster.v3.Cluster.SlowStartConfig": "slow_start_window aggression min_weight_percent",
    "envoy.config.cluster.v3.LoadBalancingPolicy": "policies*",
    "envoy.config.cluster.v3.LoadBalancingPolicy.Policy": "typed_extension_config",
    "envoy.config.cluster.v3.OutlierDetection": (
        "consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx enforcing_success_rate "
        "success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor consecutive_gateway_failure "
        "enforcing_consecutive_gateway_failure split_external_local_origin_errors= consecutive_local_origin_failure "
        "enforcing_consecutive_local_origin_failure enforcing_local_origin_success_rate failure_percentage_threshold "
        "enforcing_failure_percentage enforcing_failure_percentage_local_origin failure_percentage_minimum_hosts "
        "failure_percentage_request_volume max_ejection_time max_ejection_time_jitter successful_active_health_check_uneject_host "
        "monitors* always_eject_one_host detect_degraded_hosts"
    ),
    "envoy.config.cluster.v3.UpstreamConnectionOptions": (
        "tcp_keepalive set_local_interface_name_on_upstream_connections= happy_eyeballs_config"
    ),
    "envoy.config.cluster.v3.UpstreamConnectionOptions.HappyEyeballsConfig": (
        "first_address_family_version=DEFAULT first_address_family_count"
    ),
    "envoy.config.core.v3.BindConfig": (
        "source_address freebind socket_options* extra_source_addresses* additional_source_addresses* local_address_selector "
        "validate_network_namespaces="
    ),
    "envoy.config.core.v3.ConfigSource": (
        "authorities* path path_config_source api_config_source ads self initial_fetch_timeout resource_api_version=AUTO"
    ),
    "envoy.config.core.v3.DnsResolutionConfig": "resolvers* dns_resolver_options",
    "envoy.config.core.v3.DnsResolverOptions": "use_tcp_for_dns_lookups= no_default_search_domain=",
    "envoy.config.core.v3.ExtraSourceAddress": "address socket_options",
    "envoy.config.core.v3.HealthCheck": (
        "name= timeout interval initial_jitter interval_jitter interval_jitter_percent= unhealthy_threshold healthy_threshold alt_port "
        "reuse_connection http_health_check tcp_health_check grpc_health_check custom_health_check no_traffic_interval "
        "no_traffic_healthy_interval unhealthy_interval unhealthy_edge_interval healthy_edge_interval event_log_path= event_logger* "
        "event_service always_log_health_check_failures= always_log_health_check_success= tls_options transport_socket_match_criteria"
    ),
    "envoy.config.core.v3.HealthCheck.GrpcHealthCheck": "service_name= authority= initial_metadata*",
    "envoy.config.core.v3.HealthCheck.HttpHealthCheck": (
        "host= path= send receive* response_buffer_size request_headers_to_add* request_headers_to_remove* expected_statuses* "
        "retriable_statuses* codec_client_type=HTTP1 use_alpn_protocol= service_name_matcher method=METHOD_UNSPECIFIED"
    ),
    "envoy.config.core.v3.HealthCheck.Payload": "text binary",
    "envoy.config.core.v3.HealthCheck.TcpHealthCheck": "send receive* proxy_protocol_config",
    "envoy.config.core.v3.PathConfigSource": "path= watched_directory poll_interval",
    "envoy.config.core.v3.Pipe": "path= mode=",
    "envoy.config.core.v3.RuntimeDouble": "default_value= runtime_key=",
    "envoy.config.core.v3.TcpKeepalive": "keepalive_probes keepalive_time keepalive_interval",
    "envoy.config.core.v3.WatchedDirectory": "path= watch_modify=",
    "envoy.config.endpoint.v3.ClusterLoadAssignment": "cluster_name= endpoints* named_endpoints* policy",
    "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy": (
        "drop_overloads* overprovisioning_factor endpoint_stale_after weighted_priority_health="
    ),
    "envoy.config.endpoint.v3.Endpoint": "address health_check_config hostname= additional_addresses* observability_name=",
    "envoy.config.endpoint.v3.Endpoint.AdditionalAddress": "address",
    "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig": "port_value= hostname= address disable_active_health_check=",
    "envoy.config.endpoint.v3.LbEndpoint": "endpoint endpoint_name health_status=UNKNOWN metadata load_balancing_weight",
    "envoy.config.endpoint.v3.LocalityLbEndpoints": (
        "locality metadata lb_endpoints* load_balancer_endpoints leds_cluster_locality_config load_balancing_weight priority= proximity"
    ),
    "envoy.extensions.clusters.dns.v3.DnsCluster": (
        "dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl= dns_jitter typed_dns_resolver_config dns_lookup_family=UNSPECIFIED "
        "all_addresses_in_single_endpoint= dns_min_refresh_rate"
    ),
    "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink": "event_log_path=",
    "envoy.extensions.load_balancing_policies.common.v3.LocalityLbConfig": "zone_aware_lb_config locality_weighted_lb_config",
    "envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest": (
        "choice_count active_request_bias slow_start_config locality_lb_config enable_full_scan selection_method=N_CHOICES"
    ),
    "envoy.extensions.load_balancing_policies.maglev.v3.Maglev": "table_size consistent_hashing_lb_config locality_weighted_lb_config",
    "envoy.extensions.load_balancing_policies.random.v3.Random": "locality_lb_config",
    "envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash": (
        "hash_function=DEFAULT_HASH minimum_ring_size maximum_ring_size use_hostname_for_hashing= hash_balance_factor "
        "consistent_hashing_lb_config locality_weighted_lb_config"
    ),
    "envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin": "slow_start_config locality_lb_config",
    "envoy.extensions.load_balancing_policies.subset.v3.Subset": (
        "fallback_policy=NO_FALLBACK default_subset subset_selectors* allow_redundant_keys= locality_weight_aware= scale_locality_weight= "
        "panic_mode_any= list_as_any= metadata_fallback_policy=METADATA_NO_FALLBACK subset_lb_policy"
    ),
    "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig": (
        "resolvers* use_resolvers_as_fallback= filter_unroutable_families= dns_resolver_options udp_max_queries query_timeout_seconds "
        "query_tries rotate_nameservers= edns0_max_payload_size max_udp_channel_duration reinit_channel_on_timeout= qcache_max_ttl"
    ),
    "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig": "num_retries num_resolver_threads",
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": (
        "common_http_protocol_options upstream_http_protocol_options explicit_http_config use_downstream_protocol_config auto_config "
        "http_filters* header_validation_config outlier_detection request_mirror_policies* hash_policy* retry_policy"
    ),
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig": (
        "http_protocol_options http2_protocol_options http3_protocol_options"
    ),
}
"""Message -> its fields."""
