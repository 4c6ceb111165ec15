"""The data path of one process: everything that serves traffic, and the one seam through which it is led and read.

Rule 1. In come snapshots (`DataPlane.lay_out`, `DataPlane.warm`, `DataPlane.commit`) and the wish to stop (`DataPlane.drain`); out goes a
        `Report`. Nobody reaches past this class, so that it can run in a process of its own.
Rule 2. A snapshot is prepared beside the one that serves: sockets bound, names resolved, logs opened. Only then is it
        committed, which cannot fail.
Rule 3. What takes long because a configuration is large is done in slices (`service.slices`), for requests wait meanwhile: preparing
        the new one, and letting go of the old one. Between them is one moment, in which only what must change at once is changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.filters.api import FactoryContext
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Snapshot
from shifter.model.http_connection_manager import FileAccessLog, HttpConnectionManager
from shifter.model.listener import Listener
from shifter.model.report import Part, Report
from shifter.model.steps import Steps, at_once
from shifter.model.tcp_proxy import TcpProxy
from shifter.model.tls import SdsSource
from shifter.net.inherited import Handed
from shifter.net.listen import Listen, ListeningPort, listen
from shifter.net.own_address import own_address
from shifter.net.tcp import Network
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import HttpStats, ListenerStats, counter
from shifter.proxy.access_log import AccessLog
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.door import make_door
from shifter.proxy.door_h2 import take_over
from shifter.proxy.draining import Drain, DrainStrategy
from shifter.proxy.filterchain import FilterChain, making_chain
from shifter.proxy.listener import ChainKey, ListenerRuntime, Service, keyed_chains
from shifter.proxy.local_reply_config import LocalReplies
from shifter.proxy.tcp_proxy import Target, TcpProxyRuntime, targets
from shifter.proxy.tracing import Tracer
from shifter.proxy.tree import ListenerResource
from shifter.proxy.worker import DRAIN_TIME, TICK, Worker
from shifter.routing.release_split import Splits
from shifter.routing.runtime import Runtime
from shifter.routing.weights import Split
from shifter.service.access_logs import AccessLogs
from shifter.service.clusters import Clusters
from shifter.service.counted import Around, Counted, managers_of
from shifter.service.event_logs import EventLogs
from shifter.service.filewatch import FileWatch
from shifter.service.leftovers import taking_apart
from shifter.service.plan import Plan, comparing
from shifter.service.secrets import Secrets, sources_in
from shifter.service.server_tls import HeldTls
from shifter.service.slices import Slices
from shifter.service.spans import Spans
from shifter.service.statistics import Statistics
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.host import Health

S = TypeVar("S", bound=Service)
T = TypeVar("T")

_log = Logger()
_FLUSH_EVERY = 1.0


@dataclass(slots=True)
class PreparedManager:
    """A connection manager that is ready to serve."""

    tree: ListenerResource
    stats: HttpStats
    filters: FilterChain | None
    tracer: Tracer | None


@dataclass(slots=True)
class Prepared:
    """A snapshot that is ready to serve: what `DataPlane.commit` puts in place, or `DataPlane.discard` throws away."""

    snapshot: Snapshot
    plan: Plan
    secrets: int
    """What `Secrets.version` was when the first of them was used."""
    clusters: dict[str, LiveCluster] = field(default_factory=dict)
    fresh: list[LiveCluster] = field(default_factory=list)
    sockets: dict[SocketAddress, Any] = field(default_factory=dict)
    managers: dict[tuple[SocketAddress, ChainKey], "PreparedManager"] = field(default_factory=dict)
    tls: dict[tuple[SocketAddress, ChainKey], HeldTls] = field(default_factory=dict)
    targets: dict[tuple[SocketAddress, ChainKey], Split[Target]] = field(default_factory=dict)  # of TCP proxies


class DataPlane:
    """See the module. *dns_servers* are asked for clusters that name none (empty: the system's)."""

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        random: Callable[[], int],
        stats: ServerStats,
        dns_servers: Sequence[SocketAddress] = (),
        hostname: str = "-",
        *,
        listen: Listen = listen,
        drain_time: float = DRAIN_TIME,
    ) -> None:
        self._reactor = reactor
        self._wall = wall
        self._random = random
        self._stats = stats
        self._network = Network(reactor, monotonic)
        self._slices = Slices(reactor, monotonic)
        self._worker = Worker(self._network, random, wall, own_address().encode("ascii"))
        self._worker.drain_time = drain_time
        self._listen = listen
        files = FileWatch(reactor)
        self._event_logs = EventLogs(wall)
        self._clusters = Clusters(self._network, reactor, random, dns_servers, files, self._event_logs, self._slices, stats)
        self._runtime = self._clusters.registry.runtime
        self._secrets = Secrets(files, counter(stats.filters), (TlsMaterialError,))
        self._clusters.registry.fill = self._secrets.fill
        self._tls: dict[tuple[SocketAddress, ChainKey], HeldTls] = {}
        self._left: list[object] = []  # what nobody needs any more: of the old snapshot, and of listeners
        self._gone: list[object] = []
        self._ports: dict[SocketAddress, ListeningPort] = {}
        self._runtimes: dict[SocketAddress, ListenerRuntime] = {}
        self._leaving: list[ListenerRuntime] = []
        self._access_logs = AccessLogs(hostname, random, monotonic)
        self._spans = Spans(self._clusters.find, self._worker, self._runtime, counter(stats.filters))
        self.splits = Splits()
        """How releases share requests out; whoever leads one may set that before anything is served."""
        self._snapshot: Snapshot | None = None
        self._drained: list[Deferred[None]] = []
        self._drain: tuple[Drain | None, bool] = (None, False)
        self._failing = False
        self._make_door = make_door(take_over)
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = reactor
        self._flusher = LoopingCall(self._flush_logs)
        self._flusher.clock = reactor
        around = Around(self._worker, self._runtimes, self._ports, self._leaving, self._clusters, self._access_logs)
        self._counted = Counted(stats, wall, around)
        self._statistics = Statistics(reactor, monotonic, stats, self._counted.histograms, self.reporting, self.meanwhile)

    # leading it

    def start(self) -> None:
        """Begin to tick; nothing is served before the first `commit`."""
        self._ticker.start(TICK, now=False)
        self._flusher.start(_FLUSH_EVERY, now=False)
        self._statistics.start()

    def lay_out(self, snapshot: Snapshot) -> Prepared:
        """Make everything for *snapshot* that does not have to be waited for, beside what serves now.

        Raises `ListenError`, `AccessLogError` and `FilterError`; what had been made by then is undone.
        """
        return at_once(self._laying_out(snapshot))

    def prepare(self, snapshot: Snapshot) -> Deferred[Prepared]:
        """`lay_out` while requests are served. Cancelling it undoes what has been made."""
        return self._slices.run(self._laying_out(snapshot))

    def _laying_out(self, snapshot: Snapshot) -> Steps[Prepared]:
        bootstrap = snapshot.bootstrap
        plan = yield from comparing(self._snapshot.bootstrap if self._snapshot else None, bootstrap)
        prepared = Prepared(snapshot, plan, self._secrets.version)
        runtime = self._runtime
        if self._snapshot is None:
            runtime.take(bootstrap.runtime)  # nothing is served by it yet
        try:
            self._secrets.want(self._named_secrets() | sources_in(bootstrap))
            self._event_logs.prepare(bootstrap)
            self._access_logs.prepare(bootstrap, runtime)
            leaving = [self._ports[address] for address in plan.listeners_removed]
            for listener in plan.listeners_added:
                prepared.sockets[listener.address] = self._listen(listener.address, listener.backlog, listener.name, leaving)
            yield from self._clusters.making(plan, prepared.clusters, prepared.fresh)
            clusters = prepared.clusters
            before = self._snapshot.bootstrap if self._snapshot is not None else None
            same_clusters = not (plan.clusters_added or plan.clusters_removed)
            same_around = same_clusters and before is not None and before.node_cluster == bootstrap.node_cluster
            for listener in bootstrap.listeners:
                for key, chain in keyed_chains(listener):
                    if chain.tls is not None:
                        at = (listener.address, key)
                        prepared.tls[at] = HeldTls(chain.tls, self._secrets, self._tls.get(at))
                    if isinstance(chain.filter, TcpProxy):
                        prepared.targets[listener.address, key] = targets(chain.filter, clusters.__getitem__)
                    else:
                        served = self._served(ConnectionManager, listener.address, key)
                        stats = served.stats if served is not None else HttpStats()
                        tracer = self._spans.tracer(chain.filter, counter(stats.filters), bootstrap.node_id)
                        if served is not None and same_around and served.settings is chain.filter:
                            # only runtime values are others, or another listener: these are asked for when they are needed
                            prepared.managers[listener.address, key] = PreparedManager(served.tree, stats, served.filters, tracer)
                            continue
                        prepared.managers[listener.address, key] = PreparedManager(
                            (yield from ListenerResource.in_steps(chain.filter, clusters.__getitem__, runtime, self.splits.of)),
                            stats,
                            (yield from self._making_chain(chain.filter, stats, runtime, bootstrap.node_cluster)),
                            tracer,
                        )
                        if chain.filter.local_reply is not None:
                            # made again by `commit`, which is too late to find out that it cannot be made
                            LocalReplies(chain.filter.local_reply, runtime, self._random)
        except BaseException:  # also when it is closed
            self.discard(prepared)
            raise
        return prepared

    def warm(self, prepared: Prepared) -> Deferred[Prepared]:
        """Wait until the endpoints of new clusters are found and have been checked once, for `clusters.WARMING_DEADLINE` at most."""
        return self._clusters.warm(prepared.fresh).addCallback(lambda _: prepared)

    def discard(self, prepared: Prepared) -> None:
        """Undo `lay_out`."""
        self._clusters.discard(prepared.fresh)
        for sock in prepared.sockets.values():
            sock.close()
        for address in prepared.plan.listeners_removed if prepared.sockets else ():
            self._ports[address].share(False)
        self._access_logs.discard()
        self._event_logs.discard()
        self._secrets.want(self._named_secrets())

    def commit(self, prepared: Prepared) -> None:
        """Serve *prepared*, which is warm, from the next request on. `let_go` does the rest."""
        plan = prepared.plan
        before = self._snapshot
        self._left += [before, *(thing for runtime in self._runtimes.values() for thing in self._trees(runtime))]
        self._access_logs.commit()
        self._event_logs.commit(prepared.snapshot.bootstrap)
        self._runtime.take(prepared.snapshot.bootstrap.runtime)
        self._clusters.commit(plan, prepared.clusters, prepared.fresh)
        self._tls = prepared.tls
        for listener in plan.listeners_kept:
            runtime = self._runtimes[listener.address]
            services = self._services(listener, prepared, runtime.listener_stats)
            tls = self._secured(listener, runtime.listener_stats)
            runtime.configure(listener, services, tls=tls, access_logs=self._logs_of(listener.access_log, b"NotSet"))
            port = self._ports[listener.address]
            port.buffer_limit = listener.per_connection_buffer_limit_bytes
            port.resize(listener.backlog)
        for listener in plan.listeners_added:
            listener_stats = ListenerStats()
            runtime = ListenerRuntime(
                listener,
                self._services(listener, prepared, listener_stats),
                self._worker,
                listener_stats,
                tls=self._secured(listener, listener_stats),
                access_logs=self._logs_of(listener.access_log, b"NotSet"),
                count=counter(self._stats.filters),
            )
            self._runtimes[listener.address] = runtime
            self._worker.listeners.append(runtime)
            port = ListeningPort(self._network, prepared.sockets[listener.address], runtime.accept, listener.backlog)
            port.buffer_limit = listener.per_connection_buffer_limit_bytes
            self._ports[listener.address] = port
            port.start()
            _log.info("listening on {address} ({name})", address=str(port.address), name=listener.name)
        for address in plan.listeners_removed:
            self._ports.pop(address).stop()
            runtime = self._runtimes.pop(address)
            runtime.drain()
            self._leaving.append(runtime)
        self._tell_runtimes()
        self._statistics.configure(prepared.snapshot.bootstrap.stats)
        if self._snapshot is None:
            self._stats.initialization_time_ms.record((self._wall() - self._stats.started) * 1000)
        self._snapshot = prepared.snapshot
        self._counted.serve(prepared.snapshot, self._tls.values())
        self._secrets.users = [self._clusters.registry.refill, *(held.refill for held in self._tls.values())]
        self._secrets.want(self._named_secrets())
        if self._secrets.version != prepared.secrets:
            self._secrets.tell_users()  # of what has changed while this was prepared
        stats = self._stats
        stats.listener_added += len(plan.listeners_added)
        stats.listener_modified += len(plan.listeners_kept)
        stats.listener_removed += len(plan.listeners_removed)
        if before is not None and before.bootstrap.runtime != prepared.snapshot.bootstrap.runtime:
            self._clusters.rebalance()

    def let_go(self, things: list[object]) -> Deferred[None]:
        """Let go of what only the old snapshot used, behind a `commit`, and of *things*, which is empty then; fires when that is done.

        No other snapshot may be prepared before.
        """
        self._left += things
        things.clear()
        return self._slices.run(self._letting_go()).addErrback(_not_cancelled)

    def meanwhile(self, steps: Steps[T]) -> Deferred[T]:
        """Do some work in slices between requests; it is cancelled when the process ends."""
        return self._slices.run(steps)

    def _letting_go(self) -> Steps[None]:
        yield from self._clusters.letting_go()
        yield from taking_apart(self._left)

    def stop_accepting(self, inbound_only: bool = False) -> None:
        """Close the listening sockets (*inbound_only*: those of listeners for inbound traffic); connections go on."""
        for address in self._concerned(inbound_only):
            self._ports[address].stop()

    def tell(self, strategy: DrainStrategy, seconds: float, inbound_only: bool = False) -> None:
        """Have answers end their connections from now on, as `proxy.draining` says; connections go on to come."""
        self._drain = Drain(strategy, self._worker.monotonic(), seconds, self._random), inbound_only
        self._tell_runtimes()

    def fail_health_checks(self, failing: bool) -> None:
        """Answer health checks with 503 while *failing*, and end each connection behind its next answer."""
        self._failing = failing
        self._tell_runtimes()

    def drain_listeners(self, inbound_only: bool = False) -> None:
        """Accept no more connections, close each behind its next answer."""
        self.stop_accepting(inbound_only)
        for address in self._concerned(inbound_only):
            self._runtimes[address].drain()
        self._spans.flush(now=True)  # while there is time for an answer

    def drain(self) -> Deferred[None]:
        """`drain_listeners`, all of them; fires when no connection is left."""
        self.drain_listeners()
        return self.emptied()

    def emptied(self) -> Deferred[None]:
        """Fire when no connection is left."""
        if self._finished():
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._drained.append(waiting)
        return waiting

    def _finished(self) -> bool:
        """Whether no connection is left, and all that is to be told of them is told."""
        if self._connections():
            return False
        self._spans.flush(now=True)
        return not self._spans.busy

    def reopen_logs(self) -> None:
        """Open the files of all logs anew by their names, for who rotates them."""
        self._access_logs.reopen()
        self._event_logs.reopen()

    def lacking_secrets(self) -> list[str]:
        """Return a line for each secret that is wanted and has not come."""
        return self._secrets.lacking()

    def stop(self) -> None:
        """Drop what is left and let go of the reactor."""
        self._slices.stop()
        for port in self._ports.values():
            port.close()
        for runtime in [*self._runtimes.values(), *self._leaving]:
            runtime.drop()
        self._spans.flush(now=True)
        self._network.flush()
        self._clusters.stop()
        self._network.flush()
        for looping in (self._ticker, self._flusher):
            if looping.running:
                looping.stop()
        self._statistics.stop()
        self._access_logs.close()
        self._event_logs.close()
        self._secrets.stop()
        self._network.close()

    # reading it

    @property
    def sockets(self) -> list[Handed]:
        """Copies of the listening sockets, for somebody else."""
        return [Handed(port.copy(), address, self._runtimes[address].listener.name) for address, port in self._ports.items() if port.open]

    @property
    def connections(self) -> int:
        """How many client connections are open."""
        return self._connections()

    @property
    def addresses(self) -> dict[str, SocketAddress]:
        """Where each listener listens, by name: the port is the real one where the configuration says 0."""
        return {self._runtimes[address].listener.name: port.address for address, port in self._ports.items()}

    def monotonic(self) -> float:
        """Return the time by which requests are measured, in seconds."""
        return self._worker.monotonic()

    def healthy_endpoints(self, cluster: str) -> tuple[int, int]:
        """Return how many endpoints of *cluster* are healthy, or degraded, and how many there are; none of one that is not served."""
        found = self._clusters.find(cluster)
        hosts = [pool.host for pool in found.pools] if found is not None else []
        return sum(host.health is not Health.UNHEALTHY for host in hosts), len(hosts)

    def codes(self, cluster: str) -> Mapping[int, int]:
        """Return how many of *cluster*'s requests ended with which status; 0 is none."""
        found = self._clusters.find(cluster)
        return dict(found.state.stats.codes) if found is not None else {}

    def report(self) -> Report:
        """Return what this process has counted, and what it serves."""
        return at_once(self.reporting())

    def reporting(self) -> Steps[Report]:
        """Make a `report` part by part: who has it done `meanwhile` keeps nobody waiting. Parts may be a few milliseconds apart."""
        return self._counted.reporting()

    def parts(self) -> Iterator[Part]:
        """Iterate over what `report` says of listeners, of what they do with connections, and of clusters, each when it is asked for.

        Who goes through them a few at a time does not keep traffic waiting.
        """
        return self._counted.parts()

    # inside

    def _named_secrets(self) -> set[SdsSource]:
        """The secrets in files that the configuration in force names."""
        return sources_in(self._snapshot.bootstrap) if self._snapshot is not None else set()

    def _secured(self, listener: Listener, stats: ListenerStats) -> dict[ChainKey, HeldTls]:
        """Return what the filter chains of *listener* that speak TLS shake hands with from now on."""
        held = {key: self._tls[listener.address, key] for key, chain in keyed_chains(listener) if chain.tls is not None}
        for one in held.values():
            one.serve(stats)
        return held

    def _concerned(self, inbound_only: bool) -> list[SocketAddress]:
        """The listeners, or those of them that are for inbound traffic."""
        return [address for address, runtime in self._runtimes.items() if runtime.listener.inbound or not inbound_only]

    def _tell_runtimes(self) -> None:
        drain, inbound_only = self._drain
        if self._failing:
            drain, inbound_only = Drain(DrainStrategy.IMMEDIATE, 0.0, 0.0, self._random), False
        concerned = self._concerned(inbound_only)
        for address, runtime in self._runtimes.items():
            runtime.tell(drain if address in concerned else None)

    def _connections(self) -> int:
        return sum(runtime.connections for runtime in [*self._runtimes.values(), *self._leaving])

    def _trees(self, runtime: ListenerRuntime) -> Iterator[object]:
        """Return what is large of what *runtime* serves."""
        for manager in managers_of(runtime):
            yield manager.tree
            yield manager.filters

    def _served(self, kind: type[S], address: SocketAddress, key: ChainKey) -> S | None:
        """Return what serves the filter chain *key* of the listener at *address* now, if it is of that *kind*."""
        runtime = self._runtimes.get(address)
        service = runtime.services.get(key) if runtime is not None else None
        return service if isinstance(service, kind) else None

    def _services(self, listener: Listener, prepared: Prepared, stats: ListenerStats) -> dict[ChainKey, Service]:
        """Return what serves each filter chain of *listener* from now on: what has served it, configured anew, or something new."""
        services: dict[ChainKey, Service] = {}
        for key, chain in keyed_chains(listener):
            if isinstance(chain.filter, TcpProxy):
                services[key] = self._tcp_proxy(listener, key, chain.filter, prepared.targets[listener.address, key], stats)
                continue
            ready = prepared.managers[listener.address, key]
            logs = self._logs_of(chain.filter.access_log)
            served = self._served(ConnectionManager, listener.address, key)
            if served is not None:
                served.configure(listener, chain.filter, ready.tree, logs, ready.filters, chain)
            services[key] = manager = served or ConnectionManager(
                listener, chain.filter, self._worker, ready.tree, logs, self._make_door, ready.filters, ready.stats, stats, chain
            )
            starts = chain.filter.access_log if chain.filter.flush_access_log_on_new_request else ()
            manager.start_logs = tuple(self._logs_of(starts, b"DownstreamStart"))
            manager.trace(ready.tracer)
        return services

    def _tcp_proxy(
        self, listener: Listener, key: ChainKey, settings: TcpProxy, split: Split[Target], stats: ListenerStats
    ) -> TcpProxyRuntime:
        logs = self._logs_of(settings.access_log, b"TcpConnectionEnd")
        served = self._served(TcpProxyRuntime, listener.address, key)
        name = key[0] if isinstance(key[0], str) else ""
        if served is None:
            return TcpProxyRuntime(listener, settings, self._worker, split, logs, stats, name)
        served.configure(listener, settings, split, logs, name)
        return served

    def _making_chain(
        self, manager: HttpConnectionManager, stats: HttpStats, runtime: Runtime, node_cluster: str
    ) -> Steps[FilterChain | None]:
        if not manager.http_filters:
            return None
        chain = yield from making_chain(
            manager,
            FactoryContext(
                name="",
                stat_prefix=manager.stat_prefix,
                monotonic=self._network.monotonic,
                wall=self._wall,
                call_later=self._reactor.callLater,
                random=self._random,
                runtime=runtime,
                count=counter(stats.filters),
                count_global=counter(self._stats.filters),
                node_cluster=node_cluster,
                failing=lambda: self._failing,
            ),
        )
        return chain

    def _logs_of(self, configs: Sequence[FileAccessLog], log_type: bytes = b"DownstreamEnd") -> list[AccessLog]:
        return self._access_logs.compile(configs, self._runtime, log_type)

    def _tick(self) -> None:
        worker = self._worker
        worker.tick()
        self._clusters.registry.tick(worker.now)
        if self._gone:
            self._slices.run(taking_apart(self._gone)).addErrback(_not_cancelled)
        for runtime in [runtime for runtime in self._leaving if not runtime.connections]:
            self._leaving.remove(runtime)
            worker.listeners.remove(runtime)
            self._gone += self._trees(runtime)
            runtime.services = {}
        if self._drained and self._finished():
            waiting, self._drained = self._drained, []
            for deferred in waiting:
                deferred.callback(None)
        self._network.flush()  # what timeouts wrote does not wait for the next event

    def _flush_logs(self) -> None:
        self._event_logs.flush()
        self._spans.flush(now=bool(self._drained))
        runtimes = [*self._runtimes.values(), *self._leaving]
        services = [service for runtime in runtimes for service in (*runtime.services.values(), *runtime.leaving)]
        logs = [*(service.access_logs for service in services), *(runtime.access_logs for runtime in runtimes)]
        self._access_logs.flush(access_log for one in logs for access_log in one)


def _not_cancelled(failure: Failure) -> None:
    """The process ends: what was to be done need not be."""
    failure.trap(CancelledError)
