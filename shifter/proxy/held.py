"""A route that a release holds (`model.release.RouteHold`): a leaf that shares its requests out between baseline and canary.

Rule 1. A request that the release's header sends to the canary goes there while the release says so. All others are drawn: each by its
        random number, or by who its user is where users stay with a version (`routing.release_split`). The weights of the route's
        entries have no say.
Rule 2. A user is what the release's ``stick_to`` makes of the request; without that, what the route itself chooses among its clusters by.
        Who comes without the cookie that says it gets one with the first answer, and one whom nothing says is drawn like a request.
Rule 3. A version without any healthy endpoint has its requests served by the other, as in `cluster_choice`, rule 4; but a canary without
        a share gets none of the baseline's. It is the baseline that requests go to when both have none.
Rule 4. Requests are judged (`judged`) that were drawn while each version could serve, and only as long as somebody compares them. While
        one of them cannot, what the other does says nothing about which of them is worse, whoever's the request was.
Rule 5. A request that filters keep until its release has taken everything from the canary is chosen for anew (`Version.is_withdrawn`).
Rule 6. A request that is copied for the canary (`mirror_diff`) is one of the baseline's, and is served and judged like any other of them.
"""

from collections.abc import Sequence

from xxhash import xxh64_intdigest

from shifter.model.release import MILLION, RouteHold
from shifter.model.route import Route, RouteAction
from shifter.proxy.cluster_choice import ChosenEntry, EntryLeaf
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange, client_of
from shifter.proxy.judged import FORCED, Version
from shifter.proxy.mirror_diff import ReleaseMirror
from shifter.routing.hash_policy import Newcomer
from shifter.routing.match_header import Matcher, compile_header
from shifter.routing.release_split import KEY_BYTES, ReleaseSplit, compile_user
from shifter.wire.events import RequestHead


class HeldResource:
    """See the module. *leaves* are those of the baseline and of the canary, *judged* those whose exchanges are counted. *mirror* says which
    requests are copied, where there may be any, and *copied* are the baseline's two leaves for these."""

    __slots__ = (
        "_copied", "_forces", "_health_aware", "_judged", "_leaves", "_mirror", "_needs_client", "_split", "_user_of", "_versions",
        "config",
    )  # fmt: skip

    def __init__(
        self,
        route: Route,
        action: RouteAction,
        hold: RouteHold,
        split: ReleaseSplit,
        leaves: Sequence[EntryLeaf],
        judged: Sequence[EntryLeaf],
        mirror: ReleaseMirror | None = None,
        copied: Sequence[EntryLeaf] = (),
    ) -> None:
        self.config = route
        self._split = split
        self._leaves = tuple(leaves)
        self._judged = tuple(judged)
        self._mirror = mirror
        self._copied = tuple((one, of[1]) for one, of in zip(copied, (self._leaves, self._judged), strict=False))
        self._versions = (Version(split, False, hold.errors), Version(split, True, hold.errors))
        self._health_aware = action.health_aware_weights
        self._forces: Matcher | None = compile_header(hold.header) if hold.header is not None else None
        self._user_of, self._needs_client = compile_user(action, hold)
        split.sticky = self._user_of is not None

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        split = self._split
        if self._forces is not None and split.forced and self._forces(head):
            split.by_header += 1
            head.drawn = self._versions[True], FORCED, None, self
            chosen = self._leaves[True].choose(head, downstream)
            return chosen if chosen.available or not self._health_aware else self._instead_of(chosen, True, head, downstream)
        share = split.share
        user = None
        lines = b""
        if self._user_of is None:
            canary = xxh64_intdigest(head.random.to_bytes(KEY_BYTES, "little"), split.seed) % MILLION < share  # as `draws_canary` says
        else:
            newcomer = Newcomer(downstream.runtime.worker.random)
            user = self._user_of(head, client_of(head, downstream) if self._needs_client else b"", newcomer)
            canary = split.draws_canary(head.random) if user is None else split.keeps_canary(user)
            lines = newcomer.lines
        head.drawn = self._versions[canary], share, user, self
        if self._health_aware and not (self._leaves[0].available and self._leaves[1].available):
            chosen = self._leaves[canary].choose(head, downstream)
            if not chosen.available:
                chosen = self._instead_of(chosen, canary, head, downstream)
        elif split.comparison is None:
            leaves = self._copied[0] if split.mirror and self._copies(head) else self._leaves
            chosen = leaves[canary].choose(head, downstream)
        else:
            leaves = self._copied[1] if split.mirror and self._copies(head) else self._judged
            chosen = leaves[canary].choose(head, downstream)
        return chosen.giving(lines) if lines else chosen

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        return self.choose(head, downstream).start(head, downstream)

    def _copies(self, head: RequestHead) -> bool:
        return self._mirror is not None and self._mirror.wanted(head)

    def _instead_of(self, leaf: ChosenEntry, canary: bool, head: RequestHead, downstream: Downstream) -> ChosenEntry:
        other = self._leaves[not canary]
        if not other.available or not (canary or self._split.share):
            return leaf
        self._split.given_away[canary] += 1
        leaf.give_away(head)
        head.drawn = self._versions[not canary], self._split.share, None, self
        return other.choose(head, downstream)
