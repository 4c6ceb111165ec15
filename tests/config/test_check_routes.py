"""What is told about route tables as a whole, and what routes do."""

import pytest

from shifter.config import Judge, Problem, load
from tests.support.configs import GOOD, NAME, marked, with_route

TYPES = "type.googleapis.com/envoy.extensions."
MATCH = (
    f'path_match_policy: {{name: a, typed_config: {{"@type": {TYPES}path.match.uri_template.v3.UriTemplateMatchConfig, '
    'path_template: "/a/{b}"}}'
)
REWRITE = f'name: a, typed_config: {{"@type": {TYPES}path.rewrite.uri_template.v3.UriTemplateRewriteConfig, path_template_rewrite: '
PREVIOUS = f'"@type": {TYPES}internal_redirect.previous_routes.v3.PreviousRoutesConfig'
DOMAINS = '              domains: ["*"]\n'
CONFIG = "            name: local_route\n"
NO_CLUSTER = "no cluster is named `servce1`"


def only(text: str, judge: Judge | None = None) -> Problem:
    planted = marked(text)
    [problem] = load(planted.text, NAME, judge).problems
    assert problem.place == planted.place
    return problem


def to(written: str) -> str:
    return with_route(action=f"route: {{cluster: service1, {written}}}")


def weighted(written: str) -> str:
    return with_route(action=f"route: {{weighted_clusters: {{clusters: [{{name: service1, weight: 100}}], {written}}}}}")


def entry(written: str) -> str:
    return with_route(action=f"route: {{weighted_clusters: {{clusters: [{written}]}}}}")


def forgotten(written: str) -> str:
    return with_route(action=f"route: {{weighted_clusters: {{clusters: [{{name: service1, weight: 100}}]}}, {written}}}")


def hashed(policy: str) -> str:
    clusters = "weighted_clusters: {clusters: [{name: service1, weight: 100}], use_hash_policy: true}"
    return with_route(action=f"route: {{{clusters}, hash_policy: [{policy}]}}")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (weighted("header_name: a, «use_hash_policy»: false"), "`use_hash_policy` cannot stand beside `header_name`", ""),
        (weighted("header_name: «'a b'»"), "`a b` cannot be a header name", ""),
        (entry("{name: service1, «cluster_header»: a, weight: 100}"), "`cluster_header` cannot stand beside `name`", ""),
        (entry("«{»weight: 100}"), "this entry does not say where to", "give one of `name`, `cluster_header`"),
        (entry("{name: service1, weight: 100, host_rewrite_literal: «'a b'»}"), "blanks and control characters cannot stand here", ""),
        (entry("{name: service1, weight: 100, host_rewrite_literal: «a/b»}"), "`a/b` is not a host, alone or with a port", ""),
        (to("host_rewrite_literal: «'https://a'»"), "`https://a` is not a host, alone or with a port", ""),
        (to("prefix_rewrite: «new»"), "`new` does not begin with a slash", "write /new"),
        (to("prefix_rewrite: «'/a#b'»"), "`/a#b` has a #, which cannot stand in a request", "write %23"),
        (to("prefix_rewrite: «/café»"), "`/café` has letters beyond ASCII, which cannot stand here", "write /caf%C3%A9"),
        (to("regex_rewrite: {pattern: {regex: a}, substitution: «'#'»}"), "`#` has a #, which cannot stand in a request", "write %23"),
        (with_route(action="redirect: {prefix_rewrite: «new»}"), "`new` does not begin with a slash", "write /new"),
        (with_route(action="redirect: {path_redirect: «/é»}"), "`/é` has letters beyond ASCII, which cannot stand here", "write /%C3%A9"),
        (to("max_stream_duration: {max_stream_duration: «5»}"), "the duration `5` has no unit", "write 5s"),
        (hashed("«{»terminal: true}"), "this policy does not say what to hash", "give one of `header`, `cookie`"),
        (hashed("{header: {header_name: a}, «cookie»: {name: a}}"), "`cookie` cannot stand beside `header`", ""),
        (hashed("{«filter_state»: {key: a}}"), "Envoy knows `filter_state`, shifter does not support it yet", ""),
        (hashed("{cookie: {name: «'a;b'»}}"), "`a;b` cannot be the name of a cookie", ""),
        (hashed("{cookie: {name: a, path: «'/;x'»}}"), "`/;x` cannot stand in a Set-Cookie header", ""),
        (hashed("{cookie: {name: a, ttl: «-1s»}}"), "a duration cannot be negative: `-1s`", ""),
        (to("request_mirror_policies: [«{»trace_sampled: true}]"), "this mirror does not say where to", "give one of `cluster`"),
        (to("request_mirror_policies: [{cluster: «servce1»}]"), NO_CLUSTER, "did you mean `service1`?"),
        (
            to("request_mirror_policies: [{cluster: service1, request_headers_mutations: [{remove: a}, {append: {header: {key: «A»}}}]}]"),
            "shifter does not support several steps for the header `A` here yet",
            "",
        ),
        (
            to("request_mirror_policies: [{cluster: service1, request_headers_mutations: [{«remove_on_match»: {}}]}]"),
            "Envoy knows `remove_on_match`, shifter does not support it yet",
            "",
        ),
        (GOOD.replace(DOMAINS, DOMAINS + "              request_mirror_policies: [{cluster: «servce1»}]\n"), NO_CLUSTER, ""),
        (GOOD.replace(CONFIG, CONFIG + "            request_mirror_policies: [{cluster: «servce1»}]\n"), NO_CLUSTER, ""),
        (
            to("internal_redirect_policy: {«redirect_response_codes»: [301, 302, 303, 307, 308, 301]}"),
            "`redirect_response_codes` wants 5 items or fewer, and has 6",
            "",
        ),
        (to("internal_redirect_policy: {response_headers_to_copy: [a, «A»]}"), "the header `A` is given twice", "first given at line 21"),
        (to("internal_redirect_policy: {response_headers_to_copy: [«host»]}"), "`host` belongs to the request line", ""),
        (
            to(f"internal_redirect_policy: {{predicates: [{{name: a, typed_config: {{{PREVIOUS}, «allowed_route_names»: [b]}}}}]}}"),
            "this predicate has no `allowed_route_names`",
            "",
        ),
        (to("upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: «WebSocket»}]"), "the upgrade `WebSocket` is given twice", ""),
        (to("upgrade_configs: [{upgrade_type: «''»}]"), "an empty text cannot be asked for in an `upgrade` header", "write websocket"),
        (to("host_rewrite_literal: a, «auto_host_rewrite»: true"), "`auto_host_rewrite` cannot stand beside `host_rewrite_literal`", ""),
        (
            to(f'«path_rewrite_policy»: {{{REWRITE}"/x"}}}}'),
            "`path_rewrite_policy` needs a `path_match_policy` in the match of its route",
            "",
        ),
        (
            with_route(MATCH, "route: {cluster: service1, «prefix_rewrite»: /x}"),
            "`prefix_rewrite` cannot be used with a `path_match_policy`",
            "",
        ),
        (with_route(MATCH, "redirect: {«prefix_rewrite»: /x}"), "`prefix_rewrite` cannot be used with a `path_match_policy`", ""),
        (
            with_route(action="redirect: {prefix_rewrite: /x, «regex_rewrite»: {pattern: {regex: a}}}"),
            "`regex_rewrite` cannot stand beside `prefix_rewrite`",
            "",
        ),
        (
            with_route(action="direct_response: {status: 200, body_format: «{»content_type: a}}"),
            "this names no format",
            "give one of `text_format`",
        ),
        (
            with_route(action="direct_response: {status: 200, body_format: {«json_format»: []}}"),
            "a mapping is wanted here, not a list",
            "",
        ),
        (
            with_route(action="direct_response: {status: 200, body: {inline_bytes: «" + "YWFh" * 2000 + "»}}"),
            "this body has 6000 bytes",
            "",
        ),
        (
            with_route(action="direct_response: {status: 200}, metadata: {filter_metadata: {a: «5»}}"),
            "a mapping is wanted here, not `5`",
            "",
        ),
        (
            with_route(action="direct_response: {status: 200}, metadata: {filter_metadata: {«''»: {}}}"),
            "a name in `filter_metadata` must not be empty",
            "",
        ),
        (
            GOOD.replace(DOMAINS, DOMAINS + "              require_tls: «ALWAYS»\n"),
            "`ALWAYS` is none of the values of `require_tls`",
            "ALL",
        ),
        (GOOD.replace(DOMAINS, DOMAINS + "              virtual_clusters: [«{»name: a}]\n"), "`headers` is missing", ""),
        (GOOD.replace(CONFIG, CONFIG + "            internal_only_headers: [«a b»]\n"), "`a b` cannot be a header name", ""),
    ],
)
def test_errors(text: str, message: str, hint: str) -> None:
    problem = only(text)
    assert problem.level == "error" and problem.message.startswith(message) and hint in problem.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (forgotten("«hash_policy»: [{cookie: {name: a, ttl: 0s}}]"), "`hash_policy` has no effect here", "write `use_hash_policy: true`"),
        (weighted("«use_hash_policy»: true"), "`use_hash_policy` has no effect", "entries are chosen by chance"),
        (
            to("internal_redirect_policy: {redirect_response_codes: [302, «304»]}"),
            "304 is no redirect that can be followed",
            "known: 301, 302, 303, 307, 308",
        ),
        (
            to("request_mirror_policies: [{cluster: service1, runtime_fraction: {default_value: {numerator: «200»}}}]"),
            "a share of 200 in 100 is more than all: it means always",
            "",
        ),
        (
            GOOD.replace(CONFIG, "            validate_clusters: false\n            request_mirror_policies: [{cluster: «servce1»}]\n"),
            "no cluster is named `servce1`, so nothing is mirrored",
            "did you mean `service1`?",
        ),
        (
            with_route(action="route: {«weighted_clusters»: {clusters: [{cluster_header: x-to, weight: 1}, {name: service1, weight: 1}]}}"),
            "the weights add up to 2, not to 100",
            "shares: x-to 50.0%, service1 50.0%",
        ),
    ],
)
def test_warnings(text: str, message: str, hint: str) -> None:
    problem = only(text)
    assert problem.level == "warning" and problem.message == message and hint in problem.hint


FORMATS = [
    GOOD.replace(CONFIG, CONFIG + "            request_headers_to_add: [{header: {key: a, value: «'%A%'»}}]\n"),
    GOOD.replace(DOMAINS, DOMAINS + "              response_headers_to_add: [{header: {key: a, value: «'%A%'»}}]\n"),
    with_route(action="direct_response: {status: 200}, response_headers_to_add: [{header: {key: a, value: «'%A%'»}}]"),
    entry("{name: service1, weight: 100, request_headers_to_add: [{header: {key: a, value: «'%A%'»}}]}"),
    to("request_mirror_policies: [{cluster: service1, request_headers_mutations: [{append: {header: {key: a, value: «'%A%'»}}}]}]"),
    with_route(action="direct_response: {status: 200, body_format: {text_format: «'%A%'»}}"),
    with_route(action="direct_response: {status: 200, body_format: {text_format_source: {inline_string: «'%A%'»}}}"),
    with_route(action="direct_response: {status: 200, body_format: {text_format_source: {inline_bytes: «JUEl»}}}"),
    with_route(action="direct_response: {status: 200, body_format: {text_format_source: {filename: «f.txt»}}}"),
    with_route(action="direct_response: {status: 200, body_format: {json_format: {a: [{b: «'%A%'»}]}}}"),
]


@pytest.mark.parametrize("text", FORMATS)
def test_formats_are_judged_wherever_they_stand(text: str) -> None:
    judge = Judge(files=lambda name: b"%A%", template_problem=lambda template: f"what is {template}")
    assert only(text, judge).message == "this format cannot be used: what is %A%"
    assert load(marked(text).text, NAME, Judge(files=lambda name: b"", template_problem=lambda template: None)).problems == []


def test_a_format_is_judged_once() -> None:
    asked: list[str] = []
    header = "{header: {key: a, value: '%A%'}}"
    text = with_route(action=f"direct_response: {{status: 200}}, response_headers_to_add: [{header}, {header}]")
    assert load(text, NAME, Judge(template_problem=asked.append)).problems == []
    assert asked == ["%A%"]


def test_a_file_with_a_format_is_text() -> None:
    text = with_route(action="direct_response: {status: 200, body_format: {text_format_source: {filename: «f.txt»}}}")
    problem = only(text, Judge(files=lambda name: b"\xff"))
    assert problem.message == "this format cannot be used: it is not text in UTF-8"


@pytest.mark.parametrize(
    "text",
    [
        to("regex_rewrite: {pattern: {regex: a}, substitution: «b»}"),
        to("host_rewrite_path_regex: {pattern: {regex: a}, substitution: «b»}"),
        hashed("{header: {header_name: a, regex_rewrite: {pattern: {regex: a}, substitution: «b»}}}"),
        with_route(action="redirect: {regex_rewrite: {pattern: {regex: a}, substitution: «b»}}"),
    ],
)
def test_rewrites_are_judged_wherever_they_stand(text: str) -> None:
    judge = Judge(rewrite_problem=lambda pattern, substitution: f"{pattern.decode()} to {substitution.decode()}")
    assert only(text, judge).message == "this rewrite cannot be used: a to b"


def test_templates_are_judged_together() -> None:
    text = with_route(MATCH, f'route: {{cluster: service1, path_rewrite_policy: {{{REWRITE}«"/{{c}}"»}}}}}}')
    judge = Judge(uri_rewrite_problem=lambda template, rewrite: f"{template.decode()} to {rewrite.decode()}")
    assert only(text, judge).message == "this template cannot be used: /a/{b} to /{c}"


@pytest.mark.parametrize("where", ["virtual_clusters: [{name: a, headers: [{name: b, string_match: {safe_regex: {regex: «'('»}}}]}]"])
def test_patterns_of_virtual_hosts(where: str) -> None:
    problem = only(GOOD.replace(DOMAINS, f"{DOMAINS}              {where}\n"), Judge(regex_problem=lambda pattern: "missing )"))
    assert problem.message == "this regular expression cannot be used: missing )"
