"""What pools have in common whose connections serve one request, or one client, at a time (`pool_h1`, `pool_tcp`)."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from shifter.net.transport import Connector
from shifter.upstream.host import Host
from shifter.upstream.interfaces import PooledConnection
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.resources import ClusterState

C = TypeVar("C", bound=PooledConnection)


class ExclusivePool(EndpointPool, Generic[C]):
    """See the module. ``idle`` are the connections that can be used at once, the one that was put there last at the end."""

    __slots__ = ()  # the place of `idle` is in the pool above, so that `pool_auto` can be both kinds

    def __init__(self, state: ClusterState, host: Host, network: Connector, key: PoolKey = DEFAULT) -> None:
        super().__init__(state, host, network, key)
        self.idle: list[C] = []

    def remove(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        if connection in self.idle:
            self.idle.remove(connection)
        super().remove(connection, remote, active)

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
