"""Transports and the network in memory: what connections write is kept, what they are told is up to the test."""

from shifter.model.address import SocketAddress
from shifter.net.tcp import Flushable
from shifter.net.transport import Handler, Transport


class MemoryTransport:
    """One side of a connection. ``written`` is what its handler wrote; `say` is what it hears."""

    def __init__(self, handler: Handler | None = None, peer: SocketAddress | None = None) -> None:
        self.peer = peer or SocketAddress("192.0.2.7", 4711)
        self.handler = handler
        self.bytes_received = 0
        self.bytes_sent = 0
        self.written = b""
        self.reading = True
        self.closed = ""  # "close" or "abort"
        self.linger = 0.0

    # Transport

    def write(self, data: bytes) -> None:
        if not self.closed:
            self.written += data
            self.bytes_sent += len(data)

    def pause(self) -> None:
        self.reading = False

    def resume(self) -> None:
        self.reading = True

    def close(self, linger: float = 0.0) -> None:
        self.closed = self.closed or "close"
        self.linger = linger

    def abort(self) -> None:
        self.closed = "abort"

    # the test's side

    def take(self) -> bytes:
        """Return what was written since the last time."""
        data = self.written
        self.written = b""
        return data

    def say(self, data: bytes) -> None:
        """The peer sends *data*."""
        assert self.handler is not None and self.reading
        self.bytes_received += len(data)
        if data:
            self.handler.data_received(data)

    def lose(self, reason: str = "closed") -> None:
        assert self.handler is not None
        self.handler.connection_lost(reason)


_: Transport = MemoryTransport()


class MemoryNetwork:
    """Stands in for `shifter.net.tcp.Network`: connections that a test completes, and turns that it ends."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.dirty: list[Flushable] = []
        self.transports: list[MemoryTransport] = []

    def monotonic(self) -> float:
        return self.now

    def mark(self, transport: Flushable) -> None:
        self.dirty.append(transport)

    def connect(self, address: SocketAddress, handler: Handler) -> MemoryTransport:
        transport = MemoryTransport(handler, address)
        self.transports.append(transport)
        return transport

    def turn(self) -> None:
        """End a turn of the reactor."""
        while self.dirty:
            batch = self.dirty
            self.dirty = []
            for one in batch:
                one.flush()
