"""The costs of statistics: what is measured is what the data path does."""

from pathlib import Path

import pytest

from bench import statistics
from bench.statistics import COLUMNS, counting, telling, used_cluster, walked
from shifter.model.steps import Steps


def test_counting_is_three_rows() -> None:
    rows = counting(times=10)
    assert [row[0] for row in rows] == ["a counter", "a code", "a duration"]
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_telling_of_clusters_makes_real_pages() -> None:
    report, prometheus, text = telling(3, runs=1)
    assert (report[0], prometheus[0], text[0]) == ("a report", "Prometheus", "`/stats`")
    assert int(prometheus[2].replace(",", "")) > 3 * 150
    assert int(text[2].replace(",", "")) > 3 * 80


def test_a_cluster_that_was_used_has_something_of_everything() -> None:
    name, stats = used_cluster(7)
    figures = stats.report(name).figures
    assert name == "service-7"
    assert figures.completed == 100
    assert all(histogram.count == 100 for histogram in figures.histograms.values())


def test_the_longest_step_is_among_them() -> None:
    def steps() -> Steps[object]:
        yield
        return "made"

    result, all_, longest = walked(steps())
    assert result == "made"
    assert 0 <= longest <= all_


def test_the_command_puts_its_table_into_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- bench: statistics -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr("sys.argv", ["statistics", "--markdown", str(page)])
    monkeypatch.setattr(statistics, "SIZES", (2,))
    monkeypatch.setattr(statistics, "_TIMES", 10)
    monkeypatch.setattr(statistics, "_RUNS", 1)
    assert statistics.main() == 0
    text = page.read_text()
    assert "| a report | 2 |" in text
    assert "old" not in text
    assert "Prometheus" in capsys.readouterr().out
