"""What a change of configuration amounts to: a pure comparison that an operator can read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap, Listener
from shifter.model.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from one configuration to the next.

    Clusters go by name; one whose definition changed is both added and removed (endpoints that stay keep their connections
    all the same). Listeners go by address: ``kept`` ones exchange what they serve, and nothing is closed.
    """

    clusters_added: tuple[Cluster, ...]
    clusters_kept: tuple[str, ...]
    clusters_removed: tuple[str, ...]
    listeners_added: tuple[Listener, ...]
    listeners_kept: tuple[Listener, ...]
    listeners_removed: tuple[SocketAddress, ...]

    def lines(self) -> list[str]:
        """Say it in words, one change a line."""
        text = [f"+ cluster {cluster.name}" for cluster in self.clusters_added if cluster.name not in self.clusters_removed]
        text += [f"~ cluster {cluster.name}" for cluster in self.clusters_added if cluster.name in self.clusters_removed]
        added = {cluster.name for cluster in self.clusters_added}
        text += [f"- cluster {name}" for name in self.clusters_removed if name not in added]
        text += [f"+ listener {listener.name} on {listener.address}" for listener in self.listeners_added]
        text += [f"- listener on {address}" for address in self.listeners_removed]
        return text


def diff(old: Bootstrap | None, new: Bootstrap) -> Plan:
    """Return what leads from *old* (``None``: nothing runs yet) to *new*."""
    before = _without_places(old.clusters) if old else {}
    after = _without_places(new.clusters)
    addresses_before = {listener.address for listener in old.listeners} if old else set()
    addresses_after = {listener.address for listener in new.listeners}
    return Plan(
        tuple(cluster for name, cluster in after.items() if before.get(name) != cluster),
        tuple(name for name, cluster in after.items() if before.get(name) == cluster),
        tuple(name for name, cluster in before.items() if after.get(name) != cluster),
        tuple(listener for listener in new.listeners if listener.address not in addresses_before),
        tuple(listener for listener in new.listeners if listener.address in addresses_before),
        tuple(sorted(addresses_before - addresses_after, key=str)),
    )


def _without_places(clusters: Iterable[Cluster]) -> Mapping[str, Cluster]:
    """Clusters by name, told apart by what they say and not by the line they say it on."""
    return {cluster.name: replace(cluster, place="") for cluster in clusters}
