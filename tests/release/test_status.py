"""What people see of a release: the same that the page was drawn from."""

import json
from typing import Any

import pytest

from shifter.model.release import Gate, GateKind, MirrorStep, RouteReference, Step
from shifter.model.route import HeaderMatcher
from shifter.observe.comparison import Comparison, Second
from shifter.release.evidence import Evidence
from shifter.release.runner import Runner
from shifter.release.status import POINTS, Kept, Noticed, route_text
from tests.support.release_scenes import release
from tests.support.releases import ANN, World, spec

STEPS = (
    Step(1, header=HeaderMatcher(b"x-canary"), gate=Gate(GateKind.MANUAL, "testers")),
    Step(2, mirror=MirrorStep(50_000), length=30.0),
    Step(3, 10_000, warm_up=5.0),
    Step(4, 1_000_000, hold_back=10_000, length=60.0),
)


def shown(runner: Runner, points: int | None = None) -> dict[str, Any]:
    return json.loads(json.dumps(runner.status(points), allow_nan=False))


def test_it_has_what_the_page_draws() -> None:
    world = World()
    runner = world.begun(spec(*STEPS))
    world.pass_time(runner, 3)
    drawn, told = release("observing"), shown(runner)
    assert set(drawn) <= set(told)
    for part in ("evidence", "exposure", "endpoints", "series"):
        assert set(drawn[part]) == set(told[part]), part
    assert set(drawn["steps"][0]) == set(told["steps"][0])
    assert set(drawn["steps"][2]["gate"]) == set(told["steps"][0]["gate"])


def test_steps_say_what_they_are_and_how_far() -> None:
    world = World()
    runner = world.begun(spec(*STEPS))
    world.pass_time(runner, 2)
    runner.verb("approve", ANN)
    world.pass_time(runner, 4)
    first, second, third, last = shown(runner)["steps"]
    assert (first["kind"], first["state"], first["seconds"], first["gate"]["state"]) == ("header", "done", 2.0, "approved")
    assert (second["kind"], second["state"], second["seconds"], second["length"]) == ("mirror", "current", 4.0, 30.0)
    assert (third["kind"], third["state"], third["warm_up"], third["weight"]) == ("weight", "next", 5.0, 1.0)
    assert (last["weight"], last["hold_back"]) == (100.0, 1.0)


def test_a_gate_that_was_passed_over_was_not_approved() -> None:
    world = World()
    runner = world.begun(spec(*STEPS))
    world.pass_time(runner)
    assert shown(runner)["steps"][0]["gate"]["waiting"]
    runner.verb("promote", ANN)
    assert shown(runner)["step"] == 2
    gate = shown(runner)["steps"][0]["gate"]
    assert (gate["state"], gate["approved"], gate["waiting"]) == ("", False, False)


def test_for_how_long_one_has_been_over_is_known_to_the_next_process() -> None:
    world = World()
    runner = world.begun(spec(*STEPS))
    world.pass_time(runner, 7)
    runner.verb("abort", ANN)
    world.wall += 100.0
    assert shown(runner)["in_state"] == 100.0
    again = world.restart(runner, 50.0)
    assert shown(again)["in_state"] == 150.0
    again.verb("finish", ANN)
    world.wall += 1.0
    assert shown(again)["in_state"] == 151.0
    again.verb("retry", ANN)
    assert shown(again)["in_state"] == 0.0


def test_a_gate_waits_through_a_pause() -> None:
    world = World()
    runner = world.begun(spec(*STEPS))
    world.pass_time(runner)
    assert shown(runner)["verbs"] == ["promote", "pause", "abort", "approve", "reject"]
    runner.verb("pause", ANN)
    gate = shown(runner)["steps"][0]["gate"]
    assert (gate["state"], gate["waiting"]) == ("waiting", True)


def test_what_is_remembered_for_people_survives_the_process() -> None:
    world = World()
    runner = world.begun(spec(*STEPS))
    world.pass_time(runner, 10)
    again = world.restart(runner)
    assert shown(again)["steps"][0]["seconds"] == 10.0
    assert (shown(runner)["exposure"]["forced_requests"], shown(again)["exposure"]["forced_requests"]) == (3, 6)
    world.pass_time(again, 10)
    assert shown(world.restart(again))["exposure"]["forced_requests"] == 9


def test_the_last_evidence_is_shown_by_the_next_process() -> None:
    world = World()
    runner = world.begun()
    world.pass_time(runner, 10)
    runner.verb("abort", ANN)
    world.see(Evidence(sentence="no difference seen"))
    assert shown(world.restart(runner))["verdict"] == "no difference seen"


def test_lines_reach_back_ten_minutes() -> None:
    noticed = Noticed()
    for second in range(700):
        noticed.note(float(second), 10_000, Second(), 1.0)
    assert (len(noticed.to_dict()["at"]), noticed.to_dict(2)["at"]) == (POINTS, [698.0, 699.0])  # type: ignore[arg-type]
    assert noticed.to_dict(0)["at"] == []


def test_lines_are_of_both_versions() -> None:
    comparison = Comparison()
    for number in range(200):
        trial = comparison.sent(number % 2 == 1, 500_000, 0.0)
        comparison.ended(trial, 0.010 if number % 2 else 0.100, failed=number < 20, status=200)
    noticed = Noticed()
    noticed.note(1.0, 500_000, comparison.take(1.0), 2.34567891)
    noticed.note(2.0, 500_000, None, 2.0)
    told = noticed.to_dict()
    assert told["errors"] == [[10.0, None], [10.0, None]]
    assert told["p50"] == [[pytest.approx(100.0, rel=0.03), None], [pytest.approx(10.0, rel=0.03), None]]
    assert (told["weight"], told["evidence"]) == ([50.0, 50.0], [2.3457, 2.0])


def test_what_the_store_cannot_do_is_told() -> None:
    world = World()
    runner = world.begun()
    world.store.broken = "disk full"
    world.see(Evidence(value=150.0, sentence="bad"))
    world.pass_time(runner)
    assert shown(runner)["problem"] == "version 3 cannot be written down yet: disk full"


def test_kept_is_found_again() -> None:
    kept = Kept({})
    kept.spend(2, 1.5)
    kept.asked("ci", 17.0)
    kept.answered("ci", "not yet")
    again = Kept(json.loads(json.dumps(kept.to_dict({}))))
    assert (again.spent(2), again.gate("ci"), again.gate("other")) == (1.5, (17.0, "not yet"), (None, ""))


@pytest.mark.parametrize(
    ("route", "said"),
    [
        (RouteReference("backend", kind="prefix", text="/service/1"), "backend/prefix /service/1"),
        (RouteReference("backend", name="shop"), "backend/shop"),
        (RouteReference(text="backend//service/1"), "backend//service/1"),
    ],
)
def test_a_route_in_one_line(route: RouteReference, said: str) -> None:
    assert route_text(route) == said
