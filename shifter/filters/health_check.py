"""``envoy.filters.http.health_check``: the proxy says itself that it is there, or seldom asks an upstream.

Rule 1. Without ``pass_through_mode`` a health check is answered here, when its body is over.
Rule 2. With it and ``cache_time`` an upstream answers the first one in each stretch of that length, and its status does for the rest.
Rule 3. While the proxy was told to fail (``POST /healthcheck/fail``), every health check is answered here, with 503, and all other
        answers say so in ``x-envoy-immediate-health-check-fail``.
Rule 4. Every answer to a health check says in ``x-envoy-upstream-healthchecked-cluster`` which cluster this node is of.
"""

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply
from shifter.model.http_filter import HealthCheck
from shifter.routing.match import all_of
from shifter.routing.match_header import compile_header
from shifter.wire.events import RequestHead, ResponseHead, without

_NAME = b"x-envoy-upstream-healthchecked-cluster"
_FAIL = b"x-envoy-immediate-health-check-fail"


class HealthCheckFactory(FilterFactory[HealthCheck]):
    """Makes `HealthCheckFilter` for requests that are health checks."""

    def __init__(self, config: HealthCheck, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._fits = all_of([compile_header(matcher) for matcher in config.headers])
        self.line = b"\r\n%b: %b" % (_NAME, context.node_cluster.encode())
        self._cached: tuple[int, int] | None = None  # the stretch of time, and what an upstream answered in it

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        if self._fits is None or self._fits(stream.head):
            return HealthCheckFilter(self)
        return _TELLING if self.context.failing() else None

    @property
    def cached(self) -> int | None:
        """The status that does for now."""
        return self._cached[1] if self._cached is not None and self._cached[0] == self._stretch() else None

    def answered(self, status: int) -> None:
        """An upstream has answered a health check."""
        if self.config.cache_time:
            self._cached = (self._stretch(), status)

    def _stretch(self) -> int:
        return int(self.context.monotonic() // self.config.cache_time) if self.config.cache_time else 0


class HealthCheckFilter(HttpFilter):
    """One health check."""

    __slots__ = ("_asked", "_factory", "_reply")

    def __init__(self, factory: HealthCheckFactory) -> None:
        self._factory = factory
        self._asked = False  # not while a filter before this one answers: that says nothing about an upstream
        self._reply: Reply | None = None

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        self._asked = True
        factory = self._factory
        if factory.context.failing():
            self._reply = Reply(503, flags=b"LH", details="health_check_failed")
        elif not factory.config.pass_through:
            self._reply = Reply(200, details="health_check_ok")
        elif (status := factory.cached) is not None:
            flags = b"" if 200 <= status < 300 else b"LH"
            self._reply = Reply(status, flags=flags, details="health_check_cached")
        return self._reply

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        if not self._asked:
            return
        if self._reply is None:
            self._factory.answered(head.status)
        head.block = without(head.block, _NAME) + self._factory.line


class _Telling(HttpFilter):
    """Any other request, while health checks fail."""

    __slots__ = ()

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        head.block = without(head.block, _FAIL) + b"\r\n" + _FAIL + b": true"


_TELLING = _Telling()
