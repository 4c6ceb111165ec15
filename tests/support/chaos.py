"""A backend that fails on purpose, under the reactor of the tests, on real sockets of loopback.

Rule 1. What it does is one word, its `Mode`, and may be changed while it runs (`Chaos.turn`); a `Chaos.script` says it try by try.
Rule 2. It counts what it sees (`Counts`): how often somebody connected, asked, and went away without an answer.
Rule 3. Nothing is random, and nothing waits for a time that a test does not give it.

`tests.support.backend` is the one for tests that wait in threads, and for requests that say by their path what they want.
"""

import fcntl
import re
import struct
import termios
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.python.failure import Failure

from tests.support.backend import ReservedPort

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_WORKING = b"working"
HALF = 100
"""Bytes of a body that breaks off in the middle."""


class Mode(Enum):
    """What happens to a request, or to who wants to make one."""

    OK = "ok"
    REFUSE = "refuse"
    """Nobody listens."""
    SLOW_ACCEPT = "slow accept"
    """The connection waits in the kernel's queue for `Chaos.pause` seconds; then all is well."""
    RESET_BEFORE_HEADERS = "reset before headers"
    RESET_INSIDE_HEADERS = "reset inside headers"
    RESET_INSIDE_BODY = "reset inside the body"
    HANG = "hang"
    DRIP = "drip"
    """A byte of the body every `Chaos.pause` seconds, without an end."""
    GARBAGE = "garbage"
    OVERSIZED_HEADERS = "oversized headers"
    INTERIM_FLOOD = "1xx flood"
    """A thousand 103 before the answer."""
    SHORT_LENGTH = "short content-length"
    """Less is announced than sent."""
    LONG_LENGTH = "long content-length"
    """More is announced than sent, and then the connection is closed."""
    EARLY = "early response"
    """Answered when the head has come; what comes of the body is read and forgotten."""
    CLOSE_ON_NEXT = "close on the next request"
    """The first request of a connection is answered; when the second arrives, the connection is closed."""
    CONNECTION_CLOSE = "connection: close"
    UNAVAILABLE = "503"


@dataclass(frozen=True)
class Lost:
    """A request that was under way when its backend was killed; ``fresh``: it was the first of its connection."""

    method: str
    target: str
    fresh: bool


@dataclass
class Counts:
    """What it has seen. ``unanswered`` are requests whose connection the other end closed while they waited."""

    connections: int = 0
    requests: int = 0
    whole: int = 0
    unanswered: int = 0
    body_bytes: int = 0
    targets: Counter[str] = field(default_factory=Counter)
    lost: list[Lost] = field(default_factory=list)


class Chaos:
    """See the module. It has its port from the start, and listens once `start` is called."""

    def __init__(
        self, reactor: Any, mode: Mode = Mode.OK, *, script: Iterable[Mode] = (), host: str = "127.0.0.1", pause: float = 0.1
    ) -> None:
        self.mode = mode
        """What happens when `script` is over."""
        self.script = deque(script)
        """What happens to the next requests, one by one; not for modes that hold before there is a request."""
        self.pause = pause
        self.delay = 0.0
        """Seconds that the work takes which is done for a request."""
        self.body = _WORKING
        self.seen = Counts()
        self.connections: set[Conversation] = set()
        self.reactor = reactor
        self._reserved = ReservedPort(host)
        self.host = host
        self.port = self._reserved.port
        self._factory = ServerFactory.forProtocol(lambda: Conversation(self))
        self._factory.noisy = False
        self._listening: _Port | None = None
        self._idle: list[Deferred[None]] = []

    def start(self) -> "Chaos":
        """Listen, unless that is what it refuses to do."""
        if self.mode is not Mode.REFUSE and self._listening is None:
            self._listening = _Port(self)
            self._listening.startListening()
        return self

    async def turn(self, mode: Mode) -> None:
        """Behave like this from now on; connections that are there stay."""
        self.mode = mode
        if mode is Mode.REFUSE:
            await self._stop_listening()
        else:
            self.start()

    async def kill(self) -> int:
        """End as a process does that is killed: nobody listens, and every connection is reset. Returns how many there were; what
        they were doing is in `Counts.lost`."""
        self.mode = Mode.REFUSE
        await self._stop_listening()
        ended = tuple(self.connections)
        for connection in ended:
            self.seen.lost += connection.under_way()
            connection.reset()
        return len(ended)

    async def stop(self) -> None:
        """End everything; returns when the last connection is gone."""
        await self.kill()
        if self.connections:
            gone: Deferred[None] = Deferred()
            self._idle.append(gone)
            await gone
        self._reserved.close()

    async def _stop_listening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            await maybeDeferred(listening.stopListening)

    def next_mode(self) -> Mode:
        """What happens to the request that has just come."""
        return self.script.popleft() if self.script else self.mode

    def busy(self) -> bool:
        """Whether a request is under way."""
        return any(connection.under_way() for connection in self.connections)

    def gone(self, connection: "Conversation") -> None:
        self.connections.discard(connection)
        if not self.connections:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)


class _Port(tcp.Port):
    """A listener that lets connections wait as long as its backend says."""

    def __init__(self, chaos: Chaos) -> None:
        super().__init__(chaos.port, chaos._factory, 512, chaos.host, chaos.reactor)
        self._chaos = chaos
        self._waiting: Any = None

    def doRead(self) -> None:
        if self._chaos.mode is Mode.SLOW_ACCEPT:
            self.stopReading()
            self._waiting = self._chaos.reactor.callLater(self._chaos.pause, self._accept)
        else:
            super().doRead()

    def _accept(self) -> None:
        super().doRead()
        self.startReading()

    def connectionLost(self, reason: Failure) -> None:
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        super().connectionLost(reason)


class Conversation(Protocol):
    """One connection, seen from the backend."""

    transport: Any

    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._buffer = b""
        self._served = 0
        self._mode: Mode | None = None
        self._left = 0
        self._chunked = False
        self._answered = True
        self._method = self._target = ""
        self._call: Any = None

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self._chaos.seen.connections += 1
        self._chaos.connections.add(self)

    def connectionLost(self, reason: Failure = Failure(ConnectionError())) -> None:  # noqa: B008
        if self._call is not None and self._call.active():
            self._call.cancel()
        if not self._answered:
            self._chaos.seen.unanswered += 1
        self._chaos.gone(self)

    def under_way(self) -> list[Lost]:
        """The request that nobody has answered yet, if there is one."""
        return [] if self._answered else [Lost(self._method, self._target, self.first)]

    def reset(self) -> None:
        """End the connection with a RST."""
        self._answered = True
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer and (self._mode is not None or self._head()):
            if not self._body():
                return
            mode, self._mode = self._mode, None
            self._chaos.seen.whole += 1
            if mode is not Mode.EARLY and mode is not None:
                if self._chaos.delay:
                    self.later(self._chaos.delay, partial(ACTS[mode], self))
                else:
                    ACTS[mode](self)

    def _head(self) -> bool:
        """Read a head from what has come; whether there is one."""
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        self._buffer = rest
        self._served += 1
        self._answered = False
        seen = self._chaos.seen
        seen.requests += 1
        self._method, self._target, _ = head.decode("latin-1").split(" ", 2)
        seen.targets[self._target] += 1
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length else 0
        self._chunked = _CHUNKED.search(head) is not None
        self._mode = self._chaos.next_mode()
        if self._mode is Mode.EARLY:
            self.answer(b"413 Payload Too Large", b"too much")
        return True

    def _body(self) -> bool:
        """Read the body from what has come; whether all of it is there."""
        seen = self._chaos.seen
        if self._chunked:
            body, end, rest = self._buffer.partition(b"0\r\n\r\n")
            if not end:
                return False
            self._buffer = rest
            seen.body_bytes += len(body)
            return True
        taken = self._buffer[: self._left]
        self._buffer = self._buffer[self._left :]
        self._left -= len(taken)
        seen.body_bytes += len(taken)
        return not self._left

    # what modes are made of

    @property
    def first(self) -> bool:
        """Whether this is the connection's first request."""
        return self._served == 1

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def answer(self, status: bytes = b"200 OK", body: bytes | None = None, fields: bytes = b"", behind: bytes = b"") -> None:
        """Answer as one should; what is *behind* the answer comes with it."""
        if body is None:
            body = self._chaos.body
        self._answered = True
        self.send(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n%b\r\n%b" % (status, len(body), fields, body + behind))

    def close(self) -> None:
        self._answered = True
        self.transport.loseConnection()

    def reset_when_delivered(self) -> None:
        """End with a RST once the other end's kernel has what was sent (``SIOCOUTQ``): a RST may overtake it."""
        [waiting] = struct.unpack("i", fcntl.ioctl(self.transport.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
        if waiting or self.transport.dataBuffer or self.transport._tempDataBuffer:
            self.later(0.005, self.reset_when_delivered)
        else:
            self.reset()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Go on then, unless the connection ends before."""
        self._call = self._chaos.reactor.callLater(seconds, act)

    def drip(self) -> None:
        """A byte, and more later."""
        self.send(b"x")
        self.later(self._chaos.pause, self.drip)


def _break_off(beginning: bytes) -> Callable[[Conversation], None]:
    def act(it: Conversation) -> None:
        it.send(beginning)
        it.reset_when_delivered()

    return act


def _say(what: bytes) -> Callable[[Conversation], None]:
    return lambda it: it.send(what)


def _drip(it: Conversation) -> None:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    it.drip()


def _flood(it: Conversation) -> None:
    it.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 1000)
    it.answer()


def _long(it: Conversation) -> None:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (2 * HALF) + b"x" * HALF)
    it.close()


def _short(it: Conversation) -> None:
    it.answer(behind=b" and more")


def _only_once(it: Conversation) -> None:
    if it.first:
        it.answer()
    else:
        it.close()


def _last(it: Conversation) -> None:
    it.answer(fields=b"connection: close\r\n")
    it.close()


ACTS: dict[Mode, Callable[[Conversation], None]] = {
    Mode.OK: Conversation.answer,
    Mode.REFUSE: Conversation.reset,  # a request on a connection from before
    Mode.SLOW_ACCEPT: Conversation.answer,
    Mode.RESET_BEFORE_HEADERS: Conversation.reset,
    Mode.RESET_INSIDE_HEADERS: _break_off(b"HTTP/1.1 200 OK\r\ncontent-le"),
    Mode.RESET_INSIDE_BODY: _break_off(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (2 * HALF) + b"x" * HALF),
    Mode.HANG: lambda it: None,
    Mode.DRIP: _drip,
    Mode.GARBAGE: _say(b"\x00\x01\x02 this is no HTTP\r\n\r\n"),
    Mode.OVERSIZED_HEADERS: _say(
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + b"".join(b"x-%d: %b\r\n" % (at, b"y" * 1000) for at in range(90)) + b"\r\n"
    ),
    Mode.INTERIM_FLOOD: _flood,
    Mode.SHORT_LENGTH: _short,
    Mode.LONG_LENGTH: _long,
    Mode.CLOSE_ON_NEXT: _only_once,
    Mode.CONNECTION_CLOSE: _last,
    Mode.UNAVAILABLE: lambda it: it.answer(b"503 Service Unavailable", b"as you wish"),
}
"""What is done when a request is there, whole."""
