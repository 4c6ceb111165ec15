"""The clusters of the data path: those that serve, those that are to, and those whose time is over.

Rule 1. A new cluster is made and warmed beside the one that serves: its endpoints are found and have been checked once before anybody
        asks it, unless that takes longer than `WARMING_DEADLINE`.
Rule 2. `Clusters.commit` is one moment and does no more for each than assign; `Clusters.letting_go` does the rest, in steps.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, succeed
from twisted.logger import Logger

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, DiscoveryType, UpstreamProtocol
from shifter.model.steps import Steps
from shifter.net.tcp import Network
from shifter.observe.server_stats import ServerStats
from shifter.service.assignments import AssignmentFile
from shifter.service.event_logs import EventLogs
from shifter.service.filewatch import FileWatch
from shifter.service.plan import Plan
from shifter.service.slices import Slices
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import Discovery, StaticDiscovery
from shifter.upstream.discovery_dns import LogicalDnsDiscovery, StrictDnsDiscovery
from shifter.upstream.discovery_eds import EdsDiscovery
from shifter.upstream.dns import Resolver
from shifter.upstream.pool import PoolFactory
from shifter.upstream.pool_auto import AutoPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.pool_tcp import TcpPool
from shifter.upstream.preconnect import make_cluster
from shifter.upstream.registry import Registry

WARMING_DEADLINE = 5.0
"""Seconds that finding a new cluster's endpoints and checking each once may take before it is served without that."""

_log = Logger()
_POOLS: Mapping[UpstreamProtocol, PoolFactory] = {
    UpstreamProtocol.HTTP1: Http1Pool,
    UpstreamProtocol.HTTP2: Http2Pool,
    UpstreamProtocol.TCP: TcpPool,
    UpstreamProtocol.AUTO: AutoPool,
    UpstreamProtocol.DOWNSTREAM: Http1Pool,  # of clients of HTTP/1 and of nobody's requests; others go to branches
}


class Clusters:
    """See the module. ``serving`` are those in force, by name, ``registry`` is what outlives them. *dns_servers* are asked for clusters
    that name none (empty: the system's)."""

    def __init__(
        self,
        network: Network,
        reactor: Any,
        random: Callable[[], int],
        dns_servers: Sequence[SocketAddress],
        files: FileWatch,
        event_logs: EventLogs,
        slices: Slices,
        stats: ServerStats,
    ) -> None:
        self.registry = Registry(network, _POOLS)
        self.serving: dict[str, LiveCluster] = {}
        self._reactor = reactor
        self._random = random
        self._dns_servers = tuple(dns_servers)
        self._files = files
        self._event_logs = event_logs
        self._slices = slices
        self._stats = stats
        self._resolvers: dict[tuple[tuple[SocketAddress, ...], bool], Resolver] = {}
        self._old: list[LiveCluster] = []
        self._to_settle: list[LiveCluster] = []
        self._to_balance: list[LiveCluster] = []

    def find(self, name: str) -> LiveCluster | None:
        """Return the one in force that is called *name*."""
        return self.serving.get(name)

    def making(self, plan: Plan, clusters: dict[str, LiveCluster], fresh: list[LiveCluster]) -> Steps[None]:
        """Put all clusters of *plan* into *clusters*, by name; those that are made for it into *fresh*, too."""
        for name in plan.clusters_kept:
            clusters[name] = self.serving[name]
        for config in plan.clusters_added:
            yield
            cluster = make_cluster(config, self.registry, self._discovery(config), self._event_logs.outlier, self._event_logs.check)
            fresh.append(cluster)
            clusters[config.name] = cluster
            if config.name in self.serving:
                cluster.inherit(self.serving[config.name])

    def warm(self, fresh: Sequence[LiveCluster]) -> Deferred[None]:
        """Fire when the endpoints of *fresh* are found and have been checked once, or after `WARMING_DEADLINE`."""
        missing = dict.fromkeys(cluster.name for cluster in fresh)
        started: list[Deferred[object]] = []

        def found(result: object, name: str) -> object:
            del missing[name]
            return result

        def starting() -> Steps[None]:
            for cluster in fresh:
                yield
                started.append(cluster.start().addBoth(found, cluster.name))

        if not fresh:
            return succeed(None)
        warmed: Deferred[None] = Deferred()

        def ready(_: object) -> None:
            if late.active():
                late.cancel()
                warmed.callback(None)

        def too_late() -> None:
            _log.warn("serving before the endpoints of {clusters} are found and checked", clusters=", ".join(missing))
            warmed.callback(None)

        late = self._reactor.callLater(WARMING_DEADLINE, too_late)
        warming: Deferred[Any] = self._slices.run(starting()).addCallback(lambda _: DeferredList(started, consumeErrors=True))
        warming.addBoth(ready)
        return warmed.addCallback(lambda _: self._slices.run(self._activating(fresh)))

    def _activating(self, fresh: Sequence[LiveCluster]) -> Steps[None]:
        """Have those be in force that replace none: it makes no difference yet."""
        for cluster in fresh:
            if cluster.name not in self.serving:
                yield
                cluster.activate()

    def discard(self, fresh: Sequence[LiveCluster]) -> None:
        """Undo `making` and `warm`."""
        for cluster in fresh:
            cluster.stop()
            if cluster.name not in self.serving:
                self.registry.forget(cluster.name)

    def commit(self, plan: Plan, clusters: dict[str, LiveCluster], fresh: Sequence[LiveCluster]) -> None:
        """Have *clusters*, of which *fresh* are warm, be those in force."""
        replaced = {name: self.serving[name] for name in plan.clusters_removed}
        for cluster in fresh:
            if cluster.name in replaced:
                cluster.take_over()
                self._to_settle.append(cluster)
        self._old += replaced.values()
        self.serving = clusters
        modified = sum(cluster.name in replaced for cluster in plan.clusters_added)
        self._stats.cluster_added += len(plan.clusters_added) - modified
        self._stats.cluster_modified += modified
        self._stats.cluster_removed += len(replaced) - modified

    def rebalance(self) -> None:
        """Runtime, which has a say in who is used, has changed: `letting_go` looks to it."""
        self._to_balance = list(self.serving.values())

    def letting_go(self) -> Steps[None]:
        """Do what a `commit` leaves to be done."""
        while self._to_settle:
            yield
            self._to_settle.pop().settle()
        while self._to_balance:
            yield
            self._to_balance.pop().rebalance()
        while self._old:
            yield
            old = self._old.pop()
            old.stop(self.serving.get(old.name))
            if old.name not in self.serving:
                self.registry.forget(old.name)

    def stop(self) -> None:
        """Drop all connections, and look for nothing any more."""
        for cluster in [*self.serving.values(), *self._old]:
            cluster.stop()
        self.registry.close()
        for resolver in self._resolvers.values():
            resolver.close()

    def _discovery(self, cluster: Cluster) -> Discovery:
        if cluster.type is DiscoveryType.STATIC:
            return StaticDiscovery(cluster)
        stats = self.registry.state(cluster).stats
        if cluster.type is DiscoveryType.EDS:
            return EdsDiscovery(cluster, AssignmentFile(cluster, self._files), stats)
        servers = cluster.dns_resolvers or self._dns_servers
        resolver = self._resolvers.get((servers, cluster.dns_search_domains))
        if resolver is None:
            resolver = Resolver(self._reactor, [(one.host, one.port) for one in servers], search=cluster.dns_search_domains)
            self._resolvers[servers, cluster.dns_search_domains] = resolver
        kind = LogicalDnsDiscovery if cluster.type is DiscoveryType.LOGICAL_DNS else StrictDnsDiscovery
        return kind(cluster, resolver, self._reactor, self._random, stats)
