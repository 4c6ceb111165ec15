"""HTTP/1.1 connections to one endpoint: each carries one request at a time.

Rule 1. The connection used last is used next, so that spare ones can grow old and are closed.
"""

from shifter.upstream.connection import Http1Connection
from shifter.upstream.interfaces import PooledConnection, UpstreamStream
from shifter.upstream.pool_exclusive import ExclusivePool


class Http1Pool(ExclusivePool[Http1Connection]):
    """See the module."""

    __slots__ = ()

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
