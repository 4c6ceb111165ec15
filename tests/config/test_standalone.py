"""Route configurations in files of their own."""

from shifter.config import load

ROUTES = """\
virtual_hosts:
- name: all
  domains: ["*"]
  routes:
  - match: {prefix: /a}
    route: {cluster: nobody_told_us_of, timeout: {seconds: 1, nanos: 500000000}}
"""


def test_a_route_configuration_is_read_where_that_is_allowed() -> None:
    loaded = load(ROUTES, "routes.yaml", routes_alone=True)
    assert (loaded.bootstrap, loaded.problems) == (None, [])
    assert loaded.routes is not None
    (route,) = loaded.routes.virtual_hosts[0].routes
    assert (route.place, getattr(route.action, "timeout", 0)) == ("routes.yaml:5:5", 1.5)


def test_elsewhere_it_is_no_configuration() -> None:
    loaded = load(ROUTES, "routes.yaml")
    assert loaded.bootstrap is None
    assert loaded.routes is None
    assert loaded.problems


def test_its_problems_have_places() -> None:
    loaded = load(ROUTES.replace("prefix", "prefxi").replace('["*"]', '["*", "*"]'), "routes.yaml", routes_alone=True)
    assert loaded.routes is None
    assert [str(problem.place) for problem in loaded.problems] == ["routes.yaml:3:18", "routes.yaml:5:13"]
