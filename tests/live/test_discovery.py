"""Discovery over a real name server: what Envoy 1.40 does when a name changes, fails, goes and comes back."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.names import dns

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, DiscoveryType, DnsLookupFamily, LbEndpoint
from shifter.upstream.discovery_dns import LogicalDnsDiscovery, StrictDnsDiscovery
from shifter.upstream.dns import Resolver
from tests.support.dns import NameServer


class RefreshClock(Clock):
    """Time passes when the test says so, and then until the refresh that has become due has been answered."""

    def __init__(self) -> None:
        super().__init__()
        self._next: Deferred[None] | None = None

    def callLater(self, when: float, what: Callable[..., object], *args: Any, **kw: Any) -> IDelayedCall:
        call: IDelayedCall = super().callLater(when, what, *args, **kw)
        if self._next is not None:
            waiting, self._next = self._next, None
            # The answer is taken right after the next refresh has been set.
            reactor.callLater(0, waiting.callback, None)
        return call

    def refreshed(self, seconds: float) -> Deferred[None]:
        self._next = waiting = Deferred()
        self.advance(seconds)
        return waiting


@pytest_twisted.async_yield_fixture
async def names() -> AsyncIterator[NameServer]:
    names = NameServer({"service1": ["127.0.0.11"]}, ttl=600)
    names.listen(reactor)
    yield names
    await names.stop()


@pytest_twisted.ensureDeferred
async def test_a_name_through_its_days(names: NameServer) -> None:
    seen: list[list[str]] = []
    clock = RefreshClock()

    def changed(endpoints: tuple[LbEndpoint, ...]) -> None:
        seen.append(sorted(endpoint.address.host for endpoint in endpoints))

    resolver = Resolver(reactor, [names.address], resolv_conf=None, hosts=None)
    cluster = Cluster("service1", DiscoveryType.STRICT_DNS, (LbEndpoint(SocketAddress("service1", 80)),))
    discovery = StrictDnsDiscovery(cluster, resolver, clock, lambda: 0)
    await discovery.start(changed)
    assert seen == [["127.0.0.11"]]

    names.records["service1"] = ["127.0.0.11", "127.0.0.12", "::1"]
    await clock.refreshed(5)
    assert seen.pop() == ["::1"]  # AUTO: IPv6 when there is some

    names.records["service1"] = ["127.0.0.12", "127.0.0.11"]
    await clock.refreshed(5)
    assert seen.pop() == ["127.0.0.11", "127.0.0.12"]

    for rcode in (dns.ESERVER, dns.EREFUSED):
        names.rcodes["service1"] = rcode
        await clock.refreshed(5)
    assert discovery.stats.update_failure == 2
    assert len(discovery.endpoints) == 2

    names.rcodes.clear()
    del names.records["service1"]
    await clock.refreshed(5)
    assert seen.pop() == []

    names.records["service1"] = []
    await clock.refreshed(5)
    assert discovery.stats.update_empty == 2
    assert discovery.endpoints == ()

    names.records["service1"] = ["127.0.0.11"]
    await clock.refreshed(5)
    assert seen == [["127.0.0.11"], ["127.0.0.11"]]
    discovery.stop()
    resolver.close()


@pytest_twisted.ensureDeferred
async def test_a_logical_name_through_its_days(names: NameServer) -> None:
    seen: list[tuple[str, ...]] = []
    clock = RefreshClock()

    def changed(endpoints: tuple[LbEndpoint, ...]) -> None:
        (endpoint,) = endpoints
        seen.append(tuple(str(address) for address in (endpoint.address, *endpoint.additional_addresses)))

    resolver = Resolver(reactor, [names.address], resolv_conf=None, hosts=None)
    endpoints = (LbEndpoint(SocketAddress("service1", 80)),)
    cluster = Cluster("service1", DiscoveryType.LOGICAL_DNS, endpoints, dns_lookup_family=DnsLookupFamily.V4_ONLY)
    discovery = LogicalDnsDiscovery(cluster, resolver, clock, lambda: 0)
    await discovery.start(changed)
    assert seen.pop() == ("127.0.0.11:80",)

    names.records["service1"] = ["127.0.0.12", "127.0.0.11"]
    await clock.refreshed(5)
    assert seen.pop() == ("127.0.0.11:80", "127.0.0.12:80")

    names.records["service1"] = ["127.0.0.13", "127.0.0.12"]
    await clock.refreshed(5)
    assert seen.pop() == ("127.0.0.12:80", "127.0.0.13:80")

    del names.records["service1"]
    await clock.refreshed(5)
    names.rcodes["service1"] = dns.ESERVER
    await clock.refreshed(5)
    assert discovery.stats.update_failure == 2
    assert len(discovery.endpoints) == 1

    names.rcodes.clear()
    names.records["service1"] = ["127.0.0.11"]
    await clock.refreshed(5)
    assert seen == [("127.0.0.11:80",)]
    discovery.stop()
    resolver.close()
