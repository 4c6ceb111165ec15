"""Regular expressions of route tables (``type.matcher.v3.RegexMatcher``): RE2's syntax, the whole text must fit.

Rule 1. No pattern can stall the proxy. A pattern that is proved to be linear runs on Python's ``re`` (0.2 µs); any other
        on google-re2 where it is installed (2.5 µs), or else on our own automaton, which is linear by construction.
        So nothing is refused for its cost, no text is too long to be looked at, and a deny rule cannot be outgrown.
Rule 2. All engines give the same answers: what is read, and in what meaning, is decided in `regex_syntax`.
Rule 3. Without google-re2, patterns with RE2's rarer constructs are refused, saying so. With it, RE2 has the last word on
        what is a pattern.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Protocol, cast

from shifter.routing.regex_cost import Automaton
from shifter.routing.regex_syntax import RegexError, Unknown, parse, python_pattern

__all__ = ["RegexError", "compile_regex", "engine_of", "regex_problem"]

Fits = Callable[[bytes], bool]


class _Compiled(Protocol):
    """A pattern of google-re2, as far as it is used here."""

    def fullmatch(self, text: bytes) -> object | None: ...


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
