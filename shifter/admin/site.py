"""The admin listener's HTTP side: who may ask, what is asked for, and the answer.

Rule 1. A browser that was lured to a name of somebody else's must not read these pages (DNS rebinding). Such a name has a dot
        and is not ours; addresses, single-label names (``localhost``, a compose service) and configured names are answered.
Rule 2. Only GET and HEAD: nothing here changes anything. What a client sends beside its head is thrown away as it comes.
Rule 3. An answer that fails is one event in the log and a 503; it is never a traceback for the client.
"""

from collections.abc import Collection
from http import HTTPStatus
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qsl

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from shifter.admin.page import BadQuery, Page, Query
from shifter.admin.pages import COMMANDS, help_text
from shifter.admin.view import AdminView

IDLE_TIMEOUT = 30.0
"""Seconds that a client may keep a connection without sending anything."""

_log = Logger()
_COMMANDS = {command.path.encode(): command for command in COMMANDS}
_MANY = 50


def is_own_host(authority: str, names: Collection[str] = ()) -> bool:
    """Whether the ``Host`` field *authority* can only mean this listener; *names* are further names it goes by."""
    host = authority.strip().lower()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = host.removesuffix(".")
    if ("." not in host and ":" not in host) or host.endswith(".localhost") or host in names:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class AdminResource(Resource):
    """All admin pages, for any `Site`. *names* as in `is_own_host`."""

    isLeaf = True

    def __init__(self, view: AdminView, names: Collection[str] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types there
        self._view = view
        self._names = frozenset(name.lower() for name in names)

    def render(self, request: Any) -> int:
        """Answer *request*, now or when the figures are there."""
        waiting = maybeDeferred(self._page, request)
        request.notifyFinish().addErrback(lambda _: waiting.cancel())
        answered = waiting.addErrback(_unanswered, request).addCallback(_send, request)
        answered.addErrback(lambda failure: _log.failure("admin page {path} could not be sent", failure, path=request.path))
        return NOT_DONE_YET

    def _page(self, request: Any) -> Deferred[Page]:
        hosts = request.requestHeaders.getRawHeaders("host", [])
        if len(hosts) > 1 or not all(is_own_host(host, self._names) for host in hosts):
            return succeed(Page("This Host is not one of the admin listener's.\n", status=403))
        command = _COMMANDS.get(request.path)
        if command is None:
            return succeed(Page(f"invalid path. {help_text()}", status=404))
        if request.method not in (b"GET", b"HEAD"):
            method = request.method.decode("ascii", "replace")
            return succeed(Page(f"Method {method} not allowed, GET required.\n", status=405, headers=(("allow", "GET, HEAD"),)))
        return command.answer(self._view, _query(request.uri))


class AdminSite(Site):
    """The factory for the admin listener: `AdminResource` without access log lines and with an idle timeout."""

    def __init__(self, view: AdminView, names: Collection[str] = (), reactor: Any = None) -> None:
        super().__init__(  # type: ignore[no-untyped-call]  # Twisted has no types there
            AdminResource(view, names),
            requestFactory=_BodilessRequest,
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


class _BodilessRequest(Request):
    def gotLength(self, length: int | None) -> None:
        self.content = _Nowhere()


class _Nowhere(BytesIO):
    """A file that keeps nothing; Twisted would put bodies of any size on the disk."""

    def write(self, data: Any) -> int:
        return len(data)


def _query(uri: bytes) -> Query:
    try:
        pairs = parse_qsl(uri.partition(b"?")[2].decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MANY)
    except ValueError as error:
        raise BadQuery("too many parameters\n") from error
    return Query(pairs)


def _unanswered(failure: Failure, request: Any) -> Page | None:
    if failure.check(BadQuery):
        return Page(str(failure.value), status=400)
    if failure.check(CancelledError):
        return None
    _log.failure("admin page {path} failed", failure, path=request.path)
    return Page("the figures are not available; the reason is in the log\n", status=503)


def _send(page: Page | None, request: Any) -> None:
    if page is None:
        return
    body = page.body.encode("utf-8", "replace")
    request.setResponseCode(page.status, HTTPStatus(page.status).phrase.encode())
    headers = {
        "content-type": page.content_type,
        "cache-control": "no-cache, max-age=0",
        "x-content-type-options": "nosniff",
        "server": "shifter",
        "content-length": str(len(body)),
    }
    for name, value in (*headers.items(), *page.headers):
        request.setHeader(name, value)
    request.write(body)
    request.finish()
