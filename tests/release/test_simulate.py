"""What a release would have noticed of a fault."""

from dataclasses import replace
from itertools import islice, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.release import MILLION, ReleaseSpec, RouteReference, Step
from shifter.release.simulate import (
    DONE,
    FAULTS,
    HEALTHY,
    OUT_OF_REQUESTS,
    ROLLED_BACK,
    WAITS,
    Request,
    by_seconds,
    decided,
    made_up,
    simulate,
)

STEPS = (Step(1, share=250_000, max=120.0), Step(2, share=MILLION))
SPEC = ReleaseSpec("name", RouteReference(text="/"), "old", "new", STEPS)
BROKEN = FAULTS[1]


def test_requests_are_made_up_at_a_rate() -> None:
    requests = list(takewhile(lambda one: one.at < 100, made_up(100, 0.05, 80.0)))
    assert len(requests) == pytest.approx(10_000, rel=0.05)
    assert sum(one.failed for one in requests) == pytest.approx(500, rel=0.2)
    assert sorted(one.ms for one in requests)[len(requests) // 2] == pytest.approx(80, rel=0.1)
    assert list(islice(made_up(1, 0, 1), 5)) == list(islice(made_up(1, 0, 1), 5)) != list(islice(made_up(1, 0, 1, seed=1), 5))


@given(st.lists(st.floats(0, 50), max_size=30))
def test_every_request_is_in_one_second(times: list[float]) -> None:
    seconds = list(by_seconds(Request(1e9 + at, False, 1.0) for at in sorted(times)))
    assert sum(map(len, seconds)) == len(times)
    for number, batch in enumerate(seconds):
        assert all(number <= one.at <= number + 1 for one in batch)


def test_who_comes_too_late_comes_now() -> None:
    seconds = list(by_seconds([Request(0.0, False, 1.0), Request(2.5, False, 1.0), Request(1.0, True, 1.0)]))
    assert [[one.at for one in batch] for batch in seconds] == [[0.0], [], [2.5, 2]]


def test_what_is_broken_is_caught_soon_and_what_is_healthy_goes_through() -> None:
    healthy, broken = simulate(SPEC, made_up(40, 0.001, 80.0), (HEALTHY, BROKEN), 2, 600)
    assert broken.outcome() == (ROLLED_BACK, 2)
    run = broken.typical()
    assert run.step == "25 %" and run.seconds <= 30 and run.failed == run.requests
    assert run.caused >= run.failed - 2
    assert run.braked is not None and run.braked <= run.seconds
    assert "fails 100 % of requests" in run.reason
    assert run.full is None
    assert healthy.outcome()[0] in (WAITS, DONE)
    assert all(run.caused == 0 for run in healthy.runs)


def test_it_ends_with_the_requests_and_with_the_time() -> None:
    few = [Request(float(at), False, 1.0) for at in range(10)]
    (found,) = simulate(SPEC, few, (HEALTHY,), 1, 600)
    assert (found.outcome(), found.typical().seconds) == ((OUT_OF_REQUESTS, 1), 10)
    (found,) = simulate(SPEC, made_up(1, 0, 1), (HEALTHY,), 1, 5)
    assert found.typical().seconds == 5
    (found,) = simulate(SPEC, [], (HEALTHY,), 1, 600)
    assert found.typical().requests == 0


def test_a_step_waits_for_a_person_unless_it_is_decided() -> None:
    (waits,) = simulate(SPEC, made_up(1, 0.001, 80.0), (HEALTHY,), 1, 600)
    assert (waits.outcome(), waits.typical().seconds) == ((WAITS, 1), 120)
    (goes_on,) = simulate(decided(SPEC), made_up(1, 0.001, 80.0), (HEALTHY,), 1, 600)
    run = goes_on.typical()
    assert (run.outcome, run.full) == (DONE, 120)
    assert run.braked is None


def test_the_same_seed_says_the_same() -> None:
    one, same, other = (simulate(SPEC, made_up(20, 0.01, 80.0), FAULTS[2:3], 1, 120, seed)[0].runs for seed in (1, 1, 2))
    assert one == same != other


def test_a_release_that_begins_with_everything() -> None:
    (found,) = simulate(replace(SPEC, steps=(Step(1, share=MILLION),)), made_up(5, 0, 1), (HEALTHY,), 1, 100)
    assert (found.typical().full, found.outcome()[0]) == (0, DONE)
