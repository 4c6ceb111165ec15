"""Tests of a route configuration, in a file of their own.

Rule 1. They go the way of a whole configuration: ``document``, ``legacy``, ``schema``, ``check``, ``build``.
Rule 2. Only who runs such tests imports this module: a proxy that starts needs none of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shifter.config.build_routetest import build_tests
from shifter.config.document import MapNode
from shifter.config.explain import validate
from shifter.config.legacy import modernise_tests
from shifter.config.report import Place, Problem, Report
from shifter.config.schema.routetest import RouteTests as RouteTestsSchema
from shifter.config.standalone import root_of
from shifter.model.routetest import RouteTests


@dataclass(frozen=True, slots=True)
class LoadedTests:
    """What became of a file of route tests; ``tests`` is ``None`` when there is any error among ``problems``."""

    tests: RouteTests | None
    problems: list[Problem]


def load_tests(text: str | bytes, name: str, regex_problem: Callable[[bytes], str | None] | None = None) -> LoadedTests:
    """Read the route tests *text* that came from *name*. Never raises for what stands in the text.

    :param regex_problem: says what is wrong with a regular expression (UTF-8, RE2 syntax), ``None`` if nothing
    """
    report = Report(name)
    root = root_of(text, report, "a file of route tests", "tests")
    tests = None if root is None else _tests(root, report, regex_problem)
    return LoadedTests(None if report.failed else tests, report.problems())


def _tests(root: MapNode, report: Report, regex_problem: Callable[[bytes], str | None] | None) -> RouteTests | None:
    modernise_tests(root, report)
    config = validate(RouteTestsSchema, root, report)
    if config is None or report.failed:
        return None
    tests = build_tests(config, root, report)
    for test in tests.tests if regex_problem is not None else ():
        for header in (*test.expected.request_headers, *test.expected.response_headers):
            if header.string is not None and header.string.kind.value == "safe_regex":
                assert regex_problem is not None
                problem = regex_problem(header.string.text)
                if problem is not None:
                    place = Place(report.name, *map(int, test.place.rsplit(":", 2)[1:]))
                    report.error(place, f"a regular expression of this test cannot be used: {problem}")
    return tests
