"""TLS on a filter chain: the handshake of one connection, between its listener and what serves the chain.

Rule 1. What serves a chain hears of a connection when its handshake is done. Until then it is the listener's: it counts among its
        connections, and is dropped with it.
Rule 2. A handshake that fails is counted, written to the listener's access log, and told in the log with everything that is known:
        listener, client, server name, reason. Nobody can flood the log so: `Sparing` counts what it does not tell.
Rule 3. A chain whose secrets have not come closes connections (Envoy's ``downstream_context_secrets_not_ready``).
"""

from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

from shifter.net.transport import Handler, Transport
from shifter.observe import ssl_stats
from shifter.observe.stats import ListenerStats
from shifter.proxy.inspection import AcceptedTransport
from shifter.proxy.worker import Worker
from shifter.routing.filter_chain_match import Incoming

if TYPE_CHECKING:  # who speaks no TLS does not load OpenSSL
    from shifter.net.tls_context import ServerContexts
    from shifter.net.tls_engine import Engine
    from shifter.net.tls_failure import TlsFailure
    from shifter.proxy.listener import ChainRuntime

_log = Logger()
_LINES = 10
_EVERY = 6.0
NOT_READY = "server_ssl_socket_factory.downstream_context_secrets_not_ready"
UPDATED = "server_ssl_socket_factory.ssl_context_update_by_sds"


class ServerTls(Protocol):
    """What the connections of a filter chain shake hands with. It changes in place when a secret does."""

    @property
    def current(self) -> "ServerContexts | None":
        """What it is now; ``None`` while a secret has not come."""


class Sparing:
    """Lets a few through at once, then one each `_EVERY` seconds, and knows how many it did not."""

    __slots__ = ("_left", "_since", "kept_back")

    def __init__(self) -> None:
        self._left = float(_LINES)
        self._since = 0.0
        self.kept_back = 0

    def allows(self, now: float) -> bool:
        """Whether one more may be told, which is then told."""
        self._left = min(float(_LINES), self._left + (now - self._since) / _EVERY)
        self._since = now
        if self._left < 1:
            self.kept_back += 1
            return False
        self._left -= 1
        return True


class Shaking(Protocol):
    """The listener of a `Handshake`."""

    handshakes: set["Handshake"]
    listener_stats: ListenerStats
    worker: Worker

    def shaken(self, handshake: "Handshake", transport: Transport) -> Handler | None:
        """Return the handler of a connection whose handshake is done."""

    def failed(self, handshake: "Handshake", failure: "TlsFailure") -> None:
        """Its handshake came to nothing."""


class Handshake:
    """One connection between its filter chain and its service."""

    __slots__ = ("_asked", "_engine", "_listener", "chain", "incoming", "since", "transport")

    def __init__(self, listener: Shaking, chain: "ChainRuntime", transport: AcceptedTransport, incoming: Incoming) -> None:
        self.chain = chain
        self.transport = transport
        self.incoming = incoming
        self.since = listener.worker.now
        self._asked = False
        self._engine: Engine | None = None
        self._listener = listener

    def begin(self, contexts: "ServerContexts", data: bytes) -> Handler:
        """Return what handles the connection while it shakes hands; *data* is what came of it already."""
        from shifter.net.tls import accept_tls  # see TYPE_CHECKING

        common = contexts.config.common
        self._asked = contexts.config.require_client_certificate or common.validation is not None
        self._listener.handshakes.add(self)
        secured = accept_tls(self.transport, contexts, b"", self._established, self._failed, self.chain.timeout)
        self._engine = secured.engine
        if data:
            secured.data_received(data)
        return secured

    @property
    def server_name(self) -> str:
        """The name that the client asked for, as far as it has come; empty for none."""
        return self.incoming.server_name or (self._engine.server_name() if self._engine is not None else "")

    def _established(self, transport: Transport) -> Handler | None:
        listener = self._listener
        listener.handshakes.discard(self)
        session = transport.tls
        assert session is not None
        ssl_stats.count_handshake(listener.listener_stats.more, session, self._asked)
        return listener.shaken(self, transport)

    def _failed(self, failure: "TlsFailure") -> None:
        listener = self._listener
        listener.handshakes.discard(self)
        stats = listener.listener_stats
        stats.downstream_cx_destroy += 1
        if failure.kind == "timeout":
            stats.downstream_cx_transport_socket_connect_timeout += 1
        else:
            ssl_stats.count_failure(stats.more, failure.kind)
        listener.failed(self, failure)

    def __repr__(self) -> str:
        return f"<Handshake {self.transport.peer} {self.chain.name or 'unnamed'}>"


def tell_failure(sparing: Sparing, listener: str, handshake: Handshake, failure: "TlsFailure", now: float) -> None:
    """Write a failure to the log (rule 2). A client that leaves again without a word is none: so do those who look whether a port is
    open."""
    if failure.kind == "closed" or not sparing.allows(now):
        return
    name = handshake.server_name
    kept_back, sparing.kept_back = sparing.kept_back, 0
    _log.warn(
        "listener {listener}: no TLS with {client}{asked}: {why}{more}",
        listener=listener,
        client=str(handshake.transport.peer),
        asked=f", which asked for {name!r}" if name else "",
        why=failure.sentence,
        reason=failure.reason,
        more=f" ({kept_back} more failed since the last line)" if kept_back else "",
    )
