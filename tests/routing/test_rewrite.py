"""Rewrites of path and host: as Envoy's upstream saw them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.route import PathMatchKind, RouteAction, RouteMatch, WeightedCluster
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
