"""Does a release fit a configuration?"""

import pytest

from shifter.config.check_release import CheckedRelease, check_release
from shifter.config.releases import read_release
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import RouteReference
from tests.support.programs import ROOT
from tests.support.steering import candidate, config, listener, weighted

TEXT = """\
releases:
- baseline: service1
  canary: service1a
  route: {virtual_host: all, prefix: /service/1}
  steps: [1, 100]
"""


def served(*routes: str) -> Bootstrap:
    bootstrap = candidate(config(listener(*routes))).bootstrap
    assert bootstrap is not None
    return bootstrap


def check(bootstrap: Bootstrap, text: str = TEXT) -> CheckedRelease:
    spec, problems = read_release(text.encode(), "r.yaml")
    assert spec is not None, problems
    return check_release(spec, bootstrap)


SINGLE = "{match: {prefix: /service/1}, route: {cluster: service1}}"


@pytest.mark.parametrize(
    "route", [SINGLE, weighted("/service/1", service1a=0, service1=100), weighted("/service/1", service1=1, service1a=0)]
)
def test_a_route_to_the_baseline_or_to_both(route: str) -> None:
    checked = check(served(route))
    assert checked.problems == []
    assert checked.spec is not None
    assert checked.spec.route == RouteReference(text="all/prefix /service/1")
    assert [(one.listener, one.route.match.text) for one in checked.found] == [("front", b"/service/1")]


def test_a_canary_that_has_requests_already_begins_with_none() -> None:
    checked = check(served(weighted("/service/1", service1a=25, service1=75)))
    assert checked.spec is not None
    assert list(map(str, checked.problems)) == [
        "r.yaml:4:38: warning: `all/prefix /service/1` leads to `service1a` (25 %), `service1` (75 %): "
        "the release begins with 0 % for `service1a` (from there it goes up as the steps say)"
    ]


def test_runtime_has_no_say() -> None:
    checked = check(served(weighted("/service/1", "runtime_key_prefix: w, ", service1a=0, service1=75)))
    assert checked.spec is not None
    assert "runtime (`w`) has no say" in checked.problems[0].message


BAD = [
    (
        SINGLE,
        ("canary: service1a", "canary: service1x"),
        "r.yaml:3:11: error: no cluster is called `service1x` (did you mean `service1a`?)",
    ),
    (
        SINGLE,
        ("canary: service1a", "canary: service1b"),
        "r.yaml:3:11: error: no cluster is called `service1b` (did you mean `service1a`?)",
    ),
    (
        SINGLE,
        ("baseline: service1", "baseline: old"),
        "r.yaml:2:13: error: no cluster is called `old` (known: service1, service2)",
    ),
    (SINGLE, ("virtual_host: all", "virtual_host: al"), "r.yaml:4:25: error: no virtual host is called `al` (did you mean `all`?)"),
    (
        SINGLE,
        ("prefix: /service/1", "prefix: /service"),
        "r.yaml:4:38: error: no route to a cluster is called `prefix /service` (did",
    ),
    (SINGLE, ("virtual_host: all", "listener: frnt"), "r.yaml:4:21: error: no listener for HTTP is called `frnt` (did you mean `front`?)"),
    (SINGLE, ("{virtual_host: all, prefix: /service/1}", "/service"), "r.yaml:4:10: error: no route to a cluster is called `/service`"),
    (
        weighted("/service/1", service1a=1, service1=1, service2=1),
        ("", ""),
        "r.yaml:4:38: error: `all/prefix /service/1` also leads to `service2`: a release is between two clusters (take it out of the route",
    ),
    (
        "{match: {prefix: /service/1}, route: {cluster: service1a}}",
        ("", ""),
        "`all/prefix /service/1` does not lead to `service1`, but to `service1a` (are `baseline` and `canary` the wrong way round?)",
    ),
    (
        "{match: {prefix: /service/1}, route: {weighted_clusters: {clusters: [{name: service1, weight: 1}, {name: service1, weight: 2}]}}}",
        ("", ""),
        "`all/prefix /service/1` has the same cluster twice",
    ),
    (
        weighted("/service/1", service1=1, second=2).replace("name: second", "cluster_header: x"),
        ("", ""),
        "also leads to the cluster that the request names in `x`: a release is between two clusters",
    ),
    (
        "{match: {prefix: /service/1}, route: {cluster_header: x}}, {match: {prefix: /}, route: {cluster: service2}}",
        ("", ""),
        "r.yaml:4:38: error: no route to a cluster is called `prefix /service/1` (known: `all/prefix /`)",
    ),
    (SINGLE, ("  route: {virtual_host: all, prefix: /service/1}\n", ""), None),
    (
        "{match: {prefix: /}, route: {cluster: service2}}",
        ("  route: {virtual_host: all, prefix: /service/1}\n", ""),
        "r.yaml:2:3: error: no route leads to `service1` and `service1a` alone (say which `route`: `all/prefix /`)",
    ),
]


@pytest.mark.parametrize(("route", "change", "said"), BAD)
def test_what_does_not_fit_is_told_where_it_stands(route: str, change: tuple[str, str], said: str | None) -> None:
    checked = check(served(route), TEXT.replace(*change) if change[0] else TEXT)
    assert (checked.spec is None) == (said is not None)
    assert [problem for problem in map(str, checked.problems) if said is None or said not in problem] == []


def test_the_example_fits_the_tutorial() -> None:
    front = candidate((ROOT / "etc/front.yaml").read_bytes()).bootstrap
    assert front is not None
    for name in ("etc/release.yaml", "demo/release.yaml"):
        spec, problems = read_release((ROOT / name).read_bytes(), name)
        assert spec is not None
        assert problems == []
        checked = check_release(spec, front)
        assert checked.spec is not None
        assert checked.spec.route.text == "backend/prefix /service/1"
        assert [problem.level for problem in checked.problems] == ["warning"]
