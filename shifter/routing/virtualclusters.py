"""Requests that are counted under a name of their own (``route.v3.VirtualCluster``)."""

from collections.abc import Callable, Sequence

from shifter.model.route import VirtualCluster
from shifter.routing.match import compile_header
from shifter.wire.events import RequestHead

OTHER = "other"
"""Where a virtual host has virtual clusters and none of them fits."""


def compile_virtual_clusters(clusters: Sequence[VirtualCluster]) -> Callable[[RequestHead], str] | None:
    """Return a function that names the first of *clusters* whose conditions all hold, or `OTHER`; ``None`` where there are none.

    Raises `RoutingError` for a regex that is no good.
    """
    if not clusters:
        return None
    compiled = [(cluster.name, [compile_header(header) for header in cluster.headers]) for cluster in clusters]

    def name_of(head: RequestHead) -> str:
        for name, conditions in compiled:
            if all(condition(head) for condition in conditions):
                return name
        return OTHER

    return name_of
