"""Which route a release is of."""

import pytest

from shifter.config import release_route
from shifter.config.release_route import RouteReferenceError, canonical, find_routes, route_names
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import RouteReference
from shifter.model.route import Route, VirtualHost
from shifter.service.weights import choices
from tests.support.steering import candidate, config, listener, tcp_listener, weighted

ONE = weighted("/service/1", service1a=10, service1=90)
TWO = weighted("/service/2", service2=1, service1=1)
FORCED = "{match: {prefix: /service/1, headers: [{name: x-canary, present_match: true}]}, route: {cluster: service1a}}"
NAMED = "{name: second, match: {path: /hello}, route: {cluster: service2}}"
REDIRECT = "{match: {prefix: /old}, redirect: {path_redirect: /new}}"
REST = "{match: {prefix: /}, route: {cluster: service1}}"


def served(*listeners: str) -> Bootstrap:
    bootstrap = candidate(config(*listeners)).bootstrap
    assert bootstrap is not None
    return bootstrap


FRONT = served(listener(FORCED, ONE, TWO, NAMED, REDIRECT, REST), tcp_listener("db", "mysql", service1=3, service2=1))
PAIR = ("service1", "service1a")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        (RouteReference("all", kind="prefix", text="/service/1"), "all/prefix /service/1"),
        (RouteReference(kind="prefix", text="/service/1"), "all/prefix /service/1"),
        (RouteReference(text="all/prefix /service/1"), "all/prefix /service/1"),
        (RouteReference(text="front/all/prefix /service/1"), "all/prefix /service/1"),
        (RouteReference(text="all//service/1"), "all/prefix /service/1"),
        (RouteReference(text="/service/1"), "all/prefix /service/1"),
        (RouteReference(text="all/prefix /service/1 (x-canary)"), "all/prefix /service/1 (x-canary)"),
        (RouteReference(text="prefix /"), "all/prefix /"),
        (RouteReference(name="second"), "all/second"),
        (RouteReference(text="second"), "all/second"),
        (RouteReference("all", text="/hello"), "all/second"),
        (RouteReference("all", kind="path", text="/hello", listener="front"), "all/second"),
    ],
)
def test_a_route_is_found(reference: RouteReference, name: str) -> None:
    (found,) = find_routes(FRONT, reference)
    assert (found.name, found.listener, found.host.name) == (name, "front", "all")
    assert [one.route for one in find_routes(FRONT, canonical([found]))] == [found.route]


def test_who_says_nothing_means_the_route_between_the_two() -> None:
    (found,) = find_routes(served(listener(FORCED, ONE, NAMED)), RouteReference(), PAIR)
    assert (found.name, found.clusters) == ("all/prefix /service/1", ("service1a", "service1"))
    assert find_routes(FRONT, RouteReference(), ("service2", "service3"))[0].name == "all/second"


def test_names_are_those_that_weights_have() -> None:
    again = weighted("/service/1", service1=1, service2=1)
    front = served(listener(REST, ONE, again, REST, REST), listener(ONE, name="other", port=3, host="more"))
    names = [name for name in choices(front) if name in route_names(front)]
    assert names == ["all/prefix /service/1", "all/prefix /service/1#2", "more/prefix /service/1"]
    for name, place in zip(route_names(front), ("1", "5", "50", "500"), strict=False):
        assert find_routes(front, RouteReference(text=name))[0].name == name, place
    assert "all/prefix /#3" in route_names(front)


def test_the_same_route_in_several_listeners_is_one() -> None:
    front = served(listener(ONE), listener(ONE, name="tls", port=3))
    assert [(one.listener, one.name) for one in find_routes(front, RouteReference(text="/service/1"))] == [
        ("front", "all/prefix /service/1"),
        ("tls", "all/prefix /service/1"),
    ]
    (one,) = find_routes(front, RouteReference(text="/service/1", listener="tls"))
    assert (one.listener, one.name) == ("tls", "tls/all/prefix /service/1")
    assert find_routes(front, canonical([one])) == [one]


def test_where_they_differ_the_listener_must_be_said() -> None:
    front = served(listener(ONE), listener(weighted("/service/1", service1a=1, service1=1), name="tls", port=3))
    with pytest.raises(RouteReferenceError, match="has other clusters or weights in another listener"):
        find_routes(front, RouteReference(text="/service/1"))
    assert find_routes(front, RouteReference(text="/service/1", listener="tls"))[0].name == "tls/all/prefix /service/1"


@pytest.mark.parametrize(
    ("reference", "message", "hint", "part"),
    [
        (RouteReference(text="/service/3"), "no route to a cluster is called `/service/3`", "did you mean `/service/2`?", "route"),
        (RouteReference(name="secnod"), "no route to a cluster is called `secnod`", "did you mean `second`?", "route"),
        (RouteReference(kind="prefix", text="/hello"), "no route to a cluster is called `prefix /hello`", "`path: /hello`", "route"),
        (RouteReference(kind="prefix", text="/servce/1"), "is called `prefix /servce/1`", "did you mean `/service/1`?", "route"),
        (RouteReference(text="/old"), "no route to a cluster is called `/old`", "known: `all/prefix", "route"),
        (RouteReference("al"), "no virtual host is called `al`", "did you mean `all`?", "virtual_host"),
        (RouteReference(listener="fornt"), "no listener for HTTP is called `fornt`", "did you mean `front`?", "listener"),
        (RouteReference(listener="db"), "no listener for HTTP is called `db`", "known: `front`", "listener"),
        (RouteReference(kind="prefix", text="/service"), "is called `prefix /service`", "did you mean `/service/", "route"),
        (RouteReference(), "no route leads to `service3` and `x` alone", "say which `route`", "route"),
    ],
)
def test_what_is_not_found_is_told_what_is(reference: RouteReference, message: str, hint: str, part: str) -> None:
    clusters = ("service3", "x") if reference == RouteReference() else PAIR
    with pytest.raises(RouteReferenceError) as caught:
        find_routes(FRONT, reference, clusters)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.part == part


def test_several_are_too_many() -> None:
    front = served(listener(TWO, NAMED, "{match: {prefix: /x}, route: {cluster: service2}}"))
    with pytest.raises(RouteReferenceError, match="the route of `all` may be any of 2 routes: `all/second`, `all/prefix /x`"):
        find_routes(front, RouteReference("all"), ("service2", "x"))
    assert find_routes(FRONT, RouteReference("all"), PAIR)[0].name == "all/prefix /service/1"  # which leads to both


def test_a_configuration_without_routes_to_clusters() -> None:
    with pytest.raises(RouteReferenceError, match="no route here leads to a cluster"):
        find_routes(served(listener(REDIRECT)), RouteReference(text="/old"))


def test_a_long_table_takes_no_time_for_each_pair_of_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins are numbered by looking at all routes of a virtual host: that must not be done for each of them."""
    numbered = []
    number = release_route._number

    def counted(host: VirtualHost, route: Route, title: str) -> int:
        numbered.append(title)
        return number(host, route, title)

    monkeypatch.setattr(release_route, "_number", counted)
    front = served(listener(*(f"{{match: {{prefix: /{at}}}, route: {{cluster: service1}}}}" for at in range(300))))
    assert find_routes(front, RouteReference(text="all/prefix /7"), PAIR)[0].name == "all/prefix /7"
    for reference in (RouteReference(), RouteReference("all"), RouteReference(text="/x"), RouteReference(name="x")):
        with pytest.raises(RouteReferenceError):
            find_routes(front, reference, PAIR)
    assert len(numbered) < 10
