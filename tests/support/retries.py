"""A proxy whose route tries again, and what the tests of that look at."""

from typing import Any

from shifter.model.cluster import Cluster
from shifter.model.retry import RetryPolicy
from tests.support.proxies import CLUSTERS, Proxy, forward, get

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
BAD = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad"


def retrying(*words: str, cluster: str = "one", clusters: tuple[Cluster, ...] = CLUSTERS, action: Any = None, **policy: Any) -> Proxy:
    """A proxy whose route retries; the next try begins in the same millisecond, unless the policy says otherwise."""
    if "back_off_base" not in policy:
        policy |= {"back_off_base": 0.001, "back_off_max": 0.001}
    route = forward(b"/", cluster, retry=RetryPolicy(frozenset(words or ("5xx",)), **policy), **(action or {}))
    return Proxy((route,), clusters, host={"include_request_attempt_count": True, "include_attempt_count_in_response": True})


def turn(proxy: Proxy) -> None:
    """Let the wait before the next try pass."""
    proxy.clock.advance(0)
    proxy.network.run()


def stats(proxy: Proxy, cluster: str = "one") -> dict[str, int]:
    """What was counted about retries."""
    counted = proxy.clusters[cluster].state.stats
    names = [name for name in dir(counted) if name.startswith("upstream_rq_") and ("retry" in name or "per_try" in name)]
    return {name.removeprefix("upstream_rq_"): getattr(counted, name) for name in names if getattr(counted, name)}


def post(length: int) -> bytes:
    """A POST whose body of that length is still to come."""
    return get(b"/", b"content-length: %d" % length, method=b"POST")
