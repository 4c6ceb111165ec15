"""What a change of configuration amounts to: a pure comparison that an operator can read."""

from dataclasses import dataclass, replace

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster
from shifter.model.listener import Listener, with_managers
from shifter.model.route import RouteConfiguration

_NO_ROUTES = RouteConfiguration()


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
    listener_changes: tuple[str, ...] = ()
    """What changed in each of ``listeners_kept``, in words; empty where nothing did."""

    def lines(self) -> list[str]:
        """Say it in words, one change a line."""
        text = [f"+ cluster {cluster.name}" for cluster in self.clusters_added if cluster.name not in self.clusters_removed]
        text += [f"~ cluster {cluster.name}" for cluster in self.clusters_added if cluster.name in self.clusters_removed]
        added = {cluster.name for cluster in self.clusters_added}
        text += [f"- cluster {name}" for name in self.clusters_removed if name not in added]
        text += [change for change in self.listener_changes if change]
        text += [f"+ listener {listener.name} on {listener.address}" for listener in self.listeners_added]
        text += [f"- listener on {address}" for address in self.listeners_removed]
        return text


def diff(old: Bootstrap | None, new: Bootstrap) -> Plan:
    """Return what leads from *old* (``None``: nothing runs yet) to *new*."""
    before = {cluster.name: cluster for cluster in old.clusters} if old else {}
    after = {cluster.name: cluster for cluster in new.clusters}
    addresses_before = {listener.address: listener for listener in old.listeners} if old else {}
    addresses_after = {listener.address for listener in new.listeners}
    return Plan(
        tuple(cluster for name, cluster in after.items() if before.get(name) != cluster),
        tuple(name for name, cluster in after.items() if before.get(name) == cluster),
        tuple(name for name, cluster in before.items() if after.get(name) != cluster),
        tuple(listener for listener in new.listeners if listener.address not in addresses_before),
        tuple(listener for listener in new.listeners if listener.address in addresses_before),
        tuple(address for address in addresses_before if address not in addresses_after),
        tuple(_changes(addresses_before[listener.address], listener) for listener in new.listeners if listener.address in addresses_before),
    )


def _changes(old: Listener, new: Listener) -> str:
    """Say what differs between two versions of a listener; empty when nothing does."""
    if old == new:
        return ""
    before, after = ([manager.route_config for manager in listener.managers] for listener in (old, new))
    routes = before != after
    others = _without_routes(old) != _without_routes(new)
    what = [word for word, changed in (("routes", routes), ("settings", others)) if changed]
    return f"~ {' and '.join(what)} of listener {new.name}"


def _without_routes(listener: Listener) -> Listener:
    return with_managers(listener, lambda manager: replace(manager, route_config=_NO_ROUTES))
