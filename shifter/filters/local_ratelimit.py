"""``envoy.filters.http.local_ratelimit``: a token bucket for all requests of a listener, a route or a connection.

Rule 1. The bucket is this process's. It is filled by the clock when somebody asks, not by a timer.
Rule 2. A request without a token is answered, or, where the limit is not enforced, marked and let through.
"""

from collections.abc import Callable
from math import ceil
from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply
from shifter.model.http_filter import LocalRateLimit, TokenBucket
from shifter.model.route import HeaderMutations
from shifter.routing.headers import compile_editor
from shifter.wire.events import RequestHead, ResponseHead

_GRPC_RESOURCE_EXHAUSTED = 8


class Bucket:
    """Tokens. *now* is a clock in seconds."""

    __slots__ = ("_config", "_filled", "_now", "tokens")

    def __init__(self, config: TokenBucket, now: Callable[[], float]) -> None:
        self._config = config
        self._now = now
        self._filled = now()
        self.tokens = config.max_tokens

    def take(self) -> bool:
        """Take a token, if there is one."""
        config = self._config
        fills = int((self._now() - self._filled) / config.fill_interval)
        if fills:
            self._filled += fills * config.fill_interval
            self.tokens = min(config.max_tokens, self.tokens + fills * config.tokens_per_fill)
        if not self.tokens:
            return False
        self.tokens -= 1
        return True

    def next_fill(self) -> float:
        """Return in how many seconds there will be more."""
        return max(0.0, self._filled + self._config.fill_interval - self._now())


class _Limit:
    """One configuration of the filter, compiled, with its bucket."""

    __slots__ = ("bucket", "config", "context", "edit_request", "edit_response")

    def __init__(self, config: LocalRateLimit, context: FactoryContext) -> None:
        self.config = config
        self.context = context
        self.bucket = Bucket(config.token_bucket, context.monotonic) if config.token_bucket is not None else None
        editor = compile_editor([HeaderMutations(config.request_headers_to_add_when_not_enforced, (), config.response_headers_to_add)])
        self.edit_request = editor.request if editor is not None else None
        self.edit_response = editor.response if editor is not None else None

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
                config.token_bucket.max_tokens, self._bucket.tokens, ceil(self._bucket.next_fill()),
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
