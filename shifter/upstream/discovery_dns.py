"""Endpoints that are names: DNS, asked again and again.

Rule 1. A lookup that fails changes nothing. A name that does not exist (any more) has no endpoints under ``STRICT_DNS``, and those it
        had under ``LOGICAL_DNS``.
Rule 2. Each name is asked for on its own, again ``dns_refresh_rate`` after each answer, whatever its time to live, unless
        the cluster respects that: container engines hand out 600 s for addresses that are gone in five. ``dns_jitter`` comes on top,
        by lot. After a failure it is the cluster's ``dns_failure_refresh_rate``: a random part of an interval that doubles each time.
Rule 3. A logical host is one host at one address: the first of the answer, and that for as long as it is in the answer. So a name
        that gives its addresses in another order each time costs no connection. (Envoy moves to the first of each answer.)
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, DnsFailureRefreshRate, DnsLookupFamily, LbEndpoint
from shifter.observe.stats import ClusterStats
from shifter.upstream.discovery import Changed, Discovery, Finding
from shifter.upstream.dns import Answer, NameNotFound, ResolutionFailed
from shifter.upstream.dnsquery import ShifterError

_log = Logger()
_SHORTEST_TTL = 1.0
_INTERVALS_IN_MAX = 10
"""``DnsFailureRefreshRate.max_interval`` that is not said, in base intervals (Envoy)."""


class Lookup(Protocol):
    """What discovery needs of ``dns.Resolver``."""

    def lookup(self, name: str, family: DnsLookupFamily) -> Deferred[Answer]:
        """See ``dns.Resolver.lookup``."""


class BackOff:
    """How long to wait after failures in a row (Envoy's ``JitteredExponentialBackOffStrategy``). *random* gives large numbers."""

    def __init__(self, rate: DnsFailureRefreshRate, random: Callable[[], int]) -> None:
        self._base = rate.base_interval
        self._max = rate.base_interval * _INTERVALS_IN_MAX if rate.max_interval is None else rate.max_interval
        self._random = random
        self._next = self._base

    def interval(self) -> float:
        """Return the seconds to wait after one more failure."""
        longest, self._next = self._next, min(self._next * 2, self._max)
        return _lot(longest, self._random)

    def reset(self) -> None:
        """Something went well."""
        self._next = self._base


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


class DnsDiscovery(Finding):
    """What both kinds have in common. As in Envoy a name that does not exist counts as a success where that is an answer;
    ``update_empty`` counts these."""

    absence_is_an_answer = True

    def __init__(
        self, cluster: Cluster, resolver: Lookup, clock: IReactorTime, random: Callable[[], int], stats: ClusterStats | None = None
    ) -> None:
        super().__init__(cluster, stats)
        self._resolver = resolver
        self._clock = clock
        self._random = random
        rate = cluster.dns_failure_refresh_rate
        self._back_off = BackOff(rate, random) if rate is not None else None
        self._names: dict[str, _Name] = {}
        for endpoint in cluster.endpoints:
            assert isinstance(endpoint.address, SocketAddress)  # a name has no pipe (``config.check``)
            name = endpoint.address.host
            self._names.setdefault(name, _Name(name)).endpoints.append(endpoint)

    def inherit(self, before: Discovery) -> None:
        if isinstance(before, DnsDiscovery) and self._cluster.dns_lookup_family is before._cluster.dns_lookup_family:
            for name in self._names.values():
                if name.name in before._names:
                    name.addresses = before._names[name.name].addresses

    def start(self, changed: Changed) -> Deferred[None]:
        self.endpoints = self._resolved()
        warming = self._begin(changed)
        for name in tuple(self._names.values()):
            if self._names:  # not stopped by what came of the one before
                self._refresh(name)
        self._warm_when_answered()
        return warming

    def stop(self) -> None:
        names, self._names = self._names, {}
        for name in names.values():
            if name.timer is not None and name.timer.active():
                name.timer.cancel()
            if name.lookup is not None:
                name.lookup.cancel()
        self._end()

    def _resolved(self) -> tuple[LbEndpoint, ...]:
        return tuple(
            resolved for name in self._names.values() for endpoint in name.endpoints for resolved in self._as_found(endpoint, name)
        )

    def _as_found(self, endpoint: LbEndpoint, name: _Name) -> list[LbEndpoint]:
        """Return what *endpoint*, which bears *name*, is now."""
        raise NotImplementedError

    def _warm_when_answered(self) -> None:
        if all(name.answered for name in self._names.values()):
            self._warm()

    def _refresh(self, name: _Name) -> None:
        self.stats.update_attempt += 1
        name.timer = None
        name.lookup = lookup = self._resolver.lookup(name.name, self._cluster.dns_lookup_family)
        lookup.addCallbacks(self._found, self._not_found, callbackArgs=(name,), errbackArgs=(name,)).addErrback(
            lambda failure: _log.failure("cluster {cluster}: its new endpoints were not taken", failure, cluster=self._cluster.name)
        )

    def _found(self, answer: Answer, name: _Name) -> None:
        if name.trouble is not None:
            name.trouble = None
            _log.info("cluster {cluster}: {name} resolves again", cluster=self._cluster.name, name=name.name)
        interval = self._cluster.dns_refresh_rate
        if self._cluster.respect_dns_ttl and answer.ttl > 0:
            interval = max(answer.ttl, _SHORTEST_TTL)
        self._answered(name, answer.addresses, self._succeeded(interval))

    def _not_found(self, failure: Failure, name: _Name) -> None:
        if failure.check(CancelledError):
            return
        trouble: type[ShifterError] = NameNotFound if failure.check(NameNotFound) else ResolutionFailed
        absent = trouble is NameNotFound and self.absence_is_an_answer
        if name.trouble is not trouble:
            name.trouble = trouble
            _log.warn(
                "cluster {cluster}: {name} {consequence}: {reason}",
                cluster=self._cluster.name,
                name=name.name,
                consequence="keeps the addresses it has" if name.addresses and not absent else "has no addresses",
                reason=failure.getErrorMessage(),
            )
        if absent:
            self.stats.update_empty += 1
            self._answered(name, (), self._succeeded(self._cluster.dns_refresh_rate))
            return
        self.stats.update_failure += 1
        self._ask_again(name, self._back_off.interval() if self._back_off is not None else self._cluster.dns_refresh_rate)
        self._warm_when_answered()

    def _succeeded(self, interval: float) -> float:
        """Count an answer; return for how long it holds, which is *interval* with ``dns_jitter``."""
        self.stats.update_success += 1
        if self._back_off is not None:
            self._back_off.reset()
        jitter = self._cluster.dns_jitter
        return interval + _lot(jitter, self._random) if jitter else interval

    def _answered(self, name: _Name, addresses: tuple[str, ...], delay: float) -> None:
        # The timer first: whatever becomes of this answer, there is a next one.
        self._ask_again(name, delay)
        name.addresses = addresses
        try:
            self._have(self._resolved())
        finally:
            self._warm_when_answered()

    def _ask_again(self, name: _Name, delay: float) -> None:
        name.lookup = None
        name.timer = self._clock.callLater(delay, self._refresh, name)
        name.answered = True


class StrictDnsDiscovery(DnsDiscovery):
    """``STRICT_DNS``: every address of a name is an endpoint."""

    def _as_found(self, endpoint: LbEndpoint, name: _Name) -> list[LbEndpoint]:
        hostname = endpoint.hostname or name.name
        found = _addresses(endpoint, name.addresses)
        return [replace(endpoint, address=address, additional_addresses=(), hostname=hostname) for address in found]


class LogicalDnsDiscovery(DnsDiscovery):
    """``LOGICAL_DNS``: the one name of the cluster is its one endpoint, from its first answer on. Addresses of the answer beside the
    one that is used are its ``additional_addresses``, should that one not be reached."""

    absence_is_an_answer = False

    def _as_found(self, endpoint: LbEndpoint, name: _Name) -> list[LbEndpoint]:
        if not name.addresses:
            return []
        first, *others = _addresses(endpoint, name.addresses)
        hostname = endpoint.hostname or name.name
        return [replace(endpoint, address=first, additional_addresses=tuple(others), hostname=hostname, priority=0)]

    def _answered(self, name: _Name, addresses: tuple[str, ...], delay: float) -> None:
        kept = tuple(address for address in name.addresses if address in addresses)
        super()._answered(name, kept + tuple(address for address in addresses if address not in kept), delay)

    def _tell(self, before: Counter[LbEndpoint], now: Counter[LbEndpoint]) -> None:
        if {endpoint.address for endpoint in before} != {endpoint.address for endpoint in now}:
            super()._tell(before, now)


def _addresses(endpoint: LbEndpoint, hosts: tuple[str, ...]) -> tuple[SocketAddress, ...]:
    assert isinstance(endpoint.address, SocketAddress)
    return tuple(SocketAddress(host, endpoint.address.port) for host in hosts)


def _lot(seconds: float, random: Callable[[], int]) -> float:
    """Return a random part of *seconds*, in whole milliseconds below it."""
    return random() % max(1, round(seconds * 1000)) / 1000
