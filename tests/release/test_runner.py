"""One release, carried out: written down before it is steered, but for what takes requests from the canary."""

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from shifter.model.release import MILLION, Gate, GateKind, ReleaseSpec, State, Step
from shifter.release.errors import Refused
from shifter.release.evidence import Evidence
from shifter.release.runner import Runner
from tests.support.releases import ANN, Answered, World, spec

PROVEN = Evidence(proven=True, requests=(9000, 812), sentence="no difference")
BAD = Evidence(value=131.0, fast=400.0, failed=(9, 31), in_flight=(3, 2), sentence="31 of 81 failed")
ALARM = Evidence(value=12.0, fast=110.0, sentence="errors grew")


@pytest.fixture
def world() -> World:
    return World()


def done(deferred: Deferred) -> list:
    """Return what *deferred* has fired with."""
    fired: list = []
    deferred.addBoth(fired.append)
    return fired


def problem(deferred: Deferred) -> str:
    (failure,) = done(deferred)
    assert isinstance(failure, Failure)
    return failure.getErrorMessage()


def events(world: World) -> list[str]:
    return [one.event for one in world.store.written]


# the way through


def test_a_healthy_release_is_written_down_and_steered_step_by_step(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.pass_time(runner, 400)
    assert [one.share for one in world.path.steered] == [10_000, 50_000, 100_000, 500_000, MILLION, MILLION]
    assert events(world) == ["started", "step", "step", "step", "step", "step", "succeeded"]
    assert world.outreach.events == world.store.written
    assert world.outreach.watched == []
    assert [one.at for one in world.store.written[:3]] == [1.7e9, 1.7e9, 1.7e9 + 60]


def test_it_begins_when_the_route_is_held_and_the_canary_is_healthy(world: World) -> None:
    world.path.healthy["new"] = (0, 2)
    runner = world.begun()
    world.pass_time(runner, 5)
    assert runner.progress.state is State.PREFLIGHT
    world.path.healthy["new"] = (1, 2)
    world.pass_time(runner)
    assert (runner.progress.state, world.path.held) == (State.OBSERVING, {"r1"})


def test_it_does_not_begin_with_a_sick_canary(world: World) -> None:
    world.path.healthy["new"] = (0, 2)
    runner = world.begun()
    world.pass_time(runner, 10)
    assert (runner.progress.state, world.path.held) == (State.ABORTED, set())
    assert runner.progress.reason == "it cannot begin: new has no healthy endpoint (0 of 2)"


def test_it_does_not_begin_when_the_route_cannot_be_held(world: World) -> None:
    world.path.refuses = ["there is no route `/`"]
    runner = world.begun()
    assert (runner.progress.state, runner.progress.reason) == (State.ABORTED, "it cannot begin: there is no route `/`")
    world.path.refuses = []
    runner.verb("retry", ANN)
    assert (runner.progress.state, runner.progress.attempt) == (State.OBSERVING, 2)


def test_the_verdict_takes_it_back_and_it_drains(world: World) -> None:
    runner = world.begun()
    world.see(BAD)
    world.pass_time(runner)
    assert (world.path.now.share, world.path.now.forced, runner.progress.state) == (0, False, State.ROLLING_BACK)
    world.see(Evidence(value=131.0))
    world.pass_time(runner)
    assert (runner.progress.state, world.outreach.watched) == (State.ROLLED_BACK, [])
    world.see(Evidence())
    assert done(runner.verb("retry", ANN)) == [runner.progress]
    assert (runner.progress.state, world.path.now.share, len(world.judges)) == (State.OBSERVING, 10_000, 2)


# the store


def test_a_step_is_steered_when_it_is_written_and_not_before(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.store.slow = True
    world.pass_time(runner, 65)
    assert [one.after.share for one in world.store.waiting] == [50_000]
    assert (world.path.now.share, runner.progress.step) == (10_000, 1)
    world.store.answer()
    assert (world.path.now.share, runner.progress.step) == (50_000, 2)


def test_a_step_that_cannot_be_written_is_not_made_and_pauses_it(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.store.broken = "disk full"
    world.pass_time(runner, 60)
    assert (runner.progress.state, world.path.now.share) == (State.PAUSED, 10_000)
    assert runner.progress.reason == "paused: 5 % could not be written down (disk full)"
    assert "disk full" in str(runner.status()["problem"])
    world.store.broken = ""
    world.pass_time(runner)
    assert (events(world)[-1], runner.status()["problem"]) == ("paused", "")
    runner.verb("resume", ANN)
    world.pass_time(runner)
    assert world.path.now.share == 50_000


def test_taking_it_back_waits_for_no_disk(world: World) -> None:
    runner = world.begun()
    world.store.broken = "disk full"
    world.see(BAD)
    world.pass_time(runner)
    assert (world.path.now.share, runner.progress.state) == (0, State.ROLLING_BACK)
    world.pass_time(runner, 40)
    assert (runner.progress.state, events(world)[-1]) == (State.ROLLED_BACK, "step")
    world.store.broken = ""
    world.pass_time(runner)
    assert events(world)[-2:] == ["rolling_back", "rolled_back"]


def test_a_step_that_is_being_written_is_overtaken_by_taking_it_back(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.store.slow = True
    world.pass_time(runner, 60)
    world.see(BAD)
    world.pass_time(runner)
    assert (world.path.now.share, runner.progress.share) == (10_000, 0)  # it may be written in a moment
    world.pass_time(runner)
    assert world.path.now.share == 0
    world.store.answer()
    assert (world.path.now.share, runner.progress.state) == (0, State.ROLLING_BACK)
    world.store.answer()
    assert [(one.before.share, one.after.share) for one in world.store.written[-2:]] == [(10_000, 50_000), (50_000, 0)]
    assert world.store.records["r1"].progress.version == runner.progress.version


def test_one_that_is_rolled_back_while_it_is_being_braked_stays_so(world: World) -> None:
    runner = world.begun()
    runner.verb("promote", ANN, to=500_000)
    world.store.slow = True
    world.see(ALARM)
    world.pass_time(runner)
    world.see(Evidence(value=131.0, sentence="bad"))
    world.pass_time(runner, 2)
    assert (runner.progress.state, world.path.now.share) == (State.ROLLED_BACK, 0)
    before = len(world.path.steered)
    while world.store.waiting:
        world.store.answer()
    assert {one.share for one in world.path.steered[before:]} == {0}


def test_one_that_does_not_hold_its_route_any_more_is_paused(world: World) -> None:
    runner = world.begun()
    world.path.held.clear()
    world.pass_time(runner, 9)
    assert runner.progress.state is State.OBSERVING
    world.pass_time(runner)
    assert (runner.progress.state, runner.progress.reason) == (State.PAUSED, "paused: for 10 s its route has not been held")
    world.pass_time(runner, 30)
    assert events(world)[-1] == "paused" and events(world).count("paused") == 1


def test_what_was_written_though_the_store_said_otherwise_is_in_nobodys_way(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.store.slow = True
    world.pass_time(runner, 60)
    world.store._put(world.store.waiting[0], None)
    world.store.answer("timed out")
    world.store.answer()
    assert events(world)[-2:] == ["step", "paused"]
    assert (world.store.records["r1"].progress.share, world.path.now.share) == (10_000, 10_000)


def test_a_verb_that_cannot_be_written_is_not_done_and_pauses_it(world: World) -> None:
    runner = world.begun()
    world.store.broken = "disk full"
    assert problem(runner.verb("promote", ANN)) == "disk full"
    assert (runner.progress.share, runner.progress.state, world.path.now.share) == (10_000, State.PAUSED, 10_000)
    assert done(runner.verb("abort", ANN)) == [runner.progress]
    assert world.path.now.share == 0


def test_verbs_wait_for_what_is_being_written_but_abort_does_not(world: World) -> None:
    runner = world.begun()
    world.store.slow = True
    promoted, paused = done(runner.verb("promote", ANN)), done(runner.verb("pause", ANN))
    aborted = done(runner.verb("abort", ANN))
    assert (world.path.now.share, runner.progress.state) == (10_000, State.ABORTED)
    world.pass_time(runner)
    assert (world.path.now.share, promoted, paused, aborted) == (0, [], [], [])
    world.store.answer()
    world.store.answer()
    assert runner.progress.state is State.ABORTED and aborted == [runner.progress]
    assert isinstance(paused[0].value, Refused)


def test_finish_is_written_before_the_route_is_let_go_of(world: World) -> None:
    runner = world.begun()
    runner.verb("abort", ANN)
    world.store.broken = "disk full"
    assert problem(runner.verb("finish", ANN)) == "disk full"
    assert world.path.held == {"r1"}
    world.store.broken = ""
    runner.verb("finish", ANN)
    assert (world.path.held, world.store.records["r1"].progress.held) == (set(), False)


def test_a_route_that_is_not_let_go_of_is_let_go_of_later(world: World, logged: list[str]) -> None:
    runner = world.begun()
    runner.verb("abort", ANN)
    world.path.keeps = ["disk full"]
    runner.verb("finish", ANN)
    world.pass_time(runner, 60)
    assert runner.alive and runner.status()["problem"] == "the route cannot be let go of: disk full"
    assert (world.path.asked_to_let_go, logged.count("release r1: the route cannot be let go of: disk full")) == (7, 1)
    world.path.keeps = []
    world.pass_time(runner, 10)
    assert (runner.alive, world.path.held, runner.status()["problem"]) == (False, set(), "")


def test_a_route_that_was_not_let_go_of_is_there_for_another_attempt(world: World) -> None:
    runner = world.begun()
    runner.verb("abort", ANN)
    world.path.keeps = ["disk full"]
    runner.verb("finish", ANN)
    steered = len(world.path.steered)
    runner.verb("retry", ANN)
    assert [one.state for one in world.path.steered[steered:]] == [State.PREFLIGHT, State.OBSERVING]
    world.path.keeps = []
    world.pass_time(runner, 20)
    assert (runner.progress.state, world.path.held) == (State.OBSERVING, {"r1"})


def test_a_route_that_was_not_let_go_of_may_have_been_taken_by_the_next_attempt(world: World) -> None:
    runner = world.begun()
    runner.verb("abort", ANN)
    world.path.keeps = ["disk full"]
    runner.verb("finish", ANN)
    world.path.held.clear()
    runner.verb("retry", ANN)
    assert (runner.progress.state, world.path.held) == (State.OBSERVING, {"r1"})


def test_a_route_that_is_held_too_late_is_let_go_of_later_too(world: World) -> None:
    runner = world.run(spec())
    holding: Deferred = Deferred()
    world.path.hold = lambda _: holding
    runner.start(ANN)
    runner.verb("abort", ANN)
    assert runner.alive
    world.path.held, world.path.keeps = {"r1"}, ["disk full"]
    holding.callback([])
    assert (runner.progress.held, runner.alive) == (False, True)
    world.path.keeps = []
    world.pass_time(runner, 11)
    assert (world.path.held, runner.alive) == (set(), False)


def test_one_that_cannot_begin_anew_lets_go_of_what_it_still_has(world: World) -> None:
    runner = world.begun()
    runner.verb("abort", ANN)
    letting: Deferred = Deferred()
    let_go, world.path.let_go = world.path.let_go, lambda _: letting
    runner.verb("finish", ANN)
    world.path.refuses = ["handing over"]
    holding: Deferred = Deferred()
    world.path.hold = lambda _: holding
    runner.verb("retry", ANN)
    letting.callback(["handing over"])
    world.path.let_go = let_go
    holding.callback(["handing over"])
    assert (runner.progress.state, world.path.held, runner.alive) == (State.ABORTED, set(), False)


def test_what_is_taken_back_is_written_before_it_is_steered(world: World) -> None:
    runner = world.begun()
    world.store.slow = True
    runner.verb("abort", ANN)
    assert world.path.now.share == 10_000
    world.store.answer()
    assert world.path.now.share == 0 and events(world)[-1] == "aborted"


def test_two_that_take_back_never_give_anything_in_between(world: World) -> None:
    runner = world.begun()
    world.store.slow = True
    runner.verb("brake", ANN)
    runner.verb("abort", ANN)
    world.pass_time(runner)
    assert world.path.now.share == 0
    world.store.answer()
    assert world.path.now.share == 0
    world.store.answer()
    assert (world.path.now.share, events(world)[-2:]) == (0, ["braked", "aborted"])


# processes


def test_the_next_process_goes_on_where_this_one_was(world: World) -> None:
    runner = world.begun()
    world.pass_time(runner, 34)
    again = world.restart(runner)
    assert (again.progress.state, again.progress.share, again.progress.in_step) == (State.OBSERVING, 10_000, 30.0)
    assert world.path.now.share == 10_000
    world.see(PROVEN)
    world.pass_time(again, 30)
    assert (again.progress.step, world.judges[-1].ticks) == (2, 60)


def test_after_a_long_gap_it_comes_up_paused(world: World) -> None:
    again = world.restart(world.begun(), gap=660.0)
    assert (again.progress.state, again.progress.share) == (State.PAUSED, 10_000)
    assert again.progress.reason == "paused: there was no process for 11 min"


def test_a_stepped_wall_clock_harms_nothing(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.wall -= 86_400.0
    world.pass_time(runner, 59)
    assert runner.progress.step == 1
    world.wall += 10 * 86_400.0
    world.pass_time(runner)
    assert runner.progress.step == 2


def test_a_late_tick_counts_for_little(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.monotonic += 3600.0
    world.pass_time(runner)
    assert (runner.progress.step, runner.progress.in_step) == (1, 2.0)


def test_preflight_begins_anew_in_the_next_process(world: World) -> None:
    world.path.healthy["new"] = (0, 2)
    runner = world.begun()
    world.path.healthy["new"] = (2, 2)
    again = world.restart(runner)
    world.pass_time(again)
    assert again.progress.state is State.OBSERVING


# gates


def gated(world: World) -> Runner:
    gate = Gate(GateKind.WEBHOOK, "ci", url="https://ci.example/", every=30.0)
    runner = world.begun(spec(Step(1, 10_000, gate=gate), Step(2, 50_000)))
    world.see(PROVEN)
    world.pass_time(runner, 60)
    return runner


def test_a_webhook_is_asked_until_it_says_yes(world: World) -> None:
    runner = gated(world)
    assert (runner.progress.state, len(world.outreach.questions)) == (State.GATED, 1)
    world.outreach.answer("waiting", "HTTP 503")
    world.pass_time(runner, 29)
    assert len(world.outreach.questions) == 1
    world.pass_time(runner)
    world.outreach.answer("approved", "looks good")
    assert (runner.progress.step, world.path.now.share) == (2, 50_000)
    assert events(world)[-3:] == ["gate_waiting", "gate_approved", "step"]
    assert world.outreach.questions[0]["weight"] == 1.0
    assert runner.status()["steps"][0]["gate"]["answer"] == "looks good"  # type: ignore[index]


def test_a_webhook_that_says_no_takes_it_back(world: World) -> None:
    world.outreach.answers = [Answered("rejected", "tests failed")]
    runner = gated(world)
    assert (runner.progress.state, world.path.now.share) == (State.ROLLING_BACK, 0)
    assert runner.progress.reason == "rolling back: the gate ci was rejected by the webhook ci: tests failed"


def test_a_dead_webhook_stalls_nothing(world: World) -> None:
    runner = gated(world)
    world.see(BAD)
    world.pass_time(runner)
    assert world.path.now.share == 0
    world.outreach.answer("approved")
    assert runner.progress.state is State.ROLLING_BACK


# the judge


def test_the_judge_is_told_of_brakes(world: World) -> None:
    runner = world.begun(spec(Step(1, 500_000)))
    world.see(ALARM)
    world.pass_time(runner)
    assert (world.path.now.share, runner.progress.state) == (10_000, State.BRAKED)
    world.see(Evidence(fast=110.0, recent_requests=18, recent_excess=0.2))
    world.pass_time(runner, 20)
    world.see(Evidence(recent_requests=18, recent_excess=0.01))
    world.pass_time(runner, 20)
    assert world.judges[0].told == ["step 0", "brake", "look again", "resume"]
    assert world.path.now.share == 500_000
    runner.verb("brake", ANN)
    assert world.judges[0].told[-1] == "brake by hand"


def test_who_was_counted_is_written_down_with_what_the_judge_knows(world: World) -> None:
    runner = world.begun()
    world.path.users = [(0, 1, 0.0, 0.5)]
    world.store.broken = "disk full"
    world.pass_time(runner, 10)
    world.path.users = [(1, 1, 0.0, 0.5)]
    world.store.broken = ""
    runner.verb("promote", ANN)
    world.path.users = [(0, 2, 0.0, 0.5)]
    world.pass_time(runner, 10)
    assert world.store.records["r1"].users == ((0, 1, 0.0, 0.5), (1, 1, 0.0, 0.5), (0, 2, 0.0, 0.5))
    again = world.restart(runner)
    assert world.path.known == {1: list(world.store.records["r1"].users)}
    again.verb("abort", ANN)
    again.verb("retry", ANN)
    assert world.store.records["r1"].users == ()


def test_of_what_is_not_seen_nothing_is_proven(world: World) -> None:
    runner = world.begun()
    world.see(PROVEN)
    world.pass_time(runner, 30)
    world.path.held.clear()
    world.pass_time(runner, 60)
    assert runner.progress.step == 1


def test_the_release_before_it_leaves_the_route_as_it_is(world: World) -> None:
    runner = world.begun()
    steered = len(world.path.steered)
    runner.supersede(ANN, "r2")
    assert (runner.progress.state, runner.progress.held, len(world.path.steered)) == (State.SUPERSEDED, False, steered)


def test_specs_of_one_step_work(world: World) -> None:
    only: ReleaseSpec = spec(Step(1, MILLION, hold_back=10_000, length=30.0))
    runner = world.begun(only)
    assert (runner.progress.state, world.path.now.share) == (State.BAKING, 990_000)
    world.pass_time(runner, 30)
    assert (runner.progress.state, world.path.now.share) == (State.SUCCEEDED, MILLION)
