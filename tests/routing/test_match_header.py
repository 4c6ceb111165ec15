"""Conditions on header fields: as Envoy answers, and equal to the plain reading of the rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import HeaderMatcher, RangeMatcher, StringMatcher, StringMatchKind
from shifter.routing.match_header import JOINED, compile_header, header_values, integer
from shifter.wire.events import RequestHead, block_of
from tests.support.recorded import ENVOY

MATCHERS: dict[str, StringMatcher | RangeMatcher | bool | None] = {
    "exact": StringMatcher(StringMatchKind.EXACT, b"v"),
    "exactic": StringMatcher(StringMatchKind.EXACT, b"V", True),
    "prefix": StringMatcher(StringMatchKind.PREFIX, b"v"),
    "prefixic": StringMatcher(StringMatchKind.PREFIX, b"V", True),
    "suffix": StringMatcher(StringMatchKind.SUFFIX, b"v"),
    "suffixic": StringMatcher(StringMatchKind.SUFFIX, b"V", True),
    "contains": StringMatcher(StringMatchKind.CONTAINS, b"v"),
    "containsic": StringMatcher(StringMatchKind.CONTAINS, b"V", True),
    "regex": StringMatcher(StringMatchKind.SAFE_REGEX, b"v.*"),
    "regexdot": StringMatcher(StringMatchKind.SAFE_REGEX, b"v."),
    "exactempty": StringMatcher(StringMatchKind.EXACT, b""),
    "range": RangeMatcher(-5, 20),
    "present": True,
    "absent": False,
    "nameonly": None,
}


def request(path: bytes = b"/", *fields: tuple[bytes, bytes], method: bytes = b"GET", authority: bytes = b"h.test") -> RequestHead:
    return RequestHead(method, path, authority, block_of(fields))


def matcher(name: str, invert: bool = False, missing_as_empty: bool = False, field: bytes = b"x-a") -> HeaderMatcher:
    what = MATCHERS[name]
    return HeaderMatcher(
        field,
        string=what if isinstance(what, StringMatcher) else None,
        range=what if isinstance(what, RangeMatcher) else None,
        present=what if isinstance(what, bool) else None,
        invert=invert,
        treat_missing_as_empty=missing_as_empty,
    )


@pytest.mark.parametrize("row", ENVOY["headers"]["matched"])
def test_every_kind_of_header_matcher_answers_as_envoy(row: str) -> None:
    name, *options = row.strip("/").split("-")
    fits = compile_header(matcher(name, "inv" in options, "tme" in options))
    matched = [
        key
        for key, sent in ENVOY["headers"]["values"].items()
        if fits(request(b"/", (b"x-between", b"1"), *((b"x-a", value.encode("latin-1")) for value in sent), (b"x-z", b"2")))
    ]
    assert " ".join(matched) == ENVOY["headers"]["matched"][row]


def plain(what: HeaderMatcher, found: list[bytes]) -> bool:
    """The rules of `HeaderMatcher`, word by word."""
    if not found and what.treat_missing_as_empty:
        found = [b""]
    if what.string is None:
        return bool(found) is ((what.present is not False) is not what.invert)
    if not found:
        return False
    text = what.string.text.lower() if what.string.ignore_case else what.string.text
    values = [value.lower() if what.string.ignore_case else value for value in found]
    answers = {
        StringMatchKind.EXACT: [value == text for value in values],
        StringMatchKind.PREFIX: [value.startswith(text) for value in values],
        StringMatchKind.SUFFIX: [value.endswith(text) for value in values],
        StringMatchKind.CONTAINS: [text in value for value in values],
    }
    return any(answers[what.string.kind]) is not what.invert


PLAIN_KINDS = [kind for kind in StringMatchKind if kind is not StringMatchKind.SAFE_REGEX]
NAMES = st.sampled_from([b"x-a", b"x-a-b", b"a", b"x"])
VALUES = st.text("aAb:- ", max_size=4).map(lambda text: text.strip().encode())
STRINGS = st.builds(StringMatcher, st.sampled_from(PLAIN_KINDS), st.text("aAb:-\r\n", max_size=3).map(str.encode), st.booleans())


@given(
    st.builds(
        HeaderMatcher,
        NAMES,
        string=st.none() | STRINGS,
        present=st.sampled_from([None, True, False]),
        invert=st.booleans(),
        treat_missing_as_empty=st.booleans(),
    ),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
)
def test_a_search_in_the_block_equals_the_plain_reading(what: HeaderMatcher, fields: list[tuple[bytes, bytes]]) -> None:
    expected = plain(what, [value for name, value in fields if name == what.name])
    assert compile_header(what)(request(b"/", *fields)) is expected


def test_a_value_does_not_reach_into_the_next_line() -> None:
    across = HeaderMatcher(b"x-a", StringMatcher(StringMatchKind.EXACT, b"1\r\nx-b: 2"))
    assert not compile_header(across)(request(b"/", (b"x-a", b"1"), (b"x-b", b"2")))


def test_pseudo_headers() -> None:
    head = request(b"/p?q=1", method=b"POST", authority=b"h.test:80")

    def exact(name: bytes, text: bytes) -> bool:
        return compile_header(HeaderMatcher(name, StringMatcher(StringMatchKind.EXACT, text)))(head)

    assert exact(b":method", b"POST")
    assert exact(b":path", b"/p?q=1")
    assert exact(b":authority", b"h.test:80")
    assert exact(b"host", b"h.test:80")
    assert exact(b":scheme", b"http")
    assert not exact(b":path", b"/p")
    assert not exact(b":authority", b"H.test:80")
    assert compile_header(HeaderMatcher(b":nothing", present=False))(head)
    assert not compile_header(HeaderMatcher(b":authority", present=True))(request(authority=b""))


@pytest.mark.parametrize("name", [b"accept", b"user-agent", b"x-forwarded-for"])
def test_fields_that_envoy_keeps_once_are_looked_at_as_one(name: bytes) -> None:
    assert name in JOINED
    head = request(b"/", (name, b"a"), (name, b"b"))
    assert compile_header(HeaderMatcher(name, StringMatcher(StringMatchKind.EXACT, b"a,b")))(head)
    assert not compile_header(HeaderMatcher(name, StringMatcher(StringMatchKind.EXACT, b"a")))(head)
    assert compile_header(HeaderMatcher(name, StringMatcher(StringMatchKind.EXACT, b"a")))(request(b"/", (name, b"a")))
    assert compile_header(HeaderMatcher(b"cookie", StringMatcher(StringMatchKind.EXACT, b"a")))(
        request(b"/", (b"cookie", b"a"), (b"cookie", b"b"))
    )


@given(st.text("+-0123456789 _x", max_size=24) | st.integers(-(2**64), 2**64).map(str))
def test_integers_are_those_that_envoy_reads(text: str) -> None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    expected = int(text) if digits.isdigit() and -(2**63) <= int(text) < 2**63 else None
    assert integer(text.encode()) == expected


def test_the_values_that_conditions_look_at() -> None:
    head = request(b"/p?q", (b"x-a", b"1"), (b"accept", b"a"), (b"x-a", b"2"), (b"accept", b"b"), method=b"PUT")
    assert header_values(b"x-a")(head) == [b"1", b"2"]
    assert header_values(b"accept")(head) == [b"a,b"]
    assert header_values(b":method")(head) == [b"PUT"]
    assert header_values(b":path")(head) == [b"/p?q"]
    assert header_values(b"host")(head) == [b"h.test"]
    assert header_values(b":scheme")(head) == [b"http"]
    assert header_values(b"x-b")(head) == []
    nameless = RequestHead(b"GET", b"/", b"")
    assert [header_values(name)(nameless) for name in (b":authority", b"host", b":other")] == [[], [], []]
