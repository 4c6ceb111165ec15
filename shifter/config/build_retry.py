"""When a request is tried again, from the checked schema to the frozen model."""

from shifter.config.build_common import given, header_matcher, lb_metadata
from shifter.config.schema import retry as schema
from shifter.model.retry import HedgePolicy, RateLimitedRetryBackOff, RetryPolicy

_LEAST_INTERVAL = 0.001
"""Envoy counts back-off in milliseconds, and takes less than one for one."""


def retry_policy(config: schema.RetryPolicy | None) -> RetryPolicy | None:
    """Return *config* as the model; ``None`` when there is none."""
    if config is None:
        return None
    back_off, limited, priority = config.retry_back_off, config.rate_limited_retry_back_off, config.retry_priority
    predicates = {one.typed_config.type_url.rpartition("/")[2]: one.typed_config for one in config.retry_host_predicate}
    omitted = predicates.get(schema.OMIT_HOST_METADATA)
    longest = back_off.max_interval if back_off is not None else None
    return RetryPolicy(
        retry_on=frozenset(retry_words(config.retry_on)) & frozenset(schema.RETRY_WORDS),
        retriable_status_codes=frozenset(config.retriable_status_codes),
        retriable_headers=tuple(map(header_matcher, config.retriable_headers)),
        retriable_request_headers=tuple(map(header_matcher, config.retriable_request_headers)),
        previous_hosts=schema.PREVIOUS_HOSTS in predicates,
        omit_canary_hosts=schema.OMIT_CANARY_HOSTS in predicates,
        omit_host_metadata=lb_metadata(omitted.metadata_match) if omitted is not None else None,
        refresh_cluster_on_retry=config.refresh_cluster_on_retry,
        **given(
            num_retries=config.num_retries,
            per_try_timeout=config.per_try_timeout,
            per_try_idle_timeout=config.per_try_idle_timeout,
            back_off_base=max(back_off.base_interval, _LEAST_INTERVAL) if back_off is not None else None,
            back_off_max=max(longest, _LEAST_INTERVAL) if longest is not None else None,
            rate_limited=_rate_limited(limited) if limited is not None else None,
            host_selection_attempts=config.host_selection_retry_max_attempts or None,
            previous_priorities=priority.typed_config.update_frequency if priority is not None else None,
        ),
    )


def retry_words(retry_on: str) -> list[str]:
    """Return the words of a ``retry_on``, known or not."""
    return [word for word in map(str.strip, retry_on.split(",")) if word]


def _rate_limited(config: schema.RateLimitedRetryBackOff) -> RateLimitedRetryBackOff:
    headers = tuple((header.name.lower().encode(), header.format) for header in config.reset_headers)
    return RateLimitedRetryBackOff(headers, **given(max_interval=config.max_interval))


def hedge_policy(config: schema.HedgePolicy | None) -> HedgePolicy | None:
    """Return *config* as the model; ``None`` when there is none."""
    return HedgePolicy(config.hedge_on_per_try_timeout) if config is not None else None
