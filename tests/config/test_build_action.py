"""What is done with requests arrives in the model, field by field."""

from dataclasses import replace

import pytest

from shifter.config import load
from shifter.model.route import (
    AppendAction,
    FractionalPercent,
    HashPolicy,
    HashSource,
    HeaderMutations,
    HeaderValueOption,
    InternalRedirectPolicy,
    InternalRedirectPredicate,
    MaxStreamDuration,
    RegexRewrite,
    RequestMirrorPolicy,
    RouteAction,
    RuntimeFraction,
    UpgradeConfig,
    WeightedCluster,
)
from tests.support.configs import NAME, with_route

ONE = RouteAction((WeightedCluster("service1", 1),))
TYPES = "type.googleapis.com/envoy.extensions."
MATCH = f'path_match_policy: {{name: a, typed_config: {{"@type": {TYPES}path.match.uri_template.v3.UriTemplateMatchConfig, '
REWRITE = f'path_rewrite_policy: {{name: a, typed_config: {{"@type": {TYPES}path.rewrite.uri_template.v3.UriTemplateRewriteConfig, '
PATTERN = "{pattern: {regex: '^/a'}, substitution: b}"


def action(written: str, match: str = "prefix: /x") -> RouteAction:
    loaded = load(with_route(match, f"route: {{{written}}}"), NAME)
    assert loaded.bootstrap is not None, loaded.problems
    [found] = next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes
    assert isinstance(found.action, RouteAction)
    return found.action


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ("max_stream_duration: {}", {"max_stream_duration": MaxStreamDuration()}),
        (
            "max_stream_duration: {max_stream_duration: 0s, grpc_timeout_header_max: 2s, grpc_timeout_header_offset: 0.5s}",
            {"max_stream_duration": MaxStreamDuration(0.0, 2.0, 0.5)},
        ),
        ("host_rewrite_header: X-Host", {"host_rewrite_header": b"x-host"}),
        (f"host_rewrite_path_regex: {PATTERN}", {"host_rewrite_path_regex": RegexRewrite(b"^/a", b"b")}),
        ("auto_host_rewrite: true", {"auto_host_rewrite": True}),
        ("auto_host_rewrite: false", {}),
        (
            "upgrade_configs: [{upgrade_type: WebSocket}, {upgrade_type: CONNECT, enabled: false}]",
            {"upgrades": (UpgradeConfig(b"websocket"), UpgradeConfig(b"connect", enabled=False))},
        ),
    ],
)
def test_fields(written: str, fields: dict[str, object]) -> None:
    assert action(f"cluster: service1, {written}") == replace(ONE, **fields)  # type: ignore[arg-type]  # names and types are the table's


def test_templates() -> None:
    found = action(f'cluster: service1, {REWRITE}path_template_rewrite: "/b/{{c}}"}}}}', f'{MATCH}path_template: "/a/{{c}}"}}}}')
    assert found == replace(ONE, path_rewrite_template=b"/b/{c}")


def test_weighted_clusters() -> None:
    entries = (
        "{name: service1, weight: 1, host_rewrite_literal: a.test, response_headers_to_remove: [X-A]}, {cluster_header: X-To, weight: 99}"
    )
    clusters = (
        WeightedCluster("service1", 1, HeaderMutations(response_remove=(b"x-a",)), host_rewrite_literal=b"a.test"),
        WeightedCluster("", 99, cluster_header=b"x-to"),
    )
    assert action(f"weighted_clusters: {{clusters: [{entries}]}}") == RouteAction(clusters)
    assert action(f"weighted_clusters: {{clusters: [{entries}], header_name: X-Number, runtime_key_prefix: a.b}}") == RouteAction(
        clusters, random_value_header=b"x-number", runtime_key_prefix="a.b"
    )
    hashed = action(f"weighted_clusters: {{clusters: [{entries}], use_hash_policy: true}}, hash_policy: [{{query_parameter: {{name: A}}}}]")
    assert hashed.use_hash_policy and hashed.hash_policy == (HashPolicy(HashSource.QUERY_PARAMETER, b"A"),)


@pytest.mark.parametrize(
    ("written", "policies"),
    [
        ("header: {header_name: X-A}", (HashPolicy(HashSource.HEADER, b"x-a"),)),
        (
            f"header: {{header_name: ':path', regex_rewrite: {PATTERN}}}",
            (HashPolicy(HashSource.HEADER, b":path", regex_rewrite=RegexRewrite(b"^/a", b"b")),),
        ),
        ("cookie: {name: Sid}", (HashPolicy(HashSource.COOKIE, b"Sid"),)),
        (
            "cookie: {name: a, ttl: 0s, path: /b, attributes: [{name: SameSite, value: Lax}, {name: Secure}]}",
            (HashPolicy(HashSource.COOKIE, b"a", ttl=0.0, path=b"/b", attributes=((b"SameSite", b"Lax"), (b"Secure", b""))),),
        ),
        ("connection_properties: {source_ip: true}, terminal: true", (HashPolicy(HashSource.SOURCE_IP, terminal=True),)),
        ("connection_properties: {source_ip: false}, terminal: true", ()),
        ("connection_properties: {}", ()),
    ],
)
def test_hash_policies(written: str, policies: tuple[HashPolicy, ...]) -> None:
    assert action(f"cluster: service1, hash_policy: [{{{written}}}]").hash_policy == policies


@pytest.mark.parametrize(
    ("written", "mirror"),
    [
        ("cluster: service1a", RequestMirrorPolicy("service1a")),
        ("cluster_header: X-To", RequestMirrorPolicy(cluster_header=b"x-to")),
        (
            "cluster: service1a, runtime_fraction: {default_value: {numerator: 5, denominator: MILLION}, runtime_key: a}, "
            "trace_sampled: false, disable_shadow_host_suffix_append: true, host_rewrite_literal: b.test",
            RequestMirrorPolicy("service1a", None, RuntimeFraction(FractionalPercent(5, 1_000_000), "a"), True, b"b.test"),
        ),
        (
            "cluster: service1a, request_headers_mutations: [{append: {header: {key: X-A, value: '%PROTOCOL%'}, "
            "append_action: OVERWRITE_IF_EXISTS}}, {remove: X-B}]",
            RequestMirrorPolicy(
                "service1a",
                headers=HeaderMutations((HeaderValueOption(b"x-a", b"%PROTOCOL%", AppendAction.OVERWRITE_IF_EXISTS),), (b"x-b",)),
            ),
        ),
    ],
)
def test_mirrors(written: str, mirror: RequestMirrorPolicy) -> None:
    assert action(f"cluster: service1, request_mirror_policies: [{{{written}}}]").mirrors == (mirror,)


def predicate(name: str, more: str = "") -> str:
    return f'{{name: a, typed_config: {{"@type": {TYPES}internal_redirect.{name}{more}}}}}'


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("", InternalRedirectPolicy()),
        ("max_internal_redirects: 0", InternalRedirectPolicy(0)),
        ("redirect_response_codes: [301, 307]", InternalRedirectPolicy(redirect_response_codes=(301, 307))),
        ("redirect_response_codes: [304]", InternalRedirectPolicy(redirect_response_codes=())),
        (
            "allow_cross_scheme_redirect: true, response_headers_to_copy: [X-A]",
            InternalRedirectPolicy(allow_cross_scheme_redirect=True, response_headers_to_copy=(b"x-a",)),
        ),
        (
            f"predicates: [{predicate('previous_routes.v3.PreviousRoutesConfig')}, "
            f"{predicate('safe_cross_scheme.v3.SafeCrossSchemeConfig')}]",
            InternalRedirectPolicy(predicates=(InternalRedirectPredicate.PREVIOUS_ROUTES, InternalRedirectPredicate.SAFE_CROSS_SCHEME)),
        ),
        (
            f"predicates: [{predicate('allow_listed_routes.v3.AllowListedRoutesConfig', ', allowed_route_names: [a, b]')}, "
            f"{predicate('allow_listed_routes.v3.AllowListedRoutesConfig', ', allowed_route_names: [b, c]')}]",
            InternalRedirectPolicy(predicates=(InternalRedirectPredicate.ALLOW_LISTED_ROUTES,) * 2, allowed_route_names=frozenset(("b",))),
        ),
    ],
)
def test_internal_redirects(written: str, policy: InternalRedirectPolicy) -> None:
    assert action(f"cluster: service1, internal_redirect_policy: {{{written}}}").internal_redirect == policy
