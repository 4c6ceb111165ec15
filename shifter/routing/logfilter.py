"""Which exchanges an access log, or a mapper of local replies, is about (``accesslog.v3.AccessLogFilter``), compiled into functions.

Rule 1. A filter looks at what the entry says of the answer, and at the fields of the request.
Rule 2. A runtime key says another number only while there is one under it.
Rule 3. A share of requests is drawn by their ids, as in Envoy: a request that one hop logs is logged by all that are asked for the same
        share. Without an id chance decides.
"""

from collections.abc import Callable

from shifter.model.logfilter import (
    AndFilter,
    Comparison,
    DurationFilter,
    GrpcStatusFilter,
    HeaderFilter,
    LogFilter,
    LogTypeFilter,
    MetadataFilter,
    NotHealthCheckFilter,
    OrFilter,
    ResponseFlagFilter,
    RuntimeFilter,
    StatusCodeFilter,
    TraceableFilter,
)
from shifter.observe.logformat import LogEntry
from shifter.observe.operands import grpc_status
from shifter.observe.tracing import Reason, number_of
from shifter.routing.match_header import compile_header
from shifter.routing.metadata import MISSING, compile_value, metadata_value
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, first_value

Test = Callable[[LogEntry, RequestHead], bool]

_UNKNOWN = 2
_COMPARE: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: int.__eq__,
    Comparison.GE: int.__ge__,
    Comparison.LE: int.__le__,
    Comparison.NE: int.__ne__,
}


def compile_filter(log_filter: LogFilter, runtime: Runtime, random: Callable[[], int], log_type: str = "NotSet") -> Test:
    """Return a function that says whether an exchange fits *log_filter*; *random* returns 63 random bits, *log_type* is what
    ``%ACCESS_LOG_TYPE%`` says of the line.

    Raises `RoutingError` for a bad regex.
    """
    match log_filter:
        case StatusCodeFilter(op, value, key):
            return _comparing(op, value, key, runtime, lambda entry: entry.status)
        case DurationFilter(op, value, key):
            return _comparing(op, value, key, runtime, lambda entry: entry.duration_ms)
        case NotHealthCheckFilter():
            return lambda entry, head: not entry.details.startswith("health_check_")
        case TraceableFilter():
            return lambda entry, head: entry.trace is not None and entry.trace.reason is Reason.SERVICE_FORCED
        case RuntimeFilter(fraction, independent):
            return lambda entry, head: runtime.holds(fraction, random() if independent else _number_of(entry, random))
        case HeaderFilter(header):
            fits = compile_header(header)
            return lambda entry, head: fits(head)
        case ResponseFlagFilter(flags):
            wanted = {flag.encode() for flag in flags}
            return lambda entry, head: not wanted.isdisjoint(entry.flags.split(b",")) if wanted else bool(entry.flags)
        case GrpcStatusFilter(statuses, exclude):
            return lambda entry, head: (_grpc_status(entry) in statuses) is not exclude
        case MetadataFilter():
            return _metadata(log_filter)
        case LogTypeFilter(types, exclude):
            fitting = (log_type in types) is not exclude
            return lambda entry, head: fitting
        case AndFilter(filters):
            all_of = [compile_filter(one, runtime, random, log_type) for one in filters]
            return lambda entry, head: all(test(entry, head) for test in all_of)
        case OrFilter(filters):
            any_of = [compile_filter(one, runtime, random, log_type) for one in filters]
            return lambda entry, head: any(test(entry, head) for test in any_of)


def asks_for_more(log_filter: LogFilter) -> bool:
    """Whether *log_filter* looks at what costs something to find out (as `operators.asks_for_more` says of formats)."""
    match log_filter:
        case AndFilter(filters) | OrFilter(filters):
            return any(map(asks_for_more, filters))
        case _:
            return isinstance(log_filter, GrpcStatusFilter | MetadataFilter | TraceableFilter)


def head_of(entry: LogEntry) -> RequestHead:
    """Return the request that *entry* tells about, as far as a filter looks at it."""
    head = RequestHead(entry.method, entry.path, entry.authority, entry.request_block, scheme=entry.scheme)
    head.original_path = entry.original_path
    return head


def _comparing(op: Comparison, value: int, key: str, runtime: Runtime, of: Callable[[LogEntry], int]) -> Test:
    fits = _COMPARE[op]
    return lambda entry, head: fits(of(entry), runtime.integer(key, value))


def _grpc_status(entry: LogEntry) -> int:
    number = grpc_status(entry)
    return _UNKNOWN if number is None else number


def _number_of(entry: LogEntry, random: Callable[[], int]) -> int:
    """Return the number that the request's id stands for, or a random one."""
    number = number_of(first_value(entry.request_block, b"x-request-id") or b"")
    return random() if number is None else number


def _metadata(log_filter: MetadataFilter) -> Test:
    matcher, otherwise = log_filter.matcher, log_filter.match_if_key_not_found
    if matcher is None:
        return lambda entry, head: otherwise
    name, path = matcher.filter, matcher.path
    test = compile_value(matcher.value)

    def fits(entry: LogEntry, head: RequestHead) -> bool:
        value = metadata_value(entry.metadata, name, path)
        return otherwise if value is MISSING else test(value)

    return fits
