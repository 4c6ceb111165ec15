"""What may stand in a file of its own: a route configuration. Tests of one are read in `route_tests`.

Rule 1. It goes the way of a whole configuration: ``document``, ``legacy``, ``schema``, ``check``, ``build``.
Rule 2. A route configuration alone has no clusters, so that any name of one is good.
"""

from collections.abc import Iterator, Set

from shifter.config.build_route import route_configuration
from shifter.config.check_routes import Routes
from shifter.config.document import MapNode, Refused, decode, parse
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.legacy import modernise_routes
from shifter.config.report import Place, Report
from shifter.config.schema.base import kind
from shifter.config.schema.route import RouteConfiguration as RouteConfigurationSchema
from shifter.model.route import RouteConfiguration


def root_of(text: str | bytes, report: Report, what: str, first: str) -> MapNode | None:
    """Return the mapping that *text* is; ``None`` when it is none, and that was reported.

    *what* the text should be, and the field that it begins with (*first*), are for the report.
    """
    if isinstance(text, bytes):
        try:
            text = decode(text)
        except Refused as refusal:
            refusal.line += report.base
            report.error(refusal, refusal.message, refusal.hint)
            return None
    root = parse(text, report)
    if isinstance(root, MapNode):
        return root
    if root is not None:
        report.error(root, f"{what} is a mapping, not {kind(root)}", f"begin with `{first}:`")
    elif not report.failed:
        report.error(Place(report.name, report.base + 1, 1), "the file is empty", f"begin with `{first}:`")
    return None


def is_routes(root: MapNode) -> bool:
    """Say whether *root* is a route configuration rather than a whole one."""
    return "virtual_hosts" in root and "static_resources" not in root


def build_routes(root: MapNode, report: Report, judge: Judge) -> RouteConfiguration | None:
    """Return the route configuration *root* as the model; ``None`` when there is an error in it."""
    modernise_routes(root, report)
    config = validate(RouteConfigurationSchema, root, report)
    routes = Routes(report, judge, AnyName())
    manager = MapNode(root.line, root.column)
    manager["route_config"] = root
    routes.manager(manager)
    if config is None or report.failed:
        return None
    return route_configuration(config, root, routes.sources)


class AnyName(Set[str]):
    """The names of clusters that nobody has told us, or not of all."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
