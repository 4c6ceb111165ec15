"""What becomes of the requests of a release's two versions: counted while they are served, taken once a second by who judges.

Rule 1. What counts is the first try of each request that was shared out by chance. Requests that a header sends to a version, that were
        given away because a version had no healthy endpoint, copies, and health checks are not told of here.
Rule 2. A failure or a latency is counted when it is known, under the share that the canary had when the request was sent: under that
        share, and as long as both versions are alike, chance alone says whose it is.
Rule 3. A request that takes longer than the last of ``edges`` is counted as slow then, and not a second time when it ends; from then on
        it is in ``overdue`` instead of ``waiting``, which is looked through every second. So is one whose client gives up after that.
Rule 4. Where users stay with a version, a user is counted once for failing and once for a latency. When the share has moved by then, a
        user whose version it did not settle may be counted again, under the probability that is left (`_Users`).
Rule 5. It costs about a microsecond a request, and knows no clock.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from math import exp, log

from shifter.model.release import MILLION

BINS = 280
"""Of the histograms."""
FINEST_MS = 0.05
"""What is faster is in the first bin."""
BIN_WIDTH = log(1.05)
"""The bins are 5 % wide."""
_BOUNDS = [FINEST_MS * exp(BIN_WIDTH * number) for number in range(1, BINS)]
_PATHS = 200
_SAMPLES = 10
_LONGEST = 200
"""Characters of a path, or of the id of a request, that are kept."""
_USERS = 100_000

Counted = tuple[int, int, float, float]
"""A user who was counted: for failing (0) or for a latency (1), who it is, and between which two shares that user stands."""


def bin_of(ms: float) -> int:
    """Return the number of the histograms' bin that *ms* milliseconds fall into."""
    return bisect_right(_BOUNDS, ms)


class Trial:
    """The first try of one request, from `Comparison.sent` on."""

    __slots__ = ("canary", "sent", "share", "user")

    def __init__(self, canary: bool, share: float, sent: float, user: int | None) -> None:
        self.canary = canary
        self.share = share
        self.sent = sent
        self.user = user


class Second:
    """What was learned since the last look. Each pair is (baseline, canary).

    ``sent``, ``failed``, ``answered`` are plain numbers of requests. ``sent_under`` is how many were sent under each share;
    ``failures`` those that count for the verdict, by the probability (0 to 1) with which chance gives them to the canary; ``latencies``
    likewise the numbers in each bin of `Comparison.edges`. ``histograms`` have `BINS` bins (`bin_of`). ``in_flight`` is how many have
    no outcome yet.
    """

    __slots__ = ("answered", "failed", "failures", "histograms", "in_flight", "latencies", "sent", "sent_under")

    def __init__(self) -> None:
        self.sent = [0, 0]
        self.answered = [0, 0]
        self.failed = [0, 0]
        self.sent_under: dict[float, list[int]] = {}
        self.failures: dict[float, list[int]] = {}
        self.latencies: dict[float, tuple[list[int], list[int]]] = {}
        self.histograms = ([0] * BINS, [0] * BINS)
        self.in_flight = (0, 0)


class Comparison:
    """See the module. *sticky*: users are the unit.

    ``edges`` are the bounds in milliseconds of the latencies' bins, the last one of which is open, for the baseline and for the canary
    (whose tolerance is in them already); empty while nobody knows them. They hold from the next request that ends on.
    """

    __slots__ = (
        "_dropped", "_flying", "_news", "_now", "_part", "_share", "_timed", "_timed_under", "_under", "_users_failed", "_users_timed",
        "edges", "failing", "overdue", "paths", "statuses", "sticky", "waiting",
    )  # fmt: skip

    def __init__(self, sticky: bool = False) -> None:
        self.sticky = sticky
        self.edges: tuple[Sequence[float], Sequence[float]] = ((), ())
        self.statuses: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self.paths: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        """Of failed requests, without their query."""
        self.failing: deque[str] = deque(maxlen=_SAMPLES)
        """Ids of the canary's last failed requests."""
        self.waiting: dict[Trial, None] = {}  # in the order in which they were sent
        self.overdue: dict[Trial, None] = {}
        self._news: list[Counted] = []
        self._users_failed = _Users(0, self._news)
        self._users_timed = _Users(1, self._news)
        self._flying = [0, 0]  # as of the last look
        self._dropped = [0, 0]
        self._now = Second()
        self._share = -1  # under which requests are sent now, what part of all that is, and what counts them
        self._part = 0.0
        self._under = [0, 0]
        self._timed_under = -1.0  # likewise for the share of the request whose latency was counted last
        self._timed: tuple[list[int], list[int]] = ([], [])

    # the data path

    def sent(self, canary: bool, share: int, now: float, user: int | None = None) -> Trial:
        """A request goes to a version for the first time, at *now* (seconds) and under the canary's *share* of a million; *user* is a
        hash of who it is from, where users are the unit."""
        if share != self._share:
            self._share = share
            self._part = part = share / MILLION
            self._under = self._now.sent_under.setdefault(part, [0, 0])
        self._under[canary] += 1
        trial = Trial(canary, self._part, now, user)
        self.waiting[trial] = None
        return trial

    def ended(self, trial: Trial, now: float, failed: bool, status: int = 0) -> None:
        """What *trial* came to; *status* 0 if there was no answer. A trial that has ended already is left alone."""
        late = False
        if self.waiting.pop(trial, trial) is trial:
            if self.overdue.pop(trial, trial) is trial:
                return
            late = True
        canary = trial.canary
        second = self._now
        ms = (now - trial.sent) * 1000.0
        second.histograms[canary][bisect_right(_BOUNDS, ms)] += 1
        self.statuses[canary][status] += 1
        if failed:
            second.failed[canary] += 1
            self._fail(trial)
        if not late:
            edges = self.edges[canary]
            if edges:
                if trial.share == self._timed_under and trial.user is None:
                    self._timed[canary][bisect_right(edges, ms)] += 1
                else:
                    self._time(trial, bisect_right(edges, ms))

    def dropped(self, trial: Trial, now: float) -> None:
        """Nobody will know what *trial* would have come to: its client has gone, at *now*."""
        if self.waiting.pop(trial, trial) is None:
            edges = self.edges[trial.canary]
            if edges and trial.sent <= now - edges[-1] / 1000.0:
                self._time(trial, len(edges))
        elif self.overdue.pop(trial, trial) is not None:
            return
        self._dropped[trial.canary] += 1

    def note(self, trial: Trial, path: str, request_id: str) -> None:
        """*trial* has failed: which *path*, without its query, and which request that was. Clients write both: they are cut short."""
        path = path[:_LONGEST]
        paths = self.paths[trial.canary]
        if path in paths or len(paths) < _PATHS:
            paths[path] += 1
        if trial.canary:
            self.failing.append(request_id[:_LONGEST])

    # who judges

    def take(self, now: float) -> Second:
        """Return what was learned since the last call."""
        if self.edges[0]:
            self._find_late(now)
        second, self._now = self._now, Second()
        self._share = -1
        self._timed_under = -1.0
        for version in (0, 1):
            second.sent[version] = sum(under[version] for under in second.sent_under.values())
            second.answered[version] = sum(second.histograms[version])
            self._flying[version] += second.sent[version] - second.answered[version] - self._dropped[version]
        self._dropped = [0, 0]
        second.in_flight = (self._flying[0], self._flying[1])
        return second

    def counted(self) -> Sequence[Counted]:
        """Return the users who were counted since the last call; of one who is in it twice the later holds."""
        found = self._news[:]
        self._news.clear()
        return found

    def know(self, users: Iterable[Counted]) -> None:
        """*users* were counted before, by another process for instance: they are not counted again."""
        for what, user, low, high in users:
            (self._users_timed if what else self._users_failed).know(user, low, high)

    def _find_late(self, now: float) -> None:
        latest = [now - edges[-1] / 1000.0 for edges in self.edges]
        youngest = max(latest)
        late = []
        for trial in self.waiting:
            if trial.sent > youngest:
                break
            if trial.sent <= latest[trial.canary]:
                late.append(trial)
        for trial in late:
            del self.waiting[trial]
            self.overdue[trial] = None
            self._time(trial, len(self.edges[trial.canary]))

    # counting

    def _fail(self, trial: Trial) -> None:
        share = trial.share if trial.user is None else self._users_failed.see(trial.user, trial.share, trial.canary)
        if 0.0 < share < 1.0:
            found = self._now.failures.get(share)
            if found is None:
                found = self._now.failures[share] = [0, 0]
            found[trial.canary] += 1

    def _time(self, trial: Trial, number: int) -> None:
        share = trial.share if trial.user is None else self._users_timed.see(trial.user, trial.share, trial.canary)
        found = self._now.latencies.get(share)
        if found is None:
            if not 0.0 < share < 1.0:
                return
            size = len(self.edges[0]) + 1
            found = self._now.latencies[share] = ([0] * size, [0] * size)
        found[trial.canary][number] += 1
        self._timed_under, self._timed = share, found


class _Users:
    """Users who were counted, and what is known of where each stands by that: between which two shares.

    The probability that a user is the canary's under another share is that of this part of what lies between the two. It keeps no
    more than `_USERS`; who comes behind them is not counted: what is known already loses nothing by that.
    """

    __slots__ = ("_known", "_news", "_what")

    def __init__(self, what: int, news: list[Counted]) -> None:
        self._known: dict[int, tuple[float, float]] = {}
        self._news = news
        self._what = what

    def know(self, user: int, low: float, high: float) -> None:
        """*user* is known to stand there."""
        self._known[user] = (low, high)

    def see(self, user: int, share: float, canary: bool) -> float:
        """Return the probability with which *user* is the canary's under *share*; 0 or 1 if that is no news."""
        low, high = self._known.get(user, (0.0, 1.0))
        if not low < share < high:
            return 0.0 if share <= low else 1.0
        if (low, high) == (0.0, 1.0) and len(self._known) >= _USERS:
            return 0.0
        self._known[user] = now = (low, share) if canary else (share, high)
        self._news.append((self._what, user, *now))
        return (share - low) / (high - low)
