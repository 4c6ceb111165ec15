"""The resolver against a real name server on loopback; every test ends with nothing left in the reactor."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent, globalLogPublisher
from twisted.names import dns

from shifter.model.cluster import DnsLookupFamily
from shifter.upstream import dnsquery
from shifter.upstream.dns import Answer, NameNotFound, ResolutionFailed, Resolver
from shifter.upstream.dnsquery import NoAnswer
from tests.support.dns import NameServer

AUTO, V4, V6, ALL = DnsLookupFamily.AUTO, DnsLookupFamily.V4_ONLY, DnsLookupFamily.V6_ONLY, DnsLookupFamily.ALL
PATIENT, HASTY = (10.0,), (0.02, 0.02)


@pytest_twisted.async_yield_fixture
async def names() -> AsyncIterator[NameServer]:
    names = NameServer({"one": ["127.0.0.11"], "two": ["127.0.0.21", "127.0.0.22"], "both": ["127.0.0.31", "::1"], "bare": []})
    names.listen(reactor)
    yield names
    await names.stop()


@pytest.fixture
def resolver(names: NameServer) -> Resolver:
    return resolver_for(names.address)


def resolver_for(*servers: tuple[str, int], timeouts: tuple[float, ...] = PATIENT) -> Resolver:
    return Resolver(reactor, servers, resolv_conf=None, hosts=None, timeouts=timeouts)


@pytest_twisted.ensureDeferred
async def test_every_address_is_found(resolver: Resolver) -> None:
    assert await resolver.lookup("two", V4) == Answer(("127.0.0.21", "127.0.0.22"), 600.0)


@pytest.mark.parametrize(
    ("family", "expected", "asked"),
    [
        (AUTO, ("::1",), ["AAAA"]),
        (V4, ("127.0.0.31",), ["A"]),
        (V6, ("::1",), ["AAAA"]),
        (ALL, ("::1", "127.0.0.31"), ["A", "AAAA"]),
        (DnsLookupFamily.V4_PREFERRED, ("127.0.0.31",), ["A"]),
    ],
)
@pytest_twisted.ensureDeferred
async def test_only_addresses_are_asked_for(
    names: NameServer, resolver: Resolver, family: DnsLookupFamily, expected: tuple[str, ...], asked: list[str]
) -> None:
    """Never for ANY, which a server that has only addresses need not answer (RFC 8482)."""
    assert (await resolver.lookup("both", family)).addresses == expected
    assert sorted(kind for _, kind, _ in names.asked) == asked


@pytest_twisted.ensureDeferred
async def test_a_change_is_seen_at_once_whatever_the_ttl(names: NameServer, resolver: Resolver) -> None:
    assert (await resolver.lookup("one", V4)).addresses == ("127.0.0.11",)
    names.records["one"] = ["127.0.0.12", "127.0.0.13"]
    assert (await resolver.lookup("one", V4)).addresses == ("127.0.0.12", "127.0.0.13")


@pytest.mark.parametrize("ttl", [0, 1, 600])
@pytest_twisted.ensureDeferred
async def test_the_ttl_is_reported(names: NameServer, resolver: Resolver, ttl: int) -> None:
    names.ttl = ttl
    assert (await resolver.lookup("one", V4)).ttl == ttl


@pytest_twisted.ensureDeferred
async def test_a_name_that_does_not_exist(resolver: Resolver) -> None:
    with pytest.raises(NameNotFound, match="'nothing' does not exist"):
        await resolver.lookup("nothing", AUTO)


@pytest_twisted.ensureDeferred
async def test_a_name_without_addresses(resolver: Resolver) -> None:
    with pytest.raises(NameNotFound, match=r"'bare' .* has no addresses"):
        await resolver.lookup("bare", AUTO)


@pytest.mark.parametrize(
    ("rcode", "word"),
    [(dns.ESERVER, "SERVFAIL"), (dns.EREFUSED, "REFUSED"), (dns.EFORMAT, "FORMERR"), (dns.ENOTIMP, "NOTIMP"), (9, "else")],
)
@pytest_twisted.ensureDeferred
async def test_a_server_that_cannot_say_is_no_denial(names: NameServer, resolver: Resolver, rcode: int, word: str) -> None:
    names.rcodes["one"] = rcode
    with pytest.raises(ResolutionFailed, match=rf"name server 127\.0\.0\.1 port \d+ says .*{word}"):
        await resolver.lookup("one", AUTO)


@pytest_twisted.ensureDeferred
async def test_silence_ends_after_the_last_timeout(names: NameServer) -> None:
    names.silent.add("one")
    with pytest.raises(NoAnswer, match=r"name server 127\.0\.0\.1 port \d+ does not answer"):
        await resolver_for(names.address, timeouts=HASTY).lookup("one", V4)
    assert names.asked == [("one", "A", "udp")] * 2


@pytest_twisted.ensureDeferred
async def test_a_slow_answer_counts(names: NameServer, resolver: Resolver) -> None:
    names.slow["one"] = 0.05
    assert (await resolver.lookup("one", V4)).addresses == ("127.0.0.11",)


@pytest_twisted.ensureDeferred
async def test_nobody_listens() -> None:
    names = NameServer()
    nowhere = names.listen(reactor)
    await names.stop()
    with pytest.raises(NoAnswer):
        await resolver_for(nowhere, timeouts=HASTY).lookup("one", V4)


@pytest_twisted.ensureDeferred
async def test_the_next_server_is_asked(names: NameServer) -> None:
    failing = NameServer({"one": ["127.0.0.66"]})
    failing.rcodes["one"] = dns.ESERVER
    silent = NameServer()
    silent.silent.add("*")
    others = [server.listen(reactor) for server in (failing, silent)]
    assert (await resolver_for(*others, names.address, timeouts=(0.05, 10.0)).lookup("one", V4)).addresses == ("127.0.0.11",)
    assert len(failing.asked) == len(silent.asked) == 1
    await failing.stop()
    await silent.stop()


@pytest_twisted.ensureDeferred
async def test_aliases_are_followed_and_counted_in_the_ttl(names: NameServer, resolver: Resolver) -> None:
    names.cname = {"www": "alias", "alias": "two"}
    assert await resolver.lookup("WWW", V4) == Answer(("127.0.0.21", "127.0.0.22"), 600.0)
    assert ("two", "A", "udp") not in names.asked


@pytest_twisted.ensureDeferred
async def test_an_alias_of_a_name_without_addresses_has_none(names: NameServer, resolver: Resolver) -> None:
    names.cname = {"www": "bare"}
    with pytest.raises(NameNotFound):
        await resolver.lookup("www", AUTO)


@pytest_twisted.ensureDeferred
async def test_records_of_other_names_do_not_count(names: NameServer, resolver: Resolver) -> None:
    names.strangers = [("evil", "127.0.0.66")]
    assert (await resolver.lookup("one", V4)).addresses == ("127.0.0.11",)
    with pytest.raises(NameNotFound):
        await resolver.lookup("bare", V4)


@pytest_twisted.ensureDeferred
async def test_more_addresses_than_a_datagram_holds_come_over_tcp(names: NameServer, resolver: Resolver) -> None:
    many = [f"127.0.1.{i}" for i in range(200)]
    names.records["many"] = many
    assert (await resolver.lookup("many", V4)).addresses == tuple(many)
    assert names.asked == [("many", "A", "udp"), ("many", "A", "tcp")]
    await names.idle()  # the connection is not kept


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "half a head": lambda data: data[:6],
    "no question": lambda data: data[:12],
    "half a record": lambda data: data[:-2],
    "a question": lambda data: data[:2] + bytes([data[2] & 0x7F]) + data[3:],
    "a name that never ends": lambda data: data[:12] + b"\xc0\x0c" * 20,
    "noise": lambda data: data[:4] + b"\xff" * 60,
}


@pytest.mark.parametrize("how", BROKEN)
@pytest_twisted.ensureDeferred
async def test_a_broken_answer_is_none(names: NameServer, how: str) -> None:
    """Above all it does not say that there are no addresses."""
    names.mangle = BROKEN[how]
    with pytest.raises(NoAnswer):
        await resolver_for(names.address, timeouts=HASTY).lookup("one", V4)


@pytest_twisted.ensureDeferred
async def test_a_broken_answer_over_tcp_is_none(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dnsquery, "_TCP_SECONDS", 0.02)
    names.records["many"] = [f"127.0.1.{i}" for i in range(200)]
    names.mangle = lambda data: data[:-2] if len(data) > 512 else data
    with pytest.raises(NoAnswer, match="over TCP"):
        await resolver_for(names.address, timeouts=(0.05,)).lookup("many", V4)
    assert names.asked == [("many", "A", "udp"), ("many", "A", "tcp")]
    await names.idle()


@pytest.mark.parametrize("name", ["", "a..b", ".a", "a" * 64, "a." * 130 + "a"])
@pytest_twisted.ensureDeferred
async def test_what_is_no_name_is_not_asked_for(names: NameServer, resolver: Resolver, name: str) -> None:
    with pytest.raises(ResolutionFailed, match="is not a domain name"):
        await resolver.lookup(name, AUTO)
    assert not names.asked


@pytest.mark.parametrize(("name", "asked"), [("my_service", "my_service"), ("bücher.test", "xn--bcher-kva.test")])
@pytest_twisted.ensureDeferred
async def test_unusual_names_are_asked_for(names: NameServer, resolver: Resolver, name: str, asked: str) -> None:
    names.records[asked] = ["127.0.0.41"]
    assert (await resolver.lookup(name, V4)).addresses == ("127.0.0.41",)


@pytest_twisted.ensureDeferred
async def test_a_server_on_ipv6() -> None:
    names = NameServer({"one": ["127.0.0.11"]})
    _, port = names.listen(reactor, "::1")
    assert (await resolver_for(("0:0::1", port)).lookup("one", V4)).addresses == ("127.0.0.11",)
    await names.stop()


@pytest_twisted.ensureDeferred
async def test_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(ResolutionFailed, match=r"name server 255\.255\.255\.255 cannot be asked: PermissionError"):
        await resolver_for(("255.255.255.255", 53)).lookup("one", V4)


def failure_of(lookup: Deferred[Answer]) -> list[type[BaseException]]:
    kinds: list[type[BaseException]] = []
    lookup.addErrback(lambda failure: kinds.append(failure.type))
    return kinds


@pytest_twisted.ensureDeferred
async def test_cancelling_leaves_nothing_behind(names: NameServer, resolver: Resolver) -> None:
    names.silent.add("one")
    before = {*reactor.getReaders()}, {*reactor.getDelayedCalls()}
    lookup = resolver.lookup("one", ALL)
    await names.wait_for(2)
    lookup.cancel()
    assert failure_of(lookup) == [CancelledError]
    assert before[0] == {*reactor.getReaders()}
    assert not [call for call in reactor.getDelayedCalls() if call not in before[1] and "dns" in repr(call)]


@pytest_twisted.ensureDeferred
async def test_close_ends_every_lookup(names: NameServer, resolver: Resolver) -> None:
    names.silent |= {"one", "two"}
    ends = [failure_of(resolver.lookup(name, V4)) for name in ("one", "two")]
    await names.wait_for(2)
    resolver.close()
    assert ends == [[CancelledError], [CancelledError]]


@pytest_twisted.ensureDeferred
async def test_cancelling_over_tcp_closes_the_connection(names: NameServer, resolver: Resolver) -> None:
    names.records["many"] = [f"127.0.1.{i}" for i in range(200)]
    lookup = resolver.lookup("many", V4)
    await names.wait_for(1)
    names.silent.add("many")  # over UDP it is already on its way
    await names.wait_for(2)
    lookup.cancel()
    assert failure_of(lookup) == [CancelledError]
    await names.idle()


@pytest_twisted.ensureDeferred
async def test_a_lookup_writes_nothing_to_the_log(names: NameServer, resolver: Resolver) -> None:
    events: list[Any] = []

    def observe(event: LogEvent) -> None:
        events.append(event)

    names.records["many"] = [f"127.0.1.{i}" for i in range(200)]
    globalLogPublisher.addObserver(observe)
    await resolver.lookup("one", AUTO)
    await resolver.lookup("many", AUTO)
    globalLogPublisher.removeObserver(observe)
    assert not events
