"""Datagrams that are sent and forgotten.

Rule 1. Nobody waits: what the system does not take at once is lost, and whoever sends is told so.
"""

import socket

from shifter.model.address import SocketAddress


class DatagramSender:
    """Sends to one address, from whichever port there is."""

    def __init__(self, address: SocketAddress) -> None:
        self._to = (address.host, address.port)
        self._socket = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, data: bytes) -> bool:
        """Send *data*; ``False`` if the system did not take it."""
        try:
            self._socket.sendto(data, self._to)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Send no more."""
        self._socket.close()

    def __repr__(self) -> str:
        return f"<DatagramSender {self._to[0]}:{self._to[1]}>"
