"""Connections to one endpoint that says in the TLS handshake what it speaks (``HttpProtocolOptions.auto_config``): ALPN decides.

Rule 1. Requests wait for the first handshake; what came of it is remembered of the host, and says what the next connection is thought
        to be good for.
Rule 2. Each connection is what its own handshake made of it: an endpoint may change its mind, and both kinds are served meanwhile.
Rule 3. An endpoint that agrees on nothing speaks HTTP/1.1.
"""

from collections.abc import Sequence

from shifter.model.cluster import UpstreamProtocol
from shifter.net.transport import Transport
from shifter.upstream.connection import Http1Connection
from shifter.upstream.connection_h2 import Http2Connection
from shifter.upstream.interfaces import PooledConnection, UpstreamStream
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool

_H2 = b"h2"


class Introduction:
    """A connection that is being made, of which nobody knows yet what it will carry; `AutoPool.introduced` takes it over."""

    __slots__ = ("idle_since", "opened", "pool", "requests", "retired", "transport")

    def __init__(self, pool: "AutoPool") -> None:
        self.pool = pool
        self.transport: Transport  # set by the pool right after construction
        self.opened = False
        self.retired = False
        self.requests = 0
        self.idle_since = pool.network.now

    def retire(self) -> None:
        """It carries nothing."""

    def connection_made(self) -> None:
        self.pool.introduced(self)

    def connection_lost(self, reason: str) -> None:
        self.pool.connect_failed(self, reason)

    def data_received(self, data: bytes) -> None: ...

    def write_blocked(self) -> None: ...

    def write_drained(self) -> None: ...

    def __repr__(self) -> str:
        return f"<Introduction to {self.pool.address}>"


class AutoPool(Http1Pool, Http2Pool):
    """See the module."""

    __slots__ = ()

    alpn: tuple[bytes, ...] = (b"h2", b"http/1.1")

    def take(self) -> UpstreamStream | None:
        return self.idle.pop() if self.idle else Http2Pool.take(self)

    def introduced(self, introduction: Introduction) -> None:
        """The handshake is done: go on with a connection of the kind that was agreed on."""
        transport = introduction.transport
        tls = transport.tls
        connection: Http1Connection | Http2Connection
        if tls is not None and tls.alpn == _H2:
            self.host.speaks = UpstreamProtocol.HTTP2
            self.stats.upstream_cx_http2_total += 1
            connection = Http2Connection(self)
        else:
            self.host.speaks = UpstreamProtocol.HTTP1
            self.stats.upstream_cx_http1_total += 1
            connection = Http1Connection(self)
        connection.transport = transport
        transport.handler = connection
        for known in (self.connections, self.started):
            if introduction in known:
                known[connection] = known.pop(introduction)
        connection.connection_made()

    def _new_connection(self) -> PooledConnection:
        introduction = Introduction(self)
        introduction.transport = self._transport(introduction)
        return introduction

    def _made_available(self, connection: PooledConnection) -> None:
        if isinstance(connection, Http1Connection):
            Http1Pool._made_available(self, connection)
            self._offer()  # what was thought to be enough for many was good for one
        else:
            while self.choosy:  # it is new, and good for all
                self.waiting.appendleft(self.choosy.pop())
            Http2Pool._made_available(self, connection)

    @property
    def _one_at_a_time(self) -> bool:
        return self.host.speaks is UpstreamProtocol.HTTP1

    def _open_another(self) -> bool:
        return self._one_at_a_time and Http1Pool._open_another(self)

    def _places_coming(self) -> int:
        return len(self.started) - len(self.choosy) if self._one_at_a_time else Http2Pool._places_coming(self)

    def places(self, connections: int) -> int:
        return connections if self._one_at_a_time else Http2Pool.places(self, connections)

    @property
    def carried(self) -> int:
        shared = self._open
        return sum(one.active for one in shared) + len(self.connections) - len(self.started) - len(self.idle) - len(shared)

    @property
    def ready(self) -> bool:
        return bool(self.idle) or any(connection.has_room for connection in self._open)

    @property
    def room(self) -> int:
        return len(self.idle) + self.places(len(self.started)) + Http2Pool.places(self, sum(one.has_room for one in self._open))

    def _idle(self) -> Sequence[PooledConnection]:
        return [*self.idle, *(connection for connection in self._open if not connection.active)]

    def _close(self, connection: PooledConnection) -> None:
        if isinstance(connection, Http2Connection):
            Http2Pool._close(self, connection)
        else:
            Http1Pool._close(self, connection)
