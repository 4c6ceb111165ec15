"""What may stand in a file of its own: a route configuration, and tests of one.

Rule 1. They go the way of a whole configuration: ``document``, ``legacy``, ``schema``, ``check``, ``build``.
Rule 2. A route configuration alone has no clusters, so that any name of one is good.
"""

from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass

from shifter.config.build_route import route_configuration
from shifter.config.build_routetest import build_tests
from shifter.config.check_routes import Routes
from shifter.config.document import MapNode, Refused, decode, parse
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.legacy import modernise_routes, modernise_tests
from shifter.config.report import Place, Problem, Report
from shifter.config.schema.base import kind
from shifter.config.schema.route import RouteConfiguration as RouteConfigurationSchema
from shifter.config.schema.routetest import RouteTests as RouteTestsSchema
from shifter.model.route import RouteConfiguration
from shifter.model.routetest import RouteTests


@dataclass(frozen=True, slots=True)
class LoadedTests:
    """What became of a file of route tests; ``tests`` is ``None`` when there is any error among ``problems``."""

    tests: RouteTests | None
    problems: list[Problem]


def root_of(text: str | bytes, report: Report, what: str, first: str) -> MapNode | None:
    """Return the mapping that *text* is; ``None`` when it is none, and that was reported.

    *what* the text should be, and the field that it begins with (*first*), are for the report.
    """
    if isinstance(text, bytes):
        try:
            text = decode(text)
        except Refused as refusal:
            report.error(refusal, refusal.message, refusal.hint)
            return None
    root = parse(text, report)
    if isinstance(root, MapNode):
        return root
    if root is not None:
        report.error(root, f"{what} is a mapping, not {kind(root)}", f"begin with `{first}:`")
    elif not report.failed:
        report.error(Place(report.name, 1, 1), "the file is empty", f"begin with `{first}:`")
    return None


def is_routes(root: MapNode) -> bool:
    """Say whether *root* is a route configuration rather than a whole one."""
    return "virtual_hosts" in root and "static_resources" not in root


def build_routes(root: MapNode, report: Report, judge: Judge) -> RouteConfiguration | None:
    """Return the route configuration *root* as the model; ``None`` when there is an error in it."""
    modernise_routes(root, report)
    config = validate(RouteConfigurationSchema, root, report)
    routes = Routes(report, judge, _AnyName())
    manager = MapNode(root.line, root.column)
    manager["route_config"] = root
    routes.manager(manager)
    if config is None or report.failed:
        return None
    return route_configuration(config, root, routes.sources)


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


class _AnyName(Set[str]):
    """The names of clusters nobody has told us."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
