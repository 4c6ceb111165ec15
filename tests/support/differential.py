"""The same configuration and the same bytes through Envoy and through shifter: all that a client and a backend can see is compared.

A case file has ``config`` (``@listen@``, ``@listen2@``, ``@admin@``, ``@dead@`` and the names of ``backends`` between two ``@``
stand for ports) and ``requests``. A request is ``path`` with, as needed, ``method``, ``host``, ``headers`` (list of ``name:
value``), ``pad`` (bytes of one field more), ``body``, ``listener``, or it is ``raw``: the bytes themselves. ``answer`` is what
the backend says, byte by byte; without it the backend tells what it was sent. ``differs`` says why shifter does not do as Envoy
does there; then the two must differ, and shifter's status must be ``status``. ``compares`` of a case lists fields of answers
that are otherwise `HIDDEN`.

What has chance or time in it is made ``repeat`` times, with ``pause`` seconds after each, and what came of it is counted:
``counts`` lists the words of `COUNTED` that an outcome consists of. The two may have as many more or fewer of each outcome as
``within`` says (0 without it). In ``path``, ``host`` and ``headers`` of such a request ``{n}`` stands for its number. ``reaches``
says how many requests the first backend gets of a request that is answered before they have come: they are waited for. Those
that have the same word in ``at_once`` are made together, after the rest; backends must know such a request by its target.
"""

import gzip
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import yaml

from tests.support.backend import Backend, ReservedPort, Seen
from tests.support.envoy import running_envoy
from tests.support.flaky import attempt
from tests.support.proxy import Proxy
from tests.support.wireclient import Answer, Wire

UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
HIDDEN = {b"date", b"server"}
"""Fields of an answer that are not compared: one is the time, the other a name."""
MASKED = {b"x-envoy-upstream-service-time", b"x-request-id"}
"""Fields of which only the presence is compared, if their value was made by the proxy."""

GZIP = b"\x1f\x8b"
"""How what gzip made begins (RFC 1952 section 2.3.1)."""

LOCAL = re.compile(rb"(?<![^,])[0-9.]+$")
"""The last entry of ``x-forwarded-for``: Envoy writes the machine's own address for a client from loopback."""


@dataclass(frozen=True)
class View:
    """What can be seen of one exchange from outside."""

    status: int
    version: bytes
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool
    interims: tuple[int, ...]
    kept: bool
    """Whether the connection is still open when the answer has been read."""
    forwarded: tuple[object, ...]

    def against(self, other: "View") -> str:
        """What differs, for people."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return "\n".join(f"{name}:\n  Envoy   {ours}\n  shifter {theirs}" for name, ours, theirs in pairs if ours != theirs)


@dataclass(frozen=True)
class Counts:
    """What came of one request that was made many times."""

    outcomes: Counter[tuple[object, ...]]
    within: int

    @property
    def status(self) -> int:
        """The status that most of the answers had, if outcomes have one."""
        [(outcome, _)] = self.outcomes.most_common(1)
        return int(str(outcome[0]))

    def against(self, other: "Counts") -> str:
        """What differs, for people."""
        both = sorted({*self.outcomes, *other.outcomes}, key=repr)
        far = [one for one in both if abs(self.outcomes[one] - other.outcomes[one]) > self.within]
        return "\n".join(f"{one}: Envoy {self.outcomes[one]}, shifter {other.outcomes[one]}" for one in far)


@dataclass(frozen=True)
class Made:
    """One of the many times: its number from 0, the answer, what backends were sent by name, and the first connection of all."""

    number: int
    answer: Answer
    seen: list[tuple[str, Seen]]
    first: int

    @property
    def body(self) -> str:
        return self.answer.body.decode("latin-1")


COUNTED: dict[str, Callable[[Made], object]] = {
    "by": lambda made: made.body,
    "server": lambda made: made.body.split(" ")[0],
    "tries": lambda made: len(made.seen),
    "tried": lambda made: " ".join(name for name, _ in sorted(made.seen, key=lambda one: attempt(one[1]))),
    "connection": lambda made: made.seen[0][1].connection - made.first,
    "n": lambda made: made.number,
}
"""What an outcome consists of besides the status: the body, or its first word; how many requests backends were sent, and which
backends, in the order of tries; the connection to a backend, from 0; the number of the request."""


class EitherWire(Wire):
    """Envoy answers HTTP/1.0 in kind."""

    versions = (b"HTTP/1.0", b"HTTP/1.1")


class Side:
    """One of the two, running."""

    def __init__(self, ports: dict[str, int], backends: list[Backend], hidden: set[bytes]) -> None:
        self._ports = ports
        self._backends = backends
        self._hidden = hidden

    def views(self, requests: list[dict[str, Any]]) -> "list[View | Counts]":
        """Make them all, one after the other but for those that go at once."""
        seen = {number: self.view(request) for number, request in enumerate(requests) if "at_once" not in request}
        for group in dict.fromkeys(request["at_once"] for request in requests if "at_once" in request):
            members = {number: request for number, request in enumerate(requests) if request.get("at_once") == group}
            with ThreadPoolExecutor(len(members)) as together:
                seen.update(zip(members, together.map(self.view, members.values()), strict=True))
        return [seen[number] for number in range(len(requests))]

    def view(self, request: dict[str, Any]) -> "View | Counts":
        """Make *request* on a connection of its own; many times if that is what it says."""
        return self._counted(request) if "repeat" in request else self._viewed(request)

    def _counted(self, request: dict[str, Any]) -> Counts:
        outcomes: Counter[tuple[object, ...]] = Counter()
        wire = self._connect(request)
        first = 0
        for number in range(request["repeat"]):
            before = [len(backend.requests) for backend in self._backends]
            sent = bytes_of(request, number)
            wire.send(sent)
            answer = wire.answer(sent.split(b" ", 1)[0].decode("latin-1"))
            if not answer.kept or not answer.whole:
                wire.close()
                wire = self._connect(request)
            seen = [(one.name, it) for one, start in zip(self._backends, before, strict=True) for it in one.requests[start:]]
            time.sleep(request.get("pause", 0))
            first = first or (seen[0][1].connection if seen else 0)
            made = Made(number, answer, seen, first)
            outcomes[(answer.status, *(COUNTED[word](made) for word in request["counts"]))] += 1
        wire.close()
        return Counts(outcomes, request.get("within", 0))

    def _connect(self, request: dict[str, Any]) -> Wire:
        return EitherWire(self._ports[request.get("listener", "listen")])

    def _viewed(self, request: dict[str, Any]) -> View:
        before = [len(backend.requests) for backend in self._backends]
        sent = bytes_of(request)
        method = sent.split(b" ", 1)[0].decode("latin-1")
        with self._connect(request) as wire:
            wire.send(sent)
            answer = wire.answer(method)
            if not answer.kept or not answer.whole:
                if answer.whole:
                    wire.finish()  # who is about to close need not wait for us
                wire.rest()
            kept = wire.silent()
        target = request["path"] if "at_once" in request else None
        self._backends[0].wait(lambda one: len(told(one, before[0], target)) >= request.get("reaches", 0))
        for backend in self._backends:
            backend.wait(lambda one: not one.ending)  # or the next request might meet a connection that is closing
        seen = [one for backend, start in zip(self._backends, before, strict=True) for one in told(backend, start, target)]
        return View(
            answer.status,
            answer.version,
            answer.reason,
            tuple(sorted(masked(name, value, sent) for name, value in answer.fields if name not in self._hidden)),
            _without_ids(answer, sent),
            answer.whole,
            tuple(answer.interims),
            kept,
            tuple(seen),
        )


def told(backend: Backend, start: int, target: str | None) -> list[object]:
    """What the backend was sent since its request number *start*; for *target*, if one is given."""

    def shown(request: Seen) -> object:
        fields = sorted(masked(name.encode("latin-1"), value.encode("latin-1"), b"") for name, value in request.fields)
        if attempt(request) > 1:
            fields = [(name, b"(what is left)" if name == b"x-envoy-expected-rq-timeout-ms" else value) for name, value in fields]
        return (backend.name, request.method, request.target, fields, request.body, request.whole)

    return [shown(request) for request in backend.requests[start:] if target in (None, request.target)]


def bytes_of(request: dict[str, Any], number: int = 0) -> bytes:
    """The bytes that the client sends, the *number* th time."""
    if "raw" in request:
        return str(request["raw"]).encode("latin-1")
    body = str(request.get("body", "")).encode()
    path = request["path"]
    if "answer" in request:
        path += "?bytes=" + quote(request["answer"].encode("latin-1"), safe="")
    lines = [f"{request.get('method', 'GET')} {path} HTTP/1.1", f"host: {request.get('host', 'front.test')}", *request.get("headers", [])]
    if "pad" in request:
        lines.append("x-pad: " + "x" * request["pad"])
    if body:
        lines.append(f"content-length: {len(body)}")
    if "repeat" in request:
        lines = [line.replace("{n}", str(number)) for line in lines]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def masked(name: bytes, value: bytes, sent: bytes) -> tuple[bytes, bytes]:
    """A field without what only the proxy could know; *sent* is what the client sent, the backend's answer included."""
    if name == b"x-forwarded-for":
        return (name, LOCAL.sub(b"(the client)", value))
    if name == b"x-forwarded-port" and int(value) > 1023:
        return (name, b"(the listener's)")
    made = UUID.fullmatch(value) if name == b"x-request-id" else value.isdigit()
    written = rb"%b: %b(?!\w)" % (name, value)  # whole: 7 is not what stands in 77
    if name in MASKED and made and not re.search(written, unquote_to_bytes(sent).lower()):
        return (name, b"(made by the proxy)")
    return (name, value)


def _without_ids(answer: Answer, sent: bytes) -> bytes:
    """The body; what the backend tells in it of a made-up request id is none of the comparison."""
    body = answer.body
    if (b"content-encoding", b"gzip") in answer.fields and body.startswith(GZIP):
        body = gzip.decompress(body)  # two compressors need not make the same of it
    body = UUID.sub(lambda found: found[0] if found[0] in sent else b"(made by the proxy)", body)
    return b"" if answer.body.startswith(b'{"backend"') else body


class Comparison:
    """One case file: both sides, started; views of every request. A context manager."""

    def __init__(self, case: dict[str, Any], envoy: str, directory: Path) -> None:
        self._case = case
        self._envoy = envoy
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> dict[int, tuple[View | Counts, View | Counts]]:
        with self._stack as starting:
            sides = [self._start(starting, kind) for kind in ("envoy", "shifter")]
            with ThreadPoolExecutor(len(sides)) as both:  # most of the time is waiting for nothing more to come
                views = list(both.map(lambda side: side.views(self._case["requests"]), sides))
            self._stack = starting.pop_all()
        return dict(enumerate(zip(*views, strict=True)))

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack, kind: str) -> Side:
        backends = [stack.enter_context(Backend(name)) for name in self._case["backends"]]
        ports = {backend.name: backend.port for backend in backends}
        for name in ("listen", "listen2", "admin", "dead"):
            ports[name] = stack.enter_context(ReservedPort()).port
        text = self._case["config"]
        for name, port in ports.items():
            text = text.replace(f"@{name}@", str(port))
        if "<<:" in text:
            text = yaml.safe_dump(yaml.safe_load(text), sort_keys=False)  # Envoy has no merge keys
        if kind == "envoy":
            stack.enter_context(running_envoy(self._envoy, text, ports["admin"], self._directory))
        else:
            stack.enter_context(Proxy(self._directory / "shifter")).start(text)
        return Side(ports, backends, HIDDEN - {name.encode() for name in self._case.get("compares", ())})
