"""docs/releases.md shows the table of states that there is."""

from pathlib import Path

from shifter.release.diagram import embed, text

PAGE = Path(__file__).resolve().parents[2] / "docs/releases.md"


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert embed(page) == page, "python -m shifter.release.diagram docs/releases.md"


def test_it_shows_every_state() -> None:
    said = text()
    for state in ("pending", "warming", "rolled back", "superseded"):
        assert state in said


def test_each_line_of_the_diagram_is_said_once() -> None:
    lines = text().split("```")[1].splitlines()
    assert len(lines) == len(set(lines))
