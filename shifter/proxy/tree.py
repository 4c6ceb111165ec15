"""The tree that requests are dispatched on: listener, virtual host, route.

Rule 1. Every branch answers one question, ``locate(head)``; a rule looks at the whole path and the fields, never at one path
        segment, so that ``/service/1`` also matches ``/service/10`` as in Envoy.
Rule 2. A leaf starts the exchange that serves a request; it holds what its configuration says, compiled, and the clusters
        that were alive when the tree was made. A tree is never changed: a reload makes a new one.
Rule 3. No branch knows itself, not even by a method it has taken hold of: a tree that nobody uses any more is gone at once, without
        the garbage collector, whose look at a large configuration takes longer than a request may wait.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

from shifter.filters.api import Reply, dynamic_metadata
from shifter.model.cluster import UpstreamProtocol
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.release import RouteHold
from shifter.model.route import (
    ConnectConfig,
    DirectResponseAction,
    HeaderMutations,
    PathMatchKind,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WebResourceAction,
    WeightedCluster,
)
from shifter.model.steps import Steps, at_once
from shifter.proxy.cluster_choice import ChoosingResource, EntryLeaf, LateBoundResource, MissingClusterResource, WeightedResource, adding
from shifter.proxy.cluster_refresh import ClusterRefresh
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange, Leaf
from shifter.proxy.extras import Extras, Inherited, asks_by_itself, compile_extras, priority_of
from shifter.proxy.fullstream import FullStream
from shifter.proxy.held import HeldResource
from shifter.proxy.judged import ALL_STREAMS, JUDGED_STREAMS, JudgedStream, Streams
from shifter.proxy.local_reply import UPGRADE_FAILED, LocalReply
from shifter.proxy.local_reply_config import BodyFormat
from shifter.proxy.max_stream_duration import tell_timeout
from shifter.proxy.mirror_diff import ReleaseMirror
from shifter.proxy.stream import ProxyStream, Target
from shifter.proxy.tunnel import proxy_header
from shifter.proxy.virtual_clusters import VirtualClusters
from shifter.proxy.webresource import WebResourceLeaf
from shifter.routing.caller_wishes import take_wishes
from shifter.routing.forwarded import EXPECTED_TIMEOUT, expected_timeout
from shifter.routing.headers import Edit, HeaderEditor, Subject
from shifter.routing.hosts import HostTable
from shifter.routing.match import Matcher, compile_weights, is_grpc
from shifter.routing.redirect import compile_redirect
from shifter.routing.release_split import ReleaseSplit
from shifter.routing.require_tls import STATUS, compile_tls_requirement, https_location
from shifter.routing.retry_policy import per_try
from shifter.routing.rewrite import compile_rewrite
from shifter.routing.runtime import Runtime
from shifter.routing.table import RouteList
from shifter.routing.weighted_clusters import is_plain
from shifter.routing.weights import Split
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.leasing import Leasing
from shifter.upstream.pool_key import PoolKey, key_of
from shifter.wire.events import HAS_X_ENVOY, TUNNEL, UPGRADE, RequestHead, first_value, without

FindCluster = Callable[[str], LiveCluster]
"""Returns the cluster of that name; raises ``KeyError`` when there is none."""
FindSplit = Callable[[str], ReleaseSplit]
"""Returns what says how the release of that name shares requests out."""

_Locate = Callable[[RequestHead], Leaf | None]
_NO_RUNTIME = Runtime()
_NOTHING_MORE = Inherited()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a route is compiled in: the header edits around it (innermost first), the clusters that are alive, whether
    ``x-envoy-*`` fields are written, the values that can change while the proxy runs, and whether paths are compared without
    their parameters; ``most_specific_wins`` as ``most_specific_header_mutations_wins``; ``inherited`` is what else routes get, and
    ``find_split`` finds what belongs to a release."""

    levels: tuple[HeaderMutations, ...]
    find_cluster: FindCluster
    suppress_envoy_headers: bool
    runtime: Runtime
    ignore_path_parameters: bool = False
    most_specific_wins: bool = False
    inherited: Inherited = _NOTHING_MORE
    find_split: FindSplit = ReleaseSplit

    def editor(self, route: Route, entry: WeightedCluster | None = None) -> HeaderEditor:
        """Return the header edits of *route*, and of *entry* where it has any."""
        levels = (route.headers, *self.levels)
        if self.most_specific_wins:
            levels = levels[::-1]
        return HeaderEditor(levels if entry is None else (entry.headers, *levels))


class ListenerResource:
    """All virtual hosts of the connection manager *manager* (Envoy's ``RouteConfiguration``).

    ``upgradable``: some route lets a request switch protocols. ``connects``: some route is for CONNECT requests.
    """

    __slots__ = ("config", "connects", "locate", "runtime", "upgradable")

    def __init__(
        self,
        manager: HttpConnectionManager,
        find_cluster: FindCluster,
        runtime: Runtime = _NO_RUNTIME,
        find_split: FindSplit = ReleaseSplit,
    ) -> None:
        at_once(self._fill(manager, find_cluster, runtime, find_split))

    @classmethod
    def in_steps(
        cls, manager: HttpConnectionManager, find_cluster: FindCluster, runtime: Runtime, find_split: FindSplit
    ) -> "Steps[ListenerResource]":
        """Return the same, made one route a step."""
        tree = cls.__new__(cls)
        yield from tree._fill(manager, find_cluster, runtime, find_split)
        return tree

    def _fill(self, manager: HttpConnectionManager, find_cluster: FindCluster, runtime: Runtime, find_split: FindSplit) -> Steps[None]:
        self.config = config = manager.route_config
        self.runtime = runtime
        self.connects = any(route.match.kind is PathMatchKind.CONNECT for host in config.virtual_hosts for route in host.routes)
        self.upgradable = bool(manager.upgrades) or self.connects or _has_upgrades(config)
        inherited = Inherited(
            max_stream_duration=manager.max_stream_duration,
            upgrades=manager.upgrades if self.upgradable else None,
            has_internal_callers=bool(manager.internal_addresses),
            spans=manager.tracing is not None and manager.tracing.spawn_upstream_span,
            traced=manager.tracing is not None,
        )
        hosts = []
        for host in config.virtual_hosts:
            more = replace(
                inherited,
                mirrors=host.mirrors or config.mirrors,
                count_attempts=host.include_request_attempt_count,
                tell_attempts=host.include_attempt_count_in_response,
                virtual_clusters=VirtualClusters(host.name, host.virtual_clusters) if host.virtual_clusters else None,
            )
            around = Surroundings(
                (host.headers, config.headers),
                find_cluster,
                manager.suppress_envoy_headers,
                runtime,
                config.ignore_path_parameters_in_path_matching,
                config.most_specific_header_mutations_wins,
                more,
                find_split,
            )
            hosts.append((yield from VirtualHostResource.in_steps(host, around)))
        table = HostTable([(domain, host) for host in hosts for domain in host.config.domains], config.ignore_port_in_host_matching)
        self.locate: _Locate = (_locate_any if self.connects else _locate)(table)
        """Return the leaf of the first matching route of the virtual host that *head* names, or ``None``."""


def _locate(hosts: "HostTable[VirtualHostResource]") -> _Locate:
    def locate(head: RequestHead) -> Leaf | None:
        host = hosts.find(head.authority)
        return None if host is None else host.locate(head)

    return locate


def _locate_any(hosts: "HostTable[VirtualHostResource]") -> _Locate:
    def locate(head: RequestHead) -> Leaf | None:
        host = hosts.find(head.authority)
        if host is None:
            return None
        # no other route is for a CONNECT, whatever it says of paths: there is none
        return host.locate_connect(head) if head.method == b"CONNECT" else host.locate(head)

    return locate


class VirtualHostResource:
    """The routes of one virtual host, in order; made by `in_steps`."""

    __slots__ = ("config", "locate", "locate_connect")

    def __init__(self, config: VirtualHost, locate: "_Locate", locate_connect: "_Locate") -> None:
        self.config = config
        self.locate = locate
        self.locate_connect = locate_connect

    @classmethod
    def in_steps(cls, config: VirtualHost, around: Surroundings) -> "Steps[VirtualHostResource]":
        """Return the resource for *config*, made one route a step."""
        others = [route for route in config.routes if route.match.kind is not PathMatchKind.CONNECT]
        locate = yield from cls._compile(config, others, around)
        connects = [route for route in config.routes if route.match.kind is PathMatchKind.CONNECT]
        make = refuse_connect if cls._refuses(around) else make_leaf
        return cls(config, locate, (yield from cls._compile(config, connects, around, make)))

    @staticmethod
    def _refuses(around: Surroundings) -> bool:
        """Whether the connection manager lets no CONNECT pass: only routes that forward can say otherwise."""
        return not any(one.enabled for one in around.inherited.upgrades or () if one.type == b"connect")

    @staticmethod
    def _compile(
        config: VirtualHost, routes: Sequence[Route], around: Surroundings, make: "Callable[[Route, Surroundings], Leaf] | None" = None
    ) -> "Steps[_Locate]":
        leaves: Iterator[tuple[RouteMatch, Leaf]] = ((route.match, (make or make_leaf)(route, around)) for route in routes)
        conditions = (compile_weights(route.action, around.runtime) for route in routes)
        found = yield from RouteList.in_steps(leaves, around.runtime, around.ignore_path_parameters, conditions)
        locate: _Locate = found.locate
        needs_tls = compile_tls_requirement(config.require_tls)
        return locate if needs_tls is None else _only_with_tls(locate, needs_tls)


def _only_with_tls(locate: _Locate, needs_tls: Matcher) -> _Locate:
    """Return *locate* for requests that came with TLS, or may come without (``VirtualHost.require_tls``)."""
    to_https = TlsRedirectResource()
    return lambda head: to_https if needs_tls(head) else locate(head)


def _has_upgrades(config: RouteConfiguration) -> bool:
    return any(isinstance(route.action, RouteAction) and route.action.upgrades for host in config.virtual_hosts for route in host.routes)


def make_leaf(route: Route, around: Surroundings) -> Leaf:
    """Compile one route."""
    action = route.action
    if isinstance(action, RedirectAction):
        return RedirectResource(route, action, around.editor(route))
    if isinstance(action, DirectResponseAction):
        return DirectResponseResource(route, action, around.editor(route))
    if isinstance(action, WebResourceAction):
        return WebResourceLeaf(route, action, around.editor(route))
    if action.hold is not None:
        return _held_leaf(route, action, action.hold, around)
    entries = action.clusters or (WeightedCluster("", 1, cluster_header=action.cluster_header),)
    refresh = ClusterRefresh(action, around.runtime) if _refreshes(action) else None
    leaves = [_entry_leaf(route, action, entry, around, refresh) for entry in entries]
    if refresh is not None:
        refresh.leaves = leaves
    if is_plain(action):
        split = Split([(leaf, entry.weight) for leaf, entry in zip(leaves, entries, strict=True)])
        return split.only or WeightedResource(route, split, action.health_aware_weights)
    return ChoosingResource(route, action, leaves, around.runtime)


def _held_leaf(route: Route, action: RouteAction, hold: RouteHold, around: Surroundings) -> Leaf:
    """Compile a route that a release holds. A try that is made again stays with its version: to go to another would undo the choice."""
    leaves, judged = (
        [_entry_leaf(route, action, entry, around, None, streams) for entry in action.clusters] for streams in (ALL_STREAMS, JUDGED_STREAMS)
    )
    split = around.find_split(hold.release)
    if hold.mirror is None:
        return HeldResource(route, action, hold, split, leaves, judged)
    mirror = ReleaseMirror(hold, hold.mirror, split, around.find_cluster, around.runtime)
    copying = replace(around, inherited=replace(around.inherited, of_release=mirror))
    copied = [_entry_leaf(route, action, action.clusters[0], copying, None, streams) for streams in (ALL_STREAMS, JUDGED_STREAMS)]
    return HeldResource(route, action, hold, split, leaves, judged, mirror, copied)


def refuse_connect(route: Route, around: Surroundings) -> Leaf:
    """`make_leaf` for CONNECT requests, where only routes that forward let any pass."""
    return make_leaf(route, around) if isinstance(route.action, RouteAction) else UpgradeRefusedResource(route)


def _refreshes(action: RouteAction) -> bool:
    return len(action.clusters) > 1 and action.retry is not None and action.retry.refresh_cluster_on_retry


def _entry_leaf(
    route: Route,
    action: RouteAction,
    entry: WeightedCluster,
    around: Surroundings,
    refresh: ClusterRefresh | None,
    streams: Streams = ALL_STREAMS,
) -> EntryLeaf:
    if entry.cluster_header is None:
        try:
            return _route_leaf(route, action, entry, around.find_cluster(entry.name), around, refresh, streams)
        except KeyError:
            pass  # a cluster is missing, and the configuration said that this may be

    def make(name: str) -> RouteResource:
        return _route_leaf(route, action, entry, around.find_cluster(name), around, refresh, streams)

    return LateBoundResource(route, entry, make, MissingClusterResource(route, action, entry, around.editor(route, entry)))


def _route_leaf(
    route: Route,
    action: RouteAction,
    entry: WeightedCluster,
    cluster: LiveCluster,
    around: Surroundings,
    refresh: ClusterRefresh | None,
    streams: Streams,
) -> "RouteResource":
    extras = compile_extras(action, entry, cluster.config, around.inherited, around.find_cluster, around.runtime, refresh)
    leaf: RouteResource
    if extras is not None:
        leaf = FullRouteResource(route, action, entry, cluster, around, extras, streams)
    elif streams is ALL_STREAMS:
        leaf = RouteResource(route, action, entry, cluster, around)
    else:
        leaf = JudgedRouteResource(route, action, entry, cluster, around)
    said = route.tracing
    if around.inherited.traced and said is not None and said.propagates_operation:
        return leaf.giving(b"\r\nx-envoy-decorator-operation: " + said.operation.encode())
    return leaf


class RouteResource:
    """A route that forwards to one cluster, or one entry of a route that has several."""

    __slots__ = (
        "added",
        "config",
        "entry",
        "given",
        "idle_timeout",
        "rewrite",
        "suppress_envoy_headers",
        "target",
        "tells_grpc",
        "timeout",
    )

    def __init__(self, route: Route, action: RouteAction, entry: WeightedCluster, cluster: LiveCluster, around: Surroundings) -> None:
        self.config = route
        self.entry = entry
        self.target = Target(cluster.of(key_of(priority_of(action))), around.editor(route, entry))
        if entry.host_rewrite_literal and self.target.edit_request is not None:
            self.target.edit_request = _with_host_of(entry, around.editor(route).request)
        self.rewrite = compile_rewrite(route.match, action, not around.suppress_envoy_headers, entry.host_rewrite_literal)
        # as in Envoy, a route that bounds the whole exchange does not bound a part of it
        self.timeout = action.timeout if action.max_stream_duration is None else 0.0
        self.idle_timeout = action.idle_timeout
        self.suppress_envoy_headers = around.suppress_envoy_headers
        self.added = b"" if around.suppress_envoy_headers else expected_timeout(self.timeout)
        self.given = b""  # lines that the answer carries because this was chosen
        self.tells_grpc = False  # the timeout is said in grpc-timeout, too

    @property
    def edit_answer(self) -> Edit | None:
        return self.target.edit_response

    @property
    def available(self) -> bool:
        return self.target.cluster.available

    def give_away(self, head: RequestHead) -> None:
        """*head* was to be served here, and is served by another entry (``health_aware_weights``)."""
        cluster = self.target.cluster
        cluster.state.stats.upstream_rq_redistributed += 1
        dynamic_metadata(head, "shifter")["redistributed_from"] = cluster.name

    def choose(self, head: RequestHead, downstream: Downstream) -> "RouteResource":
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return ProxyStream(self, head, downstream)

    def giving(self, lines: bytes) -> "RouteResource":
        """Return a leaf like this one, whose answer carries *lines* besides."""
        leaf = copy(self)
        leaf.given = lines
        leaf.target = copy(self.target)
        leaf.target.edit_response = adding(lines, self.target.edit_response)
        return leaf


class JudgedRouteResource(RouteResource):
    """A `RouteResource` of a release's version, whose exchanges are counted for it."""

    __slots__ = ()

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return JudgedStream(self, head, downstream)


class FullRouteResource(RouteResource):
    """A `RouteResource` that asks for more than being forwarded. *streams* are what its exchanges are."""

    __slots__ = ("asks", "ended", "extras", "streams")

    def __init__(
        self,
        route: Route,
        action: RouteAction,
        entry: WeightedCluster,
        cluster: LiveCluster,
        around: Surroundings,
        extras: Extras,
        streams: Streams,
    ) -> None:
        super().__init__(route, action, entry, cluster, around)
        self.extras = extras
        self.streams = streams
        self.asks = asks_by_itself(extras)
        self.ended: EndedConnect | None = None
        if extras.connect is not None:
            self.ended = EndedConnect(self, extras.connect, cluster.of(PoolKey(priority_of(action), UpstreamProtocol.TCP)))
        if self.added and extras.retry is not None and not extras.hedge:
            self.added = expected_timeout(per_try(extras.retry.policy.per_try_timeout, self.timeout) or self.timeout)

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        if head.flags & UPGRADE:
            stats = downstream.runtime.stats
            connect = head.method == b"CONNECT"
            kind = b"connect" if connect else (first_value(head.block, b"upgrade") or b"").lower()
            if kind not in (self.extras.upgrades or ()):
                stats.downstream_rq_ws_on_non_ws_route += 1
                return LocalReply(head, downstream, UPGRADE_FAILED, self)
            stats.downstream_cx_upgrades_total += 1
            head.flags |= TUNNEL
            if connect and self.ended is not None:
                return self.ended.start_tunnel(head, downstream)
        elif self.ended is not None and self.ended.takes_post and head.method == b"POST":
            head.flags |= TUNNEL
            return self.ended.start_tunnel(head, downstream)
        return self._start(head, downstream)

    def _start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        leaf = self
        if self.extras.grpc_timeout is not None and is_grpc(head):
            leaf = self._timed(head, self.extras.grpc_timeout(head))
        wishes = None
        if self.extras.hears_wishes and head.flags & HAS_X_ENVOY:
            wishes = take_wishes(head)
            if self.added:
                head.block = without(head.block, EXPECTED_TIMEOUT)  # what the caller counts on is not what the endpoint may
        if wishes is not None or self.extras.retry is not None:
            hedge = self.extras.hedge if wishes is None or wishes.hedge is None else wishes.hedge
            return (self.streams.hedging if hedge else self.streams.retrying)(leaf, self.extras, head, downstream, wishes)
        return self.streams.full(leaf, self.extras, head, downstream) if self.asks else self.streams.plain(leaf, head, downstream)

    def _timed(self, head: RequestHead, timeout: float) -> "FullRouteResource":
        """Return a leaf like this one with *timeout*, of which *head* tells the endpoint."""
        leaf = copy(self)
        leaf.timeout = timeout
        leaf.tells_grpc = True
        leaf.added = b""
        retry = self.extras.retry if not self.extras.hedge else None
        one = per_try(retry.policy.per_try_timeout, timeout) if retry is not None else 0.0
        tell_timeout(head, one or timeout, not self.suppress_envoy_headers, True)
        return leaf


class EndedConnect(FullRouteResource):
    """A route whose CONNECT requests end here: what is in them goes to an endpoint as it is (``connect_config``)."""

    __slots__ = ("_version", "takes_post")

    def __init__(self, route: FullRouteResource, config: ConnectConfig, leasing: Leasing) -> None:
        for name in (*RouteResource.__slots__, *FullRouteResource.__slots__):
            setattr(self, name, getattr(route, name))
        self.extras = replace(route.extras, connections=None)
        self.target = copy(route.target)
        self.target.cluster = leasing
        self.takes_post = config.allow_post
        self._version = config.proxy_protocol

    def start_tunnel(self, head: RequestHead, downstream: Downstream) -> Exchange:
        """Return the exchange for *head*, whose content is to go to an endpoint."""
        exchange = self._start(head, downstream)
        assert isinstance(exchange, FullStream) and exchange.tunnel is not None
        exchange.tunnel.end_here(proxy_header(self._version, downstream))
        return exchange


def _with_host_of(entry: WeightedCluster, then: Edit | None) -> Edit:
    """Return the edits of *entry* and then *then* those around it, which see the host that the entry asks for."""
    first = HeaderEditor((entry.headers,)).request
    host = entry.host_rewrite_literal or b""

    def edit(block: bytes, subject: Subject) -> bytes:
        if first is not None:
            block = first(block, subject)
        if isinstance(subject, ProxyStream):
            subject.head.authority = host
        return block if then is None else then(block, subject)

    return edit


class RedirectResource:
    """A route that answers with a redirect."""

    __slots__ = ("_code", "_location", "config", "edit_answer")

    entry = None

    def __init__(self, route: Route, action: RedirectAction, editor: HeaderEditor) -> None:
        self.config = route
        self._code = action.response_code
        self._location = compile_redirect(route.match, action)
        self.edit_answer = editor.response

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_redirect += 1
        downstream.runtime.stats.rq_direct_response += 1  # to Envoy it is one, and nothing else
        fields = b"\r\nlocation: " + self._location(head)
        return LocalReply(head, downstream, Reply(self._code, fields=fields, details="direct_response"), self)


class DirectResponseResource:
    """A route that the proxy answers itself."""

    __slots__ = ("_form", "_reply", "config", "edit_answer")

    entry = None

    def __init__(self, route: Route, action: DirectResponseAction, editor: HeaderEditor) -> None:
        self.config = route
        self._reply = Reply(action.status, action.body, details="direct_response")
        self._form = BodyFormat(action.body_format) if action.body_format is not None else None
        self.edit_answer = editor.response

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_direct_response += 1
        return LocalReply(head, downstream, self._reply, self, self._form)


class UpgradeRefusedResource:
    """Where requests for a tunnel go that nobody lets pass."""

    __slots__ = ("config",)

    entry = None
    edit_answer = None

    def __init__(self, config: Route) -> None:
        self.config = config

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.downstream_rq_ws_on_non_ws_route += 1
        return LocalReply(head, downstream, UPGRADE_FAILED)


class TlsRedirectResource:
    """Where requests go that should have come with TLS: to the same place, with https."""

    __slots__ = ("config",)

    entry = None
    edit_answer = None

    def __init__(self) -> None:
        self.config = Route(RouteMatch(PathMatchKind.PREFIX, b"/"), RedirectAction(https_redirect=True))

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_direct_response += 1
        fields = b"\r\nlocation: " + https_location(head)
        return LocalReply(head, downstream, Reply(STATUS, fields=fields, details="direct_response"))
