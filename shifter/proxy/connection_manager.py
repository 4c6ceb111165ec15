"""One connection manager at run time: its settings compiled, its figures, its open connections, and the tree that it serves.

The tree is the only thing a reload exchanges for connections that stay: one assignment to ``tree``. Requests under way keep
the leaf they were given.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain as ListenerChain
from shifter.model.listener import Listener
from shifter.model.report import HttpReport
from shifter.net.transport import Handler, Transport
from shifter.observe.logformat import LogEntry
from shifter.observe.stats import HttpStats, ListenerStats
from shifter.proxy.access_log import AccessLog
from shifter.proxy.client_certificate import compile_client_certificates
from shifter.proxy.draining import Drain
from shifter.proxy.filterchain import FilterChain
from shifter.proxy.local_reply_config import LocalReplies
from shifter.proxy.tracing import Tracer
from shifter.proxy.tree import ListenerResource
from shifter.proxy.worker import Worker
from shifter.routing.forwarded import Forwarding
from shifter.routing.server_header import compile_last_fields
from shifter.wire.events import RequestHead, without


class Door(Protocol):
    """A client connection as its listener sees it. ``born`` is when it was accepted, on the monotonic clock."""

    @property
    def born(self) -> float: ...

    @property
    def transport(self) -> Transport: ...

    def sweep(self, now: float) -> None:
        """End the connection if it idles, or has sent half a head, for too long."""

    def drain(self) -> None:
        """Close when the request under way is answered, or when none has come for ``drain_timeout``."""

    def drop(self) -> None:
        """Close now, whatever is under way."""


class ConnectionManager:
    """See the module. ``make_door`` makes the door for a new connection."""

    __slots__ = (
        "_next_id", "_told", "access_logs", "chain_name", "client_certificates", "counted", "doors", "draining", "ended", "entry",
        "filters", "forwarding", "gone", "last_fields", "listener", "listener_stats", "local_replies", "logs_more", "make_door",
        "max_head", "secure", "server_line", "settings", "start_logs", "stats", "tracer", "tree", "worker",
    )  # fmt: skip

    def __init__(
        self,
        listener: Listener,
        settings: HttpConnectionManager,
        worker: Worker,
        tree: ListenerResource,
        access_logs: Sequence[AccessLog],
        make_door: Callable[[Transport, "ConnectionManager"], Handler],
        filters: FilterChain | None = None,
        stats: HttpStats | None = None,
        listener_stats: ListenerStats | None = None,
        chain: ListenerChain | None = None,
    ) -> None:
        self.worker = worker
        self.stats = stats if stats is not None else HttpStats()
        self.entry = LogEntry(0.0, b"", b"", b"")  # the one that `outcome.log_entry` fills in
        self.listener_stats = listener_stats if listener_stats is not None else ListenerStats()
        self.doors: set[Door] = set()
        self.counted: dict[Transport, tuple[int, int]] = {}  # bytes of open connections that figures tell of already
        self.ended: Callable[[Transport], None] | None = None
        self.draining = False  # answers may have to end their connections: `closes` knows
        self.gone = False  # idle connections are closed, too
        self._told: Drain | None = None
        self.make_door = make_door
        self.tracer: Tracer | None = None
        self.start_logs: tuple[AccessLog, ...] = ()  # of lines for requests that begin
        self._next_id = 0
        self.configure(listener, settings, tree, access_logs, filters, chain)

    def configure(
        self,
        listener: Listener,
        settings: HttpConnectionManager,
        tree: ListenerResource,
        access_logs: Sequence[AccessLog],
        filters: FilterChain | None = None,
        chain: ListenerChain | None = None,
    ) -> None:
        """Serve this configuration from the next request on. *filters* are ``None`` where there are none; *chain* is the listener's one
        that this is part of (``None``: one without a name or TLS)."""
        self.listener = listener
        self.settings = settings
        self.secure = chain is not None and chain.tls is not None
        self.chain_name = chain.name if chain is not None else ""
        self.client_certificates = compile_client_certificates(settings, chain)
        self.forwarding = Forwarding(settings, self.worker.address, listener.address.port, self.secure)
        self.forwarding.upgradable = tree.upgradable
        self.server_line = b"\r\nserver: " + settings.server_name.encode("latin-1")
        self.last_fields = compile_last_fields(settings)
        replies = settings.local_reply
        self.local_replies = LocalReplies(replies, tree.runtime, self.worker.random) if replies is not None else None
        self.max_head = settings.max_request_headers_kb * 1024
        self.access_logs = tuple(access_logs)
        self.logs_more = any(access_log.asks_for_more for access_log in self.access_logs)
        self.tree = tree
        self.filters = filters

    def trace(self, tracer: Tracer | None) -> None:
        """Have *tracer* decide which requests are traced from the next one on, and be told of them."""
        self.tracer = tracer
        if tracer is not None:
            self.access_logs = (*self.access_logs, tracer.log)
            self.logs_more = True

    def with_last_fields(self, block: bytes, head: RequestHead) -> bytes:
        """Return the fields of an answer to *head* with the last ones, whatever edits have made of these."""
        if self.last_fields is not None:
            return self.last_fields(block, head)
        return without(block, b"server") + self.server_line

    def accept(self, transport: Transport) -> Handler | None:
        """Return the door for a connection that has come to this manager."""
        stats = self.stats
        stats.downstream_cx_total += 1
        if transport.tls is not None:
            stats.downstream_cx_ssl_total += 1
            stats.downstream_cx_ssl_active += 1
        return self.make_door(transport, self)

    def lost(self, door: Door, transport: Transport, reason: str, active: bool) -> None:
        """*door* has lost its connection; *reason* as in ``Handler.connection_lost``, *active* when that cost a request."""
        self.doors.discard(door)
        if self.ended is not None:
            self.ended(transport)
        stats = self.stats
        lived = (self.worker.monotonic() - door.born) * 1000
        stats.downstream_cx_length_ms.record(lived)
        self.listener_stats.downstream_cx_destroy += 1
        self.listener_stats.downstream_cx_length_ms.record(lived)
        if transport.tls is not None:
            stats.downstream_cx_ssl_active -= 1
        if reason in ("closed locally", "aborted"):
            stats.downstream_cx_destroy_local += 1
            stats.downstream_cx_destroy_local_active_rq += active
        else:
            stats.downstream_cx_destroy_remote += 1
            stats.downstream_cx_destroy_remote_active_rq += active
        received, sent = self.counted.pop(transport, (0, 0))
        stats.downstream_cx_rx_bytes_total += transport.bytes_received - received
        stats.downstream_cx_tx_bytes_total += transport.bytes_sent - sent

    def report(self) -> HttpReport:
        """Return a copy of what this manager has counted; bytes of connections that are open are among it."""
        stats, counted = self.stats, self.counted
        for door in self.doors:
            transport = door.transport
            received, sent = counted.get(transport, (0, 0))
            counted[transport] = (transport.bytes_received, transport.bytes_sent)
            stats.downstream_cx_rx_bytes_total += transport.bytes_received - received
            stats.downstream_cx_tx_bytes_total += transport.bytes_sent - sent
        return stats.report(self.settings.stat_prefix, self.listener.name)

    def log(self, entry: LogEntry) -> None:
        """Write *entry* to every access log."""
        for access_log in self.access_logs:
            access_log.write(entry)

    def next_connection_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def sweep(self, now: float) -> None:
        """Have every connection look at its own timeouts (about once a second)."""
        for door in list(self.doors):
            door.sweep(now)

    def tell(self, drain: Drain | None) -> None:
        """Have answers end their connections as *drain* says, and no more (``None``), while connections go on to come."""
        self._told = drain
        self.draining = self.gone or drain is not None

    def closes(self) -> bool:
        """Whether the answer that is about to be given ends its connection; to be asked while ``draining``."""
        return self.gone or (self._told is not None and self._told.closes(self.worker.now))

    def drain(self) -> None:
        """Have every connection close behind its next answer, and those for which none is asked after ``drain_timeout``."""
        self.draining = self.gone = True
        for door in list(self.doors):
            door.drain()

    def drop(self) -> None:
        """Close every connection now."""
        for door in list(self.doors):
            door.drop()
