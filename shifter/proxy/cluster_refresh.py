"""Another cluster for another try (``RetryPolicy.refresh_cluster_on_retry``).

Rule 1. A retry chooses among the entries of the route again, by weight and a new random number, and leaves out those that this
        request has been to already. When it has been to all of them, all take part again, as in Envoy.
Rule 2. Entries whose cluster has no healthy host take part only when there are no others.
"""

from collections.abc import Collection, Sequence

from shifter.model.route import RouteAction, WeightedCluster
from shifter.proxy.cluster_choice import EntryLeaf
from shifter.routing.runtime import Runtime
from shifter.routing.weights import Split, have_weight, weights_now


class ClusterRefresh:
    """The entries of one route. ``leaves`` are theirs, in order, set once they are made."""

    __slots__ = ("_action", "_runtime", "leaves")

    def __init__(self, action: RouteAction, runtime: Runtime) -> None:
        self._action = action
        self._runtime = runtime
        self.leaves: Sequence[EntryLeaf] = ()

    def another(self, tried: Collection[WeightedCluster | None], random: int) -> EntryLeaf | None:
        """Return the leaf of the entry for the next try of a request that has been to those in *tried*; ``None`` when no entry has
        any weight at this moment. *random* is 63 random bits."""
        entries = list(zip(self.leaves, self._action.clusters, weights_now(self._action, self._runtime), strict=True))
        fresh = [(leaf, weight) for leaf, entry, weight in entries if not any(entry is one for one in tried)]
        healthy = [(leaf, weight) for leaf, weight in fresh if leaf.available]
        for choice in (healthy, fresh, [(leaf, weight) for leaf, _, weight in entries]):
            if have_weight([weight for _, weight in choice]):
                return Split(choice).at(random)
        return None
