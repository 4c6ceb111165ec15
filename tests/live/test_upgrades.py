"""WebSocket through the proxy: real frames, both ways, many connections, and what is left when they end."""

import hashlib
import os
import struct
import threading
from base64 import b64encode

from tests.support.backend import Backend, blocks
from tests.support.proxy import Config, Proxy, cluster, route
from tests.support.wireclient import Wire

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MUCH = 16 << 20


def front(proxy: Proxy, backend: Backend, **manager: object) -> None:
    routes: list[Config] = [route("/", "backend")]
    proxy.front(routes, [cluster("backend", backend.port)], upgrade_configs=[{"upgrade_type": "websocket"}], **manager)


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A masked frame, as clients send them (RFC 6455 section 5.2)."""
    mask = os.urandom(4)
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
    return bytes([0x80 | opcode]) + length + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def switched(proxy: Proxy, count: int) -> Wire:
    """A client that has switched, to an endpoint that says *count* bytes back."""
    key = b64encode(os.urandom(16))
    assert hashlib.sha1(key + GUID).digest()  # what a real endpoint would answer with
    wire = proxy.connect()
    fields = ("connection: Upgrade", "upgrade: websocket", f"sec-websocket-key: {key.decode()}", "sec-websocket-version: 13")
    wire.request("GET", f"/echo?bytes={count}", *fields)
    head = wire._until(b"\r\n\r\n")
    assert head is not None
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nupgrade: websocket" in head
    return wire


def test_frames_go_both_ways(backend: Backend, proxy: Proxy) -> None:
    front(proxy, backend)
    frames = [frame(b"hello"), frame(b"x" * 1000, 2), frame(b"", 9), frame(b"\x03\xe8", 8)]
    with switched(proxy, sum(map(len, frames))) as wire:
        for one in frames:
            wire.send(one)
        assert wire.rest() == b"".join(frames)
        assert wire.ended == "closed"
    fields = proxy.logged(f"/echo?bytes={sum(map(len, frames))}")
    assert fields[2:6] == ["101", "-", str(sum(map(len, frames))), str(sum(map(len, frames)))]
    assert proxy.at_rest()["http.front.downstream_cx_upgrades_total"] == 1


def test_much_goes_both_ways_and_little_is_held(backend: Backend, proxy: Proxy) -> None:
    proxy.from_scratch = True
    front(proxy, backend)
    sent = hashlib.sha256()
    received = hashlib.sha256()
    with switched(proxy, MUCH) as wire:

        def say() -> None:
            for block in blocks(MUCH):
                sent.update(block)
                wire.send(block)

        thread = threading.Thread(target=say)
        proxy.begin_peak()
        before = proxy.memory()
        thread.start()
        size = 0
        while size < MUCH:
            data = wire.socket.recv(1 << 16)
            assert data
            received.update(data)
            size += len(data)
        thread.join()
        assert proxy.peak() - before < MUCH // 2 + before
    assert sent.digest() == received.digest()
    proxy.at_rest()


def test_clients_that_vanish_leave_nothing_open(backend: Backend, proxy: Proxy) -> None:
    front(proxy, backend)
    wires = [switched(proxy, 100) for _ in range(30)]
    for number, wire in enumerate(wires):
        wire.send(b"half")
        if number % 2:
            wire.reset()
        else:
            wire.close()
    backend.wait(lambda backend: backend.open == 0)
    stats = proxy.at_rest()
    assert stats["cluster.backend.upstream_rq_101"] == 30
    assert stats["cluster.backend.upstream_cx_active"] == 0


def test_silence_ends_it(backend: Backend, proxy: Proxy) -> None:
    front(proxy, backend, stream_idle_timeout="0.5s")
    with switched(proxy, 100) as wire:
        wire.send(b"hello")
        assert wire.rest() == b"hello"
    backend.wait(lambda backend: backend.open == 0)
    assert proxy.logged("/echo?bytes=100")[2:4] == ["101", "SI"]
