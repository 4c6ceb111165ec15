"""Bets against "both versions are alike", which nobody can expect to win while they are.

Rule 1. While the canary is no worse, chance alone says whose a failure is: the canary's with the probability that its share had when the
        request was sent. Who bets at those odds may be lucky, but cannot expect to own more than the one unit that they began with,
        whatever they bet, and whenever somebody looks: P(capital ever reaches 1/alpha) <= alpha (Ville's inequality). So the capital
        is the evidence. A failure that both versions have in common changes how many failures there are, not whose they are.
Rule 2. Nobody knows beforehand how much worse a canary is: the stake is spread over several guesses, and a part of it is kept back for
        bets that begin later, so that a canary that has been good for an hour is not believed for another one.
Rule 3. Failures of one moment may be one event (a restart, a pause): what a few seconds bring counts at most `BLIP`-fold. The same
        without this bound (``fast``) is for decisions that can be taken back.
Rule 4. Only what is known before a second may choose the bets that are made on it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from math import exp, isfinite, log
from operator import mul

RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
"""How many times as often as the baseline the canary may fail: the guesses that are bet on."""
RATIO_STAKES = (0.16, 0.24, 0.20, 0.16, 0.12, 0.07, 0.05)
"""The more for those that take the most requests to see."""
BLIP = 20.0
"""How much more the capital may be after a blip than it was before."""
START = 0.5
"""The part of the capital that is bet from the beginning on."""
_LATER = 0.005
"""The part of what was kept back that is bet each time when bets begin anew."""
_MOST = 1e12
"""More evidence than anybody needs; it keeps numbers finite."""
_MOST_LOG = 50.0


class Bets:
    """Capital of one unit, in bets on guesses whose *stakes* add up to 1.

    *window* is the number of seconds over which the capital may grow `BLIP`-fold; 0: no bound. *start* is the part that is bet at once,
    *later* the part of the rest that each `begin_anew` adds, *most* what the capital never exceeds.
    """

    __slots__ = ("_before", "_later", "_most", "_stakes", "_window", "capitals", "fast", "kept")

    def __init__(self, stakes: Sequence[float], window: int = 0, start: float = START, later: float = _LATER, most: float = _MOST) -> None:
        self._stakes = stakes
        self._window = window
        self._later = later
        self._most = most
        self.kept = 1.0 - start
        self.capitals = [start * stake for stake in stakes]
        self.fast = list(self.capitals)
        self._before = deque([start], maxlen=max(1, window))

    @property
    def value(self) -> float:
        """The capital."""
        return min(self._most, self.kept + sum(self.capitals))

    @property
    def fast_value(self) -> float:
        """What it would be without the bound on blips."""
        return min(self._most, self.kept + sum(self.fast))

    def tick(self, logs: Sequence[float] | None) -> None:
        """A second is over, in which each guess earned so much (logarithms of factors); ``None``: there was nothing to bet on."""
        before = self._before
        if logs is not None:
            growth = [exp(gain if gain < _MOST_LOG else _MOST_LOG) for gain in logs]
            capitals = list(map(mul, self.capitals, growth))
            total = sum(capitals)
            most = min(self._most, BLIP * before[0]) if self._window else self._most
            self.capitals = capitals if total <= most else _scaled(capitals, most / total)
            if self._window:
                fast = list(map(mul, self.fast, growth))
                total = sum(fast)
                self.fast = fast if total <= self._most else _scaled(fast, self._most / total)
            else:
                self.fast = self.capitals
        before.append(sum(self.capitals))

    def begin_anew(self) -> None:
        """Bet some of what was kept back."""
        stake = self.kept * self._later
        self.kept -= stake
        shares = [stake * part for part in self._stakes]
        self.capitals = [have + more for have, more in zip(self.capitals, shares, strict=True)]
        self.fast = [have + more for have, more in zip(self.fast, shares, strict=True)]
        self._before = deque((had + stake for had in self._before), maxlen=self._before.maxlen)

    def forget_fast(self) -> None:
        """What was told by the fast value has been dealt with."""
        self.fast = list(self.capitals)

    def to_state(self) -> list[list[float]]:
        """Return everything that changes."""
        return [[self.kept], self.capitals, self.fast, list(self._before)]

    def restore(self, state: Sequence[Sequence[float]]) -> None:
        """Go on from what `to_state` returned. Raises ValueError when it cannot have."""
        (kept,), capitals, fast, before = state
        if not len(capitals) == len(fast) == len(self._stakes) or not before or not all(map(isfinite, (kept, *capitals, *fast, *before))):
            raise ValueError("these are not the bets of this version of shifter")
        self.kept = kept
        self.capitals = list(capitals)
        self.fast = list(fast)
        self._before = deque(before, maxlen=self._before.maxlen)


def _scaled(capitals: Sequence[float], factor: float) -> list[float]:
    return list(map(mul, capitals, repeat(factor)))


@lru_cache(maxsize=512)
def ratio_gains(share: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what each of `RATIOS` earns by a failure of the baseline's, and by one of the canary's, whose chance *share* was."""
    odds = [-log(share * ratio + 1.0 - share) for ratio in RATIOS]
    return tuple(odds), tuple(log(ratio) + lost for ratio, lost in zip(RATIOS, odds, strict=True))


def ratio_logs(failures: Mapping[float, Sequence[int]]) -> list[float] | None:
    """Return what each of `RATIOS` earns by *failures* (see `observe.comparison.Second`); ``None`` if there are none."""
    return _added(_ratio_logs(failures))


def _ratio_logs(failures: Mapping[float, Sequence[int]]) -> Iterable[list[float]]:
    for share, (baseline, canary) in failures.items():
        by_baseline, by_canary = ratio_gains(share)
        yield [baseline * loss + canary * gain for loss, gain in zip(by_baseline, by_canary, strict=True)]


def _added(rows: Iterable[list[float]]) -> list[float] | None:
    total: list[float] | None = None
    for row in rows:
        total = row if total is None else [one + more for one, more in zip(total, row, strict=True)]
    return total


added = _added
