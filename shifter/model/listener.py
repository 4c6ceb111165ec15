"""Listeners: addresses, and what is done with the connections that come there (Envoy ``listener.v3``). Durations are seconds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from shifter.model.address import SocketAddress
from shifter.model.http_connection_manager import FileAccessLog, HttpConnectionManager
from shifter.model.tcp_proxy import TcpProxy
from shifter.model.tls import DownstreamTlsContext


class ConnectionSourceType(Enum):
    """``FilterChainMatch.ConnectionSourceType``: where a connection comes from."""

    ANY = "ANY"
    SAME_IP_OR_LOOPBACK = "SAME_IP_OR_LOOPBACK"
    EXTERNAL = "EXTERNAL"


@dataclass(frozen=True, slots=True)
class FilterChainMatch:
    """``FilterChainMatch``. What is empty fits everything; otherwise, as in Envoy, the most specific chain wins criterion by criterion:
    destination port, destination address, server name, transport protocol (``tls`` or ``raw_buffer``), application protocols, direct
    source address, source type, source address, source port. Addresses are CIDR ranges; ``server_names`` are lower case, and exact or
    ``*.suffix``."""

    destination_port: int | None = None
    prefix_ranges: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[bytes, ...] = ()
    direct_source_prefix_ranges: tuple[str, ...] = ()
    source_type: ConnectionSourceType = ConnectionSourceType.ANY
    source_prefix_ranges: tuple[str, ...] = ()
    source_ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """``filters.listener.proxy_protocol.v3.ProxyProtocol``: the client's address stands before its first byte. ``versions`` are those
    that are taken."""

    allow_requests_without_proxy_protocol: bool = False
    versions: tuple[int, ...] = (1, 2)
    stat_prefix: str = ""


@dataclass(frozen=True, slots=True)
class FilterChain:
    """``FilterChain``: what is spoken to the clients whose connections ``match`` fits. ``tls`` ``None``: as they come.

    ``name`` is what the chain is known by over reloads; one without a name is known by its match. ``transport_socket_connect_timeout``:
    how long a TLS handshake may take.
    """

    filter: HttpConnectionManager | TcpProxy
    match: FilterChainMatch = FilterChainMatch()
    tls: DownstreamTlsContext | None = None
    transport_socket_connect_timeout: float = 15.0
    name: str = ""
    place: str = field(default="", compare=False)

    @property
    def key(self) -> "str | FilterChainMatch":
        """What a chain is known by over reloads."""
        return self.name or self.match


@dataclass(frozen=True, slots=True)
class Listener:
    """``listener.v3.Listener``.

    ``tls_inspector`` and ``proxy_protocol`` are its listener filters; ``listener_filters_timeout`` is how long the bytes they look at
    may take to come (0: for ever), ``max_client_hello_size`` how many the first of them looks at. ``access_log`` tells of each
    connection when it is gone, also of those that came to no filter chain. ``inbound``: its ``traffic_direction`` is INBOUND.
    """

    name: str
    address: SocketAddress
    filter_chains: tuple[FilterChain, ...] = ()
    default_filter_chain: FilterChain | None = None
    tls_inspector: bool = False
    max_client_hello_size: int = 16384
    proxy_protocol: ProxyProtocol | None = None
    listener_filters_timeout: float = 15.0
    continue_on_listener_filters_timeout: bool = False
    access_log: tuple[FileAccessLog, ...] = ()
    per_connection_buffer_limit_bytes: int = 1 << 20
    backlog: int = 4096
    inbound: bool = False
    place: str = field(default="", compare=False)

    @property
    def chains(self) -> tuple[FilterChain, ...]:
        """All filter chains, the default one last."""
        return self.filter_chains if self.default_filter_chain is None else (*self.filter_chains, self.default_filter_chain)

    @property
    def managers(self) -> Iterator[HttpConnectionManager]:
        """The connection managers of all chains that have one."""
        return (chain.filter for chain in self.chains if isinstance(chain.filter, HttpConnectionManager))


def with_managers(listener: Listener, change: Callable[[HttpConnectionManager], HttpConnectionManager]) -> Listener:
    """Return *listener* with each of its connection managers changed."""

    def changed(chain: FilterChain) -> FilterChain:
        return replace(chain, filter=change(chain.filter)) if isinstance(chain.filter, HttpConnectionManager) else chain

    default = listener.default_filter_chain
    return replace(
        listener,
        filter_chains=tuple(map(changed, listener.filter_chains)),
        default_filter_chain=None if default is None else changed(default),
    )
