"""Both ends of an exchange on plain sockets, HTTP/1.1 or HTTP/2, told what to do step by step; all that each of them sees is kept.

An exchange is a function of a `ClientEnd` and a `ServerEnd`. It calls ``head``, ``data``, ``end``, ``trailers``, ``interim`` and ``reset``,
and ``gets`` to wait for what must have arrived before the next step; the same function drives either protocol on either side. What an end
has seen is a list of events, tuples that begin with a word:

``head`` (what begins the message, its fields), ``interim`` (status, fields), ``data`` (bytes, joined), ``trailers`` (fields), ``end``,
``reset`` (the code), ``goaway`` (the code), ``closed`` (the connection), ``cut`` (it was closed within a message).
"""

import contextlib
import selectors
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hpack import Decoder

from shifter.wire.h2 import PREFACE
from tests.support import h2frames

Field = tuple[str, str]
Event = tuple[object, ...]

_PATIENCE = 2.0
_RST = struct.pack("ii", 1, 0)


class End:
    """What both protocols and both roles share."""

    http2 = False

    def __init__(self, world: "World") -> None:
        self.world = world
        self.events: list[Event] = []
        self.socket: socket.socket | None = None
        self.closed = False
        self.gone = False
        """It has cut its message off: there is nothing to be waited for."""
        self.method = "GET"

    # what an exchange calls

    def gets(self, *words: object) -> bool:
        """Wait until an event that begins with *words* was seen; say whether it was. It gives up when the exchange is over."""
        self.world.poll(lambda: self.saw(*words) or self.over or self.world.over)
        return self.saw(*words)

    def breaks_off(self) -> None:
        """Wait until the peer has cut its message off, or its connection."""
        self.world.poll(lambda: any(event[0] in ("reset", "cut", "closed") for event in self.events))

    def gets_data(self, size: int) -> bool:
        """Wait until *size* bytes of body were seen; say whether they were."""
        self.world.poll(lambda: len(self.body) >= size or self.world.over)
        return len(self.body) >= size

    def saw(self, *words: object) -> bool:
        return any(event[: len(words)] == words for event in self.events)

    @property
    def body(self) -> bytes:
        return b"".join(event[1] for event in self.events if event[0] == "data")  # type: ignore[misc]

    def fields(self, word: str = "head") -> list[Field]:
        """The fields of the first head (interim answer, trailers) that was seen."""
        return next((event[-1] for event in self.events if event[0] == word), [])  # type: ignore[return-value]

    def close(self) -> None:
        """Close the connection (FIN)."""
        if self.socket is not None and not self.closed:
            self.closed = True
            self.world.forget(self.socket)

    def abort(self) -> None:
        """Close the connection with a RST."""
        if self.socket is not None and not self.closed:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
            self.close()

    # inside

    def write(self, data: bytes) -> None:
        if self.socket is not None and not self.closed:
            with contextlib.suppress(OSError):
                self.socket.setblocking(True)
                self.socket.sendall(data)
            with contextlib.suppress(OSError):
                self.socket.setblocking(False)

    def see(self, *event: object) -> None:
        if event[0] == "data" and self.events and self.events[-1][0] == "data":
            event = ("data", self.events[-1][1] + event[1])  # type: ignore[operator]
            self.events.pop()
        self.events.append(event)

    @property
    def over(self) -> bool:
        """Whether the peer's message has ended, one way or the other."""
        return any(event[0] in ("end", "reset", "cut", "closed") for event in self.events)


class Http1(End):
    """HTTP/1.1, as far as an exchange needs it."""

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self._raw = b""
        self._state = "head"
        self._left = 0
        self._chunked = False
        self._answered = ""

    # writing

    def _begin(self, start: str, fields: Iterable[Field], end: bool, bodiless: bool) -> None:
        fields = list(fields)
        names = {name.lower() for name, _ in fields}
        if not end and not names & {"content-length", "transfer-encoding"} and not bodiless:
            fields.append(("transfer-encoding", "chunked"))
        self._chunked = any(name.lower() == "transfer-encoding" for name, _ in fields)
        self.write("".join([start + "\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"]).encode("latin-1"))

    def data(self, data: bytes, end: bool = False) -> None:
        if data:
            self.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if end:
            self.end()

    def end(self) -> None:
        if self._chunked:
            self.write(b"0\r\n\r\n")

    def trailers(self, *fields: Field) -> None:
        if self._chunked:
            self.write(b"0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields).encode() + b"\r\n")

    def reset(self, code: int = 8) -> None:
        self.gone = True
        self.abort()

    # reading

    def received(self, data: bytes) -> None:
        self._raw += data
        while self._step():
            pass

    def lost(self, reset: bool) -> None:
        if self._state == "close":
            self.see("end")
            self._state = "over"
        elif self._state != "head" or self._raw:
            self.see("cut")
        self.see("closed")

    def _step(self) -> bool:
        if self._state == "head":
            raw, found, rest = self._raw.partition(b"\r\n\r\n")
            if not found:
                return False
            self._raw = rest
            lines = raw.decode("latin-1").split("\r\n")
            fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
            self._head(lines[0], fields)
        elif self._state == "length" or self._state == "chunk":
            piece = self._raw[: self._left]
            if not piece:
                return False
            self._raw = self._raw[len(piece) :]
            self._left -= len(piece)
            self.see("data", piece)
            if not self._left:
                self._state = "line" if self._state == "chunk" else "head"
                if self._state == "head":
                    self.see("end")
                else:
                    self._state = "crlf"
        elif self._state == "close" or self._state == "tunnel":
            if not self._raw:
                return False
            self.see("data", self._raw)
            self._raw = b""
        else:
            line, found, rest = self._raw.partition(b"\r\n")
            if not found:
                return False
            self._raw = rest
            self._line(line)
        return True

    def _line(self, line: bytes) -> None:
        if self._state == "crlf":
            self._state = "line"
        elif self._state == "line":
            self._left = int(line, 16)
            self._state = "chunk" if self._left else "trailers"
            self._trailers: list[Field] = []
        elif line:
            name, _, value = line.decode("latin-1").partition(":")
            self._trailers.append((name.lower(), value.strip()))
        else:
            if self._trailers:
                self.see("trailers", sorted(self._trailers))
            self.see("end")
            self._state = "head"

    def _head(self, start: str, fields: list[Field]) -> None:
        raise NotImplementedError

    def _body(self, fields: list[Field], otherwise: str) -> None:
        names = dict(fields)
        if names.get("transfer-encoding") == "chunked":
            self._state = "line"
        elif "content-length" in names:
            self._left = int(names["content-length"])
            self._state = "length" if self._left else "head"
        else:
            self._state = otherwise
        if self._state == "head":
            self.see("end")


class Http1Client(Http1):
    """Asks."""

    def head(self, method: str, path: str, *fields: Field, authority: str = "front.test", end: bool = True) -> None:
        self.method = method
        hosts = [] if any(name == "host" for name, _ in fields) else [("host", authority)]
        self._begin(f"{method} {path} HTTP/1.1", [*hosts, *fields], end, False)

    def _head(self, start: str, fields: list[Field]) -> None:
        status = int(start.split(" ")[1])
        if status < 200 and status != 101:
            self.see("interim", status, sorted(fields))
            return
        self.see("head", status, sorted(fields))
        if status == 101:
            self._state = "tunnel"
        elif self.method == "HEAD" or status in (204, 304):
            self.see("end")
        else:
            self._body(fields, "close")


class Http1Server(Http1):
    """Answers."""

    def interim(self, status: int, *fields: Field) -> None:
        self.write(f"HTTP/1.1 {status} Interim\r\n".encode() + "".join(f"{name}: {value}\r\n" for name, value in fields).encode() + b"\r\n")

    def head(self, status: int, *fields: Field, end: bool = False, bodiless: bool = False) -> None:
        bodiless = bodiless or self.method == "HEAD" or status in (101, 204, 304)
        if end and not bodiless and not any(name in ("content-length", "transfer-encoding") for name, _ in fields):
            fields = (*fields, ("content-length", "0"))
        self._begin(f"HTTP/1.1 {status} Whatever", fields, end, bodiless)

    def goaway(self, last: int | None = None, code: int = 0) -> None: ...

    def _head(self, start: str, fields: list[Field]) -> None:
        self.method, path, _ = start.split(" ")
        self.see("head", self.method, path, sorted(fields))
        self._body(fields, "head")


class Http2(End):
    """HTTP/2: one stream of one connection. Windows open again at once, unless ``stalled``."""

    http2 = True

    def __init__(self, world: "World") -> None:
        super().__init__(world)
        self.stream = 1
        self.stalled = False
        self._raw = b""
        self._decoder = Decoder()
        self._seen_head = False
        self._block = b""
        self._block_ends = False

    # writing

    def _fields(self, fields: Iterable[Field], end: bool) -> None:
        self.write(h2frames.headers([(name.encode(), value.encode("latin-1")) for name, value in fields], self.stream, end))

    def data(self, data: bytes, end: bool = False) -> None:
        while len(data) > 16384:
            self.write(h2frames.data(data[:16384], self.stream))
            data = data[16384:]
        self.write(h2frames.data(data, self.stream, end))

    def end(self) -> None:
        self.data(b"", True)

    def trailers(self, *fields: Field) -> None:
        self._fields(fields, True)

    def reset(self, code: int = 8) -> None:
        self.gone = True
        self.write(h2frames.reset(self.stream, code))

    def goaway(self, last: int | None = None, code: int = 0) -> None:
        self.write(h2frames.goaway(self.stream if last is None else last, code))

    # reading

    def received(self, data: bytes) -> None:
        self._raw += data
        if self._raw[:1] == b"P":
            if len(self._raw) < len(PREFACE):
                return
            self._raw = self._raw.removeprefix(PREFACE)
        while len(self._raw) >= 9 and len(self._raw) >= (size := 9 + int.from_bytes(self._raw[:3], "big")):
            [frame] = h2frames.frames(self._raw[:size])
            self._raw = self._raw[size:]
            self._frame(frame)

    def lost(self, reset: bool) -> None:
        self.see("closed")

    def _frame(self, frame: h2frames.Frame) -> None:
        kind = frame.kind
        if kind == h2frames.SETTINGS and not frame.flags & h2frames.ACK:
            self.write(h2frames.frame(h2frames.SETTINGS, h2frames.ACK))
        elif kind == h2frames.PING and not frame.flags & h2frames.ACK:
            self.write(h2frames.frame(h2frames.PING, h2frames.ACK, payload=frame.payload))
        elif kind == h2frames.GOAWAY:
            self.see("goaway", frame.code)
        elif kind == h2frames.RST_STREAM:
            self.see("reset", frame.code)
        elif kind == h2frames.DATA:
            assert not frame.flags & h2frames.PADDED
            if frame.payload:
                self.see("data", frame.payload)
                if not self.stalled:
                    self.write(h2frames.window_update(len(frame.payload)))
                    if not frame.flags & h2frames.END_STREAM:
                        self.write(h2frames.window_update(len(frame.payload), frame.stream))
            if frame.flags & h2frames.END_STREAM:
                self.see("end")
        elif kind in (h2frames.HEADERS, h2frames.CONTINUATION):
            payload = frame.payload
            if kind == h2frames.HEADERS:
                self._block_ends = bool(frame.flags & h2frames.END_STREAM)
                self.stream = max(self.stream, frame.stream)
                payload = payload[5:] if frame.flags & 0x20 else payload
            self._block += payload
            if frame.flags & h2frames.END_HEADERS:
                fields = [_text(*field[:2]) for field in self._decoder.decode(self._block, raw=True)]
                self._block = b""
                self._headers(fields)
                if self._block_ends:
                    self.see("end")

    def _headers(self, fields: list[Field]) -> None:
        if self._seen_head:
            self.see("trailers", sorted(fields))
            return
        self._begun(dict(fields), sorted(field for field in fields if field[0][0] != ":"))

    def _begun(self, pseudo: dict[str, str], fields: list[Field]) -> None:
        raise NotImplementedError


def _text(name: bytes, value: bytes) -> Field:
    return bytes(name).decode("latin-1"), bytes(value).decode("latin-1")


class Http2Client(Http2):
    """Asks."""

    def head(
        self, method: str, path: str, *fields: Field, authority: str | None = "front.test", end: bool = True, scheme: str = "http"
    ) -> None:
        self.method = method
        named = [] if authority is None else [(":authority", authority)]
        self._fields([(":method", method), (":scheme", scheme), *named, (":path", path), *fields], end)

    def _begun(self, pseudo: dict[str, str], fields: list[Field]) -> None:
        status = int(pseudo[":status"])
        self._seen_head = status >= 200
        self.see("head" if self._seen_head else "interim", status, fields)


class Http2Server(Http2):
    """Answers."""

    def interim(self, status: int, *fields: Field) -> None:
        self._fields([(":status", str(status)), *fields], False)

    def head(self, status: int, *fields: Field, end: bool = False, bodiless: bool = False) -> None:
        self._fields([(":status", str(status)), *fields], end)

    def _begun(self, pseudo: dict[str, str], fields: list[Field]) -> None:
        self._seen_head = True
        self.method = pseudo[":method"]
        host = [("host", pseudo[":authority"])] if ":authority" in pseudo else []
        self.see("head", pseudo[":method"], pseudo.get(":path", ""), sorted([*fields, *host]))


ClientEnd = Http1Client | Http2Client
ServerEnd = Http1Server | Http2Server
Exchange = Callable[[ClientEnd, ServerEnd], object]


@dataclass(frozen=True)
class Tls:
    """What both ends speak TLS with."""

    client: ssl.SSLContext
    server: ssl.SSLContext


class World:
    """One proxy's two sides: a port to connect to, and one where its connections arrive. A context manager."""

    def __init__(self, client2: bool, server2: bool, tls: "Tls | None" = None) -> None:
        self._client2 = client2
        self._server2 = server2
        self._tls = tls
        self._selector = selectors.DefaultSelector()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ)
        self.port: int = self._listening.getsockname()[1]
        self._client: ClientEnd | None = None
        self._server: ServerEnd | None = None

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def hold(self, exchange: Exchange, port: int, quiet: float = 0.02) -> tuple[list[Event], list[Event]]:
        """Hold *exchange* with the proxy at *port*; return what client and server have seen."""
        client = (Http2Client if self._client2 else Http1Client)(self)
        server = (Http2Server if self._server2 else Http1Server)(self)
        self._client, self._server = client, server
        connected = socket.create_connection(("127.0.0.1", port))
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connected = self._tls.client.wrap_socket(connected, server_hostname="front.test")
        self._take(connected, client)
        if client.http2:
            client.write(PREFACE + h2frames.settings())
        exchange(client, server)
        self.poll(lambda: client.over or client.gone)
        self.poll(lambda: False, quiet)
        self._client = self._server = None
        seen = list(client.events), list(server.events)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, End):
                key.data.close()
        return seen

    @property
    def over(self) -> bool:
        """Whether the client has heard the last of the exchange under way."""
        return self._client is not None and self._client.over

    def poll(self, condition: Callable[[], bool], patience: float = _PATIENCE) -> bool:
        """Let things happen until *condition* holds, at most *patience* seconds; return whether it does."""
        until = time.monotonic() + patience
        while not condition():
            left = until - time.monotonic()
            if left <= 0:
                return False
            for key, _ in self._selector.select(left):
                if key.data is None:
                    self._accept()
                elif key.fileobj in self._selector.get_map():
                    self._read(key.fileobj, key.data)  # type: ignore[arg-type]
        return True

    def forget(self, one: socket.socket) -> None:
        if one in self._selector.get_map():
            self._selector.unregister(one)
        one.close()

    def _accept(self) -> None:
        accepted, _ = self._listening.accept()
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = self._server
        if server is None:
            accepted.close()
            return
        if server.socket is not None:  # another try
            server.see("again")
            accepted.close()
            return
        if self._tls is not None:
            accepted.setblocking(True)
            try:
                accepted = self._tls.server.wrap_socket(accepted, server_side=True)
            except OSError:
                accepted.close()
                return
        self._take(accepted, server)
        if server.http2:
            server.write(h2frames.settings((3, 100)))

    def _take(self, one: socket.socket, end: End) -> None:
        one.setblocking(False)
        end.socket = one
        self._selector.register(one, selectors.EVENT_READ, end)

    def _read(self, one: socket.socket, end: End) -> None:
        data = b""
        reset = ended = False
        while True:  # what TLS has decrypted nobody is told of
            try:
                piece = one.recv(1 << 18)
            except (BlockingIOError, ssl.SSLWantReadError):
                break
            except OSError:
                reset = ended = True
                break
            data += piece
            if not piece:
                ended = True
                break
        if data:
            end.received(data)  # type: ignore[attr-defined]
        if ended and not end.closed:
            end.closed = True
            end.lost(reset)  # type: ignore[attr-defined]
            self.forget(one)
