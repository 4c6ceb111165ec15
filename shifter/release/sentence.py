"""What a verdict says in words: one sentence, with the numbers in it.

Rule 1. A sentence tells what somebody saw who would decide by it: both versions' figures, and how sure they are.
"""

from dataclasses import dataclass

from shifter.release.evidence import Metric

_MINUTE, _HOUR = 60.0, 3600.0
_SUSPICIOUS = 5.0
_SLOWER = 1.1
"""How much larger a quantile has to be for people to see it."""
_LATE = 0.05
"""How many more of the canary's last requests have to be late for that to be told."""


@dataclass(slots=True)
class Seen:
    """What is to be said. Pairs are (baseline, canary) ``units`` (requests or users) and those that ``failed``, over ``period``;
    ``sent`` likewise over the step, in requests. ``chance`` is the e-value, ``sudden`` whether what came within seconds would be enough
    for a roll-back, ``margins`` by how much more it is proven not to fail, and not to be slow (0: nothing is said of that). ``shared``
    is whether both versions are to get requests. ``late`` is how many of the last seconds' ``units`` there were and took longer than
    ``bound`` milliseconds, each as a pair. ``by_hand`` is whether a person braked it. ``warming`` is for how many seconds more.
    ``rate`` is the canary's requests a second."""

    unit: str
    units: tuple[int, int]
    failed: tuple[int, int]
    period: str
    sent: tuple[int, int]
    chance: float
    sudden: bool
    threshold: float
    by_latency: bool
    late: tuple[tuple[int, int], tuple[int, int]]
    bound: float
    quantiles: tuple[Metric, ...]
    margins: tuple[float, float]
    warming: float
    braked: bool
    by_hand: bool
    proven: bool
    needed: int | None
    rate: float
    shared: bool


def say(seen: Seen) -> str:
    """Return the sentence."""
    if seen.chance >= seen.threshold:
        return f"{_slower(seen) if seen.by_latency else _fails(seen)}; {_chance(seen.chance)}"
    if seen.sudden and not seen.braked:
        return f"{_slower(seen) if seen.by_latency else _fails(seen)}; it would be enough for a roll-back, but came within seconds"
    if not all(seen.sent) and seen.shared:
        return f"too little traffic so far: {seen.sent[1]:,} canary requests and {seen.sent[0]:,} of the baseline's in this step"
    if not seen.sent[1]:
        return "nothing to compare with: the canary gets no requests" if seen.sent[0] else "no requests: nothing to judge"
    if not seen.sent[0]:
        return "nothing to compare with: the baseline gets no requests"
    if seen.braked:
        what = _slower(seen) if seen.by_latency else _fails(seen)
        return f"braked: {what}; {'it stays so until it is resumed' if seen.by_hand else 'whether it goes on depends on what comes now'}"
    if seen.warming > 0.0:
        return f"warming up for another {duration(seen.warming)}, only a catastrophe counts: {_fails(seen)}"
    if seen.proven:
        return f"proven not worse: {f'{_fails(seen)}; ' if all(seen.units) else ''}{_bounds(seen)}"
    if seen.chance >= _SUSPICIOUS:
        what = _slower(seen) if seen.by_latency else _fails(seen)
        return f"the canary may be worse: {what}; {_chance(seen.chance)}, {number(seen.threshold)} are needed{_more(seen, ' - ')}"
    if not any(seen.units):
        return "no answers yet: nothing to judge"
    if seen.needed is None:
        return f"no difference seen: {_fails(seen)}; nobody can say yet when this step can be called"
    return f"no difference seen{_more(seen, ' - ')} until this step can be called"


def _fails(seen: Seen) -> str:
    (old, new), (old_failed, new_failed) = seen.units, seen.failed
    verb = "fails" if seen.unit == "request" else "fails for"
    if not new or not old:
        return (
            f"canary {verb} {new_failed:,} of {new:,} {seen.unit}{'' if new == 1 else 's'}, baseline {old_failed:,} of {old:,}{seen.period}"
        )
    rates = f"canary {verb} {rate(new_failed / new)} of {seen.unit}s, baseline {rate(old_failed / old)}"
    return f"{rates}: {new_failed:,} of {new:,} against {old_failed:,} of {old:,}{seen.period}"


def _slower(seen: Seen) -> str:
    known = [metric for metric in seen.quantiles if metric.baseline is not None and metric.canary is not None]
    shown = any(metric.canary > _SLOWER * metric.baseline for metric in known if metric.canary is not None and metric.baseline is not None)
    if (seen.sudden or seen.braked or not shown) and _are_late(seen):
        (old, new), (old_late, new_late) = seen.late
        figures = f"{new_late:,} of its last {new:,} {seen.unit}s took longer than {milliseconds(seen.bound)}"
        return f"canary is slower: {figures}, {old_late:,} of {old:,} of the baseline's"
    if not known:
        return "canary is slower"
    figures = ", ".join(
        f"{metric.name} {milliseconds(metric.canary)} against {milliseconds(metric.baseline)}"
        for metric in known
        if metric.canary is not None and metric.baseline is not None
    )
    return f"canary is slower: {figures} over {seen.sent[1]:,} and {seen.sent[0]:,} requests"


def _are_late(seen: Seen) -> bool:
    """Whether what came last says more than the whole step: requests that are still under way are in no quantile."""
    (old, new), (old_late, new_late) = seen.late
    return bool(old and new) and new_late / new > old_late / old + _LATE


def _bounds(seen: Seen) -> str:
    errors, latency = seen.margins
    slow = f", and less than {100.0 * latency:g} % more of its requests are slow" if latency else ""
    return f"it does not fail {points(errors)} more often{slow}"


def _chance(value: float) -> str:
    return f"a difference like this comes by chance less than once in {number(value)} releases"


def _more(seen: Seen, before: str) -> str:
    """Users come as they please: how long it takes until there are more of them nobody knows."""
    if seen.needed is None:
        return ""
    time = f" ({duration(seen.needed / seen.rate)})" if seen.rate > 0.0 and seen.unit == "request" else ""
    return f"{before}about {number(seen.needed)} more canary {seen.unit}{'' if seen.needed == 1 else 's'}{time}"


def number(value: float) -> str:
    """Return *value* with two digits that count, as people write it: ``430``, ``12,000``, ``3.2 billion``."""
    if value >= 1e9:
        return "a billion" if value < 2e9 else f"{value / 1e9:,.0f} billion"
    if value < 100:
        return f"{int(value)}"
    size = 10 ** (len(str(int(value))) - 2)
    return f"{int(value / size) * size:,}"


def rate(share: float) -> str:
    """Return *share* (0 to 1) in per cent: ``4.8 %``, ``0.03 %``."""
    percent = 100.0 * share
    if percent == 0.0 or percent >= 99.95:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.95 else f"{percent:.1g} %"


def points(share: float) -> str:
    """Return *share* (0 to 1) in points: ``0.25 points``."""
    return f"{100.0 * share:g} points"


def milliseconds(ms: float | None) -> str:
    """Return *ms* with three digits that count."""
    return "unknown" if ms is None else f"{ms:.3g} ms" if ms < 1000.0 else f"{ms / 1000.0:.3g} s"


def duration(seconds: float) -> str:
    """Return *seconds* as people say it: ``70 s``, ``12 min``, ``3 h``."""
    if seconds < 2 * _MINUTE:
        return f"{max(1.0, seconds):.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.0f} h" if seconds < 96 * _HOUR else f"{seconds / (24 * _HOUR):,.0f} days"
