"""The route table: the first match wins, and guards change nothing."""

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import HeaderMatcher, PathMatchKind, RouteMatch, StringMatcher, StringMatchKind
from shifter.routing.match import compile_match
from shifter.routing.table import RouteList
from shifter.wire.events import RequestHead, block_of

CANARY = HeaderMatcher(b"x-canary-version", StringMatcher(StringMatchKind.EXACT, b"service1a"))


def request(path: bytes, *fields: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"GET", path, b"h.test", block_of(fields))


def prefix(text: bytes, *headers: HeaderMatcher) -> RouteMatch:
    return RouteMatch(PathMatchKind.PREFIX, text, headers=headers)


def test_the_first_route_that_fits_wins() -> None:
    routes = RouteList([(prefix(b"/service/1", CANARY), "canary"), (prefix(b"/service/1"), "split"), (prefix(b"/service/2"), "two")])
    assert routes.locate(request(b"/service/1")) == "split"
    assert routes.locate(request(b"/service/10?x")) == "split"
    assert routes.locate(request(b"/service/1", (b"x-canary-version", b"service1a"))) == "canary"
    assert routes.locate(request(b"/service/1", (b"x-canary-version", b"service1ab"))) == "split"
    assert routes.locate(request(b"/service/1", (b"x-canary-version", b"x"), (b"x-canary-version", b"service1a"), (b"a", b"b"))) == "canary"
    assert routes.locate(request(b"/service/2")) == "two"
    assert routes.locate(request(b"/SERVICE/1")) is None
    assert len(routes) == 3


def test_an_empty_table_has_no_route() -> None:
    assert RouteList[str]([]).locate(request(b"/")) is None


TEXTS = st.text("/ab", max_size=4).map(lambda text: ("/" + text).encode())
HEADERS = st.just(()) | st.just((HeaderMatcher(b"a", present=True),))
MATCHES = st.builds(
    RouteMatch, st.sampled_from([PathMatchKind.PREFIX, PathMatchKind.PREFIX, PathMatchKind.PATH]), TEXTS, st.booleans(), HEADERS
) | st.builds(RouteMatch, st.just(PathMatchKind.SAFE_REGEX), st.sampled_from([b"/a.*", b".*b", b"/[ab]+/?"]))


@given(st.lists(MATCHES, max_size=30), TEXTS, st.booleans())
def test_locate_equals_trying_one_route_after_the_other(matches: list[RouteMatch], path: bytes, with_field: bool) -> None:
    head = request(path, *([(b"a", b"1")] if with_field else []))
    expected = next((number for number, match in enumerate(matches) if compile_match(match)(head)), None)
    assert RouteList([(match, number) for number, match in enumerate(matches)]).locate(head) == expected
