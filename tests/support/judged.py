"""Seconds of two versions that are made up, as `observe.comparison.Comparison` would have counted them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from math import exp
from random import Random

from shifter.model.release import VerdictSettings
from shifter.observe.comparison import Second, bin_of
from shifter.release.evidence import Evidence
from shifter.release.judge import Verdict

MEDIAN_MS = 80.0
_SPREAD = 0.568  # of a p99 of 300 ms


def second(
    chance: Random,
    edges: tuple[Sequence[float], Sequence[float]],
    share: float = 0.1,
    rate: int = 100,
    failing: tuple[float, float] = (0.001, 0.001),
    slower: float = 1.0,
) -> Second:
    """Make up a second in which *rate* requests come, each version of them *failing*, and the canary's are *slower*."""
    made = Second()
    sent = made.sent_under[share] = [0, 0]
    for _ in range(rate):
        canary = chance.random() < share
        ms = MEDIAN_MS * exp(_SPREAD * chance.gauss(0.0, 1.0)) * (slower if canary else 1.0)
        sent[canary] += 1
        made.answered[canary] += 1
        made.histograms[canary][bin_of(ms)] += 1
        if chance.random() < failing[canary]:
            made.failed[canary] += 1
            if 0.0 < share < 1.0:
                made.failures.setdefault(share, [0, 0])[canary] += 1
        if edges[0] and 0.0 < share < 1.0:
            size = len(edges[0]) + 1
            made.latencies.setdefault(share, ([0] * size, [0] * size))[canary][bisect_right(edges[canary], ms)] += 1
    made.sent[:] = sent
    return made


def judged(
    verdict: Verdict,
    seconds: int,
    seed: int = 1,
    share: float = 0.1,
    rate: int = 100,
    failing: tuple[float, float] = (0.001, 0.001),
    slower: float = 1.0,
) -> Iterator[Evidence]:
    """Yield what *verdict* says, second by second."""
    chance = Random(seed)
    for _ in range(seconds):
        yield verdict.tick(second(chance, verdict.edges, share, rate, failing, slower), rate * share)


def until_condemned(
    seed: int = 1,
    settings: VerdictSettings = VerdictSettings(),  # noqa: B008  # it is frozen
    share: float = 0.1,
    failing: tuple[float, float] = (0.001, 0.001),
    slower: float = 1.0,
    seconds: int = 900,
) -> tuple[int, int] | None:
    """Return after how many seconds, and how many requests, a canary is condemned; ``None`` if it is not."""
    verdict = Verdict(settings)
    verdict.begin_step(0.0)
    for number, evidence in enumerate(judged(verdict, seconds, seed, share, 100, failing, slower), 1):
        if evidence.condemns:
            return number, evidence.requests[1]
    return None
