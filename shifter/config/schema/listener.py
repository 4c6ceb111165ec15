"""Listeners, and the HTTP connection manager with its filters."""

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, Field, SerializeAsAny

from shifter.config.schema.access_log import AccessLog
from shifter.config.schema.anymessage import AnyMessage
from shifter.config.schema.base import (
    Bool,
    HeaderText,
    Ignored,
    Message,
    Name,
    OneOf,
    Seconds,
    Text,
    Typed,
    UInt32,
    Variants,
    kind,
    only,
    whole,
    word,
    wrong,
)
from shifter.config.schema.config_source import ResourceConfigSource
from shifter.config.schema.core import (
    Address,
    CidrRange,
)
from shifter.config.schema.filter_chain import FilterChainMatch, ListenerFilter
from shifter.config.schema.local_reply import LocalReplyConfig
from shifter.config.schema.protocol import DownstreamHttp1Options, DownstreamHttpOptions, Http2ProtocolOptions
from shifter.config.schema.route import RouteConfiguration, UpgradeType
from shifter.config.schema.tcp_proxy import TcpProxy
from shifter.config.schema.tracing import Tracing
from shifter.config.schema.transport_socket import DownstreamTransportSocket
from shifter.model.http_connection_manager import CodecType, ForwardClientCert, ServerHeader

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"


class EscapedSlashesAction(Enum):
    """``PathWithEscapedSlashesAction``."""

    IMPLEMENTATION_SPECIFIC_DEFAULT = "IMPLEMENTATION_SPECIFIC_DEFAULT"
    KEEP_UNCHANGED = "KEEP_UNCHANGED"
    REJECT_REQUEST = "REJECT_REQUEST"
    UNESCAPE_AND_REDIRECT = "UNESCAPE_AND_REDIRECT"
    UNESCAPE_AND_FORWARD = "UNESCAPE_AND_FORWARD"


class DrainType(Enum):
    """``Listener.DrainType``."""

    DEFAULT = "DEFAULT"


class TrafficDirection(Enum):
    """``core.v3.TrafficDirection``."""

    UNSPECIFIED = "UNSPECIFIED"
    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Router(Typed):
    """``filters.http.router.v3.Router``."""

    envoy = ROUTER

    dynamic_stats: Ignored = None
    suppress_envoy_headers: Bool = False
    suppress_grpc_request_failure_code_stats: Ignored = None


class HttpFilter(Message):
    """``HttpFilter``. What ``typed_config`` may hold is in ``config.filters``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"

    name: Name
    typed_config: AnyMessage | None = None
    disabled: Bool = False
    is_optional: Bool = False


class InternalAddressConfig(Message):
    """``HttpConnectionManager.InternalAddressConfig``. Nobody can come through a Unix socket."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.InternalAddressConfig"

    unix_sockets: Ignored = None
    cidr_ranges: list[CidrRange] = Field(default_factory=list)


class UpgradeConfig(Message):
    """``HttpConnectionManager.UpgradeConfig``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig"

    upgrade_type: UpgradeType
    enabled: Bool = True


class SetCurrentClientCertDetails(Message):
    """``HttpConnectionManager.SetCurrentClientCertDetails``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.SetCurrentClientCertDetails"

    subject: Bool = False
    cert: Bool = False
    chain: Bool = False
    dns: Bool = False
    uri: Bool = False


def _scheme(value: str) -> str:
    if value not in ("http", "https"):
        raise wrong(f"{kind(value)} is no scheme that a request can have", "write http, or https")
    return value


class SchemeHeaderTransformation(Message):
    """``core.v3.SchemeHeaderTransformation``."""

    envoy = "envoy.config.core.v3.SchemeHeaderTransformation"

    scheme_to_overwrite: Annotated[str, AfterValidator(_scheme)] | None = None
    match_upstream: Annotated[Bool, only(False)] = False


class Rds(Message):
    """``Rds``: the routes stand in a file of their own, which is read again when it changes."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.Rds"

    config_source: ResourceConfigSource
    route_config_name: Text = ""


class AccessLogOptions(Message):
    """``HttpConnectionManager.HcmAccessLogOptions``."""

    envoy = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.HcmAccessLogOptions"

    flush_access_log_on_new_request: Bool = False
    access_log_flush_interval: Ignored = None
    flush_log_on_tunnel_successfully_established: Ignored = None


class HttpConnectionManager(Typed):
    """``HttpConnectionManager``. What is not given has the default of ``shifter.model.http_connection_manager``."""

    envoy = HCM
    one_of = (OneOf(("route_config", "rds"), ("scoped_routes",), "there are no routes"),)

    codec_type: Annotated[CodecType, word(CodecType, "HTTP3")] = CodecType.AUTO
    stat_prefix: Name
    route_config: RouteConfiguration | None = None
    rds: Rds | None = None
    http_filters: list[HttpFilter] = Field(default_factory=list)
    common_http_protocol_options: DownstreamHttpOptions | None = None
    http_protocol_options: DownstreamHttp1Options | None = None
    http2_protocol_options: Http2ProtocolOptions | None = None
    upgrade_configs: list[UpgradeConfig] = Field(default_factory=list)
    server_name: HeaderText | None = None
    server_header_transformation: Annotated[ServerHeader, word(ServerHeader)] | None = None
    via: HeaderText = ""
    local_reply_config: LocalReplyConfig | None = None
    max_request_headers_kb: Annotated[int, Field(ge=1, le=8192), whole] | None = None
    stream_error_on_invalid_http_message: Bool = False
    scheme_header_transformation: SchemeHeaderTransformation | None = None
    proxy_100_continue: Bool = False
    forward_client_cert_details: Annotated[ForwardClientCert, word(ForwardClientCert)] = ForwardClientCert.SANITIZE
    set_current_client_cert_details: SetCurrentClientCertDetails | None = None
    stream_idle_timeout: Seconds | None = None
    stream_flush_timeout: Seconds | None = None
    request_timeout: Seconds | None = None
    request_headers_timeout: Seconds | None = None
    drain_timeout: Seconds | None = None
    delayed_close_timeout: Seconds | None = None
    access_log: list[AccessLog] = Field(default_factory=list)
    tracing: Tracing | None = None
    access_log_options: AccessLogOptions | None = None
    flush_access_log_on_new_request: Bool = False
    use_remote_address: Bool | None = None
    xff_num_trusted_hops: UInt32 | None = None
    skip_xff_append: Bool | None = None
    generate_request_id: Bool | None = None
    preserve_external_request_id: Bool | None = None
    always_set_request_id_in_response: Bool | None = None
    append_x_forwarded_port: Bool | None = None
    internal_address_config: InternalAddressConfig | None = None
    strip_matching_host_port: Bool = False
    strip_any_host_port: Bool = False
    strip_trailing_host_dot: Bool | None = None
    normalize_path: Bool | None = None
    merge_slashes: Bool | None = None
    path_with_escaped_slashes_action: Annotated[EscapedSlashesAction, word(EscapedSlashesAction)] = (
        EscapedSlashesAction.IMPLEMENTATION_SPECIFIC_DEFAULT
    )


class NetworkFilterConfig(Variants):
    """A network filter, of those that answer a connection."""

    envoy = HCM
    variants = (HttpConnectionManager, TcpProxy)


class Filter(Message):
    """``listener.v3.Filter``: the connection manager, or the TCP proxy."""

    envoy = "envoy.config.listener.v3.Filter"

    name: Name
    typed_config: SerializeAsAny[NetworkFilterConfig]


class FilterChain(Message):
    """``listener.v3.FilterChain``."""

    envoy = "envoy.config.listener.v3.FilterChain"

    filter_chain_match: FilterChainMatch | None = None
    filters: list[Filter] = Field(min_length=1)
    transport_socket: DownstreamTransportSocket | None = None
    transport_socket_connect_timeout: Seconds | None = None
    name: Text = ""
    metadata: Ignored = None


class Listener(Message):
    """``listener.v3.Listener``."""

    envoy = "envoy.config.listener.v3.Listener"

    name: Text = ""
    address: Address
    filter_chains: list[FilterChain] = Field(default_factory=list)
    default_filter_chain: FilterChain | None = None
    listener_filters: list[ListenerFilter] = Field(default_factory=list)
    listener_filters_timeout: Seconds | None = None
    continue_on_listener_filters_timeout: Bool = False
    access_log: list[AccessLog] = Field(default_factory=list)
    per_connection_buffer_limit_bytes: UInt32 | None = None
    tcp_backlog_size: Annotated[int, Field(ge=1, le=65535), whole] | None = None
    drain_type: Annotated[DrainType, word(DrainType, "MODIFY_ONLY")] = DrainType.DEFAULT
    stat_prefix: Ignored = None
    metadata: Ignored = None
    traffic_direction: Annotated[TrafficDirection, word(TrafficDirection)] = TrafficDirection.UNSPECIFIED
    reuse_port: Ignored = None
    enable_reuse_port: Ignored = None
    ignore_global_conn_limit: Ignored = None
    bypass_overload_manager: Ignored = None
    max_connections_to_accept_per_socket_event: Ignored = None
