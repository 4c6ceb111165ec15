"""HTTP/2 as both sides speak it (Envoy ``core.v3.Http2ProtocolOptions``). Durations are seconds, sizes bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionKeepalive:
    """``core.v3.KeepaliveSettings``: a PING every ``interval`` (``None``: never), longer by up to ``interval_jitter`` percent,
    and one before the first request on a connection that was idle for ``connection_idle_interval`` (``None``: none). Who does not answer
    within ``timeout`` is gone."""

    timeout: float
    interval: float | None = None
    interval_jitter: float = 15.0
    connection_idle_interval: float | None = None


@dataclass(frozen=True, slots=True)
class Http2ProtocolOptions:
    """``core.v3.Http2ProtocolOptions``. The windows are what a peer may send before it was used.

    ``max_outbound_frames`` and ``max_outbound_control_frames`` bound what waits for a peer that does not read (with and without DATA
    frames). ``max_inbound_priority_frames_per_stream`` and ``max_inbound_window_update_frames_per_data_frame_sent`` bound what a peer
    may send for each thing it is needed for, ``max_consecutive_inbound_frames_with_empty_payload`` frames without anything in them: who
    does more is a flood, and the connection ends. ``allow_connect``: extended CONNECT (RFC 8441).
    """

    max_concurrent_streams: int = 100
    initial_stream_window_size: int = 256 * 1024
    initial_connection_window_size: int = 1 << 20
    allow_connect: bool = False
    max_outbound_frames: int = 10_000
    max_outbound_control_frames: int = 1000
    max_consecutive_inbound_frames_with_empty_payload: int = 1
    max_inbound_priority_frames_per_stream: int = 100
    max_inbound_window_update_frames_per_data_frame_sent: int = 10
    connection_keepalive: ConnectionKeepalive | None = None


DOWNSTREAM_HTTP2 = Http2ProtocolOptions()
"""What clients are told when the configuration says nothing."""

UPSTREAM_HTTP2 = Http2ProtocolOptions(
    max_concurrent_streams=1024, initial_stream_window_size=64 * 1024, initial_connection_window_size=64 << 20
)
"""What endpoints are told when the configuration says nothing. Both are less than Envoy's (``docs/differences.md``)."""
