"""What the proxy and an upstream stream say to each other, whichever protocol carries the stream.

Rule 1. A stream carries one request and its one answer. After the answer's end, a failure or ``cancel`` neither side
        calls the other again.
Rule 2. A failure says what happened and how far the request got; retries, status codes and flags are read off these two
        facts, and nobody parses messages.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from shifter.net.transport import Transport
from shifter.routing.retry import Reached
from shifter.wire.events import RequestHead, ResponseHead

if TYPE_CHECKING:
    from shifter.upstream.pool import EndpointPool


class FailureKind(Enum):
    """Why there is no (whole) answer: Envoy's response flag, status, ``reset reason`` words and details.

    ``value`` is (flag, status, reason in the local reply, ``%RESPONSE_CODE_DETAILS%`` suffix).
    """

    REMOTE_CONNECTION_FAILURE = ("UF", 503, "remote connection failure", "remote_connection_failure")
    CONNECTION_TIMEOUT = ("UF", 503, "connection timeout", "connection_timeout")
    CONNECTION_TERMINATION = ("UC", 503, "connection termination", "connection_termination")
    PROTOCOL_ERROR = ("UPE", 502, "protocol error", "protocol_error")
    REMOTE_RESET = ("UR", 503, "remote reset", "remote_reset")
    REFUSED_STREAM = ("UR", 503, "remote refused stream reset", "remote_refused_stream_reset")
    OVERFLOW = ("UO", 503, "overflow", "overflow")
    NO_HEALTHY_UPSTREAM = ("UH", 503, "", "no_healthy_upstream")

    @property
    def flag(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]

    @property
    def reason(self) -> str:
        return self.value[2]

    @property
    def details(self) -> str:
        return self.value[3]


@dataclass(frozen=True, slots=True)
class Failed:
    """One try came to nothing: *kind*, how far it had *reached*, and *detail* for the log (a system error's words)."""

    kind: FailureKind
    reached: Reached
    detail: str = ""


class LeaseFailed(Exception):
    """No stream can be had; ``failed`` says why, ``pool`` is the endpoint that was tried last, if any."""

    def __init__(self, failed: Failed, pool: "EndpointPool | None" = None) -> None:
        super().__init__(f"{failed.kind.reason or failed.kind.details}: {failed.detail}" if failed.detail else failed.kind.details)
        self.failed = failed
        self.pool = pool


class HostLeft(LeaseFailed):
    """The endpoint that was waited for is not to be used any more: another is to be looked for at once."""

    def __init__(self, pool: "EndpointPool") -> None:
        super().__init__(Failed(FailureKind.NO_HEALTHY_UPSTREAM, Reached.NOTHING_SENT, "the host left"), pool)


class PickContext:
    """What one request asks of the load balancer (Envoy's ``LoadBalancerContext``). What it does not ask is left at its default.

    ``hash`` is that of the route's ``hash_policy``. ``criteria`` are the ``envoy.lb`` values of the subset that it may go to, key by key in
    alphabetical order; ``None`` where the route says nothing. ``avoid`` says of an endpoint that another should be looked for, up to
    ``host_selection_attempts`` times. ``priorities_tried`` are the priorities of earlier tries that are to be left out
    (``retry_priority``).
    """

    __slots__ = ("avoid", "criteria", "hash", "host_selection_attempts", "priorities_tried")

    def __init__(self) -> None:
        self.hash: int | None = None
        self.criteria: Criteria | None = None
        self.avoid: Callable[[EndpointPool], bool] | None = None
        self.host_selection_attempts = 0
        self.priorities_tried: frozenset[int] = frozenset()


Criteria = tuple[tuple[str, object], ...]
"""``metadata_match``: keys and values, sorted by key. Values are plain data."""


class ResponseListener(Protocol):
    """The proxy's side of an upstream stream. Called from the reactor only, never from inside a call it made.

    ``may_switch`` says that 101 is an answer to the request, and not an error: behind it come bytes that are no HTTP. There the end of
    the answer is not that of the stream: the listener goes on sending until its own end, or cancels.
    """

    may_switch: bool

    def on_interim(self, head: ResponseHead) -> None:
        """A 1xx answer other than 101."""

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        """The answer's head with the part of its body that came along; *end* when that is all of it."""

    def on_data(self, data: bytes, end: bool) -> None:
        """More of the body; *data* may be empty when *end*."""

    def on_trailers(self, block: bytes) -> None:
        """The field block of the trailers; ends the answer (instead of ``on_data(..., end=True)``)."""

    def on_failed(self, failed: Failed) -> None:
        """There will be no (more) answer."""

    def on_blocked(self) -> None:
        """The upstream takes no more of the request body for now."""

    def on_writable(self) -> None:
        """It does again."""


class UpstreamStream(Protocol):
    """A place for one request on a connection to one endpoint."""

    @property
    def pool(self) -> "EndpointPool":
        """The endpoint that it goes to."""

    @property
    def protocol(self) -> bytes:
        """What is spoken to it, as ``%UPSTREAM_PROTOCOL%`` says."""

    @property
    def transport(self) -> Transport:
        """What the connection is made of."""

    reused: bool
    """Whether the connection has carried a request before, so that the peer may have closed it meanwhile."""

    def send(self, head: RequestHead, data: bytes, end: bool, listener: ResponseListener) -> None:
        """Send the request with what is there of its body; *end* when that is all. ``head.length`` frames it."""

    def send_data(self, data: bytes, end: bool) -> None:
        """Send more of the body; *data* may be empty when *end*."""

    def send_trailers(self, block: bytes) -> None:
        """End the body with trailers."""

    def cancel(self) -> None:
        """The proxy has lost interest: free the stream (an HTTP/1 connection is closed, an HTTP/2 stream reset)."""

    def pause(self) -> None:
        """Deliver no more of the answer until ``resume``; at most a window's (a read's) worth is held meanwhile."""

    def resume(self) -> None:
        """Undo ``pause``."""


class PooledConnection(Protocol):
    """What a pool needs to know of its connections."""

    transport: Transport
    opened: bool
    idle_since: float
    requests: int

    @property
    def retired(self) -> bool:
        """Whether it takes no request any more."""

    def retire(self) -> None:
        """Take no request any more: close once what is under way has ended."""
