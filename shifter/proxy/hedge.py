"""Exchanges that do not give up a slow try, but make another one beside it (``HedgePolicy.hedge_on_per_try_timeout``).

Rule 1. A try that is late is parked: it goes on, and is retried as if it had failed. The first good answer is the client's, whoever
        gives it; all others are dropped.
Rule 2. A bad answer is dropped as long as another try may have a better one. The last one is the client's, whatever it is.
Rule 3. Connections talk to an `Attempt`, which knows whether its try is the present one or parked. Nothing else knows that there can
        be several.
"""

from typing import TYPE_CHECKING

from shifter.proxy.between import Between
from shifter.proxy.extras import Extras
from shifter.proxy.outcome import answered_status
from shifter.proxy.retrying import RetryingStream
from shifter.proxy.stream import ProxyStream
from shifter.proxy.try_spans import traced
from shifter.routing.caller_wishes import Wishes
from shifter.upstream.interfaces import Failed, ResponseListener, UpstreamStream
from shifter.wire.events import RequestHead, ResponseHead

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream
    from shifter.proxy.tree import RouteResource


class Attempt(Between):
    """One try: to its exchange the upstream, to the upstream the listener."""

    __slots__ = ("_exchange", "extras", "parked", "target")

    def __init__(self, exchange: "HedgingStream", upstream: UpstreamStream) -> None:
        super().__init__(exchange, upstream)
        self._exchange = exchange
        self.parked = False
        self.target = exchange.target
        self.extras = exchange.extras

    def trace(self) -> None:
        """Have the try have a span."""
        self._upstream = traced(self._exchange, self._upstream)

    # UpstreamStream

    def send(self, head: RequestHead, data: bytes, end: bool, listener: ResponseListener) -> None:
        self._upstream.send(head, data, end, self)

    # ResponseListener

    def on_interim(self, head: ResponseHead) -> None:
        self._exchange.on_interim(head)

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        if self.parked:
            self._exchange.parked_answered(self, head, data, end)
        else:
            self._exchange.on_head(head, data, end)

    def on_data(self, data: bytes, end: bool) -> None:
        self._exchange.on_data(data, end)

    def on_trailers(self, block: bytes) -> None:
        self._exchange.on_trailers(block)

    def on_failed(self, failed: Failed) -> None:
        if self.parked:
            self._exchange.parked_failed(self, failed)
        else:
            self._exchange.on_failed(failed)

    def on_blocked(self) -> None:
        if not self.parked:
            self._exchange.on_blocked()

    def on_writable(self) -> None:
        if not self.parked:
            self._exchange.on_writable()


class HedgingStream(RetryingStream):
    """See the module. ``parked`` are the tries that are late and go on."""

    __slots__ = ("parked",)

    hedges = True

    def __init__(
        self, leaf: "RouteResource", extras: Extras, head: RequestHead, downstream: "Downstream", wishes: Wishes | None = None
    ) -> None:
        super().__init__(leaf, extras, head, downstream, wishes)
        self.parked: list[Attempt] = []

    def _send(self, upstream: UpstreamStream, data: bytes, end: bool) -> None:
        super()._send(Attempt(self, upstream), data, end)

    def _traced(self, upstream: UpstreamStream) -> UpstreamStream:
        assert isinstance(upstream, Attempt)
        upstream.trace()
        return upstream

    def _waits_for_others(self) -> bool:
        return bool(self.parked)

    def _try_late(self, counter: str, details: str) -> None:
        attempt = self.upstream
        self._untime_try()
        if self.responding or not isinstance(attempt, Attempt):
            return
        if attempt.pool.host.monitor is not None:
            attempt.pool.host.monitor.timed_out()
        seconds = self._decide(self.retries is not None)
        if seconds is not None:
            attempt.parked = True
            self.parked.append(attempt)
            self.upstream = None
            self._try_again_in(seconds)

    def parked_answered(self, attempt: Attempt, head: ResponseHead, data: bytes, end: bool) -> None:
        """A late try has an answer after all."""
        self.parked.remove(attempt)
        if self.retries is not None and self._more_to_come and self.retries.asks_for_answer(head.status, head.block):
            attempt.pool.endpoint_stats.rq_error += 1
            if attempt.pool.host.monitor is not None:
                attempt.pool.host.monitor.answered(answered_status(self.head, head))
            if not end:
                attempt.cancel()
            return
        self._let_go()
        self.unsent = None
        attempt.parked = False
        self.upstream = attempt
        self.pool = attempt.pool
        self.target = attempt.target
        self.extras = attempt.extras
        self._pass_on(head, data, end)

    def parked_failed(self, attempt: Attempt, failed: Failed) -> None:
        """A late try has come to nothing."""
        self.parked.remove(attempt)
        attempt.pool.endpoint_stats.rq_error += 1
        if attempt.pool.host.monitor is not None:
            attempt.pool.host.monitor.failed(failed)
        if not self._more_to_come:
            self.pool = attempt.pool
            self.target = attempt.target
            ProxyStream._fail(self, failed)

    @property
    def _more_to_come(self) -> bool:
        """Whether some other try may still have an answer."""
        return bool(self.parked) or self.upstream is not None or self.lease is not None or self.waiting is not None

    def _pass_on(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._drop_parked()
        super()._pass_on(head, data, end)

    def timed_out(self, now: float) -> None:
        if self.total <= now and self.parked and self.request_done:
            present = self.upstream is not None or self.lease is not None or self.waiting is not None
            self.target.cluster.state.stats.upstream_rq_timeout += len(self.parked) - (not present)
        super().timed_out(now)

    def _let_go(self) -> None:
        self._drop_parked()
        super()._let_go()

    def _drop_parked(self) -> None:
        parked, self.parked = self.parked, []
        for attempt in parked:
            attempt.cancel()
