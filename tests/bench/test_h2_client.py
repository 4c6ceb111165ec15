"""The HTTP/2 client of the benchmark, against the h2 library."""

import socket
from threading import Thread

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived

from bench.h2_client import ask
from bench.load import BROWSER


def serve(sock: socket.socket, statuses: list[str], seen: list[dict[bytes, bytes]]) -> None:
    connection = H2Connection(H2Configuration(client_side=False))
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    while statuses and (data := sock.recv(1 << 16)):
        for event in connection.receive_data(data):
            if isinstance(event, RequestReceived):
                seen.append(dict(event.headers))
                connection.send_headers(event.stream_id, [(":status", statuses.pop(0))])
                connection.send_data(event.stream_id, b"hello", end_stream=True)
        sock.sendall(connection.data_to_send())
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(1 << 16):
        pass  # closing with something unread would break the connection
    sock.close()


@pytest.mark.parametrize(("statuses", "good"), [(["200", "200"], [True, True]), (["200", "503"], [True, False]), (["200"], [True, False])])
def test_requests_one_after_the_other(statuses: list[str], good: list[bool]) -> None:
    ours, theirs = socket.socketpair()
    seen: list[dict[bytes, bytes]] = []
    server = Thread(target=serve, args=(theirs, statuses, seen))
    server.start()
    with ours:
        assert [ask(ours, 1), ask(ours, 3)] == good
    server.join()
    assert seen[0][b":path"] == b"/service/1"
    assert seen[0][b"user-agent"].decode() == BROWSER["User-Agent"]
