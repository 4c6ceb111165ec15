"""What the admin pages may know, and have done: one small interface that the service implements."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred

from shifter.admin.page import Stream
from shifter.admin.release_view import ReleasesView
from shifter.model.bootstrap import Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeResult
from shifter.model.report import Part, Report
from shifter.model.steps import Steps
from shifter.observe.loglevels import LogLevels

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Facts about the process for ``/server_info`` and ``/config_dump``.

    ``head_parser`` says which HTTP/1.1 head parser is in use, ``reactor`` which reactor. ``concurrency`` is the number of
    processes that serve, ``drain_time`` how many seconds requests may take to finish at the end. ``config_time`` is when the
    configuration in use was taken, ``started`` when the process was, in seconds of the wall clock; ``now`` is what that says.
    ``first_started`` is when the first process of those was started that handed over to each other, ``restart_epoch`` how many there
    were before; ``parent_shutdown_time`` is how many seconds one of them has to go.
    """

    version: str
    head_parser: str = ""
    reactor: str = ""
    concurrency: int = 1
    drain_time: float = 0.0
    config_time: float = 0.0
    now: float = 0.0
    started: float = 0.0
    first_started: float = 0.0
    restart_epoch: int = 0
    drain_strategy: str = "gradual"
    parent_shutdown_time: float = 0.0


class AdminView(Protocol):
    """The service as the admin pages see it."""

    def report(self) -> Deferred[Report]:
        """Fire with the figures of all processes that serve."""

    def meanwhile(self, steps: Steps[T]) -> Deferred[T]:
        """Do some work between requests; fires with its result. Fails with ``CancelledError`` when the process ends before."""

    def parts(self) -> Iterator[Part]:
        """Iterate over parts of a report, each made when it is asked for, so that something else may come in between."""

    def listen(self, after: str) -> Stream | None:
        """Return the stream of all that the live page shows, from behind the event *after* on; ``None`` when as many listen as may."""

    def snapshot(self) -> Snapshot | None:
        """Return the configuration in use; ``None`` before the first is."""

    def state(self) -> str:
        """Return one of Envoy's words for the state of a server (``observe.server_stats.STATES``)."""

    def problems(self) -> Sequence[str]:
        """Return what was wrong with the last candidate, if it was refused and none was taken since."""

    def info(self) -> ServerInfo:
        """Return facts about the process."""

    def audit(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        """Fire with the last *count* changes that were taken, those with a number below *before* where that is given; the newest first."""

    def weights(self) -> Deferred[list[dict[str, object]]]:
        """Fire with the routes that have weights, as ``GET /weights`` shows them."""

    def notices(self) -> Sequence[str]:
        """Return what is served although the files say otherwise."""

    def releases(self) -> ReleasesView:
        """Return what may be known of releases, and done to them."""

    def set_weights(self, route: str, weights: Mapping[str, str], actor: Actor, dry_run: bool = False) -> Deferred[ChangeResult]:
        """Have the route that *route* means have *weights*, by cluster and as they were written; with none of them, those of the file
        again. With *dry_run* only say what would come of it. It never fails."""

    def modify_runtime(self, values: Mapping[str, str], actor: Actor) -> Deferred[ChangeResult]:
        """Have runtime have *values* in its admin layer, and none where a text is empty; never fails."""

    def undo(self, actor: Actor) -> Deferred[ChangeResult]:
        """Take the last change back; never fails."""

    def reload(self, actor: Actor) -> Deferred[ChangeResult]:
        """Read the configuration's files again and serve what they say, if that is good; never fails."""

    def restart(self) -> Deferred[ChangeResult]:
        """Have a new process take over, without a connection refused; fires when it serves, or when nothing came of it."""

    def drain_listeners(self, graceful: bool, skip_exit: bool, inbound_only: bool) -> None:
        """Take no new connections: at once, or (*graceful*) when the drain time has passed, and with *skip_exit* never. Until then, and
        for those that are there, answers end their connections. *inbound_only* leaves listeners that are not for inbound traffic.
        """

    def log_levels(self) -> LogLevels:
        """Return what says, and changes, which events are logged."""

    def fail_health_checks(self, failing: bool) -> None:
        """Answer health checks as if all were not well, and end connections behind their answers, until it is called with ``False``."""

    def reopen_logs(self) -> None:
        """Open all log files anew, under the names they have."""

    def reset_counters(self) -> Deferred[None]:
        """Have all counters be zero, as they are told; gauges and histograms stay. Fires when they are."""

    def quit(self) -> None:
        """End the process, at once."""
