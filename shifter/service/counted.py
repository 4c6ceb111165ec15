"""What the data path of one process has counted, and what it serves.

Rule 1. A report is made part by part, so that a thousand clusters keep nobody waiting (`Counted.reporting`).
Rule 2. It only looks: nothing that serves is changed by it.
"""

import resource
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Snapshot
from shifter.model.report import ClusterReport, HttpReport, ListenerReport, Part, Report, TcpReport, VirtualClusterReport
from shifter.model.steps import Steps
from shifter.net.listen import ListeningPort
from shifter.observe.histogram import Histogram
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import histograms_of
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.listener import ListenerRuntime
from shifter.proxy.tcp_proxy import TcpProxyRuntime
from shifter.proxy.virtual_clusters import names_of, stats_of
from shifter.proxy.worker import Worker
from shifter.service.access_logs import AccessLogs
from shifter.service.clusters import Clusters
from shifter.service.server_tls import HeldTls, certificates_in


@dataclass(frozen=True, slots=True)
class Around:
    """What is looked at: collections of the data path, which goes on changing them. ``leaving`` are listeners that are gone and have
    connections left."""

    worker: Worker
    runtimes: Mapping[SocketAddress, ListenerRuntime]
    ports: Mapping[SocketAddress, ListeningPort]
    leaving: Sequence[ListenerRuntime]
    clusters: Clusters
    access_logs: AccessLogs


class Counted:
    """See the module."""

    def __init__(self, stats: ServerStats, wall: Callable[[], float], around: Around) -> None:
        self._stats = stats
        self._wall = wall
        self._around = around
        self._tls: Collection[HeldTls] = ()
        self._discovered: Collection[str] = ()

    def serve(self, snapshot: Snapshot, tls: Collection[HeldTls]) -> None:
        """*snapshot* is served from now on; *tls* is what its filter chains shake hands with."""
        self._tls = tls
        self._discovered = {one.name for one in snapshot.documents.clusters}

    def reporting(self) -> Steps[Report]:
        """See `DataPlane.reporting`."""
        stats = self._stats
        stats.listeners_draining = len(self._around.leaving)
        self._around.access_logs.count(stats)
        parts: list[Part] = []
        for part in self.parts():
            parts.append(part)
            yield
        listeners = [part for part in parts if isinstance(part, ListenerReport)]
        managers = [part for part in parts if isinstance(part, HttpReport)]
        tcp = [part for part in parts if isinstance(part, TcpReport)]
        clusters = [part for part in parts if isinstance(part, ClusterReport)]
        contexts = [*(held.current for held in self._tls), *self._around.clusters.registry.client_contexts()]
        certificates = [known for one in contexts if (known := certificates_in(one)) is not None]
        yield
        memory = {"physical_size": _resident()}
        named = self._virtual_clusters()
        return stats.report(self._wall(), listeners, managers, clusters, named, tcp=tcp, certificates=certificates, memory=memory)

    def parts(self) -> Iterator[Part]:
        """See `DataPlane.parts`."""
        for address, runtime in list(self._around.runtimes.items()):
            port = self._around.ports.get(address)
            at = port.address if port else address
            yield runtime.listener_stats.report(runtime.listener.name, at.host, at.port)
            for service in list(runtime.services.values()):
                if isinstance(service, ConnectionManager):
                    yield service.report()
                elif isinstance(service, TcpProxyRuntime):
                    yield service.measure().report(service.settings.stat_prefix, runtime.listener.name)
        for cluster in list(self._around.clusters.serving.values()):
            report = cluster.report()
            yield replace(report, added_via_api=True) if cluster.name in self._discovered else report

    def histograms(self) -> Iterator[Histogram]:
        """Iterate over all histograms that something is recorded in."""
        for runtime in list(self._around.runtimes.values()):
            yield from histograms_of(runtime.listener_stats)
            for manager in managers_of(runtime):
                yield from histograms_of(manager.stats)
        for cluster in list(self._around.clusters.serving.values()):
            yield from histograms_of(cluster.state.stats)
        for one in list(self._around.worker.virtual_clusters.values()):
            yield from histograms_of(one)

    def _virtual_clusters(self) -> list[VirtualClusterReport]:
        """What is counted under the names that the present configuration has."""
        managers = [manager for runtime in self._around.runtimes.values() for manager in managers_of(runtime)]
        hosts = [host for manager in managers for host in manager.tree.config.virtual_hosts]
        names = dict.fromkeys((host.name, name) for host in hosts for name in names_of(host))
        counted = self._around.worker.virtual_clusters
        return [stats_of(counted, host, name).report(host, name) for host, name in names]


def managers_of(runtime: ListenerRuntime) -> Iterator[ConnectionManager]:
    """Iterate over the connection managers among what *runtime* serves."""
    return (service for service in runtime.services.values() if isinstance(service, ConnectionManager))


def _resident() -> int:
    """Bytes of memory that this process occupies now (Linux)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
