"""``MAGLEV``: a table of fixed size that hosts fill in turn, each by its own permutation of the places (Eisenbud et al., 2016).

Rule 1. The table is Envoy's, place by place, so that a key meets the same host through either proxy.
Rule 2. The last places take most of the search (the last one alone half the table, on average), so for those it is reckoned,
        from the few that are free, when each would come up in the permutation of the host whose turn it is.
Rule 3. A table of the default size is made at once, in less than 50 ms. A larger one would hold everybody up, the largest for
        seconds: it is made piece by piece, with each request one, and meanwhile keys meet the hosts that they have met.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, cycle
from typing import Generic

from xxhash import xxh64_intdigest

from shifter.model.load_balancing import MaglevLbConfig
from shifter.upstream.load_balancer.hash_table import HashTable, Part
from shifter.upstream.load_balancer.interfaces import E

_MASK = 2**64 - 1
_AT_ONCE = 2 * MaglevLbConfig().table_size
_PIECE = 16384
"""Places that are looked at for one piece."""
_LAST_PIECE = 16
"""Places that are filled in one piece at the end, where all that are free are looked at for each."""


class MaglevTable(Generic[E]):
    """See the module."""

    __slots__ = ("_counts", "_pieces", "_table", "made", "size")

    def __init__(self, parts: Sequence[Part[E]], config: MaglevLbConfig, at_once: bool = True) -> None:
        self.size = config.table_size
        self._table: list[E] = []
        self._counts: list[int] = []
        self._pieces = self._build(sorted(parts, key=lambda part: part[2]))
        self.made = False
        """Whether it is complete; with *at_once* from the start, else after some `proceed`."""
        while at_once and not self.made:
            self.proceed()

    def proceed(self) -> None:
        """Make another piece, which takes about 2 ms."""
        if next(self._pieces, self) is self:
            self.made = True

    def _build(self, parts: Sequence[Part[E]]) -> Iterator[None]:
        size = self.size
        if not parts:
            return
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
        pause = _next_pause(left, few, size)
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
            if left == pause:
                if not left:
                    break
                yield
                pause = _next_pause(left, few, size)
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
            if not len(free) % _LAST_PIECE:
                yield
        self._table = table  # type: ignore[assignment]  # every place is taken now
        self._counts = counts

    def choose(self, hash_: int, attempt: int) -> E | None:
        if not self._table:
            return None
        if attempt:
            hash_ ^= _MASK - attempt + 1
        return self._table[hash_ % self.size]

    def gauges(self) -> Mapping[str, int]:
        return {
            "maglev_lb.max_entries_per_host": max(self._counts, default=0),
            "maglev_lb.min_entries_per_host": min(self._counts, default=0),
        }


class GrowingTable(Generic[E]):
    """A *table* that is still being made of *parts*. Until it is complete, a key meets the host that it met by the *former* table, if
    that host is still there; if not, by a small table."""

    __slots__ = ("_former", "_here", "_parts", "_small", "_table", "choose")

    def __init__(self, table: MaglevTable[E], parts: Sequence[Part[E]], former: HashTable[E] | None) -> None:
        self._table = table
        self._parts = parts
        self._here = {id(endpoint) for endpoint, _, _ in parts}
        self._former = former.settled if isinstance(former, GrowingTable) else former
        self._small: MaglevTable[E] | None = None
        self.choose: Callable[[int, int], E | None] = self._meanwhile

    @property
    def size(self) -> int:
        return self._table.size

    @property
    def settled(self) -> HashTable[E] | None:
        """The table if it is complete, else the one before."""
        return self._table if self._table.made else self._former

    def _meanwhile(self, hash_: int, attempt: int) -> E | None:
        self._table.proceed()
        if self._table.made:
            self._former = self._small = None
            self.choose = self._table.choose
            return self.choose(hash_, attempt)
        chosen = self._former.choose(hash_, attempt) if self._former is not None else None
        if id(chosen) in self._here:
            return chosen
        if self._small is None:
            self._small = MaglevTable(self._parts, MaglevLbConfig())
        return self._small.choose(hash_, attempt)

    def gauges(self) -> Mapping[str, int]:
        return self._table.gauges()


def maglev(parts: Sequence[Part[E]], config: MaglevLbConfig, former: HashTable[E] | None) -> HashTable[E]:
    """Return the table for *parts*, which takes the place of *former*."""
    if config.table_size <= _AT_ONCE:
        return MaglevTable(parts, config)
    return GrowingTable(MaglevTable(parts, config, at_once=False), parts, former)


def _next_pause(left: int, few: int, size: int) -> int:
    """Return how many places are left at the end of the next piece: the fuller the table, the longer the search for one."""
    return max(0, left - max(1, _PIECE * (left + few) // size))


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
