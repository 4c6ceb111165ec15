"""The hosts that make up one configuration's version of a cluster, held in the registry for as long as they do.

Rule 1. An address is one host. Named twice it counts once, with both weights, in the first of its priorities.
Rule 2. A host that stays keeps its connections whatever else is said of it; one that goes finishes what it carries.
Rule 3. A host that discovery takes away while active health checks find it well stays until they do not: discovery may be the one that
        is wrong (Envoy; ``ignore_health_on_host_removal`` says otherwise). A logical host is one: the next address takes its place.
Rule 4. Until this configuration is in force (`Membership.describe`), nothing that it says takes a host away from the one that is.
"""

from collections.abc import Callable, Iterable

from shifter.model.address import Address
from shifter.model.cluster import Cluster, DiscoveryType, LbEndpoint
from shifter.upstream.host import HealthFlag, Host
from shifter.upstream.pool import EndpointPool
from shifter.upstream.registry import Registry
from shifter.upstream.resources import ClusterState

_NOT_WELL = HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_EDS_HEALTH
_PENDING = HealthFlag.PENDING_DYNAMIC_REMOVAL
_NONE = HealthFlag(0)


class Membership:
    """``pools`` are those of the hosts, by address. *changed* is called when some host's health is another, and when a host has gone
    because of that; not for what `update` changes."""

    __slots__ = ("_changed", "_config", "_described", "_in_force", "_registry", "_state", "_unwatch", "_updating", "pending", "pools")

    def __init__(self, config: Cluster, registry: Registry, state: ClusterState, changed: Callable[[], object]) -> None:
        self._config = config
        self._registry = registry
        self._state = state
        self._changed = changed
        self._described: dict[Address, tuple[LbEndpoint, int]] = {}
        self._unwatch: dict[Address, Callable[[], None]] = {}
        self._updating = False
        self._in_force = False
        self.pending: set[Address] = set()  # of hosts that are there by rule 3 only
        self.pools: dict[Address, EndpointPool] = {}

    def update(self, endpoints: Iterable[LbEndpoint]) -> Iterable[EndpointPool]:
        """Have these endpoints from now on. Return the pools of those that are none any more; `release` them when nobody picks them.

        Each priority that gains or loses hosts counts for ``membership_change``.
        """
        named = _each_once(endpoints)
        changed: set[int] = set()
        gone = []
        self._updating = True
        try:
            for address, (endpoint, weight) in named.items():
                before, _ = self._described.get(address, (None, 0))
                if before is None:
                    changed.add(endpoint.priority)
                    pool = self._registry.hold(self._state, self._config.protocol, address)
                    self._unwatch[address] = pool.host.watch(self.reconsider)
                else:
                    pool = self.pools.pop(address)  # to stand where it is named
                    if (before.priority, before.locality) != (endpoint.priority, endpoint.locality):
                        changed |= {before.priority, endpoint.priority}
                self.pools[address] = pool
                self._described[address] = endpoint, weight
                self.pending.discard(address)
                self._show(address)
            for address in [address for address in self.pools if address not in named]:
                pool = self.pools.pop(address)
                if self._stays(pool.host):
                    self.pools[address] = pool  # behind those that are named
                    self.pending.add(address)
                    self._show(address)
                else:
                    changed.add(self._described[address][0].priority)
                    gone.append(self._without(pool))
        finally:
            self._updating = False
        self._state.stats.membership_change += len(changed)
        return gone

    def describe(self) -> None:
        """Say again of every host what is said of it here, which is in force now: another configuration of the cluster may have said
        otherwise meanwhile."""
        self._in_force = True
        self._updating = True
        try:
            for address in self.pools:
                self._show(address)
        finally:
            self._updating = False
        self.drop_unwell()

    def drop_unwell(self) -> None:
        """Let go of the hosts that are neither named nor well. The balancer is to be told by the caller."""
        unwell = [pool for address, pool in self.pools.items() if address in self.pending and not self._stays(pool.host)]
        priorities = {self._described[pool.address][0].priority for pool in unwell}
        for pool in unwell:
            self._without(self.pools.pop(pool.address))
            if self._decides(pool.address):
                pool.host.clear(_PENDING, self._registry.now)
        self._state.stats.membership_change += len(priorities)
        self.release(unwell)

    def _show(self, address: Address) -> None:
        """Have a host be as it is described; as to its health and weight, only if no other configuration has a say in that."""
        host = self.pools[address].host
        endpoint, weight = self._described[address]
        now = self._registry.now
        decides = self._decides(address)
        host.describe(endpoint, weight, now, in_use=decides)
        if decides:
            host.put(_PENDING if address in self.pending else _NONE, _PENDING, now)

    def _decides(self, address: Address) -> bool:
        """Whether nobody but this configuration says how well the host at *address* is."""
        return self._in_force or not self._registry.shared(self._state.name, address)

    def release(self, pools: Iterable[EndpointPool], last: bool = True) -> None:
        """Let go of *pools*, which `update` or `clear` returned; *last* as in ``Registry.release``."""
        for pool in pools:
            self._registry.release(self._state, self._config.protocol, pool.address, last)

    def clear(self) -> Iterable[EndpointPool]:
        """Have no hosts any more; return their pools, to be released."""
        pools, self.pools = list(self.pools.values()), {}
        return [self._without(pool) for pool in pools]

    def close(self) -> None:
        """Tell nobody of anything any more."""
        self._changed = _nobody

    def reconsider(self, host: Host) -> None:
        """The health of *host* is another, or why it is: let go of it if only that kept it."""
        if not self._updating:
            self.drop_unwell()
            self._changed()

    def _stays(self, host: Host) -> bool:
        config = self._config
        if not config.health_checks or config.ignore_health_on_host_removal or config.type is DiscoveryType.LOGICAL_DNS:
            return False
        return not (host.flags & _NOT_WELL or self._described[host.address][0].disable_active_health_check)

    def _without(self, pool: EndpointPool) -> EndpointPool:
        self._unwatch.pop(pool.address)()
        del self._described[pool.address]
        self.pending.discard(pool.address)
        return pool


def _nobody() -> None:
    """Nobody is told."""


def _each_once(endpoints: Iterable[LbEndpoint]) -> dict[Address, tuple[LbEndpoint, int]]:
    """Return each address with the endpoint that describes it, and its weight."""
    named: dict[Address, tuple[LbEndpoint, int]] = {}
    for endpoint in endpoints:
        known = named.get(endpoint.address)
        if known is None or endpoint.priority < known[0].priority:
            named[endpoint.address] = endpoint, endpoint.weight
        elif endpoint.priority == known[0].priority:
            named[endpoint.address] = known[0], known[1] + endpoint.weight
    return named
