"""Where redirects lead: as Envoy's did."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import PathMatchKind, RedirectAction, RegexRewrite, RouteMatch
from shifter.routing.errors import RoutingError
from shifter.routing.match import compile_match
from shifter.routing.redirect import compile_redirect
from shifter.wire.events import RequestHead
from tests.support.recorded import ENVOY, Rewritten


def by_prefix(text: bytes, case_sensitive: bool = True) -> RouteMatch:
    return RouteMatch(PathMatchKind.PREFIX, text, case_sensitive)


# The route table that the recorded requests went through, in order; without those whose location is no URL.
ROUTES = [
    (by_prefix(b"/r1"), RedirectAction(https_redirect=True)),
    (by_prefix(b"/r2"), RedirectAction(scheme_redirect=b"https")),
    (by_prefix(b"/r3"), RedirectAction(scheme_redirect=b"FTP")),
    (by_prefix(b"/r4"), RedirectAction(host_redirect=b"o.test")),
    (by_prefix(b"/r5"), RedirectAction(host_redirect=b"o.test:99")),
    (by_prefix(b"/r6"), RedirectAction(port_redirect=8443)),
    (by_prefix(b"/r7"), RedirectAction(https_redirect=True, port_redirect=443)),
    (by_prefix(b"/r8"), RedirectAction(port_redirect=80)),
    (by_prefix(b"/r9"), RedirectAction(https_redirect=True, host_redirect=b"o.test", port_redirect=444)),
    (by_prefix(b"/ra"), RedirectAction(path_redirect=b"/there")),
    (by_prefix(b"/rb"), RedirectAction(path_redirect=b"/there?z=1")),
    (by_prefix(b"/rc"), RedirectAction(path_redirect=b"/there", strip_query=True)),
    (by_prefix(b"/rd"), RedirectAction(path_redirect=b"/there?z=1", strip_query=True)),
    (by_prefix(b"/re/"), RedirectAction(prefix_rewrite=b"/x/")),
    (by_prefix(b"/rf"), RedirectAction(prefix_rewrite=b"/x", strip_query=True)),
    (RouteMatch(PathMatchKind.PATH, b"/rg"), RedirectAction(prefix_rewrite=b"/x")),
    (RouteMatch(PathMatchKind.SAFE_REGEX, b"/rh.*"), RedirectAction(prefix_rewrite=b"/x")),
    (by_prefix(b"/RI", False), RedirectAction(prefix_rewrite=b"/x")),
    (by_prefix(b"/rj"), RedirectAction(strip_query=True)),
    (by_prefix(b"/rk"), RedirectAction()),
    (by_prefix(b"/rl"), RedirectAction(path_redirect=b"there")),
    (by_prefix(b"/rm"), RedirectAction(path_redirect=b"/t#frag")),
    (by_prefix(b"/ro"), RedirectAction(scheme_redirect=b"http")),
    (by_prefix(b"/rp"), RedirectAction(scheme_redirect=b"https", host_redirect=b"o.test:80")),
    (by_prefix(b"/rq"), RedirectAction(host_redirect=b"o.test:80", port_redirect=81)),
    (by_prefix(b"/rr"), RedirectAction(prefix_rewrite=b"/a?b=c")),
    (by_prefix(b"/rs"), RedirectAction(prefix_rewrite=b"/", https_redirect=True)),
    (by_prefix(b"/rt"), RedirectAction(scheme_redirect=b"https", port_redirect=80)),
]
REDIRECTED = [case for case in ENVOY["rewrites"] if case["seen"][0].startswith("location") and case["path"][:3] not in ("/rn", "htt")]


@pytest.mark.parametrize("case", REDIRECTED, ids=lambda case: f"{case['host']}{case['path']}{len(case['fields'])}")
def test_the_client_is_sent_where_envoy_sends_it(case: Rewritten) -> None:
    scheme = b"https" if case["fields"] else b"http"
    head = RequestHead(b"GET", case["path"].encode(), case["host"].encode(), scheme=scheme)
    match, action = next((match, action) for match, action in ROUTES if compile_match(match)(head))
    assert b"location: " + compile_redirect(match, action)(head) == case["seen"][0].encode()


@pytest.mark.parametrize(
    "action",
    [
        RedirectAction(path_redirect=b"/a b"),
        RedirectAction(host_redirect=b"a\r\nset-cookie: x"),
        RedirectAction(prefix_rewrite=b"/\xc3\xa9"),
        RedirectAction(scheme_redirect=b"ht tp"),
        RedirectAction(prefix_rewrite=b"rel"),
    ],
)
def test_text_that_is_no_url_is_refused(action: RedirectAction) -> None:
    with pytest.raises(RoutingError):
        compile_redirect(by_prefix(b"/"), action)


PATHS = st.text("/ab", max_size=4).map(lambda text: ("/" + text).encode())


@given(PATHS, st.sampled_from([b"", b"?", b"?a=/b"]), st.sampled_from([b"h.test", b"h.test:8000", b"[::1]"]), st.booleans())
def test_what_is_not_named_stays(path: bytes, query: bytes, authority: bytes, strip: bool) -> None:
    head = RequestHead(b"GET", path + query, authority)
    expected = b"http://" + authority + path + (b"" if strip else query)
    assert compile_redirect(by_prefix(b"/"), RedirectAction(strip_query=strip))(head) == expected


@pytest.mark.parametrize(
    ("pattern", "substitution", "target", "strip", "expected"),
    [
        (b"^/([^/]+)/([^/]+)", rb"/\2/\1", b"/a/b/c?d=/e/f", False, b"/b/a/c?d=/e/f"),
        (b"^/([^/]+)/([^/]+)", rb"/\2/\1", b"/a", False, b"/a"),
        (b"a", b"bb", b"/banana?a", True, b"/bbbnbbnbb"),
        (b"^.*$", b"", b"/a?b", False, b"/a?b"),  # as in Envoy
        (b"^.*$", b"", b"/a?b", True, b"/a"),
        (b"^/", b".evil.test/", b"/a", False, b"/.evil.test/a"),
    ],
)
def test_a_pattern_may_make_the_path(pattern: bytes, substitution: bytes, target: bytes, strip: bool, expected: bytes) -> None:
    action = RedirectAction(regex_rewrite=RegexRewrite(pattern, substitution), strip_query=strip)
    assert compile_redirect(by_prefix(b"/"), action)(RequestHead(b"GET", target, b"h.test")) == b"http://h.test" + expected


def test_a_redirect_replaces_a_separated_prefix_but_no_template() -> None:
    action = RedirectAction(prefix_rewrite=b"/new")
    where = compile_redirect(RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"/sep"), action)
    assert where(RequestHead(b"GET", b"/sep/a?b", b"h.test")) == b"http://h.test/new/a?b"
    with pytest.raises(RoutingError, match="regex_rewrite"):
        compile_redirect(RouteMatch(PathMatchKind.URI_TEMPLATE, b"/t/{a}"), action)
    with pytest.raises(RoutingError):
        compile_redirect(by_prefix(b"/"), RedirectAction(regex_rewrite=RegexRewrite(b"a", b"a b")))


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#?\\"), max_size=10)


@given(st.sampled_from([b"^/([^/]*)", b"^(.*)$", b"a", b"^/a?"]), VISIBLE, VISIBLE, st.booleans())
def test_the_host_of_a_location_is_not_for_patterns_to_make(pattern: bytes, new: str, path: str, strip: bool) -> None:
    action = RedirectAction(regex_rewrite=RegexRewrite(pattern, new.encode()), strip_query=strip)
    where = compile_redirect(by_prefix(b"/"), action)(RequestHead(b"GET", b"/" + path.encode(), b"h.test"))
    assert where.startswith(b"http://h.test/")
    assert all(0x20 < byte < 0x7F for byte in where)
