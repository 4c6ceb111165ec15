"""An exchange that may make several tries (``route.v3.RetryPolicy``, and what internal callers ask for).

Rule 1. A try is made again only while the client has seen nothing of an answer. What the policy would have again is thrown away, and
        nothing of the failed try is in the next: the head is as it was before the first, the body comes from what was kept of it.
Rule 2. The body is kept up to a limit, and no longer than there may be retries. Beyond the limit there are none: what has been
        thrown away cannot be sent again.
Rule 3. The route's timeout bounds all tries and the waits between them; ``per_try_timeout`` bounds each from the moment at which the
        whole request is there and a connection for it.
Rule 4. A connection that dies under a request before anything came back is replaced at once, in each try once, if nobody can
        notice (`routing.retry`). That is no retry, and neither is going to the next endpoint when one cannot be connected to.
Rule 5. The cluster's circuit breaker for retries counts one from its decision to the outcome of the try.
"""

from copy import copy
from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from shifter.model.retry import RetryPolicy
from shifter.model.route import WeightedCluster
from shifter.net.transport import Delayed
from shifter.proxy.extras import Extras
from shifter.proxy.fullstream import FullStream
from shifter.proxy.max_stream_duration import tell_timeout
from shifter.proxy.picking import Tried
from shifter.proxy.stream import REPLAY_LIMIT
from shifter.routing.caller_wishes import Wishes
from shifter.routing.retry import Reached
from shifter.routing.retry_policy import Reset, RetryRules, RetryState, per_try
from shifter.routing.runtime import Runtime
from shifter.upstream.interfaces import Failed, FailureKind, PickContext, UpstreamStream
from shifter.upstream.resources import Resources
from shifter.wire.events import RequestHead, ResponseHead

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream
    from shifter.proxy.tree import RouteResource

_NEVER = float("inf")
_NO_RULES = RetryRules(RetryPolicy(), Runtime())
_RESETS = {
    FailureKind.REMOTE_CONNECTION_FAILURE: Reset.CONNECTION_FAILURE,
    FailureKind.CONNECTION_TIMEOUT: Reset.CONNECTION_FAILURE,
    FailureKind.REFUSED_STREAM: Reset.REFUSED_STREAM,
    FailureKind.OVERFLOW: Reset.OVERFLOW,
}
_TIMED_OUT = (504, b"upstream request timeout", b"UT")
_TOO_LONG = (504, b"upstream max stream duration reached", b"UMSDR")
_TOO_LARGE = b"exceeded request buffer limit while retrying upstream"


class RetryingStream(FullStream):
    """See the module. ``wishes`` are what an internal caller asks for."""

    __slots__ = (
        "added_flag", "begun", "done_at", "held", "idle_per_try", "per_try_timeout", "pristine", "retried", "retries", "stream_idle",
        "total", "tried", "tried_entries", "try_duration", "try_ends", "try_until", "waiting", "wishes",
    )  # fmt: skip

    def __init__(
        self, leaf: "RouteResource", extras: Extras, head: RequestHead, downstream: "Downstream", wishes: Wishes | None = None
    ) -> None:
        super().__init__(leaf, extras, head, downstream)
        self.wishes = wishes
        self.retried = False
        self.retries: RetryState | None = None  # until there can be no more of them
        self.held: Resources | None = None  # of whom the retry under way has taken something
        self.waiting: Delayed | None = None  # for the next try
        self.added_flag = b""  # why there is no further retry
        self.begun = False
        self.pristine: tuple[bytes, bytes] | None = None  # block and host before the first try
        self.done_at = 0.0  # when the request was there
        self.total = _NEVER  # the deadline of all tries
        self.try_until = _NEVER  # for the try's answer to begin
        self.try_ends = _NEVER
        self.try_duration = 0.0
        self.per_try_timeout = 0.0
        self.idle_per_try = 0.0
        idle = leaf.idle_timeout if leaf.idle_timeout is not None else self.runtime.settings.stream_idle_timeout
        self.stream_idle = idle or _NEVER
        self.tried: Tried | None = None
        self.tried_entries: list[WeightedCluster | None] = [leaf.entry]

    @property
    def hedges(self) -> bool:
        """Whether a slow try goes on while another is made."""
        return False

    # Exchange

    def begin(self, data: bytes, end: bool) -> None:
        rules = self.extras.retry
        if rules is not None:
            policy = rules.policy
            self.per_try_timeout = per_try(policy.per_try_timeout, self.leaf.timeout)
            self.idle_per_try = policy.per_try_idle_timeout
            tried = Tried(policy)
            self.tried = tried if tried.matter else None
        if self.wishes is not None:
            self._heed(self.wishes)
        self.retries = (rules or _NO_RULES).for_request(self.head, self.wishes)
        if self.retries is not None:
            self.kept = []
        self.done_at = self.started
        super().begin(data, end)
        if self.kept is None:
            self.retries = None
        if not self.over:
            self.begun = True
            self.total = self.deadline
            self._limit()

    def _heed(self, wishes: Wishes) -> None:
        """Do as an internal caller asks."""
        leaf = copy(self.leaf)
        if wishes.timeout is not None:
            leaf.timeout = wishes.timeout
        wanted = self.per_try_timeout if wishes.per_try_timeout is None else wishes.per_try_timeout
        self.per_try_timeout = per_try(wanted, leaf.timeout)
        self.try_duration = wishes.try_duration or 0.0
        leaf.added = b""
        self.leaf = leaf
        self._tell(0.0)

    def _expected(self, elapsed: float, timeout: float) -> float:
        """Return what an endpoint is told that it has, *elapsed* seconds after the request was there."""
        seconds = timeout if self.hedges else self.per_try_timeout or timeout
        return max(min(seconds, timeout - elapsed), 0.001) if timeout else seconds

    def _tell(self, elapsed: float) -> None:
        """Tell the endpoint what is left of the time, *elapsed* seconds after the request was there."""
        leaf = self.leaf
        tell_timeout(self.head, self._expected(elapsed, leaf.timeout), not leaf.suppress_envoy_headers, leaf.tells_grpc)

    def on_request_data(self, data: bytes, end: bool) -> None:
        if self.over or self.following is not None:
            return
        super().on_request_data(data, end)
        if self.retries is not None and self.kept is None:
            self._give_up_retries()

    def _give_up_retries(self) -> None:
        """There is more of the body than is kept."""
        self._release()
        self.retries = None
        if self.waiting is not None:
            self._let_go()
            self._reply(507, _TOO_LARGE, b"", "request_payload_exceeded_retry_buffer_limit")

    def _request_ended(self) -> None:
        super()._request_ended()
        self.done_at = self.worker.monotonic()
        self.total = self.deadline
        if self.upstream is not None:
            self._time_try()
        self._limit()

    # the clocks

    def _time_try(self) -> None:
        """The request and a connection for it are there."""
        now = self.worker.monotonic()
        if self.per_try_timeout:
            self.try_until = now + self.per_try_timeout
        if self.idle_per_try:
            self.touched = max(self.touched, now)
            self.idle_timeout = min(self.idle_timeout, self.idle_per_try)

    def _limit(self) -> None:
        self.deadline = min(self.total, self.try_until, self.try_ends)

    def _untime_try(self) -> None:
        self.try_until = self.try_ends = _NEVER
        self.idle_timeout = self.stream_idle
        if self.begun:
            self._limit()

    # tries

    def _send(self, upstream: UpstreamStream, data: bytes, end: bool) -> None:
        if self.pristine is None:
            self.pristine = (self.head.block, self.head.authority)
        if self.tried is not None:
            self.tried.add(upstream.pool.host)
        super()._send(upstream, data, end)
        if len(data) > REPLAY_LIMIT:
            self.replay = None  # what is kept is enough
        if self.try_duration:
            self.try_ends = self.worker.monotonic() + self.try_duration
        if self.request_done:
            self._time_try()
        if self.begun:
            self._limit()

    def _decide(self, wanted: bool, block: bytes = b"") -> float | None:
        """Return after how many seconds there is to be another try, ``None`` when there is not; *wanted* is whether the policy
        would have one. *block* is that of the answer."""
        retries = self.retries
        if self.held is not None and not wanted:
            self._count("upstream_rq_retry_success")
        self._release()
        if retries is None or self.kept is None or not wanted:
            return None
        if not retries.remaining:
            self.added_flag = b"URX"
            self._count("upstream_rq_retry_limit_exceeded")
            return None
        retries.remaining -= 1
        resources = self.target.cluster.resources
        if not resources.may_retry():
            self.added_flag = b"UO"
            self._count("upstream_rq_retry_overflow")
            return None
        resources.begin_retry()
        self.held = resources
        seconds = retries.wait_as_told(block, self.worker.wall(), self.worker.random)
        self._refresh()
        self._count("upstream_rq_retry")
        stats = self.target.cluster.state.stats
        if seconds is None:
            stats.upstream_rq_retry_backoff_exponential += 1
            return retries.wait(self.worker.random)
        stats.upstream_rq_retry_backoff_ratelimited += 1
        return seconds

    def _count(self, name: str) -> None:
        """Count what is called *name* for the cluster, and for the virtual cluster if there is one."""
        for stats in (self.target.cluster.state.stats, self.counted):
            if stats is not None:
                setattr(stats, name, getattr(stats, name) + 1)

    def _release(self) -> None:
        if self.held is not None:
            self.held.end_retry()
            self.held = None

    def _refresh(self) -> None:
        """Have the next try go to another entry of the route, where that is wanted."""
        refresh = self.extras.refresh
        if refresh is None:
            return
        found = refresh.another(self.tried_entries, self.worker.random())
        leaf = found.choose(self.head, self.downstream) if found is not None else None
        target = getattr(leaf, "target", None)
        extras = getattr(leaf, "extras", None)
        if leaf is None or target is None or extras is None:
            return  # there is no such cluster
        self.tried_entries.append(leaf.entry)
        self.target = leaf.giving(self.leaf.given).target if self.leaf.given else target  # type: ignore[attr-defined]
        self.extras = extras
        self.target = self._with_connections(self.target)
        self.context = None
        if extras.picking is not None:
            self._ask(extras.picking)

    def _try_again_in(self, seconds: float) -> None:
        self.retried = True
        self.repeated = False
        self.replay = None
        self.unsent = list(self.kept or ())
        self._untime_try()
        self.waiting = self.worker.network.call_later(seconds, self._try_again)

    def _try_again(self) -> None:
        self.waiting = None
        try:
            self._begin_try()
        except Exception:
            self._broken(Failure())

    def _begin_try(self) -> None:
        head = self.head
        if self.pristine is not None:
            head.block, head.authority = self.pristine
        self._tell(self.worker.monotonic() - self.done_at if self.request_done else 0.0)
        if self.tried is not None:
            if self.context is None:
                self.context = PickContext()
            self.tried.ask(self.context)
        pool = self._pick()
        upstream = None if pool is None else pool.take()
        if upstream is None:
            self._await(self.target.cluster.lease(pool, context=self.context))
        else:
            self._leased(upstream)

    # ResponseListener

    def on_interim(self, head: ResponseHead) -> None:
        super().on_interim(head)
        if self.informed:  # another try would have to say the same again
            self._release()
            self.retries = None

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        retries = self.retries
        if retries is not None:
            seconds = self._decide_on_answer(head, retries)
            if seconds is not None:
                self._throw_away(head, end)
                self._try_again_in(seconds)
                return
            if self._waits_for_others() and retries.asks_for_answer(head.status, head.block):
                self._throw_away(head, end)
                self._untime_try()
                return
        self._pass_on(head, data, end)

    def _waits_for_others(self) -> bool:
        """Whether another try is under way, whose answer may be better than this one."""
        return False

    def _decide_on_answer(self, head: ResponseHead, retries: RetryState) -> float | None:
        answered_by = self.target.cluster.state.stats
        seconds = self._decide(retries.asks_for_answer(head.status, head.block), head.block)
        if seconds is not None:
            for name in (head.status, f"{head.status // 100}xx", "completed"):
                answered_by.more[f"retry.upstream_rq_{name}"] += 1
        return seconds

    def _throw_away(self, head: ResponseHead, end: bool) -> None:
        """Have nothing to do any more with the try that was answered with *head*."""
        self._tell_monitor(head)
        if self.pool is not None:
            self.pool.endpoint_stats.rq_error += 1
        upstream = self.upstream
        self.upstream = None
        if upstream is not None and not end:
            upstream.cancel()

    def _pass_on(self, head: ResponseHead, data: bytes, end: bool) -> None:
        """The answer is the client's."""
        self._release()
        self.retries = None
        self.flags = self.added_flag
        if self.extras.redirects is None:
            self.kept = None
        if self.may_switch and head.status == 101:
            self.total = self.until
        self.try_until = _NEVER
        self._limit()
        super().on_head(head, data, end)

    # ends

    def _fail(self, failed: Failed) -> None:
        if not self.responding and failed.kind is not FailureKind.NO_HEALTHY_UPSTREAM:
            retries = self.retries
            reset = _RESETS.get(failed.kind, Reset.OTHER)
            if reset is Reset.CONNECTION_FAILURE and self.tried is not None and self.pool is not None:
                self.tried.add(self.pool.host)
            seconds = self._decide(retries is not None and retries.asks_for_reset(reset, failed.reached is Reached.NOTHING_SENT))
            if seconds is not None:
                self._try_again_in(seconds)
                return
        if self._waits_for_others():
            self._untime_try()
        else:
            super()._fail(failed)

    def timed_out(self, now: float) -> None:
        if self.total <= now or self.until <= now:
            if self.waiting is not None and self.request_done and self.until > now:
                self._let_go()
                self._reply(*_TIMED_OUT, "response_timeout")
            else:
                super().timed_out(now)
        elif self.try_ends <= now:
            self._try_timed_out(_TOO_LONG, "upstream_max_stream_duration_reached")
        elif self.try_until <= now:
            self._try_late("upstream_rq_per_try_timeout", "upstream_per_try_timeout")
        elif self.touched + self.stream_idle <= now:
            super().timed_out(now)
        else:
            self._try_late("upstream_rq_per_try_idle_timeout", "upstream_per_try_idle_timeout")

    def _try_late(self, counter: str, details: str) -> None:
        """A try takes longer than it may, which *counter* counts."""
        stats = self.target.cluster.state.stats
        setattr(stats, counter, getattr(stats, counter) + 1)
        self._try_timed_out(_TIMED_OUT, details)

    def _try_timed_out(self, said: tuple[int, bytes, bytes], details: str) -> None:
        pool = self.pool
        if pool is not None:
            pool.endpoint_stats.rq_error += 1
            if said is _TIMED_OUT:
                pool.endpoint_stats.rq_timeout += 1
                if pool.host.monitor is not None:
                    pool.host.monitor.timed_out()
        self._let_go()
        if not self.responding:
            seconds = self._decide(self.retries is not None and self.retries.asks_for_reset(Reset.OTHER, False))
            if seconds is not None:
                self._try_again_in(seconds)
                return
        status, body, flag = said
        self._reply(status if self.request_done else 408, body, flag, details)

    def _let_go(self) -> None:
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None
        super()._let_go()

    def _reply(self, status: int, body: bytes, flag: bytes, details: str, fields: bytes = b"", grpc_status: int | None = None) -> None:
        if flag == b"UT" and self.wishes is not None and self.wishes.alt_response:
            status, body = 204, b""
        if self.added_flag and flag:
            flag = self.added_flag + b"," + flag
        super()._reply(status, body, flag, details, fields, grpc_status)

    def _charge(self, status: int, took: float | None) -> None:
        if self.responding or not self.flags.endswith(_TOO_LONG[2]):  # as in Envoy
            super()._charge(status, took)

    def _end(self, status: int, details: str, seconds: float | None = None) -> None:
        self._release()
        super()._end(status, details, seconds)
