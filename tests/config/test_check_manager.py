"""What is told about connection managers, their routes aside."""

import pytest

from shifter.config import Judge, Problem, load
from tests.support.configs import NAME, marked, with_manager


def only(fields: str, judge: Judge | None = None) -> Problem:
    planted = marked(with_manager(fields))
    [problem] = load(planted.text, NAME, judge).problems
    assert problem.place == planted.place
    return problem


def cidr(written: str) -> str:
    return f"internal_address_config: {{cidr_ranges: [{{{written}}}]}}"


def mapper(written: str) -> str:
    return f"local_reply_config: {{mappers: [{{{written}}}]}}"


def fits(written: str) -> str:
    return mapper(f"filter: {{{written}}}")


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        (
            "strip_matching_host_port: true\n«strip_any_host_port»: true",
            "`strip_any_host_port` cannot stand beside `strip_matching_host_port`",
            "one is enough",
        ),
        ("server_header_transformation: «APPEND»", "`APPEND` is none of the values of `server_header_transformation`", "APPEND_IF_ABSENT"),
        ("upgrade_configs: [{upgrade_type: a}, {upgrade_type: «A»}]", "the upgrade `A` is given twice", "first given at line 15"),
        ("upgrade_configs: [{upgrade_type: a, «filters»: [{name: b}]}]", "Envoy knows `filters`, shifter does not support it yet", ""),
        ("«append_local_overload»: true", "Envoy knows `append_local_overload`, shifter does not support it yet", ""),
        (cidr("address_prefix: «localhost», prefix_len: 8"), "`localhost` is no IP address", "write address_prefix: 10.0.0.0"),
        (cidr("address_prefix: 10.0.0.0, prefix_len: «33»"), "an IPv4 address has 32 bits, not 33", ""),
        (cidr("address_prefix: '::1', prefix_len: «129»"), "`prefix_len` is at most 128, not `129`", ""),
        ("internal_address_config: {cidr_ranges: [«{»prefix_len: 8}]}", "`address_prefix` is missing", ""),
        ("local_reply_config: {mappers: [«{»status_code: 500}]}", "`filter` is missing", ""),
        (mapper("filter: {traceable_filter: {}}, status_code: «199»"), "`status_code` is at least 200, not `199`", ""),
        ("local_reply_config: {mappers: [{filter: «{»}}]}", "this filter does not say what fits", "give one of `status_code_filter`"),
        (fits("«status_code_filter»: {}"), "`comparison` is missing in `status_code_filter`", ""),
        (fits("status_code_filter: {comparison: {op: «GT», value: {}}}"), "`GT` is none of the values of `op`", "known: EQ, GE, LE, NE"),
        (fits("and_filter: {«filters»: [{traceable_filter: {}}]}"), "`filters` wants 2 items or more, and has 1", ""),
        (fits("response_flag_filter: {flags: [«uh»]}"), "`uh` is no response flag", "known: LH UH"),
        (
            fits("grpc_status_filter: {statuses: [«CANCELLED»]}"),
            "`CANCELLED` is none of the values of `statuses`",
            "did you mean `CANCELED`?",
        ),
        (fits("«extension_filter»: {}"), "Envoy knows `extension_filter`, shifter does not support it yet", ""),
        (fits("log_type_filter: {types: [«DownstreamEnds»]}"), "`DownstreamEnds` is none of the values of `types`", "DownstreamEnd"),
        (fits("traceable_filter: {}, «runtime_filter»: {runtime_key: a}"), "`runtime_filter` cannot stand beside `traceable_filter`", ""),
    ],
)
def test_errors(fields: str, message: str, hint: str) -> None:
    problem = only(fields)
    assert problem.level == "error" and problem.message.startswith(message) and hint in problem.hint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (cidr("address_prefix: «10.0.0.0»"), "this means every IPv4 address: its `prefix_len` is 0"),
        (cidr("address_prefix: «'::'», prefix_len: 0"), "this means every IPv6 address: its `prefix_len` is 0"),
        (
            fits("or_filter: {filters: [{traceable_filter: {}}, {runtime_filter: {runtime_key: a, percent_sampled: {numerator: «101»}}}]}"),
            "a share of 101 in 100 is more than all: it means always",
        ),
        (
            fits("header_filter: {header: {name: a, «range_match»: {start: 5}}}"),
            "this range is empty: `end` is the first number that is too large",
        ),
        ("«stream_error_on_invalid_http_message»: true", "`stream_error_on_invalid_http_message` has no effect"),
        (
            "http_protocol_options: {«override_stream_error_on_invalid_http_message»: true}",
            "`override_stream_error_on_invalid_http_message` has no effect",
        ),
    ],
)
def test_warnings(fields: str, message: str) -> None:
    problem = only(fields)
    assert (problem.level, problem.message) == ("warning", message)


@pytest.mark.parametrize(
    "fields",
    [
        "local_reply_config: {body_format: {text_format: «'%A%'»}}",
        mapper("filter: {traceable_filter: {}}, body_format_override: {json_format: {a: «'%A%'»}}"),
        mapper("filter: {traceable_filter: {}}, headers_to_add: [{header: {key: a, value: «'%A%'»}}]"),
    ],
)
def test_formats_are_judged(fields: str) -> None:
    problem = only(fields, Judge(template_problem=lambda template: f"what is {template}"))
    assert problem.message == "this format cannot be used: what is %A%"


def test_patterns_are_judged() -> None:
    written = (
        "and_filter: {filters: [{traceable_filter: {}}, {header_filter: {header: {name: a, string_match: {safe_regex: {regex: «'('»}}}}}]}"
    )
    problem = only(fits(written), Judge(regex_problem=lambda pattern: "missing )"))
    assert problem.message == "this regular expression cannot be used: missing )"


def test_bodies_are_read() -> None:
    fields = mapper("filter: {traceable_filter: {}}, body: {filename: «f.txt»}")
    assert only(fields).message == "files cannot be read here"
    assert load(marked(with_manager(fields)).text, NAME, Judge(files=lambda name: b"a" * 100_000)).problems == []
