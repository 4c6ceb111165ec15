"""``?filter=``: regular expressions from outside, which must not be able to stall the proxy.                           (pure)"""

import re
from collections.abc import Callable

from shifter.routing.regex import RegexError, compile_regex

_LITERAL = re.compile(r"[\w /-]+", re.ASCII)
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)

LONGEST = 1000
"""How many characters a filter may have."""


class ShifterError(Exception):
    """Something about the admin interface cannot be done."""


class FilterError(ShifterError):
    """A filter is not a regular expression in RE2's syntax."""


def compile_filter(pattern: str) -> Callable[[str], bool]:
    """Return a function that says whether a name contains a match of *pattern*. Raises `FilterError`."""
    if len(pattern) > LONGEST:
        raise FilterError(f"longer than {LONGEST} characters")
    if _LITERAL.fullmatch(pattern):
        return lambda name: pattern in name
    try:
        compile_regex(pattern.encode("utf-8", "replace"))  # alone, so that a stray parenthesis cannot close ours
        fits = compile_regex(_somewhere(pattern).encode("utf-8", "replace"))
    except RegexError as error:
        raise FilterError(str(error)) from error
    return lambda name: fits(name.encode("utf-8", "replace"))


def _somewhere(pattern: str) -> str:
    """Return a pattern that fits every text with a match of *pattern* in it."""
    before = after = "(?s:.*)"
    # Not every engine of `routing.regex` takes anchors in the middle, and most filters that have any begin or end with them.
    if not _has_alternatives(pattern):
        if pattern.startswith("^"):
            before, pattern = "", pattern[1:]
        if pattern.endswith("$") and not pattern.endswith("\\$"):
            after, pattern = "", pattern[:-1]
    return f"{before}(?:{pattern}){after}"


def _has_alternatives(pattern: str) -> bool:
    """Whether *pattern*, which was found good, is several patterns with ``|`` between them, outside of all parentheses."""
    if "\\Q" in pattern:
        return "|" in pattern  # a quotation, in which nothing means what it does elsewhere
    depth = 0
    for piece in _PIECE.findall(pattern):
        if piece == "|" and not depth:
            return True
        depth += (piece == "(") - (piece == ")")
    return False
