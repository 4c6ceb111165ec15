"""A release moved on by evidence and by people, second by second."""

from dataclasses import replace
from typing import Any

import pytest

from shifter.model.release import MILLION, Floor, Gate, GateKind, MirrorStep, OnTimeout, State, Step, Transition, Undecided
from shifter.model.route import HeaderMatcher
from shifter.release.errors import Refused
from shifter.release.evidence import Evidence
from shifter.release.machine import ReleaseMachine, Verb, raises, tell_judge
from shifter.release.rules import Facts
from shifter.service.release_store import progress_from
from tests.support.releases import ANN, FakeJudge, spec

PROVEN = Evidence(proven=True, requests=(9000, 812), sentence="no difference")
OPEN = Evidence(needed=430, requests=(900, 81), sentence="no difference seen")
BAD = Evidence(value=131.0, fast=400.0, requests=(900, 81), failed=(9, 31), in_flight=(3, 2), sentence="31 of 81 failed")
ALARM = Evidence(value=12.0, fast=110.0, requests=(900, 81), sentence="errors grew")
AT_100 = Facts(rate=100.0, baseline=(4, 4), canary=(2, 2))


def begun(*steps: Step, **verdict: Any) -> ReleaseMachine:
    machine = ReleaseMachine(spec(*steps, **verdict))
    machine.start(ANN)
    machine.preflighted()
    return machine


def wait(machine: ReleaseMachine, seconds: int, evidence: Evidence = OPEN, facts: Facts = AT_100) -> Transition | None:
    """Tick until something happens, for at most *seconds*."""
    return next((one for _ in range(seconds) if (one := machine.tick(evidence, 1.0, facts)) is not None), None)


def happens(machine: ReleaseMachine, seconds: int, evidence: Evidence = OPEN, facts: Facts = AT_100) -> Transition:
    found = wait(machine, seconds, evidence, facts)
    assert found is not None, f"nothing happened to {machine!r}"
    return found


# the way through


def test_it_begins_with_a_preflight() -> None:
    machine = ReleaseMachine(spec())
    started = machine.start(ANN)
    assert (started.event, started.after.state, started.after.share) == ("started", State.PREFLIGHT, 0)
    assert started.reason == "started by ann (lunch); 5 steps"
    first = machine.preflighted()
    assert (first.event, first.after.state, first.after.step, first.after.share) == ("step", State.OBSERVING, 1, 10_000)
    assert first.reason == "all is well; step 1 of 5: new gets 1 %"
    assert first.after.held and raises(first)


def test_what_a_preflight_finds_ends_it() -> None:
    machine = ReleaseMachine(spec())
    machine.start(ANN)
    ended = machine.preflighted(["new has no healthy endpoint"])
    assert (ended.after.state, ended.after.share, ended.after.held) == (State.ABORTED, 0, False)
    assert ended.reason == "it cannot begin: new has no healthy endpoint"


def test_a_healthy_one_goes_through_all_steps() -> None:
    machine = begun()
    shares, seconds = [machine.progress.share], 0
    while not machine.progress.state.over:
        seconds += 1
        moved = machine.tick(PROVEN, 1.0, AT_100)
        shares += [moved.after.share] if moved is not None else []
    assert shares == [10_000, 50_000, 100_000, 500_000, MILLION, MILLION]
    assert (machine.progress.state, seconds) == (State.SUCCEEDED, 300)


def test_a_step_is_over_when_the_canary_is_proven_and_min_has_passed() -> None:
    machine = begun()
    assert wait(machine, 59, PROVEN) is None
    moved = happens(machine, 1, PROVEN)
    assert moved.reason == "1 % is over: no difference (after 812 canary requests); step 2 of 5: new gets 5 %"


def test_the_verdict_takes_it_back() -> None:
    machine = begun()
    back = happens(machine, 1, BAD)
    assert (back.event, back.after.state, back.after.share, raises(back)) == ("rolling_back", State.ROLLING_BACK, 0, False)
    assert back.reason == "rolling back: e = 131 (100 is enough): 31 of 81 failed"
    assert back.evidence["value"] == 131.0
    assert wait(machine, 29, BAD) is None
    assert happens(machine, 1, BAD).after.state is State.ROLLED_BACK
    assert machine.progress.reason == "rolled back: e = 131 (100 is enough): 31 of 81 failed"


def test_it_is_braked_to_a_request_a_second_and_goes_on_when_all_is_calm() -> None:
    machine = begun()
    machine.verb(Verb.PROMOTE, ANN, to=500_000)
    braked = happens(machine, 1, ALARM)
    assert (braked.event, braked.after.state, braked.after.share) == ("braked", State.BRAKED, 10_000)
    calm = Evidence(fast=110.0, recent_requests=18, recent_excess=0.01)
    assert wait(machine, 19, calm) is None
    resumed = happens(machine, 1, calm)
    assert (resumed.event, resumed.after.state, resumed.after.share) == ("resumed", State.OBSERVING, 500_000)


# steps


def test_a_step_with_a_length_takes_exactly_that() -> None:
    machine = begun(Step(1, 10_000, length=30.0), Step(2, MILLION))
    assert wait(machine, 29, PROVEN) is None
    assert happens(machine, 1, OPEN).reason.startswith("1 % is over: its 30 s are over: no difference seen")


def test_a_cold_canary_warms_up() -> None:
    machine = begun(Step(1, 10_000, warm_up=20.0, min=30.0), Step(2, MILLION))
    assert machine.progress.state is State.WARMING
    warm = happens(machine, 20, PROVEN)
    assert (warm.event, warm.after.state, warm.after.in_step) == ("warmed_up", State.OBSERVING, 20.0)
    assert wait(machine, 9, PROVEN) is None
    assert happens(machine, 1, PROVEN).after.step == 2


def test_what_can_be_compared_with_nothing_is_over_after_min() -> None:
    machine = begun(Step(1, MILLION, min=20.0))
    assert wait(machine, 19) is None
    ended = happens(machine, 1)
    assert (ended.event, ended.after.state, ended.after.share) == ("succeeded", State.SUCCEEDED, MILLION)


def test_the_last_step_bakes_with_a_part_held_back_and_success_gives_the_rest() -> None:
    machine = begun(Step(1, 500_000), Step(2, MILLION, hold_back=10_000, length=1800.0))
    baking = happens(machine, 60, PROVEN)
    assert (baking.event, baking.after.state, baking.after.share) == ("baking", State.BAKING, 990_000)
    assert baking.reason.endswith("step 2 of 2: new gets 99 %, 1 % stays on old, for 30 min")
    ended = happens(machine, 1800)
    assert (ended.after.state, ended.after.share, raises(ended)) == (State.SUCCEEDED, MILLION, True)


def test_a_release_may_end_below_100() -> None:
    machine = begun(Step(1, 10_000))
    assert happens(machine, 60, PROVEN).after.share == 10_000
    assert machine.progress.state is State.SUCCEEDED


def test_a_header_step_waits_at_its_gate_and_its_header_counts_from_then_on() -> None:
    gate = Gate(GateKind.MANUAL, "testers")
    machine = begun(Step(1, header=HeaderMatcher(b"x-canary"), gate=gate), Step(2, 10_000))
    assert (machine.progress.share, machine.progress.forced) == (0, True)
    assert happens(machine, 1).reason == "header x-canary is over: there is nothing to prove; the gate testers waits for an answer"
    machine.verb(Verb.APPROVE, ANN)
    step = happens(machine, 1)
    assert (step.after.share, step.after.forced) == (10_000, True)


def test_a_header_step_with_neither_is_over_when_somebody_promotes_it() -> None:
    machine = begun(Step(1, header=HeaderMatcher(b"x-canary"), undecided=Undecided.ROLL_BACK), Step(2, 10_000))
    noted = happens(machine, 600, PROVEN)
    assert (noted.event, noted.after.state) == ("undecided", State.OBSERVING)
    assert wait(machine, 3600, PROVEN) is None
    assert machine.verb(Verb.PROMOTE, ANN).after.step == 2


def test_a_mirror_step_copies_for_its_length() -> None:
    machine = begun(Step(1, mirror=MirrorStep(50_000), length=300.0), Step(2, 10_000))
    assert (machine.progress.share, machine.progress.mirror) == (0, 50_000)
    moved = happens(machine, 300)
    assert (moved.after.share, moved.after.mirror) == (10_000, 0)


@pytest.mark.parametrize(
    ("policy", "event", "state"),
    [
        (Undecided.HOLD, "undecided", State.OBSERVING),
        (Undecided.ADVANCE, "step", State.OBSERVING),
        (Undecided.ROLL_BACK, "rolling_back", State.ROLLING_BACK),
    ],
)
def test_undecided_after_max(policy: Undecided, event: str, state: State) -> None:
    machine = begun(Step(1, 10_000, undecided=policy), Step(2, 50_000))
    assert wait(machine, 599) is None
    found = happens(machine, 1)
    assert (found.event, found.after.state) == (event, state)
    assert "undecided after 10 min: no difference seen" in found.reason


def test_a_release_that_holds_tells_it_once_and_goes_on_when_it_is_proven() -> None:
    machine = begun(Step(1, 10_000), Step(2, 50_000))
    happens(machine, 600)
    assert wait(machine, 3600) is None
    assert happens(machine, 1, PROVEN).after.step == 2


@pytest.mark.parametrize(("policy", "event"), [(Undecided.ADVANCE, "step"), (Undecided.ROLL_BACK, "rolling_back")])
def test_what_follows_when_it_is_undecided_follows_later_if_it_could_not_be_written_down(policy: Undecided, event: str) -> None:
    machine = begun(Step(1, 10_000, undecided=policy), Step(2, 50_000))
    for _ in range(3):
        happens(machine, 600)
        machine.take_back()
    machine.halt("disk full")
    assert wait(machine, 60) is None
    machine.verb(Verb.RESUME, ANN)
    assert happens(machine, 1).event == event


def test_that_it_waits_is_told_once_even_if_not_at_once() -> None:
    machine = begun(Step(1, 10_000), Step(2, 50_000))
    happens(machine, 600)
    machine.take_back()
    assert happens(machine, 1).event == "undecided"
    machine.verb(Verb.PAUSE, ANN)
    machine.verb(Verb.RESUME, ANN)
    again = ReleaseMachine(machine.spec, progress_from(machine.progress.to_dict()))
    assert wait(again, 3600) is None


@pytest.mark.parametrize("anew", ["brake", "promote", "undo", "retry"])
def test_where_a_step_begins_anew_it_is_told_anew(anew: str) -> None:
    machine = begun(Step(1, 10_000), Step(2, 50_000))
    happens(machine, 600)
    if anew == "brake":
        machine.verb(Verb.BRAKE, ANN)
        machine.verb(Verb.RESUME, ANN)
    elif anew == "promote":
        machine.verb(Verb.PROMOTE, ANN, to=20_000)
    elif anew == "undo":
        machine.verb(Verb.PROMOTE, ANN)
        happens(machine, 600)
        machine.verb(Verb.UNDO, ANN)
        machine.verb(Verb.RESUME, ANN)
    else:
        machine.verb(Verb.ABORT, ANN)
        assert not machine.verb(Verb.RETRY, ANN).after.undecided
        machine.preflighted()
    assert wait(machine, 599) is None
    assert happens(machine, 1).event == "undecided"


# gates


def gated(gate: Gate) -> ReleaseMachine:
    machine = begun(Step(1, 10_000, gate=gate), Step(2, 50_000))
    waiting = happens(machine, 60, PROVEN)
    assert (waiting.event, waiting.after.state, waiting.after.share) == ("gate_waiting", State.GATED, 10_000)
    return machine


def test_a_gate_opens_and_the_next_step_begins() -> None:
    machine = gated(Gate(GateKind.MANUAL, "look"))
    assert wait(machine, 3600, PROVEN) is None
    approved = machine.verb(Verb.APPROVE, ANN)
    assert (approved.event, approved.reason) == ("gate_approved", "the gate look was approved by ann: lunch")
    with pytest.raises(Refused, match="open already"):
        machine.verb(Verb.APPROVE, ANN)
    assert happens(machine, 1).after.share == 50_000


def test_a_gate_that_it_comes_to_again_is_another_question() -> None:
    machine = gated(Gate(GateKind.WEBHOOK, "ci"))
    asked = machine.progress.question
    machine.verb(Verb.PAUSE, ANN)
    machine.verb(Verb.RESUME, ANN)
    assert (machine.progress.state, machine.progress.question) == (State.GATED, asked)
    machine.verb(Verb.APPROVE, ANN)
    happens(machine, 1)
    machine.verb(Verb.UNDO, ANN)
    machine.verb(Verb.RESUME, ANN)
    happens(machine, 60, PROVEN)
    assert machine.progress.state is State.GATED
    assert machine.progress.question > asked


def test_a_gate_says_no() -> None:
    machine = gated(Gate(GateKind.MANUAL, "look"))
    rejected = machine.verb(Verb.REJECT, ANN)
    assert (rejected.event, rejected.after.state, rejected.after.share) == ("gate_rejected", State.ROLLING_BACK, 0)


@pytest.mark.parametrize(
    ("policy", "state"), [(OnTimeout.HOLD, None), (OnTimeout.APPROVE, State.GATED), (OnTimeout.ROLL_BACK, State.ROLLING_BACK)]
)
def test_nobody_answers_a_gate(policy: OnTimeout, state: State | None) -> None:
    machine = gated(Gate(GateKind.WEBHOOK, "ci", deadline=120.0, on_timeout=policy))
    assert wait(machine, 119, PROVEN) is None
    found = wait(machine, 1, PROVEN)
    assert (found.after.state if found is not None else None) is state
    assert found is None or "no answer in 2 min" in found.reason


@pytest.mark.parametrize("before", ["gated", "paused"])
def test_the_verdict_goes_on_while_it_waits(before: str) -> None:
    machine = gated(Gate(GateKind.MANUAL, "look"))
    if before == "paused":
        machine.verb(Verb.PAUSE, ANN)
    assert machine.progress.state.value == before
    assert happens(machine, 1, BAD).after.state is State.ROLLING_BACK


# what speaks against a canary


def test_the_exposure_budget_is_spent() -> None:
    machine = begun(exposure_budget=50)
    assert wait(machine, 5, Evidence(excess_failed=49.9)) is None
    back = happens(machine, 1, Evidence(excess_failed=50.4))
    assert back.reason == "rolling back: the exposure budget is spent: 50 requests failed that the baseline would not have failed, 50 may"


def test_the_floor_is_of_so_many_seconds_and_requests() -> None:
    machine = begun(floor=Floor(0.9, 10.0))
    for second in range(1, 11):
        assert machine.tick(Evidence(requests=(90 * second, 10 * second), failed=(0, 2 * second)), 1.0, AT_100) is None
    back = machine.tick(Evidence(requests=(990, 110), failed=(0, 22)), 1.0, AT_100)
    assert back is not None
    assert back.reason == "rolling back: of the canary's last 100 requests, in 10 s, 80.0 % succeeded; 90 % have to"


def test_the_floor_asks_nobody_about_three_requests() -> None:
    machine = begun(floor=Floor(0.9, 10.0))
    assert wait(machine, 5, Evidence()) is None
    assert wait(machine, 50, Evidence(requests=(30, 3), failed=(0, 3))) is None


def test_the_canary_has_no_healthy_endpoint() -> None:
    machine = begun()
    none = Facts(100.0, (4, 4), (0, 2))
    assert wait(machine, 3, OPEN, none) is None
    assert wait(machine, 1) is None
    assert wait(machine, 3, OPEN, none) is None
    assert happens(machine, 1, OPEN, none).reason == "rolling back: the canary has no healthy endpoint: 0 of 2, for 4 s"


def test_neither_version_has_a_healthy_endpoint() -> None:
    assert wait(begun(), 50, OPEN, Facts(100.0, (0, 4), (0, 2))) is None


def test_a_prometheus_check_takes_it_back() -> None:
    back = happens(begun(), 1, OPEN, Facts(100.0, (4, 4), (2, 2), ("errors of checkout: 0.4, at most 0.2",)))
    assert back.reason == "rolling back: errors of checkout: 0.4, at most 0.2"


# the brake


def braked(share: int = 50) -> ReleaseMachine:
    machine = begun(Step(1, share * 10_000), Step(2, MILLION))
    assert happens(machine, 1, ALARM).event == "braked"
    return machine


@pytest.mark.parametrize(("rate", "share"), [(100.0, 10_000), (1000.0, 1000), (1.0, 500_000), (3e6, 100), (None, 10_000), (0.0, 10_000)])
def test_a_braked_canary_gets_a_request_a_second_and_never_more_than_before(rate: float | None, share: int) -> None:
    machine = begun(Step(1, 500_000))
    assert happens(machine, 1, ALARM, Facts(rate)).after.share == share


def test_what_is_seen_is_looked_at_again_every_20_seconds() -> None:
    machine = braked()
    worse = Evidence(fast=110.0, recent_requests=18, recent_excess=0.05)
    looks = [number for number in range(1, 61) if machine.tick(worse, 1.0, AT_100) is None and machine.look_again]
    assert looks == [20, 40, 60]


def test_few_requests_say_nothing_for_longer() -> None:
    machine = braked()
    assert wait(machine, 45, Evidence(recent_requests=14)) is None
    assert happens(machine, 1, Evidence(recent_requests=15)).event == "resumed"


@pytest.mark.parametrize(
    ("unit", "excess", "fast", "over"),
    [("user", 0.9, 110.0, True), ("user", 0.2, 110.0, False), ("user", 0.9, 9.0, False), ("request", 0.9, 110.0, False)],
)
def test_a_canary_whose_users_stay_is_rolled_back_when_what_comes_after_the_brake_confirms_it(
    unit: str, excess: float, fast: float, over: bool
) -> None:
    machine = braked()
    assert wait(machine, 19, ALARM) is None
    found = machine.tick(replace(ALARM, unit=unit, recent_requests=20, recent_excess=excess, fast=fast), 1.0, AT_100)
    assert (found is not None) is over
    if found is not None:
        assert found.after.share == 0
        assert found.reason == "rolling back: 90.0 points of 20 canary requests failed in excess in 20 s after the brake, too: errors grew"


def test_braked_for_too_long_it_is_rolled_back() -> None:
    machine = braked()
    assert wait(machine, 299, ALARM) is None
    assert happens(machine, 1, ALARM).reason == "rolling back: still braked after 300 s: errors grew"


def test_it_goes_on_five_times() -> None:
    machine = begun(Step(1, 500_000))
    calm = Evidence(recent_requests=20)
    for _ in range(5):
        assert happens(machine, 1, ALARM).event == "braked"
        assert happens(machine, 20, calm).event == "resumed"
    assert happens(machine, 1, ALARM).event == "braked"
    assert wait(machine, 299, calm) is None
    assert "braked 6 times" in happens(machine, 1, calm).reason


def test_after_a_brake_the_step_begins_anew() -> None:
    machine = begun(Step(1, 500_000), Step(2, MILLION))
    wait(machine, 50, PROVEN)
    happens(machine, 1, ALARM)
    happens(machine, 20, Evidence(recent_requests=20))
    assert wait(machine, 59, PROVEN) is None
    assert happens(machine, 1, PROVEN).after.step == 2


def test_without_the_brake_nothing_is_braked() -> None:
    assert wait(begun(brake=False), 30, ALARM) is None


def test_who_brakes_by_hand_resumes_by_hand() -> None:
    machine = begun(Step(1, 500_000))
    said = machine.verb(Verb.BRAKE, ANN, facts=AT_100)
    assert (said.after.share, said.after.brakes) == (10_000, 0)
    assert wait(machine, 3600, Evidence(recent_requests=20)) is None
    assert machine.verb(Verb.RESUME, ANN).after.share == 500_000


def test_what_was_paused_is_paused_again_after_a_brake() -> None:
    machine = begun(Step(1, 500_000))
    machine.verb(Verb.PAUSE, ANN)
    happens(machine, 1, ALARM)
    back = happens(machine, 20, Evidence(recent_requests=20))
    assert (back.after.state, back.after.share, back.after.before_pause) == (State.PAUSED, 500_000, State.OBSERVING)


def test_a_braked_release_that_is_paused_is_braked_again_afterwards() -> None:
    machine = braked()
    machine.verb(Verb.PAUSE, ANN)
    assert wait(machine, 600, ALARM) is None
    with pytest.raises(Refused, match="braked before it was paused"):
        machine.verb(Verb.PROMOTE, ANN)
    resumed = machine.verb(Verb.RESUME, ANN)
    assert (resumed.after.state, resumed.after.share) == (State.BRAKED, 10_000)


@pytest.mark.parametrize("pauses", [False, True])
def test_the_judge_is_told_when_a_brake_is_over_also_behind_a_pause(pauses: bool) -> None:
    machine, judge = begun(), FakeJudge(ALARM)
    machine.verb(Verb.PROMOTE, ANN)
    tell_judge(judge, machine.spec, happens(machine, 1, ALARM))
    if pauses:
        tell_judge(judge, machine.spec, machine.verb(Verb.PAUSE, ANN))
        assert judge.told == ["brake"]
        tell_judge(judge, machine.spec, machine.verb(Verb.UNDO, ANN))
        assert judge.told == ["brake", "resume", "step 0"], "what it was braked for has been dealt with"
    else:
        tell_judge(judge, machine.spec, machine.verb(Verb.RESUME, ANN))
        assert judge.told == ["brake", "resume"]


# verbs


def test_pause_keeps_the_share_and_stops_the_clock_of_the_step() -> None:
    machine = begun()
    wait(machine, 50, PROVEN)
    paused = machine.verb(Verb.PAUSE, ANN)
    assert (paused.reason, paused.after.share) == ("paused by ann (lunch)", 10_000)
    assert wait(machine, 600, PROVEN) is None
    assert machine.verb(Verb.RESUME, ANN).after.state is State.OBSERVING
    assert wait(machine, 9, PROVEN) is None
    assert happens(machine, 1, PROVEN).after.step == 2


@pytest.mark.parametrize(
    ("to", "step", "share"), [(None, 2, 50_000), (100_000, 3, 100_000), (200_000, 3, 200_000), (20_000, 1, 20_000), (MILLION, 5, MILLION)]
)
def test_promote_goes_to_the_step_or_the_share(to: int | None, step: int, share: int) -> None:
    promoted = begun().verb(Verb.PROMOTE, ANN, to=to)
    assert (promoted.event, promoted.after.step, promoted.after.share) == ("promoted", step, share)


def test_a_brake_comes_back_to_the_share_that_somebody_promoted_to() -> None:
    machine = begun()
    machine.verb(Verb.PROMOTE, ANN, to=200_000)
    happens(machine, 1, ALARM)
    assert happens(machine, 20, Evidence(recent_requests=20)).after.share == 200_000


def test_promote_full_goes_to_the_last_step_and_then_ends_it() -> None:
    machine = begun(Step(1, 10_000), Step(2, 500_000), Step(3, MILLION, hold_back=10_000, length=1800.0))
    assert machine.verb(Verb.PROMOTE, ANN, full=True).after.state is State.BAKING
    assert machine.verb(Verb.PROMOTE, ANN, full=True).after.state is State.SUCCEEDED


def test_nobody_is_promoted_to_less() -> None:
    machine = begun()
    machine.verb(Verb.PROMOTE, ANN, to=500_000)
    with pytest.raises(Refused, match=r"new has 50 % of the requests in this step, 5 % was asked for") as refused:
        machine.verb(Verb.PROMOTE, ANN, to=50_000)
    assert (refused.value.state, refused.value.verbs) == (State.OBSERVING, ("promote", "pause", "brake", "abort", "undo"))


def test_undo_goes_one_step_back_and_stays_there() -> None:
    machine = begun()
    machine.verb(Verb.PROMOTE, ANN, to=100_000)
    undone = machine.verb(Verb.UNDO, ANN)
    assert (undone.event, undone.after.state, undone.after.step, undone.after.share) == ("undone", State.PAUSED, 2, 50_000)
    assert wait(machine, 600, PROVEN) is None
    machine.verb(Verb.UNDO, ANN)
    with pytest.raises(Refused, match="there is no step before the first"):
        machine.verb(Verb.UNDO, ANN)
    assert machine.verb(Verb.RESUME, ANN).after.state is State.OBSERVING


def test_success_can_be_undone_while_the_route_is_held() -> None:
    machine = begun()
    machine.verb(Verb.PROMOTE, ANN, full=True)
    machine.verb(Verb.PROMOTE, ANN)
    assert machine.progress.state is State.SUCCEEDED
    assert (machine.verb(Verb.UNDO, ANN).after.step, machine.progress.share) == (4, 500_000)
    machine.verb(Verb.PROMOTE, ANN, full=True)
    machine.verb(Verb.PROMOTE, ANN)
    reason = machine.progress.reason
    assert machine.verb(Verb.FINISH, ANN).reason.startswith("finished by ann")
    assert machine.progress.reason == reason, "why it is over stays to be read"
    assert machine.fitting() == ()
    with pytest.raises(Refused, match="has let go of its route"):
        machine.verb(Verb.ABORT, ANN)


def test_retry_begins_with_the_first_step() -> None:
    machine = begun()
    machine.verb(Verb.PROMOTE, ANN, to=500_000)
    happens(machine, 1, BAD)
    with pytest.raises(Refused, match="rolling back: nobody can retry it now"):
        machine.verb(Verb.RETRY, ANN)
    machine.drained()
    machine.verb(Verb.RETRY, ANN)
    again = machine.preflighted()
    assert (again.after.step, again.after.share, again.after.brakes, again.after.attempt) == (1, 10_000, 0, 2)


def test_a_transition_can_be_taken_back_and_made_later() -> None:
    machine = begun()
    before = machine.progress
    moved = machine.verb(Verb.PROMOTE, ANN)
    machine.take_back()
    assert machine.progress == before
    machine.adopt(moved)
    assert machine.progress == moved.after


def test_a_number_that_was_tried_is_not_used_again() -> None:
    machine = begun()
    moved = machine.verb(Verb.PROMOTE, ANN)
    machine.take_back()
    machine.skip(moved.after.version)
    halted = machine.halt("disk full")
    assert halted is not None
    assert (machine.progress.version, halted.before.version) == (moved.after.version + 1, moved.after.version)
