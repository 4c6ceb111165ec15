"""Requests that are counted under a name of their own (``route.v3.VirtualCluster``)."""

from collections.abc import Callable, Iterable

from shifter.model.route import VirtualCluster
from shifter.routing.match import compile_header
from shifter.wire.events import RequestHead

OTHER = "other"
"""What requests are counted as where a virtual host has virtual clusters, and none of them fits."""


def compile_virtual_clusters(clusters: Iterable[VirtualCluster]) -> Callable[[RequestHead], str | None]:
    """Return a function that names the first of *clusters* whose conditions all hold; ``None`` is the name of none.

    Raises `RoutingError` for a regex that is no good.
    """
    compiled = [(cluster.name, tuple(compile_header(header) for header in cluster.headers)) for cluster in clusters]

    def name_of(head: RequestHead) -> str | None:
        for name, conditions in compiled:
            if all(condition(head) for condition in conditions):
                return name
        return None

    return name_of
