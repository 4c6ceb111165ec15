"""How the requests of a route are shared between the two versions of a release, at this moment.

Rule 1. It belongs to a release, not to a configuration: the trees of all listeners and of all configurations ask the same object, and
        what is assigned to it holds from the next request on. Whoever assigns has written it down before.
Rule 2. The share is of those requests that no header sends somewhere. Which of them the canary gets is drawn anew for each, or for each
        user where they are to stay: a user has a number below 1 for the whole release, and is the canary's while it is below the share.
        So whoever has the canary keeps it while the share grows, and when it shrinks nobody else comes to it.
Rule 3. A user is what the release's ``stick_to`` makes of a request; without that, what the route itself chooses among its clusters by:
        the number in ``header_name``, or its hash policy. Whom none of them says is drawn like a request.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xxhash import xxh64_intdigest

from shifter.model.release import MILLION, RouteHold
from shifter.model.route import HashPolicy, RouteAction, WeightedCluster
from shifter.observe.comparison import Comparison
from shifter.observe.differences import Differences
from shifter.routing.hash_policy import MASK, Hash, Newcomer, asks_for_client, compile_hash
from shifter.routing.match_header import compile_header
from shifter.routing.weighted_clusters import Pick, compile_number, is_by_hash
from shifter.wire.events import RequestHead

KEY_BYTES = 8
_FINEST = 2.0**-53  # a float has no room for all 64 bits: it would be 1 for some users


@dataclass(slots=True, eq=False)
class ReleaseSplit:
    """See the module. ``share`` and ``mirror`` are of `MILLION`. ``comparison`` counts what becomes of requests, while somebody judges
    them; ``differences`` is what comparing the answers to copies has found (`proxy.mirror_diff`), since the first of them.

    ``sticky`` is whether users stay with a version, once a route is held. ``by_header`` counts requests that a header sent to the canary,
    ``mirrored`` copies, and ``given_away`` those that either version (baseline, canary) could not serve for want of a healthy endpoint:
    none of them are told to ``comparison``.
    """

    release: str
    share: int = 0
    forced: bool = False
    mirror: int = 0
    comparison: Comparison | None = None
    differences: Differences | None = None
    sticky: bool = False
    by_header: int = 0
    mirrored: int = 0
    given_away: list[int] = field(default_factory=lambda: [0, 0])
    seed: int = field(init=False)

    def __post_init__(self) -> None:
        self.seed = xxh64_intdigest(self.release.encode())

    def draws_canary(self, random: int) -> bool:
        """Say whether the request with the number *random* (63 bits) is the canary's. Other things have been drawn by this number before:
        fractions of routes and of filters, the version in another release. It says nothing about any of them which one this is."""
        return xxh64_intdigest(random.to_bytes(KEY_BYTES, "little"), self.seed) % MILLION < self.share

    def place_of(self, user: int) -> float:
        """Return the number below 1 that the user with the hash *user* (64 bits) has in this release."""
        return (xxh64_intdigest(user.to_bytes(KEY_BYTES, "little"), self.seed) >> 11) * _FINEST

    def keeps_canary(self, user: int) -> bool:
        """Say whether the canary is the user's with the hash *user*."""
        return self.place_of(user) * MILLION < self.share


class Splits:
    """The splits of all releases, by the name of the release. They outlive configurations."""

    __slots__ = ("_splits",)

    def __init__(self) -> None:
        self._splits: dict[str, ReleaseSplit] = {}

    def of(self, release: str) -> ReleaseSplit:
        """Return the split of *release*, the same at each call; at first it gives the canary nothing."""
        split = self._splits.get(release)
        if split is None:
            split = self._splits[release] = ReleaseSplit(release)
        return split

    def find(self, release: str) -> ReleaseSplit | None:
        """Return the split of *release* if somebody has asked for it before."""
        return self._splits.get(release)

    def forget(self, release: str) -> None:
        """Nothing holds a route for *release* any more."""
        self._splits.pop(release, None)


def compile_user(action: RouteAction, hold: RouteHold) -> tuple[Hash | None, bool]:
    """Return what tells users of a held route from each other (``None``: each request is drawn for itself), and whether that needs to
    know the client's address. Raises `RoutingError`."""
    policies: Sequence[HashPolicy]
    if hold.stick_to is not None:
        policies = (hold.stick_to,)
    elif action.random_value_header:
        number_of = compile_number(action.random_value_header)

        def by_number(head: RequestHead, client: bytes, newcomer: Newcomer) -> int | None:
            number = number_of(head)
            return None if number is None else number & MASK

        return by_number, False
    elif is_by_hash(action):
        policies = action.hash_policy
    else:
        return None, False
    return compile_hash(policies), asks_for_client(policies)


def compile_choice(action: RouteAction, hold: RouteHold) -> Pick[WeightedCluster]:
    """Return the function that picks the entry of a held route, as `proxy.held` does while both versions can serve: for those who tell of
    it, to whom the weights of the entries are the shares (`with_shares`). Raises `RoutingError`."""
    baseline, canary = action.clusters
    split = ReleaseSplit(hold.release, canary.weight * MILLION // ((baseline.weight + canary.weight) or 1))
    forces = compile_header(hold.header) if hold.header is not None else None
    user_of, _ = compile_user(action, hold)

    def choice(head: RequestHead, client: bytes, newcomer: Newcomer) -> WeightedCluster:
        if forces is not None and forces(head):
            return canary
        user = user_of(head, client, newcomer) if user_of is not None else None
        return canary if (split.draws_canary(head.random) if user is None else split.keeps_canary(user)) else baseline

    return choice


def with_shares(action: RouteAction, split: ReleaseSplit) -> RouteAction:
    """Return the *action* of a held route as it is at this moment: weights that are the shares, and no header that does nothing yet."""
    assert action.hold is not None
    baseline, canary = action.clusters
    entries = replace(baseline, weight=MILLION - split.share), replace(canary, weight=split.share)
    return replace(action, clusters=entries, hold=action.hold if split.forced else replace(action.hold, header=None))
