"""What connection managers and routes say of tracing."""

import pytest

from shifter.config import Judge, load
from shifter.model.route import FractionalPercent
from shifter.model.tracing import CustomTag, OpenTelemetry, RouteTracing, TagSource, Tracing
from tests.support.configs import GOOD, NAME, marked, with_manager

TYPE = '"@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig'
URI = "http_uri: {uri: http://otel:4318/v1/traces, cluster: service1a, timeout: 1s}"


def provider(said: str = f"http_service: {{{URI}}}", kind: str = TYPE) -> str:
    return f"provider: {{name: envoy.tracers.opentelemetry, typed_config: {{{kind}, {said}}}}}"


def tracing(written: str) -> Tracing:
    loaded = load(with_manager(f"tracing: {{{written}}}"), NAME)
    assert loaded.bootstrap is not None, loaded.problems
    manager = loaded.bootstrap.listeners[0].filter_chains[0].filter
    found: Tracing | None = getattr(manager, "tracing", None)
    assert found is not None
    return found


SENT = OpenTelemetry("service1a", b"otel:4318", b"/v1/traces", 1.0)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", Tracing()),
        (provider(), Tracing(provider=SENT)),
        (
            provider(
                f"service_name: a, max_cache_size: 5, http_service: {{{URI}, request_headers_to_add: [{{header: {{key: X-A, value: b}}}}]}}"
            ),
            Tracing(
                provider=OpenTelemetry("service1a", b"otel:4318", b"/v1/traces", 1.0, "a", ((b"x-a", b"b"),), 5),
            ),
        ),
        (
            "client_sampling: {value: 12.4}, random_sampling: {value: 0.123}, overall_sampling: {value: 50}",
            Tracing(FractionalPercent(12), FractionalPercent(12, 10_000), FractionalPercent(5000, 10_000)),
        ),
        ("max_path_tag_length: 5, no_context_propagation: true", Tracing(max_path_tag_length=5, propagates=False)),
        ("spawn_upstream_span: true", Tracing(spawn_upstream_span=True)),
        (
            "custom_tags: [{tag: a, literal: {value: b}}, {tag: c, environment: {name: D}}, {tag: e, request_header: {name: X-F, "
            "default_value: g}}]",
            Tracing(
                custom_tags=(
                    CustomTag("a", TagSource.LITERAL, default="b"),
                    CustomTag("c", TagSource.ENVIRONMENT, ("D",)),
                    CustomTag("e", TagSource.HEADER, ("x-f",), "g"),
                )
            ),
        ),
        (
            "custom_tags: [{tag: a, metadata: {kind: {route: {}}, metadata_key: {key: ns, path: [{key: b}]}}}, "
            "{tag: c, metadata: {kind: {request: {}}, metadata_key: {key: ns, path: [{key: d}, {key: e}]}, default_value: f}}]",
            Tracing(
                custom_tags=(CustomTag("a", TagSource.ROUTE, ("ns", "b")), CustomTag("c", TagSource.REQUEST, ("ns", "d", "e"), "f")),
            ),
        ),
    ],
)
def test_what_a_connection_manager_says(written: str, expected: Tracing) -> None:
    assert tracing(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("decorator: {operation: a}", RouteTracing(operation="a", propagates_operation=True)),
        ("decorator: {operation: a, propagate: false}", RouteTracing(operation="a")),
        (
            "tracing: {random_sampling: {numerator: 5}, custom_tags: [{tag: a, literal: {value: b}}]}",
            RouteTracing(
                FractionalPercent(100), FractionalPercent(5), FractionalPercent(100), (CustomTag("a", TagSource.LITERAL, default="b"),)
            ),
        ),
    ],
)
def test_what_a_route_says(written: str, expected: RouteTracing) -> None:
    loaded = load(GOOD.replace("              - match:", f"              - {written}\n                match:", 1), NAME)
    assert loaded.bootstrap is not None, loaded.problems
    manager = loaded.bootstrap.listeners[0].filter_chains[0].filter
    assert manager.route_config.virtual_hosts[0].routes[0].tracing == expected  # type: ignore[union-attr]  # it speaks HTTP


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        (
            provider("http_service: {http_uri: {uri: «otel», cluster: service1a, timeout: 1s}}"),
            "`otel` is no address of a collector",
            "write",
        ),
        (provider("http_service: {http_uri: {uri: http://a, cluster: «none», timeout: 1s}}"), "no cluster is named `none`", ""),
        (provider("«grpc_service»: {}"), "Envoy knows `grpc_service`, shifter does not support it yet", ""),
        (
            provider("collector_cluster: a", '"@type": «type.googleapis.com/envoy.config.trace.v3.ZipkinConfig»'),
            "Envoy knows `envoy.config.trace.v3.ZipkinConfig`, shifter does not support it yet",
            "supported here: envoy.config.trace.v3.OpenTelemetryConfig",
        ),
        (f"custom_tags: [{{tag: a, «value»: b}}], {provider()}", "Envoy knows `value`, shifter does not support it yet", ""),
        (f"custom_tags: [«{{»tag: a}}], {provider()}", "nothing says what the tag says", "give one of"),
        (
            f"custom_tags: [{{tag: a, metadata: {{kind: {{«host»: {{}}}}, metadata_key: {{key: b, path: [{{key: c}}]}}}}}}], {provider()}",
            "Envoy knows `host`, shifter does not support it yet",
            "",
        ),
    ],
)
def test_errors(written: str, message: str, hint: str) -> None:
    planted = marked(with_manager(f"tracing: {{{written}}}"))
    problems = [one for one in load(planted.text, NAME).problems if one.level == "error"]
    [problem] = problems
    assert message in problem.message
    assert hint in problem.hint
    assert problem.place == planted.place


def test_a_missing_package_is_an_error() -> None:
    text = with_manager(f"tracing: {{{provider()}}}")
    [problem] = load(text, NAME, Judge(otlp_problem=lambda: "no package")).problems
    assert problem.message == "spans cannot be told: no package"


def test_tracing_that_nobody_hears_of_is_told() -> None:
    [problem] = load(with_manager("tracing: {verbose: false}"), NAME).problems
    assert problem.message == "nobody is told of spans: there is no `provider`"
