"""What happens to a service and its canary: seventeen scenarios, and what a good rule makes of each of them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final


class Truth(Enum):
    """What the canary is: as good as the baseline, worse by less than anybody minds, or bad."""

    HEALTHY = "healthy"
    TOLERATED = "tolerated"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Spell:
    """From ``begin`` to ``end`` (seconds) things are otherwise: ``failing`` is the probability that a request fails, ``slower`` what
    latencies are multiplied by."""

    begin: float
    end: float
    failing: float
    slower: float = 1.0


@dataclass(frozen=True, slots=True)
class Tide:
    """Both versions' error rate and latency go up and down by these parts of themselves, once in ``period`` seconds."""

    errors: float
    latency: float
    period: float


@dataclass(frozen=True, slots=True)
class Pods:
    """The baseline's ``count`` pods, and the canary's according to its weight, fail completely for ``length`` seconds, each once in
    ``every`` seconds on average."""

    count: int
    every: float
    length: float


@dataclass(frozen=True, slots=True)
class Crowd:
    """Users stay with a version. The busiest of ``users`` asks most, the k-th the k-th part of that to the power of ``zipf``. ``unlucky``
    of them fail with ``failing``, whatever version serves them."""

    users: int
    zipf: float
    unlucky: float
    failing: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """``baseline`` and ``canary`` are the probabilities that a request fails; ``slower`` multiplies the canary's latencies, ``tail``
    those of the slowest 2 per cent of its requests only. ``outage`` is added to what either version does; ``late`` and ``cold`` are
    what the canary does instead. ``warm_up`` is what a release says about the canary."""

    name: str
    truth: Truth
    baseline: float
    canary: float
    slower: float = 1.0
    tail: float = 1.0
    outage: Spell | None = None
    late: Spell | None = None
    cold: Spell | None = None
    tide: Tide | None = None
    pods: Pods | None = None
    crowd: Crowd | None = None
    warm_up: float = 0.0
    meaning: str = field(default="", compare=False)


_FOREVER: Final = float("inf")
_CROWD: Final = Crowd(2_000, 0.9, 0.02, 0.5)
_COLD: Final = Spell(0.0, 60.0, 0.02, 2.0)
_H, _T, _B = Truth.HEALTHY, Truth.TOLERATED, Truth.BAD

SCENARIOS: Final = (
    Scenario("healthy 0.1 %", _H, 0.001, 0.001, meaning="one request in a thousand fails, in either version"),
    Scenario("healthy 1 %", _H, 0.01, 0.01, meaning="one in a hundred"),
    Scenario("shared outage", _H, 0.01, 0.01, outage=Spell(400, 700, 0.3, 3), meaning="both fail 30 points more and take 3 times as long"),
    Scenario("shared drift", _H, 0.01, 0.01, tide=Tide(0.8, 0.4, 1200), meaning="both fail 0.2 to 1.8 %, latency ± 40 %, in 20 minutes"),
    Scenario(
        "pod blips", _H, 0.001, 0.001, pods=Pods(10, 1200, 5), meaning="each pod of either version is dead for 5 s once in 20 minutes"
    ),
    Scenario("cold start", _H, 0.001, 0.001, cold=_COLD, meaning="the canary: 2 % errors, twice the latency, for its first minute"),
    Scenario("cold start, warm-up", _H, 0.001, 0.001, cold=_COLD, warm_up=60.0, meaning="the same, and the release says `warm_up: 60s`"),
    Scenario("sticky users", _H, 0, 0, crowd=_CROWD, meaning="users stay; 2 % of them fail half of the time, with either version"),
    Scenario("latency +10 %", _T, 0.001, 0.001, slower=1.1, meaning="what a release tolerates unless it says otherwise"),
    Scenario("errors 1 → 2 %", _B, 0.01, 0.02),
    Scenario("errors 1 → 5 %", _B, 0.01, 0.05),
    Scenario("errors 0.1 → 1 %", _B, 0.001, 0.01),
    Scenario("broken", _B, 0.001, 1.0, meaning="every request fails"),
    Scenario("latency +30 %", _B, 0.001, 0.001, slower=1.3),
    Scenario("p99 × 2", _B, 0.001, 0.001, tail=2.0, meaning="the slowest 2 % take twice as long"),
    Scenario("late 1 → 5 %", _B, 0.01, 0.01, late=Spell(500, _FOREVER, 0.05), meaning="after 500 s"),
    Scenario("late broken", _B, 0.001, 0.001, late=Spell(500, _FOREVER, 1.0), meaning="after 500 s"),
    Scenario("sticky bad", _B, 0, 0.03, crowd=_CROWD, meaning="as sticky users, and 3 % more errors"),
)
BY_NAME: Final = {scenario.name: scenario for scenario in SCENARIOS}
RATES: Final = (1, 10, 100)
"""Requests a second, of both versions together."""
WEIGHTS: Final = (0.01, 0.05, 0.1, 0.25, 0.5)
HALF_AN_HOUR: Final = 1800
"""How long a cell lasts, in seconds."""
AN_HOUR: Final = 3600
"""How long a whole release may take."""
