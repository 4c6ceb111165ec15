"""HTTP/2 clients that do what a case file says, right or wrong, on a plain socket; and what a proxy made of it.

A case is a list of steps, each a map of one verb (`said`): ``request``, ``data``, ``frame``, ``settings``, ``ping``, ``window``, ``reset``,
``text`` ... ``times`` repeats a step (requests then take the next streams). What became of it is ``status 200``, ``reset 1``,
``goaway 11``, ``closed`` or ``nothing``.
"""

import contextlib
import socket
import time
from collections.abc import Mapping
from typing import Any

import hpack

from tests.support import h2frames as raw

PATIENCE = 10.0
QUIET = 0.4
"""After this long without a word none is to be expected, where none is right: seconds."""
_KINDS = {
    "data": 0,
    "headers": 1,
    "priority": 2,
    "rst": 3,
    "settings": 4,
    "push": 5,
    "ping": 6,
    "goaway": 7,
    "window": 8,
    "continuation": 9,
}


def latin(text: str) -> bytes:
    return str(text).encode("latin-1")


def fields_of(step: Mapping[str, Any]) -> list[tuple[bytes, bytes]]:
    """The field list of a ``request`` step."""
    pseudo = {":method": "GET", ":scheme": "http", ":authority": "a.example", ":path": "/"}
    pseudo |= {f":{name}": step[name] for name in ("method", "scheme", "authority", "path") if name in step}
    listed = [(latin(name), latin(value)) for name, value in pseudo.items() if name[1:] not in step.get("without", ())]
    more = [(latin(name), latin(value)) for name, value in step.get("fields", ())] * step.get("fields_times", 1)
    more += [(b"x-%d" % number, b"y") for number in range(step.get("many", 0))]
    return [*more, *listed] if step.get("pseudo_last") else [*listed, *more]


def block_of(step: Mapping[str, Any]) -> bytes:
    if "bomb" in step:  # one large entry, and many references to it
        entry = raw.literal(b"x-bomb", b"b" * 3900, 0x40)
        return raw.block(fields_of(step)) + entry + b"\xbe" * step["bomb"]
    return raw.block(fields_of(step))


def said(step: Mapping[str, Any]) -> bytes:
    """The bytes of one step."""
    ((verb, what),) = step.items()
    what = what if isinstance(what, dict) else {"value": what}
    out = []
    for number in range(what.get("times", 1)):
        stream = what.get("stream", 0 if verb in ("window", "frame") else 1)
        if verb == "request":
            flags = (raw.END_STREAM if what.get("end", True) else 0) | (raw.END_HEADERS if what.get("head", True) else 0)
            out.append(raw.frame(raw.HEADERS, flags, stream + 2 * number, block_of(what)))
        elif verb == "trailers":
            listed = [(latin(name), latin(value)) for name, value in what["fields"]]
            out.append(raw.headers(listed, stream, what.get("end", True)))
        elif verb == "data":
            out.append(raw.data(latin(what.get("text", "")) or bytes(what.get("size", 0)), stream, what.get("end", False)))
        elif verb == "frame":
            payload = bytes.fromhex(what["hex"]) if "hex" in what else latin(what.get("payload", "")) or bytes(what.get("size", 0))
            kind = what["type"]
            out.append(raw.frame(_KINDS.get(kind, kind), what.get("flags", 0), stream, payload, what.get("length")))
        elif verb == "settings":
            out.append(raw.settings(*((int(key), value) for key, value in what.get("pairs", ()))))
        elif verb == "ping":
            out.append(raw.frame(raw.PING, payload=b"12345678"))
        elif verb == "window":
            out.append(raw.window_update(what["amount"], stream))
        elif verb == "reset":
            out.append(raw.reset(stream + 2 * number, what.get("code", 8)))
        elif verb == "again":  # a request and its reset, over and over
            out.append(raw.headers(stream=stream + 2 * number) + raw.reset(stream + 2 * number))
        else:
            assert verb == "text", f"unknown step {verb!r}"
            out.append(latin(what["value"]))
    return b"".join(out)


class Hostile:
    """One such client. A context manager."""

    def __init__(self, port: int, greet: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._decoder = hpack.Decoder()
        self._decoder.max_allowed_table_size = 2**31  # some say so
        self._rest = b""
        self.statuses: dict[int, int] = {}
        self.resets: dict[int, int] = {}
        self.ended: set[int] = set()
        self.goaway: int | None = None
        self.closed = False
        if greet:
            self.send(raw.PREFACE + raw.settings())

    def __enter__(self) -> "Hostile":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it may have had enough; what it said about that is still to be read
            self.socket.sendall(data)

    def read(self, wait: float) -> bool:
        """Take what comes within *wait* seconds; False when nothing did."""
        self.socket.settimeout(max(wait, 0.001))
        try:
            data = self.socket.recv(1 << 16)
        except TimeoutError:
            return False
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        self._rest += data
        while len(self._rest) >= 9 and len(self._rest) >= 9 + (size := int.from_bytes(self._rest[:3], "big")):
            one = raw.Frame(self._rest[3], self._rest[4], int.from_bytes(self._rest[5:9], "big"), self._rest[9 : 9 + size])
            self._rest = self._rest[9 + size :]
            self._hear(one)
        return True

    def _hear(self, one: raw.Frame) -> None:
        if one.kind == raw.HEADERS:
            listed = dict(self._decoder.decode(one.payload, raw=True))
            if b":status" in listed:
                self.statuses[one.stream] = int(listed[b":status"])
        elif one.kind == raw.RST_STREAM:
            self.resets.setdefault(one.stream, one.code)
        elif one.kind == raw.GOAWAY:
            self.goaway = one.code
        elif one.kind == raw.SETTINGS and not one.flags & raw.ACK:
            self.send(raw.frame(raw.SETTINGS, raw.ACK))
        if one.kind in (raw.HEADERS, raw.DATA) and one.flags & raw.END_STREAM:
            self.ended.add(one.stream)

    def outcome(self, stream: int, quiet: float = PATIENCE) -> str:
        """What became of *stream*, or of the connection."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and not self.closed and self.goaway is None and stream not in self.resets:
            if stream in self.statuses and stream in self.ended:
                break
            if not self.read(quiet):
                break
        if self.goaway:
            return f"goaway {self.goaway}"
        if stream in self.statuses:
            return f"status {self.statuses[stream]}"
        if stream in self.resets:
            return f"reset {self.resets[stream]}"
        if self.closed or self.goaway is not None:
            return "closed"
        return "nothing"


def play(port: int, case: Mapping[str, Any], quiet: float = PATIENCE) -> str:
    """Do what *case* says and return its outcome. Who is silent for *quiet* seconds does not answer."""
    with Hostile(port, case.get("greet", True)) as client:
        for step in case["steps"]:
            client.send(said(step))
        return client.outcome(case.get("watch", 1), quiet)
