"""``envoy.filters.http.local_ratelimit``: a token bucket for all requests of a listener, a route or a connection.

Rule 1. The bucket is this process's. It is filled evenly, by the clock and when somebody asks: half an interval brings half
        of its tokens, as in Envoy.
Rule 2. A request without a token is answered, or, where the limit is not enforced, marked and let through.
"""

from collections.abc import Callable
from math import ceil
from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply
from shifter.model.http_filter import LocalRateLimit, TokenBucket
from shifter.model.route import HeaderMutations
from shifter.routing.headers import HeaderEditor
from shifter.wire.events import RequestHead, ResponseHead

_GRPC_RESOURCE_EXHAUSTED = 8
_ROUNDING = 1e-6


class Bucket:
    """Tokens, which come in evenly. *now* is a clock in seconds."""

    __slots__ = ("_asked", "_limit", "_now", "_rate", "_tokens")

    def __init__(self, config: TokenBucket, now: Callable[[], float]) -> None:
        self._limit = config.max_tokens
        self._rate = config.tokens_per_fill / config.fill_interval
        self._now = now
        self._asked = now()
        self._tokens = float(config.max_tokens)

    def take(self) -> bool:
        """Take a token, if there is one."""
        now = self._now()
        self._tokens = min(self._limit, self._tokens + (now - self._asked) * self._rate)
        self._asked = now
        if self._tokens < 1 - _ROUNDING:
            return False
        self._tokens = max(0.0, self._tokens - 1)
        return True

    @property
    def tokens(self) -> int:
        """How many there are."""
        return int(self._tokens + _ROUNDING)

    def next_token(self) -> float:
        """Return in how many seconds there will be one; 0 when there is one."""
        return max(0.0, (1 - self._tokens) / self._rate)


class _Limit:
    """One configuration of the filter, compiled, with its bucket."""

    __slots__ = ("bucket", "config", "context", "edit_request", "edit_response")

    def __init__(self, config: LocalRateLimit, context: FactoryContext) -> None:
        self.config = config
        self.context = context
        self.bucket = Bucket(config.token_bucket, context.monotonic) if config.token_bucket is not None else None
        editor = HeaderEditor([HeaderMutations(config.request_headers_to_add_when_not_enforced, (), config.response_headers_to_add)])
        self.edit_request = editor.request
        self.edit_response = editor.response

    def count(self, what: str) -> None:
        self.context.count_global(f"{self.config.stat_prefix}.http_local_rate_limit.{what}")


class LocalRateLimitFactory(FilterFactory[LocalRateLimit]):
    """Makes `LocalRateLimitFilter`. A route's configuration has a bucket of its own."""

    def __init__(self, config: LocalRateLimit, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._limit = _Limit(config, context)

    def compile_override(self, config: object) -> object:
        return _Limit(cast(LocalRateLimit, config), self.context)

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        limit = self._limit if override is None else cast(_Limit, override)
        return None if limit.bucket is None else LocalRateLimitFilter(limit, limit.bucket, stream)


class LocalRateLimitFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_bucket", "_limit", "_shown", "_stream")

    def __init__(self, limit: _Limit, bucket: Bucket, stream: FilterStream) -> None:
        self._limit = limit
        self._bucket = bucket
        self._stream = stream
        self._shown = b""

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        limit = self._limit
        config = limit.config
        runtime = limit.context.runtime
        if not runtime.holds(config.filter_enabled, limit.context.random()):
            return None
        limit.count("enabled")
        granted = self._bucket.take()
        if config.x_ratelimit_headers and config.token_bucket is not None:
            self._shown = b"\r\nx-ratelimit-limit: %d\r\nx-ratelimit-remaining: %d\r\nx-ratelimit-reset: %d" % (
                config.token_bucket.max_tokens, self._bucket.tokens, ceil(self._bucket.next_token() - _ROUNDING),
            )  # fmt: skip
        if granted:
            limit.count("ok")
            return None
        limit.count("rate_limited")
        if not runtime.holds(config.filter_enforced, limit.context.random()):
            if limit.edit_request is not None:
                head.block = limit.edit_request(head.block, self._stream)
            return None
        limit.count("enforced")
        fields = b"" if limit.edit_response is None else limit.edit_response(b"", self._stream)
        grpc_status = _GRPC_RESOURCE_EXHAUSTED if config.rate_limited_as_resource_exhausted else None
        return Reply(config.status, b"local_rate_limited", fields, b"RL", "local_rate_limited", grpc_status)

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        head.block += self._shown
