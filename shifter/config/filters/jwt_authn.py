"""``envoy.filters.http.jwt_authn``, with keys from the configuration or from a file."""

from typing import Annotated

from pydantic import Field

from shifter.config.build_common import Sources, given, lower, string_matcher
from shifter.config.build_match import route_match
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import AddedName, Bool, Choice, Ignored, MatchedName, Message, Name, OneOf, Seconds, Text, Typed, UInt32
from shifter.config.schema.core import DataSource, StringMatcher
from shifter.config.schema.match import RouteMatch
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.jwt_authn.v3."


class JwtHeader(Message):
    """``jwt_authn.v3.JwtHeader``."""

    envoy = _PACKAGE + "JwtHeader"

    name: MatchedName
    value_prefix: Text = ""


class JwtClaimToHeader(Message):
    """``jwt_authn.v3.JwtClaimToHeader``."""

    envoy = _PACKAGE + "JwtClaimToHeader"

    header_name: AddedName
    claim_name: Name


class JwtProvider(Choice):
    """``jwt_authn.v3.JwtProvider``."""

    envoy = _PACKAGE + "JwtProvider"
    one_of = (OneOf(("local_jwks",), ("remote_jwks",), "this provider has no keys"),)

    issuer: Text = ""
    audiences: list[Text] = Field(default_factory=list)
    subjects: StringMatcher | None = None
    require_expiration: Bool = False
    max_lifetime: Seconds | None = None
    local_jwks: DataSource | None = None
    forward: Bool = False
    from_headers: list[JwtHeader] = Field(default_factory=list)
    from_params: list[Name] = Field(default_factory=list)
    from_cookies: list[Name] = Field(default_factory=list)
    forward_payload_header: AddedName | None = None
    pad_forward_payload_header: Bool = False
    payload_in_metadata: Text = ""
    header_in_metadata: Text = ""
    failed_status_in_metadata: Text = ""
    clock_skew_seconds: UInt32 | None = None
    jwt_cache_config: Ignored = None
    claim_to_headers: list[JwtClaimToHeader] = Field(default_factory=list)
    clear_route_cache: Bool = False


class ProviderWithAudiences(Message):
    """``jwt_authn.v3.ProviderWithAudiences``."""

    envoy = _PACKAGE + "ProviderWithAudiences"

    provider_name: Name
    audiences: list[Text] = Field(default_factory=list)


class Empty(Message):
    """``google.protobuf.Empty``."""

    envoy = "google.protobuf.Empty"


class JwtRequirement(Choice):
    """``jwt_authn.v3.JwtRequirement``."""

    envoy = _PACKAGE + "JwtRequirement"
    one_of = (
        OneOf(
            ("provider_name", "provider_and_audiences", "requires_any", "requires_all", "allow_missing_or_failed", "allow_missing"),
            ("extract_only_without_validation",),
        ),
    )

    provider_name: Name | None = None
    provider_and_audiences: ProviderWithAudiences | None = None
    requires_any: "JwtRequirementList | None" = None
    requires_all: "JwtRequirementList | None" = None
    allow_missing_or_failed: Empty | None = None
    allow_missing: Empty | None = None


class JwtRequirementList(Message):
    """``jwt_authn.v3.JwtRequirementOrList`` and ``JwtRequirementAndList``."""

    envoy = _PACKAGE + "JwtRequirementOrList"

    requirements: Annotated[list[JwtRequirement], Field(min_length=2)]


class RequirementRule(Choice):
    """``jwt_authn.v3.RequirementRule``."""

    envoy = _PACKAGE + "RequirementRule"
    one_of = (OneOf(("requires", "requirement_name")),)

    match: RouteMatch
    requires: JwtRequirement | None = None
    requirement_name: Name | None = None


class JwtAuthentication(Typed):
    """``jwt_authn.v3.JwtAuthentication``."""

    envoy = _PACKAGE + "JwtAuthentication"

    providers: dict[str, JwtProvider] = Field(default_factory=dict)
    rules: list[RequirementRule] = Field(default_factory=list)
    bypass_cors_preflight: Bool = False
    requirement_map: dict[str, JwtRequirement] = Field(default_factory=dict)
    strip_failure_response: Bool = False
    stat_prefix: Ignored = None


class PerRouteConfig(Typed):
    """``jwt_authn.v3.PerRouteConfig``."""

    envoy = _PACKAGE + "PerRouteConfig"
    one_of = (OneOf(("disabled", "requirement_name"), (), "this says neither `disabled` nor `requirement_name`"),)

    disabled: Bool = False
    requirement_name: Name | None = None


JwtRequirement.model_rebuild()


def build(config: JwtAuthentication, sources: Sources) -> model.JwtAuthentication:
    """Return *config* as the model. Raises ``ValueError`` for names that nothing has."""
    known = frozenset(config.providers)
    named = {name: _requirement(one, known) for name, one in config.requirement_map.items()}
    rules = []
    for rule in config.rules:
        if rule.requirement_name is not None and rule.requirement_name not in named:
            raise ValueError(f"a rule asks for {rule.requirement_name!r}, which is not in `requirement_map`")
        requires = named[rule.requirement_name] if rule.requirement_name is not None else None
        if rule.requires is not None:
            requires = _requirement(rule.requires, known)
        rules.append(model.JwtRule(route_match(rule.match), requires))
    return model.JwtAuthentication(
        providers={name: _provider(one, sources) for name, one in config.providers.items()},
        rules=tuple(rules),
        requirement_map=named,
        bypass_cors_preflight=config.bypass_cors_preflight,
        strip_failure_response=config.strip_failure_response,
    )


def _provider(config: JwtProvider, sources: Sources) -> model.JwtProvider:
    assert config.local_jwks is not None
    return model.JwtProvider(
        jwks=sources.data(config.local_jwks),
        issuer=config.issuer,
        audiences=frozenset(config.audiences),
        subject=string_matcher(config.subjects) if config.subjects is not None else None,
        require_expiration=config.require_expiration,
        max_lifetime=config.max_lifetime,
        forward=config.forward,
        from_headers=tuple(model.JwtHeader(one.name.lower().encode(), one.value_prefix.encode()) for one in config.from_headers),
        from_params=tuple(name.encode() for name in config.from_params),
        from_cookies=tuple(name.encode() for name in config.from_cookies),
        forward_payload_header=lower(config.forward_payload_header) or b"",
        pad_forward_payload_header=config.pad_forward_payload_header,
        payload_in_metadata=config.payload_in_metadata,
        header_in_metadata=config.header_in_metadata,
        failed_status_in_metadata=config.failed_status_in_metadata,
        claim_to_headers=tuple((one.header_name.lower().encode(), one.claim_name) for one in config.claim_to_headers),
        clear_route_cache=config.clear_route_cache,
        **given(clock_skew=config.clock_skew_seconds or None),
    )


def _requirement(config: JwtRequirement, known: frozenset[str]) -> model.JwtRequirement:
    name = config.provider_name
    audiences: list[str] = []
    if config.provider_and_audiences is not None:
        name, audiences = config.provider_and_audiences.provider_name, config.provider_and_audiences.audiences
    if name is not None:
        if name not in known:
            raise ValueError(f"a requirement asks for the provider {name!r}, which is not among `providers`")
        return model.JwtRequirement(name, frozenset(audiences))
    for parts, combination in ((config.requires_any, model.JwtCombination.ANY), (config.requires_all, model.JwtCombination.ALL)):
        if parts is not None:
            return model.JwtRequirement(combination=combination, parts=tuple(_requirement(one, known) for one in parts.requirements))
    if config.allow_missing is not None:
        return model.JwtRequirement(allow_missing=True)
    # Nothing at all is as good as what asks for nothing.
    return model.JwtRequirement(allow_missing=True, allow_failed=True)


def build_per_route(config: PerRouteConfig, sources: Sources) -> model.JwtPerRoute:
    """Return what a route says as the model."""
    return model.JwtPerRoute(config.disabled, config.requirement_name or "")


KIND = FilterKind("envoy.filters.http.jwt_authn", JwtAuthentication, build, PerRouteConfig, build_per_route)
