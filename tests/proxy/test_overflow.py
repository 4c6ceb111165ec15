"""Each circuit breaker of each priority, as a client meets it."""

from dataclasses import replace

import pytest

from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds
from shifter.model.route import Route
from tests.support.proxies import ONE, Proxy, forward, get, local

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
REFUSED = local(
    b"503 Service Unavailable",
    b"upstream connect error or disconnect/reset before headers. reset reason: overflow",
    b"\r\nx-envoy-overloaded: true",
)
DEFAULT, HIGH = "default", "high"


def urgent(route: Route) -> Route:
    return replace(route, action=replace(route.action, high_priority=True))  # type: ignore[arg-type]  # it forwards


def made(priority: str, limits: Thresholds) -> Proxy:
    """A proxy whose cluster has *limits* for *priority*; ``/high`` is the route of high priority."""
    breakers = CircuitBreakers(limits) if priority == DEFAULT else CircuitBreakers(high=limits)
    cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), circuit_breakers=breakers)
    return Proxy((forward(b"/default", "one"), urgent(forward(b"/high", "one"))), clusters=(cluster,))


def path(priority: str) -> bytes:
    return f"/{priority}".encode()


@pytest.mark.parametrize(
    ("limits", "requests", "counter"),
    [
        (Thresholds(max_requests=2), 2, "upstream_rq_active_overflow"),
        (Thresholds(max_connections=2, max_pending_requests=1), 3, "upstream_rq_pending_overflow"),
        (Thresholds(max_pending_requests=0), 0, "upstream_rq_pending_overflow"),
    ],
)
@pytest.mark.parametrize("priority", [DEFAULT, HIGH])
def test_too_many(priority: str, limits: Thresholds, requests: int, counter: str) -> None:
    proxy = made(priority, limits)
    held = [proxy.connect(get(path(priority))) for _ in range(requests)]
    assert [client.take() for client in held] == [b""] * requests
    stats = proxy.clusters["one"].state.stats
    refused = proxy.connect(get(path(priority)))
    assert refused.take() == REFUSED
    assert proxy.lines[0].split()[3:5] == ["503", "UO"]
    assert "upstream_reset_before_response_started{overflow}" in proxy.lines[0]
    assert (stats.upstream_rq_active_overflow, stats.upstream_rq_pending_overflow) == ((1, 0) if "active" in counter else (0, 1))
    # the other priority has room
    other = proxy.connect(get(path(HIGH if priority == DEFAULT else DEFAULT)))
    proxy.backend.say(EMPTY)
    assert other.take().startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("priority", [DEFAULT, HIGH])
def test_connections_are_limited_and_the_rest_waits(priority: str) -> None:
    proxy = made(priority, Thresholds(max_connections=2))
    clients = [proxy.connect(get(path(priority))) for _ in range(5)]
    assert len(proxy.backends) == 2
    stats = proxy.clusters["one"].state.stats
    assert (stats.upstream_cx_overflow, stats.upstream_rq_pending_active) == (3, 3)
    for _ in range(3):
        for backend in proxy.backends:
            if backend.take():
                backend.say(EMPTY)
    assert all(client.take().startswith(b"HTTP/1.1 200 OK\r\n") for client in clients)
    proxy.settled(c200=5)


def test_a_limit_that_is_lowered_holds_at_once_and_takes_nothing_away() -> None:
    proxy = made(DEFAULT, Thresholds())
    held = [proxy.connect(get(b"/default")) for _ in range(3)]
    cluster = proxy.clusters["one"]
    cluster.state.activate(replace(cluster.config, circuit_breakers=CircuitBreakers(Thresholds(max_requests=2))))
    assert proxy.connect(get(b"/default")).take() == REFUSED
    for backend in proxy.backends[:3]:
        assert backend.take()
        backend.say(EMPTY)
    assert all(client.take().startswith(b"HTTP/1.1 200 OK\r\n") for client in held)
    cluster.state.activate(replace(cluster.config, circuit_breakers=CircuitBreakers(Thresholds(max_requests=0))))
    assert proxy.connect(get(b"/default")).take() == REFUSED
    cluster.state.activate(cluster.config)
    client = proxy.connect(get(b"/default"))
    next(one for one in proxy.backends if b"GET" in one.take()).say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 OK\r\n")
    proxy.settled(c200=4, c503=2)
