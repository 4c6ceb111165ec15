"""How many requests a verdict takes, before any of them was made.

Rule 1. The capital of the best guess (`eprocess`, `latency`) grows by the same factor on average with each of the canary's requests; the
        verdict is there when that has paid for the threshold, for the part of the stake that this guess was given, and for the halves
        that were bet on something else.
Rule 2. These are averages, as simulations have them within 30 %: a release in a hundred takes twice as many. A canary that gets dozens of
        requests a second has up to twice as many, too, because what a few seconds bring is bounded (`eprocess.BLIP`).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from math import ceil, inf, log
from operator import mul
from statistics import NormalDist

from shifter.model.release import VerdictSettings
from shifter.observe.comparison import BIN_WIDTH, BINS, FINEST_MS
from shifter.release.eprocess import BLIP, RATIO_STAKES, START, ratio_gains
from shifter.release.latency import LEAST, STAKES, guesses
from shifter.release.proven import SLACK, SLOW_MARGINS, USUAL_SLOW, proving_requests

SPREAD = 3.75
"""The p99 of a usual service, as a multiple of its p50."""
_P99 = NormalDist().inv_cdf(0.99)
_TYPICAL_MS = 80.0
_SAMPLE = 1_000_000
_BLURRED = 1.25
"""Bins and guesses are made of a few hundred latencies at first: by so much more it takes than with the true ones (simulated)."""


def requests_to_see_errors(settings: VerdictSettings, share: float, baseline: float, canary: float) -> float:
    """Return about how many canary requests it takes to condemn one that fails at the rate *canary* (0 to 1) beside a baseline that
    fails at *baseline*, while it gets *share* (0 to 1). ``inf``: it never is, the difference is tolerated or there is none."""
    if not 0.0 < share < 1.0 or canary <= baseline or canary - baseline < settings.max_error_increase:
        return inf
    by_baseline, by_canary = ratio_gains(share)
    per_request = (1.0 - share) / share
    growths = (canary * gain + baseline * per_request * loss for loss, gain in zip(by_baseline, by_canary, strict=True))
    return _requests(settings, RATIO_STAKES, growths)


def requests_to_see_latency(settings: VerdictSettings, share: float, factor: float, spread: float = SPREAD) -> float:
    """Return the same for a canary whose requests all take *factor* times as long, beside a baseline whose p99 is *spread* times its
    p50. ``inf``: it never is."""
    if not settings.latency or not 0.0 < share < 1.0:
        return inf
    bell = NormalDist(0.0, max(log(spread) / _P99, BIN_WIDTH))
    places, ratios = _guesses(bell.stdev)
    bounds = [log(FINEST_MS / _TYPICAL_MS) + place * BIN_WIDTH for place in places]
    by_baseline = _shares(bell.cdf, bounds)
    ahead = log(factor) - log(1.0 + settings.max_latency_increase)
    by_canary = _shares(bell.cdf, [bound - ahead for bound in bounds])
    growths = []
    for row in ratios:
        losses = [-log(share * ratio + 1.0 - share) for ratio in row]
        gains = [log(ratio) + loss for ratio, loss in zip(row, losses, strict=True)]
        growths.append(sum(map(mul, by_canary, gains)) + (1.0 - share) / share * sum(map(mul, by_baseline, losses)))
    return _BLURRED * _requests(settings, STAKES, growths) + LEAST * share / (1.0 - share)


def requests_to_prove(settings: VerdictSettings, share: float, baseline: float) -> float:
    """Return about how many canary requests it takes to prove that one that is no worse than a *baseline* that fails at that rate is not
    worse, from the beginning of the release."""
    if not 0.0 < share < 1.0:
        return inf
    least = proving_requests(share, baseline, SLACK * settings.max_error_increase)
    if settings.latency:
        least = max(least, *(proving_requests(share, rate, margin) for rate, margin in zip(USUAL_SLOW, SLOW_MARGINS, strict=True)))
    return least


def least_seconds(settings: VerdictSettings) -> float:
    """Return the fewest seconds after which a canary is condemned, however bad it is: what happens in ``tolerate_blips`` may be one
    event. (It is braked long before.)"""
    if settings.tolerate_blips <= 0.0:
        return 1.0
    blips = ceil(log(_target(settings) / START) / log(BLIP))
    return 1.0 + (blips - 1) * (ceil(settings.tolerate_blips) + 1)


def _target(settings: VerdictSettings) -> float:
    """Return what the bets on failures, or those on latencies, have to be worth."""
    return (2.0 if settings.latency else 1.0) / settings.false_roll_back - 1.0


def _requests(settings: VerdictSettings, stakes: Sequence[float], growths: Iterable[float]) -> float:
    target = _target(settings)
    needed = (log(target / (START * stake)) / growth for stake, growth in zip(stakes, growths, strict=True) if growth > 0.0)
    return min(needed, default=inf)


def _shares(below: Callable[[float], float], bounds: Sequence[float]) -> list[float]:
    ranks = [0.0, *map(below, bounds), 1.0]
    return [max(0.0, high - low) for low, high in pairwise(ranks)]


@lru_cache(maxsize=16)
def _guesses(deviation: float) -> tuple[list[int], list[list[float]]]:
    bell = NormalDist(log(_TYPICAL_MS / FINEST_MS) / BIN_WIDTH, deviation / BIN_WIDTH)
    below = [round(_SAMPLE * bell.cdf(number)) for number in range(BINS + 1)]
    return guesses([high - low for low, high in pairwise(below)])
