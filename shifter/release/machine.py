"""A release, moved on by what is seen of it and by people: evidence and verbs in, transitions out.

Rule 1. It is synchronous and pure: it writes nothing down, steers nothing, and knows no clock. Time is the seconds that `tick` is told
        have passed. So whole releases are simulated with what carries real ones out.
Rule 2. A transition holds in here from the moment it is returned. Who cannot write it down takes it back (`take_back`).
Rule 3. What is no line of `states` cannot happen. What the table allows and good sense does not (no step lies before the first) is
        refused here, with a sentence; a verb that is refused changes nothing.
Rule 4. What follows when time is over follows in every second after that, too: who could not write it down then can do it later. What is
        only told is told once (`Progress.undecided`).
Rule 5. `Progress.share` is only more than before where the step begins that says so, where a brake ends, or where it has succeeded.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from shifter.model.change import Actor
from shifter.model.release import MILLION, OnTimeout, Progress, ReleaseSpec, State, Step, Transition, Undecided, percent
from shifter.release import rules
from shifter.release.errors import Refused
from shifter.release.evidence import Evidence
from shifter.release.interfaces import Judge
from shifter.release.rules import Facts, Guard
from shifter.release.states import ACTIVE, Course, Verb, moves_of, verbs_in

SHIFTER = Actor("shifter")
"""Who does what nobody asked for."""
_NOTHING = Evidence()
_NO_TRAFFIC: Mapping[str, Any] = {"share": 0, "forced": False, "mirror": 0, "aim": 0, "before_pause": None, "by_hand": False}
_STAYS = {State.SUCCEEDED: "succeeded", State.ROLLED_BACK: "rolled_back", State.ABORTED: "aborted"}
_AGING = frozenset((State.WARMING, State.OBSERVING, State.BAKING))

__all__ = ["SHIFTER", "Facts", "Refused", "ReleaseMachine", "Verb", "raises", "tell_judge"]


def raises(transition: Transition) -> bool:
    """Say whether *transition* moves towards the new version: whether the canary gets requests by it that it did not get."""
    before, after = transition.before, transition.after
    return after.share > before.share or after.forced > before.forced or after.mirror > before.mirror


def tell_judge(judge: Judge, spec: ReleaseSpec, transition: Transition) -> None:
    """Tell *judge* what he has to know of *transition*, which holds now."""
    before, after = transition.before, transition.after
    if after.state not in ACTIVE:
        return
    if State.BRAKED in (before.state, before.before_pause) and State.BRAKED not in (after.state, after.before_pause):
        judge.resume()  # even if a braked canary has no fewer requests: what it was braked for has been dealt with
    if after.state is State.BRAKED and before.state is not State.BRAKED:
        judge.brake(after.by_hand)
    if (after.step, after.aim) != (before.step, before.aim):
        judge.begin_step(spec.steps[after.step - 1].warm_up)


class ReleaseMachine:
    """See the module. ``look_again`` is whether, in the last `tick`, a braked release was looked at and left braked: the judge is to be
    told (`Judge.look_again`)."""

    __slots__ = ("_before", "_course", "_guard", "_moves", "_tried", "_window", "look_again", "spec")

    def __init__(self, spec: ReleaseSpec, progress: Progress | None = None) -> None:
        self.spec = spec
        self.look_again = False
        self._guard = Guard(spec.verdict)
        self._window = 0.0
        self._tried = 0
        self._be(progress if progress is not None else Progress())
        self._before = self.progress

    def __repr__(self) -> str:
        progress = self.progress
        return f"<ReleaseMachine {self.spec.name} {progress.state.value} step={progress.step} share={percent(progress.share)}>"

    @property
    def progress(self) -> Progress:
        """How far the release is."""
        return self._course.progress

    @property
    def step(self) -> Step | None:
        """The current step."""
        number = self.progress.step
        return self.spec.steps[number - 1] if number else None

    # the beginning and the end

    def start(self, actor: Actor) -> Transition:
        """Begin: preflight."""
        return self._move(self._moves.check, "started", _by("started", actor) + f"; {_steps(len(self.spec.steps))}", actor)

    def preflighted(self, problems: Sequence[str] = ()) -> Transition:
        """The preflight is over: the release holds its route, and its first step begins; or there are *problems*."""
        if problems:
            return self._move(self._moves.abort, "aborted", "it cannot begin: " + "; ".join(problems), SHIFTER, **_NO_TRAFFIC)
        step = self.spec.steps[0]
        return self._begin(step, step.served, "step", "all is well", SHIFTER)

    def drained(self) -> Transition | None:
        """The canary has nothing in flight any more."""
        if self.progress.state is not State.ROLLING_BACK:
            return None
        why = self.progress.reason.removeprefix("rolling back: ")
        return self._move(self._moves.drained, "rolled_back", f"rolled back: {why}", SHIFTER)

    def supersede(self, actor: Actor, by: str) -> Transition:
        """The release *by* takes the route."""
        return self._move(self._moves.supersede, "superseded", f"{by} takes its route", actor, **_NO_TRAFFIC, held=False)

    # what is seen

    def tick(self, evidence: Evidence, passed: float, facts: Facts = Facts()) -> Transition | None:
        """*passed* seconds have gone by, after which there is this *evidence*. At most one thing happens."""
        self.look_again = False
        before = self.progress
        state = before.state
        in_step = before.in_step + passed if state in _AGING else before.in_step
        self._course.progress = progress = replace(before, in_state=before.in_state + passed, in_step=in_step)
        if state is State.ROLLING_BACK:
            return self.drained() if not evidence.in_flight[1] or progress.in_state >= rules.DRAIN_LONGEST else None
        step = self.step
        if state not in ACTIVE or step is None:
            return None
        against = self._guard.against(evidence, passed, facts)
        if against is not None:
            return self._roll_back(against, evidence)
        braked = State.BRAKED in (state, progress.before_pause)
        if evidence.alarms and not braked and progress.share and self.spec.verdict.brake:
            strong = f"strong evidence against the canary (e = {rules.weight_of(evidence.fast)}): {evidence.sentence}"
            return self._brake(strong, SHIFTER, evidence, facts)
        if state is State.BRAKED:
            return self._braked(evidence, passed)
        if state is State.GATED:
            return self._gated(step, evidence)
        if state is State.WARMING:
            return self._warming(step, evidence)
        if state is State.PAUSED:
            return None
        return self._observing(step, evidence)

    def _warming(self, step: Step, evidence: Evidence) -> Transition | None:
        if self.progress.in_step < step.warm_up:
            return None
        move = self._moves.bake if self._bakes(step, self.progress.aim) else self._moves.observe
        return self._move(move, "warmed_up", f"the {rules.seconds(step.warm_up)} of its warm-up are over", SHIFTER, evidence)

    def _observing(self, step: Step, evidence: Evidence) -> Transition | None:
        progress = self.progress
        over = rules.over(step, progress, evidence)
        if over is not None:
            return self._end_step(step, over, evidence)
        if step.length is not None or progress.in_step < step.max:
            return None
        undecided = f"undecided after {rules.seconds(step.max)}: {evidence.sentence}"
        if rules.proves(progress) and step.undecided is Undecided.ROLL_BACK:
            return self._roll_back(f"{undecided}; its policy is to roll back", evidence)
        if rules.proves(progress) and step.undecided is Undecided.ADVANCE:
            return self._end_step(step, f"{undecided}; its policy is to go on", evidence)
        if progress.undecided:
            return None
        waits = f"{step.title} has nothing to prove, no length and no gate: it is over when somebody promotes it"
        told = f"{undecided}; it waits" if rules.proves(progress) else waits
        return self._move(self._moves.note, "undecided", told, SHIFTER, evidence, in_state=progress.in_state, undecided=True)

    def _end_step(self, step: Step, why: str, evidence: Evidence) -> Transition:
        if step.gate is None:
            return self._advance(step, "step", f"{step.title} is over: {why}", SHIFTER, evidence)
        reason = f"{step.title} is over: {why}; the gate {step.gate.name} waits for an answer"
        return self._move(self._moves.wait, "gate_waiting", reason, SHIFTER, evidence, gate="", question=self.progress.version + 1)

    def _gated(self, step: Step, evidence: Evidence) -> Transition | None:
        progress, gate = self.progress, step.gate
        if gate is None or progress.gate == "approved":
            return self._advance(step, "step", f"{step.title} is over, and its gate is open", SHIFTER, evidence)
        if not gate.deadline or progress.in_state < gate.deadline or gate.on_timeout is OnTimeout.HOLD:
            return None
        late = f"no answer in {rules.seconds(gate.deadline)}"
        return self.gate_answered("approved" if gate.on_timeout is OnTimeout.APPROVE else "rejected", late, evidence=evidence)

    def _braked(self, evidence: Evidence, passed: float) -> Transition | None:
        progress = self.progress
        if progress.by_hand:
            return None
        self._window += passed
        if self._window >= rules.BRAKE_WINDOW and evidence.recent_requests >= rules.BRAKE_REQUESTS:
            seen = f"{evidence.recent_excess * 100:.1f} points of {evidence.recent_requests} canary requests failed in excess"
            if rules.calm(evidence) and progress.brakes <= rules.BRAKE_TIMES:
                return self._unbrake(f"{seen} in {self._window:.0f} s, less than {rules.BRAKE_EXCESS * 100:g}", SHIFTER, evidence)
            if rules.confirms(evidence):
                return self._roll_back(f"{seen} in {self._window:.0f} s after the brake, too: {evidence.sentence}", evidence)
            self.look_again = True
            self._window = 0.0
        if progress.in_state < rules.BRAKE_LONGEST:
            return None
        tired = f", braked {progress.brakes} times" if progress.brakes > rules.BRAKE_TIMES else ""
        return self._roll_back(f"still braked after {rules.BRAKE_LONGEST:.0f} s{tired}: {evidence.sentence}", evidence)

    def gate_answered(self, verdict: str, reason: str = "", actor: Actor = SHIFTER, evidence: Evidence = _NOTHING) -> Transition | None:
        """The gate that the release waits for was answered: ``approved`` or ``rejected`` (``waiting`` is no answer)."""
        step = self.step
        if self.progress.state is not State.GATED or step is None or step.gate is None or self.progress.gate == "approved":
            return None
        said = f"the gate {step.gate.name} was {verdict}" + (f" by {actor.by}" if actor is not SHIFTER else "")
        said += f": {reason}" if reason else ""
        if verdict == "approved":
            return self._move(self._moves.note, "gate_approved", said, actor, evidence, gate=verdict, in_state=self.progress.in_state)
        if verdict == "rejected":
            return self._roll_back(said, evidence, "gate_rejected", actor, gate=verdict)
        return None

    # what people want

    def fitting(self) -> tuple[Verb, ...]:
        """Return the verbs that fit now."""
        return tuple(verb for verb in verbs_in(self.progress.state) if self._refusal(verb) is None)

    def verb(
        self, verb: Verb, actor: Actor, to: int | None = None, full: bool = False, evidence: Evidence = _NOTHING, facts: Facts = Facts()
    ) -> Transition:
        """Do what *actor* wants. *to* (a share of `MILLION`) and *full* are of `Verb.PROMOTE`. Raises `Refused` when it does not fit."""
        refusal = self._refusal(verb)
        if refusal is None and verb is Verb.PROMOTE:
            return self._promote(actor, to, full, evidence)
        if refusal is not None:
            raise self._refused(refusal)
        return self._does(verb)(actor, evidence, facts)

    def halt(self, reason: str, evidence: Evidence = _NOTHING) -> Transition | None:
        """Stay where it is, for another *reason* than that a person wants it: paused, if it is in a step. ``None`` in a preflight and while
        it is rolled back: there nothing is gained by that."""
        progress, moves = self.progress, self._moves
        state = progress.state
        if state in ACTIVE:
            before = progress.before_pause if state is State.PAUSED else state
            return self._move(moves.pause, "paused", f"paused: {reason}", SHIFTER, evidence, before_pause=before)
        if state is State.PENDING:
            return self._move(moves.abort, "aborted", f"it cannot begin: {reason}", SHIFTER, evidence, **_NO_TRAFFIC)
        if state in _STAYS:
            return self._move(
                moves.note, _STAYS[state], f"{state.value}, and stays so: {reason}", SHIFTER, evidence, in_state=progress.in_state
            )
        return None

    def _does(self, verb: Verb) -> Callable[[Actor, Evidence, Facts], Transition]:
        return {
            Verb.PAUSE: self._pause,
            Verb.RESUME: self._resume,
            Verb.BRAKE: lambda actor, evidence, facts: self._brake(_by("braked", actor), actor, evidence, facts),
            Verb.ABORT: self._abort,
            Verb.RETRY: self._retry,
            Verb.UNDO: self._undo,
            Verb.FINISH: self._finish,
            Verb.APPROVE: lambda actor, evidence, _facts: self._answer("approved", actor, evidence),
            Verb.REJECT: lambda actor, evidence, _facts: self._answer("rejected", actor, evidence),
        }[verb]

    def _refused(self, sentence: str) -> Refused:
        return Refused(self.progress.state, sentence, [verb.value for verb in self.fitting()])

    def _refusal(self, verb: Verb) -> str | None:
        """Say why *verb* does not fit, if it does not."""
        progress = self.progress
        state = progress.state
        if verb not in verbs_in(state):
            return f"{self.spec.name} is {state.value}: nobody can {verb.value} it now"
        if state is State.SUCCEEDED and not progress.held:
            return f"{self.spec.name} has let go of its route: the configuration's file says what becomes of it"
        if verb is Verb.FINISH and not progress.held:
            return f"{self.spec.name} has let go of its route already"
        if verb is Verb.PROMOTE and progress.before_pause is State.BRAKED:
            return f"{self.spec.name} was braked before it was paused: resume or abort it"
        if verb is Verb.UNDO and progress.step <= 1:
            return f"there is no step before the first: abort {self.spec.name} to give {self.spec.canary} nothing"
        if verb is Verb.BRAKE and not progress.share:
            return f"{self.spec.canary} gets no requests by chance in this step: there is nothing to brake"
        if verb in (Verb.APPROVE, Verb.REJECT) and progress.gate == "approved":
            return "the gate is open already"
        return None

    def _pause(self, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        state = self.progress.state
        return self._move(self._moves.pause, "paused", _by("paused", actor), actor, evidence, before_pause=state)

    def _resume(self, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        progress, moves = self.progress, self._moves
        reason = _by("resumed", actor)
        if progress.state is State.BRAKED:
            return self._unbrake(reason, actor, evidence)
        if progress.before_pause is State.BRAKED:
            self._window = 0.0
            return self._move(moves.brake, "resumed", f"{reason}; it is braked", actor, evidence, before_pause=None)
        back = {State.WARMING: moves.warm, State.BAKING: moves.bake, State.GATED: moves.wait}
        move = back.get(progress.before_pause or State.OBSERVING, moves.observe)
        return self._move(move, "resumed", reason, actor, evidence, before_pause=None)

    def _abort(self, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        return self._move(self._moves.abort, "aborted", _by("aborted", actor), actor, evidence, **_NO_TRAFFIC)

    def _retry(self, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        anew = {"step": 0, "in_step": 0.0, "undecided": False, "brakes": 0, "gate": "", "attempt": self.progress.attempt + 1}
        changes = {**_NO_TRAFFIC, **anew}
        return self._move(self._moves.check, "retried", _by("begun anew", actor), actor, evidence, **changes)

    def _undo(self, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        step = self.spec.steps[self.progress.step - 2]
        back = f"{_by('taken one step back', actor)}; {rules.begins(step, self.spec, step.served)}; it is paused there"
        changes = self._in(step, step.served)
        return self._move(self._moves.pause, "undone", back, actor, evidence, **{**changes, "before_pause": self._state_in(step)})

    def _finish(self, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        reason = f"{_by('finished', actor)}: the route is what the configuration's file says"
        before = self.progress
        found = self._move(self._moves.note, "finished", reason, actor, evidence, held=False, in_state=before.in_state)
        self._be(replace(self.progress, reason=before.reason))  # why it is over is still to be read
        return replace(found, after=self.progress)

    def _answer(self, verdict: str, actor: Actor, evidence: Evidence) -> Transition:
        answered = self.gate_answered(verdict, actor.why, actor, evidence)
        if answered is None:
            raise self._refused("there is no gate that waits")
        return answered

    def _promote(self, actor: Actor, to: int | None, full: bool, evidence: Evidence) -> Transition:
        progress, steps = self.progress, self.spec.steps
        by = _by("promoted", actor)
        if full:
            last = next((step for step in reversed(steps) if step.share == MILLION), None)
            step, share = (last, last.served) if last is not None else (steps[-1], MILLION)
            if progress.step >= step.number and progress.aim >= share:
                return self._succeed(by, actor, evidence)
            return self._begin(step, share, "promoted", by, actor, evidence)
        if to is None:
            return self._advance(steps[progress.step - 1], "promoted", by, actor, evidence)
        if not progress.aim < to <= MILLION:
            has = f"{self.spec.canary} has {percent(progress.aim)} of the requests in this step"
            raise self._refused(f"a release is promoted to more than it has, and to 100 % at most: {has}, {percent(to)} was asked for")
        found = rules.first(self.spec, to) or next((step for step in steps if step.share), steps[-1])
        step = found if found.number >= progress.step else steps[progress.step - 1]
        return self._begin(step, step.served if to == step.share else to, "promoted", by, actor, evidence)

    # the moves

    def take_back(self) -> None:
        """Be as before the last transition was made."""
        self._be(self._before)

    def adopt(self, transition: Transition) -> None:
        """Be as *transition*, which was taken back, says."""
        self._be(transition.after)

    def skip(self, version: int) -> None:
        """Do not use the number *version* for another transition: nobody knows whether the one that has it was written down."""
        self._tried = max(self._tried, version)

    def _be(self, progress: Progress) -> None:
        self._course = Course(progress)
        self._moves = moves_of(self._course)

    def _advance(self, step: Step, event: str, why: str, actor: Actor, evidence: Evidence) -> Transition:
        """Begin the step after *step*, or be over."""
        if step.number >= len(self.spec.steps):
            return self._succeed(why, actor, evidence)
        after = self.spec.steps[step.number]
        return self._begin(after, after.served, event, why, actor, evidence)

    def _begin(self, step: Step, share: int, event: str, why: str, actor: Actor, evidence: Evidence = _NOTHING) -> Transition:
        moves = self._moves
        state = self._state_in(step, share)
        move = {State.WARMING: moves.warm, State.BAKING: moves.bake}.get(state, moves.observe)
        baking = event == "step" and state is State.BAKING
        reason = f"{why}; {rules.begins(step, self.spec, share)}"
        return self._move(move, "baking" if baking else event, reason, actor, evidence, **self._in(step, share))

    def _in(self, step: Step, share: int) -> dict[str, Any]:
        """Return what is so at the beginning of *step*, when the canary has *share*."""
        forced = any(one.header is not None for one in self.spec.steps[: step.number])
        copies = step.mirror.share if step.mirror is not None else 0
        given = {"step": step.number, "share": share, "aim": share, "forced": forced, "mirror": copies, "held": True}
        return {**given, "in_step": 0.0, "undecided": False, "gate": "", "before_pause": None, "by_hand": False}

    def _state_in(self, step: Step, share: int | None = None) -> State:
        """Return the state that *step* begins with."""
        if step.warm_up > 0:
            return State.WARMING
        return State.BAKING if self._bakes(step, step.served if share is None else share) else State.OBSERVING

    def _bakes(self, step: Step, share: int) -> bool:
        last = step.number == len(self.spec.steps)
        return last and step.share == MILLION and step.length is not None and share == step.served

    def _succeed(self, why: str, actor: Actor, evidence: Evidence) -> Transition:
        progress, spec = self.progress, self.spec
        share = MILLION if spec.steps[-1].share == MILLION else progress.aim
        reason = f"{why}; that was the last step: {spec.canary} has {percent(share)}"
        changes = {"share": share, "aim": share, "mirror": 0, "before_pause": None}
        return self._move(self._moves.succeed, "succeeded", reason, actor, evidence, **changes)

    def _roll_back(
        self, why: str, evidence: Evidence, event: str = "rolling_back", actor: Actor = SHIFTER, gate: str | None = None
    ) -> Transition:
        changes = {**_NO_TRAFFIC, "gate": gate} if gate is not None else _NO_TRAFFIC
        return self._move(self._moves.roll_back, event, f"rolling back: {why}", actor, evidence, **changes)

    def _brake(self, why: str, actor: Actor, evidence: Evidence, facts: Facts) -> Transition:
        progress = self.progress
        share = rules.braked_share(progress.share, facts.rate)
        by_hand = actor is not SHIFTER
        rate = f", about one request in {1e6 / share / facts.rate:.2g} s" if facts.rate else ""
        reason = f"{why}; {percent(progress.share)} -> {percent(share)}{rate}"
        paused = progress.before_pause if progress.before_pause is not State.BRAKED else None
        self._window = 0.0
        changes = {"share": share, "by_hand": by_hand, "before_pause": paused, "brakes": progress.brakes + (not by_hand)}
        return self._move(self._moves.brake, "braked", reason, actor, evidence, **changes)

    def _unbrake(self, why: str, actor: Actor, evidence: Evidence) -> Transition:
        progress, moves, step = self.progress, self._moves, self.step
        assert step is not None
        after = State.BAKING if self._bakes(step, progress.aim) else State.OBSERVING
        changes = {"share": progress.aim, "by_hand": False, "in_step": 0.0, "undecided": False}
        reason = f"{why}; {percent(progress.share)} -> {percent(progress.aim)}"
        if progress.before_pause is not None and actor is SHIFTER:
            return self._move(moves.pause, "resumed", f"{reason}, paused as before", actor, evidence, **changes, before_pause=after)
        move = moves.bake if after is State.BAKING else moves.observe
        return self._move(move, "resumed", reason, actor, evidence, **changes, before_pause=None)

    def _move(
        self, move: Callable[[Progress], None], event: str, reason: str, actor: Actor, evidence: Evidence = _NOTHING, **changes: Any
    ) -> Transition:
        self._before = progress = self.progress
        before = replace(progress, version=max(progress.version, self._tried))
        move(replace(before, **{"in_state": 0.0, **changes}, reason=reason, version=before.version + 1))
        seen = evidence.to_dict() if evidence is not _NOTHING else {}
        return Transition(self.spec.name, event, before, self.progress, actor, reason, 0.0, seen)


def _by(what: str, actor: Actor) -> str:
    """Say who did *what*, and why."""
    return f"{what} by {actor.by}" + (f" ({actor.why})" if actor.why else "")


def _steps(count: int) -> str:
    return f"{count} steps" if count != 1 else "one step"
