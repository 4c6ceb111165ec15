"""Query parameters: as Envoy takes a query apart, and equal to a mapping of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import QueryParameterMatcher, StringMatcher, StringMatchKind
from shifter.routing.errors import RoutingError
from shifter.routing.query import compile_query_parameter, first_parameter
from shifter.wire.events import RequestHead


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        (b"/p", b"a", None), (b"/p?", b"a", None), (b"/p?a", b"a", b""), (b"/p?a=", b"a", b""), (b"/p?a=1", b"a", b"1"),
        (b"/p?a=1&a=2", b"a", b"1"), (b"/p?b=a&a=2", b"a", b"2"), (b"/p?xa=1", b"a", None), (b"/p?ax=1", b"a", None),
        (b"/p?a=1=2", b"a", b"1=2"),
        (b"/p?&&a&", b"a", b""), (b"/p??a", b"a", None), (b"/p??a", b"?a", b""), (b"/p?x;a=1", b"a", None), (b"/p?a=%20+", b"a", b"%20+"),
        (b"/p?%61=1", b"a", None), (b"/p?%61=1", b"%61", b"1"), (b"/a=1?b", b"a", None), (b"/p?A=1", b"a", None),
    ],
)  # fmt: skip
def test_parameters_are_told_apart_as_in_envoy(target: bytes, name: bytes, value: bytes | None) -> None:
    assert first_parameter(target, name) == value


@pytest.mark.parametrize(
    ("matcher", "fits", "fits_not"),
    [
        (QueryParameterMatcher(b"a"), b"/?a /?a=1 /?b&a", b"/ /?b /a"),
        (QueryParameterMatcher(b"a", present=False), b"/ /?b /a", b"/?a /?a=1"),
        (QueryParameterMatcher(b"a", StringMatcher(StringMatchKind.EXACT, b"v")), b"/?a=v /?a=v&a=w", b"/ /?a /?a=w&a=v /?a=V"),
        (QueryParameterMatcher(b"a", StringMatcher(StringMatchKind.EXACT, b"")), b"/?a /?a=", b"/ /?a=1"),
        (QueryParameterMatcher(b"a", StringMatcher(StringMatchKind.PREFIX, b"AB", True)), b"/?a=abc /?a=ABC", b"/?a=a /?abc"),
        (QueryParameterMatcher(b"a", StringMatcher(StringMatchKind.SAFE_REGEX, b"[a-c]+")), b"/?a=abc", b"/?a=abcd /?a"),
    ],
)
def test_conditions(matcher: QueryParameterMatcher, fits: bytes, fits_not: bytes) -> None:
    matches = compile_query_parameter(matcher)
    assert [target for target in fits.split() if not matches(RequestHead(b"GET", target, b""))] == []
    assert [target for target in fits_not.split() if matches(RequestHead(b"GET", target, b""))] == []


def test_a_bad_regex_is_told() -> None:
    with pytest.raises(RoutingError):
        compile_query_parameter(QueryParameterMatcher(b"a", StringMatcher(StringMatchKind.SAFE_REGEX, b"(")))


WORDS = st.text("ab=?%", max_size=3)


@given(st.lists(st.tuples(st.text("ab?%", min_size=1, max_size=2), st.none() | WORDS), max_size=5), st.text("ab?%", min_size=1, max_size=2))
def test_the_first_value_of_a_name_counts(pairs: list[tuple[str, str | None]], name: str) -> None:
    query = "&".join(key if value is None else f"{key}={value}" for key, value in pairs)
    expected = next((value or "" for key, value in pairs if key == name), None)
    found = first_parameter(f"/p?{query}".encode(), name.encode())
    assert found == (None if expected is None else expected.encode())
