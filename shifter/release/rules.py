"""What is found in the evidence of one more second: why a release is to be taken back, braked, let go on, or may take its next step.

Rule 1. Nothing here changes a release, and nothing knows a clock: `machine.ReleaseMachine` asks, and says how many seconds have passed.
Rule 2. Every finding is a sentence with the numbers in it, without its full stop; people read it in the events.
Rule 3. What speaks against the canary is asked first, in every state in which it may have requests, gates and pauses included.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from shifter.model.release import FINEST, MILLION, Floor, Progress, ReleaseSpec, Step, VerdictSettings, percent
from shifter.release.evidence import Evidence
from shifter.release.sentence import number

BRAKED_RATE = 1.0
"""Requests a second that a braked canary gets, about."""
BRAKE_WINDOW = 20.0
"""Seconds after which one looks whether a braked release may go on, ..."""
BRAKE_REQUESTS = 15
"""... if the canary had so many requests by then; otherwise as soon as it had, ..."""
BRAKE_EXCESS = 0.05
"""... and this share of them, or more, must not have failed in excess of the baseline's."""
BRAKE_CONFIRMS = 0.25
"""Of users who stay, few come new to a braked canary, and those who were counted are not counted again: when so many more of its requests
fail than of the baseline's, after strong evidence, it is rolled back for that."""
BRAKE_TIMES = 5
"""A release that was braked more often than that goes on no more."""
BRAKE_LONGEST = 300.0
"""Seconds after which a release that is still braked is rolled back."""
BRAKE_UNKNOWN = 10_000
"""The share of a braked canary while nobody knows how many requests there are."""
_MANY = 10_000.0
NO_ENDPOINT_GRACE = 3.0
"""Seconds for which the canary may be without a healthy endpoint."""
FLOOR_REQUESTS = 10
"""The floor is not asked of fewer requests than that."""
DRAIN_LONGEST = 30.0
"""Seconds that the canary's requests in flight get to end, before the release counts as rolled back."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known beside the evidence: the *rate* of the route's requests, of both versions, a second (``None``: not known), how many
    endpoints of each version are healthy and how many there are, and what Prometheus checks say against the canary."""

    rate: float | None = None
    baseline: tuple[int, int] = (1, 1)
    canary: tuple[int, int] = (1, 1)
    failing_checks: Sequence[str] = ()


class Guard:
    """What has to be remembered from second to second to see what speaks against a canary. It begins anew with each process: that makes
    these rules a few seconds later, and never wrong."""

    __slots__ = ("_floor", "_settings", "_without")

    def __init__(self, settings: VerdictSettings) -> None:
        self._settings = settings
        self._floor = _FloorWatch(settings.floor) if settings.floor is not None else None
        self._without = 0.0

    def against(self, evidence: Evidence, passed: float, facts: Facts) -> str | None:
        """Say why the release is to be rolled back now, if it is."""
        healthy, all_there_are = facts.canary
        self._without = self._without + passed if not healthy and facts.baseline[0] else 0.0
        floor = self._floor.below(evidence, passed) if self._floor is not None else None
        settings = self._settings
        if evidence.condemns:
            return f"e = {weight_of(evidence.value)} ({evidence.threshold:.4g} is enough): {evidence.sentence}"
        budget = settings.exposure_budget
        if budget is not None and evidence.excess_failed >= max(1, budget):
            lost = f"{evidence.excess_failed:.0f} requests failed that the baseline would not have failed"
            return f"the exposure budget is spent: {lost}, {budget} may"
        if floor is not None:
            return floor
        if self._without > NO_ENDPOINT_GRACE:
            return f"the canary has no healthy endpoint: 0 of {all_there_are}, for {self._without:.0f} s"
        if facts.failing_checks:
            return "; ".join(facts.failing_checks)
        return None


class _FloorWatch:
    """The canary's requests of the last seconds: of as many as the floor is about, and of more while they are few.

    It remembers how many there were by then: for each of the last seconds (``_late``), and before that each number of requests once, as
    it was last (``_early``); so a canary without requests costs no memory, however long it has none."""

    __slots__ = ("_early", "_floor", "_late", "_requests", "_time")

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._time = 0.0
        self._requests = 0
        self._early: deque[tuple[float, int, int]] = deque()
        self._late: deque[tuple[float, int, int]] = deque()

    def below(self, evidence: Evidence, passed: float) -> str | None:
        requests, failed = evidence.requests[1], evidence.failed[1]
        early, late = self._early, self._late
        if requests < self._requests:  # another judge counts from nothing
            early.clear()
            late.clear()
        self._requests = requests
        self._time += passed
        late.append((self._time, requests, failed))
        while late and self._time - late[0][0] >= self._floor.seconds:
            if early and early[-1][1] == late[0][1]:
                early.pop()
            early.append(late.popleft())
        while len(early) > 1 and requests - early[1][1] >= FLOOR_REQUESTS:
            early.popleft()
        if not early:
            return None
        began = early[0]
        tried, lost = requests - began[1], failed - began[2]
        if tried < FLOOR_REQUESTS:
            return None
        rate = 1.0 - lost / tried
        if rate >= self._floor.success_rate:
            return None
        said = f"of the canary's last {tried} requests, in {self._time - began[0]:.0f} s, {rate * 100:.1f} % succeeded"
        return f"{said}; {self._floor.success_rate * 100:g} % have to"


def braked_share(share: int, rate: float | None) -> int:
    """Return the share that gives a canary, which has *share* now, about `BRAKED_RATE` of *rate* requests a second; never more than it
    has."""
    if rate is None or rate <= 0.0:
        return min(share, BRAKE_UNKNOWN)
    if rate * share <= BRAKED_RATE * MILLION:
        return share
    return min(share, max(1, round(BRAKED_RATE / rate * MILLION / FINEST)) * FINEST)


def confirms(evidence: Evidence) -> bool:
    """Say whether what came since the brake, too, speaks against a canary whose users stay."""
    return evidence.unit == "user" and evidence.alarms and evidence.recent_excess >= BRAKE_CONFIRMS


def weight_of(value: float) -> str:
    """Return evidence as people read it."""
    return f"{value:.4g}" if value < _MANY else number(value)


def calm(evidence: Evidence) -> bool:
    """Say whether what was seen since the brake looked last is enough, and good enough, to go on."""
    return evidence.recent_requests >= BRAKE_REQUESTS and evidence.recent_excess < BRAKE_EXCESS


def proves(progress: Progress) -> bool:
    """Say whether a canary can be compared with anything in this step: both versions get requests by chance."""
    return 0 < progress.aim < MILLION


def over(step: Step, progress: Progress, evidence: Evidence) -> str | None:
    """Say why *step* is over, but for its gate, if it is."""
    spent = progress.in_step
    if step.length is not None:
        return f"its {seconds(step.length)} are over: {evidence.sentence}" if spent >= step.length else None
    if proves(progress):
        if evidence.proven and spent >= step.min:
            return f"{evidence.sentence} (after {evidence.requests[1]:,} canary requests)"
        return None
    if progress.aim:
        return f"nothing is left to compare with, and {seconds(step.min)} are over" if spent >= step.min else None
    return "there is nothing to prove" if step.gate is not None else None


def first(spec: ReleaseSpec, to: int) -> Step | None:
    """Return the step that a release is in when its canary gets the share *to*: the last of those that give it no more."""
    found = [step for step in spec.steps if 0 < step.served <= to]
    exact = [step for step in found if to in (step.share, step.served)]
    return exact[0] if exact else found[-1] if found else None


def begins(step: Step, spec: ReleaseSpec, share: int) -> str:
    """Say what begins with *step*."""
    if step.header is not None:
        what = f"requests with its header go to {spec.canary}"
    elif step.mirror is not None:
        what = f"{percent(step.mirror.share)} of the requests are copied to {spec.canary}"
    else:
        what = f"{spec.canary} gets {percent(share)}"
    stays = f", {percent(step.hold_back)} stays on {spec.baseline}" if step.hold_back and share == step.served else ""
    length = f", for {seconds(step.length)}" if step.length is not None else ""
    cold = f"; it is cold for {seconds(step.warm_up)}" if step.warm_up else ""
    return f"step {step.number} of {len(spec.steps)}: {what}{stays}{length}{cold}"


def seconds(value: float) -> str:
    """Return a length of time as people say it."""
    if value >= 7200 and value % 1800 == 0:
        return f"{value / 3600:g} h"
    return f"{value / 60:g} min" if value >= 120 and value % 30 == 0 else f"{value:g} s"
