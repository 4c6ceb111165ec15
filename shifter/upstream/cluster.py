"""A cluster that is alive: its endpoints, found, watched and balanced. How requests come to a stream on one of them is `leasing`.

Rule 1. What is learned of the endpoints takes effect at once: the balancer hears of it, and so does who waits for one that left.
Rule 2. An endpoint belongs to the `registry`, which outlives this; here is only which of them there are, and how they are chosen.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from random import Random

from twisted.internet.defer import Deferred

from shifter.model.cluster import AssignmentPolicy, Cluster, LbEndpoint, RoutingPriority
from shifter.upstream.discovery import Discovery
from shifter.upstream.host import Health
from shifter.upstream.leasing import HighPriority, Leasing
from shifter.upstream.load_balancer import Balancer, make_balancer
from shifter.upstream.membership import Membership
from shifter.upstream.outlier_detection import Detector, forget
from shifter.upstream.outlier_events import OutlierEvent
from shifter.upstream.pool import EndpointPool
from shifter.upstream.registry import Registry


class LiveCluster(Leasing):
    """One cluster of one configuration. `start` before use; `stop` lets go of its endpoints. As `Leasing`, it is for requests of
    default priority; `of` is for others."""

    __slots__ = ("_detector", "_discovery", "_high", "_log_outlier", "_members", "_policy", "_registry")

    def __init__(
        self, config: Cluster, registry: Registry, discovery: Discovery, log_outlier: Callable[[str, OutlierEvent], object] | None = None
    ) -> None:
        state = registry.state(config)
        super().__init__(config, state, state.default)
        self._high: HighPriority | None = None
        self._registry = registry
        self._discovery = discovery
        self._balancer = self._make_balancer(config)
        self._policy: AssignmentPolicy | None = None
        self._members = Membership(config, registry, self.state, self._balance)
        self._detector: Detector | None = None
        self._log_outlier = log_outlier

    def of(self, priority: RoutingPriority) -> Leasing:
        """Return the cluster as requests of *priority* see it."""
        if priority is RoutingPriority.DEFAULT:
            return self
        if self._high is None:
            self._high = HighPriority(self)
        return self._high

    def start(self) -> Deferred[None]:
        """Find the endpoints; fires when the first attempt has ended, well or not."""
        return self._discovery.start(self.update)

    def inherit(self, before: "LiveCluster") -> None:
        """Begin with the addresses that *before*, an older version of this cluster, had found. Before `start`."""
        self._discovery.inherit(before._discovery)

    def activate(self) -> None:
        """This configuration of the cluster is the one in force: its limits and timeouts hold for all connections, and it decides
        which hosts are outliers."""
        self.state.activate(self.config)
        hosts = [pool.host for pool in self.pools]
        detection = self.config.outlier_detection
        if detection is None:
            for host in hosts:
                forget(host, self._registry.now)
            return
        log = None if self._log_outlier is None else partial(self._log_outlier, self.name)
        self._detector = Detector(detection, self.state.stats, self._registry.monotonic, Random(), log)
        self._detector.watch(hosts)
        self._registry.timed[self._detector.tick] = None

    def stop(self) -> None:
        """Let go of the endpoints; what is under way on them goes on."""
        self._discovery.stop()
        if self._detector is not None:
            self._registry.timed.pop(self._detector.tick, None)
        leaving = self._members.clear()
        self._balance()
        self._members.release(leaving)

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
        self._balance()
        if self._detector is not None:
            self._detector.watch([pool.host for pool in self.pools])
        if self.available:
            _send_away(leaving)
        self._members.release(leaving)
        if self.config.common_lb.close_connections_on_host_set_change and before != set(self.pools):
            for pool in self.pools:
                for one in pool.every:
                    one.renew()

    def _make_balancer(self, config: Cluster) -> Balancer[EndpointPool]:
        registry = self._registry
        return make_balancer(config, self.state.stats, lambda: registry.now)

    def _balance(self) -> None:
        pools = list(self.pools)
        self._balancer.update(pools)
        ill = [pool for pool in pools if pool.host.health is Health.UNHEALTHY]
        self.available = len(ill) < len(pools)
        if self._high is not None:
            self._high.available = self.available
        if ill and self.available:
            _send_away(ill)

    @property
    def pools(self) -> Iterable[EndpointPool]:
        """The endpoints that are being balanced over, whatever their health."""
        return self._members.pools.values()

    def __repr__(self) -> str:
        return f"<LiveCluster {self.name} endpoints={len(self._members.pools)}>"


def _send_away(pools: Iterable[EndpointPool]) -> None:
    for pool in pools:
        for one in pool.every:
            if one.waiting or one.choosy:
                one.send_away()
