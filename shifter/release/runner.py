"""One release, carried out: looked at once a second, written down, and only then steered.

Rule 1. A transition by which the canary gets requests that it did not get is made when it is written down, and not before. When it cannot
        be, it is not made, and the release is paused.
Rule 2. A transition by which the canary gets fewer is steered when it is written down, but at the next tick at the latest, and at once when
        it cannot be written: then it is written down as soon as it can. Until everything is, rule 1 lets nothing through.
Rule 3. What people want waits while something is being written, but for what takes requests from the canary: that never waits.
Rule 4. Time is what the monotonic clock says has passed, and two seconds between two looks at most: of more nobody has seen anything.
        The wall clock dates events, and tells after a restart how long nobody was there.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.change import Actor
from shifter.model.release import Gate, Progress, State, Transition, percent
from shifter.observe.comparison import Counted, Second
from shifter.release import rules
from shifter.release.around import Around
from shifter.release.asking import Asker
from shifter.release.errors import Closed, Refused, ShifterError
from shifter.release.evidence import Evidence
from shifter.release.interfaces import GateAnswer, Judge, Record
from shifter.release.machine import SHIFTER, ReleaseMachine, raises, tell_judge
from shifter.release.rules import Facts
from shifter.release.states import ACTIVE, Verb
from shifter.release.status import Kept, Look, Noticed

__all__ = ["Around", "Runner"]
KEEP_EVERY = 10.0
"""Seconds after which what is known is written down though nothing has happened."""
LONGEST_TICK = 2.0
"""Seconds that a tick counts for at most."""
PREFLIGHT_LONGEST = 10.0
"""Seconds that endpoints get to be found healthy."""
UNSEEN_LONGEST = 10.0
"""Seconds after which a release is paused that does not hold its route, whoever has taken it."""
NEEDS_EVERY = 60.0
"""Seconds for which what steps need is not found out again: that takes some milliseconds."""
LET_GO_EVERY = 10.0
"""Seconds after which a route that could not be let go of is let go of again: to try it is a change of the whole configuration."""
_RATE_OVER = 10
_STUCK = "the route cannot be let go of: "
_FIRST_WRITTEN = frozenset(("started", "retried", "finished", "superseded"))
"""These change no share, and are made only when they are written down all the same: somebody relies on them."""
_URGENT = frozenset((State.BRAKED, State.ROLLING_BACK, State.ROLLED_BACK, State.ABORTED))
_NOTHING = Evidence()

_log = Logger()


@dataclass(eq=False, slots=True)
class _Unwritten:
    """A transition that is made and is to be written down, and who waits for that to be tried."""

    transition: Transition
    waiting: Deferred[Progress] | None = None


class Runner:
    """See the module. Making one does nothing: a new release begins with `start`, one that was written down goes on with `resume`."""

    def __init__(self, record: Record, around: Around) -> None:
        self.spec = record.spec
        self.machine = ReleaseMachine(record.spec, record.progress)
        self.evidence = _NOTHING
        self.problem = ""
        """Why something cannot be written down, or the route not be let go of."""
        self._record = record
        self._around = around
        self._judge: Judge | None = None
        self._edges: object = None
        self._kept = Kept(record.counts)
        self._noticed = Noticed()
        self._last = around.monotonic()
        self._last_kept = self._last
        self._seconds: deque[tuple[float, int, int]] = deque(maxlen=_RATE_OVER)
        self._unwritten: deque[_Unwritten] = deque()
        self._uncounted: list[Counted] = []  # users who were counted, which could not be written down
        self._settling: list[Deferred[str]] = []
        self._unsteered = False  # what is in force is not what the last of them says
        self._steered = 0  # the version that is in force
        self._unseen = 0.0  # seconds for which there was nothing to look at
        self._writing = False
        self._pending: Transition | None = None
        self._queue: deque[Callable[[], object]] = deque()
        self._holding = False
        self._has_route = record.progress.held
        self._letting_go = False
        self._let_go_again: float | None = None  # when, because it was refused: whether it has the route is not certain then
        self._asker = Asker(around, self._kept, self._answered)
        self._stopped = False
        self._failing = False
        self._needs_until = 0.0
        self._steps_need: Sequence[Mapping[str, object] | None] = ()

    def __repr__(self) -> str:
        return f"<Runner {self.machine!r} unwritten={len(self._unwritten)}{' writing' if self._pending or self._writing else ''}>"

    @property
    def progress(self) -> Progress:
        """How far the release is."""
        return self.machine.progress

    @property
    def alive(self) -> bool:
        """Whether it is to be ticked: something may become of it yet, or something that has happened is not written down or not done."""
        left = bool(self._unwritten) or self._holding or self._letting_go or self._let_go_again is not None
        return left or self.progress.held or not self.progress.state.over

    # the beginning and the end

    def start(self, actor: Actor) -> Deferred[Progress]:
        """Begin the release, which was written down (`Store.begin`); fires when that it has started is, too."""
        self._around.outreach.watch(self.spec)
        return self._make(self.machine.start(actor))

    def resume(self) -> None:
        """Go on with the release in this process. The share is steered before anything else is done."""
        progress, spec, around = self.progress, self.spec, self._around
        around.datapath.know(spec.name, progress.attempt, self._record.users)
        if progress.held:
            around.datapath.steer(spec.name, progress)
        around.outreach.watch(spec)
        if progress.state.over:
            around.outreach.leave(spec.name)
            return
        gap = around.wall() - self._record.saved
        if gap > spec.resume_within and progress.state in ACTIVE and progress.state is not State.PAUSED:
            self._take(self.machine.halt(f"there was no process for {rules.seconds(round(gap))}"))
        if progress.state is State.PENDING:
            self._make(self.machine.start(SHIFTER)).addErrback(lambda _reason: None)  # `problem` says it

    def stop(self) -> None:
        """Let it be: nothing is done any more. What waits to be written is known by the next process as far as it was written."""
        self._stopped = True
        self._queue.clear()
        self._catch_up()

    # seconds

    def tick(self) -> None:
        """About a second has passed."""
        if self._stopped:
            return
        self._catch_up()
        now = self._around.monotonic()
        passed = min(max(now - self._last, 0.0), LONGEST_TICK)
        self._last = now
        second = self._around.datapath.take(self.spec.name)
        state = self.progress.state
        if state in ACTIVE or state is State.ROLLING_BACK:
            self._look(second, passed)
        elif state is State.PREFLIGHT:
            self.machine.tick(_NOTHING, passed)
            self._preflight()
        elif self._let_go_again is not None and now >= self._let_go_again and not self.progress.held:
            self._let_go()
        self._write()
        self._asker.ask(now, self.machine, self.evidence)
        if now - self._last_kept >= KEEP_EVERY:
            self._last_kept = now
            self.keep()

    def _look(self, second: Second | None, passed: float) -> None:
        judge = self._judges()
        if second is not None:
            self._seconds.append((passed, second.sent[0], second.sent[1]))
            self.evidence = judge.tick(second, self._rate(canary=True) or 0.0)
            if judge.edges is not self._edges:
                self._edges = judge.edges
                self._around.datapath.judge_with(self.spec.name, judge.edges)
            self._unseen = 0.0
        else:
            self._unseen += passed
            self.evidence = replace(self.evidence, proven=False)  # of what was not seen nothing is proven
        self._kept.spend(self.progress.step, passed)
        self._noticed.note(self._around.wall(), self.progress.share, second, self.evidence.value)
        if self._unseen >= UNSEEN_LONGEST and self.progress.state in ACTIVE and self.progress.state is not State.PAUSED:
            self._take(self.machine.halt(f"for {rules.seconds(round(self._unseen))} its route has not been held", self.evidence))
            return
        self._take(self.machine.tick(self.evidence, passed, self.facts()))
        if self.machine.look_again:
            judge.look_again()

    def facts(self) -> Facts:
        """Return what is known beside the evidence."""
        datapath, spec = self._around.datapath, self.spec
        baseline, canary = datapath.healthy_endpoints(spec.baseline), datapath.healthy_endpoints(spec.canary)
        return Facts(self._rate(), baseline, canary, self._around.outreach.failing_checks(spec.name))

    def _rate(self, canary: bool = False) -> float | None:
        """Return how many requests a second there are, or how many of them are the canary's; ``None`` before any second was seen."""
        over = sum(passed for passed, _, _ in self._seconds)
        if over <= 0.0:
            return None
        return sum(new if canary else old + new for _, old, new in self._seconds) / over

    def _judges(self) -> Judge:
        if self._judge is None:
            self._judge = self._around.judge(self.spec, self._record.judge)
        return self._judge

    # the route

    def _preflight(self) -> None:
        """Have the route held, and begin when it is and the endpoints are healthy."""
        if self._pending is not None or self._holding:
            return
        sick = self._sick()
        if sick:
            if self.progress.in_state >= PREFLIGHT_LONGEST:
                self._take(self.machine.preflighted(sick))
        elif self._has_route and self._let_go_again is None:  # otherwise another release may have taken it meanwhile
            self._take(self.machine.preflighted())
        else:
            self._holding = True
            self._around.datapath.hold(self.spec).addCallbacks(self._held, lambda reason: self._held([reason.getErrorMessage()]))

    def _held(self, problems: Any) -> None:
        self._holding = False
        if not problems:
            self._has_route, self._let_go_again = True, None
        if self.progress.state is State.PREFLIGHT:
            if problems:
                self._take(self.machine.preflighted(problems))
            else:
                self._preflight()
        elif not self.progress.held:
            self._let_go()

    def _sick(self) -> list[str]:
        healthy = self._around.datapath.healthy_endpoints
        ends = [(name, *healthy(name)) for name in (self.spec.baseline, self.spec.canary)]
        return [f"{name} has no healthy endpoint (0 of {every})" for name, well, every in ends if not well]

    def _let_go(self) -> None:
        if not self._has_route:
            return
        self._has_route, self._letting_go, self._let_go_again = False, True, None

        def told(problems: Any) -> None:
            self._letting_go = False
            if problems:
                self._has_route = True
                self._let_go_again = self._around.monotonic() + LET_GO_EVERY
                self._say(f"{_STUCK}{'; '.join(problems)}")
            elif self.problem.startswith(_STUCK):
                self.problem = ""

        self._around.datapath.let_go(self.spec.name).addCallbacks(told, lambda reason: told([reason.getErrorMessage()]))

    # what people want

    def verb(
        self, verb: str, actor: Actor, to: int | None = None, full: bool = False, unless: Callable[[], Exception | None] | None = None
    ) -> Deferred[Progress]:
        """Do what *actor* wants (`states.Verb`). Fires when it is done; fails with `Refused` when it does not fit, and with whatever the
        store says when it cannot be written down and therefore was not done. *unless* is asked when it is its turn, for by then the release
        may be another than *actor* has seen: what it returns is what is against it."""
        wanted = Verb(verb)

        def do() -> Deferred[Progress]:
            against = unless() if unless is not None else None
            return self._do(wanted, actor, to, full) if against is None else fail(against)

        return do() if wanted in (Verb.ABORT, Verb.BRAKE, Verb.REJECT) else self._in_turn(do)

    def supersede(self, actor: Actor, by: str) -> Deferred[Progress]:
        """Leave the route to the release *by*: what becomes of it is that one's to say. Fires when it is written down."""

        def do() -> Deferred[Progress]:
            progress = self.progress  # it may have ended by itself when it is its turn
            return self._make(self.machine.supersede(actor, by)) if progress.held or not progress.state.over else succeed(progress)

        return self._in_turn(do)

    def settled(self) -> Deferred[str]:
        """Have everything that was made be written down; fires when that is so, or cannot be: then with why."""
        done: Deferred[str] = Deferred()
        self._settling.append(done)
        self._write()
        self._settle()
        return done

    @property
    def unwritten(self) -> bool:
        """Whether something that holds here already is not written down."""
        return bool(self._unwritten)

    def _settle(self) -> None:
        if not self._writing and self._pending is None and (not self._unwritten or self._failing or self._stopped):
            settling, self._settling = self._settling, []
            for one in settling:
                one.callback(self.problem if self._unwritten else "")

    def _in_turn(self, what: Callable[[], Deferred[Progress]]) -> Deferred[Progress]:
        if self._failing and not self._writing and self._pending is None:
            self._failing = False
            self._write()  # somebody may have made room
        if not self._busy:
            return what()
        done: Deferred[Progress] = Deferred()
        self._queue.append(lambda: what().chainDeferred(done))
        return done

    @property
    def _busy(self) -> bool:
        """Whether something is being written, or about to be."""
        return self._writing or self._pending is not None or (bool(self._unwritten) and not self._failing)

    def _do(self, verb: Verb, actor: Actor, to: int | None, full: bool) -> Deferred[Progress]:
        try:
            return self._make(self.machine.verb(verb, actor, to, full, self.evidence, self.facts()))
        except Refused:
            return fail(Failure())

    # gates

    def _answered(self, answer: GateAnswer, gate: Gate) -> None:
        if not self._stopped:
            self._take(
                self.machine.gate_answered(answer.verdict, answer.reason, Actor(f"the webhook {gate.name}", answer.reason), self.evidence)
            )

    # transitions

    def _take(self, transition: Transition | None) -> None:
        """Have *transition*, which the machine has made by itself, come true; if it cannot, it comes again or the release is paused."""
        if transition is None:
            return
        waits = self._pending is not None or (self._busy and raises(transition))
        if waits and transition.after.state not in _URGENT:
            self.machine.take_back()  # it comes again when what is being written is
            return
        self._make(transition).addErrback(self._dropped, transition)

    def _dropped(self, reason: Failure, transition: Transition) -> None:
        if reason.check(ShifterError):  # nobody tried to write it down
            self._not_made(reason, transition)

    def _not_made(self, reason: Failure, transition: Transition) -> None:
        """Stay there, because *transition* could not be written down: that is written down in its stead, whatever the store has by now."""
        if self._stopped or reason.check(Closed):
            return
        what = percent(transition.after.share) if raises(transition) else f"`{transition.event}`"
        self._take(self.machine.halt(f"{what} could not be written down ({reason.getErrorMessage()})", self.evidence))

    def _make(self, transition: Transition) -> Deferred[Progress]:
        """Have *transition* come true, by rule 1 or by rule 2."""
        transition = replace(transition, at=self._around.wall())
        if raises(transition) or transition.event in _FIRST_WRITTEN:
            self.machine.take_back()
            if self._busy or self._unwritten:
                return fail(ShifterError(self.problem or "something else is being written down"))
            return self._write_first(transition)
        done: Deferred[Progress] = Deferred()
        self._unwritten.append(_Unwritten(transition, done))
        self._unsteered = True
        self._hold_true(transition)
        self._write()
        return done

    def _write_first(self, transition: Transition) -> Deferred[Progress]:
        self._pending, at = transition, self.progress.version
        self.machine.skip(transition.after.version)

        def written(numbered: Transition) -> Progress:
            self._pending = None
            self.problem = ""
            if self.progress.version == at:
                self.machine.adopt(transition)
                self._steer(transition.after)
                self._hold_true(transition)
            elif self._unwritten:  # it was taken back meanwhile: that is what was written down before
                first = self._unwritten[0]
                first.transition = replace(first.transition, before=transition.after)
            self._tell(numbered)
            return self.progress

        def failed(reason: Failure) -> Failure:
            self._pending = None
            self._say(f"version {transition.after.version} cannot be written down: {reason.getErrorMessage()}")
            self._not_made(reason, transition)
            return reason

        def settled(result: Any) -> Any:
            self._write()
            self._next()
            self._settle()
            return result

        return self._commit(transition).addCallbacks(written, failed).addBoth(settled)

    def _catch_up(self) -> None:
        """Wait no longer for what is not written down yet to be so."""
        if self._unsteered:
            self._steer(self.progress)

    def _steer(self, progress: Progress) -> None:
        """Have the data path do what *progress* says, if it does not do what came after that by now."""
        self._unsteered = False
        if progress.version < self._steered:
            return
        self._steered = progress.version
        if (progress.held or self._has_route) and progress.state is not State.SUPERSEDED:
            self._around.datapath.steer(self.spec.name, progress)

    def _hold_true(self, transition: Transition) -> None:
        """Do what *transition* says, but for what it has the data path do."""
        event, after, spec = transition.event, transition.after, self.spec
        if event == "retried":
            self._judge, self.evidence = self._around.judge(spec, None), _NOTHING
            self._kept, self._uncounted = Kept({}), []
            self._asker = Asker(self._around, self._kept, self._answered)
        if event == "gate_approved" and (gate := spec.steps[after.step - 1].gate) is not None:
            self._kept.opened(gate.name)
        if after.state.over != transition.before.state.over:
            self._kept.ended = transition.at if after.state.over else None
        if after.state in ACTIVE:
            tell_judge(self._judges(), spec, transition)
        if event in ("retried", "undone") and transition.before.state.over:
            self._around.outreach.watch(spec)
        if not after.held and after.state.over and after.state is not State.SUPERSEDED:
            self._let_go()

    def _tell(self, written: Transition) -> None:
        """*written* was written down: tell those who want to know."""
        try:
            self._around.outreach.told(written)
            if written.after.state.over and (written.event == "finished" or not written.before.state.over):
                self._around.outreach.leave(self.spec.name)
        except Exception:  # it has happened all the same
            _log.failure("release {name}: {event} could not be told", name=self.spec.name, event=written.event)
        if self._stopped:
            return
        if written.after.state is State.PREFLIGHT:
            self._preflight()
        elif written.event == "gate_approved":
            self._take(self.machine.tick(self.evidence, 0.0, self.facts()))

    def _write(self) -> None:
        """Write down what is made and was not written."""
        if self._writing or self._pending is not None or not self._unwritten or self._stopped:
            return
        self._writing = True
        first = self._unwritten[0]

        def written(numbered: Transition) -> None:
            self._writing = self._failing = False
            self.problem = ""
            self._unwritten.popleft()
            if self._unsteered:
                self._steer(first.transition.after)
                self._unsteered = bool(self._unwritten)
            self._tell(numbered)
            if first.waiting is not None:
                first.waiting.callback(self.progress)
            self._write()

        def failed(reason: Failure) -> None:
            self._writing, self._failing = False, True
            self._catch_up()
            tried = first.transition
            # it may be written down all the same: what is tried again has to be allowed on top of it
            first.transition = replace(tried, before=replace(tried.before, version=tried.after.version))
            self._say(f"version {tried.after.version} cannot be written down yet: {reason.getErrorMessage()}")
            for one in self._unwritten:  # it is done all the same, and is written down when that can be done
                waiting, one.waiting = one.waiting, None
                if waiting is not None:
                    waiting.callback(self.progress)

        self._commit(first.transition).addCallbacks(written, failed).addBoth(self._go_on)

    def _go_on(self, _: object) -> None:
        self._next()
        self._settle()

    def _commit(self, transition: Transition) -> Deferred[Transition]:
        judge = self._judge.to_state() if self._judge is not None else None
        users = self._counted()
        try:
            written = self._around.store.commit(transition, judge, users, self._counts())
        except Exception:
            written = fail(Failure())
        return written.addErrback(self._not_counted, users)

    def _counts(self) -> Mapping[str, object]:
        return self._kept.to_dict(self._around.datapath.observed(self.spec.name))

    def _counted(self) -> Sequence[Counted]:
        """Return the users who were counted and are to be written down."""
        users, self._uncounted = [*self._uncounted, *self._around.datapath.counted(self.spec.name)], []
        return users

    def _not_counted(self, reason: Failure, users: Sequence[Counted]) -> Failure:
        """*users* could not be written down."""
        self._uncounted[:0] = users
        return reason

    def _next(self) -> None:
        while self._queue and not self._busy and not self._stopped:
            self._queue.popleft()()

    def keep(self) -> None:
        """Write down what is known by now, though nothing has happened."""
        progress = self.progress
        if progress.state.over or self._judge is None or self._busy or self._unwritten:
            return
        users = self._counted()
        kept = self._around.store.keep(self.spec.name, progress, self._judge.to_state(), self._counts(), self._around.wall(), users)
        kept.addErrback(self._not_counted, users)
        kept.addErrback(lambda reason: self._say(f"the evidence cannot be written down: {reason.getErrorMessage()}"))

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            _log.error("release {name}: {problem}", name=self.spec.name, problem=problem)

    # for people

    def status(self, points: int | None = None) -> Mapping[str, object]:
        """Return all that people may see of it, as JSON has it; of the series only the last *points*."""
        name, around, facts = self.spec.name, self._around, self.facts()
        look = Look(
            *(self.machine, self._shown(), facts, self._kept, self._noticed, self._record.started, around.wall()),
            observed=self._kept.observed(around.datapath.observed(name)),
            notifications=around.outreach.notifications(name),
            checks=around.outreach.checks(name),
            needs=self._needed(facts.rate),
            problem=self.problem,
        )
        return look.to_dict(points)

    def _shown(self) -> Evidence:
        """Return the evidence, or what was known when another process saw the last of it."""
        known = self._record.judge
        if self.evidence is _NOTHING and self._judge is None and known is not None:
            self.evidence = self._around.judge(self.spec, known).tick(Second(), 0.0)
        return self.evidence

    def _needed(self, rate: float | None) -> Sequence[Mapping[str, object] | None]:
        """Return what each step needs at this *rate*; found out anew now and then."""
        needs = self._around.needs
        if needs is None or not rate:
            return ()
        now = self._around.monotonic()
        if now >= self._needs_until:
            self._needs_until = now + NEEDS_EVERY
            self._steps_need = needs(self.spec, rate)
        return self._steps_need
