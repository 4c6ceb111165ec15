"""One exchange that is forwarded: the downstream half, the upstream half, and what holds them together.

Rule 1. `ProxyStream.begin` chooses the cluster, edits the head, and sends it on a connection that is there; only when there
        is none does a Deferred come into it.
Rule 2. Neither half may run ahead of the other by more than a read: whoever is blocked pauses the other side's reading.
Rule 3. Whatever happens, `_end` runs exactly once: it counts, logs, and lets the connection go on to its next request.
Rule 4. A request is sent a second time only where `routing.retry` says that nobody can notice (RFC 9110 section 9.2.2), and
        then on a fresh connection.
"""

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.filters.api import Reply
from shifter.net.buffers import window
from shifter.observe.logformat import LogEntry
from shifter.proxy.local_reply import local_reply
from shifter.proxy.outcome import (
    CLIENT_GONE,
    PROTOCOL_ERROR,
    TAKEN_BACK,
    answered_status,
    blank,
    log_entry,
    reset_details,
    transport_failure,
)
from shifter.routing.headers import HeaderEditor
from shifter.routing.retry import may_repeat
from shifter.upstream.interfaces import Failed, FailureKind, LeaseFailed, PickContext, UpstreamStream
from shifter.upstream.leasing import Leasing
from shifter.upstream.pool import EndpointPool
from shifter.wire.events import HAS_DATE, ProtocolError, RequestHead, ResponseHead, expects_continue
from shifter.wire.h1 import REASONS

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream
    from shifter.proxy.internal_redirect import Journey
    from shifter.proxy.tree import RouteResource

_log = Logger()
_NEVER = float("inf")
REPLAY_LIMIT = 64 * 1024
_WAITING_LIMIT = 64 * 1024
_REPEATABLE = (FailureKind.CONNECTION_TERMINATION, FailureKind.REFUSED_STREAM)
_DISCONNECTED = b"upstream connect error or disconnect/reset before headers. %breset reason: %b"
_RETRIED = b"retried and the latest "


class Target:
    """One entry of a route: a live cluster, and the header edits for what goes to it and comes from it."""

    __slots__ = ("cluster", "edit_request", "edit_response")

    def __init__(self, cluster: Leasing, editor: HeaderEditor) -> None:
        self.cluster = cluster
        self.edit_request = editor.request
        self.edit_response = editor.response

    def __repr__(self) -> str:
        return f"<Target {self.cluster.name}>"


class ProxyStream:
    """See the module. Made by `tree.RouteResource`; a door calls the ``Exchange`` half, a connection the listener half."""

    __slots__ = (
        "attempts",
        "bytes_received",
        "bytes_sent",
        "carrier",
        "comparison",
        "deadline",
        "details",
        "downstream",
        "flags",
        "head",
        "idle_timeout",
        "informed",
        "leaf",
        "lease",
        "over",
        "pool",
        "repeated",
        "replay",
        "reply_status",
        "request_done",
        "request_ms",
        "responding",
        "response_block",
        "response_trailers",
        "runtime",
        "service_time",
        "started",
        "status",
        "target",
        "touched",
        "trailers",
        "trial",
        "unsent",
        "upstream",
        "version",
        "waited",
        "worker",
    )  # fmt: skip

    # what only some exchanges have, which keep it elsewhere (`FullStream`, `RetryingStream`); ``comparison``, ``trial`` and ``version`` are
    # for those of `judged`, none of whose parents but this one has room for more
    may_switch = False
    context: PickContext | None = None
    journey: "Journey | None" = None
    retried = False

    def __init__(self, leaf: "RouteResource", head: RequestHead, downstream: "Downstream") -> None:
        self.leaf = leaf
        self.head = head
        self.downstream = downstream
        self.runtime = runtime = downstream.runtime
        self.worker = worker = runtime.worker
        self.started = worker.monotonic()
        self.touched = worker.now
        self.deadline = _NEVER
        self.idle_timeout = _NEVER
        self.upstream: UpstreamStream | None = None
        self.carrier: UpstreamStream | None = None  # what the last try was sent on, for who asks later
        self.pool: EndpointPool | None = None
        self.lease: Deferred[UpstreamStream] | None = None
        self.unsent: list[bytes] | None = None  # body that waits for an upstream
        self.replay: list[bytes] | None = None  # body that may have to be sent again
        self.trailers: bytes | None = None
        self.request_done = False
        self.responding = False
        self.over = False
        self.repeated = False
        self.informed = False  # the client has been sent a 1xx answer of an endpoint's
        self.status = 0
        self.flags = b""
        self.attempts = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.response_block = b""
        self.response_trailers = b""
        self.service_time = 0
        self.waited: int | None = None  # milliseconds from the request's end; None where the answer began before that
        self.request_ms: int | None = None
        self.details = ""  # as far as formats in header edits ask
        self.reply_status = 0

    # Exchange: what the door calls

    def begin(self, data: bytes, end: bool) -> None:
        leaf = self.leaf
        head = self.head
        worker = self.worker
        self.target = target = leaf.target
        head.block += leaf.added
        if target.edit_request is not None:
            if end:
                self.request_ms = 0
            head.block = target.edit_request(head.block, self)
        if leaf.rewrite is not None:
            leaf.rewrite(head)
        idle = leaf.idle_timeout if leaf.idle_timeout is not None else self.runtime.settings.stream_idle_timeout
        if idle:
            self.idle_timeout = idle
        worker.streams.add(self)
        self.bytes_received = len(data)
        if end:
            self.request_done = True
            self.request_ms = 0
            if leaf.timeout:
                self.deadline = self.started + leaf.timeout
        else:
            limit = self.runtime.settings.request_timeout
            if limit:
                self.deadline = self.started + limit
            if not data and expects_continue(head):
                self.downstream.send_interim(100, b"")
        cluster = self.target.cluster  # which a rewrite may have narrowed down
        pool = cluster.pick() if self.context is None else cluster.pick_for(self.context)
        upstream = None if pool is None else pool.take()
        if upstream is None:
            self.unsent = [data] if data else []
            self._await(cluster.lease(pool, context=self.context))
        else:
            self._send(upstream, data, end)

    def on_request_data(self, data: bytes, end: bool) -> None:
        self.touched = self.worker.now
        self.bytes_received += len(data)
        if end:
            self._request_ended()
        replay = self.replay
        if replay is not None and data:
            if self.bytes_received > REPLAY_LIMIT:
                self.replay = None
            else:
                replay.append(data)
        if self.upstream is not None:
            self.upstream.send_data(data, end)
        elif self.unsent is not None:
            self.unsent.append(data)
            if self.bytes_received >= window(self.runtime.listener.per_connection_buffer_limit_bytes, _WAITING_LIMIT):
                self.downstream.pause_request()

    def on_request_trailers(self, block: bytes) -> None:
        self._request_ended()
        self.trailers = block
        if self.upstream is not None:
            self.upstream.send_trailers(block)

    def _request_ended(self) -> None:
        self.request_done = True
        now = self.worker.monotonic()
        self.request_ms = int((now - self.started) * 1000)
        timeout = self.leaf.timeout
        self.deadline = now + timeout if timeout else _NEVER

    def on_request_broken(self, error: ProtocolError) -> None:
        if self.over:
            return
        self._let_go()
        self._reply(error.status, REASONS[error.status], b"DPE", error.detail)

    def on_downstream_lost(self, reset: bool = False) -> None:
        if self.over:
            return
        self.target.cluster.state.stats.upstream_rq_cancelled += self.upstream is None  # what has a connection is not cancelled but reset
        self.runtime.stats.downstream_rq_rx_reset += 1
        self.flags, details = TAKEN_BACK if reset else CLIENT_GONE
        self._let_go()
        self._end(0 if not self.responding else self.status, details)

    def on_downstream_blocked(self) -> None:
        if self.upstream is not None:
            self.target.cluster.state.stats.upstream_flow_control_paused_reading_total += 1
            self.upstream.pause()

    def on_downstream_writable(self) -> None:
        self.touched = self.worker.now
        if self.upstream is not None:
            self.target.cluster.state.stats.upstream_flow_control_resumed_reading_total += 1
            self.upstream.resume()

    def answer(self, reply: Reply) -> None:
        if not self.over:
            self._let_go()
            self._reply(reply.status, reply.body, reply.flags, reply.details, reply.fields, reply.grpc_status)

    # getting an upstream

    def _pick(self) -> EndpointPool | None:
        """Choose an endpoint once more."""
        cluster = self.target.cluster
        return cluster.pick() if self.context is None else cluster.pick_for(self.context)

    def _await(self, lease: Deferred[UpstreamStream]) -> None:
        self.lease = lease
        lease.addCallbacks(self._leased, self._lease_failed)
        lease.addErrback(self._broken)

    def _leased(self, upstream: UpstreamStream) -> None:
        self.lease = None
        waited = self.unsent or []
        self.unsent = None
        if not self.request_done:
            self.downstream.resume_request()  # before what is sent now may pause it again
        self._send(upstream, b"".join(waited), self.request_done and self.trailers is None)
        if self.trailers is not None:
            upstream.send_trailers(self.trailers)

    def _lease_failed(self, reason: Failure) -> None:
        self.lease = None
        if reason.check(CancelledError) or self.over:
            return
        error = reason.value
        if not isinstance(error, LeaseFailed):
            reason.raiseException()
        else:
            self.attempts += 1
            if error.pool is not None:
                self.pool = error.pool
                error.pool.endpoint_stats.rq_error += 1
            self._fail(error.failed)

    def _broken(self, reason: Failure) -> None:
        """A fault of ours inside a Deferred: say so, and end the exchange as such."""
        _log.failure("an exchange failed inside the proxy", reason)
        if not self.over:
            self._reply(500, b"internal error", b"", "internal_error")

    def _send(self, upstream: UpstreamStream, data: bytes, end: bool) -> None:
        self.upstream = self.carrier = upstream
        self.pool = pool = upstream.pool
        if pool.host.monitor is not None:
            pool.host.monitor.connected()
        self.attempts += 1
        self.replay = None if self.repeated else [data]
        upstream.send(self.head, data, end, self)

    # ResponseListener: what the upstream connection calls

    def on_interim(self, head: ResponseHead) -> None:
        """1xx answers end here (100 was given by us already), unless ``proxy_100_continue`` has them passed on: the first, as in Envoy."""
        self.touched = self.worker.now
        if self.runtime.settings.proxy_100_continue and not self.informed:
            self.informed = True
            self.replay = None
            block = head.block if head.server is None else b"%b\r\nserver: %b" % (head.block, head.server)
            self.downstream.send_interim(head.status, block)

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self.responding = True
        self.replay = None
        self.touched = self.worker.now
        status = head.status
        self.status = status
        host = self.pool.host  # type: ignore[union-attr]  # there is a pool where there is an answer
        if host.monitor is not None or host.check is not None:
            self._tell_monitor(head)
        seconds = self.worker.monotonic() - self.started
        self.service_time = took = int(seconds * 1000)
        if self.request_ms is not None:
            took -= self.request_ms
            self.waited = took
        runtime = self.runtime
        edit = self.target.edit_response
        if edit is not None or runtime.last_fields is not None:
            block = self._edited(head, took)
        elif self.leaf.suppress_envoy_headers or self.request_ms is None:
            block = head.block + runtime.server_line
        else:
            block = b"%b\r\nx-envoy-upstream-service-time: %d%b" % (head.block, took, runtime.server_line)
        if not head.flags & HAS_DATE:
            block = b"%b\r\ndate: %b" % (block, self.worker.date)
        self.response_block = block
        if data:
            self.bytes_sent = len(data)
        if end:
            self.upstream = None
            self.downstream.send_head(status, block, head.length, data, True)
            self._end(status, "via_upstream", seconds)
        else:
            self.downstream.send_head(status, block, head.length, data, False)

    def _tell_monitor(self, head: ResponseHead) -> None:
        """Have who looks for outliers, and who checks the endpoint, know what it answered."""
        if self.pool is None:
            return
        host = self.pool.host
        if host.monitor is not None:
            host.monitor.answered(answered_status(self.head, head))
        if host.check is not None:
            host.check.answered(head.block)

    def _edited(self, head: ResponseHead, took: int) -> bytes:
        """Return the fields of the upstream's answer where more becomes of them than usual."""
        block = head.block
        if self.request_ms is not None and not self.leaf.suppress_envoy_headers:
            block = b"%b\r\nx-envoy-upstream-service-time: %d" % (block, took)
        if self.runtime.last_fields is not None and head.server is not None:
            block = b"%b\r\nserver: %b" % (block, head.server)
        edit = self.target.edit_response
        if edit is not None:
            self.details = "via_upstream"
            block = edit(block, self)
        block = self.runtime.with_last_fields(block, self.head)
        head.flags = head.flags | HAS_DATE if block.find(b"\r\ndate: ") >= 0 else head.flags & ~HAS_DATE
        return block

    def on_data(self, data: bytes, end: bool) -> None:
        self.touched = self.worker.now
        self.bytes_sent += len(data)
        if end:
            self.upstream = None
            self.downstream.send_data(data, True)
            self._end(self.status, "via_upstream")
        else:
            self.downstream.send_data(data, False)

    def on_trailers(self, block: bytes) -> None:
        self.upstream = None
        self.response_trailers = block
        self.downstream.send_trailers(block)
        self._end(self.status, "via_upstream")

    def on_failed(self, failed: Failed) -> None:
        upstream = self.upstream
        self.upstream = None
        replay = self.replay
        self.replay = None
        assert upstream is not None
        if (
            not self.repeated
            and failed.kind in _REPEATABLE
            and may_repeat(self.head.method, failed.reached, upstream.reused, replay is not None)
        ):
            # the connection died under the request, or would not take it: not a retry but the request's first real try
            self.repeated = True
            self.unsent = replay
            self._await(self.target.cluster.lease(self._pick(), True, self.context))
            return
        pool = self.pool
        if pool is not None:
            pool.endpoint_stats.rq_error += 1
            if pool.host.monitor is not None:
                pool.host.monitor.failed(failed)
        if failed.kind is FailureKind.REMOTE_RESET:
            self.target.cluster.state.stats.upstream_rq_rx_reset += 1
        self._fail(failed)

    def on_blocked(self) -> None:
        if not self.request_done:
            self.downstream.pause_request()

    def on_writable(self) -> None:
        self.touched = self.worker.now
        if not self.request_done:
            self.downstream.resume_request()

    # ends

    def timed_out(self, now: float) -> None:
        """The tick found the deadline passed, or nothing moving for too long."""
        stats = self.runtime.stats
        idle = self.deadline > now
        asked = self.upstream is not None
        self._let_go()
        if self.pool is not None:
            self.pool.endpoint_stats.rq_error += 1
            self.pool.endpoint_stats.rq_timeout += 1
        if idle:
            stats.downstream_rq_idle_timeout += 1
            self._reply(504 if self.request_done else 408, b"stream timeout", b"SI", "stream_idle_timeout")
        elif not self.request_done:
            stats.downstream_rq_timeout += 1
            self._reply(408, b"request timeout", b"", "request_overall_timeout")
        else:
            self.target.cluster.state.stats.upstream_rq_timeout += 1
            if asked and self.pool is not None and self.pool.host.monitor is not None and not self.responding:
                self.pool.host.monitor.timed_out()
            self._reply(504, b"upstream request timeout", b"UT", "response_timeout")

    def _fail(self, failed: Failed) -> None:
        kind = failed.kind
        flag = kind.flag.encode("ascii")
        if kind is FailureKind.NO_HEALTHY_UPSTREAM:
            self._reply(kind.status, b"no healthy upstream", flag, kind.details)
            return
        details = reset_details(failed, self.responding)
        overloaded = b"\r\nx-envoy-overloaded: true" if kind is FailureKind.OVERFLOW and not self.leaf.suppress_envoy_headers else b""
        body = _DISCONNECTED % (_RETRIED if self.retried else b"", kind.reason.encode("ascii"))
        self._reply(kind.status, body, flag, details, overloaded)

    def _reply(self, status: int, body: bytes, flag: bytes, details: str, fields: bytes = b"", grpc_status: int | None = None) -> None:
        """Answer in the upstream's place, or cut the answer that has begun."""
        self.flags = flag
        if self.responding:
            self.runtime.stats.rq_reset_after_downstream_response_started += 1
            self.downstream.reset()
            self._end(self.status, details)
            return
        self.details = details
        self.reply_status = status
        if self.target.edit_response is not None:
            fields = self.target.edit_response(fields, self)
        status, block, body = local_reply(self.runtime, self.head, status, body, fields, grpc_status, self)
        self.response_block = block
        self.bytes_sent = 0 if self.head.method == b"HEAD" else len(body)
        self.downstream.send_head(status, block, len(body), body, True)
        self._end(status, details)

    def _let_go(self) -> None:
        """Nobody waits for an upstream any more."""
        upstream = self.upstream
        self.upstream = None
        if upstream is not None:
            upstream.cancel()
        lease = self.lease
        if lease is not None:
            self.lease = None
            lease.cancel()

    def _end(self, status: int, details: str, seconds: float | None = None) -> None:
        """The epilogue: figures, log line, and on to the connection's next request."""
        self.over = True
        worker = self.worker
        worker.streams.discard(self)
        if seconds is None:
            seconds = worker.monotonic() - self.started
        took = seconds * 1000
        runtime = self.runtime
        stats = runtime.stats
        stats.codes[status] += 1
        if status:
            stats.downstream_rq_time.record(took)
        if details == "via_upstream":
            self._charge(status, took)
            pool = self.pool
            if pool is not None:
                if status < 500:
                    pool.endpoint_stats.rq_success += 1
                else:
                    pool.endpoint_stats.rq_error += 1
        elif self.responding or self.flags.startswith(b"U"):
            # an answer that was cut, or one in the upstream's place; not what the client brought upon itself
            self._charge(self.reply_status or status, None)
        if runtime.access_logs:
            self._log(status, details, seconds)
        self.downstream.finished()

    def _charge(self, status: int, took: float | None) -> None:
        """Count an answer for the cluster; *took* is how many milliseconds its whole answer took, ``None`` if there was none."""
        stats = self.target.cluster.state.stats
        stats.codes[status] += 1
        if took is not None:
            stats.upstream_rq_time.record(took)

    def describe(self) -> LogEntry:
        """What is known by now, for formats. An answer in the upstream's place has no status yet, though ``:status`` is there."""
        details = self.details or ("via_upstream" if self.responding else "")
        entry = self._entry(self.status, details, self.worker.monotonic() - self.started, blank())
        entry.attempts = entry.attempts or 1
        entry.reply_status = self.reply_status
        if entry.flags == PROTOCOL_ERROR:
            entry.flags = b""  # as in `LocalReply.describe`
        return entry

    def _log(self, status: int, details: str, seconds: float) -> None:
        self.downstream.log(self._entry(status, details, seconds))

    def _entry(self, status: int, details: str, seconds: float, known: LogEntry | None = None) -> LogEntry:
        entry = log_entry(self.downstream, self.head, status, self.flags, details, seconds, known)
        entry.bytes_received = self.bytes_received
        entry.bytes_sent = self.bytes_sent
        entry.response_block = self.response_block
        entry.cluster = self.target.cluster.name
        entry.route = self.leaf.config.name
        entry.attempts = self.attempts
        entry.upstream_host = self.pool.address_text if self.pool is not None else None
        entry.upstream_service_time = b"%d" % self.waited if self.waited is not None else None
        if known is not None or self.runtime.logs_more:
            self._tell_more(entry)
        return entry

    def _tell_more(self, entry: LogEntry) -> None:
        """What only some formats ask for."""
        entry.route_metadata = self.leaf.config.metadata
        entry.cluster_metadata = self.target.cluster.config.metadata
        entry.request_ms = self.request_ms
        entry.response_ms = self.service_time if self.responding else None
        entry.trailers = self.response_trailers
        if self.pool is not None:
            entry.upstream_host_name = self.pool.host.hostname.encode()
            entry.upstream_metadata = self.pool.host.endpoint.metadata
        if self.carrier is not None:
            entry.upstream_protocol = self.carrier.protocol
            entry.upstream_tls = self.carrier.transport.tls
            local = self.carrier.transport.local
            entry.upstream_local = str(local).encode("ascii") if local.host else b""  # which nobody knows of one that is gone
        entry.upstream_transport_failure = transport_failure(entry.details)

    def __repr__(self) -> str:
        state = "over" if self.over else "responding" if self.responding else "waiting" if self.upstream is None else "sent"
        return f"<ProxyStream {self.head.method!r} {self.head.path!r} {state}>"
