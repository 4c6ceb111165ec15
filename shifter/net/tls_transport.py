"""TLS over a transport: a transport itself.

Rule 1. It keeps the rules of `tcp`: what is written in a turn leaves as few records at its end, large pieces at once; one piece that
        arrived is one call of its handler, with all that was in it.
Rule 2. While the transport below is blocked nothing is encrypted: what waits, waits once. One piece is taken from below at a time, and
        nothing while the handler rests; so a slow peer holds what it holds without TLS.
Rule 3. Nobody hears of a connection before its handshake is done, and nothing that a peer says before is anything but handshake.
Rule 4. A peer gets no work done for nothing: bytes that are no data (empty records, new keys, attempts to renegotiate) count, and too many
        in a row end the connection.
Rule 5. A peer that closes without saying so in TLS has closed, as for Envoy; `TlsSession.truncated` says so for whom it matters.
"""

from collections.abc import Callable
from typing import Any

from shifter.model.address import SocketAddress
from shifter.net.tls_engine import (
    CLOSED,
    GATHERED,
    RECORD,
    SCRATCH,
    SIZE,
    VIEW,
    WANT_READ,
    BIO_read,
    BIO_write,
    Engine,
    SSL_read,
    SSL_write,
    faults,
    from_buffer,
)
from shifter.net.tls_failure import Fault, TlsFailure, failure_of
from shifter.net.tls_session import TlsSession
from shifter.net.transport import UNHANDLED, Connector, Handler, Transport

_LARGE_WRITE = 16 * 1024
_MANY_WRITES = 16
_BULK = 8 * 1024
"""Pieces that make OpenSSL's queues grow so much that they are thrown away afterwards."""
_IDLE_BYTES = 2 * RECORD
"""Bytes that may come in a row without data in them: more than the largest record, which may come in small pieces."""
_LAST_WORDS = 1.0
"""Seconds that a peer has to read why a handshake failed."""


class Role:
    """Which end of a handshake we are (`tls`), and who hears how it ends. ``checks``: whether a certificate that is let through has been
    looked at."""

    checks: bool

    def done(self, transport: "TlsTransport") -> None:
        """It is done."""
        raise NotImplementedError

    def lost(self, transport: "TlsTransport", failure: TlsFailure, reason: str) -> None:
        """It came to nothing; *reason* is a handler's."""
        raise NotImplementedError

    def failure(self, found: list[Fault]) -> TlsFailure:
        """Return what *found* means, with what was found against the peer's certificate."""
        raise NotImplementedError


def broken(reason: str) -> TlsFailure:
    """Return what it means that the connection ended within the handshake."""
    words = {"closed": "the other end closed the connection during the handshake", "reset": "the other end reset the connection"}
    return TlsFailure("", "closed", words.get(reason, reason))


class TlsTransport:
    """TLS over the transport *below* (`transport.Transport`): made by `tls.accept_tls` and `tls.ClientTls.over`.

    ``bytes_received`` and ``bytes_sent`` count what is protected, as Envoy does. ``tls`` is ``None`` until the handshake is done.
    """

    __slots__ = (
        "_blocked", "_closing", "_cut", "_ended", "_ending", "_held", "_idle", "_inward", "_lost", "_outward", "_owed", "_paused", "_queue",
        "_role", "_ssl", "_told", "_untaken", "below", "bytes_received", "bytes_sent", "engine", "handler", "keep", "network",
        "peer_ended", "tls",
    )  # fmt: skip

    def __init__(self, network: Connector, below: Transport, engine: Engine, role: Role) -> None:
        self.network = network
        self.below = below
        self.handler: Handler = UNHANDLED
        self.tls: TlsSession | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.peer_ended: Callable[[], None] | None = None
        below.peer_ended = self._below_ended
        self.engine = engine
        self._ssl, self._inward, self._outward = engine.ssl, engine.inward, engine.outward
        self._role: Role | None = role  # until the handshake is done
        self._queue: list[bytes] | None = []  # None: nothing waits
        self._blocked = False  # the transport below takes no more
        self._told = False  # our handler knows
        self._closing = False
        self._ending = False  # our direction, which has ended
        self._ended = False  # the peer's
        self._lost = False
        self.keep: Callable[[], None] | None = None  # told when there may be a session to keep
        self._paused = False
        self._held = b""
        self._idle = 0
        self._untaken = False  # OpenSSL's queue holds what came behind the handshake
        self._owed = 0  # bytes of the record at hand that have not come yet; -1: its header is in _cut
        self._cut = b""

    @property
    def peer(self) -> SocketAddress:
        return self.below.peer

    @property
    def direct_peer(self) -> SocketAddress:
        return self.below.direct_peer

    @property
    def server_name(self) -> str:
        return self.below.server_name

    @property
    def local(self) -> SocketAddress:
        return self.below.local

    # what the transport below tells

    def connection_made(self) -> None:
        self._shake()

    def data_received(self, data: bytes) -> None:
        size = len(data)
        if self._owed == 0 and size > 5 and size == (data[3] << 8 | data[4]) + 5 and self._role is None and not self._closing:
            # the common case, without the calls: one record, and all of it
            BIO_write(self._inward, data, size)
            got = SSL_read(self._ssl, SCRATCH, SIZE)
            if got > 0:
                self._idle = 0
                self.bytes_received += got
                self.handler.data_received(VIEW[:got])
            else:
                self._nothing_in(size, got)
            if size > _BULK and not self._lost:
                self._shrink()
            return
        if self._closing or self._lost or self._ended:
            return
        self._frame(data)
        BIO_write(self._inward, data, size)
        if self._role is not None:
            self._shake()
            if self._role is not None or self._lost or self._closing:
                return
        self._read(size)

    def _read(self, size: int) -> None:
        """Hand over what the *size* bytes that came hold."""
        pieces = []
        while (got := SSL_read(self._ssl, SCRATCH, SIZE)) > 0:
            pieces.append(VIEW[:got])
        self._untaken = False
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self._idle = 0
            self.bytes_received += len(data)
            if self._paused:
                self._held += data
                return  # what is behind it, an end or a fault, is told behind it (`_deliver`)
            self.handler.data_received(data)
        self._nothing_in(0 if pieces else size, got)
        if size > _BULK and not self._lost:
            self._shrink()

    def _nothing_in(self, size: int, got: int) -> None:
        """OpenSSL gave *got* instead of data, after *size* bytes."""
        if self._lost or self._closing:
            return
        code = self.engine.error(got)
        if code == WANT_READ:
            self._idle += size
            if self._idle > _IDLE_BYTES:
                self._fail(failure_of([Fault(0, "too many empty fragments")]))
                return
            self._send_below()  # an answer to new keys, if any
            if self.keep is not None:
                self.keep()
        elif code == CLOSED:
            self._peer_done()
        else:
            self._fail(failure_of(faults()))

    def _peer_done(self) -> None:
        """The peer has ended its direction; ours goes on if our handler can do with that."""
        if self._ended or self._lost or self._closing:
            return
        self._ended = True
        self._owed = -1  # no record is looked at any more, so that OpenSSL does not keep what it will not read
        if self.peer_ended is None or self._ending:
            self._leave("closed")
        else:
            self.peer_ended()

    def _below_ended(self) -> None:
        """The peer has ended its direction of the transport below, in TLS or not."""
        if self._role is not None:
            self.connection_lost("closed")
            self.below.close()
        elif not self._ended:
            self._cut_off()
            self._peer_done()

    def _cut_off(self) -> None:
        if self.tls is not None and not self._ended:
            self.tls.truncated = True

    def connection_lost(self, reason: str) -> None:
        if self._lost:
            return
        role, self._role = self._role, None
        if role is not None:
            self._lost = True
            role.lost(self, broken(reason), reason)
            self._let_go()
            return
        if reason in ("closed", "reset"):
            self._cut_off()
        self._leave(reason)

    def write_blocked(self) -> None:
        self._blocked = True
        if not (self._told or self._closing or self._lost) and self._role is None:
            self._told = True
            self.handler.write_blocked()

    def write_drained(self) -> None:
        self._blocked = False
        if self._queue:
            self.flush()
        if self._told and not (self._blocked or self._closing or self._lost):
            self._told = False
            self.handler.write_drained()

    # the handshake

    def _shake(self) -> None:
        done = self.engine.shake()
        if done == 1:
            role = self._role
            assert role is not None
            self.tls = TlsSession(self.engine, role.checks)
            self._role = None
            self._send_below()
            if self._paused:
                self.below.pause()
            self._untaken = True
            role.done(self)
            if self._lost or self._closing:
                return
            self.network.mark(self)  # what was written meanwhile
            if self._blocked:
                self.write_blocked()
            return
        if self.engine.error(done) == WANT_READ:
            self._send_below()
            return
        found = faults()
        assert self._role is not None
        self._fail(self._role.failure(found))

    def give_up(self, failure: TlsFailure) -> None:
        """The handshake takes too long, or its server is not wanted any more."""
        self._fail(failure)

    def _fail(self, failure: TlsFailure) -> None:
        """TLS went wrong: tell the peer (OpenSSL has the alert ready), and who is concerned."""
        role, self._role = self._role, None
        self._lost = True
        self._send_below()
        self.below.close(_LAST_WORDS)
        if role is not None:
            role.lost(self, failure, failure.reason)
        else:
            if self.tls is not None:
                self.tls.failure = failure
            self.handler.connection_lost(failure.reason)
        self._let_go()

    def _leave(self, reason: str) -> None:
        """The connection is over; *reason* is the handler's."""
        self._lost = True
        self._queue = None
        if self.keep is not None:
            self.keep()
        self.engine.end()
        self._send_below()
        self.engine.settle()
        self.below.close()
        self.handler.connection_lost(reason)
        self._let_go()

    def _let_go(self) -> None:
        """Nothing is told any more: give back OpenSSL's part now, and not when somebody looks for garbage."""
        if self.tls is not None:
            self.tls.end()
        self.keep = self._queue = None
        self.handler = UNHANDLED
        self.below.handler = UNHANDLED
        self.below.peer_ended = None
        del self.engine, self._ssl, self._inward, self._outward

    # what the handler calls

    def write(self, data: bytes) -> None:
        queue = self._queue
        if queue is None:
            if self._closing or self._lost or self._ending:
                return
            self._queue = [data]
            if len(data) < _LARGE_WRITE or self._blocked:
                self.network.mark(self)
            else:
                self.flush()
        elif not (self._closing or self._ending):
            queue.append(data)
            if (len(data) >= _LARGE_WRITE or len(queue) >= _MANY_WRITES) and not self._blocked:
                self.flush()

    def flush(self) -> None:
        """Protect what is queued and hand it down (end of turn, or there is room again)."""
        queue = self._queue
        if queue is None or self._blocked or self._role is not None or self._lost:
            return
        self._queue = None
        self._protect(queue[0] if len(queue) == 1 else b"".join(queue))

    def _protect(self, data: bytes) -> None:
        size = len(data)
        got = 1
        if 0 < size <= RECORD:
            SSL_write(self._ssl, data, size)
            got = BIO_read(self._outward, SCRATCH, SIZE)
            if got > 0:
                self.below.write(VIEW[:got])
        elif size:
            got = self._protect_bulk(from_buffer(data), size)
        if got <= 0:
            self.network.mark(_Later(self._give_up))
        self.bytes_sent += size
        if size > _BULK and not self._untaken:
            self._shrink()

    def _protect_bulk(self, data: Any, size: int) -> int:
        """Protect *size* bytes of OpenSSL's kind, with as few copies as it allows; return 0 or less when it fails."""
        ssl, outward = self._ssl, self._outward
        for start in range(0, size, GATHERED * RECORD):
            filled = 0
            for at in range(start, min(start + GATHERED * RECORD, size), RECORD):
                SSL_write(ssl, data + at, min(RECORD, size - at))
                got: int = BIO_read(outward, SCRATCH + filled, SIZE)
                if got <= 0:
                    return got
                filled += got
            self.below.write(VIEW[:filled])
        return 1

    def _give_up(self) -> None:
        """OpenSSL took no more from us: what it was, it says."""
        if not self._lost:
            self._fail(failure_of(faults()))

    def _send_below(self) -> None:
        data = self.engine.taken()
        if data:
            self.below.write(data)

    def pause(self) -> None:
        self._paused = True
        if self._role is None:
            self.below.pause()

    def resume(self) -> None:
        if not self._paused:
            return
        self._paused = False
        if self._held:
            self.network.mark(_Later(self._deliver))
        else:
            self.below.resume()

    def _deliver(self) -> None:
        """Hand over what came while the handler rested, unless it rests again."""
        if self._paused or self._lost or self._closing:
            return
        data, self._held = self._held, b""
        self.below.resume()
        if data:
            self.handler.data_received(data)
            if not (self._lost or self._closing):
                self._read(0)

    def unread(self) -> bool:
        return bool(self._held) or self._owed != 0 or self.below.unread()

    def half_close(self) -> None:
        if self._closing or self._lost or self._ending or self._role is not None:
            return
        self._ending = True
        self._finish_writing()
        if self._ended:
            self.network.mark(_Later(self._over))

    def _over(self) -> None:
        """Both directions have ended."""
        if not self._lost and not self._closing:
            self._leave("closed")

    def _finish_writing(self) -> None:
        """Hand down what is queued, and that no more comes. While the transport below is blocked this waits there, encrypted."""
        queue, self._queue = self._queue, None
        if queue:
            self._protect(b"".join(queue))
        self.engine.end()
        self._send_below()

    def close(self, linger: float = 0.0) -> None:
        if self._closing or self._lost:
            return
        if self._role is not None:
            self.abort()
            return
        self._closing = True
        self._finish_writing()
        self.below.close(linger)

    def abort(self) -> None:
        self._closing = True
        self._queue = None
        self.below.abort()

    # OpenSSL's queues

    def _frame(self, data: bytes) -> None:
        """Find out where the record ends that *data* ends in."""
        if self._owed < 0:
            data, self._owed = self._cut + data, 0
            self._cut = b""
        at, size = self._owed, len(data)
        while at + 5 <= size:
            at += 5 + (data[at + 3] << 8 | data[at + 4])
        if at < size:
            self._cut = data[at:]
            self._owed = -1
        else:
            self._owed = at - size

    def _shrink(self) -> None:
        engine = self.engine
        engine.shrink()
        self._inward, self._outward = engine.inward, engine.outward

    def __repr__(self) -> str:
        state = "shaking hands" if self._role is not None else "closed" if self._lost else "closing" if self._closing else "open"
        return f"<TlsTransport {self.peer} {state} queued={sum(map(len, self._queue or ()))}>"


class _Later:
    """Something to be done at the end of the turn, when handlers may be called."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.flush = call
