"""A release that is led as a real one is, on requests that somebody tells of: no time passes, nothing is written down, nobody is asked.

Rule 1. The judge and the machine are those of real releases; a second is one `Rehearsal.second`.
Rule 2. Who would have to be asked says yes: gates open at once, and steps that prove nothing by themselves (a header alone) are over at
        once. Only where a step's policy is to wait for a person does the release stay as it is.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from shifter.model.change import Actor
from shifter.model.release import MILLION, ReleaseSpec, State, Transition
from shifter.observe.comparison import Comparison, Second, Trial
from shifter.release.interfaces import Judge
from shifter.release.machine import Facts, ReleaseMachine, Verb, tell_judge
from shifter.release.states import ACTIVE

_RATE_OVER = 10
"""Seconds over which the rate of requests is averaged."""
_SOMEBODY = Actor("rehearsal")
_AT_ONCE = 100


class Asked(NamedTuple):
    """One request: when it is sent (seconds), to which version, whether it fails, how long it takes in milliseconds, and who asks."""

    at: float
    canary: bool
    failed: bool
    ms: float
    user: int | None = None


class Counting:
    """Has `Comparison` count requests that are known beforehand. ``edges`` are its own."""

    def __init__(self, sticky: bool = False) -> None:
        self.edges: tuple[Sequence[float], Sequence[float]] = ((), ())
        self._comparison = Comparison(sticky)
        self._flying: list[tuple[float, int, Trial, bool]] = []
        self._number = 0

    def second(self, asked: Iterable[Asked], share: int, until: float) -> Second:
        """Return what the second brought that is over at *until*, in which *asked* were sent and the canary had *share* of a million."""
        comparison = self._comparison
        comparison.edges = self.edges
        for at, canary, failed, ms, user in asked:
            self._end(at)
            self._number += 1
            heappush(self._flying, (at + ms / 1e3, self._number, comparison.sent(canary, share, at, user), failed))
        self._end(until)
        return comparison.take(until)

    def _end(self, now: float) -> None:
        flying = self._flying
        while flying and flying[0][0] < now:
            end, _, trial, failed = heappop(flying)
            self._comparison.ended(trial, end, failed)


class Rehearsal:
    """One release, from its first step on. ``edges`` is what latencies are to be measured by from now on."""

    def __init__(self, spec: ReleaseSpec, judge: Judge) -> None:
        self.spec = spec
        self.happened: list[tuple[int, Transition]] = []
        """After how many seconds what happened."""
        self.seconds = 0
        self._judge = judge
        self._machine = ReleaseMachine(spec)
        self._sent: deque[tuple[int, int]] = deque(maxlen=_RATE_OVER)
        self._happens(self._machine.start(_SOMEBODY))
        self._happens(self._machine.preflighted())
        self._ask()

    @property
    def share(self) -> int:
        """The canary's, of a million, in the next second."""
        return self._machine.progress.share

    @property
    def state(self) -> State:
        """How far it is."""
        return self._machine.progress.state

    @property
    def title(self) -> str:
        """How people call the current step."""
        step = self._machine.step
        return step.title if step is not None else ""

    @property
    def edges(self) -> tuple[Sequence[float], Sequence[float]]:
        """See the class."""
        return self._judge.edges

    @property
    def judged(self) -> bool:
        """Whether it may still be rolled back, or go on."""
        return self.state in ACTIVE

    def second(self, seen: Second) -> Transition | None:
        """One more second is over, in which that was *seen*; return what happened, if something did (the first of several)."""
        self.seconds += 1
        self._sent.append((seen.sent[0], seen.sent[1]))
        rate, of_canary = (sum(map(sum, self._sent)), sum(sent for _, sent in self._sent))
        over = len(self._sent)
        evidence = self._judge.tick(seen, of_canary / over)
        transition = self._machine.tick(evidence, 1.0, Facts(rate / over))
        if self._machine.look_again:
            self._judge.look_again()
        if transition is None:
            return None
        self._happens(transition)
        self._ask()
        return transition

    def _happens(self, transition: Transition) -> None:
        self.happened.append((self.seconds, transition))
        tell_judge(self._judge, self.spec, transition)

    def _ask(self) -> None:
        """Have those say yes who would be asked."""
        machine = self._machine
        for _ in range(_AT_ONCE):
            step = machine.step
            if machine.progress.state is State.GATED and machine.progress.gate != "approved":
                answered = machine.gate_answered("approved", actor=_SOMEBODY)
                if answered is None:
                    return
                self._happens(answered)
            elif (
                machine.progress.state is State.OBSERVING
                and step is not None
                and not 0 < machine.progress.aim < MILLION
                and not step.length
            ):
                self._happens(machine.verb(Verb.PROMOTE, _SOMEBODY))
            else:
                return
