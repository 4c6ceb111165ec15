"""Routes that a ``twisted.web`` resource of this process serves (shifter's own; ``filter_action`` of a route).

Rule 1. The resource is somebody's: what it does with its request is twisted.web's matter (`twisted.web.server.Request`), and what
        comes out is held to the rules of every answer here: framing is ours, the route's header edits apply, what was announced
        is what is sent.
Rule 2. A request's body is held in memory until it is whole, as twisted.web wants it, and may have `MAX_BODY` bytes.
Rule 3. A resource that waits forever is ended by the idle timeout of the connection manager, as an upstream would be.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from twisted.internet import task
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPullProducer, IPushProducer
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from shifter.filters.api import Reply
from shifter.model.route import Route, WebResourceAction
from shifter.observe.logentry import LogEntry
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange
from shifter.proxy.local_reply import UPGRADE_FAILED, LocalReply, local_reply
from shifter.proxy.outcome import blank, local_entry
from shifter.routing.errors import RoutingError
from shifter.routing.headers import FRAMING, HeaderEditor
from shifter.wire.events import NO_BODY, UNTIL_END, UPGRADE, ProtocolError, RequestHead, expects_continue, fields
from shifter.wire.h1 import REASONS

MAX_BODY = 1 << 20
"""Bytes that a request's body may have."""

_Pull = task.CooperativeTask[Iterator[None]]
_NEVER = float("inf")
_BODILESS = (204, 304)
_FINAL = range(200, 600)
_log = Logger()


def load_resource(name: str) -> IResource:
    """Return the resource at ``package.module:name``, made if it is something to make one with. Raises ``ValueError``."""
    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise ValueError(f"{name!r} is not package.module:name")
    try:
        found: Any = namedAny(f"{module}.{attribute}")
        if not IResource.providedBy(found) and callable(found):
            found = found()
    except Exception as error:
        raise ValueError(f"{name!r} cannot be loaded: {error!r}") from error
    if not IResource.providedBy(found):
        raise ValueError(f"{name!r} is no twisted.web resource")
    resource: IResource = found
    return resource


def resource_problem(name: str) -> str | None:
    """Say why `load_resource` refuses *name*, ``None`` if it does not."""
    try:
        load_resource(name)
    except ValueError as error:
        return str(error)
    return None


class WebResourceLeaf:
    """A route that a resource serves. Raises `RoutingError` when it cannot be loaded."""

    __slots__ = ("_site", "config", "edit_answer")

    entry = None

    def __init__(self, route: Route, action: WebResourceAction, editor: HeaderEditor) -> None:
        self.config = route
        self.edit_answer = editor.response
        try:
            self._site = Site(load_resource(action.resource))
        except ValueError as error:
            raise RoutingError(str(error)) from error

    def choose(self, head: RequestHead, downstream: Downstream) -> ChosenLeaf:
        return self

    def start(self, head: RequestHead, downstream: Downstream) -> Exchange:
        downstream.runtime.stats.rq_direct_response += 1
        if head.flags & UPGRADE:
            # twisted.web's resources have no other protocol, and what follows the head here is no body
            return LocalReply(head, downstream, UPGRADE_FAILED, self)
        return WebExchange(self, self._site, head, downstream)


class WebExchange:
    """One request that a resource serves: the ``Exchange`` of a door, and what twisted.web calls a channel."""

    def __init__(
        self,
        leaf: WebResourceLeaf,
        site: Site,
        head: RequestHead,
        downstream: Downstream,
        cooperate: Callable[[Iterator[None]], _Pull] = task.cooperate,
    ) -> None:
        self.site = site
        self.transport = self
        self._leaf = leaf
        self._head = head
        self._downstream = downstream
        self._cooperate = cooperate
        self._worker = downstream.runtime.worker
        self._started = self._worker.monotonic()
        self._request: Any = None
        self._body: list[bytes] = []
        self._status = 0
        self._block = b""
        self._left = UNTIL_END  # bytes that were announced and have not come yet
        self._received = self._sent = 0
        self._producer: IPushProducer | IPullProducer | None = None
        self._pulling: _Pull | None = None
        self._blocked = False
        self._over = False
        # for the tick
        self.deadline = _NEVER
        self.touched = self._worker.now
        self.idle_timeout = downstream.runtime.settings.stream_idle_timeout or _NEVER

    # Exchange: what the door calls

    def begin(self, data: bytes, end: bool) -> None:
        self._worker.streams.add(self)
        if not end and not data and expects_continue(self._head):
            self._downstream.send_interim(100, b"")
        self.on_request_data(data, end)

    def on_request_data(self, data: bytes, end: bool) -> None:
        if self._over:
            return
        self.touched = self._worker.now
        self._received += len(data)
        if self._received > MAX_BODY:
            self._answer(413, REASONS[413], "request_payload_too_large")
            return
        self._body.append(data)
        if end:
            self._render()

    def on_request_trailers(self, block: bytes) -> None:
        self.on_request_data(b"", True)

    def on_request_broken(self, error: ProtocolError) -> None:
        if not self._over:
            self._answer(error.status, REASONS[error.status], error.detail, b"DPE")

    def on_downstream_lost(self, reset: bool = False) -> None:
        if not self._over:
            self._end(self._status, "downstream_remote_disconnect", b"DC")
            self._gone()

    def on_downstream_blocked(self) -> None:
        self._blocked = True
        if self._pulling is not None:
            self._pulling.pause()
        elif self._producer is not None:
            self._producer.pauseProducing()  # type: ignore[union-attr]  # those that are pulled have `_pulling`

    def on_downstream_writable(self) -> None:
        self.touched = self._worker.now
        if not self._blocked:
            return
        self._blocked = False
        if self._pulling is not None:
            self._pulling.resume()
        elif self._producer is not None:
            self._producer.resumeProducing()

    def answer(self, reply: Reply) -> None:
        """Only upstreams are answered for."""

    def timed_out(self, now: float) -> None:
        """The tick found nothing moving for too long."""
        self._downstream.runtime.stats.downstream_rq_idle_timeout += 1
        if self._status:
            self._cut("stream_idle_timeout", b"SI")
        else:
            self._answer(504, b"stream timeout", "stream_idle_timeout", b"SI")
        self._gone()

    def describe(self) -> LogEntry:
        """What is known by now, for formats in header edits."""
        return self._entry(self._status, "", b"", blank())

    # the request

    def _render(self) -> None:
        head = self._head
        request = self._request = Request(self, False)
        for name, value in fields(head.block):
            request.requestHeaders.addRawHeader(name, value)
        request.requestHeaders.setRawHeaders(b"host", [head.authority])
        request.content = BytesIO()
        request.content.write(b"".join(self._body))  # where it stands then tells twisted.web that there is a form to be read
        self._body = []
        request.parseCookies()
        try:
            # As HTTP/2 has it, framing is the channel's business.
            request.requestReceived(head.method, head.path, b"HTTP/2")
        except Exception:
            _log.failure("the resource of route {route} failed", route=self._name)
            if not self._over and not self._status:
                self._answer(500, b"internal error", "internal_error")
            elif not self._over:
                self._cut("internal_error")

    # the channel: what `Request` calls

    def getPeer(self) -> IPv4Address | IPv6Address:
        return _address(self._downstream.peer)

    def getHost(self) -> IPv4Address | IPv6Address:
        return _address(self._downstream.local)

    def isSecure(self) -> bool:
        return self._head.scheme == b"https"

    def _respondToBadRequestAndDisconnect(self) -> None:
        self._answer(400, REASONS[400], "web_resource_form")

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        if self._over:
            return
        if int(code) not in _FINAL:
            _log.error("the resource of route {route} answers with status {code}, which none can have", route=self._name, code=int(code))
            self._answer(500, b"internal error", "internal_error")
            return
        pairs = headers.getAllRawHeaders() if hasattr(headers, "getAllRawHeaders") else [(name, [value]) for name, value in headers]
        self._status = status = int(code)
        block = b""
        length = UNTIL_END
        for raw, values in pairs:
            name = raw.lower()
            if name == b"content-length" and values[-1].isdigit() and status not in _BODILESS:
                length = int(values[-1])
                block += b"\r\ncontent-length: %d" % length
            elif name not in FRAMING and name not in (b"server", b"date", b"content-length"):
                block += b"".join([b"\r\n%b: %b" % (name, value.replace(b"\0", b"").strip(b" \t")) for value in values])
        if self._leaf.edit_answer is not None:
            block = self._leaf.edit_answer(block, self)
        runtime = self._downstream.runtime
        block += b"\r\ndate: " + self._worker.date
        block = block + runtime.server_line if runtime.last_fields is None else runtime.last_fields(block, self._head)
        self._block = block
        self._left = length
        bodiless = self._head.method == b"HEAD" or status in _BODILESS
        self._downstream.send_head(status, block, NO_BODY if bodiless else length, b"", bodiless)
        if bodiless:
            self._left = 0

    def write(self, data: bytes) -> None:
        if self._over or not data:
            return
        self.touched = self._worker.now
        if self._left != UNTIL_END:
            data = data[: self._left]  # more than was announced would be taken for another answer
            self._left -= len(data)
        if data:
            self._sent += len(data)
            self._downstream.send_data(data, False)

    def writeSequence(self, data: list[bytes]) -> None:
        self.write(b"".join(data))

    def requestDone(self, request: Request) -> None:
        if self._over:
            return
        if self._left > 0:
            _log.warn("the resource of route {route} sent {left} bytes less than it said", route=self._leaf.config.name, left=self._left)
            self._cut("web_resource_ended_early")
            return
        if not (self._head.method == b"HEAD" or self._status in _BODILESS):
            self._downstream.send_data(b"", True)
        self._end(self._status, "web_resource")

    def loseConnection(self) -> None:
        if not self._over:
            self._cut("web_resource_closed")

    abortConnection = loseConnection

    def registerProducer(self, producer: IPushProducer | IPullProducer, streaming: bool) -> None:
        self._producer = producer
        if not streaming:
            self._pulling = self._cooperate(self._pull(producer))
            if self._blocked:
                self._pulling.pause()
        elif self._blocked:
            producer.pauseProducing()  # type: ignore[union-attr]  # a streaming producer is a push producer

    def unregisterProducer(self) -> None:
        self._producer = None
        self._pulling = None

    def _pull(self, producer: IPushProducer | IPullProducer) -> Iterator[None]:
        while self._producer is producer:
            try:
                producer.resumeProducing()
            except Exception:
                _log.failure("the resource of route {route} failed", route=self._leaf.config.name or self._leaf.config.place)
                if not self._over:
                    self._cut("internal_error")
                return
            yield None

    # ends

    def _gone(self) -> None:
        """Tell the resource that nobody waits for it any more."""
        producer = self._producer
        self.unregisterProducer()
        if producer is not None:
            producer.stopProducing()
        if self._request is not None:
            self._request.connectionLost(Failure(ConnectionDone()))

    def _cut(self, details: str, flag: bytes = b"") -> None:
        self._downstream.reset()
        self._end(self._status, details, flag)

    @property
    def _name(self) -> str:
        return self._leaf.config.name or self._leaf.config.place

    def _answer(self, status: int, body: bytes, details: str, flag: bytes = b"") -> None:
        edit = self._leaf.edit_answer
        status, self._block, body = local_reply(
            self._downstream.runtime, self._head, status, body, b"" if edit is None else edit(b"", self), subject=self
        )
        self._sent = len(body)
        self._downstream.send_head(status, self._block, len(body), body, True)
        self._end(status, details, flag)

    def _end(self, status: int, details: str, flag: bytes = b"") -> None:
        self._over = True
        self._body = []
        self._worker.streams.discard(self)
        runtime = self._downstream.runtime
        runtime.stats.codes[status] += 1
        runtime.stats.downstream_rq_time.record((self._worker.monotonic() - self._started) * 1000)
        if runtime.access_logs:
            self._downstream.log(self._entry(status, details, flag))
        self._downstream.finished()

    def _entry(self, status: int, details: str, flag: bytes, known: LogEntry | None = None) -> LogEntry:
        entry = local_entry(self._downstream, self._head, status, flag, details, self._worker.monotonic() - self._started, known)
        entry.route = self._leaf.config.name
        entry.response_block = self._block
        entry.bytes_received = self._received
        entry.bytes_sent = self._sent
        return entry


def _address(text: bytes) -> IPv4Address | IPv6Address:
    host, _, port = text.decode("ascii", "replace").rpartition(":")
    host = host.strip("[]")
    number = int(port) if port.isdigit() else 0
    return IPv6Address("TCP", host, number) if ":" in host else IPv4Address("TCP", host, number)
