"""Route tables of the micro-benchmark: what is measured is the right answer, in every mix."""

from pathlib import Path

import pytest

from bench import tables
from bench.tables import MIXES, measured, nanoseconds, table_of
from shifter.routing.table import RouteList


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("size", [10, 100])
def test_every_route_has_a_request_that_gets_it(mix: str, size: int) -> None:
    rows = table_of(mix, size)
    located = RouteList([(match, number) for number, (match, _) in enumerate(rows)]).locate
    assert len(rows) == size
    assert [located(head) for _, head in rows] == list(range(size))


def test_a_row_of_the_table() -> None:
    mix, size, *figures = measured("mixed", 1000, seconds=0)
    assert (mix, size) == ("mixed", "1,000")
    assert all(float(figure) >= 0 for figure in figures)
    assert len(figures) == 3


def test_every_request_is_looked_for_at_least_once() -> None:
    seen: list[object] = []
    rows = table_of("prefix", 10)
    assert nanoseconds(seen.append, [head for _, head in rows], seconds=0) >= 0
    assert seen == [head for _, head in rows]


def test_the_command_puts_its_table_into_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- bench: tables -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr("sys.argv", ["tables", "--markdown", str(page)])
    monkeypatch.setattr(tables, "SIZES", (10,))
    monkeypatch.setattr(tables, "_SECONDS", 0)
    assert tables.main() == 0
    lines = page.read_text().splitlines()
    assert lines[:4] == ["Before", "<!-- bench: tables -->", f"| {' | '.join(tables.COLUMNS)} |", "| :-- | --: | --: | --: | --: |"]
    assert lines[4].startswith("| prefix | 10 |")
    assert lines[-2:] == ["<!-- end -->", "after"]
    assert "mixed" in capsys.readouterr().out
