"""A question about routes: which request, and to which connection manager (see ``explain`` for the answer).

Rule 1. What was asked is written down as it would have come on the wire, so that the one parser there is reads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, FilterChainMatch, Listener
from shifter.model.tcp_proxy import TcpProxy
from shifter.routing.errors import ShifterError
from shifter.routing.filter_chain_match import RAW, TLS, FilterChainIndex, Incoming
from shifter.routing.match_text import shown
from shifter.routing.runtime import Runtime

_BROWSERS_PROTOCOLS = (b"h2", b"http/1.1")


class ExplainError(ShifterError):
    """A question that cannot be answered; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is asked about. ``text`` is its head on the wire, ``port`` the one that its URL names.

    ``now`` is the time for formats, in seconds since the epoch; ``server_name`` is what a client would ask for in TLS.
    """

    text: bytes
    scheme: bytes
    port: int
    client: bytes = b"127.0.0.1"
    random: int | None = None
    now: float = 0.0
    server_name: str = ""

    @property
    def peer(self) -> bytes:
        """The client's ``address:port``, with a port that says nothing."""
        return b"[%b]:0" % self.client if b":" in self.client else self.client + b":0"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it is asked: a connection manager, its listener if it has one, all clusters by name if they are known.

    ``own_address`` is the machine's own, as text, as in `Forwarding`; ``chain`` the filter chain that the manager belongs to.
    """

    manager: HttpConnectionManager
    runtime: Runtime
    listener: Listener | None = None
    clusters: Mapping[str, Cluster] | None = None
    own_address: bytes = b""
    chain: FilterChain | None = None


def question(request: str, headers: Sequence[str] = (), client: str = "127.0.0.1", random: int | None = None, now: float = 0.0) -> Asked:
    """Return *request* (``METHOD URL``, or a URL alone for GET) with *headers* (``name: value``). Raises `ExplainError`."""
    method, _, url = request.strip().rpartition(" ")
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        raise ExplainError(f"{shown(request)!r} is no request: write 'GET http://host/path'")
    rest = rest.partition("#")[0]
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    authority_of_url, port = authority, authority.rpartition(":")[2]
    lines = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise ExplainError(f"{shown(header)!r} is no header: write 'name: value'")
        if name.strip().lower() in ("host", ":authority"):
            authority = value.strip()
        else:
            lines.append(f"{name.strip()}: {value.strip()}")
    target = target if target.startswith("/") else "/" + target
    text = "\r\n".join([f"{method.strip().upper() or 'GET'} {target} HTTP/1.1", f"host: {authority}", *lines])
    if len(text.splitlines()) != 2 + len(lines):
        raise ExplainError("line breaks cannot stand in a request")
    try:
        ip_address(client)
    except ValueError:
        raise ExplainError(f"{shown(client)!r} is no IP address that a request could come from") from None
    number = int(port) if port.isascii() and port.isdigit() else 0
    name = authority_of_url.rpartition(":")[0] if number else authority_of_url
    return Asked(text.encode(), scheme.lower().encode(), number, client.encode(), random, now, name.lower())


def scene_of(bootstrap: Bootstrap, asked: Asked | None = None, name: str | None = None, own_address: bytes = b"") -> Scene:
    """Return the connection manager of the listener *name*; without one, of the only one, or of the one at the port that was
    *asked* at. Raises `ExplainError`."""
    listeners = bootstrap.listeners
    if name is not None:
        chosen = [listener for listener in listeners if listener.name == name]
        if not chosen:
            raise ExplainError(f"no listener is named {shown(name)!r}; there are {_names(listeners)}")
    else:
        at_port = [listener for listener in listeners if asked is not None and listener.address.port == asked.port]
        chosen = list(listeners) if len(listeners) == 1 or len(at_port) != 1 else at_port
    if len(chosen) != 1:
        raise ExplainError(f"there are several listeners, name one: {_names(listeners)}" if listeners else "there are no listeners")
    clusters = {cluster.name: cluster for cluster in bootstrap.clusters}
    chain = _only_chain(chosen[0]) if asked is None else _chain_for(chosen[0], asked)
    if isinstance(chain.filter, TcpProxy):
        raise ExplainError(f"{_chain_words(chosen[0], chain)} is a TCP proxy: nobody looks at requests there")
    return Scene(chain.filter, Runtime(bootstrap.runtime), chosen[0], clusters, own_address, chain)


def _only_chain(listener: Listener) -> FilterChain:
    chains = [chain for chain in listener.chains if isinstance(chain.filter, HttpConnectionManager)]
    if len(chains) != 1:
        many = len(chains) or "no"
        raise ExplainError(f"the listener {shown(listener.name)} has {many} connection managers, and only one can be asked")
    return chains[0]


def _chain_for(listener: Listener, asked: Asked) -> FilterChain:
    """Return the filter chain that a client would come to that sends what is *asked*: over TLS it asks for the host of its URL, and for
    HTTP/2 first. Where there is one for all nothing is looked at."""
    if len(listener.chains) == 1 and listener.chains[0].match == FilterChainMatch():
        return listener.chains[0]
    tls = asked.scheme == b"https"
    source = SocketAddress(asked.client.decode("ascii"), 0)
    incoming = Incoming(
        listener.address, source, source, asked.server_name if tls else "", TLS if tls else RAW, _BROWSERS_PROTOCOLS if tls else ()
    )
    chain = FilterChainIndex([(chain.match, chain) for chain in listener.filter_chains], listener.default_filter_chain).find(incoming)
    if chain is None:
        how = f"over TLS with the server name {shown(asked.server_name)}" if tls else "without TLS"
        raise ExplainError(f"the listener {shown(listener.name)} closes connections that come {how}: no filter chain fits them")
    return chain


def _chain_words(listener: Listener, chain: FilterChain) -> str:
    name = f"the filter chain {shown(chain.name)} of " if chain.name else ""
    return f"{name}the listener {shown(listener.name)}"


def _names(listeners: Sequence[Listener]) -> str:
    return ", ".join(shown(listener.name) for listener in listeners) or "none"
