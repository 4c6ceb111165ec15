"""HTTP/1.1 connections to one endpoint: each carries one request at a time.

Rule 1. The connection used last is used next, so that spare ones can grow old and are closed.
"""

from collections.abc import Sequence

from shifter.net.transport import Connector
from shifter.upstream.connection import Http1Connection
from shifter.upstream.host import Host
from shifter.upstream.interfaces import PooledConnection, UpstreamStream
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.resources import ClusterState


class Http1Pool(EndpointPool):
    """See the module. ``idle`` are the connections that can be used at once, the last one first."""

    __slots__ = ()  # the place of `idle` is in the pool above, so that `pool_auto` can be both kinds

    def __init__(self, state: ClusterState, host: Host, network: Connector, key: PoolKey = DEFAULT) -> None:
        super().__init__(state, host, network, key)
        self.idle: list[Http1Connection] = []

    alpn: tuple[bytes, ...] = (b"http/1.1",)

    def take(self) -> UpstreamStream | None:
        return self.idle.pop() if self.idle else None

    def release(self, connection: Http1Connection) -> None:
        """*connection* has finished a request and can take another."""
        limit = self.state.config.max_requests_per_connection
        if limit and connection.requests >= limit:
            self.stats.upstream_cx_max_requests += 1
            self._close(connection)
        elif self.draining and not self.waiting:
            self._close(connection)
        elif self.waiting and self._next_may_start():
            self._next_waiting().callback(connection)
        else:
            connection.idle_since = self.network.now
            self.idle.append(connection)

    def remove(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        super().remove(connection, remote, active)

    def _new_connection(self) -> PooledConnection:
        connection = Http1Connection(self)
        connection.transport = self._transport(connection)
        self.stats.upstream_cx_http1_total += 1
        return connection

    def _made_available(self, connection: PooledConnection) -> None:
        assert isinstance(connection, Http1Connection)
        if self.choosy:
            self._next_waiting(self.choosy).callback(connection)
        else:
            self.release(connection)

    def _open_another(self) -> bool:
        if not self._may_connect and self.idle:
            self._close(self.idle[0])
        if not self._may_connect:
            return False
        self._connect()
        return True

    @property
    def carried(self) -> int:
        return len(self.connections) - len(self.started) - len(self.idle)

    @property
    def ready(self) -> bool:
        return bool(self.idle)

    @property
    def room(self) -> int:
        return len(self.started) + len(self.idle)

    def _idle(self) -> Sequence[PooledConnection]:
        return self.idle
