"""Which filter chain a new connection belongs to (``FilterChainMatch``), as Envoy's ``FilterChainManagerImpl`` finds it.

Rule 1. Criterion by criterion, in the order of `FilterChainMatch`, the most specific value that any chain names decides, and whoever does
        not name it is out of the question from then on: there is no way back to a less specific one.
Rule 2. All of it is laid out when a configuration is taken. A connection costs a few look-ups, and its address is taken apart only
        where some chain asks for ranges.
"""

from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Generic, NamedTuple, TypeVar

from shifter.model.address import SocketAddress
from shifter.model.listener import ConnectionSourceType, FilterChainMatch

TLS, RAW = "tls", "raw_buffer"
"""The transport protocols that a connection can turn out to speak."""

_Chain = TypeVar("_Chain")
_Place = TypeVar("_Place")


class Incoming(NamedTuple):
    """What is known of a connection before it has a filter chain. *source* and *destination* are as a PROXY header tells them, where
    one was read; ``direct_source`` is who is connected."""

    destination: SocketAddress
    source: SocketAddress
    direct_source: SocketAddress
    server_name: str = ""
    transport_protocol: str = RAW
    application_protocols: tuple[bytes, ...] = ()


class _Ranges(Generic[_Place]):
    """Values by range of addresses, of which the narrowest counts."""

    def __init__(self, values: Mapping[str, _Place]) -> None:
        self._everywhere = values.get("")
        named = {prefix: value for prefix, value in values.items() if prefix}
        self._narrow = bool(named)
        tables: dict[tuple[int, int], dict[int, _Place]] = {}
        for prefix, value in named.items():
            network = ip_network(prefix, strict=False)
            rest = network.max_prefixlen - network.prefixlen
            tables.setdefault((network.version, rest), {})[int(network.network_address) >> rest] = value
        self._tables = sorted(tables.items(), key=lambda item: item[0][1])  # the narrowest first

    def get(self, address: SocketAddress) -> _Place | None:
        if not self._narrow:
            return self._everywhere
        try:
            known = ip_address(address.host)
        except ValueError:  # a Unix domain socket is nowhere
            return self._everywhere
        number = int(known)
        for (version, rest), table in self._tables:
            if version == known.version:
                value = table.get(number >> rest)
                if value is not None:
                    return value
        return self._everywhere


class FilterChainIndex(Generic[_Chain]):
    """The filter chains of a listener. Of two with the same conditions the first counts; *default* is for whom no other is."""

    def __init__(self, chains: Iterable[tuple[FilterChainMatch, _Chain]], default: _Chain | None = None) -> None:
        self._default = default
        ports: dict[int, list[tuple[FilterChainMatch, _Chain]]] = {}
        for match, chain in chains:
            ports.setdefault(match.destination_port or 0, []).append((match, chain))
        self._ports = {port: _ByDestination(part) for port, part in ports.items()}

    def find(self, incoming: Incoming) -> _Chain | None:
        """Return the filter chain for *incoming*; ``None`` for none."""
        found = None
        branch = self._ports.get(incoming.destination.port) or self._ports.get(0)
        if branch is not None:
            found = branch.find(incoming)
        return found if found is not None else self._default


_Some = list[tuple[FilterChainMatch, _Chain]]


def _grouped(chains: "_Some[_Chain]", names: Iterable[Iterable[str]]) -> "dict[str, _Some[_Chain]]":
    """Sort *chains* by the *names* that each is known by; one that has none is known by the empty one."""
    groups: dict[str, _Some[_Chain]] = {}
    for chain, known in zip(chains, names, strict=True):
        for name in dict.fromkeys(known) or ("",):
            groups.setdefault(name, []).append(chain)
    return groups


class _ByDestination(Generic[_Chain]):
    """Destination address, then server name and transport protocol."""

    def __init__(self, chains: "_Some[_Chain]") -> None:
        groups = _grouped(chains, [match.prefix_ranges for match, _ in chains])
        self._ranges = _Ranges({prefix: self._names(part) for prefix, part in groups.items()})

    @staticmethod
    def _names(chains: "_Some[_Chain]") -> "dict[str, dict[str, _ByProtocol[_Chain]]]":
        # `*.example.com` is known as `.example.com`, the end that it has in common with whom it fits.
        groups = _grouped(chains, [[name.removeprefix("*") for name in match.server_names] for match, _ in chains])
        return {
            name: {
                protocol: _ByProtocol(same) for protocol, same in _grouped(part, [[match.transport_protocol] for match, _ in part]).items()
            }
            for name, part in groups.items()
        }

    def find(self, incoming: Incoming) -> _Chain | None:
        names = self._ranges.get(incoming.destination)
        if names is None:
            return None
        name = incoming.server_name
        protocols = names.get(name)
        at = name.find(".", 1)
        while protocols is None and 0 < at < len(name) - 1:
            protocols = names.get(name[at:])
            at = name.find(".", at + 1)
        if protocols is None:
            protocols = names.get("")
        if protocols is None:
            return None
        branch = protocols.get(incoming.transport_protocol) or protocols.get("")
        return branch.find(incoming) if branch is not None else None


class _ByProtocol(Generic[_Chain]):
    """Application protocol, then direct source address."""

    def __init__(self, chains: "_Some[_Chain]") -> None:
        self._protocols: dict[bytes, _Ranges[_BySource[_Chain]]] = {}
        groups = _grouped(chains, [[one.decode("latin-1") for one in match.application_protocols] for match, _ in chains])
        for protocol, part in groups.items():
            directs = _grouped(part, [match.direct_source_prefix_ranges for match, _ in part])
            self._protocols[protocol.encode("latin-1")] = _Ranges({prefix: _BySource(same) for prefix, same in directs.items()})

    def find(self, incoming: Incoming) -> _Chain | None:
        offered = (*incoming.application_protocols, b"")
        directs = next((self._protocols[protocol] for protocol in offered if protocol in self._protocols), None)
        branch = directs.get(incoming.direct_source) if directs is not None else None
        return branch.find(incoming) if branch is not None else None


class _BySource(Generic[_Chain]):
    """Source type, then source address and port."""

    def __init__(self, chains: "_Some[_Chain]") -> None:
        types = _grouped(chains, [[match.source_type.value] for match, _ in chains])
        self._types = {name: _Ranges(self._sources(part)) for name, part in types.items()}
        self._telling = bool(self._types.keys() - {ConnectionSourceType.ANY.value})

    @staticmethod
    def _sources(chains: "_Some[_Chain]") -> dict[str, dict[int, _Chain]]:
        sources: dict[str, dict[int, _Chain]] = {}
        for prefix, part in _grouped(chains, [match.source_prefix_ranges for match, _ in chains]).items():
            ports = sources.setdefault(prefix, {})
            for match, chain in part:
                for port in match.source_ports or (0,):
                    ports.setdefault(port, chain)
        return sources

    def find(self, incoming: Incoming) -> _Chain | None:
        ranges = None
        if self._telling:
            here = is_local(incoming.source, incoming.destination)
            ranges = self._types.get((ConnectionSourceType.SAME_IP_OR_LOOPBACK if here else ConnectionSourceType.EXTERNAL).value)
        if ranges is None:
            ranges = self._types.get(ConnectionSourceType.ANY.value)
        ports = ranges.get(incoming.source) if ranges is not None else None
        if ports is None:
            return None
        found = ports.get(incoming.source.port)
        return found if found is not None else ports.get(0)


def is_local(source: SocketAddress, destination: SocketAddress) -> bool:
    """Whether a connection comes from this machine: from a loopback address, or from the address that it goes to."""
    try:
        return ip_address(source.host).is_loopback or source.host == destination.host
    except ValueError:
        return True  # a Unix domain socket
