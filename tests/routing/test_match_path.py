"""Conditions on paths: as Envoy compares them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import PathMatchKind, RouteMatch
from shifter.routing.errors import RoutingError
from shifter.routing.match import compile_match
from shifter.routing.match_path import PathCondition, compile_path, path_only
from shifter.wire.events import RequestHead


def request(path: bytes, method: bytes = b"GET") -> RequestHead:
    return RequestHead(method, path, b"h.test")


@pytest.mark.parametrize(
    ("kind", "text", "case_sensitive", "fits", "fits_not"),
    [
        (PathMatchKind.PREFIX, b"/a", True, b"/a /ab /a/b /a?x /a?", b"/A /b / *"),
        (PathMatchKind.PREFIX, b"/Fold", False, b"/fold/x /FOLD /fold?x", b"/fol?d /fo"),
        (PathMatchKind.PREFIX, b"/a?b", True, b"", b"/a?b /a?bc /a"),
        (PathMatchKind.PREFIX, b"/a?B", False, b"", b"/a?b /a?bc /a"),
        (PathMatchKind.PREFIX, b"/h#", True, b"", b"/h#x"),
        (PathMatchKind.PATH, b"/Exact", True, b"/Exact /Exact?a /Exact?", b"/exact /Exact/ /Exact/?a /Exac"),
        (PathMatchKind.PATH, b"/eCI", False, b"/ECI /eci?z", b"/eci/"),
        (PathMatchKind.PATH, b"/p?x", True, b"", b"/p?x /p"),
        (
            PathMatchKind.PATH_SEPARATED_PREFIX,
            b"/sep",
            True,
            b"/sep /sep/ /sep/a /sep?x /sep/?a /sep/a/b?c",
            b"/separate /se /SEP /Sep/ /sep;x",
        ),
        (PathMatchKind.PATH_SEPARATED_PREFIX, b"/SepCi", False, b"/sepci /SEPCI/x /sEpCi?x", b"/sepcix /sepc"),
        (PathMatchKind.PATH_SEPARATED_PREFIX, b"/s?x", True, b"", b"/s?x /s"),
        (PathMatchKind.URI_TEMPLATE, b"/t/{a}/b", True, b"/t/1/b /t/1/b?c /t/a*=b/b", b"/t//b /t/1/b/ /T/1/b /t/1/2/b"),
        (PathMatchKind.URI_TEMPLATE, b"/CASE/{a}", False, b"/CASE/x", b"/case/x"),
        (PathMatchKind.SAFE_REGEX, b"/rx[0-9]+", True, b"/rx1 /rx1?a=b", b"/rx1/ /rx /rx?1"),
        (PathMatchKind.SAFE_REGEX, b"/RX.*", False, b"/RX1", b"/rx1"),
        (PathMatchKind.SAFE_REGEX, b"/rq\\?.*", True, b"", b"/rq?a"),
    ],
)
def test_paths_are_compared_as_envoy_does(kind: PathMatchKind, text: bytes, case_sensitive: bool, fits: bytes, fits_not: bytes) -> None:
    match = compile_match(RouteMatch(kind, text, case_sensitive))
    assert [path for path in fits.split() if not match(request(path))] == []
    assert [path for path in fits_not.split() if match(request(path))] == []


PATHS = st.text("/aA?b", max_size=6).map(lambda text: ("/" + text).encode())


@given(st.sampled_from([PathMatchKind.PREFIX, PathMatchKind.PATH]), PATHS, st.booleans(), PATHS)
def test_a_path_is_compared_without_its_query(kind: PathMatchKind, text: bytes, case_sensitive: bool, path: bytes) -> None:
    asked, wanted = path_only(path), text
    if not case_sensitive:
        asked, wanted = asked.lower(), wanted.lower()
    expected = asked == wanted if kind is PathMatchKind.PATH else asked.startswith(wanted)
    assert compile_match(RouteMatch(kind, text, case_sensitive))(request(path)) is expected


def test_parameters_of_a_path_can_be_left_out() -> None:
    def fits(kind: PathMatchKind, text: bytes, path: bytes, case_sensitive: bool = True) -> tuple[bool, bool]:
        match = RouteMatch(kind, text, case_sensitive)
        return compile_match(match)(request(path)), compile_match(match, ignore_path_parameters=True)(request(path))

    assert fits(PathMatchKind.PATH, b"/a", b"/a;v=1?q") == (False, True)
    assert fits(PathMatchKind.PATH, b"/A", b"/a;v=1?q", False) == (False, True)
    assert fits(PathMatchKind.PATH, b"/a;v=1", b"/a;v=1") == (True, False)
    assert fits(PathMatchKind.PATH, b"/a", b"/a?q;r") == (True, True)
    assert fits(PathMatchKind.PREFIX, b"/a", b"/a;v=1") == (True, True)
    assert fits(PathMatchKind.PREFIX, b"/a;v", b"/a;v=1") == (True, False)
    assert fits(PathMatchKind.PATH_SEPARATED_PREFIX, b"/a", b"/a;v=1") == (False, True)
    assert fits(PathMatchKind.SAFE_REGEX, b"/[a-c]", b"/a;v=1?q") == (False, True)
    assert fits(PathMatchKind.PATH, b"/a/b/c", b"/a;v/b;w;x/c;?q;r") == (False, True)
    assert fits(PathMatchKind.PATH, b"/a/", b"/a;v/") == (False, True)
    assert fits(PathMatchKind.PATH, b"/a//b", b"/a;v//b") == (False, True)
    assert fits(PathMatchKind.PATH, b"/", b"/;v") == (False, True)
    assert fits(PathMatchKind.PREFIX, b"/a/b", b"/a;v/b;w") == (False, True)
    assert fits(PathMatchKind.PREFIX, b"/a/b", b"/a;v") == (False, False)
    assert fits(PathMatchKind.PATH_SEPARATED_PREFIX, b"/a/b", b"/a;v/b;w/c") == (False, True)
    assert fits(PathMatchKind.PATH_SEPARATED_PREFIX, b"/a/b", b"/a;v/bc") == (False, False)
    assert fits(PathMatchKind.PATH_SEPARATED_PREFIX, b"/a", b"/a;v?q") == (False, True)
    assert fits(PathMatchKind.SAFE_REGEX, b"/a/[a-c]", b"/a;v/b;w") == (False, True)
    assert fits(PathMatchKind.URI_TEMPLATE, b"/a/{b}", b"/a/b;v=1") == (True, True)
    assert fits(PathMatchKind.URI_TEMPLATE, b"/a;v/{b}", b"/a;v/b") == (True, True)
    assert fits(PathMatchKind.URI_TEMPLATE, b"/a/{b}", b"/a;v/b") == (False, False)
    assert fits(PathMatchKind.URI_TEMPLATE, b"/a", b"/a;v=1") == (False, False)


def test_connect_is_a_method() -> None:
    connect = compile_match(RouteMatch(PathMatchKind.CONNECT, b""))
    assert connect(request(b"a.test:80", b"CONNECT"))
    assert not connect(request(b"/", b"GET"))


@pytest.mark.parametrize(
    ("target", "path"),
    [(b"/a", b"/a"), (b"/a?b", b"/a"), (b"/a?", b"/a"), (b"/a#b", b"/a"), (b"/a?b#c", b"/a"), (b"/a#b?c", b"/a"), (b"?", b""), (b"", b"")],
)
def test_a_path_ends_at_its_query(target: bytes, path: bytes) -> None:
    assert path_only(target) == path


@pytest.mark.parametrize(
    ("kind", "text", "case_sensitive", "prefix", "exact", "folded"),
    [
        (PathMatchKind.PREFIX, b"/a", True, b"/a", False, False),
        (PathMatchKind.PREFIX, b"/A", False, b"/a", False, True),
        (PathMatchKind.PREFIX, b"/1", False, b"/1", False, False),
        (PathMatchKind.PATH, b"/a", True, b"/a", True, False),
        (PathMatchKind.PATH_SEPARATED_PREFIX, b"/a", True, b"/a", False, False),
        (PathMatchKind.SAFE_REGEX, b"/a/(b|c)", True, b"/a/", False, False),
        (PathMatchKind.SAFE_REGEX, b"^/a[b]c*", True, b"/ab", False, False),
        (PathMatchKind.SAFE_REGEX, b"/a|/b", True, b"", False, False),
        (PathMatchKind.SAFE_REGEX, b"(?i)/a", True, b"/", False, False),
        (PathMatchKind.URI_TEMPLATE, b"/a/b{c}/d", True, b"/a/", False, False),
        (PathMatchKind.CONNECT, b"", True, b"", False, False),
    ],
)
def test_every_kind_says_how_its_paths_begin(
    kind: PathMatchKind, text: bytes, case_sensitive: bool, prefix: bytes, exact: bool, folded: bool
) -> None:
    condition = compile_path(RouteMatch(kind, text, case_sensitive))
    assert isinstance(condition, PathCondition)
    assert (condition.prefix, condition.exact, condition.folded) == (prefix, exact, folded)


def test_a_text_that_reaches_into_the_query_fits_no_path() -> None:
    assert compile_path(RouteMatch(PathMatchKind.PREFIX, b"/a?")) is None


@pytest.mark.parametrize("match", [RouteMatch(PathMatchKind.SAFE_REGEX, b"/("), RouteMatch(PathMatchKind.URI_TEMPLATE, b"/{")])
def test_what_cannot_be_compiled_is_told(match: RouteMatch) -> None:
    with pytest.raises(RoutingError):
        compile_path(match)
