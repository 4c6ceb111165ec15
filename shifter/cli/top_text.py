"""The table of ``shifter top`` as text.                                                                                (pure)

Rule 1. A line is never wider than the terminal: columns that matter least are left out first, then names are cut.
Rule 2. Colour only says again what words and numbers say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shifter.cli.figures import Figures, Row

BOLD, DIM, RED, YELLOW, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"

POINTS = 20
_BARS = "▁▂▃▄▅▆▇█"
_LEAST_NAME = 14
_MOST_NAME = 44


@dataclass(frozen=True, slots=True)
class _Column:
    """A column: who is left out first has the highest ``rank``."""

    title: str
    width: int
    rank: int
    words: Callable[[Row], str]


def rate(value: float | None) -> str:
    """Return a rate, with as many digits as it is worth."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def percent(share: float | None) -> str:
    """Return a share from 0 to 1; what is neither none nor all never looks like it."""
    if share is None:
        return "-"
    value = share * 100
    if value in (0, 100):
        return f"{value:.0f}%"
    if value < 0.01:
        return "<0.01%"
    if value > 99.99:
        return ">99.99%"
    return f"{value:.2f}%" if value < 1 or value > 99 else f"{value:.1f}%"


def milliseconds(value: float | None) -> str:
    """Return a duration."""
    if value is None:
        return "-"
    return f"{value / 1000:.1f}s" if value >= 1000 else f"{value:.0f}ms" if value >= 10 else f"{value:.1f}ms"


def sparkline(values: Sequence[float | None]) -> str:
    """Return a bar for each of *values*, the highest as high as can be; a blank where nothing is known."""
    highest = max((value for value in values if value is not None), default=0) or 1
    last = len(_BARS) - 1
    return "".join(" " if value is None else _BARS[min(last, round(value / highest * last))] for value in values)


_COLUMNS = (
    _Column("WEIGHT", 6, 5, lambda row: "" if row.weight is None else str(row.weight)),
    _Column("SHARE", 7, 3, lambda row: "" if row.share is None else percent(row.share)),
    _Column("REQ/S", 7, 0, lambda row: rate(row.rps)),
    _Column("ERRORS", 7, 0, lambda row: percent(row.errors)),
    _Column("P50", 7, 4, lambda row: milliseconds(row.p50)),
    _Column("P90", 7, 7, lambda row: milliseconds(row.p90)),
    _Column("P99", 7, 2, lambda row: milliseconds(row.p99)),
    _Column("ACTIVE", 6, 6, lambda row: str(row.active)),
    _Column("HEALTHY", 7, 1, lambda row: f"{row.healthy}/{row.members}"),
    _Column("LAST MINUTE", POINTS, 8, lambda row: sparkline(row.trend)),
)


def table(rows: Sequence[Row], width: int, colour: bool) -> list[str]:
    """Return the lines of the table."""
    names = max((len(row.cluster) + 2 for row in rows), default=0)
    room = min(max(names, _LEAST_NAME), _MOST_NAME, max(width, _LEAST_NAME))
    columns = list(_COLUMNS)
    while columns and room + sum(column.width + 2 for column in columns) > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    lines = [_line("CLUSTER", [(column.title, column.width) for column in columns], room)]
    if colour:
        lines[0] = f"{DIM}{lines[0]}{PLAIN}"
    route = ""
    for row in rows:
        if row.route != route:
            route = row.route
            words = _cut(route or "other clusters", width)
            lines.append(f"{BOLD}{words}{PLAIN}" if colour else words)
        line = _line(f"  {row.cluster}", [(column.words(row), column.width) for column in columns], room)
        ill = row.healthy < row.members or not row.members or (row.errors or 0) > 0.01
        lines.append(f"{RED}{line}{PLAIN}" if colour and ill else line)
    return lines


def screen(figures: Figures, seconds: float, width: int, height: int, *, lost: str = "", colour: bool = True) -> list[str]:
    """Return the lines of a whole screen of *width* and *height*; *lost* says why nothing comes any more."""
    lines = head(figures, seconds, width, colour)
    if lost:
        words = _cut(f"reconnecting: {lost}", width)
        lines.append(f"{YELLOW}{words}{PLAIN}" if colour else words)
    lines.append("")
    lines += table(figures.rows(seconds, POINTS), width, colour)
    room = max(height - 1, 1)
    if len(lines) > room:
        lines[room - 1 :] = [f"... {len(lines) - room + 1} more lines"]
    return lines


def head(figures: Figures, seconds: float, width: int, colour: bool) -> list[str]:
    """Return what stands above the table: the state of the proxy, and what is wrong with its files."""
    rps, errors = figures.total(seconds)
    up = int(max(figures.now - figures.started, 0))
    span = f"{up // 3600}:{up // 60 % 60:02}:{up % 60:02}"
    words = f"shifter {figures.version}  {figures.state}  configuration {figures.configuration}  up {span}"
    lines = [_cut(f"{words}  {rate(rps)} requests/s  {percent(errors)} errors", width)]
    if colour:
        lines[0] = f"{BOLD}{lines[0]}{PLAIN}"
    if figures.problems:
        said = _cut(f"the last configuration was refused: {figures.problems[0]}", width)
        lines.append(f"{RED}{said}{PLAIN}" if colour else said)
    return lines


def _line(name: str, cells: Sequence[tuple[str, int]], room: int) -> str:
    return "".join([f"{_cut(name, room):{room}}", *(f"  {words:>{width}}" for words, width in cells)]).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
