"""What is found in the evidence of one more second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.release import FINEST, MILLION, Floor, Progress, Step, VerdictSettings
from shifter.release import rules
from shifter.release.evidence import Evidence
from shifter.release.rules import Facts, Guard
from tests.support.releases import spec


@given(st.integers(0, MILLION // FINEST).map(lambda one: one * FINEST), st.one_of(st.none(), st.floats(0.0, 1e7)))
def test_a_brake_gives_no_more_than_there_was_and_something(share: int, rate: float | None) -> None:
    braked = rules.braked_share(share, rate)
    assert 0 <= braked <= share
    assert braked % FINEST == 0
    assert (braked == 0) == (share == 0)
    if rate is not None and rate > 0 and FINEST < braked < share:
        assert braked / MILLION * rate == pytest.approx(rules.BRAKED_RATE, rel=0.4)


@pytest.mark.parametrize(("requests", "excess", "is_calm"), [(14, 0.0, False), (15, 0.0499, True), (15, 0.05, False), (400, -0.2, True)])
def test_calm(requests: int, excess: float, is_calm: bool) -> None:
    assert rules.calm(Evidence(recent_requests=requests, recent_excess=excess)) is is_calm


@pytest.mark.parametrize(("to", "number"), [(MILLION, 5), (999_999, 4), (50_000, 2), (9_999, None)])
def test_a_share_is_in_the_step_that_gives_no_more(to: int, number: int | None) -> None:
    found = rules.first(spec(), to)
    assert (found.number if found is not None else None) == number


def test_100_is_also_the_step_that_holds_something_back() -> None:
    release = spec(Step(1, 500_000), Step(2, MILLION, hold_back=10_000, length=60.0))
    assert [step.number for to in (MILLION, 990_000) if (step := rules.first(release, to)) is not None] == [2, 2]


@pytest.mark.parametrize(("aim", "proven"), [(0, False), (1, True), (999_999, True), (MILLION, False)])
def test_something_is_proven_where_both_get_requests_by_chance(aim: int, proven: bool) -> None:
    assert rules.proves(Progress(aim=aim)) is proven


@pytest.mark.parametrize(
    ("seconds", "said"), [(7.0, "7 s"), (90.0, "90 s"), (120.0, "2 min"), (1800.0, "30 min"), (5400.0, "90 min"), (7200.0, "2 h")]
)
def test_times_as_people_say_them(seconds: float, said: str) -> None:
    assert rules.seconds(seconds) == said


def plain_floor(seconds: float, seen: list[tuple[float, int, int]]) -> str | None:
    """Say the same as a `Guard` that remembers everything."""
    now, requests, failed = seen[-1]
    began = [one for one in seen if now - one[0] >= seconds and requests - one[1] >= rules.FLOOR_REQUESTS]
    if not began:
        return None
    tried, lost = requests - began[-1][1], failed - began[-1][2]
    if 1.0 - lost / tried >= 0.9:
        return None
    said = f"of the canary's last {tried} requests, in {now - began[-1][0]:.0f} s, {(1.0 - lost / tried) * 100:.1f} % succeeded"
    return f"{said}; 90 % have to"


few = st.tuples(st.sampled_from((0.0, 0.5, 1.0, 1.0, 2.0)), st.sampled_from((0, 0, 0, 1, 3, 12)), st.integers(0, 3))


@given(st.sampled_from((0.0, 1.0, 5.0, 10.0)), st.lists(few, max_size=80))
def test_the_floor_says_what_one_who_remembers_everything_would(seconds: float, turns: list[tuple[float, int, int]]) -> None:
    guard = Guard(VerdictSettings(floor=Floor(0.9, seconds)))
    seen: list[tuple[float, int, int]] = []
    now, requests, failed = 0.0, 0, 0
    for passed, more, lost in turns:
        now, requests, failed = now + passed, requests + more, failed + min(lost, more)
        seen.append((now, requests, failed))
        evidence = Evidence(requests=(0, requests), failed=(0, failed))
        assert guard.against(evidence, passed, Facts()) == plain_floor(seconds, seen)


def test_a_floor_with_few_requests_remembers_few_seconds() -> None:
    watch = rules._FloorWatch(Floor(0.9, 10.0))
    for second in range(10_000):
        watch.below(Evidence(requests=(0, second // 1000)), 1.0)
    assert len(watch._early) + len(watch._late) <= 10 + rules.FLOOR_REQUESTS + 1
