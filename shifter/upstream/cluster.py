"""A cluster that is alive: its endpoints, found and balanced, and the way to a stream on one of them.

Rule 1. Choosing is arithmetic and immediate (`LiveCluster.pick`), having mostly is (``EndpointPool.take``); only what has
        to be waited for is a Deferred (`LiveCluster.lease`).
Rule 2. An endpoint that cannot be connected to costs the request nothing but time: the next one is tried, each once, for
        nothing was sent. Envoy gives up unless a retry policy says otherwise (``docs/differences.md``).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from random import Random

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from shifter.model.cluster import AssignmentPolicy, Cluster, LbEndpoint
from shifter.routing.retry import Reached
from shifter.upstream.discovery import Discovery
from shifter.upstream.host import Health
from shifter.upstream.interfaces import Failed, FailureKind, LeaseFailed, PickContext, UpstreamStream
from shifter.upstream.load_balancer import Balancer, make_balancer
from shifter.upstream.membership import Membership
from shifter.upstream.outlier_detection import Detector, forget
from shifter.upstream.outlier_events import OutlierEvent
from shifter.upstream.pool import EndpointPool
from shifter.upstream.registry import Registry


class LiveCluster:
    """One cluster of one configuration. `start` before use; `stop` lets go of its endpoints.

    ``available``: some host is not unhealthy. (In panic, requests also go to those that are.) ``resources`` are its circuit breakers,
    for requests of default priority.
    """

    __slots__ = (
        "_balancer", "_detector", "_discovery", "_log_outlier", "_members", "_policy", "_registry", "available",
        "config", "name", "resources", "state",
    )  # fmt: skip

    def __init__(
        self, config: Cluster, registry: Registry, discovery: Discovery, log_outlier: Callable[[str, OutlierEvent], object] | None = None
    ) -> None:
        self.name = config.name
        self.config = config
        self.state = registry.state(config)
        self.resources = self.state.default
        self._registry = registry
        self._discovery = discovery
        self._balancer = self._make_balancer(config)
        self._policy: AssignmentPolicy | None = None
        self._members = Membership(config, registry, self.state, self._balance)
        self._detector: Detector | None = None
        self._log_outlier = log_outlier
        self.available = False

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
        self._members.release(leaving)

    def _make_balancer(self, config: Cluster) -> Balancer[EndpointPool]:
        registry = self._registry
        return make_balancer(config, self.state.stats, lambda: registry.now)

    def _balance(self) -> None:
        pools = list(self.pools)
        self._balancer.update(pools)
        self.available = any(pool.host.health is not Health.UNHEALTHY for pool in pools)

    @property
    def pools(self) -> Iterable[EndpointPool]:
        """The endpoints that are being balanced over, whatever their health."""
        return self._members.pools.values()

    def pick(self) -> EndpointPool | None:
        """Return the endpoint whose turn it is, to ``take`` from, or ``None``: `lease` knows why. The hot path."""
        resources = self.resources
        if resources.requests >= resources.max_requests:
            return None
        return self._balancer.pick()

    def pick_for(self, context: PickContext) -> EndpointPool | None:
        """`pick` for a request that asks something of the load balancer."""
        if self.resources.requests >= self.resources.max_requests:
            return None
        return self._balancer.pick_for(context)

    def lease(self, picked: EndpointPool | None, fresh: bool = False) -> Deferred[UpstreamStream]:
        """Return a stream when there is one, on *picked* or, when that cannot be connected to, on another endpoint.

        Fails with `LeaseFailed`; cancelling ends the wait. *fresh* as in ``EndpointPool.lease``.
        """
        if picked is not None:
            return _one_after_the_other(picked, self._balancer.order(picked), fresh)
        if self.resources.requests >= self.resources.max_requests:
            self.state.stats.upstream_rq_active_overflow += 1
            return fail(LeaseFailed(Failed(FailureKind.OVERFLOW, Reached.NOTHING_SENT, "too many requests")))
        self.state.stats.upstream_cx_none_healthy += 1
        return fail(LeaseFailed(Failed(FailureKind.NO_HEALTHY_UPSTREAM, Reached.NOTHING_SENT)))

    def __repr__(self) -> str:
        return f"<LiveCluster {self.name} endpoints={len(self._members.pools)}>"


def _one_after_the_other(pool: EndpointPool, others: Iterator[EndpointPool], fresh: bool) -> Deferred[UpstreamStream]:
    def try_next(reason: Failure) -> Deferred[UpstreamStream]:
        error = reason.value
        if isinstance(error, LeaseFailed) and error.failed.kind is not FailureKind.OVERFLOW:
            another = next(others, None)
            if another is not None:
                stream = another.take()
                return another.lease(fresh).addErrback(try_next) if stream is None else succeed(stream)
        return fail(reason)  # nobody is left, the cluster as a whole is full, or the wait was cancelled

    return pool.lease(fresh).addErrback(try_next)
