"""What is read as a regular expression is what RE2 makes of it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shifter.routing.regex_cost import Automaton
from shifter.routing.regex_syntax import RegexError, Unknown, parse, python_pattern
from tests.support.effort import examples

re2 = pytest.importorskip("re2", reason="google-re2 is what the answers are compared with")

TOKENS = [
    *"abA/.*+?|()[]{}-^$_1 ",
    *("(?:", "(?i)", "(?s:", "(?i:", "(?U)", "(?-i)", "(?i-s:", "(?P<n>", "(?<n>", "(?", "(?=", "(?!", "(?>", "(?P=n)", "(?m)", "()"),
    *(
        "[ab]",
        "[^a]",
        "[a-c",
        "[^",
        "[\\d-z]",
        "[]a]",
        "[a-]",
        "[-a]",
        "[a-b-c]",
        "[\\w-]",
        "[a\\-z]",
        "[b-a]",
        "[[:alpha:]]",
        "[[:^digit:]x]",
    ),
    *(
        "\\d",
        "\\w",
        "\\s",
        "\\D",
        "\\.",
        "\\/",
        "\\_",
        "\\A",
        "\\z",
        "\\Z",
        "\\b",
        "\\B",
        "\\Q",
        "\\E",
        "\\x61",
        "\\xe9",
        "\\1",
        "\\07",
        "\\12",
    ),
    *(
        "\\n",
        "\\C",
        "\\pL",
        "\\q",
        "\\",
        "{2}",
        "{1,3}",
        "{,2}",
        "{2,}",
        "{0}",
        "{01}",
        "{1001}",
        "{2,1}",
        "{1,2}?",
        "*?",
        "+?",
        "??",
        "a*+",
    ),
    *"\xe9\xff",
]
PATTERNS = st.lists(st.sampled_from(TOKENS), min_size=1, max_size=8).map("".join).map(lambda text: text.encode("latin-1"))
TEXTS = st.lists(st.text("abcA/1 _.-x{}]z\xe9\xff", max_size=6).map(lambda text: text.encode("latin-1")), max_size=8)


def by_re2(pattern: bytes) -> object | None:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


@settings(max_examples=examples(500))
@given(PATTERNS, TEXTS)
def test_the_same_patterns_are_read_and_the_same_texts_fit(pattern: bytes, texts: list[bytes]) -> None:
    theirs = by_re2(pattern)
    try:
        tree = parse(pattern)
    except Unknown:
        return
    except RegexError:
        assert theirs is None
        return
    assert theirs is not None
    ours = re.compile(python_pattern(tree))
    automaton = Automaton(tree)
    for text in texts:
        expected = theirs.fullmatch(text) is not None  # type: ignore[attr-defined] - google-re2 has no types
        assert (ours.fullmatch(text) is not None) is expected
        if not automaton.has_places:
            assert automaton.fits(text) is expected
