"""What policies with consistent hashing have in common: hosts with their part of the whole, and a table that maps hashes to hosts."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

from shifter.upstream.load_balancer.interfaces import E, Endpoint

E_co = TypeVar("E_co", bound=Endpoint, covariant=True)

Part = tuple[E, float, bytes]
"""An endpoint, its part of the whole (all parts together are 1), and what it is placed in the table by."""


class HashTable(Protocol[E_co]):
    """Envoy's ``HashingLoadBalancer``."""

    @property
    def size(self) -> int:
        """How many places there are."""

    def choose(self, hash_: int, attempt: int) -> E_co | None:
        """Return the endpoint for requests with *hash_*; *attempt* above 0 is to find another one."""

    def gauges(self) -> Mapping[str, int]:
        """Return what is told of the table, by Envoy's names."""


def hash_key(endpoint: Endpoint, use_hostname: bool) -> bytes:
    """Return what *endpoint* is placed by: the ``hash_key`` of its ``envoy.lb`` metadata, its host name or its address."""
    host = endpoint.host
    key = host.endpoint.metadata.get("envoy.lb", {}).get("hash_key") if host.endpoint.metadata else None
    if isinstance(key, str) and key:
        return key.encode()
    return host.hostname.encode() if use_hostname else host.address_text
