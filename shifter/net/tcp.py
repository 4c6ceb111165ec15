"""TCP transports: recv and send by hand on descriptors that Twisted's reactor watches.

Rule 1. One ``recv`` an event; the piece grows for a connection that fills it and shrinks back for one that does not. It is what a
        connection may make the process hold for a slow peer, so it never grows beyond the configured buffer.
Rule 2. Small writes of one reactor turn leave in one ``send`` a connection, after the events of that turn were handled
        (`Network.flush`): the peers are woken once, and a write can never fail inside its caller. Large ones leave at once,
        while they are still in the cache, and so do many, so that their writer hears in time that it is blocked.
Rule 3. EPOLLOUT is asked for only while the kernel's buffer is full.
"""

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Optional, Protocol

from twisted.internet.interfaces import IReactorFDSet, IReadWriteDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from shifter.model.address import Address, SocketAddress
from shifter.net.buffers import read_at_a_time
from shifter.net.socket_options import prepare
from shifter.net.transport import UNHANDLED, ConnectOptions, Delayed, Handler, Transport

if TYPE_CHECKING:
    from shifter.net.tls_session import TlsSession

_log = Logger()
_SMALL_READ = 16 * 1024
_LARGE_READ = 256 * 1024
_LARGE_WRITE = 16 * 1024
_MANY_WRITES = 16
_PATIENCE = 60.0
"""Seconds that a connection being closed may take to accept another byte of what is still queued for it."""
_RESET = struct.pack("ii", 1, 0)
_IN_PROGRESS = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class Flushable(Protocol):
    """Something that gathers what it writes during a turn."""

    def flush(self) -> None:
        """Send it."""


class Network:
    """The connections of one process: what was written this turn, and until when those being closed may take."""

    def __init__(self, reactor: Any, monotonic: Callable[[], float]) -> None:
        self.reactor: IReactorFDSet = reactor
        self.monotonic = monotonic
        self.now = monotonic()  # as of the last tick
        self.dirty: list[Flushable] = []
        self.lingering: dict[TcpTransport, float] = {}
        self.call_later: Callable[[float, Callable[[], object]], Delayed] = reactor.callLater
        self._scheduled = False
        # A reactor that calls `flush` after each turn says so; any other is asked to, once a turn.
        self._flushed_by_reactor = hasattr(reactor, "flushes")
        if self._flushed_by_reactor:
            reactor.flushes.append(self.flush)

    def mark(self, transport: "Flushable") -> None:
        """Have *transport* (or what writes to one) flushed at the end of this turn."""
        self.dirty.append(transport)
        if not self._flushed_by_reactor and not self._scheduled:
            self._scheduled = True
            self.call_later(0, self.flush)

    def flush(self) -> None:
        """Send what was written since the last turn."""
        self._scheduled = False
        while self.dirty:
            batch = self.dirty
            self.dirty = []
            for transport in batch:
                try:
                    transport.flush()
                except Exception:
                    _log.failure("a connection failed while writing")

    def tick(self) -> None:
        """Read the clock, and end lingering whose time is over."""
        self.now = now = self.monotonic()
        if self.lingering:
            for transport in [transport for transport, until in self.lingering.items() if until <= now]:
                transport.finish("closed locally")

    def close(self) -> None:
        """Forget the reactor (tests, and the end of the process)."""
        if self._flushed_by_reactor:
            self.reactor.flushes.remove(self.flush)  # type: ignore[attr-defined]  # only our own reactor has it
        for transport in list(self.lingering):
            transport.finish("closed locally")

    def connect(self, address: Address, handler: Handler, options: ConnectOptions | None = None) -> Transport:
        """Begin to connect to *address* (its host is an IP literal); *handler* hears of the outcome from the reactor."""
        where: str | tuple[str, int]
        if isinstance(address, SocketAddress):
            where, peer = (address.host, address.port), address
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        else:
            where, peer = "\0" + address.path[1:] if address.path.startswith("@") else address.path, SocketAddress(address.path, 0)
            family = socket.AF_UNIX
        limit = options.buffer_limit if options is not None else 0
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # out of descriptors: a connection that fails like any other
            transport = TcpTransport(self, _NO_SOCKET, handler, peer, limit)
            transport.connecting = True
            transport.queue = []
            self.mark(_Unmade(transport, _words(error.errno or 0)))
            return transport if options is None or options.tls is None else options.tls.over(self, transport, handler)
        sock.setblocking(False)
        code = 0
        if isinstance(address, SocketAddress):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if options is not None:
                code = prepare(sock, options.socket)
        transport = TcpTransport(self, sock, handler, peer, limit)
        code = code or sock.connect_ex(where)
        if code in _IN_PROGRESS:
            transport.connecting = True
            transport.queue = []
            self.reactor.addWriter(transport)
        else:
            transport.failure = _words(code)
            transport.queue = []
            self.mark(transport)
        if options is not None and options.tls is not None:
            return options.tls.over(self, transport, handler)
        return transport


class _NoSocket:
    """Stands in for a socket that could not be made."""

    def fileno(self) -> int:
        return sys.maxsize  # nobody's; a negative one would be that of a transport that is closed

    def getsockname(self) -> Any:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def setsockopt(self, *_: object) -> None: ...

    def close(self) -> None: ...

    recv = send = getsockname


_NO_SOCKET: Any = _NoSocket()


class _Unmade:
    """The end of the turn for a transport that has no socket."""

    def __init__(self, transport: "TcpTransport", why: str) -> None:
        self._transport = transport
        self._why = why

    def flush(self) -> None:
        self._transport.finish("aborted" if self._transport.closing else self._why)


def _words(code: int) -> str:
    if code == errno.ECONNREFUSED:
        return "refused"
    if code in (errno.ECONNRESET, errno.EPIPE):
        return "reset"
    return os.strerror(code).lower()


@implementer(IReadWriteDescriptor)
class TcpTransport:
    """One TCP connection, accepted or outgoing (`transport.Transport`). *limit* is its buffer's (`buffers`).

    Who reads a PROXY header sets ``peer`` and ``local`` to what it said, and who reads a ClientHello ``server_name``, before a handler
    sees the transport.
    """

    __slots__ = (
        "_ended", "_ending", "_largest", "_local", "_recv", "_send", "_size", "bytes_received", "bytes_sent", "closing", "connecting",
        "direct_peer", "failure", "fd", "handler", "linger", "network", "peer", "peer_ended", "queue", "reading", "server_name", "sock",
    )  # fmt: skip

    tls: Optional["TlsSession"] = None

    def __init__(self, network: Network, sock: socket.socket, handler: Handler, peer: SocketAddress, limit: int = 0) -> None:
        self.network = network
        self.sock = sock
        self.handler = handler
        self.peer = self.direct_peer = peer
        self._local: SocketAddress | None = None
        self.server_name = ""
        self.fd = sock.fileno()
        self._recv = sock.recv
        self._send = sock.send
        self._largest = read_at_a_time(limit, _LARGE_READ)
        self._size = min(_SMALL_READ, self._largest)
        self.queue: list[bytes] | None = None  # None: nothing waits; else marked dirty, or waiting for EPOLLOUT
        self.reading = False
        self.connecting = False
        self.closing = False
        self.linger = 0.0
        self.peer_ended: Callable[[], None] | None = None
        self._ended = False  # the peer's direction, where that is not the end of the connection
        self._ending = False  # our direction, behind what is queued
        self.bytes_received = 0
        self.bytes_sent = 0
        self.failure: str | None = None  # set when writing failed; told at the end of the turn

    @property
    def local(self) -> SocketAddress:
        if self._local is not None:
            return self._local
        try:
            host, port = self.sock.getsockname()[:2]
        except OSError:  # it is gone
            return SocketAddress("", 0)
        return SocketAddress(host, port)

    @local.setter
    def local(self, said: SocketAddress) -> None:
        self._local = said

    def start(self) -> None:
        """Begin to read (accepted connections)."""
        self.reading = True
        self.network.reactor.addReader(self)

    # Twisted's side

    def fileno(self) -> int:
        return self.fd

    def logPrefix(self) -> str:
        return "tcp"

    def doRead(self) -> None:
        try:
            data = self._recv(self._size)
        except BlockingIOError:
            return
        except OSError as error:
            self.finish(_words(error.errno or 0))
            return
        size = len(data)
        if size >= self._size:
            if size < self._largest:
                self._size = min(size * 4, self._largest)
        elif not size:
            self._input_over()
            return
        elif size < 4096 and self._size > _SMALL_READ:
            self._size = _SMALL_READ
        self.bytes_received += size
        if not self.closing:
            self.handler.data_received(data)

    def _input_over(self) -> None:
        """The peer has sent all that it will."""
        if self.peer_ended is None or self.closing or (self._ending and self.queue is None):
            self.finish("closed")
            return
        self.pause()
        self._ended = True
        self.peer_ended()

    def doWrite(self) -> None:
        if self.connecting:
            self._connected()
            return
        self.flush()

    def connectionLost(self, reason: object) -> None:
        """The reactor saw the descriptor fail (both directions closed, or an exception while handling an event)."""
        if self.connecting:
            self._connected()
        if self.fd >= 0:
            code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.finish(_words(code) if code else "closed")

    # our side

    def write(self, data: bytes) -> None:
        queue = self.queue
        if queue is None:
            if self.fd < 0 or self.closing:
                return
            self.queue = [data]
            if len(data) < _LARGE_WRITE:
                self.network.mark(self)
            else:
                self._send_now()
        elif not self.closing:
            waiting = queue and isinstance(queue[0], memoryview)
            queue.append(data)
            if (len(data) >= _LARGE_WRITE or len(queue) >= _MANY_WRITES) and not waiting and not self.connecting and self.failure is None:
                self._send_now()

    def _send_now(self) -> None:
        """Send from inside a write: whatever goes wrong waits for the end of the turn."""
        self._push()
        if self.failure is not None:
            self.network.mark(self)

    def _push(self) -> bool:
        """Send the queue; return whether all of it left."""
        queue = self.queue
        if not queue:
            self.queue = None
            return True
        data = queue[0] if len(queue) == 1 else b"".join(queue)
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.failure = _words(error.errno or 0)
            return False
        self.bytes_sent += sent
        if sent == len(data):
            self.queue = None
            return True
        was_waiting = isinstance(queue[0], memoryview)
        self.queue = [memoryview(data)[sent:]]  # type: ignore[list-item]  # join and send take either; no copy of the rest
        if sent and self.closing:
            self.network.lingering[self] = self.network.monotonic() + _PATIENCE
        if not was_waiting:
            self.network.reactor.addWriter(self)
            if not self.closing:
                self.handler.write_blocked()
        return False

    def flush(self) -> None:
        """Send what is queued (end of turn, or the kernel has room again)."""
        queue = self.queue
        if queue is None or self.fd < 0 or self.connecting:
            return
        if self.failure is None and not self.closing and len(queue) == 1 and queue[0].__class__ is bytes:
            # the common case, without the calls: one short piece, and all of it leaves
            data = queue[0]
            try:
                sent = self._send(data)
            except OSError:
                sent = 0
            if sent == len(data):
                self.bytes_sent += sent
                self.queue = None
                return
            if sent:
                self.bytes_sent += sent
                queue[0] = data[sent:]
        self._flush_rest()

    def _flush_rest(self) -> None:
        if self.failure is not None:
            self._give_up(self.failure)
            return
        queue = self.queue
        waited = bool(queue) and isinstance(queue[0], memoryview)  # type: ignore[index]
        done = self._push()
        if self.failure is not None:
            self._give_up(self.failure)
        elif done:
            if waited:
                self.network.reactor.removeWriter(self)
            if self.closing:
                self._end_output()
            elif self._ending:
                self._output_over()
            elif waited:
                self.handler.write_drained()

    def _give_up(self, why: str) -> None:
        """Writing failed. What the peer had said before is read first: a server that refuses an upload answers, then resets."""
        while self.reading and not self.closing:
            received = self.bytes_received
            self.doRead()
            if self.bytes_received == received:
                break
        self.finish(why)

    def pause(self) -> None:
        if self.reading:
            self.reading = False
            self.network.reactor.removeReader(self)

    def resume(self) -> None:
        if not self.reading and self.fd >= 0 and not self.connecting and not self.closing and not self._ended:
            self.reading = True
            self.network.reactor.addReader(self)

    def unread(self) -> bool:
        try:
            return self.fd >= 0 and bool(self._recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def half_close(self) -> None:
        if self.fd < 0 or self.closing or self._ending:
            return
        self._ending = True
        if self.queue is None:
            self.queue = []
            self.network.mark(self)
        elif self.queue:
            self.queue.append(b"")  # no longer the common case of `flush`

    def _output_over(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.finish("reset")
            return
        if self._ended:
            self.finish("closed")

    def close(self, linger: float = 0.0) -> None:
        if self.fd < 0 or self.closing:
            return
        if self.connecting:
            self.abort()
            return
        self.linger = linger
        self.network.lingering[self] = self.network.monotonic() + _PATIENCE
        if linger:
            self.resume()  # what still comes is read and dropped, so that the close is not a reset
        else:
            self.pause()
        self.closing = True
        if self.queue is None:
            self.queue = []
            self.network.mark(self)

    def _end_output(self) -> None:
        if not self.linger:
            self.finish("closed locally")
            return
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.finish("reset")
        else:
            self.network.lingering[self] = self.network.monotonic() + self.linger

    def abort(self) -> None:
        if self.fd < 0:
            return
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.closing = True
        self.linger = 0.0
        self.pause()
        self.failure = "aborted"
        if self.queue is None:
            self.queue = []
        self.connecting = False
        self.network.mark(self)

    def finish(self, reason: str) -> None:
        """Close the descriptor and tell the handler, once. From the reactor only."""
        if self.fd < 0:
            return
        reactor = self.network.reactor
        reactor.removeReader(self)
        reactor.removeWriter(self)
        self.network.lingering.pop(self, None)
        if self.closing and reason != "aborted":
            reason = "closed locally"
        elif self.failure is not None:
            reason = self.failure  # writing failed first, and says more than the end of reading
        self.fd = -1
        self.queue = None
        self.reading = False
        self.connecting = False
        self.sock.close()
        handler = self.handler
        handler.connection_lost(reason)
        self.handler = UNHANDLED  # which knows this: neither is to keep the other, for the garbage collector seldom looks
        self.peer_ended = None

    def _connected(self) -> None:
        self.connecting = False
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.finish(_words(code))
            return
        self.network.reactor.removeWriter(self)
        if self.queue:
            self.network.mark(self)
        else:
            self.queue = None
        self.resume()
        self.handler.connection_made()

    def __repr__(self) -> str:
        state = "connecting" if self.connecting else "closed" if self.fd < 0 else "closing" if self.closing else "open"
        return f"<TcpTransport {self.peer} {state} queued={sum(map(len, self.queue or ()))}>"
