"""Which exchanges a mapper of local replies is about (``accesslog.v3.AccessLogFilter``), compiled into functions.

Rule 1. A filter looks at what the entry says of the answer, and at the fields of the request.
Rule 2. A runtime key says another number only while there is one under it.
"""

from collections.abc import Callable

from shifter.model.logfilter import (
    AndFilter,
    Comparison,
    DurationFilter,
    GrpcStatusFilter,
    HeaderFilter,
    LogFilter,
    NotHealthCheckFilter,
    OrFilter,
    ResponseFlagFilter,
    RuntimeFilter,
    StatusCodeFilter,
    TraceableFilter,
)
from shifter.observe.logformat import LogEntry
from shifter.observe.operands import grpc_status
from shifter.routing.match_header import compile_header
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead

Test = Callable[[LogEntry, RequestHead], bool]

_UNKNOWN = 2
_COMPARE: dict[Comparison, Callable[[int, int], bool]] = {
    Comparison.EQ: int.__eq__,
    Comparison.GE: int.__ge__,
    Comparison.LE: int.__le__,
    Comparison.NE: int.__ne__,
}


def compile_filter(log_filter: LogFilter, runtime: Runtime, random: Callable[[], int]) -> Test:
    """Return a function that says whether an exchange fits *log_filter*; *random* returns 63 random bits.

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
            return lambda entry, head: False
        case RuntimeFilter(fraction, independent):
            return lambda entry, head: runtime.holds(fraction, random() if independent else head.random)
        case HeaderFilter(header):
            fits = compile_header(header)
            return lambda entry, head: fits(head)
        case ResponseFlagFilter(flags):
            wanted = {flag.encode() for flag in flags}
            return lambda entry, head: not wanted.isdisjoint(entry.flags.split(b",")) if wanted else bool(entry.flags)
        case GrpcStatusFilter(statuses, exclude):
            return lambda entry, head: (_grpc_status(entry) in statuses) is not exclude
        case AndFilter(filters):
            all_of = [compile_filter(one, runtime, random) for one in filters]
            return lambda entry, head: all(test(entry, head) for test in all_of)
        case OrFilter(filters):
            any_of = [compile_filter(one, runtime, random) for one in filters]
            return lambda entry, head: any(test(entry, head) for test in any_of)


def _comparing(op: Comparison, value: int, key: str, runtime: Runtime, of: Callable[[LogEntry], int]) -> Test:
    fits = _COMPARE[op]
    return lambda entry, head: fits(of(entry), runtime.integer(key, value))


def _grpc_status(entry: LogEntry) -> int:
    number = grpc_status(entry)
    return _UNKNOWN if number is None else number
