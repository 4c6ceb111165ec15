"""The words of Envoy's v3 API (and of v2, where they ended), so that an unknown word and an unsupported one are told apart.

Written from the descriptors that Envoy's binary (1.40.0) carries in itself, for the messages that ``schema`` and ``filters`` know;
those of HTTP filters are in ``extension_words``, those about clusters in ``cluster_words``, about connections in ``connection_words``.
One word each: ``name`` a message, a wrapper or a member of a oneof, where being given means something; ``name=`` a plain value whose
zero means "not given" (``name=ZERO`` for an enum); ``name*`` a list or a map, which may be empty.
"""

from shifter.config.schema.cluster_words import CLUSTER_FIELDS
from shifter.config.schema.connection_words import CONNECTION_FIELDS
from shifter.config.schema.extension_words import FILTER_FIELDS, TYPES_BY_PACKAGE

_FIELDS = {
    "envoy.config.bootstrap.v3.Bootstrap": (
        "node node_context_params* static_resources dynamic_resources cluster_manager hds_config flags_path= stats_sinks* "
        "deferred_stat_options stats_config stats_flush_interval stats_flush_on_admin stats_eviction_interval watchdog watchdogs "
        "tracing layered_runtime admin overload_manager enable_dispatcher_stats= header_prefix= stats_server_version_override "
        "use_tcp_for_dns_lookups= dns_resolution_config typed_dns_resolver_config bootstrap_extensions* fatal_actions* config_sources* "
        "default_config_source default_socket_interface= certificate_provider_instances* inline_headers* perf_tracing_file_path= "
        "default_regex_engine xds_delegate_extension xds_config_tracker_extension listener_manager application_log_config "
        "grpc_async_client_manager_config memory_allocator_manager enable_worker_cpu_affinity="
    ),
    "envoy.config.bootstrap.v3.Bootstrap.StaticResources": "listeners* clusters* secrets*",
    "envoy.config.bootstrap.v3.Bootstrap.DynamicResources": (
        "lds_config lds_resources_locator= cds_config cds_resources_locator= ads_config"
    ),
    "envoy.extensions.filters.network.http_connection_manager.v3.Rds": "config_source route_config_name=",
    "envoy.config.accesslog.v3.MetadataFilter": "matcher match_if_key_not_found",
    "envoy.config.accesslog.v3.LogTypeFilter": "types* exclude=",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing": (
        "client_sampling random_sampling overall_sampling verbose= max_path_tag_length custom_tags* provider spawn_upstream_span "
        "operation= upstream_operation= no_context_propagation="
    ),
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions": (
        "access_log_flush_interval flush_access_log_on_new_request= flush_log_on_tunnel_successfully_established="
    ),
    "envoy.config.trace.v3.OpenTelemetryConfig": (
        "grpc_service http_service exporter service_name= resource_detectors* sampler max_cache_size "
        "set_telemetry_sdk_resource_attributes set_service_name_resource_attribute set_instrumentation_scope"
    ),
    "envoy.config.trace.v3.Tracing.Http": "name= typed_config",
    "envoy.config.core.v3.HttpService": "http_uri request_headers_to_add* formatters*",
    "envoy.type.tracing.v3.CustomTag": "tag= literal environment request_header metadata value value_type=UNSPECIFIED",
    "envoy.type.tracing.v3.CustomTag.Literal": "value=",
    "envoy.type.tracing.v3.CustomTag.Environment": "name= default_value=",
    "envoy.type.tracing.v3.CustomTag.Header": "name= default_value=",
    "envoy.type.tracing.v3.CustomTag.Metadata": "kind metadata_key default_value=",
    "envoy.type.metadata.v3.MetadataKey": "key= path*",
    "envoy.type.metadata.v3.MetadataKind": "request route cluster host",
    "envoy.type.metadata.v3.MetadataKey.PathSegment": "key index",
    "envoy.config.route.v3.Tracing": "client_sampling random_sampling overall_sampling custom_tags* operation= upstream_operation=",
    "envoy.config.route.v3.Decorator": "operation= propagate",
    "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer": "symlink_root= subdirectory= append_service_cluster=",
    "envoy.config.metrics.v3.StatsConfig": (
        "stats_tags* use_all_default_tags stats_matcher histogram_bucket_settings* allow_default_tag_overrides"
    ),
    "envoy.config.metrics.v3.StatsMatcher": "reject_all exclusion_list inclusion_list",
    "envoy.type.matcher.v3.ListStringMatcher": "patterns*",
    "envoy.config.metrics.v3.HistogramBucketSettings": "match buckets* bins",
    "envoy.config.metrics.v3.StatsSink": "name= typed_config",
    "envoy.config.metrics.v3.StatsdSink": "address tcp_cluster_name prefix= scale_histogram_units_to_milliseconds=",
    "envoy.config.metrics.v3.DogStatsdSink": "address prefix= max_bytes_per_datagram scale_histogram_units_to_milliseconds=",
    "envoy.config.bootstrap.v3.Admin": (
        "access_log* access_log_path= profile_path= address socket_options* ignore_global_conn_limit= allow_paths*"
    ),
    "envoy.config.bootstrap.v3.ClusterManager": (
        "local_cluster_name= outlier_detection upstream_bind_config load_stats_config enable_deferred_cluster_creation="
    ),
    "envoy.config.core.v3.Node": (
        "id= cluster= metadata dynamic_parameters* locality user_agent_name= user_agent_version user_agent_build_version extensions* "
        "client_features* listening_addresses*"
    ),
    "envoy.config.core.v3.HeaderValueOption": "header append append_action=APPEND_IF_EXISTS_OR_ADD keep_empty_value=",
    "envoy.config.core.v3.HeaderValue": "key= value= raw_value=",
    "envoy.config.core.v3.DataSource": "filename inline_bytes inline_string environment_variable watched_directory",
    "envoy.config.core.v3.RuntimeUInt32": "default_value= runtime_key=",
    "envoy.config.core.v3.Locality": "region= zone= sub_zone=",
    "envoy.config.core.v3.Metadata": "filter_metadata* typed_filter_metadata*",
    "envoy.config.core.v3.Address": "socket_address pipe envoy_internal_address",
    "envoy.config.core.v3.SocketAddress": (
        "protocol=TCP address= port_value named_port resolver_name= ipv4_compat= network_namespace_filepath="
    ),
    "envoy.config.core.v3.CidrRange": "address_prefix= prefix_len",
    "envoy.config.core.v3.HttpProtocolOptions": (
        "idle_timeout max_connection_duration max_connection_duration_jitter max_headers_count max_response_headers_kb "
        "max_stream_duration headers_with_underscores_action=ALLOW max_requests_per_connection"
    ),
    "envoy.config.core.v3.Http1ProtocolOptions": (
        "allow_absolute_url accept_http_10= default_host_for_http_10= header_key_format enable_trailers= allow_chunked_length= "
        "override_stream_error_on_invalid_http_message send_fully_qualified_url= use_balsa_parser allow_custom_methods= "
        "ignore_http_11_upgrade*"
    ),
    "envoy.config.core.v3.Http2ProtocolOptions": (
        "hpack_table_size max_concurrent_streams initial_stream_window_size initial_connection_window_size allow_connect= "
        "allow_metadata= max_outbound_frames max_outbound_control_frames max_consecutive_inbound_frames_with_empty_payload "
        "max_inbound_priority_frames_per_stream max_inbound_window_update_frames_per_data_frame_sent "
        "stream_error_on_invalid_http_messaging= override_stream_error_on_invalid_http_message custom_settings_parameters* "
        "connection_keepalive use_oghttp2_codec max_metadata_size enable_huffman_encoding max_header_field_size_kb disallow_obs_text "
        "stream_reset_burst stream_reset_rate"
    ),
    "envoy.config.core.v3.KeepaliveSettings": "interval timeout interval_jitter connection_idle_interval",
    "envoy.config.core.v3.UpstreamHttpProtocolOptions": "auto_sni= auto_san_validation= override_auto_sni_header=",
    "envoy.config.core.v3.SubstitutionFormatString": (
        "text_format json_format text_format_source omit_empty_values= content_type= formatters* json_format_options"
    ),
    "envoy.config.core.v3.TypedExtensionConfig": "name= typed_config",
    "envoy.config.listener.v3.Listener": (
        "name= address additional_addresses* stat_prefix= stats_matcher filter_chains* fcds_config filter_chain_matcher "
        "use_original_dst default_filter_chain per_connection_buffer_limit_bytes per_connection_buffer_high_watermark_timeout metadata "
        "deprecated_v1 drain_type=DEFAULT listener_filters* listener_filters_timeout continue_on_listener_filters_timeout= transparent "
        "freebind socket_options* tcp_fast_open_queue_length traffic_direction=UNSPECIFIED udp_listener_config api_listener "
        "connection_balance_config reuse_port= enable_reuse_port access_log* tcp_backlog_size "
        "max_connections_to_accept_per_socket_event bind_to_port internal_listener enable_mptcp= ignore_global_conn_limit= "
        "bypass_overload_manager= tcp_keepalive"
    ),
    "envoy.config.listener.v3.FilterChain": (
        "filter_chain_match filters* use_proxy_proto metadata transport_socket transport_socket_connect_timeout name="
    ),
    "envoy.config.listener.v3.Filter": "name= typed_config config_discovery",
    "envoy.config.accesslog.v3.AccessLog": "name= filter typed_config",
    "envoy.extensions.access_loggers.file.v3.FileAccessLog": "path= format json_format typed_json_format log_format",
    "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog": "log_format",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": (
        "codec_type=AUTO stat_prefix= rds route_config scoped_routes http_filters* add_user_agent tracing common_http_protocol_options "
        "http1_safe_max_connection_duration= http_protocol_options http2_protocol_options http3_protocol_options server_name= "
        "server_header_transformation=OVERWRITE scheme_header_transformation max_request_headers_kb stream_idle_timeout "
        "stream_flush_timeout request_timeout request_headers_timeout drain_timeout drain_timeout_jitter delayed_close_timeout "
        "access_log* access_log_flush_interval flush_access_log_on_new_request= access_log_options use_remote_address "
        "xff_num_trusted_hops= original_ip_detection_extensions* early_header_mutation_extensions* internal_address_config "
        "skip_xff_append= via= generate_request_id preserve_external_request_id= always_set_request_id_in_response= "
        "forward_client_cert_details=SANITIZE set_current_client_cert_details forward_client_cert_matcher proxy_100_continue= "
        "represent_ipv4_remote_address_as_ipv4_mapped_ipv6= upgrade_configs* normalize_path merge_slashes= "
        "path_with_escaped_slashes_action=IMPLEMENTATION_SPECIFIC_DEFAULT request_id_extension local_reply_config "
        "strip_matching_host_port= strip_any_host_port stream_error_on_invalid_http_message path_normalization_options "
        "strip_trailing_host_dot= proxy_status_config typed_header_validation_config append_x_forwarded_port= append_local_overload= "
        "add_proxy_protocol_connection_state forward_proto_config record_route_resolution_stats="
    ),
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": "name= typed_config config_discovery is_optional= disabled=",
    "envoy.extensions.filters.http.router.v3.Router": (
        "dynamic_stats start_child_span= upstream_log* upstream_log_options suppress_envoy_headers= strict_check_headers* "
        "respect_expected_rq_timeout= suppress_grpc_request_failure_code_stats= upstream_http_filters* "
        "reject_connect_request_early_data"
    ),
    "envoy.config.route.v3.RouteConfiguration": (
        "name= virtual_hosts* vhds internal_only_headers* response_headers_to_add* response_headers_to_remove* request_headers_to_add* "
        "request_headers_to_remove* most_specific_header_mutations_wins= validate_clusters max_direct_response_body_size_bytes "
        "cluster_specifier_plugins* request_mirror_policies* ignore_port_in_host_matching= vhost_header= "
        "ignore_path_parameters_in_path_matching= typed_per_filter_config* metadata route_specifiers*"
    ),
    "envoy.config.route.v3.VirtualHost": (
        "name= domains* routes* matcher require_tls=NONE virtual_clusters* rate_limits* request_headers_to_add* "
        "request_headers_to_remove* response_headers_to_add* response_headers_to_remove* cors typed_per_filter_config* "
        "include_request_attempt_count= include_attempt_count_in_response= retry_policy retry_policy_typed_config hedge_policy "
        "include_is_timeout_retry_header= per_request_buffer_limit_bytes request_body_buffer_limit request_mirror_policies* metadata "
        "route_specifiers*"
    ),
    "envoy.config.route.v3.Route": (
        "name= match route redirect direct_response filter_action non_forwarding_action metadata decorator typed_per_filter_config* "
        "request_headers_to_add* request_headers_to_remove* response_headers_to_add* response_headers_to_remove* tracing "
        "per_request_buffer_limit_bytes stat_prefix= request_body_buffer_limit route_specifiers*"
    ),
    "envoy.config.route.v3.RouteMatch": (
        "prefix path safe_regex connect_matcher path_separated_prefix path_match_policy case_sensitive runtime_fraction headers* "
        "query_parameters* cookies* grpc tls_context dynamic_metadata* filter_state*"
    ),
    "envoy.config.route.v3.RouteAction": (
        "cluster cluster_header weighted_clusters cluster_specifier_plugin inline_cluster_specifier_plugin "
        "cluster_not_found_response_code=SERVICE_UNAVAILABLE metadata_match prefix_rewrite= regex_rewrite path_rewrite_policy "
        "path_rewrite= host_rewrite_literal auto_host_rewrite host_rewrite_header host_rewrite_path_regex host_rewrite "
        "append_x_forwarded_host= timeout idle_timeout flush_timeout early_data_policy retry_policy retry_policy_typed_config "
        "request_mirror_policies* priority=DEFAULT rate_limits* include_vh_rate_limits hash_policy* cors max_grpc_timeout "
        "grpc_timeout_offset upgrade_configs* internal_redirect_policy internal_redirect_action=PASS_THROUGH_INTERNAL_REDIRECT "
        "max_internal_redirects hedge_policy max_stream_duration"
    ),
    "envoy.config.route.v3.RetryPolicy": (
        "retry_on= num_retries per_try_timeout per_try_idle_timeout retry_priority retry_host_predicate* retry_options_predicates* "
        "host_selection_retry_max_attempts= retriable_status_codes* retry_back_off rate_limited_retry_back_off retriable_headers* "
        "retriable_request_headers* refresh_cluster_on_retry="
    ),
    "envoy.config.route.v3.RetryPolicy.RetryBackOff": "base_interval max_interval",
    "envoy.config.route.v3.RetryPolicy.ResetHeader": "name= format=SECONDS",
    "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff": "reset_headers* max_interval",
    "envoy.config.route.v3.RetryPolicy.RetryPriority": "name= typed_config",
    "envoy.config.route.v3.RetryPolicy.RetryHostPredicate": "name= typed_config",
    "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig": "metadata_match",
    "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig": "update_frequency=",
    "envoy.config.route.v3.HedgePolicy": "initial_requests additional_request_chance hedge_on_per_try_timeout=",
    "envoy.config.route.v3.RedirectAction": (
        "https_redirect scheme_redirect host_redirect= port_redirect= path_redirect prefix_rewrite regex_rewrite path_rewrite "
        "response_code=MOVED_PERMANENTLY strip_query="
    ),
    "envoy.config.route.v3.DirectResponseAction": "status= body body_format",
    "envoy.config.route.v3.FilterAction": "action",
    "envoy.config.route.v3.WeightedCluster": "clusters* total_weight runtime_key_prefix= header_name use_hash_policy",
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": (
        "name= cluster_header= weight metadata_match request_headers_to_add* request_headers_to_remove* response_headers_to_add* "
        "response_headers_to_remove* typed_per_filter_config* host_rewrite_literal"
    ),
    "envoy.config.route.v3.HeaderMatcher": (
        "name= exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match string_match "
        "invert_match= treat_missing_header_as_empty="
    ),
    "envoy.type.matcher.v3.StringMatcher": "exact prefix suffix safe_regex contains custom ignore_case=",
    "envoy.type.matcher.v3.RegexMatcher": "google_re2 regex=",
    "envoy.type.matcher.v3.RegexMatchAndSubstitute": "pattern substitution=",
    "envoy.type.matcher.v3.RegexMatcher.GoogleRE2": "max_program_size",
    "envoy.type.v3.Int64Range": "start= end=",
    "envoy.type.v3.Percent": "value=",
    "envoy.config.bootstrap.v3.LayeredRuntime": "layers*",
    "envoy.config.bootstrap.v3.RuntimeLayer": "name= static_layer disk_layer admin_layer rtds_layer",
    "envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer": "",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig": "upgrade_type= filters* enabled",
    "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig": "mappers* body_format",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig": "unix_sockets= cidr_ranges*",
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy": (
        "cluster= cluster_header= runtime_fraction trace_sampled disable_shadow_host_suffix_append= request_headers_mutations* "
        "host_rewrite_literal="
    ),
    "envoy.extensions.filters.network.http_connection_manager.v3.ResponseMapper": (
        "filter status_code body body_format_override headers_to_add*"
    ),
    "envoy.config.route.v3.VirtualCluster": "headers* name=",
    "envoy.config.core.v3.RuntimeFractionalPercent": "default_value runtime_key=",
    "envoy.config.common.mutation_rules.v3.HeaderMutation": "remove append remove_on_match",
    "envoy.config.accesslog.v3.AccessLogFilter": (
        "status_code_filter duration_filter not_health_check_filter traceable_filter runtime_filter and_filter or_filter header_filter "
        "response_flag_filter grpc_status_filter extension_filter metadata_filter log_type_filter"
    ),
    "envoy.type.v3.FractionalPercent": "numerator= denominator=HUNDRED",
    "envoy.config.accesslog.v3.StatusCodeFilter": "comparison",
    "envoy.config.accesslog.v3.DurationFilter": "comparison",
    "envoy.config.accesslog.v3.NotHealthCheckFilter": "",
    "envoy.config.accesslog.v3.TraceableFilter": "",
    "envoy.config.accesslog.v3.RuntimeFilter": "runtime_key= percent_sampled use_independent_randomness=",
    "envoy.config.accesslog.v3.AndFilter": "filters*",
    "envoy.config.accesslog.v3.OrFilter": "filters*",
    "envoy.config.accesslog.v3.HeaderFilter": "header",
    "envoy.config.accesslog.v3.ResponseFlagFilter": "flags*",
    "envoy.config.accesslog.v3.GrpcStatusFilter": "statuses* exclude=",
    "envoy.config.route.v3.RouteMatch.ConnectMatcher": "",
    "envoy.config.route.v3.QueryParameterMatcher": "name= string_match present_match",
    "envoy.config.route.v3.CookieMatcher": "name= string_match invert_match=",
    "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions": "",
    "envoy.config.route.v3.RouteMatch.TlsContextMatchOptions": "presented validated",
    "envoy.type.matcher.v3.MetadataMatcher": "filter= path* value invert=",
    "envoy.config.route.v3.RouteAction.MaxStreamDuration": "max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset",
    "envoy.config.route.v3.RouteAction.HashPolicy": "header cookie connection_properties query_parameter filter_state terminal=",
    "envoy.config.route.v3.InternalRedirectPolicy": (
        "max_internal_redirects redirect_response_codes* predicates* allow_cross_scheme_redirect= response_headers_to_copy*"
    ),
    "envoy.config.route.v3.RouteAction.UpgradeConfig": "upgrade_type= enabled connect_config",
    "envoy.config.accesslog.v3.ComparisonFilter": "op=EQ value",
    "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig": "path_template=",
    "envoy.type.matcher.v3.MetadataMatcher.PathSegment": "key",
    "envoy.type.matcher.v3.ValueMatcher": "null_match double_match string_match bool_match present_match list_match or_match",
    "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig": "path_template_rewrite=",
    "envoy.config.route.v3.RouteAction.HashPolicy.Header": "header_name= regex_rewrite",
    "envoy.config.route.v3.RouteAction.HashPolicy.Cookie": "name= ttl path= attributes*",
    "envoy.config.route.v3.RouteAction.HashPolicy.ConnectionProperties": "source_ip=",
    "envoy.config.route.v3.RouteAction.HashPolicy.QueryParameter": "name=",
    "envoy.type.matcher.v3.ValueMatcher.NullMatch": "",
    "envoy.type.matcher.v3.DoubleMatcher": "range exact",
    "envoy.type.matcher.v3.ListMatcher": "one_of",
    "envoy.type.matcher.v3.OrMatcher": "value_matchers*",
    "envoy.config.route.v3.RouteAction.HashPolicy.CookieAttribute": "name= value=",
    "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig": "allowed_route_names*",
    "envoy.type.v3.DoubleRange": "start= end=",
}

_GONE = {
    "envoy.config.listener.v3.FilterChain": "tls_context",
    "envoy.config.listener.v3.Filter": "config",
    "envoy.config.cluster.v3.Cluster": "hosts tls_context extension_protocol_options drain_connections_on_host_removal",
    "envoy.config.route.v3.VirtualHost": "per_filter_config",
    "envoy.config.route.v3.Route": "per_filter_config",
    "envoy.config.route.v3.RouteMatch": "regex",
    "envoy.config.route.v3.RouteAction": "auto_host_rewrite_header request_mirror_policy",
    "envoy.config.route.v3.HeaderMatcher": "regex_match",
    "envoy.config.route.v3.WeightedCluster.ClusterWeight": "per_filter_config",
    "envoy.config.bootstrap.v3.Bootstrap": "runtime",
    "envoy.config.accesslog.v3.AccessLog": "config",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": "idle_timeout",
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": "config",
}


def _field(word: str) -> tuple[str, str | None]:
    """Return the name, and what may be given for it without meaning anything: ``None`` nothing, ``*`` an empty container."""
    if word.endswith("*"):
        return word[:-1], "*"
    name, sign, zero = word.partition("=")
    return name, zero if sign else None


FIELDS: dict[str, dict[str, str | None]] = {
    message: dict(map(_field, words.split())) for message, words in (_FIELDS | CLUSTER_FIELDS | CONNECTION_FIELDS | FILTER_FIELDS).items()
}
"""Message -> field -> what may be given for it although it is not supported (see ``_field``)."""

GONE: dict[str, frozenset[str]] = {message: frozenset(words.split()) for message, words in _GONE.items()}
"""Message -> fields that it had in v2 and has no longer."""

_TRACERS = "Datadog DynamicOt Lightstep OpenCensus OpenTelemetry SkyWalking TraceService XRay Zipkin"

TYPES: frozenset[str] = frozenset(
    {
        *(f"envoy.extensions.{package}.{name}" for package, names in TYPES_BY_PACKAGE.items() for name in names.split()),
        *(f"envoy.config.trace.v3.{name}Config" for name in _TRACERS.split()),
        *(f"envoy.config.metrics.v3.{name}Sink" for name in ("DogStatsd", "Hystrix", "Statsd")),
    }
)
"""Full names of the extension messages that Envoy knows."""
