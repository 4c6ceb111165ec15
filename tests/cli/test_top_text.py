"""The table of `shifter top`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.cli.figures import Figures, Row
from shifter.cli.top_text import milliseconds, percent, rate, screen, sparkline, table
from tests.cli.test_figures import figures

SHARES = st.none() | st.floats(0, 1)
NUMBERS = st.none() | st.floats(0, 1e6)
ROWS = st.lists(
    st.builds(
        *(
            Row,
            st.text("abc/…", max_size=60),
            st.sampled_from(["", "all: prefix /"]),
            st.none() | st.integers(0, 10**6),
            SHARES,
            NUMBERS,
            SHARES,
        ),
        *(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 10**5), st.integers(0, 99), st.integers(0, 99), st.just((0.0, None, 2.0))),
    ),
    max_size=5,
)


@given(ROWS, st.integers(20, 200))
def test_no_line_is_wider_than_the_terminal(rows: list[Row], width: int) -> None:
    assert all(len(line) <= width + 4 for line in table(rows, width, False))


@given(ROWS)
def test_colour_says_nothing_of_its_own(rows: list[Row]) -> None:
    assert [re.sub("\x1b\\[[0-9;]*m", "", line) for line in table(rows, 100, True)] == table(rows, 100, False)


def test_what_matters_least_is_left_out_first() -> None:
    row = Row("service1a", "r", 25, 0.25, 41.2, 0.0024, 11, 30, 58, 3, 2, 2, (1.0,))
    assert table([row], 200, False)[0].split() == [
        *("CLUSTER", "WEIGHT", "SHARE", "REQ/S", "ERRORS", "P50", "P90", "P99", "ACTIVE", "HEALTHY", "LAST", "MINUTE")
    ]
    assert table([row], 50, False)[0].split() == ["CLUSTER", "REQ/S", "ERRORS", "P99", "HEALTHY"]
    assert table([row], 50, False)[2].split() == ["service1a", "41.2", "0.24%", "58ms", "2/2"]


def test_a_screen_is_as_high_as_the_terminal() -> None:
    lines = screen(figures({}), 2, 80, 6, colour=False)
    assert len(lines) == 5
    assert lines[1] == "the last configuration was refused: x?[31m"
    assert lines[-1] == "... 8 more lines"
    assert "reconnecting: gone" in screen(Figures(), 2, 80, 24, lost="gone", colour=False)


@pytest.mark.parametrize(
    "share, words", [(None, "-"), (0, "0%"), (1, "100%"), (0.00001, "<0.01%"), (0.99999, ">99.99%"), (0.005, "0.50%"), (0.25, "25.0%")]
)
def test_percent(share: float | None, words: str) -> None:
    assert percent(share) == words


def test_numbers() -> None:
    assert [rate(value) for value in (None, 0, 0.5, 41.25, 371.4)] == ["-", "0", "0.50", "41.2", "371"]
    assert [milliseconds(value) for value in (None, 0.5, 58, 2500)] == ["-", "0.5ms", "58ms", "2.5s"]
    assert sparkline([None, 0, 1, 2]) == " ▁▅█"
    assert sparkline([0, 0]) == "▁▁"
