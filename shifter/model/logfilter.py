"""Which exchanges an access log, or a mapper of local replies, is about (``accesslog.v3.AccessLogFilter``)."""

from dataclasses import dataclass
from enum import Enum

from shifter.model.route import HeaderMatcher, MetadataMatcher, RuntimeFraction


class Comparison(Enum):
    """``ComparisonFilter.Op``."""

    EQ = "EQ"
    GE = "GE"
    LE = "LE"
    NE = "NE"


@dataclass(frozen=True, slots=True)
class StatusCodeFilter:
    """``StatusCodeFilter``: the status of the answer; runtime may say another ``value`` under ``runtime_key``."""

    op: Comparison
    value: int
    runtime_key: str = ""


@dataclass(frozen=True, slots=True)
class DurationFilter:
    """``DurationFilter``: how long the exchange took, in milliseconds."""

    op: Comparison
    value: int
    runtime_key: str = ""


@dataclass(frozen=True, slots=True)
class NotHealthCheckFilter:
    """``NotHealthCheckFilter``: the request was not answered by the health check filter."""


@dataclass(frozen=True, slots=True)
class TraceableFilter:
    """``TraceableFilter``: the request is traced because an internal caller asked for it (``x-envoy-force-trace``)."""


@dataclass(frozen=True, slots=True)
class RuntimeFilter:
    """``RuntimeFilter``: this share of requests, by their ids, so that every hop that uses the same id takes the same ones."""

    fraction: RuntimeFraction
    use_independent_randomness: bool = False


@dataclass(frozen=True, slots=True)
class HeaderFilter:
    """``HeaderFilter``: a request header fits."""

    header: HeaderMatcher


@dataclass(frozen=True, slots=True)
class ResponseFlagFilter:
    """``ResponseFlagFilter``: one of these flags is set, or any when there are none here."""

    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class GrpcStatusFilter:
    """``GrpcStatusFilter``: the gRPC status is one of these numbers; none of them with ``exclude``."""

    statuses: frozenset[int]
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """``MetadataFilter``: what filters left fits ``matcher``. Where nothing is left under its path, ``match_if_key_not_found`` decides;
    without a matcher it alone does."""

    matcher: MetadataMatcher | None = None
    match_if_key_not_found: bool = True


@dataclass(frozen=True, slots=True)
class LogTypeFilter:
    """``LogTypeFilter``: the line is of one of these types (``%ACCESS_LOG_TYPE%``); of none of them with ``exclude``."""

    types: frozenset[str]
    exclude: bool = False


@dataclass(frozen=True, slots=True)
class AndFilter:
    """``AndFilter``: all fit."""

    filters: tuple["LogFilter", ...]


@dataclass(frozen=True, slots=True)
class OrFilter:
    """``OrFilter``: one fits."""

    filters: tuple["LogFilter", ...]


LogFilter = (
    StatusCodeFilter
    | DurationFilter
    | NotHealthCheckFilter
    | TraceableFilter
    | RuntimeFilter
    | HeaderFilter
    | ResponseFlagFilter
    | GrpcStatusFilter
    | MetadataFilter
    | LogTypeFilter
    | AndFilter
    | OrFilter
)
