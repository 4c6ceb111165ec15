"""Spans in OpenTelemetry's protocol (OTLP over HTTP, protobuf).

Rule 1. The messages are OpenTelemetry's own, from the package ``opentelemetry-proto`` (the extra ``otel``), which is imported when a
        configuration asks for it and not before.
"""

from collections.abc import Callable, Iterable
from importlib.util import find_spec

from shifter import __version__
from shifter.observe.tracing import Span

CONTENT_TYPE = b"application/x-protobuf"

Encode = Callable[[Iterable[Span]], bytes]
"""Makes the body of one request."""

_NANO = 10**9
_SAMPLED, _IS_KNOWN, _IS_REMOTE = 1, 0x100, 0x200


def missing() -> str | None:
    """Say which package is missing to export spans, ``None`` if none is."""
    try:
        found = find_spec("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    except ModuleNotFoundError:
        found = None
    return None if found is not None else "the package opentelemetry-proto is missing: pip install 'shifter-proxy[otel]'"


def encoder(service_name: str) -> Encode:
    """Return what makes requests with the spans of *service_name*. Raises ``ImportError`` without the package."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message
    from opentelemetry.proto.trace.v1.trace_pb2 import Status

    resource = (
        ("telemetry.sdk.name", "shifter"),
        ("service.name", service_name),
        ("telemetry.sdk.language", "python"),
        ("telemetry.sdk.version", __version__),
    )

    def message(span: Span) -> Message:
        made = Message(
            trace_id=bytes.fromhex(span.trace_id.decode()),
            span_id=bytes.fromhex(span.span_id.decode()),
            parent_span_id=bytes.fromhex(span.parent_id.decode()),
            trace_state=span.state.decode("ascii", "replace"),
            flags=_SAMPLED | _IS_KNOWN | (_IS_REMOTE if span.remote_parent else 0),
            name=span.name,
            kind=Message.SPAN_KIND_CLIENT if span.client else Message.SPAN_KIND_SERVER,
            start_time_unix_nano=int(span.start * _NANO),
            end_time_unix_nano=int(span.end * _NANO),
        )
        for name, value in span.attributes:
            made.attributes.add(key=name).value.string_value = value
        if span.failed:
            made.status.code = Status.STATUS_CODE_ERROR
        return made

    def encode(spans: Iterable[Span]) -> bytes:
        request = ExportTraceServiceRequest()
        told = request.resource_spans.add()
        for name, value in resource:
            told.resource.attributes.add(key=name).value.string_value = value
        scope = told.scope_spans.add()
        scope.scope.name = "shifter"
        scope.scope.version = __version__
        scope.spans.extend(map(message, spans))
        made: bytes = request.SerializeToString()
        return made

    return encode
