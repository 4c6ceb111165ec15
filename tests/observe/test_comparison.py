"""What is counted of the requests of a release's versions."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.release import MILLION
from shifter.observe.comparison import BINS, Comparison, Trial, bin_of

EDGES = (10.0, 20.0)


def comparing() -> Comparison:
    comparison = Comparison()
    comparison.edges = (EDGES, EDGES)
    return comparison


def test_a_second_says_what_was_learned_in_it() -> None:
    comparison = comparing()
    first, second = comparison.sent(True, 250_000, 1.0), comparison.sent(False, 250_000, 1.0)
    third = comparison.sent(False, 500_000, 1.0)
    comparison.ended(first, 1.015, True, 503)
    comparison.ended(second, 1.005, False, 200)
    found = comparison.take(1.019)
    assert (found.sent, found.answered, found.failed, found.in_flight) == ([2, 1], [1, 1], [0, 1], (1, 0))
    assert found.sent_under == {0.25: [1, 1], 0.5: [1, 0]}
    assert found.failures == {0.25: [0, 1]}
    assert found.latencies == {0.25: ([1, 0, 0], [0, 1, 0])}
    assert [sum(one) for one in found.histograms] == [1, 1]
    assert found.histograms[1][bin_of(15.0)] == 1
    comparison.ended(third, 1.025, True)
    later = comparison.take(2.0)
    assert (later.sent, later.answered, later.failures, later.in_flight) == ([0, 0], [1, 0], {0.5: [1, 0]}, (0, 0))
    assert later.latencies == {0.5: ([0, 0, 1], [0, 0, 0])}
    assert comparison.statuses == (Counter({200: 1, 0: 1}), Counter({503: 1}))


def test_one_that_takes_too_long_is_slow_before_it_ends_and_looked_for_once() -> None:
    comparison = comparing()
    trial = comparison.sent(True, 250_000, 1.0)
    assert comparison.take(1.01).latencies == {}
    assert comparison.take(1.02).latencies == {0.25: ([0, 0, 0], [0, 0, 1])}
    assert (list(comparison.waiting), list(comparison.overdue)) == ([], [trial])
    found = comparison.take(1.5)
    assert (found.latencies, found.in_flight) == ({}, (0, 1))
    comparison.ended(trial, 2.0, True)
    found = comparison.take(2.0)
    assert (found.latencies, found.failures, found.answered, found.in_flight) == ({}, {0.25: [0, 1]}, [0, 1], (0, 0))


def test_a_client_that_gives_up_on_one_that_is_late_makes_it_slow_all_the_same() -> None:
    comparison = comparing()
    looked_at, early, late = (comparison.sent(True, 250_000, sent) for sent in (0.98, 1.0, 1.0))
    comparison.dropped(early, 1.019)
    assert comparison.take(1.019).latencies == {0.25: ([0, 0, 0], [0, 0, 1])}  # the first
    comparison.dropped(late, 1.02)
    comparison.dropped(looked_at, 1.02)
    comparison.dropped(late, 1.03)
    found = comparison.take(1.03)
    assert (found.latencies, found.answered, found.in_flight) == ({0.25: ([0, 0, 0], [0, 0, 1])}, [0, 0], (0, 0))


@pytest.mark.parametrize("share", [0, MILLION])
def test_what_could_not_have_been_otherwise_is_no_evidence(share: int) -> None:
    comparison = comparing()
    comparison.ended(comparison.sent(bool(share), share, 1.0), 1.001, True, 500)
    found = comparison.take(1.0)
    assert (found.failures, found.latencies, sum(found.failed)) == ({}, {}, 1)


def test_a_user_counts_once_and_again_only_for_what_is_not_known() -> None:
    comparison = Comparison(sticky=True)
    comparison.edges = (EDGES, EDGES)
    for share, canary in ((250_000, False), (250_000, False), (500_000, True), (900_000, True)):
        comparison.ended(comparison.sent(canary, share, 1.0, 7), 1.001, True, 500)
    found = comparison.take(1.0)
    # at 25 % it was the baseline's; of the three quarters above, a third more is the canary's at 50 %; the rest is known by then
    assert list(found.failures.values()) == [[1, 0], [0, 1]]
    assert list(found.failures) == pytest.approx([1 / 4, 1 / 3])
    assert sum(found.failed) == 4


VISITS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([100_000, 250_000, 500_000, 900_000]), st.booleans(), st.booleans()), max_size=20
)


@given(VISITS, VISITS)
def test_who_goes_on_counts_as_one_who_was_there_all_the_time(before: Any, after: Any) -> None:
    """Users of whom is known who they are; each stands somewhere between 0 and 1, and fails or not."""

    def visit(comparison: Comparison, visits: Any) -> Any:
        for user, share, failed, again in visits:
            for _ in range(1 + again):
                canary = (0.05, 0.3, 0.7, 0.95)[user] < share / MILLION
                comparison.ended(comparison.sent(canary, share, 1.0, user), 1.001, failed, 200)
        found = comparison.take(1.0)
        return found.failures, found.latencies

    always, first, second = (Comparison(sticky=True) for _ in range(3))
    for one in (always, first, second):
        one.edges = (EDGES, EDGES)
    assert visit(always, before) == visit(first, before)
    second.know(first.counted())
    assert first.counted() == []
    assert visit(always, after) == visit(second, after)
    second.know(always.counted())
    assert visit(second, before) == visit(second, after) == ({}, {})


def test_what_clients_write_is_kept_in_bounds() -> None:
    comparison = Comparison()
    trial = comparison.sent(True, 250_000, 1.0)
    for number in range(300):
        comparison.note(trial, f"/{number}/" + "x" * 10_000, "i" * 10_000)
    assert len(comparison.paths[1]) == 200 and max(map(len, comparison.paths[1])) == 200
    assert set(map(len, comparison.failing)) == {200}


def test_bins_are_five_per_cent_wide() -> None:
    assert [bin_of(0.0), bin_of(0.05), bin_of(0.0526), bin_of(1e9)] == [0, 0, 1, BINS - 1]


OUTCOMES = st.sampled_from(["ended", "failed", "dropped", "again", "take"])


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0, 10_000, 500_000, MILLION]), st.lists(OUTCOMES, max_size=3)), max_size=20))
def test_figures_add_up(requests: list[tuple[bool, int, list[str]]]) -> None:
    comparison = comparing()
    now = 0.0
    seen: list[Any] = []
    trials: list[tuple[Trial, list[str]]] = []
    for canary, share, outcomes in requests:
        now += 0.01
        trials.append((comparison.sent(canary, share, now), outcomes))
        for trial, left in trials:
            if left:
                what = left.pop()
                if what == "take":
                    seen.append(comparison.take(now))
                elif what == "dropped":
                    comparison.dropped(trial, now)
                else:
                    comparison.ended(trial, now, what == "failed", 200)
    seen.append(comparison.take(now))
    for version in (False, True):
        mine = [trial for trial, _ in trials if trial.canary is version]
        open_ones = [trial for trial in mine if trial in comparison.waiting or trial in comparison.overdue]
        assert sum(one.sent[version] for one in seen) == len(mine)
        assert seen[-1].in_flight[version] == len(open_ones)
        assert sum(one.answered[version] for one in seen) <= len(mine) - len(open_ones)
        counted = sum(sum(one.latencies[share][version]) for one in seen for share in one.latencies)
        assert counted <= len(mine)
    assert not set(comparison.waiting) & set(comparison.overdue)
