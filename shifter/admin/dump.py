"""``/config_dump``: the configuration in use, in the shape of Envoy's ``admin.v3.ConfigDump``.                          (pure)

Rule 1. What is shown is the checked document in v3 spelling, not the file: the way shifter understood it.
Rule 2. A part of an unexpected shape is left out of its list; it is still to be seen in the bootstrap's.
Rule 3. ``mask``, ``resource`` and ``name_regex`` choose as Envoy's do. A mask goes through messages, not through lists; which names a
        message may have is known of the dump's own, and any name will do inside what it shows.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from shifter.admin.filters import ShifterError
from shifter.model.bootstrap import Resource, Snapshot
from shifter.model.report import ClusterReport, EndpointReport

_TYPE = "type.googleapis.com/"
_DUMP = f"{_TYPE}envoy.admin.v3."
_HCM = f"{_TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

_STATES = ("error_state", "client_status")
_SCOPED = ("name", "scoped_route_configs", "last_updated")
_SECTIONS: Mapping[str, Mapping[str, tuple[str, Sequence[str]]]] = {
    "BootstrapConfigDump": {"bootstrap": ("", ()), "last_updated": ("", ())},
    "ClustersConfigDump": {
        "version_info": ("", ()),
        "static_clusters": ("StaticCluster", ("cluster", "last_updated")),
        "dynamic_active_clusters": ("DynamicCluster", ("version_info", "cluster", "last_updated", *_STATES)),
        "dynamic_warming_clusters": ("DynamicCluster", ("version_info", "cluster", "last_updated", *_STATES)),
    },
    "EndpointsConfigDump": {
        "static_endpoint_configs": ("StaticEndpointConfig", ("endpoint_config", "last_updated")),
        "dynamic_endpoint_configs": ("DynamicEndpointConfig", ("version_info", "endpoint_config", "last_updated", *_STATES)),
    },
    "ListenersConfigDump": {
        "version_info": ("", ()),
        "static_listeners": ("StaticListener", ("listener", "last_updated")),
        "dynamic_listeners": ("DynamicListener", ("name", "active_state", "warming_state", "draining_state", *_STATES)),
    },
    "ScopedRoutesConfigDump": {
        "inline_scoped_route_configs": ("InlineScopedRouteConfigs", _SCOPED),
        "dynamic_scoped_route_configs": (
            "DynamicScopedRouteConfigs",
            ("name", "version_info", "scoped_route_configs", "last_updated", *_STATES),
        ),
    },
    "RoutesConfigDump": {
        "static_route_configs": ("StaticRouteConfig", ("route_config", "last_updated")),
        "dynamic_route_configs": ("DynamicRouteConfig", ("version_info", "route_config", "last_updated", *_STATES)),
    },
    "SecretsConfigDump": {
        "static_secrets": ("StaticSecret", ("name", "secret", "last_updated")),
        "dynamic_active_secrets": ("DynamicSecret", ("name", "version_info", "secret", "last_updated", *_STATES)),
        "dynamic_warming_secrets": ("DynamicSecret", ("name", "version_info", "secret", "last_updated", *_STATES)),
    },
}
"""The messages of a dump, in Envoy's order: their fields, and of those that are lists what an element is and has."""

_Section = dict[str, Any]


class DumpError(ShifterError):
    """What is asked for cannot be shown. ``status`` is Envoy's answer to that."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a dump is asked for: all of it, elements of the list *resource*, with the fields of *mask*, with names that *keep* takes.

    ``endpoints`` are those of all clusters, where these are asked for.
    """

    resource: str = ""
    mask: str = ""
    keep: Callable[[str], bool] | None = None
    endpoints: Sequence[ClusterReport] | None = None


def config_dump(snapshot: Snapshot, taken: float, wanted: Wanted = Wanted()) -> dict[str, object]:
    """Return what is *wanted* of *snapshot*, taken into use at *taken* (seconds of the wall clock). Raises `DumpError`."""
    sections = _sections(snapshot, taken, wanted)
    mask = [path for path in wanted.mask.split(",") if path]
    if wanted.resource:
        return {"configs": list(_elements(sections, wanted.resource, mask))}
    if not mask:
        return {"configs": list(sections)}
    found = [masked for section in sections if (masked := _masked_section(section, mask)) is not None]
    if not found:
        raise DumpError(f"FieldMask {wanted.mask} could not be successfully applied to any configs.")
    return {"configs": found}


# what there is


def _sections(snapshot: Snapshot, taken: float, wanted: Wanted) -> Iterator[_Section]:
    when = datetime.fromtimestamp(taken, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    documents, document = snapshot.documents, snapshot.document
    resources = _at(document, "static_resources")
    listeners = list(_maps(_at(resources, "listeners")))
    every = [*listeners, *(json.loads(one.json) for one in documents.listeners)]

    def static(kind: str, name: str, found: Iterable[dict[str, object]]) -> list[_Section]:
        return [{kind: _typed(name, one), "last_updated": when} for one in found if _fits(one.get("name"), wanted.keep)]

    def dynamic(kind: str, found: Iterable[Resource]) -> list[_Section]:
        return [
            {"version_info": one.version, kind: json.loads(one.json), "last_updated": when} for one in found if _fits(one.name, wanted.keep)
        ]

    yield _section("BootstrapConfigDump", bootstrap=document, last_updated=when)
    yield _section(
        "ClustersConfigDump",
        version_info=documents.versions.get("cds", ""),
        static_clusters=static("cluster", "envoy.config.cluster.v3.Cluster", _maps(_at(resources, "clusters"))),
        dynamic_active_clusters=dynamic("cluster", documents.clusters),
    )
    if wanted.endpoints is not None:
        named = [cluster for cluster in wanted.endpoints if _fits(cluster.name, wanted.keep)]
        others = {one.name for one in documents.clusters}
        yield _section(
            "EndpointsConfigDump",
            static_endpoint_configs=[{"endpoint_config": _assignment(one)} for one in named if one.name not in others],
            dynamic_endpoint_configs=[{"endpoint_config": _assignment(one)} for one in named if one.name in others],
        )
    active = dynamic("listener", documents.listeners)
    yield _section(
        "ListenersConfigDump",
        version_info=documents.versions.get("lds", ""),
        static_listeners=static("listener", "envoy.config.listener.v3.Listener", listeners),
        dynamic_listeners=[{"name": state["listener"].get("name", ""), "active_state": state} for state in active],
    )
    yield _section("ScopedRoutesConfigDump")  # shifter has none; Envoy shows that it could have some
    inline = (routes for listener in every for routes in _route_configs(listener))
    yield _section(
        "RoutesConfigDump",
        static_route_configs=static("route_config", "envoy.config.route.v3.RouteConfiguration", inline),
        dynamic_route_configs=dynamic("route_config", documents.route_configs),
    )
    secrets = (one for one in _maps(_at(resources, "secrets")) if _fits(one.get("name"), wanted.keep))
    typed = "envoy.extensions.transport_sockets.tls.v3.Secret"
    yield _section("SecretsConfigDump", static_secrets=[{"name": one.get("name", ""), "secret": _typed(typed, one)} for one in secrets])


def _section(kind: str, **fields: object) -> _Section:
    """Return a message without what is empty, as JSON has it."""
    return {"@type": f"{_DUMP}{kind}", **{name: value for name, value in fields.items() if value not in ("", [])}}


def _kind(section: _Section) -> str:
    return str(section["@type"]).removeprefix(_DUMP)


def _fits(name: object, keep: Callable[[str], bool] | None) -> bool:
    return keep is None or (isinstance(name, str) and keep(name))


def _route_configs(listener: object) -> Iterator[dict[str, object]]:
    default = _at(listener, "default_filter_chain")
    for chain in [*_maps(_at(listener, "filter_chains")), *_maps([default])]:
        for network_filter in _maps(_at(chain, "filters")):
            config = _at(network_filter, "typed_config")
            routes = _at(config, "route_config")
            if _at(config, "@type") == _HCM and isinstance(routes, dict):
                yield routes


def _assignment(cluster: ClusterReport) -> dict[str, object]:
    """Return the endpoints of *cluster* as ``config.endpoint.v3.ClusterLoadAssignment``."""
    return {
        "@type": f"{_TYPE}envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster.name,
        "endpoints": [
            {
                "locality": {name: part for name, part in zip(("region", "zone", "sub_zone"), locality, strict=True) if part},
                "lb_endpoints": [_endpoint(one) for one in endpoints],
                **({"priority": priority} if priority else {}),
            }
            for (priority, locality), endpoints in groupby(cluster.endpoints, lambda one: (one.priority, one.locality))
        ],
        "policy": {"overprovisioning_factor": 140},
    }


def _endpoint(one: EndpointReport) -> dict[str, object]:
    pipe = one.port is None
    address = {"pipe": {"path": one.host}} if pipe else {"socket_address": {"address": one.host, "port_value": one.port}}
    endpoint = {"address": address, "health_check_config": {}} | ({"hostname": one.hostname} if one.hostname else {})
    return {"endpoint": endpoint, "health_status": one.health.upper(), "load_balancing_weight": one.weight}


def _typed(name: str, resource: dict[str, object]) -> dict[str, object]:
    return {"@type": f"{_TYPE}{name}", **resource}


def _at(node: object, key: str) -> object:
    return node.get(key) if isinstance(node, dict) else None


def _maps(node: object) -> Iterator[dict[str, object]]:
    return (item for item in node if isinstance(item, dict)) if isinstance(node, list) else iter(())


# what of it


def _elements(sections: Iterable[_Section], resource: str, mask: Sequence[str]) -> Iterator[_Section]:
    """Iterate over the elements of the list *resource*, each a message of its own."""
    for section in sections:
        kind = _kind(section)
        if resource not in _SECTIONS[kind]:
            continue
        element, names = _SECTIONS[kind][resource]
        if not element:
            raise DumpError(f"{resource} is not a repeated field. Use ?mask={resource} to get only this field")
        for one in section.get(resource, []):
            masked = _masked(one, mask, names) if mask else one
            if masked is None:
                raise DumpError(f"FieldMask {','.join(mask)} could not be successfully used.")
            yield {"@type": f"{_DUMP}{kind}.{element}", **masked}
        return
    raise DumpError(f"{resource} not found in config dump", 404)


def _masked_section(section: _Section, mask: Sequence[str]) -> _Section | None:
    fields = _SECTIONS[_kind(section)]
    into_lists = any(fields.get(name, ("", ()))[0] for name, dot, _ in (path.partition(".") for path in mask) if dot)
    return None if into_lists else _masked(section, mask, fields)


def _masked(message: _Section, mask: Sequence[str], names: Collection[str]) -> _Section | None:
    """Return *message*, which may have the fields *names*, with those of *mask* only; ``None`` when it names what there cannot be."""
    paths = [path.split(".") for path in mask]
    return _kept(message, paths) if all(path[0] in names for path in paths) else None


def _kept(message: _Section, paths: Sequence[Sequence[str]]) -> _Section | None:
    kept: _Section = {}
    for name, value in message.items():
        inside = [path[1:] for path in paths if path[0] == name]
        if [] in inside or name == "@type":
            kept[name] = value
        elif inside:
            found = _kept(value, inside) if isinstance(value, dict) else None
            if found is None:
                return None  # it would have to go on in a list, or in a plain value
            kept[name] = found
    return kept
