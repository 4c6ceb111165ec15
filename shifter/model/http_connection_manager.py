"""The connection manager: how HTTP is spoken to clients (Envoy ``http_connection_manager.v3``). Durations are seconds."""

from dataclasses import dataclass, field
from enum import Enum

from shifter.model.filters import HttpFilter
from shifter.model.format import Json, SubstitutionFormat
from shifter.model.http2 import DOWNSTREAM_HTTP2, Http2ProtocolOptions
from shifter.model.logfilter import LogFilter
from shifter.model.route import HeaderValueOption, RouteConfiguration, UpgradeConfig
from shifter.model.tracing import Tracing


class CodecType(Enum):
    """``HttpConnectionManager.CodecType``. ``AUTO`` takes HTTP/1.1, or HTTP/2 by its connection preface."""

    AUTO = "AUTO"
    HTTP1 = "HTTP1"
    HTTP2 = "HTTP2"


class EscapedSlashes(Enum):
    """``HttpConnectionManager.PathWithEscapedSlashesAction``: what to do about ``%2F`` and ``%5C`` in a path."""

    KEEP_UNCHANGED = "KEEP_UNCHANGED"
    REJECT_REQUEST = "REJECT_REQUEST"
    UNESCAPE_AND_REDIRECT = "UNESCAPE_AND_REDIRECT"
    UNESCAPE_AND_FORWARD = "UNESCAPE_AND_FORWARD"


class Underscores(Enum):
    """``HttpProtocolOptions.HeadersWithUnderscoresAction``."""

    ALLOW = "ALLOW"
    REJECT_REQUEST = "REJECT_REQUEST"
    DROP_HEADER = "DROP_HEADER"


class ServerHeader(Enum):
    """``HttpConnectionManager.ServerHeaderTransformation``: what becomes of the ``server`` field of answers."""

    OVERWRITE = "OVERWRITE"
    APPEND_IF_ABSENT = "APPEND_IF_ABSENT"
    PASS_THROUGH = "PASS_THROUGH"


class StripPort(Enum):
    """``strip_matching_host_port`` and ``strip_any_host_port``: which port is taken off the request's authority."""

    NONE = "NONE"
    MATCHING = "MATCHING"
    ANY = "ANY"


class ForwardClientCert(Enum):
    """``HttpConnectionManager.ForwardClientCertDetails``: what becomes of ``x-forwarded-client-cert`` on the way upstream."""

    SANITIZE = "SANITIZE"
    FORWARD_ONLY = "FORWARD_ONLY"
    APPEND_FORWARD = "APPEND_FORWARD"
    SANITIZE_SET = "SANITIZE_SET"
    ALWAYS_FORWARD_ONLY = "ALWAYS_FORWARD_ONLY"


@dataclass(frozen=True, slots=True)
class ClientCertDetails:
    """``SetCurrentClientCertDetails``: what is told of a client's certificate beside its hash."""

    subject: bool = False
    cert: bool = False
    chain: bool = False
    dns: bool = False
    uri: bool = False


@dataclass(frozen=True, slots=True)
class ResponseMapper:
    """``ResponseMapper``: what becomes of local replies that ``filter`` fits. ``None`` leaves as it is."""

    filter: LogFilter
    status_code: int | None = None
    body: bytes | None = None
    body_format: SubstitutionFormat | None = None
    headers: tuple[HeaderValueOption, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalReplyConfig:
    """``LocalReplyConfig``: the first mapper that fits changes a local reply; ``body_format`` words those without one."""

    mappers: tuple[ResponseMapper, ...] = ()
    body_format: SubstitutionFormat | None = None


DEFAULT_ACCESS_LOG_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)


@dataclass(frozen=True, slots=True)
class FileAccessLog:
    """``access_loggers.file.v3.FileAccessLog`` (``/dev/stdout`` and ``/dev/stderr`` included), with the filter that stands beside it.

    ``json``, where it is given, stands for ``format``. With ``omit_empty_values`` a value that is not known is an empty text instead
    of ``-``, and leaves its key out of ``json``. ``filter`` says of what there are lines; ``None``: of everything.
    """

    path: str
    format: str = DEFAULT_ACCESS_LOG_FORMAT
    json: dict[str, Json] | None = field(default=None, hash=False)
    omit_empty_values: bool = False
    filter: LogFilter | None = None


@dataclass(frozen=True, slots=True)
class PathNormalization:
    """How a request's path is made canonical before it is matched *and* forwarded.

    All on by default, unlike Envoy (``docs/differences.md``): a route that denies ``/admin`` must also hold for
    ``/x/../admin`` and ``/%61dmin``.
    """

    normalize_path: bool = True
    merge_slashes: bool = True
    escaped_slashes: EscapedSlashes = EscapedSlashes.UNESCAPE_AND_REDIRECT


@dataclass(frozen=True, slots=True)
class HttpConnectionManager:
    """``http_connection_manager.v3.HttpConnectionManager``. 0 switches a timeout off, as in Envoy.

    ``idle_timeout``: a connection without a request. ``stream_idle_timeout``: a request on which nothing moves.
    ``request_timeout``: from the first byte of a request to its last. ``request_headers_timeout``: to its last header.
    ``delayed_close_timeout``: how long the client may take to read an answer after which the connection closes.
    ``drain_timeout``: how long a connection that is to end may wait for a request more. ``max_connection_duration``: it is to end then.
    ``max_stream_duration``: a whole exchange. ``http_filters`` are those before the router. ``internal_addresses`` are the CIDR
    ranges of ``internal_address_config``: who comes from there may use ``x-envoy-*`` control fields.
    ``stream_flush_timeout``: how long an HTTP/2 answer may wait for the client to take its end; ``None``: as ``stream_idle_timeout``.
    ``scheme_to_overwrite`` is ``scheme_header_transformation``. ``flush_access_log_on_new_request``: access logs have a line when a request
    begins, too.
    """

    stat_prefix: str
    route_config: RouteConfiguration
    codec_type: CodecType = CodecType.AUTO
    access_log: tuple[FileAccessLog, ...] = ()
    server_name: str = "shifter"
    use_remote_address: bool = False
    skip_xff_append: bool = False
    xff_num_trusted_hops: int = 0
    generate_request_id: bool = True
    preserve_external_request_id: bool = False
    path_normalization: PathNormalization = PathNormalization()
    headers_with_underscores: Underscores = Underscores.ALLOW
    max_request_headers_kb: int = 60
    max_headers_count: int = 100
    max_requests_per_connection: int = 0
    idle_timeout: float = 3600.0
    stream_idle_timeout: float = 300.0
    request_timeout: float = 0.0
    request_headers_timeout: float = 60.0
    delayed_close_timeout: float = 1.0
    drain_timeout: float = 5.0
    max_connection_duration: float = 0.0
    accept_http_10: bool = False
    default_host_for_http_10: bytes = b""
    enable_trailers: bool = False
    suppress_envoy_headers: bool = False
    http2: Http2ProtocolOptions = DOWNSTREAM_HTTP2
    http_filters: tuple[HttpFilter, ...] = ()
    via: bytes = b""
    server_header: ServerHeader = ServerHeader.OVERWRITE
    strip_port: StripPort = StripPort.NONE
    strip_trailing_host_dot: bool = False
    local_reply: LocalReplyConfig | None = None
    always_set_request_id_in_response: bool = False
    append_x_forwarded_port: bool = False
    internal_addresses: tuple[str, ...] | None = None
    upgrades: tuple[UpgradeConfig, ...] = ()
    max_stream_duration: float = 0.0
    stream_flush_timeout: float | None = None
    forward_client_cert: ForwardClientCert = ForwardClientCert.SANITIZE
    client_cert_details: ClientCertDetails = ClientCertDetails()
    proxy_100_continue: bool = False
    scheme_to_overwrite: bytes | None = None
    tracing: Tracing | None = None
    flush_access_log_on_new_request: bool = False
