"""Connections that are opened ahead of need (``Cluster.PreconnectPolicy``).

Rule 1. Each request that begins is the occasion: its endpoint is given connections for what is under way there, and with
        ``predictive_preconnect_ratio`` so is the endpoint that is due next.
Rule 2. As in Envoy, one request opens three at most, none to a host that is not healthy, and none beyond the circuit breaker.
Rule 3. Idle connections count as well as those being made: there are never more than the ratio asks for.
"""

from collections.abc import Callable
from itertools import islice

from shifter.model.cluster import Cluster, PreconnectPolicy
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import Discovery
from shifter.upstream.health_check import WriteHealthCheckEvent
from shifter.upstream.interfaces import PickContext
from shifter.upstream.leasing import Leasing
from shifter.upstream.outlier_events import OutlierEvent
from shifter.upstream.pool import EndpointPool
from shifter.upstream.registry import Registry

_AT_MOST = 3
_NOTHING_AHEAD = PreconnectPolicy()


def make_cluster(
    config: Cluster,
    registry: Registry,
    discovery: Discovery,
    log_outlier: Callable[[str, OutlierEvent], object] | None = None,
    log_check: WriteHealthCheckEvent | None = None,
) -> LiveCluster:
    """Return the live cluster for *config*: one that connects ahead only where that is asked for."""
    kind = LiveCluster if config.preconnect == _NOTHING_AHEAD else PreconnectingCluster
    return kind(config, registry, discovery, log_outlier, log_check)


class PreconnectingCluster(LiveCluster):
    """See the module."""

    __slots__ = ()

    def pick(self) -> EndpointPool | None:
        pool = super().pick()
        if pool is not None:
            self.ahead(pool, self)
        return pool

    def pick_for(self, context: PickContext) -> EndpointPool | None:
        pool = super().pick_for(context)
        if pool is not None:
            self.ahead(pool, self)
        return pool

    def ahead(self, pool: EndpointPool, leasing: Leasing) -> None:
        policy = self.config.preconnect
        for _ in range(_AT_MOST):
            if not pool.preconnect(policy.per_upstream_preconnect_ratio):
                break
        ratio = policy.predictive_preconnect_ratio
        if ratio > 1:
            resources = leasing.resources
            for another in islice(leasing.others(pool), _AT_MOST):
                wanted = (resources.requests + resources.pending_requests + 1) * ratio
                if wanted <= pool.places(resources.connections) or not another.preconnect(ratio):
                    break
