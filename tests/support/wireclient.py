"""A client on a plain socket: it sends exactly the bytes it is given and keeps every byte that comes back.

It reads answers by itself, not with the project's parsers, and says of each whether it was whole: a proxy that hides a cut
answer is the worst of all.
"""

import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.programs import PATIENCE

RESET = struct.pack("ii", 1, 0)
Field = tuple[bytes, bytes]


@dataclass
class Answer:
    """One answer as a client sees it; ``status`` 0 when the connection ended before there was a head."""

    status: int = 0
    reason: bytes = b""
    version: bytes = b""
    fields: list[Field] = field(default_factory=list)
    body: bytes = b""
    size: int = 0
    """Bytes of the body, also of one that went to a sink."""
    whole: bool = False
    interims: list[int] = field(default_factory=list)
    trailers: list[Field] = field(default_factory=list)

    def values(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name, in order."""
        return [value for key, value in self.fields if key == name]

    def __getitem__(self, name: bytes) -> bytes:
        [value] = self.values(name)
        return value

    @property
    def kept(self) -> bool:
        """Whether the server means to keep the connection."""
        return b"close" not in self.values(b"connection")


class Wire:
    """See the module. A context manager."""

    versions: tuple[bytes, ...] = (b"HTTP/1.1",)
    """What an answer may call itself; another version fails the test."""

    def __init__(self, port: int, host: str = "127.0.0.1", receive_buffer: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        try:
            self.socket.connect((host, port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        """Every byte so far, except of bodies that went to a sink."""
        self.ended = ""
        """``"closed"`` or ``"reset"`` once the peer has ended the connection."""
        self._at = 0

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Our own port."""
        port: int = self.socket.getsockname()[1]
        return port

    # sending

    def send(self, data: bytes) -> None:
        """Send *data*. Raises ``OSError`` when the peer is gone."""
        self.socket.sendall(data)

    def request(self, method: str, path: str, *fields: str, body: bytes = b"", host: str = "front.test") -> None:
        """Send one request; a body gets its ``content-length``."""
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}", *fields]
        if body:
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def ask(self, method: str, path: str, *fields: str, body: bytes = b"", host: str = "front.test") -> Answer:
        """Send one request and read its answer; one that was refused before all of it was sent counts as answered."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.request(method, path, *fields, body=body, host=host)
        return self.answer(method)

    # receiving

    def answer(self, method: str = "GET", sink: Callable[[bytes], object] | None = None) -> Answer:
        """Read one answer to its end, or to the end of the connection."""
        answer = Answer()
        while True:
            head = self._until(b"\r\n\r\n")
            if head is None:
                return answer
            lines = head.split(b"\r\n")
            version, status, answer.reason = [*lines[0].split(b" ", 2), b""][:3]
            assert version in self.versions, bytes(head)
            answer.version = version
            answer.status = int(status)
            answer.fields = [_field(line) for line in lines[1:]]
            if answer.status >= 200 or answer.status == 101:
                break
            answer.interims.append(answer.status)
        self._body(answer, method, sink)
        return answer

    def rest(self) -> bytes:
        """Read until the peer ends the connection; return what came since the last answer."""
        while self._fill():
            pass
        data = bytes(self.received[self._at :])
        self._at = len(self.received)
        return data

    def silent(self) -> bool:
        """Whether just now nothing more has come, not even an end."""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
            return False
        except BlockingIOError:
            return self._at == len(self.received)
        except ConnectionResetError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)

    # ending

    def finish(self) -> None:
        """Say that nothing more will be sent (FIN)."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    # inside

    def _fill(self) -> bool:
        if self.ended:
            return False
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError:
            self.ended = "reset"
            return False
        if not data:
            self.ended = "closed"
        self.received += data
        return bool(data)

    def _until(self, end: bytes) -> bytes | None:
        """The bytes up to *end*, which is dropped; ``None`` when the connection ends before."""
        searched = self._at
        while (at := self.received.find(end, searched)) < 0:
            searched = max(self._at, len(self.received) - len(end) + 1)
            if not self._fill():
                return None
        piece = bytes(self.received[self._at : at])
        self._at = at + len(end)
        return piece

    def _body(self, answer: Answer, method: str, sink: Callable[[bytes], object] | None) -> None:
        body = bytearray()

        def take(wanted: int) -> bool:
            """Take *wanted* bytes (-1: all there will be); return whether they came."""
            while wanted:
                if self._at == len(self.received) and not self._fill():
                    return wanted < 0
                stop = len(self.received) if wanted < 0 else self._at + wanted
                piece = self.received[self._at : stop]
                answer.size += len(piece)
                if wanted > 0:
                    wanted -= len(piece)
                if sink is None:
                    self._at += len(piece)
                    body.extend(piece)
                else:
                    del self.received[self._at : self._at + len(piece)]
                    sink(bytes(piece))
            return True

        if method == "HEAD" or answer.status in (204, 304):
            answer.whole = True
        elif b"chunked" in answer.values(b"transfer-encoding"):
            assert not answer.values(b"content-length")
            answer.whole = self._chunks(answer, take)
        elif lengths := answer.values(b"content-length"):
            [length] = lengths
            answer.whole = take(int(length))
        else:
            take(-1)
            answer.whole = self.ended == "closed"
        answer.body = bytes(body)

    def _chunks(self, answer: Answer, take: Callable[[int], bool]) -> bool:
        while True:
            line = self._until(b"\r\n")
            if line is None:
                return False
            size = int(line, 16)  # a proxy that passes on extensions fails here
            if not size:
                break
            if not take(size) or self._until(b"\r\n") != b"":
                return False
        while line := self._until(b"\r\n"):
            answer.trailers.append(_field(line))
        return line == b""


def _field(line: bytes) -> Field:
    name, colon, value = line.partition(b":")
    assert colon
    assert name == name.strip(), line
    return name.lower(), value.strip()


def ask(port: int, method: str, path: str, *fields: str, body: bytes = b"", host: str = "front.test") -> Answer:
    """One request on a connection of its own."""
    with Wire(port) as wire:
        return wire.ask(method, path, *fields, body=body, host=host)
