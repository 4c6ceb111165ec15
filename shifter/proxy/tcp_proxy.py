"""The TCP proxy: what a filter chain does with connections whose bytes mean nothing to it (Envoy ``filters.network.tcp_proxy.v3``);
`tcp_session` is one of them.

Rule 1. A connection chooses its cluster by weight, and an endpoint by that cluster's load balancer. An endpoint that cannot be
        connected to costs one of ``max_connect_attempts``; each attempt chooses anew, cluster and endpoint, as in Envoy.
Rule 2. A cluster without a healthy host gives its share to the others while that lasts, in the proportions of their weights (not in
        Envoy; as with routes). It is counted (``upstream_rq_redistributed``).
Rule 3. A reload is for connections that come behind it. A chain that is gone keeps its connections for ``Worker.drain_time`` at most.
"""

from collections.abc import Callable, Sequence

from xxhash import xxh64_intdigest

from shifter.model.cluster import UpstreamProtocol
from shifter.model.listener import Listener
from shifter.model.load_balancing import LbPolicy
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.net.transport import Handler, Transport
from shifter.observe.logformat import LogEntry
from shifter.observe.stats import ListenerStats, TcpStats
from shifter.proxy.access_log import AccessLog
from shifter.proxy.draining import Drain
from shifter.proxy.tcp_session import TcpSession
from shifter.proxy.worker import Worker
from shifter.routing.weights import Split
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.interfaces import PickContext
from shifter.upstream.leasing import Leasing
from shifter.upstream.load_balancer.criteria import criteria_of, merged
from shifter.upstream.pool_key import PoolKey
from shifter.upstream.transport_sockets import speaks_proxy_protocol

_NEVER = float("inf")
_SOON = 20.0
"""A timeout below this is looked at on every tick, a longer one about once a second."""
_HASHING = (LbPolicy.RING_HASH, LbPolicy.MAGLEV)
_KEY = PoolKey(protocol=UpstreamProtocol.TCP)


class Target:
    """One of the clusters of a TCP proxy; ``leasing`` is ``None`` for one that does not exist."""

    __slots__ = ("_criteria", "_hashes", "_selects", "_tells_client", "asks", "leasing", "name")

    def __init__(self, settings: TcpProxy, entry: TcpCluster, cluster: LiveCluster | None) -> None:
        self.name = entry.name
        self.leasing: Leasing | None = cluster.of(_KEY) if cluster is not None else None
        self._tells_client = cluster is not None and speaks_proxy_protocol(cluster.config)
        self._hashes = cluster is not None and settings.hash_source_ip and cluster.config.lb_policy in _HASHING
        self._selects = cluster is not None and cluster.config.subsets is not None
        wanted = [criteria_of(one.metadata_match.get("envoy.lb", {})) for one in (settings, entry)]
        self._criteria = merged(*wanted) or None
        self.asks = self._hashes or self._selects

    @property
    def available(self) -> bool:
        """Whether the cluster has a host that is not unhealthy. One that does not exist gives nothing away."""
        return self.leasing is None or self.leasing.available

    def connections(self, client: Transport) -> Leasing | None:
        """Return the cluster with the connections that are for *client*: its own, where endpoints are told who it is."""
        if self.leasing is None or not self._tells_client:
            return self.leasing
        return self.leasing.of(PoolKey(protocol=UpstreamProtocol.TCP, client=(client.peer, client.local)))

    def context(self, client: Transport) -> PickContext | None:
        """Return what *client* asks of the load balancer."""
        if not self.asks:
            return None
        context = PickContext()
        if self._selects:
            context.criteria = self._criteria
        if self._hashes:
            context.hash = xxh64_intdigest(client.peer.host.encode("ascii"))
        return context

    def __repr__(self) -> str:
        return f"<Target {self.name}>"


class TcpProxyRuntime:
    """One TCP proxy at run time: its settings compiled, its figures, its open connections. A ``Service`` of a filter chain.

    *split* are its clusters (`targets`).
    """

    __slots__ = (
        "_drained_by", "_entry", "_next_id", "_split", "access_logs", "chain_name", "doors", "draining", "ended", "idle_timeout", "limit",
        "listener", "listener_stats", "settings", "soon", "stats", "worker",
    )  # fmt: skip

    def __init__(
        self,
        listener: Listener,
        settings: TcpProxy,
        worker: Worker,
        split: Split[Target],
        access_logs: Sequence[AccessLog],
        listener_stats: ListenerStats | None = None,
        chain_name: str = "",
    ) -> None:
        self.worker = worker
        self.stats = TcpStats()
        self.listener_stats = listener_stats if listener_stats is not None else ListenerStats()
        self.doors: set[TcpSession] = set()
        self.ended: Callable[[Transport], None] | None = None
        self.draining = False
        self._drained_by = _NEVER
        self._next_id = 0
        self._entry = LogEntry(0.0, b"", b"", b"")
        self.configure(listener, settings, split, access_logs, chain_name)

    def configure(
        self, listener: Listener, settings: TcpProxy, split: Split[Target], access_logs: Sequence[AccessLog], chain_name: str = ""
    ) -> None:
        """Serve this configuration from the next connection on."""
        self.listener = listener
        self.settings = settings
        self.access_logs = tuple(access_logs)
        self.chain_name = chain_name
        self._split = split
        self.idle_timeout = settings.idle_timeout or _NEVER
        self.limit = settings.max_downstream_connection_duration or _NEVER
        self.soon = min(self.idle_timeout, self.limit) < _SOON

    def accept(self, transport: Transport) -> Handler | None:
        """Return the handler for a connection that has come to this proxy."""
        self.stats.downstream_cx_total += 1
        session = TcpSession(self, transport)
        self.doors.add(session)
        session.connect()
        return session

    def choose(self) -> Target:
        """Return the cluster for a connection, by weight; rule 2."""
        number = self.worker.random()
        target = self._split.at(number)
        if target.available:
            return target
        other = self._split.among(number, _available)
        if other.available and target.leasing is not None:
            target.leasing.state.stats.upstream_rq_redistributed += 1
            return other
        return target

    def lost(self, session: TcpSession) -> None:
        """The client of *session* is gone: write that down."""
        self.listener_stats.downstream_cx_destroy += 1
        self.listener_stats.downstream_cx_length_ms.record((self.worker.monotonic() - session.started) * 1000)
        if self.ended is not None:
            self.ended(session.client)
        if self.access_logs:
            entry = session.describe(self._entry)
            for access_log in self.access_logs:
                access_log.write(entry)

    def next_connection_id(self) -> int:
        """Return a number that no other connection of this proxy has."""
        self._next_id += 1
        return self._next_id

    def sweep(self, now: float) -> None:
        """Have every connection look at its own timeouts (about once a second)."""
        over = self._drained_by <= now
        for session in list(self.doors):
            if over and not session.closing:
                self.stats.downstream_cx_drain_close += 1
                session.close()
            elif session.deadline <= now or session.touched + session.idle_timeout <= now:
                session.timed_out(now)

    def tell(self, drain: Drain | None) -> None:
        """There are no answers here."""

    def drain(self) -> None:
        """Let the connections go on, for ``Worker.drain_time`` at most: nobody can tell when one of them could be done without."""
        self.draining = True
        self._drained_by = self.worker.now + self.worker.drain_time

    def drop(self) -> None:
        """Close every connection now."""
        for session in list(self.doors):
            session.drop()

    def measure(self) -> TcpStats:
        """Return the figures, with what waits now."""
        stats = self.stats
        stats.downstream_cx_rx_bytes_buffered = sum(session.waiting for session in self.doors)
        stats.downstream_cx_tx_bytes_buffered = sum(session.unsent for session in self.doors)
        return stats

    def __repr__(self) -> str:
        return f"<TcpProxyRuntime {self.settings.stat_prefix} connections={len(self.doors)}>"


def targets(settings: TcpProxy, cluster_of: Callable[[str], LiveCluster]) -> Split[Target]:
    """Return the clusters of *settings* by their weights; *cluster_of* finds one by its name, or raises ``KeyError``. Raises
    `RoutingError` for weights that are none."""

    def target(entry: TcpCluster) -> Target:
        try:
            return Target(settings, entry, cluster_of(entry.name))
        except KeyError:
            return Target(settings, entry, None)

    return Split([(target(entry), entry.weight) for entry in settings.clusters])


def _available(target: Target) -> bool:
    return target.leasing is not None and target.leasing.available
