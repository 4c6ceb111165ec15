"""One listener at run time: it accepts connections, and hands each to the filter chain that fits it.

Rule 1. A filter chain is known by its key (``FilterChain.key``): one that a reload keeps goes on with its connections, one that is
        gone drains. One that gets TLS, or is rid of it, is another chain.
Rule 2. What a connection needs before it has a chain is decided when a configuration is taken. A listener with one chain for all, in
        the clear, hands connections on as they are accepted.
Rule 3. Every connection is counted once as come when it has a chain, and once as gone: by what serves it, or here when it never
        got there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from shifter.model.listener import FilterChain, FilterChainMatch, Listener
from shifter.net.transport import Handler, Transport
from shifter.observe import ssl_stats
from shifter.observe.logentry import LogEntry
from shifter.observe.stats import ListenerStats
from shifter.proxy.access_log import AccessLog
from shifter.proxy.draining import Drain
from shifter.proxy.handshake import NOT_READY, UPDATED, Handshake, ServerTls, Sparing, tell_failure
from shifter.proxy.inspection import AcceptedTransport, Count, Filters, Inspection
from shifter.proxy.worker import Worker
from shifter.routing.filter_chain_match import FilterChainIndex, Incoming

if TYPE_CHECKING:
    from shifter.net.tls_failure import TlsFailure

ChainKey = tuple[str | FilterChainMatch, bool, bool]
"""``FilterChain.key``, whether it is the default chain, and whether it speaks TLS."""

_PATIENCE = 1.0
"""Seconds that a connection has to say its first words to a listener that is going."""
_PATIENCE_WITH_HANDSHAKES = 5.0
"""Seconds that a handshake may take at such a listener."""


def keyed_chains(listener: Listener) -> Iterator[tuple[ChainKey, FilterChain]]:
    """Return the filter chains of *listener* with their keys."""
    for chain in listener.chains:
        yield (chain.key, chain is listener.default_filter_chain, chain.tls is not None), chain


class Service(Protocol):
    """What a filter chain does with its connections: a `ConnectionManager`, or a TCP proxy."""

    ended: Callable[[Transport], None] | None
    """Called when a connection is gone, where the listener wants to know."""

    @property
    def access_logs(self) -> Iterable[AccessLog]:
        """What it writes to."""

    @property
    def doors(self) -> Collection[object]:
        """The connections that are open."""

    def accept(self, transport: Transport) -> Handler | None:
        """Return the handler for a connection that was established; ``None`` to refuse it."""

    def sweep(self, now: float) -> None:
        """Have every connection look at its own timeouts (about once a second)."""

    def tell(self, drain: Drain | None) -> None:
        """Have answers end their connections as *drain* says, and no more (``None``)."""

    def drain(self) -> None:
        """Have every connection close as soon as nobody misses it."""

    def drop(self) -> None:
        """Close every connection now."""


class ChainRuntime:
    """One filter chain: what serves it, and how its connections are secured. ``timeout``: seconds that a handshake may take."""

    __slots__ = ("name", "service", "timeout", "tls")

    def __init__(self, chain: FilterChain, service: Service, tls: ServerTls | None) -> None:
        self.name = chain.name
        self.service = service
        self.tls = tls
        self.timeout = chain.transport_socket_connect_timeout

    def __repr__(self) -> str:
        return f"<ChainRuntime {self.name or 'unnamed'} {'TLS' if self.tls is not None else 'clear'}>"


Served = tuple[Incoming, ChainRuntime, float]
"""What the listener's log tells of a connection that is served; the last is since when it has been there."""


def _nowhere(name: str, by: int = 1) -> None:
    """Count nothing."""


class ListenerRuntime:
    """See the module. *services* are those of the filter chains, in their order, by key; *tls* is there for those that speak it.
    *access_logs* are those of ``access_log``, *count* counts for the whole server."""

    __slots__ = (
        "_count", "_draining", "_filters", "_index", "_only", "_served", "_sparing", "access_logs", "handshakes", "inspections", "leaving",
        "listener", "listener_stats", "services", "worker",
    )  # fmt: skip

    def __init__(
        self,
        listener: Listener,
        services: Mapping[ChainKey, Service],
        worker: Worker,
        listener_stats: ListenerStats | None = None,
        *,
        tls: Mapping[ChainKey, ServerTls] | None = None,
        access_logs: Iterable[AccessLog] = (),
        count: Count = _nowhere,
    ) -> None:
        self.worker = worker
        self.listener_stats = listener_stats if listener_stats is not None else ListenerStats()
        self.services: Mapping[ChainKey, Service] = {}
        self.leaving: list[Service] = []
        self.inspections: set[Inspection] = set()
        self.handshakes: set[Handshake] = set()
        self._count = count
        self._draining = False
        self._sparing = Sparing()
        self._served: dict[Transport, Served] = {}
        self.configure(listener, services, tls=tls, access_logs=access_logs)

    def configure(
        self,
        listener: Listener,
        services: Mapping[ChainKey, Service],
        *,
        tls: Mapping[ChainKey, ServerTls] | None = None,
        access_logs: Iterable[AccessLog] = (),
    ) -> None:
        """Serve connections like this from the next one on; who is in no chain any more drains."""
        self.listener = listener
        self.access_logs = tuple(access_logs)
        for service in self.services.values():
            if service not in services.values():
                service.drain()
                self.leaving.append(service)
        self.services = services
        secured = tls or {}
        chains = [(chain, ChainRuntime(chain, services[key], secured.get(key))) for key, chain in keyed_chains(listener)]
        default = next((runtime for chain, runtime in chains if chain is listener.default_filter_chain), None)
        named = [(chain.match, runtime) for chain, runtime in chains if runtime is not default]
        self._index = FilterChainIndex(named, default)
        self._filters = Filters(listener, self._count)
        for service in services.values():
            service.ended = self._ended if self.access_logs else None
        if not self.access_logs:
            self._served.clear()
        plain = not (secured or self.access_logs) and not self._filters and len(chains) == 1 and chains[0][0].match == FilterChainMatch()
        self._only = chains[0][1].service if plain else None
        if secured:
            more = self.listener_stats.more
            ssl_stats.begin(more)
            for name in (NOT_READY, UPDATED):
                more.setdefault(name, 0)

    def accept(self, transport: AcceptedTransport) -> Handler | None:
        """Return the handler for a connection that was just accepted; ``None`` to refuse it."""
        if self._only is not None:
            self.listener_stats.downstream_cx_total += 1
            return self._only.accept(transport)
        if self._filters:
            return Inspection(self, self._filters, transport, self.worker.now)
        return self.place(transport, Incoming(transport.local, transport.peer, transport.peer), b"")

    def place(self, transport: AcceptedTransport, incoming: Incoming, data: bytes) -> Handler | None:
        """Give a connection to its filter chain, with what it has said so far; return its handler, which it has, or ``None`` when it is to
        be closed."""
        chain = self._index.find(incoming)
        stats = self.listener_stats
        if chain is None:
            stats.no_filter_chain_match += 1
            self.log(transport, incoming, self.worker.now, b"NR", "filter_chain_not_found")
            return None
        stats.downstream_cx_total += 1
        if chain.tls is not None:
            contexts = chain.tls.current
            if contexts is not None:
                return Handshake(self, chain, transport, incoming).begin(contexts, data)
            stats.more[NOT_READY] += 1
            stats.downstream_cx_destroy += 1
            self.log(transport, incoming, self.worker.now, failure="TLS error: Secret is not supplied by SDS", chain=chain)
            return None
        self._serve(transport, incoming, chain, self.worker.now)
        handler = chain.service.accept(transport)
        if handler is not None:
            transport.handler = handler
            if data:
                handler.data_received(data)
        return handler

    def shaken(self, handshake: Handshake, transport: Transport) -> Handler | None:
        """Return the handler of a connection whose handshake is done."""
        service = handshake.chain.service
        if service not in self.services.values() and service not in self.leaving:
            self.leaving.append(service)  # it had gone when its last connection had, but for this one
        self._serve(transport, handshake.incoming, handshake.chain, handshake.since)
        return service.accept(transport)

    def _serve(self, transport: Transport, incoming: Incoming, chain: ChainRuntime, since: float) -> None:
        """Remember a connection until it is written to the listener's log."""
        if self.access_logs:
            self._served[transport] = (incoming, chain, since)

    def _ended(self, transport: Transport) -> None:
        served = self._served.pop(transport, None)
        if served is not None:
            incoming, chain, since = served
            self.log(transport, incoming, since, chain=chain, served=True)

    def failed(self, handshake: Handshake, failure: "TlsFailure") -> None:
        """The handshake of a connection came to nothing."""
        tell_failure(self._sparing, self.listener.name, handshake, failure, self.worker.now)
        late = "transport socket timeout was reached" if failure.kind == "timeout" else ""
        chain = handshake.chain
        self.log(handshake.transport, handshake.incoming, handshake.since, failure=failure.reason, termination=late, chain=chain)

    def log(
        self,
        transport: Transport,
        incoming: Incoming,
        since: float,
        flags: bytes = b"",
        details: str = "",
        *,
        failure: str = "",
        termination: str = "",
        chain: ChainRuntime | None = None,
        served: bool = False,
    ) -> None:
        """Write a connection that is gone to the listener's log. It was there from *since* on."""
        if not self.access_logs:
            return
        worker = self.worker
        seconds = worker.now - since
        entry = LogEntry(worker.wall() - seconds, b"", b"", b"")
        entry.scheme = entry.protocol = b""
        entry.duration_ms = int(seconds * 1000)
        entry.flags = flags
        entry.details = details
        entry.peer = str(incoming.source).encode("ascii")
        entry.direct_peer = str(incoming.direct_source).encode("ascii")
        entry.local_address = str(incoming.destination).encode("ascii")
        entry.server_name = incoming.server_name
        entry.transport_failure = failure
        entry.termination = termination
        entry.filter_chain = chain.name if chain is not None else ""
        if served:
            entry.bytes_received = transport.bytes_received
            entry.bytes_sent = transport.bytes_sent
        entry.tls = transport.tls
        for access_log in self.access_logs:
            access_log.write(entry)

    @property
    def connections(self) -> int:
        """How many are open."""
        early = len(self.inspections) + len(self.handshakes)
        return early + sum(len(service.doors) for service in (*self.services.values(), *self.leaving))

    def sweep(self, now: float) -> None:
        """Have every connection look at its own timeouts (about once a second)."""
        for inspection in list(self.inspections):
            inspection.sweep(now)
            if self._draining and now - inspection.since >= _PATIENCE:
                inspection.refuse()
        if self._draining:
            for handshake in list(self.handshakes):
                if now - handshake.since >= _PATIENCE_WITH_HANDSHAKES:
                    handshake.transport.abort()
        for service in (*self.services.values(), *self.leaving):
            service.sweep(now)
        if self.leaving:
            self.leaving = [service for service in self.leaving if service.doors]

    def tell(self, drain: Drain | None) -> None:
        """Have answers end their connections as *drain* says, and no more (``None``)."""
        for service in self.services.values():
            service.tell(drain)

    def drain(self) -> None:
        """Have every connection close behind its next answer, and those for which none is asked after a while."""
        self._draining = True
        for service in self.services.values():
            service.drain()

    def drop(self) -> None:
        """Close every connection now."""
        for transport in [early.transport for early in self.inspections] + [early.transport for early in self.handshakes]:
            transport.abort()
        for service in (*self.services.values(), *self.leaving):
            service.drop()

    def __repr__(self) -> str:
        return f"<ListenerRuntime {self.listener.name} connections={self.connections}>"
