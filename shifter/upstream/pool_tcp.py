"""TCP connections to one endpoint, for what is no HTTP: each is used once (`connection_tcp`).

Rule 1. A connection that was opened ahead of need waits unread; the oldest is used first.
Rule 2. Who does not want his connection any more takes it along: nobody is kept waiting at an endpoint that might speak first.
Rule 3. What is in use stays in use when its host is found ill, unless ``close_connections_on_host_health_failure`` says otherwise.
Rule 4. ``max_requests`` does not hold here, as in Envoy: the limit of what is under way is that of connections.
"""

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from shifter.net.transport import Connector
from shifter.upstream.connection_tcp import TcpConnection
from shifter.upstream.host import Health, Host
from shifter.upstream.interfaces import PooledConnection, UpstreamStream
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.resources import ClusterState


class TcpPool(EndpointPool):
    """See the module. What it leases are `TcpConnection`. ``idle`` are those that nobody has used."""

    __slots__ = ("idle",)

    def __init__(self, state: ClusterState, host: Host, network: Connector, key: PoolKey = DEFAULT) -> None:
        super().__init__(state, host, network, key)
        self.idle: list[TcpConnection] = []

    def take(self) -> UpstreamStream | None:
        return self.idle.pop(0) if self.idle else None

    def remove(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        super().remove(connection, remote, active)

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
