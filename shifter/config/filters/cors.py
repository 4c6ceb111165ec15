"""``envoy.filters.http.cors``."""

from pydantic import Field

from shifter.config.build_common import Sources, given, runtime_fraction, string_matcher
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Bool, HeaderText, Typed
from shifter.config.schema.core import RuntimeFractionalPercent, StringMatcher
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.cors.v3."


class Cors(Typed):
    """``cors.v3.Cors``."""

    envoy = _PACKAGE + "Cors"


class CorsPolicy(Typed):
    """``cors.v3.CorsPolicy``."""

    envoy = _PACKAGE + "CorsPolicy"

    allow_origin_string_match: list[StringMatcher] = Field(default_factory=list)
    allow_methods: HeaderText = ""
    allow_headers: HeaderText = ""
    expose_headers: HeaderText = ""
    max_age: HeaderText = ""
    allow_credentials: Bool | None = None
    allow_private_network_access: Bool | None = None
    forward_not_matching_preflights: Bool | None = None
    filter_enabled: RuntimeFractionalPercent | None = None
    shadow_enabled: RuntimeFractionalPercent | None = None


def build(config: Cors, sources: Sources) -> model.Cors:
    """Return *config* as the model."""
    return model.Cors()


def build_policy(config: CorsPolicy, sources: Sources) -> model.CorsPolicy:
    """Return what a route says as the model."""
    return model.CorsPolicy(
        allow_origin=tuple(map(string_matcher, config.allow_origin_string_match)),
        allow_methods=config.allow_methods.encode(),
        allow_headers=config.allow_headers.encode(),
        expose_headers=config.expose_headers.encode(),
        max_age=config.max_age.encode(),
        **given(
            allow_credentials=config.allow_credentials,
            allow_private_network_access=config.allow_private_network_access,
            forward_not_matching_preflights=config.forward_not_matching_preflights,
            filter_enabled=runtime_fraction(config.filter_enabled),
            shadow_enabled=runtime_fraction(config.shadow_enabled),
        ),
    )


KIND = FilterKind("envoy.filters.http.cors", Cors, build, CorsPolicy, build_policy)
