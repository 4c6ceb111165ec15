"""``envoy.filters.http.health_check``."""

from pydantic import Field

from shifter.config.build_common import Sources, header_matcher
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Bool, Seconds, Typed
from shifter.config.schema.match import HeaderMatcher
from shifter.model import http_filter as model


class HealthCheck(Typed):
    """``health_check.v3.HealthCheck``."""

    envoy = "envoy.extensions.filters.http.health_check.v3.HealthCheck"

    pass_through_mode: Bool
    cache_time: Seconds | None = None
    headers: list[HeaderMatcher] = Field(default_factory=list)


def build(config: HealthCheck, sources: Sources) -> model.HealthCheck:
    """Return *config* as the model."""
    if config.cache_time and not config.pass_through_mode:
        raise ValueError("there is nothing to cache without `pass_through_mode: true`, so no `cache_time`")
    return model.HealthCheck(config.pass_through_mode, tuple(map(header_matcher, config.headers)), config.cache_time or 0.0)


KIND = FilterKind("envoy.filters.http.health_check", HealthCheck, build)
