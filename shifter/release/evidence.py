"""What is known of a canary at some moment: what a verdict is based on, and what people are shown of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of both versions over the current step: ``errors`` in per cent, ``p50``, ``p90``, ``p99`` in milliseconds.

    ``difference`` is the canary's less the baseline's: points for errors, per cent of the baseline's for latencies; it lies between
    ``low`` and ``high`` with 95 % certainty, however often one looks. ``margin`` is what it may be. ``None`` is not known yet.
    """

    name: str
    unit: str
    baseline: float | None
    canary: float | None
    difference: float | None
    low: float | None
    high: float | None
    margin: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence after one more second.

    ``value`` is the e-value that decides (the average of ``errors`` and ``latency``): the release is rolled back when it reaches
    ``threshold``. ``fast`` is the same without the bound on how fast it may grow: a release is braked when that reaches the threshold.
    ``proven``: the canary is proven not worse. ``needed`` is about how many more canary requests (or users, where they are the unit)
    that, or the opposite, takes; ``None`` if nobody knows. ``warming``: only a catastrophe counts. ``requests`` and ``failed`` are
    (baseline, canary) since the release began, as far as they count; ``excess_failed`` how many of the canary's the baseline would not
    have failed. ``recent_requests`` and ``recent_excess`` are the canary's requests since the brake looked last, and the share of them
    that failed in excess, or were slower than nearly all of the baseline's.
    ``unit`` is ``request`` or ``user``. ``sentence`` says it in words, with the numbers in them.
    """

    value: float = 1.0
    errors: float = 1.0
    latency: float = 1.0
    fast: float = 1.0
    threshold: float = 100.0
    proven: bool = False
    needed: int | None = None
    warming: bool = False
    requests: tuple[int, int] = (0, 0)
    failed: tuple[int, int] = (0, 0)
    in_flight: tuple[int, int] = (0, 0)
    excess_failed: float = 0.0
    recent_requests: int = 0
    recent_excess: float = 0.0
    canary_success_rate: float | None = None
    """Of the canary's requests that ended in the last second; ``None`` if none did."""
    metrics: tuple[Metric, ...] = ()
    unit: str = "request"
    sentence: str = "nothing was seen yet"

    @property
    def condemns(self) -> bool:
        """Whether the release is to be rolled back."""
        return self.value >= self.threshold

    @property
    def alarms(self) -> bool:
        """Whether the release is to be braked."""
        return self.fast >= self.threshold

    def to_dict(self) -> Mapping[str, object]:
        """Return plain JSON-able values."""
        return asdict(self)
