"""What a release may have done to its route (`release.interfaces.DataPath`), over the controller and the data path.

Rule 1. Shares are assigned to the release's split, which holds from the next request on, also before any configuration is served: who
        starts steers first.
Rule 2. Requests are compared from the moment at which the canary may have some until the release is over. What was counted by then goes on
        to be told, until another attempt begins: that one has nothing of the one before, also of requests that end in it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from twisted.internet.defer import Deferred

from shifter.model.change import Actor, ChangeResult
from shifter.model.release import Progress, ReleaseSpec, State
from shifter.observe.comparison import Comparison, Counted, Second
from shifter.release.interfaces import DataPath
from shifter.routing.release_split import ReleaseSplit, Splits
from shifter.service.controller import Controller
from shifter.service.holding import Hold, LetGo
from shifter.service.holds import hold_of
from shifter.service.plane import DataPlane

Edges = tuple[Sequence[float], Sequence[float]]

_TOLD = 20
"""Paths that are told of each release."""
_KEPT = 20
"""Releases that have let go of their routes, of which one can still see what they were compared by."""
_UNJUDGED = frozenset((State.PENDING, State.PREFLIGHT))


class ReleasePath:
    """See the module."""

    def __init__(self, controller: Controller, plane: DataPlane) -> None:
        self._controller = controller
        self._plane = plane
        self._splits: Splits = plane.splits
        self._comparisons: dict[str, tuple[int, Comparison]] = {}  # by which attempt; also of releases that are over
        self._edges: dict[str, Edges] = {}
        self._users: dict[str, tuple[int, Sequence[Counted]]] = {}  # by which attempt; until they are compared

    def hold(self, spec: ReleaseSpec) -> Deferred[Sequence[str]]:
        """See `DataPath`."""
        self._splits.of(spec.name)
        if spec.name in self._comparisons and self._comparisons[spec.name][0] < 0:
            del self._comparisons[spec.name]  # it let go, and begins anew
        wish = Hold(hold_of(spec), self._controller.meanwhile)

        def done(result: ChangeResult) -> Sequence[str]:
            for name in [name for name, (attempt, _) in self._comparisons.items() if attempt > 0 and not self._holds(name)]:
                self._splits.forget(name)  # its route was taken
                self._shrink(name)
            return result.problems

        return self._controller.change(wish, _actor(spec.name)).addCallback(done)

    def let_go(self, release: str) -> Deferred[Sequence[str]]:
        """See `DataPath`."""

        def done(result: ChangeResult) -> Sequence[str]:
            if result.taken:
                self._splits.forget(release)
                self._shrink(release)
            return result.problems

        return self._controller.change(LetGo(release), _actor(release)).addCallback(done)

    def steer(self, release: str, progress: Progress) -> None:
        """See `DataPath`."""
        split = self._splits.of(release)
        if abs(self._comparisons.get(release, (progress.attempt,))[0]) != progress.attempt:
            del self._comparisons[release]
            split.comparison = None
            _count_anew(split)
        split.share = progress.share
        split.forced = progress.forced
        split.mirror = progress.mirror
        if progress.state.over or progress.state in _UNJUDGED:
            split.comparison = None
        elif split.comparison is None and self._controller.inputs is not None:  # before that nobody knows whether users stay
            attempt, comparison = self._comparisons.get(release, (0, None))
            if comparison is None or attempt < 0:
                comparison = Comparison(split.sticky)
                comparison.edges = self._edges.get(release, comparison.edges)
                in_attempt, users = self._users.pop(release, (0, ()))
                if in_attempt == progress.attempt:
                    comparison.know(users)
                self._comparisons[release] = progress.attempt, comparison
                _count_anew(split)  # a request of the attempt before may have been copied since that ended
            split.comparison = comparison  # an attempt has one: who was counted in it is not counted again

    def take(self, release: str) -> Second | None:
        """See `DataPath`."""
        split = self._splits.find(release)
        if split is None or split.comparison is None or not self._holds(release):
            return None
        return split.comparison.take(self._plane.monotonic())

    def counted(self, release: str) -> Sequence[Counted]:
        """See `DataPath`."""
        known = self._comparisons.get(release)
        return known[1].counted() if known is not None else ()

    def know(self, release: str, attempt: int, users: Sequence[Counted]) -> None:
        """See `DataPath`."""
        if users:
            self._users[release] = attempt, users

    def judge_with(self, release: str, edges: Edges) -> None:
        """See `DataPath`."""
        self._edges[release] = edges
        if release in self._comparisons:
            self._comparisons[release][1].edges = edges

    def unit(self, release: str) -> Literal["request", "user"]:
        """See `DataPath`."""
        return "user" if self._splits.of(release).sticky else "request"

    def healthy_endpoints(self, cluster: str) -> tuple[int, int]:
        """See `DataPath`."""
        return self._plane.healthy_endpoints(cluster)

    def observed(self, release: str) -> Mapping[str, object]:
        """Return ``statuses``, ``paths`` and ``failing`` of the requests that were compared, and how many were not: those that a header
        sent to the canary (``forced_requests``), that were ``mirrored``, or ``given_away`` for want of a healthy endpoint. In what the
        answers to copies differ are ``differences`` (`observe.differences`), ``None`` if none were compared."""
        split = self._splits.find(release)
        differences = split.differences if split is not None else None
        _, comparison = self._comparisons.get(release) or (0, Comparison())
        old, new = comparison.statuses
        baseline, canary = comparison.paths
        paths = sorted({*baseline, *canary}, key=lambda path: (-abs(canary[path] - baseline[path]), path))[:_TOLD]
        return {
            "statuses": [{"status": status, "baseline": old[status], "canary": new[status]} for status in sorted({*old, *new})],
            "paths": [{"path": path, "baseline": baseline[path], "canary": canary[path]} for path in paths],
            "failing": list(comparison.failing),
            "forced_requests": split.by_header if split is not None else 0,
            "mirrored": split.mirrored if split is not None else 0,
            "given_away": list(split.given_away) if split is not None else [0, 0],
            "differences": differences.to_dict() if differences is not None else None,
        }

    def _shrink(self, release: str) -> None:
        """Of a release that has let go of its route nothing is kept but what people see, and of the last of these only."""
        self._edges.pop(release, None)
        self._users.pop(release, None)
        known = self._comparisons.pop(release, None)
        if known is not None:
            attempt, full = known
            shown = Comparison()
            shown.statuses, shown.paths, shown.failing = full.statuses, full.paths, full.failing
            self._comparisons[release] = -attempt, shown
        over = [name for name, (attempt, _) in self._comparisons.items() if attempt < 0]
        for name in over[:-_KEPT]:
            del self._comparisons[name]

    def _holds(self, release: str) -> bool:
        inputs = self._controller.inputs
        return inputs is not None and release in inputs.overrides.holds


def _count_anew(split: ReleaseSplit) -> None:
    split.by_header, split.mirrored, split.given_away, split.differences = 0, 0, [0, 0], None


def _actor(release: str) -> Actor:
    return Actor("shifter", f"the release {release}", "release")


def _proof(path: ReleasePath) -> DataPath:  # mypy proves that it is one
    return path
