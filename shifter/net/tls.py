"""Handshakes of TLS: as a server with who was accepted, as a client over a connection that is being made.

Rule 1. Who is at the other end, and whether they may be, is known before a handler hears of the connection.
Rule 2. A handshake that comes to nothing is told once, with why (`tls_failure.TlsFailure`).
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple, Protocol

from OpenSSL import SSL

from shifter.net.tls_context import ClientContext, ServerContexts
from shifter.net.tls_engine import Engine
from shifter.net.tls_failure import Fault, TlsFailure, failure_of
from shifter.net.tls_session import TlsSession
from shifter.net.tls_transport import Role, TlsTransport
from shifter.net.tls_validation import Examination
from shifter.net.transport import Connector, Delayed, Handler, Transport

__all__ = ["ClientContext", "ClientTls", "ServerContexts", "TlsFailure", "TlsSession", "TlsTransport", "accept_tls"]


_LONGEST_NAME = 256


class _Role(Role):
    """What both ends have: what was found against the other's certificate."""

    def __init__(self, examination: Examination, checks: bool) -> None:
        self.examination = examination
        self.checks = checks

    def failure(self, found: list[Fault]) -> TlsFailure:
        """Return what *found* means, with what was found against the peer's certificate."""
        finding = self.examination.finding
        if finding is None:
            return failure_of(found)
        return failure_of(found, finding.detail, finding.kind, finding.sentence)


class _ServerRole(_Role):
    def __init__(
        self,
        examination: Examination,
        checks: bool,
        established: Callable[[TlsTransport], Handler | None],
        failed: Callable[[TlsFailure], None],
    ) -> None:
        super().__init__(examination, checks)
        self.timer: Delayed | None = None
        self._established = established
        self._failed = failed

    def _stop_waiting(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def done(self, transport: TlsTransport) -> None:
        self._stop_waiting()
        handler = self._established(transport)
        if handler is None:
            transport.abort()
        else:
            transport.handler = handler

    def lost(self, transport: TlsTransport, failure: TlsFailure, reason: str) -> None:
        self._stop_waiting()
        self._failed(failure)

    def late(self, transport: TlsTransport, seconds: float) -> None:
        """It has taken as long as it may."""
        self.timer = None
        transport.give_up(TlsFailure("", "timeout", f"the handshake took longer than {seconds:g} s"))


class Accepted(Transport, Protocol):
    """A transport that knows where it comes from."""

    @property
    def network(self) -> Connector:
        """The connections that it is one of."""


def accept_tls(
    transport: Accepted,
    contexts: ServerContexts,
    first: bytes,
    established: Callable[[TlsTransport], Handler | None],
    failed: Callable[[TlsFailure], None],
    timeout: float = 0.0,
) -> TlsTransport:
    """Shake hands as a server with who is at the other end of *transport*, and has said *first* already.

    Then *established* is called with the `TlsTransport`, and names its handler (``None``: it is aborted), or *failed* with why it came to
    nothing; the connection is closed then. *timeout*: seconds that the handshake may take (0: as long as it likes). Becomes the
    handler of *transport*, which is to be started by the caller if it is not yet. To be called from the reactor only.
    """
    network = transport.network
    examination = Examination(contexts.validation)
    role = _ServerRole(examination, contexts.validation.checks, established, failed)
    secured = TlsTransport(network, transport, Engine(contexts.base, server=True, owner=examination), role)
    transport.handler = secured
    if timeout:
        role.timer = network.call_later(timeout, lambda: role.late(secured, timeout))
    if first:
        secured.data_received(first)
    return secured


class _ClientRole(_Role):
    def __init__(self, examination: Examination, how: "ClientTls", name: str) -> None:
        super().__init__(examination, how.context.validation.checks)
        self._how = how
        self._name = name

    def done(self, transport: TlsTransport) -> None:
        context = self._how.context
        server_name, name = self._how.server_name, self._name
        engine = transport.engine
        single_use = engine.version() == "TLSv1.3"
        kept: SSL.Session | None = None

        def keep() -> None:
            nonlocal kept
            if not engine.same_session(kept):
                kept = engine.session()
                context.keep(server_name, name, kept, single_use)

        if single_use:
            kept = engine.session()  # not yet one that can go on: for that its ticket has to come
        else:
            keep()
        transport.keep = keep
        if self._how.established is not None and transport.tls is not None:
            self._how.established(transport.tls)
        transport.handler.connection_made()

    def lost(self, transport: TlsTransport, failure: TlsFailure, reason: str) -> None:
        if self._how.failed is not None:
            self._how.failed(failure)
        transport.handler.connection_lost(reason)


class ClientTls(NamedTuple):
    """How a connection is secured (`transport.ConnectOptions.tls`).

    ``server_name`` is what is asked for (SNI; empty: nothing, as for an IP address). ``name`` is who the other end has to be, besides what
    the configuration asks for; when empty it has to be ``server_name``, or what it is called here (``known_as``), or the address, where the
    configuration asks for no names.
    ``alpn`` overrules what the context offers. ``failed`` hears why a handshake came to nothing, just before the handler hears that the
    connection is lost. ``established``
    hears of one that is done, before the handler does.
    """

    context: ClientContext
    server_name: str = ""
    name: str = ""
    alpn: tuple[bytes, ...] = ()
    failed: Callable[[TlsFailure], None] | None = None
    known_as: str = ""
    established: Callable[[TlsSession], None] | None = None

    def over(self, network: Connector, transport: Transport, handler: Handler) -> TlsTransport:
        """Return what *handler* gets instead of *transport*, which is being connected."""
        context = self.context
        name = self.name or self.server_name or self.known_as or transport.peer.host
        examination = Examination(context.validation, self.server_name, name, self.name)
        engine = Engine(context.context, server=False, owner=examination)
        connection = engine.connection
        if sni := _sni(self.server_name):
            connection.set_tlsext_host_name(sni)
        alpn = self.alpn or context.alpn
        if alpn:
            connection.set_alpn_protos(list(alpn))
        session = context.session_for(self.server_name, name)
        if session is not None:
            connection.set_session(session)
        secured = TlsTransport(network, transport, engine, _ClientRole(examination, self, name))
        secured.handler = handler
        transport.handler = secured
        return secured


def _sni(name: str) -> bytes:
    """Return *name* as it is asked for; empty for addresses (RFC 6066 section 3), and for what cannot be asked for: no certificate is for
    such a name either."""
    try:
        ip_address(name)
    except ValueError:
        pass
    else:
        return b""
    try:
        spelt = name.encode("ascii" if name.isascii() else "idna")
    except UnicodeError:
        return b""
    return spelt if len(spelt) < _LONGEST_NAME and b"\0" not in spelt else b""
