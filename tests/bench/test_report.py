"""Samples become medians, quotients within rounds, and tables."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import report
from bench.candidates import BY_NAME
from bench.measure import Entry, Sample, Series
from bench.resting import Idle, Resting, Start
from bench.scenarios import BY_NAME as SCENARIOS


def sample(micros: float, *, foreign: float = 0.0, errors: int = 0, user: float = 3.0, system: float = 1.0) -> Sample:
    """1,000 requests in half a second that cost *micros* each."""
    return Sample(1000, errors, 0.5, 0.001, 0.002, micros / 1000, user, system, 10 << 20, foreign)


def series(name: str, *micros: float, log: bool = False) -> Series:
    return Series(Entry(BY_NAME[name], log), tuple(map(sample, micros)))


def cells(columns: report.Row, row: report.Row) -> dict[str, str]:
    return dict(zip(columns, row, strict=True))


def test_the_ratio_is_the_median_of_each_rounds_quotient() -> None:
    assert report.ratio([10, 30, 20], [20, 20, 20]) == 1.0
    assert report.ratio([10, 90, 10], [20, 180, 20]) == 0.5  # a slow round slows both


def test_a_ratio_of_nothing() -> None:
    assert report.ratio([], [1.0]) is None
    assert report.ratio([1.0], [0.0]) is None


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=9), st.floats(0.1, 10), st.data())
def test_what_slows_a_round_for_both_does_not_move_the_ratio(theirs: list[float], factor: float, data: st.DataObject) -> None:
    slow = data.draw(st.lists(st.floats(1, 3), min_size=len(theirs), max_size=len(theirs)))
    their = [one * by for one, by in zip(theirs, slow, strict=True)]
    assert report.ratio([one * factor for one in their], their) == pytest.approx(factor)


def test_a_row_of_a_load_table() -> None:
    columns, (envoy, nginx) = report.load_table(SCENARIOS["headers"], [series("envoy", 50, 60, 100), series("nginx", 25, 30, 20)])
    row = cells(columns, nginx)
    assert (row["CPU µs/req"], row["min–max"], row["× Envoy"]) == ("25.0", "20.0–30.0", "0.50")
    assert (row["user"], row["sys"], row["req/s"], row["p99 ms"], row["PSS MB"]) == ("18.8", "6.2", "2000", "2.00", "10")
    assert cells(columns, envoy)["× Envoy"] == "1.00"


def test_without_envoy_there_are_no_quotients_and_failures_have_no_row() -> None:
    failed = Series(Entry(BY_NAME["haproxy"]), failure="it burns")
    columns, rows = report.load_table(SCENARIOS["plain"], [series("nginx", 20), failed])
    assert [cells(columns, row)["× Envoy"] for row in rows] == ["–"]
    assert "haproxy: left out: it burns" in report.notes([failed])


def test_a_log_is_compared_with_the_same_proxy_without_and_with_envoys() -> None:
    rows = [series("envoy", 60, log=True), series("envoy", 50), series("nginx", 33, log=True), series("nginx", 30)]
    columns, table = report.load_table(SCENARIOS["log"], rows)
    found = [(row["proxy"], row["× Envoy"], row["× without log"]) for row in (cells(columns, row) for row in table)]
    assert found == [("envoy + log", "1.00", "1.20"), ("envoy", "1.00", "1.00"), ("nginx + log", "0.55", "1.10"), ("nginx", "0.60", "1.00")]


def test_a_disturbed_row_is_marked_and_explained() -> None:
    disturbed = Series(Entry(BY_NAME["nginx"]), (sample(20), sample(20, foreign=0.3)))
    _, table = report.load_table(SCENARIOS["plain"], [disturbed])
    assert table[0][0] == "nginx *"
    assert any(note.startswith("* others used") for note in report.notes([disturbed]))
    assert not any(note.startswith("*") for note in report.notes([series("nginx", 20)]))


def test_errors_add_up() -> None:
    columns, table = report.load_table(SCENARIOS["plain"], [Series(Entry(BY_NAME["nginx"]), (sample(1, errors=2), sample(1, errors=3)))])
    assert cells(columns, table[0])["errors"] == "5"


def test_idle_and_start_tables() -> None:
    rows = [
        Resting(Entry(BY_NAME["envoy"]), Idle(10_000, 60 << 20, 220 << 20, 16_000.0, 2e-4, 0.003, 104, 104)),
        Resting(Entry(BY_NAME["nginx"]), Idle(10_000, 20 << 20, 25 << 20, 500.0, 8e-5, 0.0, 103, 104)),
    ]
    columns, (_, nginx) = report.resting_table(rows)
    row = cells(columns, nginx)
    assert (row["bytes/connection"], row["× Envoy"], row["CPU at rest"], row["alive"]) == ("500", "0.03", "0.0%", "103 of 104")
    columns, table = report.resting_table([Resting(Entry(BY_NAME["nginx"]), Start(0.0114, 0.01, 11 << 20, 3))])
    assert table == [["nginx", "11", "–", "10", "11.0"]]


def test_plain_tables_are_aligned() -> None:
    assert report.plain(["proxy", "n"], [["a", "10000"], ["long name", "1"]]) == "proxy          n\na          10000\nlong name      1"


def test_markdown_has_as_many_cells_in_each_line() -> None:
    columns, table = report.load_table(SCENARIOS["log"], [series("envoy", 60, log=True), series("envoy", 50)])
    lines = report.markdown(SCENARIOS["log"], "python -m bench log", columns, table, ["a note"]).splitlines()
    assert {line.count("|") for line in lines if line.startswith("|")} == {len(columns) + 1}
    assert "`python -m bench log`" in lines[0]
    assert lines[-1] == "- a note"


def test_embedding_replaces_its_own_table_and_nothing_else() -> None:
    page = "# Speed\n\n<!-- bench: plain -->\nold\n<!-- end -->\nSaid since: keep.\n\n<!-- bench: log -->\nlog\n<!-- end -->\n"
    found = report.embed(page, "plain", "new \\1\n")
    assert found == page.replace("old\n", "new \\1\n")
    assert report.embed(found, "plain", "new \\1\n") == found


def test_embedding_appends_what_a_page_has_not() -> None:
    once = report.embed("# Speed\n", "plain", "table\n")
    assert once == "# Speed\n\n## plain\n\n<!-- bench: plain -->\ntable\n<!-- end -->\n"
    assert report.embed(once, "plain", "later\n") == once.replace("table", "later")
    assert report.embed("", "plain", "table\n").startswith("## plain\n")


def test_data_is_json_with_all_samples() -> None:
    rows = [series("envoy", 50, 60), series("nginx", 25, 30), Series(Entry(BY_NAME["haproxy"]), failure="no")]
    entries = json.loads(json.dumps(report.as_data(SCENARIOS["plain"], rows)))["entries"]
    assert [entry["cpu_times_envoy"] for entry in entries] == [1.0, 0.5, None]
    assert len(entries[1]["samples"]) == 2
    assert entries[2]["left_out"] == "no"
