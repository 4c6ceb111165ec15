"""``envoy.filters.http.csrf``."""

from pydantic import Field

from shifter.config.build_common import Sources, runtime_fraction, string_matcher
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Typed
from shifter.config.schema.core import RuntimeFractionalPercent, StringMatcher
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.csrf.v3."


class CsrfPolicy(Typed):
    """``csrf.v3.CsrfPolicy``."""

    envoy = _PACKAGE + "CsrfPolicy"

    filter_enabled: RuntimeFractionalPercent
    shadow_enabled: RuntimeFractionalPercent | None = None
    additional_origins: list[StringMatcher] = Field(default_factory=list)


def build(config: CsrfPolicy, sources: Sources) -> model.CsrfPolicy:
    """Return *config* as the model."""
    return model.CsrfPolicy(
        runtime_fraction(config.filter_enabled) or model.NEVER,
        runtime_fraction(config.shadow_enabled) or model.NEVER,
        tuple(map(string_matcher, config.additional_origins)),
    )


KIND = FilterKind("envoy.filters.http.csrf", CsrfPolicy, build, CsrfPolicy, build)
