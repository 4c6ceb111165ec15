"""How endpoints are asked whether they are well (``core.v3.HealthCheck``). Durations are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shifter.model.route import HeaderValueOption, StringMatcher


@dataclass(frozen=True, slots=True)
class HttpHealthCheck:
    """``HealthCheck.HttpHealthCheck``. ``host`` empty: the cluster's name. A hostname in the endpoint's ``health_check_config``
    goes before either.

    ``expected_statuses`` and ``retriable_statuses`` are ranges, each from the first to before the second number. ``receive`` are
    pieces of which the body must hold one after the other, within its first ``response_buffer_size`` bytes (0: all).
    """

    path: bytes
    host: bytes = b""
    method: bytes = b"GET"
    expected_statuses: tuple[tuple[int, int], ...] = ((200, 201),)
    retriable_statuses: tuple[tuple[int, int], ...] = ()
    send: bytes = b""
    receive: tuple[bytes, ...] = ()
    response_buffer_size: int = 1024
    headers_to_add: tuple[HeaderValueOption, ...] = ()
    headers_to_remove: tuple[bytes, ...] = ()
    http2: bool = False
    service_name_matcher: StringMatcher | None = None


@dataclass(frozen=True, slots=True)
class TcpHealthCheck:
    """``HealthCheck.TcpHealthCheck``: what is sent (nothing: the connection alone tells), and the pieces that must come back in order."""

    send: bytes = b""
    receive: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcHealthCheck:
    """``HealthCheck.GrpcHealthCheck``: ``grpc.health.v1.Health/Check`` for ``service_name``. ``authority`` as
    `HttpHealthCheck`'s ``host``."""

    service_name: str = ""
    authority: bytes = b""
    initial_metadata: tuple[HeaderValueOption, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """``core.v3.HealthCheck``. ``check`` says what is asked. Intervals that are ``None`` are ``interval``.

    ``no_traffic_interval`` holds while the cluster has had no request yet, ``no_traffic_healthy_interval`` then for healthy hosts.
    ``interval_jitter`` seconds and ``interval_jitter_percent`` of the interval are added at most, by lot. ``event_log_path`` gets a
    line of JSON for each change. ``name`` is needed where a cluster has several, and is part of their figures' names.
    ``alpn_protocols`` are those of ``tls_options``, ``socket_criteria`` is ``transport_socket_match_criteria``.
    """

    check: HttpHealthCheck | TcpHealthCheck | GrpcHealthCheck
    timeout: float
    interval: float
    unhealthy_threshold: int
    healthy_threshold: int
    initial_jitter: float = 0.0
    interval_jitter: float = 0.0
    interval_jitter_percent: int = 0
    reuse_connection: bool = True
    no_traffic_interval: float = 60.0
    no_traffic_healthy_interval: float | None = None
    unhealthy_interval: float | None = None
    unhealthy_edge_interval: float | None = None
    healthy_edge_interval: float | None = None
    event_log_path: str = ""
    always_log_health_check_failures: bool = False
    always_log_health_check_success: bool = False
    name: str = ""
    alpn_protocols: tuple[bytes, ...] = ()
    socket_criteria: Mapping[str, object] | None = field(default=None, hash=False)
