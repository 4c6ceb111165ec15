"""What the HTTP/2 codec counts (Envoy's ``http2.``): for all clients of a connection manager, and for all connections of a cluster.

Rule 1. An attribute is an Envoy statistic; the codec changes it in place. Nothing is shown before there was a connection, as in Envoy.
Rule 2. Gauges are asked of the connections when a report is made: what every request would change costs no request anything.
"""

from dataclasses import dataclass, field, fields
from typing import Protocol


class Gauged(Protocol):
    """A connection, as far as gauges go."""

    @property
    def active(self) -> int: ...

    @property
    def pending_bytes(self) -> int: ...

    @property
    def pending_control_frames(self) -> int: ...


@dataclass(slots=True, eq=False)
class Http2Stats:
    """See the module. ``connections`` are those that are open."""

    dropped_headers_with_underscores: int = 0
    goaway_sent: int = 0
    header_overflow: int = 0
    headers_cb_no_stream: int = 0
    inbound_empty_frames_flood: int = 0
    inbound_priority_frames_flood: int = 0
    inbound_window_update_frames_flood: int = 0
    keepalive_timeout: int = 0
    metadata_empty_frames: int = 0
    outbound_control_flood: int = 0
    outbound_flood: int = 0
    requests_rejected_with_underscores_in_headers: int = 0
    rx_messaging_error: int = 0
    rx_reset: int = 0
    stream_refused_errors: int = 0
    trailers: int = 0
    tx_flush_timeout: int = 0
    tx_reset: int = 0

    used: bool = False
    connections: set[Gauged] = field(default_factory=set)

    def opened(self, connection: Gauged) -> None:
        self.used = True
        self.connections.add(connection)

    def count(self, limit: str) -> None:
        """A peer went beyond *limit*, a flood: one of the counters, or one that is counted elsewhere."""
        if limit in _COUNTERS:
            setattr(self, limit, getattr(self, limit) + 1)

    def counters(self) -> dict[str, int]:
        """The counters, as they are called behind a scope; empty before there was a connection."""
        return {f"http2.{name}": getattr(self, name) for name in _COUNTERS} if self.used else {}

    def gauges(self) -> dict[str, int]:
        """The gauges, likewise. Streams are those that somebody still waits for."""
        if not self.used:
            return {}
        control = sum(one.pending_control_frames for one in self.connections)
        return {
            "http2.deferred_stream_close": 0,
            "http2.outbound_control_frames_active": control,
            "http2.outbound_frames_active": control,
            "http2.pending_send_bytes": sum(one.pending_bytes for one in self.connections),
            "http2.streams_active": sum(one.active for one in self.connections),
        }


_COUNTERS = tuple(one.name for one in fields(Http2Stats) if one.name not in ("used", "connections"))
