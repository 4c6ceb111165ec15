"""What others do: Flagger, Argo Rollouts, Kayenta, and whoever repeats a test that was made for one look.

Rule 1. Each is written from its documentation and sources (fluxcd/flagger 15bd6ad, argoproj/argo-rollouts 9f8d111, spinnaker/kayenta
        a69573b), with the values of their examples where nothing else is said.
Rule 2. They see minutes: requests and failures of both versions, and latencies in the buckets of Istio's histogram, of which Prometheus
        interpolates quantiles. No scrape is late, no rate is extrapolated.
Rule 3. A rule is fed one minute after the other, and says when it has had enough. Which weight was in force meanwhile is not its business.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.verdict import kayenta
from bench.verdict.streams import Stream

ISTIO_MS: Final = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000)
MINUTE: Final = 60
_BASELINE, _CANARY = 0, 1


@dataclass(frozen=True, slots=True)
class Minute:
    """What metrics say of one minute, for (baseline, canary). ``p50`` and ``p99`` are exact, ``istio_p99`` is interpolated; NaN without a
    request. ``slice`` is (requests, failures, p50, p99) of a part of the baseline that is as large as the canary."""

    requests: tuple[int, int]
    failures: tuple[int, int]
    istio_p99: float
    p50: float
    p99: float
    slice: tuple[int, int, float, float]


def interpolated(counts: NDArray[np.int64], quantile: float) -> float:
    """Prometheus' ``histogram_quantile`` of requests counted in `ISTIO_MS`, and one more bucket without a bound."""
    total = int(counts.sum())
    if not total:
        return float("nan")
    upto = np.cumsum(counts)
    bucket = int(np.searchsorted(upto, quantile * total))
    if bucket >= len(ISTIO_MS):
        return float(ISTIO_MS[-1])
    low, high = (ISTIO_MS[bucket - 1] if bucket else 0.0), ISTIO_MS[bucket]
    return low + (high - low) * float((quantile * total - (upto[bucket] - counts[bucket])) / counts[bucket])


def minute(requests: Stream, number: int, weight: float) -> Minute:
    """Return what happened in the minute *number*, from 0, in which the canary had *weight*."""
    first, last = np.searchsorted(requests.at, (number * MINUTE, (number + 1) * MINUTE))
    draw = requests.draw[first:last]
    canary, beside = draw < weight, (draw >= weight) & (draw < 2 * weight)
    fails, ms = [each[first:last] for each in requests.fails], [each[first:last] for each in requests.ms]
    failures = (int(fails[_BASELINE][~canary].sum()), int(fails[_CANARY][canary].sum()))
    count = int(canary.sum())
    buckets = np.bincount(np.searchsorted(ISTIO_MS, ms[_CANARY][canary]), minlength=len(ISTIO_MS) + 1)
    same = (int(beside.sum()), int(fails[_BASELINE][beside].sum()), *_quantiles(ms[_BASELINE][beside]))
    both = (len(draw) - count, count)
    return Minute(both, failures, interpolated(buckets, 0.99), *_quantiles(ms[_CANARY][canary]), same)


def _quantiles(ms: NDArray[np.float64]) -> tuple[float, float]:
    if not len(ms):
        return float("nan"), float("nan")
    p50, p99 = np.quantile(ms, (0.5, 0.99))
    return float(p50), float(p99)


class Rule(Protocol):
    """Somebody who judges."""

    def sees(self, seen: Minute) -> bool:
        """Take *seen* in; return whether the canary is to be rolled back."""

    def passes(self) -> bool:
        """Whether a whole release may take its next step now."""


@dataclass(slots=True)
class Flagger:
    """A check a minute: the success rate is at least ``success`` (per cent), the p99 at most ``latency`` milliseconds. "No values found" is
    a failed check. Failed checks add up, and no passed one takes any away; that there are ``threshold`` of them is looked at before the
    checks of the next minute. Each minute that passes is a step."""

    success: float = 99.0
    latency: float = 500.0
    threshold: int = 5
    failed: int = 0
    _passed: bool = False

    def sees(self, seen: Minute) -> bool:
        if self.failed >= self.threshold:
            return True
        count, failures = seen.requests[_CANARY], seen.failures[_CANARY]
        self._passed = bool(count) and 100.0 * (count - failures) / count >= self.success and not seen.istio_p99 > self.latency
        self.failed += not self._passed
        return False

    def passes(self) -> bool:
        return self._passed


@dataclass(slots=True)
class Argo:
    """Analysis in the background, each ``interval`` minutes: success rate at least ``success`` (a part of 1), p99 at most ``latency`` (if
    it is asked for). Not a number is no success. More than ``limit`` failed measurements of one metric end the release. A step takes
    ``pause`` minutes."""

    success: float = 0.99
    latency: float | None = 500.0
    interval: int = 1
    limit: int = 3
    pause: int = 5
    failed: list[int] = field(default_factory=lambda: [0, 0])
    _counts: list[int] = field(default_factory=lambda: [0, 0, 0])

    def sees(self, seen: Minute) -> bool:
        counts = self._counts
        counts[0] += seen.requests[_CANARY]
        counts[1] += seen.failures[_CANARY]
        counts[2] += 1
        if counts[2] % self.interval == 0:
            count, failures = counts[:2]
            counts[:2] = [0, 0]
            self.failed[0] += not count or (count - failures) / count < self.success
            if self.latency is not None:  # asked for with an interval of one minute only
                self.failed[1] += not seen.istio_p99 <= self.latency
        return max(self.failed) > self.limit

    def passes(self) -> bool:
        return self._counts[2] % self.pause == 0


@dataclass(slots=True)
class Kayenta:
    """A judgement each ``interval`` minutes of all minutes so far: error rate, p50 and p99, of the same weight, against as many of the
    baseline's requests; a score below ``marginal`` ends the release. With three metrics one that fails does."""

    interval: int = 5
    marginal: float = 75.0
    seed: int = 0
    _points: list[list[tuple[float, float]]] = field(default_factory=lambda: [[], [], []])

    def sees(self, seen: Minute) -> bool:
        count, failures = seen.requests[_CANARY], seen.failures[_CANARY]
        same, same_failures, p50, p99 = seen.slice
        rates = (same_failures / same if same else float("nan"), failures / count if count else float("nan"))
        for points, both in zip(self._points, (rates, (p50, seen.p50), (p99, seen.p99)), strict=True):
            points.append(both)
        if len(self._points[0]) % self.interval:
            return False
        columns = [np.array(points).T for points in self._points]
        return kayenta.score([(column[0], column[1]) for column in columns], np.random.default_rng(self.seed)) < self.marginal

    def passes(self) -> bool:
        return len(self._points[0]) % self.interval == 0


@dataclass(slots=True)
class Repeated:
    """A one-sided test of two shares, at one per cent, repeated each minute: what a script with a textbook does."""

    critical: float = 2.326
    _sums: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def sees(self, seen: Minute) -> bool:
        for at, more in enumerate((*seen.requests, *seen.failures)):
            self._sums[at] += more
        others, count, other_failures, failures = self._sums
        if min(others, count) < 20:
            return False
        share = (failures + other_failures) / (count + others)
        variance = share * (1 - share) * (1 / count + 1 / others)
        return variance > 0 and (failures / count - other_failures / others) / sqrt(variance) > self.critical

    def passes(self) -> bool:
        return True


RULES: Final[dict[str, Callable[[], Rule]]] = {
    "Flagger 99 %": Flagger,
    "Flagger 97 %": lambda: Flagger(success=97.0),
    "Argo tuned": Argo,
    "Argo docs": lambda: Argo(success=0.95, latency=None, interval=5),
    "Kayenta": Kayenta,
    "z-test each minute": Repeated,
}
"""Who stands in the tables beside shifter. *Argo docs* has the values of its first example: success at least 95 per cent, each five
minutes, three failures allowed; *tuned* has those of Flagger's example, each minute."""
SCHEDULED: Final = ("Flagger 99 %", "Flagger 97 %", "Argo tuned", "Kayenta")
"""Those that lead whole releases."""
