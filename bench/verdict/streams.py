"""Requests that are made up: when each arrives, what chance says of where it goes, and how either version would answer it."""

from dataclasses import dataclass
from math import log, pi
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bench.verdict.scenarios import Crowd, Pods, Scenario, Spell

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]

MEDIAN_MS = 80.0
P99_MS = 300.0
_SPREAD = log(P99_MS / MEDIAN_MS) / 2.3263479
_SLOWEST_2_PERCENT = 2.0537489  # of a normal distribution


@dataclass(frozen=True, slots=True)
class Stream:
    """One request in each place: when it arrives (``at``, seconds, ascending), what it draws (``draw``: it is the canary's where that is
    below the canary's weight), and for (baseline, canary) whether it would fail, and its latency in milliseconds. ``user`` is who it is
    from, where users stay with a version; ``draw`` is theirs, then."""

    seconds: int
    at: Floats
    draw: Floats
    fails: tuple[Flags, Flags]
    ms: tuple[Floats, Floats]
    user: Numbers | None

    def routed(self, weight: float) -> tuple[Flags, Flags, Floats]:
        """Return, for each request, whether it is the canary's, whether it fails, and its latency."""
        canary = self.draw < weight
        return canary, np.where(canary, self.fails[1], self.fails[0]), np.where(canary, self.ms[1], self.ms[0])


def stream(scenario: Scenario, rate: float, seconds: int, seed: int, weight: float) -> Stream:
    """Make up what happens in *seconds* at *rate*. Of the canary's *weight* only depends how many pods it has."""
    chance = np.random.default_rng((seed, crc32(scenario.name.encode()), int(rate), round(weight * 10_000)))
    count = int(chance.poisson(rate * seconds))
    at = np.sort(chance.random(count)) * seconds
    draw, luck, normal = chance.random(count), chance.random(count), chance.standard_normal(count)
    fails = [np.full(count, float(scenario.baseline)), np.full(count, float(scenario.canary))]
    slower = [np.ones(count), np.full(count, scenario.slower)]
    for spell in (scenario.late, scenario.cold):
        if spell is not None:
            during = _during(spell, at)
            fails[1][during] = spell.failing
            slower[1][during] = spell.slower
    if scenario.tide is not None:
        turn = np.sin(2 * pi * at / scenario.tide.period)
        for which in (0, 1):
            fails[which] *= 1 + scenario.tide.errors * turn
            slower[which] *= 1 + scenario.tide.latency * turn
    if scenario.outage is not None:
        during = _during(scenario.outage, at)
        for which in (0, 1):
            fails[which][during] += scenario.outage.failing
            slower[which][during] *= scenario.outage.slower
    if scenario.tail != 1.0:
        slower[1][normal > _SLOWEST_2_PERCENT] *= scenario.tail
    user = None
    if scenario.crowd is not None:
        user, draw, unlucky = _crowd(scenario.crowd, count, chance)
        for which in (0, 1):
            fails[which] += np.where(unlucky, scenario.crowd.failing, 0.0)
    failed = [luck < fails[0], luck < fails[1]]
    if scenario.pods is not None:
        for which, number in ((0, scenario.pods.count), (1, max(1, round(scenario.pods.count * weight)))):
            failed[which] |= _in_a_blip(scenario.pods, number, at, seconds, chance)
    ms = MEDIAN_MS * np.exp(_SPREAD * normal)
    return Stream(seconds, at, draw, (failed[0], failed[1]), (ms * slower[0], ms * slower[1]), user)


def _during(spell: Spell, at: Floats) -> Flags:
    return (at >= spell.begin) & (at < spell.end)


def _crowd(crowd: Crowd, count: int, chance: np.random.Generator) -> tuple[Numbers, Floats, Flags]:
    """Who each request is from, what that user draws, and whether it is one of the unlucky."""
    draws, unlucky = chance.random(crowd.users), chance.random(crowd.users) < crowd.unlucky
    upto = np.cumsum(1.0 / np.arange(1, crowd.users + 1) ** crowd.zipf)
    user = np.minimum(np.searchsorted(upto, chance.random(count) * upto[-1]), crowd.users - 1)
    return user, draws[user], unlucky[user]


def _in_a_blip(pods: Pods, number: int, at: Floats, seconds: int, chance: np.random.Generator) -> Flags:
    """Which requests reach one of *number* pods while it is dead."""
    pod = chance.integers(number, size=len(at))
    dead = np.zeros(len(at), dtype=bool)
    for which in range(number):
        for begin in chance.random(chance.poisson(seconds / pods.every)) * seconds:
            first, last = np.searchsorted(at, (begin, begin + pods.length))
            dead[first:last] |= pod[first:last] == which
    return dead
