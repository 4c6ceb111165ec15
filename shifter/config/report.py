"""What is wrong with a configuration, where, and what to write instead.

Rule 1. Every problem has a place; a place points into the text the user wrote, also when the node was rewritten since.
Rule 2. Nothing here raises: a ``Report`` collects, and whoever started it looks at ``failed`` when all are done.
Rule 3. The same words about the same place are said once, and at most ``MAX_PROBLEMS`` times something is said at all.
Rule 4. Files that are read together are numbered one behind the other, as if each began `FILE_LINES` lines behind the one before:
        so a line of a node says which file it stands in, and a node can be moved into the tree of another file.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, Protocol

MAX_PROBLEMS = 1000
"""A file with more problems than this is not a configuration; the rest is counted, not told."""

FILE_LINES = 1 << 24
"""More lines than any file has (``document.MAX_CHARACTERS``)."""

_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PEM = "-----BEGIN "
_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(?=-----END|$)")
_MAX_SHOWN = 100
_MAX_COMPARED = 120
_MAX_LISTED = 40
_PATIENCE = 1_000_000
"""How much may be compared in search of the word that was meant: about a second's worth."""


class ShifterError(Exception):
    """The configuration cannot be used."""


class Spot(Protocol):
    """Anything that knows where in the text it stands."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...
    @property
    def width(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file. ``line`` and ``column`` count from 1, in characters; ``width`` is how far the caret reaches."""

    file: str
    line: int
    column: int
    width: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (``error``), or that the user should know (``warning``).

    ``alias``: it is only about the spelling; what is meant is clear, and ``shifter convert`` writes it as it is written today.
    """

    level: Literal["error", "warning"]
    place: Place
    message: str
    hint: str = ""
    alias: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.level}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class Report:
    """Collects the problems of one file, or of several that are read together (`begin`); *name* is that of the first."""

    __slots__ = ("_names", "_patience", "_said", "errors", "fixes", "unsaid")

    def __init__(self, name: str) -> None:
        self._names = [name]
        self.errors = 0
        self.unsaid = 0
        self.fixes: list[tuple[Spot, str]] = []
        """Places of texts, and what to write there."""
        self._patience = _PATIENCE
        self._said: dict[tuple[int, int, str], tuple[int, Problem]] = {}

    def begin(self, name: str) -> None:
        """Have what is read from here on stand in another file, *name*."""
        self._names.append(name)

    @property
    def name(self) -> str:
        """The file that is being read."""
        return self._names[-1]

    @property
    def base(self) -> int:
        """What is added to the lines of the file that is being read."""
        return FILE_LINES * (len(self._names) - 1)

    @property
    def failed(self) -> bool:
        """At least one error was reported."""
        return self.errors > 0

    @property
    def full(self) -> bool:
        """Enough was said: what costs time to find out need not be looked for."""
        return len(self._said) >= MAX_PROBLEMS

    def place(self, spot: Spot) -> Place:
        """Return *spot* with the name of its file, and the line in that."""
        return Place(self.file(spot), spot.line % FILE_LINES, spot.column, spot.width)

    def file(self, spot: Spot) -> str:
        """Return the name of the file that *spot* is in."""
        return self._names[spot.line // FILE_LINES]

    def line(self, spot: Spot, beside: Spot) -> str:
        """Return how a message about *beside* speaks of the line of *spot*: with the file when that is another one."""
        line = spot.line % FILE_LINES
        return f"line {line}" if spot.line // FILE_LINES == beside.line // FILE_LINES else f"line {line} of {shown(self.file(spot))}"

    def first_at(self, first: Spot, second: Spot, words: str = "the first stands at") -> str:
        """Return the hint for *second*, where something is given that was given at *first* already."""
        return f"{words} {self.line(first, second)}"

    def failed_in(self) -> frozenset[str]:
        """Return the names of the files that errors were reported in."""
        return frozenset(problem.place.file for _, problem in self._said.values() if problem.level == "error")

    def error(self, spot: Spot, message: str, hint: str = "") -> None:
        """The configuration must not start because of this."""
        self._add("error", spot, message, hint)

    def warn(self, spot: Spot, message: str, hint: str = "") -> None:
        """The configuration means something else, or will, than its author may think."""
        self._add("warning", spot, message, hint)

    def alias(self, spot: Spot, message: str, hint: str = "", fix: str | None = None) -> None:
        """Something is spelled in an old or foreign way; *fix* is what to write in place of the text at *spot*."""
        self._add("warning", spot, message, hint, alias=True)
        if fix is not None:
            self.fixes.append((spot, fix))

    def nearest(self, word: str, known: Collection[str]) -> str | None:
        """Return the one of *known* that was probably meant by *word*; ``None`` also when too much was compared already."""
        effort = len(known) * (len(word) + 10)
        if len(word) > _MAX_COMPARED or effort > self._patience:
            return None
        self._patience -= effort
        lower = {name.lower(): name for name in known}
        found = get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
        return lower[found[0]] if found else None

    def did_you_mean(self, word: str, known: Collection[str]) -> str:
        """Return the hint for a word that is none of *known*: the nearest, or what is known."""
        near = self.nearest(word, known)
        if near is not None:
            return f"did you mean `{near}`?"
        if len(known) > _MAX_LISTED:
            return f"none of the {len(known)} that are known is like it"
        return f"known: {', '.join(map(shown, sorted(known)))}" if known else "none is known"

    def problems(self) -> list[Problem]:
        """Return everything in the order of the files and their lines; errors before warnings about the same place."""
        said = sorted(self._said.values(), key=lambda one: (one[0], one[1].place.column, one[1].level))
        found = [problem for _, problem in said]
        if self.unsaid:
            where = found[-1].place
            found.append(Problem("error", where, f"{self.unsaid} more problems are not listed"))
        return found

    def _add(self, level: Literal["error", "warning"], spot: Spot, message: str, hint: str, alias: bool = False) -> None:
        key = (spot.line, spot.column, message)
        if key in self._said:
            return
        if level == "error":
            self.errors += 1
        if self.full:
            # A warning must not push out an error, nor hide behind the limit that the configuration is refused.
            self.unsaid += 1
            return
        self._said[key] = spot.line, Problem(level, self.place(spot), message, hint, alias)


def shown(value: str) -> str:
    """Return *value* as a message may quote it: short, without anything that a terminal would act upon, and of PEM, which may be a key,
    only what it is."""
    if _PEM in value:
        value = value[: value.find("-----", value.index(_PEM) + len(_PEM)) + 5] + "…"
    text = value if len(value) <= _MAX_SHOWN else value[: _MAX_SHOWN - 1] + "…"
    return "".join(char if char == " " or char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def render(problems: Sequence[Problem], text: str | Mapping[str, bytes]) -> str:
    """Return *problems* for a terminal: message, place, the line of *text* and a caret with the cure beside it.

    With problems of several files, *text* has those of all of them by their names.
    """
    texts = {problem.place.file: text if isinstance(text, str) else text.get(problem.place.file, b"") for problem in problems}
    lines = {file: _lines(content if isinstance(content, str) else content.decode("utf-8", "replace")) for file, content in texts.items()}
    return "\n".join(_render_one(problem, lines[problem.place.file]) for problem in problems)


def _lines(text: str) -> list[str]:
    return _LINE_BREAK.split(text.removeprefix("\ufeff"))


def _render_one(problem: Problem, lines: Sequence[str]) -> str:
    place = problem.place
    head = f"{problem.level}: {problem.message}\n  --> {place}"
    if not 0 < place.line <= len(lines):
        return head + (f"\n      = {problem.hint}" if problem.hint else "")
    line = _KEY.sub(lambda key: key[1] + "*" * len(key[2]), lines[place.line - 1])
    # A window, so that a configuration on one line (JSON) does not fill the screen.
    start = max(0, place.column - 100) if len(line) > 200 else 0
    window = line[start : start + 200]
    before = window[: place.column - 1 - start]
    width = max(1, min(place.width, len(window) - len(before)))
    marked = window[len(before) : len(before) + width]
    carets = "^" * max(1, sum(_cells(char) for char in marked))
    padding = "".join("\t" if char == "\t" else " " * _cells(char) for char in before)
    hint = f"  {problem.hint}" if problem.hint else ""
    printable = "".join(char if char == "\t" or char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in window)
    return f"{head}\n{place.line:5} | {printable}\n      | {padding}{carets}{hint}"


def _cells(char: str) -> int:
    """How many cells of a terminal *char* takes."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
