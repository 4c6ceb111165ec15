"""What outlives a configuration: hosts, their pools and figures, keyed by cluster and address, counted by use.

A reload that keeps an endpoint keeps its connections; one that drops it lets them finish. The same address in two clusters
is two endpoints: their protocols, limits and figures differ.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from twisted.logger import Logger

from shifter.model.address import Address
from shifter.model.cluster import Cluster, UpstreamProtocol
from shifter.model.tls import TlsContext
from shifter.net.tls_context import ClientContext, TlsMaterialError
from shifter.net.transport import Connector
from shifter.routing.runtime import Runtime
from shifter.upstream.host import Health, HealthFlag, Host
from shifter.upstream.pool import EndpointPool, PoolFactory
from shifter.upstream.pool_key import DEFAULT
from shifter.upstream.resources import ClusterState
from shifter.upstream.transport_sockets import Around, FillSecrets, no_secrets

_log = Logger()

EndpointKey = tuple[str, UpstreamProtocol, Address]
_THOROUGH = 0.25
_LATE = 60.0
_FOUND_ILL = HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_OUTLIER_CHECK


class Registry:
    """The pools of one process. ``factories`` names the pool for each upstream protocol."""

    def __init__(self, network: Connector, factories: Mapping[UpstreamProtocol, PoolFactory]) -> None:
        self._network = network
        self._factories = factories
        self._pools: dict[EndpointKey, EndpointPool] = {}
        self._users: dict[EndpointKey, int] = {}
        self._unwatch: dict[EndpointKey, Callable[[], None]] = {}
        self._hosts: dict[tuple[str, Address], Host] = {}
        self._pools_of: dict[tuple[str, Address], int] = {}
        self._draining: dict[EndpointPool, float] = {}  # until when they are looked after at least
        self.timed: dict[Callable[[float], object], None] = {}
        """Called with the time on every tick, in the order they were added."""
        self._states: dict[str, ClusterState] = {}
        self._thorough = 0.0
        self.runtime = Runtime()
        """That of the configuration in force."""
        self.fill: FillSecrets = no_secrets
        """Where secrets come from that stand in files."""

    @property
    def network(self) -> Connector:
        """Where connections come from."""
        return self._network

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""
        return self._network.monotonic()

    @property
    def now(self) -> float:
        """Seconds of the monotonic clock, as of the last tick."""
        return self._network.now

    def state(self, config: Cluster) -> ClusterState:
        """Return the lasting state of the cluster called ``config.name``, made from *config* when it is new. Raises `TlsMaterialError`."""
        state = self._states.get(config.name)
        if state is None:
            state = self._states[config.name] = ClusterState(config, Around(self.monotonic, self._fill))
        return state

    def _fill(self, context: TlsContext) -> TlsContext | None:
        return self.fill(context)

    def refill(self) -> None:
        """Secrets have changed: `ClusterState.refill` for every cluster. Raises the first `TlsMaterialError`, behind the others."""
        failed: TlsMaterialError | None = None
        for state in self._states.values():
            try:
                state.refill()
            except TlsMaterialError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    def client_contexts(self) -> Iterator[ClientContext]:
        """Return what connections with TLS are made with, of all clusters."""
        for state in self._states.values():
            yield from state.sockets.contexts

    def forget(self, name: str) -> None:
        """The cluster called *name* is gone from the configuration: so are its figures."""
        self._states.pop(name, None)

    def hold(self, state: ClusterState, protocol: UpstreamProtocol, address: Address) -> EndpointPool:
        """Return the pool for *address*, new or kept, and count one more user of it."""
        key = (state.name, protocol, address)
        pool = self._pools.get(key)
        if pool is None:
            host = self._hosts.get((state.name, address))
            if host is None:
                host = self._hosts[state.name, address] = Host(address, self._network.now)
            self._pools_of[state.name, address] = self._pools_of.get((state.name, address), 0) + 1
            pool = self._pools[key] = self._factories[protocol](state, host, self._network, DEFAULT)
            pool.factories = self._factories
            self._unwatch[key] = host.watch(partial(_health_changed, pool))
        self._users[key] = self._users.get(key, 0) + 1
        return pool

    def release(self, state: ClusterState, protocol: UpstreamProtocol, address: Address, last: bool = True) -> None:
        """Undo one `hold`; a pool that nobody holds drains and is forgotten once its connections are gone. If it was not the *last* that
        is asked of it, there may be others: it is looked after for some time in any case."""
        key = (state.name, protocol, address)
        self._users[key] -= 1
        if not self._users[key]:
            del self._users[key]
            self._unwatch.pop(key)()
            pool = self._pools.pop(key)
            self._pools_of[state.name, address] -= 1
            if not self._pools_of[state.name, address]:
                del self._pools_of[state.name, address], self._hosts[state.name, address]
            for one in pool.every:
                one.drain()
                if one.connections or not last:
                    self._draining[one] = 0 if last else self._network.now + _LATE

    def shared(self, name: str, address: Address) -> bool:
        """Say whether several hold the host of the cluster called *name* at *address*."""
        return sum(self._users.get((name, protocol, address), 0) for protocol in self._factories) > 1

    def pools(self) -> Iterator[EndpointPool]:
        """All pools, draining ones included."""
        for pool in self._pools.values():
            yield from pool.every
        yield from (pool for pool in self._draining if pool.connections)

    def tick(self, now: float) -> None:
        """Let every pool end what has taken too long, and others do what is due. A fault in one keeps none of the others from it."""
        for due in list(self.timed):
            _do(due, now)
        thorough = now - self._thorough >= _THOROUGH
        if thorough:
            self._thorough = now
        for pool in list(self._pools.values()):  # what expires may be the last straw for a host, which then leaves
            if pool.connections:
                _do(pool.expire, now)
            if pool.branches is not None:
                self._look_at_branches(pool, now, thorough)
        if self._draining:
            for pool, until in list(self._draining.items()):
                _do(pool.expire, now)
                if not pool.connections and now >= until:
                    del self._draining[pool]

    @staticmethod
    def _look_at_branches(pool: EndpointPool, now: float, thorough: bool) -> None:
        """There may be one for each client: those in which nobody waits for a connection are looked at now and then."""
        assert pool.branches is not None
        for branch in list(pool.branches.values()):
            if branch.started or thorough:
                _do(branch.expire, now)
        if thorough:
            pool.prune()

    def close(self) -> None:
        """Drop every connection (the process ends)."""
        for pool in list(self.pools()):
            pool.draining = True
            for connection in list(pool.connections):
                connection.transport.abort()


def _do(what: Callable[[float], object], now: float) -> None:
    try:
        what(now)
    except Exception:
        _log.failure("something that was due failed inside the proxy")


def _health_changed(pool: EndpointPool, host: Host) -> None:
    """A host that was found to be unhealthy gets new connections when it is healthy again: those it has are not to be trusted."""
    if host.health is Health.UNHEALTHY and host.flags & _FOUND_ILL:
        for one in pool.every:
            one.renew()
