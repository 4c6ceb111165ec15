"""What the admin pages see of the service, and what they may have it do (`admin.view.AdminView`)."""

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed

from shifter import __version__
from shifter.admin import AdminView, ServerInfo
from shifter.model.bootstrap import Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeResult
from shifter.model.report import Report
from shifter.observe.stats import ServerStats
from shifter.service.controller import Controller
from shifter.service.ending import DRAIN_DEADLINE
from shifter.service.journal import Journal
from shifter.service.plane import DataPlane
from shifter.wire.heads import IMPLEMENTATION


class ServiceView:
    """See the module. *reload* reads the configuration again."""

    def __init__(
        self,
        reactor: Any,
        plane: DataPlane,
        controller: Controller,
        journal: Journal,
        stats: ServerStats,
        wall: Callable[[], float],
        reload: Callable[[Actor], Deferred[ChangeResult]],
    ) -> None:
        self._reactor = reactor
        self._plane = plane
        self._controller = controller
        self._journal = journal
        self._stats = stats
        self._wall = wall
        self._reload = reload

    # what there is to see

    def report(self) -> Deferred[Report]:
        """See `AdminView`."""
        return succeed(self._plane.report())

    def snapshot(self) -> Snapshot | None:
        """See `AdminView`."""
        return self._controller.snapshot

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
            drain_time=DRAIN_DEADLINE,
            config_time=self._stats.config_time,
            now=self._wall(),
        )

    def audit(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """See `AdminView`."""
        return self._journal.entries(count, before)

    # what may be done

    def reload(self, actor: Actor) -> Deferred[ChangeResult]:
        """See `AdminView`."""
        return self._reload(actor)


def _proof(view: ServiceView) -> AdminView:  # mypy proves that it is one
    return view
