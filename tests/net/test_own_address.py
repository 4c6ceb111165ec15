"""This machine's own address."""

import socket
from ipaddress import ip_address

import pytest

from shifter.net.own_address import own_address


def test_it_is_an_address_that_can_be_bound() -> None:
    address = own_address()
    assert ip_address(address).version == 4
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))


def test_a_machine_without_a_way_out_has_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Alone(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError("no way there")

    monkeypatch.setattr(socket, "socket", Alone)
    assert own_address() == "127.0.0.1"
