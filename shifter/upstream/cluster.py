"""A cluster that is alive: its endpoints, found, watched and balanced. How requests come to a stream on one of them is `leasing`.

Rule 1. What is learned of the endpoints takes effect at once: the balancer hears of it, and so does who waits for one that left.
Rule 2. An endpoint belongs to the `registry`, which outlives this; here is only which of them there are, and how they are chosen.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from random import Random

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from shifter.model.cluster import AssignmentPolicy, Cluster, LbEndpoint
from shifter.model.report import ClusterReport
from shifter.upstream.discovery import Discovery
from shifter.upstream.health_check import HealthChecker, WriteHealthCheckEvent, forget_checks
from shifter.upstream.host import Health, HealthFlag, Host
from shifter.upstream.interfaces import PickContext
from shifter.upstream.leasing import BranchLeasing, Leasing
from shifter.upstream.load_balancer import Balancer, make_balancer
from shifter.upstream.membership import Membership
from shifter.upstream.outlier_detection import Detector, forget
from shifter.upstream.outlier_events import OutlierEvent
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_key import DEFAULT, HIGH, PoolKey
from shifter.upstream.registry import Registry
from shifter.upstream.transport_sockets import depends_on_request

_FAILED = HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_OUTLIER_CHECK

_log = Logger()


class LiveCluster(Leasing):
    """One cluster of one configuration. `start` before use; `stop` lets go of its endpoints. As `Leasing`, it is for requests that
    need no connections of their own; `of` is for others."""

    __slots__ = (
        "_before", "_checker", "_detector", "_discovery", "_failed", "_high", "_log_outlier", "_members", "_policy",
        "_registry", "_settling", "_sockets", "available",
        "depends_on_request",
    )  # fmt: skip

    available: bool

    def __init__(
        self,
        config: Cluster,
        registry: Registry,
        discovery: Discovery,
        log_outlier: Callable[[str, OutlierEvent], object] | None = None,
        log_check: WriteHealthCheckEvent | None = None,
    ) -> None:
        state = registry.state(config)
        super().__init__(config, state, state.default)
        self._sockets = state.sockets_for(config)
        self.available = False
        self.depends_on_request = depends_on_request(config)
        self._high: BranchLeasing | None = None
        self._registry = registry
        self._discovery = discovery
        self._balancer = self._make_balancer(config)
        self._policy = AssignmentPolicy(config.overprovisioning_factor, config.weighted_priority_health)
        self._members = Membership(config, registry, self.state, self._balance)
        self._detector: Detector | None = None
        self._log_outlier = log_outlier
        self._failed: set[EndpointPool] = set()
        self._settling = False
        self._before: LiveCluster | None = None
        self._checker: HealthChecker | None = None
        if config.health_checks:
            self._checker = HealthChecker(config, state.stats, registry.network, Random(), self._check_failed, log_check, self._sockets)

    def of(self, key: PoolKey) -> Leasing:
        if key is DEFAULT:
            return self
        if key is not HIGH:
            return BranchLeasing(self, key)
        if self._high is None:
            self._high = BranchLeasing(self, key)
        return self._high

    def ahead(self, pool: EndpointPool, leasing: Leasing) -> None:
        """A request that came by *leasing* is about to use *pool*: do what there is to do for those behind it, which is nothing here."""

    def start(self) -> Deferred[None]:
        """Find the endpoints; fires when the first attempt has ended, well or not, and so have the first health checks."""
        found = self._discovery.start(self.update)
        checker = self._checker
        return found if checker is None else found.addCallback(lambda _: checker.checked())

    def inherit(self, before: "LiveCluster") -> None:
        """Begin with the addresses that *before*, the version of this cluster that is in force, had found. Before `start`."""
        self._discovery.inherit(before._discovery)
        self._before = before

    def activate(self) -> None:
        """This configuration of the cluster is the one in force: `take_over`, and `settle` at once."""
        self.take_over()
        self.settle()

    def take_over(self) -> None:
        """This configuration's limits, timeouts and kinds of connections hold from now on. `settle` follows soon."""
        if self.state.activate(self.config, self._sockets):
            _renew(self.pools, connecting=True)

    def settle(self) -> None:
        """It decides from now on how well hosts are, and which are outliers."""
        self._members.describe()
        self._balance()
        hosts = [pool.host for pool in self.pools]
        if self._checker is not None:
            serving = set() if self._before is None else {pool.host for pool in self._before.pools}
            self._settled(partial(self._checker.activate, serving))
            self._members.drop_unwell()  # of what was found
            self._settled(self._watch)
            hosts = [pool.host for pool in self.pools]
        else:
            forget_checks(hosts, self.state.stats, self._registry.now)
        self._before = None
        detection = self.config.outlier_detection
        if detection is None:
            forget(hosts, self.state.stats, self._registry.now)
            return
        self._detector = Detector(detection, self.state.stats, self._registry.monotonic, Random(), self._outlier_found)
        self._detector.watch(hosts)
        self._registry.timed[self._detector.tick] = None

    def stop(self, successor: "LiveCluster | None" = None) -> None:
        """Let go of the endpoints; what is under way on them goes on. Requests that still look for one (again) find those of the
        *successor*, which serves in this one's place. Without one they find the endpoints there were: connections of a listener that
        has gone with the cluster may have a request yet."""
        self._discovery.stop()
        if self._detector is not None:
            self._registry.timed.pop(self._detector.tick, None)
            self._detector.stop()
        leaving = self._members.clear()
        if self._checker is not None:
            self._checker.stop()
        if successor is not None:
            self._balance()
            self._balancer = _Successor(successor)
            self.available = successor.available
            if self.available:
                _send_away(set(leaving).difference(successor.pools))
        self._members.release(leaving, last=successor is not None)
        # what holds this cluster is not to be held by it, so that it is gone when the last request that asks it is
        self._members.close()
        self._checker = self._detector = self._high = None

    def update(self, endpoints: Iterable[LbEndpoint]) -> None:
        """Serve these endpoints from now on; see ``Membership``."""
        before = set(self.pools)
        leaving = self._members.update(endpoints)
        policy = self._discovery.policy
        if policy is not None and policy != self._policy:
            self._policy = policy
            self._balancer.update(())
            self._balancer = self._make_balancer(
                replace(
                    self.config,
                    overprovisioning_factor=policy.overprovisioning_factor,
                    weighted_priority_health=policy.weighted_priority_health,
                )
            )
        self._settled(self._watch)
        if self.available:
            _send_away(leaving)
        self._members.release(leaving)
        if self.config.common_lb.close_connections_on_host_set_change and before and before != set(self.pools):
            _renew(self.pools)

    def rebalance(self) -> None:
        """Look again at who is to be used, for what runtime says has changed."""
        self._balance()

    def _make_balancer(self, config: Cluster) -> Balancer[EndpointPool]:
        registry = self._registry
        return make_balancer(config, self.state.stats, lambda: registry.now, runtime=lambda: registry.runtime)

    def _watch(self) -> None:
        """Have those who look at the hosts look at those that there are."""
        if self._checker is not None:
            before = -1
            while len(self._members.pools) != before:  # some may go because they are looked at
                before = len(self._members.pools)
                self._checker.watch([pool.host for pool in self.pools])
                self._members.drop_unwell()
        if self._detector is not None:
            self._detector.watch([pool.host for pool in self.pools])

    def _check_failed(self, host: Host) -> None:
        """A host does not pass its health checks any more, so that discovery may take it away."""
        if host.address in self._members.pending:
            self._members.reconsider(host)
        if host.address not in self._members.pools:
            self._settled(self._watch)

    def _settled(self, change: Callable[[], object]) -> None:
        """Make a *change* after which many hosts may be as well as they were not, and balance once."""
        self._settling = True
        try:
            change()
        finally:
            self._settling = False
        self._balance()

    def _balance(self) -> None:
        if self._settling:
            return
        pools = list(self.pools)
        self._balancer.update(pools)
        ill = [pool for pool in pools if pool.host.health is Health.UNHEALTHY]
        self.available = len(ill) < len(pools)
        if ill and self.available:
            _send_away(ill)
        failed = {pool for pool in ill if pool.host.flags & _FAILED}
        _renew(failed - self._failed)  # requests that go there nevertheless, or later, need not meet the same connections
        self._failed = failed

    def report(self) -> ClusterReport:
        """Return a copy of what the cluster and its endpoints have counted."""
        endpoints = []
        for pool in self.pools:
            pool.host.stats.rq_pending_active = sum(len(one.waiting) + len(one.choosy) for one in pool.every)
            for one in pool.every:
                one.count_bytes()
            endpoints.append(pool.host.report())
        stats = self.state.stats
        stats.more_gauges.update(self.gauges())
        return stats.report(self.name, endpoints, self.config.circuit_breakers)

    def gauges(self) -> Mapping[str, int]:
        """Return what the load balancer tells of itself, by names behind ``cluster.<name>.``."""
        return self._balancer.gauges()

    @property
    def pools(self) -> Iterable[EndpointPool]:
        """The endpoints that are being balanced over, whatever their health."""
        return self._members.pools.values()

    def _outlier_found(self, event: OutlierEvent) -> None:
        if event.enforced:
            does = f"is left out ({event.kind.lower().replace('_', ' ')})" if event.action == "EJECT" else "takes part again"
            _log.info("cluster {cluster}: {host} {does}", cluster=self.name, host=event.host.address, does=does)
        if self._log_outlier is not None:
            self._log_outlier(self.name, event)

    def __repr__(self) -> str:
        return f"<LiveCluster {self.name} endpoints={len(self._members.pools)}>"


class _Successor:
    """The balancer of a cluster that was stopped: that of another one."""

    def __init__(self, cluster: LiveCluster) -> None:
        self._cluster = cluster

    def pick(self) -> EndpointPool | None:
        return self._cluster._balancer.pick()

    def pick_for(self, context: PickContext) -> EndpointPool | None:
        return self._cluster._balancer.pick_for(context)

    def order(self, first: EndpointPool) -> Iterator[EndpointPool]:
        return self._cluster._balancer.order(first)

    def update(self, endpoints: Iterable[EndpointPool]) -> None:
        """It hears of its endpoints from its own cluster."""

    def gauges(self) -> Mapping[str, int]:
        return {}


def _renew(pools: Iterable[EndpointPool], connecting: bool = False) -> None:
    for pool in pools:
        for one in pool.every:
            one.renew(connecting)


def _send_away(pools: Iterable[EndpointPool]) -> None:
    for pool in pools:
        for one in pool.every:
            if one.waiting or one.choosy:
                one.send_away()
