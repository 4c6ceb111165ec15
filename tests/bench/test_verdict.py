"""The comparison of verdicts: everybody sees the same requests, and the rules do what is said of them."""

from pathlib import Path

import numpy as np
import pytest

from bench.verdict import __main__ as command
from bench.verdict import cost, goals, ours, tables
from bench.verdict.cells import SHIFTER, WHOLE, Cell, Run, run
from bench.verdict.kept import Kept
from bench.verdict.ours import Fast, OneByOne, condemned, judge, released
from bench.verdict.rules import RULES, Argo, Flagger, Kayenta, Minute, Repeated, interpolated, minute
from bench.verdict.scenarios import BY_NAME, HALF_AN_HOUR, RATES, SCENARIOS, WEIGHTS, Truth
from bench.verdict.streams import stream
from bench.verdict.whole import DONE, ROLLED_BACK, led
from shifter.model.release import MILLION

GOOD = Minute((900, 100), (1, 0), 300.0, 80.0, 300.0, (100, 0, 80.0, 300.0))
BAD = Minute((900, 100), (1, 50), 300.0, 80.0, 300.0, (100, 0, 80.0, 300.0))
EMPTY = Minute((900, 0), (1, 0), float("nan"), float("nan"), float("nan"), (0, 0, float("nan"), float("nan")))


def test_the_scenarios() -> None:
    assert len(SCENARIOS) == 17 + 1  # one of them stands there with a warm-up, too
    assert sum(scenario.truth is Truth.BAD for scenario in SCENARIOS) == 9
    assert {*goals.FALSE, *goals.DETECTION, *goals.EXTRA_FAILED, *goals.RELEASE_FALSE} <= set(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_stream_is_made_of_its_seed(name: str) -> None:
    one, same, other = (stream(BY_NAME[name], 10, 300, seed, 0.5) for seed in (1, 1, 2))
    assert np.array_equal(one.at, same.at) and np.array_equal(one.fails[1], same.fails[1]) and np.array_equal(one.ms[1], same.ms[1])
    assert not np.array_equal(one.at[:10], other.at[:10])
    assert np.all(np.diff(one.at) >= 0) and one.at[-1] < 300


def test_streams_are_what_their_scenarios_say() -> None:
    errors = stream(BY_NAME["errors 1 → 5 %"], 100, HALF_AN_HOUR, 1, 0.1)
    assert [round(float(fails.mean()), 3) for fails in errors.fails] == [0.01, 0.05]
    assert [float(np.quantile(ms, 0.99)) for ms in errors.ms] == pytest.approx([300, 300], rel=0.05)
    slow = stream(BY_NAME["latency +30 %"], 100, 60, 1, 0.1)
    assert np.allclose(slow.ms[1], 1.3 * slow.ms[0])
    late = stream(BY_NAME["late broken"], 10, 600, 1, 0.1)
    assert not late.fails[1][late.at < 500].mean() > 0.01 and late.fails[1][late.at >= 500].all()
    crowd = stream(BY_NAME["sticky users"], 100, 60, 1, 0.1)
    assert crowd.user is not None and len({(u, d) for u, d in zip(crowd.user, crowd.draw, strict=True)}) == len(set(crowd.user))
    blips = stream(BY_NAME["pod blips"], 100, HALF_AN_HOUR, 1, 0.1)
    assert 0.002 < blips.fails[0].mean() < 0.01


def test_what_numpy_counts_is_what_the_data_path_would_count() -> None:
    requests = stream(BY_NAME["errors 1 → 5 %"], 30, 60, 3, 0.1)
    fast, slow = Fast(requests), OneByOne(requests)
    edges = [20.0, 80.0, 200.0]  # anything slower than these is rare, and may be counted a second apart
    fast.edges = slow.edges = (edges, [1.1 * edge for edge in edges])
    totals = [np.zeros((2, 4)), np.zeros((2, 4))]
    for second in range(60):
        share = (100_000, 500_000, 0)[second // 20]
        one, other = fast.second(share), slow.second(share)
        assert one.sent == other.sent and one.sent_under == other.sent_under
        assert one.answered == other.answered and one.failed == other.failed and one.in_flight == other.in_flight
        assert one.failures == other.failures and one.histograms == other.histograms
        for total, seen in zip(totals, (one, other), strict=True):
            for counts in seen.latencies.values():
                total += np.array(counts)
    assert np.abs(totals[0] - totals[1]).max() <= 2
    assert totals[0].sum() > 1000


def test_flagger_counts_failed_checks_over_the_whole_release() -> None:
    rule = Flagger()
    said = [rule.sees(seen) for seen in (BAD, GOOD, BAD, GOOD, EMPTY, GOOD, BAD, GOOD, BAD, GOOD)]
    assert said == [False] * 9 + [True]  # the fifth has failed, and the next tick notices, whatever it would have found
    assert not any(Flagger(success=40.0).sees(BAD) for _ in range(10))
    slow = Minute((900, 100), (1, 0), 501.0, 80.0, 300.0, (100, 0, 80.0, 300.0))
    rule = Flagger()
    assert [rule.sees(slow) for _ in range(6)] == [False] * 5 + [True]


def test_argo_allows_some_failures() -> None:
    rule = Argo()
    assert [rule.sees(seen) for seen in (BAD, GOOD, BAD, EMPTY, BAD)] == [False] * 4 + [True]
    rule = Argo(success=0.95, latency=None, interval=5)
    assert [rule.sees(BAD) for _ in range(20)] == [False] * 19 + [True]


def test_kayenta_looks_every_five_minutes() -> None:
    rule = Kayenta()
    requests = stream(BY_NAME["broken"], 100, 600, 1, 0.1)
    assert [rule.sees(minute(requests, number, 0.1)) for number in range(5)] == [False] * 4 + [True]


def test_a_test_for_one_look_is_repeated() -> None:
    assert [Repeated().sees(seen) for seen in (GOOD, BAD, EMPTY)] == [False, True, False]


def test_prometheus_quantiles() -> None:
    counts = np.zeros(16, dtype=np.int64)
    assert np.isnan(interpolated(counts, 0.99))
    counts[6] = 100  # between 50 and 100 ms
    assert interpolated(counts, 0.5) == 75.0
    counts[15] = 900
    assert interpolated(counts, 0.99) == 60_000.0


def test_what_is_broken_is_found_and_what_is_healthy_stays() -> None:
    broken = stream(BY_NAME["broken"], 100, HALF_AN_HOUR, 11, 0.1)
    found = condemned(broken, 0.1, judge(broken))
    assert found is not None and found <= 20
    for name in ("healthy 1 %", "sticky users"):
        for seed in (1, 2):
            healthy = stream(BY_NAME[name], 20, 200, seed, 0.25)
            assert condemned(healthy, 0.25, judge(healthy)) is None


def test_whole_releases() -> None:
    broken = stream(BY_NAME["broken"], 100, 120, 1, 0.2)
    ended = released(broken)
    assert ended.outcome == ROLLED_BACK and ended.braked and ended.extra <= 40 and ended.requests >= ended.extra
    assert ended == type(ended).from_list(ended.to_list())
    healthy = stream(BY_NAME["healthy 0.1 %"], 10, 1600, 1, 0.2)
    assert led(Flagger(success=90.0, latency=1e9), healthy, WEIGHTS).seconds == 300
    ended = led(Kayenta(), healthy, WEIGHTS)
    assert (ended.outcome, ended.seconds) == (DONE, 1500)


def test_a_release_of_the_harness_goes_through_all_weights() -> None:
    assert [step.share for step in ours.release(60.0).steps] == [10_000, 50_000, 100_000, 250_000, 500_000, MILLION]
    assert [step.warm_up for step in ours.release(60.0).steps] == [60.0, 0, 0, 0, 0, 0]


def _kept(rate: float) -> Kept:
    """Everything was run ten times; shifter rolled back this share of the bad, and nothing else; others half of the bad."""
    kept = Kept()
    for cell, _ in command.wanted(10):
        runs: list[Run] = []
        for number in range(10):
            bad = cell.truth is Truth.BAD
            if cell.weight == WHOLE:
                one: Run = {SHIFTER: [ROLLED_BACK if bad else DONE, 10 if bad else 600, 100, 5, 1, 3]}
            else:
                hit = bad and number < 10 * rate
                one = {SHIFTER: [10, 100, 5] if hit else None, **{rule: [300, 3000, 9] if bad and number < 5 else None for rule in RULES}}
            runs.append(one)
        kept.add(cell, range(10), runs)
    return kept


def test_goals_are_met_or_not() -> None:
    met = list(goals.outcomes(_kept(1.0)))
    assert all(one.met for one in met), [one for one in met if not one.met]
    assert len(met) == 6 + 6 + 3 + 2 + 1 + 1
    missed = [one.what for one in goals.outcomes(_kept(0.4)) if not one.met]
    assert missed == [f"{name}: found" for name in goals.DETECTION] + [met[-1].what]
    assert [one.met for one in goals.outcomes(Kept())] == [None] * len(met)


def test_tables_of_everything_and_of_nothing() -> None:
    for kept in (_kept(1.0), Kept()):
        for name, (columns, rows) in tables.all_tables(kept):
            assert name in tables.NAMES
            assert all(len(row) == len(columns) for row in rows)
    rows = tables.detection(_kept(1.0))[1]
    assert rows[0][:4] == ["errors 1 → 2 %", "1", "100 / 10 / 100", "50 / 300 / 3,000"]
    assert tables.weights(_kept(1.0))[1][0][1] == "100 / 10 / 100 (3,000)"
    assert tables.releases(_kept(1.0))[1][0][4] == "0 / – / 600"


def test_runs_of_a_cell() -> None:
    found = run(Cell("broken", 10, 0.5), 5)
    assert set(found) == {SHIFTER, *RULES}
    ours_, flagger = found[SHIFTER], found["Flagger 99 %"]
    assert ours_ is not None and flagger is not None
    assert ours_[0] < 20 and flagger[0] == 360
    assert ours_[1] == pytest.approx(5 * ours_[0], rel=0.5) and flagger[1] == pytest.approx(1800, rel=0.1)
    assert set(run(Cell("cold start, warm-up", 10, 0.5), 5)) == {SHIFTER}


def test_the_command_goes_on_from_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "wanted", lambda runs: [(Cell("broken", 100, 0.1), runs)])
    page, kept = tmp_path / "page.md", tmp_path / "kept.json"
    page.write_text("before\n")
    for runs in (1, 2):
        assert command.main(["--runs", str(runs), "--jobs", "1", "--keep", str(kept), "--markdown", str(page)]) == 0
    assert len(Kept.load(kept).runs(Cell("broken", 100, 0.1), SHIFTER)) == 2
    assert "| broken | 100 | 100 /" in page.read_text()
    assert "1 of 1 pieces" in capsys.readouterr().err


def test_most_runs_are_of_what_goals_are_about() -> None:
    plan = dict(command.wanted(300))
    assert len(plan) == len(SCENARIOS) * len(RATES) * (len(WEIGHTS) + 1)
    assert plan[Cell("broken", 100, 0.1)] == plan[Cell("late broken", 100, WHOLE)] == 300
    assert plan[Cell("healthy 1 %", 1, 0.5)] == plan[Cell("sticky bad", 100, 0.5)] == 60
    assert plan[Cell("cold start", 100, 0.5)] == plan[Cell("broken", 1, WHOLE)] == 30


def test_where_there_were_false_roll_backs_one_looks_again() -> None:
    kept, cell, other = Kept(), Cell("healthy 1 %", 100, 0.1), Cell("pod blips", 100, 0.1)
    hit: Run = {SHIFTER: [10, 100, 5]}
    kept.add(other, range(10), [hit] * 10)
    kept.add(cell, range(10), [{SHIFTER: None}] * 10)
    assert list(command.looked_at_again(kept, 30)) == []
    kept.add(cell, range(1), [hit])
    assert list(command.looked_at_again(kept, 30)) == [(cell, 30)]
    assert list(command.looked_at_again(kept, 10)) == [(cell, 30)]
    kept.add(cell, range(10, 1000), [{SHIFTER: None}] * 990)
    assert list(command.looked_at_again(kept, 1000)) == [(cell, 1000)]


def test_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "_SECONDS", 5)
    monkeypatch.setattr(cost, "_RUNS", 1)
    assert cost.request(False, 500) > 0 and cost.request(True, 500) > 0
    assert cost.second(10) > 0
