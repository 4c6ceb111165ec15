"""``RING_HASH``: each host has places on a ring, as many as its weight is worth; a hash belongs to the next place (ketama).

Rule 1. Places are Envoy's, so that a key meets the same host through either proxy.
Rule 2. The places of hosts that stay are not hashed again.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from math import ceil
from operator import itemgetter
from typing import Generic

from xxhash import xxh64_intdigest

from shifter.model.load_balancing import RingHashFunction, RingHashLbConfig
from shifter.upstream.load_balancer.hash_table import Part
from shifter.upstream.load_balancer.interfaces import E
from shifter.upstream.load_balancer.murmur import murmur_hash_2

Hashes = dict[bytes, list[int]]
"""The hashes of a host's places, from the first on."""


class Ring(Generic[E]):
    """See the module. *known* is what an earlier ring has hashed; it is left with what this one needs."""

    __slots__ = ("_endpoints", "_fewest", "_hashes", "_most", "_size")

    def __init__(self, parts: Sequence[Part[E]], config: RingHashLbConfig, known: Hashes) -> None:
        self._hashes: list[int] = []
        self._endpoints: list[E] = []
        self._size = self._fewest = self._most = 0
        if parts:
            self._build(parts, config, known)

    def _build(self, parts: Sequence[Part[E]], config: RingHashLbConfig, known: Hashes) -> None:
        least = min(part for _, part, _ in parts)
        scale = min(ceil(least * config.minimum_ring_size) / least, float(config.maximum_ring_size))
        self._size = self._fewest = ceil(scale)
        digest = xxh64_intdigest if config.hash_function is RingHashFunction.XX_HASH else murmur_hash_2
        needed: Hashes = {}
        places: list[tuple[int, E]] = []
        target = 0.0
        for endpoint, part, key in parts:
            target += scale * part
            count = max(0, ceil(target) - len(places))
            hashes = known.get(key, [])
            if len(hashes) < count:
                hashes = hashes + [digest(key + b"_%d" % i) for i in range(len(hashes), count)]
            needed[key] = hashes
            places += zip(hashes[:count], (endpoint,) * count, strict=True)
            self._fewest = min(self._fewest, count)
            self._most = max(self._most, count)
        known.clear()
        known.update(needed)
        places.sort(key=itemgetter(0))
        self._hashes = [place for place, _ in places]
        self._endpoints = [endpoint for _, endpoint in places]

    @property
    def size(self) -> int:
        return len(self._hashes)

    def choose(self, hash_: int, attempt: int) -> E | None:
        if not self._hashes:
            return None
        count = len(self._hashes)
        return self._endpoints[(bisect_left(self._hashes, hash_) % count + attempt) % count]

    def gauges(self) -> Mapping[str, int]:
        return {
            "ring_hash_lb.max_hashes_per_host": self._most,
            "ring_hash_lb.min_hashes_per_host": self._fewest,
            "ring_hash_lb.size": self._size,
        }
