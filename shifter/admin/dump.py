"""``/config_dump``: the configuration in use, in the shape of Envoy's ``admin.v3.ConfigDump``.                          (pure)

Rule 1. What is shown is the checked document in v3 spelling, not the file: the way shifter understood it.
Rule 2. A part of an unexpected shape is left out of its list; it is still to be seen in the bootstrap's.
Rule 3. Users and keys that stand in the configuration itself are not shown.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from shifter.model.bootstrap import Snapshot

_TYPE = "type.googleapis.com/"
_HCM = f"{_TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def config_dump(snapshot: Snapshot, taken: float) -> dict[str, object]:
    """Return the dump of *snapshot*, which was taken into use at *taken* (seconds of the wall clock)."""
    when = datetime.fromtimestamp(taken, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    document = _shown(snapshot.document)
    resources = _at(document, "static_resources")
    listeners = list(_maps(_at(resources, "listeners")))
    return {
        "configs": [
            {"@type": f"{_TYPE}envoy.admin.v3.BootstrapConfigDump", "bootstrap": document, "last_updated": when},
            {
                "@type": f"{_TYPE}envoy.admin.v3.ClustersConfigDump",
                "version_info": str(snapshot.version),
                "static_clusters": [
                    {"cluster": _typed("envoy.config.cluster.v3.Cluster", cluster), "last_updated": when}
                    for cluster in _maps(_at(resources, "clusters"))
                ],
            },
            {
                "@type": f"{_TYPE}envoy.admin.v3.ListenersConfigDump",
                "version_info": str(snapshot.version),
                "static_listeners": [
                    {"listener": _typed("envoy.config.listener.v3.Listener", listener), "last_updated": when} for listener in listeners
                ],
            },
            {
                "@type": f"{_TYPE}envoy.admin.v3.RoutesConfigDump",
                "static_route_configs": [
                    {"route_config": _typed("envoy.config.route.v3.RouteConfiguration", routes), "last_updated": when}
                    for listener in listeners
                    for routes in _route_configs(listener)
                ],
            },
        ]
    }


_SECRET = frozenset(("users", "local_jwks"))
_INLINE = frozenset(("inline_string", "inline_bytes"))


def _shown(node: object, secret: bool = False) -> object:
    """Return a copy of *node* without what is to be kept secret, worded as in Envoy."""
    if isinstance(node, list):
        return [_shown(item, secret) for item in node]
    if not isinstance(node, dict):
        return node
    return {key: "[redacted]" if secret and key in _INLINE else _shown(value, secret or key in _SECRET) for key, value in node.items()}


def _route_configs(listener: dict[str, object]) -> Iterator[dict[str, object]]:
    default = _at(listener, "default_filter_chain")
    for chain in [*_maps(_at(listener, "filter_chains")), *_maps([default])]:
        for network_filter in _maps(_at(chain, "filters")):
            config = _at(network_filter, "typed_config")
            routes = _at(config, "route_config")
            if _at(config, "@type") == _HCM and isinstance(routes, dict):
                yield routes


def _typed(name: str, resource: dict[str, object]) -> dict[str, object]:
    return {"@type": f"{_TYPE}{name}", **resource}


def _at(node: object, key: str) -> object:
    return node.get(key) if isinstance(node, dict) else None


def _maps(node: object) -> Iterator[dict[str, object]]:
    return (item for item in node if isinstance(item, dict)) if isinstance(node, list) else iter(())
