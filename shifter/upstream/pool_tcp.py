"""TCP connections to one endpoint, for what is no HTTP: each is used once (`connection_tcp`).

Rule 1. A connection that was opened ahead of need waits unread; the oldest is used first.
Rule 2. Who does not want his connection any more takes it along: nobody is kept waiting at an endpoint that might speak first.
Rule 3. What is in use stays in use when its host is found ill, unless ``close_connections_on_host_health_failure`` says otherwise.
Rule 4. ``max_requests`` does not hold here, as in Envoy: the limit of what is under way is that of connections.
"""

from twisted.internet.defer import Deferred

from shifter.upstream.connection_tcp import TcpConnection
from shifter.upstream.host import Health
from shifter.upstream.interfaces import PooledConnection, UpstreamStream
from shifter.upstream.pool_exclusive import ExclusivePool


class TcpPool(ExclusivePool[TcpConnection]):
    """See the module. What it leases are `TcpConnection`. ``idle`` are those that nobody has used."""

    __slots__ = ()

    def take(self) -> UpstreamStream | None:
        return self.idle.pop(0) if self.idle else None

    def renew(self, connecting: bool = False) -> None:
        super().renew(connecting)
        if self.state.config.close_connections_on_host_health_failure and self.host.health is Health.UNHEALTHY:
            for connection in self.connections:
                assert isinstance(connection, TcpConnection)
                if connection.opened:
                    connection.give_up()

    def _new_connection(self) -> PooledConnection:
        connection = TcpConnection(self)
        connection.transport = self._transport(connection)
        return connection

    def _made_available(self, connection: PooledConnection) -> None:
        assert isinstance(connection, TcpConnection)
        if self.waiting:
            self._next_waiting().callback(connection)
        elif self.draining:
            self._close(connection)
        else:
            connection.idle_since = self.network.now
            self.idle.append(connection)

    def _give_up(self, waiter: Deferred[UpstreamStream]) -> None:
        super()._give_up(waiter)
        if len(self.started) > len(self.waiting) and self.state.config.preconnect.per_upstream_preconnect_ratio <= 1:
            connection, _ = self.started.popitem()
            self.remove(connection)
            connection.transport.abort()
