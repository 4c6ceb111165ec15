"""A file of endpoints (EDS): a ``DiscoveryResponse`` with one ``ClusterLoadAssignment``, in YAML or JSON.

Rule 1. An assignment is checked and built as that of a cluster in the configuration: what is wrong there is wrong here.
Rule 2. As in Envoy there is one assignment, for the cluster that asks. None at all is no error, and says nothing.
"""

from dataclasses import dataclass

from shifter.config.build import build
from shifter.config.check import check
from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, text_in
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.legacy import modernise
from shifter.config.report import Problem, Report, shown
from shifter.config.schema.bootstrap import Bootstrap as BootstrapSchema
from shifter.config.schema.discovery import AnyAssignment, AssignmentsResponse
from shifter.config.standalone import root_of
from shifter.model.cluster import Assignment, AssignmentPolicy

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
    assignment = None if found is None else _load(found, service, report)
    return LoadedAssignment(None if report.failed else assignment, report.problems())


def _only_one(root: MapNode, service: str, report: Report) -> MapNode | None:
    """Return the one assignment in *root*, if there is one and it is that of *service*."""
    if "cluster_name" in root and "resources" not in root:
        report.error(
            root.key("cluster_name"), "an assignment is an item of `resources`", "begin with `resources:`, and indent this under `- `"
        )
        return None
    resources = root.get("resources")
    if isinstance(resources, ListNode):
        resources[:] = map(_unwrapped, resources)
    validate(AssignmentsResponse, root, report)
    assignment = resources[0] if isinstance(resources, ListNode) and resources else None
    if not isinstance(assignment, MapNode) or _type_of(assignment) != AnyAssignment.envoy:
        return None
    if isinstance(resources, ListNode) and len(resources) > 1:
        report.error(resources[1], "a second assignment stands in this file", "each cluster has a file of its own")
    named = text_in(assignment, "cluster_name")
    if named is not None and named != service:
        report.error(named, f"these are the endpoints of `{shown(named)}`, and `{shown(service)}` asks for its own", "see `service_name`")
    return assignment


def _unwrapped(resource: Node) -> Node:
    """Return what is in a ``Resource``, which may stand around an assignment."""
    if isinstance(resource, MapNode) and _type_of(resource) == _WRAPPER:
        return map_in(resource, "resource") or resource
    return resource


def _type_of(resource: MapNode) -> str:
    return (text_in(resource, "@type") or "").rpartition("/")[2]


def _load(assignment: MapNode, service: str, report: Report) -> Assignment | None:
    name = TextNode(service, assignment.line, assignment.column)
    bare = _map(assignment, {key: value for key, value in assignment.items() if key != "@type"})
    bare.setdefault("cluster_name", name)
    cluster = _map(assignment, {"name": name, "load_assignment": bare})
    clusters = ListNode(assignment.line, assignment.column)
    clusters.append(cluster)
    root = _map(assignment, {"static_resources": _map(assignment, {"clusters": clusters})})
    own = Report(report.name)  # a configuration without listeners would be warned of
    modernise(root, own)
    config = validate(BootstrapSchema, root, own)
    sources = check(root, own, Judge())
    for problem in own.problems():
        if problem.level == "error":
            report.error(problem.place, problem.message, problem.hint)
    if config is None or own.failed:
        return None
    (built,) = build(config, root, sources).clusters
    return Assignment(built.endpoints, AssignmentPolicy(built.overprovisioning_factor, built.weighted_priority_health))


def _map(at: MapNode, items: dict[str, Node]) -> MapNode:
    node = MapNode(at.line, at.column)
    node.update(items)
    return node
