"""A reactor that turns when a test says so, over real sockets of the loopback."""

import select
import socket
from typing import Any

from twisted.internet.task import Clock

from shifter.model.address import SocketAddress

PATIENCE = 10.0  # seconds that something which is sure to happen may take


class HandDriven(Clock):
    """Remembers who wants to read and to write; `turn` waits for one of them. *lean* has what our own reactor has."""

    def __init__(self, lean: bool = True) -> None:
        super().__init__()
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()
        if lean:
            self.flushes: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def ready(self, patience: float = 0.0) -> tuple[list[Any], list[Any]]:
        """Who could read and who could write now, or within *patience* seconds."""
        reading, writing, _ = select.select(list(self.readers), list(self.writers), [], patience)
        return reading, writing

    def turn(self, patience: float = PATIENCE) -> None:
        """Wait for an event, handle those that there are, and flush."""
        reading, writing = self.ready(patience)
        assert reading or writing or not patience, "nothing happens"
        for one in writing:
            if one in self.writers:
                one.doWrite()
        for one in reading:
            if one in self.readers:
                one.doRead()
        self.end_turn()

    def end_turn(self) -> None:
        for flush in getattr(self, "flushes", ()):
            flush()
        self.advance(0)


class Recorder:
    """A handler that writes down what it hears."""

    def __init__(self) -> None:
        self.saw: list[str] = []
        self.data = b""

    def connection_made(self) -> None:
        self.saw.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.saw.append("data")

    def connection_lost(self, reason: str) -> None:
        self.saw.append(f"lost {reason}")

    def write_blocked(self) -> None:
        self.saw.append("blocked")

    def write_drained(self) -> None:
        self.saw.append("drained")


def listening(family: int = socket.AF_INET) -> tuple[socket.socket, SocketAddress]:
    """A blocking server socket on the loopback and its address."""
    server = socket.socket(family)
    server.settimeout(PATIENCE)
    server.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    server.listen()
    host, port = server.getsockname()[:2]
    return server, SocketAddress(host, port)
