"""The configuration of a running proxy, read from its admin listener."""

import json
import re
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from shifter.cli.client import token
from shifter.cli.common import reason
from shifter.service.judging import MAX_BYTES

_HOST_AND_PORT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_PATIENCE = 10.0
_MAX_ANSWER = 8 * MAX_BYTES
_DUMP = "type.googleapis.com/envoy.admin.v3."


class Unreachable(Exception):
    """The proxy cannot be asked; the text says why."""


def address(where: str) -> str | None:
    """Return the URL of the admin listener that *where* names, ``None`` when that is rather a file."""
    if where.startswith(("http://", "https://")):
        return where.rstrip("/")
    return f"http://{where}" if _HOST_AND_PORT.fullmatch(where) and not Path(where).exists() else None


def configuration(where: str) -> bytes:
    """Return the configuration that the proxy at the URL *where* runs, as JSON, with what it took from other files (CDS, LDS, RDS) as if
    it stood in it. Also Envoy's, whose pages are the same.

    :raises Unreachable: it does not answer, or with something else
    """
    shown = token(None)
    request = Request(f"{where}/config_dump", headers={"authorization": f"Bearer {shown}"} if shown else {})
    try:
        # An admin listener is asked directly, whatever http_proxy says.
        with build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE) as answer:
            dump = json.loads(answer.read(_MAX_ANSWER))
    except HTTPError as error:
        raise Unreachable(f"the proxy answers {error.code} to /config_dump") from None
    except URLError as error:
        why = reason(error.reason) if isinstance(error.reason, OSError) else str(error.reason)
        raise Unreachable(f"the proxy cannot be reached: {why}") from None
    except (OSError, HTTPException) as error:
        raise Unreachable(f"the proxy cannot be reached: {error}") from None
    except ValueError:
        raise Unreachable("what answers there is no proxy's admin listener") from None
    configs = dump.get("configs") if isinstance(dump, dict) else None
    parts: dict[object, dict[str, Any]] = {one.get("@type"): one for one in configs or () if isinstance(one, dict)}
    bootstrap = parts.get(f"{_DUMP}BootstrapConfigDump", {}).get("bootstrap")
    if not isinstance(bootstrap, dict):
        raise Unreachable("its /config_dump shows no configuration")
    return json.dumps(_whole(bootstrap, parts)).encode()


def _whole(bootstrap: dict[str, Any], parts: Mapping[object, dict[str, Any]]) -> dict[str, Any]:
    """Return *bootstrap* with the dynamic resources of the dump in it."""

    def dumped(part: str, section: str) -> list[dict[str, Any]]:
        return [one for one in parts.get(f"{_DUMP}{part}ConfigDump", {}).get(section, ()) if isinstance(one, dict)]

    def plain(resource: object) -> dict[str, Any]:
        return {key: value for key, value in resource.items() if key != "@type"} if isinstance(resource, dict) else {}

    routes = {one["name"]: one for one in (plain(item.get("route_config")) for item in dumped("Routes", "dynamic_route_configs")) if one}
    clusters = [plain(item.get("cluster")) for item in dumped("Clusters", "dynamic_active_clusters")]
    listeners = [plain((item.get("active_state") or {}).get("listener")) for item in dumped("Listeners", "dynamic_listeners")]
    static = bootstrap.get("static_resources") or {}
    joined = {
        **static,
        "clusters": [*static.get("clusters", ()), *filter(None, clusters)],
        "listeners": [*static.get("listeners", ()), *filter(None, listeners)],
    }
    whole = {**bootstrap, "static_resources": joined}
    whole.pop("dynamic_resources", None)
    return _with_routes(whole, routes) if routes else whole


def _with_routes(node: Any, routes: Mapping[str, dict[str, Any]]) -> Any:
    """Return *node* with the routes that its connection managers ask for (``rds``) in these."""
    if isinstance(node, list):
        return [_with_routes(item, routes) for item in node]
    if not isinstance(node, dict):
        return node
    rds = node.get("rds")
    found = routes.get(rds.get("route_config_name", "")) if isinstance(rds, dict) else None
    if found is None:
        return {key: _with_routes(value, routes) for key, value in node.items()}
    return {("route_config" if key == "rds" else key): found if key == "rds" else value for key, value in node.items()}
