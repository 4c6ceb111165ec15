"""What a release will take, told before it begins."""

import json
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config.releases import read_release
from shifter.model.release import MILLION, ReleaseSpec
from shifter.release.plan import Difference, Plan, PlannedStep, needs, plan
from shifter.release.plan_text import number, plan_text, time

HEAD = "name: r\nbaseline: service1\ncanary: service1a\n"


def spec(text: str) -> ReleaseSpec:
    found, problems = read_release((HEAD + text).encode(), "r.yaml")
    assert found is not None, problems
    return found


STEPS = spec("""\
steps:
- {header: {name: x}, gate: manual}
- {mirror: 5, for: 300s}
- 10
- {weight: 50, for: 100s}
- {weight: 100, hold_back: 1, for: 60s}
""")
"""Of each kind one."""


def seen(step: PlannedStep) -> dict[str, tuple[int | None, bool | None]]:
    return {one.name: (one.requests, one.seen) for one in step.differences}


def test_what_a_step_takes() -> None:
    made = plan(STEPS, rate=100.0, error_rate=0.01)
    assert [(step.kind, step.least, step.most, step.gate) for step in made.steps] == [
        ("header", 0.0, 0.0, "step-1"),
        ("mirror", 300.0, 300.0, ""),
        ("weight", 60.0, None, ""),  # it holds where it is undecided
        ("weight", 100.0, 100.0, ""),
        ("weight", 60.0, 60.0, ""),
    ]
    assert [step.rate for step in made.steps] == [0.0, 0.0, 10.0, 50.0, 99.0]
    assert (made.earliest, made.latest) == (520.0, None)
    assert made.healthy is not None
    assert made.healthy > made.earliest


def test_the_figures_are_those_of_the_study() -> None:
    """1 -> 5 %: 210-390 canary requests, 1 -> 2 %: about 2,100, latency +30 %: 205-500, broken 4-6: docs/verdict.md."""
    found = seen(plan(STEPS, 100.0, 0.01).steps[2])
    assert list(found) == ["errors 1 % -> 1.25 %", "errors 1 % -> 2 %", "errors 1 % -> 5 %", "latency +30 %", "broken"]
    few = {name: requests or 0 for name, (requests, _) in found.items()}
    assert 1500 <= few["errors 1 % -> 2 %"] <= 2500
    assert 180 <= few["errors 1 % -> 5 %"] <= 400
    assert 180 <= few["latency +30 %"] <= 500
    assert 2 <= few["broken"] <= 8
    assert few["errors 1 % -> 1.25 %"] > 50_000
    assert {name for name, (_, is_seen) in found.items() if is_seen} == set(found) - {"errors 1 % -> 1.25 %"}


def test_what_a_step_cannot_see_is_said_with_what_would_help() -> None:
    made = plan(spec("steps: [1, 10, 100]"), rate=2.0, error_rate=0.01)
    assert seen(made.steps[0])["errors 1 % -> 5 %"][1] is False
    assert any(
        one.startswith("at 2 requests a second 1 % sees nothing but `broken` in 10 min: begin with 50 %, or give it") for one in made.advice
    )
    assert any("a canary without fault is not proven to be one before `max` at 1 %" in one for one in made.advice)
    nothing = plan(spec("steps: [0.1, 100]\neach_step: {max: 60s, undecided: roll_back}"), rate=2.0)
    assert any("sees nothing, not even that it is broken in 60 s" in one for one in nothing.advice)
    assert any("not proven to be one before `max` at 0.1 %: the release is rolled back" in one for one in nothing.advice)
    assert nothing.healthy is None


def test_what_would_help_does_help() -> None:
    """More requests are needed where the canary has a larger share: a weight is suggested only if it sees what it should."""
    for rate in (1.0, 1.6, 2.0, 10.0, 50.0):
        for one in plan(spec("steps: [1, 5, 25, 100]"), rate=rate, error_rate=0.01).advice:
            if "begin with" in one:
                better = one.partition("begin with ")[2].partition(" %")[0]
                helped = plan(spec(f"steps: [{better}, 100]"), rate=rate, error_rate=0.01)
                assert not any("sees nothing" in said for said in helped.advice), (rate, one)
    assert not any("begin with" in one for one in plan(spec("steps: [1, 5, 25, 100]"), rate=1.0, error_rate=0.01).advice)


def test_whose_requests_they_are() -> None:
    measured, said = plan(STEPS, 100.0), plan(STEPS, 100.0, whole=False)
    assert " at 100 requests a second to service1 and service1a, from all routes, of which " in plan_text(measured.to_dict())
    assert " at 100 requests a second, of which " in plan_text(said.to_dict())
    assert "from all routes" not in plan_text(plan(STEPS).to_dict())


def test_nothing_is_said_against_a_release_that_has_what_it_takes() -> None:
    made = plan(spec("steps: [10, 50, 100]\neach_step: {max: 600s, undecided: advance}"), rate=1000.0, error_rate=0.001)
    assert made.advice == ()
    assert [step.suffices for step in made.steps] == [True, True, None]
    assert made.latest == 1260.0
    assert (made.healthy, made.earliest) == (180.0, 180.0)


def test_what_is_proven_is_proven_for_the_steps_behind() -> None:
    made = plan(spec("steps: [5, 10, 100]"), rate=100.0, error_rate=0.01)
    first, second, _ = made.steps
    assert first.healthy is not None
    assert first.healthy > 600.0
    assert second.healthy == 60.0


def test_who_knows_no_rate_is_told_requests() -> None:
    made = plan(STEPS)
    assert (made.rate, made.assumed, made.healthy) == (None, True, None)
    assert [one.seconds for one in made.steps[2].differences] == [None] * 5
    assert [one.seen for one in made.steps[2].differences] == [None] * 5
    assert "how many requests the route gets is not known: times are not told" in made.advice
    assert plan(STEPS, rate=0.0).rate is None
    assert plan(STEPS, rate=inf).rate is None


def test_what_is_left_out_is_not_told() -> None:
    found = seen(plan(spec("steps: [10, 100]\nverdict: {latency: off, errors: {max_increase: 2%}}"), 100.0, 0.01).steps[0])
    assert list(found) == ["errors 1 % -> 3 %", "errors 1 % -> 5 %", "latency +30 %", "broken"]
    assert found["latency +30 %"] == (None, False)


def test_what_the_steps_of_a_running_release_need() -> None:
    found = needs(STEPS, 100.0)
    assert [one and one["title"] for one in found] == [None, None, "10 %", "50 %", "100 %"]
    assert json.loads(json.dumps(found))


def test_words_about_the_end() -> None:
    made = plan(spec("steps: [{weight: 100, for: 60s}]\nstick_to: {header: x}"), 100.0)
    assert "the last step holds nothing back: while it bakes there is nothing to compare the canary with" in made.advice
    assert made.unit == "user"


def test_a_plan_as_it_is_printed() -> None:
    worse = Difference("errors", 2193, 219.3, True), Difference("latency", None, None, False), Difference("broken", 4, 700.0, False)
    first = PlannedStep(1, "10 %", "weight", 0.1, 0.01, 10.0, 60.0, None, 560.0, "qa", 5250, worse, True)
    last = PlannedStep(2, "100 %", "weight", 1.0, 0.01, 100.0, 60.0, 60.0, 60.0, "", None, (), None)
    made = Plan(
        "r", "service1", "service1a", "request", 100.0, 0.01, False, (first, last), 120.0, 620.0, None, ("somebody has to open `qa`",)
    )
    assert plan_text(json.loads(json.dumps(made.to_dict()))).splitlines() == [
        "r: service1 -> service1a at 100 requests a second, of which 1 % fail",
        "",
        "step      canary/s  takes                no fault  proof  errors       latency  broken",
        "1  10 %   10        60 s - ..., gate qa  10 min    5,250  2,190 4 min  -        4 12 min*",
        "2  100 %  100       60 s                 60 s",
        "",
        "Figures are canary requests, with the time that they take in the step; * is more than the step has, - is never seen.",
        "Over after 2 min at least, nobody knows when: it may wait for somebody; a good canary takes about 11 min, gates left out.",
        "! somebody has to open `qa`",
    ]
    assert "at a rate that is not known, of which 1 % fail (nobody knows; this is usual)" in plan_text(plan(STEPS).to_dict())


@pytest.mark.parametrize("told", [{}, {"steps": 1}, {"steps": [1, {}, {"differences": [{}, 2]}], "advice": "x"}])
def test_a_plan_of_any_shape_is_printed(told: dict[str, object]) -> None:
    assert plan_text(told)


def test_numbers_and_times() -> None:
    assert [number(one) for one in (0.02, 1.0, 99.0, 1999.0, 116_082.0)] == ["0.02", "1", "99", "2,000", "116,000"]
    assert [time(one) for one in (0.2, 119.0, 121.0, 7200.0, 200_000.0, inf)] == ["1 s", "119 s", "3 min", "2 h", "2.31 d", "for ever"]


@given(
    st.lists(st.integers(1, 9999), min_size=1, max_size=6, unique=True).map(sorted),
    st.floats(0.001, 1e6),
    st.floats(0.0, 1.0),
    st.sampled_from(["hold", "advance", "roll_back"]),
)
def test_any_release_has_a_plan(hundredths: list[int], rate: float, errors: float, undecided: str) -> None:
    steps = ", ".join(f"{one / 100:.2f}" for one in hundredths)
    release = spec(f"steps: [{steps}, 100]\neach_step: {{undecided: {undecided}}}\n")
    made: Plan = plan(release, rate, errors)
    assert made.earliest <= (made.healthy if made.healthy is not None else inf)
    assert made.latest is None or made.earliest <= made.latest
    for step, planned in zip(release.steps, made.steps, strict=True):
        assert planned.rate == pytest.approx(rate * step.served / MILLION)
        for one in planned.differences:
            assert (one.requests is None) == (one.seconds is None)
    assert plan_text(made.to_dict()) == plan_text(json.loads(json.dumps(made.to_dict())))
