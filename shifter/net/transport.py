"""What carries bytes, and what it carries them to.

Rule 1. A handler need not know what kind of transport it has, TCP or TLS over it: both have these methods and no others.
Rule 2. A transport calls its handler from the reactor only, never from inside a call that the handler made.
        The one exception is `Handler.write_blocked`, which may come from inside ``write``.
Rule 3. After `Handler.connection_lost` no other call follows, and writing is allowed and ignored.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shifter.model.address import Address, SocketAddress
from shifter.model.cluster import UpstreamConnectionOptions

if TYPE_CHECKING:
    from shifter.net.tcp import Flushable
    from shifter.net.tls_session import TlsSession


class Transport(Protocol):
    """One connected byte stream."""

    handler: "Handler"

    @property
    def peer(self) -> SocketAddress:
        """The other end; of a Unix domain socket its path, and port 0. Behind a PROXY header whom that names."""

    @property
    def local(self) -> SocketAddress:
        """Our end of the connection; behind a PROXY header the one that it names."""

    @property
    def direct_peer(self) -> SocketAddress:
        """The physical other end, whatever a PROXY header said."""

    @property
    def tls(self) -> "TlsSession | None":
        """What TLS agreed on; ``None`` when the bytes travel as they are."""

    @property
    def server_name(self) -> str:
        """The name that a client asked for in TLS, where its first bytes were looked at, whoever it speaks TLS with; empty for none.
        (`TlsSession.server_name` is what the handshake knows.)"""

    bytes_received: int
    bytes_sent: int

    peer_ended: Callable[[], None] | None
    """Called when the peer has ended its direction and ours goes on (half-close): set by who can do with one. ``None``, as at first:
    the connection is over then (`Handler.connection_lost`)."""

    def write(self, data: bytes) -> None:
        """Queue *data*; it is sent when the reactor has handled the events at hand, or at once when it is large."""

    def pause(self) -> None:
        """Stop calling `Handler.data_received`."""

    def resume(self) -> None:
        """Undo `pause`."""

    def unread(self) -> bool:
        """Whether the peer has said something that nobody has read yet. One that has ended its direction has not."""

    def half_close(self) -> None:
        """Send what is queued, then end our direction (FIN); the peer's goes on. Nothing may be written after it. When both have
        ended the connection is lost for the reason ``"closed"``. Not before the connection is made."""

    def close(self, linger: float = 0.0) -> None:
        """Send what is queued, then close. With *linger* seconds the peer then gets that long to close first: closing while
        its bytes are unread would reset the connection and could destroy what we just sent (RFC 9112 section 9.6)."""

    def abort(self) -> None:
        """Close at once with a reset, dropping what is queued."""


class Handler(Protocol):
    """What a transport talks to."""

    def connection_made(self) -> None:
        """An outgoing connection is established (not called for accepted ones)."""

    def data_received(self, data: bytes) -> None:
        """Bytes arrived; never empty."""

    def connection_lost(self, reason: str) -> None:
        """The connection is gone: ``"closed"`` by the peer, ``"reset"``, ``"aborted"`` or ``"closed locally"`` by us,
        ``"refused"`` or another system error in words when it never came to be."""

    def write_blocked(self) -> None:
        """More is queued than the peer takes: stop writing until `write_drained`."""

    def write_drained(self) -> None:
        """All that was queued has been sent."""


class Secured(Protocol):
    """What stands between a connection's bytes and its handler (`tls.ClientTls`)."""

    def over(self, network: "Connector", transport: Transport, handler: Handler) -> Transport:
        """Return what *handler* gets instead of *transport*, a connection that was just begun, and become that one's handler."""


class ConnectOptions(NamedTuple):
    """How a connection is made: ``socket`` as the cluster says, with a buffer of ``buffer_limit`` bytes (`buffers`), and with ``tls``
    over it, if any: then `Handler.connection_made` comes when the handshake is done."""

    socket: UpstreamConnectionOptions = UpstreamConnectionOptions()
    buffer_limit: int = 0
    tls: Secured | None = None


class Delayed(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """It is not to come any more. Only once, and not after it has come."""


class Connector(Protocol):
    """What transports come from, and the clock that goes with them (`tcp.Network`)."""

    now: float
    """Seconds of the monotonic clock, as of the last tick."""

    def monotonic(self) -> float:
        """Seconds of the monotonic clock."""

    def call_later(self, seconds: float, call: Callable[[], object]) -> Delayed:
        """Have *call* called in so many *seconds*, for the few waits that the tick is too coarse for."""

    def mark(self, transport: "Flushable") -> None:
        """Have *transport*, or something that writes to one, flushed when the events at hand are handled."""

    def connect(self, address: Address, handler: Handler, options: ConnectOptions | None = None) -> Transport:
        """Begin to connect to *address* (its host is an IP literal); *handler* hears of the outcome from the reactor."""

    def tick(self) -> None:
        """Read the clock, and end what has taken too long."""


class _Unhandled:
    """Stands in until it is known who a transport talks to, so that ``Transport.handler`` is never ``None``."""

    def connection_made(self) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, reason: str) -> None: ...

    def write_blocked(self) -> None: ...

    def write_drained(self) -> None: ...


UNHANDLED = _Unhandled()
