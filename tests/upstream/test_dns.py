"""What a lookup makes of files, search lists, families and several servers; the servers are doubles."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from shifter.model.cluster import DnsLookupFamily
from shifter.upstream.dns import Answer, NameNotFound, ResolutionFailed, Resolver
from shifter.upstream.dnsquery import AAAA, A, NoAnswer, Server

FIRST, SECOND = ("10.0.0.53", 53), ("10.0.1.53", 53)
Said = Answer | Exception


class Servers:
    """Answers as told, by (name, kind) or by (server, name, kind); NXDOMAIN else. ``asked`` has every question."""

    def __init__(self) -> None:
        self.said: dict[tuple[Any, ...], Said] = {}
        self.asked: list[tuple[str, str, str, float]] = []
        self.held: list[Deferred[None]] | None = None

    async def ask(self, reactor: object, server: Server, name: str, kind: int, timeout: float) -> Answer:
        self.asked.append((server[0], name, {A: "A", AAAA: "AAAA"}[kind], timeout))
        if self.held is not None:
            self.held.append(Deferred())
            await self.held[-1]
        said = self.said.get((server[0], name, kind)) or self.said.get((name, kind)) or Answer()
        if isinstance(said, Exception):
            raise said
        return said

    @property
    def questions(self) -> list[str]:
        return [f"{name} {kind}" for _, name, kind, _ in self.asked]


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def resolver(servers: Servers) -> Resolver:
    return Resolver(None, [FIRST], resolv_conf=None, hosts=None, ask=servers.ask)


@pytest.fixture
def with_files(servers: Servers, tmp_path: Path) -> Callable[[str, str], Resolver]:
    def make(resolv_conf: str, hosts: str = "") -> Resolver:
        for name, text in (("resolv.conf", resolv_conf), ("hosts", hosts)):
            (tmp_path / name).write_text(text)
        return Resolver(None, resolv_conf=str(tmp_path / "resolv.conf"), hosts=str(tmp_path / "hosts"), ask=servers.ask)

    return make


def result(lookup: Deferred[Answer]) -> Answer | type[BaseException]:
    """Return what *lookup* has ended with."""
    ends: list[Any] = []
    lookup.addCallbacks(ends.append, lambda failure: ends.append(failure.type))
    assert ends, "still waiting"
    end: Answer | type[BaseException] = ends[0]
    return end


V4, V6 = Answer(("10.1.0.1",), 30.0), Answer(("fd00::1",), 60.0)
EMPTY = Answer()
DOWN, SILENT = ResolutionFailed("SERVFAIL"), NoAnswer("silence")


@pytest.mark.parametrize(
    ("family", "v6", "v4", "expected", "asked"),
    [
        (DnsLookupFamily.AUTO, V6, V4, V6, ["AAAA"]),
        (DnsLookupFamily.AUTO, EMPTY, V4, V4, ["AAAA", "A"]),
        (DnsLookupFamily.AUTO, EMPTY, EMPTY, NameNotFound, ["AAAA", "A"]),
        (DnsLookupFamily.AUTO, DOWN, V4, V4, ["AAAA", "A"]),
        (DnsLookupFamily.AUTO, DOWN, EMPTY, ResolutionFailed, ["AAAA", "A"]),
        (DnsLookupFamily.AUTO, EMPTY, DOWN, ResolutionFailed, ["AAAA", "A"]),
        (DnsLookupFamily.AUTO, EMPTY, SILENT, NoAnswer, ["AAAA", "A"]),
        (DnsLookupFamily.V4_PREFERRED, V6, V4, V4, ["A"]),
        (DnsLookupFamily.V4_PREFERRED, V6, EMPTY, V6, ["A", "AAAA"]),
        (DnsLookupFamily.V4_ONLY, V6, V4, V4, ["A"]),
        (DnsLookupFamily.V4_ONLY, V6, EMPTY, NameNotFound, ["A"]),
        (DnsLookupFamily.V4_ONLY, V6, DOWN, ResolutionFailed, ["A"]),
        (DnsLookupFamily.V6_ONLY, V6, V4, V6, ["AAAA"]),
        (DnsLookupFamily.V6_ONLY, EMPTY, V4, NameNotFound, ["AAAA"]),
        (DnsLookupFamily.ALL, V6, V4, Answer(("fd00::1", "10.1.0.1"), 30.0), ["AAAA", "A"]),
        (DnsLookupFamily.ALL, EMPTY, V4, V4, ["AAAA", "A"]),
        (DnsLookupFamily.ALL, DOWN, V4, V4, ["AAAA", "A"]),
        (DnsLookupFamily.ALL, DOWN, EMPTY, ResolutionFailed, ["AAAA", "A"]),
        (DnsLookupFamily.ALL, EMPTY, EMPTY, NameNotFound, ["AAAA", "A"]),
    ],
)
def test_families(
    resolver: Resolver, servers: Servers, family: DnsLookupFamily, v6: Said, v4: Said, expected: object, asked: list[str]
) -> None:
    servers.said = {("web", AAAA): v6, ("web", A): v4}
    resolver = Resolver(None, [FIRST], resolv_conf=None, hosts=None, timeouts=[1.0], ask=servers.ask)
    assert result(resolver.lookup("web", family)) == expected
    assert servers.questions == [f"web {kind}" for kind in asked]


def test_all_asks_for_both_at_once(resolver: Resolver, servers: Servers) -> None:
    servers.held = []
    servers.said = {("web", AAAA): V6, ("web", A): V4}
    lookup = resolver.lookup("web", DnsLookupFamily.ALL)
    assert servers.questions == ["web AAAA", "web A"]
    for held in servers.held:
        held.callback(None)
    assert result(lookup) == Answer(("fd00::1", "10.1.0.1"), 30.0)


@pytest.mark.parametrize("address", ["10.0.0.1", "::1", "2001:db8::7", "fe80::1%eth0"])
@pytest.mark.parametrize("family", DnsLookupFamily)
def test_an_address_is_its_own_answer(resolver: Resolver, servers: Servers, address: str, family: DnsLookupFamily) -> None:
    assert result(resolver.lookup(address, family)) == Answer((address,))
    assert not servers.asked


HOSTS = "10.9.0.1 db Primary.example.org\nfd00::9 db\n10.9.0.2 db"


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (DnsLookupFamily.AUTO, ("fd00::9",)),
        (DnsLookupFamily.V4_PREFERRED, ("10.9.0.1", "10.9.0.2")),
        (DnsLookupFamily.V4_ONLY, ("10.9.0.1", "10.9.0.2")),
        (DnsLookupFamily.V6_ONLY, ("fd00::9",)),
        (DnsLookupFamily.ALL, ("fd00::9", "10.9.0.1", "10.9.0.2")),
    ],
)
def test_the_hosts_file_comes_first(
    with_files: Callable[[str, str], Resolver], servers: Servers, family: DnsLookupFamily, expected: tuple[str, ...]
) -> None:
    assert result(with_files("", HOSTS).lookup("DB.", family)) == Answer(expected)
    assert not servers.asked


def test_a_family_that_the_hosts_file_lacks_is_asked_for(with_files: Callable[[str, str], Resolver], servers: Servers) -> None:
    servers.said = {("primary.example.org", AAAA): V6}
    resolver = with_files("", HOSTS)
    assert result(resolver.lookup("primary.example.org", DnsLookupFamily.V6_ONLY)) == V6
    assert result(resolver.lookup("primary.example.org", DnsLookupFamily.AUTO)) == Answer(("10.9.0.1",))


def test_a_changed_hosts_file_counts(with_files: Callable[[str, str], Resolver], tmp_path: Path) -> None:
    resolver = with_files("", "10.9.0.1 db")
    assert result(resolver.lookup("db", DnsLookupFamily.AUTO)) == Answer(("10.9.0.1",))
    (tmp_path / "hosts").write_text("10.9.0.200 db")
    assert result(resolver.lookup("db", DnsLookupFamily.AUTO)) == Answer(("10.9.0.200",))


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "a.b.localhost"])
def test_localhost_is_here_whatever_the_files_say(resolver: Resolver, servers: Servers, name: str) -> None:
    assert result(resolver.lookup(name, DnsLookupFamily.ALL)) == Answer(("::1", "127.0.0.1"))
    assert not servers.asked


def test_localhost_is_what_the_hosts_file_says(with_files: Callable[[str, str], Resolver]) -> None:
    assert result(with_files("", "127.0.0.1 localhost").lookup("localhost", DnsLookupFamily.AUTO)) == Answer(("127.0.0.1",))


SEARCH = "search a.test b.test\nnameserver 10.0.0.53\noptions ndots:2 attempts:1"


def test_the_search_list_is_ours(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    servers.said = {("web.b.test", A): V4}
    assert result(with_files(SEARCH).lookup("web", DnsLookupFamily.V4_ONLY)) == V4
    assert servers.questions == ["web.a.test A", "web.b.test A"]


@pytest.mark.parametrize(("name", "asked"), [("web", "web"), ("web.c", "web.c"), ("web.", "web")])
def test_every_name_is_complete_where_that_is_wanted(servers: Servers, tmp_path: Path, name: str, asked: str) -> None:
    (tmp_path / "resolv.conf").write_text(SEARCH)
    resolver = Resolver(None, search=False, resolv_conf=str(tmp_path / "resolv.conf"), hosts=None, ask=servers.ask)
    assert result(resolver.lookup(name, DnsLookupFamily.V4_ONLY)) is NameNotFound
    assert servers.questions == [f"{asked} A"]


def test_a_complete_name_is_not_searched_for(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    assert result(with_files(SEARCH).lookup("web.", DnsLookupFamily.V4_ONLY)) is NameNotFound
    assert servers.questions == ["web A"]


def test_each_candidate_is_asked_for_both_families_before_the_next(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    servers.said = {("web.a.test", A): V4, ("web.b.test", AAAA): V6}
    assert result(with_files(SEARCH).lookup("web", DnsLookupFamily.AUTO)) == V4


def test_a_failing_domain_does_not_hide_the_others(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    servers.said = {("web.a.test", A): DOWN, ("web.b.test", A): V4}
    assert result(with_files(SEARCH).lookup("web", DnsLookupFamily.V4_ONLY)) == V4


def test_a_failing_domain_makes_not_found_unbelievable(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    servers.said = {("web.a.test", A): DOWN}
    assert result(with_files(SEARCH).lookup("web", DnsLookupFamily.V4_ONLY)) is ResolutionFailed
    assert servers.questions == ["web.a.test A", "web.b.test A", "web A"]


def test_silence_ends_the_search(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    servers.said = {("web.a.test", A): SILENT}
    assert result(with_files(SEARCH).lookup("web", DnsLookupFamily.V4_ONLY)) is NoAnswer
    assert servers.questions == ["web.a.test A"]


def asked_servers(servers: Servers) -> list[tuple[str, float]]:
    return [(host, timeout) for host, _, _, timeout in servers.asked]


def two(servers: Servers, timeouts: Sequence[float] | None = None) -> Resolver:
    return Resolver(None, [FIRST, SECOND], resolv_conf=None, hosts=None, timeouts=timeouts, ask=servers.ask)


def test_the_first_server_that_answers_is_enough(servers: Servers) -> None:
    servers.said = {("web", A): V4}
    assert result(two(servers).lookup("web", DnsLookupFamily.V4_ONLY)) == V4
    assert asked_servers(servers) == [("10.0.0.53", 0.5)]


def test_not_found_is_an_answer(servers: Servers) -> None:
    assert result(two(servers).lookup("web", DnsLookupFamily.V4_ONLY)) is NameNotFound
    assert asked_servers(servers) == [("10.0.0.53", 0.5)]


def test_after_a_server_that_fails_the_next_is_asked(servers: Servers) -> None:
    servers.said = {("10.0.0.53", "web", A): DOWN, ("10.0.1.53", "web", A): V4}
    assert result(two(servers).lookup("web", DnsLookupFamily.V4_ONLY)) == V4
    assert asked_servers(servers) == [("10.0.0.53", 0.5), ("10.0.1.53", 0.5)]


def test_silent_servers_get_more_time_and_failing_ones_no_second_chance(servers: Servers) -> None:
    servers.said = {("10.0.0.53", "web", A): DOWN, ("10.0.1.53", "web", A): SILENT}
    assert result(two(servers).lookup("web", DnsLookupFamily.V4_ONLY)) is NoAnswer
    assert asked_servers(servers) == [("10.0.0.53", 0.5), ("10.0.1.53", 0.5), ("10.0.1.53", 1.0), ("10.0.1.53", 2.0)]


def test_all_servers_silent(servers: Servers) -> None:
    servers.said = {("web", A): SILENT}
    assert result(two(servers, [0.1, 0.2]).lookup("web", DnsLookupFamily.V4_ONLY)) is NoAnswer
    assert asked_servers(servers) == [("10.0.0.53", 0.1), ("10.0.1.53", 0.1), ("10.0.0.53", 0.2), ("10.0.1.53", 0.2)]


def test_the_systems_servers_are_asked_when_none_are_given(with_files: Callable[[str], Resolver], servers: Servers) -> None:
    servers.said = {("web", A): V4}
    resolver = with_files("nameserver 10.7.0.1\noptions timeout:4")
    assert result(resolver.lookup("web", DnsLookupFamily.V4_ONLY)) == V4
    assert asked_servers(servers) == [("10.7.0.1", 4.0)]


def test_given_servers_keep_the_systems_search_list(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text(SEARCH)
    resolver = Resolver(None, [SECOND], resolv_conf=str(tmp_path / "resolv.conf"), hosts=None, ask=servers.ask)
    assert result(resolver.lookup("web", DnsLookupFamily.V4_ONLY)) is NameNotFound
    assert [(host, name) for host, name, _, _ in servers.asked] == [
        ("10.0.1.53", "web.a.test"),
        ("10.0.1.53", "web.b.test"),
        ("10.0.1.53", "web"),
    ]


def test_a_server_is_an_address() -> None:
    with pytest.raises(ValueError, match=r"dns\.example\.org"):
        Resolver(None, [("dns.example.org", 53)])


@pytest.mark.parametrize("family", [DnsLookupFamily.AUTO, DnsLookupFamily.ALL])
def test_cancelling_a_lookup_cancels_its_questions(resolver: Resolver, servers: Servers, family: DnsLookupFamily) -> None:
    servers.held = []
    lookup = resolver.lookup("web", family)
    lookup.cancel()
    assert result(lookup) is CancelledError
    assert all(held.called for held in servers.held)
    assert len(servers.asked) == len(servers.held)


def test_close_cancels_what_is_under_way(resolver: Resolver, servers: Servers) -> None:
    servers.held = []
    lookups = [resolver.lookup(name, DnsLookupFamily.AUTO) for name in ("one", "two")]
    resolver.close()
    assert [result(lookup) for lookup in lookups] == [CancelledError, CancelledError]


def test_a_finished_lookup_is_forgotten(resolver: Resolver, servers: Servers) -> None:
    servers.held = []
    lookup = resolver.lookup("web", DnsLookupFamily.V4_ONLY)
    servers.held[0].callback(None)
    assert result(lookup) is NameNotFound
    resolver.close()  # has nothing left to cancel
