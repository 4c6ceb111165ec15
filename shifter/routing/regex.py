"""Regular expressions of route tables: RE2's syntax, matched against the whole text (``type.matcher.v3.RegexMatcher``) or
replaced wherever they match (``RegexMatchAndSubstitute``).

Rule 1. No pattern can stall the proxy. A pattern that is proved to be linear runs on Python's ``re`` (0.2 µs); any other
        on google-re2 where it is installed (2.5 µs), or else on our own automaton, which is linear by construction.
        So nothing is refused for its cost, no text is too long to be looked at, and a deny rule cannot be outgrown.
Rule 2. All engines give the same answers: what is read, and in what meaning, is decided in `regex_syntax`.
Rule 3. Replacing needs groups, which the automaton has not, and looks from every place of a text on. So there a pattern must
        begin with ``^`` or repeat nothing without end, or google-re2 must be there.
Rule 4. Without google-re2, patterns with RE2's rarer constructs are refused, saying so. With it, RE2 has the last word on
        what is a pattern.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Protocol, cast

from shifter.routing.regex_cost import Automaton
from shifter.routing.regex_syntax import Node, RegexError, Unknown, begins_text, count_groups, literal_prefix, parse, python_pattern

__all__ = ["RegexError", "compile_regex", "compile_substitution", "engine_of", "prefix_of_regex", "regex_problem"]

Fits = Callable[[bytes], bool]
Substitute = Callable[[bytes], bytes]


class _Match(Protocol):
    def start(self) -> int: ...
    def end(self) -> int: ...
    def group(self, number: int, /) -> bytes | None: ...


class _Compiled(Protocol):
    """A pattern of google-re2, as far as it is used here."""

    @property
    def groups(self) -> int: ...
    def fullmatch(self, text: bytes) -> object | None: ...
    def search(self, text: bytes, pos: int, /) -> _Match | None: ...


_Engine = Callable[[bytes], _Compiled]


def _load_re2() -> _Engine | None:
    try:
        re2 = import_module("re2")
    except ImportError:
        return None
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # as Envoy: a byte is a character
    options.log_errors = False
    error = cast(type[Exception], re2.error)

    def compiled(pattern: bytes) -> _Compiled:
        try:
            return cast(_Compiled, re2.compile(pattern, options))
        except error as problem:
            reason = problem.args[0] if problem.args else "not a regular expression"
            raise RegexError(reason.decode("latin-1") if isinstance(reason, bytes) else str(reason)) from None

    return compiled


_re2 = _load_re2()


def compile_regex(pattern: bytes) -> Fits:
    """Return a function that says whether a whole text fits *pattern*. Raises `RegexError`."""
    return _compiled(pattern, _re2)[1]


def engine_of(pattern: bytes) -> str:
    """Return which engine *pattern* runs on: ``re``, ``re2`` or ``automaton``. Raises `RegexError`."""
    return _compiled(pattern, _re2)[0]


def regex_problem(pattern: bytes) -> str | None:
    """Return why *pattern* cannot be used, or ``None`` when it can."""
    try:
        _compiled(pattern, _re2)
    except RegexError as problem:
        return str(problem)
    return None


def prefix_of_regex(pattern: bytes) -> bytes:
    """Return how every text begins that fits *pattern*; nothing where that is not easily seen."""
    try:
        return literal_prefix(parse(pattern))[0]
    except RegexError:
        return b""


def compile_substitution(pattern: bytes, substitution: bytes) -> Substitute:
    """Return a function that puts *substitution* for every match of *pattern*; ``\\1`` to ``\\9`` in it are groups, ``\\0``
    the match, ``\\\\`` a backslash. Matches do not overlap, and none is empty where another just ended (as in RE2).

    Raises `RegexError`.
    """
    search, groups = _searched(pattern, _re2)
    parts = _substitution_parts(substitution, groups)

    def substitute(text: bytes) -> bytes:
        done = []
        at = 0
        end = -1
        while at <= len(text):
            match = search(text, at)
            if match is None:
                break
            start = match.start()
            done.append(text[at:start])
            if start == match.end() == end:
                done.append(text[at : at + 1])
                at += 1
                continue
            done += [part if isinstance(part, bytes) else match.group(part) or b"" for part in parts]
            at = end = match.end()
        done.append(text[at:])
        return b"".join(done)

    return substitute


def _substitution_parts(substitution: bytes, groups: int) -> list[bytes | int]:
    parts: list[bytes | int] = []
    for piece in re.findall(rb"\\.?|[^\\]+", substitution, re.DOTALL):
        if not piece.startswith(b"\\"):
            parts.append(piece)
        elif piece == b"\\\\":
            parts.append(b"\\")
        elif not piece[1:].isdigit():
            raise RegexError(f"a backslash in a substitution needs a digit or a backslash after it: {substitution.decode('latin-1')!r}")
        elif int(piece[1:]) > groups:
            raise RegexError(f"{piece.decode()} in a substitution, but the pattern has {groups} groups")
        else:
            parts.append(int(piece[1:]))
    return parts


def _searched(pattern: bytes, re2: _Engine | None) -> tuple[Callable[[bytes, int], _Match | None], int]:
    checked = re2(pattern) if re2 is not None else None
    tree: Node | None = None
    try:
        tree = parse(pattern)
        if Automaton(tree).is_linear(anywhere=not begins_text(tree)):
            return re.compile(python_pattern(tree, capture=True)).search, count_groups(tree)
    except Unknown:
        if checked is None:
            raise
    if checked is None:
        raise Unknown(f"to be replaced, {pattern.decode('latin-1')!r} must begin with ^, or needs the google-re2 package")
    return checked.search, checked.groups


@lru_cache(maxsize=1024)  # a reload compiles the same patterns again
def _compiled(pattern: bytes, re2: _Engine | None) -> tuple[str, Fits]:
    checked = re2(pattern) if re2 is not None else None
    try:
        tree = parse(pattern)
        automaton = Automaton(tree)
        if automaton.is_linear():
            quick = re.compile(python_pattern(tree)).fullmatch
            return "re", lambda text: quick(text) is not None
        if checked is None and not automaton.has_places:
            return "automaton", automaton.fits
    except Unknown:
        if checked is None:
            raise
    if checked is None:
        raise Unknown(f"anchors in the middle of {pattern.decode('latin-1')!r} need the google-re2 package, which is not installed")
    slow = checked.fullmatch
    return "re2", lambda text: slow(text) is not None
