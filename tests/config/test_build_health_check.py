"""Health checks and outlier detection arrive in the model, field by field."""

from dataclasses import fields, replace

import pytest

from shifter.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, TcpHealthCheck
from shifter.model.outlier_detection import OutlierDetection
from shifter.model.route import AppendAction, HeaderValueOption, StringMatcher, StringMatchKind
from tests.config.test_build_cluster import cluster

NEEDED = "timeout: 1s, interval: 2s, unhealthy_threshold: 3, healthy_threshold: 4"
SINK = "type.googleapis.com/envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"
TCP = HealthCheck(TcpHealthCheck(), 1.0, 2.0, 3, 4)


def check(written: str, more: str = "") -> HealthCheck:
    [found] = cluster(f"health_checks: [{{{NEEDED}, {written}}}]{more}").health_checks
    return found


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("tcp_health_check: {}", TcpHealthCheck()),
        (
            "tcp_health_check: {send: {text: 6869}, receive: [{text: 00FF}, {binary: aGk=}]}",
            TcpHealthCheck(b"hi", (b"\x00\xff", b"hi")),
        ),
        ("http_health_check: {path: /healthz}", HttpHealthCheck(b"/healthz")),
        (
            "http_health_check: {path: /, host: a.test, method: post, send: {text: 6869}, receive: [{text: '21'}], "
            "response_buffer_size: 0, codec_client_type: http2, expected_statuses: [{start: 200, end: 300}, {start: 404, end: 405}], "
            "retriable_statuses: [{start: 500, end: 600}], service_name_matcher: {prefix: a}, request_headers_to_remove: [X-B], "
            "request_headers_to_add: [{header: {key: X-A, value: b}, append_action: ADD_IF_ABSENT}]}",
            HttpHealthCheck(
                b"/",
                b"a.test",
                b"POST",
                ((200, 300), (404, 405)),
                ((500, 600),),
                b"hi",
                (b"!",),
                0,
                (HeaderValueOption(b"x-a", b"b", AppendAction.ADD_IF_ABSENT),),
                (b"x-b",),
                True,
                StringMatcher(StringMatchKind.PREFIX, b"a"),
            ),
        ),
        ("http_health_check: {path: /, method: METHOD_UNSPECIFIED}", HttpHealthCheck(b"/")),
    ],
)
def test_what_is_asked(written: str, what: object) -> None:
    assert check(written) == replace(TCP, check=what)  # type: ignore[arg-type]


def test_grpc() -> None:
    headers = "initial_metadata: [{header: {key: A, value: b}}]"
    found = check(f"grpc_health_check: {{service_name: s, authority: a.test, {headers}}}", ", http2_protocol_options: {}")
    assert found.check == GrpcHealthCheck("s", b"a.test", (HeaderValueOption(b"a", b"b"),))


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (
            "initial_jitter: 1s, interval_jitter: 2s, interval_jitter_percent: 30, reuse_connection: false",
            {"initial_jitter": 1.0, "interval_jitter": 2.0, "interval_jitter_percent": 30, "reuse_connection": False},
        ),
        (
            "no_traffic_interval: 1s, no_traffic_healthy_interval: 2s, unhealthy_interval: 3s, unhealthy_edge_interval: 4s, "
            "healthy_edge_interval: 5s",
            {
                "no_traffic_interval": 1.0,
                "no_traffic_healthy_interval": 2.0,
                "unhealthy_interval": 3.0,
                "unhealthy_edge_interval": 4.0,
                "healthy_edge_interval": 5.0,
            },
        ),
        (
            "event_log_path: /dev/null, always_log_health_check_failures: true, always_log_health_check_success: true",
            {"event_log_path": "/dev/null", "always_log_health_check_failures": True, "always_log_health_check_success": True},
        ),
        (f'event_logger: [{{name: a, typed_config: {{"@type": {SINK}, event_log_path: /x}}}}]', {"event_log_path": "/x"}),
    ],
)
def test_when_it_is_asked_and_where_that_is_told(written: str, values: dict[str, object]) -> None:
    assert check(f"tcp_health_check: {{}}, {written}") == replace(TCP, **values)  # type: ignore[arg-type]


def test_without_any() -> None:
    found = cluster("connect_timeout: 1s")
    assert (found.health_checks, found.outlier_detection) == ((), None)


def test_outlier_detection_has_envoys_defaults() -> None:
    assert cluster("outlier_detection: {}").outlier_detection == OutlierDetection()


@pytest.mark.parametrize("name", [field.name for field in fields(OutlierDetection)])
def test_every_field_of_outlier_detection(name: str) -> None:
    default = getattr(OutlierDetection(), name)
    written, value = ("true", True) if default is False else ("false", False) if default is True else ("99", 99)
    if default is None or isinstance(default, float):
        written, value = "99s", 99.0
    assert cluster(f"outlier_detection: {{{name}: {written}}}").outlier_detection == replace(OutlierDetection(), **{name: value})
