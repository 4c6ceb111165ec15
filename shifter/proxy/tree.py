"""The tree that requests are dispatched on: listener, virtual host, route.

Rule 1. Every branch answers one question, ``locate(head)``; a rule looks at the whole path and the fields, never at one path
        segment, so that ``/service/1`` also matches ``/service/10`` as in Envoy.
Rule 2. A leaf starts the exchange that serves a request; it holds what its configuration says, compiled, and the clusters
        that were alive when the tree was made. A tree is never changed: a reload makes a new one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shifter.model.route import (
    DirectResponseAction,
    HeaderMutations,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    VirtualHost,
    WeightedCluster,
)
from shifter.proxy.downstream import Downstream, Exchange, Leaf
from shifter.proxy.outcome import LocalReply
from shifter.proxy.stream import ProxyStream, Target
from shifter.routing.forwarded import expected_timeout
from shifter.routing.headers import HeaderEditor, compile_editor
from shifter.routing.hosts import HostTable
from shifter.routing.redirect import compile_redirect
from shifter.routing.rewrite import compile_rewrite
from shifter.routing.table import RouteList
from shifter.routing.weights import Split
from shifter.upstream.cluster import LiveCluster
from shifter.wire.events import RequestHead, first_value

FindCluster = Callable[[str], LiveCluster]
"""Returns the cluster of that name; raises ``KeyError`` when there is none."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route is compiled in: the header edits around it (innermost first), the clusters that are alive, and whether
    ``x-envoy-*`` fields are written."""

    levels: tuple[HeaderMutations, ...]
    find_cluster: FindCluster
    suppress_envoy_headers: bool


class ListenerResource:
    """All virtual hosts of one connection manager (Envoy's ``RouteConfiguration``)."""

    __slots__ = ("_hosts", "config")

    def __init__(self, config: RouteConfiguration, find_cluster: FindCluster, suppress_envoy_headers: bool = False) -> None:
        self.config = config
        hosts = [
            VirtualHostResource(host, Surroundings((host.headers, config.headers), find_cluster, suppress_envoy_headers))
            for host in config.virtual_hosts
        ]
        self._hosts = HostTable([(domain, host) for host in hosts for domain in host.config.domains], config.ignore_port_in_host_matching)

    def locate(self, head: RequestHead) -> Leaf | None:
        """Return the leaf of the first matching route of the virtual host that *head* names, or ``None``."""
        host = self._hosts.find(head.authority)
        return None if host is None else host.locate(head)


class VirtualHostResource:
    """The routes of one virtual host, in order."""

    __slots__ = ("config", "locate")

    def __init__(self, config: VirtualHost, around: Surroundings) -> None:
        self.config = config
        routes = RouteList([(route.match, make_leaf(route, around)) for route in config.routes])
        self.locate: Callable[[RequestHead], Leaf | None] = routes.locate


def make_leaf(route: Route, around: Surroundings) -> "RouteResource | LateBoundResource | RedirectResource | DirectResponseResource":
    """Compile one route."""
    if isinstance(route.action, RedirectAction):
        return RedirectResource(route, route.action, compile_editor((route.headers, *around.levels)))
    if isinstance(route.action, DirectResponseAction):
        return DirectResponseResource(route, route.action, compile_editor((route.headers, *around.levels)))
    if route.action.cluster_header is None:
        try:
            return RouteResource(route, route.action, around)
        except KeyError:
            pass  # a cluster is missing, and the configuration said that this may be
    return LateBoundResource(route, route.action, around)


class LateBoundResource:
    """A route whose cluster is known only when a request is there: ``cluster_header``, or a cluster that may be missing
    (``validate_clusters: false``). A name that no cluster has is answered with ``cluster_not_found_response_code``."""

    __slots__ = ("_code", "_edit", "_leaf_for", "_leaves", "_name_for", "config")

    def __init__(self, route: Route, action: RouteAction, around: Surroundings) -> None:
        self.config = route
        self._code = action.cluster_not_found_response_code
        editor = compile_editor((route.headers, *around.levels))
        self._edit = editor.response if editor is not None else None
        self._leaves: dict[str, RouteResource] = {}  # one for each cluster that was asked for
        if action.cluster_header is not None:
            self._name_for = _by_header(action.cluster_header)
        else:
            self._name_for = _by_weight(Split([(entry.name, entry.weight) for entry in action.clusters]))
        entries = {entry.name: entry for entry in action.clusters}

        def leaf_for(name: str) -> RouteResource:
            entry = entries.get(name, WeightedCluster(name, 1))
            chosen = replace(action, clusters=(replace(entry, weight=1),), cluster_header=None)
            return RouteResource(route, chosen, around)

        self._leaf_for = leaf_for

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        name = self._name_for(head, downstream)
        leaf = self._leaves.get(name)
        if leaf is None:
            try:
                leaf = self._leaves[name] = self._leaf_for(name)
            except KeyError:
                downstream.runtime.stats.no_cluster += 1
                return LocalReply(head, downstream, self._code, b"", b"", b"NC", "cluster_not_found", self.config.name, self._edit)
        return leaf.start(head, downstream)


NameFor = Callable[[RequestHead, Downstream], str]


def _by_header(header: bytes) -> NameFor:
    """The cluster that a request names itself; one that names none gets the name that no cluster has."""
    pseudo = {b":authority": "authority", b"host": "authority", b":method": "method", b":path": "path", b":scheme": "scheme"}.get(header)
    if pseudo is not None:
        return lambda head, _: str(getattr(head, pseudo), "utf-8", "replace")
    return lambda head, _: (first_value(head.block, header) or b"").decode("utf-8", "replace")


def _by_weight(split: Split[str]) -> NameFor:
    return lambda head, _: split.at(head.random)


class RouteResource:
    """A route that forwards upstream."""

    __slots__ = ("added", "config", "idle_timeout", "only", "rewrite", "split", "suppress_envoy_headers", "timeout")

    def __init__(self, route: Route, action: RouteAction, around: Surroundings) -> None:
        self.config = route
        targets = [
            (Target(around.find_cluster(entry.name), compile_editor((entry.headers, route.headers, *around.levels))), entry.weight)
            for entry in action.clusters
        ]
        self.split = Split(targets)
        self.only: Target | None = self.split.only
        self.rewrite = compile_rewrite(route.match, action, not around.suppress_envoy_headers)
        self.timeout = action.timeout
        self.idle_timeout = action.idle_timeout
        self.suppress_envoy_headers = around.suppress_envoy_headers
        self.added = b"" if around.suppress_envoy_headers else expected_timeout(action.timeout)

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return ProxyStream(self, head, downstream)


class RedirectResource:
    """A route that answers with a redirect."""

    __slots__ = ("_code", "_edit", "_location", "config")

    def __init__(self, route: Route, action: RedirectAction, editor: HeaderEditor | None) -> None:
        self.config = route
        self._code = action.response_code
        self._location = compile_redirect(route.match, action)
        self._edit = editor.response if editor is not None else None

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_redirect += 1
        fields = b"\r\nlocation: " + self._location(head)
        return LocalReply(head, downstream, self._code, b"", fields, b"", "direct_response", self.config.name, self._edit)


class DirectResponseResource:
    """A route that the proxy answers itself."""

    __slots__ = ("_action", "_edit", "config")

    def __init__(self, route: Route, action: DirectResponseAction, editor: HeaderEditor | None) -> None:
        self.config = route
        self._action = action
        self._edit = editor.response if editor is not None else None

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_direct_response += 1
        action = self._action
        return LocalReply(head, downstream, action.status, action.body, b"", b"", "direct_response", self.config.name, self._edit)
