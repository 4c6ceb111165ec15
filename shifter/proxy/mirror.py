"""Copies of requests for other clusters (``RouteAction.RequestMirrorPolicy``): sent, and forgotten.

Rule 1. What becomes of a copy is nobody's business but its own cluster's figures. It pauses no client, delays no answer and
        shows in no log.
Rule 2. A copy's cluster that does not keep up is given up: what waits for it is bounded by its cluster's
        ``per_connection_buffer_limit_bytes``.
Rule 3. A copy is what the upstream gets, before the endpoint is known, with a host that ends in ``-shadow``, and marked as an
        internal request that this proxy makes itself (``x-envoy-internal``, ``x-forwarded-for``).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.route import RequestMirrorPolicy
from shifter.proxy.connection_choice import for_copy
from shifter.proxy.worker import Worker
from shifter.routing.headers import HeaderEditor, Subject
from shifter.routing.hosts import without_port
from shifter.routing.match_header import header_values
from shifter.routing.runtime import Runtime
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.interfaces import Failed, FailureKind, LeaseFailed, UpstreamStream
from shifter.upstream.leasing import Leasing
from shifter.upstream.pool import EndpointPool
from shifter.wire.events import RequestHead, ResponseHead, values, without

if TYPE_CHECKING:
    from shifter.proxy.fullstream import FullStream

_log = Logger()
_NEVER = float("inf")
SUFFIX = b"-shadow"


def shadow_host(authority: bytes) -> bytes:
    """Return *authority* with `SUFFIX` behind the host and before the port."""
    host = without_port(authority)
    return host + SUFFIX + authority[len(host) :]


class Copied(Protocol):
    """What the exchange that is copied tells a copy, or several."""

    def begin(self, data: bytes, end: bool) -> None:
        """Send the copy, with the first piece of the body."""

    def send_data(self, data: bytes, end: bool) -> None:
        """More of the body."""

    def send_trailers(self, block: bytes) -> None:
        """The trailers."""

    def abandon(self) -> None:
        """What is copied has ended: a copy that is whole goes on, one that is not never will be."""


class Copying(Protocol):
    """Whatever has requests copied."""

    def copied(self, exchange: "FullStream") -> Copied | None:
        """Return the copy of *exchange*, which has not begun; ``None`` when there is to be none."""


class Mirror:
    """One policy of a route, compiled."""

    __slots__ = ("_cluster", "_edit", "_find", "_fraction", "_host", "_runtime", "_suffix", "_values_of")

    def __init__(self, policy: RequestMirrorPolicy, find_cluster: Callable[[str], LiveCluster], runtime: Runtime) -> None:
        self._edit = HeaderEditor((policy.headers,)).request
        self._fraction = policy.fraction
        self._runtime = runtime
        self._host = policy.host_rewrite_literal
        self._suffix = not policy.disable_shadow_host_suffix_append
        self._values_of = header_values(policy.cluster_header.lower()) if policy.cluster_header is not None else None
        self._find = find_cluster
        self._cluster = None if policy.cluster_header is not None else self._found(policy.cluster)

    def _found(self, name: str) -> LiveCluster | None:
        try:
            return self._find(name)
        except KeyError:
            return None  # the configuration said that clusters may be missing, or the request names one that is not there

    def wanted(self, head: RequestHead) -> LiveCluster | None:
        """Return the cluster that a copy of *head* goes to, ``None`` when there is to be none."""
        if self._fraction is not None and not self._runtime.holds(self._fraction, head.random):
            return None
        if self._values_of is None:
            return self._cluster
        named = self._values_of(head)
        return self._found(named[0].decode("utf-8", "replace")) if named else None

    def place_of(self, exchange: "FullStream") -> tuple[Leasing, RequestHead] | None:
        """Return where a copy of *exchange* goes and what it says, ``None`` when there is to be none."""
        cluster = self.wanted(exchange.head)
        if cluster is None:
            return None
        head = self.copy_of(exchange.head, exchange, exchange.worker.address)
        return for_copy(cluster, head, exchange.downstream), head

    def copied(self, exchange: "FullStream") -> Copied | None:
        """See `Copying`."""
        place = self.place_of(exchange)
        return None if place is None else MirrorStream(*place, exchange.worker, exchange.leaf.timeout, exchange.idle_timeout)

    def copy_of(self, head: RequestHead, subject: Subject, address: bytes) -> RequestHead:
        """Return the copy of *head*; *address* is this machine's own."""
        block = head.block
        if self._edit is not None:
            block = self._edit(block, subject)
        chain = b",".join([*values(block, b"x-forwarded-for"), address])
        block = without(without(block, b"x-forwarded-for"), b"x-envoy-internal")
        block += b"\r\nx-envoy-internal: true\r\nx-forwarded-for: " + chain
        host = self._host or (shadow_host(head.authority) if self._suffix else head.authority)
        copy = RequestHead(head.method, head.path, host, block, head.length, head.flags, head.version, head.scheme)
        copy.random = head.random
        return copy


class MirrorStream:
    """One copy on its way: a `ResponseListener` that hears nothing. Its *timeout* (seconds, 0 for none) begins with the
    request's end."""

    __slots__ = (
        "_cluster", "_done", "_head", "_lease", "_pool", "_size", "_started", "_status", "_timeout", "_trailers", "_upstream", "_waiting",
        "_worker", "_written", "deadline", "idle_timeout", "over", "touched",
    )  # fmt: skip

    may_switch = False

    def __init__(self, cluster: Leasing, head: RequestHead, worker: Worker, timeout: float, idle_timeout: float) -> None:
        self._cluster = cluster
        self._head = head
        self._worker = worker
        self._timeout = timeout
        self._started = worker.monotonic()
        self._status = 0
        self._pool: EndpointPool | None = None
        self._upstream: UpstreamStream | None = None
        self._lease: Deferred[UpstreamStream] | None = None
        self._waiting: list[bytes] | None = None  # body that the upstream does not take yet
        self._size = 0
        self._done = False
        self._written = False  # all of it has gone to the upstream's connection
        self._trailers: bytes | None = None
        self.over = False
        self.deadline = _NEVER
        self.idle_timeout = idle_timeout
        self.touched = worker.now

    # for the exchange that is copied

    def begin(self, data: bytes, end: bool) -> None:
        """Send the copy, with the first piece of the body."""
        self._worker.streams.add(self)
        if end:
            self._request_done()
        pool = self._cluster.pick()
        upstream = None if pool is None else pool.take()
        if upstream is not None:
            self._send(upstream, data)
            return
        self._waiting = []
        self._keep(data)
        if self.over:
            return
        self._lease = lease = self._cluster.lease(pool)
        lease.addCallbacks(self._leased, self._lease_failed)
        lease.addErrback(self._broken)

    def send_data(self, data: bytes, end: bool) -> None:
        """More of the body."""
        if self.over:
            return
        self.touched = self._worker.now
        if end:
            self._request_done()
        if self._waiting is not None:
            self._keep(data)
        else:
            self._pass_on(data, end)

    def send_trailers(self, block: bytes) -> None:
        """The trailers."""
        if self.over:
            return
        self._request_done()
        self._trailers = block
        if self._waiting is None:
            self._pass_trailers()

    def abandon(self) -> None:
        """What is copied has ended: a copy that is whole goes on, one that is not never will be."""
        if not self._done:
            self._give_up()

    # getting rid of it

    def _request_done(self) -> None:
        self._done = True
        if self._timeout:
            self.deadline = self._worker.monotonic() + self._timeout

    def _keep(self, data: bytes) -> None:
        assert self._waiting is not None
        if data:
            self._waiting.append(data)
            self._size += len(data)
            if self._size > self._cluster.config.per_connection_buffer_limit_bytes:
                self._give_up()

    def _leased(self, upstream: UpstreamStream) -> None:
        self._lease = None
        waited = self._waiting or []
        self._waiting = None
        self._size = 0
        self._send(upstream, b"".join(waited))
        if self._trailers is not None and self._waiting is None:
            self._pass_trailers()

    def _send(self, upstream: UpstreamStream, data: bytes) -> None:
        self._upstream = upstream
        self._pool = upstream.pool
        self._written = self._done and self._trailers is None
        upstream.send(self._head, data, self._written, self)

    def _pass_on(self, data: bytes, end: bool) -> None:
        if self._upstream is not None and (data or end):
            self._written = end
            self._upstream.send_data(data, end)

    def _pass_trailers(self) -> None:
        if self._upstream is not None and self._trailers is not None:
            self._written = True
            self._upstream.send_trailers(self._trailers)

    def _lease_failed(self, reason: Failure) -> None:
        self._lease = None
        if reason.check(CancelledError) or self.over:
            return
        error = reason.value
        if not isinstance(error, LeaseFailed):
            reason.raiseException()
        else:
            self._pool = error.pool
            self._end(error.failed.kind.status)

    def _broken(self, reason: Failure) -> None:
        """A fault of ours inside a Deferred."""
        _log.failure("a mirrored request failed inside the proxy", reason)
        self._give_up()

    def _give_up(self) -> None:
        if self.over:
            return
        self.over = True
        self._worker.streams.discard(self)
        self._waiting = None
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.cancel()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.cancel()

    def _end(self, status: int) -> None:
        self.over = True
        self._worker.streams.discard(self)
        self._waiting = None
        self._upstream = None
        stats = self._cluster.state.stats
        stats.codes[status] += 1
        stats.upstream_rq_time.record((self._worker.monotonic() - self._started) * 1000)
        if self._pool is not None:
            if status < 500:
                self._pool.endpoint_stats.rq_success += 1
            else:
                self._pool.endpoint_stats.rq_error += 1

    def timed_out(self, now: float) -> None:
        """The tick found that the copy takes too long."""
        late = self.deadline <= now
        self._give_up()
        stats = self._cluster.state.stats
        stats.upstream_rq_timeout += late
        stats.codes[504] += 1

    # ResponseListener

    def on_interim(self, head: ResponseHead) -> None: ...

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self.touched = self._worker.now
        self._status = head.status
        if end:
            self._end(head.status)

    def on_data(self, data: bytes, end: bool) -> None:
        self.touched = self._worker.now
        if end:
            self._end(self._status)

    def on_trailers(self, block: bytes) -> None:
        self._end(self._status)

    def on_failed(self, failed: Failed) -> None:
        if failed.kind is FailureKind.REMOTE_RESET:
            self._cluster.state.stats.upstream_rq_rx_reset += 1
        self._end(self._status or failed.kind.status)

    def on_blocked(self) -> None:
        if self._waiting is None and not self._written and not self.over:
            self._waiting = []

    def on_writable(self) -> None:
        waited, self._waiting = self._waiting, None
        self._size = 0
        if waited is not None and not self.over:
            self._pass_on(b"".join(waited), self._done and self._trailers is None)
            if self._trailers is not None and self._waiting is None:
                self._pass_trailers()

    def __repr__(self) -> str:
        return f"<MirrorStream {self._cluster.name} {'over' if self.over else 'under way'}>"
