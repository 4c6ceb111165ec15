"""The admin listener's socket, and copies of it."""

import os
import socket
from types import SimpleNamespace

from shifter.model.address import SocketAddress
from shifter.net.listen import bind
from shifter.service.admin_port import AdminPort
from tests.support.admin import FixedView


def test_copies_for_somebody_else_do_not_have_the_reactor_wait() -> None:
    admin = AdminPort(None, FixedView)
    assert admin.copies == []
    # as Twisted has it: it does not wait, which Python does not know
    with socket.socket(fileno=bind(SocketAddress("127.0.0.1", 0), 5).detach()) as sock:
        admin._port = SimpleNamespace(socket=sock)
        [copy] = admin.copies
        assert copy.getsockname() == sock.getsockname()
        assert not os.get_blocking(sock.fileno())
        copy.close()
