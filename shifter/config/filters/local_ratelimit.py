"""``envoy.filters.http.local_ratelimit``."""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.build_common import Sources, header_options, runtime_fraction
from shifter.config.filters.base import FilterKind
from shifter.config.filters.status import HttpStatus
from shifter.config.schema.base import Bool, Ignored, Message, Name, PositiveSeconds, Typed, whole, word
from shifter.config.schema.core import HeaderValueOption, RuntimeFractionalPercent
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.local_ratelimit.v3."
_Positive = Annotated[int, Field(ge=1, le=2**32 - 1), whole]
_SHORTEST_FILL = 0.05
_LEAST_STATUS = 400
_TOO_MANY = 429


class TokenBucket(Message):
    """``type.v3.TokenBucket``."""

    envoy = "envoy.type.v3.TokenBucket"

    max_tokens: _Positive
    tokens_per_fill: _Positive = 1
    fill_interval: PositiveSeconds


class XRateLimitHeaders(Enum):
    """``XRateLimitHeadersRFCVersion``."""

    OFF = "OFF"
    DRAFT_VERSION_03 = "DRAFT_VERSION_03"


class LocalRateLimit(Typed):
    """``local_ratelimit.v3.LocalRateLimit``."""

    envoy = _PACKAGE + "LocalRateLimit"

    stat_prefix: Name
    status: HttpStatus | None = None
    token_bucket: TokenBucket | None = None
    filter_enabled: RuntimeFractionalPercent | None = None
    filter_enforced: RuntimeFractionalPercent | None = None
    request_headers_to_add_when_not_enforced: list[HeaderValueOption] = Field(default_factory=list, max_length=10)
    response_headers_to_add: list[HeaderValueOption] = Field(default_factory=list, max_length=10)
    enable_x_ratelimit_headers: Annotated[XRateLimitHeaders, word(XRateLimitHeaders)] = XRateLimitHeaders.OFF
    rate_limited_as_resource_exhausted: Bool = False
    stage: Ignored = None


def build(config: LocalRateLimit, sources: Sources) -> model.LocalRateLimit:
    """Return *config* as the model. Raises ``ValueError`` for a bucket that is filled faster than Envoy allows."""
    bucket = config.token_bucket
    if bucket is not None and bucket.fill_interval < _SHORTEST_FILL:
        raise ValueError("the shortest `fill_interval` is 0.05s; let more `tokens_per_fill` come less often")
    status = config.status.code if config.status is not None else _TOO_MANY
    return model.LocalRateLimit(
        stat_prefix=config.stat_prefix,
        token_bucket=model.TokenBucket(bucket.max_tokens, bucket.fill_interval, bucket.tokens_per_fill) if bucket is not None else None,
        filter_enabled=runtime_fraction(config.filter_enabled) or model.NEVER,
        filter_enforced=runtime_fraction(config.filter_enforced) or model.NEVER,
        # Envoy: an answer that would pass for a good one becomes 429.
        status=status if status >= _LEAST_STATUS else _TOO_MANY,
        response_headers_to_add=header_options(config.response_headers_to_add),
        request_headers_to_add_when_not_enforced=header_options(config.request_headers_to_add_when_not_enforced),
        x_ratelimit_headers=config.enable_x_ratelimit_headers is XRateLimitHeaders.DRAFT_VERSION_03,
        rate_limited_as_resource_exhausted=config.rate_limited_as_resource_exhausted,
    )


KIND = FilterKind("envoy.filters.http.local_ratelimit", LocalRateLimit, build, LocalRateLimit, build)
