"""Both ends of tunnels over raw sockets: clients and endpoints of HTTP/1.1, HTTP/2 and bare TCP that note what they see.

Rule 1. A client does what its steps say and then reads to the end; an endpoint does what the words in the request's target say
        (`Script`). Both note everything that could tell one proxy from another.
Rule 2. HTTP/2 is spoken with `ngh2`, whole frames; nothing here is shared with what is tested.
"""

import select
import socket
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

import ngh2

QUIET = 1.0
"""Seconds without a byte after which nobody is waited for any more."""
RESET = struct.pack("ii", 1, 0)
MADE_UP = {"x-request-id", "date", "x-envoy-upstream-service-time", "x-envoy-expected-rq-timeout-ms", "server"}
"""Fields whose values are the proxy's own affair."""

Fields = tuple[tuple[str, str], ...]


@dataclass
class Seen:
    """What one end saw of one exchange: the start of the head, its fields, the bytes behind it, and how it ended."""

    start: str = ""
    fields: Fields = ()
    data: bytearray = field(default_factory=bytearray)
    early: bytes = b""
    end: str = "open"


def shown(pairs: Iterable[tuple[str, str]]) -> Fields:
    """Return *pairs* sorted, without the values that proxies make up, and however ``Upgrade`` is spelled."""
    named = ((name.lower(), value) for name, value in pairs)
    return tuple(sorted((name, "*" if name in MADE_UP else value.lower() if name == "connection" else value) for name, value in named))


def fields_of(head: bytes) -> list[tuple[str, str]]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]


class Script:
    """What an endpoint does, by the words in the request's target.

    ``echo``: agrees and says back what it hears. ``late``: listens a moment before it agrees. ``greets``: says something first.
    ``bye``: agrees, says something and ends its half; ``then`` it still listens. ``breaks``: agrees and resets.
    ``NNN``: answers with that status. ``hangs``: says nothing. ``ends``: hangs up at once.
    """

    def __init__(self, target: str) -> None:
        self.words = set(target.replace("/", " ").replace(".", " ").replace("-", " ").replace("?", " ").replace(":", " ").split())
        self.status = next((int(word) for word in self.words if word.isdigit() and len(word) == 3), 0)

    def __contains__(self, word: str) -> bool:
        return word in self.words


def read(sock: socket.socket, seconds: float) -> bytes | None:
    """Return what comes within so many *seconds*: ``b""`` at the end, ``None`` for nothing. Raises ``ConnectionError``."""
    readable, _, _ = select.select([sock], [], [], seconds)
    return sock.recv(65536) if readable else None


class Endpoint:
    """A listening socket whose connections are served by `serve`, each in a thread of its own. ``seen`` are the requests."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[Seen] = []
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            self.serve(sock)
        except (OSError, ngh2.NGH2Error):
            pass
        finally:
            sock.close()

    def serve(self, sock: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._listener.close()
        for sock in self._open:
            sock.close()


class TcpEndpoint(Endpoint):
    """Says back what it hears; ``bye`` in it makes it end its half, ``breaks`` reset."""

    def serve(self, sock: socket.socket) -> None:
        seen = Seen()
        self.seen.append(seen)
        carry_on(sock, seen, b"", Script("echo"))


def carry_on(sock: socket.socket, seen: Seen, data: bytes, script: Script) -> None:
    """Go on as one end of a tunnel over TCP; *data* came along."""
    try:
        if "greets" in script:
            sock.sendall(b"welcome")
        if "breaks" in script:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            seen.end = "breaks"
            return
        if "bye" in script:
            sock.sendall(b"bye")
            sock.shutdown(socket.SHUT_WR)
        while True:
            if data:
                seen.data += data
                if "echo" in script:
                    sock.sendall(data)
                if b"<bye>" in data:
                    sock.shutdown(socket.SHUT_WR)
                if b"<breaks>" in data:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    seen.end = "breaks"
                    return
            more = read(sock, 5.0)
            if more is None:
                return
            if not more:
                if "tail" in script or b"<tail>" in seen.data:
                    sock.sendall(b"tail")
                seen.end = "fin"
                return
            data = more
    except ConnectionError:
        seen.end = "reset"


class Http1Endpoint(Endpoint):
    """Speaks HTTP/1.1 up to the switch."""

    def serve(self, sock: socket.socket) -> None:
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            more = read(sock, 5.0)
            if not more:
                return
            buffer += more
        head, _, rest = buffer.partition(b"\r\n\r\n")
        start = head.split(b"\r\n")[0].decode("latin-1")
        pairs = fields_of(head)
        seen = Seen(start, shown(pairs))
        self.seen.append(seen)
        script = Script(start.split(" ")[1])
        if "late" in script:
            seen.early = rest + (read(sock, 0.2) or b"")
            rest = b""
        if "ends" in script:
            seen.end = "ends"
            return
        if "hangs" in script:
            carry_on(sock, seen, rest, script)
            return
        if script.status:
            body = b"" if script.status in (204, 304) else b"no\n"
            sock.sendall(b"HTTP/1.1 %d Said\r\ncontent-length: %d\r\nx-by: h1\r\n\r\n%b" % (script.status, len(body), body))
        elif start.startswith("CONNECT "):
            sock.sendall(b"HTTP/1.1 200 OK\r\nx-by: h1\r\n\r\n")
        else:
            asked = {name.lower(): value for name, value in pairs}.get("upgrade", "nothing")
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: %b\r\nx-by: h1\r\n\r\n" % asked.encode())
        carry_on(sock, seen, rest, script)


class Http2Endpoint(Endpoint):
    """Speaks HTTP/2, with SETTINGS_ENABLE_CONNECT_PROTOCOL if *extended*."""

    def __init__(self, extended: bool = True) -> None:
        self._settings = {3: 100, 8: 1} if extended else {3: 100}
        super().__init__()

    def serve(self, sock: socket.socket) -> None:
        engine = ngh2.Connection(ngh2.Role.SERVER, ngh2.Configuration())
        engine.initiate_connection(self._settings)
        streams: dict[int, tuple[Seen, Script]] = {}
        while True:
            out = engine.data_to_send()
            if out:
                sock.sendall(out)
            data = read(sock, 5.0)
            if not data:
                for seen, _ in streams.values():
                    if seen.end == "open":
                        seen.end = "lost"
                return
            engine.receive_data(data)
            for event in engine.events():
                self._happened(engine, event, streams, sock)

    def _happened(self, engine: ngh2.Connection, event: ngh2.Event, streams: dict[int, tuple[Seen, Script]], sock: socket.socket) -> None:
        if isinstance(event, ngh2.RequestReceived):
            pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
            pseudo = {name: value for name, value in pairs if name.startswith(":")}
            start = " ".join(f"{name}={value}" for name, value in sorted(pseudo.items()))
            seen = Seen(start, shown(one for one in pairs if one[0][0] != ":"))
            self.seen.append(seen)
            script = Script(pseudo.get(":path", "/") + " " + pseudo.get(":authority", ""))
            streams[event.stream_id] = seen, script
            if event.end_stream:
                seen.end = "end"
            if "late" in script:
                out = engine.data_to_send()
                sock.sendall(out)
                more = read(sock, 0.2)
                if more:
                    engine.receive_data(more)
                    for later in engine.events():
                        if isinstance(later, ngh2.DataReceived) and later.stream_id == event.stream_id:
                            seen.early += later.data
                        else:
                            self._happened(engine, later, streams, sock)
            self._answer(engine, event.stream_id, seen, script)
        elif isinstance(event, ngh2.DataReceived) and event.stream_id in streams:
            seen, script = streams[event.stream_id]
            seen.data += event.data
            if "echo" in script and event.data:
                engine.send_data(event.stream_id, event.data)
            if b"<bye>" in event.data:
                engine.send_data(event.stream_id, b"", end_stream=True)
            if b"<breaks>" in event.data:
                engine.reset_stream(event.stream_id, 2)
                seen.end = "breaks"
            if event.end_stream:
                seen.end = "end"
                if "tail" in script or b"<tail>" in seen.data:
                    engine.send_data(event.stream_id, b"tail")
                if "bye" not in script and b"<bye>" not in seen.data:
                    engine.send_data(event.stream_id, b"", end_stream=True)
        elif isinstance(event, ngh2.StreamReset) and event.stream_id in streams:
            streams[event.stream_id][0].end = f"reset {event.error_code}"

    def _answer(self, engine: ngh2.Connection, number: int, seen: Seen, script: Script) -> None:
        if "hangs" in script:
            return
        if "ends" in script:
            engine.reset_stream(number, 2)
            seen.end = "ends"
            return
        status = b"%d" % (script.status or 200)
        engine.send_response(number, [(b":status", status), (b"x-by", b"h2")], end_stream=False)
        if script.status:
            engine.send_data(number, b"no\n", end_stream=True)
            return
        if "greets" in script:
            engine.send_data(number, b"welcome")
        if "breaks" in script:
            engine.reset_stream(number, 2)
            seen.end = "breaks"
        if "bye" in script:
            engine.send_data(number, b"bye", end_stream=True)


@dataclass
class Client:
    """One client and one request; *steps* are done one after the other.

    Bytes are sent. ``"head"`` waits for the answer's head, a number for so many bytes behind it; ``"fin"`` ends our half, ``"rst"``
    resets; ``"pause"`` is a moment.
    """

    port: int
    seen: Seen = field(default_factory=Seen)
    quiet: float = QUIET
    """Seconds without a byte after which nothing more is expected."""

    def run(self, steps: Iterable[bytes | str | int]) -> Seen:
        with socket.create_connection(("127.0.0.1", self.port)) as self.sock:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.begin()
                for step in steps:
                    self._step(step)
                while self.more(self.quiet):
                    pass
            except ConnectionError:
                self.seen.end = "reset"
        return self.seen

    def _step(self, step: bytes | str | int) -> None:
        if isinstance(step, bytes):
            self.send(step)
        elif isinstance(step, int):
            while len(self.seen.data) < step and self.more(self.quiet):
                pass
        elif step == "head":
            while not self.seen.start and self.more(self.quiet):
                pass
        elif step == "fin":
            self.finish()
        elif step == "rst":
            self.reset()
        else:
            self.more(0.1)

    def begin(self) -> None: ...

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError

    def more(self, seconds: float) -> bool:
        """Take what comes; return whether it is worth waiting for more."""
        raise NotImplementedError


class Http1Client(Client):
    """Its first bytes are a request as they stand."""

    def begin(self) -> None:
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def finish(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()
        raise ConnectionError

    def more(self, seconds: float) -> bool:
        data = read(self.sock, seconds)
        if data is None:
            return False
        if not data:
            self.seen.end = "fin"
            return False
        if self.seen.start:
            self.seen.data += data
            return True
        self._buffer += data
        if b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            self.seen.data += rest
            self.seen.start = head.split(b"\r\n")[0].decode("latin-1")
            self.seen.fields = shown(fields_of(head))
        return True


@dataclass
class Http2Client(Client):
    """The request's *fields*, pseudo-fields first, are sent at once; *whole*: with END_STREAM."""

    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    whole: bool = False

    def begin(self) -> None:
        self._engine = ngh2.Connection(ngh2.Role.CLIENT, ngh2.Configuration())
        self._engine.initiate_connection({2: 0})
        self.settings: dict[int, int] | None = None
        while self.settings is None and self.more(self.quiet):
            pass
        self.number = self._engine.send_request(self.fields, end_stream=self.whole)
        self._flush()

    def _flush(self) -> None:
        out = self._engine.data_to_send()
        if out:
            self.sock.sendall(out)

    def send(self, data: bytes) -> None:
        try:
            self._engine.send_data(self.number, data)
        except ngh2.NGH2Error:
            return
        self._flush()

    def finish(self) -> None:
        self._engine.send_data(self.number, b"", end_stream=True)
        self._flush()

    def reset(self) -> None:
        self._engine.reset_stream(self.number, 8)
        self._flush()
        self.seen.end = "ours"

    def more(self, seconds: float) -> bool:
        self._flush()
        data = read(self.sock, seconds)
        if data is None:
            return False
        if not data:
            if self.seen.end == "open":
                self.seen.end = "fin"
            return False
        try:
            self._engine.receive_data(data)
        except ngh2.ConnectionStateError:  # it has been told that the connection ends, and nothing of ours is open on it
            return False
        over = False
        for event in self._engine.events():
            if isinstance(event, ngh2.SettingsReceived):
                self.settings = {**(self.settings or {}), **event.settings}
            elif isinstance(event, ngh2.ResponseReceived):
                pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
                self.seen.start = pairs[0][1]
                self.seen.fields = shown(pairs[1:])
                if event.end_stream:
                    self.seen.end = "end"
            elif isinstance(event, ngh2.DataReceived):
                self.seen.data += event.data
                if event.end_stream:
                    self.seen.end = "end"
            elif isinstance(event, ngh2.StreamReset):
                self.seen.end += f" reset {event.error_code}"
                over = True
            elif isinstance(event, ngh2.GoAwayReceived):
                self.seen.end += f" goaway {event.error_code}"
            elif isinstance(event, ngh2.StreamClosed):
                over = True
        self._flush()
        return not over and self.seen.end != "end"
