"""Listeners as most are."""

from shifter.model.address import SocketAddress
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, Listener


def http_listener(name: str, address: SocketAddress, manager: HttpConnectionManager) -> Listener:
    """Return a listener that serves everybody by *manager*, as most do."""
    return Listener(name, address, (FilterChain(manager),))
