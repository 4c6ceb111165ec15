"""Spans are written as OpenTelemetry reads them."""

import sys

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shifter import __version__
from shifter.observe.tracing import Span
from shifter.service.otlp import encoder, missing

TRACE, SPAN, PARENT = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331", b"00f067aa0ba902b7"


def test_a_span() -> None:
    told = Span("op", TRACE, SPAN, PARENT, b"a=b", 1.5, 2.0, (("a", "1"), ("b", "")), failed=True, remote_parent=True)
    request = ExportTraceServiceRequest.FromString(encoder("front")([told, told._replace(parent_id=b"", failed=False, client=True)]))
    [resource] = request.resource_spans
    assert {one.key: one.value.string_value for one in resource.resource.attributes} == {
        "telemetry.sdk.name": "shifter",
        "service.name": "front",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": __version__,
    }
    [scope] = resource.scope_spans
    first, second = scope.spans
    assert (first.name, first.trace_id.hex().encode(), first.span_id.hex().encode()) == ("op", TRACE, SPAN)
    assert (first.parent_span_id.hex().encode(), first.trace_state, first.flags) == (PARENT, "a=b", 0x301)
    assert (first.start_time_unix_nano, first.end_time_unix_nano) == (1_500_000_000, 2_000_000_000)
    assert [(one.key, one.value.string_value) for one in first.attributes] == [("a", "1"), ("b", "")]
    assert (first.kind, first.status.code) == (2, 2)
    assert (second.kind, second.status.code, second.parent_span_id) == (3, 0, b"")


def test_without_the_package_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() is None
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    assert missing() == "the package opentelemetry-proto is missing: pip install 'shifter-proxy[otel]'"
