"""What an access log, or a mapper of local replies, is about: ``accesslog.v3.AccessLogFilter``."""

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, Field

from shifter.config.report import shown
from shifter.config.schema.base import Bool, Choice, Message, Name, OneOf, many, word, wrong
from shifter.config.schema.core import FractionalPercent, RuntimeUInt32
from shifter.config.schema.match import HeaderMatcher, MetadataMatcher
from shifter.model.logfilter import Comparison

_FLAGS = "LH UH UT LR UR UF UC UO NR DI FI RL UAEX RLSE DC URX SI IH DPE UMSDR RFCF NFCF DT UPE NC OM DF DO DR UDO"
"""Those that Envoy takes here."""


def _flag(value: str) -> str:
    if value not in _FLAGS.split():
        raise wrong(f"`{shown(value)}` is no response flag", f"known: {_FLAGS}")
    return value


class GrpcStatus(Enum):
    """``GrpcStatusFilter.Status``, in the order of their numbers."""

    OK = "OK"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


class ComparisonFilter(Message):
    """``accesslog.v3.ComparisonFilter``."""

    envoy = "envoy.config.accesslog.v3.ComparisonFilter"

    op: Annotated[Comparison, word(Comparison)] = Comparison.EQ
    value: RuntimeUInt32


class StatusCodeFilter(Message):
    """``accesslog.v3.StatusCodeFilter``."""

    envoy = "envoy.config.accesslog.v3.StatusCodeFilter"

    comparison: ComparisonFilter


class DurationFilter(Message):
    """``accesslog.v3.DurationFilter``."""

    envoy = "envoy.config.accesslog.v3.DurationFilter"

    comparison: ComparisonFilter


class NotHealthCheckFilter(Message):
    """``accesslog.v3.NotHealthCheckFilter``: nothing to say."""

    envoy = "envoy.config.accesslog.v3.NotHealthCheckFilter"


class TraceableFilter(Message):
    """``accesslog.v3.TraceableFilter``: nothing to say."""

    envoy = "envoy.config.accesslog.v3.TraceableFilter"


class RuntimeFilter(Message):
    """``accesslog.v3.RuntimeFilter``."""

    envoy = "envoy.config.accesslog.v3.RuntimeFilter"

    runtime_key: Name
    percent_sampled: FractionalPercent = FractionalPercent()
    use_independent_randomness: Bool = False


class AndFilter(Message):
    """``accesslog.v3.AndFilter``."""

    envoy = "envoy.config.accesslog.v3.AndFilter"

    filters: Annotated[list["AccessLogFilter"], many(2)]


class OrFilter(Message):
    """``accesslog.v3.OrFilter``."""

    envoy = "envoy.config.accesslog.v3.OrFilter"

    filters: Annotated[list["AccessLogFilter"], many(2)]


class HeaderFilter(Message):
    """``accesslog.v3.HeaderFilter``."""

    envoy = "envoy.config.accesslog.v3.HeaderFilter"

    header: HeaderMatcher


class ResponseFlagFilter(Message):
    """``accesslog.v3.ResponseFlagFilter``."""

    envoy = "envoy.config.accesslog.v3.ResponseFlagFilter"

    flags: list[Annotated[str, AfterValidator(_flag)]] = Field(default_factory=list)


class GrpcStatusFilter(Message):
    """``accesslog.v3.GrpcStatusFilter``."""

    envoy = "envoy.config.accesslog.v3.GrpcStatusFilter"

    statuses: list[Annotated[GrpcStatus, word(GrpcStatus)]] = Field(default_factory=list)
    exclude: Bool = False


class MetadataFilter(Message):
    """``accesslog.v3.MetadataFilter``."""

    envoy = "envoy.config.accesslog.v3.MetadataFilter"

    matcher: MetadataMatcher | None = None
    match_if_key_not_found: Bool = True


class LogType(Enum):
    """``AccessLogType``."""

    NotSet = "NotSet"
    TcpUpstreamConnected = "TcpUpstreamConnected"
    TcpPeriodic = "TcpPeriodic"
    TcpConnectionStart = "TcpConnectionStart"
    TcpConnectionEnd = "TcpConnectionEnd"
    DownstreamStart = "DownstreamStart"
    DownstreamPeriodic = "DownstreamPeriodic"
    DownstreamEnd = "DownstreamEnd"
    UpstreamPoolReady = "UpstreamPoolReady"
    UpstreamPeriodic = "UpstreamPeriodic"
    UpstreamEnd = "UpstreamEnd"
    DownstreamTunnelSuccessfullyEstablished = "DownstreamTunnelSuccessfullyEstablished"
    UdpTunnelUpstreamConnected = "UdpTunnelUpstreamConnected"
    UdpPeriodic = "UdpPeriodic"
    UdpSessionEnd = "UdpSessionEnd"


class LogTypeFilter(Message):
    """``accesslog.v3.LogTypeFilter``."""

    envoy = "envoy.config.accesslog.v3.LogTypeFilter"

    types: list[Annotated[LogType, word(LogType)]] = Field(default_factory=list)
    exclude: Bool = False


class AccessLogFilter(Choice):
    """``accesslog.v3.AccessLogFilter``."""

    envoy = "envoy.config.accesslog.v3.AccessLogFilter"
    one_of = (
        OneOf(
            (
                "status_code_filter",
                "duration_filter",
                "not_health_check_filter",
                "traceable_filter",
                "runtime_filter",
                "and_filter",
                "or_filter",
                "header_filter",
                "response_flag_filter",
                "grpc_status_filter",
                "metadata_filter",
                "log_type_filter",
            ),
            ("extension_filter",),
            "this filter does not say what fits",
        ),
    )

    status_code_filter: StatusCodeFilter | None = None
    duration_filter: DurationFilter | None = None
    not_health_check_filter: NotHealthCheckFilter | None = None
    traceable_filter: TraceableFilter | None = None
    runtime_filter: RuntimeFilter | None = None
    and_filter: AndFilter | None = None
    or_filter: OrFilter | None = None
    header_filter: HeaderFilter | None = None
    response_flag_filter: ResponseFlagFilter | None = None
    grpc_status_filter: GrpcStatusFilter | None = None
    metadata_filter: MetadataFilter | None = None
    log_type_filter: LogTypeFilter | None = None


# They speak of a class that comes after them.
AndFilter.model_rebuild()
OrFilter.model_rebuild()
