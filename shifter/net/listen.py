"""Listening sockets."""

import errno
import socket
from collections.abc import Callable
from typing import Any

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


def bind(address: SocketAddress, backlog: int) -> socket.socket:
    """Return a non-blocking listening socket. Raises `ListenError`."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((address.host, address.port))
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise ListenError(address, error.strerror or str(error)) from None
    return sock


@implementer(IReadDescriptor)
class ListeningPort:
    """Accepts connections on one socket and hands each to *accept*, which returns its handler (or ``None`` to refuse). ``buffer_limit``
    is that of connections accepted from now on (`buffers`).

    When the process is out of descriptors accepting pauses for a moment instead of spinning; the kernel's backlog waits.
    """

    def __init__(self, network: Network, sock: socket.socket, accept: Callable[[TcpTransport], Handler | None]) -> None:
        self._network = network
        self._sock = sock
        self._accept = accept
        self._retry: Any = None
        self.buffer_limit = 0
        self.paused_for_descriptors = 0
        host, port = sock.getsockname()[:2]
        self.address = SocketAddress(host, port)

    def start(self) -> None:
        self._network.reactor.addReader(self)

    def stop(self) -> None:
        """Stop accepting and close the socket; connections already accepted go on."""
        if self._sock.fileno() < 0:
            return
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._network.reactor.removeReader(self)
        self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def logPrefix(self) -> str:
        return "listener"

    def doRead(self) -> None:
        for _ in range(_ACCEPTS_PER_EVENT):
            try:
                sock, peer = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    self._pause(error)
                    return
                continue  # the client gave up between SYN and accept
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = TcpTransport(self._network, sock, UNHANDLED, SocketAddress(peer[0], peer[1]), self.buffer_limit)
            handler = self._accepted(transport)
            if handler is None:
                transport.abort()
                continue
            transport.handler = handler
            transport.start()

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
