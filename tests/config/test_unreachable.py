"""Which routes can be reached."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from tests.support.configs import GOOD, NAME

PATHS = ["/" + "".join(letters) for letters in ("", "a", "b", "A", "ab", "aB", "aa", "ba", "abc", "a/b", "AB")]
ROUTE = st.tuples(st.sampled_from(["prefix", "path"]), st.sampled_from(["", *PATHS]), st.booleans(), st.sampled_from(["", "x", "y"]))

TEMPLATE = (
    "{name: envoy.path.match.uri_template.uri_template_matcher, typed_config: {path_template: '/books/{id}', "
    "'@type': type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig}}"
)


def config(routes: list[tuple[str, str, bool, str]]) -> str:
    """A configuration with one line a route; the first is line 13."""
    lines = [
        f"      - {{match: {{{kind}: '{text}', case_sensitive: {str(sensitive).lower()}"
        + (f", headers: [{{name: {header}}}]" if header else "")
        + "}, direct_response: {status: 200}}\n"
        for kind, text, sensitive, header in routes
    ]
    start = GOOD.index("              - match:")
    end = GOOD.index("          http_filters:")
    return GOOD[:start] + "".join("        " + line for line in lines) + GOOD[end:]


FIRST_LINE = GOOD[: GOOD.index("              - match:")].count("\n") + 1


def dead(routes: list[tuple[str, str, bool, str]]) -> dict[int, int]:
    """Which routes are said to be unreachable, and because of which."""
    loaded = load(config(routes), NAME)
    assert loaded.bootstrap is not None
    found = {}
    for problem in loaded.problems:
        if problem.message == "this route is never reached":
            earlier = re.match(r"line (\d+) ", problem.hint)
            assert earlier is not None
            found[problem.place.line - FIRST_LINE] = int(earlier[1]) - FIRST_LINE
    return found


def takes(route: tuple[str, str, bool, str], path: str, headers: str) -> bool:
    kind, text, sensitive, header = route
    if not sensitive:
        text, path = text.lower(), path.lower()
    return (path.startswith(text) if kind == "prefix" else path == text) and header in headers


@given(st.lists(ROUTE, max_size=8))
def test_a_route_that_is_called_dead_never_gets_a_request(routes: list[tuple[str, str, bool, str]]) -> None:
    found = dead(routes)
    for index, earlier in found.items():
        assert earlier < index
        for path in PATHS:
            for headers in ("", "x", "y", "xy"):
                if takes(routes[index], path, headers):
                    assert takes(routes[earlier], path, headers)


@given(st.lists(ROUTE.map(lambda route: (route[0], route[1], True, "")), max_size=8))
def test_every_dead_route_without_conditions_is_found(routes: list[tuple[str, str, bool, str]]) -> None:
    covered = {
        index
        for index, (kind, text, _, _) in enumerate(routes)
        if any(text.startswith(other[1]) if other[0] == "prefix" else (kind, text) == other[:2] for other in routes[:index])
    }
    assert dead(routes).keys() == covered


def test_dead_routes_by_example() -> None:
    routes = [
        ("path", "/x", False, ""),
        ("prefix", "/a", False, ""),
        ("prefix", "/A/b", True, "x"),
        ("path", "/X", True, ""),
        ("prefix", "/x", True, ""),
    ]
    assert dead(routes) == {2: 1, 3: 0}


def test_ten_thousand_routes() -> None:
    routes = [("prefix", f"/{'a' * (i % 50)}{i}/", True, "") for i in range(10_000)]
    assert dead([*routes, ("prefix", "/", True, ""), ("path", "/last", True, "")]) == {10_001: 10_000}


REGEXES = """\
              - {match: {safe_regex: {regex: '/r(1|2)'}}, direct_response: {status: 200}}
              - {match: {safe_regex: {regex: '/r(1|2)'}, headers: [{name: x}]}, direct_response: {status: 200}}
              - {match: {prefix: /}, direct_response: {status: 200}}
              - {match: {safe_regex: {regex: '/s+'}}, direct_response: {status: 200}}
"""


def test_patterns_are_covered_by_themselves_and_by_everything() -> None:
    start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
    problems = load(GOOD[:start] + REGEXES + GOOD[end:], NAME).problems
    assert [(problem.place.line - FIRST_LINE, problem.hint) for problem in problems] == [
        (1, f"line {FIRST_LINE} (safe_regex /r(1|2)) matches all of it before"),
        (3, f"line {FIRST_LINE + 2} (prefix /) matches all of it before"),
    ]


# Earlier match, later match, whether the earlier one hides the later.
PAIRS = [
    ("path_separated_prefix: /a", "path_separated_prefix: /a/b", True),
    ("path_separated_prefix: /a", "path_separated_prefix: /ab", False),
    ("path_separated_prefix: /a", "path: /a", True),
    ("path_separated_prefix: /a", "path: /ab", False),
    ("path_separated_prefix: /a", "prefix: /a/", True),
    ("path_separated_prefix: /a", "prefix: /a", False),
    ("path_separated_prefix: /A, case_sensitive: false", "prefix: /a/", True),
    ("prefix: /a", "path_separated_prefix: /ab", True),
    ("prefix: /1, case_sensitive: true", "path: /1, case_sensitive: false", True),
    ("prefix: /a, case_sensitive: true", "path: /a, case_sensitive: false", False),
    ("safe_regex: {regex: '.*'}", "path: /a", True),
    ("safe_regex: {regex: '/.*'}", "prefix: /", True),
    ("safe_regex: {regex: '/a.*'}", "prefix: /ab", True),
    ("safe_regex: {regex: '/a/.*'}", "path: /a", False),
    ("safe_regex: {regex: '/a|/b.*'}", "path: /bc", False),
    ("safe_regex: {regex: '/a?.*'}", "path: /b", False),
    ("prefix: /service", "safe_regex: {regex: '/service/\\d+'}", True),
    ("prefix: /service", "safe_regex: {regex: '/services?/x'}", True),
    ("prefix: /services", "safe_regex: {regex: '/services?/x'}", False),
    ("prefix: /a", "safe_regex: {regex: '(/a|/b)'}", False),
    ("prefix: /books", f"path_match_policy: {TEMPLATE}", True),
    ("prefix: /books/1", f"path_match_policy: {TEMPLATE}", False),
    (f"path_match_policy: {TEMPLATE}", f"path_match_policy: {TEMPLATE}", True),
    (f"path_match_policy: {TEMPLATE}", "path: /books/1", False),
    ("prefix: /", "connect_matcher: {}", False),
    ("connect_matcher: {}", "connect_matcher: {}", True),
    ("connect_matcher: {}", "prefix: /", False),
    ("prefix: /, headers: [{name: a}]", "prefix: /, headers: [{name: b}, {name: a}]", True),
    ("prefix: /, headers: [{name: a}, {name: b}]", "prefix: /, headers: [{name: b}, {name: a}]", True),
    ("prefix: /, headers: [{name: a}]", "prefix: /x, headers: [{name: b}]", False),
    ("prefix: /, headers: [{name: a, present_match: true}]", "prefix: /x, headers: [{present_match: true, name: a}]", True),
    ("prefix: /", "prefix: /, query_parameters: [{name: a}]", True),
    ("prefix: /, query_parameters: [{name: a}]", "prefix: /", False),
    ("prefix: /, query_parameters: [{name: a}]", "prefix: /, query_parameters: [{name: a}], grpc: {}", True),
    ("prefix: /, headers: [{name: a}]", "prefix: /, query_parameters: [{name: a}]", False),
    ("prefix: /, cookies: [{name: a, string_match: {exact: b}}]", "prefix: /", False),
    ("prefix: /, cookies: [{name: a, string_match: {exact: b}}]", "prefix: /, cookies: [{name: a, string_match: {exact: b}}]", True),
    ("prefix: /, grpc: {}", "prefix: /", False),
    ("prefix: /, grpc: {}", "path: /a, grpc: {}", True),
    ("prefix: /, tls_context: {}", "prefix: /", True),
    ("prefix: /, tls_context: {presented: true}", "prefix: /", False),
    ("prefix: /, runtime_fraction: {default_value: {numerator: 100}}", "prefix: /a", True),
    ("prefix: /, runtime_fraction: {default_value: {numerator: 200, denominator: hundred}}", "prefix: /a", True),
    ("prefix: /, runtime_fraction: {default_value: {numerator: 100}, runtime_key: a}", "prefix: /a", False),
    ("prefix: /, runtime_fraction: {default_value: {numerator: 100, denominator: MILLION}}", "prefix: /a", False),
    ("prefix: /, runtime_fraction: {default_value: {numerator: 5}}", "prefix: /a, runtime_fraction: {default_value: {numerator: 5}}", True),
]


@pytest.mark.parametrize(("earlier", "later", "hidden"), PAIRS)
def test_conditions(earlier: str, later: str, hidden: bool) -> None:
    routes = "".join(f"              - {{match: {{{match}}}, direct_response: {{status: 200}}}}\n" for match in (earlier, later))
    start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
    problems = [problem for problem in load(GOOD[:start] + routes + GOOD[end:], NAME).problems if "reached" in problem.message]
    assert [problem.place.line - FIRST_LINE for problem in problems] == ([1] if hidden else [])


def test_a_share_of_nothing_hides_nothing() -> None:
    routes = "              - {match: {prefix: /, runtime_fraction: {default_value: {numerator: 0}}}, direct_response: {status: 200}}\n"
    start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
    [problem] = load(GOOD[:start] + routes * 2 + GOOD[end:], NAME).problems[1:]
    assert problem.message == "this never matches: its share is 0"


def test_the_route_that_hides_it_is_called_by_its_name() -> None:
    routes = "              - {name: all, match: {prefix: /}, direct_response: {status: 200}}\n" * 2
    start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
    [problem] = load(GOOD[:start] + routes + GOOD[end:], NAME).problems
    assert problem.hint == f"line {FIRST_LINE} (route all, prefix /) matches all of it before"
