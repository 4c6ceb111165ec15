"""The releases that there are: begun, carried on second by second, ordered about by people, and found again by the next process.

Rule 1. One route has one release. A new one of the same route takes the place of the one before it, whatever that is doing.
Rule 2. What people see and order goes through here; what becomes of a release is its runner's to say (`release.runner`).
Rule 3. Before the first configuration is laid out, every route that was held is given the share that was written down last (`load`).
        What else a release does begins when that configuration is served (`begin`).
Rule 4. While another process takes over, nothing happens and nothing is written (`hold`): two judges of one release would be one too
        many. If it does not come to that, all goes on (`release`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shifter.admin.page import Stream
from shifter.admin.release_feed import ReleaseFeed
from shifter.admin.release_view import Json, Order, Refused, ReleasesView
from shifter.model.bootstrap import Bootstrap
from shifter.model.change import Actor
from shifter.model.release import MILLION, Progress, ReleaseSpec, Transition
from shifter.model.report import ReleaseReport
from shifter.release import errors
from shifter.release.interfaces import DataPath, Record
from shifter.service.journal import ShifterError
from shifter.service.release_figures import report_of
from shifter.service.release_journal import ReleaseJournal
from shifter.service.release_reading import ReadRelease
from shifter.service.release_store import Read, ReleaseStore, whole

INTERVAL = 1.0
"""Seconds between two looks at a release."""
ENDING = "the proxy is ending"
TAKEN_OVER = "the proxy is handing over to a new process"
_PER_CENT = MILLION // 100

T = TypeVar("T")

_log = Logger()


class Running(Protocol):
    """What carries one release on (`release.runner.Runner`)."""

    @property
    def spec(self) -> ReleaseSpec: ...

    @property
    def progress(self) -> Progress: ...

    def start(self, actor: Actor) -> Deferred[Any]:
        """Begin it."""

    def resume(self) -> None:
        """Go on with it in another process."""

    def tick(self) -> None:
        """A second has passed."""

    def verb(self, verb: str, actor: Actor, to: int | None = None, full: bool = False) -> Deferred[Any]:
        """Do what somebody wants. Fails with `errors.Refused`."""

    def supersede(self, actor: Actor, by: str) -> Deferred[Any]:
        """Leave the route to the release *by*."""

    def status(self, points: int | None = None) -> Json:
        """Return all that people may see."""

    def stop(self) -> None:
        """Let it be: the process ends, or another one goes on with it."""


@dataclass(frozen=True, slots=True)
class Around:
    """What releases are made with. ``run`` makes what carries one on, ``files`` returns what the configuration's files say, ``aside`` does
    something in a thread; ``read`` reads a text again, ``check`` reads and checks a new one, ``plan`` says how long its steps need,
    ``patch`` how the files would say what became of it."""

    clock: Any
    wall: Callable[[], float]
    datapath: DataPath
    run: Callable[[Record, ReleaseJournal], Running]
    files: Callable[[], Bootstrap | None]
    aside: Callable[..., Deferred[Any]]
    read: Read
    check: Callable[[str, str, Bootstrap, Sequence[str]], ReadRelease]
    plan: Callable[[ReleaseSpec], Deferred[Json | Refused]]
    patch: Callable[[ReleaseSpec, Progress], Deferred[str | Refused]]


class Releases:
    """See the module."""

    def __init__(self, around: Around, store: ReleaseStore) -> None:
        self.feed = ReleaseFeed(self, around.clock)
        self._around = around
        self._store = ReleaseJournal(store, self._happened)
        self._records: dict[str, Record] = {}  # the oldest first
        self._running: dict[str, Running] = {}
        self._starting: set[str] = set()
        self._excess: dict[str, int] = {}  # by release, as statistics tell it
        self._why = "the proxy is starting"
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = around.clock

    # from process to process

    def load(self) -> None:
        """Find out what was going on when the process before this one ended, and have held routes shared out as they were. Raises
        `JournalError`."""
        for record in self._store.load():
            self._records[record.spec.name] = record
            if record.progress.held:
                self._around.datapath.steer(record.spec.name, record.progress)
        for name, why in self._store.unreadable.items():
            share = self._records[name].progress.share / _PER_CENT
            _log.error("the release {name} cannot be read any more, its canary keeps {share:g} %: {why}", name=name, share=share, why=why)

    def begin(self) -> None:
        """The first configuration is served: go on."""
        self._why = ""
        for name, record in self._records.items():
            if _is_alive(record.progress) and name not in self._store.unreadable:
                running = self._running[name] = self._around.run(record, self._store)
                running.resume()
        self._ticker.start(INTERVAL, now=False)

    def hold(self) -> Deferred[None]:
        """Do nothing more for now; fires when nothing is being written."""
        self._why = TAKEN_OVER
        self._rest()
        return self._store.close(TAKEN_OVER)

    def release(self) -> None:
        """Go on: nobody took over."""
        if self._why == TAKEN_OVER:
            self._store.open()
            self._why = ""
            self._ticker.start(INTERVAL, now=True)

    def stop(self) -> None:
        """The process ends."""
        self._why = ENDING
        self._rest()
        self.feed.stop()
        for running in self._running.values():
            running.stop()

    def memo(self) -> Mapping[str, Any] | None:
        """See `ReleaseStore.memo`."""
        return self._store.memo()

    # admin.release_view.ReleasesView

    def start(self, text: str, source: str, actor: Actor, dry_run: bool = False) -> Deferred[Json | Refused]:
        """See `ReleasesView`."""
        return self._start(text, source, actor, dry_run)

    def listed(self) -> Sequence[Json]:
        """See `ReleasesView`."""
        return [self._short(record) for record in reversed(self._records.values())]

    def status(self, name: str, points: int | None = None) -> Json | None:
        """See `ReleasesView`."""
        running = self._known(name)
        if running is None:
            return self._short(self._records[name]) if name in self._records else None
        return {**running.status(points), "now": self._around.wall()}

    def order(self, name: str, order: Order) -> Deferred[Json | Refused]:
        """See `ReleasesView`."""
        return self._order(name, order)

    def plan(self, name: str) -> Deferred[Json | Refused]:
        """See `ReleasesView`."""
        running = self._known(name)
        return self._around.plan(running.spec) if running is not None else succeed(_none(name))

    def patch(self, name: str) -> Deferred[str | Refused]:
        """See `ReleasesView`."""
        running = self._known(name)
        return self._around.patch(running.spec, running.progress) if running is not None else succeed(_none(name))

    def events(self, name: str, after: int = 0, count: int = 1000) -> Deferred[list[Transition]]:
        """See `ReleasesView`."""
        return self._store.events(after, count, name)

    def history(self, count: int, before: int | None = None, name: str | None = None) -> Deferred[list[Transition]]:
        """See `ReleasesView`."""
        return self._store.last_events(count, before, name)

    def listen(self, name: str, after: int) -> Stream | None:
        """See `ReleasesView`."""
        return self.feed.listen(name, after)

    # observe.server_stats

    def reports(self) -> tuple[ReleaseReport, ...]:
        """Return the figures of those that hold a route, or are about to."""
        return tuple(self._report(running) for running in self._running.values() if _is_alive(running.progress))

    # beginning

    @inlineCallbacks
    def _start(self, text: str, source: str, actor: Actor, dry_run: bool) -> Any:
        files = self._around.files()
        if self._why or files is None:
            return Refused(503, "not now", self._why or "nothing is served yet")
        taken = [*self._records, *self._starting]
        read: ReadRelease = yield self._around.aside(self._around.check, text, source, files, taken)
        if read.spec is None:
            return Refused(400, "not a release", "\n".join(read.problems), {"problems": list(read.problems)})
        spec, warnings = read.spec, list(read.warnings)
        refusal = self._cannot_begin(spec)
        if refusal is not None:
            return refusal
        others = [one for one in self._running.values() if one.progress.held and one.spec.route == spec.route]
        warnings += [f"it takes the place of {one.spec.name}, which is {one.progress.state.value}" for one in others]
        if dry_run:
            plan = yield self._around.plan(spec)
            if isinstance(plan, Refused):
                return plan
            return {"name": spec.name, "dry_run": True, "route": spec.route.text, "warnings": warnings, **plan}
        self._starting.add(spec.name)
        try:
            yield self._store.begin(record := self._new(spec))
            for other in others:
                yield other.supersede(actor, spec.name)
        except (ShifterError, errors.ShifterError) as error:
            return Refused(409, "it cannot begin", str(error))
        finally:
            self._starting.discard(spec.name)
        running = self._running[spec.name] = self._around.run(record, self._store)
        self._records[spec.name] = record
        try:
            yield running.start(actor)
        except (ShifterError, errors.ShifterError) as error:
            return Refused(503, "it cannot be written down", str(error))
        return {**(self.status(spec.name) or {}), "warnings": warnings}

    def _cannot_begin(self, spec: ReleaseSpec) -> Refused | None:
        """Say why *spec*, which is good, cannot begin now."""
        if spec.name in self._records or spec.name in self._starting:
            return Refused(409, "the name is taken", f"there is a release `{spec.name}` already, or was one: give this one another name")
        healthy, every = self._around.datapath.healthy_endpoints(spec.canary)
        if not healthy:
            said = f"{spec.canary} has no healthy endpoint (0 of {every}): a release of it would be taken back at once"
            return Refused(409, "the canary is not healthy", said)
        return None

    def _new(self, spec: ReleaseSpec) -> Record:
        now = self._around.wall()
        return Record(spec, Progress(), now, now)

    # ordering about

    @inlineCallbacks
    def _order(self, name: str, order: Order) -> Any:
        running = self._running.get(name)
        if running is None:
            return self._not_running(name, order)
        progress = running.progress
        if self._why:
            return Refused(503, "not now", self._why)
        if order.version is not None and order.version != progress.version:
            said = f"`{name}` is at version {progress.version} by now, and not at {order.version}"
            return Refused(412, "it has moved on", said, {"state": progress.state.value, "version": progress.version})
        to = _share(order.to) if order.to else None
        if order.to and to is None:
            return Refused(400, "not understood", f"`to` is a number of per cent above 0, up to 100, and not `{order.to}`")
        if order.gate and order.gate != _gate(running):
            return Refused(404, "no such gate", f"`{name}` does not wait before a gate `{order.gate}`", {"state": progress.state.value})
        try:
            yield running.verb(order.verb, order.actor, to, order.full)
        except errors.Refused as error:
            return Refused(409, "it does not fit", error.sentence, {"state": error.state.value, "verbs": list(error.verbs)})
        except (ShifterError, errors.ShifterError) as error:
            return Refused(503, "it cannot be written down", str(error))
        return self.status(name) or {}

    def _not_running(self, name: str, order: Order) -> Refused:
        record = self._records.get(name)
        if record is None:
            return _none(name)
        if name in self._store.unreadable:
            said = f"`{name}` cannot be read any more: {self._store.unreadable[name]}"
            return Refused(409, "it does not fit", said, {"state": record.progress.state.value, "verbs": []})
        said = f"`{name}` is {record.progress.state.value}, and has let go of its route: nobody can {order.verb} it"
        return Refused(409, "it does not fit", said, {"state": record.progress.state.value, "verbs": []})

    # inside

    def _tick(self) -> None:
        for name, running in list(self._running.items()):
            try:
                running.tick()
            except Exception:  # the others go on
                _log.failure("the release {name} could not be looked at", name=name)
            if not _is_alive(running.progress):
                self._records[name] = replace(self._records[name], progress=running.progress)

    def _rest(self) -> None:
        if self._ticker.running:
            self._ticker.stop()

    def _happened(self, transition: Transition) -> None:
        name = transition.release
        record = self._records.get(name)
        if record is not None:
            self._records[name] = replace(record, progress=transition.after, saved=transition.at)
        _log.info("release {name}: {reason}", name=name, reason=transition.reason)
        self.feed.happened(name)

    def _report(self, running: Running) -> ReleaseReport:
        status, name = running.status(0), running.spec.name
        report = report_of(status, self._excess.get(name, 0))
        self._excess[name] = report.figures.counters["excess_failed_total"]
        return report

    def _known(self, name: str) -> Running | None:
        """Return what tells of the release *name*, also when that is long over."""
        running = self._running.get(name)
        record = self._records.get(name)
        if running is not None or record is None or name in self._store.unreadable:
            return running
        try:
            return self._around.run(replace(record, spec=whole(record.spec, self._around.read)), self._store)
        except ValueError:
            return None

    def _short(self, record: Record) -> Json:
        spec, running = record.spec, self._running.get(record.spec.name)
        progress = running.progress if running is not None else record.progress
        told = {"name": spec.name, "source": spec.source, "route": spec.route.text, "baseline": spec.baseline, "canary": spec.canary}
        state = {"state": progress.state.value, "over": progress.state.over, "held": progress.held, "version": progress.version}
        steps = len(running.spec.steps if running is not None else spec.steps)
        return {**told, "started": record.started, **state, "step": progress.step, "steps": steps, **_shown(progress)}


def _shown(progress: Progress) -> dict[str, object]:
    return {"weight": progress.share / _PER_CENT, "reason": progress.reason}


def _is_alive(progress: Progress) -> bool:
    """Whether something may become of a release yet."""
    return progress.held or not progress.state.over


def _none(name: str) -> Refused:
    return Refused(404, "no such release", f"there is no release `{name}`")


def _gate(running: Running) -> str:
    step = running.progress.step
    gate = running.spec.steps[step - 1].gate if 0 < step <= len(running.spec.steps) else None
    return gate.name if gate is not None else ""


def _share(text: str) -> int | None:
    """Return the share that *text* per cent are."""
    try:
        share = round(float(text.strip().removesuffix("%")) * _PER_CENT)
    except (ValueError, OverflowError):
        return None
    return share if 0 < share <= MILLION else None


def _proof(releases: Releases) -> ReleasesView:  # mypy proves that it is one
    return releases
