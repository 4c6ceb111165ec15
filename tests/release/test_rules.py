"""What is found in the evidence of one more second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.release import FINEST, MILLION, Progress, Step
from shifter.release import rules
from shifter.release.evidence import Evidence
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
