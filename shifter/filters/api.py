"""The interface between the proxy and an HTTP filter.

Rule 1. A factory is made once for each entry of ``http_filters`` in each configuration; a filter is made for one request by its
        factory, or is not, when the request is none of its business.
Rule 2. A request passes the filters in the order of the configuration and is routed behind the last; its answer, whoever gave
        it, passes them in the opposite order. A filter that has answered sees its own answer, too.
Rule 3. A filter never blocks. What it has to wait for is a `Deferred`; meanwhile what comes is held back, and no more than a
        read is taken from whoever sends. When the client goes, the Deferred is cancelled.
Rule 4. Fields travel as a field block (``wire.events``): edit ``head.block`` in place. What frames a message is not for filters
        to edit; one that changes the length of a body calls `unframe` when it sees the head.
Rule 5. ``on_done`` is the last call, once, whatever happened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred

from shifter.observe.logformat import LogEntry
from shifter.routing.runtime import Runtime
from shifter.wire.events import NO_BODY, UNTIL_END, RequestHead, ResponseHead, without

C = TypeVar("C")
_REALM = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in the upstream's place. ``fields`` is a field block (without ``content-length``), ``flags`` Envoy's response
    flags, ``details`` what ``%RESPONSE_CODE_DETAILS%`` prints. ``grpc_status`` is for gRPC clients, where it is not the one
    that follows from ``status``."""

    status: int
    body: bytes = b""
    fields: bytes = b""
    flags: bytes = b""
    details: str = ""
    grpc_status: int | None = None


@dataclass(frozen=True, slots=True)
class WholeBody:
    """ "Show me the body when it is whole": ``on_request_data``, or ``on_response_data``, is called once with all of it, and head and
    body go on together behind that. A request whose body is larger than ``max_bytes`` is answered with 413; of an answer's, what
    is more is left out."""

    max_bytes: int


class FilterStream(Protocol):
    """One request, as its filters know it beside its head."""

    @property
    def head(self) -> RequestHead:
        """The request's head as it is now. ``head.metadata`` is shared by all filters, conditions and formats."""

    @property
    def peer(self) -> bytes:
        """The client's ``address:port`` on the connection."""

    @property
    def route_metadata(self) -> Mapping[str, Mapping[str, object]]:
        """``metadata.filter_metadata`` of the route that fits the request now; empty when none does."""

    @property
    def filter_state(self) -> dict[str, object]:
        """What filters keep for each other about this request, unseen by conditions and formats (Envoy's filter state)."""

    def clear_route_cache(self) -> None:
        """Look for the route again behind the last filter: what it depends on has changed."""

    def add_flag(self, flag: bytes) -> None:
        """Add one of Envoy's response flags to what the access log will say."""

    def describe(self) -> LogEntry:
        """Return what is known of the exchange by now, for formats; valid until the next call of anything."""


class HttpFilter:
    """One request's filter. Every method may be left as it is."""

    __slots__ = ()

    def on_request_head(self, head: RequestHead, end: bool) -> "Reply | WholeBody | Deferred[Reply | None] | None":
        """See, and edit, the head; *end* when there is no body. Return a `Reply` to answer here and now."""
        return None

    def on_request_data(self, data: bytes, end: bool) -> "bytes | Reply | Deferred[bytes | Reply]":
        """See a piece of the body; return what goes on in its place. *end*: the body is over (trailers may still follow), and
        *data* may be empty."""
        return data

    def on_request_trailers(self, block: bytes) -> bytes:
        """See the request's trailers; return what goes on."""
        return block

    def on_response_head(self, head: ResponseHead, end: bool) -> WholeBody | None:
        """See, and edit, the answer's head; *end* when it has no body."""
        return None

    def on_response_data(self, data: bytes, end: bool) -> "bytes | Deferred[bytes]":
        """See a piece of the answer's body; return what goes on in its place. *end* as in `on_request_data`."""
        return data

    @property
    def response_piece(self) -> int:
        """How many bytes of an answer's body `on_response_data` is given at a time, at most; 0 for as many as come."""
        return 0

    @property
    def replaces_trailers(self) -> bool:
        """Whether an answer's trailers end here: what `on_response_trailers` returns is the last of the body in their place. Until then
        the body is not over."""
        return False

    def on_response_trailers(self, block: bytes) -> bytes:
        """See the answer's trailers; return what goes on."""
        return block

    def on_done(self) -> None:
        """The exchange is over. Timers and whatever else the filter holds end here."""


@dataclass(frozen=True, slots=True)
class FactoryContext:
    """What a factory may use. ``name`` is the filter's in ``http_filters``.

    ``monotonic`` is a clock in seconds, ``wall`` the time of day in seconds since the epoch; ``call_later(seconds, call)``
    returns something with ``cancel()`` and ``active()``; ``random`` returns 63 random bits. ``count("fault.aborts_injected")``
    adds one to (or *by* to) the counter ``http.<stat_prefix>.fault.aborts_injected``, which outlives a reload; ``count_global``
    is for counters that Envoy names without ``http.<stat_prefix>``. With ``by=0`` a counter is shown from the start.
    ``node_cluster`` is the ``cluster`` of the configuration's ``node``. ``failing``: whether health checks are to fail
    (``POST /healthcheck/fail``). ``ignore_path_parameters``: the route configuration's
    ``ignore_path_parameters_in_path_matching``; who guards paths must then not be passed by ``/admin;x``.
    """

    name: str
    stat_prefix: str
    monotonic: Callable[[], float]
    wall: Callable[[], float]
    call_later: Callable[..., Any]
    random: Callable[[], int]
    runtime: Runtime
    count: Callable[..., None]
    count_global: Callable[..., None]
    node_cluster: str = ""
    failing: Callable[[], bool] = bool
    ignore_path_parameters: bool = False


class FilterFactory(Generic[C]):
    """Makes the filters of one entry of ``http_filters``.

    *config* is what `parse` returned for ``typed_config`` (for a built-in filter: its dataclass of ``model.http_filter``).
    The entry points of the group ``shifter.filters`` name subclasses; the name of an entry point is what stands behind the
    last ``/`` of the ``@type``.
    """

    def __init__(self, config: C, context: FactoryContext) -> None:
        self.config = config
        self.context = context

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> C:
        """Return the configuration that *fields*, what stands beside ``@type``, mean. A ``ValueError`` is told with the place."""
        raise NotImplementedError

    @classmethod
    def parse_override(cls, fields: Mapping[str, object]) -> object:
        """The same for a route's ``typed_per_filter_config``; as `parse` unless a route says other things."""
        return cls.parse(fields)

    def compile_override(self, config: object) -> object:
        """Return what `filter_for` is to get for routes with this configuration; called once for each."""
        return config

    def compile_overrides(self, configs: Sequence[object]) -> object:
        """The same for filters that look at what every level says (weighted entry, route, virtual host, route configuration),
        the most specific first; *configs* is not empty."""
        return self.compile_override(configs[0])

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        """Return the filter for the request *stream*, or ``None``; *override* comes from the most specific level of its route."""
        raise NotImplementedError


def dynamic_metadata(head: RequestHead, namespace: str) -> dict[str, object]:
    """Return what filters have left under *namespace* for conditions, formats and each other, to be added to."""
    if head.metadata is None:
        head.metadata = {}
    return head.metadata.setdefault(namespace, {})


def realm_of(head: RequestHead) -> bytes:
    """Return what *head* asked for, as the realm of a challenge (RFC 9110 section 11.5): no more of its path than Envoy tells."""
    return b"%b://%b%b" % (head.scheme, head.authority, head.path[:_REALM])


def unframe(head: RequestHead | ResponseHead) -> None:
    """Let the body of *head*'s message have any length (it will be sent in chunks, or as an HTTP/2 stream)."""
    if head.length != NO_BODY:
        head.length = UNTIL_END
        head.block = without(head.block, b"content-length")
