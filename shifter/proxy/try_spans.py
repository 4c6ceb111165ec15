"""A span for each try of a request that is forwarded (``spawn_upstream_span``).

Rule 1. A try stands between the exchange and the connection, and passes everything on: neither of them knows of it. What it hears tells
        it when the try is over, and how.
Rule 2. Its endpoint is told that the try is where the request comes from.
"""

from typing import TYPE_CHECKING

from shifter.observe.tracing import Trace, new_span_id
from shifter.proxy.between import Between
from shifter.proxy.tracing import SpanLog, inject
from shifter.upstream.interfaces import Failed, ResponseListener, UpstreamStream
from shifter.upstream.pool import EndpointPool
from shifter.wire.events import RequestHead, ResponseHead

if TYPE_CHECKING:
    from shifter.proxy.stream import ProxyStream


_CLIENT_ERROR = 400
"""From here on a status is an error of who asked (OpenTelemetry's semantic conventions for HTTP clients)."""


class TrySpan:
    """The span of one try."""

    __slots__ = ("_exchange", "_log", "_pool", "_protocol", "_retries", "_span_id", "_start", "_trace", "over")

    def __init__(self, exchange: "ProxyStream", log: SpanLog, trace: Trace, pool: EndpointPool, protocol: bytes, retries: int) -> None:
        self._exchange = exchange
        self._log = log
        self._trace = trace
        self._pool = pool
        self._protocol = protocol
        self._retries = retries
        self._span_id = new_span_id()
        self._start = exchange.worker.wall()
        self.over = False

    def inject(self, head: RequestHead) -> None:
        """Have *head* say that it comes from here."""
        trace = self._trace
        own = Trace(trace.trace_id, self._span_id, trace.span_id, trace.state, trace.sampled, trace.reason, trace.name)
        own.form = trace.form
        inject(head, own)

    def end(self, status: int, failed: Failed | None = None, canceled: bool = False) -> None:
        """The try is over: it was answered with *status*, or *failed*, or nobody waits for it any more (*canceled*)."""
        if self.over or not self._trace.sampled:
            return
        self.over = True
        exchange = self._exchange
        cluster = exchange.target.cluster.name
        address = self._pool.address_text.decode("ascii", "replace")
        told: dict[str, str] = {}
        if self._retries:
            told["retry.count"] = str(self._retries)
        if canceled:
            told["canceled"] = "true"
        if failed is not None:
            told["error"] = "true"
            told["error.reason"] = failed.kind.reason
        told["http.protocol"] = self._protocol.decode() or "-"
        told["upstream_address"] = told["peer.address"] = address
        told["component"] = "proxy"
        told["upstream_cluster"] = told["upstream_cluster.name"] = cluster
        told["http.status_code"] = str(status)
        told["response_flags"] = failed.kind.flag if failed is not None else "-"
        if status >= 500 or not status:
            told["error"] = "true"
        self._log.tell_try(
            exchange.describe(), self._trace, f"router {cluster} egress", self._span_id, self._start, told, status >= _CLIENT_ERROR
        )


class TracedTry(Between):
    """One try: to its exchange the upstream, to the upstream the listener."""

    __slots__ = ("_listener", "_span", "_status")

    def __init__(self, exchange: "ProxyStream", upstream: UpstreamStream, log: SpanLog, trace: Trace) -> None:
        super().__init__(exchange, upstream)
        self._status = 0
        self._span = TrySpan(exchange, log, trace, upstream.pool, upstream.protocol, exchange.attempts)
        self._listener: ResponseListener = exchange

    # UpstreamStream

    def send(self, head: RequestHead, data: bytes, end: bool, listener: ResponseListener) -> None:
        self._listener = listener
        self._span.inject(head)
        self._upstream.send(head, data, end, self)

    def cancel(self) -> None:
        self._span.end(self._status, canceled=True)
        self._upstream.cancel()

    # ResponseListener

    def on_interim(self, head: ResponseHead) -> None:
        self._listener.on_interim(head)

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._status = head.status
        if end:
            self._span.end(head.status)
        self._listener.on_head(head, data, end)

    def on_data(self, data: bytes, end: bool) -> None:
        if end:
            self._span.end(self._status)
        self._listener.on_data(data, end)

    def on_trailers(self, block: bytes) -> None:
        self._span.end(self._status)
        self._listener.on_trailers(block)

    def on_failed(self, failed: Failed) -> None:
        self._span.end(self._status, failed)
        self._listener.on_failed(failed)

    def on_blocked(self) -> None:
        self._listener.on_blocked()

    def on_writable(self) -> None:
        self._listener.on_writable()


def traced(exchange: "ProxyStream", upstream: UpstreamStream) -> UpstreamStream:
    """Return *upstream* for a try of *exchange* that has a span, if its request belongs to a trace."""
    tracer, trace = exchange.runtime.tracer, exchange.head.trace
    return upstream if tracer is None or trace is None else TracedTry(exchange, upstream, tracer.log, trace)


def not_connected(exchange: "ProxyStream", pool: EndpointPool, failed: Failed) -> None:
    """A try of *exchange* has *failed* before there was a connection."""
    tracer, trace = exchange.runtime.tracer, exchange.head.trace
    if tracer is not None and trace is not None:
        TrySpan(exchange, tracer.log, trace, pool, b"", exchange.attempts).end(0, failed)
