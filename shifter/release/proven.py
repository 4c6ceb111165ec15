"""Whether the canary is proven not worse, and between which bounds a figure lies: for as long and as often as one looks.

Rule 1. "Not worse" is proven by bets (`eprocess`) against its opposite, "the canary fails more often by at least a margin". Of each request
        that was shared out under a share s the bet takes the canary's failure for 1/s, the baseline's for -1/(1-s), everything else for
        0: on average that is the difference of the two rates, whatever they are at that moment and however many requests there are.
Rule 2. The margin of the proof is `SLACK` times what the canary may be worse by: nobody can prove that something is not above a bound
        that it may well be near to. Shares of slow requests may differ by `SLOW_MARGINS`.
Rule 3. Intervals of a single rate are those rates that a bet on all rates alike (Beta mixture) does not exclude.
"""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import exp, inf, lgamma, log, log1p, sqrt
from operator import mul
from typing import Any

from shifter.observe.comparison import BIN_WIDTH, FINEST_MS
from shifter.release.eprocess import Bets

SLACK = 2.0
SLOW_MARGINS = (0.03, 0.01)
"""By how much more requests than the baseline's 10 % and 1 % may be slower than its p90 and p99. (Where a p99 is four times a p50, those
are what 20 and 30 per cent more latency than is tolerated make of them.)"""
USUAL_SLOW = (0.08, 0.008)
"""How many requests of both versions are slower than that and the canary's tolerance, while they are alike."""
CERTAINTY = 0.05
"""What is proven is wrong with this probability; so are intervals."""
EFFORTS = (0.95, 0.8, 0.55, 0.3, 0.1)
"""How much of the capital each guess risks on one canary failure: much where failures are rare."""
EFFORT_STAKES = (0.12, 0.3, 0.28, 0.18, 0.12)
_PROVEN = 1.0 / CERTAINTY
_MOST = 200.0 * _PROVEN
"""What is proven is doubted again after a few failures in a row, and not after one or two that happen."""
_START, _LATER = 0.8, 0.02
_LOG_HALF = 2.0 * lgamma(0.5) - lgamma(1.0)
_STEPS = 5
_SHARPER = 3
_RANK_STEPS = 3
_REACH = 6.0
"""How unlikely (logarithm) what lies outside of an interval is, roughly: it is where the search begins."""
_FAR = 30.0
_FLAT = 1e-9


class NotWorse:
    """The proof that the canary's rate is not above the baseline's by *margin* (0 to 1)."""

    __slots__ = ("_seen", "bets", "margin", "proven")

    def __init__(self, margin: float) -> None:
        self.margin = min(max(margin, 1e-9), 1.0)
        self.bets = Bets(EFFORT_STAKES, start=_START, later=_LATER, most=_MOST)
        self.proven = False
        self._seen: dict[float, list[int]] = {}  # requests that did not fail, and those of both versions that did

    def see(self, share: float, requests: int, failed: Sequence[int]) -> None:
        """Of *requests* of both versions that were shared out under *share* so many *failed* (of the baseline's, of the canary's)."""
        seen = self._seen.get(share)
        if seen is None:
            seen = self._seen[share] = [0, 0, 0]
        baseline, canary = failed
        seen[0] += requests - baseline - canary
        seen[1] += baseline
        seen[2] += canary

    def settle(self) -> None:
        """Reckon with what was seen since the last time."""
        if not self._seen:
            return
        logs = [0.0] * len(EFFORTS)
        for share, counts in self._seen.items():
            logs = [have + sum(map(mul, counts, row)) for have, row in zip(logs, _gains(share, self.margin), strict=True)]
        self.bets.tick(logs)
        self.proven = self.bets.value >= _PROVEN
        self._seen = {}

    def to_state(self) -> list[object]:
        """Return everything that changes."""
        return [self.bets.to_state(), [[share, *counts] for share, counts in self._seen.items()]]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from what `to_state` returned."""
        bets, seen = state
        self.bets.restore(bets)
        self.proven = self.bets.value >= _PROVEN
        self._seen = {share: counts for share, *counts in seen}

    def needed(self, share: float, rate: float) -> float:
        """Return about how many more canary requests the proof takes while both fail at *rate* under *share*; ``inf``: nobody knows."""
        if self.proven:
            return 0.0
        target = log(_PROVEN - self.bets.kept)
        gaining = [
            (log(capital) - target, growth)
            for capital, growth in zip(self.bets.capitals, growths(share, rate, self.margin), strict=True)
            if capital > 0.0 and growth > 0.0
        ]
        if not gaining:
            return inf
        least = min(-short / growth for short, growth in gaining)
        for _ in range(_SHARPER):  # by Newton's method: they are faster together than the best of them
            parts = [exp(short + growth * least) for short, growth in gaining]
            together = sum(parts)
            least -= log(together) * together / sum(part * growth for part, (_, growth) in zip(parts, gaining, strict=True))
        return max(least, 1.0)


@lru_cache(maxsize=512)
def _gains(share: float, margin: float) -> tuple[tuple[float, float, float], ...]:
    """Return for each of `EFFORTS` what a request earns that does not fail, one of the baseline's that does, one of the canary's."""
    rows = []
    for effort in EFFORTS:
        stake = effort * min(share, 1.0 - share)
        quiet = 1.0 + stake * margin
        rows.append((log(quiet), log(quiet + stake / (1.0 - share)), log(quiet - stake / share)))
    return tuple(rows)


def growths(share: float, rate: float, margin: float) -> tuple[float, ...]:
    """Return how much each of `EFFORTS` earns by one canary request, on average, while both versions fail at *rate*."""
    return tuple(
        ((1.0 - rate) * quiet + rate * ((1.0 - share) * gain + share * loss)) / share for quiet, gain, loss in _gains(share, margin)
    )


def proving_requests(share: float, rate: float, margin: float) -> float:
    """Return about how many canary requests a proof takes from the beginning; ``inf`` when there is none. See `NotWorse.needed`."""
    return NotWorse(margin).needed(share, rate)


# intervals


def interval(count: float, of: float, risk: float) -> tuple[float, float]:
    """Return between which bounds a rate lies of which *count* in *of* were seen, with the probability 1 - *risk* at all times."""
    if of <= 0.0:
        return 0.0, 1.0
    count = min(max(count, 0.0), of)
    least = _mixture(count, of) + log(risk)
    rate = (count + 0.5) / (of + 1.0)
    middle = log(rate / (1.0 - rate))
    reach = sqrt(2.0 * _REACH / (of * rate * (1.0 - rate)))
    low = _logistic(_possible_until(count, of, least, middle - reach)) if count > 0.0 else 0.0
    high = _logistic(_possible_until(count, of, least, middle + reach)) if count < of else 1.0
    return low, high


def _possible_until(count: float, of: float, least: float, place: float) -> float:
    """Return the logit of the rate under which what was seen is just as likely as *least* (a logarithm), by Newton's method from *place*:
    the likelihood's logarithm is concave, so that it comes to rest on the side that it began on."""
    for _ in range(_STEPS):
        place = min(max(place, -_FAR), _FAR)
        likely = count * place - of * (log1p(exp(place)) if place < 0.0 else place + log1p(exp(-place)))
        slope = count - of * _logistic(place)
        if abs(slope) < _FLAT:
            break
        place -= (likely - least) / slope
    return min(max(place, -_FAR), _FAR)


def _logistic(place: float) -> float:
    return 1.0 / (1.0 + exp(-place))


def _mixture(count: float, of: float) -> float:
    return lgamma(count + 0.5) + lgamma(of - count + 0.5) - lgamma(of + 1.0) - _LOG_HALF


def ranks(quantile: float, of: int, risk: float) -> tuple[float, float]:
    """Return between which ranks of *of* values the *quantile* lies, with the probability 1 - *risk* at all times: how many values may
    be below it at least, and at most."""
    middle = quantile * of
    reach = sqrt(2.0 * _REACH * middle * (1.0 - quantile))
    return _possible_rank(quantile, of, risk, middle - reach), _possible_rank(quantile, of, risk, middle + reach)


def _possible_rank(quantile: float, of: int, risk: float, rank: float) -> float:
    """Return with which number of values below it the *quantile* is just possible, likewise."""
    log_in, log_out, log_risk = log(quantile), log1p(-quantile), log(risk)
    for _ in range(_RANK_STEPS):
        rank = min(max(rank, 0.0), of)
        possible = rank * log_in + (of - rank) * log_out - _mixture(rank, of) - log_risk
        if possible >= 0.0 and rank in (0.0, of):
            return rank
        slope = log_in - log_out - log((rank + 0.5) / (of - rank + 0.5))
        if abs(slope) < _FLAT:
            break
        rank -= possible / slope
    return min(max(rank, 0.0), of)


class Ranks:
    """The values of a histogram by their rank: its *counts* from the bin number *first* on."""

    __slots__ = ("_below", "_first", "total")

    def __init__(self, first: int, counts: Sequence[int]) -> None:
        self._first = first
        self._below = list(accumulate(counts))
        self.total = self._below[-1] if counts else 0

    def at(self, rank: float) -> float:
        """Return the value (milliseconds) that *rank* values are below of, as if they were spread evenly over their bin."""
        below = self._below
        number = min(bisect_left(below, rank), len(below) - 1) if rank > 0 else next(i for i, n in enumerate(below) if n)
        start = below[number - 1] if number else 0
        part = min(1.0, max(0.0, (rank - start) / ((below[number] - start) or 1)))
        return FINEST_MS * exp((self._first + number + part) * BIN_WIDTH)

    def quantile(self, quantile: float, risk: float) -> tuple[float, float, float]:
        """Return the *quantile*, and between which values it lies with the probability 1 - *risk*."""
        low, high = ranks(quantile, self.total, risk)
        return self.at(quantile * self.total), self.at(low), inf if high >= self.total else self.at(high)
