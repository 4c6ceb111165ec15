"""Messages of ``route.v3`` about trying again: when, how often, after how long, and at which other hosts."""

from typing import Annotated, ClassVar

from pydantic import Field

from shifter.config.schema.base import (
    Bool,
    Ignored,
    Message,
    Name,
    PlainHeaderName,
    PositiveSeconds,
    Seconds,
    Text,
    Typed,
    UInt32,
    whole,
    word,
)
from shifter.config.schema.core import Metadata
from shifter.config.schema.match import HeaderMatcher
from shifter.model.retry import ResetHeaderFormat

PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
OMIT_CANARY_HOSTS = "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate"
OMIT_HOST_METADATA = "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig"
PREVIOUS_PRIORITIES = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"

RETRY_WORDS = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx", "refused-stream"),
    *("retriable-status-codes", "retriable-headers", "http3-post-connect-failure"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)
"""What ``retry_on`` may hold; Envoy ignores any other word. The last line is gRPC's."""


class RetryBackOff(Message):
    """``RetryPolicy.RetryBackOff``."""

    envoy = "envoy.config.route.v3.RetryPolicy.RetryBackOff"

    base_interval: PositiveSeconds
    max_interval: PositiveSeconds | None = None


class ResetHeader(Message):
    """``RetryPolicy.ResetHeader``."""

    envoy = "envoy.config.route.v3.RetryPolicy.ResetHeader"

    name: PlainHeaderName
    format: Annotated[ResetHeaderFormat, word(ResetHeaderFormat)] = ResetHeaderFormat.SECONDS


class RateLimitedRetryBackOff(Message):
    """``RetryPolicy.RateLimitedRetryBackOff``."""

    envoy = "envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff"

    reset_headers: list[ResetHeader] = Field(min_length=1)
    max_interval: PositiveSeconds | None = None


class HostPredicateConfig(Typed):
    """One of the three messages of ``extensions.retry.host``; ``metadata_match`` is of the last."""

    envoy = OMIT_HOST_METADATA
    types: ClassVar[tuple[str, ...]] = (PREVIOUS_HOSTS, OMIT_CANARY_HOSTS, OMIT_HOST_METADATA)

    metadata_match: Metadata | None = None


class RetryHostPredicate(Message):
    """``RetryPolicy.RetryHostPredicate``."""

    envoy = "envoy.config.route.v3.RetryPolicy.RetryHostPredicate"

    name: Name
    typed_config: HostPredicateConfig


class PreviousPrioritiesConfig(Typed):
    """``extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig``."""

    envoy = PREVIOUS_PRIORITIES

    update_frequency: Annotated[int, Field(ge=1, le=2**31 - 1), whole]


class RetryPriority(Message):
    """``RetryPolicy.RetryPriority``."""

    envoy = "envoy.config.route.v3.RetryPolicy.RetryPriority"

    name: Name
    typed_config: PreviousPrioritiesConfig


class ResponseHeaderMatcher(HeaderMatcher):
    """``route.v3.HeaderMatcher`` for answers, which have other pseudo headers than requests."""

    name: PlainHeaderName


class RetryPolicy(Message):
    """``route.v3.RetryPolicy``."""

    envoy = "envoy.config.route.v3.RetryPolicy"

    retry_on: Text = ""
    num_retries: UInt32 | None = None
    per_try_timeout: Seconds | None = None
    per_try_idle_timeout: Seconds | None = None
    retriable_status_codes: list[UInt32] = Field(default_factory=list)
    retriable_headers: list[ResponseHeaderMatcher] = Field(default_factory=list)
    retriable_request_headers: list[HeaderMatcher] = Field(default_factory=list)
    retry_back_off: RetryBackOff | None = None
    rate_limited_retry_back_off: RateLimitedRetryBackOff | None = None
    retry_host_predicate: list[RetryHostPredicate] = Field(default_factory=list)
    retry_priority: RetryPriority | None = None
    host_selection_retry_max_attempts: Annotated[int, Field(ge=0, le=2**32 - 1), whole] = 0
    refresh_cluster_on_retry: Bool = False


class HedgePolicy(Message):
    """``route.v3.HedgePolicy``. Envoy reads ``initial_requests`` and ``additional_request_chance``, and does nothing with them."""

    envoy = "envoy.config.route.v3.HedgePolicy"

    initial_requests: Annotated[int, Field(ge=1, le=2**32 - 1), whole] | None = None
    additional_request_chance: Ignored = None
    hedge_on_per_try_timeout: Bool = False
