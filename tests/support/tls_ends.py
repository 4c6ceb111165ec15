"""Both ends of TLS in memory: ours over `FakeNetwork`, and the standard library's `ssl` as somebody else's.

Rule 1. Nothing here has a socket: `carry` takes what one end wrote to the other until neither says anything.
"""

import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.tls import CertificateValidation, DownstreamTlsContext, TlsCertificate, TlsContext, UpstreamTlsContext
from shifter.net.tls import ClientContext, ClientTls, ServerContexts, TlsFailure, TlsTransport, accept_tls
from shifter.net.transport import ConnectOptions, Transport
from tests.support.certificates import Authority, Certificate
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.turns import Recorder

PEER = SocketAddress("192.0.2.9", 443)


@cache
def authority(name: str = "Test CA") -> Authority:
    """One for all tests that do not care."""
    return Authority(name)


@cache
def leaf(*names: str, key: str = "ec") -> Certificate:
    return authority().issue(*names, key=key)


def material(certificate: Certificate) -> TlsCertificate:
    return TlsCertificate(certificate.chain_pem, certificate.key_pem)


def downstream(*certificates: Certificate, validation: CertificateValidation | None = None, **more: object) -> DownstreamTlsContext:
    """A server's configuration; *more* is `DownstreamTlsContext`'s or, where that has no such field, `TlsContext`'s."""
    ours = {name: value for name, value in more.items() if name in DownstreamTlsContext.__slots__}
    common = {name: value for name, value in more.items() if name not in ours}
    shown = certificates or (leaf("a.example"),)
    return DownstreamTlsContext(TlsContext(certificates=tuple(map(material, shown)), validation=validation, **common), **ours)  # type: ignore[arg-type]


def upstream(validation: CertificateValidation | None = None, certificate: Certificate | None = None, **more: object) -> UpstreamTlsContext:
    """A client's; it trusts `authority` unless *validation* says otherwise."""
    ours = {name: value for name, value in more.items() if name in UpstreamTlsContext.__slots__}
    common = {name: value for name, value in more.items() if name not in ours}
    shown = (material(certificate),) if certificate is not None else ()
    trust = validation or CertificateValidation(trusted_ca=authority().pem)
    return UpstreamTlsContext(TlsContext(certificates=shown, validation=trust, **common), **ours)  # type: ignore[arg-type]


class Server:
    """Our server's end: accepts on *network* by *contexts*, and writes down what happens."""

    def __init__(
        self, network: FakeNetwork, contexts: ServerContexts, first: bytes = b"", timeout: float = 15.0, refuse: bool = False
    ) -> None:
        self.handler = Recorder()
        self.failures: list[TlsFailure] = []
        self.transport: TlsTransport | None = None
        self._refuse = refuse

        def accept(below: FakeTransport) -> Recorder:
            secured = accept_tls(below, contexts, first, self._established, self.failures.append, timeout)
            return secured  # type: ignore[return-value]  # it is the handler, whatever the double calls it

        self.below = network.accept(accept)

    def _established(self, transport: TlsTransport) -> Recorder | None:
        self.transport = transport
        return None if self._refuse else self.handler

    @property
    def tls(self) -> TlsTransport:
        assert self.transport is not None, self.failures
        return self.transport


class Client:
    """Our client's end."""

    def __init__(self, network: FakeNetwork, context: ClientContext, server_name: str = "a.example", name: str = "") -> None:
        self.handler = Recorder()
        self.failures: list[TlsFailure] = []
        how = ClientTls(context, server_name, name, failed=self.failures.append)
        self.transport: Transport = network.connect(PEER, self.handler, ConnectOptions(tls=how))
        self.below = network.outgoing[-1]

    @property
    def tls(self) -> TlsTransport:
        assert isinstance(self.transport, TlsTransport)
        return self.transport


class Stdlib:
    """An end that is not ours, for the other end of *below*. ``failure`` is what it made of the handshake or of later bytes."""

    def __init__(self, below: FakeTransport, context: ssl.SSLContext, server: bool = False, name: str | None = "a.example") -> None:
        self.below = below
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self._in, self._out, server, None if server else name)
        self.done = False
        self.ended = False
        self.failure = ""
        self.data = b""

    def turn(self, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> bool:
        """Take what came, answer; return whether anything was said. *cut* divides what is said into packets."""
        self._in.write(self.below.take())
        try:
            if not self.done:
                self.ssl.do_handshake()
                self.done = True
            while True:
                piece = self.ssl.read(1 << 16)
                if not piece:
                    self.ended = True
                    break
                self.data += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self.failure = self.failure or str(error)
        return self.send(cut)

    def send(self, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> bool:
        said = self._out.read()
        if said and self.below.lost is None:
            self.below.say(*cut(said))
        return bool(said)

    def write(self, data: bytes, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> None:
        self.ssl.write(data)
        self.send(cut)

    def shake(self, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> "Stdlib":
        """Talk until nothing is left to be said."""
        self.below.network.run()
        while self.turn(cut) or self.below.written:
            self.below.network.run()
        return self


def carry(client: Client, server: Server) -> None:
    """Let the two talk until neither says anything."""
    network = client.below.network
    if client.below.connecting:
        client.below.establish()
    moved = True
    while moved:
        moved = False
        network.run()
        for source, target in ((client.below, server.below), (server.below, client.below)):
            if (data := source.take()) and target.lost is None:
                target.arrive(data)
                moved = True
        for source, target in ((client.below, server.below), (server.below, client.below)):
            if source.end and not source.written and target.lost is None and target._gone is None:
                target._gone = "reset" if source.end == "reset" else "closed"
                moved = True


def talk(
    server: DownstreamTlsContext | ServerContexts | None = None,
    client: UpstreamTlsContext | ClientContext | None = None,
    server_name: str = "a.example",
    name: str = "",
) -> tuple[Client, Server]:
    """Shake hands, our client with our server."""
    network = FakeNetwork(Clock())
    contexts = server if isinstance(server, ServerContexts) else ServerContexts(server or downstream())
    context = client if isinstance(client, ClientContext) else ClientContext(client or upstream())
    ends = Client(network, context, server_name, name), Server(network, contexts)
    carry(*ends)
    return ends


def stdlib_client(trust: Authority | None = None, certificate: Certificate | None = None) -> ssl.SSLContext:
    """The standard library's client, which trusts `authority`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=(trust or authority()).pem.decode())
    if certificate is not None:
        _load(context, certificate)
    return context


def stdlib_server(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, certificate)
    return context


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    with TemporaryDirectory() as directory:
        certificate.write(Path(directory), "one")
        context.load_cert_chain(Path(directory) / "one.pem", Path(directory) / "one.key")
