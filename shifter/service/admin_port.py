"""Where the admin listener listens; a configuration may move it."""

import socket
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from shifter.admin import AdminSite, AdminView
from shifter.model.address import SocketAddress
from shifter.net.listen import copy_of
from shifter.service.admin_token import AdminToken

_log = Logger()


class AdminPort:
    """See the module. *view* is asked for when there is somewhere to serve it; *token* says what is wanted there."""

    def __init__(self, reactor: Any, view: Callable[[], AdminView], token: AdminToken | None = None) -> None:
        self._reactor = reactor
        self._view = view
        self._token = token or AdminToken()
        self._port: Any = None

    def serve(self, sock: socket.socket | None) -> None:
        """Serve on *sock*, which listens, and no longer where it was."""
        if self._port is not None:
            self._port.stopListening()
            self._port = None
        if sock is not None:
            token = self._token.wanted_at(SocketAddress(*sock.getsockname()[:2]))
            self._port = self._reactor.adoptStreamPort(sock.fileno(), sock.family, AdminSite(self._view(), token=token))
            sock.close()  # the reactor has its own copy of the descriptor
            _log.info("admin on {address}", address=str(self.address))

    @property
    def copies(self) -> list[socket.socket]:
        """A copy of the socket that is listened on, if any, for somebody else."""
        return [] if self._port is None else [copy_of(self._port.socket)]

    @property
    def address(self) -> SocketAddress | None:
        """Where it really listens."""
        if self._port is None:
            return None
        host = self._port.getHost()
        return SocketAddress(host.host, host.port)
