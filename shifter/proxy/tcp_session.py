"""One connection of a TCP proxy: a client, an endpoint, and the bytes between them.

Rule 1. What one side says is written to the other at once; who does not take it has the other side's reading paused. Before there is
        an endpoint, one read is kept.
Rule 2. Each direction ends by itself, behind what was said in it: FIN is passed on as FIN, a connection that broke as a reset.
Rule 3. It is over when both connections are. The log tells of it when the client's is.
"""

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.net.tls_session import TlsSession
from shifter.net.transport import Transport
from shifter.observe.logformat import LogEntry
from shifter.proxy.outcome import reset_details, transport_failure
from shifter.upstream.connection_tcp import TcpConnection
from shifter.upstream.interfaces import Failed, FailureKind, HostLeft, LeaseFailed, UpstreamStream
from shifter.upstream.pool import EndpointPool

if TYPE_CHECKING:
    from shifter.proxy.tcp_proxy import Target, TcpProxyRuntime

_log = Logger()
_OURS = ("closed locally", "aborted")
_NO_CONNECTION = (FailureKind.REMOTE_CONNECTION_FAILURE, FailureKind.CONNECTION_TIMEOUT)


class TcpSession:
    """See the module. A `Handler` for the client's transport, a ``TcpUser`` of the connection to the endpoint."""

    __slots__ = (
        "_early", "_id", "_lease", "_paused", "attempts", "bytes_received", "bytes_sent", "client", "client_blocked", "client_ended",
        "client_gone", "closing", "deadline", "failed", "flags", "flushing", "idle_timeout", "pool", "runtime", "started", "target",
        "touched", "upstream", "upstream_tls", "worker",
    )  # fmt: skip

    def __init__(self, runtime: "TcpProxyRuntime", client: Transport) -> None:
        self.runtime = runtime
        self.worker = worker = runtime.worker
        self.client = client
        client.peer_ended = self._client_ended
        self.started = worker.monotonic()
        self.touched = worker.now
        self.idle_timeout = runtime.idle_timeout
        self.deadline = self.started + runtime.limit
        self.target: Target | None = None
        self.pool: EndpointPool | None = None
        self.upstream: TcpConnection | None = None
        self.upstream_tls: TlsSession | None = None
        self.failed: Failed | None = None
        self.attempts = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.flags: list[bytes] = []
        self.client_ended = False
        self.client_gone = False
        self.client_blocked = False
        self.closing = False
        self.flushing = False
        self._early: list[bytes] | None = []  # what came before there was an endpoint; None: there is, or was
        self._lease: Deferred[UpstreamStream] | None = None
        self._paused = False
        self._id = 0
        if runtime.soon:
            worker.streams.add(self)

    # getting an endpoint

    def connect(self) -> None:
        """Make one attempt to get a connection to an endpoint."""
        target = self.target = self.runtime.choose()
        cluster = target.connections(self.client)
        if cluster is None:
            self.runtime.stats.downstream_cx_no_route += 1
            self._refuse(b"NC")
            return
        resources = cluster.resources
        if resources.connections >= resources.max_connections:
            cluster.state.stats.upstream_cx_overflow += 1
            self._refuse(b"UO")
            return
        pool = cluster.choose(target.context(self.client))
        if pool is None:
            cluster.state.stats.upstream_cx_none_healthy += 1
            self._refuse(b"UH")
            return
        self.attempts += 1
        stream = pool.take()
        if stream is not None:
            self._connected(stream)
            return
        lease = self._lease = pool.lease()
        lease.addCallbacks(self._connected, self._not_connected)
        lease.addErrback(self._broken)

    flush = connect  # at the end of the turn in which the last attempt failed

    def _connected(self, stream: UpstreamStream) -> None:
        assert isinstance(stream, TcpConnection)
        self._lease = None
        self.upstream = stream
        self.pool = stream.pool
        self.upstream_tls = stream.transport.tls
        monitor = stream.pool.host.monitor
        if monitor is not None:
            monitor.served()
        early = self._early
        self._early = None
        stream.use(self)
        if self._paused:
            self._paused = False
            self.client.resume()  # before what is sent now may pause it again
        if early:
            stream.write(b"".join(early))
        if self.client_ended:
            stream.end()
        if self.client_blocked:
            stream.pause()

    def _not_connected(self, reason: Failure) -> None:
        self._lease = None
        if reason.check(CancelledError) or self.closing or self.client_gone:
            return
        error = reason.value
        if not isinstance(error, LeaseFailed):
            reason.raiseException()
        if isinstance(error, HostLeft):
            self.attempts -= 1
        elif error.failed.kind in _NO_CONNECTION:
            self.pool = error.pool
            self.failed = error.failed
            self._flag(b"UF")
        if self.attempts < self.runtime.settings.max_connect_attempts or isinstance(error, HostLeft):
            self.worker.network.mark(self)
            return
        assert self.target is not None and self.target.leasing is not None
        self.target.leasing.state.stats.upstream_cx_connect_attempts_exceeded += 1
        self._refuse(b"URX")

    def _broken(self, reason: Failure) -> None:
        """A fault of ours inside a Deferred: say so, and end the connection."""
        _log.failure("a connection failed inside the proxy", reason)
        self.drop()

    def _refuse(self, flag: bytes) -> None:
        self._flag(flag)
        self.closing = True
        if self._early:
            self.client.abort()  # as when what it said had not been read
        else:
            self.client.close()

    def _flag(self, flag: bytes) -> None:
        if flag not in self.flags:
            self.flags.append(flag)

    # Handler: the client

    def connection_made(self) -> None: ...

    def data_received(self, data: bytes) -> None:
        size = len(data)
        self.bytes_received += size
        self.runtime.stats.downstream_cx_rx_bytes_total += size
        self.touched = self.worker.now
        if self.upstream is not None:
            self.upstream.transport.write(data)
        elif self._early is not None:
            self._early.append(data)
            if not self._paused:
                self._paused = True
                self.client.pause()

    def _client_ended(self) -> None:
        self.client_ended = True
        self.touched = self.worker.now
        if self.upstream is not None:
            self.upstream.end()

    def connection_lost(self, reason: str) -> None:
        self.client_gone = True
        self._cancel()
        upstream = self.upstream
        if upstream is not None:
            if reason == "closed":
                upstream.end()  # its end may have come last
                if upstream.blocked:
                    self._flush_upstream()
            elif reason not in _OURS:
                upstream.abort()
        self.runtime.lost(self)
        if upstream is None:
            self._over()

    def _flush_upstream(self) -> None:
        """The client is gone, and its endpoint has not taken all that it said."""
        self.flushing = True
        stats = self.runtime.stats
        stats.upstream_flush_total += 1
        stats.upstream_flush_active += 1

    def write_blocked(self) -> None:
        self.client_blocked = True
        upstream = self.upstream
        if upstream is not None:
            upstream.pool.stats.upstream_flow_control_paused_reading_total += 1
            upstream.pause()

    def write_drained(self) -> None:
        self.client_blocked = False
        self.touched = self.worker.now
        upstream = self.upstream
        if upstream is not None:
            upstream.pool.stats.upstream_flow_control_resumed_reading_total += 1
            upstream.resume()

    # TcpUser: the endpoint

    def upstream_data(self, data: bytes) -> None:
        if self.client_gone:
            return
        size = len(data)
        self.bytes_sent += size
        self.runtime.stats.downstream_cx_tx_bytes_total += size
        self.touched = self.worker.now
        self.client.write(data)

    def upstream_ended(self) -> None:
        self.touched = self.worker.now
        self.client.half_close()

    def upstream_lost(self, reason: str) -> None:
        self.upstream = None
        if self.flushing:
            self.runtime.stats.upstream_flush_active -= 1
        if self.client_gone:
            self._over()
        elif reason == "closed":
            self.client.half_close()  # its end may have come last
        elif self.closing:
            return
        elif reason in _OURS:
            self.closing = True
            self.client.close()  # its host is ill, and nobody is to wait for it
        else:
            if reason == "reset":
                self._flag(b"UR")
            self.closing = True
            self.client.abort()

    def upstream_blocked(self) -> None:
        if self.client_gone:
            self._flush_upstream()
        elif not self._paused:
            self._paused = True
            self.runtime.stats.downstream_flow_control_paused_reading_total += 1
            self.client.pause()

    def upstream_writable(self) -> None:
        self.touched = self.worker.now
        if self._paused and not self.client_gone:
            self._paused = False
            self.runtime.stats.downstream_flow_control_resumed_reading_total += 1
            self.client.resume()

    # ends

    def timed_out(self, now: float) -> None:
        """Nothing has moved for too long, or it has taken too long."""
        if self.closing and not self.flushing:
            return
        if self.deadline <= now:
            self.runtime.stats.max_downstream_connection_duration += 1
            self._flag(b"DT")
        else:
            self.runtime.stats.idle_timeout += 1
        self.close()

    def close(self) -> None:
        """Close both connections. What waits for somebody who does not take it is given up."""
        self.closing = True
        self.worker.streams.discard(self)
        self._cancel()
        upstream = self.upstream
        if upstream is not None:
            upstream.give_up()
        if not self.client_gone:
            if self.client_blocked:
                self.client.abort()
            else:
                self.client.close()

    def drop(self) -> None:
        """Close both connections now."""
        self.closing = True
        self._cancel()
        if self.upstream is not None:
            self.upstream.abort()
        if not self.client_gone:
            self.client.abort()

    def _cancel(self) -> None:
        """Nobody waits for an endpoint any more."""
        lease = self._lease
        if lease is not None:
            self._lease = None
            lease.cancel()

    def _over(self) -> None:
        self.runtime.doors.discard(self)
        self.worker.streams.discard(self)

    # telling

    @property
    def waiting(self) -> int:
        """Bytes that wait for an endpoint."""
        return sum(map(len, self._early)) if self._early else 0

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client; with TLS as far as can be told."""
        return 0 if self.client_gone else max(self.bytes_sent - self.client.bytes_sent, 0)

    def describe(self, entry: LogEntry) -> LogEntry:
        """Write into *entry* what access logs tell of the connection. What HTTP has and this has not stays empty."""
        worker = self.worker
        seconds = worker.monotonic() - self.started
        entry.forget()
        entry.start = worker.wall() - seconds
        entry.scheme = entry.protocol = b""
        entry.duration_ms = int(seconds * 1000)
        entry.flags = b",".join(self.flags)
        entry.bytes_received = self.bytes_received
        entry.bytes_sent = self.bytes_sent
        entry.attempts = self.attempts
        entry.cluster = self.target.name if self.target is not None and self.target.leasing is not None else ""
        entry.upstream_host = self.pool.address_text if self.pool is not None else None
        entry.upstream_host_name = self.pool.host.hostname.encode() if self.pool is not None else b""
        client = self.client
        entry.peer = str(client.peer).encode("ascii")
        entry.direct_peer = str(client.direct_peer).encode("ascii")
        entry.local_address = str(client.local).encode("ascii")
        entry.filter_chain = self.runtime.chain_name
        entry.tls = client.tls
        entry.server_name = client.server_name
        entry.upstream_tls = self.upstream_tls
        if self.failed is not None:
            entry.upstream_transport_failure = transport_failure(reset_details(self.failed, False))
        entry.connection_id = self.connection_id
        return entry

    @property
    def connection_id(self) -> int:
        """A number that no other connection of the same proxy has."""
        if not self._id:
            self._id = self.runtime.next_connection_id()
        return self._id

    def __repr__(self) -> str:
        state = "closing" if self.closing else "connecting" if self._early is not None else "open"
        return f"<TcpSession {self.client.peer} {state} received={self.bytes_received} sent={self.bytes_sent}>"
