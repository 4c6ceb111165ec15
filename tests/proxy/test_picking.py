"""What a request asks of the load balancer: only what that looks at, and what filters say before what the route says."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from xxhash import xxh64_intdigest

from shifter.model.cluster import Cluster
from shifter.model.load_balancing import LbPolicy, LbSubsetConfig
from shifter.model.route import HashPolicy, HashSource, RouteAction, WeightedCluster
from shifter.proxy.picking import Picking
from shifter.upstream.interfaces import Criteria
from shifter.upstream.load_balancer import criteria_of
from shifter.wire.events import RequestHead

DOWNSTREAM = cast("Any", SimpleNamespace(runtime=SimpleNamespace(worker=SimpleNamespace(random=lambda: 1))))
BY_USER = (HashPolicy(HashSource.HEADER, b"x-user"),)


def head(block: bytes = b"") -> RequestHead:
    return RequestHead(b"GET", b"/", b"h.test", block)


SUBSETS = Cluster("c", subsets=LbSubsetConfig())


@pytest.mark.parametrize(
    ("cluster", "asks"),
    [
        (Cluster("c"), False),
        (Cluster("c", lb_policy=LbPolicy.RING_HASH), True),
        (Cluster("c", lb_policy=LbPolicy.MAGLEV), True),
        (SUBSETS, True),
    ],
)
def test_only_what_the_cluster_looks_at_is_asked(cluster: Cluster, asks: bool) -> None:
    action = RouteAction((), hash_policy=BY_USER, metadata_match={"version": "1"})
    assert Picking(action, WeightedCluster("c", 1), cluster).asks is asks


def test_the_hash_is_that_of_the_policy() -> None:
    picking = Picking(RouteAction((), hash_policy=BY_USER), WeightedCluster("c", 1), Cluster("c", lb_policy=LbPolicy.RING_HASH))
    context, cookies = picking.context(head(b"\r\nx-user: ann"), DOWNSTREAM)
    assert (context.hash, context.criteria, cookies) == (xxh64_intdigest(b"ann"), None, b"")


@pytest.mark.parametrize(
    ("wanted", "said", "expected"),
    [
        (None, None, None),
        ({"version": "1"}, None, criteria_of({"version": "1"})),
        ({"version": "1"}, {"other": {"version": "2"}}, criteria_of({"version": "1"})),
        (None, {"envoy.lb": {"version": "2"}}, criteria_of({"version": "2"})),
        ({"version": "1", "a": 1}, {"envoy.lb": {"version": "2", "stage": True}}, criteria_of({"a": 1, "stage": True, "version": "2"})),
    ],
)
def test_filters_say_more_than_the_route(
    wanted: dict[str, object] | None, said: dict[str, dict[str, object]] | None, expected: Criteria | None
) -> None:
    request = head()
    request.metadata = said
    context, _ = Picking(RouteAction((), metadata_match=wanted), WeightedCluster("c", 1), SUBSETS).context(request, DOWNSTREAM)
    assert context.criteria == expected
