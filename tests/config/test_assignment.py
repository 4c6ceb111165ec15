"""Files of endpoints: what is taken as Envoy 1.40 takes it, and what is wrong with the others, at which place."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load_assignment
from shifter.model.address import SocketAddress
from shifter.model.cluster import AssignmentPolicy, LbEndpoint

TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
GOOD = f"""\
version_info: "7"
resources:
- "@type": {TYPE}
  cluster_name: web
  endpoints:
  - lb_endpoints:
    - endpoint: {{address: {{socket_address: {{address: 10.0.0.1, port_value: 80}}}}, hostname: one}}
      load_balancing_weight: 3
    - endpoint: {{address: {{socket_address: {{address: "::1", port_value: 81}}}}}}
  policy: {{overprovisioning_factor: 140}}
"""
ENDPOINTS = (LbEndpoint(SocketAddress("10.0.0.1", 80), 3, "one"), LbEndpoint(SocketAddress("::1", 81)))


def problems(text: str, service: str = "web") -> list[str]:
    loaded = load_assignment(text, "eds.yaml", service)
    assert loaded.assignment is None
    return [str(problem) for problem in loaded.problems]


def test_an_assignment() -> None:
    loaded = load_assignment(GOOD, "eds.yaml", "web")
    assert loaded.problems == []
    assert loaded.assignment is not None
    assert loaded.assignment.endpoints == ENDPOINTS
    assert loaded.assignment.policy == AssignmentPolicy()


def test_as_json_and_as_bytes() -> None:
    text = json.dumps(yaml.safe_load(GOOD)).encode()
    loaded = load_assignment(text, "eds.json", "web")
    assert loaded.assignment is not None
    assert loaded.assignment.endpoints == ENDPOINTS


def test_within_a_resource() -> None:
    document = yaml.safe_load(GOOD)
    wrapper = "type.googleapis.com/envoy.service.discovery.v3.Resource"
    document["resources"] = [{"@type": wrapper, "name": "web", "resource": document["resources"][0]}]
    loaded = load_assignment(yaml.safe_dump(document), "eds.yaml", "web")
    assert loaded.assignment is not None
    assert loaded.assignment.endpoints == ENDPOINTS


def test_no_endpoints_are_an_assignment() -> None:
    loaded = load_assignment(f'resources: [{{"@type": {TYPE}, cluster_name: web}}]', "eds.yaml", "web")
    assert loaded.assignment is not None
    assert loaded.assignment.endpoints == ()


@pytest.mark.parametrize("text", ["resources: []\n", "version_info: x\n", "{}"])
def test_no_assignment_is_no_error(text: str) -> None:
    loaded = load_assignment(text, "eds.yaml", "web")
    assert (loaded.assignment, loaded.problems, loaded.readable) == (None, [], True)


@pytest.mark.parametrize("text", ["", "# nothing\n", "resources: [\n", "- 1\n", "text"])
def test_what_cannot_be_read(text: str) -> None:
    loaded = load_assignment(text, "eds.yaml", "web")
    assert not loaded.readable
    assert len(loaded.problems) == 1


def test_bytes_that_are_no_text() -> None:
    assert not load_assignment(b"resources: \xff", "eds.yaml", "web").readable


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "cluster_name: web",
            "cluster_name: other",
            "4:17: error: these are the endpoints of `other`, and `web` asks for its own (see `service_name`)",
        ),
        ("  cluster_name: web\n", "", "3:3: error: `cluster_name` is missing"),
        ("port_value: 80}", "port_value: 99999}", "7:76: error: `port_value` is at most 65535, not `99999`"),
        ("lb_endpoints", "lb_endpoint", "6:5: error: unknown field `lb_endpoint` (did you mean `lb_endpoints`?)"),
        ("weight: 3", "weight: 0", "8:30: error: `load_balancing_weight` is at least 1, not `0`"),
        ("weight: 3", "weight: x", "8:30: error: a whole number is wanted here, not `x`"),
        ("resources", "resource", "2:1: error: unknown field `resource` (did you mean `resources`?)"),
        (
            "ClusterLoad",
            "Load",
            '3:12: error: `envoy.config.endpoint.v3.LoadAssignment` is no "@type" that is known here '
            "(did you mean envoy.config.endpoint.v3.ClusterLoadAssignment?)",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(old: str, new: str, problem: str) -> None:
    assert problems(GOOD.replace(old, new, 1)) == [f"eds.yaml:{problem}"]


def test_a_name_cannot_be_looked_up() -> None:
    (problem,) = problems(GOOD.replace("10.0.0.1", "web.test"))
    assert problem.startswith("eds.yaml:7:54: error: `web.test` is a name")


def test_a_second_assignment() -> None:
    assert problems(GOOD + GOOD[GOOD.index("- ") :]) == [
        "eds.yaml:11:3: error: a second assignment stands in this file (each cluster has a file of its own)"
    ]


def test_an_assignment_that_is_no_resource() -> None:
    """Envoy takes this for a file without resources, and says nothing."""
    assert problems("cluster_name: web\nendpoints: []\n") == [
        "eds.yaml:1:1: error: an assignment is an item of `resources` (begin with `resources:`, and indent this under `- `)"
    ]


def test_all_problems_are_told() -> None:
    assert len(problems(GOOD.replace("10.0.0.1", "web.test").replace("weight: 3", "weight: x"))) == 2


@given(st.text(max_size=60) | st.integers(0, len(GOOD)).map(lambda at: GOOD[:at]))
def test_any_text_is_taken_or_told_about(text: str) -> None:
    loaded = load_assignment(text, "eds.yaml", "web")
    assert loaded.assignment is None or not any(problem.level == "error" for problem in loaded.problems)
