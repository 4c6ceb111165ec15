"""Routes as wholes: all conditions must hold, and each of them is Envoy's."""

import pytest

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import (
    CookieMatcher,
    FractionalPercent,
    HeaderMatcher,
    MetadataMatcher,
    PathMatchKind,
    QueryParameterMatcher,
    RedirectAction,
    RouteAction,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
    TlsContextMatch,
    WeightedCluster,
)
from shifter.routing.errors import RoutingError
from shifter.routing.match import (
    Condition,
    all_of,
    always,
    compile_condition,
    compile_conditions,
    compile_match,
    compile_runtime_fraction,
    compile_tls_context,
    compile_weights,
    is_grpc,
    never,
)
from shifter.routing.runtime import Runtime
from shifter.wire.events import CERTIFICATE_PRESENTED, CERTIFICATE_VALIDATED, HAS_XFF, RequestHead, block_of

V = StringMatcher(StringMatchKind.EXACT, b"v")


def request(path: bytes = b"/", *fields: tuple[bytes, bytes], random: int = 0) -> RequestHead:
    head = RequestHead(b"GET", path, b"h.test", block_of(fields))
    head.random = random
    return head


def test_all_conditions_must_hold() -> None:
    headers = [HeaderMatcher(name, present=True) for name in (b"a", b"b", b"c")]
    sent = [(b"a", b"1"), (b"b", b"1"), (b"c", b"1")]
    for count in range(1, 4):
        match = compile_match(RouteMatch(PathMatchKind.PREFIX, b"/p", headers=tuple(headers[:count])))
        assert match(request(b"/p", *sent))
        assert not match(request(b"/q", *sent))
        for missing in range(count):
            assert not match(request(b"/p", *(pair for place, pair in enumerate(sent) if place != missing)))


def test_a_bad_regex_is_told() -> None:
    with pytest.raises(RoutingError):
        compile_match(RouteMatch(PathMatchKind.SAFE_REGEX, b"/("))


EVERY = RouteMatch(
    PathMatchKind.PREFIX,
    b"/p",
    headers=(HeaderMatcher(b"x-a", V),),
    query_parameters=(QueryParameterMatcher(b"q", V),),
    cookies=(CookieMatcher(b"c", V),),
    runtime_fraction=RuntimeFraction(FractionalPercent(30)),
    grpc=True,
    tls_context=TlsContextMatch(presented=False),
    dynamic_metadata=(MetadataMatcher("f", ("k",), V),),
)
SENT = ((b"x-a", b"v"), (b"cookie", b"c=v"), (b"content-type", b"application/grpc"))


def test_one_match_with_every_condition() -> None:
    fits = compile_match(EVERY)

    def asked(path: bytes = b"/p?q=v", *fields: tuple[bytes, bytes], random: int = 29, metadata: str = "v") -> bool:
        head = request(path, *(fields or SENT), random=random)
        head.metadata = {"f": {"k": metadata}}
        return fits(head)

    assert asked()
    assert asked(random=1000 * 100 + 7)
    assert not asked(random=30)
    assert not asked(metadata="w")
    assert not asked(b"/p?q=w")
    assert not asked(b"/o?q=v")
    for missing in range(len(SENT)):
        assert not asked(b"/p?q=v", *(pair for place, pair in enumerate(SENT) if place != missing))


def test_every_condition_on_its_own() -> None:
    head = request(b"/p?q=w", (b"x-a", b"v"), (b"cookie", b"c=w"))
    parts: list[tuple[Condition | None, bool]] = [
        (EVERY.headers[0], True),
        (EVERY.query_parameters[0], False),
        (EVERY.cookies[0], False),
        (EVERY.runtime_fraction, True),
        (EVERY.tls_context, True),
        (EVERY.dynamic_metadata[0], False),
    ]
    assert [(part, compile_condition(part)(head)) for part, _ in parts if part is not None] == parts


def test_what_a_match_does_not_ask_for_is_not_looked_at() -> None:
    assert compile_conditions(RouteMatch(PathMatchKind.PREFIX, b"/")) is None
    plain = RouteMatch(PathMatchKind.PREFIX, b"/", runtime_fraction=RuntimeFraction(FractionalPercent(100)), tls_context=TlsContextMatch())
    assert compile_conditions(plain) is None
    assert compile_conditions(RouteMatch(PathMatchKind.PREFIX, b"/", tls_context=TlsContextMatch(presented=True))) is not None
    assert all_of([None, always]) is None
    assert all_of([always, never]) is never


@pytest.mark.parametrize(
    ("numerator", "denominator", "random", "fits"),
    [
        (0, 100, 0, False), (1, 100, 100, True), (1, 100, 101, False), (50, 100, 49, True), (50, 100, 50, False), (100, 100, 99, True),
        (200, 100, 99, True), (1, 10_000, 10_000, True), (1, 10_000, 1, False), (999_999, 1_000_000, 999_998, True),
        (999_999, 1_000_000, 999_999, False),
    ],
)  # fmt: skip
def test_shares_of_requests(numerator: int, denominator: int, random: int, fits: bool) -> None:
    share = compile_runtime_fraction(RuntimeFraction(FractionalPercent(numerator, denominator)))
    assert share(request(random=random)) is fits


def test_runtime_decides_about_a_share_with_a_key() -> None:
    fraction = RuntimeFraction(FractionalPercent(0), "canary.share")
    values = Runtime([RuntimeLayer("static", {"canary.share": 25})])
    assert compile_runtime_fraction(fraction, values)(request(random=124))
    assert not compile_runtime_fraction(fraction, values)(request(random=125))
    assert not compile_runtime_fraction(fraction)(request(random=124))
    route = RouteMatch(PathMatchKind.PREFIX, b"/", runtime_fraction=fraction)
    assert compile_match(route, values)(request(random=24))
    assert not compile_match(route)(request(random=24))


@pytest.mark.parametrize(
    ("kinds", "grpc"),
    [
        ([], False), ([b"application/grpc"], True), ([b"application/grpc+proto"], True), ([b"application/grpc+"], True),
        ([b"application/grpc-web"], False), ([b"application/grpcx"], False), ([b"application/GRPC"], False),
        ([b"application/grpc;x"], False), ([b"text/grpc"], False),
        ([b"application/grpc", b"text/x"], False), ([b"application/grpc+a", b"text/x"], True), ([b"text/x", b"application/grpc"], False),
    ],
)  # fmt: skip
def test_grpc_is_told_by_the_content_type(kinds: list[bytes], grpc: bool) -> None:
    assert is_grpc(request(b"/", *((b"content-type", kind) for kind in kinds))) is grpc


@pytest.mark.parametrize(
    ("presented", "validated", "fits"),
    [
        (None, None, (True, True, True)),
        (True, None, (False, True, True)),
        (False, None, (True, False, False)),
        (None, True, (False, False, True)),
        (None, False, (True, True, False)),
        (True, False, (False, True, False)),
        (False, True, (False, False, False)),
    ],
)
def test_certificates_of_clients(presented: bool | None, validated: bool | None, fits: tuple[bool, bool, bool]) -> None:
    test = compile_tls_context(TlsContextMatch(presented, validated))
    head = request()
    for flags, fit in zip((0, CERTIFICATE_PRESENTED, CERTIFICATE_PRESENTED | CERTIFICATE_VALIDATED), fits, strict=True):
        head.flags = flags | HAS_XFF
        assert test(head) is fit


def test_weights_that_runtime_made_zero_are_no_route() -> None:
    clusters = (WeightedCluster("one", 1), WeightedCluster("two", 0))
    action = RouteAction(clusters, runtime_key_prefix="split")
    assert compile_weights(RedirectAction()) is None
    assert compile_weights(RouteAction(clusters)) is None
    for layer, fits in (({}, True), ({"split.one": 0}, False), ({"split.one": 0, "split.two": 3}, True), ({"split.two": 0}, True)):
        weighed = compile_weights(action, Runtime([RuntimeLayer("static", layer)]))
        assert weighed is not None
        assert weighed(request()) is fits
