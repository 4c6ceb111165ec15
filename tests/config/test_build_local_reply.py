"""What becomes of local replies arrives in the model, field by field."""

import pytest

from shifter.config import Judge, load
from shifter.model.format import SubstitutionFormat
from shifter.model.http_connection_manager import LocalReplyConfig, ResponseMapper
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
from shifter.model.route import FractionalPercent, HeaderMatcher, HeaderValueOption, RuntimeFraction
from tests.support.configs import NAME, with_manager


def replies(written: str) -> LocalReplyConfig | None:
    loaded = load(with_manager(f"local_reply_config: {{{written}}}"), NAME, Judge(files=lambda name: name.encode()))
    assert loaded.bootstrap is not None, loaded.problems
    return next(loaded.bootstrap.listeners[0].managers).local_reply


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("status_code_filter: {comparison: {value: {}}}", StatusCodeFilter(Comparison.EQ, 0)),
        (
            "status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: a}}}",
            StatusCodeFilter(Comparison.GE, 400, "a"),
        ),
        ("duration_filter: {comparison: {op: LE, value: {default_value: 5}}}", DurationFilter(Comparison.LE, 5)),
        ("not_health_check_filter: {}", NotHealthCheckFilter()),
        ("traceable_filter: {}", TraceableFilter()),
        ("runtime_filter: {runtime_key: a}", RuntimeFilter(RuntimeFraction(FractionalPercent(0), "a"))),
        (
            "runtime_filter: {runtime_key: a, percent_sampled: {numerator: 5, denominator: MILLION}, use_independent_randomness: true}",
            RuntimeFilter(RuntimeFraction(FractionalPercent(5, 1_000_000), "a"), use_independent_randomness=True),
        ),
        ("header_filter: {header: {name: X-A}}", HeaderFilter(HeaderMatcher(b"x-a", present=True))),
        ("response_flag_filter: {}", ResponseFlagFilter(frozenset())),
        ("response_flag_filter: {flags: [UH, NR]}", ResponseFlagFilter(frozenset(("UH", "NR")))),
        (
            "grpc_status_filter: {statuses: [OK, canceled, UNAUTHENTICATED], exclude: true}",
            GrpcStatusFilter(frozenset((0, 1, 16)), exclude=True),
        ),
        (
            "and_filter: {filters: [{traceable_filter: {}}, "
            "{or_filter: {filters: [{traceable_filter: {}}, {not_health_check_filter: {}}]}}]}",
            AndFilter((TraceableFilter(), OrFilter((TraceableFilter(), NotHealthCheckFilter())))),
        ),
    ],
)
def test_filters(written: str, expected: LogFilter) -> None:
    assert replies(f"mappers: [{{filter: {{{written}}}}}]") == LocalReplyConfig((ResponseMapper(expected),))


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("status_code: 500", {"status_code": 500}),
        ("body: {inline_string: a}", {"body": b"a"}),
        ("body: {inline_string: ''}", {"body": b""}),
        ("body: {filename: f.txt}", {"body": b"f.txt"}),
        ("body_format_override: {text_format: a}", {"body_format": SubstitutionFormat("a")}),
        ("body_format_override: {text_format_source: {filename: f.txt}}", {"body_format": SubstitutionFormat("f.txt")}),
        ("headers_to_add: [{header: {key: X-A, value: '%PROTOCOL%'}}]", {"headers": (HeaderValueOption(b"x-a", b"%PROTOCOL%"),)}),
    ],
)
def test_mappers(written: str, fields: dict[str, object]) -> None:
    expected = ResponseMapper(TraceableFilter(), **fields)  # type: ignore[arg-type]  # names and types are the table's
    assert replies(f"mappers: [{{filter: {{traceable_filter: {{}}}}, {written}}}]") == LocalReplyConfig((expected,))


def test_without_mappers() -> None:
    assert replies("") == LocalReplyConfig()
    assert replies("body_format: {json_format: {a: 1}}") == LocalReplyConfig(body_format=SubstitutionFormat(json={"a": 1}))
