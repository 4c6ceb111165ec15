"""What the connections to a cluster's endpoints are wrapped in: TLS, a PROXY header, both, or nothing (Envoy's transport sockets).

Rule 1. All is compiled once for each configuration (`TransportSockets`); secrets that change swap the compiled contexts, and the next
        connections have them.
Rule 2. Which one an endpoint gets is said by its metadata (``transport_socket_matches``): the first that fits, else the cluster's own.
Rule 3. A handshake that fails is counted as Envoy counts it (``cluster.<name>.ssl.``), and named in the log once a minute for each
        endpoint and reason.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from itertools import islice
from typing import NamedTuple

from twisted.logger import Logger

from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.tls import TlsContext, UpstreamTlsContext
from shifter.net.tls import ClientTls
from shifter.net.tls_context import ClientContext
from shifter.net.tls_failure import TlsFailure
from shifter.net.tls_session import TlsSession
from shifter.net.transport import ConnectOptions, Connector, Handler, Secured, Transport
from shifter.observe import ssl_stats
from shifter.observe.stats import ClusterStats
from shifter.routing.match_header import compile_string
from shifter.upstream.host import Host
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.wire.proxy_protocol import LOCAL_V2, v1_header, v2_header

FillSecrets = Callable[[TlsContext], TlsContext | None]
"""Returns a context with the secrets it names in it; ``None`` when one of them is not there (yet)."""

_METADATA = "envoy.transport_socket_match"
_FACTORY = "client_ssl_socket_factory."
_NO_SECRETS = _FACTORY + "upstream_context_secrets_not_ready"
_UPDATED = _FACTORY + "ssl_context_update_by_sds"
_LOGGED_EVERY = 60.0
_REMEMBERED = 1000
_NEVER_BEGUN = ("refused", "aborted")
_NOT_READY = "TLS error: Secret is not supplied by SDS"
_PROXY_UNKNOWN = b"PROXY UNKNOWN\r\n"

_log = Logger()


def is_address(name: str) -> bool:
    """Say whether *name* is an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def speaks_proxy_protocol(config: Cluster) -> bool:
    """Say whether any endpoint of a cluster wants to be told the client's address."""
    return any(one is not None for one in (config.proxy_protocol, *(match.proxy_protocol for match in config.transport_socket_matches)))


def depends_on_request(config: Cluster) -> bool:
    """Say whether it depends on a request which connections of a cluster it may use."""
    by_name = config.auto_sni or config.auto_san_validation
    return by_name or config.protocol is UpstreamProtocol.DOWNSTREAM or speaks_proxy_protocol(config)


def no_secrets(context: TlsContext) -> TlsContext | None:
    """Fill nothing in."""
    return None if context.certificate_secrets or context.validation_secret is not None else context


class Around(NamedTuple):
    """What sockets need of their process: seconds of the monotonic clock, and the secrets that stand in files."""

    clock: Callable[[], float] = lambda: 0.0
    fill: FillSecrets = no_secrets


class TransportSockets:
    """See the module; those of *config*. Raises `TlsMaterialError`. What *before* has compiled is taken over."""

    __slots__ = ("_clock", "_default", "_logged", "_matches", "_stats", "config")

    def __init__(self, config: Cluster, stats: ClusterStats, around: "Around", before: "TransportSockets | None" = None) -> None:
        self.config = config
        self._stats = stats
        self._clock = around.clock
        self._logged: dict[tuple[str, str], float] = {} if before is None else before._logged
        plain = ConnectOptions(config.connection_options, config.per_connection_buffer_limit_bytes)
        self._default = _Socket(plain, config.tls, config.proxy_protocol)
        self._matches = [(one.match, _Socket(plain, one.tls, one.proxy_protocol)) for one in config.transport_socket_matches]
        self.refill(around.fill, () if before is None else before._every())
        if any(socket.secure for socket in self._every()):
            ssl_stats.begin(stats.more)
            for name in (_NO_SECRETS, _UPDATED):
                stats.more[name] += 0

    def fits(self, config: Cluster) -> bool:
        """Say whether these are what *config* asks for."""
        mine = self.config
        return (
            self.wraps_as(config)
            and mine.connection_options == config.connection_options
            and mine.per_connection_buffer_limit_bytes == config.per_connection_buffer_limit_bytes
        )

    def wraps_as(self, config: Cluster) -> bool:
        """Say whether the connections there are look, from outside, as *config* asks."""
        return _asked(self.config) == _asked(config)

    def refill(self, fill: FillSecrets, known: "Iterable[_Socket]" = ()) -> None:
        """Take secrets over as they are now, and what sockets that are *known* have compiled. Raises `TlsMaterialError`, and is what it
        was then."""
        contexts = [one.context for one in (*self._every(), *known) if one.context is not None]
        fresh = [(socket, socket.compiled(fill, contexts)) for socket in self._every()]
        for socket, context in fresh:
            if socket.context is context or context is None:
                continue  # what was there once stays until something better comes
            if socket.context is not None:
                self._stats.more[_UPDATED] += 1
            socket.context = context

    @property
    def contexts(self) -> list[ClientContext]:
        """What connections with TLS are made with, as far as there is anything yet."""
        return [one.context for one in self._every() if one.context is not None]

    def options(self, host: Host, key: PoolKey = DEFAULT, alpn: tuple[bytes, ...] = ()) -> ConnectOptions:
        """Return how to connect to *host* for requests with *key*; *alpn* is offered where the configuration and the key say nothing."""
        return self._of(host.endpoint).options(self, host, key, alpn)

    def for_checks(self, host: Host, alpn: tuple[bytes, ...] = (), criteria: Mapping[str, object] | None = None) -> ConnectOptions:
        """Return how to connect for a health check, which offers *alpn*, if anything; *criteria* stand in for the endpoint's metadata."""
        socket = self._of(host.endpoint) if criteria is None else self._fitting(criteria)
        return socket.options(self, host, PoolKey(alpn=alpn), ())

    def established(self, session: TlsSession) -> None:
        """A handshake has ended well."""
        ssl_stats.count_handshake(self._stats.more, session, asked=True)

    def failed(self, host: Host, failure: TlsFailure) -> None:
        """A handshake with *host* has failed."""
        ssl_stats.count_failure(self._stats.more, failure.kind)
        if failure.sentence not in _NEVER_BEGUN:
            self._say(host, str(failure))

    def not_ready(self, host: Host) -> None:
        """A secret was wanted that is not there."""
        self._stats.more[_NO_SECRETS] += 1
        self._say(host, "a secret that it needs is not there")

    def _say(self, host: Host, sentence: str) -> None:
        now = self._clock()
        about = str(host.address), sentence
        if now - self._logged.get(about, -_LOGGED_EVERY) >= _LOGGED_EVERY:
            self._logged.pop(about, None)
            self._logged[about] = now
            for oldest in list(islice(self._logged, max(0, len(self._logged) - _REMEMBERED))):
                del self._logged[oldest]
            _log.warn("cluster {cluster}: no TLS with {host}: {why}", cluster=self.config.name, host=about[0], why=sentence)

    def _every(self) -> "list[_Socket]":
        return [self._default, *(socket for _, socket in self._matches)]

    def _of(self, endpoint: LbEndpoint) -> "_Socket":
        return self._fitting(endpoint.metadata.get(_METADATA, {})) if self._matches else self._default

    def _fitting(self, said: Mapping[str, object]) -> "_Socket":
        for wanted, socket in self._matches:
            if all(name in said and said[name] == value for name, value in wanted.items()):
                return socket
        return self._default

    def __repr__(self) -> str:
        return f"<TransportSockets {self.config.name} matches={len(self._matches)}>"


class _Socket:
    """One of them: *tls* and *proxy_protocol* as ``model.cluster.Cluster`` has them, over *plain*.

    It does not know whose it is, so that all of a cluster that is gone goes without the garbage collector.
    """

    __slots__ = ("_plain", "_proxy_protocol", "_tls", "context")

    def __init__(self, plain: ConnectOptions, tls: UpstreamTlsContext | None, proxy_protocol: int | None) -> None:
        self._plain = plain
        self._tls = tls
        self._proxy_protocol = proxy_protocol
        self.context: ClientContext | None = None

    @property
    def secure(self) -> bool:
        """Whether it has TLS."""
        return self._tls is not None

    def compiled(self, fill: FillSecrets, known: Iterable[ClientContext]) -> ClientContext | None:
        """Return what handshakes are made with; ``None``: there is no TLS, or a secret of it is missing."""
        if self._tls is None:
            return None
        common = fill(self._tls.common)
        if common is None:
            return None
        filled = replace(self._tls, common=common)
        for context in known:
            if context.config == filled:
                return context  # with the sessions it has
        return ClientContext(filled, compile_string)

    def options(self, owner: TransportSockets, host: Host, key: PoolKey, alpn: tuple[bytes, ...]) -> ConnectOptions:
        """Return how to connect to *host*; *owner* is told of handshakes."""
        secured: Secured | None = None
        if self._tls is not None:
            secured = self._handshake(owner, self._tls, host, key, alpn)
        if self._proxy_protocol is not None:
            secured = _ProxyHeader(self._header(self._proxy_protocol, key), secured)
        return self._plain if secured is None else self._plain._replace(tls=secured)

    def _handshake(self, owner: TransportSockets, tls: UpstreamTlsContext, host: Host, key: PoolKey, alpn: tuple[bytes, ...]) -> Secured:
        context = self.context
        if context is None:
            owner.not_ready(host)
            return _NotReady()
        name = key.server_name or (host.hostname if tls.auto_host_sni else "") or tls.sni
        return ClientTls(
            context, name, key.san, key.alpn or context.alpn or alpn, partial(owner.failed, host), host.hostname, owner.established
        )

    @staticmethod
    def _header(version: int, key: PoolKey) -> bytes:
        if key.client is None:
            return _PROXY_UNKNOWN if version == 1 else LOCAL_V2
        return v1_header(*key.client) if version == 1 else v2_header(*key.client)


class _ProxyHeader:
    """Sends *header* before all else, and has *inner*, if any, behind it (`transport.Secured`)."""

    __slots__ = ("_header", "_inner")

    def __init__(self, header: bytes, inner: Secured | None) -> None:
        self._header = header
        self._inner = inner

    def over(self, network: Connector, transport: Transport, handler: Handler) -> Transport:
        transport.write(self._header)
        return transport if self._inner is None else self._inner.over(network, transport, handler)


class _Refused:
    """Hears of a connection that is not wanted."""

    __slots__ = ("_handler",)

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def connection_made(self) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, reason: str) -> None:
        self._handler.connection_lost(_NOT_READY)

    def write_blocked(self) -> None: ...

    def write_drained(self) -> None: ...


class _NotReady:
    """Lets no connection be made (`transport.Secured`)."""

    __slots__ = ()

    def over(self, network: Connector, transport: Transport, handler: Handler) -> Transport:
        transport.handler = _Refused(handler)
        transport.abort()
        return transport


def _asked(config: Cluster) -> tuple[object, ...]:
    """Return what decides how connections are wrapped. Names of matches, and those of files, are for people."""
    matches = [(dict(one.match), one.tls, one.proxy_protocol) for one in config.transport_socket_matches]
    return config.tls, config.proxy_protocol, matches
