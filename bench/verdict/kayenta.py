"""Kayenta's NetflixACAJudge: is the canary's metric higher than the baseline's, by the points that both have one of for each minute?

After spinnaker/kayenta a69573b: ``MannWhitney.scala`` (itself after R's ``wilcox.test``: the normal approximation with continuity and tie
corrections, and an interval of the Hodges-Lehmann shift that is found as R's ``zeroin`` finds roots), ``MannWhitneyClassifier.scala``
and ``WeightedSumScorer.scala``. Where the test's statistic has steps, what the root finder does between them is part of the rule.
"""

from collections.abc import Callable, Sequence
from math import inf, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

CONFIDENCE = 0.98
TOLERANCE = 0.25
"""The interval must be farther away than this part of the estimated shift."""
_FOUND = 1e-4
_EPSILON = 2.220446049250313e-16
_MOST_STEPS = 1000
_NOISE = 1e-5


class TiedError(Exception):
    """All values are the same."""


def statistic(shift: float, experiment: Points, control: Points) -> float:
    """How many standard deviations the ranks of *experiment*, less *shift*, are above those that chance would give it."""
    n, m = len(experiment), len(control)
    values = np.concatenate((experiment - shift, control))
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    ranks = (last - (ties - 1) / 2)[place]
    excess = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
    correction = float(np.sign(excess)) * 0.5
    tied = float((ties.astype(float) ** 3 - ties).sum())
    variance = (n * m / 12) * ((n + m + 1) - tied / ((n + m) * (n + m - 1)))
    if variance <= 0:
        raise TiedError
    return (excess - correction) / sqrt(variance)


def root(of: Callable[[float], float], low: float, high: float, at_low: float, at_high: float) -> float:
    """Where *of* is zero between *low* and *high*, as R's zeroin finds it (Brent's method), to 1e-4."""
    if at_low == 0:
        return low
    if at_high == 0:
        return high
    before, f_before = low, at_low  # the last but one
    here, f_here = high, at_high
    other, f_other = low, at_low  # on the other side of the root
    for _ in range(_MOST_STEPS + 1):
        previous = here - before
        if abs(f_other) < abs(f_here):
            before, f_before = here, f_here
            here, f_here, other, f_other = other, f_other, here, f_here
        tolerance = 2 * _EPSILON * abs(here) + _FOUND / 2
        step = (other - here) / 2
        if abs(step) <= tolerance or f_here == 0:
            return here
        if abs(previous) >= tolerance and abs(f_before) > abs(f_here):
            guessed = _interpolated(before, here, other, f_before, f_here, f_other, previous, tolerance)
            step = step if guessed is None else guessed
        if abs(step) < tolerance:
            step = tolerance if step > 0 else -tolerance
        before, f_before = here, f_here
        here += step
        f_here = of(here)
        if f_here * f_other > 0:
            other, f_other = before, f_before
    return here


def _interpolated(
    before: float, here: float, other: float, f_before: float, f_here: float, f_other: float, previous: float, tolerance: float
) -> float | None:
    """The step that a line through two points, or a curve through three, suggests; ``None`` if it is no good one."""
    across = other - here
    if before == other:
        part = f_here / f_before
        p, q = across * part, 1.0 - part
    else:
        q, r, s = f_before / f_other, f_here / f_other, f_here / f_before
        p = s * (across * q * (q - r) - (here - before) * (r - 1.0))
        q = (q - 1.0) * (r - 1.0) * (s - 1.0)
    p, q = (p, -q) if p > 0.0 else (-p, q)
    if p < 0.75 * across * q - abs(tolerance * q) / 2 and p < abs(previous * q / 2):
        return p / q
    return None


def interval(experiment: Points, control: Points, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Return the least and the largest shift of *experiment* that *confidence* leaves, and the estimated one."""
    low, high = float(experiment.min() - control.max()), float(experiment.max() - control.min())
    at_low, at_high = statistic(low, experiment, control), statistic(high, experiment, control)
    quantile = -NormalDist().inv_cdf((1 - confidence) / 2)

    def bound(wanted: float) -> float:
        if at_low - wanted <= 0:
            return low
        if at_high - wanted >= 0:
            return high
        return shift(wanted)

    def shift(wanted: float) -> float:
        return root(lambda shift: statistic(shift, experiment, control) - wanted, low, high, at_low - wanted, at_high - wanted)

    return bound(quantile), bound(-quantile), shift(0.0)


def is_higher(experiment: Points, control: Points, chance: np.random.Generator) -> bool:
    """Whether the metric is classified as ``High`` (direction ``increase``, no effect size asked for)."""
    if len(np.unique(np.concatenate((experiment, control)))) == 1 or np.array_equal(np.sort(experiment), np.sort(control)):
        return False
    if len(np.unique(experiment)) == 1 and len(np.unique(control)) == 1:  # otherwise all would be tied
        experiment, control = (points + chance.standard_normal(len(points)) * abs(points[0]) * _NOISE for points in (experiment, control))
    try:
        least, _, estimate = interval(experiment, control)
    except TiedError:
        return False
    means = float(experiment.mean()), float(control.mean())
    grown = inf if 0.0 in means else means[0] / means[1]
    return least > TOLERANCE * abs(estimate) and grown >= 1.0


def score(metrics: Sequence[tuple[Points, Points]], chance: np.random.Generator) -> float:
    """Return the score, 0 to 100, of metrics of the same weight; each is the points of (baseline, canary), NaN where there are none.

    Points without a value are left out; a metric without any has no say, and when half of the metrics have none, that fails everything.
    """
    told = [(experiment[~np.isnan(experiment)], control[~np.isnan(control)]) for control, experiment in metrics]
    with_data = [both for both in told if len(both[0]) and len(both[1])]
    if len(told) - len(with_data) >= len(told) / 2:
        return 0.0
    passed = sum(not is_higher(*both, chance) for both in with_data) + len(told) - len(with_data)
    return 100.0 * passed / len(told)
