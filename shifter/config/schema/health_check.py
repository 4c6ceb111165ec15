"""``core.v3.HealthCheck``: how endpoints are asked whether they are well."""

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from shifter.config.schema.base import (
    Bool,
    Choice,
    Message,
    Name,
    OneOf,
    Port,
    PositiveSeconds,
    RemovedName,
    Seconds,
    Struct,
    Text,
    Typed,
    UInt32,
    UInt64,
    base64_bytes,
    kind,
    many,
    word,
    wrong,
)
from shifter.config.schema.core import HeaderValueOption, Int64Range, StringMatcher
from shifter.config.schema.route import Host, NewPath


def _hexadecimal(value: str) -> str:
    try:
        bytes.fromhex(value)
    except ValueError:
        pass
    else:
        if not any(char.isspace() for char in value):
            return value
    raise wrong(f"bytes in hexadecimal are wanted here, not {kind(value)}", f"write {value.encode().hex()} for this text")


class Payload(Choice):
    """``HealthCheck.Payload``: bytes, in hexadecimal or in base64."""

    envoy = "envoy.config.core.v3.HealthCheck.Payload"
    one_of = (OneOf(("text", "binary"), required="nothing says which bytes"),)

    text: Annotated[str, Field(min_length=1), AfterValidator(_hexadecimal)] | None = None
    binary: Annotated[str, BeforeValidator(base64_bytes)] | None = None


class CodecClientType(Enum):
    """``type.v3.CodecClientType``."""

    HTTP1 = "HTTP1"
    HTTP2 = "HTTP2"


class RequestMethod(Enum):
    """``core.v3.RequestMethod``, without ``CONNECT``, which Envoy does not take here either."""

    METHOD_UNSPECIFIED = "METHOD_UNSPECIFIED"
    GET = "GET"
    HEAD = "HEAD"
    POST = "POST"
    PUT = "PUT"
    DELETE = "DELETE"
    OPTIONS = "OPTIONS"
    TRACE = "TRACE"
    PATCH = "PATCH"


class HttpHealthCheck(Message):
    """``HealthCheck.HttpHealthCheck``."""

    envoy = "envoy.config.core.v3.HealthCheck.HttpHealthCheck"

    host: Host = ""
    path: Annotated[NewPath, Field(min_length=1)]
    send: Payload | None = None
    receive: list[Payload] = Field(default_factory=list)
    response_buffer_size: UInt64 | None = None
    request_headers_to_add: list[HeaderValueOption] = Field(default_factory=list)
    request_headers_to_remove: list[RemovedName] = Field(default_factory=list)
    expected_statuses: list[Int64Range] = Field(default_factory=list)
    retriable_statuses: list[Int64Range] = Field(default_factory=list)
    codec_client_type: Annotated[CodecClientType, word(CodecClientType, "HTTP3")] = CodecClientType.HTTP1
    service_name_matcher: StringMatcher | None = None
    method: Annotated[RequestMethod, word(RequestMethod)] = RequestMethod.METHOD_UNSPECIFIED


class TcpHealthCheck(Message):
    """``HealthCheck.TcpHealthCheck``."""

    envoy = "envoy.config.core.v3.HealthCheck.TcpHealthCheck"

    send: Payload | None = None
    receive: list[Payload] = Field(default_factory=list)


class GrpcHealthCheck(Message):
    """``HealthCheck.GrpcHealthCheck``."""

    envoy = "envoy.config.core.v3.HealthCheck.GrpcHealthCheck"

    service_name: Text = ""
    authority: Host = ""
    initial_metadata: list[HeaderValueOption] = Field(default_factory=list)


class HealthCheckEventFileSink(Typed):
    """``extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink``."""

    envoy = "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"

    event_log_path: Name


class EventLogger(Message):
    """``core.v3.TypedExtensionConfig`` with a file for events in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: HealthCheckEventFileSink


class TlsOptions(Message):
    """``HealthCheck.TlsOptions``."""

    envoy = "envoy.config.core.v3.HealthCheck.TlsOptions"

    alpn_protocols: list[Text] = Field(default_factory=list)


class HealthCheck(Choice):
    """``core.v3.HealthCheck``. ``check`` wants names where a cluster has several."""

    envoy = "envoy.config.core.v3.HealthCheck"
    one_of = (
        OneOf(
            ("http_health_check", "tcp_health_check", "grpc_health_check"),
            ("custom_health_check",),
            "this health check does not say what to ask",
        ),
    )

    name: Text = ""
    timeout: PositiveSeconds
    interval: PositiveSeconds
    initial_jitter: Seconds | None = None
    interval_jitter: Seconds | None = None
    interval_jitter_percent: UInt32 = 0
    unhealthy_threshold: UInt32
    healthy_threshold: UInt32
    alt_port: Port | None = None
    reuse_connection: Bool = True
    http_health_check: HttpHealthCheck | None = None
    tcp_health_check: TcpHealthCheck | None = None
    grpc_health_check: GrpcHealthCheck | None = None
    no_traffic_interval: PositiveSeconds | None = None
    no_traffic_healthy_interval: PositiveSeconds | None = None
    unhealthy_interval: PositiveSeconds | None = None
    unhealthy_edge_interval: PositiveSeconds | None = None
    healthy_edge_interval: PositiveSeconds | None = None
    event_log_path: Text = ""
    event_logger: list[EventLogger] = Field(default_factory=list)
    always_log_health_check_failures: Bool = False
    always_log_health_check_success: Bool = False
    tls_options: TlsOptions | None = None
    transport_socket_match_criteria: Struct | None = None


HealthChecks = Annotated[list[HealthCheck], many(0, 8)]
"""Those of a cluster."""
