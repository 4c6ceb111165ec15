"""``envoy.filters.http.csrf``: a page of another site cannot make a browser change anything here.

Rule 1. Requests that change something (POST, PUT, DELETE, PATCH) must come from a page of the host they go to, or of one of the
        additional origins: ``origin`` tells, or ``referer`` where there is none.
Rule 2. Hosts are compared with their ports, without the scheme, as they are written.
"""

from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply
from shifter.model.http_filter import CsrfPolicy
from shifter.routing.match import compile_string
from shifter.wire.events import RequestHead, joined_value

_CHANGING = frozenset((b"POST", b"PUT", b"DELETE", b"PATCH"))


def source_of(head: RequestHead) -> bytes:
    """Return the host and port of the page that *head* came from; empty when nothing tells."""
    for name in (b"origin", b"referer"):
        value = joined_value(head.block, name)
        if value:
            _, scheme, rest = value.partition(b"://")
            return (rest if scheme else value).partition(b"/")[0]
    return b""


class _Policy:
    """A policy, compiled."""

    __slots__ = ("_additional", "config", "context")

    def __init__(self, config: CsrfPolicy, context: FactoryContext) -> None:
        self.config = config
        self.context = context
        self._additional = [compile_string(one) for one in config.additional_origins]

    def fits(self, source: bytes, target: bytes) -> bool:
        return source == target or any(fits(source) for fits in self._additional)


class CsrfFactory(FilterFactory[CsrfPolicy]):
    """Makes `CsrfFilter`."""

    def __init__(self, config: CsrfPolicy, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._policy = _Policy(config, context)

    def compile_override(self, config: object) -> object:
        return _Policy(cast(CsrfPolicy, config), self.context)

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        if stream.head.method not in _CHANGING:
            return None
        return CsrfFilter(self._policy if override is None else cast(_Policy, override))


class CsrfFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_policy",)

    def __init__(self, policy: _Policy) -> None:
        self._policy = policy

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        config, context = self._policy.config, self._policy.context
        enabled = context.runtime.holds(config.filter_enabled, head.random)
        if not enabled and not context.runtime.holds(config.shadow_enabled, head.random):
            return None
        source = source_of(head)
        if not source:
            context.count("csrf.missing_source_origin")
        elif self._policy.fits(source, head.authority):
            context.count("csrf.request_valid")
            return None
        else:
            context.count("csrf.request_invalid")
        return Reply(403, b"Invalid origin", details="csrf_origin_mismatch") if enabled else None
