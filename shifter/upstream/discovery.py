"""Where the endpoints of a cluster come from: its configuration, or DNS, asked again and again.

Rule 1. What is known stays true until somebody who knows says otherwise: a lookup that fails changes nothing, a name that
        does not exist (any more) has no endpoints.
Rule 2. Each name is asked for on its own, again ``dns_refresh_rate`` after each answer, whatever its time to live, unless
        the cluster respects that: container engines hand out 600 s for addresses that are gone in five.
Rule 3. ``changed`` is called when the set of endpoints is another one, never for the same in another order. The log gets
        one event for such a change, one when a name begins to fail and one when it ends, and none for each refresh.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, DiscoveryType, DnsLookupFamily, LbEndpoint
from shifter.observe.stats import ClusterStats
from shifter.upstream.dns import Answer, NameNotFound, ResolutionFailed, ShifterError

_log = Logger()
_SHORTEST_TTL = 1.0


class Lookup(Protocol):
    """What discovery needs of ``dns.Resolver``."""

    def lookup(self, name: str, family: DnsLookupFamily) -> Deferred[Answer]:
        """See ``dns.Resolver.lookup``."""


Changed = Callable[[tuple[LbEndpoint, ...]], object]
"""Gets endpoints with addresses that can be connected to; the ``hostname`` of one that was resolved is the configured one, or the
name that has its address."""


class _Name:
    """One name, the endpoints of the configuration that bear it, and what is known about it."""

    __slots__ = ("addresses", "answered", "endpoints", "lookup", "name", "timer", "trouble")

    def __init__(self, name: str) -> None:
        self.name = name
        self.endpoints: list[LbEndpoint] = []
        self.addresses: tuple[str, ...] = ()
        self.answered = False
        self.trouble: type[ShifterError] | None = None
        self.lookup: Deferred[Answer] | None = None
        self.timer: IDelayedCall | None = None

    def resolved(self) -> list[LbEndpoint]:
        return [
            replace(endpoint, address=SocketAddress(address, endpoint.address.port), hostname=endpoint.hostname or self.name)
            for endpoint in self.endpoints
            if isinstance(endpoint.address, SocketAddress)
            for address in self.addresses
        ]


class Discovery:
    """The endpoints of one cluster. Counts ``update_*`` in *stats*, under Envoy's names.

    As in Envoy a name that does not exist counts as a success, for that is an answer; ``update_empty`` counts these.
    """

    def __init__(self, cluster: Cluster, resolver: Lookup, clock: IReactorTime, stats: ClusterStats | None = None) -> None:
        self._cluster = cluster
        self._resolver = resolver
        self._clock = clock
        self.stats = stats or ClusterStats()
        self.endpoints: tuple[LbEndpoint, ...] = ()
        self._changed: Changed = lambda endpoints: None
        self._names: dict[str, _Name] = {}
        self._warming: Deferred[None] | None = None
        if cluster.type is DiscoveryType.STRICT_DNS:
            for endpoint in cluster.endpoints:
                assert isinstance(endpoint.address, SocketAddress)  # a name has no pipe (``config.check``)
                name = endpoint.address.host
                self._names.setdefault(name, _Name(name)).endpoints.append(endpoint)

    def inherit(self, before: "Discovery") -> None:
        """Begin with what *before*, the same cluster under its previous configuration, knows. Call it ahead of `start`.

        So a reload while no name server answers costs no endpoint; Envoy begins with none.
        """
        for name in self._names.values():
            if name.name in before._names and self._cluster.dns_lookup_family is before._cluster.dns_lookup_family:
                name.addresses = before._names[name.name].addresses

    def start(self, changed: Changed) -> Deferred[None]:
        """Call *changed* with all endpoints now, if they are known, and whenever they have changed.

        Fires when every name has been answered for the first time, well or not, or at `stop`; at once for ``STATIC``.
        It has no deadline of its own. Cancelling it ends the wait only.
        """
        self._changed = changed
        if self._cluster.type is DiscoveryType.STATIC:
            self.endpoints = self._cluster.endpoints
            changed(self.endpoints)
            return succeed(None)
        self.endpoints = self._resolved()
        if self.endpoints:
            changed(self.endpoints)
        warming = self._warming = Deferred(self._forget_waiting)
        for name in tuple(self._names.values()):
            if self._names:  # not stopped by what came of the one before
                self._refresh(name)
        self._tell_when_warm()
        return warming

    def stop(self) -> None:
        """Ask no more; *changed* is not called again. A resolver is closed after this."""
        names, self._names = self._names, {}
        for name in names.values():
            if name.timer is not None and name.timer.active():
                name.timer.cancel()
            if name.lookup is not None:
                name.lookup.cancel()
        self._changed = lambda endpoints: None
        self._tell_when_warm()

    def _forget_waiting(self, warming: Deferred[None]) -> None:
        self._warming = None

    def _tell_when_warm(self) -> None:
        if self._warming is not None and all(name.answered for name in self._names.values()):
            warming, self._warming = self._warming, None
            warming.callback(None)

    def _refresh(self, name: _Name) -> None:
        self.stats.update_attempt += 1
        name.timer = None
        name.lookup = lookup = self._resolver.lookup(name.name, self._cluster.dns_lookup_family)
        lookup.addCallbacks(self._found, self._not_found, callbackArgs=(name,), errbackArgs=(name,)).addErrback(
            lambda failure: _log.failure("cluster {cluster}: its new endpoints were not taken", failure, cluster=self._cluster.name)
        )

    def _found(self, answer: Answer, name: _Name) -> None:
        self.stats.update_success += 1
        if name.trouble is not None:
            name.trouble = None
            _log.info("cluster {cluster}: {name} resolves again", cluster=self._cluster.name, name=name.name)
        delay = self._cluster.dns_refresh_rate
        if self._cluster.respect_dns_ttl and answer.ttl > 0:
            delay = max(answer.ttl, _SHORTEST_TTL)
        self._answered(name, answer.addresses, delay)

    def _not_found(self, failure: Failure, name: _Name) -> None:
        if failure.check(CancelledError):
            return
        trouble: type[ShifterError] = ResolutionFailed
        addresses = name.addresses
        delay = self._cluster.dns_refresh_rate
        if failure.check(NameNotFound):
            self.stats.update_success += 1
            self.stats.update_empty += 1
            trouble, addresses = NameNotFound, ()
        else:
            self.stats.update_failure += 1
            rate = self._cluster.dns_failure_refresh_rate
            delay = rate.base_interval if rate is not None else delay
        if name.trouble is not trouble:
            name.trouble = trouble
            _log.warn(
                "cluster {cluster}: {name} {consequence}: {reason}",
                cluster=self._cluster.name,
                name=name.name,
                consequence="keeps the addresses it has" if addresses else "has no addresses",
                reason=failure.getErrorMessage(),
            )
        self._answered(name, addresses, delay)

    def _answered(self, name: _Name, addresses: tuple[str, ...], delay: float) -> None:
        # The timer first: whatever becomes of this answer, there is a next one.
        name.lookup = None
        name.timer = self._clock.callLater(delay, self._refresh, name)
        name.answered = True
        name.addresses = addresses
        try:
            self._have(self._resolved())
        finally:
            self._tell_when_warm()

    def _resolved(self) -> tuple[LbEndpoint, ...]:
        return tuple(endpoint for name in self._names.values() for endpoint in name.resolved())

    def _have(self, endpoints: tuple[LbEndpoint, ...]) -> None:
        before, now = Counter(self.endpoints), Counter(endpoints)
        if now == before:
            self.stats.update_no_rebuild += 1
            return
        self.endpoints = endpoints
        _log.info(
            "cluster {cluster}: endpoints now {count}{added}{removed}",
            cluster=self._cluster.name,
            count=len(endpoints),
            added=_listed(", new: ", now - before),
            removed=_listed(", gone: ", before - now),
        )
        self._changed(endpoints)

    def __repr__(self) -> str:
        return f"<Discovery {self._cluster.name} {self._cluster.type.value} endpoints={len(self.endpoints)}>"


def _listed(intro: str, endpoints: Counter[LbEndpoint]) -> str:
    return intro + ", ".join(str(endpoint.address) for endpoint in endpoints) if endpoints else ""
