"""Route configurations arrive in the model, field by field."""

import pytest

from shifter.config import load
from shifter.model.format import SubstitutionFormat
from shifter.model.route import (
    DirectResponseAction,
    HeaderMatcher,
    RedirectAction,
    RegexRewrite,
    RequestMirrorPolicy,
    Route,
    RouteConfiguration,
    TlsRequirement,
    VirtualCluster,
)
from tests.support.configs import GOOD, NAME, load_good, with_route


def route(action: str) -> Route:
    loaded = load(with_route(action=action), NAME)
    assert loaded.bootstrap is not None, loaded.problems
    [found] = next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes
    return found


def route_config(old: str, new: str) -> RouteConfiguration:
    assert old in GOOD
    bootstrap = load_good((old, new)).bootstrap
    assert bootstrap is not None
    return next(bootstrap.listeners[0].managers).route_config


def test_metadata() -> None:
    found = route("direct_response: {status: 200}, metadata: {filter_metadata: {envoy.lb: {a: 1, b: [no, {c: 1.5}]}, x: {}}}")
    assert found.metadata == {"envoy.lb": {"a": 1, "b": ["no", {"c": 1.5}]}, "x": {}}
    assert route("direct_response: {status: 200}, metadata: {}").metadata == {}


def test_redirects_by_pattern() -> None:
    written = "redirect: {regex_rewrite: {pattern: {regex: '^/a/(.*)'}, substitution: '/b/\\1'}}"
    assert route(written).action == RedirectAction(regex_rewrite=RegexRewrite(b"^/a/(.*)", b"/b/\\1"))


@pytest.mark.parametrize(
    ("written", "body"),
    [
        ("text_format: '%PROTOCOL%\\n', content_type: text/html", SubstitutionFormat("%PROTOCOL%\\n", content_type="text/html")),
        ("text_format_source: {inline_string: a}, omit_empty_values: true", SubstitutionFormat("a", omit_empty_values=True)),
        ("text_format_source: {inline_bytes: w6k=}", SubstitutionFormat("é")),
        (
            "json_format: {a: '%PROTOCOL%', b: [1, true, {c: 2.5}]}",
            SubstitutionFormat(json={"a": "%PROTOCOL%", "b": [1, True, {"c": 2.5}]}),
        ),
        ("json_format: {}", SubstitutionFormat(json={})),
    ],
)
def test_worded_answers(written: str, body: SubstitutionFormat) -> None:
    assert route(f"direct_response: {{status: 200, body_format: {{{written}}}}}").action == DirectResponseAction(200, b"", body)


def test_virtual_hosts() -> None:
    [plain] = route_config("a", "a").virtual_hosts
    assert (plain.require_tls, plain.virtual_clusters, plain.mirrors) == (TlsRequirement.NONE, (), ())
    [host] = route_config(
        '              domains: ["*"]\n',
        '              domains: ["*"]\n              require_tls: external_only\n'
        "              virtual_clusters: [{name: v, headers: [{name: X-A}, {name: ':method'}]}]\n"
        "              request_mirror_policies: [{cluster: service1}]\n"
        "              include_request_attempt_count: true\n              include_attempt_count_in_response: true\n",
    ).virtual_hosts
    assert host.require_tls is TlsRequirement.EXTERNAL_ONLY
    assert host.virtual_clusters == (VirtualCluster("v", (HeaderMatcher(b"x-a", present=True), HeaderMatcher(b":method", present=True))),)
    assert host.mirrors == (RequestMirrorPolicy("service1"),)
    assert (host.include_request_attempt_count, host.include_attempt_count_in_response) == (True, True)


def test_route_configurations() -> None:
    name = "            name: local_route\n"
    config = route_config(
        name,
        f"{name}            internal_only_headers: [X-A, x-b]\n            most_specific_header_mutations_wins: true\n"
        "            ignore_path_parameters_in_path_matching: true\n            request_mirror_policies: [{cluster: service1}]\n",
    )
    assert config.internal_only_headers == (b"x-a", b"x-b")
    assert (config.most_specific_header_mutations_wins, config.ignore_path_parameters_in_path_matching) == (True, True)
    assert config.mirrors == (RequestMirrorPolicy("service1"),)
