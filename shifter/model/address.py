"""Network addresses as the configuration names them."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A TCP address (Envoy ``core.v3.SocketAddress``).

    ``host`` is an IP literal for listeners; for endpoints of a DNS cluster it may be a name.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Pipe:
    """A Unix domain socket (Envoy ``core.v3.Pipe``); a *path* that begins with ``@`` is an abstract one."""

    path: str

    def __str__(self) -> str:
        return self.path


Address: TypeAlias = SocketAddress | Pipe
"""Where an endpoint is (Envoy ``core.v3.Address``)."""
