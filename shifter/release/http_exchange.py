"""One request of `http`, with treq. This module takes 0.1 s to be imported, so only `http` imports it, in a thread.

Rule 1. The connection is this request's own, so whoever ends the request can end it at once, in whatever state it is.
Rule 2. What is sent is what was asked for: treq's cookies, redirects and compression are not.
Rule 3. Whatever goes wrong is an `OSError` that says what, and never the URL: there may be a secret in it.
"""

from base64 import b64encode
from typing import Any
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit, urlunsplit

from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from shifter.model.cluster import DnsLookupFamily
from shifter.release.http import KEPT, HttpAnswer, Request
from shifter.upstream.dns import NameNotFound, ResolutionFailed, Resolver

CONNECT_TIMEOUT = 5.0
"""Seconds that each address of a server has to accept a connection."""
_WRAPPED = 5


async def exchange(reactor: Any, resolver: Resolver, request: Request) -> HttpAnswer:
    """Make *request*; return what it was answered. Raises `OSError`; one that is cancelled raises ``CancelledError``."""
    parts = _parts(request.url)
    headers = Headers({name: [value] for name, value in request.headers.items()})
    user, at, place = parts.netloc.rpartition("@")
    if at:
        headers.setRawHeaders("authorization", ["Basic " + b64encode(unquote_to_bytes(user)).decode()])
    line = _Line(reactor, resolver, str(parts.hostname))
    if ":" in line.host:  # treq takes no such address
        headers.setRawHeaders("host", [place])
        place = f"localhost:{parts.port}" if parts.port is not None else "localhost"
    made = Deferred.fromCoroutine(_exchange(line, request, urlunsplit(parts._replace(netloc=place, fragment="")), headers))
    timer = reactor.callLater(request.timeout, made.cancel)
    try:
        return await made
    except Exception as error:
        cause = _cause(error)
        if not timer.active():
            cause = TimeoutError(f"no answer within {request.timeout:g} s")
        elif not isinstance(cause, CancelledError):
            cause = _in_words(cause)
        raise cause from None
    finally:
        if timer.active():
            timer.cancel()
        line.cut()


async def _exchange(line: "_Line", request: Request, url: str, headers: Headers) -> HttpAnswer:
    client = HTTPClient(_Plain(line.agent))
    response = await client.request(
        request.method, url, headers=headers, data=request.body or None, allow_redirects=False, unbuffered=True, reactor=line.reactor
    )
    body = _Body()
    response.deliverBody(body)
    kept = await body.done
    said = {name.decode("latin-1").lower(): lines[-1].decode("latin-1") for name, lines in response.headers.getAllRawHeaders()}
    return HttpAnswer(response.code, kept, said)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 # raises for what is no number
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OSError("this is not the URL of an http or https server")
    return parts


@implementer(IAgentEndpointFactory)
class _Line:
    """The connection of one request."""

    def __init__(self, reactor: Any, resolver: Resolver, host: str) -> None:
        self.reactor = reactor
        self.resolver = resolver
        self.host = host
        self.protocol: Any = None
        pool = HTTPConnectionPool(reactor, persistent=False)
        pool.retryAutomatically = False  # it sends a GET twice
        self.agent = Agent.usingEndpointFactory(reactor, self, pool)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return what connects to the server of *uri*."""
        name = self.host if ":" in self.host else uri.host.decode("ascii")
        endpoint: Any = _Named(self, name, uri.port)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(BrowserLikePolicyForHTTPS().creatorForNetloc(name.encode(), uri.port), endpoint)
        return _Remembered(self, endpoint)

    def cut(self) -> None:
        """End it, unless it has ended."""
        protocol, self.protocol = self.protocol, None
        transport = getattr(protocol, "transport", None)
        if transport is not None:
            transport.abortConnection()


@implementer(IStreamClientEndpoint)
class _Remembered:
    """Connects by another endpoint; the line remembers what came of it."""

    def __init__(self, line: _Line, endpoint: Any) -> None:
        self._line = line
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        def connected(protocol: IProtocol) -> IProtocol:
            self._line.protocol = protocol
            return protocol

        factory: Any = protocolFactory
        factory.noisy = False  # a server that is away for an hour would fill the log with two lines for each try
        connecting: Deferred[IProtocol] = self._endpoint.connect(factory)
        return connecting.addCallback(connected)


@implementer(IStreamClientEndpoint)
class _Named:
    """Looks a name up and connects to the first of its addresses that accepts."""

    def __init__(self, line: _Line, name: str, port: int) -> None:
        self._line = line
        self._name = name
        self._port = port

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        found = await self._line.resolver.lookup(self._name, DnsLookupFamily.ALL)
        refusal = ConnectError()
        for address in found.addresses:
            kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            try:
                return await kind(self._line.reactor, address, self._port, CONNECT_TIMEOUT).connect(factory)
            except ConnectError as error:
                refusal = error
        raise refusal


@implementer(IAgent)
class _Plain:
    """Asks for answers that are not compressed, and takes what is compressed all the same for what it is: treq would unpack it, and a
    megabyte for each kilobyte is what somebody can send."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        headers = headers.copy() if headers is not None else Headers()
        headers.setRawHeaders(b"accept-encoding", [b"identity"])
        asked: Deferred[IResponse] = self._agent.request(method, uri, headers, bodyProducer)
        return asked.addCallback(self._answered)

    def _answered(self, response: IResponse) -> IResponse:
        response.headers.removeHeader(b"content-encoding")
        return response


class _Body(Protocol):
    """The beginning of a body. ``done`` fires with it when there is no more, or enough."""

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred()
        self._pieces: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        if self._size < KEPT:
            self._pieces.append(data)
            self._size += len(data)
            if self._size >= KEPT:
                self._finish()

    def connectionLost(self, reason: Failure = Failure(ResponseDone())) -> None:  # noqa: B008 # as the interface has it
        if reason.check(ResponseDone, PotentialDataLoss):
            self._finish()
        elif not self.done.called:
            self.done.errback(reason)

    def _finish(self) -> None:
        if not self.done.called:
            self.done.callback(b"".join(self._pieces)[:KEPT])


def _cause(error: Exception) -> Exception:
    """Return what is behind *error*, which the client has wrapped."""
    for _ in range(_WRAPPED):
        reasons = getattr(error, "reasons", None)
        if not reasons or not isinstance(reasons[0].value, Exception):
            break
        error = reasons[0].value
    return error


def _in_words(error: Exception) -> OSError:
    """Return *error* as an `OSError` that says what happened."""
    match error:
        case OSError():
            return error
        case NameNotFound() | ResolutionFailed():
            return OSError(str(error))
        case ConnectionRefusedError():
            return ConnectionError("the connection was refused")
        case ConnectTimeout():
            return TimeoutError(f"no connection within {CONNECT_TIMEOUT:g} s")
        case ConnectError():
            return ConnectionError(f"no connection: {str(error).strip().rstrip('.')}")
        case ConnectionDone() | ConnectionLost() | ConnectionAborted():
            return ConnectionError("the connection was closed before the end of the answer")
        case SSL.Error():
            told = [reason for *_, reason in error.args[0]] if error.args and isinstance(error.args[0], list) else []
            return ConnectionError(f"TLS: {', '.join(told) or 'the connection was closed'}")
        case VerificationError():
            return ConnectionError("TLS: the certificate is of another server")
        case ParseError():
            return ConnectionError("the answer is not HTTP")
    return ConnectionError(f"{type(error).__name__}: {error}".splitlines()[0])
