"""Configurations of filters become their model, and what is wrong with them is told with its place."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from shifter.model import http_filter as model
from shifter.model import rbac
from shifter.model.route import FractionalPercent, HeaderMatcher, RegexRewrite, RuntimeFraction, StringMatcher, StringMatchKind
from shifter.service.loading import load_checked

T = "type.googleapis.com/envoy.extensions.filters.http."
KEY = urlsafe_b64encode(b"0123456789abcdef" * 2).decode().rstrip("=")
JWKS = json.dumps({"keys": [{"kty": "oct", "k": KEY}]})
HALF = {"default_value": {"numerator": 50}, "runtime_key": "half"}


def text(kind: str, fields: dict[str, Any], override: dict[str, Any] | None = None, override_kind: str = "") -> str:
    config = json.dumps({"@type": T + kind, **fields})
    said = json.dumps({"filter": {"@type": T + override_kind, **override}}) if override is not None else "{}"
    return f"""
static_resources:
  listeners:
    - address: {{socket_address: {{address: 127.0.0.1, port_value: 8000}}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: front
                http_filters:
                  - name: filter
                    typed_config: {config}
                  - name: envoy.filters.http.router
                    typed_config: {{"@type": "{T}router.v3.Router"}}
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes: [{{match: {{prefix: /}}, direct_response: {{status: 200}}, typed_per_filter_config: {said}}}]
"""


def built(kind: str, fields: dict[str, Any], override: dict[str, Any] | None = None, override_kind: str = "") -> tuple[object, object]:
    """The model of a filter, and of what the route says to it."""
    loaded = load_checked(text(kind, fields, override, override_kind).encode(), "front.yaml")
    assert loaded.bootstrap is not None, [str(problem) for problem in loaded.problems]
    manager = next(loaded.bootstrap.listeners[0].managers)
    route = manager.route_config.virtual_hosts[0].routes[0]
    return manager.http_filters[0].config, route.filters["filter"].config if override is not None else None


def problems(kind: str, fields: dict[str, Any]) -> list[str]:
    loaded = load_checked(text(kind, fields).encode(), "front.yaml")
    assert loaded.bootstrap is None
    assert all(problem.place.line == 13 for problem in loaded.problems)
    return [f"{problem.message} ({problem.hint})" if problem.hint else problem.message for problem in loaded.problems]


def test_buffer() -> None:
    config, override = built("buffer.v3.Buffer", {"max_request_bytes": 7}, {"buffer": {"max_request_bytes": 9}}, "buffer.v3.BufferPerRoute")
    assert (config, override) == (model.Buffer(7), model.Buffer(9))
    assert built("buffer.v3.Buffer", {"max_request_bytes": 7}, {"disabled": True}, "buffer.v3.BufferPerRoute")[1] == model.Buffer(0, True)


def test_basic_auth() -> None:
    users = {"inline_string": "# staff\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\n"}
    config, _ = built("basic_auth.v3.BasicAuth", {"users": users, "forward_username_header": "X-User"})
    assert config == model.BasicAuth({b"ann": bytes.fromhex("e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4")}, b"x-user")


def test_local_ratelimit() -> None:
    fields = {
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 10, "tokens_per_fill": 2, "fill_interval": "1s"},
        "filter_enabled": HALF,
        "status": {"code": "ServiceUnavailable"},
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
    }
    config, _ = built("local_ratelimit.v3.LocalRateLimit", fields)
    assert config == model.LocalRateLimit(
        "limit",
        model.TokenBucket(10, 1.0, 2),
        RuntimeFraction(FractionalPercent(50), "half"),
        status=503,
        x_ratelimit_headers=True,
    )
    for code in (429, "TooManyRequests", "OK"):
        config, _ = built("local_ratelimit.v3.LocalRateLimit", {"stat_prefix": "limit", "status": {"code": code}})
        assert isinstance(config, model.LocalRateLimit) and config.status == 429


def test_compressor() -> None:
    library = {"name": "text", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip"}}
    library["typed_config"] |= {"compression_level": "best_speed", "window_bits": 10, "memory_level": 3}  # type: ignore[operator]
    fields = {
        "compressor_library": library,
        "response_direction_config": {
            "common_config": {"min_content_length": 100, "content_type": ["Text/HTML"]},
            "disable_on_etag_header": True,
        },
        "request_direction_config": {"common_config": {"enabled": {"default_value": True, "runtime_key": "zip"}}},
    }
    overrides = {"overrides": {"response_direction_config": {"remove_accept_encoding_header": True}}}
    config, override = built("compressor.v3.Compressor", fields, overrides, "compressor.v3.CompressorPerRoute")
    assert config == model.Compressor(
        model.Compression.GZIP,
        "text",
        1,
        10,
        3,
        response=model.CompressorDirection(min_content_length=100, content_types=frozenset([b"text/html"]), disable_on_etag_header=True),
        request=model.CompressorDirection(runtime_key="zip"),
    )
    assert override == model.CompressorPerRoute(remove_accept_encoding_header=True)
    older, _ = built(
        "compressor.v3.Compressor", {"compressor_library": library, "content_length": 50, "remove_accept_encoding_header": True}
    )
    assert isinstance(older, model.Compressor)
    assert older.response == model.CompressorDirection(min_content_length=50, remove_accept_encoding_header=True)


def test_cors_and_csrf() -> None:
    policy = {"allow_origin_string_match": [{"suffix": ".test"}], "allow_methods": "GET", "allow_credentials": True, "shadow_enabled": HALF}
    config, override = built("cors.v3.Cors", {}, policy, "cors.v3.CorsPolicy")
    half = RuntimeFraction(FractionalPercent(50), "half")
    suffix = StringMatcher(StringMatchKind.SUFFIX, b".test")
    assert (config, override) == (model.Cors(), model.CorsPolicy((suffix,), b"GET", allow_credentials=True, shadow_enabled=half))
    config, _ = built("csrf.v3.CsrfPolicy", {"filter_enabled": HALF, "additional_origins": [{"suffix": ".test"}]})
    assert config == model.CsrfPolicy(half, additional_origins=(suffix,))


def test_fault() -> None:
    fields = {
        "delay": {"fixed_delay": "0.5s", "percentage": {"numerator": 1, "denominator": "TEN_THOUSAND"}},
        "abort": {"header_abort": {}, "percentage": {"numerator": 100}},
        "response_rate_limit": {"fixed_limit": {"limit_kbps": 8}},
        "headers": [{"name": "X-Fault", "present_match": True}],
        "max_active_faults": 3,
        "abort_percent_runtime": "mine",
    }
    assert built("fault.v3.HTTPFault", fields)[0] == model.Fault(
        delay=0.5,
        delay_share=FractionalPercent(1, 10_000),
        abort_by_header=True,
        abort_share=FractionalPercent(100),
        limit_kbps=8,
        headers=(HeaderMatcher(b"x-fault", present=True),),
        max_active_faults=3,
        abort_percent_runtime="mine",
    )


def test_header_to_metadata() -> None:
    present = {"key": "k", "regex_value_rewrite": {"pattern": {"regex": "a"}, "substitution": "b"}, "encode": "BASE64"}
    fields = {
        "request_rules": [
            {"header": "X-A", "on_header_present": present, "remove": True},
            {"cookie": "c", "on_header_missing": {"key": "k", "value": "v", "metadata_namespace": "ns"}},
        ]
    }
    assert built("header_to_metadata.v3.Config", fields)[0] == model.HeaderToMetadata(
        (
            model.MetadataRule(b"x-a", present=model.MetadataValue("k", rewrite=RegexRewrite(b"a", b"b"), base64=True), remove=True),
            model.MetadataRule(cookie=b"c", missing=model.MetadataValue("k", "ns", "v")),
        )
    )


def test_jwt_authn() -> None:
    provider = {
        "issuer": "me",
        "audiences": ["a"],
        "subjects": {"prefix": "s"},
        "max_lifetime": "60s",
        "local_jwks": {"inline_string": JWKS},
        "from_headers": [{"name": "X-T", "value_prefix": "T "}],
        "from_params": ["t"],
        "claim_to_headers": [{"header_name": "X-Sub", "claim_name": "sub"}],
        "clock_skew_seconds": 5,
    }
    any_of = {"requires_any": {"requirements": [{"provider_name": "p"}, {"allow_missing": {}}]}}
    fields = {
        "providers": {"p": provider},
        "rules": [
            {"match": {"prefix": "/a"}, "requires": any_of},
            {"match": {"prefix": "/b"}, "requirement_name": "named"},
            {"match": {"prefix": "/c"}},
        ],
        "requirement_map": {"named": {"provider_and_audiences": {"provider_name": "p", "audiences": ["z"]}}},
    }
    config, override = built("jwt_authn.v3.JwtAuthentication", fields, {"requirement_name": "named"}, "jwt_authn.v3.PerRouteConfig")
    assert isinstance(config, model.JwtAuthentication)
    assert config.providers["p"] == model.JwtProvider(
        JWKS.encode(),
        "me",
        frozenset(["a"]),
        StringMatcher(StringMatchKind.PREFIX, b"s"),
        max_lifetime=60.0,
        clock_skew=5.0,
        from_headers=(model.JwtHeader(b"x-t", b"T "),),
        from_params=(b"t",),
        claim_to_headers=((b"x-sub", "sub"),),
    )
    named = model.JwtRequirement("p", frozenset(["z"]))
    parts = (model.JwtRequirement("p"), model.JwtRequirement(allow_missing=True))
    assert [rule.requires for rule in config.rules] == [
        model.JwtRequirement(combination=model.JwtCombination.ANY, parts=parts),
        named,
        None,
    ]
    assert config.requirement_map == {"named": named}
    assert override == model.JwtPerRoute(requirement_name="named")


def test_rbac() -> None:
    policy = {
        "permissions": [{"and_rules": {"rules": [{"url_path": {"path": {"prefix": "/a"}}}, {"not_rule": {"destination_port": 80}}]}}],
        "principals": [{"or_ids": {"ids": [{"remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}, {"authenticated": {}}]}}],
    }
    config, override = built(
        "rbac.v3.RBAC",
        {"rules": {"action": "deny", "policies": {"p": policy}}, "shadow_rules_stat_prefix": "x_"},
        {},
        "rbac.v3.RBACPerRoute",
    )
    path = rbac.UrlPath(StringMatcher(StringMatchKind.PREFIX, b"/a"))
    assert config == rbac.Rbac(
        rbac.Rules(
            rbac.RbacAction.DENY,
            {
                "p": rbac.Policy(
                    (rbac.AllOf((path, rbac.Not(rbac.DestinationPort(80, 81)))),),
                    (rbac.OneOfRules((rbac.Cidr(rbac.Address.REMOTE, "10.0.0.0/8"), rbac.Authenticated())),),
                )
            },
        ),
        shadow_rules_stat_prefix="x_",
    )
    assert override == rbac.Rbac()


ANYBODY = [{"any": True}]


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        ("basic_auth.v3.BasicAuth", {"users": {"inline_string": "ann:plain"}}, "line 1 of `users` has no {SHA} password"),
        ("basic_auth.v3.BasicAuth", {"users": {"inline_string": "ann"}}, "line 1 of `users` is not user:{SHA}"),
        ("basic_auth.v3.BasicAuth", {"users": {"inline_string": "ann:{SHA}AAAA"}}, "the password is no SHA-1 digest"),
        ("basic_auth.v3.BasicAuth", {"users": {"inline_string": ""}}, "there is nobody among `users`"),
        (
            "local_ratelimit.v3.LocalRateLimit",
            {"stat_prefix": "x", "status": {"code": "ToManyRequests"}},
            "did you mean `TooManyRequests`?",
        ),
        (
            "local_ratelimit.v3.LocalRateLimit",
            {"stat_prefix": "x", "token_bucket": {"max_tokens": 1, "fill_interval": "0.01s"}},
            "the shortest `fill_interval` is 0.05s",
        ),
        (
            "local_ratelimit.v3.LocalRateLimit",
            {"stat_prefix": "x", "token_bucket": {"max_tokens": 0, "fill_interval": "1s"}},
            "`max_tokens` is at least 1",
        ),
        ("header_to_metadata.v3.Config", {"request_rules": [{"header": "x"}]}, "says neither on_header_present nor on_header_missing"),
        (
            "header_to_metadata.v3.Config",
            {"request_rules": [{"header": "x", "on_header_missing": {"key": "k"}}]},
            "has no `value` in on_header_missing",
        ),
        (
            "header_to_metadata.v3.Config",
            {"request_rules": [{"cookie": "x", "remove": True, "on_header_present": {"key": "k"}}]},
            "the cookie 'x' cannot be removed",
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            {"providers": {"p": {"local_jwks": {"inline_string": "{}"}}}},
            "this is no JWK set that can be used",
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            {"providers": {"p": {"local_jwks": {"inline_string": JWKS}, "isuer": "x"}}},
            "did you mean `issuer`?",
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            {"rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "q"}}]},
            "the provider 'q', which is not among `providers`",
        ),
        (
            "jwt_authn.v3.JwtAuthentication",
            {"rules": [{"match": {"prefix": "/"}, "requirement_name": "q"}]},
            "'q', which is not in `requirement_map`",
        ),
        ("jwt_authn.v3.JwtAuthentication", {"providers": {"p": {"remote_jwks": {}}}}, "shifter does not support it yet"),
        ("rbac.v3.RBAC", {"rules": {"policies": {"p": {"permissions": [{"anny": True}], "principals": ANYBODY}}}}, "did you mean `any`?"),
        (
            "rbac.v3.RBAC",
            {"rules": {"policies": {"p": {"permissions": ANYBODY, "principals": [{"remote_ip": {"address_prefix": "x"}}]}}}},
            "'x/0' is no prefix of IP addresses",
        ),
        (
            "rbac.v3.RBAC",
            {"rules": {"policies": {"p": {"permissions": [{"any": False}], "principals": ANYBODY}}}},
            "`any: false` says nothing",
        ),
        ("fault.v3.HTTPFault", {"abort": {"percentage": {"numerator": 1}}}, "nothing says what the answer is"),
        ("fault.v3.HTTPFault", {"abort": {"http_status": 99}}, "`http_status` is at least 200"),
        ("buffer.v3.Buffer", {}, "`max_request_bytes` is missing"),
        ("lua.v3.Lua", {}, "shifter does not support it yet"),
    ],
)
def test_mistakes(kind: str, fields: dict[str, Any], problem: str) -> None:
    assert problem in "\n".join(problems(kind, fields))


@pytest.mark.parametrize(
    ("library", "problem"),
    [
        ({"compression_level": "GREAT"}, "'GREAT' is none of the values of `compression_level`"),
        ({"window_bits": 20}, "`window_bits` is from 9 to 15 here"),
    ],
)
def test_mistakes_about_libraries(library: dict[str, Any], problem: str) -> None:
    typed = {"@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip", **library}
    assert problem in "\n".join(problems("compressor.v3.Compressor", {"compressor_library": {"name": "x", "typed_config": typed}}))
