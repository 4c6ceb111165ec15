"""The webhook of the gate that a release waits for: asked until it has answered.

Rule 1. One question is under way at a time. What is answered when the release waits no more, or for another gate, is an answer to nobody.
Rule 2. Nothing waits for an answer: a dead receiver costs the gate its time, and the release nothing else.
"""

from collections.abc import Callable

from shifter.model.release import Gate, GateKind, Progress, State
from shifter.release.around import Around
from shifter.release.evidence import Evidence
from shifter.release.interfaces import GateAnswer
from shifter.release.machine import ReleaseMachine
from shifter.release.status import Kept, route_text

_Wait = tuple[int, int, int]


class Asker:
    """See the module. *answered* is called with what answers the gate that the release waits for then; *kept* is told for people."""

    __slots__ = ("_answered", "_around", "_asked", "_asking", "_kept", "_next")

    def __init__(self, around: Around, kept: Kept, answered: Callable[[GateAnswer, Gate], object]) -> None:
        self._around = around
        self._kept = kept
        self._answered = answered
        self._asking = False
        self._asked: _Wait | None = None
        self._next = 0.0

    def ask(self, now: float, machine: ReleaseMachine, evidence: Evidence) -> None:
        """Ask, if there is a gate to be asked, and if it is time."""
        gate, wait = _waits_for(machine), _wait_of(machine.progress)
        if gate is None or self._asking or (wait == self._asked and now < self._next):
            return
        self._asking, self._asked = True, wait
        self._kept.asked(gate.name, self._around.wall())

        def answered(answer: GateAnswer) -> None:
            self._asking = False
            self._next = self._around.monotonic() + gate.every
            self._kept.answered(gate.name, answer.reason or answer.verdict)
            if _waits_for(machine) is gate and _wait_of(machine.progress) == wait:
                self._answered(answer, gate)

        self._around.outreach.ask(machine.spec, gate, _question(machine, gate, evidence)).addCallback(answered)


def _waits_for(machine: ReleaseMachine) -> Gate | None:
    """Return the gate whose webhook the release waits for."""
    progress, step = machine.progress, machine.step
    if progress.state is not State.GATED or progress.gate or step is None:
        return None
    return step.gate if step.gate is not None and step.gate.kind is GateKind.WEBHOOK else None


def _wait_of(progress: Progress) -> _Wait:
    return progress.attempt, progress.step, progress.version


def _question(machine: ReleaseMachine, gate: Gate, evidence: Evidence) -> dict[str, object]:
    spec, progress, step = machine.spec, machine.progress, machine.step
    said = {"release": spec.name, "route": route_text(spec.route), "baseline": spec.baseline, "canary": spec.canary}
    where = {"gate": gate.name, "step": progress.step, "title": step.title if step is not None else ""}
    how = {"weight": progress.share / 1e4, "waiting": progress.in_state}
    which = {"attempt": progress.attempt, "version": progress.version, "question": progress.question}
    counts = {"requests": list(evidence.requests), "failed": list(evidence.failed), "excess_failed": evidence.excess_failed}
    return {**said, **where, **how, **which, "counts": counts, "evidence": dict(evidence.to_dict()), "verdict": evidence.sentence}
