"""Health checks and outlier detection, from the checked schema to the frozen model."""

from base64 import b64decode

from shifter.config.build_common import encoded, given, header_options, names, string_matcher
from shifter.config.schema import health_check as schema
from shifter.config.schema.core import Int64Range
from shifter.config.schema.outlier_detection import OutlierDetection as OutlierDetectionSchema
from shifter.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, TcpHealthCheck
from shifter.model.outlier_detection import OutlierDetection


def health_check(config: schema.HealthCheck) -> HealthCheck:
    """Return *config* as the model."""
    logs = [config.event_log_path, *(logger.typed_config.event_log_path for logger in config.event_logger)]
    return HealthCheck(
        check=_check(config),
        timeout=config.timeout,
        interval=config.interval,
        unhealthy_threshold=config.unhealthy_threshold,
        healthy_threshold=config.healthy_threshold,
        interval_jitter_percent=config.interval_jitter_percent,
        reuse_connection=config.reuse_connection,
        no_traffic_healthy_interval=config.no_traffic_healthy_interval,
        unhealthy_interval=config.unhealthy_interval,
        unhealthy_edge_interval=config.unhealthy_edge_interval,
        healthy_edge_interval=config.healthy_edge_interval,
        event_log_path=next(filter(None, logs), ""),
        always_log_health_check_failures=config.always_log_health_check_failures,
        always_log_health_check_success=config.always_log_health_check_success,
        name=config.name,
        alpn_protocols=tuple(one.encode() for one in config.tls_options.alpn_protocols) if config.tls_options is not None else (),
        socket_criteria=config.transport_socket_match_criteria,
        **given(
            initial_jitter=config.initial_jitter,
            interval_jitter=config.interval_jitter,
            no_traffic_interval=config.no_traffic_interval,
        ),
    )


def _check(config: schema.HealthCheck) -> HttpHealthCheck | TcpHealthCheck | GrpcHealthCheck:
    if config.http_health_check is not None:
        return _http(config.http_health_check)
    if config.tcp_health_check is not None:
        tcp = config.tcp_health_check
        return TcpHealthCheck(payload(tcp.send), tuple(map(payload, tcp.receive)))
    assert config.grpc_health_check is not None
    grpc = config.grpc_health_check
    return GrpcHealthCheck(grpc.service_name, grpc.authority.encode(), header_options(grpc.initial_metadata))


def _http(config: schema.HttpHealthCheck) -> HttpHealthCheck:
    unspecified = config.method is schema.RequestMethod.METHOD_UNSPECIFIED
    return HttpHealthCheck(
        path=config.path.encode(),
        retriable_statuses=tuple(map(_range, config.retriable_statuses)),
        send=payload(config.send),
        receive=tuple(map(payload, config.receive)),
        headers_to_add=header_options(config.request_headers_to_add),
        headers_to_remove=names(config.request_headers_to_remove),
        http2=config.codec_client_type is schema.CodecClientType.HTTP2,
        service_name_matcher=string_matcher(config.service_name_matcher) if config.service_name_matcher is not None else None,
        **given(
            host=encoded(config.host),
            method=None if unspecified else config.method.value.encode(),
            expected_statuses=tuple(map(_range, config.expected_statuses)) or None,
            response_buffer_size=config.response_buffer_size,
        ),
    )


def _range(config: Int64Range) -> tuple[int, int]:
    return config.start, config.end


def payload(config: schema.Payload | None) -> bytes:
    """Return the bytes that *config* stands for; none when there is none."""
    if config is None:
        return b""
    return bytes.fromhex(config.text) if config.text is not None else b64decode(config.binary or "")


def outlier_detection(config: OutlierDetectionSchema | None) -> OutlierDetection | None:
    """Return *config* as the model, which has the same fields; ``None`` when there is none."""
    return OutlierDetection(**given(**dict(config))) if config is not None else None
