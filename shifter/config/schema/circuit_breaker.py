"""Messages of ``CircuitBreakers``: how much of a cluster may be in use at once."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Message, UInt32, word
from shifter.config.schema.core import Percent
from shifter.model.cluster import RoutingPriority


class RetryBudget(Message):
    """``CircuitBreakers.Thresholds.RetryBudget``."""

    envoy = "envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget"

    budget_percent: Percent | None = None
    min_retry_concurrency: UInt32 | None = None


class Thresholds(Message):
    """``CircuitBreakers.Thresholds``."""

    envoy = "envoy.config.cluster.v3.CircuitBreakers.Thresholds"

    priority: Annotated[RoutingPriority, word(RoutingPriority)] = RoutingPriority.DEFAULT
    max_connections: UInt32 | None = None
    max_pending_requests: UInt32 | None = None
    max_requests: UInt32 | None = None
    max_retries: UInt32 | None = None
    retry_budget: RetryBudget | None = None
    track_remaining: Bool = False


class CircuitBreakers(Message):
    """``cluster.v3.CircuitBreakers``."""

    envoy = "envoy.config.cluster.v3.CircuitBreakers"

    thresholds: list[Thresholds] = Field(default_factory=list)
    per_host_thresholds: list[Thresholds] = Field(default_factory=list)
