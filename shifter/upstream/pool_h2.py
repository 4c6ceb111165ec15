"""HTTP/2 connections to one endpoint: one of them is mostly enough, for it carries as many requests as the endpoint allows.

Rule 1. A new connection gets one request; the others wait until it has said how many it takes (its SETTINGS). What it would
        have refused for being too many would have had to be sent again.
Rule 2. Another connection is made only when all others are full, within the limits that all pools have (`pool`).
"""

from collections.abc import Callable

from shifter.net.transport import Connector
from shifter.upstream.connection_h2 import Http2Connection, Http2Stream
from shifter.upstream.host import Host
from shifter.upstream.interfaces import UpstreamStream
from shifter.upstream.pool import ClusterState, EndpointPool, PooledConnection

_EXPECTED_PLACES = 100
"""What most servers allow (RFC 9113 section 6.5.2 asks for no less)."""
_TICK = 1.0


class Http2Pool(EndpointPool):
    """See the module."""

    __slots__ = ("_open", "_ticked")

    def __init__(self, state: ClusterState, host: Host, network: Connector) -> None:
        super().__init__(state, host, network)
        self._open: list[Http2Connection] = []
        self._ticked = network.now

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
                self.remove(connection)
                connection.close()

    def remove(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        if connection in self._open:
            self._open.remove(connection)
        super().remove(connection, remote, active)

    def expire(self, now: float) -> None:
        super().expire(now)
        if now - self._ticked >= _TICK:
            self._ticked = now
            for connection in self._open:
                connection.codec.tick()

    def _serve(self, connection: Http2Connection) -> None:
        while connection.has_room and self._next_may_start():
            self._next_waiting().callback(Http2Stream(connection))
        if self._needs_another():
            self._connect()

    def _needs_another(self) -> bool:
        return len(self.waiting) > self._places_coming() and self._may_connect

    def _places_coming(self) -> int:
        coming = len(self.started) + sum(not connection.codec.settled for connection in self._open)
        return coming * min(_EXPECTED_PLACES, self.state.config.max_concurrent_streams)

    def _new_connection(self) -> PooledConnection:
        connection = Http2Connection(self)
        connection.transport = self.network.connect(self.host.addresses[0], connection)
        self.stats.upstream_cx_http2_total += 1
        return connection

    def _made_available(self, connection: PooledConnection) -> None:
        assert isinstance(connection, Http2Connection)
        self._open.append(connection)
        self.freed(connection)

    def _close_idle(self, which: Callable[[PooledConnection], bool]) -> None:
        for connection in [connection for connection in self._open if not connection.active and which(connection)]:
            self.stats.upstream_cx_idle_timeout += not self.draining
            self.remove(connection)
            connection.close()
