"""The states of a release, and which leads to which: one table, which is the machine, and which docs/releases.md shows.

Rule 1. Each line of `_TABLE` says from which states an input leads where, what has to happen for that, and which verb of a person does
        the same. An input that is in no line for a state cannot happen there: Automat raises.
Rule 2. An input says where to, not why: what was seen, and what a person may do beyond the table (no step lies before the first), is
        decided in `machine` and `rules` before.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from automat import TypeMachineBuilder

from shifter.model.release import Progress, State


class Verb(Enum):
    """What people do to a release."""

    PROMOTE = "promote"
    PAUSE = "pause"
    RESUME = "resume"
    BRAKE = "brake"
    ABORT = "abort"
    RETRY = "retry"
    UNDO = "undo"
    FINISH = "finish"
    APPROVE = "approve"
    REJECT = "reject"


class Moves(Protocol):
    """What a release can be told. Each takes how far it shall be then, but for the state."""

    def check(self, then: Progress) -> None:
        """Find out whether it can begin."""

    def warm(self, then: Progress) -> None:
        """Be in a step, with a cold canary."""

    def observe(self, then: Progress) -> None:
        """Be in a step."""

    def bake(self, then: Progress) -> None:
        """Be in the last step, which is at 100 % and has a length."""

    def wait(self, then: Progress) -> None:
        """Be before a gate."""

    def brake(self, then: Progress) -> None:
        """Give the canary about a request a second."""

    def pause(self, then: Progress) -> None:
        """Stay where it is."""

    def roll_back(self, then: Progress) -> None:
        """Give the canary nothing any more."""

    def drained(self, then: Progress) -> None:
        """The canary has nothing in flight any more."""

    def succeed(self, then: Progress) -> None:
        """All steps are over."""

    def abort(self, then: Progress) -> None:
        """Give the canary nothing any more, at once and for good."""

    def supersede(self, then: Progress) -> None:
        """Leave the route to another release."""

    def note(self, then: Progress) -> None:
        """Stay, and have it written down."""


class Course:
    """What the moves change: how far a release is."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress


@dataclass(frozen=True, slots=True)
class Edge:
    """One line of the table, for one state that it is about: *when* it leads *before* to *after*. *verbs* do the same."""

    before: State
    move: str
    after: State
    when: str
    verbs: tuple[Verb, ...] = ()


_IN_STEP = (State.WARMING, State.OBSERVING, State.BAKING, State.GATED)
_UNDER_WAY = (*_IN_STEP, State.BRAKED, State.PAUSED)
_SEEN = (State.WARMING, State.OBSERVING, State.BAKING)
_OVER = (State.SUCCEEDED, State.ROLLED_BACK, State.ABORTED)
ACTIVE = frozenset(_UNDER_WAY)
"""In which a canary is judged."""

_Input = Callable[[Moves, Progress], None]
_NEXT: tuple[tuple[_Input, State], ...] = (
    (Moves.warm, State.WARMING),
    (Moves.observe, State.OBSERVING),
    (Moves.bake, State.BAKING),
)
_NEXT_STEP = "the step is over, and the next one begins"
_PROMOTE, _RESUME = (Verb.PROMOTE,), (Verb.RESUME,)

_Line = tuple[tuple[State, ...], _Input, State | None, str, tuple[Verb, ...]]


def _table() -> Iterator[_Line]:
    """Yield the lines: from where, by which input, where to (``None``: nowhere else), when, and the verbs that do it."""
    yield (State.PENDING,), Moves.check, State.PREFLIGHT, "it is started", ()
    yield (State.PREFLIGHT,), Moves.abort, State.ABORTED, "there are problems", (Verb.ABORT,)
    for move, state in _NEXT:
        yield (State.PREFLIGHT,), move, state, "all is well: the first step begins", ()
    for move, state in _NEXT[1:]:
        yield (State.WARMING,), move, state, "`warm_up` is over, or a person goes to another step", _PROMOTE
    yield (State.WARMING,), Moves.warm, State.WARMING, "a person goes to another step", _PROMOTE
    for move, state in _NEXT:
        yield (State.OBSERVING, State.BAKING, State.GATED), move, state, _NEXT_STEP, _PROMOTE
    yield (State.OBSERVING, State.BAKING), Moves.wait, State.GATED, "the step is over, and has a gate", ()
    yield (State.GATED,), Moves.note, None, "the gate is open", (Verb.APPROVE,)
    yield (State.OBSERVING, State.BAKING), Moves.note, None, "`max` has passed without a verdict", ()
    yield _SEEN, Moves.succeed, State.SUCCEEDED, "the last step is over", _PROMOTE
    yield (State.GATED,), Moves.succeed, State.SUCCEEDED, "the gate of the last step is open", _PROMOTE
    yield _IN_STEP, Moves.brake, State.BRAKED, "strong evidence that the canary is worse", (Verb.BRAKE,)
    yield (
        (State.PAUSED,),
        Moves.brake,
        State.BRAKED,
        "strong evidence that the canary is worse; or it was braked before",
        (Verb.BRAKE, *_RESUME),
    )
    for move, state in _NEXT[1:]:
        yield (State.BRAKED,), move, state, "20 s with at least 15 canary requests, and less than 5 points of excess failures", _RESUME
    yield (State.BRAKED,), Moves.pause, State.PAUSED, "the same, if it was paused before", (Verb.PAUSE, *_RESUME)
    yield _IN_STEP, Moves.pause, State.PAUSED, "a person wants it, or a step could not be written down", (Verb.PAUSE, Verb.UNDO)
    yield (State.PAUSED,), Moves.pause, State.PAUSED, "a person wants it to be one step earlier", (Verb.UNDO,)
    yield (State.SUCCEEDED,), Moves.pause, State.PAUSED, "a person wants it to be one step earlier", (Verb.UNDO,)
    for move, state in _NEXT:
        yield (State.PAUSED,), move, state, "a person wants it to go on", (*_RESUME, *_PROMOTE)
    yield (State.PAUSED,), Moves.wait, State.GATED, "a person wants it to go on", _RESUME
    yield (State.PAUSED,), Moves.succeed, State.SUCCEEDED, "a person wants it to be over", _PROMOTE
    condemned = "whatever speaks against the canary (see below)"
    yield tuple(one for one in _UNDER_WAY if one is not State.GATED), Moves.roll_back, State.ROLLING_BACK, condemned, ()
    yield (State.GATED,), Moves.roll_back, State.ROLLING_BACK, f"{condemned}; or the gate says no", (Verb.REJECT,)
    yield (State.ROLLING_BACK,), Moves.drained, State.ROLLED_BACK, "the canary has nothing in flight, or 30 s are over", ()
    yield (State.PENDING, *_UNDER_WAY, State.SUCCEEDED), Moves.abort, State.ABORTED, "a person wants it", (Verb.ABORT,)
    yield (State.ROLLED_BACK, State.ABORTED), Moves.check, State.PREFLIGHT, "a person wants it to begin anew", (Verb.RETRY,)
    yield _OVER, Moves.note, None, "a person has the route be what the file says", (Verb.FINISH,)
    others = tuple(one for one in State if one is not State.SUPERSEDED)
    yield others, Moves.supersede, State.SUPERSEDED, "another release takes the route", ()


def _build() -> tuple[Callable[[Course], Moves], tuple[Edge, ...]]:
    builder = TypeMachineBuilder(Moves, Course)
    states = {state: builder.state(state.value) for state in State}
    edges: list[Edge] = []
    for befores, move, after, when, verbs in _table():
        for before in befores:
            to = after if after is not None else before
            edges.append(Edge(before, move.__name__, to, when, verbs))
            states[before].upon(move).to(states[to])(_enter(to))
    machine = builder.build()
    return lambda course: machine(course, states[course.progress.state]), tuple(edges)


def _enter(state: State) -> Callable[[Moves, Course, Progress], None]:
    def enter(moves: Moves, course: Course, then: Progress) -> None:
        course.progress = replace(then, state=state)

    return enter


moves_of, EDGES = _build()
"""The first returns the machine that moves a `Course` on from where it is; the second is the table, state by state."""


def verbs_in(state: State) -> tuple[Verb, ...]:
    """Return the verbs that the table has for *state*."""
    wanted = {verb for edge in EDGES if edge.before is state for verb in edge.verbs}
    return tuple(verb for verb in Verb if verb in wanted)
