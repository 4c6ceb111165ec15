"""The words of Envoy's extensions: the fields of the messages that HTTP filters are made of, and what may stand in an ``@type``.

As in ``words``, and from the same source.
"""

FILTER_FIELDS = {
    "envoy.config.core.v3.BackoffStrategy": "base_interval max_interval",
    "envoy.config.core.v3.CelExpressionConfig": "enable_string_conversion= enable_string_concat= enable_string_functions=",
    "envoy.config.core.v3.HttpUri": "uri= cluster timeout",
    "envoy.config.core.v3.KeyValue": "key= value=",
    "envoy.config.core.v3.KeyValueAppend": "record entry action=APPEND_IF_EXISTS_OR_ADD",
    "envoy.config.core.v3.KeyValueMutation": "append remove=",
    "envoy.config.core.v3.KeyValuePair": "key= value",
    "envoy.config.core.v3.RetryPolicy": (
        "retry_back_off num_retries retry_on= retry_priority retry_host_predicate* host_selection_retry_max_attempts="
    ),
    "envoy.config.core.v3.RetryPolicy.RetryHostPredicate": "name= typed_config",
    "envoy.config.core.v3.RetryPolicy.RetryPriority": "name= typed_config",
    "envoy.config.core.v3.RuntimeFeatureFlag": "default_value runtime_key=",
    "envoy.config.rbac.v3.Permission": (
        "and_rules or_rules any header url_path destination_ip destination_port destination_port_range metadata not_rule "
        "requested_server_name matcher uri_template sourced_metadata"
    ),
    "envoy.config.rbac.v3.Permission.Set": "rules*",
    "envoy.config.rbac.v3.Policy": "permissions* principals* condition checked_condition cel_config",
    "envoy.config.rbac.v3.Principal": (
        "and_ids or_ids any authenticated source_ip direct_remote_ip remote_ip header url_path metadata filter_state not_id "
        "sourced_metadata custom"
    ),
    "envoy.config.rbac.v3.Principal.Authenticated": "principal_name",
    "envoy.config.rbac.v3.Principal.Set": "ids*",
    "envoy.config.rbac.v3.RBAC": "action=ALLOW policies* audit_logging_options",
    "envoy.config.rbac.v3.RBAC.AuditLoggingOptions": "audit_condition=NONE logger_configs*",
    "envoy.config.rbac.v3.RBAC.AuditLoggingOptions.AuditLoggerConfig": "audit_logger is_optional=",
    "envoy.config.rbac.v3.SourcedMetadata": "metadata_matcher metadata_source=DYNAMIC",
    "envoy.config.route.v3.RateLimit": "stage disable_key= actions* limit hits_addend apply_on_stream_done= x_ratelimit_option=UNSPECIFIED",
    "envoy.config.route.v3.RateLimit.Action": (
        "source_cluster destination_cluster request_headers query_parameters remote_address generic_key header_value_match "
        "dynamic_metadata metadata extension masked_remote_address query_parameter_value_match remote_address_match"
    ),
    "envoy.config.route.v3.RateLimit.Action.DestinationCluster": "",
    "envoy.config.route.v3.RateLimit.Action.DynamicMetaData": "descriptor_key= metadata_key default_value=",
    "envoy.config.route.v3.RateLimit.Action.GenericKey": "descriptor_value= default_value= descriptor_key=",
    "envoy.config.route.v3.RateLimit.Action.HeaderValueMatch": "descriptor_value= default_value= descriptor_key= expect_match headers*",
    "envoy.config.route.v3.RateLimit.Action.MaskedRemoteAddress": "v4_prefix_mask_len v6_prefix_mask_len",
    "envoy.config.route.v3.RateLimit.Action.MetaData": "descriptor_key= metadata_key default_value= source=DYNAMIC skip_if_absent=",
    "envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch": (
        "descriptor_value= default_value= descriptor_key= expect_match query_parameters*"
    ),
    "envoy.config.route.v3.RateLimit.Action.QueryParameters": "query_parameter_name= descriptor_key= skip_if_absent=",
    "envoy.config.route.v3.RateLimit.Action.RemoteAddress": "",
    "envoy.config.route.v3.RateLimit.Action.RemoteAddressMatch": "descriptor_value= descriptor_key= default_value= address_matcher",
    "envoy.config.route.v3.RateLimit.Action.RequestHeaders": "header_name= descriptor_key= skip_if_absent=",
    "envoy.config.route.v3.RateLimit.Action.SourceCluster": "",
    "envoy.config.route.v3.RateLimit.HitsAddend": "number format= is_negative_hits=",
    "envoy.config.route.v3.RateLimit.Override": "dynamic_metadata rate_limit",
    "envoy.config.route.v3.RateLimit.Override.DynamicMetadata": "metadata_key",
    "envoy.config.route.v3.RateLimit.Override.RateLimitOverride": "requests_per_unit= unit=UNKNOWN",
    "envoy.extensions.common.ratelimit.v3.LocalClusterRateLimit": "",
    "envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor": "entries* token_bucket shadow_mode=",
    "envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.Entry": "key= value=",
    "envoy.extensions.compression.brotli.compressor.v3.Brotli": (
        "quality encoder_mode=DEFAULT window_bits input_block_bits chunk_size disable_literal_context_modeling="
    ),
    "envoy.extensions.compression.gzip.compressor.v3.Gzip": (
        "memory_level compression_level=DEFAULT_COMPRESSION compression_strategy=DEFAULT_STRATEGY window_bits chunk_size"
    ),
    "envoy.extensions.compression.zstd.compressor.v3.Zstd": "compression_level enable_checksum= strategy=DEFAULT dictionary chunk_size",
    "envoy.extensions.filters.common.fault.v3.FaultDelay": "fixed_delay header_delay percentage",
    "envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay": "",
    "envoy.extensions.filters.common.fault.v3.FaultRateLimit": "fixed_limit header_limit percentage",
    "envoy.extensions.filters.common.fault.v3.FaultRateLimit.FixedLimit": "limit_kbps=",
    "envoy.extensions.filters.common.fault.v3.FaultRateLimit.HeaderLimit": "",
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuth": (
        "users forward_username_header= authentication_header= allow_missing= emit_dynamic_metadata= realm="
    ),
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute": "users realm=",
    "envoy.extensions.filters.http.buffer.v3.Buffer": "max_request_bytes",
    "envoy.extensions.filters.http.buffer.v3.BufferPerRoute": "disabled buffer",
    "envoy.extensions.filters.http.compressor.v3.Compressor": (
        "content_length content_type* disable_on_etag_header= remove_accept_encoding_header= runtime_enabled compressor_library "
        "request_direction_config response_direction_config choose_first="
    ),
    "envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig": (
        "enabled min_content_length content_type* content_type_matcher*"
    ),
    "envoy.extensions.filters.http.compressor.v3.Compressor.RequestDirectionConfig": "common_config",
    "envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig": (
        "common_config disable_on_etag_header= weaken_etag_on_compress= remove_accept_encoding_header= uncompressible_response_codes* "
        "status_header_enabled="
    ),
    "envoy.extensions.filters.http.compressor.v3.CompressorOverrides": "response_direction_config compressor_library",
    "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute": "disabled overrides",
    "envoy.extensions.filters.http.compressor.v3.ResponseDirectionOverrides": "remove_accept_encoding_header",
    "envoy.extensions.filters.http.cors.v3.Cors": "",
    "envoy.extensions.filters.http.cors.v3.CorsPolicy": (
        "allow_origin_string_match* allow_methods= allow_headers= expose_headers= max_age= allow_credentials filter_enabled "
        "shadow_enabled allow_private_network_access forward_not_matching_preflights"
    ),
    "envoy.extensions.filters.http.csrf.v3.CsrfPolicy": "filter_enabled shadow_enabled additional_origins*",
    "envoy.extensions.filters.http.fault.v3.FaultAbort": "http_status grpc_status header_abort percentage response_body=",
    "envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort": "",
    "envoy.extensions.filters.http.fault.v3.HTTPFault": (
        "delay abort upstream_cluster= headers* downstream_nodes* max_active_faults response_rate_limit delay_percent_runtime= "
        "abort_percent_runtime= delay_duration_runtime= abort_http_status_runtime= max_active_faults_runtime= "
        "response_rate_limit_percent_runtime= abort_grpc_status_runtime= disable_downstream_cluster_stats= filter_metadata"
    ),
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation": "mutations most_specific_header_mutations_wins=",
    "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute": "mutations",
    "envoy.extensions.filters.http.header_mutation.v3.Mutations": (
        "request_mutations* query_parameter_mutations* response_mutations* response_trailers_mutations* request_trailers_mutations* "
        "formatters*"
    ),
    "envoy.extensions.filters.http.header_to_metadata.v3.Config": "request_rules* response_rules* stat_prefix=",
    "envoy.extensions.filters.http.header_to_metadata.v3.Config.KeyValuePair": (
        "metadata_namespace= key= value= regex_value_rewrite type=STRING encode=NONE"
    ),
    "envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule": "header= cookie= on_header_present on_header_missing remove=",
    "envoy.extensions.filters.http.health_check.v3.HealthCheck": "pass_through_mode cache_time cluster_min_healthy_percentages* headers*",
    "envoy.extensions.filters.http.jwt_authn.v3.ExtractOnlyWithoutValidation": "verification_status_header=",
    "envoy.extensions.filters.http.jwt_authn.v3.FilterStateRule": "name= requires*",
    "envoy.extensions.filters.http.jwt_authn.v3.JwksAsyncFetch": "fast_listener= failed_refetch_duration",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication": (
        "providers* rules* filter_state_rules bypass_cors_preflight= requirement_map* strip_failure_response= stat_prefix="
    ),
    "envoy.extensions.filters.http.jwt_authn.v3.JwtCacheConfig": "jwt_cache_size= jwt_max_token_size=",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader": "header_name= claim_name= claim_path*",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader.PathSegment": "key=",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtHeader": "name= value_prefix=",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider": (
        "issuer= audiences* subjects require_expiration= max_lifetime remote_jwks local_jwks forward= from_headers* from_params* "
        "from_cookies* forward_payload_header= pad_forward_payload_header= payload_in_metadata= normalize_payload_in_metadata "
        "header_in_metadata= failed_status_in_metadata= clock_skew_seconds= jwt_cache_config claim_to_headers* clear_route_cache="
    ),
    "envoy.extensions.filters.http.jwt_authn.v3.JwtProvider.NormalizePayload": "space_delimited_claims*",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement": (
        "provider_name provider_and_audiences requires_any requires_all allow_missing_or_failed allow_missing "
        "extract_only_without_validation"
    ),
    "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementAndList": "requirements*",
    "envoy.extensions.filters.http.jwt_authn.v3.JwtRequirementOrList": "requirements*",
    "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig": "disabled requirement_name",
    "envoy.extensions.filters.http.jwt_authn.v3.ProviderWithAudiences": "provider_name= audiences*",
    "envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks": "http_uri cache_duration async_fetch retry_policy",
    "envoy.extensions.filters.http.jwt_authn.v3.RequirementRule": "match requires requirement_name",
    "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit": (
        "stat_prefix= status token_bucket filter_enabled filter_enforced request_headers_to_add_when_not_enforced* "
        "response_headers_to_add* descriptors* stage= local_rate_limit_per_downstream_connection= local_cluster_rate_limit "
        "enable_x_ratelimit_headers=OFF vh_rate_limits=OVERRIDE always_consume_default_token_bucket rate_limited_as_resource_exhausted= "
        "rate_limits* max_dynamic_descriptors enable_retry_after_header="
    ),
    "envoy.extensions.filters.http.rbac.v3.RBAC": (
        "rules rules_stat_prefix= matcher shadow_rules shadow_matcher shadow_rules_stat_prefix= track_per_rule_stats="
    ),
    "envoy.extensions.filters.http.rbac.v3.RBACPerRoute": "rbac",
    "envoy.type.matcher.v3.AddressMatcher": "ranges* invert_match=",
    "envoy.type.matcher.v3.FilterStateMatcher": "key= string_match address_match",
    "envoy.type.matcher.v3.PathMatcher": "path",
    "envoy.type.metadata.v3.MetadataKey": "key= path*",
    "envoy.type.metadata.v3.MetadataKey.PathSegment": "key index",
    "envoy.type.v3.HttpStatus": "code=Empty",
    "envoy.type.v3.Int32Range": "start= end=",
    "envoy.type.v3.TokenBucket": "max_tokens= tokens_per_fill fill_interval",
}

TYPES_BY_PACKAGE = {
    "access_loggers.dynamic_modules.v3": "DynamicModuleAccessLog",
    "access_loggers.file.v3": "FileAccessLog",
    "access_loggers.filters.cel.v3": "ExpressionFilter",
    "access_loggers.filters.process_ratelimit.v3": "ProcessRateLimitFilter DynamicTokenBucket",
    "access_loggers.fluentd.v3": "FluentdAccessLogConfig",
    "access_loggers.grpc.v3": "HttpGrpcAccessLogConfig TcpGrpcAccessLogConfig CommonGrpcAccessLogConfig",
    "access_loggers.open_telemetry.v3": "OpenTelemetryAccessLogConfig",
    "access_loggers.stats.v3": "Config",
    "access_loggers.stream.v3": "StdoutAccessLog StderrAccessLog",
    "access_loggers.wasm.v3": "WasmAccessLog",
    "clusters.aggregate.v3": "ClusterConfig AggregateClusterResource",
    "clusters.composite.v3": "ClusterConfig",
    "clusters.dns.v3": "DnsCluster",
    "clusters.dynamic_forward_proxy.v3": "ClusterConfig SubClustersConfig",
    "clusters.dynamic_modules.v3": "ClusterConfig",
    "clusters.mcp_multicluster.v3": "ClusterConfig",
    "clusters.original_dst.v3": "OriginalDstCluster",
    "clusters.redis.v3": "RedisClusterConfig",
    "clusters.reverse_connection.v3": "ReverseConnectionClusterConfig",
    "compression.brotli.compressor.v3": "Brotli",
    "compression.brotli.decompressor.v3": "Brotli",
    "compression.gzip.compressor.v3": "Gzip",
    "compression.gzip.decompressor.v3": "Gzip",
    "compression.zstd.compressor.v3": "Zstd",
    "compression.zstd.decompressor.v3": "Zstd",
    "early_data.v3": "DefaultEarlyDataPolicy",
    "filters.common.dependency.v3": "Dependency FilterDependencies MatchingRequirements",
    "filters.common.fault.v3": "FaultDelay FaultRateLimit",
    "filters.common.jwks.v3": "RemoteJwks JwksAsyncFetch JwtHandshakeValidator",
    "filters.common.matcher.action.v3": "SkipFilter",
    "filters.common.set_filter_state.v3": "FilterStateValue",
    "filters.http.a2a.v3": "A2a MethodParsingConfig ParserConfig",
    "filters.http.adaptive_concurrency.v3": "GradientControllerConfig AdaptiveConcurrency",
    "filters.http.admission_control.v3": "AdmissionControl",
    "filters.http.ai_protocol_manager.v3": (
        "AiProtocolManager RequestHandling RequestParsingLimits ResponseHandling TokenUsageExtraction TokenUsageExtractionLimits "
        "AiProtocolManagerPerRoute RequestPerRoute ResponsePerRoute"
    ),
    "filters.http.alternate_protocols_cache.v3": "FilterConfig",
    "filters.http.api_key_auth.v3": "ApiKeyAuth ApiKeyAuthPerRoute Credential KeySource Forwarding",
    "filters.http.aws_eventstream_parser.v3": "AwsEventstreamParser",
    "filters.http.aws_lambda.v3": "Config Credentials PerRouteConfig",
    "filters.http.aws_request_signing.v3": "AwsRequestSigning AwsRequestSigningPerRoute",
    "filters.http.bandwidth_limit.v3": "BandwidthLimit",
    "filters.http.bandwidth_share.v3": "BandwidthShare",
    "filters.http.basic_auth.v3": "BasicAuth BasicAuthPerRoute",
    "filters.http.body_size_limit.v3": "BodySizeLimit",
    "filters.http.buffer.v3": "Buffer BufferPerRoute",
    "filters.http.cache.v3": "CacheConfig",
    "filters.http.cache_v2.v3": "CacheV2Config",
    "filters.http.cdn_loop.v3": "CdnLoopConfig",
    "filters.http.composite.v3": "Composite CompositePerRoute FilterChainConfiguration DynamicConfig ExecuteFilterAction",
    "filters.http.compressor.v3": "Compressor ResponseDirectionOverrides CompressorOverrides CompressorPerRoute",
    "filters.http.connect_grpc_bridge.v3": "FilterConfig",
    "filters.http.cors.v3": "Cors CorsPolicy",
    "filters.http.credential_injector.v3": "CredentialInjector",
    "filters.http.csrf.v3": "CsrfPolicy",
    "filters.http.custom_response.v3": "CustomResponse",
    "filters.http.decompressor.v3": "Decompressor",
    "filters.http.dynamic_forward_proxy.v3": "FilterConfig PerRouteConfig SubClusterConfig",
    "filters.http.dynamic_modules.v3": "DynamicModuleFilter DynamicModuleFilterPerRoute",
    "filters.http.ext_authz.v3": (
        "ExtAuthz ShadowDecision BufferSettings HttpService AuthorizationRequest AuthorizationResponse ExtAuthzPerRoute CheckSettings"
    ),
    "filters.http.ext_proc.v3": (
        "ExternalProcessor ExtProcHttpService MetadataOptions HeaderForwardingRules ExtProcPerRoute ExtProcOverrides ProcessingMode"
    ),
    "filters.http.fault.v3": "FaultAbort HTTPFault",
    "filters.http.file_server.v3": "FileServerConfig",
    "filters.http.file_system_buffer.v3": "BufferBehavior StreamConfig FileSystemBufferFilterConfig",
    "filters.http.filter_chain.v3": "FilterChainConfig FilterChainConfigPerRoute FilterChain",
    "filters.http.gcp_authn.v3": "GcpAuthnFilterConfig Audience TokenCacheConfig TokenHeader",
    "filters.http.geoip.v3": "Geoip",
    "filters.http.grpc_field_extraction.v3": "GrpcFieldExtractionConfig FieldExtractions RequestFieldValueDisposition",
    "filters.http.grpc_http1_bridge.v3": "Config",
    "filters.http.grpc_http1_reverse_bridge.v3": "FilterConfig FilterConfigPerRoute",
    "filters.http.grpc_json_reverse_transcoder.v3": "GrpcJsonReverseTranscoder",
    "filters.http.grpc_json_transcoder.v3": "GrpcJsonTranscoder UnknownQueryParams",
    "filters.http.grpc_stats.v3": "FilterConfig FilterObject",
    "filters.http.grpc_web.v3": "GrpcWeb",
    "filters.http.gzip.v3": "Gzip",
    "filters.http.header_mutation.v3": "Mutations HeaderMutationPerRoute HeaderMutation",
    "filters.http.header_to_metadata.v3": "Config",
    "filters.http.health_check.v3": "HealthCheck",
    "filters.http.ip_tagging.v3": "IPTagging",
    "filters.http.json_to_metadata.v3": "JsonToMetadata",
    "filters.http.jwt_authn.v3": (
        "JwtProvider JwtCacheConfig RemoteJwks JwksAsyncFetch JwtHeader ProviderWithAudiences JwtRequirement "
        "ExtractOnlyWithoutValidation JwtRequirementOrList JwtRequirementAndList RequirementRule FilterStateRule JwtAuthentication "
        "PerRouteConfig JwtClaimToHeader"
    ),
    "filters.http.kill_request.v3": "KillRequest",
    "filters.http.local_ratelimit.v3": "LocalRateLimit",
    "filters.http.lua.v3": "Lua LuaPerRoute",
    "filters.http.mcp.v3": "Mcp ParserConfig McpOverride",
    "filters.http.mcp_json_rest_bridge.v3": (
        "McpJsonRestBridge TraceContextExtractionOptions CacheConfig ServerInfo ToolsListLocal ServerToolConfig ToolsListSpecificConfig "
        "McpServerInfo ToolConfig HttpRule McpJsonRestBridgePerRoute"
    ),
    "filters.http.mcp_router.v3": "HeaderSource DynamicMetadataSource IdentityExtractor ValidationPolicy SessionIdentity McpRouter",
    "filters.http.oauth2.v3": (
        "CookieConfig CookieConfigs OAuth2Credentials PrivateKeyJwtConfig OAuth2TokenForwarding PostLogoutRedirectUri "
        "TokenCookieChunking OAuth2Config OAuth2PerRoute OAuth2"
    ),
    "filters.http.on_demand.v3": "OnDemandCds OnDemand PerRouteConfig",
    "filters.http.original_src.v3": "OriginalSrc",
    "filters.http.proto_api_scrubber.v3": (
        "ProtoApiScrubberConfig DescriptorSet Restrictions MethodRestrictions MessageRestrictions RestrictionConfig RemoveFieldAction"
    ),
    "filters.http.proto_message_extraction.v3": "ProtoMessageExtractionConfig MethodExtraction",
    "filters.http.proto_message_logging.v3": "ProtoMessageLoggingConfig MethodLogging",
    "filters.http.rate_limit_quota.v3": "RateLimitQuotaFilterConfig RateLimitQuotaOverride RateLimitQuotaBucketSettings",
    "filters.http.ratelimit.v3": "RateLimit RateLimitPerRoute",
    "filters.http.rbac.v3": "RBAC RBACPerRoute",
    "filters.http.router.v3": "Router",
    "filters.http.set_filter_state.v3": "Config",
    "filters.http.set_metadata.v3": "Metadata Config",
    "filters.http.sse_to_metadata.v3": "SseToMetadata",
    "filters.http.stateful_session.v3": "StatefulSession StatefulSessionPerRoute",
    "filters.http.tap.v3": "Tap",
    "filters.http.thrift_to_metadata.v3": "KeyValuePair FieldSelector Rule ThriftToMetadata ThriftToMetadataPerRoute",
    "filters.http.transform.v3": "TransformConfig Transformation BodyTransformation",
    "filters.http.upstream_codec.v3": "UpstreamCodec",
    "filters.http.wasm.v3": "Wasm",
    "filters.listener.dynamic_modules.v3": "DynamicModuleListenerFilter",
    "filters.listener.http_inspector.v3": "HttpInspector",
    "filters.listener.local_ratelimit.v3": "LocalRateLimit",
    "filters.listener.original_dst.v3": "OriginalDst",
    "filters.listener.original_src.v3": "OriginalSrc",
    "filters.listener.proxy_protocol.v3": "ProxyProtocol",
    "filters.listener.set_filter_state.v3": "Config",
    "filters.listener.tls_inspector.v3": "TlsInspector",
    "filters.network.connection_limit.v3": "ConnectionLimit",
    "filters.network.direct_response.v3": "Config",
    "filters.network.dubbo_proxy.router.v3": "Router",
    "filters.network.dubbo_proxy.v3": (
        "Drds DubboProxy DubboFilter RouteConfiguration Route RouteMatch RouteAction MethodMatch MultipleRouteConfiguration"
    ),
    "filters.network.dynamic_modules.v3": "DynamicModuleNetworkFilter",
    "filters.network.echo.v3": "Echo",
    "filters.network.ext_authz.v3": "ExtAuthz",
    "filters.network.ext_proc.v3": "NetworkExternalProcessor ProcessingMode MetadataOptions",
    "filters.network.generic_proxy.action.v3": "RouteAction",
    "filters.network.generic_proxy.codecs.dubbo.v3": "DubboCodecConfig",
    "filters.network.generic_proxy.codecs.http1.v3": "Http1CodecConfig",
    "filters.network.generic_proxy.matcher.v3": (
        "ServiceMatchInput HostMatchInput PathMatchInput MethodMatchInput PropertyMatchInput RequestMatchInput KeyValueMatchEntry "
        "RequestMatcher"
    ),
    "filters.network.generic_proxy.router.v3": "Router",
    "filters.network.generic_proxy.v3": "GenericProxy GenericRds VirtualHost RouteConfiguration",
    "filters.network.geoip.v3": "Geoip",
    "filters.network.http_connection_manager.v3": (
        "HttpConnectionManager ForwardProtoConfig LocalReplyConfig ResponseMapper Rds ScopedRouteConfigurationsList ScopedRoutes "
        "ScopedRds HttpFilter RequestIDExtension EnvoyMobileHttpConnectionManager"
    ),
    "filters.network.local_ratelimit.v3": "LocalRateLimit",
    "filters.network.mongo_proxy.v3": "MongoProxy",
    "filters.network.ratelimit.v3": "RateLimit",
    "filters.network.rbac.v3": "RBAC",
    "filters.network.redis_proxy.v3": "RedisProxy RedisProtocolOptions AwsIam RedisExternalAuthProvider",
    "filters.network.reverse_tunnel.v3": "DrainAwareHttpConnectionManager Validation ReverseTunnel",
    "filters.network.set_filter_state.v3": "Config",
    "filters.network.sni_cluster.v3": "SniCluster",
    "filters.network.sni_dynamic_forward_proxy.v3": "FilterConfig",
    "filters.network.tcp_bandwidth_limit.v3": "TcpBandwidthLimit",
    "filters.network.tcp_proxy.v3": "TcpProxy",
    "filters.network.thrift_proxy.filters.header_to_metadata.v3": "HeaderToMetadata",
    "filters.network.thrift_proxy.filters.payload_to_metadata.v3": "PayloadToMetadata",
    "filters.network.thrift_proxy.filters.ratelimit.v3": "RateLimit",
    "filters.network.thrift_proxy.router.v3": "Router",
    "filters.network.thrift_proxy.v3": (
        "RouteConfiguration Route RouteMatch RouteAction WeightedCluster Trds ThriftProxy ThriftFilter ThriftProtocolOptions"
    ),
    "filters.network.wasm.v3": "Wasm",
    "filters.network.zookeeper_proxy.v3": "ZooKeeperProxy LatencyThresholdOverride",
    "filters.udp.dns_filter.v3": "DnsFilterConfig",
    "filters.udp.dynamic_modules.v3": "DynamicModuleUdpListenerFilter",
    "filters.udp.udp_proxy.session.dynamic_forward_proxy.v3": "FilterConfig",
    "filters.udp.udp_proxy.session.ext_authz.v3": "FilterConfig",
    "filters.udp.udp_proxy.session.http_capsule.v3": "FilterConfig",
    "filters.udp.udp_proxy.v3": "Route UdpProxyConfig",
    "health_check.event_sinks.file.v3": "HealthCheckEventFileSink",
    "health_checkers.dynamic_modules.v3": "DynamicModuleHealthCheck",
    "health_checkers.redis.v3": "Redis",
    "health_checkers.thrift.v3": "Thrift",
    "health_checkers.udp.v3": "UdpHealthCheck",
    "internal_redirect.allow_listed_routes.v3": "AllowListedRoutesConfig",
    "internal_redirect.filter_state.v3": "FilterStateConfig",
    "internal_redirect.previous_routes.v3": "PreviousRoutesConfig",
    "internal_redirect.safe_cross_scheme.v3": "SafeCrossSchemeConfig",
    "load_balancing_policies.client_side_weighted_round_robin.v3": "ClientSideWeightedRoundRobin",
    "load_balancing_policies.cluster_provided.v3": "ClusterProvided",
    "load_balancing_policies.common.v3": "LocalityLbConfig SlowStartConfig ConsistentHashingLbConfig OrcaOobReportingConfig",
    "load_balancing_policies.dynamic_modules.v3": "DynamicModulesLoadBalancerConfig",
    "load_balancing_policies.least_request.v3": "LeastRequest",
    "load_balancing_policies.load_aware_locality.v3": "LoadAwareLocality",
    "load_balancing_policies.maglev.v3": "Maglev",
    "load_balancing_policies.override_host.v3": "OverrideHost",
    "load_balancing_policies.random.v3": "Random",
    "load_balancing_policies.ring_hash.v3": "RingHash",
    "load_balancing_policies.round_robin.v3": "RoundRobin",
    "load_balancing_policies.subset.v3": "Subset",
    "load_balancing_policies.wrr_locality.v3": "WrrLocality",
    "local_address_selectors.filter_state_override.v3": "Config",
    "network.dns_resolver.apple.v3": "AppleDnsResolverConfig",
    "network.dns_resolver.cares.v3": "CaresDnsResolverConfig",
    "network.dns_resolver.getaddrinfo.v3": "GetAddrInfoDnsResolverConfig",
    "network.dns_resolver.hickory.v3": "DnsOverTlsConfig DnsOverHttpsConfig HickoryDnsResolverConfig",
    "path.match.uri_template.v3": "UriTemplateMatchConfig",
    "path.rewrite.uri_template.v3": "UriTemplateRewriteConfig",
    "rbac.matchers.upstream_ip_port.v3": "UpstreamIpPortMatcher",
    "rbac.principals.mtls_authenticated.v3": "Config",
    "retry.host.omit_canary_hosts.v3": "OmitCanaryHostsPredicate",
    "retry.host.omit_host_metadata.v3": "OmitHostMetadataConfig",
    "retry.host.previous_hosts.v3": "PreviousHostsPredicate",
    "retry.priority.previous_priorities.v3": "PreviousPrioritiesConfig",
    "transport_sockets.alts.v3": "Alts",
    "transport_sockets.dynamic_modules.v3": "DynamicModuleTransportSocket",
    "transport_sockets.http_11_proxy.v3": "Http11ProxyUpstreamTransport",
    "transport_sockets.internal_upstream.v3": "InternalUpstreamTransport",
    "transport_sockets.proxy_protocol.v3": "ProxyProtocolUpstreamTransport",
    "transport_sockets.quic.v3": "QuicDownstreamTransport QuicUpstreamTransport",
    "transport_sockets.raw_buffer.v3": "RawBuffer",
    "transport_sockets.s2a.v3": "S2AConfiguration",
    "transport_sockets.starttls.v3": "StartTlsConfig UpstreamStartTlsConfig",
    "transport_sockets.tap.v3": "Tap SocketTapConfig",
    "transport_sockets.tcp_stats.v3": "Config",
    "transport_sockets.tls.cert_mappers.filter_state_override.v3": "Config",
    "transport_sockets.tls.cert_mappers.sni.v3": "SNI",
    "transport_sockets.tls.cert_mappers.static_name.v3": "StaticName",
    "transport_sockets.tls.cert_selectors.on_demand_secret.v3": "Config",
    "transport_sockets.tls.cert_validator.dynamic_modules.v3": "DynamicModuleCertValidatorConfig",
    "transport_sockets.tls.handshakers.dynamic_modules.v3": "DynamicModuleTlsHandshaker",
    "transport_sockets.tls.v3": (
        "UpstreamTlsContext DownstreamTlsContext TlsKeyLog CommonTlsContext TlsParameters PrivateKeyProvider TlsCertificate "
        "TlsSessionTicketKeys CertificateProviderPluginInstance SubjectAltNameMatcher CertificateValidationContext GenericSecret "
        "SdsSecretConfig Secret SPIFFECertValidatorConfig"
    ),
    "upstreams.http.dynamic_modules.v3": "Config",
    "upstreams.http.generic.v3": "GenericConnectionPoolProto",
    "upstreams.http.http.v3": "HttpConnectionPoolProto",
    "upstreams.http.reverse_tunnel.v3": "ReverseTunnelUpstreamCodecOptions",
    "upstreams.http.tcp.v3": "TcpConnectionPoolProto",
    "upstreams.http.udp.v3": "UdpConnectionPoolProto",
    "upstreams.http.v3": "HttpProtocolOptions",
    "upstreams.tcp.generic.v3": "GenericConnectionPoolProto",
    "upstreams.tcp.v3": "TcpProtocolOptions",
}
"""Message types of extensions, by package: what may stand in an ``@type``."""
