"""HTTP/2 connections to one endpoint: one of them is mostly enough, for it carries as many requests as the endpoint allows.

Rule 1. A new connection gets one request; the others wait until it has said how many it takes (its SETTINGS). What it would
        have refused for being too many would have had to be sent again.
Rule 2. Another connection is made only when all others are full, within the limits that all pools have (`pool`).
"""

from collections.abc import Sequence

from shifter.net.transport import Connector
from shifter.upstream.connection_h2 import Http2Connection, Http2Stream
from shifter.upstream.host import Host
from shifter.upstream.interfaces import PooledConnection, UpstreamStream
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.resources import ClusterState

_EXPECTED_PLACES = 100
"""What most servers allow (RFC 9113 section 6.5.2 asks for no less)."""
_TICK = 1.0


class Http2Pool(EndpointPool):
    """See the module."""

    __slots__ = ("_open", "_ticked")

    def __init__(self, state: ClusterState, host: Host, network: Connector, key: PoolKey = DEFAULT) -> None:
        super().__init__(state, host, network, key)
        self._open: list[Http2Connection] = []
        self._ticked = network.now

    alpn: tuple[bytes, ...] = (b"h2",)

    def take(self) -> UpstreamStream | None:
        for connection in self._open:
            if connection.has_room:
                return Http2Stream(connection)
        return None

    def freed(self, connection: Http2Connection) -> None:
        """*connection* may have room, or nothing left to do."""
        if self.waiting:
            self._serve(connection)
        if not connection.active:
            connection.idle_since = self.network.now
            if connection in self._open and (connection.retired or (self.draining and not self.waiting)):
                self._close(connection)

    def remove(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        if connection in self._open:
            self._open.remove(connection)
        super().remove(connection, remote, active)

    def expire(self, now: float) -> None:
        super().expire(now)
        if now - self._ticked >= _TICK:
            self._ticked = now
            for connection in tuple(self._open):
                connection.tick(now)

    def _serve(self, connection: Http2Connection) -> None:
        while connection.has_room and self._next_may_start():
            self._next_waiting().callback(Http2Stream(connection))
        if self.connect_for_waiting():
            self.resources.wanting[self] = None

    def _places_coming(self) -> int:
        coming = len(self.started) + sum(not connection.codec.settled for connection in self._open)
        return self.places(coming)

    def places(self, connections: int) -> int:
        return connections * min(_EXPECTED_PLACES, self.state.config.http2.max_concurrent_streams)

    def _new_connection(self) -> PooledConnection:
        connection = Http2Connection(self)
        connection.transport = self._transport(connection)
        self.stats.upstream_cx_http2_total += 1
        return connection

    def _made_available(self, connection: PooledConnection) -> None:
        assert isinstance(connection, Http2Connection)
        self._open.append(connection)
        self.freed(connection)

    @property
    def carried(self) -> int:
        return sum(connection.active for connection in self._open)

    @property
    def ready(self) -> bool:
        return any(connection.has_room for connection in self._open)

    @property
    def room(self) -> int:
        return self.places(len(self.started) + sum(connection.has_room for connection in self._open))

    def _idle(self) -> Sequence[PooledConnection]:
        return [connection for connection in self._open if not connection.active]

    def _close(self, connection: PooledConnection) -> None:
        assert isinstance(connection, Http2Connection)
        self.remove(connection)
        connection.close()
