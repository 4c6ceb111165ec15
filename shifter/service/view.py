"""What the admin pages see of the service, and what they may have it do (`admin.view.AdminView`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from shifter import __version__
from shifter.admin import AdminView, ServerInfo
from shifter.admin.events import Feed
from shifter.admin.page import Stream
from shifter.admin.release_view import ReleasesView
from shifter.model.bootstrap import Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeResult
from shifter.model.report import Part, Report
from shifter.model.steps import Steps
from shifter.observe.baseline import Baseline
from shifter.observe.loglevels import LogLevels
from shifter.observe.server_stats import ServerStats
from shifter.service.controller import Controller
from shifter.service.ending import Ending
from shifter.service.journal import Journal
from shifter.service.plane import DataPlane
from shifter.service.steering import Steering
from shifter.wire.heads import IMPLEMENTATION

T = TypeVar("T")


class ServiceView:
    """See the module. *reload* reads the configuration again, *restart* has a new process take over (or says why not)."""

    def __init__(
        self,
        reactor: Any,
        plane: DataPlane,
        controller: Controller,
        journal: Journal,
        stats: ServerStats,
        wall: Callable[[], float],
        ending: Ending,
        reload: Callable[[Actor], Deferred[ChangeResult]],
        steering: Steering,
        *,
        restart: Callable[[], Deferred[str]],
        releases: ReleasesView,
    ) -> None:
        self._reactor = reactor
        self._plane = plane
        self._controller = controller
        self._journal = journal
        self._stats = stats
        self._wall = wall
        self._ending = ending
        self._baseline = Baseline()
        self.levels = LogLevels()
        self._reload = reload
        self._steering = steering
        self._restart = restart
        self._releases = releases
        self.feed = Feed(self, reactor)

    # what there is to see

    def report(self) -> Deferred[Report]:
        """See `AdminView`."""
        return self._plane.meanwhile(self._plane.reporting()).addCallback(self._baseline.report)

    def meanwhile(self, steps: Steps[T]) -> Deferred[T]:
        """See `AdminView`."""
        return self._plane.meanwhile(steps)

    def parts(self) -> Iterator[Part]:
        """See `AdminView`."""
        return self._baseline.parts(self._plane.parts())

    def listen(self, after: str) -> Stream | None:
        """See `AdminView`."""
        return self.feed.listen(after)

    def snapshot(self) -> Snapshot | None:
        """See `AdminView`."""
        return self._steering.snapshot()

    def state(self) -> str:
        """See `AdminView`."""
        return self._stats.state

    def problems(self) -> Sequence[str]:
        """See `AdminView`."""
        return self._controller.problems

    def info(self) -> ServerInfo:
        """See `AdminView`."""
        return ServerInfo(
            __version__,
            IMPLEMENTATION,
            type(self._reactor).__name__,
            drain_time=self._ending.options.drain_time,
            drain_strategy=self._ending.options.strategy.value,
            parent_shutdown_time=self._ending.options.last_moment,
            config_time=self._stats.config_time,
            now=self._wall(),
            started=self._stats.started,
            first_started=self._stats.first_started or self._stats.started,
            restart_epoch=self._stats.restart_epoch,
        )

    def audit(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """See `AdminView`."""
        return self._journal.entries(count, before)

    def weights(self) -> Deferred[list[dict[str, object]]]:
        """See `AdminView`."""
        return self._steering.weights()

    def notices(self) -> Sequence[str]:
        """See `AdminView`."""
        return self._steering.notices()

    def releases(self) -> ReleasesView:
        """See `AdminView`."""
        return self._releases

    # what may be done

    def set_weights(self, route: str, weights: Mapping[str, str], actor: Actor, dry_run: bool = False) -> Deferred[ChangeResult]:
        """See `AdminView`."""
        return self._steering.set_weights(route, weights, actor, dry_run)

    def modify_runtime(self, values: Mapping[str, str], actor: Actor) -> Deferred[ChangeResult]:
        """See `AdminView`."""
        return self._steering.modify_runtime(values, actor)

    def undo(self, actor: Actor) -> Deferred[ChangeResult]:
        """See `AdminView`."""
        return self._steering.undo(actor)

    def reload(self, actor: Actor) -> Deferred[ChangeResult]:
        """See `AdminView`."""
        return self._reload(actor)

    def restart(self) -> Deferred[ChangeResult]:
        """See `AdminView`."""

        def told(why: str) -> ChangeResult:
            return ChangeResult(not why, self._stats.config_version, problems=(why,) if why else ())

        return self._restart().addCallback(told)

    def drain_listeners(self, graceful: bool, skip_exit: bool, inbound_only: bool) -> None:
        """See `AdminView`."""
        self._ending.drain_listeners(graceful, skip_exit, inbound_only)

    def log_levels(self) -> LogLevels:
        """See `AdminView`."""
        return self.levels

    def fail_health_checks(self, failing: bool) -> None:
        """See `AdminView`."""
        self._ending.fail_health_checks(failing)

    def reopen_logs(self) -> None:
        """See `AdminView`."""
        self._plane.reopen_logs()

    def reset_counters(self) -> Deferred[None]:
        """See `AdminView`."""
        return self._plane.meanwhile(self._plane.reporting()).addCallback(self._baseline.reset)

    def quit(self) -> None:
        """See `AdminView`."""
        self._ending.quit()


def _proof(view: ServiceView) -> AdminView:  # mypy proves that it is one
    return view
