"""Which connections of its cluster a request may use, where that depends on the request (`upstream.pool_key`).

Rule 1. Decided here is what clusters ask for: the client's protocol (``use_downstream_protocol_config``), the request's host as server
        name (``auto_sni``, ``auto_san_validation``), and the client's address (the PROXY protocol). Others have no `ConnectionChoice`.
Rule 2. The host is what the route makes of it, and a name: an IP address is no server name, but may be in a certificate.
Rule 3. What a client sends that can be no server name is none; where that has to be in the certificate, the handshake fails.
Rule 4. A PROXY header names the two ends of the client's connection, not what ``x-forwarded-for`` says (as in Envoy).
"""

from copy import copy
from typing import TYPE_CHECKING

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, UpstreamProtocol
from shifter.proxy.downstream import Downstream
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.leasing import Leasing
from shifter.upstream.pool_key import DEFAULT, PoolKey
from shifter.upstream.transport_sockets import depends_on_request, is_address, speaks_proxy_protocol
from shifter.wire.events import RequestHead, first_value

if TYPE_CHECKING:
    from shifter.proxy.stream import Target

_LONGEST_NAME = 255
"""Bytes of a server name (RFC 1035 section 2.3.4)."""
_HTTP2 = 20


class ConnectionChoice:
    """What the requests to one cluster are asked; ``asks`` says whether they are asked anything."""

    __slots__ = ("_header", "_sni", "_tells_client", "_validates", "_with_protocol", "asks")

    def __init__(self, cluster: Cluster) -> None:
        self.asks = depends_on_request(cluster)
        self._with_protocol = cluster.protocol is UpstreamProtocol.DOWNSTREAM
        self._sni = cluster.auto_sni
        self._validates = cluster.auto_san_validation
        self._header = cluster.override_auto_sni_header
        self._tells_client = speaks_proxy_protocol(cluster)

    def key(self, head: RequestHead, downstream: Downstream, route: PoolKey = DEFAULT, copied: bool = False) -> PoolKey:
        """Return the key of the connections for *head*, as it goes upstream, by what its *route* says already. *copied*: it is a copy,
        which has no client's protocol."""
        name = self._name(head) if self._sni or self._validates else ""
        protocol = route.protocol
        if protocol is None and self._with_protocol and head.version == _HTTP2 and not copied:
            protocol = UpstreamProtocol.HTTP2
        return PoolKey(
            route.priority,
            protocol,
            server_name=name if self._sni and not is_address(name) else "",
            san=name if self._validates else "",
            client=self._client(downstream) if self._tells_client else None,
        )

    def target(self, target: "Target", head: RequestHead, downstream: Downstream) -> "Target":
        """Return *target* with the connections for *head*."""
        chosen = copy(target)
        chosen.cluster = target.cluster.of(self.key(head, downstream, target.cluster.key))
        return chosen

    def _name(self, head: RequestHead) -> str:
        said = first_value(head.block, self._header) if self._header is not None else None
        name = _without_port(said or head.authority).decode("latin-1").lower()
        return name if len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable() else ""

    @staticmethod
    def _client(downstream: Downstream) -> tuple[SocketAddress, SocketAddress]:
        return _address(downstream.peer), _address(downstream.local)


def for_copy(cluster: LiveCluster, head: RequestHead, downstream: Downstream) -> Leasing:
    """Return *cluster* as a copy of a request sees it, with *head*."""
    if not cluster.depends_on_request:
        return cluster
    return cluster.of(ConnectionChoice(cluster.config).key(head, downstream, copied=True))


def _without_port(authority: bytes) -> bytes:
    """Return the host of *authority*, an IPv6 address without its brackets."""
    if authority.startswith(b"["):
        return authority[1:].partition(b"]")[0]
    host, colon, port = authority.rpartition(b":")
    return host if colon and (port.isdigit() or not port) and b":" not in host else authority


def _address(text: bytes) -> SocketAddress:
    host, _, port = text.decode("latin-1").rpartition(":")
    return SocketAddress(host.strip("[]"), int(port) if port.isdigit() else 0)
