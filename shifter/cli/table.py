"""Columns of text for a terminal.                                                                                       (pure)

Rule 1. What is shown comes from somebody else: characters that a terminal would act on are shown as ``?``.
"""

from collections.abc import Collection, Iterable, Sequence


def plain(text: object) -> str:
    """Return *text* as a terminal can show it."""
    return "".join(one if one.isprintable() else "?" for one in str(text))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[int] = ()) -> str:
    """Return *rows* below *head*, in columns as wide as they need to be; those with a number in *right* are flush right."""
    lines = [list(head), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(head))]
    return "".join(_line(line, widths, right) for line in lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    padded = (cell.rjust(widths[at]) if at in right else cell.ljust(widths[at]) for at, cell in enumerate(cells))
    return "  ".join(padded).rstrip() + "\n"
