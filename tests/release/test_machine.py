"""A release moved on by evidence and by people, second by second."""

from shifter.model.change import Actor
from shifter.model.release import (
    MILLION,
    ReleaseSpec,
    RouteReference,
    State,
    Step,
    Transition,
    VerdictSettings,
)
from shifter.release.evidence import Evidence
from shifter.release.machine import Facts, ReleaseMachine, Verb, raises

ANN = Actor("ann", "lunch")
PROVEN = Evidence(proven=True, requests=(9000, 812), sentence="no difference")
OPEN = Evidence(needed=430, requests=(900, 81), sentence="no difference seen")
BAD = Evidence(value=131.0, fast=400.0, requests=(900, 81), failed=(9, 31), in_flight=(3, 2), sentence="31 of 81 failed")
ALARM = Evidence(value=12.0, fast=110.0, requests=(900, 81), sentence="errors grew")
AT_100 = Facts(rate=100.0, baseline=(4, 4), canary=(2, 2))


def spec(*steps: Step, **verdict: object) -> ReleaseSpec:
    told = steps or tuple(Step(number, share * 10_000) for number, share in enumerate((1, 5, 10, 50, 100), 1))
    return ReleaseSpec("r1", RouteReference(text="/"), "old", "new", told, verdict=VerdictSettings(**verdict))  # type: ignore[arg-type]


def begun(*steps: Step, **verdict: object) -> ReleaseMachine:
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
    assert moved.reason == "1 % is over: proven not worse after 812 canary requests: no difference; step 2 of 5: new gets 5 %"


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
