"""Circuit breakers: what of a cluster is in use at one priority, and how much may be (Envoy's ``ResourceManager``).

Rule 1. Whoever takes something counts it here and gives it back exactly once; limits are compared with these figures only.
Rule 2. The limits are those of the latest configuration, from the moment it is in force: what is in use already stays.
Rule 3. A connection's place that becomes free goes to the host that has wanted one longest, so that no host's requests wait
        for ever behind those of the others.
"""

from contextlib import suppress
from typing import Protocol

from shifter.model.cluster import Cluster, RoutingPriority, Thresholds
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.stats import ClusterStats, InUse
from shifter.upstream.transport_sockets import Around, TransportSockets


class Wanting(Protocol):
    """A pool in which requests wait for more connections than it may make."""

    def connect_for_waiting(self) -> bool:
        """Make another connection, if one is wanted still and may be made; return whether any more are wanted."""


class Resources(InUse):
    """What requests of one priority use of a cluster, and their limits (``cluster.v3.CircuitBreakers.Thresholds``).

    ``requests`` and ``max_requests`` are compared where an endpoint is picked, ``connections`` and ``pending_requests`` in pools.
    """

    __slots__ = (
        "_budget", "max_connections", "max_connections_per_host", "max_pending_requests", "max_requests", "max_retries", "priority",
        "wanting",
    )  # fmt: skip

    def __init__(self, priority: RoutingPriority, limits: Thresholds, per_host: int | None = None) -> None:
        super().__init__()
        self.priority = priority
        self.wanting: dict[Wanting, None] = {}
        self.limit(limits, per_host)

    def limit(self, limits: Thresholds, per_host: int | None = None) -> None:
        """Have *limits* hold from now on, and *per_host* connections to one host (``per_host_thresholds``)."""
        self.max_connections = limits.max_connections
        self.max_connections_per_host = per_host
        self.max_pending_requests = limits.max_pending_requests
        self.max_requests = limits.max_requests
        self.max_retries = limits.max_retries
        self._budget = limits.retry_budget
        self.offer()

    def offer(self) -> None:
        """Let pools connect that could not before, one connection each at a time: there is room, or may be."""
        wanting = self.wanting
        before = -1
        while wanting and self.connections != before:
            before = self.connections
            for pool in list(wanting):
                had = self.connections
                wants_more = pool.connect_for_waiting()
                if not wants_more or self.connections != had:
                    wanting.pop(pool, None)
                if wants_more:
                    wanting[pool] = None  # behind the others, if it got one

    def may_retry(self) -> bool:
        """Say whether one more request may wait for its retry. With a budget, that depends on what is under way and waiting now."""
        budget = self._budget
        if budget is None:
            return self.retries < self.max_retries
        allowed = int(budget.budget_percent / 100 * (self.requests + self.pending_requests))
        return self.retries < max(allowed, budget.min_retry_concurrency)

    def begin_retry(self) -> None:
        """A retry was decided on; it counts from its back-off until `end_retry`."""
        self.retries += 1

    def end_retry(self) -> None:
        """That retry is over, however."""
        self.retries -= 1

    def __repr__(self) -> str:
        return (
            f"<Resources {self.priority.value} connections={self.connections}/{self.max_connections} "
            f"pending={self.pending_requests}/{self.max_pending_requests} requests={self.requests}/{self.max_requests} "
            f"retries={self.retries}>"
        )


class ClusterState:
    """What all pools of a cluster share and what outlives its configurations: figures, and circuit breakers for each priority."""

    __slots__ = ("_around", "config", "default", "high", "name", "sockets", "stats")

    def __init__(self, config: Cluster, around: Around | None = None) -> None:
        breakers = config.circuit_breakers
        self.name = config.name
        self.config = config  # the latest one; timeouts are read from it
        self.default = Resources(RoutingPriority.DEFAULT, breakers.default, breakers.per_host_max_connections)
        self.high = Resources(RoutingPriority.HIGH, breakers.high)
        self.stats = ClusterStats(default=self.default, high=self.high)
        self._around = around or Around()
        self.sockets = TransportSockets(config, self.stats, self._around)

    def activate(self, config: Cluster, sockets: TransportSockets | None = None) -> bool:
        """Have *config* be in force, with its *sockets*: its timeouts and limits hold from now on. Return whether connections are to be
        made anew, for they would be others now."""
        kept = sockets is self.sockets or self.sockets.wraps_as(config)
        self.config = config
        if sockets is not self.sockets:
            self.sockets = sockets or self.sockets_for(config)
            with suppress(TlsMaterialError):  # a secret may have changed since they were made
                self.refill()
        self.default.limit(config.circuit_breakers.default, config.circuit_breakers.per_host_max_connections)
        self.high.limit(config.circuit_breakers.high)
        return not kept

    def sockets_for(self, config: Cluster) -> TransportSockets:
        """Return what the connections of *config* are made with: what there is, if that will do. Raises `TlsMaterialError`."""
        return self.sockets if self.sockets.fits(config) else TransportSockets(config, self.stats, self._around, self.sockets)

    def refill(self) -> None:
        """A secret that stands in a file has changed: the next connections have it. Raises `TlsMaterialError`; then nothing changes."""
        self.sockets.refill(self._around.fill)

    def of(self, priority: RoutingPriority) -> Resources:
        """Return the resources that requests of *priority* use."""
        return self.default if priority is RoutingPriority.DEFAULT else self.high

    @property
    def connections(self) -> int:
        """Connections open now, or being opened."""
        return self.default.connections + self.high.connections

    def __repr__(self) -> str:
        return f"<ClusterState {self.name} active={self.stats.upstream_rq_active} connections={self.connections}>"
