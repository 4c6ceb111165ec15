"""What people are told of a release's parts."""

import pytest

from shifter.model.release import header_text
from shifter.model.route import HeaderMatcher, StringMatcher, StringMatchKind

NEW = StringMatcher(StringMatchKind.EXACT, b"new")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HeaderMatcher(b"x-a", present=True), "x-a"),
        (HeaderMatcher(b"x-a", present=True, invert=True), "not x-a"),
        (HeaderMatcher(b"x-a", present=False), "not x-a"),
        (HeaderMatcher(b"x-a", present=False, invert=True), "x-a"),
        (HeaderMatcher(b"x-a", NEW), "x-a: new"),
        (HeaderMatcher(b"x-a", NEW, invert=True), "not x-a: new"),
        (HeaderMatcher(b"x-a", StringMatcher(StringMatchKind.PREFIX, b"n"), invert=True), "not x-a (prefix n)"),
    ],
)
def test_a_header_in_one_line(header: HeaderMatcher, said: str) -> None:
    assert header_text(header) == said
