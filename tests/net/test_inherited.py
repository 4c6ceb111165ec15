"""Sockets that were listened on before: found by address and by name, shared with whoever has them."""

import os
import socket
from collections.abc import Iterator

import pytest

from shifter.model.address import SocketAddress
from shifter.net.inherited import Handed, Inherited, adopt, from_service_manager
from shifter.net.listen import ListenError, bind

ANY = SocketAddress("127.0.0.1", 0)


def address(sock: socket.socket) -> SocketAddress:
    return SocketAddress(*sock.getsockname())


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    with bind(ANY, 10) as sock:
        yield sock


def test_a_socket_for_the_address_is_used(sock: socket.socket) -> None:
    at = address(sock)
    inherited = Inherited([Handed(sock, at)])
    with inherited.listen(at, 5) as mine:
        assert address(mine) == at and not mine.getblocking()
        with socket.create_connection((at.host, at.port)):
            sock.accept()[0].close()  # it is the same queue
    inherited.listen(at, 5).close()
    with socket.create_connection((at.host, at.port)):
        pass  # nobody closed it for the others


def test_who_has_a_copy_never_makes_others_wait(sock: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    begun_to_wait: list[float | None] = []
    monkeypatch.setattr(socket.socket, "settimeout", lambda one, seconds: begun_to_wait.append(seconds))
    found = adopt(os.dup(sock.fileno()))
    assert found is not None
    inherited = Inherited([Handed(*found, "", True)])
    copies = [inherited.listen(found[1], 5), inherited.kept[0].sock]
    assert (begun_to_wait, os.get_blocking(sock.fileno())) == ([], False)
    for copy in copies:
        copy.close()
    inherited.close()


def test_a_socket_may_go_by_a_name(sock: socket.socket) -> None:
    inherited = Inherited([Handed(sock, address(sock), "front")])
    with inherited.listen(SocketAddress("192.0.2.1", 80), 5, "front") as mine:
        assert address(mine) == address(sock)


def test_where_there_is_none_one_is_made(sock: socket.socket) -> None:
    inherited = Inherited([Handed(sock, address(sock), "front")])
    with inherited.listen(ANY, 5, "back") as other, inherited.listen(ANY, 5) as another:
        assert len({address(one) for one in (sock, other, another)}) == 3


def test_one_that_cannot_listen_is_told() -> None:
    with socket.socket() as one, socket.create_server(("127.0.0.1", 0)) as server:
        one.connect(server.getsockname())
        with pytest.raises(ListenError, match=r"cannot listen on 127\.0\.0\.1:0: "):
            Inherited([Handed(one, ANY)]).listen(ANY, 5)


def test_what_is_not_wanted_goes_unless_it_is_kept(sock: socket.socket) -> None:
    gone, kept = bind(ANY, 5), bind(ANY, 5)
    where = address(kept)
    inherited = Inherited([Handed(gone, address(gone)), Handed(kept, where, "web", True), Handed(sock, address(sock), "", True)])
    inherited.listen(address(sock), 5).close()
    assert inherited.settle() == [f"{where} (web)"]
    assert gone.fileno() < 0
    [one, other] = inherited.kept
    assert (one.address, one.name, one.kept, other.address) == (where, "web", True, address(sock))
    for copy in (one, other):
        copy.sock.close()
    with inherited.listen(where, 5):
        assert inherited.settle() == []
    inherited.close()
    assert kept.fileno() < 0


def test_sockets_of_a_service_manager(sock: socket.socket) -> None:
    with socket.socket(socket.AF_UNIX) as unix, bind(ANY, 5) as second:
        first = 900
        for number, one in enumerate((sock, unix, second)):
            os.dup2(one.fileno(), first + number)
        environment = {"LISTEN_FDS": "3", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "front:control:unknown"}
        found = from_service_manager(environment, first)
        assert [(one.address, one.name, one.kept) for one in found] == [(address(sock), "front", True), (address(second), "", True)]
        assert not any(one.sock.get_inheritable() for one in found)
        for one in found:
            one.sock.close()
        os.close(first + 1)


@pytest.mark.parametrize(
    "environment", [{}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "x", "LISTEN_PID": "1"}]
)
def test_sockets_for_somebody_else_are_left_alone(environment: dict[str, str]) -> None:
    assert from_service_manager(environment) == []


def test_what_is_no_socket_is_none() -> None:
    reading, writing = os.pipe()
    assert adopt(reading) is None
    os.close(reading)
    os.close(writing)
    assert adopt(reading) is None
