"""An exchange whose route asks for more than being forwarded; see `extras.Extras` for what that is.

Rule 1. A plain `ProxyStream` knows nothing of this: which of the two a route starts is decided when it is compiled.
Rule 2. What is added here never delays a byte of the exchange itself.
Rule 3. What makes an exchange a tunnel is in `tunnel`; where there is one, nothing that the client sends is a body.
Rule 4. A redirect that is followed hands the client over to the exchange of its target; from then on this one only passes on
        what the door says.
"""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from shifter.filters.api import Reply
from shifter.net.buffers import window
from shifter.observe.logformat import LogEntry
from shifter.observe.stats import VirtualClusterStats
from shifter.proxy.downstream import Exchange
from shifter.proxy.extras import Extras
from shifter.proxy.filtered import FilteredExchange
from shifter.proxy.internal_redirect import Journey, NotFollowed, Redirects
from shifter.proxy.max_stream_duration import tell_endpoint
from shifter.proxy.mirror import Copied
from shifter.proxy.picking import Picking
from shifter.proxy.stream import REPLAY_LIMIT, ProxyStream
from shifter.proxy.try_spans import not_connected, traced
from shifter.proxy.tunnel import Tunnel
from shifter.routing.match import is_grpc
from shifter.routing.rewrite import replace_host
from shifter.upstream.interfaces import Failed, LeaseFailed, UpstreamStream
from shifter.wire.events import TUNNEL, ProtocolError, RequestHead, ResponseHead, without

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream
    from shifter.proxy.stream import Target
    from shifter.proxy.tree import RouteResource

_NEVER = float("inf")
_DEADLINE_EXCEEDED = 4  # gRPC's
_ATTEMPTS = b"x-envoy-attempt-count"


class FullStream(ProxyStream):
    """See the module. ``journey`` is shared by all exchanges that internal redirects have made of one request."""

    __slots__ = (
        "before_rewrite", "context", "cookies", "copies", "counted", "extras", "following", "journey", "kept", "kept_size", "may_switch",
        "tunnel", "uncopied", "until", "virtual_cluster",
    )  # fmt: skip

    def __init__(self, leaf: "RouteResource", extras: Extras, head: RequestHead, downstream: "Downstream") -> None:
        super().__init__(leaf, head, downstream)
        self.extras = extras
        self.tunnel = Tunnel() if head.flags & TUNNEL else None
        self.may_switch = self.tunnel is not None
        if self.tunnel is not None:
            self.runtime.stats.downstream_cx_upgrades_active += 1
        self.until = _NEVER
        self.copies: list[Copied] = []
        self.uncopied = bool(extras.mirrors) and not self.may_switch
        self.context = None
        self.cookies = b""  # what the load balancer gives to a newcomer
        self.kept: list[bytes] | None = None  # the body, in case it has to be sent once more
        self.kept_size = 0
        self.before_rewrite = b"", b""  # block and host
        self.journey: Journey | None = None
        self.following: Exchange | None = None
        self.virtual_cluster = ""
        self.counted: VirtualClusterStats | None = None

    # Exchange

    def begin(self, data: bytes, end: bool) -> None:
        extras = self.extras
        head = self.head
        if extras.virtual_clusters is not None:
            self.virtual_cluster = extras.virtual_clusters.of(head)
            self.counted = extras.virtual_clusters.stats(self.virtual_cluster, self.worker.virtual_clusters)
        if extras.duration is not None:
            seconds = extras.duration(head)
            if seconds is not None:
                self.until = self.started + seconds
                if extras.tell_duration and is_grpc(head):
                    tell_endpoint(head, seconds)
        if extras.picking is not None:
            self._ask(extras.picking)
        if extras.redirects is not None:
            self.kept = []
        tunnel = self.tunnel
        early = len(data)
        if tunnel is not None:
            tunnel.keep(data, end)
            data, end = b"", False
        self._keep(data)
        if extras.connections is not None:
            self.leaf = leaf = copy(self.leaf)
            leaf.rewrite = partial(self._rewritten, leaf.rewrite)
        super().begin(data, end)
        if self.over:
            return
        if tunnel is not None:
            self.bytes_received = early
            self.request_ms = 0 if tunnel.request_over else None
            self._hold_back(tunnel)
            # the request ends when all does: its answer is waited for from here on
            self.deadline = self.started + self.leaf.timeout if self.leaf.timeout else _NEVER
        if self.until < self.deadline:
            self.deadline = self.until
        if self.uncopied:
            self._copy(data, end)

    def on_request_data(self, data: bytes, end: bool) -> None:
        if self.following is not None:
            return
        if self.tunnel is not None:
            self._relay(self.tunnel, data, end)
            return
        self._keep(data)
        super().on_request_data(data, end)
        for copied in self.copies:
            copied.send_data(data, end)

    def _relay(self, tunnel: Tunnel, data: bytes, end: bool) -> None:
        """Pass what the client says on, once there is a tunnel for it."""
        self.touched = self.worker.now
        self.bytes_received += len(data)
        if tunnel.agreed is None:
            tunnel.keep(data, end)
            if end:
                self.request_ms = int((self.worker.monotonic() - self.started) * 1000)
            self._hold_back(tunnel)
        elif tunnel.agreed and self.upstream is not None and not self.over:
            self.upstream.send_data(data, end)
            if end:
                self._client_ended(tunnel)

    def _hold_back(self, tunnel: Tunnel) -> None:
        """Have the client wait with more if much has come too early."""
        if tunnel.agreed is None and self.bytes_received >= window(self.runtime.listener.per_connection_buffer_limit_bytes, REPLAY_LIMIT):
            self.downstream.pause_request()

    def _client_ended(self, tunnel: Tunnel) -> None:
        tunnel.request_over = self.request_done = True
        self.request_ms = int((self.worker.monotonic() - self.started) * 1000)
        if tunnel.answer_over:
            self.upstream = None
            self._end(self.status, "via_upstream")

    def on_request_trailers(self, block: bytes) -> None:
        if self.tunnel is not None:
            self._relay(self.tunnel, b"", True)  # a tunnel has none
            return
        super().on_request_trailers(block)
        for copied in self.copies:
            copied.send_trailers(block)

    def _request_ended(self) -> None:
        super()._request_ended()
        if self.until < self.deadline:
            self.deadline = self.until

    def on_request_broken(self, error: ProtocolError) -> None:
        if self.following is None:
            super().on_request_broken(error)

    def on_downstream_lost(self, reset: bool = False) -> None:
        if self.following is not None:
            self.following.on_downstream_lost(reset)
        else:
            super().on_downstream_lost(reset)

    def on_downstream_blocked(self) -> None:
        if self.following is not None:
            self.following.on_downstream_blocked()
        else:
            super().on_downstream_blocked()

    def on_downstream_writable(self) -> None:
        if self.following is not None:
            self.following.on_downstream_writable()
        else:
            super().on_downstream_writable()

    def answer(self, reply: Reply) -> None:
        if self.following is not None:
            self.following.answer(reply)
        else:
            super().answer(reply)

    def describe(self) -> LogEntry:
        return self.following.describe() if self.following is not None else super().describe()

    # upstream

    def _send(self, upstream: UpstreamStream, data: bytes, end: bool) -> None:
        extras = self.extras
        head = self.head
        if self.uncopied:
            self._copy(data, end)
        if extras.auto_host_rewrite:
            self._rewrite_host(head, upstream.pool.host.hostname)
        self._count_attempt(head)
        if self.tunnel is not None:
            self.tunnel.ask(head, upstream.protocol)
        if self.counted is not None:
            self.counted.upstream_rq_total += 1
        super()._send(self._traced(upstream) if extras.spans else upstream, data, end)
        if self.tunnel is not None:
            self._hold_back(self.tunnel)

    def _traced(self, upstream: UpstreamStream) -> UpstreamStream:
        """Return *upstream* for a try that has a span."""
        return traced(self, upstream)

    def _lease_failed(self, reason: Failure) -> None:
        error = reason.value
        if self.extras.spans and not self.over and isinstance(error, LeaseFailed) and error.pool is not None:
            not_connected(self, error.pool, error.failed)
        super()._lease_failed(reason)

    def _rewrite_host(self, head: RequestHead, hostname: str) -> None:
        """Have the endpoint get its own name as host, if it has one; never that of an endpoint whose connection died under the request."""
        if self.repeated:
            head.block, head.authority = self.before_rewrite
        else:
            self.before_rewrite = head.block, head.authority
        if hostname:
            replace_host(head, hostname.encode(), self.extras.append_forwarded_host, not self.leaf.suppress_envoy_headers)

    def _count_attempt(self, head: RequestHead) -> None:
        if self.extras.count_attempts:
            head.block = without(head.block, _ATTEMPTS) + b"\r\n%b: %d" % (_ATTEMPTS, self.attempts + 1)

    def _copy(self, data: bytes, end: bool) -> None:
        """Begin the copies, with the head as it is before an endpoint has to do with it."""
        self.uncopied = False
        self._count_attempt(self.head)
        for mirror in self.extras.mirrors:
            copied = mirror.copied(self)
            if copied is not None:
                self.copies.append(copied)
                copied.begin(data, end)

    def _ask(self, picking: Picking) -> None:
        """Ask the load balancer for what the route does. Who has been given a cookie by the choice of a cluster needs no other."""
        self.context, cookies = picking.context(self.head, self.downstream)
        self.cookies = b"" if self.leaf.given else cookies

    def _rewritten(self, rewrite: Callable[[RequestHead], object] | None, head: RequestHead) -> None:
        """The head is as it goes upstream, but for what an endpoint has to do with: choose its connections."""
        if rewrite is not None:
            rewrite(head)
        self.target = self._with_connections(self.target)

    def _with_connections(self, target: "Target") -> "Target":
        choice = self.extras.connections
        return target if choice is None else choice.target(target, self.head, self.downstream)

    def _keep(self, data: bytes) -> None:
        """Remember the body, unless it is too much."""
        kept = self.kept
        if kept is not None and data:
            self.kept_size += len(data)
            limit = self.extras.body_limit
            if self.kept_size > (self.runtime.listener.per_connection_buffer_limit_bytes or _NEVER if limit is None else limit):
                self.kept = None
                self.leaf.target.cluster.state.stats.retry_or_shadow_abandoned += 1
            else:
                kept.append(data)

    # ResponseListener

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        extras = self.extras
        if extras.redirects is not None and head.status in extras.redirects.codes and self._follow(extras.redirects, head, end):
            return
        tunnel = self.tunnel
        if tunnel is not None:
            tunnel.answered(head, self.head, end)
            if tunnel.agreed:
                self.deadline = self.until
        if self.cookies:
            head.block += self.cookies
        if extras.tell_attempts:
            head.block = without(head.block, _ATTEMPTS) + b"\r\n%b: %d" % (_ATTEMPTS, self.attempts)
        super().on_head(head, data, end)
        if tunnel is not None and not self.over:
            early = tunnel.take_early()
            if tunnel.agreed and self.upstream is not None and (early or tunnel.request_over):
                self.upstream.send_data(early, tunnel.request_over)
                if tunnel.request_over:
                    self._client_ended(tunnel)
            self.downstream.resume_request()

    def on_data(self, data: bytes, end: bool) -> None:
        tunnel = self.tunnel
        if end and tunnel is not None and tunnel.agreed and not tunnel.request_over:
            self.touched = self.worker.now
            self.bytes_sent += len(data)
            tunnel.answer_over = True
            self.downstream.send_data(data, True)
        else:
            super().on_data(data, end)

    def on_trailers(self, block: bytes) -> None:
        if self.tunnel is not None and self.tunnel.agreed:
            self.on_data(b"", True)
        else:
            super().on_trailers(block)

    def on_failed(self, failed: Failed) -> None:
        if self.tunnel is not None and self.tunnel.answer_over:
            # the endpoint has said all it had to say, and hears no more
            self.upstream = None
            self._end(self.status, "via_upstream")
        else:
            if self.tunnel is not None:
                self.tunnel.broken = True
            super().on_failed(failed)

    def on_writable(self) -> None:
        super().on_writable()
        if self.tunnel is not None:
            self._hold_back(self.tunnel)

    def _follow(self, redirects: Redirects, answer: ResponseHead, end: bool) -> bool:
        """Go where *answer* points, if that may be; return whether."""
        stats = self.target.cluster.state.stats
        journey = self.journey or Journey()
        try:
            if not self.request_done or self.kept is None or self.trailers is not None:
                raise NotFollowed("")
            head, leaf = redirects.follow(self.head, answer, journey, self.leaf.config.name, self.downstream)
        except NotFollowed as reason:
            stats.upstream_internal_redirect_failed_total += 1
            if word := reason.args[0]:
                name = f"passthrough_internal_redirect_{word}"
                setattr(self.runtime.stats, name, getattr(self.runtime.stats, name) + 1)
            return False
        stats.upstream_internal_redirect_succeeded_total += 1
        body = b"" if head.method != self.head.method else b"".join(self.kept)
        self.status = answer.status
        if end:
            self.upstream = None
        if self.pool is not None:
            self.pool.endpoint_stats.rq_success += 1
        self._tell_monitor(answer)
        self._let_go()
        self.over = True
        self.worker.streams.discard(self)
        if self.runtime.access_logs:
            self.runtime.log(self._entry(answer.status, "internal_redirect", self.worker.monotonic() - self.started))

        def started(following: Exchange) -> None:
            if isinstance(following, FullStream):
                following.journey = journey

        if isinstance(self.downstream, FilteredExchange):
            self.downstream.begin_again(head, leaf, body, started)
        else:
            self.following = following = leaf.start(head, self.downstream)
            started(following)
            following.begin(body, True)
        return True

    # ends

    def timed_out(self, now: float) -> None:
        if self.until > now:
            if self.may_switch and self.deadline <= now:
                self.request_done = True  # as far as its answer was waited for
            super().timed_out(now)
            if self.flags.endswith(b"UT") and self.counted is not None:
                self.counted.upstream_rq_timeout += 1
            return
        self._let_go()
        self.runtime.stats.downstream_rq_max_duration_reached += 1
        self._reply(
            504 if self.request_done else 408, b"downstream duration timeout", b"", "max_duration_timeout", grpc_status=_DEADLINE_EXCEEDED
        )

    def _reply(self, status: int, body: bytes, flag: bytes, details: str, fields: bytes = b"", grpc_status: int | None = None) -> None:
        tunnel = self.tunnel
        if tunnel is not None and tunnel.agreed and not tunnel.broken and self.head.version != 20:
            self.flags = flag
            if not tunnel.answer_over:
                self.downstream.send_data(b"", True)
            self._end(self.status, details)
            return
        if self.extras.tell_attempts and not self.responding:
            fields += b"\r\n%b: %d" % (_ATTEMPTS, self.attempts)
        super()._reply(status, body, flag, details, fields, grpc_status)

    def _end(self, status: int, details: str, seconds: float | None = None) -> None:
        if self.tunnel is not None:
            self.runtime.stats.downstream_cx_upgrades_active -= 1
        if not self.request_done:
            for copied in self.copies:
                copied.abandon()
        super()._end(status, details, seconds)

    def _charge(self, status: int, took: float | None) -> None:
        super()._charge(status, took)
        if self.counted is not None:
            self.counted.codes[status] += 1
            if took is not None:
                self.counted.upstream_rq_time.record(took)

    def _tell_more(self, entry: LogEntry) -> None:
        super()._tell_more(entry)
        entry.virtual_cluster = self.virtual_cluster
