"""What is told of requests to who follows them from service to service (Envoy's ``HttpConnectionManager.Tracing``)."""

from dataclasses import dataclass
from enum import Enum

from shifter.model.route import FractionalPercent


class TagSource(Enum):
    """Where the value of a `CustomTag` comes from. ``REQUEST`` and ``ROUTE`` are metadata: what filters left, and the route's own."""

    LITERAL = "literal"
    ENVIRONMENT = "environment"
    HEADER = "request_header"
    REQUEST = "request"
    ROUTE = "route"


@dataclass(frozen=True, slots=True)
class CustomTag:
    """``type.tracing.v3.CustomTag``. ``default`` stands for what is not there; empty: there is no tag then.

    A ``LITERAL`` is its default. ``path`` is the name of the variable or, in lower case, of the header, or namespace and keys.
    """

    tag: str
    source: TagSource
    path: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class OpenTelemetry:
    """``trace.v3.OpenTelemetryConfig`` with an ``http_service``: spans go to ``cluster``, asked for by ``authority`` and ``path``.

    ``timeout`` is in seconds. ``max_cache_size`` spans may wait for it.
    """

    cluster: str
    authority: bytes
    path: bytes
    timeout: float
    service_name: str = "unknown_service:shifter"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    max_cache_size: int = 1024


@dataclass(frozen=True, slots=True)
class RouteTracing:
    """What a route says of tracing: ``route.v3.Tracing`` and ``Decorator``. ``None`` leaves it to the connection manager.

    ``operation`` is what its requests are called; ``propagates_operation`` has answers say so (``x-envoy-decorator-operation``).
    """

    client_sampling: FractionalPercent | None = None
    random_sampling: FractionalPercent | None = None
    overall_sampling: FractionalPercent | None = None
    custom_tags: tuple[CustomTag, ...] = ()
    operation: str = ""
    propagates_operation: bool = False


_ALWAYS = FractionalPercent(10_000, 10_000)


@dataclass(frozen=True, slots=True)
class Tracing:
    """``HttpConnectionManager.Tracing``. Without a ``provider`` it is decided what is traced, and nobody is told."""

    client_sampling: FractionalPercent = _ALWAYS
    random_sampling: FractionalPercent = _ALWAYS
    overall_sampling: FractionalPercent = _ALWAYS
    max_path_tag_length: int = 256
    custom_tags: tuple[CustomTag, ...] = ()
    provider: OpenTelemetry | None = None
    propagates: bool = True
    spawn_upstream_span: bool = False
