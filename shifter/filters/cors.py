"""``envoy.filters.http.cors``: which pages of other origins a browser lets see the answer (the Fetch standard, "CORS protocol").

Rule 1. The policy is the route's; without one the filter does nothing.
Rule 2. A preflight from an allowed origin is answered here; one from another goes upstream, unless the policy says otherwise.
Rule 3. What the upstream says in these fields itself is overwritten for allowed origins.
"""

from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply
from shifter.model.http_filter import Cors, CorsPolicy
from shifter.model.route import StringMatchKind
from shifter.routing.match import compile_string
from shifter.wire.events import RequestHead, ResponseHead, first_value, joined_value, without

_ALLOW_ORIGIN = b"access-control-allow-origin"
_ANY = b"*"


class _Policy:
    """A route's policy, compiled."""

    __slots__ = ("_origins", "config", "context")

    def __init__(self, config: CorsPolicy, context: FactoryContext) -> None:
        self.config = config
        self.context = context
        self._origins = [
            (lambda _: True) if one.kind is StringMatchKind.EXACT and one.text == _ANY else compile_string(one)
            for one in config.allow_origin
        ]

    def allows(self, origin: bytes) -> bool:
        return any(fits(origin) for fits in self._origins)


class CorsFactory(FilterFactory[Cors]):
    """Makes `CorsFilter`, where a route has a policy."""

    def compile_override(self, config: object) -> object:
        return _Policy(cast(CorsPolicy, config), self.context)

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        if override is None or not joined_value(stream.head.block, b"origin"):
            return None
        return CorsFilter(cast(_Policy, override))


class CorsFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_origin", "_policy")

    def __init__(self, policy: _Policy) -> None:
        self._policy = policy
        self._origin = b""  # of a request whose answer gets the fields

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        policy = self._policy
        config, context = policy.config, policy.context
        enabled = context.runtime.holds(config.filter_enabled, head.random)
        if not enabled and not context.runtime.holds(config.shadow_enabled, head.random):
            return None
        origin = joined_value(head.block, b"origin") or b""
        allowed = policy.allows(origin)
        context.count("cors.origin_valid" if allowed else "cors.origin_invalid")
        if not enabled:
            return None
        preflight = head.method == b"OPTIONS" and first_value(head.block, b"access-control-request-method")
        if preflight and (allowed or not config.forward_not_matching_preflights):
            return Reply(200, fields=self._preflight(head, origin if allowed else b""), details="cors_response")
        if allowed:
            self._origin = origin
        return None

    def _preflight(self, head: RequestHead, origin: bytes) -> bytes:
        config = self._policy.config
        private = config.allow_private_network_access and first_value(head.block, b"access-control-request-private-network") == b"true"
        fields = [
            (_ALLOW_ORIGIN, origin),
            (b"access-control-allow-credentials", b"true" if config.allow_credentials else b""),
            (b"access-control-allow-methods", config.allow_methods),
            (b"access-control-allow-headers", config.allow_headers),
            (b"access-control-max-age", config.max_age),
            (b"access-control-expose-headers", config.expose_headers if origin else b""),
            (b"access-control-allow-private-network", b"true" if private else b""),
        ]
        return b"".join([b"\r\n%b: %b" % (name, value) for name, value in fields if value])

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        if not self._origin:
            return
        config = self._policy.config
        fields = [
            (_ALLOW_ORIGIN, self._origin),
            (b"access-control-allow-credentials", b"true" if config.allow_credentials else b""),
            (b"access-control-expose-headers", config.expose_headers),
        ]
        for name, value in fields:
            if value:
                head.block = without(head.block, name) + b"\r\n%b: %b" % (name, value)
