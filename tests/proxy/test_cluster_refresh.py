"""Which entry of a route a request goes to when its try is made again."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.retry import RetryPolicy
from shifter.model.route import HashPolicy, HashSource, PathMatchKind, Route, RouteAction, RouteMatch, WeightedCluster
from shifter.proxy.cluster_refresh import ClusterRefresh
from shifter.routing.runtime import Runtime
from tests.support.proxies import Proxy, get


@dataclass
class Leaf:
    """As much of a leaf as is asked for."""

    entry: WeightedCluster
    available: bool = True


def refresh(weights: list[int], well: list[bool], runtime: Runtime | None = None, prefix: str = "") -> tuple[ClusterRefresh, list[Leaf]]:
    entries = tuple(WeightedCluster(f"c{number}", weight) for number, weight in enumerate(weights))
    made = ClusterRefresh(RouteAction(entries, runtime_key_prefix=prefix), runtime or Runtime())
    leaves = [Leaf(entry, fine) for entry, fine in zip(entries, well, strict=True)]
    made.leaves = leaves  # type: ignore[assignment]  # it asks for no more
    return made, leaves


@given(st.data(), st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), min_size=1, max_size=6), st.integers(0, 2**63))
def test_the_next_is_new_and_well_if_there_is_such_a_one(data: st.DataObject, entries: list[tuple[int, bool, bool]], random: int) -> None:
    made, leaves = refresh([weight for weight, _, _ in entries], [well for _, well, _ in entries])
    tried = [leaf.entry for leaf, (_, _, was) in zip(leaves, entries, strict=True) if was]
    found = made.another(tried, random)
    possible = [leaf for leaf in leaves if leaf.entry.weight]
    if not possible:
        assert found is None
        return
    fresh = [leaf for leaf in possible if not any(leaf.entry is entry for entry in tried)]
    assert found in ([leaf for leaf in fresh if leaf.available] or fresh or possible)


def test_weights_are_those_of_the_moment() -> None:
    runtime = Runtime((RuntimeLayer("admin", {"w.c0": 0, "w.c1": 0, "w.c2": 5}),))
    made, leaves = refresh([1, 1, 0], [True] * 3, runtime, "w")
    assert made.another([], 7) is leaves[2]  # type: ignore[comparison-overlap]  # a leaf of ours


def test_a_user_whose_version_is_dead_is_served_by_another() -> None:
    sticky = {"use_hash_policy": True, "hash_policy": (HashPolicy(HashSource.COOKIE, b"v", ttl=60.0),)}
    policy = RetryPolicy(frozenset(("5xx",)), 1, back_off_base=0.001, refresh_cluster_on_retry=True)
    action = RouteAction((WeightedCluster("one", 1), WeightedCluster("two", 1)), retry=policy, **sticky)  # type: ignore[arg-type]
    proxy = Proxy((Route(RouteMatch(PathMatchKind.PREFIX, b"/"), action),))
    client = proxy.connect(get(b"/"))
    proxy.backend.hang_up("reset")
    proxy.clock.advance(0)
    proxy.network.run()
    proxy.backend.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"\r\nset-cookie: v=") == 1
    served = [name for name in ("one", "two") if proxy.clusters[name].state.stats.codes]
    assert len(served) == 1
    assert proxy.clusters[served[0]].state.stats.upstream_rq_retry == 1
