"""A file of endpoints (EDS): a ``DiscoveryResponse`` with one ``ClusterLoadAssignment``, in YAML or JSON.

Rule 1. An assignment is checked and built as that of a cluster in the configuration: what is wrong there is wrong here.
Rule 2. As in Envoy there is one assignment, for the cluster that asks. None at all is no error, and says nothing.
"""

from dataclasses import dataclass

from shifter.config.build_cluster import endpoints
from shifter.config.build_common import given
from shifter.config.check_endpoints import Endpoints
from shifter.config.document import ListNode, MapNode, Node, map_in, text_in
from shifter.config.explain import validate
from shifter.config.report import Problem, Report, shown
from shifter.config.schema.discovery import AnyAssignment, AssignmentsResponse
from shifter.config.schema.endpoint import ClusterLoadAssignment
from shifter.config.standalone import root_of
from shifter.model.cluster import Assignment, AssignmentPolicy, DiscoveryType

_WRAPPER = "envoy.service.discovery.v3.Resource"


@dataclass(frozen=True, slots=True)
class LoadedAssignment:
    """What became of a text. ``assignment`` is ``None`` when there is any error among ``problems``, and when there is none in it.

    ``readable`` is false when it is no YAML at all.
    """

    assignment: Assignment | None
    problems: list[Problem]
    readable: bool = True


def load_assignment(text: str | bytes, name: str, service: str) -> LoadedAssignment:
    """Read the endpoints of *service* from *text* that came from *name*. Never raises for what stands in the text."""
    report = Report(name)
    root = root_of(text, report, "a file of endpoints", "resources")
    if root is None:
        return LoadedAssignment(None, report.problems(), readable=False)
    found = _only_one(root, service, report)
    return LoadedAssignment(None if found is None or report.failed else _build(found), report.problems())


def _build(found: ClusterLoadAssignment) -> Assignment:
    policy = found.policy
    if policy is None:
        return Assignment(endpoints(found))
    said = given(overprovisioning_factor=policy.overprovisioning_factor, weighted_priority_health=policy.weighted_priority_health)
    return Assignment(endpoints(found), AssignmentPolicy(**said))


def _only_one(root: MapNode, service: str, report: Report) -> ClusterLoadAssignment | None:
    """Return the one assignment in *root*, if there is one; what is wrong with it, or that it is not that of *service*, is reported."""
    if "cluster_name" in root and "resources" not in root:
        report.error(
            root.key("cluster_name"), "an assignment is an item of `resources`", "begin with `resources:`, and indent this under `- `"
        )
        return None
    resources = root.get("resources")
    if isinstance(resources, ListNode):
        resources[:] = map(_unwrapped, resources)
    response = validate(AssignmentsResponse, root, report)
    assignment = resources[0] if isinstance(resources, ListNode) and resources else None
    if not isinstance(assignment, MapNode) or _type_of(assignment) != AnyAssignment.envoy:
        return None
    if isinstance(resources, ListNode) and len(resources) > 1:
        report.error(resources[1], "a second assignment stands in this file", "each cluster has a file of its own")
    named = text_in(assignment, "cluster_name")
    if named is not None and named != service:
        report.error(named, f"these are the endpoints of `{shown(named)}`, and `{shown(service)}` asks for its own", "see `service_name`")
    Endpoints(report).check(assignment, DiscoveryType.EDS)
    return response.resources[0] if response is not None else None


def _unwrapped(resource: Node) -> Node:
    """Return what is in a ``Resource``, which may stand around an assignment."""
    if isinstance(resource, MapNode) and _type_of(resource) == _WRAPPER:
        return map_in(resource, "resource") or resource
    return resource


def _type_of(resource: MapNode) -> str:
    return (text_in(resource, "@type") or "").rpartition("/")[2]
