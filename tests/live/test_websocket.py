"""WebSocket through the proxy with a real server and a real client, and frame by frame: what comes back is what comes back without it.

The table is Autobahn's in short (its own suite needs Python 2): sizes, pings, reserved bits, fragments, UTF-8, closes, large messages
and compression. Every case is run against the server itself and on every way through the proxy; `PATHS` are what is spoken on them.
"""

import os
import socket
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.sync.client import connect

from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, bootstrap, cluster, http2, listener, route
from tests.support.tunnels import Endpoint, Http1Client, Http2Client

LARGEST = 16 << 20
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
DEFLATE = b"permessage-deflate"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PATHS = ("h1 to h1", "h1 to h2", "h2 to h1", "h2 to h2")


def frame(opcode: int, payload: bytes = b"", fin: bool = True, reserved: int = 0, masked: bool = True) -> bytes:
    """A frame as clients send it (RFC 6455 section 5.2). The mask is all zeros: it costs nothing, and is one."""
    size = len(payload)
    bit = 0x80 if masked else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 1 << 16:
        length = bytes([bit | 126]) + struct.pack("!H", size)
    else:
        length = bytes([bit | 127]) + struct.pack("!Q", size)
    return bytes([fin << 7 | reserved << 4 | opcode]) + length + (bytes(4) if masked else b"") + payload


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def fragments(opcode: int, *payloads: bytes, between: bytes = b"") -> list[bytes]:
    """A message in pieces, with frames *between* them."""
    last = len(payloads) - 1
    frames = [frame(0 if number else opcode, payload, number == last) for number, payload in enumerate(payloads)]
    return [one for number, each in enumerate(frames) for one in ((between, each) if number and between else (each,))]


def compressed(*messages: bytes) -> list[bytes]:
    """Messages deflated one after the other (RFC 7692 section 7.2.1)."""
    deflate = zlib.compressobj(wbits=-12)
    return [(deflate.compress(one) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4] for one in messages]


@dataclass(frozen=True)
class Case:
    """What is sent, piece by piece. It ends with a close, the client's or the server's."""

    name: str
    pieces: list[bytes] = field(repr=False)
    deflate: bool = False


TEXTS = "κόσμε", "\U00010348 €", "\ufffd", "plain"
NO_TEXTS = (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xff", b"\x80")
BYE = closing(1000)


def _table() -> Iterator[Case]:
    for size in (0, 1, 125, 126, 127, 65535, 65536):
        yield Case(f"text of {size}", [frame(TEXT, b"*" * size), BYE])
        yield Case(f"binary of {size}", [frame(BINARY, b"\xfe" * size), BYE])
    whole = frame(BINARY, bytes(range(256)) * 8)
    yield Case("cut into pieces", [*(whole[at : at + 97] for at in range(0, len(whole), 97)), BYE])
    yield Case("byte by byte", [*(bytes([one]) for one in frame(TEXT, b"hello")), BYE])
    for size in (0, 1, 125):
        yield Case(f"ping of {size}", [frame(PING, b"p" * size), BYE])
    yield Case("ping of 126", [frame(PING, b"p" * 126), BYE])
    yield Case("pong unasked", [frame(PONG, b"here"), frame(PING, b"there"), BYE])
    yield Case("ten pings", [*(frame(PING, b"%d" % number) for number in range(10)), BYE])
    for reserved in range(1, 8):
        yield Case(f"reserved bits {reserved}", [frame(TEXT, b"good"), frame(TEXT, b"bad", reserved=reserved), BYE])
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield Case(f"opcode {opcode}", [frame(TEXT, b"good"), frame(opcode, b"bad"), BYE])
    yield Case("not masked", [frame(TEXT, b"bad", masked=False), BYE])
    yield Case("two fragments", [*fragments(TEXT, b"frag", b"ment"), BYE])
    yield Case("many fragments", [*fragments(BINARY, *[b"x"] * 50), BYE])
    yield Case("empty fragments", [*fragments(TEXT, b"", b"", b""), BYE])
    yield Case("a ping between fragments", [*fragments(TEXT, b"frag", b"ment", b"s", between=frame(PING, b"now")), BYE])
    yield Case("fragments in one piece", [b"".join(fragments(TEXT, b"frag", b"ment", between=frame(PING))), BYE])
    yield Case("a ping in fragments", [*fragments(PING, b"frag", b"ment"), BYE])
    yield Case("a continuation of nothing", [frame(0, b"bad"), BYE])
    yield Case("a message within a message", [frame(TEXT, b"one", False), frame(TEXT, b"two"), BYE])
    yield Case("a close between fragments", [frame(TEXT, b"one", False), BYE])
    for number, text in enumerate(TEXTS):
        said = text.encode()
        yield Case(f"text {number} in fragments of a byte", [*fragments(TEXT, *(bytes([one]) for one in said)), BYE])
        for at in range(len(said)):
            yield Case(f"text {number} cut at {at}", [*fragments(TEXT, said[:at], said[at:]), BYE])
    for number, said in enumerate(NO_TEXTS):
        yield Case(f"no text {number}", [frame(TEXT, said), BYE])
        yield Case(f"no text {number} in fragments", [*fragments(TEXT, *(bytes([one]) for one in said)), BYE])
        yield Case(f"no text {number}, binary", [frame(BINARY, said), BYE])
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999):
        yield Case(f"close {code}", [closing(code, b"because")])
    for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535):
        yield Case(f"no close code {code}", [closing(code)])
    yield Case("close without a code", [frame(CLOSE)])
    yield Case("close with half a code", [frame(CLOSE, b"\x03")])
    yield Case("close with the longest reason", [closing(1000, b"r" * 123)])
    yield Case("close with too long a reason", [closing(1000, b"r" * 124)])
    yield Case("close with no text", [closing(1000, b"\xff")])
    yield Case("words behind the close", [frame(TEXT, b"one") + BYE + frame(TEXT, b"two")])
    for size in (1 << 18, 1 << 20, LARGEST):
        yield Case(f"large: {size}", [frame(BINARY, os.urandom(1024) * (size >> 10)), BYE])
    yield Case("large, in fragments", [*fragments(BINARY, *[b"f" * (1 << 16)] * 64), BYE])
    one, two = compressed(b"hello " * 100, b"hello " * 100)
    yield Case("compressed", [frame(TEXT, one, reserved=4), BYE], True)
    yield Case("compressed, with what was said before", [frame(TEXT, one, reserved=4), frame(TEXT, two, reserved=4), BYE], True)
    yield Case("not compressed although it may be", [frame(TEXT, b"plain"), BYE], True)
    pieces = [frame(TEXT, one[:5], False, 4), frame(PING, b"!"), frame(0, one[5:])]
    yield Case("compressed, in fragments", [*pieces, BYE], True)
    yield Case("compressed, and broken", [frame(TEXT, b"\xff\xff\xff\xff", reserved=4), BYE], True)
    yield Case("compressed, and large", [frame(BINARY, compressed(b"0123456789abcdef" * 65536)[0], reserved=4), BYE], True)


TABLE = list(_table())


def request(deflate: bool) -> list[tuple[bytes, bytes]]:
    fields = [(b"sec-websocket-version", b"13")]
    return [*fields, (b"sec-websocket-extensions", DEFLATE)] if deflate else fields


def spoken(case: Case, port: int, over: str) -> bytes:
    """What comes back, from the server's first frame to its last byte."""
    pieces: list[bytes | str | int] = ["head", *case.pieces]
    if over == "h1":
        client = Http1Client(port, quiet=PATIENCE)
        lines = [b"%b: %b\r\n" % one for one in (*request(case.deflate), (b"sec-websocket-key", KEY))]
        head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n%b\r\n" % b"".join(lines)
        seen = client.run([head, *pieces])
        assert seen.start.startswith("HTTP/1.1 101 ")
        assert ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") in seen.fields
    else:
        pseudo = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")]
        seen = Http2Client(port, quiet=PATIENCE, fields=[*pseudo, *request(case.deflate)]).run(pieces)
        assert seen.start == "200"
        assert "sec-websocket-accept" not in dict(seen.fields)
    assert case.deflate == ("sec-websocket-extensions" in dict(seen.fields))
    assert seen.end != "open"
    return bytes(seen.data)


def frame_size(buffer: bytearray) -> int:
    """How many bytes the first frame of *buffer* has; 0 while it is not whole."""
    if len(buffer) < 10:
        size = 2 + (buffer[1] & 0x7F if len(buffer) > 1 else 0) + (4 if len(buffer) > 1 and buffer[1] & 0x80 else 0)
        return size if 1 < size <= len(buffer) and buffer[1] & 0x7F < 126 else 0
    short = buffer[1] & 0x7F
    length, head = (short, 2) if short < 126 else (int.from_bytes(buffer[2:4]), 4) if short == 126 else (int.from_bytes(buffer[2:10]), 10)
    size = head + length + (4 if buffer[1] & 0x80 else 0)
    return size if size <= len(buffer) else 0


class EchoServer(Endpoint):
    """The ``websockets`` package's own protocol, which is given one frame at a time: what it answers follows from what it was sent, and
    from nothing else."""

    def serve(self, sock: socket.socket) -> None:
        protocol = ServerProtocol(max_size=None, extensions=[ServerPerMessageDeflateFactory()])
        message: list[Frame] = []
        buffer = bytearray()
        begun = False
        while data := sock.recv(1 << 16):
            buffer += data
            while size := frame_size(buffer) if begun else buffer.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in buffer else 0:
                protocol.receive_data(bytes(buffer[:size]))
                del buffer[:size]
                begun = True
                for event in protocol.events_received():
                    if isinstance(event, Request):
                        protocol.send_response(protocol.accept(event))
                    elif isinstance(event, Frame) and event.opcode in (Opcode.CONT, Opcode.TEXT, Opcode.BINARY):
                        message.append(event)
                        if event.fin:
                            self._answer(protocol, message)
                            message = []
                for out in protocol.data_to_send():
                    if out:
                        sock.sendall(out)
                    else:
                        sock.shutdown(socket.SHUT_WR)

    @staticmethod
    def _answer(protocol: ServerProtocol, message: list[Frame]) -> None:
        data = b"".join(bytes(one.data) for one in message)
        if message[0].opcode is Opcode.BINARY:
            protocol.send_binary(data)
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            protocol.fail(CloseCode.INVALID_DATA, "no text")
        else:
            protocol.send_text(data)


class World:
    """The server, and a proxy with a listener for each of the `PATHS`: on two of them HTTP/2 is spoken to another listener of it."""

    def __init__(self, server: EchoServer, proxy: Proxy) -> None:
        self.server_port = server.port
        self.proxy = proxy
        inner = proxy.reserve()
        manager = {"upgrade_configs": [{"upgrade_type": "websocket"}], "http2_protocol_options": {"allow_connect": True}}
        self.ports = dict(zip(PATHS, (proxy.port, *(proxy.reserve() for _ in PATHS[1:])), strict=True))
        clusters = [cluster("server", self.server_port), cluster("inner", inner, **http2(allow_connect=True))]
        listeners = [listener(inner, [route("/", "server")], "inner", **manager)]
        for number, (path, port) in enumerate(self.ports.items()):
            listeners.append(listener(port, [route("/", "server" if path.endswith("h1") else "inner")], f"on{number}", **manager))
        proxy.start(bootstrap(proxy.admin, listeners, clusters))
        with ThreadPoolExecutor(16) as together:
            self.plain = list(together.map(lambda case: spoken(case, self.server_port, "h1"), TABLE))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    server = EchoServer()
    with Proxy(Path(tmp_path_factory.mktemp("websocket"))) as proxy:
        yield World(server, proxy)
    server.close()


@pytest.mark.parametrize("path", PATHS)
def test_every_case_ends_as_it_does_without_a_proxy(world: World, path: str) -> None:
    with ThreadPoolExecutor(16) as together:
        answers = together.map(lambda case: spoken(case, world.ports[path], path[:2]), TABLE)
        wrong = [case.name for case, plain, answer in zip(TABLE, world.plain, answers, strict=True) if plain != answer]
    assert not wrong


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("h1")])
@pytest.mark.parametrize("compression", ["deflate", None])
def test_a_client_that_is_nobodys_double(world: World, path: str, compression: str | None) -> None:
    with connect(f"ws://127.0.0.1:{world.ports[path]}/", compression=compression, max_size=None) as client:
        for message in ("hello", b"\x00\xff", "κόσμε" * 1000, os.urandom(1 << 20), ""):
            client.send(message)
            assert client.recv() == message
        client.send(part for part in ("in ", "three ", "parts"))
        assert client.recv() == "in three parts"
        assert client.ping().wait(10)
    assert client.close_code == 1000


def test_nothing_is_left_open(world: World) -> None:
    def quiet(stats: dict[str, int]) -> bool:
        return not any(value for name, value in stats.items() if name.endswith(("downstream_cx_upgrades_active", "downstream_rq_active")))

    world.proxy.until(quiet)
