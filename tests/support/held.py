"""A proxy whose route a release holds, from cluster ``one`` to cluster ``two``, and what is told of its requests."""

from collections import Counter
from itertools import count
from typing import Any

from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.release import MILLION, RouteHold, RouteReference
from shifter.model.route import PathMatchKind, Route, RouteAction, RouteMatch, WeightedCluster
from shifter.observe.comparison import Comparison, Trial
from shifter.routing.release_split import ReleaseSplit
from tests.support.proxies import CLUSTERS, ONE, TWO, Proxy

CANARY = Cluster("two", endpoints=(LbEndpoint(TWO[0]),), connect_timeout=1.0, enable_trailers=True)
ENTRIES = (WeightedCluster("one", 1), WeightedCluster("two", 0))
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
BAD = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad"


class Watched(Comparison):
    """Remembers what it is told, and refuses to be told twice of one end."""

    def __init__(self) -> None:
        super().__init__()
        self.trials: list[Trial] = []
        self.ends: Counter[Trial] = Counter()
        self.told: list[tuple[bool, bool, int]] = []
        """Of each request that has an outcome: whether it was the canary's, whether it failed, and the status."""
        self.gone = 0

    def sent(self, canary: bool, share: int, now: float, user: int | None = None) -> Trial:
        trial = super().sent(canary, share, now, user)
        self.trials.append(trial)
        return trial

    def ended(self, trial: Trial, now: float, failed: bool, status: int = 0) -> None:
        self._end(trial)
        self.told.append((trial.canary, failed, status))
        super().ended(trial, now, failed, status)

    def dropped(self, trial: Trial, now: float) -> None:
        self._end(trial)
        self.gone += 1
        super().dropped(trial, now)

    def _end(self, trial: Trial) -> None:
        assert trial in self.waiting or trial in self.overdue
        self.ends[trial] += 1
        assert self.ends[trial] == 1


def hold(**more: Any) -> RouteHold:
    """The hold of the release ``new``."""
    return RouteHold("new", RouteReference(text="/"), "one", "two", **more)


def held_route(held: RouteHold | None = None, entries: tuple[WeightedCluster, ...] = ENTRIES, **action: Any) -> Route:
    """The route, with further fields of its action."""
    return Route(RouteMatch(PathMatchKind.PREFIX, b"/"), RouteAction(entries, hold=held or hold(), **action), name="held")


def number_for(canary: bool, share: int = 500_000, beyond: int = 0) -> int:
    """Return the first random number behind *beyond* with which a request of the release is, or is not, the canary's under *share*."""
    split = ReleaseSplit("new", share)
    return next(number for number in count(beyond) if split.draws_canary(number) is canary)


class Held:
    """The proxy. *share* is the canary's, of a million; *compare* is whether somebody compares the versions."""

    def __init__(
        self, route: Route | None = None, share: int = MILLION, compare: bool = True, clusters: tuple[Cluster, ...] = (), **more: Any
    ) -> None:
        self.proxy = Proxy((route or held_route(),), clusters or (CLUSTERS[0], CLUSTERS[1], CANARY), **more)
        self.split = self.proxy.splits.of("new")
        self.split.share = share
        self.watched = Watched()
        if compare:
            self.split.comparison = self.watched

    @property
    def asked(self) -> str:
        """Which cluster the last connection is to."""
        return "one" if self.proxy.backend.peer == ONE else "two"

    def turn(self) -> None:
        """Let the wait before the next try pass."""
        self.proxy.clock.advance(0)
        self.proxy.network.run()
