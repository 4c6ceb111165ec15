"""Tracing at run time: which requests are traced, what their endpoints are told, and what is told of them when they are over.

Rule 1. Decided is as in Envoy: by the request's id, by what clients and internal callers ask, by shares, all of which runtime may change
        (``tracing.client_enabled``, ``tracing.random_sampling``, ``tracing.global_enabled``). A caller that does not trace a request has
        the last word on it.
Rule 2. Where there is no tracing nothing of this is asked: fields that belong to a trace pass as they came.
Rule 3. A span is made when its request is written to the access logs, of which this is one more (`SpanLog`).
"""

import os
from collections.abc import Callable

from shifter.model.route import FractionalPercent, RouteConfiguration, RuntimeFraction
from shifter.model.tracing import CustomTag, RouteTracing, TagSource, Tracing
from shifter.observe.logformat import LogEntry
from shifter.observe.operands import data_at, text, without_port
from shifter.observe.tracing import (
    B3,
    Context,
    Form,
    Reason,
    Span,
    Trace,
    new_span_id,
    new_trace_id,
    number_of,
    read_b3,
    read_traceparent,
    reason_of,
    with_reason,
    write_b3,
    write_traceparent,
)
from shifter.proxy.access_log import AccessLog
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, values, without
from shifter.wire.heads import first_value

Tell = Callable[[Span], None]
"""Takes a span that is over."""

_ID = b"x-request-id"
_OPERATION = b"x-envoy-decorator-operation"
_COUNTERS = {
    Reason.NOT_TRACEABLE: "tracing.not_traceable",
    Reason.SAMPLING: "tracing.random_sampling",
    Reason.SERVICE_FORCED: "tracing.service_forced",
    Reason.CLIENT_FORCED: "tracing.client_enabled",
}
_NOTHING = RouteTracing()
_CLIENT_KEY, _RANDOM_KEY, _OVERALL_KEY = "tracing.client_enabled", "tracing.random_sampling", "tracing.global_enabled"
_NONE = Context(b"", b"", None)


def says_of_tracing(config: RouteConfiguration) -> bool:
    """Whether a route of *config* says anything of tracing."""
    return any(route.tracing is not None for host in config.virtual_hosts for route in host.routes)


class Tracer:
    """The tracing of one connection manager. *count* counts for it, *tell* takes spans (``None``: nobody does).

    *node_id* is this process's (``node``). *by_route*: routes have a say in it.
    *wall* is the clock of spans.
    """

    __slots__ = ("_by_route", "_client", "_config", "_count", "_overall", "_random", "_runtime", "log")

    def __init__(
        self,
        config: Tracing,
        runtime: Runtime,
        count: Callable[..., None],
        tell: Tell | None,
        node_id: str,
        by_route: bool,
        wall: Callable[[], float],
    ) -> None:
        self._config = config
        self._runtime = runtime
        self._count = count
        self._by_route = by_route
        self._client = RuntimeFraction(config.client_sampling, _CLIENT_KEY)
        self._random = RuntimeFraction(config.random_sampling, _RANDOM_KEY)
        self._overall = RuntimeFraction(config.overall_sampling, _OVERALL_KEY)
        for name in ("tracing.health_check", *_COUNTERS.values()):
            count(name, 0)
        self.log = SpanLog(config, tell, node_id, wall)

    def begin(self, head: RequestHead, locate: Callable[[RequestHead], object]) -> None:
        """Decide about *head*, have its fields say so, and remember it there; *locate* finds its route."""
        route = _NOTHING
        if self._by_route:
            route = getattr(getattr(locate(head), "config", None), "tracing", None) or _NOTHING
        reason = self._decide(head, route)
        self._count(_COUNTERS[reason])
        asked = first_value(head.block, _OPERATION)
        if asked is not None:
            head.block = without(head.block, _OPERATION)
        context = _context(head)
        if context is None:
            return  # there is one that cannot be read: it is passed on as it is
        traced = reason is not Reason.NOT_TRACEABLE
        name = asked.decode("utf-8", "replace") if asked else route.operation or "ingress"
        span_id = new_span_id()
        if context.trace_id:
            sampled = traced and context.sampled is not False
            trace = Trace(context.trace_id, span_id, context.span_id, context.state, sampled, reason, name)
        else:
            trace = Trace(new_trace_id(), span_id, b"", b"", traced and context.sampled is not False, reason, name)
        trace.tags = route.custom_tags
        trace.form = context.form
        head.trace = trace
        if self._config.propagates:
            inject(head, trace)

    def _decide(self, head: RequestHead, route: RouteTracing) -> Reason:
        """Return why *head* is traced, and have its id say it."""
        request_id = first_value(head.block, _ID)
        number = number_of(request_id) if request_id is not None else None
        if request_id is None or number is None:
            return Reason.NOT_TRACEABLE
        block = head.block
        holds = self._runtime.holds
        before = reason = reason_of(request_id)
        if reason is Reason.NOT_TRACEABLE:
            if block.find(b"\r\nx-client-trace-id: ") >= 0 and holds(_of(route.client_sampling, self._client), head.random):
                reason = Reason.CLIENT_FORCED
            elif block.find(b"\r\nx-envoy-force-trace: ") >= 0:
                reason = Reason.SERVICE_FORCED
            elif holds(_of(route.random_sampling, self._random), number):
                reason = Reason.SAMPLING
        if reason is not Reason.NOT_TRACEABLE and not holds(_of(route.overall_sampling, self._overall), number):
            reason = Reason.NOT_TRACEABLE
        if reason is not before:
            line = b"\r\nx-request-id: "
            head.block = head.block.replace(line + request_id, line + with_reason(request_id, reason), 1)
        return reason


def _of(share: FractionalPercent | None, otherwise: RuntimeFraction) -> RuntimeFraction:
    """A route's *share* takes the place of the connection manager's."""
    return otherwise if share is None else RuntimeFraction(share, otherwise.runtime_key)


def _context(head: RequestHead) -> Context | None:
    """Return where *head* says it comes from, an empty context when it says nothing, ``None`` for what cannot be read."""
    block = head.block
    said = first_value(block, b"traceparent")
    if said is not None:
        return read_traceparent(said, b",".join(values(block, b"tracestate")))
    if block.find(b"b3") < 0:
        return _NONE
    return read_b3(lambda name: first_value(block, name)) or _NONE


def inject(head: RequestHead, trace: Trace) -> None:
    """Have *head* say that it comes from *trace* now."""
    block = head.block
    if block.find(b"\r\ntrace") >= 0:
        block = without(without(block, b"traceparent"), b"tracestate")
    block += b"\r\ntraceparent: " + write_traceparent(trace.trace_id, trace.span_id, trace.sampled)
    if trace.state:
        block += b"\r\ntracestate: " + trace.state
    if trace.form is not Form.W3C:
        for name in (b"b3", *B3):
            block = without(block, name)
        block += write_b3(trace.form, trace.trace_id, trace.span_id, trace.parent_id, trace.sampled)
    head.block = block


class SpanLog(AccessLog):
    """An access log whose lines are spans."""

    __slots__ = ("_config", "_node_id", "_tell", "_wall")

    def __init__(self, config: Tracing, tell: Tell | None, node_id: str, wall: Callable[[], float]) -> None:
        super().__init__(lambda entry: b"", None, True)
        self._config = config
        self._tell = tell
        self._node_id = node_id.encode()
        self._wall = wall

    def write(self, entry: LogEntry) -> None:
        trace = entry.trace
        if trace is None or not trace.sampled or self._tell is None:
            return
        end = self._wall()
        failed = entry.status == 0 or entry.status >= 500
        attributes = tuple(self._attributes(entry, failed))
        remote = bool(trace.parent_id)
        # as in Envoy, what fails without an answer is marked, and is no error of the span
        error = entry.status >= 500
        self._tell(
            Span(
                trace.name, trace.trace_id, trace.span_id, trace.parent_id, trace.state, entry.start, end, attributes, error, False, remote
            )
        )

    def tell_try(self, entry: LogEntry, trace: Trace, name: str, span_id: bytes, start: float, told: dict[str, str], failed: bool) -> None:
        """Tell of a try of the request that *entry* describes: a span below that of its *trace*."""
        if self._tell is not None:
            self._add_tags(told, entry)
            end = self._wall()
            self._tell(Span(name, trace.trace_id, span_id, trace.span_id, trace.state, start, end, tuple(told.items()), failed, True))

    def _attributes(self, entry: LogEntry, failed: bool) -> list[tuple[str, str]]:
        """Return Envoy's tags (``HttpTracerUtility::finalizeDownstreamSpan``), and those that the configuration adds."""
        block = entry.request_block
        path = (entry.original_path or entry.path)[: self._config.max_path_tag_length]
        kind = first_value(block, b"content-type") or b""
        told: list[tuple[str, bytes]] = [("node_id", self._node_id), ("zone", b"")]
        if request_id := first_value(block, _ID):
            told.append(("guid:x-request-id", request_id))
        told += [
            ("http.url", b"%b://%b%b" % (entry.scheme, entry.authority, path)),
            ("http.method", entry.method),
            ("downstream_cluster", first_value(block, b"x-envoy-downstream-service-cluster") or b"-"),
            ("user_agent", first_value(block, b"user-agent") or b"-"),
            ("http.protocol", entry.protocol),
            ("peer.address", without_port(entry.direct_peer) or b"-"),
        ]
        if client := first_value(block, b"x-client-trace-id"):
            told.append(("guid:x-client-trace-id", client))
        if kind == b"application/grpc" or kind.startswith(b"application/grpc+"):
            told += [("grpc.path", entry.path), ("grpc.authority", entry.authority), ("grpc.content_type", kind)]
            for name in (b"grpc-status", b"grpc-message"):
                if said := first_value(entry.trailers, name) or first_value(entry.response_block, name):
                    told.append((name.decode().replace("-", ".") if name == b"grpc-status" else "grpc.message", said))
        told += [("request_size", b"%d" % entry.bytes_received), ("response_size", b"%d" % entry.bytes_sent), ("component", b"proxy")]
        if entry.cluster:
            told += [("upstream_cluster", entry.cluster.encode()), ("upstream_cluster.name", entry.cluster.encode())]
        told += [("http.status_code", b"%d" % entry.status), ("response_flags", entry.flags or b"-")]
        if failed:
            told.append(("error", b"true"))
        attributes = {name: value.decode("utf-8", "replace") for name, value in told}
        self._add_tags(attributes, entry)
        return list(attributes.items())

    def _add_tags(self, attributes: dict[str, str], entry: LogEntry) -> None:
        """Add what the configuration has spans say; the route's tags take the place of the connection manager's of the same name."""
        for tag in (*self._config.custom_tags, *(entry.trace.tags if entry.trace is not None else ())):
            if value := _value(tag, entry):
                attributes[tag.tag] = value


def _value(tag: CustomTag, entry: LogEntry) -> str:
    if tag.source is TagSource.LITERAL:
        return tag.default
    found: bytes | None
    if tag.source is TagSource.ENVIRONMENT:
        return os.environ.get(tag.path[0], tag.default)
    if tag.source is TagSource.HEADER:
        found = first_value(entry.request_block, tag.path[0].encode())
    else:
        metadata = entry.metadata if tag.source is TagSource.REQUEST else entry.route_metadata
        found = text(data_at(metadata, tag.path, None))
    return found.decode("utf-8", "replace") if found else tag.default
