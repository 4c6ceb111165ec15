"""Listening sockets.

Rule 1. Two sockets cannot listen on one port when the address of one is among those of the other, as 127.0.0.1 is among 0.0.0.0; not
        even for the moment in which one takes the other's place. Linux makes an exception for sockets that have SO_REUSEPORT. Ours
        have it only while one takes another's place: nobody else is to share a port by mistake.
Rule 2. As soon as a socket listens it takes the connections to its address from those whose address is a wider one. So one that takes
        the place of such a socket, or of its like, is bound beforehand and listens when it begins to accept (`ListeningPort.start`).
Rule 3. A socket that is closed resets the connections that nobody has accepted yet. So they are accepted first.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from shifter.model.address import SocketAddress
from shifter.net.tcp import Network, TcpTransport
from shifter.net.transport import UNHANDLED, Handler

_log = Logger()
_ACCEPTS_PER_EVENT = 64
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_RETRY_AFTER = 0.25


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why."""

    def __init__(self, address: SocketAddress, reason: str) -> None:
        super().__init__(f"cannot listen on {address}: {reason}")
        self.address = address


def bind(address: SocketAddress, backlog: int, leaving: "Iterable[ListeningPort]" = ()) -> socket.socket:
    """Return a non-blocking socket for *address*, which listens unless it takes the place of one of *leaving* (rule 2). Raises
    `ListenError`.

    *leaving* are to be stopped when it begins to accept.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    replaced = [port for port in leaving if _is_among(address, port.address) or _is_among(port.address, address)]
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        if replaced:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for port in replaced:
            port.share()
        sock.bind((address.host, address.port))
        if not any(_is_among(address, port.address) for port in replaced):
            sock.listen(backlog)
    except OSError as error:
        sock.close()
        for port in replaced:
            port.share(False)
        raise ListenError(address, error.strerror or str(error)) from None
    return sock


def copy_of(sock: socket.socket) -> socket.socket:
    """Return another handle on *sock*, which does not wait, and does not begin to.

    ``socket.dup`` has the copy wait as long as its original, as far as Python knows of that one; and whether to wait is something that
    all copies have in common, also those of other processes: where they accept connections they would stand still.
    """
    copy = socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))
    copy.setblocking(False)
    return copy


def _is_among(address: SocketAddress, wider: SocketAddress) -> bool:
    """Whether who listens on *wider* gets what comes to *address*."""
    if address.port != wider.port or not address.port:
        return False
    return wider.host in (address.host, "::") or (wider.host == "0.0.0.0" and ":" not in address.host)


class Listen(Protocol):
    """Where listening sockets come from: `listen`, or `inherited.Inherited.listen`."""

    def __call__(self, address: SocketAddress, backlog: int, name: str = "", leaving: "Iterable[ListeningPort]" = (), /) -> socket.socket:
        """Return a non-blocking listening socket for *address*, and for who goes by *name*; *leaving* as in `bind`. Raises
        `ListenError`."""


def listen(address: SocketAddress, backlog: int, name: str = "", leaving: "Iterable[ListeningPort]" = (), /) -> socket.socket:
    """`bind`, whatever the *name*."""
    return bind(address, backlog, leaving)


@implementer(IReadDescriptor)
class ListeningPort:
    """Accepts connections on one socket and hands each to *accept*, which returns its handler (or ``None`` to refuse). ``buffer_limit``
    is that of connections accepted from now on (`buffers`).

    When the process is out of descriptors accepting pauses for a moment instead of spinning; the kernel's backlog waits. *backlog* is
    how many connections that may be (``tcp_backlog_size``).
    """

    def __init__(
        self, network: Network, sock: socket.socket, accept: Callable[[TcpTransport], Handler | None], backlog: int = 4096
    ) -> None:
        self._backlog = backlog
        self._network = network
        self._sock = sock
        self._accept = accept
        self._retry: Any = None
        self.buffer_limit = 0
        self.paused_for_descriptors = 0
        host, port = sock.getsockname()[:2]
        self.address = SocketAddress(host, port)

    def start(self) -> None:
        """Begin to accept."""
        self._sock.listen(self._backlog)
        self.share(False)
        self._network.reactor.addReader(self)

    def resize(self, backlog: int) -> None:
        """Have the kernel's backlog be of another size from now on."""
        if backlog != self._backlog and self._sock.fileno() >= 0:
            self._backlog = backlog
            self._sock.listen(backlog)

    def share(self, on: bool = True) -> None:
        """Let another socket of this process be bound to the same port, or no longer."""
        if self._sock.fileno() >= 0:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)

    def stop(self) -> None:
        """Accept what has come by now, then no more, and close the socket; connections already accepted go on."""
        while self._sock.fileno() >= 0 and self._accept_one():
            pass
        self.close()

    def close(self) -> None:
        """Close the socket; nobody is left who could serve what waits for it."""
        if self._sock.fileno() < 0:
            return
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._network.reactor.removeReader(self)
        self._sock.close()

    @property
    def open(self) -> bool:
        """Whether connections are accepted."""
        return self._sock.fileno() >= 0

    def copy(self) -> socket.socket:
        """Return another handle on the socket, for somebody else."""
        return copy_of(self._sock)

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "listener"

    def doRead(self) -> None:
        for _ in range(_ACCEPTS_PER_EVENT):
            if not self._accept_one():
                return

    def _accept_one(self) -> bool:
        """Accept one connection; return whether there may be more."""
        try:
            sock, peer = self._sock.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _OUT_OF_DESCRIPTORS:
                self._pause(error)
                return False
            return True  # the client gave up between SYN and accept
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = TcpTransport(self._network, sock, UNHANDLED, SocketAddress(peer[0], peer[1]), self.buffer_limit)
        handler = self._accepted(transport)
        if handler is None:
            transport.abort()
            return True
        transport.handler = handler
        transport.start()
        return True

    def _accepted(self, transport: TcpTransport) -> Handler | None:
        """Return the handler of *transport*. A fault of ours costs that connection, and not the port."""
        try:
            return self._accept(transport)
        except Exception:
            _log.failure("a connection failed as it was accepted; it is closed")
            return None

    def _pause(self, error: OSError) -> None:
        self.paused_for_descriptors += 1
        if self.paused_for_descriptors == 1:
            _log.warn("out of file descriptors: accepting on {address} pauses ({reason})", address=str(self.address), reason=error.strerror)
        self._network.reactor.removeReader(self)
        self._retry = self._network.reactor.callLater(_RETRY_AFTER, self._again)  # type: ignore[attr-defined]  # every FD reactor is a clock

    def _again(self) -> None:
        self._retry = None
        self._network.reactor.addReader(self)

    def connectionLost(self, reason: object) -> None:
        self.stop()
