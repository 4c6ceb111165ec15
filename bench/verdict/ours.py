"""shifter's own rule, as it is shipped: its judge looks at the seconds that the data path would have counted."""

from collections.abc import Sequence
from math import log
from typing import Protocol

import numpy as np

from bench.verdict.scenarios import WEIGHTS
from bench.verdict.streams import Flags, Floats, Numbers, Stream
from bench.verdict.whole import DONE, ROLLED_BACK, UNDECIDED, Ended, exposed
from shifter.model.release import MILLION, ReleaseSpec, RouteReference, State, Step, Undecided, VerdictSettings
from shifter.observe.comparison import BIN_WIDTH, BINS, FINEST_MS, Second
from shifter.release.interfaces import Judge
from shifter.release.judge import Verdict
from shifter.release.rehearsal import Asked, Counting, Rehearsal

_FINEST = log(FINEST_MS)


class Source(Protocol):
    """Who counts a stream's requests, second by second."""

    edges: tuple[Sequence[float], Sequence[float]]

    def second(self, share: int) -> Second:
        """Return what the next second brought, in which the canary had *share* of a million."""


class Fast:
    """Counts with numpy what `Comparison` would count one by one. What is slower than the last edge is counted when it ends, though."""

    def __init__(self, requests: Stream) -> None:
        self.edges: tuple[Sequence[float], Sequence[float]] = ((), ())
        self._draw = requests.draw
        self._upto = np.searchsorted(requests.at, np.arange(requests.seconds + 1)).tolist()
        self._fails, self._ms = np.stack(requests.fails), np.stack(requests.ms)
        self._end = requests.at + self._ms / 1e3
        self._bin = np.clip(((np.log(self._ms) - _FINEST) / BIN_WIDTH).astype(np.int64), 0, BINS - 1)
        self._now = 0
        # in flight: which request, which version it went to, under which share
        self._flying: tuple[Numbers, Numbers, Floats] = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

    def second(self, share: int) -> Second:
        """See `Source`."""
        part = share / MILLION
        first, last = self._upto[self._now : self._now + 2]
        self._now += 1
        version = (self._draw[first:last] < part).astype(np.int64)
        second = Second()
        sent = int(version.sum())
        second.sent[:] = (last - first - sent, sent)
        if last > first:
            second.sent_under[part] = list(second.sent)
        fresh = (np.arange(first, last), version, np.full(last - first, part))
        which, version, parts = (np.concatenate(both) for both in zip(self._flying, fresh, strict=True))
        over = self._end[version, which] < self._now
        still = ~over
        self._flying = which[still], version[still], parts[still]
        of_canary = int(self._flying[1].sum())
        second.in_flight = (len(self._flying[1]) - of_canary, of_canary)
        self._count(second, which[over], version[over], parts[over])
        return second

    def _count(self, second: Second, which: Numbers, version: Numbers, parts: Floats) -> None:
        if not len(which):
            return
        fails, ms = self._fails[version, which], self._ms[version, which]
        second.answered[:] = np.bincount(version, minlength=2).tolist()
        second.failed[:] = np.bincount(version[fails], minlength=2).tolist()
        bins = np.bincount(version * BINS + self._bin[version, which], minlength=2 * BINS).tolist()
        second.histograms[0][:], second.histograms[1][:] = bins[:BINS], bins[BINS:]
        if (parts == parts[0]).all():
            self._under(second, float(parts[0]), version, fails, ms)
            return
        for part in np.unique(parts).tolist():
            mine = parts == part
            self._under(second, part, version[mine], fails[mine], ms[mine])

    def _under(self, second: Second, part: float, version: Numbers, fails: Flags, ms: Floats) -> None:
        if not 0.0 < part < 1.0:
            return
        failed = np.bincount(version[fails], minlength=2).tolist()
        if any(failed):
            second.failures[part] = failed
        if self.edges[0]:
            size = len(self.edges[0]) + 1
            canary = version == 1
            both = zip(self.edges, (~canary, canary), strict=True)
            counts = [np.bincount(np.searchsorted(edges, ms[mine], side="right"), minlength=size).tolist() for edges, mine in both]
            second.latencies[part] = (counts[0], counts[1])


class OneByOne:
    """Has `Comparison` itself count. That is what users who stay with a version need, each of whom counts once."""

    def __init__(self, requests: Stream) -> None:
        self.edges: tuple[Sequence[float], Sequence[float]] = ((), ())
        self._requests = requests
        self._upto = np.searchsorted(requests.at, np.arange(requests.seconds + 1)).tolist()
        self._now = 0
        self._counting = Counting(sticky=requests.user is not None)

    def second(self, share: int) -> Second:
        """See `Source`."""
        requests, counting = self._requests, self._counting
        counting.edges = self.edges
        first, last = self._upto[self._now : self._now + 2]
        self._now += 1
        canary = requests.draw[first:last] < share / MILLION
        fails = np.where(canary, requests.fails[1][first:last], requests.fails[0][first:last])
        ms = np.where(canary, requests.ms[1][first:last], requests.ms[0][first:last])
        users = requests.user[first:last].tolist() if requests.user is not None else [None] * (last - first)
        columns = (requests.at[first:last].tolist(), canary.tolist(), fails.tolist(), ms.tolist(), users)
        return counting.second(map(Asked._make, zip(*columns, strict=True)), share, self._now)


def source(requests: Stream) -> Source:
    """Return who counts *requests*."""
    return Fast(requests) if requests.user is None else OneByOne(requests)


def judge(requests: Stream) -> Verdict:
    """Return who judges them, with the settings that a release has unless it says otherwise."""
    return Verdict(VerdictSettings(), "request" if requests.user is None else "user")


def condemned(requests: Stream, weight: float, verdict: Judge, warm_up: float = 0.0) -> int | None:
    """Return after how many seconds at *weight* the canary is to be rolled back; ``None`` if never."""
    counting = source(requests)
    share = round(weight * MILLION)
    rate = len(requests.at) / requests.seconds * weight
    verdict.begin_step(warm_up)
    for second in range(1, requests.seconds + 1):
        counting.edges = verdict.edges
        if verdict.tick(counting.second(share), rate).condemns:
            return second
    return None


def release(warm_up: float) -> ReleaseSpec:
    """Return a release through all weights: a minute to five minutes each, and on where there is no verdict by then."""
    shares = [*(round(weight * MILLION) for weight in WEIGHTS), MILLION]
    steps = tuple(
        Step(number, share=share, min=60.0, max=300.0, undecided=Undecided.ADVANCE, warm_up=warm_up if number == 1 else 0.0)
        for number, share in enumerate(shares, 1)
    )
    return ReleaseSpec("bench", RouteReference(text="/"), "baseline", "canary", steps)


def released(requests: Stream, warm_up: float = 0.0) -> Ended:
    """Return what becomes of such a release."""
    rehearsal, counting = Rehearsal(release(warm_up), judge(requests)), source(requests)
    count = extra = brakes = 0
    braked = 0.0
    began, share = 0, rehearsal.share
    outcome = UNDECIDED
    while outcome == UNDECIDED and rehearsal.seconds < requests.seconds:
        counting.edges = rehearsal.edges
        happened = rehearsal.second(counting.second(share))
        now = rehearsal.seconds
        if happened is not None and happened.after.state is State.BRAKED:
            brakes, braked = brakes + 1, braked or now
        if rehearsal.share == MILLION:
            outcome = DONE
        elif not rehearsal.judged:
            outcome = ROLLED_BACK
        if rehearsal.share != share or outcome != UNDECIDED or now == requests.seconds:
            seen, more = exposed(requests, began, now, share / MILLION)
            count, extra, began, share = count + seen, extra + more, now, rehearsal.share
    return Ended(outcome, rehearsal.seconds, count, extra, brakes, braked)
