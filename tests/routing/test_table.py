"""The route table: the first match wins, and neither guards nor lookups change anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import (
    FractionalPercent,
    HeaderMatcher,
    PathMatchKind,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
)
from shifter.routing.match import compile_match
from shifter.routing.match_header import always, never
from shifter.routing.route_index import FEW
from shifter.routing.runtime import Runtime
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


@given(st.lists(MATCHES, max_size=60), TEXTS, st.booleans())
def test_locate_equals_trying_one_route_after_the_other(matches: list[RouteMatch], path: bytes, with_field: bool) -> None:
    head = request(path, *([(b"a", b"1")] if with_field else []))
    expected = next((number for number, match in enumerate(matches) if compile_match(match)(head)), None)
    assert RouteList([(match, number) for number, match in enumerate(matches)]).locate(head) == expected


@pytest.mark.parametrize("size", [2, FEW, FEW + 1, 100])
def test_short_and_long_tables_answer_alike(size: int) -> None:
    routes = RouteList([*((prefix(b"/service/%d/" % number), number) for number in range(size - 1)), (prefix(b"/"), size - 1)])
    assert [routes.locate(request(b"/service/%d/a?b" % number)) for number in range(size)] == list(range(size))
    assert routes.locate(request(b"*")) is None
    assert len(routes) == size


@pytest.mark.parametrize("size", [1, 50])
def test_further_conditions_runtime_and_path_parameters_count_in_every_table(size: int) -> None:
    share = RouteMatch(PathMatchKind.PATH, b"/a", runtime_fraction=RuntimeFraction(FractionalPercent(0), "on"))
    others = [(RouteMatch(PathMatchKind.PATH, b"/x%d" % number), "x") for number in range(size)]
    on = Runtime([RuntimeLayer("static", {"on": 100})])
    entries = [(share, "share"), (prefix(b"/"), "never"), (prefix(b"/"), "rest"), *others]
    conditions = [None, never, always, *(None for _ in others)]
    assert RouteList(entries, on, False, conditions).locate(request(b"/a")) == "share"
    assert RouteList(entries, on, False, conditions).locate(request(b"/a;b")) == "rest"
    assert RouteList(entries, on, True, conditions).locate(request(b"/a;b")) == "share"
    assert RouteList(entries, conditions=conditions).locate(request(b"/a")) == "rest"
