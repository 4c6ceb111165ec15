"""One TCP connection to an endpoint that carries bytes of any kind; it is used once.

Rule 1. Nothing is read before somebody uses it, so that what an endpoint says first is heard by who comes.
Rule 2. Each direction ends by itself (half-close). What came before the end of one is never lost because of the other.
Rule 3. Who uses it hears ``upstream_lost`` once, at the very end, whoever ended it; its place in the circuit breaker is free then.
Rule 4. As an `interfaces.UpstreamStream` it is for CONNECT: nothing of the request's head is sent, the answer is an empty 200, and
        the bodies are the bytes. The end of the answer is that of one direction there: the stream is over when both have ended.
"""

from typing import TYPE_CHECKING, Protocol

from shifter.net.transport import Transport
from shifter.routing.retry import Reached
from shifter.upstream.interfaces import Failed, FailureKind, ResponseListener
from shifter.wire.events import UNTIL_END, RequestHead, ResponseHead

if TYPE_CHECKING:
    from shifter.upstream.pool_tcp import TcpPool

_OURS = ("closed locally", "aborted")


class TcpUser(Protocol):
    """Who uses a connection. Called from the reactor only, but for ``upstream_blocked``, which may come from inside ``write``."""

    def upstream_data(self, data: bytes) -> None:
        """Bytes came; never empty."""

    def upstream_ended(self) -> None:
        """The endpoint has ended its direction."""

    def upstream_lost(self, reason: str) -> None:
        """The connection is gone: ``"closed"`` when both directions had ended, else as in ``Handler.connection_lost``."""

    def upstream_blocked(self) -> None:
        """More was written than the endpoint takes: write no more for now."""

    def upstream_writable(self) -> None:
        """All of that has been sent."""


class TcpConnection:
    """See the module; made and owned by a `TcpPool`. ``blocked``: something that was written waits still."""

    __slots__ = ("_ended", "_user", "blocked", "idle_since", "opened", "pool", "requests", "transport")

    protocol = b""
    reused = False

    def __init__(self, pool: "TcpPool") -> None:
        self.pool = pool
        self.transport: Transport  # set by the pool right after construction
        self.opened = False
        self.blocked = False
        self.idle_since = 0.0
        self.requests = 0
        self._ended = False
        self._user: TcpUser | None = None

    # for who uses it

    def use(self, user: TcpUser) -> None:
        """Begin to read for *user*."""
        self._user = user
        self.requests = 1
        self.pool.begin()
        self.transport.resume()

    def write(self, data: bytes) -> None:
        """Send *data*."""
        self.transport.write(data)

    def end(self) -> None:
        """End our direction behind what was written; the endpoint's goes on."""
        self.transport.half_close()

    def pause(self) -> None:
        """Read no more until `resume`."""
        self.transport.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        self.transport.resume()

    def close(self) -> None:
        """Close behind what was written; nothing more is read."""
        self.transport.close()

    def abort(self) -> None:
        """Close at once, with a reset."""
        self.transport.abort()

    def give_up(self) -> None:
        """Close without waiting for what the endpoint does not take."""
        if self.blocked:
            self.transport.abort()
        else:
            self.transport.close()

    # UpstreamStream

    def send(self, head: RequestHead, data: bytes, end: bool, listener: ResponseListener) -> None:
        answering = _Answering(listener)
        self.use(answering)
        self.pool.network.mark(answering)
        self.send_data(data, end)

    def send_data(self, data: bytes, end: bool) -> None:
        if data:
            self.transport.write(data)
        if end:
            self.transport.half_close()

    def send_trailers(self, block: bytes) -> None:
        self.transport.half_close()

    def cancel(self) -> None:
        if isinstance(self._user, _Answering):
            self._user.over = True
        self.transport.abort()

    # for the pool

    @property
    def retired(self) -> bool:
        """Whether somebody has it, and nobody else will."""
        return self.requests > 0

    def retire(self) -> None:
        """It carries nothing else anyway."""

    # Handler

    def connection_made(self) -> None:
        self.opened = True
        self.transport.pause()
        self.transport.peer_ended = self._peer_ended
        self.pool.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._user is not None:
            self._user.upstream_data(data)

    def connection_lost(self, reason: str) -> None:
        if not self.opened:
            self.pool.connect_failed(self, reason)
            return
        user = self._user
        if user is not None:
            self.pool.finish()
        self.pool.remove(self, remote=reason not in _OURS and not self._ended, active=user is not None)
        if user is not None:
            user.upstream_lost(reason)

    def write_blocked(self) -> None:
        self.blocked = True
        if self._user is not None:
            self._user.upstream_blocked()

    def write_drained(self) -> None:
        self.blocked = False
        if self._user is not None:
            self._user.upstream_writable()

    def _peer_ended(self) -> None:
        self._ended = True
        if self._user is not None:
            self._user.upstream_ended()

    def __repr__(self) -> str:
        state = "connecting" if not self.opened else "idle" if self._user is None else "busy"
        return f"<TcpConnection {self.pool.address} {state}>"


class _Answering:
    """A `TcpUser` that tells a `ResponseListener`; rule 4. The answer begins at the end of the turn in which it was asked for, or with what
    comes before: over TLS that may be in one piece with the end of the handshake."""

    __slots__ = ("_begun", "_ended", "_listener", "over")

    def __init__(self, listener: ResponseListener) -> None:
        self._listener = listener
        self._begun = False
        self._ended = False  # the endpoint's direction
        self.over = False

    def flush(self) -> None:
        """The end of the turn in which the request was sent."""
        if not (self.over or self._begun):
            self._begun = True
            self._listener.on_head(ResponseHead(200, b"", UNTIL_END), b"", False)

    def upstream_data(self, data: bytes) -> None:
        self.flush()
        if not self.over:
            self._listener.on_data(data, False)

    def upstream_ended(self) -> None:
        self.flush()
        if not self.over:
            self._ended = True
            self._listener.on_data(b"", True)

    def upstream_lost(self, reason: str) -> None:
        self.flush()
        if self.over:
            return
        self.over = True
        if reason != "closed":
            self._listener.on_failed(Failed(FailureKind.CONNECTION_TERMINATION, Reached.ANSWER_BEGUN))
        elif not self._ended:
            self._listener.on_data(b"", True)

    def upstream_blocked(self) -> None:
        if not self.over:
            self._listener.on_blocked()

    def upstream_writable(self) -> None:
        if not self.over:
            self._listener.on_writable()
