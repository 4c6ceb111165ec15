"""Words for conditions that do not hold; and that the conditions together are the match."""

from dataclasses import replace

import pytest
from hypothesis import given

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import (
    CookieMatcher,
    FractionalPercent,
    HeaderMatcher,
    MetadataMatcher,
    PathMatchKind,
    Presence,
    QueryParameterMatcher,
    RangeMatcher,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
    TlsContextMatch,
)
from shifter.routing.match import compile_match
from shifter.routing.match_text import conditions, described, reason, shown
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, block_of
from tests.support.routes import MATCHES, requests

ANY = RouteMatch(PathMatchKind.PREFIX, b"/")
HEAD = RequestHead(b"GET", b"/x/y?v=2", b"h.test", block_of([(b"x-version", b"1"), (b"x-twice", b"a"), (b"x-twice", b"b")]))


def text(kind: StringMatchKind, value: bytes, ignore_case: bool = False) -> StringMatcher:
    return StringMatcher(kind, value, ignore_case)


def header(name: bytes, string: StringMatcher | None = None, **more: object) -> RouteMatch:
    return replace(ANY, headers=(HeaderMatcher(name, string, **more),))  # type: ignore[arg-type]  # a test names them


EXACT, PREFIX, SUFFIX, CONTAINS, REGEX = StringMatchKind


@pytest.mark.parametrize(
    ("match", "words", "line"),
    [
        (RouteMatch(PathMatchKind.PREFIX, b"/a"), "path /x/y does not begin with /a", "prefix /a"),
        (RouteMatch(PathMatchKind.PREFIX, b"/A", False), "path /x/y does not begin with /A, in any case", "prefix /A in any case"),
        (RouteMatch(PathMatchKind.PATH, b"/a"), "path /x/y is not /a", "path /a"),
        (RouteMatch(PathMatchKind.SAFE_REGEX, b"/[0-9]+"), "path /x/y does not fit the pattern /[0-9]+", "safe_regex /[0-9]+"),
        (RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"/a"), "path /x/y is not, and is not below, /a", "path_separated_prefix /a"),
        (RouteMatch(PathMatchKind.URI_TEMPLATE, b"/a/{b}"), "path /x/y does not fit the template /a/{b}", "template /a/{b}"),
        (RouteMatch(PathMatchKind.CONNECT, b""), "method GET is not CONNECT", "CONNECT"),
        (header(b"x-none", text(EXACT, b"1")), "header x-none is not there", 'prefix /, x-none is "1"'),
        (header(b"x-none", present=True), "header x-none is not there", "prefix /, x-none present"),
        (header(b"x-version", present=False), 'header x-version is there: "1"', "prefix /, x-version absent"),
        (header(b"x-version", present=True, invert=True), 'header x-version is there: "1"', "prefix /, x-version absent"),
        (header(b"x-version", text(EXACT, b"2")), 'header x-version is "1", not "2"', 'prefix /, x-version is "2"'),
        (header(b"x-twice", text(EXACT, b"c")), 'header x-twice is "a", "b", not "c"', 'prefix /, x-twice is "c"'),
        (
            header(b"x-version", text(EXACT, b"V", True)),
            'header x-version is "1", not "V", in any case',
            'prefix /, x-version is "V", in any case',
        ),
        (
            header(b"x-version", text(EXACT, b"1"), invert=True),
            'header x-version is "1", which it must not be',
            'prefix /, x-version is not "1"',
        ),
        (
            header(b"x-version", text(PREFIX, b"1"), invert=True),
            'header x-version is "1", which begins with "1"',
            'prefix /, x-version does not begin with "1"',
        ),
        (
            header(b"x-version", text(SUFFIX, b"2")),
            'header x-version is "1", which does not end with "2"',
            'prefix /, x-version ends with "2"',
        ),
        (
            header(b"x-version", text(CONTAINS, b"2")),
            'header x-version is "1", which does not contain "2"',
            'prefix /, x-version contains "2"',
        ),
        (
            header(b"x-version", text(REGEX, b"[a-z]")),
            'header x-version is "1", which does not fit the pattern "[a-z]"',
            'prefix /, x-version fits the pattern "[a-z]"',
        ),
        (
            header(b"x-version", range=RangeMatcher(2, 5)),
            'header x-version is "1", not a number from 2 to 4',
            "prefix /, x-version from 2 to 4",
        ),
        (
            header(b"x-none", text(EXACT, b"1"), treat_missing_as_empty=True),
            'header x-none is "", not "1"',
            'prefix /, x-none is "1"',
        ),
        (header(b":method", text(EXACT, b"POST")), 'header :method is "GET", not "POST"', 'prefix /, :method is "POST"'),
        (replace(ANY, query_parameters=(QueryParameterMatcher(b"w"),)), "query parameter w is not there", "prefix /, ?w present"),
        (
            replace(ANY, query_parameters=(QueryParameterMatcher(b"v", present=False),)),
            "query parameter v is there",
            "prefix /, ?v absent",
        ),
        (
            replace(ANY, query_parameters=(QueryParameterMatcher(b"v", text(EXACT, b"3")),)),
            'query parameter v is not there, or is not "3"',
            'prefix /, ?v is "3"',
        ),
        (
            replace(ANY, cookies=(CookieMatcher(b"c", text(EXACT, b"3")),)),
            'cookie c is not there, or is not "3"',
            'prefix /, cookie c is "3"',
        ),
        (replace(ANY, grpc=True), "content-type is not gRPC's (application/grpc)", "prefix /, gRPC"),
        (replace(ANY, tls_context=TlsContextMatch(presented=True)), "the client showed no certificate", "prefix /, TLS certificate"),
        (
            replace(ANY, dynamic_metadata=(MetadataMatcher("f", ("a", "b"), Presence(True)),)),
            "metadata f.a.b is not there, or not what it must be",
            "prefix /, metadata f.a.b",
        ),
        (
            replace(ANY, runtime_fraction=RuntimeFraction(FractionalPercent(0, 10_000), "k")),
            "not one of the 0 in 10,000 requests (runtime key k)",
            "prefix /, 0 in 10,000 requests (runtime key k)",
        ),
    ],
)
def test_the_first_condition_that_failed(match: RouteMatch, words: str, line: str) -> None:
    failed = next(part for part in conditions(match) if not compile_match(part.match)(HEAD))
    assert reason(failed, HEAD, Runtime()) == words
    assert described(match) == line


def test_a_share_is_told_as_it_is_in_runtime() -> None:
    runtime = Runtime([RuntimeLayer("base", {"k": 0})])
    match = replace(ANY, runtime_fraction=RuntimeFraction(FractionalPercent(50), "k"))
    *_, fraction = conditions(match)
    assert reason(fraction, HEAD, runtime) == "not one of the 0 in 100 requests (runtime key k)"


def test_what_a_client_sent_moves_no_cursor() -> None:
    assert shown(b"a\x1b[2Jb\xff") == "a\\x1b[2Jb\N{REPLACEMENT CHARACTER}"
    assert len(shown(b"x" * 1000)) == 100


@given(MATCHES, requests())
def test_the_conditions_together_are_the_match(match: RouteMatch, head: RequestHead) -> None:
    parts = list(conditions(match))
    held = [compile_match(part.match)(head) for part in parts]
    assert all(held) is compile_match(match)(head)
    assert all(reason(part, head, Runtime()) for part in parts)
