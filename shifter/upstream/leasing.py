"""How a request comes to a stream on some endpoint of its cluster, on the connections that are for its like (`pool_key`).

Rule 1. Choosing is arithmetic and immediate (`Leasing.pick`), having mostly is (``EndpointPool.take``); only what has to be
        waited for is a Deferred (`Leasing.lease`).
Rule 2. An endpoint that cannot be connected to costs the request nothing but time: the next one is tried, each once, for
        nothing was sent. Envoy gives up unless a retry policy says otherwise (``docs/differences.md``).
Rule 3. An endpoint that leaves while requests wait for it, because it is ill or gone, sends them to look for another.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from shifter.model.cluster import Cluster
from shifter.routing.retry import Reached
from shifter.upstream.interfaces import Failed, FailureKind, HostLeft, LeaseFailed, PickContext, UpstreamStream
from shifter.upstream.load_balancer import Balancer
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.resources import ClusterState, Resources

if TYPE_CHECKING:
    from shifter.upstream.cluster import LiveCluster


class Leasing:
    """A cluster as requests with one `pool_key.PoolKey` see it. ``resources`` are the circuit breakers of their priority."""

    __slots__ = ("_balancer", "config", "name", "resources", "state")

    _balancer: Balancer[EndpointPool]

    def __init__(self, config: Cluster, state: ClusterState, resources: Resources) -> None:
        self.name = config.name
        self.config = config
        self.state = state
        self.resources = resources

    @property
    def key(self) -> PoolKey:
        """That of the requests."""
        return DEFAULT

    @property
    def available(self) -> bool:
        """Whether some host is not unhealthy. (In panic, requests also go to those that are.)"""
        raise NotImplementedError

    def of(self, key: PoolKey) -> "Leasing":
        """Return the cluster as requests with *key* see it."""
        raise NotImplementedError

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

    def lease(self, picked: EndpointPool | None, fresh: bool = False, context: PickContext | None = None) -> Deferred[UpstreamStream]:
        """Return a stream when there is one, on *picked* or, when that cannot be connected to, on another endpoint.

        Fails with `LeaseFailed`; cancelling ends the wait. *fresh* as in ``EndpointPool.lease``, *context* as in `pick_for`.
        """
        if picked is None and self.resources.requests >= self.resources.max_requests:
            picked = self.choose(context)
            if picked is not None and picked.ready:
                self.state.stats.upstream_rq_active_overflow += 1
                return fail(LeaseFailed(Failed(FailureKind.OVERFLOW, Reached.NOTHING_SENT)))
        if picked is not None:
            return self._one_after_the_other(picked, fresh, context)
        self.state.stats.upstream_cx_none_healthy += 1
        return fail(LeaseFailed(Failed(FailureKind.NO_HEALTHY_UPSTREAM, Reached.NOTHING_SENT)))

    def choose(self, context: PickContext | None) -> EndpointPool | None:
        """Choose an endpoint, however many requests are under way: there may be fewer when this one's turn has come, and what is no
        HTTP has no ``max_requests``."""
        return self._balancer.pick() if context is None else self._balancer.pick_for(context)

    def _one_after_the_other(self, pool: EndpointPool, fresh: bool, context: PickContext | None) -> Deferred[UpstreamStream]:
        others = self._untried(pool)

        def try_next(reason: Failure) -> Deferred[UpstreamStream]:
            error = reason.value
            if isinstance(error, HostLeft):
                return self._lease_or_take(self.pick() if context is None else self.pick_for(context), fresh, context)
            if isinstance(error, LeaseFailed) and error.failed.kind is not FailureKind.OVERFLOW:
                another = next(others, None)
                if another is not None:
                    stream = another.take()
                    return another.lease(fresh).addErrback(try_next) if stream is None else succeed(stream)
            return fail(reason)  # nobody is left, the cluster as a whole is full, or the wait was cancelled

        return pool.lease(fresh).addErrback(try_next)

    def _untried(self, first: EndpointPool) -> Iterator[EndpointPool]:
        """Yield the endpoints to try after *first*, each once; behind those there were, those that have come meanwhile."""
        tried = {first}
        before = 0
        while before < len(tried):
            before = len(tried)
            for one in self.others(first):
                if one not in tried and not one.draining:  # nobody looks after one that has left
                    tried.add(one)
                    yield one

    def _lease_or_take(self, pool: EndpointPool | None, fresh: bool, context: PickContext | None) -> Deferred[UpstreamStream]:
        stream = None if pool is None else pool.take()
        return self.lease(pool, fresh, context) if stream is None else succeed(stream)

    def others(self, first: EndpointPool) -> Iterator[EndpointPool]:
        """Yield the endpoints other than *first* that do as well as it, best first; it takes nobody's turn."""
        return self._balancer.order(first)


class BranchLeasing(Leasing):
    """The same cluster for requests that have connections of their own: its endpoints and its load balancer, with the branches of its
    pools. ``LiveCluster.of`` makes it."""

    __slots__ = ("_cluster", "_key")

    def __init__(self, cluster: "LiveCluster", key: PoolKey) -> None:
        super().__init__(cluster.config, cluster.state, cluster.state.of(key.priority))
        self._cluster = cluster
        self._key = key

    @property
    def key(self) -> PoolKey:
        return self._key

    @property
    def available(self) -> bool:
        return self._cluster.available

    def of(self, key: PoolKey) -> Leasing:
        return self._cluster.of(key)

    def pick(self) -> EndpointPool | None:
        resources = self.resources
        return None if resources.requests >= resources.max_requests else self.choose(None)

    def pick_for(self, context: PickContext) -> EndpointPool | None:
        resources = self.resources
        return None if resources.requests >= resources.max_requests else self.choose(context)

    def others(self, first: EndpointPool) -> Iterator[EndpointPool]:
        return (other.of(self._key) for other in self._cluster.others(first.trunk or first))

    def choose(self, context: PickContext | None) -> EndpointPool | None:
        pool = self._cluster.choose(context)
        if pool is None:
            return None
        branch = pool.of(self._key)
        self._cluster.ahead(branch, self)
        return branch
