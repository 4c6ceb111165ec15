"""Which filter chain a connection belongs to: the most specific, criterion by criterion."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.model.listener import ConnectionSourceType, FilterChainMatch
from shifter.routing.filter_chain_match import FilterChainIndex, Incoming, is_local

HERE = SocketAddress("192.0.2.1", 443)
CLIENT = SocketAddress("198.51.100.7", 5000)
PLAIN = Incoming(HERE, CLIENT, CLIENT)


def tls(name: str, *protocols: bytes) -> Incoming:
    return PLAIN._replace(server_name=name, transport_protocol="tls", application_protocols=protocols)


def chosen(incoming: Incoming, *matches: FilterChainMatch, default: str | None = None) -> str | None:
    """The number of the one that is found, as text."""
    return FilterChainIndex(((match, str(number)) for number, match in enumerate(matches)), default).find(incoming)


ANY = FilterChainMatch()
EXACT = FilterChainMatch(server_names=("www.example.com",))
SUFFIX = FilterChainMatch(server_names=("*.example.com",))
WIDE = FilterChainMatch(server_names=("*.com",))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("www.example.com", "2"), ("a.example.com", "1"), ("b.a.example.com", "1"), ("example.com", "0"), ("example.org", "3"), ("", "3")],
)
def test_server_names(name: str, expected: str) -> None:
    assert chosen(tls(name), WIDE, SUFFIX, EXACT, ANY) == expected


def test_there_is_no_way_back() -> None:
    picky = FilterChainMatch(server_names=("www.example.com",), source_ports=(1,))
    assert chosen(tls("www.example.com"), picky, SUFFIX, ANY) is None
    assert chosen(tls("www.example.com"), picky, SUFFIX, ANY, default="default") == "default"
    ported = FilterChainMatch(destination_port=443, server_names=("other",))
    assert chosen(PLAIN, ported, ANY) is None


def test_transport_and_application_protocols() -> None:
    raw, secured = FilterChainMatch(transport_protocol="raw_buffer"), FilterChainMatch(transport_protocol="tls")
    assert (chosen(PLAIN, raw, secured), chosen(tls("x"), raw, secured)) == ("0", "1")
    h2, h1 = FilterChainMatch(application_protocols=(b"h2",)), FilterChainMatch(application_protocols=(b"http/1.1", b"http/1.0"))
    assert chosen(tls("", b"http/1.1", b"h2"), h2, h1) == "1"
    assert chosen(tls("", b"spdy", b"h2"), h2, h1, ANY) == "0"
    assert chosen(tls("", b"spdy"), h2, h1, ANY) == "2"


def test_addresses() -> None:
    wide, narrow = FilterChainMatch(source_prefix_ranges=("198.51.0.0/16",)), FilterChainMatch(source_prefix_ranges=("198.51.100.0/24",))
    assert chosen(PLAIN, ANY, wide, narrow) == "2"
    assert chosen(PLAIN._replace(source=SocketAddress("198.51.1.1", 1)), ANY, wide, narrow) == "1"
    assert chosen(PLAIN._replace(source=SocketAddress("2001:db8::1", 1)), ANY, wide, narrow) == "0"
    told = PLAIN._replace(source=SocketAddress("203.0.113.9", 1))  # by a PROXY header
    assert chosen(told, ANY, replace(ANY, direct_source_prefix_ranges=("198.51.100.7/32",))) == "1"


def test_where_a_connection_comes_from() -> None:
    local = FilterChainMatch(source_type=ConnectionSourceType.SAME_IP_OR_LOOPBACK)
    external = FilterChainMatch(source_type=ConnectionSourceType.EXTERNAL)
    assert chosen(PLAIN, local, external) == "1"
    assert chosen(PLAIN._replace(source=SocketAddress("192.0.2.1", 9)), local, external) == "0"
    assert chosen(PLAIN._replace(source=SocketAddress("::1", 9)), local, external) == "0"
    assert chosen(PLAIN, local, ANY) == "1"
    assert is_local(SocketAddress("/run/socket", 0), HERE)


# what follows compares the index with the rules, read one after the other

HOSTS = ("192.0.2.1", "192.0.2.77", "198.51.100.7", "127.0.0.1", "2001:db8::1", "2001:db8:ffff::2")
PREFIXES = ("0.0.0.0/0", "192.0.0.0/8", "192.0.2.0/24", "192.0.2.1/32", "198.51.100.0/30", "2001:db8::/32", "2001:db8::/48", "::/0")
NAMES = ("example.com", "www.example.com", "a.www.example.com", "example.org", "")
PATTERNS = ("example.com", "www.example.com", "*.example.com", "*.www.example.com", "*.com", "*.org")
PROTOCOLS = (b"h2", b"http/1.1", b"spdy")


def some(values: Iterable[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(list(values)), max_size=2, unique=True).map(tuple)


matches = st.builds(
    FilterChainMatch,
    destination_port=st.sampled_from((None, None, 443, 80)),
    prefix_ranges=some(PREFIXES),
    server_names=some(PATTERNS),
    transport_protocol=st.sampled_from(("", "", "tls", "raw_buffer")),
    application_protocols=some(PROTOCOLS),
    direct_source_prefix_ranges=some(PREFIXES),
    source_type=st.sampled_from(ConnectionSourceType),
    source_prefix_ranges=some(PREFIXES),
    source_ports=some((1, 2)),
)
addresses = st.builds(SocketAddress, st.sampled_from(HOSTS), st.sampled_from((1, 2, 80, 443)))
incomings = st.builds(
    Incoming, addresses, addresses, addresses, st.sampled_from(NAMES), st.sampled_from(("tls", "raw_buffer")), some(PROTOCOLS)
)

Fit = Callable[[FilterChainMatch, Incoming], float | None]
"""How specifically a chain fits; ``None``: not at all."""


def by_prefix(prefixes: tuple[str, ...], address: SocketAddress) -> float | None:
    host = ip_address(address.host)
    fits = [ip_network(one).prefixlen + 1 for one in prefixes if host in ip_network(one)]
    return max(fits, default=None if prefixes else 0)


def by_name(match: FilterChainMatch, incoming: Incoming) -> float | None:
    fits = [1000 if not one.startswith("*") else len(one) for one in match.server_names if fits_name(one, incoming.server_name)]
    return max(fits, default=None if match.server_names else 0)


def fits_name(pattern: str, name: str) -> bool:
    return name.endswith(pattern[1:]) and len(name) >= len(pattern) if pattern.startswith("*") else name == pattern


def by_alpn(match: FilterChainMatch, incoming: Incoming) -> float | None:
    offered = incoming.application_protocols
    fits = [len(offered) - offered.index(one) for one in match.application_protocols if one in offered]
    return max(fits, default=None if match.application_protocols else 0)


def by_type(match: FilterChainMatch, incoming: Incoming) -> float | None:
    if match.source_type is ConnectionSourceType.ANY:
        return 0
    local = match.source_type is ConnectionSourceType.SAME_IP_OR_LOOPBACK
    return 1 if local is is_local(incoming.source, incoming.destination) else None


def either(wanted: object, known: object) -> float | None:
    return 0 if not wanted else 1 if wanted == known else None


RULES: tuple[Fit, ...] = (
    lambda match, incoming: either(match.destination_port, incoming.destination.port),
    lambda match, incoming: by_prefix(match.prefix_ranges, incoming.destination),
    by_name,
    lambda match, incoming: either(match.transport_protocol, incoming.transport_protocol),
    by_alpn,
    lambda match, incoming: by_prefix(match.direct_source_prefix_ranges, incoming.direct_source),
    by_type,
    lambda match, incoming: by_prefix(match.source_prefix_ranges, incoming.source),
    lambda match, incoming: 0 if not match.source_ports else 1 if incoming.source.port in match.source_ports else None,
)


def scanned(incoming: Incoming, chains: list[FilterChainMatch]) -> FilterChainMatch | None:
    for rule in RULES:
        fits = [(rule(chain, incoming), chain) for chain in chains]
        best = max((fit for fit, _ in fits if fit is not None), default=None)
        chains = [chain for fit, chain in fits if fit is not None and fit == best]
    return chains[0] if chains else None


@given(st.lists(matches, max_size=8), incomings)
def test_the_index_finds_what_the_rules_say(chains: list[FilterChainMatch], incoming: Incoming) -> None:
    assert FilterChainIndex((chain, chain) for chain in chains).find(incoming) == scanned(incoming, chains)
