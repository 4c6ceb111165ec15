"""The releases that there are: begun, carried on second by second, ordered about by people, and found again by the next process.

Rule 1. One route has one release. A new one of the same route takes the place of the one before it, whatever that is doing.
Rule 2. What people see and order goes through here; what becomes of a release is its runner's to say (`release.runner`).
Rule 3. Before the first configuration is laid out, every route that was held is given the share that was written down last (`load`).
        What else a release does begins when that configuration is served (`begin`).
Rule 4. While another process takes over, nothing happens and nothing is written (`hold`): two judges of one release would be one too
        many. If it does not come to that, all goes on (`release`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, inlineCallbacks, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.admin.page import Stream
from shifter.admin.release_feed import ReleaseFeed
from shifter.admin.release_view import Json, Order, Refused, ReleasesView
from shifter.model.bootstrap import Bootstrap
from shifter.model.change import Actor
from shifter.model.release import MILLION, Progress, ReleaseSpec, RouteReference, State, Transition
from shifter.model.report import ReleaseReport
from shifter.release import errors
from shifter.release.interfaces import Record
from shifter.service.composition import Inputs
from shifter.service.journal import ShifterError
from shifter.service.release_figures import report_of
from shifter.service.release_journal import ReleaseJournal
from shifter.service.release_parts import Around, Running
from shifter.service.release_reading import ReadRelease
from shifter.service.release_store import KEPT_OVER, Read, ReleaseStore, progress_from, whole

INTERVAL = 1.0
"""Seconds between two looks at a release."""
STILL_TELLING = 86_400.0
"""Seconds after its end for which what a release has to tell is told by the next process, too."""
LET_GO_EVERY = 10.0
"""Seconds after which a route that could not be let go of is let go of again, as in `release.runner`."""
STARTING = "the proxy is starting"
SHIFTER = Actor("shifter")
FORGOTTEN = "there is no state directory (--state-dir): the release is forgotten when the proxy ends, and its weight with it"
ENDING = "the proxy is ending"
TAKEN_OVER = "the proxy is handing over to a new process"
_PER_CENT = MILLION // 100
_PAST = 16

_log = Logger()


class Unfit(ShifterError):
    """An order is not for the release as it is by now."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.detail)
        self.refused = refused


class Releases:
    """See the module."""

    def __init__(self, around: Around, store: ReleaseStore) -> None:
        self.feed = ReleaseFeed(self, around.clock)
        self._around = around
        self._store = ReleaseJournal(store, self._happened)
        self._records: dict[str, Record] = {}  # the oldest first
        self._running: dict[str, Running] = {}
        self._starting: dict[str, RouteReference] = {}
        self._past: dict[str, Running] = {}  # those that ended before this process and were asked for, as their texts say
        self._excess: dict[str, int] = {}  # by release, as statistics tell it
        self._astray: dict[str, float] = {}  # holds that outlived their releases, and when they are let go of again
        self._why = STARTING
        self._said: Bootstrap | None = None
        self._told: Mapping[str, object] = {}
        self.steered: Callable[[Mapping[str, object]], object] | None = None
        """Called with `shares` when they are others than before: requests of these routes are also somewhere else."""
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = around.clock

    # from process to process

    def load(self) -> None:
        """Find out what was going on when the process before this one ended, and have held routes shared out as they were. Raises
        `JournalError`."""
        for record in self._store.load():
            self._records[record.spec.name] = record
            if record.progress.held or record.progress.share:  # its hold may have outlived it
                self._around.datapath.steer(record.spec.name, record.progress)
        for name, why in self._store.unreadable.items():
            share = self._records[name].progress.share / _PER_CENT
            _log.error("the release {name} cannot be read any more, its canary keeps {share:g} %: {why}", name=name, share=share, why=why)

    def begin(self) -> None:
        """The first configuration is served, and nobody else goes on with releases: go on."""
        if self._why != STARTING:
            return
        self._why = ""
        alive = {name: record for name, record in self._records.items() if is_alive(record.progress) and name not in self._store.unreadable}
        holds = self._around.holds()
        for name, record in alive.items():
            running = self._running[name] = self._around.run(record, self._store)
            route = record.spec.route
            owner = next((one for one in self._running if one != name and alive[one].spec.route == route), None)
            if record.progress.state is State.PENDING and owner is not None and name not in holds:
                self._around.world.watch(self._store, record.spec)
                self._forsake(running, f"the process ended before it could take its route from {owner}")
            else:
                running.resume()
        self._put_right()
        self._go_on()
        self._tell_the_rest()
        self._end_what_is_said()

    @inlineCallbacks
    def hold(self) -> Any:
        """Do nothing more for now; fires when nothing is being written, with why another process cannot go on from what is written down
        (empty: it can)."""
        self._why = TAKEN_OVER
        self._rest()
        self._around.world.close()
        running = list(self._running.values())
        yield gatherResults([one.settled() for one in running])
        for one in running:
            one.keep()
        yield self._store.close(TAKEN_OVER)
        return "; ".join(f"the release {one.spec.name} has changed, and that is not written down yet" for one in running if one.unwritten)

    def release(self) -> None:
        """Go on: nobody took over."""
        if self._why != TAKEN_OVER:
            return
        self._store.open()
        self._why = ""
        for name, running in self._running.items():
            if is_alive(running.progress):
                self._around.world.watch(self._store, running.spec)
                if running.progress.state.over:
                    self._around.world.leave(name)  # but what it has still to tell is told
        self._go_on()
        self._tell_the_rest()
        self._end_what_is_said()

    def stop(self) -> None:
        """The process ends, or has nothing more to do with releases."""
        if self._why == ENDING:
            return
        written = self._why == TAKEN_OVER
        self._why = ENDING
        self._rest()
        self.feed.stop()
        self._around.world.close()
        for running in self._running.values():
            if not written:
                running.keep()
            running.stop()

    def shares(self) -> Mapping[str, object]:
        """Return how requests of held routes are shared out, as JSON has it."""
        return {name: one.progress.to_dict() for name, one in self._running.items() if one.progress.held}

    def steer(self, shares: Mapping[str, Any]) -> None:
        """Share the requests that are left here out as another process says (its `shares`)."""
        for name, progress in shares.items():
            self._around.datapath.steer(name, progress_from(progress))

    def memo(self) -> Mapping[str, Any] | None:
        """See `ReleaseStore.memo`."""
        return self._store.memo()

    # what is served

    def served(self, inputs: Inputs) -> None:
        """*inputs* are served from now on: a release that is over lets go of its route when new files say what became of it."""
        before, self._said = self._said, inputs.candidate.bootstrap
        if before is not self._said:
            self._end_what_is_said()

    def _end_what_is_said(self) -> None:
        """Let go of the routes of which files say what became of them: those that are new, those that were there when the process
        began, and those that came while nothing could be written."""
        for running in self._running.values() if self._said is not None else ():
            if running.progress.state.over and running.progress.held:
                self._around.aside(self._around.says, self._said, running.spec, running.progress).addCallback(self._finish, running)

    def _finish(self, it_does: bool, running: Running) -> None:
        if it_does and not self._why and running.progress.state.over and running.progress.held:
            by_file = Actor("shifter", "the configuration's file says the same", "file")
            running.verb("finish", by_file).addErrback(_not_needed).addErrback(_untold, running.spec.name)

    def _put_right(self) -> None:
        """A process can end between any two things that it does: what it has left behind is made to fit."""
        holds = self._around.holds()
        alive = {name: one for name, one in self._running.items() if is_alive(one.progress)}
        for name in holds:
            if name not in alive and name not in self._store.unreadable:
                self._let_go(name)
        for name, running in alive.items():
            if running.progress.held and name not in holds:
                new = next((one for one in holds if one in alive and alive[one].spec.route == running.spec.route), None)
                if new is not None:
                    running.supersede(SHIFTER, new).addErrback(_untold, name)
                else:
                    self._give_up(running)

    def _let_go(self, name: str, again: bool = False) -> None:
        """Nothing is left of the release *name* but its hold."""
        self._astray.pop(name, None)
        if name in self._running:
            return  # it is another's by now, of the same name
        self._astray[name] = inf

        def told(problems: Sequence[str]) -> None:
            del self._astray[name]
            if problems:
                self._astray[name] = self._around.clock.seconds() + LET_GO_EVERY
                if not again:
                    _log.error("release {name}: its route cannot be let go of: {why}", name=name, why="; ".join(problems))

        self._around.datapath.let_go(name).addErrback(lambda reason: [reason.getErrorMessage()]).addCallback(told)

    def _give_up(self, running: Running) -> None:
        """There is no route any more that *running* could hold."""
        lost = Actor("shifter", "its route is not in the configuration any more", "start")
        done = succeed(None) if running.progress.state.over else running.verb("abort", lost)
        done.addCallback(lambda _: running.verb("finish", lost)).addErrback(_untold, running.spec.name)

    # admin.release_view.ReleasesView

    def start(self, text: str, source: str, actor: Actor, dry_run: bool = False) -> Deferred[Json | Refused]:
        """See `ReleasesView`."""
        return _to_the_end(self._start(text, source, actor, dry_run))

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
        return _to_the_end(self._order(name, order))

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
        return tuple(self._report(running) for running in self._running.values() if is_alive(running.progress))

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
        others = [one for one in self._running.values() if is_alive(one.progress) and one.spec.route == spec.route]
        warnings += [f"it takes the place of {one.spec.name}, which is {one.progress.state.value}" for one in others]
        if not self._store.lasting:
            warnings.append(FORGOTTEN)
        if dry_run:
            plan = yield self._around.plan(spec)
            if isinstance(plan, Refused):
                return plan
            return {"name": spec.name, "dry_run": True, "route": spec.route.text, "warnings": warnings, **plan}
        self._starting[spec.name] = spec.route
        running: Running | None = None
        try:
            yield self._store.begin(record := self._new(spec))
            running = self._running[spec.name] = self._around.run(record, self._store)
            self._records[spec.name] = record
            self._forget()
            # its route goes from hand to hand, and is never nobody's; if it cannot be had, the release is aborted when it begins
            if others and not (yield self._around.datapath.hold(spec)):
                for other in others:
                    if is_alive(other.progress):
                        yield other.supersede(actor, spec.name)
            self._go_on()
            yield running.start(actor)
        except (ShifterError, errors.ShifterError) as error:
            if running is not None:
                self._forsake(running, "it could not begin")
                self._give_back(spec.name, others)
            return Refused(503, "it cannot be written down", str(error))
        finally:
            del self._starting[spec.name]
        return {**(self.status(spec.name) or {}), "warnings": warnings}

    def _forsake(self, running: Running, why: str) -> None:
        """Nothing becomes of *running*, which was about to begin."""
        running.verb("abort", Actor("shifter", why)).addErrback(_untold, running.spec.name)

    def _give_back(self, name: str, others: Sequence[Running]) -> None:
        """The release *name* does not begin: what it has of its route is that of the others again."""
        last = next((one for one in reversed(others) if one.progress.held), None)
        if last is not None:
            self._around.datapath.hold(last.spec).addErrback(_untold, last.spec.name)
        elif name in self._around.holds():
            self._let_go(name)

    def _cannot_begin(self, spec: ReleaseSpec) -> Refused | None:
        """Say why *spec*, which is good, cannot begin now."""
        if spec.name in self._records or spec.name in self._starting:
            return Refused(409, "the name is taken", f"there is a release `{spec.name}` already, or was one: give this one another name")
        first = next((name for name, route in self._starting.items() if route == spec.route), None)
        if first is not None:
            return Refused(409, "the route is taken", f"`{first}` of the same route is beginning at this moment")
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
        if self._why and name in self._records:
            return Refused(503, "not now", self._why)
        running = self._running.get(name)
        if running is None:
            return self._not_running(name, order)
        to = _share(order.to) if order.to else None
        unfit = partial(self._unfit, running, order, to)
        against = unfit()
        if against is not None:
            return against.refused
        try:
            yield running.verb(order.verb, order.actor, to, order.full, unfit)  # what it waits for may be what makes it unfit
        except Unfit as error:
            return error.refused
        except errors.Refused as error:
            return Refused(409, "it does not fit", error.sentence, {"state": error.state.value, "verbs": list(error.verbs)})
        except (ShifterError, errors.ShifterError) as error:
            return Refused(503, "it cannot be written down", str(error))
        finally:
            self._go_on()  # one that was over and had let go of its route may begin anew
        return self.status(name) or {}

    def _unfit(self, running: Running, order: Order, to: int | None) -> Unfit | None:
        """Say why *order*, which asks for the share *to*, is not for *running* as it is now."""
        name, progress = running.spec.name, running.progress
        if order.version is not None and order.version != progress.version:
            said = f"`{name}` is at version {progress.version} by now, and not at {order.version}"
            return Unfit(Refused(412, "it has moved on", said, {"state": progress.state.value, "version": progress.version}))
        other = self._taken_by(running) if order.verb == "retry" else None
        if other is not None:
            said = f"`{other}` has its route by now: that one has to end and let go of it first"
            more = {"state": progress.state.value, "verbs": ["finish"] if progress.held else []}
            return Unfit(Refused(409, "it does not fit", said, more))
        if order.to and to is None:
            return Unfit(Refused(400, "not understood", f"`to` is a number of per cent above 0, up to 100, and not `{order.to}`"))
        if order.gate and order.gate != _gate(running):
            said = f"`{name}` does not wait before a gate `{order.gate}`"
            return Unfit(Refused(404, "no such gate", said, {"state": progress.state.value}))
        return None

    def _taken_by(self, running: Running) -> str | None:
        """Return which other release the route of *running* belongs to."""
        route = running.spec.route
        others = (name for name, one in self._running.items() if one is not running and is_alive(one.progress) and one.spec.route == route)
        return next(others, None)

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
        for name in [name for name, due in self._astray.items() if self._around.clock.seconds() >= due]:
            self._let_go(name, again=True)
        self._tell_shares()
        if not self._goes_on:
            self._rest()

    def _tell_shares(self) -> None:
        if self.steered is not None:
            shares = {name: (one.progress.share, one.progress.forced, one.progress.mirror) for name, one in self._running.items()}
            if shares != self._told:
                self._told = shares
                self.steered(self.shares())

    def _tell_the_rest(self) -> None:
        """What releases that ended not long ago have still to tell, will be told."""
        since = self._around.wall() - STILL_TELLING
        late = [one for one in self._records.values() if not is_alive(one.progress) and one.saved > since]

        def read() -> list[ReleaseSpec]:
            return [spec for one in late if (spec := _whole(one.spec, self._around.read)) is not None]

        def tell(specs: list[ReleaseSpec]) -> None:
            for spec in specs if not self._why else ():
                self._around.world.watch(self._store, spec)
                self._around.world.leave(spec.name)

        if late:
            self._around.aside(read).addCallback(tell)

    def _go_on(self) -> None:
        if not self._ticker.running and not self._why and self._goes_on:
            self._ticker.start(INTERVAL, now=False)

    @property
    def _goes_on(self) -> bool:
        """Whether there is something to look at."""
        return bool(self._astray) or any(running.alive for running in self._running.values())

    def _rest(self) -> None:
        if self._ticker.running:
            self._ticker.stop()

    def _happened(self, transition: Transition) -> None:
        name = transition.release
        record = self._records.get(name)
        if record is not None:
            self._records[name] = replace(record, progress=transition.after, saved=transition.at)
        _log.info("release {name}: {reason}", name=name, reason=transition.reason)
        self._tell_shares()
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
        if name not in self._past:
            spec = _whole(record.spec, self._around.read)
            if spec is None:
                return None
            if len(self._past) >= _PAST:
                self._past.clear()
            self._past[name] = self._around.run(replace(record, spec=spec), self._store)
        return self._past[name]

    def _forget(self) -> None:
        """Know no more of releases that are over than the next process would."""
        over = [name for name, record in self._records.items() if not is_alive(record.progress) and not self._is_alive(name)]
        for name in over[:-KEPT_OVER]:
            for known in (self._records, self._running, self._excess, self._past):
                known.pop(name, None)

    def _is_alive(self, name: str) -> bool:
        running = self._running.get(name)
        return running is not None and running.alive

    def _short(self, record: Record) -> Json:
        spec, running = record.spec, self._running.get(record.spec.name)
        progress = running.progress if running is not None else record.progress
        told = {"name": spec.name, "source": spec.source, "route": spec.route.text, "baseline": spec.baseline, "canary": spec.canary}
        state = {"state": progress.state.value, "over": progress.state.over, "held": progress.held, "version": progress.version}
        steps = len(running.spec.steps if running is not None else spec.steps) or None  # the texts of those that ended are not read
        return {**told, "started": record.started, **state, "step": progress.step, "steps": steps, **_shown(progress)}


def _shown(progress: Progress) -> dict[str, object]:
    return {"weight": progress.share / _PER_CENT, "reason": progress.reason}


def is_alive(progress: Progress) -> bool:
    """Whether something may become of a release yet."""
    return progress.held or not progress.state.over


def _to_the_end(work: Deferred[Any]) -> Deferred[Any]:
    """Return what fires as *work* does. Who waits for it may go (`Deferred.cancel`): what was begun is not left half done by that."""
    told: Deferred[Any] = Deferred()
    work.addBoth(told.callback)
    return told


def _whole(spec: ReleaseSpec, read: Read) -> ReleaseSpec | None:
    try:
        return whole(spec, read)
    except ValueError:
        return None


def _untold(failure: Failure, name: str) -> None:
    """Nobody waits to hear of it."""
    _log.error("release {name}: {why}", name=name, why=failure.getErrorMessage())


def _not_needed(failure: Failure) -> None:
    """It does not fit any more: somebody else was before."""
    failure.trap(errors.Refused)


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
