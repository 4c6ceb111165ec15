"""What a route table does with one request, one step at a time: for whoever has to tell about it, not for traffic.

Rule 1. Every rule is that of the modules that traffic goes through (`hosts`, `match`, `weights`, `headers`, `rewrite`, `redirect`);
        here they are only called one after the other. ``tests/routing/test_dry_run.py`` holds that the answers are the same.
Rule 2. Steps that edit a request take a head that nobody else needs (`copy_of`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shifter.model.route import (
    DirectResponseAction,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from shifter.observe.logformat import LogEntry
from shifter.routing.hash_policy import Newcomer
from shifter.routing.headers import HeaderEditor, Subject
from shifter.routing.hosts import HostTable
from shifter.routing.match import Matcher, compile_match, compile_weights
from shifter.routing.match_header import header_values
from shifter.routing.redirect import compile_redirect
from shifter.routing.release_split import compile_choice
from shifter.routing.require_tls import compile_tls_requirement
from shifter.routing.rewrite import compile_rewrite, replace_host
from shifter.routing.runtime import Runtime
from shifter.routing.virtual_clusters import OTHER, compile_virtual_clusters
from shifter.routing.weighted_clusters import Pick, compile_pick
from shifter.routing.weights import weights_now
from shifter.wire.events import RequestHead, without

_ATTEMPTS = b"x-envoy-attempt-count"


@dataclass(frozen=True, slots=True)
class Found:
    """A virtual host, and the one of its domains that the authority belongs to."""

    host: VirtualHost
    domain: bytes


class Bystander:
    """What formats in header edits are told of an exchange that never takes place: the request, and which route it took.

    *peer* is the client's ``address:port``; a forwarded request has a *cluster*, an answer of the proxy itself a *status*. More may
    be put into ``known``.
    """

    def __init__(self, head: RequestHead, route: Route, cluster: str = "", peer: bytes = b"127.0.0.1:0", status: int = 0) -> None:
        self._head = head
        self.known = known = LogEntry(0.0, head.method, head.path, head.authority)
        known.scheme = head.scheme
        known.peer = known.direct_peer = peer
        known.route = route.name
        known.route_metadata = route.metadata
        known.metadata = head.metadata
        known.cluster = cluster
        known.attempts = 1 if cluster else 0
        if status:
            known.reply_status, known.details = status, "direct_response"

    def describe(self) -> LogEntry:
        """See `Subject`."""
        known, head = self.known, self._head
        known.path, known.authority, known.original_path, known.request_block = head.path, head.authority, head.original_path, head.block
        return known


def copy_of(head: RequestHead) -> RequestHead:
    """Return *head* once more."""
    copy = RequestHead(head.method, head.path, head.authority, head.block, head.length, head.flags, head.version, head.scheme)
    copy.metadata = head.metadata
    copy.random = head.random
    copy.original_path = head.original_path
    return copy


class Table:
    """One route configuration, compiled as far as it was asked for. Methods raise `RoutingError` for what cannot be compiled."""

    def __init__(self, config: RouteConfiguration, runtime: Runtime, suppress_envoy_headers: bool = False) -> None:
        self.config = config
        self.runtime = runtime
        self.keep_original = not suppress_envoy_headers
        self._hosts = HostTable(
            [(domain, Found(host, domain)) for host in config.virtual_hosts for domain in host.domains],
            config.ignore_port_in_host_matching,
        )
        self._matchers: dict[int, Matcher] = {}
        self._picks: dict[int, Pick[WeightedCluster]] = {}

    def find(self, head: RequestHead) -> Found | None:
        """Return the virtual host that *head* belongs to."""
        return self._hosts.find(head.authority)

    def needs_tls(self, host: VirtualHost, head: RequestHead) -> bool:
        """Say whether *head* is sent to https before any route is looked at."""
        needed = compile_tls_requirement(host.require_tls)
        return needed is not None and needed(head)

    def fits(self, route: Route, head: RequestHead) -> bool:
        """Say whether *head* fits all conditions of *route*, and that can be taken now."""
        matcher = self._matchers.get(id(route))
        if matcher is None:
            matcher = self._matchers[id(route)] = self.matcher(route.match)
        return matcher(head) and self.has_weight(route, head)

    def matcher(self, match: RouteMatch) -> Matcher:
        """Compile *match*."""
        return compile_match(match, self.runtime, self.config.ignore_path_parameters_in_path_matching)

    def has_weight(self, route: Route, head: RequestHead) -> bool:
        """Say whether the weights of *route*, as they are now, let it be taken."""
        weights = compile_weights(route.action, self.runtime)
        return weights is None or weights(head)

    def locate(self, host: VirtualHost, head: RequestHead) -> Route | None:
        """Return the first route of *host* that *head* fits."""
        return next((route for route in host.routes if self.fits(route, head)), None)

    def weights(self, action: RouteAction) -> Sequence[int]:
        """Return the weights of the clusters of *action* as they are now."""
        return weights_now(action, self.runtime)

    def choose(self, action: RouteAction, head: RequestHead, client: bytes, newcomer: Newcomer) -> WeightedCluster:
        """Return the cluster that *head*, which came from the address *client*, goes to."""
        if action.cluster_header is not None:
            return WeightedCluster("", 1, cluster_header=action.cluster_header)
        pick = self._picks.get(id(action))
        if pick is None:
            held = compile_choice(action, action.hold) if action.hold is not None else None
            pick = self._picks[id(action)] = held or compile_pick(action, action.clusters, self.runtime)
        return pick(head, client, newcomer)

    def cluster_name(self, entry: WeightedCluster, head: RequestHead) -> str:
        """Return the name of the cluster that *entry* stands for; empty when the request was to name it and does not."""
        if entry.cluster_header is None:
            return entry.name
        found = header_values(entry.cluster_header.lower())(head)
        return found[0].decode("utf-8", "replace") if found else ""

    def send(self, host: VirtualHost, route: Route, entry: WeightedCluster, head: RequestHead, subject: Subject) -> None:
        """Edit *head* as it is before it goes upstream."""
        action = route.action
        assert isinstance(action, RouteAction)
        own = HeaderEditor((entry.headers,)).request
        if own is not None:
            head.block = own(head.block, subject)
        if entry.host_rewrite_literal:
            head.authority = entry.host_rewrite_literal  # which formats in the edits around see
        around = self._editor(host, route, None).request
        if around is not None:
            head.block = around(head.block, subject)
        rewrite = compile_rewrite(route.match, action, self.keep_original, entry.host_rewrite_literal)
        if rewrite is not None:
            rewrite(head)

    def timeout(self, action: RouteAction) -> float:
        """Return the timeout of *action* in seconds: one that bounds the whole exchange leaves none for a part of it."""
        return action.timeout if action.max_stream_duration is None else 0.0

    def send_to_endpoint(self, host: VirtualHost, action: RouteAction, name: bytes, head: RequestHead) -> None:
        """Edit *head* as it is for the endpoint that it goes to; *name* is the host name that this goes by, if it has one."""
        if host.include_request_attempt_count:
            head.block = without(head.block, _ATTEMPTS) + b"\r\n" + _ATTEMPTS + b": 1"
        if action.auto_host_rewrite and name:
            replace_host(head, name, action.append_x_forwarded_host, self.keep_original)

    def answer(self, host: VirtualHost, route: Route, entry: WeightedCluster | None, block: bytes, subject: Subject) -> bytes:
        """Return the field block of an answer after the route table's edits."""
        edit = self._editor(host, route, entry).response
        return block if edit is None else edit(block, subject)

    def location(self, route: Route, head: RequestHead) -> bytes:
        """Return where the redirect *route* leads; for a direct response, the request's own URL, as Envoy's tool has it."""
        action = route.action if isinstance(route.action, RedirectAction) else RedirectAction()
        assert isinstance(route.action, RedirectAction | DirectResponseAction)
        return compile_redirect(route.match, action)(head)

    def virtual_cluster(self, host: VirtualHost, head: RequestHead) -> str:
        """Return the name of the virtual cluster that *head* counts for; empty when *host* has none."""
        if not host.virtual_clusters:
            return ""
        return compile_virtual_clusters(host.virtual_clusters)(head) or OTHER

    def _editor(self, host: VirtualHost, route: Route, entry: WeightedCluster | None) -> HeaderEditor:
        levels = (route.headers, host.headers, self.config.headers)
        if self.config.most_specific_header_mutations_wins:
            levels = levels[::-1]
        return HeaderEditor(levels if entry is None else (entry.headers, *levels))
