"""``MAGLEV``: a table of fixed size that hosts fill in turn, each by its own permutation of the places (Eisenbud et al., 2016).

Rule 1. The table is Envoy's, place by place, so that a key meets the same host through either proxy.
Rule 2. The last places take most of the search (the last one alone half the table, on average), so for those it is reckoned,
        from the few that are free, when each would come up in the permutation of the host whose turn it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, cycle
from typing import Generic

from xxhash import xxh64_intdigest

from shifter.model.load_balancing import MaglevLbConfig
from shifter.upstream.load_balancer.hash_table import Part
from shifter.upstream.load_balancer.interfaces import E

_MASK = 2**64 - 1


class MaglevTable(Generic[E]):
    """See the module."""

    __slots__ = ("_counts", "_size", "_table")

    def __init__(self, parts: Sequence[Part[E]], config: MaglevLbConfig) -> None:
        self._size = config.table_size
        self._table: list[E] = []
        self._counts: list[int] = []
        if parts:
            self._build(sorted(parts, key=lambda part: part[2]))

    def _build(self, parts: Sequence[Part[E]]) -> None:
        size = self._size
        if size == 1:  # Envoy takes 1 for a prime number
            self._table, self._counts = [parts[0][0]], [1, *(0 for _ in parts[1:])]
            return
        table: list[E | None] = [None] * size
        starts = [xxh64_intdigest(key) % size for _, _, key in parts]
        skips = [xxh64_intdigest(key, 1) % (size - 1) + 1 for _, _, key in parts]
        at = list(starts)
        counts = [0] * len(parts)
        few = int(size**0.5)
        left = size - few
        turns = _turns([part for _, part, _ in parts])
        for i in turns:
            place, skip = at[i], skips[i]
            while table[place] is not None:
                place += skip
                if place >= size:
                    place -= size
            table[place] = parts[i][0]
            counts[i] += 1
            place += skip
            at[i] = place if place < size else place - size
            left -= 1
            if not left:
                break
        free = [place for place, endpoint in enumerate(table) if endpoint is None]
        inverses: dict[int, int] = {}
        for i in turns:
            inverse = inverses.get(i)
            if inverse is None:
                inverse = inverses[i] = pow(skips[i], -1, size)
            start = at[i]
            steps = [(place - start) * inverse % size for place in free]
            place = free.pop(steps.index(min(steps)))
            table[place] = parts[i][0]
            counts[i] += 1
            at[i] = (place + skips[i]) % size
            if not free:
                break
        self._table = table  # type: ignore[assignment]  # every place is taken now
        self._counts = counts

    def choose(self, hash_: int, attempt: int) -> E | None:
        if not self._table:
            return None
        if attempt:
            hash_ ^= _MASK - attempt + 1
        return self._table[hash_ % self._size]

    def gauges(self) -> Mapping[str, int]:
        return {
            "maglev_lb.max_entries_per_host": max(self._counts, default=0),
            "maglev_lb.min_entries_per_host": min(self._counts, default=0),
        }


def _turns(weights: Sequence[float]) -> Iterator[int]:
    """Yield whose turn it is, by index, without end: the heaviest in each round, a third as heavy every third round.

    Envoy adds floating point numbers up to know; so that the same rounding makes the same table, so does this.
    """
    heaviest = max(weights)
    if min(weights) == heaviest:
        return cycle(range(len(weights)))
    return _weighted_turns(weights, heaviest)


def _weighted_turns(weights: Sequence[float], heaviest: float) -> Iterator[int]:
    due: dict[int, list[int]] = {1: list(range(len(weights)))}
    targets = [0.0] * len(weights)
    for number in count(1):
        for i in sorted(due.pop(number, ())):
            target = targets[i] = targets[i] + heaviest
            weight = weights[i]
            following = int(target / weight)
            while following * weight < target or following <= number:
                following += 1
            if following in due:
                due[following].append(i)
            else:
                due[following] = [i]
            yield i
