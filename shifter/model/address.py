"""Network addresses as the configuration names them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A TCP address (Envoy ``core.v3.SocketAddress``).

    ``host`` is an IP literal for listeners; for endpoints of a ``STRICT_DNS`` cluster it may be a name.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
