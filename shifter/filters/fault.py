"""``envoy.filters.http.fault``: delays, wrong answers and slow answers on purpose, for a share of the requests.

Rule 1. A request that is meant to is delayed first and answered then. What a client may ask for in ``x-envoy-fault-*`` fields it
        gets only where the configuration says ``header_…``, and never for a larger share than that.
Rule 2. No more than ``max_active_faults`` are active at a time: above that, requests pass unharmed.
Rule 3. A slow answer is paced: each piece waits for as long as it would have taken to come at that speed. Pieces are small, so that
        something moves all the time, as on a slow line.
"""

from typing import Any, cast

from twisted.internet.defer import Deferred

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply
from shifter.model.http_filter import Fault
from shifter.model.route import FractionalPercent, RuntimeFraction
from shifter.routing.match import all_of, compile_header
from shifter.wire.events import RequestHead, ResponseHead, first_value

_ABORT = b"x-envoy-fault-abort-request"
_ABORT_GRPC = b"x-envoy-fault-abort-grpc-request"
_ABORT_SHARE = b"x-envoy-fault-abort-request-percentage"
_DELAY = b"x-envoy-fault-delay-request"
_DELAY_SHARE = b"x-envoy-fault-delay-request-percentage"
_LIMIT = b"x-envoy-fault-throughput-response"
_LIMIT_SHARE = b"x-envoy-fault-throughput-response-percentage"
_STATUSES = range(200, 600)
_KIB = 1024
_MS = 1000
_PIECES = 20  # a second, as in Envoy


def _number(head: RequestHead, name: bytes) -> int | None:
    value = first_value(head.block, name)
    return int(value) if value is not None and value.isdigit() and len(value) < 10 else None


class _Plan:
    """A configuration, compiled."""

    __slots__ = ("_fits", "config", "context")

    def __init__(self, config: Fault, context: FactoryContext) -> None:
        self.config = config
        self.context = context
        self._fits = all_of([compile_header(one) for one in config.headers])

    def means(self, stream: FilterStream) -> bool:
        """Say whether the request is one of those that faults are for."""
        if self._fits is not None and not self._fits(stream.head):
            return False
        return not self.config.upstream_cluster or stream.describe().cluster == self.config.upstream_cluster

    def holds(self, head: RequestHead, share: FractionalPercent, runtime_key: str, asked: bytes, by_header: bool) -> bool:
        """Throw the dice; the request's own percentage counts up to the configured share."""
        wanted = self.context.runtime.share(RuntimeFraction(share, runtime_key))
        numerator = wanted.numerator
        if by_header:
            own = _number(head, asked)
            numerator = numerator if own is None else min(own, numerator)
        return self.context.random() % wanted.denominator < numerator

    def delay(self, head: RequestHead) -> float:
        """Return for how many seconds to wait; 0 for not at all."""
        config = self.config
        if config.delay_by_header:
            asked = _number(head, _DELAY)
            seconds = (asked or 0) / _MS
        elif config.delay is not None:
            seconds = self.context.runtime.integer(config.delay_duration_runtime, round(config.delay * _MS)) / _MS
        else:
            return 0.0
        share = (config.delay_share, config.delay_percent_runtime, _DELAY_SHARE, config.delay_by_header)
        return seconds if seconds and self.holds(head, *share) else 0.0

    def abort(self, head: RequestHead) -> Reply | None:
        """Return the answer to give, if any."""
        config, runtime = self.config, self.context.runtime
        status: int | None = None
        grpc_status: int | None = None
        if config.abort_by_header:
            status = _number(head, _ABORT)
            grpc_status = _number(head, _ABORT_GRPC) if status is None else None
        elif config.grpc_status is not None:
            grpc_status = runtime.integer(config.abort_grpc_status_runtime, config.grpc_status)
        elif config.http_status is not None:
            status = runtime.integer(config.abort_http_status_runtime, config.http_status)
        if grpc_status is not None:
            status = 200
        if status not in _STATUSES or status is None:
            return None
        if not self.holds(head, config.abort_share, config.abort_percent_runtime, _ABORT_SHARE, config.abort_by_header):
            return None
        return Reply(status, b"fault filter abort", b"", b"FI", "fault_filter_abort", grpc_status)

    def limit(self, head: RequestHead) -> int:
        """Return to how many KiB a second to slow the answer down; 0 for not at all."""
        config = self.config
        limit = _number(head, _LIMIT) if config.limit_by_header else config.limit_kbps
        share = (config.limit_share, config.limit_percent_runtime, _LIMIT_SHARE, config.limit_by_header)
        return limit if limit and self.holds(head, *share) else 0


class FaultFactory(FilterFactory[Fault]):
    """Makes `FaultFilter`, and counts those that are active."""

    def __init__(self, config: Fault, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._plan = _Plan(config, context)
        self.active = 0

    def compile_override(self, config: object) -> object:
        return _Plan(cast(Fault, config), self.context)

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        plan = self._plan if override is None else cast(_Plan, override)
        return FaultFilter(self, plan, stream) if plan.means(stream) else None

    def begin(self, plan: _Plan) -> bool:
        """Count one more active fault, if there may be one."""
        most = plan.config.max_active_faults
        if most is not None and self.active >= self.context.runtime.integer(plan.config.max_active_faults_runtime, most):
            self.context.count("fault.faults_overflow")
            return False
        self.active += 1
        return True


class FaultFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_active", "_factory", "_limit", "_plan", "_ready", "_stream", "_timer")

    def __init__(self, factory: FaultFactory, plan: _Plan, stream: FilterStream) -> None:
        self._factory = factory
        self._plan = plan
        self._stream = stream
        self._limit = 0
        self._ready = 0.0  # when the piece that went out last would have come
        self._active = False
        self._timer: Any = None

    def on_request_head(self, head: RequestHead, end: bool) -> "Reply | Deferred[Reply | None] | None":
        plan = self._plan
        limit = plan.limit(head)
        if limit and self._begin():
            self._limit = limit
            self._factory.context.count("fault.response_rl_injected")
        seconds = plan.delay(head)
        if seconds and self._begin():
            self._factory.context.count("fault.delays_injected")
            self._stream.add_flag(b"DI")
            return self._after(seconds).addCallback(lambda _: self._abort(head))
        return self._abort(head)

    def _abort(self, head: RequestHead) -> Reply | None:
        reply = self._plan.abort(head)
        if reply is None or not self._begin():
            return None
        self._factory.context.count("fault.aborts_injected")
        return reply

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        self._ready = self._factory.context.monotonic()

    @property
    def response_piece(self) -> int:
        return self._limit * _KIB // _PIECES

    def on_response_data(self, data: bytes, end: bool) -> "bytes | Deferred[bytes]":
        if not self._limit or not data:
            return data
        now = self._factory.context.monotonic()
        self._ready = max(self._ready, now) + len(data) / (self._limit * _KIB)
        return self._after(self._ready - now).addCallback(lambda _: data)

    def on_done(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._active:
            self._active = False
            self._factory.active -= 1

    def _begin(self) -> bool:
        self._active = self._active or self._factory.begin(self._plan)
        return self._active

    def _after(self, seconds: float) -> "Deferred[Any]":
        waiting: Deferred[Any] = Deferred(lambda _: self._timer.cancel())
        self._timer = self._factory.context.call_later(seconds, waiting.callback, None)
        return waiting
