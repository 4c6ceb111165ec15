"""Why a request goes where it goes: which virtual host, which route, why not an earlier one, and what would be sent upstream.

Rule 1. Nothing is decided here: the steps are those of `dry_run`, and of what a connection manager does before (`path`, `forwarded`).
Rule 2. A random choice that nothing in the request decides is told as shares of all requests like this one (`probability`), unless a
        number was given.
Rule 3. What would be made anew for each request stands as a word in angle brackets.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from shifter.model.address import SocketAddress
from shifter.model.cluster import DiscoveryType, UpstreamProtocol
from shifter.model.release import RouteHold
from shifter.model.route import (
    DirectResponseAction,
    RedirectAction,
    RequestMirrorPolicy,
    Route,
    RouteAction,
    RouteConfiguration,
    VirtualHost,
    WebResourceAction,
    WeightedCluster,
)
from shifter.routing import require_tls
from shifter.routing.dry_run import Bystander, Found, Table, copy_of
from shifter.routing.errors import RequestRefused
from shifter.routing.explain_question import Asked, Scene
from shifter.routing.explain_retries import Tries, tries_of
from shifter.routing.forwarded import EXPECTED_TIMEOUT, Forwarding, expected_timeout
from shifter.routing.hash_policy import Newcomer, address_of
from shifter.routing.hosts import HostTable
from shifter.routing.match_header import compile_header
from shifter.routing.match_text import conditions, reason, shown
from shifter.routing.path import PathRedirect, make_canonical
from shifter.routing.probability import Chances
from shifter.routing.weighted_clusters import is_sticky
from shifter.wire.events import ODD_PATH, ProtocolError, RequestHead, fields, without
from shifter.wire.h1 import request_bytes
from shifter.wire.heads import parse_request

NEW_ID = b"<new id>"
ANY_ENDPOINT = b"<host name of the endpoint>"
_CERTAIN = Fraction(1)
_MANY_FIELDS = 1000
_DOMAINS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the proxy gives itself, and *why*. ``share`` is that of all requests like this one."""

    status: int
    why: str
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    share: Fraction = _CERTAIN


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes upstream."""

    method: bytes
    path: bytes
    authority: bytes
    fields: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A cluster that the request may go to. ``share`` is that of the requests that take the route; ``missing`` when there is no
    cluster of that name. ``added`` is what the route table adds to an answer."""

    cluster: str
    share: Fraction
    missing: bool
    sent: Sent
    added: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Copy:
    """A cluster that gets a copy of a *share* of the requests."""

    cluster: str
    share: Fraction


@dataclass(frozen=True, slots=True)
class Miss:
    """A route that the request does not fit, and why. ``held`` is how many of its conditions held before that."""

    number: int
    route: Route
    reason: str
    held: int


@dataclass(frozen=True, slots=True)
class Way:
    """A route that the request takes, in *share* of all cases: to one of ``candidates``, or to ``reply``.

    ``decided`` says what decides between the candidates; empty when nothing has to be decided.
    """

    number: int
    route: Route
    share: Fraction
    candidates: tuple[Candidate, ...] = ()
    decided: str = ""
    copies: tuple[Copy, ...] = ()
    tries: Tries | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer. ``head`` is the request as routes see it; ``reply`` is what is left when no route takes it."""

    asked: Asked
    head: RequestHead | None
    scene: Scene
    found: Found | None
    misses: tuple[Miss, ...]
    ways: tuple[Way, ...]
    reply: Reply | None
    notes: tuple[str, ...] = ()


def explain(scene: Scene, asked: Asked) -> Explanation:
    """Answer *asked*. Raises `RoutingError` for a route table that cannot be compiled."""
    steps = explaining(scene, asked)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            explanation: Explanation = done.value
            return explanation


def explaining(scene: Scene, asked: Asked) -> Generator[None, None, Explanation]:
    """`explain`, with a pause behind each route, for those who have something else to do."""
    manager = scene.manager
    notes = tuple(_notes(scene, asked))
    try:
        head = parse_request(asked.text + b"\r\n\r\n", len(asked.text), _MANY_FIELDS)
        head.scheme = asked.scheme
        head.random = asked.random or 0
        if head.flags & ODD_PATH:
            make_canonical(head, manager.path_normalization)
        port = scene.listener.address.port if scene.listener is not None else 0
        forwarding = Forwarding(manager, scene.own_address, port, asked.scheme == b"https")
        forwarding.upgradable = True
        forwarding.prepare(head, asked.client, lambda: NEW_ID)
    except (ProtocolError, RequestRefused) as refused:
        reply = Reply(refused.status, f"the request is refused: {refused.detail}")
        return Explanation(asked, None, scene, None, (), (), reply, notes)
    except PathRedirect as redirect:
        reply = Reply(307, "the path has escaped slashes", ((b"location", redirect.location),))
        return Explanation(asked, None, scene, None, (), (), reply, notes)
    table = Table(manager.route_config, scene.runtime, manager.suppress_envoy_headers)
    found = table.find(head)
    if found is None:
        reply = Reply(404, _no_host(manager.route_config, head.authority))
        return Explanation(asked, head, scene, None, (), (), reply, notes)
    if table.needs_tls(found.host, head):
        location = (b"location", require_tls.https_location(head))
        why = f"the virtual host wants TLS (require_tls: {found.host.require_tls.value})"
        return Explanation(asked, head, scene, found, (), (), Reply(require_tls.STATUS, why, (location,)), notes)
    peer = forwarding.remote(head) or asked.peer
    walk = _Walk(table, scene, asked, head, found.host, peer)
    yield from walk.run()
    reply_left = Reply(404, "no route fits", share=walk.left.share) if walk.left.share else None
    return Explanation(asked, head, scene, found, tuple(walk.misses), tuple(walk.ways), reply_left, notes)


def _no_host(config: RouteConfiguration, authority: bytes) -> str:
    """Say that no virtual host has *authority*, and which domains there are."""
    domains = [domain for host in config.virtual_hosts for domain in host.domains]
    more = len(domains) - _DOMAINS_SHOWN
    listed = ", ".join(map(shown, domains[:_DOMAINS_SHOWN])) + (f" and {more} more" if more > 0 else "")
    words = f"no virtual host has the domain {shown(authority) or '(none)'}; there are {listed or 'none'}"
    bare = HostTable([(domain, domain) for domain in domains], ignore_port=True).find(authority)
    return f"{words}; without its port it would have been {shown(bare)}" if bare is not None else words


def _notes(scene: Scene, asked: Asked) -> Iterator[str]:
    if scene.listener is None:
        yield "there are only routes here: a connection manager with default settings is taken for granted"
    text = asked.text.lower()
    if b"\r\ncontent-type: application/grpc" in text:
        yield "gRPC clients get answers of the proxy itself as 200 with grpc-status"
    if scene.manager.local_reply is not None:
        yield "what local_reply_config makes of answers of the proxy itself is left out"
    if b"\r\nupgrade:" in text:
        yield "whether the protocol may be switched (upgrade_configs) is not looked at"
    names = [shown(http_filter.name) for http_filter in scene.manager.http_filters]
    if names:
        yield f"what HTTP filters would do before is left out: {', '.join(names)}"


class _Walk:
    """From the first route to the one behind which no request goes on."""

    def __init__(self, table: Table, scene: Scene, asked: Asked, head: RequestHead, host: VirtualHost, peer: bytes) -> None:
        self._table = table
        self._peer = peer
        self._scene = scene
        self._asked = asked
        self._head = head
        self._host = host
        self.left = Chances()
        self.misses: list[Miss] = []
        self.ways: list[Way] = []

    def run(self) -> Iterator[None]:
        """Fill in ``misses``, ``ways``, and the chances that are ``left``."""
        for number, route in enumerate(self._host.routes, 1):
            yield
            taken = self._taken(route)
            if taken.share:
                self.ways.append(self._way(number, route, taken))
                if not self.left.share:
                    return
            else:
                self.misses.append(self._miss(number, route))

    def _taken(self, route: Route) -> Chances:
        """Return the chances with which *route* is taken, and take them out of those that are left."""
        table, fraction = self._table, route.match.runtime_fraction
        if fraction is None or self._asked.random is not None:
            taken, rest = (self.left, Chances(1, ())) if table.fits(route, self._head) else (Chances(1, ()), self.left)
        elif table.matcher(replace(route.match, runtime_fraction=None))(self._head) and table.has_weight(route, self._head):
            taken, rest = self.left.split(table.runtime.share(fraction))
        else:
            taken, rest = Chances(1, ()), self.left
        self.left = rest
        return taken

    def _miss(self, number: int, route: Route) -> Miss:
        table, head = self._table, self._head
        held = 0
        for condition in conditions(route.match):
            if not table.matcher(condition.match)(head):
                return Miss(number, route, reason(condition, head, table.runtime), held)
            held += 1
        if not table.has_weight(route, head):
            return Miss(number, route, "its weights add up to 0", held)
        return Miss(number, route, "the requests that it takes never come this far", held)

    def _way(self, number: int, route: Route, taken: Chances) -> Way:
        action = route.action
        if isinstance(action, RouteAction):
            decided, shares = self._shares(action, taken)
            candidates = tuple(self._candidate(route, action, entry, share) for entry, share in shares)
            mirrors = action.mirrors or self._host.mirrors or self._table.config.mirrors
            copies = tuple(map(self._copy, mirrors))
            tries = tries_of(action, self._table.timeout(action), copy_of(self._head), self._table.runtime)
            return Way(number, route, taken.share, candidates, decided, copies, tries)
        return Way(number, route, taken.share, reply=self._reply(route, action))

    def _shares(self, action: RouteAction, taken: Chances) -> tuple[str, list[tuple[WeightedCluster, Fraction]]]:
        """Return what decides between the clusters of *action*, and the share of each."""
        asked, table = self._asked, self._table
        head = _Watched(self._head)
        newcomer = Newcomer(lambda: 0)
        chosen = table.choose(action, head, address_of(self._peer), newcomer)
        if len(action.clusters) < 2:
            return "", [(chosen, _CERTAIN)]
        others = [(entry, Fraction(entry is chosen)) for entry in action.clusters]
        if action.hold is not None:
            return self._held_shares(action, action.hold, head.asked, others, bool(newcomer.lines))
        if not head.asked and not newcomer.lines:
            return (f"header {shown(action.random_value_header)}" if action.random_value_header else "the hash policy"), others
        if asked.random is not None and not newcomer.lines:
            return f"the random number {asked.random}", others
        weights = table.weights(action)
        prefix = f" in runtime, under {shown(action.runtime_key_prefix)}" if action.runtime_key_prefix else ""
        if is_sticky(action):
            shares = [Fraction(weight, sum(weights)) for weight in weights]
            return f"weights{prefix}; a new cookie keeps the choice", list(zip(action.clusters, shares, strict=True))
        return f"weights{prefix}", list(zip(action.clusters, taken.weigh(weights), strict=True))

    def _held_shares(
        self, action: RouteAction, hold: RouteHold, drawn: bool, others: list[tuple[WeightedCluster, Fraction]], given: bool
    ) -> tuple[str, list[tuple[WeightedCluster, Fraction]]]:
        """`_shares` of a route that a release holds; *drawn*: by its random number, *given*: it gets a cookie."""
        words = f"the release {hold.release}"
        if hold.header is not None and compile_header(hold.header)(self._head):
            return f"{words}, by its header {shown(hold.header.name)}", others
        baseline, canary = action.clusters
        total = baseline.weight + canary.weight
        shares = [(one, Fraction(one.weight, total)) for one in action.clusters]
        if given:
            return f"{words}; a new cookie keeps the choice", shares
        if not drawn:
            return f"{words}, by who its user is", others
        if self._asked.random is not None:
            return f"{words}, by the random number {self._asked.random}", others
        return f"{words}, by chance", shares

    def _candidate(self, route: Route, action: RouteAction, entry: WeightedCluster, share: Fraction) -> Candidate:
        table, head = self._table, copy_of(self._head)
        name = table.cluster_name(entry, head)
        subject = self._bystander(head, route, name)
        expected = tries_of(action, table.timeout(action), head, table.runtime).expected
        if not self._scene.manager.suppress_envoy_headers and expected:
            head.block = without(head.block, EXPECTED_TIMEOUT) + expected_timeout(expected)
        table.send(self._host, route, entry, head, subject)
        table.send_to_endpoint(self._host, action, self._endpoint_name(action, name), head)
        added = table.answer(self._host, route, entry, b"", subject)
        missing = not name or (self._scene.clusters is not None and name not in self._scene.clusters)
        sent = Sent(head.method, head.path, head.authority, tuple(self._fields(head, name)))
        return Candidate(name, share, missing, sent, tuple(fields(added)))

    def _bystander(self, head: RequestHead, route: Route, cluster: str = "", status: int = 0) -> Bystander:
        subject = Bystander(head, route, cluster, self._peer, status)
        subject.known.start = self._asked.now
        subject.known.direct_peer = self._asked.peer
        if self._scene.listener is not None:
            subject.known.local_address = str(self._scene.listener.address).encode()
        return subject

    def _fields(self, head: RequestHead, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over the fields of *head* as they go to an endpoint of the cluster *name*: HTTP/1 has some of its own."""
        cluster = (self._scene.clusters or {}).get(name)
        if cluster is not None and cluster.protocol is UpstreamProtocol.HTTP1:
            lines = request_bytes(head).partition(b"\r\nhost: ")[2]
            return fields(lines[lines.find(b"\r\n") :].removesuffix(b"\r\n\r\n"))
        return fields(head.block)

    def _copy(self, mirror: RequestMirrorPolicy) -> Copy:
        name = self._table.cluster_name(WeightedCluster(mirror.cluster, 1, cluster_header=mirror.cluster_header), self._head)
        if mirror.fraction is None:
            return Copy(name, _CERTAIN)
        share = self._table.runtime.share(mirror.fraction)
        return Copy(name, min(Fraction(share.numerator, share.denominator), _CERTAIN))

    def _endpoint_name(self, action: RouteAction, name: str) -> bytes:
        """Return what ``auto_host_rewrite`` makes the host, empty for nothing."""
        cluster = (self._scene.clusters or {}).get(name)
        if not action.auto_host_rewrite or cluster is None:
            return b""
        by_name = cluster.type is not DiscoveryType.STATIC
        addresses = ((endpoint, endpoint.address) for endpoint in cluster.endpoints)
        names = {
            endpoint.hostname or (address.host if by_name and isinstance(address, SocketAddress) else "") for endpoint, address in addresses
        }
        return names.pop().encode() if len(names) == 1 else ANY_ENDPOINT

    def _reply(self, route: Route, action: RedirectAction | DirectResponseAction | WebResourceAction) -> Reply:
        table, head = self._table, self._head
        status = 0 if isinstance(action, WebResourceAction) else _status(action)
        subject = self._bystander(head, route, status=status)
        if isinstance(action, RedirectAction):
            block = table.answer(self._host, route, None, b"\r\nlocation: " + table.location(route, head), subject)
            return Reply(action.response_code, "redirect", tuple(fields(block)))
        if isinstance(action, WebResourceAction):
            return Reply(
                0, f"whatever the resource {action.resource} says", tuple(fields(table.answer(self._host, route, None, b"", subject)))
            )
        why = "direct response" if action.body_format is None else "direct response, its body made by body_format"
        body = action.body if action.body_format is None else b""
        return Reply(action.status, why, tuple(fields(table.answer(self._host, route, None, b"", subject))), body)


def _status(action: RedirectAction | DirectResponseAction) -> int:
    return action.response_code if isinstance(action, RedirectAction) else action.status


class _Watched(RequestHead):
    """A head that notices whether anybody asks for its random number."""

    __slots__ = ("_number", "asked")

    def __init__(self, head: RequestHead) -> None:
        self.asked = False
        super().__init__(head.method, head.path, head.authority, head.block, head.length, head.flags, head.version, head.scheme)
        self.metadata = head.metadata
        self._number = head.random

    @property
    def random(self) -> int:
        self.asked = True
        return self._number

    @random.setter
    def random(self, number: int) -> None:
        self._number = number
