"""Which virtual host an authority belongs to (``route.v3.VirtualHost.domains``).

Rule 1. Exact beats ``*.suffix`` beats ``prefix.*`` beats ``*``; among wildcards of one kind the longest wins.
Rule 2. A ``*`` stands for at least one character: ``*.example.com`` is not ``.example.com``.
Rule 3. Case does not matter. The port is part of the name, unless ``ignore_port_in_host_matching``.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from shifter.routing.errors import RoutingError

T = TypeVar("T")


def without_port(authority: bytes) -> bytes:
    """Return *authority* without ``:port``; an IPv6 literal keeps its brackets (RFC 3986 section 3.2.2)."""
    at = authority.rfind(b":")
    return authority if at < 0 or authority.endswith(b"]") else authority[:at]


def _longest_first(wildcards: dict[bytes, T]) -> list[tuple[int, dict[bytes, T]]]:
    by_length: dict[int, dict[bytes, T]] = {}
    for text, entry in wildcards.items():
        by_length.setdefault(len(text), {})[text] = entry
    return sorted(by_length.items(), key=lambda pair: pair[0], reverse=True)


class HostTable(Generic[T]):
    """Domains and what they lead to. Raises `RoutingError` when a domain is given twice.

    ``only`` is set when ``*`` is the only domain: whoever asks often may then leave `find` out.
    """

    __slots__ = ("_default", "_exact", "_ignore_port", "_prefixes", "_suffixes", "only")

    def __init__(self, entries: Iterable[tuple[bytes, T]], ignore_port: bool = False) -> None:
        self._exact: dict[bytes, T] = {}
        self._default: T | None = None
        self._ignore_port = ignore_port
        suffixes: dict[bytes, T] = {}
        prefixes: dict[bytes, T] = {}
        seen: set[bytes] = set()
        for name, entry in entries:
            domain = name.lower()
            if domain in seen:
                raise RoutingError(f"domain {domain.decode('utf-8', 'replace')!r} is given twice")
            seen.add(domain)
            if domain == b"*":
                self._default = entry
            elif domain.startswith(b"*"):
                suffixes[domain[1:]] = entry
            elif domain.endswith(b"*"):
                prefixes[domain[:-1]] = entry
            else:
                self._exact[domain] = entry
        self._suffixes = _longest_first(suffixes)
        self._prefixes = _longest_first(prefixes)
        self.only: T | None = self._default if seen == {b"*"} else None

    def find(self, authority: bytes) -> T | None:
        """Return the entry for *authority* (host, or host and port), or ``None``."""
        if self.only is not None:
            return self.only
        host = authority.lower()
        if self._ignore_port:
            host = without_port(host)
        entry = self._exact.get(host)
        if entry is not None:
            return entry
        size = len(host)
        for length, suffixes in self._suffixes:
            if length < size:
                entry = suffixes.get(host[size - length :])
                if entry is not None:
                    return entry
        for length, prefixes in self._prefixes:
            if length < size:
                entry = prefixes.get(host[:length])
                if entry is not None:
                    return entry
        return self._default
