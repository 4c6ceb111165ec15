"""Results of route tests as text and as data."""

from shifter.model.route import PathMatchKind, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from shifter.model.routetest import RouteExpectation, RouteTest, RouteTestInput, RouteTests
from shifter.routing.routetest import Summary, run
from shifter.routing.routetest_text import Detail, as_dict, text

SPLIT = RouteAction((WeightedCluster("one", 1), WeightedCluster("two", 1)))
ROUTES = (
    Route(RouteMatch(PathMatchKind.PREFIX, b"/a"), SPLIT, place="r.yaml:5:5"),
    Route(RouteMatch(PathMatchKind.PATH, b"/b"), RouteAction((WeightedCluster("three", 1),)), "b", place="r.yaml:9:5"),
)
CONFIG = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), ROUTES),))


def summary() -> Summary:
    good = RouteTest("good", RouteTestInput(b"h", b"/a", b"GET"), RouteExpectation("one"), "t.yaml:2:5")
    bad = RouteTest("bad", RouteTestInput(b"h", b"/a/b", b"GET"), RouteExpectation("three", path_redirect=""), "t.yaml:7:5")
    return run(CONFIG, RouteTests((good, bad)))


def lines(detail: Detail) -> list[str]:
    return text(summary(), detail).splitlines()


def test_failures() -> None:
    assert lines(Detail()) == [
        "FAILED  bad  (t.yaml:7:5)",
        "        cluster_name: expected three, got one",
        "2 tests, 1 failed",
        "coverage 33.33 %: 1 of 3 routes",
    ]
    assert lines(Detail(only_failures=True, fields=True)) == lines(Detail())


def test_every_field() -> None:
    assert lines(Detail(fields=True))[:5] == [
        "ok      good  (t.yaml:2:5)",
        "        cluster_name: one",
        "FAILED  bad  (t.yaml:7:5)",
        "        cluster_name: expected three, got one",
        "        path_redirect: nothing",
    ]


def test_what_was_not_tested() -> None:
    assert lines(Detail(untested=True))[-2:] == [
        "not tested  all #1: prefix /a to two  (r.yaml:5:5)",
        "not tested  all #2 b: path /b  (r.yaml:9:5)",
    ]
    assert lines(Detail(comprehensive=True))[-4:] == [
        "coverage 6.67 % of what can be tested of 3 routes",
        "not tested  all #1: prefix /a to one  without virtual_cluster_name, virtual_host_name, path_rewrite, host_rewrite  (r.yaml:5:5)",
        "not tested  all #1: prefix /a to two  (r.yaml:5:5)",
        "not tested  all #2 b: path /b  (r.yaml:9:5)",
    ]


def test_for_programs() -> None:
    found = as_dict(summary())
    assert found["failures"] == 1
    tests, routes = found["tests"], found["routes"]
    assert isinstance(tests, list)
    assert tests[1]["checks"][0] == {"field": "cluster_name", "expected": "three", "got": "one", "ok": False}
    assert isinstance(routes, list)
    assert [(route["cluster"], route["tested"]) for route in routes] == [("one", ["cluster_name"]), ("two", []), ("", [])]
