"""Filters of local replies look at the answer and at the request."""

import pytest

from shifter.model.bootstrap import RuntimeLayer
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
from shifter.model.route import FractionalPercent, HeaderMatcher, RuntimeFraction, StringMatcher, StringMatchKind
from shifter.observe.logformat import LogEntry
from shifter.routing.logfilter import compile_filter
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead

RUNTIME = Runtime([RuntimeLayer("one", {"least": 500, "share": 10})])
MAPPED = HeaderFilter(HeaderMatcher(b"x-map", StringMatcher(StringMatchKind.EXACT, b"yes")))
OTHER = HeaderFilter(HeaderMatcher(b"x-other", present=True))


def fits(log_filter: LogFilter, status: int = 404, flags: bytes = b"", random: int = 0, **attributes: object) -> bool:
    entry = LogEntry(0.0, b"GET", b"/", b"h")
    entry.status = status
    entry.flags = flags
    entry.duration_ms = 20
    for name, value in attributes.items():
        setattr(entry, name, value)
    head = RequestHead(b"GET", b"/", b"h", b"\r\nx-map: yes")
    entry.request_block = b"\r\nx-request-id: %08x-4f2e" % random if random >= 0 else b"\r\nx-request-id: no"
    return compile_filter(log_filter, RUNTIME, lambda: 99)(entry, head)


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        (Comparison.EQ, 404, True),
        (Comparison.EQ, 403, False),
        (Comparison.GE, 404, True),
        (Comparison.GE, 405, False),
        (Comparison.LE, 404, True),
        (Comparison.LE, 403, False),
        (Comparison.NE, 403, True),
        (Comparison.NE, 404, False),
    ],
)
def test_status(op: Comparison, value: int, expected: bool) -> None:
    assert fits(StatusCodeFilter(op, value)) is expected
    assert fits(DurationFilter(op, value), duration_ms=404) is expected


def test_runtime_says_another_number() -> None:
    assert not fits(StatusCodeFilter(Comparison.GE, 404, "least"))
    assert fits(StatusCodeFilter(Comparison.GE, 404, "least"), status=500)
    assert fits(StatusCodeFilter(Comparison.GE, 404, "none"))


def test_shares() -> None:
    tenth = RuntimeFilter(RuntimeFraction(FractionalPercent(100), "share"))
    assert [fits(tenth, random=number) for number in (0, 9, 110, 99, -1)] == [True, True, False, False, False]
    assert not fits(RuntimeFilter(RuntimeFraction(FractionalPercent(99)), use_independent_randomness=True))
    assert fits(RuntimeFilter(RuntimeFraction(FractionalPercent(100)), use_independent_randomness=True))


def test_flags() -> None:
    assert fits(ResponseFlagFilter(frozenset({"NR", "UF"})), flags=b"UF,URX")
    assert not fits(ResponseFlagFilter(frozenset({"NR"})), flags=b"UF")
    assert not fits(ResponseFlagFilter(frozenset({"NR"})))
    assert fits(ResponseFlagFilter(frozenset()), flags=b"UF")
    assert not fits(ResponseFlagFilter(frozenset()))


def test_grpc_status_is_that_of_the_answer_or_of_its_status() -> None:
    unimplemented = frozenset({12})
    assert fits(GrpcStatusFilter(unimplemented))
    assert not fits(GrpcStatusFilter(unimplemented, exclude=True))
    assert not fits(GrpcStatusFilter(unimplemented), response_block=b"\r\ngrpc-status: 5")
    assert fits(GrpcStatusFilter(frozenset({2})), status=0)


def test_all_and_any() -> None:
    assert fits(MAPPED)
    assert not fits(OTHER)
    assert not fits(AndFilter((MAPPED, OTHER)))
    assert fits(OrFilter((OTHER, MAPPED)))
    assert fits(AndFilter((MAPPED, OrFilter((OTHER, StatusCodeFilter(Comparison.EQ, 404))))))


def test_health_checks_and_traces() -> None:
    assert fits(NotHealthCheckFilter())
    assert not fits(NotHealthCheckFilter(), details="health_check_ok")
    assert not fits(TraceableFilter())
