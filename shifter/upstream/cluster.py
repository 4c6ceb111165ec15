"""A cluster that is alive: its endpoints, found and balanced, and the way to a stream on one of them.

Rule 1. Choosing is arithmetic and immediate (`LiveCluster.pick`), having mostly is (``EndpointPool.take``); only what has
        to be waited for is a Deferred (`LiveCluster.lease`).
Rule 2. An endpoint that cannot be connected to costs the request nothing but time: the next one is tried, each once, for
        nothing was sent. Envoy gives up unless a retry policy says otherwise (``docs/differences.md``).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from shifter.model.address import Address
from shifter.model.cluster import Cluster, LbEndpoint
from shifter.routing.retry import Reached
from shifter.upstream.balance import Balancer, make_balancer
from shifter.upstream.discovery import Discovery
from shifter.upstream.host import Health, Host
from shifter.upstream.interfaces import Failed, FailureKind, LeaseFailed, PickContext, UpstreamStream
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
        "_balancer", "_detector", "_discovery", "_log_outlier", "_pools", "_registry", "_unwatch", "available",
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
        self._balancer: Balancer[EndpointPool] = make_balancer(config)
        self._pools: dict[Address, EndpointPool] = {}
        self._unwatch: dict[Address, Callable[[], None]] = {}
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
        hosts = [pool.host for pool in self._pools.values()]
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
        for address in self._pools:
            self._registry.release(self.state, self.config.protocol, address)
        for unwatch in self._unwatch.values():
            unwatch()
        self._pools = {}
        self._unwatch = {}
        self._balance([])

    def update(self, endpoints: Iterable[LbEndpoint]) -> None:
        """Serve these endpoints from now on; an address named twice counts once, with both weights."""
        weights: dict[Address, int] = {}
        named: dict[Address, LbEndpoint] = {}
        for endpoint in endpoints:
            weights[endpoint.address] = weights.get(endpoint.address, 0) + endpoint.weight
            named[endpoint.address] = endpoint
        gone = [address for address in self._pools if address not in named]
        now = self._registry.now
        for address, endpoint in named.items():
            pool = self._pools.get(address)
            if pool is None:
                pool = self._pools[address] = self._registry.hold(self.state, self.config.protocol, address)
                self._unwatch[address] = pool.host.watch(self._health_changed)
            pool.host.describe(endpoint, weights[address], now)
            pool.address_text = pool.host.address_text
        leaving = [self._pools.pop(address) for address in gone]
        for address in gone:
            self._unwatch.pop(address)()
        self._balance([self._pools[address] for address in named])
        if self._detector is not None:
            self._detector.watch([pool.host for pool in self._pools.values()])
        self.state.stats.membership_change += 1
        for pool in leaving:
            self._registry.release(self.state, self.config.protocol, pool.address)

    def _health_changed(self, host: Host) -> None:
        self._balance(list(self._pools.values()))

    def _balance(self, pools: list[EndpointPool]) -> None:
        self._balancer.update(pools)
        self.available = any(pool.host.health is not Health.UNHEALTHY for pool in pools)

    @property
    def pools(self) -> Iterable[EndpointPool]:
        """The endpoints that are being balanced over, whatever their health."""
        return self._pools.values()

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
        return f"<LiveCluster {self.name} endpoints={len(self._pools)}>"


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
