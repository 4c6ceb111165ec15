"""A backend that does what its caller asks for by path: it answers, or it breaks off in every way a server can.

Rule 1. It listens on a free port of loopback, one thread a connection; `Backend.close` ends every one of them.
Rule 2. It remembers each request it was sent, with the checksum of its body and with how its connection ended. Tests wait
        for that (`Backend.seen`), never for time to pass.
Rule 3. It sends whatever its mode says byte by byte, so it is not a model of a good server.

A little over 600 lines: half of them are the modes, a few lines each, which are read side by side.
"""

import contextlib
import hashlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.support.programs import PATIENCE

RESET = struct.pack("ii", 1, 0)
KEPT_BODY = 1 << 16
BLOCK = 1 << 16
_PATTERN = bytes(range(256)) * (BLOCK // 256)


def blocks(size: int) -> Iterator[bytes]:
    """*size* bytes of which no two blocks are alike, so that what is lost, doubled or exchanged shows in the checksum."""
    for number in range(-(-size // BLOCK)):
        yield (number.to_bytes(8, "big") + _PATTERN[8:])[: size - number * BLOCK]


def checksum(size: int) -> str:
    """The checksum of what `blocks` makes."""
    digest = hashlib.sha256()
    for block in blocks(size):
        digest.update(block)
    return digest.hexdigest()


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    target: str
    fields: list[tuple[str, str]]
    connection: int
    body: bytes = b""
    """The first `KEPT_BODY` bytes."""
    size: int = 0
    digest: str = ""
    whole: bool = False
    """All of the request has come."""
    ended: str = ""
    """How the proxy ended the connection while we waited or sent: ``"closed"`` or ``"reset"``."""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


class Gone(Exception):
    """The proxy ended the connection."""


class Backend:
    """See the module. *name* goes into every ordinary answer. A context manager."""

    def __init__(self, name: str = "backend", host: str = "127.0.0.1", port: int = 0, *, backlog: int = 512) -> None:
        self.name = name
        self.turns = 0
        """Requests that a connection may carry; the next one is read and not answered (0: no limit)."""
        self.last_turn = "close"
        """How the connection ends then: ``"close"``, ``"reset"``, or ``"at once"`` behind the last answer."""
        self.requests: list[Seen] = []
        self.opened = 0
        self.open = 0
        self.ending = 0
        """Connections that were ended from here, and that the other end has not let go of yet."""
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._gate, self._held = socket.socketpair()
        self._listener = socket.create_server((host, port), backlog=backlog)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, name=f"{name} accepts")
        self._acceptor.start()

    def __enter__(self) -> "Backend":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # for tests

    def seen(self, wanted: Callable[[Seen], object], count: int = 1) -> list[Seen]:
        """Wait until *count* requests are as *wanted*, and return those that are."""
        with self._changed:
            found: list[Seen] = []

            def enough() -> bool:
                found[:] = [request for request in self.requests if wanted(request)]
                return len(found) >= count

            assert self._changed.wait_for(enough, PATIENCE), f"{self.name} saw only {self.requests[-20:]}"
            return found

    def wait(self, condition: Callable[["Backend"], object]) -> None:
        """Wait until *condition* holds of this backend."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), PATIENCE), f"{self.open} connections are open at {self.name}"

    def release(self) -> None:
        """Let everything go on that waits at ``/hold``."""
        self._gate.close()

    def close(self) -> None:
        """End everything; a second time is one time too many and does no harm."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._changed:
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._held.close()

    # connections

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                if self.stopping.is_set():
                    sock.close()
                    return
                self.opened += 1
                self.open += 1
                self._sockets.add(sock)
                self._changed.notify_all()
            thread = threading.Thread(target=self._serve, args=(sock, self.opened), name=f"{self.name} {self.opened}")
            self._threads = [one for one in self._threads if one.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            Conversation(self, sock, number).run()
        except (Gone, OSError):
            pass
        finally:
            with self._changed:
                self._sockets.discard(sock)
                self.open -= 1
                sock.close()
                self._changed.notify_all()

    def note(self, request: Seen | None = None, ending: int = 0, **facts: object) -> None:
        """Remember what has become of *request*, and wake who waits for that."""
        with self._changed:
            self.ending += ending
            if request is not None:
                for name, value in facts.items():
                    setattr(request, name, value)
                if not facts:
                    self.requests.append(request)
            self._changed.notify_all()


class Conversation:
    """One connection, seen from the backend."""

    def __init__(self, backend: Backend, sock: socket.socket, number: int) -> None:
        self.backend = backend
        self.socket = sock
        self.number = number
        self.buffer = b""

    def run(self) -> None:
        served = 0
        while (head := self._until(b"\r\n\r\n")) is not None:
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ")
            fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
            options = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            request = Seen(method, target, fields, self.number, options=options)
            self.backend.note(request)
            if self.backend.turns and served >= self.backend.turns:
                if self.backend.last_turn == "reset":
                    self.reset()
                return
            served += 1
            mode = next((MODES[word] for word in request.path.split("/") if word in MODES), ok)
            try:
                if mode not in UNREAD:
                    self.read_body(request)
                if mode(self, request) is False:
                    return
            except (BrokenPipeError, ConnectionResetError):
                self.backend.note(request, ended="reset")
                return
            except Gone:
                self.backend.note(request, ended="closed")
                return
            if served == self.backend.turns and self.backend.last_turn == "at once":
                return

    # what modes are made of

    def end(self) -> None:
        """End the connection, and wait until the other end has heard of it."""
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.settimeout(PATIENCE)
        while self.socket.recv(BLOCK):
            pass

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def answer(self, body: bytes, status: int = 200, *fields: bytes, method: str = "GET") -> None:
        lines = [b"HTTP/1.1 %d Whatever" % status, b"content-length: %d" % len(body), *fields]
        self.send(b"\r\n".join(lines), b"\r\n\r\n", body if method != "HEAD" else b"")

    def reset(self) -> bool:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return False

    def until_gone(self, request: Seen) -> bool:
        """Wait until the proxy gives up."""
        while self.socket.recv(BLOCK):
            pass
        raise Gone

    def read_body(self, request: Seen, pause: Callable[[], object] = lambda: None) -> None:
        digest = hashlib.sha256()

        def take(left: int) -> None:
            while left:
                data = self.buffer or self.socket.recv(min(BLOCK * 4, max(left, 4096)))
                if not data:
                    raise Gone
                piece, self.buffer = data[:left], data[left:]
                left -= len(piece)
                digest.update(piece)
                request.body = (request.body + piece)[:KEPT_BODY]
                request.size += len(piece)
                pause()

        if request.values("transfer-encoding") == ["chunked"]:
            while size := int(self._line(), 16):
                take(size)
                assert self._line() == b""
            while self._line():
                pass
        else:
            take(int((request.values("content-length") or ["0"])[0]))
        self.backend.note(request, whole=True, digest=digest.hexdigest())

    def _line(self) -> bytes:
        line = self._until(b"\r\n")
        if line is None:
            raise Gone
        return line

    def _until(self, end: bytes) -> bytes | None:
        while end not in self.buffer:
            data = self.socket.recv(BLOCK)
            if not data:
                return None
            self.buffer += data
        piece, _, self.buffer = self.buffer.partition(end)
        return piece


MODES: dict[str, Callable[[Conversation, Seen], object]] = {}
UNREAD: set[Callable[[Conversation, Seen], object]] = set()
"""Modes that answer before they have read the request's body."""


def mode(name: str, unread: bool = False) -> Callable[[Callable[[Conversation, Seen], object]], Callable[[Conversation, Seen], object]]:
    """What happens to requests that have ``name`` among the segments of their path. Returning ``False`` ends the connection."""

    def register(function: Callable[[Conversation, Seen], object]) -> Callable[[Conversation, Seen], object]:
        MODES[name] = function
        if unread:
            UNREAD.add(function)
        return function

    return register


HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n" + b"x" * 100
HALF_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n" + b"x" * 100 + b"\r\n"


@mode("ok")
def ok(it: Conversation, request: Seen) -> None:
    """Tell the caller what came; also the answer to any path that is no mode."""
    told = {"backend": it.backend.name, "method": request.method, "target": request.target, "body": request.body.decode("latin-1")}
    it.answer(json.dumps({**told, "fields": request.fields}).encode(), method=request.method)


@mode("name")
def name(it: Conversation, request: Seen) -> None:
    it.answer(f"{it.backend.name} {request.target}".encode(), method=request.method)


@mode("status")
def status(it: Conversation, request: Seen) -> None:
    it.answer(b"as you wish", int(request.path.split("/")[2]), method=request.method)


@mode("raw")
def raw(it: Conversation, request: Seen) -> bool:
    """Exactly these ``bytes``; ``keep=1`` keeps the connection."""
    if "keep" in request.options:
        it.send(request.options["bytes"].encode("latin-1"))
        return True
    it.backend.note(ending=1)
    try:
        it.send(request.options["bytes"].encode("latin-1"))
        it.end()
    finally:
        it.backend.note(ending=-1)
    return False


@mode("close-start")
def close_start(it: Conversation, request: Seen) -> bool:
    return False


@mode("reset-start")
def reset_start(it: Conversation, request: Seen) -> bool:
    return it.reset()


@mode("close-headers")
def close_headers(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-le")
    return False


@mode("reset-headers")
def reset_headers(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-le")
    return it.reset()


@mode("close-body")
def close_body(it: Conversation, request: Seen) -> bool:
    it.send(HALF)
    return False


@mode("reset-body")
def reset_body(it: Conversation, request: Seen) -> bool:
    """Not before the proxy has read the half that there is: a reset may overtake it."""
    it.send(HALF)
    _delivered(it.socket)
    return it.reset()


@mode("close-chunked")
def close_chunked(it: Conversation, request: Seen) -> bool:
    it.send(HALF_CHUNKED)
    return False


@mode("reset-chunked")
def reset_chunked(it: Conversation, request: Seen) -> bool:
    it.send(HALF_CHUNKED)
    _delivered(it.socket)
    return it.reset()


@mode("bad-chunk")
def bad_chunk(it: Conversation, request: Seen) -> bool:
    it.send(HALF_CHUNKED, b"zz\r\nxx")
    return it.until_gone(request)


@mode("bad-chunk-at-once")
def bad_chunk_at_once(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
    return it.until_gone(request)


@mode("hang")
def hang(it: Conversation, request: Seen) -> bool:
    return it.until_gone(request)


@mode("hang-headers")
def hang_headers(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-le")
    return it.until_gone(request)


@mode("hang-body")
def hang_body(it: Conversation, request: Seen) -> bool:
    it.send(HALF)
    return it.until_gone(request)


@mode("drip")
def drip(it: Conversation, request: Seen) -> None:
    """A byte now and a byte then; all of them if nobody minds."""
    count = int(request.options.get("bytes", "100"))
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % count)
    for _ in range(count):
        it.send(b"x")
        it.backend.stopping.wait(float(request.options.get("every", "0.1")))


@mode("garbage")
def garbage(it: Conversation, request: Seen) -> bool:
    it.send(b"\x00\x01\x02 this is no HTTP\r\n\r\n")
    return it.until_gone(request)


@mode("http09")
def http09(it: Conversation, request: Seen) -> bool:
    it.send(b"<html>hello</html>")
    return False


@mode("big-headers")
def big_headers(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", b"".join(b"x-%d: %b\r\n" % (at, b"y" * 1000) for at in range(90)), b"\r\n")
    return it.until_gone(request)


@mode("huge-headers")
def huge_headers(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(64):
        it.send(b"x: %b\r\n" % (b"y" * BLOCK))
    return it.until_gone(request)


@mode("many-headers")
def many_headers(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", b"".join(b"x-%d: y\r\n" % at for at in range(2000)), b"\r\n")
    return it.until_gone(request)


@mode("interims")
def interims(it: Conversation, request: Seen) -> None:
    it.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * int(request.options.get("count", "1000")))
    ok(it, request)


@mode("switching")
def switching(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")
    return it.until_gone(request)


@mode("echo")
def echo(it: Conversation, request: Seen) -> bool:
    """Switch to the protocol that was asked for, and say back the first ``bytes`` of it."""
    protocol = request.values("upgrade")[0].encode("latin-1")
    it.send(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: " + protocol + b"\r\nx-accepted: yes\r\n\r\n")
    left = int(request.options["bytes"])
    while left > 0:
        data, it.buffer = it.buffer or it.socket.recv(BLOCK), b""
        if not data:
            raise Gone
        it.send(data)
        left -= len(data)
    it.backend.note(request, ended="by us")
    return False


@mode("long-body")
def long_body(it: Conversation, request: Seen) -> None:
    """More than was announced."""
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello and more")


@mode("second-answer")
def second_answer(it: Conversation, request: Seen) -> None:
    """An answer that nobody asked for, right behind the one that was."""
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison")


@mode("two-lengths")
def two_lengths(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!")
    return it.until_gone(request)


@mode("length-and-chunks")
def length_and_chunks(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    return it.until_gone(request)


@mode("trailers")
def trailers(it: Conversation, request: Seen) -> None:
    it.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nx-checksum: 1\r\n\r\n")


@mode("until-close")
def until_close(it: Conversation, request: Seen) -> bool:
    it.send(b"HTTP/1.0 200 OK\r\n\r\nhello")
    return False


@mode("connection-close")
def connection_close(it: Conversation, request: Seen) -> bool:
    it.answer(b"hello", 200, b"connection: close", method=request.method)
    return False


@mode("early", unread=True)
def early(it: Conversation, request: Seen) -> bool:
    """Answered before the body was read, and closed with it unread."""
    it.answer(b"too much", 413, b"connection: close")
    return False


@mode("early-kept", unread=True)
def early_kept(it: Conversation, request: Seen) -> None:
    """The same, but the rest is read, if the proxy goes on to send it, and the connection stays good for another request."""
    it.answer(b"too much", 413)
    it.read_body(request)


@mode("hold")
def hold(it: Conversation, request: Seen) -> None:
    """Answered once the test says so (`Backend.release`)."""
    _wait(it, request)
    ok(it, request)


@mode("hold-body")
def hold_body(it: Conversation, request: Seen) -> None:
    """Half the answer at once, the other half once the test says so."""
    it.send(HALF)
    _wait(it, request)
    it.send(b"y" * 100)


@mode("sink")
def sink(it: Conversation, request: Seen) -> None:
    """Take an upload and tell its size and checksum."""
    it.answer(f"{request.size} {request.digest}".encode())


@mode("deaf", unread=True)
def deaf(it: Conversation, request: Seen) -> None:
    """Take nothing of an upload until the test says so."""
    it.backend.note(request, body=it.buffer[:KEPT_BODY])
    readable, _, _ = select.select([it.backend._held], [], [], PATIENCE)
    assert readable
    it.read_body(request)
    sink(it, request)


@mode("big")
def big(it: Conversation, request: Seen) -> None:
    """A body of ``size`` bytes that `checksum` knows, ``chunked=1`` or with its length."""
    size = int(request.options["size"])
    chunked = "chunked" in request.options
    it.send(b"HTTP/1.1 200 OK\r\n", b"transfer-encoding: chunked" if chunked else b"content-length: %d" % size, b"\r\n\r\n")
    for block in blocks(size):
        it.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
    if chunked:
        it.send(b"0\r\n\r\n")


def _wait(it: Conversation, request: Seen) -> None:
    """Until the test releases us; raises `Gone` when the proxy gives up first."""
    while it.backend._held not in (ready := select.select([it.backend._held, it.socket], [], [], PATIENCE)[0]):
        assert ready, "never released"
        if not it.socket.recv(BLOCK):
            raise Gone


def _delivered(sock: socket.socket) -> None:
    """Wait until the peer's kernel has acknowledged what was sent (``SIOCOUTQ``)."""
    import fcntl
    import termios

    waiting = threading.Event()
    for _ in range(PATIENCE * 200):
        if not struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]:
            return
        waiting.wait(0.005)
    raise AssertionError("the proxy does not take what was sent")


class Blackhole:
    """An address whose connects get no answer: a listener whose queue is full. A context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port: int = self._listener.getsockname()[1]
        self._waiting = [socket.socket() for _ in range(4)]
        for sock in self._waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))

    def __enter__(self) -> "Blackhole":
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (*self._waiting, self._listener):
            sock.close()


class ReservedPort:
    """A port of loopback that stays ours while nobody listens on it: connects are refused, and only who says
    ``SO_REUSEADDR``, as servers do, can listen there. A context manager."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> "ReservedPort":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()
