"""What access logs say of their formats and filters."""

import pytest

from shifter.config import Judge, load
from shifter.model.http_connection_manager import FileAccessLog
from shifter.model.logfilter import AndFilter, Comparison, LogTypeFilter, MetadataFilter, NotHealthCheckFilter, StatusCodeFilter
from shifter.model.route import MetadataMatcher, Presence
from shifter.service.judging import format_problem
from tests.support.configs import FILE_LOG_TYPE, NAME, marked, with_manager

JUDGE = Judge(files=lambda name: name.encode(), format_problem=format_problem, template_problem=format_problem)
MATCHER = MetadataMatcher("ns", ("a",), Presence(True))


def written(fields: str, more: str = "") -> str:
    return with_manager(f'access_log: [{{name: a, {more}typed_config: {{"@type": {FILE_LOG_TYPE}, path: a.log, {fields}}}}}]')


def built(fields: str, more: str = "") -> FileAccessLog:
    loaded = load(written(fields, more), NAME, JUDGE)
    assert loaded.bootstrap is not None, loaded.problems
    [made] = loaded.bootstrap.listeners[0].filter_chains[0].filter.access_log
    return made


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("format: a", FileAccessLog("a.log", "a")),
        ("log_format: {text_format: a}", FileAccessLog("a.log", "a")),
        ("log_format: {text_format_source: {filename: f}, omit_empty_values: true}", FileAccessLog("a.log", "f", omit_empty_values=True)),
        ("json_format: {a: b}", FileAccessLog("a.log", json={"a": "b"})),
        ("typed_json_format: {a: [b, {c: 1}]}", FileAccessLog("a.log", json={"a": ["b", {"c": 1}]})),
        (
            "log_format: {json_format: {a: '%PROTOCOL%'}, json_format_options: {sort_properties: false}, content_type: a/b}",
            FileAccessLog("a.log", json={"a": "%PROTOCOL%"}),
        ),
    ],
)
def test_formats(fields: str, expected: FileAccessLog) -> None:
    assert built(fields) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("status_code_filter: {comparison: {op: GE, value: {default_value: 500}}}", StatusCodeFilter(Comparison.GE, 500)),
        ("metadata_filter: {match_if_key_not_found: false}", MetadataFilter(None, False)),
        (
            "metadata_filter: {matcher: {filter: ns, path: [{key: a}], value: {present_match: true}}}",
            MetadataFilter(MATCHER),
        ),
        ("log_type_filter: {types: [DownstreamEnd, NotSet]}", LogTypeFilter(frozenset({"DownstreamEnd", "NotSet"}))),
        (
            "and_filter: {filters: [{not_health_check_filter: {}}, {log_type_filter: {exclude: true}}]}",
            AndFilter((NotHealthCheckFilter(), LogTypeFilter(frozenset(), exclude=True))),
        ),
    ],
)
def test_filters(said: str, expected: object) -> None:
    assert built("format: a", f"filter: {{{said}}}, ").filter == expected


@pytest.mark.parametrize(
    ("fields", "more", "message"),
    [
        ("format: «'%NOPE%'»", "", "this format cannot be used"),
        ("json_format: {a: {b: [c, «'%NOPE%'»]}}", "", "this format cannot be used"),
        ("log_format: {json_format: {a: «'100%'»}}", "", "this format cannot be used"),
        ("format: a, «json_format»: {}", "", "`json_format` cannot stand beside `format`"),
        ("log_format: «{»omit_empty_values: true}", "", "this names no format"),
        ("format: a", "filter: {«extension_filter»: {}}, ", "Envoy knows `extension_filter`"),
    ],
)
def test_errors(fields: str, more: str, message: str) -> None:
    planted = marked(written(fields, more))
    [problem] = load(planted.text, NAME, JUDGE).problems
    assert message in problem.message
    assert problem.place == planted.place


@pytest.mark.parametrize("said", ["flush_access_log_on_new_request: true", "access_log_options: {flush_access_log_on_new_request: true}"])
def test_requests_that_begin(said: str) -> None:
    for text, expected in ((with_manager(said), True), (with_manager("access_log_options: {}"), False)):
        loaded = load(text, NAME, JUDGE)
        assert loaded.bootstrap is not None, loaded.problems
        assert loaded.bootstrap.listeners[0].filter_chains[0].filter.flush_access_log_on_new_request is expected  # type: ignore[union-attr]  # HTTP
