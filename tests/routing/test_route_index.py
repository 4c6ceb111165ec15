"""Long lists of routes: looking them up is trying one after the other, only quicker."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shifter.model.route import (
    CookieMatcher,
    FractionalPercent,
    HeaderMatcher,
    PathMatchKind,
    QueryParameterMatcher,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
)
from shifter.routing.match import compile_conditions, compile_match
from shifter.routing.match_path import compile_path
from shifter.routing.route_index import FEW, Indexed, RouteIndex
from shifter.wire.events import RequestHead, block_of


def index(matches: list[RouteMatch], ignore_parameters: bool = False) -> RouteIndex[int]:
    routes = []
    for number, match in enumerate(matches):
        path = compile_path(match, ignore_parameters)
        if path is not None:
            routes.append(Indexed(match, path, compile_conditions(match), number))
    return RouteIndex(routes, ignore_parameters)


def one_by_one(matches: list[RouteMatch], head: RequestHead, ignore_parameters: bool = False) -> int | None:
    fitting = (number for number, match in enumerate(matches) if compile_match(match, ignore_path_parameters=ignore_parameters)(head))
    return next(fitting, None)


def request(path: bytes, *fields: tuple[bytes, bytes], method: bytes = b"GET", random: int = 0) -> RequestHead:
    head = RequestHead(method, path, b"h.test", block_of(fields))
    head.random = random
    return head


def exact(name: bytes, text: bytes, invert: bool = False, missing_as_empty: bool = False) -> HeaderMatcher:
    return HeaderMatcher(name, StringMatcher(StringMatchKind.EXACT, text), invert=invert, treat_missing_as_empty=missing_as_empty)


def prefix(text: bytes, *headers: HeaderMatcher) -> RouteMatch:
    return RouteMatch(PathMatchKind.PREFIX, text, headers=headers)


TEXTS = st.text("/abA;?", max_size=5).map(lambda text: ("/" + text).encode())
HEADERS = st.lists(
    st.builds(
        exact, st.sampled_from([b"x-a", b"x-b", b":method", b"accept"]), st.sampled_from([b"", b"1", b"GET"]), st.booleans(), st.booleans()
    )
    | st.builds(HeaderMatcher, st.just(b"x-a"), present=st.booleans()),
    max_size=2,
).map(tuple)
QUERIES = st.just(()) | st.just((QueryParameterMatcher(b"a"),))
COOKIES = st.just(()) | st.just((CookieMatcher(b"a", StringMatcher(StringMatchKind.EXACT, b"1")),))
SHARES = st.none() | st.builds(RuntimeFraction, st.builds(FractionalPercent, st.sampled_from([0, 50, 100])))
PLAIN_KINDS = [PathMatchKind.PREFIX, PathMatchKind.PREFIX, PathMatchKind.PATH, PathMatchKind.PATH, PathMatchKind.PATH_SEPARATED_PREFIX]


def with_conditions(kinds: st.SearchStrategy[PathMatchKind], texts: st.SearchStrategy[bytes]) -> st.SearchStrategy[RouteMatch]:
    return st.builds(RouteMatch, kinds, texts, st.sampled_from([True, True, True, False]), HEADERS, QUERIES, COOKIES, SHARES, st.booleans())


MATCHES = (
    with_conditions(st.sampled_from(PLAIN_KINDS), TEXTS)
    | with_conditions(st.sampled_from(PLAIN_KINDS), TEXTS)
    | with_conditions(st.just(PathMatchKind.SAFE_REGEX), st.sampled_from([b"/a.*", b".*b", b"/[ab]+/?", b"/ab/?", b"(?i)/A.*"]))
    | with_conditions(st.just(PathMatchKind.URI_TEMPLATE), st.sampled_from([b"/a/*", b"/**", b"/{v}/b", b"/a{v}", b"/a;b/*"]))
    | st.builds(RouteMatch, st.just(PathMatchKind.CONNECT), st.just(b""))
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"x-b", b"accept", b"cookie", b"content-type"]), st.sampled_from([b"", b"1", b"a=1", b"application/grpc"])
    ),
    max_size=4,
)
TARGETS = st.tuples(TEXTS, st.sampled_from([b"", b"?a", b"?b=1", b";v"])).map(b"".join)


@given(st.lists(MATCHES, max_size=40), st.lists(TARGETS, min_size=1, max_size=6), FIELDS, st.booleans(), st.sampled_from([0, 70]))
def test_the_index_equals_trying_one_route_after_the_other(
    matches: list[RouteMatch], targets: list[bytes], fields: list[tuple[bytes, bytes]], ignore_parameters: bool, random: int
) -> None:
    table = index(matches, ignore_parameters)
    for target in targets:
        head = request(target, *fields, random=random)
        assert table.locate(head) == one_by_one(matches, head, ignore_parameters)


@given(st.lists(st.tuples(st.sampled_from([b"/", b"/a", b"/ab"]), HEADERS), min_size=40, max_size=120), TARGETS, FIELDS)
def test_many_routes_of_one_text_are_told_apart_by_their_fields(
    routes: list[tuple[bytes, tuple[HeaderMatcher, ...]]], target: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    matches = [prefix(text, *headers) for text, headers in routes]
    head = request(target, *fields)
    assert index(matches).locate(head) == one_by_one(matches, head)


@given(st.lists(TEXTS, min_size=1, max_size=40), TARGETS)
@example([b"/a", b"/a!", b"/a/b/c", b"/b"], b"/a?x")
@example([b"/a/", b"/a/b", b"/a/bc", b"/a/c"], b"/a/bd")
def test_every_text_that_a_path_begins_with_is_found(texts: list[bytes], target: bytes) -> None:
    matches = [prefix(text) for text in texts]
    assert index(matches).locate(request(target)) == one_by_one(matches, request(target))


def test_an_empty_index_has_no_route() -> None:
    assert index([]).locate(request(b"/")) is None
    assert index([]).locate(request(b"")) is None


@pytest.mark.parametrize("value", [b"t0", b"t500", b"t999", b"none"])
def test_a_thousand_values_of_one_field(value: bytes) -> None:
    matches = [*(prefix(b"/", exact(b"x-tenant", b"t%d" % number)) for number in range(1000)), prefix(b"/")]
    table = index(matches)
    expected = 1000 if value == b"none" else int(value[1:])
    assert table.locate(request(b"/a", (b"x-tenant", value))) == expected
    assert table.locate(request(b"/a", (b"x-tenant", b"t700"), (b"x-tenant", value))) == min(expected, 700)
    assert table.locate(request(b"/a")) == 1000


def test_only_routes_that_can_fit_are_tried() -> None:
    tried: list[int] = []

    def counted(number: int) -> Indexed[int]:
        match = prefix(b"/service-%d/" % number, exact(b"x-tenant", b"t%d" % number))
        path = compile_path(match)
        assert path is not None

        def never_fits(head: RequestHead) -> bool:
            tried.append(number)
            return False

        return Indexed(match, path, never_fits, number)

    table = RouteIndex([counted(number) for number in range(10_000)])
    assert table.locate(request(b"/service-77/x", (b"x-tenant", b"t77"))) is None
    assert tried == [77]


def test_routes_of_one_text_beyond_the_few_are_tried_by_their_fields_only() -> None:
    tried: list[int] = []

    def counted(number: int) -> Indexed[int]:
        match = prefix(b"/", exact(b"x-tenant", b"t%d" % (number // 2)))
        path = compile_path(match)
        assert path is not None

        def never_fits(head: RequestHead) -> bool:
            tried.append(number)
            return False

        return Indexed(match, path, never_fits, number)

    table = RouteIndex([counted(number) for number in range(FEW * 10)])
    assert table.locate(request(b"/", (b"x-tenant", b"t3"))) is None
    assert tried == [6, 7]
