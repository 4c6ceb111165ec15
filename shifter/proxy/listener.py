"""One listener at run time: it accepts connections, and hands each to the filter chain that fits it.

Rule 1. A filter chain is known by its key (``FilterChain.key``): one that a reload keeps goes on with its connections, one that is
        gone drains.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from shifter.model.listener import FilterChain, FilterChainMatch, Listener
from shifter.net.transport import Handler, Transport
from shifter.observe.stats import ListenerStats
from shifter.proxy.connection_manager import AccessLog

ChainKey = tuple[str | FilterChainMatch, bool]
"""``FilterChain.key``, and whether it is the default chain."""


def keyed_chains(listener: Listener) -> Iterator[tuple[ChainKey, FilterChain]]:
    """Return the filter chains of *listener* with their keys."""
    for chain in listener.chains:
        yield (chain.key, chain is listener.default_filter_chain), chain


class Service(Protocol):
    """What a filter chain does with its connections: a `ConnectionManager`, or a TCP proxy."""

    @property
    def access_logs(self) -> Iterable[AccessLog]:
        """What it writes to."""

    @property
    def doors(self) -> Collection[object]:
        """The connections that are open."""

    def accept(self, transport: Transport) -> Handler | None:
        """Return the handler for a connection that was established; ``None`` to refuse it."""

    def sweep(self, now: float) -> None:
        """Have every connection look at its own timeouts (about once a second)."""

    def drain(self) -> None:
        """Have every connection close as soon as nobody misses it."""

    def drop(self) -> None:
        """Close every connection now."""


class ListenerRuntime:
    """See the module. ``services`` are those of the filter chains, in their order, by key."""

    __slots__ = ("_only", "leaving", "listener", "listener_stats", "services")

    def __init__(self, listener: Listener, services: Mapping[ChainKey, Service], listener_stats: ListenerStats | None = None) -> None:
        self.listener_stats = listener_stats if listener_stats is not None else ListenerStats()
        self.services: Mapping[ChainKey, Service] = {}
        self.leaving: list[Service] = []
        self.configure(listener, services)

    def configure(self, listener: Listener, services: Mapping[ChainKey, Service]) -> None:
        """Serve connections like this from the next one on; who is in no chain any more drains."""
        self.listener = listener
        for service in self.services.values():
            if service not in services.values():
                service.drain()
                self.leaving.append(service)
        self.services = services
        [self._only] = services.values()

    def accept(self, transport: Transport) -> Handler | None:
        """Return the handler for a connection that was just accepted."""
        self.listener_stats.downstream_cx_total += 1
        return self._only.accept(transport)

    @property
    def connections(self) -> int:
        """How many are open."""
        return sum(len(service.doors) for service in (*self.services.values(), *self.leaving))

    def sweep(self, now: float) -> None:
        """Have every connection look at its own timeouts (about once a second)."""
        for service in (*self.services.values(), *self.leaving):
            service.sweep(now)
        self.leaving = [service for service in self.leaving if service.doors]

    def drain(self) -> None:
        """Have every connection close behind its next answer, idle ones at once."""
        for service in self.services.values():
            service.drain()

    def drop(self) -> None:
        """Close every connection now."""
        for service in (*self.services.values(), *self.leaving):
            service.drop()
