"""How HTTP is spoken, on either side: ``core.v3.HttpProtocolOptions``, ``Http1ProtocolOptions``, ``Http2ProtocolOptions``."""

from typing import Annotated

from pydantic import AfterValidator, Field

from shifter.config.schema.base import Bool, Ignored, Message, PlainHeaderName, Seconds, UInt32, Visible, duration, only, whole, word, wrong
from shifter.config.schema.core import Percent
from shifter.model.http_connection_manager import Underscores

_SHORTEST = 0.001


def _a_millisecond(value: float) -> float:
    if value < _SHORTEST:
        raise wrong(f"this duration must be {duration(_SHORTEST)} or longer")
    return value


Milliseconds = Annotated[Seconds, AfterValidator(_a_millisecond)]
"""A duration of a millisecond or more."""
PositiveUInt32 = Annotated[int, Field(ge=1, le=2**32 - 1), whole]


class DownstreamHttpOptions(Message):
    """``core.v3.HttpProtocolOptions``, for clients."""

    envoy = "envoy.config.core.v3.HttpProtocolOptions"

    idle_timeout: Seconds | None = None
    max_connection_duration: Seconds | None = None
    max_stream_duration: Seconds | None = None
    max_headers_count: PositiveUInt32 | None = None
    headers_with_underscores_action: Annotated[Underscores, word(Underscores)] | None = None
    max_requests_per_connection: UInt32 | None = None


class UpstreamHttpOptions(Message):
    """``core.v3.HttpProtocolOptions``, for endpoints."""

    envoy = "envoy.config.core.v3.HttpProtocolOptions"

    idle_timeout: Seconds | None = None
    max_connection_duration: Seconds | None = None
    max_requests_per_connection: UInt32 | None = None


class DownstreamHttp1Options(Message):
    """``core.v3.Http1ProtocolOptions``, for clients."""

    envoy = "envoy.config.core.v3.Http1ProtocolOptions"

    allow_absolute_url: Annotated[Bool, only(True)] = True
    accept_http_10: Bool = False
    default_host_for_http_10: Visible = ""
    enable_trailers: Bool = False
    override_stream_error_on_invalid_http_message: Bool = False
    use_balsa_parser: Ignored = None


class UpstreamHttp1Options(Message):
    """``core.v3.Http1ProtocolOptions``, for endpoints."""

    envoy = "envoy.config.core.v3.Http1ProtocolOptions"

    enable_trailers: Bool = False
    use_balsa_parser: Ignored = None


class KeepaliveSettings(Message):
    """``core.v3.KeepaliveSettings``."""

    envoy = "envoy.config.core.v3.KeepaliveSettings"

    interval: Milliseconds | None = None
    timeout: Milliseconds
    interval_jitter: Percent | None = None
    connection_idle_interval: Milliseconds | None = None


class Http2ProtocolOptions(Message):
    """``core.v3.Http2ProtocolOptions``. What is not given has the default of ``shifter.model.http2``."""

    envoy = "envoy.config.core.v3.Http2ProtocolOptions"

    max_concurrent_streams: Annotated[int, Field(ge=1, le=2**31 - 1), whole] | None = None
    initial_stream_window_size: Annotated[int, Field(ge=65535, le=2**31 - 1), whole] | None = None
    initial_connection_window_size: Annotated[int, Field(ge=65535, le=2**31 - 1), whole] | None = None
    allow_connect: Bool = False
    max_outbound_frames: PositiveUInt32 | None = None
    max_outbound_control_frames: PositiveUInt32 | None = None
    max_consecutive_inbound_frames_with_empty_payload: UInt32 | None = None
    max_inbound_priority_frames_per_stream: UInt32 | None = None
    max_inbound_window_update_frames_per_data_frame_sent: PositiveUInt32 | None = None
    override_stream_error_on_invalid_http_message: Ignored = None
    stream_error_on_invalid_http_messaging: Ignored = None
    connection_keepalive: KeepaliveSettings | None = None
    use_oghttp2_codec: Ignored = None


class UpstreamHttpProtocolOptions(Message):
    """``core.v3.UpstreamHttpProtocolOptions``."""

    envoy = "envoy.config.core.v3.UpstreamHttpProtocolOptions"

    auto_sni: Bool = False
    auto_san_validation: Bool = False
    override_auto_sni_header: PlainHeaderName | None = None
