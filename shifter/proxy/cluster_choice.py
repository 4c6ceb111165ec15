"""Routes to several clusters, or to one that only a request names: leaves that choose another leaf.

Rule 1. Every entry of a route is a leaf of its own; choosing one is all that happens here.
Rule 2. Who wants to know what was chosen before the exchange starts (filters do) asks for it, and starts what was chosen.
Rule 3. What a choice has to tell the client, a cookie, goes along in the leaf that was chosen, and so into whatever answer it gives.
Rule 4. An entry whose cluster has no healthy host gives its share to the others while that lasts, in the proportions of their weights
        (not in Envoy; ``RouteAction.health_aware_weights``). It is counted (``upstream_rq_redistributed``) and noted in the dynamic
        metadata of the request, ``shifter: redistributed_from``.
"""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Protocol

from shifter.filters.api import Reply
from shifter.model.route import Route, RouteAction, WeightedCluster
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange, Leaf, client_of
from shifter.proxy.local_reply import LocalReply
from shifter.routing.hash_policy import Newcomer
from shifter.routing.headers import Edit, HeaderEditor
from shifter.routing.match_header import header_values
from shifter.routing.runtime import Runtime
from shifter.routing.weighted_clusters import compile_pick, needs_client
from shifter.routing.weights import Split
from shifter.wire.events import RequestHead


class ChosenEntry(ChosenLeaf, Protocol):
    """The leaf of an entry whose cluster is known, or known to be missing."""

    @property
    def available(self) -> bool:
        """Whether the cluster has a host that is not unhealthy. One that does not exist is for its route to answer for."""

    def give_away(self, head: RequestHead) -> None:
        """*head* was to be served here, and is served by another entry."""

    def giving(self, lines: bytes) -> ChosenLeaf:
        """Return a leaf like this one, whose answer carries *lines* besides."""


class EntryLeaf(Leaf, Protocol):
    """The leaf of an entry."""

    @property
    def available(self) -> bool:
        """As ``ChosenEntry.available``; true where that is not known before there is a request."""

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenEntry:
        """Return the leaf that serves *head*."""


class WeightedResource:
    """A route to several clusters, by their weights and the request's random number."""

    __slots__ = ("_health_aware", "_split", "config")

    def __init__(self, route: Route, split: Split[EntryLeaf], health_aware: bool = True) -> None:
        self.config = route
        self._split = split
        self._health_aware = health_aware

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        leaf = self._split.at(head.random).choose(head, downstream)
        return leaf if leaf.available or not self._health_aware else self._instead_of(leaf, head, downstream)

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return self.choose(head, downstream).start(head, downstream)

    def _instead_of(self, leaf: ChosenEntry, head: RequestHead, downstream: Downstream) -> ChosenEntry:
        other = self._split.among(head.random, _available)
        if not other.available:
            return leaf
        leaf.give_away(head)
        return other.choose(head, downstream)


class ChoosingResource:
    """A route to several clusters that looks at more than a random number before it chooses one (`routing.choice`)."""

    __slots__ = ("_needs_client", "_pick", "_pick_another", "config")

    def __init__(self, route: Route, action: RouteAction, leaves: Sequence[EntryLeaf], runtime: Runtime) -> None:
        self.config = route
        self._needs_client = needs_client(action)
        self._pick = compile_pick(action, leaves, runtime)
        self._pick_another = compile_pick(action, leaves, runtime, _available) if action.health_aware_weights else None

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        runtime = downstream.runtime
        newcomer = Newcomer(runtime.worker.random)
        client = client_of(head, downstream) if self._needs_client else b""
        leaf = self._pick(head, client, newcomer).choose(head, downstream)
        if not leaf.available and self._pick_another is not None:
            again = Newcomer(runtime.worker.random)
            other = self._pick_another(head, client, again)
            if other.available:
                leaf.give_away(head)
                leaf, newcomer = other.choose(head, downstream), again
        return leaf.giving(newcomer.lines) if newcomer.lines else leaf

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return self.choose(head, downstream).start(head, downstream)


class LateBoundResource:
    """A route, or one entry, whose cluster is known only when a request is there: ``cluster_header``, or a cluster that may be
    missing (``validate_clusters: false``)."""

    __slots__ = ("_leaves", "_make", "_missing", "_name_of", "config", "entry")

    available = True

    def __init__(self, route: Route, entry: WeightedCluster, make: Callable[[str], ChosenEntry], missing: ChosenEntry) -> None:
        self.config = route
        self.entry = entry
        self._make = make  # raises KeyError for a cluster that does not exist
        self._missing = missing
        self._name_of = _named_in(entry.cluster_header) if entry.cluster_header is not None else lambda head: entry.name
        self._leaves: dict[str, ChosenEntry] = {}  # one for each cluster that was asked for

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenEntry:
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
    values_of = header_values(header.lower())

    def name_of(head: RequestHead) -> str:
        found = values_of(head)
        return found[0].decode("utf-8", "replace") if found else ""

    return name_of


class MissingClusterResource:
    """A route whose cluster does not exist: it answers with ``cluster_not_found_response_code``."""

    __slots__ = ("_reply", "config", "edit_answer", "entry")

    available = True

    def __init__(self, route: Route, action: RouteAction, entry: WeightedCluster, editor: HeaderEditor) -> None:
        self.config = route
        self.entry = entry
        self._reply = Reply(action.cluster_not_found_response_code, flags=b"NC", details="cluster_not_found")
        self.edit_answer = editor.response

    def choose(self, head: RequestHead, downstream: Downstream) -> "MissingClusterResource":
        return self

    def giving(self, lines: bytes) -> "MissingClusterResource":
        """Return a leaf like this one, whose answer carries *lines* besides."""
        leaf = copy(self)
        leaf.edit_answer = adding(lines, self.edit_answer)
        return leaf

    def give_away(self, head: RequestHead) -> None:
        """It is not asked to."""

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.no_cluster += 1
        return LocalReply(head, downstream, self._reply, self)


def _available(leaf: EntryLeaf) -> bool:
    return leaf.available


def adding(lines: bytes, edit: Edit | None) -> Edit:
    """Return an edit that puts *lines* into the block that *edit* gets."""
    if edit is None:
        return lambda block, subject: block + lines
    return lambda block, subject: edit(block + lines, subject)
