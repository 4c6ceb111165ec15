"""Words of Envoy's messages about connections: filter chains, TLS, the TCP proxy, written as in ``words``."""

CONNECTION_FIELDS = {
    "envoy.config.cluster.v3.Cluster.TransportSocketMatch": "name= match transport_socket",
    "envoy.config.core.v3.HealthCheck.TlsOptions": "alpn_protocols*",
    "envoy.config.core.v3.ProxyProtocolConfig": "version=V1 pass_through_tlvs added_tlvs*",
    "envoy.config.core.v3.SchemeHeaderTransformation": "scheme_to_overwrite match_upstream=",
    "envoy.config.core.v3.TransportSocket": "name= typed_config",
    "envoy.config.listener.v3.FilterChainMatch": (
        "destination_port prefix_ranges* address_suffix= suffix_len direct_source_prefix_ranges* source_type=ANY source_prefix_ranges* "
        "source_ports* server_names* transport_protocol= application_protocols*"
    ),
    "envoy.config.listener.v3.ListenerFilter": "name= typed_config config_discovery filter_disabled",
    "envoy.config.route.v3.RouteAction.UpgradeConfig.ConnectConfig": "proxy_protocol_config allow_post=",
    "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector": "",
    "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol": (
        "rules* allow_requests_without_proxy_protocol= pass_through_tlvs disallowed_versions* stat_prefix= tlv_location=DYNAMIC_METADATA"
    ),
    "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector": (
        "enable_ja3_fingerprinting enable_ja4_fingerprinting initial_read_buffer_size close_connection_on_client_hello_parsing_errors= "
        "max_client_hello_size"
    ),
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails": (
        "subject cert= chain= dns= uri= issuer= format=TEXT"
    ),
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy": (
        "stat_prefix= cluster weighted_clusters on_demand metadata_match idle_timeout downstream_idle_timeout upstream_idle_timeout "
        "access_log* max_connect_attempts backoff_options hash_policy* tunneling_config max_downstream_connection_duration "
        "max_downstream_connection_duration_jitter_percentage access_log_flush_interval flush_access_log_on_connected= access_log_options "
        "proxy_protocol_tlvs* proxy_protocol_tlv_merge_policy=ADD_IF_ABSENT upstream_connect_mode=IMMEDIATE max_early_data_bytes "
        "check_drain_close"
    ),
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster": "clusters*",
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": "name= weight= metadata_match",
    "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport": (
        "config transport_socket allow_unspecified_address= tlv_as_pool_key="
    ),
    "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer": "",
    "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext": (
        "trusted_ca ca_certificate_provider_instance system_root_certs watched_directory verify_certificate_spki* "
        "verify_certificate_hash* match_typed_subject_alt_names* match_subject_alt_names* require_signed_certificate_timestamp crl "
        "allow_expired_certificate= trust_chain_verification=VERIFY_TRUST_CHAIN custom_validator_config only_verify_leaf_cert_crl= "
        "max_verify_depth suppress_client_ca_list="
    ),
    "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts": "",
    "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext": (
        "tls_params tls_certificates* tls_certificate_sds_secret_configs* tls_certificate_provider_instance "
        "custom_tls_certificate_selector tls_certificate_certificate_provider tls_certificate_certificate_provider_instance "
        "validation_context validation_context_sds_secret_config combined_validation_context validation_context_certificate_provider "
        "validation_context_certificate_provider_instance alpn_protocols* custom_handshaker key_log"
    ),
    "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext": (
        "default_validation_context validation_context_sds_secret_config validation_context_certificate_provider "
        "validation_context_certificate_provider_instance"
    ),
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext": (
        "common_tls_context require_client_certificate require_sni session_ticket_keys session_ticket_keys_sds_secret_config "
        "disable_stateless_session_resumption disable_stateful_session_resumption= session_timeout ocsp_staple_policy=LENIENT_STAPLING "
        "full_scan_certs_on_sni_mismatch prefer_client_ciphers="
    ),
    "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": "name= sds_config",
    "envoy.extensions.transport_sockets.tls.v3.Secret": "name= tls_certificate session_ticket_keys validation_context generic_secret",
    "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher": "san_type=SAN_TYPE_UNSPECIFIED matcher oid=",
    "envoy.extensions.transport_sockets.tls.v3.TlsCertificate": (
        "certificate_chain private_key pkcs12 watched_directory private_key_provider password ocsp_staple signed_certificate_timestamp* "
        "tls_params"
    ),
    "envoy.extensions.transport_sockets.tls.v3.TlsParameters": (
        "tls_minimum_protocol_version=TLS_AUTO tls_maximum_protocol_version=TLS_AUTO cipher_suites* ecdh_curves* signature_algorithms* "
        "compliance_policies*"
    ),
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": (
        "common_tls_context sni= auto_host_sni= auto_sni_san_validation= allow_renegotiation= max_session_keys enforce_rsa_key_usage"
    ),
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.AutoHttpConfig": (
        "http_protocol_options http2_protocol_options http3_protocol_options alternate_protocols_cache_options"
    ),
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig": (
        "http_protocol_options http2_protocol_options http3_protocol_options"
    ),
    "envoy.type.v3.HashPolicy": "source_ip filter_state",
    "envoy.type.v3.HashPolicy.SourceIp": "",
}
"""Message -> its fields."""
