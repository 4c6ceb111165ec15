"""Spans on their way to who collects them (Envoy's OpenTelemetry tracer, over HTTP).

Rule 1. Spans are gathered and sent by the hundred, through the collector's cluster as anything else that goes to an endpoint: with its
        timeouts, limits and figures.
Rule 2. What becomes of them is no request's business. A bounded number waits; beyond that, and when a collector does not take them, they
        are lost, and counted (``tracing.opentelemetry.spans_dropped``).
"""

from collections import deque
from collections.abc import Callable

from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.tracing import OpenTelemetry
from shifter.observe.tracing import Span
from shifter.proxy.mirror import MirrorStream
from shifter.proxy.tracing import Tracer, says_of_tracing
from shifter.proxy.worker import Worker
from shifter.routing.runtime import Runtime
from shifter.service.otlp import CONTENT_TYPE, Encode, encoder
from shifter.upstream.cluster import LiveCluster
from shifter.wire.events import RequestHead

BATCH = 512
"""Spans that are sent at once, unless runtime says another number (``tracing.opentelemetry.min_flush_spans``)."""
_INTERVAL_MS = 5000
_IN_FLIGHT = 4
_OK = range(200, 300)

Find = Callable[[str], LiveCluster | None]
Count = Callable[..., None]


class Exporter:
    """What is told to one provider. *encode* makes the body of a request."""

    def __init__(self, config: OpenTelemetry, find: Find, worker: Worker, runtime: Runtime, count: Count, encode: Encode) -> None:
        self._config = config
        self._find = find
        self._worker = worker
        self._runtime = runtime
        self._count = count
        self._encode = encode
        self._waiting: deque[Span] = deque()
        self._under_way = 0
        self._since = worker.now
        for name in ("spans_sent", "spans_dropped", "timer_flushed"):
            count(f"tracing.opentelemetry.{name}", 0)

    def tell(self, span: Span) -> None:
        """Take *span*."""
        waiting = self._waiting
        if len(waiting) >= self._config.max_cache_size:
            self._count("tracing.opentelemetry.spans_dropped")
            return
        waiting.append(span)
        if len(waiting) >= self._runtime.integer("tracing.opentelemetry.min_flush_spans", BATCH):
            self._send()

    def flush(self, now: bool = False) -> None:
        """Send what waits if it has waited long enough, or *now*."""
        seconds = self._runtime.integer("tracing.opentelemetry.flush_interval_ms", _INTERVAL_MS) / 1000
        if self._worker.now - self._since >= seconds:
            self._since = self._worker.now
            self._count("tracing.opentelemetry.timer_flushed")
            self._send()
        elif now:
            self._send()

    @property
    def busy(self) -> bool:
        """Whether anything waits, or is under way."""
        return bool(self._waiting) or self._under_way > 0

    def _send(self) -> None:
        waiting = self._waiting
        while waiting and self._under_way < _IN_FLIGHT:
            spans = [waiting.popleft() for _ in range(min(len(waiting), BATCH))]
            cluster = self._find(self._config.cluster)
            if cluster is None:
                self._count("tracing.opentelemetry.spans_dropped", len(spans))
                continue
            self._under_way += 1
            body = self._encode(spans)
            _Export(self, cluster, self._head(len(body)), self._worker, self._config.timeout, len(spans)).begin(body, True)

    def _head(self, length: int) -> RequestHead:
        config = self._config
        lines = [(b"content-type", CONTENT_TYPE), (b"user-agent", b"OTel-OTLP-Exporter-shifter"), *config.headers]
        lines.append((b"content-length", b"%d" % length))
        block = b"".join([b"\r\n%b: %b" % line for line in lines])
        return RequestHead(b"POST", config.path, config.authority, block, length)

    def done(self, spans: int, taken: bool) -> None:
        """An export is over."""
        self._under_way -= 1
        self._count(f"tracing.opentelemetry.spans_{'sent' if taken else 'dropped'}", spans)


class _Export(MirrorStream):
    """One request to a collector."""

    __slots__ = ("_exporter", "_spans")

    def __init__(self, exporter: Exporter, cluster: LiveCluster, head: RequestHead, worker: Worker, timeout: float, spans: int) -> None:
        super().__init__(cluster, head, worker, timeout, timeout or float("inf"))
        self._exporter = exporter
        self._spans = spans

    def _give_up(self) -> None:
        if not self.over:
            super()._give_up()
            self._exporter.done(self._spans, False)

    def _end(self, status: int) -> None:
        super()._end(status)
        self._exporter.done(self._spans, status in _OK)


class Spans:
    """All tracing of one process. *count* counts for the server."""

    def __init__(self, find: Find, worker: Worker, runtime: Runtime, count: Count) -> None:
        self._find = find
        self._worker = worker
        self._runtime = runtime
        self._count = count
        self._exporters: dict[OpenTelemetry, Exporter] = {}

    def tracer(self, manager: HttpConnectionManager, count: Count, node_id: str) -> Tracer | None:
        """Return the tracing of *manager*, which counts with *count*; ``None`` where there is none. *node_id* is this process's."""
        config = manager.tracing
        if config is None:
            return None
        tell = self._exporter(config.provider).tell if config.provider is not None else None
        return Tracer(config, self._runtime, count, tell, node_id, says_of_tracing(manager.route_config), self._worker.wall)

    def flush(self, now: bool = False) -> None:
        """See `Exporter.flush`."""
        for exporter in self._exporters.values():
            exporter.flush(now)

    @property
    def busy(self) -> bool:
        """Whether there are spans that nobody has taken yet; not for long, for a collector has its timeout."""
        return any(exporter.busy for exporter in self._exporters.values())

    def _exporter(self, config: OpenTelemetry) -> Exporter:
        known = self._exporters.get(config)
        if known is None:
            encode = encoder(config.service_name)
            known = self._exporters[config] = Exporter(config, self._find, self._worker, self._runtime, self._count, encode)
        return known
