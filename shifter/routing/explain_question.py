"""A question about routes: which request, and to which connection manager (see ``explain`` for the answer).

Rule 1. What was asked is written down as it would have come on the wire, so that the one parser there is reads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import Listener
from shifter.routing.errors import ShifterError
from shifter.routing.match_text import shown
from shifter.routing.runtime import Runtime


class ExplainError(ShifterError):
    """A question that cannot be answered; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The request that is asked about. ``text`` is its head on the wire, ``port`` the one that its URL names.

    ``now`` is the time for formats, in seconds since the epoch.
    """

    text: bytes
    scheme: bytes
    port: int
    client: bytes = b"127.0.0.1"
    random: int | None = None
    now: float = 0.0

    @property
    def peer(self) -> bytes:
        """The client's ``address:port``, with a port that says nothing."""
        return b"[%b]:0" % self.client if b":" in self.client else self.client + b":0"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it is asked: a connection manager, its listener if it has one, all clusters by name if they are known.

    ``own_address`` is the machine's own, as text, as in `Forwarding`.
    """

    manager: HttpConnectionManager
    runtime: Runtime
    listener: Listener | None = None
    clusters: Mapping[str, Cluster] | None = None
    own_address: bytes = b""


def question(request: str, headers: Sequence[str] = (), client: str = "127.0.0.1", random: int | None = None, now: float = 0.0) -> Asked:
    """Return *request* (``METHOD URL``, or a URL alone for GET) with *headers* (``name: value``). Raises `ExplainError`."""
    method, _, url = request.strip().rpartition(" ")
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.lower() not in ("http", "https"):
        raise ExplainError(f"{shown(request)!r} is no request: write 'GET http://host/path'")
    rest = rest.partition("#")[0]
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:end], rest[end:]
    port = authority.rpartition(":")[2]
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
    return Asked(text.encode(), scheme.lower().encode(), number, client.encode(), random, now)


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
    managers = list(chosen[0].managers)
    if len(managers) != 1:
        many = len(managers) or "no"
        raise ExplainError(f"the listener {shown(chosen[0].name)} has {many} connection managers, and only one can be asked")
    clusters = {cluster.name: cluster for cluster in bootstrap.clusters}
    return Scene(managers[0], Runtime(bootstrap.runtime), chosen[0], clusters, own_address)


def _names(listeners: Sequence[Listener]) -> str:
    return ", ".join(shown(listener.name) for listener in listeners) or "none"
