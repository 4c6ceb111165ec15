"""One question to one name server: Twisted's DNS client, kept from leaving anything behind.

Rule 1. Every question has a client of its own, whose timers and sockets come from a `_Scope` and end with it, however the
        question ends. Twisted's client leaves its timers behind when it is cancelled, keeps TCP connections for ever and
        takes the process's reactor for what happens on them.
Rule 2. UDP sockets are connected: the system picks a random free port and drops what does not come from the server. (Stock
        ports try random numbers, privileged ones included, and write two lines to the log for each question.)
Rule 3. Only whole answers count, and in them only the records on the path from the name through its aliases.
"""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReadDescriptor
from twisted.names import client, dns
from twisted.names.error import DNSNameError, DomainError
from zope.interface import implementer

_TCP_SECONDS = 2.0
"""How long a server may take to repeat over TCP what did not fit into a datagram."""

A: int = dns.A
AAAA: int = dns.AAAA
Server = tuple[str, int]


class ShifterError(Exception):
    """Something about the endpoints of a cluster is not known."""


class ResolutionFailed(ShifterError):
    """Nobody could say which addresses the name has. What was known about it before still is."""


class NoAnswer(ResolutionFailed):
    """The name server did not answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The addresses of a name, each once, in the order in which they came.

    ``ttl`` says for how many seconds they may be remembered, 0.0 when nothing says so.
    """

    addresses: tuple[str, ...] = ()
    ttl: float = 0.0


async def query(reactor: Any, server: Server, name: str, kind: int, timeout: float) -> Answer:
    """Ask *server* for the records of *kind*, `A` or `AAAA`, of the complete *name*; wait *timeout* seconds.

    A name that does not exist and a name without such records are an answer without addresses.

    Raises `NoAnswer`, and `ResolutionFailed` for any other answer (SERVFAIL, REFUSED, FORMERR, ...) or when none can be had.
    """
    wire_name = _wire_name(name)
    scope = _Scope(reactor, server)
    try:
        resolver = client.Resolver(servers=[server], timeout=(timeout,), reactor=scope)
        resolver.factory = _TcpFactory(resolver, scope)
        lookup = resolver.lookupAddress(wire_name) if kind == A else resolver.lookupIPV6Address(wire_name)
        scope.limit(timeout + _TCP_SECONDS, lookup)
        records, _, _ = await lookup
    except DNSNameError:
        return Answer()
    except TimeoutError:
        raise NoAnswer(f"{_words(server)} does not answer") from None
    except CancelledError:
        if scope.expired:
            raise NoAnswer(f"{_words(server)} does not answer over TCP") from None
        raise
    except DomainError as error:
        raise ResolutionFailed(f"{_words(server)} says {_RCODES.get(type(error).__name__, 'something else')}") from None
    except Exception as error:
        raise ResolutionFailed(f"{_words(server)} cannot be asked: {error!r}") from error
    finally:
        scope.close()
    return addresses_of(wire_name, kind, records)


_RCODES = {
    "DNSFormatError": "FORMERR",
    "DNSServerError": "SERVFAIL",
    "DNSNotImplementedError": "NOTIMP",
    "DNSQueryRefusedError": "REFUSED",
}


def _words(server: Server) -> str:
    host, port = server
    return f"name server {host}" if port == dns.PORT else f"name server {host} port {port}"


def _wire_name(name: str) -> bytes:
    try:
        encoded = name.encode("idna")
    except UnicodeError:
        encoded = b""
    if not encoded or len(encoded) > 253 or not all(encoded.split(b".")):
        raise ResolutionFailed(f"{name!r} is not a domain name")
    return encoded


def addresses_of(name: bytes, kind: int, records: Iterable[dns.RRHeader]) -> Answer:
    """Return the addresses of *kind* that *records* give *name*, itself or through aliases."""
    by_owner: dict[bytes, list[dns.RRHeader]] = {}
    for record in records:
        if record.cls == dns.IN and record.type in (kind, dns.CNAME):
            by_owner.setdefault(record.name.name.lower(), []).append(record)
    addresses: dict[str, None] = {}
    ttls: list[int] = []
    owner: bytes | None = name.lower()
    while owner is not None:
        alias = None
        # Each owner is visited once: aliases that go round in a circle end here.
        for record in by_owner.pop(owner, ()):
            ttls.append(record.ttl if record.ttl < 1 << 31 else 0)  # RFC 2181 section 8
            match record.payload:
                case dns.Record_CNAME(name=target):
                    alias = target.name.lower()
                case dns.Record_A(address=packed):
                    addresses[socket.inet_ntop(socket.AF_INET, packed)] = None
                case dns.Record_AAAA(address=packed):
                    addresses[socket.inet_ntop(socket.AF_INET6, packed)] = None
        owner = alias
    return Answer(tuple(addresses), float(min(ttls))) if addresses else Answer()


class _Scope:
    """What a DNS client sees of the reactor: all that it starts through this is over after `close`."""

    def __init__(self, reactor: Any, server: Server) -> None:
        self._reactor = reactor
        self._server = server
        self._ends: list[Callable[[], None]] = []
        self.expired = False

    def limit(self, seconds: float, lookup: Deferred[Any]) -> None:
        """Cancel *lookup* when it takes longer, and remember that it was we who did."""

        def expire() -> None:
            self.expired = True
            lookup.cancel()

        self.callLater(seconds, expire)

    def callLater(self, delay: float, function: Callable[..., object], *args: Any) -> Any:
        call = self._reactor.callLater(delay, function, *args)

        def end() -> None:
            if call.active():
                call.cancel()

        self._ends.append(end)
        return call

    def listenUDP(self, port: int, protocol: Any, interface: str = "") -> None:
        """Connect *protocol* to the server from a port of the system's choice."""
        udp = _UdpSocket(self._reactor, self._server, protocol)
        self._ends.append(udp.stopListening)

    def connectTCP(self, host: str, port: int, factory: Any) -> None:
        connector = self._reactor.connectTCP(host, port, factory, timeout=_TCP_SECONDS)

        def end() -> None:
            if connector.state != "disconnected":
                connector.disconnect()

        self._ends.append(end)

    def close(self) -> None:
        while self._ends:
            self._ends.pop()()


def is_whole_answer(data: bytes, may_be_cut: bool) -> bool:
    """Is *data* a DNS answer with all the records it announces, or marked as cut off where that is allowed?

    Twisted takes questions for answers, and what it can read of a broken message for all of it. An answer that seems to
    hold no address would take every endpoint from a cluster.
    """
    message = dns.Message()
    try:
        message.fromStr(data)
    except Exception:  # of many kinds, for there are many ways to be broken
        return False
    announced = int.from_bytes(data[6:8], "big")
    return bool(message.answer) and (may_be_cut if message.trunc else len(message.answers) == announced)


class _TcpProtocol(dns.DNSProtocol):
    def stringReceived(self, data: bytes) -> None:
        if is_whole_answer(data, may_be_cut=False):
            super().stringReceived(data)


class _TcpFactory(client.DNSClientFactory):
    """Keeps the timers of questions over TCP within the scope."""

    noisy = False

    def __init__(self, controller: client.Resolver, scope: _Scope) -> None:
        client.DNSClientFactory.__init__(self, controller)
        self._scope = scope

    def buildProtocol(self, addr: object) -> dns.DNSProtocol:
        protocol = _TcpProtocol(self.controller, reactor=self._scope)  # type: ignore[no-untyped-call]  # Twisted has no types for it
        protocol.factory = self
        return protocol


@implementer(IReadDescriptor)
class _UdpSocket:
    """A UDP socket connected to one server, as Twisted's datagram protocols know it."""

    def __init__(self, reactor: Any, server: Server, protocol: Any) -> None:
        self._reactor = reactor
        self._server = server
        self._protocol = protocol
        self._socket = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(server)
        except OSError:
            self._socket.close()
            raise
        protocol.noisy = False
        protocol.makeConnection(self)
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "dns"

    def doRead(self) -> None:
        try:
            data = self._socket.recv(65535)
        except OSError:
            return  # nobody listens there (yet): the same as no answer
        if is_whole_answer(data, may_be_cut=True):
            self._protocol.datagramReceived(data, self._server)

    def write(self, datagram: bytes, address: Server) -> None:
        self._socket.send(datagram)

    def stopListening(self) -> None:
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()
            self._protocol.doStop()

    def connectionLost(self, reason: object) -> None:
        """The reactor has stopped watching: the server's machine refuses, which is no answer. Whoever asked closes."""
