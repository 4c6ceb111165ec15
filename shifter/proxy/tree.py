"""The tree that requests are dispatched on: listener, virtual host, route.

Rule 1. Every branch answers one question, ``locate(head)``; a rule looks at the whole path and the fields, never at one path
        segment, so that ``/service/1`` also matches ``/service/10`` as in Envoy.
Rule 2. A leaf starts the exchange that serves a request; it holds what its configuration says, compiled, and the clusters
        that were alive when the tree was made. A tree is never changed: a reload makes a new one.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

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
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange, Leaf
from shifter.proxy.outcome import LocalReply
from shifter.proxy.stream import ProxyStream, Target
from shifter.routing.choice import compile_pick, is_plain, needs_client
from shifter.routing.forwarded import expected_timeout
from shifter.routing.hashing import Newcomer, address_of, field_values
from shifter.routing.headers import Edit, HeaderEditor, compile_editor
from shifter.routing.hosts import HostTable
from shifter.routing.match import compile_weights
from shifter.routing.redirect import compile_redirect
from shifter.routing.rewrite import compile_rewrite
from shifter.routing.runtime import Runtime
from shifter.routing.table import RouteList
from shifter.routing.weights import Split
from shifter.upstream.cluster import LiveCluster
from shifter.wire.events import RequestHead

FindCluster = Callable[[str], LiveCluster]
"""Returns the cluster of that name; raises ``KeyError`` when there is none."""

_NO_RUNTIME = Runtime()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route is compiled in: the header edits around it (innermost first), the clusters that are alive, whether
    ``x-envoy-*`` fields are written, the values that can change while the proxy runs, and whether paths are compared without
    their parameters."""

    levels: tuple[HeaderMutations, ...]
    find_cluster: FindCluster
    suppress_envoy_headers: bool
    runtime: Runtime
    ignore_path_parameters: bool = False


class ListenerResource:
    """All virtual hosts of one connection manager (Envoy's ``RouteConfiguration``)."""

    __slots__ = ("_hosts", "config")

    def __init__(
        self,
        config: RouteConfiguration,
        find_cluster: FindCluster,
        suppress_envoy_headers: bool = False,
        runtime: Runtime = _NO_RUNTIME,
    ) -> None:
        self.config = config
        hosts = [
            VirtualHostResource(
                host,
                Surroundings(
                    (host.headers, config.headers),
                    find_cluster,
                    suppress_envoy_headers,
                    runtime,
                    config.ignore_path_parameters_in_path_matching,
                ),
            )
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
        routes = RouteList(
            [(route.match, make_leaf(route, around)) for route in config.routes],
            around.runtime,
            around.ignore_path_parameters,
            [compile_weights(route.action, around.runtime) for route in config.routes],
        )
        self.locate: Callable[[RequestHead], Leaf | None] = routes.locate


def make_leaf(route: Route, around: Surroundings) -> Leaf:
    """Compile one route."""
    action = route.action
    if isinstance(action, RedirectAction):
        return RedirectResource(route, action, compile_editor((route.headers, *around.levels)))
    if isinstance(action, DirectResponseAction):
        return DirectResponseResource(route, action, compile_editor((route.headers, *around.levels)))
    entries = action.clusters or (WeightedCluster("", 1, cluster_header=action.cluster_header),)
    leaves = [_entry_leaf(route, action, entry, around) for entry in entries]
    if is_plain(action):
        split = Split([(leaf, entry.weight) for leaf, entry in zip(leaves, entries, strict=True)])
        return split.only or WeightedResource(route, split)
    return ChoosingResource(route, action, leaves, around)


def _entry_leaf(route: Route, action: RouteAction, entry: WeightedCluster, around: Surroundings) -> "RouteResource | LateBoundResource":
    if entry.cluster_header is None:
        try:
            return RouteResource(route, action, entry, around.find_cluster(entry.name), around)
        except KeyError:
            pass  # a cluster is missing, and the configuration said that this may be
    return LateBoundResource(route, action, entry, around)


class RouteResource:
    """A route that forwards to one cluster, or one entry of a route that has several."""

    __slots__ = ("added", "config", "entry", "idle_timeout", "rewrite", "suppress_envoy_headers", "target", "timeout")

    def __init__(self, route: Route, action: RouteAction, entry: WeightedCluster, cluster: LiveCluster, around: Surroundings) -> None:
        self.config = route
        self.entry = entry
        self.target = Target(cluster, compile_editor((entry.headers, route.headers, *around.levels)))
        self.rewrite = compile_rewrite(route.match, action, not around.suppress_envoy_headers, entry.host_rewrite_literal)
        self.timeout = action.timeout
        self.idle_timeout = action.idle_timeout
        self.suppress_envoy_headers = around.suppress_envoy_headers
        self.added = b"" if around.suppress_envoy_headers else expected_timeout(action.timeout)

    @property
    def edit_answer(self) -> Edit | None:
        return self.target.edit_response

    def choose(self, head: RequestHead, downstream: Downstream) -> "RouteResource":
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return ProxyStream(self, head, downstream)

    def giving(self, lines: bytes) -> "RouteResource":
        """Return a leaf like this one, whose answer carries *lines* besides."""
        leaf = copy(self)
        leaf.target = copy(self.target)
        leaf.target.edit_response = _adding(lines, self.target.edit_response)
        return leaf


class WeightedResource:
    """A route to several clusters, by their weights and the request's random number."""

    __slots__ = ("_split", "config")

    def __init__(self, route: Route, split: "Split[RouteResource | LateBoundResource]") -> None:
        self.config = route
        self._split = split

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self._split.at(head.random).choose(head, downstream)

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return self._split.at(head.random).start(head, downstream)


class ChoosingResource:
    """A route to several clusters that looks at more than a random number before it chooses one (`routing.choice`)."""

    __slots__ = ("_needs_client", "_pick", "config")

    def __init__(
        self, route: Route, action: RouteAction, leaves: "Sequence[RouteResource | LateBoundResource]", around: Surroundings
    ) -> None:
        self.config = route
        self._needs_client = needs_client(action)
        self._pick = compile_pick(action, leaves, around.runtime)

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        newcomer = Newcomer(downstream.runtime.worker.random)
        client = address_of(downstream.peer) if self._needs_client else b""
        leaf = self._pick(head, client, newcomer).choose(head, downstream)
        return leaf.giving(newcomer.lines) if newcomer.lines else leaf

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return self.choose(head, downstream).start(head, downstream)


class LateBoundResource:
    """A route, or one entry, whose cluster is known only when a request is there: ``cluster_header``, or a cluster that may be
    missing (``validate_clusters: false``)."""

    __slots__ = ("_leaves", "_make", "_missing", "_name_of", "config", "entry")

    def __init__(self, route: Route, action: RouteAction, entry: WeightedCluster, around: Surroundings) -> None:
        self.config = route
        self.entry = entry
        self._missing = MissingClusterResource(route, action, entry, around)
        self._name_of = _named_in(entry.cluster_header) if entry.cluster_header is not None else lambda head: entry.name
        self._leaves: dict[str, RouteResource] = {}  # one for each cluster that was asked for

        def make(name: str) -> RouteResource:
            return RouteResource(route, action, entry, around.find_cluster(name), around)

        self._make = make

    def choose(self, head: RequestHead, downstream: Downstream) -> "RouteResource | MissingClusterResource":
        name = self._name_of(head)
        leaf = self._leaves.get(name)
        if leaf is None:
            try:
                leaf = self._leaves[name] = self._make(name)
            except KeyError:
                return self._missing
        return leaf

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return self.choose(head, downstream).start(head, downstream)


def _named_in(header: bytes) -> Callable[[RequestHead], str]:
    """The cluster that a request names itself; one that names none gets the name that no cluster has."""
    values_of = field_values(header.lower())

    def name_of(head: RequestHead) -> str:
        found = values_of(head)
        return found[0].decode("utf-8", "replace") if found else ""

    return name_of


def _adding(lines: bytes, edit: Edit | None) -> Edit:
    """Return an edit that puts *lines* into the block that *edit* gets."""
    if edit is None:
        return lambda block, subject: block + lines
    return lambda block, subject: edit(block + lines, subject)


class MissingClusterResource:
    """A route whose cluster does not exist: it answers with ``cluster_not_found_response_code``."""

    __slots__ = ("_code", "config", "edit_answer", "entry")

    def __init__(self, route: Route, action: RouteAction, entry: WeightedCluster, around: Surroundings) -> None:
        self.config = route
        self.entry = entry
        self._code = action.cluster_not_found_response_code
        editor = compile_editor((entry.headers, route.headers, *around.levels))
        self.edit_answer = editor.response if editor is not None else None

    def choose(self, head: RequestHead, downstream: Downstream) -> "MissingClusterResource":
        return self

    def giving(self, lines: bytes) -> "MissingClusterResource":
        """Return a leaf like this one, whose answer carries *lines* besides."""
        leaf = copy(self)
        leaf.edit_answer = _adding(lines, self.edit_answer)
        return leaf

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.no_cluster += 1
        return LocalReply(head, downstream, self._code, b"", b"", b"NC", "cluster_not_found", self.config.name, self.edit_answer)


class RedirectResource:
    """A route that answers with a redirect."""

    __slots__ = ("_code", "_location", "config", "edit_answer")

    entry = None

    def __init__(self, route: Route, action: RedirectAction, editor: HeaderEditor | None) -> None:
        self.config = route
        self._code = action.response_code
        self._location = compile_redirect(route.match, action)
        self.edit_answer = editor.response if editor is not None else None

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_redirect += 1
        fields = b"\r\nlocation: " + self._location(head)
        return LocalReply(head, downstream, self._code, b"", fields, b"", "direct_response", self.config.name, self.edit_answer)


class DirectResponseResource:
    """A route that the proxy answers itself."""

    __slots__ = ("_action", "config", "edit_answer")

    entry = None

    def __init__(self, route: Route, action: DirectResponseAction, editor: HeaderEditor | None) -> None:
        self.config = route
        self._action = action
        self.edit_answer = editor.response if editor is not None else None

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_direct_response += 1
        action = self._action
        return LocalReply(head, downstream, action.status, action.body, b"", b"", "direct_response", self.config.name, self.edit_answer)
