"""Datagrams that are sent and forgotten.

Rule 1. Nobody waits: what the system does not take at once is lost, and whoever sends is told so.
Rule 2. To have no socket is only one more way of that: a system without IPv6, a process without descriptors. The next datagram tries again.
"""

import socket

from shifter.model.address import SocketAddress


class DatagramSender:
    """Sends to one address, from whichever port there is."""

    def __init__(self, address: SocketAddress) -> None:
        self._to = (address.host, address.port)
        self._family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._socket: socket.socket | None = None
        self._closed = False

    def send(self, data: bytes) -> bool:
        """Send *data*; ``False`` if the system did not take it."""
        if self._closed:
            return False
        try:
            if self._socket is None:
                self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(data, self._to)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Send no more."""
        self._closed = True
        if self._socket is not None:
            self._socket.close()

    def __repr__(self) -> str:
        return f"<DatagramSender {self._to[0]}:{self._to[1]}>"
