"""What is sent arrives, and what cannot be sent harms nobody."""

import errno
import socket

import pytest

from shifter.model.address import SocketAddress
from shifter.net.datagrams import DatagramSender


def test_a_datagram_arrives_whole() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        sender = DatagramSender(SocketAddress("127.0.0.1", ear.getsockname()[1]))
        assert sender.send(b"a:1|c\nb:2|c")
        assert ear.recv(100) == b"a:1|c\nb:2|c"
        assert repr(sender) == f"<DatagramSender 127.0.0.1:{ear.getsockname()[1]}>"
        sender.close()


def test_what_is_not_taken_is_told() -> None:
    sender = DatagramSender(SocketAddress("127.0.0.1", 9))
    assert not sender.send(b"x" * 70000)  # no datagram is that large
    sender.close()
    assert not sender.send(b"x")


def test_addresses_of_the_sixth_version() -> None:
    sender = DatagramSender(SocketAddress("::1", 9))
    sender.close()
    assert repr(sender) == "<DatagramSender ::1:9>"


def test_a_system_that_has_no_socket_loses_datagrams_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*what: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    with monkeypatch.context() as patched:
        patched.setattr("shifter.net.datagrams.socket.socket", none)
        sender = DatagramSender(SocketAddress("127.0.0.1", 9))
        assert not sender.send(b"a:1|c")
    assert sender.send(b"a:1|c")
    sender.close()
