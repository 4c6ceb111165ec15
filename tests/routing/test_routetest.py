"""Route tests: what is checked, what counts as tested."""

import pytest

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import (
    DirectResponseAction,
    FractionalPercent,
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
    TlsRequirement,
    VirtualCluster,
    VirtualHost,
    WeightedCluster,
)
from shifter.model.routetest import RouteExpectation, RouteMetadata, RouteTest, RouteTestInput, RouteTests
from shifter.routing.routetest import FORWARDED, Check, Result, Summary, run


def prefix(text: bytes, **more: object) -> RouteMatch:
    return RouteMatch(PathMatchKind.PREFIX, text, **more)  # type: ignore[arg-type]  # a test names them


def is_(name: bytes, value: bytes) -> HeaderMatcher:
    return HeaderMatcher(name, StringMatcher(StringMatchKind.EXACT, value))


ADD = HeaderMutations((HeaderValueOption(b"x-sent", b"1"),), (), (HeaderValueOption(b"x-answered", b"1"),))
RED = RouteMetadata("team", "name", "red")
ROUTES = (
    Route(prefix(b"/share", runtime_fraction=RuntimeFraction(FractionalPercent(0), "on")), RouteAction((WeightedCluster("shared", 1),))),
    Route(prefix(b"/redirect"), RedirectAction(host_redirect=b"new.test", response_code=302)),
    Route(prefix(b"/answer"), DirectResponseAction(200, b"hello"), headers=ADD),
    Route(
        prefix(b"/split"),
        RouteAction((WeightedCluster("one", 1), WeightedCluster("two", 2)), prefix_rewrite=b"/new", timeout=3.0, runtime_key_prefix="w"),
        headers=ADD,
        metadata={"team": {"name": "red"}},
    ),
    Route(prefix(b"/named"), RouteAction((), cluster_header=b"x-to")),
)
HOST = VirtualHost("all", (b"*",), ROUTES, virtual_clusters=(VirtualCluster("rewritten", (is_(b":path", b"/new"),)),))
CONFIG = RouteConfiguration(virtual_hosts=(HOST, VirtualHost("tls", (b"tls.test",), ROUTES[:1], require_tls=TlsRequirement.ALL)))


def a_test(path: bytes, expected: RouteExpectation, authority: bytes = b"h.test", **given: object) -> RouteTest:
    return RouteTest("one", RouteTestInput(authority, path, b"GET", **given), expected)  # type: ignore[arg-type]


def result(path: bytes, expected: RouteExpectation, authority: bytes = b"h.test", **given: object) -> Result:
    (only,) = run(CONFIG, RouteTests((a_test(path, expected, authority, **given),))).results
    return only


NOTHING = RouteExpectation(
    cluster_name="", virtual_cluster_name="", virtual_host_name="", path_rewrite="", host_rewrite="", path_redirect="", code_redirect=0
)


@pytest.mark.parametrize(
    ("path", "expected", "given"),
    [
        (b"/nowhere", NOTHING, {}),
        (
            b"/split",
            RouteExpectation(
                "two", "rewritten", "all", "/new", "h.test", "", None, 3.0, route_metadata=(RouteMetadata("team", "name", "red"),)
            ),
            {"random_value": 4},
        ),
        (b"/split", RouteExpectation("one", "rewritten"), {"random_value": 3}),
        (b"/split/a", RouteExpectation("one", "other", path_rewrite="/new/a"), {}),
        (
            b"/split",
            RouteExpectation(
                request_headers=(is_(b"x-sent", b"1"), is_(b":path", b"/new"), is_(b"x-forwarded-proto", b"https")),
                response_headers=(is_(b"x-answered", b"1"), is_(b"x-given", b"2"), HeaderMatcher(b"none", present=False)),
            ),
            {"ssl": True, "response_headers": ((b"x-given", b"2"),)},
        ),
        (b"/named", RouteExpectation("somewhere"), {"request_headers": ((b"x-to", b"somewhere"),)}),
        (b"/named", RouteExpectation(""), {}),
        (b"/redirect?a", RouteExpectation("", path_redirect="http://new.test/redirect?a", code_redirect=302), {}),
        (
            b"/answer",
            RouteExpectation(
                "",
                path_redirect="http://h.test/answer",
                code_redirect=200,
                response_headers=(is_(b"content-type", b"text/plain"), is_(b"content-length", b"5"), is_(b"x-answered", b"1")),
            ),
            {},
        ),
        (b"/a", RouteExpectation("", path_redirect="https://tls.test/a", code_redirect=301), {"authority": b"tls.test"}),
        (b"/a", RouteExpectation(path_redirect=""), {"authority": b"tls.test", "ssl": True}),
        (b"/share", NOTHING, {"random_value": 0}),
        (b"/share", NOTHING, {"random_value": 0, "runtime": "off"}),
        (b"/share", RouteExpectation("shared"), {"random_value": 0, "runtime": "on"}),
        (b"/share", NOTHING, {"random_value": 1, "runtime": "on"}),
    ],
)
def test_what_comes_of_a_request(path: bytes, expected: RouteExpectation, given: dict[str, object]) -> None:
    found = result(path, expected, **given)  # type: ignore[arg-type]
    assert [check for check in found.checks if not check.ok] == []
    assert found.checks


@pytest.mark.parametrize(
    ("expected", "failures"),
    [
        (RouteExpectation(cluster_name="three"), [Check("cluster_name", "three", "one", False)]),
        (RouteExpectation(path_redirect="/x"), [Check("path_redirect", "/x", "", False)]),
        (RouteExpectation(code_redirect=301), [Check("code_redirect", "301", "0", False)]),
        (RouteExpectation(timeout=1.5), [Check("timeout", "1.5s", "3s", False)]),
        (RouteExpectation(request_headers=(is_(b"x-sent", b"2"),)), [Check("request_header_matches x-sent", 'is "2"', "1", False)]),
        (RouteExpectation(response_headers=(is_(b"none", b"2"),)), [Check("response_header_matches none", 'is "2"', "", False)]),
        (
            RouteExpectation(route_metadata=(RouteMetadata("team", "name", "blue"), RouteMetadata("other", "name", "red"))),
            [Check("route_metadata team name", "blue", "red", False), Check("route_metadata other name", "red", "", False)],
        ),
    ],
)
def test_what_is_said_of_failures(expected: RouteExpectation, failures: list[Check]) -> None:
    found = result(b"/split", expected)
    assert not found.ok
    assert [check for check in found.checks if not check.ok] == failures


def test_weights_are_those_of_runtime() -> None:
    tests = RouteTests((a_test(b"/split", RouteExpectation("two"), random_value=0),), {"w.one": 0})
    assert run(CONFIG, tests).failures == 0
    assert run(CONFIG, RouteTests(tests.tests), [RuntimeLayer("base", {"w.one": 0})]).failures == 0
    assert run(CONFIG, RouteTests(tests.tests)).failures == 1


def covered(summary: Summary) -> dict[tuple[str, int, str], frozenset[str]]:
    return {(route.host.name, route.number, route.cluster): route.tested for route in summary.routes if route.tested}


def test_what_is_tested() -> None:
    tests = (
        a_test(b"/split", RouteExpectation("two", virtual_host_name="wrong"), random_value=1),
        a_test(b"/split", RouteExpectation("two", path_rewrite="/new"), random_value=2),
        a_test(b"/redirect", RouteExpectation(path_redirect="http://new.test/redirect")),
        a_test(b"/nowhere", NOTHING),
    )
    summary = run(CONFIG, RouteTests(tests))
    assert summary.failures == 1
    assert covered(summary) == {("all", 4, "two"): {"cluster_name", "path_rewrite"}, ("all", 2, ""): {"path_redirect"}}
    assert len(summary.routes) == 7  # a route with two clusters is two
    assert summary.coverage() == pytest.approx(100 * 2 / 7)
    assert summary.coverage(comprehensive=True) == pytest.approx(100 * (2 / 5 + 1) / 7)
    missing = next(route.missing for route in summary.routes if route.cluster == "two")
    assert missing == tuple(field for field in FORWARDED if field not in ("cluster_name", "path_rewrite"))


def test_files_of_tests_add_up() -> None:
    one = run(CONFIG, RouteTests((a_test(b"/split", RouteExpectation("one")),)))
    two = run(CONFIG, RouteTests((a_test(b"/split", RouteExpectation(path_rewrite="/wrong", host_rewrite="h.test")),)))
    both = one.plus(two)
    assert (len(both.results), both.failures) == (2, 1)
    assert covered(both) == {("all", 4, "one"): {"cluster_name", "host_rewrite"}}


def test_an_empty_table_is_tested() -> None:
    assert run(RouteConfiguration(), RouteTests((a_test(b"/", NOTHING),))).coverage() == 100
