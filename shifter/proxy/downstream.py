"""What a stream and the client's side of it say to each other, whichever door the request came in by.

Rule 1. A `Downstream` is one request's way back: ``send_head`` once, then data, then an end (or ``reset``).
Rule 2. When an exchange is over it says so (`Downstream.finished`), after its epilogue, and only then may the next request
        of the connection begin.
"""

from typing import TYPE_CHECKING, Protocol

from shifter.filters.api import Reply
from shifter.model.route import Route, WeightedCluster
from shifter.net.transport import Transport
from shifter.observe.logformat import LogEntry
from shifter.routing.hash_policy import address_of
from shifter.routing.headers import Edit
from shifter.wire.events import ProtocolError, RequestHead

if TYPE_CHECKING:
    from shifter.proxy.connection_manager import ConnectionManager


class Downstream(Protocol):
    """The client's side of one exchange, as the proxy uses it."""

    runtime: "ConnectionManager"

    @property
    def connection_id(self) -> int:
        """A number for the client's connection, unique in its listener."""

    @property
    def peer(self) -> bytes:
        """The client's ``address:port``."""

    @property
    def local(self) -> bytes:
        """Our ``address:port`` on the client's connection."""

    @property
    def transport(self) -> Transport | None:
        """The client's connection; ``None`` where that is not ours to look at."""

    def send_interim(self, status: int, block: bytes) -> None:
        """Send a 1xx answer: 100 tells the client to go on with its body (RFC 9110 section 10.1.1)."""

    def send_head(self, status: int, block: bytes, length: int, data: bytes, end: bool) -> None:
        """Send the answer's head with what is there of its body.

        *length* is as in ``wire.events``: a length that *block* names, ``UNTIL_END`` or ``NO_BODY``.
        """

    def send_data(self, data: bytes, end: bool) -> None:
        """Send more of the body; *data* may be empty when *end*. Behind 101, or a 2xx to a CONNECT, *end* is that of one direction."""

    def send_trailers(self, block: bytes) -> None:
        """End the body with trailers."""

    def reset(self) -> None:
        """Cut the answer off so that the client can tell: it stays incomplete."""

    def log(self, entry: LogEntry) -> None:
        """Write *entry* to every access log; called at most once, right before ``finished``."""

    def finished(self) -> None:
        """The exchange is over and told."""

    def pause_request(self) -> None:
        """Take no more of the request's body for now."""

    def resume_request(self) -> None:
        """Go on."""


def client_of(head: RequestHead, downstream: Downstream) -> bytes:
    """Return the address of the client, as text without a port, for `routing.hash_policy`: as ``x-forwarded-for`` tells it where that
    is trusted."""
    return address_of(downstream.runtime.forwarding.remote(head) or downstream.peer)


class Exchange(Protocol):
    """The proxy's side, as a door uses it."""

    def begin(self, data: bytes, end: bool) -> None:
        """Start, with the part of the request's body that came along; *end* when that is all of it."""

    def on_request_data(self, data: bytes, end: bool) -> None:
        """More of the request's body; *data* may be empty when *end*."""

    def on_request_trailers(self, block: bytes) -> None:
        """The trailers; they end the request."""

    def on_request_broken(self, error: ProtocolError) -> None:
        """The body is not what its framing says: the request can never be whole."""

    def on_downstream_lost(self, reset: bool = False) -> None:
        """The client is gone: nothing can be sent to it any more. *reset*: this request alone was taken back."""

    def on_downstream_blocked(self) -> None:
        """The client does not take the answer as fast as it comes."""

    def on_downstream_writable(self) -> None:
        """It has taken all of it."""

    def answer(self, reply: Reply) -> None:
        """A filter answers in the upstream's place; what has begun to go out is cut. Nothing happens when all is over."""

    def describe(self) -> LogEntry:
        """Return what is known by now, for formats; valid until the next call of anything."""


class Leaf(Protocol):
    """Where a route ends: it starts the exchange that serves a request."""

    def choose(self, head: RequestHead, downstream: Downstream) -> "ChosenLeaf":
        """Return the leaf that serves *head*: the entry of a route with weights, for the others themselves.

        Who wants to know the entry before the exchange starts (it may say things about filters) chooses, and starts what was
        chosen; a choice that is made twice may fall otherwise.
        """

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        """Return the exchange for *head*; nothing has been sent yet."""


class ChosenLeaf(Leaf, Protocol):
    """A leaf that has nothing to choose any more."""

    @property
    def config(self) -> Route:
        """The route."""

    @property
    def entry(self) -> WeightedCluster | None:
        """The entry of the route that the leaf stands for, where it has any."""

    @property
    def edit_answer(self) -> Edit | None:
        """What the route table does to an answer that is given in the upstream's place."""
