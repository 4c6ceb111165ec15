"""Which of a host's connections a request may use: requests whose connections differ have pools of their own, beside the host's
(Envoy hashes the same things into the key of a connection pool).

Rule 1. Keys are made when a route is compiled wherever that is possible; `DEFAULT` is that of requests that ask for nothing.
Rule 2. What is in a key may come from a client (a server name, its address), so that nothing is kept for a key but connections.
"""

from shifter.model.address import SocketAddress
from shifter.model.cluster import RoutingPriority, UpstreamProtocol


class PoolKey:
    """See the module.

    ``protocol`` is what is spoken, ``None`` what the cluster says. ``server_name`` takes the place of the TLS context's ``sni``, and an
    endpoint's certificate has to be for ``san`` besides (``auto_san_validation``); empty: as the context says. ``alpn`` is offered
    instead of what the protocol asks for, where it says anything. ``client`` are source and destination that a PROXY header is to name.
    """

    __slots__ = ("_hash", "_parts", "alpn", "client", "priority", "protocol", "san", "server_name")

    def __init__(
        self,
        priority: RoutingPriority = RoutingPriority.DEFAULT,
        protocol: UpstreamProtocol | None = None,
        *,
        server_name: str = "",
        san: str = "",
        alpn: tuple[bytes, ...] = (),
        client: tuple[SocketAddress, SocketAddress] | None = None,
    ) -> None:
        self.priority = priority
        self.protocol = protocol
        self.server_name = server_name
        self.san = san
        self.alpn = alpn
        self.client = client
        self._parts = priority, protocol, server_name, san, alpn, client
        self._hash = hash(self._parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PoolKey) and self._parts == other._parts

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        protocol = self.protocol.value if self.protocol is not None else "-"
        return f"<PoolKey {self.priority.value} {protocol} sni={self.server_name} san={self.san} client={self.client}>"


DEFAULT = PoolKey()
HIGH = PoolKey(RoutingPriority.HIGH)


def key_of(priority: RoutingPriority) -> PoolKey:
    """Return the key of requests that ask for nothing but their *priority*."""
    return DEFAULT if priority is RoutingPriority.DEFAULT else HIGH
