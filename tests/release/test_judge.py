"""The verdict on a canary."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from math import isfinite, isnan
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifter.model.release import VerdictSettings
from shifter.observe.comparison import BINS, Comparison, Second, bin_of
from shifter.release.evidence import Evidence
from shifter.release.interfaces import Judge
from shifter.release.judge import Verdict
from shifter.release.latency import QUANTILES
from tests.support.judged import judged, second, until_condemned

USUAL = VerdictSettings()
_: Judge = Verdict(USUAL)
SIZE = len(QUANTILES) + 1

COUNTS = st.one_of(st.integers(0, 3), st.integers(0, 1_000_000))
PAIRS = st.lists(COUNTS, min_size=2, max_size=2)
SHARES = st.one_of(st.sampled_from([0.0001, 0.01, 0.1, 0.5, 0.9999]), st.floats(1e-4, 1.0 - 1e-4))
LATENCIES = st.tuples(*[st.lists(COUNTS, min_size=SIZE, max_size=SIZE)] * 2)


@st.composite
def any_second(draw: st.DrawFn) -> Second:
    made = Second()
    made.sent[:], made.answered[:], made.failed[:] = draw(PAIRS), draw(PAIRS), draw(PAIRS)
    made.sent_under = draw(st.dictionaries(st.one_of(SHARES, st.sampled_from([0.0, 1.0])), PAIRS, max_size=2))
    made.failures = draw(st.dictionaries(SHARES, PAIRS, max_size=2))
    made.latencies = draw(st.dictionaries(SHARES, LATENCIES, max_size=2))
    for version in (0, 1):
        for number, count in draw(st.dictionaries(st.integers(0, BINS - 1), COUNTS, max_size=3)).items():
            made.histograms[version][number] = count
    made.in_flight = (draw(COUNTS), draw(COUNTS))
    return made


VERBS = st.sampled_from(["tick"] * 6 + ["begin", "warm", "brake", "look", "resume"])


def follow(verdict: Verdict, verb: str, made: Second) -> Evidence:
    match verb:
        case "begin":
            verdict.begin_step(0.0)
        case "warm":
            verdict.begin_step(2.0)
        case "brake":
            verdict.brake(by_hand=False)
        case "look":
            verdict.look_again()
        case "resume":
            verdict.resume()
    return verdict.tick(made, 3.0)


def figures(value: object) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [figure for one in value for figure in figures(one)]
    return [float(value)] if isinstance(value, (int, float)) else []


@given(
    st.lists(st.tuples(VERBS, any_second()), max_size=8),
    st.sampled_from([USUAL, replace(USUAL, latency=False, tolerate_blips=0.0), replace(USUAL, max_error_increase=0.0)]),
    st.sampled_from(["request", "user"]),
)
@settings(deadline=None, max_examples=25)
def test_whatever_happens_it_says_something_and_goes_on_the_same_after_a_restart(
    story: list[tuple[str, Second]], of: VerdictSettings, unit: Literal["request", "user"]
) -> None:
    verdict, again = Verdict(of, unit), Verdict(of, unit)
    for verb, made in story:
        evidence = follow(verdict, verb, made)
        assert all(isfinite(figure) for figure in figures(asdict(evidence)))
        assert evidence.sentence
        assert evidence.value >= 0.0
        assert json.loads(json.dumps(evidence.to_dict(), allow_nan=False))
        assert follow(again, verb, made) == evidence
        assert again.edges == verdict.edges
        again = Verdict(of, unit, json.loads(json.dumps(again.to_state(), allow_nan=False)))
        assert again.edges == verdict.edges


def test_state_is_small() -> None:
    verdict = Verdict(USUAL)
    for _ in judged(verdict, 60, rate=300):
        pass
    assert len(json.dumps(verdict.to_state())) < 8_000


@pytest.mark.parametrize("state", [{}, {"version": 0}, {"version": 1}, {"version": 1, "bets": 3}, {"version": 1, "bets": [[]]}])
def test_a_state_that_nobody_knows_is_forgotten(state: dict[str, object]) -> None:
    assert Verdict(USUAL, "request", state).to_state() == Verdict(USUAL).to_state()


def last(verdict: Verdict, seconds: int, **what: object) -> Evidence:
    *_, evidence = judged(verdict, seconds, **what)  # type: ignore[arg-type]  # as `judged` has it
    return evidence


# canaries


def test_a_healthy_canary_is_proven_not_worse_and_not_condemned() -> None:
    for seed in range(3):
        verdict = Verdict(USUAL)
        verdict.begin_step(0.0)
        proven = [evidence.proven for evidence in judged(verdict, 260, seed)]
        assert proven.index(True) >= 60
        evidence = last(verdict, 1, seed=seed)
        assert evidence.value < 5.0
        assert "proven not worse: canary fails" in evidence.sentence
        assert evidence.needed is None


def test_a_broken_canary_is_braked_at_once_and_condemned_after_a_blip() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    seen = list(judged(verdict, 9, failing=(0.001, 1.0)))
    assert [evidence.alarms for evidence in seen].index(True) <= 1
    assert [evidence.condemns for evidence in seen].index(True) == 6
    assert seen[-1].sentence.startswith("canary fails 100 % of requests, baseline ")
    assert "comes by chance less than once in 100 releases" in seen[6].sentence
    assert seen[-1].canary_success_rate == 0.0
    assert seen[-1].excess_failed == pytest.approx(seen[-1].failed[1], abs=1.0)
    assert not seen[-1].proven


def test_errors() -> None:
    for seed in range(3):
        found = until_condemned(seed, failing=(0.01, 0.05))
        assert found is not None
        assert found[1] < 900


def test_latency() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    evidence = next(one for one in judged(verdict, 200, slower=1.4) if one.condemns)
    assert evidence.latency > evidence.errors
    assert evidence.sentence.startswith("canary is slower: p50 1")
    assert " ms against " in evidence.sentence


def test_latency_that_nobody_asked_for_condemns_nobody() -> None:
    without = replace(USUAL, latency=False)
    assert until_condemned(1, without, slower=3.0, seconds=120) is None
    found = until_condemned(1, without, failing=(0.01, 0.1), seconds=120)
    assert found is not None
    assert Verdict(without).tick(Second(), 0.0).metrics == ()


def test_what_is_tolerated_condemns_nobody() -> None:
    assert until_condemned(2, replace(USUAL, max_error_increase=0.05), failing=(0.01, 0.04), seconds=200) is None
    assert until_condemned(2, slower=1.1, seconds=200) is None


def test_an_outage_of_both_moves_nothing() -> None:
    for seed in range(2):
        verdict = Verdict(USUAL)
        verdict.begin_step(0.0)
        last(verdict, 30, seed=seed)
        worst = max(evidence.value for evidence in judged(verdict, 60, seed, failing=(0.4, 0.4)))
        assert worst < 20.0


def test_a_fault_that_begins_late_is_told_of_by_what_is_recent() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    last(verdict, 400, rate=30)
    evidence = next(one for one in judged(verdict, 200, rate=100, failing=(0.001, 0.2)) if one.condemns)
    assert " in the last " in evidence.sentence


def test_requests_that_hang_alarm_before_they_fail() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    chance = Random(3)
    last(verdict, 20)
    hanging = []
    for _ in range(3):
        made = second(chance, verdict.edges)
        made.answered[1] = made.failed[1] = 0
        made.histograms[1][:] = [0] * BINS
        counts = made.latencies[0.1][1]
        counts[:] = [0] * (SIZE - 1) + [sum(counts)]
        hanging.append(verdict.tick(made, 10.0).alarms)
    assert hanging[1]
    verdict.brake(by_hand=False)
    assert verdict.tick(made, 1.0).recent_excess > 0.9


# warming up


def test_a_cold_canary_is_forgiven_what_is_no_catastrophe() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(30.0)
    seen = list(judged(verdict, 30, failing=(0.001, 0.05), slower=2.0))
    assert all(evidence.warming for evidence in seen[:-1])
    assert not any(evidence.alarms or evidence.condemns or evidence.proven for evidence in seen)
    assert "warming up for another" in seen[-2].sentence
    after = last(verdict, 60)
    assert not after.warming
    assert after.value < 5.0


def test_a_cold_canary_that_is_broken_is_not() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(60.0)
    seen = list(judged(verdict, 30, failing=(0.001, 0.8)))
    assert [evidence.alarms for evidence in seen].index(True) <= 2
    assert [evidence.condemns for evidence in seen].index(True) <= 14


def test_warming_up_again_is_no_new_chance() -> None:
    """However often a step begins, the whole capital is one unit."""
    verdict = Verdict(USUAL)
    for _ in range(20):
        verdict.begin_step(5.0)
        assert verdict.tick(Second(), 0.0).value <= 1.000001


# the brake


def test_what_the_brake_looks_at() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    last(verdict, 5, failing=(0.001, 1.0))
    verdict.brake(by_hand=False)
    evidence = last(verdict, 20, share=0.01)
    assert evidence.sentence.startswith("braked: canary fails ")
    assert 5 <= evidence.recent_requests <= 60
    assert evidence.recent_excess < 0.05
    verdict.look_again()
    assert last(verdict, 1, share=0.01).recent_requests <= 5
    verdict.resume()
    evidence = last(verdict, 1)
    assert not evidence.alarms
    assert evidence.fast <= evidence.value * 1.5


# users


def users(verdict: Verdict, failed: Sequence[int], seen: Sequence[int], requests: Sequence[int] = (900, 100)) -> Evidence:
    made = second(Random(1), ((), ()), rate=0)
    made.sent[:] = made.answered[:] = requests
    made.failed[:] = [9 * failed[0], 9 * failed[1]]
    made.sent_under = {0.1: [900, 100]}
    made.failures = {0.1: list(failed)}
    if verdict.edges[0]:
        made.latencies = {0.1: ([seen[0], *[0] * (SIZE - 1)], [seen[1], *[0] * (SIZE - 1)])}
    made.histograms[0][150] = 100
    return verdict.tick(made, 100.0)


def test_users_count_once_and_are_what_is_told_of() -> None:
    verdict = Verdict(USUAL, "user")
    verdict.begin_step(0.0)
    users(verdict, (0, 0), (0, 0))
    for _ in range(8):
        evidence = users(verdict, (1, 9), (90, 10))
    assert evidence.condemns
    assert evidence.unit == "user"
    assert "canary fails for 9" in evidence.sentence
    assert " of users" in evidence.sentence
    assert verdict.tick(Second(), 1.0).requests == (8100, 900)


def test_no_more_users_fail_than_there_are() -> None:
    """Before anybody knows of what a latency is to be compared with, only those who fail are counted."""
    verdict = Verdict(replace(USUAL, latency=False), "user")
    verdict.begin_step(0.0)
    evidence = users(verdict, (1, 52), (0, 0))
    for _ in range(3):
        evidence = users(verdict, (1, 44), (90, 9))
    assert "canary fails for 100 % of users" in evidence.sentence


# words


def test_words_when_there_is_nothing_to_compare() -> None:
    def said(share: float) -> str:
        verdict = Verdict(USUAL)
        verdict.begin_step(0.0)
        return last(verdict, 2, share=share).sentence

    assert said(0.0) == "nothing to compare with: the canary gets no requests"
    assert said(1.0) == "nothing to compare with: the baseline gets no requests"
    assert Verdict(USUAL).tick(Second(), 0.0).sentence == "no requests: nothing to judge"
    assert said(0.5).startswith("no difference seen - about ")


def test_what_is_needed_becomes_less() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    needed = [evidence.needed for evidence in judged(verdict, 50, rate=200, failing=(0.0, 0.0)) if evidence.needed]
    assert needed[0] > needed[len(needed) // 2] > needed[-1]
    assert needed[-1] < 1_000


def test_there_are_figures_for_people() -> None:
    verdict = Verdict(USUAL)
    verdict.begin_step(0.0)
    evidence = last(verdict, 20, slower=1.2)
    metrics = {metric.name: metric for metric in evidence.metrics}
    assert list(metrics) == ["errors", "p50", "p90", "p99"]
    p50 = metrics["p50"]
    assert p50.difference is not None
    assert p50.low is not None
    assert p50.high is not None
    assert p50.low < 20.0 < p50.high
    assert p50.difference == pytest.approx(20.0, abs=12.0)
    assert not any(isnan(figure) for figure in figures(asdict(evidence)))
    verdict.begin_step(0.0)
    assert [metric.name for metric in verdict.tick(Second(), 1.0).metrics] == []


def test_what_is_less_than_a_millisecond_slower_is_not_slower() -> None:
    verdict = Verdict(USUAL)
    for _ in range(30):
        made = Second()
        made.answered[:] = made.sent[:] = (100, 0)
        made.histograms[0][bin_of(3.0)] = 50
        made.histograms[0][bin_of(60.0)] = 50
        verdict.tick(made, 0.0)
    baseline, canary = verdict.edges
    assert canary[0] == pytest.approx(baseline[0] + 1.0)
    assert canary[-1] == pytest.approx(baseline[-1] * 1.1)


@pytest.mark.parametrize("answers", [True, False])
def test_nothing_is_proven_of_a_canary_whose_clients_give_up(answers: bool) -> None:
    verdict = Verdict(replace(USUAL, latency=False))
    verdict.begin_step(0.0)
    seen = []
    for number in range(200):
        comparison = Comparison()
        comparison.edges = verdict.edges
        for request in range(100):
            trial = comparison.sent(request < 10, 100_000, number)
            if answers or request >= 10:
                comparison.ended(trial, number + 0.01, False, 200)
            else:
                comparison.dropped(trial, number + 0.3)
        seen.append(verdict.tick(comparison.take(number + 1.0), 10.0).proven)
    assert any(seen) is answers
