"""The admin listener's HTTP side: who may ask, what is asked for, and the answer.

Rule 1. Who may ask is `access.Gate`'s to say, before anything else is looked at; of who may not, no body is kept.
Rule 2. What shows something is asked for with GET or HEAD, what changes something with POST; anything else is a 405.
Rule 3. A body is kept in memory up to `page.MAX_BODY`; of a longer one nothing is kept, and it is a 413.
Rule 4. An answer that fails is one event in the log and a 503; it is never a traceback for the client.
"""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from shifter.admin import releases
from shifter.admin.access import Gate
from shifter.admin.page import FIELDS, MAX_BODY, Answer, BadQuery, Command, Page, Query, Stream
from shifter.admin.pages import COMMANDS, help_text
from shifter.admin.view import AdminView
from shifter.model.address import SocketAddress

IDLE_TIMEOUT = 30.0
"""Seconds that a client may keep a connection without sending anything."""

_log = Logger()
_COMMANDS = {command.path.encode(): command for command in COMMANDS if not command.names}
_NAMED = [(command.path.split("/"), command) for command in COMMANDS if command.names]
_NONE: Mapping[str, str] = {}
_MANY = 50
_METHODS = {"GET": ("GET", "HEAD"), "POST": ("POST",)}


class AdminResource(Resource):
    """All admin pages, for any `Site`. *names* and *token* as in `access.Gate`."""

    isLeaf = True

    def __init__(self, view: AdminView, names: Collection[str] = (), token: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types there
        self._view = view
        self.gate = Gate(names, token)

    def render(self, request: Any) -> int:
        """Answer *request*, now or when the figures are there."""
        waiting = maybeDeferred(self._page, request)
        request.notifyFinish().addErrback(lambda _: waiting.cancel())
        answered = waiting.addErrback(_unanswered, request).addCallback(_send, request)
        answered.addErrback(lambda failure: _log.failure("admin page {path} could not be sent", failure, path=request.path))
        return NOT_DONE_YET

    def _page(self, request: Any) -> Deferred[Answer]:
        headers = request.requestHeaders
        command, names = _COMMANDS.get(request.path), _NONE
        if command is None:
            command, names = _named(request.path)
        method = request.method.decode("ascii", "replace")
        changes = command is not None and (command.method == "POST" or (method == "POST" and command.changing is not None))
        refusal = self.gate.refusal(headers, public=command is not None and command.public, changes=changes)
        if refusal is not None:
            return succeed(refusal)
        if command is None:
            path = request.path.decode("ascii", "replace")
            if path.startswith(releases.ROOT):
                return succeed(releases.nothing_at(path))
            return succeed(Page(f"invalid path. {help_text()}", status=404))
        methods = (*_METHODS[command.method], *(("POST",) if command.changing is not None else ()))
        if method not in methods:
            words = f"Method {method} not allowed, {command.method} required."
            return succeed(Page(words, status=405, headers=(("allow", ", ".join(methods)),)))
        body = request.content
        if isinstance(body, _Body) and body.too_long:
            return succeed(Page(f"The body is longer than {MAX_BODY} bytes.\n", status=413))
        answer = command.changing if method == "POST" and command.changing is not None else command.answer
        return answer(self._view, _query(request, method, self.gate.is_known(headers), names))


class AdminSite(Site):
    """The factory for the admin listener: `AdminResource` without access log lines and with an idle timeout."""

    def __init__(self, view: AdminView, names: Collection[str] = (), reactor: Any = None, token: str | None = None) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Twisted has no types there
            AdminResource(view, names, token),
            requestFactory=_BoundedRequest,
            parsePOSTFormSubmission=False,
            timeout=IDLE_TIMEOUT,
            reactor=reactor,
        )

    noisy = False  # the service says where the admin listener is

    def startFactory(self) -> None:
        """Nothing to start: there is no log whose clock would have to tick."""

    def stopFactory(self) -> None:
        """Nothing was started."""

    def log(self, request: Any) -> None:
        """No line per request."""


class _BoundedRequest(Request):
    def gotLength(self, length: int | None) -> None:
        resource = getattr(getattr(self.channel, "site", None), "resource", None)
        known = not isinstance(resource, AdminResource) or resource.gate.is_known(self.requestHeaders)
        self.content = _Body(MAX_BODY if known else 0)


class _Body(BytesIO):
    """A file in memory that forgets all when it gets too long; Twisted would put bodies of any size on the disk."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self.too_long = False

    def write(self, data: Any) -> int:
        if not self.too_long and self.tell() + len(data) > self._most:
            self.too_long = True
            self.seek(0)
            self.truncate()
        return len(data) if self.too_long else super().write(data)


def _named(path: bytes) -> tuple[Command | None, Mapping[str, str]]:
    """Return the command whose path has names in it that *path* fits, and what stands in their places."""
    parts = path.decode("ascii", "replace").split("/")
    for wanted, command in _NAMED:
        if len(wanted) == len(parts) and all(one == part or (one[:1] == "{" and part) for one, part in zip(wanted, parts, strict=True)):
            return command, {one[1:-1]: unquote(part) for one, part in zip(wanted, parts, strict=True) if one[:1] == "{"}
    return None, _NONE


def _query(request: Any, method: str, known: bool, names: Mapping[str, str]) -> Query:
    try:
        pairs = parse_qsl(request.uri.partition(b"?")[2].decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MANY)
    except ValueError as error:
        raise BadQuery("too many parameters\n") from error
    peer = request.getClientAddress()
    where = str(SocketAddress(peer.host, peer.port)) if hasattr(peer, "port") else "a Unix domain socket"
    origin = f"{method} {request.path.decode('ascii', 'replace')} from {where}"
    by, why = _field(request, b"x-shifter-by"), _field(request, b"x-shifter-why")
    fields = {name: _field(request, name.encode()) for name in FIELDS}
    return Query(pairs, body=request.content.read(), origin=origin, by=by, why=why, known=known, path=names, fields=fields)


def _field(request: Any, name: bytes) -> str:
    """Return the first header field *name*, as text; empty when there is none."""
    values: list[bytes] = request.requestHeaders.getRawHeaders(name, [b""])
    return values[0].decode("utf-8", "replace")


def _unanswered(failure: Failure, request: Any) -> Answer | None:
    if failure.check(BadQuery):
        return Page(str(failure.value), status=400)
    if failure.check(CancelledError):
        return None
    _log.failure("admin page {path} failed", failure, path=request.path)
    return Page("the figures are not available; the reason is in the log\n", status=503)


def _send(answer: Answer | None, request: Any) -> None:
    if answer is None:
        return
    headers = {
        "content-type": answer.content_type,
        "cache-control": "no-cache, max-age=0",
        "x-content-type-options": "nosniff",
        "server": "shifter",
    }
    for name, value in (*headers.items(), *answer.headers):
        request.setHeader(name, value)
    if isinstance(answer, Stream):
        _stream(answer, request)
        return
    body = answer.body if isinstance(answer.body, bytes) else answer.body.encode("utf-8", "replace")
    request.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode())
    request.setHeader("content-length", str(len(body)))
    request.write(body)
    request.finish()


def _stream(answer: Stream, request: Any) -> None:
    request.setResponseCode(200, b"OK")
    if request.method == b"HEAD":
        request.finish()
        return
    sink = _Sink(request)
    request.registerProducer(sink, True)
    request.write(b"")  # the head, so that the client knows that it was heard
    stop = answer.start(sink)
    if sink.ended:
        stop()
    else:
        sink.stop = stop


class _Sink:
    """Where a stream's pieces go: Twisted tells it, as it tells a producer, whether the client keeps up."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self.full = False
        self.ended = False
        self.stop: Callable[[], None] | None = None
        request.notifyFinish().addBoth(lambda _: self._end())

    def write(self, piece: bytes) -> None:
        if not self.ended:
            self._request.write(piece)

    def finish(self) -> None:
        if not self.ended:
            self._request.channel.persistent = False  # who comes back comes to whoever listens by then
            self._request.unregisterProducer()
            self._request.finish()

    def pauseProducing(self) -> None:
        self.full = True

    def resumeProducing(self) -> None:
        self.full = False

    def stopProducing(self) -> None:
        self.full = True

    def _end(self) -> None:
        self.ended = True
        if self.stop is not None:
            self.stop()
            self.stop = None
