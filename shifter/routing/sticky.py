"""Who stays when weights move: rendezvous hashing with weights.

Rule 1. Every entry draws a number for a key, from the key and its own name alone; the one with the largest weight in relation to
        what it drew has the key. So each has the share that its weight is of the sum, over many keys.
Rule 2. A key moves from one entry to another only if the weight of that other has grown in relation to that of the first. When
        one weight grows in relation to all others, keys move to its entry only; when it shrinks, away from it only. What the
        weights add up to, and in which order they stand, does not matter.
Rule 3. An entry without a weight has no key.
"""

from collections.abc import Callable, Sequence
from math import gcd, log1p
from typing import Generic, TypeVar

from xxhash import xxh64_intdigest

from shifter.routing.errors import RoutingError

T = TypeVar("T")

_KEY_BYTES = 8
_DRAWS = 2.0**-53


class Rendezvous(Generic[T]):
    """*entries* are what can be chosen, each with its name and weight. Raises `RoutingError` when none has a weight."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Sequence[tuple[T, bytes, int]]) -> None:
        seen: dict[bytes, int] = {}
        self._entries: list[tuple[int, int, T]] = []
        divisor = gcd(*(weight for _, _, weight in entries))
        for entry, name, weight in entries:
            twins = seen[name] = seen.get(name, 0) + 1  # the same cluster again, with other header edits, draws its own numbers
            if weight:
                seed = xxh64_intdigest(name if twins == 1 else b"%b#%d" % (name, twins))
                self._entries.append((seed, weight // divisor, entry))
        if not self._entries:
            raise RoutingError("the sum of the weights must be greater than 0")

    def of(self, key: int, alive: Callable[[T], bool] | None = None) -> T:
        """Return the entry that has *key*, 64 bits; the one that has it among those that are *alive*, if any is.

        Whoever is sent elsewhere while an entry is not alive is so for as long as that lasts, and nobody else moves.
        """
        text = key.to_bytes(_KEY_BYTES, "little")
        best = -1.0
        winner = self._entries[0][2]
        if alive is not None and not any(alive(entry) for _, _, entry in self._entries):
            alive = None
        for seed, weight, entry in self._entries:
            if alive is not None and not alive(entry):
                continue
            drawn = ((xxh64_intdigest(text, seed) >> 11) + 0.5) * _DRAWS  # in (0, 1)
            score = weight / -log1p(-drawn)
            if score > best:
                best, winner = score, entry
        return winner
