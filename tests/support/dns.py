"""An authoritative DNS server on loopback whose mind can be changed while it runs."""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ServerFactory
from twisted.names import dns


class NameServer:
    """Answers questions for A and AAAA records, over UDP and TCP on one port, from what its attributes say just then.

    Names are lower case, without a final dot. ``records`` has the addresses of each name, an empty list for a name without
    any; a name in none of the attributes does not exist. What is larger than 512 bytes is cut off over UDP.
    """

    def __init__(self, records: dict[str, list[str]] | None = None, ttl: int = 600) -> None:
        self.records = dict(records or {})
        self.ttl = ttl
        self.cname: dict[str, str] = {}
        """Name -> the name it is an alias of."""
        self.rcodes: dict[str, int] = {}
        """Name -> the response code that it gets, such as ``dns.ESERVER`` or ``dns.EREFUSED``."""
        self.slow: dict[str, float] = {}
        """Name -> seconds until it is answered."""
        self.silent: set[str] = set()
        """Names that are never answered; ``"*"`` for all."""
        self.mangle: Callable[[bytes], bytes] | None = None
        """What happens to every answer on its way."""
        self.strangers: list[tuple[str, str]] = []
        """Records (owner, address) that every answer holds besides its own."""
        self.asked: list[tuple[str, str, str]] = []
        """Every question so far: name, ``"A"`` or ``"AAAA"``, ``"udp"`` or ``"tcp"``."""
        self._awaited: list[tuple[int, Deferred[None]]] = []
        self._connections: dict[dns.DNSProtocol, Deferred[None]] = {}
        self._delayed: list[Any] = []

    def listen(self, reactor: Any, host: str = "127.0.0.1") -> tuple[str, int]:
        """Listen on a free port and return where."""
        self._reactor = reactor
        factory = ServerFactory.forProtocol(partial(dns.DNSProtocol, self, reactor))
        factory.noisy = False
        while True:
            self._udp = reactor.listenUDP(0, dns.DNSDatagramProtocol(self, reactor=reactor), interface=host)
            port: int = self._udp.getHost().port
            try:
                self._tcp = reactor.listenTCP(port, factory, interface=host)
            except CannotListenError:
                self._udp.stopListening()  # somebody has that port for TCP: take another
            else:
                self.address = (host, port)
                return self.address

    def stop(self) -> Deferred[Any]:
        """Stop listening; fires when the last connection is gone too."""
        for call in self._delayed:
            if call.active():
                call.cancel()
        return DeferredList([maybeDeferred(self._udp.stopListening), maybeDeferred(self._tcp.stopListening), self.idle()])

    def wait_for(self, questions: int) -> Deferred[None]:
        """Fires when that many questions have been asked since the start."""
        waiting: Deferred[None] = Deferred()
        self._awaited.append((questions, waiting))
        self._tell()
        return waiting

    def idle(self) -> Deferred[Any]:
        """Fires when no client is connected over TCP."""
        return DeferredList(list(self._connections.values()))

    def _tell(self) -> None:
        for awaited in tuple(self._awaited):
            if awaited[0] <= len(self.asked):
                self._awaited.remove(awaited)
                awaited[1].callback(None)

    # What twisted.names asks of a controller.

    def connectionMade(self, protocol: dns.DNSProtocol) -> None:
        self._connections[protocol] = Deferred()

    def connectionLost(self, protocol: dns.DNSProtocol) -> None:
        self._connections.pop(protocol).callback(None)

    def messageReceived(self, message: dns.Message, protocol: Any, address: tuple[str, int] | None = None) -> None:
        query = message.queries[0]
        name = query.name.name.decode().lower()
        self.asked.append((name, dns.QUERY_TYPES.get(query.type, "?"), "udp" if address else "tcp"))
        if name not in self.silent and "*" not in self.silent:
            self._delayed.append(self._reactor.callLater(self.slow.get(name, 0), self._reply, name, message, protocol, address))
        self._tell()

    def _reply(self, name: str, question: dns.Message, protocol: Any, address: tuple[str, int] | None) -> None:
        reply = dns.Message(question.id, answer=1, auth=True, recDes=question.recDes, maxSize=512 if address else 0)
        reply.queries = question.queries
        reply.answers = [self._record(owner, dns.A, host) for owner, host in self.strangers]
        target = name
        while target in self.cname:
            alias, target = target, self.cname[target]
            reply.answers.append(dns.RRHeader(alias.encode(), dns.CNAME, dns.IN, self.ttl, dns.Record_CNAME(target.encode(), self.ttl)))
        kind = question.queries[0].type
        hosts = self.records.get(target)
        if name in self.rcodes:
            reply.rCode = self.rcodes[name]
        elif hosts is None:
            reply.rCode = dns.ENAME
        else:
            reply.answers += [self._record(target, kind, host) for host in hosts if (":" in host) == (kind == dns.AAAA)]
        data = reply.toStr() if self.mangle is None else self.mangle(reply.toStr())
        if address:
            protocol.transport.write(data, address)
        else:
            protocol.sendString(data)

    def _record(self, owner: str, kind: int, host: str) -> dns.RRHeader:
        record = dns.Record_AAAA(host, self.ttl) if ":" in host else dns.Record_A(host, self.ttl)
        return dns.RRHeader(owner.encode(), kind, dns.IN, self.ttl, record)
