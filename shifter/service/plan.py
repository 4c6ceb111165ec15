"""What a change of configuration amounts to: a pure comparison. In words it is `service.changes`."""

from dataclasses import dataclass

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster
from shifter.model.listener import Listener
from shifter.model.steps import Steps, at_once


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


def diff(old: Bootstrap | None, new: Bootstrap) -> Plan:
    """Return what leads from *old* (``None``: nothing runs yet) to *new*."""
    return at_once(comparing(old, new))


def comparing(old: Bootstrap | None, new: Bootstrap) -> Steps[Plan]:
    """`diff`, one cluster a step."""
    before = {cluster.name: cluster for cluster in old.clusters} if old else {}
    added: list[Cluster] = []
    kept: dict[str, None] = {}
    for cluster in {cluster.name: cluster for cluster in new.clusters}.values():
        yield
        if before.get(cluster.name) == cluster:
            kept[cluster.name] = None
        else:
            added.append(cluster)
    addresses_before = [listener.address for listener in old.listeners] if old else []
    addresses_after = {listener.address for listener in new.listeners}
    return Plan(
        tuple(added),
        tuple(kept),
        tuple(name for name in before if name not in kept),
        tuple(listener for listener in new.listeners if listener.address not in addresses_before),
        tuple(listener for listener in new.listeners if listener.address in addresses_before),
        tuple(address for address in addresses_before if address not in addresses_after),
    )
