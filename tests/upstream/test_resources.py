"""What is in use at one priority, and when there may be more."""

import pytest

from shifter.model.cluster import CircuitBreakers, Cluster, RetryBudget, RoutingPriority, Thresholds
from shifter.upstream.resources import ClusterState, Resources


def test_retries_up_to_their_number() -> None:
    resources = Resources(RoutingPriority.DEFAULT, Thresholds(max_retries=2))
    for _ in range(2):
        assert resources.may_retry()
        resources.begin_retry()
    assert not resources.may_retry()
    resources.end_retry()
    assert resources.may_retry()


def test_no_retries_at_all() -> None:
    assert not Resources(RoutingPriority.DEFAULT, Thresholds(max_retries=0)).may_retry()


@pytest.mark.parametrize(
    ("requests", "pending", "retries", "allowed"),
    [(0, 0, 2, True), (0, 0, 3, False), (20, 20, 7, True), (20, 20, 8, False), (19, 20, 7, False), (1, 1, 2, True)],
)
def test_a_budget_is_a_share_of_what_is_under_way_and_waiting(requests: int, pending: int, retries: int, allowed: bool) -> None:
    resources = Resources(RoutingPriority.DEFAULT, Thresholds(max_retries=0, retry_budget=RetryBudget(20.0, 3)))
    resources.requests, resources.pending_requests, resources.retries = requests, pending, retries
    assert resources.may_retry() is allowed


def test_limits_follow_the_configuration_and_what_is_in_use_stays() -> None:
    state = ClusterState(Cluster("c"))
    state.default.requests = state.high.retries = 5
    breakers = CircuitBreakers(Thresholds(max_requests=1, max_connections=2), Thresholds(max_retries=6, max_pending_requests=7), 8)
    state.activate(Cluster("c", circuit_breakers=breakers))
    default, high = state.of(RoutingPriority.DEFAULT), state.of(RoutingPriority.HIGH)
    assert (default.max_requests, default.max_connections, default.max_connections_per_host, default.requests) == (1, 2, 8, 5)
    assert (high.max_requests, high.max_pending_requests, high.max_connections_per_host) == (1024, 7, None)
    assert high.may_retry()
    high.begin_retry()
    assert not high.may_retry()
    assert repr(default) == "<Resources DEFAULT connections=0/2 pending=0/1024 requests=5/1 retries=0>"
