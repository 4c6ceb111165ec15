"""What is told about conditions of routes."""

import pytest

from shifter.config import Judge, Problem, load
from tests.support.configs import NAME, marked, with_route

TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
EMPTY = "this range is empty: `end` is the first number that is too large"
NO_CERTIFICATE = "this never matches: no client comes by TLS, so none has a certificate"


def metadata(value: str) -> str:
    return f"prefix: /, dynamic_metadata: [{{filter: f, path: [{{key: a}}], value: {{{value}}}}}]"


def only(text: str, judge: Judge | None = None) -> Problem:
    planted = marked(text)
    [problem] = load(planted.text, NAME, judge).problems
    assert problem.place == planted.place
    return problem


@pytest.mark.parametrize(
    ("match", "message", "hint"),
    [
        ("path_separated_prefix: «/a/»", "`path_separated_prefix` must not end with a slash: one follows it in every path", "write /a"),
        ("path_separated_prefix: «/»", "`path_separated_prefix` must not end with a slash", "write prefix: / for all paths"),
        ("path_separated_prefix: «'/a?b'»", "`path_separated_prefix` cannot have a query or a fragment", ""),
        ("path_separated_prefix: «''»", "`path_separated_prefix` must not be empty", ""),
        ("«path_separated_prefix»: [/a]", "`path_separated_prefix` wants a text, not a list", ""),
        ("prefix: /, «connect_matcher»: {}", "`connect_matcher` cannot stand beside `prefix`", "give one of `prefix`, `path`"),
        ("prefix: /, grpc: {«status»: 0}", "unknown field `status`", ""),
        ("prefix: /, query_parameters: [{name: «''»}]", "`name` must not be empty", ""),
        (f"prefix: /, query_parameters: [{{name: «{'a' * 1025}»}}]", "`name` is longer than 1024 bytes", ""),
        (
            "prefix: /, query_parameters: [{name: a, present_match: true, «string_match»: {exact: b}}]",
            "`string_match` cannot stand beside `present_match`",
            "",
        ),
        ("prefix: /, cookies: [«{»name: a}]", "`string_match` is missing", ""),
        ("prefix: /, cookies: [{name: a, «value»: b, string_match: {exact: b}}]", "unknown field `value`", ""),
        ("prefix: /, «runtime_fraction»: {runtime_key: a}", "`default_value` is missing", ""),
        ("prefix: /, «runtime_fraction»: {}", "`default_value` is missing in `runtime_fraction`", ""),
        (
            "prefix: /, runtime_fraction: {default_value: {numerator: 1, denominator: «THOUSAND»}}",
            "`THOUSAND` is none of the values of `denominator`",
            "did you mean `TEN_THOUSAND`?",
        ),
        ("prefix: /, runtime_fraction: {default_value: {numerator: «5%»}}", "a whole number is wanted here, not `5%`", ""),
        (metadata("«bool_mach»: true"), "unknown field `bool_mach`", "did you mean `bool_match`?"),
        (metadata("bool_match: true, «null_match»: {}"), "`null_match` cannot stand beside `bool_match`", ""),
        (metadata("double_match: {exact: «five»}"), "a number is wanted here, not `five`", ""),
        (metadata("or_match: {«value_matchers»: [{null_match: {}}]}"), "`value_matchers` wants 2 items or more, and has 1", ""),
        (metadata("list_match: {«one_off»: {null_match: {}}}"), "unknown field `one_off`", "did you mean `one_of`?"),
        ("prefix: /, dynamic_metadata: [{filter: f, «path»: [], value: {null_match: {}}}]", "`path` must not be empty", ""),
        ("prefix: /, tls_context: {presented: «maybe»}", "true or false is wanted here, not `maybe`", ""),
        ("prefix: /, «filter_state»: [{key: a}]", "Envoy knows `filter_state`, shifter does not support it yet", ""),
        (
            f'path_match_policy: {{name: a, typed_config: {{"@type": {TEMPLATE}, path_template: «/{"a" * 256}»}}}}',
            "this template is longer than 256 characters",
            "",
        ),
        (
            'path_match_policy: {name: a, typed_config: {"@type": «x/envoy.extensions.path.match.uri_template.v3.UriTemplateMatch»}}',
            '`envoy.extensions.path.match.uri_template.v3.UriTemplateMatch` is no "@type" that is known here',
            "did you mean envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig?",
        ),
    ],
)
def test_errors(match: str, message: str, hint: str) -> None:
    problem = only(with_route(match))
    assert problem.level == "error" and problem.message.startswith(message) and hint in problem.hint


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("path_separated_prefix: «a»", "`path_separated_prefix` must not end"),
        ("path_separated_prefix: «ab»", "no path begins with `ab`: every path begins with a slash"),
        ("prefix: /, runtime_fraction: {default_value: {numerator: «101»}}", "a share of 101 in 100 is more than all: it means always"),
        (
            "prefix: /, runtime_fraction: {default_value: {numerator: «10001», denominator: ten_thousand}}",
            "a share of 10001 in 10000 is more than all: it means always",
        ),
        ("prefix: /, «runtime_fraction»: {default_value: {}}", "this never matches: its share is 0"),
        ("prefix: /, headers: [{name: a, «range_match»: {}}]", EMPTY),
        (metadata("double_match: {«range»: {start: 2.5, end: 2.5}}"), EMPTY),
        (metadata("or_match: {value_matchers: [{null_match: {}}, {list_match: {one_of: {double_match: {«range»: {start: 2}}}}}]}"), EMPTY),
        ("prefix: /, tls_context: {«presented»: true}", NO_CERTIFICATE),
        ("prefix: /, tls_context: {«validated»: true, presented: false}", NO_CERTIFICATE),
    ],
)
def test_what_nobody_can_have_meant(match: str, message: str) -> None:
    assert only(with_route(match)).message.startswith(message)


@pytest.mark.parametrize(
    "match",
    [
        "path_separated_prefix: /a",
        "prefix: /, runtime_fraction: {default_value: {}, runtime_key: a}",
        "prefix: /, runtime_fraction: {default_value: {numerator: 100}}",
        "prefix: /, tls_context: {presented: false, validated: false}",
        metadata("double_match: {range: {start: -1}}"),
    ],
)
def test_what_is_nothing_to_tell_about(match: str) -> None:
    assert load(with_route(match), NAME).problems == []


@pytest.mark.parametrize(
    "match",
    [
        "safe_regex: {regex: «'/('»}",
        "prefix: /, headers: [{name: a, string_match: {safe_regex: {regex: «'('»}}}]",
        "prefix: /, query_parameters: [{name: a, string_match: {safe_regex: {regex: «'('»}}}]",
        "prefix: /, cookies: [{name: a, string_match: {safe_regex: {regex: «'('»}}}]",
        metadata("string_match: {safe_regex: {regex: «'('»}}"),
        metadata("or_match: {value_matchers: [{null_match: {}}, {list_match: {one_of: {string_match: {safe_regex: {regex: «'('»}}}}}]}"),
    ],
)
def test_patterns_are_judged_wherever_they_stand(match: str) -> None:
    problem = only(with_route(match), Judge(regex_problem=lambda pattern: f"what is {pattern.decode()}"))
    assert problem.message.startswith("this regular expression cannot be used: what is ")


def test_templates_are_judged() -> None:
    text = with_route(f'path_match_policy: {{name: a, typed_config: {{"@type": {TEMPLATE}, path_template: «"/{{"»}}}}')
    problem = only(text, Judge(uri_template_problem=lambda template: f"what is {template.decode()}"))
    assert problem.message == "this template cannot be used: what is /{"
