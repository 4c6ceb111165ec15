"""Turns among unequal weights, dealt by earliest deadline (Envoy's ``EdfScheduler``).

Rule 1. Deadlines are whole numbers: an endpoint of weight *w* is due *w* times in each period, evenly spaced. Shares are exact,
        and a turn costs the logarithm of the number of endpoints.
Rule 2. How long somebody has still to wait is kept through an update, as a part of its own interval.
"""

import heapq
from collections.abc import Mapping, Sequence
from math import lcm
from random import Random
from typing import TypeAlias

from shifter.upstream.load_balancer.interfaces import W, Weighted

Turn: TypeAlias = tuple[int, int, int, W]
"""When it is due, its place among those due at once, how long to the next turn of the same endpoint, and the endpoint."""

FINE = 1 << 32
"""Steps in the shortest interval there can be: so fine that places kept through an update stay apart."""
_HEAVIEST = 1e12


def places(endpoints: Sequence[W], random: Random, kept: Mapping[int, int]) -> list[int]:
    """How much of its own interval, in parts of `FINE`, each endpoint has still to wait: what is *kept* (by ``id``), or an even
    spread.

    The spread begins at a random endpoint, so that many proxies started together do not all favour the first one.
    """
    count = len(endpoints)
    shift = random.randrange(count) if count else 0
    return [kept.get(id(endpoint), ((i + shift) % count + 1) * FINE // count) for i, endpoint in enumerate(endpoints)]


def schedule(endpoints: Sequence[W], waits_: Sequence[int]) -> list[Turn[W]]:
    """Return the heap of turns in which each endpoint is due *weight* times a period."""
    period = lcm(*(endpoint.weight for endpoint in endpoints)) * FINE
    turns = []
    for i, (endpoint, wait) in enumerate(zip(endpoints, waits_, strict=True)):
        interval = period // endpoint.weight
        turns.append((wait * interval // FINE, i, interval, endpoint))
    heapq.heapify(turns)
    return turns


def waits(turns: Sequence[Turn[W]]) -> dict[int, int]:
    """Return what `places` keeps: how far each endpoint is behind the one that is due next."""
    now = turns[0][0] if turns else 0
    return {id(endpoint): (due - now) * FINE // interval for due, _, interval, endpoint in turns}


def burden(active: int, bias: float) -> float:
    """Return by how much *active* requests in flight lessen a weight: ``(active + 1) ** bias``, within bounds that can be reckoned with."""
    try:
        heavy: float = float(active + 1) ** bias
        return min(heavy, _HEAVIEST)
    except OverflowError:
        return _HEAVIEST


def equal(endpoints: Sequence[Weighted]) -> bool:
    """Say whether all weigh the same, so that no deadlines are needed."""
    return len({endpoint.weight for endpoint in endpoints}) <= 1
