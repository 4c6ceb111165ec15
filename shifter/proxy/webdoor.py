"""A second door to the same tree: an ``IResource`` to mount in any ``twisted.web`` ``Site``.

Rule 1. Nothing of a route is decided here: the request becomes a `RequestHead`, and from there on everything is as behind
        the fast door (`entry.exchange_for`), so the two cannot differ in what they match.
Rule 2. It costs what twisted.web costs: the whole request body is read before the exchange begins, field names lose their
        case, there is no upload backpressure, and one request takes several times the CPU. It is for embedding shifter's
        routes in an application and for tests (``treq.testing.StubTreq``), not for production traffic.
"""

from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from shifter.observe.logformat import LogEntry
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.downstream import Exchange
from shifter.proxy.entry import exchange_for
from shifter.wire import h1
from shifter.wire.events import NO_BODY, ProtocolError, RequestHead, fields
from shifter.wire.heads import parse_request


@implementer(IResource)
class TreeResource:
    """All routes of one listener. It ignores path segments: a rule looks at the whole path (`tree`)."""

    isLeaf = True

    def __init__(self, runtime: ConnectionManager) -> None:
        self._runtime = runtime

    def getChildWithDefault(self, name: bytes, request: IRequest) -> IResource:
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        raise TypeError("routes come from the configuration, not from putChild")

    def render(self, request: Request) -> int:
        runtime = self._runtime
        body = request.content.read() if request.content is not None else b""
        runtime.stats.downstream_rq_http1_total += 1
        try:
            head = _head_of(request, len(body))
        except ProtocolError as error:
            runtime.stats.codes[error.status] += 1
            request.setResponseCode(error.status, h1.REASONS[error.status])
            request.write(h1.REASONS[error.status])
            request.finish()
            return NOT_DONE_YET
        downstream = WebDownstream(request, runtime)
        exchange = exchange_for(head, downstream, downstream.host)
        downstream.follow(exchange)
        exchange.begin(body, True)
        return NOT_DONE_YET


def _head_of(request: Request, length: int) -> RequestHead:
    """Write the request down as it would have come on the wire and read it with the one parser that there is."""
    lines = [request.method + b" " + request.uri + b" HTTP/1.1"]
    for name, values in request.requestHeaders.getAllRawHeaders():
        if name.lower() not in (b"content-length", b"transfer-encoding"):
            lines += [name + b": " + value for value in values]
    if length or request.method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"content-length: %d" % length)
    text = b"\r\n".join(lines)
    return parse_request(text + b"\r\n\r\n", len(text), 500)


class WebDownstream:
    """A twisted.web request as a `downstream.Downstream`."""

    def __init__(self, request: Request, runtime: ConnectionManager) -> None:
        self.runtime = runtime
        self._request = request
        self._exchange: Exchange | None = None
        self._paused = False
        client = request.getClientAddress()
        self.host = str(getattr(client, "host", "")).encode("ascii", "replace")
        self._port = int(getattr(client, "port", 0) or 0)

    @property
    def peer(self) -> bytes:
        return b"%b:%d" % (self.host, self._port)

    @property
    def local(self) -> bytes:
        host = self._request.getHost()
        return f"{getattr(host, 'host', '')}:{getattr(host, 'port', 0)}".encode("ascii", "replace")

    @property
    def connection_id(self) -> int:
        return 0

    @property
    def transport(self) -> None:
        return None

    def follow(self, exchange: Exchange) -> None:
        """Tell *exchange* when the client goes away, and how fast it reads."""
        self._exchange = exchange
        self._request.notifyFinish().addErrback(lambda _: self._lost())
        self._request.registerProducer(self, True)

    def _lost(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.on_downstream_lost()

    # IPushProducer, for the answer

    def pauseProducing(self) -> None:
        if self._exchange is not None:
            self._exchange.on_downstream_blocked()

    def resumeProducing(self) -> None:
        if self._exchange is not None:
            self._exchange.on_downstream_writable()

    def stopProducing(self) -> None:
        self._lost()

    # Downstream

    def send_interim(self, status: int, block: bytes) -> None: ...

    def send_head(self, status: int, block: bytes, length: int, data: bytes, end: bool) -> None:
        request = self._request
        request.setResponseCode(status, h1.REASONS.get(status, b"Unknown"))
        request.responseHeaders.removeHeader(b"content-type")
        for name, value in fields(block):
            if name in (b"server", b"date"):
                request.responseHeaders.setRawHeaders(name, [value])
            else:
                request.responseHeaders.addRawHeader(name, value)
        if length == NO_BODY and status not in (204, 304) and request.method != b"HEAD":
            request.responseHeaders.setRawHeaders(b"content-length", [b"0"])
        if data and request.method != b"HEAD":
            request.write(data)

    def send_data(self, data: bytes, end: bool) -> None:
        if data and self._request.method != b"HEAD":
            self._request.write(data)

    def send_trailers(self, block: bytes) -> None: ...

    def reset(self) -> None:
        self._exchange = None
        self._request.loseConnection()

    def log(self, entry: LogEntry) -> None:
        self.runtime.log(entry)

    def finished(self) -> None:
        if self._exchange is not None:
            self._exchange = None
            self._request.unregisterProducer()
            self._request.finish()

    def pause_request(self) -> None: ...

    def resume_request(self) -> None: ...
