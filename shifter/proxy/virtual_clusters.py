"""Requests that are counted under names of their own (``VirtualHost.virtual_clusters``).

Rule 1. The first whose conditions all fit counts; what fits none counts as ``other``, a name that no log shows.
Rule 2. What was counted outlives the configuration, as long as its names are in it.
"""

from collections.abc import Iterable

from shifter.model.route import VirtualCluster, VirtualHost
from shifter.observe.stats import VirtualClusterStats
from shifter.routing.virtual_clusters import OTHER, compile_virtual_clusters
from shifter.wire.events import RequestHead

VirtualClusterBook = dict[tuple[str, str], VirtualClusterStats]
"""The figures by the names of virtual host and virtual cluster."""


class VirtualClusters:
    """Those of one virtual host, compiled."""

    __slots__ = ("_host", "_name_of")

    def __init__(self, host: str, clusters: Iterable[VirtualCluster]) -> None:
        self._host = host
        self._name_of = compile_virtual_clusters(clusters)

    def of(self, head: RequestHead) -> str:
        """Return the name of the one that *head* belongs to; empty for none of them."""
        return self._name_of(head) or ""

    def stats(self, name: str, book: VirtualClusterBook) -> VirtualClusterStats:
        """Return the figures of the one called *name*, as `of` said."""
        return stats_of(book, self._host, name or OTHER)


def stats_of(book: VirtualClusterBook, host: str, name: str) -> VirtualClusterStats:
    """Return the figures of the virtual cluster *name* of the virtual host called *host*, new ones if it has none yet."""
    found = book.get((host, name))
    if found is None:
        found = book[host, name] = VirtualClusterStats()
    return found


def names_of(host: VirtualHost) -> list[str]:
    """Return the names that *host* counts under; none when it has no virtual clusters."""
    return [*dict.fromkeys(one.name for one in host.virtual_clusters), OTHER] if host.virtual_clusters else []
