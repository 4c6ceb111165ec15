"""Conditions of routes arrive in the model, field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.model.route import (
    AnyOf,
    CookieMatcher,
    DoubleMatcher,
    FractionalPercent,
    ListMatcher,
    MetadataMatcher,
    PathMatchKind,
    Presence,
    QueryParameterMatcher,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
    TlsContextMatch,
    ValueMatcher,
)
from tests.support.configs import NAME, with_route

TEMPLATE = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
B = StringMatcher(StringMatchKind.EXACT, b"b")


def match(written: str) -> RouteMatch:
    loaded = load(with_route(written), NAME)
    assert loaded.bootstrap is not None, loaded.problems
    [found] = next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes
    return found.match


@pytest.mark.parametrize(
    ("written", "kind", "text"),
    [
        ("path_separated_prefix: /a/é", PathMatchKind.PATH_SEPARATED_PREFIX, "/a/é".encode()),
        ("connect_matcher: {}", PathMatchKind.CONNECT, b""),
        (
            f'path_match_policy: {{name: a, typed_config: {{"@type": {TEMPLATE}, path_template: "/a/{{b}}"}}}}',
            PathMatchKind.URI_TEMPLATE,
            b"/a/{b}",
        ),
    ],
)
def test_paths(written: str, kind: PathMatchKind, text: bytes) -> None:
    assert match(written) == RouteMatch(kind, text)


@pytest.mark.parametrize(
    ("written", "matcher"),
    [
        ("{name: A}", QueryParameterMatcher(b"A")),
        ("{name: a, present_match: true}", QueryParameterMatcher(b"a")),
        ("{name: a, present_match: false}", QueryParameterMatcher(b"a", present=False)),
        ("{name: a, string_match: {exact: b}}", QueryParameterMatcher(b"a", B)),
    ],
)
def test_query_parameters(written: str, matcher: QueryParameterMatcher) -> None:
    assert match(f"prefix: /, query_parameters: [{written}]").query_parameters == (matcher,)


def test_cookies() -> None:
    written = "prefix: /, cookies: [{name: A, string_match: {exact: b}}, {name: c, string_match: {exact: b}, invert_match: true}]"
    assert match(written).cookies == (CookieMatcher(b"A", B), CookieMatcher(b"c", B, invert=True))


@pytest.mark.parametrize(
    ("written", "fraction"),
    [
        ("default_value: {}", RuntimeFraction(FractionalPercent(0))),
        ("default_value: {numerator: 5}, runtime_key: a.b", RuntimeFraction(FractionalPercent(5), "a.b")),
        ("default_value: {numerator: 5, denominator: TEN_THOUSAND}", RuntimeFraction(FractionalPercent(5, 10_000))),
        ("default_value: {numerator: 5, denominator: million}", RuntimeFraction(FractionalPercent(5, 1_000_000))),
    ],
)
def test_shares(written: str, fraction: RuntimeFraction) -> None:
    assert match(f"prefix: /, runtime_fraction: {{{written}}}").runtime_fraction == fraction


def test_what_is_asked_for_by_being_there() -> None:
    plain = match("prefix: /")
    assert (plain.grpc, plain.tls_context, plain.runtime_fraction) == (False, None, None)
    found = match("prefix: /, grpc: {}, tls_context: {presented: false}")
    assert (found.grpc, found.tls_context) == (True, TlsContextMatch(presented=False))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("null_match: {}", None),
        ("bool_match: false", False),
        ("string_match: {exact: b}", B),
        ("double_match: {exact: 1.5}", DoubleMatcher(1.5)),
        ("double_match: {exact: 0}", DoubleMatcher(0.0)),
        ("double_match: {range: {start: -1, end: 2e3}}", DoubleMatcher(-1.0, 2000.0)),
        ("present_match: false", Presence(present=False)),
        ("list_match: {one_of: {bool_match: true}}", ListMatcher(True)),
        (
            "or_match: {value_matchers: [{null_match: {}}, "
            "{or_match: {value_matchers: [{bool_match: true}, {string_match: {exact: b}}]}}]}",
            AnyOf((None, AnyOf((True, B)))),
        ),
    ],
)
def test_dynamic_metadata(written: str, value: ValueMatcher) -> None:
    [found] = match(f"prefix: /, dynamic_metadata: [{{filter: f, path: [{{key: a}}, {{key: b}}], value: {{{written}}}}}]").dynamic_metadata
    assert found == MetadataMatcher("f", ("a", "b"), value)
    assert repr(found.value) == repr(value)  # False is not 0


def test_inverted_metadata() -> None:
    [found] = match("prefix: /, dynamic_metadata: [{filter: f, path: [{key: a}], value: {null_match: {}}, invert: true}]").dynamic_metadata
    assert found.invert


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_what_they_are(number: float) -> None:
    written = f"prefix: /, dynamic_metadata: [{{filter: f, path: [{{key: a}}], value: {{double_match: {{exact: {number!r}}}}}}}]"
    [found] = match(written).dynamic_metadata
    assert found.value == DoubleMatcher(number)
