"""Circuit breakers: what of a cluster is in use at one priority, and how much may be (Envoy's ``ResourceManager``).

Rule 1. Whoever takes something counts it here and gives it back exactly once; limits are compared with these figures only.
Rule 2. The limits are those of the latest configuration, from the moment it is in force: what is in use already stays.
"""

from shifter.model.cluster import RoutingPriority, Thresholds
from shifter.observe.stats import InUse


class Resources(InUse):
    """What requests of one priority use of a cluster, and their limits (``cluster.v3.CircuitBreakers.Thresholds``).

    ``requests`` and ``max_requests`` are compared where an endpoint is picked, ``connections`` and ``pending_requests`` in pools.
    """

    __slots__ = ("_budget", "max_connections", "max_connections_per_host", "max_pending_requests", "max_requests", "max_retries", "priority")

    def __init__(self, priority: RoutingPriority, limits: Thresholds, per_host: int | None = None) -> None:
        super().__init__()
        self.priority = priority
        self.limit(limits, per_host)

    def limit(self, limits: Thresholds, per_host: int | None = None) -> None:
        """Have *limits* hold from now on, and *per_host* connections to one host (``per_host_thresholds``)."""
        self.max_connections = limits.max_connections
        self.max_connections_per_host = per_host
        self.max_pending_requests = limits.max_pending_requests
        self.max_requests = limits.max_requests
        self.max_retries = limits.max_retries
        self._budget = limits.retry_budget

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
