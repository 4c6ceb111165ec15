"""What the demo's service answers."""

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.server import Site

from demo.service import Hello


def answer(path: str) -> tuple[bytes, bytes]:
    """Status line and body."""
    clock = Clock()
    channel = Site(Hello(clock, "1a", "box", "127.0.1.2"), reactor=clock).buildProtocol(None)
    wire = StringTransport()
    channel.makeConnection(wire)
    channel.dataReceived(f"GET {path} HTTP/1.1\r\nHost: service1a\r\nConnection: close\r\n\r\n".encode())
    head, _, body = wire.value().partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


@pytest.mark.parametrize("path", ["/service/1", "/service/2?x=1"])
def test_says_which_version_it_is_whatever_was_asked_for(path: str) -> None:
    status, body = answer(path)
    assert status == b"HTTP/1.1 200 OK"
    assert body == b"Hello from behind shifter (service 1a)! hostname: box resolvedhostname: 127.0.1.2\n"


@pytest.mark.parametrize("path", ["/", "/service", "/service/", "/service/1/x", "/services/1"])
def test_knows_no_other_path(path: str) -> None:
    status, body = answer(path)
    assert status == b"HTTP/1.1 404 Not Found"
    assert b"Hello" not in body
