"""The network in memory: transports that behave as `shifter.net.tcp` does, without sockets.

Rule 1. As with the real one, what is written leaves at the end of a turn (large pieces and many at once), and handlers are called from
        the reactor only: from `FakeNetwork.run`, which is what the reactor does between two waits.
Rule 2. The other end is the test: `FakeTransport.say`, `FakeTransport.hang_up`, and ``room`` for how much it takes.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.net.buffers import read_at_a_time
from shifter.net.tcp import Flushable
from shifter.net.transport import ConnectOptions, Connector, Handler, Transport

LARGE = 16 * 1024
LARGE_READ = 256 * 1024
MANY = 16
PATIENCE = 60.0


class FakeTransport:
    """One connection as its handler sees it, and as its other end does.

    ``written`` is what has reached the other end; ``end`` how it ended for it: ``""`` not yet, ``"fin"``, ``"reset"``.
    """

    def __init__(self, network: "FakeNetwork", peer: SocketAddress, handler: Handler | None = None) -> None:
        if handler is not None:
            self.handler = handler
        self.network = network
        self.peer = self.direct_peer = peer
        self.local = SocketAddress("192.0.2.1", 80)
        self.options: ConnectOptions | None = None
        self.tls: Any = None  # what came of the handshake, if there was one
        self.server_name = ""
        self.largest: int | None = None  # bytes that are read at a time
        self.bytes_received = 0
        self.bytes_sent = 0
        self.peer_ended: Callable[[], None] | None = None
        self.ended = False  # our direction, for the other end
        self._ending = False
        self._input_over = False
        self.connecting = False
        self.paused = False
        self.closing = False
        self.lost: str | None = None
        self.written = b""
        self.end = ""
        self.room: int | None = None  # bytes that the other end still takes; None for all
        self._queue = b""
        self._pieces = 0
        self._blocked = False
        self._linger = 0.0
        self._until = 0.0
        self._failure: str | None = None
        self._inbox: list[bytes] = []
        self._gone: str | None = None

    # what the handler calls

    def write(self, data: bytes) -> None:
        if self.lost is not None or self.closing:
            return
        self._queue += data
        self._pieces += 1
        if (len(data) >= LARGE or self._pieces >= MANY) and not self._blocked and not self.connecting:
            self._push()
        else:
            self.network.mark(self)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def unread(self) -> bool:
        return bool(self._inbox)

    def half_close(self) -> None:
        if not self.closing and self.lost is None and not self._ending:
            self._ending = True
            self.network.mark(self)

    def close(self, linger: float = 0.0) -> None:
        if self.closing or self.lost is not None:
            return
        if self.connecting:
            self.abort()
            return
        self.closing = True
        self._linger = linger
        self._until = self.network.monotonic() + PATIENCE
        self.network.mark(self)

    def abort(self) -> None:
        if self.lost is None:
            self.closing = True
            self._linger = 0.0
            self._failure = "aborted"
            self.network.mark(self)

    # what the network calls

    def flush(self) -> None:
        if self.lost is not None:
            return
        if self._failure is not None:
            self._finish(self._failure)
            return
        if self.connecting:
            return
        blocked = self._blocked
        if not self._push():
            return
        if self.closing:
            if self.end == "":
                self.end = "fin"
                self._until = self.network.monotonic() + self._linger
            if not self._linger:
                self._finish("closed locally")
        elif self._ending:
            self.ended = True
            if self._input_over:
                self._finish("closed")
        elif blocked:
            self.handler.write_drained()

    def receive(self) -> bool:
        """Hand the next of what has arrived to the handler; return whether there was something to hand over."""
        if self.lost is not None or self.connecting or (self.paused and not self.closing):
            return False
        if self._inbox:
            data = self._inbox.pop(0)
            if self.largest is not None and len(data) > self.largest:
                self._inbox.insert(0, data[self.largest :])
                data = data[: self.largest]
            self.bytes_received += len(data)
            if not self.closing:
                self.handler.data_received(data)
            return True
        if self._gone is not None and not self._input_over:
            if self._gone == "closed" and self.peer_ended is not None and not self.closing and not self.ended:
                self._input_over = True
                self.peer_ended()
            else:
                self._finish("closed locally" if self.closing else self._gone)
            return True
        return False

    def tick(self, now: float) -> None:
        if self.closing and self._until <= now:
            self._finish("closed locally")

    def _push(self) -> bool:
        self._pieces = 0
        sent = self._queue if self.room is None else self._queue[: self.room]
        if self.room is not None:
            self.room -= len(sent)
        self.written += sent
        self.bytes_sent += len(sent)
        if sent and self.closing:
            self._until = self.network.monotonic() + PATIENCE
        self._queue = self._queue[len(sent) :]
        was_blocked = self._blocked
        self._blocked = bool(self._queue)
        if self._blocked and not was_blocked and not self.closing:
            self.handler.write_blocked()
        return not self._blocked

    def _finish(self, reason: str) -> None:
        if self.lost is None:
            self.lost = reason
            self.end = {"aborted": "reset", "reset": "reset"}.get(reason, "fin")
            self.network.transports.remove(self)
            self.handler.connection_lost(reason)

    # what the test calls, as the other end

    def take(self) -> bytes:
        """Return what was written since the last time."""
        data, self.written = self.written, b""
        return data

    def arrive(self, *pieces: bytes) -> None:
        """Have *pieces* arrive, to be read in the next turn."""
        self._inbox += [piece for piece in pieces if piece]

    def say(self, *pieces: bytes) -> None:
        """Send *pieces*, each a packet of its own, and let the reactor run."""
        for piece in pieces:
            self.arrive(piece)
            self.network.run()

    def hang_up(self, reason: str = "closed") -> None:
        """Close the connection (``"closed"``; a handler that can do with half of it, only this end's direction) or have it break
        (``"reset"``: what was sent before and not read is lost)."""
        if reason != "closed":
            self._inbox = []
            self._input_over = False
        self._gone = reason
        self.network.run()

    def drain(self, room: int | None = None) -> None:
        """Take *room* more bytes (all, by default) of what is written."""
        self.room = room
        self.network.mark(self)
        self.network.run()

    def establish(self) -> None:
        """Accept the connection that was begun with `FakeNetwork.connect`."""
        assert self.connecting
        self.connecting = False
        self.handler.connection_made()
        self.network.mark(self)
        self.network.run()

    def refuse(self, reason: str = "refused") -> None:
        """Refuse it."""
        assert self.connecting
        self._failure = reason
        self.network.mark(self)
        self.network.run()

    @property
    def open(self) -> bool:
        """Whether its handler has neither lost it nor begun to close it."""
        return not self.closing and self.lost is None

    @property
    def waiting(self) -> int:
        """Bytes written that the other end has not taken."""
        return len(self._queue)

    def __repr__(self) -> str:
        return f"<FakeTransport {self.peer} lost={self.lost} waiting={self.waiting}>"


class FakeNetwork:
    """Connections that tests complete, and the reactor's turns.

    With ``answers`` set, `connect` is answered by the next `run`: ``True`` establishes, a word refuses for that reason.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.call_later = clock.callLater
        self.now = clock.seconds()
        self.dirty: list[Flushable] = []
        self.transports: list[FakeTransport] = []
        self.outgoing: list[FakeTransport] = []
        self.answers: bool | str = False

    def monotonic(self) -> float:
        return self.clock.seconds()

    def mark(self, transport: Flushable) -> None:
        self.dirty.append(transport)

    def tick(self) -> None:
        self.now = self.monotonic()
        for transport in list(self.transports):
            transport.tick(self.now)

    def connect(self, address: SocketAddress, handler: Handler, options: ConnectOptions | None = None) -> Transport:
        transport = FakeTransport(self, address, handler)
        transport.options = options
        if options is not None:
            transport.largest = read_at_a_time(options.buffer_limit, LARGE_READ)
        transport.connecting = True
        self.transports.append(transport)
        self.outgoing.append(transport)
        if options is not None and options.tls is not None:
            return options.tls.over(self, transport, handler)
        return transport

    def accept(self, make: Callable[[FakeTransport], Handler | None], peer: SocketAddress | None = None) -> FakeTransport:
        """Have a client connect; *make* returns the handler for its transport."""
        transport = FakeTransport(self, peer or SocketAddress("192.0.2.7", 4711))
        handler = make(transport)
        assert handler is not None
        transport.handler = handler
        self.transports.append(transport)
        return transport

    def turn(self) -> bool:
        """One turn of the reactor: each connection hears of one thing at most. Returns whether anything happened."""
        happened = False
        for transport in list(self.transports):
            if transport.connecting and self.answers is True:
                transport.connecting = False
                transport.handler.connection_made()
                self.mark(transport)
                happened = True
            elif transport.connecting and self.answers:
                transport._failure = str(self.answers)
                self.mark(transport)
            else:
                happened = transport.receive() or happened
        happened = happened or bool(self.dirty)
        self.flush()
        return happened

    def flush(self) -> None:
        """Send what was written."""
        while self.dirty:
            batch, self.dirty = self.dirty, []
            for one in batch:
                one.flush()

    def run(self) -> None:
        """Let the reactor turn until nothing happens any more."""
        while self.turn():
            pass


def _honest(network: FakeNetwork, transport: FakeTransport) -> tuple[Connector, Transport]:
    return network, transport  # mypy proves it
