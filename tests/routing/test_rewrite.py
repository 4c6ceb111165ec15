"""Rewrites of path and host: as Envoy's upstream saw them."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import PathMatchKind, RegexRewrite, RouteAction, RouteMatch, WeightedCluster
from shifter.routing.errors import RoutingError
from shifter.routing.match import compile_match, path_only
from shifter.routing.rewrite import compile_rewrite
from shifter.wire.events import RequestHead, block_of, fields
from tests.support.recorded import ENVOY, Rewritten


def action(prefix: bytes | None = None, host: bytes | None = None, forwarded: bool = False) -> RouteAction:
    return RouteAction((WeightedCluster("c", 1),), prefix_rewrite=prefix, host_rewrite_literal=host, append_x_forwarded_host=forwarded)


def by_prefix(text: bytes, case_sensitive: bool = True) -> RouteMatch:
    return RouteMatch(PathMatchKind.PREFIX, text, case_sensitive)


# The route table that the recorded requests went through, in order.
ROUTES = [
    (by_prefix(b"/old/"), action(b"/new/")),
    (by_prefix(b"/strip"), action(b"/")),
    (RouteMatch(PathMatchKind.PATH, b"/p"), action(b"/whole")),
    (RouteMatch(PathMatchKind.SAFE_REGEX, b"/rx/.*"), action(b"/all")),
    (by_prefix(b"/CI", False), action(b"/ci2")),
    (by_prefix(b"/same"), action(b"/same")),
    (by_prefix(b"/emptyrw"), action(b"")),
    (by_prefix(b"/q"), action(b"/q2?a=b")),
    (by_prefix(b"/host"), action(host=b"inner.test")),
    (by_prefix(b"/xfh"), action(host=b"inner.test", forwarded=True)),
    (by_prefix(b"/xonly"), action(forwarded=True)),
    (by_prefix(b"/both"), action(b"/z", b"in.test")),
    (RouteMatch(PathMatchKind.PATH, b"/PCI", False), action(b"/zz")),
    (by_prefix(b"/"), action()),
]
FORWARDED = [case for case in ENVOY["rewrites"] if case["seen"][0].startswith("GET /")]


@pytest.mark.parametrize("case", FORWARDED, ids=lambda case: f"{case['path']} {case['fields']}")
def test_the_upstream_sees_what_envoys_sees(case: Rewritten) -> None:
    block = block_of((name.encode(), value.encode()) for name, value in case["fields"])
    head = RequestHead(b"GET", case["path"].encode(), case["host"].encode(), block)
    rewrite = next(compile_rewrite(match, what) for match, what in ROUTES if compile_match(match)(head))
    if rewrite is not None:
        rewrite(head)
    start, host, *rest = case["seen"]
    assert b"GET %b HTTP/1.1" % head.path == start.encode()
    assert b"host: " + head.authority == host.encode()
    seen = sorted(line for line in rest if line != "x-forwarded-proto: http")
    joined: dict[bytes, list[bytes]] = {}
    for name, value in fields(head.block):
        joined.setdefault(name, []).append(value)
    assert sorted((name + b": " + b",".join(found)).decode() for name, found in joined.items()) == seen


def test_nothing_to_rewrite_costs_nothing() -> None:
    assert compile_rewrite(by_prefix(b"/"), action()) is None
    assert compile_rewrite(by_prefix(b"/"), action(b"")) is None
    assert compile_rewrite(by_prefix(b"/"), action(forwarded=True)) is None


def test_the_original_is_not_told_where_envoy_headers_are_suppressed() -> None:
    head = RequestHead(b"GET", b"/a/b", b"h.test")
    rewrite = compile_rewrite(by_prefix(b"/a"), action(b"/z", b"in.test", True), keep_original=False)
    assert rewrite is not None
    rewrite(head)
    assert (head.path, head.authority, head.block) == (b"/z/b", b"in.test", b"\r\nx-forwarded-host: h.test")


def test_a_request_without_a_host_has_none_to_pass_on() -> None:
    head = RequestHead(b"GET", b"/", b"", version=10)
    rewrite = compile_rewrite(by_prefix(b"/"), action(host=b"in.test", forwarded=True), keep_original=False)
    assert rewrite is not None
    rewrite(head)
    assert (head.authority, head.block) == (b"in.test", b"")


@pytest.mark.parametrize("prefix", [b"rel", b"/a b", b"/a\r\nx: y", b"/\xc3\xa9", b"/a#b"])
def test_rewrites_that_would_break_the_request_line_are_refused(prefix: bytes) -> None:
    with pytest.raises(RoutingError):
        compile_rewrite(by_prefix(b"/"), action(prefix))


@pytest.mark.parametrize("host", [b"a b", b"a\r\nx: y", b"a/b", b"u@h", b"\xc3\xa9"])
def test_hosts_that_are_none_are_refused(host: bytes) -> None:
    with pytest.raises(RoutingError):
        compile_rewrite(by_prefix(b"/"), action(host=host))


@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "expected"),
    [
        (b"^/rx/([^/]+)/(.*)$", rb"/\2/\1", b"/rx/a/b/c?z=1", b"/b/c/a?z=1"),
        (b"^/rx/([^/]+)/(.*)$", rb"/\2/\1", b"/rx?q", b"/rx?q"),
        (b"a", b"b", b"/all/aaa?a", b"/bll/bbb?a"),
        (b"/.*?/", b"/X/", b"/lazy/a/b", b"/X/a/b"),
        (b"/.*/", b"/X/", b"/greedy/a/b", b"/X/b"),
        (b"(?i)/CAP(p)?", rb"/k\1", b"/cap", b"/k"),
        (b"(?i)/CAP(p)?", rb"/k\1", b"/capp/x", b"/kp/x"),
        (b"b(s)", rb"\\\0", b"/bs", rb"/\bs"),
        (b"x*", b"-", b"/emp/axb", b"/-/-e-m-p-/-a-b-"),  # Envoy leaves the first slash out, and so sends no request
        (b"^/nos/", b"rel", b"/nos/x", b"/relx"),  # the same
    ],
)
def test_regex_rewrites_are_envoys(pattern: bytes, substitution: bytes, path: bytes, expected: bytes) -> None:
    if not pattern.startswith(b"^") and b"*" in pattern:
        pytest.importorskip("re2", reason="this pattern needs google-re2")
    head = RequestHead(b"GET", path, b"h.test")
    what = RouteAction((WeightedCluster("c", 1),), regex_rewrite=RegexRewrite(pattern, substitution))
    rewrite = compile_rewrite(by_prefix(b"/"), what)
    assert rewrite is not None
    rewrite(head)
    assert head.path == expected
    assert head.block == b"\r\nx-envoy-original-path: " + path


@pytest.mark.parametrize(
    "rewrite", [RegexRewrite(b"(a", b""), RegexRewrite(b"a", b"a b"), RegexRewrite(b"a", b"#"), RegexRewrite(b"a", rb"\1")]
)
def test_regex_rewrites_that_make_no_path_are_refused(rewrite: RegexRewrite) -> None:
    with pytest.raises(RoutingError):
        compile_rewrite(by_prefix(b"/"), RouteAction((WeightedCluster("c", 1),), regex_rewrite=rewrite))


@pytest.mark.parametrize(
    ("sent", "host"),
    [
        ([b"n.test"], b"n.test"),
        ([b"n1", b"n2"], b"n1"),
        ([b"[::1]:80"], b"[::1]:80"),
        ([], None),
        ([b""], None),
        ([b"a b/c"], None),  # Envoy sends it as the host
    ],
)
def test_the_host_may_come_from_a_field(sent: list[bytes], host: bytes | None) -> None:
    head = RequestHead(b"GET", b"/", b"h.test", block_of((b"x-h", value) for value in sent))
    before = head.block
    rewrite = compile_rewrite(by_prefix(b"/"), RouteAction((WeightedCluster("c", 1),), host_rewrite_header=b"X-H"))
    assert rewrite is not None
    rewrite(head)
    assert head.authority == (host or b"h.test")
    assert head.block == (before if host is None else before + b"\r\nx-envoy-original-host: h.test")


TEXTS = st.text("/ab", max_size=4).map(lambda text: ("/" + text).encode())


@given(TEXTS, TEXTS, TEXTS, st.sampled_from([b"", b"?", b"?x=/a"]))
def test_the_query_stays_and_the_original_path_is_told(prefix: bytes, rest: bytes, rewrite: bytes, query: bytes) -> None:
    head = RequestHead(b"GET", prefix + rest + query, b"h.test", b"\r\nx-envoy-original-path: /forged")
    edit = compile_rewrite(by_prefix(prefix), action(rewrite))
    assert edit is not None
    edit(head)
    assert head.path == rewrite + rest + query
    assert path_only(head.path) + query == head.path
    assert head.block == b"\r\nx-envoy-original-path: " + prefix + rest + query
    assert head.original_path == prefix + rest + query


def rewritten(match: RouteMatch, what: RouteAction, path: bytes, host: bytes = b"h.test", entry: bytes | None = None) -> RequestHead:
    head = RequestHead(b"GET", path, host)
    rewrite = compile_rewrite(match, what, entry_host=entry)
    assert rewrite is not None
    rewrite(head)
    return head


def route(**more: Any) -> RouteAction:
    return RouteAction((WeightedCluster("c", 1),), **more)


TEMPLATE = RouteMatch(PathMatchKind.URI_TEMPLATE, b"/t/{lang}/{page=**}")


@pytest.mark.parametrize(
    ("match", "prefix", "path", "expected"),
    [
        (RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"/sep"), b"/new", b"/sep", b"/new"),
        (RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"/sep"), b"/new", b"/sep?a=b", b"/new?a=b"),
        (RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"/sep"), b"/new", b"/sep/a", b"/new/a"),
        (RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"/SEP", False), b"/new", b"/sep/a", b"/new/a"),
        (RouteMatch(PathMatchKind.CONNECT, b""), b"/new", b"/any/path?a", b"/new?a"),
    ],
)
def test_what_a_match_covers_is_replaced(match: RouteMatch, prefix: bytes, path: bytes, expected: bytes) -> None:
    assert rewritten(match, route(prefix_rewrite=prefix), path).path == expected


def test_a_path_may_be_made_of_what_its_variables_stand_for() -> None:
    what = route(path_rewrite_template=b"/{page}/in/{lang}.html")
    assert rewritten(TEMPLATE, what, b"/t/en/a/b?c=/t/x/y").path == b"/a/b/in/en.html?c=/t/x/y"
    head = rewritten(TEMPLATE, what, b"/other?c")
    assert (head.path, head.block) == (b"/other?c", b"\r\nx-envoy-original-path: /other?c")


@pytest.mark.parametrize(
    ("match", "what"),
    [
        (TEMPLATE, route(prefix_rewrite=b"/a")),
        (by_prefix(b"/"), route(path_rewrite_template=b"/a")),
        (TEMPLATE, route(path_rewrite_template=b"/{nobody}")),
        (by_prefix(b"/"), route(host_rewrite_path_regex=RegexRewrite(b"(", b""))),
    ],
)
def test_rewrites_that_do_not_go_with_their_match_are_refused(match: RouteMatch, what: RouteAction) -> None:
    with pytest.raises(RoutingError):
        compile_rewrite(match, what)


FROM_PATH = RegexRewrite(b"^/([^/]+)/.*$", rb"\1.in.test")


@pytest.mark.parametrize(
    ("path", "host"),
    [
        (b"/a/b?c=/d/e", b"a.in.test"),
        (b"/a", None),  # does not fit, so that the host would be the path, which Envoy sends
        (b"/a@b/", None),
        (b"/a:1/", None),
        (b"/a%2f/", b"a%2f.in.test"),
    ],
)
def test_the_host_may_come_from_the_path_as_the_client_asked_for_it(path: bytes, host: bytes | None) -> None:
    head = rewritten(by_prefix(b"/"), route(host_rewrite_path_regex=FROM_PATH, prefix_rewrite=b"/new/", append_x_forwarded_host=True), path)
    assert head.authority == (host or b"h.test")
    told = b"" if host is None else b"\r\nx-envoy-original-host: h.test\r\nx-forwarded-host: h.test"
    assert head.block == told + b"\r\nx-envoy-original-path: " + path


def test_the_host_of_an_entry_is_a_new_start() -> None:
    head = rewritten(by_prefix(b"/"), route(append_x_forwarded_host=True), b"/", entry=b"entry.test")
    assert (head.authority, head.block) == (b"entry.test", b"")
    head = rewritten(by_prefix(b"/"), route(host_rewrite_literal=b"route.test", append_x_forwarded_host=True), b"/", entry=b"entry.test")
    assert head.authority == b"route.test"
    assert head.block == b"\r\nx-envoy-original-host: entry.test\r\nx-forwarded-host: entry.test"
    with pytest.raises(RoutingError):
        compile_rewrite(by_prefix(b"/"), route(), entry_host=b"a/b")


VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#?"), max_size=12)
LEGAL_PATH = re.compile(rb"/[!-~]*")
LEGAL_HOST = re.compile(rb"[^/@?# \x00-\x20\x7f-\xff]+")
PATTERNS = st.sampled_from([b"^/([^/]*)", b"^(.*)$", b"a", b"^/a?", b"[^a]", b"^/[^/]+/(.*)$"])
KINDS = st.sampled_from(
    [by_prefix(b"/"), RouteMatch(PathMatchKind.SAFE_REGEX, b".*"), RouteMatch(PathMatchKind.PATH_SEPARATED_PREFIX, b"")]
)


@given(KINDS, PATTERNS, VISIBLE.filter(lambda text: "\\" not in text), VISIBLE, VISIBLE)
def test_whatever_is_substituted_the_request_stays_one(match: RouteMatch, pattern: bytes, new: str, path: str, query: str) -> None:
    target = f"/{path}?{query}".encode()
    for what in (
        route(regex_rewrite=RegexRewrite(pattern, new.encode())),
        route(host_rewrite_path_regex=RegexRewrite(pattern, new.encode())),
    ):
        head = rewritten(match, what, target)
        assert LEGAL_PATH.fullmatch(head.path)
        assert head.path.endswith(b"?" + query.encode())
        assert LEGAL_HOST.fullmatch(head.authority)


@given(st.binary(max_size=12))
def test_whatever_stands_in_a_field_the_host_stays_one(value: bytes) -> None:
    head = RequestHead(b"GET", b"/", b"h.test", b"\r\nx-h: " + value.replace(b"\r\n", b""))
    rewrite = compile_rewrite(by_prefix(b"/"), route(host_rewrite_header=b"x-h"))
    assert rewrite is not None
    rewrite(head)
    assert LEGAL_HOST.fullmatch(head.authority)


@given(VISIBLE, VISIBLE)
def test_a_template_makes_paths_of_paths(path: str, query: str) -> None:
    head = rewritten(TEMPLATE, route(path_rewrite_template=b"/{page}/{lang}"), f"/t/{path}?{query}".encode())
    assert LEGAL_PATH.fullmatch(head.path)
    assert head.path.endswith(b"?" + query.encode())


@pytest.mark.parametrize("case_sensitive", [True, False])
def test_a_path_that_fits_without_its_parameters_only_stays_as_it_is(case_sensitive: bool) -> None:
    rewrite = compile_rewrite(by_prefix(b"/x/y", case_sensitive), action(b"/new"))
    assert rewrite is not None
    for path, rewritten in ((b"/x/y;1/z?q", b"/new;1/z?q"), (b"/x;1/y?q", b"/x;1/y?q")):
        head = RequestHead(b"GET", path, b"h.test")
        rewrite(head)
        assert head.path == rewritten
        assert (b"x-envoy-original-path" in head.block) is (path != rewritten)
