"""Which routes can be reached."""

import re

from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from tests.support.configs import GOOD, NAME

PATHS = ["/" + "".join(letters) for letters in ("", "a", "b", "A", "ab", "aB", "aa", "ba", "abc", "a/b", "AB")]
ROUTE = st.tuples(st.sampled_from(["prefix", "path"]), st.sampled_from(["", *PATHS]), st.booleans(), st.sampled_from(["", "x", "y"]))


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
        (1, f"line {FIRST_LINE} matches all of it before"),
        (3, f"line {FIRST_LINE + 2} matches all of it before"),
    ]
