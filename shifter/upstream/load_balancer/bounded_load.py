"""``hash_balance_factor``: no host gets more than so many percent of the average load, though its keys would have it so.

Rule 1. A key whose host is full goes to others in an order of its own, always the same, so that what overflows is spread, and stays
        where it went as long as the load does (https://arxiv.org/abs/1908.08762). When all are full, the least full one is taken.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from random import Random
from typing import Generic

from shifter.upstream.load_balancer.hash_table import HashTable, Part
from shifter.upstream.load_balancer.interfaces import E

_WORD = 2**32
_STATE_WORDS = 624


class BoundedLoad(Generic[E]):
    """A *table* whose hosts are not filled beyond *factor* percent; *active* returns the requests under way in the whole cluster."""

    __slots__ = ("_active", "_factor", "_part_of", "_parts", "table")

    def __init__(self, table: HashTable[E], parts: Sequence[Part[E]], factor: int, active: Callable[[], int]) -> None:
        self.table = table
        self._parts = parts
        self._part_of = {id(endpoint): part for endpoint, part, _ in parts}
        self._factor = factor
        self._active = active

    @property
    def size(self) -> int:
        return self.table.size

    def choose(self, hash_: int, attempt: int) -> E | None:
        first = self.table.choose(hash_, attempt)
        if first is None:
            return None
        slots = ((self._active() + 1) * self._factor + 99) // 100
        fullness = _fullness(first, self._part_of[id(first)], slots)
        if fullness <= 1:
            return first
        best = first
        for place in _shuffled(len(self._parts), hash_):
            endpoint, part, _ = self._parts[place]
            if endpoint is first:
                continue
            its_fullness = _fullness(endpoint, part, slots)
            if its_fullness <= 1:
                return endpoint
            if its_fullness < fullness:
                best, fullness = endpoint, its_fullness
        return best

    def gauges(self) -> Mapping[str, int]:
        return self.table.gauges()


def _fullness(endpoint: E, part: float, slots: int) -> float:
    return endpoint.active / max(ceil(slots * part), 1)


def _shuffled(count: int, seed: int) -> Iterator[int]:
    """Yield the numbers below *count* in the order that Envoy shuffles them into with ``std::mt19937`` seeded with *seed*."""
    random = _mersenne_twister(seed)
    order = list(range(count))
    for i in range(count):
        bound = count - i
        step = _WORD // bound
        jump = bound
        while jump >= bound:
            jump = random.getrandbits(32) // step
        order[i], order[i + jump] = order[i + jump], order[i]
        yield order[i]


def _mersenne_twister(seed: int) -> Random:
    """Return the generator as ``std::mt19937`` is seeded, from one number; Python's own seeding differs, the generator does not."""
    word = seed % _WORD
    state = [word]
    for i in range(1, _STATE_WORDS):
        word = (1812433253 * (word ^ word >> 30) + i) % _WORD
        state.append(word)
    random = Random()
    random.setstate((3, (*state, _STATE_WORDS), None))
    return random
