"""Connections to one endpoint.

Rule 1. ``take`` is what a request normally needs: an idle connection, at once. Only when there is none does anything wait
        (`EndpointPool.lease`), and what waits is served in order of arrival.
Rule 2. A pool may always have one connection, however full its cluster's circuit breaker is (as in Envoy): an endpoint
        must not starve because its siblings are busy.
Rule 3. A pool outlives configurations (`registry`); draining, it finishes what it carries and closes.
Rule 4. Requests that need connections of their own (`pool_key`) have them in a branch of the host's pool (`EndpointPool.of`). A branch
        that holds nothing is let go of (`EndpointPool.prune`): there may be as many as clients can think of names.
Rule 5. Where a cluster has all the connections it may have, a branch that needs its first takes the place of an idle one of the same
        host, so that rule 2 adds no more connections than there are requests under way.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred, fail, succeed

from shifter.model.address import Address
from shifter.model.cluster import UpstreamProtocol
from shifter.net.race import Race, Racing
from shifter.net.transport import Connector, Transport
from shifter.routing.retry import Reached
from shifter.upstream.host import Health, Host
from shifter.upstream.interfaces import Failed, FailureKind, HostLeft, LeaseFailed, PooledConnection, UpstreamStream
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.resources import ClusterState

PoolFactory = Callable[[ClusterState, Host, Connector, PoolKey], "EndpointPool"]
_NOTHING = (0, 0)
_NO_FACTORIES: Mapping[UpstreamProtocol, PoolFactory] = {}


class EndpointPool:
    """The part of a pool that does not depend on the protocol; see the module."""

    __slots__ = (
        "address_text", "branches", "choosy", "connections", "counted", "draining", "endpoint_stats", "factories", "host", "idle", "key",
        "network", "resources", "started", "state", "stats", "trunk", "waiting",
    )  # fmt: skip

    def __init__(self, state: ClusterState, host: Host, network: Connector, key: PoolKey = DEFAULT) -> None:
        self.state = state
        self.stats = state.stats
        self.resources = state.of(key.priority)
        self.key = key
        self.branches: dict[PoolKey, EndpointPool] | None = None
        self.trunk: EndpointPool | None = None  # of a branch, the host's pool
        self.factories = _NO_FACTORIES
        self.host = host
        self.endpoint_stats = host.stats
        self.address_text = host.address_text
        self.network = network
        self.draining = False
        self.connections: dict[PooledConnection, float] = {}  # when each was begun
        self.counted: dict[PooledConnection, tuple[int, int]] = {}  # bytes of open ones that figures tell of already
        self.started: dict[PooledConnection, float] = {}  # connecting: when each began
        self.waiting: deque[Deferred[UpstreamStream]] = deque()
        self.choosy: deque[Deferred[UpstreamStream]] = deque()  # these take a new connection only

    @property
    def address(self) -> Address:
        """Where the endpoint is."""
        return self.host.address

    @property
    def weight(self) -> int:
        """The host's weight."""
        return self.host.weight

    @property
    def active(self) -> int:
        """Requests under way on the host."""
        return self.host.active

    def of(self, key: PoolKey) -> "EndpointPool":
        """Return the pool for requests with *key* to the same host. Asked of the host's pool; who got a branch uses it at once or not at
        all."""
        if key is DEFAULT:
            return self
        branches = self.branches
        if branches is None:
            branches = self.branches = {}
        branch = branches.get(key)
        if branch is None:
            make = self.__class__ if key.protocol is None else self.factories.get(key.protocol, self.__class__)
            branch = branches[key] = make(self.state, self.host, self.network, key)
            branch.trunk = self
            branch.draining = self.draining
        return branch

    @property
    def every(self) -> "tuple[EndpointPool, ...]":
        """This pool, and its branches."""
        return (self,) if self.branches is None else (self, *self.branches.values())

    @property
    def empty(self) -> bool:
        """Whether it holds no connection, and nobody waits for one."""
        return not (self.connections or self.waiting or self.choosy)

    def prune(self) -> None:
        """Let go of the branches that hold nothing."""
        if self.branches is not None:
            for key in [key for key, branch in self.branches.items() if branch.empty]:
                branch = self.branches.pop(key)
                branch.resources.wanting.pop(branch, None)
            if not self.branches:
                self.branches = None

    alpn: tuple[bytes, ...] = ()
    """What is offered in a TLS handshake where the configuration does not say."""

    # for the cluster

    def take(self) -> UpstreamStream | None:
        """Return a stream that can be used at once, or ``None``."""
        raise NotImplementedError

    def lease(self, fresh: bool = False) -> Deferred[UpstreamStream]:
        """Return a stream once there is one; fails with `LeaseFailed`. Cancelling gives the place in the queue up.

        *fresh*: on a connection that has carried nothing yet, if one can be opened. It is for a request whose kept-alive
        connection died under it: another such connection could do the same.
        """
        resources = self.resources
        stats = self.stats
        if resources.pending_requests >= resources.max_pending_requests:
            stats.upstream_rq_pending_overflow += 1
            return fail(LeaseFailed(Failed(FailureKind.OVERFLOW, Reached.NOTHING_SENT)))
        queue = self.waiting
        if fresh and self._open_another():
            queue = self.choosy
        elif self._needs_connection():
            if self._may_connect:
                self._connect()
            else:
                stats.upstream_cx_overflow += 1
                stream = self.take()
                if stream is not None:
                    return succeed(stream)  # better than none: nobody will give it back, for it is idle
                resources.wanting[self] = None
        waiter: Deferred[UpstreamStream] = Deferred(self._give_up)
        queue.append(waiter)
        resources.pending_requests += 1
        stats.upstream_rq_pending_total += 1
        return waiter

    def drain(self) -> None:
        """Close what is idle now and the rest when it becomes idle."""
        self.draining = True
        self._close_idle(lambda connection: True)

    def renew(self, connecting: bool = False) -> None:
        """Have no request use the connections there are: close them, those that are busy behind their requests, and with *connecting* also
        those that are being made, which are made anew for who waits."""
        self._close_idle(lambda connection: True)
        if connecting:
            for connection in list(self.started):
                del self.started[connection]
                self._forget(connection)
                connection.transport.abort()
            self.waiting.extendleft(reversed(self.choosy))  # whatever comes now is new
            self.choosy.clear()
        for connection in self.connections:
            if connection.opened:
                connection.retire()
        self._offer()

    def send_away(self) -> None:
        """Have everybody who waits here look for another endpoint (`HostLeft`)."""
        leaving = [*self.waiting, *self.choosy]
        self.waiting.clear()
        self.choosy.clear()
        self.resources.pending_requests -= len(leaving)
        for waiter in leaving:
            waiter.errback(HostLeft(self))

    def preconnect(self, ratio: float) -> bool:
        """Open a connection ahead of need where there is place for fewer than *ratio* times the requests that wait, are under way, and
        are about to begin, which is one (``PreconnectPolicy``). Return whether one was opened: not to a host that is not well."""
        wanted = (len(self.waiting) + self.carried + 1) * ratio
        if wanted <= self.room + self.carried or self.host.health is not Health.HEALTHY or self.draining or not self._may_connect:
            return False
        self._connect()
        return True

    def expire(self, now: float) -> None:
        """End what has taken too long: connecting (``connect_timeout``), idling (``idle_timeout``), and living
        (``max_connection_duration``)."""
        config = self.state.config
        if self.started:
            for connection, began in list(self.started.items()):
                if now - began >= config.connect_timeout:
                    self.stats.upstream_cx_connect_timeout += 1
                    self.connect_failed(connection, "timeout")
                    connection.transport.abort()
        if config.idle_timeout and self.connections:
            idle_for = now - config.idle_timeout
            self.stats.upstream_cx_idle_timeout += self._close_idle(lambda connection: connection.idle_since <= idle_for)
        if config.max_connection_duration and self.connections:
            self._end_old(now - config.max_connection_duration)

    # for the connections

    def begin(self) -> None:
        """A request starts on one of the connections."""
        self.host.active += 1
        self.endpoint_stats.rq_total += 1
        self.resources.requests += 1
        self.stats.upstream_rq_total += 1

    def finish(self) -> None:
        """It has ended, however."""
        self.host.active -= 1
        self.resources.requests -= 1

    def connected(self, connection: PooledConnection) -> None:
        """A connection is established and carries nothing yet."""
        began = self.started.pop(connection, None)
        if began is not None:
            self.stats.upstream_cx_connect_ms.record((self.network.monotonic() - began) * 1000)
        self._made_available(connection)

    def connect_failed(self, connection: PooledConnection, reason: str) -> None:
        """A connection never came to be: whoever waits longest is told, unless others are on their way for everybody."""
        if self.started.pop(connection, None) is None:
            return
        self.stats.upstream_cx_connect_fail += 1
        self.endpoint_stats.cx_connect_fail += 1
        self._forget(connection, remote=reason != "timeout")
        kind = FailureKind.CONNECTION_TIMEOUT if reason == "timeout" else FailureKind.REMOTE_CONNECTION_FAILURE
        failed = Failed(kind, Reached.NOTHING_SENT, reason)
        if self.choosy and len(self.choosy) + len(self.waiting) > len(self.started):
            self._fail(self.choosy, failed)
        while self.waiting and len(self.waiting) > self._places_coming():
            self._fail(self.waiting, failed)
        self._offer()

    def remove(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        """The connection will not be used again; *remote* when the endpoint closed it, *active* when that cost a request."""
        self._forget(connection, remote, active)
        self._offer()

    def places(self, connections: int) -> int:
        """Return how many requests at a time so many *connections* are good for."""
        return connections

    # for the resources

    def connect_for_waiting(self) -> bool:
        """Make one of the connections that are waited for, if it may be made; return whether any more are wanted."""
        if len(self.waiting) > self._places_coming() and self._may_connect:
            self._connect()
        return len(self.waiting) > self._places_coming()

    # inside

    @property
    def carried(self) -> int:
        """Requests under way on the connections."""
        raise NotImplementedError

    @property
    def ready(self) -> bool:
        """Whether `take` would return a stream."""
        raise NotImplementedError

    @property
    def room(self) -> int:
        """Requests that could begin on the connections there are, or that are being made."""
        raise NotImplementedError

    @property
    def _may_connect(self) -> bool:
        """Whether the circuit breakers allow another connection; rule 2."""
        resources = self.resources
        limit = resources.max_connections_per_host
        full = resources.connections >= resources.max_connections or (limit is not None and self.endpoint_stats.cx_active >= limit)
        return not full or not self.connections

    def _make_room(self) -> None:
        """A first connection is needed though there may be no more: do without an idle one of the same host; rule 5."""
        resources = self.resources
        trunk = self.trunk or self
        if resources.connections < resources.max_connections or trunk.branches is None:
            return
        idle = [(pool, one) for pool in trunk.every if pool.resources is resources for one in pool._idle()]
        if idle:
            pool, connection = min(idle, key=lambda found: found[1].idle_since)
            pool._close(connection)

    def _new_connection(self) -> PooledConnection:
        raise NotImplementedError

    def _needs_connection(self) -> bool:
        """Whether the next in the queue would have to wait for more than what is on its way."""
        return len(self.waiting) >= self._places_coming()

    def _places_coming(self) -> int:
        return len(self.started) - len(self.choosy)

    def _open_another(self) -> bool:
        """Open a connection for somebody who takes a new one only; return whether that may be. Where connections are shared
        there is no such thing: a new one is opened when the old is gone, and only then."""
        return False

    def _made_available(self, connection: PooledConnection) -> None:
        raise NotImplementedError

    def _idle(self) -> Sequence[PooledConnection]:
        """Connections that carry nothing."""
        raise NotImplementedError

    def _close(self, connection: PooledConnection) -> None:
        """Close one of them."""
        self.remove(connection)
        connection.transport.close()

    def _close_idle(self, which: Callable[[PooledConnection], bool]) -> int:
        closing = [connection for connection in self._idle() if which(connection)]
        for connection in closing:
            self._close(connection)
        return len(closing)

    def _end_old(self, horizon: float) -> None:
        """Close what was begun before *horizon*, behind the requests on it."""
        reached = self._close_idle(lambda connection: self.connections[connection] <= horizon)
        for connection, began in self.connections.items():
            if began <= horizon and connection.opened and not connection.retired:
                connection.retire()
                reached += 1
        self.stats.upstream_cx_max_duration_reached += reached

    def _connect(self) -> None:
        if not self.connections:
            self._make_room()
        connection = self._new_connection()
        self.resources.connections += 1
        self.stats.upstream_cx_total += 1
        self.endpoint_stats.cx_total += 1
        self.endpoint_stats.cx_active += 1
        self.connections[connection] = self.started[connection] = self.network.monotonic()

    def _transport(self, connection: Racing) -> Transport:
        """Begin to connect to the host: to the one address it has, or to several at once."""
        addresses = self.host.addresses
        options = self.state.sockets.options(self.host, self.key, self.alpn)
        if len(addresses) == 1:
            return self.network.connect(addresses[0], connection, options)
        return Race(self.network, addresses, connection, options)

    def _forget(self, connection: PooledConnection, remote: bool = False, active: bool = False) -> None:
        if connection in self.connections:
            began = self.connections.pop(connection)
            self.resources.connections -= 1
            self.endpoint_stats.cx_active -= 1
            stats = self.stats
            stats.upstream_cx_length_ms.record((self.network.monotonic() - began) * 1000)
            if remote:
                stats.upstream_cx_destroy_remote += 1
                stats.upstream_cx_destroy_remote_with_active_rq += active
            else:
                stats.upstream_cx_destroy_local += 1
                stats.upstream_cx_destroy_local_with_active_rq += active
            tls = connection.transport.tls
            if tls is not None and tls.failure is not None:
                self.state.sockets.failed(self.host, tls.failure)
            received, sent = self.counted.pop(connection, _NOTHING)
            stats.upstream_cx_rx_bytes_total += connection.transport.bytes_received - received
            stats.upstream_cx_tx_bytes_total += connection.transport.bytes_sent - sent

    def count_bytes(self) -> None:
        """Add to the figures what went over connections that are open: nothing else would, before they end."""
        stats, counted = self.stats, self.counted
        for connection in self.connections:
            transport = connection.transport
            received, sent = counted.get(connection, _NOTHING)
            counted[connection] = (transport.bytes_received, transport.bytes_sent)
            stats.upstream_cx_rx_bytes_total += transport.bytes_received - received
            stats.upstream_cx_tx_bytes_total += transport.bytes_sent - sent

    def _next_may_start(self) -> bool:
        """Whether somebody waits for the place there is. While the cluster has as many requests under way as it may have, all
        who wait are refused (``max_requests``: they were let in before those had begun)."""
        resources = self.resources
        while self.waiting and resources.requests >= resources.max_requests:
            self.stats.upstream_rq_active_overflow += 1
            self._next_waiting().errback(LeaseFailed(Failed(FailureKind.OVERFLOW, Reached.NOTHING_SENT)))
        return bool(self.waiting)

    def _next_waiting(self, queue: deque[Deferred[UpstreamStream]] | None = None) -> Deferred[UpstreamStream]:
        self.resources.pending_requests -= 1
        return (self.waiting if queue is None else queue).popleft()

    def _offer(self) -> None:
        """There may be room for a connection: for those who wait here, or for others."""
        wanting = self.resources.wanting
        if self.waiting and len(self.waiting) > self._places_coming():
            wanting[self] = None
        if wanting:
            self.resources.offer()

    def _fail(self, queue: deque[Deferred[UpstreamStream]], failed: Failed) -> None:
        """Tell the next in *queue*, and who watches the host: it counts as often as it costs a request, as in Envoy."""
        waiter = self._next_waiting(queue)
        if self.host.monitor is not None:
            self.host.monitor.failed(failed)  # which may send all others away
        self.stats.upstream_rq_pending_failure_eject += 1
        waiter.errback(LeaseFailed(failed, self))

    def _give_up(self, waiter: Deferred[UpstreamStream]) -> None:
        for queue in (self.waiting, self.choosy):
            if waiter in queue:
                queue.remove(waiter)
                self.resources.pending_requests -= 1

    def __repr__(self) -> str:
        return f"<Pool {self.state.name} {self.address} busy={self.active} connections={len(self.connections)} waiting={len(self.waiting)}>"
