"""Texts of certificates compared without the routing room, for who has nothing better (`tls_validation.TextCompiler`)."""

import re
from collections.abc import Callable

from shifter.model.route import StringMatcher, StringMatchKind


def plain_text(matcher: StringMatcher) -> Callable[[bytes], bool]:
    """Return a test for texts that *matcher* fits."""
    wanted = matcher.text.lower() if matcher.ignore_case else matcher.text
    if matcher.kind is StringMatchKind.SAFE_REGEX:
        pattern = re.compile(matcher.text, re.IGNORECASE if matcher.ignore_case else 0)
        return lambda text: pattern.fullmatch(text) is not None
    tests: dict[StringMatchKind, Callable[[bytes], bool]] = {
        StringMatchKind.EXACT: lambda text: text == wanted,
        StringMatchKind.PREFIX: lambda text: text.startswith(wanted),
        StringMatchKind.SUFFIX: lambda text: text.endswith(wanted),
        StringMatchKind.CONTAINS: lambda text: wanted in text,
    }
    test = tests[matcher.kind]
    return (lambda text: test(text.lower())) if matcher.ignore_case else test
