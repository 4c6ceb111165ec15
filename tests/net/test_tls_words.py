"""Matchers of texts without the routing room: what fits is what fits there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import StringMatcher, StringMatchKind
from shifter.net.tls_words import plain_text
from shifter.routing.match_header import compile_string

TEXTS = st.text("ab.", max_size=4).map(str.encode)
PLAIN = [kind for kind in StringMatchKind if kind is not StringMatchKind.SAFE_REGEX]


@given(st.sampled_from(PLAIN), TEXTS, TEXTS, st.booleans())
def test_it_is_what_routes_have(kind: StringMatchKind, wanted: bytes, text: bytes, ignore_case: bool) -> None:
    matcher = StringMatcher(kind, wanted.upper() if ignore_case else wanted, ignore_case)
    assert plain_text(matcher)(text) == compile_string(matcher)(text)


@pytest.mark.parametrize(("pattern", "text", "fits"), [(b"a+", b"aaa", True), (b"a+", b"aab", False), (b"[ab]", b"b", True)])
def test_patterns_fit_the_whole(pattern: bytes, text: bytes, fits: bool) -> None:
    matcher = StringMatcher(StringMatchKind.SAFE_REGEX, pattern)
    assert plain_text(matcher)(text) == compile_string(matcher)(text) == fits
