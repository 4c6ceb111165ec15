"""Releases that are led without time passing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from shifter.model.release import MILLION, Gate, GateKind, MirrorStep, ReleaseSpec, RouteReference, State, Step, Undecided
from shifter.observe.comparison import Second
from shifter.release.evidence import Evidence
from shifter.release.rehearsal import Asked, Counting, Rehearsal


class Says:
    """A judge who says what he is told to."""

    def __init__(self) -> None:
        self.edges: tuple[Sequence[float], Sequence[float]] = ((), ())
        self.evidence = Evidence()
        self.heard: list[str] = []
        self.rates: list[float] = []

    def tick(self, second: Second, rate: float) -> Evidence:
        self.rates.append(rate)
        return self.evidence

    def begin_step(self, warm_up: float) -> None:
        self.heard.append(f"step {warm_up:g}")

    def brake(self, by_hand: bool) -> None:
        self.heard.append("brake")

    def look_again(self) -> None:
        self.heard.append("look again")

    def resume(self) -> None:
        self.heard.append("resume")

    def to_state(self) -> Mapping[str, object]:
        return {}


def spec(*steps: Step) -> ReleaseSpec:
    numbered = tuple(replace(step, number=number) for number, step in enumerate(steps, 1))
    return ReleaseSpec("name", RouteReference(text="/"), "old", "new", numbered)


TENTH = Step(0, share=100_000)
ALL = Step(0, share=MILLION)
SECOND = Second()
SECOND.sent[:] = (90, 10)


def run(rehearsal: Rehearsal, seconds: int) -> None:
    for _ in range(seconds):
        rehearsal.second(SECOND)


def test_it_begins_with_the_first_step_and_ends_with_the_last() -> None:
    judge = Says()
    rehearsal = Rehearsal(spec(TENTH, ALL), judge)
    assert (rehearsal.share, rehearsal.state, rehearsal.title, rehearsal.judged) == (100_000, State.OBSERVING, "10 %", True)
    judge.evidence = Evidence(proven=True)
    run(rehearsal, 60)
    assert rehearsal.share == MILLION
    assert (rehearsal.state, rehearsal.judged) == (State.SUCCEEDED, False)
    assert [(at, one.event) for at, one in rehearsal.happened] == [(0, "started"), (0, "step"), (60, "step"), (60, "succeeded")]
    assert judge.rates[-1] == 10.0


def test_brakes_are_told_and_looked_at() -> None:
    judge = Says()
    rehearsal = Rehearsal(spec(TENTH), judge)
    run(rehearsal, 10)
    judge.evidence = Evidence(fast=1e6, recent_requests=20, recent_excess=1.0)
    run(rehearsal, 1)
    assert rehearsal.share == 10_000  # of 100 requests a second one
    run(rehearsal, 20)
    assert judge.heard == ["step 0", "brake", "look again"]
    judge.evidence = Evidence(recent_requests=20)
    run(rehearsal, 20)
    assert judge.heard[-1] == "resume" and rehearsal.share == 100_000
    judge.evidence = Evidence(value=1e6)
    run(rehearsal, 1)
    assert (rehearsal.state, rehearsal.share, rehearsal.judged) == (State.ROLLING_BACK, 0, False)


def test_a_brake_that_takes_nothing_away_ends_as_any_other() -> None:
    judge = Says()
    rehearsal = Rehearsal(spec(replace(TENTH, share=10_000)), judge)  # one request a second, which a brake would leave
    judge.evidence = Evidence(fast=1e6)
    run(rehearsal, 1)
    judge.evidence = Evidence(recent_requests=20)
    run(rehearsal, 20)
    assert (rehearsal.state, rehearsal.share) == (State.OBSERVING, 10_000)
    assert judge.heard == ["step 0", "brake", "resume"]


def test_who_would_be_asked_says_yes() -> None:
    gate = Gate(GateKind.MANUAL, "lunch")
    judge = Says()
    steps = (Step(0, mirror=MirrorStep(50_000)), replace(TENTH, gate=gate), ALL)
    rehearsal = Rehearsal(spec(*steps), judge)
    assert rehearsal.title == "10 %"
    judge.evidence = Evidence(proven=True)
    run(rehearsal, 62)
    events = [one.event for _, one in rehearsal.happened]
    assert events == ["started", "step", "promoted", "gate_waiting", "gate_approved", "step", "succeeded"]


def test_a_mirror_takes_its_time() -> None:
    rehearsal = Rehearsal(spec(Step(0, mirror=MirrorStep(50_000), length=30.0), ALL), Says())
    run(rehearsal, 29)
    assert rehearsal.share == 0
    run(rehearsal, 1)
    assert rehearsal.share == MILLION


def test_a_policy_to_wait_is_followed() -> None:
    rehearsal = Rehearsal(spec(replace(TENTH, max=100.0, undecided=Undecided.HOLD)), Says())
    run(rehearsal, 200)
    assert [one.event for _, one in rehearsal.happened] == ["started", "step", "undecided"]
    assert rehearsal.judged


@pytest.mark.parametrize("sticky", [False, True])
def test_requests_count_when_they_end_under_the_share_that_they_were_sent_under(sticky: bool) -> None:
    counting = Counting(sticky)
    first = counting.second([Asked(0.1, True, True, 1500.0, 1), Asked(0.2, False, False, 10.0, 2)], 100_000, 1.0)
    assert (first.sent, first.answered, first.failures, first.in_flight) == ([1, 1], [1, 0], {}, (0, 1))
    second = counting.second([Asked(1.5, False, True, 1.0, 3)], 500_000, 2.0)
    assert second.failures == {0.1: [0, 1], 0.5: [1, 0]}
