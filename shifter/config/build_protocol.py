"""How HTTP is spoken, from the checked schema to the frozen model.

Rule 1. As in ``build``: nothing can fail here, and no default of the model is repeated.
"""

from dataclasses import replace

from shifter.config.build_common import given
from shifter.config.schema import protocol
from shifter.model.http2 import ConnectionKeepalive, Http2ProtocolOptions


def http2_options(config: protocol.Http2ProtocolOptions | None, above: Http2ProtocolOptions) -> Http2ProtocolOptions:
    """Return *config* over *above*."""
    if config is None:
        return above
    return replace(
        above,
        allow_connect=config.allow_connect,
        **given(
            max_concurrent_streams=config.max_concurrent_streams,
            initial_stream_window_size=config.initial_stream_window_size,
            initial_connection_window_size=config.initial_connection_window_size,
            max_outbound_frames=config.max_outbound_frames,
            max_outbound_control_frames=config.max_outbound_control_frames,
            max_consecutive_inbound_frames_with_empty_payload=config.max_consecutive_inbound_frames_with_empty_payload,
            max_inbound_priority_frames_per_stream=config.max_inbound_priority_frames_per_stream,
            max_inbound_window_update_frames_per_data_frame_sent=config.max_inbound_window_update_frames_per_data_frame_sent,
            connection_keepalive=_keepalive(config.connection_keepalive),
        ),
    )


def _keepalive(config: protocol.KeepaliveSettings | None) -> ConnectionKeepalive | None:
    if config is None:
        return None
    jitter = config.interval_jitter
    return ConnectionKeepalive(
        config.timeout,
        config.interval,
        connection_idle_interval=config.connection_idle_interval,
        **given(interval_jitter=jitter.value if jitter is not None else None),
    )
