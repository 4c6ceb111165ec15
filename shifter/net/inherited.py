"""Listening sockets that are there before this process listens: a service manager's, or those of the process before.

Rule 1. A socket is known by the address that it was made for, or by a name. Who listens gets a copy of it, so that listening can end and
        begin again; closing a copy closes nothing for the others who have the socket.
Rule 2. A service manager's sockets are kept, for it has them open anyway, and a later configuration may want them. Others are let go of
        (`Inherited.settle`) when the first configuration has taken what it wants, so that what nobody listens on is refused.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shifter.model.address import SocketAddress
from shifter.net.listen import ListenError, ListeningPort, bind, copy_of

_FIRST = 3
"""The number of the first descriptor that systemd passes (``SD_LISTEN_FDS_START``)."""


@dataclass(slots=True)
class Handed:
    """A listening socket, the ``address`` that it was made for, and its ``name``, if any. ``kept``: see rule 2."""

    sock: socket.socket
    address: SocketAddress
    name: str = ""
    kept: bool = False
    used: bool = False


class Inherited:
    """See the module."""

    def __init__(self, sockets: Iterable[Handed] = ()) -> None:
        self._sockets = list(sockets)

    def listen(self, address: SocketAddress, backlog: int, name: str = "", leaving: Iterable[ListeningPort] = (), /) -> socket.socket:
        """Return a listening socket for *address*, or for who goes by *name*: one that is there, or a new one (`bind`). Raises
        `ListenError`."""
        found = next((one for one in self._sockets if one.address == address), None)
        if found is None and name:
            found = next((one for one in self._sockets if one.name == name), None)
        if found is None:
            return bind(address, backlog, leaving)
        sock = copy_of(found.sock)
        try:
            sock.listen(backlog)
        except OSError as error:
            sock.close()
            raise ListenError(address, error.strerror or str(error)) from None
        where = sock.getsockname()
        for one in self._sockets:
            one.used = one.used or one.sock.getsockname() == where  # one that is kept may have been handed over, too
        return sock

    def settle(self) -> list[str]:
        """The first configuration has what it wants: let go of what is not kept. Return what is kept and not used, by address and name."""
        for one in self._sockets:
            if not one.kept:
                one.sock.close()
        self._sockets = [one for one in self._sockets if one.kept]
        return [f"{one.address} ({one.name})" if one.name else str(one.address) for one in self._sockets if not one.used]

    @property
    def kept(self) -> list[Handed]:
        """Copies of what is kept, for somebody else."""
        return [Handed(copy_of(one.sock), one.address, one.name, True) for one in self._sockets if one.kept]

    def close(self) -> None:
        """Let go of everything; copies go on."""
        for one in self._sockets:
            one.sock.close()
        self._sockets = []


def from_service_manager(environment: Mapping[str, str], first: int = _FIRST) -> list[Handed]:
    """Return the sockets that systemd has passed (``LISTEN_FDS``; see ``man 3 sd_listen_fds``), if it is us whom they are for."""
    count, pid = environment.get("LISTEN_FDS", ""), environment.get("LISTEN_PID", "")
    if not count.isdigit() or pid != str(os.getpid()):
        return []
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found = []
    for number in range(int(count)):
        name = names[number] if number < len(names) else ""
        taken = adopt(first + number)
        if taken is not None:
            found.append(Handed(*taken, "" if name == "unknown" else name, True))
    return found


def adopt(fd: int) -> tuple[socket.socket, SocketAddress] | None:
    """Return the TCP socket that *fd* is, with its address, and keep it from programs that we start; ``None`` when it is none."""
    try:
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
    except OSError:
        return None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
        sock.detach()
        return None
    host, port = sock.getsockname()[:2]
    return sock, SocketAddress(host, port)
