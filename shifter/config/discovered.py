"""Files of clusters, listeners and routes (CDS, LDS, RDS): each a ``DiscoveryResponse``, in YAML or JSON, that the configuration names.

Rule 1. They are read together with the file that names them, and checked and built as if everything stood in one: a name must be
        known in all of them or in none, and there is one configuration in the end.
Rule 2. A file is read once, whoever names it. One that cannot be read, or does not hold the routes that are asked of it, is an error.
Rule 3. What a route configuration in such a file leads to must be there, as anywhere, until it says ``validate_clusters: false``.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from shifter.config.build_common import Sources
from shifter.config.build_route import route_configuration
from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps, routes_in, text_in
from shifter.config.explain import validate
from shifter.config.legacy import modernise_clusters, modernise_listeners, modernise_route_configurations
from shifter.config.report import Report, Spot, shown
from shifter.config.schema import listener as listener_schema
from shifter.config.schema.config_source import ConfigSource
from shifter.config.schema.discovery import AnyCluster, ClustersResponse, ListenersResponse, RoutesResponse
from shifter.config.standalone import root_of
from shifter.model.route import RouteConfiguration

_WRAPPER = "envoy.service.discovery.v3.Resource"

Read = Callable[[str], bytes]
"""Returns the content of a file; raises ``OSError`` when it cannot be read, ``ValueError`` when nothing can have that name."""


class ResourceKind(Enum):
    """What a file holds."""

    CDS = "cluster"
    LDS = "listener"
    RDS = "route configuration"


_RESPONSES: dict[ResourceKind, type[ClustersResponse] | type[ListenersResponse] | type[RoutesResponse]] = {
    ResourceKind.CDS: ClustersResponse,
    ResourceKind.LDS: ListenersResponse,
    ResourceKind.RDS: RoutesResponse,
}
_REWRITERS = {
    ResourceKind.CDS: modernise_clusters,
    ResourceKind.LDS: modernise_listeners,
    ResourceKind.RDS: modernise_route_configurations,
}


@dataclass(slots=True)
class ResourceFile:
    """A file that was read. *readable* is false when it is no YAML at all, or not there; ``scopes`` are those of Envoy's statistics
    about it (``cluster_manager.cds``, ``http.<stat_prefix>.rds.<name>``)."""

    kind: ResourceKind
    path: str
    readable: bool = True
    version: str = ""
    scopes: list[str] = field(default_factory=list)
    root: MapNode | None = None
    messages: list[Any] = field(default_factory=list)

    @property
    def nodes(self) -> list[MapNode]:
        """Its resources."""
        return list(maps(self.root.get("resources"))) if self.root is not None else []

    def pairs(self) -> Iterator[tuple[Any, MapNode]]:
        """Return each of its resources, checked by the schema, with its node."""
        return zip(self.messages, self.nodes, strict=True)


class Discovered:
    """What stands in the files that a configuration names. Without *read*, nothing is read."""

    def __init__(self, report: Report, read: Read | None = None) -> None:
        self._report = report
        self._read = read
        self._files: dict[tuple[ResourceKind, str], ResourceFile] = {}
        self._built: dict[tuple[str, str], RouteConfiguration] = {}

    # reading

    def look(self, root: MapNode) -> None:
        """Read all files that *root*, in today's spelling, leads to, and bring what they say into today's spelling."""
        dynamic = map_in(root, "dynamic_resources")
        if dynamic is not None:
            self._named(ResourceKind.CDS, dynamic, "cds_config", "cluster_manager.cds")
            self._named(ResourceKind.LDS, dynamic, "lds_config", "listener_manager.lds")
        static = map_in(root, "static_resources")
        for listener in (*maps(static.get("listeners") if static is not None else None), *self.listeners):
            for manager in _managers(listener):
                rds = map_in(manager, "rds")
                if rds is not None:
                    scope = f"http.{text_in(manager, 'stat_prefix') or ''}.rds.{text_in(rds, 'route_config_name') or ''}"
                    self._routes(rds, self._named(ResourceKind.RDS, rds, "config_source", scope))

    def validate(self) -> None:
        """Check by the schema what was read."""
        for file in self._files.values():
            if file.root is not None:
                response: Any = validate(_RESPONSES[file.kind], file.root, self._report)
                if response is not None:
                    file.version, file.messages = response.version_info, response.resources

    def _named(self, kind: ResourceKind, owner: MapNode, field: str, scope: str) -> ResourceFile | None:
        """Return the file that the ``ConfigSource`` *field* of *owner* names, once it was read; ``None`` when it names none."""
        source = map_in(owner, field)
        inner = map_in(source, "path_config_source") if source is not None else None
        path = text_in(inner if inner is not None else source, "path") if source is not None else None
        if not path or self._read is None:
            return None
        file = self._files.get((kind, path))
        if file is None:
            file = self._files[kind, str(path)] = self._open(kind, path, self._read)
        if scope and scope not in file.scopes:
            file.scopes.append(scope)
        return file

    def _open(self, kind: ResourceKind, path: TextNode, read: Read) -> ResourceFile:
        file = ResourceFile(kind, str(path))
        try:
            text = read(file.path)
        except (OSError, ValueError) as error:
            file.readable = False
            self._report.error(path, f"`{shown(path)}` cannot be read: {getattr(error, 'strerror', None) or error}")
            return file
        self._report.begin(file.path)
        root = root_of(text, self._report, f"a file of {kind.value}s", "resources")
        if root is None:
            file.readable = False
            return file
        if "resources" not in root and ("name" in root or "@type" in root):
            hint = "begin with `resources:`, and indent this under `- `"
            self._report.error(root, f"a {kind.value} is an item of `resources`", hint)
            return file
        resources = root.get("resources")
        if isinstance(resources, ListNode):
            resources[:] = map(_unwrapped, resources)
        _REWRITERS[kind](resources, self._report)
        file.root = root
        return file

    def _routes(self, rds: MapNode, file: ResourceFile | None) -> None:
        """Report when *file* does not hold the routes that *rds* asks for."""
        name = text_in(rds, "route_config_name") or ""
        if file is None or file.root is None or self._routes_at(rds) is not None:
            return
        known = {text_in(node, "name") or "": node for node in file.nodes}
        spot: Spot = text_in(file.nodes[0], "name") or file.nodes[0] if len(file.nodes) == 1 else file.root.key("resources")
        asked = f"{self._report.file(rds)}:{self._report.place(rds).line} asks for it"
        hint = self._report.did_you_mean(name, known) if known else "write `- ` and a route configuration under `resources:`"
        self._report.error(spot, f"there is no route configuration named `{shown(name)}` here, and {asked}", hint)

    # what was read

    @property
    def files(self) -> list[ResourceFile]:
        """All of them, those first that the others may need: clusters, listeners, routes."""
        return list(self._files.values())

    @property
    def clusters(self) -> list[MapNode]:
        """The clusters in files."""
        return [node for file in self.of(ResourceKind.CDS) for node in file.nodes]

    @property
    def lacks_clusters(self) -> bool:
        """Is there a file of clusters that could not be made out? Then nobody can say that one is unknown."""
        return any(file.root is None or not all(map(_is_cluster, file.nodes)) for file in self.of(ResourceKind.CDS))

    @property
    def listeners(self) -> list[MapNode]:
        """The listeners in files."""
        return [node for file in self.of(ResourceKind.LDS) for node in file.nodes]

    def of(self, kind: ResourceKind) -> Iterable[ResourceFile]:
        """Return the files of one kind."""
        return [file for file in self._files.values() if file.kind is kind]

    def routes_of(self, manager: MapNode) -> MapNode | None:
        """Return the route configuration of a connection manager, its own or that in a file."""
        rds = map_in(manager, "rds")
        return self._routes_at(rds) if rds is not None else routes_in(manager)

    def _routes_at(self, rds: MapNode) -> MapNode | None:
        file = self._named(ResourceKind.RDS, rds, "config_source", "")
        name = text_in(rds, "route_config_name") or ""
        return next((node for node in file.nodes if (text_in(node, "name") or "") == name), None) if file is not None else None

    def route_configuration(self, rds: listener_schema.Rds, sources: Sources) -> RouteConfiguration:
        """Return the model of the routes that *rds* asks for, one for all that ask for the same."""
        path = path_of(rds.config_source)
        built = self._built.get((path, rds.route_config_name))
        if built is None:
            file = self._files[ResourceKind.RDS, path]
            config, node = next((config, node) for config, node in file.pairs() if config.name == rds.route_config_name)
            built = self._built[path, rds.route_config_name] = route_configuration(config, node, sources)
        return built


def path_of(source: ConfigSource) -> str:
    """Return the file that *source* names."""
    return source.path_config_source.path if source.path_config_source is not None else source.path or ""


def _is_cluster(node: MapNode) -> bool:
    return (text_in(node, "@type") or "").rpartition("/")[2] == AnyCluster.envoy


def _managers(listener: MapNode) -> Iterator[MapNode]:
    """Return the connection managers of a listener (and what else has ``rds``, which nothing else has)."""
    default = map_in(listener, "default_filter_chain")
    for chain in (*maps(listener.get("filter_chains")), *(() if default is None else (default,))):
        for network_filter in maps(chain.get("filters")):
            typed = map_in(network_filter, "typed_config")
            if typed is not None:
                yield typed


def _unwrapped(resource: Node) -> Node:
    """Return what is in a ``Resource``, which may stand around one."""
    if isinstance(resource, MapNode) and (text_in(resource, "@type") or "").rpartition("/")[2] == _WRAPPER:
        return map_in(resource, "resource") or resource
    return resource
