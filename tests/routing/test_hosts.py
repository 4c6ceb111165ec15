"""Virtual hosts: as Envoy chooses them, and equal to trying every domain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.errors import RoutingError
from shifter.routing.hosts import HostTable, without_port
from tests.support.recorded import ENVOY

DOMAINS = [(domain.encode(), name) for name, domains in ENVOY["hosts"]["domains"].items() for domain in domains]


@pytest.mark.parametrize("table", ENVOY["hosts"]["answers"])
def test_virtual_hosts_are_chosen_as_envoy_does(table: str) -> None:
    answers = ENVOY["hosts"]["answers"][table]
    domains = [*DOMAINS, (b"*", "def")] if table != "nodefault" else DOMAINS
    hosts = HostTable(domains, ignore_port=table == "ignore")
    assert {authority: hosts.find(authority.encode()) or 404 for authority in answers} == answers


def plain(domains: list[bytes], authority: bytes) -> bytes | None:
    """The rule of ``VirtualHost.domains``, word by word."""
    host = authority.lower()

    def rank(domain: bytes) -> tuple[int, int]:
        if domain == b"*":
            return (1, 0)
        if domain.startswith(b"*"):
            return (3, len(domain)) if host.endswith(domain[1:]) and len(host) > len(domain) - 1 else (0, 0)
        if domain.endswith(b"*"):
            return (2, len(domain)) if host.startswith(domain[:-1]) and len(host) > len(domain) - 1 else (0, 0)
        return (4, 0) if domain == host else (0, 0)

    best = max(domains, key=rank, default=None)
    return best if best is not None and rank(best) > (0, 0) else None


LABELS = st.text("ab.", max_size=5)
NAMES = LABELS | LABELS.map("*{}".format) | LABELS.map("{}*".format)


@given(st.lists(NAMES.map(str.encode), unique=True, max_size=8), st.text("abAB.:", max_size=6).map(str.encode))
def test_the_table_equals_trying_every_domain(domains: list[bytes], authority: bytes) -> None:
    assert HostTable([(domain, domain) for domain in domains]).find(authority) == plain(domains, authority)


def test_a_table_of_one_star_needs_no_search() -> None:
    table = HostTable([(b"*", "all")])
    assert table.only == "all"
    assert table.find(b"") == "all"
    assert HostTable([(b"*", "all"), (b"a", "a")]).only is None
    assert HostTable[str]([]).find(b"a") is None


@pytest.mark.parametrize("domains", [[b"a.test", b"A.test"], [b"*", b"*"], [b"*.x", b"*.X"], [b"x.*", b"x.*"]])
def test_a_domain_that_is_given_twice_is_refused(domains: list[bytes]) -> None:
    with pytest.raises(RoutingError, match="given twice"):
        HostTable([(domain, 0) for domain in domains])


@pytest.mark.parametrize(
    ("authority", "host"),
    [(b"a", b"a"), (b"a:80", b"a"), (b"a:", b"a"), (b"[::1]", b"[::1]"), (b"[::1]:80", b"[::1]"), (b"", b"")],
)
def test_ports_are_left_out_but_colons_of_addresses_are_not(authority: bytes, host: bytes) -> None:
    assert without_port(authority) == host
