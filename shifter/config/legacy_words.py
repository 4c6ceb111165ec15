"""How Envoy's extensions were called before its v3 API: names of filters and types of their configuration.

Written from Envoy's list of deprecated names (1.14) and from the option ``previous_message_type`` in the v3 protos (Python
distribution ``xds-protos`` 1.85.0). Extensions that are gone since are here too, so that a message can say what they were.
"""

_HTTP = "envoy.filters.http."
_NETWORK = "envoy.filters.network."

# Former names (v2 and v1) of each extension: of HTTP filters, network filters, listener filters, access logs.
_NAMES = {
    f"{_HTTP}buffer": "envoy.buffer buffer",
    f"{_HTTP}cors": "envoy.cors cors",
    f"{_HTTP}csrf": "envoy.csrf",
    f"{_HTTP}dynamo": "envoy.http_dynamo_filter http_dynamo_filter",
    f"{_HTTP}ext_authz": "envoy.ext_authz",
    f"{_HTTP}fault": "envoy.fault envoy.http_fault fault",
    f"{_HTTP}grpc_http1_bridge": "envoy.grpc_http1_bridge grpc_http1_bridge",
    f"{_HTTP}grpc_json_transcoder": "envoy.grpc_json_transcoder grpc_json_transcoder",
    f"{_HTTP}grpc_web": "envoy.grpc_web grpc_web",
    f"{_HTTP}gzip": "envoy.gzip gzip",
    f"{_HTTP}health_check": "envoy.health_check health_check",
    f"{_HTTP}ip_tagging": "envoy.ip_tagging ip_tagging",
    f"{_HTTP}lua": "envoy.lua lua",
    f"{_HTTP}ratelimit": "envoy.rate_limit rate_limit",
    f"{_HTTP}router": "envoy.router router",
    f"{_HTTP}squash": "envoy.squash squash",
    f"{_NETWORK}client_ssl_auth": "envoy.client_ssl_auth client_ssl_auth",
    f"{_NETWORK}echo": "envoy.echo echo",
    f"{_NETWORK}ext_authz": "envoy.ext_authz",
    f"{_NETWORK}http_connection_manager": "envoy.http_connection_manager http_connection_manager",
    f"{_NETWORK}mongo_proxy": "envoy.mongo_proxy mongo_proxy",
    f"{_NETWORK}ratelimit": "envoy.ratelimit ratelimit",
    f"{_NETWORK}redis_proxy": "envoy.redis_proxy redis_proxy",
    f"{_NETWORK}tcp_proxy": "envoy.tcp_proxy tcp_proxy",
    "envoy.filters.listener.http_inspector": "envoy.listener.http_inspector",
    "envoy.filters.listener.original_dst": "envoy.listener.original_dst original_dst",
    "envoy.filters.listener.original_src": "envoy.listener.original_src",
    "envoy.filters.listener.proxy_protocol": "envoy.listener.proxy_protocol",
    "envoy.filters.listener.tls_inspector": "envoy.listener.tls_inspector",
    "envoy.access_loggers.file": "envoy.file_access_log file_access_log",
    "envoy.access_loggers.http_grpc": "envoy.http_grpc_access_log",
    "envoy.access_loggers.tcp_grpc": "envoy.tcp_grpc_access_log",
    "envoy.transport_sockets.raw_buffer": "raw_buffer",
    "envoy.transport_sockets.tls": "tls",
}

_V3 = "envoy.extensions."
_V2 = "envoy.config."

# Each v2 type and what it is called in v3, by package.
_TYPES = {
    "accesslog.v2": ("access_loggers.file.v3", "FileAccessLog"),
    "accesslog.v2.": ("access_loggers.grpc.v3", "HttpGrpcAccessLogConfig TcpGrpcAccessLogConfig"),
    "filter.http.adaptive_concurrency.v2alpha": ("filters.http.adaptive_concurrency.v3", "AdaptiveConcurrency"),
    "filter.http.aws_lambda.v2alpha": ("filters.http.aws_lambda.v3", "Config PerRouteConfig"),
    "filter.http.aws_request_signing.v2alpha": ("filters.http.aws_request_signing.v3", "AwsRequestSigning"),
    "filter.http.buffer.v2": ("filters.http.buffer.v3", "Buffer BufferPerRoute"),
    "filter.http.cache.v2alpha": ("filters.http.cache.v3", "CacheConfig"),
    "filter.http.compressor.v2": ("filters.http.compressor.v3", "Compressor"),
    "filter.http.cors.v2": ("filters.http.cors.v3", "Cors"),
    "filter.http.csrf.v2": ("filters.http.csrf.v3", "CsrfPolicy"),
    "filter.http.dynamic_forward_proxy.v2alpha": ("filters.http.dynamic_forward_proxy.v3", "FilterConfig PerRouteConfig"),
    "filter.http.ext_authz.v2": ("filters.http.ext_authz.v3", "ExtAuthz ExtAuthzPerRoute"),
    "filter.http.fault.v2": ("filters.http.fault.v3", "HTTPFault"),
    "filter.http.grpc_http1_bridge.v2": ("filters.http.grpc_http1_bridge.v3", "Config"),
    "filter.http.grpc_http1_reverse_bridge.v2alpha1": ("filters.http.grpc_http1_reverse_bridge.v3", "FilterConfig FilterConfigPerRoute"),
    "filter.http.grpc_stats.v2alpha": ("filters.http.grpc_stats.v3", "FilterConfig"),
    "filter.http.grpc_web.v2": ("filters.http.grpc_web.v3", "GrpcWeb"),
    "filter.http.gzip.v2": ("filters.http.gzip.v3", "Gzip"),
    "filter.http.header_to_metadata.v2": ("filters.http.header_to_metadata.v3", "Config"),
    "filter.http.health_check.v2": ("filters.http.health_check.v3", "HealthCheck"),
    "filter.http.ip_tagging.v2": ("filters.http.ip_tagging.v3", "IPTagging"),
    "filter.http.jwt_authn.v2alpha": ("filters.http.jwt_authn.v3", "JwtAuthentication"),
    "filter.http.lua.v2": ("filters.http.lua.v3", "Lua"),
    "filter.http.on_demand.v2": ("filters.http.on_demand.v3", "OnDemand"),
    "filter.http.original_src.v2alpha1": ("filters.http.original_src.v3", "OriginalSrc"),
    "filter.http.rate_limit.v2": ("filters.http.ratelimit.v3", "RateLimit"),
    "filter.http.rbac.v2": ("filters.http.rbac.v3", "RBAC RBACPerRoute"),
    "filter.http.router.v2": ("filters.http.router.v3", "Router"),
    "filter.http.tap.v2alpha": ("filters.http.tap.v3", "Tap"),
    "filter.http.transcoder.v2": ("filters.http.grpc_json_transcoder.v3", "GrpcJsonTranscoder"),
    "filter.listener.http_inspector.v2": ("filters.listener.http_inspector.v3", "HttpInspector"),
    "filter.listener.original_dst.v2": ("filters.listener.original_dst.v3", "OriginalDst"),
    "filter.listener.original_src.v2alpha1": ("filters.listener.original_src.v3", "OriginalSrc"),
    "filter.listener.proxy_protocol.v2": ("filters.listener.proxy_protocol.v3", "ProxyProtocol"),
    "filter.listener.tls_inspector.v2": ("filters.listener.tls_inspector.v3", "TlsInspector"),
    "filter.network.direct_response.v2": ("filters.network.direct_response.v3", "Config"),
    "filter.network.echo.v2": ("filters.network.echo.v3", "Echo"),
    "filter.network.ext_authz.v2": ("filters.network.ext_authz.v3", "ExtAuthz"),
    "filter.network.http_connection_manager.v2": ("filters.network.http_connection_manager.v3", "HttpConnectionManager"),
    "filter.network.local_rate_limit.v2alpha": ("filters.network.local_ratelimit.v3", "LocalRateLimit"),
    "filter.network.mongo_proxy.v2": ("filters.network.mongo_proxy.v3", "MongoProxy"),
    "filter.network.rate_limit.v2": ("filters.network.ratelimit.v3", "RateLimit"),
    "filter.network.rbac.v2": ("filters.network.rbac.v3", "RBAC"),
    "filter.network.redis_proxy.v2": ("filters.network.redis_proxy.v3", "RedisProxy"),
    "filter.network.sni_cluster.v2": ("filters.network.sni_cluster.v3", "SniCluster"),
    "filter.network.tcp_proxy.v2": ("filters.network.tcp_proxy.v3", "TcpProxy"),
    "filter.network.thrift_proxy.v2alpha1": ("filters.network.thrift_proxy.v3", "ThriftProxy"),
    "transport_socket.alts.v2alpha": ("transport_sockets.alts.v3", "Alts"),
    "transport_socket.raw_buffer.v2": ("transport_sockets.raw_buffer.v3", "RawBuffer"),
    "transport_socket.tap.v2alpha": ("transport_sockets.tap.v3", "Tap"),
}

V2_TYPES: dict[str, str] = {
    f"{_V2}{old.rstrip('.')}.{name}": f"{_V3}{new}.{name}" for old, (new, names) in _TYPES.items() for name in names.split()
} | {
    f"envoy.api.v2.auth.{name}": f"{_V3}transport_sockets.tls.v3.{name}"
    for name in ("UpstreamTlsContext", "DownstreamTlsContext", "Secret")
}
"""Full name of a v2 message -> of the v3 message that it became."""


def renamed(prefix: str) -> dict[str, str]:
    """Return the former names of the extensions whose names begin with *prefix*, each with today's."""
    return {old: new for new, names in _NAMES.items() if new.startswith(prefix) for old in names.split()}


TYPE_OF: dict[str, str] = {
    f"envoy.{new.rpartition('.v3')[0]}": f"{_V3}{new}.{names.split()[0]}"
    for new, names in _TYPES.values()
    if new.startswith("filters.") and not names.startswith("FilterConfig")
} | {
    "envoy.access_loggers.file": f"{_V3}access_loggers.file.v3.FileAccessLog",
    "envoy.access_loggers.http_grpc": f"{_V3}access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
    "envoy.access_loggers.tcp_grpc": f"{_V3}access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
}
"""Name of an extension -> type of its configuration."""

ROUTE_TYPE_OF: dict[str, str] = {
    f"{_HTTP}{filter}": f"{_V3}filters.http.{filter}.v3.{name}"
    for filter, name in (
        ("buffer", "BufferPerRoute"),
        ("compressor", "CompressorPerRoute"),
        ("cors", "CorsPolicy"),
        ("csrf", "CsrfPolicy"),
        ("ext_authz", "ExtAuthzPerRoute"),
        ("fault", "HTTPFault"),
        ("rbac", "RBACPerRoute"),
    )
}
"""Name of an HTTP filter -> type of what a route says to it."""

LOG_WORDS = {
    "CLIENT_IP": "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_ADDRESS": "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
}
"""Operators of formats that Envoy 1.6 renamed."""
