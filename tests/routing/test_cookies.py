"""Cookies: as Envoy takes cookie fields apart, and equal to a mapping of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import CookieMatcher, StringMatcher, StringMatchKind
from shifter.routing.cookies import compile_cookie, first_cookie
from shifter.routing.errors import RoutingError
from shifter.wire.events import RequestHead, block_of


def block(*fields: bytes) -> bytes:
    return block_of((b"cookie", field) for field in fields)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ([b"s=v"], b"v"), ([b's="v"'], b"v"), ([b"a=b; s=v"], b"v"), ([b"a=b;s=v"], b"v"), ([b"a=b", b"s=v"], b"v"),
        ([b"s=v", b"s=x"], b"v"), ([b"s=x", b"s=v"], b"x"), ([b"s=x; s=v"], b"x"),
        ([b"s= v"], b" v"), ([b"s =v"], None), ([b"s=v ; b=c"], b"v "), ([b"S=v"], None),
        ([b"s"], None), ([b"s="], b""), ([b"s=v w"], b"v w"), ([b's="v'], b'"v'), ([b's="'], b'"'), ([b's=""'], b""),
        ([b's=""v""'], b'"v"'), ([b"s=v=w"], b"v=w"), ([b"a=b, s=v"], None),
        ([b";;s=v"], b"v"), ([b"=v; s=v"], b"v"), ([b"a; s=v"], b"v"), ([b"a=b;   s=v"], b"v"),
        ([b"a=b;\ts=v"], None), ([b"xs=v"], None), ([], None),
    ],
)  # fmt: skip
def test_cookies_are_told_apart_as_in_envoy(fields: list[bytes], value: bytes | None) -> None:
    assert first_cookie(block(*fields), b"s") == value


@pytest.mark.parametrize(
    ("kind", "text", "field", "fits"),
    [
        (StringMatchKind.EXACT, b"v", b"s=v", True),
        (StringMatchKind.EXACT, b"v", b"s=w", False),
        (StringMatchKind.EXACT, b"", b"s=", True),
        (StringMatchKind.EXACT, b"", b"t=", False),
        (StringMatchKind.PREFIX, b"v", b"s=vw", True),
        (StringMatchKind.SAFE_REGEX, b"[a-c]+", b"s=abc", True),
        (StringMatchKind.SAFE_REGEX, b"[a-c]+", b"s=abcd", False),
    ],
)
def test_conditions_and_their_opposites(kind: StringMatchKind, text: bytes, field: bytes, fits: bool) -> None:
    head = RequestHead(b"GET", b"/", b"", block(field))
    assert compile_cookie(CookieMatcher(b"s", StringMatcher(kind, text)))(head) is fits
    assert compile_cookie(CookieMatcher(b"s", StringMatcher(kind, text), invert=True))(head) is not fits


def test_a_bad_regex_is_told() -> None:
    with pytest.raises(RoutingError):
        compile_cookie(CookieMatcher(b"s", StringMatcher(StringMatchKind.SAFE_REGEX, b"(")))


NAMES = st.text("ab", min_size=1, max_size=2)
VALUES = st.text("ab=, ", max_size=3)


@given(st.lists(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=3), max_size=3), st.sampled_from([";", "; "]), NAMES)
def test_the_first_cookie_of_a_name_counts(fields: list[list[tuple[str, str, bool]]], between: str, name: str) -> None:
    sent = [between.join(f'{key}="{value}"' if quoted else f"{key}={value}" for key, value, quoted in field) for field in fields]
    expected = next((value for field in fields for key, value, _ in field if key == name), None)
    assert first_cookie(block(*(field.encode() for field in sent)), name.encode()) == (None if expected is None else expected.encode())
